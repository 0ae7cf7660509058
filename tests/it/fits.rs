//! A revision that its service cannot run is refused before it is registered and before anything
//! runs on it.

use serde_json::{Value, json};
use simulator::ecs::ServiceSetup;

use crate::pre_deploy::ends_with;
use crate::support::{World, failure, success};

const FILE: &str = "taskdef.json";

/// A service behind a load balancer, in a registry, with Service Connect and a volume.
fn setup() -> ServiceSetup {
    ServiceSetup {
        load_balancers: Some(json!([{
            "targetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/web/0123456789abcdef",
            "containerName": "app", "containerPort": 8080,
            "advancedConfiguration": {
                "alternateTargetGroupArn": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/web-2/0123456789abcdef",
                "productionListenerRule": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener-rule/app/web/1/2/3",
                "roleArn": "arn:aws:iam::111122223333:role/ecs-lb"},
        }])),
        service_registries: Some(json!([{
            "registryArn": "arn:aws:servicediscovery:eu-central-1:111122223333:service/srv-1",
            "containerName": "app", "containerPort": 9090,
        }])),
        service_connect: Some(
            json!({"enabled": true, "namespace": "n", "services": [{"portName": "http"}]}),
        ),
        volume_configurations: Some(json!([{
            "name": "data",
            "managedEBSVolume": {"roleArn": "arn:aws:iam::111122223333:role/ebs", "sizeInGiB": 20,
                "tagSpecifications": [{"resourceType": "volume", "propagateTags": "SERVICE",
                    "tags": [{"key": "a", "value": "b"}]}]},
        }])),
        ..ServiceSetup::default()
    }
}

fn definition() -> Value {
    json!({
        "family": "app", "cpu": "256", "memory": "512",
        "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
        "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        "containerDefinitions": [{"name": "app", "image": "repo/app:v2", "portMappings": [
            {"containerPort": 8080, "name": "http"}, {"containerPort": 9090}]}],
        "volumes": [{"name": "data", "configuredAtLaunch": true}],
    })
}

/// `shop`, set to a revision that fits, with this definition in the artifact.
fn world(setup: ServiceSetup, definition: &Value) -> World {
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.register(self::definition());
    ecs.create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "shop".to_owned(),
        task_definition: "app:2".to_owned(),
        ..setup
    });
    ecs.command("migrate up", ends_with(0));
    world.put_artifact(&[
        (FILE, &definition.to_string()),
        (
            "imagedefinitions.json",
            r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#,
        ),
    ]);
    world
}

fn parameters(more: Value) -> Value {
    let mut all = json!({"ServiceName": "shop",
        "PreDeployTask": {"Container": "app", "Command": ["migrate", "up"], "Timeout": 5}});
    for (name, value) in more.as_object().unwrap() {
        all[name] = value.clone();
    }
    all
}

#[tokio::test]
async fn a_definition_that_its_service_cannot_run_is_refused_before_the_migration() {
    for (member, value, expected) in [
        (
            "/containerDefinitions/0/portMappings/0/containerPort",
            json!(80),
            "the load balancer (web) sends traffic to port 8080 of the container 'app', which maps 80 and 9090 only in the new revision",
        ),
        (
            "/containerDefinitions/0/portMappings/1/containerPort",
            json!(90),
            "the service registry (srv-1) sends traffic to port 9090 of the container 'app'",
        ),
        (
            "/containerDefinitions/0/portMappings/0/name",
            json!("web"),
            "Service Connect uses the port mapping named 'http', which the new revision does not have (it has web)",
        ),
        (
            "/networkMode",
            json!("bridge"),
            "the new revision has the networkMode bridge, and the service runs on Fargate: write \"networkMode\": \"awsvpc\"",
        ),
        (
            "/requiresCompatibilities/0",
            json!("EC2"),
            "requiresCompatibilities does not name: add \"FARGATE\"",
        ),
        (
            "/volumes/0/name",
            json!("other"),
            "the service configures the volume 'data' at launch",
        ),
    ] {
        let mut file = definition();
        *file.pointer_mut(member).unwrap() = value;
        // As a file, and as the family's newest revision.
        for latest in [false, true] {
            let world = world(setup(), &file);
            let more = if latest {
                world.simulator.ecs().register(file.clone());
                json!({"BaseRevision": "latest"})
            } else {
                json!({"TaskDefinitionFile": FILE})
            };
            let revisions = world.revisions();
            let answer = world.deploy(parameters(more)).await;
            let (kind, message) = failure(&answer);
            assert_eq!(kind, "ConfigurationError", "{message}");
            assert!(message.contains(expected), "{message}");
            assert!(message.contains("shop on prod: "), "{message}");
            assert_eq!(world.revisions(), revisions, "{member}");
            assert_eq!(world.count("RunTask"), 0, "{member}");
            // And ECS would have refused it.
            let refused = world.simulator.ecs().register(file.clone());
            assert!(!accepted(&world, &refused).await, "{member}");
        }
    }
}

