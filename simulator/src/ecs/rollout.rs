//! How a service goes on, second by second.

use serde_json::Value;

use super::run::{Placement, Run};
use super::world::{
    Deployment, SECOND_MS, SIGTERM, Service, ServiceDeployment, Stage, Task, World,
};
use super::{Behaviour, ServiceSetup, Strategy};
use crate::arn::{arn, last_part};

/// Old tasks take this long to stop; longer behind a load balancer.
const DRAIN_SECONDS: i64 = 5;
const LOAD_BALANCER_DRAIN_SECONDS: i64 = 30;

/// A task that cannot start takes this long to fail.
const FAIL_SECONDS: i64 = 10;
/// A task that will crash runs after this long.
const CRASH_START_SECONDS: i64 = 5;
/// A load balancer gives up on a task after this long.
const HEALTH_SECONDS: i64 = 40;

/// Traffic takes this long to shift.
const SHIFT_SECONDS: i64 = 5;

/// A task counts as started for good when it has run this long.
const SETTLE_SECONDS: i64 = 10;

/// Why a task stops that somebody stopped.
pub(super) const USER_INITIATED: &str = "UserInitiated";

/// ECS shows stopped tasks for an hour.
const STOPPED_SHOWN_MS: i64 = 3600 * SECOND_MS;

/// Breaker: half of the desired count, at least 3, at most 200
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>).
fn threshold(desired: i64) -> i64 {
    ((desired + 1) / 2).clamp(3, 200)
}

