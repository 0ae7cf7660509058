//! From the base revision, as raw JSON, to the registration of the new one.
//!
//! Raw because a typed copy loses whatever this build has never heard of: `aws-sdk-ecs` 1.157.0
//! does not know `trustedExecutionConfiguration`, and tools that copy field by field lose the next
//! one (<https://github.com/terraform-aws-modules/terraform-aws-ecs/issues/356>).

use serde_json::{Map, Value, json};

use super::images::{EcrImage, ImageReference, ImageSource, Images};
use super::outside::shown;
use super::platform;
use super::text;
use super::time::Timestamp;

/// The tag that ties a revision to the job that registered it; its value is the starting job's id.
pub const JOB_TAG: &str = "ecs-deploy-action:job";

/// A revision takes this many tags
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-using-tags.html>).
const TAG_LIMIT: usize = 50;

/// What `DescribeTaskDefinition` returns and `RegisterTaskDefinition` does not take
/// (API models of both operations; see the simulator's `model/ecs.json`).
pub const READ_ONLY_FIELDS: [&str; 9] = [
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

/// What a family's new revision is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// Its fields and tags.
    pub described: Described,
    /// What messages call it: `app:41`, or the file's name.
    pub name: String,
    /// It is a file of the artifact, rather than a revision.
    pub is_file: bool,
}

impl Base {
    /// A revision as base.
    pub fn of_revision(described: Described) -> Self {
        Self {
            name: text::last_part(described.arn()).to_owned(),
            described,
            is_file: false,
        }
    }
}

/// Where a container's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPlace {
    /// A stream in CloudWatch Logs.
    Stream(LogOptions),
    /// Where this program does not read, as a part of a sentence.
    Elsewhere(String),
}

/// Where a container's output is in CloudWatch Logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// The log group.
    pub group: String,
    /// Its Region; the task's if it names none.
    pub region: Option<String>,
    /// The prefix of its streams: `prefix/container/task-id`. Without one a stream is called by the container
    /// runtime's id
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html>).
    pub stream_prefix: Option<String>,
}

impl LogOptions {
    /// The stream of `container` in the task with the id `task`; none if its name is not known.
    pub fn stream(&self, container: &str, task: &str, runtime_id: Option<&str>) -> Option<String> {
        match &self.stream_prefix {
            Some(prefix) => Some(format!("{prefix}/{container}/{task}")),
            None => runtime_id.map(str::to_owned),
        }
    }
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
    /// It is made from a file, or there already: all of its images are new to the service.
    pub brings_all_images: bool,
}

/// The members of a task definition that name roles.
const ROLES: [&str; 2] = ["executionRoleArn", "taskRoleArn"];

impl Registration {
    /// A revision that there is, which is not registered: it is deployed as it is.
    pub fn as_it_is(base: &Base) -> Self {
        let mut body = base.described.registrable();
        let tags = Value::Array(base.described.tags.clone());
        body.insert("tags".to_owned(), tags);
        Self {
            body,
            changes: Vec::new(),
            brings_all_images: true,
        }
    }

    /// The roles that it names: the member and the ARN.
    pub fn roles(&self) -> Vec<(&'static str, &str)> {
        let named = ROLES.into_iter().filter_map(|member| {
            let arn = self.body.get(member)?.as_str()?;
            Some((member, arn)).filter(|(_, arn)| !arn.is_empty())
        });
        named.collect()
    }

    /// Its family.
    pub fn family(&self) -> &str {
        text_in(&self.body, "family")
    }

    /// Its container definitions.
    pub(crate) fn containers(&self) -> &[Value] {
        containers(&self.body)
    }

    /// Whether it has a container of this name.
    pub fn has_container(&self, name: &str) -> bool {
        let mut containers = containers(&self.body).iter();
        containers.any(|container| container["name"] == name)
    }

    /// The names of its volumes that are configured when a task is started.
    pub fn volumes_at_launch(&self) -> Vec<String> {
        super::fit::volumes_at_launch(&self.body)
    }

    /// The names of its containers, listed.
    pub fn containers_listed(&self) -> String {
        let names: Vec<String> = containers(&self.body)
            .iter()
            .map(|container| text_of(container, "name"))
            .collect();
        text::listed(&names)
    }

    /// The images that it brings, each once: those asked for, or all of a file's.
    pub fn new_images(&self) -> Vec<String> {
        let mut images: Vec<String> = if self.brings_all_images {
            self.all_images()
        } else {
            self.changes.iter().map(|one| one.to.clone()).collect()
        };
        images.sort_unstable();
        images.dedup();
        images
    }

    /// Each container's name and image, in their order.
    pub fn images(&self) -> Vec<(String, String)> {
        let containers = containers(&self.body).iter();
        containers
            .map(|container| (text_of(container, "name"), text_of(container, "image")))
            .collect()
    }

