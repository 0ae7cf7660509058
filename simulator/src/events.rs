//! `EventBridge`: event buses, their rules and the rules' targets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::arn;
use crate::wire::{ApiError, page, text};

/// Every account has this bus; it is meant when none is named.
pub(crate) const DEFAULT_BUS: &str = "default";

/// One call may put so many targets
/// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutTargets.html>).
const TARGETS_PER_CALL: usize = 10;
/// A rule may have so many targets
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>).
const TARGETS_PER_RULE: usize = 5;

/// Operations that list answer so many at a time at most.
const PAGE: usize = 100;

/// `EventBridge`. Clones are the same.
#[derive(Clone, Debug)]
pub struct Events {
    /// The rules of each bus.
    buses: Arc<Mutex<BTreeMap<String, BTreeMap<String, Rule>>>>,
    /// What was sent to them, in order.
    received: Arc<Mutex<Vec<Value>>>,
}

#[derive(Debug, Default)]
struct Rule {
    is_managed: bool,
    targets: Vec<Value>,
    /// Id, code and message of a target that cannot be put.
    failing: Vec<(String, String, String)>,
}

type Answer = Result<Value, ApiError>;

impl Default for Events {
    fn default() -> Self {
        let default = (DEFAULT_BUS.to_owned(), BTreeMap::new());
        Self {
            buses: Arc::new(Mutex::new(BTreeMap::from([default]))),
            received: Arc::default(),
        }
    }
}

impl Events {
    fn buses(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, Rule>>> {
        self.buses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, bus: &str, rule: &str, change: impl FnOnce(&mut Rule) -> T) -> T {
        let mut buses = self.buses();
        let rules = buses.entry(bus.to_owned()).or_default();
        change(rules.entry(rule.to_owned()).or_default())
    }

    /// A bus.
    pub fn put_bus(&self, name: &str) {
        self.buses().entry(name.to_owned()).or_default();
    }

    /// The events that were sent, in order, as rules see them.
    pub fn received(&self) -> Vec<Value> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.clone()
    }

    /// Takes each entry whose bus is there, and says of the others why not.
    fn put_events(&self, request: &Value) -> Value {
        let buses = self.buses();
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = request["Entries"].as_array().into_iter().flatten();
        let mut answers = Vec::new();
        for entry in entries {
            let bus = bus_of(entry);
            let detail: Option<Value> = serde_json::from_str(text(entry, "Detail")).ok();
            answers.push(match detail.filter(Value::is_object) {
                Some(detail) if buses.contains_key(&bus) => {
                    received.push(json!({"source": entry["Source"],
                        "detail-type": entry["DetailType"], "bus": bus, "detail": detail}));
                    json!({"EventId": received.len().to_string()})
                }
                Some(_) => json!({"ErrorCode": "ResourceNotFoundException",
                    "ErrorMessage": format!("Event bus {bus} does not exist.")}),
                None => {
                    json!({"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."})
                }
            });
        }
        let failed = answers.iter().filter(|one| one["ErrorCode"].is_string());
        json!({"FailedEntryCount": failed.count(), "Entries": answers})
    }

    /// A rule; makes the bus if need be. `default` is the account's own bus.
    pub fn put_rule(&self, bus: &str, name: &str) {
        self.change(bus, name, |_| ());
    }

    /// A rule that another service manages: nobody may put targets to it.
    pub fn put_managed_rule(&self, bus: &str, name: &str) {
        self.change(bus, name, |rule| rule.is_managed = true);
    }

    /// Puts any JSON as a target, unchecked, in place of the one with its `Id` if there is one;
    /// makes the bus and the rule if need be.
    pub fn put_target(&self, bus: &str, rule: &str, target: Value) {
        self.change(bus, rule, |rule| rule.put(target));
    }

    /// `PutTargets` fails for this target of the rule from now on, and only for this: its answer
    /// lists it under `FailedEntries`.
    pub fn fail_target(&self, bus: &str, rule: &str, id: &str, code: &str, message: &str) {
        let entry = (id.to_owned(), code.to_owned(), message.to_owned());
        self.change(bus, rule, |rule| rule.failing.push(entry));
    }

