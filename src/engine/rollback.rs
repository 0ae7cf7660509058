//! Going back on behalf of the job, where ECS does not by itself.

use super::Step;
use super::start::cannot_be_asked;
use crate::aws::error::Class;
use crate::deploy::phase::ServiceRollout;
use crate::deploy::revision::Revision;
use crate::deploy::rollout::{Look, WayBack, way_back};
use crate::explain::{self, Caller};
use crate::parameters::Target;

/// What came of going back.
pub(super) enum GoneBack {
    /// It was asked for: follow it.
    Asked,
    /// Not now: things may have moved on, so look again first.
    LookAgain,
    /// Not at all, and why.
    Not(String),
}

/// What cannot be asked for now is tried again after so many looks in all.
const ATTEMPTS: usize = 3;

impl Step<'_> {
    /// Goes back from our deployment of `target`, as `look` shows it.
    ///
    /// # Replay
    /// Done twice it changes nothing more: ECS refuses to stop what goes back already, and setting
    /// a service to the revision that it is set to starts nothing. Whoever comes after a death in
    /// here sees the rollback and follows it.
    pub(super) async fn go_back(
        &mut self,
        target: &Target,
        rollout: &ServiceRollout,
        look: &Look,
    ) -> GoneBack {
        let Look::Seen { service, .. } = look else {
            return GoneBack::Not("the service could not be seen".to_owned());
        };
        match way_back(rollout, look) {
            WayBack::LeaveAlone => {
                GoneBack::Not("it is not what the service is working on any more".to_owned())
            }
            WayBack::Unknown => GoneBack::Not("what ran before is not known".to_owned()),
            WayBack::Set(previous) => self.set_back(target, &previous, &service.arn).await,
            WayBack::Stop(id) => {
                let arn = super::watch::service_deployment_arn(service, &id);
                tracing::info!(
                    job = self.job,
                    service = target.service_name(),
                    deployment = rollout.deployment,
                    "stopping the service deployment, which rolls it back"
                );
                match self.ecs.roll_back_service_deployment(&arn).await {
                    Ok(()) => GoneBack::Asked,
                    Err(error) if cannot_be_asked(&error) => {
                        let denied =
                            explain::of_call(&target.to_string(), &error, Caller::Function, true);
                        self.warn(denied.message);
                        self.set_back(target, &rollout.previous, &service.arn).await
                    }
                    Err(error) => {
                        self.refusals += 1;
                        if self.refusals < ATTEMPTS {
                            GoneBack::LookAgain
                        } else {
                            GoneBack::Not(format!("{} failed: {}", error.operation, error.detail))
                        }
                    }
                }
            }
        }
    }

    async fn set_back(
        &mut self,
        target: &Target,
        previous: &Revision,
        neighbour: &str,
    ) -> GoneBack {
        // The service's ARN and a revision's differ in what follows the account.
        let account = neighbour
            .split_once(":service/")
            .map_or("", |(account, _)| account);
        let arn = format!("{account}:task-definition/{previous}");
        tracing::info!(
            job = self.job,
            service = target.service_name(),
            revision = %previous,
            "setting the service back"
        );
        match self.set_service(target, &arn).await {
            Ok(_) => GoneBack::Asked,
            Err(error) if error.class == Class::Denied => GoneBack::Not(
                explain::of_call(&target.to_string(), &error, Caller::Function, true).message,
            ),
            Err(error) => GoneBack::Not(format!(
                "setting it back to {previous} failed: {}",
                error.detail
            )),
        }
    }
}
