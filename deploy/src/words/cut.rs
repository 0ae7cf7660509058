//! An invocation that was cut off, and a deployment that is not followed any more.

use super::failed;
use crate::deployment::{Deployment, Stage};
use crate::failure::{Failure, FailureKind};
use crate::machine::{Checkpoint, Cut};
use crate::spec::DeploySpec;
use crate::task::after_task;
use crate::time::Timestamp;
use crate::verdict::Verdict;

/// Why nothing was seen of a deployment.
const NO_ANSWER: &str = "AWS did not answer within the function's time limit";

/// Why an invocation did not end by itself.
pub fn cut(cut: Cut) -> &'static str {
    match cut {
        Cut::Panic => "the function failed because of a defect of its own (please report it)",
        Cut::TimeLimit => "the function's time limit came before AWS had answered",
    }
}

/// The failure of an invocation that was cut off. True as far as is known: `checkpoint` is its last.
pub fn cut_off(spec: &DeploySpec, checkpoint: &Checkpoint, why: Cut, request: &str) -> Failure {
    let about = spec.about();
    let what = cut(why);
    let (kind, then) = match checkpoint {
        Checkpoint::Unchanged | Checkpoint::Waiting(_) => (
            match why {
                Cut::Panic => FailureKind::Job,
                Cut::TimeLimit => FailureKind::SystemUnavailable,
            },
            ". Nothing was changed by this invocation.".to_owned(),
        ),
        Checkpoint::Changing if spec.continues.is_some() => (
            FailureKind::Job,
            ", while the deployment's hook was being answered; whether that happened is not known: look at the service.".to_owned(),
        ),
        Checkpoint::Changing => (
            FailureKind::Job,
            ", while the new revision was being registered or the service updated; whether that happened is not known: look at the service.".to_owned(),
        ),
        Checkpoint::At(deployment) => (
            FailureKind::Job,
            format!(
                ". The deployment of {} was started and goes on without being followed: look at the service.",
                deployment.revisions_listed()
            ),
        ),
    };
    let failure = Failure::new(
        kind,
        format!("{about}: {what}{then} The log of request {request} says more."),
    );
    match checkpoint {
        Checkpoint::At(deployment) => after_its_task(failure, deployment, spec),
        Checkpoint::Unchanged | Checkpoint::Waiting(_) | Checkpoint::Changing => failure,
    }
}

/// A failure after the task before the deployment has succeeded says so: what it did stays done.
fn after_its_task(failure: Failure, deployment: &Deployment, spec: &DeploySpec) -> Failure {
    match (&deployment.stage, &spec.pre_deploy) {
        (Stage::PreDeploy(_), _) | (_, None) => failure,
        (Stage::RollingOut | Stage::PostDeploy(_) | Stage::RollingBack(_), Some(asked)) => {
            after_task(failure, &asked.container)
        }
    }
}

/// The failure of a deployment that could not be looked at until it should long have been over.
pub fn out_of_sight(deployment: &Deployment, spec: &DeploySpec, now: Timestamp) -> Failure {
    let mut unseen = deployment.clone();
    for service in &mut unseen.services {
        service.live.look = None;
        service.live.verdict = Some(Verdict::NoNews {
            why: NO_ANSWER.to_owned(),
        });
    }
    match &deployment.stage {
        Stage::PreDeploy(_) => Failure::new(
            FailureKind::Job,
            format!(
                "{}: how the pre-deploy task ended could not be seen ({NO_ANSWER}). No service was changed.",
                spec.about()
            ),
        ),
        Stage::PostDeploy(_) => {
            let failure = Failure::new(
                FailureKind::Job,
                format!(
                    "{}: {} was serving at the last check, and how the post-deploy task ended could not be seen ({NO_ANSWER}). Nothing was rolled back: look at the service and at the task.",
                    spec.about(),
                    deployment.revisions_listed()
                ),
            );
            after_its_task(failure, deployment, spec)
        }
        Stage::RollingOut => {
            let failure = failed(&unseen, 0, true, spec, now);
            after_its_task(failure, deployment, spec)
        }
        Stage::RollingBack(rollback) => {
            let failure = failed(&unseen, rollback.failed, false, spec, now);
            after_its_task(failure, deployment, spec)
        }
    }
}

/// What goes on of a deployment that CodePipeline does not let be followed, and where to look.
pub fn unwatched(deployment: &Deployment) -> String {
    let revisions = deployment.revisions_listed();
    let what = match &deployment.stage {
        Stage::PreDeploy(task) => format!(
            "the pre-deploy task of {revisions} ({}) goes on unwatched, and no service is going to be changed: look at the task in ECS.",
            task.id
        ),
        Stage::PostDeploy(_) => format!(
            "{revisions} serves, and the post-deploy task goes on unwatched, so that nothing is rolled back if it fails: look at the task in ECS."
        ),
        Stage::RollingOut => format!(
            "the deployment of {revisions} goes on unwatched, and only ECS itself may roll it back: look at the deployments of the service in ECS."
        ),
        Stage::RollingBack(rollback) => {
            let cause = match rollback.cause.trim_end_matches('.') {
                "" => String::new(),
                cause => format!(": {cause}"),
            };
            format!(
                "{revisions} failed{cause}. Rolling back goes on unwatched: look at the deployments of the service in ECS."
            )
        }
    };
    format!("{}: {what}", deployment.about())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{STARTED, deployment, service, with_task};

    #[test]
    fn a_migration_that_ran_is_said_of_an_invocation_that_was_cut_off_too() {
        let spec = with_task(true, 15);
        let rolling_out = deployment(Stage::RollingOut, vec![service(0)]);
        let ran = "The pre-deploy task (container app) had run and succeeded";
        let unseen = out_of_sight(&rolling_out, &spec, STARTED);
        assert!(unseen.message.contains(ran), "{}", unseen.message);
        let checkpoint = Checkpoint::At(Box::new(rolling_out));
        let panicked = cut_off(&spec, &checkpoint, Cut::Panic, "req-1");
        assert!(panicked.message.contains(ran), "{}", panicked.message);
        let before = cut_off(&spec, &Checkpoint::Unchanged, Cut::Panic, "req-1");
        assert!(!before.message.contains(ran), "{}", before.message);
    }
}
