//! A task definition in the artifact, as `aws ecs register-task-definition --cli-input-json` takes
//! it and `describe-task-definition` prints it.

use serde_json::{Map, Value};

use super::document::{self, Unusable};
use crate::deploy::images::{ImageReference, ImageSource};
use crate::deploy::task_definition::{READ_ONLY_FIELDS, placeholder_in};
use crate::deploy::text;

/// A task definition is at most this long
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>).
pub const FILE_LIMIT_BYTES: usize = 64 * 1024;

/// And has at most so many containers (same page).
pub const CONTAINER_LIMIT: usize = 10;

/// What the file says.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDefinitionFile {
    /// Its fields, as they came, without those that only ECS writes.
    pub fields: Map<String, Value>,
    /// Its tags, if it has any say in them.
    pub tags: Option<Vec<Value>>,
    /// Fields that only ECS writes and that were left out.
    pub dropped: Vec<String>,
}

impl TaskDefinitionFile {
    /// What is wrong with the images that it brings itself: those that stand in no placeholder, in
    /// containers for which `source` has no image.
    pub fn mistaken_images(&self, source: Option<&ImageSource>) -> Vec<Mistake> {
        let containers = self.fields.get("containerDefinitions");
        let containers = containers
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let is_replaced = |name: &str| match source {
            None => false,
            Some(ImageSource::Definitions { images, .. }) => {
                images.iter().any(|(named, _)| named == name)
            }
            Some(ImageSource::Detail { container, .. }) => match container {
                Some(container) => container == name,
                None => containers.len() == 1,
            },
        };
        let mistaken = containers
            .iter()
            .enumerate()
            .filter_map(|(index, container)| {
                let image = container["image"].as_str()?;
                if is_replaced(container["name"].as_str()?) || placeholder_in(image).is_some() {
                    return None;
                }
                let mistake = ImageReference::parse(image).err()?;
                let what = format!("has an image that {mistake}");
                Some(Mistake::Container { index, what })
            });
        mistaken.collect()
    }

    /// The family that it names, if it names one.
    pub fn family(&self) -> Option<&str> {
        self.fields.get("family").and_then(Value::as_str)
    }
}

/// What is wrong with the file. Each is a sentence that follows its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// No text, or no JSON.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// Something else than an object.
    #[error("is not a JSON object: a task definition begins with {{ and has containerDefinitions")]
    NotObject,
    /// As `CloudFormation` writes it.
    #[error(
        "is written as CloudFormation writes it ({0}): write the names as ECS does, as containerDefinitions"
    )]
    Pascal(String),
    /// No containers.
    #[error("has no containerDefinitions")]
    NoContainers,
    /// More than [`CONTAINER_LIMIT`].
    #[error("has {0} containers; ECS takes {CONTAINER_LIMIT} at most")]
    TooManyContainers(usize),
    /// One container cannot be used.
    #[error("containerDefinitions[{index}] {what}")]
    Container {
        /// From 0, as in a JSON path.
        index: usize,
        /// What is wrong, as `has no name`.
        what: String,
    },
    /// A member of the wrong kind.
    #[error("has {member} {written}: expected {expected}")]
    Kind {
        /// The member.
        member: &'static str,
        /// What stands there.
        written: String,
        /// What should.
        expected: &'static str,
    },
}

/// Reads the file.
///
/// # Errors
/// Every [`Mistake`] found.
pub fn parse(bytes: &[u8]) -> Result<TaskDefinitionFile, Vec<Mistake>> {
    let value = document::json(bytes).map_err(|unusable| vec![unusable.into()])?;
    let Value::Object(mut object) = value else {
        return Err(vec![Mistake::NotObject]);
    };
    let mut tags = object.remove("tags");
    // As describe-task-definition prints it.
    if let Some(Value::Object(inner)) = object.remove("taskDefinition") {
        object = inner;
        tags = object.remove("tags").or(tags);
    }
    if !object.contains_key("containerDefinitions")
        && let Some(name) = ["ContainerDefinitions", "Properties", "Resources"]
            .into_iter()
            .find(|name| object.contains_key(*name))
    {
        return Err(vec![Mistake::Pascal(name.to_owned())]);
    }
    let mut mistakes = containers_mistaken(&object);
    let written = |value: &Value| text::cut(&value.to_string(), 80);
    for member in ["family", "cpu", "memory"] {
        if let Some(value) = object.get(member).filter(|value| !value.is_string()) {
            mistakes.push(Mistake::Kind {
                member,
                written: written(value),
                expected: "a text in double quotes",
            });
        }
    }
    let tags = match tags {
        None | Some(Value::Null) => None,
        Some(Value::Array(tags)) => Some(tags),
        Some(other) => {
            mistakes.push(Mistake::Kind {
                member: "tags",
                written: written(&other),
                expected: r#"an array, as [{"key": "team", "value": "web"}]"#,
            });
            None
        }
    };
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let (fields, dropped): (Map<String, Value>, Map<String, Value>) = object
        .into_iter()
        .partition(|(field, _)| !READ_ONLY_FIELDS.contains(&field.as_str()));
    Ok(TaskDefinitionFile {
        fields,
        tags,
        dropped: dropped.into_iter().map(|(field, _)| field).collect(),
    })
}