    /// The images of all its containers, in their order.
    pub fn all_images(&self) -> Vec<String> {
        let containers = containers(&self.body).iter();
        containers
            .map(|container| text_of(container, "image"))
            .collect()
    }

    /// Replaces each of these images by its digest: pairs of the image as it is written and
    /// `sha256:…`.
    pub fn pin(&mut self, digests: &[(String, String)]) {
        let pinned = |image: &str| {
            let (_, digest) = digests.iter().find(|(known, _)| known == image)?;
            let reference = ImageReference::parse(image).ok()?;
            Some(format!("{}@{digest}", reference.name))
        };
        let containers = self.body.get_mut("containerDefinitions");
        for container in containers
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(pinned) = pinned(&text_of(container, "image")) {
                container["image"] = json!(pinned);
            }
        }
        for change in &mut self.changes {
            if let Some(pinned) = pinned(&change.to) {
                change.to = pinned;
            }
        }
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
    #[error("{file} names the container '{container}', which {base}; its containers are {known}")]
    UnknownContainer {
        /// The file that names it.
        file: String,
        /// The name as written.
        container: String,
        /// The revision, as `app:42 does not have`.
        base: String,
        /// The names that exist, listed.
        known: String,
    },
    /// `imageDetail.json` names no container and the task definition has several.
    #[error("{file} names no container, and {base} {count}: set ContainerName to one of {known}")]
    WhichContainer {
        /// The file, `imageDetail.json`.
        file: String,
        /// The revision, as `app:42 has`.
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
    /// The image definitions name no container of a service that they are to deploy.
    #[error("{file} names no container of {base}; its containers are {known}")]
    NothingFor {
        /// The file.
        file: String,
        /// The revision, `app:42`.
        base: String,
        /// Its containers, listed.
        known: String,
    },
    /// A placeholder for which no image was named.
    #[error(
        "the container '{container}' in {base} has the image '{image}', a placeholder that nothing fills: name the container or '{placeholder}' in the image definitions"
    )]
    Placeholder {
        /// The container.
        container: String,
        /// The file.
        base: String,
        /// Its image, as written.
        image: String,
        /// The placeholder's name, without its brackets.
        placeholder: String,
    },
    /// The patch and the image definitions bring an image for one container.
    #[error(
        "TaskDefinitionPatch sets the image of the container '{container}', and the image definitions name another one for it: leave it out of one of them"
    )]
    TwoImages {
        /// The container.
        container: String,
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

    /// When it was registered, if ECS says.
    pub fn registered_at(&self) -> Option<Timestamp> {
        const MILLIS: f64 = 1000.0;
        let seconds = self.task_definition.get("registeredAt")?.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a number too large is the last time that there is"
        )]
        let millis = (seconds * MILLIS) as i64;
        Some(Timestamp::from_millis(millis))
    }

    /// `ACTIVE`, `INACTIVE` or `DELETE_IN_PROGRESS`.
    pub fn status(&self) -> &str {
        text_in(&self.task_definition, "status")
    }

    /// Whether something new can be started from it.
    pub fn is_active(&self) -> bool {
        self.status() == "ACTIVE"
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

    /// Its containers' definitions.
    pub(crate) fn containers(&self) -> &[Value] {
        containers(&self.task_definition)
    }

    /// Where `container` logs, if with the `awslogs` driver to streams whose names are known
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html>).
    pub fn log_of(&self, container: &str) -> Option<LogPlace> {
        let configuration = &self.container(container)?["logConfiguration"];
        let option = |name: &str| {
            let text = configuration["options"][name].as_str()?;
            Some(text.to_owned()).filter(|text| !text.is_empty())
        };
        let elsewhere = |text: String| Some(LogPlace::Elsewhere(text));
        match configuration["logDriver"].as_str() {
            Some("awslogs") => match option("awslogs-group") {
                Some(group) => Some(LogPlace::Stream(LogOptions {
                    group,
                    region: option("awslogs-region"),
                    stream_prefix: option("awslogs-stream-prefix"),
                })),
                None => elsewhere(
                    "its logConfiguration names no awslogs-group, so its log was not found"
                        .to_owned(),
                ),
            },
            Some("awsfirelens") => elsewhere(match option("Name") {
                Some(output) => format!("its log goes to FireLens ({})", shown(&output)),
                None => "its log goes to FireLens".to_owned(),
            }),
            Some(driver) => elsewhere(format!(
                "its log goes to {}, which is not read here",
                shown(driver)
            )),
            None => elsewhere("it has no logConfiguration, so its log is kept nowhere".to_owned()),
        }
    }

    /// Whether this revision runs just what `registration`, whose images are not pinned yet, would:
    /// a revision that carries our job's tag but other images belongs to an event that somebody
    /// changed and sent again.
    ///
    /// With `pins`, an image is compared by its repository if this revision has its digest: the tag may
    /// mean another image since.
    pub fn runs_what(&self, registration: &Registration, pins: bool) -> bool {
        let is_same = |asked: &str, runs: &str| {
            asked == runs
                || (pins
                    && EcrImage::parse(asked)
                        .zip(EcrImage::parse(runs))
                        .is_some_and(|(asked, runs)| runs.is_digest() && asked.is_beside(&runs)))
        };
        registration.changes.iter().all(|change| {
            self.images().iter().any(|(container, image)| {
                *container == change.container && is_same(&change.to, image)
            })
        })
    }

    /// The container definition called `name`.
    pub fn container(&self, name: &str) -> Option<&Value> {
        let mut containers = containers(&self.task_definition).iter();
        containers.find(|container| container["name"] == name)
    }
}

