//! What tasks need beside their images, as far as it can be looked at: secrets, parameters, roles, target groups and
//! alarms of the account.
//!
//! Caveats: secrets, parameters and alarms are there if a test has put them there. Roles and target groups are there
//! unless a test has removed them, because every service of a test names some.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::arn::{ACCOUNT, REGION};
use crate::wire::{ApiError, text};

/// As signatures name them.
pub(crate) const BALANCERS: &str = "elasticloadbalancing";
pub(crate) const IAM: &str = "iam";
pub(crate) const CLOUDWATCH: &str = "monitoring";
pub(crate) const SECRETS: &str = "secretsmanager";
pub(crate) const PARAMETERS: &str = "ssm";

/// The services of the query protocol among them.
pub(crate) const IN_FORMS: [&str; 3] = [BALANCERS, IAM, CLOUDWATCH];

/// The account. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Account {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    secrets: BTreeMap<String, Secret>,
    /// By name; a value that nobody may ever show.
    parameters: BTreeMap<String, String>,
    /// Trust policies that are not the usual one.
    trust: BTreeMap<String, Value>,
    removed_roles: BTreeSet<String>,
    /// By name: its type and the port of its health check.
    target_groups: BTreeMap<String, (String, String)>,
    removed_target_groups: BTreeSet<String>,
    /// By name.
    alarms: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Secret {
    stages: Vec<String>,
    is_deleted: bool,
}

/// The id of the only version that a secret has here.
pub const SECRET_VERSION: &str = "11111111-2222-3333-4444-555555555555";

impl Account {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a secret with one version in these stages; its ARN. `db` is found as `db-AbCdEf` and as `db`.
    pub fn put_secret(&self, name: &str, stages: &[&str]) -> String {
        let stages = stages.iter().map(|stage| (*stage).to_owned()).collect();
        let secret = Secret {
            stages,
            is_deleted: false,
        };
        self.state().secrets.insert(name.to_owned(), secret);
        secret_arn(name)
    }

    /// Removes a secret.
    pub fn remove_secret(&self, name: &str) {
        self.state().secrets.remove(name);
    }

    /// The secret is pending deletion.
    pub fn delete_secret(&self, name: &str) {
        if let Some(secret) = self.state().secrets.get_mut(name) {
            secret.is_deleted = true;
        }
    }

    /// Puts a parameter with this value.
    pub fn put_parameter(&self, name: &str, value: &str) {
        let mut state = self.state();
        state.parameters.insert(name.to_owned(), value.to_owned());
    }

    /// Removes a parameter.
    pub fn remove_parameter(&self, name: &str) {
        self.state().parameters.remove(name);
    }

    /// The role is trusted by others than ECS's tasks alone.
    pub fn set_trust(&self, role: &str, policy: Value) {
        self.state().trust.insert(role.to_owned(), policy);
    }

    /// Removes a role.
    pub fn remove_role(&self, role: &str) {
        self.state().removed_roles.insert(role.to_owned());
    }

    /// The target group has targets of this type, and a health check on this port.
    pub fn set_target_group(&self, name: &str, kind: &str, check_port: &str) {
        let group = (kind.to_owned(), check_port.to_owned());
        self.state().target_groups.insert(name.to_owned(), group);
    }

    /// Removes a target group.
    pub fn remove_target_group(&self, name: &str) {
        self.state().removed_target_groups.insert(name.to_owned());
    }

    /// Puts an alarm in this state.
    pub fn put_alarm(&self, name: &str, state: &str) {
        let mut known = self.state();
        known.alarms.insert(name.to_owned(), state.to_owned());
    }

    pub(crate) fn call(&self, service: &str, request: &Value) -> Result<Value, ApiError> {
        let state = self.state();
        match service {
            SECRETS => state.describe_secret(request),
            PARAMETERS => Ok(state.get_parameters(request)),
            IAM => state.get_role(request),
            CLOUDWATCH => Ok(state.describe_alarms(request)),
            _ => state.describe_target_groups(request),
        }
    }
}

fn secret_arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf")
}

impl State {
    fn describe_secret(&self, request: &Value) -> Result<Value, ApiError> {
        let id = text(request, "SecretId");
        let mut secrets = self.secrets.iter();
        let found = secrets.find(|(name, _)| id == *name || id == secret_arn(name));
        let (name, secret) = found.ok_or_else(|| {
            let message = "Secrets Manager can't find the specified secret.";
            ApiError::new("ResourceNotFoundException", message)
        })?;
        let mut answer = json!({"ARN": secret_arn(name), "Name": name});
        if !secret.stages.is_empty() {
            answer["VersionIdsToStages"] = json!({ SECRET_VERSION: secret.stages });
        }
        if secret.is_deleted {
            answer["DeletedDate"] = json!(1_790_000_000.0);
        }
        Ok(answer)
    }