fn containers_mistaken(object: &Map<String, Value>) -> Vec<Mistake> {
    let containers = object.get("containerDefinitions").and_then(Value::as_array);
    let Some(containers) = containers.filter(|containers| !containers.is_empty()) else {
        return vec![Mistake::NoContainers];
    };
    if containers.len() > CONTAINER_LIMIT {
        return vec![Mistake::TooManyContainers(containers.len())];
    }
    let mut names: Vec<&str> = Vec::new();
    let mut mistakes = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let mut report = |what: String| mistakes.push(Mistake::Container { index, what });
        let text = |member: &str| container[member].as_str().filter(|text| !text.is_empty());
        match text("name") {
            None => report("has no name".to_owned()),
            Some(name) if names.contains(&name) => {
                report(format!("has the name '{name}', which another one has, too"));
            }
            Some(name) => names.push(name),
        }
        if text("image").is_none() {
            report(
                "has no image: write one, or a placeholder as <IMAGE1_NAME> that the image definitions fill"
                    .to_owned(),
            );
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mistakes(content: &str) -> Vec<String> {
        let mistakes = parse(content.as_bytes()).unwrap_err();
        mistakes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_nobody_has_heard_of_is_kept_and_what_only_ecs_writes_is_left_out() {
        let read = parse(
            json!({"family": "app", "inventedLater": {"a": [1, null]}, "revision": 7,
                "status": "ACTIVE", "tags": [{"key": "k", "value": "v"}],
                "containerDefinitions": [{"name": "app", "image": "<IMAGE1_NAME>"}]})
            .to_string()
            .as_bytes(),
        )
        .unwrap();
        assert_eq!(read.fields["inventedLater"], json!({"a": [1, null]}));
        assert_eq!(read.dropped, ["revision", "status"]);
        assert!(!read.fields.contains_key("revision"));
        assert_eq!(read.family(), Some("app"));
        assert_eq!(read.tags, Some(vec![json!({"key": "k", "value": "v"})]));
    }

    #[test]
    fn what_describe_task_definition_prints_is_accepted_as_it_is() {
        let read = parse(
            json!({"taskDefinition": {"family": "app", "taskDefinitionArn": "arn",
                "containerDefinitions": [{"name": "app", "image": "i"}]}, "tags": []})
            .to_string()
            .as_bytes(),
        )
        .unwrap();
        assert_eq!(read.family(), Some("app"));
        assert_eq!(read.dropped, ["taskDefinitionArn"]);
        assert_eq!(read.tags, Some(Vec::new()));
    }

    #[test]
    fn an_image_that_is_none_is_reported_unless_another_replaces_it() {
        let mistakes = |image: &str, source: Option<&ImageSource>| -> Vec<String> {
            let file = json!({"containerDefinitions": [
                {"name": "a", "image": "<IMAGE1_NAME>"}, {"name": "b", "image": image}]});
            let file = parse(file.to_string().as_bytes()).unwrap();
            let mistakes = file.mistaken_images(source);
            mistakes.iter().map(ToString::to_string).collect()
        };
        assert_eq!(mistakes("repo.example:5000/b:v1", None), [""; 0]);
        assert_eq!(
            mistakes("Repo/b:v1", None),
            [
                "containerDefinitions[1] has an image that is 'Repo/b:v1', with capitals in its path: repositories have small letters only, so write 'repo/b'"
            ]
        );
        let source = |container: &str| ImageSource::Definitions {
            file: "imagedefinitions.json".to_owned(),
            images: vec![(container.to_owned(), "repo/b:v1".to_owned())],
        };
        for image in ["<A>:v1", "https://b", "b:feature/x", "${IMAGE}", "b c"] {
            assert_eq!(mistakes(image, Some(&source("a"))).len(), 1, "{image}");
            assert_eq!(mistakes(image, Some(&source("b"))).len(), 0, "{image}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_sentence_with_its_place() {
        assert_eq!(
            mistakes("{\"family\": \"app\",\n  \"cpu\" 256}"),
            ["contains invalid JSON at line 2, column 9: expected `:`"]
        );
        assert_eq!(mistakes(" "), ["is empty"]);
        assert!(mistakes("[]")[0].starts_with("is not a JSON object"));
        assert_eq!(mistakes("{}"), ["has no containerDefinitions"]);
        assert!(mistakes(r#"{"ContainerDefinitions": []}"#)[0].contains("CloudFormation"));
        assert_eq!(
            mistakes(
                r#"{"family": 1, "cpu": 256, "containerDefinitions": [{"image": "i"}, {"name": "a", "image": "i"}, {"name": "a"}]}"#
            ),
            [
                "containerDefinitions[0] has no name",
                "containerDefinitions[2] has the name 'a', which another one has, too",
                "containerDefinitions[2] has no image: write one, or a placeholder as <IMAGE1_NAME> that the image definitions fill",
                "has family 1: expected a text in double quotes",
                "has cpu 256: expected a text in double quotes",
            ]
        );
    }
}
