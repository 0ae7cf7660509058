//! What ECS shows of a service → the verdict on *our* deployment.
//!
//! Judged by identity, never by calm: a service that is steady on another revision has not
//! deployed ours. Others call that a success
//! (<https://github.com/aws-actions/amazon-ecs-deploy-task-definition/issues/191>,
//! <https://github.com/fabfuel/ecs-deploy/issues/185>,
//! <https://github.com/sil-org/ecs-deploy/issues/224>).

use std::time::Duration;

use super::deployment::{Ours, Service};
use super::revision::Revision;
use super::seen::{DeploymentSeen, Look, ServiceDeploymentSeen, ServiceSeen};
use super::time::Timestamp;
use super::verdict::{Progress, Reason, Verdict};

/// ECS may answer a read with the state before our update for a short while. Until this much time
/// has passed since the update, "the old revision serves and ours is not listed" is judged as such a
/// late answer; afterwards it means that our deployment is gone.
pub const CONSISTENCY_GRACE: Duration = Duration::from_mins(1);

/// An answer that contradicts a SUCCESSFUL service deployment is judged as a late one for this long
/// after that has finished.
const LATE_AT_MOST: Duration = Duration::from_mins(5);

/// What `look` means for our deployment `ours`, which was started at `started`.
pub fn verdict(ours: &Service, look: &Look, started: Timestamp, now: Timestamp) -> Verdict {
    if !ours.is_touched() {
        return Verdict::Untouched;
    }
    match look {
        Look::Missing => Verdict::Gone {
            status: "MISSING".to_owned(),
        },
        Look::NoNews { why } => Verdict::NoNews { why: why.clone() },
        Look::Seen { service, .. } if ["DRAINING", "INACTIVE"].contains(&&*service.status) => {
            Verdict::Gone {
                status: service.status.clone(),
            }
        }
        Look::Seen {
            service,
            service_deployment,
        } if service.status != "ACTIVE" => Verdict::Unknown {
            state: format!("service {}", service.status),
            progress: progress_of(ours, service, service_deployment.as_deref()),
        },
        Look::Seen {
            service,
            service_deployment,
        } => {
            let ours_for_certain = service_deployment
                .as_deref()
                .filter(|seen| is_revision(&ours.revision, seen.task_definition.as_deref()));
            let settled = now.since(started) >= CONSISTENCY_GRACE;
            match ours_for_certain {
                Some(seen) => by_service_deployment(ours, service, seen, settled, now),
                None => by_deployments(ours, service, settled),
            }
        }
    }
}

/// Where ECS gives a service deployment, its status decides: `rolloutState` may be COMPLETED while a
/// bake time still runs that can end in a rollback.
fn by_service_deployment(
    ours: &Service,
    service: &ServiceSeen,
    seen: &ServiceDeploymentSeen,
    settled: bool,
    now: Timestamp,
) -> Verdict {
    let progress = || progress_of(ours, service, Some(seen));
    let reason = || reason_of(ours, service, Some(seen));
    // As long as the answer may be from before our update, it does not show that ours was replaced.
    let is_certain = settled || our_deployment(ours, service).is_some();
    let replaced = replacement(ours, service, seen.rollback_to.as_deref(), Some(false));
    let replaced = replaced.filter(|_| is_certain);
    match (seen.status.as_str(), replaced) {
        ("SUCCESSFUL", _) => {
            if is_late_answer(ours, service, seen, settled, now) {
                Verdict::InProgress(progress())
            } else {
                completed(ours, service, progress)
            }
        }
        ("ROLLBACK_SUCCESSFUL", _) => Verdict::RolledBack { reason: reason() },
        ("ROLLBACK_FAILED", _) => Verdict::RollbackFailed { reason: reason() },
        // Where ECS does not name the revision that it rolls back to, PRIMARY may be that one.
        ("ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS", replaced)
            if replaced.is_none() || seen.rollback_to.is_none() =>
        {
            Verdict::RollingBack {
                reason: reason(),
                progress: progress(),
            }
        }
        (_, Some(replaced)) => replaced,
        ("STOPPED", None) => match service.primary() {
            // Stopped, and the old revision is PRIMARY again: that is a rollback.
            Some(primary) if !ours.is_our_deployment(&primary.id) && is_certain => {
                rollback_of(ours, service, reason(), progress())
            }
            Some(primary) if !ours.is_our_deployment(&primary.id) => {
                Verdict::InProgress(progress())
            }
            // The breaker without rollback leaves it FAILED; else somebody stopped it.
            _ => Verdict::Failed {
                reason: reason(),
                stopped: our_deployment(ours, service)
                    .is_none_or(|listed| listed.rollout_state.as_deref() != Some("FAILED")),
                // It is over: a rollback would show by now.
                ecs_rolls_back: false,
            },
        },
        ("PENDING" | "IN_PROGRESS" | "STOP_REQUESTED", None) => {
            match our_deployment(ours, service).and_then(|listed| listed.rollout_state.as_deref()) {
                // The circuit breaker sets `rolloutState` first, and the status of the service deployment later.
                Some("FAILED") => failed(ours, service, reason()),
                _ => match service.primary() {
                    // The service is set to the old revision again, by this job or somebody else:
                    // that is a rollback too, once the answer cannot be from before our update.
                    Some(primary) if !ours.is_our_deployment(&primary.id) && is_certain => {
                        rollback_of(ours, service, reason(), progress())
                    }
                    _ => Verdict::InProgress(progress()),
                },
            }
        }
        (state, None) => Verdict::Unknown {
            state: state.to_owned(),
            progress: progress(),
        },
    }
}

