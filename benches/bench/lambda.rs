//! A Lambda Runtime API for one process, on loopback.
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>)

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use ecs_deploy_action::clock::{Clock, SystemClock};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// What `template.yaml` gives an invocation.
const TIME_LIMIT_MS: i64 = 300_000;

/// What the function posted.
#[derive(Debug)]
pub(crate) struct Posted {
    /// `response`, or `error`.
    pub(crate) kind: String,
    /// Its body.
    pub(crate) body: Value,
}

/// Hands out events one after the other and passes on what comes back.
pub(crate) struct RuntimeApi {
    pub(crate) address: String,
    /// When the function asked for an event.
    pub(crate) polls: mpsc::UnboundedReceiver<Instant>,
    pub(crate) events: mpsc::UnboundedSender<Value>,
    pub(crate) posted: mpsc::UnboundedReceiver<Posted>,
}

/// The other ends.
struct Ends {
    poll: mpsc::UnboundedSender<Instant>,
    queue: Mutex<mpsc::UnboundedReceiver<Value>>,
    post: mpsc::UnboundedSender<Posted>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let (poll, polls) = mpsc::unbounded_channel();
        let (events, queue) = mpsc::unbounded_channel();
        let (post, posted) = mpsc::unbounded_channel();
        let ends = Arc::new(Ends {
            poll,
            queue: Mutex::new(queue),
            post,
        });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let ends = ends.clone();
                let service = service_fn(move |request| answer(request, ends.clone()));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self {
            address,
            polls,
            events,
            posted,
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    ends: Arc<Ends>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        // Nobody may be listening any more: the process is about to be killed.
        let _ = ends.poll.send(crate::stopwatch::now());
        let Some(event) = ends.queue.lock().await.recv().await else {
            std::future::pending().await
        };
        let deadline = SystemClock.now().as_millis() + TIME_LIMIT_MS;
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
        return Ok(response.expect("a response"));
    }
    let kind = request.uri().path().rsplit('/').next().unwrap_or_default();
    let kind = kind.to_owned();
    let body = request.into_body().collect().await.expect("a body");
    let body = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
    drop(ends.post.send(Posted { kind, body }));
    let response = Response::builder().status(202).body(Full::default());
    Ok(response.expect("a response"))
}
