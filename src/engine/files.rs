//! What the artifact says: images, task definition, parameters; or the manual event in its place.

use tokio::task::spawn_blocking;

use super::at_once::few_at_once;
use super::{Engine, Run};
use crate::artifact::entry::{self, Bounds, Unreadable, Wanted};
use crate::artifact::location::Location;
use crate::artifact::task_definition_file::{self, TaskDefinitionFile};
use crate::artifact::unreadable::{self, FileKind};
use crate::artifact::{document, image_definitions};
use crate::aws::s3::Pin;
use crate::deploy::call::CallError;
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::images::ImageSource;
use crate::deploy::text;
use crate::deploy::words::Caller;
use crate::event::{Artifact, ArtifactCredentials, Order, Source};
use crate::parameters::{self, Written};

use crate::deploy::patch::Patch;
use crate::deploy::spec::{BaseFrom, ConfigFile, PatchFrom};

/// What a start reads.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The images; `None` if a task definition brings its own.
    pub(super) images: Option<ImageSource>,
    /// The task definition, if one was asked for.
    pub(super) task_definition: Option<TaskDefinitionFile>,
    /// What the new revision has that its base has not.
    pub(super) patch: Option<Patch>,
}

/// The parameters of a `ConfigFile`, and which version of which artifact they are from.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// What is written in it.
    pub written: Written,
    /// For the continuation token.
    pub pin: Option<String>,
}

/// A file that may be in an artifact.
struct Looked {
    kind: FileKind,
    file: String,
}

/// What one artifact has of the files: one for each.
struct Opened<'a> {
    artifact: &'a Artifact,
    contents: Vec<Content>,
    pin: Option<Pin>,
}

/// What an artifact has of a file.
#[derive(Clone)]
enum Content {
    /// What is in it.
    Found(Vec<u8>),
    /// The artifact does not have it.
    Absent(Failure),
    /// The artifact is no zip, so it cannot have it.
    NoZip(Failure),
    /// Whether the artifact has it is not known, or it has it in a way that cannot be used.
    Unusable(Failure),
}

impl Content {
    /// What it comes to that a file could not be read.
    fn of_unreadable(
        artifact: &Artifact,
        location: &Location,
        looked: &Looked,
        unreadable: Unreadable<CallError>,
        caller: Caller,
    ) -> Self {
        let is_absent = matches!(unreadable, Unreadable::Absent { .. });
        let is_no_zip = unreadable.is_no_zip();
        let (file, kind) = (&looked.file, looked.kind);
        let failure =
            unreadable::of_artifact(&artifact.name, location, file, kind, unreadable, caller);
        if is_absent {
            Self::Absent(failure)
        } else if is_no_zip {
            Self::NoZip(failure)
        } else {
            Self::Unusable(failure)
        }
    }

    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent(_) | Self::NoZip(_))
    }
}

fn wrong(message: String) -> Failure {
    Failure::new(FailureKind::Configuration, message)
}

