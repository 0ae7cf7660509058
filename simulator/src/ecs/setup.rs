//! What a test sets up: services, what becomes of their tasks, what others do to them.

use serde_json::{Value, json};

/// What becomes of a task, known by its image or by the command that it is run with.
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
    /// Cannot start, for this reason in AWS's words.
    FailsToStart {
        /// The reason.
        reason: String,
        /// It stands at the container, and the task says only that it failed to start: usual on EC2
        /// (<https://github.com/aws/amazon-ecs-agent/issues/1654>).
        in_container: bool,
    },
    /// Runs, but the load balancer finds it unhealthy.
    FailsHealthCheck,
    /// Runs, but its container's own health check fails.
    FailsContainerCheck,
    /// There is no capacity to place it.
    NoCapacity,
    /// ECS makes no task at all, and says why in an event: this text after `(service NAME) `.
    NoTask {
        /// The text.
        event: String,
    },
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

/// A hook that calls a function, which ends each deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LambdaHook {
    /// The lifecycle stage at which it is called.
    pub stage: String,
    /// The function's name.
    pub function: String,
    /// It does not answer in time. Else it fails.
    pub times_out: bool,
    /// What the function writes before.
    pub log_lines: Vec<String>,
}

/// Early success criteria of a rolling update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlySuccess {
    /// With so many percent of its tasks healthy it is complete.
    pub healthy_percent: i64,
    /// Old tasks are removed after that (`DEFERRED`), not before (`BLOCKING`).
    pub is_deferred: bool,
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
    /// `minimumHealthyPercent` and `maximumPercent`.
    pub percents: (i64, i64),
    /// A hook that holds each deployment.
    pub pause_hook: Option<PauseHook>,
    /// More of them, at later stages.
    pub more_pause_hooks: Vec<PauseHook>,
    /// Its early success criteria.
    pub early_success: Option<EarlySuccess>,
    /// A hook that ends each deployment.
    pub lambda_hook: Option<LambdaHook>,
    /// A container that AWS injects into its tasks and that cannot be pulled: it does no harm, and is not in the
    /// revision (<https://docs.aws.amazon.com/guardduty/latest/ug/how-runtime-monitoring-works-ecs-fargate.html>).
    pub injected: Option<String>,
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

impl ServiceSetup {
    /// All hooks that hold its deployments.
    pub(crate) fn pause_hooks(&self) -> impl Iterator<Item = &PauseHook> {
        self.pause_hook.iter().chain(&self.more_pause_hooks)
    }

    /// The one that holds them at this stage.
    pub(crate) fn pause_hook_at(&self, stage: &str) -> Option<&PauseHook> {
        self.pause_hooks().find(|hook| hook.stage == stage)
    }
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
            percents: (100, 200),
            pause_hook: None,
            more_pause_hooks: Vec::new(),
            early_success: None,
            lambda_hook: None,
            injected: None,
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

impl ServiceSetup {
    /// Its network configuration; `null` if it has none.
    pub(super) fn network(&self) -> Value {
        self.network.clone().unwrap_or_else(|| {
            json!({"awsvpcConfiguration": {
                "subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}})
        })
    }

    /// Checks the steps of the traffic against the limits of ECS
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinearConfiguration.html> and
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CanaryConfiguration.html>).
    ///
    /// # Panics
    /// If ECS would refuse them.
    pub(super) fn check_steps(&self) {
        const LONGEST_MINUTES: u32 = 1440;
        if let Some((percent, minutes)) = self.linear {
            assert!((3.0..=100.0).contains(&percent), "steps of {percent} %");
            assert!(minutes <= LONGEST_MINUTES, "steps of {minutes} minutes");
        }
        if let Some((percent, minutes)) = self.canary {
            assert!((0.1..=100.0).contains(&percent), "a canary of {percent} %");
            assert!(minutes <= LONGEST_MINUTES, "a canary of {minutes} minutes");
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
    /// Answers the PAUSE hook that holds the current service deployment, if one does.
    AnswerHook {
        /// With ROLLBACK, rather than CONTINUE.
        rolls_back: bool,
    },
}
