//! Setting the services to this job's revisions, as [`setting`] decides.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Run;
use super::at_once::few_at_once;
use super::once::{self, Attempt, Looked};
use super::pre_deploy::own_arns;
use super::refused::Refused;
use crate::aws::ecs::Listed;
use crate::deploy::call::{CallError, Class};
use crate::deploy::deployment::{Deployment, Service};
use crate::deploy::plan::Plan;
use crate::deploy::prior::OLDEST;
use crate::deploy::revision::Revision;
use crate::deploy::seen::ServiceSeen;
use crate::deploy::setting::{
    self, Due, NotSet, Origin, Outcome, PriorDelivery, Served, TargetService, replaced_unseen,
};
use crate::deploy::spec::{Target, WaitFor};
use crate::deploy::text;
use crate::deploy::time::Timestamp;
use crate::deploy::unchanged;

/// ECS creates a deployment and its service deployment within this.
pub(super) const APART: Duration = Duration::from_mins(1);

/// So many of the service's newest service deployments are looked at for ours.
pub(super) const NEWEST_SERVICE_DEPLOYMENTS: i32 = 20;

/// A look at a service that is older than this is made again before the service is set: checks may
/// have taken long, and somebody may have deployed meanwhile. `UpdateService`'s answer shows any later
/// deployment.
const LOOK_IS_FRESH: Duration = Duration::from_secs(3);

/// So many times that many are looked through in all.
const SERVICE_DEPLOYMENT_PAGES: usize = 25;

/// How far an earlier delivery came with the service at this place cannot be seen.
pub(super) struct Unseen {
    pub(super) place: usize,
    pub(super) error: Box<CallError>,
}

/// What a service is set to before it is set to something else.
#[derive(Clone, Copy)]
pub(super) enum SetFrom<'a> {
    /// This revision (an ARN). A deployment between is named by `UpdateService`'s answer.
    Revision(&'a str),
    /// Our deployment, which failed. A deployment between is somebody's correction and is left alone.
    Ours(&'a Service),
}

impl SetFrom<'_> {
    fn is_still(self, seen: &ServiceSeen) -> bool {
        match self {
            Self::Revision(from) => seen.task_definition == from,
            Self::Ours(service) => service.is_worked_on(seen),
        }
    }

    fn when_to_look(self) -> once::Look {
        match self {
            Self::Revision(_) => once::Look::IfUnknown,
            Self::Ours(_) => once::Look::Always,
        }
    }
}

