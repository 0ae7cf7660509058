//! From the stopped tasks and the service's events to the one cause that is reported.

use super::aws_errors::what_to_do;
use super::quote::{plain, quoted_line, said_by_ecs};
use super::stopped::Group;
use super::{Evidence, REASON_LIMIT_CHARS, StoppedSeen};
use crate::log_line::error_line;
use crate::text;
use crate::verdict::Reason;

impl Evidence {
    /// The cause, as `CannotPullContainerError: … (3 tasks)`, with what to do where that is known.
    ///
    /// `None` if nothing explains it; the caller falls back on ECS's text for the rollout.
    pub fn root_cause(&self) -> Option<String> {
        // Where no task was ever started, or none of its own, an event says why.
        self.tasks_cause().or_else(|| self.why_nothing_starts())
    }

    /// The same of its tasks alone.
    pub fn tasks_cause(&self) -> Option<String> {
        let group = self.root()?;
        let count = text::counted(group.tasks.len(), "task");
        Some(self.cause_of(&group, &format!(" ({count})")))
    }

    /// The same where there was one task only, which needs no count.
    pub fn only_cause(&self) -> Option<String> {
        self.root().map(|group| self.cause_of(&group, ""))
    }

    /// Why no task is started or stopped, if an event or the service's configuration says so.
    pub fn why_nothing_starts(&self) -> Option<String> {
        let event = self.event_to_tell().map(|event| self.of_event(event));
        event.or_else(|| Some(format!("no task can be replaced: {}", self.stuck?)))
    }

    /// The event that says most about why nothing starts, the newest of several.
    pub(super) fn event_to_tell(&self) -> Option<&str> {
        let events = self.events.iter().map(String::as_str);
        let telling = events.filter(|event| !is_consequence(event));
        telling.min_by_key(|event| how_little(event))
    }

    /// An event as the cause, with what to do about it.
    fn of_event(&self, event: &str) -> String {
        let said = said_by_ecs(event);
        let said = text::cut(said.trim_end_matches('.'), REASON_LIMIT_CHARS);
        let is_check = event.contains(" is unhealthy in ");
        let advice = what_to_do(&said).map(str::to_owned);
        let is_stuck = event.contains("service deployment configuration");
        let advice = advice.or_else(|| Some(self.stuck.filter(|_| is_stuck)?.to_string()));
        let advice = advice.or_else(|| is_check.then(|| self.on_target_group(&said)));
        let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
        format!("{said}{advice}")
    }

    /// Why neither tasks nor events say anything; none as long as nobody has looked for them.
    pub(crate) fn silence(&self) -> Option<String> {
        match &self.stopped_seen {
            StoppedSeen::NotAsked => None,
            StoppedSeen::Seen => Some(
                "no stopped task and no event says why: look at the service's tasks in the console"
                    .to_owned(),
            ),
            StoppedSeen::Unseen(why) => Some(format!(
                "its stopped tasks could not be seen: {}",
                text::cut(why.trim_end_matches('.'), REASON_LIMIT_CHARS)
            )),
        }
    }

    fn cause_of(&self, group: &Group<'_>, count: &str) -> String {
        let text = text::cut(group.text.trim_end_matches('.'), REASON_LIMIT_CHARS);
        let advice = self
            .advice(group)
            .map_or_else(String::new, |advice| format!("; {advice}"));
        format!("{text}{count}{advice}")
    }
}

/// How little an event says of why: the least is told.
fn how_little(event: &str) -> u8 {
    const SIGNS: [&str; 6] = [
        "(error", "(reason", "Reason:", "because", " due to ", "does not",
    ];
    // ECS says itself that it tries again.
    if event.contains("are being throttled") {
        return 2;
    }
    u8::from(!SIGNS.iter().any(|sign| event.contains(sign)))
}

/// What ECS reports of its own doing after something has failed.
fn is_consequence(event: &str) -> bool {
    const OWN_DOING: [&str; 5] = [
        "rolling back",
        "deployment failed:",
        "has stopped",
        "has begun draining",
        "deregistered",
    ];
    OWN_DOING.iter().any(|text| event.contains(text))
}

/// Why a rollout failed: what people did or ECS decided by name, else what its tasks show, else what ECS reports
/// of it, else that nobody reported anything.
pub fn cause(reason: Option<&Reason>, evidence: &Evidence) -> String {
    let explains_all = reason.is_some_and(Reason::explains_all);
    let root_cause = evidence.root_cause().filter(|_| !explains_all);
    root_cause
        .or_else(|| Some(of_reason(reason?, evidence)))
        .unwrap_or_else(|| "ECS gave no reason".to_owned())
}

/// What ECS gives as the reason, with what else is known of it.
fn of_reason(reason: &Reason, evidence: &Evidence) -> String {
    let said = plain(&reason.to_string());
    let said = text::cut(said.trim().trim_end_matches('.'), REASON_LIMIT_CHARS);
    let more = match reason {
        Reason::Hook(text) => match error_line(&evidence.hook_log) {
            Some(line) => Some(format!("its function's log says: {}", quoted_line(&line))),
            None if text.contains("(function ") => Some("look at the function's log".to_owned()),
            None => Some("look at the deployment's lifecycle hooks in the console".to_owned()),
        },
        // Who it was stands in ECS's text, or nowhere in ECS.
        Reason::User(text) if !text.contains("arn:") => {
            Some("CloudTrail's StopServiceDeployment event says who".to_owned())
        }
        Reason::CircuitBreaker(_) | Reason::TooManyFailed { .. } => evidence.silence(),
        Reason::User(_)
        | Reason::Alarms(_)
        | Reason::AlarmText(_)
        | Reason::SetBackSince(_)
        | Reason::Other(_) => None,
    };
    match more {
        Some(more) => format!("{said}; {more}"),
        None => said,
    }
}
