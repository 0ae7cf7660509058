//! Setting the services to this job's revisions, each at most once.

use std::time::Duration;

use super::Step;
use super::at_once::few_at_once;
use super::start::{MAKING_ATTEMPTS, MAKING_PAUSE};
use crate::aws::ecs::{Listed, ServiceDescribed};
use crate::deploy::call::{CallError, Class};
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::phase::Owner;
use crate::deploy::phase::{Phase, ServiceRollout};
use crate::deploy::prior::OLDEST;
use crate::deploy::revision::Revision;
use crate::deploy::rollout::{DeploymentSeen, ServiceSeen};
use crate::deploy::spec::Target;
use crate::deploy::text;
use crate::deploy::time::Timestamp;

/// So many of the service's newest service deployments are looked at for ours.
pub(super) const NEWEST_SERVICE_DEPLOYMENTS: i32 = 20;

/// A look at a service that is older than this is made again before the service is set: checks may
/// have taken long, and somebody may have deployed meanwhile. `UpdateService`'s answer tells of whoever
/// comes later.
const LOOK_IS_FRESH: Duration = Duration::from_secs(3);

/// So many times that many are looked through in all.
const SERVICE_DEPLOYMENT_PAGES: usize = 25;

/// What stands for a deployment's id until ECS names it.
const NOT_NAMED_YET: &str = "unknown";

/// A service that is to be set to this job's revision.
pub(super) struct Member {
    pub(super) target: Target,
    /// The service, as it was just seen.
    pub(super) service: ServiceDescribed,
    /// When.
    pub(super) seen_at: Timestamp,
    /// This job's revision.
    pub(super) revision: Revision,
    /// Its ARN.
    pub(super) own: String,
    /// What the service was set to when the job came.
    pub(super) previous: Revision,
    /// What served then, if that was another one: see [`Step::served`].
    pub(super) served: Option<Revision>,
    /// This delivery has registered the revision: no other can have deployed it.
    pub(super) is_fresh: bool,
}

/// How far an earlier delivery of this job came with a service.
pub(super) enum Standing {
    /// It is set to our revision; the service as it was seen then.
    Set(Box<ServiceDescribed>),
    /// It was once, and is not any more.
    Before(Listed),
    /// It was not, as far as can be seen.
    Open,
}

/// How far an earlier delivery came with the service at this place cannot be seen.
pub(super) struct Unseen {
    pub(super) place: usize,
    pub(super) error: Box<CallError>,
}

/// What became of setting one service.
enum Outcome {
    Found(ServiceRollout, Option<Timestamp>),
    NotTouched,
    /// It was refused for certain.
    Refused(CallError),
    /// It may have been carried out.
    Unknown(CallError),
}

impl Member {
    /// The service's rollout before it is set.
    pub(super) fn untouched(&self) -> ServiceRollout {
        ServiceRollout {
            revision: self.revision.clone(),
            previous: self.served.as_ref().unwrap_or(&self.previous).clone(),
            overwrote: false,
            deployment: String::new(),
            service_deployment: None,
        }
    }
}

/// What a service is set to before it is set to something else.
#[derive(Clone, Copy)]
pub(super) enum SetFrom<'a> {
    /// This revision (an ARN). Whoever comes between is named afterwards, by `UpdateService`'s answer.
    Revision(&'a str),
    /// Our deployment, which failed. Whoever comes between has put it right and is left alone.
    Ours(&'a ServiceRollout),
}

impl SetFrom<'_> {
    fn is_still(self, seen: &ServiceSeen) -> bool {
        match self {
            Self::Revision(from) => seen.task_definition == from,
            Self::Ours(rollout) => seen.is_working_on(rollout),
        }
    }

    fn is_looked_at_each_time(self) -> bool {
        match self {
            Self::Revision(_) => false,
            Self::Ours(_) => true,
        }
    }
}

/// What `UpdateService` came to for one service.
struct Set {
    outcome: Outcome,
    /// The service as ECS answered.
    answer: Option<ServiceSeen>,
    /// What should be known of it.
    warning: Option<String>,
}

