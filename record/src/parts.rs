//! What the pages and their charts share.

use std::time::Duration;

use deploy::time::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Colours are distinguishable without red and green, and letters keep a contrast of 4.5 in both themes.
pub(crate) const STYLE: &str = include_str!("page.css");

pub(crate) const SECS_PER_HOUR: u64 = 3600;

/// Begins the title of a page about what was only played.
pub(crate) const SIMULATED: &str = "Simulated: ";

/// Says so beside the outcome.
pub(crate) fn simulated_badge() -> Markup {
    html! {
        " " (badge("plain", "Simulated")) " "
        span class="quiet" { "by the local runner, in no AWS account" }
    }
}

/// A page that needs nothing else.
pub(crate) fn document(title: &str, content: &Markup, footer: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { (content) }
                footer { (footer) }
            }
        }
    };
    printable(&page.into_string())
}

/// Control characters, as of a log's colours, have no place in HTML; what shows them says that
/// something was there.
pub(crate) fn printable(html: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => character,
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        plain => plain,
    };
    html.chars().filter(|c| *c != '\r').map(shown).collect()
}

/// A table with a heading over each column; `rows` are the cells of each.
pub(crate) fn table(class: &str, heads: &[&str], rows: Vec<Markup>) -> Markup {
    html! {
        table class=(class) {
            thead { tr { @for head in heads { th scope="col" { (head) } } } }
            tbody { @for cells in rows { tr { (cells) } } }
        }
    }
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

/// Names and values, one in each row.
pub(crate) fn facts(rows: Markup) -> Markup {
    html! { table class="facts" { tbody { (rows) } } }
}

pub(crate) fn fact(name: &str, value: impl maud::Render) -> Markup {
    html! { tr { th scope="row" { (name) } td { (value) } } }
}

/// An outcome; `class` is `good`, `bad` or `plain`.
pub(crate) fn badge(class: &str, outcome: &str) -> Markup {
    html! { span class={ "badge " (class) } { (outcome) } }
}

pub(crate) fn code(text: &str) -> Markup {
    html! { code { (text) } }
}

/// A name of words and underscores, which may be broken behind each of these.
pub(crate) fn broken(name: &str) -> Markup {
    html! {
        code {
            @for part in name.split_inclusive('_') {
                (part) @if part.ends_with('_') { wbr; }
            }
        }
    }
}

/// Date and clock, `2026-11-24` and `20:05:09`.
pub(crate) fn date_and_clock(at: Timestamp) -> (String, String) {
    let written = at.rfc3339();
    let (date, clock) = written.split_once('T').unwrap_or((&written, ""));
    (date.to_owned(), clock.trim_end_matches('Z').to_owned())
}

pub(crate) fn moment(at: Timestamp) -> Markup {
    let (date, clock) = date_and_clock(at);
    html! { time datetime=(at.rfc3339()) { span { (date) } " " (clock) " UTC" } }
}

/// To the second, which messages leave out.
pub(crate) fn took(duration: Duration) -> String {
    let (minutes, seconds) = (duration.as_secs() / 60, duration.as_secs() % 60);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min {seconds} s"),
        (hours, minutes) => format!("{hours} h {minutes} min {seconds} s"),
    }
}
