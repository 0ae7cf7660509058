//! What the user wrote, parsed once: a [`DeploySpec`] cannot be invalid.
//!
//! Names, values and defaults are PRODUCT's table, in the README. Strings holding numbers or
//! booleans are accepted, as the built-in action's parameters are strings. All problems are
//! reported together, each saying what to write instead.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::deploy::text;

/// Pairs as written, in order, duplicates kept so that they can be told.
pub type Written = Vec<(String, Value)>;

/// `DeploymentTimeout` is at most this long. With what follows a rollout it stays within the
/// 24 hours that CodePipeline gives an action
/// (<https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html>).
const TIMEOUT_MAX_MINUTES: u64 = 1380;
const TIMEOUT_DEFAULT_MINUTES: u64 = 60;

/// The built-in action's default.
pub const FILE_NAME_DEFAULT: &str = "imagedefinitions.json";

/// The parameters that this build understands.
const SUPPORTED: [&str; 12] = [
    "ClusterName",
    "ServiceName",
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
];

/// The parameters that are planned. Recognised, so that nobody takes them for misspelt.
const NOT_YET: [&str; 9] = [
    "Services",
    "RoleArn",
    "ExternalId",
    "TaskDefinitionFile",
    "PinDigests",
    "PreDeployTask",
    "KeepRevisions",
    "ConfigFile",
    "ScheduledTasks",
];

/// Members of the action's `configuration` map that are CodePipeline's, not ours.
const CODEPIPELINES_OWN: [&str; 2] = ["FunctionName", "UserParameters"];

/// One service to deploy to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Cluster name or ARN, as written.
    pub cluster: String,
    /// Service name or ARN, as written.
    pub service: String,
}

impl Target {
    /// The cluster's name, also if it was written as an ARN.
    pub fn cluster_name(&self) -> &str {
        text::last_part(&self.cluster)
    }

    /// The service's name, also if it was written as an ARN.
    pub fn service_name(&self) -> &str {
        text::last_part(&self.service)
    }
}

impl fmt::Display for Target {
    /// `web on prod`, as every message begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.service_name(), self.cluster_name())
    }
}

/// Which revision the new one is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseRevision {
    /// The one that the service runs.
    Service,
    /// The newest ACTIVE one of its family.
    Latest,
}

/// A deployment as asked for. Cannot be invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploySpec {
    /// What to deploy to, in the order written; at least one.
    pub targets: Vec<Target>,
    /// Path of the image definitions inside the artifact, with `/` and without a leading `./`.
    pub file_name: String,
    /// Which input artifact, if the user says.
    pub input_artifact: Option<String>,
    /// How long a rollout may take.
    pub timeout: Duration,
    /// Where the new revision starts from.
    pub base: BaseRevision,
    /// When a rollout fails or runs out of time and ECS is not rolling back by itself, go back.
    pub rollback: bool,
    /// Check everything, change nothing.
    pub dry_run: bool,
    /// Check in ECR that each image exists and fits the task's CPU architecture.
    pub verify_images: bool,
    /// Which container an imageDetail.json is for.
    pub container: Option<String>,
    /// The pipeline execution, for logs and reports.
    pub pipeline_execution_id: Option<String>,
    /// The Region to deploy to, if not the function's own.
    pub region: Option<String>,
}

/// One problem of the parameters, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(String);

/// Reads a JSON object, keeping duplicates.
///
/// # Errors
/// A sentence with line and column if it is no JSON object.
pub fn written_in(json: &str) -> Result<Written, Problem> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let pairs = deserializer
        .deserialize_any(PairsVisitor)
        .and_then(|pairs| deserializer.end().map(|()| pairs));
    pairs.map_err(|error| {
        Problem(format!(
            "UserParameters is not a JSON object: {} at line {}, column {}; write for example {{\"ClusterName\": \"prod\", \"ServiceName\": \"web\"}}",
            text::without_position(&error),
            error.line(),
            error.column(),
        ))
    })
}

