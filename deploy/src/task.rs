//! A task that runs once, before the deployment or after it: what is due for it, what it came to, and the sentence
//! when it failed.

use super::deployment::{Stop, TaskLive, TaskSeen};
use super::evidence::{Evidence, StoppedTask};
use super::failure::{Failure, FailureKind, MESSAGE_LIMIT_BYTES};
use super::judge::CONSISTENCY_GRACE;
use super::message::Message;
use super::revision::Revision;
use super::spec::{DeploySpec, StandaloneTask, When};
use super::text;
use super::time::{Timestamp, human};
use super::verdict::TaskVerdict;

/// Why a task is not seen that ECS does not show.
const NOT_SHOWN: &str = "ECS does not show it";

/// The last status of a task that is over.
pub const STOPPED: &str = "STOPPED";

/// What a task in this `status` came to. The exit code of `container` decides: others of the task
/// may still run, or have exited otherwise.
pub fn verdict(status: &str, end: &StoppedTask, container: &str) -> TaskVerdict {
    let mut containers = end.containers.iter();
    let decides = containers.find(|one| one.name == container);
    match decides.and_then(|one| one.exit_code) {
        Some(0) => TaskVerdict::Succeeded,
        Some(_) => TaskVerdict::Failed,
        None if status == STOPPED => TaskVerdict::Failed,
        None => TaskVerdict::Running,
    }
}

/// The task's end for `container` alone: another container's exit code does not explain it.
pub fn end_of(end: &StoppedTask, container: &str) -> StoppedTask {
    let has_ended =
        |name: &str| name == container && end.containers.iter().any(|one| one.exit_code.is_some());
    let mut of_container = end.clone();
    if end.containers.iter().any(|one| has_ended(&one.name)) {
        of_container.containers.retain(|one| one.name == container);
    }
    of_container
}

/// Why a task is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The container that decides has exited; the others have nothing to do any more.
    Finished,
    /// Its time is up.
    Late,
    /// The deployment that it is about has failed meanwhile.
    InVain,
}

/// What is due for a task that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// To look at it.
    Look,
    /// To wait a while, and to look again.
    Wait,
    /// To ask ECS to stop it.
    Stop(StopReason),
    /// Nothing: it has succeeded.
    Succeeded,
    /// Nothing: it has not.
    Ended(TaskEnd),
}

/// What is due for the task that was started at `since`.
pub fn due(live: &TaskLive, asked: &StandaloneTask, since: Timestamp, now: Timestamp) -> Due {
    let Some(seen) = &live.seen else {
        return Due::Look;
    };
    let is_late = now >= since + asked.timeout;
    match seen {
        TaskSeen::Shown {
            not_ours: Some(why),
            ..
        } => Due::Ended(TaskEnd::NotOurs(why.clone())),
        TaskSeen::Shown {
            verdict, is_over, ..
        } => match verdict {
            TaskVerdict::Succeeded | TaskVerdict::Failed
                if !is_over && live.stop == Stop::NotAsked =>
            {
                Due::Stop(StopReason::Finished)
            }
            TaskVerdict::Succeeded => Due::Succeeded,
            TaskVerdict::Failed => Due::Ended(TaskEnd::Failed),
            TaskVerdict::Running => running(live, is_late, None),
        },
        // It may not be shown yet.
        TaskSeen::Missing if now.since(since) < CONSISTENCY_GRACE => {
            running(live, is_late, Some(NOT_SHOWN))
        }
        TaskSeen::Missing => Due::Ended(TaskEnd::Gone),
        // DescribeTasks is denied, so no look will show how it exits. It is not stopped: it may be
        // half-way through what it does.
        TaskSeen::Unseen {
            why,
            may_pass: false,
        } => Due::Ended(TaskEnd::Unseen {
            why: why.clone(),
            asked_to_stop: false,
        }),
        TaskSeen::Unseen {
            why,
            may_pass: true,
        } => running(live, is_late, Some(why)),
    }
}

/// What is due for a task that runs, or may run: `unseen` says why that is not known.
fn running(live: &TaskLive, is_late: bool, unseen: Option<&str>) -> Due {
    if !is_late {
        return Due::Wait;
    }
    let asked_to_stop = live.stop != Stop::NotAsked;
    match unseen {
        // Only the token says that it is this job's task, and a token is input.
        _ if !live.is_ours => Due::Ended(TaskEnd::Unseen {
            why: unseen.unwrap_or(NOT_SHOWN).to_owned(),
            asked_to_stop: false,
        }),
        _ if !asked_to_stop => Due::Stop(StopReason::Late),
        Some(why) => Due::Ended(TaskEnd::Unseen {
            why: why.to_owned(),
            asked_to_stop,
        }),
        None => Due::Ended(TaskEnd::Late {
            not_stopped: match &live.stop {
                Stop::Refused(why) => Some(why.clone()),
                Stop::NotAsked | Stop::Asked => None,
            },
        }),
    }
}

