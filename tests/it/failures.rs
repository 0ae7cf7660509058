//! `FailureThreshold`: a rollout whose tasks fail is given up in minutes where nobody else would, and the summary
//! says what fails from the first task on. A healthy rollout pays nothing for it.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, Intervention, ServiceSetup};

use crate::support::{World, failure, logging_app, success};

/// No circuit breaker, as the API, `CloudFormation` and Terraform have it.
fn world(setup: ServiceSetup, next: Behaviour) -> World {
    let world = World::with_service(setup);
    let ecs = world.simulator.ecs();
    ecs.register(logging_app("repo/app:v1"));
    let deploy = Intervention::Deploy {
        task_definition: "app:2".to_owned(),
    };
    ecs.intervene("prod", "web", &deploy);
    world.simulator.clock().advance(Duration::from_hours(1));
    ecs.image("v2", next);
    world
}

fn crash(exit_code: i64, after_seconds: u32) -> Behaviour {
    Behaviour::Crash {
        exit_code,
        after_seconds,
        log_lines: vec![
            "panic: DATABASE_URL is not set".to_owned(),
            "exit status 2".to_owned(),
        ],
    }
}

/// The answers of a deployment, and how many minutes it took.
async fn deployed(world: &World, parameters: Value) -> (Vec<Answer>, i64) {
    let before = world.simulator.clock().now_ms();
    let answers = world.run(world.start(parameters)).await;
    let took = world.simulator.clock().now_ms() - before;
    (answers, took / 60_000)
}

fn summaries(answers: &[Answer]) -> Vec<String> {
    let summaries = answers.iter().filter_map(|answer| match answer {
        Answer::Success { summary, .. } => summary.clone(),
        Answer::Failure { .. } => None,
    });
    summaries.collect()
}

#[tokio::test]
async fn a_crash_loop_without_a_breaker_is_given_up_in_minutes_and_rolled_back() {
    for (next, cause) in [
        (crash(1, 3), "container app exited with code 1 ("),
        (
            Behaviour::CannotPull,
            "CannotPullContainerError: repo/app:v2 not found (",
        ),
        (Behaviour::FailsHealthCheck, "Task failed ELB health checks"),
        (
            Behaviour::FailsContainerCheck,
            "Task failed container health checks",
        ),
    ] {
        let world = world(ServiceSetup::default(), next.clone());
        let (answers, minutes) = deployed(&world, json!({"DeploymentTimeout": 60})).await;
        let (kind, message) = failure(answers.last().unwrap());
        assert_eq!(kind, "JobFailed");
        assert!(message.contains(cause), "{next:?}: {message}");
        assert!(
            message.contains("Rolled back: app:2 is serving, 2 of 2 tasks"),
            "{message}"
        );
        assert!(minutes < 8, "{next:?}: {minutes} min");
        assert_eq!(world.done("StopServiceDeployment"), 1, "{next:?}");
    }
}

#[tokio::test]
async fn tasks_that_all_run_for_a_while_and_exit_are_counted_also_where_ecs_counts_none() {
    // It is complete but for the time that it is watched, and fails again and again.
    let setup = ServiceSetup {
        bake_minutes: 30,
        ..ServiceSetup::default()
    };
    let world = world(setup, crash(1, 25));
    let (answers, minutes) = deployed(&world, json!({})).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains("container app exited with code 1 (")
            && message.contains("Rolled back: app:2 is serving, 2 of 2 tasks"),
        "{message}"
    );
    assert!(minutes < 8, "{minutes} min");
}

#[tokio::test]
async fn with_0_it_is_left_to_ecs_and_the_time_limit_and_with_a_number_it_is_that_many() {
    let world = world(ServiceSetup::default(), crash(1, 3));
    let limit = json!({"FailureThreshold": 0, "DeploymentTimeout": 20});
    let (answers, minutes) = deployed(&world, limit).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(message.contains("not complete within 20 min"), "{message}");
    assert!(minutes >= 20, "{minutes} min");

    let of = |threshold: Value| async move {
        let world = self::world(ServiceSetup::default(), Behaviour::CannotPull);
        let (answers, _) = deployed(&world, json!({"FailureThreshold": threshold})).await;
        let (_, message) = failure(answers.last().unwrap());
        let (_, count) = message.split_once(" not found (").unwrap();
        let (count, _) = count.split_once(" task").unwrap();
        count.parse::<u32>().unwrap()
    };
    let (one, twelve) = (of(json!(1)).await, of(json!("12")).await);
    assert!(
        (1..=4).contains(&one) && (12..=16).contains(&twelve),
        "{one} {twelve}"
    );
}

