//! `PinDigests`: what the tag means now is what every task runs.

use serde_json::json;
use simulator::ecs::ServiceSetup;

use crate::support::{World, app, failure, success};

const APP: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2";
const SIDECAR: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/sidecar";
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000002";
const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000003";

/// `app:2` runs a sidecar from ECR by its tag `latest`, which is left out.
fn world() -> World {
    let world = World::new();
    let ecs = world.simulator.ecs();
    let mut definition = app("repo/app:v1");
    definition["containerDefinitions"][1]["image"] = json!(SIDECAR);
    ecs.register(definition);
    ecs.create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "pinned".to_owned(),
        task_definition: "app:2".to_owned(),
        ..ServiceSetup::default()
    });
    let ecr = world.simulator.ecr();
    ecr.put_image("app", "v2", DIGEST, "linux/amd64");
    ecr.put_image("team/sidecar", "latest", OTHER, "linux/amd64");
    world.put_images(&json!([{"name": "app", "imageUri": APP}]).to_string());
    world
}

fn parameters() -> serde_json::Value {
    json!({"ServiceName": "pinned", "PinDigests": true})
}

#[tokio::test]
async fn every_tag_in_ecr_becomes_the_digest_that_it_means_and_the_variables_tell_it() {
    let world = world();
    let answer = world.deploy(parameters()).await;
    let (_, variables) = success(&answer);
    let pinned = format!("111122223333.dkr.ecr.eu-central-1.amazonaws.com/app@{DIGEST}");
    assert_eq!(variables["Image-app"], pinned);
    let sidecar = format!("{SIDECAR}@{OTHER}");
    assert_eq!(variables["Image-sidecar"], sidecar);
    let made = world.simulator.ecs().task_definition("app:3").unwrap();
    assert_eq!(made["containerDefinitions"][0]["image"], pinned.as_str());
    assert_eq!(made["containerDefinitions"][1]["image"], sidecar.as_str());
}

#[tokio::test]
async fn a_tag_that_moves_between_two_deliveries_makes_no_second_revision() {
    let world = world();
    let start = world.start(parameters());
    world.invoke(&start).await;
    world
        .simulator
        .ecr()
        .put_image("app", "v2", OTHER, "linux/amd64");
    world.simulator.codepipeline().open_job(&start);
    let report = world.invoke(&start).await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    assert_eq!(world.revisions(), 3);
    let service = crate::support::service_of(&world, "pinned");
    assert!(
        service["taskDefinition"]
            .as_str()
            .unwrap()
            .ends_with("app:3")
    );
}

#[tokio::test]
async fn a_digest_that_cannot_be_found_is_no_deployment() {
    let denied = world();
    denied.simulator.faults().deny("BatchGetImage");
    let answer = denied.deploy(parameters()).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "PermissionError");
    assert!(
        message.contains("the digest of the image") && message.contains("ecr:BatchGetImage"),
        "{message}"
    );
    assert_eq!(denied.count("RegisterTaskDefinition"), 0);

    let unavailable = world();
    unavailable
        .simulator
        .faults()
        .server_error("BatchGetImage", usize::MAX);
    let answer = unavailable.deploy(parameters()).await;
    assert_eq!(failure(&answer).0, "SystemUnavailable");

    let missing = world();
    missing
        .simulator
        .ecr()
        .remove_image("team/sidecar", "latest");
    let answer = missing.deploy(parameters()).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.contains("the repository team/sidecar has no image with the tag latest"),
        "{message}"
    );
}

#[tokio::test]
async fn without_it_tags_stay_tags_and_other_registries_are_never_asked() {
    let world = world();
    let answer = world.deploy(json!({"ServiceName": "pinned"})).await;
    assert_eq!(success(&answer).1["Image-app"], APP);
    let elsewhere = World::new();
    success(&elsewhere.deploy(json!({"PinDigests": true})).await);
    assert_eq!(elsewhere.count("BatchGetImage"), 0);
}

#[tokio::test]
async fn it_needs_no_verification() {
    let world = world();
    let mut parameters = parameters();
    parameters["VerifyImages"] = json!(false);
    let answer = world.deploy(parameters).await;
    assert!(success(&answer).1["Image-app"].ends_with(DIGEST));
    assert_eq!(world.count("GetDownloadUrlForLayer"), 0);
}
