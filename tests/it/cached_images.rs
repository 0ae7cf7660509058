//! Images that ECR does not have yet, or not any more: behind a pull-through cache, or archived.

use serde_json::{Value, json};
use simulator::Inaccessible;

use crate::support::{World, failure, success};

const ECR: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";
const RULES: &str = "DescribePullThroughCacheRules";

fn asking_for(image: &str) -> World {
    let world = World::new();
    world.put_images(&json!([{"name": "app", "imageUri": image}]).to_string());
    world
}

async fn first_report(world: &World, parameters: Value) -> Value {
    let start = world.start(parameters);
    world.invoke(&start).await
}

#[tokio::test]
async fn an_image_behind_a_pull_through_cache_that_nobody_pulled_yet_is_a_warning() {
    for prefix in ["docker-hub", "docker-hub/library", "ROOT"] {
        for has_repository in [false, true] {
            let world = asking_for(&format!("{ECR}/docker-hub/library/nginx:1.29"));
            let ecr = world.simulator.ecr();
            ecr.cache("quay", "quay.io");
            ecr.cache(prefix, "registry-1.docker.io");
            if has_repository {
                ecr.remove_image("docker-hub/library/nginx", "1.29");
            }
            let report = first_report(&world, json!({})).await;
            assert_eq!(report["outcome"], "Succeeded", "{report}");
            let warning = report["warnings"][0].as_str().unwrap();
            assert!(
                warning.contains("was not checked")
                    && warning.contains(&format!(
                        "the pull-through cache of {prefix} is for registry-1.docker.io"
                    )),
                "{warning}"
            );
            assert_eq!(world.count(RULES), 1);
            let asked = &world.simulator.calls_of(RULES)[0];
            assert_eq!(asked.request["registryId"], "111122223333");
        }
    }
}

#[tokio::test]
async fn rules_are_asked_for_only_when_an_image_is_not_found_and_help_only_if_they_match() {
    let found = asking_for(&format!("{ECR}/app:v2"));
    found
        .simulator
        .ecr()
        .put_image("app", "v2", "sha256:1", "linux/amd64");
    success(&found.deploy(json!({})).await);
    assert_eq!(found.count(RULES), 0);

    let world = asking_for(&format!("{ECR}/docker-hubs/app:v2"));
    world
        .simulator
        .ecr()
        .cache("docker-hub", "registry-1.docker.io");
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.contains("docker-hubs/app:v2 does not exist"),
        "{message}"
    );
    assert!(!message.contains("VerifyImages"), "{message}");
}

#[tokio::test]
async fn where_the_rules_may_not_be_seen_the_refusal_names_verify_images_and_the_statement() {
    let world = asking_for(&format!("{ECR}/docker-hub/app:v2"));
    world.simulator.faults().deny(RULES);
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    for expected in [
        "docker-hub/app:v2 does not exist: there is no repository docker-hub/app",
        "set VerifyImages to false",
        r#"{"Effect":"Allow","Action":"ecr:DescribePullThroughCacheRules","Resource":"*"}"#,
    ] {
        assert!(message.contains(expected), "{message}");
    }
    success(&world.deploy(json!({"VerifyImages": false})).await);
}

#[tokio::test]
async fn an_image_that_is_not_cached_yet_has_no_digest_to_be_pinned_to() {
    let world = asking_for(&format!("{ECR}/docker-hub/app:v2"));
    world
        .simulator
        .ecr()
        .cache("docker-hub", "registry-1.docker.io");
    let answer = world
        .deploy(json!({"PinDigests": true, "VerifyImages": false}))
        .await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.contains("docker-hub/app:v2 cannot be pinned (PinDigests)"),
        "{message}"
    );
    assert!(message.contains("pull it once"), "{message}");
}

#[tokio::test]
async fn an_archived_image_is_reported_as_archived_whichever_way_ecr_says_so() {
    for inaccessible in [Inaccessible::Failure, Inaccessible::Error] {
        for parameters in [
            json!({}),
            json!({"PinDigests": true, "VerifyImages": false}),
        ] {
            let world = asking_for(&format!("{ECR}/app:v2"));
            let ecr = world.simulator.ecr();
            ecr.put_image("app", "v2", "sha256:1", "linux/amd64");
            ecr.archive_image("app", "v2", inaccessible);
            let answer = world.deploy(parameters).await;
            let (kind, message) = failure(&answer);
            assert_eq!(kind, "ConfigurationError");
            assert!(message.contains("app:v2 is archived in ECR"), "{message}");
            assert_eq!(world.count(RULES), 0);
        }
    }
}

#[tokio::test]
async fn what_an_upstream_registry_refuses_is_reported_in_ecrs_text_and_is_no_missing_image() {
    let world = asking_for(&format!("{ECR}/docker-hub/app:v2"));
    world.simulator.faults().fail(
        "BatchGetImage",
        usize::MAX,
        400,
        "UnableToGetUpstreamImageException",
        "The image could not be pulled from upstream",
    );
    let report = first_report(&world, json!({})).await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("could not be pulled from upstream"),
        "{warning}"
    );
}

#[tokio::test]
async fn a_digest_that_ecr_does_not_say_pins_nothing_and_is_no_deployment() {
    let world = asking_for(&format!("{ECR}/app:v2"));
    // Not what a digest is.
    world
        .simulator
        .ecr()
        .put_image("app", "v2", "sha256:1", "linux/amd64");
    let answer = world.deploy(json!({"PinDigests": true})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(message.contains("ECR says no digest of it"), "{message}");
}