#[tokio::test]
async fn where_the_service_has_a_breaker_ecs_comes_first() {
    let setup = ServiceSetup {
        circuit_breaker: Some(true),
        ..ServiceSetup::default()
    };
    let world = world(setup, crash(1, 3));
    let (answers, _) = deployed(&world, json!({})).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains("ECS deployment circuit breaker"),
        "{message}"
    );
    assert_eq!(world.count("StopServiceDeployment"), 0);
}

#[tokio::test]
async fn the_summary_says_what_fails_from_the_first_task_on() {
    let world = world(ServiceSetup::default(), crash(1, 3));
    let (answers, _) = deployed(
        &world,
        json!({"FailureThreshold": 200, "DeploymentTimeout": 5}),
    )
    .await;
    let summaries = summaries(&answers);
    let first = &summaries[0];
    assert!(
        first.starts_with("web: ")
            && first.contains(" of 2 new tasks running, 2 old; ")
            && first.contains(" have failed: container app exited with code 1; its log ends: panic: DATABASE_URL is not set; ")
            && first.ends_with(" min of 5"),
        "{first}"
    );
}

#[tokio::test]
async fn the_summary_says_why_nothing_starts() {
    let world = world(ServiceSetup::default(), Behaviour::NoCapacity);
    let (answers, minutes) = deployed(&world, json!({"DeploymentTimeout": 10})).await;
    let summaries = summaries(&answers);
    assert!(
        summaries[0].contains("ECS was unable to place a task"),
        "{}",
        summaries[0]
    );
    // Capacity may come: what cannot be placed is not counted.
    let (_, message) = failure(answers.last().unwrap());
    assert!(message.contains("not complete within 10 min"), "{message}");
    assert!(minutes >= 10, "{minutes}");
}

#[tokio::test]
async fn a_healthy_rollout_is_never_asked_for_stopped_tasks() {
    let healthy = Behaviour::Healthy { start_seconds: 45 };
    let world = world(ServiceSetup::default(), healthy);
    let (answers, _) = deployed(&world, json!({})).await;
    success(answers.last().unwrap());
    assert_eq!(
        (world.count("ListTasks"), world.count("DescribeTasks")),
        (0, 0)
    );
}

#[tokio::test]
async fn stopped_tasks_are_looked_for_every_quarter_of_a_minute_at_most() {
    let world = world(ServiceSetup::default(), crash(1, 3));
    let parameters = json!({"FailureThreshold": 0, "DeploymentTimeout": 30});
    deployed(&world, parameters).await;
    let times: Vec<i64> = world
        .simulator
        .calls_of("ListTasks")
        .iter()
        .map(|call| call.at_ms)
        .collect();
    // The last is the evidence of the failure.
    // ECS shows a hundred on a page.
    let mut looks = times.clone();
    looks.dedup();
    let gaps = looks.windows(2).map(|pair| pair[1] - pair[0]);
    let short = gaps.filter(|gap| *gap < 15_000).count();
    assert!(short <= 1, "{looks:?}");
    // A log that would say the same is not read again.
    assert!(
        world.count("GetLogEvents") * 2 < looks.len(),
        "{}",
        world.count("GetLogEvents")
    );
}

#[tokio::test]
async fn workers_that_end_with_0_by_design_are_no_failures() {
    let world = world(ServiceSetup::default(), crash(0, 3));
    let (answers, minutes) = deployed(&world, json!({"DeploymentTimeout": 10})).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(message.contains("not complete within 10 min"), "{message}");
    assert!(minutes >= 10, "{minutes}");
}

#[tokio::test]
async fn with_rollback_false_a_rollout_that_is_given_up_is_left_as_it_is() {
    let world = world(ServiceSetup::default(), crash(1, 3));
    let (answers, minutes) = deployed(&world, json!({"Rollback": false})).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains("Not rolled back (Rollback is false): the service still points to app:3"),
        "{message}"
    );
    assert!(minutes < 5, "{minutes}");
}
