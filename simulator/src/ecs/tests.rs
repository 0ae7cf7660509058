//! What ECS shows and refuses, asked as a client asks, without the wire.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Behaviour, Ecs, Intervention, PauseHook, ServiceSetup, Strategy};
use crate::arn::last_part;
use crate::clock::Clock;
use crate::logs::Logs;
use crate::wire::ApiError;

const NETWORK: &str =
    "Network Configuration must be provided when networkMode 'awsvpc' is specified.";

struct World {
    ecs: Ecs,
    clock: Clock,
    logs: Logs,
}

/// `prod` with `app:1`, whose sidecar is not essential.
fn world() -> World {
    let (clock, logs) = (Clock::driven(), Logs::default());
    let ecs = Ecs::new(clock.clone(), logs.clone());
    let log = |group: &str| {
        json!({"logDriver": "awslogs", "options": {
            "awslogs-group": group, "awslogs-stream-prefix": "ecs"}})
    };
    ecs.create_cluster("prod");
    ecs.register(json!({
        "family": "app", "networkMode": "awsvpc",
        "containerDefinitions": [
            {"name": "app", "image": "repo/app:v1", "logConfiguration": log("/app")},
            {"name": "sidecar", "image": "repo/sidecar@sha256:abc", "essential": false,
             "logConfiguration": log("/sidecar")},
        ],
        "tags": [{"key": "team", "value": "web"}],
    }));
    World { ecs, clock, logs }
}

impl World {
    fn ask(&self, operation: &str, request: Value) -> Result<Value, ApiError> {
        self.ecs.call(operation, &request, None)
    }

    fn refusal(&self, operation: &str, request: Value) -> (String, String) {
        let error = self.ask(operation, request).unwrap_err();
        (error.code, error.message)
    }

    /// Runs `container` with `command`; the task.
    fn run(&self, container: &str, command: &str) -> Value {
        let answer = self.ask("RunTask", with_command(container, command));
        answer.unwrap()["tasks"][0].clone()
    }

    /// The task as it is shown so many seconds later.
    fn after(&self, seconds: u64, task: &Value) -> Value {
        self.clock.advance(Duration::from_secs(seconds));
        let request = json!({"cluster": "prod", "tasks": [task["taskArn"]]});
        self.ask("DescribeTasks", request).unwrap()["tasks"][0].clone()
    }
}

fn request() -> Value {
    json!({"cluster": "prod", "taskDefinition": "app:1", "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}})
}

/// [`request`] with this member.
fn with(member: &str, value: Value) -> Value {
    let mut request = request();
    request[member] = value;
    request
}

fn with_command(container: &str, command: &str) -> Value {
    let words: Vec<&str> = command.split(' ').collect();
    with(
        "overrides",
        json!({"containerOverrides": [{"name": container, "command": words}]}),
    )
}

fn crash(exit_code: i64) -> Behaviour {
    Behaviour::Crash {
        exit_code,
        after_seconds: 10,
        log_lines: vec!["done".to_owned()],
    }
}

/// What each container of a task shows.
fn each<'a>(task: &'a Value, member: &str) -> Vec<&'a Value> {
    let containers = task["containers"].as_array().unwrap().iter();
    containers.map(|container| &container[member]).collect()
}

#[test]
fn a_run_whose_essential_container_ends_stops_with_its_exit_code_and_its_log() {
    let world = world();
    world.ecs.command("migrate --all", crash(0));
    let task = world.run("app", "bin/migrate --all");
    assert_eq!(each(&task, "lastStatus"), ["PENDING", "PENDING"]);
    assert_eq!(each(&task, "imageDigest"), [&Value::Null, &Value::Null]);
    let task = world.after(5, &task);
    assert_eq!(each(&task, "lastStatus"), ["RUNNING", "RUNNING"]);
    let task = world.after(10, &task);
    assert_eq!(task["lastStatus"], "STOPPED");
    assert_eq!(task["stopCode"], "EssentialContainerExited");
    assert_eq!(each(&task, "lastStatus"), ["STOPPED", "STOPPED"]);
    assert_eq!(each(&task, "exitCode"), [&json!(0), &json!(143)]);
    let id = last_part(task["taskArn"].as_str().unwrap());
    let request = json!({"logGroupName": "/app", "logStreamName": format!("ecs/app/{id}")});
    let events = world.logs.call("GetLogEvents", &request).unwrap();
    assert_eq!(events["events"][0]["message"], "done");
}

