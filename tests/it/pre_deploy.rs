//! `PreDeployTask`: runs once on the new revision before any service is changed.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, Intervention, ServiceSetup};

use crate::support::{World, failure, id_of, logging_app, success};

/// `web` runs `app:1`, which logs.
pub(crate) fn world_with(setup: ServiceSetup, command: Behaviour) -> World {
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.register(logging_app("repo/app:v1"));
    ecs.create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "shop".to_owned(),
        task_definition: "app:2".to_owned(),
        ..setup
    });
    ecs.command("migrate up", command);
    world
}

pub(crate) fn ends_with(exit_code: i64) -> Behaviour {
    Behaviour::Crash {
        exit_code,
        after_seconds: 3,
        log_lines: vec!["migrating".to_owned(), "table users is locked".to_owned()],
    }
}

fn world(command: Behaviour) -> World {
    world_with(ServiceSetup::default(), command)
}

pub(crate) fn parameters() -> Value {
    json!({"ServiceName": "shop",
        "PreDeployTask": {"Container": "app", "Command": ["migrate", "up"], "Timeout": 5}})
}

fn tasks(world: &World) -> Vec<Value> {
    world.simulator.ecs().tasks_run()
}

#[tokio::test]
async fn it_runs_once_on_the_new_revision_with_what_the_service_has_and_then_the_service_follows() {
    for (setup, expected) in [
        (
            ServiceSetup::default(),
            json!({"launchType": "FARGATE", "platformVersion": "LATEST"}),
        ),
        (
            ServiceSetup {
                capacity_provider_strategy: Some(
                    json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]),
                ),
                network: Some(
                    json!({"awsvpcConfiguration": {"subnets": ["subnet-9"], "assignPublicIp": "ENABLED"}}),
                ),
                ..ServiceSetup::default()
            },
            json!({"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-9"], "assignPublicIp": "ENABLED"}}}),
        ),
    ] {
        let world = world_with(setup, ends_with(0));
        let start = world.start(parameters());
        let answers = world.run(start).await;
        let (summary, _) = success(answers.last().unwrap());
        assert!(
            summary.starts_with("shop on prod: app:3 is serving"),
            "{summary}"
        );
        let ran = world.simulator.calls_of("RunTask");
        assert_eq!(ran.len(), 1);
        let request = &ran[0].request;
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(&request[member], value, "{request}");
        }
        assert_eq!(
            request.get("launchType").is_some(),
            expected.get("launchType").is_some()
        );
        assert!(
            request["taskDefinition"]
                .as_str()
                .unwrap()
                .ends_with("app:3")
        );
        assert_eq!(
            request["overrides"],
            json!({"containerOverrides": [{"name": "app", "command": ["migrate", "up"]}]})
        );
        let order = world.simulator.calls();
        let first = |name: &str| {
            order
                .iter()
                .position(|call| call.operation == name)
                .unwrap()
        };
        assert!(first("RunTask") < first("UpdateService"));
    }
}

#[tokio::test]
async fn if_it_fails_no_service_is_touched_and_the_message_has_exit_code_and_log() {
    let world = world(ends_with(3));
    let answer = world.deploy(parameters()).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "JobFailed");
    assert!(
        message.starts_with("shop on prod: the pre-deploy task failed: container app exited with code 3; its log ends: table users is locked. No service was changed.\n"),
        "{message}"
    );
    assert!(
        message.contains("  migrating\n  table users is locked"),
        "{message}"
    );
    assert_eq!(world.count("UpdateService"), 0);
    let active = world.simulator.ecs().active_revisions("app");
    assert_eq!(active.len(), 2, "the new revision is of no use: {active:?}");
}

#[tokio::test]
async fn one_that_cannot_start_is_reported_with_the_reason() {
    let world = world(Behaviour::CannotPull);
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("shop on prod: the pre-deploy task failed: CannotPullContainerError: "),
        "{message}"
    );
    let none = world_with(ServiceSetup::default(), Behaviour::NoCapacity);
    let answer = none.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Capacity is unavailable at this time")
            && message.contains("was not started. No service was changed."),
        "{message}"
    );
    assert_eq!(none.count("UpdateService"), 0);
}

#[tokio::test]
async fn it_is_waited_for_through_tokens_and_its_progress_is_reported() {
    let world = world(Behaviour::Crash {
        exit_code: 0,
        after_seconds: 200,
        log_lines: Vec::new(),
    });
    let start = world.start(parameters());
    let answers = world.run(start).await;
    success(answers.last().unwrap());
    let Answer::Success {
        summary,
        external_execution_id,
        percent_complete,
        ..
    } = &answers[1]
    else {
        unreachable!("{answers:?}");
    };
    assert_eq!(
        summary.as_deref().unwrap(),
        "shop on prod: the pre-deploy task runs (container app of app:3); 1 min of 5"
    );
    assert_eq!(*percent_complete, Some(0));
    let task = tasks(&world)[0]["taskArn"].clone();
    assert!(
        task.as_str()
            .unwrap()
            .ends_with(external_execution_id.as_deref().unwrap())
    );
    assert_eq!(tasks(&world).len(), 1);
}

