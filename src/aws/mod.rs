//! ACTS: one file per service, translation only, no policy. [`error`] is the only place where an
//! SDK error is classified.

pub mod cloudwatch;
pub mod codepipeline;
pub mod ecr;
pub mod ecs;
pub mod elb;
mod endpoint;
mod environment;
pub mod error;
pub mod events;
mod hosts;
mod http;
pub mod iam;
pub mod logs;
mod raw;
pub mod s3;
pub mod scheduler;
pub mod secrets;
pub mod ssm;
mod sts;

use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;

use crate::deploy::region::Region;
use crate::deploy::spec::AssumedRole;
use http::OneConnector;

/// A connection that is not open after this long will not open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest silence within one answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// One attempt, of which there are [`ATTEMPTS`].
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// All attempts of one call: a hung socket must not eat the invocation.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(45);
/// How often one call is tried in all.
const ATTEMPTS: u32 = 4;

/// One attempt of an answer to CodePipeline. It comes at the end, when the network may have
/// cut off the rest: a connection that hangs must leave time for another.
const ANSWER_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
/// All attempts of an answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(13);

/// What every client is made from: one HTTP client, one set of credentials, one retry policy.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
    /// The HTTP client, if it is ours.
    connector: Option<OneConnector>,
}

impl Aws {
    /// From the variables that Lambda sets; `AWS_ENDPOINT_URL` is honoured.
    pub fn from_environment(variable: fn(&str) -> Option<String>) -> Self {
        Self::with(environment::read(variable))
    }

    /// With Region, credentials and endpoints of `config`. HTTP client, time limits and retries are
    /// the function's.
    pub fn with(config: SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let connector = OneConnector::default();
        let config = config
            .into_builder()
            .http_client(connector.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .build();
        Self {
            config,
            connector: Some(connector),
        }
    }

    /// From a configuration made elsewhere: tests use shorter pauses between retries.
    pub fn new(config: SdkConfig) -> Self {
        Self {
            config,
            connector: None,
        }
    }

    /// Reads the machine's root certificates on another thread of this runtime, so that neither the
    /// first poll nor the first call has to wait for all of it.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn read_certificates(&self) {
        if let Some(connector) = self.connector.clone() {
            tokio::task::spawn_blocking(move || {
                connector.made();
            });
        }
    }

    /// The function's own Region, if one is set.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(AsRef::as_ref)
    }

    /// The same in `region`, or in the function's own.
    fn within(&self, region: Option<&Region>) -> SdkConfig {
        match region {
            None => self.config.clone(),
            Some(region) => {
                let region = aws_types::region::Region::new(region.name().to_owned());
                self.config.to_builder().region(region).build()
            }
        }
    }

    /// The clients of another Region, with the credentials of a role, if there is one. The role is
    /// assumed when the first call needs it.
    #[must_use]
    pub fn in_account(&self, region: Option<&Region>, role: Option<&AssumedRole>) -> Self {
        let config = self.within(region);
        let Some(role) = role else {
            return Self {
                config,
                ..self.clone()
            };
        };
        let assumed = sts::Assumed::new(aws_sdk_sts::Client::new(&self.config), role.clone());
        let config = config
            .to_builder()
            .credentials_provider(SharedCredentialsProvider::new(assumed))
            .build();
        Self {
            config,
            ..self.clone()
        }
    }

    /// `EventBridge`.
    pub fn events(&self) -> events::Events {
        events::Events::new(self.config.clone())
    }

    /// `EventBridge` in `region`, or in the function's own.
    pub fn events_in(&self, region: Option<&Region>) -> events::Events {
        events::Events::new(self.within(region))
    }

    /// `EventBridge` Scheduler.
    pub fn scheduler(&self) -> scheduler::Scheduler {
        scheduler::Scheduler::new(self.config.clone())
    }

    /// ECS in `region`, or in the function's own.
    pub fn ecs(&self, region: Option<&Region>) -> ecs::Ecs {
        ecs::Ecs::new(aws_sdk_ecs::Client::new(&self.within(region)))
    }

    /// ECR in `region`, or in the function's own.
    pub fn ecr(&self, region: Option<&Region>) -> ecr::Ecr {
        ecr::Ecr::new(self.within(region))
    }

    /// Elastic Load Balancing in the function's own Region.
    pub fn load_balancers(&self) -> elb::LoadBalancers {
        elb::LoadBalancers::new(self.config.clone())
    }

    /// Secrets Manager in `region`, or in the function's own.
    pub fn secrets(&self, region: Option<&Region>) -> secrets::Secrets {
        secrets::Secrets::new(self.within(region))
    }

    /// Systems Manager in `region`, or in the function's own.
    pub fn parameters(&self, region: Option<&Region>) -> ssm::Parameters {
        ssm::Parameters::new(self.within(region))
    }

    /// IAM.
    pub fn iam(&self) -> iam::Iam {
        iam::Iam::new(self.config.clone())
    }

    /// CloudWatch in the function's own Region.
    pub fn cloudwatch(&self) -> cloudwatch::CloudWatch {
        cloudwatch::CloudWatch::new(self.config.clone())
    }

    /// CloudWatch Logs in `region`, or in the function's own.
    pub fn logs(&self, region: Option<&Region>) -> logs::Logs {
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
}
