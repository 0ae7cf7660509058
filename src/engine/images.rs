//! Which images: out of the artifact, or out of the manual event.

use super::Step;
use crate::artifact::entry::{self, Unreadable};
use crate::artifact::image_definitions::{self, FILE_LIMIT_BYTES, Mistake};
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::images::ImageSource;
use crate::deploy::text;
use crate::explain;
use crate::job::{Artifact, Source};

impl Step<'_> {
    /// Reads what the build wants to run.
    pub(super) async fn images(&self) -> Result<ImageSource, Failure> {
        match &self.order.source {
            Source::Event(definitions) => {
                let file = "ImageDefinitions";
                let container = self.spec.container.as_deref();
                image_definitions::from_value(file, definitions, container)
                    .map_err(|mistakes| mistaken(file, &mistakes))
            }
            Source::Artifacts(artifacts) => self.images_in(artifacts).await,
            Source::Nowhere => Err(Failure::new(
                FailureKind::Configuration,
                "The event says no images.",
            )),
        }
    }

    async fn images_in(&self, artifacts: &[Artifact]) -> Result<ImageSource, Failure> {
        let file = &self.spec.file_name;
        let wrong = |message: String| Failure::new(FailureKind::Configuration, message);
        let names: Vec<&str> = artifacts.iter().map(|one| one.name.as_str()).collect();
        let candidates: Vec<&Artifact> = match &self.spec.input_artifact {
            None => artifacts.iter().collect(),
            Some(wanted) => {
                let found = artifacts.iter().find(|one| one.name == *wanted);
                vec![found.ok_or_else(|| {
                    wrong(format!(
                        "InputArtifact is '{wanted}', which is not an input artifact of the action; it has {}.",
                        if names.is_empty() { "none".to_owned() } else { text::listed(&names) }
                    ))
                })?]
            }
        };
        if candidates.is_empty() {
            return Err(wrong(format!(
                "The action has no input artifact: add the one that holds {file} to its InputArtifacts."
            )));
        }
        let mut found: Vec<(&Artifact, Vec<u8>)> = Vec::new();
        let mut absent = Vec::new();
        for artifact in &candidates {
            match self.file_in(artifact).await {
                Ok(content) => found.push((*artifact, content)),
                Err(Missing::File(failure)) => absent.push(failure),
                Err(Missing::Artifact(failure)) => return Err(failure),
            }
        }
        match found.as_slice() {
            [] => Err(explain::together(&absent)
                .unwrap_or_else(|| wrong(format!("No input artifact has the file {file}.")))),
            [(_, content)] => {
                image_definitions::parse(file, content, self.spec.container.as_deref())
                    .map_err(|mistakes| mistaken(file, &mistakes))
            }
            several => {
                let names: Vec<&str> = several.iter().map(|(one, _)| one.name.as_str()).collect();
                Err(wrong(format!(
                    "{file} is in the artifacts {}: set InputArtifact to the one that is meant.",
                    text::listed(&names)
                )))
            }
        }
    }

    async fn file_in(&self, artifact: &Artifact) -> Result<Vec<u8>, Missing> {
        let file = self.spec.file_name.clone();
        let Some(location) = artifact.location.clone() else {
            return Err(Missing::Artifact(Failure::new(
                FailureKind::RevisionUnavailable,
                format!(
                    "The artifact {} has no location in the event: release the change again to have it built.",
                    artifact.name
                ),
            )));
        };
        let credentials = self.order.credentials.as_ref();
        let s3 = self
            .engine
            .aws
            .s3(credentials.map(super::super::job::ArtifactCredentials::for_sdk));
        let object = s3.object(location.clone());
        let name = file.clone();
        // `zip` reads from what blocks; the file's content is small, so it may be read whole.
        let limit = u64::try_from(FILE_LIMIT_BYTES).unwrap_or(u64::MAX);
        let bounds = self.engine.bounds;
        let read =
            tokio::task::spawn_blocking(move || entry::read(object, &name, limit, bounds)).await;
        match read {
            Ok(Ok(content)) => Ok(content),
            Ok(Err(unreadable)) => {
                let is_absent = matches!(unreadable, Unreadable::Absent { .. });
                let failure = explain::of_artifact(artifact, &location, &file, unreadable);
                Err(if is_absent {
                    Missing::File(failure)
                } else {
                    Missing::Artifact(failure)
                })
            }
            // Reading the zip panicked: its content is at fault, and nothing was changed.
            Err(_) => Err(Missing::Artifact(explain::of_artifact(
                artifact,
                &location,
                &file,
                Unreadable::NotZip("reading it failed".to_owned()),
            ))),
        }
    }
}

/// What is missing: only the file, which another artifact may have, or the artifact itself.
enum Missing {
    File(Failure),
    Artifact(Failure),
}

fn mistaken(file: &str, mistakes: &[Mistake]) -> Failure {
    let about = match mistakes {
        [only] if !only.is_about_an_entry() => format!("{file} "),
        _ => format!("{file}: "),
    };
    Failure::of_problems(FailureKind::Configuration, &about, mistakes)
}
