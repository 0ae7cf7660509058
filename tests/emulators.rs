//! The same stories against emulators that somebody else wrote, so that the simulator's ideas of
//! AWS are not the only ones: moto up to `UpdateService`, ministack through whole rollouts.
//!
//! `emulators/run` installs and starts both and runs this with their endpoints in `MOTO_ENDPOINT`
//! and `MINISTACK_ENDPOINT`.

use std::io::{Cursor, Write};
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, DeploymentCircuitBreaker, DeploymentConfiguration,
    LaunchType, Tag,
};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use ecs_deploy_action::artifact::entry::Bounds;
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::clock::{Clock, SystemClock};
use ecs_deploy_action::engine::Engine;
use ecs_deploy_action::handler::{Handler, Invocation};
use ecs_deploy_action::observer::Unobserved;
use ecs_deploy_action::settings::Settings;
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const CLUSTER: &str = "prod";
const SERVICE: &str = "web";

fn endpoint(variable: &str) -> String {
    ecs_deploy_action::settings::environment(variable)
        .unwrap_or_else(|| unreachable!("{variable} is set by emulators/run"))
}

struct Emulator {
    config: SdkConfig,
    ecs: aws_sdk_ecs::Client,
    s3: aws_sdk_s3::Client,
    /// Keeps the stories of one emulator apart.
    cluster: String,
}

impl Emulator {
    async fn at(variable: &str, story: &str) -> Self {
        let config = simulator::client_config(&endpoint(variable), "us-east-1", "test", "test");
        let s3 = aws_sdk_s3::config::Builder::from(&config)
            .force_path_style(true)
            .build();
        let emulator = Self {
            ecs: aws_sdk_ecs::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            config,
            cluster: format!("{CLUSTER}-{story}"),
        };
        let created = emulator.ecs.create_cluster();
        created
            .cluster_name(&emulator.cluster)
            .send()
            .await
            .unwrap();
        emulator
    }

    /// Registers `image` and creates the service with it. Returns the family.
    async fn create_service(&self, image: &str) -> String {
        let family = format!("app-{}", self.cluster);
        let container = ContainerDefinition::builder()
            .name("app")
            .image(image)
            .essential(true)
            .build();
        self.ecs
            .register_task_definition()
            .family(&family)
            .container_definitions(container)
            .requires_compatibilities(Compatibility::Fargate)
            .cpu("256")
            .memory("512")
            .tags(Tag::builder().key("team").value("web").build())
            .send()
            .await
            .unwrap();
        let breaker = DeploymentCircuitBreaker::builder()
            .enable(true)
            .rollback(true)
            .build();
        self.ecs
            .create_service()
            .cluster(&self.cluster)
            .service_name(SERVICE)
            .task_definition(&family)
            .desired_count(1)
            .launch_type(LaunchType::Fargate)
            .deployment_configuration(
                DeploymentConfiguration::builder()
                    .deployment_circuit_breaker(breaker)
                    .build(),
            )
            .send()
            .await
            .unwrap();
        family
    }

    fn handler(&self, watch: Duration) -> Handler {
        let engine = Engine {
            aws: Aws::new(self.config.clone()),
            clock: Arc::new(SystemClock),
            observer: Arc::new(Unobserved),
            bounds: Bounds::for_memory(None),
        };
        Handler::new(
            engine,
            Settings {
                watch,
                ..Settings::default()
            },
        )
    }

    fn event(&self, image: &str) -> Value {
        json!({"ClusterName": self.cluster, "ServiceName": SERVICE,
            "ImageDefinitions": [{"name": "app", "imageUri": image}]})
    }

    /// One invocation that may take so long.
    async fn invoke(&self, event: &Value, limit: Duration) -> Value {
        let invocation = Invocation {
            request_id: format!("story-{}", self.cluster),
            deadline: SystemClock.now() + limit,
        };
        self.handler(Duration::ZERO)
            .handle(event, &invocation)
            .await
            .unwrap()
    }

    async fn images_of(&self, task_definition: &str) -> Vec<String> {
        let described = self.ecs.describe_task_definition();
        let described = described
            .task_definition(task_definition)
            .send()
            .await
            .unwrap();
        let containers = described.task_definition().unwrap().container_definitions();
        containers
            .iter()
            .filter_map(|one| one.image().map(str::to_owned))
            .collect()
    }

    async fn service_revision(&self) -> String {
        let described = self
            .ecs
            .describe_services()
            .cluster(&self.cluster)
            .services(SERVICE);
        let described = described.send().await.unwrap();
        described.services()[0]
            .task_definition()
            .unwrap()
            .to_owned()
    }
}

fn zip_of(content: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("imagedefinitions.json", stored).unwrap();
    writer.write_all(content.as_bytes()).unwrap();
    // More than the tail that is fetched first, so that a second range is asked for.
    writer.start_file("large", stored).unwrap();
    writer.write_all(&vec![7; 300_000]).unwrap();
    writer.finish().unwrap().into_inner()
}

/// As short as an invocation may be that still looks once.
const ONE_LOOK: Duration = Duration::from_secs(11);
const WHOLE_ROLLOUT: Duration = Duration::from_mins(3);

