//! CodePipeline: jobs and the answers to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::credentials::{
    ARTIFACT_ACCESS_KEY_ID, ARTIFACT_SECRET_ACCESS_KEY, ARTIFACT_SESSION_TOKEN,
};
use crate::s3::S3;
use crate::wire::{ApiError, text};

/// Output variables' names and values together
/// (<https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html>).
const VARIABLES_LIMIT_BYTES: usize = 122_880;

/// Of UTF-8: what is known of the token, and not known of the others, for which the unkinder of
/// the two is played.
const TOKEN_LIMIT_BYTES: usize = 2048;
const SUMMARY_LIMIT_BYTES: usize = 2048;
const MESSAGE_LIMIT_BYTES: usize = 5000;
const ID_LIMIT_BYTES: usize = 1500;

/// CodePipeline. Clones are the same.
#[derive(Clone)]
pub struct CodePipeline {
    account: String,
    s3: S3,
    jobs: Arc<Mutex<Jobs>>,
}

#[derive(Debug, Default)]
struct Jobs {
    started: u64,
    known: BTreeMap<String, Job>,
    /// In the order of the answers.
    answered: Vec<(String, Answer)>,
}

#[derive(Debug)]
struct Job {
    event: Option<Value>,
    answer: Option<Answer>,
    /// What became of the action with the answer.
    end: Option<Result<(), String>>,
}

/// What an action is started with.
#[derive(Clone, Debug, Default)]
pub struct StartAction {
    /// The action's configuration, as `{"FunctionName": …, "UserParameters": …}`.
    pub configuration: Value,
    /// Name, bucket and key of each input artifact.
    pub inputs: Vec<(String, String, String)>,
    /// Name, bucket and key of each output artifact.
    pub outputs: Vec<(String, String, String)>,
    /// The ARN of a customer's KMS key.
    pub encryption_key: Option<String>,
}

/// An answer that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// `PutJobSuccessResult`.
    Success {
        /// The job goes on with this.
        continuation_token: Option<String>,
        /// What the pipeline's page shows.
        summary: Option<String>,
        /// ECS's deployment, say.
        external_execution_id: Option<String>,
        /// 0 to 100.
        percent_complete: Option<i64>,
        /// The action's output variables.
        output_variables: BTreeMap<String, String>,
    },
    /// `PutJobFailureResult`.
    Failure {
        /// `JobFailed`, `ConfigurationError`, …
        kind: String,
        /// Why.
        message: String,
        /// ECS's deployment, say.
        external_execution_id: Option<String>,
    },
}

