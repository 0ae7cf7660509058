//! Which revisions a service cannot be set to, and which network and volumes a task must be given.
//! The text is ECS's where it is known (<https://github.com/aws/aws-cli/issues/3983>,
//! <https://github.com/go-to-k/cdkd/pull/811>).

use serde_json::Value;

use super::answer::invalid;
use super::setup::ServiceSetup;
use super::world::Definition;
use crate::wire::{ApiError, text};

/// What `UpdateService` says to this revision, if it refuses it.
pub(super) fn check(setup: &ServiceSetup, definition: &Definition) -> Result<(), ApiError> {
    let mode = definition.body.get("networkMode").and_then(Value::as_str);
    check_network(&setup.network(), mode)?;
    let is_on_fargate = match &setup.capacity_provider_strategy {
        None => true,
        Some(strategy) => items(strategy)
            .any(|provider| text(provider, "capacityProvider").starts_with("FARGATE")),
    };
    let required = definition.body.get("requiresCompatibilities");
    let required: Vec<&Value> = required.into_iter().flat_map(items).collect();
    let fits_fargate = required.is_empty() || required.iter().any(|one| **one == "FARGATE");
    if is_on_fargate && !(fits_fargate && mode == Some("awsvpc")) {
        return Err(invalid(
            "Task definition does not support launch_type FARGATE.",
        ));
    }
    let none = Value::Null;
    let containers = definition.body.get("containerDefinitions").unwrap_or(&none);
    let balancers = setup.load_balancers.iter().flat_map(items);
    let registries = setup.service_registries.iter().flat_map(items);
    for wanted in balancers.chain(registries) {
        check_port(wanted, containers)?;
    }
    let connect = setup.service_connect.as_ref().unwrap_or(&none);
    for wanted in items(&connect["services"]) {
        let name = text(wanted, "portName");
        let mut mappings = items(containers).flat_map(|one| items(&one["portMappings"]));
        if !mappings.any(|mapping| text(mapping, "name") == name) {
            return Err(invalid(format!(
                "The portName {name} of the Service Connect configuration is not in the task definition."
            )));
        }
    }
    let volumes = setup.volume_configurations.as_ref().unwrap_or(&none);
    check_volumes(volumes, definition)
}

fn check_port(wanted: &Value, containers: &Value) -> Result<(), ApiError> {
    let name = text(wanted, "containerName");
    if name.is_empty() {
        return Ok(());
    }
    let Some(container) = items(containers).find(|one| text(one, "name") == name) else {
        return Err(invalid(format!(
            "The container {name} does not exist in the task definition."
        )));
    };
    let port = &wanted["containerPort"];
    if !items(&container["portMappings"]).any(|mapping| mapping["containerPort"] == *port) {
        return Err(invalid(format!(
            "The container {name} did not have a container port {port} defined."
        )));
    }
    Ok(())
}

/// A network configuration is given for the network mode `awsvpc`, and for no other.
pub(super) fn check_network(network: &Value, mode: Option<&str>) -> Result<(), ApiError> {
    let subnets = network["awsvpcConfiguration"]["subnets"].as_array();
    let has_subnets = subnets.is_some_and(|subnets| !subnets.is_empty());
    match mode {
        Some("awsvpc") if network["awsvpcConfiguration"].is_null() => Err(invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )),
        Some("awsvpc") if !has_subnets => Err(invalid("subnets can not be empty.")),
        Some("awsvpc") => Ok(()),
        _ if network.is_null() => Ok(()),
        _ => Err(invalid(
            "Network Configuration is not valid for the given networkMode of this task definition.",
        )),
    }
}

/// Volumes that are configured at launch are given for each, and no others are.
pub(super) fn check_volumes(given: &Value, definition: &Definition) -> Result<(), ApiError> {
    let of_revision = definition.body.get("volumes");
    let at_launch: Vec<&str> = of_revision
        .into_iter()
        .flat_map(items)
        .filter(|volume| volume["configuredAtLaunch"] == true)
        .map(|volume| text(volume, "name"))
        .collect();
    if items(given).any(|volume| !at_launch.contains(&text(volume, "name"))) {
        return Err(invalid(
            "Volume configuration provided but no matching configuredAtLaunch volume found in task definition.",
        ));
    }
    let open = at_launch
        .iter()
        .find(|name| !items(given).any(|volume| text(volume, "name") == **name));
    match open {
        Some(name) => Err(invalid(format!(
            "Volume configuration is required for the volume {name}, which is configured at launch."
        ))),
        None => Ok(()),
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
