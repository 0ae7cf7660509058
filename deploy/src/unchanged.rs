//! Whether a new revision would be what serves already.
//!
//! ECS fills in what a task definition leaves out, so that one out of a file is never word for word what
//! `DescribeTaskDefinition` shows. What ECS fills in for certain is no difference; everything else is: a deployment
//! too many does no harm.

use serde_json::{Map, Value};

use super::diff;
use super::plan::{FamilyPlan, ObservedService};
use super::seen::ServiceSeen;
use super::task_definition::{Described, JOB_TAG, Registration};

/// Whether `registration` would make just what `current` is: all but the tag of the job that made it, and the tags that
/// are AWS's.
pub fn equals(current: &Described, registration: &Registration) -> bool {
    let mut old = current.registrable();
    old.insert("tags".to_owned(), Value::Array(current.tags.clone()));
    let (old, new) = (plain(old), plain(registration.body.clone()));
    diff::changes(&old, &new).count() == 0
}

/// Whether what the service is set to serves: its deployment is complete, and as many tasks as are wanted run.
pub fn serves(service: &ObservedService) -> bool {
    let seen = &service.seen;
    let newest = service.newest.as_ref().map(|one| one.status.as_str());
    let is_complete = match newest {
        Some(status) => ["SUCCESSFUL", "ROLLBACK_SUCCESSFUL"].contains(&status),
        None => seen.is_told_by_rollout_state(),
    };
    is_complete && is_full(seen)
}

/// Whether the deployment of what the service is set to is complete, as far as it shows itself, with all of its tasks.
pub fn is_full(seen: &ServiceSeen) -> bool {
    seen.primary().is_some_and(|primary| {
        primary.task_definition == seen.task_definition
            && primary.was_complete()
            && (primary.rollout_state.is_some() || seen.deployments.len() == 1)
            && primary.running >= seen.desired
            && primary.pending == 0
            && primary.failed == 0
    })
}

/// Whether a family's new revision would be the one that all its services run.
pub fn is_run_already(family: &FamilyPlan, current: &[Described]) -> bool {
    match current {
        [current] if family.own.is_none() => equals(current, &family.registration),
        _ => false,
    }
}

/// A task definition without what says nothing.
fn plain(mut definition: Map<String, Value>) -> Map<String, Value> {
    let is_own_network = matches!(
        definition.get("networkMode").and_then(Value::as_str),
        Some("awsvpc" | "host")
    );
    if let Some(Value::Array(tags)) = definition.get_mut("tags") {
        tags.retain(|tag| {
            let key = tag["key"].as_str().unwrap_or_default();
            key != JOB_TAG && !key.starts_with("aws:")
        });
    }
    let containers = definition.get_mut("containerDefinitions");
    let containers = containers.and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        drop_default(container, "cpu", &Value::from(0));
        drop_default(container, "essential", &Value::from(true));
        if let Some(check) = container.get_mut("healthCheck") {
            // <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_HealthCheck.html>
            for (member, default) in [("interval", 30), ("timeout", 5), ("retries", 3)] {
                drop_default(check, member, &Value::from(default));
            }
        }
        let ports = container.get_mut("portMappings");
        for port in ports.and_then(Value::as_array_mut).into_iter().flatten() {
            drop_default(port, "protocol", &Value::from("tcp"));
            // <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html>
            if is_own_network && let Some(same) = port.get("containerPort").cloned() {
                drop_default(port, "hostPort", &same);
            }
        }
    }
    definition.retain(|_, value| !says_nothing(value));
    for value in definition.values_mut() {
        prune(value, DEEPEST);
    }
    definition.retain(|_, value| !says_nothing(value));
    definition
}

/// ECS's own task definitions are not half as deep.
const DEEPEST: usize = 16;