/// The parameters among the members of an action's `configuration` map.
pub fn written_in_configuration(configuration: &serde_json::Map<String, Value>) -> Written {
    configuration
        .iter()
        .filter(|(name, _)| !CODEPIPELINES_OWN.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Makes what was written into what is meant.
///
/// # Errors
/// Every [`Problem`], in the order written, missing parameters last.
pub fn parse(written: Written) -> Result<DeploySpec, Vec<Problem>> {
    let mut reader = Reader::new(written);
    let cluster = reader.text("ClusterName", named("a cluster", is_name_or_arn));
    let service = reader.text("ServiceName", named("a service", is_name_or_arn));
    let file_name = reader.text("FileName", |written| {
        let path = written.replace('\\', "/");
        let path = path.trim_start_matches("./").trim_start_matches('/');
        if path.is_empty() || path.ends_with('/') {
            Err("a path to a file inside the artifact, as imagedefinitions.json".to_owned())
        } else {
            Ok(path.to_owned())
        }
    });
    let input_artifact = reader.text("InputArtifact", |written| Ok(written.to_owned()));
    let minutes = reader.number("DeploymentTimeout", 1, TIMEOUT_MAX_MINUTES);
    let base = reader.text("BaseRevision", |written| match written {
        "service" => Ok(BaseRevision::Service),
        "latest" => Ok(BaseRevision::Latest),
        _ => Err("service or latest".to_owned()),
    });
    let rollback = reader.boolean("Rollback");
    let dry_run = reader.boolean("DryRun");
    let verify_images = reader.boolean("VerifyImages");
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
        if is_region(written) {
            Ok(written.to_owned())
        } else {
            Err("a Region's code, as eu-central-1".to_owned())
        }
    });
    reader.rest();

    if let (Some(cluster), Some(service)) = (&cluster, &service)
        && let Some(of_service) = cluster_in_service_arn(service)
        && of_service != text::last_part(cluster)
    {
        reader.problem(format!(
            "ServiceName is an ARN of the cluster '{of_service}', but ClusterName is '{cluster}': make them agree"
        ));
    }
    for (parameter, written) in [("ClusterName", &cluster), ("ServiceName", &service)] {
        if let (Some(region), Some(written)) = (&region, written)
            && let Some(of_arn) = region_in_arn(written)
            && of_arn != region
        {
            reader.problem(format!(
                "{parameter} is an ARN of the Region '{of_arn}', but Region is '{region}': make them agree"
            ));
        }
    }
    reader.require("ClusterName", cluster.is_some());
    reader.require("ServiceName", service.is_some());

    match (cluster, service) {
        (Some(cluster), Some(service)) if reader.problems.is_empty() => Ok(DeploySpec {
            targets: vec![Target { cluster, service }],
            file_name: file_name.unwrap_or_else(|| FILE_NAME_DEFAULT.to_owned()),
            input_artifact,
            timeout: Duration::from_secs(60 * minutes.unwrap_or(TIMEOUT_DEFAULT_MINUTES)),
            base: base.unwrap_or(BaseRevision::Service),
            rollback: rollback.unwrap_or(true),
            dry_run: dry_run.unwrap_or(false),
            verify_images: verify_images.unwrap_or(true),
            container,
            pipeline_execution_id,
            region,
        }),
        _ => Err(reader.problems),
    }
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

    fn number(&mut self, name: &'static str, least: u64, most: u64) -> Option<u64> {
        let value = self.take(name)?;
        let number = match &value {
            Value::String(written) => written.trim().parse().ok(),
            other => other.as_u64(),
        };
        let outcome = number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("a whole number of minutes from {least} to {most}"));
        self.kept(name, &value, outcome)
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
        let is_told = self
            .problems
            .iter()
            .any(|problem| problem.0.starts_with(&format!("{name} is ")));
        if !is_there && !is_told {
            self.problem(format!("{name} is required and not set"));
        }
    }

    /// Whatever nobody took: names of a later version, and misspelt ones.
    fn rest(&mut self) {
        for (name, _) in std::mem::take(&mut self.left) {
            let name = text::cut(&name, 60);
            let sentence = if NOT_YET.contains(&name.as_str()) {
                format!("{name} is not supported yet: remove it")
            } else {
                match text::nearest(&name, SUPPORTED.into_iter().chain(NOT_YET)) {
                    Some(near) => format!("{name} is not a parameter: did you mean {near}?"),
                    None => format!(
                        "{name} is not a parameter; the parameters are {}",
                        text::listed(&SUPPORTED)
                    ),
                }
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

fn is_name_or_arn(written: &str) -> bool {
    is_name(written)
        || (written.starts_with("arn:")
            && written.split(':').nth(2) == Some("ecs")
            && written.contains('/')
            && is_name(text::last_part(written)))
}

fn is_region(written: &str) -> bool {
    let mut parts = written.split('-').rev();
    let number = parts.next().unwrap_or_default();
    let words: Vec<&str> = parts.collect();
    number.len() == 1
        && number.bytes().all(|b| b.is_ascii_digit())
        && words.len() >= 2
        && words
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
}

/// The cluster of a service's long ARN, `…:service/cluster/service`.
fn cluster_in_service_arn(service: &str) -> Option<&str> {
    let (_, path) = service.strip_prefix("arn:")?.split_once(":service/")?;
    path.split_once('/').map(|(cluster, _)| cluster)
}

fn region_in_arn(written: &str) -> Option<&str> {
    written.strip_prefix("arn:")?.split(':').nth(2)
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
        let written = written_in(json).unwrap();
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
        parse(written_in(json).unwrap()).unwrap()
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
                input_artifact: None,
                timeout: Duration::from_hours(1),
                base: BaseRevision::Service,
                rollback: true,
                dry_run: false,
                verify_images: true,
                container: None,
                pipeline_execution_id: None,
                region: None,
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
        assert_eq!(spec.base, BaseRevision::Latest);
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
                r#"{"Clustername": "prod", "DeploymentTimeout": 0, "DryRun": "ja", "PinDigests": true}"#
            ),
            [
                "DeploymentTimeout is 0: expected a whole number of minutes from 1 to 1380",
                "DryRun is \"ja\": expected true or false",
                "Clustername is not a parameter: did you mean ClusterName?",
                "PinDigests is not supported yet: remove it",
                "ClusterName is required and not set",
                "ServiceName is required and not set",
            ]
        );
    }

    #[test]
    fn each_later_parameter_is_recognised_and_refused() {
        for name in NOT_YET {
            assert_eq!(
                problem_with(name, &json!("x")),
                format!("{name} is not supported yet: remove it")
            );
        }
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
            let told = written_in(json).unwrap_err().to_string();
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
    fn region_codes_of_all_partitions_are_known_by_their_shape() {
        for region in [
            "eu-central-1",
            "us-gov-west-1",
            "cn-north-1",
            "ap-southeast-7",
            "us-iso-east-1",
        ] {
            assert!(is_region(region), "{region}");
        }
        for region in [
            "eu",
            "eu-1",
            "EU-central-1",
            "eu--1",
            "eu-central-",
            "eu-central-12",
        ] {
            assert!(!is_region(region), "{region}");
        }
    }
}
