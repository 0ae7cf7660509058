//! Looking: at the services, and at what ECS says of our deployments of them.

use super::Run;
use super::at_once::few_at_once;
use super::set::NEWEST_SERVICE_DEPLOYMENTS;
use crate::aws::ecs::ServiceDescribed;
use crate::deploy::call::CallError;
use crate::deploy::deployment::{Deployment, Ours, Service, Stage};
use crate::deploy::facts::Facts;
use crate::deploy::judge::is_from_before;
use crate::deploy::machine::{Event, Observed};
use crate::deploy::seen::{Look, ServiceDeploymentSeen};
use crate::deploy::text;
use crate::deploy::time::Timestamp;

/// Our service deployment as it was seen, and our deployment's names as far as that showed them.
struct Found {
    seen: Option<ServiceDeploymentSeen>,
    ours: Ours,
    arn: Option<String>,
}

impl Run<'_> {
    /// One look at everything that `deployment` waits for.
    pub(super) async fn observe(&self, deployment: &Deployment) -> Event {
        if let Stage::PreDeploy(task) = &deployment.stage {
            return Event::TaskLooked(self.look_at_task(deployment, task).await);
        }
        let started = deployment.started;
        let looking = deployment
            .services
            .iter()
            .map(|service| self.look(service, started));
        let looks = few_at_once(looking).await;
        for (service, observed) in deployment.services.iter().zip(&looks) {
            let now = self.now();
            self.engine
                .observer
                .looked(&service.target, &observed.look, now);
        }
        match &deployment.stage {
            Stage::PostDeploy(post) => {
                let seen = match post.task() {
                    Some(task) => Some(self.look_at_task(deployment, task).await),
                    None => None,
                };
                Event::LookedAfter(looks, seen)
            }
            Stage::PreDeploy(_) | Stage::RollingOut | Stage::RollingBack(_) => Event::Looked(looks),
        }
    }

    /// One look at a service.
    async fn look(&self, service: &Service, started: Timestamp) -> Observed {
        // Without tasks its update may look complete at once: only a look of its own shows it.
        if let Some(just_set) = service.live.just_set.as_ref().filter(|one| one.desired > 0) {
            return Observed {
                look: Look::Seen {
                    service: just_set.clone(),
                    service_deployment: None,
                },
                ours: service.ours.clone(),
                service_deployment: None,
            };
        }
        let none = |look| Observed {
            look,
            ours: service.ours.clone(),
            service_deployment: None,
        };
        match self.look_at_both(service, started).await {
            Ok(Some(observed)) => observed,
            Ok(None) => none(Look::Missing),
            Err(error) => none(Look::NoNews {
                why: self.text(&error),
            }),
        }
    }

    /// The service and our service deployment; `None` if ECS does not know the service.
    async fn look_at_both(
        &self,
        service: &Service,
        started: Timestamp,
    ) -> Result<Option<Observed>, CallError> {
        let Some(described) = self.ecs.describe_service(&service.target).await? else {
            return Ok(None);
        };
        let found = if service.is_touched() {
            self.own_service_deployment(service, &described, started)
                .await
        } else {
            Ok(Found {
                seen: None,
                ours: service.ours.clone(),
                arn: None,
            })
        };
        let found = match found {
            Ok(found) => found,
            Err(error) if !error.may_pass() && described.seen.is_told_by_rollout_state() => {
                self.warn(format!(
                    "judged by rolloutState alone, because service deployments cannot be seen: {}",
                    self.text(&error)
                ));
                Found {
                    seen: None,
                    ours: self.named_by(service, &described),
                    arn: None,
                }
            }
            Err(error) => return Err(error),
        };
        Ok(Some(Observed {
            look: Look::Seen {
                service: Box::new(described.seen),
                service_deployment: found.seen.map(Box::new),
            },
            ours: found.ours,
            service_deployment: found.arn,
        }))
    }

    async fn own_service_deployment(
        &self,
        service: &Service,
        described: &ServiceDescribed,
        started: Timestamp,
    ) -> Result<Found, CallError> {
        let own_arn = service.revision.arn_like(&described.seen.task_definition);
        let ours = self.named_by(service, described);
        let (arn, brings) = if let Some(id) = ours.service_deployment() {
            let arn = self.service_deployment_called(service, id, described);
            (arn.await?, None)
        } else {
            // Others may have deployed a revision before that was there before the job.
            let target = &service.target;
            let found = if self.spec.registers() {
                let ever = Timestamp::EPOCH;
                self.deployed_since(target, &own_arn, ever).await?
            } else {
                let at = began(&ours, described).unwrap_or(started);
                self.deployed_at(target, &own_arn, at).await?
            };
            found.map_or((None, None), |found| {
                (Some(found.arn), found.target_revision)
            })
        };
        let none = |ours, arn| {
            Ok(Found {
                seen: None,
                ours,
                arn,
            })
        };
        let Some(arn) = arn else {
            return none(ours, None);
        };
        let Some(shown) = self.ecs.describe_service_deployment(&arn).await? else {
            return none(ours, Some(arn));
        };
        let mut seen = shown.seen;
        // The revision in the listing and the one in the description must agree.
        let is_another = brings.is_some() && brings != shown.target_revision;
        if is_another || is_from_before(&ours, &described.seen, &seen) {
            return none(ours.with_service_deployment(None), None);
        }
        let ours = ours.with_service_deployment(Some(seen.id.clone()));
        // It was found by the revision that it brings, now or in an earlier invocation.
        seen.task_definition = Some(own_arn);
        if let Some(revision) = shown.rollback_revision {
            // Without them the status decides.
            let known = self.ecs.task_definitions_of(&[revision]).await;
            seen.rollback_to = known
                .ok()
                .and_then(|known| Some(known.into_iter().next()?.1));
        }
        Ok(Found {
            seen: Some(seen),
            ours,
            arn: Some(arn),
        })
    }

    /// The ARN of the service deployment with this `id`, as ECS gives it: from the service itself, or
    /// from the listing, once in an invocation.
    async fn service_deployment_called(
        &self,
        service: &Service,
        id: &str,
        described: &ServiceDescribed,
    ) -> Result<Option<String>, CallError> {
        let known = [
            &described.current_service_deployment,
            &service.live.service_deployment,
        ];
        let is_it = |arn: &&String| text::last_part(arn) == id;
        if let Some(known) = known.into_iter().flatten().find(is_it) {
            return Ok(Some(known.clone()));
        }
        let listed = self
            .ecs
            .newest_service_deployments(&service.target, NEWEST_SERVICE_DEPLOYMENTS)
            .await?;
        let mut listed = listed.into_iter().map(|one| one.arn);
        Ok(listed.find(|arn| is_it(&arn)))
    }

    /// Our deployment, by the name that ECS lists it with by now, if its answer to our update did not.
    fn named_by(&self, service: &Service, described: &ServiceDescribed) -> Ours {
        let ours = service.ours.clone();
        // What is continued was there before, with a name of its own.
        if self.spec.continues.is_some() {
            return ours;
        }
        let own_arn = service.revision.arn_like(&described.seen.task_definition);
        let listed = if self.spec.registers() {
            described.seen.first_of(&own_arn)
        } else {
            described.seen.primary_of(&own_arn)
        };
        match (&ours, listed) {
            (Ours::Unnamed { .. }, Some(listed)) => ours.named(listed.id.clone()),
            (Ours::Unnamed { .. }, None) | (Ours::Named { .. } | Ours::Untouched, _) => ours,
        }
    }

    /// What the last look came to, for the log.
    pub(super) fn log(&self, deployment: &Deployment) {
        for service in &deployment.services {
            let Some(verdict) = &service.live.verdict else {
                continue;
            };
            let facts = Facts::of(verdict);
            tracing::info!(
                job = self.job,
                service = service.target.service_name(),
                cluster = service.target.cluster_name(),
                phase = deployment.stage.name(),
                deployment = service.ours.deployment(),
                revision = %service.revision,
                verdict = facts.name,
                desired = facts.desired,
                running = facts.running,
                running_old = facts.running_old,
                stage = facts.stage,
                traffic_percent = facts.traffic_percent,
                note = facts.note,
                reason = facts.reason,
                state = facts.state,
                replaced_by = facts.replaced_by,
                "looked"
            );
        }
    }
}

/// When our deployment was created, if the service lists it.
fn began(ours: &Ours, described: &ServiceDescribed) -> Option<Timestamp> {
    let mut listed = described.seen.deployments.iter();
    let listed = listed.find(|one| ours.deployment() == Some(&one.id))?;
    listed.created_at
}
