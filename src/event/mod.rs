//! An event as our order: CodePipeline's job, or a deployment by hand.
//!
//! Own types, read from the raw JSON: the job's id comes first, so that whatever is wrong with the
//! rest can be answered. No value of the event is ever put into an error, and the credentials
//! cannot be printed. Shape of the event:
//! <https://docs.aws.amazon.com/codepipeline/latest/userguide/actions-invoke-lambda-function.html#actions-invoke-lambda-function-json-event-example>.

mod id;

use std::fmt;

use aws_credential_types::Credentials;
use serde_json::{Map, Value};

use crate::artifact::location::Location;
use crate::deploy::text;
use crate::parameters::{self, Written};

const JOB: &str = "CodePipeline.job";

/// Members of a manual event that are not parameters.
const IMAGE_DEFINITIONS: &str = "ImageDefinitions";
const ARTIFACT: &str = "Artifact";
const CONTINUATION_TOKEN: &str = "ContinuationToken";

/// Parameters with which an action needs no images.
const WITHOUT_IMAGES: [&str; 2] = ["TaskDefinition", "ContinueDeployment"];

/// An event, as far as it could be read.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The job to answer, if there is one with an id.
    pub job: Option<String>,
    /// What is asked for, or every sentence about what is wrong with the event.
    pub order: Result<Order, Vec<String>>,
}

/// What an event asks for. The parameters are not parsed yet.
#[derive(Debug, Clone)]
pub struct Order {
    /// The parameters as written.
    pub parameters: Written,
    /// Where the images are written.
    pub source: Source,
    /// A job of CodePipeline waits for an answer: else it is a deployment by hand.
    pub is_job: bool,
    /// What the last answer to this deployment handed over.
    pub continuation_token: Option<String>,
    /// The job's credentials for its artifacts; a manual deployment has none.
    pub credentials: Option<ArtifactCredentials>,
    /// Where the action's output artifacts belong.
    pub outputs: Vec<Artifact>,
    /// The customer key that output artifacts are to be encrypted with.
    pub encryption_key: Option<String>,
}

/// Where the images are written.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// In one of the action's input artifacts.
    Artifacts(Vec<Artifact>),
    /// In the manual event itself: the array, as in imagedefinitions.json.
    Event(Value),
    /// Nowhere; enough for an event that goes on with a token.
    Nowhere,
}

/// An artifact of the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name in the pipeline.
    pub name: String,
    /// Where it is; CodePipeline may leave this out.
    pub location: Option<Location>,
}

/// Credentials that read the job's artifacts.
#[derive(Clone)]
pub struct ArtifactCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

impl fmt::Debug for ArtifactCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArtifactCredentials(not shown)")
    }
}

impl ArtifactCredentials {
    /// As the SDK wants them.
    pub fn for_sdk(&self) -> Credentials {
        // Without the expiry: S3 says it when they are too old, in a text that we pass on.
        Credentials::new(
            &self.access_key_id,
            &self.secret_access_key,
            self.session_token.clone(),
            None,
            "CodePipeline job",
        )
    }
}

/// Reads an event as it came. What is no JSON, or more than its parser takes, is reported with its
/// place, and to the job whose id can be made out all the same.
pub fn read_bytes(event: &[u8]) -> Incoming {
    match serde_json::from_slice(event) {
        Ok(event) => read(&event),
        Err(error) => Incoming {
            job: id::find(event, JOB, event.len()).id,
            order: Err(vec![unreadable(event, &error)]),
        },
    }
}

/// What is wrong with an event that is no JSON, without a value of it.
fn unreadable(event: &[u8], error: &serde_json::Error) -> String {
    let lines_before = error.line().saturating_sub(1);
    let lines = event.split_inclusive(|byte| *byte == b'\n');
    let line_begins: usize = lines.take(lines_before).map(<[u8]>::len).sum();
    // The first byte of a line is its column 1.
    let place = line_begins + error.column().saturating_sub(1);
    let path = id::find(event, JOB, place).path;
    let member = if path.is_empty() {
        String::new()
    } else {
        format!(", in {}", path.join("."))
    };
    format!(
        "the event cannot be read: {} at line {} column {}{member}. Correct what is written there. Nothing was changed by this invocation; a deployment that was under way goes on unwatched",
        text::without_position(error),
        error.line(),
        error.column(),
    )
}

