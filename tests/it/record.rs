//! The record: `deployment.json` and `deployment.html` in the action's output artifact.

use std::io::{Cursor, Read};

use serde_json::{Value, json};
use simulator::ecs::{Behaviour, Intervention, PauseHook, ServiceSetup, Strategy};
use simulator::{ARTIFACT_ACCESS_KEY_ID, Answer};

use crate::log_lines;
use crate::pre_deploy;
use crate::support::{BUCKET, World, failure, id_of, logging_app, start_bare, success};

const OUTPUT: &str = "pipeline/deployed/1.zip";
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/k";

/// The last line of a message whose record was written.
const LINK: &str = "\nThe record: https://eu-central-1.console.aws.amazon.com/s3/object/artifacts?region=eu-central-1&prefix=pipeline/deployed/1.zip";

/// `event` with an output artifact.
fn with_output(mut event: Value) -> Value {
    event["CodePipeline.job"]["data"]["outputArtifacts"] = json!([{"name": "Deployed", "revision": null, "location":
        {"type": "S3", "s3Location": {"bucketName": BUCKET, "objectKey": OUTPUT}}}]);
    event
}

/// The event of an action that has an output artifact.
fn start(world: &World, encryption_key: Option<&str>) -> Value {
    let mut event =
        with_output(world.start(json!({"PipelineExecutionId": "e-1", "DeploymentTimeout": 10})));
    let data = &mut event["CodePipeline.job"]["data"];
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
    assert_eq!(summary.strip_suffix(LINK), record["message"].as_str());
    assert_eq!(record["headline"], json!([record["message"]]));
    assert_eq!(record["pipelineExecutionId"], "e-1");
    assert_eq!(record["tasks"], json!([]));
    assert_eq!(record["waitedSeconds"], 0);
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
    assert_eq!(message.strip_suffix(LINK), record["message"].as_str());
    assert_eq!(
        record["headline"][1],
        "Rolled back: app:1 is serving, 2 of 2 tasks."
    );
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
    let events = record["services"][0]["events"].as_array().unwrap();
    let of = |text: &str| {
        let mut texts = events.iter().map(|one| one["message"].as_str().unwrap());
        texts.position(|one| one.contains(text)).unwrap()
    };
    let (cause, effect) = (of("deployment failed"), of("rolling back to deployment"));
    assert_eq!(events[cause]["at"], events[effect]["at"]);
    assert!(cause < effect, "{events:?}");
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
    assert!(!message.contains("The record"), "{message}");
}

#[tokio::test]
async fn the_link_to_the_record_is_the_last_line_and_costs_log_lines_and_no_headline() {
    let whole = log_lines::world_whose_log_has(20, "x".repeat(245));
    let (_, without) = failure_of(&whole.deploy(json!({})).await);
    let linked = log_lines::world_whose_log_has(20, "x".repeat(245));
    let (_, with) = failure_of(&run(&linked, with_output(linked.start(json!({})))).await);
    let headline = |message: &str| message.lines().next().unwrap().to_owned();
    assert_eq!(headline(&with), headline(&without));
    assert!(with.len() <= 5000 && without.len() <= 5000);
    let above = with.strip_suffix(LINK).expect("the link comes last");
    let console = without.lines().last().unwrap();
    assert!(console.contains("/ecs/v2/clusters/prod/"), "{console}");
    assert!(above.ends_with(&format!("\n{console}")), "{above}");
    let of_log = |message: &str| message.matches("\n  ").count();
    let lines = (of_log(&with), of_log(&without));
    assert!(
        lines.0 > 5 && lines.0 < lines.1,
        "{lines:?}, {}: {with}",
        without.len()
    );
}

