//! The stage `RollingBack`: what is left to do for each service after one of them failed. Never a
//! success: the job has failed, and what is left to learn is what serves now.

use std::time::Duration;

use super::deployment::{Attempt, Deployment, Owner, Rollback, Service};
use super::judge::{CONSISTENCY_GRACE, RollbackMethod, rollback_method};
use super::revision::Revision;
use super::spec::{DeploySpec, LONGEST_TIMEOUT};
use super::time::Timestamp;
use super::verdict::Verdict;

/// How long a rollback may take, besides what every deployment of the service takes, before the job fails without
/// having seen its end. It starts when the rollback is due, so that a rollout that fails in its last minute is still
/// followed. With the longest rollout, 23 hours, it stays within the action's 24.
pub const ROLLBACK_ALLOWANCE: Duration = Duration::from_mins(30);

/// How long ECS may take to start a rollback that it owes, and to show one that we asked for.
pub const ROLLBACK_STARTS_WITHIN: Duration = Duration::from_mins(2);

/// How often a rollback is asked for that AWS refuses, each time after a look.
const ATTEMPTS: u8 = 3;

/// What is left to do for one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing: its rollback is at an end, or its end will not be seen.
    Nothing,
    /// To see how its rollback goes on.
    Wait,
    /// To ask for its rollback.
    Ask,
    /// To look again before it is asked for.
    LookAgain,
}

/// How to ask for a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Stop the service deployment with this ARN: ECS then rolls it back.
    Stop(String),
    /// Set the service to this revision.
    Set(Revision),
}

/// How asking for a rollback went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// AWS accepted it.
    Asked,
    /// AWS refused it, and why: it may accept it later, or the service has changed since.
    Refused(String),
    /// AWS throttles, or was unavailable for what comes before it, and why: it was certainly not asked for.
    NotNow(String),
    /// Its answer was lost, and why: AWS may have accepted it, which the next look shows.
    Lost(String),
    /// AWS will never accept it, and why.
    Never(String),
}

/// Until when the rollback of a service is followed. One of a deployment that was complete is a deployment with the
/// same steps and bake time; where the service has not been seen, they took no longer than the deployment has. The
/// action's 24 hours bound it, which began when its start began to wait.
pub fn until(service: &Service, rollback: &Rollback, deployment: &Deployment) -> Timestamp {
    let started = deployment.started;
    let steps = match service.seen() {
        Some(seen) => seen.shortest_rollout(),
        None => rollback.since.since(started),
    };
    let of_action = LONGEST_TIMEOUT.saturating_sub(deployment.waited);
    let left_of_action = (started + of_action).since(rollback.since);
    rollback.since + ROLLBACK_ALLOWANCE + steps.min(left_of_action)
}

/// What is left to do for the service at `place`, whose rollback is followed `until` then.
pub fn left(
    place: usize,
    service: &Service,
    rollback: &Rollback,
    spec: &DeploySpec,
    until: Timestamp,
    now: Timestamp,
) -> Left {
    let Some(verdict) = &service.live.verdict else {
        return Left::Wait;
    };
    let left = if place == rollback.failed {
        left_of_failed(service, verdict, rollback, spec, until, now)
    } else {
        left_of_other(service, verdict, rollback, spec, until, now)
    };
    match (left, &service.live.rollback) {
        (Left::Ask, Attempt::Refused { .. }) => Left::LookAgain,
        (left, _) => left,
    }
}

