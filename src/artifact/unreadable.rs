//! A file that could not be read from an artifact, as the sentence that people read.

use super::entry::Unreadable;
use super::location::Location;
use super::{document, image_definitions, task_definition_file};
use crate::deploy::call::{CallError, Class};
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::text;
use crate::deploy::words::{Caller, of_call, of_key};

/// A file of the artifact, by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Image definitions.
    Images,
    /// `TaskDefinitionFile`.
    TaskDefinition,
    /// `TaskDefinitionPatch`.
    Patch,
    /// `ConfigFile`.
    Configuration,
}

impl FileKind {
    /// What it is called; the first is what the built-in action says, which people search for.
    pub fn name(self) -> &'static str {
        match self {
            Self::Images => "image definition file",
            Self::TaskDefinition => "task definition file",
            Self::Patch => "task definition patch",
            Self::Configuration => "configuration file",
        }
    }

    /// The parameter that names it.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Images => "FileName",
            Self::TaskDefinition => "TaskDefinitionFile",
            Self::Patch => "TaskDefinitionPatch",
            Self::Configuration => "ConfigFile",
        }
    }

    /// It may have so many bytes.
    pub fn limit_bytes(self) -> usize {
        match self {
            Self::Images => image_definitions::FILE_LIMIT_BYTES,
            Self::TaskDefinition | Self::Patch => task_definition_file::FILE_LIMIT_BYTES,
            Self::Configuration => document::FILE_LIMIT_BYTES,
        }
    }
}

/// A file could not be read from an artifact.
pub fn of_artifact(
    artifact: &str,
    location: &Location,
    file: &str,
    kind: FileKind,
    unreadable: Unreadable<CallError>,
    caller: Caller,
) -> Failure {
    let name = if artifact == location.to_string() {
        "the artifact".to_owned()
    } else {
        format!("the artifact {artifact}")
    };
    let about = format!("{file} in {name} ({location})");
    match unreadable {
        Unreadable::Source(error) => of_source(&name, &about, location, &error, caller),
        unreadable @ (Unreadable::Empty | Unreadable::Other(_)) => Failure::new(
            FailureKind::RevisionUnavailable,
            format!(
                "{about} cannot be read: {unreadable}. An artifact is a zip; CodeBuild makes it of the files that artifacts.files lists."
            ),
        ),
        unreadable @ (Unreadable::NotZip(_)
        | Unreadable::DirectoryTooLarge(_)
        | Unreadable::Encrypted
        | Unreadable::Method(_)) => Failure::new(
            FailureKind::RevisionUnavailable,
            format!("{about} cannot be read: {unreadable}."),
        ),
        unreadable @ Unreadable::Absent { .. } => {
            let remedy = match detail_instead(kind, file, &unreadable) {
                Some(detail) => format!(
                    "It has {detail}, as an ECR source action writes it: set FileName to {detail}, and ContainerName to the container that gets the image if there are several"
                ),
                None => format!(
                    "Write it in the build and list it under artifacts.files, or set {}",
                    kind.parameter()
                ),
            };
            Failure::new(
                FailureKind::Configuration,
                format!(
                    "Did not find the {} {file} in {name} ({location}): {unreadable}. {remedy}.",
                    kind.name(),
                ),
            )
        }
        unreadable @ (Unreadable::FileTooLarge { .. }
        | Unreadable::Twice(_)
        | Unreadable::NoFile(_)) => Failure::new(
            FailureKind::Configuration,
            format!("{about} cannot be used: {unreadable}."),
        ),
    }
}

