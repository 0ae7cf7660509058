//! Whole deployments, through the token at every hop.

use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::deploy::seen::Look;
use ecs_deploy_action::deploy::spec::Target;
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::handler::Invocation;
use ecs_deploy_action::observer::Observer;
use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, Controller, Intervention, PauseHook, ServiceSetup, Strategy};

use crate::support::{World, app, failure, id_of, success};

const MINUTE: Duration = Duration::from_mins(1);

fn minutes(count: u32) -> Duration {
    MINUTE * count
}

/// Half a minute of watching in one invocation, then the token.
fn tokens(answers: &[Answer]) -> usize {
    let has_token = |answer: &&Answer| {
        matches!(
            answer,
            Answer::Success {
                continuation_token: Some(_),
                ..
            }
        )
    };
    answers.iter().filter(has_token).count()
}

fn with_breaker(rolls_back: bool) -> World {
    World::with_service(ServiceSetup {
        circuit_breaker: Some(rolls_back),
        ..ServiceSetup::default()
    })
}

#[tokio::test]
async fn a_healthy_deployment_succeeds_and_tells_what_was_deployed() {
    let world = World::new();
    let answer = world.deploy(json!({})).await;
    let (summary, variables) = success(&answer);
    let arn = "arn:aws:ecs:eu-central-1:111122223333:task-definition/app";
    assert!(
        summary.starts_with("web on prod: app:2 is serving, 2 tasks, after "),
        "{summary}"
    );
    assert_eq!(variables["ClusterName"], "prod");
    assert_eq!(variables["ServiceName"], "web");
    assert_eq!(variables["TaskDefinitionArn"], format!("{arn}:2"));
    assert_eq!(variables["PreviousTaskDefinitionArn"], format!("{arn}:1"));
    assert_eq!(variables["Image-app"], "repo/app:v2");
    assert_eq!(variables["Image-sidecar"], "repo/sidecar:v1");
    assert!(variables["DeploymentId"].starts_with("ecs-svc/"));
    let service = world.service();
    assert_eq!(service["taskDefinition"], format!("{arn}:2"));
    assert_eq!(
        service["deployments"][0]["id"],
        variables["DeploymentId"].as_str()
    );
    assert_eq!(service["deployments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_slow_rollout_goes_through_tokens_and_its_progress_is_reported() {
    let world = World::new();
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 400 });
    let start = world.start(json!({}));
    let answers = world.run(start).await;
    assert!(tokens(&answers) >= 5, "{answers:?}");
    success(answers.last().unwrap());
    let Answer::Success {
        summary,
        percent_complete,
        external_execution_id,
        ..
    } = &answers[1]
    else {
        unreachable!("still going")
    };
    assert_eq!(
        summary.as_deref().unwrap(),
        "web: 0 of 2 new tasks running, 2 old; 1 min of 60"
    );
    assert_eq!(*percent_complete, Some(0));
    assert!(
        external_execution_id
            .as_deref()
            .unwrap()
            .starts_with("ecs-svc/")
    );
    assert_eq!(world.done("UpdateService"), 1);
    assert_eq!(world.done("RegisterTaskDefinition"), 1);
}

#[tokio::test]
async fn a_tripped_breaker_with_rollback_is_followed_to_its_end_and_fails_with_the_cause() {
    let world = with_breaker(true);
    world.simulator.ecs().image("v2", Behaviour::CannotPull);
    let start = world.start(json!({}));
    let answers = world.run(start).await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "JobFailed");
    assert!(
        message.starts_with("web on prod: app:2 failed: CannotPullContainerError: ")
            && message.contains("repo/app:v2 not found (")
            && message.contains("Rolled back: app:1 is serving, 2 of 2 tasks."),
        "{message}"
    );
    let service = world.service();
    assert!(
        service["taskDefinition"]
            .as_str()
            .unwrap()
            .ends_with("app:1")
    );
    assert_eq!(world.done("UpdateService"), 1, "the rollback is ECS's");
}

