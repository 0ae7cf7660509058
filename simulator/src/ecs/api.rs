//! What a client may ask, one function for each operation. Requests have been checked against the
//! API model before.

use serde_json::{Value, json};

use super::Behaviour;
use super::show::hook_id;
use super::world::{SECOND_MS, Task, World, arn, last};
use crate::wire::{ApiError, text};

type Answer = Result<Value, ApiError>;

/// Operations that list answer so many at a time unless told otherwise.
const PAGE: usize = 100;

pub(super) fn call(world: &mut World, operation: &str, request: &Value) -> Answer {
    match operation {
        "DescribeServices" => describe_services(world, request),
        "UpdateService" => update_service(world, request),
        "RegisterTaskDefinition" => register(world, request),
        "DeregisterTaskDefinition" => deregister(world, request),
        "DescribeTaskDefinition" => describe_task_definition(world, request),
        "ListTaskDefinitions" => Ok(list_task_definitions(world, request)),
        "ListTasks" => list_tasks(world, request),
        "DescribeTasks" => describe_tasks(world, request),
        "RunTask" => run_task(world, request),
        "StopTask" => stop_task(world, request),
        "ListServiceDeployments" => list_service_deployments(world, request),
        "DescribeServiceDeployments" => describe_service_deployments(world, request),
        "DescribeServiceRevisions" => Ok(describe_service_revisions(world, request)),
        "StopServiceDeployment" => stop_service_deployment(world, request),
        "ContinueServiceDeployment" => continue_service_deployment(world, request),
        other => Err(ApiError::new(
            "UnknownOperationException",
            format!("The simulator's ECS has no {other}."),
        )),
    }
}

fn texts<'a>(request: &'a Value, member: &str) -> impl Iterator<Item = &'a str> {
    let all = request[member].as_array().map_or(&[][..], Vec::as_slice);
    all.iter().filter_map(Value::as_str)
}

/// One page of `all`: the answer's member, and where the next page begins.
fn page(request: &Value, member: &str, all: &[Value]) -> Value {
    let start: usize = text(request, "nextToken").parse().unwrap_or(0);
    let asked = request["maxResults"].as_u64().filter(|count| *count > 0);
    let count = asked.map_or(PAGE, |count| usize::try_from(count).unwrap_or(PAGE));
    let count = count.min(PAGE);
    let shown: Vec<&Value> = all.iter().skip(start).take(count).collect();
    let mut answer = json!({ member: shown });
    if start + count < all.len() {
        answer["nextToken"] = json!((start + count).to_string());
    }
    answer
}

fn describe_services(world: &mut World, request: &Value) -> Answer {
    let cluster = text(request, "cluster");
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for wanted in texts(request, "services") {
        match world.find(cluster, wanted)? {
            Some(place) => services.push(world.shown_service(place, true)),
            None => failures.push(json!({
                "arn": arn("service", &format!("{}/{}", last(cluster), last(wanted))),
                "reason": "MISSING"})),
        }
    }
    Ok(json!({"services": services, "failures": failures}))
}

fn found(world: &World, request: &Value) -> Result<usize, ApiError> {
    world
        .find(text(request, "cluster"), text(request, "service"))?
        .ok_or_else(|| ApiError::new("ServiceNotFoundException", "Service not found."))
}

fn update_service(world: &mut World, request: &Value) -> Answer {
    let place = found(world, request)?;
    if world.services[place].status != "ACTIVE" {
        let message = "Service was not ACTIVE.";
        return Err(ApiError::new("ServiceNotActiveException", message));
    }
    let current = world.services[place].task_definition.clone();
    let wanted = text(request, "taskDefinition");
    let definition = if wanted.is_empty() {
        current.clone()
    } else {
        let definition = world
            .definition(wanted)
            .ok_or_else(|| ApiError::new("ClientException", "TaskDefinition not found."))?;
        if !definition.is_active {
            return Err(ApiError::new(
                "ClientException",
                "TaskDefinition is inactive",
            ));
        }
        definition.arn()
    };
    if let Some(count) = request["desiredCount"].as_i64() {
        world.services[place].desired = count;
    }
    let is_forced = request["forceNewDeployment"].as_bool().unwrap_or(false);
    if definition != current || is_forced {
        world.begin_deployment(place, &definition, None);
        world.updated_through_api(place);
    }
    // Whether the answer names the service deployment is not documented: this one does not.
    Ok(json!({"service": world.shown_service(place, false)}))
}

fn register(world: &mut World, request: &Value) -> Answer {
    let invalid = |message: &str| Err(ApiError::new("ClientException", message));
    if let Some(tags) = request["tags"].as_array() {
        if tags.is_empty() {
            return Err(ApiError::new(
                "InvalidParameterException",
                "Tags can not be empty.",
            ));
        }
        if tags.len() > 50 {
            return Err(ApiError::new("InvalidParameterException", "Too many tags."));
        }
        if tags.iter().any(|tag| text(tag, "key").starts_with("aws:")) {
            return Err(ApiError::new(
                "InvalidParameterException",
                "aws: prefixed tag key names are not allowed for external use.",
            ));
        }
    }
    let containers = request["containerDefinitions"].as_array();
    let containers = containers.map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        return invalid("Container definitions should not be empty.");
    }
    if containers.iter().any(|one| text(one, "image").is_empty()) {
        return invalid("Container.image should not be null or empty.");
    }
    let registered = world.register(request.clone());
    let definition = world
        .definition(&registered)
        .map(super::world::Definition::shown);
    Ok(json!({"taskDefinition": definition, "tags": request["tags"]}))
}

