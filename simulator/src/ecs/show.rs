//! The JSON that a client gets.

use serde_json::{Map, Value, json};

use super::world::{Definition, SIGTERM, Service, ServiceDeployment, Task, World, arn};
use super::{Controller, Strategy};

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
                "launchType": "FARGATE",
                "platformVersion": "1.4.0",
                "platformFamily": "Linux",
            });
            if !setup.classic_load_balancer {
                shown["rolloutState"] = json!(deployment.rollout_state);
                shown["rolloutStateReason"] = json!(deployment.reason);
            }
            deployments.push(shown);
        }
        let events = service.events.iter().take(EVENTS_SHOWN);
        let events: Vec<Value> = events
            .map(|(id, at, words)| json!({"id": id, "createdAt": time(*at), "message": words}))
            .collect();
        let mut configuration = json!({
            "strategy": setup.strategy.name(),
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
            "bakeTimeInMinutes": setup.bake_minutes,
            "deploymentCircuitBreaker": {
                "enable": setup.circuit_breaker.is_some(),
                "rollback": setup.circuit_breaker.unwrap_or(false),
            },
        });
        if let Some((names, rollback)) = &setup.alarms {
            configuration["alarms"] =
                json!({"alarmNames": names, "enable": true, "rollback": rollback});
        }
        let mut shown = json!({
            "serviceArn": service.arn(),
            "serviceName": setup.name,
            "clusterArn": arn("cluster", &setup.cluster),
            "status": service.status,
            "desiredCount": service.desired,
            "runningCount": all_running,
            "pendingCount": all_pending,
            "launchType": "FARGATE",
            "platformVersion": "LATEST",
            "taskDefinition": service.task_definition,
            "deploymentConfiguration": configuration,
            "deployments": deployments,
            "events": events,
            "createdAt": time(service.created_at),
            "schedulingStrategy": "REPLICA",
            "networkConfiguration": {"awsvpcConfiguration": {
                "subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED"}},
        });
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
            "clusterArn": arn("cluster", &service.setup.cluster),
            "createdAt": time(one.created_at),
            "startedAt": time(one.created_at),
            "updatedAt": time(one.updated_at),
            "status": one.status,
            "targetServiceRevision": {
                "arn": one.target,
                "requestedTaskCount": service.desired,
                "requestedProductionTrafficWeight": one.weight,
            },
            "deploymentConfiguration": {"strategy": service.setup.strategy.name()},
            "deploymentCircuitBreaker": {
                "status": if one.failures >= one.threshold { "TRIGGERED" } else { "MONITORING" },
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
                "serviceRevisionArn": source});
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
            shown["lifecycleHookDetails"] = json!([{
                "hookId": hook_id(one), "targetType": "PAUSE", "status": "AWAITING_ACTION",
                "expiresAt": time(until), "timeoutAction": "ROLLBACK"}]);
        }
        shown
    }
}

/// The hook that may hold a service deployment.
pub(super) fn hook_id(one: &ServiceDeployment) -> String {
    format!("hook-{}", super::world::last(&one.arn))
}

impl Service {
    /// A service revision of `DescribeServiceRevisions`.
    pub(super) fn shown_revision(&self, wanted: &str) -> Option<Value> {
        let (arn_of, definition) = self.revisions.iter().find(|(arn, _)| arn == wanted)?;
        Some(json!({
            "serviceRevisionArn": arn_of,
            "serviceArn": self.arn(),
            "clusterArn": arn("cluster", &self.setup.cluster),
            "taskDefinition": definition,
            "launchType": "FARGATE",
        }))
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

    pub(super) fn shown(&self) -> Value {
        let containers = self.fate.containers.iter().enumerate();
        let containers: Vec<Value> = containers
            .map(|(place, (name, image))| {
                let mut container = json!({
                    "name": name,
                    "image": image,
                    "lastStatus": self.status,
                    "taskArn": self.arn,
                });
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
        let mut shown = json!({
            "taskArn": self.arn,
            "clusterArn": arn("cluster", &self.cluster),
            "taskDefinitionArn": self.task_definition,
            "lastStatus": self.status,
            "desiredStatus": if self.is_wanted { "RUNNING" } else { "STOPPED" },
            "startedBy": self.started_by,
            "group": if self.service.is_empty() {
                "family:task".to_owned()
            } else {
                format!("service:{}", self.service)
            },
            "launchType": "FARGATE",
            "createdAt": time(self.created_at),
            "containers": containers,
        });
        if let Some(at) = self.stopped_at {
            shown["stoppedAt"] = time(at);
            shown["stopCode"] = json!(self.stop_code);
            shown["stoppedReason"] = json!(self.stopped_reason);
        }
        shown
    }
}