#[test]
fn a_run_goes_on_without_a_container_that_is_not_essential_until_it_is_stopped() {
    let world = world();
    world.ecs.command("check", crash(3));
    let task = world.run("sidecar", "bin/check");
    let task = world.after(15, &task);
    assert_eq!(task["lastStatus"], "RUNNING");
    assert_eq!(each(&task, "lastStatus"), ["RUNNING", "STOPPED"]);
    assert_eq!(each(&task, "exitCode"), [&Value::Null, &json!(3)]);
    let task = world.after(3600, &task);
    assert_eq!(task["lastStatus"], "RUNNING");
    let stop = json!({"cluster": "prod", "task": task["taskArn"], "reason": "enough"});
    let answer = world.ask("StopTask", stop).unwrap();
    assert_eq!(answer["task"]["desiredStatus"], "STOPPED");
    let task = world.after(5, &task);
    assert_eq!(task["lastStatus"], "STOPPED");
    assert_eq!(task["stopCode"], "UserInitiated");
    assert_eq!(task["stoppedReason"], "enough");
    assert_eq!(each(&task, "lastStatus"), ["STOPPED", "STOPPED"]);
    assert_eq!(each(&task, "exitCode"), [&json!(143), &json!(3)]);
    let logged = json!({"logGroupName": "/sidecar", "logStreamName":
        format!("ecs/sidecar/{}", last_part(task["taskArn"].as_str().unwrap()))});
    world.logs.call("GetLogEvents", &logged).unwrap();
}

#[test]
fn a_stopped_task_cannot_be_stopped_again_and_one_that_never_ran_has_no_exit_codes() {
    let world = world();
    world.ecs.command("migrate", crash(1));
    world.ecs.command("never", Behaviour::StuckPending);
    let ended = world.run("app", "migrate");
    let ended = world.after(15, &ended);
    let stop = |task: &Value, cluster: &str| {
        let request = json!({"cluster": cluster, "task": task["taskArn"]});
        world.ask("StopTask", request).map(|_| ())
    };
    stop(&ended, "prod").unwrap();
    assert_eq!(
        world.after(5, &ended)["stopCode"],
        "EssentialContainerExited"
    );
    let stuck = world.run("app", "never");
    let stuck = world.after(60, &stuck);
    assert_eq!(stuck["lastStatus"], "PENDING");
    world.ecs.create_cluster("other");
    assert_eq!(
        stop(&stuck, "other").unwrap_err().code,
        "InvalidParameterException"
    );
    stop(&stuck, "prod").unwrap();
    let stuck = world.after(5, &stuck);
    assert_eq!(stuck["stoppedReason"], "Task stopped by user");
    assert_eq!(each(&stuck, "exitCode"), [&Value::Null, &Value::Null]);
}

#[test]
fn the_command_decides_over_the_image_and_only_where_it_is_overridden() {
    let world = world();
    world.ecs.image("repo/app", Behaviour::CannotPull);
    world.ecs.command("migrate", crash(0));
    let migrated = world.run("app", "migrate");
    assert_eq!(world.after(15, &migrated)["containers"][0]["exitCode"], 0);
    let other = world.run("app", "something else");
    assert_eq!(world.after(15, &other)["stopCode"], "TaskFailedToStart");
}

