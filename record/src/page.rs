//! `deployment.html`: one page that needs nothing else.

use std::time::Duration;

use crate::chart;
use crate::{EventRecord, ImageRecord, Record, ServiceRecord, StoppedRecord};
use deploy::time::{Timestamp, spoken};

/// So many services are named in the page's title.
const TITLE_SERVICES: usize = 3;

const SECS_PER_HOUR: u64 = 3600;

/// What a service that serves the new revision is said to be.
const SERVING: &str = "serving";

/// The page as HTML text.
///
/// # Guarantees
/// It is complete in itself: no script, no font, no image, and no address but those of the
/// services' consoles. Every text of `record` is shown as text: none can become markup. The same
/// record gives the same page.
pub fn page(record: &Record) -> String {
    let sections: Vec<String> = record
        .services
        .iter()
        .enumerate()
        .map(|(index, service)| section(record, service, index + 1))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}{}</main>\n\
         <footer>Recorded by ecs-deploy-action from what ECS showed; between two looks \
         (5 s or more) nothing is known.</footer>\n</body>\n</html>\n",
        escaped(&title(record)),
        header(record),
        sections.concat(),
    )
}

fn outcome(record: &Record) -> &'static str {
    if record.succeeded {
        "Succeeded"
    } else {
        "Failed"
    }
}

fn target(service: &ServiceRecord) -> String {
    format!("{} on {}", service.service, service.cluster)
}

fn title(record: &Record) -> String {
    let named = record.services.iter().take(TITLE_SERVICES).map(target);
    let mut named: Vec<String> = named.collect();
    let others = record.services.len().saturating_sub(named.len());
    if others > 0 {
        named.push(format!("{others} more"));
    }
    if named.is_empty() {
        outcome(record).to_owned()
    } else {
        format!("{}: {}", outcome(record), named.join(", "))
    }
}

fn header(record: &Record) -> String {
    let message = record.message.trim();
    let (headline, rest) = message.split_once('\n').unwrap_or((message, ""));
    let headline = match headline.trim() {
        "" => outcome(record),
        headline => headline,
    };
    let rest = match rest.trim_matches(['\r', '\n']) {
        "" => String::new(),
        rest => format!("<pre>{}</pre>\n", escaped(rest)),
    };
    let class = if record.succeeded { "good" } else { "bad" };
    format!(
        "<header>\n<p class=\"badge {class}\">{}</p>\n<h1>{}</h1>\n{rest}{}</header>\n",
        outcome(record),
        escaped(headline),
        facts(&job_facts(record)),
    )
}

fn job_facts(record: &Record) -> Vec<(String, String)> {
    let mut facts = vec![fact("Job", code(&record.job))];
    facts.extend(
        record
            .pipeline_execution_id
            .as_ref()
            .map(|id| fact("Pipeline execution", code(id))),
    );
    facts.extend([
        fact("Started", moment(record.started)),
        fact("Ended", moment(record.ended)),
        fact("Took", took(record.ended.since(record.started))),
    ]);
    facts
}

/// To the second where the spoken form leaves them out.
fn took(duration: Duration) -> String {
    let spoken = spoken(duration);
    match duration.as_secs() {
        0..60 => spoken,
        seconds => format!("{spoken} ({})", offset(seconds)),
    }
}

fn section(record: &Record, service: &ServiceRecord, number: usize) -> String {
    let heading = format!(
        "<h2 id=\"service-{number}\">{} <span class=\"badge {}\">{}</span></h2>\n",
        escaped(&target(service)),
        end_class(service),
        escaped(&service.end),
    );
    let body = if service.deployment.is_empty() {
        "<p>Nothing was deployed to this service.</p>\n".to_owned()
    } else {
        let seconds = record.ended.since(record.started).as_secs();
        facts(&service_facts(service))
            + &chart::figure(service, seconds, number)
            + &stopped_tasks(record, &service.stopped)
            + &events(record, &service.events)
    };
    format!("<section aria-labelledby=\"service-{number}\">\n{heading}{body}</section>\n")
}