/// The registrations of revisions that differ from their `bases`, one for each family, in the
/// images asked for, in the job's tag, and in nothing else.
///
/// Without `source` the bases bring their own images. An image is for a container by its name, or
/// for a placeholder `<NAME>` that a container has instead of an image.
///
/// # Errors
/// Every [`Misfit`] found, not only the first.
pub fn registrations(
    bases: &[&Base],
    source: Option<&ImageSource>,
    job: &str,
) -> Result<Vec<Registration>, Vec<Misfit>> {
    let mut misfits = Vec::new();
    let images = match source {
        None => vec![Vec::new(); bases.len()],
        Some(source) => assigned(bases, source, &mut misfits),
    };
    let mut made = Vec::new();
    for (base, images) in bases.iter().zip(images) {
        made.push(registration(base, &images, job, &mut misfits));
    }
    if misfits.is_empty() {
        Ok(made)
    } else {
        Err(misfits)
    }
}

fn registration(
    base: &Base,
    images: &Images,
    job: &str,
    misfits: &mut Vec<Misfit>,
) -> Registration {
    let mut body = base.described.registrable();
    let mut changes = Vec::new();
    let containers = body
        .get_mut("containerDefinitions")
        .and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let name = text_of(container, "name");
        let from = text_of(container, "image");
        match images.iter().find(|(known, _)| *known == name) {
            Some((_, image)) => {
                container["image"] = json!(image);
                changes.push(ImageChange {
                    container: name,
                    from,
                    to: image.clone(),
                });
            }
            None => {
                if let Some(placeholder) = placeholder_in(&from) {
                    misfits.push(Misfit::Placeholder {
                        container: name,
                        base: base.name.clone(),
                        placeholder: placeholder.to_owned(),
                        image: from,
                    });
                }
            }
        }
    }

    let mut tags: Vec<Value> = base
        .described
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
            base: base.name.clone(),
        });
    }
    if text_in(&body, "executionRoleArn").is_empty()
        && let Some(what) = needs_execution_role(&body)
    {
        misfits.push(Misfit::NoExecutionRole {
            base: base.name.clone(),
            what,
        });
    }
    tags.push(json!({"key": JOB_TAG, "value": job}));
    body.insert("tags".to_owned(), Value::Array(tags));
    Registration {
        body,
        changes,
        brings_all_images: base.is_file,
    }
}

/// Which container of which base gets which image.
fn assigned(bases: &[&Base], source: &ImageSource, misfits: &mut Vec<Misfit>) -> Vec<Images> {
    let bare = bases
        .iter()
        .filter(|base| containers(&base.described.task_definition).is_empty());
    let bare: Vec<Misfit> = bare
        .map(|base| Misfit::NoContainers {
            base: base.name.clone(),
        })
        .collect();
    if !bare.is_empty() {
        misfits.extend(bare);
        return vec![Vec::new(); bases.len()];
    }
    let wanted = match source {
        ImageSource::Definitions { images, .. } => images.clone(),
        ImageSource::Detail {
            image,
            container: Some(container),
            ..
        } => vec![(container.clone(), image.clone())],
        ImageSource::Detail { image, .. } => {
            let Some(place) = only_place(bases) else {
                misfits.push(Misfit::WhichContainer {
                    file: source.file().to_owned(),
                    base: match bases {
                        [only] => format!("{} has", only.name),
                        several => format!("{} have", names_of(several)),
                    },
                    count: all_containers(bases).count(),
                    known: known_containers(bases),
                });
                return vec![Vec::new(); bases.len()];
            };
            vec![(place, image.clone())]
        }
    };
    let mut assigned = vec![Images::new(); bases.len()];
    for (name, image) in &wanted {
        let mut is_known = false;
        for (base, images) in bases.iter().zip(&mut assigned) {
            for container in containers(&base.described.task_definition) {
                let container_name = text_of(container, "name");
                let fills = container_name == *name
                    || placeholder_in(&text_of(container, "image")) == Some(without_brackets(name));
                if fills && images.iter().all(|(known, _)| *known != container_name) {
                    images.push((container_name, image.clone()));
                }
                is_known |= fills;
            }
        }
        if !is_known {
            misfits.push(Misfit::UnknownContainer {
                file: source.file().to_owned(),
                container: name.clone(),
                base: match bases {
                    [only] => format!("{} does not have", only.name),
                    several => format!("none of {} has", names_of(several)),
                },
                known: known_containers(bases),
            });
        }
    }
    if misfits.is_empty() {
        let empty = bases
            .iter()
            .zip(&assigned)
            .filter(|(base, images)| images.is_empty() && !base.is_file);
        misfits.extend(empty.map(|(base, _)| Misfit::NothingFor {
            file: source.file().to_owned(),
            base: base.name.clone(),
            known: known_containers(&[base]),
        }));
    }
    assigned
}

