//! AWS's texts as people read them, and which of its events are of use.

use crate::outside::shown;
use crate::seen::EventSeen;
use crate::time::Timestamp;

/// Those of `events` since `start` that say that something went wrong, newest first, each once:
/// repetitions differ only in the task that they name.
pub fn telling_events(events: &[EventSeen], start: Timestamp) -> Vec<String> {
    const WRONG: [&str; 19] = [
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
        "not found",
        "is not ",
        "insufficient",
        "limit",
        "denied",
        "invalid",
        "missing",
        "throttled",
    ];
    let mut found: Vec<(String, String)> = Vec::new();
    for event in events.iter().filter(|event| event.at >= start) {
        let message = plain(&event.message);
        // What the service is called says nothing.
        let lower = said_by_ecs(&message).to_lowercase();
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

/// An event as part of a sentence: `(service web) was unable to …` becomes `ECS was unable to …`.
pub(super) fn said_by_ecs(event: &str) -> String {
    let mut rest = event.trim();
    // Which service, deployment and task it is about is said elsewhere.
    while let Some(group) = rest.strip_prefix('(') {
        let is_known = ["service ", "deployment ", "taskSet ", "task ", "instance "];
        match group.split_once(')') {
            Some((inside, after)) if is_known.iter().any(|begin| inside.starts_with(begin)) => {
                rest = after.trim_start();
            }
            Some(_) | None => break,
        }
    }
    // Events of older services have no brackets.
    if let Some((name, after)) = rest
        .strip_prefix("service ")
        .and_then(|rest| rest.split_once(' '))
        && !name.contains(['(', ')'])
    {
        rest = after;
    }
    let is_of_a_task = rest.starts_with("is unhealthy") || rest.starts_with("is not healthy");
    match rest.strip_prefix('(') {
        Some(_) => format!("a task {rest}"),
        None if is_of_a_task => format!("a task {rest}"),
        None if rest.starts_with(|c: char| c.is_ascii_lowercase()) => format!("ECS {rest}"),
        None => rest.to_owned(),
    }
}

/// The same text for events that differ only in ids and numbers.
fn without_ids(message: &str) -> String {
    let words = message.split_whitespace();
    let kept = words.filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()));
    kept.collect::<Vec<_>>().join(" ")
}

/// The same text for tasks that stopped for the same reason: their texts differ in the ids of requests, sessions,
/// tasks and network interfaces, and in addresses. A word with so many digits that is no number is one.
pub(super) fn same_for_all(text: &str) -> String {
    let is_id = |word: &&str| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        digits >= 4 && digits < word.len()
    };
    let words = text.split([' ', '/', ',', '>']);
    let kept: Vec<&str> = words.filter(|word| !is_id(word)).collect();
    kept.join(" ")
}

/// AWS's text in one line, without what only its engineers need.
pub(super) fn plain(text: &str) -> String {
    let line = without_pointers(&one_line(text));
    with_short_target_group(&without_retries(&without_layers(&line)))
}

/// Without the names of the layers of AWS's own code that an error has come through, and without the id of its
/// request: what was denied stands behind them.
fn without_layers(line: &str) -> String {
    const LAYERS: [&str; 2] = [
        "unable to pull secrets or registry auth: ",
        "execution resource retrieval failed: ",
    ];
    let mut line = line.to_owned();
    for layer in LAYERS {
        line = line.replace(layer, "");
    }
    for (begin, end) in [
        ("https response error StatusCode: ", ", RequestID: "),
        ("RequestID: ", ", "),
    ] {
        if let Some(from) = line.find(begin)
            && let Some(length) = line[from + begin.len()..].find(end)
            && length < 64
        {
            let kept = if begin == "RequestID: " {
                ""
            } else {
                "RequestID: "
            };
            line.replace_range(from..from + begin.len() + length + end.len(), kept);
        }
    }
    line
}