/// Whether ECS sets `shop` to this revision.
async fn accepted(world: &World, task_definition: &str) -> bool {
    let aws = ecs_deploy_action::aws::Aws::new(world.simulator.client_config());
    let target = ecs_deploy_action::deploy::spec::Target {
        cluster: "prod".to_owned(),
        service: "shop".to_owned(),
    };
    let ecs = aws.ecs(None);
    ecs.update_service(&target, task_definition).await.is_ok()
}

#[tokio::test]
async fn a_container_that_the_load_balancer_wants_and_all_else_are_reported_together() {
    let mut file = definition();
    file["containerDefinitions"][0]["name"] = json!("api");
    file["networkMode"] = json!("host");
    let world = world(setup(), &file);
    world.put_artifact(&[(FILE, &file.to_string())]);
    let parameters = json!({"ServiceName": "shop", "TaskDefinitionFile": FILE});
    let answer = world.deploy(parameters).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with("taskdef.json does not fit: 3 problems: 1) shop on prod: the new revision has the networkMode host"),
        "{message}"
    );
    assert!(
        message.contains(
            "the container 'app', which the new revision does not have; its containers are api"
        ),
        "{message}"
    );
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn a_task_gets_the_volume_that_its_service_configures_at_launch() {
    for more in [json!({}), json!({"TaskDefinitionFile": FILE})] {
        let world = world(setup(), &definition());
        success(&world.deploy(parameters(more)).await);
        let ran = world.simulator.calls_of("RunTask");
        assert_eq!(
            ran[0].request["volumeConfigurations"],
            json!([{"name": "data", "managedEBSVolume": {
                "roleArn": "arn:aws:iam::111122223333:role/ebs", "sizeInGiB": 20,
                "tagSpecifications": [
                    {"resourceType": "volume", "tags": [{"key": "a", "value": "b"}]}],
                "terminationPolicy": {"deleteOnTermination": true}}}])
        );
    }
}

#[tokio::test]
async fn what_is_refused_after_the_task_says_that_it_ran() {
    let ran = "The pre-deploy task (container app) had run and succeeded: what it did stays done.";
    // Refused by ECS, and not allowed.
    for denied in [false, true] {
        let world = world(setup(), &definition());
        let faults = world.simulator.faults();
        if denied {
            faults.deny("UpdateService");
        } else {
            faults.fail(
                "UpdateService",
                1,
                400,
                "InvalidParameterException",
                "The container app did not have a container port 8080 defined.",
            );
        }
        let answer = world.deploy(parameters(json!({}))).await;
        let (_, message) = failure(&answer);
        let headline = message.lines().next().unwrap();
        assert!(headline.contains(ran), "{message}");
        assert_eq!(world.count("RunTask"), 1);
    }
    // And a rollout that fails later.
    let world = world(setup(), &definition());
    let ecs = world.simulator.ecs();
    ecs.image("v2", simulator::ecs::Behaviour::StuckPending);
    let mut parameters = parameters(json!({}));
    parameters["DeploymentTimeout"] = json!(2);
    let answer = world.deploy(parameters).await;
    let (_, message) = failure(&answer);
    assert!(message.lines().next().unwrap().contains(ran), "{message}");
}

#[tokio::test]
async fn a_service_whose_deployments_cannot_move_is_refused_with_the_numbers() {
    for (percents, desired_count) in [((100, 100), 2), ((50, 100), 1)] {
        let world = World::with_service(ServiceSetup {
            percents,
            desired_count,
            ..ServiceSetup::default()
        });
        let answer = world.deploy(json!({})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        let (minimum, maximum) = percents;
        let numbers = format!(
            "minimumHealthyPercent {minimum} and maximumPercent {maximum} ECS has to run at least {desired_count} and at most {desired_count} of its {desired_count} tasks"
        );
        assert!(message.contains(&numbers), "{message}");
        assert_eq!(world.count("RegisterTaskDefinition"), 0);
    }
    let world = World::with_service(ServiceSetup {
        percents: (50, 100),
        ..ServiceSetup::default()
    });
    success(&world.deploy(json!({})).await);
}
