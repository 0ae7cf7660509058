//! `PostDeployTask`: runs once after all services serve; if it does not succeed, they are rolled back.
//!
//! After <https://github.com/aws-samples/ecs-refarch-continuous-deployment/issues/49>: a smoke test that gates a
//! deployment.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, Intervention, ServiceSetup, Strategy};

use crate::pre_deploy::{ends_with, world_with};
use crate::support::{World, deliver, failure, finish, id_of, service_of, success};

pub(crate) fn parameters() -> Value {
    json!({"ServiceName": "shop",
        "PostDeployTask": {"Container": "app", "Command": ["migrate", "up"], "Timeout": 5}})
}

fn world(command: Behaviour) -> World {
    world_with(ServiceSetup::default(), command)
}

fn tasks(world: &World) -> Vec<Value> {
    world.simulator.ecs().tasks_run()
}

/// The revision that `shop` is set to.
fn set_to(world: &World) -> String {
    let service = service_of(world, "shop");
    let arn = service["taskDefinition"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn it_runs_once_after_the_service_serves_on_what_serves_with_what_is_asked_for_besides() {
    let world = world(ends_with(0));
    let mut asked = parameters();
    asked["PostDeployTask"]["Environment"] = json!({"BASE_URL": "http://shop.local", "EMPTY": ""});
    asked["PostDeployTask"]["Cpu"] = json!("512");
    asked["PostDeployTask"]["Memory"] = json!("1 GB");
    let start = world.start(asked);
    let answers = world.run(start).await;
    let (summary, _) = success(answers.last().unwrap());
    assert!(
        summary.starts_with("shop on prod: app:3 is serving, 2 tasks")
            && summary.ends_with("The post-deploy task (container app) has succeeded."),
        "{summary}"
    );
    let ran = world.simulator.calls_of("RunTask");
    assert_eq!(ran.len(), 1);
    let request = &ran[0].request;
    assert!(
        request["taskDefinition"]
            .as_str()
            .unwrap()
            .ends_with("app:3")
    );
    assert_eq!(request["launchType"], "FARGATE");
    assert_eq!(
        request["overrides"],
        json!({"containerOverrides": [{"name": "app", "command": ["migrate", "up"], "environment": [
                {"name": "BASE_URL", "value": "http://shop.local"}, {"name": "EMPTY", "value": ""}]}],
            "cpu": "512", "memory": "1024"})
    );
    assert_eq!(
        request["tags"][0]["key"], "ecs-deploy-action:post-deploy",
        "{request}"
    );
    let order = world.simulator.calls();
    let at = |name: &str| {
        order
            .iter()
            .position(|call| call.operation == name)
            .unwrap()
    };
    assert!(at("UpdateService") < at("RunTask"));
    assert_eq!(set_to(&world), "app:3");
}

#[tokio::test]
async fn a_task_before_the_deployment_has_its_own_variables_and_size_too() {
    let world = world(ends_with(0));
    let answer = world
        .deploy(
            json!({"ServiceName": "shop", "PreDeployTask": {"Container": "app",
            "Command": ["migrate", "up"], "Environment": {"A": "b"}, "Memory": 2048}}),
        )
        .await;
    success(&answer);
    let ran = world.simulator.calls_of("RunTask");
    assert_eq!(
        ran[0].request["overrides"],
        json!({"containerOverrides": [{"name": "app", "command": ["migrate", "up"],
            "environment": [{"name": "A", "value": "b"}]}], "memory": "2048"})
    );
}

#[tokio::test]
async fn if_it_fails_the_service_is_rolled_back_and_the_message_has_exit_code_and_log() {
    let world = world(ends_with(3));
    let answer = world.deploy(parameters()).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "JobFailed");
    assert!(
        message.starts_with("shop on prod: app:3 failed: the post-deploy task failed: container app exited with code 3; its log ends: table users is locked. Rolled back: app:2 is serving, 2 of 2 tasks.\n"),
        "{message}"
    );
    assert!(
        message.contains("  migrating\n  table users is locked"),
        "{message}"
    );
    assert_eq!(set_to(&world), "app:2");
    assert_eq!(tasks(&world).len(), 1);
}

#[tokio::test]
async fn a_rollback_is_asked_for_before_anything_is_asked_that_only_explains() {
    let world = world(ends_with(3));
    world.deploy(parameters()).await;
    let calls = world.simulator.calls();
    let first = |name: &str| {
        calls
            .iter()
            .position(|call| call.operation == name)
            .unwrap()
    };
    let last = |name: &str| {
        calls
            .iter()
            .rposition(|call| call.operation == name)
            .unwrap()
    };
    assert!(last("UpdateService") < first("GetLogEvents"), "{calls:?}");
}

#[tokio::test]
async fn one_that_runs_out_of_time_is_stopped_and_the_service_rolled_back() {
    let world = world(Behaviour::Healthy { start_seconds: 5 });
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("shop on prod: app:3 failed: the post-deploy task was not complete within 5 min, and was stopped (container app). Rolled back: app:2 is serving, 2 of 2 tasks."),
        "{message}"
    );
    world.simulator.clock().advance(Duration::from_mins(1));
    assert_eq!(tasks(&world)[0]["lastStatus"], "STOPPED");
    assert_eq!(set_to(&world), "app:2");
}

