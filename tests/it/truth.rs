//! What is reported is true: of a deployment that was complete and is not any more, of what a rollback
//! goes to, and of what cannot be seen.

use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::observer::Unobserved;
use serde_json::{Value, json};
use simulator::ecs::{Behaviour, Intervention, ServiceSetup, Strategy};
use simulator::{Answer, Simulator};

use crate::support::{World, app, failure, id_of, success};

/// Our deployment is complete by then, after its update.
const COMPLETE_SECONDS: u64 = 45;

fn deploy(task_definition: &str) -> Intervention {
    Intervention::Deploy {
        task_definition: task_definition.to_owned(),
    }
}

/// `web` on `prod` runs `app:3`; each invocation looks once, half a minute after the one before.
fn world_that_looks_seldom(knows_service_deployments: bool) -> World {
    let simulator = Simulator::start();
    for version in ["v0", "v1", "v1.1"] {
        simulator
            .ecs()
            .register(app(&format!("repo/app:{version}")));
    }
    simulator.ecs().create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "web".to_owned(),
        task_definition: "app:3".to_owned(),
        ..ServiceSetup::default()
    });
    simulator
        .ecs()
        .set_service_deployments_known(knows_service_deployments);
    let world = World::around(simulator, Arc::new(Unobserved), Duration::ZERO);
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#);
    world
}

