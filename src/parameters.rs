//! What the user wrote, parsed once: a [`DeploySpec`] cannot be invalid.
//!
//! Names, values and defaults are PRODUCT's table, in the README. Strings holding numbers or
//! booleans are accepted, as the built-in action's parameters are strings. All problems are
//! reported together, each saying what to write instead.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::deploy::failure::PROBLEM_LIMIT;
use crate::deploy::partition::Partition;
use crate::deploy::region::Region;
use crate::deploy::spec::{
    AssumedRole, BaseFrom, ConfigFile, DeploySpec, FILE_NAME_DEFAULT, PreDeployTask,
    SERVICES_LIMIT, TIMEOUT_MAX_MINUTES, Target,
};
use crate::deploy::text;

/// Pairs as written, in order, duplicates kept so that they can be told.
pub type Written = Vec<(String, Value)>;

const TIMEOUT_DEFAULT_MINUTES: u64 = 60;

/// Fewer revisions than this are never kept: the newest, and the one to go back to.
const KEEP_LEAST: u64 = 2;
/// ECS keeps a million; nobody counts further.
const KEEP_MOST: u64 = 1_000_000;

/// So many of the last log lines of a failed container may stand in a message. It is also the
/// default.
const LOG_LINES_MOST: u64 = 20;
/// Far more values than all parameters have.
const VALUES_LIMIT: usize = 2000;

/// The parameters.
const SUPPORTED: [&str; 22] = [
    "ClusterName",
    "ServiceName",
    "Services",
    "FileName",
    "InputArtifact",
    "DeploymentTimeout",
    "Rollback",
    "DryRun",
    "BaseRevision",
    "VerifyImages",
    "ContainerName",
    "PipelineExecutionId",
    "Region",
    "RoleArn",
    "ExternalId",
    "TaskDefinitionFile",
    "PinDigests",
    "PreDeployTask",
    "KeepRevisions",
    "ScheduledTasks",
    "LogLines",
    "ConfigFile",
];

/// What a `ConfigFile` cannot set, because it is needed to find that file.
const FINDS_THE_FILE: [&str; 2] = ["ConfigFile", "InputArtifact"];
/// What it must not set: with these, whoever may change the artifact would choose whose account is
/// deployed to.
const CHOOSES_THE_ACCOUNT: [&str; 3] = ["Region", "RoleArn", "ExternalId"];

/// The members of `PreDeployTask` and of an entry of `Services`.
const PRE_DEPLOY_MEMBERS: [&str; 3] = ["Container", "Command", "Timeout"];
const SERVICE_MEMBERS: [&str; 2] = ["ServiceName", "ClusterName"];

/// Members of the action's `configuration` map that are CodePipeline's, not ours.
const CODEPIPELINES_OWN: [&str; 2] = ["FunctionName", "UserParameters"];

/// One problem of the parameters, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

