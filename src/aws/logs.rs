//! CloudWatch Logs: what a container wrote before it exited.

use aws_types::SdkConfig;
use serde_json::{Value, json};

use super::endpoint::Service;
use super::hosts;
use super::raw::RawClient;
use crate::deploy::call::CallError;
use crate::deploy::outside::shown;
use crate::deploy::time::Timestamp;

pub(super) const SERVICE: Service = Service {
    id: "CloudWatch Logs",
    name: "logs",
    hosts: &hosts::LOGS,
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

    /// Whether there is a log group of this name: asks for one of its streams.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`](crate::deploy::call::Class::Missing) if there is none.
    pub async fn group(&self, name: &str) -> Result<(), CallError> {
        let asked = json!({"logGroupName": name, "limit": 1});
        let subject = format!("log group {name}");
        let answered = self.client.ask("logs:DescribeLogStreams", subject, asked);
        answered.await.map(drop)
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
        Ok(last(lines_in(&answer).collect(), count))
    }

    /// The last lines that any stream of `group` got since `since`, `count` at most, oldest first, each fit to be
    /// shown. Of more than ten pages the first ones.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn last_lines_since(
        &self,
        group: &str,
        since: Timestamp,
        count: u32,
    ) -> Result<Vec<String>, CallError> {
        let mut lines = Vec::new();
        let mut next = Value::Null;
        for _ in 0..PAGES {
            let mut request = json!({"logGroupName": group, "startTime": since.as_millis()});
            if next.is_string() {
                request["nextToken"] = next;
            }
            let mut answer = self
                .client
                .ask(
                    "logs:FilterLogEvents",
                    format!("log group {group}"),
                    request,
                )
                .await?;
            lines.extend(lines_in(&answer));
            lines = last(lines, count);
            next = answer["nextToken"].take();
            if !next.is_string() {
                break;
            }
        }
        Ok(lines)
    }
}

/// So many pages of a log group are read at most: each is 1 MB or 10,000 lines.
const PAGES: usize = 10;

fn lines_in(answer: &Value) -> impl Iterator<Item = String> {
    let events = answer["events"].as_array();
    let messages = events.into_iter().flatten();
    let messages = messages.filter_map(|event| event["message"].as_str());
    // An event may have several lines, as a stack trace that was sent at once.
    messages.flat_map(|message| message.trim_end().split('\n').map(shown))
}

fn last(mut lines: Vec<String>, count: u32) -> Vec<String> {
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    lines.split_off(lines.len().saturating_sub(most))
}
