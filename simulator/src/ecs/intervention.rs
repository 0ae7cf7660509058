//! What others do to services, now or later.

use std::time::Duration;

use super::setup::Intervention;
use super::world::{Scheduled, World};
use crate::clock::SECOND_MS;

impl World {
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
            Intervention::AnswerHook { rolls_back } => {
                let mut all = self.services[place].service_deployments.iter_mut();
                if let Some(held) =
                    all.find(|one| one.finished_at.is_none() && one.held_until.is_some())
                {
                    held.hook_is_done = true;
                    if *rolls_back {
                        self.roll_back(place, "A lifecycle hook was answered with ROLLBACK.");
                    }
                }
            }
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
