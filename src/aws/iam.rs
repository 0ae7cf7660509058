//! IAM: whom a role trusts.

use aws_types::SdkConfig;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::endpoint::Service;
use super::hosts;
use super::raw::RawClient;
use crate::deploy::call::CallError;

pub(super) const SERVICE: Service = Service {
    id: "IAM",
    name: "iam",
    hosts: &hosts::IAM,
    target: "",
};

const VERSION: &str = "2010-05-08";

/// IAM, which is one for all Regions of a partition.
#[derive(Debug, Clone)]
pub struct Iam {
    client: RawClient,
}

impl Iam {
    pub(super) fn new(config: SdkConfig) -> Self {
        Self {
            client: RawClient::new(config, SERVICE),
        }
    }

    /// The trust policy of the role of this name; `null` if it cannot be read.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`](crate::deploy::call::Class::Missing) if there is none.
    pub async fn trust_policy(&self, role: &str) -> Result<Value, CallError> {
        const ELEMENT: &str = "AssumeRolePolicyDocument";
        let answer = self
            .client
            .query(
                "iam:GetRole",
                format!("role {role}"),
                VERSION,
                &[("RoleName", role)],
                &[ELEMENT],
            )
            .await?;
        // JSON in percent-encoding
        // (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>).
        let policy = answer[ELEMENT][0].as_str().unwrap_or_default();
        let policy = percent_decode_str(policy).decode_utf8_lossy();
        Ok(serde_json::from_str(&policy).unwrap_or(Value::Null))
    }
}
