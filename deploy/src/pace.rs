//! How long to wait between two looks.
//!
//! ECS's documented quotas are shared by the whole account
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>): two hundred pipelines that
//! one commit starts must all get on. So looks come often while something changes, and more seldom while nothing
//! does, and no two pipelines keep step with each other.

use std::time::Duration;

use super::deployment::{Deployment, Service, Stage};
use super::seen::Look;
use super::text;
use super::time::Timestamp;
use super::verdict::Verdict;

/// At first, and whenever something has just changed.
const SHORTEST: Duration = Duration::from_secs(5);

/// While nothing changes, and while AWS throttles. What ECS knows is reported within this.
const LONGEST: Duration = Duration::from_secs(15);

/// So many looks that show nothing new come before the pauses grow.
const PATIENT_FOR: u32 = 1;

/// So many of them make the longest pause.
const SETTLED: u32 = PATIENT_FOR + 4;

/// Without a change for so long a rollout is calm.
const CALM_AFTER: Duration = Duration::from_mins(1);

/// Of a pause so much, in percent, is left to chance.
const JITTER_PERCENT: u64 = 20;

/// The pace of one invocation.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    /// What the last look showed, in short.
    last: Option<String>,
    /// So many looks running have shown the same.
    calm: u32,
    /// So many pauses were made.
    pauses: u32,
}

impl Pace {
    /// How long to wait now, after a look at `deployment`, in an invocation that has `left` so much time: what is
    /// left of it is not given away for a longer pause.
    pub fn pause(&mut self, deployment: &Deployment, left: Duration, now: Timestamp) -> Duration {
        let shown = fingerprint(deployment);
        match &self.last {
            Some(last) if *last == shown => self.calm = self.calm.saturating_add(1),
            // What was calm before this invocation need not be looked at as if it had just changed: of three hundred
            // rollouts each would ask twice as often as the account's quotas allow.
            None if has_been_calm(deployment, now) => self.calm = SETTLED,
            Some(_) | None => self.calm = 0,
        }
        self.last = Some(shown);
        self.pauses = self.pauses.wrapping_add(1);
        let is_throttled = deployment
            .services
            .iter()
            .any(|service| matches!(service.live.verdict, Some(Verdict::NoNews { .. })));
        let steps = if is_throttled {
            self.calm.saturating_add(1)
        } else {
            self.calm.saturating_sub(PATIENT_FOR)
        };
        let wanted = SHORTEST.saturating_mul(2_u32.saturating_add(steps)) / 2;
        let pause = jittered(wanted.min(LONGEST), &deployment.job, self.pauses);
        if left >= SHORTEST * 4 / 5 {
            pause.min(left)
        } else {
            pause
        }
    }
}

/// Whether nothing has changed for a while, by what earlier invocations have noted.
fn has_been_calm(deployment: &Deployment, now: Timestamp) -> bool {
    let mut services = deployment.services.iter();
    // A rollback is watched closely from its beginning.
    deployment.stage == Stage::RollingOut
        && services.all(|service| {
            let last = service.timeline.points().last();
            last.is_some_and(|last| {
                now.since(deployment.started + Duration::from_secs(last.at)) > CALM_AFTER
            })
        })
}

/// `pause`, shortened by up to a fifth: by another part for each job and each time.
pub fn jittered(pause: Duration, job: &str, time: u32) -> Duration {
    let chance = u64::from(text::hash([job, &time.to_string()]));
    let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let most = millis / 100 * JITTER_PERCENT;
    Duration::from_millis(millis - chance % most.max(1))
}

/// What of a look makes the next one worth while soon.
fn fingerprint(deployment: &Deployment) -> String {
    let stage = match &deployment.stage {
        Stage::PreDeploy(task) => format!("{:?}", task.live.seen),
        Stage::PostDeploy(post) => format!("{:?}", post.task().map(|task| &task.live.seen)),
        Stage::RollingOut | Stage::RollingBack(_) => deployment.stage.name().to_owned(),
    };
    let services = deployment.services.iter().map(of_service);
    format!("{stage} {}", services.collect::<Vec<_>>().join(" "))
}

