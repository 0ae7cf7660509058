//! What can happen.

use std::time::Duration;

use ecs_deploy_action::deploy::images::{EcrImage, Reference};
use serde_json::{Value, json};
use simulator::Simulator;
use simulator::ecs::{Behaviour, Intervention, ServiceSetup, Strategy};

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
    arrange: fn(simulator: &Simulator, image: &str),
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

fn behind_a_load_balancer() -> ServiceSetup {
    ServiceSetup {
        load_balancer: true,
        ..with_breaker(true)
    }
}

fn none() -> Value {
    json!({})
}

fn crash(exit_code: i64, log_lines: &[&str]) -> Behaviour {
    Behaviour::Crash {
        exit_code,
        after_seconds: 3,
        log_lines: log_lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

/// Replaces what ECR has of `image` by an image for this platform only.
fn put_image_for(simulator: &Simulator, image: &str, platform: &str) {
    if let Some((repository, tag)) = in_ecr(image) {
        simulator
            .ecr()
            .put_image(&repository, &tag, "sha256:2", platform);
    }
}

/// Repository and tag of an image in ECR.
pub(crate) fn in_ecr(image: &str) -> Option<(String, String)> {
    let parsed = EcrImage::parse(image)?;
    match parsed.reference {
        Reference::Tag(tag) | Reference::Digest(tag) => Some((parsed.repository, tag)),
    }
}

const SCENARIOS: [Scenario; 18] = [
    Scenario {
        name: DEFAULT,
        about: "new tasks come up, old ones go: the job succeeds",
        setup: plain,
        arrange: |_, _| {},
        parameters: none,
    },
    Scenario {
        name: "image-missing",
        about: "the registry has no such image, which is seen before anything is changed",
        setup: || with_breaker(true),
        arrange: |simulator, image| {
            if let Some((repository, tag)) = in_ecr(image) {
                simulator.ecr().remove_image(&repository, &tag);
            }
            simulator.ecs().image(image, Behaviour::CannotPull);
        },
        parameters: none,
    },
    Scenario {
        name: "wrong-architecture",
        about: "the image is for another CPU, which is seen before anything is changed",
        setup: || with_breaker(true),
        arrange: |simulator, image| {
            put_image_for(simulator, image, "linux/arm64");
            simulator.ecs().image(image, Behaviour::WrongArchitecture);
        },
        parameters: none,
    },
    Scenario {
        name: "cannot-pull",
        about: "the image is gone when tasks want it; the circuit breaker rolls back",
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::CannotPull),
        parameters: none,
    },
    Scenario {
        name: "crash-loop",
        about: "the container ends with exit code 1; the breaker stops it, the function goes back",
        setup: || with_breaker(false),
        arrange: |simulator, image| {
            let log = ["starting app v2", "panic: DATABASE_URL is not set"];
            simulator.ecs().image(image, crash(1, &log));
        },
        parameters: none,
    },
    Scenario {
        name: "left-as-it-is",
        about: "the same with Rollback false: nothing goes back",
        setup: || with_breaker(false),
        arrange: |simulator, image| {
            let log = ["starting app v2", "panic: DATABASE_URL is not set"];
            simulator.ecs().image(image, crash(1, &log));
        },
        parameters: || json!({"Rollback": false}),
    },
    Scenario {
        name: "out-of-memory",
        about: "the container is killed for its memory; the breaker rolls back",
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::OutOfMemory),
        parameters: none,
    },
    Scenario {
        name: "rolled-back",
        about: "the load balancer finds new tasks unhealthy; the breaker rolls back",
        setup: behind_a_load_balancer,
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::FailsHealthCheck),
        parameters: none,
    },
    Scenario {
        name: "secret-unreadable",
        about: "a secret that the task needs cannot be read; the breaker rolls back",
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::SecretUnreadable),
        parameters: none,
    },
    Scenario {
        name: "no-capacity",
        about: "there is no capacity for new tasks: the time limit ends it, the function goes back",
        setup: plain,
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::NoCapacity),
        parameters: || json!({"DeploymentTimeout": 4}),
    },
    Scenario {
        name: "alarm",
        about: "an alarm of the service goes off; ECS rolls back",
        setup: || ServiceSetup {
            alarms: Some((vec!["web-5xx".to_owned()], true)),
            bake_minutes: 5,
            ..ServiceSetup::default()
        },
        arrange: |simulator, _| {
            let alarm = Intervention::TriggerAlarm {
                name: "web-5xx".to_owned(),
            };
            let after = Duration::from_secs(90);
            simulator.ecs().on_update(CLUSTER, SERVICE, after, alarm);
        },
        parameters: none,
    },
    Scenario {
        name: "never-stable",
        about: "new tasks never run, nothing stops them: the time limit does, the function goes back",
        setup: plain,
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::StuckPending),
        parameters: || json!({"DeploymentTimeout": 4}),
    },
    Scenario {
        name: "replaced",
        about: "somebody deploys another revision meanwhile",
        setup: plain,
        arrange: |simulator, image| {
            let ecs = simulator.ecs();
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
        name: "pass-role-denied",
        about: "the function may not pass the task's roles on to ECS",
        setup: plain,
        arrange: |simulator, _| simulator.faults().deny("iam:PassRole"),
        parameters: none,
    },
    Scenario {
        name: "update-denied",
        about: "the function may not update the service: the new revision is deregistered",
        setup: plain,
        arrange: |simulator, _| simulator.faults().deny("UpdateService"),
        parameters: none,
    },
    Scenario {
        name: "throttled",
        about: "AWS throttles and fails now and then: the job succeeds all the same",
        setup: plain,
        arrange: |simulator, _| {
            let faults = simulator.faults();
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
        name: "throttled-throughout",
        about: "AWS throttles every call to ECS: the job fails before anything is changed",
        setup: plain,
        arrange: |simulator, _| simulator.faults().throttle("DescribeServices", usize::MAX),
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
        arrange: |_, _| {},
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
    pub(crate) fn arrange(&self, simulator: &Simulator, image: &str) {
        (self.arrange)(simulator, image);
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
        .map(|one| format!("{:<21} {}", one.name, one.about))
        .collect();
    lines.join("\n")
}
