//! The task before the deployment where ECS has no room for it, and services that change while it
//! runs.

use std::time::Duration;

use simulator::ecs::{Behaviour, Intervention, ServiceSetup};

use crate::pre_deploy::{ends_with, parameters, world_with};
use crate::support::{World, failure, success};

fn world() -> World {
    world_with(ServiceSetup::default(), ends_with(0))
}

#[tokio::test]
async fn room_that_comes_back_costs_time_and_one_task_runs() {
    for reason in [
        "RESOURCE:MEMORY",
        "RESOURCE:CPU",
        "AGENT",
        "Capacity is unavailable at this time.",
    ] {
        let world = world();
        world.simulator.ecs().no_room_for_tasks(reason, 3);
        success(&world.deploy(parameters()).await);
        assert_eq!(world.count("RunTask"), 4, "{reason}");
        assert_eq!(world.simulator.ecs().tasks_run().len(), 1, "{reason}");
    }
}

#[tokio::test]
async fn capacity_that_stays_short_is_reported_in_one_sentence_and_is_no_mistake_of_the_configuration()
 {
    for (reason, expected) in [
        (
            "RESOURCE:MEMORY",
            "shop on prod: ECS has no memory for a task of app:3 at the moment (RESOURCE:MEMORY). The pre-deploy task was not started. No service was changed.",
        ),
        (
            "Capacity is unavailable at this time. Please try again later or in a different availability zone.",
            "shop on prod: ECS has no capacity for a task of app:3 at the moment (Capacity is unavailable at this time. Please try again later or in a different availability zone). The pre-deploy task was not started. No service was changed.",
        ),
        (
            "ATTRIBUTE",
            "shop on prod: ECS could not place a task of app:3: ATTRIBUTE. The pre-deploy task was not started. No service was changed.",
        ),
    ] {
        let world = world();
        world.simulator.ecs().no_room_for_tasks(reason, 100);
        let answer = world.deploy(parameters()).await;
        let (kind, message) = failure(&answer);
        assert_eq!((kind, message), ("JobFailed", expected));
        assert_eq!(
            world.count("RunTask"),
            if reason == "ATTRIBUTE" { 1 } else { 5 }
        );
        let active = world.simulator.ecs().active_revisions("app");
        assert_eq!(active.len(), 2, "{active:?}");
    }
}

#[tokio::test]
async fn the_accounts_quota_of_tasks_is_room_that_may_come_back() {
    let world = world();
    world.simulator.faults().fail(
        "RunTask",
        2,
        400,
        "ClientException",
        "You've reached the limit on the number of vCPUs you can run concurrently",
    );
    success(&world.deploy(parameters()).await);
    assert_eq!(world.count("RunTask"), 3);
}

#[tokio::test]
async fn a_service_that_is_deleted_meanwhile_is_reported_with_its_status() {
    let world = world_with(
        ServiceSetup::default(),
        Behaviour::Crash {
            exit_code: 0,
            after_seconds: 100,
            log_lines: Vec::new(),
        },
    );
    let ecs = world.simulator.ecs();
    ecs.schedule(
        "prod",
        "shop",
        Duration::from_secs(95),
        Intervention::Delete,
    );
    let answer = world.deploy(parameters()).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "JobFailed");
    assert!(
        message.starts_with("shop on prod: the service is DRAINING now, not ACTIVE: nothing can be deployed to it. The pre-deploy task (container app) had run and succeeded"),
        "{message}"
    );
}

#[tokio::test]
async fn one_look_that_does_not_show_the_service_does_not_end_the_job() {
    let world = world();
    let start = world.start(parameters());
    let simulator = world.simulator.clone();
    // The first look after the task sees a state from before the service was made.
    world.simulator.on_call("RunTask", move || {
        simulator
            .faults()
            .stale("DescribeServices", Duration::from_hours(1), 1);
    });
    let answers = world.run(start).await;
    success(answers.last().unwrap());
}