impl World {
    /// Lets everything happen that happens until `now`.
    pub(super) fn advance_to(&mut self, now: i64) {
        while self.now + SECOND_MS <= now {
            self.now += SECOND_MS;
            self.carry_out_scheduled();
            for place in 0..self.services.len() {
                self.second_of_service(place);
            }
            self.second_of_other_tasks();
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
            // Whatever was under way is over: another one has taken its place.
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
            triggered: Vec::new(),
            is_frozen: false,
            failures: 0,
            threshold: threshold(service.desired),
        });
        Some(new)
    }

    /// Starts one task of a deployment.
    pub(super) fn place_task(&mut self, place: usize, deployment: &str) {
        let service = &self.services[place];
        let Some(of) = service.deployments.iter().find(|one| one.id == deployment) else {
            return;
        };
        let task_definition = of.task_definition.clone();
        let (cluster, name) = (service.setup.cluster.clone(), service.setup.name.clone());
        let placement = Placement::of_service(&service.setup);
        let mut task = self.new_task(&cluster, &task_definition, placement, Run::default());
        task.service = name;
        task.deployment = deployment.to_owned();
        task.started_by = deployment.to_owned();
        self.tasks.push(task);
    }

    /// Tasks of `RunTask`.
    fn second_of_other_tasks(&mut self) {
        let now = self.now;
        let logs = self.logs.clone();
        for task in self.tasks.iter_mut().filter(|task| task.service.is_empty()) {
            task.step(now, &logs);
        }
        let is_forgotten = |task: &mut Task| {
            task.stopped_at
                .is_some_and(|stopped| now - stopped >= STOPPED_SHOWN_MS)
        };
        let gone = self.tasks.extract_if(.., is_forgotten);
        let run = gone.filter(|task| task.service.is_empty());
        self.forgotten.extend(run);
    }

    fn second_of_service(&mut self, place: usize) {
        let now = self.now;
        let logs = self.logs.clone();
        let service = &mut self.services[place];
        if service.inactive_at.is_some_and(|at| at <= now) {
            service.status = "INACTIVE".to_owned();
            service.deployments.clear();
        }
        let name = (service.setup.cluster.clone(), service.setup.name.clone());
        let own = self
            .tasks
            .iter_mut()
            .filter(|task| (&task.cluster, &task.service) == (&name.0, &name.1));
        for task in own {
            match task.step(now, &logs) {
                Some(Step::Runs) => {
                    let of = service.deployments.iter_mut();
                    for one in of.filter(|one| one.id == task.deployment) {
                        // ECS forgets failures once a task runs well.
                        if matches!(task.fate.behaviour, Behaviour::Healthy { .. }) {
                            one.failed = 0;
                        }
                    }
                }
                Some(Step::Failed) => {
                    let of = service.deployments.iter_mut();
                    for one in of.filter(|one| one.id == task.deployment) {
                        one.failed += 1;
                    }
                }
                None => {}
            }
        }
        self.place_and_stop(place);
        self.judge(place);
        self.forget_empty_deployments(place);
    }

    fn count(&self, place: usize, deployment: &str, status: &str) -> i64 {
        self.number(place, deployment, |task| {
            task.status == status && (task.is_wanted || status == "RUNNING")
        })
    }

    /// Pending and running tasks of a deployment, for the answers.
    pub(super) fn counts(&self, place: usize, deployment: &str) -> (i64, i64) {
        (
            self.count(place, deployment, "PENDING"),
            self.count(place, deployment, "RUNNING"),
        )
    }

    fn place_and_stop(&mut self, place: usize) {
        let service = &self.services[place];
        let desired = service.desired;
        let Some(primary) = service.deployments.iter().find(|one| one.is_primary) else {
            return;
        };
        let primary_id = primary.id.clone();
        let name = service.setup.name.clone();
        let (behaviour, places) = (
            self.fate_of(&primary.task_definition, &Value::Null)
                .behaviour,
            primary.places && !primary.is_frozen,
        );
        let (pending, _) = self.counts(place, &primary_id);
        let running_wanted = self.wanted_running(place, &primary_id);
        let missing = desired - pending - running_wanted;
        if places && missing > 0 {
            if behaviour == Behaviour::NoCapacity {
                let primary = self.services[place].primary_mut();
                let is_new =
                    primary.is_some_and(|one| !std::mem::replace(&mut one.told_no_capacity, true));
                if is_new {
                    self.event(place, &format!("(service {name}) was unable to place a task because no container instance met all of its requirements. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone."));
                }
            } else {
                for _ in 0..missing {
                    self.place_task(place, &primary_id);
                }
            }
        }
        if missing < 0 {
            self.stop_tasks(place, &primary_id, -missing);
        }
        self.stop_old_tasks(place, &primary_id, desired);
    }

    fn wanted_running(&self, place: usize, deployment: &str) -> i64 {
        self.number(place, deployment, |task| {
            task.status == "RUNNING" && task.is_wanted
        })
    }

    /// Running for so long that ECS counts on them.
    fn settled(&self, place: usize, deployment: &str) -> i64 {
        let now = self.now;
        self.number(place, deployment, |task| {
            task.status == "RUNNING"
                && task.is_wanted
                && task.fate.behaviour != Behaviour::FailsHealthCheck
                && task
                    .running_since
                    .is_some_and(|since| now - since >= SETTLE_SECONDS * SECOND_MS)
        })
    }

    fn number(&self, place: usize, deployment: &str, of: impl Fn(&Task) -> bool) -> i64 {
        let setup = &self.services[place].setup;
        let tasks = self.tasks.iter().filter(|task| {
            task.cluster == setup.cluster
                && task.service == setup.name
                && task.deployment == deployment
                && of(task)
        });
        i64::try_from(tasks.count()).unwrap_or(i64::MAX)
    }

    /// Old tasks go as new ones run; in blue/green and its kin only when it cleans up.
    fn stop_old_tasks(&mut self, place: usize, primary: &str, desired: i64) {
        let service = &self.services[place];
        let Some(of) = service.deployments.iter().find(|one| one.is_primary) else {
            return;
        };
        let cleans_up = of
            .stages
            .first()
            .is_none_or(|stage| stage.name == "CLEAN_UP");
        let old: Vec<String> = service
            .deployments
            .iter()
            .filter(|one| !one.is_primary)
            .map(|one| one.id.clone())
            .collect();
        let may_stop = service.is_rolling() || cleans_up || of.is_rollback;
        // A frozen one is for ever at the point where it stands.
        if of.is_frozen && of.rollout_state != "COMPLETED" {
            return;
        }
        let running_new = self.settled(place, primary);
        for id in old {
            let (pending, _) = self.counts(place, &id);
            if pending > 0 {
                self.stop_pending(place, &id);
            }
            if may_stop {
                let running_old = self.wanted_running(place, &id);
                let still_needed = (desired - running_new).max(0);
                self.stop_tasks(place, &id, running_old - still_needed);
            }
        }
    }

    fn stop_tasks(&mut self, place: usize, deployment: &str, number: i64) {
        let setup = &self.services[place].setup;
        let drain = if setup.load_balancer {
            LOAD_BALANCER_DRAIN_SECONDS
        } else {
            DRAIN_SECONDS
        };
        let number = usize::try_from(number).unwrap_or(0);
        let now = self.now;
        let running = self.tasks.iter_mut().filter(|task| {
            task.cluster == setup.cluster
                && task.service == setup.name
                && task.deployment == deployment
                && task.status == "RUNNING"
                && task.is_wanted
        });
        for task in running.take(number) {
            task.scale_in(now + drain * SECOND_MS);
        }
    }

    fn stop_pending(&mut self, place: usize, deployment: &str) {
        let setup = &self.services[place].setup;
        let now = self.now;
        let pending = self.tasks.iter_mut().filter(|task| {
            task.cluster == setup.cluster
                && task.service == setup.name
                && task.deployment == deployment
                && task.status == "PENDING"
                && task.is_wanted
        });
        for task in pending {
            task.scale_in(now + SECOND_MS);
        }
    }

    pub(super) fn event(&mut self, place: usize, words: &str) {
        let id = format!("00000000-0000-4000-9000-{:012x}", self.next_id());
        let now = self.now;
        self.services[place]
            .events
            .insert(0, (id, now, words.to_owned()));
    }

    /// Whether the PRIMARY deployment has failed, goes on, or is complete.
    fn judge(&mut self, place: usize) {
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
        let hook = service.setup.pause_hook.clone().filter(|_| !is_rollback);
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
        if let Some(hook) = hook.filter(|hook| hook.stage == stage.name)
            && let Some(current) = self.service_deployment_mut(place, arn.as_deref())
            && !current.hook_is_done
        {
            let timeout = i64::from(hook.timeout_minutes) * 60 * SECOND_MS;
            let until = *current.held_until.get_or_insert(now + timeout);
            if now >= until {
                self.roll_back(place, "A lifecycle hook timed out.");
            }
            return;
        }
        let is_over = match stage.name {
            "SCALE_UP" => running_new >= desired,
            "CLEAN_UP" => !others_run && started,
            _ => now - since >= stage.seconds * SECOND_MS,
        };
        if !is_over {
            return;
        }
        let Some(primary) = self.services[place].primary_mut() else {
            return;
        };
        primary.stages.remove(0);
        primary.stage_since = now;
        primary.updated_at = now;
        let bakes = primary
            .stages
            .first()
            .is_some_and(|next| next.name == "BAKE_TIME");
        if bakes {
            // As deployments[] may show it: only the service deployment tells that it is not over.
            primary.rollout_state = "COMPLETED".to_owned();
        }
        if primary.stages.is_empty() {
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
        let words = "ECS deployment circuit breaker: tasks failed to start.";
        let now = self.now;
        let name = self.services[place].setup.name.clone();
        let Some(primary) = self.services[place].primary_mut() else {
            return;
        };
        primary.rollout_state = "FAILED".to_owned();
        words.clone_into(&mut primary.reason);
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
            self.roll_back(place, words);
            return;
        }
        if let Some(primary) = self.services[place].primary_mut() {
            primary.stages.clear();
        }
        if let Some(current) = self.service_deployment_mut(place, arn.as_deref()) {
            current.status = "STOPPED".to_owned();
            words.clone_into(&mut current.reason);
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
        let words = format!("ECS deployment failed: alarm {name} in ALARM state.");
        primary.rollout_state = "FAILED".to_owned();
        primary.reason.clone_from(&words);
        let arn = primary.service_deployment.clone();
        if let Some(current) = self.service_deployment_mut(place, arn.as_deref()) {
            current.triggered.push(name.to_owned());
        }
        if rolls_back {
            self.roll_back(place, &words);
        }
    }

    /// Goes back to what the newest completed deployment before the PRIMARY one brought.
    pub(super) fn roll_back(&mut self, place: usize, words: &str) {
        let now = self.now;
        let Some(primary) = self.services[place].primary_mut() else {
            return;
        };
        if primary.is_rollback || primary.stages.is_empty() {
            return;
        }
        if primary.rollout_state != "FAILED" {
            primary.rollout_state = "FAILED".to_owned();
            words.clone_into(&mut primary.reason);
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
            current.rollback_reason = Some(words.to_owned());
            current.updated_at = now;
            current.held_until = None;
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

    pub(super) fn service_deployment_mut(
        &mut self,
        place: usize,
        arn: Option<&str>,
    ) -> Option<&mut ServiceDeployment> {
        let all = self.services[place].service_deployments.iter_mut();
        all.into_iter()
            .find(|one| Some(one.arn.as_str()) == arn && !one.is_frozen)
    }

    fn forget_empty_deployments(&mut self, place: usize) {
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

/// The lifecycle of a deployment
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html>).
fn stages_of(setup: &ServiceSetup) -> Vec<Stage> {
    let stage = |name, seconds, weight| Stage {
        name,
        seconds,
        weight,
    };
    let bake = stage("BAKE_TIME", i64::from(setup.bake_minutes) * 60, 100.0);
    let mut stages = vec![stage("SCALE_UP", 0, 0.0)];
    if setup.strategy == Strategy::Rolling {
        if setup.bake_minutes > 0 {
            stages.push(bake);
        }
        stages.push(stage("CLEAN_UP", 0, 100.0));
        return stages;
    }
    stages.push(stage("POST_SCALE_UP", 5, 0.0));
    stages.push(stage("TEST_TRAFFIC_SHIFT", 5, 0.0));
    stages.push(stage("POST_TEST_TRAFFIC_SHIFT", 5, 0.0));
    // Percent, and for how many seconds before the next.
    let steps = match (setup.strategy, setup.linear, setup.canary) {
        (Strategy::Linear, Some((percent, minutes)), _) => {
            let seconds = SHIFT_SECONDS + i64::from(minutes) * 60;
            let weights = std::iter::successors(Some(percent), |weight| {
                // ECS counts in tenths of a percent.
                Some(((weight + percent) * 10.0).round() / 10.0)
            });
            let below = weights.take_while(|weight| *weight < 100.0);
            below.map(|weight| (seconds, weight)).collect()
        }
        (Strategy::Linear, None, _) => vec![(30, 25.0), (30, 50.0), (30, 75.0)],
        (Strategy::Canary, _, Some((percent, minutes))) => {
            vec![(SHIFT_SECONDS + i64::from(minutes) * 60, percent)]
        }
        (Strategy::Canary, _, None) => vec![(60, 10.0)],
        (Strategy::BlueGreen | Strategy::Rolling, _, _) => Vec::new(),
    };
    // Nothing is waited for after the last.
    for (seconds, weight) in steps.into_iter().chain([(SHIFT_SECONDS, 100.0)]) {
        stages.push(stage("PRODUCTION_TRAFFIC_SHIFT", seconds, weight));
    }
    stages.push(stage("POST_PRODUCTION_TRAFFIC_SHIFT", 5, 100.0));
    stages.push(bake);
    stages.push(stage("CLEAN_UP", 0, 100.0));
    stages
}

/// Seconds until something first happens to a task, if ever.
pub(super) fn first_step(behaviour: &Behaviour) -> Option<i64> {
    match behaviour {
        Behaviour::Healthy { start_seconds } => Some(i64::from(*start_seconds)),
        Behaviour::CannotPull | Behaviour::WrongArchitecture | Behaviour::SecretUnreadable => {
            Some(FAIL_SECONDS)
        }
        Behaviour::Crash { .. } | Behaviour::OutOfMemory | Behaviour::FailsHealthCheck => {
            Some(CRASH_START_SECONDS)
        }
        Behaviour::NoCapacity | Behaviour::StuckPending => None,
    }
}

/// What a second brought a task that its deployment has to know.
pub(super) enum Step {
    Runs,
    Failed,
}

impl Task {
    fn step(&mut self, now: i64, logs: &crate::logs::Logs) -> Option<Step> {
        if self.status == "STOPPED" || self.next_at.is_none_or(|at| now < at) {
            return None;
        }
        self.next_at = None;
        if !self.is_wanted {
            self.stop(now, self.stop_code, "");
            let has_run = self.running_since.is_some();
            if has_run && self.exit_code.is_none() && self.container_reason.is_none() {
                self.exit_code = Some(SIGTERM);
            }
            return None;
        }
        let deciding = self.fate.containers.get(self.fate.deciding);
        let image = deciding.map_or("", |container| container.image.as_str());
        if self.status == "PENDING" {
            let why = match &self.fate.behaviour {
                Behaviour::CannotPull => Some(format!(
                    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: {image}: not found"
                )),
                Behaviour::WrongArchitecture => Some(format!(
                    "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain descriptor matching platform 'linux/amd64': {image}"
                )),
                Behaviour::SecretUnreadable => Some(
                    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue"
                        .to_owned(),
                ),
                _ => None,
            };
            if let Some(why) = why {
                self.stop(now, "TaskFailedToStart", &why);
                if why.starts_with("CannotPull") {
                    self.container_reason = Some(why);
                }
                return Some(Step::Failed);
            }
            self.status = "RUNNING";
            self.running_since = Some(now);
            self.next_at = match &self.fate.behaviour {
                Behaviour::Crash { after_seconds, .. } => {
                    Some(now + i64::from(*after_seconds) * SECOND_MS)
                }
                Behaviour::OutOfMemory => Some(now + CRASH_START_SECONDS * SECOND_MS),
                Behaviour::FailsHealthCheck => Some(now + HEALTH_SECONDS * SECOND_MS),
                _ => None,
            };
            return Some(Step::Runs);
        }
        match self.fate.behaviour.clone() {
            Behaviour::Crash {
                exit_code,
                log_lines,
                ..
            } => {
                let id = last_part(&self.arn);
                let container = deciding.map_or("", |container| container.name.as_str());
                if let Some((group, prefix)) = &self.fate.log {
                    let stream = format!("{prefix}/{container}/{id}");
                    for line in &log_lines {
                        logs.append(group, &stream, now, line);
                    }
                }
                return self.container_ends(now, exit_code);
            }
            Behaviour::OutOfMemory => {
                self.container_reason =
                    Some("OutOfMemoryError: Container killed due to memory usage".to_owned());
                return self.container_ends(now, 137);
            }
            Behaviour::FailsHealthCheck => {
                let group = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/web/0123456789abcdef";
                let why = format!("Task failed ELB health checks in (target-group {group})");
                self.stop(now, "ServiceSchedulerInitiated", &why);
            }
            _ => return None,
        }
        Some(Step::Failed)
    }

    /// The container that decides has ended, and the task with it if it is essential.
    fn container_ends(&mut self, now: i64, exit_code: i64) -> Option<Step> {
        self.exit_code = Some(exit_code);
        let deciding = self.fate.containers.get(self.fate.deciding);
        if deciding.is_some_and(|container| !container.is_essential) {
            self.has_lost_container = true;
            return None;
        }
        let essential = "Essential container in task exited";
        self.stop(now, "EssentialContainerExited", essential);
        Some(Step::Failed)
    }

    fn stop(&mut self, now: i64, code: &'static str, reason: &str) {
        self.status = "STOPPED";
        self.is_wanted = false;
        self.stopped_at = Some(now);
        self.stop_code = code;
        if !reason.is_empty() {
            reason.clone_into(&mut self.stopped_reason);
        }
    }

    /// The service wants it no longer; it is gone at `at`.
    pub(super) fn scale_in(&mut self, at: i64) {
        self.is_wanted = false;
        self.next_at = Some(at);
        self.stop_code = "ServiceSchedulerInitiated";
        self.stopped_reason = format!(
            "Scaling activity initiated by (deployment {})",
            self.deployment
        );
    }

    /// Somebody has asked for its end, which comes at `at`.
    pub(super) fn stop_for_user(&mut self, at: i64, reason: &str) {
        self.is_wanted = false;
        self.next_at = Some(at);
        self.stop_code = USER_INITIATED;
        reason.clone_into(&mut self.stopped_reason);
    }
}
