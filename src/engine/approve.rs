//! Continuing a deployment that an earlier action has left at a PAUSE hook: found, its hook answered once, then followed
//! as any other.

use super::Run;
use super::once::{self, Attempt, Looked};
use super::refused::Refused;
use super::set::APART;
use super::start::Started;
use crate::aws::ecs::{ServiceDeploymentDescribed, ServiceDescribed};
use crate::deploy::approval::{self, Due};
use crate::deploy::call::CallError;
use crate::deploy::deployment::{Deployment, Ours, Service};
use crate::deploy::failure::Failure;
use crate::deploy::refusal::{self, Refusal};
use crate::deploy::revision::Revision;
use crate::deploy::setting;
use crate::deploy::spec::{ContinueDeployment, DeployedBy, Target};
use crate::deploy::text;
use crate::deploy::time::Timestamp;
use crate::deploy::waiting::Waiting;

/// The deployment that is to be continued, as it was found.
struct Found {
    service: Service,
    shown: Option<ServiceDeploymentDescribed>,
}

impl Run<'_> {
    /// Answers the hook at which the deployment waits, as far as an earlier delivery has not.
    ///
    /// # Replay
    /// A hook that does not wait any more was answered, or has expired: the deployment is followed. Without a hook's
    /// name the one that waits is remembered first, and answered once CodePipeline has taken that: an event that comes
    /// again after its job was answered comes to no other hook.
    pub(super) async fn resume(
        &self,
        asked: &ContinueDeployment,
        waiting: &Waiting,
    ) -> Result<Started, Refused> {
        let [target] = self.spec.targets.as_slice() else {
            return Err(Refused::from(self.refused(&[Refusal::NoBase])));
        };
        let found = match self.find_deployment(asked, target).await {
            Ok(found) => found,
            Err(refusal) => {
                return Err(Refused {
                    may_wait: refusal.may_wait(),
                    ..Refused::from(self.refused(&[refusal]))
                });
            }
        };
        let Found { mut service, shown } = found;
        if let Err(refusals) = self.check_task_after(&service).await {
            return Err(Refused {
                may_wait: refusals.iter().find_map(Refusal::may_wait),
                ..Refused::from(self.refused(&refusals))
            });
        }
        let seen = shown.as_ref().map(|shown| &shown.seen);
        let chosen = self.chosen.first().map(String::as_str);
        let hook = match approval::due(asked, chosen, seen) {
            Due::Follow => None,
            Due::Answer(hook) => Some(hook),
            Due::Choose(held) if self.order.is_job => {
                let arn = seen.map_or_else(String::new, |seen| seen.arn.clone());
                let hook = held.hook.clone().unwrap_or_default();
                return Ok(Started::Waiting(Waiting {
                    why: format!(
                        "{target}: {} waits at {held}, which is answered next (ContinueDeployment)",
                        service.revision
                    ),
                    chosen: vec![hook, arn],
                    chosen_at: Some(self.now()),
                    ..waiting.clone()
                }));
            }
            // Nobody would come again with the token.
            Due::Choose(held) => held.hook,
        };
        if let (Some(hook), Some(seen)) = (hook, seen) {
            self.changing();
            self.answer_hook(asked, target, &seen.arn, &hook)
                .await
                .map_err(Refused::from)?;
            service.live.answered = Some(hook);
        }
        let deployment = setting::rolling_on(self.job, service, self.now());
        Ok(Started::Deployment(Box::new(Deployment {
            config_pin: self.config_pin.map(str::to_owned),
            ..deployment
        })))
    }

    /// What is checked of a task after the deployment before its hook is answered.
    async fn check_task_after(&self, service: &Service) -> Result<(), Vec<Refusal>> {
        if self.spec.post_deploy.is_none() {
            return Ok(());
        }
        let revision = service.revision.to_string();
        let (container, visible) =
            tokio::join!(self.check_container(&revision), self.check_task_visible());
        let visible = refusal::all(visible).map(drop);
        match (container, visible) {
            (Ok(()), Ok(())) => Ok(()),
            (container, visible) => {
                let mut refusals: Vec<Refusal> = container.err().into_iter().collect();
                refusals.extend(visible.err().unwrap_or_default());
                Err(refusals)
            }
        }
    }

    async fn answer_hook(
        &self,
        asked: &ContinueDeployment,
        target: &Target,
        arn: &str,
        hook: &str,
    ) -> Result<(), Failure> {
        let attempt = || async {
            match self.ecs.answer_hook(arn, hook, asked.action).await {
                Ok(()) => Attempt::Made(()),
                Err(error) => Attempt::failed(error.class, error),
            }
        };
        // Whoever has answered it: it was answered.
        let look = || async {
            match self.ecs.describe_service_deployment(arn).await {
                Ok(Some(shown))
                    if approval::waits_at(&shown.seen)
                        .any(|one| one.hook.as_deref() == Some(hook)) =>
                {
                    Looked::NotMade
                }
                Ok(_) => Looked::Made(()),
                Err(unseen) => Looked::Stop(Some(unseen)),
            }
        };
        tracing::info!(job = self.job, hook, action = ?asked.action, "answering the hook");
        let not_made = match once::make(self.patience(), once::Look::IfUnknown, attempt, look).await
        {
            Ok(()) => return Ok(()),
            Err(not_made) => not_made,
        };
        let error = not_made.reason;
        // It may have been answered, or have expired, between the look and the answer.
        if !error.is_denial()
            && let Looked::Made(()) = look().await
        {
            return Ok(());
        }
        Err(self.of_call(&target.to_string(), &error, not_made.is_unknown))
    }

    /// Finds the deployment.
    ///
    /// # Errors
    /// [`Refusal`].
    async fn find_deployment(
        &self,
        asked: &ContinueDeployment,
        target: &Target,
    ) -> Result<Found, Refusal> {
        let refused = |error: CallError| {
            let about = format!("{target}: the deployment to be continued");
            self.refused_call(about, &error, false)
        };
        let described = self.described_service(target).await?;
        let gone = || Refusal::NotTheDeployment {
            target: target.clone(),
            deployment: match &asked.deployment {
                DeployedBy::Id(name) | DeployedBy::Arn(name) => name.clone(),
            },
            now: set_to(&described),
        };
        let (arn, deployment, brings) = match (&asked.deployment, self.chosen.get(1)) {
            (DeployedBy::Arn(arn), _) => (Some(arn.clone()), None, None),
            (DeployedBy::Id(id), Some(arn)) => (Some(arn.clone()), Some(id.clone()), None),
            (DeployedBy::Id(id), None) => {
                let mut listed = described.seen.deployments.iter();
                let listed = listed.find(|one| one.id == *id).ok_or_else(gone)?;
                let at = listed.created_at.unwrap_or(Timestamp::EPOCH);
                let found = self.deployed_at(target, &listed.task_definition, at);
                let found = found.await.map_err(refused)?;
                let arn = found.map(|found| found.arn);
                (arn, Some(id.clone()), Some(listed.task_definition.clone()))
            }
        };
        let shown = match &arn {
            Some(arn) => self.ecs.describe_service_deployment(arn).await,
            None => Ok(None),
        };
        let shown = shown.map_err(refused)?;
        let brings = match (brings, &shown) {
            (Some(brings), _) => brings,
            (None, Some(shown)) => {
                let revisions: Vec<String> = shown.target_revision.iter().cloned().collect();
                let known = self.ecs.task_definitions_of(&revisions).await;
                let known = known.map_err(refused)?;
                known.into_iter().next().map(|one| one.1).ok_or_else(gone)?
            }
            (None, None) => return Err(gone()),
        };
        let revision = Revision::parse(&brings).map_err(|wrong| {
            let target = target.clone();
            Refusal::NotSetToARevision { target, wrong }
        })?;
        let previous = match &arn {
            Some(arn) => self.source_of(arn).await,
            None => None,
        };
        let previous = previous.or_else(|| described.seen.newest_but(&brings));
        let service_deployment = shown.as_ref().map(|shown| shown.seen.id.clone());
        let deployment = deployment
            .or_else(|| listed_as(&described, &brings, shown.as_ref()))
            .or_else(|| serves_anew(&described, &brings, shown.as_ref()));
        let ours = match deployment {
            Some(deployment) => Ours::Named {
                deployment,
                service_deployment,
            },
            None => Ours::Unnamed { service_deployment },
        };
        let previous = previous.filter(|previous| *previous != revision);
        Ok(Found {
            service: Service {
                ours,
                ..Service::untouched(target.clone(), revision, previous)
            },
            shown,
        })
    }
}

