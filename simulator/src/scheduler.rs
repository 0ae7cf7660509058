//! `EventBridge` Scheduler: schedules in their groups, over the REST protocol.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::Method;
use serde_json::{Map, Value, json};

use crate::arn;
use crate::clock::Clock;
use crate::wire::{ApiError, page, percent_decoded, text};

/// The service's name in the signature of its requests, which tells them from S3's.
pub(crate) const SERVICE: &str = "scheduler";

/// Every account has this group; it is meant when none is named.
const DEFAULT_GROUP: &str = "default";

/// `ListSchedules` answers so many at a time at most.
const PAGE: usize = 100;

/// What a stored schedule does not hold: the first three are known by where it is, the dates by when
/// it was changed, and the token belongs to the request.
const NOT_STORED: [&str; 6] = [
    "Arn",
    "GroupName",
    "Name",
    "CreationDate",
    "LastModificationDate",
    "ClientToken",
];

/// `EventBridge` Scheduler. Clones are the same.
#[derive(Clone, Debug)]
pub struct Scheduler {
    clock: Clock,
    /// By group and name.
    schedules: Arc<Mutex<BTreeMap<(String, String), Schedule>>>,
}

#[derive(Debug)]
struct Schedule {
    /// As sent, in order.
    members: Map<String, Value>,
    created_at_ms: i64,
    modified_at_ms: i64,
}

type Answer = Result<Value, ApiError>;

impl Scheduler {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            schedules: Arc::default(),
        }
    }

    fn schedules(&self) -> MutexGuard<'_, BTreeMap<(String, String), Schedule>> {
        self.schedules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts any members of `GetSchedule` as a schedule, unchecked; makes the group if need be.
    /// `default` is the account's own group. `Arn`, `Name`, `GroupName` and the dates are ours.
    pub fn put(&self, group: &str, name: &str, schedule: Value) {
        let now = self.clock.now_ms();
        let schedule = Schedule {
            members: stored(&schedule),
            created_at_ms: now,
            modified_at_ms: now,
        };
        let key = (group.to_owned(), name.to_owned());
        self.schedules().insert(key, schedule);
    }

    /// A schedule's members as they were put, in order: without `Arn`, `Name`, `GroupName` and the
    /// dates.
    pub fn schedule(&self, group: &str, name: &str) -> Option<Value> {
        let schedules = self.schedules();
        let schedule = schedules.get(&(group.to_owned(), name.to_owned()))?;
        Some(Value::Object(schedule.members.clone()))
    }

    pub(crate) fn call(&self, operation: &str, request: &Value) -> Answer {
        let mut schedules = self.schedules();
        if operation == "ListSchedules" {
            return listed(&schedules, request);
        }
        let (group, name) = (group_of(request), text(request, "Name").to_owned());
        let has_group = schedules.keys().any(|(known, _)| *known == group);
        if !has_group && group != DEFAULT_GROUP {
            return Err(no_group(&group));
        }
        let key = (group, name);
        let Some(schedule) = schedules.get_mut(&key) else {
            let message = format!("Schedule {} does not exist.", key.1);
            return Err(not_found(message));
        };
        match operation {
            "GetSchedule" => Ok(shown(&key, schedule)),
            "UpdateSchedule" => {
                check(request)?;
                // Wholly: what is not sent is gone
                // (<https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html>).
                schedule.members = stored(request);
                schedule.modified_at_ms = self.clock.now_ms();
                Ok(json!({"ScheduleArn": arn(&key.0, &key.1)}))
            }
            other => Err(ApiError::new(
                "UnknownOperationException",
                format!("The simulator's Scheduler has no {other}."),
            )),
        }
    }
}

