//! What goes over the wire: the artifact by ranges, the revision as raw JSON.

use std::io::{Cursor, Write};

use serde_json::{Value, json};
use simulator::StartAction;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::support::{BUCKET, KEY, World, app, failure, id_of, success, zip_of};

const IMAGES: &str = r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#;
const GIB: u64 = 1024 * 1024 * 1024;

#[tokio::test]
async fn a_small_artifact_takes_one_request_with_the_jobs_credentials() {
    let world = World::new();
    success(&world.deploy(json!({})).await);
    let gets = world.simulator.calls_of("GetObject");
    assert_eq!(gets.len(), 1);
    assert_eq!(gets[0].request["Range"], "bytes=-131072");
    assert_eq!(
        gets[0].access_key_id.as_deref(),
        Some(simulator::ARTIFACT_ACCESS_KEY_ID)
    );
    let others = world
        .simulator
        .calls()
        .into_iter()
        .filter(|call| call.service != "s3");
    for call in others {
        assert_eq!(
            call.access_key_id.as_deref(),
            Some(simulator::FUNCTION_ACCESS_KEY_ID)
        );
    }
}

/// A zip of three GiB whose middle is one stored file of zeros: the segments that are not.
fn huge_zip() -> (u64, Vec<(u64, bytes::Bytes)>) {
    // The layout of a small zip with the same names, its parts moved apart, sizes and offsets
    // rewritten as ZIP64 wants them (APPNOTE.TXT 4.3, 4.5.3).
    let small = zip_of(&[("imagedefinitions.json", IMAGES)]);
    let find = |signature: &[u8]| {
        small
            .windows(4)
            .position(|bytes| bytes == signature)
            .unwrap()
    };
    let directory = find(b"PK\x01\x02");
    let end = find(b"PK\x05\x06");
    let entry = small[directory..end].to_vec();
    let local = small[..directory].to_vec();
    // First the big file's local header and its zeros, then ours, then the directory.
    let size = 3 * GIB;
    let mut big_local = b"PK\x03\x04\x2d\0\0\0\0\0\0\0\x21\0\0\0\0\0".to_vec();
    big_local.extend(u32::try_from(size).unwrap().to_le_bytes());
    big_local.extend(u32::try_from(size).unwrap().to_le_bytes());
    big_local.extend(3_u16.to_le_bytes());
    big_local.extend(0_u16.to_le_bytes());
    big_local.extend(b"big");
    let ours_at = size + u64::try_from(big_local.len()).unwrap();
    let mut big_entry = b"PK\x01\x02\x2d\x03\x2d\0\0\0\0\0\0\0\x21\0\0\0\0\0".to_vec();
    big_entry.extend(u32::try_from(size).unwrap().to_le_bytes());
    big_entry.extend(u32::try_from(size).unwrap().to_le_bytes());
    big_entry.extend(3_u16.to_le_bytes());
    big_entry.extend([0; 12]);
    big_entry.extend(0_u32.to_le_bytes());
    big_entry.extend(b"big");
    let mut our_entry = entry;
    our_entry[42..46].copy_from_slice(&u32::try_from(ours_at).unwrap().to_le_bytes());
    let mut tail = local;
    let directory_at = ours_at + u64::try_from(tail.len()).unwrap();
    let directory_len = u32::try_from(big_entry.len() + our_entry.len()).unwrap();
    tail.extend(big_entry);
    tail.extend(our_entry);
    tail.extend(b"PK\x05\x06\0\0\0\0");
    tail.extend(2_u16.to_le_bytes());
    tail.extend(2_u16.to_le_bytes());
    tail.extend(directory_len.to_le_bytes());
    tail.extend(u32::try_from(directory_at).unwrap().to_le_bytes());
    tail.extend(0_u16.to_le_bytes());
    let total = ours_at + u64::try_from(tail.len()).unwrap();
    (total, vec![(0, big_local.into()), (ours_at, tail.into())])
}

#[tokio::test]
async fn an_artifact_of_three_gigabytes_takes_few_requests_and_few_bytes() {
    let world = World::new();
    let (length, segments) = huge_zip();
    world
        .simulator
        .s3()
        .put_sparse(BUCKET, KEY, length, segments);
    success(&world.deploy(json!({})).await);
    let gets = world.simulator.calls_of("GetObject");
    let bytes: u64 = gets.iter().map(|call| call.response_bytes).sum();
    assert!(gets.len() <= 4, "{}", gets.len());
    assert!(bytes < 200 * 1024, "{bytes}");
}