#[tokio::test]
async fn one_whose_time_is_up_is_stopped_and_no_service_is_touched() {
    let world = world(Behaviour::Healthy { start_seconds: 5 });
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("shop on prod: the pre-deploy task was not complete within 5 min, and was stopped (container app). No service was changed."),
        "{message}"
    );
    world.simulator.clock().advance(Duration::from_mins(1));
    assert_eq!(tasks(&world)[0]["lastStatus"], "STOPPED");
    assert_eq!(
        tasks(&world)[0]["stoppedReason"],
        "ecs-deploy-action: not complete within 5 min"
    );
    assert_eq!(world.count("UpdateService"), 0);
}

#[tokio::test]
async fn one_that_could_not_be_stopped_is_reported_as_such_and_its_revision_is_given_up() {
    let world = world(Behaviour::Healthy { start_seconds: 5 });
    world.simulator.faults().deny("StopTask");
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("could not be stopped, so it may still run (")
            && message.contains("ecs:StopTask"),
        "{message}"
    );
    assert_eq!(world.simulator.ecs().active_revisions("app").len(), 2);
}

#[tokio::test]
async fn it_is_started_once_however_often_the_event_is_delivered() {
    let world = world(ends_with(0));
    let start = world.start(parameters());
    let (first, second) = tokio::join!(world.invoke(&start), world.invoke(&start));
    for report in [&first, &second] {
        assert_ne!(report["outcome"], "Failed", "{report}");
    }
    world.simulator.codepipeline().open_job(&start);
    world.simulator.clock().advance(Duration::from_mins(2));
    world.invoke(&start).await;
    assert_eq!(tasks(&world).len(), 1);
    let service = crate::support::service_of(&world, "shop");
    let own = service["taskDefinition"].as_str().unwrap().to_owned();
    assert_eq!(
        world.simulator.ecs().deployments_of("prod", "shop", &own),
        1
    );
}

#[tokio::test]
async fn the_other_containers_end_when_the_named_one_has_succeeded() {
    let world = world(ends_with(0));
    let ecs = world.simulator.ecs();
    let mut definition = logging_app("repo/app:v1");
    definition["containerDefinitions"][0]["essential"] = json!(false);
    definition["containerDefinitions"][1]["essential"] = json!(true);
    ecs.register(definition);
    ecs.create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "sidecars".to_owned(),
        task_definition: "app:3".to_owned(),
        ..ServiceSetup::default()
    });
    let mut parameters = parameters();
    parameters["ServiceName"] = json!("sidecars");
    success(&world.deploy(parameters).await);
    assert_eq!(world.done("StopTask"), 1);
    assert_eq!(tasks(&world)[0]["lastStatus"], "STOPPED");
}

#[tokio::test]
async fn a_container_that_the_new_revision_lacks_is_refused_with_those_that_it_has() {
    let world = world(ends_with(0));
    let mut parameters = parameters();
    parameters["PreDeployTask"]["Container"] = json!("migrations");
    let answer = world.deploy(parameters).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.contains("PreDeployTask names the container 'migrations', which the new revision does not have; its containers are app and sidecar of app."),
        "{message}"
    );
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn a_denied_run_task_names_the_statement_and_leaves_no_revision() {
    let world = world(ends_with(0));
    world.simulator.faults().deny("RunTask");
    let answer = world.deploy(parameters()).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "PermissionError");
    assert!(message.contains(r#""Action":"ecs:RunTask""#), "{message}");
    assert_eq!(world.simulator.ecs().active_revisions("app").len(), 2);
}

#[tokio::test]
async fn a_service_that_somebody_else_sets_meanwhile_is_left_alone() {
    let world = world(Behaviour::Crash {
        exit_code: 0,
        after_seconds: 100,
        log_lines: Vec::new(),
    });
    let ecs = world.simulator.ecs();
    let start = world.start(parameters());
    world.invoke(&start).await;
    let hotfix = Intervention::Deploy {
        task_definition: ecs.register(logging_app("repo/app:hotfix")),
    };
    ecs.intervene("prod", "shop", &hotfix);
    let pipeline = world.simulator.codepipeline();
    let next = pipeline.next_event(&id_of(&start)).unwrap();
    let answers = world.run(next).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains("shop on prod: it was set to app:4 by somebody else, or by ECS, after this deployment had started from app:2. It was left alone, and no service was changed by this job."),
        "{message}"
    );
    assert_eq!(world.count("UpdateService"), 0);
}

#[tokio::test]
async fn a_task_that_cannot_be_seen_for_a_while_is_not_given_up() {
    let world = world(ends_with(0));
    let faults = world.simulator.faults();
    // What is not to be seen before it runs is refused then.
    world
        .simulator
        .on_call("RunTask", move || faults.server_error("DescribeTasks", 9));
    let answer = world.deploy(parameters()).await;
    success(&answer);
    assert_eq!(tasks(&world).len(), 1);
}

