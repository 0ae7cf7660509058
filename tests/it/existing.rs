//! A revision that there is already, deployed as it is: `TaskDefinition`.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, Intervention, ServiceSetup, Strategy};

use crate::death::{Delivery, each_death, until_death};
use crate::support::{World, app, deliver, ends, failure, finish, service_of, start_bare, success};

const A_WHILE: Duration = Duration::from_mins(10);

/// `web` ran `app:1`, and runs `app:2` since; both were deployed so long ago.
fn world(setup: ServiceSetup, since: Duration) -> World {
    let world = World::with_service(setup);
    world.simulator.clock().advance(since);
    let ecs = world.simulator.ecs();
    let task_definition = ecs.register(app("repo/app:v2"));
    ecs.intervene("prod", "web", &Intervention::Deploy { task_definition });
    for _ in 0..300 {
        world.simulator.clock().advance(Duration::from_secs(5));
        let shown = world.service();
        if shown["deployments"].as_array().unwrap().len() == 1 {
            world.simulator.clock().advance(since);
            world.simulator.clear_calls();
            return world;
        }
    }
    unreachable!("app:2 is never complete");
}

fn runs(world: &World) -> String {
    let shown = world.service();
    let arn = shown["taskDefinition"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_revision_that_there_is_is_deployed_as_it_is_without_artifact_and_registration() {
    let world = world(ServiceSetup::default(), A_WHILE);
    for name in [
        "app:1",
        "arn:aws:ecs:eu-central-1:111122223333:task-definition/app:2",
    ] {
        world.simulator.clear_calls();
        let before = runs(&world);
        let answers = world
            .run(start_bare(&world, &json!({"TaskDefinition": name})))
            .await;
        let (summary, variables) = success(answers.last().unwrap());
        let short = name.rsplit('/').next().unwrap();
        assert!(
            summary.contains(&format!("web on prod: {short} is serving, 2 tasks")),
            "{summary}"
        );
        assert_eq!(runs(&world), short);
        assert!(variables["TaskDefinitionArn"].ends_with(short));
        assert!(variables["PreviousTaskDefinitionArn"].ends_with(&before));
        assert_eq!(
            (
                world.count("RegisterTaskDefinition"),
                world.done("UpdateService")
            ),
            (0, 1)
        );
        assert_eq!(
            world.count("GetObject") + world.count("DeregisterTaskDefinition"),
            0
        );
        world.simulator.clock().advance(A_WHILE);
    }
}

#[tokio::test]
async fn previous_is_what_the_newest_completed_deployment_of_another_revision_brought() {
    let world = world(ServiceSetup::default(), A_WHILE);
    let ecs = world.simulator.ecs();
    // A deployment of the same revision, and one that failed, are no way back.
    ecs.intervene("prod", "web", &Intervention::ForceNewDeployment);
    world.simulator.clock().advance(Duration::from_mins(10));
    let answers = world
        .run(start_bare(&world, &json!({"TaskDefinition": "previous"})))
        .await;
    let Answer::Success { summary, .. } = &answers[0] else {
        unreachable!("{answers:?}");
    };
    let summary = summary.as_deref().unwrap();
    assert!(
        summary.contains(
            "web on prod: app:1 was chosen (TaskDefinition is previous) and is deployed next"
        ),
        "{summary}"
    );
    let (summary, _) = success(answers.last().unwrap());
    assert!(summary.contains("app:1 is serving"), "{summary}");
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn by_hand_it_takes_one_invocation_and_no_images() {
    for wanted in ["previous", "app:1"] {
        let world = world(ServiceSetup::default(), A_WHILE);
        let report = world
            .invoke(&json!({"ClusterName": "prod", "ServiceName": "web", "TaskDefinition": wanted}))
            .await;
        assert_eq!(report["outcome"], "Succeeded", "{report}");
        assert_eq!(runs(&world), "app:1");
        assert_eq!(report["services"][0]["previousRevision"], "app:2");
    }
}

#[tokio::test]
async fn what_the_service_is_set_to_already_is_followed_and_not_deployed_again() {
    let world = world(ServiceSetup::default(), A_WHILE);
    let answers = world
        .run(start_bare(&world, &json!({"TaskDefinition": "app:2"})))
        .await;
    let (summary, _) = success(answers.last().unwrap());
    assert!(summary.contains("app:2 is serving, 2 tasks"), "{summary}");
    assert_eq!(world.count("UpdateService"), 0);
    // Somebody has deployed since: its event, when it comes again, does not deploy over that.
    let ecs = world.simulator.ecs();
    let task_definition = ecs.register(app("repo/app:v3"));
    ecs.intervene("prod", "web", &Intervention::Deploy { task_definition });
    world.simulator.clock().advance(Duration::from_mins(5));
    for event in events_of(&world) {
        deliver(&world, &event).await;
    }
    assert_eq!(
        (runs(&world), world.count("UpdateService")),
        ("app:3".to_owned(), 0)
    );
}

/// Every event of every job so far.
fn events_of(world: &World) -> Vec<Value> {
    let answers = world.simulator.codepipeline().answers();
    answers
        .iter()
        .filter_map(|(job, _)| world.simulator.codepipeline().next_event(job))
        .collect()
}

#[tokio::test]
async fn whether_it_was_deployed_must_be_seen_in_a_pipeline_before_it_is() {
    for unsupported in [false, true] {
        let world = world(ServiceSetup::default(), A_WHILE);
        if unsupported {
            world.simulator.ecs().set_service_deployments_known(false);
            world.simulator.faults().fail(
                "ListServiceDeployments",
                1000,
                400,
                "UnsupportedFeatureException",
                "not here",
            );
        } else {
            world.simulator.faults().deny("ListServiceDeployments");
        }
        let answers = world
            .run(start_bare(&world, &json!({"TaskDefinition": "app:1"})))
            .await;
        let (_, message) = failure(answers.last().unwrap());
        assert!(message.contains("ecs:ListServiceDeployments"), "{message}");
        assert_eq!((answers.len(), world.count("UpdateService")), (1, 0));
        // By hand nobody delivers it again.
        let report = world
            .invoke(
                &json!({"ClusterName": "prod", "ServiceName": "web", "TaskDefinition": "app:1"}),
            )
            .await;
        assert_eq!(report["outcome"], "Succeeded", "{report}");
    }
}

#[tokio::test]
async fn previous_once_more_does_not_undo_the_way_back_that_is_under_way() {
    let world = world(ServiceSetup::default(), A_WHILE);
    let slow = Behaviour::Healthy { start_seconds: 600 };
    world.simulator.ecs().image("v1", slow);
    let by_hand =
        json!({"ClusterName": "prod", "ServiceName": "web", "TaskDefinition": "previous"});
    let report = world.invoke(&by_hand).await;
    assert_eq!(report["outcome"], "InProgress", "{report}");
    let report = world.invoke(&by_hand).await;
    assert_eq!(report["outcome"], "Failed", "{report}");
    let message = report["message"].as_str().unwrap();
    assert!(
        message.contains("app:1 is being deployed at the moment")
            && message.contains("app:2, which is newer"),
        "{message}"
    );
    assert_eq!(
        (runs(&world), world.done("UpdateService")),
        ("app:1".to_owned(), 1)
    );
}

#[tokio::test]
async fn somebody_elses_deployment_of_the_same_revision_is_somebody_elses() {
    let world = world(ServiceSetup::default(), A_WHILE);
    let ecs = world.simulator.ecs();
    ecs.image("v1", Behaviour::Healthy { start_seconds: 300 });
    let task_definition = "app:1".to_owned();
    ecs.intervene("prod", "web", &Intervention::Deploy { task_definition });
    world.simulator.clock().advance(Duration::from_secs(10));
    let parameters = json!({"TaskDefinition": "app:1", "IfDeploying": "Fail"});
    let answers = world.run(start_bare(&world, &parameters)).await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "JobFailed");
    assert!(message.contains("is under way (app:1"), "{message}");
}

#[tokio::test]
async fn what_others_have_deployed_while_it_waited_to_choose_is_not_this_jobs() {
    let world = world(ServiceSetup::default(), A_WHILE);
    let ecs = world.simulator.ecs();
    ecs.image("slow", Behaviour::Healthy { start_seconds: 400 });
    let slow = ecs.register(app("repo/app:slow"));
    let deploy = |task_definition: String| Intervention::Deploy { task_definition };
    ecs.intervene("prod", "web", &deploy(slow.clone()));
    world.simulator.clock().advance(Duration::from_secs(10));
    let parameters = json!({"TaskDefinition": "app:1", "IfDeploying": "Wait"});
    let event = start_bare(&world, &parameters);
    world.invoke(&event).await;
    // Meanwhile it is deployed, and something else after it.
    for other in ["app:1".to_owned(), slow] {
        ecs.intervene("prod", "web", &deploy(other));
        world.simulator.clock().advance(Duration::from_mins(1));
    }
    finish(&world, event).await;
    let answers = world.simulator.codepipeline().answers();
    let (summary, _) = success(&answers.last().unwrap().1);
    assert!(summary.contains("app:1 is serving"), "{summary}");
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn after_a_task_a_deployment_that_was_rolled_back_is_not_made_again_by_its_event() {
    let setup = ServiceSetup {
        circuit_breaker: Some(true),
        ..ServiceSetup::default()
    };
    let world = world(setup, A_WHILE);
    let ecs = world.simulator.ecs();
    let exits = |exit_code, after_seconds| Behaviour::Crash {
        exit_code,
        after_seconds,
        log_lines: Vec::new(),
    };
    ecs.command("migrate", exits(0, 20));
    ecs.image("v1", exits(3, 2));
    let parameters = json!({"TaskDefinition": "app:1",
        "PreDeployTask": {"Container": "app", "Command": ["migrate"]}});
    let answers = world.run(start_bare(&world, &parameters)).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(message.contains("app:1 failed"), "{message}");
    let before = (
        world.done("UpdateService"),
        world.simulator.ecs().tasks_run().len(),
    );
    for event in events_of(&world) {
        deliver(&world, &event).await;
    }
    let after = (
        world.done("UpdateService"),
        world.simulator.ecs().tasks_run().len(),
    );
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_revision_that_cannot_be_deployed_is_refused_before_anything_is_changed() {
    let world = world(ServiceSetup::default(), A_WHILE);
    let ecs = world.simulator.ecs();
    let mut other = app("repo/other:v1");
    other["family"] = json!("other");
    ecs.register(other);
    ecs.register(app("repo/app:gone"));
    ecs.deregister("app:3");
    for (parameters, expected) in [
        (
            json!({"TaskDefinition": "app:3"}),
            "web on prod: app:3 is INACTIVE, and ECS starts nothing new from it",
        ),
        (
            json!({"TaskDefinition": "app:77"}),
            "web on prod: there is no revision app:77",
        ),
        (
            json!({"TaskDefinition": "other:1"}),
            "web on prod: TaskDefinition is other:1, and the service runs app:2, of another family",
        ),
        (
            json!({"TaskDefinition": "app"}),
            "TaskDefinition is \"app\": expected a revision, as app:41 or its ARN, or previous",
        ),
        (
            json!({"TaskDefinition": "app:#{variables.N}"}),
            "a variable in it was not resolved",
        ),
        (
            json!({"TaskDefinition": "app:1", "PinDigests": true, "BaseRevision": "latest", "FileName": "x.json"}),
            "TaskDefinition deploys a revision as it is, and FileName, BaseRevision and PinDigests are for one that is made",
        ),
        (
            json!({"TaskDefinition": "arn:aws:ecs:us-east-1:111122223333:task-definition/app:1", "Region": "eu-central-1"}),
            "TaskDefinition is an ARN of the Region 'us-east-1', but Region is 'eu-central-1'",
        ),
    ] {
        let answers = world.run(start_bare(&world, &parameters)).await;
        let (kind, message) = failure(answers.last().unwrap());
        assert_eq!(kind, "ConfigurationError", "{message}");
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(world.count("UpdateService"), 0);
}

#[tokio::test]
async fn a_service_that_was_deployed_once_has_no_previous_revision() {
    let world = World::new();
    let answers = world
        .run(start_bare(&world, &json!({"TaskDefinition": "previous"})))
        .await;
    let (kind, message) = failure(answers.last().unwrap());
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message
            .contains("ECS lists no completed deployment that brought another revision than app:1")
            && message.contains("name the revision, as app:1"),
        "{message}"
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_deployed_and_changes_nothing() {
    let world = world(ServiceSetup::default(), A_WHILE);
    let report = world
        .invoke(&json!({"ClusterName": "prod", "ServiceName": "web", "TaskDefinition": "previous", "DryRun": true}))
        .await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    let message = report["message"].as_str().unwrap();
    assert!(
        message.contains("app:1 would be deployed as it is"),
        "{message}"
    );
    let calls = report["plan"]["calls"].to_string();
    assert!(
        calls.contains("ecs:UpdateService: web on prod from app:2 to app:1")
            && !calls.contains("RegisterTaskDefinition"),
        "{calls}"
    );
    assert_eq!(world.count("UpdateService"), 0);
}

/// What is delivered after a death.
const DELIVERIES: [Delivery; 3] = [Delivery::Same, Delivery::Next, Delivery::Both];

/// Dies after each call of a deployment of `wanted`; what is delivered then makes one deployment, and its event, when it
/// comes again later, none.
async fn sweep(
    wanted: &str,
    setup: fn() -> ServiceSetup,
    image: Option<Behaviour>,
    deliveries: &[Delivery],
    end: &str,
) {
    each_death(deliveries, 8, async |calls, delivery| {
        let context = format!("{wanted}: died after call {calls}, then {delivery:?}");
        let world = world(setup(), A_WHILE);
        if let Some(image) = &image {
            world.simulator.ecs().image("v1", image.clone());
        }
        let start = start_bare(&world, &json!({"TaskDefinition": wanted}));
        let death = until_death(&world, &start, calls).await?;
        death.then(&world, delivery).await;
        let answers = world.simulator.codepipeline().answers();
        let ends = ends(&answers);
        assert_eq!(ends.len(), 1, "{context}: {ends:?}");
        let said = format!("{:?}", ends[0]);
        assert!(said.contains(end), "{context}: {said}");
        let ecs = world.simulator.ecs();
        let arn = world.service()["taskDefinition"].to_string();
        let own = ecs.deployments_of("prod", "web", "app:1");
        // The first is from before.
        assert_eq!(own, 2, "{context}: {arn}");
        assert_eq!(world.done("RegisterTaskDefinition"), 0, "{context}");
        assert_eq!(world.done("DeregisterTaskDefinition"), 0, "{context}");
        for later in [Duration::ZERO, Duration::from_hours(5)] {
            world.simulator.clock().advance(later);
            let updated = world.done("UpdateService");
            deliver(&world, &start).await;
            deliver(&world, &death.event).await;
            assert_eq!(
                world.done("UpdateService"),
                updated,
                "{context}: comes again after {later:?}"
            );
        }
        Some(death.was_answered())
    })
    .await;
}

#[tokio::test]
async fn wherever_a_deployment_of_what_there_is_dies_it_is_one_deployment_and_succeeds_once() {
    let end = "app:1 is serving, 2 tasks";
    // What differs between the two is the start: what comes after a token is the same.
    sweep("app:1", ServiceSetup::default, None, &[Delivery::Same], end).await;
    sweep("previous", ServiceSetup::default, None, &DELIVERIES, end).await;
}

#[tokio::test]
async fn wherever_a_blue_green_deployment_of_what_there_is_dies_it_is_one_deployment() {
    let blue_green = || ServiceSetup {
        strategy: Strategy::BlueGreen,
        ..ServiceSetup::default()
    };
    let end = "app:1 is serving, 2 tasks";
    sweep(
        "previous",
        blue_green,
        None,
        &[Delivery::Same, Delivery::Next],
        end,
    )
    .await;
}

fn breaker(rolls_back: bool) -> ServiceSetup {
    ServiceSetup {
        circuit_breaker: Some(rolls_back),
        ..ServiceSetup::default()
    }
}

#[tokio::test]
async fn wherever_one_dies_that_fails_it_is_rolled_back_and_its_event_deploys_nothing_again() {
    let crash = Behaviour::Crash {
        exit_code: 3,
        after_seconds: 2,
        log_lines: Vec::new(),
    };
    let end = "app:1 failed: container app exited with code 3";
    let crash = Some(crash);
    sweep(
        "previous",
        || breaker(false),
        crash.clone(),
        &DELIVERIES,
        end,
    )
    .await;
    sweep("app:1", || breaker(true), crash, &[Delivery::Same], end).await;
}

#[tokio::test]
async fn a_blue_green_deployment_of_a_revision_that_was_deployed_before_is_told_from_the_earlier_one()
 {
    let world = world(
        ServiceSetup {
            strategy: Strategy::BlueGreen,
            ..ServiceSetup::default()
        },
        Duration::from_mins(5),
    );
    world
        .simulator
        .ecs()
        .image("v1", Behaviour::Healthy { start_seconds: 200 });
    let answers = world
        .run(start_bare(&world, &json!({"TaskDefinition": "app:1"})))
        .await;
    let (summary, variables) = success(answers.last().unwrap());
    assert!(summary.contains("app:1 is serving"), "{summary}");
    let shown = service_of(&world, "web");
    assert_eq!(
        variables["DeploymentId"],
        shown["deployments"][0]["id"].as_str().unwrap()
    );
}
