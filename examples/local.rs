//! The local runner: a deployment on this machine, with no AWS account.
//!
//! It starts the simulator with a cluster, a Fargate service and an artifact, plays CodePipeline
//! (invokes the real handler with `events/start.json` and hands the continuation tokens back), and
//! shows the deployment as it happens. With `--aws` it deploys to the real account instead.
//!
//! Exit status: 0 for a succeeded job, 1 for a failed one, 2 for bad usage.

#[path = "local/arguments.rs"]
mod arguments;
#[path = "local/artifact.rs"]
mod artifact;
#[path = "local/play.rs"]
mod play;
#[path = "local/scenarios.rs"]
mod scenarios;
#[path = "local/show.rs"]
mod show;

use std::process::ExitCode;

use arguments::{Arguments, Asked};
use show::Show;

const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;

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
        Err(wrong) => {
            show::problem(&format!("{wrong}\n\n{}", arguments::USAGE));
            return ExitCode::from(BAD_USAGE);
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
            return ExitCode::from(BAD_USAGE);
        }
    };
    let show = Show::new(arguments.json, arguments.report.clone());
    let outcome = match &arguments.account {
        Some(service) => play::on_aws(service, &artifact, show).await,
        None => play::simulated(&arguments, artifact, show).await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(wrong) => {
            show::problem(&wrong);
            ExitCode::from(BAD_USAGE)
        }
    }
}
