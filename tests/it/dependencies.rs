//! `VerifyDependencies`: what new tasks need besides their images is looked at before anything is changed.
//!
//! After <https://github.com/aws/copilot-cli/issues/3246>: a secret that is not there costs a whole rollout.

use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::logs::{self, Format};
use ecs_deploy_action::observer::Unobserved;
use serde_json::{Value, json};
use simulator::ecs::{Intervention, ServiceSetup};

use crate::support::{Kept, World, app, failure, second_listener, success};

const ECR: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";
const GROUP: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/web/0123456789abcdef";
const SECRET: &str = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:db-AbCdEf";

/// A service whose tasks need one of everything, all of it there.
fn needy() -> World {
    with_definition(needy_app())
}

fn needy_app() -> Value {
    let mut definition = app("repo/app:v1");
    definition["taskRoleArn"] = json!("arn:aws:iam::111122223333:role/app-task");
    let container = &mut definition["containerDefinitions"][0];
    container["portMappings"] = json!([{"containerPort": 8080}]);
    container["secrets"] = json!([
        {"name": "DATABASE_URL", "valueFrom": SECRET},
        {"name": "FLAGS", "valueFrom": "/app/flags"},
        {"name": "REGION", "valueFrom": "arn:aws:ssm:eu-central-1:111122223333:parameter/app/region"},
    ]);
    container["logConfiguration"] = json!({
        "logDriver": "awslogs",
        "options": {"awslogs-group": "/ecs/app", "awslogs-region": "eu-central-1",
            "awslogs-stream-prefix": "ecs"},
    });
    definition
}

fn with_definition(definition: Value) -> World {
    let world = World::with_service(ServiceSetup {
        load_balancers: Some(json!([{"targetGroupArn": GROUP, "containerName": "app",
            "containerPort": 8080}])),
        alarms: Some((vec!["errors".to_owned()], true)),
        ..ServiceSetup::default()
    });
    runs(&world, definition);
    let account = world.simulator.account();
    account.put_secret("db", &["AWSCURRENT"]);
    account.put_parameter("/app/flags", "flags-MARK");
    account.put_parameter("/app/region", "region-MARK");
    account.put_alarm("errors", "OK");
    world
}

/// The service runs this.
fn runs(world: &World, definition: Value) {
    let ecs = world.simulator.ecs();
    ecs.register(definition);
    let task_definition = "app:2".to_owned();
    ecs.intervene("prod", "web", &Intervention::Deploy { task_definition });
    world.simulator.clock().advance(Duration::from_mins(10));
    world.simulator.clear_calls();
}

/// The message of a deployment that is refused before anything is changed.
async fn refused(world: &World) -> String {
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError", "{message}");
    assert_eq!(world.revisions(), 2, "nothing was registered");
    assert_eq!(world.count("UpdateService"), 0);
    message.to_owned()
}

/// The warnings of a whole deployment by hand, which succeeds.
async fn warned(world: &World, parameters: Value) -> Vec<String> {
    let mut event = json!({"ClusterName": "prod", "ServiceName": "web",
        "ImageDefinitions": [{"name": "app", "imageUri": "repo/app:v2"}]});
    for (name, value) in parameters.as_object().unwrap() {
        event[name] = value.clone();
    }
    let mut invocation = world.invocation();
    invocation.deadline = invocation.deadline + Duration::from_hours(1);
    let handling = Box::pin(world.handler.handle(&event, &invocation));
    let report = handling.await.unwrap();
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    let warnings = report["warnings"].as_array().cloned().unwrap_or_default();
    let warnings = warnings.iter().filter_map(Value::as_str);
    warnings.map(str::to_owned).collect()
}

/// Each call that looks at something, with the thing that it is about.
const LOOKS: [(&str, &str); 6] = [
    ("DescribeSecret", "the secret db-AbCdEf"),
    ("GetParameters", "the parameter /app/flags"),
    ("DescribeLogStreams", "the log group /ecs/app"),
    ("GetRole", "the role app-execution"),
    ("DescribeTargetGroups", "the target group web"),
    ("DescribeAlarms", "the deployment alarms of web on prod"),
];

