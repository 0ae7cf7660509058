//! Text from outside names no host: whatever a task definition or an artifact says, the function
//! connects to AWS's hosts, or to the endpoint that is set, and to no others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use ecs_deploy_action::artifact::entry::Bounds;
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::engine::Engine;
use ecs_deploy_action::handler::Handler;
use ecs_deploy_action::observer::Unobserved;
use ecs_deploy_action::settings::Settings;
use serde_json::{Value, json};
use simulator::ecs::{Behaviour, Intervention, ServiceSetup};
use tokio::net::TcpListener;

use crate::support::{Driven, World, app, failure, logging_app, success};

/// The endpoint of all services but one, which has another, or none: then the function has to find
/// its host by itself.
#[derive(Debug)]
struct AllBut {
    service: &'static str,
    endpoint: String,
    other: Option<String>,
}

impl LoadServiceConfig for AllBut {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if key.service_id() == self.service {
            self.other.clone()
        } else {
            Some(self.endpoint.clone())
        }
    }
}

/// A service that rolls back by itself, where `service` has no endpoint that is set.
fn world_without_endpoint_of(service: &'static str) -> World {
    world_with(service, None)
}

/// The same where `service` has this endpoint.
fn world_with(service: &'static str, other: Option<String>) -> World {
    let mut world = World::with_service(ServiceSetup {
        circuit_breaker: Some(true),
        ..ServiceSetup::default()
    });
    let mut config = world.simulator.client_config().into_builder();
    config.set_endpoint_url(None);
    config.set_service_config(Some(AllBut {
        service,
        endpoint: world.simulator.endpoint(),
        other,
    }));
    world.handler = Handler::new(
        Engine {
            aws: Aws::new(config.build()),
            clock: Arc::new(Driven(world.simulator.clock())),
            observer: Arc::new(Unobserved),
            bounds: Bounds::for_memory(None),
        },
        Settings::default(),
    );
    world
}

/// Somebody else's host, which counts who connects, and hangs up.
struct Stranger {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Stranger {
    async fn listens() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<AtomicUsize>::default();
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        });
        Self { port, connections }
    }

    fn was_connected_to(&self) -> bool {
        self.connections.load(Ordering::SeqCst) > 0
    }
}

/// The service runs this.
fn runs(world: &World, definition: Value) {
    let ecs = world.simulator.ecs();
    ecs.register(definition);
    ecs.intervene(
        "prod",
        "web",
        &Intervention::Deploy {
            task_definition: "app:2".to_owned(),
        },
    );
    world.simulator.clock().advance(Duration::from_mins(10));
}

/// The report of a whole deployment by hand.
async fn reported(world: &World, parameters: &Value) -> Value {
    let mut event = json!({"ClusterName": "prod", "ServiceName": "web",
        "ImageDefinitions": [{"name": "app", "imageUri": "repo/app:v2"}]});
    for (name, value) in parameters.as_object().unwrap() {
        event[name] = value.clone();
    }
    let mut invocation = world.invocation();
    invocation.deadline = invocation.deadline + Duration::from_hours(1);
    world.handler.handle(&event, &invocation).await.unwrap()
}

/// The container of the new revision crashes, and its log is looked for.
async fn crashed(world: &World, awslogs_region: &str) -> Value {
    let mut definition = logging_app("repo/app:v1");
    definition["containerDefinitions"][0]["logConfiguration"]["options"]["awslogs-region"] =
        json!(awslogs_region);
    runs(world, definition);
    world.simulator.ecs().image(
        "v2",
        Behaviour::Crash {
            exit_code: 1,
            after_seconds: 2,
            log_lines: vec!["why".to_owned()],
        },
    );
    let report = reported(world, &json!({})).await;
    assert_eq!(report["outcome"], "Failed", "{report}");
    report
}

#[tokio::test]
async fn a_log_is_looked_for_where_the_endpoint_that_is_set_says() {
    let stranger = Stranger::listens().await;
    let endpoint = format!("http://127.0.0.1:{}", stranger.port);
    let world = world_with("CloudWatch Logs", Some(endpoint));
    crashed(&world, "eu-west-1").await;
    assert!(stranger.was_connected_to());
}

