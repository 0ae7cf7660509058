//! Several services in one action: checked together, rolled out side by side, one fate.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::observer::Unobserved;

use serde_json::{Value, json};
use simulator::Answer;
use simulator::Call;
use simulator::ecs::{Behaviour, Intervention, ServiceSetup};

use crate::support::{World, app, failure, service_of, success};

/// Another family: one container called `worker`.
fn worker(image: &str) -> Value {
    let mut definition = app(image);
    definition["family"] = json!("worker");
    definition["containerDefinitions"] = json!([{"name": "worker", "image": image}]);
    definition
}

fn setup(name: &str, task_definition: &str) -> ServiceSetup {
    ServiceSetup {
        cluster: "prod".to_owned(),
        name: name.to_owned(),
        task_definition: task_definition.to_owned(),
        ..ServiceSetup::default()
    }
}

/// `web` and `api` share the family `app`; `jobs` runs `worker`.
pub(crate) fn world_of_three() -> World {
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.create_service(setup("api", "app:1"));
    ecs.register(worker("repo/worker:v1"));
    ecs.create_service(setup("jobs", "worker:1"));
    world.put_images(
        r#"[{"name": "app", "imageUri": "repo/app:v2"}, {"name": "worker", "imageUri": "repo/worker:v2"}]"#,
    );
    world
}

/// The parameters that deploy all three.
fn all_three() -> Value {
    json!({"ServiceName": null, "Services": ["web", "api", "jobs"]})
}

fn runs(world: &World, service: &str) -> String {
    let arn = service_of(world, service)["taskDefinition"].clone();
    arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn services_of_one_family_share_one_revision_and_all_succeed_together() {
    let world = world_of_three();
    let answer = world.deploy(all_three()).await;
    let (summary, variables) = success(&answer);
    for part in [
        "web on prod: app:2 is serving, 2 tasks",
        "api on prod: app:2 is serving, 2 tasks",
        "jobs on prod: worker:2 is serving, 2 tasks",
    ] {
        assert!(summary.contains(part), "{summary}");
    }
    assert_eq!(world.done("RegisterTaskDefinition"), 2);
    assert_eq!(world.done("UpdateService"), 3);
    assert_eq!(variables["ServiceName"], "web");
    assert_eq!(
        variables["TaskDefinitionArn"],
        variables["TaskDefinitionArn-web"]
    );
    assert!(variables["TaskDefinitionArn-jobs"].ends_with("worker:2"));
    assert_eq!(variables["Image-worker-jobs"], "repo/worker:v2");
    let ids: BTreeSet<&String> = ["web", "api", "jobs"]
        .iter()
        .map(|name| &variables[&format!("DeploymentId-{name}")])
        .collect();
    assert_eq!(ids.len(), 3, "each has a deployment of its own");
}

#[tokio::test]
async fn all_that_is_wrong_with_any_service_is_reported_and_nothing_is_changed() {
    let world = world_of_three();
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}, {"name": "nobody", "imageUri": "repo/x:v1"}]"#);
    let parameters = json!({"ServiceName": null, "Services": ["web", "gone", {"ServiceName": "x", "ClusterName": "nowhere"}]});
    let answer = world.deploy(parameters).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    for expected in [
        "there is no service 'gone' in the cluster 'prod'",
        "there is no cluster 'nowhere'",
    ] {
        assert!(message.contains(expected), "{message}");
    }
    let answer = world.deploy(all_three()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("names the container 'nobody', which none of app:1 and worker:1 has; its containers are app, sidecar and worker"),
        "{message}"
    );
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#);
    let answer = world.deploy(all_three()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains(
            "imagedefinitions.json names no container of worker:1; its containers are worker"
        ),
        "{message}"
    );
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
    assert_eq!(world.count("UpdateService"), 0);
}

#[tokio::test]
async fn services_of_one_family_that_run_different_revisions_have_no_common_base() {
    let world = world_of_three();
    let ecs = world.simulator.ecs();
    ecs.register(app("repo/app:other"));
    ecs.create_service(setup("old", "app:2"));
    let parameters =
        |base: &str| json!({"ServiceName": null, "Services": ["web", "old"], "BaseRevision": base});
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#);
    let answer = world.deploy(parameters("service")).await;
    let (_, message) = failure(&answer);
    assert!(
        message
            .starts_with("web on prod runs app:1 and old on prod runs app:2: they share a family"),
        "{message}"
    );
    assert_eq!(world.count("UpdateService"), 0);
    success(&world.deploy(parameters("latest")).await);
}

