//! `ConfigFile` and `DryRun`.

use serde_json::json;
use simulator::Answer;
use simulator::ecs::Behaviour;

use crate::support::{BUCKET, KEY, World, app, failure, id_of, success, zip_of};

const IMAGES: &str = r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#;

/// The action says nothing but where the parameters are.
fn world(config: &str) -> (World, serde_json::Value) {
    let world = World::new();
    world.put_artifact(&[
        ("imagedefinitions.json", IMAGES),
        ("deploy/prod.json", config),
    ]);
    let start = world
        .start(json!({"ClusterName": null, "ServiceName": null, "ConfigFile": "deploy/prod.json"}));
    (world, start)
}

const CONFIG: &str = r#"{"ClusterName": "prod", "ServiceName": "web", "DeploymentTimeout": 5}"#;

#[tokio::test]
async fn the_parameters_may_all_be_in_the_artifact() {
    let (world, start) = world(CONFIG);
    let answers = world.run(start).await;
    let (summary, _) = success(answers.last().unwrap());
    assert!(
        summary.starts_with("web on prod: app:2 is serving"),
        "{summary}"
    );
}

#[tokio::test]
async fn a_later_invocation_reads_the_same_version_though_the_file_was_replaced() {
    for is_versioned in [true, false] {
        let (world, _) = world(CONFIG);
        world.simulator.s3().set_versioned(BUCKET, is_versioned);
        world.put_artifact(&[
            ("imagedefinitions.json", IMAGES),
            ("deploy/prod.json", CONFIG),
        ]);
        let start = world.start(
            json!({"ClusterName": null, "ServiceName": null, "ConfigFile": "deploy/prod.json"}),
        );
        world
            .simulator
            .ecs()
            .image("v2", Behaviour::Healthy { start_seconds: 100 });
        world.invoke(&start).await;
        let other = zip_of(&[(
            "deploy/prod.json",
            r#"{"ClusterName": "prod", "ServiceName": "other"}"#,
        )]);
        world.simulator.s3().put(BUCKET, KEY, other);
        let pipeline = world.simulator.codepipeline();
        let next = pipeline.next_event(&id_of(&start)).unwrap();
        let answers = world.run(next).await;
        if is_versioned {
            success(answers.last().unwrap());
        } else {
            // The version that the deployment was made with is gone.
            let (kind, message) = failure(answers.last().unwrap());
            assert_eq!(kind, "RevisionUnavailable");
            assert!(
                message.contains("was replaced while it was being read")
                    && message.contains("goes on without being followed"),
                "{message}"
            );
        }
        assert_eq!(world.done("UpdateService"), 1);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_for_a_while_does_not_end_a_rollout() {
    let (world, start) = world(CONFIG);
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 100 });
    world.invoke(&start).await;
    world.simulator.faults().server_error("GetObject", 12);
    let pipeline = world.simulator.codepipeline();
    let next = pipeline.next_event(&id_of(&start)).unwrap();
    let answers = world.run(next).await;
    let Answer::Success {
        summary,
        continuation_token,
        ..
    } = &answers[0]
    else {
        unreachable!("{answers:?}");
    };
    assert!(
        summary.as_deref().unwrap().starts_with("no news: "),
        "{summary:?}"
    );
    assert!(continuation_token.is_some());
    success(answers.last().unwrap());
}

