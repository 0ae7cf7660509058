//! The state of ECS and how it is found and changed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::placement::Placement;
use super::service::Service;
use super::setup::{Behaviour, Intervention};
use super::task::{Container, Fate, Run, START_SECONDS, Task, first_step};
use crate::arn::{arn, last_part};
use crate::clock::SECOND_MS;
use crate::logs::Logs;
use crate::wire::ApiError;

#[derive(Clone)]
pub(crate) struct World {
    pub(super) now: i64,
    pub(super) ids: u64,
    pub(super) clusters: BTreeMap<String, String>,
    pub(super) families: BTreeMap<String, Vec<Definition>>,
    pub(super) services: Vec<Service>,
    pub(super) tasks: Vec<Task>,
    images: Vec<(String, Behaviour)>,
    /// Behaviours by what the command contains that a container is run with.
    commands: Vec<(String, Behaviour)>,
    pub(super) scheduled: Vec<Scheduled>,
    pub(super) waiting_for_update: Vec<(String, String, i64, Intervention)>,
    pub(super) runs: Runs,
    /// Reasons why `RunTask` makes no task, and how often each is given.
    pub(super) no_room: Vec<(String, usize)>,
    /// Tasks of `RunTask` that are not shown any more.
    pub(super) forgotten: Vec<Task>,
    pub(super) service_deployments_known: bool,
    pub(super) logs: Logs,
}

/// By cluster and client token: the request, and the ARNs of its tasks.
pub(super) type Runs = BTreeMap<(String, String), (Value, Vec<String>)>;

#[derive(Clone)]
pub(super) struct Scheduled {
    pub(super) at: i64,
    pub(super) cluster: String,
    pub(super) service: String,
    pub(super) intervention: Intervention,
}

#[derive(Clone)]
pub(super) struct Definition {
    pub(super) family: String,
    pub(super) number: usize,
    /// As registered, without tags.
    pub(super) body: Map<String, Value>,
    pub(super) tags: Vec<Value>,
    pub(super) is_active: bool,
    pub(super) registered_at: i64,
}

