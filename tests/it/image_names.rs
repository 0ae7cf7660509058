//! What is no image by the grammar of references is refused with a sentence that says what is wrong,
//! wherever it is written, before ECR or anything that follows is asked.

use serde_json::{Value, json};

use crate::support::{World, app, failure, success};

const DIGITS: &str = "4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865";

/// Images, and what their sentence says.
fn mistakes() -> Vec<(String, &'static str)> {
    let ecr = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";
    let mut mistakes = vec![
        (format!("https://{ecr}/app:v2"), "begins with https://"),
        (format!("{ecr}/Team/App:v2"), "write 'team/app'"),
        (
            format!("{ecr}/app:feature/login"),
            "a slash in its tag 'feature/login'",
        ),
        (
            "arn:aws:ecr:eu-central-1:111122223333:repository/app".to_owned(),
            "is an ARN: write the image itself, as 111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:TAG",
        ),
        (
            format!("{ecr}/app@sha256:{}", &DIGITS[1..]),
            "63 digits: sha256 has 64",
        ),
        (format!("{ecr}/app@md5:{DIGITS}"), "made with 'md5'"),
        (format!("{ecr}/app:v1:v2"), "two tags, 'v1' and 'v2'"),
        (
            format!("{ecr}/app:{}", "x".repeat(129)),
            "has 129 characters: it may have 128",
        ),
        (format!("{ecr}/app:$TAG"), "a variable was not expanded"),
        (format!("{ecr}/app:sha256:{DIGITS}"), "write @ before"),
        (format!("{ecr}//app:v2"), "nothing between two slashes"),
    ];
    mistakes.push((
        String::from("AWS:MARK@repo.example/app:v2"),
        "an @ before its path",
    ));
    mistakes
}

#[track_caller]
fn assert_reported(world: &World, message: &str, sentence: &str) {
    assert!(message.contains(sentence), "{message}");
    assert!(!message.contains("MARK"), "{message}");
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
    assert!(
        world
            .simulator
            .calls()
            .iter()
            .all(|call| call.service != "ecr")
    );
}

#[tokio::test]
async fn an_image_definition_that_is_no_image_is_reported_with_what_to_write() {
    for (image, sentence) in mistakes() {
        let world = World::new();
        world.put_images(&json!([{"name": "app", "imageUri": image}]).to_string());
        let answer = world.deploy(json!({})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        assert!(
            message.starts_with("imagedefinitions.json: the image of 'app' is"),
            "{message}"
        );
        assert_reported(&world, message, sentence);
    }
}

#[tokio::test]
async fn so_it_is_in_an_image_detail_and_in_an_event_by_hand() {
    for (image, sentence) in mistakes() {
        let world = World::new();
        world.put_artifact(&[("imageDetail.json", &json!({"ImageURI": image}).to_string())]);
        let parameters = json!({"FileName": "imageDetail.json", "ContainerName": "app"});
        let answer = world.deploy(parameters).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        assert_reported(&world, message, sentence);

        let event = json!({"ClusterName": "prod", "ServiceName": "web",
            "ImageDefinitions": [{"name": "app", "imageUri": image}]});
        let report = world.invoke(&event).await;
        assert_eq!(report["outcome"], "Failed", "{report}");
        assert_reported(&world, report["message"].as_str().unwrap(), sentence);
    }
}

/// A world whose artifact has a task definition with these images for `app` and `sidecar`.
fn with_file(app_image: &str, sidecar_image: &str, images: Option<Value>) -> World {
    let world = World::new();
    let mut definition = app(app_image);
    definition["containerDefinitions"][1]["image"] = json!(sidecar_image);
    definition.as_object_mut().unwrap().remove("tags");
    let definition = definition.to_string();
    let images = images.map(|images| images.to_string());
    let mut files = vec![("taskdef.json", definition.as_str())];
    files.extend(
        images
            .as_deref()
            .map(|images| ("imagedefinitions.json", images)),
    );
    world.put_artifact(&files);
    world
}

#[tokio::test]
async fn a_task_definition_files_own_images_are_held_to_the_same_grammar() {
    let parameters = json!({"TaskDefinitionFile": "taskdef.json"});
    for (image, sentence) in mistakes() {
        let world = with_file("repo/app:v2", &image, None);
        let answer = world.deploy(parameters.clone()).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        let begin = "taskdef.json containerDefinitions[1] has an image that is";
        assert!(message.starts_with(begin), "{message}");
        assert_reported(&world, message, sentence);
    }
}

#[tokio::test]
async fn an_image_of_the_file_that_another_replaces_may_be_anything() {
    let images = json!([{"name": "app", "imageUri": "repo/app:v2"}, {"name": "SIDE", "imageUri": "repo/side:v2"}]);
    let world = with_file("replaced by the build", "<SIDE>", Some(images));
    let parameters = json!({"TaskDefinitionFile": "taskdef.json"});
    success(&world.deploy(parameters).await);
    assert_eq!(world.revisions(), 2);
}

#[tokio::test]
async fn a_byte_order_mark_before_the_parameters_is_no_mistake() {
    let world = World::new();
    let parameters = format!(
        "\u{feff}{}",
        json!({"ClusterName": "prod", "ServiceName": "web"})
    );
    let start = world.start_with(&json!({"FunctionName": "f", "UserParameters": parameters}));
    let answers = world.run(start).await;
    success(answers.last().unwrap());
}
