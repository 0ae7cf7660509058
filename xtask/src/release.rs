//! Makes the folder that people install from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use thiserror::Error;

use crate::build::{self, Architecture};
use crate::generated::{self, VERSION};
use crate::pack::{self, Entry};
use crate::{glibc, sbom, sums};

/// Why there is no release.
#[derive(Debug, Error)]
pub enum Error {
    /// The tag names another version than what would be built.
    #[error("the tag is {tag:?}, and Cargo.toml has version {VERSION}: v{VERSION} is its tag")]
    Tag {
        /// The tag.
        tag: String,
    },
    /// Nobody has written what is new.
    #[error("CHANGELOG.md has no section \"## {VERSION}\"")]
    Changelog,
    /// The function could not be built.
    #[error(transparent)]
    Build(#[from] build::Error),
    /// A template could not be made.
    #[error(transparent)]
    Generated(#[from] generated::Error),
    /// What `install` has is not what its sources make it.
    #[error("{0} is not up to date: run `cargo xtask generate`")]
    Stale(&'static str),
    /// The program would not start in Lambda.
    #[error(
        "the function for {architecture} needs glibc {needed}, and Lambda has {}",
        glibc::OF_LAMBDA
    )]
    Glibc {
        /// Which of them.
        architecture: Architecture,
        /// What it needs.
        needed: glibc::Version,
    },
    /// What was built is no program for Lambda.
    #[error("the function for {0}")]
    Program(Architecture, #[source] glibc::Error),
    /// The list of crates could not be made.
    #[error("the list of crates")]
    Sbom(#[from] sbom::Error),
    /// The folder could not be written.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is to be made, and where.
#[derive(Debug)]
pub struct Release {
    /// This repository, or another clone of it.
    pub root: PathBuf,
    /// The folder that is made; what was in it is removed.
    pub folder: PathBuf,
    /// Where cargo builds.
    pub target_dir: PathBuf,
    /// The tag that it is made for, if it is made for one.
    pub tag: Option<String>,
    /// For which CPUs.
    pub architectures: Vec<Architecture>,
}

/// The name of a zip, as `install/template.yaml` has it.
pub fn zip_name(architecture: Architecture) -> String {
    format!("ecs-deploy-action-{VERSION}-{architecture}.zip")
}

/// The name of the CDK package, as npm makes it.
fn cdk_name() -> String {
    format!("ecs-deploy-action-cdk-{VERSION}.tgz")
}

impl Release {
    /// Makes it.
    ///
    /// # Errors
    ///
    /// What is missing, before anything is built; what failed. The folder is complete or is not there.
    pub fn make(&self) -> Result<(), Error> {
        self.is_of_its_tag()?;
        build::tools(&self.root)?;
        for made in generated::all()? {
            if generated::read(made.path)? != made.text {
                return Err(Error::Stale(made.path));
            }
        }
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for &architecture in &self.architectures {
            let program = build::compile(&self.root, &self.target_dir, architecture)?;
            let needed =
                glibc::needed(&program).map_err(|error| Error::Program(architecture, error))?;
            if needed > glibc::OF_LAMBDA {
                return Err(Error::Glibc {
                    architecture,
                    needed,
                });
            }
            let bootstrap = Entry {
                name: "bootstrap".to_owned(),
                bytes: program,
                is_executable: true,
            };
            let zip =
                pack::zip(vec![bootstrap]).map_err(|source| self.not_written("zip", source))?;
            files.push((zip_name(architecture), zip));
        }
        let name = format!("ecs-deploy-action-{VERSION}.cdx.json");
        files.push((name, sbom::of(&self.root, Architecture::X86_64.target())?));
        for (name, path) in [
            ("template.yaml", "install/template.yaml"),
            ("pipeline.yaml", "install/pipeline.yaml"),
            ("deploy-role.yaml", "examples/deploy-role.yaml"),
            ("notify.yaml", "examples/notify.yaml"),
        ] {
            files.push((name.to_owned(), build::read(&self.root.join(path))?));
        }
        let terraform = self.terraform()?;
        files.push((
            format!("ecs-deploy-action-terraform-{VERSION}.zip"),
            terraform,
        ));
        files.push((cdk_name(), self.cdk()?));
        self.write(&files)
    }

    /// The module, as a folder of its version in a zip.
    fn terraform(&self) -> Result<Vec<u8>, Error> {
        let listed = build::output(
            Command::new("git")
                .args(["ls-files", "install/terraform"])
                .current_dir(&self.root),
        )?;
        let mut entries = Vec::new();
        for path in listed.lines() {
            entries.push(Entry {
                name: path.trim_start_matches("install/").to_owned(),
                bytes: build::read(&self.root.join(path))?,
                is_executable: false,
            });
        }
        pack::zip(entries).map_err(|source| self.not_written("terraform", source))
    }

    /// The package of the constructs, as npm packs it: without times and owners.
    fn cdk(&self) -> Result<Vec<u8>, Error> {
        let package = self.root.join("install/cdk");
        let npm = |arguments: &[&str]| {
            let mut npm = Command::new("npm");
            npm.args(["--silent", "--prefix", "install/cdk"])
                .args(arguments);
            build::run(&mut npm, &self.root)
        };
        npm(&["install", "--no-audit", "--no-fund", "--no-package-lock"])?;
        let mut pack = Command::new("npm");
        // npm packs the folder that it is in.
        pack.args(["pack", "--silent"]).current_dir(&package);
        build::output(&mut pack)?;
        let tarball = package.join(cdk_name());
        let bytes = build::read(&tarball)?;
        fs::remove_file(&tarball).map_err(|source| self.not_written("cdk", source))?;
        Ok(bytes)
    }

    fn is_of_its_tag(&self) -> Result<(), Error> {
        let Some(tag) = &self.tag else {
            return Ok(());
        };
        if *tag != format!("v{VERSION}") {
            return Err(Error::Tag { tag: tag.clone() });
        }
        let heading = format!("## {VERSION}");
        let changelog = generated::read("CHANGELOG.md")?;
        let is_heading = |line: &str| {
            let rest = line.strip_prefix(&heading);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        if changelog.lines().any(is_heading) {
            Ok(())
        } else {
            Err(Error::Changelog)
        }
    }

    /// Beside the folder first, so that a folder that is there is complete.
    fn write(&self, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
        let beside = self.folder.with_extension("new");
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { path, source }
        };
        if beside.exists() {
            fs::remove_dir_all(&beside).map_err(io(&beside))?;
        }
        fs::create_dir_all(&beside).map_err(io(&beside))?;
        for (name, bytes) in files {
            let file = beside.join(name);
            fs::write(&file, bytes).map_err(io(&file))?;
        }
        let lines = sums::of(&beside).map_err(io(&beside))?;
        fs::write(beside.join(sums::NAME), lines).map_err(io(&beside))?;
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(io(&self.folder))?;
        }
        fs::rename(&beside, &self.folder).map_err(io(&self.folder))
    }

    fn not_written(&self, name: &str, source: io::Error) -> Error {
        Error::File {
            path: self.folder.join(name),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(tag: Option<&str>) -> Release {
        Release {
            root: generated::root().to_owned(),
            folder: PathBuf::from("nowhere"),
            target_dir: PathBuf::from("nowhere"),
            tag: tag.map(str::to_owned),
            architectures: Vec::new(),
        }
    }

    #[test]
    fn a_tag_is_the_version_that_the_changelog_has() {
        assert!(of(None).is_of_its_tag().is_ok());
        assert!(of(Some(&format!("v{VERSION}"))).is_of_its_tag().is_ok());
        for other in [VERSION, "v0.0.1", &format!("v{VERSION}-rc1")] {
            let error = of(Some(other)).make().unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(&format!("v{VERSION} is its tag")),
                "{error}"
            );
        }
    }

    #[test]
    fn its_zips_have_the_names_that_the_template_asks_for() {
        let template = generated::read("install/template.yaml").unwrap();
        for architecture in Architecture::ALL {
            let name = zip_name(architecture);
            let asked = name.replace(&architecture.to_string(), "${Architecture}");
            assert!(template.contains(&asked), "{asked}");
        }
    }
}
