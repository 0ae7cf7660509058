//! ECS: services whose tasks come up over time, fail with a reason, trip the circuit breaker, roll
//! back, get replaced.
//!
//! `world` is the state, `rollout` how it goes on second by second, `api` what a client may
//! ask, `run` single tasks, `show` the JSON that it gets. Everything is deterministic: same calls, same times, same
//! answers.

mod api;
mod fit;
mod rollout;
mod run;
mod show;
#[cfg(test)]
mod tests;
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

/// What becomes of a task, told by its image or by the command that it is run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Runs after so long, and stays.
    Healthy {
        /// From start to running.
        start_seconds: u32,
    },
    /// The registry has no such image.
    CannotPull,
    /// The image is for another CPU.
    WrongArchitecture,
    /// Runs for a while, then ends. Takes the task with it if its container is essential.
    Crash {
        /// The container's exit code.
        exit_code: i64,
        /// How long it runs.
        after_seconds: u32,
        /// What it writes before it ends.
        log_lines: Vec<String>,
    },
    /// Killed for its memory.
    OutOfMemory,
    /// A secret that it needs cannot be read.
    SecretUnreadable,
    /// Runs, but the load balancer finds it unhealthy.
    FailsHealthCheck,
    /// There is no capacity to place it.
    NoCapacity,
    /// Never gets past PENDING.
    StuckPending,
}

/// How a service replaces its tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Some at a time.
    #[default]
    Rolling,
    /// All new ones beside the old, then traffic at once.
    BlueGreen,
    /// Traffic in equal steps.
    Linear,
    /// A little traffic first, then the rest.
    Canary,
}

/// Who deploys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Controller {
    /// ECS itself.
    #[default]
    Ecs,
    /// CodeDeploy.
    CodeDeploy,
    /// Somebody else, with task sets.
    External,
}

/// A hook that holds a deployment until somebody lets it go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PauseHook {
    /// The lifecycle stage that it holds.
    pub stage: String,
    /// After this it rolls back.
    pub timeout_minutes: u32,
}

/// A service to begin with.
#[derive(Clone, Debug)]
pub struct ServiceSetup {
    /// Its cluster; made if need be.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// `family:number` or an ARN.
    pub task_definition: String,
    /// How many tasks it wants.
    pub desired_count: i64,
    /// How it replaces them.
    pub strategy: Strategy,
    /// The circuit breaker, and whether it rolls back.
    pub circuit_breaker: Option<bool>,
    /// Alarms, and whether they roll back.
    pub alarms: Option<(Vec<String>, bool)>,
    /// Who deploys.
    pub controller: Controller,
    /// Made by Express Mode.
    pub express_mode: bool,
    /// Made before 2021 and not migrated: its ARN does not name its cluster.
    pub short_arn: bool,
    /// Behind a Classic Load Balancer: no rolloutState.
    pub classic_load_balancer: bool,
    /// Behind a load balancer: old tasks take longer to drain.
    pub load_balancer: bool,
    /// How long a deployment is watched after it is complete.
    pub bake_minutes: u32,
    /// A hook that holds each deployment.
    pub pause_hook: Option<PauseHook>,
    /// What it shows as its capacity provider strategy, instead of the launch type FARGATE.
    pub capacity_provider_strategy: Option<Value>,
    /// What it shows as its network configuration, instead of a subnet and a security group.
    pub network: Option<Value>,
    /// For [`Strategy::Linear`]: percent of the traffic in each step, and how many minutes each
    /// but the last is watched. Some short steps of 25 % if there is none.
    pub linear: Option<(f64, u32)>,
    /// For [`Strategy::Canary`]: percent of the traffic at first, and how many minutes that is
    /// watched. A short one of 10 % if there is none.
    pub canary: Option<(f64, u32)>,
    /// What it shows as its `loadBalancers`.
    pub load_balancers: Option<Value>,
    /// What it shows as its `serviceRegistries`.
    pub service_registries: Option<Value>,
    /// What its deployments show as their `serviceConnectConfiguration`.
    pub service_connect: Option<Value>,
    /// What its deployments show as their `volumeConfigurations`.
    pub volume_configurations: Option<Value>,
}

impl Default for ServiceSetup {
    fn default() -> Self {
        Self {
            cluster: String::new(),
            name: String::new(),
            task_definition: String::new(),
            desired_count: 2,
            strategy: Strategy::Rolling,
            circuit_breaker: None,
            alarms: None,
            controller: Controller::Ecs,
            express_mode: false,
            short_arn: false,
            classic_load_balancer: false,
            load_balancer: false,
            bake_minutes: 0,
            pause_hook: None,
            capacity_provider_strategy: None,
            network: None,
            linear: None,
            canary: None,
            load_balancers: None,
            service_registries: None,
            service_connect: None,
            volume_configurations: None,
        }
    }
}

/// What somebody else does to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intervention {
    /// Sets it to another revision.
    Deploy {
        /// `family:number` or an ARN.
        task_definition: String,
    },
    /// Starts its tasks anew.
    ForceNewDeployment,
    /// Deletes it: DRAINING, and INACTIVE a minute later.
    Delete,
    /// An alarm goes off.
    TriggerAlarm {
        /// Its name.
        name: String,
    },
    /// Changes how many tasks it wants.
    SetDesiredCount {
        /// That many.
        count: i64,
    },
    /// The PRIMARY deployment shows this rolloutState, and nothing happens to it any more.
    SetRolloutState {
        /// Any text.
        state: String,
    },
    /// The current service deployment shows this status, and nothing happens to it any more.
    SetServiceDeploymentStatus {
        /// Any text.
        status: String,
    },
    /// Stops the current service deployment with a rollback.
    StopDeployment,
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
        let before = shared.world.clone();
        keep(&mut shared.by_time, (now, before.clone()));
        let is_read = operation.starts_with("Describe") || operation.starts_with("List");
        if is_read {
            let earlier = stale.and_then(|stale| shared.earlier(stale, now));
            return api::call(&mut earlier.unwrap_or(before), operation, request);
        }
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
