//! From the base revision, as raw JSON, to the registration of the new one.
//!
//! Raw because a typed copy loses whatever this build has never heard of: `aws-sdk-ecs` 1.157.0
//! does not know `trustedExecutionConfiguration`, and tools that copy field by field lose the next
//! one (<https://github.com/terraform-aws-modules/terraform-aws-ecs/issues/356>).

use serde_json::{Map, Value, json};

use super::images::{EcrImage, ImageSource, Images};
use super::platform;
use super::text;

/// The tag that ties a revision to the job that registered it; its value is the starting job's id.
pub const JOB_TAG: &str = "ecs-deploy-action:job";

/// A revision takes this many tags
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html>).
const TAG_LIMIT: usize = 50;

/// What `DescribeTaskDefinition` returns and `RegisterTaskDefinition` does not take
/// (API models of both operations; see the simulator's `model/ecs.json`).
const READ_ONLY_FIELDS: [&str; 9] = [
    "compatibilities",
    "deleteRequestedAt",
    "deregisteredAt",
    "registeredAt",
    "registeredBy",
    "requiresAttributes",
    "revision",
    "status",
    "taskDefinitionArn",
];

/// A revision as ECS describes it: every field as it came, also those this build does not know.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// The `taskDefinition` member of the answer.
    pub task_definition: Map<String, Value>,
    /// The `tags` member, which stands beside it.
    pub tags: Vec<Value>,
}

/// Where a container's output goes, if that is CloudWatch Logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// The log group.
    pub group: String,
    /// Its Region; the task's if it is not said.
    pub region: Option<String>,
    /// What its streams begin with: `prefix/container/task-id`.
    pub stream_prefix: String,
}

/// One container whose image the new revision changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChange {
    /// The container's name.
    pub container: String,
    /// The image that the base revision runs; empty if it names none.
    pub from: String,
    /// The image of the new revision. May be the same: a deployment is a deployment.
    pub to: String,
}

/// What to send to `RegisterTaskDefinition`.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// The request body, complete.
    pub body: Map<String, Value>,
    /// The containers whose image was asked for.
    pub changes: Vec<ImageChange>,
}

/// The members of a task definition that name roles.
const ROLES: [&str; 2] = ["executionRoleArn", "taskRoleArn"];

impl Registration {
    /// The roles that it names: the member and the ARN.
    pub fn roles(&self) -> Vec<(&'static str, &str)> {
        let named = ROLES.into_iter().filter_map(|member| {
            let arn = self.body.get(member)?.as_str()?;
            Some((member, arn)).filter(|(_, arn)| !arn.is_empty())
        });
        named.collect()
    }
}

/// What of a task on Fargate needs an execution role, if anything does
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html>).
fn needs_execution_role(body: &Map<String, Value>) -> Option<String> {
    if !platform::is_for_fargate(body) {
        return None;
    }
    let containers = body.get("containerDefinitions").and_then(Value::as_array)?;
    containers.iter().find_map(|container| {
        let name = text_of(container, "name");
        let image = text_of(container, "image");
        let has = |member: &str| {
            let list = container[member].as_array();
            list.is_some_and(|list| !list.is_empty())
        };
        if EcrImage::parse(&image).is_some() {
            Some(format!("the image {image} of the container {name}"))
        } else if container["logConfiguration"]["logDriver"] == "awslogs" {
            Some(format!("the awslogs log driver of the container {name}"))
        } else if has("secrets") {
            Some(format!("the secrets of the container {name}"))
        } else {
            None
        }
    })
}

/// Why the images do not fit the base revision. Each is one sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A container that the image definitions name is not in the task definition.
    #[error(
        "{file} names the container '{container}', which {base} does not have; its containers are {known}"
    )]
    UnknownContainer {
        /// The file that names it.
        file: String,
        /// The name as written.
        container: String,
        /// The revision, `app:42`.
        base: String,
        /// The names that exist, listed.
        known: String,
    },
    /// `imageDetail.json` names no container and the task definition has several.
    #[error(
        "{file} names no container, and {base} has {count}: set ContainerName to one of {known}"
    )]
    WhichContainer {
        /// The file, `imageDetail.json`.
        file: String,
        /// The revision, `app:42`.
        base: String,
        /// How many containers it has.
        count: usize,
        /// Their names, listed.
        known: String,
    },
    /// The base revision has no container definitions that could be read.
    #[error("{base} has no containers to put an image into")]
    NoContainers {
        /// The revision, `app:42`.
        base: String,
    },
    /// No room for the tag that makes a second delivery of the job harmless.
    #[error(
        "{base} carries {TAG_LIMIT} tags, which leaves no room for {JOB_TAG}: remove one tag from the task definition"
    )]
    TooManyTags {
        /// The revision, `app:42`.
        base: String,
    },
    /// Fargate would refuse the revision, or its tasks would not start.
    #[error(
        "{base} names no executionRoleArn, which a task on Fargate needs for {what}: add one to the task definition"
    )]
    NoExecutionRole {
        /// The revision, `app:42`.
        base: String,
        /// What needs it.
        what: String,
    },
}

