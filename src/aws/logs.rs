//! CloudWatch Logs: what a container wrote before it exited.

use aws_types::SdkConfig;
use serde_json::json;

use super::endpoint::{Hosts, Service};
use super::raw::RawClient;
use crate::deploy::call::CallError;
use crate::deploy::outside::shown;

pub(super) const SERVICE: Service = Service {
    id: "CloudWatch Logs",
    name: "logs",
    hosts: Hosts {
        fips_in_us_gov: ["logs", "logs-fips"],
        ..Hosts::usual("logs", "logs-fips")
    },
    target: "Logs_20140328",
};

/// CloudWatch Logs in one Region.
#[derive(Debug, Clone)]
pub struct Logs {
    client: RawClient,
}

impl Logs {
    pub(super) fn new(config: SdkConfig) -> Self {
        Self {
            client: RawClient::new(config, SERVICE),
        }
    }

    /// The last lines of a stream, `count` at most, oldest first, each fit to be shown.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`](crate::deploy::call::Class::Missing) if the container never
    /// wrote anything.
    pub async fn last_lines(
        &self,
        group: &str,
        stream: &str,
        count: u32,
    ) -> Result<Vec<String>, CallError> {
        let answer = self
            .client
            .ask(
                "logs:GetLogEvents",
                format!("log stream {stream} of {group}"),
                json!({"logGroupName": group, "logStreamName": stream, "limit": count,
                    "startFromHead": false}),
            )
            .await?;
        let events = answer["events"].as_array();
        let messages = events.into_iter().flatten();
        let mut lines: Vec<String> = messages
            .filter_map(|event| Some(shown(event["message"].as_str()?)))
            .collect();
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(lines.split_off(lines.len().saturating_sub(most)))
    }
}
