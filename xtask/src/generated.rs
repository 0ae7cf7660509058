//! What lies in the repository and is made of something else there.

use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use crate::{plain, terraform};

/// Why something could not be made.
#[derive(Debug, Error)]
pub enum Error {
    /// A file that it is made of could not be read, or it could not be written.
    #[error("{path}")]
    File {
        /// Of this repository.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What it is made of has changed too much.
    #[error(transparent)]
    Plain(#[from] plain::Error),
    /// It has something that Terraform is not taught yet.
    #[error(transparent)]
    Terraform(#[from] terraform::Error),
    /// A part of a file is made, and its marks are not there.
    #[error("{path}: <!-- {mark} --> and <!-- end of {mark} --> are expected")]
    Mark {
        /// Of this repository.
        path: &'static str,
        /// What they are called.
        mark: &'static str,
    },
}

/// The root of this repository.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The version that `Cargo.toml` gives the function.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folders of the workspace's packages, the function's first.
pub(crate) fn packages(root: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.to_owned()];
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.path().join("Cargo.toml").is_file() {
            folders.push(entry.path());
        }
    }
    folders.push(root.join("benches/minimal"));
    folders
}

/// The text of a file of this repository.
pub fn read(path: &str) -> Result<String, Error> {
    fs::read_to_string(root().join(path)).map_err(|source| Error::File {
        path: path.into(),
        source,
    })
}

/// A file, and what belongs into it.
#[derive(Debug)]
pub struct Generated {
    /// From the root of the repository.
    pub path: &'static str,
    /// What it is made of says so.
    pub text: String,
}

/// Every file that is made.
pub fn all() -> Result<Vec<Generated>, Error> {
    let template = plain::function(&read("template.yaml")?, VERSION)?;
    let module = terraform::module(&template)?;
    let mut readme = read(MODULE_README)?;
    for (mark, table) in [
        ("inputs", &module.inputs_table),
        ("outputs", &module.outputs_table),
    ] {
        readme = terraform::with_table(&readme, mark, table).ok_or(Error::Mark {
            path: MODULE_README,
            mark,
        })?;
    }
    let made = |path, text| Generated { path, text };
    Ok(vec![
        made("install/template.yaml", template),
        made(
            "install/pipeline.yaml",
            plain::pipeline(&read("examples/pipeline.yaml")?)?,
        ),
        made("install/terraform/variables.tf", module.variables),
        made("install/terraform/grants.tf", module.grants),
        made("install/terraform/resources.tf", module.resources),
        made("install/terraform/outputs.tf", module.outputs),
        made(MODULE_README, readme),
    ])
}

/// Its tables are made, the rest is written by hand.
const MODULE_README: &str = "install/terraform/README.md";

/// Writes those that differ; their paths.
pub fn write() -> Result<Vec<&'static str>, Error> {
    let mut written = Vec::new();
    for Generated { path, text } in all()? {
        let file = root().join(path);
        if fs::read_to_string(&file).is_ok_and(|there| there == text) {
            continue;
        }
        fs::write(&file, text).map_err(|source| Error::File {
            path: path.into(),
            source,
        })?;
        written.push(path);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_something_else_is_what_that_makes_it() {
        for Generated { path, text } in all().unwrap() {
            let there = read(path).unwrap_or_default();
            assert!(there == text, "{path}: run `cargo xtask generate`");
        }
    }
}