fn set_to(world: &World) -> String {
    let service = world.service();
    let arn = service["taskDefinition"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_deployment_that_was_complete_and_that_another_one_has_replaced_is_a_failure() {
    for known in [true, false] {
        let world = world_that_looks_seldom(known);
        world.simulator.ecs().register(app("repo/app:hotfix"));
        let soon = Duration::from_secs(COMPLETE_SECONDS);
        let ecs = world.simulator.ecs();
        ecs.on_update("prod", "web", soon, deploy("app:4"));
        let answer = world.deploy(json!({})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "JobFailed");
        assert!(
            message.starts_with("web on prod: app:5 was complete, and another deployment has taken its place since (app:4, ecs-svc/"),
            "service deployments known: {known}: {message}"
        );
        assert_eq!(set_to(&world), "app:4", "it is left alone");
        assert_eq!(world.done("UpdateService"), 1);
        assert_eq!(world.count("StopServiceDeployment"), 0);
    }
}

#[tokio::test]
async fn a_deployment_that_was_complete_and_is_set_back_is_a_failure_whichever_revision_that_is() {
    for known in [true, false] {
        for back_to in ["app:1", "app:2", "app:3"] {
            let world = world_that_looks_seldom(known);
            let soon = Duration::from_secs(COMPLETE_SECONDS);
            let ecs = world.simulator.ecs();
            ecs.on_update("prod", "web", soon, deploy(back_to));
            let answer = world.deploy(json!({})).await;
            let (kind, message) = failure(&answer);
            assert_eq!(kind, "JobFailed", "{back_to}, {known}");
            assert!(message.contains("was complete"), "{known}: {message}");
            assert!(message.contains(back_to), "{known}: {message}");
            assert!(message.contains("ecs-svc/"), "by whom: {message}");
            assert_eq!(set_to(&world), back_to, "it is left alone");
            assert_eq!(world.done("UpdateService"), 1);
        }
    }
}

#[tokio::test]
async fn our_revision_deployed_anew_by_somebody_after_ours_was_complete_is_not_our_success() {
    for known in [true, false] {
        let world = world_that_looks_seldom(known);
        let soon = Duration::from_secs(COMPLETE_SECONDS);
        let ecs = world.simulator.ecs();
        ecs.on_update("prod", "web", soon, Intervention::ForceNewDeployment);
        let answer = world.deploy(json!({})).await;
        let (_, message) = failure(&answer);
        assert!(message.contains("was complete"), "{known}: {message}");
    }
}

#[tokio::test]
async fn a_late_answer_beside_a_successful_service_deployment_is_no_rollback() {
    let world = World::with_service(ServiceSetup::default());
    // Long enough for the look at its end to be more than a minute after the update.
    let slow = Behaviour::Healthy { start_seconds: 70 };
    world.simulator.ecs().image("v2", slow);
    let world = World::around(world.simulator, Arc::new(Unobserved), Duration::ZERO);
    let mut event = world.start(json!({}));
    let mut answers = Vec::new();
    let mut late = None;
    for _ in 0..20 {
        let deployments = world.simulator.ecs().service_deployments("prod", "web");
        if late.is_none() && deployments.len() > 1 && deployments[0]["status"] == "SUCCESSFUL" {
            late = Some(answers.len());
            // DescribeServices, the first read of a look, shows the state before the update, once.
            world.simulator.faults().stale_reads(1, 1);
        }
        world.invoke(&event).await;
        let job = id_of(&event);
        answers.push(world.simulator.codepipeline().answer(&job).unwrap());
        match world.simulator.codepipeline().next_event(&job) {
            Some(next) => event = next,
            None => break,
        }
        world.simulator.clock().advance(Duration::from_secs(20));
    }
    let late = &answers[late.unwrap()];
    let goes_on = matches!(
        late,
        Answer::Success {
            continuation_token: Some(_),
            ..
        }
    );
    assert!(goes_on, "a late answer is looked at again: {late:?}");
    success(answers.last().unwrap());
}

#[tokio::test]
async fn with_a_desired_count_of_zero_a_strategy_with_stages_is_judged_by_its_service_deployment() {
    for strategy in [Strategy::BlueGreen, Strategy::Linear, Strategy::Canary] {
        let world = World::with_service(ServiceSetup {
            strategy,
            desired_count: 0,
            bake_minutes: 5,
            ..ServiceSetup::default()
        });
        let stopped = Intervention::StopDeployment;
        let before_its_end = Duration::from_mins(2);
        let ecs = world.simulator.ecs();
        ecs.on_update("prod", "web", before_its_end, stopped);
        let answer = world.deploy(json!({})).await;
        let (_, message) = failure(&answer);
        assert!(message.contains("app:2 failed"), "{strategy:?}: {message}");
    }
}

/// The service is set to `app:2` by somebody whose deployment never comes up.
fn world_left_broken(knows_service_deployments: bool) -> World {
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.register(app("repo/app:broken"));
    ecs.image("broken", Behaviour::StuckPending);
    ecs.set_service_deployments_known(knows_service_deployments);
    ecs.intervene("prod", "web", &deploy("app:2"));
    world.simulator.clock().advance(Duration::from_mins(5));
    world
}

#[tokio::test]
async fn a_rollback_goes_to_what_served_and_not_to_what_the_service_was_left_at() {
    for known in [true, false] {
        let world = world_left_broken(known);
        world.simulator.ecs().image("v2", Behaviour::StuckPending);
        let start = world.start(json!({"DeploymentTimeout": 3}));
        let report = world.invoke(&start).await;
        let warnings = report["warnings"].to_string();
        assert!(
            warnings.contains("the service was set to app:2, whose deployment is not complete; app:1 is the newest that was, and a rollback goes to it"),
            "{warnings}"
        );
        let next = world.simulator.codepipeline().next_event(&id_of(&start));
        let answer = world.run(next.unwrap()).await.pop().unwrap();
        let (_, message) = failure(&answer);
        assert!(
            message.contains("Rolled back: app:1 is serving, 2 of 2 tasks."),
            "service deployments known: {known}: {message}"
        );
        assert_eq!(set_to(&world), "app:1");
    }
}

/// Somebody deploys `app:2` a second after now; the function's first attempt at `operation` is
/// throttled, and it waits two seconds before the next.
fn hotfix_meanwhile(world: &World, operation: &str) {
    let ecs = world.simulator.ecs();
    ecs.register(app("repo/app:hotfix"));
    ecs.schedule("prod", "web", Duration::from_secs(1), deploy("app:2"));
    world.simulator.faults().throttle(operation, 1);
}

#[tokio::test]
async fn what_was_deployed_between_the_look_and_the_update_is_what_a_rollback_goes_to() {
    let world = World::new();
    hotfix_meanwhile(&world, "UpdateService");
    world.simulator.ecs().set_service_deployments_known(false);
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let answer = world.deploy(json!({"DeploymentTimeout": 3})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("It had replaced app:2, which somebody else deployed between the checks and this deployment."),
        "{message}"
    );
    assert_eq!(
        set_to(&world),
        "app:2",
        "the hotfix, not what was before it"
    );
}

#[tokio::test]
async fn a_success_says_what_it_has_overwritten_unseen() {
    let world = World::new();
    hotfix_meanwhile(&world, "UpdateService");
    let answer = world.deploy(json!({})).await;
    let (summary, variables) = success(&answer);
    assert!(
        summary.contains("app:3 is serving, 2 tasks")
            && summary.contains("It had replaced app:2, which somebody else deployed"),
        "{summary}"
    );
    assert!(variables["PreviousTaskDefinitionArn"].ends_with("/app:2"));
}

#[tokio::test]
async fn after_checks_that_took_long_the_service_is_looked_at_again_before_it_is_set() {
    let world = World::new();
    hotfix_meanwhile(&world, "RegisterTaskDefinition");
    world
        .simulator
        .faults()
        .throttle("RegisterTaskDefinition", 1);
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("it was set to app:2 by somebody else"),
        "{message}"
    );
    assert_eq!(world.count("UpdateService"), 0);
    assert_eq!(set_to(&world), "app:2");
}

#[tokio::test]
async fn a_feature_that_is_not_supported_is_no_bad_weather() {
    for code in ["UnsupportedFeatureException", "InvalidParameterException"] {
        let world = World::new();
        let faults = world.simulator.faults();
        faults.fail("ListServiceDeployments", 1000, 400, code, "Not here.");
        let answer = world.deploy(json!({})).await;
        let (summary, _) = success(&answer);
        assert!(summary.contains("app:2 is serving"), "{code}: {summary}");
    }
}

#[tokio::test]
async fn a_service_whose_arn_does_not_name_its_cluster_is_followed_and_rolled_back() {
    let world = World::with_service(ServiceSetup {
        short_arn: true,
        ..ServiceSetup::default()
    });
    let world = World::around(world.simulator, Arc::new(Unobserved), Duration::ZERO);
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#);
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let answer = world.deploy(json!({"DeploymentTimeout": 3})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Rolled back: app:1 is serving, 2 of 2 tasks."),
        "{message}"
    );
    for operation in ["DescribeServiceDeployments", "StopServiceDeployment"] {
        let calls = world.simulator.calls_of(operation);
        assert!(!calls.is_empty(), "{operation}");
        for call in calls {
            let arns = call.request.to_string();
            assert!(arns.contains(":service-deployment/prod/web/"), "{arns}");
        }
    }
}

#[tokio::test]
async fn our_service_deployment_is_found_also_when_it_is_not_the_current_one_any_more() {
    let world = world_that_looks_seldom(true);
    let soon = Duration::from_secs(COMPLETE_SECONDS);
    let ecs = world.simulator.ecs();
    ecs.on_update("prod", "web", soon, deploy("app:3"));
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("web on prod: app:4 failed: it was complete, and the service has been set back since (ecs-svc/"),
        "{message}"
    );
}