fn left_of_failed(
    service: &Service,
    verdict: &Verdict,
    rollback: &Rollback,
    spec: &DeploySpec,
    until: Timestamp,
    now: Timestamp,
) -> Left {
    let is_in_time = now < until;
    let (was_asked_now, is_given_up, is_open) = match service.live.rollback {
        Attempt::Asked => (true, false, false),
        Attempt::GivenUp(_) => (false, true, false),
        Attempt::AskedBefore => (false, false, false),
        Attempt::NotAsked { .. } | Attempt::Refused { .. } => (false, false, true),
    };
    let wait = if is_in_time {
        Left::Wait
    } else {
        Left::Nothing
    };
    // This look has found that it failed, and that nobody else rolls it back.
    let is_due = rollback.owner == Owner::Job && spec.rollback && is_open && is_in_time;
    match verdict {
        _ if is_given_up => Left::Nothing,
        // It was complete before it could be stopped.
        Verdict::Serving { .. } if spec.rollback && is_in_time && !was_asked_now => Left::Ask,
        Verdict::Failed { .. } | Verdict::InProgress(_) | Verdict::Unknown { .. } if is_due => {
            Left::Ask
        }
        Verdict::Serving { .. }
        | Verdict::InProgress(_)
        | Verdict::RollingBack { .. }
        | Verdict::Unknown { .. }
        | Verdict::NoNews { .. } => wait,
        // It has not started. What we asked for may not be seen yet; what ECS owes may stall, if
        // there is no completed deployment to roll back to.
        Verdict::Failed { .. } if now < rollback.since + ROLLBACK_STARTS_WITHIN => Left::Wait,
        Verdict::Failed { .. } if rollback.owner == Owner::Ecs && spec.rollback && is_open => {
            Left::Ask
        }
        Verdict::Failed { .. }
        | Verdict::RolledBack { .. }
        | Verdict::RollbackFailed { .. }
        | Verdict::Replaced { .. }
        | Verdict::Gone { .. }
        | Verdict::Untouched => Left::Nothing,
    }
}

fn left_of_other(
    service: &Service,
    verdict: &Verdict,
    rollback: &Rollback,
    spec: &DeploySpec,
    until: Timestamp,
    now: Timestamp,
) -> Left {
    if now >= until || matches!(service.live.rollback, Attempt::GivenUp(_)) {
        return Left::Nothing;
    }
    match verdict {
        Verdict::Failed {
            ecs_rolls_back: true,
            ..
        } if now < rollback.since + ROLLBACK_STARTS_WITHIN => Left::Wait,
        Verdict::RollingBack { .. } => Left::Wait,
        Verdict::NoNews { .. } if spec.rollback => Left::Wait,
        Verdict::Untouched
        | Verdict::RolledBack { .. }
        | Verdict::RollbackFailed { .. }
        | Verdict::Replaced { .. }
        | Verdict::Gone { .. }
        | Verdict::NoNews { .. } => Left::Nothing,
        Verdict::Failed { .. }
        | Verdict::Serving { .. }
        | Verdict::InProgress(_)
        | Verdict::Unknown { .. } => match service.live.rollback {
            _ if !spec.rollback => Left::Nothing,
            Attempt::Asked => Left::Wait,
            Attempt::NotAsked { .. }
            | Attempt::Refused { .. }
            | Attempt::AskedBefore
            | Attempt::GivenUp(_) => Left::Ask,
        },
    }
}

/// How a service is to be rolled back whose rollback is due.
///
/// # Errors
/// What its attempt becomes where no rollback is asked for: [`Attempt::Refused`] where a later look
/// may show more, [`Attempt::GivenUp`] where it is not possible.
pub fn way(service: &Service, started: Timestamp, now: Timestamp) -> Result<Way, Attempt> {
    let Some(look) = &service.live.look else {
        return Err(Attempt::GivenUp("the service could not be seen".to_owned()));
    };
    match rollback_method(service, look) {
        RollbackMethod::Stop(arn) => Ok(Way::Stop(arn)),
        RollbackMethod::Set(revision) => Ok(Way::Set(revision)),
        RollbackMethod::Unknown => Err(Attempt::GivenUp(UNKNOWN_BEFORE.to_owned())),
        // The answer is probably from before the service was set.
        RollbackMethod::LeaveAlone if now.since(started) < CONSISTENCY_GRACE => {
            Err(Attempt::Refused {
                times: service.live.rollback.refused(),
            })
        }
        RollbackMethod::LeaveAlone => Err(Attempt::GivenUp(
            "it is not what the service is working on any more".to_owned(),
        )),
    }
}

/// Why a service is not rolled back of which it is not known what ran before.
pub const UNKNOWN_BEFORE: &str = "what ran before is not known";

