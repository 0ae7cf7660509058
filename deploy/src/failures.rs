//! How many tasks of a rollout have failed, and when that is too many.
//!
//! Most services have no circuit breaker: it is off by default in the API, `CloudFormation` and Terraform. ECS's
//! own does not count tasks that ran and then exited, and its `failedTasks` goes back to 0 once a task runs
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html>). So tasks are
//! counted here, each once, and the count is never set back.

use super::containers::ContainerFacts;
use super::evidence::StoppedTask;
use super::exit_code::{SIGKILL, SIGTERM};
use super::seen::{DeploymentSeen, ServiceSeen};
use super::spec::FailureThreshold;
use super::time::Timestamp;

/// The bounds of ECS's own formula: half of the desired count, rounded up, at least the first, at most the second.
const AUTO_BOUNDS: (i32, i32) = (3, 200);

/// The failed tasks of our deployment that were seen so far. Saved from one invocation to the next, because ECS
/// shows a stopped task for about an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Failures {
    /// So many.
    pub count: u16,
    /// When the newest of them stopped; none without any.
    pub until: Option<Timestamp>,
}

impl Failures {
    /// With those of `stopped` that are new, given what the revision says of its containers.
    #[must_use]
    pub fn with(self, stopped: &[StoppedTask], facts: &[ContainerFacts]) -> Self {
        // One that is stopping has no time yet: it is counted once it has.
        let failed: Vec<&StoppedTask> = stopped
            .iter()
            .filter(|task| task.stopped_at.is_some() && has_failed(task, facts))
            .collect();
        let number = |of: usize| u16::try_from(of).unwrap_or(u16::MAX);
        let is_new = |task: &&&StoppedTask| task.stopped_at > self.until;
        let new = number(failed.iter().filter(is_new).count());
        let newest = failed.iter().filter_map(|task| task.stopped_at).max();
        Self {
            count: self.count.saturating_add(new).max(number(failed.len())),
            until: self.until.max(newest),
        }
    }

    /// How many have failed, by this count or by ECS's own, `failedTasks`, whichever is more. ECS counts what could
    /// not be placed, too: as long as no task of ours has stopped and its events speak of placement, that is
    /// no failure, because capacity may come.
    pub fn total(
        self,
        service: &ServiceSeen,
        ours: Option<&DeploymentSeen>,
        since: Timestamp,
    ) -> i32 {
        let counted = i32::from(self.count);
        let events = service.events.iter().filter(|event| event.at >= since);
        let mut events = events.map(|event| event.message.as_str());
        let is_about_placement =
            |event: &str| event.contains("unable to place a task") || event.contains("RESOURCE:");
        if counted == 0 && events.any(is_about_placement) {
            return 0;
        }
        counted.max(ours.map_or(0, |listed| listed.failed))
    }
}

/// After how many failed tasks a rollout of `service` is given up; none if that is left to ECS and the time limit.
pub fn limit(threshold: FailureThreshold, service: &ServiceSeen) -> Option<i32> {
    match threshold {
        FailureThreshold::Never => None,
        FailureThreshold::Tasks(tasks) => Some(i32::from(tasks)),
        FailureThreshold::Auto => {
            let (least, most) = AUTO_BOUNDS;
            let half = service.desired.saturating_add(1) / 2;
            // Where the service has a breaker, it comes first.
            let times = if service.breaker_rolls_back.is_some() {
                2
            } else {
                1
            };
            Some(half.clamp(least, most) * times)
        }
    }
}

/// Whether a task stopped of itself, and not well. Not what a user, Spot, scaling or a termination notice stopped,
/// and not a worker that ended with 0 by design.
fn has_failed(task: &StoppedTask, facts: &[ContainerFacts]) -> bool {
    match task.stop_code.as_str() {
        "TaskFailedToStart" => true,
        "EssentialContainerExited" => !has_ended_well(task, facts),
        "ServiceSchedulerInitiated" => task.reason.to_lowercase().contains("health check"),
        _ => false,
    }
}

