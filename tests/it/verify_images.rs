//! `VerifyImages`: whether the images exist and fit is known before anything is changed.

use serde_json::{Value, json};

use crate::support::{World, failure, success};

const ECR: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";
const DIGEST: &str = "sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865";

/// A world whose artifact asks for this image.
fn asking_for(image: &str) -> World {
    let world = World::new();
    world.put_images(&json!([{"name": "app", "imageUri": image}]).to_string());
    world
}

/// The message of a deployment that is refused before anything is changed.
async fn refused(world: &World) -> String {
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError", "{message}");
    assert_eq!(world.revisions(), 1, "nothing was registered");
    message.to_owned()
}

fn looks(world: &World) -> Vec<Value> {
    let calls = world.simulator.calls_of("BatchGetImage");
    calls.into_iter().map(|call| call.request).collect()
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_refused_with_what_is_missing() {
    let other_digest = DIGEST.replace('4', "5");
    for (image, missing) in [
        (
            format!("{ECR}/app:v9"),
            "the repository app has no image with the tag v9",
        ),
        (
            format!("{ECR}/app@{other_digest}"),
            "the repository app has no image with the digest sha256:5",
        ),
        (
            format!("{ECR}/none:v2"),
            "there is no repository none in the registry 111122223333 in eu-central-1",
        ),
        (
            format!("{ECR}/app"),
            "the repository app has no image with the tag latest",
        ),
    ] {
        let world = asking_for(&image);
        world
            .simulator
            .ecr()
            .put_image("app", "v2", DIGEST, "linux/amd64");
        let message = refused(&world).await;
        let begin = format!("web on prod: the image {image} does not exist: {missing}");
        assert!(message.starts_with(&begin), "{message}");
    }
}

#[tokio::test]
async fn an_image_is_found_by_tag_and_by_digest_alone_or_in_a_list() {
    for image in [format!("{ECR}/app:v2"), format!("{ECR}/app@{DIGEST}")] {
        for is_list in [false, true] {
            let world = asking_for(&image);
            let ecr = world.simulator.ecr();
            if is_list {
                ecr.put_index("app", "v2", DIGEST, &["linux/arm64", "linux/amd64"]);
            } else {
                ecr.put_image("app", "v2", DIGEST, "linux/amd64");
            }
            success(&world.deploy(json!({})).await);
            assert_eq!(looks(&world).len(), 1, "{image}");
        }
    }
}

#[tokio::test]
async fn an_image_for_another_platform_is_refused_with_what_to_build() {
    for (is_list, platform) in [
        (false, "linux/arm64"),
        (true, "linux/arm64"),
        (false, "windows/amd64"),
    ] {
        let world = asking_for(&format!("{ECR}/app:v2"));
        let ecr = world.simulator.ecr();
        if is_list {
            ecr.put_index("app", "v2", DIGEST, &[platform]);
        } else {
            ecr.put_image("app", "v2", DIGEST, platform);
        }
        let message = refused(&world).await;
        assert!(
            message.contains(&format!("is for {platform}, and the task definition's runtimePlatform wants linux/amd64: build it for linux/amd64")),
            "{message}"
        );
    }
}

#[tokio::test]
async fn the_registry_of_another_account_and_region_is_asked_in_that_region() {
    let image = "444455556666.dkr.ecr.us-east-1.amazonaws.com/team/app:v2";
    let world = asking_for(image);
    world
        .simulator
        .ecr()
        .put_image("team/app", "v2", DIGEST, "linux/amd64");
    success(&world.deploy(json!({})).await);
    let asked = looks(&world);
    assert_eq!(asked[0]["registryId"], "444455556666");
    assert_eq!(asked[0]["repositoryName"], "team/app");
    let call = &world.simulator.calls_of("BatchGetImage")[0];
    assert_eq!(call.region.as_deref(), Some("us-east-1"));
}

#[tokio::test]
async fn images_elsewhere_and_images_that_nobody_wants_verified_are_not_asked_about() {
    let world = World::new();
    success(&world.deploy(json!({})).await);
    let unverified = asking_for(&format!("{ECR}/app:v9"));
    success(&unverified.deploy(json!({"VerifyImages": "false"})).await);
    for world in [world, unverified] {
        assert!(
            world
                .simulator
                .calls()
                .iter()
                .all(|call| call.service != "ecr")
        );
    }
}

#[tokio::test]
async fn an_ecr_that_does_not_answer_is_a_warning_and_the_deployment_goes_on() {
    let world = asking_for(&format!("{ECR}/app:v2"));
    world.simulator.faults().server_error("BatchGetImage", 50);
    let start = world.start(json!({}));
    let report = world.invoke(&start).await;
    assert_ne!(report["outcome"], "Failed", "{report}");
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.contains("was not checked"), "{warning}");
}
