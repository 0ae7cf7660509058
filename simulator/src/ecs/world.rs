//! The state of ECS and how it is found and changed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::rollout::first_step;
use super::run::{Placement, Run, Runs};
use super::{Behaviour, Intervention, ServiceSetup, Strategy};
use crate::arn::{arn, last_part};
use crate::logs::Logs;
use crate::wire::ApiError;

/// Tasks are healthy after this unless their image says otherwise.
const START_SECONDS: u32 = 20;

/// One second, the step of everything.
pub(super) const SECOND_MS: i64 = 1000;

/// What SIGTERM leaves in a container that does not catch it.
pub(super) const SIGTERM: i64 = 143;

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
    scheduled: Vec<Scheduled>,
    waiting_for_update: Vec<(String, String, i64, Intervention)>,
    pub(super) runs: Runs,
    /// Reasons why `RunTask` makes no task, and how often each is given.
    pub(super) no_room: Vec<(String, usize)>,
    /// Tasks of `RunTask` that are not shown any more.
    pub(super) forgotten: Vec<Task>,
    pub(super) service_deployments_known: bool,
    pub(super) logs: Logs,
}

#[derive(Clone)]
struct Scheduled {
    at: i64,
    cluster: String,
    service: String,
    intervention: Intervention,
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

#[derive(Clone)]
pub(super) struct Service {
    pub(super) setup: ServiceSetup,
    pub(super) status: String,
    pub(super) desired: i64,
    pub(super) task_definition: String,
    /// What the newest completed deployment brought: rollbacks go to it.
    pub(super) completed: String,
    /// Newest first.
    pub(super) deployments: Vec<Deployment>,
    /// Oldest first.
    pub(super) service_deployments: Vec<ServiceDeployment>,
    /// Newest first: id, time, words.
    pub(super) events: Vec<(String, i64, String)>,
    /// ARN and task definition of every service revision.
    pub(super) revisions: Vec<(String, String)>,
    pub(super) created_at: i64,
    pub(super) inactive_at: Option<i64>,
}

#[derive(Clone)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) is_primary: bool,
    pub(super) task_definition: String,
    pub(super) rollout_state: String,
    pub(super) reason: String,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    /// Failed in a row.
    pub(super) failed: i64,
    /// What served before: a rollback goes there.
    pub(super) previous: String,
    /// Left to go through, the current one first.
    pub(super) stages: Vec<Stage>,
    pub(super) stage_since: i64,
    /// Places tasks; an outdated or failed one does not.
    pub(super) places: bool,
    pub(super) is_frozen: bool,
    /// Its service deployment, also of a rollback's.
    pub(super) service_deployment: Option<String>,
    pub(super) is_rollback: bool,
    pub(super) told_no_capacity: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    /// How long it takes; `SCALE_UP` and `CLEAN_UP` take as long as the tasks do.
    pub(super) seconds: i64,
    /// Production traffic on the new revision.
    pub(super) weight: f64,
}

#[derive(Clone)]
pub(super) struct ServiceDeployment {
    pub(super) arn: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) finished_at: Option<i64>,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) rollback_reason: Option<String>,
    /// The service revision that the rollback brings.
    pub(super) rollback_to: String,
    pub(super) stage: Option<&'static str>,
    pub(super) weight: f64,
    /// When the hook that holds it gives up; `None` if none does.
    pub(super) held_until: Option<i64>,
    pub(super) hook_is_done: bool,
    pub(super) triggered: Vec<String>,
    pub(super) is_frozen: bool,
    pub(super) failures: i64,
    pub(super) threshold: i64,
}