/// S3 could not be read from. `name` is the artifact's, `about` begins the sentence of a call that failed.
fn of_source(
    name: &str,
    about: &str,
    location: &Location,
    error: &CallError,
    caller: Caller,
) -> Failure {
    let lost = |message: String| Failure::new(FailureKind::RevisionUnavailable, message);
    match error.class {
        Class::Missing => lost(format!(
            "{name} is missing: {location} does not exist ({}). Release the change again to have it built.",
            error.detail
        )),
        Class::Expired => lost(format!(
            "{name} cannot be read any more: the job's credentials have expired. Retry the stage in CodePipeline. AWS says: {}",
            error.detail
        )),
        Class::Archived => lost(format!(
            "{name} cannot be read: {location} is in an archive of S3's (Glacier), where a lifecycle rule of its bucket may have put it. Restore it, or release the change again to have it built. AWS says: {}",
            error.detail
        )),
        Class::KeyUnusable => lost(format!(
            "{name} cannot be read: {}",
            of_key(&location.to_string(), &error.detail)
        )),
        Class::Changed => lost(format!(
            "{name} was replaced while it was being read ({location}): retry the action."
        )),
        Class::Denied
        | Class::Unknown
        | Class::Unsigned
        | Class::Clock
        | Class::Account
        | Class::Empty
        | Class::Throttled
        | Class::Unavailable
        | Class::JobOver
        | Class::Refused
        | Class::Unsupported => of_call(about, error, caller, false),
    }
}

/// The imageDetail.json that an artifact has where image definitions were expected.
fn detail_instead<'a>(
    kind: FileKind,
    file: &str,
    unreadable: &'a Unreadable<CallError>,
) -> Option<&'a str> {
    let is_detail =
        text::last_part(file).eq_ignore_ascii_case(image_definitions::IMAGE_DETAIL_FILE);
    if let Unreadable::Absent { image_detail, .. } = unreadable
        && kind == FileKind::Images
        && !is_detail
    {
        return image_detail.as_deref();
    }
    None
}

/// None of several artifacts has the file; `each` says what is with each of them.
pub fn of_no_artifact(
    artifacts: &[&str],
    file: &str,
    kind: FileKind,
    failure: FailureKind,
    each: &[Failure],
) -> Failure {
    let each: Vec<&str> = each.iter().map(|one| one.message.as_str()).collect();
    let about = format!(
        "Did not find the {} {file} in any of the artifacts {}: set InputArtifact to the one that is meant. ",
        kind.name(),
        text::listed(artifacts),
    );
    Failure::of_problems(failure, &about, &each)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Class) -> CallError {
        CallError {
            operation: "ecs:UpdateService",
            subject: "service web on prod".to_owned(),
            resource: None,
            class,
            detail: "AccessDeniedException: User: arn:aws:sts::1:assumed-role/f is not authorized to perform: ecs:UpdateService on resource: arn:aws:ecs:r:1:service/prod/web because no identity-based policy allows it"
                .to_owned(),
            region: Some("eu-central-1".into()),
            request_id: None,
        }
    }

    #[test]
    fn each_way_not_to_get_an_artifact_has_its_kind() {
        let location = Location {
            bucket: "b".to_owned(),
            key: "k".to_owned(),
        };
        let kind = |unreadable| {
            let images = FileKind::Images;
            of_artifact(
                "Build",
                &location,
                "f.json",
                images,
                unreadable,
                Caller::Pipeline,
            )
            .kind
        };
        let source = |class| Unreadable::Source(error(class));
        assert_eq!(
            kind(source(Class::Missing)),
            FailureKind::RevisionUnavailable
        );
        assert_eq!(
            kind(source(Class::Expired)),
            FailureKind::RevisionUnavailable
        );
        assert_eq!(
            kind(source(Class::Changed)),
            FailureKind::RevisionUnavailable
        );
        assert_eq!(
            kind(source(Class::Archived)),
            FailureKind::RevisionUnavailable
        );
        assert_eq!(
            kind(source(Class::KeyUnusable)),
            FailureKind::RevisionUnavailable
        );
        assert_eq!(kind(source(Class::Denied)), FailureKind::Permission);
        assert_eq!(kind(source(Class::Unknown)), FailureKind::Permission);
        assert_eq!(
            kind(source(Class::Unavailable)),
            FailureKind::SystemUnavailable
        );
        assert_eq!(kind(Unreadable::Empty), FailureKind::RevisionUnavailable);
        assert_eq!(
            kind(Unreadable::NotZip(String::new())),
            FailureKind::RevisionUnavailable
        );
        assert_eq!(
            kind(Unreadable::Absent {
                count: 0,
                near: Vec::new(),
                first: Vec::new(),
                image_detail: None,
            }),
            FailureKind::Configuration
        );
        assert_eq!(
            kind(Unreadable::FileTooLarge { limit: 1 }),
            FailureKind::Configuration
        );
    }
}
