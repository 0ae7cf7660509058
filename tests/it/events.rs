//! Every sample event reaches the outcome that its name claims.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::observer::Unobserved;
use serde_json::Value;

use simulator::ecs::{Behaviour, PauseHook, ServiceSetup};

use crate::support::{World, app, id_of, zip_of};

const BUCKET: &str = "codepipeline-eu-central-1-111122223333";

/// Outcome of the report and a part of its message, for each event of `events/`.
const CLAIMS: [(&str, &str, &str); 30] = [
    ("artifact-missing", "Failed", "does not exist"),
    ("bad-parameters", "Failed", "did you mean ServiceName?"),
    ("config-file", "Succeeded", "web on prod: app:2 is serving"),
    ("continuation", "Succeeded", "app:2 is serving"),
    (
        "continue",
        "Succeeded",
        "checkout on prod: app:2 is serving",
    ),
    ("existing-revision", "InProgress", "app:1 was chosen"),
    ("customer-kms-key", "Succeeded", "app:2 is serving"),
    ("dry-run", "Succeeded", "nothing was changed"),
    (
        "file-not-in-artifact",
        "Failed",
        "Did not find the image definition file deploy/imagedefinitions.json",
    ),
    (
        "garbage",
        "Failed",
        "data.actionConfiguration.configuration",
    ),
    ("image-detail", "Succeeded", "app:2 is serving"),
    ("manual", "Succeeded", "app:2 is serving"),
    ("manual-artifact", "Succeeded", "app:2 is serving"),
    ("manual-previous", "Succeeded", "app:1 is serving"),
    ("manual-no-images", "Failed", "the event says no images"),
    ("no-job-id", "Failed", "has no id"),
    ("no-such-service", "Failed", "there is no service 'wbe'"),
    ("no-user-parameters", "Succeeded", "app:2 is serving"),
    ("other-account", "Succeeded", "app:2 is serving"),
    ("output-artifact", "Succeeded", "app:2 is serving"),
    (
        "parameters-not-json",
        "Failed",
        "UserParameters is not a JSON object",
    ),
    ("patch", "Succeeded", "app:2 is serving"),
    (
        "pause",
        "Succeeded",
        "checkout on prod: app:2 waits at hook hook-",
    ),
    (
        "pre-deploy-task",
        "InProgress",
        "web: 2 of 2 new tasks running",
    ),
    (
        "post-deploy-task",
        "InProgress",
        "the post-deploy task runs (container app)",
    ),
    ("several-artifacts", "Succeeded", "app:2 is serving"),
    (
        "several-services",
        "Succeeded",
        "worker on prod: app:2 is serving",
    ),
    ("task-definition-file", "Succeeded", "app:2 is serving"),
    ("start", "Succeeded", "app:2 is serving"),
    ("unchanged", "Succeeded", "nothing was deployed"),
];

/// What says which event is for what.
const INDEX: &str = "README.md";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("events")
}

/// The names of the sample events.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CLAIMS.into_iter().map(|(name, _, _)| name)
}

pub(crate) fn event(name: &str) -> Value {
    let text = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The world that the sample events name.
pub(crate) fn world() -> World {
    let world = World::new();
    let images = r#"[{"name": "app", "imageUri": "111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2"}]"#;
    let detail = r#"{"ImageURI": "111122223333.dkr.ecr.eu-central-1.amazonaws.com/app@sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"}"#;
    let digest = "sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865";
    world
        .simulator
        .ecr()
        .put_image("app", "v2", digest, "linux/amd64");
    let ecs = world.simulator.ecs();
    ecs.command(
        "./migrate",
        Behaviour::Crash {
            exit_code: 0,
            after_seconds: 1,
            log_lines: Vec::new(),
        },
    );
    let role = "arn:aws:iam::444455556666:role/ecs-deploy";
    world.simulator.sts().allow(role, Some("shop"));
    let s3 = world.simulator.s3();
    s3.put(
        BUCKET,
        "web-pipeline/BuildOutpu/build.zip",
        zip_of(&[("imagedefinitions.json", images)]),
    );
    s3.put(
        BUCKET,
        "web-pipeline/SourceOutp/source.zip",
        zip_of(&[
            ("Dockerfile", "FROM scratch"),
            (
                "deploy/prod.json",
                r#"{"ClusterName": "prod", "ServiceName": "web"}"#,
            ),
            ("deploy/taskdef.json", &app("<IMAGE1_NAME>").to_string()),
        ]),
    );
    s3.put(
        BUCKET,
        "web-pipeline/EcrSource/detail.zip",
        zip_of(&[("imageDetail.json", detail)]),
    );
    world
}

/// A service whose deployments wait at a PAUSE hook.
fn create_checkout(world: &World) {
    world.simulator.ecs().create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "checkout".to_owned(),
        task_definition: "app:1".to_owned(),
        pause_hook: Some(PauseHook {
            stage: "CLEAN_UP".to_owned(),
            timeout_minutes: 1440,
        }),
        ..ServiceSetup::default()
    });
}