fn deregister(world: &mut World, request: &Value) -> Answer {
    let wanted = text(request, "taskDefinition");
    let place = world
        .definition(wanted)
        .filter(|_| wanted.contains(':'))
        .map(|one| (one.family.clone(), one.number - 1));
    let Some((family, index)) = place else {
        return Err(ApiError::new(
            "ClientException",
            "The specified task definition does not exist.",
        ));
    };
    let Some(definition) = world
        .families
        .get_mut(&family)
        .and_then(|all| all.get_mut(index))
    else {
        return Err(ApiError::new(
            "ClientException",
            "The specified task definition does not exist.",
        ));
    };
    definition.is_active = false;
    Ok(json!({"taskDefinition": definition.shown()}))
}

fn describe_task_definition(world: &mut World, request: &Value) -> Answer {
    let Some(definition) = world.definition(text(request, "taskDefinition")) else {
        return Err(ApiError::new(
            "ClientException",
            "Unable to describe task definition.",
        ));
    };
    let mut answer = json!({"taskDefinition": definition.shown()});
    if texts(request, "include").any(|one| one == "TAGS") {
        answer["tags"] = json!(definition.tags);
    }
    Ok(answer)
}

fn list_task_definitions(world: &World, request: &Value) -> Value {
    let family = text(request, "familyPrefix");
    let wants_inactive = text(request, "status") == "INACTIVE";
    let mut listed: Vec<Value> = world
        .families
        .iter()
        .filter(|(name, _)| family.is_empty() || *name == family)
        .flat_map(|(_, revisions)| revisions)
        .filter(|one| one.is_active != wants_inactive)
        .map(|one| json!(one.arn()))
        .collect();
    if text(request, "sort") == "DESC" {
        listed.reverse();
    }
    page(request, "taskDefinitionArns", &listed)
}

fn list_tasks(world: &mut World, request: &Value) -> Answer {
    world.find(text(request, "cluster"), "")?;
    let cluster = last(text(request, "cluster"));
    let (service, started_by) = (text(request, "serviceName"), text(request, "startedBy"));
    if !started_by.is_empty() && !service.is_empty() {
        let message = "startedBy cannot be combined with other filters.";
        return Err(ApiError::new("InvalidParameterException", message));
    }
    let status = match text(request, "desiredStatus") {
        "" => "RUNNING",
        status => status,
    };
    let listed: Vec<Value> = world
        .tasks
        .iter()
        .filter(|task| task.cluster == cluster)
        .filter(|task| service.is_empty() || task.service == last(service))
        .filter(|task| started_by.is_empty() || task.started_by == started_by)
        .filter(|task| task.is_wanted == (status == "RUNNING"))
        .map(|task| json!(task.arn))
        .collect();
    Ok(page(request, "taskArns", &listed))
}

fn describe_tasks(world: &mut World, request: &Value) -> Answer {
    world.find(text(request, "cluster"), "")?;
    let wanted: Vec<&str> = texts(request, "tasks").collect();
    if wanted.len() > PAGE {
        let message = "Tasks cannot have more than 100 items.";
        return Err(ApiError::new("InvalidParameterException", message));
    }
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for one in wanted {
        match world.tasks.iter().find(|task| last(&task.arn) == last(one)) {
            Some(task) => tasks.push(task.shown()),
            None => failures.push(json!({"arn": one, "reason": "MISSING"})),
        }
    }
    Ok(json!({"tasks": tasks, "failures": failures}))
}

fn run_task(world: &mut World, request: &Value) -> Answer {
    world.find(text(request, "cluster"), "")?;
    let Some(definition) = world.definition(text(request, "taskDefinition")) else {
        return Err(ApiError::new(
            "ClientException",
            "TaskDefinition not found.",
        ));
    };
    let task_definition = definition.arn();
    let token = text(request, "clientToken").to_owned();
    let shown = |world: &World, arns: &[String]| -> Answer {
        let tasks = world.tasks.iter().filter(|task| arns.contains(&task.arn));
        let tasks: Vec<Value> = tasks.map(Task::shown).collect();
        Ok(json!({"tasks": tasks, "failures": []}))
    };
    if let Some(arns) = world.run_tokens.get(&token).filter(|_| !token.is_empty()) {
        return shown(world, arns);
    }
    let cluster = last(text(request, "cluster")).to_owned();
    let mut arns = Vec::new();
    for _ in 0..request["count"].as_i64().unwrap_or(1) {
        let mut task = world.new_task(&cluster, &task_definition);
        if task.fate.behaviour == Behaviour::NoCapacity {
            let failure = json!({"reason": "Capacity is unavailable at this time."});
            return Ok(json!({"tasks": [], "failures": [failure]}));
        }
        task.started_by = text(request, "startedBy").to_owned();
        arns.push(task.arn.clone());
        world.tasks.push(task);
    }
    world.run_tokens.insert(token, arns.clone());
    shown(world, &arns)
}