#[tokio::test]
async fn if_one_fails_the_others_are_rolled_back_too_and_its_cause_is_the_headline() {
    for rolls_back in [true, false] {
        let world = World::new();
        let ecs = world.simulator.ecs();
        ecs.register(worker("repo/worker:v1"));
        ecs.create_service(ServiceSetup {
            circuit_breaker: Some(rolls_back),
            ..setup("jobs", "worker:1")
        });
        ecs.create_service(setup("api", "app:1"));
        world.put_images(
            r#"[{"name": "app", "imageUri": "repo/app:v2"}, {"name": "worker", "imageUri": "repo/worker:v2"}]"#,
        );
        ecs.image("repo/worker:v2", Behaviour::CannotPull);
        let answer = world.deploy(all_three()).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "JobFailed");
        let headline = message.lines().next().unwrap();
        assert!(
            headline.starts_with("jobs on prod: worker:2 failed: CannotPullContainerError: "),
            "{message}"
        );
        for part in [
            "Rolled back: worker:1 is serving, 2 of 2 tasks.",
            "web on prod was rolled back, too: app:1 is serving, 2 of 2 tasks.",
            "api on prod was rolled back, too: app:1 is serving, 2 of 2 tasks.",
        ] {
            assert!(headline.contains(part), "breaker {rolls_back}: {message}");
        }
        for service in ["web", "api"] {
            assert_eq!(runs(&world, service), "app:1");
        }
        assert_eq!(runs(&world, "jobs"), "worker:1");
    }
}

#[tokio::test]
async fn without_rollback_the_others_are_left_and_that_is_reported() {
    let world = world_of_three();
    world
        .simulator
        .ecs()
        .image("repo/worker:v2", Behaviour::StuckPending);
    let mut parameters = all_three();
    parameters["Rollback"] = json!(false);
    parameters["DeploymentTimeout"] = json!(3);
    let answer = world.deploy(parameters).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("jobs on prod: worker:2 failed: not complete within 3 min")
            && message.contains("web on prod was not rolled back (Rollback is false) and is set to app:2: app:2 is serving, 2 of 2 tasks."),
        "{message}"
    );
    assert_eq!(world.done("UpdateService"), 3);
}

#[tokio::test]
async fn one_that_is_replaced_is_left_alone_and_the_others_are_rolled_back() {
    let world = world_of_three();
    let ecs = world.simulator.ecs();
    let hotfix = Intervention::Deploy {
        task_definition: ecs.register(worker("repo/worker:hotfix")),
    };
    ecs.image("repo/worker:v2", Behaviour::StuckPending);
    ecs.on_update("prod", "jobs", Duration::from_secs(50), hotfix);
    let answer = world.deploy(all_three()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("jobs on prod: worker:3 was replaced by another deployment")
            && message.contains("web on prod was rolled back, too: app:1 is serving"),
        "{message}"
    );
    assert_eq!(runs(&world, "jobs"), "worker:2");
    assert_eq!(runs(&world, "web"), "app:1");
}

#[tokio::test]
async fn if_the_first_may_not_be_updated_no_other_is_touched() {
    let world = world_of_three();
    world.simulator.faults().deny("UpdateService");
    // The families do not stand side by side.
    let answer = world
        .deploy(json!({"ServiceName": null, "Services": ["web", "jobs", "api"]}))
        .await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "PermissionError");
    assert!(
        message.contains("No other service was changed. app:2 and worker:2, registered for this job, are being deregistered."),
        "{message}"
    );
    assert_eq!(world.count("UpdateService"), 1);
    assert_eq!(world.count("DeregisterTaskDefinition"), 2);
    assert_eq!(world.simulator.ecs().active_revisions("app").len(), 1);
    assert_eq!(world.simulator.ecs().active_revisions("worker").len(), 1);
}

#[tokio::test]
async fn if_a_later_one_is_refused_those_before_are_rolled_back_and_the_refusal_is_the_headline() {
    let world = world_of_three();
    world.simulator.faults().fail_after(
        "UpdateService",
        2,
        1,
        400,
        "AccessDeniedException",
        "User: arn:aws:sts::111122223333:assumed-role/f/s is not authorized to perform: ecs:UpdateService on resource: arn:aws:ecs:eu-central-1:111122223333:service/prod/jobs because no identity-based policy allows the ecs:UpdateService action",
    );
    let answer = world.deploy(all_three()).await;
    let (_, message) = failure(&answer);
    let headline = message.lines().next().unwrap();
    assert!(
        headline.contains("is not allowed to perform ecs:UpdateService"),
        "{message}"
    );
    assert!(
        headline.contains("The service was not changed"),
        "{message}"
    );
    let back = ["web", "api", "jobs"].map(|service| {
        headline
            .matches(&format!("{service} on prod was rolled back, too"))
            .count()
    });
    assert_eq!(back.iter().sum::<usize>(), 2, "{message}");
    for service in ["web", "api"] {
        assert_eq!(runs(&world, service), "app:1");
    }
    assert_eq!(runs(&world, "jobs"), "worker:1");
}