#[tokio::test]
async fn an_awslogs_region_that_is_no_region_is_connected_to_by_nobody_and_is_a_warning() {
    let stranger = Stranger::listens().await;
    let port = stranger.port;
    for region in [
        format!("x@127.0.0.1:{port}/"),
        format!("x@localhost:{port}#"),
        format!("x@127.0.0.1:{port}?"),
        format!("x:y@127.0.0.1:{port}/eu-central-1"),
        "eu-central-1.evil.invalid/".to_owned(),
        "nowhere".to_owned(),
    ] {
        let world = world_without_endpoint_of("CloudWatch Logs");
        let report = crashed(&world, &region).await;
        assert!(!stranger.was_connected_to(), "{region}");
        let warnings = report["warnings"].to_string();
        assert!(
            warnings.contains("is not a Region's name") && warnings.contains("the log of app"),
            "{warnings}"
        );
    }
}

#[tokio::test]
async fn an_image_whose_host_only_resembles_a_registrys_is_asked_for_nowhere() {
    let stranger = Stranger::listens().await;
    let port = stranger.port;
    for image in [
        format!("111122223333.dkr.ecr.x@localhost:{port}#.amazonaws.com/app:v2"),
        format!("111122223333.dkr.ecr.x@[::1]:{port}#.amazonaws.com/app:v2"),
        format!("111122223333.dkr.ecr.x@localhost:{port}/.amazonaws.com/app:v2"),
    ] {
        let world = world_without_endpoint_of("ECR");
        world.put_images(&json!([{"name": "app", "imageUri": image}]).to_string());
        let answer = world.deploy(json!({})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError", "{message}");
        assert!(message.contains("the image of 'app' is"), "{message}");

        // One that the service runs already is no less a stranger's.
        let world = world_without_endpoint_of("ECR");
        let mut definition = app("repo/app:v1");
        definition["containerDefinitions"][1]["image"] = json!(image);
        runs(&world, definition);
        let answer = world.deploy(json!({"PinDigests": true})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError", "{message}");
        assert!(
            message.contains("cannot be pinned (PinDigests)"),
            "{message}"
        );
        assert!(!stranger.was_connected_to(), "{image}");
    }
}

#[tokio::test]
async fn a_registry_with_something_behind_its_suffix_is_no_ecr_and_cannot_be_pinned() {
    let aws = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";
    for host in [
        format!("{aws}.evil.example"),
        format!("{aws}:443"),
        format!("{aws}.cn"),
        "111122223333.dkr.ecr.nowhere.amazonaws.com".to_owned(),
    ] {
        let image = format!("{host}/app:v2");
        let world = World::new();
        let digest = format!("sha256:{}", "0".repeat(64));
        let ecr = world.simulator.ecr();
        ecr.put_image("app", "v2", &digest, "linux/amd64");
        let images = json!({"ImageDefinitions": [{"name": "app", "imageUri": image}]});
        let report = reported(&world, &images).await;
        assert_eq!(report["outcome"], "Succeeded", "{report}");
        let warnings = report["warnings"].to_string();
        assert!(
            warnings.contains("was not checked: its host resembles"),
            "{warnings}"
        );
        world.put_images(&images["ImageDefinitions"].to_string());
        let answer = world.deploy(json!({"PinDigests": true})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        let begin = format!("web on prod: the image {image} cannot be pinned (PinDigests)");
        assert!(message.starts_with(&begin), "{message}");
        assert_eq!(world.count("BatchGetImage"), 0);
    }
}

#[tokio::test]
async fn registries_of_other_partitions_and_over_ipv6_are_asked_in_their_regions() {
    for (host, region) in [
        (
            "111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            "us-gov-west-1",
        ),
        (
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "cn-north-1",
        ),
        ("111122223333.dkr-ecr.us-east-1.on.aws", "us-east-1"),
        (
            "111122223333.dkr.ecr.eusc-de-east-1.amazonaws.eu",
            "eusc-de-east-1",
        ),
    ] {
        let world = World::new();
        let ecr = world.simulator.ecr();
        ecr.put_image("app", "v2", "sha256:1", "linux/amd64");
        world.put_images(
            &json!([{"name": "app", "imageUri": format!("{host}/app:v2")}]).to_string(),
        );
        success(&world.deploy(json!({})).await);
        let asked = world.simulator.calls_of("BatchGetImage");
        assert_eq!(asked[0].region.as_deref(), Some(region), "{host}");
    }
}