#[tokio::test]
async fn a_rollback_after_an_update_whose_answer_was_lost_goes_to_what_served_as_well() {
    let world = world_left_broken(false);
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let faults = world.simulator.faults();
    // Its answer is lost, and so are those that would tell what came of it.
    faults.reset_after("UpdateService", 1);
    let answer = world.deploy(json!({"DeploymentTimeout": 3})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Rolled back: app:1 is serving, 2 of 2 tasks."),
        "{message}"
    );
}

/// The next answers of `operation`, so many, show nothing of what was asked for.
fn show_nothing(world: &World, operation: &str, times: usize, failures: &Value) {
    for nth in 1..=times {
        let failures = failures.clone();
        let faults = world.simulator.faults();
        faults.mutate(operation, nth, move |answer| {
            for member in ["services", "serviceDeployments", "serviceRevisions"] {
                if answer.get(member).is_some() {
                    answer[member] = json!([]);
                }
            }
            answer["failures"] = failures;
        });
    }
}

/// The first invocation of a deployment whose tasks take a while; the event of the second.
async fn under_way(world: &World) -> Value {
    let slow = Behaviour::Healthy { start_seconds: 100 };
    world.simulator.ecs().image("v2", slow);
    let start = world.start(json!({}));
    world.invoke(&start).await;
    let pipeline = world.simulator.codepipeline();
    pipeline.next_event(&id_of(&start)).unwrap()
}