/// Whether it may still run: stopping it is worth a call.
pub fn may_run(live: &TaskLive) -> bool {
    let is_over = matches!(
        live.seen,
        Some(TaskSeen::Shown { is_over: true, .. } | TaskSeen::Missing)
    );
    live.is_ours && !is_over && live.stop == Stop::NotAsked
}

/// Why a task was not a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskEnd {
    /// The parameters do not name one any more.
    NotAsked,
    /// It is not the one that the token's job started, and why.
    NotOurs(String),
    /// It failed by itself.
    Failed,
    /// Its time was up.
    Late {
        /// Why it could not be stopped, if it could not.
        not_stopped: Option<String>,
    },
    /// ECS does not show it.
    Gone,
    /// It could not be looked at.
    Unseen {
        /// Why.
        why: String,
        /// ECS was asked to stop it, for its time was up.
        asked_to_stop: bool,
    },
    /// It has succeeded, and the services could not be set in time.
    Blocked(Failure),
    /// ECS has not made it, and why.
    NotStarted(String),
}

impl TaskEnd {
    /// Whether it is what its evidence explains.
    pub fn is_explained(&self) -> bool {
        match self {
            Self::Failed | Self::Late { .. } => true,
            Self::NotAsked
            | Self::NotOurs(_)
            | Self::Gone
            | Self::Unseen { .. }
            | Self::Blocked(_)
            | Self::NotStarted(_) => false,
        }
    }

    /// Whether this job's revisions are of no use to anybody after it. Also if the task may still run, which
    /// goes on without them
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deregister-task-definition-v2.html>):
    /// an ACTIVE one would be deployed if the job's event came again. What is not this job's stays.
    pub fn leaves_revisions_unused(&self) -> bool {
        match self {
            // What comes after the deployment is about revisions that are used.
            Self::NotAsked | Self::NotOurs(_) | Self::NotStarted(_) => false,
            Self::Failed
            | Self::Late { .. }
            | Self::Gone
            | Self::Unseen { .. }
            | Self::Blocked(_) => true,
        }
    }
}

/// Why ECS made no task, though it took the request
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>).
#[derive(Debug, Clone, Copy)]
pub struct NotPlaced<'a> {
    /// In ECS's text, one for each place that it tried.
    reasons: &'a [String],
}

impl<'a> NotPlaced<'a> {
    /// By the reasons of `RunTask`'s `failures[]`, as `RESOURCE:MEMORY`.
    pub fn of(reasons: &'a [String]) -> Self {
        Self { reasons }
    }

    /// Whether an error of `RunTask` says that the account runs as much as it may at the moment
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html>).
    pub fn is_quota(detail: &str) -> bool {
        detail.contains("reached the limit on the number of")
    }

    /// Whether there may be room a little later.
    pub fn may_pass(self) -> bool {
        let is_room = |reason: &String| {
            reason.starts_with("RESOURCE:")
                || reason.starts_with("AGENT")
                || reason.starts_with("EMPTY CAPACITY PROVIDER")
                || reason.starts_with("Capacity is unavailable")
                || Self::is_quota(reason)
        };
        self.reasons.iter().any(is_room)
    }

    /// What was short, for a task of `revision`; without its stop.
    pub fn sentence(self, revision: &Revision) -> String {
        let short: Vec<&str> = self
            .reasons
            .iter()
            .filter_map(|one| short_of(one))
            .collect();
        let reasons = text::listed(self.reasons);
        let reasons = reasons.trim_end_matches('.');
        if short.is_empty() {
            format!("ECS could not place a task of {revision}: {reasons}")
        } else {
            let short = text::once(short.into_iter().map(str::to_owned));
            format!(
                "ECS has no {} for a task of {revision} at the moment ({reasons})",
                text::listed(&short)
            )
        }
    }
}

/// What was short, as ECS's `reason` says.
fn short_of(reason: &str) -> Option<&'static str> {
    let Some(resource) = reason.strip_prefix("RESOURCE:") else {
        return match reason {
            _ if reason.starts_with("AGENT") => Some("container instance whose agent is connected"),
            _ if reason.starts_with("EMPTY CAPACITY PROVIDER") => Some("container instance"),
            _ if reason.starts_with("Capacity is unavailable") => Some("capacity"),
            _ if NotPlaced::is_quota(reason) => Some("room within the account's quota"),
            _ => None,
        };
    };
    let name = resource.split([' ', '(', '.']).next().unwrap_or_default();
    Some(match name {
        "MEMORY" => "memory",
        "CPU" => "CPU",
        "GPU" => "GPU",
        "ENI" => "network interface",
        "PORTS" | "PORTS_UDP" | "PORT" => "free port",
        _ => "resources",
    })
}

