//! What the pipeline's page shows while a deployment goes on, and when it has succeeded.

use std::time::Duration;

use super::overwritten;
use crate::approval;
use crate::deployment::{Deployment, Owner, PostDeploy, PostRun, Rollback, Service, Stage};
use crate::evidence::Evidence;
use crate::failure::{Failure, FailureKind};
use crate::message::Message;
use crate::outcome::{Details, SUMMARY_LIMIT_BYTES};
use crate::seen::{DeploymentSeen, Held, Look};
use crate::spec::{DeploySpec, WaitFor};
use crate::text;
use crate::time::{Timestamp, human};
use crate::timeline::percent as whole_percent;
use crate::trouble::failed_tasks;
use crate::verdict::{Progress, Verdict};
use crate::waiting::Waiting;

/// What is reported while `deployment` goes on: `web: 1 of 2 new tasks running, 2 old; 3 min of 60`.
pub fn progress(deployment: &Deployment, spec: &DeploySpec, now: Timestamp) -> Details {
    let minutes = now.since(deployment.limit_from(now)).as_secs() / 60;
    let summary = match &deployment.stage {
        Stage::PreDeploy(_) => {
            let task = spec.pre_deploy.as_ref();
            format!(
                "{}: the pre-deploy task runs (container {} of {}); {minutes} min of {}",
                deployment.about(),
                task.map_or("", |task| &task.container),
                deployment.revisions_listed(),
                task.map_or(0, |task| task.timeout.as_secs() / 60),
            )
        }
        Stage::RollingOut => {
            let services: Vec<String> = deployment
                .services
                .iter()
                .map(|service| named(service, deployment.started))
                .collect();
            let limit = spec.timeout.as_secs() / 60;
            format!("{}; {minutes} min of {limit}", services.join("; "))
        }
        Stage::PostDeploy(post) => post_deploy(deployment, post, spec, now),
        Stage::RollingBack(rollback) => rolling_back(deployment, rollback, spec, now),
    };
    Details {
        summary: text::cut_bytes(&summary, SUMMARY_LIMIT_BYTES),
        external_execution_id: deployment.external_id(),
        percent_complete: Some(percent(deployment)),
    }
}

fn post_deploy(
    deployment: &Deployment,
    post: &PostDeploy,
    spec: &DeploySpec,
    now: Timestamp,
) -> String {
    let asked = spec.post_deploy.as_ref();
    let task = match &post.run {
        PostRun::Started(_) => "runs".to_owned(),
        PostRun::Due {
            refused: Some(refused),
        } => format!("could not be started yet: {}", text::cut(&refused.why, 400)),
        PostRun::Due { refused: None } => "is started next".to_owned(),
    };
    format!(
        "{}: {} is serving; the post-deploy task {task} (container {}); {} min of {}",
        deployment.about(),
        deployment.revisions_listed(),
        asked.map_or("", |asked| &asked.container),
        now.since(post.since).as_secs() / 60,
        asked.map_or(0, |asked| asked.timeout.as_secs() / 60),
    )
}

/// What is reported while a start waits: `web on prod: …; waiting, 3 min of 60`.
pub fn waiting(waiting: &Waiting, spec: &DeploySpec, now: Timestamp) -> Details {
    let minutes = now.since(waiting.since).as_secs() / 60;
    let limit = spec.timeout.as_secs() / 60;
    let summary = format!("{}; waiting, {minutes} min of {limit}", waiting.why);
    Details {
        summary: text::cut_bytes(&summary, SUMMARY_LIMIT_BYTES),
        external_execution_id: None,
        percent_complete: Some(0),
    }
}

/// The message of a start that has waited until its time was up. `is_job`: a pipeline waits for it.
pub fn waited(why: &str, spec: &DeploySpec, is_job: bool) -> String {
    format!(
        "{why}. The start has waited for {}, and nothing was changed: {}.",
        human(spec.timeout),
        if is_job {
            "retry the stage in CodePipeline"
        } else {
            "try again"
        }
    )
}

