//! How a deployment ends: what is still to be done and asked for its answer.

use super::Run;
use super::refused::Refused;
use super::run::{failed, hand_back};
use crate::deploy::approval;
use crate::deploy::cleanup::{Cleanup, Prune};
use crate::deploy::deployment::{Deployment, Service, Stage};
use crate::deploy::machine::End;
use crate::deploy::message::Message;
use crate::deploy::outcome::Outcome;
use crate::deploy::task::{self, TaskEnd};
use crate::deploy::text;
use crate::deploy::time::Timestamp;
use crate::deploy::variables;
use crate::deploy::words;
use crate::report::Report;

impl Run<'_> {
    /// The report of a deployment that ends.
    pub(super) async fn end(&self, deployment: Deployment, end: End) -> Report {
        let now = self.now();
        let tasks = match &end {
            End::TaskFailed(end) if matches!(deployment.stage, Stage::PreDeploy(_)) => {
                self.record_before(&deployment, end)
            }
            // Nothing was run for it.
            End::Unchanged => Vec::new(),
            End::TaskFailed(_)
            | End::Succeeded
            | End::RolledBackAsAsked(_)
            | End::ReplacedSince(_)
            | End::TooLateToRollBack(_)
            | End::Failed { .. } => self.task_records(&deployment, now),
        };
        let (outcome, cleanup) = match end {
            End::TaskFailed(end) => self.task_failed(&deployment, &end, now).await,
            End::Succeeded => self.succeeded(&deployment, false, now).await,
            End::RolledBackAsAsked(place) => self.rolled_back(&deployment, place).await,
            End::ReplacedSince(place) => {
                let failure = words::replaced_since(&deployment.services[place]);
                (failed(&deployment, failure), Cleanup::default())
            }
            End::TooLateToRollBack(place) => {
                let failure = words::too_late_to_roll_back(&deployment.services[place]);
                (failed(&deployment, failure), Cleanup::default())
            }
            End::Unchanged => self.succeeded(&deployment, true, now).await,
            End::Failed { service, is_late } => {
                let limit = self.message_limit();
                let failure =
                    words::failed_within(limit, &deployment, service, is_late, self.spec, now);
                let failure = self.after_task(failure);
                (failed(&deployment, failure), Cleanup::default())
            }
        };
        let keeping = self.keep_record(&deployment, outcome, cleanup, tasks, now);
        let (outcome, cleanup) = Box::pin(keeping).await;
        Report::on(&deployment, outcome, cleanup)
    }

    /// The report of a deployment whose task has succeeded, and whose services could not be set after it.
    pub(super) async fn end_unset(&self, deployment: &Deployment, refused: Refused) -> Report {
        let tasks = self.record_before(deployment, &TaskEnd::Blocked(refused.failure.clone()));
        let outcome = failed(deployment, refused.failure);
        // The record would say that no service was touched.
        if refused.may_be_set {
            return Report::on(deployment, outcome, refused.cleanup);
        }
        let now = self.now();
        let keeping = self.keep_record(deployment, outcome, refused.cleanup, tasks, now);
        let (outcome, cleanup) = Box::pin(keeping).await;
        Report::on(deployment, outcome, cleanup)
    }

    async fn task_failed(
        &self,
        deployment: &Deployment,
        end: &TaskEnd,
        now: Timestamp,
    ) -> (Outcome, Cleanup) {
        let evidence = match &deployment.stage {
            Stage::PreDeploy(task) => task.live.evidence.as_ref(),
            Stage::PostDeploy(_) => {
                let failure = task::not_judged(self.spec, end, &deployment.revisions_listed());
                let failure = self.after_task(failure);
                return (failed(deployment, failure), Cleanup::default());
            }
            Stage::RollingOut | Stage::RollingBack(_) => {
                return (hand_back(deployment, self.spec, now), Cleanup::default());
            }
        };
        let unused = if end.leaves_revisions_unused() {
            self.unused_revisions(deployment).await
        } else {
            Vec::new()
        };
        let failure = task::failed_within(self.message_limit(), self.spec, end, evidence);
        let cleanup = Cleanup {
            unused,
            ..Cleanup::default()
        };
        (failed(deployment, failure), cleanup)
    }

    async fn succeeded(
        &self,
        deployment: &Deployment,
        is_unchanged: bool,
        now: Timestamp,
    ) -> (Outcome, Cleanup) {
        // What waits at a hook does not serve yet: the action that continues it does the rest.
        let is_paused = approval::is_paused(deployment);
        let scheduled = if self.spec.scheduled_tasks && !is_paused {
            match Box::pin(self.point_schedules(deployment)).await {
                Ok(pointed) => Some(pointed),
                Err(failure) => return (failed(deployment, failure), Cleanup::default()),
            }
        } else {
            None
        };
        let took = now.since(deployment.started);
        let services = deployment.services.iter();
        let messages: Vec<Message> = services
            .map(|one| {
                if is_unchanged {
                    words::unchanged(one)
                } else {
                    words::success(one, self.spec, took)
                }
            })
            .collect();
        let mut of_services = Vec::new();
        for service in &deployment.services {
            of_services.push(self.variables(service, is_unchanged).await);
        }
        let (variables, left_out) = variables::output(&of_services);
        for warning in left_out {
            self.warn(warning);
        }
        let mut message = Message::of(messages.iter().flat_map(Message::sentences));
        if let (Stage::PostDeploy(_), Some(asked)) = (&deployment.stage, &self.spec.post_deploy) {
            message = message.then(format!(
                "The post-deploy task (container {}) has succeeded.",
                asked.container
            ));
        }
        if let Some(scheduled) = scheduled {
            message = message.then(format!(
                "{} on a schedule now {} the new revision.",
                text::counted(scheduled, "target"),
                if scheduled == 1 { "runs" } else { "run" }
            ));
        }
        let prune = self.spec.keep_revisions.filter(|_| !is_paused);
        let outcome = Outcome::Succeeded {
            message,
            variables,
            external_execution_id: deployment.external_id(),
        };
        let cleanup = Cleanup {
            prune: prune.map(|keep| Prune::after(deployment, keep)),
            ..Cleanup::default()
        };
        (outcome, cleanup)
    }

    /// The rollback that was asked for is complete.
    async fn rolled_back(&self, deployment: &Deployment, place: usize) -> (Outcome, Cleanup) {
        let service = &deployment.services[place];
        let serving = service.set_back();
        let of_service = self.variables(&serving, false).await;
        let (variables, left_out) = variables::output(&[of_service]);
        for warning in left_out {
            self.warn(warning);
        }
        let outcome = Outcome::Succeeded {
            message: words::rolled_back_as_asked(service).into(),
            variables,
            external_execution_id: deployment.external_id(),
        };
        (outcome, Cleanup::default())
    }

    /// The output variables of one service. An image that cannot be asked any more costs its
    /// variable, not the success.
    async fn variables<'t>(
        &self,
        service: &'t Service,
        is_unchanged: bool,
    ) -> variables::OfService<'t> {
        let target = &service.target;
        let own_arn = service.own_arn();
        let mut facts = vec![
            ("ClusterName", target.cluster_name().to_owned()),
            ("ServiceName", target.service_name().to_owned()),
            ("TaskDefinitionArn", own_arn.clone()),
        ];
        if let Some(deployment) = service.ours.deployment() {
            facts.push(("DeploymentId", deployment.to_owned()));
        }
        if let Some(arn) = &service.live.service_deployment {
            facts.push(("ServiceDeploymentArn", arn.clone()));
        }
        let held = approval::held(service, self.spec);
        if let Some(held) = held.filter(|_| service.live.is_paused) {
            let hook = held.hook.clone();
            facts.extend(hook.map(|hook| ("HookId", hook)));
            let stage = held.stage.clone();
            facts.extend(stage.map(|stage| ("LifecycleStage", stage)));
            let until = held.until.map(Timestamp::rfc3339);
            facts.extend(until.map(|until| ("HookExpiresAt", until)));
        }
        match &service.previous {
            Some(previous) => facts.push(("PreviousTaskDefinitionArn", previous.arn_like(&own_arn))),
            // This job has replaced nothing.
            None if is_unchanged => {}
            None => self.warn(format!(
                "{target}: PreviousTaskDefinitionArn is not set, because ECS does not show any more what ran before"
            )),
        }
        let images = match self.ecs.describe_task_definition(&own_arn).await {
            Ok(described) => described.images(),
            Err(error) => {
                self.warn(format!(
                    "the variables Image-… are not set: {}",
                    self.text(&error)
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
}
