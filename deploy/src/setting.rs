//! Setting the services to this job's revisions, each at most once: which of them, in which order, and
//! what came of it.
//!
//! The first goes alone, so that what is refused to one is not done to the others; then all others at
//! once.

use super::call::{CallError, Class};
use super::deployment::{Deployment, Ours, Owner, Rollback, Service, Stage};
use super::failure::{Failure, FailureKind};
use super::revision::Revision;
use super::seen::{DeploymentSeen, Look, ServiceSeen};
use super::spec::Target;
use super::text;
use super::time::Timestamp;
use super::verdict::Verdict;
use super::words::{Caller, failed_call, of_call};

/// A service that is to be set to this job's revision.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetService {
    /// Which service.
    pub target: Target,
    /// The service, as it was just seen.
    pub seen: ServiceSeen,
    /// When.
    pub seen_at: Timestamp,
    /// This job's revision.
    pub revision: Revision,
    /// Its ARN.
    pub own: String,
    /// What the service was set to when the job came; none if that was this job's revision already, and
    /// what was before it is not known.
    pub previous: Option<Revision>,
    /// What served then, if that was another one.
    pub served: Option<Revision>,
    /// Whose the revision is.
    pub origin: Origin,
}

/// Whose a revision is, and which deployments of it are this job's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This delivery has registered it: no other can have deployed it.
    Fresh,
    /// This job has, in another delivery: every deployment of it is the job's.
    Registered,
    /// It was there before the job. The job's deployments of it are those since it was chosen for this job, by an
    /// earlier invocation; none if this one has chosen it.
    Existing {
        /// When that was.
        chosen: Option<Timestamp>,
        /// When the first event came.
        came: Timestamp,
    },
}

/// How far an earlier delivery of this job came with a service.
#[derive(Debug, Clone, PartialEq)]
pub enum PriorDelivery {
    /// It is set to our revision; the service as it was seen then.
    Set(Box<ServiceSeen>),
    /// It was once, by the service deployment with this ARN, and is not any more.
    Before {
        /// Its ARN.
        arn: String,
        /// When it was created.
        created_at: Option<Timestamp>,
    },
    /// It was not, as far as can be seen.
    None,
}

/// What is due before any service is set by this delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// These are to be set: the first alone, then the others at once.
    Set(Vec<usize>),
    /// One was set once, and is not any more: the job is failing, and the others are not touched.
    Nothing,
    /// Somebody has deployed the service at this place since the checks.
    Conflict(usize),
}

/// What became of a service.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is set to our revision; since when, where an earlier delivery may have done it.
    Found(Box<Service>, Option<Timestamp>),
    /// It was not set.
    NotTouched,
    /// That was refused for certain.
    Refused(CallError),
    /// It may have been carried out.
    Unknown(CallError),
}

/// No service was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSet {
    /// The failure to answer with.
    pub failure: Failure,
    /// This job's revisions are of no use to anybody.
    pub is_unused: bool,
}

impl Origin {
    /// Since when an earlier delivery of this job may have deployed the revision; none if none can have.
    pub fn may_be_deployed_since(self) -> Option<Timestamp> {
        match self {
            Self::Fresh => None,
            Self::Registered => Some(Timestamp::EPOCH),
            Self::Existing { chosen, .. } => chosen,
        }
    }
}

impl TargetService {
    /// The service before it is set.
    pub fn untouched(&self) -> Service {
        let previous = self.served.as_ref().or(self.previous.as_ref());
        Service::untouched(
            self.target.clone(),
            self.revision.clone(),
            previous.cloned(),
        )
    }

    /// The service, set to our revision, as it is `seen`.
    pub fn set(&self, seen: &ServiceSeen) -> Service {
        let untouched = self.untouched();
        let service_deployment = None;
        Service {
            // One that is not listed yet is named by a later look.
            ours: match self.own_deployment(seen) {
                Some(listed) => Ours::Named {
                    deployment: listed.id.clone(),
                    service_deployment,
                },
                None => Ours::Unnamed { service_deployment },
            },
            ..untouched
        }
    }

