//! The JSON that a client gets.

use s3s::crypto::{Checksum, Sha256};
use serde_json::{Map, Value, json};

use super::service::{Deployment, Service, ServiceDeployment};
use super::setup::{Controller, PauseHook, ServiceSetup, Strategy};
use super::task::{SIGTERM, Task, USER_INITIATED};
use super::world::{Definition, World};
use crate::arn::arn;

/// What a pause hook does when nobody answers it.
const TIMEOUT_ACTION: &str = "ROLLBACK";

/// ECS shows this many of a service's events.
const EVENTS_SHOWN: usize = 100;

/// Times are seconds since the epoch, with a fraction.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds fit until the year 287396"
)]
pub(super) fn time(millis: i64) -> Value {
    json!(millis as f64 / 1000.0)
}

impl Strategy {
    fn name(self) -> &'static str {
        match self {
            Self::Rolling => "ROLLING",
            Self::BlueGreen => "BLUE_GREEN",
            Self::Linear => "LINEAR",
            Self::Canary => "CANARY",
        }
    }
}

impl World {
    /// A service as `DescribeServices` shows it; `current_service_deployment` is left out of
    /// `UpdateService`'s answer.
    pub(super) fn shown_service(&self, place: usize, with_current: bool) -> Value {
        let service = &self.services[place];
        let setup = &service.setup;
        let mut deployments = Vec::new();
        let (mut all_pending, mut all_running) = (0, 0);
        for deployment in &service.deployments {
            let (pending, running) = self.counts(place, &deployment.id);
            all_pending += pending;
            all_running += running;
            deployments.push(shown_deployment(service, deployment, pending, running));
        }
        let events = service.events.iter().take(EVENTS_SHOWN);
        let events: Vec<Value> = events
            .map(|(id, at, text)| json!({"id": id, "createdAt": time(*at), "message": text}))
            .collect();
        let mut shown = json!({
            "serviceArn": service.arn(),
            "serviceName": setup.name,
            "clusterArn": arn("ecs", "cluster", &setup.cluster),
            "status": service.status,
            "desiredCount": service.desired,
            "runningCount": all_running,
            "pendingCount": all_pending,
            "platformVersion": "LATEST",
            "taskDefinition": service.task_definition,
            "deploymentConfiguration": shown_configuration(setup),
            "deployments": deployments,
            "events": events,
            "createdAt": time(service.created_at),
            "schedulingStrategy": "REPLICA",
        });
        let network = setup.network();
        for (member, value) in [
            (
                "networkConfiguration",
                Some(&network).filter(|network| !network.is_null()),
            ),
            ("loadBalancers", setup.load_balancers.as_ref()),
            ("serviceRegistries", setup.service_registries.as_ref()),
        ] {
            if let Some(value) = value {
                shown[member] = value.clone();
            }
        }
        show_capacity(setup, &mut shown);
        let controller = match setup.controller {
            Controller::Ecs => None,
            Controller::CodeDeploy => Some("CODE_DEPLOY"),
            Controller::External => Some("EXTERNAL"),
        };
        // Left out for ECS, as DescribeServices may do.
        if let Some(controller) = controller {
            shown["deploymentController"] = json!({"type": controller});
        }
        if setup.express_mode {
            shown["resourceManagementType"] = json!("ECS");
        }
        if with_current
            && self.service_deployments_known
            && let Some(current) = service.service_deployments.last()
        {
            shown["currentServiceDeployment"] = json!(current.arn);
        }
        shown
    }

    pub(super) fn shown_service_deployments(&self, cluster: &str, service: &str) -> Vec<Value> {
        let Ok(Some(place)) = self.find(cluster, service) else {
            return Vec::new();
        };
        let newest_first = self.services[place].service_deployments.iter().rev();
        newest_first
            .map(|one| self.shown_service_deployment(place, one))
            .collect()
    }

