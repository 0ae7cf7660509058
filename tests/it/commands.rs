//! Each command of the documents is run by a test or by the gate, or checked by a parser that knows it.

use std::path::Path;

use serde_json::{Value, json};

use crate::local::run;
use crate::readme::{DOCUMENTS, sources};
use crate::support::World;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Who finds out when a command stops working.
enum By {
    /// A file of the repository that runs it or says how it is written, and what stands there.
    Text(&'static str, &'static str),
    /// A test of this repository.
    Test(&'static str),
    /// `.ci/check_commands.py`: the AWS CLI's own parser, or SAM's options. `emulators/readme_story.py` also runs those of the
    /// installation and of the steps for another account.
    Parser,
    /// It sets variables of the shell, or changes the folder.
    Shell,
    /// Nobody, and why. Not in the README.
    Nobody(&'static str),
}

const LOCAL: By = By::Test("each_command_of_the_local_runner_succeeds_unless_its_deployment_fails");
const ON_THE_MACHINE: By = By::Nobody("it changes the reader's machine");
const OWN_SERVER: By = By::Nobody("cargo-lambda's server needs an account");

/// The commands of the documents: how each begins.
const COMMANDS: &[(&str, By)] = &[
    (
        "git clone ",
        By::Test("the_repository_has_the_same_address_everywhere"),
    ),
    ("cd ecs-deploy-action", By::Shell),
    (
        "cargo local -- --aws ",
        By::Test("a_dry_run_of_a_real_deployment_ends_with_what_it_shows"),
    ),
    ("cargo local", LOCAL),
    (
        "sha256sum --check SHA256SUMS",
        By::Text("emulators/readme_story.py", "### Install the function"),
    ),
    ("export AWS_REGION=eu-central-1", By::Shell),
    ("BUCKET=ecs-deploy-action-$(aws ", By::Parser),
    ("CLUSTER=prod SERVICE=web", By::Shell),
    ("REVISION=$(aws ", By::Parser),
    ("FAMILY=${REVISION##*/}; ", By::Shell),
    (
        "echo \"$FAMILY $ROLES\"",
        By::Text("emulators/readme_story.py", "### Install the function"),
    ),
    ("mkdir -p deploy", By::Shell),
    ("ROLES=$(aws ", By::Parser),
    ("ROLE=$(aws ", By::Parser),
    ("FUNCTION_ROLE=$(aws ", By::Parser),
    ("DEPLOY_ROLE=arn:aws:iam::$(aws ", By::Parser),
    ("CONNECTION=$(aws ", By::Parser),
    ("aws ", By::Parser),
    ("sam build", By::Text(".ci/run", "sam build ")),
    ("sam deploy ", By::Parser),
    (
        "cargo xtask release",
        By::Text(".ci/run", "cargo xtask release "),
    ),
    (
        ".ci/release-tools",
        By::Text(".ci/run", ".ci/release-tools\n"),
    ),
    (
        "pip install aws-sam-cli==1.170.0 ",
        By::Text(".ci/lint-requirements.txt", "aws-sam-cli==1.170.0\n"),
    ),
    ("python3 -m venv ", ON_THE_MACHINE),
    ("rustup target add ", ON_THE_MACHINE),
    ("cargo install ", ON_THE_MACHINE),
    ("jq ", By::Nobody("jq is not installed everywhere")),
    ("cargo lambda watch", OWN_SERVER),
    ("cargo lambda invoke", OWN_SERVER),
];

/// The documents whose commands are in the table: those of users.
fn documents() -> impl Iterator<Item = &'static str> {
    let of_users = |path: &&str| *path == "README.md" || path.starts_with("docs/");
    DOCUMENTS.into_iter().filter(of_users)
}

/// The commands in a document's blocks of shell, each on one line.
fn commands(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for block in document.split("```sh\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        let mut whole = String::new();
        for line in block.lines() {
            if let Some(begin) = line.strip_suffix('\\') {
                whole.push_str(&format!("{} ", begin.trim()));
            } else {
                whole.push_str(line.trim());
                commands.push(std::mem::take(&mut whole));
            }
        }
    }
    commands.retain(|command| !command.is_empty());
    commands
}

#[test]
fn each_command_of_the_documents_has_somebody_who_runs_or_parses_it() {
    let (sources, gate) = (sources(&["tests"]), file(".ci/run"));
    let mut seen = 0;
    for document in documents() {
        for command in commands(&file(document)) {
            let by = COMMANDS
                .iter()
                .find(|(begin, _)| command.starts_with(begin));
            let Some((_, by)) = by else {
                unreachable!("{document}: nobody is named for {command:?}");
            };
            match by {
                By::Text(path, text) => assert!(file(path).contains(text), "{command}: {path}"),
                By::Test(name) => assert!(sources.contains(&format!("fn {name}(")), "{name}"),
                By::Parser => assert!(gate.contains("check_commands.py"), "{command}"),
                By::Shell => {}
                By::Nobody(why) => assert_ne!(document, "README.md", "{command}: {why}"),
            }
            seen += 1;
        }
    }
    assert!(seen >= 30, "{seen}");
}

#[test]
fn each_command_of_the_local_runner_succeeds_unless_its_deployment_fails() {
    let (failures, mut seen) = (file("docs/failures.md"), 0);
    for document in documents() {
        for command in commands(&file(document)) {
            let Some(arguments) = command.strip_prefix("cargo local") else {
                continue;
            };
            let arguments: Vec<&str> = arguments.split_whitespace().collect();
            let arguments = arguments.strip_prefix(&["--"]).unwrap_or(&arguments);
            if arguments.first() == Some(&"--aws") {
                continue;
            }
            let pace: &[&str] = if arguments == ["--list"] {
                &[]
            } else {
                &["--fast"]
            };
            let arguments = [pace, arguments].concat();
            let (code, stdout, stderr) = run(&arguments);
            // The table of the scenarios that fail.
            let is_failure = |one: &&str| failures.contains(&format!("\n| `{one}` | "));
            let expected = i32::from(arguments.iter().any(is_failure));
            assert_eq!(code, Some(expected), "{command}: {stderr}");
            assert!(!stdout.is_empty(), "{command}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}

/// What the README gives `aws lambda invoke`, one after the other.
fn payloads() -> Vec<String> {
    let all = commands(&file("README.md"));
    let payloads = all.iter().filter_map(|command| {
        let (_, rest) = command.split_once(" --payload ")?;
        let quote = rest.chars().next()?;
        // Up to the quote that ends it: before it stands no backslash.
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(at, one)| *one == quote && !rest[..*at].ends_with('\\'))?;
        Some(rest[1..end.0].replace("\\\"", "\""))
    });
    payloads.collect()
}

#[tokio::test]
async fn the_invocation_that_shows_that_it_starts_is_answered_as_the_readme_says() {
    let readme = file("README.md");
    let payload: Value = serde_json::from_str(&payloads()[0]).unwrap();
    assert_eq!(payload, json!({}));
    let (_, rest) = readme.split_once("--payload '{}'").unwrap();
    let (_, rest) = rest.split_once("```json\n").unwrap();
    let (written, _) = rest.split_once("\n```").unwrap();
    let written: Value = serde_json::from_str(written).unwrap();
    let report = World::new().invoke(&payload).await;
    assert_eq!(written, report);
}

#[tokio::test]
async fn the_dry_run_after_the_installation_succeeds_and_changes_nothing() {
    let payload = payloads()[1]
        .replace("$CLUSTER", "prod")
        .replace("$SERVICE", "web")
        .replace(
            "$REVISION",
            "arn:aws:ecs:eu-central-1:111122223333:task-definition/app:1",
        );
    let payload: Value = serde_json::from_str(&payload).unwrap();
    let world = World::new();
    let report = world.invoke(&payload).await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    assert_eq!(
        world.count("UpdateService") + world.count("RegisterTaskDefinition"),
        0
    );
    // It is worth its place only if it finds what is wrong.
    let denied = World::new();
    denied.simulator.faults().deny("DescribeServices");
    let report = denied.invoke(&payload).await;
    assert_eq!(report["outcome"], "Failed", "{report}");
}

#[test]
fn the_repository_has_the_same_address_everywhere() {
    let address = env!("CARGO_PKG_REPOSITORY");
    assert!(!address.is_empty());
    let cloned = commands(&file("README.md"));
    assert!(cloned.contains(&format!("git clone {address}")));
    let folder = address.rsplit('/').next().unwrap();
    assert!(cloned.contains(&format!("cd {folder}")));
}