    /// Our deployment of it, the first of several: who deploys our revision anew comes after this job. Of a
    /// revision that others have deployed before, it is what the service works on.
    pub fn own_deployment<'a>(&self, seen: &'a ServiceSeen) -> Option<&'a DeploymentSeen> {
        match self.origin {
            Origin::Fresh | Origin::Registered => seen.first_of(&self.own),
            Origin::Existing { .. } => seen.primary_of(&self.own),
        }
    }

    /// From when the time of a deployment counts that was there when this delivery came.
    pub fn counts_from(&self, created_at: Option<Timestamp>) -> Option<Timestamp> {
        match self.origin {
            Origin::Fresh | Origin::Registered => created_at,
            // Somebody else may have begun it.
            Origin::Existing { came, .. } => Some(created_at.map_or(came, |at| at.max(came))),
        }
    }

    /// Whether its revision was there before this job.
    pub fn is_existing(&self) -> bool {
        matches!(self.origin, Origin::Existing { .. })
    }

    /// What it is set to, as `app:41`.
    pub fn set_to(&self) -> &str {
        text::last_part(&self.seen.task_definition)
    }

    /// Whether somebody has set it to something else than what this job started from.
    fn is_conflict(&self) -> bool {
        Revision::parse(&self.seen.task_definition)
            .is_ok_and(|set_to| Some(set_to) != self.previous)
    }
}

/// What is due, given how far earlier deliveries came.
pub fn due(targets: &[TargetService], prior: &[PriorDelivery]) -> Due {
    if prior
        .iter()
        .any(|one| matches!(one, PriorDelivery::Before { .. }))
    {
        return Due::Nothing;
    }
    let open = targets.iter().zip(prior).enumerate();
    let open: Vec<(usize, &TargetService)> = open
        .filter(|(_, (_, prior))| **prior == PriorDelivery::None)
        .map(|(place, (target, _))| (place, target))
        .collect();
    match open.iter().find(|(_, target)| target.is_conflict()) {
        Some((place, _)) => Due::Conflict(*place),
        None => Due::Set(open.into_iter().map(|(place, _)| place).collect()),
    }
}

/// The service that could not be set, what is certain before what is not.
pub fn not_set(outcomes: &[Outcome]) -> Option<usize> {
    let is_refused = |one: &Outcome| matches!(one, Outcome::Refused(_));
    let is_unknown = |one: &Outcome| matches!(one, Outcome::Unknown(_));
    let refused = outcomes.iter().position(is_refused);
    refused.or_else(|| outcomes.iter().position(is_unknown))
}

/// The deployment that these outcomes have started.
///
/// # Errors
/// [`NotSet`] if no service was set, or not even that is known.
pub fn started(
    job: &str,
    targets: &[TargetService],
    outcomes: Vec<Outcome>,
    caller: Caller,
    now: Timestamp,
) -> Result<Deployment, NotSet> {
    let Some(place) = not_set(&outcomes) else {
        return Ok(rolling_out(job, targets, outcomes, now));
    };
    let (error, is_unknown) = match &outcomes[place] {
        Outcome::Unknown(error) => (error.clone(), true),
        Outcome::Refused(error) => (error.clone(), false),
        Outcome::Found(..) | Outcome::NotTouched => {
            return Ok(rolling_out(job, targets, outcomes, now));
        }
    };
    let is_set = |one: &Outcome| matches!(one, Outcome::Found(..));
    if !outcomes.iter().any(is_set) {
        return Err(none_set(
            targets,
            &targets[place],
            &error,
            is_unknown,
            caller,
        ));
    }
    let all_are_asked = outcomes.iter().all(|one| *one != Outcome::NotTouched);
    if is_unknown && all_are_asked {
        // The next looks show what became of it.
        return Ok(rolling_out(job, targets, outcomes, now));
    }
    let (_, cause) = failed_call(&error, caller, true);
    Ok(rolling_back(job, targets, outcomes, place, cause, now))
}

