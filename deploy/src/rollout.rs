//! The stage `RollingOut`: what its services' verdicts call for.

use super::deployment::{Owner, Service};
use super::spec::DeploySpec;
use super::time::Timestamp;
use super::verdict::Verdict;

/// What a rollout calls for. Services are meant by their place among the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing now: look again later.
    KeepWatching,
    /// Every service serves this job's revision.
    Succeed,
    /// It is over, not well, and nothing is to be rolled back.
    Fail {
        /// The first service that failed.
        service: usize,
    },
    /// The time is up, and nothing is rolled back.
    Late {
        /// The first service that is not complete.
        service: usize,
    },
    /// The services are to be rolled back.
    RollBack {
        /// The first service that failed.
        failed: usize,
        /// Who rolls back that one.
        owner: Owner,
    },
}

/// While the new revision rolls out. What ECS says is weighed before the `deadline`; no decision is made before all
/// services have been looked at.
pub fn decide(
    services: &[Service],
    spec: &DeploySpec,
    deadline: Timestamp,
    now: Timestamp,
) -> Decision {
    let verdicts: Option<Vec<&Verdict>> = services
        .iter()
        .map(|one| one.live.verdict.as_ref())
        .collect();
    let Some(verdicts) = verdicts.filter(|verdicts| !verdicts.is_empty()) else {
        return Decision::KeepWatching;
    };
    if let Some(service) = failed_first(&verdicts) {
        let by = |owner| Decision::RollBack {
            failed: service,
            owner,
        };
        return match verdicts[service] {
            Verdict::RollingBack { .. }
            | Verdict::Failed {
                ecs_rolls_back: true,
                ..
            } => by(Owner::Ecs),
            Verdict::Failed { .. } if spec.rollback => by(Owner::Job),
            // It is over; the others are not.
            Verdict::RolledBack { .. }
            | Verdict::RollbackFailed { .. }
            | Verdict::Replaced { .. }
            | Verdict::Gone { .. }
                if spec.rollback && others_are_live(&verdicts, service) =>
            {
                by(Owner::Ecs)
            }
            Verdict::Failed { .. }
            | Verdict::RolledBack { .. }
            | Verdict::RollbackFailed { .. }
            | Verdict::Replaced { .. }
            | Verdict::Gone { .. }
            // No failures: `failed_first` names none of them.
            | Verdict::Untouched
            | Verdict::Serving { .. }
            | Verdict::InProgress(_)
            | Verdict::Unknown { .. }
            | Verdict::NoNews { .. } => Decision::Fail { service },
        };
    }
    let is_there = |service: &Service| {
        service.live.is_paused || matches!(service.live.verdict, Some(Verdict::Serving { .. }))
    };
    let Some(late) = services.iter().position(|service| !is_there(service)) else {
        return Decision::Succeed;
    };
    if now < deadline {
        return Decision::KeepWatching;
    }
    match verdicts
        .iter()
        .position(|verdict| is_to_be_put_right(verdict))
    {
        Some(failed) if spec.rollback => Decision::RollBack {
            failed,
            owner: Owner::Job,
        },
        Some(service) => Decision::Late { service },
        None => Decision::Late { service: late },
    }
}

/// At the time limit what needs not be put right, and what cannot be seen, is left alone.
fn is_to_be_put_right(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::InProgress(progress) => !progress.only_old_ones_drain(),
        Verdict::Unknown { .. } => true,
        Verdict::Untouched
        | Verdict::Serving { .. }
        | Verdict::RollingBack { .. }
        | Verdict::RolledBack { .. }
        | Verdict::RollbackFailed { .. }
        | Verdict::Failed { .. }
        | Verdict::Replaced { .. }
        | Verdict::Gone { .. }
        | Verdict::NoNews { .. } => false,
    }
}

/// Which failure is reported. One that ECS decided on comes before one that followed from somebody's
/// setting the service back, and a service that was complete before that comes last: this job does the
/// same to the other services, and may have done it before it died.
fn failed_first(verdicts: &[&Verdict]) -> Option<usize> {
    let rank = |verdict: &Verdict| {
        if verdict.is_ecs_own_doing() {
            0
        } else if verdict.was_set_back_since() {
            2
        } else {
            1
        }
    };
    let is_rolled_back = |verdict: &Verdict| matches!(verdict, Verdict::RollingBack { .. });
    verdicts
        .iter()
        .enumerate()
        .filter(|(_, verdict)| verdict.has_failed() || is_rolled_back(verdict))
        .min_by_key(|(_, verdict)| rank(verdict))
        .map(|(place, _)| place)
}

