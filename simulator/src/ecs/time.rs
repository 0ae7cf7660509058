//! How everything goes on, second by second.

use super::setup::Behaviour;
use super::task::{Step, TARGET_GROUP, Task};
use super::world::World;
use crate::clock::SECOND_MS;

/// ECS shows stopped tasks for an hour.
const STOPPED_SHOWN_MS: i64 = 3600 * SECOND_MS;

impl World {
    /// Lets everything happen that happens until `now`.
    pub(super) fn advance_to(&mut self, now: i64) {
        while self.now + SECOND_MS <= now {
            self.now += SECOND_MS;
            self.carry_out_scheduled();
            for place in 0..self.services.len() {
                self.second_of_service(place);
            }
            self.second_of_other_tasks();
        }
    }

    fn second_of_service(&mut self, place: usize) {
        let now = self.now;
        let logs = self.logs.clone();
        let service = &mut self.services[place];
        if service.inactive_at.is_some_and(|at| at <= now) {
            service.status = "INACTIVE".to_owned();
            service.deployments.clear();
        }
        let name = (service.setup.cluster.clone(), service.setup.name.clone());
        let own = self
            .tasks
            .iter_mut()
            .filter(|task| (&task.cluster, &task.service) == (&name.0, &name.1));
        let mut unhealthy = 0;
        for task in own {
            let step = task.step(now, &logs);
            unhealthy += usize::from(matches!(step, Some(Step::Unhealthy)));
            match step {
                Some(Step::Runs) => {
                    let of = service.deployments.iter_mut();
                    for one in of.filter(|one| one.id == task.deployment) {
                        // ECS forgets failures once a task runs well.
                        if matches!(task.fate.behaviour, Behaviour::Healthy { .. }) {
                            one.failed = 0;
                        }
                    }
                }
                Some(Step::Failed | Step::Unhealthy) => {
                    let of = service.deployments.iter_mut();
                    for one in of.filter(|one| one.id == task.deployment) {
                        one.failed += 1;
                    }
                }
                None => {}
            }
        }
        for _ in 0..unhealthy {
            let text = format!(
                "(service {}) (port 8080) is unhealthy in (target-group {TARGET_GROUP}) due to (reason Health checks failed with these codes: [503]).",
                name.1
            );
            self.event(place, &text);
        }
        self.place_and_stop(place);
        self.judge(place);
        self.forget_empty_deployments(place);
    }

    /// Tasks of `RunTask`.
    fn second_of_other_tasks(&mut self) {
        let now = self.now;
        let logs = self.logs.clone();
        for task in self.tasks.iter_mut().filter(|task| task.service.is_empty()) {
            task.step(now, &logs);
        }
        let is_forgotten = |task: &mut Task| {
            task.stopped_at
                .is_some_and(|stopped| now - stopped >= STOPPED_SHOWN_MS)
        };
        let gone = self.tasks.extract_if(.., is_forgotten);
        let run = gone.filter(|task| task.service.is_empty());
        self.forgotten.extend(run);
    }
}