fn stop_task(world: &mut World, request: &Value) -> Answer {
    let now = world.now;
    let wanted = last(text(request, "task")).to_owned();
    let Some(task) = world
        .tasks
        .iter_mut()
        .find(|task| last(&task.arn) == wanted)
    else {
        let message = "The referenced task was not found.";
        return Err(ApiError::new("InvalidParameterException", message));
    };
    task.scale_in(now + SECOND_MS);
    task.stopped_reason = text(request, "reason").to_owned();
    Ok(json!({"task": task.shown()}))
}

fn list_service_deployments(world: &mut World, request: &Value) -> Answer {
    let place = found(world, request)?;
    let service = &world.services[place];
    let statuses: Vec<&str> = texts(request, "status").collect();
    let listed: Vec<Value> = service
        .service_deployments
        .iter()
        .rev()
        .filter(|_| world.service_deployments_known)
        .filter(|one| statuses.is_empty() || statuses.contains(&one.status.as_str()))
        .map(|one| {
            let full = world.shown_service_deployment(place, one);
            let mut brief = json!({"targetServiceRevisionArn": one.target});
            for member in [
                "serviceDeploymentArn",
                "serviceArn",
                "clusterArn",
                "createdAt",
                "startedAt",
                "finishedAt",
                "status",
                "statusReason",
            ] {
                if let Some(value) = full.get(member) {
                    brief[member] = value.clone();
                }
            }
            brief
        })
        .collect();
    Ok(page(request, "serviceDeployments", &listed))
}

/// The service and the place of a service deployment.
fn located(world: &World, wanted: &str) -> Option<(usize, usize)> {
    let mut services = world.services.iter().enumerate();
    services.find_map(|(place, service)| {
        let mut all = service.service_deployments.iter();
        all.position(|one| one.arn == wanted)
            .map(|index| (place, index))
    })
}

fn describe_service_deployments(world: &mut World, request: &Value) -> Answer {
    let wanted: Vec<&str> = texts(request, "serviceDeploymentArns").collect();
    if wanted.len() > 20 {
        let message = "At most 20 service deployments can be described.";
        return Err(ApiError::new("InvalidParameterException", message));
    }
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for one in wanted {
        match located(world, one).filter(|_| world.service_deployments_known) {
            Some((place, index)) => {
                let known = &world.services[place].service_deployments[index];
                shown.push(world.shown_service_deployment(place, known));
            }
            None => failures.push(json!({"arn": one, "reason": "MISSING"})),
        }
    }
    Ok(json!({"serviceDeployments": shown, "failures": failures}))
}

fn describe_service_revisions(world: &mut World, request: &Value) -> Value {
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for one in texts(request, "serviceRevisionArns") {
        let mut services = world.services.iter();
        match services.find_map(|service| service.shown_revision(one)) {
            Some(revision) => shown.push(revision),
            None => failures.push(json!({"arn": one, "reason": "MISSING"})),
        }
    }
    json!({"serviceRevisions": shown, "failures": failures})
}

/// A service deployment that is under way.
fn under_way(world: &World, wanted: &str) -> Result<(usize, usize), ApiError> {
    let (place, index) = located(world, wanted).ok_or_else(|| {
        ApiError::new(
            "ServiceDeploymentNotFoundException",
            "Service deployment not found.",
        )
    })?;
    let one = &world.services[place].service_deployments[index];
    if one.finished_at.is_some() {
        let message = "The service deployment is not in progress.";
        return Err(ApiError::new("ConflictException", message));
    }
    Ok((place, index))
}

fn stop_service_deployment(world: &mut World, request: &Value) -> Answer {
    let wanted = text(request, "serviceDeploymentArn").to_owned();
    let (place, index) = under_way(world, &wanted)?;
    if text(request, "stopType") == "ABORT" {
        let now = world.now;
        let one = &mut world.services[place].service_deployments[index];
        one.status = "STOPPED".to_owned();
        one.finished_at = Some(now);
        if let Some(primary) = world.services[place].primary_mut() {
            primary.stages.clear();
            primary.places = false;
        }
    } else {
        world.roll_back(place, "Stopped by a user.");
    }
    Ok(json!({"serviceDeploymentArn": wanted}))
}

fn continue_service_deployment(world: &mut World, request: &Value) -> Answer {
    let wanted = text(request, "serviceDeploymentArn").to_owned();
    let (place, index) = under_way(world, &wanted)?;
    let one = &mut world.services[place].service_deployments[index];
    if one.held_until.is_none() || hook_id(one) != text(request, "hookId") {
        let message = "No such hook holds the service deployment.";
        return Err(ApiError::new("InvalidParameterException", message));
    }
    one.hook_is_done = true;
    if text(request, "action") == "ROLLBACK" {
        world.roll_back(place, "A lifecycle hook was answered with ROLLBACK.");
    }
    Ok(json!({"serviceDeploymentArn": wanted}))
}
