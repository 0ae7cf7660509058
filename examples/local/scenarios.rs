//! What can happen.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_deploy_action::deploy::images::{EcrImage, Reference};
use ecs_deploy_action::deploy::text;
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

/// How a scenario ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Succeeds,
    /// Nothing was changed.
    Refused,
    RolledBack,
    /// Failed in another way.
    Fails,
    /// Succeeded, with what the built-in action cannot do.
    Feature,
}

/// All ends, with their headings in the list.
const ENDS: [(Ends, &str); 5] = [
    (Ends::Succeeds, "Succeeds (exit status 0)"),
    (
        Ends::Refused,
        "Is refused before anything is changed (exit status 1)",
    ),
    (Ends::RolledBack, "Fails and is rolled back (exit status 1)"),
    (Ends::Fails, "Fails otherwise (exit status 1)"),
    (
        Ends::Feature,
        "Uses what the built-in action does not have, and succeeds (exit status 0)",
    ),
];

/// One thing that can happen.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// In a few words.
    pub(crate) about: &'static str,
    pub(crate) ends: Ends,
    /// The event that starts it.
    pub(crate) event: &'static str,
    /// The artifact is where the event says.
    pub(crate) has_artifact: bool,
    /// The containers of the service, if they are not those of the artifact's file.
    pub(crate) containers: &'static [&'static str],
    /// It is about what the function sees of the image in ECR; of another registry it sees nothing.
    pub(crate) needs_ecr: bool,
    /// There is a second service, `worker`, with an image of its own in the artifact.
    pub(crate) has_worker: bool,
    /// The kind of service.
    setup: fn() -> ServiceSetup,
    /// What goes on; `image` is the first new one.
    arrange: fn(simulator: &Simulator, image: &str),
    /// Parameters besides those of the sample event; `null` takes one of those away. `container` is
    /// the first whose image is new.
    parameters: fn(container: &str) -> Value,
    /// Files of the artifact besides its own, for these containers.
    files: fn(containers: &[&str]) -> Vec<(&'static str, String)>,
    /// What else is to be seen of its end.
    seen: fn(simulator: &Simulator) -> Vec<String>,
}

/// The default, and what any other has where it says nothing else.
const HEALTHY: Scenario = Scenario {
    name: DEFAULT,
    about: "the new tasks start, the old ones stop",
    ends: Ends::Succeeds,
    event: include_str!("../../events/start.json"),
    has_artifact: true,
    containers: &[],
    needs_ecr: false,
    has_worker: false,
    setup: ServiceSetup::default,
    arrange: |_, _| {},
    parameters: |_| json!({}),
    files: |_| Vec::new(),
    seen: |_| Vec::new(),
};

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

/// The second service. The artifact names an image for its container.
pub(crate) const WORKER: &str = "worker";

