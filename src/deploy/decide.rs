//! The whole policy: (phase, verdicts, time) → what to do next.

use std::time::Duration;

use super::rollout::Verdict;
use super::time::Timestamp;

/// How long the way back may take before the job fails without having seen its end. It begins when
/// the rollback is due, so that a rollout that fails in its last minute is still followed. With the
/// longest rollout, 23 hours, it stays within the action's 24.
pub const ROLLBACK_ALLOWANCE: Duration = Duration::from_mins(30);

/// How long ECS may take to begin a rollback that it owes, and to show one that we asked for.
pub const ROLLBACK_BEGINS_WITHIN: Duration = Duration::from_mins(2);

/// What to do next. Services are meant by their place among the targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Look again later.
    KeepWatching,
    /// Every service serves this job's revision.
    Succeed,
    /// Its rollout is over, and not well.
    Fail {
        /// The first service that failed.
        service: usize,
    },
    /// ECS goes back, or is set so that it will: remember why, and follow it to its end.
    FollowRollback {
        /// The first service that failed.
        service: usize,
    },
    /// Go back ourselves, and follow that to its end.
    RollBack {
        /// The first service that failed.
        service: usize,
    },
    /// The time is up, and nothing is rolled back.
    Late {
        /// The first service that is not complete.
        service: usize,
    },
}

/// Who goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// ECS by itself: its circuit breaker, its alarms, or somebody who told it to.
    Ecs,
    /// This function, on behalf of the job.
    Job,
}

/// While the new revision rolls out. What ECS says is weighed before the time limit.
///
/// `may_roll_back` is the parameter `Rollback`.
pub fn during_rollout(
    verdicts: &[Verdict],
    may_roll_back: bool,
    deadline: Timestamp,
    now: Timestamp,
) -> Decision {
    if let Some(service) = verdicts.iter().position(has_failed) {
        return match &verdicts[service] {
            Verdict::Failed {
                ecs_rolls_back: true,
                ..
            } => Decision::FollowRollback { service },
            Verdict::Failed { .. } if may_roll_back => Decision::RollBack { service },
            _ => Decision::Fail { service },
        };
    }
    let goes_back = |verdict: &Verdict| matches!(verdict, Verdict::RollingBack { .. });
    if let Some(service) = verdicts.iter().position(goes_back) {
        return Decision::FollowRollback { service };
    }
    let serves = |verdict: &Verdict| matches!(verdict, Verdict::Serving { .. });
    match verdicts.iter().position(|verdict| !serves(verdict)) {
        None if verdicts.is_empty() => Decision::KeepWatching,
        None => Decision::Succeed,
        Some(_) if now < deadline => Decision::KeepWatching,
        Some(service) => match &verdicts[service] {
            // What does not need to be put right, and what cannot be seen, is left alone.
            Verdict::InProgress(progress) if progress.only_old_ones_drain() => {
                Decision::Late { service }
            }
            Verdict::InProgress(_) | Verdict::Unknown { .. } if may_roll_back => {
                Decision::RollBack { service }
            }
            _ => Decision::Late { service },
        },
    }
}

/// While the service goes back after service number `failed` failed. Never a success: the job has
/// failed, what is left to learn is what serves now.
///
/// `since` is when the failure was seen, or when we asked for the rollback.
pub fn during_rollback(
    verdicts: &[Verdict],
    failed: usize,
    owner: Owner,
    may_roll_back: bool,
    since: Timestamp,
    now: Timestamp,
) -> Decision {
    let fail = Decision::Fail { service: failed };
    match verdicts.get(failed) {
        None => fail,
        Some(Verdict::Failed { .. }) => {
            // It has not begun. What we asked for may not be seen yet; what ECS owes may stall, if
            // there is no completed deployment to go back to.
            if now < since + ROLLBACK_BEGINS_WITHIN {
                Decision::KeepWatching
            } else if owner == Owner::Ecs && may_roll_back {
                Decision::RollBack { service: failed }
            } else {
                fail
            }
        }
        Some(verdict) if has_failed(verdict) => fail,
        Some(_) if now >= since + ROLLBACK_ALLOWANCE => fail,
        Some(_) => Decision::KeepWatching,
    }
}

