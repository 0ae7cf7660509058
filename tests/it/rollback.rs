//! A failed deployment is put right: by ECS where that is its task, else by us, and never twice.

use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::observer::Unobserved;
use serde_json::{Value, json};
use simulator::ecs::{Behaviour, Intervention, ServiceSetup, Strategy};

use crate::support::{World, app, failure, success};

fn crash(exit_code: i64, log_lines: &[&str]) -> Behaviour {
    Behaviour::Crash {
        exit_code,
        after_seconds: 2,
        log_lines: log_lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

fn with_breaker(rolls_back: bool) -> World {
    World::with_service(ServiceSetup {
        circuit_breaker: Some(rolls_back),
        ..ServiceSetup::default()
    })
}

fn task_definition(world: &World) -> String {
    let service = world.service();
    let arn = service["taskDefinition"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

fn minutes(count: u64) -> Duration {
    Duration::from_mins(count)
}

#[tokio::test]
async fn what_a_breaker_without_rollback_left_is_rolled_back_and_followed_to_its_end() {
    let world = with_breaker(false);
    world.simulator.ecs().image("v2", crash(3, &[]));
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "JobFailed");
    assert!(
        message.starts_with("web on prod: app:2 failed: container app exited with code 3 (4 tasks); it has no logConfiguration, so its log is kept nowhere. Rolled back: app:1 is serving, 2 of 2 tasks."),
        "{message}"
    );
    assert_eq!(task_definition(&world), "app:1");
    assert_eq!(world.done("UpdateService"), 2, "there and back");
    assert_eq!(world.count("StopServiceDeployment"), 0, "it was over");
}

#[tokio::test]
async fn with_rollback_false_a_failed_deployment_is_left_as_it_is_and_reported() {
    let world = with_breaker(false);
    world.simulator.ecs().image("v2", crash(3, &[]));
    let answer = world.deploy(json!({"Rollback": "false"})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains(
            "Not rolled back (Rollback is false): the service still points to app:2, which has no running task; app:1 is serving, 2 of 2 tasks. Roll back: aws ecs update-service --cluster prod --service web --task-definition app:1"
        ),
        "{message}"
    );
    assert_eq!(task_definition(&world), "app:2");
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn a_rollout_out_of_time_is_stopped_and_followed_back() {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let before = world.simulator.clock().now_ms();
    let answer = world.deploy(json!({"DeploymentTimeout": 7})).await;
    let took = world.simulator.clock().now_ms() - before;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "JobFailed");
    assert!(
        message.starts_with("web on prod: app:2 failed: not complete within 7 min: 0 of 2 new tasks running, 2 old; no stopped task and no event says why: look at the service's tasks in the console. Rolled back: app:1 is serving, 2 of 2 tasks."),
        "{message}"
    );
    assert_eq!(world.done("StopServiceDeployment"), 1);
    assert_eq!(
        world.done("UpdateService"),
        1,
        "ECS rolls back by itself then"
    );
    assert_eq!(task_definition(&world), "app:1");
    assert!((7 * 60_000..10 * 60_000).contains(&took), "{took}");
}

#[tokio::test]
async fn what_ecs_says_of_a_rollback_that_the_job_asked_for_is_said_of_the_rollback() {
    let world = World::new();
    // The invocation that has asked for it does not see it.
    let world = World::around(world.simulator, Arc::new(Unobserved), Duration::ZERO);
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let answer = world.deploy(json!({"DeploymentTimeout": 7})).await;
    let (_, message) = failure(&answer);
    let asked = "\nECS says of the rollback, which this action has asked for: Stopped by a user.\n";
    assert!(message.contains(asked), "{message}");
}

#[tokio::test]
async fn a_rollout_out_of_time_without_rollback_is_left_alone() {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let answer = world
        .deploy(json!({"DeploymentTimeout": 7, "Rollback": false}))
        .await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("web on prod: app:2 failed: not complete within 7 min: 0 of 2 new tasks running, 2 old; no stopped task and no event says why: look at the service's tasks in the console. Not rolled back (Rollback is false): app:1 is serving"),
        "{message}"
    );
    assert_eq!(world.count("StopServiceDeployment"), 0);
    assert_eq!(task_definition(&world), "app:2");
}

#[tokio::test]
async fn a_blue_green_deployment_out_of_time_is_stopped_and_followed_back() {
    let world = World::with_service(ServiceSetup {
        strategy: Strategy::BlueGreen,
        bake_minutes: 2,
        ..ServiceSetup::default()
    });
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let answer = world.deploy(json!({"DeploymentTimeout": 5})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("not complete within 5 min")
            && message.contains("Rolled back: app:1 is serving"),
        "{message}"
    );
    assert_eq!(world.done("StopServiceDeployment"), 1);
}

#[tokio::test]
async fn a_rollout_that_completes_as_its_time_runs_out_is_a_success() {
    let world = World::with_service(ServiceSetup {
        strategy: Strategy::BlueGreen,
        bake_minutes: 2,
        ..ServiceSetup::default()
    });
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    // The look at the deadline still sees it under way; ECS then refuses to stop what is over.
    let complete = Intervention::SetServiceDeploymentStatus {
        status: "SUCCESSFUL".to_owned(),
    };
    let ecs = world.simulator.ecs();
    world.simulator.on_call("StopServiceDeployment", move || {
        ecs.intervene("prod", "web", &complete);
    });
    let faults = world.simulator.faults();
    faults.fail(
        "StopServiceDeployment",
        2,
        400,
        "ConflictException",
        "It is over.",
    );
    let answer = world.deploy(json!({"DeploymentTimeout": 3})).await;
    let (summary, _) = success(&answer);
    assert!(
        summary.contains("the deployment of app:2 is complete"),
        "{summary}"
    );
    assert!(world.count("StopServiceDeployment") > 0, "it was in time");
    assert_eq!(task_definition(&world), "app:2");
}

#[tokio::test]
async fn who_may_not_stop_a_service_deployment_sets_the_service_back() {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    world.simulator.faults().deny("StopServiceDeployment");
    let answer = world.deploy(json!({"DeploymentTimeout": 3})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Rolled back: app:1 is serving"),
        "{message}"
    );
    assert_eq!(task_definition(&world), "app:1");
}

#[tokio::test]
async fn a_rollback_that_cannot_be_asked_for_is_reported_with_its_reason() {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let faults = world.simulator.faults();
    faults.fail(
        "StopServiceDeployment",
        50,
        400,
        "InvalidParameterException",
        "Not like this.",
    );
    let answer = world.deploy(json!({"DeploymentTimeout": 3})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Not rolled back (ecs:StopServiceDeployment failed: InvalidParameterException: Not like this.)"),
        "{message}"
    );
    assert_eq!(world.count("StopServiceDeployment"), 3, "not for ever");
}

#[tokio::test]
async fn a_rollback_that_fails_too_is_reported_with_what_serves() {
    let world = with_breaker(false);
    world.simulator.ecs().image("v2", crash(3, &[]));
    let start = world.start(json!({}));
    // The old image is gone by the time that it is needed again.
    world.simulator.ecs().image("v1", Behaviour::CannotPull);
    let answer = world.run(start).await.pop().unwrap();
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("web on prod: app:2 failed: container app exited with code 3 (4 tasks); it has no logConfiguration, so its log is kept nowhere. Rolling back failed too"),
        "{message}"
    );
    assert_eq!(world.done("UpdateService"), 2, "and not a third time");
}

#[tokio::test]
async fn a_rollback_that_somebody_replaces_is_reported_and_left_alone() {
    let world = with_breaker(false);
    world.simulator.ecs().image("v2", crash(3, &[]));
    world
        .simulator
        .ecs()
        .image("v1", Behaviour::Healthy { start_seconds: 300 });
    let hotfix = world.simulator.ecs().register(app("repo/app:hotfix"));
    let other = Intervention::Deploy {
        task_definition: hotfix,
    };
    world
        .simulator
        .ecs()
        .on_update("prod", "web", minutes(4), other);
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("web on prod: app:3 failed: container app exited with code 3 (")
            && message.contains("Another deployment has taken its place since (app:2, ecs-svc/")
            && message.contains("It was left alone"),
        "{message}"
    );
    assert_eq!(task_definition(&world), "app:2");
}