#[tokio::test]
async fn a_service_steady_on_the_old_revision_is_not_a_success() {
    let world = World::new();
    world.simulator.ecs().set_service_deployments_known(false);
    let old = Intervention::Deploy {
        task_definition: "app:1".to_owned(),
    };
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    world
        .simulator
        .ecs()
        .on_update("prod", "web", minutes(2), old);
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "JobFailed");
    assert!(
        message.starts_with("web on prod: app:2 failed") && message.contains("app:1 is serving"),
        "{message}"
    );
}

#[tokio::test]
async fn a_deployment_that_another_one_replaced_fails_and_is_left_alone() {
    let world = World::new();
    world.simulator.ecs().register(app("repo/app:v9"));
    world
        .simulator
        .ecs()
        .image("repo/app:v2", Behaviour::StuckPending);
    let other = Intervention::Deploy {
        task_definition: "app:2".to_owned(),
    };
    world
        .simulator
        .ecs()
        .on_update("prod", "web", minutes(3), other);
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "JobFailed");
    assert!(message.starts_with("web on prod: app:3 was replaced by another deployment before it was complete (app:2, ecs-svc/"), "{message}");
    assert!(message.contains("It was left alone"), "{message}");
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn our_own_revision_deployed_anew_by_somebody_else_is_a_replacement() {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    world
        .simulator
        .ecs()
        .on_update("prod", "web", MINUTE, Intervention::ForceNewDeployment);
    let answer = world.deploy(json!({"DeploymentTimeout": 10})).await;
    assert!(
        failure(&answer)
            .1
            .contains("was replaced by another deployment"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_unknown_state_is_in_progress_until_the_deadline_and_never_a_success() {
    for frozen in [
        Intervention::SetServiceDeploymentStatus {
            status: "MARVELLOUS".to_owned(),
        },
        Intervention::SetRolloutState {
            state: "MARVELLOUS".to_owned(),
        },
    ] {
        let world = World::new();
        let by_deployments = matches!(frozen, Intervention::SetRolloutState { .. });
        world
            .simulator
            .ecs()
            .set_service_deployments_known(!by_deployments);
        world
            .simulator
            .ecs()
            .on_update("prod", "web", Duration::from_secs(5), frozen);
        let start = world.start(json!({"DeploymentTimeout": "5"}));
        let answers = world.run(start).await;
        assert!(tokens(&answers) >= 4);
        let (kind, message) = failure(answers.last().unwrap());
        assert_eq!(kind, "JobFailed");
        assert!(message.contains("not complete within 5 min: ECS shows a state that this version does not know (MARVELLOUS)"), "{message}");
    }
}

#[tokio::test]
async fn at_the_deadline_a_rollout_that_only_drains_is_late_and_says_so() {
    let world = World::with_service(ServiceSetup {
        desired_count: 1,
        ..ServiceSetup::default()
    });
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 20 });
    // Frozen as it drains: the new task runs, the old one too.
    let frozen = Intervention::SetRolloutState {
        state: "IN_PROGRESS".to_owned(),
    };
    world
        .simulator
        .ecs()
        .on_update("prod", "web", Duration::from_secs(21), frozen);
    let answer = world.deploy(json!({"DeploymentTimeout": 2})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains(
            "although all 1 new tasks run: 1 old task is still draining. Nothing was rolled back."
        ),
        "{message}"
    );
    assert_eq!(world.count("StopServiceDeployment"), 0);
    assert_eq!(world.count("UpdateService"), 1);
}

#[tokio::test]
async fn a_desired_count_of_zero_succeeds_and_says_that_no_task_ran() {
    let world = World::with_service(ServiceSetup {
        desired_count: 0,
        ..ServiceSetup::default()
    });
    let answer = world.deploy(json!({})).await;
    let (summary, _) = success(&answer);
    assert!(summary.contains("no task ran"), "{summary}");
}

#[tokio::test]
async fn a_service_deleted_under_way_fails() {
    let world = World::new();
    world
        .simulator
        .ecs()
        .on_update("prod", "web", Duration::from_secs(10), Intervention::Delete);
    let answer = world.deploy(json!({})).await;
    assert!(
        failure(&answer).1.contains("its status is DRAINING"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_alarm_that_goes_off_is_the_headline() {
    let world = World::with_service(ServiceSetup {
        alarms: Some((vec!["errors".to_owned()], true)),
        bake_minutes: 5,
        ..ServiceSetup::default()
    });
    let alarm = Intervention::TriggerAlarm {
        name: "errors".to_owned(),
    };
    world
        .simulator
        .ecs()
        .on_update("prod", "web", minutes(3), alarm);
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert!(message.starts_with("web on prod: app:2 failed: alarm errors went off. Rolled back: app:1 is serving, 2 of 2 tasks"), "{message}");
}

#[tokio::test]
async fn completed_during_its_bake_time_is_not_yet_a_success() {
    for strategy in [
        Strategy::Rolling,
        Strategy::BlueGreen,
        Strategy::Linear,
        Strategy::Canary,
    ] {
        let world = World::with_service(ServiceSetup {
            strategy,
            bake_minutes: 10,
            ..ServiceSetup::default()
        });
        let before = world.simulator.clock().now_ms();
        let answer = world.deploy(json!({})).await;
        success(&answer);
        let took = world.simulator.clock().now_ms() - before;
        assert!(took >= 10 * 60_000, "{strategy:?}: {took}");
    }
}

#[tokio::test]
async fn blue_green_tells_its_stage_and_traffic() {
    let world = World::with_service(ServiceSetup {
        strategy: Strategy::BlueGreen,
        bake_minutes: 5,
        ..ServiceSetup::default()
    });
    let start = world.start(json!({}));
    let answers = world.run(start).await;
    let summaries: Vec<&str> = answers
        .iter()
        .filter_map(|answer| match answer {
            Answer::Success { summary, .. } => summary.as_deref(),
            Answer::Failure { .. } => None,
        })
        .collect();
    assert!(
        summaries.iter().any(|text| text.contains(
            "2 of 2 new tasks running, 2 old (BAKE_TIME, 100 % of traffic on the new ones, watched for 5 min)"
        )),
        "{summaries:?}"
    );
}

#[tokio::test]
async fn a_blue_green_deployment_that_ecs_rolls_back_is_a_failure_that_says_what_serves() {
    for strategy in [Strategy::BlueGreen, Strategy::Linear, Strategy::Canary] {
        let world = World::with_service(ServiceSetup {
            strategy,
            bake_minutes: 5,
            ..ServiceSetup::default()
        });
        world
            .simulator
            .ecs()
            .on_update("prod", "web", minutes(4), Intervention::StopDeployment);
        let answer = world.deploy(json!({})).await;
        let (_, message) = failure(&answer);
        assert!(
            message.contains("app:2 failed: Stopped by a user"),
            "{message}"
        );
        assert!(
            message.contains("Rolled back: app:1 is serving, 2 of 2 tasks."),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_pause_hook_is_reported_with_its_expiry() {
    let world = World::with_service(ServiceSetup {
        strategy: Strategy::BlueGreen,
        pause_hook: Some(PauseHook {
            stage: "POST_SCALE_UP".to_owned(),
            timeout_minutes: 5,
        }),
        ..ServiceSetup::default()
    });
    let start = world.start(json!({}));
    let answers = world.run(start).await;
    let waits = answers.iter().any(|answer| {
        matches!(answer,
        Answer::Success { summary: Some(text), .. }
            if text.contains("(POST_SCALE_UP waits at hook hook-") && text.contains("until 2026-"))
    });
    assert!(waits, "{answers:?}");
    assert!(
        failure(answers.last().unwrap())
            .1
            .contains("hook timed out"),
        "{answers:?}"
    );
}

#[tokio::test]
async fn behind_a_classic_load_balancer_alone_and_full_is_a_success() {
    let world = World::with_service(ServiceSetup {
        classic_load_balancer: true,
        ..ServiceSetup::default()
    });
    let answer = world.deploy(json!({})).await;
    success(&answer);
    assert_eq!(world.service()["deployments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_service_deployments_a_rolling_update_is_judged_by_its_rollout_state() {
    let world = World::new();
    world.simulator.faults().deny("ListServiceDeployments");
    let start = world.start(json!({}));
    let mut event = start;
    let report = loop {
        let report = world.invoke(&event).await;
        match world.simulator.codepipeline().next_event(&id_of(&event)) {
            Some(next) => event = next,
            None => break report,
        }
    };
    assert_eq!(report["outcome"], "Succeeded");
    assert!(
        report["warnings"][0]
            .as_str()
            .unwrap()
            .contains("judged by rolloutState alone"),
        "{report}"
    );
}

#[tokio::test]
async fn without_permission_to_see_service_deployments_what_only_they_tell_is_refused_before_any_change()
 {
    for (strategy, bake_minutes) in [(Strategy::BlueGreen, 0), (Strategy::Rolling, 5)] {
        let world = World::with_service(ServiceSetup {
            strategy,
            bake_minutes,
            ..ServiceSetup::default()
        });
        world.simulator.faults().deny("ListServiceDeployments");
        let answer = world.deploy(json!({})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "PermissionError");
        assert!(message.contains("ecs:ListServiceDeployments"), "{message}");
        assert_eq!(world.revisions(), 1);
    }
}

#[tokio::test]
async fn a_bake_time_that_no_service_deployment_tells_of_is_never_a_success() {
    let world = World::with_service(ServiceSetup {
        bake_minutes: 10,
        ..ServiceSetup::default()
    });
    world.simulator.ecs().set_service_deployments_known(false);
    let answer = world.deploy(json!({"DeploymentTimeout": 11})).await;
    let (_, message) = failure(&answer);
    assert!(message.contains("not complete within 11 min"), "{message}");
}

#[tokio::test]
async fn a_second_delivery_changes_nothing_and_answers_as_the_first() {
    let world = World::new();
    let start = world.start(json!({}));
    world.invoke(&start).await;
    let first = world.service();
    // The first delivery's answer is lost: the same event comes again, to a job that is open.
    world.simulator.codepipeline().open_job(&start);
    world.invoke(&start).await;
    assert_eq!(world.revisions(), 2);
    assert_eq!(world.done("RegisterTaskDefinition"), 1);
    assert_eq!(world.done("UpdateService"), 1);
    assert_eq!(
        world.service()["deployments"][0]["id"],
        first["deployments"][0]["id"]
    );

    // And long after it is complete.
    world.simulator.clock().advance(minutes(30));
    world.simulator.codepipeline().open_job(&start);
    world.invoke(&start).await;
    let answer = world
        .simulator
        .codepipeline()
        .answer(&id_of(&start))
        .unwrap();
    let (_, variables) = success(&answer);
    assert_eq!(
        variables["DeploymentId"],
        first["deployments"][0]["id"].as_str().unwrap()
    );
    assert!(
        variables["PreviousTaskDefinitionArn"].ends_with("app:1"),
        "{variables:?}"
    );
    assert_eq!(world.revisions(), 2);
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn a_second_delivery_after_a_rollback_does_not_deploy_again_and_fails_as_the_first() {
    let world = with_breaker(true);
    world.simulator.ecs().image("v2", Behaviour::CannotPull);
    let start = world.start(json!({}));
    world.run(start.clone()).await;
    world.simulator.clock().advance(minutes(10));
    world.simulator.codepipeline().open_job(&start);
    world.invoke(&start).await;
    let answer = world
        .simulator
        .codepipeline()
        .answer(&id_of(&start))
        .unwrap();
    assert!(
        failure(&answer).1.contains("Rolled back: app:1 is serving"),
        "{answer:?}"
    );
    assert_eq!(world.revisions(), 2);
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn two_jobs_with_the_same_images_are_two_deployments() {
    let world = World::new();
    success(&world.deploy(json!({})).await);
    success(&world.deploy(json!({})).await);
    assert_eq!(world.revisions(), 3);
    assert_eq!(world.done("UpdateService"), 2);
}

#[tokio::test]
async fn a_job_that_codepipeline_does_not_know_does_its_work_and_reports_with_a_warning() {
    let world = World::new();
    let mut event = world.start(json!({}));
    event["CodePipeline.job"]["id"] = json!("99999999-9999-4999-8999-999999999999");
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 5 });
    let report = world.invoke(&event).await;
    assert_eq!(report["outcome"], "Succeeded");
    assert!(
        report["warnings"][0]
            .as_str()
            .unwrap()
            .contains("does not know the job"),
        "{report}"
    );
    assert_eq!(world.revisions(), 2);
}

#[tokio::test]
async fn a_job_answered_already_is_not_an_error() {
    let world = World::new();
    let event = world.start(json!({"DryRun": true}));
    world.invoke(&event).await;
    let report = world.invoke(&event).await;
    assert!(
        report["warnings"][0]
            .as_str()
            .unwrap()
            .contains("answered before"),
        "{report}"
    );
}

#[tokio::test]
async fn a_garbage_event_with_a_job_id_is_answered_with_a_failure() {
    let world = World::new();
    let id = id_of(&world.start(json!({})));
    world
        .invoke(&json!({"CodePipeline.job": {"id": id, "data": [1, 2, 3]}}))
        .await;
    let answer = world.simulator.codepipeline().answer(&id).unwrap();
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.contains("data.actionConfiguration.configuration"),
        "{message}"
    );
}

#[tokio::test]
async fn a_garbage_event_without_a_job_id_is_reported_and_calls_nobody() {
    let world = World::new();
    for event in [
        json!(null),
        json!([]),
        json!("x"),
        json!({"CodePipeline.job": {}}),
        json!({"x": 1}),
    ] {
        let report = world.invoke(&event).await;
        assert_eq!(report["outcome"], "Failed", "{event}");
        assert!(!report["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(world.simulator.calls(), []);
}

/// Panics when it sees a service.
struct Panics;

impl Observer for Panics {
    #[expect(clippy::panic, reason = "that is what is tested")]
    fn looked(&self, _: &Target, _: &Look, _: Timestamp) {
        panic!("artifact-secret-MARK");
    }
}

#[tokio::test]
async fn a_panic_is_answered_with_a_failure_that_says_how_far_it_came() {
    let world = World::new().observed_by(Arc::new(Panics));
    let start = world.start(json!({}));
    world.invoke(&start).await;
    let answer = world
        .simulator
        .codepipeline()
        .answer(&id_of(&start))
        .unwrap();
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "JobFailed");
    assert!(
        message.contains("defect of its own")
            && message.contains("The deployment of app:2 was started"),
        "{message}"
    );
    assert!(!message.contains("MARK"), "{message}");
}

#[tokio::test]
async fn near_the_time_limit_a_deployment_is_handed_back_with_its_token() {
    let mut world = World::new();
    let slow = Behaviour::Healthy { start_seconds: 100 };
    world.simulator.ecs().image("v2", slow);
    let start = world.start(json!({}));
    world.invoke(&start).await;
    let pipeline = world.simulator.codepipeline();
    let next = pipeline.next_event(&id_of(&start)).unwrap();
    // The limit is so near that the look, which never ends, is cut off at once.
    world.time_limit = Duration::from_millis(5600);
    world.simulator.faults().hang("DescribeServices", 1);
    world.invoke(&next).await;
    let Some(Answer::Success {
        continuation_token: Some(_),
        ..
    }) = pipeline.answer(&id_of(&next))
    else {
        unreachable!("handed back: {:?}", pipeline.answers());
    };
    world.time_limit = Duration::from_mins(5);
    let next = pipeline.next_event(&id_of(&next)).unwrap();
    success(world.run(next).await.last().unwrap());
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn near_the_time_limit_a_start_that_changed_nothing_waits_for_another_invocation() {
    let mut world = World::new();
    world.time_limit = Duration::from_millis(5200);
    world.simulator.faults().hang("DescribeServices", 1);
    let answers = world.run(world.start(json!({}))).await;
    let waits = matches!(&answers[0], Answer::Success { summary: Some(text), continuation_token: Some(_), .. }
        if text.contains("; waiting, 0 min of 60"));
    assert!(waits, "{:?}", answers[0]);
    success(answers.last().unwrap());
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn near_the_time_limit_a_change_whose_outcome_is_unknown_is_reported_as_that() {
    let mut world = World::new();
    world.time_limit = Duration::from_millis(5600);
    world.simulator.faults().hang("UpdateService", 1);
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "JobFailed");
    assert!(
        message.contains("whether that happened is not known"),
        "{message}"
    );
}

#[tokio::test]
async fn a_deadline_that_lies_in_the_past_limits_nothing() {
    let world = World::new();
    let event = world.start(json!({}));
    let invocation = Invocation {
        request_id: "watch".to_owned(),
        deadline: Timestamp::from_millis(0),
    };
    world.handler.handle(&event, &invocation).await.unwrap();
    success(
        &world
            .simulator
            .codepipeline()
            .answer(&id_of(&event))
            .unwrap(),
    );
}

#[tokio::test]
async fn a_failed_look_is_no_news_and_the_rollout_goes_on() {
    let world = World::new();
    let start = world.start(json!({}));
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 120 });
    world.invoke(&start).await;
    let next = world
        .simulator
        .codepipeline()
        .next_event(&id_of(&start))
        .unwrap();
    world
        .simulator
        .faults()
        .server_error("DescribeServices", 40);
    let answers = world.run(next).await;
    let no_news = matches!(&answers[0], Answer::Success { summary: Some(text), .. }
        if text.contains("web: no news: ecs:DescribeServices"));
    assert!(no_news, "{answers:?}");
    success(answers.last().unwrap());
}

#[tokio::test]
async fn aws_unavailable_before_any_change_is_the_systems_fault() {
    let world = World::new();
    world
        .simulator
        .faults()
        .server_error("DescribeServices", 100_000);
    let answer = world.deploy(json!({"DeploymentTimeout": 3})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "SystemUnavailable");
    assert!(
        message.contains(
            ". The start has waited for 3 min, and nothing was changed: retry the stage in CodePipeline."
        ),
        "{message}"
    );
    assert_eq!(
        message.matches('(').count(),
        message.matches(')').count(),
        "{message}"
    );
    assert_eq!(world.revisions(), 1);
}

#[tokio::test]
async fn throttling_costs_time_and_nothing_else() {
    let world = World::new();
    for operation in [
        "DescribeServices",
        "DescribeTaskDefinition",
        "RegisterTaskDefinition",
        "UpdateService",
    ] {
        world.simulator.faults().throttle(operation, 2);
    }
    success(&world.deploy(json!({})).await);
    assert_eq!(world.revisions(), 2);
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn a_register_whose_answer_was_lost_is_found_and_not_repeated() {
    for times in [1, 3] {
        let world = World::new();
        world
            .simulator
            .faults()
            .reset_after("RegisterTaskDefinition", times);
        success(&world.deploy(json!({})).await);
        assert_eq!(world.revisions(), 2, "{times}");
    }
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_found_and_not_repeated() {
    let world = World::new();
    world.simulator.faults().reset_after("UpdateService", 2);
    success(&world.deploy(json!({})).await);
    assert_eq!(world.count("UpdateService"), 1);
}

#[tokio::test]
async fn too_many_concurrent_registrations_are_tried_again() {
    let world = World::new();
    world.simulator.faults().fail(
        "RegisterTaskDefinition",
        2,
        400,
        "ClientException",
        "Too many concurrent attempts to create a new revision of the specified family.",
    );
    success(&world.deploy(json!({})).await);
    assert_eq!(world.revisions(), 2);
}

#[tokio::test]
async fn a_read_of_the_state_before_our_update_is_not_judged_as_a_rollback() {
    for known in [true, false] {
        let world = World::new();
        world.simulator.ecs().set_service_deployments_known(known);
        let start = world.start(json!({}));
        // The start reads; the looks after the update see the state before it.
        world
            .simulator
            .faults()
            .stale("DescribeServices", Duration::from_secs(15), 6);
        success(world.run(start).await.last().unwrap());
    }
}

#[tokio::test]
async fn services_that_others_deploy_are_refused_with_what_to_use() {
    for (setup, what) in [
        (
            ServiceSetup {
                controller: Controller::CodeDeploy,
                ..ServiceSetup::default()
            },
            "CodeDeployToECS",
        ),
        (
            ServiceSetup {
                controller: Controller::External,
                ..ServiceSetup::default()
            },
            "CreateTaskSet",
        ),
        (
            ServiceSetup {
                express_mode: true,
                ..ServiceSetup::default()
            },
            "UpdateExpressGatewayService",
        ),
    ] {
        let world = World::with_service(setup);
        let answer = world.deploy(json!({})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        assert!(message.contains(what), "{message}");
        assert_eq!(world.revisions(), 1);
    }
}

#[tokio::test]
async fn a_missing_cluster_and_a_missing_service_are_distinguished() {
    let world = World::new();
    let answer = world.deploy(json!({"ClusterName": "production"})).await;
    assert_eq!(failure(&answer).0, "ConfigurationError");
    assert!(
        failure(&answer)
            .1
            .contains("there is no cluster 'production' in eu-central-1"),
        "{answer:?}"
    );
    let answer = world.deploy(json!({"ServiceName": "wbe"})).await;
    assert_eq!(failure(&answer).0, "ConfigurationError");
    assert!(
        failure(&answer)
            .1
            .contains("no service 'wbe' in the cluster 'prod'"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_failed_start_names_every_problem_found() {
    let world = World::new();
    world.put_images("[]");
    let answer = world.deploy(json!({"ServiceName": "wbe"})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("2 problems: ")
            && message.contains("'wbe'")
            && message.contains("empty array"),
        "{message}"
    );
}

#[tokio::test]
async fn bad_parameters_are_all_reported_and_nothing_is_asked_of_aws() {
    let world = World::new();
    let answer = world
        .deploy(json!({"DeploymentTimeout": 0, "Servces": [], "PinDigests": "ja"}))
        .await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    for part in [
        "1 to 1380",
        "did you mean Services?",
        "PinDigests is \"ja\": expected true or false",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(
        world
            .simulator
            .calls()
            .iter()
            .all(|call| call.service == "codepipeline")
    );
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_tells_the_difference() {
    let world = World::new();
    let event = world.start(json!({"DryRun": "true"}));
    let report = world.invoke(&event).await;
    assert_eq!(report["outcome"], "Succeeded");
    assert!(
        report["message"]
            .as_str()
            .unwrap()
            .contains("dry run, nothing was changed"),
        "{report}"
    );
    assert_eq!(
        report["services"][0]["changes"][0],
        json!({"path": "/containerDefinitions/app/image", "old": "repo/app:v1", "new": "repo/app:v2"})
    );
    assert_eq!(world.revisions(), 1);
    assert_eq!(
        world.count("UpdateService") + world.count("RegisterTaskDefinition"),
        0
    );
}

#[tokio::test]
async fn base_revision_latest_starts_from_the_familys_newest() {
    let world = World::new();
    let mut newer = app("repo/app:v1");
    newer["cpu"] = json!("1024");
    world.simulator.ecs().register(newer);
    success(&world.deploy(json!({})).await);
    assert_eq!(
        world.simulator.ecs().task_definition("app:3").unwrap()["cpu"],
        "256"
    );
    success(&world.deploy(json!({"BaseRevision": "latest"})).await);
    // app:3 is newest by now, and app:2's cpu is not in it.
    assert_eq!(
        world.simulator.ecs().task_definition("app:4").unwrap()["cpu"],
        "256"
    );
    let mut newest = app("repo/app:v1");
    newest["cpu"] = json!("2048");
    world.simulator.ecs().register(newest);
    success(&world.deploy(json!({"BaseRevision": "latest"})).await);
    assert_eq!(
        world.simulator.ecs().task_definition("app:6").unwrap()["cpu"],
        "2048"
    );
}

#[tokio::test]
async fn a_damaged_token_fails_the_job_and_changes_nothing() {
    let world = World::new();
    let mut event = world.start(json!({}));
    event["CodePipeline.job"]["data"]["continuationToken"] = json!("1 {\"f\": 7}");
    world.invoke(&event).await;
    let answer = world
        .simulator
        .codepipeline()
        .answer(&id_of(&event))
        .unwrap();
    assert!(
        failure(&answer).1.contains("continuation token"),
        "{answer:?}"
    );
    assert_eq!(world.count("UpdateService"), 0);
}

#[tokio::test]
async fn a_manual_deployment_answers_nobody_and_returns_its_report() {
    let world = World::new();
    let report = world
        .invoke(&json!({
        "ClusterName": "prod", "ServiceName": "web",
        "ImageDefinitions": [{"name": "app", "imageUri": "repo/app:v3"}]}))
        .await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    assert_eq!(report["outputVariables"]["Image-app"], "repo/app:v3");
    assert_eq!(report["services"][0]["revision"], "app:2");
    assert!(
        world
            .simulator
            .calls()
            .iter()
            .all(|call| ["ecs", "iam"].contains(&call.service))
    );
}

#[tokio::test]
async fn a_manual_deployment_goes_on_with_its_token_after_the_time_limit() {
    let world = World::new();
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 600 });
    let artifact = json!({"Bucket": crate::support::BUCKET, "Key": crate::support::KEY});
    let mut event = json!({"ClusterName": "prod", "ServiceName": "web", "Artifact": artifact});
    let report = world.invoke(&event).await;
    assert_eq!(report["outcome"], "InProgress", "{report}");
    event["ContinuationToken"] = report["continuationToken"].clone();
    let mut report = Value::Null;
    for _ in 0..5 {
        report = world.invoke(&event).await;
        if report["outcome"] != "InProgress" {
            break;
        }
    }
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    assert_eq!(world.revisions(), 2);
}

#[tokio::test]
async fn an_answer_that_codepipeline_cannot_take_now_is_left_to_lambdas_retry() {
    let world = World::new();
    let event = world.start(json!({"DryRun": true}));
    world
        .simulator
        .faults()
        .server_error("PutJobSuccessResult", 4);
    world
        .handler
        .handle(&event, &world.invocation())
        .await
        .unwrap_err();
    world.invoke(&event).await;
    success(
        &world
            .simulator
            .codepipeline()
            .answer(&id_of(&event))
            .unwrap(),
    );
}

#[tokio::test]
async fn an_answer_that_is_refused_is_sent_again_plainer() {
    let world = World::new();
    let event = world.start(json!({}));
    world.simulator.faults().fail(
        "PutJobSuccessResult",
        1,
        400,
        "OutputVariablesSizeExceededException",
        "Too much.",
    );
    let report = world.invoke(&event).await;
    let answer = world
        .simulator
        .codepipeline()
        .answer(&id_of(&event))
        .unwrap();
    assert!(success(&answer).1.is_empty());
    assert!(
        report["warnings"][0].as_str().unwrap().contains("shorter"),
        "{report}"
    );
}

#[tokio::test]
async fn an_answer_keeps_its_retries_whatever_other_calls_have_used_up() {
    const OUTAGES: usize = 50;
    let world = World::new();
    let faults = world.simulator.faults();
    for _ in 0..OUTAGES {
        let event = world.start(json!({"DryRun": true}));
        faults.server_error("PutJobSuccessResult", 4);
        let handling = Box::pin(world.handler.handle(&event, &world.invocation())).await;
        handling.unwrap_err();
    }
    let event = world.start(json!({"DryRun": true}));
    faults.server_error("PutJobSuccessResult", 3);
    world.invoke(&event).await;
    let pipeline = world.simulator.codepipeline();
    success(&pipeline.answer(&id_of(&event)).unwrap());
}