impl Run<'_> {
    /// Reads what the build wants to run.
    pub(super) async fn files(&self) -> Result<Files, Failure> {
        let spec = self.spec;
        let definition_file = match &spec.base {
            BaseFrom::File(file) => Some(file.as_str()),
            BaseFrom::Service | BaseFrom::Latest => None,
            // It has its images.
            BaseFrom::Existing(_) => return Ok(Files::default()),
        };
        let container = spec.container.as_deref();
        match &self.order.source {
            Source::Event(_) | Source::Nowhere if definition_file.is_some() => {
                Err(wrong("TaskDefinitionFile is a file of the artifact, and the event has none: write \"Artifact\": {\"Bucket\": \"…\", \"Key\": \"…\"} instead of ImageDefinitions.".to_owned()))
            }
            Source::Event(_) | Source::Nowhere if self.patch_file().is_some() => {
                Err(wrong("TaskDefinitionPatch is a file of the artifact, and the event has none: write the object itself, or \"Artifact\": {\"Bucket\": \"…\", \"Key\": \"…\"} instead of ImageDefinitions.".to_owned()))
            }
            Source::Event(definitions) => {
                let file = "ImageDefinitions";
                let images = image_definitions::from_value(file, definitions, container)
                    .map_err(|mistakes| of_images(file, &mistakes))?;
                Ok(Files {
                    images: Some(images),
                    task_definition: None,
                    patch: self.patch_of_parameters(),
                })
            }
            Source::Nowhere => Err(wrong("The event says no images.".to_owned())),
            Source::Artifacts(artifacts) => self.files_in(artifacts, definition_file).await,
        }
    }

    /// The file that holds the patch, if one does.
    fn patch_file(&self) -> Option<&str> {
        match &self.spec.patch {
            Some(PatchFrom::File(file)) => Some(file),
            Some(PatchFrom::Parameters(_)) | None => None,
        }
    }

    fn patch_of_parameters(&self) -> Option<Patch> {
        match &self.spec.patch {
            Some(PatchFrom::Parameters(patch)) => Some(patch.clone()),
            Some(PatchFrom::File(_)) | None => None,
        }
    }

    async fn files_in(
        &self,
        artifacts: &[Artifact],
        definition_file: Option<&str>,
    ) -> Result<Files, Failure> {
        let spec = self.spec;
        let mut looked = vec![Looked {
            kind: FileKind::Images,
            file: spec.file_name.clone(),
        }];
        looked.extend(definition_file.map(|file| Looked {
            kind: FileKind::TaskDefinition,
            file: file.to_owned(),
        }));
        let patch_file = self.patch_file();
        let patch_place = looked.len();
        looked.extend(patch_file.map(|file| Looked {
            kind: FileKind::Patch,
            file: file.to_owned(),
        }));
        let candidates = candidates(artifacts, spec.input_artifact.as_deref(), &spec.file_name)?;
        let pinned = self.config_pin;
        let opened = self
            .engine
            .open_all(
                self.order.credentials.as_ref(),
                &candidates,
                &looked,
                pinned,
            )
            .await;
        // Without image definitions a task definition brings its own images.
        let may_be_absent = definition_file.is_some() && !spec.file_is_named;
        let is_absent = opened.iter().all(|one| one.contents[0].is_absent());
        let images = if may_be_absent && is_absent {
            Ok(None)
        } else {
            only(&opened, 0, &looked).and_then(|content| {
                image_definitions::parse(&spec.file_name, content, spec.container.as_deref())
                    .map(Some)
                    .map_err(|mistakes| of_images(&spec.file_name, &mistakes))
            })
        };
        let task_definition = match definition_file {
            None => Ok(None),
            Some(file) => only(&opened, 1, &looked).and_then(|content| {
                task_definition_file::parse(content)
                    .and_then(|definition| {
                        let source = images.as_ref().ok().and_then(Option::as_ref);
                        let mistakes = definition.mistaken_images(source);
                        // What image definitions that cannot be read replace is not known.
                        if mistakes.is_empty() || images.is_err() {
                            Ok(Some(definition))
                        } else {
                            Err(mistakes)
                        }
                    })
                    .map_err(|mistakes| {
                        let about = format!("{file} ");
                        Failure::of_problems(FailureKind::Configuration, &about, &mistakes)
                    })
            }),
        };
        let patch = match patch_file {
            None => Ok(self.patch_of_parameters()),
            Some(file) => only(&opened, patch_place, &looked)
                .and_then(|content| patch_in(file, content).map(Some)),
        };
        match (images, task_definition, patch) {
            (Ok(images), Ok(task_definition), Ok(patch)) => Ok(Files {
                images,
                task_definition,
                patch,
            }),
            (images, task_definition, patch) => {
                let failures: Vec<Failure> = [images.err(), task_definition.err(), patch.err()]
                    .into_iter()
                    .flatten()
                    .collect();
                Err(Failure::together(&failures)
                    .unwrap_or_else(|| wrong("The artifact could not be read.".to_owned())))
            }
        }
    }
}