impl Step<'_> {
    /// Sets the services to their revisions, as far as an earlier delivery of this job has not.
    ///
    /// The first goes alone, so that what is refused to one is not done to the others; then all
    /// others at once.
    ///
    /// # Replay
    /// A service that was set to our revision once is not set again, and if it was and is not any
    /// more, the others are not touched either: the job is failing.
    ///
    /// `job` is the one that started the deployment.
    pub(super) async fn roll_out(
        &mut self,
        job: &str,
        mut members: Vec<Member>,
    ) -> Result<Phase, Failure> {
        match self.standings(&mut members).await {
            Ok(standings) => self.roll_out_from(job, members, standings).await,
            Err(Unseen { place, error }) => {
                let member = &members[place];
                let about = format!(
                    "{}: an earlier delivery of this job has registered {}, and whether it has deployed it cannot be seen",
                    member.target, member.revision
                );
                Err(self.of_call(&about, &error, true))
            }
        }
    }

    /// How far an earlier delivery of this job came with each service, which is looked at again if
    /// its look is not fresh any more.
    ///
    /// # Errors
    /// [`Unseen`] for the first of which that cannot be told.
    pub(super) async fn standings(&self, members: &mut [Member]) -> Result<Vec<Standing>, Unseen> {
        self.look_again(members).await;
        let asking = members.iter().map(|member| self.standing(member));
        let asked = few_at_once(asking).await.into_iter().enumerate();
        asked
            .map(|(place, standing)| {
                standing.map_err(|error| Unseen {
                    place,
                    error: Box::new(error),
                })
            })
            .collect()
    }

    /// The same as [`Step::roll_out`], where it is known how far an earlier delivery came.
    ///
    /// # Replay
    /// As [`Step::roll_out`].
    pub(super) async fn roll_out_from(
        &mut self,
        job: &str,
        mut members: Vec<Member>,
        standings: Vec<Standing>,
    ) -> Result<Phase, Failure> {
        let is_failing = standings
            .iter()
            .any(|one| matches!(one, Standing::Before(_)));
        let is_under_way = standings.iter().any(|one| matches!(one, Standing::Set(_)));
        let taken = members
            .iter()
            .zip(&standings)
            .position(|(member, standing)| {
                matches!(standing, Standing::Open)
                    && Revision::parse(&member.service.seen.task_definition)
                        .is_ok_and(|set_to| set_to != member.previous)
            });
        if let Some(place) = taken.filter(|_| !is_failing) {
            return self
                .taken(job, &members, standings, place, is_under_way)
                .await;
        }
        let mut unseen = Vec::new();
        for (member, standing) in members.iter_mut().zip(&standings) {
            if matches!(standing, Standing::Open) && !is_failing {
                match self.served(member).await {
                    Ok(served) => member.served = served,
                    Err(error) => unseen.push(format!(
                        "{}: the service was set to {}, whose deployment is not complete, and what the newest complete one brought could not be seen, so that a rollback goes to {} as well: {}",
                        member.target,
                        member.previous,
                        member.previous,
                        self.words(&error)
                    )),
                }
            }
        }
        for warning in unseen {
            self.warn(warning);
        }
        let mut outcomes = Vec::new();
        let mut left = Vec::new();
        let mut answers = Vec::new();
        let mut is_first = true;
        for (place, (member, standing)) in members.iter().zip(&standings).enumerate() {
            outcomes.push(match standing {
                Standing::Set(service) => self.found(member, service, true).await,
                Standing::Before(earlier) => self.followed(member, earlier).await,
                Standing::Open if is_failing => Outcome::NotTouched,
                Standing::Open if is_first => {
                    is_first = false;
                    let set = self.set(member).await;
                    answers.push((place, set.answer, set.warning));
                    set.outcome
                }
                Standing::Open => {
                    left.push(place);
                    Outcome::NotTouched
                }
            });
        }
        // What is certain is told before what is not.
        let refused = |outcomes: &[Outcome]| {
            let mut certain = outcomes.iter();
            let mut open = outcomes.iter();
            certain
                .position(|one| matches!(one, Outcome::Refused(_)))
                .or_else(|| open.position(|one| matches!(one, Outcome::Unknown(_))))
        };
        if refused(&outcomes).is_none() {
            let setting = left.iter().map(|place| self.set(&members[*place]));
            for (place, set) in left.iter().zip(few_at_once(setting).await) {
                outcomes[*place] = set.outcome;
                answers.push((*place, set.answer, set.warning));
            }
        }
        for (place, answer, warning) in answers {
            self.just_seen.extend(answer.map(|seen| (place, seen)));
            if let Some(warning) = warning {
                self.warn(warning);
            }
        }
        match refused(&outcomes) {
            None => Ok(self.rolling_out(job, &members, outcomes)),
            Some(place) => self.not_all_set(job, &members, outcomes, place),
        }
    }

    async fn standing(&self, member: &Member) -> Result<Standing, CallError> {
        if member.service.seen.task_definition == member.own {
            return Ok(Standing::Set(Box::new(member.service.clone())));
        }
        if member.is_fresh {
            return Ok(Standing::Open);
        }
        // An earlier delivery registered it. Did it come to update the service, too? Who cannot
        // tell must not deploy, for it might be for the second time.
        let Some(before) = self.deployed_before(&member.target, &member.own).await? else {
            return Ok(Standing::Open);
        };
        // Another delivery may have set it since it was seen, at this very moment.
        let (service, deployment) = tokio::join!(
            self.ecs.describe_service(&member.target),
            self.ecs.describe_service_deployment(&before.arn)
        );
        let service = service?;
        let is_under_way = deployment?
            .is_some_and(|one| ["PENDING", "IN_PROGRESS"].contains(&one.seen.status.as_str()));
        match service {
            Some(service) if is_under_way || service.seen.task_definition == member.own => {
                Ok(Standing::Set(Box::new(service)))
            }
            _ => Ok(Standing::Before(before)),
        }
    }

    /// Another deployment came while this job was busy with what comes before.
    async fn taken(
        &mut self,
        job: &str,
        members: &[Member],
        standings: Vec<Standing>,
        place: usize,
        is_under_way: bool,
    ) -> Result<Phase, Failure> {
        let member = &members[place];
        let cause = format!(
            "it was set to {} by somebody else, or by ECS, after this deployment had begun from {}",
            text::last_part(&member.service.seen.task_definition),
            member.previous
        );
        if !is_under_way {
            self.cleanup.unused.extend(own_of(members));
            return Err(Failure::new(
                FailureKind::Job,
                format!(
                    "{}: {cause}. It was left alone, and no service was changed by this job.",
                    member.target
                ),
            ));
        }
        let mut outcomes = Vec::new();
        for (member, standing) in members.iter().zip(standings) {
            outcomes.push(match standing {
                Standing::Set(service) => self.found(member, &service, true).await,
                Standing::Before(earlier) => self.followed(member, &earlier).await,
                Standing::Open => Outcome::NotTouched,
            });
        }
        Ok(self.going_back(job, members, outcomes, place, cause))
    }

    /// One service could not be set. If that is certain and none is, the revisions are of no use
    /// to anybody; if others are, they go back.
    fn not_all_set(
        &mut self,
        job: &str,
        members: &[Member],
        mut outcomes: Vec<Outcome>,
        place: usize,
    ) -> Result<Phase, Failure> {
        let member = &members[place];
        let target = member.target.to_string();
        let others_are_set = outcomes
            .iter()
            .any(|one| matches!(one, Outcome::Found(_, _)));
        let (error, is_unknown) = match std::mem::replace(&mut outcomes[place], Outcome::NotTouched)
        {
            Outcome::Unknown(error) => (error, true),
            Outcome::Refused(error) => (error, false),
            Outcome::Found(_, _) | Outcome::NotTouched => {
                return Ok(self.rolling_out(job, members, outcomes));
            }
        };
        if others_are_set {
            let all_are_asked = outcomes
                .iter()
                .enumerate()
                .all(|(other, one)| other == place || !matches!(one, Outcome::NotTouched));
            let failure = self.of_call("", &error, true);
            let cause = failure.message.trim_start_matches(": ").to_owned();
            if is_unknown {
                outcomes[place] = Outcome::Unknown(error);
                if all_are_asked {
                    // The next looks tell what became of it.
                    return Ok(self.rolling_out(job, members, outcomes));
                }
            }
            return Ok(self.going_back(job, members, outcomes, place, cause));
        }
        let failure = self.of_call(&target, &error, is_unknown);
        let after = if is_unknown {
            format!(
                "{} is registered; look whether the service was set to it.",
                member.revision
            )
        } else {
            self.cleanup.unused.extend(own_of(members));
            let revisions = text::once(members.iter().map(|member| member.revision.to_string()));
            let are = if revisions.len() == 1 { "is" } else { "are" };
            let no_other = if members.len() == 1 {
                ""
            } else {
                " No other service was changed."
            };
            format!(
                "The service was not changed: it is set to {}.{no_other} {}, registered for this job, {are} being deregistered.",
                text::last_part(&member.service.seen.task_definition),
                text::listed(&revisions)
            )
        };
        Err(Failure::new(
            failure.kind,
            format!("{} {after}", failure.message),
        ))
    }

    /// Looks once more at services whose look is not fresh any more. One that cannot be looked at
    /// keeps its look: `UpdateService`'s answer tells what it replaced.
    async fn look_again(&self, members: &mut [Member]) {
        let now = self.now();
        let looking = members
            .iter_mut()
            .filter(|member| now.since(member.seen_at) > LOOK_IS_FRESH)
            .map(|member| async {
                if let Ok(Some(service)) = self.ecs.describe_service(&member.target).await {
                    member.service = service;
                    member.seen_at = now;
                }
            });
        few_at_once(looking).await;
    }

    /// Sets one service; with what ECS answered, which is as good as a look at it.
    async fn set(&self, member: &Member) -> Set {
        let from = &member.service.seen.task_definition;
        let service = match self
            .set_service(&member.target, SetFrom::Revision(from), &member.own)
            .await
        {
            Ok(service) => service,
            Err(error) => {
                let outcome = if error.class == Class::Unavailable {
                    Outcome::Unknown(error)
                } else {
                    Outcome::Refused(error)
                };
                return Set {
                    outcome,
                    answer: None,
                    warning: None,
                };
            }
        };
        let replaced = replaced_unseen(&service.seen, &member.service.seen, &member.own);
        let warning = match (&replaced, &member.served) {
            (Some(replaced), _) => Some(format!(
                "{}: {replaced} was deployed by somebody else between the checks and this deployment, which has replaced it; a rollback goes to {replaced}",
                member.target
            )),
            (None, Some(served)) => Some(format!(
                "{}: the service was set to {}, whose deployment is not complete; {served} is the newest that was, and a rollback goes to it",
                member.target, member.previous
            )),
            (None, None) => None,
        };
        let overwrote = replaced.is_some();
        let previous = replaced.unwrap_or_else(|| member.untouched().previous);
        let outcome = match self.found(member, &service, !member.is_fresh).await {
            Outcome::Found(rollout, started) => Outcome::Found(
                ServiceRollout {
                    previous,
                    overwrote,
                    ..rollout
                },
                // Others may have been set long before: the time counts from now.
                started.or_else(|| (!member.is_fresh).then(|| self.now())),
            ),
            other => other,
        };
        Set {
            outcome,
            answer: Some(service.seen),
            warning,
        }
    }

    /// The revision that served when the deployment of what the service is set to had not been
    /// complete: of the newest deployment that was. `None` if it is what the service is set to, or
    /// cannot be told.
    async fn served(&self, member: &Member) -> Result<Option<Revision>, CallError> {
        let seen = &member.service.seen;
        let Some(primary) = seen.primary().filter(|primary| !primary.was_complete()) else {
            return Ok(None);
        };
        let is_other =
            |revision: &Revision| *revision != member.previous && *revision != member.revision;
        let listed = seen
            .newest_first()
            .into_iter()
            .filter(|one| one.id != primary.id && one.was_complete())
            .find_map(|one| Revision::parse(&one.task_definition).ok());
        if let Some(listed) = listed {
            return Ok(Some(listed).filter(is_other));
        }
        let newest = self
            .ecs
            .newest_service_deployments(&member.target, NEWEST_SERVICE_DEPLOYMENTS)
            .await?;
        let complete = newest.into_iter().find(|one| one.is_successful);
        let Some(revision) = complete.and_then(|one| one.target_revision) else {
            return Ok(None);
        };
        let known = self.ecs.task_definitions_of(&[revision]).await?;
        let served = known.first().and_then(|(_, arn)| Revision::parse(arn).ok());
        Ok(served.filter(is_other))
    }

    /// Points the service, which is as `from` says, at the revision `wanted`.
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
    ) -> Result<ServiceDescribed, CallError> {
        let mut pause = MAKING_PAUSE;
        let mut attempt = 1;
        let mut may_be_done = false;
        loop {
            let mut error = match self.ecs.update_service(target, wanted).await {
                Ok(service) => return Ok(service),
                Err(error) => error,
            };
            may_be_done |= error.class == Class::Unavailable;
            let is_worth_another = matches!(error.class, Class::Unavailable | Class::Throttled);
            if may_be_done {
                error.class = Class::Unavailable;
            }
            if !is_worth_another || attempt == MAKING_ATTEMPTS {
                return Err(error);
            }
            self.engine.clock.sleep(pause).await;
            pause *= 2;
            attempt += 1;
            if !may_be_done && !from.is_looked_at_each_time() {
                continue;
            }
            match self.ecs.describe_service(target).await {
                Ok(Some(service)) if service.seen.task_definition == wanted => return Ok(service),
                Ok(Some(service)) if from.is_still(&service.seen) => {}
                Ok(_) => return Err(error),
                Err(unseen) => {
                    error.detail = format!("{}, and then {unseen}", error.detail);
                    return Err(error);
                }
            }
        }
    }

    /// The rollout of a service that is set to our revision. `by_earlier`: an earlier delivery may
    /// have done that, and the time counts from there.
    async fn found(
        &self,
        member: &Member,
        service: &ServiceDescribed,
        by_earlier: bool,
    ) -> Outcome {
        let deployment = own_deployment(&service.seen, &member.own);
        let started = deployment
            .filter(|_| by_earlier)
            .and_then(|deployment| deployment.created_at);
        let previous = if member.previous == member.revision {
            // Set to ours when we came: what was before must be asked.
            self.previous_of(member, service)
                .await
                .unwrap_or_else(|| member.revision.clone())
        } else {
            member.previous.clone()
        };
        let deployment = deployment.map_or_else(
            // ECS names it in the next look; until then the service deployment's id stands for it.
            || {
                let current = service.current_service_deployment.as_deref();
                text::last_part(current.unwrap_or(NOT_NAMED_YET)).to_owned()
            },
            |deployment| deployment.id.clone(),
        );
        let rollout = ServiceRollout {
            revision: member.revision.clone(),
            previous,
            overwrote: false,
            deployment,
            service_deployment: None,
        };
        Outcome::Found(rollout, started)
    }

    /// The rollout of a service that was set to our revision once, by the service deployment
    /// `earlier`, and is not any more: ECS went back, or another deployment took its place.
    async fn followed(&self, member: &Member, earlier: &Listed) -> Outcome {
        let listed = own_deployment(&member.service.seen, &member.own);
        let id = text::last_part(&earlier.arn).to_owned();
        let rollout = ServiceRollout {
            revision: member.revision.clone(),
            // If it is not known: what the service is set to now may be somebody else's.
            previous: self
                .source_of(&earlier.arn)
                .await
                .unwrap_or_else(|| member.revision.clone()),
            overwrote: false,
            deployment: listed.map_or_else(|| id.clone(), |deployment| deployment.id.clone()),
            service_deployment: Some(id),
        };
        Outcome::Found(rollout, earlier.created_at)
    }

    fn rollouts(
        &self,
        members: &[Member],
        outcomes: Vec<Outcome>,
    ) -> (Vec<ServiceRollout>, Timestamp) {
        let mut started: Option<Timestamp> = None;
        let mut rollouts = Vec::new();
        for (member, outcome) in members.iter().zip(outcomes) {
            let rollout = match outcome {
                Outcome::Found(rollout, since) => {
                    // The last of them: reads may lag behind that one.
                    started = started.max(since);
                    rollout
                }
                Outcome::NotTouched | Outcome::Refused(_) => member.untouched(),
                Outcome::Unknown(_) => ServiceRollout {
                    deployment: NOT_NAMED_YET.to_owned(),
                    ..member.untouched()
                },
            };
            tracing::info!(
                job = self.job,
                service = member.target.service_name(),
                deployment = rollout.deployment,
                revision = %rollout.revision,
                previous = %rollout.previous,
                "the service's rollout"
            );
            rollouts.push(rollout);
        }
        (rollouts, started.unwrap_or_else(|| self.now()))
    }

    fn rolling_out(&self, job: &str, members: &[Member], outcomes: Vec<Outcome>) -> Phase {
        let (services, started) = self.rollouts(members, outcomes);
        if let Some(failed) = services.iter().position(|rollout| !rollout.is_touched()) {
            // Only on the way back are there services that nobody touched: the one that was
            // deployed before has failed.
            let is_over = |rollout: &ServiceRollout| rollout.service_deployment.is_some();
            let failed_first = services.iter().position(is_over);
            return Phase::RollingBack {
                job: job.to_owned(),
                started,
                owner: Owner::Ecs,
                since: self.now(),
                failed: failed_first.unwrap_or(failed),
                cause: String::new(),
                services,
            };
        }
        Phase::RollingOut {
            job: job.to_owned(),
            started,
            services,
        }
    }

    fn going_back(
        &self,
        job: &str,
        members: &[Member],
        outcomes: Vec<Outcome>,
        failed: usize,
        cause: String,
    ) -> Phase {
        let (services, started) = self.rollouts(members, outcomes);
        Phase::RollingBack {
            job: job.to_owned(),
            started,
            owner: Owner::Ecs,
            since: self.now(),
            failed,
            cause,
            services,
        }
    }

    /// The service deployment that brought `own`, if there ever was one: the first of them. Looked
    /// for as far back as one of this job can be.
    ///
    /// # Errors
    /// [`CallError`], also if the list goes on for longer than it is followed: that is not "never".
    pub(super) async fn deployed_before(
        &self,
        target: &Target,
        own: &str,
    ) -> Result<Option<Listed>, CallError> {
        let oldest = self.now() - OLDEST;
        let mut next = None;
        for _ in 0..SERVICE_DEPLOYMENT_PAGES {
            let page = self
                .ecs
                .service_deployments(target, NEWEST_SERVICE_DEPLOYMENTS, next)
                .await?;
            let revisions: Vec<String> = page
                .listed
                .iter()
                .filter_map(|one| one.target_revision.clone())
                .collect();
            let known = self.ecs.task_definitions_of(&revisions).await?;
            let brings_own = |one: &Listed| {
                known.iter().any(|(revision, task_definition)| {
                    one.target_revision.as_ref() == Some(revision) && task_definition == own
                })
            };
            let is_last = page.next.is_none()
                || page
                    .listed
                    .last()
                    .and_then(|one| one.created_at)
                    .is_some_and(|at| at < oldest);
            let found = page.listed.into_iter().rfind(|one| brings_own(one));
            if found.is_some() || is_last {
                return Ok(found);
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

    /// What the service ran before it was set to our revision: still listed, or told by the
    /// service deployment.
    async fn previous_of(&self, member: &Member, service: &ServiceDescribed) -> Option<Revision> {
        let others = service.seen.newest_first().into_iter();
        let others: Vec<&DeploymentSeen> = others
            .filter(|one| one.task_definition != member.own)
            .collect();
        let complete = others.iter().find(|one| one.was_complete());
        let other = complete.or(others.first());
        if let Some(other) = other.and_then(|one| Revision::parse(&one.task_definition).ok()) {
            return Some(other);
        }
        let earlier = self
            .deployed_before(&member.target, &member.own)
            .await
            .ok()??;
        self.source_of(&earlier.arn).await
    }

    async fn source_of(&self, service_deployment: &str) -> Option<Revision> {
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

/// The ARNs of the members' revisions, each once.
pub(super) fn own_of(members: &[Member]) -> Vec<String> {
    text::once(members.iter().map(|member| member.own.clone()))
}

/// What our update has replaced, if that is not what was seen before: the newest deployment but ours
/// in ECS's `answer` is another one than the one that was PRIMARY, with another revision.
pub(super) fn replaced_unseen(
    answer: &ServiceSeen,
    before: &ServiceSeen,
    own: &str,
) -> Option<Revision> {
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

/// The APIs of service deployments are not allowed or not there.
pub(super) fn cannot_be_asked(error: &CallError) -> bool {
    error.is_denial() || error.class == Class::Unsupported
}

/// The deployment of `own`, the first of several: who deploys it anew comes after this job.
pub(super) fn own_deployment<'a>(
    service: &'a ServiceSeen,
    own: &str,
) -> Option<&'a DeploymentSeen> {
    let mut newest_first = service.newest_first().into_iter();
    newest_first.rfind(|one| one.task_definition == own)
}
