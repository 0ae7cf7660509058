//! The action's output artifacts: CodePipeline requires each of them of a success.

use std::io::{Cursor, Read};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Answer, StartAction};

use crate::support::{BUCKET, KEY, World, failure, id_of, success};

const NEVER_ENDING: usize = 9999;

fn key(name: &str) -> String {
    format!("pipeline/{name}/1.zip")
}

/// The event of an action with these output artifacts.
fn start(world: &World, parameters: &Value, outputs: &[&str]) -> Value {
    let mut all = json!({"ClusterName": "prod", "ServiceName": "web"});
    for (name, value) in parameters.as_object().unwrap() {
        all[name] = value.clone();
    }
    world.simulator.codepipeline().start(&StartAction {
        configuration: json!({"FunctionName": "f", "UserParameters": all.to_string()}),
        inputs: vec![("Build".to_owned(), BUCKET.to_owned(), KEY.to_owned())],
        outputs: outputs
            .iter()
            .map(|name| ((*name).to_owned(), BUCKET.to_owned(), key(name)))
            .collect(),
        encryption_key: None,
    })
}

/// A summary without the line that leads to the first output artifact.
fn unlinked(summary: &str) -> Option<&str> {
    let link = "\nThe record: https://eu-central-1.console.aws.amazon.com/s3/object/artifacts?region=eu-central-1&prefix=pipeline/One/1.zip";
    summary.strip_suffix(link)
}

fn written(world: &World, name: &str) -> Value {
    let zip = world
        .simulator
        .s3()
        .get(BUCKET, &key(name))
        .expect("an artifact");
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut text = String::new();
    archive
        .by_name("deployment.json")
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn every_output_artifact_is_written_before_a_success() {
    let world = World::new();
    let answers = world
        .run(start(&world, &json!({}), &["One", "Two", "Three"]))
        .await;
    let (summary, _) = success(answers.last().unwrap());
    for name in ["One", "Two", "Three"] {
        assert_eq!(written(&world, name)["message"].as_str(), unlinked(summary));
    }
}

#[tokio::test]
async fn a_dry_run_writes_its_plan_into_every_output_artifact() {
    let world = World::new();
    let answers = world
        .run(start(
            &world,
            &json!({"DryRun": true, "PipelineExecutionId": "e-1"}),
            &["One", "Two"],
        ))
        .await;
    let (summary, _) = success(answers.last().unwrap());
    for name in ["One", "Two"] {
        let plan = written(&world, name);
        assert_eq!(plan["dryRun"], true);
        assert_eq!(plan["outcome"], "Succeeded");
        assert_eq!(plan["message"].as_str(), unlinked(summary));
        assert_eq!(plan["pipelineExecutionId"], "e-1");
        assert_eq!(plan["services"][0]["service"], "web");
        let calls = plan["plan"]["calls"].to_string();
        assert!(calls.contains("RegisterTaskDefinition"), "{calls}");
    }
    assert_eq!(world.revisions(), 1);
}

#[tokio::test]
async fn a_success_whose_output_artifact_may_not_be_written_is_a_failure_that_says_what_serves() {
    let world = World::new();
    world.simulator.faults().deny("PutObject");
    let answers = world.run(start(&world, &json!({}), &["One"])).await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "PermissionError");
    for part in [
        "web on prod: the output artifact One was not written: the pipeline's role (arn:aws:sts::111122223333:assumed-role/ecs-deploy-action/deploy) is not allowed to perform s3:PutObject",
        r#""Action":"s3:PutObject""#,
        "Nothing was rolled back: web on prod: app:2 is serving",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(world.count("UpdateService"), 1, "it was not rolled back");
    assert_eq!(world.simulator.ecs().revisions("app").len(), 2);
}

#[tokio::test]
async fn the_second_of_two_counts_as_much_as_the_first() {
    let world = World::new();
    let event = start(&world, &json!({}), &["One", "Two"]);
    // One call is carried out, all others are refused for good.
    world
        .simulator
        .faults()
        .fail_after("PutObject", 1, NEVER_ENDING, 400, "InvalidRequest", "No.");
    let answers = world.run(event).await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "JobFailed");
    assert!(
        message.contains("the output artifact ") && message.contains("InvalidRequest: No"),
        "{message}"
    );
    assert!(message.contains("app:2 is serving"), "{message}");
}