/// Our deployment has been complete: is it still what the service is set to?
fn completed(ours: &Service, service: &ServiceSeen, progress: impl Fn() -> Progress) -> Verdict {
    let unknown = |state: &str| Verdict::Unknown {
        state: state.to_owned(),
        progress: progress(),
    };
    match service.primary() {
        None => unknown("no PRIMARY deployment"),
        Some(primary) if !ours.is_our_deployment(&primary.id) => {
            match replacement(ours, service, None, Some(true)) {
                Some(replaced) => replaced,
                None => rollback_of(
                    ours,
                    service,
                    Some(Reason::SetBackSince(primary.id.clone())),
                    progress(),
                ),
            }
        }
        Some(primary) if !is_revision(&ours.revision, Some(&primary.task_definition)) => {
            unknown("our deployment with another revision")
        }
        Some(_) if !is_set_to(&ours.revision, service) => {
            unknown("our deployment is PRIMARY, and the service is set to another revision")
        }
        Some(primary) => Verdict::Serving {
            desired: service.desired,
            running: primary.running.min(service.desired),
        },
    }
}

/// Whether `service` is an answer from before our deployment, although `seen` says that this one is
/// complete already: the two are asked for one after the other, and each may lag behind.
///
/// ECS does not roll back by itself what is SUCCESSFUL. So an older deployment as PRIMARY, with ours
/// not listed, is a late answer, as long as one may be late.
fn is_late_answer(
    ours: &Service,
    service: &ServiceSeen,
    seen: &ServiceDeploymentSeen,
    settled: bool,
    now: Timestamp,
) -> bool {
    let Some(primary) = service.primary() else {
        return false;
    };
    if ours.is_our_deployment(&primary.id) || our_deployment(ours, service).is_some() {
        return false;
    }
    match (primary.created_at, seen.created_at) {
        (Some(theirs), Some(our_time)) => {
            let has_just_ended = seen
                .finished_at
                .is_none_or(|finished| now.since(finished) < LATE_AT_MOST);
            theirs <= our_time && (has_just_ended || !settled)
        }
        _ => !settled,
    }
}

/// Whether a service deployment was over before our deployment was made: then it is another one,
/// whichever revision it brings.
pub fn is_from_before(ours: &Ours, service: &ServiceSeen, seen: &ServiceDeploymentSeen) -> bool {
    let mut deployments = service.deployments.iter();
    let listed = deployments.find(|one| ours.deployment() == Some(&one.id));
    let created = listed.and_then(|listed| listed.created_at);
    matches!((seen.finished_at, created), (Some(finished), Some(created)) if finished < created)
}

/// Without a service deployment, by `deployments[]` alone.
fn by_deployments(ours: &Service, service: &ServiceSeen, settled: bool) -> Verdict {
    let progress = || progress_of(ours, service, None);
    let reason = || reason_of(ours, service, None);
    let unknown = |state: &str| Verdict::Unknown {
        state: state.to_owned(),
        progress: progress(),
    };
    let Some(primary) = service.primary() else {
        return unknown("no PRIMARY deployment");
    };
    if !ours.is_our_deployment(&primary.id) {
        let Some(listed) = our_deployment(ours, service) else {
            if !settled {
                // Probably the state before our update.
                return Verdict::InProgress(progress());
            }
            return match replacement(ours, service, None, None) {
                Some(replaced) => replaced,
                None => rollback_of(ours, service, reason(), progress()),
            };
        };
        let was_complete = listed.rollout_state.as_deref() == Some("COMPLETED")
            && service.is_told_by_rollout_state();
        if was_complete {
            return completed(ours, service, progress);
        }
        return match replacement(ours, service, None, Some(false)) {
            Some(replaced) => replaced,
            None => rollback_of(ours, service, reason(), progress()),
        };
    }
    if !is_revision(&ours.revision, Some(&primary.task_definition)) {
        return unknown("our deployment with another revision");
    }
    // All others have stages that only their service deployment shows.
    let ends_with_state = service.is_told_by_rollout_state();
    match primary.rollout_state.as_deref() {
        Some("COMPLETED") if ends_with_state => completed(ours, service, progress),
        Some("COMPLETED" | "IN_PROGRESS") => Verdict::InProgress(progress()),
        Some("FAILED") => failed(ours, service, reason()),
        Some(state) => unknown(state),
        None => {
            // Behind a Classic Load Balancer ECS gives no state: alone and full is complete.
            let is_alone = service.deployments.len() == 1;
            let is_full = primary.running == primary.desired && primary.pending == 0;
            if ends_with_state && is_alone && is_full {
                completed(ours, service, progress)
            } else {
                Verdict::InProgress(progress())
            }
        }
    }
}

/// Our deployment has the state FAILED. If an earlier one is PRIMARY, ECS rolls back.
fn failed(ours: &Service, service: &ServiceSeen, reason: Option<Reason>) -> Verdict {
    match service.primary() {
        Some(primary) if !ours.is_our_deployment(&primary.id) => {
            let progress = progress_of(ours, service, None);
            rollback_of(ours, service, reason, progress)
        }
        _ => Verdict::Failed {
            reason,
            stopped: false,
            ecs_rolls_back: service.breaker_rolls_back == Some(true)
                || service.alarms_roll_back == Some(true),
        },
    }
}

