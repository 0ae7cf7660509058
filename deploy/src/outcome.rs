//! How an invocation ends.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::message::Message;

/// `executionDetails.summary`, `externalExecutionId`: what CodePipeline takes, in characters
/// (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ExecutionDetails.html>), and
/// perhaps in bytes: see [`crate::text::cut_bytes`].
pub const SUMMARY_LIMIT_BYTES: usize = 2048;

/// The outcome of one invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Every service serves this job's revision; or a dry run found nothing wrong.
    Succeeded {
        /// What serves, and what else is to be known of it.
        message: Message,
        /// Output variables of the action.
        variables: BTreeMap<String, String>,
        /// The first service's deployment.
        external_execution_id: Option<String>,
    },
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
        /// The first service's deployment, if there was one.
        external_execution_id: Option<String>,
    },
    /// Not yet.
    InProgress {
        /// To be handed back.
        token: String,
        /// The progress that is reported.
        details: Details,
    },
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Failed {
            failure,
            external_execution_id: None,
        }
    }
}

/// What is reported beside the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// One sentence for the pipeline's page.
    pub summary: String,
    /// ECS's deployment id.
    pub external_execution_id: Option<String>,
    /// 0 to 100.
    pub percent_complete: Option<i32>,
}
