//! While a rollout goes on: whether something is wrong with it, which makes it worth looking for tasks that
//! have stopped. A healthy rollout is not asked for them.

use std::time::Duration;

use super::deployment::Service;
use super::evidence::{StoppedSeen, telling_events};
use super::failures::limit;
use super::seen::{DeploymentSeen, Look, ServiceSeen};
use super::spec::FailureThreshold;
use super::time::Timestamp;
use super::verdict::{Progress, Reason, Verdict};

/// Stopped tasks are looked for so often at most.
const SEEK_INTERVAL: Duration = Duration::from_secs(15);

/// And so often while nothing shows that any failed, or while they cannot be seen.
const CALM_INTERVAL: Duration = Duration::from_mins(1);

/// In its first seconds a rollout has fewer tasks than it wants, and nothing is wrong.
const TOO_EARLY: Duration = Duration::from_secs(10);

/// New tasks that have been starting for so long are looked at although nothing else shows that they fail.
const PATIENCE: Duration = Duration::from_mins(1);

/// After its last task has failed, a rollout is watched so closely for so long.
const CLOSELY_FOR: Duration = Duration::from_mins(5);

/// Whether the stopped tasks of `service` are to be looked for now.
pub fn is_to_be_sought(service: &Service, started: Timestamp, now: Timestamp) -> bool {
    let trouble = &service.live.trouble;
    let Some(interval) = interval(service, started, now) else {
        return false;
    };
    trouble.sought.is_none_or(|sought| now >= sought + interval)
}

/// How often its stopped tasks are looked for; none as long as nothing is wrong.
fn interval(service: &Service, started: Timestamp, now: Timestamp) -> Option<Duration> {
    let (progress, seen, ours) = going_on(service)?;
    // Nobody starts tasks while a hook holds it.
    if progress.note.is_some() {
        return None;
    }
    let known = service.live.trouble.evidence.as_ref();
    let are_unseen =
        known.is_some_and(|known| matches!(known.stopped_seen, StoppedSeen::Unseen(_)));
    let often = if are_unseen {
        CALM_INTERVAL
    } else {
        SEEK_INTERVAL
    };
    let is_short = progress.new_running < progress.desired;
    if let Some(last) = service.failures.until
        && (is_short || now.since(last) < CLOSELY_FOR)
    {
        return Some(often);
    }
    if !is_short || now.since(started) < TOO_EARLY {
        return None;
    }
    let has_fallen = progress.new_running < service.live.trouble.most_running;
    let has_failed = ours.is_some_and(|listed| listed.failed > 0);
    if has_failed || has_fallen || !telling_events(&seen.events, started).is_empty() {
        return Some(often);
    }
    (now.since(started) >= PATIENCE).then_some(CALM_INTERVAL)
}

/// Our rollout as the last look showed it, if it goes on.
fn going_on(service: &Service) -> Option<(&Progress, &ServiceSeen, Option<&DeploymentSeen>)> {
    let Some(Verdict::InProgress(progress)) = &service.live.verdict else {
        return None;
    };
    let seen = service.live.look.as_ref().and_then(Look::service)?;
    let ours = seen
        .deployments
        .iter()
        .find(|one| service.is_our_deployment(&one.id));
    Some((progress, seen, ours))
}

/// How many tasks of `service` have failed; 0 if its rollout does not go on.
pub fn failed_tasks(service: &Service, started: Timestamp) -> i32 {
    going_on(service).map_or(0, |(_, seen, ours)| {
        service.failures.total(seen, ours, started)
    })
}

/// The verdict on a rollout that goes on and of which too many tasks have failed; none if that is not so, or a
/// rollback was asked for already.
pub fn given_up(
    service: &Service,
    threshold: FailureThreshold,
    started: Timestamp,
) -> Option<Verdict> {
    let (_, seen, ours) = going_on(service)?;
    if service.live.rollback.was_asked() || service.live.may_be_asked {
        return None;
    }
    let limit = limit(threshold, seen)?;
    let failed = service.failures.total(seen, ours, started);
    (failed >= limit).then_some(Verdict::Failed {
        reason: Some(Reason::TooManyFailed { failed, limit }),
        stopped: false,
        ecs_rolls_back: false,
    })
}
