//! Compiles the function as Lambda runs it, so that another machine makes the same bytes.
//!
//! The same come of the same commit, version of rustc and version of zig (which links, and compiles the C
//! of `ring`). Paths of the machine are replaced by names: rustc would write them into its panic messages.

use std::env::VarError;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt, fs, io};

use thiserror::Error;

/// A CPU that Lambda has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Graviton.
    Arm64,
    /// Intel and AMD.
    X86_64,
}

impl Architecture {
    /// Every one, in the order in which they are built.
    pub const ALL: [Self; 2] = [Self::Arm64, Self::X86_64];

    /// Rust's name for Lambda's machines of this kind.
    pub fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }
}

/// As Lambda and `template.yaml` have it.
impl fmt::Display for Architecture {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        })
    }
}

/// Why nothing was built.
#[derive(Debug, Error)]
pub enum Error {
    /// Rust's standard library for the other CPU is missing.
    #[error(
        "rustc has no standard library for {0}: `rustup target add {0}`, or RUSTC=… of a toolchain that has it"
    )]
    NoStandardLibrary(&'static str),
    /// A command of cargo that a release is made with is missing.
    #[error("there is no `cargo {0}`: .ci/release-tools installs it")]
    NoCommand(&'static str),
    /// A program could not be started.
    #[error("{program} could not be started")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with an error, which it has printed.
    #[error("{0} failed")]
    Failed(String),
    /// A file or a folder could not be read or written.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program has a path of this machine in it, and another machine would make another one.
    #[error("the program has {0:?} in it, which is a path of this machine")]
    PathOfThisMachine(String),
}

/// Reads a file, and says which one could not be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// Whether cargo has what a release is made with, asked before minutes are spent.
pub(crate) fn tools(root: &Path) -> Result<(), Error> {
    for command in ["lambda", "cyclonedx"] {
        let mut asked = cargo();
        asked.args([command, "--version"]).env("PATH", path(root));
        let answer = asked.output();
        if !answer.is_ok_and(|answer| answer.status.success()) {
            return Err(Error::NoCommand(command));
        }
    }
    output(Command::new("npm").arg("--version"))?;
    Ok(())
}

/// What a program prints, if it succeeds.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| Error::Start {
        program: program.clone(),
        source,
    })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(Error::Failed(format!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )))
    }
}

/// `PATH` with what `.ci/release-tools` installs in front.
fn path(root: &Path) -> OsString {
    let mut path = OsString::new();
    for folder in [".venv/release/bin", ".venv/cargo/bin"] {
        path.push(root.join(folder));
        path.push(":");
    }
    path.push(variable("PATH").unwrap_or_default());
    path
}

/// Runs a program that prints what it does.
pub(crate) fn run(command: &mut Command, root: &Path) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.env("PATH", path(root)).current_dir(root);
    let status = command.status().map_err(|source| Error::Start {
        program: program.clone(),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed(program))
    }
}

/// A variable of the environment that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "which cargo and rustc: settings of the build, not of the function"
)]
fn variable(name: &str) -> Option<String> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => Some(value),
        Ok(_) | Err(VarError::NotPresent | VarError::NotUnicode(_)) => None,
    }
}

fn program(variable_name: &str, otherwise: &str) -> String {
    variable(variable_name).unwrap_or_else(|| otherwise.to_owned())
}

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    Command::new(program("CARGO", "cargo"))
}

/// `rustc --version`, which is part of how a release is repeated.
pub fn compiler() -> Result<String, Error> {
    output(Command::new(program("RUSTC", "rustc")).arg("--version"))
}

fn cargo_home() -> Option<PathBuf> {
    let home = variable("HOME").map(|home| Path::new(&home).join(".cargo"));
    variable("CARGO_HOME").map(PathBuf::from).or(home)
}