fn end_class(service: &ServiceRecord) -> &'static str {
    if service.deployment.is_empty() {
        "plain"
    } else if service.end == SERVING {
        "good"
    } else {
        "bad"
    }
}

fn service_facts(service: &ServiceRecord) -> Vec<(String, String)> {
    let revision = code(&service.revision);
    let revision = service
        .previous
        .as_ref()
        .map_or(revision.clone(), |previous| {
            format!("{} → {revision}", code(previous))
        });
    let mut facts = vec![
        fact("Revision", revision),
        fact("Deployment", code(&service.deployment)),
    ];
    let desired = service.desired.map(|count| count.to_string());
    facts.extend(desired.map(|count| fact("Desired tasks", count)));
    facts.extend(service.images.iter().map(image_fact));
    facts.extend(service.console.as_deref().map(console_fact));
    facts
}

fn image_fact(image: &ImageRecord) -> (String, String) {
    let digest = image.digest.as_ref();
    let digest = digest
        .filter(|digest| !image.image.ends_with(digest.as_str()))
        .map_or_else(String::new, |digest| format!("<br>{}", code(digest)));
    fact(
        &format!("Image of {}", image.container),
        code(&image.image) + &digest,
    )
}

/// Anything but `https://` stays text: a link could be a script.
fn console_fact(console: &str) -> (String, String) {
    let shown = if console.starts_with("https://") {
        let address = escaped(console);
        format!("<a href=\"{address}\" rel=\"noreferrer\">Open in the ECS console</a>")
    } else {
        code(console)
    };
    fact("Console", shown)
}

fn stopped_tasks(record: &Record, stopped: &[StoppedRecord]) -> String {
    let rows: Vec<String> = stopped
        .iter()
        .map(|task| {
            let at = task.at.map_or_else(
                || "<td class=\"when\">not known</td>".to_owned(),
                |at| when(record.started, at),
            );
            format!(
                "{at}<td class=\"task\">{}</td><td>{}</td>",
                code(&task.task),
                escaped(&task.reason)
            )
        })
        .collect();
    listing(record, "Stopped tasks", &["Task", "Reason"], &rows)
}

fn events(record: &Record, events: &[EventRecord]) -> String {
    let rows: Vec<String> = events
        .iter()
        .map(|event| {
            format!(
                "{}<td>{}</td>",
                when(record.started, event.at),
                escaped(&event.message)
            )
        })
        .collect();
    listing(record, "Events", &["Message"], &rows)
}

/// A heading and a table of what happened when; nothing at all if nothing did.
fn listing(record: &Record, heading: &str, heads: &[&str], rows: &[String]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let is_long = record.ended.since(record.started).as_secs() >= SECS_PER_HOUR;
    let class = if is_long { "happened long" } else { "happened" };
    let heads = [&["When (UTC)"], heads].concat();
    format!("<h3>{heading}</h3>\n{}", table(class, &heads, rows))
}

/// `heads` are our own words; `rows` are cells, as markup.
pub(crate) fn table(class: &str, heads: &[&str], rows: &[String]) -> String {
    let heads: Vec<String> = heads
        .iter()
        .map(|head| format!("<th scope=\"col\">{head}</th>"))
        .collect();
    let rows: Vec<String> = rows
        .iter()
        .map(|cells| format!("<tr>{cells}</tr>\n"))
        .collect();
    format!(
        "<table class=\"{class}\">\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n",
        heads.concat(),
        rows.concat()
    )
}

/// A fact's name, which is text, and its value, which is markup.
fn fact(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

fn facts(facts: &[(String, String)]) -> String {
    let rows: Vec<String> = facts
        .iter()
        .map(|(name, value)| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{value}</td></tr>\n",
                escaped(name)
            )
        })
        .collect();
    format!(
        "<table class=\"facts\">\n<tbody>\n{}</tbody>\n</table>\n",
        rows.concat()
    )
}