#[derive(Clone)]
pub(super) struct Task {
    pub(super) number: u64,
    pub(super) arn: String,
    pub(super) cluster: String,
    /// Empty for a task of `RunTask`.
    pub(super) service: String,
    /// The deployment that counts it.
    pub(super) deployment: String,
    pub(super) started_by: String,
    pub(super) task_definition: String,
    pub(super) status: &'static str,
    pub(super) is_wanted: bool,
    pub(super) created_at: i64,
    pub(super) running_since: Option<i64>,
    /// When it goes on: runs, fails, or ends.
    pub(super) next_at: Option<i64>,
    pub(super) fate: Fate,
    pub(super) stopped_at: Option<i64>,
    pub(super) stop_code: &'static str,
    pub(super) stopped_reason: String,
    /// Of the container that decides.
    pub(super) exit_code: Option<i64>,
    pub(super) container_reason: Option<String>,
    /// The container that decides has ended, and the task goes on without it.
    pub(super) has_lost_container: bool,
    pub(super) placement: Placement,
    /// What `RunTask` asked for; nothing for a service's task.
    pub(super) run: Run,
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

    pub(super) fn create_service(&mut self, setup: ServiceSetup) {
        check_steps(&setup);
        self.create_cluster(&setup.cluster);
        let definition = self
            .definition(&setup.task_definition)
            .expect("the service's task definition to be registered before")
            .arn();
        let place = self.services.len();
        self.services.push(Service {
            status: "ACTIVE".to_owned(),
            desired: setup.desired_count,
            task_definition: definition.clone(),
            completed: definition.clone(),
            deployments: Vec::new(),
            service_deployments: Vec::new(),
            events: Vec::new(),
            revisions: Vec::new(),
            created_at: self.now,
            inactive_at: None,
            setup,
        });
        self.begin_deployment(place, &definition, None);
        // It has been there for long.
        let now = self.now;
        let service = &mut self.services[place];
        let deployment = &mut service.deployments[0];
        deployment.rollout_state = "COMPLETED".to_owned();
        deployment.reason = format!("ECS deployment {} completed.", deployment.id);
        deployment.stages.clear();
        let id = deployment.id.clone();
        for one in &mut service.service_deployments {
            one.status = "SUCCESSFUL".to_owned();
            one.finished_at = Some(now);
        }
        for _ in 0..service.desired {
            self.place_task(place, &id);
        }
        for task in self.tasks.iter_mut().filter(|task| task.deployment == id) {
            task.status = "RUNNING";
            task.running_since = Some(task.created_at - 3600 * SECOND_MS);
            task.next_at = None;
            task.fate.behaviour = Behaviour::Healthy {
                start_seconds: START_SECONDS,
            };
        }
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

    pub(super) fn schedule(
        &mut self,
        cluster: &str,
        service: &str,
        after: Duration,
        intervention: Intervention,
    ) {
        self.scheduled.push(Scheduled {
            at: self.now + millis(after),
            cluster: cluster.to_owned(),
            service: service.to_owned(),
            intervention,
        });
    }

    pub(super) fn on_update(
        &mut self,
        cluster: &str,
        service: &str,
        after: Duration,
        intervention: Intervention,
    ) {
        self.waiting_for_update.push((
            cluster.to_owned(),
            service.to_owned(),
            millis(after),
            intervention,
        ));
    }

    /// The service at `place` was updated through the API: what waited for that is scheduled.
    pub(super) fn updated_through_api(&mut self, place: usize) {
        let setup = self.services[place].setup.clone();
        let waiting = std::mem::take(&mut self.waiting_for_update);
        for (cluster, service, after, intervention) in waiting {
            if cluster == setup.cluster && service == setup.name {
                self.scheduled.push(Scheduled {
                    at: self.now + after,
                    cluster,
                    service,
                    intervention,
                });
            } else {
                self.waiting_for_update
                    .push((cluster, service, after, intervention));
            }
        }
    }

    /// What is due by now.
    pub(super) fn carry_out_scheduled(&mut self) {
        let now = self.now;
        let (due, later) = std::mem::take(&mut self.scheduled)
            .into_iter()
            .partition(|one| one.at <= now);
        self.scheduled = later;
        let due: Vec<Scheduled> = due;
        for one in due {
            self.intervene(&one.cluster, &one.service, &one.intervention);
        }
    }

    pub(super) fn intervene(&mut self, cluster: &str, service: &str, what: &Intervention) {
        let Ok(Some(place)) = self.find(cluster, service) else {
            return;
        };
        match what {
            Intervention::Deploy { task_definition } => {
                if let Some(definition) = self.definition(task_definition) {
                    let arn = definition.arn();
                    self.begin_deployment(place, &arn, None);
                }
            }
            Intervention::ForceNewDeployment => {
                let current = self.services[place].task_definition.clone();
                self.begin_deployment(place, &current, None);
            }
            Intervention::Delete => {
                let now = self.now;
                let service = &mut self.services[place];
                service.status = "DRAINING".to_owned();
                service.desired = 0;
                service.inactive_at = Some(now + 60 * SECOND_MS);
            }
            Intervention::TriggerAlarm { name } => self.alarm(place, name),
            Intervention::SetDesiredCount { count } => self.services[place].desired = *count,
            Intervention::SetRolloutState { state } => {
                if let Some(primary) = self.services[place].primary_mut() {
                    primary.rollout_state.clone_from(state);
                    primary.is_frozen = true;
                }
            }
            Intervention::SetServiceDeploymentStatus { status } => {
                if let Some(current) = self.services[place].service_deployments.last_mut() {
                    current.status.clone_from(status);
                    current.is_frozen = true;
                }
                if let Some(primary) = self.services[place].primary_mut() {
                    primary.is_frozen = true;
                }
            }
            Intervention::StopDeployment => self.roll_back(place, "Stopped by a user."),
        }
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
            arn: arn("ecs", "task", &format!("{cluster}/{number:032x}")),
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
            .and_then(|one| one.body.get("containerDefinitions")?.as_array().cloned())
            .unwrap_or_default();
        let named = |container: &Value| {
            let text = |member: &str| container[member].as_str().unwrap_or_default().to_owned();
            Container {
                name: text("name"),
                image: text("image"),
                // As ECS has it where nothing is said.
                is_essential: container["essential"].as_bool().unwrap_or(true),
            }
        };
        let logs: Vec<Value> = containers
            .iter()
            .map(|one| one["logConfiguration"]["options"].clone())
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
            Some((option("awslogs-group")?, option("awslogs-stream-prefix")?))
        });
        Fate {
            containers,
            deciding,
            log,
            behaviour,
        }
    }
}