    pub(super) fn shown_service_deployment(&self, place: usize, one: &ServiceDeployment) -> Value {
        let service = &self.services[place];
        let source = one.source.clone();
        let mut shown = json!({
            "serviceDeploymentArn": one.arn,
            "serviceArn": service.arn(),
            "clusterArn": arn("ecs", "cluster", &service.setup.cluster),
            "createdAt": time(one.created_at),
            "startedAt": time(one.created_at),
            "updatedAt": time(one.updated_at),
            "status": one.status,
            "targetServiceRevision": {
                "arn": one.target,
                "requestedTaskCount": service.desired,
                "requestedProductionTrafficWeight": one.weight,
            },
            "deploymentConfiguration": shown_configuration(&service.setup),
            "deploymentCircuitBreaker": {
                "status": match service.setup.circuit_breaker {
                    None => "DISABLED",
                    Some(_) if one.failures >= one.threshold => "TRIGGERED",
                    Some(_) => "MONITORING",
                },
                "failureCount": one.failures,
                "threshold": one.threshold,
            },
        });
        if !source.is_empty() {
            shown["sourceServiceRevisions"] = json!([{
                "arn": source, "requestedProductionTrafficWeight": 100.0 - one.weight}]);
        }
        if !one.reason.is_empty() {
            shown["statusReason"] = json!(one.reason);
        }
        if let Some(at) = one.finished_at {
            shown["finishedAt"] = time(at);
        }
        if let Some(reason) = &one.rollback_reason {
            shown["rollback"] = json!({"reason": reason, "startedAt": time(one.updated_at),
                "serviceRevisionArn": one.rollback_to});
        }
        if let Some(stage) = one.stage.filter(|_| !service.is_rolling()) {
            shown["lifecycleStage"] = json!(stage);
        }
        if let Some((names, _)) = &service.setup.alarms {
            shown["alarms"] = json!({
                "status": if one.triggered.is_empty() { "MONITORING" } else { "TRIGGERED" },
                "alarmNames": names, "triggeredAlarmNames": one.triggered});
        }
        if let Some(until) = one.held_until.filter(|_| !one.hook_is_done) {
            let status = if one.hook_timed_out {
                "TIMED_OUT"
            } else {
                "AWAITING_ACTION"
            };
            shown["lifecycleHookDetails"] = json!([{
                "hookId": one.hook_id(), "targetType": "PAUSE", "status": status,
                "expiresAt": time(until), "timeoutAction": TIMEOUT_ACTION}]);
            // Also of a rolling update, which has no other stage.
            shown["lifecycleStage"] = json!(one.stage);
        }
        if let Some(hook) = service
            .setup
            .lambda_hook
            .as_ref()
            .filter(|_| one.function_is_over)
        {
            let status = if hook.times_out {
                "TIMED_OUT"
            } else {
                "FAILED"
            };
            shown["lifecycleHookDetails"] = json!([{
                "hookId": one.hook_id(), "targetType": "AWS_LAMBDA", "status": status,
                "targetArn": arn("lambda", "function", &hook.function).replace("function/", "function:")}]);
            shown["lifecycleStage"] = json!(hook.stage);
        }
        shown
    }
}

/// One of `DescribeServices`' `deployments`, with so many tasks.
fn shown_deployment(
    service: &Service,
    deployment: &Deployment,
    pending: i64,
    running: i64,
) -> Value {
    let setup = &service.setup;
    let mut shown = json!({
        "id": deployment.id,
        "status": if deployment.is_primary { "PRIMARY" } else { "ACTIVE" },
        "taskDefinition": deployment.task_definition,
        "desiredCount": if deployment.is_primary { service.desired } else { running },
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": deployment.failed,
        "createdAt": time(deployment.created_at),
        "updatedAt": time(deployment.updated_at),
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
    });
    show_capacity(setup, &mut shown);
    for (member, value) in [
        ("serviceConnectConfiguration", &setup.service_connect),
        ("volumeConfigurations", &setup.volume_configurations),
    ] {
        if let Some(value) = value {
            shown[member] = value.clone();
        }
    }
    if !setup.classic_load_balancer {
        shown["rolloutState"] = json!(deployment.rollout_state);
        shown["rolloutStateReason"] = json!(deployment.reason);
    }
    shown
}