/// The rollback that was asked for.
fn as_asked(deployment: &Deployment, rollback: &Rollback, now: Timestamp) -> String {
    let service = &deployment.services[rollback.failed];
    let progress = service.live.verdict.as_ref().and_then(Verdict::progress);
    let tasks = progress.map_or_else(String::new, |progress| {
        let (running, desired) = (progress.old_running, progress.desired);
        format!(", {running} of {desired} old tasks running")
    });
    format!(
        "{}: {} is rolled back as asked{tasks}, for {}",
        service.target.service_name(),
        service.revision,
        human(now.since(rollback.since))
    )
}

fn rolling_back(
    deployment: &Deployment,
    rollback: &Rollback,
    spec: &DeploySpec,
    now: Timestamp,
) -> String {
    if spec.is_to_roll_back() {
        return as_asked(deployment, rollback, now);
    }
    let who = match rollback.owner {
        Owner::Ecs => "ECS is rolling back",
        Owner::Job => "rolling back",
    };
    let failed = &deployment.services[rollback.failed];
    let verdict = failed.live.verdict.as_ref();
    let tasks = verdict
        .and_then(Verdict::progress)
        .map_or_else(String::new, |progress| {
            format!(
                ", {} of {} old tasks running",
                progress.old_running, progress.desired
            )
        });
    let cause = if rollback.cause.is_empty() {
        String::new()
    } else {
        format!(": {}", rollback.cause)
    };
    let others = deployment.services.iter().enumerate();
    let others: Vec<String> = others
        .filter(|(place, service)| *place != rollback.failed && service.is_touched())
        .map(|(_, service)| format!("; {}", named(service, deployment.started)))
        .collect();
    format!(
        "{}: {} failed{cause}; {who}{tasks}, for {}{}",
        failed.target.service_name(),
        failed.revision,
        human(now.since(rollback.since)),
        others.concat()
    )
}

/// `web: 1 of 2 new tasks running, 2 old`.
fn named(service: &Service, started: Timestamp) -> String {
    format!(
        "{}: {}",
        service.target.service_name(),
        state(service, started)
    )
}

/// A cause takes at most this much of a service's part of a summary.
const CAUSE_LIMIT_CHARS: usize = 400;

/// What goes wrong while it goes on: tasks that have failed, with their cause, or an event that says why nothing
/// starts. Empty if nothing does.
fn trouble(service: &Service, is_short: bool, started: Timestamp) -> String {
    let seen = service.live.look.as_ref();
    let known = service.live.trouble.evidence.as_ref();
    let failed = failed_tasks(service, started);
    if failed > 0 {
        let cause = known.and_then(Evidence::only_cause);
        let cause = cause.map_or_else(String::new, |cause| {
            format!(": {}", text::cut(&cause, CAUSE_LIMIT_CHARS))
        });
        let have = if failed == 1 { "has" } else { "have" };
        return format!("; {failed} {have} failed{cause}");
    }
    let seen = seen.filter(|_| is_short);
    let why = seen.and_then(|look| Evidence::seen(look, started).why_nothing_starts());
    why.map_or_else(String::new, |why| {
        format!("; {}", text::cut(&why, CAUSE_LIMIT_CHARS))
    })
}

fn state(service: &Service, started: Timestamp) -> String {
    let Some(verdict) = &service.live.verdict else {
        return "updated".to_owned();
    };
    match verdict {
        Verdict::InProgress(progress) => {
            let is_short = progress.new_running < progress.desired;
            format!("{}{}", tasks(progress), trouble(service, is_short, started))
        }
        Verdict::Serving { .. } => "complete".to_owned(),
        Verdict::Unknown { state, progress } => {
            format!("{} (ECS shows '{state}')", tasks(progress))
        }
        Verdict::NoNews { why } => format!("no news: {}", text::cut(why, 200)),
        Verdict::RollingBack { .. } => "rolling back".to_owned(),
        Verdict::Untouched => "not changed".to_owned(),
        Verdict::RolledBack { .. }
        | Verdict::RollbackFailed { .. }
        | Verdict::Failed { .. }
        | Verdict::Replaced { .. }
        | Verdict::Gone { .. } => "failed".to_owned(),
    }
}

