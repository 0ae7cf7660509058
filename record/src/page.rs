//! `deployment.html`: one page that needs nothing else.

use std::time::Duration;

use deploy::time::Timestamp;
use maud::{Markup, html};

use crate::chart;
use crate::parts::{
    SECS_PER_HOUR, SIMULATED, badge, broken, code, date_and_clock, document, fact, facts, moment,
    offset, simulated_badge, table, took,
};
use crate::{
    EventRecord, HookAnswer, HookRecord, ImageRecord, Record, ServiceRecord, StoppedRecord,
    TaskOutcome, TaskRecord, When,
};

/// So many services are named in the page's title.
const TITLE_SERVICES: usize = 3;

/// What a service that serves the new revision is reported as.
const SERVING: &str = "serving";

/// A headline of more characters than this has smaller letters.
const LONG_HEADLINE_CHARS: usize = 140;

/// So much of a task's id distinguishes it on a page, as in the console's lists.
const TASK_ID_SHOWN: usize = 8;

/// A start that took longer is shown to have waited: what it asks of AWS takes a few seconds anyway.
const SHOWN_WAIT: Duration = Duration::from_secs(15);

/// The page as HTML text.
///
/// # Guarantees
/// It is complete in itself: no script, no font, no image, and no address but those of the
/// services' consoles. Every text of `record` is shown as text: none can become markup. The same
/// record gives the same page.
pub fn page(record: &Record) -> String {
    shown(record, false)
}

/// The same of a deployment that the local runner has played, as the page says. It has no link: what is played is
/// in no account.
#[cfg(any(test, feature = "herd"))]
pub fn simulated(record: &Record) -> String {
    shown(record, true)
}