#[tokio::test]
async fn the_summary_tells_of_each_and_the_token_carries_all() {
    let world = world_of_three();
    for image in ["repo/app:v2", "repo/worker:v2"] {
        world
            .simulator
            .ecs()
            .image(image, Behaviour::Healthy { start_seconds: 100 });
    }
    let start = world.start(all_three());
    let answers = world.run(start).await;
    success(answers.last().unwrap());
    let Answer::Success {
        summary: Some(summary),
        continuation_token: Some(token),
        ..
    } = &answers[0]
    else {
        unreachable!("it was handed back: {answers:?}");
    };
    assert_eq!(
        summary,
        "web: 0 of 2 new tasks running, 2 old; api: 0 of 2 new tasks running, 2 old; jobs: 0 of 2 new tasks running, 2 old; 0 min of 60"
    );
    assert!(token.chars().count() < 600, "{token}");
}

#[tokio::test]
async fn what_could_not_be_remembered_is_refused_before_anything_is_changed() {
    let world = World::new();
    let ecs = world.simulator.ecs();
    let mut names = vec!["web".to_owned()];
    for number in 0..9 {
        let family = format!("{number}{}", "f".repeat(254));
        let mut definition = app("repo/app:v1");
        definition["family"] = json!(family);
        ecs.register(definition);
        let name = format!("s{number}");
        ecs.create_service(setup(&name, &format!("{family}:1")));
        names.push(name);
    }
    let answer = world
        .deploy(json!({"ServiceName": null, "Services": names}))
        .await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.contains("CodePipeline keeps 2048: deploy fewer services in one action"),
        "{message}"
    );
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn ten_services_are_looked_at_side_by_side() {
    let world = World::new();
    let ecs = world.simulator.ecs();
    let mut names = vec!["web".to_owned()];
    for number in 0..9 {
        let name = format!("s{number}");
        ecs.create_service(setup(&name, "app:1"));
        names.push(name);
    }
    // Long enough for requests to meet.
    world.simulator.set_latency(Duration::from_millis(2));
    let answer = world
        .deploy(json!({"ServiceName": null, "Services": names}))
        .await;
    let (summary, _) = success(&answer);
    assert_eq!(summary.matches("app:2 is serving").count(), 10, "{summary}");
    assert_eq!(world.done("RegisterTaskDefinition"), 1);
    assert_eq!(world.done("UpdateService"), 10);
    let at_once = world.simulator.max_concurrent();
    assert!(at_once >= 9, "{at_once} calls at once");
}

#[tokio::test]
async fn a_second_delivery_after_one_was_rolled_back_does_not_touch_the_rest() {
    // Dies after the first service was set and before the next one is.
    for calls in 1.. {
        let world = world_of_three();
        let start = world.start(all_three());
        world.simulator.faults().stop_after(calls);
        let invocation = world.invocation();
        let died = Box::pin(world.handler.handle(&start, &invocation)).await;
        world.simulator.faults().resume();
        if world.done("UpdateService") == 0 {
            assert!(died.is_err(), "it came to its end without an update");
            continue;
        }
        let ecs = world.simulator.ecs();
        ecs.intervene("prod", "web", &Intervention::StopDeployment);
        world.simulator.clock().advance(Duration::from_mins(3));
        let answers = world.run(start).await;
        let (_, message) = failure(answers.last().unwrap());
        assert!(
            message.starts_with("web on prod: app:2 failed: ")
                && message.contains("api on prod was not changed.")
                && message.contains("jobs on prod was not changed."),
            "{message}"
        );
        assert_eq!(world.done("UpdateService"), 1);
        assert_eq!(ecs.deployments_of("prod", "jobs", "worker:2"), 0);
        return;
    }
}

