//! An event that is delivered again, whatever has become of the family meanwhile: one job makes at
//! most one revision and one deployment, and one that has failed makes none.

use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::observer::Unobserved;
use serde_json::{Value, json};
use simulator::ecs::{Intervention, ServiceSetup};
use simulator::{Answer, Call};

use crate::pre_deploy::{ends_with, parameters, world_with};
use crate::support::{World, app, failure, id_of, success};

fn reads(world: &World) -> usize {
    world.count("DescribeTaskDefinition") + world.count("ListTaskDefinitions")
}

/// A job that may not update its service: it fails, and its revision is deregistered.
async fn failed(world: &World) -> Value {
    let faults = world.simulator.faults();
    faults.deny("UpdateService");
    let start = world.start(json!({}));
    let answers = world.run(start.clone()).await;
    assert_eq!(failure(answers.last().unwrap()).0, "PermissionError");
    faults.lift("UpdateService");
    start
}

/// The same event once more: nothing is registered or deployed.
async fn delivered_again(world: &World, start: &Value) -> Value {
    let before = (world.revisions(), world.done("UpdateService"));
    world.simulator.codepipeline().open_job(start);
    let report = world.invoke(start).await;
    let after = (world.revisions(), world.done("UpdateService"));
    assert_eq!(before, after, "{report}");
    report
}

#[tokio::test]
async fn a_job_that_failed_deploys_nothing_when_its_event_comes_again_however_far_the_family_is() {
    for (ahead, since) in [(0, 0), (1, 0), (6, 0), (30, 0), (250, 0), (30, 5)] {
        let world = World::new();
        let ecs = world.simulator.ecs();
        // A family that dev and prod share: prod, which is `web`, is far behind.
        for _ in 0..ahead {
            ecs.register(app("repo/app:dev"));
        }
        let start = failed(&world).await;
        for _ in 0..since {
            ecs.register(app("repo/app:dev"));
        }
        world.simulator.clock().advance(Duration::from_hours(5));
        let report = delivered_again(&world, &start).await;
        assert!(
            report["message"].as_str().unwrap().contains(&format!(
                "this job has failed before; app:{}, which it had registered, was deregistered",
                ahead + 2
            )),
            "{ahead}, {since}: {report}"
        );
    }
}

#[tokio::test]
async fn a_family_whose_newest_is_old_costs_one_look_however_far_it_is_ahead() {
    let world = World::new();
    for _ in 0..40 {
        world.simulator.ecs().register(app("repo/app:dev"));
    }
    world.simulator.clock().advance(Duration::from_hours(48));
    world.invoke(&world.start(json!({}))).await;
    // Once more for the output variables at the end.
    assert!(reads(&world) <= 5, "{} reads", reads(&world));
    assert_eq!(world.revisions(), 42);
}

#[tokio::test]
async fn a_start_reads_task_definitions_four_times_at_most_where_the_newest_runs() {
    for (revisions, parameters) in [
        (1, json!({})),
        (20, json!({})),
        (20, json!({"BaseRevision": "latest"})),
    ] {
        let world = World::new();
        let ecs = world.simulator.ecs();
        for _ in 1..revisions {
            ecs.register(app("repo/app:v1"));
        }
        ecs.create_service(ServiceSetup {
            cluster: "prod".to_owned(),
            name: "shop".to_owned(),
            task_definition: format!("app:{revisions}"),
            ..ServiceSetup::default()
        });
        let mut parameters = parameters;
        parameters["ServiceName"] = json!("shop");
        let calls = |world: &World| -> Vec<Call> { world.simulator.calls() };
        world.invoke(&world.start(parameters)).await;
        let calls = calls(&world);
        let registered = calls
            .iter()
            .position(|call| call.operation == "RegisterTaskDefinition")
            .unwrap();
        let reads = calls[..registered].iter().filter(|call| {
            ["DescribeTaskDefinition", "ListTaskDefinitions"].contains(&call.operation.as_str())
        });
        let reads = reads.count();
        assert!(reads <= 4, "{reads} of {revisions}");
    }
}

#[tokio::test]
async fn a_start_that_cannot_read_one_of_the_revisions_does_not_go_on() {
    let throttled = |world: &World, operation: &str, after: usize| {
        world.simulator.faults().fail_after(
            operation,
            after,
            100,
            400,
            "ThrottlingException",
            "Rate exceeded",
        );
    };
    for (operation, after) in [
        ("ListTaskDefinitions", 0),
        ("ListTaskDefinitions", 1),
        ("DescribeTaskDefinition", 0),
        ("DescribeTaskDefinition", 1),
        ("DescribeTaskDefinition", 4),
    ] {
        let world = World::new();
        for _ in 0..12 {
            world.simulator.ecs().register(app("repo/app:dev"));
        }
        let start = failed(&world).await;
        let revisions = world.revisions();
        throttled(&world, operation, after);
        world.simulator.codepipeline().open_job(&start);
        let report = world.invoke(&start).await;
        let answer = world
            .simulator
            .codepipeline()
            .answer(&id_of(&start))
            .unwrap();
        // It waits.
        let Answer::Success {
            continuation_token: Some(_),
            summary: Some(summary),
            ..
        } = &answer
        else {
            unreachable!("{report}")
        };
        assert!(summary.contains("; waiting, "), "{summary}");
        assert_eq!(world.revisions(), revisions, "{operation} after {after}");
        assert_eq!(world.done("UpdateService"), 0);
    }
}

