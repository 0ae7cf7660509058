//! A Lambda Runtime API for one process, on loopback: events go in, what the function posts comes out.
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>)

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use crate::arn::REGION;
use crate::credentials::{FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY};

/// What the function posted.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    /// `response`, or `error`.
    pub kind: String,
    /// Its body; `null` if that is not JSON.
    pub body: Value,
}

/// An event, and when Lambda would end the function, in milliseconds since 1970.
type Waiting = (Vec<u8>, u64);

/// Hands out events one after the other and passes on what comes back. Serves on the runtime that
/// it was started on, for as long as that runs.
pub struct RuntimeApi {
    address: String,
    polls: mpsc::UnboundedReceiver<Instant>,
    events: mpsc::UnboundedSender<Waiting>,
    posted: mpsc::UnboundedReceiver<Posted>,
}

/// The other ends.
struct Ends {
    poll: mpsc::UnboundedSender<Instant>,
    queue: Mutex<mpsc::UnboundedReceiver<Waiting>>,
    post: mpsc::UnboundedSender<Posted>,
}

impl RuntimeApi {
    /// One that listens.
    ///
    /// # Panics
    /// If this machine has no loopback address to listen on.
    pub async fn start() -> Self {
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

    /// What Lambda sets for every function, with logs as JSON and the function's credentials
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
    pub fn environment(&self) -> [(&'static str, &str); 12] {
        [
            ("AWS_LAMBDA_RUNTIME_API", &self.address),
            ("AWS_LAMBDA_FUNCTION_NAME", "f"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", FUNCTION_ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", FUNCTION_SECRET_ACCESS_KEY),
            // Marked, so that a test finds it wherever it is written.
            ("AWS_SESSION_TOKEN", "function-token-MARK"),
        ]
    }

    /// When the function asked for its next event, once it has.
    ///
    /// # Panics
    /// Never: whoever sends to it lives as long as the runtime.
    pub async fn polled(&mut self) -> Instant {
        self.polls.recv().await.expect("a server that runs")
    }

    /// One invocation: what the function posted. `deadline_ms` is when Lambda would end it, in
    /// milliseconds since 1970.
    ///
    /// # Panics
    /// Never, see [`RuntimeApi::polled`].
    pub async fn invoke(&mut self, event: &Value, deadline_ms: u64) -> Posted {
        self.invoke_bytes(event.to_string().as_bytes(), deadline_ms)
            .await
    }

    /// The same with an event that need not be JSON.
    ///
    /// # Panics
    /// Never, see [`RuntimeApi::polled`].
    pub async fn invoke_bytes(&mut self, event: &[u8], deadline_ms: u64) -> Posted {
        let sent = self.events.send((event.to_vec(), deadline_ms));
        sent.expect("a server that runs");
        self.posted.recv().await.expect("a server that runs")
    }
}

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "when a process asks for an event is real time"
)]
fn now() -> Instant {
    Instant::now()
}

async fn answer(
    request: Request<Incoming>,
    ends: Arc<Ends>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        // Nobody may be listening any more: the process is about to be killed.
        let _ = ends.poll.send(now());
        let Some((event, deadline_ms)) = ends.queue.lock().await.recv().await else {
            std::future::pending().await
        };
        let response = Response::builder()
            .header("lambda-runtime-aws-request-id", "req-1")
            .header("lambda-runtime-deadline-ms", deadline_ms.to_string())
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:eu-central-1:111122223333:function:f",
            )
            .header(
                "lambda-runtime-trace-id",
                "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
            )
            .header("content-type", "application/json")
            .body(Full::from(event));
        return Ok(response.expect("a response"));
    }
    let kind = request.uri().path().rsplit('/').next().unwrap_or_default();
    let kind = kind.to_owned();
    let body = request.into_body().collect().await;
    let body = body.map(http_body_util::Collected::to_bytes);
    let body = serde_json::from_slice(&body.unwrap_or_default()).unwrap_or(Value::Null);
    drop(ends.post.send(Posted { kind, body }));
    let response = Response::builder().status(202).body(Full::default());
    Ok(response.expect("a response"))
}