#[test]
fn a_client_token_makes_one_run_on_a_cluster_and_another_request_with_it_is_a_conflict() {
    let world = world();
    let token = |request: Value| {
        let mut request = request;
        request["clientToken"] = json!("t-1");
        request
    };
    let first = world.ask("RunTask", token(request())).unwrap();
    let arn = first["tasks"][0]["taskArn"].clone();
    let again = world.ask("RunTask", token(request())).unwrap();
    assert_eq!(again["tasks"][0]["taskArn"], arn);
    let other = token(with_command("app", "migrate"));
    let conflict = world.ask("RunTask", other).unwrap_err();
    assert_eq!(
        (conflict.code.as_str(), conflict.status),
        ("ConflictException", 400)
    );
    assert_eq!(conflict.body()["resourceIds"], json!([arn]));
    world.ecs.create_cluster("other");
    world
        .ask("RunTask", token(with("cluster", json!("other"))))
        .unwrap();
    assert_eq!(world.ecs.tasks_run().len(), 2);
    // Tasks that ECS has forgotten are still those of the token.
    let stop = json!({"cluster": "prod", "task": arn});
    world.ask("StopTask", stop).unwrap();
    world.clock.advance(Duration::from_hours(2));
    let again = world.ask("RunTask", token(request())).unwrap();
    assert_eq!(again["tasks"][0]["taskArn"], arn);
    assert_eq!(world.ecs.tasks_run().len(), 2);
}

#[test]
fn a_run_that_ecs_would_refuse_is_refused() {
    let world = world();
    world.ecs.register(json!({"family": "bridge",
        "containerDefinitions": [{"name": "app", "image": "repo/app:v1"}]}));
    world
        .ecs
        .register(json!({"family": "app", "containerDefinitions": []}));
    world
        .ask(
            "DeregisterTaskDefinition",
            json!({"taskDefinition": "app:2"}),
        )
        .unwrap();
    let strategy = json!([{"capacityProvider": "FARGATE_SPOT"}]);
    let too_long = "x".repeat(8200);
    for (refused, code, message) in [
        (
            with("networkConfiguration", Value::Null),
            "InvalidParameterException",
            NETWORK,
        ),
        (
            with(
                "networkConfiguration",
                json!({"awsvpcConfiguration": {"subnets": []}}),
            ),
            "InvalidParameterException",
            "subnets can not be empty.",
        ),
        (
            with("taskDefinition", json!("bridge")),
            "InvalidParameterException",
            "Network Configuration is not valid for the given networkMode of this task definition.",
        ),
        (
            with("capacityProviderStrategy", strategy),
            "InvalidParameterException",
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ),
        (
            with("launchType", Value::Null),
            "InvalidParameterException",
            "No Container Instances were found in your cluster.",
        ),
        (
            with("taskDefinition", json!("app:2")),
            "InvalidParameterException",
            "TaskDefinition is inactive",
        ),
        (
            with("taskDefinition", json!("app:3")),
            "ClientException",
            "TaskDefinition not found.",
        ),
        (
            with_command("ap", "migrate"),
            "InvalidParameterException",
            "Override for container named ap is not a container in the TaskDefinition.",
        ),
        (
            with_command("app", &too_long),
            "InvalidParameterException",
            "Container Overrides length must be at most 8192",
        ),
        (
            with("clientToken", json!("t".repeat(65))),
            "InvalidParameterException",
            "clientToken can have at most 64 characters in the range of 33 to 126.",
        ),
        (
            with("startedBy", json!("not allowed")),
            "InvalidParameterException",
            "startedBy can have at most 128 letters, numbers, hyphens, slashes and underscores.",
        ),
        (
            with("count", json!(11)),
            "InvalidParameterException",
            "count must be between 1 and 10.",
        ),
        (
            with("platformVersion", json!("2.0.0")),
            "PlatformUnknownException",
            "There is no platform version 2.0.0.",
        ),
        (
            with("volumeConfigurations", json!([{"name": "v"}])),
            "InvalidParameterException",
            "Volume configuration provided but no matching configuredAtLaunch volume found in task definition.",
        ),
    ] {
        let refusal = world.refusal("RunTask", refused.clone());
        assert_eq!(refusal, (code.to_owned(), message.to_owned()), "{refused}");
    }
    assert_eq!(world.ecs.tasks_run(), [] as [Value; 0]);
    world
        .ask(
            "RunTask",
            with("overrides", json!({"containerOverrides": [{}]})),
        )
        .unwrap();
}