/// What a request asks for: the operation, and its parameters out of path, query and body under the
/// names of the model.
pub(crate) fn asked(method: &Method, path: &str, query: &str, body: &[u8]) -> (String, Value) {
    let name = path.strip_prefix("/schedules/").map(percent_decoded);
    let name = name.filter(|name| !name.is_empty() && !name.contains('/'));
    let (operation, names): (&str, &[(&str, &str)]) = match (method, &name) {
        (&Method::GET, Some(_)) => ("GetSchedule", &[("groupName", "GroupName")]),
        (&Method::GET, None) if path == "/schedules" => (
            "ListSchedules",
            &[
                ("ScheduleGroup", "GroupName"),
                ("NamePrefix", "NamePrefix"),
                ("State", "State"),
                ("NextToken", "NextToken"),
                ("MaxResults", "MaxResults"),
            ],
        ),
        (&Method::PUT, Some(_)) => ("UpdateSchedule", &[]),
        _ => return (format!("{method} {path}"), json!({})),
    };
    let mut request = Map::new();
    if let Some(name) = name {
        request.insert("Name".to_owned(), json!(name));
    }
    if method == Method::PUT {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return (operation.to_owned(), Value::Null);
        };
        for (member, value) in members {
            // The name stands in the path only.
            let is_name = member == "Name";
            let member = if is_name {
                "(body).Name".to_owned()
            } else {
                member
            };
            request.insert(member, value);
        }
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (parameter, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decoded(value);
        let number = value.parse::<i64>().ok();
        let known = names.iter().find(|(name, _)| *name == parameter);
        let (member, value) = match (known, number) {
            (Some((_, "MaxResults")), Some(number)) => ("MaxResults".to_owned(), json!(number)),
            (Some((_, member)), _) => ((*member).to_owned(), json!(value)),
            // AWS would not look at it: the model refuses it.
            (None, _) => (format!("?{parameter}"), json!(value)),
        };
        request.insert(member, value);
    }
    (operation.to_owned(), Value::Object(request))
}

/// The group that a request is about.
pub(crate) fn group_of(request: &Value) -> String {
    match text(request, "GroupName") {
        "" => DEFAULT_GROUP.to_owned(),
        group => group.to_owned(),
    }
}

/// As IAM and the API name it.
pub(crate) fn arn(group: &str, name: &str) -> String {
    arn::arn(SERVICE, "schedule", &format!("{group}/{name}"))
}

fn stored(schedule: &Value) -> Map<String, Value> {
    let mut members = schedule.as_object().cloned().unwrap_or_default();
    members.retain(|member, value| !NOT_STORED.contains(&member.as_str()) && !value.is_null());
    members
}

/// What the API's model does not tell of a schedule.
fn check(request: &Value) -> Result<(), ApiError> {
    let window = &request["FlexibleTimeWindow"];
    let is_flexible = window["Mode"] == "FLEXIBLE";
    if is_flexible == window["MaximumWindowInMinutes"].is_null() {
        return Err(ApiError::new(
            "ValidationException",
            "MaximumWindowInMinutes must be given for the mode FLEXIBLE, and for no other.",
        ));
    }
    let target = &request["Target"];
    // A universal target, `arn:aws:scheduler:::aws-sdk:ecs:runTask`, has its input instead.
    let is_cluster = text(target, "Arn").contains(":cluster/");
    if is_cluster && target["EcsParameters"].is_null() {
        let message = "EcsParameters must be given for a target of ECS.";
        return Err(ApiError::new("ValidationException", message));
    }
    Ok(())
}

/// Seconds since the epoch, with a fraction.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds fit until the year 287396"
)]
fn time(millis: i64) -> Value {
    json!(millis as f64 / 1000.0)
}

fn shown((group, name): &(String, String), schedule: &Schedule) -> Value {
    let mut shown = json!({"Arn": arn(group, name), "GroupName": group, "Name": name});
    for (member, value) in &schedule.members {
        shown[member] = value.clone();
    }
    shown["CreationDate"] = time(schedule.created_at_ms);
    shown["LastModificationDate"] = time(schedule.modified_at_ms);
    shown
}