/// The only container that an image without a name can be for, or the only placeholder.
fn only_place(bases: &[&Base]) -> Option<String> {
    let mut placeholders: Vec<String> = all_containers(bases)
        .filter_map(|container| placeholder_in(&text_of(container, "image")).map(str::to_owned))
        .collect();
    placeholders.dedup();
    match placeholders.as_slice() {
        [only] => return Some(only.clone()),
        [] => {}
        _ => return None,
    }
    let mut names: Vec<String> = all_containers(bases)
        .map(|container| text_of(container, "name"))
        .collect();
    let only = names.pop()?;
    names.is_empty().then_some(only)
}

fn all_containers<'a>(bases: &'a [&Base]) -> impl Iterator<Item = &'a Value> {
    bases
        .iter()
        .flat_map(|base| containers(&base.described.task_definition))
}

/// `IMAGE1_NAME` of `<IMAGE1_NAME>`, as CodeDeploy's action writes placeholders
/// (<https://docs.aws.amazon.com/codepipeline/latest/userguide/tutorials-ecs-ecr-codedeploy.html>).
pub fn placeholder_in(image: &str) -> Option<&str> {
    let name = image.trim().strip_prefix('<')?.strip_suffix('>')?;
    (!name.is_empty() && !name.contains(['<', '>'])).then_some(name)
}

fn without_brackets(name: &str) -> &str {
    placeholder_in(name).unwrap_or(name)
}

fn names_of(bases: &[&Base]) -> String {
    let names: Vec<&str> = bases.iter().map(|base| base.name.as_str()).collect();
    text::listed(&names)
}

fn containers(task_definition: &Map<String, Value>) -> &[Value] {
    task_definition
        .get("containerDefinitions")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn known_containers(bases: &[&Base]) -> String {
    let names: Vec<String> = all_containers(bases)
        .map(|container| text_of(container, "name"))
        .collect();
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

    /// The registration from one base.
    fn registration(
        base: &Described,
        source: &ImageSource,
        job: &str,
    ) -> Result<Registration, Vec<Misfit>> {
        let base = Base::of_revision(base.clone());
        let made = registrations(&[&base], Some(source), job);
        made.map(|mut made| made.remove(0))
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
        assert!(!described.runs_what(&made, false));
        described.task_definition["containerDefinitions"][0]["image"] = json!("repo/app:v2");
        assert!(described.runs_what(&made, false));
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
        let mistakes = registration(&base(json!({})), &source, "job").unwrap_err();
        assert_eq!(
            mistakes[0].to_string(),
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
    fn where_a_container_logs_is_known_and_said_where_it_is_not_read() {
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
        let awslogs = described(json!({"logDriver": "awslogs", "options": options}));
        assert_eq!(awslogs.log_of("other"), None);
        let stream_of = |described: &Described| match described.log_of("app") {
            Some(LogPlace::Stream(log)) => {
                assert_eq!(log.group, "/g");
                log.stream("app", "task-1", Some("abc"))
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(stream_of(&awslogs).unwrap(), "p/app/task-1");
        // Without a prefix the stream is called by the container runtime's id.
        let nameless =
            described(json!({"logDriver": "awslogs", "options": {"awslogs-group": "/g"}}));
        assert_eq!(stream_of(&nameless).unwrap(), "abc");
        for (log, said) in [
            (
                json!({"logDriver": "awsfirelens", "options": {"Name": "datadog"}}),
                "FireLens (datadog)",
            ),
            (json!({"logDriver": "awsfirelens"}), "FireLens"),
            (
                json!({"logDriver": "splunk", "options": {"splunk-token": "s3cret"}}),
                "splunk",
            ),
            (json!({"logDriver": "awslogs"}), "awslogs-group"),
            (Value::Null, "no logConfiguration"),
        ] {
            match described(log).log_of("app") {
                Some(LogPlace::Elsewhere(text)) => {
                    assert!(text.contains(said) && !text.contains("s3cret"), "{text}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
