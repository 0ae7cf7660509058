//! The whole policy: (phase, verdicts, time) → what to do next.

use std::time::Duration;

use super::rollout::Verdict;
use super::time::Timestamp;

/// How long the way back may take before the job fails without having seen its end. It begins when
/// the rollback does, so that a rollout that fails in its last minute is still followed. With the
/// longest rollout, 23 hours, it stays within the action's 24.
pub const ROLLBACK_ALLOWANCE: Duration = Duration::from_mins(30);

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
    /// ECS goes back: remember why, and follow it to its end.
    FollowRollback {
        /// The first service that failed.
        service: usize,
    },
    /// The time is up.
    Late {
        /// The first service that is not complete.
        service: usize,
    },
}

/// While the new revision rolls out. What ECS says is weighed before the time limit.
pub fn during_rollout(verdicts: &[Verdict], deadline: Timestamp, now: Timestamp) -> Decision {
    if let Some(service) = verdicts.iter().position(has_failed) {
        return Decision::Fail { service };
    }
    let goes_back = |verdict: &Verdict| matches!(verdict, Verdict::RollingBack { .. });
    if let Some(service) = verdicts.iter().position(goes_back) {
        return Decision::FollowRollback { service };
    }
    let serves = |verdict: &Verdict| matches!(verdict, Verdict::Serving { .. });
    match verdicts.iter().position(|verdict| !serves(verdict)) {
        None if verdicts.is_empty() => Decision::KeepWatching,
        None => Decision::Succeed,
        Some(service) if now >= deadline => Decision::Late { service },
        Some(_) => Decision::KeepWatching,
    }
}

/// While ECS goes back after service number `failed` failed. Never a success: the job has failed,
/// what is left to learn is what serves now.
pub fn during_rollback(
    verdicts: &[Verdict],
    failed: usize,
    deadline: Timestamp,
    now: Timestamp,
) -> Decision {
    let is_over = verdicts.get(failed).is_none_or(has_failed);
    if is_over || now >= deadline {
        Decision::Fail { service: failed }
    } else {
        Decision::KeepWatching
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

    fn every_verdict() -> Vec<Verdict> {
        let progress = Progress::default();
        vec![
            Verdict::Serving { desired: 1 },
            Verdict::InProgress(progress.clone()),
            Verdict::RollingBack {
                reason: None,
                progress: progress.clone(),
            },
            Verdict::RolledBack { reason: None },
            Verdict::RollbackFailed { reason: None },
            Verdict::Failed {
                reason: None,
                stopped: false,
            },
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

    #[test]
    fn the_table_of_a_rollout_before_and_after_its_time_limit() {
        let fail = Decision::Fail { service: 0 };
        let late = Decision::Late { service: 0 };
        let expected = [
            (Decision::Succeed, Decision::Succeed),
            (Decision::KeepWatching, late.clone()),
            (
                Decision::FollowRollback { service: 0 },
                Decision::FollowRollback { service: 0 },
            ),
            (fail.clone(), fail.clone()),
            (fail.clone(), fail.clone()),
            (fail.clone(), fail.clone()),
            (fail.clone(), fail.clone()),
            (fail.clone(), fail.clone()),
            (Decision::KeepWatching, late.clone()),
            (Decision::KeepWatching, late),
        ];
        for (verdict, (before, after)) in every_verdict().into_iter().zip(expected) {
            let seen = std::slice::from_ref(&verdict);
            assert_eq!(
                during_rollout(seen, DEADLINE, BEFORE),
                before,
                "{verdict:?}"
            );
            assert_eq!(
                during_rollout(seen, DEADLINE, DEADLINE),
                after,
                "{verdict:?} at the deadline"
            );
        }
    }

    #[test]
    fn the_table_of_a_rollback_before_and_after_its_time_limit() {
        let over = [
            false, false, false, true, true, true, true, true, false, false,
        ];
        for (verdict, over) in every_verdict().into_iter().zip(over) {
            let seen = std::slice::from_ref(&verdict);
            let before = if over {
                Decision::Fail { service: 0 }
            } else {
                Decision::KeepWatching
            };
            assert_eq!(
                during_rollback(seen, 0, DEADLINE, BEFORE),
                before,
                "{verdict:?}"
            );
            let after = during_rollback(seen, 0, DEADLINE, DEADLINE);
            assert_eq!(
                after,
                Decision::Fail { service: 0 },
                "{verdict:?} at the deadline"
            );
        }
    }

    #[test]
    fn the_first_service_that_failed_is_the_one_that_is_told() {
        let serving = Verdict::Serving { desired: 1 };
        let failed = Verdict::RolledBack { reason: None };
        let going = Verdict::InProgress(Progress::default());
        let decide = |verdicts: &[Verdict]| during_rollout(verdicts, DEADLINE, BEFORE);
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
        let late = during_rollout(
            &[serving, Verdict::NoNews { why: String::new() }],
            DEADLINE,
            DEADLINE,
        );
        assert_eq!(late, Decision::Late { service: 1 });
    }

    proptest! {
        #[test]
        fn nothing_waits_past_its_deadline_except_to_follow_a_rollback(
            picks in proptest::collection::vec(0..10usize, 1..5), late in 0..1_000_000i64,
        ) {
            let all = every_verdict();
            let verdicts: Vec<Verdict> = picks.iter().map(|pick| all[*pick].clone()).collect();
            let now = Timestamp::from_secs(1000 + late);
            prop_assert_ne!(during_rollout(&verdicts, DEADLINE, now), Decision::KeepWatching);
            prop_assert_ne!(during_rollback(&verdicts, 0, DEADLINE, now), Decision::KeepWatching);
        }

        #[test]
        fn only_services_that_all_serve_are_a_success(
            picks in proptest::collection::vec(0..10usize, 0..5), now in 0..2000i64,
        ) {
            let all = every_verdict();
            let verdicts: Vec<Verdict> = picks.iter().map(|pick| all[*pick].clone()).collect();
            let now = Timestamp::from_secs(now);
            let all_serve = !picks.is_empty() && picks.iter().all(|pick| *pick == 0);
            prop_assert_eq!(during_rollout(&verdicts, DEADLINE, now) == Decision::Succeed, all_serve);
            prop_assert_ne!(during_rollback(&verdicts, 0, DEADLINE, now), Decision::Succeed);
        }
    }
}
