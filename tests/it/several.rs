//! Several services in one action: checked together, rolled out side by side, one fate.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::Answer;
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
    for said in [
        "web on prod: app:2 is serving, 2 tasks",
        "api on prod: app:2 is serving, 2 tasks",
        "jobs on prod: worker:2 is serving, 2 tasks",
    ] {
        assert!(summary.contains(said), "{summary}");
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
async fn all_that_is_wrong_with_any_of_them_is_told_and_nothing_is_changed() {
    let world = world_of_three();
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}, {"name": "nobody", "imageUri": "repo/x:v1"}]"#);
    let parameters = json!({"ServiceName": null, "Services": ["web", "gone", {"ServiceName": "x", "ClusterName": "nowhere"}]});
    let answer = world.deploy(parameters).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    for told in [
        "there is no service 'gone' in the cluster 'prod'",
        "there is no cluster 'nowhere'",
    ] {
        assert!(message.contains(told), "{message}");
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
        for said in [
            "Rolled back: worker:1 is serving, 2 of 2 tasks.",
            "web on prod was rolled back, too: app:1 is serving, 2 of 2 tasks.",
            "api on prod was rolled back, too: app:1 is serving, 2 of 2 tasks.",
        ] {
            assert!(headline.contains(said), "breaker {rolls_back}: {message}");
        }
        for service in ["web", "api"] {
            assert_eq!(runs(&world, service), "app:1");
        }
        assert_eq!(runs(&world, "jobs"), "worker:1");
    }
}

#[tokio::test]
async fn without_rollback_the_others_are_left_and_that_is_told() {
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
            && message.contains("web on prod was not rolled back (Rollback is false) and is still set to app:2: app:2 is serving, 2 of 2 tasks."),
        "{message}"
    );
    assert_eq!(world.done("UpdateService"), 3);
}

#[tokio::test]
async fn one_that_is_replaced_is_left_alone_and_the_others_go_back() {
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
    let answer = world.deploy(all_three()).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "PermissionError");
    assert!(
        message.contains("No other service was changed. app:2 and worker:2, registered for this job, are being deregistered."),
        "{message}"
    );
    assert_eq!(world.count("UpdateService"), 1);
    assert_eq!(world.simulator.ecs().active_revisions("app").len(), 1);
    assert_eq!(world.simulator.ecs().active_revisions("worker").len(), 1);
}

#[tokio::test]
async fn if_a_later_one_is_refused_those_before_go_back_and_the_refusal_is_the_headline() {
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
        headline.contains("may not do ecs:UpdateService"),
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