#[tokio::test]
async fn a_rollback_that_ecs_owes_and_never_starts_is_done_by_this_job() {
    let world = with_breaker(true);
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let stalled = Intervention::SetRolloutState {
        state: "FAILED".to_owned(),
    };
    world
        .simulator
        .ecs()
        .on_update("prod", "web", Duration::from_secs(10), stalled);
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Rolled back: app:1 is serving"),
        "{message}"
    );
    let stopped = world.done("StopServiceDeployment");
    assert_eq!(stopped, 1, "asked for once, after ECS had its time");
}

#[tokio::test]
async fn a_rollback_that_ecs_does_itself_is_not_touched() {
    let world = with_breaker(true);
    world.simulator.ecs().image("v2", crash(1, &[]));
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Rolled back: app:1 is serving"),
        "{message}"
    );
    assert_eq!(world.count("StopServiceDeployment"), 0);
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn what_another_deployment_replaced_is_not_rolled_back() {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let other = Intervention::Deploy {
        task_definition: world.simulator.ecs().register(app("repo/app:hotfix")),
    };
    world
        .simulator
        .ecs()
        .on_update("prod", "web", Duration::from_secs(20), other);
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("was replaced by another deployment"),
        "{message}"
    );
    assert_eq!(world.count("StopServiceDeployment"), 0);
    assert_eq!(world.done("UpdateService"), 1);
}

