//! What can happen.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::ecs::{Behaviour, Intervention, ServiceSetup, Strategy};
use simulator::{Ecs, Faults};

pub(crate) const CLUSTER: &str = "prod";
pub(crate) const SERVICE: &str = "web";
pub(crate) const DEFAULT: &str = "healthy";

/// One thing that can happen.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The kind of service.
    setup: fn() -> ServiceSetup,
    /// What goes on; `image` is the first new one.
    arrange: fn(ecs: &Ecs, faults: &Faults, image: &str),
    /// Parameters besides those of the sample event.
    parameters: fn() -> Value,
}

fn plain() -> ServiceSetup {
    ServiceSetup::default()
}

fn with_breaker(rolls_back: bool) -> ServiceSetup {
    ServiceSetup {
        circuit_breaker: Some(rolls_back),
        ..ServiceSetup::default()
    }
}

fn none() -> Value {
    json!({})
}

const SCENARIOS: [Scenario; 8] = [
    Scenario {
        name: DEFAULT,
        about: "new tasks come up, old ones go: the job succeeds",
        setup: plain,
        arrange: |_, _, _| {},
        parameters: none,
    },
    Scenario {
        name: "image-missing",
        about: "the registry has no such image; the circuit breaker rolls back",
        setup: || with_breaker(true),
        arrange: |ecs, _, image| ecs.image(image, Behaviour::CannotPull),
        parameters: none,
    },
    Scenario {
        name: "crash-loop",
        about: "the container ends with exit code 1; the breaker stops it, without rollback",
        setup: || with_breaker(false),
        arrange: |ecs, _, image| {
            let log_lines = vec!["panic: DATABASE_URL is not set".to_owned()];
            let crash = Behaviour::Crash {
                exit_code: 1,
                after_seconds: 3,
                log_lines,
            };
            ecs.image(image, crash);
        },
        parameters: none,
    },
    Scenario {
        name: "rolled-back",
        about: "the load balancer finds new tasks unhealthy; the breaker rolls back",
        setup: || ServiceSetup {
            load_balancer: true,
            ..with_breaker(true)
        },
        arrange: |ecs, _, image| ecs.image(image, Behaviour::FailsHealthCheck),
        parameters: none,
    },
    Scenario {
        name: "replaced",
        about: "somebody deploys another revision meanwhile",
        setup: plain,
        arrange: |ecs, _, image| {
            ecs.image(image, Behaviour::Healthy { start_seconds: 120 });
            let hotfix = json!({"family": "app", "containerDefinitions":
                [{"name": "app", "image": "repo/app:hotfix"}]});
            let other = Intervention::Deploy {
                task_definition: ecs.register(hotfix),
            };
            ecs.on_update(CLUSTER, SERVICE, Duration::from_secs(45), other);
        },
        parameters: none,
    },
    Scenario {
        name: "never-stable",
        about: "new tasks never run, nothing stops them: the time limit does",
        setup: plain,
        arrange: |ecs, _, image| ecs.image(image, Behaviour::StuckPending),
        parameters: || json!({"DeploymentTimeout": 4}),
    },
    Scenario {
        name: "throttled",
        about: "AWS throttles and fails now and then: the job succeeds all the same",
        setup: plain,
        arrange: |_, faults, _| {
            for operation in [
                "DescribeServices",
                "RegisterTaskDefinition",
                "UpdateService",
            ] {
                faults.throttle(operation, 2);
            }
            faults.server_error("DescribeTaskDefinition", 1);
            faults.reset("GetObject", 1);
            faults.server_error("DescribeServiceDeployments", 2);
        },
        parameters: none,
    },
    Scenario {
        name: "blue-green",
        about: "ECS's own blue/green strategy with two minutes of bake time",
        setup: || ServiceSetup {
            strategy: Strategy::BlueGreen,
            load_balancer: true,
            bake_minutes: 2,
            ..ServiceSetup::default()
        },
        arrange: |_, _, _| {},
        parameters: none,
    },
];

impl Scenario {
    /// The service, running `task_definition`.
    pub(crate) fn service(&self, task_definition: &str) -> ServiceSetup {
        ServiceSetup {
            cluster: CLUSTER.to_owned(),
            name: SERVICE.to_owned(),
            task_definition: task_definition.to_owned(),
            ..(self.setup)()
        }
    }

    /// Makes it so that it will happen.
    pub(crate) fn arrange(&self, ecs: &Ecs, faults: &Faults, image: &str) {
        (self.arrange)(ecs, faults, image);
    }

    /// Parameters besides those of the sample event.
    pub(crate) fn parameters(&self) -> Value {
        (self.parameters)()
    }
}

pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    static ALL: [Scenario; SCENARIOS.len()] = SCENARIOS;
    ALL.iter().find(|scenario| scenario.name == name)
}

/// One line for each.
pub(crate) fn listed() -> String {
    let lines: Vec<String> = SCENARIOS
        .iter()
        .map(|one| format!("{:<14} {}", one.name, one.about))
        .collect();
    lines.join("\n")
}