#[tokio::test]
async fn a_delivery_that_comes_when_the_service_is_set_runs_no_task_even_hours_later() {
    let world = world(ends_with(0));
    let start = world.start(parameters());
    let answers = world.run(start.clone()).await;
    success(answers.last().unwrap());
    world.simulator.clock().advance(Duration::from_hours(2));
    world.simulator.codepipeline().open_job(&start);
    let report = world.invoke(&start).await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    assert_eq!(world.count("RunTask"), 1);
}

#[tokio::test]
async fn a_second_delivery_whose_answer_does_not_count_takes_nothing_away() {
    let world = world(Behaviour::Crash {
        exit_code: 0,
        after_seconds: 100,
        log_lines: Vec::new(),
    });
    let start = world.start(parameters());
    world.invoke(&start).await;
    world
        .simulator
        .faults()
        .fail("RunTask", 1, 400, "InvalidParameterException", "No.");
    let report = world.invoke(&start).await;
    assert_eq!(report["outcome"], "Failed", "{report}");
    assert_eq!(world.simulator.ecs().active_revisions("app").len(), 3);
    let pipeline = world.simulator.codepipeline();
    let next = pipeline.next_event(&id_of(&start)).unwrap();
    let answers = world.run(next).await;
    success(answers.last().unwrap());
}

#[tokio::test]
async fn a_delivery_that_comes_after_the_job_failed_deploys_nothing() {
    let world = world(ends_with(3));
    let start = world.start(parameters());
    let answers = world.run(start.clone()).await;
    failure(answers.last().unwrap());
    let report = world.invoke(&start).await;
    assert!(
        report["message"].as_str().unwrap().contains(
            "this job has failed before; app:3, which it had registered, was deregistered"
        ),
        "{report}"
    );
    assert_eq!(world.count("UpdateService"), 0);
    assert_eq!(world.count("RunTask"), 1);
}

#[tokio::test]
async fn a_task_that_may_not_be_described_is_a_failure_that_does_not_stop_it_half_way() {
    let world = world(ends_with(0));
    let faults = world.simulator.faults();
    // The permission is taken away while it runs.
    world
        .simulator
        .on_call("RunTask", move || faults.deny("DescribeTasks"));
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("how the pre-deploy task ended could not be seen")
            && message.contains("ecs:DescribeTasks"),
        "{message}"
    );
    assert!(
        message.contains("was not stopped and may still run"),
        "{message}"
    );
    assert_eq!(world.count("StopTask"), 0);
    assert_eq!(world.count("UpdateService"), 0);
}

#[tokio::test]
async fn the_tokens_that_follow_name_the_job_that_started_it() {
    let world = world(Behaviour::Crash {
        exit_code: 0,
        after_seconds: 60,
        log_lines: Vec::new(),
    });
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 100 });
    let start = world.start(parameters());
    let job = id_of(&start);
    let answers = world.run(start).await;
    let tokens: Vec<&String> = answers
        .iter()
        .filter_map(|answer| match answer {
            Answer::Success {
                continuation_token, ..
            } => continuation_token.as_ref(),
            Answer::Failure { .. } => None,
        })
        .collect();
    assert!(tokens.len() >= 3, "{tokens:?}");
    assert!(
        tokens.iter().all(|token| token.contains(&job)),
        "{tokens:?}"
    );
}

#[tokio::test]
async fn near_the_time_limit_a_service_that_was_set_after_its_task_is_followed_by_the_next_invocation()
 {
    let setup = ServiceSetup {
        desired_count: 0,
        ..ServiceSetup::default()
    };
    let mut world = world_with(setup, ends_with(0));
    let start = world.start(parameters());
    // So near that it hands back what goes on as soon as it can.
    world.time_limit = Duration::from_millis(5600);
    world.invoke(&start).await;
    let pipeline = world.simulator.codepipeline();
    let next = pipeline.next_event(&id_of(&start)).unwrap();
    world.simulator.clock().advance(Duration::from_secs(30));
    let faults = world.simulator.faults().clone();
    let hang = {
        let faults = faults.clone();
        move || faults.hang("DescribeServices", 1)
    };
    // The look that follows the update never ends.
    faults.after("UpdateService", 1, hang);
    world.invoke(&next).await;
    assert_eq!(world.done("UpdateService"), 1);
    let Some(Answer::Success {
        continuation_token: Some(token),
        ..
    }) = pipeline.answer(&id_of(&next))
    else {
        unreachable!("handed back: {:?}", pipeline.answers());
    };
    assert!(!token.contains("\"p\""), "the task is over: {token}");
    world.time_limit = Duration::from_mins(5);
    let next = pipeline.next_event(&id_of(&next)).unwrap();
    success(world.run(next).await.last().unwrap());
    assert_eq!(world.done("UpdateService"), 1);
}
