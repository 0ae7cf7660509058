//! Changes to the base revision beside the images (`TaskDefinitionPatch`), and `SkipIfUnchanged`.

use serde_json::{Value, json};

use crate::support::{World, app, failure, success};

fn registered(world: &World) -> Value {
    world.simulator.ecs().task_definition("app:2").unwrap()
}

fn patch() -> Value {
    json!({"cpu": "512", "memory": "1024", "containerDefinitions": {
        "app": {"environment": {"RELEASE": "abc123", "A": null}, "stopTimeout": 60},
        "agent": {"image": "repo/agent:v3", "essential": false}}})
}

#[track_caller]
fn assert_patched(world: &World) {
    let made = registered(world);
    let base = world.simulator.ecs().task_definition("app:1").unwrap();
    assert_eq!(made["cpu"], "512");
    let containers = made["containerDefinitions"].as_array().unwrap();
    assert_eq!(containers.len(), 3);
    assert_eq!(containers[0]["image"], "repo/app:v2");
    assert_eq!(
        containers[0]["environment"],
        json!([{"name": "RELEASE", "value": "abc123"}])
    );
    assert_eq!(containers[1], base["containerDefinitions"][1]);
    assert_eq!(containers[2]["name"], "agent");
    assert_eq!(made["executionRoleArn"], base["executionRoleArn"]);
}

#[tokio::test]
async fn a_patch_in_the_parameters_a_config_file_or_a_file_of_its_own_changes_what_it_names() {
    let images = r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#;
    let world = World::new();
    success(&world.deploy(json!({"TaskDefinitionPatch": patch()})).await);
    assert_patched(&world);

    // As a text, as CodePipeline's own configuration has it.
    let world = World::new();
    success(
        &world
            .deploy(json!({"TaskDefinitionPatch": patch().to_string()}))
            .await,
    );
    assert_patched(&world);

    let world = World::new();
    let config = json!({"TaskDefinitionPatch": patch()}).to_string();
    world.put_artifact(&[("imagedefinitions.json", images), ("deploy.json", &config)]);
    success(&world.deploy(json!({"ConfigFile": "deploy.json"})).await);
    assert_patched(&world);

    let world = World::new();
    world.put_artifact(&[
        ("imagedefinitions.json", images),
        ("ecs/patch.json", &patch().to_string()),
    ]);
    success(
        &world
            .deploy(json!({"TaskDefinitionPatch": "ecs/patch.json"}))
            .await,
    );
    assert_patched(&world);
}

