//! What the function is made of, as `CycloneDX` has it (<https://cyclonedx.org>).

use std::path::Path;

use serde_json::Value;
use thiserror::Error;

use crate::build;

/// Why there is none.
#[derive(Debug, Error)]
pub enum Error {
    /// cargo-cyclonedx could not be run, or failed.
    #[error(transparent)]
    Run(#[from] build::Error),
    /// It wrote what is no JSON.
    #[error("cargo-cyclonedx wrote what is no JSON")]
    Json(#[from] serde_json::Error),
}

/// The function's crates and their licences, without those of its tests, as JSON.
///
/// cargo-cyclonedx writes beside the manifest; the file is taken from there. Time and number that it
/// gives each run are left out, for they would differ.
pub fn of(root: &Path, target: &str) -> Result<Vec<u8>, Error> {
    const NAME: &str = "release-sbom";
    build::run(
        build::cargo()
            .args([
                "cyclonedx",
                "--quiet",
                "--format",
                "json",
                "--spec-version",
                "1.5",
            ])
            .args([
                "--no-build-deps",
                "--target",
                target,
                "--override-filename",
                NAME,
            ])
            .arg("--manifest-path")
            .arg(root.join("Cargo.toml")),
        root,
    )?;
    let mut function = None;
    for package in crate::generated::packages(root) {
        let file = package.join(format!("{NAME}.json"));
        if let Ok(bytes) = std::fs::read(&file) {
            if package == root {
                function = Some(bytes);
            }
            std::fs::remove_file(&file).ok();
        }
    }
    let bytes =
        function.ok_or_else(|| build::Error::Failed("cargo cyclonedx wrote nothing".to_owned()))?;
    normalised(&bytes, root)
}

/// Without what differs from run to run and from machine to machine.
fn normalised(bytes: &[u8], root: &Path) -> Result<Vec<u8>, Error> {
    let mut bom: Value = serde_json::from_slice(bytes)?;
    if let Some(bom) = bom.as_object_mut() {
        bom.shift_remove("serialNumber");
        if let Some(metadata) = bom.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("timestamp");
        }
    }
    let mut text = serde_json::to_string_pretty(&bom)?;
    text.push('\n');
    // Crates of the workspace are named by their folders.
    Ok(text
        .replace(&format!("{}", root.display()), ".")
        .into_bytes())
}
