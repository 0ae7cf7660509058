//! The local runner: a deployment on this machine, with no AWS account.
//!
//! It starts the simulator with a cluster, a Fargate service and an artifact, plays CodePipeline
//! (invokes the real handler with `events/start.json` and hands the continuation tokens back), and
//! shows the deployment as it happens. With `--aws` it deploys to a real account instead, and with
//! `--migrate` it deploys nothing and replaces the ECS actions of a pipeline's definition.
//!
//! Exit status: 0 for a succeeded job, 1 for a failed one, 2 for one that was not started, 130 for one
//! that nobody watches any more. For `--migrate`: 0 if all ECS actions were replaced, 1 if not all or
//! none, 2 if the file could not be read.

#[path = "local/arguments.rs"]
mod arguments;
#[path = "local/artifact.rs"]
mod artifact;
#[path = "local/herd.rs"]
mod herd;
#[path = "local/migrate.rs"]
mod migration;
#[path = "local/play.rs"]
mod play;
#[path = "local/real.rs"]
mod real;
#[path = "local/scenarios.rs"]
mod scenarios;
#[path = "local/show.rs"]
mod show;
#[path = "local/then.rs"]
mod then;

use std::process::ExitCode;

use arguments::{Arguments, Asked};
use real::Finished;
use show::Show;

const FAILED: u8 = 1;
const NOT_STARTED: u8 = 2;
/// As shells have it for a process that SIGINT ended: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(Asked::Run(arguments)) => arguments,
        Ok(Asked::Help) => {
            show::text(arguments::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(Asked::List) => {
            show::text(&scenarios::listed());
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Migrate(asked)) => {
            return match migration::run(&asked) {
                Ok(migration::Outcome::All) => ExitCode::SUCCESS,
                Ok(migration::Outcome::NotAll) => ExitCode::from(FAILED),
                Err(wrong) => {
                    show::problem(&wrong);
                    ExitCode::from(NOT_STARTED)
                }
            };
        }
        Err(wrong) => {
            show::problem(&format!("{wrong}\n\n{}", arguments::USAGE));
            return ExitCode::from(NOT_STARTED);
        }
    };
    if arguments.log {
        let (all, _) = ecs_deploy_action::logs::Format::read(|name| match name {
            "AWS_LAMBDA_LOG_LEVEL" => Some("TRACE".to_owned()),
            _ => Some("JSON".to_owned()),
        });
        ecs_deploy_action::logs::start_to(all, std::io::stderr);
    }
    let artifact = match artifact::read(&arguments.artifact) {
        Ok(artifact) => artifact,
        Err(wrong) => {
            show::problem(&wrong);
            return ExitCode::from(NOT_STARTED);
        }
    };
    if let Some(report) = &arguments.report
        && let Err(wrong) = show::can_be_written(report)
    {
        show::problem(&wrong);
        return ExitCode::from(NOT_STARTED);
    }
    let show = Show::new(arguments.json, arguments.report.clone());
    let outcome = if let Some(service) = &arguments.account {
        Box::pin(real::deploy(service, &artifact, show)).await
    } else if arguments.scenario.name == scenarios::HERD {
        let all = herd::run(artifact, arguments.is_fast, &show).await;
        all.map(Finished::of)
    } else {
        let simulated = play::simulated(&arguments, artifact, show).await;
        simulated.map(Finished::of)
    };
    match outcome {
        Ok(Finished::Succeeded) => ExitCode::SUCCESS,
        Ok(Finished::Failed) => ExitCode::from(FAILED),
        Ok(Finished::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(wrong) => {
            show::problem(&wrong);
            ExitCode::from(NOT_STARTED)
        }
    }
}