/// The PRIMARY deployment is an earlier one: how far is the rollback?
fn rollback_of(
    ours: &Service,
    service: &ServiceSeen,
    reason: Option<Reason>,
    progress: Progress,
) -> Verdict {
    let Some(primary) = service.primary() else {
        return Verdict::RollingBack { reason, progress };
    };
    let is_full = primary.running >= primary.desired && primary.pending == 0;
    // Setting back a service whose deployments have stages takes one with stages, in whose bake time it is COMPLETED
    // and our tasks still run.
    let has_stages = !service.is_told_by_rollout_state();
    let is_watched =
        has_stages && our_deployment(ours, service).is_some_and(|listed| listed.running > 0);
    match primary.rollout_state.as_deref() {
        Some("FAILED") => Verdict::RollbackFailed { reason },
        // A deployment that was complete once may still say so while its tasks come back.
        Some("COMPLETED") | None if is_full && !is_watched => Verdict::RolledBack { reason },
        _ => Verdict::RollingBack { reason, progress },
    }
}

/// The deployment in our place, unless that is ours or an earlier one that is rolled back to.
///
/// ECS rolls back to the newest COMPLETED deployment, which need not be the revision that was set
/// at the start, if that one was not complete: `rollback_to` is that one, where it is known. Without
/// it an older deployment is accepted as earlier too, once ours is listed as FAILED.
fn replacement(
    ours: &Service,
    service: &ServiceSeen,
    rollback_to: Option<&str>,
    was_complete: Option<bool>,
) -> Option<Verdict> {
    let primary = service.primary()?;
    let is_earlier = |revision: &Revision| is_revision(revision, Some(&primary.task_definition));
    let is_previous = ours.previous.as_ref().is_some_and(is_earlier);
    let rollback_to = rollback_to.and_then(|arn| Revision::parse(arn).ok());
    if ours.is_our_deployment(&primary.id)
        || is_previous
        || rollback_to.is_some_and(|to| is_earlier(&to))
    {
        return None;
    }
    if let Some(listed) = our_deployment(ours, service)
        && listed.rollout_state.as_deref() == Some("FAILED")
        && let (Some(theirs), Some(own_time)) = (primary.created_at, listed.created_at)
        && theirs < own_time
    {
        return None;
    }
    Some(Verdict::Replaced {
        by: primary.id.clone(),
        task_definition: primary.task_definition.clone(),
        was_complete,
    })
}

/// How to roll a service back, by what a look at it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollbackMethod {
    /// Stop the service deployment with this ARN: ECS then rolls it back.
    Stop(String),
    /// Set the service to this revision.
    Set(Revision),
    /// Somebody else has set the service to something, or ECS is rolling back: leave it alone.
    LeaveAlone,
    /// What ran before is not known.
    Unknown,
}

/// How to roll back our deployment as `look` shows it.
pub fn rollback_method(ours: &Service, look: &Look) -> RollbackMethod {
    let Some((service, service_deployment)) = look.seen() else {
        return RollbackMethod::LeaveAlone;
    };
    if !ours.is_worked_on(service) {
        return RollbackMethod::LeaveAlone;
    }
    let under_way =
        service_deployment.filter(|seen| matches!(seen.status.as_str(), "PENDING" | "IN_PROGRESS"));
    match under_way {
        Some(seen) => RollbackMethod::Stop(seen.arn.clone()),
        None => match &ours.previous {
            None => RollbackMethod::Unknown,
            Some(previous) => RollbackMethod::Set(previous.clone()),
        },
    }
}

/// Our rollout, which goes on, as serving: all of its tasks run and have all the traffic, and what is left is old tasks
/// that drain, or a time for which it is watched. None if it is not so.
///
/// A rolling update takes an old task out of the traffic as it stops it, and with a minimumHealthyPercent of 100 it
/// stops one only for a new one that is healthy; with less it may stop them before. The others say by their stage that
/// their traffic was shifted and their hooks have had their say: the weight is what is asked for.
pub fn serves_all(ours: &Service) -> Option<Verdict> {
    let Some(Verdict::InProgress(progress)) = &ours.live.verdict else {
        return None;
    };
    let (service, own) = ours.live.look.as_ref().and_then(Look::seen)?;
    let primary = service.primary()?;
    let is_ours = ours.is_our_deployment(&primary.id)
        && is_revision(&ours.revision, Some(&primary.task_definition))
        && is_set_to(&ours.revision, service);
    let goes_well = primary.failed == 0 && own.is_none_or(|own| own.status == "IN_PROGRESS");
    let all_run = service.desired > 0 && primary.running >= service.desired && primary.pending == 0;
    let is_rolling = matches!(service.strategy.as_deref(), None | Some("ROLLING"));
    let has_all_traffic = if is_rolling {
        let replaces_healthily = service.percents.is_some_and(|(minimum, _)| minimum >= 100);
        let mut others = service.deployments.iter();
        replaces_healthily && others.all(|one| one.id == primary.id || one.desired == 0)
    } else {
        own.is_some_and(|own| {
            let stage = own.lifecycle_stage.as_deref();
            let was_shifted = matches!(stage, Some("BAKE_TIME" | "CLEAN_UP"));
            was_shifted && own.new_weight.is_none_or(|weight| weight >= 100.0)
        })
    };
    let is_held = progress.note.is_some();
    (is_ours && goes_well && all_run && has_all_traffic && !is_held).then(|| Verdict::Serving {
        desired: service.desired,
        running: primary.running.min(service.desired),
    })
}

