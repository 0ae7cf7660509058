//! Going back on behalf of the job, where ECS does not by itself.

use super::Step;
use super::roll_out::{SetFrom, cannot_be_asked, replaced_unseen};
use crate::deploy::call::Class;
use crate::deploy::phase::ServiceRollout;
use crate::deploy::revision::Revision;
use crate::deploy::rollout::{CONSISTENCY_GRACE, Look, WayBack, way_back};
use crate::deploy::time::Timestamp;

/// What came of going back.
pub(super) enum GoneBack {
    /// It was asked for: follow it.
    Asked,
    /// Not now: things may have moved on, so look again first.
    LookAgain,
    /// Not at all, and why.
    Not(String),
}

const UNKNOWN_BEFORE: &str = "what ran before is not known";

/// What cannot be asked for now is tried again after so many looks in all.
const ATTEMPTS: usize = 3;

impl Step<'_> {
    /// Goes back from our deployment of service number `place`, as `look` shows it.
    ///
    /// # Replay
    /// Done twice it changes nothing more: ECS refuses to stop what goes back already, and setting
    /// a service to the revision that it is set to starts nothing. Whoever comes after a death in
    /// here sees the rollback and follows it.
    pub(super) async fn go_back(
        &mut self,
        place: usize,
        rollout: &ServiceRollout,
        look: &Look,
        started: Timestamp,
    ) -> GoneBack {
        let Look::Seen { service, .. } = look else {
            return GoneBack::Not("the service could not be seen".to_owned());
        };
        let way = way_back(rollout, look);
        if matches!(way, WayBack::Set(_) | WayBack::Stop(_))
            && let Some(kept) = self.kept_from_going_back(place, rollout, service).await
        {
            return kept;
        }
        let target = &self.spec.targets[place];
        match way {
            // Probably an answer from before the service was set.
            WayBack::LeaveAlone if self.now().since(started) < CONSISTENCY_GRACE => {
                GoneBack::LookAgain
            }
            WayBack::LeaveAlone => {
                GoneBack::Not("it is not what the service is working on any more".to_owned())
            }
            WayBack::Unknown => GoneBack::Not(UNKNOWN_BEFORE.to_owned()),
            WayBack::Set(previous) => self.set_back(place, rollout, &previous).await,
            WayBack::Stop(arn) => {
                tracing::info!(
                    job = self.job,
                    service = target.service_name(),
                    deployment = rollout.deployment,
                    "stopping the service deployment, which rolls it back"
                );
                match self.ecs.roll_back_service_deployment(&arn).await {
                    Ok(()) => GoneBack::Asked,
                    Err(error) if cannot_be_asked(&error) => {
                        let denied = self.of_call(&target.to_string(), &error, true);
                        self.warn(denied.message);
                        if rollout.previous == rollout.revision {
                            return GoneBack::Not(UNKNOWN_BEFORE.to_owned());
                        }
                        self.set_back(place, rollout, &rollout.previous).await
                    }
                    Err(error) => self.again_or(
                        place,
                        format!("{} failed: {}", error.operation, error.detail),
                    ),
                }
            }
        }
    }

    /// Looks again, unless that has been tried often enough.
    pub(super) fn again_or(&mut self, place: usize, why: String) -> GoneBack {
        let refusals = self.refusals.entry(place).or_default();
        *refusals += 1;
        if *refusals < ATTEMPTS {
            GoneBack::LookAgain
        } else {
            GoneBack::Not(why)
        }
    }

    /// Sets the service back, if our deployment is still what it works on: gathering the evidence
    /// may have taken a while.
    async fn set_back(
        &mut self,
        place: usize,
        rollout: &ServiceRollout,
        previous: &Revision,
    ) -> GoneBack {
        let target = &self.spec.targets[place];
        let service = match self.ecs.describe_service(target).await {
            Ok(Some(service)) => service.seen,
            Ok(None) => return GoneBack::LookAgain,
            Err(error) => return self.again_or(place, self.words(&error)),
        };
        if !service.is_working_on(rollout) {
            return self.again_or(
                place,
                "it is not what the service is working on any more".to_owned(),
            );
        }
        let from = &service.task_definition;
        let wanted = previous.arn_beside(from);
        tracing::info!(
            job = self.job,
            service = target.service_name(),
            revision = %previous,
            "setting the service back"
        );
        match self
            .set_service(target, SetFrom::Ours(rollout), &wanted)
            .await
        {
            Ok(answer) => {
                if let Some(replaced) = replaced_unseen(&answer.seen, &service, &wanted) {
                    self.warn(format!(
                        "{target}: {replaced} was deployed by somebody else at the moment in which the service was set back to {previous}, which has replaced it"
                    ));
                }
                GoneBack::Asked
            }
            // It may be on its way, or somebody has set the service since: the next look tells.
            Err(error) if error.class == Class::Unavailable => self.again_or(
                place,
                format!(
                    "whether it was set back to {previous} is not known: {}",
                    error.detail
                ),
            ),
            Err(error) if error.may_pass() => self.again_or(
                place,
                format!("setting it back to {previous} failed: {}", error.detail),
            ),
            Err(error) if error.is_denial() => {
                GoneBack::Not(self.of_call(&target.to_string(), &error, true).message)
            }
            Err(error) => GoneBack::Not(format!(
                "setting it back to {previous} failed: {}",
                error.detail
            )),
        }
    }
}