#[tokio::test]
async fn one_that_cannot_start_rolls_back_with_the_reason() {
    let world = world(Behaviour::CannotPull);
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("the post-deploy task failed: CannotPullContainerError: ")
            && message.contains("Rolled back: app:2 is serving"),
        "{message}"
    );
    // It is tried for as long as it may take.
    let none = world_with(ServiceSetup::default(), Behaviour::NoCapacity);
    let start = none.start(parameters());
    let answers = none.run(start).await;
    let waiting = answers.iter().find_map(|answer| match answer {
        Answer::Success { summary, .. } => summary
            .clone()
            .filter(|one| one.contains("could not be started yet")),
        Answer::Failure { .. } => None,
    });
    assert!(
        waiting.is_some_and(|one| one.contains("Capacity is unavailable at this time")),
        "{answers:?}"
    );
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains("the post-deploy task was not started: ECS has no capacity")
            && message.contains("Rolled back: app:2 is serving"),
        "{message}"
    );
}

#[tokio::test]
async fn one_that_may_not_be_run_rolls_back_and_says_what_to_allow() {
    let world = world(ends_with(0));
    world.simulator.faults().deny("RunTask");
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("the post-deploy task was not started: the function's role (arn:aws:sts::111122223333:assumed-role/ecs-deploy-action/deploy) is not allowed to perform ecs:RunTask")
            && message.contains("AllowPreDeployTasks")
            && message.contains("Rolled back: app:2 is serving"),
        "{message}"
    );
}

