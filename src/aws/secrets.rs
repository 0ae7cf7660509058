//! Secrets Manager: whether a secret is there. Its value is never asked for.

use aws_types::SdkConfig;
use serde_json::{Value, json};

use super::endpoint::Service;
use super::hosts;
use super::raw::RawClient;
use crate::deploy::call::CallError;
use crate::deploy::dependencies::SecretSeen;
use crate::deploy::outside::shown;

pub(super) const SERVICE: Service = Service {
    id: "Secrets Manager",
    name: "secretsmanager",
    hosts: &hosts::SECRETSMANAGER,
    target: "secretsmanager",
};

/// Secrets Manager in one Region.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: RawClient,
}

impl Secrets {
    pub(super) fn new(config: SdkConfig) -> Self {
        Self {
            client: RawClient::new(config, SERVICE),
        }
    }

    /// The description of the secret with this name or ARN.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`](crate::deploy::call::Class::Missing) if there is none.
    pub async fn describe(&self, id: &str) -> Result<SecretSeen, CallError> {
        let name = shown(id.rsplit(':').next().unwrap_or(id));
        let answer = self
            .client
            .ask(
                "secretsmanager:DescribeSecret",
                format!("secret {name}"),
                json!({"SecretId": id}),
            )
            .await
            .map_err(|error| {
                if id.starts_with("arn:") {
                    error.about_resource(id)
                } else {
                    error
                }
            })?;
        let versions = answer["VersionIdsToStages"].as_object();
        let stages = |stages: &Value| {
            let stages = stages.as_array().into_iter().flatten();
            let stages = stages.filter_map(|stage| Some(stage.as_str()?.to_owned()));
            stages.collect::<Vec<String>>()
        };
        Ok(SecretSeen {
            is_deleted: !answer["DeletedDate"].is_null(),
            // A secret that was never given a value has none of them.
            versions: Some(versions.map_or_else(Vec::new, |versions| {
                let versions = versions.iter();
                versions.map(|(id, of)| (id.clone(), stages(of))).collect()
            })),
        })
    }
}