/// The deployment, or the failure, of a job that found its service at `place` deployed by somebody else.
///
/// # Errors
/// [`NotSet`] if no service was set before.
pub fn conflict(
    job: &str,
    targets: &[TargetService],
    outcomes: Vec<Outcome>,
    place: usize,
    now: Timestamp,
) -> Result<Deployment, NotSet> {
    let target = &targets[place];
    let started_from = target.previous.as_ref().unwrap_or(&target.revision);
    let cause = format!(
        "it was set to {} by somebody else, or by ECS, after this deployment had started from {started_from}",
        target.set_to(),
    );
    if outcomes.iter().any(|one| matches!(one, Outcome::Found(..))) {
        return Ok(rolling_back(job, targets, outcomes, place, cause, now));
    }
    Err(NotSet {
        failure: Failure::new(
            FailureKind::Job,
            format!(
                "{}: {cause}. It was left alone, and no service was changed by this job.",
                target.target
            ),
        ),
        is_unused: true,
    })
}

fn none_set(
    targets: &[TargetService],
    target: &TargetService,
    error: &CallError,
    is_unknown: bool,
    caller: Caller,
) -> NotSet {
    let failure = of_call(&target.target.to_string(), error, caller, is_unknown);
    let after = if is_unknown {
        format!(
            "{} is registered; look whether the service was set to it.",
            target.revision
        )
    } else {
        let registered = targets.iter().filter(|one| !one.is_existing());
        let revisions = text::once(registered.map(|one| one.revision.to_string()));
        let no_other = if targets.len() == 1 {
            ""
        } else {
            " No other service was changed."
        };
        let deregistered = match revisions.len() {
            0 => String::new(),
            count => format!(
                " {}, registered for this job, {} being deregistered.",
                text::listed(&revisions),
                if count == 1 { "is" } else { "are" }
            ),
        };
        format!(
            "The service was not changed: it is set to {}.{no_other}{deregistered}",
            target.set_to()
        )
    };
    NotSet {
        failure: Failure::new(failure.kind, failure.message.then(after)),
        is_unused: !is_unknown,
    }
}

fn services(
    targets: &[TargetService],
    outcomes: Vec<Outcome>,
    now: Timestamp,
) -> (Vec<Service>, Timestamp) {
    let mut started: Option<Timestamp> = None;
    let services = targets.iter().zip(outcomes);
    let services = services.map(|(target, outcome)| match outcome {
        Outcome::Found(service, since) => {
            // The last of them: reads may lag behind that one.
            started = started.max(since);
            *service
        }
        Outcome::NotTouched | Outcome::Refused(_) => target.untouched(),
        Outcome::Unknown(_) => Service {
            ours: Ours::Unnamed {
                service_deployment: None,
            },
            ..target.untouched()
        },
    });
    let services = services.collect();
    (services, started.unwrap_or(now))
}

fn rolling_out(
    job: &str,
    targets: &[TargetService],
    outcomes: Vec<Outcome>,
    now: Timestamp,
) -> Deployment {
    // Some services are untouched only in a deployment that is rolled back: one that was set before
    // them has failed.
    let is_untouched = |one: &Outcome| *one == Outcome::NotTouched;
    if outcomes.iter().any(is_untouched) {
        let failed_before = |one: &Outcome| match one {
            Outcome::Found(service, _) => service.ours.service_deployment().is_some(),
            Outcome::NotTouched | Outcome::Refused(_) | Outcome::Unknown(_) => false,
        };
        let failed = outcomes.iter().position(failed_before);
        let failed = failed.or_else(|| outcomes.iter().position(is_untouched));
        return rolling_back(
            job,
            targets,
            outcomes,
            failed.unwrap_or(0),
            String::new(),
            now,
        );
    }
    let (services, started) = services(targets, outcomes, now);
    deployment(job, Stage::RollingOut, services, started)
}