/// The file first, then so much that the tail holds neither it nor all of the directory.
fn large_zip() -> Vec<u8> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("imagedefinitions.json", stored).unwrap();
    writer.write_all(IMAGES.as_bytes()).unwrap();
    for number in 0..5000 {
        writer
            .start_file(format!("node_modules/{number:08}/index.js"), stored)
            .unwrap();
        writer.write_all(&[b'x'; 100]).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn every_read_is_pinned_to_the_version_of_the_first() {
    for is_versioned in [true, false] {
        let world = World::new();
        world.simulator.s3().set_versioned(BUCKET, is_versioned);
        world.simulator.s3().put(BUCKET, KEY, large_zip());
        success(&world.deploy(json!({})).await);
        let gets = world.simulator.calls_of("GetObject");
        assert!((2..=4).contains(&gets.len()), "{}", gets.len());
        for get in &gets[1..] {
            assert_eq!(
                get.request["VersionId"].is_string(),
                is_versioned,
                "{get:?}"
            );
            assert_eq!(get.request["IfMatch"].is_string(), !is_versioned, "{get:?}");
        }
    }
}

#[tokio::test]
async fn a_read_that_breaks_off_is_asked_for_again() {
    let world = World::new();
    world.simulator.faults().truncate_body("GetObject", 1);
    world.simulator.faults().reset("GetObject", 1);
    success(&world.deploy(json!({})).await);
    assert_eq!(world.count("GetObject"), 3);
}

#[tokio::test]
async fn an_artifact_that_is_missing_empty_no_zip_or_forbidden_says_which() {
    let cases: [(&str, &str, fn(&World)); 5] = [
        ("RevisionUnavailable", "does not exist", |world| {
            world.simulator.s3().delete(BUCKET, KEY);
        }),
        ("RevisionUnavailable", "it is empty", |world| {
            world.simulator.s3().put(BUCKET, KEY, Vec::new());
        }),
        ("RevisionUnavailable", "it is HTML, not a zip", |world| {
            world.simulator.s3().put(BUCKET, KEY, b"<html>".to_vec());
        }),
        ("PermissionError", "s3:GetObject", |world| {
            world.simulator.s3().deny(BUCKET);
        }),
        (
            "ConfigurationError",
            "Did not find the image definition file imagedefinitions.json",
            |world| {
                world.put_artifact(&[("x/imagedefinitions.json", IMAGES)]);
            },
        ),
    ];
    for (kind, part, spoil) in cases {
        let world = World::new();
        spoil(&world);
        let answer = world.deploy(json!({})).await;
        assert_eq!(failure(&answer).0, kind, "{answer:?}");
        assert!(failure(&answer).1.contains(part), "{answer:?}");
        assert_eq!(world.revisions(), 1);
    }
}

#[tokio::test]
async fn of_several_artifacts_the_only_one_with_the_file_is_read_and_two_are_a_mistake() {
    let world = World::new();
    world
        .simulator
        .s3()
        .put(BUCKET, "source.zip", zip_of(&[("README", "x")]));
    let start = |parameters: Value, second: &str| {
        let mut all = json!({"ClusterName": "prod", "ServiceName": "web"});
        all.as_object_mut()
            .unwrap()
            .extend(parameters.as_object().unwrap().clone());
        world.simulator.codepipeline().start(&StartAction {
            configuration: json!({"UserParameters": all.to_string()}),
            inputs: vec![
                ("Source".to_owned(), BUCKET.to_owned(), second.to_owned()),
                ("Build".to_owned(), BUCKET.to_owned(), KEY.to_owned()),
            ],
            ..StartAction::default()
        })
    };
    success(
        world
            .run(start(json!({}), "source.zip"))
            .await
            .last()
            .unwrap(),
    );
    let answers = world.run(start(json!({}), KEY)).await;
    assert!(
        failure(&answers[0])
            .1
            .contains("in the artifacts Source and Build: set InputArtifact"),
        "{answers:?}"
    );
    success(
        world
            .run(start(json!({"InputArtifact": "Build"}), KEY))
            .await
            .last()
            .unwrap(),
    );
    let answers = world
        .run(start(json!({"InputArtifact": "Biuld"}), KEY))
        .await;
    assert!(
        failure(&answers[0]).1.contains("it has Source and Build"),
        "{answers:?}"
    );
}

#[tokio::test]
async fn an_image_detail_is_for_the_named_container() {
    let world = World::new();
    let detail = r#"{"ImageURI": "repo/app@sha256:0000000000000000000000000000000000000000000000000000000000000000", "RepositoryName": "app"}"#;
    world.put_artifact(&[("imageDetail.json", detail)]);
    let answer = world.deploy(json!({"FileName": "imageDetail.json"})).await;
    assert!(
        failure(&answer)
            .1
            .contains("set ContainerName to one of app and sidecar"),
        "{answer:?}"
    );
    let answer = world
        .deploy(json!({"FileName": "imageDetail.json", "ContainerName": "app"}))
        .await;
    assert!(success(&answer).1["Image-app"].starts_with("repo/app@sha256:"));
}

#[tokio::test]
async fn an_unknown_container_names_those_that_exist() {
    let world = World::new();
    world.put_images(r#"[{"name": "ap", "imageUri": "repo/app:v2"}]"#);
    let answer = world.deploy(json!({})).await;
    assert_eq!(failure(&answer).0, "ConfigurationError");
    assert!(failure(&answer).1.contains("names the container 'ap', which app:1 does not have; its containers are app and sidecar"), "{answer:?}");
}

#[tokio::test]
async fn what_this_build_has_never_heard_of_arrives_on_the_wire_as_it_came() {
    let world = World::new();
    world.simulator.allow_unknown("inventedField");
    let mut base = app("repo/app:v1");
    base["trustedExecutionConfiguration"] =
        json!({"isolationMode": "SHARED", "attestationPolicy": ""});
    base["inventedField"] =
        json!({"deep": [1, 2.5, null, {"a": ""}], "big": 12_345_678_901_234_567_890_u64});
    base["containerDefinitions"][1]["inventedField"] = json!([]);
    base["containerDefinitions"][1]["command"] = json!([]);
    base["containerDefinitions"][1]["user"] = json!("");
    base["containerDefinitions"][1]["healthCheck"] = Value::Null;
    base["volumes"] = json!([]);
    world.simulator.ecs().register(base.clone());
    world.simulator.ecs().intervene(
        "prod",
        "web",
        &simulator::ecs::Intervention::Deploy {
            task_definition: "app:2".to_owned(),
        },
    );
    world
        .simulator
        .clock()
        .advance(std::time::Duration::from_mins(2));
    // Whether AWS takes this type at all is not the question here.
    world
        .simulator
        .allow_unknown("trustedExecutionConfiguration");
    let start = world.start(json!({}));
    let answer = world.run(start.clone()).await.pop().unwrap();
    success(&answer);

    let calls = world.simulator.calls_of("RegisterTaskDefinition");
    let sent: Value = serde_json::from_slice(&calls[0].raw_body).unwrap();
    let mut expected = base;
    expected["containerDefinitions"][0]["image"] = json!("repo/app:v2");
    expected["tags"] = json!([
        {"key": "team", "value": "web"},
        {"key": "ecs-deploy-action:job", "value": id_of(&start)},
    ]);
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn update_service_sends_cluster_service_and_task_definition_only() {
    let world = World::new();
    success(&world.deploy(json!({})).await);
    let calls = world.simulator.calls_of("UpdateService");
    assert_eq!(
        calls[0].request,
        json!({"cluster": "prod", "service": "web",
        "taskDefinition": "arn:aws:ecs:eu-central-1:111122223333:task-definition/app:2"})
    );
}

fn operations(calls: &[simulator::Call]) -> Vec<&str> {
    calls.iter().map(|call| call.operation.as_str()).collect()
}

#[tokio::test]
async fn a_dry_run_of_one_service_makes_few_calls() {
    let world = World::new();
    success(&world.deploy(json!({"DryRun": true})).await);
    let calls = world.simulator.calls();
    // One of them looks at the execution role.
    assert_eq!(calls.len(), 7, "{:?}", operations(&calls));
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up_and_made_again() {
    let mut world = World::new();
    let timeouts = aws_config::timeout::TimeoutConfig::builder()
        .operation_attempt_timeout(std::time::Duration::from_millis(700))
        .build();
    let config = world.simulator.client_config();
    let config = config.into_builder().timeout_config(timeouts).build();
    world.handler = ecs_deploy_action::handler::Handler::new(
        ecs_deploy_action::engine::Engine {
            aws: ecs_deploy_action::aws::Aws::new(config),
            clock: std::sync::Arc::new(crate::support::Driven(world.simulator.clock())),
            observer: std::sync::Arc::new(ecs_deploy_action::observer::Unobserved),
            bounds: ecs_deploy_action::artifact::entry::Bounds::for_memory(None),
        },
        ecs_deploy_action::settings::Settings::default(),
    );
    world.simulator.faults().hang("DescribeServices", 1);
    let answer = world.deploy(json!({})).await;
    success(&answer);
}
