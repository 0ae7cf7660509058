//! CloudWatch Logs: what containers wrote.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::wire::{ApiError, text};

/// CloudWatch Logs. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// By group and stream: time and line.
    streams: Arc<Mutex<BTreeMap<(String, String), Vec<(i64, String)>>>>,
}

impl Logs {
    /// Adds a line.
    pub fn append(&self, group: &str, stream: &str, at_ms: i64, line: &str) {
        self.streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry((group.to_owned(), stream.to_owned()))
            .or_default()
            .push((at_ms, line.to_owned()));
    }

    pub(crate) fn call(&self, request: &Value) -> Result<Value, ApiError> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (
            text(request, "logGroupName").to_owned(),
            text(request, "logStreamName").to_owned(),
        );
        let Some(lines) = streams.get(&key) else {
            let code = "ResourceNotFoundException";
            let known = streams.keys().any(|(group, _)| *group == key.0);
            let what = if known { "log stream" } else { "log group" };
            return Err(ApiError::new(
                code,
                format!("The specified {what} does not exist."),
            ));
        };
        let limit = request["limit"].as_u64().unwrap_or(10_000);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let from_head = request["startFromHead"].as_bool().unwrap_or(false);
        let skipped = if from_head {
            0
        } else {
            lines.len().saturating_sub(limit)
        };
        let events: Vec<Value> = lines
            .iter()
            .skip(skipped)
            .take(limit)
            .map(|(at, line)| json!({"timestamp": at, "message": line, "ingestionTime": at}))
            .collect();
        Ok(json!({"events": events, "nextForwardToken": "f/0", "nextBackwardToken": "b/0"}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_returned_unless_the_first_are_asked_for() {
        let logs = Logs::default();
        for line in ["a", "b", "c"] {
            logs.append("g", "s", 1, line);
        }
        let first = |from_head: bool| {
            let request = json!({"logGroupName": "g", "logStreamName": "s", "limit": 2,
                "startFromHead": from_head});
            logs.call(&request).unwrap()["events"][0]["message"].clone()
        };
        assert_eq!(first(false), "b");
        assert_eq!(first(true), "a");
        let request = json!({"logGroupName": "x", "logStreamName": "s"});
        assert!(
            logs.call(&request)
                .unwrap_err()
                .message
                .contains("log group")
        );
    }
}