/// Reads an event. Never fails: what is wrong is in the result.
pub fn read(event: &Value) -> Incoming {
    let Some(event) = event.as_object() else {
        return Incoming {
            job: None,
            order: Err(vec![
                "the event is not a JSON object: expected a CodePipeline job, or a manual deployment as events/manual.json shows"
                    .to_owned(),
            ]),
        };
    };
    match event.get(JOB) {
        Some(job) => Incoming {
            job: text_in(job, "id").filter(|id| !id.is_empty()),
            order: order_of_job(job),
        },
        None => Incoming {
            job: None,
            order: order_by_hand(event),
        },
    }
}

fn order_of_job(job: &Value) -> Result<Order, Vec<String>> {
    let mut problems = Vec::new();
    if text_in(job, "id").is_none_or(|id| id.is_empty()) {
        problems
            .push("the event's CodePipeline.job has no id, so nobody can be answered".to_owned());
    }
    let data = &job["data"];
    let configuration = data["actionConfiguration"]["configuration"].as_object();
    let written = match configuration {
        Some(configuration) => written_in(configuration).map_err(|problem| problem.to_string()),
        None => Err(
            "the event's CodePipeline.job has no data.actionConfiguration.configuration".to_owned(),
        ),
    };
    let inputs = artifacts_in(data, "inputArtifacts");
    let outputs = artifacts_in(data, "outputArtifacts");
    match (written, inputs, outputs) {
        (Ok(parameters), Ok(inputs), Ok(outputs)) if problems.is_empty() => Ok(Order {
            parameters,
            source: Source::Artifacts(inputs),
            is_job: true,
            continuation_token: text_in(data, "continuationToken").filter(|it| !it.is_empty()),
            credentials: credentials_in(&data["artifactCredentials"]),
            outputs,
            encryption_key: text_in(&data["encryptionKey"], "id"),
        }),
        (written, inputs, outputs) => {
            problems.extend(written.err());
            problems.extend(inputs.err());
            problems.extend(outputs.err());
            Err(problems)
        }
    }
}

/// `UserParameters` if it is set, else the other members of the configuration.
fn written_in(configuration: &Map<String, Value>) -> Result<Written, parameters::Problem> {
    match configuration.get("UserParameters") {
        Some(Value::String(json)) if !json.trim().is_empty() => {
            parameters::written_in("UserParameters", json)
        }
        _ => Ok(parameters::written_in_configuration(configuration)),
    }
}

fn artifacts_in(data: &Value, member: &str) -> Result<Vec<Artifact>, String> {
    let artifacts = match &data[member] {
        Value::Null => return Ok(Vec::new()),
        Value::Array(artifacts) => artifacts,
        _ => return Err(format!("the event's {member} is not an array")),
    };
    let read = artifacts.iter().enumerate().map(|(index, artifact)| {
        let name = text_in(artifact, "name")
            .ok_or_else(|| format!("entry {} of the event's {member} has no name", index + 1))?;
        let s3 = &artifact["location"]["s3Location"];
        Ok(Artifact {
            name,
            location: location_in(s3, "bucketName", "objectKey"),
        })
    });
    read.collect()
}

fn credentials_in(credentials: &Value) -> Option<ArtifactCredentials> {
    Some(ArtifactCredentials {
        access_key_id: text_in(credentials, "accessKeyId")?,
        secret_access_key: text_in(credentials, "secretAccessKey")?,
        session_token: text_in(credentials, "sessionToken"),
    })
}