/// The end of a rollout that is not a success.
fn has_failed(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::RolledBack { .. }
        | Verdict::RollbackFailed { .. }
        | Verdict::Failed { .. }
        | Verdict::Replaced { .. }
        | Verdict::Gone { .. } => true,
        Verdict::Serving { .. }
        | Verdict::InProgress(_)
        | Verdict::RollingBack { .. }
        | Verdict::Unknown { .. }
        | Verdict::NoNews { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::rollout::Progress;
    use proptest::prelude::*;

    const DEADLINE: Timestamp = Timestamp::from_secs(1000);
    const BEFORE: Timestamp = Timestamp::from_millis(999_999);

    const FAIL: Decision = Decision::Fail { service: 0 };
    const LATE: Decision = Decision::Late { service: 0 };
    const KEEP: Decision = Decision::KeepWatching;
    const FOLLOW: Decision = Decision::FollowRollback { service: 0 };
    const ROLL_BACK: Decision = Decision::RollBack { service: 0 };

    fn failed(stopped: bool, ecs_rolls_back: bool) -> Verdict {
        Verdict::Failed {
            reason: None,
            stopped,
            ecs_rolls_back,
        }
    }

    fn draining() -> Verdict {
        Verdict::InProgress(Progress {
            desired: 2,
            new_running: 2,
            old_running: 1,
            ..Progress::default()
        })
    }

    fn every_verdict() -> Vec<Verdict> {
        let progress = Progress::default();
        vec![
            Verdict::Serving { desired: 1 },
            Verdict::InProgress(progress.clone()),
            draining(),
            Verdict::RollingBack {
                reason: None,
                progress: progress.clone(),
            },
            Verdict::RolledBack { reason: None },
            Verdict::RollbackFailed { reason: None },
            failed(false, false),
            failed(true, false),
            failed(false, true),
            Verdict::Replaced {
                by: "ecs-svc/1".to_owned(),
                task_definition: "a:1".to_owned(),
            },
            Verdict::Gone {
                status: "MISSING".to_owned(),
            },
            Verdict::Unknown {
                state: "X".to_owned(),
                progress,
            },
            Verdict::NoNews {
                why: "503".to_owned(),
            },
        ]
    }
    const VERDICTS: usize = 13;

    #[test]
    fn the_table_of_a_rollout_before_and_after_its_time_limit_with_and_without_rollback() {
        // Before the limit, at it; then the same if nothing is to be rolled back.
        let expected = [
            [
                Decision::Succeed,
                Decision::Succeed,
                Decision::Succeed,
                Decision::Succeed,
            ],
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
        let all = every_verdict();
        assert_eq!(all.len(), VERDICTS);
        for (verdict, expected) in all.into_iter().zip(expected) {
            let seen = std::slice::from_ref(&verdict);
            let cases = [
                (true, BEFORE),
                (true, DEADLINE),
                (false, BEFORE),
                (false, DEADLINE),
            ];
            for ((may_roll_back, now), expected) in cases.into_iter().zip(expected) {
                assert_eq!(
                    during_rollout(seen, may_roll_back, DEADLINE, now),
                    expected,
                    "{verdict:?}, rollback {may_roll_back}, at {now:?}"
                );
            }
        }
    }

    #[test]
    fn the_table_of_a_rollback_that_ecs_owes_and_of_one_that_we_asked_for() {
        let since = Timestamp::from_secs(0);
        let soon = Timestamp::from_secs(10);
        let stalled = since + ROLLBACK_BEGINS_WITHIN;
        let over = since + ROLLBACK_ALLOWANCE;
        // ECS's: soon, stalled, out of time; then ours.
        let not_begun = [KEEP, ROLL_BACK, ROLL_BACK, KEEP, FAIL, FAIL];
        let under_way = [KEEP, KEEP, FAIL, KEEP, KEEP, FAIL];
        let ended = [FAIL, FAIL, FAIL, FAIL, FAIL, FAIL];
        let expected = [
            &under_way, &under_way, &under_way, &under_way, &ended, &ended, &not_begun, &not_begun,
            &not_begun, &ended, &ended, &under_way, &under_way,
        ];
        for (verdict, expected) in every_verdict().into_iter().zip(expected) {
            let seen = std::slice::from_ref(&verdict);
            let owners = [Owner::Ecs, Owner::Job];
            let cases = owners
                .into_iter()
                .flat_map(|owner| [soon, stalled, over].map(|now| (owner, now)));
            for ((owner, now), expected) in cases.zip(expected) {
                assert_eq!(
                    during_rollback(seen, 0, owner, true, since, now),
                    *expected,
                    "{verdict:?}, {owner:?}, at {now:?}"
                );
            }
        }
    }

    #[test]
    fn a_rollback_that_ecs_owes_and_never_begins_is_not_ours_if_nobody_wants_one() {
        let since = Timestamp::from_secs(0);
        let stalled = since + ROLLBACK_BEGINS_WITHIN;
        let decision =
            during_rollback(&[failed(false, true)], 0, Owner::Ecs, false, since, stalled);
        assert_eq!(decision, FAIL);
    }

    #[test]
    fn the_first_service_that_failed_is_the_one_that_is_told() {
        let serving = Verdict::Serving { desired: 1 };
        let failed = Verdict::RolledBack { reason: None };
        let going = Verdict::InProgress(Progress::default());
        let decide = |verdicts: &[Verdict]| during_rollout(verdicts, true, DEADLINE, BEFORE);
        assert_eq!(
            decide(&[serving.clone(), serving.clone()]),
            Decision::Succeed
        );
        assert_eq!(
            decide(&[serving.clone(), going.clone()]),
            Decision::KeepWatching
        );
        assert_eq!(
            decide(&[going, failed.clone(), failed]),
            Decision::Fail { service: 1 }
        );
        assert_eq!(decide(&[]), Decision::KeepWatching);
        let no_news = Verdict::NoNews { why: String::new() };
        let late = during_rollout(&[serving, no_news], true, DEADLINE, DEADLINE);
        assert_eq!(late, Decision::Late { service: 1 });
    }

    proptest! {
        #[test]
        fn nothing_waits_past_its_deadline_except_to_follow_a_rollback(
            picks in proptest::collection::vec(0..VERDICTS, 1..5), late in 0..1_000_000i64,
            may_roll_back: bool, is_ours: bool,
        ) {
            let all = every_verdict();
            let verdicts: Vec<Verdict> = picks.iter().map(|pick| all[*pick].clone()).collect();
            let now = Timestamp::from_secs(1000 + late);
            prop_assert_ne!(during_rollout(&verdicts, may_roll_back, DEADLINE, now), KEEP);
            let owner = if is_ours { Owner::Job } else { Owner::Ecs };
            let now = now + ROLLBACK_ALLOWANCE;
            let decision = during_rollback(&verdicts, 0, owner, may_roll_back, DEADLINE, now);
            prop_assert_ne!(decision, KEEP);
        }

        #[test]
        fn only_services_that_all_serve_are_a_success(
            picks in proptest::collection::vec(0..VERDICTS, 0..5), now in 0..2000i64,
            may_roll_back: bool,
        ) {
            let all = every_verdict();
            let verdicts: Vec<Verdict> = picks.iter().map(|pick| all[*pick].clone()).collect();
            let now = Timestamp::from_secs(now);
            let all_serve = !picks.is_empty() && picks.iter().all(|pick| *pick == 0);
            let decision = during_rollout(&verdicts, may_roll_back, DEADLINE, now);
            prop_assert_eq!(decision == Decision::Succeed, all_serve);
            for owner in [Owner::Ecs, Owner::Job] {
                let decision = during_rollback(&verdicts, 0, owner, may_roll_back, DEADLINE, now);
                prop_assert_ne!(decision, Decision::Succeed);
            }
        }

        #[test]
        fn nothing_is_rolled_back_that_another_deployment_replaced_or_that_nobody_wants_back(
            pick in 0..VERDICTS, now in 0..100_000i64, is_ours: bool,
        ) {
            let verdict = every_verdict()[pick].clone();
            let seen = std::slice::from_ref(&verdict);
            let now = Timestamp::from_secs(now);
            let owner = if is_ours { Owner::Job } else { Owner::Ecs };
            let is_replaced = matches!(verdict, Verdict::Replaced { .. } | Verdict::Gone { .. });
            for may_roll_back in [true, false] {
                let decisions = [
                    during_rollout(seen, may_roll_back, DEADLINE, now),
                    during_rollback(seen, 0, owner, may_roll_back, DEADLINE, now),
                ];
                for decision in decisions {
                    prop_assert!(decision != ROLL_BACK || (may_roll_back && !is_replaced));
                }
            }
        }
    }
}
