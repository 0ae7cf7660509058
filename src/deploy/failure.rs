//! Why a job failed: CodePipeline's kind and the sentence that people read.

use std::collections::BTreeMap;

use super::revision::Revision;
use super::rollout::{ServiceSeen, Verdict};
use super::text;

/// CodePipeline takes this many characters of failure text
/// (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_FailureDetails.html>).
pub const MESSAGE_LIMIT_CHARS: usize = 5000;

/// One quoted reason takes at most this much of the headline.
const REASON_LIMIT_CHARS: usize = 300;

/// What a container that does not catch SIGTERM ends with: 128 + 15.
const SIGTERM: i32 = 143;

/// What a killed container ends with: 128 + 9.
const SIGKILL: i32 = 137;

/// CodePipeline's failure types, as far as we answer with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// What the user wrote, or what it refers to, is wrong.
    Configuration,
    /// The artifact is missing, expired or unreadable.
    RevisionUnavailable,
    /// AWS said no.
    Permission,
    /// AWS stayed unavailable before anything was changed.
    SystemUnavailable,
    /// The deployment itself.
    Job,
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// CodePipeline's type.
    pub kind: FailureKind,
    /// The headline first, which alone must suffice.
    pub message: String,
}

impl Failure {
    /// A failure with `message`, cut to what CodePipeline takes.
    pub fn new(kind: FailureKind, message: impl AsRef<str>) -> Self {
        Self {
            kind,
            message: text::cut(message.as_ref(), MESSAGE_LIMIT_CHARS),
        }
    }

    /// One failure from several problems: a single one is its own sentence, several are counted
    /// and listed.
    pub fn of_problems<P: ToString>(kind: FailureKind, about: &str, problems: &[P]) -> Self {
        let message = match problems {
            [only] => format!("{about}{}", sentence(&only.to_string())),
            several => {
                let numbered: Vec<String> = several
                    .iter()
                    .enumerate()
                    .map(|(index, problem)| {
                        format!("{}) {}", index + 1, sentence(&problem.to_string()))
                    })
                    .collect();
                format!("{about}{} problems: {}", several.len(), numbered.join(" "))
            }
        };
        Self::new(kind, message)
    }
}

/// A stopped task of our deployment, as far as it tells why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoppedTask {
    /// `TaskFailedToStart`, `EssentialContainerExited`, `ServiceSchedulerInitiated`, …
    pub stop_code: String,
    /// ECS's words.
    pub reason: String,
    /// Its containers, in ECS's order.
    pub containers: Vec<StoppedContainer>,
}

/// A container of a stopped task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoppedContainer {
    /// Its name.
    pub name: String,
    /// Its exit code, if it ran.
    pub exit_code: Option<i32>,
    /// ECS's words, as `OutOfMemoryError: Container killed due to memory usage`.
    pub reason: Option<String>,
}

/// How close to the root a cause is; the smallest is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Image,
    Resources,
    Memory,
    ExitCode,
    Health,
    Other,
    Scheduler,
}

/// How much a container's end tells; the greatest is told.
///
/// One container ends first and ECS then stops the others with SIGTERM (143) and, half a minute
/// later, SIGKILL (137): those codes are most likely the echo of another container's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Telling {
    Nothing,
    Terminated,
    Ended,
    Killed,
    ExitCode,
    Reason,
}

impl StoppedContainer {
    fn telling(&self) -> Telling {
        let has_reason = self
            .reason
            .as_deref()
            .is_some_and(|reason| !reason.is_empty());
        match self.exit_code {
            _ if has_reason => Telling::Reason,
            None => Telling::Nothing,
            Some(SIGTERM) => Telling::Terminated,
            Some(0) => Telling::Ended,
            Some(SIGKILL) => Telling::Killed,
            Some(_) => Telling::ExitCode,
        }
    }
}

impl StoppedTask {
    /// The container that tells most about why the task ended; the first of several.
    fn telling(&self) -> Option<&StoppedContainer> {
        let rank = self
            .containers
            .iter()
            .map(StoppedContainer::telling)
            .max()?;
        let mut containers = self.containers.iter();
        containers.find(|container| container.telling() == rank)
    }

