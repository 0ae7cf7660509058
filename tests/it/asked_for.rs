//! What the templates grant only where it is asked for: the failure names the switch.

use serde_json::json;
use simulator::ecs::{Behaviour, ServiceSetup};

use crate::pre_deploy::{ends_with, parameters, world_with};
use crate::support::{World, failure, id_of, success};

const SWITCH: &str = "If the function's stack is template.yaml, set its parameter";

#[tokio::test]
async fn a_denied_run_task_names_the_parameter_that_grants_it() {
    for (operation, refused) in [
        ("RunTask", "ecs:RunTask"),
        // Without it the tag, and with the tag the task, is refused.
        ("RunTask", "ecs:TagResource"),
    ] {
        let world = world_with(ServiceSetup::default(), ends_with(0));
        let resource = "arn:aws:ecs:eu-central-1:111122223333:task/prod/*";
        let text = format!(
            "User: arn:aws:sts::111122223333:assumed-role/f/s is not authorized to perform: {refused} on resource: {resource} because no identity-based policy allows the {refused} action"
        );
        let faults = world.simulator.faults();
        faults.fail(operation, 1, 400, "AccessDeniedException", &text);
        let answer = world.deploy(parameters()).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "PermissionError");
        assert!(
            message.contains(&format!("{SWITCH} AllowPreDeployTasks to true.")),
            "{message}"
        );
        assert!(message.contains("No service was changed"), "{message}");
        if refused == "ecs:TagResource" {
            let condition = r#""Condition":{"StringEquals":{"ecs:CreateAction":"RunTask"}}"#;
            assert!(message.contains(condition), "{message}");
        }
        assert_eq!(world.count("UpdateService"), 0);
    }
}

#[tokio::test]
async fn a_denied_stop_task_names_the_parameter_too() {
    let world = world_with(
        ServiceSetup::default(),
        Behaviour::Healthy { start_seconds: 5 },
    );
    world.simulator.faults().deny("StopTask");
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("could not be stopped") && message.contains("AllowPreDeployTasks"),
        "{message}"
    );
}

#[tokio::test]
async fn what_is_always_granted_or_explicitly_denied_names_no_switch() {
    let world = World::new();
    world.simulator.faults().deny("DescribeTaskDefinition");
    let answer = world.deploy(json!({})).await;
    assert!(!failure(&answer).1.contains("its parameter"));
    let world = world_with(ServiceSetup::default(), ends_with(0));
    let text = "User: a is not authorized to perform: ecs:RunTask on resource: arn:b with an explicit deny in a service control policy";
    let faults = world.simulator.faults();
    faults.fail("RunTask", 1, 400, "AccessDeniedException", text);
    let answer = world.deploy(parameters()).await;
    assert!(!failure(&answer).1.contains("its parameter"));
}

#[tokio::test]
async fn schedules_that_may_not_be_set_name_their_switch() {
    let world = World::new();
    world.simulator.events().put_target(
        "default",
        "nightly",
        json!({"Id": "a", "Arn": "arn:aws:ecs:eu-central-1:111122223333:cluster/prod",
            "RoleArn": "arn:aws:iam::111122223333:role/events",
            "EcsParameters": {"TaskDefinitionArn":
                "arn:aws:ecs:eu-central-1:111122223333:task-definition/app:1"}}),
    );
    world.simulator.faults().deny("PutTargets");
    let answer = world.deploy(json!({"ScheduledTasks": true})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains(&format!("{SWITCH} AllowScheduledTasks to true.")),
        "{message}"
    );
}

#[tokio::test]
async fn a_task_that_is_run_carries_the_tag_that_allows_to_stop_it_and_no_service_has_it() {
    let world = world_with(ServiceSetup::default(), ends_with(0));
    let start = world.start(parameters());
    let job = id_of(&start);
    let answers = world.run(start).await;
    success(answers.last().unwrap());
    let run = world.simulator.calls_of("RunTask");
    let tags = &run[0].request["tags"];
    assert_eq!(
        tags,
        &json!([{"key": "ecs-deploy-action:pre-deploy", "value": format!("ecs-deploy-action/{job}")}])
    );
    let registered = world.simulator.calls_of("RegisterTaskDefinition");
    let tags = registered[0].request["tags"].to_string();
    assert!(!tags.contains("pre-deploy"), "{tags}");
}
