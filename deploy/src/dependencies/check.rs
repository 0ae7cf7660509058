//! What looking at each thing that is needed came to: missing, worth a warning, or not to be seen.

use serde_json::Value;

use super::missing::Missing;
use super::needed::{
    AlarmsNeeded, LogGroupNeeded, ParameterNeeded, RoleNeeded, SecretNeeded, TargetGroupNeeded,
};
use super::trust;
use crate::call::{CallError, Class};
use crate::outside::shown;
use crate::region::Region;
use crate::text;
use crate::words::{self, Caller};

/// The stage of the version that is meant where none is named
/// (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html>).
const CURRENT: &str = "AWSCURRENT";

/// The names of more things than this are not listed.
const LISTED: usize = 5;

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The new tasks could not start, or get no traffic.
    Missing(Missing),
    /// Worth knowing, as a sentence without its stop.
    Warning(String),
    /// It could not be looked at.
    Unseen(Unseen),
}

/// Something that could not be looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Unseen {
    /// What, as `the secret db`.
    pub what: String,
    /// Why.
    pub error: CallError,
}

/// A secret, as `DescribeSecret` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecretSeen {
    /// It is to be deleted.
    pub is_deleted: bool,
    /// The ids of its versions, each with its stages; none if they are not shown.
    pub versions: Option<Vec<(String, Vec<String>)>>,
}

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetGroupSeen {
    /// `ip`, `instance`, `lambda` or `alb`.
    pub kind: Option<String>,
    /// The port that its health check asks: `traffic-port`, or a number.
    pub check_port: Option<String>,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmSeen {
    /// Its name.
    pub name: String,
    /// `OK`, `ALARM`, `INSUFFICIENT_DATA`.
    pub state: String,
}

/// Of a secret.
pub fn secret(needed: &SecretNeeded, seen: Result<SecretSeen, CallError>) -> Option<Finding> {
    let name = secret_name(&needed.id);
    let by = needed.by.clone();
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) if error.class == Class::Missing => {
            let place = place(needed.region.as_ref(), &error);
            return Some(missing(Missing::Secret { name, place, by }));
        }
        Err(error) => return Some(not_seen(format!("the secret {name}"), error)),
    };
    if seen.is_deleted {
        return Some(missing(Missing::SecretDeleted { name, by }));
    }
    let versions = seen.versions?;
    let has = |id: &str, stages: &[String]| match (&needed.version, &needed.stage) {
        (Some(version), Some(stage)) => id == version && stages.contains(stage),
        (Some(version), None) => id == version,
        (None, stage) => stages
            .iter()
            .any(|one| one == stage.as_deref().unwrap_or(CURRENT)),
    };
    if versions.iter().any(|(id, stages)| has(id, stages)) {
        return None;
    }
    if let (Some(version), None) = (&needed.version, &needed.stage) {
        // Those without a stage are not shown, and can be read until Secrets Manager deletes them
        // (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html>).
        return Some(Finding::Warning(format!(
            "the version with the id {} of the secret {name}, which {} needs, has no stage: Secrets Manager may delete it at any time",
            shown(version),
            text::listed(&by)
        )));
    }
    let which = match (&needed.version, &needed.stage) {
        (Some(version), Some(stage)) => {
            format!("id {} and the stage {}", shown(version), shown(stage))
        }
        (_, stage) => format!("stage {}", shown(stage.as_deref().unwrap_or(CURRENT))),
    };
    let is_current = needed.stage.as_deref().is_none_or(|stage| stage == CURRENT);
    Some(missing(Missing::SecretVersion {
        name,
        which,
        has_no_value: needed.version.is_none() && is_current,
        by,
    }))
}

/// Of a parameter: whether Systems Manager says that it is none.
pub fn parameter(needed: &ParameterNeeded, is_invalid: Result<bool, CallError>) -> Option<Finding> {
    let name = parameter_name(&needed.name);
    match is_invalid {
        Ok(false) => None,
        Ok(true) => {
            let region = needed.region.as_ref();
            Some(missing(Missing::Parameter {
                name,
                place: region.map_or_else(String::new, |region| format!(" in {region}")),
                by: needed.by.clone(),
            }))
        }
        Err(error) => Some(not_seen(format!("the parameter {name}"), error)),
    }
}

/// Of a log group.
pub fn log_group(needed: &LogGroupNeeded, seen: Result<(), CallError>) -> Option<Finding> {
    let name = needed.name.clone();
    match seen {
        Ok(()) => None,
        Err(error) if error.class == Class::Missing => Some(missing(Missing::LogGroup {
            name,
            place: place(needed.region.as_ref(), &error),
            by: needed.by.clone(),
        })),
        Err(error) => Some(not_seen(format!("the log group {name}"), error)),
    }
}

/// Of a role: its trust policy.
pub fn role(needed: &RoleNeeded, trust: Result<Value, CallError>) -> Option<Finding> {
    let (name, members) = (needed.name.clone(), needed.members.clone());
    match trust {
        Ok(policy) if trust::keeps_tasks_out(&policy) => {
            Some(missing(Missing::Trust { name, members }))
        }
        Ok(_) => None,
        Err(error) if error.class == Class::Missing => {
            Some(missing(Missing::Role { name, members }))
        }
        Err(error) => Some(not_seen(format!("the role {name}"), error)),
    }
}