    fn depth(&self) -> Depth {
        let container = self.telling();
        let words = format!(
            "{} {}",
            self.reason,
            container
                .and_then(|c| c.reason.as_deref())
                .unwrap_or_default()
        );
        let exit_code = container.and_then(|container| container.exit_code);
        if words.contains("CannotPull") {
            Depth::Image
        } else if words.contains("ResourceInitializationError") {
            Depth::Resources
        } else if words.contains("OutOfMemory") {
            Depth::Memory
        } else if words.to_lowercase().contains("health check") {
            Depth::Health
        } else if self.stop_code == "ServiceSchedulerInitiated" {
            // ECS stopped it: that is what becomes of tasks in a rollback, not why there is one.
            Depth::Scheduler
        } else if exit_code.is_some_and(|code| code != 0)
            || (exit_code.is_some() && self.stop_code == "EssentialContainerExited")
        {
            Depth::ExitCode
        } else {
            Depth::Other
        }
    }

    /// The task's end in words: the container's if they say more than the task's.
    fn words(&self) -> String {
        let Some(container) = self.telling() else {
            return sentence_start(&self.reason);
        };
        let container_reason = container
            .reason
            .as_deref()
            .filter(|reason| !reason.is_empty());
        match (self.depth(), container.exit_code) {
            (Depth::ExitCode, Some(code)) => format!(
                "container {} exited with code {code}{}",
                container.name,
                container_reason.map_or_else(String::new, |reason| format!(": {reason}"))
            ),
            (Depth::Memory, _) => format!(
                "container {} ran out of memory: {}",
                container.name,
                container_reason.unwrap_or(&self.reason)
            ),
            _ if self.reason.is_empty() => container_reason.unwrap_or_default().to_owned(),
            _ => sentence_start(&self.reason),
        }
    }
}

/// The cause closest to the root, most frequent first, as `CannotPullContainerError: … (3 tasks)`.
///
/// `None` if no task tells anything; the caller falls back on ECS's words for the rollout.
pub fn cause_in(stopped: &[StoppedTask]) -> Option<String> {
    let mut groups: BTreeMap<(Depth, String), usize> = BTreeMap::new();
    for task in stopped {
        let (depth, words) = (task.depth(), task.words());
        if depth != Depth::Scheduler && !words.trim().is_empty() {
            *groups.entry((depth, words)).or_default() += 1;
        }
    }
    let root = groups.keys().map(|(depth, _)| *depth).min()?;
    let ((_, words), count) = groups
        .into_iter()
        .filter(|((depth, _), _)| *depth == root)
        .max_by_key(|(_, count)| *count)?;
    let words = text::cut(words.trim_end_matches('.'), REASON_LIMIT_CHARS);
    Some(format!("{words} ({})", text::counted(count, "task")))
}

/// Why a rollout failed: what its tasks say, else what ECS says of it, else that nobody said.
pub fn cause(verdict: &Verdict, stopped: &[StoppedTask]) -> String {
    let reason = match verdict {
        Verdict::RollingBack { reason, .. }
        | Verdict::RolledBack { reason }
        | Verdict::RollbackFailed { reason }
        | Verdict::Failed { reason, .. } => reason.as_deref(),
        Verdict::Serving { .. }
        | Verdict::InProgress(_)
        | Verdict::Replaced { .. }
        | Verdict::Gone { .. }
        | Verdict::Unknown { .. }
        | Verdict::NoNews { .. } => None,
    };
    let is_alarm = reason.is_some_and(|reason| reason.starts_with("alarm "));
    let told = cause_in(stopped).filter(|_| !is_alarm);
    told.or_else(|| {
        reason.map(|words| text::cut(words.trim().trim_end_matches('.'), REASON_LIMIT_CHARS))
    })
    .unwrap_or_else(|| "ECS gave no reason".to_owned())
}

/// What runs now, as `app:41 is serving, 2 of 2 tasks`. Counts are ECS's own.
pub fn serving_now(service: &ServiceSeen) -> String {
    let mut running: Vec<String> = service
        .deployments
        .iter()
        .filter(|deployment| deployment.running > 0)
        .map(|deployment| {
            format!(
                "{} is serving, {} of {} tasks",
                text::last_part(&deployment.task_definition),
                deployment.running,
                service.desired,
            )
        })
        .collect();
    running.dedup();
    if running.is_empty() {
        format!(
            "no task of the service is running (it wants {})",
            service.desired
        )
    } else {
        running.join("; ")
    }
}

