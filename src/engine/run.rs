//! The loop: observe, record, do what is due, record, until it ends or the invocation has to. What
//! is due, and what anything makes of the deployment, is [`machine`]'s.

use super::Run;
use crate::deploy::cleanup::Cleanup;
use crate::deploy::deployment::Deployment;
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::machine::{self, Checkpoint, Event, Next};
use crate::deploy::outcome::Outcome;
use crate::deploy::pace::Pace;
use crate::deploy::spec::DeploySpec;
use crate::deploy::task::StopReason;
use crate::deploy::time::Timestamp;
use crate::deploy::token;
use crate::deploy::waiting::Waiting;
use crate::deploy::words;
use crate::report::Report;

impl Run<'_> {
    /// Follows `deployment` until it ends, or until `until` has come: then it is handed back. Looks at
    /// least once.
    pub(super) async fn follow(&self, mut deployment: Deployment, until: Timestamp) -> Report {
        let mut due = Next::Look;
        let mut rhythm = Pace::default();
        loop {
            let event = match due {
                Next::Look => self.observe(&deployment).await,
                Next::Pause { may_end } => {
                    let now = self.now();
                    let pause = rhythm.pause(&deployment, until.since(now), now);
                    if may_end {
                        self.last_checkpoint
                            .set(Checkpoint::At(Box::new(deployment.clone())));
                        if now + pause > until {
                            let outcome = hand_back(&deployment, self.spec, now);
                            return Report::on(&deployment, outcome, Cleanup::default());
                        }
                    }
                    self.engine.clock.sleep(pause).await;
                    self.observe(&deployment).await
                }
                Next::RollBack(due) => Box::pin(self.roll_back(&deployment, due)).await,
                Next::Explain(place) => {
                    // What has been asked for is not lost if this takes long.
                    self.last_checkpoint
                        .set(Checkpoint::At(Box::new(deployment.clone())));
                    Box::pin(self.explain(&deployment, place)).await
                }
                Next::Diagnose(place) => Box::pin(self.diagnose(&deployment, place)).await,
                Next::RunTask => {
                    // Whoever goes on from here gets the same task.
                    self.last_checkpoint
                        .set(Checkpoint::At(Box::new(deployment.clone())));
                    Box::pin(self.run_after(&deployment)).await
                }
                Next::StopTask(reason) => self.on_task(&deployment, Some(reason)).await,
                Next::ExplainTask => self.on_task(&deployment, None).await,
                Next::SetServices => match Box::pin(self.set_after_task(&deployment)).await {
                    Ok(event) => event,
                    Err(refused) => return Box::pin(self.end_unset(&deployment, refused)).await,
                },
                Next::End(end) => return Box::pin(self.end(deployment, end)).await,
            };
            let is_look = matches!(event, Event::Looked(_) | Event::LookedAfter(..));
            let is_set = matches!(event, Event::Set(_) | Event::TaskStarted { .. });
            let now = self.now();
            deployment = machine::record(deployment, event, self.spec, now);
            if is_look {
                self.log(&deployment);
            }
            if is_set {
                self.last_checkpoint
                    .set(Checkpoint::At(Box::new(deployment.clone())));
            }
            due = machine::next(&deployment, self.spec, now);
        }
    }

    /// Stops the task that the stage is about, or explains its failure if there is no reason to stop it.
    async fn on_task(&self, deployment: &Deployment, stop: Option<StopReason>) -> Event {
        match (deployment.task(), stop) {
            (Some(task), Some(reason)) => self.stop_task(deployment, task, reason).await,
            (Some(task), None) => self.explain_task(deployment, task).await,
            (None, _) => self.observe(deployment).await,
        }
    }
}

pub(super) fn failed(deployment: &Deployment, failure: Failure) -> Outcome {
    Outcome::Failed {
        failure,
        external_execution_id: deployment.external_id(),
    }
}

/// The answer of a start that waits.
pub(crate) fn wait(waiting: &Waiting, spec: &DeploySpec, now: Timestamp) -> Outcome {
    Outcome::InProgress {
        token: token::encode_waiting(waiting, &spec.targets),
        details: words::waiting(waiting, spec, now),
    }
}

/// The answer that hands `deployment` back to CodePipeline: the failure to answer with if it does not fit
/// into a token.
pub(crate) fn hand_back(deployment: &Deployment, spec: &DeploySpec, now: Timestamp) -> Outcome {
    match token::encode(deployment) {
        Ok(token) => Outcome::InProgress {
            token,
            details: words::progress(deployment, spec, now),
        },
        Err(large) => failed(
            deployment,
            Failure::new(
                FailureKind::Job,
                format!("The deployment cannot be followed any longer: {large}."),
            ),
        ),
    }
}
