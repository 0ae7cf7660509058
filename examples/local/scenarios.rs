//! What can happen.

use std::time::Duration;

use ecs_deploy_action::deploy::images::{EcrImage, Reference};
use serde_json::{Value, json};
use simulator::Simulator;
use simulator::ecs::{Behaviour, Intervention, LambdaHook, PauseHook, ServiceSetup, Strategy};

pub(crate) const CLUSTER: &str = "prod";
pub(crate) const SERVICE: &str = "web";
pub(crate) const DEFAULT: &str = "healthy";
/// The one with many pipelines: `herd.rs` plays it.
pub(crate) const HERD: &str = "herd";

/// A role of another account.
const DEPLOY_ROLE: &str = "arn:aws:iam::444455556666:role/ecs-deploy";

/// One thing that can happen.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The kind of service.
    setup: fn() -> ServiceSetup,
    /// What goes on; `image` is the first new one.
    arrange: fn(simulator: &Simulator, image: &str),
    /// Parameters besides those of the sample event; `null` takes one of those away.
    parameters: fn() -> Value,
    /// Files of the artifact besides its own.
    files: fn() -> Vec<(&'static str, String)>,
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

/// Each deployment waits at a PAUSE hook once the test listener has its traffic.
fn held() -> ServiceSetup {
    ServiceSetup {
        strategy: Strategy::BlueGreen,
        pause_hook: Some(PauseHook {
            stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
            timeout_minutes: 24 * 60,
        }),
        ..ServiceSetup::default()
    }
}

fn none() -> Value {
    json!({})
}

fn no_files() -> Vec<(&'static str, String)> {
    Vec::new()
}

/// A second service, of another family, that the artifact's images are for as well.
fn create_worker(simulator: &Simulator) {
    let ecs = simulator.ecs();
    let worker = json!({"family": "worker", "cpu": "256", "memory": "512",
        "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        "containerDefinitions": [{"name": "app", "image": "repo/worker:v1", "essential": true}]});
    let task_definition = ecs.register(worker);
    ecs.create_service(ServiceSetup {
        cluster: CLUSTER.to_owned(),
        name: "worker".to_owned(),
        task_definition,
        desired_count: 1,
        ..plain()
    });
}

fn web_and_worker() -> Value {
    json!({"ServiceName": null, "Services": ["web", "worker"]})
}

fn migration(command: &str) -> Value {
    json!({"PreDeployTask": {"Container": "app", "Command": ["migrate", command], "Timeout": 15}})
}

fn smoke_test() -> Value {
    json!({"PostDeployTask": {"Container": "app", "Command": ["smoke-test"], "Timeout": 5}})
}

/// What a rule and a schedule run: `revision` of `app`.
fn scheduled(revision: &str) -> Value {
    json!({"Id": "nightly", "Arn": format!("arn:aws:ecs:{}:{}:cluster/{CLUSTER}", simulator::REGION, simulator::ACCOUNT),
        "RoleArn": "arn:aws:iam::111122223333:role/schedules",
        "EcsParameters": {"TaskDefinitionArn":
            format!("arn:aws:ecs:{}:{}:task-definition/{revision}", simulator::REGION, simulator::ACCOUNT)}})
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

const SCENARIOS: [Scenario; 45] = [
    Scenario {
        name: DEFAULT,
        about: "new tasks come up, old ones go: the job succeeds",
        setup: plain,
        arrange: |_, _| {},
        parameters: none,
        files: no_files,
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
        files: no_files,
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
        files: no_files,
    },
    Scenario {
        name: "cannot-pull",
        about: "the image is gone when tasks want it; the circuit breaker rolls back",
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::CannotPull),
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "crash-loop",
        about: "the container ends with exit code 1; the breaker stops it, the function rolls back",
        setup: || with_breaker(false),
        arrange: |simulator, image| {
            let log = ["starting app v2", "panic: DATABASE_URL is not set"];
            simulator.ecs().image(image, crash(1, &log));
        },
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "no-breaker",
        about: "the same without a circuit breaker: after some failed tasks the function gives up",
        setup: plain,
        arrange: |simulator, image| {
            let crash = crash(1, &["panic: DATABASE_URL is not set", "exit status 2"]);
            simulator.ecs().image(image, crash);
        },
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "left-as-it-is",
        about: "the same with Rollback false: nothing is rolled back",
        setup: || with_breaker(false),
        arrange: |simulator, image| {
            let log = ["starting app v2", "panic: DATABASE_URL is not set"];
            simulator.ecs().image(image, crash(1, &log));
        },
        parameters: || json!({"Rollback": false}),
        files: no_files,
    },
    Scenario {
        name: "out-of-memory",
        about: "the container is killed for its memory; the breaker rolls back",
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::OutOfMemory),
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "rolled-back",
        about: "the load balancer finds new tasks unhealthy; the breaker rolls back",
        setup: behind_a_load_balancer,
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::FailsHealthCheck),
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "container-check",
        about: "the container's own health check fails, a command that is not in the image",
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::FailsContainerCheck),
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "role-not-assumed",
        about: "ECS cannot assume the task's role and makes no task at all: its event says so",
        setup: plain,
        arrange: |simulator, image| {
            let event = "failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::111122223333:role/app-execution' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.).";
            let event = event.to_owned();
            simulator.ecs().image(image, Behaviour::NoTask { event });
        },
        parameters: || json!({"DeploymentTimeout": 4}),
        files: no_files,
    },
    Scenario {
        name: "hook-fails",
        about: "the function of a lifecycle hook finds the new tasks bad: ECS rolls back",
        setup: || ServiceSetup {
            strategy: Strategy::BlueGreen,
            lambda_hook: Some(LambdaHook {
                stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
                function: "smoke-test".to_owned(),
                times_out: false,
                log_lines: vec![
                    "START RequestId: 1".to_owned(),
                    "[ERROR] AssertionError: GET /health returned 500".to_owned(),
                    "END RequestId: 1".to_owned(),
                ],
            }),
            ..ServiceSetup::default()
        },
        arrange: |_, _| {},
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "secret-unreadable",
        about: "a secret that the task needs cannot be read; the breaker rolls back",
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::SecretUnreadable),
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "secret-missing",
        about: "a secret that new tasks need is not there, which is seen before anything is changed",
        setup: || with_breaker(true),
        arrange: |_, _| {},
        parameters: || {
            let secret = format!(
                "arn:aws:secretsmanager:{}:{}:secret:shop/db-AbCdEf",
                simulator::REGION,
                simulator::ACCOUNT
            );
            json!({"TaskDefinitionPatch": {"containerDefinitions": {"app": {"secrets": {"DATABASE_URL": secret}}}}})
        },
        files: no_files,
    },
    Scenario {
        name: "no-capacity",
        about: "there is no capacity for new tasks: the time limit ends it, the function rolls back",
        setup: plain,
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::NoCapacity),
        parameters: || json!({"DeploymentTimeout": 4}),
        files: no_files,
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
        files: no_files,
    },
    Scenario {
        name: "never-stable",
        about: "new tasks never run, nothing stops them: the time limit does, the function rolls back",
        setup: plain,
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::StuckPending),
        parameters: || json!({"DeploymentTimeout": 4}),
        files: no_files,
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
        files: no_files,
    },
    Scenario {
        name: "pass-role-denied",
        about: "the function is not allowed to pass the task's roles to ECS",
        setup: plain,
        arrange: |simulator, _| simulator.faults().deny("iam:PassRole"),
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "update-denied",
        about: "the function may not update the service: the new revision is deregistered",
        setup: plain,
        arrange: |simulator, _| simulator.faults().deny("UpdateService"),
        parameters: none,
        files: no_files,
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
        files: no_files,
    },
    Scenario {
        name: "throttled-throughout",
        about: "AWS throttles every call to ECS: the job fails before anything is changed",
        setup: plain,
        arrange: |simulator, _| simulator.faults().throttle("DescribeServices", usize::MAX),
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: HERD,
        about: "forty pipelines at the same moment, with ECS's documented quotas: all succeed",
        setup: plain,
        arrange: |_, _| {},
        parameters: none,
        files: no_files,
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
        files: no_files,
    },
    Scenario {
        name: "canary",
        about: "ECS's own canary strategy: a tenth of the traffic for two minutes, then all of it",
        setup: || ServiceSetup {
            strategy: Strategy::Canary,
            canary: Some((10.0, 2)),
            bake_minutes: 2,
            load_balancer: true,
            ..ServiceSetup::default()
        },
        arrange: |_, _| {},
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "pause-hook",
        about: "a hook holds the deployment and nobody lets it go on: ECS rolls back",
        setup: || ServiceSetup {
            strategy: Strategy::BlueGreen,
            pause_hook: Some(PauseHook {
                stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
                timeout_minutes: 3,
            }),
            ..ServiceSetup::default()
        },
        arrange: |_, _| {},
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "approval",
        about: "an action ends at a PAUSE hook, people approve, and a second action goes on",
        setup: held,
        arrange: |_, _| {},
        parameters: || json!({"WaitFor": "Pause"}),
        files: no_files,
    },
    Scenario {
        name: "approval-rejected",
        about: "the same, and the second action rolls back: that is its success",
        setup: held,
        arrange: |_, _| {},
        parameters: || json!({"WaitFor": "Pause"}),
        files: no_files,
    },
    Scenario {
        name: "previous",
        about: "after a deployment the revision before is deployed again, without a build",
        setup: plain,
        arrange: |_, _| {},
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "patch",
        about: "the new revision has more memory, one variable more and one less than its base",
        setup: plain,
        arrange: |_, _| {},
        parameters: || {
            json!({"TaskDefinitionPatch": {"memory": "1024", "containerDefinitions":
                {"app": {"environment": {"RELEASE": "4f2a9c1", "STAGE": null}}}}})
        },
        files: no_files,
    },
    Scenario {
        name: "unchanged",
        about: "what is released again serves already: nothing is deployed",
        setup: plain,
        arrange: |_, _| {},
        parameters: none,
        files: no_files,
    },
    Scenario {
        name: "several-services",
        about: "two services side by side: both succeed",
        setup: plain,
        arrange: |simulator, _| create_worker(simulator),
        parameters: web_and_worker,
        files: no_files,
    },
    Scenario {
        name: "one-of-several",
        about: "one of two services fails: the other one is rolled back, too",
        setup: || with_breaker(true),
        arrange: |simulator, image| {
            create_worker(simulator);
            let log = ["starting app v2", "panic: DATABASE_URL is not set"];
            simulator.ecs().image(image, crash(1, &log));
        },
        parameters: web_and_worker,
        files: no_files,
    },
    Scenario {
        name: "migration",
        about: "a task runs on the new revision first, then the service is updated",
        setup: plain,
        arrange: |simulator, _| {
            let takes_a_while = Behaviour::Crash {
                exit_code: 0,
                after_seconds: 90,
                log_lines: vec!["2 migrations applied".to_owned()],
            };
            simulator.ecs().command("migrate", takes_a_while);
        },
        parameters: || migration("up"),
        files: no_files,
    },
    Scenario {
        name: "migration-fails",
        about: "that task fails: the service is not touched",
        setup: plain,
        arrange: |simulator, _| {
            let log = ["applying 0042_orders", "error: relation orders is locked"];
            simulator.ecs().command("migrate", crash(3, &log));
        },
        parameters: || migration("up"),
        files: no_files,
    },
    Scenario {
        name: "smoke-test",
        about: "once the service serves, a task tests it: only then the job succeeds",
        setup: plain,
        arrange: |simulator, _| {
            let passes = Behaviour::Crash {
                exit_code: 0,
                after_seconds: 20,
                log_lines: vec!["12 checks passed".to_owned()],
            };
            simulator.ecs().command("smoke-test", passes);
        },
        parameters: smoke_test,
        files: no_files,
    },
    Scenario {
        name: "smoke-test-fails",
        about: "that task fails: the service is rolled back",
        setup: plain,
        arrange: |simulator, _| {
            let log = ["GET /health 200", "FAILED: GET /checkout answers 500"];
            simulator.ecs().command("smoke-test", crash(1, &log));
        },
        parameters: smoke_test,
        files: no_files,
    },
    Scenario {
        name: "task-definition-file",
        about: "the artifact brings the task definition: more memory, one more variable",
        setup: plain,
        arrange: |_, _| {},
        parameters: || json!({"TaskDefinitionFile": "taskdef.json"}),
        files: || {
            let definition = json!({
                "cpu": "512", "memory": "1024", "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
                "containerDefinitions": [{"name": "app", "image": "<IMAGE1_NAME>", "essential": true,
                    "environment": [{"name": "STAGE", "value": "prod"}, {"name": "FEATURE", "value": "on"}]}],
            });
            vec![("taskdef.json", definition.to_string())]
        },
    },
    Scenario {
        name: "pinned",
        about: "the tag is replaced by the digest that it means now",
        setup: plain,
        arrange: |_, _| {},
        parameters: || json!({"PinDigests": true}),
        files: no_files,
    },
    Scenario {
        name: "other-account",
        about: "the service is deployed with a role of its account",
        setup: plain,
        arrange: |simulator, _| simulator.sts().allow(DEPLOY_ROLE, Some("shop")),
        parameters: || json!({"RoleArn": DEPLOY_ROLE, "ExternalId": "shop"}),
        files: no_files,
    },
    Scenario {
        name: "other-account-denied",
        about: "that role does not trust the function",
        setup: plain,
        arrange: |_, _| {},
        parameters: || json!({"RoleArn": DEPLOY_ROLE, "ExternalId": "shop"}),
        files: no_files,
    },
    Scenario {
        name: "scheduled-tasks",
        about: "a rule and a schedule that run the family follow",
        setup: plain,
        arrange: |simulator, _| {
            simulator
                .events()
                .put_target("default", "nightly", scheduled("app:1"));
            let mut target = scheduled("app:1");
            target.as_object_mut().map(|target| target.remove("Id"));
            let schedule = json!({"ScheduleExpression": "rate(1 hour)",
                "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": target});
            simulator.scheduler().put("default", "hourly", schedule);
        },
        parameters: || json!({"ScheduledTasks": true}),
        files: no_files,
    },
    Scenario {
        name: "keep-revisions",
        about: "old revisions that nobody needs are deregistered after success",
        setup: plain,
        arrange: |simulator, _| {
            for number in 2..=7 {
                let old = json!({"family": "app", "containerDefinitions":
                    [{"name": "app", "image": format!("repo/app:old-{number}")}]});
                simulator.ecs().register(old);
            }
        },
        parameters: || json!({"KeepRevisions": 3}),
        files: no_files,
    },
    Scenario {
        name: "config-file",
        about: "the parameters are in the artifact",
        setup: plain,
        arrange: |_, _| {},
        parameters: || {
            json!({"ClusterName": null, "ServiceName": null, "DeploymentTimeout": null,
            "ConfigFile": "deploy/prod.json"})
        },
        files: || {
            let parameters =
                json!({"ClusterName": CLUSTER, "ServiceName": SERVICE, "DeploymentTimeout": 15});
            vec![("deploy/prod.json", parameters.to_string())]
        },
    },
    Scenario {
        name: "dry-run",
        about: "everything is checked, nothing is changed, the plan is shown",
        setup: plain,
        arrange: |_, _| {},
        parameters: || json!({"DryRun": true, "KeepRevisions": 10}),
        files: no_files,
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

    /// Files of the artifact besides its own.
    pub(crate) fn files(&self) -> Vec<(&'static str, String)> {
        (self.files)()
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