/// What runs a service's tasks.
fn show_capacity(setup: &ServiceSetup, shown: &mut Value) {
    match &setup.capacity_provider_strategy {
        Some(strategy) => shown["capacityProviderStrategy"] = strategy.clone(),
        None => shown["launchType"] = json!("FARGATE"),
    }
}

fn shown_configuration(setup: &ServiceSetup) -> Value {
    let mut shown = json!({
        "strategy": setup.strategy.name(),
        "maximumPercent": setup.percents.1,
        "minimumHealthyPercent": setup.percents.0,
        "bakeTimeInMinutes": setup.bake_minutes,
        "deploymentCircuitBreaker": {
            "enable": setup.circuit_breaker.is_some(),
            "rollback": setup.circuit_breaker.unwrap_or(false),
        },
    });
    if let Some((names, rollback)) = &setup.alarms {
        shown["alarms"] = json!({"alarmNames": names, "enable": true, "rollback": rollback});
    }
    if let Some(early) = &setup.early_success {
        let cleanup = if early.is_deferred {
            "DEFERRED"
        } else {
            "BLOCKING"
        };
        shown["earlySuccessCriteria"] = json!({"enable": true,
            "healthyPercent": early.healthy_percent, "sourceServiceRevisionCleanup": cleanup});
    }
    if let Some((percent, minutes)) = setup.linear {
        shown["linearConfiguration"] =
            json!({"stepPercent": percent, "stepBakeTimeInMinutes": minutes});
    }
    if let Some((percent, minutes)) = setup.canary {
        shown["canaryConfiguration"] =
            json!({"canaryPercent": percent, "canaryBakeTimeInMinutes": minutes});
    }
    let hooks = setup.pause_hooks().map(
        |PauseHook {
             stage,
             timeout_minutes,
         }| {
            json!({"targetType": "PAUSE", "lifecycleStages": [stage],
            "timeoutConfiguration": {
                "timeoutInMinutes": timeout_minutes, "action": TIMEOUT_ACTION}})
        },
    );
    let hooks: Vec<Value> = hooks.collect();
    if !hooks.is_empty() {
        shown["lifecycleHooks"] = json!(hooks);
    }
    shown
}

impl Service {
    /// A service revision of `DescribeServiceRevisions`.
    pub(super) fn shown_revision(&self, wanted: &str) -> Option<Value> {
        let (arn_of, definition) = self.revisions.iter().find(|(arn, _)| arn == wanted)?;
        let mut shown = json!({
            "serviceRevisionArn": arn_of,
            "serviceArn": self.arn(),
            "clusterArn": arn("ecs", "cluster", &self.setup.cluster),
            "taskDefinition": definition,
        });
        show_capacity(&self.setup, &mut shown);
        Some(shown)
    }
}

impl Definition {
    /// With the nine fields that a registration does not take.
    pub(super) fn shown(&self) -> Value {
        let mut shown: Map<String, Value> = Map::new();
        shown.insert("taskDefinitionArn".to_owned(), json!(self.arn()));
        shown.extend(self.body.clone());
        let status = if self.is_active { "ACTIVE" } else { "INACTIVE" };
        for (field, value) in [
            ("revision", json!(self.number)),
            ("status", json!(status)),
            (
                "requiresAttributes",
                json!([{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}]),
            ),
            ("compatibilities", json!(["EC2", "FARGATE"])),
            ("registeredAt", time(self.registered_at)),
            (
                "registeredBy",
                json!("arn:aws:sts::111122223333:assumed-role/somebody/session"),
            ),
        ] {
            shown.insert(field.to_owned(), value);
        }
        if !self.is_active {
            shown.insert("deregisteredAt".to_owned(), time(self.registered_at));
            shown.insert("deleteRequestedAt".to_owned(), time(self.registered_at));
        }
        Value::Object(shown)
    }
}