fn tasks(progress: &Progress) -> String {
    // A hook's note names the stage itself.
    let stage = progress.note.clone().or_else(|| progress.stage.clone());
    tasks_at(stage, progress)
}

/// The same with another text for the stage, or none.
fn tasks_at(stage: Option<String>, progress: &Progress) -> String {
    let counts = format!(
        "{} of {} new tasks running, {} old",
        progress.new_running, progress.desired, progress.old_running
    );
    // A rolling update has none; ECS shows a weight all the same.
    let weight = progress.new_weight.filter(|_| progress.stage.is_some());
    let weight =
        weight.map(|weight| format!("{} % of traffic on the new ones", whole_percent(weight)));
    let bake = (progress.bake_minutes > 0 && progress.stage.as_deref() == Some("BAKE_TIME"))
        .then(|| format!("watched for {} min", progress.bake_minutes));
    let details: Vec<String> = [stage, weight, bake].into_iter().flatten().collect();
    if details.is_empty() {
        counts
    } else {
        format!("{counts} ({})", details.join(", "))
    }
}

/// Share of new tasks that run, over all services; 99 until it is over.
fn percent(deployment: &Deployment) -> i32 {
    const NOT_YET_DONE: i32 = 99;
    match &deployment.stage {
        Stage::PreDeploy(_) => 0,
        Stage::PostDeploy(_) | Stage::RollingBack(_) => NOT_YET_DONE,
        Stage::RollingOut => {
            let (mut running, mut desired) = (0, 0);
            let verdicts = deployment.services.iter();
            let verdicts = verdicts.filter_map(|service| service.live.verdict.as_ref());
            for progress in verdicts.filter_map(Verdict::progress) {
                running += progress.new_running.clamp(0, progress.desired.max(0));
                desired += progress.desired.max(0);
            }
            if desired == 0 {
                0
            } else {
                (running * 100 / desired).min(NOT_YET_DONE)
            }
        }
    }
}

/// The message of a service that serves this job's revision, `took` after the start.
pub fn success(service: &Service, spec: &DeploySpec, took: Duration) -> Message {
    if let Some(held) = approval::held(service, spec).filter(|_| service.live.is_paused) {
        return paused(service, held, took);
    }
    let (desired, running) = match service.live.verdict {
        Some(Verdict::Serving { desired, running }) => (desired, running),
        Some(_) | None => (0, 0),
    };
    let (target, revision) = (&service.target, &service.revision);
    let serves = if desired == 0 {
        format!(
            "{target}: {revision} is deployed, but no task ran: the service's desired count is 0."
        )
    } else if running == 0 {
        format!(
            "{target}: ECS says that the deployment of {revision} is complete, after {}, and none of its {desired} tasks runs at the moment.",
            human(took)
        )
    } else {
        format!(
            "{target}: {revision} is serving, {}, after {}.",
            if running == desired {
                text::counted(usize::try_from(running).unwrap_or(0), "task")
            } else {
                format!("{running} of {desired} tasks running")
            },
            human(took)
        )
    };
    let did_not_pause = if spec.wait_for == WaitFor::Pause {
        "It did not wait at a PAUSE hook (WaitFor is Pause)."
    } else {
        ""
    };
    Message::of([
        serves,
        did_not_pause.to_owned(),
        still_under_way(service).unwrap_or_default(),
        goes_on(service).unwrap_or_default(),
        overwritten(service),
    ])
}

