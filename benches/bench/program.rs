//! The three functions: how they are built and started, and what they take.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ecs_deploy_action::clock::{Clock, SystemClock};
use ecs_deploy_action::settings::environment;
use serde_json::Value;
use simulator::{Posted, RuntimeApi};
use tokio::process::{Child, Command};

use crate::stopwatch;
use crate::table::say;

/// Nothing here takes longer; whatever does hangs.
const PATIENCE: Duration = Duration::from_mins(5);

/// What `template.yaml` gives an invocation.
const TIME_LIMIT: Duration = Duration::from_mins(5);

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// This function.
    Ours,
    /// `benches/minimal`.
    Minimal,
    /// `benches/baseline`.
    Python,
}

impl Program {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Minimal, Self::Python];

    /// Those that deploy.
    pub(crate) const DEPLOYING: [Self; 2] = [Self::Ours, Self::Python];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "this function",
            Self::Minimal => "minimal function",
            Self::Python => "Python, boto3",
        }
    }
}

/// Where they are.
pub(crate) struct Programs {
    /// Ours: what `cargo bench` has built, or `FUNCTION_BINARY`.
    pub(crate) ours: PathBuf,
    pub(crate) minimal: PathBuf,
    /// The virtual environment of the baseline.
    pub(crate) environment: PathBuf,
}

/// This package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the baseline's handler is.
pub(crate) fn baseline() -> PathBuf {
    root().join("benches/baseline")
}

impl Programs {
    /// Builds what is not built yet: the minimal function beside ours, the baseline's environment in
    /// `.venv/baseline`.
    pub(crate) fn build() -> Self {
        let built = Path::new(env!("CARGO_BIN_EXE_ecs-deploy-action"));
        let profile = built.parent().expect("a folder of the profile");
        let target = profile.parent().expect("a target folder");
        say("building the minimal function …");
        run(std::process::Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--release",
                "--package",
                "minimal-function",
            ])
            .arg("--target-dir")
            .arg(target)
            .current_dir(root()));
        let environment = root().join(".venv/baseline");
        if !environment.join("bin/python").exists() {
            run(std::process::Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment));
        }
        say("installing the baseline's boto3 …");
        run(std::process::Command::new(environment.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "-r"])
            .arg(baseline().join("requirements.txt")));
        Self {
            ours: environment_path().unwrap_or_else(|| built.to_owned()),
            minimal: target.join("release/minimal-function"),
            environment,
        }
    }

    fn command(&self, program: Program) -> Command {
        match program {
            Program::Ours => Command::new(&self.ours),
            Program::Minimal => Command::new(&self.minimal),
            Program::Python => {
                let mut python = Command::new(self.environment.join("bin/python"));
                python
                    .args(["-m", "awslambdaric", "handler.handler"])
                    .current_dir(baseline());
                python
            }
        }
    }
}

/// Another build of ours that is to be measured.
fn environment_path() -> Option<PathBuf> {
    environment("FUNCTION_BINARY").map(PathBuf::from)
}

fn run(command: &mut std::process::Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?}: {status:?}"
    );
}

/// A program behind its Runtime API.
pub(crate) struct Running {
    program: Program,
    child: Child,
    runtime_api: RuntimeApi,
    /// From the start of the process to its first poll.
    pub(crate) cold: Duration,
}

impl Running {
    /// Starts a process and waits until it asks for an event.
    pub(crate) async fn start(
        programs: &Programs,
        program: Program,
        endpoint: &str,
        watch_seconds: u32,
    ) -> Self {
        let mut runtime_api = RuntimeApi::start().await;
        let mut command = programs.command(program);
        // What Lambda sets for every function.
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", runtime_api.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "f")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .env("AWS_LAMBDA_LOG_LEVEL", "INFO")
            .env("AWS_REGION", simulator::REGION)
            .env("AWS_DEFAULT_REGION", simulator::REGION)
            .env("AWS_ACCESS_KEY_ID", simulator::FUNCTION_ACCESS_KEY_ID)
            .env(
                "AWS_SECRET_ACCESS_KEY",
                simulator::FUNCTION_SECRET_ACCESS_KEY,
            )
            .env("AWS_SESSION_TOKEN", "function-token")
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("WATCH_SECONDS", watch_seconds.to_string())
            // The installed packages are compiled; the handler's folder is ours to keep clean.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(if environment("BENCH_VERBOSE").is_some() {
                Stdio::inherit()
            } else {
                Stdio::null()
            })
            .kill_on_drop(true);
        let started = stopwatch::now();
        let mut child = command.spawn().expect("a process");
        let polled = tokio::select! {
            polled = runtime_api.polled() => polled,
            status = child.wait() => unreachable!("{program:?} ended before its first event: {status:?}"),
        };
        Self {
            program,
            child,
            runtime_api,
            cold: polled - started,
        }
    }

    /// One invocation: what the function posted.
    pub(crate) async fn invoke(&mut self, event: &Value) -> Posted {
        let program = self.program;
        let deadline = (SystemClock.now() + TIME_LIMIT).as_millis();
        let deadline = u64::try_from(deadline).expect("a time after 1970");
        let posted = tokio::select! {
            posted = tokio::time::timeout(PATIENCE, self.runtime_api.invoke(event, deadline)) => posted,
            status = self.child.wait() => unreachable!("{program:?} ended on an event: {status:?}"),
        };
        let posted = posted.unwrap_or_else(|_| unreachable!("{program:?} does not answer"));
        assert_eq!(posted.kind, "response", "{program:?}: {}", posted.body);
        posted
    }

    /// The largest resident set so far, in bytes (`VmHWM`, proc(5)).
    pub(crate) fn peak_bytes(&self) -> u64 {
        let id = self.child.id().expect("a process that runs");
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("its status");
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .and_then(|kib| kib.parse::<u64>().ok());
        peak.expect("VmHWM in kB") * 1024
    }

    /// Ends it; its largest resident set.
    pub(crate) async fn stop(mut self) -> u64 {
        let peak = self.peak_bytes();
        self.child.kill().await.expect("a process that runs");
        peak
    }
}