#[test]
fn tasks_run_shows_what_was_asked_for_and_what_became_of_it() {
    let world = world();
    let mut asked = with_command("app", "bin/migrate");
    asked["launchType"] = Value::Null;
    asked["capacityProviderStrategy"] = json!([
        {"capacityProvider": "FARGATE", "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 4}]);
    asked["platformVersion"] = json!("LATEST");
    asked["startedBy"] = json!("ecs-deploy-action/1");
    asked["propagateTags"] = json!("TASK_DEFINITION");
    asked["tags"] = json!([{"key": "job", "value": "1"}]);
    world.ask("RunTask", asked.clone()).unwrap();
    world.ask("RunTask", request()).unwrap();
    world.clock.advance(Duration::from_secs(20));
    let shown = world.ecs.tasks_run();
    assert_eq!(shown.len(), 2);
    let first = &shown[0];
    assert_eq!(first["overrides"], asked["overrides"]);
    assert_eq!(first["startedBy"], "ecs-deploy-action/1");
    assert_eq!(first["capacityProviderName"], "FARGATE_SPOT");
    assert_eq!(first["launchType"], "FARGATE");
    assert_eq!(first["platformVersion"], "1.4.0");
    assert_eq!(first["group"], "family:app");
    assert_eq!(first["lastStatus"], "RUNNING");
    let tags = json!([{"key": "team", "value": "web"}, {"key": "job", "value": "1"}]);
    assert_eq!(first["tags"], tags);
    assert_eq!(shown[1]["capacityProviderName"], Value::Null);
    assert_eq!(shown[1]["startedBy"], Value::Null);
}

#[test]
fn containers_that_run_show_the_digest_of_their_image() {
    let world = world();
    let task = world.run("app", "serve");
    let task = world.after(20, &task);
    let digests = each(&task, "imageDigest");
    let digest = digests[0].as_str().unwrap();
    assert_eq!(digest.len(), "sha256:".len() + 64);
    assert!(digest.starts_with("sha256:"));
    assert_eq!(digests[1], "sha256:abc");
    let again = world.run("app", "serve");
    assert_eq!(each(&world.after(20, &again), "imageDigest"), digests);
}

fn setup(name: &str) -> ServiceSetup {
    ServiceSetup {
        cluster: "prod".to_owned(),
        name: name.to_owned(),
        task_definition: "app:1".to_owned(),
        ..ServiceSetup::default()
    }
}

#[test]
fn services_and_clusters_are_listed_page_by_page_and_ten_services_described_at_a_time() {
    let world = world();
    world.ecs.create_cluster("other");
    let names: Vec<String> = (0..12).map(|number| format!("s{number}")).collect();
    for name in &names {
        world.ecs.create_service(setup(name));
    }
    let list = |operation, more: Value| world.ask(operation, more).unwrap();
    let clusters = list("ListClusters", json!({"maxResults": 1}));
    assert_eq!(
        clusters["clusterArns"],
        json!(["arn:aws:ecs:eu-central-1:111122223333:cluster/other"])
    );
    let rest = list("ListClusters", json!({"nextToken": clusters["nextToken"]}));
    assert_eq!(
        rest,
        json!({"clusterArns": ["arn:aws:ecs:eu-central-1:111122223333:cluster/prod"]})
    );
    let first = list("ListServices", json!({"cluster": "prod"}));
    assert_eq!(first["serviceArns"].as_array().unwrap().len(), 10);
    let second = list(
        "ListServices",
        json!({"cluster": "prod", "nextToken": first["nextToken"]}),
    );
    assert_eq!(
        second["serviceArns"][1],
        "arn:aws:ecs:eu-central-1:111122223333:service/prod/s11"
    );
    assert_eq!(second["nextToken"], Value::Null);
    let all = list(
        "ListServices",
        json!({"cluster": "prod", "maxResults": 100}),
    );
    assert_eq!(all["serviceArns"].as_array().unwrap().len(), 12);
    let none = list("ListServices", json!({"cluster": "other"}));
    assert_eq!(none, json!({"serviceArns": []}));
    let ec2 = list(
        "ListServices",
        json!({"cluster": "prod", "launchType": "EC2"}),
    );
    assert_eq!(ec2, json!({"serviceArns": []}));
    for (operation, request, message) in [
        (
            "ListServices",
            json!({"cluster": "prod", "maxResults": 101}),
            "maxResults must be between 1 and 100.",
        ),
        (
            "ListServices",
            json!({"cluster": "prod", "nextToken": "x"}),
            "Invalid token.",
        ),
        (
            "DescribeServices",
            json!({"cluster": "prod", "services": names[..11]}),
            "service names can have at most 10 items.",
        ),
        (
            "DescribeServices",
            json!({"cluster": "prod", "services": []}),
            "Services cannot be empty.",
        ),
        (
            "DescribeTasks",
            json!({"cluster": "prod", "tasks": []}),
            "Tasks cannot be empty.",
        ),
    ] {
        let refusal = world.refusal(operation, request);
        assert_eq!(
            refusal,
            ("InvalidParameterException".to_owned(), message.to_owned())
        );
    }
    let described = list(
        "DescribeServices",
        json!({"cluster": "prod", "services": names[..10]}),
    );
    assert_eq!(described["services"].as_array().unwrap().len(), 10);
}

#[test]
fn tasks_are_listed_by_family_and_belong_to_their_cluster() {
    let world = world();
    world
        .ecs
        .register(json!({"family": "job", "networkMode": "awsvpc",
        "containerDefinitions": [{"name": "job", "image": "repo/job:v1"}]}));
    let job = with("taskDefinition", json!("job"));
    let job = world.ask("RunTask", job).unwrap()["tasks"][0]["taskArn"].clone();
    world.ask("RunTask", request()).unwrap();
    let listed = |more: Value| world.ask("ListTasks", more).unwrap()["taskArns"].clone();
    assert_eq!(
        listed(json!({"cluster": "prod", "family": "job"})),
        json!([job])
    );
    assert_eq!(
        listed(json!({"cluster": "prod", "family": "jo"})),
        json!([])
    );
    let (code, _) = world.refusal(
        "ListTasks",
        json!({"cluster": "prod", "family": "job", "startedBy": "me"}),
    );
    assert_eq!(code, "InvalidParameterException");
    world.ecs.create_cluster("other");
    let described = world
        .ask("DescribeTasks", json!({"cluster": "other", "tasks": [job]}))
        .unwrap();
    assert_eq!(described["failures"][0]["reason"], "MISSING");
}

#[test]
fn a_service_shows_the_capacity_and_the_network_that_it_is_set_up_with() {
    let world = world();
    world.ecs.create_service(setup("plain"));
    let strategy = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1}]);
    let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-9"]}});
    world.ecs.create_service(ServiceSetup {
        capacity_provider_strategy: Some(strategy.clone()),
        network: Some(network.clone()),
        ..setup("spot")
    });
    let plain = world.ecs.service("prod", "plain").unwrap();
    assert_eq!(plain["launchType"], "FARGATE");
    assert_eq!(plain["capacityProviderStrategy"], Value::Null);
    let spot = world.ecs.service("prod", "spot").unwrap();
    for shown in [&spot, &spot["deployments"][0]] {
        assert_eq!(shown["capacityProviderStrategy"], strategy);
        assert_eq!(shown.get("launchType"), None);
    }
    assert_eq!(spot["networkConfiguration"], network);
    let listed = json!({"cluster": "prod", "serviceName": "spot"});
    let arns = world.ask("ListTasks", listed).unwrap()["taskArns"].clone();
    let request = json!({"cluster": "prod", "tasks": arns});
    let tasks = world.ask("DescribeTasks", request).unwrap();
    assert_eq!(tasks["tasks"][0]["capacityProviderName"], "FARGATE_SPOT");
}

