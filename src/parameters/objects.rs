//! The parameters that are objects or arrays, also as a text that holds one, because CodePipeline's
//! configuration has only texts.

use std::time::Duration;

use serde_json::Value;

use super::grammar;
use super::kinds::{Kind, whole_number};
use super::problems::{NAME_SHOWN_CHARS, Problems};
use super::written::broken_by;
use crate::deploy::fit;
use crate::deploy::outside::shown;
use crate::deploy::patch;
use crate::deploy::spec::{
    ContinueDeployment, PatchFrom, SERVICES_LIMIT, StandaloneTask, TIMEOUT_MAX_MINUTES,
};
use crate::deploy::text;

/// The default of a task's `Timeout`, and of `DeploymentTimeout`.
pub(super) const TIMEOUT_DEFAULT_MINUTES: u64 = 60;

const ENTRY_MEMBERS: [&str; 2] = ["ServiceName", "ClusterName"];
const TASK_MEMBERS: [&str; 6] = [
    "Container",
    "Command",
    "Timeout",
    "Environment",
    "Cpu",
    "Memory",
];

const CONTINUE_MEMBERS: [&str; 3] = ["DeploymentId", "HookId", "Action"];

const CONTINUE: &str = r##"an object, as {"DeploymentId": "#{Deploy.DeploymentId}", "HookId": "#{Deploy.HookId}", "Action": "CONTINUE"}"##;

/// A text with one of these is JSON, or was to be, and no path: it is never shown.
const OF_JSON: [char; 6] = ['{', '}', '[', ']', '"', '\n'];

const PATCH: &str =
    r#"an object, as {"cpu": "512"}, or a path to a file inside the artifact that holds one"#;

const TASK: &str =
    r#"an object, as {"Container": "app", "Command": ["migrate", "up"], "Timeout": 15}"#;

/// An entry of `Services`, as written.
pub(super) struct Entry {
    pub(super) service: String,
    /// Its cluster, if it is not that of `ClusterName`.
    pub(super) cluster: Option<String>,
}

/// An array of services: a name, or an object with its cluster's. Entries that cannot be read are
/// reported and left out.
pub(super) struct Services;

impl Kind<Vec<Entry>> for Services {
    fn read(
        &self,
        place: &'static str,
        written: &Value,
        problems: &mut Problems,
    ) -> Option<Vec<Entry>> {
        let expected = format!(
            r#"an array of 1 to {SERVICES_LIMIT} services, as ["web", {{"ServiceName": "worker", "ClusterName": "jobs"}}]"#
        );
        let value = json(place, written, &expected, problems)?;
        match &value {
            Value::Array(entries) if (1..=SERVICES_LIMIT).contains(&entries.len()) => {
                let entries = entries.iter().enumerate();
                let read = entries
                    .filter_map(|(index, it)| entry(&format!("{place}[{index}]"), it, problems));
                Some(read.collect())
            }
            _ => problems.accepted(place, &value, Err(expected)),
        }
    }

    fn bounds(&self) -> Option<String> {
        Some(format!("up to {SERVICES_LIMIT}"))
    }
}

fn entry(place: &str, written: &Value, problems: &mut Problems) -> Option<Entry> {
    let (service, cluster) = match written {
        Value::Object(members) => {
            problems.known_members(place, members, &ENTRY_MEMBERS);
            let cluster = members.get("ClusterName");
            let service = members.get("ServiceName");
            (service, cluster.filter(|value| !value.is_null()))
        }
        _ => (Some(written), None),
    };
    let cluster = match cluster {
        Some(value) => Some(name(place, value, grammar::cluster, problems)?),
        None => None,
    };
    let Some(service) = service else {
        problems.report(format!("{place} has no ServiceName"));
        return None;
    };
    let service = name(place, service, grammar::service, problems)?;
    Some(Entry { service, cluster })
}

fn name(
    place: &str,
    written: &Value,
    rule: fn(&str) -> Result<String, String>,
    problems: &mut Problems,
) -> Option<String> {
    let outcome = match written {
        Value::String(text) => rule(text.trim()),
        _ => Err("a name in double quotes".to_owned()),
    };
    problems.accepted(place, written, outcome)
}

