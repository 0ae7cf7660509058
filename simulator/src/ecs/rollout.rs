//! The course of a service's deployments: stage by stage, to their end or back.

use super::lifecycle::stages_of;
use super::service::{Deployment, Service, ServiceDeployment};
use super::setup::{Behaviour, ServiceSetup};
use super::task::START_SECONDS;
use super::world::World;
use crate::arn::arn;
use crate::clock::SECOND_MS;

/// Breaker: half of the desired count, at least 3, at most 200
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>).
fn threshold(desired: i64) -> i64 {
    ((desired + 1) / 2).clamp(3, 200)
}

impl World {
    pub(super) fn create_service(&mut self, setup: ServiceSetup) {
        setup.check_steps();
        self.create_cluster(&setup.cluster);
        let definition = self
            .definition(&setup.task_definition)
            .expect("the service's task definition to be registered before")
            .arn();
        let place = self.services.len();
        self.services.push(Service {
            status: "ACTIVE".to_owned(),
            desired: setup.desired_count,
            task_definition: definition.clone(),
            completed: definition.clone(),
            deployments: Vec::new(),
            service_deployments: Vec::new(),
            events: Vec::new(),
            revisions: Vec::new(),
            created_at: self.now,
            inactive_at: None,
            setup,
        });
        self.begin_deployment(place, &definition, None);
        // It has been there for long.
        let now = self.now;
        let service = &mut self.services[place];
        let deployment = &mut service.deployments[0];
        deployment.rollout_state = "COMPLETED".to_owned();
        deployment.reason = format!("ECS deployment {} completed.", deployment.id);
        deployment.stages.clear();
        let id = deployment.id.clone();
        for one in &mut service.service_deployments {
            one.status = "SUCCESSFUL".to_owned();
            one.finished_at = Some(now);
        }
        for _ in 0..service.desired {
            self.place_task(place, &id);
        }
        for task in self.tasks.iter_mut().filter(|task| task.deployment == id) {
            task.status = "RUNNING";
            task.running_since = Some(task.created_at - 3600 * SECOND_MS);
            task.next_at = None;
            task.fate.behaviour = Behaviour::Healthy {
                start_seconds: START_SECONDS,
            };
        }
    }

    /// The service is set to `task_definition`: a new PRIMARY deployment. `rollback_of` is the
    /// service deployment that it takes back.
    pub(super) fn begin_deployment(
        &mut self,
        place: usize,
        task_definition: &str,
        rollback_of: Option<String>,
    ) {
        let now = self.now;
        let id = format!("ecs-svc/{}", 1_000_000_000_000_000_000 + self.next_id());
        let is_rollback = rollback_of.is_some();
        let service_deployment = match rollback_of {
            Some(arn) => Some(arn),
            None => self.begin_service_deployment(place, task_definition),
        };
        let service = &mut self.services[place];
        for other in &mut service.deployments {
            other.is_primary = false;
            other.places = false;
        }
        if !is_rollback {
            // Whatever was under way is over: another one has replaced it.
            for other in &mut service.service_deployments {
                if other.finished_at.is_none() && Some(&other.arn) != service_deployment.as_ref() {
                    other.status = "STOPPED".to_owned();
                    other.reason = "Service deployment was replaced by a newer one.".to_owned();
                    other.finished_at = Some(now);
                }
            }
        }
        let stages = if is_rollback {
            stages_of(&ServiceSetup::default())
        } else {
            stages_of(&service.setup)
        };
        task_definition.clone_into(&mut service.task_definition);
        let previous = service.completed.clone();
        service.deployments.insert(
            0,
            Deployment {
                reason: format!("ECS deployment {id} in progress."),
                id,
                is_primary: true,
                task_definition: task_definition.to_owned(),
                rollout_state: "IN_PROGRESS".to_owned(),
                created_at: now,
                updated_at: now,
                failed: 0,
                previous,
                stages,
                stage_since: now,
                places: true,
                is_frozen: false,
                service_deployment,
                is_rollback,
                told_no_capacity: false,
            },
        );
    }

    fn begin_service_deployment(&mut self, place: usize, task_definition: &str) -> Option<String> {
        let number = self.next_id();
        let now = self.now;
        let service = &mut self.services[place];
        if service.setup.classic_load_balancer {
            return None;
        }
        let path = service.path();
        let source = service.revisions.last().map(|(arn, _)| arn.clone());
        let target = arn(
            "ecs",
            "service-revision",
            &format!("{path}/{}", 9_000_000_000 + number),
        );
        service
            .revisions
            .push((target.clone(), task_definition.to_owned()));
        let new = arn(
            "ecs",
            "service-deployment",
            &format!("{path}/sd{number:020}"),
        );
        service.service_deployments.push(ServiceDeployment {
            arn: new.clone(),
            status: "PENDING".to_owned(),
            reason: String::new(),
            created_at: now,
            updated_at: now,
            finished_at: None,
            source: source.unwrap_or_default(),
            target,
            rollback_reason: None,
            rollback_to: String::new(),
            stage: None,
            weight: 0.0,
            held_until: None,
            hook_is_done: false,
            hooks_before: 0,
            hook_timed_out: false,
            function_is_over: false,
            triggered: Vec::new(),
            is_frozen: false,
            failures: 0,
            threshold: threshold(service.desired),
        });
        Some(new)
    }