#[tokio::test]
async fn a_service_that_one_look_does_not_show_is_looked_at_again_before_the_job_ends() {
    let missing = json!([{"arn": "arn:aws:ecs:x", "reason": "MISSING"}]);
    for watch in [Duration::ZERO, Duration::from_secs(40)] {
        for (failures, times) in [(&missing, 1), (&json!([]), 1), (&json!([]), 4)] {
            let world = World::new();
            let world = World::around(world.simulator, Arc::new(Unobserved), watch);
            let next = under_way(&world).await;
            show_nothing(&world, "DescribeServices", times, failures);
            let answer = world.run(next).await.pop().unwrap();
            let (summary, _) = success(&answer);
            assert!(summary.contains("app:2 is serving"), "{summary}");
        }
    }
}

#[tokio::test]
async fn a_service_that_two_looks_running_do_not_show_has_gone_away() {
    for watch in [Duration::ZERO, Duration::from_secs(40)] {
        let world = World::new();
        let world = World::around(world.simulator, Arc::new(Unobserved), watch);
        let next = under_way(&world).await;
        let missing = json!([{"arn": "arn:aws:ecs:x", "reason": "MISSING"}]);
        show_nothing(&world, "DescribeServices", 2, &missing);
        let answer = world.run(next).await.pop().unwrap();
        let (_, message) = failure(&answer);
        assert!(message.contains("its status is MISSING"), "{message}");
    }
}

#[tokio::test]
async fn a_service_revision_that_is_not_shown_lets_no_job_deploy_twice() {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let start = world.start(json!({"DeploymentTimeout": 1}));
    world.run(start.clone()).await;
    let before = world.done("UpdateService");
    // The same event once more, and nobody tells what the service deployments brought.
    for failures in [json!([]), json!([{"arn": "a", "reason": "INTERNAL"}])] {
        show_nothing(&world, "DescribeServiceRevisions", 2, &failures);
        world.invoke(&start).await;
        assert_eq!(world.done("UpdateService"), before, "{failures}");
    }
}

#[tokio::test]
async fn what_somebody_deploys_at_the_very_moment_of_our_update_is_named() {
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.register(app("repo/app:hotfix"));
    let faults = world.simulator.faults();
    let hotfix = ecs.clone();
    faults.before("UpdateService", 1, move || {
        hotfix.intervene("prod", "web", &deploy("app:2"));
    });
    let (summary, _) = {
        let answer = world.deploy(json!({})).await;
        let (summary, variables) = success(&answer);
        (summary.to_owned(), variables.clone())
    };
    assert!(summary.contains("It had replaced app:2"), "{summary}");
}