#[test]
fn every_sample_event_has_a_claim() {
    let files: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != INDEX)
        .collect();
    let claimed: BTreeSet<String> = CLAIMS
        .iter()
        .map(|(name, _, _)| format!("{name}.json"))
        .collect();
    assert_eq!(files, claimed);
}

#[test]
fn the_index_of_the_sample_events_has_each_of_them_once_and_nothing_else() {
    let index = fs::read_to_string(folder().join(INDEX)).unwrap();
    // A row of a table begins with its event.
    let rows = index.lines().filter_map(|line| line.strip_prefix("| [`"));
    let listed: Vec<&str> = rows.map(|row| row.split('`').next().unwrap()).collect();
    let all: BTreeSet<String> = names().map(|name| format!("{name}.json")).collect();
    let once: BTreeSet<String> = listed.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(once, all);
    assert_eq!(listed.len(), all.len(), "each once: {listed:?}");
    // Whatever else it names is there, too.
    let file = regex_lite::Regex::new(r"\]\(([^)#\s]+)").unwrap();
    for found in file.captures_iter(&index) {
        let target = &found[1];
        let is_there = target.starts_with("https://") || folder().join(target).exists();
        assert!(is_there, "{target}");
    }
}

#[tokio::test]
async fn every_sample_event_reaches_the_outcome_that_its_name_claims() {
    for (name, outcome, part) in CLAIMS {
        let mut world = world();
        let event = event(name);
        if name == "continuation" {
            // It goes on with what start.json began.
            world = World::around(world.simulator, Arc::new(Unobserved), Duration::ZERO);
            let start = self::event("start");
            world.simulator.codepipeline().open_job(&start);
            let report = world.invoke(&start).await;
            assert_eq!(
                report["continuationToken"], event["CodePipeline.job"]["data"]["continuationToken"],
                "the sample's token is the one that the function writes"
            );
            world.simulator.clock().advance(Duration::from_mins(2));
        }
        if ["unchanged", "manual-previous"].contains(&name) {
            let start = self::event("start");
            world.simulator.codepipeline().open_job(&start);
            world.run(start).await;
            world.simulator.clock().advance(Duration::from_mins(5));
        }
        if ["pause", "continue"].contains(&name) {
            create_checkout(&world);
        }
        if name == "continue" {
            // It goes on with what pause.json has left.
            let pause = self::event("pause");
            world.simulator.codepipeline().open_job(&pause);
            let report = world.invoke(&pause).await;
            let parameters = event["CodePipeline.job"]["data"]["actionConfiguration"]
                ["configuration"]["UserParameters"]
                .as_str()
                .unwrap();
            let asked: Value = serde_json::from_str(parameters).unwrap();
            let left = &report["outputVariables"];
            assert_eq!(
                (
                    &asked["ContinueDeployment"]["DeploymentId"],
                    &asked["ContinueDeployment"]["HookId"]
                ),
                (&left["DeploymentId"], &left["HookId"]),
                "the sample names what pause.json leaves"
            );
        }
        if name == "several-services" {
            world.simulator.ecs().create_service(ServiceSetup {
                cluster: "prod".to_owned(),
                name: "worker".to_owned(),
                task_definition: "app:1".to_owned(),
                ..ServiceSetup::default()
            });
        }
        let has_id = event["CodePipeline.job"]["id"].is_string();
        if has_id {
            world.simulator.codepipeline().open_job(&event);
        }
        let report = world.invoke(&event).await;
        assert_eq!(report["outcome"], outcome, "{name}: {report}");
        let message = report["message"].as_str().unwrap();
        assert!(message.contains(part), "{name}: {message}");
        if has_id {
            let answer = world.simulator.codepipeline().answer(&id_of(&event));
            assert!(answer.is_some(), "{name} was answered");
        }
    }
}