/// The patch in `file`, or all that is wrong with it.
fn patch_in(file: &str, content: &[u8]) -> Result<Patch, Failure> {
    let value = document::json(content).map_err(|unusable| wrong(format!("{file} {unusable}.")))?;
    Patch::parse(file, value)
        .map_err(|problems| Failure::of_problems(FailureKind::Configuration, "", &problems))
}

impl Engine {
    /// Reads the parameters in `config`, from the version `pin` if there is one.
    ///
    /// # Errors
    /// The failure to answer with.
    pub async fn configuration(
        &self,
        order: &Order,
        config: &ConfigFile,
        pin: Option<&str>,
    ) -> Result<Configuration, Failure> {
        let Source::Artifacts(artifacts) = &order.source else {
            return Err(wrong("ConfigFile is a file of the artifact, and the event has none: write \"Artifact\": {\"Bucket\": \"…\", \"Key\": \"…\"}.".to_owned()));
        };
        let file = config.file.clone();
        let candidates = candidates(artifacts, config.input_artifact.as_deref(), &file)?;
        let looked = [Looked {
            kind: FileKind::Configuration,
            file: file.clone(),
        }];
        let opened = self
            .open_all(order.credentials.as_ref(), &candidates, &looked, pin)
            .await;
        let content = only(&opened, 0, &looked)?;
        let written = document::text(content)
            .map_err(|unusable| wrong(format!("{file} {unusable}.")))
            .and_then(|json| {
                parameters::written_in(&file, json).map_err(|problem| wrong(format!("{problem}.")))
            })?;
        let holder = opened
            .iter()
            .find(|one| matches!(one.contents[0], Content::Found(_)));
        let pin =
            holder.and_then(|one| Some(format!("{}:{}", one.artifact.name, one.pin.as_ref()?)));
        Ok(Configuration { written, pin })
    }

    async fn open_all<'a>(
        &self,
        credentials: Option<&ArtifactCredentials>,
        artifacts: &[&'a Artifact],
        looked: &[Looked],
        pin: Option<&str>,
    ) -> Vec<Opened<'a>> {
        let pin_of = |artifact: &Artifact| {
            let (name, pin) = pin?.rsplit_once(':')?;
            Pin::parse(pin).filter(|_| name == artifact.name)
        };
        // All at once, for the time that it takes, and all of them in the memory for one.
        let bounds = self.bounds.shared_by(artifacts.len());
        let opening = artifacts
            .iter()
            .map(|artifact| self.open(credentials, artifact, looked, pin_of(artifact), bounds));
        few_at_once(opening).await
    }

    async fn open<'a>(
        &self,
        credentials: Option<&ArtifactCredentials>,
        artifact: &'a Artifact,
        looked: &[Looked],
        pin: Option<Pin>,
        bounds: Bounds,
    ) -> Opened<'a> {
        let all = |content: &Content| Opened {
            artifact,
            contents: vec![content.clone(); looked.len()],
            pin: None,
        };
        let Some(location) = artifact.location.clone() else {
            return all(&Content::Unusable(Failure::new(
                FailureKind::RevisionUnavailable,
                format!(
                    "The artifact {} has no location in the event: release the change again to have it built.",
                    artifact.name
                ),
            )));
        };
        let s3 = self.aws.s3(credentials.map(ArtifactCredentials::for_sdk));
        let mut object = s3.object(location.clone()).pinned(pin);
        let names: Vec<(String, usize)> = looked
            .iter()
            .map(|one| (one.file.clone(), one.kind.limit_bytes()))
            .collect();
        // Inflating is work, and a blocking reader the simpler one.
        let read = spawn_blocking(move || {
            let wanted: Vec<Wanted<'_>> = names
                .iter()
                .map(|(name, limit)| Wanted {
                    name,
                    limit: u64::try_from(*limit).unwrap_or(u64::MAX),
                })
                .collect();
            let contents = entry::read_all(&mut object, &wanted, bounds);
            (contents, object.pin().cloned())
        })
        .await;
        let caller = if credentials.is_some() {
            Caller::Pipeline
        } else {
            Caller::Function
        };
        let content = |looked: &Looked, unreadable: Unreadable<CallError>| {
            Content::of_unreadable(artifact, &location, looked, unreadable, caller)
        };
        match (read, looked.first()) {
            (Ok((Ok(contents), pin)), _) => Opened {
                artifact,
                contents: contents
                    .into_iter()
                    .zip(looked)
                    .map(|(read, looked)| match read {
                        Ok(bytes) => Content::Found(bytes),
                        Err(unreadable) => content(looked, unreadable),
                    })
                    .collect(),
                pin,
            },
            (Ok((Err(unreadable), _)), Some(first)) => all(&content(first, unreadable)),
            // Reading the zip panicked: its content is at fault, and nothing was changed.
            (Err(_), Some(first)) => {
                let unreadable = Unreadable::NotZip("reading it failed".to_owned());
                all(&content(first, unreadable))
            }
            (_, None) => all(&Content::Unusable(wrong(
                "Nothing was asked for.".to_owned(),
            ))),
        }
    }
}