fn listed(schedules: &BTreeMap<(String, String), Schedule>, request: &Value) -> Answer {
    let group = text(request, "GroupName");
    let is_known = group == DEFAULT_GROUP || schedules.keys().any(|(known, _)| known == group);
    if !group.is_empty() && !is_known {
        return Err(no_group(group));
    }
    let state = text(request, "State");
    let all: Vec<Value> = schedules
        .iter()
        .filter(|((known, _), _)| group.is_empty() || known == group)
        .filter(|((_, name), _)| name.starts_with(text(request, "NamePrefix")))
        .map(|(key, schedule)| {
            let full = shown(key, schedule);
            let state = full.get("State").cloned();
            json!({
                "Arn": full["Arn"], "Name": full["Name"], "GroupName": full["GroupName"],
                "State": state.unwrap_or_else(|| json!("ENABLED")),
                "Target": {"Arn": full["Target"]["Arn"]},
                "CreationDate": full["CreationDate"],
                "LastModificationDate": full["LastModificationDate"],
            })
        })
        .filter(|summary| state.is_empty() || summary["State"] == state)
        .collect();
    let asked = request["MaxResults"].as_u64();
    let count = asked.map_or(PAGE, |count| usize::try_from(count).unwrap_or(PAGE));
    let (page, next) = page(&all, text(request, "NextToken"), count)
        .ok_or_else(|| ApiError::new("ValidationException", "Invalid token."))?;
    let mut answer = json!({"Schedules": page});
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

fn no_group(group: &str) -> ApiError {
    not_found(format!("Schedule group {group} does not exist."))
}

fn not_found(message: String) -> ApiError {
    ApiError::new("ResourceNotFoundException", message).with_status(404)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn schedule(revision: &str) -> Value {
        json!({
            "ScheduleExpression": "rate(1 day)", "Description": "Tidies up.",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": "arn:aws:ecs:eu-central-1:111122223333:cluster/prod",
                "RoleArn": "arn:aws:iam::111122223333:role/scheduler",
                "EcsParameters": {"TaskDefinitionArn": revision}},
        })
    }

    fn scheduler() -> Scheduler {
        Scheduler::new(Clock::driven())
    }

    fn code(answer: Answer) -> (String, u16) {
        answer.map_or_else(
            |error| (error.code, error.status),
            |_| ("ok".to_owned(), 200),
        )
    }

    #[test]
    fn an_update_replaces_all_and_what_it_does_not_send_is_gone() {
        let scheduler = scheduler();
        scheduler.put("jobs", "nightly", schedule("app:1"));
        scheduler.clock.advance(Duration::from_secs(10));
        let mut request = schedule("app:2");
        let members = request.as_object_mut().unwrap();
        members.remove("Description");
        members.extend([
            ("Name".to_owned(), json!("nightly")),
            ("GroupName".to_owned(), json!("jobs")),
            ("ClientToken".to_owned(), json!("t")),
        ]);
        let answer = scheduler.call("UpdateSchedule", &request).unwrap();
        let arn = "arn:aws:scheduler:eu-central-1:111122223333:schedule/jobs/nightly";
        assert_eq!(answer, json!({"ScheduleArn": arn}));
        let mut expected = schedule("app:2");
        expected.as_object_mut().unwrap().remove("Description");
        let stored = scheduler.schedule("jobs", "nightly").unwrap();
        assert_eq!(stored.to_string(), expected.to_string());
        let got = scheduler
            .call(
                "GetSchedule",
                &json!({"Name": "nightly", "GroupName": "jobs"}),
            )
            .unwrap();
        assert_eq!(got["Arn"], arn);
        assert_eq!(got["Description"], Value::Null);
        let took =
            got["LastModificationDate"].as_f64().unwrap() - got["CreationDate"].as_f64().unwrap();
        assert!((took - 10.0).abs() < 0.001, "{took}");
    }

    #[test]
    fn schedules_are_listed_by_group_prefix_and_state_page_by_page() {
        let scheduler = scheduler();
        let mut disabled = schedule("app:1");
        disabled["State"] = json!("DISABLED");
        scheduler.put("default", "a1", schedule("app:1"));
        scheduler.put("default", "a2", disabled);
        scheduler.put("jobs", "b", schedule("app:1"));
        let list = |request: Value| scheduler.call("ListSchedules", &request).unwrap();
        let names = |request: Value| -> Vec<String> {
            let listed = list(request);
            let all = listed["Schedules"].as_array().unwrap().iter();
            all.map(|one| text(one, "Name").to_owned()).collect()
        };
        assert_eq!(names(json!({})), ["a1", "a2", "b"]);
        assert_eq!(names(json!({"GroupName": "jobs"})), ["b"]);
        assert_eq!(names(json!({"NamePrefix": "a"})), ["a1", "a2"]);
        assert_eq!(names(json!({"State": "ENABLED"})), ["a1", "b"]);
        let first = list(json!({"MaxResults": 2}));
        let token = &first["NextToken"];
        assert_eq!(names(json!({"MaxResults": 2, "NextToken": token})), ["b"]);
        let summary = &first["Schedules"][0];
        assert_eq!(summary["GroupName"], "default");
        assert_eq!(
            summary["Target"],
            json!({"Arn": schedule("")["Target"]["Arn"]})
        );
    }

    #[test]
    fn what_does_not_exist_is_a_404_and_what_contradicts_itself_a_400() {
        let scheduler = scheduler();
        scheduler.put("default", "nightly", schedule("app:1"));
        let get = |request: Value| code(scheduler.call("GetSchedule", &request));
        let missing = ("ResourceNotFoundException".to_owned(), 404);
        assert_eq!(get(json!({"Name": "none"})), missing);
        assert_eq!(
            get(json!({"Name": "nightly", "GroupName": "none"})),
            missing
        );
        let list = json!({"GroupName": "none"});
        assert_eq!(code(scheduler.call("ListSchedules", &list)), missing);
        let mut request = schedule("app:1");
        request["Name"] = json!("nightly");
        request["FlexibleTimeWindow"] = json!({"Mode": "FLEXIBLE"});
        let refused = code(scheduler.call("UpdateSchedule", &request));
        assert_eq!(refused, ("ValidationException".to_owned(), 400));
        assert_eq!(
            scheduler.schedule("default", "nightly"),
            Some(schedule("app:1"))
        );
    }

    #[test]
    fn path_query_and_body_make_one_request_and_unknown_parameters_are_no_members() {
        let of = |method, path, query, body: &str| asked(method, path, query, body.as_bytes());
        assert_eq!(
            of(
                &Method::GET,
                "/schedules",
                "ScheduleGroup=jobs&MaxResults=2",
                ""
            ),
            (
                "ListSchedules".to_owned(),
                json!({"GroupName": "jobs", "MaxResults": 2})
            )
        );
        assert_eq!(
            of(&Method::GET, "/schedules/a%2Db", "groupName=jobs", ""),
            (
                "GetSchedule".to_owned(),
                json!({"Name": "a-b", "GroupName": "jobs"})
            )
        );
        assert_eq!(
            of(&Method::GET, "/schedules/a", "GroupName=jobs", "").1,
            json!({"Name": "a", "?GroupName": "jobs"})
        );
        assert_eq!(
            of(&Method::PUT, "/schedules/a", "", r#"{"GroupName": "jobs"}"#),
            (
                "UpdateSchedule".to_owned(),
                json!({"Name": "a", "GroupName": "jobs"})
            )
        );
        assert_eq!(of(&Method::PUT, "/schedules/a", "", "no").1, Value::Null);
        assert_eq!(
            of(&Method::DELETE, "/schedules/a", "", "").0,
            "DELETE /schedules/a"
        );
    }
}