/// Of a target group. Its own port says nothing, for ECS registers each task with its container's
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/alb.html>); that of its health check does.
pub fn target_group(
    needed: &TargetGroupNeeded,
    seen: Result<TargetGroupSeen, CallError>,
) -> Option<Finding> {
    let name = text::target_group(&needed.arn).to_owned();
    let target = needed.target.clone();
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) if error.class == Class::Missing => {
            return Some(missing(Missing::TargetGroup { name, target }));
        }
        Err(error) => return Some(not_seen(format!("the target group {name}"), error)),
    };
    let fitting = if needed.is_awsvpc { "ip" } else { "instance" };
    if let Some(kind) = seen.kind.filter(|kind| kind != fitting) {
        let is_awsvpc = needed.is_awsvpc;
        return Some(missing(Missing::TargetType {
            name,
            target,
            kind,
            is_awsvpc,
        }));
    }
    // On an instance the port of the host counts, which is not known before.
    let port: i64 = seen.check_port.filter(|_| needed.is_awsvpc)?.parse().ok()?;
    let is_mapped =
        needed.has_range || needed.mapped.contains(&port) || i64::from(needed.port) == port;
    (!is_mapped).then(|| {
        let mapped = needed.mapped.iter().map(ToString::to_string);
        Finding::Warning(format!(
            "{target}: the health check of the target group {name} asks the port {port}, which no container of the new revision maps ({}): unless one listens there all the same, its tasks become unhealthy",
            match text::listed(&mapped.collect::<Vec<_>>()) {
                none if none.is_empty() => "they map none".to_owned(),
                some => format!("they map {some}"),
            }
        ))
    })
}

/// Of the alarms of a service
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html>).
pub fn alarms(needed: &AlarmsNeeded, seen: Result<Vec<AlarmSeen>, CallError>) -> Vec<Finding> {
    let target = &needed.target;
    let listed = |names: &[&String]| {
        let names: Vec<String> = names.iter().map(|name| shown(name)).collect();
        text::listed(&names)
    };
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let what = format!("the deployment alarms of {target}");
            return vec![not_seen(what, error)];
        }
    };
    let state = |name: &String| {
        let mut seen = seen.iter();
        seen.find(|one| one.name == *name)
            .map(|one| one.state.as_str())
    };
    let names = needed.names.iter();
    let (on, gone): (Vec<&String>, Vec<&String>) = (
        names
            .clone()
            .filter(|name| state(name) == Some("ALARM"))
            .collect(),
        names.filter(|name| state(name).is_none()).collect(),
    );
    let mut findings = Vec::new();
    if !on.is_empty() {
        findings.push(Finding::Warning(format!(
            "{target}: {} {} in ALARM already, so that ECS watches no alarm during this deployment",
            listed(&on),
            if on.len() == 1 { "is" } else { "are" }
        )));
    }
    if !gone.is_empty() {
        findings.push(Finding::Warning(format!(
            "{target}: there {} no {}, which ECS is to watch during its deployments",
            if gone.len() == 1 { "is" } else { "are" },
            match gone.len() {
                1 => format!("alarm {}", listed(&gone)),
                _ => format!("alarms {}", listed(&gone)),
            }
        )));
    }
    findings
}

/// What could not be looked at, as warnings without their stops: one for each call and each reason, with the statement
/// that would allow it once.
pub fn unseen(all: Vec<Unseen>, caller: Caller) -> Vec<String> {
    let mut groups: Vec<(Vec<String>, Vec<CallError>)> = Vec::new();
    for Unseen { what, error } in all {
        let is_alike = |other: &CallError| {
            (other.operation, other.class, &other.region)
                == (error.operation, error.class, &error.region)
        };
        match groups
            .iter_mut()
            .find(|(_, errors)| errors.iter().all(is_alike))
        {
            Some((whats, errors)) => {
                whats.push(what);
                errors.push(error);
            }
            None => groups.push((vec![what], vec![error])),
        }
    }
    let sentences = groups.into_iter().map(|(mut whats, errors)| {
        let verb = if whats.len() == 1 { "was" } else { "were" };
        let more = whats.len().saturating_sub(LISTED);
        whats.truncate(LISTED);
        if more > 0 {
            whats.push(format!("{more} more"));
        }
        let why = words::calls(&errors, caller);
        format!(
            "{} {verb} not checked before the deployment (VerifyDependencies): {}",
            text::listed(&whats),
            why.trim_end_matches('.')
        )
    });
    sentences.collect()
}

fn missing(what: Missing) -> Finding {
    Finding::Missing(what)
}

fn not_seen(what: String, error: CallError) -> Finding {
    Finding::Unseen(Unseen { what, error })
}

/// The Region that was asked, where it may not be the one that people think of.
fn place(named: Option<&Region>, error: &CallError) -> String {
    let region = named.map(Region::name).or(error.region.as_deref());
    region.map_or_else(String::new, |region| format!(" in {region}"))
}

/// `arn:…:secret:prod/db-AbCdEf`
fn secret_name(id: &str) -> String {
    shown(id.rsplit(':').next().unwrap_or(id))
}

/// A parameter's name as messages show it. One without a slash is not shown: somebody may have written the secret
/// itself.
pub fn parameter_name(name: &str) -> String {
    let name = name.split_once(":parameter").map_or(name, |(_, name)| name);
    if name.contains('/') {
        shown(name)
    } else {
        "that its valueFrom names".to_owned()
    }
}