fn of_service(service: &Service) -> String {
    let Some(Look::Seen {
        service: seen,
        service_deployment,
    }) = &service.live.look
    else {
        return "-".to_owned();
    };
    let deployments = seen.deployments.iter().map(|one| {
        let (state, running) = (one.rollout_state.as_deref(), one.running);
        format!(
            "{}{state:?}{running}/{}/{}",
            one.id, one.pending, one.failed
        )
    });
    let own = service_deployment.as_deref().map(|own| {
        let (stage, weight) = (own.lifecycle_stage.as_deref(), own.new_weight);
        format!("{}{stage:?}{weight:?}{:?}", own.status, own.waiting)
    });
    format!(
        "{}{own:?}{}",
        deployments.collect::<String>(),
        seen.events.first().map_or("", |event| &event.id)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::ServiceSeen;
    use crate::testing::{STARTED, service};

    fn deployment(desired: i32) -> Deployment {
        let mut service = service(0);
        service.live.look = Some(Look::Seen {
            service: Box::new(ServiceSeen {
                deployments: vec![crate::seen::DeploymentSeen {
                    running: desired,
                    ..Default::default()
                }],
                ..ServiceSeen::default()
            }),
            service_deployment: None,
        });
        Deployment {
            job: "job".to_owned(),
            started: STARTED,
            stage: Stage::RollingOut,
            services: vec![service],
            config_pin: None,
            paused: crate::deployment::Paused::default(),
            waited: std::time::Duration::ZERO,
            is_from_token: false,
        }
    }

    #[test]
    fn looks_come_every_five_seconds_while_something_changes() {
        let mut pace = Pace::default();
        for running in 0..10 {
            let pause = pace.pause(&deployment(running), LONGEST, STARTED);
            assert!(pause <= SHORTEST && pause >= SHORTEST * 4 / 5, "{pause:?}");
        }
    }

    #[test]
    fn they_come_more_seldom_while_nothing_does_and_at_once_again_when_something_has() {
        let mut pace = Pace::default();
        let calm: Vec<Duration> = (0..20)
            .map(|_| pace.pause(&deployment(1), LONGEST, STARTED))
            .collect();
        assert!(calm[..2].iter().all(|pause| *pause <= SHORTEST), "{calm:?}");
        let last = calm[19];
        assert!(last <= LONGEST && last >= LONGEST * 4 / 5, "{last:?}");
        assert!(pace.pause(&deployment(2), LONGEST, STARTED) <= SHORTEST);
    }

    #[test]
    fn a_rollout_that_was_calm_before_an_invocation_is_calm_in_it() {
        let mut quiet = deployment(1);
        quiet.services[0]
            .timeline
            .add(10, &crate::verdict::Progress::default());
        let first = |after_secs: u64| {
            let now = STARTED + Duration::from_secs(after_secs);
            Pace::default().pause(&quiet, LONGEST, now)
        };
        assert!(first(40) <= SHORTEST);
        assert!(first(600) >= LONGEST * 4 / 5);
        let mut pace = Pace::default();
        pace.pause(&quiet, LONGEST, STARTED + Duration::from_mins(10));
        assert!(pace.pause(&deployment(2), LONGEST, STARTED) <= SHORTEST);
    }

    #[test]
    fn the_end_of_an_invocation_is_not_given_away() {
        let mut pace = Pace::default();
        let calm: Vec<Duration> = (0..20)
            .map(|_| pace.pause(&deployment(1), Duration::from_secs(6), STARTED))
            .collect();
        assert_eq!(calm[19], Duration::from_secs(6));
        assert!(pace.pause(&deployment(1), Duration::from_secs(1), STARTED) > SHORTEST);
    }

    #[test]
    fn throttling_widens_them() {
        let mut pace = Pace::default();
        let mut throttled = deployment(1);
        throttled.services[0].live.verdict = Some(Verdict::NoNews { why: String::new() });
        let pauses: Vec<Duration> = (0..4)
            .map(|_| pace.pause(&throttled, LONGEST, STARTED))
            .collect();
        assert!(pauses[0] > SHORTEST && pauses[3] > pauses[0], "{pauses:?}");
    }

    #[test]
    fn no_two_pipelines_keep_step() {
        let of = |job: &str| -> Vec<Duration> {
            (0..5).map(|time| jittered(SHORTEST, job, time)).collect()
        };
        assert_ne!(of("a"), of("b"));
        assert!(
            of("a")
                .iter()
                .all(|pause| *pause <= SHORTEST && *pause > SHORTEST * 3 / 4)
        );
    }
}
