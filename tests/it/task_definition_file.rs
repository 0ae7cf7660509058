//! `TaskDefinitionFile`: the task definition travels with the code.

use serde_json::{Value, json};

use crate::support::{World, app, failure, success};

const FILE: &str = "taskdef.json";

/// The definition as the repository has it.
fn definition() -> Value {
    json!({
        "family": "app", "cpu": "512", "memory": "1024",
        "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
        "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        "containerDefinitions": [
            {"name": "app", "image": "<IMAGE1_NAME>", "environment": [{"name": "A", "value": "new"}]},
            {"name": "added", "image": "repo/added:v1"},
        ],
    })
}

fn with(files: &[(&str, String)]) -> World {
    let world = World::new();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    world.put_artifact(&files);
    world
}

fn images(json: Value) -> (&'static str, String) {
    ("imagedefinitions.json", json.to_string())
}

fn parameters() -> Value {
    json!({"TaskDefinitionFile": FILE})
}

fn registered(world: &World) -> Value {
    world.simulator.ecs().task_definition("app:2").unwrap()
}

#[tokio::test]
async fn it_takes_the_place_of_the_base_and_containers_are_filled_by_name_or_placeholder() {
    for name in ["app", "IMAGE1_NAME", "<IMAGE1_NAME>"] {
        let world = with(&[
            (FILE, definition().to_string()),
            images(json!([{"name": name, "imageUri": "repo/app:v2"}])),
        ]);
        success(&world.deploy(parameters()).await);
        let made = registered(&world);
        assert_eq!(made["cpu"], "512");
        assert_eq!(
            made["containerDefinitions"][0]["image"], "repo/app:v2",
            "{name}"
        );
        assert_eq!(made["containerDefinitions"][1]["image"], "repo/added:v1");
        let tags = made["tags"].to_string();
        assert!(
            tags.contains(r#"{"key":"team","value":"web"}"#),
            "tags survive: {tags}"
        );
    }
}

#[tokio::test]
async fn what_this_build_has_never_heard_of_is_sent_and_what_only_ecs_writes_is_not() {
    let mut file = definition();
    file["inventedLater"] = json!({"deep": [1, 2.50, null]});
    file["revision"] = json!(7);
    file["status"] = json!("ACTIVE");
    file["tags"] = json!([{"key": "from", "value": "file"}]);
    let world = with(&[
        (FILE, file.to_string()),
        images(json!([{"name": "app", "imageUri": "repo/app:v2"}])),
    ]);
    world.simulator.allow_unknown("inventedLater");
    let report = world.invoke(&world.start(parameters())).await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    assert!(
        report["warnings"][0]
            .as_str()
            .unwrap()
            .contains("taskdef.json: revision and status left out"),
        "{report}"
    );
    let made = registered(&world);
    assert_eq!(made["inventedLater"], json!({"deep": [1, 2.50, null]}));
    assert_eq!(made.get("revision"), None);
    assert!(made["tags"].to_string().contains("\"file\""));
    assert!(
        !made["tags"].to_string().contains("team"),
        "the file's tags are meant"
    );
}

#[tokio::test]
async fn a_definition_with_all_of_its_images_needs_no_image_definitions() {
    let mut file = definition();
    file["containerDefinitions"][0]["image"] = json!("repo/app:v2");
    file.as_object_mut().unwrap().remove("family");
    let world = with(&[(FILE, file.to_string())]);
    success(&world.deploy(parameters()).await);
    assert_eq!(
        registered(&world)["containerDefinitions"][0]["image"],
        "repo/app:v2"
    );
    // But a file that was asked for by its name must be there.
    let answer = world
        .deploy(json!({"TaskDefinitionFile": FILE, "FileName": "images.json"}))
        .await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("Did not find the image definition file images.json"),
        "{message}"
    );
}

#[tokio::test]
async fn an_image_detail_fills_the_only_placeholder() {
    let detail = json!({"ImageURI": "repo/app@sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"}).to_string();
    let world = with(&[
        (FILE, definition().to_string()),
        ("imageDetail.json", detail),
    ]);
    let mut parameters = parameters();
    parameters["FileName"] = json!("imageDetail.json");
    success(&world.deploy(parameters).await);
    assert_eq!(
        registered(&world)["containerDefinitions"][0]["image"],
        "repo/app@sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
    );
}

