//! ECS: services whose tasks come up over time, fail with a reason, trip the circuit breaker, roll
//! back, get replaced.
//!
//! From the bottom up, nothing importing what is named after it: `setup` is what a test sets up,
//! `answer` what the operations share; `placement`, `task`, `lifecycle` and `service` are what
//! `world`, the state, is made of; `fit` is what is refused of a revision, `show` the JSON that a
//! client gets. `scaling` places and stops a service's tasks, `rollout` is the course of its
//! deployments, `intervention` what others do to it, and `time` lets all that happen second by
//! second. `run` is `RunTask`, `api` every operation that a client may ask for. Everything is
//! deterministic: same calls, same times, same answers.

mod answer;
mod api;
mod fit;
mod intervention;
mod lifecycle;
mod placement;
mod rollout;
mod run;
mod scaling;
mod service;
mod setup;
mod show;
mod task;
#[cfg(test)]
mod tests;
mod time;
mod world;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::faults::Stale;
use crate::logs::Logs;
use crate::wire::ApiError;
use world::World;

pub use setup::{
    Behaviour, Controller, EarlySuccess, Intervention, LambdaHook, PauseHook, ServiceSetup,
    Strategy,
};

/// So many earlier states are kept for stale reads.
const KEPT_STATES: usize = 64;

/// ECS. Clones are the same.
#[derive(Clone)]
pub struct Ecs {
    clock: Clock,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    world: World,
    /// The state at each call and after each change, with its time, oldest first.
    by_time: VecDeque<(i64, World)>,
    /// The state before each change, oldest first.
    before_writes: VecDeque<World>,
}

impl Ecs {
    pub(crate) fn new(clock: Clock, logs: Logs) -> Self {
        let world = World::new(clock.now_ms(), logs);
        Self {
            clock,
            shared: Arc::new(Mutex::new(Shared {
                world,
                by_time: VecDeque::new(),
                before_writes: VecDeque::new(),
            })),
        }
    }