    /// Whether the PRIMARY deployment has failed, goes on, or is complete.
    pub(super) fn judge(&mut self, place: usize) {
        let now = self.now;
        let service = &self.services[place];
        let Some(primary) = service.deployments.iter().find(|one| one.is_primary) else {
            return;
        };
        if primary.is_frozen || primary.stages.is_empty() {
            return;
        }
        let (id, failed) = (primary.id.clone(), primary.failed);
        let breaker = service
            .setup
            .circuit_breaker
            .filter(|_| !primary.is_rollback);
        let limit = threshold(service.desired);
        let desired = service.desired;
        let stage = primary.stages[0].clone();
        let since = primary.stage_since;
        let arn = primary.service_deployment.clone();
        let is_rollback = primary.is_rollback;
        let hook = service.setup.pause_hook_at(stage.name);
        let hook = hook.filter(|_| !is_rollback).cloned();
        let service_hook = service.setup.lambda_hook.clone().filter(|_| !is_rollback);
        let others_run = service
            .deployments
            .iter()
            .filter(|one| !one.is_primary)
            .any(|one| self.count(place, &one.id, "RUNNING") > 0);
        let running_new = self.settled(place, &id);
        let started = now - since >= 2 * SECOND_MS;

        if let Some(current) = self.service_deployment_mut(place, arn.as_deref()) {
            current.failures = failed;
            if !is_rollback && current.status == "PENDING" && started {
                current.status = "IN_PROGRESS".to_owned();
            }
            if !is_rollback {
                current.stage = Some(stage.name);
                current.weight = stage.weight;
            }
        }
        if let Some(rolls_back) = breaker
            && failed >= limit
        {
            self.breaker_trips(place, rolls_back);
            return;
        }
        if let Some(hook) = hook
            && let Some(current) = self.service_deployment_mut(place, arn.as_deref())
            && !current.hook_is_done
        {
            let timeout = i64::from(hook.timeout_minutes) * 60 * SECOND_MS;
            let until = *current.held_until.get_or_insert(now + timeout);
            if now >= until {
                current.hook_timed_out = true;
                self.roll_back(place, "A lifecycle hook timed out.");
            }
            return;
        }
        if let Some(hook) = service_hook.filter(|hook| hook.stage == stage.name && started)
            && let Some(current) = self.service_deployment_mut(place, arn.as_deref())
        {
            current.function_is_over = true;
            let group = format!("/aws/lambda/{}", hook.function);
            for line in &hook.log_lines {
                self.logs.append(&group, "2026/11/25/[$LATEST]0", now, line);
            }
            let ended = if hook.times_out {
                "timed out"
            } else {
                "failed"
            };
            self.roll_back(place, &format!("A lifecycle hook {ended}."));
            return;
        }
        let early = self.services[place]
            .setup
            .early_success
            .filter(|_| !is_rollback);
        let enough = early.map_or(desired, |early| {
            (desired * early.healthy_percent + 99) / 100
        });
        let is_deferred = early.is_some_and(|early| early.is_deferred);
        let is_over = match stage.name {
            "SCALE_UP" => running_new >= enough && started,
            "CLEAN_UP" => is_deferred || (!others_run && started),
            _ => now - since >= stage.seconds * SECOND_MS,
        };
        if is_over {
            self.begin_next_stage(place);
        }
    }

    /// The PRIMARY deployment leaves its stage, and is complete if that was the last.
    fn begin_next_stage(&mut self, place: usize) {
        let now = self.now;
        let Some(primary) = self.services[place].primary_mut() else {
            return;
        };
        primary.stages.remove(0);
        primary.stage_since = now;
        primary.updated_at = now;
        let arn = primary.service_deployment.clone();
        let bakes = primary
            .stages
            .first()
            .is_some_and(|next| next.name == "BAKE_TIME");
        if bakes {
            // As deployments[] may show it: only the service deployment tells that it is not over.
            primary.rollout_state = "COMPLETED".to_owned();
        }
        let is_over = primary.stages.is_empty();
        if let Some(current) = self.service_deployment_mut(place, arn.as_deref())
            && current.hook_is_done
        {
            current.hook_is_done = false;
            current.held_until = None;
            current.hooks_before += 1;
        }
        if is_over {
            self.complete(place);
        }
    }

    fn complete(&mut self, place: usize) {
        let now = self.now;
        let Some(primary) = self.services[place].primary_mut() else {
            return;
        };
        primary.rollout_state = "COMPLETED".to_owned();
        primary.reason = format!("ECS deployment {} completed.", primary.id);
        let brought = primary.task_definition.clone();
        let (arn, is_rollback) = (primary.service_deployment.clone(), primary.is_rollback);
        if let Some(current) = self.service_deployment_mut(place, arn.as_deref()) {
            let status = if is_rollback {
                "ROLLBACK_SUCCESSFUL"
            } else {
                "SUCCESSFUL"
            };
            current.status = status.to_owned();
            current.finished_at = Some(now);
            current.updated_at = now;
        }
        self.services[place].completed = brought;
        let name = self.services[place].setup.name.clone();
        self.event(
            place,
            &format!("(service {name}) has reached a steady state."),
        );
    }

