//! CodePipeline: the answer to a job.

use std::collections::BTreeMap;

use aws_sdk_codepipeline::Client;
use aws_sdk_codepipeline::types::{ExecutionDetails, FailureDetails, FailureType};

use super::error::of_sdk;
use crate::deploy::call::CallError;
use crate::deploy::failure::Failure;
use crate::deploy::outcome::{Details, SUMMARY_LIMIT_BYTES};
use crate::deploy::outside::printable;
use crate::deploy::text;

const PUT_SUCCESS: &str = "codepipeline:PutJobSuccessResult";
const PUT_FAILURE: &str = "codepipeline:PutJobFailureResult";

/// The same of `externalExecutionId`.
const EXTERNAL_ID_LIMIT_BYTES: usize = 1500;

/// CodePipeline with the function's own credentials.
#[derive(Debug, Clone)]
pub struct CodePipeline {
    client: Client,
}

impl CodePipeline {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The job is done.
    ///
    /// # Replay
    /// A second answer to a job is refused ([`crate::deploy::call::Class::JobOver`]) and changes nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn succeeded(
        &self,
        job: &str,
        details: &Details,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), CallError> {
        let request = self
            .client
            .put_job_success_result()
            .job_id(job)
            .execution_details(execution_details(details))
            .set_output_variables(
                Some(variables.clone().into_iter().collect()).filter(|_| !variables.is_empty()),
            );
        let answer = request.send().await;
        answer
            .map(drop)
            .map_err(|error| of_sdk(PUT_SUCCESS, subject(job), &error))
    }

    /// The job goes on: CodePipeline is to come back with `token`.
    ///
    /// # Replay
    /// As [`CodePipeline::succeeded`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn in_progress(
        &self,
        job: &str,
        details: &Details,
        token: &str,
    ) -> Result<(), CallError> {
        let answer = self
            .client
            .put_job_success_result()
            .job_id(job)
            .continuation_token(token)
            .execution_details(execution_details(details))
            .send()
            .await;
        answer
            .map(drop)
            .map_err(|error| of_sdk(PUT_SUCCESS, subject(job), &error))
    }

    /// The job has failed.
    ///
    /// # Replay
    /// As [`CodePipeline::succeeded`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn failed(
        &self,
        job: &str,
        failure: &Failure,
        external_execution_id: Option<&str>,
    ) -> Result<(), CallError> {
        let details = FailureDetails::builder()
            .r#type(FailureType::from(failure.kind.name()))
            .message(failure.message.as_str())
            .set_external_execution_id(fitting_id(external_execution_id))
            .build()
            // Only a missing type or message could make this fail, and both are there.
            .map_err(|error| {
                CallError::unusable(
                    PUT_FAILURE,
                    subject(job),
                    crate::deploy::call::Class::Refused,
                    error.to_string(),
                )
            })?;
        let answer = self
            .client
            .put_job_failure_result()
            .job_id(job)
            .failure_details(details)
            .send()
            .await;
        answer
            .map(drop)
            .map_err(|error| of_sdk(PUT_FAILURE, subject(job), &error))
    }
}

fn subject(job: &str) -> String {
    format!("job {job}")
}

fn execution_details(details: &Details) -> ExecutionDetails {
    ExecutionDetails::builder()
        .summary(text::cut_bytes(
            &printable(&details.summary),
            SUMMARY_LIMIT_BYTES,
        ))
        .set_external_execution_id(fitting_id(details.external_execution_id.as_deref()))
        .set_percent_complete(details.percent_complete)
        .build()
}

/// An id that is too long is left out: cut it would be another.
fn fitting_id(id: Option<&str>) -> Option<String> {
    id.filter(|id| !id.is_empty() && id.len() <= EXTERNAL_ID_LIMIT_BYTES)
        .map(str::to_owned)
}
