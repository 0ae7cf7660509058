//! `RoleArn`, `ExternalId`, `Region`: which call is made with whose credentials.

use serde_json::{Value, json};
use simulator::ecs::{Behaviour, ServiceSetup};
use simulator::{ARTIFACT_ACCESS_KEY_ID, ASSUMED_ACCESS_KEY_ID, FUNCTION_ACCESS_KEY_ID};

use crate::support::{World, app, failure, logging_app, success};

const ROLE: &str = "arn:aws:iam::444455556666:role/deploy";

fn parameters() -> Value {
    json!({"RoleArn": ROLE, "ExternalId": "shop", "Region": "eu-west-1"})
}

#[tokio::test]
async fn ecs_ecr_and_logs_are_called_with_the_role_s3_with_the_jobs_credentials_codepipeline_with_our_own()
 {
    let world = World::new();
    let ecs = world.simulator.ecs();
    let image = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2";
    ecs.register(logging_app("repo/app:v1"));
    ecs.create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "logging".to_owned(),
        task_definition: "app:2".to_owned(),
        circuit_breaker: Some(true),
        ..ServiceSetup::default()
    });
    world
        .simulator
        .ecr()
        .put_image("app", "v2", "sha256:1", "linux/amd64");
    ecs.image(
        "app:v2",
        Behaviour::Crash {
            exit_code: 1,
            after_seconds: 2,
            log_lines: vec!["boom".to_owned()],
        },
    );
    world.put_images(&json!([{"name": "app", "imageUri": image}]).to_string());
    world.simulator.sts().allow(ROLE, Some("shop"));
    let mut parameters = parameters();
    parameters["ServiceName"] = json!("logging");
    let answer = world.deploy(parameters).await;
    let (_, message) = failure(&answer);
    assert!(message.contains("its log ends: boom"), "{message}");
    let mut seen: Vec<&str> = Vec::new();
    for call in world.simulator.calls() {
        let key = call.access_key_id.clone().unwrap_or_default();
        let (expected, service) = match call.service {
            "ecs" => (ASSUMED_ACCESS_KEY_ID, "ecs"),
            "ecr" if call.operation == "GetBlob" => continue,
            "ecr" => (ASSUMED_ACCESS_KEY_ID, "ecr"),
            "logs" => (ASSUMED_ACCESS_KEY_ID, "logs"),
            "iam" => (ASSUMED_ACCESS_KEY_ID, "iam"),
            "s3" => (ARTIFACT_ACCESS_KEY_ID, "s3"),
            "sts" => (FUNCTION_ACCESS_KEY_ID, "sts"),
            "codepipeline" => (FUNCTION_ACCESS_KEY_ID, "codepipeline"),
            other => unreachable!("{other}"),
        };
        assert_eq!(key, expected, "{} {}", call.service, call.operation);
        let region = call.region.clone().unwrap_or_default();
        match service {
            "ecs" => assert_eq!(region, "eu-west-1", "{}", call.operation),
            "s3" | "sts" | "codepipeline" => assert_eq!(region, simulator::REGION),
            _ => {}
        }
        seen.push(service);
    }
    for service in ["ecs", "ecr", "logs", "iam", "s3", "sts", "codepipeline"] {
        assert!(seen.contains(&service), "{service} was never called");
    }
    let assumed = world.simulator.calls_of("AssumeRole");
    assert_eq!(assumed[0].request["ExternalId"], "shop");
    assert_eq!(assumed[0].request["RoleSessionName"], "ecs-deploy-action");
    let invocations = world.simulator.codepipeline().answers().len();
    assert_eq!(assumed.len(), invocations, "once in each invocation");
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_reported_with_the_statement_and_nothing_is_changed() {
    let world = World::new();
    world.simulator.sts().allow(ROLE, Some("another"));
    let answer = world.deploy(parameters()).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "PermissionError");
    for expected in [
        "is not allowed to perform sts:AssumeRole",
        &format!(r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"{ROLE}"}}"#),
        "The trust policy of the role must name the function's role, too, and the ExternalId if it asks for one.",
    ] {
        assert!(message.contains(expected), "{expected}: {message}");
    }
    assert_eq!(world.revisions(), 1);
}

#[tokio::test]
async fn what_the_role_may_not_do_is_reported_as_its_own() {
    let world = World::new();
    world.simulator.sts().allow(ROLE, Some("shop"));
    world.simulator.faults().deny("RegisterTaskDefinition");
    let answer = world.deploy(parameters()).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "PermissionError");
    assert!(
        message.contains("is not allowed to perform ecs:RegisterTaskDefinition"),
        "{message}"
    );
}

#[tokio::test]
async fn a_rollout_whose_role_cannot_be_assumed_for_a_while_is_not_given_up() {
    let world = World::new();
    world.simulator.sts().allow(ROLE, Some("shop"));
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 200 });
    let start = world.start(parameters());
    world.invoke(&start).await;
    world.simulator.faults().server_error("AssumeRole", 8);
    let pipeline = world.simulator.codepipeline();
    let next = pipeline.next_event(&crate::support::id_of(&start)).unwrap();
    let answers = world.run(next).await;
    success(answers.last().unwrap());
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn nothing_of_the_assumed_credentials_is_ever_shown() {
    let world = World::new();
    world.simulator.sts().allow(ROLE, Some("shop"));
    let report = world.invoke(&world.start(parameters())).await;
    assert!(!report.to_string().contains("MARK"), "{report}");
}

#[tokio::test]
async fn the_role_is_assumed_once_in_an_invocation_that_also_deregisters_old_revisions() {
    let world = World::new();
    let ecs = world.simulator.ecs();
    for version in ["v1.1", "v1.2", "v1.3"] {
        ecs.register(app(&format!("repo/app:{version}")));
    }
    world.simulator.sts().allow(ROLE, Some("shop"));
    let mut parameters = parameters();
    parameters["KeepRevisions"] = json!(2);
    let start = world.start(parameters);
    // All in one invocation: the rollout takes less than it watches.
    let report = world.invoke(&start).await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    assert!(world.done("DeregisterTaskDefinition") > 0);
    assert_eq!(world.count("AssumeRole"), 1);
}
