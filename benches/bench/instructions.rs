//! Instructions of the parts that are CPU work, counted by callgrind: the same on a noisy machine.
//!
//! This program runs itself under valgrind, once with the work and once with its preparation only;
//! the difference is the work.

use std::fmt::Write;
use std::hint::black_box;
use std::process::Command;

use aws_credential_types::Credentials;
use ecs_deploy_action::artifact::entry::{self, Bounds};
use ecs_deploy_action::artifact::ranged::{Source, Tail};
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::deploy::deployment::{Deployment, Ours, Service, Stage};
use ecs_deploy_action::deploy::images::ImageSource;
use ecs_deploy_action::deploy::revision::Revision;
use ecs_deploy_action::deploy::spec::Target;
use ecs_deploy_action::deploy::task_definition::{Base, Described, registrations};
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::deploy::token;
use serde_json::{Value, json};
use simulator::artifacts;

use crate::program::{Program, Programs};
use crate::table::{Table, times};

/// The hidden option: `--work NAME` or `--work prepare-NAME`.
pub(crate) const OPTION: &str = "work";

const PREPARE: &str = "prepare-";

const ENTRIES: u32 = 100_000;
const TASK_DEFINITION_BYTES: usize = 60_000;
const TOKENS: u32 = 100;
const INVOCATIONS: u32 = 100;

const CALLGRIND: [&str; 3] = [
    "valgrind",
    "--tool=callgrind",
    "--callgrind-out-file=/dev/null",
];

/// What there is to count, and what it is.
const WORKS: [(&str, &str); 4] = [
    ("clients", "the clients of 100 invocations made"),
    ("directory", "one file out of a zip with 100,000 entries"),
    (
        "definition",
        "a task definition of 60 KB parsed, changed and written",
    ),
    ("token", "100 tokens of ten services written and read"),
];

/// Does one piece of work, or only prepares it.
pub(crate) fn work(asked: &str) {
    let name = asked.strip_prefix(PREPARE).unwrap_or(asked);
    let only_prepares = asked != name;
    match name {
        "directory" => {
            let zip = artifacts::of_entries(ENTRIES);
            let object = zip.segments[0].1.clone();
            if !only_prepares {
                let limit = 100 * 1024;
                let read = entry::read(
                    Memory(&object),
                    artifacts::FILE,
                    limit,
                    Bounds::for_memory(None),
                );
                assert_eq!(black_box(read).expect("the file"), artifacts::IMAGES);
            }
        }
        "clients" => {
            let simulator = simulator::Simulator::start();
            let aws = Aws::with(simulator.client_config());
            if !only_prepares {
                for _ in 0..INVOCATIONS {
                    let key = Credentials::new("key", "secret", None, None, "job");
                    black_box((aws.ecs(None), aws.codepipeline(), aws.s3(Some(key))));
                }
            }
        }
        "definition" => {
            let answer = described().to_string();
            let images = ImageSource::Definitions {
                file: artifacts::FILE.to_owned(),
                images: vec![("app".to_owned(), "repo/app:v2".to_owned())],
            };
            if !only_prepares {
                define(&answer, &images);
            }
        }
        "token" => {
            let deployment = rolling_out();
            let services = deployment.services.iter();
            let targets: Vec<Target> = services.map(|one| one.target.clone()).collect();
            if !only_prepares {
                for _ in 0..TOKENS {
                    let token = token::encode(black_box(&deployment)).expect("it fits");
                    let read = token::decode(black_box(&token), &targets).expect("it is ours");
                    assert_eq!(black_box(read).services, deployment.services);
                }
            }
        }
        other => unreachable!("{other}: there is no such work"),
    }
}

/// Parses what `DescribeTaskDefinition` answers, makes the registration and writes its body.
fn define(answer: &str, images: &ImageSource) {
    let mut parsed: Value = serde_json::from_str(black_box(answer)).expect("JSON");
    let Value::Object(task_definition) = parsed["taskDefinition"].take() else {
        unreachable!("it is an object")
    };
    let tags = parsed["tags"].as_array().cloned().unwrap_or_default();
    let base = Base::of_revision(Described {
        task_definition,
        tags,
    });
    let made = registrations(&[&base], Some(images), "job-1").expect("it fits");
    let body = serde_json::to_string(&made[0].body).expect("JSON");
    assert!(black_box(body).len() > TASK_DEFINITION_BYTES);
}