/// The message of a service whose deployment waits at the hook `held`, `took` after the start.
fn paused(service: &Service, held: &Held, took: Duration) -> Message {
    let progress = service.live.verdict.as_ref().and_then(Verdict::progress);
    // `held` has the stage.
    let tasks = progress.map_or_else(String::new, |progress| {
        format!(", {}", tasks_at(None, progress))
    });
    Message::of([
        format!(
            "{}: {} waits at {held}{tasks}, after {}.",
            service.target,
            service.revision,
            human(took)
        ),
        "Answer it with ContinueDeployment.".to_owned(),
        overwritten(service),
    ])
}

/// The message of a service that was rolled back, which was asked for.
pub fn rolled_back_as_asked(service: &Service) -> String {
    let seen = service.live.look.as_ref().and_then(Look::service);
    let serves = seen.and_then(|seen| {
        let primary = seen.primary()?;
        let revision = text::last_part(&primary.task_definition);
        let (running, desired) = (primary.running.min(seen.desired), seen.desired);
        Some(format!(
            "{revision} is serving, {running} of {desired} tasks"
        ))
    });
    format!(
        "{}: {} was rolled back as asked (ContinueDeployment): {}.",
        service.target,
        service.revision,
        serves.unwrap_or_else(|| "what serves now could not be seen".to_owned())
    )
}

/// The failure of a service that was rolled back, which was asked for, and is set to something else now.
pub fn replaced_since(service: &Service) -> Failure {
    let seen = service.live.look.as_ref().and_then(Look::service);
    let primary = seen.and_then(|seen| Some((seen, seen.primary()?)));
    let now = primary.map_or_else(
        || "what it is set to could not be seen".to_owned(),
        |(seen, primary)| {
            let revision = text::last_part(&primary.task_definition);
            let (running, desired) = (primary.running.min(seen.desired), seen.desired);
            let id = &primary.id;
            format!("it is set to {revision} ({id}, {running} of {desired} tasks running), which was left alone")
        },
    );
    Failure::new(
        FailureKind::Job,
        format!(
            "{}: {} was rolled back (ContinueDeployment), and not to what was before: {now}.",
            service.target, service.revision
        ),
    )
}

/// The failure of a service that was to be rolled back, and whose deployment was complete before.
pub fn too_late_to_roll_back(service: &Service) -> Failure {
    Failure::new(
        FailureKind::Job,
        Message::of([
            format!(
                "{}: {} is serving: its deployment was complete before it could be rolled back (ContinueDeployment).",
                service.target, service.revision
            ),
            "To roll back, deploy TaskDefinition previous.".to_owned(),
        ]),
    )
}

/// The message of a service that serves already what would be deployed to it.
pub fn unchanged(service: &Service) -> Message {
    let (desired, running) = match service.live.verdict {
        Some(Verdict::Serving { desired, running }) => (desired, running),
        Some(_) | None => (0, 0),
    };
    let serves = if desired == 0 {
        "which is deployed, and no task runs: the service's desired count is 0".to_owned()
    } else {
        let tasks = text::counted(usize::try_from(running).unwrap_or(0), "task");
        format!("which is serving, {tasks}")
    };
    Message::of([
        format!(
            "{}: nothing was deployed (SkipIfUnchanged): the new revision would be {}, {serves}.",
            service.target, service.revision
        ),
        "Images are compared as they are written: with tags that move set PinDigests.".to_owned(),
    ])
}

/// What ECS has still to do of a deployment of which only the serving was waited for, as a sentence.
fn still_under_way(service: &Service) -> Option<String> {
    let (seen, own) = service.live.look.as_ref().and_then(Look::seen)?;
    let primary = seen.primary()?;
    let is_open = match own {
        Some(own) => own.status != "SUCCESSFUL",
        None => primary.rollout_state.as_deref() == Some("IN_PROGRESS"),
    };
    let is_ours = service.is_our_deployment(&primary.id);
    let stage = own.and_then(|own| own.lifecycle_stage.as_deref());
    let stage = stage.map_or_else(String::new, |stage| format!(" ({stage})"));
    (is_open && is_ours).then(|| {
        format!(
            "ECS's deployment still goes on{stage}; that was not waited for, and what comes of it is not seen."
        )
    })
}