#[tokio::test]
async fn mistakes_in_the_file_are_reported_with_its_name() {
    for (config, expected) in [
        (
            "{\n  \"ClusterName\" \"prod\"\n}",
            "deploy/prod.json is not a JSON object: expected `:` at line 2",
        ),
        ("[]", "deploy/prod.json is not a JSON object"),
        ("", "deploy/prod.json is empty."),
        (
            r#"{"ClusterName": "prod", "Servicename": "web"}"#,
            "UserParameters and deploy/prod.json: 2 problems: 1) Servicename is not a parameter: did you mean ServiceName?",
        ),
        (
            r#"{"ConfigFile": "x.json"}"#,
            "deploy/prod.json sets ConfigFile, which only UserParameters can",
        ),
        (
            r#"{"ClusterName": "prod", "ServiceName": "web", "Region": "us-east-1", "RoleArn": "arn:aws:iam::444455556666:role/theirs"}"#,
            "deploy/prod.json sets Region and RoleArn, which only UserParameters can: whoever writes the artifact",
        ),
    ] {
        let (world, start) = world(config);
        let answers = world.run(start).await;
        let (kind, message) = failure(answers.last().unwrap());
        assert_eq!(kind, "ConfigurationError");
        assert!(message.contains(expected), "{message}");
        let calls = world.simulator.calls();
        assert!(
            calls
                .iter()
                .all(|call| ["s3", "codepipeline"].contains(&call.service)),
            "no account is asked: {calls:?}"
        );
    }
    let (world, _) = world(CONFIG);
    world.put_images(IMAGES);
    let start = world
        .start(json!({"ClusterName": null, "ServiceName": null, "ConfigFile": "deploy/prod.json"}));
    let answers = world.run(start).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.starts_with("Did not find the configuration file deploy/prod.json"),
        "{message}"
    );
}

#[tokio::test]
async fn an_event_by_hand_without_an_artifact_has_no_such_file() {
    let world = World::new();
    let event = json!({"ConfigFile": "deploy/prod.json", "ImageDefinitions": [{"name": "app", "imageUri": "repo/app:v2"}]});
    let report = world.invoke(&event).await;
    assert!(
        report["message"]
            .as_str()
            .unwrap()
            .starts_with("ConfigFile is a file of the artifact, and the event has none"),
        "{report}"
    );
}

#[tokio::test]
async fn a_dry_run_prints_the_whole_plan_and_changes_nothing() {
    let world = World::new();
    let mut file = app("repo/app:v1");
    file["cpu"] = json!("512");
    world.put_artifact(&[
        ("imagedefinitions.json", IMAGES),
        ("taskdef.json", &file.to_string()),
    ]);
    let start = world.start(json!({
        "DryRun": true, "TaskDefinitionFile": "taskdef.json", "KeepRevisions": 5,
        "PreDeployTask": {"Container": "app", "Command": ["migrate"], "Timeout": 7},
    }));
    let report = world.invoke(&start).await;
    let message = report["message"].as_str().unwrap();
    assert!(
        message.starts_with("web on prod: dry run, nothing was changed. A new revision would be made from taskdef.json: app from repo/app:v1 to repo/app:v2."),
        "{message}"
    );
    assert!(message.contains("\n/cpu: \"256\" → \"512\""), "{message}");
    let changes = report["services"][0]["changes"].as_array().unwrap();
    assert!(
        changes.contains(&json!({"path": "/containerDefinitions/app/image", "old": "repo/app:v1", "new": "repo/app:v2"})),
        "{changes:?}"
    );
    let calls: Vec<&str> = report["plan"]["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call.as_str().unwrap())
        .collect();
    let places: Vec<usize> = [
        "ecs:RegisterTaskDefinition: a new revision of app from taskdef.json",
        "ecs:RunTask: container app with the command 'migrate' on the new revision, for 7 min at most",
        "ecs:UpdateService: web on prod from app:1 to the new revision of app",
        "then the rollout is followed for 60 min at most",
        "ecs:DeregisterTaskDefinition: after success older revisions that nobody needs, keeping the newest 5",
    ]
    .iter()
    .map(|expected| calls.iter().position(|call| call.starts_with(expected)).expect(expected))
    .collect();
    assert!(places.is_sorted(), "{calls:?}");
    let checked = report["plan"]["checked"].to_string();
    assert!(
        checked.contains(
            "web on prod is ACTIVE, deployed by ECS (ROLLING) and runs app:1 with 2 tasks wanted"
        ),
        "{checked}"
    );
    for call in world.simulator.calls() {
        let reads = ["Describe", "List", "Get", "Put"]
            .iter()
            .any(|verb| call.operation.starts_with(verb));
        assert!(reads, "{} changes something", call.operation);
    }
    assert_eq!(world.revisions(), 1);
}