/// A task definition with many environment variables.
fn described() -> Value {
    const EACH_BYTES: usize = 60;
    let environment: Vec<Value> = (0..=TASK_DEFINITION_BYTES / EACH_BYTES)
        .map(|number| json!({"name": format!("VARIABLE_{number:05}"), "value": "0123456789".repeat(3)}))
        .collect();
    json!({
        "taskDefinition": {
            "taskDefinitionArn": "arn:aws:ecs:eu-central-1:111122223333:task-definition/app:41",
            "family": "app", "revision": 41, "status": "ACTIVE",
            "containerDefinitions": [
                {"name": "app", "image": "repo/app:v1", "essential": true, "environment": environment},
                {"name": "sidecar", "image": "repo/sidecar:v1"},
            ],
            "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
            "cpu": "256", "memory": "512",
            "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        },
        "tags": [{"key": "team", "value": "web"}],
    })
}

/// Ten services that roll out.
fn rolling_out() -> Deployment {
    let services = (0..10_u64).map(|number| {
        let target = Target {
            cluster: "prod".to_owned(),
            service: format!("application-{number}"),
        };
        let revision = |revision: u64| {
            let name = format!("application-{number}:{revision}");
            Revision::parse(&name).expect("a revision")
        };
        Service {
            ours: Ours::Named {
                deployment: format!("ecs-svc/{}", 1_234_567_890_123_456_789 + number),
                service_deployment: Some(format!("sd{number:020}")),
            },
            ..Service::untouched(target, revision(42), Some(revision(41)))
        }
    });
    Deployment {
        job: "00000000-0000-4000-8000-000000000001".to_owned(),
        started: Timestamp::from_secs(1_790_000_000),
        stage: Stage::RollingOut,
        services: services.collect(),
        config_pin: None,
        paused: ecs_deploy_action::deploy::deployment::Paused::default(),
        waited: std::time::Duration::ZERO,
        is_from_token: false,
    }
}

/// An object in memory.
struct Memory<'a>(&'a [u8]);

impl Source for Memory<'_> {
    type Error = String;

    fn tail(&mut self, length: u64) -> Result<Tail, String> {
        let total = u64::try_from(self.0.len()).map_err(|error| error.to_string())?;
        let bytes = self.range(total.saturating_sub(length), total)?;
        Ok(Tail { bytes, total })
    }

    fn range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, String> {
        let place = |number: u64| usize::try_from(number).map_err(|error| error.to_string());
        Ok(self.0[place(start)?..place(end)?].to_vec())
    }
}

/// What whole processes take, the kernel's part left out.
pub(crate) async fn of_processes(programs: &Programs) {
    let mut table = Table::new(
        "Instructions: whole processes, counted by callgrind",
        &[
            "from process start to",
            "program",
            "instructions",
            "to ours",
        ],
    );
    for (what, is_invoked) in [("first poll", false), ("first answer", true)] {
        let mut ours = None;
        // Python takes minutes under valgrind.
        for program in programs
            .every_program()
            .into_iter()
            .filter(|one| *one != Program::Python)
        {
            let Some(output) = programs.output_of(&CALLGRIND, program, is_invoked).await else {
                table.note(NO_VALGRIND);
                continue;
            };
            let count = count_in(&output);
            #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
            let ratio = times(count as f64, *ours.get_or_insert(count) as f64);
            let name = program.name().to_owned();
            table.row(vec![what.to_owned(), name, grouped(count), ratio]);
        }
    }
    table.note("over TLS, without latency; valgrind lets one thread run at a time, so that what is done on another may come before or after the first poll");
    table.note("the number of connections that are opened differs a little from run to run, and each is about three million instructions");
    table.print();
}

const NO_VALGRIND: &str = "left out: valgrind is not on the PATH";

/// What parts of the work take.
pub(crate) fn of_works() {
    let mut table = Table::new(
        "Instructions: CPU work, counted by callgrind",
        &["work", "instructions"],
    );
    for (name, what) in WORKS {
        let counted = counted(name).zip(counted(&format!("{PREPARE}{name}")));
        let Some((all, prepared)) = counted else {
            table.note(NO_VALGRIND);
            continue;
        };
        let own = all.saturating_sub(prepared);
        table.row(vec![what.to_owned(), grouped(own)]);
    }
    table.note("runs differ a little: repeat them before believing a small difference");
    table.print();
}

/// How many instructions this program takes for that. `None` without valgrind.
fn counted(work: &str) -> Option<u64> {
    let own = std::env::current_exe().expect("this program");
    let output = Command::new(CALLGRIND[0])
        .args(&CALLGRIND[1..])
        .arg(own)
        .args([&format!("--{OPTION}"), work])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr);
    // A panic has its instructions, too.
    assert!(output.status.success(), "{work}: {text}");
    Some(count_in(&text))
}

/// The count that callgrind says at the end.
fn count_in(output: &str) -> u64 {
    let count = output
        .lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, count)| count.trim().parse().ok());
    count.unwrap_or_else(|| unreachable!("valgrind does not say a count: {output}"))
}

/// With a comma after each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        write!(text, "{digit}").expect("a text takes it");
    }
    text
}