#[test]
fn a_new_service_leaves_the_tasks_of_others_as_they_are() {
    let world = world();
    world.ecs.create_service(setup("one"));
    world
        .ecs
        .register(json!({"family": "app", "networkMode": "awsvpc",
        "containerDefinitions": [{"name": "app", "image": "repo/app:stuck"}]}));
    world.ecs.image(":stuck", Behaviour::StuckPending);
    let deploy = Intervention::Deploy {
        task_definition: "app:2".to_owned(),
    };
    world.ecs.intervene("prod", "one", &deploy);
    world.clock.advance(Duration::from_secs(5));
    let pending = |world: &World| world.ecs.service("prod", "one").unwrap()["pendingCount"].clone();
    assert_eq!(pending(&world), 2);
    world.ecs.create_service(setup("two"));
    assert_eq!(pending(&world), 2);
}

/// The weights of production traffic on the new revision, each with the seconds since the first,
/// while `setup` deploys `app:1` anew.
fn weights(setup: ServiceSetup) -> Vec<(i64, f64)> {
    let world = world();
    let name = setup.name.clone();
    world.ecs.create_service(setup);
    world
        .ecs
        .intervene("prod", &name, &Intervention::ForceNewDeployment);
    let mut seen: Vec<(i64, f64)> = Vec::new();
    for second in 0..2000 {
        let newest = &world.ecs.service_deployments("prod", &name)[0];
        let target = &newest["targetServiceRevision"];
        let weight = target["requestedProductionTrafficWeight"].as_f64().unwrap();
        if weight > seen.last().map_or(0.0, |(_, last)| *last) {
            seen.push((second, weight));
        }
        world.clock.advance(Duration::from_secs(1));
    }
    let first = seen[0].0;
    let since_first = seen
        .iter()
        .map(|(second, weight)| (second - first, *weight));
    since_first.collect()
}

