//! The built binary behind a Lambda Runtime API on loopback: the event goes in, `PutJob`… comes out.
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>)

use std::convert::Infallible;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use simulator::Answer;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::support::{World, id_of, success};

/// What the function posted: `response` or `error`, and the body.
type Posted = (String, Value);

/// Hands out events one after the other and passes on what comes back.
struct RuntimeApi {
    address: String,
    events: mpsc::UnboundedSender<(Value, u64)>,
    posted: mpsc::UnboundedReceiver<Posted>,
}

impl RuntimeApi {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, queue) = mpsc::unbounded_channel();
        let (post, posted) = mpsc::unbounded_channel();
        let queue = Arc::new(tokio::sync::Mutex::new(queue));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (queue, post) = (queue.clone(), post.clone());
                let service =
                    service_fn(move |request| answer(request, queue.clone(), post.clone()));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self {
            address,
            events,
            posted,
        }
    }

    /// One invocation: what the function posted.
    async fn invoke(&mut self, event: &Value, deadline_ms: u64) -> Posted {
        self.events.send((event.clone(), deadline_ms)).unwrap();
        self.posted.recv().await.unwrap()
    }
}

async fn answer(
    request: Request<Incoming>,
    queue: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<(Value, u64)>>>,
    post: mpsc::UnboundedSender<Posted>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        let Some((event, deadline)) = queue.lock().await.recv().await else {
            std::future::pending().await
        };
        let response = Response::builder()
            .header("lambda-runtime-aws-request-id", "req-1")
            .header("lambda-runtime-deadline-ms", deadline.to_string())
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-central-1:111122223333:function:f",
            )
            .header(
                "lambda-runtime-trace-id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
            )
            .header("content-type", "application/json")
            .body(Full::from(event.to_string()));
        return Ok(response.unwrap());
    }
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let kind = path.rsplit('/').next().unwrap_or_default().to_owned();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    post.send((kind, body)).unwrap();
    Ok(Response::builder()
        .status(202)
        .body(Full::default())
        .unwrap())
}

/// The built function, and all that it writes.
struct Function {
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Function {
    fn start(runtime_api: &str, world: &World, more: &[(&str, &str)]) -> Self {
        // The release build, where one is to be tested; else what `cargo test` has built.
        let built = ecs_deploy_action::settings::environment("FUNCTION_BINARY");
        let built = built.unwrap_or_else(|| env!("CARGO_BIN_EXE_ecs-deploy-action").to_owned());
        let mut child = Command::new(built)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
            .env("AWS_LAMBDA_FUNCTION_NAME", "ecs-deploy-action")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/ecs-deploy-action")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .env("AWS_LAMBDA_LOG_LEVEL", "TRACE")
            .env("AWS_REGION", simulator::REGION)
            .env("AWS_ACCESS_KEY_ID", simulator::FUNCTION_ACCESS_KEY_ID)
            .env(
                "AWS_SECRET_ACCESS_KEY",
                simulator::FUNCTION_SECRET_ACCESS_KEY,
            )
            .env("AWS_SESSION_TOKEN", "function-token-MARK")
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
    async fn stop(mut self) -> String {
        self.child.kill().await.unwrap();
        for reader in self.readers {
            reader.await.unwrap();
        }
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }
}

const FAR_MS: u64 = 4_102_444_800_000;

#[tokio::test]
async fn the_built_binary_takes_an_event_and_answers_its_job_through_to_success() {
    let world = World::new();
    let mut runtime_api = RuntimeApi::start().await;
    let function = Function::start(&runtime_api.address, &world, &[]);
    let start = world.start(json!({}));
    let pipeline = world.simulator.codepipeline();

    let (kind, report) = runtime_api.invoke(&start, FAR_MS).await;
    assert_eq!(
        (kind.as_str(), &report["outcome"]),
        ("response", &json!("InProgress")),
        "{report}"
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
    let (kind, report) = runtime_api.invoke(&next, 0).await;
    assert_eq!(
        (kind.as_str(), &report["outcome"]),
        ("response", &json!("Succeeded")),
        "{report}"
    );
    success(&pipeline.answer(&id_of(&next)).unwrap());

    // What the runtime's own types would refuse reaches us too.
    for event in [json!(null), json!([1]), json!({"CodePipeline.job": 7})] {
        let (kind, report) = runtime_api.invoke(&event, FAR_MS).await;
        assert_eq!(
            (kind.as_str(), &report["outcome"]),
            ("response", &json!("Failed")),
            "{report}"
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
        let function = Function::start(&runtime_api.address, &world, &more);
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

#[tokio::test]
async fn a_setting_that_cannot_be_used_ends_the_function_with_a_sentence() {
    let world = World::new();
    let runtime_api = RuntimeApi::start().await;
    let mut function = Function::start(&runtime_api.address, &world, &[("WATCH_SECONDS", "long")]);
    let status = function.child.wait().await.unwrap();
    assert!(!status.success());
    let written = function.stop().await;
    assert!(written.contains("WATCH_SECONDS is 'long'"), "{written}");
}