/// What ECS goes on with after early success criteria have ended the deployment, as a sentence.
fn goes_on(service: &Service) -> Option<String> {
    let seen = service.live.look.as_ref().and_then(Look::service)?;
    let percent = seen.early_success_percent?;
    let is_ours = |one: &&DeploymentSeen| service.is_our_deployment(&one.id);
    let ours = seen.deployments.iter().find(is_ours)?;
    let old: i32 = seen
        .deployments
        .iter()
        .filter(|one| !is_ours(one))
        .map(|one| one.running)
        .sum();
    let starting = seen.desired - ours.running;
    if starting <= 0 && old == 0 {
        return None;
    }
    let mut left = Vec::new();
    if starting > 0 {
        left.push(format!("{starting} more to start"));
    }
    if old > 0 {
        left.push(format!("{old} old to stop"));
    }
    Some(format!(
        "Early success criteria (healthyPercent {percent}) have ended the deployment: ECS goes on with {}, which neither circuit breaker nor alarms watch.",
        text::listed(&left)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Ours;
    use crate::seen::ServiceSeen;
    use crate::testing::{service, spec};

    /// A service of which ours runs so many of 4 tasks, and an old one so many.
    fn serving(running: i32, old: i32, early: Option<i32>) -> Service {
        let deployment = |id: &str, running| DeploymentSeen {
            id: id.to_owned(),
            running,
            ..DeploymentSeen::default()
        };
        let mut service = service(0);
        service.ours = Ours::Named {
            deployment: "ecs-svc/2".to_owned(),
            service_deployment: None,
        };
        service.live.verdict = Some(Verdict::Serving {
            desired: 4,
            running,
        });
        service.live.look = Some(Look::Seen {
            service: Box::new(ServiceSeen {
                desired: 4,
                early_success_percent: early,
                deployments: vec![
                    deployment("ecs-svc/2", running),
                    deployment("ecs-svc/1", old),
                ],
                ..ServiceSeen::default()
            }),
            service_deployment: None,
        });
        service
    }

    #[test]
    fn a_success_says_how_many_tasks_run_and_what_early_success_criteria_have_left() {
        let said = |running, old, early| {
            success(&serving(running, old, early), &spec(true), Duration::ZERO)
        };
        assert!(said(4, 0, Some(50)).ends_with("is serving, 4 tasks, after 0 s."));
        assert!(said(2, 1, None).ends_with("is serving, 2 of 4 tasks running, after 0 s."));
        let early = said(2, 1, Some(50));
        assert!(
            early.contains("2 of 4 tasks running")
                && early.ends_with("Early success criteria (healthyPercent 50) have ended the deployment: ECS goes on with 2 more to start and 1 old to stop, which neither circuit breaker nor alarms watch."),
            "{early}"
        );
        assert!(said(4, 2, Some(50)).contains("goes on with 2 old to stop"));
        assert!(said(0, 2, Some(0)).contains("none of its 4 tasks runs at the moment"));
    }

    #[test]
    fn a_success_that_did_not_wait_for_the_end_says_so() {
        let mut service = serving(4, 1, None);
        if let Some(Look::Seen { service: seen, .. }) = &mut service.live.look {
            seen.deployments[0].status = "PRIMARY".to_owned();
            seen.deployments[0].rollout_state = Some("IN_PROGRESS".to_owned());
        }
        let said = success(&service, &spec(true), Duration::ZERO);
        assert!(
            said.contains("is serving, 4 tasks") && said.contains("was not waited for"),
            "{said}"
        );
    }
}