/// That the task before the deployment is done, as a sentence.
pub fn ran(container: &str) -> String {
    format!(
        "The pre-deploy task (container {container}) had run and succeeded: what it did stays done."
    )
}

/// `failure`, which came after the task before the deployment had succeeded in `container`: the
/// headline says so.
pub fn after_task(failure: Failure, container: &str) -> Failure {
    Failure::new(failure.kind, failure.message.then(ran(container)))
}

/// What a task came to that did not succeed, as half a sentence: `the post-deploy task failed: …`.
pub fn sentence(when: When, spec: &DeploySpec, end: &TaskEnd, evidence: &Evidence) -> String {
    let asked = spec.task(when);
    let container = asked.map_or("", |asked| &asked.container);
    let limit = asked.map(|asked| human(asked.timeout)).unwrap_or_default();
    match end {
        TaskEnd::Blocked(failure) => failure.message.one_line(),
        TaskEnd::NotAsked => {
            let task = when.to_string().replacen("the", "a", 1);
            format!("{task} is under way, and the parameters do not name one any more")
        }
        TaskEnd::NotOurs(why) => why.clone(),
        TaskEnd::NotStarted(why) => {
            format!("{when} was not started: {}", why.trim_end_matches('.'))
        }
        TaskEnd::Failed => {
            let cause = evidence.only_cause();
            format!(
                "{when} failed: {}",
                cause.unwrap_or_else(|| "ECS gave no reason".to_owned())
            )
        }
        TaskEnd::Late { not_stopped: None } => format!(
            "{when} was not complete within {limit}, and was stopped (container {container})"
        ),
        TaskEnd::Late {
            not_stopped: Some(why),
        } => format!(
            "{when} was not complete within {limit} and could not be stopped, so it may still run ({})",
            why.trim_end_matches('.')
        ),
        TaskEnd::Unseen { why, asked_to_stop } => format!(
            "how {when} ended could not be seen ({}); {}",
            why.trim_end_matches('.'),
            if *asked_to_stop {
                "ECS was asked to stop it if it still runs"
            } else {
                "it was not stopped and may still run"
            }
        ),
        TaskEnd::Gone => format!(
            "{when} is not shown by ECS any more, so whether container {container} did its work is not known"
        ),
    }
}

/// The failure of a job whose task before the deployment did not succeed.
pub fn failed(spec: &DeploySpec, end: &TaskEnd, evidence: Option<&Evidence>) -> Failure {
    failed_within(MESSAGE_LIMIT_BYTES, spec, end, evidence)
}

/// The same with so much evidence that it has at most `limit` bytes: something is to stand below it.
pub fn failed_within(
    limit: usize,
    spec: &DeploySpec,
    end: &TaskEnd,
    evidence: Option<&Evidence>,
) -> Failure {
    let nothing = Evidence::default();
    let evidence = evidence.unwrap_or(&nothing);
    if let TaskEnd::Blocked(failure) = end {
        return failure.clone();
    }
    let what = sentence(When::Before, spec, end, evidence);
    let then = match end {
        TaskEnd::NotAsked | TaskEnd::NotOurs(_) => "It was left alone, and no service was changed.",
        TaskEnd::Failed
        | TaskEnd::Late { .. }
        | TaskEnd::Gone
        | TaskEnd::Unseen { .. }
        | TaskEnd::Blocked(_)
        | TaskEnd::NotStarted(_) => "No service was changed.",
    };
    let headline = Message::of([format!("{}: {what}.", spec.about()).as_str(), then]);
    let room = limit.saturating_sub(headline.len());
    let details = evidence.details(room);
    Failure::new(FailureKind::Job, headline.with_details(&details))
}