#[tokio::test]
async fn moto_a_versioned_artifact_is_read_by_ranges_and_the_service_is_updated() {
    let moto = Emulator::at("MOTO_ENDPOINT", "versioned").await;
    let family = moto.create_service("repo/app:v1").await;
    let bucket = "artifacts-versioned";
    moto.s3.create_bucket().bucket(bucket).send().await.unwrap();
    let versioning = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    moto.s3
        .put_bucket_versioning()
        .bucket(bucket)
        .versioning_configuration(versioning)
        .send()
        .await
        .unwrap();
    for image in ["repo/app:old", "repo/app:v2"] {
        let content = format!(r#"[{{"name": "app", "imageUri": "{image}"}}]"#);
        let body = zip_of(&content).into();
        moto.s3
            .put_object()
            .bucket(bucket)
            .key("k")
            .body(body)
            .send()
            .await
            .unwrap();
    }
    let event = json!({"ClusterName": moto.cluster, "ServiceName": SERVICE,
        "Artifact": {"Bucket": bucket, "Key": "k"}});
    let report = moto.invoke(&event, ONE_LOOK).await;
    assert_ne!(report["outcome"], "Failed", "{report}");
    let revision = moto.service_revision().await;
    assert!(revision.ends_with(&format!("{family}:2")), "{revision}");
    assert_eq!(moto.images_of(&revision).await, ["repo/app:v2"]);

    // The same once more: nothing new.
    moto.invoke(&event, ONE_LOOK).await;
    assert_eq!(moto.service_revision().await, revision);
    let listed = moto
        .ecs
        .list_task_definitions()
        .family_prefix(&family)
        .send()
        .await
        .unwrap();
    assert_eq!(listed.task_definition_arns().len(), 2);
}

#[tokio::test]
async fn moto_what_does_not_exist_is_reported() {
    let moto = Emulator::at("MOTO_ENDPOINT", "missing").await;
    moto.create_service("repo/app:v1").await;
    let message_of = async |event: Value| {
        let report = moto.invoke(&event, ONE_LOOK).await;
        assert_eq!(report["outcome"], "Failed");
        report["message"].as_str().unwrap().to_owned()
    };
    let mut event = moto.event("repo/app:v2");
    event["ServiceName"] = json!("wbe");
    assert!(
        message_of(event)
            .await
            .contains("there is no service 'wbe'")
    );
    let mut event = moto.event("repo/app:v2");
    event["ClusterName"] = json!("nowhere");
    assert!(
        message_of(event)
            .await
            .contains("there is no cluster 'nowhere'")
    );
    let mut event = moto.event("repo/app:v2");
    event.as_object_mut().unwrap().remove("ImageDefinitions");
    event["Artifact"] = json!({"Bucket": "nobody-has-this", "Key": "k"});
    assert!(message_of(event.clone()).await.contains("does not exist"));
    moto.s3
        .create_bucket()
        .bucket("artifacts-missing")
        .send()
        .await
        .unwrap();
    event["Artifact"] = json!({"Bucket": "artifacts-missing", "Key": "k"});
    assert!(message_of(event).await.contains("does not exist"));
}

#[tokio::test]
async fn ministack_a_whole_rollout_succeeds() {
    let ministack = Emulator::at("MINISTACK_ENDPOINT", "healthy").await;
    ministack.create_service("repo/app:v1").await;
    let report = ministack
        .invoke(&ministack.event("repo/app:v2"), WHOLE_ROLLOUT)
        .await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    assert_eq!(report["outputVariables"]["Image-app"], "repo/app:v2");
    let revision = ministack.service_revision().await;
    assert_eq!(ministack.images_of(&revision).await, ["repo/app:v2"]);
}

#[tokio::test]
async fn ministack_a_tripped_circuit_breaker_with_rollback_is_a_failure() {
    for (story, image) in [("crash", "repo/app:crash"), ("missing", "repo/app:missing")] {
        let ministack = Emulator::at("MINISTACK_ENDPOINT", story).await;
        let family = ministack.create_service("repo/app:v1").await;
        let before = ministack.event("repo/app:v1");
        let report = ministack.invoke(&before, WHOLE_ROLLOUT).await;
        assert_eq!(report["outcome"], "Succeeded", "{report}");
        // Another deployment: by another invocation, so with another job.
        let invocation = Invocation {
            request_id: format!("second-{story}"),
            deadline: SystemClock.now() + WHOLE_ROLLOUT,
        };
        let event = ministack.event(image);
        let handler = ministack.handler(Duration::ZERO);
        let report = handler.handle(&event, &invocation).await.unwrap();
        assert_eq!(report["outcome"], "Failed", "{report}");
        let message = report["message"].as_str().unwrap();
        assert!(
            message.starts_with(&format!("web on prod-{story}: {family}:3 failed: ")),
            "{message}"
        );
        let revision = ministack.service_revision().await;
        assert_eq!(
            ministack.images_of(&revision).await,
            ["repo/app:v1"],
            "{message}"
        );
    }
}
