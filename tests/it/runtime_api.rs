//! The built binary behind a Lambda Runtime API on loopback: the event goes in, `PutJob`… comes out.
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>)

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Answer, Posted, RuntimeApi};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::support::{World, id_of, success};

/// The built function, and all that it writes.
pub(crate) struct Function {
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Function {
    pub(crate) fn start(runtime_api: &RuntimeApi, world: &World, more: &[(&str, &str)]) -> Self {
        // The release build, where one is to be tested; else what `cargo test` has built.
        let built = ecs_deploy_action::settings::environment("FUNCTION_BINARY");
        let built = built.unwrap_or_else(|| env!("CARGO_BIN_EXE_ecs-deploy-action").to_owned());
        let mut child = Command::new(built)
            .env_clear()
            .envs(runtime_api.environment())
            .env("AWS_LAMBDA_LOG_LEVEL", "TRACE")
            .env("AWS_ENDPOINT_URL", world.simulator.endpoint())
            .env("WATCH_SECONDS", "0")
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let written = Arc::new(Mutex::new(Vec::new()));
        let streams: [Box<dyn tokio::io::AsyncRead + Send + Unpin>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        let readers = streams.into_iter().map(|mut stream| {
            let written = written.clone();
            tokio::spawn(async move {
                let mut part = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut part).await {
                    written.lock().unwrap().extend_from_slice(&part[..length]);
                }
            })
        });
        Self {
            readers: readers.collect(),
            child,
            written,
        }
    }

    /// Ends it and returns all that it wrote.
    pub(crate) async fn stop(mut self) -> String {
        self.child.kill().await.unwrap();
        for reader in self.readers {
            reader.await.unwrap();
        }
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }
}

pub(crate) const FAR_MS: u64 = 4_102_444_800_000;

#[tokio::test]
async fn the_built_binary_takes_an_event_and_answers_its_job_through_to_success() {
    let world = World::new();
    let mut runtime_api = RuntimeApi::start().await;
    let function = Function::start(&runtime_api, &world, &[]);
    let start = world.start(json!({}));
    let pipeline = world.simulator.codepipeline();

    let Posted { kind, body } = runtime_api.invoke(&start, FAR_MS).await;
    assert_eq!(
        (kind.as_str(), &body["outcome"]),
        ("response", &json!("InProgress")),
        "{body}"
    );
    let answered = pipeline.answer(&id_of(&start));
    assert!(matches!(
        answered,
        Some(Answer::Success {
            continuation_token: Some(_),
            ..
        })
    ));

    world.simulator.clock().advance(Duration::from_mins(2));
    let next = pipeline.next_event(&id_of(&start)).unwrap();
    // A deadline in 1970, as `cargo lambda watch` hands out.
    let Posted { kind, body } = runtime_api.invoke(&next, 0).await;
    assert_eq!(
        (kind.as_str(), &body["outcome"]),
        ("response", &json!("Succeeded")),
        "{body}"
    );
    success(&pipeline.answer(&id_of(&next)).unwrap());

    // What the runtime's own types would refuse reaches us too.
    for event in [json!(null), json!([1]), json!({"CodePipeline.job": 7})] {
        let Posted { kind, body } = runtime_api.invoke(&event, FAR_MS).await;
        assert_eq!(
            (kind.as_str(), &body["outcome"]),
            ("response", &json!("Failed")),
            "{body}"
        );
    }
    function.stop().await;
}

#[tokio::test]
async fn at_trace_nothing_of_a_credential_or_the_event_is_written() {
    let world = World::new();
    let mut runtime_api = RuntimeApi::start().await;
    for format in ["JSON", "Text"] {
        let more = [("AWS_LAMBDA_LOG_FORMAT", format)];
        let function = Function::start(&runtime_api, &world, &more);
        let start = world.start(json!({}));
        runtime_api.invoke(&start, FAR_MS).await;
        let mut denied = world.start(json!({}));
        denied["CodePipeline.job"]["data"]["artifactCredentials"]["secretAccessKey"] =
            json!("wrong-MARK");
        runtime_api.invoke(&denied, FAR_MS).await;
        let written = function.stop().await;
        assert!(written.contains(&id_of(&start)), "{written}");
        assert!(written.contains("RollingOut"), "{written}");
        for secret in [
            "MARK",
            "artifactCredentials",
            simulator::ARTIFACT_ACCESS_KEY_ID,
        ] {
            assert!(!written.contains(secret), "{secret} in {written}");
        }
        if format == "JSON" {
            let line = written
                .lines()
                .find(|line| line.contains("\"looked\""))
                .unwrap();
            let line: Value = serde_json::from_str(line).unwrap();
            for field in ["job", "service", "phase", "deployment"] {
                assert!(line[field].is_string(), "{field} in {line}");
            }
            // The one that was denied has ended, the other goes on.
            let metrics: Vec<&str> = written
                .lines()
                .filter(|line| line.contains("\"_aws\""))
                .collect();
            assert_eq!(metrics.len(), 1, "{written}");
            let metrics: Value = serde_json::from_str(metrics[0]).unwrap();
            assert_eq!(metrics["Outcome"], "Failed");
            assert_eq!(metrics["Phase"], "Start");
            assert_eq!(metrics["job"], id_of(&denied));
        }
    }
}