/// The whole message of a failed rollout: headline, what was done about it, what serves now.
///
/// `target` is `web on prod`, `cause` what [`cause`] said when the failure was first seen, and
/// `service` the last look at it, if there was one.
pub fn of_rollout(
    target: &str,
    revision: &Revision,
    cause: &str,
    verdict: &Verdict,
    service: Option<&ServiceSeen>,
) -> Failure {
    let now = || service.map_or_else(|| "what serves now is not known".to_owned(), serving_now);
    let failed = format!("{target}: {revision} failed: {cause}.");
    let message = match verdict {
        Verdict::RolledBack { .. } => format!("{failed} Rolled back: {}.", now()),
        Verdict::RollbackFailed { reason } => format!(
            "{failed} Rolling back failed too{}: {}.",
            reason.as_deref().map_or_else(String::new, |reason| format!(
                " ({})",
                text::cut(reason.trim_end_matches('.'), REASON_LIMIT_CHARS)
            )),
            now()
        ),
        Verdict::Failed { stopped: true, .. } => format!(
            "{target}: the deployment of {revision} was stopped: {cause}. Not rolled back: {}.",
            now()
        ),
        Verdict::Failed { .. } => format!(
            "{failed} Not rolled back, and {revision} is still what the service is set to: {}.",
            now()
        ),
        Verdict::Replaced {
            by,
            task_definition,
        } => {
            let other = text::last_part(task_definition);
            let what = if cause.is_empty() {
                format!(
                    "{target}: {revision} was replaced by another deployment before it was complete ({other}, {by})."
                )
            } else {
                format!("{failed} Another deployment has taken its place since ({other}, {by}).")
            };
            format!("{what} It was left alone: {}.", now())
        }
        Verdict::Gone { status } => format!(
            "{target}: the service went away while {revision} rolled out: its status is {status}. Nothing is left to deploy to."
        ),
        Verdict::RollingBack { .. } | Verdict::InProgress(_) | Verdict::Serving { .. } => format!(
            "{failed} ECS began to roll back and has not finished in time: {}.",
            now()
        ),
        Verdict::Unknown { state, .. } => format!(
            "{failed} ECS began to roll back, and its state is one that this version does not know ({state}): {}.",
            now()
        ),
        Verdict::NoNews { why } => {
            format!("{failed} ECS began to roll back; how that ended could not be seen ({why}).")
        }
    };
    Failure::new(FailureKind::Job, message)
}

/// The message of a rollout whose time is up. Nothing was rolled back.
pub fn of_late(
    target: &str,
    revision: &Revision,
    limit: &str,
    verdict: &Verdict,
    service: Option<&ServiceSeen>,
    stopped: &[StoppedTask],
) -> Failure {
    let late = format!("{target}: {revision} was not complete within {limit}");
    let told =
        cause_in(stopped).map_or_else(String::new, |cause| format!(" Its tasks end: {cause}."));
    let now = service.map_or_else(String::new, |service| format!(": {}", serving_now(service)));
    let message = match verdict {
        Verdict::InProgress(progress) if progress.only_old_ones_drain() => format!(
            "{late}, although all {} new tasks run: {} still draining. Nothing was rolled back.",
            progress.desired,
            if progress.old_running == 1 {
                "1 old task is".to_owned()
            } else {
                format!("{} old tasks are", progress.old_running)
            }
        ),
        Verdict::Unknown { state, progress } => format!(
            "{late}: ECS shows a state that this version does not know ({state}), {} of {} new tasks running.{told} Nothing was rolled back{now}.",
            progress.new_running, progress.desired
        ),
        Verdict::NoNews { why } => format!(
            "{late}, as far as could be seen: {why}. Nothing was rolled back; look at the service's deployments."
        ),
        Verdict::InProgress(progress) => format!(
            "{late}: {} of {} new tasks running, {} old{}.{told} Nothing was rolled back{now}.",
            progress.new_running,
            progress.desired,
            progress.old_running,
            progress
                .note
                .as_deref()
                .or(progress.stage.as_deref())
                .map_or_else(String::new, |note| format!(" ({note})")),
        ),
        _ => format!("{late}.{told} Nothing was rolled back{now}."),
    };
    Failure::new(FailureKind::Job, message)
}

/// Ends a sentence with a full stop if nothing ends it yet.
fn sentence(words: &str) -> String {
    let words = words.trim();
    if words.ends_with(['.', '!', '?']) {
        words.to_owned()
    } else {
        format!("{words}.")
    }
}

