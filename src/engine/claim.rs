//! A token is input: who invokes the function writes it. Before anything is changed that it names,
//! ECS must say the same.

use super::Run;
use crate::deploy::call::{CallError, Class};
use crate::deploy::deployment::{Deployment, Service};
use crate::deploy::revision::Revision;
use crate::deploy::seen::ServiceSeen;
use crate::deploy::spec::Existing;
use crate::deploy::text;
use crate::deploy::time::Timestamp;

/// Whether what a token says may be acted on.
pub(super) enum Claim {
    /// It is true.
    Ours,
    /// It is not, and why: half a sentence.
    NotOurs(String),
    /// That cannot be seen at the moment.
    Unseen(CallError),
}

fn not_named() -> Claim {
    Claim::NotOurs("it is another deployment than ContinueDeployment names".to_owned())
}

impl Run<'_> {
    /// Whether the job that `deployment` names has registered `revision`. Without a token there is
    /// nothing to check: this invocation has found or registered it.
    pub(super) async fn claim_revision(
        &self,
        deployment: &Deployment,
        revision: &Revision,
    ) -> Claim {
        if !deployment.is_from_token || self.proved().contains_key(revision) {
            return Claim::Ours;
        }
        if let Some(asked) = &self.spec.continues {
            let mut services = deployment.services.iter();
            let is_named = |one: &Service| one.revision == *revision && asked.names(&one.ours);
            return if services.any(is_named) {
                Claim::Ours
            } else {
                not_named()
            };
        }
        match self.spec.existing() {
            None => {}
            // Whoever writes the token writes the parameters, too, which allow any that was there.
            Some(Existing::Previous) => return Claim::Ours,
            Some(Existing::Named {
                revision: named, ..
            }) if named == revision => return Claim::Ours,
            Some(Existing::Named { name, .. }) => {
                return Claim::NotOurs(format!(
                    "the continuation token names {revision}, and TaskDefinition is {name}"
                ));
            }
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
            Ok(described) if described.registered_by_job() == Some(&deployment.job) => {
                self.proved()
                    .insert(revision.clone(), described.is_active());
                Claim::Ours
            }
            Ok(_) => not_ours(),
            Err(error) if error.class == Class::Missing => not_ours(),
            Err(error) => Claim::Unseen(error),
        }
    }

    /// Whether a revision whose claim was proved is deregistered: its job has failed.
    pub(super) fn is_inactive(&self, revision: &Revision) -> bool {
        self.proved().get(revision) == Some(&false)
    }

    /// Whether the service, as it is `seen`, may be set to this job's revision, or rolled back from it, as
    /// the token says.
    pub(super) async fn claim_service(
        &self,
        deployment: &Deployment,
        service: &Service,
        seen: &ServiceSeen,
    ) -> Claim {
        // Not of a token alone: this job has deployed nothing, and what it follows is what the parameters name.
        if let Some(asked) = &self.spec.continues {
            return if asked.names(&service.ours) {
                Claim::Ours
            } else {
                not_named()
            };
        }
        if !deployment.is_from_token {
            return Claim::Ours;
        }
        let runs = &seen.task_definition;
        let family = service.revision.family();
        let may_be_another = self.spec.existing().is_some();
        if !may_be_another && Revision::parse(runs).is_ok_and(|runs| runs.family() != family) {
            return Claim::NotOurs(format!(
                "it is set to {}, and the continuation token names {}, of another family",
                text::last_part(runs),
                service.revision
            ));
        }
        self.claim_revision(deployment, &service.revision).await
    }

    /// Whether the service may be rolled back as the token says: its revision is this job's, and what it
    /// rolls back to is of the same family or was deployed to it before.
    pub(super) async fn claim_rollback(&self, deployment: &Deployment, service: &Service) -> Claim {
        let Some(seen) = service.live.look.as_ref().and_then(|look| look.service()) else {
            return Claim::NotOurs("the service could not be seen".to_owned());
        };
        match self.claim_service(deployment, service, seen).await {
            Claim::Ours => {}
            claim @ (Claim::NotOurs(_) | Claim::Unseen(_)) => return claim,
        }
        let Some(previous) = &service.previous else {
            return Claim::Ours;
        };
        if !deployment.is_from_token || previous.family() == service.revision.family() {
            return Claim::Ours;
        }
        let arn = previous.arn_like(&seen.task_definition);
        match self
            .deployed_since(&service.target, &arn, Timestamp::EPOCH)
            .await
        {
            Ok(Some(_)) => Claim::Ours,
            Ok(None) => Claim::NotOurs(format!(
                "the continuation token names {previous} as what ran before, which was never deployed to it"
            )),
            Err(error) => Claim::Unseen(error),
        }
    }
}