impl Described {
    /// The revision's ARN, or an empty text if ECS did not say.
    pub fn arn(&self) -> &str {
        self.task_definition
            .get("taskDefinitionArn")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The job that registered this revision, if it carries our tag.
    pub fn registered_by_job(&self) -> Option<&str> {
        self.tags
            .iter()
            .find(|tag| tag["key"] == JOB_TAG)
            .and_then(|tag| tag["value"].as_str())
    }

    /// The fields that a registration takes, as they came, without tags.
    pub fn registrable(&self) -> Map<String, Value> {
        self.task_definition
            .iter()
            .filter(|(field, _)| !READ_ONLY_FIELDS.contains(&field.as_str()))
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect()
    }

    /// Each container's name and image, in the order of the task definition.
    pub fn images(&self) -> Vec<(String, String)> {
        containers(&self.task_definition)
            .iter()
            .map(|container| (text_of(container, "name"), text_of(container, "image")))
            .collect()
    }

    /// The memory of the whole task in MiB, if the task definition says.
    pub fn memory(&self) -> Option<String> {
        let memory = self.task_definition.get("memory")?.as_str()?;
        Some(memory.to_owned()).filter(|memory| !memory.is_empty())
    }

    /// Where `container` logs, if with the `awslogs` driver to streams whose names can be told
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html>).
    pub fn log_of(&self, container: &str) -> Option<LogOptions> {
        let mut all = containers(&self.task_definition).iter();
        let configuration = &all.find(|one| one["name"] == container)?["logConfiguration"];
        if configuration["logDriver"] != "awslogs" {
            return None;
        }
        let option = |name: &str| {
            let text = configuration["options"][name].as_str()?;
            Some(text.to_owned()).filter(|text| !text.is_empty())
        };
        Some(LogOptions {
            group: option("awslogs-group")?,
            region: option("awslogs-region"),
            stream_prefix: option("awslogs-stream-prefix")?,
        })
    }

    /// Whether this revision runs just what `registration` would: a revision that carries our
    /// job's tag but other images belongs to an event that somebody changed and sent again.
    pub fn runs_what(&self, registration: &Registration) -> bool {
        registration.changes.iter().all(|change| {
            self.images()
                .iter()
                .any(|(container, image)| *container == change.container && *image == change.to)
        })
    }
}

/// The registration of a revision that differs from `base` in the images asked for, in the job's
/// tag, and in nothing else.
///
/// # Errors
/// Every [`Misfit`] found, not only the first.
pub fn registration(
    base: &Described,
    source: &ImageSource,
    job: &str,
) -> Result<Registration, Vec<Misfit>> {
    let base_name = text::last_part(base.arn()).to_owned();
    let images = images_for(base, source, &base_name)?;
    let mut misfits = Vec::new();
    let mut body = base.registrable();

    let mut changes = Vec::new();
    for (name, image) in &images {
        let container = body
            .get_mut("containerDefinitions")
            .and_then(Value::as_array_mut)
            .and_then(|all| all.iter_mut().find(|container| container["name"] == **name));
        if let Some(container) = container {
            changes.push(ImageChange {
                container: name.clone(),
                from: text_of(container, "image"),
                to: image.clone(),
            });
            container["image"] = json!(image);
        } else {
            misfits.push(Misfit::UnknownContainer {
                file: source.file().to_owned(),
                container: name.clone(),
                base: base_name.clone(),
                known: known_containers(base),
            });
        }
    }

    let mut tags: Vec<Value> = base
        .tags
        .iter()
        .filter(|tag| {
            // Tags that AWS made cannot be written; the job's tag of the base is not ours.
            let key = tag["key"].as_str().unwrap_or_default();
            !key.starts_with("aws:") && key != JOB_TAG
        })
        .cloned()
        .collect();
    if tags.len() >= TAG_LIMIT {
        misfits.push(Misfit::TooManyTags {
            base: base_name.clone(),
        });
    }
    if text_in(&body, "executionRoleArn").is_empty()
        && let Some(what) = needs_execution_role(&body)
    {
        misfits.push(Misfit::NoExecutionRole {
            base: base_name.clone(),
            what,
        });
    }
    tags.push(json!({"key": JOB_TAG, "value": job}));
    body.insert("tags".to_owned(), Value::Array(tags));

    if misfits.is_empty() {
        Ok(Registration { body, changes })
    } else {
        Err(misfits)
    }
}

