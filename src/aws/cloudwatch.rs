//! CloudWatch: the states of alarms.

use aws_types::SdkConfig;
use serde_json::Value;

use super::endpoint::Service;
use super::hosts;
use super::raw::RawClient;
use crate::deploy::call::{CallError, Class};
use crate::deploy::dependencies::AlarmSeen;
use crate::deploy::text;

pub(super) const SERVICE: Service = Service {
    id: "CloudWatch",
    name: "monitoring",
    hosts: &hosts::CLOUDWATCH,
    target: "",
};

const VERSION: &str = "2010-08-01";
const OPERATION: &str = "cloudwatch:DescribeAlarms";

/// So many are asked for at once
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>).
pub const AT_ONCE: usize = 100;

/// CloudWatch in one Region.
#[derive(Debug, Clone)]
pub struct CloudWatch {
    client: RawClient,
}

impl CloudWatch {
    pub(super) fn new(config: SdkConfig) -> Self {
        Self {
            client: RawClient::new(config, SERVICE),
        }
    }

    /// The alarms of these names, [`AT_ONCE`] at most, as far as there are any, composite ones too.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn alarms(&self, names: &[String]) -> Result<Vec<AlarmSeen>, CallError> {
        let numbered = names.iter().zip(1..);
        let keys = numbered.map(|(name, number)| (format!("AlarmNames.member.{number}"), name));
        let keys: Vec<(String, &String)> = keys.collect();
        let asked = keys.iter().map(|(key, name)| (key.as_str(), name.as_str()));
        let kinds = [
            ("AlarmTypes.member.1", "MetricAlarm"),
            ("AlarmTypes.member.2", "CompositeAlarm"),
        ];
        let parameters: Vec<(&str, &str)> = asked.chain(kinds).collect();
        let subject = format!("alarm {}", text::listed(names));
        let answer = self
            .client
            .query(
                OPERATION,
                subject.clone(),
                VERSION,
                &parameters,
                // Each alarm has one of both.
                &["AlarmName", "StateValue"],
            )
            .await?;
        let all = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
        let (names, states) = (all("AlarmName"), all("StateValue"));
        if names.len() != states.len() {
            let detail = "an answer that is not understood";
            return Err(CallError::unusable(
                OPERATION,
                subject,
                Class::Refused,
                detail,
            ));
        }
        let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
        let seen = names.into_iter().zip(states);
        let seen = seen.map(|(name, state)| AlarmSeen {
            name: text(name),
            state: text(state),
        });
        Ok(seen.collect())
    }
}