fn rolling_back(
    job: &str,
    targets: &[TargetService],
    outcomes: Vec<Outcome>,
    failed: usize,
    cause: String,
    now: Timestamp,
) -> Deployment {
    let (services, started) = services(targets, outcomes, now);
    let rollback = Rollback {
        owner: Owner::Ecs,
        since: now,
        failed,
        is_explained: !cause.is_empty(),
        cause,
        post: None,
    };
    deployment(job, Stage::RollingBack(rollback), services, started)
}

/// A deployment of `service` that was there before this job, and goes on.
pub fn rolling_on(job: &str, service: Service, now: Timestamp) -> Deployment {
    deployment(job, Stage::RollingOut, vec![service], now)
}

/// Services that are left as they are, because they serve already what would be deployed to them: `(which, set to what,
/// as it was seen)`.
pub fn unchanged<'p>(
    job: &str,
    services: impl IntoIterator<Item = (&'p Target, &'p Revision, &'p ServiceSeen)>,
    now: Timestamp,
) -> Deployment {
    let services = services.into_iter().map(|(target, revision, seen)| {
        let primary = seen.primary();
        let mut service = Service::untouched(target.clone(), revision.clone(), None);
        if let Some(primary) = primary {
            service.ours = service.ours.named(primary.id.clone());
        }
        service.live.verdict = Some(Verdict::Serving {
            desired: seen.desired,
            running: primary.map_or(0, |one| one.running.min(seen.desired)),
        });
        service.live.look = Some(Look::Seen {
            service: Box::new(seen.clone()),
            service_deployment: None,
        });
        service
    });
    deployment(job, Stage::RollingOut, services.collect(), now)
}

fn deployment(job: &str, stage: Stage, services: Vec<Service>, started: Timestamp) -> Deployment {
    Deployment {
        job: job.to_owned(),
        started,
        stage,
        services,
        config_pin: None,
        paused: crate::deployment::Paused::default(),
        waited: std::time::Duration::ZERO,
        is_from_token: false,
    }
}

/// What our update has replaced, if that is not what was seen before: the newest deployment but ours
/// in ECS's `answer` is another one than the one that was PRIMARY, with another revision.
pub fn replaced_unseen(answer: &ServiceSeen, before: &ServiceSeen, own: &str) -> Option<Revision> {
    let checked = before.primary()?;
    let mut others = answer.newest_first().into_iter();
    let replaced = others.find(|one| one.task_definition != own)?;
    let is_checked =
        replaced.id == checked.id || replaced.task_definition == before.task_definition;
    if is_checked {
        return None;
    }
    Revision::parse(&replaced.task_definition).ok()
}

/// The newest deployment that was complete, of those that the service lists, if the one that it works on
/// was not: its revision is what served. `None` if it need not be asked for; otherwise what is listed.
pub fn served(target: &TargetService) -> Option<Served> {
    let primary = target.seen.primary().filter(|one| !one.was_complete())?;
    let listed = target
        .seen
        .newest_first()
        .into_iter()
        .filter(|one| one.id != primary.id && one.was_complete())
        .find_map(|one| Revision::parse(&one.task_definition).ok());
    Some(match listed {
        Some(listed) => Served::Listed(listed),
        None => Served::NotListed,
    })
}

/// See [`served`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// This revision.
    Listed(Revision),
    /// The service does not list it: its service deployments may show it.
    NotListed,
}

/// Whether the error is for good, or the update may have been carried out.
pub fn refused(error: CallError) -> Outcome {
    if error.class == Class::Unavailable {
        Outcome::Unknown(error)
    } else {
        Outcome::Refused(error)
    }
}
