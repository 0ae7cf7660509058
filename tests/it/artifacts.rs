//! What an artifact may be, and what is reported of one that is something else.

use serde_json::{Value, json};
use simulator::{Answer, StartAction};

use crate::support::{BUCKET, KEY, World, app, failure, success, zip_of};

const FILE: &str = "imagedefinitions.json";
const IMAGES: &str = r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#;
const FULL_CLONE: &[u8] = br#"{"Connections": "arn:aws:codestar-connections:eu-central-1:1:connection/c", "BranchName": "main"}"#;

/// Deploys with these artifacts, which are called A, B, C, …; the last answer.
async fn deploy(world: &World, artifacts: &[&[u8]], parameters: Value) -> Answer {
    let mut all = json!({"ClusterName": "prod", "ServiceName": "web"});
    for (name, value) in parameters.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut inputs = Vec::new();
    for (letter, content) in ('A'..).zip(artifacts) {
        let key = format!("{letter}.zip");
        world.simulator.s3().put(BUCKET, &key, content.to_vec());
        inputs.push((letter.to_string(), BUCKET.to_owned(), key));
    }
    let start = world.simulator.codepipeline().start(&StartAction {
        configuration: json!({"UserParameters": all.to_string()}),
        inputs,
        encryption_key: None,
        outputs: Vec::new(),
    });
    world.run(start).await.pop().unwrap()
}

#[tokio::test]
async fn of_several_artifacts_one_that_is_no_zip_is_passed_over_if_another_has_the_file() {
    let build = zip_of(&[(FILE, IMAGES)]);
    for other in [FULL_CLONE, b"", b"\x1f\x8b\x08\0\0", b"some text"] {
        let world = World::new();
        success(&deploy(&world, &[other, &build], json!({})).await);
        let world = World::new();
        success(&deploy(&world, &[&build, other, other], json!({})).await);
    }
}

#[tokio::test]
async fn if_none_of_several_artifacts_has_the_file_each_is_reported_and_input_artifact_is_named() {
    let world = World::new();
    let empty = zip_of(&[("README", "x")]);
    let answer = deploy(&world, &[FULL_CLONE, &empty], json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.starts_with(
            "Did not find the image definition file imagedefinitions.json in any of the artifacts A and B: set InputArtifact to the one that is meant. 2 problems: 1) imagedefinitions.json in the artifact A (s3://artifacts/A.zip) cannot be read: it is JSON (as a source action writes it that is set to 'Full clone', or a file that was not zipped), not a zip."
        ),
        "{message}"
    );
    assert!(
        message.contains(
            "2) Did not find the image definition file imagedefinitions.json in the artifact B"
        ),
        "{message}"
    );
    let answer = deploy(&world, &[FULL_CLONE, b"BZh9"], json!({})).await;
    assert_eq!(failure(&answer).0, "RevisionUnavailable");
}

#[tokio::test]
async fn an_artifact_that_cannot_be_looked_into_is_not_one_without_the_file() {
    let build = zip_of(&[(FILE, IMAGES)]);
    let cut_off = &build[..build.len() - 1];
    let world = World::new();
    let answer = deploy(&world, &[cut_off, &build], json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "RevisionUnavailable");
    assert!(
        message.contains("it was cut off")
            && message.ends_with("If another artifact is meant, set InputArtifact to it."),
        "{message}"
    );
    success(&deploy(&world, &[cut_off, &build], json!({"InputArtifact": "B"})).await);
}