#[tokio::test]
async fn a_job_whose_task_before_failed_has_its_record() {
    let world = pre_deploy::world_with(ServiceSetup::default(), pre_deploy::ends_with(3));
    let answer = run(&world, with_output(world.start(pre_deploy::parameters()))).await;
    let (_, message) = failure(&answer);
    let (record, page) = written(&world);
    assert_eq!(message.strip_suffix(LINK), record["message"].as_str());
    assert_eq!(record["headline"][1], "No service was changed.");
    let task = &record["tasks"][0];
    let known = [
        ("when", json!("before")),
        ("container", json!("app")),
        ("end", json!("failed")),
        ("exitCode", json!(3)),
        ("reason", json!("container app exited with code 3")),
    ];
    for (member, value) in known {
        assert_eq!(task[member], value, "{task}");
    }
    let ran = &world.simulator.ecs().tasks_run()[0];
    assert!(
        ran["taskArn"]
            .as_str()
            .unwrap()
            .ends_with(task["task"].as_str().unwrap())
    );
    assert!(task["started"].as_str() < task["ended"].as_str(), "{task}");
    assert_eq!(record["services"][0]["end"], "not touched");
    for shown in [
        "Pre-deploy task",
        "table users is locked",
        "Nothing was deployed",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    // Neither its command nor what it is given is anybody's to read.
    for hidden in ["migrate", "\"STAGE\""] {
        assert!(
            !page.contains(hidden) && !record.to_string().contains(hidden),
            "{hidden}"
        );
    }
}

#[tokio::test]
async fn a_task_that_was_stopped_or_came_to_an_end_is_recorded_as_such() {
    let ends = [
        (pre_deploy::ends_with(0), "succeeded", "Succeeded", json!(0)),
        (
            Behaviour::Crash {
                exit_code: 0,
                after_seconds: 9999,
                log_lines: Vec::new(),
            },
            "stopped at its time limit",
            "Failed",
            Value::Null,
        ),
    ];
    for (behaviour, end, outcome, exit_code) in ends {
        let world = pre_deploy::world_with(ServiceSetup::default(), behaviour);
        run(&world, with_output(world.start(pre_deploy::parameters()))).await;
        let (record, _) = written(&world);
        assert_eq!(record["outcome"], outcome);
        assert_eq!(record["tasks"][0]["end"], end);
        assert_eq!(record["tasks"][0]["exitCode"], exit_code);
    }
}

#[tokio::test]
async fn a_job_that_deploys_nothing_after_its_task_has_its_record() {
    let task = Behaviour::Crash {
        exit_code: 0,
        after_seconds: 100,
        log_lines: Vec::new(),
    };
    let world = pre_deploy::world_with(ServiceSetup::default(), task);
    let first = world.start(pre_deploy::parameters());
    world.invoke(&with_output(first.clone())).await;
    let ecs = world.simulator.ecs();
    let hotfix = Intervention::Deploy {
        task_definition: ecs.register(logging_app("repo/app:hotfix")),
    };
    ecs.intervene("prod", "shop", &hotfix);
    let next = world.simulator.codepipeline().next_event(&id_of(&first));
    let answer = run(&world, with_output(next.unwrap())).await;
    let (_, message) = failure(&answer);
    let (record, _) = written(&world);
    assert!(
        message.contains("set to app:4 by somebody else"),
        "{message}"
    );
    assert_eq!(message.strip_suffix(LINK), record["message"].as_str());
    assert_eq!(record["tasks"][0]["end"], "succeeded");
    assert_eq!(record["services"][0]["end"], "not touched");
}

#[tokio::test]
async fn an_action_that_ends_at_a_hook_and_the_one_that_answers_it_are_recorded() {
    let world = World::with_service(ServiceSetup {
        strategy: Strategy::BlueGreen,
        pause_hook: Some(PauseHook {
            stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
            timeout_minutes: 1440,
        }),
        ..ServiceSetup::default()
    });
    let first = with_output(world.start(json!({"WaitFor": "Pause"})));
    let answer = run(&world, first).await;
    let (_, variables) = success(&answer);
    let (record, page) = written(&world);
    let waits_at = &record["services"][0]["waitsAt"];
    assert_eq!(waits_at["hookId"], variables["HookId"]);
    assert_eq!(waits_at["stage"], "POST_TEST_TRAFFIC_SHIFT");
    assert_eq!(waits_at["expiresAt"], variables["HookExpiresAt"]);
    assert_eq!(waits_at["timeoutAction"], "ROLLBACK");
    assert_eq!(record["headline"][1], "Answer it with ContinueDeployment.");
    assert!(page.contains("Waits at"));
    for (action, end) in [("CONTINUE", "serving"), ("ROLLBACK", "rolled back")] {
        let asked = json!({"DeploymentId": variables["DeploymentId"], "HookId": variables["HookId"],
            "Action": action});
        let parameters = json!({"ContinueDeployment": asked});
        // Its answer is followed anew for each: the second finds what the first has left.
        let answer = run(&world, with_output(start_bare(&world, &parameters))).await;
        let (record, page) = written(&world);
        let expected = json!({"action": action, "deployment": variables["DeploymentId"],
            "hookId": variables["HookId"]});
        assert_eq!(record["continueDeployment"], expected);
        assert!(page.contains("Answers"));
        if action == "CONTINUE" {
            success(&answer);
            assert_eq!(record["services"][0]["end"], end);
            assert_eq!(record["services"][0]["waitsAt"], Value::Null);
        }
    }
}

#[tokio::test]
async fn how_long_the_limit_stood_still_and_the_start_waited_is_recorded() {
    let world = World::with_service(ServiceSetup {
        strategy: Strategy::BlueGreen,
        pause_hook: Some(PauseHook {
            stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
            timeout_minutes: 5,
        }),
        ..ServiceSetup::default()
    });
    world.simulator.faults().throttle("DescribeServices", 60);
    run(&world, start(&world, None)).await;
    let (record, page) = written(&world);
    let seconds = |member: &str| record[member].as_u64().unwrap();
    assert!(
        (240..=360).contains(&seconds("timeLimitPausedSeconds")),
        "{record}"
    );
    assert!(seconds("waitedSeconds") >= 15, "{record}");
    for shown in ["stood still for", "until then the start waited"] {
        assert!(page.contains(shown), "{shown}");
    }
}

fn failure_of(answer: &Answer) -> (String, String) {
    let (kind, message) = failure(answer);
    (kind.to_owned(), message.to_owned())
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
