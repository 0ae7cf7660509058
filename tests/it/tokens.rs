//! A token is input: whoever may invoke the function can write one. What it names is compared with
//! what ECS shows before anything is changed.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, Intervention, ServiceSetup};

use crate::pre_deploy::{self, ends_with};
use crate::support::{World, app, failure, id_of, success};

/// The answer's token, taken apart: its version and its body.
fn token_of(answer: &Answer) -> Value {
    let Answer::Success {
        continuation_token: Some(token),
        ..
    } = answer
    else {
        unreachable!("{answer:?}")
    };
    serde_json::from_str(token.split_once(' ').unwrap().1).unwrap()
}

/// The event that follows `start`, with its token changed.
async fn next_with(world: &World, start: &Value, change: impl Fn(&mut Value)) -> Value {
    world.invoke(start).await;
    let pipeline = world.simulator.codepipeline();
    let answer = pipeline.answer(&id_of(start)).unwrap();
    let mut token = token_of(&answer);
    change(&mut token);
    let mut next = pipeline.next_event(&id_of(start)).unwrap();
    next["CodePipeline.job"]["data"]["continuationToken"] = json!(format!("1 {token}"));
    next
}

fn long_task() -> Behaviour {
    Behaviour::Crash {
        exit_code: 0,
        after_seconds: 200,
        log_lines: Vec::new(),
    }
}

