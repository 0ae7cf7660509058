//! The Lambda function: settings and clients once, then events as they come.

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
use ecs_deploy_action::settings::{Settings, environment};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    logs::start(Format::read(environment));
    let settings = match Settings::read(environment) {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let aws = Aws::from_environment(environment);
    aws.connect_ahead();
    let engine = Engine {
        aws,
        clock: Arc::new(SystemClock),
        observer: Arc::new(ToStandardOutput),
        bounds: Bounds::for_memory(settings.memory),
    };
    let handler = Handler::new(engine, settings);
    // The event is taken as it comes: one that does not fit a type would never reach us, and its
    // job would never be answered.
    let service = service_fn(|event: LambdaEvent<Value>| {
        let handler = &handler;
        async move {
            let invocation = Invocation {
                request_id: event.context.request_id,
                deadline: Timestamp::from_millis(
                    i64::try_from(event.context.deadline).unwrap_or(i64::MAX),
                ),
            };
            let report = handler.handle(&event.payload, &invocation).await;
            report.map_err(lambda_runtime::Error::from)
        }
    });
    match lambda_runtime::run(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the runtime ended: {error}");
            ExitCode::FAILURE
        }
    }
}