#[tokio::test]
async fn two_deliveries_at_nearly_the_same_moment_are_one_deployment_of_all_services() {
    // The second one comes when the first has made so many calls.
    for calls in (2..26).step_by(2) {
        let world = world_of_three();
        let world = World::around(
            world.simulator,
            Arc::new(Unobserved),
            Duration::from_secs(40),
        );
        let start = world.start(all_three());
        let second = {
            let (begin, started) = tokio::sync::oneshot::channel();
            let mut begin = Some(begin);
            let simulator = world.simulator.clone();
            let watch = async move {
                loop {
                    if simulator.calls().len() >= calls
                        && let Some(begin) = begin.take()
                    {
                        begin.send(()).unwrap_or_default();
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            };
            let (world, start) = (&world, &start);
            async move {
                let second = async move {
                    started.await.unwrap_or_default();
                    world.invoke(start).await
                };
                tokio::join!(watch, second).1
            }
        };
        tokio::join!(world.invoke(&start), second);
        let pipeline = world.simulator.codepipeline();
        let mut job = crate::support::id_of(&start);
        while let Some(next) = pipeline.next_event(&job) {
            world.simulator.clock().advance(Duration::from_secs(30));
            world.invoke(&next).await;
            job = crate::support::id_of(&next);
        }
        success(&pipeline.answer(&job).unwrap());
        let set = ["web", "api", "jobs"].map(|service| runs(&world, service));
        for (service, revision) in ["web", "api", "jobs"].iter().zip(&set) {
            assert!(revision.ends_with(":2"), "after {calls} calls: {set:?}");
            let deployed = world
                .simulator
                .ecs()
                .deployments_of("prod", service, revision);
            assert_eq!(deployed, 1, "after {calls} calls: {service}");
        }
        // A third one finds what they made, and not the duplicate that one of them took away.
        pipeline.open_job(&start);
        let report = world.invoke(&start).await;
        assert_eq!(
            report["outcome"], "Succeeded",
            "after {calls} calls: {report}"
        );
    }
}

#[tokio::test]
async fn an_update_whose_outcome_is_not_known_is_followed_like_the_others() {
    let world = world_of_three();
    // Carried out, but the answers are lost, and then the services cannot be seen for a while.
    world.simulator.faults().reset_after("UpdateService", 3);
    let start = world.start(all_three());
    let answers = world.run(start).await;
    success(answers.last().unwrap());
    assert_eq!(runs(&world, "jobs"), "worker:2");
}

#[tokio::test]
async fn reads_that_lag_behind_do_not_keep_the_others_from_being_rolled_back() {
    let world = world_of_three();
    world.simulator.faults().fail_after(
        "UpdateService",
        2,
        1,
        400,
        "InvalidParameterException",
        "No.",
    );
    world
        .simulator
        .faults()
        .stale("DescribeServices", Duration::from_secs(3), 100_000);
    let answer = world.deploy(all_three()).await;
    let (_, message) = failure(&answer);
    for service in ["web", "api"] {
        assert_eq!(runs(&world, service), "app:1", "{message}");
    }
    assert_eq!(
        message.matches("was rolled back, too").count(),
        2,
        "{message}"
    );
}

#[tokio::test]
async fn a_rollback_that_is_refused_is_reported_with_its_reason_and_the_others_are_rolled_back() {
    let world = world_of_three();
    world
        .simulator
        .ecs()
        .image("repo/worker:v2", Behaviour::StuckPending);
    world.simulator.faults().fail(
        "StopServiceDeployment",
        3,
        400,
        "InvalidParameterException",
        "Not now.",
    );
    let mut parameters = all_three();
    parameters["DeploymentTimeout"] = json!(3);
    let answer = world.deploy(parameters).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("jobs on prod: worker:2 failed: not complete within 3 min")
            && message.contains("it could not be rolled back")
            && message.contains("Not now")
            && !message.contains("Rolling back has started"),
        "{message}"
    );
    for service in ["web", "api"] {
        assert_eq!(runs(&world, service), "app:1", "{message}");
    }
}

#[tokio::test]
async fn all_services_are_rolled_back_in_the_step_in_which_the_failure_is_known_and_before_anybody_asks_why()
 {
    for is_throttled in [false, true] {
        let world = world_of_three();
        world
            .simulator
            .ecs()
            .image("repo/worker:v2", Behaviour::StuckPending);
        let mut parameters = all_three();
        parameters["DeploymentTimeout"] = json!(3);
        if is_throttled {
            world.simulator.faults().throttle("ListTasks", 1000);
        }
        let answer = world.deploy(parameters).await;
        let (_, message) = failure(&answer);
        assert!(
            message.starts_with("jobs on prod: worker:2 failed: not complete within 3 min"),
            "{message}"
        );
        let calls = world.simulator.calls();
        let is_rollback = |call: &Call| match call.operation.as_str() {
            "StopServiceDeployment" => true,
            "UpdateService" => {
                let wanted = call.request["taskDefinition"].as_str().unwrap();
                wanted.ends_with(":1")
            }
            _ => false,
        };
        let rollbacks: Vec<usize> = (0..calls.len())
            .filter(|place| is_rollback(&calls[*place]))
            .collect();
        assert_eq!(rollbacks.len(), 3, "throttled: {is_throttled}: {message}");
        let (first, last) = (rollbacks[0], rollbacks[2]);
        // Before its time was up, what goes wrong was asked for the summary.
        let mut asked = calls[..last]
            .iter()
            .filter(|call| call.operation == "ListTasks");
        assert!(
            asked.all(|call| call.at_ms < calls[first].at_ms),
            "evidence comes after"
        );
        assert_eq!(calls[first].at_ms, calls[last].at_ms, "at once");
    }
}
