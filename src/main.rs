//! The Lambda function: settings and clients once, then events as they come.

use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;
use std::sync::Arc;

use ecs_deploy_action::artifact::entry::Bounds;
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::clock::SystemClock;
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::engine::Engine;
use ecs_deploy_action::handler::{Handler, Invocation};
use ecs_deploy_action::logs::{self, Format};
use ecs_deploy_action::metrics::ToStandardOutput;
use ecs_deploy_action::settings::{MEMORY_SIZE, MEMORY_WRITTEN, Settings, environment};
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::util::MapRequestLayer;
use lambda_runtime::{LambdaEvent, LambdaInvocation, Runtime, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (format, unreadable) = Format::read(environment);
    logs::start(format);
    let mut settings = Settings::read(environment);
    settings.warnings.extend(unreadable);
    if let Some(error) = started_again() {
        tracing::error!("the function could not be started again: {error}");
    }
    let aws = Aws::from_environment(environment);
    aws.read_certificates();
    let engine = Engine {
        aws,
        clock: Arc::new(SystemClock),
        observer: Arc::new(ToStandardOutput),
        bounds: Bounds::for_memory(settings.memory),
    };
    let handler = Handler::new(engine, settings);
    let service = service_fn(|event: LambdaEvent<String>| {
        let handler = &handler;
        async move {
            let invocation = Invocation {
                request_id: event.context.request_id,
                deadline: Timestamp::from_millis(
                    i64::try_from(event.context.deadline).unwrap_or(i64::MAX),
                ),
            };
            let event = bytes_of(&event.payload);
            let report = handler.handle_bytes(&event, &invocation).await;
            report.map_err(lambda_runtime::Error::from)
        }
    });
    let runtime = Runtime::new(service)
        .layer(MapRequestLayer::new(as_text))
        .layer(TracingLayer::new());
    match runtime.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the runtime ended: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The runtime ends with a panic if it cannot read its variable of the function's memory, which it
/// needs for nothing. So the program is started again in its own place, with one that it can read.
/// Returns if there is no need, or with what was in the way.
fn started_again() -> Option<std::io::Error> {
    const LEAST_MEMORY: &str = "128";
    let written = environment(MEMORY_SIZE)?;
    if written.parse::<i32>().is_ok() {
        return None;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Some(error),
    };
    let mut again = std::process::Command::new(program);
    again
        .env(MEMORY_SIZE, LEAST_MEMORY)
        .env(MEMORY_WRITTEN, written);
    Some(again.exec())
}

/// The runtime hands on nothing that does not parse, and the job of such an event would never be
/// answered. So what it is to parse is made a JSON string first: a character for each byte.
fn as_text(mut invocation: LambdaInvocation) -> LambdaInvocation {
    let text: String = invocation.body.iter().copied().map(char::from).collect();
    invocation.body = Value::String(text).to_string().into();
    invocation
}

/// The event's bytes again, from what [`as_text`] has made of them.
fn bytes_of(text: &str) -> Vec<u8> {
    text.chars().filter_map(|c| u8::try_from(c).ok()).collect()
}