/// The failure of a job whose task after the deployment cannot be judged: the deployment is left as it is.
pub fn not_judged(spec: &DeploySpec, end: &TaskEnd, revisions: &str) -> Failure {
    let what = sentence(When::After, spec, end, &Evidence::default());
    Failure::new(
        FailureKind::Job,
        Message::of([
            format!("{}: {what}.", spec.about()),
            format!(
                "It was left alone, and nothing was rolled back: {revisions} was complete at the last check."
            ),
        ]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::StoppedContainer;
    use crate::testing::with_task;

    fn end(containers: &[(&str, Option<i32>)]) -> StoppedTask {
        StoppedTask {
            reason: "Essential container in task exited".to_owned(),
            stop_code: "EssentialContainerExited".to_owned(),
            containers: containers
                .iter()
                .map(|(name, exit_code)| StoppedContainer {
                    name: (*name).to_owned(),
                    exit_code: *exit_code,
                    ..StoppedContainer::default()
                })
                .collect(),
            ..StoppedTask::default()
        }
    }

    #[test]
    fn only_the_exit_code_0_of_the_named_container_is_a_success() {
        for (status, code, expected) in [
            ("RUNNING", Some(0), TaskVerdict::Succeeded),
            ("STOPPED", Some(0), TaskVerdict::Succeeded),
            ("STOPPED", Some(3), TaskVerdict::Failed),
            ("RUNNING", Some(3), TaskVerdict::Failed),
            ("STOPPED", None, TaskVerdict::Failed),
            ("PENDING", None, TaskVerdict::Running),
            ("NEVER_SEEN_BEFORE", None, TaskVerdict::Running),
        ] {
            let end = end(&[("proxy", Some(1)), ("app", code)]);
            assert_eq!(verdict(status, &end, "app"), expected, "{status} {code:?}");
        }
        let without_it = end(&[("proxy", Some(0))]);
        assert_eq!(verdict("STOPPED", &without_it, "app"), TaskVerdict::Failed);
    }

    #[test]
    fn what_was_short_is_reported_and_whether_it_may_come_back() {
        let revision = Revision::parse("app:3").unwrap();
        for (reasons, may_pass, expected) in [
            (
                &["RESOURCE:MEMORY"][..],
                true,
                "ECS has no memory for a task of app:3 at the moment (RESOURCE:MEMORY)",
            ),
            (
                &["RESOURCE:CPU (i-1)", "AGENT", "RESOURCE:CPU (i-2)"],
                true,
                "ECS has no CPU and container instance whose agent is connected for a task of app:3 at the moment (RESOURCE:CPU (i-1), AGENT and RESOURCE:CPU (i-2))",
            ),
            (
                &[
                    "Capacity is unavailable at this time. Please try again later or in a different availability zone.",
                ],
                true,
                "ECS has no capacity for a task of app:3 at the moment (Capacity is unavailable at this time. Please try again later or in a different availability zone)",
            ),
            (
                &["RESOURCE:FPGA"],
                true,
                "ECS has no resources for a task of app:3 at the moment (RESOURCE:FPGA)",
            ),
            (
                &["ATTRIBUTE"],
                false,
                "ECS could not place a task of app:3: ATTRIBUTE",
            ),
        ] {
            let reasons: Vec<String> = reasons.iter().map(|one| (*one).to_owned()).collect();
            let not_placed = NotPlaced::of(&reasons);
            assert_eq!(not_placed.may_pass(), may_pass, "{reasons:?}");
            assert_eq!(not_placed.sentence(&revision), expected);
        }
    }

    #[test]
    fn a_failure_after_the_task_says_in_its_headline_that_it_ran() {
        let failure = Failure::new(FailureKind::Permission, "web: no\n  detail");
        let failure = after_task(failure, "app");
        assert_eq!(failure.kind, FailureKind::Permission);
        assert_eq!(
            failure.message,
            "web: no. The pre-deploy task (container app) had run and succeeded: what it did stays done.\n  detail"
        );
    }

    #[test]
    fn the_message_carries_exit_code_and_log_of_the_named_container() {
        let evidence = Evidence {
            stopped: vec![end_of(&end(&[("proxy", Some(1)), ("app", Some(3))]), "app")],
            log: vec!["migrating".to_owned(), "table users is locked".to_owned()],
            ..Evidence::default()
        };
        let failure = failed(&with_task(true, 15), &TaskEnd::Failed, Some(&evidence));
        assert_eq!(
            failure.message,
            "s0 on prod: the pre-deploy task failed: container app exited with code 3; its log ends: table users is locked. No service was changed.\nThe log of the container ends:\n  migrating\n  table users is locked"
        );
    }

    #[test]
    fn each_other_end_says_what_is_known() {
        let message = |end: TaskEnd| failed(&with_task(true, 15), &end, None).message;
        assert_eq!(message(TaskEnd::Gone).sentences().len(), 2);
        let stopped = TaskEnd::Late { not_stopped: None };
        assert!(message(stopped).contains("within 15 min, and was stopped"));
        let not_stopped = Some("denied.".to_owned());
        let running = TaskEnd::Late { not_stopped };
        assert!(message(running).contains("may still run (denied)"));
        assert!(message(TaskEnd::Gone).contains("is not known. No service was changed."));
        let left_alone = "It was left alone, and no service was changed.";
        assert!(message(TaskEnd::NotAsked).ends_with(left_alone));
        assert!(message(TaskEnd::NotOurs("x".to_owned())).ends_with(left_alone));
        for (asked_to_stop, expected) in [(true, "asked to stop it"), (false, "may still run")] {
            let why = "503".to_owned();
            assert!(message(TaskEnd::Unseen { why, asked_to_stop }).contains(expected));
        }
    }
}