    /// A rule's targets as they were put, in order.
    pub fn targets(&self, bus: &str, rule: &str) -> Vec<Value> {
        let buses = self.buses();
        let rule = buses.get(bus).and_then(|rules| rules.get(rule));
        rule.map_or_else(Vec::new, |rule| rule.targets.clone())
    }

    pub(crate) fn call(&self, operation: &str, request: &Value) -> Answer {
        if operation == "PutEvents" {
            return Ok(self.put_events(request));
        }
        let mut buses = self.buses();
        if operation == "ListEventBuses" {
            let prefix = text(request, "NamePrefix");
            let names = buses.keys().filter(|name| name.starts_with(prefix));
            let shown: Vec<Value> = names
                .map(|name| json!({"Name": name, "Arn": arn("event-bus", name)}))
                .collect();
            return listed(request, "EventBuses", &shown);
        }
        let bus = bus_of(request);
        let rules = buses
            .get_mut(&bus)
            .ok_or_else(|| not_found(format!("Event bus {bus} does not exist.")))?;
        if operation == "ListRuleNamesByTarget" {
            let target = text(request, "TargetArn");
            // A rule with several targets of this ARN is named once
            // (<https://github.com/getmoto/moto/issues/9761>).
            let names = rules
                .iter()
                .filter(|(_, rule)| rule.targets.iter().any(|one| one["Arn"] == target));
            let names: Vec<Value> = names.map(|(name, _)| json!(name)).collect();
            return listed(request, "RuleNames", &names);
        }
        let name = text(request, "Rule");
        let rule = rules
            .get_mut(name)
            .ok_or_else(|| not_found(format!("Rule {name} does not exist on EventBus {bus}.")))?;
        match operation {
            "ListTargetsByRule" => listed(request, "Targets", &rule.targets),
            "PutTargets" => put_targets(name, rule, request),
            other => Err(ApiError::new(
                "UnknownOperationException",
                format!("The simulator's EventBridge has no {other}."),
            )),
        }
    }
}

impl Rule {
    fn put(&mut self, target: Value) {
        let mut known = self.targets.iter_mut();
        match known.find(|known| known["Id"] == target["Id"]) {
            Some(known) => *known = target,
            None => self.targets.push(target),
        }
    }
}

fn put_targets(name: &str, rule: &mut Rule, request: &Value) -> Answer {
    if rule.is_managed {
        let message = format!("{name} is a managed rule.");
        return Err(ApiError::new("ManagedRuleException", message));
    }
    let targets = request["Targets"].as_array();
    let targets = targets.map_or(&[][..], Vec::as_slice);
    if targets.len() > TARGETS_PER_CALL {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'targets' failed to satisfy constraint: Member must have length less than or equal to {TARGETS_PER_CALL}"
        )));
    }
    for target in targets {
        check(target)?;
    }
    let new = targets.iter().filter(|target| {
        let mut known = rule.targets.iter();
        known.all(|known| known["Id"] != target["Id"])
    });
    if rule.targets.len() + new.count() > TARGETS_PER_RULE {
        let message = "The requested resource exceeds the maximum number allowed.";
        return Err(ApiError::new("LimitExceededException", message));
    }
    let mut failed = Vec::new();
    for target in targets {
        let mut failing = rule.failing.iter();
        match failing.find(|(id, _, _)| target["Id"] == **id) {
            Some((id, code, message)) => {
                failed.push(json!({"TargetId": id, "ErrorCode": code, "ErrorMessage": message}));
            }
            None => rule.put(target.clone()),
        }
    }
    Ok(json!({"FailedEntryCount": failed.len(), "FailedEntries": failed}))
}