fn code(words: &str) -> String {
    format!("<code>{}</code>", escaped(words))
}

/// Date and clock, `2026-11-24` and `20:05:09`.
fn date_and_clock(at: Timestamp) -> (String, String) {
    let written = at.rfc3339();
    let (date, clock) = written.split_once('T').unwrap_or((&written, ""));
    (date.to_owned(), clock.trim_end_matches('Z').to_owned())
}

fn moment(at: Timestamp) -> String {
    let (date, clock) = date_and_clock(at);
    format!(
        "<time datetime=\"{}\">{date} {clock} UTC</time>",
        at.rfc3339()
    )
}

/// The cell of a time: since the start, and on the clock, with the date if it is another day.
fn when(started: Timestamp, at: Timestamp) -> String {
    let since = if at < started {
        format!("−{}", offset(started.since(at).as_secs()))
    } else {
        format!("+{}", offset(at.since(started).as_secs()))
    };
    let (date, clock) = date_and_clock(at);
    let shown = if date == date_and_clock(started).0 {
        clock
    } else {
        format!("{date} {clock}")
    };
    format!(
        "<td class=\"when\"><span>{since}</span> <time datetime=\"{}\">{shown}</time></td>",
        at.rfc3339()
    )
}

/// Seconds as `1:05`, or as `2:01:05` from an hour on.
pub(crate) fn offset(seconds: u64) -> String {
    let (hours, minutes) = (seconds / SECS_PER_HOUR, seconds / 60 % 60);
    let seconds = seconds % 60;
    if hours == 0 {
        format!("{minutes}:{seconds:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

/// Text as HTML text, for elements and for attributes in quotes.
///
/// Control characters, as of a log's colours, have no place in HTML; what shows them says that
/// something was there.
pub(crate) fn escaped(words: &str) -> String {
    let mut html = String::with_capacity(words.len());
    for character in words.chars() {
        match character {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '"' => html += "&quot;",
            '\'' => html += "&#39;",
            '\n' | '\t' => html.push(character),
            '\r' => {}
            control if control.is_control() => html.push(char::REPLACEMENT_CHARACTER),
            plain => html.push(plain),
        }
    }
    html
}

/// Colours are told apart without red and green, and letters keep a contrast of 4.5 in both themes.
const STYLE: &str = include_str!("page.css");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Point;

    fn started() -> Timestamp {
        Timestamp::from_secs(1_795_550_709)
    }

    fn after(seconds: u64) -> Timestamp {
        started() + Duration::from_secs(seconds)
    }

    /// A record in which every text is `words`.
    fn saying(words: &str) -> Record {
        let all = || words.to_owned();
        let point = |at, weight| Point {
            at,
            new: 1,
            old: 2,
            stage: Some(all()),
            weight: Some(weight),
        };
        let service = ServiceRecord {
            cluster: all(),
            service: all(),
            revision: all(),
            previous: Some(all()),
            deployment: all(),
            end: all(),
            desired: Some(2),
            images: vec![ImageRecord {
                container: all(),
                image: all(),
                digest: Some(format!("sha256:{words}")),
            }],
            timeline: vec![point(0, 0), point(50, 100)],
            events: vec![EventRecord {
                at: after(65),
                message: all(),
            }],
            stopped: vec![StoppedRecord {
                task: all(),
                at: Some(after(65)),
                reason: all(),
            }],
            console: Some(format!("https://example.com/{words}")),
        };
        let untouched = ServiceRecord {
            deployment: String::new(),
            ..service.clone()
        };
        Record {
            succeeded: false,
            message: format!("{words}\n{words}"),
            job: all(),
            pipeline_execution_id: Some(all()),
            started: started(),
            ended: after(100),
            services: vec![service, untouched],
        }
    }

    fn with(change: impl FnOnce(&mut Record)) -> String {
        let mut record = saying("words");
        change(&mut record);
        page(&record)
    }

    /// What stands between `<` and `>`, in order.
    fn tags(html: &str) -> Vec<&str> {
        let parts = html.split('<').skip(1);
        parts.map(|part| part.split_once('>').unwrap().0).collect()
    }

    /// The tags' names, in order: `p`, `/p`.
    fn names(html: &str) -> Vec<&str> {
        let first = |tag: &'_ str| tag.find([' ', '\n']).unwrap_or(tag.len());
        tags(html)
            .into_iter()
            .map(|tag| &tag[..first(tag)])
            .collect()
    }

    #[test]
    fn nothing_of_a_message_can_become_markup() {
        let plain = page(&saying("words"));
        for evil in [
            "<script>alert(1)</script>",
            "</pre></title></style></svg><img src=x onerror=alert(1)>",
            "\" onclick=\"alert(1)",
            "' onclick='alert(1)",
            "&lt;b&gt; & &#60;i>",
            "<!-- <![CDATA[ ]]> -->",
            "\u{0}\u{1b}[31m<\u{7f}",
        ] {
            let html = page(&saying(evil));
            assert_eq!(names(&html), names(&plain), "{evil}");
            let attributes = |html: &str| html.matches("=\"").count();
            assert_eq!(attributes(&html), attributes(&plain), "{evil}");
            assert!(!html.contains(evil), "{evil}");
        }
    }

    #[test]
    fn what_was_written_is_shown_as_it_was_written() {
        assert_eq!(
            escaped("a < b && \"c\" > 'd'\n\te"),
            "a &lt; b &amp;&amp; &quot;c&quot; &gt; &#39;d&#39;\n\te"
        );
        assert_eq!(escaped("\u{1b}[31mred\r\n"), "\u{fffd}[31mred\n");
        assert_eq!(escaped("日本語 …"), "日本語 …");
    }

    #[test]
    fn every_element_is_closed_in_its_place() {
        const EMPTY: [&str; 8] = [
            "!doctype", "meta", "br", "wbr", "line", "path", "rect", "circle",
        ];
        let html = page(&saying("words"));
        let mut open = Vec::new();
        for name in names(&html) {
            match name.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed)),
                None if EMPTY.contains(&name) => {}
                None => open.push(name),
            }
        }
        assert_eq!(open, [""; 0]);
    }

    #[test]
    fn the_page_runs_nothing_and_loads_nothing() {
        let html = page(&saying("words"));
        for name in ["script", "link", "img", "iframe", "object", "base", "form"] {
            assert!(!names(&html).contains(&name), "{name}");
        }
        for words in ["url(", "@import", "src=", "javascript"] {
            assert!(!html.contains(words), "{words}");
        }
        assert_eq!(html.matches("://").count(), 1, "the console's address");
        assert!(
            html.contains(
                "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\""
            )
        );
    }

    #[test]
    fn only_an_https_address_becomes_a_link() {
        let linked = "<a href=\"https://example.com/a?b=1&amp;c\" rel=\"noreferrer\">";
        assert!(
            console_fact("https://example.com/a?b=1&c")
                .1
                .contains(linked)
        );
        for other in [
            "javascript:alert(1)",
            "http://example.com/",
            " https://a/",
            "HTTPS:",
        ] {
            assert_eq!(console_fact(other).1, code(other));
        }
    }

    #[test]
    fn the_headline_is_the_first_line_and_the_rest_stands_below_it() {
        let html = with(|record| "why\r\n\n  log 1\nlog 2\n".clone_into(&mut record.message));
        assert!(html.contains("<h1>why</h1>\n<pre>  log 1\nlog 2</pre>"));
        let html = with(|record| "why".clone_into(&mut record.message));
        assert!(html.contains("<h1>why</h1>\n<table"));
        let html = with(|record| record.message.clear());
        assert!(html.contains("<h1>Failed</h1>\n<table"));
    }

    #[test]
    fn the_outcome_is_said_in_words() {
        let html = with(|record| record.succeeded = true);
        assert!(html.contains("<p class=\"badge good\">Succeeded</p>"));
        let html = with(|record| record.succeeded = false);
        assert!(html.contains("<p class=\"badge bad\">Failed</p>"));
    }

    #[test]
    fn the_title_names_three_services_and_counts_the_others() {
        let mut record = saying("x");
        assert_eq!(title(&record), "Failed: x on x, x on x");
        let service = record.services[0].clone();
        record.services = vec![service; 5];
        assert_eq!(title(&record), "Failed: x on x, x on x, x on x, 2 more");
        record.services.clear();
        assert_eq!(title(&record), "Failed");
    }

    #[test]
    fn a_service_that_was_not_touched_is_one_sentence() {
        let html = with(|record| {
            record.services.remove(0);
        });
        assert!(html.contains("Nothing was deployed to this service."));
        assert!(!html.contains("<figure>"));
        assert!(!html.contains("Revision"));
    }

    #[test]
    fn a_service_of_which_nothing_was_seen_says_so_instead_of_a_chart() {
        let html = with(|record| record.services[0].timeline.clear());
        assert!(html.contains("Nothing was seen over time."));
        assert!(!html.contains("<svg"));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let html = with(|record| {
            record.pipeline_execution_id = None;
            let service = &mut record.services[0];
            service.previous = None;
            service.desired = None;
            service.console = None;
            service.events.clear();
            service.stopped.clear();
            service.images[0].digest = None;
        });
        for words in [
            "Pipeline execution",
            "→",
            "Desired tasks",
            "desired: ",
            "Console",
            "Events",
            "Stopped tasks",
            "sha256",
        ] {
            assert!(!html.contains(words), "{words}");
        }
    }

    #[test]
    fn a_digest_that_the_image_names_already_is_not_repeated() {
        let image = ImageRecord {
            container: "app".to_owned(),
            image: "shop@sha256:12".to_owned(),
            digest: Some("sha256:12".to_owned()),
        };
        assert_eq!(image_fact(&image).1, "<code>shop@sha256:12</code>");
    }

    #[test]
    fn times_are_told_since_the_start_and_on_the_clock() {
        let cell = when(started(), after(65));
        assert!(cell.contains("<span>+1:05</span>"), "{cell}");
        assert!(cell.contains(">20:06:14</time>"), "{cell}");
        let tomorrow = when(started(), after(5 * 3600));
        assert!(tomorrow.contains("<span>+5:00:00</span>"), "{tomorrow}");
        assert!(
            tomorrow.contains(">2026-11-25 01:05:09</time>"),
            "{tomorrow}"
        );
        let before = when(after(3), started());
        assert!(before.contains("<span>−0:03</span>"), "{before}");
        let unknown = with(|record| record.services[0].stopped[0].at = None);
        assert!(unknown.contains("<td class=\"when\">not known</td>"));
    }

    #[test]
    fn how_long_it_took_is_told_to_the_second() {
        assert_eq!(took(Duration::from_secs(59)), "59 s");
        assert_eq!(took(Duration::from_secs(252)), "4 min (4:12)");
        assert_eq!(took(Duration::from_hours(23)), "1380 min (23:00:00)");
        assert_eq!(offset(3600), "1:00:00");
        assert_eq!(offset(3599), "59:59");
    }

    #[test]
    fn every_colour_is_set_in_both_themes() {
        let set = |css: &str| {
            let mut names: Vec<String> = css
                .split("--")
                .skip(1)
                .filter_map(|part| part.split_once(": #").map(|(name, _)| name.to_owned()))
                .collect();
            names.sort();
            names
        };
        let (light, rest) = STYLE.split_once("@media").unwrap();
        let (dark, rules) = rest.split_once("* {").unwrap();
        assert_eq!(set(light), set(dark));
        for used in rules.split("var(--").skip(1) {
            let (name, _) = used.split_once(')').unwrap();
            assert!(set(light).iter().any(|known| known == name), "{name}");
        }
    }
}