#[tokio::test]
async fn a_register_whose_answer_was_lost_is_found_however_many_others_have_registered_since() {
    for others in [1, 5, 30, 150] {
        let world = World::new();
        world
            .simulator
            .faults()
            .reset_after("RegisterTaskDefinition", 1);
        let simulator = world.simulator.clone();
        world.simulator.on_call("RegisterTaskDefinition", move || {
            let ecs = simulator.ecs();
            // The lost one is there when it is looked for.
            simulator.on_call("ListTaskDefinitions", move || {
                for _ in 0..others {
                    ecs.register(app("repo/app:other"));
                }
            });
        });
        let answer = world.deploy(json!({})).await;
        success(&answer);
        let ecs = world.simulator.ecs();
        let own = ecs.revisions("app").into_iter().filter(|arn| {
            let tags = ecs.task_definition(arn).unwrap()["tags"].to_string();
            tags.contains("ecs-deploy-action:job")
        });
        assert_eq!(own.count(), 1, "{others}");
    }
}

#[tokio::test]
async fn a_job_whose_service_others_have_deployed_since_deploys_nothing_when_it_comes_again() {
    let world = World::new();
    let start = world.start(json!({}));
    success(world.run(start.clone()).await.last().unwrap());
    // Later jobs of this function, and then somebody by hand.
    for image in ["repo/app:v3", "repo/app:v4", "repo/app:v5"] {
        world.put_images(&json!([{"name": "app", "imageUri": image}]).to_string());
        success(&world.deploy(json!({})).await);
    }
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#);
    let report = delivered_again(&world, &start).await;
    assert_eq!(report["outcome"], "Failed", "{report}");
    let runs = world.service()["taskDefinition"].clone();
    assert!(runs.as_str().unwrap().ends_with("app:5"), "{runs}");
}

#[tokio::test]
async fn a_second_revision_that_a_death_has_left_does_not_bring_a_failed_job_back() {
    let world = World::new();
    let start = failed(&world).await;
    // Two deliveries at once: the other had registered one as well, and died.
    let mut left = app("repo/app:v2");
    let tag = json!({"key": "ecs-deploy-action:job", "value": id_of(&start)});
    left["tags"].as_array_mut().unwrap().push(tag);
    world.simulator.ecs().register(left);
    let report = delivered_again(&world, &start).await;
    let message = report["message"].as_str().unwrap();
    assert!(
        message.contains("this job has failed before; app:2"),
        "{message}"
    );
}

#[tokio::test]
async fn who_cannot_see_whether_another_delivery_was_first_does_not_deploy() {
    let world = World::new();
    let ecs = world.simulator.ecs();
    let faults = world.simulator.faults();
    world.simulator.on_call("RegisterTaskDefinition", move || {
        ecs.register(app("repo/app:other"));
        faults.throttle("ListTaskDefinitions", 100);
    });
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "JobFailed");
    assert!(
        message.contains("app:3 is registered, and whether another delivery of this job has registered one before it cannot be seen; no service was changed"),
        "{message}"
    );
    assert_eq!(world.count("UpdateService"), 0);
    let active = world.simulator.ecs().active_revisions("app");
    assert_eq!(active.len(), 2, "its own is deregistered: {active:?}");
}

#[tokio::test]
async fn the_other_deliverys_failure_is_this_ones_too() {
    let world = World::new();
    let start = world.start(json!({}));
    let job = id_of(&start);
    let ecs = world.simulator.ecs();
    // The other delivery registers, fails and deregisters, all after this one has looked.
    world.simulator.on_call("RegisterTaskDefinition", move || {
        let mut own = app("repo/app:v2");
        let tag = json!({"key": "ecs-deploy-action:job", "value": job});
        own["tags"].as_array_mut().unwrap().push(tag);
        let arn = ecs.register(own);
        ecs.deregister(&arn);
    });
    let answers = world.run(start).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains("this job has failed before; app:2"),
        "{message}"
    );
    assert_eq!(world.count("UpdateService"), 0);
    assert_eq!(world.simulator.ecs().active_revisions("app").len(), 1);
}

#[tokio::test]
async fn a_hotfix_by_hand_in_between_does_not_hide_what_this_job_deployed() {
    let world = World::new();
    let start = world.start(json!({}));
    success(world.run(start.clone()).await.last().unwrap());
    let ecs = world.simulator.ecs();
    let hotfix = ecs.register(app("repo/app:hotfix"));
    let hotfix = Intervention::Deploy {
        task_definition: hotfix,
    };
    ecs.intervene("prod", "web", &hotfix);
    let report = delivered_again(&world, &start).await;
    assert_eq!(report["outcome"], "Failed", "{report}");
    let runs = world.service()["taskDefinition"].clone();
    assert!(runs.as_str().unwrap().ends_with("app:3"), "{runs}");
}