/// The artifacts that may have the files.
fn candidates<'a>(
    artifacts: &'a [Artifact],
    input_artifact: Option<&str>,
    file: &str,
) -> Result<Vec<&'a Artifact>, Failure> {
    let names: Vec<&str> = artifacts.iter().map(|one| one.name.as_str()).collect();
    let candidates: Vec<&Artifact> = match input_artifact {
        None => artifacts.iter().collect(),
        Some(wanted) => {
            let found = artifacts.iter().find(|one| one.name == wanted);
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
    Ok(candidates)
}

/// The file's content in the only artifact that has it.
fn only<'a>(
    opened: &'a [Opened<'_>],
    place: usize,
    looked: &[Looked],
) -> Result<&'a [u8], Failure> {
    let Looked { file, kind } = &looked[place];
    let mut found: Vec<(&str, &[u8])> = Vec::new();
    let mut absent = Vec::new();
    let mut is_in_no_zip = true;
    for one in opened {
        match &one.contents[place] {
            Content::Found(content) => found.push((&one.artifact.name, content)),
            Content::Absent(failure) => {
                is_in_no_zip = false;
                absent.push(failure.clone());
            }
            Content::NoZip(failure) => absent.push(failure.clone()),
            Content::Unusable(failure) if opened.len() > 1 => {
                return Err(Failure::new(
                    failure.kind,
                    failure
                        .message
                        .clone()
                        .then("If another artifact is meant, set InputArtifact to it."),
                ));
            }
            Content::Unusable(failure) => return Err(failure.clone()),
        }
    }
    match (found.as_slice(), absent.as_slice()) {
        ([(_, content)], _) => Ok(content),
        ([], [only]) => Err(only.clone()),
        ([], _) => {
            let names: Vec<&str> = opened
                .iter()
                .map(|one| one.artifact.name.as_str())
                .collect();
            let failure = if is_in_no_zip {
                FailureKind::RevisionUnavailable
            } else {
                FailureKind::Configuration
            };
            Err(unreadable::of_no_artifact(
                &names, file, *kind, failure, &absent,
            ))
        }
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            Err(wrong(format!(
                "{file} is in the artifacts {}: set InputArtifact to the one that is meant.",
                text::listed(&names)
            )))
        }
    }
}

fn of_images(file: &str, mistakes: &[image_definitions::Mistake]) -> Failure {
    let about = match mistakes {
        [only] if !only.is_about_an_entry() => format!("{file} "),
        _ => format!("{file}: "),
    };
    Failure::of_problems(FailureKind::Configuration, &about, mistakes)
}
