//! How many tasks a service's deployments have, and which of them are placed and stopped.

use serde_json::Value;

use super::placement::Placement;
use super::setup::Behaviour;
use super::task::Run;
use super::world::World;
use crate::clock::SECOND_MS;

/// Old tasks take this long to stop; longer behind a load balancer.
const DRAIN_SECONDS: i64 = 5;
const LOAD_BALANCER_DRAIN_SECONDS: i64 = 30;

/// A task counts as started for good when it has run this long.
const SETTLE_SECONDS: i64 = 10;

impl World {
    /// Starts one task of a deployment.
    pub(super) fn place_task(&mut self, place: usize, deployment: &str) {
        let service = &self.services[place];
        let Some(of) = service.deployments.iter().find(|one| one.id == deployment) else {
            return;
        };
        let task_definition = of.task_definition.clone();
        let (cluster, name) = (service.setup.cluster.clone(), service.setup.name.clone());
        let placement = Placement::of_service(&service.setup);
        let mut task = self.new_task(&cluster, &task_definition, placement, Run::default());
        task.service = name;
        task.deployment = deployment.to_owned();
        task.started_by = deployment.to_owned();
        task.fate.injected = self.services[place].setup.injected.clone();
        self.tasks.push(task);
    }

    pub(super) fn place_and_stop(&mut self, place: usize) {
        let service = &self.services[place];
        let desired = service.desired;
        let Some(primary) = service.deployments.iter().find(|one| one.is_primary) else {
            return;
        };
        let primary_id = primary.id.clone();
        let name = service.setup.name.clone();
        let places = primary.places && !primary.is_frozen;
        let task_definition = primary.task_definition.clone();
        let (pending, _) = self.counts(place, &primary_id);
        let running_wanted = self.wanted_running(place, &primary_id);
        let missing = desired - pending - running_wanted;
        if places && missing > 0 {
            let fate = self.fate_of(&task_definition, &Value::Null);
            let no_task = match &fate.behaviour {
                Behaviour::NoCapacity => Some(
                    "was unable to place a task because no container instance met all of its requirements. Reason: Capacity is unavailable at this time. Please try again later or in a different availability zone.",
                ),
                Behaviour::NoTask { event } => Some(event.as_str()),
                _ => None,
            };
            if let Some(why) = no_task {
                let primary = self.services[place].primary_mut();
                let is_new =
                    primary.is_some_and(|one| !std::mem::replace(&mut one.told_no_capacity, true));
                if is_new {
                    self.event(place, &format!("(service {name}) {why}"));
                }
            } else {
                for _ in 0..missing {
                    self.place_task(place, &primary_id);
                }
            }
        }
        if missing < 0 {
            self.stop_tasks(place, &primary_id, -missing);
        }
        self.stop_old_tasks(place, &primary_id, desired);
    }

    /// Old tasks go as new ones run; in blue/green and its kin only when it cleans up.
    fn stop_old_tasks(&mut self, place: usize, primary: &str, desired: i64) {
        let service = &self.services[place];
        let Some(of) = service.deployments.iter().find(|one| one.is_primary) else {
            return;
        };
        let cleans_up = of
            .stages
            .first()
            .is_none_or(|stage| stage.name == "CLEAN_UP");
        let old: Vec<String> = service
            .deployments
            .iter()
            .filter(|one| !one.is_primary)
            .map(|one| one.id.clone())
            .collect();
        let may_stop = service.is_rolling() || cleans_up || of.is_rollback;
        // A frozen one is for ever at the point where it stands.
        if of.is_frozen && of.rollout_state != "COMPLETED" {
            return;
        }
        let running_new = self.settled(place, primary);
        // Early success criteria that block for the clean-up remove them whatever runs by then.
        let is_early = service
            .setup
            .early_success
            .is_some_and(|early| !early.is_deferred)
            && cleans_up
            && !of.is_rollback;
        for id in old {
            let (pending, _) = self.counts(place, &id);
            if pending > 0 {
                self.stop_pending(place, &id);
            }
            if may_stop {
                let running_old = self.wanted_running(place, &id);
                let still_needed = if is_early {
                    0
                } else {
                    (desired - running_new).max(0)
                };
                self.stop_tasks(place, &id, running_old - still_needed);
            }
        }
    }

    fn stop_tasks(&mut self, place: usize, deployment: &str, number: i64) {
        let setup = &self.services[place].setup;
        let drain = if setup.load_balancer {
            LOAD_BALANCER_DRAIN_SECONDS
        } else {
            DRAIN_SECONDS
        };
        let number = usize::try_from(number).unwrap_or(0);
        let now = self.now;
        let running = self.tasks.iter_mut().filter(|task| {
            task.cluster == setup.cluster
                && task.service == setup.name
                && task.deployment == deployment
                && task.status == "RUNNING"
                && task.is_wanted
        });
        for task in running.take(number) {
            task.scale_in(now + drain * SECOND_MS);
        }
    }

    fn stop_pending(&mut self, place: usize, deployment: &str) {
        let setup = &self.services[place].setup;
        let now = self.now;
        let pending = self.tasks.iter_mut().filter(|task| {
            task.cluster == setup.cluster
                && task.service == setup.name
                && task.deployment == deployment
                && task.status == "PENDING"
                && task.is_wanted
        });
        for task in pending {
            task.scale_in(now + SECOND_MS);
        }
    }

    fn wanted_running(&self, place: usize, deployment: &str) -> i64 {
        self.number(place, deployment, |task| {
            task.status == "RUNNING" && task.is_wanted
        })
    }

    /// Running for so long that ECS counts on them.
    pub(super) fn settled(&self, place: usize, deployment: &str) -> i64 {
        let now = self.now;
        self.number(place, deployment, |task| {
            task.status == "RUNNING"
                && task.is_wanted
                && task.fate.behaviour != Behaviour::FailsHealthCheck
                && task.fate.behaviour != Behaviour::FailsContainerCheck
                && task
                    .running_since
                    .is_some_and(|since| now - since >= SETTLE_SECONDS * SECOND_MS)
        })
    }
}