/// The id with which the service lists the deployment that was created with the service deployment `shown`.
fn listed_as(
    described: &ServiceDescribed,
    brings: &str,
    shown: Option<&ServiceDeploymentDescribed>,
) -> Option<String> {
    let created_at = shown?.seen.created_at?;
    let mut listed = described.seen.newest_first().into_iter();
    let is_it = |at| created_at - APART <= at && at <= created_at + APART;
    let listed =
        listed.find(|one| one.task_definition == brings && one.created_at.is_some_and(is_it))?;
    Some(listed.id.clone())
}

/// The deployment that serves the revision of `shown`, which is complete, if somebody has deployed that once more and
/// that is complete, too: what was asked for is so.
fn serves_anew(
    described: &ServiceDescribed,
    brings: &str,
    shown: Option<&ServiceDeploymentDescribed>,
) -> Option<String> {
    let was_complete = shown?.seen.status == "SUCCESSFUL";
    let primary = described.seen.primary_of(brings)?;
    (was_complete && primary.was_complete()).then(|| primary.id.clone())
}

/// What the service is set to, and by which deployment: `app:43, ecs-svc/2`.
fn set_to(described: &ServiceDescribed) -> String {
    let seen = &described.seen;
    let revision = text::last_part(&seen.task_definition);
    match seen.primary() {
        Some(primary) => format!("{revision}, {}", primary.id),
        None => revision.to_owned(),
    }
}
