//! Following a rollout: look, judge, decide, until it ends or the invocation has to.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::at_once::few_at_once;
use super::roll_out::{NEWEST_SERVICE_DEPLOYMENTS, own_deployment};
use super::rollback::GoneBack;
use super::{Stage, Step, fingerprint};
use crate::aws::ecs::ServiceDescribed;
use crate::deploy::call::CallError;
use crate::deploy::cleanup::Prune;
use crate::deploy::decide::{self, Decision};
use crate::deploy::evidence::Evidence;
use crate::deploy::facts::Facts;
use crate::deploy::failure::{self, Failed, Failure, FailureKind};
use crate::deploy::outcome::Outcome;
use crate::deploy::phase::Owner;
use crate::deploy::phase::{Phase, ServiceRollout};
use crate::deploy::rollout::{
    Look, ServiceDeploymentSeen, ServiceSeen, Verdict, is_from_before, progress_in, verdict,
};
use crate::deploy::spec::Target;
use crate::deploy::text;
use crate::deploy::time::{Timestamp, spoken};
use crate::deploy::token::{self, DEPLOYMENT_PREFIX, LeftOff};
use crate::deploy::variables;
use crate::report::{self, Report};

/// Between two looks. A failure is reported this long after ECS knows it, and ECS allows twenty
/// looks each second
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>).
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(5);