impl Attempt {
    /// Whether this job has asked for it, now or before.
    pub fn was_asked(&self) -> bool {
        match self {
            Self::Asked | Self::AskedBefore => true,
            Self::NotAsked { .. } | Self::Refused { .. } | Self::GivenUp(_) => false,
        }
    }

    /// How often it was refused.
    pub fn refused(&self) -> u8 {
        match self {
            Self::NotAsked { refused } => *refused,
            Self::Refused { times } => *times,
            Self::AskedBefore | Self::Asked | Self::GivenUp(_) => 0,
        }
    }

    /// What becomes of it with this `answer`: what is refused is tried three times in all.
    #[must_use]
    pub fn answered(&self, answer: Answer) -> Self {
        match answer {
            Answer::Asked => Self::Asked,
            Answer::Never(why) => Self::GivenUp(why),
            // That is no refusal, as long as there is time.
            Answer::NotNow(_) => Self::Refused {
                times: self.refused(),
            },
            Answer::Refused(why) | Answer::Lost(why) => match self.refused().saturating_add(1) {
                ATTEMPTS.. => Self::GivenUp(why),
                times => Self::Refused { times },
            },
        }
    }

    /// What becomes of it with a new look. `has_completed`: the rollout was not complete before, and is.
    /// What was given up is tried once more then, because another call asks for it: `UpdateService`, not
    /// `StopServiceDeployment`.
    #[must_use]
    pub fn looked(self, has_completed: bool) -> Self {
        match self {
            Self::Refused { times } => Self::NotAsked { refused: times },
            Self::GivenUp(_) if has_completed => Self::NotAsked {
                refused: ATTEMPTS - 1,
            },
            Self::NotAsked { .. } | Self::AskedBefore | Self::Asked | Self::GivenUp(_) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Stage;
    use crate::seen::ServiceSeen;
    use crate::testing::{STARTED, deployment, every_verdict, judged, spec};

    const SINCE: Timestamp = STARTED;

    fn rollback(owner: Owner) -> Rollback {
        Rollback {
            owner,
            since: SINCE,
            failed: 0,
            cause: String::new(),
            is_explained: false,
            post: None,
        }
    }

    fn times() -> [Timestamp; 3] {
        [
            SINCE + Duration::from_secs(10),
            SINCE + ROLLBACK_STARTS_WITHIN,
            SINCE + ROLLBACK_ALLOWANCE,
        ]
    }

    fn left_at(
        place: usize,
        service: &Service,
        owner: Owner,
        rollback_is_wanted: bool,
    ) -> [Left; 3] {
        times().map(|now| {
            left(
                place,
                service,
                &rollback(owner),
                &spec(rollback_is_wanted),
                SINCE + ROLLBACK_ALLOWANCE,
                now,
            )
        })
    }

    #[test]
    fn one_of_a_service_whose_deployments_take_long_is_followed_longer_and_never_past_the_action() {
        let mut service = crate::testing::service(0);
        let rollback = rollback(Owner::Job);
        let until = |service: &Service, before: Duration, waited| {
            let before = i64::try_from(before.as_millis()).unwrap();
            let deployment = Deployment {
                started: Timestamp::from_millis(SINCE.as_millis() - before),
                waited,
                ..deployment(Stage::RollingBack(rollback.clone()), Vec::new())
            };
            until(service, &rollback, &deployment).since(SINCE + ROLLBACK_ALLOWANCE)
        };
        let (none, ten) = (Duration::ZERO, Duration::from_mins(10));
        // What has not been seen is no reason to give up.
        assert_eq!(until(&service, none, none), none);
        assert_eq!(until(&service, ten, none), ten);
        service.live.just_set = Some(Box::new(ServiceSeen {
            bake_minutes: 40,
            shift_minutes: 20,
            ..ServiceSeen::default()
        }));
        assert_eq!(until(&service, none, none), Duration::from_hours(1));
        let late = LONGEST_TIMEOUT.saturating_sub(ten);
        assert_eq!(until(&service, late, none), ten);
        assert_eq!(until(&service, late, ten), none);
        assert_eq!(until(&service, none, late), ten);
    }

    use Left::{Ask as A, Nothing as N, Wait as W};

    #[test]
    fn the_table_of_the_service_that_failed() {
        // Soon, after two minutes, after half an hour: what ECS owes, and what an earlier invocation
        // has asked for; what was just found to have failed, and is asked for by this job.
        let done = [[N, N, N]; 3];
        let under_way = [[W, W, N], [W, W, N], [W, W, N]];
        let open = [[W, W, N], [W, W, N], [A, A, N]];
        let not_started = [[W, A, A], [W, N, N], [A, A, N]];
        let complete = [[A, A, N]; 3];
        let expected = [
            complete,
            open,
            open,
            under_way,
            done,
            done,
            not_started,
            not_started,
            not_started,
            done,
            done,
            open,
            under_way,
        ];
        for (verdict, expected) in every_verdict().into_iter().zip(expected) {
            let mut service = judged(0, verdict.clone());
            let mut seen = vec![left_at(0, &service, Owner::Ecs, true)];
            service.live.rollback = Attempt::AskedBefore;
            seen.push(left_at(0, &service, Owner::Job, true));
            service.live.rollback = Attempt::default();
            seen.push(left_at(0, &service, Owner::Job, true));
            assert_eq!(seen, expected, "{verdict:?}");
            service.live.rollback = Attempt::GivenUp("x".to_owned());
            assert_eq!(left_at(0, &service, Owner::Job, true), [N, N, N]);
        }
    }

    #[test]
    fn the_table_of_the_others() {
        let live = [A, A, N];
        let done = [N, N, N];
        let expected = [
            live,
            live,
            live,
            [W, W, N],
            done,
            done,
            live,
            live,
            [W, A, N],
            done,
            done,
            live,
            [W, W, N],
        ];
        for (verdict, expected) in every_verdict().into_iter().zip(expected) {
            let mut service = judged(1, verdict.clone());
            assert_eq!(
                left_at(1, &service, Owner::Ecs, true),
                expected,
                "{verdict:?}"
            );
            service.live.rollback = Attempt::Asked;
            let asked = expected.map(|left| if left == A { W } else { left });
            assert_eq!(left_at(1, &service, Owner::Ecs, true), asked, "{verdict:?}");
            service.live.rollback = Attempt::Refused { times: 1 };
            let again = expected.map(|left| if left == A { Left::LookAgain } else { left });
            assert_eq!(left_at(1, &service, Owner::Ecs, true), again, "{verdict:?}");
            service.live.rollback = Attempt::GivenUp("x".to_owned());
            assert_eq!(left_at(1, &service, Owner::Ecs, true), done, "{verdict:?}");
        }
    }

    #[test]
    fn nothing_is_asked_for_that_nobody_wants() {
        for verdict in every_verdict() {
            for (place, owner) in [(0, Owner::Ecs), (0, Owner::Job), (1, Owner::Ecs)] {
                let seen = left_at(place, &judged(place, verdict.clone()), owner, false);
                assert!(!seen.contains(&A), "{verdict:?}: {seen:?}");
            }
        }
    }

    #[test]
    fn what_is_refused_is_tried_three_times_in_all_each_after_a_look() {
        let refused = |attempt: Attempt| attempt.answered(Answer::Refused("x".to_owned()));
        let mut attempt = Attempt::default();
        for times in 1..ATTEMPTS {
            attempt = refused(attempt);
            assert_eq!(attempt, Attempt::Refused { times });
            attempt = attempt.looked(false);
            assert_eq!(attempt, Attempt::NotAsked { refused: times });
        }
        assert_eq!(refused(attempt), Attempt::GivenUp("x".to_owned()));
        let never = Attempt::default().answered(Answer::Never("y".to_owned()));
        assert_eq!(never.clone().looked(false), never);
        let once_more = never.looked(true);
        assert_eq!(refused(once_more), Attempt::GivenUp("x".to_owned()));
        let lost = Attempt::default().answered(Answer::Lost("z".to_owned()));
        assert_eq!(lost, Attempt::Refused { times: 1 });
        assert_eq!(Attempt::default().answered(Answer::Asked), Attempt::Asked);
    }
}