/// Creates it, running `image`.
pub(crate) fn create_worker(simulator: &Simulator, image: &str) {
    let ecs = simulator.ecs();
    let worker = json!({"family": WORKER, "cpu": "256", "memory": "512",
        "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        "containerDefinitions": [{"name": WORKER, "image": image, "essential": true}]});
    let task_definition = ecs.register(worker);
    ecs.create_service(ServiceSetup {
        cluster: CLUSTER.to_owned(),
        name: WORKER.to_owned(),
        task_definition,
        desired_count: 1,
        ..ServiceSetup::default()
    });
}

fn web_and_worker() -> Value {
    json!({"ServiceName": null, "Services": ["web", "worker"]})
}

fn migration(container: &str, command: &str) -> Value {
    json!({"PreDeployTask": {"Container": container, "Command": ["migrate", command], "Timeout": 15}})
}

fn smoke_test(container: &str) -> Value {
    json!({"PostDeployTask": {"Container": container, "Command": ["smoke-test"], "Timeout": 5}})
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

/// The calls that AWS did not carry out, by operation and reason.
fn calls_made_again(simulator: &Simulator) -> Vec<String> {
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for call in simulator.calls() {
        let why = match (&call.error, call.status) {
            (Some(error), _) => error.clone(),
            (None, 0) => "the connection broke".to_owned(),
            (None, status @ 500..) => format!("status {status}"),
            (None, _) => continue,
        };
        let call = format!("{}:{} ({why})", call.service, call.operation);
        *refused.entry(call).or_default() += 1;
    }
    let refused: Vec<String> = refused
        .iter()
        .map(|(call, times)| format!("{call} {}", text::counted(*times, "time")))
        .collect();
    vec![format!(
        "AWS did not carry out {}; each call was made again",
        text::listed(&refused)
    )]
}

/// What was called in the other account.
fn calls_with_the_role(simulator: &Simulator) -> Vec<String> {
    let calls = simulator.calls();
    let is_with_role = |call: &&simulator::Call| {
        call.service == "ecs"
            && call.access_key_id.as_deref() == Some(simulator::ASSUMED_ACCESS_KEY_ID)
    };
    let (with_role, all) = (
        calls.iter().filter(is_with_role).count(),
        calls.iter().filter(|call| call.service == "ecs").count(),
    );
    vec![
        format!(
            "the function assumed {DEPLOY_ROLE}: {with_role} of {all} calls to ECS were made in the account 444455556666"
        ),
        format!(
            "(the simulated ECS has one account, so its ARNs have {} all the same)",
            simulator::ACCOUNT
        ),
    ]
}

/// What runs on a schedule now.
fn schedules(simulator: &Simulator) -> Vec<String> {
    let revision = |target: &Value| {
        let arn = target["EcsParameters"]["TaskDefinitionArn"].as_str();
        text::last_part(arn.unwrap_or_default()).to_owned()
    };
    let rule = simulator.events().targets("default", "nightly");
    let rule = rule.first().map(revision).unwrap_or_default();
    let schedule = simulator.scheduler().schedule("default", "hourly");
    let schedule = schedule.map(|one| revision(&one["Target"]));
    vec![format!(
        "the rule nightly runs {rule} now, and the schedule hourly {}",
        schedule.unwrap_or_default()
    )]
}

/// Repository and tag of an image in ECR.
pub(crate) fn in_ecr(image: &str) -> Option<(String, String)> {
    let parsed = EcrImage::parse(image)?;
    match parsed.reference {
        Reference::Tag(tag) | Reference::Digest(tag) => Some((parsed.repository, tag)),
    }
}

const SCENARIOS: [Scenario; 48] = [
    HEALTHY,
    Scenario {
        name: "bad-parameters",
        about: "mistakes in UserParameters, reported together",
        ends: Ends::Refused,
        event: include_str!("../../events/bad-parameters.json"),
        ..HEALTHY
    },
    Scenario {
        name: "no-artifact",
        about: "the artifact is not in its bucket",
        ends: Ends::Refused,
        event: include_str!("../../events/artifact-missing.json"),
        has_artifact: false,
        ..HEALTHY
    },
    Scenario {
        name: "wrong-container",
        about: "the file names a container that the service lacks",
        ends: Ends::Refused,
        containers: &["web"],
        ..HEALTHY
    },
    Scenario {
        name: "image-missing",
        about: "the registry has no such image",
        ends: Ends::Refused,
        needs_ecr: true,
        setup: || with_breaker(true),
        arrange: |simulator, image| {
            if let Some((repository, tag)) = in_ecr(image) {
                simulator.ecr().remove_image(&repository, &tag);
            }
            simulator.ecs().image(image, Behaviour::CannotPull);
        },
        ..HEALTHY
    },
    Scenario {
        name: "wrong-architecture",
        about: "the image is for another CPU architecture",
        ends: Ends::Refused,
        needs_ecr: true,
        setup: || with_breaker(true),
        arrange: |simulator, image| {
            put_image_for(simulator, image, "linux/arm64");
            simulator.ecs().image(image, Behaviour::WrongArchitecture);
        },
        ..HEALTHY
    },
    Scenario {
        name: "cannot-pull",
        about: "the image is gone when the tasks start",
        ends: Ends::RolledBack,
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::CannotPull),
        ..HEALTHY
    },
    Scenario {
        name: "crash-loop",
        about: "a container exits with code 1",
        ends: Ends::RolledBack,
        setup: || with_breaker(false),
        arrange: |simulator, image| {
            let log = ["starting app v2", "panic: DATABASE_URL is not set"];
            simulator.ecs().image(image, crash(1, &log));
        },
        ..HEALTHY
    },
    Scenario {
        name: "no-breaker",
        about: "a container exits with code 1, without a circuit breaker",
        ends: Ends::RolledBack,
        arrange: |simulator, image| {
            let crash = crash(1, &["panic: DATABASE_URL is not set", "exit status 2"]);
            simulator.ecs().image(image, crash);
        },
        ..HEALTHY
    },
    Scenario {
        name: "left-as-it-is",
        about: "a container exits with code 1, and Rollback is false",
        ends: Ends::Fails,
        setup: || with_breaker(false),
        arrange: |simulator, image| {
            let log = ["starting app v2", "panic: DATABASE_URL is not set"];
            simulator.ecs().image(image, crash(1, &log));
        },
        parameters: |_| json!({"Rollback": false}),
        ..HEALTHY
    },
    Scenario {
        name: "out-of-memory",
        about: "a container is killed for its memory",
        ends: Ends::RolledBack,
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::OutOfMemory),
        ..HEALTHY
    },
    Scenario {
        name: "rolled-back",
        about: "the new tasks fail the load balancer's health check",
        ends: Ends::RolledBack,
        setup: behind_a_load_balancer,
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::FailsHealthCheck),
        ..HEALTHY
    },
    Scenario {
        name: "container-check",
        about: "the new tasks fail the container's own health check",
        ends: Ends::RolledBack,
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::FailsContainerCheck),
        ..HEALTHY
    },
    Scenario {
        name: "role-not-assumed",
        about: "ECS cannot assume the tasks' role, so no task starts",
        ends: Ends::RolledBack,
        arrange: |simulator, image| {
            let event = "failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::111122223333:role/app-execution' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.).";
            let event = event.to_owned();
            simulator.ecs().image(image, Behaviour::NoTask { event });
        },
        parameters: |_| json!({"DeploymentTimeout": 4}),
        ..HEALTHY
    },
    Scenario {
        name: "hook-fails",
        about: "a lifecycle hook's function rejects the new tasks",
        ends: Ends::RolledBack,
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
        ..HEALTHY
    },
    Scenario {
        name: "secret-unreadable",
        about: "the new tasks cannot read a secret",
        ends: Ends::RolledBack,
        setup: || with_breaker(true),
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::SecretUnreadable),
        ..HEALTHY
    },
    Scenario {
        name: "secret-missing",
        about: "a secret that the new tasks need does not exist",
        ends: Ends::Refused,
        setup: || with_breaker(true),
        parameters: |container| {
            let secret = format!(
                "arn:aws:secretsmanager:{}:{}:secret:shop/db-AbCdEf",
                simulator::REGION,
                simulator::ACCOUNT
            );
            json!({"TaskDefinitionPatch": {"containerDefinitions": {container: {"secrets": {"DATABASE_URL": secret}}}}})
        },
        ..HEALTHY
    },
    Scenario {
        name: "no-capacity",
        about: "no capacity for the new tasks until the time limit",
        ends: Ends::RolledBack,
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::NoCapacity),
        parameters: |_| json!({"DeploymentTimeout": 4}),
        ..HEALTHY
    },
    Scenario {
        name: "alarm",
        about: "an alarm of the service goes off",
        ends: Ends::RolledBack,
        setup: || ServiceSetup {
            alarms: Some((vec!["web-5xx".to_owned()], true)),
            bake_minutes: 5,
            ..ServiceSetup::default()
        },
        arrange: |simulator, _| {
            simulator.account().put_alarm("web-5xx", "OK");
            let alarm = Intervention::TriggerAlarm {
                name: "web-5xx".to_owned(),
            };
            let after = Duration::from_secs(90);
            simulator.ecs().on_update(CLUSTER, SERVICE, after, alarm);
        },
        ..HEALTHY
    },
    Scenario {
        name: "never-stable",
        about: "the new tasks do not run until the time limit",
        ends: Ends::RolledBack,
        arrange: |simulator, image| simulator.ecs().image(image, Behaviour::StuckPending),
        parameters: |_| json!({"DeploymentTimeout": 4}),
        ..HEALTHY
    },
    Scenario {
        name: "replaced",
        about: "somebody else deploys another revision meanwhile",
        ends: Ends::Fails,
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
        ..HEALTHY
    },
    Scenario {
        name: "pass-role-denied",
        about: "the function is denied iam:PassRole",
        ends: Ends::Refused,
        arrange: |simulator, _| simulator.faults().deny("iam:PassRole"),
        ..HEALTHY
    },
    Scenario {
        name: "update-denied",
        about: "the function is denied ecs:UpdateService",
        ends: Ends::Fails,
        arrange: |simulator, _| simulator.faults().deny("UpdateService"),
        ..HEALTHY
    },
    Scenario {
        name: "throttled",
        about: "AWS throttles and fails now and then",
        ends: Ends::Succeeds,
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
        seen: calls_made_again,
        ..HEALTHY
    },
    Scenario {
        name: "throttled-throughout",
        about: "AWS throttles every call to ECS for half an hour",
        ends: Ends::Refused,
        arrange: |simulator, _| simulator.faults().throttle("DescribeServices", usize::MAX),
        ..HEALTHY
    },
    Scenario {
        name: HERD,
        about: "forty pipelines at once, with ECS's documented quotas",
        ..HEALTHY
    },
    Scenario {
        name: "blue-green",
        about: "ECS's blue/green strategy, two minutes of bake time",
        ends: Ends::Succeeds,
        setup: || ServiceSetup {
            strategy: Strategy::BlueGreen,
            load_balancer: true,
            bake_minutes: 2,
            ..ServiceSetup::default()
        },
        ..HEALTHY
    },
    Scenario {
        name: "canary",
        about: "10 % of the traffic for two minutes, then all of it",
        ends: Ends::Succeeds,
        setup: || ServiceSetup {
            strategy: Strategy::Canary,
            canary: Some((10.0, 2)),
            bake_minutes: 2,
            load_balancer: true,
            ..ServiceSetup::default()
        },
        ..HEALTHY
    },
    Scenario {
        name: "pause-hook",
        about: "a PAUSE hook holds it, and nobody lets it go on",
        ends: Ends::RolledBack,
        setup: || ServiceSetup {
            strategy: Strategy::BlueGreen,
            pause_hook: Some(PauseHook {
                stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
                timeout_minutes: 3,
            }),
            ..ServiceSetup::default()
        },
        ..HEALTHY
    },
    Scenario {
        name: "approval",
        about: "WaitFor and ContinueDeployment: people approve",
        ends: Ends::Feature,
        setup: held,
        parameters: |_| json!({"WaitFor": "Pause"}),
        ..HEALTHY
    },
    Scenario {
        name: "approval-rejected",
        about: "WaitFor and ContinueDeployment: rolled back as asked",
        ends: Ends::Feature,
        setup: held,
        parameters: |_| json!({"WaitFor": "Pause"}),
        ..HEALTHY
    },
    Scenario {
        name: "previous",
        about: "TaskDefinition: the revision before, without a build",
        ends: Ends::Feature,
        ..HEALTHY
    },
    Scenario {
        name: "patch",
        about: "TaskDefinitionPatch: more memory, other variables",
        ends: Ends::Feature,
        parameters: |container| {
            json!({"TaskDefinitionPatch": {"memory": "1024", "containerDefinitions":
                {container: {"environment": {"RELEASE": "4f2a9c1", "STAGE": null}}}}})
        },
        ..HEALTHY
    },
    Scenario {
        name: "unchanged",
        about: "SkipIfUnchanged: the same again deploys nothing",
        ends: Ends::Feature,
        ..HEALTHY
    },
    Scenario {
        name: "several-services",
        about: "two services side by side",
        ends: Ends::Succeeds,
        has_worker: true,
        parameters: |_| web_and_worker(),
        ..HEALTHY
    },
    Scenario {
        name: "one-of-several",
        about: "one of two services fails: both are rolled back",
        ends: Ends::RolledBack,
        setup: || with_breaker(true),
        has_worker: true,
        arrange: |simulator, image| {
            let log = ["starting app v2", "panic: DATABASE_URL is not set"];
            simulator.ecs().image(image, crash(1, &log));
        },
        parameters: |_| web_and_worker(),
        ..HEALTHY
    },
    Scenario {
        name: "migration",
        about: "PreDeployTask: a task runs before the deployment",
        ends: Ends::Feature,
        arrange: |simulator, _| {
            let takes_a_while = Behaviour::Crash {
                exit_code: 0,
                after_seconds: 90,
                log_lines: vec!["2 migrations applied".to_owned()],
            };
            simulator.ecs().command("migrate", takes_a_while);
        },
        parameters: |container| migration(container, "up"),
        ..HEALTHY
    },
    Scenario {
        name: "migration-fails",
        about: "PreDeployTask fails, and no service is changed",
        ends: Ends::Fails,
        arrange: |simulator, _| {
            let log = ["applying 0042_orders", "error: relation orders is locked"];
            simulator.ecs().command("migrate", crash(3, &log));
        },
        parameters: |container| migration(container, "up"),
        ..HEALTHY
    },
    Scenario {
        name: "smoke-test",
        about: "PostDeployTask: a task tests the deployment",
        ends: Ends::Feature,
        arrange: |simulator, _| {
            let passes = Behaviour::Crash {
                exit_code: 0,
                after_seconds: 20,
                log_lines: vec!["12 checks passed".to_owned()],
            };
            simulator.ecs().command("smoke-test", passes);
        },
        parameters: smoke_test,
        ..HEALTHY
    },
    Scenario {
        name: "smoke-test-fails",
        about: "PostDeployTask fails",
        ends: Ends::RolledBack,
        arrange: |simulator, _| {
            let log = ["GET /health 200", "FAILED: GET /checkout answers 500"];
            simulator.ecs().command("smoke-test", crash(1, &log));
        },
        parameters: smoke_test,
        ..HEALTHY
    },
    Scenario {
        name: "task-definition-file",
        about: "TaskDefinitionFile: it is in the artifact",
        ends: Ends::Feature,
        parameters: |_| json!({"TaskDefinitionFile": "taskdef.json"}),
        files: |containers| {
            let containers = containers.iter().zip(1..).map(|(name, number)| {
                let image = format!("<IMAGE{number}_NAME>");
                json!({"name": name, "image": image, "essential": true,
                    "environment": [{"name": "STAGE", "value": "prod"}, {"name": "FEATURE", "value": "on"}]})
            });
            let definition = json!({
                "cpu": "512", "memory": "1024", "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
                "containerDefinitions": containers.collect::<Vec<Value>>(),
            });
            vec![("taskdef.json", definition.to_string())]
        },
        ..HEALTHY
    },
    Scenario {
        name: "pinned",
        about: "PinDigests: the tag is replaced by its digest",
        ends: Ends::Feature,
        needs_ecr: true,
        parameters: |_| json!({"PinDigests": true}),
        ..HEALTHY
    },
    Scenario {
        name: "other-account",
        about: "RoleArn: the service is in another account",
        ends: Ends::Feature,
        arrange: |simulator, _| simulator.sts().allow(DEPLOY_ROLE, Some("shop")),
        parameters: |_| json!({"RoleArn": DEPLOY_ROLE, "ExternalId": "shop"}),
        seen: calls_with_the_role,
        ..HEALTHY
    },
    Scenario {
        name: "other-account-denied",
        about: "the role of the other account cannot be assumed",
        ends: Ends::Refused,
        parameters: |_| json!({"RoleArn": DEPLOY_ROLE, "ExternalId": "shop"}),
        ..HEALTHY
    },
    Scenario {
        name: "scheduled-tasks",
        about: "ScheduledTasks: a rule and a schedule follow",
        ends: Ends::Feature,
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
        parameters: |_| json!({"ScheduledTasks": true}),
        seen: schedules,
        ..HEALTHY
    },
    Scenario {
        name: "keep-revisions",
        about: "KeepRevisions: old revisions are deregistered",
        ends: Ends::Feature,
        arrange: |simulator, _| {
            for number in 2..=7 {
                let old = json!({"family": "app", "containerDefinitions":
                    [{"name": "app", "image": format!("repo/app:old-{number}")}]});
                simulator.ecs().register(old);
            }
        },
        parameters: |_| json!({"KeepRevisions": 3}),
        ..HEALTHY
    },
    Scenario {
        name: "config-file",
        about: "ConfigFile: the parameters are in the artifact",
        ends: Ends::Feature,
        parameters: |_| {
            json!({"ClusterName": null, "ServiceName": null, "DeploymentTimeout": null,
            "ConfigFile": "deploy/prod.json"})
        },
        files: |_| {
            let parameters =
                json!({"ClusterName": CLUSTER, "ServiceName": SERVICE, "DeploymentTimeout": 15});
            vec![("deploy/prod.json", parameters.to_string())]
        },
        ..HEALTHY
    },
    Scenario {
        name: "dry-run",
        about: "DryRun: everything is checked, nothing is changed",
        ends: Ends::Feature,
        parameters: |_| json!({"DryRun": true, "KeepRevisions": 10}),
        ..HEALTHY
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
    pub(crate) fn parameters(&self, container: &str) -> Value {
        (self.parameters)(container)
    }

    /// Files of the artifact besides its own.
    pub(crate) fn files(&self, containers: &[&str]) -> Vec<(&'static str, String)> {
        (self.files)(containers)
    }

    /// What else is to be seen of its end.
    pub(crate) fn seen(&self, simulator: &Simulator) -> Vec<String> {
        (self.seen)(simulator)
    }
}

static ALL: [Scenario; SCENARIOS.len()] = SCENARIOS;

pub(crate) fn find(name: &str) -> Option<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name)
}

/// The scenario that this name is most likely meant to be.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    text::nearest(name, ALL.iter().map(|scenario| scenario.name))
}

/// One line for each, in groups by how they end.
pub(crate) fn listed() -> String {
    let groups = ENDS.iter().map(|(ends, heading)| {
        let scenarios = ALL.iter().filter(|one| one.ends == *ends);
        let lines = scenarios.map(|one| format!("  {:<20}  {}", one.name, one.about));
        let lines: Vec<String> = std::iter::once((*heading).to_owned())
            .chain(lines)
            .collect();
        lines.join("\n")
    });
    let groups: Vec<String> = groups.collect();
    groups.join("\n\n")
}
