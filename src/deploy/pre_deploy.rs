//! The task before the deployment: what it came to, and the sentence when it failed.

use super::decide::TaskVerdict;
use super::evidence::{Evidence, StoppedTask};
use super::failure::{Failure, FailureKind, MESSAGE_LIMIT_BYTES};

/// The last status of a task that is over.
const STOPPED: &str = "STOPPED";

/// What a task in this `status` came to. The exit code of `container` decides: others of the task
/// may still run, or have ended in their own ways.
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

/// The task's end as far as it tells of `container`: another one's exit code says nothing of it.
pub fn end_of(end: &StoppedTask, container: &str) -> StoppedTask {
    let has_ended =
        |name: &str| name == container && end.containers.iter().any(|one| one.exit_code.is_some());
    let mut of_container = end.clone();
    if end.containers.iter().any(|one| has_ended(&one.name)) {
        of_container.containers.retain(|one| one.name == container);
    }
    of_container
}

/// How a task that did not succeed ended.
#[derive(Debug, Clone, Copy)]
pub enum Ended<'a> {
    /// It failed by itself.
    Failed,
    /// Its time was up. Why it could not be stopped, if it could not.
    Late {
        /// As it is spoken.
        limit: &'a str,
        /// Why it was not stopped.
        not_stopped: Option<&'a str>,
    },
    /// ECS does not show it.
    Gone,
    /// It could not be looked at, and why.
    Unseen {
        /// Why.
        why: &'a str,
        /// ECS was asked to stop it, for its time was up.
        asked: bool,
    },
}

/// The message of a job whose task before the deployment did not succeed. `about` is the services.
pub fn failed(about: &str, container: &str, ended: Ended<'_>, evidence: &Evidence) -> Failure {
    let what = match ended {
        Ended::Failed => {
            let cause = evidence.only_cause();
            format!(
                "the task before the deployment failed: {}",
                cause.unwrap_or_else(|| "ECS gave no reason".to_owned())
            )
        }
        Ended::Late {
            limit,
            not_stopped: None,
        } => format!(
            "the task before the deployment was not complete within {limit}, and was stopped (container {container})"
        ),
        Ended::Late {
            limit,
            not_stopped: Some(why),
        } => format!(
            "the task before the deployment was not complete within {limit} and could not be stopped, so it may still run ({})",
            why.trim_end_matches('.')
        ),
        Ended::Unseen { why, asked } => format!(
            "how the task before the deployment ended could not be seen ({}); {}",
            why.trim_end_matches('.'),
            if asked {
                "ECS was asked to stop it if it still runs"
            } else {
                "it was not stopped and may still run"
            }
        ),
        Ended::Gone => format!(
            "the task before the deployment is not shown by ECS any more, so whether container {container} did its work is not known"
        ),
    };
    let headline = format!("{about}: {what}. No service was changed.");
    let room = MESSAGE_LIMIT_BYTES.saturating_sub(headline.len());
    Failure::new(FailureKind::Job, headline + &evidence.details(room))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::evidence::StoppedContainer;

    fn end(containers: &[(&str, Option<i32>)]) -> StoppedTask {
        StoppedTask {
            reason: "Essential container in task exited".to_owned(),
            stop_code: "EssentialContainerExited".to_owned(),
            containers: containers
                .iter()
                .map(|(name, exit_code)| StoppedContainer {
                    name: (*name).to_owned(),
                    exit_code: *exit_code,
                    reason: None,
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
    fn the_message_carries_exit_code_and_log_of_the_named_container() {
        let evidence = Evidence {
            stopped: vec![end_of(&end(&[("proxy", Some(1)), ("app", Some(3))]), "app")],
            log: vec!["migrating".to_owned(), "table users is locked".to_owned()],
            ..Evidence::default()
        };
        let failure = failed("web on prod", "app", Ended::Failed, &evidence);
        assert_eq!(
            failure.message,
            "web on prod: the task before the deployment failed: container app exited with code 3; its log ends: table users is locked. No service was changed.\nThe log of the container ends:\n  migrating\n  table users is locked"
        );
    }

    #[test]
    fn each_other_end_says_what_is_known() {
        let said = |ended| failed("web", "app", ended, &Evidence::default()).message;
        let stopped = Ended::Late {
            limit: "15 min",
            not_stopped: None,
        };
        assert!(said(stopped).contains("within 15 min, and was stopped"));
        let running = Ended::Late {
            limit: "15 min",
            not_stopped: Some("denied."),
        };
        assert!(said(running).contains("may still run (denied)"));
        assert!(said(Ended::Gone).contains("is not known. No service was changed."));
    }
}
