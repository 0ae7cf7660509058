//! A token is input: who invokes the function writes it. Before anything is changed that it names,
//! ECS must say the same.

use super::Step;
use super::rollback::GoneBack;
use crate::deploy::call::{CallError, Class};
use crate::deploy::phase::ServiceRollout;
use crate::deploy::revision::Revision;
use crate::deploy::rollout::ServiceSeen;
use crate::deploy::text;

/// Whether what a token says may be acted on.
pub(super) enum Claim {
    /// It is true.
    Ours,
    /// It is not, and why: half a sentence.
    NotOurs(String),
    /// That cannot be seen at the moment.
    Unseen(CallError),
}

impl Step<'_> {
    /// Whether the job that the token names has registered `revision`. Without a token there is
    /// nothing to doubt: this very invocation has found or made it.
    pub(super) async fn is_registered_by_job(&mut self, revision: &Revision) -> Claim {
        let Some(job) = self.job_of_token.clone() else {
            return Claim::Ours;
        };
        if self.proved.contains(revision) {
            return Claim::Ours;
        }
        let not_ours = || {
            Claim::NotOurs(format!(
                "the continuation token names {revision}, which the job that it names has not registered"
            ))
        };
        match self
            .ecs
            .describe_task_definition(&revision.to_string())
            .await
        {
            Ok(described) if described.registered_by_job() == Some(&job) => {
                self.proved.insert(revision.clone());
                if !described.is_active() {
                    self.inactive.insert(revision.clone());
                }
                Claim::Ours
            }
            Ok(_) => not_ours(),
            Err(error) if error.class == Class::Missing => not_ours(),
            Err(error) => Claim::Unseen(error),
        }
    }

    /// Whether `service` may be set to `rollout`'s revision, or go back from it, as the token says.
    pub(super) async fn claim(&mut self, rollout: &ServiceRollout, service: &ServiceSeen) -> Claim {
        if self.job_of_token.is_none() {
            return Claim::Ours;
        }
        let runs = &service.task_definition;
        let family = rollout.revision.family();
        if Revision::parse(runs).is_ok_and(|runs| runs.family() != family) {
            return Claim::NotOurs(format!(
                "it is set to {}, and the continuation token names {}, of another family",
                text::last_part(runs),
                rollout.revision
            ));
        }
        self.is_registered_by_job(&rollout.revision).await
    }

    /// Why the service number `place` is not taken back as the token says, if it is not: its
    /// revision is this job's, and what it goes back to is of the same family or was deployed to it
    /// before.
    pub(super) async fn kept_from_going_back(
        &mut self,
        place: usize,
        rollout: &ServiceRollout,
        service: &ServiceSeen,
    ) -> Option<GoneBack> {
        match self.claim(rollout, service).await {
            Claim::Ours => {}
            Claim::NotOurs(why) => return Some(GoneBack::Not(why)),
            Claim::Unseen(error) => {
                let words = self.words(&error);
                return Some(self.again_or(place, words));
            }
        }
        let previous = &rollout.previous;
        if self.job_of_token.is_none() || previous.family() == rollout.revision.family() {
            return None;
        }
        let target = &self.spec.targets[place];
        let arn = previous.arn_beside(&service.task_definition);
        match self.deployed_before(target, &arn).await {
            Ok(Some(_)) => None,
            Ok(None) => Some(GoneBack::Not(format!(
                "the continuation token names {previous} as what ran before, which was never deployed to it"
            ))),
            Err(error) => {
                let words = self.words(&error);
                Some(self.again_or(place, words))
            }
        }
    }
}