#[tokio::test]
async fn an_update_of_a_strategy_with_stages_that_looks_complete_at_once_is_no_success() {
    for strategy in [Strategy::BlueGreen, Strategy::Linear, Strategy::Canary] {
        for state in [json!("COMPLETED"), Value::Null] {
            let world = World::with_service(ServiceSetup {
                strategy,
                desired_count: 0,
                bake_minutes: 5,
                ..ServiceSetup::default()
            });
            let ecs = world.simulator.ecs();
            let stopped = Intervention::StopDeployment;
            ecs.on_update("prod", "web", Duration::from_mins(2), stopped);
            for operation in ["UpdateService", "DescribeServices"] {
                for nth in 1..=3 {
                    let state = state.clone();
                    world
                        .simulator
                        .faults()
                        .mutate(operation, nth, move |answer| {
                            let shown = answer.get("service").is_some();
                            let service = if shown {
                                &mut answer["service"]
                            } else {
                                &mut answer["services"][0]
                            };
                            let deployments = service["deployments"].as_array_mut().unwrap();
                            deployments.retain(|one| one["status"] == "PRIMARY");
                            let primary = deployments[0].as_object_mut().unwrap();
                            primary.remove("rolloutState");
                            if state.is_string() {
                                primary.insert("rolloutState".to_owned(), state);
                            }
                        });
                }
            }
            let answer = world.deploy(json!({})).await;
            let (_, message) = failure(&answer);
            assert!(message.contains("app:2 failed"), "{strategy:?}: {message}");
        }
    }
}

#[tokio::test]
async fn a_hotfix_that_comes_while_a_rollback_is_throttled_is_left_alone() {
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.set_service_deployments_known(false);
    ecs.image("v2", Behaviour::StuckPending);
    ecs.register(app("repo/app:hotfix"));
    let faults = world.simulator.faults();
    // The first sets the service to our revision, the second is to set it back.
    faults.fail_after(
        "UpdateService",
        1,
        1,
        400,
        "ThrottlingException",
        "Rate exceeded",
    );
    let hotfix = ecs.clone();
    faults.before("UpdateService", 2, move || {
        hotfix.schedule("prod", "web", Duration::from_secs(1), deploy("app:2"));
    });
    let answer = world.deploy(json!({"DeploymentTimeout": 3})).await;
    let (_, message) = failure(&answer);
    assert_eq!(set_to(&world), "app:2", "{message}");
    assert_eq!(world.done("UpdateService"), 1, "{message}");
    assert!(message.contains("app:2"), "{message}");
}

#[tokio::test]
async fn what_served_and_cannot_be_seen_is_a_warning_before_a_rollback_needs_it() {
    let world = world_left_broken(true);
    let faults = world.simulator.faults();
    // No completed deployment is listed any more, and the one before cannot be asked for.
    faults.mutate("DescribeServices", 1, |answer| {
        let deployments = answer["services"][0]["deployments"].as_array_mut();
        deployments
            .unwrap()
            .retain(|one| one["rolloutState"] != "COMPLETED");
    });
    // The first shows what is under way.
    let code = "ThrottlingException";
    faults.fail_after("ListServiceDeployments", 1, 4, 400, code, "Rate exceeded");
    let report = world.invoke(&world.start(json!({}))).await;
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("the service was set to app:2, whose deployment is not complete")
            && warnings.contains("could not be seen"),
        "{report}"
    );
}

#[tokio::test]
async fn where_what_ran_before_is_not_known_a_service_that_is_set_back_is_no_success_either() {
    let world = world_that_looks_seldom(false);
    let start = world.start(json!({}));
    world.invoke(&start).await;
    // Nothing but our deployment is listed by then, and the event comes again.
    world.simulator.clock().advance(Duration::from_mins(10));
    world.simulator.codepipeline().open_job(&start);
    let set_back = {
        let ecs = world.simulator.ecs().clone();
        move || ecs.intervene("prod", "web", &deploy("app:3"))
    };
    // The start looks first, then the rollout is looked at.
    let faults = world.simulator.faults();
    faults.before("DescribeServices", 2, set_back);
    let report = world.invoke(&start).await;
    assert_eq!(
        report["services"][0]["previousRevision"],
        Value::Null,
        "what ran before is not known: {report}"
    );
    let answer = world.simulator.codepipeline().answer(&id_of(&start));
    let (kind, message) = failure(answer.as_ref().unwrap());
    assert_eq!(kind, "JobFailed");
    assert!(
        message.starts_with("web on prod: app:4 was complete, and another deployment has taken its place since (app:3, ecs-svc/"),
        "{message}"
    );
    assert_eq!(set_to(&world), "app:3", "it is left alone");
}