fn order_by_hand(event: &Map<String, Value>) -> Result<Order, Vec<String>> {
    let mut problems = Vec::new();
    let parameters = event
        .iter()
        .filter(|(name, _)| {
            ![IMAGE_DEFINITIONS, ARTIFACT, CONTINUATION_TOKEN].contains(&name.as_str())
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let continuation_token = match event.get(CONTINUATION_TOKEN) {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) if !token.is_empty() => Some(token.clone()),
        Some(_) => {
            problems.push(format!(
                "{CONTINUATION_TOKEN} is not a text: write what the report before had as continuationToken"
            ));
            None
        }
    };
    let given = |member: &str| event.get(member).filter(|value| !value.is_null());
    let source = match (given(IMAGE_DEFINITIONS), given(ARTIFACT)) {
        (Some(_), Some(_)) => {
            problems.push(format!(
                "the event has {IMAGE_DEFINITIONS} and {ARTIFACT}: keep one"
            ));
            Source::Nowhere
        }
        (Some(definitions), None) => Source::Event(definitions.clone()),
        (None, Some(artifact)) => {
            if let Some(location) = location_in(artifact, "Bucket", "Key") {
                Source::Artifacts(vec![Artifact {
                    name: location.to_string(),
                    location: Some(location),
                }])
            } else {
                problems.push(format!(
                    r#"{ARTIFACT} names no object: write {{"Bucket": "…", "Key": "…"}}"#
                ));
                Source::Nowhere
            }
        }
        (None, None) => {
            let is_without = WITHOUT_IMAGES.iter().any(|name| event.contains_key(*name));
            if continuation_token.is_none() && !is_without {
                problems.push(format!(
                    r#"the event says no images: add "{IMAGE_DEFINITIONS}": [{{"name": "<container>", "imageUri": "<image>"}}] or "{ARTIFACT}": {{"Bucket": "…", "Key": "…"}}"#
                ));
            }
            Source::Nowhere
        }
    };
    if problems.is_empty() {
        Ok(Order {
            parameters,
            source,
            is_job: false,
            continuation_token,
            credentials: None,
            outputs: Vec::new(),
            encryption_key: None,
        })
    } else {
        Err(problems)
    }
}

fn location_in(object: &Value, bucket: &str, key: &str) -> Option<Location> {
    let filled = |member| text_in(object, member).filter(|text| !text.is_empty());
    Some(Location {
        bucket: filled(bucket)?,
        key: filled(key)?,
    })
}

fn text_in(object: &Value, member: &str) -> Option<String> {
    object.get(member)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(configuration: Value) -> Value {
        json!({"CodePipeline.job": {
        "id": "j-1", "accountId": "111122223333",
        "data": {
            "actionConfiguration": {"configuration": configuration},
            "inputArtifacts": [{"name": "Build", "revision": null, "location":
                {"type": "S3", "s3Location": {"bucketName": "b", "objectKey": "k"}}}],
            "outputArtifacts": [],
            "artifactCredentials": {
                "accessKeyId": "ASIA-MARK", "secretAccessKey": "secret-MARK",
                "sessionToken": "token-MARK", "expirationTime": 1_790_000_000_000_i64},
            "continuationToken": "1 {}",
            "encryptionKey": {"id": "arn:aws:kms:eu-central-1:111122223333:key/1", "type": "KMS"},
        }}})
    }

    fn problems(event: &Value) -> Vec<String> {
        read(event).order.unwrap_err()
    }

    #[test]
    fn a_job_is_read_with_all_that_later_steps_need() {
        let incoming = read(&job(
            json!({"FunctionName": "f", "UserParameters": r#"{"A": 1}"#}),
        ));
        assert_eq!(incoming.job.as_deref(), Some("j-1"));
        let order = incoming.order.unwrap();
        assert_eq!(order.parameters, [("A".to_owned(), json!(1))]);
        let location = Location {
            bucket: "b".to_owned(),
            key: "k".to_owned(),
        };
        let artifact = Artifact {
            name: "Build".to_owned(),
            location: Some(location),
        };
        assert_eq!(order.source, Source::Artifacts(vec![artifact]));
        assert_eq!(order.continuation_token.as_deref(), Some("1 {}"));
        assert_eq!(
            order.encryption_key.as_deref(),
            Some("arn:aws:kms:eu-central-1:111122223333:key/1")
        );
        let credentials = order.credentials.unwrap().for_sdk();
        assert_eq!(credentials.access_key_id(), "ASIA-MARK");
        assert_eq!(credentials.session_token(), Some("token-MARK"));
    }

    #[test]
    fn nothing_of_the_credentials_is_in_the_debug_text() {
        let incoming = read(&job(json!({"UserParameters": "{}"})));
        let debug = format!("{incoming:?}");
        assert!(
            debug.contains("not shown") && !debug.contains("MARK"),
            "{debug}"
        );
    }

    #[test]
    fn without_user_parameters_the_configuration_itself_is_read() {
        for absent in [
            json!({"FunctionName": "f", "ClusterName": "c"}),
            json!({"FunctionName": "f", "UserParameters": " ", "ClusterName": "c"}),
        ] {
            let order = read(&job(absent)).order.unwrap();
            assert_eq!(order.parameters, [("ClusterName".to_owned(), json!("c"))]);
        }
    }

    #[test]
    fn a_job_whose_rest_is_garbage_still_tells_its_id() {
        let incoming = read(&json!({"CodePipeline.job": {"id": "j-1", "data": 7}}));
        assert_eq!(incoming.job.as_deref(), Some("j-1"));
        assert!(incoming.order.unwrap_err()[0].contains("configuration"));

        let mut broken = job(json!({"UserParameters": "{"}));
        broken["CodePipeline.job"]["data"]["inputArtifacts"] = json!("x");
        let incoming = read(&broken);
        assert_eq!(incoming.job.as_deref(), Some("j-1"));
        assert_eq!(incoming.order.unwrap_err().len(), 2);
    }

    #[test]
    fn an_event_without_an_id_says_that_nobody_can_be_answered() {
        for event in [
            json!({"CodePipeline.job": {}}),
            json!({"CodePipeline.job": null}),
            json!({"CodePipeline.job": {"id": 7}}),
            json!({"CodePipeline.job": {"id": ""}}),
        ] {
            assert_eq!(read(&event).job, None);
            assert!(problems(&event)[0].contains("has no id"));
        }
    }

    #[test]
    fn what_is_no_object_is_reported() {
        for event in [json!(null), json!([]), json!("x")] {
            assert!(problems(&event)[0].contains("not a JSON object"));
        }
    }

    #[test]
    fn what_no_parser_takes_tells_the_job_and_the_place_and_no_value() {
        let event = br#"{"CodePipeline.job": {"id": "j-1", "data": {"actionConfiguration":
            {"configuration": {"UserParameters": "MARK \ud800"}}}}}"#;
        let incoming = read_bytes(event);
        assert_eq!(incoming.job.as_deref(), Some("j-1"));
        let message = &incoming.order.unwrap_err()[0];
        assert!(
            message.contains("hex escape at line 2 column")
                && message.contains(
                    "in CodePipeline.job.data.actionConfiguration.configuration.UserParameters"
                )
                && !message.contains("MARK"),
            "{message}"
        );
        for (event, wrong) in [
            (
                &b"{\"CodePipeline.job\": {\"id\": \"j-1\", \"a\": \"\xff\"}}"[..],
                "unicode",
            ),
            (
                br#"{"CodePipeline.job": {"id": "j-1", "a": 1e400}}"#,
                "out of range",
            ),
            (br#"{"CodePipeline.job": {"id": "j-1"#, "EOF"),
            (br#"{"CodePipeline.job": {"id": "j-1"}} x"#, "trailing"),
            (b"", "EOF"),
        ] {
            let incoming = read_bytes(event);
            let message = &incoming.order.unwrap_err()[0];
            assert!(message.contains(wrong), "{message}");
        }
    }

    #[test]
    fn a_manual_event_has_its_parameters_at_the_top() {
        let definitions = json!([{"name": "app", "imageUri": "r/app:1"}]);
        let incoming = read(&json!({"ClusterName": "c", "ImageDefinitions": definitions}));
        assert_eq!(incoming.job, None);
        let order = incoming.order.unwrap();
        assert_eq!(order.parameters, [("ClusterName".to_owned(), json!("c"))]);
        assert_eq!(order.source, Source::Event(definitions));
    }

    #[test]
    fn a_manual_event_may_name_an_artifact_or_go_on_with_a_token() {
        let order = read(&json!({"Artifact": {"Bucket": "b", "Key": "k"}}))
            .order
            .unwrap();
        assert!(matches!(order.source, Source::Artifacts(one) if one.len() == 1));
        let order = read(&json!({"ContinuationToken": "1 {}"})).order.unwrap();
        assert_eq!(order.source, Source::Nowhere);
        assert_eq!(order.continuation_token.as_deref(), Some("1 {}"));
    }

    #[test]
    fn a_manual_event_without_images_or_with_too_many_is_refused_with_what_to_write() {
        assert!(problems(&json!({}))[0].contains("ImageDefinitions"));
        assert!(problems(&json!({"Artifact": {"Bucket": "b"}}))[0].contains("Key"));
        assert!(
            problems(&json!({"Artifact": {"Bucket": "b", "Key": "k"}, "ImageDefinitions": []}))[0]
                .contains("keep one")
        );
        assert!(problems(&json!({"ContinuationToken": 1}))[0].contains("continuationToken"));
    }
}