impl World {
    pub(super) fn new(now: i64, logs: Logs) -> Self {
        Self {
            now,
            ids: 0,
            clusters: BTreeMap::new(),
            families: BTreeMap::new(),
            services: Vec::new(),
            tasks: Vec::new(),
            images: Vec::new(),
            commands: Vec::new(),
            scheduled: Vec::new(),
            waiting_for_update: Vec::new(),
            runs: Runs::new(),
            no_room: Vec::new(),
            forgotten: Vec::new(),
            service_deployments_known: true,
            logs,
        }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.now
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(super) fn create_cluster(&mut self, name: &str) {
        let active = "ACTIVE".to_owned();
        self.clusters.entry(name.to_owned()).or_insert(active);
    }

    pub(super) fn register(&mut self, definition: Value) -> String {
        let mut body = match definition {
            Value::Object(body) => body,
            _ => Map::new(),
        };
        let tags = match body.remove("tags") {
            Some(Value::Array(tags)) => tags,
            _ => Vec::new(),
        };
        let family = body["family"].as_str().unwrap_or("unnamed").to_owned();
        let revisions = self.families.entry(family.clone()).or_default();
        let number = revisions.len() + 1;
        revisions.push(Definition {
            family: family.clone(),
            number,
            body,
            tags,
            is_active: true,
            registered_at: self.now,
        });
        arn("ecs", "task-definition", &format!("{family}:{number}"))
    }

    /// By family, `family:number` or ARN.
    pub(super) fn definition(&self, name: &str) -> Option<&Definition> {
        let name = name.rsplit('/').next().unwrap_or(name);
        if let Some((family, number)) = name.rsplit_once(':') {
            let number: usize = number.parse().ok()?;
            self.families.get(family)?.get(number.checked_sub(1)?)
        } else {
            let newest_first = self.families.get(name)?.iter().rev();
            newest_first.into_iter().find(|one| one.is_active)
        }
    }

    pub(super) fn registered(&self, name: &str) -> Option<Value> {
        let definition = self.definition(name)?;
        let mut body = definition.body.clone();
        body.insert("tags".to_owned(), json!(definition.tags));
        Some(Value::Object(body))
    }

    pub(super) fn revisions(&self, family: &str) -> Vec<String> {
        let revisions = self.families.get(family).into_iter().flatten();
        revisions.map(Definition::arn).collect()
    }

    pub(super) fn active_revisions(&self, family: &str) -> Vec<String> {
        let revisions = self.families.get(family).into_iter().flatten();
        let active = revisions.filter(|one| one.is_active);
        active.map(Definition::arn).collect()
    }

    pub(super) fn image(&mut self, part: &str, behaviour: Behaviour) {
        self.images.push((part.to_owned(), behaviour));
    }

    pub(super) fn command(&mut self, part: &str, behaviour: Behaviour) {
        self.commands.push((part.to_owned(), behaviour));
    }

    /// Where a service is, by names or ARNs. The cluster must exist.
    pub(super) fn find(&self, cluster: &str, service: &str) -> Result<Option<usize>, ApiError> {
        let cluster = if cluster.is_empty() {
            "default"
        } else {
            last_part(cluster)
        };
        if self
            .clusters
            .get(cluster)
            .is_none_or(|status| status != "ACTIVE")
        {
            return Err(ApiError::new(
                "ClusterNotFoundException",
                "Cluster not found.",
            ));
        }
        let service = last_part(service);
        Ok(self
            .services
            .iter()
            .position(|one| one.setup.cluster == cluster && one.setup.name == service))
    }

    pub(super) fn deployments_of(
        &self,
        cluster: &str,
        service: &str,
        task_definition: &str,
    ) -> usize {
        let Ok(Some(place)) = self.find(cluster, service) else {
            return 0;
        };
        let revisions = self.services[place].revisions.iter();
        revisions
            .filter(|(_, definition)| last_part(definition) == last_part(task_definition))
            .count()
    }

    /// Pending and running tasks of a deployment, for the answers.
    pub(super) fn counts(&self, place: usize, deployment: &str) -> (i64, i64) {
        (
            self.count(place, deployment, "PENDING"),
            self.count(place, deployment, "RUNNING"),
        )
    }

    pub(super) fn count(&self, place: usize, deployment: &str, status: &str) -> i64 {
        self.number(place, deployment, |task| {
            task.status == status && (task.is_wanted || status == "RUNNING")
        })
    }

    pub(super) fn number(&self, place: usize, deployment: &str, of: impl Fn(&Task) -> bool) -> i64 {
        let setup = &self.services[place].setup;
        let tasks = self.tasks.iter().filter(|task| {
            task.cluster == setup.cluster
                && task.service == setup.name
                && task.deployment == deployment
                && of(task)
        });
        i64::try_from(tasks.count()).unwrap_or(i64::MAX)
    }

    pub(super) fn event(&mut self, place: usize, text: &str) {
        let id = format!("00000000-0000-4000-9000-{:012x}", self.next_id());
        let now = self.now;
        self.services[place]
            .events
            .insert(0, (id, now, text.to_owned()));
    }

    /// A task of this revision that is about to start; its service and deployment are left open.
    pub(super) fn new_task(
        &mut self,
        cluster: &str,
        task_definition: &str,
        placement: Placement,
        run: Run,
    ) -> Task {
        let number = self.next_id();
        let fate = self.fate_of(task_definition, &run.overrides);
        Task {
            number,
            arn: arn("ecs", "task", &format!("{cluster}/{}", id_of(number))),
            cluster: cluster.to_owned(),
            service: String::new(),
            deployment: String::new(),
            started_by: String::new(),
            task_definition: task_definition.to_owned(),
            status: "PENDING",
            is_wanted: true,
            created_at: self.now,
            running_since: None,
            next_at: first_step(&fate.behaviour).map(|seconds| self.now + seconds * SECOND_MS),
            fate,
            stopped_at: None,
            stop_code: "",
            stopped_reason: String::new(),
            exit_code: None,
            container_reason: None,
            has_lost_container: false,
            placement,
            run,
        }
    }

    /// What becomes of a task of this revision that is run with these overrides, if any.
    pub(super) fn fate_of(&self, task_definition: &str, overrides: &Value) -> Fate {
        let containers = self
            .definition(task_definition)
            .and_then(|one| one.body.get("containerDefinitions")?.as_array())
            .map_or(&[][..], Vec::as_slice);
        let named = |container: &Value| {
            let text = |member: &str| container[member].as_str().unwrap_or_default().to_owned();
            Container {
                name: text("name"),
                image: text("image"),
                // As ECS has it where nothing is set.
                is_essential: container["essential"].as_bool().unwrap_or(true),
            }
        };
        let logs: Vec<&Value> = containers
            .iter()
            .map(|one| &one["logConfiguration"]["options"])
            .collect();
        let containers: Vec<Container> = containers.iter().map(named).collect();
        let newest_for = |rules: &[(String, Behaviour)], text: &str| {
            let mut newest = rules.iter().rev();
            let (_, behaviour) = newest.find(|(part, _)| text.contains(part.as_str()))?;
            Some(behaviour.clone())
        };
        let by_command = || {
            let overridden = overrides["containerOverrides"].as_array();
            overridden.into_iter().flatten().find_map(|one| {
                let words: Vec<&str> = one["command"]
                    .as_array()?
                    .iter()
                    .filter_map(Value::as_str)
                    .collect();
                let behaviour = newest_for(&self.commands, &words.join(" "))?;
                let mut all = containers.iter();
                let place = all.position(|container| one["name"] == container.name)?;
                Some((place, behaviour))
            })
        };
        let by_image = || {
            let mut all = containers.iter().enumerate();
            all.find_map(|(place, one)| Some((place, newest_for(&self.images, &one.image)?)))
        };
        let decided = by_command().or_else(by_image);
        let start_seconds = START_SECONDS;
        let (deciding, behaviour) = decided.unwrap_or((0, Behaviour::Healthy { start_seconds }));
        let log = logs.get(deciding).and_then(|options| {
            let option = |name: &str| options[name].as_str().map(str::to_owned);
            Some((option("awslogs-group")?, option("awslogs-stream-prefix")))
        });
        Fate {
            containers,
            deciding,
            log,
            injected: None,
            behaviour,
        }
    }
}

impl Definition {
    pub(super) fn arn(&self) -> String {
        arn(
            "ecs",
            "task-definition",
            &format!("{}:{}", self.family, self.number),
        )
    }
}

/// A task's id: like AWS's they differ in their first characters.
fn id_of(number: u64) -> String {
    // An odd factor maps no two numbers to one.
    const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    format!("{:032x}", u128::from(number).wrapping_mul(SPREAD))
}