/// A job with a task before the deployment, which succeeds, and what may go wrong around it.
fn with_task() -> World {
    world_with(ServiceSetup::default(), ends_with(0))
}

#[tokio::test]
async fn a_job_that_failed_for_its_task_deploys_nothing_when_its_event_comes_again() {
    type Fault = fn(&World);
    let faults: [(&str, Fault); 2] = [
        ("could not be seen", |world| {
            let faults = world.simulator.faults();
            let denied = faults.clone();
            faults.after("RunTask", 1, move || denied.deny("DescribeTasks"));
        }),
        ("may have been started", |world| {
            world.simulator.faults().server_error("RunTask", 100);
        }),
    ];
    for (why, fault) in faults {
        let world = with_task();
        fault(&world);
        let start = world.start(parameters());
        let answer = world.run(start.clone()).await.pop().unwrap();
        assert!(failure(&answer).1.contains(why), "{answer:?}");
        // What was wrong has been put right since, and the task has ended well.
        world.simulator.faults().lift("DescribeTasks");
        world.simulator.clock().advance(Duration::from_mins(5));
        let report = delivered_again(&world, &start).await;
        assert_eq!(report["outcome"], "Failed", "{report}");
        assert!(
            report["message"]
                .as_str()
                .unwrap()
                .contains("has failed before"),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_continuation_that_comes_again_after_its_job_failed_deploys_nothing() {
    let world = World::around(with_task().simulator, Arc::new(Unobserved), Duration::ZERO);
    let start = world.start(parameters());
    world.invoke(&start).await;
    let next = world.simulator.codepipeline().next_event(&id_of(&start));
    let next = next.unwrap();
    world.simulator.clock().advance(Duration::from_mins(1));
    world.simulator.faults().deny("UpdateService");
    let answer = world.run(next.clone()).await.pop().unwrap();
    failure(&answer);
    world.simulator.faults().lift("UpdateService");
    let before = world.count("UpdateService");
    world.simulator.codepipeline().open_job(&next);
    let report = world.invoke(&next).await;
    assert_eq!(world.count("UpdateService"), before, "{report}");
    assert!(
        report["message"]
            .as_str()
            .unwrap()
            .contains("has failed before"),
        "{report}"
    );
}

#[tokio::test]
async fn what_cannot_be_seen_after_the_task_is_waited_for() {
    for operation in ["ListServiceDeployments", "DescribeServiceRevisions"] {
        let world = with_task();
        let faults = world.simulator.faults();
        let throttled = faults.clone();
        let all_tries_of_some_calls = 12;
        faults.after("RunTask", 1, move || {
            throttled.throttle(operation, all_tries_of_some_calls);
        });
        let answer = world.deploy(parameters()).await;
        let (summary, _) = success(&answer);
        assert!(
            summary.contains("app:3 is serving"),
            "{operation}: {summary}"
        );
        assert_eq!(world.done("UpdateService"), 1);
    }
}

#[tokio::test]
async fn a_job_deploys_nothing_again_however_often_its_service_was_deployed_since() {
    let world = World::new();
    let start = world.start(json!({}));
    success(world.run(start.clone()).await.last().unwrap());
    let ecs = world.simulator.ecs();
    for number in 0..25 {
        let task_definition = if number == 0 { "app:1" } else { "" };
        let what = if task_definition.is_empty() {
            Intervention::ForceNewDeployment
        } else {
            Intervention::Deploy {
                task_definition: task_definition.to_owned(),
            }
        };
        ecs.intervene("prod", "web", &what);
        world.simulator.clock().advance(Duration::from_mins(2));
    }
    delivered_again(&world, &start).await;
}

#[tokio::test]
async fn a_revision_that_another_delivery_registered_is_not_deployed_a_second_time() {
    let world = World::new();
    let start = world.start(json!({}));
    let faults = world.simulator.faults();
    faults.server_error("RegisterTaskDefinition", 1);
    // Meanwhile the other one registers, deploys, and is rolled back.
    let (ecs, job) = (world.simulator.ecs(), id_of(&start));
    faults.before("RegisterTaskDefinition", 1, move || {
        let mut own = app("repo/app:v2");
        own["tags"] = json!([{"key": "ecs-deploy-action:job", "value": job}]);
        ecs.register(own);
        for task_definition in ["app:2", "app:1"] {
            let task_definition = task_definition.to_owned();
            let deploy = Intervention::Deploy { task_definition };
            ecs.intervene("prod", "web", &deploy);
        }
    });
    let answer = world.run(start).await.pop().unwrap();
    failure(&answer);
    assert_eq!(world.count("UpdateService"), 0, "{answer:?}");
}