impl CodePipeline {
    pub(crate) fn new(account: String, s3: S3) -> Self {
        Self {
            account,
            s3,
            jobs: Arc::default(),
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts an action: the event that the function gets. Its job is in progress from now on.
    pub fn start(&self, action: &StartAction) -> Value {
        let artifacts = |artifacts: &[(String, String, String)]| -> Vec<Value> {
            let each = artifacts.iter().map(|(name, bucket, key)| {
                json!({"name": name, "revision": null, "location": {"type": "S3",
                    "s3Location": {"bucketName": bucket, "objectKey": key}}})
            });
            each.collect()
        };
        let mut data = json!({
            "actionConfiguration": {"configuration": action.configuration},
            "inputArtifacts": artifacts(&action.inputs),
            "outputArtifacts": artifacts(&action.outputs),
            "artifactCredentials": {
                "accessKeyId": ARTIFACT_ACCESS_KEY_ID,
                "secretAccessKey": ARTIFACT_SECRET_ACCESS_KEY,
                "sessionToken": ARTIFACT_SESSION_TOKEN,
                "expirationTime": crate::clock::EPOCH_MS + 3_600_000,
            },
        });
        if let Some(key) = &action.encryption_key {
            data["encryptionKey"] = json!({"id": key, "type": "KMS"});
        }
        self.open(&data)
    }

    /// A new job with `data`.
    fn open(&self, data: &Value) -> Value {
        let mut jobs = self.jobs();
        jobs.started += 1;
        let id = format!("00000000-0000-4000-8000-{:012x}", jobs.started);
        let event = json!({"CodePipeline.job":
            {"id": id, "accountId": self.account, "data": data}});
        drop(jobs);
        self.open_job(&event);
        event
    }

    /// Makes this event's job one that is in progress and not answered: for events that bring
    /// their own, and to deliver one twice.
    pub fn open_job(&self, event: &Value) {
        let id = text(&event["CodePipeline.job"], "id").to_owned();
        let job = Job {
            event: Some(event.clone()),
            answer: None,
            end: None,
        };
        self.jobs().known.insert(id, job);
    }

    /// The event that follows on a job that was answered with a continuation token.
    pub fn next_event(&self, job: &str) -> Option<Value> {
        let data = {
            let jobs = self.jobs();
            let known = jobs.known.get(job)?;
            let Some(Answer::Success {
                continuation_token: Some(token),
                ..
            }) = &known.answer
            else {
                return None;
            };
            let mut data = known.event.as_ref()?["CodePipeline.job"]["data"].clone();
            data["continuationToken"] = json!(token);
            data
        };
        Some(self.open(&data))
    }

    /// The answer to a job, if there was one that was accepted.
    pub fn answer(&self, job: &str) -> Option<Answer> {
        self.jobs().known.get(job)?.answer.clone()
    }

    /// What became of the action whose last job this was: CodePipeline takes a success and fails
    /// the action all the same if an output artifact that it declares is not there.
    pub fn end(&self, job: &str) -> Result<(), String> {
        let not_yet = || Err("the action has not ended".to_owned());
        let jobs = self.jobs();
        let known = jobs.known.get(job).and_then(|job| job.end.clone());
        known.unwrap_or_else(not_yet)
    }

    /// The end of an action with `answer`; `None` if it goes on.
    fn end_with(&self, event: Option<&Value>, answer: &Answer) -> Option<Result<(), String>> {
        match answer {
            Answer::Success {
                continuation_token: Some(_),
                ..
            } => return None,
            Answer::Success { .. } => {}
            Answer::Failure { kind, message, .. } => {
                return Some(Err(format!("{kind}: {message}")));
            }
        }
        let data = event.map(|event| &event["CodePipeline.job"]["data"]);
        let outputs = data.and_then(|data| data["outputArtifacts"].as_array());
        for output in outputs.into_iter().flatten() {
            let location = &output["location"]["s3Location"];
            let (bucket, key) = (text(location, "bucketName"), text(location, "objectKey"));
            if self.s3.get(bucket, key).is_none() {
                let name = text(output, "name");
                return Some(Err(format!("Output artifact {name} not found")));
            }
        }
        Some(Ok(()))
    }

    /// Every accepted answer with its job, in order.
    pub fn answers(&self) -> Vec<(String, Answer)> {
        self.jobs().answered.clone()
    }

    pub(crate) fn call(&self, operation: &str, request: &Value) -> Result<Value, ApiError> {
        let answer = match operation {
            "PutJobSuccessResult" => success(request)?,
            _ => failure(request)?,
        };
        let id = text(request, "jobId").to_owned();
        let mut jobs = self.jobs();
        let Some(job) = jobs.known.get_mut(&id) else {
            let message = format!("A job with the ID {id} does not exist.");
            return Err(ApiError::new("JobNotFoundException", message));
        };
        if job.answer.is_some() {
            return Err(ApiError::new(
                "InvalidJobStateException",
                format!("The job with the ID {id} is not in the state InProgress."),
            ));
        }
        job.end = self.end_with(job.event.as_ref(), &answer);
        job.answer = Some(answer.clone());
        jobs.answered.push((id, answer));
        Ok(json!({}))
    }
}

fn success(request: &Value) -> Result<Answer, ApiError> {
    let details = &request["executionDetails"];
    let no_variables = Map::new();
    let variables = request["outputVariables"]
        .as_object()
        .unwrap_or(&no_variables);
    let token = owned(request, "continuationToken");
    // The model says characters; CodePipeline counts bytes.
    bounded("continuationToken", token.as_deref(), TOKEN_LIMIT_BYTES)?;
    bounded("summary", details["summary"].as_str(), SUMMARY_LIMIT_BYTES)?;
    bounded_id(details)?;
    if token.is_some() && !variables.is_empty() {
        return Err(ApiError::new(
            "ValidationException",
            "Output variables cannot be given with a continuation token.",
        ));
    }
    let size: usize = variables
        .iter()
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    if size > VARIABLES_LIMIT_BYTES {
        return Err(ApiError::new(
            "OutputVariablesSizeExceededException",
            format!("The output variables have {size} bytes."),
        ));
    }
    Ok(Answer::Success {
        continuation_token: token,
        summary: owned(details, "summary"),
        external_execution_id: owned(details, "externalExecutionId"),
        percent_complete: details["percentComplete"].as_i64(),
        output_variables: variables
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
    })
}

fn failure(request: &Value) -> Result<Answer, ApiError> {
    let details = &request["failureDetails"];
    bounded("message", details["message"].as_str(), MESSAGE_LIMIT_BYTES)?;
    bounded_id(details)?;
    Ok(Answer::Failure {
        kind: text(details, "type").to_owned(),
        message: text(details, "message").to_owned(),
        external_execution_id: owned(details, "externalExecutionId"),
    })
}

fn bounded_id(details: &Value) -> Result<(), ApiError> {
    const MEMBER: &str = "externalExecutionId";
    bounded(MEMBER, details[MEMBER].as_str(), ID_LIMIT_BYTES)
}

fn bounded(member: &str, text: Option<&str>, limit: usize) -> Result<(), ApiError> {
    let length = text.map_or(0, str::len);
    if length <= limit {
        return Ok(());
    }
    Err(ApiError::new(
        "ValidationException",
        format!(
            "Value at '{member}' failed to satisfy constraint: Member must have length less than or equal to {limit}"
        ),
    ))
}

fn owned(object: &Value, member: &str) -> Option<String> {
    object[member].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline() -> CodePipeline {
        CodePipeline::new("111122223333".to_owned(), S3::default())
    }

    fn code(outcome: Result<Value, ApiError>) -> String {
        outcome.map_or_else(|error| error.code, |_| "ok".to_owned())
    }

    #[test]
    fn a_job_takes_one_answer_and_an_unknown_job_none() {
        let pipeline = pipeline();
        let event = pipeline.start(&StartAction::default());
        let id = event["CodePipeline.job"]["id"].as_str().unwrap();
        let put = |id: &str| code(pipeline.call("PutJobSuccessResult", &json!({"jobId": id})));
        assert_eq!(put(id), "ok");
        assert_eq!(put(id), "InvalidJobStateException");
        assert_eq!(put("unknown"), "JobNotFoundException");
        assert_eq!(pipeline.answers().len(), 1);
    }

    #[test]
    fn a_continuation_is_a_new_job_with_the_token() {
        let pipeline = pipeline();
        let event = pipeline.start(&StartAction::default());
        let id = event["CodePipeline.job"]["id"].as_str().unwrap();
        assert_eq!(pipeline.next_event(id), None);
        let request = json!({"jobId": id, "continuationToken": "t"});
        pipeline.call("PutJobSuccessResult", &request).unwrap();
        let next = pipeline.next_event(id).unwrap();
        assert_ne!(
            next["CodePipeline.job"]["id"],
            event["CodePipeline.job"]["id"]
        );
        assert_eq!(next["CodePipeline.job"]["data"]["continuationToken"], "t");
    }

    #[test]
    fn a_success_without_its_output_artifacts_is_a_failed_action() {
        let pipeline = pipeline();
        let output = |name: &str| (name.to_owned(), "b".to_owned(), name.to_owned());
        let action = StartAction {
            outputs: vec![output("One"), output("Two")],
            ..StartAction::default()
        };
        pipeline.s3.put("b", "One", "x");
        for (request, end) in [
            (
                json!({"continuationToken": "t"}),
                Err("the action has not ended"),
            ),
            (json!({}), Err("Output artifact Two not found")),
        ] {
            let event = pipeline.start(&action);
            let id = event["CodePipeline.job"]["id"].as_str().unwrap();
            let mut request = request;
            request["jobId"] = json!(id);
            pipeline.call("PutJobSuccessResult", &request).unwrap();
            assert_eq!(pipeline.end(id), end.map_err(str::to_owned));
        }
        pipeline.s3.put("b", "Two", "x");
        let event = pipeline.start(&action);
        let id = event["CodePipeline.job"]["id"].as_str().unwrap();
        pipeline
            .call("PutJobSuccessResult", &json!({"jobId": id}))
            .unwrap();
        assert_eq!(pipeline.end(id), Ok(()));
    }

    #[test]
    fn texts_are_bounded_by_their_bytes() {
        let pipeline = pipeline();
        let token = |token: String| {
            code(pipeline.call(
                "PutJobSuccessResult",
                &json!({"jobId": "x", "continuationToken": token}),
            ))
        };
        assert_eq!(token("é".repeat(1024)), "JobNotFoundException");
        assert_eq!(token("é".repeat(1025)), "ValidationException");
        let message = json!({"jobId": "x", "failureDetails": {"type": "JobFailed", "message": "é".repeat(2501)}});
        assert_eq!(
            code(pipeline.call("PutJobFailureResult", &message)),
            "ValidationException"
        );
    }

    #[test]
    fn output_variables_beside_a_token_or_too_many_are_refused() {
        let pipeline = pipeline();
        let put = |request| code(pipeline.call("PutJobSuccessResult", &request));
        assert_eq!(
            put(json!({"jobId": "x", "continuationToken": "t", "outputVariables": {"a": "b"}})),
            "ValidationException"
        );
        assert_eq!(
            put(json!({"jobId": "x", "outputVariables": {"a": "b".repeat(VARIABLES_LIMIT_BYTES)}})),
            "OutputVariablesSizeExceededException"
        );
    }
}