/// Whether another service than `failed` runs or is to run the new revision.
fn others_are_live(verdicts: &[&Verdict], failed: usize) -> bool {
    verdicts.iter().enumerate().any(|(place, verdict)| {
        place != failed && !verdict.has_failed() && **verdict != Verdict::Untouched
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{
        LIMIT, STARTED, VERDICTS, all_judged, draining, every_verdict, failed, service, spec,
    };
    use crate::verdict::{Progress, Reason};
    use std::time::Duration;

    fn decided(verdicts: &[Verdict], rollback: bool, at: Timestamp) -> Decision {
        decide(&all_judged(verdicts), &spec(rollback), STARTED + LIMIT, at)
    }

    fn before() -> Timestamp {
        STARTED + LIMIT - Duration::from_millis(1)
    }

    fn rolled_back(reason: &str) -> Verdict {
        Verdict::RolledBack {
            reason: Reason::of(reason),
        }
    }

    const FAIL: Decision = Decision::Fail { service: 0 };
    const LATE: Decision = Decision::Late { service: 0 };
    const KEEP: Decision = Decision::KeepWatching;
    const FOLLOW: Decision = Decision::RollBack {
        failed: 0,
        owner: Owner::Ecs,
    };
    const ROLL_BACK: Decision = Decision::RollBack {
        failed: 0,
        owner: Owner::Job,
    };
    const GOOD: Decision = Decision::Succeed;

    #[test]
    fn the_table_before_and_after_the_time_limit_with_and_without_rollback() {
        // Before the limit, at it; then the same if nothing is to be rolled back.
        let expected = [
            [GOOD, GOOD, GOOD, GOOD],
            [KEEP, ROLL_BACK, KEEP, LATE],
            [KEEP, LATE, KEEP, LATE],
            [FOLLOW, FOLLOW, FOLLOW, FOLLOW],
            [FAIL, FAIL, FAIL, FAIL],
            [FAIL, FAIL, FAIL, FAIL],
            [ROLL_BACK, ROLL_BACK, FAIL, FAIL],
            [ROLL_BACK, ROLL_BACK, FAIL, FAIL],
            [FOLLOW, FOLLOW, FOLLOW, FOLLOW],
            [FAIL, FAIL, FAIL, FAIL],
            [FAIL, FAIL, FAIL, FAIL],
            [KEEP, ROLL_BACK, KEEP, LATE],
            [KEEP, LATE, KEEP, LATE],
        ];
        let kinds = every_verdict();
        assert_eq!(kinds.len(), VERDICTS);
        for (verdict, expected) in kinds.into_iter().zip(expected) {
            let seen = std::slice::from_ref(&verdict);
            let cases = [
                (true, before()),
                (true, STARTED + LIMIT),
                (false, before()),
                (false, STARTED + LIMIT),
            ];
            for ((rollback, at), expected) in cases.into_iter().zip(expected) {
                assert_eq!(
                    decided(seen, rollback, at),
                    expected,
                    "{verdict:?}, rollback {rollback}, at {at:?}"
                );
            }
        }
    }

    #[test]
    fn nothing_is_decided_before_all_services_were_looked_at() {
        let mut services = all_judged(&[rolled_back("x")]);
        services.push(service(1));
        assert_eq!(
            decide(&services, &spec(true), STARTED + LIMIT, before()),
            KEEP
        );
        assert_eq!(decided(&[], true, before()), KEEP);
    }

    #[test]
    fn the_first_service_that_failed_is_the_one_that_is_reported() {
        let serving = every_verdict().swap_remove(0);
        let failed = Verdict::RolledBack { reason: None };
        let going = Verdict::InProgress(Progress::default());
        let decide = |verdicts: &[Verdict]| decided(verdicts, true, before());
        assert_eq!(decide(&[serving.clone(), serving.clone()]), GOOD);
        assert_eq!(decide(&[serving.clone(), going.clone()]), KEEP);
        // The one that still goes is rolled back, too.
        let second = Decision::RollBack {
            failed: 1,
            owner: Owner::Ecs,
        };
        assert_eq!(decide(&[going, failed.clone(), failed.clone()]), second);
        assert_eq!(
            decide(&[Verdict::Untouched, failed.clone(), failed]),
            Decision::Fail { service: 1 }
        );
        let no_news = Verdict::NoNews { why: String::new() };
        assert_eq!(
            decided(&[serving, no_news], true, STARTED + LIMIT),
            Decision::Late { service: 1 }
        );
    }

    #[test]
    fn of_two_failures_the_one_that_ecs_decided_on_is_reported() {
        let by_hand = rolled_back("Stopped by a user.");
        let by_breaker = rolled_back("ECS deployment circuit breaker: tasks failed to start.");
        assert_eq!(
            decided(&[by_hand, by_breaker], true, before()),
            Decision::Fail { service: 1 }
        );
    }

    #[test]
    fn at_the_time_limit_one_that_must_be_put_right_wins_over_one_that_only_drains() {
        let going = Verdict::InProgress(Progress::default());
        assert_eq!(
            decided(&[draining(), going], true, STARTED + LIMIT),
            Decision::RollBack {
                failed: 1,
                owner: Owner::Job
            }
        );
    }

    proptest! {
        #[test]
        fn nothing_waits_past_its_time_limit_and_only_services_that_all_serve_are_a_success(
            picks in proptest::collection::vec(0..VERDICTS, 1..5), at in 0..8000u64, rollback: bool,
        ) {
            let kinds = every_verdict();
            let verdicts: Vec<Verdict> = picks.iter().map(|pick| kinds[*pick].clone()).collect();
            let decision = decided(&verdicts, rollback, STARTED + Duration::from_secs(at));
            prop_assert_eq!(decision == GOOD, picks.iter().all(|pick| *pick == 0));
            prop_assert!(decision != KEEP || Duration::from_secs(at) < LIMIT);
        }

        #[test]
        fn nothing_is_rolled_back_that_another_deployment_replaced_or_that_nobody_wants_back(
            pick in 0..VERDICTS, at in 0..8000u64, rollback: bool,
        ) {
            let verdict = every_verdict().swap_remove(pick);
            let is_replaced = matches!(verdict, Verdict::Replaced { .. } | Verdict::Gone { .. });
            let decision = decided(&[verdict], rollback, STARTED + Duration::from_secs(at));
            prop_assert!(decision != ROLL_BACK || (rollback && !is_replaced));
        }
    }

    #[test]
    fn a_failure_that_nobody_rolls_back_is_not_rolled_back_against_the_users_wish() {
        assert_eq!(decided(&[failed(false, false)], false, before()), FAIL);
    }
}