/// The revisions of `app` that can still be started from.
fn active(world: &World) -> usize {
    let revisions = world.simulator.ecs().active_revisions("app");
    revisions.len()
}

#[tokio::test]
async fn a_revision_that_no_service_came_to_use_is_deregistered() {
    let world = World::new();
    world.simulator.faults().deny("UpdateService");
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "PermissionError");
    assert!(
        message.contains("The service was not changed: it is set to app:1. app:2, registered for this job, is being deregistered."),
        "{message}"
    );
    assert_eq!(active(&world), 1);
}

#[tokio::test]
async fn a_revision_that_a_service_may_use_is_not_deregistered() {
    let world = World::new();
    world.simulator.faults().server_error("UpdateService", 50);
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("app:2 is registered; look whether"),
        "{message}"
    );
    assert_eq!(world.count("DeregisterTaskDefinition"), 0);
    assert_eq!(active(&world), 2);
}

#[tokio::test]
async fn a_revision_that_cannot_be_deregistered_costs_a_warning_and_not_the_answer() {
    let world = World::new();
    world.simulator.faults().deny("UpdateService");
    world.simulator.faults().deny("DeregisterTaskDefinition");
    let start = world.start(json!({}));
    let report: Value = world.invoke(&start).await;
    assert!(
        report["warnings"][0]
            .as_str()
            .unwrap()
            .contains("ecs:DeregisterTaskDefinition"),
        "{report}"
    );
    assert!(
        world
            .simulator
            .codepipeline()
            .answer(&crate::support::id_of(&start))
            .is_some()
    );
}

#[tokio::test]
async fn who_cannot_see_whether_it_has_deployed_already_does_not_deploy_again() {
    let world = with_breaker(true);
    world.simulator.ecs().image("v2", crash(1, &[]));
    let start = world.start(json!({}));
    let _ = world.run(start.clone()).await;
    world.simulator.faults().deny("ListServiceDeployments");
    let report = world.invoke(&start).await;
    assert!(
        report["message"].as_str().unwrap().contains(
            "an earlier delivery of this job has registered app:2, and whether it has deployed it cannot be seen"
        ),
        "{report}"
    );
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn from_ecs_knowing_to_the_answer_it_takes_at_most_one_look() {
    const BETWEEN_LOOKS_MS: i64 = 5000;
    let world = with_breaker(false);
    world.simulator.ecs().image("v2", crash(3, &[]));
    let answer = world.deploy(json!({"Rollback": false})).await;
    failure(&answer);
    let service = world.service();
    let events = service["events"].as_array().unwrap();
    let known = events
        .iter()
        .find(|event| {
            event["message"]
                .as_str()
                .unwrap()
                .contains("deployment failed")
        })
        .unwrap();
    let known_ms = (known["createdAt"].as_f64().unwrap() * 1000.0).round();
    let answered = &world.simulator.calls_of("PutJobFailureResult")[0];
    #[expect(
        clippy::cast_possible_truncation,
        reason = "milliseconds of this century"
    )]
    let took = answered.at_ms - known_ms as i64;
    assert!((0..=BETWEEN_LOOKS_MS).contains(&took), "{took} ms");
}

