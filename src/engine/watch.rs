//! Following a rollout: look, judge, decide, until it ends or the invocation has to.

use std::collections::BTreeMap;
use std::time::Duration;

use super::rollback::GoneBack;
use super::start::{cannot_be_asked, own_deployment};
use super::{Stage, Step, fingerprint};
use crate::aws::ecs::ServiceDescribed;
use crate::aws::error::CallError;
use crate::deploy::decide::{self, Decision, Owner};
use crate::deploy::evidence::Evidence;
use crate::deploy::failure::{self, Failed, Failure, FailureKind};
use crate::deploy::phase::{Phase, ServiceRollout};
use crate::deploy::revision::Revision;
use crate::deploy::rollout::{Look, ServiceDeploymentSeen, ServiceSeen, Verdict, verdict};
use crate::deploy::time::{Timestamp, spoken};
use crate::deploy::token::{self, DEPLOYMENT_PREFIX};
use crate::explain;
use crate::parameters::Target;
use crate::report::{self, Outcome, Report};

/// Between two looks. A failure is reported this long after ECS knows it, and ECS allows twenty
/// looks each second
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>).
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

impl Step<'_> {
    /// Watches `phase` until it ends, or until `until` has come: then it is handed back. Looks at
    /// least once.
    pub(super) async fn watch(&mut self, mut phase: Phase, until: Timestamp) -> Report {
        loop {
            let looks = self.look_at_all(&mut phase).await;
            let now = self.now();
            let verdicts: Vec<Verdict> = phase
                .services()
                .iter()
                .zip(&looks)
                .map(|(ours, look)| verdict(ours, look, phase.started(), now))
                .collect();
            self.log(&phase, &verdicts);
            let may_roll_back = self.spec.rollback;
            let decision = match &phase {
                Phase::RollingOut { started, .. } => {
                    let deadline = *started + self.spec.timeout;
                    decide::during_rollout(&verdicts, may_roll_back, deadline, now)
                }
                Phase::RollingBack {
                    since,
                    failed,
                    owner,
                    ..
                } => {
                    decide::during_rollback(&verdicts, *failed, *owner, may_roll_back, *since, now)
                }
            };
            let mut outcome = None;
            match decision {
                Decision::KeepWatching => {}
                Decision::Succeed => {
                    outcome = Some(self.succeeded(&phase, &verdicts, &looks, now).await);
                }
                Decision::Fail { service } | Decision::Late { service } => {
                    let why_not = why_not_rolled_back(&phase, may_roll_back);
                    let (verdict, look) = (&verdicts[service], &looks[service]);
                    outcome = Some(self.failed(&phase, service, verdict, look, why_not).await);
                }
                Decision::FollowRollback { service } => {
                    let cause = self
                        .cause(&phase, service, &verdicts[service], &looks[service])
                        .await;
                    phase = rolling_back(phase, service, Owner::Ecs, cause, now);
                }
                Decision::RollBack { service } => {
                    let (verdict, look) = (&verdicts[service], &looks[service]);
                    let cause = self.cause(&phase, service, verdict, look).await;
                    let target = &self.spec.targets[service];
                    match self.go_back(target, &phase.services()[service], look).await {
                        GoneBack::Asked => {
                            phase = rolling_back(phase, service, Owner::Job, cause, now);
                        }
                        GoneBack::LookAgain => {
                            // Not handed back: the next invocation would begin to count anew.
                            self.engine.clock.sleep(LOOK_INTERVAL).await;
                            continue;
                        }
                        GoneBack::Not(why) => {
                            outcome = Some(self.failed(&phase, service, verdict, look, &why).await);
                        }
                    }
                }
            }
            let next_look = now + LOOK_INTERVAL;
            let outcome = outcome.or_else(|| {
                self.reached.set(Stage::At(phase.clone()));
                (next_look > until).then(|| self.handed_back(&phase, &verdicts, now))
            });
            if let Some(outcome) = outcome {
                return Report {
                    outcome,
                    services: report::services_of(self.spec, &phase),
                    warnings: Vec::new(),
                    unused_revision: None,
                };
            }
            self.engine.clock.sleep(LOOK_INTERVAL).await;
        }
    }

    async fn look_at_all(&mut self, phase: &mut Phase) -> Vec<Look> {
        let targets = &self.spec.targets;
        let mut looks = Vec::new();
        for (target, rollout) in targets.iter().zip(phase.services_mut()) {
            let look = match self.look(target, rollout).await {
                Ok(look) => look,
                Err(error) => Look::NoNews {
                    why: explain::words(&error),
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
        &mut self,
        target: &Target,
        rollout: &mut ServiceRollout,
    ) -> Result<Look, CallError> {
        let Some(service) = self.ecs.describe_service(target).await? else {
            return Ok(Look::Missing);
        };
        let service_deployment = match self.own_service_deployment(target, rollout, &service).await
        {
            Ok(found) => found,
            Err(error) if cannot_be_asked(&error) && service.seen.is_told_by_rollout_state() => {
                self.warn(format!(
                    "judged by rolloutState alone, because service deployments cannot be seen: {}",
                    explain::words(&error)
                ));
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Look::Seen {
            service: Box::new(service.seen),
            service_deployment: service_deployment.map(Box::new),
        })
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
        let arn = if let Some(id) = &rollout.service_deployment {
            service_deployment_arn(&service.seen, id)
        } else {
            let Some(found) = self.deployed_before(target, &own).await? else {
                return Ok(None);
            };
            found.arn
        };
        let Some(described) = self.ecs.describe_service_deployment(&arn).await? else {
            return Ok(None);
        };
        let mut seen = described.seen;
        rollout.service_deployment = Some(seen.id.clone());
        // It was found by the revision that it brings, now or in an earlier invocation.
        seen.task_definition = Some(own);
        Ok(Some(seen))
    }

    fn handed_back(&self, phase: &Phase, verdicts: &[Verdict], now: Timestamp) -> Outcome {
        in_progress(self.spec, phase, verdicts, now).unwrap_or_else(|failure| Outcome::Failed {
            failure,
            external_execution_id: external_id(phase),
        })
    }

    async fn succeeded(
        &mut self,
        phase: &Phase,
        verdicts: &[Verdict],
        looks: &[Look],
        now: Timestamp,
    ) -> Outcome {
        let mut messages = Vec::new();
        let mut variables = BTreeMap::new();
        let several = self.spec.targets.len() > 1;
        for (index, rollout) in phase.services().iter().enumerate() {
            let target = &self.spec.targets[index];
            let desired = match verdicts[index] {
                Verdict::Serving { desired } => desired,
                _ => 0,
            };
            let took = now.since(phase.started());
            let set_to = seen_in(&looks[index])
                .and_then(|service| Revision::parse(&service.task_definition).ok());
            let set_to = set_to.as_ref();
            messages.push(report::success_message(
                target, rollout, set_to, desired, took,
            ));
            let of_service = self
                .variables(target, rollout, seen_in(&looks[index]))
                .await;
            for (name, value) in of_service {
                if several {
                    variables.insert(format!("{name}-{}", target.service_name()), value.clone());
                }
                if index == 0 {
                    variables.insert(name, value);
                }
            }
        }
        Outcome::Succeeded {
            message: messages.join(" "),
            variables,
            external_execution_id: external_id(phase),
        }
    }

    /// The output variables of one service. An image that cannot be asked any more costs its
    /// variable, not the success.
    async fn variables(
        &mut self,
        target: &Target,
        rollout: &ServiceRollout,
        service: Option<&ServiceSeen>,
    ) -> Vec<(String, String)> {
        let neighbour = service.map_or("", |service| service.task_definition.as_str());
        let own = rollout.revision.arn_beside(neighbour);
        let mut variables = vec![
            ("ClusterName".to_owned(), target.cluster_name().to_owned()),
            ("ServiceName".to_owned(), target.service_name().to_owned()),
            ("TaskDefinitionArn".to_owned(), own.clone()),
            ("DeploymentId".to_owned(), rollout.deployment.clone()),
        ];
        if rollout.previous == rollout.revision {
            self.warn(format!(
                "{target}: PreviousTaskDefinitionArn is not set, because ECS does not show any more what ran before"
            ));
        } else {
            variables.push((
                "PreviousTaskDefinitionArn".to_owned(),
                rollout.previous.arn_beside(neighbour),
            ));
        }
        match self.ecs.describe_task_definition(&own).await {
            Ok(described) => variables.extend(
                described
                    .images()
                    .into_iter()
                    .filter(|(_, image)| !image.is_empty())
                    .map(|(container, image)| (format!("Image-{container}"), image)),
            ),
            Err(error) => self.warn(format!(
                "the variables Image-… are not set: {}",
                explain::words(&error)
            )),
        }
        variables
    }

    /// Why `service` failed, as the headline says it. Once known it stays.
    async fn cause(
        &mut self,
        phase: &Phase,
        service: usize,
        verdict: &Verdict,
        look: &Look,
    ) -> String {
        if let Phase::RollingBack { cause, .. } = phase {
            return cause.clone();
        }
        match verdict {
            // Nobody failed: it was replaced, or there is nothing left to ask.
            Verdict::Replaced { .. } | Verdict::Gone { .. } | Verdict::NoNews { .. } => {
                String::new()
            }
            _ => {
                let target = &self.spec.targets[service];
                let rollout = &phase.services()[service];
                let evidence = self.evidence(target, rollout, look, phase.started()).await;
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
        verdict: &Verdict,
        look: &Look,
        not_rolled_back: &str,
    ) -> Outcome {
        let cause = self.cause(phase, service, verdict, look).await;
        let target = &self.spec.targets[service];
        let rollout = &phase.services()[service];
        let evidence = match verdict {
            Verdict::Gone { .. } | Verdict::NoNews { .. } => Evidence::default(),
            Verdict::Replaced { .. } if cause.is_empty() => Evidence::default(),
            _ => self.evidence(target, rollout, look, phase.started()).await,
        };
        let failed = Failed {
            target: &target.to_string(),
            revision: &rollout.revision,
            cause: &cause,
            verdict,
            service: seen_in(look),
            not_rolled_back,
            evidence: &evidence,
        };
        let is_rolling_out = matches!(phase, Phase::RollingOut { .. });
        let failure = if is_rolling_out && is_late(verdict) {
            failure::of_late(failed, &spoken(self.spec.timeout))
        } else {
            failure::of_rollout(failed)
        };
        Outcome::Failed {
            failure,
            external_execution_id: Some(rollout.deployment.clone()),
        }
    }

    fn log(&self, phase: &Phase, verdicts: &[Verdict]) {
        for ((target, rollout), verdict) in
            self.spec.targets.iter().zip(phase.services()).zip(verdicts)
        {
            tracing::info!(
                job = self.job,
                service = target.service_name(),
                phase = phase.name(),
                deployment = rollout.deployment,
                verdict = ?verdict,
                "looked"
            );
        }
    }
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
        Phase::RollingOut { .. } => "there is nothing to put right",
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
        Phase::RollingOut { job, services, .. } | Phase::RollingBack { job, services, .. } => {
            Phase::RollingBack {
                job,
                started,
                owner,
                since,
                failed,
                cause,
                services,
            }
        }
    }
}

/// The answer that hands `phase` back to CodePipeline.
///
/// # Errors
/// The failure to answer with if it does not fit into a token.
pub(crate) fn in_progress(
    spec: &crate::parameters::DeploySpec,
    phase: &Phase,
    verdicts: &[Verdict],
    now: Timestamp,
) -> Result<Outcome, Failure> {
    match token::encode(phase, &fingerprint(spec)) {
        Ok(token) => Ok(Outcome::InProgress {
            token,
            details: report::progress(spec, phase, verdicts, now),
        }),
        Err(large) => Err(Failure::new(
            FailureKind::Job,
            format!("The deployment cannot be followed any longer: {large}."),
        )),
    }
}

fn external_id(phase: &Phase) -> Option<String> {
    phase
        .services()
        .first()
        .map(|rollout| rollout.deployment.clone())
}

fn seen_in(look: &Look) -> Option<&ServiceSeen> {
    match look {
        Look::Seen { service, .. } => Some(service),
        Look::Missing | Look::NoNews { .. } => None,
    }
}

/// From the service's ARN and the last part: `…:service-deployment/cluster/service/id`
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html>).
pub(super) fn service_deployment_arn(service: &ServiceSeen, id: &str) -> String {
    format!(
        "{}/{id}",
        service.arn.replacen(":service/", ":service-deployment/", 1)
    )
}
