//! `EventBridge`: rules whose targets run tasks, and buses that are told of deployments.

use aws_types::SdkConfig;
use serde_json::{Map, Value, json};

use super::endpoint::Service;
use super::hosts;
use super::raw::RawClient;
use crate::deploy::call::{CallError, Class};
use crate::deploy::notice::SOURCE;

/// Pages of a listing that are looked through; a hundred entries each.
const PAGES: usize = 50;

/// A target of a rule, every member as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleTarget {
    /// The event bus.
    pub bus: String,
    /// The rule.
    pub rule: String,
    /// The target.
    pub target: Map<String, Value>,
}

/// `EventBridge` in one account and Region.
#[derive(Debug, Clone)]
pub struct Events {
    client: RawClient,
}

pub(super) const SERVICE: Service = Service {
    id: "EventBridge",
    name: "events",
    hosts: &hosts::EVENTS,
    target: "AWSEvents",
};

impl Events {
    pub(super) fn new(config: SdkConfig) -> Self {
        Self {
            client: RawClient::new(config, SERVICE),
        }
    }

    /// Sends an event.
    ///
    /// # Replay
    /// Sent twice it comes twice.
    ///
    /// # Errors
    /// [`CallError`], also if the bus has not taken it.
    pub async fn put(&self, bus: &str, detail_type: &str, detail: &Value) -> Result<(), CallError> {
        const OPERATION: &str = "events:PutEvents";
        let subject = format!("event bus {bus}");
        let entry = json!({"Source": SOURCE, "DetailType": detail_type, "EventBusName": bus,
            "Detail": detail.to_string()});
        let body = json!({"Entries": [entry]});
        let answer = self.client.ask(OPERATION, subject.clone(), body).await;
        let answer = answer.map_err(|error| {
            if bus.starts_with("arn:") {
                error.about_resource(bus)
            } else {
                error
            }
        })?;
        let taken = &answer["Entries"][0];
        let text = |member: &str| taken[member].as_str();
        match (text("ErrorCode"), text("ErrorMessage")) {
            (None, _) => Ok(()),
            (Some(code), message) => {
                let detail = format!("{code}: {}", message.unwrap_or_default());
                Err(CallError::unusable(
                    OPERATION,
                    subject,
                    Class::Refused,
                    detail,
                ))
            }
        }
    }

    /// All of a listing.
    async fn list(
        &self,
        operation: &'static str,
        subject: &str,
        body: &Value,
        member: &str,
    ) -> Result<Vec<Value>, CallError> {
        let mut values = Vec::new();
        let mut body = body.clone();
        for _ in 0..PAGES {
            let answer = self
                .client
                .ask(operation, subject.to_owned(), body.clone())
                .await?;
            values.extend(answer[member].as_array().into_iter().flatten().cloned());
            match answer["NextToken"].as_str() {
                Some(next) => body["NextToken"] = json!(next),
                None => return Ok(values),
            }
        }
        Err(CallError::unusable(
            operation,
            subject,
            Class::Refused,
            "the listing has no end",
        ))
    }

    /// The names of all event buses.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn buses(&self) -> Result<Vec<String>, CallError> {
        let listed = self
            .list(
                "events:ListEventBuses",
                "event buses",
                &json!({}),
                "EventBuses",
            )
            .await?;
        let names = listed.iter().filter_map(|bus| bus["Name"].as_str());
        Ok(names.map(str::to_owned).collect())
    }

    /// The targets of the bus's rules that run tasks on the cluster with this ARN.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn targets_on(
        &self,
        bus: &str,
        cluster_arn: &str,
    ) -> Result<Vec<RuleTarget>, CallError> {
        let rules = self
            .list(
                "events:ListRuleNamesByTarget",
                &format!("event bus {bus}"),
                &json!({"TargetArn": cluster_arn, "EventBusName": bus}),
                "RuleNames",
            )
            .await?;
        let mut found = Vec::new();
        for rule in rules.iter().filter_map(Value::as_str) {
            let targets = self
                .list(
                    "events:ListTargetsByRule",
                    &format!("rule {rule}"),
                    &json!({"Rule": rule, "EventBusName": bus}),
                    "Targets",
                )
                .await?;
            for target in targets {
                if let Value::Object(target) = target
                    && target.get("Arn").and_then(Value::as_str) == Some(cluster_arn)
                {
                    found.push(RuleTarget {
                        bus: bus.to_owned(),
                        rule: rule.to_owned(),
                        target,
                    });
                }
            }
        }
        Ok(found)
    }

    /// Replaces the target with the same id.
    ///
    /// # Replay
    /// The same again changes nothing.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn put_target(&self, target: &RuleTarget) -> Result<(), CallError> {
        const OPERATION: &str = "events:PutTargets";
        let subject = format!("rule {}", target.rule);
        let body = json!({"Rule": target.rule, "EventBusName": target.bus,
            "Targets": [target.target]});
        let answer = self.client.ask(OPERATION, subject.clone(), body).await?;
        match answer["FailedEntries"].get(0) {
            None => Ok(()),
            Some(failed) => Err(CallError::unusable(
                OPERATION,
                subject,
                Class::Refused,
                failed["ErrorMessage"].as_str().unwrap_or("no reason given"),
            )),
        }
    }
}
