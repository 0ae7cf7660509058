//! The built binary behind a Lambda Runtime API on loopback: the event goes in, `PutJob`… comes out.
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>)

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecs_deploy_action::settings::environment;
use serde_json::{Value, json};
use simulator::{Answer, Posted, RuntimeApi};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::support::{World, failure, id_of, success};

/// The built function, and all that it writes.
pub(crate) struct Function {
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

/// The release build, where one is to be tested; else what `cargo test` has built.
fn built() -> PathBuf {
    let built = environment("FUNCTION_BINARY");
    built.map_or_else(
        || env!("CARGO_BIN_EXE_ecs-deploy-action").into(),
        PathBuf::from,
    )
}

/// The command that runs `binary`. `FUNCTION_RUNNER` is what runs the programs of another CPU:
/// `qemu-aarch64 -L /usr/aarch64-linux-gnu`.
fn command(binary: &Path) -> Command {
    let runner = environment("FUNCTION_RUNNER").unwrap_or_default();
    let mut line = runner.split_whitespace().map(Path::new).chain([binary]);
    let mut command = Command::new(line.next().unwrap());
    command.args(line);
    command
}

impl Function {
    pub(crate) fn start(runtime_api: &RuntimeApi, world: &World, more: &[(&str, &str)]) -> Self {
        Self::start_binary(&built(), runtime_api, world, more)
    }

    fn start_binary(
        binary: &Path,
        runtime_api: &RuntimeApi,
        world: &World,
        more: &[(&str, &str)],
    ) -> Self {
        let mut child = command(binary)
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

/// A copy of the built function in which `text` begins with a line feed, which no header of HTTP may
/// have: the SDK panics where it puts it into one.
fn with_a_text_that_panics(text: &str) -> PathBuf {
    let mut binary = fs::read(built()).unwrap();
    let text = text.as_bytes();
    let first = text[0];
    let places: Vec<usize> = binary
        .windows(text.len())
        .enumerate()
        .filter(|(_, window)| *window == text)
        .map(|(place, _)| place)
        .collect();
    assert!(!places.is_empty(), "the text is not in the function");
    for place in places {
        assert_eq!(binary[place], first);
        binary[place] = b'\n';
    }
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bootstrap-that-panics");
    fs::write(&copy, binary).unwrap();
    fs::set_permissions(&copy, fs::metadata(built()).unwrap().permissions()).unwrap();
    copy
}

#[tokio::test]
async fn a_panic_in_the_built_function_is_answered_and_the_next_event_is_taken() {
    let world = World::new();
    let mut runtime_api = RuntimeApi::start().await;
    // The name of ECS's protocol, which each call of ECS has in its header X-Amz-Target.
    let panics = with_a_text_that_panics("AmazonEC2ContainerServiceV20141113");
    let function = Function::start_binary(&panics, &runtime_api, &world, &[]);
    for _ in 0..2 {
        let start = world.start(json!({}));
        let Posted { kind, body } = runtime_api.invoke(&start, FAR_MS).await;
        assert_eq!(
            (kind.as_str(), &body["outcome"]),
            ("response", &json!("Failed")),
            "{body}"
        );
        let answer = world.simulator.codepipeline().answer(&id_of(&start));
        let message = failure(&answer.unwrap()).1.to_owned();
        assert!(message.contains("Nothing was changed"), "{message}");
    }
    let written = function.stop().await;
    assert_eq!(written.matches("panicked").count(), 2, "{written}");
}

#[tokio::test]
async fn the_built_function_starts_a_deployment_in_five_round_trips() {
    let world = World::new();
    world.simulator.answer_in_waves();
    let mut runtime_api = RuntimeApi::start().await;
    let function = Function::start(&runtime_api, &world, &[]);
    let start = world.start(json!({}));
    let posted = runtime_api.invoke(&start, FAR_MS).await;
    assert_eq!(posted.body["outcome"], "InProgress", "{}", posted.body);
    let calls = world.simulator.calls();
    let path = simulator::round_trips(&calls);
    assert_eq!(path.len(), 5, "{path:?}");
    function.stop().await;
}

#[tokio::test]
async fn a_log_that_cannot_be_written_leaves_no_job_unanswered() {
    let world = World::new();
    let mut runtime_api = RuntimeApi::start().await;
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = command(&built())
        .env_clear()
        .envs(runtime_api.environment())
        .env("AWS_LAMBDA_LOG_LEVEL", "TRACE")
        .env("AWS_ENDPOINT_URL", world.simulator.endpoint())
        .env("WATCH_SECONDS", "0")
        .stdin(Stdio::null())
        .stdout(full())
        .stderr(full())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let start = world.start(json!({}));
    let posted = runtime_api.invoke(&start, FAR_MS).await;
    assert_eq!(posted.body["outcome"], "InProgress", "{}", posted.body);
    let answer = world.simulator.codepipeline().answer(&id_of(&start));
    assert!(answer.is_some(), "its job is answered");
    child.kill().await.unwrap();
}