#[tokio::test]
async fn a_deployment_whose_tasks_have_all_that_they_need_is_no_warning_and_asks_for_no_value() {
    let world = needy();
    success(&world.deploy(json!({})).await);
    let asked = |operation| {
        let calls = world.simulator.calls_of(operation);
        calls
            .into_iter()
            .map(|call| call.request)
            .collect::<Vec<_>>()
    };
    assert_eq!(asked("DescribeSecret"), [json!({"SecretId": SECRET})]);
    assert_eq!(
        asked("GetParameters"),
        [
            json!({"Names": ["/app/flags", "arn:aws:ssm:eu-central-1:111122223333:parameter/app/region"],
            "WithDecryption": false})
        ]
    );
    assert_eq!(
        asked("DescribeLogStreams"),
        [json!({"logGroupName": "/ecs/app", "limit": 1})]
    );
    assert_eq!(
        asked("GetRole"),
        [
            json!({"RoleName": "app-execution"}),
            json!({"RoleName": "app-task"})
        ]
    );
    assert_eq!(asked("DescribeTargetGroups").len(), 1);
    assert_eq!(asked("DescribeAlarms").len(), 1);
    let none: [String; 0] = [];
    assert_eq!(warned(&needy(), json!({})).await, none);
}

#[tokio::test]
async fn what_is_missing_is_refused_before_anything_is_changed() {
    type Break = fn(&World);
    let cases: [(Break, &str); 9] = [
        (
            |world| world.simulator.account().remove_secret("db"),
            "the secret db-AbCdEf in eu-central-1 does not exist; container app (DATABASE_URL) needs it",
        ),
        (
            |world| world.simulator.account().delete_secret("db"),
            "the secret db-AbCdEf is pending deletion, and container app (DATABASE_URL) needs it",
        ),
        (
            |world| {
                world.simulator.account().put_secret("db", &[]);
            },
            "the secret db-AbCdEf has no version with the stage AWSCURRENT, and container app (DATABASE_URL) needs it",
        ),
        (
            |world| world.simulator.account().remove_parameter("/app/flags"),
            "the parameter /app/flags does not exist; container app (FLAGS) needs it",
        ),
        (
            |world| world.simulator.account().remove_parameter("/app/region"),
            "the parameter /app/region in eu-central-1 does not exist; container app (REGION) needs it",
        ),
        (
            |world| world.simulator.logs().remove_group("/ecs/app"),
            "the log group /ecs/app in eu-central-1 does not exist, and the log of app is to go there: create it, or set awslogs-create-group to true",
        ),
        (
            |world| world.simulator.account().remove_role("app-task"),
            "the role app-task (taskRoleArn) does not exist",
        ),
        (
            |world| {
                let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
                    "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
                world.simulator.account().set_trust("app-execution", policy);
            },
            "the role app-execution (executionRoleArn) does not let ECS's tasks assume it",
        ),
        (
            |world| world.simulator.account().remove_target_group("web"),
            "the target group web, with which web on prod registers its tasks, does not exist",
        ),
    ];
    for (breaks, expected) in cases {
        let world = needy();
        breaks(&world);
        let message = refused(&world).await;
        assert!(
            message.starts_with(&format!("web on prod: {expected}")),
            "{message}"
        );
    }
}