    /// The state, brought up to now.
    fn shared(&self) -> MutexGuard<'_, Shared> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.world.advance_to(self.clock.now_ms());
        shared
    }

    pub(crate) fn call(
        &self,
        operation: &str,
        request: &Value,
        stale: Option<Stale>,
    ) -> Result<Value, ApiError> {
        let mut shared = self.shared();
        let now = shared.world.now_ms();
        // Within a second nothing happens but what is called for, which is kept below.
        if shared.by_time.back().is_none_or(|(at, _)| *at < now) {
            let world = shared.world.clone();
            keep(&mut shared.by_time, (now, world));
        }
        let is_read = operation.starts_with("Describe") || operation.starts_with("List");
        if is_read {
            return match stale.and_then(|stale| shared.earlier(stale, now)) {
                Some(mut earlier) => api::call(&mut earlier, operation, request),
                None => api::call(&mut shared.world, operation, request),
            };
        }
        let before = shared.world.clone();
        let answer = api::call(&mut shared.world, operation, request);
        if answer.is_ok() {
            keep(&mut shared.before_writes, before);
            let after = shared.world.clone();
            keep(&mut shared.by_time, (now, after));
        }
        answer
    }

    /// Somebody makes a revision INACTIVE.
    pub fn deregister(&self, name: &str) {
        let request = json!({"taskDefinition": name});
        let world = &mut self.shared().world;
        // One that does not exist stays so.
        let _ = api::call(world, "DeregisterTaskDefinition", &request);
    }

    /// A cluster without services.
    pub fn create_cluster(&self, name: &str) {
        self.shared().world.create_cluster(name);
    }

    /// Registers any JSON as a revision, unchecked, with its `tags`. Returns its ARN.
    pub fn register(&self, definition: Value) -> String {
        self.shared().world.register(definition)
    }

    /// A service that is steady: all its tasks run.
    ///
    /// # Panics
    /// If the task definition does not exist, or ECS would not take the traffic's steps.
    pub fn create_service(&self, setup: ServiceSetup) {
        self.shared().world.create_service(setup);
    }

    /// What becomes of tasks whose image contains `part`. The newest that fits counts; tasks are
    /// healthy after twenty seconds otherwise.
    pub fn image(&self, part: &str, behaviour: Behaviour) {
        self.shared().world.image(part, behaviour);
    }

    /// What becomes of tasks that are run with an override of a container's command that, joined
    /// by spaces, contains `part`: that container decides, its image does not. The newest that fits
    /// counts.
    pub fn command(&self, part: &str, behaviour: Behaviour) {
        self.shared().world.command(part, behaviour);
    }

    /// The next `times` calls of `RunTask` make no task and answer with a failure of this reason, as
    /// `RESOURCE:MEMORY`.
    pub fn no_room_for_tasks(&self, reason: &str, times: usize) {
        let reason = reason.to_owned();
        self.shared().world.no_room.push((reason, times));
    }

    /// All tasks made by `RunTask`, oldest first, as `DescribeTasks` shows them now with their tags,
    /// also those that it has forgotten.
    pub fn tasks_run(&self) -> Vec<Value> {
        self.shared().world.tasks_run()
    }

    /// A revision as it was registered, with its `tags`.
    pub fn task_definition(&self, name: &str) -> Option<Value> {
        self.shared().world.registered(name)
    }

    /// ARNs of a family's revisions, oldest first.
    pub fn revisions(&self, family: &str) -> Vec<String> {
        self.shared().world.revisions(family)
    }

    /// ARNs of a family's ACTIVE revisions, oldest first.
    pub fn active_revisions(&self, family: &str) -> Vec<String> {
        self.shared().world.active_revisions(family)
    }

    /// A service as `DescribeServices` shows it now.
    pub fn service(&self, cluster: &str, service: &str) -> Option<Value> {
        let request = json!({"cluster": cluster, "services": [service]});
        let answer = api::call(&mut self.shared().world, "DescribeServices", &request).ok()?;
        answer["services"].get(0).cloned()
    }

    /// How often a service was set to a revision by a deployment of its own: rollbacks to it do
    /// not count.
    pub fn deployments_of(&self, cluster: &str, service: &str, task_definition: &str) -> usize {
        self.shared()
            .world
            .deployments_of(cluster, service, task_definition)
    }

    /// Service deployments as they are shown now, newest first.
    pub fn service_deployments(&self, cluster: &str, service: &str) -> Vec<Value> {
        self.shared()
            .world
            .shown_service_deployments(cluster, service)
    }

    /// Somebody does something to a service now.
    pub fn intervene(&self, cluster: &str, service: &str, intervention: &Intervention) {
        self.shared()
            .world
            .intervene(cluster, service, intervention);
    }

    /// Somebody does something to a service so long after now.
    pub fn schedule(
        &self,
        cluster: &str,
        service: &str,
        after: Duration,
        intervention: Intervention,
    ) {
        self.shared()
            .world
            .schedule(cluster, service, after, intervention);
    }

    /// Somebody does something to a service so long after the next update of its task definition
    /// through the API.
    pub fn on_update(
        &self,
        cluster: &str,
        service: &str,
        after: Duration,
        intervention: Intervention,
    ) {
        self.shared()
            .world
            .on_update(cluster, service, after, intervention);
    }

    /// Whether the APIs of service deployments know any; `false` plays a Region without them.
    pub fn set_service_deployments_known(&self, are_known: bool) {
        self.shared().world.service_deployments_known = are_known;
    }
}

impl Shared {
    fn earlier(&self, stale: Stale, now: i64) -> Option<World> {
        match stale {
            Stale::WritesBehind(writes) => {
                let place = self.before_writes.len().checked_sub(writes)?;
                self.before_writes.get(place).cloned()
            }
            Stale::Lag(lag) => {
                let until = now - i64::try_from(lag.as_millis()).unwrap_or(i64::MAX);
                let kept = self.by_time.iter().rev();
                let mut old = kept.filter(|(at, _)| *at <= until);
                old.next().map(|(_, world)| world.clone())
            }
        }
    }
}

fn keep<T>(states: &mut VecDeque<T>, state: T) {
    states.push_back(state);
    if states.len() > KEPT_STATES {
        states.pop_front();
    }
}