/// Without the sentences that only tell where to read on, which ECS appends.
fn without_pointers(line: &str) -> String {
    const POINTERS: [&str; 3] = [
        " Please verify that the role being passed",
        " For more information, see",
        " View troubleshooting guide",
    ];
    let mut line = line.to_owned();
    for pointer in POINTERS {
        if let Some(begin) = line.find(pointer) {
            let closing = if line.trim_end_matches('.').ends_with(')') {
                ")"
            } else {
                ""
            };
            line.truncate(begin);
            line = format!("{}{closing}", line.trim_end_matches(['.', ' ']));
        }
    }
    line
}

/// The line of a log that says the error takes at most this much of the headline.
const LOG_LINE_LIMIT_CHARS: usize = 200;

/// A line of a log, fit for the headline.
pub(super) fn quoted_line(line: &str) -> String {
    crate::text::cut(&one_line(line), LOG_LINE_LIMIT_CHARS)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_said_as_ecs_said_it_without_what_is_said_elsewhere() {
        for (event, said) in [
            (
                "(service web) was unable to place a task because x",
                "ECS was unable to place a task because x",
            ),
            (
                "(service web, taskSet ecs-svc/1) (port 80) is unhealthy in target group web",
                "a task (port 80) is unhealthy in target group web",
            ),
            (
                "(service web) (task abc) (instance i-1) (port 80) is unhealthy",
                "a task (port 80) is unhealthy",
            ),
            (
                "(service web) (instance i-0) is unhealthy in (elb web)",
                "a task is unhealthy in (elb web)",
            ),
            (
                "service web failed to launch a task",
                "ECS failed to launch a task",
            ),
            (
                "Timed out waiting for the agent",
                "Timed out waiting for the agent",
            ),
            ("(service", "a task (service"),
        ] {
            assert_eq!(said_by_ecs(event), said);
        }
    }

    #[test]
    fn tasks_that_stopped_for_one_reason_say_the_same_whatever_their_ids_are() {
        for (one, other) in [
            (
                "dial tcp 10.0.1.17:53412->10.0.0.2:443: i/o timeout",
                "dial tcp 10.0.2.31:41222->10.0.0.2:443: i/o timeout",
            ),
            (
                "User: arn:aws:sts::1:assumed-role/r/0123456789abcdef is not authorized",
                "User: arn:aws:sts::1:assumed-role/r/fedcba9876543210 is not authorized",
            ),
        ] {
            assert_eq!(same_for_all(one), same_for_all(other));
        }
        for (one, other) in [
            ("exited with code 1", "exited with code 137"),
            ("unhealthy (port 8080)", "unhealthy (port 9090)"),
            ("app:v1 not found", "app:v2 not found"),
        ] {
            assert_ne!(same_for_all(one), same_for_all(other));
        }
    }

    #[test]
    fn what_was_denied_stands_near_the_beginning() {
        assert_eq!(
            plain(
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret x: operation error Secrets Manager: GetSecretValue, https response error StatusCode: 400, RequestID: 1b2c-3d, api error AccessDeniedException: User: y is not authorized to perform: secretsmanager:GetSecretValue"
            ),
            "ResourceInitializationError: unable to retrieve secret from asm: failed to fetch secret x: operation error Secrets Manager: GetSecretValue, api error AccessDeniedException: User: y is not authorized to perform: secretsmanager:GetSecretValue"
        );
        assert_eq!(plain("RequestID: none"), "RequestID: none");
    }

    #[test]
    fn sentences_that_only_tell_where_to_read_on_are_left_out() {
        for (text, said) in [
            (
                "launch (error ECS was unable to assume the role 'r' that was provided for this task. Please verify that the role being passed has the proper trust relationship.).",
                "launch (error ECS was unable to assume the role 'r' that was provided for this task)",
            ),
            (
                "was unable to place a task. For more information, see the Troubleshooting section.",
                "was unable to place a task",
            ),
            ("nothing to read on", "nothing to read on"),
        ] {
            assert_eq!(plain(text), said);
        }
    }
}