    fn breaker_trips(&mut self, place: usize, rolls_back: bool) {
        let text = "ECS deployment circuit breaker: tasks failed to start.";
        let now = self.now;
        let name = self.services[place].setup.name.clone();
        let Some(primary) = self.services[place].primary_mut() else {
            return;
        };
        primary.rollout_state = "FAILED".to_owned();
        text.clone_into(&mut primary.reason);
        primary.places = false;
        primary.updated_at = now;
        let (id, arn) = (primary.id.clone(), primary.service_deployment.clone());
        self.event(
            place,
            &format!(
                "(service {name}) (deployment {id}) deployment failed: tasks failed to start."
            ),
        );
        if rolls_back {
            self.roll_back(place, text);
            return;
        }
        if let Some(primary) = self.services[place].primary_mut() {
            primary.stages.clear();
        }
        if let Some(current) = self.service_deployment_mut(place, arn.as_deref()) {
            current.status = "STOPPED".to_owned();
            text.clone_into(&mut current.reason);
            current.finished_at = Some(now);
        }
    }

    /// An alarm of the service goes off.
    pub(super) fn alarm(&mut self, place: usize, name: &str) {
        let Some((_, rolls_back)) = self.services[place].setup.alarms.clone() else {
            return;
        };
        let Some(primary) = self.services[place].primary_mut() else {
            return;
        };
        if primary.stages.is_empty() {
            return;
        }
        let text = format!("ECS deployment failed: alarm {name} in ALARM state.");
        primary.rollout_state = "FAILED".to_owned();
        primary.reason.clone_from(&text);
        let arn = primary.service_deployment.clone();
        if let Some(current) = self.service_deployment_mut(place, arn.as_deref()) {
            current.triggered.push(name.to_owned());
        }
        if rolls_back {
            self.roll_back(place, &text);
        }
    }

    /// Goes back to what the newest completed deployment before the PRIMARY one brought.
    pub(super) fn roll_back(&mut self, place: usize, text: &str) {
        let now = self.now;
        let Some(primary) = self.services[place].primary_mut() else {
            return;
        };
        if primary.is_rollback || primary.stages.is_empty() {
            return;
        }
        if primary.rollout_state != "FAILED" {
            primary.rollout_state = "FAILED".to_owned();
            text.clone_into(&mut primary.reason);
        }
        let (failed_id, previous) = (primary.id.clone(), primary.previous.clone());
        let arn = primary.service_deployment.clone();
        let old: Vec<String> = self.services[place]
            .deployments
            .iter()
            .filter(|one| one.id != failed_id && one.task_definition == previous)
            .map(|one| one.id.clone())
            .collect();
        let revisions = self.services[place].revisions.iter().rev();
        let mut to = revisions.filter(|(_, definition)| *definition == previous);
        let to = to.next().map(|(arn, _)| arn.clone());
        if let Some(current) = self.service_deployment_mut(place, arn.as_deref()) {
            current.status = "ROLLBACK_IN_PROGRESS".to_owned();
            current.rollback_to = to.unwrap_or_default();
            current.rollback_reason = Some(text.to_owned());
            current.updated_at = now;
            // A hook that has timed out is shown with its end.
            current.held_until = current.held_until.filter(|_| current.hook_timed_out);
        }
        let marker = arn.unwrap_or_default();
        self.begin_deployment(place, &previous, Some(marker));
        let service = &mut self.services[place];
        let name = service.setup.name.clone();
        let new = service.deployments[0].id.clone();
        service.deployments[0].reason =
            format!("ECS deployment circuit breaker: rolling back to deploymentId {new}.");
        for task in &mut self.tasks {
            // They go on, counted for the deployment that brings them back.
            if old.contains(&task.deployment) && task.is_wanted {
                task.deployment.clone_from(&new);
            }
        }
        self.event(
            place,
            &format!("(service {name}) rolling back to deployment {new}."),
        );
    }

    fn service_deployment_mut(
        &mut self,
        place: usize,
        arn: Option<&str>,
    ) -> Option<&mut ServiceDeployment> {
        let all = self.services[place].service_deployments.iter_mut();
        all.into_iter()
            .find(|one| Some(one.arn.as_str()) == arn && !one.is_frozen)
    }

    pub(super) fn forget_empty_deployments(&mut self, place: usize) {
        let empty: Vec<String> = self.services[place]
            .deployments
            .iter()
            .filter(|one| !one.is_primary && self.counts(place, &one.id) == (0, 0))
            .map(|one| one.id.clone())
            .collect();
        let service: &mut Service = &mut self.services[place];
        service.deployments.retain(|one| !empty.contains(&one.id));
    }
}
