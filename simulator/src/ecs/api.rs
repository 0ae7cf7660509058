//! What a client may ask, one function for each operation. Requests have been checked against the
//! API model before.

use serde_json::{Value, json};

use super::answer::{
    Answer, PAGE, check_tags, cluster_of, invalid, page, refuse_parameters, texts,
};
use super::world::{Definition, World};
use super::{fit, run};
use crate::arn::{arn, last_part};
use crate::clock::SECOND_MS;
use crate::wire::{ApiError, text};

/// `ListServices` answers so many at a time unless asked otherwise
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServices.html>).
const SERVICES_PAGE: usize = 10;

/// `DescribeServices` takes so many
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html>).
const SERVICES_AT_A_TIME: usize = 10;

pub(super) fn call(world: &mut World, operation: &str, request: &Value) -> Answer {
    match operation {
        "DescribeServices" => describe_services(world, request),
        "UpdateService" => update_service(world, request),
        "RegisterTaskDefinition" => register(world, request),
        "DeregisterTaskDefinition" => deregister(world, request),
        "DescribeTaskDefinition" => describe_task_definition(world, request),
        "ListClusters" => list_clusters(world, request),
        "ListServices" => list_services(world, request),
        "ListTaskDefinitions" => list_task_definitions(world, request),
        "ListTasks" => list_tasks(world, request),
        "DescribeTasks" => describe_tasks(world, request),
        "RunTask" => run::run_task(world, request),
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

fn list_clusters(world: &World, request: &Value) -> Answer {
    let clusters = world.clusters.keys();
    let listed: Vec<Value> = clusters
        .map(|name| json!(arn("ecs", "cluster", name)))
        .collect();
    page(request, "clusterArns", &listed, PAGE)
}

fn list_services(world: &World, request: &Value) -> Answer {
    world.find(text(request, "cluster"), "")?;
    let cluster = cluster_of(request);
    let filters = ["launchType", "schedulingStrategy", "resourceManagementType"];
    let fits = |place: usize| {
        let shown = world.shown_service(place, false);
        filters.into_iter().all(|member| {
            let has = match (member, text(&shown, member)) {
                ("resourceManagementType", "") => "CUSTOMER",
                (_, has) => has,
            };
            [has, ""].contains(&text(request, member))
        })
    };
    let services = world.services.iter().enumerate();
    let listed: Vec<Value> = services
        .filter(|(_, service)| service.setup.cluster == cluster && service.status != "INACTIVE")
        .filter(|(place, _)| fits(*place))
        .map(|(_, service)| json!(service.arn()))
        .collect();
    page(request, "serviceArns", &listed, SERVICES_PAGE)
}

fn describe_services(world: &mut World, request: &Value) -> Answer {
    let cluster = text(request, "cluster");
    let wanted: Vec<&str> = texts(request, "services").collect();
    if wanted.is_empty() {
        return Err(invalid("Services cannot be empty."));
    }
    if wanted.len() > SERVICES_AT_A_TIME {
        return Err(invalid(format!(
            "service names can have at most {SERVICES_AT_A_TIME} items."
        )));
    }
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    for wanted in wanted {
        match world.find(cluster, wanted)? {
            Some(place) => services.push(world.shown_service(place, true)),
            None => failures.push(json!({
                "arn": arn("ecs", "service", &format!("{}/{}", cluster_of(request), last_part(wanted))),
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
        fit::check(&world.services[place].setup, definition)?;
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
    let refused = |message: &str| Err(ApiError::new("ClientException", message));
    check_tags(request)?;
    let containers = request["containerDefinitions"].as_array();
    let containers = containers.map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        return refused("Container definitions should not be empty.");
    }
    if containers.iter().any(|one| text(one, "image").is_empty()) {
        return refused("Container.image should not be null or empty.");
    }
    let registered = world.register(request.clone());
    let definition = world.definition(&registered).map(Definition::shown);
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

fn list_task_definitions(world: &World, request: &Value) -> Answer {
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
    page(request, "taskDefinitionArns", &listed, PAGE)
}

fn list_tasks(world: &mut World, request: &Value) -> Answer {
    world.find(text(request, "cluster"), "")?;
    refuse_parameters(request, &["containerInstance", "daemonName"])?;
    let cluster = cluster_of(request);
    let (service, started_by) = (text(request, "serviceName"), text(request, "startedBy"));
    let (family, launch_type) = (text(request, "family"), text(request, "launchType"));
    let has_other = !service.is_empty() || !family.is_empty();
    if !started_by.is_empty() && has_other {
        return Err(invalid("startedBy cannot be combined with other filters."));
    }
    if !service.is_empty() && !family.is_empty() {
        return Err(invalid("The simulator has no family beside a serviceName."));
    }
    let status = match text(request, "desiredStatus") {
        "" => "RUNNING",
        status => status,
    };
    let listed: Vec<Value> = world
        .tasks
        .iter()
        .filter(|task| task.cluster == cluster)
        .filter(|task| service.is_empty() || task.service == last_part(service))
        .filter(|task| started_by.is_empty() || task.started_by == started_by)
        .filter(|task| family.is_empty() || task.family() == family)
        .filter(|task| launch_type.is_empty() || task.placement.launch_type == launch_type)
        .filter(|task| task.is_wanted == (status == "RUNNING"))
        .map(|task| json!(task.arn))
        .collect();
    page(request, "taskArns", &listed, PAGE)
}

fn describe_tasks(world: &mut World, request: &Value) -> Answer {
    world.find(text(request, "cluster"), "")?;
    let cluster = cluster_of(request);
    let wanted: Vec<&str> = texts(request, "tasks").collect();
    if wanted.is_empty() {
        return Err(invalid("Tasks cannot be empty."));
    }
    if wanted.len() > PAGE {
        return Err(invalid("Tasks cannot have more than 100 items."));
    }
    let with_tags = texts(request, "include").any(|one| one == "TAGS");
    let (mut tasks, mut failures) = (Vec::new(), Vec::new());
    for one in wanted {
        let mut known = world.tasks.iter();
        match known.find(|task| task.is_called(&cluster, one)) {
            Some(task) => tasks.push(task.shown(with_tags)),
            None => failures.push(json!({"arn": one, "reason": "MISSING"})),
        }
    }
    Ok(json!({"tasks": tasks, "failures": failures}))
}

fn stop_task(world: &mut World, request: &Value) -> Answer {
    world.find(text(request, "cluster"), "")?;
    let now = world.now;
    let cluster = cluster_of(request);
    let mut known = world.tasks.iter_mut();
    let task = known
        .find(|task| task.is_called(&cluster, text(request, "task")))
        .ok_or_else(|| invalid("The referenced task was not found."))?;
    // One that ends already goes on to do so.
    if task.is_wanted {
        let reason = match text(request, "reason") {
            "" => "Task stopped by user",
            reason => reason,
        };
        task.stop_for_user(now + SECOND_MS, reason);
    }
    Ok(json!({"task": task.shown(false)}))
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
    page(request, "serviceDeployments", &listed, PAGE)
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
    if one.held_until.is_none() || one.hook_id() != text(request, "hookId") {
        let message = "No such hook holds the service deployment.";
        return Err(ApiError::new("InvalidParameterException", message));
    }
    one.hook_is_done = true;
    if text(request, "action") == "ROLLBACK" {
        world.roll_back(place, "A lifecycle hook was answered with ROLLBACK.");
    }
    Ok(json!({"serviceDeploymentArn": wanted}))
}
