//! Systems Manager: which parameters there are.

use aws_types::SdkConfig;
use serde_json::json;

use super::endpoint::Service;
use super::hosts;
use super::raw::RawClient;
use crate::deploy::call::CallError;
use crate::deploy::dependencies::parameter_name;

pub(super) const SERVICE: Service = Service {
    id: "SSM",
    name: "ssm",
    hosts: &hosts::SSM,
    target: "AmazonSSM",
};

/// So many are asked for at once
/// (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>).
pub const AT_ONCE: usize = 10;

/// Systems Manager in one Region.
#[derive(Debug, Clone)]
pub struct Parameters {
    client: RawClient,
}

impl Parameters {
    pub(super) fn new(config: SdkConfig) -> Self {
        Self {
            client: RawClient::new(config, SERVICE),
        }
    }

    /// Which of these, [`AT_ONCE`] at most, are no parameters: by name or by ARN, as they were asked for. The answer's
    /// values (of parameters that are no secrets) are dropped unread.
    ///
    /// # Errors
    /// [`CallError`]: who may not ask for one of them is told of none.
    pub async fn invalid(&self, names: &[&str]) -> Result<Vec<bool>, CallError> {
        let subject: Vec<String> = names.iter().map(|name| parameter_name(name)).collect();
        let answer = self
            .client
            .ask(
                "ssm:GetParameters",
                format!("parameter {}", subject.join(", ")),
                json!({"Names": names, "WithDecryption": false}),
            )
            .await
            .map_err(|error| unshown(error, names))?;
        let invalid = answer["InvalidParameters"].as_array();
        let is_invalid = |name: &&str| {
            let mut invalid = invalid.into_iter().flatten();
            invalid.any(|one| one == *name)
        };
        Ok(names.iter().map(is_invalid).collect())
    }
}

/// The same without the names that are not shown, which AWS repeats in ARNs.
fn unshown(mut error: CallError, names: &[&str]) -> CallError {
    for name in names.iter().filter(|name| !name.contains('/')) {
        let written = format!("parameter/{name}");
        error.detail = error.detail.replace(&written, "parameter/*");
        error.resource = error
            .resource
            .map(|arn| arn.replace(&written, "parameter/*").into());
    }
    error
}