#[tokio::test]
async fn each_mistake_is_reported_with_its_place_and_nothing_is_changed() {
    let right = images(json!([{"name": "app", "imageUri": "repo/app:v2"}]));
    let mut other_family = definition();
    other_family["family"] = json!("shop");
    let mut number = definition();
    number["cpu"] = json!(256);
    let mut unfilled = definition();
    unfilled["containerDefinitions"][1]["image"] = json!("<IMAGE2_NAME>");
    let mut nameless = definition();
    nameless["containerDefinitions"][0]
        .as_object_mut()
        .unwrap()
        .remove("name");
    for (file, expected) in [
        (
            "{\n  \"family\": \"app\",\n}".to_owned(),
            "taskdef.json contains invalid JSON at line 3, column 1: trailing comma",
        ),
        (
            other_family.to_string(),
            "web on prod: taskdef.json is of the family shop, and the service runs app: write \"family\": \"app\", or leave it out.",
        ),
        (
            number.to_string(),
            "taskdef.json has cpu 256: expected a text in double quotes",
        ),
        (
            unfilled.to_string(),
            "the container 'added' in taskdef.json has the image '<IMAGE2_NAME>', a placeholder that nothing fills: name the container or 'IMAGE2_NAME'",
        ),
        (
            nameless.to_string(),
            "taskdef.json containerDefinitions[0] has no name",
        ),
        (
            json!({"ContainerDefinitions": []}).to_string(),
            "is written as CloudFormation writes it",
        ),
    ] {
        let world = with(&[(FILE, file), right.clone()]);
        let answer = world.deploy(parameters()).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        assert!(message.contains(expected), "{message}");
        assert_eq!(world.count("RegisterTaskDefinition"), 0);
    }
    let world = with(&[right]);
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("Did not find the task definition file taskdef.json")
            && message.contains("or set TaskDefinitionFile."),
        "{message}"
    );
}

#[tokio::test]
async fn both_files_are_read_with_the_directory_once_and_may_be_in_two_artifacts() {
    let world = with(&[
        (FILE, definition().to_string()),
        images(json!([{"name": "app", "imageUri": "repo/app:v2"}])),
    ]);
    success(&world.deploy(parameters()).await);
    assert_eq!(world.count("GetObject"), 1);

    let world = with(&[images(json!([{"name": "app", "imageUri": "repo/app:v2"}]))]);
    let source = crate::support::zip_of(&[(FILE, &definition().to_string())]);
    world
        .simulator
        .s3()
        .put(crate::support::BUCKET, "source.zip", source);
    let event = world.simulator.codepipeline().start(&simulator::StartAction {
        configuration: json!({"FunctionName": "f", "UserParameters":
            json!({"ClusterName": "prod", "ServiceName": "web", "TaskDefinitionFile": FILE}).to_string()}),
        inputs: ["source.zip", crate::support::KEY]
            .iter()
            .map(|key| (format!("A{}", key.len()), crate::support::BUCKET.to_owned(), (*key).to_owned()))
            .collect(),
        ..simulator::StartAction::default()
    });
    let answers = world.run(event).await;
    success(answers.last().unwrap());
}

#[tokio::test]
async fn who_registers_revisions_elsewhere_starts_from_the_newest() {
    let world = World::new();
    let mut by_infrastructure = app("repo/app:v1");
    by_infrastructure["cpu"] = json!("2048");
    world.simulator.ecs().register(by_infrastructure);
    success(&world.deploy(json!({"BaseRevision": "latest"})).await);
    let made = world.simulator.ecs().task_definition("app:3").unwrap();
    assert_eq!(made["cpu"], "2048");
    assert_eq!(made["containerDefinitions"][0]["image"], "repo/app:v2");
}

#[tokio::test]
async fn a_second_delivery_finds_the_revision_that_the_file_made() {
    let world = with(&[
        (FILE, definition().to_string()),
        images(json!([{"name": "app", "imageUri": "repo/app:v2"}])),
    ]);
    let start = world.start(parameters());
    world.invoke(&start).await;
    world.simulator.codepipeline().open_job(&start);
    world.invoke(&start).await;
    assert_eq!(world.revisions(), 2);
    assert_eq!(world.done("UpdateService"), 1);
}
