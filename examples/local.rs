//! The local runner: a deployment on this machine, with no AWS account.
//!
//! It starts the simulator with a cluster, a Fargate service and an artifact, plays CodePipeline
//! (invokes the real handler with `events/start.json` and hands the continuation tokens back), and
//! shows the deployment as it happens. With `--aws` it deploys to a real account instead, and with
//! `--migrate` it deploys nothing and replaces the ECS actions of a pipeline's definition.
//!
//! Exit status: 0 for a succeeded job, 1 for a failed one, 2 for one that was not started or of which
//! some output is lost, 130 for one that nobody watches any more. For `--migrate`: 0 if all ECS
//! actions were replaced, 1 if not all or none, 2 if the file could not be read.

#[path = "local/account.rs"]
mod account;
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
#[path = "local/screen.rs"]
mod screen;
#[path = "local/show.rs"]
mod show;
#[path = "local/then.rs"]
mod then;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use arguments::{Arguments, Asked, Log};
use real::Finished;
use screen::Screen;
use show::Show;

const FAILED: u8 = 1;
const NOT_STARTED: u8 = 2;
/// All went well, but something that was to be written of it is lost.
const OUTPUT_LOST: u8 = 2;
/// As shells have it for a process that SIGINT ended: 128 and the signal's number.
const INTERRUPTED: u8 = 130;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match arguments::parse() {
        Ok(Asked::Run(arguments)) => arguments,
        Ok(Asked::Help) => {
            screen::text(arguments::USAGE);
            return succeeded();
        }
        Ok(Asked::Version) => {
            let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
            screen::text(&format!("{name} {version}, the local runner"));
            return succeeded();
        }
        Ok(Asked::List) => {
            screen::text(&scenarios::listed());
            return succeeded();
        }
        Ok(Asked::Migrate(asked)) => {
            return match migration::run(&asked) {
                Ok(migration::Outcome::All) => succeeded(),
                Ok(migration::Outcome::NotAll) => ExitCode::from(FAILED),
                Err(wrong) => not_started(&wrong),
            };
        }
        Err(wrong) => return not_started(&wrong),
    };
    let artifact = match artifact::read(&arguments.artifact) {
        Ok(artifact) => artifact,
        Err(wrong) => return not_started(&wrong),
    };
    if let Some(report) = &arguments.report
        && let Err(wrong) = show::can_be_written(report)
    {
        return not_started(&wrong);
    }
    let screen = Arc::new(Screen::new(arguments.json));
    if let Some(log) = &arguments.log
        && let Err(wrong) = start_log(log, &screen)
    {
        return not_started(&wrong);
    }
    let show = Arc::new(Show::new(screen.clone(), arguments.report.clone()));
    let outcome = if let Some(service) = &arguments.account {
        Box::pin(real::deploy(service, &artifact, show)).await
    } else {
        let simulated = Box::pin(simulated(&arguments, artifact, show.clone()));
        if let Some(succeeded) = real::unless_interrupted(simulated).await {
            succeeded.map(Finished::of)
        } else {
            screen.end_status();
            let report = show.interrupted_report();
            screen::problem(&format!(
                "Interrupted. The simulation has ended with it.{report}"
            ));
            Ok(Finished::Interrupted)
        }
    };
    screen.end_status();
    match outcome {
        Ok(Finished::Succeeded) => succeeded(),
        Ok(Finished::Failed) => ExitCode::from(FAILED),
        Ok(Finished::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(wrong) => not_started(&wrong),
    }
}

fn succeeded() -> ExitCode {
    if screen::has_lost() {
        ExitCode::from(OUTPUT_LOST)
    } else {
        ExitCode::SUCCESS
    }
}

fn not_started(wrong: &str) -> ExitCode {
    screen::problem(wrong);
    ExitCode::from(NOT_STARTED)
}

/// A scenario. Whether the job, or each of them, succeeded.
async fn simulated(
    arguments: &Arguments,
    artifact: artifact::Artifact,
    show: Arc<Show>,
) -> Result<bool, String> {
    if arguments.scenario.name == scenarios::HERD {
        herd::run(artifact, arguments, &show).await
    } else {
        play::simulated(arguments, artifact, show).await
    }
}

/// The function's log, all of it.
fn start_log(log: &Log, screen: &Arc<Screen>) -> Result<(), String> {
    let (all, _) = ecs_deploy_action::logs::Format::read(|name| match name {
        "AWS_LAMBDA_LOG_LEVEL" => Some("TRACE".to_owned()),
        _ => Some("JSON".to_owned()),
    });
    match log {
        Log::StandardError => {
            let screen = screen.clone();
            ecs_deploy_action::logs::start_to(all, move || AboveStatus(screen.clone()));
        }
        Log::File(path) => {
            let opened: std::io::Result<File> =
                OpenOptions::new().append(true).create(true).open(path);
            let file = Arc::new(opened.map_err(|error| {
                format!(
                    "The log cannot be written to {}: {error}. Nothing was done.",
                    path.display()
                )
            })?);
            ecs_deploy_action::logs::start_to(all, move || LogFile(file.clone()));
        }
    }
    Ok(())
}

/// The log reports a loss once, as all output does; the logger would do it in words of its own, line by line.
fn write_log(out: &mut impl Write, line: &[u8]) -> usize {
    drop(screen::kept("The log", out.write_all(line)));
    line.len()
}

/// A file for the log.
struct LogFile(Arc<File>);

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        Ok(write_log(&mut &*self.0, line))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Standard error, on a screen that may have status lines.
struct AboveStatus(Arc<Screen>);

impl Write for AboveStatus {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        Ok(self.0.above(|| write_log(&mut std::io::stderr(), line)))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