/// Our deployment, if the service lists it.
fn our_deployment<'a>(ours: &Service, service: &'a ServiceSeen) -> Option<&'a DeploymentSeen> {
    service
        .deployments
        .iter()
        .find(|one| ours.is_our_deployment(&one.id))
}

/// Whether the service is set to `revision`. An answer that does not say leaves it to PRIMARY.
fn is_set_to(revision: &Revision, service: &ServiceSeen) -> bool {
    service.task_definition.is_empty() || is_revision(revision, Some(&service.task_definition))
}

/// Whether `arn` names `revision`; none names none.
fn is_revision(revision: &Revision, arn: Option<&str>) -> bool {
    arn.is_some_and(|arn| revision.is_named_by(arn))
}

fn reason_of(
    ours: &Service,
    service: &ServiceSeen,
    seen: Option<&ServiceDeploymentSeen>,
) -> Option<Reason> {
    if let Some(seen) = seen
        && !seen.alarms.is_empty()
    {
        return Some(Reason::Alarms(seen.alarms.clone()));
    }
    if let Some(hook) = seen.and_then(|seen| seen.failed_hook.as_ref()) {
        return Some(Reason::Hook(hook.to_string()));
    }
    seen.and_then(|seen| {
        seen.rollback_reason
            .as_ref()
            .or(seen.status_reason.as_ref())
    })
    .or_else(|| {
        our_deployment(ours, service).and_then(|listed| listed.rollout_state_reason.as_ref())
    })
    .and_then(|text| Reason::of(text))
}

/// The counts that `look` shows, whatever they mean.
pub fn progress_in(ours: &Service, look: &Look) -> Option<Progress> {
    let (service, service_deployment) = look.seen()?;
    Some(progress_of(ours, service, service_deployment))
}