/// Reads a JSON object, keeping duplicates. `what` is its name for the error. A byte order mark
/// before it, as editors and PowerShell write one, says nothing.
///
/// # Errors
/// A sentence with line and column if it is no JSON object.
pub fn written_in(what: &str, json: &str) -> Result<Written, Problem> {
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    if has_more_values(json, VALUES_LIMIT) {
        return Err(Problem(format!(
            "{what} holds more than {VALUES_LIMIT} values: write the parameters of this action alone"
        )));
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let pairs = deserializer
        .deserialize_any(PairsVisitor)
        .and_then(|pairs| deserializer.end().map(|()| pairs));
    pairs.map_err(|error| {
        Problem(format!(
            "{what} is not a JSON object: {} at line {}, column {}; write for example {{\"ClusterName\": \"prod\", \"ServiceName\": \"web\"}}",
            text::without_position(&error),
            error.line(),
            error.column(),
        ))
    })
}

/// Whether `json` may hold more than `limit` values: each takes many times the memory of its text
/// once it is parsed.
fn has_more_values(json: &str, limit: usize) -> bool {
    let mut is_text = false;
    let mut is_escaped = false;
    let mut values = 1;
    for byte in json.bytes() {
        if is_text {
            is_text = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
        } else {
            is_text = byte == b'"';
            values += usize::from(matches!(byte, b',' | b':' | b'[' | b'{'));
        }
        if values > limit {
            return true;
        }
    }
    false
}

/// The parameters among the members of an action's `configuration` map.
pub fn written_in_configuration(configuration: &serde_json::Map<String, Value>) -> Written {
    configuration
        .iter()
        .filter(|(name, _)| !CODEPIPELINES_OWN.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The file that holds more parameters, if `written` names one.
pub fn config_file(written: &Written) -> Option<ConfigFile> {
    let text = |wanted: &str| {
        let (_, value) = written.iter().find(|(name, _)| name == wanted)?;
        let text = value.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    Some(ConfigFile {
        file: path_in_artifact(&text("ConfigFile")?).ok()?,
        input_artifact: text("InputArtifact"),
    })
}

/// What is `written` in the action, and for all else what the `file` says.
///
/// # Errors
/// A [`Problem`] that names everything that only the action itself can set.
pub fn merged(written: Written, in_file: Written, file: &str) -> Result<Written, Problem> {
    let mut problems = Vec::new();
    for (names, reason) in [
        (&FINDS_THE_FILE[..], format!("it is needed to find {file}")),
        (
            &CHOOSES_THE_ACCOUNT[..],
            "whoever writes the artifact does not choose the account and the Region".to_owned(),
        ),
    ] {
        let is_set = |name: &&str| in_file.iter().any(|(known, _)| known == name);
        let set: Vec<&str> = names.iter().copied().filter(is_set).collect();
        if !set.is_empty() {
            problems.push(format!(
                "{file} sets {}, which only UserParameters can: {reason}",
                text::listed(&set)
            ));
        }
    }
    if !problems.is_empty() {
        return Err(Problem(problems.join(". ")));
    }
    let is_written = |name: &str| written.iter().any(|(known, _)| known == name);
    // A service is named in one of two ways: the action's way wins as a whole.
    let names_services = is_written("ServiceName") || is_written("Services");
    let more: Written = in_file
        .into_iter()
        .filter(|(name, _)| !is_written(name))
        .filter(|(name, _)| !(names_services && (name == "ServiceName" || name == "Services")))
        .collect();
    Ok(written.into_iter().chain(more).collect())
}

/// Makes what was written into what is meant.
///
/// # Errors
/// Every [`Problem`], in the order written, missing parameters last.
pub fn parse(written: Written) -> Result<DeploySpec, Vec<Problem>> {
    let mut reader = Reader::new(written);
    let cluster = reader.text("ClusterName", named("a cluster", is_cluster));
    let service = reader.text("ServiceName", named("a service", is_service));
    let services = reader.services();
    let file_name = reader.text("FileName", path_in_artifact);
    let input_artifact = reader.text("InputArtifact", |written| Ok(written.to_owned()));
    let minutes = reader.number("DeploymentTimeout", 1, TIMEOUT_MAX_MINUTES, MINUTES);
    let base = reader.text("BaseRevision", |written| match written {
        "service" => Ok(BaseFrom::Service),
        "latest" => Ok(BaseFrom::Latest),
        _ => Err("service or latest".to_owned()),
    });
    let base_file = reader.text("TaskDefinitionFile", path_in_artifact);
    let rollback = reader.boolean("Rollback");
    let dry_run = reader.boolean("DryRun");
    let verify_images = reader.boolean("VerifyImages");
    let pin_digests = reader.boolean("PinDigests");
    let scheduled_tasks = reader.boolean("ScheduledTasks");
    let keep_revisions = reader.number("KeepRevisions", KEEP_LEAST, KEEP_MOST, "");
    let log_lines = reader.number("LogLines", 0, LOG_LINES_MOST, " of lines");
    let container = reader.text("ContainerName", named("a container", is_name));
    let pipeline_execution_id = reader.text("PipelineExecutionId", |written| {
        if written.contains("#{") {
            Err(
                "#{codepipeline.PipelineExecutionId}, which CodePipeline resolves; it did not"
                    .to_owned(),
            )
        } else {
            Ok(written.to_owned())
        }
    });
    let region = reader.text("Region", |written| {
        Region::parse(written).ok_or_else(|| "a Region's code, as eu-central-1".to_owned())
    });
    let role_arn = reader.text("RoleArn", |written| {
        if is_role_arn(written) {
            Ok(written.to_owned())
        } else {
            Err("a role's ARN, as arn:aws:iam::111122223333:role/deploy".to_owned())
        }
    });
    let external_id = reader.text("ExternalId", |written| Ok(written.to_owned()));
    let pre_deploy = reader.pre_deploy();
    reader.text("ConfigFile", path_in_artifact);
    reader.rest();

    let base = match (base, base_file) {
        (Some(_), Some(_)) => {
            reader.problem("BaseRevision and TaskDefinitionFile both say what the new revision is made from: keep one".to_owned());
            BaseFrom::Service
        }
        (_, Some(file)) => BaseFrom::File(file),
        (base, None) => base.unwrap_or(BaseFrom::Service),
    };
    let role = match (role_arn, external_id) {
        (None, Some(_)) => {
            reader.problem(
                "ExternalId is for a role to assume: set RoleArn, too, or remove it".to_owned(),
            );
            None
        }
        (arn, external_id) => arn.map(|arn| AssumedRole { arn, external_id }),
    };
    let timeout = minutes.unwrap_or(TIMEOUT_DEFAULT_MINUTES);
    let before = pre_deploy
        .as_ref()
        .map_or(0, |task| task.timeout.as_secs() / 60);
    if timeout + before > TIMEOUT_MAX_MINUTES {
        reader.problem(format!(
            "PreDeployTask's Timeout of {before} and DeploymentTimeout of {timeout} minutes are more than {TIMEOUT_MAX_MINUTES} together, and CodePipeline gives an action 24 hours: shorten one"
        ));
    }
    let targets = reader.targets(cluster, service, services);
    for target in &targets {
        reader.agree(target, region.as_deref(), role.as_ref());
    }
    if let (Some(region), Some(role)) = (&region, &role)
        && let Some(of_role) = part_of_arn(&role.arn, PARTITION_PART)
        && of_role != region.partition().id
    {
        reader.problem(format!(
            "RoleArn is an ARN of the partition '{of_role}', and the Region '{region}' is of '{}': no role works across partitions",
            region.partition().id
        ));
    }
    if !reader.problems.is_empty() || targets.is_empty() {
        return Err(reader.problems);
    }
    Ok(DeploySpec {
        targets,
        file_is_named: file_name.is_some(),
        file_name: file_name.unwrap_or_else(|| FILE_NAME_DEFAULT.to_owned()),
        input_artifact,
        timeout: Duration::from_secs(60 * timeout),
        base,
        rollback: rollback.unwrap_or(true),
        dry_run: dry_run.unwrap_or(false),
        verify_images: verify_images.unwrap_or(true),
        pin_digests: pin_digests.unwrap_or(false),
        container,
        pipeline_execution_id,
        region,
        role,
        pre_deploy,
        keep_revisions: keep_revisions.map(|keep| usize::try_from(keep).unwrap_or(usize::MAX)),
        scheduled_tasks: scheduled_tasks.unwrap_or(false),
        log_lines: u32::try_from(log_lines.unwrap_or(LOG_LINES_MOST)).unwrap_or(0),
    })
}

/// A path inside the artifact, with `/` and without a leading `./`.
fn path_in_artifact(written: &str) -> Result<String, String> {
    let path = written.replace('\\', "/");
    let path = path.trim_start_matches("./").trim_start_matches('/');
    if path.is_empty() || path.ends_with('/') {
        Err("a path to a file inside the artifact, as imagedefinitions.json".to_owned())
    } else {
        Ok(path.to_owned())
    }
}

/// What a number counts.
const MINUTES: &str = " of minutes";

/// An entry of `Services`, as written.
struct Entry {
    service: String,
    cluster: Option<String>,
}

/// Takes parameters by name out of what was written and collects the problems.
struct Reader {
    left: Written,
    seen: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Reader {
    fn new(written: Written) -> Self {
        Self {
            left: written,
            seen: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, sentence: String) {
        self.problems.push(Problem(sentence));
    }

    /// Takes the parameter's value; told as a problem if it was written twice.
    /// `null` is as good as not there.
    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.seen.push(name);
        let mut values: Vec<Value> = Vec::new();
        self.left.retain(|(written, value)| {
            let is_it = written == name;
            if is_it {
                values.push(value.clone());
            }
            !is_it
        });
        if values.len() > 1 {
            self.problem(format!(
                "{name} is written {} times: keep one",
                values.len()
            ));
        }
        values.into_iter().next().filter(|value| !value.is_null())
    }

    /// A text that `read` understands; `read` says what is expected instead.
    fn text<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(name)?;
        let outcome = match &value {
            Value::String(written) if !written.trim().is_empty() => read(written.trim()),
            Value::String(_) => Err("a value; leave it out for the default".to_owned()),
            _ => Err("a text in double quotes".to_owned()),
        };
        self.kept(name, &value, outcome)
    }

    fn number(&mut self, name: &'static str, least: u64, most: u64, unit: &str) -> Option<u64> {
        let value = self.take(name)?;
        let number = match &value {
            Value::String(written) => written.trim().parse().ok(),
            other => other.as_u64(),
        };
        let outcome = number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("a whole number{unit} from {least} to {most}"));
        self.kept(name, &value, outcome)
    }

    /// A JSON value, also if it was written as a text that holds one: CodePipeline's configuration
    /// has only texts.
    fn json(&mut self, name: &'static str, expected: &str) -> Option<Value> {
        let value = self.take(name)?;
        match &value {
            Value::String(text) => {
                let parsed = serde_json::from_str(text).map_err(|_| expected.to_owned());
                self.kept(name, &value, parsed)
            }
            _ => Some(value),
        }
    }

    /// `Services`: the entries, as far as they can be read.
    fn services(&mut self) -> Option<Vec<Entry>> {
        const EXPECTED: &str = r#"an array of 1 to 10 services, as ["web", {"ServiceName": "worker", "ClusterName": "jobs"}]"#;
        let value = self.json("Services", EXPECTED)?;
        let entries = match &value {
            Value::Array(entries) if (1..=SERVICES_LIMIT).contains(&entries.len()) => entries,
            _ => return self.kept("Services", &value, Err(EXPECTED.to_owned())),
        };
        let mut read = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let place = format!("Services[{index}]");
            let (service, cluster) = match entry {
                Value::Object(members) => {
                    self.known_members(&place, members, &SERVICE_MEMBERS);
                    let cluster = members.get("ClusterName");
                    (
                        members.get("ServiceName"),
                        cluster.filter(|value| !value.is_null()),
                    )
                }
                _ => (Some(entry), None),
            };
            let mut text = |value: &Value, what, is_sound| {
                let rule = named(what, is_sound);
                let outcome = match value {
                    Value::String(written) => rule(written.trim()),
                    _ => Err("a name in double quotes".to_owned()),
                };
                self.kept(&place, value, outcome)
            };
            let cluster = match cluster {
                Some(value) => match text(value, "a cluster", is_cluster) {
                    Some(cluster) => Some(cluster),
                    None => continue,
                },
                None => None,
            };
            match service {
                Some(value) => {
                    if let Some(service) = text(value, "a service", is_service) {
                        read.push(Entry { service, cluster });
                    }
                }
                None => self.problem(format!("{place} has no ServiceName")),
            }
        }
        Some(read)
    }

    fn pre_deploy(&mut self) -> Option<PreDeployTask> {
        const NAME: &str = "PreDeployTask";
        const EXPECTED: &str =
            r#"an object, as {"Container": "app", "Command": ["migrate", "up"], "Timeout": 15}"#;
        let value = self.json(NAME, EXPECTED)?;
        let Value::Object(members) = &value else {
            return self.kept(NAME, &value, Err(EXPECTED.to_owned()));
        };
        self.known_members(NAME, members, &PRE_DEPLOY_MEMBERS);
        let container = match members.get("Container") {
            Some(Value::String(name)) if is_name(name.trim()) => Ok(name.trim().to_owned()),
            _ => Err("the name of the container whose exit code decides"),
        };
        let command = match members.get("Command") {
            Some(Value::Array(words)) if !words.is_empty() => {
                let words: Option<Vec<String>> = words
                    .iter()
                    .map(|word| word.as_str().map(str::to_owned))
                    .collect();
                words.ok_or(r#"an array of texts, as ["migrate", "up"]"#)
            }
            _ => Err(r#"an array of texts, as ["migrate", "up"]"#),
        };
        let minutes = match members.get("Timeout") {
            None | Some(Value::Null) => Ok(TIMEOUT_DEFAULT_MINUTES),
            Some(value) => {
                let number = match value {
                    Value::String(written) => written.trim().parse().ok(),
                    other => other.as_u64(),
                };
                number
                    .filter(|number| (1..TIMEOUT_MAX_MINUTES).contains(number))
                    .ok_or("a whole number of minutes")
            }
        };
        let mut told = |member: &str, expected: &str| {
            let written = members.get(member).unwrap_or(&Value::Null).to_string();
            self.problem(format!(
                "PreDeployTask.{member} is {}: expected {expected}",
                text::cut(&written, 80)
            ));
        };
        match (container, command, minutes) {
            (Ok(container), Ok(command), Ok(minutes)) => Some(PreDeployTask {
                container,
                command,
                timeout: Duration::from_secs(60 * minutes),
            }),
            (container, command, minutes) => {
                if let Err(expected) = container {
                    told("Container", expected);
                }
                if let Err(expected) = command {
                    told("Command", expected);
                }
                if let Err(expected) = minutes {
                    told("Timeout", expected);
                }
                None
            }
        }
    }

    fn known_members(
        &mut self,
        place: &str,
        members: &serde_json::Map<String, Value>,
        known: &[&str],
    ) {
        for name in members
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
        {
            let name = text::cut(name, 60);
            let hint = match text::nearest(&name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it may have {}", text::listed(known)),
            };
            self.problem(format!("{place} has no member {name}: {hint}"));
        }
    }

    /// What to deploy to: `ServiceName` or `Services`, each on a cluster.
    fn targets(
        &mut self,
        cluster: Option<String>,
        service: Option<String>,
        services: Option<Vec<Entry>>,
    ) -> Vec<Target> {
        let entries = match (service, services) {
            (Some(_), Some(_)) => {
                self.problem("ServiceName and Services both say what to deploy to: keep one, or put the first into the second".to_owned());
                return Vec::new();
            }
            (Some(service), None) => vec![Entry {
                service,
                cluster: None,
            }],
            (None, Some(entries)) => entries,
            (None, None) => {
                self.require("ClusterName", cluster.is_some());
                if !self.is_told("Services") {
                    self.require("ServiceName", false);
                }
                return Vec::new();
            }
        };
        if entries.iter().any(|entry| entry.cluster.is_none()) {
            self.require("ClusterName", cluster.is_some());
        } else if cluster.is_some() && !entries.is_empty() {
            self.problem(
                "ClusterName is for services without one of their own, and each of Services has one: remove it"
                    .to_owned(),
            );
        }
        let mut targets: Vec<Target> = Vec::new();
        for entry in entries {
            let Some(cluster) = entry.cluster.or_else(|| cluster.clone()) else {
                continue;
            };
            let target = Target {
                cluster,
                service: entry.service,
            };
            let is_same = |known: &Target| known.to_string() == target.to_string();
            if targets.iter().any(is_same) {
                self.problem(format!("Services has {target} twice: keep one"));
            } else {
                targets.push(target);
            }
        }
        targets
    }

    /// ARNs must not say anything else than the other parameters.
    fn agree(&mut self, target: &Target, region: Option<&str>, role: Option<&AssumedRole>) {
        let Target { cluster, service } = target;
        if let Some(of_service) = cluster_in_service_arn(service)
            && of_service != text::last_part(cluster)
        {
            self.problem(format!(
                "ServiceName is an ARN of the cluster '{of_service}', but ClusterName is '{cluster}': make them agree"
            ));
        }
        for (parameter, written) in [("ClusterName", cluster), ("ServiceName", service)] {
            if let (Some(region), Some(of_arn)) = (region, part_of_arn(written, REGION_PART))
                && of_arn != region
            {
                self.problem(format!(
                    "{parameter} is an ARN of the Region '{of_arn}', but Region is '{region}': make them agree"
                ));
            }
            if let Some(role) = role
                && let (Some(of_arn), Some(of_role)) = (
                    part_of_arn(written, ACCOUNT_PART),
                    part_of_arn(&role.arn, ACCOUNT_PART),
                )
                && of_arn != of_role
            {
                self.problem(format!(
                    "{parameter} is an ARN of the account {of_arn}, but RoleArn is one of {of_role}: make them agree"
                ));
            }
        }
    }

    fn is_told(&self, name: &str) -> bool {
        let begins = [format!("{name} is "), format!("{name}[")];
        self.problems
            .iter()
            .any(|problem| begins.iter().any(|begin| problem.0.starts_with(begin)))
    }

    fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let value = self.take(name)?;
        let outcome = match &value {
            Value::Bool(truth) => Ok(*truth),
            Value::String(written) => match written.trim().to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err("true or false".to_owned()),
            },
            _ => Err("true or false".to_owned()),
        };
        self.kept(name, &value, outcome)
    }

    fn kept<T>(&mut self, name: &str, value: &Value, outcome: Result<T, String>) -> Option<T> {
        match outcome {
            Ok(read) => Some(read),
            Err(expected) => {
                let written = text::cut(&value.to_string(), 80);
                self.problem(format!("{name} is {written}: expected {expected}"));
                None
            }
        }
    }

    fn require(&mut self, name: &'static str, is_there: bool) {
        if !is_there && !self.is_told(name) {
            self.problem(format!("{name} is required and not set"));
        }
    }

    /// Whatever nobody took: names of a later version, and misspelt ones.
    fn rest(&mut self) {
        for (place, (name, _)) in std::mem::take(&mut self.left).into_iter().enumerate() {
            let name = text::cut(&name, 60);
            // No more than these are told.
            let known = SUPPORTED.into_iter().filter(|_| place < PROBLEM_LIMIT);
            let sentence = match text::nearest(&name, known) {
                Some(near) => format!("{name} is not a parameter: did you mean {near}?"),
                None => format!(
                    "{name} is not a parameter; the parameters are {}",
                    text::listed(&SUPPORTED)
                ),
            };
            self.problem(sentence);
        }
    }
}

/// A rule as the reader wants it: the text itself if `rule` holds, else what is expected.
fn named(what: &'static str, rule: fn(&str) -> bool) -> impl Fn(&str) -> Result<String, String> {
    move |written| {
        if rule(written) {
            Ok(written.to_owned())
        } else if written.contains("#{") || written.contains('$') {
            Err(format!(
                "the name of {what}; a variable in it was not resolved"
            ))
        } else {
            Err(format!(
                "the name of {what} (letters, digits, - and _) or its ARN"
            ))
        }
    }
}

/// 1 to 255 letters, digits, hyphens and underscores
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html>).
fn is_name(written: &str) -> bool {
    (1..=255).contains(&written.len())
        && written
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_cluster(written: &str) -> bool {
    is_name(written) || ecs_resource(written, "cluster/").is_some_and(is_name)
}

/// A service's long ARN has its cluster's name in it, a short one, from before 2021, has not.
fn is_service(written: &str) -> bool {
    is_name(written)
        || ecs_resource(written, "service/").is_some_and(|path| match path.split_once('/') {
            Some((cluster, service)) => is_name(cluster) && is_name(service),
            None => is_name(path),
        })
}

/// What follows `kind` in `arn:PARTITION:ecs:REGION:ACCOUNT:KIND/…`.
fn ecs_resource<'a>(written: &'a str, kind: &str) -> Option<&'a str> {
    let parts: Vec<&str> = written.splitn(6, ':').collect();
    let ["arn", partition, "ecs", region, account, resource] = parts.as_slice() else {
        return None;
    };
    let is_of_partition = Region::parse(region)?.partition().id == *partition;
    let is_account = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
    let path = resource.strip_prefix(kind)?;
    (is_of_partition && is_account).then_some(path)
}

