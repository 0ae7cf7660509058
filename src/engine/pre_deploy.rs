//! The task before the deployment: started once, followed through tokens, then the services.

use std::time::Duration;

use super::Run;
use super::at_once::few_at_once;
use super::claim::Claim;
use super::refused::Refused;
use super::task::{NotRun, OfJob, ToRun};
use crate::aws::ecs::ServiceDescribed;
use crate::deploy::call::CallError;
use crate::deploy::deployment::{Blocked, Deployment, Paused, Stage, Task, TaskLive};
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::machine::Event;
use crate::deploy::revision::Revision;
use crate::deploy::setting::{Origin, TargetService};
use crate::deploy::spec::{Target, When};
use crate::deploy::task::{self, NotPlaced};
use crate::deploy::text;
use crate::deploy::words;

/// A service that one look does not show may be shown by another, after so long.
const BEFORE_SECOND_LOOK: Duration = Duration::from_secs(5);

impl Run<'_> {
    /// Runs the task on the new revision; the services are set when it has succeeded.
    ///
    /// # Replay
    /// As [`Run::run_task`]. A job that has set a service before does not ask.
    pub(super) async fn run_first(
        &self,
        task: ToRun<'_>,
        targets: Vec<TargetService>,
    ) -> Result<Deployment, Refused> {
        if self.came_to_the_services(&targets).await? {
            let set = Box::pin(self.check_and_set(self.job, targets)).await;
            return set.map_err(|refused| refused.map(|one| self.after_task(one)));
        }
        let target = &targets[task.service];
        let started = self.now();
        let of = OfJob {
            job: self.job,
            when: When::Before,
            cluster: &target.target.cluster,
            own: &target.own,
        };
        let not_made = match self.run_task(&task, of).await {
            Ok(arn) => {
                tracing::info!(job = self.job, task = arn, "the pre-deploy task");
                return Ok(Deployment {
                    job: self.job.to_owned(),
                    started,
                    stage: Stage::PreDeploy(Box::new(Task {
                        id: text::last_part(&arn).to_owned(),
                        service: task.service,
                        live: TaskLive {
                            is_ours: true,
                            ..TaskLive::default()
                        },
                    })),
                    services: targets.iter().map(TargetService::untouched).collect(),
                    config_pin: None,
                    paused: Paused::default(),
                    waited: Duration::ZERO,
                    is_from_token: false,
                });
            }
            Err(not_made) => not_made,
        };
        let about = self.spec.about();
        let is_unknown = not_made.is_unknown;
        let failure = match not_made.reason {
            NotRun::Call(error) => self.of_call(&about, &error, is_unknown),
            NotRun::NotPlaced(reasons) => {
                let what = NotPlaced::of(&reasons).sentence(&target.revision);
                Failure::new(FailureKind::Job, format!("{about}: {what}"))
            }
        };
        let end = if is_unknown {
            "The pre-deploy task may have been started all the same."
        } else {
            "The pre-deploy task was not started."
        };
        let message = failure.message.then(end).then("No service was changed.");
        let failure = Failure::new(failure.kind, message);
        // A task that was started all the same goes on: ECS lets it keep its revision.
        Err(Refused::with_unused(failure, own_arns(&targets)))
    }

    /// A failure that comes after the task before the deployment, if there was one: that it ran
    /// is reported, because what it did is not undone.
    pub(super) fn after_task(&self, failure: Failure) -> Failure {
        match &self.spec.pre_deploy {
            None => failure,
            Some(asked) => task::after_task(failure, &asked.container),
        }
    }

    /// Whether an earlier delivery of this job has set one of the services already.
    async fn came_to_the_services(&self, targets: &[TargetService]) -> Result<bool, Refused> {
        for target in targets {
            if target.seen.task_definition == target.own {
                return Ok(true);
            }
            let Some(since) = target.origin.may_be_deployed_since() else {
                continue;
            };
            let deployed = self.deployed_since(&target.target, &target.own, since);
            let before = deployed.await;
            match before {
                Ok(None) => {}
                Ok(Some(_)) => return Ok(true),
                Err(error) => {
                    let about = target.target.to_string();
                    return Err(Refused {
                        may_wait: error
                            .may_pass()
                            .then(|| format!("{about}: {}", self.text(&error))),
                        may_be_set: true,
                        ..Refused::from(self.of_call(&about, &error, true))
                    });
                }
            }
        }
        Ok(false)
    }

    /// Sets the services after the task has succeeded; not if somebody else has set one meanwhile.
    ///
    /// # Errors
    /// What to answer, if the services must not be set.
    pub(super) async fn set_after_task(&self, deployment: &Deployment) -> Result<Event, Refused> {
        let mut targets = Vec::new();
        for service in &deployment.services {
            let target = &service.target;
            let described = match self.active_service(target).await {
                Ok(Ok(described)) => described,
                Ok(Err(failure)) => return Err(self.not_set(deployment, failure).await),
                Err(error) => return Ok(self.blocked(target, &error)),
            };
            match self
                .claim_service(deployment, service, &described.seen)
                .await
            {
                Claim::Ours => {}
                Claim::NotOurs(why) => {
                    let message = format!("{target}: {why}. No service was changed.");
                    let unused = self.unused_revisions(deployment).await;
                    let failure = Failure::new(FailureKind::Job, message);
                    return Err(Refused::with_unused(failure, unused));
                }
                Claim::Unseen(error) => return Ok(self.blocked(target, &error)),
            }
            let own_arn = service.revision.arn_like(&described.seen.task_definition);
            if described.seen.task_definition != own_arn && self.is_inactive(&service.revision) {
                let failure = self.failed_before(&own_arn);
                return Err(Refused::from(self.after_task(failure)));
            }
            targets.push(TargetService {
                target: target.clone(),
                revision: service.revision.clone(),
                own: own_arn,
                previous: service.previous.clone(),
                served: None,
                seen: described.seen,
                seen_at: self.now(),
                origin: if self.spec.existing().is_some() {
                    // Before its task this job has deployed nothing.
                    Origin::Existing {
                        chosen: Some(deployment.started),
                        came: deployment.started,
                    }
                } else {
                    Origin::Registered
                },
            });
        }
        let prior = match self.prior_deliveries(&mut targets).await {
            Ok(prior) => prior,
            Err(unseen) => return Ok(self.blocked(&targets[unseen.place].target, &unseen.error)),
        };
        self.changing();
        match Box::pin(self.set_services(&deployment.job, targets, prior)).await {
            Ok(set) => Ok(Event::Set(Box::new(Deployment {
                paused: deployment.paused,
                waited: deployment.waited,
                is_from_token: deployment.is_from_token,
                config_pin: deployment.config_pin.clone(),
                ..set
            }))),
            // Nothing was set, and it may be at another time.
            Err(refused) if refused.may_wait.is_some() => Ok(Event::Blocked(Blocked {
                failure: self.after_task(refused.failure),
                may_pass: true,
            })),
            Err(refused) => Err(refused.map(|failure| self.after_task(failure))),
        }
    }

    /// The service, or why nothing can be deployed to it: what one look does not show is looked at
    /// once more.
    async fn active_service(
        &self,
        target: &Target,
    ) -> Result<Result<ServiceDescribed, Failure>, CallError> {
        let mut is_first = true;
        loop {
            let seen = self.ecs.describe_service(target).await?;
            let why = match seen {
                Some(service) if service.seen.status == "ACTIVE" => return Ok(Ok(service)),
                _ if is_first => {
                    is_first = false;
                    self.engine.clock.sleep(BEFORE_SECOND_LOOK).await;
                    continue;
                }
                Some(service) => format!(
                    "the service is {} now, not ACTIVE: nothing can be deployed to it",
                    service.seen.status
                ),
                None => {
                    let missing = words::of_missing_service(target, self.region()).message;
                    return Ok(Err(Failure::new(FailureKind::Job, missing)));
                }
            };
            return Ok(Err(Failure::new(
                FailureKind::Job,
                format!("{target}: {why}."),
            )));
        }
    }

    /// What must be seen before a service is set cannot be seen: the task has succeeded and stays
    /// so until the next look.
    fn blocked(&self, target: &Target, error: &CallError) -> Event {
        let about =
            format!("{target}: the pre-deploy task has succeeded, and the service was not changed");
        self.warn(format!("{target}: {}", self.text(error)));
        Event::Blocked(Blocked {
            failure: self.of_call(&about, error, true),
            may_pass: !error.is_denial(),
        })
    }

    async fn not_set(&self, deployment: &Deployment, failure: Failure) -> Refused {
        let unused = self.unused_revisions(deployment).await;
        Refused::with_unused(self.after_task(failure), unused)
    }

    /// The revisions of `deployment` that no service will use, unless one does already. What only the
    /// token says is this job's, and what cannot be seen, stays as it is.
    pub(super) async fn unused_revisions(&self, deployment: &Deployment) -> Vec<String> {
        // What was there before this job is never taken away.
        if !self.spec.registers() {
            return Vec::new();
        }
        let looking = deployment.services.iter();
        let looking = looking.map(|service| self.ecs.describe_service(&service.target));
        let mut used: Vec<Revision> = Vec::new();
        for looked in few_at_once(looking).await {
            match looked {
                Ok(service) => {
                    used.extend(service.into_iter().flat_map(|one| one.seen.revisions()));
                }
                Err(error) => {
                    self.warn(format!(
                        "the revision of this job stays ACTIVE, because whether a service uses it cannot be seen: {}",
                        self.text(&error)
                    ));
                    return Vec::new();
                }
            }
        }
        let mut unused = Vec::new();
        for revision in deployment.revisions() {
            if !used.contains(&revision)
                && let Claim::Ours = self.claim_revision(deployment, &revision).await
            {
                unused.push(revision.to_string());
            }
        }
        unused
    }
}

/// The ARNs of the services' revisions, each once.
pub(super) fn own_arns(targets: &[TargetService]) -> Vec<String> {
    // What was there before the job is not the job's to deregister.
    let own = targets.iter().filter(|target| !target.is_existing());
    text::once(own.map(|target| target.own.clone()))
}