/// The id of a running task of `web`.
async fn task_of_web(world: &World) -> String {
    let aws = ecs_deploy_action::aws::Aws::new(world.simulator.client_config());
    let target = ecs_deploy_action::deploy::spec::Target {
        cluster: "prod".to_owned(),
        service: "web".to_owned(),
    };
    let _ = aws.ecs(None).running_digests(&target, "none").await;
    let described = world.simulator.calls_of("DescribeTasks");
    let arn = described.last().unwrap().request["tasks"][0].clone();
    arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_made_up_token_stops_no_task_that_its_job_did_not_start() {
    for (late, unseen) in [(false, false), (true, false), (true, true)] {
        let world = pre_deploy::world_with(ServiceSetup::default(), long_task());
        let task = task_of_web(&world).await;
        let start = world.start(pre_deploy::parameters());
        let next = next_with(&world, &start, |token| {
            token["p"]["k"] = json!(task);
            if late {
                token["t"] = json!(token["t"].as_i64().unwrap() - 3600);
            }
        })
        .await;
        if unseen {
            world.simulator.faults().server_error("DescribeTasks", 1000);
        }
        let answers = world.run(next).await;
        let (_, message) = failure(answers.last().unwrap());
        assert_eq!(world.count("StopTask"), 0, "{message}");
        assert_eq!(world.count("UpdateService"), 0, "{message}");
        if unseen {
            assert!(
                message.contains("was not stopped and may still run"),
                "{message}"
            );
        } else {
            assert!(message.contains(&format!("the task {task} that the continuation token names was not started by the token's job on app:3")), "{message}");
            assert!(
                message.contains("runs app:1, started by ecs-svc/"),
                "{message}"
            );
        }
        // What the job itself has registered is given up with it, whatever the token names beside.
        let revisions = world.simulator.ecs().active_revisions("app");
        assert_eq!(revisions.len(), if unseen { 2 } else { 3 }, "{revisions:?}");
    }
}

#[tokio::test]
async fn a_made_up_token_has_no_revision_deregistered_that_a_service_uses() {
    let world = pre_deploy::world_with(ServiceSetup::default(), ends_with(0));
    let start = world.start(pre_deploy::parameters());
    world.run(start.clone()).await;
    let serving = world.simulator.ecs().active_revisions("app");
    // The job is long over: a token that has its task under way, which nobody sees any more.
    world.simulator.clock().advance(Duration::from_hours(3));
    world.simulator.ecs().command("migrate up", long_task());
    let other = world.start(pre_deploy::parameters());
    let forged = next_with(&world, &other, |token| {
        token["j"] = json!(id_of(&start));
        token["t"] = json!(token["t"].as_i64().unwrap() - 7200);
        token["s"][0][0] = json!("app:3");
    })
    .await;
    world.simulator.faults().server_error("DescribeTasks", 1000);
    let answer = world.run(forged).await.pop().unwrap();
    failure(&answer);
    let after = world.simulator.ecs().active_revisions("app");
    for revision in serving {
        assert!(after.contains(&revision), "{revision}: {answer:?}");
    }
}

#[tokio::test]
async fn a_task_of_another_job_or_of_another_revision_is_not_believed() {
    for revision in [false, true] {
        let world = pre_deploy::world_with(ServiceSetup::default(), ends_with(0));
        let start = world.start(pre_deploy::parameters());
        world.simulator.ecs().command("migrate up", long_task());
        let next = next_with(&world, &start, |token| {
            if revision {
                token["s"][0][0] = json!("app:1");
            } else {
                token["j"] = json!("another-job");
            }
        })
        .await;
        world.simulator.clock().advance(Duration::from_mins(4));
        let answers = world.run(next).await;
        let (_, message) = failure(answers.last().unwrap());
        assert!(
            message.contains("was not started by the token's job"),
            "{message}"
        );
        assert_eq!(world.count("StopTask"), 0);
        assert_eq!(world.count("UpdateService"), 0);
        assert_eq!(world.count("DeregisterTaskDefinition"), 0);
    }
}

/// Another family, with a revision that this function's `job` registered.
fn other_family(world: &World, job: &str) {
    let mut other = app("repo/other:v1");
    other["family"] = json!("other");
    other["tags"] = json!([{"key": "ecs-deploy-action:job", "value": job}]);
    world.simulator.ecs().register(other);
}

#[tokio::test]
async fn a_made_up_token_sets_no_service_to_what_its_job_did_not_register() {
    // The second service's revision: another family's, and one that nobody made for this job.
    for (named, expected) in [
        ("other:1", "of another family"),
        (
            "app:1",
            "the continuation token names app:1, which the job that it names has not registered",
        ),
        (
            "app:99",
            "the continuation token names app:99, which the job that it names has not registered",
        ),
    ] {
        let world = pre_deploy::world_with(ServiceSetup::default(), long_task());
        let mut parameters = pre_deploy::parameters();
        parameters["ServiceName"] = Value::Null;
        parameters["Services"] = json!(["shop", "web"]);
        parameters["BaseRevision"] = json!("latest");
        let start = world.start(parameters);
        other_family(&world, &id_of(&start));
        let next = next_with(&world, &start, |token| token["s"][1][0] = json!(named)).await;
        world.simulator.clock().advance(Duration::from_mins(3));
        let answers = world.run(next).await;
        let (_, message) = failure(answers.last().unwrap());
        assert!(message.contains(expected), "{named}: {message}");
        assert_eq!(world.count("UpdateService"), 0, "{named}");
        let ecs = world.simulator.ecs();
        let left = ecs.active_revisions("app");
        assert_eq!(
            left.len(),
            2,
            "only its own is taken away, {named}: {left:?}"
        );
    }
}

#[tokio::test]
async fn of_a_task_that_failed_only_revisions_of_its_job_are_deregistered() {
    let world = pre_deploy::world_with(
        ServiceSetup::default(),
        Behaviour::Crash {
            exit_code: 3,
            after_seconds: 200,
            log_lines: Vec::new(),
        },
    );
    let mut parameters = pre_deploy::parameters();
    parameters["ServiceName"] = Value::Null;
    parameters["Services"] = json!(["shop", "web"]);
    parameters["BaseRevision"] = json!("latest");
    let start = world.start(parameters);
    let next = next_with(&world, &start, |token| token["s"][1][0] = json!("app:1")).await;
    world.simulator.clock().advance(Duration::from_mins(3));
    let answers = world.run(next).await;
    failure(answers.last().unwrap());
    let active = world.simulator.ecs().active_revisions("app");
    let names: Vec<&str> = active
        .iter()
        .map(|arn| arn.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(names, ["app:1", "app:2"]);
}

/// `web` runs what this job deployed, which never becomes healthy.
fn stuck(parameters: Value) -> (World, Value) {
    let world = World::new();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let mut all = json!({"DeploymentTimeout": 3});
    for (name, value) in parameters.as_object().unwrap() {
        all[name] = value.clone();
    }
    let start = world.start(all);
    (world, start)
}

#[tokio::test]
async fn a_made_up_token_sets_no_service_back_to_another_family() {
    for known in [true, false] {
        let (world, start) = stuck(json!({}));
        world.simulator.ecs().set_service_deployments_known(known);
        other_family(&world, "x");
        let next = next_with(&world, &start, |token| token["s"][0][1] = json!("other:1")).await;
        // Were it not for this it would be stopped, which asks for no revision.
        if known {
            world.simulator.faults().deny("StopServiceDeployment");
        }
        let updates = world.count("UpdateService");
        let answers = world.run(next).await;
        let (_, message) = failure(answers.last().unwrap());
        assert_eq!(world.count("UpdateService"), updates, "{message}");
        assert!(
            message.contains("the continuation token names other:1 as what ran before, which was never deployed to it"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_made_up_token_tidies_no_other_family() {
    let world = World::new();
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 100 });
    for _ in 0..5 {
        other_family(&world, "x");
    }
    let start = world.start(json!({"KeepRevisions": 2}));
    let next = next_with(&world, &start, |token| token["s"][0][1] = json!("other:5")).await;
    success(world.run(next).await.last().unwrap());
    assert_eq!(world.simulator.ecs().active_revisions("other").len(), 5);
}

/// What tokens for `web` on `prod` begin with: it tells nothing that is secret.
async fn fingerprint() -> Value {
    let (other, start) = stuck(json!({}));
    other.invoke(&start).await;
    let pipeline = other.simulator.codepipeline();
    token_of(&pipeline.answer(&id_of(&start)).unwrap())["f"].clone()
}

#[tokio::test]
async fn a_made_up_rollback_sets_no_service_to_another_family() {
    for is_ours in [true, false] {
        let world = World::new();
        let start = world.start(json!({}));
        other_family(&world, &id_of(&start));
        let service = world.service();
        let deployment = service["deployments"][0]["id"].as_str().unwrap();
        let now = world.simulator.clock().now_ms() / 1000;
        let token = json!({"f": fingerprint().await, "j": id_of(&start), "t": now,
            "b": {"t": now, "o": is_ours, "n": 0, "c": "it failed"},
            "s": [["app:1", "other:1", deployment.trim_start_matches("ecs-svc/"), ""]]});
        let mut event = start.clone();
        event["CodePipeline.job"]["data"]["continuationToken"] = json!(format!("1 {token}"));
        let answers = world.run(event).await;
        let (_, message) = failure(answers.last().unwrap());
        assert_eq!(world.count("UpdateService"), 0, "{message}");
        assert_eq!(world.count("StopServiceDeployment"), 0, "{message}");
    }
}

#[tokio::test]
async fn a_made_up_token_takes_back_nobody_elses_deployment() {
    // Somebody deploys by hand; a token claims that deployment, long after its time.
    let world = World::new();
    let ecs = world.simulator.ecs();
    let hand = ecs.register(app("repo/app:hand"));
    ecs.image("hand", Behaviour::StuckPending);
    ecs.intervene(
        "prod",
        "web",
        &Intervention::Deploy {
            task_definition: hand,
        },
    );
    let service = world.service();
    let deployment = service["deployments"][0]["id"].as_str().unwrap();
    let start = world.start(json!({"DeploymentTimeout": 2}));
    let fingerprint = fingerprint().await;
    let token = json!({"f": fingerprint, "j": id_of(&start), "t": 1_700_000_000,
        "s": [["app:2", "1", deployment.trim_start_matches("ecs-svc/"), ""]]});
    let mut event = start.clone();
    event["CodePipeline.job"]["data"]["continuationToken"] = json!(format!("1 {token}"));
    let answers = world.run(event).await;
    let (_, message) = failure(answers.last().unwrap());
    assert_eq!(world.count("StopServiceDeployment"), 0, "{message}");
    assert_eq!(world.count("UpdateService"), 0, "{message}");
    assert!(
        message.contains("which the job that it names has not registered"),
        "{message}"
    );
}

#[tokio::test]
async fn a_true_token_is_gone_on_with() {
    let world = pre_deploy::world_with(ServiceSetup::default(), long_task());
    let start = world.start(pre_deploy::parameters());
    let next = next_with(&world, &start, |_| {}).await;
    success(world.run(next).await.last().unwrap());
    // And one of a rollout that runs out of time.
    let (world, start) = stuck(json!({}));
    let next = next_with(&world, &start, |_| {}).await;
    let answers = world.run(next).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        message.contains("Rolled back: app:1 is serving"),
        "{message}"
    );
}