fn shown(record: &Record, is_simulated: bool) -> String {
    let of_when = |when| record.tasks.iter().filter(move |task| task.when == when);
    let content = html! {
        (header(record, is_simulated))
        @for (task, number) in of_when(When::Before).zip(1..) { (task_section(task, number)) }
        @for (service, number) in record.services.iter().zip(1..) {
            (section(record, service, number, is_simulated))
        }
        @for (task, number) in of_when(When::After).zip(1..) { (task_section(task, number)) }
    };
    let footer = html! {
        "Recorded by ecs-deploy-action from what ECS showed, sampled every 5 s or more."
    };
    let simulated = if is_simulated { SIMULATED } else { "" };
    let title = format!("{simulated}{}", title(record));
    document(&title, &content, &footer)
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

fn header(record: &Record, is_simulated: bool) -> Markup {
    let message = &record.message;
    // Each service has its link below, as one.
    let is_link = |line: &str| {
        let mut services = record.services.iter();
        services.any(|one| one.console.as_deref() == Some(line))
    };
    let details = message.details().lines();
    let details: Vec<&str> = details.filter(|line| !is_link(line)).collect();
    let details = details.join("\n");
    let mut sentences = message.sentences().into_iter();
    let headline = sentences.next().unwrap_or(outcome(record));
    let is_long = headline.chars().count() > LONG_HEADLINE_CHARS;
    html! {
        header {
            (badge(if record.succeeded { "good" } else { "bad" }, outcome(record)))
            @if is_simulated { (simulated_badge()) }
            h1 class=[is_long.then_some("long")] { (headline) }
            @for sentence in sentences { p class="then" { (sentence) } }
            @if !details.is_empty() { pre { (details) } }
            (facts(html! {
                (fact("Job", code(&record.job)))
                @if let Some(id) = &record.pipeline_execution_id {
                    (fact("Pipeline execution", code(id)))
                }
                @if let Some(answer) = &record.answered { (fact("Answers", answered(answer))) }
                (fact("Started", started(record)))
                (fact("Ended", moment(record.ended)))
                (fact("Took", took(record.ended.since(record.started))))
                @if !record.paused.is_zero() {
                    (fact("Time limit", html! { "stood still for " (took(record.paused)) ", at a PAUSE hook" }))
                }
            }))
        }
    }
}

/// When it started, and how long its start has waited for that.
fn started(record: &Record) -> Markup {
    html! {
        (moment(record.started))
        @if record.waited >= SHOWN_WAIT {
            ", " (took(record.waited)) " after its first event: until then the start waited"
        }
    }
}

fn answered(answer: &HookAnswer) -> Markup {
    html! {
        (code(&answer.action))
        @if let Some(hook) = &answer.hook { " at hook " (code(hook)) }
        " of " (code(&answer.deployment))
    }
}

fn task_section(task: &TaskRecord, number: usize) -> Markup {
    let (id, heading) = match task.when {
        When::Before => ("before", "Pre-deploy task"),
        When::After => ("after", "Post-deploy task"),
    };
    let class = match task.end {
        TaskOutcome::Succeeded => "good",
        TaskOutcome::Failed
        | TaskOutcome::Stopped
        | TaskOutcome::NotStopped
        | TaskOutcome::NotStarted => "bad",
        TaskOutcome::Unseen | TaskOutcome::LeftAlone => "plain",
    };
    html! {
        section aria-labelledby={ (id) "-" (number) } {
            h2 id={ (id) "-" (number) } { (heading) " " (badge(class, task.end.text())) }
            (facts(html! {
                (fact("Container", code(&task.container)))
                @if let Some(id) = &task.task { (fact("Task", task_id(id))) }
                @if let Some(exit_code) = task.exit_code { (fact("Exit code", exit_code)) }
                @if let Some(reason) = &task.reason { (fact("Reason", reason)) }
                @if let Some(started) = task.started { (fact("Started", moment(started))) }
                @if let Some(ended) = task.ended { (fact("Ended", moment(ended))) }
                @if let (Some(started), Some(ended)) = (task.started, task.ended) {
                    (fact("Took", took(ended.since(started))))
                }
            }))
        }
    }
}

fn section(record: &Record, service: &ServiceRecord, number: usize, is_simulated: bool) -> Markup {
    let link = service.console.as_deref().filter(|_| !is_simulated);
    let was_touched = !service.deployment.is_empty();
    let end = match service.end.as_str() {
        _ if !was_touched || service.waits_at.is_some() => "plain",
        // A rollback may be what was asked for.
        end if record.succeeded || end == SERVING => "good",
        _ => "bad",
    };
    let seconds = record.ended.since(record.started).as_secs();
    html! {
        section aria-labelledby={ "service-" (number) } {
            h2 id={ "service-" (number) } {
                (target(service)) " " (badge(end, &service.end))
            }
            @if was_touched {
                (service_facts(service, link))
                (chart::figure(service, seconds, number))
                (stopped_tasks(record, &service.stopped))
                (events(record, &service.events))
            } @else {
                p { "Nothing was deployed to this service." }
                @if let Some(address) = link { p { (console(address)) } }
            }
        }
    }
}

fn service_facts(service: &ServiceRecord, link: Option<&str>) -> Markup {
    let revision = html! {
        @if let Some(previous) = &service.previous { (code(previous)) " → " }
        (code(&service.revision))
    };
    facts(html! {
        (fact("Revision", revision))
        (fact("Deployment", code(&service.deployment)))
        @if let Some(hook) = &service.waits_at { (fact("Waits at", hook_of(hook))) }
        @if let Some(count) = service.desired { (fact("Desired tasks", count)) }
        @for image in &service.images {
            (fact(&format!("Image of {}", image.container), image_of(image)))
        }
        @if let Some(address) = link { (fact("Console", console(address))) }
    })
}

fn hook_of(hook: &HookRecord) -> Markup {
    html! {
        @match &hook.id {
            Some(id) => { "hook " (code(id)) }
            None => "a hook without an id",
        }
        @if let Some(stage) = &hook.stage { " at " (broken(stage)) }
        @if let Some(until) = hook.until { ", until " (moment(until)) }
        @if let Some(then) = &hook.then { ", then " (code(then)) }
    }
}

fn image_of(image: &ImageRecord) -> Markup {
    let digest = image.digest.as_ref();
    let digest = digest.filter(|digest| !image.image.ends_with(digest.as_str()));
    html! {
        (code(&image.image))
        @if let Some(digest) = digest { br; (code(digest)) }
    }
}

/// Anything but `https://` stays text: a link could be a script.
fn console(address: &str) -> Markup {
    if address.starts_with("https://") {
        html! { a href=(address) rel="noreferrer" { "Open in the ECS console" } }
    } else {
        code(address)
    }
}

fn stopped_tasks(record: &Record, stopped: &[StoppedRecord]) -> Markup {
    let rows = stopped.iter().map(|task| {
        html! {
            @match task.at {
                Some(at) => (when(record.started, at)),
                None => td class="when" { "not known" },
            }
            td class=[task.is_scaled_in.then_some("quiet")] { (task.reason) br; (task_id(&task.task)) }
        }
    });
    listing(
        record,
        "Stopped tasks",
        &["Reason and task"],
        rows.collect(),
    )
}

/// The first characters of a task's id, and all of it for whoever points at it.
fn task_id(id: &str) -> Markup {
    let end = id.char_indices().nth(TASK_ID_SHOWN).map(|(end, _)| end);
    html! {
        code title=(id) {
            (&id[..end.unwrap_or(id.len())]) @if end.is_some() { "…" }
        }
    }
}

fn events(record: &Record, events: &[EventRecord]) -> Markup {
    let rows = events.iter().map(|event| {
        html! { (when(record.started, event.at)) td { (event.message) } }
    });
    listing(record, "Events", &["Message"], rows.collect())
}

/// A heading and a table of what happened when; nothing at all if nothing did.
fn listing(record: &Record, heading: &str, heads: &[&str], rows: Vec<Markup>) -> Markup {
    let is_long = record.ended.since(record.started).as_secs() >= SECS_PER_HOUR;
    let class = if is_long { "happened long" } else { "happened" };
    let heads = [&["Since start, UTC"], heads].concat();
    html! {
        @if !rows.is_empty() {
            h3 { (heading) }
            (table(class, &heads, rows))
        }
    }
}

/// The cell of a time: since the start, and on the clock, with the date if it is another day.
fn when(started: Timestamp, at: Timestamp) -> Markup {
    let since = if at < started {
        format!("−{}", offset(started.since(at).as_secs()))
    } else {
        format!("+{}", offset(at.since(started).as_secs()))
    };
    let (date, clock) = date_and_clock(at);
    let is_same_day = date == date_and_clock(started).0;
    html! {
        td class="when" {
            span { (since) } " "
            time datetime=(at.rfc3339()) { @if !is_same_day { (date) " " } (clock) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use deploy::message::Message;

    use super::*;
    use crate::Point;
    use crate::parts::{STYLE, printable};

    fn started() -> Timestamp {
        Timestamp::from_secs(1_795_550_709)
    }

    fn after(seconds: u64) -> Timestamp {
        started() + Duration::from_secs(seconds)
    }

    /// A record in which every text is `text`.
    fn saying(text: &str) -> Record {
        let filled = || text.to_owned();
        let point = |at, weight| Point {
            at,
            new: 1,
            old: 2,
            stage: Some(filled()),
            weight: Some(weight),
        };
        let service = ServiceRecord {
            cluster: filled(),
            service: filled(),
            revision: filled(),
            previous: Some(filled()),
            deployment: filled(),
            end: filled(),
            desired: Some(2),
            images: vec![ImageRecord {
                container: filled(),
                image: filled(),
                digest: Some(format!("sha256:{text}")),
            }],
            timeline: vec![point(0, 0), point(50, 100)],
            events: vec![EventRecord {
                at: after(65),
                message: filled(),
            }],
            stopped: vec![StoppedRecord {
                task: filled(),
                at: Some(after(65)),
                reason: filled(),
                is_scaled_in: false,
            }],
            waits_at: Some(HookRecord {
                id: Some(filled()),
                stage: Some(filled()),
                until: Some(after(600)),
                then: Some(filled()),
            }),
            console: Some(format!("https://example.com/{text}")),
        };
        let untouched = ServiceRecord {
            deployment: String::new(),
            ..service.clone()
        };
        Record {
            succeeded: false,
            message: Message::of([text, text, text]).with_details(&format!("\n{text}")),
            job: filled(),
            pipeline_execution_id: Some(filled()),
            started: started(),
            waited: Duration::from_mins(3),
            ended: after(100),
            paused: Duration::from_mins(2),
            answered: Some(HookAnswer {
                action: filled(),
                deployment: filled(),
                hook: Some(filled()),
            }),
            tasks: vec![task(When::Before, text), task(When::After, text)],
            services: vec![service, untouched],
        }
    }

    fn task(when: When, text: &str) -> TaskRecord {
        TaskRecord {
            when,
            container: text.to_owned(),
            task: Some(text.to_owned()),
            started: Some(started()),
            ended: Some(after(65)),
            end: TaskOutcome::Failed,
            exit_code: Some(3),
            reason: Some(text.to_owned()),
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
            for tag in tags(&html) {
                // Every second part stands in double quotes.
                let mut outside = tag.split('"').step_by(2);
                assert!(outside.all(|part| !part.contains('\'')), "{evil}: {tag}");
            }
        }
    }

    #[test]
    fn what_was_written_is_shown_as_it_was_written() {
        let shown = |text: &str| printable(&code(text).into_string());
        assert_eq!(
            shown("a < b && \"c\" > 'd'\n\te"),
            "<code>a &lt; b &amp;&amp; &quot;c&quot; &gt; 'd'\n\te</code>"
        );
        assert_eq!(shown("\u{1b}[31mred\r\n"), "<code>\u{fffd}[31mred\n</code>");
        assert_eq!(shown("日本語 …"), "<code>日本語 …</code>");
    }

    #[test]
    fn every_element_is_closed_in_its_place() {
        const EMPTY: [&str; 4] = ["!DOCTYPE", "meta", "br", "wbr"];
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
        for text in ["url(", "@import", "src=", "javascript"] {
            assert!(!html.contains(text), "{text}");
        }
        assert_eq!(html.matches("://").count(), 2, "the consoles' addresses");
        assert!(
            html.contains(
                "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\""
            )
        );
    }

    #[test]
    fn a_simulated_page_says_so_and_has_no_link() {
        let mut record = saying("words");
        let link = record.services[0].console.clone().unwrap();
        record.message = Message::of(["It failed."]).with_details(&format!("\nlog\n{link}"));
        let real = page(&record);
        assert!(!real.contains("Simulated"));
        assert!(real.contains("<pre>log</pre>"), "the link is one below");
        assert!(real.contains(&format!("<a href=\"{link}\"")));
        let html = simulated(&record);
        assert!(html.contains("<title>Simulated: Failed"));
        assert!(html.contains(">Simulated</span>"));
        assert!(html.contains("<pre>log</pre>"));
        assert!(!html.contains("://"));
    }

    #[test]
    fn a_tasks_id_is_short_and_all_of_it_in_a_title() {
        let shown = |id: &str| task_id(id).into_string();
        assert_eq!(
            shown("5f0c2d3e4b5a6978"),
            "<code title=\"5f0c2d3e4b5a6978\">5f0c2d3e…</code>"
        );
        assert_eq!(
            shown("5f0c2d3e"),
            "<code title=\"5f0c2d3e\">5f0c2d3e</code>"
        );
        assert_eq!(
            shown("ééééééééé"),
            "<code title=\"ééééééééé\">éééééééé…</code>"
        );
    }

    #[test]
    fn a_task_that_was_scaled_in_is_shown_as_a_consequence() {
        let dimmed = "<td class=\"quiet\">words<br>";
        let html =
            |is_scaled_in| with(|record| record.services[0].stopped[0].is_scaled_in = is_scaled_in);
        assert!(html(true).contains(dimmed));
        assert!(!html(false).contains(dimmed));
    }

    #[test]
    fn only_an_https_address_becomes_a_link() {
        let shown = |address: &str| console(address).into_string();
        assert_eq!(
            shown("https://example.com/a?b=1&c"),
            "<a href=\"https://example.com/a?b=1&amp;c\" rel=\"noreferrer\">Open in the ECS console</a>"
        );
        for other in [
            "javascript:alert(1)",
            "http://example.com/",
            " https://a/",
            "HTTPS:",
        ] {
            assert_eq!(shown(other), code(other).into_string());
        }
    }

    #[test]
    fn the_cause_is_the_headline_and_what_came_of_it_stands_below_sentence_by_sentence() {
        let message = Message::of(["It failed: a. b.", "Rolled back: c.", "d."]);
        let html = with(|record| record.message = message.with_details("\n  log 1\nlog 2\n"));
        assert!(html.contains(
            "<h1>It failed: a. b.</h1><p class=\"then\">Rolled back: c.</p><p class=\"then\">d.</p><pre>  log 1\nlog 2</pre>"
        ));
        let html = with(|record| record.message = "why".into());
        assert!(html.contains("<h1>why</h1><table"));
        let html = with(|record| record.message = Message::default());
        assert!(html.contains("<h1>Failed</h1><table"));
        let html = with(|record| record.message = "w".repeat(LONG_HEADLINE_CHARS + 1).into());
        assert!(html.contains("<h1 class=\"long\">ww"));
    }

    #[test]
    fn a_task_that_ran_by_itself_is_shown_with_its_end_before_or_after_the_services() {
        let html = page(&saying("words"));
        let place = |text: &str| html.find(text).unwrap();
        assert!(place("Pre-deploy task") < place("words on words <"));
        assert!(place("Post-deploy task") > place("Nothing was deployed"));
        for shown in [
            "<span class=\"badge bad\">failed</span>",
            ">Exit code</th><td>3</td>",
            ">Took</th><td>1 min 5 s</td>",
        ] {
            assert_eq!(html.matches(shown).count(), 2, "{shown}");
        }
        let unseen = with(|record| {
            let task = &mut record.tasks[0];
            task.end = TaskOutcome::Unseen;
            (task.task, task.ended, task.exit_code) = (None, None, None);
            record.tasks.truncate(1);
        });
        assert!(unseen.contains("<span class=\"badge plain\">could not be seen</span>"));
        assert!(!unseen.contains("Exit code"));
    }

    #[test]
    fn what_was_waited_for_and_answered_is_shown_and_only_then() {
        let html = page(&saying("words"));
        for shown in [
            ", 3 min 0 s after its first event: until then the start waited",
            "stood still for 2 min 0 s, at a PAUSE hook",
            "<code>words</code> at hook <code>words</code> of <code>words</code>",
            "hook <code>words</code> at <code>words</code>, until <time datetime=\"2026-11-24T20:15:09Z\">",
        ] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        let html = with(|record| {
            (record.waited, record.paused) = (Duration::from_secs(14), Duration::ZERO);
            record.answered = None;
            record.services[0].waits_at = None;
        });
        for text in ["until then", "stood still", "Answers", "Waits at"] {
            assert!(!html.contains(text), "{text}");
        }
    }

    #[test]
    fn a_service_that_waits_is_neither_good_nor_bad_and_a_rollback_that_was_asked_for_is_good() {
        let badge = |succeeded, is_held: bool| {
            let html = with(|record| {
                record.succeeded = succeeded;
                let service = &mut record.services[0];
                service.end = "somehow".to_owned();
                service.waits_at = service.waits_at.take().filter(|_| is_held);
            });
            let before = html.split_once("\">somehow</span>").unwrap().0;
            before.rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!(badge(true, true), "plain");
        assert_eq!(badge(true, false), "good");
        assert_eq!(badge(false, false), "bad");
    }

    #[test]
    fn the_outcome_is_written_as_text() {
        let html = with(|record| record.succeeded = true);
        assert!(html.contains("<span class=\"badge good\">Succeeded</span>"));
        let html = with(|record| record.succeeded = false);
        assert!(html.contains("<span class=\"badge bad\">Failed</span>"));
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
            record.tasks.clear();
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
        for text in [
            "Pipeline execution",
            "→",
            "Desired tasks",
            "desired: ",
            "Console",
            "Events",
            "Stopped tasks",
            "sha256",
        ] {
            assert!(!html.contains(text), "{text}");
        }
    }

    #[test]
    fn a_digest_that_the_image_names_already_is_not_repeated() {
        let image = ImageRecord {
            container: "app".to_owned(),
            image: "shop@sha256:12".to_owned(),
            digest: Some("sha256:12".to_owned()),
        };
        assert_eq!(
            image_of(&image).into_string(),
            "<code>shop@sha256:12</code>"
        );
    }

    #[test]
    fn times_are_shown_since_the_start_and_on_the_clock() {
        let cell = when(started(), after(65)).into_string();
        assert!(cell.contains("<span>+1:05</span>"), "{cell}");
        assert!(cell.contains(">20:06:14</time>"), "{cell}");
        let tomorrow = when(started(), after(5 * 3600)).into_string();
        assert!(tomorrow.contains("<span>+5:00:00</span>"), "{tomorrow}");
        assert!(
            tomorrow.contains(">2026-11-25 01:05:09</time>"),
            "{tomorrow}"
        );
        let before = when(after(3), started()).into_string();
        assert!(before.contains("<span>−0:03</span>"), "{before}");
        let unknown = with(|record| record.services[0].stopped[0].at = None);
        assert!(unknown.contains("<td class=\"when\">not known</td>"));
    }

    #[test]
    fn how_long_it_took_is_shown_to_the_second() {
        assert_eq!(took(Duration::from_secs(59)), "59 s");
        assert_eq!(took(Duration::from_secs(252)), "4 min 12 s");
        assert_eq!(took(Duration::from_hours(23)), "23 h 0 min 0 s");
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
