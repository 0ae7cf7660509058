//! What the page and its charts share.

use maud::{Markup, html};

pub(crate) const SECS_PER_HOUR: u64 = 3600;

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