/// What the API's model does not tell of a target.
fn check(target: &Value) -> Result<(), ApiError> {
    let id = text(target, "Id");
    let inputs = ["Input", "InputPath", "InputTransformer"];
    let inputs = inputs.into_iter().filter(|one| !target[*one].is_null());
    if inputs.count() > 1 {
        return Err(invalid(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
        )));
    }
    let arn = text(target, "Arn");
    if arn.contains(":ecs:") && target["EcsParameters"].is_null() {
        return Err(invalid(format!(
            "Parameter(s) EcsParameters must be specified for target: {id}."
        )));
    }
    if !target["EcsParameters"].is_null() && target["RoleArn"].is_null() {
        let message = format!("RoleArn is required for target {arn}.");
        return Err(invalid(message));
    }
    Ok(())
}

fn listed(request: &Value, member: &str, all: &[Value]) -> Answer {
    let limit = request["Limit"].as_u64();
    let count = limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
    let (shown, next) = page(all, text(request, "NextToken"), count)
        .ok_or_else(|| ApiError::new("InvalidToken", "The provided token is not valid."))?;
    let mut answer = json!({ member: shown });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

/// The bus that a request is about, which may name it by its ARN.
pub(crate) fn bus_of(request: &Value) -> String {
    let named = text(request, "EventBusName");
    let ours = arn("event-bus", "");
    match named.strip_prefix(ours.as_str()) {
        Some(name) => name.to_owned(),
        None if named.is_empty() => DEFAULT_BUS.to_owned(),
        None => named.to_owned(),
    }
}

fn arn(kind: &str, name: &str) -> String {
    arn::arn("events", kind, name)
}

fn not_found(message: String) -> ApiError {
    ApiError::new("ResourceNotFoundException", message)
}

fn invalid(message: String) -> ApiError {
    ApiError::new("ValidationException", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "arn:aws:ecs:eu-central-1:111122223333:cluster/prod";

    fn target(id: &str, revision: &str) -> Value {
        json!({"Id": id, "Arn": CLUSTER, "RoleArn": "arn:aws:iam::111122223333:role/events",
            "EcsParameters": {"TaskDefinitionArn": revision, "LaunchType": "FARGATE"}})
    }

    fn code(answer: Answer) -> String {
        answer.map_or_else(|error| error.code, |_| "ok".to_owned())
    }

    #[test]
    fn a_target_that_is_put_replaces_the_one_with_its_id_wholly_and_comes_back_as_it_was_sent() {
        let events = Events::default();
        let mut old = target("a", "app:1");
        old["Input"] = json!("{}");
        events.put_target("default", "nightly", old);
        events.put_target("default", "nightly", target("b", "app:1"));
        let new = json!({"RoleArn": "arn:aws:iam::1:role/r", "Arn": CLUSTER, "Id": "a",
            "EcsParameters": {"TaskDefinitionArn": "app:2"}});
        let put = json!({"Rule": "nightly", "Targets": [new]});
        let answer = events.call("PutTargets", &put).unwrap();
        assert_eq!(answer, json!({"FailedEntryCount": 0, "FailedEntries": []}));
        let shown = events.targets("default", "nightly");
        assert_eq!(shown[0].to_string(), new.to_string());
        assert_eq!(shown[1], target("b", "app:1"));
        let request = json!({"Rule": "nightly"});
        let listed = events.call("ListTargetsByRule", &request).unwrap();
        assert_eq!(listed["Targets"], json!(shown));
    }

    #[test]
    fn rules_are_found_by_target_on_their_bus_each_once_and_page_by_page() {
        let events = Events::default();
        for (bus, rule, id) in [
            ("default", "r1", "a"),
            ("default", "r1", "b"),
            ("default", "r2", "a"),
            ("other", "r3", "a"),
        ] {
            events.put_target(bus, rule, target(id, "app:1"));
        }
        events.put_rule("default", "empty");
        let list = |more: Value| {
            let mut request = json!({"TargetArn": CLUSTER});
            request
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            events.call("ListRuleNamesByTarget", &request).unwrap()
        };
        assert_eq!(list(json!({}))["RuleNames"], json!(["r1", "r2"]));
        let first = list(json!({"Limit": 1}));
        assert_eq!(first["RuleNames"], json!(["r1"]));
        let second = list(json!({"Limit": 1, "NextToken": first["NextToken"]}));
        assert_eq!(second, json!({"RuleNames": ["r2"]}));
        for bus in [
            "other",
            "arn:aws:events:eu-central-1:111122223333:event-bus/other",
        ] {
            assert_eq!(
                list(json!({"EventBusName": bus}))["RuleNames"],
                json!(["r3"])
            );
        }
        let buses = events.call("ListEventBuses", &json!({})).unwrap();
        let names: Vec<&Value> = buses["EventBuses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|bus| &bus["Name"])
            .collect();
        assert_eq!(names, ["default", "other"]);
    }

    #[test]
    fn unknown_buses_and_rules_managed_rules_and_invented_tokens_are_refused() {
        let events = Events::default();
        events.put_managed_rule("default", "managed");
        let put = |rule: &str| {
            code(events.call(
                "PutTargets",
                &json!({"Rule": rule, "Targets": [target("a", "app:1")]}),
            ))
        };
        assert_eq!(put("none"), "ResourceNotFoundException");
        assert_eq!(put("managed"), "ManagedRuleException");
        let list = |operation, request| code(events.call(operation, &request));
        let elsewhere = "arn:aws:events:eu-central-1:999999999999:event-bus/default";
        for bus in ["none", elsewhere] {
            let request = json!({"TargetArn": CLUSTER, "EventBusName": bus});
            assert_eq!(
                list("ListRuleNamesByTarget", request),
                "ResourceNotFoundException"
            );
        }
        assert_eq!(
            list("ListTargetsByRule", json!({"Rule": "none"})),
            "ResourceNotFoundException"
        );
        assert_eq!(
            list("ListEventBuses", json!({"NextToken": "x"})),
            "InvalidToken"
        );
    }

    #[test]
    fn a_rule_takes_five_targets_and_a_call_ten() {
        let events = Events::default();
        events.put_rule("default", "nightly");
        let put = |ids: std::ops::Range<u32>| {
            let targets: Vec<Value> = ids.map(|id| target(&id.to_string(), "app:1")).collect();
            code(events.call(
                "PutTargets",
                &json!({"Rule": "nightly", "Targets": targets}),
            ))
        };
        assert_eq!(put(0..11), "ValidationException");
        assert_eq!(put(0..6), "LimitExceededException");
        assert_eq!(put(0..5), "ok");
        assert_eq!(put(3..5), "ok");
        assert_eq!(put(4..6), "LimitExceededException");
        assert_eq!(events.targets("default", "nightly").len(), 5);
    }

    #[test]
    fn a_target_of_ecs_needs_its_parameters_and_a_role_and_any_at_most_one_input() {
        let events = Events::default();
        events.put_rule("default", "nightly");
        let put = |target: Value| {
            code(events.call(
                "PutTargets",
                &json!({"Rule": "nightly", "Targets": [target]}),
            ))
        };
        for member in ["RoleArn", "EcsParameters"] {
            let mut lacking = target("a", "app:1");
            lacking.as_object_mut().unwrap().remove(member);
            assert_eq!(put(lacking), "ValidationException", "{member}");
        }
        let mut twofold = target("a", "app:1");
        twofold["Input"] = json!("{}");
        assert_eq!(put(twofold.clone()), "ok");
        twofold["InputPath"] = json!("$.detail");
        assert_eq!(put(twofold), "ValidationException");
    }

    #[test]
    fn a_target_that_fails_is_listed_and_stays_as_it_was() {
        let events = Events::default();
        events.put_target("default", "nightly", target("a", "app:1"));
        let code = "ConcurrentModificationException";
        events.fail_target("default", "nightly", "a", code, "Too many at once.");
        let targets = json!([target("a", "app:2"), target("b", "app:2")]);
        let put = json!({"Rule": "nightly", "Targets": targets});
        let answer = events.call("PutTargets", &put).unwrap();
        assert_eq!(answer["FailedEntryCount"], 1);
        assert_eq!(answer["FailedEntries"][0]["ErrorCode"], code);
        let shown = events.targets("default", "nightly");
        assert_eq!(shown, [target("a", "app:1"), target("b", "app:2")]);
    }
}