impl Run<'_> {
    /// How far an earlier delivery of this job came with each service, which is looked at again if
    /// its look is not fresh any more.
    ///
    /// # Errors
    /// [`Unseen`] for the first of which that cannot be seen: it must not be deployed to, because that might
    /// be for the second time.
    pub(super) async fn prior_deliveries(
        &self,
        targets: &mut [TargetService],
    ) -> Result<Vec<PriorDelivery>, Unseen> {
        self.look_again(targets).await;
        let asking = targets.iter().map(|target| self.prior_delivery(target));
        let asked = few_at_once(asking).await.into_iter().enumerate();
        asked
            .map(|(place, prior)| {
                prior.map_err(|error| Unseen {
                    place,
                    error: Box::new(error),
                })
            })
            .collect()
    }

    /// Sets the services, after it is known how far an earlier delivery of this job came.
    pub(super) async fn check_and_set(
        &self,
        job: &str,
        mut targets: Vec<TargetService>,
    ) -> Result<Deployment, Refused> {
        match self.prior_deliveries(&mut targets).await {
            Ok(prior) => self.set_services(job, targets, prior).await,
            Err(Unseen { place, error }) => {
                let target = &targets[place];
                let has = if target.is_existing() {
                    "chosen"
                } else {
                    "registered"
                };
                let about = format!(
                    "{}: an earlier delivery of this job has {has} {}, and whether it has deployed it cannot be seen",
                    target.target, target.revision
                );
                Err(Refused {
                    // Another look may show it, and nothing is done before one does.
                    may_wait: error.may_pass().then(|| about.clone()),
                    may_be_set: true,
                    ..Refused::from(self.of_call(&about, &error, true))
                })
            }
        }
    }

    pub(super) async fn set_services(
        &self,
        job: &str,
        targets: Vec<TargetService>,
        prior: Vec<PriorDelivery>,
    ) -> Result<Deployment, Refused> {
        let revisions = own_arns(&targets);
        let set = self.set_each(job, targets, prior).await;
        set.map_err(|not_set| {
            if not_set.is_unused {
                return Refused::with_unused(not_set.failure, revisions);
            }
            Refused {
                may_be_set: true,
                ..Refused::from(not_set.failure)
            }
        })
    }

    /// Sets the services to their revisions, as far as an earlier delivery of this job has not.
    ///
    /// # Replay
    /// A service that was set to our revision once is not set again, and if it was and is not any
    /// more, the others are not touched either: the job is failing.
    ///
    /// `job` is the one that started the deployment.
    async fn set_each(
        &self,
        job: &str,
        mut targets: Vec<TargetService>,
        prior: Vec<PriorDelivery>,
    ) -> Result<Deployment, NotSet> {
        let due = setting::due(&targets, &prior);
        if let Due::Set(places) = &due {
            self.find_served(&mut targets, places).await;
        }
        let finding = targets.iter().zip(&prior);
        let finding = finding.map(|(target, prior)| self.found(target, prior));
        let mut outcomes = few_at_once(finding).await;
        let places = match due {
            Due::Conflict(place) => {
                return setting::conflict(job, &targets, outcomes, place, self.now());
            }
            Due::Nothing => Vec::new(),
            Due::Set(places) => places,
        };
        let (first, others) = places.split_at(places.len().min(1));
        for group in [first, others] {
            if setting::not_set(&outcomes).is_none() {
                let setting = group.iter().map(|place| self.set(&targets[*place]));
                for (place, outcome) in group.iter().zip(few_at_once(setting).await) {
                    outcomes[*place] = outcome;
                }
            }
        }
        let started = setting::started(job, &targets, outcomes, self.caller(), self.now());
        for service in started.iter().flat_map(|one| &one.services) {
            tracing::info!(
                job = self.job,
                service = service.target.service_name(),
                deployment = service.ours.deployment(),
                revision = %service.revision,
                previous = service.previous.as_ref().map(ToString::to_string),
                "the service's rollout"
            );
        }
        started
    }

    async fn prior_delivery(&self, target: &TargetService) -> Result<PriorDelivery, CallError> {
        if target.seen.task_definition == target.own {
            return Ok(PriorDelivery::Set(Box::new(target.seen.clone())));
        }
        let Some(since) = target.origin.may_be_deployed_since() else {
            return Ok(PriorDelivery::None);
        };
        // An earlier delivery registered or chose the revision and may have updated the service, too.
        let deployed = self.deployed_since(&target.target, &target.own, since);
        let before = match deployed.await {
            Ok(before) => before,
            // It was a try of this very start that registered it, and it has set nothing; a role that may not list
            // service deployments must not fail for having had to wait.
            Err(error)
                if error.is_denial()
                    && !target.is_existing()
                    && self.has_waited.load(Ordering::Relaxed)
                    && target.seen.is_told_by_rollout_state() =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        let Some(before) = before else {
            return Ok(PriorDelivery::None);
        };
        // Another delivery may have set it since it was seen.
        let (service, deployment) = tokio::join!(
            self.ecs.describe_service(&target.target),
            self.ecs.describe_service_deployment(&before.arn)
        );
        let service = service?;
        let is_under_way = deployment?
            .is_some_and(|one| ["PENDING", "IN_PROGRESS"].contains(&one.seen.status.as_str()));
        Ok(match service {
            Some(service) if is_under_way || service.seen.task_definition == target.own => {
                PriorDelivery::Set(Box::new(service.seen))
            }
            Some(_) | None => PriorDelivery::Before {
                arn: before.arn,
                created_at: before.created_at,
            },
        })
    }

    /// Whether all services still serve what they are set to by the plan: a look that is not fresh any more is made
    /// again. What cannot be looked at may be anything.
    pub(super) async fn still_serve(&self, plan: &Plan) -> bool {
        if self.now().since(plan.seen_at) <= LOOK_IS_FRESH {
            return true;
        }
        let looking = plan.services.iter().map(|service| async {
            let looked = self.ecs.describe_service(&service.target).await;
            let seen = looked.ok().flatten().map(|described| described.seen);
            seen.is_some_and(|seen| {
                seen.task_definition == service.seen.task_definition && unchanged::is_full(&seen)
            })
        });
        few_at_once(looking).await.into_iter().all(|serves| serves)
    }

    /// Looks once more at services whose look is not fresh any more. One that cannot be looked at
    /// keeps its look: `UpdateService`'s answer shows what it replaced.
    async fn look_again(&self, targets: &mut [TargetService]) {
        let now = self.now();
        let looking = targets
            .iter_mut()
            .filter(|target| now.since(target.seen_at) > LOOK_IS_FRESH)
            .map(|target| async {
                if let Ok(Some(service)) = self.ecs.describe_service(&target.target).await {
                    target.seen = service.seen;
                    target.seen_at = now;
                }
            });
        few_at_once(looking).await;
    }

    /// Finds out what served where the service was set to what never did.
    async fn find_served(&self, targets: &mut [TargetService], places: &[usize]) {
        let finding = targets.iter().enumerate();
        let finding = finding.filter(|(place, _)| places.contains(place));
        let finding =
            finding.map(|(place, target)| async move { (place, self.served(target).await) });
        for (place, served) in few_at_once(finding).await {
            let target = &mut targets[place];
            match served {
                Ok(served) => {
                    let is_other = |one: &Revision| {
                        Some(one) != target.previous.as_ref() && *one != target.revision
                    };
                    target.served = served.filter(is_other);
                }
                Err(error) => self.warn(format!(
                    "{}: the service was set to {}, whose deployment is not complete, and what the newest complete one brought could not be seen, so that a rollback goes to {} as well: {}",
                    target.target,
                    target.set_to(),
                    target.set_to(),
                    self.text(&error)
                )),
            }
        }
    }

    /// The revision that served when the deployment of what the service is set to had not been
    /// complete: of the newest deployment that was. `None` if it is what the service is set to, or
    /// cannot be seen.
    async fn served(&self, target: &TargetService) -> Result<Option<Revision>, CallError> {
        match setting::served(target) {
            None => return Ok(None),
            Some(Served::Listed(listed)) => return Ok(Some(listed)),
            Some(Served::NotListed) => {}
        }
        let newest = self
            .ecs
            .newest_service_deployments(&target.target, NEWEST_SERVICE_DEPLOYMENTS)
            .await?;
        let complete = newest.into_iter().find(Listed::is_successful);
        let Some(revision) = complete.and_then(|one| one.target_revision) else {
            return Ok(None);
        };
        let known = self.ecs.task_definitions_of(&[revision]).await?;
        Ok(known.first().and_then(|(_, arn)| Revision::parse(arn).ok()))
    }

    /// What an earlier delivery has made of a service.
    async fn found(&self, target: &TargetService, prior: &PriorDelivery) -> Outcome {
        match prior {
            PriorDelivery::None => Outcome::NotTouched,
            PriorDelivery::Set(seen) => {
                let previous = match &target.previous {
                    Some(previous) => Some(previous.clone()),
                    // It was set to our revision at the start: what was before must be looked up.
                    None => self.previous_of(target, seen).await,
                };
                let service = Service {
                    previous,
                    ..target.set(seen)
                };
                let listed = target.own_deployment(seen);
                let created_at = listed.and_then(|listed| listed.created_at);
                let since = target.counts_from(created_at);
                // How long a hook has held it is not known any more.
                let may_be_held = self.spec.wait_for == WaitFor::Pause;
                let since = if may_be_held { Some(self.now()) } else { since };
                Outcome::Found(Box::new(service), since)
            }
            // ECS rolled it back, or another deployment replaced it.
            PriorDelivery::Before { arn, created_at } => {
                let set = target.set(&target.seen);
                let id = text::last_part(arn).to_owned();
                let service = Service {
                    // What the service is set to now may be somebody else's.
                    previous: self.source_of(arn).await,
                    ours: set.ours.clone().with_service_deployment(Some(id)),
                    ..set
                };
                Outcome::Found(Box::new(service), *created_at)
            }
        }
    }

    /// Sets one service; ECS's answer is as good as a look at it.
    async fn set(&self, target: &TargetService) -> Outcome {
        let from = SetFrom::Revision(&target.seen.task_definition);
        let answer = match self.set_service(&target.target, from, &target.own).await {
            Ok(answer) => answer,
            Err(error) => return setting::refused(self.placed(&error)),
        };
        let mut service = target.set(&answer);
        if let Some(replaced) = replaced_unseen(&answer, &target.seen, &target.own) {
            self.warn(format!(
                "{}: {replaced} was deployed by somebody else between the checks and this deployment, which has replaced it; a rollback goes to {replaced} if its deployment was complete",
                target.target
            ));
            service.previous = Some(replaced);
            service.overwrote = true;
        } else if let Some(served) = &target.served {
            self.warn(format!(
                "{}: the service was set to {}, whose deployment is not complete; {served} is the newest that was, and a rollback goes to it",
                target.target,
                target.set_to()
            ));
        }
        // Another delivery may have set it long before; otherwise the time counts from now.
        let since = (target.origin != Origin::Fresh).then(|| {
            let listed = target.own_deployment(&answer);
            let created_at = listed.and_then(|listed| listed.created_at);
            created_at.unwrap_or_else(|| self.now())
        });
        service.live.just_set = Some(Box::new(answer));
        Outcome::Found(Box::new(service), since)
    }

    /// Points the service, which is as `from` says, at the revision `wanted`; as ECS shows it then.
    ///
    /// # Replay
    /// An attempt whose outcome is unknown is looked for at the service before the next, and if the
    /// service is set to something else by then, somebody has decided and it is left alone. So is
    /// one that is to be set back, after whatever attempt.
    ///
    /// # Errors
    /// [`Class::Unavailable`] whenever an attempt may have been carried out.
    pub(super) async fn set_service(
        &self,
        target: &Target,
        from: SetFrom<'_>,
        wanted: &str,
    ) -> Result<ServiceSeen, CallError> {
        let attempt = || async {
            match self.ecs.update_service(target, wanted).await {
                Ok(service) => {
                    self.has_set.store(true, Ordering::Relaxed);
                    Attempt::Made(service.seen)
                }
                Err(error) => Attempt::failed(error.class, error),
            }
        };
        let look = || async {
            match self.ecs.describe_service(target).await {
                Ok(Some(service)) if service.seen.task_definition == wanted => {
                    Looked::Made(service.seen)
                }
                Ok(Some(service)) if from.is_still(&service.seen) => Looked::NotMade,
                Ok(_) => Looked::Stop(None),
                Err(unseen) => Looked::Stop(Some(unseen)),
            }
        };
        let made = once::make(self.patience(), from.when_to_look(), attempt, look).await;
        made.map_err(|not_made| {
            let mut error = not_made.reason;
            if let Some(unseen) = not_made.forbidden {
                error.detail = format!("{}, and then {unseen}", error.detail);
            }
            if not_made.is_unknown {
                error.class = Class::Unavailable;
            }
            error
        })
    }

    /// The service deployment that brought `own_arn` and was created with a deployment that was created `at` that time.
    ///
    /// # Errors
    /// As [`Run::deployed_since`].
    pub(super) async fn deployed_at(
        &self,
        target: &Target,
        own_arn: &str,
        at: Timestamp,
    ) -> Result<Option<Listed>, CallError> {
        let apart = |one: &Listed| {
            let created_at = one.created_at.unwrap_or(at);
            created_at.since(at).max(at.since(created_at))
        };
        let nearest = |all: Vec<Listed>| all.into_iter().min_by_key(apart);
        self.deployed(target, own_arn, at - APART, nearest).await
    }

    /// The service deployment that brought `own_arn` at `since` or later, if there was one: the first of them. Looked
    /// for as far back as one of this job can be.
    ///
    /// # Errors
    /// [`CallError`], also if the list goes on for longer than it is followed: that is not "never".
    pub(super) async fn deployed_since(
        &self,
        target: &Target,
        own_arn: &str,
        since: Timestamp,
    ) -> Result<Option<Listed>, CallError> {
        self.deployed(target, own_arn, since, |mut all| all.pop())
            .await
    }

    /// The one that `pick` takes of those on the newest page that has any, newest first.
    async fn deployed(
        &self,
        target: &Target,
        own_arn: &str,
        since: Timestamp,
        pick: impl Fn(Vec<Listed>) -> Option<Listed>,
    ) -> Result<Option<Listed>, CallError> {
        let oldest = since.max(self.now() - OLDEST);
        let mut next = None;
        for _ in 0..SERVICE_DEPLOYMENT_PAGES {
            let page = self
                .ecs
                .service_deployments(target, NEWEST_SERVICE_DEPLOYMENTS, next)
                .await?;
            let revisions: Vec<String> = page
                .listed
                .iter()
                .filter(|one| one.is_since(since))
                .filter_map(|one| one.target_revision.clone())
                .collect();
            let known = self.ecs.task_definitions_of(&revisions).await?;
            let brings_own = |one: &Listed| {
                known.iter().any(|(revision, task_definition)| {
                    one.target_revision.as_ref() == Some(revision) && task_definition == own_arn
                })
            };
            let is_last = page.next.is_none()
                || page
                    .listed
                    .last()
                    .and_then(|one| one.created_at)
                    .is_some_and(|at| at < oldest);
            let is_ours = |one: &Listed| one.is_since(since) && brings_own(one);
            let found: Vec<Listed> = page.listed.into_iter().filter(is_ours).collect();
            if !found.is_empty() || is_last {
                return Ok(pick(found));
            }
            next = page.next;
        }
        Err(CallError::unusable(
            "ecs:ListServiceDeployments",
            format!("service {target}"),
            Class::Unavailable,
            "it has more service deployments of the last hours than are looked through",
        ))
    }

    /// What the service ran before it was set to our revision: still listed, or named by the
    /// service deployment.
    async fn previous_of(&self, target: &TargetService, seen: &ServiceSeen) -> Option<Revision> {
        if let Some(listed) = seen.newest_but(&target.own) {
            return Some(listed);
        }
        let at = target.own_deployment(seen).and_then(|one| one.created_at);
        let earlier = if let Some(at) = at.filter(|_| target.is_existing()) {
            self.deployed_at(&target.target, &target.own, at).await
        } else {
            let ever = Timestamp::EPOCH;
            self.deployed_since(&target.target, &target.own, ever).await
        };
        let before = match earlier {
            Ok(Some(earlier)) => self.source_of(&earlier.arn).await,
            Ok(None) | Err(_) => None,
        };
        // What failed is better than nothing known.
        before.or_else(|| seen.any_but(&target.own))
    }

    pub(super) async fn source_of(&self, service_deployment: &str) -> Option<Revision> {
        let described = self
            .ecs
            .describe_service_deployment(service_deployment)
            .await;
        let sources = described.ok()??.source_revisions;
        let known = self.ecs.task_definitions_of(&sources).await.ok()?;
        known
            .iter()
            .find_map(|(_, task_definition)| Revision::parse(task_definition).ok())
    }
}

/// The APIs of service deployments are not allowed or not supported.
pub(super) fn cannot_be_asked(error: &CallError) -> bool {
    error.is_denial() || error.class == Class::Unsupported
}
