//! `cargo xtask release`, `cargo xtask generate`.
#![expect(
    clippy::disallowed_macros,
    reason = "a program of the command line, not a Lambda function"
)]

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use lexopt::prelude::*;
use xtask::build::{self, Architecture};
use xtask::generated::{self, VERSION};
use xtask::release::{Release, zip_name};
use xtask::sums;

const USAGE: &str = "\
cargo xtask release [--architecture arm64|x86_64] [--folder PATH] [--target-dir PATH] [--tag TAG]
    Makes the folder that people install from (target/release-VERSION): zips for both CPUs, templates,
    SBOM, SHA256SUMS. Needs what .ci/release-tools installs, and Rust's standard library for both CPUs.
    With --tag it fails unless that is vVERSION and CHANGELOG.md has that version.
cargo xtask flags [--root PATH] [--target-dir PATH]
    Prints the CARGO_ENCODED_RUSTFLAGS of a release, for another command that builds the same, in another clone
    with --root.
cargo xtask generate
    Writes what in install/ is made of other files.";

enum Wanted {
    Release(Release),
    Flags { root: PathBuf, target_dir: PathBuf },
    Generate,
    Help,
}

fn wanted() -> Result<Wanted, lexopt::Error> {
    let mut root = generated::root().to_owned();
    let mut arguments = lexopt::Parser::from_env();
    let (mut command, mut folder, mut target_dir, mut tag) = (None, None, None, None);
    let mut architectures = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Wanted::Help),
            Long("folder") => folder = Some(PathBuf::from(arguments.value()?)),
            Long("tag") => tag = Some(arguments.value()?.string()?),
            Long("root") if command.as_deref() == Some("flags") => {
                root = PathBuf::from(arguments.value()?);
            }
            Long("target-dir") => target_dir = Some(PathBuf::from(arguments.value()?)),
            Long("architecture") => {
                let name = arguments.value()?.string()?;
                let known = Architecture::ALL
                    .into_iter()
                    .find(|one| one.to_string() == name);
                let known = known.ok_or_else(|| format!("{name:?} is not arm64 or x86_64"))?;
                architectures.push(known);
            }
            Value(name) if command.is_none() => command = Some(name.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let target_dir = target_dir.unwrap_or_else(|| root.join("target"));
    match command.as_deref() {
        Some("release") => Ok(Wanted::Release(Release {
            root,
            folder: folder.unwrap_or_else(|| target_dir.join(format!("release-{VERSION}"))),
            target_dir,
            tag,
            architectures: if architectures.is_empty() {
                Architecture::ALL.to_vec()
            } else {
                architectures
            },
        })),
        Some("flags") => Ok(Wanted::Flags { root, target_dir }),
        Some("generate") => Ok(Wanted::Generate),
        Some(other) => Err(format!("{other:?} is not a command").into()),
        None => Ok(Wanted::Help),
    }
}

/// The commit that is built, and whether more is in it than that has.
fn commit(root: &std::path::Path) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(root)
            .output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "HEAD"]), git(&["status", "--porcelain"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => format!("commit {commit}"),
        (Some(commit), _) => {
            format!("commit {commit} and changes that are not committed: not a release")
        }
        (None, _) => "no commit: not a release".to_owned(),
    }
}

fn release(release: &Release) -> Result<(), Box<dyn Error>> {
    let compiler = build::compiler()?;
    eprintln!(
        "ecs-deploy-action {VERSION}, {}, {compiler}",
        commit(&release.root)
    );
    release.make()?;
    let folder = release.folder.display();
    println!("{folder}:");
    print!("{}", sums::of(&release.folder)?);
    println!(
        "
Check what is there:   (cd {folder} && sha256sum --check {sums})
Make the same again:   the same command on the same commit, with {compiler}, what .ci/release-tools installs
Install it:            aws s3 cp {folder} s3://BUCKET/ --recursive
                       aws cloudformation deploy --template-file {folder}/template.yaml --stack-name ecs-deploy-action \\
                           --capabilities CAPABILITY_IAM --parameter-overrides CodeBucket=BUCKET TaskRoleArns=…",
        sums = sums::NAME,
    );
    for &architecture in &release.architectures {
        let length = std::fs::metadata(release.folder.join(zip_name(architecture)))?.len();
        eprintln!("{architecture}: {length} bytes");
    }
    Ok(())
}

fn run() -> Result<(), Box<dyn Error>> {
    match wanted()? {
        Wanted::Release(wanted) => release(&wanted)?,
        Wanted::Flags { root, target_dir } => println!("{}", build::flags(&root, &target_dir)),
        Wanted::Generate => {
            for path in generated::write()? {
                println!("{path}");
            }
        }
        Wanted::Help => println!("{USAGE}"),
    }
    Ok(())
}

fn main() -> ExitCode {
    let Err(error) = run() else {
        return ExitCode::SUCCESS;
    };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    eprintln!("error: {text}");
    ExitCode::FAILURE
}