#[tokio::test]
async fn a_dry_run_shows_where_a_patch_changes_something_and_no_value_of_the_environment() {
    let world = World::new();
    let answer = world
        .deploy(json!({"DryRun": true, "TaskDefinitionPatch": patch()}))
        .await;
    let (summary, _) = success(&answer);
    assert!(
        summary.contains("/cpu: \"256\" → \"512\"")
            && summary.contains("/containerDefinitions/app/environment/RELEASE: added")
            && summary.contains("agent from  to repo/agent:v3")
            && !summary.contains("abc123"),
        "{summary}"
    );
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_patch_is_a_configuration_error_with_its_place_and_without_values() {
    let images = r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#;
    for (patch, expected) in [
        (
            json!({"Cpu": "512", "family": "x"}),
            vec![
                "TaskDefinitionPatch: Cpu is a name that ECS would ignore: write cpu",
                "family cannot be patched",
            ],
        ),
        (
            json!({"containerDefinitions": {"web": {"cpu": 1}}}),
            vec!["containerDefinitions.web is no container of app:1, which has app and sidecar"],
        ),
        (
            json!({"containerDefinitions": {"app": {"environment": {"TOKEN": 7, "X": "s3cret"}}}}),
            vec![
                "containerDefinitions.app.environment.TOKEN is a number, expected a text in double quotes",
            ],
        ),
        (
            json!({"containerDefinitions": {"app": {"image": "repo/app:v7"}}}),
            vec![
                "TaskDefinitionPatch sets the image of the container 'app', and the image definitions name another one",
            ],
        ),
        (
            json!("{\"cpu\": "),
            vec!["TaskDefinitionPatch contains invalid JSON at line 1"],
        ),
        (
            json!("[{\"op\": \"add\", \"value\": \"s3cret\"}]"),
            vec!["TaskDefinitionPatch is an array, expected an object with ECS's field names"],
        ),
        (
            json!("\"cpu\": \"s3cret\"/"),
            vec!["TaskDefinitionPatch contains invalid JSON"],
        ),
        (json!("none.json"), vec!["none.json", "TaskDefinitionPatch"]),
        (
            json!("broken.json"),
            vec!["broken.json contains invalid JSON at line 1"],
        ),
    ] {
        let world = World::new();
        world.put_artifact(&[
            ("imagedefinitions.json", images),
            ("broken.json", "{\"s3cret\" 1}"),
        ]);
        let answer = world.deploy(json!({"TaskDefinitionPatch": patch})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError", "{message}");
        for part in expected {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(!message.contains("s3cret"), "{message}");
        assert_eq!(world.count("RegisterTaskDefinition"), 0);
    }
}

#[tokio::test]
async fn a_variable_that_breaks_the_parameters_is_named_as_the_cause() {
    // https://github.com/aws/aws-cdk/issues/31213
    for (parameters, expected) in [
        (
            "{\"ClusterName\": \"prod\", \"PipelineExecutionId\": \"fix \"it\" now\"}",
            "if a variable stands there, as #{SourceVariables.CommitMessage}, its value has broken the text",
        ),
        (
            "{\"ClusterName\": \"prod\", \"PipelineExecutionId\": \"two\nlines\"}",
            "quotes, backslashes and line breaks",
        ),
        (
            "{\"ClusterName\": \"prod\", \"KeepRevisions\": #{Build.KEEP}}",
            "#{Build.KEEP} was not resolved: write it within double quotes",
        ),
    ] {
        let world = World::new();
        let event = world.start_with(&json!({"FunctionName": "f", "UserParameters": parameters}));
        let answers = world.run(event).await;
        let (kind, message) = failure(answers.last().unwrap());
        assert_eq!(kind, "ConfigurationError");
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn what_would_be_what_serves_is_a_success_without_a_deployment() {
    let world = World::new();
    let skip = json!({"SkipIfUnchanged": true, "PreDeployTask": {"Container": "app", "Command": ["migrate"]}});
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v1"}]"#);
    let answer = world.deploy(skip.clone()).await;
    let (summary, variables) = success(&answer);
    assert!(
        summary.contains("web on prod: nothing was deployed (SkipIfUnchanged): the new revision would be app:1, which is serving, 2 tasks"),
        "{summary}"
    );
    assert!(variables["TaskDefinitionArn"].ends_with("app:1"));
    assert_eq!(variables["Image-app"], "repo/app:v1");
    assert!(!variables.contains_key("PreviousTaskDefinitionArn"));
    let changed = ["RegisterTaskDefinition", "UpdateService", "RunTask"];
    for operation in changed {
        assert_eq!(world.count(operation), 0, "{operation}");
    }
    let mut rehearsed = skip.clone();
    rehearsed["DryRun"] = json!(true);
    rehearsed["KeepRevisions"] = json!(5);
    let report = world.invoke(&world.start(rehearsed.clone())).await;
    let calls = report["plan"]["calls"].to_string();
    assert!(
        calls.contains("ecs:DeregisterTaskDefinition") && !calls.contains("UpdateService"),
        "{calls}"
    );
    let answer = world.deploy(rehearsed).await;
    let (summary, _) = success(&answer);
    assert!(
        summary.contains("Nothing would be deployed, for that is what serves (SkipIfUnchanged)."),
        "{summary}"
    );
    // Another image, or a patch, is a deployment; what that has brought is none again.
    for (image, more) in [
        ("repo/app:v2", json!({})),
        (
            "repo/app:v2",
            json!({"TaskDefinitionPatch": {"cpu": "512", "memory": "1024"}}),
        ),
    ] {
        let mut parameters = json!({"SkipIfUnchanged": true});
        for (name, value) in more.as_object().unwrap() {
            parameters[name] = value.clone();
        }
        world.put_images(&json!([{"name": "app", "imageUri": image}]).to_string());
        for is_new in [true, false] {
            let before = world.done("UpdateService");
            let answer = world.deploy(parameters.clone()).await;
            success(&answer);
            let deployed = world.done("UpdateService") - before;
            assert_eq!(deployed, usize::from(is_new), "{image} {more}");
        }
    }
}

#[tokio::test]
async fn a_file_that_says_what_ecs_shows_with_what_it_fills_in_is_unchanged() {
    let world = World::new();
    let mut file = app("repo/app:v1");
    file.as_object_mut().unwrap().remove("tags");
    world.put_artifact(&[("taskdef.json", &file.to_string())]);
    let answer = world
        .deploy(json!({"SkipIfUnchanged": true, "TaskDefinitionFile": "taskdef.json"}))
        .await;
    let (summary, _) = success(&answer);
    assert!(summary.contains("nothing was deployed"), "{summary}");
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn what_is_not_complete_or_has_lost_its_tasks_is_deployed_again() {
    use simulator::ecs::{Behaviour, Intervention};
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.image("v1", Behaviour::StuckPending);
    ecs.intervene("prod", "web", &Intervention::SetDesiredCount { count: 3 });
    world
        .simulator
        .clock()
        .advance(std::time::Duration::from_secs(10));
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v1"}]"#);
    let event = world.start(json!({"SkipIfUnchanged": true}));
    world.invoke(&event).await;
    assert_eq!(world.done("UpdateService"), 1);
}
