//! The whole policy: (phase, verdicts, time) → what to do next.

use std::time::Duration;

use super::phase::Owner;
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
    /// One of several services failed: take these back, too.
    TakeBack {
        /// In the targets' order; at least one.
        services: Vec<usize>,
    },
    /// The time is up, and nothing is rolled back.
    Late {
        /// The first service that is not complete.
        service: usize,
    },
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
    if let Some(service) = failed_first(verdicts) {
        return match &verdicts[service] {
            Verdict::RollingBack { .. }
            | Verdict::Failed {
                ecs_rolls_back: true,
                ..
            } => Decision::FollowRollback { service },
            Verdict::Failed { .. } if may_roll_back => Decision::RollBack { service },
            // It is over; the others are not.
            _ if may_roll_back && others_are_live(verdicts, service) => {
                Decision::FollowRollback { service }
            }
            _ => Decision::Fail { service },
        };
    }
    let serves = |verdict: &Verdict| matches!(verdict, Verdict::Serving { .. });
    let Some(late) = verdicts.iter().position(|verdict| !serves(verdict)) else {
        return if verdicts.is_empty() {
            Decision::KeepWatching
        } else {
            Decision::Succeed
        };
    };
    if now < deadline {
        return Decision::KeepWatching;
    }
    // What does not need to be put right, and what cannot be seen, is left alone.
    let is_to_be_put_right = |verdict: &Verdict| match verdict {
        Verdict::InProgress(progress) => !progress.only_old_ones_drain(),
        Verdict::Unknown { .. } => true,
        _ => false,
    };
    match verdicts.iter().position(is_to_be_put_right) {
        Some(service) if may_roll_back => Decision::RollBack { service },
        Some(service) => Decision::Late { service },
        None => Decision::Late { service: late },
    }
}

/// Which failure is told. One that ECS decided on comes before one that came of somebody's taking
/// the service back, and a service that was complete before that comes last: that is what this
/// very job does to the others, and may have done before it died.
fn failed_first(verdicts: &[Verdict]) -> Option<usize> {
    let rank = |verdict: &Verdict| {
        if verdict.is_ecs_own_doing() {
            0
        } else if verdict.was_set_back_since() {
            2
        } else {
            1
        }
    };
    let goes_back = |verdict: &Verdict| matches!(verdict, Verdict::RollingBack { .. });
    verdicts
        .iter()
        .enumerate()
        .filter(|(_, verdict)| has_failed(verdict) || goes_back(verdict))
        .min_by_key(|(_, verdict)| rank(verdict))
        .map(|(place, _)| place)
}

/// Whether another service than `failed` runs or is to run the new revision.
fn others_are_live(verdicts: &[Verdict], failed: usize) -> bool {
    verdicts.iter().enumerate().any(|(place, verdict)| {
        place != failed && !has_failed(verdict) && *verdict != Verdict::Untouched
    })
}

/// How far the way back is.
#[derive(Debug, Clone, Copy)]
pub struct WayBack<'a> {
    /// The service that failed first.
    pub failed: usize,
    /// Who takes that one back.
    pub owner: Owner,
    /// When the failure was seen, or when we asked for the rollback.
    pub since: Timestamp,
    /// Services that were asked to go back just now, which may not be seen yet.
    pub asked: &'a [usize],
    /// Services that could not be taken back.
    pub given_up: &'a [usize],
}

/// What is left to do for one service on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Wait,
    TakeBack,
}

/// While the services go back after one of them failed. Never a success: the job has failed, what
/// is left to learn is what serves now.
pub fn during_rollback(
    verdicts: &[Verdict],
    way: &WayBack<'_>,
    may_roll_back: bool,
    now: Timestamp,
) -> Decision {
    let of_failed = verdicts.get(way.failed).map_or(Left::Nothing, |verdict| {
        left_of_failed(verdict, way, may_roll_back, now)
    });
    let others: Vec<(usize, Left)> = verdicts
        .iter()
        .enumerate()
        .filter(|(place, _)| *place != way.failed)
        .map(|(place, verdict)| {
            (
                place,
                left_of_other(place, verdict, way, may_roll_back, now),
            )
        })
        .collect();
    let to_take_back: Vec<usize> = others
        .iter()
        .filter(|(_, left)| *left == Left::TakeBack)
        .map(|(place, _)| *place)
        .collect();
    let is_waited_for = || others.iter().any(|(_, left)| *left == Left::Wait);
    match of_failed {
        Left::TakeBack => Decision::RollBack {
            service: way.failed,
        },
        _ if !to_take_back.is_empty() => Decision::TakeBack {
            services: to_take_back,
        },
        Left::Wait => Decision::KeepWatching,
        Left::Nothing if is_waited_for() => Decision::KeepWatching,
        Left::Nothing => Decision::Fail {
            service: way.failed,
        },
    }
}

