//! `deployment.html`: one page that needs nothing else.

#[path = "chart.rs"]
mod chart;

use std::time::Duration;

use super::{EventRecord, ImageRecord, Record, ServiceRecord, StoppedRecord};
use crate::deploy::time::{Timestamp, human};

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

/// To the second where the human form leaves them out.
fn took(duration: Duration) -> String {
    let human = human(duration);
    match duration.as_secs() {
        0..60 => human,
        seconds => format!("{human} ({})", offset(seconds)),
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
fn table(class: &str, heads: &[&str], rows: &[String]) -> String {
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
fn offset(seconds: u64) -> String {
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
fn escaped(words: &str) -> String {
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
const STYLE: &str = r#":root {
  color-scheme: light;
  --page: #ffffff; --raised: #f5f6f7; --line: #dfe2e5; --axis: #8a929a;
  --text: #1b1f23; --quiet: #586069; --link: #0a5ab8;
  --good: #0b5f34; --good-back: #dff3e6; --bad: #98170f; --bad-back: #fde7e5;
  --new: #0b62b5; --old: #b84e00; --weight: #6b3fa0;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --page: #14171a; --raised: #1e2327; --line: #31373d; --axis: #77808a;
    --text: #e4e7ea; --quiet: #a3abb3; --link: #7ab8ff;
    --good: #86dfab; --good-back: #12341f; --bad: #ffb0a8; --bad-back: #451814;
    --new: #62b5f5; --old: #f0a04b; --weight: #c3a1f0;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.5rem; max-width: 48rem;
  background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1 { margin: .75rem 0 1rem; font-size: 1.375rem; line-height: 1.35; font-weight: 650; text-wrap: pretty; }
h2 { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .75rem; margin: 0 0 .75rem; font-size: 1.1875rem; line-height: 1.35; }
h3 { margin: 2rem 0 .25rem; font-size: 1rem; }
section { margin-top: 2.5rem; padding-top: 2rem; border-top: 1px solid var(--line); }
p { margin: 0 0 1rem; }
a { color: var(--link); text-underline-offset: .15em; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; font-size: .8667em; }
pre {
  margin: 0 0 1.25rem; padding: .75rem 1rem; border-radius: .375rem;
  background: var(--raised); line-height: 1.55; white-space: pre-wrap;
}
.quiet { color: var(--quiet); }
.unseen { margin: 1.5rem 0 0; color: var(--quiet); }
.badge {
  display: inline-block; margin: 0; padding: .125rem .625rem; border: 1px solid currentColor; border-radius: 1rem;
  font-size: .8125rem; line-height: 1.4; font-weight: 600;
}
.good { color: var(--good); background: var(--good-back); }
.bad { color: var(--bad); background: var(--bad-back); }
.plain { color: var(--quiet); }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
th, td { padding: .375rem 1rem .375rem 0; text-align: left; vertical-align: baseline; }
th:last-child, td:last-child { padding-right: 0; }
th { color: var(--quiet); font-weight: 500; }
thead th { font-size: .8125rem; white-space: nowrap; }
thead th, .happened td { border-bottom: 1px solid var(--line); }
.facts th { width: 9.75rem; }
.facts th, .facts td { padding-top: .1875rem; padding-bottom: .1875rem; }
.when { width: 1%; white-space: nowrap; }
.when span { display: inline-block; min-width: 3.75em; }
.long .when span { min-width: 5.5em; }
.when time { color: var(--quiet); }
.happened tr:last-child td { border-bottom: 0; }
.task { width: 30%; }
.numbers { width: auto; margin-top: .5rem; }
.numbers .number, .numbers th { text-align: right; }
.numbers.staged th:last-child { text-align: left; }
.numbers td { padding-top: .125rem; padding-bottom: .125rem; }
details { margin-top: 1rem; font-size: .9375rem; }
summary { color: var(--quiet); cursor: pointer; }
figure { margin: 1.75rem 0 0; }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .25rem 1.5rem; margin-bottom: .75rem; font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 0; padding: 0; list-style: none; font-size: .875rem; font-weight: 400; }
.legend li::before { content: ""; display: inline-block; width: 1.25rem; margin-right: .5rem; vertical-align: .25em; border-top: 3px solid; }
.legend .new::before { border-color: var(--new); }
.legend .old::before { border-color: var(--old); }
.legend .desired::before { border-top: 2px dashed var(--axis); }
.stages { columns: 2; margin: .5rem 0 0; padding-left: 1.5rem; font-size: .875rem; }
.stages li { break-inside: avoid; padding-left: .25rem; }
.stages li::marker { color: var(--quiet); }
svg { display: block; width: 100%; height: auto; }
svg.narrow { display: none; max-width: 27rem; }
svg text { fill: var(--quiet); font-size: 12px; }
svg .middle { text-anchor: middle; }
svg .end { text-anchor: end; }
svg text.new, svg text.old, svg text.weight { font-weight: 600; }
text.new, circle.new { fill: var(--new); }
text.old, circle.old { fill: var(--old); }
text.weight { fill: var(--weight); }
line { stroke-width: 1; }
.grid { stroke: var(--line); }
.axis { stroke: var(--axis); }
path { fill: none; stroke-width: 2; }
path.new { stroke: var(--new); }
path.old { stroke: var(--old); }
path.area { fill: var(--new); fill-opacity: .09; }
path.desired { stroke: var(--axis); stroke-width: 1.5; stroke-dasharray: 5 4; }
path.weight { stroke: var(--weight); stroke-width: 1.5; }
.stage rect { fill: var(--raised); stroke: var(--axis); stroke-width: 1; }
.stage text { fill: var(--text); }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--quiet); font-size: .875rem; }
@media (max-width: 43.75rem) {
  body { padding: 1.25rem 1rem; }
  h1 { font-size: 1.1875rem; }
  .facts th { width: 7.5rem; }
  th, td { padding-right: .75rem; }
  .when span { min-width: 0; }
  .when time { display: block; white-space: normal; }
  .task { width: 5rem; }
  .stages { columns: 1; }
  svg.wide { display: none; }
  svg.narrow { display: block; }
}
@media print {
  body { max-width: none; padding: 0; font-size: .875rem; }
  figure, tr, .badge { break-inside: avoid; }
  h2, h3, thead { break-after: avoid; }
  details { display: none; }
  a::after { content: " (" attr(href) ")"; }
  .badge, pre, path, rect { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"#;

#[cfg(test)]
mod tests {
    use super::super::Point;
    use super::*;

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