fn progress_of(
    ours: &Service,
    service: &ServiceSeen,
    seen: Option<&ServiceDeploymentSeen>,
) -> Progress {
    let listed = our_deployment(ours, service);
    Progress {
        desired: service.desired,
        new_running: listed.map_or(0, |listed| listed.running),
        old_running: service
            .deployments
            .iter()
            .filter(|one| !ours.is_our_deployment(&one.id))
            .map(|one| one.running)
            .sum(),
        stage: seen.and_then(|seen| seen.lifecycle_stage.clone()),
        new_weight: seen.and_then(|seen| seen.new_weight),
        note: seen.and_then(|seen| seen.waiting.clone()),
        bake_minutes: service.bake_minutes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Target;

    const START: Timestamp = Timestamp::from_secs(1_000_000);
    const LATER: Timestamp = Timestamp::from_secs(1_000_300);
    const SOON: Timestamp = Timestamp::from_secs(1_000_010);

    fn ours() -> Service {
        let target = Target {
            cluster: "prod".to_owned(),
            service: "web".to_owned(),
        };
        let revision = |name| Revision::parse(name).unwrap();
        let previous = Some(revision("app:41"));
        Service {
            ours: Ours::Named {
                deployment: "ecs-svc/2".to_owned(),
                service_deployment: None,
            },
            ..Service::untouched(target, revision("app:42"), previous)
        }
    }

    fn other(text: &str) -> Option<Reason> {
        Reason::of(text)
    }

    fn deployment(id: &str, status: &str, revision: &str, state: Option<&str>) -> DeploymentSeen {
        let number: i64 = id.trim_start_matches("ecs-svc/").parse().unwrap();
        DeploymentSeen {
            id: id.to_owned(),
            status: status.to_owned(),
            task_definition: format!("arn:aws:ecs:eu-central-1:1:task-definition/{revision}"),
            rollout_state: state.map(str::to_owned),
            rollout_state_reason: Some(format!("reason of {id}")),
            desired: 2,
            pending: 0,
            running: 2,
            failed: 0,
            created_at: Some(Timestamp::from_secs(number)),
        }
    }

    fn service(deployments: Vec<DeploymentSeen>) -> ServiceSeen {
        ServiceSeen {
            status: "ACTIVE".to_owned(),
            desired: 2,
            deployments,
            ..ServiceSeen::default()
        }
    }

    fn look(deployments: Vec<DeploymentSeen>) -> Look {
        Look::Seen {
            service: Box::new(service(deployments)),
            service_deployment: None,
        }
    }

    fn with_status(status: &str, revision: &str, deployments: Vec<DeploymentSeen>) -> Look {
        Look::Seen {
            service: Box::new(service(deployments)),
            service_deployment: Some(Box::new(ServiceDeploymentSeen {
                arn: "arn:sd".to_owned(),
                id: "sd".to_owned(),
                status: status.to_owned(),
                status_reason: Some("ECS says why".to_owned()),
                task_definition: Some(format!("arn:x:task-definition/{revision}")),
                lifecycle_stage: Some("BAKE_TIME".to_owned()),
                ..ServiceDeploymentSeen::default()
            })),
        }
    }

    fn judged(look: &Look) -> Verdict {
        verdict(&ours(), look, START, LATER)
    }

    fn ours_primary(state: Option<&str>) -> Vec<DeploymentSeen> {
        vec![
            deployment("ecs-svc/2", "PRIMARY", "app:42", state),
            deployment("ecs-svc/1", "ACTIVE", "app:41", Some("COMPLETED")),
        ]
    }

    fn old_primary(state: Option<&str>) -> Vec<DeploymentSeen> {
        vec![
            deployment("ecs-svc/1", "PRIMARY", "app:41", state),
            deployment("ecs-svc/2", "ACTIVE", "app:42", Some("FAILED")),
        ]
    }

    #[test]
    fn our_primary_deployment_completed_is_serving_also_while_old_tasks_still_run() {
        assert_eq!(
            judged(&look(ours_primary(Some("COMPLETED")))),
            Verdict::Serving {
                desired: 2,
                running: 2
            }
        );
    }

    #[test]
    fn a_completed_rollout_state_is_no_success_where_stages_follow_it() {
        for strategy in ["BLUE_GREEN", "LINEAR", "CANARY", "SOMETHING_NEW"] {
            let mut seen = service(ours_primary(Some("COMPLETED")));
            seen.strategy = Some(strategy.to_owned());
            let look = Look::Seen {
                service: Box::new(seen),
                service_deployment: None,
            };
            assert!(
                matches!(judged(&look), Verdict::InProgress(_)),
                "{strategy}"
            );
        }
    }

    #[test]
    fn a_completed_rollout_state_is_no_success_while_the_service_deployment_goes_on() {
        let look = with_status("IN_PROGRESS", "app:42", ours_primary(Some("COMPLETED")));
        let Verdict::InProgress(progress) = judged(&look) else {
            panic!()
        };
        assert_eq!(progress.stage.as_deref(), Some("BAKE_TIME"));
        assert_eq!((progress.new_running, progress.old_running), (2, 2));
    }

    #[test]
    fn a_successful_service_deployment_of_another_revision_is_not_ours() {
        let look = with_status("SUCCESSFUL", "app:43", ours_primary(Some("IN_PROGRESS")));
        assert!(matches!(judged(&look), Verdict::InProgress(_)));
    }

    #[test]
    fn a_successful_service_deployment_of_ours_is_serving() {
        let look = with_status("SUCCESSFUL", "app:42", ours_primary(Some("IN_PROGRESS")));
        assert_eq!(
            judged(&look),
            Verdict::Serving {
                desired: 2,
                running: 2
            }
        );
    }

    #[test]
    fn a_service_steady_on_the_old_revision_is_not_a_success() {
        let steady = look(vec![deployment(
            "ecs-svc/1",
            "PRIMARY",
            "app:41",
            Some("COMPLETED"),
        )]);
        assert!(matches!(judged(&steady), Verdict::RolledBack { .. }));
        // Just after the update it may be a late answer: no verdict yet, and no success either.
        assert!(matches!(
            verdict(&ours(), &steady, START, SOON),
            Verdict::InProgress(_)
        ));
    }

    #[test]
    fn a_rollback_is_followed_until_the_old_tasks_are_back() {
        let mut going = old_primary(Some("IN_PROGRESS"));
        assert!(matches!(
            judged(&look(going.clone())),
            Verdict::RollingBack { .. }
        ));
        going[0].rollout_state = Some("COMPLETED".to_owned());
        going[0].running = 1;
        assert!(matches!(
            judged(&look(going.clone())),
            Verdict::RollingBack { .. }
        ));
        going[0].running = 2;
        let Verdict::RolledBack { reason } = judged(&look(going.clone())) else {
            panic!()
        };
        assert_eq!(reason, other("reason of ecs-svc/2"));
        going[0].rollout_state = Some("FAILED".to_owned());
        assert!(matches!(
            judged(&look(going)),
            Verdict::RollbackFailed { .. }
        ));
    }

    #[test]
    fn each_service_deployment_status_has_its_verdict() {
        let ours_first = || ours_primary(Some("IN_PROGRESS"));
        let judge = |status: &str| judged(&with_status(status, "app:42", ours_first()));
        let reason = other("ECS says why");
        for status in ["PENDING", "IN_PROGRESS", "STOP_REQUESTED"] {
            assert!(matches!(judge(status), Verdict::InProgress(_)), "{status}");
        }
        for status in ["ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"] {
            assert!(
                matches!(judge(status), Verdict::RollingBack { .. }),
                "{status}"
            );
        }
        assert_eq!(
            judge("ROLLBACK_SUCCESSFUL"),
            Verdict::RolledBack {
                reason: reason.clone()
            }
        );
        assert_eq!(
            judge("ROLLBACK_FAILED"),
            Verdict::RollbackFailed {
                reason: reason.clone()
            }
        );
        assert_eq!(
            judge("STOPPED"),
            Verdict::Failed {
                reason,
                stopped: true,
                ecs_rolls_back: false
            }
        );
        assert!(
            matches!(judge("PONDERING"), Verdict::Unknown { state, .. } if state == "PONDERING")
        );
    }

    #[test]
    fn the_alarm_that_stopped_it_is_the_reason() {
        let mut look = with_status("ROLLBACK_SUCCESSFUL", "app:42", ours_primary(None));
        let Look::Seen {
            service_deployment: Some(seen),
            ..
        } = &mut look
        else {
            panic!()
        };
        seen.alarms = vec!["5xx".to_owned()];
        assert_eq!(
            judged(&look),
            Verdict::RolledBack {
                reason: Some(Reason::Alarms(vec!["5xx".to_owned()]))
            }
        );
    }

    #[test]
    fn stopped_with_the_old_revision_primary_is_a_rollback() {
        let look = with_status("STOPPED", "app:42", old_primary(Some("COMPLETED")));
        assert!(matches!(judged(&look), Verdict::RolledBack { .. }));
    }

    #[test]
    fn a_rollout_state_of_failed_decides_before_the_service_deployment_follows() {
        let look = with_status("IN_PROGRESS", "app:42", ours_primary(Some("FAILED")));
        assert!(matches!(
            judged(&look),
            Verdict::Failed { stopped: false, .. }
        ));
        let look = with_status("IN_PROGRESS", "app:42", old_primary(Some("IN_PROGRESS")));
        assert!(matches!(judged(&look), Verdict::RollingBack { .. }));
    }

    #[test]
    fn failed_without_a_rollback_of_ecs_is_failed() {
        let Verdict::Failed {
            reason, stopped, ..
        } = judged(&look(ours_primary(Some("FAILED"))))
        else {
            panic!()
        };
        assert_eq!((reason, stopped), (other("reason of ecs-svc/2"), false));
    }

    #[test]
    fn another_primary_than_ours_or_the_previous_has_replaced_ours() {
        let foreign = vec![
            deployment("ecs-svc/3", "PRIMARY", "app:43", Some("COMPLETED")),
            deployment("ecs-svc/2", "ACTIVE", "app:42", Some("IN_PROGRESS")),
        ];
        let expected = Verdict::Replaced {
            was_complete: Some(false),
            by: "ecs-svc/3".to_owned(),
            task_definition: "arn:aws:ecs:eu-central-1:1:task-definition/app:43".to_owned(),
        };
        assert_eq!(judged(&look(foreign.clone())), expected);
        assert_eq!(
            judged(&with_status("STOPPED", "app:42", foreign.clone())),
            expected
        );
        assert_eq!(
            judged(&with_status("IN_PROGRESS", "app:42", foreign)),
            expected
        );
    }

    #[test]
    fn our_revision_in_somebody_elses_deployment_is_not_our_deployment() {
        let again = vec![deployment(
            "ecs-svc/3",
            "PRIMARY",
            "app:42",
            Some("COMPLETED"),
        )];
        assert!(matches!(judged(&look(again)), Verdict::Replaced { by, .. } if by == "ecs-svc/3"));
    }

    #[test]
    fn an_older_deployment_than_the_previous_is_a_rollback_once_ours_failed() {
        let mut older = old_primary(Some("IN_PROGRESS"));
        older[0].task_definition = "arn:task-definition/app:40".to_owned();
        assert!(matches!(
            judged(&look(older.clone())),
            Verdict::RollingBack { .. }
        ));
        older[0].created_at = Some(Timestamp::from_secs(99));
        assert!(matches!(judged(&look(older)), Verdict::Replaced { .. }));
    }

    #[test]
    fn a_rollout_state_never_seen_before_is_never_success() {
        let Verdict::Unknown { state, .. } = judged(&look(ours_primary(Some("REBALANCING"))))
        else {
            panic!()
        };
        assert_eq!(state, "REBALANCING");
        assert!(matches!(judged(&look(vec![])), Verdict::Unknown { .. }));
    }

    #[test]
    fn our_deployment_with_another_revision_is_never_success() {
        let odd = vec![deployment(
            "ecs-svc/2",
            "PRIMARY",
            "app:40",
            Some("COMPLETED"),
        )];
        assert!(matches!(judged(&look(odd)), Verdict::Unknown { .. }));
    }

    #[test]
    fn behind_a_classic_load_balancer_alone_and_full_is_serving() {
        let mut seen = ours_primary(None);
        assert!(matches!(
            judged(&look(seen.clone())),
            Verdict::InProgress(_)
        ));
        seen.pop();
        assert_eq!(
            judged(&look(seen.clone())),
            Verdict::Serving {
                desired: 2,
                running: 2
            }
        );
        seen[0].running = 1;
        assert!(matches!(judged(&look(seen)), Verdict::InProgress(_)));
    }

    #[test]
    fn a_status_of_the_service_never_seen_before_is_neither_its_end_nor_a_success() {
        for status in ["", "MIGRATING"] {
            let mut seen = service(ours_primary(Some("COMPLETED")));
            seen.status = status.to_owned();
            let look = Look::Seen {
                service: Box::new(seen),
                service_deployment: None,
            };
            assert!(matches!(judged(&look), Verdict::Unknown { .. }), "{status}");
        }
    }

    #[test]
    fn the_status_of_a_service_shows_that_it_is_gone_or_going() {
        assert_eq!(
            judged(&Look::Missing),
            Verdict::Gone {
                status: "MISSING".to_owned()
            }
        );
        for status in ["DRAINING", "INACTIVE"] {
            let mut seen = service(ours_primary(Some("COMPLETED")));
            seen.status = status.to_owned();
            let look = Look::Seen {
                service: Box::new(seen),
                service_deployment: None,
            };
            assert_eq!(
                judged(&look),
                Verdict::Gone {
                    status: status.to_owned()
                }
            );
        }
    }

    #[test]
    fn a_look_that_failed_is_no_news() {
        let look = Look::NoNews {
            why: "throttled".to_owned(),
        };
        assert_eq!(
            judged(&look),
            Verdict::NoNews {
                why: "throttled".to_owned()
            }
        );
    }

    #[test]
    fn a_failure_that_ecs_is_set_to_roll_back_is_marked() {
        let judged_with = |breaker: Option<bool>, alarms: Option<bool>| {
            let mut service = service(ours_primary(Some("FAILED")));
            service.breaker_rolls_back = breaker;
            service.alarms_roll_back = alarms;
            let look = Look::Seen {
                service: Box::new(service),
                service_deployment: None,
            };
            match judged(&look) {
                Verdict::Failed { ecs_rolls_back, .. } => ecs_rolls_back,
                other => unreachable!("{other:?}"),
            }
        };
        assert!(judged_with(Some(true), None));
        assert!(judged_with(Some(false), Some(true)));
        assert!(!judged_with(Some(false), None));
        assert!(!judged_with(None, None));
    }

    #[test]
    fn a_rollback_stops_what_is_under_way_else_sets_the_service_back() {
        let ours = ours();
        let back = |look: &Look| rollback_method(&ours, look);
        let previous = RollbackMethod::Set(Revision::parse("app:41").unwrap());
        let rolling = ours_primary(Some("IN_PROGRESS"));
        for status in ["PENDING", "IN_PROGRESS"] {
            let look = with_status(status, "app:42", rolling.clone());
            assert_eq!(
                back(&look),
                RollbackMethod::Stop("arn:sd".to_owned()),
                "{status}"
            );
        }
        for status in ["STOPPED", "STOP_REQUESTED", "NEVER_SEEN"] {
            let look = with_status(status, "app:42", rolling.clone());
            assert_eq!(back(&look), previous, "{status}");
        }
        assert_eq!(back(&look(rolling.clone())), previous);
        let first = Service {
            previous: None,
            ..ours.clone()
        };
        assert_eq!(
            rollback_method(&first, &look(rolling)),
            RollbackMethod::Unknown
        );
    }

    #[test]
    fn nobody_elses_deployment_is_ever_rolled_back() {
        let ours = ours();
        for revision in ["app:41", "app:42", "app:43"] {
            let other = vec![
                deployment("ecs-svc/3", "PRIMARY", revision, Some("IN_PROGRESS")),
                deployment("ecs-svc/2", "ACTIVE", "app:42", Some("IN_PROGRESS")),
            ];
            for look in [
                look(other.clone()),
                with_status("IN_PROGRESS", "app:42", other),
            ] {
                assert_eq!(
                    rollback_method(&ours, &look),
                    RollbackMethod::LeaveAlone,
                    "{revision}"
                );
            }
        }
        let no_news = Look::NoNews { why: String::new() };
        for look in [Look::Missing, no_news, look(Vec::new())] {
            assert_eq!(rollback_method(&ours, &look), RollbackMethod::LeaveAlone);
        }
    }

    #[test]
    fn set_back_while_its_service_deployment_goes_on_is_a_rollback_once_that_is_certain() {
        let back = |listed: bool| {
            let mut deployments = vec![deployment(
                "ecs-svc/3",
                "PRIMARY",
                "app:41",
                Some("IN_PROGRESS"),
            )];
            if listed {
                deployments.push(deployment(
                    "ecs-svc/2",
                    "ACTIVE",
                    "app:42",
                    Some("IN_PROGRESS"),
                ));
            }
            with_status("IN_PROGRESS", "app:42", deployments)
        };
        let at = |look: &Look, now| verdict(&ours(), look, START, now);
        assert!(matches!(at(&back(true), SOON), Verdict::RollingBack { .. }));
        assert!(matches!(
            at(&back(false), LATER),
            Verdict::RollingBack { .. }
        ));
        // May be an answer from before our update.
        assert!(matches!(at(&back(false), SOON), Verdict::InProgress(_)));
    }

    #[test]
    fn old_tasks_that_are_kept_for_the_bake_time_do_not_drain() {
        let drains = |stage: Option<&str>, note: Option<&str>| {
            let progress = Progress {
                desired: 2,
                new_running: 2,
                old_running: 2,
                stage: stage.map(str::to_owned),
                note: note.map(str::to_owned),
                ..Progress::default()
            };
            progress.only_old_ones_drain()
        };
        assert!(drains(None, None) && drains(Some("CLEAN_UP"), None));
        assert!(!drains(Some("BAKE_TIME"), None) && !drains(None, Some("waits at hook h-1")));
    }

    /// A service deployment that is SUCCESSFUL and was created when ours was, 2 s after the epoch.
    fn successful(deployments: Vec<DeploymentSeen>) -> Look {
        let mut look = with_status("SUCCESSFUL", "app:42", deployments);
        if let Look::Seen {
            service_deployment: Some(seen),
            ..
        } = &mut look
        {
            seen.created_at = Some(Timestamp::from_secs(2));
        }
        look
    }

    #[test]
    fn a_service_deployment_that_was_over_before_our_deployment_was_made_is_another_one() {
        let deployments = vec![deployment(
            "ecs-svc/2",
            "PRIMARY",
            "app:42",
            Some("IN_PROGRESS"),
        )];
        let Look::Seen {
            service,
            service_deployment: Some(mut seen),
        } = successful(deployments)
        else {
            unreachable!("a service with a service deployment")
        };
        // Ours was made 2 s after the epoch.
        for (finished, is_before) in [(Some(1), true), (Some(2), false), (None, false)] {
            seen.finished_at = finished.map(Timestamp::from_secs);
            assert_eq!(is_from_before(&ours().ours, &service, &seen), is_before);
        }
    }

    fn foreign(id: &str, revision: &str) -> Vec<DeploymentSeen> {
        vec![deployment(id, "PRIMARY", revision, Some("COMPLETED"))]
    }

    #[test]
    fn complete_once_and_not_what_the_service_is_set_to_any_more_is_never_serving() {
        let completed_own = || {
            let mut deployments = foreign("ecs-svc/3", "app:43");
            deployments.push(deployment(
                "ecs-svc/2",
                "ACTIVE",
                "app:42",
                Some("COMPLETED"),
            ));
            deployments
        };
        let replaced = |task_definition: &str| Verdict::Replaced {
            by: "ecs-svc/3".to_owned(),
            task_definition: format!(
                "arn:aws:ecs:eu-central-1:1:task-definition/{task_definition}"
            ),
            was_complete: Some(true),
        };
        // Another revision, one before the previous, and ours in somebody else's deployment.
        for revision in ["app:43", "app:40", "app:42"] {
            let look = successful(foreign("ecs-svc/3", revision));
            assert_eq!(judged(&look), replaced(revision), "{revision}");
            assert!(judged(&look).was_set_back_since());
        }
        assert_eq!(judged(&look(completed_own())), replaced("app:43"));
        // What ran before is not known.
        let first = Service {
            previous: None,
            ..ours()
        };
        let look = successful(foreign("ecs-svc/3", "app:41"));
        assert_eq!(verdict(&first, &look, START, LATER), replaced("app:41"));
    }

    #[test]
    fn a_service_that_is_set_to_another_revision_than_primary_says_is_not_serving() {
        for state in [Some("COMPLETED"), None] {
            let mut seen = service(foreign("ecs-svc/2", "app:42"));
            seen.deployments[0].rollout_state = state.map(str::to_owned);
            seen.task_definition = "arn:aws:ecs:eu-central-1:1:task-definition/app:43".to_owned();
            let look = Look::Seen {
                service: Box::new(seen),
                service_deployment: None,
            };
            assert!(
                matches!(judged(&look), Verdict::Unknown { .. }),
                "{state:?}"
            );
        }
    }

    #[test]
    fn an_older_primary_beside_a_successful_service_deployment_is_a_late_answer_for_a_while() {
        let at = |finished: i64| {
            let mut look = successful(foreign("ecs-svc/1", "app:41"));
            if let Look::Seen {
                service_deployment: Some(seen),
                ..
            } = &mut look
            {
                seen.finished_at = Some(Timestamp::from_secs(finished));
            }
            judged(&look)
        };
        let now = LATER.as_secs();
        assert!(matches!(at(now - 20), Verdict::InProgress(_)));
        assert!(matches!(at(now - 3600), Verdict::RolledBack { .. }));
    }

    #[test]
    fn without_a_rollout_state_a_strategy_with_stages_is_never_judged_by_its_counts() {
        for strategy in ["BLUE_GREEN", "LINEAR", "CANARY", "SOMETHING_NEW"] {
            let mut seen = service(foreign("ecs-svc/2", "app:42"));
            seen.deployments[0].rollout_state = None;
            seen.deployments[0].running = 0;
            seen.deployments[0].desired = 0;
            seen.desired = 0;
            seen.strategy = Some(strategy.to_owned());
            let look = Look::Seen {
                service: Box::new(seen),
                service_deployment: None,
            };
            assert!(
                matches!(judged(&look), Verdict::InProgress(_)),
                "{strategy}"
            );
        }
    }

    #[test]
    fn a_rollback_of_ecs_goes_to_whichever_revision_it_names() {
        let going = |to: Option<&str>, primary: &str| {
            let mut look = with_status(
                "ROLLBACK_IN_PROGRESS",
                "app:42",
                foreign("ecs-svc/3", primary),
            );
            if let Look::Seen {
                service_deployment: Some(seen),
                ..
            } = &mut look
            {
                seen.rollback_to = to.map(str::to_owned);
            }
            judged(&look)
        };
        assert!(matches!(
            going(Some("a/app:38"), "app:38"),
            Verdict::RollingBack { .. }
        ));
        assert!(matches!(going(None, "app:38"), Verdict::RollingBack { .. }));
        assert!(matches!(
            going(Some("a/app:38"), "app:50"),
            Verdict::Replaced { .. }
        ));
    }

    #[test]
    fn complete_once_and_set_back_since_is_not_serving() {
        let back = vec![deployment(
            "ecs-svc/3",
            "PRIMARY",
            "app:41",
            Some("COMPLETED"),
        )];
        let look = with_status("SUCCESSFUL", "app:42", back);
        assert!(matches!(judged(&look), Verdict::RolledBack { .. }));
        let ours = with_status("SUCCESSFUL", "app:42", ours_primary(Some("COMPLETED")));
        assert!(matches!(judged(&ours), Verdict::Serving { .. }));
    }
}
