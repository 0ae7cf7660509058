//! Asking for rollbacks, where ECS does not roll back by itself.

use super::Run;
use super::at_once::few_at_once;
use super::claim::Claim;
use super::set::{SetFrom, cannot_be_asked};
use crate::deploy::call::{CallError, Class};
use crate::deploy::deployment::{Deployment, Service};
use crate::deploy::machine::Event;
use crate::deploy::revision::Revision;
use crate::deploy::rollback::{Answer, UNKNOWN_BEFORE, Way};
use crate::deploy::setting::replaced_unseen;

impl Run<'_> {
    /// Asks for the rollbacks that are `due`, all at once.
    ///
    /// # Replay
    /// Done twice it changes nothing more: ECS refuses to stop what it rolls back already, and setting
    /// a service to the revision that it is set to starts nothing. The invocation that goes on after a death
    /// in here sees the rollback and follows it.
    pub(super) async fn roll_back(&self, deployment: &Deployment, due: Vec<(usize, Way)>) -> Event {
        let asking = due.into_iter().map(|(place, way)| async move {
            let service = &deployment.services[place];
            (place, self.ask_for_rollback(deployment, service, way).await)
        });
        Event::RollbacksAsked(few_at_once(asking).await)
    }

    async fn ask_for_rollback(
        &self,
        deployment: &Deployment,
        service: &Service,
        way: Way,
    ) -> Answer {
        match self.claim_rollback(deployment, service).await {
            Claim::Ours => {}
            Claim::NotOurs(why) => return Answer::Never(why),
            Claim::Unseen(error) => return self.not_asked(&error),
        }
        match way {
            Way::Set(previous) => self.set_back(service, &previous).await,
            Way::Stop(arn) => self.stop(service, &arn).await,
        }
    }

    /// What comes before a rollback is asked for could not be looked at.
    fn not_asked(&self, error: &CallError) -> Answer {
        let why = self.text(error);
        if error.may_pass() {
            Answer::NotNow(why)
        } else {
            Answer::Refused(why)
        }
    }

    async fn stop(&self, service: &Service, arn: &str) -> Answer {
        let target = &service.target;
        tracing::info!(
            job = self.job,
            service = target.service_name(),
            deployment = service.ours.deployment(),
            "stopping the service deployment, which rolls it back"
        );
        let error = match self.ecs.roll_back_service_deployment(arn).await {
            Ok(()) => return Answer::Asked,
            Err(error) => error,
        };
        if !cannot_be_asked(&error) {
            let why = format!("{} failed: {}", error.operation, error.detail);
            return match error.class {
                Class::Unavailable => Answer::Lost(why),
                Class::Throttled => Answer::NotNow(why),
                _ => Answer::Refused(why),
            };
        }
        let failed = self.of_call(&target.to_string(), &error, true);
        self.warn(failed.message.one_line());
        match &service.previous {
            None => Answer::Never(UNKNOWN_BEFORE.to_owned()),
            Some(previous) => self.set_back(service, previous).await,
        }
    }

    /// Sets the service back, if our deployment is still what it works on.
    async fn set_back(&self, service: &Service, previous: &Revision) -> Answer {
        let target = &service.target;
        let seen = match self.ecs.describe_service(target).await {
            Ok(Some(described)) => described.seen,
            Ok(None) => return Answer::Refused("ECS does not show the service".to_owned()),
            Err(error) => return self.not_asked(&error),
        };
        if !service.is_worked_on(&seen) {
            return Answer::Refused("it is not what the service is working on any more".to_owned());
        }
        let wanted = previous.arn_like(&seen.task_definition);
        tracing::info!(
            job = self.job,
            service = target.service_name(),
            revision = %previous,
            "setting the service back"
        );
        match self
            .set_service(target, SetFrom::Ours(service), &wanted)
            .await
        {
            Ok(answer) => {
                if let Some(replaced) = replaced_unseen(&answer, &seen, &wanted) {
                    self.warn(format!(
                        "{target}: {replaced} was deployed by somebody else at the moment in which the service was set back to {previous}, which has replaced it"
                    ));
                }
                Answer::Asked
            }
            // It may be on its way, or somebody has set the service since: the next look shows.
            Err(error) if error.class == Class::Unavailable => Answer::Lost(format!(
                "whether it was set back to {previous} is not known: {}",
                error.detail
            )),
            Err(error) if error.is_denial() => Answer::Never(
                self.of_call(&target.to_string(), &error, true)
                    .message
                    .one_line(),
            ),
            Err(error) => {
                let why = format!("setting it back to {previous} failed: {}", error.detail);
                if error.class == Class::Throttled {
                    Answer::NotNow(why)
                } else if error.may_pass() {
                    Answer::Refused(why)
                } else {
                    Answer::Never(why)
                }
            }
        }
    }
}
