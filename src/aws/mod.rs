//! ACTS: one file per service, translation only, no policy. [`error`] is the only place where an
//! SDK error is classified.

pub mod codepipeline;
pub mod ecr;
pub mod ecs;
pub mod error;
pub mod events;
pub mod logs;
mod raw;
pub mod s3;
pub mod scheduler;
mod sts;

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};

use crate::parameters::AssumedRole;

/// A connection that is not there after this long will not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest silence within one answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// One attempt, of which there are [`ATTEMPTS`].
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// All attempts of one call: a hung socket must not eat the invocation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(45);
/// How often one call is tried in all.
const ATTEMPTS: u32 = 4;

/// The partition of a Region, as ARNs name it.
fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// What the host names of a Region's services end in.
fn dns_suffix(region: &str) -> &'static str {
    if partition(region) == "aws-cn" {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    }
}

/// One attempt of an answer to CodePipeline. It comes at the end, when the network may be what
/// ended the rest: a connection that hangs must leave time for another.
const ANSWER_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
/// All attempts of an answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(13);

/// What every client is made from: one HTTP client, one set of credentials, one retry policy.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
}

impl Aws {
    /// From the environment, as Lambda sets it; `AWS_ENDPOINT_URL` is honoured.
    pub async fn from_environment() -> Self {
        let http_client = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .load()
            .await;
        Self { config }
    }

    /// From a configuration made elsewhere: tests use shorter pauses between retries.
    pub fn new(config: SdkConfig) -> Self {
        Self { config }
    }

    /// The function's own Region, if one is set.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(Region::as_ref)
    }

    /// The same in `region`, or in the function's own.
    fn within(&self, region: Option<&str>) -> SdkConfig {
        match region {
            None => self.config.clone(),
            Some(region) => {
                let region = Region::new(region.to_owned());
                self.config.to_builder().region(region).build()
            }
        }
    }

    /// The clients of another Region, with the credentials of a role, if there is one. The role is
    /// assumed when the first call needs it.
    #[must_use]
    pub fn in_account(&self, region: Option<&str>, role: Option<&AssumedRole>) -> Self {
        let config = self.within(region);
        let Some(role) = role else {
            return Self { config };
        };
        let assumed = sts::Assumed::new(aws_sdk_sts::Client::new(&self.config), role.clone());
        let config = config
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(assumed))
            .build();
        Self { config }
    }

    /// `EventBridge`.
    pub fn events(&self) -> events::Events {
        events::Events::new(self.config.clone())
    }

    /// `EventBridge` Scheduler.
    pub fn scheduler(&self) -> scheduler::Scheduler {
        scheduler::Scheduler::new(self.config.clone())
    }

    /// ECS in `region`, or in the function's own.
    pub fn ecs(&self, region: Option<&str>) -> ecs::Ecs {
        ecs::Ecs::new(aws_sdk_ecs::Client::new(&self.within(region)))
    }

    /// ECR in `region`, or in the function's own.
    pub fn ecr(&self, region: Option<&str>) -> ecr::Ecr {
        ecr::Ecr::new(self.within(region))
    }

    /// CloudWatch Logs in `region`, or in the function's own.
    pub fn logs(&self, region: Option<&str>) -> logs::Logs {
        logs::Logs::new(self.within(region))
    }

    /// CodePipeline, where the function itself runs.
    pub fn codepipeline(&self) -> codepipeline::CodePipeline {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(ANSWER_ATTEMPT_TIMEOUT)
            .operation_attempt_timeout(ANSWER_ATTEMPT_TIMEOUT)
            .operation_timeout(ANSWER_TIMEOUT)
            .build();
        let config = aws_sdk_codepipeline::config::Builder::from(&self.config);
        // The SDK's budget for retries is shared by all that a process does: a bad hour of other
        // calls must not leave an answer with one attempt, for silence is what it would be.
        let own_budget = RetryPartition::custom("answers").token_bucket(TokenBucket::unlimited());
        let config = config
            .timeout_config(timeouts)
            .retry_partition(own_budget.build())
            .build();
        codepipeline::CodePipeline::new(aws_sdk_codepipeline::Client::from_conf(config))
    }

    /// S3 with the credentials of a job, or with the function's own.
    pub fn s3(&self, credentials: Option<aws_credential_types::Credentials>) -> s3::S3 {
        let mut config = aws_sdk_s3::config::Builder::from(&self.config)
            // A range has no checksum of its own to compare with.
            .response_checksum_validation(
                aws_sdk_s3::config::ResponseChecksumValidation::WhenRequired,
            );
        if let Some(credentials) = credentials {
            config = config.credentials_provider(credentials);
        }
        s3::S3::new(aws_sdk_s3::Client::from_conf(config.build()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hung_socket_costs_one_attempt_and_all_attempts_less_than_a_minute() {
        const {
            assert!(CONNECT_TIMEOUT.as_secs() < ATTEMPT_TIMEOUT.as_secs());
            assert!(READ_TIMEOUT.as_secs() < ATTEMPT_TIMEOUT.as_secs());
            assert!(ATTEMPT_TIMEOUT.as_secs() < OPERATION_TIMEOUT.as_secs());
            assert!(OPERATION_TIMEOUT.as_secs() < 60);
            assert!(3 * ANSWER_ATTEMPT_TIMEOUT.as_secs() < ANSWER_TIMEOUT.as_secs());
        }
    }

    #[test]
    fn each_partition_has_its_name_in_arns_and_its_ending_in_host_names() {
        for (region, name, ending) in [
            ("eu-central-1", "aws", "amazonaws.com"),
            ("cn-northwest-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-east-1", "aws-us-gov", "amazonaws.com"),
        ] {
            assert_eq!(partition(region), name);
            assert_eq!(dns_suffix(region), ending, "{region}");
        }
    }
}
