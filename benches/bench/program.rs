//! The three functions: how they are built and started, and what they take.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ecs_deploy_action::clock::{Clock, SystemClock};
use ecs_deploy_action::settings::environment;
use serde_json::Value;
use simulator::{Posted, RuntimeApi};
use tokio::process::{Child, Command};

use crate::share::Share;
use crate::stopwatch;
use crate::table::say;
use crate::world::World;

/// Nothing here takes longer; whatever does hangs.
const PATIENCE: Duration = Duration::from_mins(5);

/// What `template.yaml` gives an invocation.
const TIME_LIMIT: Duration = Duration::from_mins(5);

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// This function.
    Ours,
    /// Another build of it, to compare with.
    Before,
    /// `benches/minimal`.
    Minimal,
    /// `benches/baseline`.
    Python,
}

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "this function",
            Self::Before => "the same, before",
            Self::Minimal => "minimal function",
            Self::Python => "Python, boto3",
        }
    }
}

/// Where they are.
pub(crate) struct Programs {
    /// Ours, built as it is installed.
    pub(crate) ours: PathBuf,
    /// `FUNCTION_BEFORE`.
    pub(crate) before: Option<PathBuf>,
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
    /// Builds what is not built yet: this function and the minimal one, each with the features that
    /// it asks for itself, and the baseline's environment in `.venv/baseline`.
    pub(crate) fn build() -> Self {
        // `cargo bench` has built our function, too, but with what the benchmarks need of its
        // dependencies in it.
        let built = Path::new(env!("CARGO_BIN_EXE_ecs-deploy-action"));
        let profile = built.parent().expect("a folder of the profile");
        let target = profile.parent().expect("a target folder");
        let [ours, minimal] = ["ecs-deploy-action", "minimal-function"].map(|package| {
            say(&format!("building {package} …"));
            run(std::process::Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--release", "--locked", "--bins"])
                .args(["--package", package])
                .arg("--target-dir")
                .arg(target)
                .current_dir(root()));
            target.join("release").join(package)
        });
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
            ours,
            before: environment_path(),
            minimal,
            environment,
        }
    }

    /// Ours first.
    pub(crate) fn every_program(&self) -> Vec<Program> {
        let mut all = self.deploying();
        all.insert(all.len() - 1, Program::Minimal);
        all
    }

    /// Those that deploy; ours first, Python last.
    pub(crate) fn deploying(&self) -> Vec<Program> {
        let before = self.before.as_ref().map(|_| Program::Before);
        let mut all = vec![Program::Ours];
        all.extend(before);
        all.push(Program::Python);
        all
    }

    /// A program as Lambda would start it, behind a Runtime API; `under` is a program that runs it.
    fn command(
        &self,
        program: Program,
        under: &[&str],
        world: &World,
        runtime_api: &RuntimeApi,
        watch_seconds: u32,
    ) -> Command {
        let binary = match program {
            Program::Ours => self.ours.clone(),
            Program::Before => {
                let before = self.before.clone();
                before.expect("only what is there is asked for")
            }
            Program::Minimal => self.minimal.clone(),
            Program::Python => self.environment.join("bin/python"),
        };
        let mut line: Vec<OsString> = under.iter().map(OsString::from).collect();
        line.push(binary.into());
        if program == Program::Python {
            line.extend(["-m", "awslambdaric", "handler.handler"].map(OsString::from));
        }
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .current_dir(baseline())
            .env_clear()
            .envs(runtime_api.environment())
            .env("AWS_LAMBDA_LOG_LEVEL", "INFO")
            .envs(world.environment())
            .env("WATCH_SECONDS", watch_seconds.to_string())
            // The installed packages are compiled; the handler's folder is ours to keep clean.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// What `under` says on its standard error of a program that starts, over TLS, and is ended when
    /// it asks for its first event, or for its second. `None` if there is no such program.
    pub(crate) async fn output_of(
        &self,
        under: &[&str],
        program: Program,
        is_invoked: bool,
    ) -> Option<String> {
        let world = World::new(simulator::Clock::system(), 1, 1).over_tls();
        let mut runtime_api = RuntimeApi::start().await;
        let mut command = self.command(program, under, &world, &runtime_api, 0);
        let child = command.stderr(Stdio::piped()).spawn().ok()?;
        runtime_api.polled().await;
        if is_invoked {
            let event = world.start();
            let posted = runtime_api.invoke(&event, deadline_ms()).await;
            assert_eq!(posted.kind, "response", "{program:?}: {}", posted.body);
            runtime_api.polled().await;
        }
        let id = child.id().expect("a process that runs").to_string();
        run(std::process::Command::new("kill").args(["-TERM", &id]));
        let output = child.wait_with_output().await.expect("its output");
        Some(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Another build of ours that is to be compared with.
fn environment_path() -> Option<PathBuf> {
    environment("FUNCTION_BEFORE").map(PathBuf::from)
}

fn run(command: &mut std::process::Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?}: {status:?}"
    );
}

/// When Lambda would end an invocation that begins now, in milliseconds since 1970.
fn deadline_ms() -> u64 {
    let deadline = (SystemClock.now() + TIME_LIMIT).as_millis();
    u64::try_from(deadline).expect("a time after 1970")
}

/// A program behind its Runtime API.
pub(crate) struct Running {
    program: Program,
    child: Child,
    runtime_api: RuntimeApi,
    share: Option<Share>,
    /// From the start of the process to its first poll.
    pub(crate) cold: Duration,
}

impl Running {
    /// Starts a process and waits until it asks for an event.
    pub(crate) async fn start(
        programs: &Programs,
        program: Program,
        world: &World,
        watch_seconds: u32,
    ) -> Self {
        let mut runtime_api = RuntimeApi::start().await;
        let mut command = programs.command(program, &[], world, &runtime_api, watch_seconds);
        command.stderr(if environment("BENCH_VERBOSE").is_some() {
            Stdio::inherit()
        } else {
            Stdio::null()
        });
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
            share: None,
            cold: polled - started,
        }
    }

    /// One invocation: what the function posted.
    pub(crate) async fn invoke(&mut self, event: &Value) -> Posted {
        let program = self.program;
        let posted = tokio::select! {
            posted = tokio::time::timeout(PATIENCE, self.runtime_api.invoke(event, deadline_ms())) => posted,
            status = self.child.wait() => unreachable!("{program:?} ended on an event: {status:?}"),
        };
        let posted = posted.unwrap_or_else(|_| unreachable!("{program:?} does not answer"));
        assert_eq!(posted.kind, "response", "{program:?}: {}", posted.body);
        posted
    }

    /// From now on it gets the share of a CPU that Lambda gives a function with 128 MB. Whether this
    /// machine can do so.
    pub(crate) fn slow_down(&mut self) -> bool {
        let id = self.child.id().expect("a process that runs");
        self.share = Share::of_128_mb(id);
        self.share.is_some()
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
        drop(self.share);
        peak
    }
}