fn sentence_start(words: &str) -> String {
    // ECS repeats itself on some line breaks; one line is enough.
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::rollout::{DeploymentSeen, Progress};

    fn revision() -> Revision {
        Revision::parse("app:42").unwrap()
    }

    fn pull(image: &str) -> StoppedTask {
        StoppedTask {
            stop_code: "TaskFailedToStart".to_owned(),
            reason: format!("CannotPullContainerError: {image} not found"),
            containers: Vec::new(),
        }
    }

    fn container(name: &str, exit_code: i32) -> StoppedContainer {
        StoppedContainer {
            name: name.to_owned(),
            exit_code: Some(exit_code),
            reason: None,
        }
    }

    fn exited(code: i32) -> StoppedTask {
        StoppedTask {
            stop_code: "EssentialContainerExited".to_owned(),
            reason: "Essential container in task exited".to_owned(),
            containers: vec![container("web", code)],
        }
    }

    fn scaled_in() -> StoppedTask {
        StoppedTask {
            stop_code: "ServiceSchedulerInitiated".to_owned(),
            reason: "Scaling activity initiated by (deployment ecs-svc/2)".to_owned(),
            containers: vec![container("web", 143)],
        }
    }

    fn serving(revision: &str, running: i32) -> ServiceSeen {
        ServiceSeen {
            status: "ACTIVE".to_owned(),
            desired: 2,
            deployments: vec![DeploymentSeen {
                task_definition: format!("arn:aws:ecs:r:1:task-definition/{revision}"),
                running,
                ..DeploymentSeen::default()
            }],
            ..ServiceSeen::default()
        }
    }

    #[test]
    fn the_headline_of_a_rolled_back_deployment_suffices() {
        let verdict = Verdict::RolledBack {
            reason: Some("breaker".to_owned()),
        };
        let stopped = [
            pull("repo/app:v9"),
            pull("repo/app:v9"),
            pull("repo/app:v9"),
            scaled_in(),
        ];
        let failure = of_rollout(
            "web on prod",
            &revision(),
            &cause(&verdict, &stopped),
            &verdict,
            Some(&serving("app:41", 2)),
        );
        assert_eq!(failure.kind, FailureKind::Job);
        assert_eq!(
            failure.message,
            "web on prod: app:42 failed: CannotPullContainerError: repo/app:v9 not found (3 tasks). Rolled back: app:41 is serving, 2 of 2 tasks."
        );
    }

    #[test]
    fn the_cause_closest_to_the_root_wins_over_the_most_frequent() {
        let stopped = [exited(1), exited(1), pull("a:1"), exited(1)];
        assert_eq!(
            cause_in(&stopped).unwrap(),
            "CannotPullContainerError: a:1 not found (1 task)"
        );
        let stopped = [exited(1), exited(137), exited(137)];
        assert_eq!(
            cause_in(&stopped).unwrap(),
            "container web exited with code 137 (2 tasks)"
        );
    }

    #[test]
    fn tasks_that_ecs_itself_stopped_are_no_cause() {
        assert_eq!(cause_in(&[scaled_in()]), None);
        let verdict = Verdict::Failed {
            reason: Some("tasks failed to start.".to_owned()),
            stopped: false,
        };
        assert_eq!(cause(&verdict, &[scaled_in()]), "tasks failed to start");
        assert_eq!(
            cause(
                &Verdict::Failed {
                    reason: None,
                    stopped: false
                },
                &[]
            ),
            "ECS gave no reason"
        );
    }

    #[test]
    fn a_failed_health_check_is_a_cause_although_ecs_stopped_the_task() {
        let unhealthy = StoppedTask {
            stop_code: "ServiceSchedulerInitiated".to_owned(),
            reason: "Task failed ELB health checks in (target-group arn:x)".to_owned(),
            containers: Vec::new(),
        };
        assert!(
            cause_in(&[unhealthy])
                .unwrap()
                .starts_with("Task failed ELB health checks")
        );
    }

    #[test]
    fn an_alarm_is_the_cause_whatever_its_tasks_say() {
        let verdict = Verdict::RolledBack {
            reason: Some("alarm 5xx went off".to_owned()),
        };
        assert_eq!(cause(&verdict, &[exited(1)]), "alarm 5xx went off");
    }

    #[test]
    fn memory_and_container_reasons_are_said() {
        let mut task = exited(137);
        task.containers[0].reason =
            Some("OutOfMemoryError: Container killed due to memory usage".to_owned());
        assert_eq!(
            cause_in(&[task]).unwrap(),
            "container web ran out of memory: OutOfMemoryError: Container killed due to memory usage (1 task)"
        );
    }

    #[test]
    fn a_sidecar_that_ecs_stopped_along_is_not_blamed() {
        for (app, sidecar) in [(1, 143), (1, 137), (137, 143), (137, 0), (0, 143), (1, 0)] {
            for app_is_first in [true, false] {
                let mut task = exited(app);
                let place = usize::from(app_is_first);
                task.containers.insert(place, container("envoy", sidecar));
                assert_eq!(
                    cause_in(&[task]).unwrap(),
                    format!("container web exited with code {app} (1 task)")
                );
            }
        }
    }

    #[test]
    fn a_container_that_simply_ends_is_told_with_its_code() {
        assert_eq!(
            cause_in(&[exited(0)]).unwrap(),
            "container web exited with code 0 (1 task)"
        );
    }

    #[test]
    fn each_end_of_a_rollout_says_what_serves_now() {
        let told = |verdict: &Verdict, service: Option<&ServiceSeen>| {
            of_rollout("web on prod", &revision(), "x", verdict, service).message
        };
        let old = serving("app:41", 2);
        assert!(told(&Verdict::RollbackFailed { reason: Some("no capacity.".to_owned()) }, Some(&serving("app:41", 0)))
            .ends_with("Rolling back failed too (no capacity): no task of the service is running (it wants 2)."));
        assert!(
            told(
                &Verdict::Failed {
                    reason: None,
                    stopped: false
                },
                Some(&old)
            )
            .ends_with(
                "app:42 is still what the service is set to: app:41 is serving, 2 of 2 tasks."
            )
        );
        assert!(
            told(
                &Verdict::Failed {
                    reason: None,
                    stopped: true
                },
                Some(&old)
            )
            .contains("was stopped: x")
        );
        assert!(
            told(
                &Verdict::Gone {
                    status: "DRAINING".to_owned()
                },
                None
            )
            .contains("its status is DRAINING")
        );
        let replaced = Verdict::Replaced {
            by: "ecs-svc/3".to_owned(),
            task_definition: "a/app:43".to_owned(),
        };
        assert!(told(&replaced, Some(&old)).contains(
            "app:42 failed: x. Another deployment has taken its place since (app:43, ecs-svc/3)"
        ));
        let only_replaced =
            of_rollout("web on prod", &revision(), "", &replaced, Some(&old)).message;
        assert!(only_replaced.starts_with("web on prod: app:42 was replaced by another deployment before it was complete (app:43, ecs-svc/3)."));
        assert!(
            told(
                &Verdict::NoNews {
                    why: "throttled".to_owned()
                },
                None
            )
            .contains("could not be seen (throttled)")
        );
        assert!(
            told(
                &Verdict::RollingBack {
                    reason: None,
                    progress: Progress::default()
                },
                None
            )
            .contains("what serves now is not known")
        );
    }

    #[test]
    fn late_with_only_old_tasks_draining_says_so() {
        let progress = Progress {
            desired: 2,
            new_running: 2,
            old_running: 1,
            ..Progress::default()
        };
        let late = of_late(
            "web on prod",
            &revision(),
            "60 min",
            &Verdict::InProgress(progress),
            None,
            &[],
        );
        assert_eq!(
            late.message,
            "web on prod: app:42 was not complete within 60 min, although all 2 new tasks run: 1 old task is still draining. Nothing was rolled back."
        );
    }

    #[test]
    fn late_with_tasks_that_end_says_why_they_do() {
        let progress = Progress {
            desired: 2,
            new_running: 0,
            old_running: 2,
            ..Progress::default()
        };
        let late = of_late(
            "web on prod",
            &revision(),
            "60 min",
            &Verdict::InProgress(progress),
            Some(&serving("app:41", 2)),
            &[exited(1)],
        );
        assert_eq!(
            late.message,
            "web on prod: app:42 was not complete within 60 min: 0 of 2 new tasks running, 2 old. Its tasks end: container web exited with code 1 (1 task). Nothing was rolled back: app:41 is serving, 2 of 2 tasks."
        );
    }

    #[test]
    fn several_problems_are_counted_and_one_is_its_own_sentence() {
        let one = Failure::of_problems(FailureKind::Configuration, "", &["it is wrong"]);
        assert_eq!(one.message, "it is wrong.");
        let two =
            Failure::of_problems(FailureKind::Configuration, "UserParameters: ", &["a", "b?"]);
        assert_eq!(two.message, "UserParameters: 2 problems: 1) a. 2) b?");
    }

    #[test]
    fn a_message_never_exceeds_what_codepipeline_takes() {
        let failure = Failure::new(FailureKind::Job, "é".repeat(6000));
        assert_eq!(failure.message.chars().count(), MESSAGE_LIMIT_CHARS);
    }
}
