//! CloudWatch Logs: what containers wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::wire::{ApiError, page, text};

/// CloudWatch Logs. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// By group and stream: time and line.
    streams: Arc<Mutex<BTreeMap<(String, String), Vec<(i64, String)>>>>,
    infrequent: Arc<Mutex<BTreeSet<String>>>,
    /// Groups that there are not. Any other is there, because every test names some.
    removed: Arc<Mutex<BTreeSet<String>>>,
}

impl Logs {
    /// Makes a stream, with no line in it yet.
    pub fn open(&self, group: &str, stream: &str) {
        self.streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry((group.to_owned(), stream.to_owned()))
            .or_default();
    }

    /// Adds a line.
    pub fn append(&self, group: &str, stream: &str, at_ms: i64, line: &str) {
        self.streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry((group.to_owned(), stream.to_owned()))
            .or_default()
            .push((at_ms, line.to_owned()));
    }

    /// From now on this group is of a class whose streams cannot be read
    /// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html>).
    pub fn infrequent_access(&self, group: &str) {
        let mut groups = self
            .infrequent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        groups.insert(group.to_owned());
    }

    /// Removes a group.
    pub fn remove_group(&self, group: &str) {
        let mut removed = self.removed.lock().unwrap_or_else(PoisonError::into_inner);
        removed.insert(group.to_owned());
    }

    pub(crate) fn call(&self, operation: &str, request: &Value) -> Result<Value, ApiError> {
        let group = text(request, "logGroupName");
        if operation == "DescribeLogStreams" {
            let removed = self.removed.lock().unwrap_or_else(PoisonError::into_inner);
            return if removed.contains(group) {
                Err(no_such("log group"))
            } else {
                Ok(json!({"logStreams": []}))
            };
        }
        let infrequent = self
            .infrequent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if infrequent.contains(group) {
            return Err(ApiError::new(
                "InvalidOperationException",
                format!(
                    "{operation} is not supported for log groups of the INFREQUENT_ACCESS class."
                ),
            ));
        }
        match operation {
            "FilterLogEvents" => self.filter(request),
            _ => self.tail(request),
        }
    }

    /// The lines of all streams of a group since a time, oldest first, so many on a page.
    fn filter(&self, request: &Value) -> Result<Value, ApiError> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let group = text(request, "logGroupName");
        let since = request["startTime"].as_i64().unwrap_or(0);
        let of_group = streams.iter().filter(|((of, _), _)| of == group);
        let mut lines: Vec<&(i64, String)> = of_group.flat_map(|(_, lines)| lines).collect();
        if !streams.keys().any(|(of, _)| of == group) {
            return Err(no_such("log group"));
        }
        lines.retain(|(at, _)| *at >= since);
        lines.sort_by_key(|(at, _)| *at);
        let events: Vec<Value> = lines.iter().map(|(at, line)| shown(*at, line)).collect();
        let (page, next) = page(&events, text(request, "nextToken"), LINES_ON_A_PAGE)
            .ok_or_else(|| ApiError::new("InvalidParameterException", "an unknown nextToken"))?;
        Ok(match next {
            Some(next) => json!({"events": page, "nextToken": next}),
            None => json!({"events": page}),
        })
    }

    fn tail(&self, request: &Value) -> Result<Value, ApiError> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (
            text(request, "logGroupName").to_owned(),
            text(request, "logStreamName").to_owned(),
        );
        let Some(lines) = streams.get(&key) else {
            let known = streams.keys().any(|(group, _)| *group == key.0);
            return Err(no_such(if known { "log stream" } else { "log group" }));
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
            .map(|(at, line)| shown(*at, line))
            .collect();
        Ok(json!({"events": events, "nextForwardToken": "f/0", "nextBackwardToken": "b/0"}))
    }
}

/// AWS has pages of 10,000 lines; smaller ones show who does not read the next.
const LINES_ON_A_PAGE: usize = 100;

fn shown(at: i64, line: &str) -> Value {
    json!({"timestamp": at, "message": line, "ingestionTime": at})
}

fn no_such(what: &str) -> ApiError {
    ApiError::new(
        "ResourceNotFoundException",
        format!("The specified {what} does not exist."),
    )
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
            logs.call("GetLogEvents", &request).unwrap()["events"][0]["message"].clone()
        };
        assert_eq!(first(false), "b");
        assert_eq!(first(true), "a");
        let request = json!({"logGroupName": "x", "logStreamName": "s"});
        assert!(
            logs.call("GetLogEvents", &request)
                .unwrap_err()
                .message
                .contains("log group")
        );
    }
}