#[tokio::test]
async fn an_output_artifact_without_a_location_is_reported_before_anything_is_changed() {
    for parameters in [json!({}), json!({"DryRun": true})] {
        let world = World::new();
        let mut event = start(&world, &parameters, &["One", "Two"]);
        event["CodePipeline.job"]["data"]["outputArtifacts"][1]["location"] = Value::Null;
        let report = world.invoke(&event).await;
        let answer = world
            .simulator
            .codepipeline()
            .answer(&id_of(&event))
            .unwrap();
        let (_, message) = failure(&answer);
        assert!(
            message.contains("the output artifact Two cannot be written, for it has no location"),
            "{message}"
        );
        assert_eq!(world.revisions(), 1, "{report}");
    }
}

#[tokio::test]
async fn an_output_artifact_that_loses_its_location_on_the_way_fails_a_deployment_that_serves() {
    let world = World::new();
    world.simulator.ecs().image(
        "v2",
        simulator::ecs::Behaviour::Healthy { start_seconds: 100 },
    );
    let event = start(&world, &json!({}), &["One"]);
    let report = world.invoke(&event).await;
    assert_eq!(report["outcome"], "InProgress");
    world.simulator.clock().advance(Duration::from_mins(3));
    let mut next = world
        .simulator
        .codepipeline()
        .next_event(&id_of(&event))
        .unwrap();
    next["CodePipeline.job"]["data"]["outputArtifacts"][0]["location"] = Value::Null;
    let report = world.invoke(&next).await;
    assert_eq!(report["outcome"], "Failed");
    let message = report["message"].as_str().unwrap();
    assert!(
        message.contains("no location") && message.contains("app:2 is serving"),
        "{message}"
    );
}

#[tokio::test]
async fn while_s3_is_unavailable_a_success_waits_for_its_output_artifact() {
    let world = World::new();
    world.simulator.faults().server_error("PutObject", 6);
    let answers = world
        .run(start(&world, &json!({"KeepRevisions": 2}), &["One"]))
        .await;
    success(answers.last().unwrap());
    assert!(answers.len() > 1, "{answers:?}");
    let Answer::Success { summary, .. } = &answers[0] else {
        unreachable!("{answers:?}")
    };
    let summary = summary.as_deref().unwrap();
    assert!(
        summary.contains("the output artifact One was not written"),
        "{summary}"
    );
    assert_eq!(world.count("UpdateService"), 1);
}

#[tokio::test]
async fn it_waits_for_its_output_artifact_no_longer_than_the_time_limit() {
    let world = World::new();
    world
        .simulator
        .faults()
        .server_error("PutObject", NEVER_ENDING);
    let answers = world
        .run(start(&world, &json!({"DeploymentTimeout": 5}), &["One"]))
        .await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "JobFailed");
    assert!(
        message.contains("Nothing was rolled back: web on prod: app:2 is serving"),
        "{message}"
    );
    assert_eq!(world.count("UpdateService"), 1);
}

#[tokio::test]
async fn a_dry_run_whose_plan_cannot_be_written_says_that_nothing_was_changed() {
    let world = World::new();
    world.simulator.faults().deny("PutObject");
    let answers = world
        .run(start(&world, &json!({"DryRun": true}), &["One"]))
        .await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "PermissionError");
    assert!(
        message.contains("output artifact One") && message.contains("nothing was changed"),
        "{message}"
    );
    assert_eq!(world.revisions(), 1);
}
