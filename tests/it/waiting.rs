//! Waiting: what cannot go on yet is not a failure while time is left, and is not done twice.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, EarlySuccess, Intervention, PauseHook, ServiceSetup, Strategy};

use crate::support::{World, app, failure, success};

fn summaries(answers: &[Answer]) -> Vec<String> {
    let summaries = answers.iter().filter_map(|answer| match answer {
        Answer::Success { summary, .. } => summary.clone(),
        Answer::Failure { .. } => None,
    });
    summaries.collect()
}

/// The answers of a deployment, and how many minutes it took.
async fn deployed(world: &World, parameters: Value) -> (Vec<Answer>, i64) {
    let before = world.simulator.clock().now_ms();
    let answers = world.run(world.start(parameters)).await;
    let took = world.simulator.clock().now_ms() - before;
    (answers, took / 60_000)
}

#[tokio::test]
async fn a_start_that_is_throttled_through_all_retries_waits_and_deploys_once() {
    for operation in [
        "DescribeServices",
        "DescribeTaskDefinition",
        "ListTaskDefinitions",
        "RegisterTaskDefinition",
        "UpdateService",
    ] {
        let world = World::new();
        world.simulator.faults().throttle(operation, 150);
        let (answers, minutes) = deployed(&world, json!({})).await;
        success(answers.last().unwrap());
        assert!(minutes < 60, "{operation}: {minutes} min");
        assert_eq!(world.revisions(), 2, "{operation}");
        assert_eq!(world.done("UpdateService"), 1, "{operation}");
        let first = &summaries(&answers)[0];
        assert!(
            first.contains(operation) && first.contains("; waiting, "),
            "{operation}: {first}"
        );
    }
}

#[tokio::test]
async fn throttling_that_outlasts_the_limit_is_the_systems_fault_and_changes_nothing() {
    for operation in ["DescribeServices", "UpdateService"] {
        let world = World::new();
        world.simulator.faults().throttle(operation, 100_000);
        let (answers, minutes) = deployed(&world, json!({"DeploymentTimeout": 7})).await;
        let (kind, message) = failure(answers.last().unwrap());
        assert_eq!(kind, "SystemUnavailable", "{message}");
        assert!(
            message.contains("The start has waited for 7 min"),
            "{message}"
        );
        assert!((7..10).contains(&minutes), "{minutes}");
        assert_eq!(world.done("UpdateService"), 0);
        let active = world.simulator.ecs().active_revisions("app");
        assert_eq!(active.len(), 1, "{operation}: {active:?}");
    }
}