/// Paths of this machine, and what is written in their stead. rustc takes the last one that fits.
fn paths(root: &Path, target_dir: &Path) -> Vec<(PathBuf, &'static str)> {
    let mut paths = vec![
        (root.to_owned(), "/ecs-deploy-action"),
        (target_dir.to_owned(), "/target"),
    ];
    let Some(home) = cargo_home() else {
        return paths;
    };
    paths.push((home.clone(), "/cargo"));
    // The folder's name depends on where the crates were downloaded from.
    let sources = home.join("registry/src");
    for entry in fs::read_dir(&sources).into_iter().flatten().flatten() {
        paths.push((entry.path(), "/crates"));
    }
    paths
}

/// The value of `CARGO_ENCODED_RUSTFLAGS` that a release is built with.
pub fn flags(root: &Path, target_dir: &Path) -> String {
    let flags = paths(root, target_dir)
        .into_iter()
        .map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display()));
    flags.collect::<Vec<_>>().join("\u{1f}")
}

/// Builds the function in `target_dir`.
///
/// # Errors
///
/// [`Error::NoStandardLibrary`] before anything is built, because cargo-lambda would download one;
/// otherwise what failed.
pub fn compile(
    root: &Path,
    target_dir: &Path,
    architecture: Architecture,
) -> Result<Vec<u8>, Error> {
    let target = architecture.target();
    let library = output(Command::new(program("RUSTC", "rustc")).args([
        "--print",
        "target-libdir",
        "--target",
        target,
    ]))?;
    if !Path::new(&library).is_dir() {
        return Err(Error::NoStandardLibrary(target));
    }
    run(cargo().args(["fetch", "--locked", "--quiet"]), root)?;
    run(
        cargo()
            .args([
                "lambda",
                "build",
                "--release",
                "--locked",
                "--skip-target-check",
            ])
            .args(["--bin", "ecs-deploy-action", "--target", target])
            .arg("--lambda-dir")
            .arg(target_dir.join("lambda").join(architecture.to_string()))
            .env_remove("RUSTFLAGS")
            .env(
                "CARGO_ENCODED_RUSTFLAGS",
                OsString::from(flags(root, target_dir)),
            )
            // cargo-lambda hands `--target-dir` to `cargo metadata`, too, which does not know it.
            .env("CARGO_TARGET_DIR", target_dir)
            .env("CARGO_INCREMENTAL", "0"),
        root,
    )?;
    let built = target_dir.join("lambda").join(architecture.to_string());
    let program = read(&built.join("ecs-deploy-action/bootstrap"))?;
    for (path, _) in paths(root, target_dir) {
        let path = path.display().to_string();
        if has_path(&program, &path) {
            return Err(Error::PathOfThisMachine(path));
        }
    }
    Ok(program)
}

/// Whether a file below `folder` is named in `program`: with `/src` for a folder, `/src/main.rs` is and
/// `/crates/zip/src/lib.rs` is not.
fn has_path(program: &[u8], folder: &str) -> bool {
    let begin = format!("{}/", folder.trim_end_matches('/'));
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let mut windows = program.windows(begin.len()).enumerate();
    windows.any(|(place, window)| {
        let before = place.checked_sub(1).and_then(|place| program.get(place));
        window == begin.as_bytes() && !before.is_some_and(|byte| is_of_a_name(*byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_machine_is_found_and_one_that_ends_alike_is_not() {
        assert!(has_path(b"\0/src/main.rs", "/src"));
        assert!(has_path(b"/src/main.rs", "/src/"));
        assert!(!has_path(b"\0/crates/zip/src/lib.rs", "/src"));
        assert!(!has_path(b"\0/srcs/lib.rs", "/src"));
    }

    #[test]
    fn the_paths_of_this_machine_are_replaced_the_narrower_ones_last() {
        let root = Path::new("/home/somebody/clone");
        let flags = flags(root, &root.join("target"));
        let all: Vec<&str> = flags.split('\u{1f}').collect();
        assert_eq!(
            all[..2],
            [
                "--remap-path-prefix=/home/somebody/clone=/ecs-deploy-action",
                "--remap-path-prefix=/home/somebody/clone/target=/target",
            ]
        );
    }
}