/// The containers and images that `source` means for `base`.
fn images_for(
    base: &Described,
    source: &ImageSource,
    base_name: &str,
) -> Result<Images, Vec<Misfit>> {
    let containers = containers(&base.task_definition);
    if containers.is_empty() {
        return Err(vec![Misfit::NoContainers {
            base: base_name.to_owned(),
        }]);
    }
    match source {
        ImageSource::Definitions { images, .. } => Ok(images.clone()),
        ImageSource::Detail {
            image,
            container: Some(container),
            ..
        } => Ok(vec![(container.clone(), image.clone())]),
        ImageSource::Detail { image, file, .. } => match containers {
            [only] => Ok(vec![(text_of(only, "name"), image.clone())]),
            several => Err(vec![Misfit::WhichContainer {
                file: file.clone(),
                base: base_name.to_owned(),
                count: several.len(),
                known: known_containers(base),
            }]),
        },
    }
}

fn containers(task_definition: &Map<String, Value>) -> &[Value] {
    task_definition
        .get("containerDefinitions")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn known_containers(base: &Described) -> String {
    let names: Vec<String> = base.images().into_iter().map(|(name, _)| name).collect();
    text::listed(&names)
}

fn text_in<'a>(object: &'a Map<String, Value>, field: &str) -> &'a str {
    object
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn text_of(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Described {
        let Value::Object(task_definition) = json!({
            "taskDefinitionArn": "arn:aws:ecs:eu-central-1:111122223333:task-definition/app:41",
            "containerDefinitions": [
                {"name": "web", "image": "repo/app:v1", "command": [], "user": "", "environment": null},
                {"name": "proxy", "image": "envoy:1", "inventedBySomebody": {"deep": [1, 2.5, null]}},
            ],
            "family": "app",
            "trustedExecutionConfiguration": {"enclave": {"enabled": true}},
            "volumes": [],
            "placementConstraints": [],
            "revision": 41, "status": "ACTIVE", "compatibilities": ["EC2", "FARGATE"],
            "requiresAttributes": [], "registeredAt": 1.5, "registeredBy": "arn",
            "deregisteredAt": 2, "deleteRequestedAt": 3,
        }) else {
            unreachable!()
        };
        Described {
            task_definition,
            tags: vec![
                json!({"key": "team", "value": "shop"}),
                json!({"key": "aws:cloudformation:stack-name", "value": "s"}),
                json!({"key": JOB_TAG, "value": "an-older-job"}),
            ],
        }
    }

    fn definitions(images: &[(&str, &str)]) -> ImageSource {
        ImageSource::Definitions {
            file: "imagedefinitions.json".to_owned(),
            images: images
                .iter()
                .map(|(name, image)| ((*name).to_owned(), (*image).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn only_the_image_the_read_only_fields_and_the_job_tag_differ_from_the_base() {
        let base = base();
        let made = registration(&base, &definitions(&[("web", "repo/app:v2")]), "job-1").unwrap();

        let mut expected = base.task_definition.clone();
        for field in READ_ONLY_FIELDS {
            assert!(expected.remove(field).is_some(), "the base lacks {field}");
        }
        expected["containerDefinitions"][0]["image"] = json!("repo/app:v2");
        expected.insert(
            "tags".to_owned(),
            json!([{"key": "team", "value": "shop"}, {"key": JOB_TAG, "value": "job-1"}]),
        );
        assert_eq!(made.body, expected);
        assert_eq!(
            made.changes,
            [ImageChange {
                container: "web".to_owned(),
                from: "repo/app:v1".to_owned(),
                to: "repo/app:v2".to_owned()
            }]
        );
    }

    #[test]
    fn every_unknown_container_is_named_with_those_that_exist() {
        let misfits =
            registration(&base(), &definitions(&[("wbe", "a:1"), ("x", "b:1")]), "j").unwrap_err();
        assert_eq!(misfits.len(), 2);
        assert_eq!(
            misfits[0].to_string(),
            "imagedefinitions.json names the container 'wbe', which app:41 does not have; its containers are web and proxy"
        );
    }

    fn detail(container: Option<&str>) -> ImageSource {
        ImageSource::Detail {
            file: "imageDetail.json".to_owned(),
            image: "repo/app@sha256:1".to_owned(),
            container: container.map(str::to_owned),
        }
    }

    #[test]
    fn an_image_detail_goes_into_the_named_or_the_only_container() {
        let mut base = base();
        let misfits = registration(&base, &detail(None), "j").unwrap_err();
        assert_eq!(
            misfits[0].to_string(),
            "imageDetail.json names no container, and app:41 has 2: set ContainerName to one of web and proxy"
        );
        let made = registration(&base, &detail(Some("proxy")), "j").unwrap();
        assert_eq!(made.changes[0].container, "proxy");
        base.task_definition["containerDefinitions"]
            .as_array_mut()
            .unwrap()
            .pop();
        let made = registration(&base, &detail(None), "j").unwrap();
        assert_eq!(
            made.body["containerDefinitions"][0]["image"],
            "repo/app@sha256:1"
        );
    }

    #[test]
    fn a_base_without_containers_or_without_room_for_the_tag_is_refused() {
        let mut full = base();
        full.tags = (0..TAG_LIMIT)
            .map(|n| json!({"key": format!("k{n}"), "value": ""}))
            .collect();
        let misfits = registration(&full, &definitions(&[("web", "a:1")]), "j").unwrap_err();
        assert!(misfits[0].to_string().contains("carries 50 tags"));

        let mut bare = base();
        bare.task_definition.remove("containerDefinitions");
        let misfits = registration(&bare, &definitions(&[("web", "a:1")]), "j").unwrap_err();
        assert_eq!(
            misfits[0].to_string(),
            "app:41 has no containers to put an image into"
        );
    }

    #[test]
    fn a_revision_is_recognised_by_its_job_and_by_what_it_runs() {
        let mut described = base();
        assert_eq!(described.registered_by_job(), Some("an-older-job"));
        let made = registration(&described, &definitions(&[("web", "repo/app:v2")]), "j").unwrap();
        assert!(!described.runs_what(&made));
        described.task_definition["containerDefinitions"][0]["image"] = json!("repo/app:v2");
        assert!(described.runs_what(&made));
    }

    #[test]
    fn a_task_on_fargate_that_needs_an_execution_role_and_names_none_is_refused() {
        let ecr = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2";
        let source = ImageSource::Definitions {
            file: "f".to_owned(),
            images: vec![("app".to_owned(), ecr.to_owned())],
        };
        let base = |more: Value| {
            let mut definition = json!({
                "taskDefinitionArn": "arn:x:task-definition/app:41",
                "requiresCompatibilities": ["FARGATE"],
                "containerDefinitions": [{"name": "app", "image": "nginx"}],
            });
            for (member, value) in more.as_object().unwrap() {
                definition[member] = value.clone();
            }
            Described {
                task_definition: definition.as_object().unwrap().clone(),
                tags: Vec::new(),
            }
        };
        let said = registration(&base(json!({})), &source, "job").unwrap_err();
        assert_eq!(
            said[0].to_string(),
            format!(
                "app:41 names no executionRoleArn, which a task on Fargate needs for the image {ecr} of the container app: add one to the task definition"
            )
        );
        let role = json!({"executionRoleArn": "arn:aws:iam::1:role/app-execution"});
        let sound = registration(&base(role), &source, "job").unwrap();
        assert_eq!(
            sound.roles(),
            [("executionRoleArn", "arn:aws:iam::1:role/app-execution")]
        );
        let on_instances = json!({"requiresCompatibilities": ["EC2"]});
        assert!(registration(&base(on_instances), &source, "job").is_ok());
    }

    #[test]
    fn where_a_container_logs_is_told_for_awslogs_with_a_prefix_only() {
        let described = |log: Value| Described {
            task_definition: json!({"containerDefinitions": [
                {"name": "app", "logConfiguration": log}]})
            .as_object()
            .unwrap()
            .clone(),
            tags: Vec::new(),
        };
        let options =
            json!({"awslogs-group": "/g", "awslogs-region": "r", "awslogs-stream-prefix": "p"});
        let told = described(json!({"logDriver": "awslogs", "options": options}));
        assert_eq!(
            told.log_of("app").unwrap(),
            LogOptions {
                group: "/g".to_owned(),
                region: Some("r".to_owned()),
                stream_prefix: "p".to_owned()
            }
        );
        assert_eq!(told.log_of("other"), None);
        let firelens = described(json!({"logDriver": "awsfirelens", "options": options}));
        assert_eq!(firelens.log_of("app"), None);
        let nameless =
            described(json!({"logDriver": "awslogs", "options": {"awslogs-group": "/g"}}));
        assert_eq!(nameless.log_of("app"), None);
    }
}