#[tokio::test]
async fn an_update_that_may_have_been_made_is_never_called_no_change_and_its_revision_stays() {
    for throttled_before in [0, 45] {
        let world = World::new();
        let faults = world.simulator.faults();
        // A try that is only throttled has registered the revision before.
        if throttled_before > 0 {
            faults.throttle("UpdateService", throttled_before);
        }
        faults.server_error("UpdateService", 100_000);
        let (answers, _) = deployed(&world, json!({"DeploymentTimeout": 12})).await;
        let (_, message) = failure(answers.last().unwrap());
        assert!(
            message.contains("app:2 is registered; look whether the service was set to it."),
            "{message}"
        );
        assert_eq!(world.count("DeregisterTaskDefinition"), 0, "{message}");
        let active = world.simulator.ecs().active_revisions("app");
        assert_eq!(active.len(), 2, "{active:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_beside_what_may_pass_is_reported_at_once() {
    let world = World::new();
    world.simulator.faults().throttle("DescribeServices", 1000);
    world.put_images("[]");
    let (answers, _) = deployed(&world, json!({})).await;
    let (_, message) = failure(answers.last().unwrap());
    assert_eq!(answers.len(), 1);
    assert!(message.contains("imagedefinitions.json"), "{message}");
}

/// A world in which somebody deploys `app:2`, which runs after so many seconds.
fn busy(start_seconds: u32) -> World {
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.image("other", Behaviour::Healthy { start_seconds });
    let other = Intervention::Deploy {
        task_definition: ecs.register(app("repo/app:other")),
    };
    ecs.intervene("prod", "web", &other);
    world.simulator.clock().advance(Duration::from_secs(10));
    world
}

#[tokio::test]
async fn somebody_elses_deployment_is_replaced_waited_for_or_a_failure_as_asked() {
    let world = busy(180);
    let (answers, minutes) = deployed(&world, json!({})).await;
    success(answers.last().unwrap());
    assert!(minutes < 2, "{minutes}");

    let world = busy(180);
    let (answers, minutes) = deployed(&world, json!({"IfDeploying": "Wait"})).await;
    success(answers.last().unwrap());
    assert!((2..8).contains(&minutes), "{minutes}");
    let first = &summaries(&answers)[0];
    assert!(
        first.starts_with(
            "web on prod: another deployment of the service is under way (app:2, ecs-svc/"
        ) && first.contains("; waiting, 0 min of 60"),
        "{first}"
    );
    assert_eq!(world.done("UpdateService"), 1);

    let world = busy(180);
    let (answers, _) = deployed(&world, json!({"IfDeploying": "Fail"})).await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "JobFailed");
    assert!(
        message.contains("is under way (app:2") && message.contains("Nothing was changed"),
        "{message}"
    );
    assert_eq!(
        (answers.len(), world.count("RegisterTaskDefinition")),
        (1, 0)
    );
}

#[tokio::test]
async fn a_wait_that_runs_out_is_a_failure_that_says_so() {
    let world = busy(3000);
    let (answers, minutes) = deployed(
        &world,
        json!({"IfDeploying": "Wait", "DeploymentTimeout": 6}),
    )
    .await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "JobFailed");
    assert!(
        message.contains("The start has waited for 6 min"),
        "{message}"
    );
    assert!((6..9).contains(&minutes), "{minutes}");
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn a_rollback_of_ecs_is_waited_for_whatever_is_asked() {
    for if_deploying in ["Replace", "Wait", "Fail"] {
        let world = World::with_service(ServiceSetup {
            circuit_breaker: Some(true),
            ..ServiceSetup::default()
        });
        let ecs = world.simulator.ecs();
        ecs.image("broken", Behaviour::CannotPull);
        // What it goes back to takes its time.
        ecs.image("v1", Behaviour::Healthy { start_seconds: 120 });
        let broken = Intervention::Deploy {
            task_definition: ecs.register(app("repo/app:broken")),
        };
        ecs.intervene("prod", "web", &broken);
        let is_rolling_back = || {
            let service = world.service();
            let deployments = service["deployments"].as_array().unwrap().clone();
            deployments
                .iter()
                .any(|one| one["rolloutState"] == "FAILED")
        };
        for _ in 0..120 {
            if is_rolling_back() {
                break;
            }
            world.simulator.clock().advance(Duration::from_secs(1));
        }
        assert!(is_rolling_back());
        let (answers, _) = deployed(&world, json!({"IfDeploying": if_deploying})).await;
        success(answers.last().unwrap());
        assert_eq!(world.done("UpdateService"), 1, "{if_deploying}");
    }
}

#[tokio::test]
async fn two_jobs_that_wait_do_not_wait_for_each_other() {
    let world = busy(120);
    let parameters = json!({"IfDeploying": "Wait"});
    let (one, other) = (world.start(parameters.clone()), world.start(parameters));
    // Both wait, then one deploys and the other waits for that.
    world.invoke(&one).await;
    world.invoke(&other).await;
    let pipeline = world.simulator.codepipeline();
    let mut open = vec![one, other];
    let mut ends = 0;
    for _ in 0..60 {
        let mut next = Vec::new();
        for event in open {
            match pipeline.next_event(&crate::support::id_of(&event)) {
                Some(event) => {
                    world.invoke(&event).await;
                    next.push(event);
                }
                None => ends += 1,
            }
        }
        open = next;
        world.simulator.clock().advance(Duration::from_secs(30));
    }
    assert_eq!((ends, open.len()), (2, 0));
    assert_eq!(world.done("UpdateService"), 2);
    // The one that was first may find itself replaced when it looks again.
    for (_, answer) in pipeline.answers() {
        if let Answer::Failure { message, .. } = answer {
            assert!(
                message.contains("another deployment has taken its place"),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn the_time_limit_stands_still_while_a_pause_hook_holds_the_deployment() {
    let world = World::with_service(ServiceSetup {
        strategy: Strategy::BlueGreen,
        pause_hook: Some(PauseHook {
            stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
            timeout_minutes: 90,
        }),
        ..ServiceSetup::default()
    });
    let (answers, minutes) = deployed(&world, json!({"DeploymentTimeout": 10})).await;
    // Nobody answers it: ECS rolls back at its own time, not we at ours.
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains("POST_TEST_TRAFFIC_SHIFT timed out"),
        "{message}"
    );
    assert!(minutes >= 90, "{minutes}");
    assert_eq!(world.count("StopServiceDeployment"), 0);
    let held = summaries(&answers);
    assert!(
        held.iter()
            .all(|summary| !summary.contains("; 11 min of 10")),
        "{held:?}"
    );
}

#[tokio::test]
async fn with_wait_for_serving_an_action_ends_once_the_new_tasks_have_all_traffic() {
    let setup = || ServiceSetup {
        strategy: Strategy::BlueGreen,
        bake_minutes: 30,
        ..ServiceSetup::default()
    };
    let world = World::with_service(setup());
    let (answers, minutes) = deployed(&world, json!({"WaitFor": "Serving"})).await;
    let (message, _) = success(answers.last().unwrap());
    assert!(
        message.contains("is serving, 2 tasks") && message.contains("was not waited for"),
        "{message}"
    );
    assert!(minutes < 10, "{minutes}");
    let world = World::with_service(setup());
    let (answers, minutes) = deployed(&world, json!({})).await;
    let (message, _) = success(answers.last().unwrap());
    assert!(!message.contains("was not waited for"), "{message}");
    assert!(minutes >= 30, "{minutes}");
}

#[tokio::test]
async fn looks_come_more_seldom_while_nothing_changes_and_an_end_is_seen_within_one() {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    deployed(&world, json!({"DeploymentTimeout": 10, "Rollback": false})).await;
    let looks: Vec<i64> = world
        .simulator
        .calls_of("DescribeServices")
        .iter()
        .map(|call| call.at_ms)
        .collect();
    let gaps: Vec<i64> = looks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Between two invocations half a minute passes.
    assert!(
        gaps.iter().all(|gap| *gap <= 15_000 || *gap >= 30_000),
        "{gaps:?}"
    );
    assert!(
        gaps.iter().any(|gap| (9_000..=15_000).contains(gap)),
        "{gaps:?}"
    );
}

#[tokio::test]
async fn early_success_criteria_are_named_with_what_ecs_goes_on_with() {
    for (is_deferred, says_what_is_left) in [(true, true), (false, false)] {
        let world = World::with_service(ServiceSetup {
            load_balancer: true,
            early_success: Some(EarlySuccess {
                healthy_percent: 50,
                is_deferred,
            }),
            ..ServiceSetup::default()
        });
        let (answers, _) = deployed(&world, json!({})).await;
        let (message, _) = success(answers.last().unwrap());
        assert!(message.contains("is serving, 2 tasks"), "{message}");
        let named = "Early success criteria (healthyPercent 50) have ended the deployment: ECS goes on with 2 old to stop";
        assert_eq!(message.contains(named), says_what_is_left, "{message}");
    }
}

#[tokio::test]
async fn a_pause_hook_that_may_outlast_the_action_is_told_at_the_start() {
    for (timeout_minutes, is_told) in [(60, false), (1440, true), (20_160, true)] {
        let world = World::with_service(ServiceSetup {
            strategy: Strategy::BlueGreen,
            pause_hook: Some(PauseHook {
                stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
                timeout_minutes,
            }),
            ..ServiceSetup::default()
        });
        let report = world.invoke(&world.start(json!({}))).await;
        let warnings = report["warnings"].to_string();
        assert_eq!(
            warnings.contains("a PAUSE hook waits for up to"),
            is_told,
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_rollback_that_is_throttled_is_not_given_up() {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let simulator = world.simulator.clone();
    // From the time limit on, for long enough that three refusals would have been the end.
    world
        .simulator
        .faults()
        .throttle("StopServiceDeployment", 40);
    let (answers, minutes) = deployed(&world, json!({"DeploymentTimeout": 3})).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains("Rolled back: app:1 is serving, 2 of 2 tasks"),
        "{message}"
    );
    assert!((3..12).contains(&minutes), "{minutes}");
    let stops = simulator.calls_of("StopServiceDeployment");
    assert_eq!(stops.iter().filter(|call| call.error.is_none()).count(), 1);
}

#[tokio::test]
async fn a_start_that_has_registered_and_cannot_see_what_came_of_it_waits_and_deploys_once() {
    let world = World::new();
    // The update is throttled for longer than one invocation has, and then what an earlier delivery has done
    // cannot be seen at once.
    world.simulator.faults().throttle("UpdateService", 40);
    world
        .simulator
        .faults()
        .throttle("ListServiceDeployments", 30);
    let (answers, _) = deployed(&world, json!({})).await;
    success(answers.last().unwrap());
    assert_eq!((world.revisions(), world.done("UpdateService")), (2, 1));
    assert!(
        summaries(&answers)[0].contains("; waiting, "),
        "{:?}",
        summaries(&answers)
    );
}