/// A deployment to continue, and how.
pub(super) struct Continue;

impl Kind<ContinueDeployment> for Continue {
    fn read(
        &self,
        place: &'static str,
        written: &Value,
        problems: &mut Problems,
    ) -> Option<ContinueDeployment> {
        let value = json(place, written, CONTINUE, problems)?;
        let Value::Object(members) = &value else {
            return problems.accepted(place, &value, Err(CONTINUE.to_owned()));
        };
        problems.known_members(place, members, &CONTINUE_MEMBERS);
        let [deployment, hook, action] =
            CONTINUE_MEMBERS.map(|member| members.get(member).unwrap_or(&Value::Null));
        let mut accepted = Member { place, problems };
        let deployment = accepted.text("DeploymentId", deployment, grammar::deployment);
        let hook = match hook {
            Value::Null => Some(None),
            hook => accepted.text("HookId", hook, grammar::hook).map(Some),
        };
        let action = accepted.text("Action", action, grammar::hook_action);
        Some(ContinueDeployment {
            deployment: deployment?,
            hook: hook?,
            action: action?,
        })
    }
}

/// Changes to a task definition, or the path of a file that holds them.
pub(super) struct Patch;

impl Kind<PatchFrom> for Patch {
    fn read(
        &self,
        place: &'static str,
        written: &Value,
        problems: &mut Problems,
    ) -> Option<PatchFrom> {
        let value = match written {
            Value::String(text) if !text.trim().contains(OF_JSON) => {
                let path = grammar::path_in_artifact(text.trim());
                let path = path.map_err(|_| PATCH.to_owned());
                let path = problems.accepted(place, written, path)?;
                return Some(PatchFrom::File(path));
            }
            // Any other value may hold what is not to be shown.
            Value::Array(items) if items.is_empty() => {
                return problems.accepted(place, written, Err(PATCH.to_owned()));
            }
            written => unshown_json(place, written, problems)?,
        };
        match patch::Patch::parse(place, value) {
            Ok(patch) => Some(PatchFrom::Parameters(patch)),
            Err(found) => {
                for problem in found {
                    problems.refuse(place, problem.to_string());
                }
                None
            }
        }
    }
}

/// A task to run: container, command, time limit, and what it has besides.
pub(super) struct Task;

