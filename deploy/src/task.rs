//! The task before the deployment: what it came to, and the sentence when it failed.

use super::evidence::{Evidence, StoppedTask};
use super::failure::{Failure, FailureKind, MESSAGE_LIMIT_BYTES};
use super::message::Message;
use super::revision::Revision;
use super::spec::DeploySpec;
use super::text;
use super::time::human;
use super::verdict::TaskVerdict;

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

/// Why the task before the deployment was the end of the deployment.
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
}

impl TaskEnd {
    /// Whether this job's revisions are of no use to anybody after it. Also if the task may still run, which
    /// goes on without them
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deregister-task-definition-v2.html>):
    /// an ACTIVE one would be deployed if the job's event came again. What is not this job's stays.
    pub fn leaves_revisions_unused(&self) -> bool {
        match self {
            Self::NotAsked | Self::NotOurs(_) => false,
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
        "The task before the deployment (container {container}) had run and succeeded: what it did stays done."
    )
}

/// `failure`, which came after the task before the deployment had succeeded in `container`: the
/// headline says so.
pub fn after_task(failure: Failure, container: &str) -> Failure {
    Failure::new(failure.kind, failure.message.then(ran(container)))
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
    let container = spec
        .pre_deploy
        .as_ref()
        .map_or("", |asked| &asked.container);
    let time = spec.pre_deploy.as_ref().map(|asked| human(asked.timeout));
    let time = time.unwrap_or_default();
    let left_alone = "It was left alone, and no service was changed.";
    let not_changed = "No service was changed.";
    let (what, then) = match end {
        TaskEnd::Blocked(failure) => return failure.clone(),
        TaskEnd::NotAsked => (
            "a task before the deployment is under way, and the parameters do not name one any more".to_owned(),
            left_alone,
        ),
        TaskEnd::NotOurs(why) => (why.clone(), left_alone),
        TaskEnd::Failed => {
            let cause = evidence.only_cause();
            let cause = cause.unwrap_or_else(|| "ECS gave no reason".to_owned());
            (
                format!("the task before the deployment failed: {cause}"),
                not_changed,
            )
        }
        TaskEnd::Late { not_stopped: None } => (
            format!(
                "the task before the deployment was not complete within {time}, and was stopped (container {container})"
            ),
            not_changed,
        ),
        TaskEnd::Late {
            not_stopped: Some(why),
        } => (
            format!(
                "the task before the deployment was not complete within {time} and could not be stopped, so it may still run ({})",
                why.trim_end_matches('.')
            ),
            not_changed,
        ),
        TaskEnd::Unseen { why, asked_to_stop } => (
            format!(
                "how the task before the deployment ended could not be seen ({}); {}",
                why.trim_end_matches('.'),
                if *asked_to_stop {
                    "ECS was asked to stop it if it still runs"
                } else {
                    "it was not stopped and may still run"
                }
            ),
            not_changed,
        ),
        TaskEnd::Gone => (
            format!(
                "the task before the deployment is not shown by ECS any more, so whether container {container} did its work is not known"
            ),
            not_changed,
        ),
    };
    let headline = Message::of([format!("{}: {what}.", spec.about()).as_str(), then]);
    let room = limit.saturating_sub(headline.len());
    let details = evidence.details(room);
    Failure::new(FailureKind::Job, headline.with_details(&details))
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
            "web: no. The task before the deployment (container app) had run and succeeded: what it did stays done.\n  detail"
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
            "s0 on prod: the task before the deployment failed: container app exited with code 3; its log ends: table users is locked. No service was changed.\nThe log of the container ends:\n  migrating\n  table users is locked"
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