/// `UpdateService` is carried out, but its answer is lost; then this happens to what follows.
async fn lost_update_then(then: impl FnOnce(&World)) -> (World, String) {
    let world = World::new();
    world.simulator.faults().reset_after("UpdateService", 1);
    then(&world);
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    let message = message.to_owned();
    (world, message)
}

#[tokio::test]
async fn an_update_that_may_have_been_carried_out_never_has_its_revision_deregistered() {
    // The look between two attempts is throttled or denied.
    for code in ["ThrottlingException", "AccessDeniedException"] {
        let (world, message) = lost_update_then(|world| {
            // The start's own look comes first.
            let faults = world.simulator.faults();
            faults.fail_after("DescribeServices", 1, 50, 400, code, "no");
        })
        .await;
        assert!(
            message.contains("app:2 is registered; look whether"),
            "{code}: {message}"
        );
        assert!(!message.contains("was not changed"), "{code}: {message}");
        assert_eq!(active(&world), 2, "{code}");
    }
}

#[tokio::test]
async fn what_somebody_set_the_service_to_between_two_attempts_is_left_alone() {
    let (world, message) = lost_update_then(|world| {
        let ecs = world.simulator.ecs();
        let other = Intervention::Deploy {
            task_definition: ecs.register(app("repo/app:hotfix")),
        };
        ecs.on_update("prod", "web", Duration::from_secs(1), other);
    })
    .await;
    assert!(message.contains("look whether"), "{message}");
    assert_eq!(task_definition(&world), "app:2", "the hotfix");
    assert_eq!(world.count("UpdateService"), 1);
}

#[tokio::test]
async fn a_deployment_that_comes_while_the_evidence_is_gathered_is_left_alone() {
    let world = with_breaker(false);
    world.simulator.ecs().image("v2", crash(3, &[]));
    world.deploy(json!({})).await;
    // The last is of the invocation that ends, the one before it asks why it failed, the others ask what fails
    // while it goes on.
    let asked = world.count("ListTasks") - 1;
    let world = with_breaker(false);
    world.simulator.ecs().image("v2", crash(3, &[]));
    let ecs = world.simulator.ecs();
    let hotfix = ecs.register(app("repo/app:hotfix"));
    // Somebody deploys just as we have started to gather evidence of why ours failed.
    let other = Intervention::Deploy {
        task_definition: hotfix,
    };
    let faults = world.simulator.faults();
    faults.before("ListTasks", asked, move || {
        ecs.intervene("prod", "web", &other);
    });
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert_eq!(task_definition(&world), "app:2", "{message}");
    // Ours, and the rollback, which is asked for before anybody asks why.
    assert_eq!(world.done("UpdateService"), 2);
    assert!(!message.contains("Rolled back"), "{message}");
}

#[tokio::test]
async fn of_two_deliveries_at_once_both_go_on_with_the_revision_that_was_registered_first() {
    let world = World::new();
    let start = world.start(json!({}));
    let job = crate::support::id_of(&start);
    // The other delivery registers when this one has already seen that nobody has.
    let ecs = world.simulator.ecs();
    world.simulator.on_call("RegisterTaskDefinition", move || {
        let mut own = app("repo/app:v2");
        let tags = own["tags"].as_array_mut().unwrap();
        tags.push(json!({"key": "ecs-deploy-action:job", "value": job}));
        ecs.register(own);
    });
    let answers = world.run(start).await;
    success(answers.last().unwrap());
    let ecs = world.simulator.ecs();
    let deployed = ["app:2", "app:3"].map(|own| ecs.deployments_of("prod", "web", own));
    assert_eq!(deployed, [1, 0], "the first of them");
    let left: Vec<String> = ecs.active_revisions("app");
    assert!(left.iter().all(|arn| !arn.ends_with("app:3")), "{left:?}");
}
