//! `--migrate`: a pipeline's definition with the built-in ECS actions replaced.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use migrate::{LIMIT_BYTES, Migrated};

use crate::screen;

/// What is to be migrated.
pub(crate) struct Migration {
    /// `-` for standard input.
    pub(crate) file: PathBuf,
    /// The name of the function.
    pub(crate) function: String,
}

/// Whether all was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    All,
    /// There was nothing to replace, or some ECS action was left as it is.
    NotAll,
}

/// Writes the new document to standard output and the report to standard error.
///
/// # Errors
/// One line: the file cannot be read, or is no pipeline.
pub(crate) fn run(migration: &Migration) -> Result<Outcome, String> {
    let name = migration.file.display();
    let bytes = read(&migration.file).map_err(|error| format!("{name}: {error}"))?;
    let done = migrate::migrate(&bytes, &migration.function);
    let Migrated { text, report, .. } = done.map_err(|error| format!("{name}: {error}"))?;
    let mut out = std::io::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| format!("the document cannot be written: {error}"))?;
    screen::problem(report.to_string().trim_end());
    Ok(if report.replaced > 0 && report.left == 0 {
        Outcome::All
    } else {
        Outcome::NotAll
    })
}

/// No more than can be migrated, and enough to see that it is too much.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let limit = u64::try_from(LIMIT_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