fn prune(value: &mut Value, levels: usize) {
    let Some(levels) = levels.checked_sub(1) else {
        return;
    };
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(|one| prune(one, levels));
            members.retain(|_, one| !says_nothing(one));
        }
        Value::Array(items) => items.iter_mut().for_each(|one| prune(one, levels)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn drop_default(object: &mut Value, member: &str, default: &Value) {
    if let Value::Object(members) = object
        && members.get(member) == Some(default)
    {
        members.remove(member);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dependencies::Depends;
    use crate::fit::Needs;
    use crate::plan::Newest;
    use crate::seen::DeploymentSeen;
    use crate::task_definition::Base;
    use crate::testing::target;

    fn described(definition: Value, tags: Value) -> Described {
        Described {
            task_definition: definition.as_object().unwrap().clone(),
            tags: tags.as_array().unwrap().clone(),
        }
    }

    fn equal(current: &Value, new: &Value) -> bool {
        let new = Base {
            described: described(new.clone(), json!([])),
            name: "taskdef.json".to_owned(),
            is_file: true,
        };
        let tags = json!([{"key": JOB_TAG, "value": "j-0"}, {"key": "aws:x", "value": ""}]);
        equals(
            &described(current.clone(), tags),
            &Registration::as_it_is(&new),
        )
    }

    fn with_container(container: Value) -> Value {
        json!({"family": "app", "networkMode": "awsvpc", "containerDefinitions": [container]})
    }

    #[test]
    fn what_ecs_fills_in_and_the_jobs_tag_are_no_difference() {
        let shown = json!({"family": "app", "networkMode": "awsvpc", "volumes": [], "revision": 41, "status": "ACTIVE",
            "containerDefinitions": [{"name": "app", "image": "a:1", "cpu": 0, "essential": true, "environment": [],
                "mountPoints": [], "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
                "healthCheck": {"command": ["CMD", "x"], "interval": 30, "timeout": 5, "retries": 3},
                "logConfiguration": {"logDriver": "awslogs", "options": {"a": "b"}, "secretOptions": []}}]});
        let written = with_container(
            json!({"name": "app", "image": "a:1", "portMappings": [{"containerPort": 80}],
            "healthCheck": {"command": ["CMD", "x"]},
            "logConfiguration": {"logDriver": "awslogs", "options": {"a": "b"}}}),
        );
        assert!(equal(&shown, &written));
    }

    #[test]
    fn everything_else_is_one() {
        let shown = with_container(json!({"name": "app", "image": "a:1", "cpu": 0,
            "environment": [{"name": "A", "value": "1"}]}));
        for written in [
            json!({"name": "app", "image": "a:2", "environment": [{"name": "A", "value": "1"}]}),
            json!({"name": "app", "image": "a:1", "environment": [{"name": "A", "value": "2"}]}),
            json!({"name": "app", "image": "a:1"}),
            json!({"name": "app", "image": "a:1", "essential": false,
                "environment": [{"name": "A", "value": "1"}]}),
            json!({"name": "app", "image": "a:1", "inventedLater": false,
                "environment": [{"name": "A", "value": "1"}]}),
        ] {
            assert!(
                !equal(&shown, &with_container(written.clone())),
                "{written}"
            );
        }
        let bridge = |ports: Value| {
            json!({"family": "app", "networkMode": "bridge",
            "containerDefinitions": [{"name": "app", "portMappings": [ports]}]})
        };
        // Without the host's port it is another one each time.
        assert!(!equal(
            &bridge(json!({"containerPort": 80, "hostPort": 80})),
            &bridge(json!({"containerPort": 80}))
        ));
        let tagged = described(
            json!({"family": "app"}),
            json!([{"key": "team", "value": "a"}]),
        );
        let untagged = Registration::as_it_is(&Base::of_revision(described(
            json!({"family": "app"}),
            json!([]),
        )));
        assert!(!equals(&tagged, &untagged));
    }

    /// A service that runs the two tasks of its one deployment, which is complete.
    fn settled() -> ObservedService {
        ObservedService {
            target: target(0),
            seen: ServiceSeen {
                task_definition: "app:41".to_owned(),
                desired: 2,
                deployments: vec![DeploymentSeen {
                    status: "PRIMARY".to_owned(),
                    task_definition: "app:41".to_owned(),
                    rollout_state: Some("COMPLETED".to_owned()),
                    running: 2,
                    ..DeploymentSeen::default()
                }],
                ..ServiceSeen::default()
            },
            controller: None,
            resource_management: None,
            current_service_deployment: None,
            newest: None,
            needs: Needs::default(),
            depends: Depends::default(),
        }
    }

    #[test]
    fn a_service_serves_what_it_is_set_to_only_if_that_is_complete_and_all_tasks_run() {
        let service = |change: fn(&mut ObservedService)| {
            let mut service = settled();
            change(&mut service);
            serves(&service)
        };
        let blue_green = |one: &mut ObservedService, status: &str| {
            one.seen.strategy = Some("BLUE_GREEN".to_owned());
            one.newest = Some(Newest {
                status: status.to_owned(),
            });
        };
        assert!(service(|_| {}));
        let rows: Vec<(&str, fn(&mut ObservedService))> = vec![
            ("a task is missing", |one| {
                one.seen.deployments[0].running = 1;
            }),
            ("one starts", |one| one.seen.deployments[0].pending = 1),
            ("it goes on", |one| {
                one.seen.deployments[0].rollout_state = Some("IN_PROGRESS".to_owned());
            }),
            ("it failed", |one| {
                one.seen.deployments[0].rollout_state = Some("FAILED".to_owned());
            }),
            ("no state, and an old one beside it", |one| {
                one.seen.deployments[0].rollout_state = None;
                one.seen.deployments.push(DeploymentSeen::default());
            }),
            ("set to something else", |one| {
                one.seen.task_definition = "app:42".to_owned();
            }),
            ("stages that nobody has seen the end of", |one| {
                one.seen.strategy = Some("BLUE_GREEN".to_owned());
            }),
        ];
        for (what, change) in rows {
            assert!(!service(change), "{what}");
        }
        for (status, is_served) in [
            ("SUCCESSFUL", true),
            ("ROLLBACK_SUCCESSFUL", true),
            ("IN_PROGRESS", false),
            ("STOPPED", false),
        ] {
            let mut one = settled();
            blue_green(&mut one, status);
            assert_eq!(serves(&one), is_served, "{status}");
        }
    }
}