impl Kind<StandaloneTask> for Task {
    fn read(
        &self,
        place: &'static str,
        written: &Value,
        problems: &mut Problems,
    ) -> Option<StandaloneTask> {
        // Its variables may hold what is not to be shown.
        let value = unshown_json(place, written, problems)?;
        let Value::Object(members) = &value else {
            return match &value {
                // These hide nothing.
                Value::Bool(_) | Value::Number(_) => {
                    problems.accepted(place, &value, Err(TASK.to_owned()))
                }
                Value::Array(items) if items.is_empty() => {
                    problems.accepted(place, &value, Err(TASK.to_owned()))
                }
                _ => {
                    problems.refuse(place, format!("{place} is no object: expected {TASK}"));
                    None
                }
            };
        };
        problems.known_members(place, members, &TASK_MEMBERS);
        let [container, command, timeout, environment, cpu, memory] =
            TASK_MEMBERS.map(|member| members.get(member).unwrap_or(&Value::Null));
        let mut accepted = Member { place, problems };
        let container = accepted.of(
            "Container",
            container,
            container_name(container).ok_or("the name of the container whose exit code decides"),
        );
        let command = accepted.of(
            "Command",
            command,
            texts(command).ok_or(r#"an array of texts, as ["migrate", "up"]"#),
        );
        let minutes = accepted.of(
            "Timeout",
            timeout,
            minutes(timeout).ok_or("a whole number of minutes"),
        );
        let cpu = accepted.of(
            "Cpu",
            cpu,
            size(cpu, "vcpu", r#"a size as ECS has it, as "512" or "1 vCPU""#),
        );
        let memory = accepted.of(
            "Memory",
            memory,
            size(memory, "gb", r#"a size as ECS has it, as "1024" or "2 GB""#),
        );
        let environment = variables(place, environment, problems);
        Some(StandaloneTask {
            container: container?,
            command: command?,
            timeout: Duration::from_mins(minutes?),
            environment: environment?,
            cpu: cpu?,
            memory: memory?,
        })
    }
}

/// An object of names and texts. No text is shown.
fn variables(
    place: &str,
    written: &Value,
    problems: &mut Problems,
) -> Option<Vec<(String, String)>> {
    let place = format!("{place}.Environment");
    let members = match written {
        Value::Null => return Some(Vec::new()),
        Value::Object(members) => members,
        _ => {
            problems.refuse(
                &place,
                format!(r#"{place} is no object: expected one, as {{"STAGE": "test"}}"#),
            );
            return None;
        }
    };
    let mut variables = Vec::new();
    let mut are_all_well = true;
    for (name, value) in members {
        let is_name = !name.is_empty() && !name.contains('=') && !name.contains(char::is_control);
        match value {
            Value::String(value) if is_name => variables.push((name.clone(), value.clone())),
            _ => {
                are_all_well = false;
                let shown = text::cut(&shown(name), NAME_SHOWN_CHARS);
                let expected = if is_name {
                    "a text in double quotes"
                } else {
                    "a name without '='"
                };
                problems.refuse(&place, format!("{place}.{shown}: expected {expected}"));
            }
        }
    }
    are_all_well.then_some(variables)
}

/// A size in ECS's units, written so or in the larger ones, as a text or a number; none if it is not written.
fn size(
    written: &Value,
    larger: &str,
    expected: &'static str,
) -> Result<Option<String>, &'static str> {
    let text = match written {
        Value::Null => return Ok(None),
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return Err(expected),
    };
    let units = fit::units(&text, larger).filter(|units| *units > 0);
    units.map(|units| Some(units.to_string())).ok_or(expected)
}

/// Accepts or refuses the members of the object at `place`.
struct Member<'a> {
    place: &'static str,
    problems: &'a mut Problems,
}

impl Member<'_> {
    /// A text by its rule.
    fn text<T>(
        &mut self,
        name: &str,
        written: &Value,
        rule: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let place = format!("{}.{name}", self.place);
        let outcome = rule(written.as_str().unwrap_or_default().trim());
        self.problems.accepted(&place, written, outcome)
    }

    fn of<T>(&mut self, name: &str, written: &Value, outcome: Result<T, &str>) -> Option<T> {
        let place = format!("{}.{name}", self.place);
        let outcome = outcome.map_err(str::to_owned);
        self.problems.accepted(&place, written, outcome)
    }
}

fn container_name(written: &Value) -> Option<String> {
    let name = written.as_str()?.trim();
    grammar::is_name(name).then(|| name.to_owned())
}

/// The texts of an array that has some and nothing else.
fn texts(written: &Value) -> Option<Vec<String>> {
    let entries = written.as_array().filter(|entries| !entries.is_empty())?;
    let texts = entries
        .iter()
        .map(|entry| entry.as_str().map(str::to_owned));
    texts.collect()
}

/// A task's time limit; one minute at least is left to the deployment.
fn minutes(written: &Value) -> Option<u64> {
    if written.is_null() {
        return Some(TIMEOUT_DEFAULT_MINUTES);
    }
    whole_number(written).filter(|minutes| (1..TIMEOUT_MAX_MINUTES).contains(minutes))
}

/// The value itself, or the one that its text holds, which may be what is not to be shown.
fn unshown_json(place: &str, written: &Value, problems: &mut Problems) -> Option<Value> {
    let Value::String(text) = written else {
        return Some(written.clone());
    };
    match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(value) => Some(value),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let reason = text::without_position(&error);
            let hint = broken_by(text, &error).map_or_else(String::new, |hint| format!("; {hint}"));
            problems.refuse(
                place,
                format!(
                    "{place} contains invalid JSON at line {line}, column {column}: {reason}{hint}"
                ),
            );
            None
        }
    }
}

/// The value itself, or the one that its text holds.
fn json(place: &str, written: &Value, expected: &str, problems: &mut Problems) -> Option<Value> {
    match written {
        Value::String(text) => {
            let parsed = serde_json::from_str(text).map_err(|_| expected.to_owned());
            problems.accepted(place, written, parsed)
        }
        _ => Some(written.clone()),
    }
}
