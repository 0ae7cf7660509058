//! Tasks that are run by themselves.

use serde_json::{Value, json};

use super::answer::{Answer, check_tags, cluster_of, invalid, refuse_parameters};
use super::fit::{check_network, check_volumes};
use super::placement::Placement;
use super::setup::Behaviour;
use super::task::{Run, Task};
use super::world::World;
use crate::wire::{ApiError, text};

/// One call runs so many tasks
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>, as all limits
/// here).
const TASKS_PER_CALL: i64 = 10;
const CLIENT_TOKEN_CHARS: usize = 64;
const STARTED_BY_CHARS: usize = 128;
/// The overrides as JSON.
const OVERRIDES_CHARS: usize = 8192;

pub(super) fn run_task(world: &mut World, request: &Value) -> Answer {
    world.find(text(request, "cluster"), "")?;
    let cluster = cluster_of(request);
    check_request(request)?;
    let token = text(request, "clientToken");
    let key = (cluster.clone(), token.to_owned());
    if let Some((first, arns)) = world.runs.get(&key).filter(|_| !token.is_empty()) {
        if first == request {
            return Ok(world.shown_run(arns));
        }
        let message = "The RunTask request could not be processed due to conflicts. The provided clientToken is already in use with a different RunTask request.";
        let error = ApiError::new("ConflictException", message);
        return Err(error.with_resource_ids(arns.clone()));
    }
    let definition = world
        .definition(text(request, "taskDefinition"))
        .ok_or_else(|| ApiError::new("ClientException", "TaskDefinition not found."))?;
    if !definition.is_active {
        // Not the ClientException of UpdateService
        // (<https://github.com/DefangLabs/defang/pull/775>).
        return Err(invalid("TaskDefinition is inactive"));
    }
    let containers = definition.body.get("containerDefinitions");
    check_overrides(&request["overrides"], containers.unwrap_or(&Value::Null))?;
    let mode = definition.body.get("networkMode").and_then(Value::as_str);
    check_network(&request["networkConfiguration"], mode)?;
    check_volumes(&request["volumeConfigurations"], definition)?;
    let placement = Placement::asked(request)?;
    let mut tags: Vec<Value> = Vec::new();
    if request["propagateTags"] == "TASK_DEFINITION" {
        tags.extend(definition.tags.iter().cloned());
    }
    for tag in request["tags"].as_array().into_iter().flatten() {
        tags.retain(|known| known["key"] != tag["key"]);
        tags.push(tag.clone());
    }
    let run = Run {
        overrides: request["overrides"].clone(),
        group: match text(request, "group") {
            "" => format!("family:{}", definition.family),
            group => group.to_owned(),
        },
        tags,
        allows_commands: request["enableExecuteCommand"].as_bool().unwrap_or(false),
    };
    let task_definition = definition.arn();
    if let Some((reason, times)) = world.no_room.first_mut() {
        let failure = json!({"reason": reason});
        *times -= 1;
        if *times == 0 {
            world.no_room.remove(0);
        }
        return Ok(json!({"tasks": [], "failures": [failure]}));
    }
    let mut arns = Vec::new();
    for _ in 0..request["count"].as_i64().unwrap_or(1) {
        let (placement, run) = (placement.clone(), run.clone());
        let mut task = world.new_task(&cluster, &task_definition, placement, run);
        let no_task = match &task.fate.behaviour {
            Behaviour::NoCapacity => Some("Capacity is unavailable at this time."),
            Behaviour::NoTask { event } => Some(event.as_str()),
            _ => None,
        };
        if let Some(why) = no_task {
            let failure = json!({"reason": why});
            return Ok(json!({"tasks": [], "failures": [failure]}));
        }
        text(request, "startedBy").clone_into(&mut task.started_by);
        arns.push(task.arn.clone());
        world.tasks.push(task);
    }
    let shown = world.shown_run(&arns);
    world.runs.insert(key, (request.clone(), arns));
    Ok(shown)
}

/// What a request alone shows to be wrong.
fn check_request(request: &Value) -> Result<(), ApiError> {
    refuse_parameters(request, &["referenceId"])?;
    for volume in request["volumeConfigurations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let tags = volume["managedEBSVolume"]["tagSpecifications"].as_array();
        if tags
            .into_iter()
            .flatten()
            .any(|one| one["propagateTags"] == "SERVICE")
        {
            return Err(invalid("Tags of a service are for its own tasks only."));
        }
    }
    check_tags(request)?;
    let token = text(request, "clientToken");
    if token.len() > CLIENT_TOKEN_CHARS || !token.bytes().all(|byte| (33..=126).contains(&byte)) {
        return Err(invalid(format!(
            "clientToken can have at most {CLIENT_TOKEN_CHARS} characters in the range of 33 to 126."
        )));
    }
    let started_by = text(request, "startedBy");
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "-/_".contains(letter);
    if started_by.len() > STARTED_BY_CHARS || !started_by.chars().all(is_allowed) {
        return Err(invalid(format!(
            "startedBy can have at most {STARTED_BY_CHARS} letters, numbers, hyphens, slashes and underscores."
        )));
    }
    let count = request["count"].as_i64().unwrap_or(1);
    if !(1..=TASKS_PER_CALL).contains(&count) {
        return Err(invalid(format!(
            "count must be between 1 and {TASKS_PER_CALL}."
        )));
    }
    if request["propagateTags"] == "SERVICE" {
        return Err(invalid("Tags of a service are for its own tasks only."));
    }
    for member in ["placementConstraints", "placementStrategy"] {
        if request[member]
            .as_array()
            .is_some_and(|all| !all.is_empty())
        {
            let message = "Placement constraints and strategies are not supported on Fargate.";
            return Err(invalid(message));
        }
    }
    Ok(())
}

fn check_overrides(overrides: &Value, containers: &Value) -> Result<(), ApiError> {
    if !overrides.is_null() && overrides.to_string().chars().count() > OVERRIDES_CHARS {
        return Err(invalid(format!(
            "Container Overrides length must be at most {OVERRIDES_CHARS}"
        )));
    }
    let overridden = overrides["containerOverrides"].as_array();
    for one in overridden.into_iter().flatten() {
        // An empty one is allowed.
        if one.as_object().is_some_and(serde_json::Map::is_empty) {
            continue;
        }
        let name = text(one, "name");
        let mut known = containers.as_array().into_iter().flatten();
        if !known.any(|container| text(container, "name") == name) {
            return Err(invalid(format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            )));
        }
    }
    Ok(())
}

impl World {
    /// Tasks by themselves, the forgotten ones too, oldest first.
    fn run_alone(&self) -> Vec<&Task> {
        let known = self.tasks.iter().filter(|task| task.service.is_empty());
        let mut all: Vec<&Task> = self.forgotten.iter().chain(known).collect();
        all.sort_by_key(|task| task.number);
        all
    }

    pub(super) fn tasks_run(&self) -> Vec<Value> {
        let all = self.run_alone().into_iter();
        all.map(|task| task.shown(true)).collect()
    }

    /// What `RunTask` answers that has made these tasks.
    fn shown_run(&self, arns: &[String]) -> Value {
        let all = self.run_alone().into_iter();
        let made = all.filter(|task| arns.contains(&task.arn));
        let tasks: Vec<Value> = made.map(|task| task.shown(true)).collect();
        json!({"tasks": tasks, "failures": []})
    }
}