fn left_of_failed(
    verdict: &Verdict,
    way: &WayBack<'_>,
    may_roll_back: bool,
    now: Timestamp,
) -> Left {
    match verdict {
        // It was complete before it could be stopped.
        Verdict::Serving { .. }
            if may_roll_back
                && !way.asked.contains(&way.failed)
                && now < way.since + ROLLBACK_ALLOWANCE =>
        {
            Left::TakeBack
        }
        _ if way.given_up.contains(&way.failed) => Left::Nothing,
        // It has not begun. What we asked for may not be seen yet; what ECS owes may stall, if
        // there is no completed deployment to go back to.
        Verdict::Failed { .. } if now < way.since + ROLLBACK_BEGINS_WITHIN => Left::Wait,
        Verdict::Failed { .. } if way.owner == Owner::Ecs && may_roll_back => Left::TakeBack,
        verdict if has_failed(verdict) || *verdict == Verdict::Untouched => Left::Nothing,
        _ if now >= way.since + ROLLBACK_ALLOWANCE => Left::Nothing,
        _ => Left::Wait,
    }
}

fn left_of_other(
    place: usize,
    verdict: &Verdict,
    way: &WayBack<'_>,
    may_roll_back: bool,
    now: Timestamp,
) -> Left {
    if way.given_up.contains(&place) || now >= way.since + ROLLBACK_ALLOWANCE {
        return Left::Nothing;
    }
    let take_back = if !may_roll_back {
        Left::Nothing
    } else if way.asked.contains(&place) {
        Left::Wait
    } else {
        Left::TakeBack
    };
    match verdict {
        Verdict::Failed {
            ecs_rolls_back: true,
            ..
        } if now < way.since + ROLLBACK_BEGINS_WITHIN => Left::Wait,
        Verdict::RollingBack { .. } => Left::Wait,
        Verdict::NoNews { .. } if may_roll_back => Left::Wait,
        Verdict::Untouched
        | Verdict::RolledBack { .. }
        | Verdict::RollbackFailed { .. }
        | Verdict::Replaced { .. }
        | Verdict::Gone { .. }
        | Verdict::NoNews { .. } => Left::Nothing,
        Verdict::Failed { .. }
        | Verdict::Serving { .. }
        | Verdict::InProgress(_)
        | Verdict::Unknown { .. } => take_back,
    }
}

/// The task before the deployment, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskVerdict {
    /// Not there yet, running, or not to be seen at the moment.
    Running,
    /// The container that decides ended with exit code 0. Others of the task may still run.
    Succeeded,
    /// It ended otherwise, or never ran.
    Failed,
    /// ECS does not show it any more.
    Gone,
}

impl TaskVerdict {
    /// Its name in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Gone => "Gone",
        }
    }
}

/// What to do about the task before the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskDecision {
    /// Look again later.
    KeepWatching,
    /// Update the services.
    GoOn,
    /// The job fails; no service is touched.
    Fail,
    /// The time is up: stop the task, and the job fails.
    Stop,
}