/// Whether an essential container ended with 0 and all others followed from that.
fn has_ended_well(task: &StoppedTask, facts: &[ContainerFacts]) -> bool {
    let counts = |name: &str| {
        let known = facts.iter().find(|one| one.name == name);
        known.map_or(facts.is_empty(), ContainerFacts::can_end_the_task)
    };
    let containers = task.containers.iter().filter(|one| counts(&one.name));
    let (mut any_ended, mut any_failed) = (false, false);
    for container in containers {
        let has_reason = container
            .reason
            .as_deref()
            .is_some_and(|reason| !reason.trim().is_empty());
        match container.exit_code {
            _ if has_reason => any_failed = true,
            Some(0) => any_ended = true,
            // What ECS stops with the task.
            Some(SIGTERM | SIGKILL) | None => {}
            Some(_) => any_failed = true,
        }
    }
    any_ended && !any_failed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::StoppedContainer;
    use crate::seen::EventSeen;

    fn task(stop_code: &str, codes: &[i32], at: i64) -> StoppedTask {
        let containers = codes
            .iter()
            .enumerate()
            .map(|(place, code)| StoppedContainer {
                name: format!("c{place}"),
                exit_code: Some(*code),
                ..StoppedContainer::default()
            });
        StoppedTask {
            stop_code: stop_code.to_owned(),
            reason: "Essential container in task exited".to_owned(),
            stopped_at: Some(Timestamp::from_secs(at)),
            containers: containers.collect(),
            ..StoppedTask::default()
        }
    }

    fn count(task: StoppedTask) -> u16 {
        Failures::default().with(&[task], &[]).count
    }

    #[test]
    fn only_what_stopped_of_itself_and_not_well_is_counted() {
        const EXITED: &str = "EssentialContainerExited";
        assert_eq!(count(task("TaskFailedToStart", &[], 1)), 1);
        for (codes, failed) in [
            (&[1][..], 1),
            (&[137], 1),
            (&[143], 1),
            (&[0], 0),
            (&[0, 143], 0),
            (&[137, 0], 0),
            (&[0, 1], 1),
            (&[], 1),
        ] {
            assert_eq!(count(task(EXITED, codes, 1)), failed, "{codes:?}");
        }
        for other in [
            "UserInitiated",
            "SpotInterruption",
            "TerminationNotice",
            "InfrastructureHealth",
            "ServiceSchedulerInitiated",
            "",
        ] {
            assert_eq!(count(task(other, &[1], 1)), 0, "{other}");
        }
        let mut unhealthy = task("ServiceSchedulerInitiated", &[143], 1);
        unhealthy.reason = "Task failed ELB health checks in (target-group x)".to_owned();
        assert_eq!(count(unhealthy), 1);
        let mut killed = task(EXITED, &[0], 1);
        killed.containers[0].reason = Some("OutOfMemoryError: killed".to_owned());
        assert_eq!(count(killed), 1);
    }

    #[test]
    fn a_sidecar_that_does_not_count_neither_fails_nor_saves_a_task() {
        let facts = |name: &str, is_essential| ContainerFacts {
            name: name.to_owned(),
            is_essential,
            ..ContainerFacts::default()
        };
        let facts = [facts("c0", true), facts("c1", false)];
        let failures = |codes: &[i32]| {
            let stopped = [task("EssentialContainerExited", codes, 1)];
            Failures::default().with(&stopped, &facts).count
        };
        assert_eq!((failures(&[1, 0]), failures(&[0, 1])), (1, 0));
    }

    #[test]
    fn each_task_is_counted_once_and_the_count_is_never_set_back() {
        let seen = |times: &[i64]| -> Vec<StoppedTask> {
            let tasks = times.iter().map(|at| task("TaskFailedToStart", &[], *at));
            tasks.collect()
        };
        let first = Failures::default().with(&seen(&[10, 20]), &[]);
        assert_eq!(first.count, 2);
        let again = first.with(&seen(&[10, 20]), &[]);
        assert_eq!(again, first);
        let third = again.with(&seen(&[10, 20, 30]), &[]);
        assert_eq!(third.count, 3);
        // One that is only stopping counts when it has.
        let mut stopping = seen(&[10, 20, 30, 0]);
        stopping[3].stopped_at = None;
        assert_eq!(third.with(&stopping, &[]), third);
        // ECS does not show the old ones any more.
        assert_eq!(third.with(&seen(&[40]), &[]).count, 4);
        assert_eq!(third.with(&[], &[]), third);
    }

    #[test]
    fn ecs_own_count_counts_unless_it_is_of_what_could_not_be_placed() {
        let since = Timestamp::from_secs(100);
        let listed = DeploymentSeen {
            failed: 5,
            ..DeploymentSeen::default()
        };
        let mut service = ServiceSeen::default();
        let total = |failures: Failures, service: &ServiceSeen| {
            failures.total(service, Some(&listed), since)
        };
        assert_eq!(total(Failures::default(), &service), 5);
        service.events.push(EventSeen {
            id: String::new(),
            at: since,
            message: "(service web) was unable to place a task because x.".to_owned(),
        });
        assert_eq!(total(Failures::default(), &service), 0);
        let some = Failures {
            count: 1,
            until: Some(since),
        };
        assert_eq!(total(some, &service), 5);
        assert_eq!(some.total(&service, None, since), 1);
        service.events[0].at = Timestamp::from_secs(99);
        assert_eq!(total(Failures::default(), &service), 5);
    }

    #[test]
    fn the_limit_is_ecs_own_formula_and_twice_that_where_ecs_has_a_breaker() {
        let of = |desired, breaker| {
            let service = ServiceSeen {
                desired,
                breaker_rolls_back: breaker,
                ..ServiceSeen::default()
            };
            limit(FailureThreshold::Auto, &service).unwrap()
        };
        for (desired, expected) in [
            (0, 3),
            (1, 3),
            (6, 3),
            (7, 4),
            (25, 13),
            (400, 200),
            (9000, 200),
        ] {
            assert_eq!(of(desired, None), expected, "{desired}");
            assert_eq!(of(desired, Some(false)), 2 * expected, "{desired}");
        }
        let service = ServiceSeen::default();
        assert_eq!(limit(FailureThreshold::Tasks(7), &service), Some(7));
        assert_eq!(limit(FailureThreshold::Never, &service), None);
    }
}
