//! The record: `deployment.json` and `deployment.html` in the action's output artifact.

use std::io::{Cursor, Read};

use serde_json::{Value, json};
use simulator::ecs::{Behaviour, ServiceSetup, Strategy};
use simulator::{ARTIFACT_ACCESS_KEY_ID, Answer};

use crate::support::{BUCKET, World, failure, success};

const OUTPUT: &str = "pipeline/deployed/1.zip";
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/k";

/// The event of an action that has an output artifact.
fn start(world: &World, encryption_key: Option<&str>) -> Value {
    let mut event = world.start(json!({"PipelineExecutionId": "e-1", "DeploymentTimeout": 10}));
    let data = &mut event["CodePipeline.job"]["data"];
    data["outputArtifacts"] = json!([{"name": "Deployed", "revision": null, "location":
        {"type": "S3", "s3Location": {"bucketName": BUCKET, "objectKey": OUTPUT}}}]);
    if let Some(key) = encryption_key {
        data["encryptionKey"] = json!({"id": key, "type": "KMS"});
    }
    event
}

/// Runs the action to its end, with the output artifact in every event.
async fn run(world: &World, first: Value) -> Answer {
    let outputs = first["CodePipeline.job"]["data"].clone();
    let mut event = first;
    loop {
        world.invoke(&event).await;
        let job = crate::support::id_of(&event);
        let pipeline = world.simulator.codepipeline();
        let answer = pipeline.answer(&job).unwrap();
        match pipeline.next_event(&job) {
            Some(next) => {
                event = next;
                for member in ["outputArtifacts", "encryptionKey"] {
                    event["CodePipeline.job"]["data"][member] = outputs[member].clone();
                }
            }
            None => return answer,
        }
        world
            .simulator
            .clock()
            .advance(std::time::Duration::from_secs(30));
    }
}

fn written(world: &World) -> (Value, String) {
    let zip = world
        .simulator
        .s3()
        .get(BUCKET, OUTPUT)
        .expect("the record was written");
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut read = |name: &str| {
        let mut text = String::new();
        archive
            .by_name(name)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    };
    let json = read("deployment.json");
    (
        serde_json::from_str(&json).unwrap(),
        read("deployment.html"),
    )
}

#[tokio::test]
async fn a_success_is_recorded_with_what_was_deployed_from_what_and_what_was_seen_over_time() {
    let world = World::new();
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 100 });
    let answer = run(&world, start(&world, None)).await;
    let (summary, _) = success(&answer);
    let (record, page) = written(&world);
    assert_eq!(record["outcome"], "Succeeded");
    assert_eq!(record["message"], summary);
    assert_eq!(record["pipelineExecutionId"], "e-1");
    let service = &record["services"][0];
    assert_eq!(service["revision"], "app:2");
    assert_eq!(service["previousRevision"], "app:1");
    assert_eq!(service["end"], "serving");
    let image = &service["images"][0];
    assert_eq!(image["image"], "repo/app:v2");
    assert!(
        image["digest"].as_str().unwrap().starts_with("sha256:"),
        "{image}"
    );
    let timeline = service["timeline"].as_array().unwrap();
    assert_eq!(
        timeline[0],
        json!({"seconds": 0, "newRunning": 0, "oldRunning": 2, "stage": null, "newTrafficPercent": null})
    );
    let last = timeline.last().unwrap();
    assert_eq!(last["newRunning"], 2);
    assert!(
        last["seconds"].as_u64().unwrap() >= 100,
        "it came through tokens: {timeline:?}"
    );
    let events = service["events"].to_string();
    assert!(events.contains("has reached a steady state"), "{events}");
    assert!(record["durationSeconds"].as_u64().unwrap() >= 100);
    assert!(
        page.contains("app:2 is serving") && page.contains("<svg"),
        "{page}"
    );
}

#[tokio::test]
async fn a_failure_is_recorded_with_its_stopped_tasks() {
    let world = World::with_service(ServiceSetup {
        circuit_breaker: Some(true),
        ..ServiceSetup::default()
    });
    world.simulator.ecs().image("v2", Behaviour::CannotPull);
    let answer = run(&world, start(&world, None)).await;
    let (_, message) = failure(&answer);
    let (record, page) = written(&world);
    assert_eq!(record["outcome"], "Failed");
    assert_eq!(record["message"], message);
    assert_eq!(record["services"][0]["end"], "rolled back");
    let stopped = record["services"][0]["stoppedTasks"].as_array().unwrap();
    assert!(stopped.len() >= 3, "{stopped:?}");
    assert!(
        stopped[0]["reason"]
            .as_str()
            .unwrap()
            .starts_with("CannotPullContainerError")
    );
    assert!(page.contains("CannotPullContainerError"));
}

#[tokio::test]
async fn stages_and_traffic_are_part_of_what_was_seen() {
    let world = World::with_service(ServiceSetup {
        strategy: Strategy::BlueGreen,
        bake_minutes: 3,
        ..ServiceSetup::default()
    });
    success(&run(&world, start(&world, None)).await);
    let (record, _) = written(&world);
    let timeline = record["services"][0]["timeline"].to_string();
    assert!(
        timeline.contains("BAKE_TIME") && timeline.contains(r#""newTrafficPercent":100"#),
        "{timeline}"
    );
}

#[tokio::test]
async fn it_is_written_with_the_jobs_credentials_and_encrypted_as_the_event_asks() {
    for key in [None, Some(KEY)] {
        let world = World::new();
        success(&run(&world, start(&world, key)).await);
        let put = world.simulator.calls_of("PutObject");
        assert_eq!(put.len(), 1);
        assert_eq!(
            put[0].access_key_id.as_deref(),
            Some(ARTIFACT_ACCESS_KEY_ID)
        );
        let expected = key.map(|key| ("aws:kms".to_owned(), Some(key.to_owned())));
        assert_eq!(world.simulator.s3().encryption(BUCKET, OUTPUT), expected);
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_written_does_not_change_what_a_failure_says() {
    let world = World::with_service(ServiceSetup {
        circuit_breaker: Some(true),
        ..ServiceSetup::default()
    });
    world.simulator.ecs().image("v2", Behaviour::CannotPull);
    let event = start(&world, None);
    world.simulator.faults().deny("PutObject");
    let answer = run(&world, event).await;
    let (_, message) = failure(&answer);
    assert!(message.contains("CannotPullContainerError"), "{message}");
    assert!(!message.contains("PutObject"), "{message}");
}

#[tokio::test]
async fn without_an_output_artifact_nothing_is_gathered_or_written() {
    let world = World::new();
    success(&world.deploy(json!({})).await);
    assert_eq!(world.count("PutObject"), 0);
    assert_eq!(world.count("ListTasks"), 0);
}

#[tokio::test]
async fn what_cannot_be_gathered_is_left_out_and_reported() {
    let world = World::new();
    world.simulator.faults().deny("ListTasks");
    let event = start(&world, None);
    let report = world.invoke(&event).await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    let warnings = report["warnings"].to_string();
    for expected in ["the record lacks stopped tasks", "the record lacks digests"] {
        assert!(warnings.contains(expected), "{warnings}");
    }
    let (record, _) = written(&world);
    assert_eq!(record["services"][0]["images"][0]["digest"], Value::Null);
}

#[tokio::test]
async fn no_credential_is_in_the_record() {
    let world = World::new();
    success(&run(&world, start(&world, None)).await);
    let (record, page) = written(&world);
    assert!(!record.to_string().contains("MARK") && !page.contains("MARK"));
}