#[tokio::test]
async fn all_that_is_missing_is_reported_together_with_the_image_that_is() {
    let world = needy();
    world.put_images(&json!([{"name": "app", "imageUri": format!("{ECR}/app:v9")}]).to_string());
    world.simulator.account().delete_secret("db");
    world.simulator.account().remove_role("app-task");
    let message = refused(&world).await;
    assert!(
        message.starts_with("web on prod: 3 problems: 1) "),
        "{message}"
    );
    for part in [
        "app:v9 does not exist",
        "pending deletion",
        "app-task (taskRoleArn)",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn what_may_not_be_looked_at_is_one_warning_with_its_statement_and_the_deployment_goes_on() {
    for (operation, what) in LOOKS {
        let world = needy();
        world.simulator.faults().deny(operation);
        let warnings = warned(&world, json!({})).await;
        assert_eq!(warnings.len(), 1, "{operation}: {warnings:?}");
        let warning = &warnings[0];
        assert!(warning.starts_with(what), "{operation}: {warning}");
        assert!(
            warning.contains("not checked before the deployment"),
            "{warning}"
        );
        assert_eq!(
            warning.matches("\"Effect\":\"Allow\"").count(),
            1,
            "{warning}"
        );
        assert!(
            warning.contains(&format!(":{operation}\",\"Resource\":")),
            "{warning}"
        );
        let has_switch = operation != "DescribeTargetGroups";
        assert_eq!(
            warning.contains("AllowVerifyDependencies"),
            has_switch,
            "{warning}"
        );
    }
}

#[tokio::test]
async fn a_roles_statement_names_the_role_though_iam_does_not_say_its_arn() {
    let world = needy();
    world.simulator.faults().deny("GetRole");
    let warnings = warned(&world, json!({})).await;
    assert!(
        warnings[0].contains(r#""Resource":["arn:aws:iam::111122223333:role/app-execution","arn:aws:iam::111122223333:role/app-task"]"#),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn what_is_throttled_or_unavailable_through_all_retries_is_a_warning() {
    for (operation, what) in LOOKS {
        for fault in ["throttle", "server_error", "reset"] {
            let world = needy();
            let faults = world.simulator.faults();
            match fault {
                "throttle" => faults.throttle(operation, 1000),
                "server_error" => faults.server_error(operation, 1000),
                _ => faults.reset(operation, 1000),
            }
            let warnings = warned(&world, json!({})).await;
            assert_eq!(warnings.len(), 1, "{operation} {fault}: {warnings:?}");
            assert!(
                warnings[0].starts_with(what),
                "{operation} {fault}: {warnings:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_throttled_for_a_moment_is_asked_again() {
    for (operation, _) in LOOKS {
        let world = needy();
        world.simulator.faults().throttle(operation, 1);
        let none: [String; 0] = [];
        assert_eq!(warned(&world, json!({})).await, none, "{operation}");
    }
}

#[tokio::test]
async fn of_parameters_of_which_one_may_not_be_seen_the_missing_one_is_refused_all_the_same() {
    let world = needy();
    world.simulator.account().remove_parameter("/app/region");
    let denial = "User: a is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm:eu-central-1:111122223333:parameter/app/flags because no identity-based policy allows the ssm:GetParameters action";
    let faults = world.simulator.faults();
    // Both at once, then the first alone.
    faults.fail("GetParameters", 1, 400, "AccessDeniedException", denial);
    let message = refused(&world).await;
    assert!(message.contains("the parameter /app/region"), "{message}");
    assert_eq!(world.count("GetParameters"), 3);
}

#[tokio::test]
async fn turned_off_nothing_is_looked_at_and_nothing_is_refused() {
    let world = needy();
    world.simulator.account().delete_secret("db");
    world.simulator.account().put_alarm("errors", "ALARM");
    success(&world.deploy(json!({"VerifyDependencies": false})).await);
    for (operation, _) in LOOKS {
        assert_eq!(world.count(operation), 0, "{operation}");
    }
}

#[tokio::test]
async fn alarms_that_are_on_and_a_health_check_on_a_port_that_nobody_maps_are_warnings() {
    let world = needy();
    world.simulator.account().put_alarm("errors", "ALARM");
    world
        .simulator
        .account()
        .set_target_group("web", "ip", "9000");
    let warnings = warned(&world, json!({})).await;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].starts_with(
            "web on prod: the health check of the target group web asks the port 9000"
        ),
        "{warnings:?}"
    );
    assert!(
        warnings[1].starts_with("web on prod: errors is in ALARM already"),
        "{warnings:?}"
    );
}

/// A service that runs this image of ECR, and the artifact asks for the tag v2 of the same repository.
fn on_ecr(runs_image: &str) -> World {
    let world = with_definition({
        let mut definition = needy_app();
        definition["containerDefinitions"][0]["image"] = json!(runs_image);
        definition
    });
    let ecr = world.simulator.ecr();
    ecr.put_image("app", "v2", "sha256:1", "linux/amd64");
    ecr.put_image("app", "v1", "sha256:2", "linux/amd64");
    world
}

#[tokio::test]
async fn an_image_that_a_rollback_would_need_and_that_is_gone_is_a_warning_and_takes_no_call_more()
{
    let new = json!({"ImageDefinitions": [{"name": "app", "imageUri": format!("{ECR}/app:v2")}]});
    let old = format!("{ECR}/app:v1");
    let none: [String; 0] = [];
    let world = on_ecr(&old);
    assert_eq!(warned(&world, new.clone()).await, none);
    assert_eq!(world.count("BatchGetImage"), 1);
    let world = on_ecr(&old);
    world.simulator.ecr().remove_image("app", "v1");
    let expected = format!(
        "the image {old} of app:2, to which a failed deployment would be rolled back, is not in ECR any more: no task could be started from it."
    );
    assert_eq!(warned(&world, new.clone()).await, [expected]);
    for inaccessible in [
        simulator::Inaccessible::Failure,
        simulator::Inaccessible::Error,
    ] {
        let world = on_ecr(&old);
        world
            .simulator
            .ecr()
            .archive_image("app", "v1", inaccessible);
        let warnings = warned(&world, new.clone()).await;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("is archived in ECR"), "{warnings:?}");
    }
    // It would be fetched again.
    let world = on_ecr(&format!("{ECR}/hub/nginx:v1"));
    world.simulator.ecr().cache("hub", "registry-1.docker.io");
    assert_eq!(warned(&world, new.clone()).await, none);
    let world = on_ecr(&format!("{ECR}/other:v1"));
    let warnings = warned(&world, new.clone()).await;
    assert!(warnings[0].contains("other:v1 of app:2"), "{warnings:?}");
    // Nobody would roll back.
    let world = World::new();
    world
        .simulator
        .ecr()
        .put_image("app", "v2", "sha256:1", "linux/amd64");
    runs(&world, app(&format!("{ECR}/other:v1")));
    let mut asked = new;
    asked["Rollback"] = json!(false);
    assert_eq!(warned(&world, asked).await, none);
}

#[tokio::test]
async fn a_repository_that_may_not_be_looked_at_is_one_warning_for_new_and_old_images() {
    let world = on_ecr(&format!("{ECR}/app:v1"));
    world.simulator.faults().deny("BatchGetImage");
    let new = json!({"ImageDefinitions": [{"name": "app", "imageUri": format!("{ECR}/app:v2")}]});
    let warnings = warned(&world, new).await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[tokio::test]
async fn the_looks_are_made_side_by_side_with_those_at_the_images_in_one_round_trip() {
    let world = on_ecr(&format!("{ECR}/app:v1"));
    world.put_images(
        &json!([{"name": "app", "imageUri": format!("{ECR}/app@sha256:1")}]).to_string(),
    );
    // An index tells its platforms by itself.
    let digest = format!("sha256:{}", "1".repeat(64));
    world
        .simulator
        .ecr()
        .put_index("app", "v3", &digest, &["linux/amd64"]);
    world.put_images(
        &json!([{"name": "app", "imageUri": format!("{ECR}/app@{digest}")}]).to_string(),
    );
    let world = World::around(world.simulator, Arc::new(Unobserved), Duration::ZERO);
    let trips = |world: &World| simulator::round_trips(&world.simulator.calls()).len();
    world.simulator.clear_calls();
    world.simulator.answer_in_waves();
    world
        .invoke(&world.start(json!({"VerifyDependencies": false})))
        .await;
    let without = trips(&world);
    world.simulator.clear_calls();
    world.invoke(&world.start(json!({}))).await;
    assert_eq!(
        trips(&world),
        without,
        "{:?}",
        simulator::round_trips(&world.simulator.calls())
    );
    assert_eq!(world.count("GetRole"), 2);
}

#[tokio::test]
async fn a_deployment_that_needs_nothing_of_the_kind_makes_the_calls_that_it_made_before() {
    let calls = |parameters: Value| async {
        let world = World::new();
        let mut definition = app("repo/app:v1");
        definition
            .as_object_mut()
            .unwrap()
            .remove("executionRoleArn");
        runs(&world, definition);
        success(&world.deploy(parameters).await);
        let calls = world.simulator.calls();
        calls
            .iter()
            .map(|call| call.operation.clone())
            .collect::<Vec<_>>()
    };
    let mut with = calls(json!({})).await;
    let mut without = calls(json!({"VerifyDependencies": false})).await;
    with.sort();
    without.sort();
    assert_eq!(with, without);
}

#[tokio::test]
async fn a_deployment_that_has_begun_is_not_cut_short_by_what_is_missing_since() {
    let world = needy();
    let start = world.start(json!({}));
    world.invoke(&start).await;
    world.simulator.account().delete_secret("db");
    // Delivered once more.
    let report = world.invoke(&start).await;
    assert_ne!(report["outcome"], "Failed", "{report}");
    assert_eq!(world.revisions(), 3);
}

#[tokio::test]
async fn what_serves_already_needs_nothing_that_is_missing() {
    let world = needy();
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v1"}]"#);
    world.simulator.account().delete_secret("db");
    success(&world.deploy(json!({"SkipIfUnchanged": true})).await);
    assert_eq!(world.count("UpdateService"), 0);
}

#[tokio::test]
async fn a_task_before_the_deployment_does_not_run_where_its_secret_is_missing() {
    let world = needy();
    world.simulator.account().delete_secret("db");
    let task = json!({"PreDeployTask": {"Container": "app", "Command": ["migrate"], "Timeout": 5}});
    let answer = world.deploy(task).await;
    assert!(failure(&answer).1.contains("pending deletion"));
    assert_eq!(world.count("RunTask"), 0);
}

#[tokio::test]
async fn no_value_of_a_parameter_is_written_anywhere_not_even_at_trace() {
    let log = Kept::default();
    let writer = log.clone();
    let (format, _) =
        Format::read(|name| (name == "AWS_LAMBDA_LOG_LEVEL").then(|| "TRACE".to_owned()));
    let subscriber = logs::subscriber(format, move || writer.clone());
    let _other = second_listener();
    let world = needy();
    let report = {
        let _guard = tracing::subscriber::set_default(subscriber);
        world.invoke(&world.start(json!({}))).await
    };
    assert_eq!(world.count("GetParameters"), 1);
    let log = log.text();
    assert!(log.contains("done"), "{log}");
    for text in [log, report.to_string()] {
        assert!(!text.contains("MARK"), "{text}");
    }
}

#[tokio::test]
async fn what_may_be_a_secret_written_for_a_parameters_name_is_shown_nowhere() {
    let _other = second_listener();
    for (fault, outcome) in [
        ("none", "Failed"),
        ("denied", "Succeeded"),
        ("busy", "Succeeded"),
    ] {
        let mut definition = app("repo/app:v1");
        let container = &mut definition["containerDefinitions"][0];
        container["portMappings"] = json!([{"containerPort": 8080}]);
        container["secrets"] = json!([{"name": "PASSWORD", "valueFrom": "hunter2"}]);
        let world = with_definition(definition);
        let faults = world.simulator.faults();
        match fault {
            "denied" => faults.deny("GetParameters"),
            "busy" => faults.throttle("GetParameters", 100),
            _ => {}
        }
        let log = Kept::default();
        let writer = log.clone();
        let (format, _) =
            Format::read(|name| (name == "AWS_LAMBDA_LOG_LEVEL").then(|| "TRACE".to_owned()));
        let subscriber = logs::subscriber(format, move || writer.clone());
        let report = {
            let _guard = tracing::subscriber::set_default(subscriber);
            world.invoke(&world.start(json!({}))).await
        };
        assert_eq!(report["outcome"], outcome, "{report}");
        let report = report.to_string();
        assert!(report.contains("that its valueFrom names"), "{report}");
        for text in [log.text(), report] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
