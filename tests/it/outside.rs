//! What containers and AWS write reaches people without what steers a terminal or opens a door.

use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::observer::Unobserved;
use serde_json::json;
use simulator::ecs::{Behaviour, ServiceSetup};
use simulator::{RuntimeApi, Simulator, StartAction};

use crate::runtime_api::{FAR_MS, Function};
use crate::support::{BUCKET, KEY, World, failure, id_of, logging_app};

const METRICS: &str = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"Evil","Dimensions":[[]],"Metrics":[{"Name":"x"}]}]},"x":1}"#;

/// The log of a container that means no good.
fn log_lines() -> Vec<String> {
    vec![
        METRICS.to_owned(),
        format!("a line\n{METRICS}\r\n{METRICS}"),
        "\u{1b}[2J\u{1b}]0;title\u{7}cleared\0 \u{9b}31m".to_owned(),
        "turned \u{202e}redro\u{202c} and \u{2066}hidden\u{200b}".to_owned(),
        "cannot connect to postgres://app:PASSWORD@db.internal:5432/x?sslmode=SECRET".to_owned(),
        r#"{"url":"redis:\/\/:PASSWORD@cache\/0"}"#.to_owned(),
        "\u{1b}[31mpanic: amqps://app:PASSWORD@mq/x refused\u{1b}[0m".to_owned(),
    ]
}

fn world() -> World {
    let simulator = Simulator::start();
    simulator.ecs().register(logging_app("repo/app:v1"));
    simulator.ecs().create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "web".to_owned(),
        task_definition: "app:1".to_owned(),
        circuit_breaker: Some(true),
        ..ServiceSetup::default()
    });
    let world = World::around(simulator, Arc::new(Unobserved), Duration::from_secs(40));
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#);
    world.simulator.ecs().image(
        "v2",
        Behaviour::Crash {
            exit_code: 1,
            after_seconds: 3,
            log_lines: log_lines(),
        },
    );
    world
}

fn is_clean(text: &str) {
    for (number, c) in text.char_indices() {
        let is_line_end = c == '\n';
        assert!(
            is_line_end
                || !(c.is_control()
                    || ('\u{200b}'..='\u{200f}').contains(&c)
                    || ('\u{202a}'..='\u{202e}').contains(&c)
                    || ('\u{2066}'..='\u{2069}').contains(&c)),
            "U+{:04X} at {number} of {text:?}",
            u32::from(c)
        );
    }
    for secret in ["PASSWORD", "SECRET"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn what_a_container_has_written_is_shown_without_what_steers_and_without_passwords() {
    for format in ["Text", "JSON"] {
        let world = world();
        let mut runtime_api = RuntimeApi::start().await;
        let function = Function::start(&runtime_api, &world, &[("AWS_LAMBDA_LOG_FORMAT", format)]);
        let pipeline = world.simulator.codepipeline();
        let mut event = pipeline.start(&StartAction {
            configuration: json!({"FunctionName": "f", "UserParameters":
                json!({"ClusterName": "prod", "ServiceName": "web"}).to_string()}),
            inputs: vec![("Build".to_owned(), BUCKET.to_owned(), KEY.to_owned())],
            outputs: vec![("Out".to_owned(), BUCKET.to_owned(), "out.zip".to_owned())],
            encryption_key: None,
        });
        loop {
            runtime_api.invoke(&event, FAR_MS).await;
            match pipeline.next_event(&id_of(&event)) {
                Some(next) => event = next,
                None => break,
            }
            world
                .simulator
                .clock()
                .advance(std::time::Duration::from_secs(30));
        }
        let answer = pipeline.answer(&id_of(&event)).unwrap();
        let (_, message) = failure(&answer);
        assert!(
            message.contains("its log ends: panic: amqps://…@mq/x refused"),
            "{message}"
        );
        assert!(
            message.contains("postgres://…@db.internal:5432/x?…"),
            "{message}"
        );
        is_clean(message);
        let zip = world.simulator.s3().get(BUCKET, "out.zip").unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
        for name in ["deployment.json", "deployment.html"] {
            let mut text = String::new();
            archive
                .by_name(name)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            assert!(text.contains("amqps://…@mq/x"), "{text}");
            is_clean(&text);
        }
        let written = function.stop().await;
        is_clean(&written);
        for line in written
            .lines()
            .filter(|line| line.trim_start().starts_with('{'))
        {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let namespace = &line["_aws"]["CloudWatchMetrics"][0]["Namespace"];
            assert!(
                namespace.is_null() || namespace == "EcsDeployAction",
                "{line}"
            );
        }
    }
}

#[tokio::test]
async fn what_somebody_wrote_into_parameters_or_the_artifact_steers_nothing_either() {
    let hostile = "a\u{1b}[2J\u{202e}b\u{0}c";
    let world = World::new();
    for event in [
        world.start(json!({hostile: "x"})),
        world.start(json!({"ServiceName": hostile})),
        world.start(json!({"FileName": hostile})),
        world.start(json!({"DeploymentTimeout": hostile})),
    ] {
        let report = world.invoke(&event).await;
        assert_eq!(report["outcome"], "Failed", "{report}");
        is_clean(report["message"].as_str().unwrap());
        let answer = world
            .simulator
            .codepipeline()
            .answer(&id_of(&event))
            .unwrap();
        is_clean(failure(&answer).1);
    }
    for images in [
        json!([{"name": hostile, "imageUri": "repo/app:v2"}]),
        json!([{"name": "app", "imageUri": hostile}]),
        json!([{"name": "app", "imageUri": "https://user:PASSWORD@registry.example/app:1"}]),
    ] {
        world.put_images(&images.to_string());
        let event = world.start(json!({}));
        let report = world.invoke(&event).await;
        is_clean(report["message"].as_str().unwrap());
    }
}
