//! CloudWatch Logs: what a container wrote before it ended.

use aws_sdk_cloudwatchlogs::Client;

use super::error::CallError;

/// CloudWatch Logs in one Region.
#[derive(Debug, Clone)]
pub struct Logs {
    client: Client,
}

impl Logs {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The last lines of a stream, oldest first.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`](super::error::Class::Missing) if the container never
    /// wrote anything.
    pub async fn last_lines(
        &self,
        group: &str,
        stream: &str,
        count: i32,
    ) -> Result<Vec<String>, CallError> {
        let answer = self
            .client
            .get_log_events()
            .log_group_name(group)
            .log_stream_name(stream)
            .limit(count)
            .start_from_head(false)
            .send()
            .await
            .map_err(|error| {
                CallError::from_sdk(
                    "logs:GetLogEvents",
                    format!("log stream {stream} of {group}"),
                    &error,
                )
            })?;
        let events = answer.events().iter();
        Ok(events
            .filter_map(|event| event.message().map(str::to_owned))
            .collect())
    }
}
