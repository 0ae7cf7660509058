//! `EventBridge` Scheduler: schedules that run tasks.

use aws_types::SdkConfig;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::{Map, Value};

use super::endpoint::Service;
use super::hosts;
use super::raw::{Body, Call, RawClient};
use crate::deploy::call::{CallError, Class};

/// Pages of a listing that are looked through; a hundred entries each.
const PAGES: usize = 100;

/// What `GetSchedule` returns and `UpdateSchedule` does not take in its body
/// (API models of both operations; the name stands in the path).
const READ_ONLY: [&str; 4] = ["Arn", "CreationDate", "LastModificationDate", "Name"];

/// All but the characters that RFC 3986 calls unreserved.
const NOT_UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A schedule, every member as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// All of it.
    pub fields: Map<String, Value>,
}

/// A schedule in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// The ARN of what it calls: a cluster, or an API.
    pub target: String,
}

/// `EventBridge` Scheduler in one account and Region.
#[derive(Debug, Clone)]
pub struct Scheduler {
    client: RawClient,
}

pub(super) const SERVICE: Service = Service {
    id: "Scheduler",
    name: "scheduler",
    hosts: &hosts::SCHEDULER,
    target: "",
};

impl Scheduler {
    pub(super) fn new(config: SdkConfig) -> Self {
        Self {
            client: RawClient::new(config, SERVICE),
        }
    }

    /// All schedules, without their details.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list(&self) -> Result<Vec<Listed>, CallError> {
        const OPERATION: &str = "scheduler:ListSchedules";
        let mut listed = Vec::new();
        let mut path = "/schedules?MaxResults=100".to_owned();
        for _ in 0..PAGES {
            let answer = self
                .client
                .call(Call {
                    operation: OPERATION,
                    subject: "schedules".to_owned(),
                    method: "GET",
                    path,
                    target: None,
                    body: Body::Empty,
                })
                .await?;
            let schedules = answer["Schedules"].as_array();
            for schedule in schedules.into_iter().flatten() {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                listed.push(Listed {
                    group: text(&schedule["GroupName"]),
                    name: text(&schedule["Name"]),
                    target: text(&schedule["Target"]["Arn"]),
                });
            }
            match answer["NextToken"].as_str() {
                Some(next) => {
                    path = format!("/schedules?MaxResults=100&NextToken={}", encoded(next));
                }
                None => return Ok(listed),
            }
        }
        Err(CallError::unusable(
            OPERATION,
            "schedules",
            Class::Refused,
            "the listing has no end",
        ))
    }

    /// One schedule, or `None` if it is gone since it was listed.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get(&self, listed: &Listed) -> Result<Option<Schedule>, CallError> {
        let Listed { group, name, .. } = listed;
        let answer = self
            .client
            .call(Call {
                operation: "scheduler:GetSchedule",
                subject: format!("schedule {group}/{name}"),
                method: "GET",
                path: path_of(group, name),
                target: None,
                body: Body::Empty,
            })
            .await;
        match answer {
            Ok(Value::Object(fields)) => Ok(Some(Schedule {
                group: group.clone(),
                name: name.clone(),
                fields,
            })),
            Ok(_) => Ok(None),
            Err(error) if error.class == Class::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the schedule.
    ///
    /// # Replay
    /// The same again changes nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn update(&self, schedule: &Schedule) -> Result<(), CallError> {
        let Schedule {
            group,
            name,
            fields,
        } = schedule;
        let mut body = fields.clone();
        body.retain(|field, _| !READ_ONLY.contains(&field.as_str()));
        body.insert("GroupName".to_owned(), Value::String(group.clone()));
        let answer = self.client.call(Call {
            operation: "scheduler:UpdateSchedule",
            subject: format!("schedule {group}/{name}"),
            method: "PUT",
            path: format!("/schedules/{}", encoded(name)),
            target: None,
            body: Body::Json(Value::Object(body)),
        });
        answer.await.map(drop)
    }
}

fn path_of(group: &str, name: &str) -> String {
    format!("/schedules/{}?groupName={}", encoded(name), encoded(group))
}

/// Percent-encoded.
fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, NOT_UNRESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_paths_and_queries() {
        assert_eq!(path_of("a b", "x/y"), "/schedules/x%2Fy?groupName=a%20b");
        assert_eq!(
            path_of("a-b_c.d~e", "ü&+?"),
            "/schedules/%C3%BC%26%2B%3F?groupName=a-b_c.d~e"
        );
    }
}
