//! AWS's texts as people read them, and which of its events are of use.

use crate::outside::shown;
use crate::seen::EventSeen;
use crate::time::Timestamp;

/// Those of `events` since `start` that say that something went wrong, newest first, each once:
/// repetitions differ only in the task that they name.
pub fn telling_events(events: &[EventSeen], start: Timestamp) -> Vec<String> {
    const WRONG: [&str; 11] = [
        "unable to",
        "cannot",
        "could not",
        "not authorized",
        "does not",
        "failed",
        "unhealthy",
        "rolling back",
        "error",
        "alarm",
        "timed out",
    ];
    let mut found: Vec<(String, String)> = Vec::new();
    for event in events.iter().filter(|event| event.at >= start) {
        let message = plain(&event.message);
        let lower = message.to_lowercase();
        if !WRONG.iter().any(|word| lower.contains(word)) {
            continue;
        }
        let kind = without_ids(&message);
        if found.iter().all(|(known, _)| *known != kind) {
            found.push((kind, message));
        }
    }
    found.into_iter().map(|(_, message)| message).collect()
}

/// The same text for events that differ only in ids and numbers.
fn without_ids(message: &str) -> String {
    let words = message.split_whitespace();
    let kept = words.filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()));
    kept.collect::<Vec<_>>().join(" ")
}

/// AWS's text in one line, without what only its engineers need.
pub(super) fn plain(text: &str) -> String {
    with_short_target_group(&without_retries(&one_line(text)))
}

/// Anybody's text in one line.
pub(super) fn one_line(text: &str) -> String {
    let line = shown(text);
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve
/// ref X: X: not found` says that X was not found.
fn without_retries(line: &str) -> String {
    const RETRIED: &str = "has been retried ";
    const RESOLVE: &str = "failed to resolve ref ";
    let mut line = line.to_owned();
    if let Some(retried) = line.find(RETRIED)
        && let Some(end) = line[retried..].find("time(s): ")
        && let Some(begin) = line[..retried].rfind(": ")
    {
        line.replace_range(begin + 2..retried + end + "time(s): ".len(), "");
    }
    if let Some(begin) = line.find(RESOLVE) {
        let rest = line[begin + RESOLVE.len()..].to_owned();
        if let Some((image, after)) = rest.split_once(": ")
            && after.starts_with(image)
        {
            line.replace_range(begin.., after);
        }
    }
    if let Some(image) = line.strip_suffix(": not found") {
        return format!("{image} not found");
    }
    line
}

/// A target group's ARN ends in its name and an id: its name is what people know.
fn with_short_target_group(line: &str) -> String {
    const ARN: &str = "(target-group arn:";
    let Some(begin) = line.find(ARN) else {
        return line.to_owned();
    };
    let Some(end) = line[begin..].find(')') else {
        return line.to_owned();
    };
    let arn = &line[begin + "(target-group ".len()..begin + end];
    match arn
        .split_once(":targetgroup/")
        .and_then(|(_, path)| path.split('/').next())
    {
        Some(name) => format!(
            "{}target group {name}{}",
            &line[..begin],
            &line[begin + end + 1..]
        ),
        None => line.to_owned(),
    }
}