/// The cluster of a service's long ARN, `…:service/cluster/service`.
fn cluster_in_service_arn(service: &str) -> Option<&str> {
    let (_, path) = service.strip_prefix("arn:")?.split_once(":service/")?;
    path.split_once('/').map(|(cluster, _)| cluster)
}

/// Parts of an ARN behind `arn:`: partition, service, Region, account, resource.
const PARTITION_PART: usize = 0;
const REGION_PART: usize = 2;
const ACCOUNT_PART: usize = 3;

fn part_of_arn(written: &str, part: usize) -> Option<&str> {
    written.strip_prefix("arn:")?.split(':').nth(part)
}

/// `arn:PARTITION:iam::ACCOUNT:role/…`
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
fn is_role_arn(written: &str) -> bool {
    let parts: Vec<&str> = written.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", "", account, resource] => {
            Partition::named(partition).is_some()
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && resource
                    .strip_prefix("role/")
                    .is_some_and(|name| !name.is_empty() && name.chars().all(is_path_character))
        }
        _ => false,
    }
}

/// What IAM's names and paths are made of
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>).
fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@/-".contains(c)
}

/// Reads an object's members as pairs, which keeps a name that is written twice.
struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry::<String, Value>()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(json: &str) -> Vec<String> {
        let written = written_in("UserParameters", json).unwrap();
        let problems = parse(written).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    fn problem_with(name: &str, value: &Value) -> String {
        let mut object = json!({"ClusterName": "prod", "ServiceName": "web"});
        object[name] = value.clone();
        let told = problems(&object.to_string());
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].clone()
    }

    fn spec(json: &str) -> DeploySpec {
        parse(written_in("UserParameters", json).unwrap()).unwrap()
    }

    #[test]
    fn values_are_counted_outside_of_texts_and_too_many_are_refused_before_they_are_parsed() {
        let counted = |json: &str| (0..9).find(|limit| !has_more_values(json, *limit));
        assert_eq!(counted("1"), Some(1));
        assert_eq!(counted("[1, 2]"), Some(3));
        assert_eq!(counted(r#"{"a,:[\",{\\": 1}"#), Some(3));
        let huge = format!("{{\"Services\": [{}1]}}", "1,".repeat(500_000));
        let told = written_in("prod.json", &huge).unwrap_err().to_string();
        assert_eq!(
            told,
            "prod.json holds more than 2000 values: write the parameters of this action alone"
        );
    }

    #[test]
    fn two_names_suffice_and_the_rest_has_defaults() {
        assert_eq!(
            spec(r#"{"ClusterName": "prod", "ServiceName": "web"}"#),
            DeploySpec {
                targets: vec![Target {
                    cluster: "prod".to_owned(),
                    service: "web".to_owned()
                }],
                file_name: "imagedefinitions.json".to_owned(),
                file_is_named: false,
                input_artifact: None,
                timeout: Duration::from_hours(1),
                base: BaseFrom::Service,
                rollback: true,
                dry_run: false,
                verify_images: true,
                pin_digests: false,
                container: None,
                pipeline_execution_id: None,
                region: None,
                role: None,
                pre_deploy: None,
                keep_revisions: None,
                scheduled_tasks: false,
                log_lines: 20,
            }
        );
    }

    #[test]
    fn every_supported_parameter_is_read() {
        let spec = spec(
            r#"{"ClusterName": "arn:aws:ecs:eu-west-1:111122223333:cluster/prod",
                "ServiceName": "arn:aws:ecs:eu-west-1:111122223333:service/prod/web",
                "FileName": "./out\\images.json", "InputArtifact": "Build", "DeploymentTimeout": "5",
                "BaseRevision": "latest", "DryRun": "True", "ContainerName": "web",
                "PipelineExecutionId": "e-1", "Region": "eu-west-1"}"#,
        );
        assert_eq!(spec.targets[0].to_string(), "web on prod");
        assert_eq!(spec.file_name, "out/images.json");
        assert_eq!(spec.input_artifact.as_deref(), Some("Build"));
        assert_eq!(spec.timeout, Duration::from_mins(5));
        assert_eq!(spec.base, BaseFrom::Latest);
        assert!(spec.dry_run);
        assert_eq!(spec.container.as_deref(), Some("web"));
        assert_eq!(spec.pipeline_execution_id.as_deref(), Some("e-1"));
        assert_eq!(spec.region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn numbers_and_booleans_may_be_written_as_themselves() {
        let spec =
            spec(r#"{"ClusterName":"c","ServiceName":"s","DeploymentTimeout":1380,"DryRun":true}"#);
        assert_eq!(spec.timeout, Duration::from_hours(23));
        assert!(spec.dry_run);
    }

    #[test]
    fn all_problems_are_reported_together() {
        assert_eq!(
            problems(
                r#"{"Clustername": "prod", "DeploymentTimeout": 0, "DryRun": "ja", "PinDigests": true, "Recursive": 1}"#
            ),
            [
                "DeploymentTimeout is 0: expected a whole number of minutes from 1 to 1380",
                "DryRun is \"ja\": expected true or false",
                "Clustername is not a parameter: did you mean ClusterName?",
                "Recursive is not a parameter; the parameters are ClusterName, ServiceName, Services, FileName, InputArtifact, DeploymentTimeout, Rollback, DryRun, BaseRevision, VerifyImages, ContainerName, PipelineExecutionId, Region, RoleArn, ExternalId, TaskDefinitionFile, PinDigests, PreDeployTask, KeepRevisions, ScheduledTasks, LogLines and ConfigFile",
                "ClusterName is required and not set",
                "ServiceName is required and not set",
            ]
        );
    }

    #[test]
    fn several_services_are_read_each_with_its_cluster() {
        let spec = spec(
            r#"{"ClusterName": "prod", "Services": ["web", {"ServiceName": "worker", "ClusterName": "jobs"},
                {"ServiceName": "mail"}]}"#,
        );
        assert_eq!(spec.about(), "web on prod, worker on jobs and mail on prod");
        let as_text = r#"{"ClusterName": "prod", "Services": "[\"web\", \"worker\"]"}"#;
        let written = written_in("UserParameters", as_text).unwrap();
        assert_eq!(parse(written).unwrap().targets.len(), 2);
        let of_their_own = r#"{"Services": [{"ServiceName": "web", "ClusterName": "a"}, {"ServiceName": "web", "ClusterName": "b"}]}"#;
        let written = written_in("UserParameters", of_their_own).unwrap();
        assert_eq!(parse(written).unwrap().about(), "web on a and web on b");
    }

    #[test]
    fn mistakes_in_services_are_told_with_their_place() {
        for (services, told) in [
            ("[]", "expected an array of 1 to 10 services"),
            (r#"{"a": 1}"#, "expected an array of 1 to 10 services"),
            (r#""web""#, "expected an array of 1 to 10 services"),
            (
                r#"["web", 7]"#,
                "Services[1] is 7: expected a name in double quotes",
            ),
            (r#"["web", {}]"#, "Services[1] has no ServiceName"),
            (
                r#"[{"ServiceName": "web", "Clustername": "a"}]"#,
                "Services[0] has no member Clustername: did you mean ClusterName?",
            ),
            (
                r#"["web", "web"]"#,
                "Services has web on prod twice: keep one",
            ),
            (
                r#"["we b"]"#,
                "Services[0] is \"we b\": expected the name of a service",
            ),
        ] {
            let said = problems(&format!(
                r#"{{"ClusterName": "prod", "Services": {services}}}"#
            ));
            assert_eq!(said.len(), 1, "{services}: {said:?}");
            assert!(said[0].contains(told), "{services}: {said:?}");
        }
        let eleven: Vec<String> = (0..11).map(|n| format!("\"s{n}\"")).collect();
        let said = problems(&format!(
            r#"{{"ClusterName": "prod", "Services": [{}]}}"#,
            eleven.join(",")
        ));
        assert!(said[0].contains("1 to 10"), "{said:?}");
        assert_eq!(
            problems(r#"{"ClusterName": "prod", "ServiceName": "a", "Services": ["b"]}"#),
            [
                "ServiceName and Services both say what to deploy to: keep one, or put the first into the second"
            ]
        );
        assert_eq!(
            problems(r#"{"Services": ["b"]}"#),
            ["ClusterName is required and not set"]
        );
        assert!(
            problems(
                r#"{"ClusterName": "x", "Services": [{"ServiceName": "b", "ClusterName": "c"}]}"#
            )[0]
            .contains("each of Services has one: remove it")
        );
    }

    #[test]
    fn a_task_before_the_deployment_is_read_and_its_mistakes_are_told() {
        let with = |task: &str| {
            let json =
                format!(r#"{{"ClusterName": "c", "ServiceName": "s", "PreDeployTask": {task}}}"#);
            parse(written_in("UserParameters", &json).unwrap())
        };
        let task = with(r#"{"Container": "app", "Command": ["migrate", "up"], "Timeout": "15"}"#);
        assert_eq!(
            task.unwrap().pre_deploy.unwrap(),
            PreDeployTask {
                container: "app".to_owned(),
                command: vec!["migrate".to_owned(), "up".to_owned()],
                timeout: Duration::from_mins(15),
            }
        );
        let as_text = r#""{\"Container\": \"app\", \"Command\": [\"m\"]}""#;
        assert_eq!(
            with(as_text).unwrap().pre_deploy.unwrap().timeout,
            Duration::from_hours(1)
        );
        for (task, told) in [
            ("7", "PreDeployTask is 7: expected an object"),
            (
                r#"{"Container": "app", "Command": "migrate"}"#,
                "PreDeployTask.Command is \"migrate\": expected an array of texts",
            ),
            (
                r#"{"Container": "app", "Command": [1]}"#,
                "PreDeployTask.Command is [1]: expected an array of texts",
            ),
            (
                r#"{"Command": ["m"]}"#,
                "PreDeployTask.Container is null: expected the name of the container",
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "Timeout": 0}"#,
                "PreDeployTask.Timeout is 0: expected a whole number of minutes",
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "timeout": 5}"#,
                "PreDeployTask has no member timeout: did you mean Timeout?",
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "Timeout": 1360}"#,
                "are more than 1380 together",
            ),
        ] {
            let said = with(task).unwrap_err();
            assert_eq!(said.len(), 1, "{task}: {said:?}");
            assert!(said[0].to_string().contains(told), "{task}: {said:?}");
        }
    }

    #[test]
    fn the_role_of_another_account_is_read_and_its_mistakes_are_told() {
        let spec = spec(
            r#"{"ClusterName": "c", "ServiceName": "s", "ExternalId": "x1",
                "RoleArn": "arn:aws-us-gov:iam::111122223333:role/path/deploy"}"#,
        );
        assert_eq!(
            spec.role,
            Some(AssumedRole {
                arn: "arn:aws-us-gov:iam::111122223333:role/path/deploy".to_owned(),
                external_id: Some("x1".to_owned()),
            })
        );
        for wrong in [
            "deploy",
            "arn:aws:iam::1:role/x",
            "arn:aws:iam::111122223333:user/x",
            "arn:aws:sts::111122223333:assumed-role/x/y",
        ] {
            let told = problem_with("RoleArn", &json!(wrong));
            assert!(told.contains("expected a role's ARN"), "{told}");
        }
        assert_eq!(
            problem_with("ExternalId", &json!("x")),
            "ExternalId is for a role to assume: set RoleArn, too, or remove it"
        );
        let other = problems(
            r#"{"ClusterName": "arn:aws:ecs:eu-west-1:444455556666:cluster/c", "ServiceName": "s",
                "RoleArn": "arn:aws:iam::111122223333:role/deploy"}"#,
        );
        assert_eq!(
            other,
            [
                "ClusterName is an ARN of the account 444455556666, but RoleArn is one of 111122223333: make them agree"
            ]
        );
    }

    #[test]
    fn one_thing_says_what_the_new_revision_is_made_from() {
        let spec = spec(
            r#"{"ClusterName": "c", "ServiceName": "s", "TaskDefinitionFile": "./deploy/taskdef.json"}"#,
        );
        assert_eq!(spec.base, BaseFrom::File("deploy/taskdef.json".to_owned()));
        let both = problems(
            r#"{"ClusterName": "c", "ServiceName": "s", "TaskDefinitionFile": "t.json", "BaseRevision": "service"}"#,
        );
        assert!(both[0].contains("keep one"), "{both:?}");
    }

    #[test]
    fn fewer_than_two_revisions_are_never_kept() {
        for wrong in [json!(1), json!(0), json!("x"), json!(-3)] {
            let told = problem_with("KeepRevisions", &wrong);
            assert!(
                told.ends_with("expected a whole number from 2 to 1000000"),
                "{told}"
            );
        }
    }

    #[test]
    fn log_lines_are_none_to_twenty() {
        for (written, lines) in [("0", 0), ("\"7\"", 7), ("20", 20), ("null", 20)] {
            let json =
                format!(r#"{{"ClusterName": "c", "ServiceName": "s", "LogLines": {written}}}"#);
            assert_eq!(spec(&json).log_lines, lines, "{written}");
        }
        for wrong in [json!(21), json!(-1), json!("all"), json!(false), json!(2.5)] {
            let told = problem_with("LogLines", &wrong);
            assert!(
                told.ends_with("expected a whole number of lines from 0 to 20"),
                "{told}"
            );
        }
    }

    #[test]
    fn whoever_writes_the_artifact_does_not_choose_the_account() {
        let action = written_in("UserParameters", r#"{"ConfigFile": "deploy.json"}"#).unwrap();
        let told = |in_file: &str| {
            let in_file = written_in("deploy.json", in_file).unwrap();
            merged(action.clone(), in_file, "deploy.json")
                .unwrap_err()
                .to_string()
        };
        for name in ["Region", "RoleArn", "ExternalId"] {
            // Not even what would change nothing.
            for value in [json!("x"), json!(null), json!(7)] {
                assert_eq!(
                    told(&json!({ name: value }).to_string()),
                    format!(
                        "deploy.json sets {name}, which only UserParameters can: whoever writes the artifact does not choose the account and the Region"
                    )
                );
            }
        }
        assert_eq!(
            told(r#"{"ExternalId": "x", "InputArtifact": "b", "RoleArn": "y"}"#),
            "deploy.json sets InputArtifact, which only UserParameters can: it is needed to find deploy.json. deploy.json sets RoleArn and ExternalId, which only UserParameters can: whoever writes the artifact does not choose the account and the Region"
        );
    }

    #[test]
    fn what_the_action_says_wins_over_its_file() {
        let action = written_in(
            "UserParameters",
            r#"{"ConfigFile": "deploy.json", "ServiceName": "web", "DryRun": true}"#,
        )
        .unwrap();
        assert_eq!(
            config_file(&action),
            Some(ConfigFile {
                file: "deploy.json".to_owned(),
                input_artifact: None,
            })
        );
        let in_file = |json: &str| written_in("deploy.json", json).unwrap();
        let file = in_file(
            r#"{"ClusterName": "prod", "DryRun": false, "Services": ["api"], "KeepRevisions": 5}"#,
        );
        let spec = parse(merged(action.clone(), file, "deploy.json").unwrap()).unwrap();
        assert_eq!(spec.about(), "web on prod");
        assert!(spec.dry_run);
        assert_eq!(spec.keep_revisions, Some(5));
        let nested = merged(
            action,
            in_file(r#"{"ConfigFile": "x.json"}"#),
            "deploy.json",
        );
        assert!(
            nested
                .unwrap_err()
                .to_string()
                .starts_with("deploy.json sets ConfigFile")
        );
        assert!(
            written_in("deploy.json", "{\n \"a\" 1}")
                .unwrap_err()
                .to_string()
                .starts_with("deploy.json is not a JSON object: expected `:` at line 2")
        );
        assert_eq!(config_file(&in_file(r#"{"ConfigFile": 7}"#)), None);
    }

    #[test]
    fn a_parameter_written_twice_is_told() {
        assert_eq!(
            problems(r#"{"ClusterName":"a","ClusterName":"b","ServiceName":"s"}"#),
            ["ClusterName is written 2 times: keep one"]
        );
    }

    #[test]
    fn values_out_of_range_or_kind_are_told_with_what_is_expected() {
        for value in [json!(1381), json!("1.5"), json!(-1), json!(true), json!("")] {
            assert!(
                problem_with("DeploymentTimeout", &value).ends_with("from 1 to 1380"),
                "{value}"
            );
        }
        assert!(
            problem_with("BaseRevision", &json!("newest")).ends_with("expected service or latest")
        );
        assert!(problem_with("FileName", &json!("out/")).contains("a path to a file"));
        assert!(problem_with("FileName", &json!(["x"])).ends_with("a text in double quotes"));
        assert!(problem_with("Region", &json!("Frankfurt")).contains("as eu-central-1"));
        assert!(problem_with("ContainerName", &json!("a b")).contains("letters, digits"));
        assert!(problem_with("ClusterName", &json!("#{V.Cluster}")).contains("was not resolved"));
        assert!(problem_with("ServiceName", &json!("")).contains("leave it out"));
        assert!(
            problem_with("PipelineExecutionId", &json!("#{codepipeline.X}")).contains("it did not")
        );
        assert!(problem_with("DryRun", &json!(1)).ends_with("true or false"));
    }

    #[test]
    fn arns_that_disagree_with_other_parameters_are_told() {
        let service = json!("arn:aws:ecs:eu-west-1:111122223333:service/staging/web");
        assert!(
            problem_with("ServiceName", &service)
                .contains("of the cluster 'staging', but ClusterName is 'prod'")
        );
        let told = problems(
            r#"{"ClusterName":"arn:aws:ecs:eu-west-1:1:cluster/prod","ServiceName":"web","Region":"us-east-1"}"#,
        );
        assert!(told[0].contains("of the Region 'eu-west-1', but Region is 'us-east-1'"));
    }

    #[test]
    fn an_unknown_name_that_resembles_nothing_is_told_with_all_names() {
        assert!(
            problem_with("Zebra", &json!(1))
                .contains("the parameters are ClusterName, ServiceName")
        );
    }

    #[test]
    fn what_is_no_json_object_is_told_with_its_place() {
        for (json, place) in [
            ("[1]", "line 1, column 1"),
            ("{\"a\": 1,}", "line 1, column 9"),
            ("", "line 1, column 0"),
            ("{} x", "line 1, column 4"),
        ] {
            let told = written_in("UserParameters", json).unwrap_err().to_string();
            assert!(
                told.starts_with("UserParameters is not a JSON object"),
                "{told}"
            );
            assert!(told.contains(place), "{json}: {told}");
        }
    }

    #[test]
    fn the_actions_own_configuration_keys_are_no_parameters() {
        let Value::Object(configuration) =
            json!({"FunctionName": "f", "ClusterName": "c", "ServiceName": "s"})
        else {
            unreachable!()
        };
        assert!(parse(written_in_configuration(&configuration)).is_ok());
    }

    #[test]
    fn regions_and_arns_are_those_of_a_partition_that_there_is() {
        for region in [
            "eu-central-1",
            "cn-north-1",
            "eusc-de-east-1",
            "us-isof-south-1",
        ] {
            let json = json!({"ClusterName": "c", "ServiceName": "s", "Region": region});
            assert_eq!(spec(&json.to_string()).region.as_deref(), Some(region));
        }
        for region in [
            "eu-central-12",
            "xx-central-1",
            "x@127.0.0.1:1/",
            "aws-global",
        ] {
            assert!(problem_with("Region", &json!(region)).contains("as eu-central-1"));
        }
        for arn in [
            "arn:aws:ecs:cn-north-1:111122223333:cluster/prod",
            "arn:aws:ecs:x@y/:111122223333:cluster/prod",
            "arn:aws:ecs:eu-central-1:111122223333:service/prod/prod",
            "arn:aws:ecs:eu-central-1::cluster/prod",
        ] {
            assert!(
                problem_with("ClusterName", &json!(arn)).contains("or its ARN"),
                "{arn}"
            );
        }
        for arn in [
            "arn:aws:ecs:eu-central-1:111122223333:cluster/prod",
            "arn:aws:ecs:eu-central-1:111122223333:service/prod/web/x",
        ] {
            assert!(
                problem_with("ServiceName", &json!(arn)).contains("or its ARN"),
                "{arn}"
            );
        }
        let short = json!({"ClusterName": "c",
            "ServiceName": "arn:aws-eusc:ecs:eusc-de-east-1:111122223333:service/web"});
        assert_eq!(spec(&short.to_string()).about(), "web on c");
        let role = "arn:aws-cn:iam::111122223333:role/deploy";
        let told = problems(
            &json!({"ClusterName": "c", "ServiceName": "s", "Region": "eu-west-1", "RoleArn": role})
                .to_string(),
        );
        assert!(told[0].contains("the partition 'aws-cn'"), "{told:?}");
        let role = json!("arn:awsome:iam::111122223333:role/deploy");
        assert!(problem_with("RoleArn", &role).contains("a role's ARN"));
    }

    #[test]
    fn a_byte_order_mark_before_the_parameters_says_nothing() {
        let json = "\u{feff}{\"ClusterName\": \"c\", \"ServiceName\": \"s\"}";
        assert_eq!(spec(json).about(), "s on c");
    }
}