/// While the task before the deployment runs. What ECS says is weighed before the time limit.
pub fn during_pre_deploy(
    verdict: &TaskVerdict,
    deadline: Timestamp,
    now: Timestamp,
) -> TaskDecision {
    match verdict {
        TaskVerdict::Succeeded => TaskDecision::GoOn,
        TaskVerdict::Failed | TaskVerdict::Gone => TaskDecision::Fail,
        TaskVerdict::Running if now < deadline => TaskDecision::KeepWatching,
        TaskVerdict::Running => TaskDecision::Stop,
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
        | Verdict::Untouched
        | Verdict::InProgress(_)
        | Verdict::RollingBack { .. }
        | Verdict::Unknown { .. }
        | Verdict::NoNews { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::Progress;
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
            Verdict::Serving {
                desired: 1,
                running: 1,
            },
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
                was_complete: Some(false),
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

    /// The way back of the first service, on which nobody else was asked anything.
    fn back(owner: Owner, since: Timestamp) -> WayBack<'static> {
        WayBack {
            failed: 0,
            owner,
            since,
            asked: &[],
            given_up: &[],
        }
    }

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
        let complete = [ROLL_BACK, ROLL_BACK, FAIL, ROLL_BACK, ROLL_BACK, FAIL];
        let expected = [
            &complete, &under_way, &under_way, &under_way, &ended, &ended, &not_begun, &not_begun,
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
                    during_rollback(seen, &back(owner, since), true, now),
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
        let decision = during_rollback(
            &[failed(false, true)],
            &back(Owner::Ecs, since),
            false,
            stalled,
        );
        assert_eq!(decision, FAIL);
    }

    #[test]
    fn the_first_service_that_failed_is_the_one_that_is_told() {
        let serving = Verdict::Serving {
            desired: 1,
            running: 1,
        };
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
        // The one that still goes is taken back, too.
        assert_eq!(
            decide(&[going, failed.clone(), failed.clone()]),
            Decision::FollowRollback { service: 1 }
        );
        assert_eq!(
            decide(&[Verdict::Untouched, failed.clone(), failed]),
            Decision::Fail { service: 1 }
        );
        assert_eq!(decide(&[]), Decision::KeepWatching);
        let no_news = Verdict::NoNews { why: String::new() };
        let late = during_rollout(&[serving, no_news], true, DEADLINE, DEADLINE);
        assert_eq!(late, Decision::Late { service: 1 });
    }

    #[test]
    fn of_two_failures_the_one_that_ecs_decided_on_is_told() {
        let by_hand = Verdict::RolledBack {
            reason: Some("Stopped by a user.".to_owned()),
        };
        let by_breaker = Verdict::RolledBack {
            reason: Some("ECS deployment circuit breaker: tasks failed to start.".to_owned()),
        };
        assert_eq!(
            during_rollout(&[by_hand, by_breaker], true, DEADLINE, BEFORE),
            Decision::Fail { service: 1 }
        );
    }

    #[test]
    fn at_the_time_limit_one_that_must_be_put_right_wins_over_one_that_only_drains() {
        let going = Verdict::InProgress(Progress::default());
        assert_eq!(
            during_rollout(&[draining(), going], true, DEADLINE, DEADLINE),
            Decision::RollBack { service: 1 }
        );
    }

    #[test]
    fn the_table_of_the_other_services_while_one_goes_back() {
        let since = DEADLINE;
        let soon = since + Duration::from_secs(5);
        let stalled = since + ROLLBACK_BEGINS_WITHIN;
        let over = since + ROLLBACK_ALLOWANCE;
        let take = Decision::TakeBack { services: vec![1] };
        // Soon, after two minutes, out of time; then the first two if nothing is to be rolled back.
        let live = [take.clone(), take.clone(), FAIL, FAIL, FAIL];
        let done = [FAIL; 5];
        let going_back = [KEEP, KEEP, FAIL, KEEP, KEEP];
        let ecs_will = [KEEP, take.clone(), FAIL, KEEP, FAIL];
        let unseen = [KEEP, KEEP, FAIL, FAIL, FAIL];
        let expected = [
            &live,
            &live,
            &live,
            &going_back,
            &done,
            &done,
            &live,
            &live,
            &ecs_will,
            &done,
            &done,
            &live,
            &unseen,
        ];
        let rolled_back = Verdict::RolledBack { reason: None };
        for (verdict, expected) in every_verdict().into_iter().zip(expected) {
            let seen = [rolled_back.clone(), verdict];
            let cases = [
                (soon, true),
                (stalled, true),
                (over, true),
                (soon, false),
                (stalled, false),
            ];
            for ((now, may_roll_back), expected) in cases.into_iter().zip(expected) {
                assert_eq!(
                    during_rollback(&seen, &back(Owner::Ecs, since), may_roll_back, now),
                    *expected,
                    "{seen:?} at {now:?}, rollback {may_roll_back}"
                );
            }
        }
        let serving = Verdict::Serving {
            desired: 1,
            running: 1,
        };
        let seen = [rolled_back, serving, Verdict::Untouched];
        let asked = WayBack {
            asked: &[1],
            ..back(Owner::Ecs, since)
        };
        assert_eq!(during_rollback(&seen, &asked, true, soon), KEEP);
        let given_up = WayBack {
            given_up: &[1],
            ..back(Owner::Ecs, since)
        };
        assert_eq!(during_rollback(&seen, &given_up, true, soon), FAIL);
    }

    #[test]
    fn the_table_of_the_task_before_the_deployment() {
        use {TaskDecision as D, TaskVerdict as V};
        for (verdict, before, at_limit) in [
            (V::Running, D::KeepWatching, D::Stop),
            (V::Succeeded, D::GoOn, D::GoOn),
            (V::Failed, D::Fail, D::Fail),
            (V::Gone, D::Fail, D::Fail),
        ] {
            assert_eq!(during_pre_deploy(&verdict, DEADLINE, BEFORE), before);
            assert_eq!(during_pre_deploy(&verdict, DEADLINE, DEADLINE), at_limit);
        }
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
            let decision = during_rollback(&verdicts, &back(owner, DEADLINE), may_roll_back, now);
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
                let decision = during_rollback(&verdicts, &back(owner, DEADLINE), may_roll_back, now);
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
                    during_rollback(seen, &back(owner, DEADLINE), may_roll_back, now),
                ];
                for decision in decisions {
                    prop_assert!(decision != ROLL_BACK || (may_roll_back && !is_replaced));
                }
            }
        }
    }
}