#[tokio::test]
async fn what_is_no_zip_is_reported_with_what_it_is() {
    for (content, expected) in [
        (&b"\x1f\x8b\x08\0"[..], "it is a gzip file, not a zip"),
        (b"7z\xbc\xaf\x27\x1c\0", "it is a 7z file, not a zip"),
        (b"<?xml version=\"1.0\"?>", "it is XML, not a zip"),
        (IMAGES.as_bytes(), "it is JSON"),
    ] {
        let world = World::new();
        let answer = deploy(&world, &[content], json!({})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "RevisionUnavailable");
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn a_leading_slash_or_dot_and_the_kind_of_slash_make_no_difference() {
    for written in [
        "out/images.json",
        "/out/images.json",
        "./out/images.json",
        "//out/./images.json",
        "out\\images.json",
        "\\out\\images.json",
    ] {
        for asked in [
            "out/images.json",
            "/out/images.json",
            "./out/images.json",
            "out\\images.json",
        ] {
            let world = World::new();
            let zip = zip_of(&[(written, IMAGES)]);
            let answer = deploy(&world, &[&zip], json!({"FileName": asked})).await;
            success(&answer);
        }
    }
}

#[tokio::test]
async fn the_same_file_twice_and_a_link_in_its_place_are_reported() {
    let world = World::new();
    let twice = zip_of(&[(FILE, IMAGES), ("/imagedefinitions.json", "[]")]);
    let answer = deploy(&world, &[&twice], json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(message.contains("it has that file 2 times"), "{message}");

    let mut link = zip_of(&[(FILE, "../elsewhere.json")]);
    let at = link
        .windows(4)
        .position(|bytes| bytes == b"PK\x01\x02")
        .unwrap();
    link[at + 5] = 3;
    link[at + 38..at + 42].copy_from_slice(&(0o120_777_u32 << 16).to_le_bytes());
    let answer = deploy(&world, &[&link], json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.contains("in its place is a symbolic link: put the file itself into the artifact"),
        "{message}"
    );
}

#[tokio::test]
async fn an_artifact_with_an_image_detail_alone_says_what_to_set() {
    let world = World::new();
    let zip = zip_of(&[("imageDetail.json", r#"{"ImageURI": "repo/app:v2"}"#)]);
    let answer = deploy(&world, &[&zip], json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.contains("It has imageDetail.json, as an ECR source action writes it: set FileName to imageDetail.json, and ContainerName to"),
        "{message}"
    );
}

#[tokio::test]
async fn thousands_of_images_are_refused_with_one_sentence_before_anything_is_made_of_them() {
    let world = World::new();
    let entries: Vec<Value> = (0..2000)
        .map(|number| json!({"name": format!("c{number}"), "imageUri": "a:1"}))
        .collect();
    let zip = zip_of(&[(FILE, &json!(entries).to_string())]);
    let answer = deploy(&world, &[&zip], json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(message.contains("has 2000 entries"), "{message}");
    assert!(message.len() < 300, "{message}");
}

#[tokio::test]
async fn a_task_definition_beyond_what_ecs_takes_is_refused_before_it_is_used() {
    let with_containers = |count: usize| {
        let mut file = app("repo/app:v1");
        file["containerDefinitions"] = (0..count)
            .map(|number| json!({"name": format!("c{number}"), "image": "a:1"}))
            .collect();
        file
    };
    let mut large = app("repo/app:v1");
    large["containerDefinitions"][0]["dockerLabels"] = json!({"k": "x".repeat(64 * 1024)});
    for (file, expected) in [
        (
            with_containers(11),
            "has 11 containers; ECS takes 10 at most",
        ),
        (with_containers(3000), "is larger than 64 KB"),
        (large, "is larger than 64 KB"),
    ] {
        let world = World::new();
        let zip = zip_of(&[("taskdef.json", &file.to_string())]);
        let answer = deploy(
            &world,
            &[&zip],
            json!({"TaskDefinitionFile": "taskdef.json"}),
        )
        .await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        assert!(message.contains(expected), "{message}");
        assert_eq!(world.revisions(), 1);
    }
}

#[tokio::test]
async fn a_configuration_file_of_a_megabyte_is_refused_before_it_is_parsed() {
    for config in [
        format!("{{\"Services\": [{}1]}}", "1,".repeat(500_000)),
        format!("{{{}\"a\": 1}}", "\"a\":1,".repeat(170_000)),
        "[".repeat(1_000_000),
    ] {
        let world = World::new();
        world.put_artifact(&[("deploy.json", &config)]);
        let answer = world
            .deploy(json!({"ClusterName": null, "ServiceName": null, "ConfigFile": "deploy.json"}))
            .await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        assert!(
            message.contains("deploy.json holds more than 2000 values"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn an_extra_field_of_another_entry_that_is_malformed_does_no_harm() {
    let mut zip = zip_of(&[("a", "a"), (FILE, IMAGES)]);
    let at = zip
        .windows(4)
        .position(|bytes| bytes == b"PK\x01\x02")
        .unwrap();
    // An extended timestamp that claims five bytes and has one.
    zip.splice(at + 47..at + 47, *b"UT\x05\0\x01");
    zip[at + 30] = 5;
    let end = zip.len() - 22;
    zip[end + 12] += 5;
    let world = World::new();
    world.simulator.s3().put(BUCKET, KEY, zip);
    success(&world.deploy(json!({})).await);
}