impl Step<'_> {
    /// Watches `phase` until it ends, or until `until` has come: then it is handed back. Looks at
    /// least once.
    pub(super) async fn watch(&mut self, mut phase: Phase, until: Timestamp) -> Report {
        loop {
            let looks = self.look_at_all(&mut phase).await;
            let now = self.now();
            let mut verdicts: Vec<Verdict> = phase
                .services()
                .iter()
                .zip(&looks)
                .map(|(ours, look)| verdict(ours, look, phase.started(), now))
                .collect();
            let is_uncertain = self.doubt(&mut verdicts);
            self.log(&phase, &verdicts);
            self.note(&phase, &looks, &verdicts, now);
            let next = match self.decided(&phase, &verdicts, now) {
                // The next invocation would begin to count anew.
                _ if is_uncertain => Next::LookAgain,
                Decision::KeepWatching => Next::Watch,
                Decision::Succeed => {
                    Next::End(self.succeeded(&phase, &verdicts, &looks, now).await)
                }
                Decision::Fail { service } | Decision::Late { service } => {
                    let why_not = why_not_rolled_back(&phase, self.spec.rollback);
                    let failed = self.failed(&phase, service, &verdicts, &looks, why_not);
                    Next::End(failed.await)
                }
                Decision::FollowRollback { service } => {
                    let cause = self
                        .cause(&phase, service, &verdicts[service], &looks[service])
                        .await;
                    phase = rolling_back(phase, service, Owner::Ecs, cause, now);
                    Next::Watch
                }
                Decision::RollBack { service } => {
                    let cause = self
                        .cause(&phase, service, &verdicts[service], &looks[service])
                        .await;
                    let rollout = &phase.services()[service];
                    match self
                        .go_back(service, rollout, &looks[service], phase.started())
                        .await
                    {
                        GoneBack::Asked => {
                            self.asked.push(service);
                            phase = rolling_back(phase, service, Owner::Job, cause, now);
                            Next::Watch
                        }
                        // Not handed back: the next invocation would begin to count anew.
                        GoneBack::LookAgain => Next::LookAgain,
                        GoneBack::Not(why) if is_alone(&phase, service) => {
                            Next::End(self.failed(&phase, service, &verdicts, &looks, &why).await)
                        }
                        GoneBack::Not(why) => {
                            // The others can still be taken back; and this one, if it was only
                            // complete before it could be stopped.
                            let cause = if matches!(phase, Phase::RollingBack { .. }) {
                                self.asked.push(service);
                                cause
                            } else {
                                let why = why.trim_end_matches('.');
                                format!("{cause} (and it could not be taken back: {why})")
                            };
                            self.given_up.insert(service, why);
                            phase = rolling_back(phase, service, Owner::Job, cause, now);
                            Next::LookAgain
                        }
                    }
                }
                Decision::TakeBack { services } => self.take_back(&phase, &services, &looks).await,
            };
            let next_look = now + LOOK_INTERVAL;
            let outcome = match next {
                Next::End(outcome) => Some(outcome),
                Next::LookAgain => None,
                Next::Watch => {
                    self.reached.set(Stage::At(self.left_off(&phase)));
                    (next_look > until).then(|| self.handed_back(&phase, &verdicts, now))
                }
            };
            if let Some(outcome) = outcome {
                let keeping = self.keep_record(&phase, &verdicts, &looks, outcome, now);
                let outcome = Box::pin(keeping).await;
                return Report {
                    services: report::services_of(self.spec, &phase),
                    ..Report::of(outcome)
                };
            }
            self.engine.clock.sleep(LOOK_INTERVAL).await;
        }
    }

    /// A service that is gone or going in one look may be there in the next: it takes two running.
    /// Whether there is a first one among the `verdicts`.
    fn doubt(&mut self, verdicts: &mut [Verdict]) -> bool {
        let mut is_uncertain = false;
        for (place, verdict) in verdicts.iter_mut().enumerate() {
            let Verdict::Gone { status } = verdict else {
                self.gone.remove(&place);
                continue;
            };
            if self.gone.insert(place) {
                is_uncertain = true;
                *verdict = Verdict::NoNews {
                    why: format!(
                        "ECS shows the service as {status}; another look has to say the same"
                    ),
                };
            }
        }
        is_uncertain
    }

    fn decided(&self, phase: &Phase, verdicts: &[Verdict], now: Timestamp) -> Decision {
        let may_roll_back = self.spec.rollback;
        match phase {
            // Its task has its own way of being followed.
            Phase::PreDeploy { .. } => Decision::KeepWatching,
            Phase::RollingOut { started, .. } => {
                let deadline = *started + self.spec.timeout;
                decide::during_rollout(verdicts, may_roll_back, deadline, now)
            }
            Phase::RollingBack {
                since,
                failed,
                owner,
                ..
            } => {
                let given_up: Vec<usize> = self.given_up.keys().copied().collect();
                let way = decide::WayBack {
                    failed: *failed,
                    owner: *owner,
                    since: *since,
                    asked: &self.asked,
                    given_up: &given_up,
                };
                decide::during_rollback(verdicts, &way, may_roll_back, now)
            }
        }
    }

    /// Takes back services that did not fail themselves, all at this look.
    async fn take_back(&mut self, phase: &Phase, services: &[usize], looks: &[Look]) -> Next {
        let mut next = Next::Watch;
        for place in services {
            let rollout = &phase.services()[*place];
            match self
                .go_back(*place, rollout, &looks[*place], phase.started())
                .await
            {
                GoneBack::Asked => self.asked.push(*place),
                GoneBack::LookAgain => next = Next::LookAgain,
                GoneBack::Not(why) => {
                    self.given_up.insert(*place, why);
                    next = Next::LookAgain;
                }
            }
        }
        next
    }

    /// Keeps what was seen for the record.
    fn note(&mut self, phase: &Phase, looks: &[Look], verdicts: &[Verdict], now: Timestamp) {
        let at = now.since(phase.started()).as_secs();
        let services = phase.services().iter().zip(looks).zip(verdicts);
        for (timeline, ((ours, look), verdict)) in self.timelines.iter_mut().zip(services) {
            if !matches!(verdict, Verdict::Untouched)
                && let Some(progress) = progress_in(ours, look)
            {
                timeline.add(at, &progress);
            }
        }
    }

    async fn look_at_all(&mut self, phase: &mut Phase) -> Vec<Look> {
        let spec = self.spec;
        let mut just_seen = std::mem::take(&mut self.just_seen);
        let this = &*self;
        let services = spec.targets.iter().zip(phase.services_mut()).enumerate();
        let looking = services.map(|(place, (target, rollout))| {
            // Without tasks its update may look complete at once: only a look of its own tells.
            let just_seen = just_seen.remove(&place).filter(|seen| seen.desired > 0);
            async move {
                match just_seen {
                    Some(service) => Ok((
                        Look::Seen {
                            service: Box::new(service),
                            service_deployment: None,
                        },
                        None,
                    )),
                    None => this.look(target, rollout).await,
                }
            }
        });
        let looked = few_at_once(looking).await;
        let mut looks = Vec::new();
        for (target, looked) in spec.targets.iter().zip(looked) {
            let look = match looked {
                Ok((look, None)) => look,
                Ok((look, Some(warning))) => {
                    self.warn(warning);
                    look
                }
                Err(error) => Look::NoNews {
                    why: self.words(&error),
                },
            };
            self.engine
                .observer
                .looked(target, &look, self.engine.clock.now());
            looks.push(look);
        }
        looks
    }

    /// One look at a service. Records our service deployment once it is known for certain.
    async fn look(
        &self,
        target: &Target,
        rollout: &mut ServiceRollout,
    ) -> Result<(Look, Option<String>), CallError> {
        let Some(service) = self.ecs.describe_service(target).await? else {
            return Ok((Look::Missing, None));
        };
        let mut warning = None;
        let asked = if rollout.is_touched() {
            self.own_service_deployment(target, rollout, &service).await
        } else {
            Ok(None)
        };
        let service_deployment = match asked {
            Ok(found) => found,
            Err(error) if !error.may_pass() && service.seen.is_told_by_rollout_state() => {
                warning = Some(format!(
                    "judged by rolloutState alone, because service deployments cannot be seen: {}",
                    self.words(&error)
                ));
                None
            }
            Err(error) => return Err(error),
        };
        let look = Look::Seen {
            service: Box::new(service.seen),
            service_deployment: service_deployment.map(Box::new),
        };
        Ok((look, warning))
    }

    async fn own_service_deployment(
        &self,
        target: &Target,
        rollout: &mut ServiceRollout,
        service: &ServiceDescribed,
    ) -> Result<Option<ServiceDeploymentSeen>, CallError> {
        let own = rollout.revision.arn_beside(&service.seen.task_definition);
        if !rollout.deployment.starts_with(DEPLOYMENT_PREFIX)
            && let Some(deployment) = own_deployment(&service.seen, &own)
        {
            // UpdateService's answer did not name it yet.
            rollout.deployment.clone_from(&deployment.id);
        }
        let (arn, brings) = match &rollout.service_deployment {
            Some(id) => (
                self.service_deployment_called(target, id, service).await?,
                None,
            ),
            None => self
                .deployed_before(target, &own)
                .await?
                .map_or((None, None), |found| {
                    (Some(found.arn), found.target_revision)
                }),
        };
        let Some(arn) = arn else {
            return Ok(None);
        };
        let Some(described) = self.ecs.describe_service_deployment(&arn).await? else {
            return Ok(None);
        };
        let mut seen = described.seen;
        // What was listed of it and what it says of itself must agree.
        let is_another = brings.is_some() && brings != described.target_revision;
        if is_another || is_from_before(rollout, &service.seen, &seen) {
            rollout.service_deployment = None;
            return Ok(None);
        }
        rollout.service_deployment = Some(seen.id.clone());
        // It was found by the revision that it brings, now or in an earlier invocation.
        seen.task_definition = Some(own);
        if let Some(revision) = described.rollback_revision {
            // What is not told leaves it to the status.
            let known = self.ecs.task_definitions_of(&[revision]).await;
            seen.rollback_to = known
                .ok()
                .and_then(|known| Some(known.into_iter().next()?.1));
        }
        Ok(Some(seen))
    }

    fn looked_up(&self) -> MutexGuard<'_, BTreeSet<String>> {
        let known = self.service_deployments.lock();
        known.unwrap_or_else(PoisonError::into_inner)
    }

    /// The ARN of the service deployment with this `id`, as ECS gives it: from the service itself, or
    /// from the listing, once in an invocation.
    async fn service_deployment_called(
        &self,
        target: &Target,
        id: &str,
        service: &ServiceDescribed,
    ) -> Result<Option<String>, CallError> {
        let is_it = |arn: &str| text::last_part(arn) == id;
        if let Some(current) = service.current_service_deployment.as_deref()
            && is_it(current)
        {
            return Ok(Some(current.to_owned()));
        }
        let known = self.looked_up().iter().find(|arn| is_it(arn)).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let listed = self
            .ecs
            .newest_service_deployments(target, NEWEST_SERVICE_DEPLOYMENTS)
            .await?;
        let found = listed.into_iter().map(|one| one.arn).find(|arn| is_it(arn));
        self.looked_up().extend(found.clone());
        Ok(found)
    }

    pub(super) fn handed_back(
        &self,
        phase: &Phase,
        verdicts: &[Verdict],
        now: Timestamp,
    ) -> Outcome {
        in_progress(self.spec, &self.left_off(phase), verdicts, now).unwrap_or_else(|failure| {
            Outcome::Failed {
                failure,
                external_execution_id: phase.external_id(),
            }
        })
    }

    async fn succeeded(
        &mut self,
        phase: &Phase,
        verdicts: &[Verdict],
        looks: &[Look],
        now: Timestamp,
    ) -> Outcome {
        let scheduled = if self.spec.scheduled_tasks {
            match self.point_schedules(phase).await {
                Ok(pointed) => Some(pointed),
                Err(failure) => {
                    return Outcome::Failed {
                        failure,
                        external_execution_id: phase.external_id(),
                    };
                }
            }
        } else {
            None
        };
        let mut messages = Vec::new();
        let mut of_services = Vec::new();
        for (index, rollout) in phase.services().iter().enumerate() {
            let target = &self.spec.targets[index];
            let (desired, running) = match verdicts[index] {
                Verdict::Serving { desired, running } => (desired, running),
                _ => (0, 0),
            };
            let took = now.since(phase.started());
            messages.push(report::success_message(
                target,
                rollout,
                (running, desired),
                took,
            ));
            let service = seen_in(&looks[index]);
            of_services.push(self.variables(target, rollout, service).await);
        }
        let (variables, left_out) = variables::output(&of_services);
        for warning in left_out {
            self.warn(warning);
        }
        if let Some(scheduled) = scheduled {
            messages.push(format!(
                "{} on a schedule now {} the new revision.",
                text::counted(scheduled, "target"),
                if scheduled == 1 { "runs" } else { "run" }
            ));
        }
        if let Some(keep) = self.spec.keep_revisions {
            let rollouts = phase.services().iter();
            let serving = phase.services().iter();
            self.cleanup.prune = Some(Prune {
                keep,
                families: text::once(serving.map(|one| one.revision.family().to_owned())),
                needed: rollouts
                    .flat_map(|one| [one.revision.clone(), one.previous.clone()])
                    .collect(),
            });
        }
        Outcome::Succeeded {
            message: messages.join(" "),
            variables,
            external_execution_id: phase.external_id(),
        }
    }

    /// The output variables of one service. An image that cannot be asked any more costs its
    /// variable, not the success.
    async fn variables<'t>(
        &mut self,
        target: &'t Target,
        rollout: &ServiceRollout,
        service: Option<&ServiceSeen>,
    ) -> variables::OfService<'t> {
        let neighbour = service.map_or("", |service| service.task_definition.as_str());
        let own = rollout.revision.arn_beside(neighbour);
        let mut facts = vec![
            ("ClusterName", target.cluster_name().to_owned()),
            ("ServiceName", target.service_name().to_owned()),
            ("TaskDefinitionArn", own.clone()),
            ("DeploymentId", rollout.deployment.clone()),
        ];
        if rollout.previous == rollout.revision {
            self.warn(format!(
                "{target}: PreviousTaskDefinitionArn is not set, because ECS does not show any more what ran before"
            ));
        } else {
            facts.push((
                "PreviousTaskDefinitionArn",
                rollout.previous.arn_beside(neighbour),
            ));
        }
        let images = match self.ecs.describe_task_definition(&own).await {
            Ok(described) => described.images(),
            Err(error) => {
                self.warn(format!(
                    "the variables Image-… are not set: {}",
                    self.words(&error)
                ));
                Vec::new()
            }
        };
        variables::OfService {
            target,
            facts,
            images,
        }
    }

    /// Why `service` failed, as the headline says it. Once known it stays.
    async fn cause(
        &mut self,
        phase: &Phase,
        service: usize,
        verdict: &Verdict,
        look: &Look,
    ) -> String {
        if let Phase::RollingBack { cause, failed, .. } = phase
            && *failed == service
            && !cause.is_empty()
        {
            return cause.clone();
        }
        match verdict {
            // Nobody failed: it was replaced, or there is nothing left to ask.
            Verdict::Replaced { .. }
            | Verdict::Gone { .. }
            | Verdict::NoNews { .. }
            | Verdict::Untouched => String::new(),
            _ => {
                let rollout = &phase.services()[service];
                let evidence = self.evidence(service, rollout, look, phase.started()).await;
                let limit = spoken(self.spec.timeout);
                if is_late(verdict) {
                    failure::late_cause(&limit, verdict, &evidence)
                } else {
                    let is_over = self.now() >= phase.started() + self.spec.timeout;
                    failure::cause_seen(verdict, is_over.then_some(&*limit), &evidence)
                }
            }
        }
    }

    async fn failed(
        &mut self,
        phase: &Phase,
        service: usize,
        verdicts: &[Verdict],
        looks: &[Look],
        not_rolled_back: &str,
    ) -> Outcome {
        let (verdict, look) = (&verdicts[service], &looks[service]);
        let cause = self.cause(phase, service, verdict, look).await;
        let target = &self.spec.targets[service];
        let rollout = &phase.services()[service];
        let evidence = match verdict {
            Verdict::Gone { .. } | Verdict::NoNews { .. } | Verdict::Untouched => {
                Evidence::default()
            }
            Verdict::Replaced { .. } if cause.is_empty() => Evidence::default(),
            _ => self.evidence(service, rollout, look, phase.started()).await,
        };
        let others = self.others(phase, service, verdicts, looks, not_rolled_back);
        let failed = Failed {
            target: &target.to_string(),
            revision: &rollout.revision,
            cause: &cause,
            verdict,
            service: seen_in(look),
            not_rolled_back: self
                .given_up
                .get(&service)
                .map_or(not_rolled_back, String::as_str),
            given_up: self.given_up.get(&service).map(String::as_str),
            overwritten: &failure::overwritten(rollout),
            others: &others,
            evidence: &evidence,
        };
        let is_rolling_out = matches!(phase, Phase::RollingOut { .. });
        let failure = if is_rolling_out && is_late(verdict) {
            failure::of_late(failed, &spoken(self.spec.timeout))
        } else {
            failure::of_rollout(failed)
        };
        Outcome::Failed {
            failure: self.after_task(failure),
            external_execution_id: phase.external_id(),
        }
    }

    /// A sentence on each service but `failed`.
    fn others(
        &self,
        phase: &Phase,
        failed: usize,
        verdicts: &[Verdict],
        looks: &[Look],
        why_not: &str,
    ) -> Vec<String> {
        let places = (0..phase.services().len()).filter(|place| *place != failed);
        places
            .map(|place| {
                let why_not = self.given_up.get(&place).map_or(why_not, String::as_str);
                failure::of_other(
                    &self.spec.targets[place].to_string(),
                    &phase.services()[place].revision,
                    &verdicts[place],
                    seen_in(&looks[place]),
                    why_not,
                )
            })
            .collect()
    }

    fn log(&self, phase: &Phase, verdicts: &[Verdict]) {
        for ((target, rollout), verdict) in
            self.spec.targets.iter().zip(phase.services()).zip(verdicts)
        {
            let facts = Facts::of(verdict);
            tracing::info!(
                job = self.job,
                service = target.service_name(),
                cluster = target.cluster_name(),
                phase = phase.name(),
                deployment = rollout.deployment,
                revision = %rollout.revision,
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

/// What comes after a look.
enum Next {
    /// Look again in a while; until then the invocation may end.
    Watch,
    /// Look again in a while, in this invocation.
    LookAgain,
    /// The end.
    End(Outcome),
}

/// Whether no other service was touched.
fn is_alone(phase: &Phase, service: usize) -> bool {
    let mut others = phase.services().iter().enumerate();
    !others.any(|(place, rollout)| place != service && rollout.is_touched())
}

/// Nothing failed of itself: only time ran out.
fn is_late(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::InProgress(_) | Verdict::Unknown { .. } | Verdict::NoNews { .. }
    )
}

/// Why nothing was rolled back, for those ends of a phase in which nothing was.
fn why_not_rolled_back(phase: &Phase, may_roll_back: bool) -> &'static str {
    match phase {
        _ if !may_roll_back => "Rollback is false",
        Phase::RollingBack {
            owner: Owner::Ecs, ..
        } => "ECS was to do it and has not begun",
        Phase::RollingBack {
            owner: Owner::Job, ..
        } => "it was asked for and has not begun",
        Phase::PreDeploy { .. } | Phase::RollingOut { .. } => "there is nothing to put right",
    }
}

/// The phase for a service that goes back because of `cause`.
fn rolling_back(
    phase: Phase,
    failed: usize,
    owner: Owner,
    cause: String,
    since: Timestamp,
) -> Phase {
    let started = phase.started();
    match phase {
        Phase::PreDeploy { job, services, .. }
        | Phase::RollingOut { job, services, .. }
        | Phase::RollingBack { job, services, .. } => Phase::RollingBack {
            job,
            started,
            owner,
            since,
            failed,
            cause,
            services,
        },
    }
}

/// The answer that hands `phase` back to CodePipeline.
///
/// # Errors
/// The failure to answer with if it does not fit into a token.
pub(crate) fn in_progress(
    spec: &crate::deploy::spec::DeploySpec,
    left_off: &LeftOff,
    verdicts: &[Verdict],
    now: Timestamp,
) -> Result<Outcome, Failure> {
    match token::encode(left_off, &fingerprint(spec)) {
        Ok(token) => Ok(Outcome::InProgress {
            token,
            details: report::progress(spec, &left_off.phase, verdicts, now),
        }),
        Err(large) => Err(Failure::new(
            FailureKind::Job,
            format!("The deployment cannot be followed any longer: {large}."),
        )),
    }
}

pub(super) fn seen_in(look: &Look) -> Option<&ServiceSeen> {
    match look {
        Look::Seen { service, .. } => Some(service),
        Look::Missing | Look::NoNews { .. } => None,
    }
}