#[test]
fn linear_and_canary_deployments_shift_traffic_as_they_are_set_up() {
    let linear = ServiceSetup {
        strategy: Strategy::Linear,
        linear: Some((33.3, 2)),
        ..setup("linear")
    };
    assert_eq!(
        weights(linear),
        [(0, 33.3), (125, 66.6), (250, 99.9), (375, 100.0)]
    );
    let canary = ServiceSetup {
        strategy: Strategy::Canary,
        canary: Some((5.0, 10)),
        ..setup("canary")
    };
    assert_eq!(weights(canary), [(0, 5.0), (605, 100.0)]);
    let short = ServiceSetup {
        strategy: Strategy::Linear,
        ..setup("short")
    };
    assert_eq!(
        weights(short),
        [(0, 25.0), (30, 50.0), (60, 75.0), (90, 100.0)]
    );
}

#[test]
fn steps_and_hooks_are_shown_in_the_configuration_of_services_and_their_deployments() {
    let world = world();
    world.ecs.create_service(ServiceSetup {
        strategy: Strategy::Canary,
        linear: Some((10.0, 6)),
        canary: Some((5.0, 10)),
        pause_hook: Some(PauseHook {
            stage: "POST_SCALE_UP".to_owned(),
            timeout_minutes: 30,
        }),
        ..setup("web")
    });
    let service = world.ecs.service("prod", "web").unwrap();
    let configuration = &service["deploymentConfiguration"];
    assert_eq!(
        configuration["linearConfiguration"],
        json!({"stepPercent": 10.0, "stepBakeTimeInMinutes": 6})
    );
    assert_eq!(
        configuration["canaryConfiguration"],
        json!({"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10})
    );
    let hook = json!([{"targetType": "PAUSE", "lifecycleStages": ["POST_SCALE_UP"],
        "timeoutConfiguration": {"timeoutInMinutes": 30, "action": "ROLLBACK"}}]);
    assert_eq!(configuration["lifecycleHooks"], hook);
    world
        .ecs
        .intervene("prod", "web", &Intervention::ForceNewDeployment);
    world.clock.advance(Duration::from_mins(2));
    let newest = &world.ecs.service_deployments("prod", "web")[0];
    assert_eq!(&newest["deploymentConfiguration"], configuration);
    let held = &newest["lifecycleHookDetails"][0];
    assert_eq!(held["status"], "AWAITING_ACTION");
    assert_eq!(held["timeoutAction"], "ROLLBACK");
}

#[test]
#[should_panic(expected = "steps of 2 %")]
fn steps_that_ecs_does_not_take_cannot_be_set_up() {
    world().ecs.create_service(ServiceSetup {
        strategy: Strategy::Linear,
        linear: Some((2.0, 0)),
        ..setup("web")
    });
}