    fn get_parameters(&self, request: &Value) -> Value {
        let (mut found, mut invalid) = (Vec::new(), Vec::new());
        for asked in request["Names"].as_array().into_iter().flatten() {
            let asked = asked.as_str().unwrap_or_default();
            let arn = |name: &str| {
                let slash = if name.starts_with('/') { "" } else { "/" };
                format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{slash}{name}")
            };
            let mut parameters = self.parameters.iter();
            match parameters.find(|(name, _)| asked == *name || asked == arn(name)) {
                Some((name, value)) => found.push(json!({"Name": name, "ARN": arn(name),
                    "Type": "String", "Value": value, "Version": 1})),
                None => invalid.push(asked),
            }
        }
        json!({"Parameters": found, "InvalidParameters": invalid})
    }

    fn get_role(&self, request: &Value) -> Result<Value, ApiError> {
        let role = text(request, "RoleName");
        if self.removed_roles.contains(role) {
            let message = format!("The role with name {role} cannot be found.");
            return Err(ApiError::new("NoSuchEntity", message).with_status(404));
        }
        let usual = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
        let policy = self.trust.get(role).unwrap_or(&usual).to_string();
        let policy = utf8_percent_encode(&policy, NON_ALPHANUMERIC);
        Ok(json!(format!(
            r#"<GetRoleResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetRoleResult><Role><Path>/</Path><AssumeRolePolicyDocument>{policy}</AssumeRolePolicyDocument><RoleName>{role}</RoleName></Role></GetRoleResult><ResponseMetadata><RequestId>iam</RequestId></ResponseMetadata></GetRoleResponse>"#
        )))
    }

    fn describe_alarms(&self, request: &Value) -> Value {
        let asked = request["AlarmNames"].as_array().into_iter().flatten();
        let asked = asked.filter_map(Value::as_str);
        let members: String = asked
            .filter_map(|name| {
                let state = self.alarms.get(name)?;
                Some(format!("<member><AlarmName>{name}</AlarmName><MetricName>errors</MetricName><StateValue>{state}</StateValue></member>"))
            })
            .collect();
        json!(format!(
            r#"<DescribeAlarmsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><DescribeAlarmsResult><CompositeAlarms/><MetricAlarms>{members}</MetricAlarms></DescribeAlarmsResult><ResponseMetadata><RequestId>cloudwatch</RequestId></ResponseMetadata></DescribeAlarmsResponse>"#
        ))
    }

    /// Every target group has the same check. The answer's XML is a JSON text.
    fn describe_target_groups(&self, request: &Value) -> Result<Value, ApiError> {
        let arn = request["TargetGroupArns"][0].as_str().unwrap_or_default();
        let name = arn.split(":targetgroup/").nth(1);
        let name = name.and_then(|rest| rest.split('/').next());
        let name = name.filter(|name| !self.removed_target_groups.contains(*name));
        let Some(name) = name else {
            let message = "One or more target groups not found";
            return Err(ApiError::new("TargetGroupNotFound", message));
        };
        let usual = ("ip".to_owned(), "traffic-port".to_owned());
        let (kind, port) = self.target_groups.get(name).unwrap_or(&usual);
        Ok(json!(format!(
            r#"<DescribeTargetGroupsResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><DescribeTargetGroupsResult><TargetGroups><member><TargetGroupArn>{arn}</TargetGroupArn><TargetType>{kind}</TargetType><Port>80</Port><HealthCheckEnabled>true</HealthCheckEnabled><HealthCheckPort>{port}</HealthCheckPort><HealthCheckPath>/health</HealthCheckPath><Matcher><HttpCode>200</HttpCode></Matcher></member></TargetGroups></DescribeTargetGroupsResult><ResponseMetadata><RequestId>elb</RequestId></ResponseMetadata></DescribeTargetGroupsResponse>"#
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_by_its_name_and_its_arn_and_shows_when_it_is_pending_deletion() {
        let account = Account::default();
        let arn = account.put_secret("db", &["AWSCURRENT"]);
        let describe = |id: &str| account.call(SECRETS, &json!({"SecretId": id}));
        assert_eq!(describe(&arn).unwrap()["Name"], "db");
        assert!(describe("db").unwrap()["DeletedDate"].is_null());
        account.delete_secret("db");
        assert!(!describe("db").unwrap()["DeletedDate"].is_null());
        assert_eq!(describe("x").unwrap_err().code, "ResourceNotFoundException");
    }

    #[test]
    fn parameters_that_there_are_not_are_invalid_and_no_error() {
        let account = Account::default();
        account.put_parameter("/app/db", "v");
        let names = [
            "/app/db",
            "arn:aws:ssm:eu-central-1:111122223333:parameter/app/db",
            "x",
        ];
        let answer = account.call(PARAMETERS, &json!({"Names": names})).unwrap();
        assert_eq!(answer["Parameters"].as_array().unwrap().len(), 2);
        assert_eq!(answer["InvalidParameters"], json!(["x"]));
    }
}