impl Task {
    /// Who does not decide is stopped along with the task, if it ever ran.
    fn exit_code_of(&self, place: usize) -> Option<i64> {
        if place == self.fate.deciding {
            return self.exit_code;
        }
        let was_stopped = self.stopped_at.is_some() && self.running_since.is_some();
        was_stopped.then_some(SIGTERM)
    }

    fn container_status(&self, place: usize) -> &'static str {
        let is_lost = self.has_lost_container && place == self.fate.deciding;
        if is_lost { "STOPPED" } else { self.status }
    }

    pub(super) fn shown(&self, with_tags: bool) -> Value {
        let containers = self.fate.containers.iter().enumerate();
        let containers: Vec<Value> = containers
            .map(|(place, of)| {
                let mut container = json!({
                    "name": of.name,
                    "image": of.image,
                    "lastStatus": self.container_status(place),
                    "taskArn": self.arn,
                });
                if self.running_since.is_some() {
                    container["runtimeId"] = json!(self.runtime_id(place));
                    container["imageDigest"] = json!(digest_of(&of.image));
                }
                if let Some(code) = self.exit_code_of(place) {
                    container["exitCode"] = json!(code);
                }
                if place == self.fate.deciding
                    && let Some(reason) = &self.container_reason
                {
                    container["reason"] = json!(reason);
                }
                container
            })
            .collect();
        let injected = self.fate.injected.iter().map(|name| {
            json!({"name": name, "lastStatus": self.status, "taskArn": self.arn,
                "reason": "CannotPullContainerError: pull image manifest has been retried 7 time(s): denied"})
        });
        let containers: Vec<Value> = injected.chain(containers).collect();
        let mut shown = json!({
            "taskArn": self.arn,
            "clusterArn": arn("ecs", "cluster", &self.cluster),
            "taskDefinitionArn": self.task_definition,
            "lastStatus": self.status,
            "desiredStatus": if self.is_wanted { "RUNNING" } else { "STOPPED" },
            "group": if self.service.is_empty() {
                self.run.group.clone()
            } else {
                format!("service:{}", self.service)
            },
            "launchType": self.placement.launch_type,
            "enableExecuteCommand": self.run.allows_commands,
            "createdAt": time(self.created_at),
            "containers": containers,
            "overrides": if self.run.overrides.is_null() {
                json!({"containerOverrides": [], "inferenceAcceleratorOverrides": []})
            } else {
                self.run.overrides.clone()
            },
        });
        if !self.started_by.is_empty() {
            shown["startedBy"] = json!(self.started_by);
        }
        if let Some(provider) = &self.placement.capacity_provider {
            shown["capacityProviderName"] = json!(provider);
        }
        if let Some(version) = &self.placement.platform_version {
            shown["platformVersion"] = json!(version);
            shown["platformFamily"] = json!("Linux");
        }
        if with_tags {
            shown["tags"] = json!(self.run.tags);
        }
        if let Some(at) = self.stopped_at {
            shown["stoppedAt"] = time(at);
        }
        if self.stopped_at.is_some() || self.stop_code == USER_INITIATED {
            shown["stopCode"] = json!(self.stop_code);
            shown["stoppedReason"] = json!(self.stopped_reason);
        }
        shown
    }
}

/// The digest of an image: its own if it is named by it, else one that only its name decides.
fn digest_of(image: &str) -> String {
    if let Some((_, digest)) = image.split_once('@') {
        return digest.to_owned();
    }
    let hash = Sha256::checksum(image.as_bytes());
    format!("sha256:{}", hex::encode(hash))
}