#[tokio::test]
async fn throttling_is_no_failure_of_it() {
    let world = world(ends_with(0));
    let faults = world.simulator.faults();
    faults.throttle("RunTask", 30);
    faults.throttle("DescribeTasks", 10);
    success(&world.deploy(parameters()).await);
    assert_eq!(tasks(&world).len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_lost_runs_it_once() {
    for fault in ["reset_after", "server_error"] {
        let world = world(ends_with(0));
        let faults = world.simulator.faults();
        match fault {
            "reset_after" => faults.reset_after("RunTask", 3),
            _ => faults.server_error("RunTask", 3),
        }
        success(&world.deploy(parameters()).await);
        assert_eq!(tasks(&world).len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn its_progress_is_reported_through_tokens() {
    let world = world(Behaviour::Crash {
        exit_code: 0,
        after_seconds: 200,
        log_lines: Vec::new(),
    });
    let start = world.start(parameters());
    let answers = world.run(start).await;
    success(answers.last().unwrap());
    let seen: Vec<&str> = answers
        .iter()
        .filter_map(|answer| match answer {
            Answer::Success { summary, .. } => summary.as_deref(),
            Answer::Failure { .. } => None,
        })
        .collect();
    assert!(
        seen.contains(
            &"shop on prod: app:3 is serving; the post-deploy task runs (container app); 1 min of 5"
        ),
        "{seen:?}"
    );
}

#[tokio::test]
async fn without_rollback_the_action_fails_and_the_revision_stays() {
    let world = world(ends_with(3));
    let mut asked = parameters();
    asked["Rollback"] = json!(false);
    let answer = world.deploy(asked).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("shop on prod: app:3 failed: the post-deploy task failed: container app exited with code 3; its log ends: table users is locked. Not rolled back (Rollback is false): the service still points to app:3; app:3 is serving, 2 of 2 tasks. Roll back: aws ecs update-service --cluster prod --service shop --task-definition app:2"),
        "{message}"
    );
    assert_eq!(set_to(&world), "app:3");
}

/// The services `a` and `b`, of a family each.
fn two_services(command: Behaviour) -> World {
    let world = world(command);
    let ecs = world.simulator.ecs();
    for name in ["a", "b"] {
        let mut definition = crate::support::logging_app("repo/app:v1");
        definition["family"] = json!(name);
        ecs.register(definition);
        ecs.create_service(ServiceSetup {
            cluster: "prod".to_owned(),
            name: name.to_owned(),
            task_definition: format!("{name}:1"),
            ..ServiceSetup::default()
        });
    }
    world
}

fn of_two() -> Value {
    json!({"ServiceName": null, "Services": ["a", "b"],
        "PostDeployTask": parameters()["PostDeployTask"]})
}

#[tokio::test]
async fn without_rollback_its_cause_is_told_though_the_service_cannot_be_seen_for_the_moment() {
    let world = world(ends_with(3));
    let mut asked = parameters();
    asked["Rollback"] = json!(false);
    let faults = world.simulator.faults();
    faults.after("DescribeTasks", 1, {
        let faults = faults.clone();
        move || faults.throttle("DescribeServices", 60)
    });
    let answer = world.deploy(asked).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("shop on prod: app:3 failed: the post-deploy task failed: container app exited with code 3; its log ends: table users is locked. Not rolled back (Rollback is false)"),
        "{message}"
    );
}

/// Every token is the shortest that there is, as after one that CodePipeline has refused.
#[tokio::test]
async fn a_task_that_could_not_be_started_is_told_though_the_token_had_no_room_for_it() {
    let world = world(ends_with(0));
    world.simulator.faults().deny("RunTask");
    let slow = Behaviour::Healthy { start_seconds: 100 };
    world.simulator.ecs().image("v1", slow);
    let mut event = world.start(parameters());
    let pipeline = world.simulator.codepipeline();
    for _ in 0..50 {
        let calls = world.count("DescribeServices");
        deliver(&world, &event).await;
        assert!(
            world.count("DescribeServices") < calls + 40,
            "it never pauses"
        );
        let Some(mut next) = pipeline.next_event(&id_of(&event)) else {
            let answer = pipeline.answer(&id_of(&event)).unwrap();
            let (_, message) = failure(&answer);
            assert!(
                message.starts_with("shop on prod: app:3 failed: the post-deploy task"),
                "{message}"
            );
            assert_eq!(set_to(&world), "app:2");
            return;
        };
        let token = &mut next["CodePipeline.job"]["data"]["continuationToken"];
        if let Some(short) = ecs_deploy_action::deploy::token::shortest(token.as_str().unwrap()) {
            *token = json!(short);
        }
        event = next;
        world.simulator.clock().advance(Duration::from_secs(30));
    }
    unreachable!("it never ended");
}

#[tokio::test]
async fn of_several_services_it_runs_after_all_and_rolls_all_back() {
    let world = two_services(ends_with(0));
    success(&world.deploy(of_two()).await);
    let calls = world.simulator.calls();
    let run = calls
        .iter()
        .position(|call| call.operation == "RunTask")
        .unwrap();
    let updates = calls
        .iter()
        .rposition(|call| call.operation == "UpdateService");
    assert!(updates.unwrap() < run);
    let world = two_services(ends_with(1));
    let answer = world.deploy(of_two()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with(
            "a on prod: a:2 failed: the post-deploy task failed: container app exited with code 1"
        ) && message.contains("Rolled back: a:1 is serving, 2 of 2 tasks.")
            && message.contains("b on prod was rolled back, too: b:1 is serving, 2 of 2 tasks."),
        "{message}"
    );
    assert_eq!(tasks(&world).len(), 1);
}

#[tokio::test]
async fn somebody_who_deploys_meanwhile_is_left_alone_and_the_task_is_stopped() {
    let world = world(Behaviour::Healthy { start_seconds: 1 });
    let ecs = world.simulator.ecs();
    let start = world.start(parameters());
    deliver(&world, &start).await;
    let mut event = start;
    while tasks(&world).is_empty() {
        event = world
            .simulator
            .codepipeline()
            .next_event(&id_of(&event))
            .unwrap();
        world.simulator.clock().advance(Duration::from_secs(30));
        deliver(&world, &event).await;
    }
    let task_definition = ecs.register(crate::support::logging_app("repo/app:v7"));
    ecs.intervene("prod", "shop", &Intervention::Deploy { task_definition });
    finish(&world, event.clone()).await;
    let calls = world.simulator.calls_of("PutJobFailureResult");
    let message = calls[0].request["failureDetails"]["message"]
        .as_str()
        .unwrap();
    assert!(
        message.contains("another deployment has taken its place since (app:4"),
        "{message}"
    );
    assert_eq!(set_to(&world), "app:4");
    assert_eq!(
        tasks(&world)[0]["stoppedReason"],
        "ecs-deploy-action: the deployment that it is about has failed"
    );
}

#[tokio::test]
async fn a_success_of_the_task_is_none_of_the_deployment_that_was_set_back_meanwhile() {
    // The task takes its time, and then succeeds.
    let world = world(Behaviour::Crash {
        exit_code: 0,
        after_seconds: 100,
        log_lines: Vec::new(),
    });
    let ecs = world.simulator.ecs();
    let start = world.start(parameters());
    deliver(&world, &start).await;
    let mut event = start;
    while tasks(&world).is_empty() {
        event = world
            .simulator
            .codepipeline()
            .next_event(&id_of(&event))
            .unwrap();
        world.simulator.clock().advance(Duration::from_secs(30));
        deliver(&world, &event).await;
    }
    let back = Intervention::Deploy {
        task_definition: "app:2".to_owned(),
    };
    ecs.intervene("prod", "shop", &back);
    world.simulator.clock().advance(Duration::from_mins(3));
    finish(&world, event).await;
    assert_eq!(world.count("PutJobFailureResult"), 1);
}

#[tokio::test]
async fn with_stages_it_runs_after_the_last_of_them() {
    let world = world_with(
        ServiceSetup {
            strategy: Strategy::BlueGreen,
            bake_minutes: 5,
            ..ServiceSetup::default()
        },
        ends_with(3),
    );
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Rolled back: app:2 is serving, 2 of 2 tasks."),
        "{message}"
    );
    assert_eq!(set_to(&world), "app:2");
}

#[tokio::test]
async fn it_is_checked_before_anything_is_changed() {
    let problem = |task: Value| async move {
        let world = world(ends_with(0));
        let answer = world
            .deploy(json!({"ServiceName": "shop", "PostDeployTask": task}))
            .await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError", "{message}");
        assert_eq!(world.count("RegisterTaskDefinition"), 0, "{message}");
        message.to_owned()
    };
    let task =
        |container: &str, cpu: Value| json!({"Container": container, "Command": ["x"], "Cpu": cpu});
    assert_eq!(
        problem(task("nginx", Value::Null)).await,
        "shop on prod: PostDeployTask names the container 'nginx', which the new revision does not have; its containers are app and sidecar of app."
    );
    assert_eq!(
        problem(task("app", json!("4 vCPU"))).await,
        "shop on prod: PostDeployTask: on Fargate a task with cpu 4096 has memory 8192 to 30720 in steps of 1024, and not 512."
    );
    let world = world(ends_with(0));
    world.simulator.faults().deny("DescribeTasks");
    let answer = world.deploy(parameters()).await;
    assert_eq!(failure(&answer).0, "PermissionError");
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
    for (more, expected) in [
        (
            json!({"WaitFor": "Pause"}),
            "give it to the action that continues the deployment",
        ),
        (
            json!({"ContinueDeployment": {"DeploymentId": "ecs-svc/1", "Action": "ROLLBACK"}}),
            "remove PostDeployTask",
        ),
        (
            json!({"DeploymentTimeout": 1379}),
            "are more than 1380 together",
        ),
    ] {
        let mut asked = parameters();
        for (name, value) in more.as_object().unwrap() {
            asked[name] = value.clone();
        }
        let answer = world.deploy(asked).await;
        assert!(failure(&answer).1.contains(expected), "{answer:?}");
    }
}

#[tokio::test]
async fn a_dry_run_shows_it_and_no_value_of_its_variables() {
    let world = world(ends_with(0));
    let mut asked = parameters();
    asked["DryRun"] = json!(true);
    asked["PostDeployTask"]["Environment"] = json!({"TOKEN": "hunter2"});
    let report = world.invoke(&world.start(asked)).await;
    let text = report.to_string();
    assert!(
        text.contains("container app with the command 'migrate up' on the new revision, with the variables TOKEN, for 5 min at most after all services serve"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn what_serves_already_has_no_task_after_it() {
    let world = world(ends_with(0));
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v1"}]"#);
    let mut asked = parameters();
    asked["SkipIfUnchanged"] = json!(true);
    success(&world.deploy(asked).await);
    assert_eq!(tasks(&world).len(), 0);
}

#[tokio::test]
async fn by_hand_it_runs_too() {
    let world = world(ends_with(3));
    let mut event = json!({"ClusterName": "prod", "ServiceName": "shop",
        "ImageDefinitions": [{"name": "app", "imageUri": "repo/app:v2"}]});
    event["PostDeployTask"] = parameters()["PostDeployTask"].clone();
    let mut invocation = world.invocation();
    invocation.deadline = invocation.deadline + Duration::from_hours(1);
    let handling = Box::pin(world.handler.handle(&event, &invocation));
    let report = handling.await.unwrap();
    assert_eq!(report["outcome"], "Failed", "{report}");
    assert_eq!(set_to(&world), "app:2");
}