/// What becomes of a task.
#[derive(Clone)]
pub(super) struct Fate {
    /// As in the task definition.
    pub(super) containers: Vec<Container>,
    /// The one whose image or command decides.
    pub(super) deciding: usize,
    /// Group and stream prefix of its log, if it has one.
    pub(super) log: Option<(String, String)>,
    pub(super) behaviour: Behaviour,
}

/// A container of a task.
#[derive(Clone)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    /// The task ends with it.
    pub(super) is_essential: bool,
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

impl Service {
    /// A service made before 2021 and not migrated has its ARN without its cluster
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html#ecs-resource-ids>).
    pub(super) fn arn(&self) -> String {
        if self.setup.short_arn {
            arn("ecs", "service", &self.setup.name)
        } else {
            arn("ecs", "service", &self.path())
        }
    }

    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.setup.cluster, self.setup.name)
    }

    pub(super) fn primary_mut(&mut self) -> Option<&mut Deployment> {
        self.deployments.iter_mut().find(|one| one.is_primary)
    }

    pub(super) fn is_rolling(&self) -> bool {
        self.setup.strategy == Strategy::Rolling
    }
}

/// What ECS takes
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinearConfiguration.html> and
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CanaryConfiguration.html>).
fn check_steps(setup: &ServiceSetup) {
    const LONGEST_MINUTES: u32 = 1440;
    if let Some((percent, minutes)) = setup.linear {
        assert!((3.0..=100.0).contains(&percent), "steps of {percent} %");
        assert!(minutes <= LONGEST_MINUTES, "steps of {minutes} minutes");
    }
    if let Some((percent, minutes)) = setup.canary {
        assert!((0.1..=100.0).contains(&percent), "a canary of {percent} %");
        assert!(minutes <= LONGEST_MINUTES, "a canary of {minutes} minutes");
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
