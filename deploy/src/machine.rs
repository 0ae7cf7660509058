//! The machine: what is due, and what that made of the deployment. Every transition is here.
//!
//! | stage | event | becomes |
//! |---|---|---|
//! | `PreDeploy` | the task has succeeded | the services are set: `RollingOut`, or `RollingBack` if not all of them could be |
//! | `PreDeploy` | the task has failed, is gone, late, cannot be seen, or is not ours | the end, a failure |
//! | `PreDeploy` | what must be seen before a service is set cannot be seen | `PreDeploy`, for half an hour past its limit |
//! | `RollingOut` | all services serve our revision | the end, a success |
//! | `RollingOut` | one failed, or is rolled back, and there is something to roll back or to follow | `RollingBack` |
//! | `RollingOut` | too many of its tasks have failed | as if ECS had said that it failed |
//! | `RollingOut` | one failed, and nothing is to be rolled back | the end, a failure |
//! | `RollingOut` | the time limit, and something is to be put right | `RollingBack` |
//! | `RollingOut` | the time limit otherwise | the end, a failure |
//! | `RollingBack` | AWS accepted nothing that was asked for | `RollingOut`: judged again, because it may have completed |
//! | `RollingBack` | all services are at an end, or their time is up | the end, a failure |
//! | a rollback was asked for | all services serve our revision | the end: too late to roll back |
//! | a rollback was asked for | the service is back at what it ran before | the end: rolled back as asked |
//! | a rollback was asked for | it is back, and not shown for what it was | looked at again for a while, then the end: replaced since |
//! | any | one look shows a service as gone | the same: it takes two running |
//! | any | a look is no news | the same, until the time limit |
//!
//! What is due for a service that is to be rolled back: it is asked for as soon as the
//! failure is known, for all services at once, and before anything is asked that only explains. A refusal
//! is followed by a look; after three it is given up, which the message says. A lost answer is handled
//! as a refusal: the next look shows what came of it. See [`crate::rollback`].
//!
//! What is due after a death, a panic or the function's time limit is in [`cut_off`]: a
//! [`Checkpoint`] claims only what has been done, so the invocation that goes on from it finds the rest by looking.

use std::time::Duration;

use super::approval::{self, RolledBack};
use super::deployment::{
    Attempt, Blocked, Deployment, Ours, Owner, Rollback, Service, Stage, Stop, Task, TaskLive,
    TaskSeen,
};
use super::evidence::Evidence;
use super::judge::{CONSISTENCY_GRACE, progress_in, serves_all, verdict};
use super::rollback::{self, Answer, Left, ROLLBACK_ALLOWANCE, Way};
use super::rollout::{self, Decision};
use super::seen::Look;
use super::spec::{DeploySpec, PreDeployTask, WaitFor};
use super::task::TaskEnd;
use super::time::Timestamp;
use super::trouble;
use super::verdict::{TaskVerdict, Verdict};
use super::waiting::Waiting;
use super::words;

/// Something that the engine has done or seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// All services were looked at, in their order.
    Looked(Vec<Observed>),
    /// Rollbacks were asked for; each with its service's place.
    RollbacksAsked(Vec<(usize, Answer)>),
    /// The evidence of why the service at this place failed was gathered.
    Explained(usize, Evidence),
    /// The stopped tasks of the service at this place were looked for while its rollout goes on.
    Diagnosed(usize, Evidence),
    /// The task before the deployment was looked at.
    TaskLooked(TaskSeen),
    /// ECS was asked to stop it.
    TaskStopped(Stop),
    /// The evidence of why it failed was gathered.
    TaskExplained(Evidence),
    /// It has succeeded, and the services could not be set yet.
    Blocked(Blocked),
    /// It has succeeded, and this is the deployment with its services set.
    Set(Box<Deployment>),
}

/// One look at a service, and our deployment's names as far as it showed them.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The look.
    pub look: Look,
    /// Our deployment, as far as ECS has named it by now.
    pub ours: Ours,
    /// The ARN of our service deployment, where it was looked up.
    pub service_deployment: Option<String>,
}

/// What is due.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// To look: at the services, or at the task before the deployment.
    Look,
    /// To wait a while, and to look again.
    Pause {
        /// Until then the invocation may end. Not while a later invocation would count refusals from 0 again.
        may_end: bool,
    },
    /// To ask for these rollbacks, all at once.
    RollBack(Vec<(usize, Way)>),
    /// To gather the evidence of why the service at this place failed.
    Explain(usize),
    /// To look for stopped tasks of the service at this place, whose rollout goes on.
    Diagnose(usize),
    /// To ask ECS to stop the task before the deployment.
    StopTask(StopReason),
    /// To gather the evidence of why the task before the deployment failed.
    ExplainTask,
    /// To set the services: the task before the deployment has succeeded.
    SetServices,
    /// To answer.
    End(End),
}

/// Why a task is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The container that decides has exited; the others have nothing to do any more.
    Finished,
    /// Its time is up.
    Late,
}

/// How a deployment ends.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Every service serves this job's revision.
    Succeeded,
    /// Nothing was deployed: every service serves what the new revision would be.
    Unchanged,
    /// The service at this place failed.
    Failed {
        /// Its place.
        service: usize,
        /// Nothing failed of itself: the time was up, and nothing is rolled back.
        is_late: bool,
    },
    /// The service at this place was rolled back, which was asked for.
    RolledBackAsAsked(usize),
    /// The service at this place was rolled back, and is set to something else than what was before.
    ReplacedSince(usize),
    /// The service at this place serves our revision, and was to be rolled back.
    TooLateToRollBack(usize),
    /// The task before the deployment did not succeed.
    TaskFailed(TaskEnd),
}

/// What is due for `deployment`.
pub fn next(deployment: &Deployment, spec: &DeploySpec, now: Timestamp) -> Next {
    match &deployment.stage {
        Stage::PreDeploy(task) => next_of_task(deployment, task, spec, now),
        Stage::RollingOut | Stage::RollingBack(_)
            if deployment
                .services
                .iter()
                .any(|one| one.live.verdict.is_none()) =>
        {
            Next::Look
        }
        Stage::RollingOut | Stage::RollingBack(_) if is_uncertain(deployment) => {
            Next::Pause { may_end: false }
        }
        Stage::RollingOut => next_of_rollout(deployment, spec, now),
        Stage::RollingBack(rollback) => next_of_rollback(deployment, rollback, spec, now),
    }
}

/// What `event` made of `deployment`.
#[must_use]
pub fn record(
    mut deployment: Deployment,
    event: Event,
    spec: &DeploySpec,
    now: Timestamp,
) -> Deployment {
    match event {
        Event::Looked(all) => {
            let started = deployment.started;
            for (service, observed) in deployment.services.iter_mut().zip(all) {
                look(service, observed, started, now);
                give_up_rollout(service, spec, started);
                serve_early(service, spec, now);
                service.live.is_paused = approval::pauses(service, spec);
            }
            let services = &deployment.services;
            let is_held = services.iter().any(|service| is_held(service, now));
            let is_unseen =
                |service: &Service| matches!(service.live.verdict, Some(Verdict::NoNews { .. }));
            // What cannot be seen may be held still.
            if is_held || !services.iter().any(is_unseen) {
                deployment.paused = deployment.paused.looked(is_held, now);
            }
            if !is_uncertain(&deployment) {
                judge_anew(&mut deployment, spec, now);
                fail(&mut deployment, spec, now);
                give_up(&mut deployment, spec, now);
            }
        }
        Event::RollbacksAsked(answers) => {
            for (place, answer) in answers {
                rollback_answered(&mut deployment, place, answer, now);
            }
        }
        Event::Explained(place, evidence) => explained(&mut deployment, place, evidence, spec, now),
        Event::Diagnosed(place, evidence) => {
            if let Some(service) = deployment.services.get_mut(place) {
                service.failures = service
                    .failures
                    .with(&evidence.stopped, &evidence.containers);
                service.live.trouble.found(evidence, now);
                give_up_rollout(service, spec, deployment.started);
                fail(&mut deployment, spec, now);
                give_up(&mut deployment, spec, now);
            }
        }
        Event::Set(set) => return *set,
        Event::TaskLooked(_)
        | Event::TaskStopped(_)
        | Event::TaskExplained(_)
        | Event::Blocked(_) => {
            if let Some(live) = deployment.task_live() {
                record_task(live, event);
            }
        }
    }
    deployment
}

fn record_task(live: &mut TaskLive, event: Event) {
    match event {
        Event::TaskLooked(seen) => {
            live.is_ours |= matches!(seen, TaskSeen::Shown { not_ours: None, .. });
            live.blocked = None;
            // A success stays one if it cannot be seen any more.
            if !(has_succeeded(live) && is_unseen(&seen)) {
                live.seen = Some(seen);
            }
        }
        Event::TaskStopped(stop) => live.stop = stop,
        Event::TaskExplained(evidence) => live.evidence = Some(evidence),
        Event::Blocked(blocked) => live.blocked = Some(blocked),
        Event::Looked(_)
        | Event::RollbacksAsked(_)
        | Event::Explained(..)
        | Event::Diagnosed(..)
        | Event::Set(_) => {}
    }
}

fn has_succeeded(live: &TaskLive) -> bool {
    matches!(
        live.seen,
        Some(TaskSeen::Shown {
            verdict: TaskVerdict::Succeeded,
            not_ours: None,
            ..
        })
    )
}

fn is_unseen(seen: &TaskSeen) -> bool {
    match seen {
        TaskSeen::Missing | TaskSeen::Unseen { .. } => true,
        TaskSeen::Shown { .. } => false,
    }
}

fn next_of_rollout(deployment: &Deployment, spec: &DeploySpec, now: Timestamp) -> Next {
    match rollout::decide(
        &deployment.services,
        spec,
        deployment.deadline(spec, now),
        now,
    ) {
        Decision::Succeed if spec.is_to_roll_back() => Next::End(End::TooLateToRollBack(0)),
        Decision::Succeed => Next::End(End::Succeeded),
        Decision::Fail { service } => failed(deployment, service, spec, false, now),
        Decision::Late { service } => failed(deployment, service, spec, true, now),
        Decision::KeepWatching => diagnose(deployment, now),
        // `record` starts a rollback with the look that calls for it.
        Decision::RollBack { .. } => Next::Pause { may_end: true },
    }
}

/// What is due while a rollout goes on.
fn diagnose(deployment: &Deployment, now: Timestamp) -> Next {
    let mut services = deployment.services.iter();
    let troubled =
        services.position(|service| trouble::is_to_be_sought(service, deployment.started, now));
    match troubled {
        Some(place) => Next::Diagnose(place),
        None => Next::Pause { may_end: true },
    }
}

/// With `WaitFor` Serving a rollout is complete for us once all new tasks run and have all the traffic in two looks
/// running, and none has failed of late: tasks of a crash loop run, too, for a while.
fn serve_early(service: &mut Service, spec: &DeploySpec, now: Timestamp) {
    if spec.wait_for != WaitFor::Serving {
        return;
    }
    let serving = serves_all(service);
    let was_serving = std::mem::replace(&mut service.live.served_before, serving.is_some());
    let last = service.failures.until;
    let has_failed_of_late = last.is_some_and(|last| now.since(last) < FAILED_OF_LATE);
    if was_serving
        && !has_failed_of_late
        && let Some(serving) = serving
    {
        service.live.verdict = Some(serving);
    }
}

/// For so long after its answer a look may show the service as it was before the rollback.
const LATE_LOOKS: Duration = Duration::from_mins(5);

/// Since the last failed task of a rollout that is taken for serving.
const FAILED_OF_LATE: Duration = Duration::from_mins(2);

/// A rollout of which too many tasks have failed has failed, whatever ECS says of it.
fn give_up_rollout(service: &mut Service, spec: &DeploySpec, started: Timestamp) {
    if let Some(given_up) = trouble::given_up(service, spec.failure_threshold, started) {
        service.live.verdict = Some(given_up);
    }
}

fn next_of_rollback(
    deployment: &Deployment,
    rollback: &Rollback,
    spec: &DeploySpec,
    now: Timestamp,
) -> Next {
    let left: Vec<Left> = lefts(deployment, rollback, spec, now);
    let due = deployment.services.iter().zip(&left).enumerate();
    let due: Vec<(usize, Way)> = due
        .filter(|(_, (_, left))| **left == Left::Ask)
        .filter_map(|(place, (service, _))| {
            let way = rollback::way(service, deployment.started, now).ok()?;
            Some((place, way))
        })
        .collect();
    if !due.is_empty() {
        return Next::RollBack(due);
    }
    if left
        .iter()
        .any(|one| matches!(one, Left::Ask | Left::LookAgain))
    {
        // What AWS has only not the time for is not counted.
        let mut services = deployment.services.iter();
        let may_end = services.all(|service| service.live.rollback.refused() == 0);
        return Next::Pause { may_end };
    }
    // Evidence is gathered after all rollbacks were asked for.
    let failed_one = &deployment.services[rollback.failed];
    let verdict = failed_one.live.verdict.as_ref();
    let is_early =
        now < deployment.limit_from(now) + spec.timeout && verdict.is_some_and(Verdict::is_open);
    if !rollback.is_explained && !is_early && is_to_be_explained(failed_one) {
        return Next::Explain(rollback.failed);
    }
    if left.contains(&Left::Wait) {
        return Next::Pause { may_end: true };
    }
    failed(deployment, rollback.failed, spec, false, now)
}

/// The end of a deployment whose service at `place` failed, once it is known why.
fn failed(
    deployment: &Deployment,
    place: usize,
    spec: &DeploySpec,
    is_late: bool,
    now: Timestamp,
) -> Next {
    let service = &deployment.services[place];
    let is_back = matches!(service.live.verdict, Some(Verdict::RolledBack { .. }));
    if spec.is_to_roll_back() && is_back {
        return match approval::rolled_back(service) {
            RolledBack::AsAsked => Next::End(End::RolledBackAsAsked(place)),
            RolledBack::NotShown if now.since(deployment.started) < LATE_LOOKS => {
                Next::Pause { may_end: true }
            }
            RolledBack::NotShown | RolledBack::AndReplaced => Next::End(End::ReplacedSince(place)),
        };
    }
    let is_replaced = matches!(service.live.verdict, Some(Verdict::Replaced { .. }));
    let has_cause = match &deployment.stage {
        Stage::RollingBack(rollback) => !rollback.cause.is_empty(),
        Stage::PreDeploy(_) | Stage::RollingOut => false,
    };
    let is_wanted = is_to_be_explained(service)
        || (is_replaced && has_cause && service.live.evidence.is_none());
    if is_wanted {
        return Next::Explain(place);
    }
    // Others may have failed, too, for another reason.
    let others = deployment.services.iter().enumerate();
    let mut others = others.filter(|(_, other)| {
        let verdict = other.live.verdict.as_ref();
        is_to_be_explained(other) && verdict.is_some_and(|one| !one.was_set_back_since())
    });
    if let Some((other, _)) = others.next() {
        return Next::Explain(other);
    }
    Next::End(End::Failed {
        service: place,
        is_late,
    })
}

fn is_to_be_explained(service: &Service) -> bool {
    let verdict = service.live.verdict.as_ref();
    service.live.evidence.is_none() && verdict.is_some_and(Verdict::has_a_cause)
}

fn lefts(
    deployment: &Deployment,
    rollback: &Rollback,
    spec: &DeploySpec,
    now: Timestamp,
) -> Vec<Left> {
    let services = deployment.services.iter().enumerate();
    services
        .map(|(place, service)| rollback::left(place, service, rollback, spec, now))
        .collect()
}

/// Whether a PAUSE hook holds our deployment of a service, which goes on, and has not expired.
fn is_held(service: &Service, now: Timestamp) -> bool {
    let seen = service.live.look.as_ref().and_then(Look::seen);
    let own = seen.and_then(|(_, own)| own);
    let is_going_on = matches!(service.live.verdict, Some(Verdict::InProgress(_)));
    is_going_on
        && own.is_some_and(|own| {
            let mut until = own.held.iter().filter_map(|held| held.until);
            until.any(|until| now < until)
        })
}

/// Whether a look showed a service as gone for the first time: the next may show it again.
fn is_uncertain(deployment: &Deployment) -> bool {
    deployment.services.iter().any(|service| {
        service.live.was_gone && !matches!(service.live.verdict, Some(Verdict::Gone { .. }))
    })
}

fn look(service: &mut Service, observed: Observed, started: Timestamp, now: Timestamp) {
    service.ours = observed.ours;
    service.live.just_set = None;
    service.live.service_deployment = observed
        .service_deployment
        .or(service.live.service_deployment.take());
    let seen = verdict(service, &observed.look, started, now);
    if seen != Verdict::Untouched
        && let Some(progress) = progress_in(service, &observed.look)
    {
        service
            .timeline
            .add(now.since(started).as_secs(), &progress);
    }
    let live = &mut service.live;
    if let Verdict::InProgress(progress) = &seen {
        let most = &mut live.trouble.most_running;
        *most = (*most).max(progress.new_running);
    }
    let was_gone = live.was_gone;
    live.was_gone = matches!(seen, Verdict::Gone { .. });
    let seen = if let Verdict::Gone { status } = &seen
        && !was_gone
    {
        Verdict::NoNews {
            why: words::gone_once(status),
        }
    } else {
        seen
    };
    let serves = |verdict: &Verdict| matches!(verdict, Verdict::Serving { .. });
    let is_complete = live.verdict.as_ref().is_some_and(serves);
    let has_completed = serves(&seen) && !is_complete && !live.was_tried_again;
    live.was_tried_again |= has_completed && matches!(live.rollback, Attempt::GivenUp(_));
    live.rollback = std::mem::take(&mut live.rollback).looked(has_completed);
    live.verdict = Some(seen);
    live.look = Some(observed.look);
}

/// A rollback that this job wanted and that AWS has not accepted has not started. It keeps its time as
/// long as it is due.
fn judge_anew(deployment: &mut Deployment, spec: &DeploySpec, now: Timestamp) {
    let Stage::RollingBack(rollback) = &deployment.stage else {
        return;
    };
    let services = &deployment.services;
    let has_started =
        |service: &Service| service.live.may_be_asked || service.live.rollback.was_asked();
    let is_given_up = services[rollback.failed].given_up().is_some();
    if rollback.owner == Owner::Ecs || is_given_up || services.iter().any(has_started) {
        return;
    }
    match rollout::decide(services, spec, deployment.deadline(spec, now), now) {
        Decision::RollBack { .. } => {}
        Decision::KeepWatching
        | Decision::Succeed
        | Decision::Fail { .. }
        | Decision::Late { .. } => deployment.stage = Stage::RollingOut,
    }
}

/// Starts the rollback of a rollout of which one service failed.
fn fail(deployment: &mut Deployment, spec: &DeploySpec, now: Timestamp) {
    if deployment.stage != Stage::RollingOut {
        return;
    }
    let decision = rollout::decide(
        &deployment.services,
        spec,
        deployment.deadline(spec, now),
        now,
    );
    if let Decision::RollBack { failed, owner } = decision {
        let service = &deployment.services[failed];
        let verdict = service.live.verdict.as_ref();
        let cause = if !spec.is_to_roll_back() && verdict.is_some_and(Verdict::has_a_cause) {
            words::cause(service, spec, deployment.deadline(spec, now), now)
        } else {
            String::new()
        };
        deployment.stage = Stage::RollingBack(Rollback {
            owner,
            since: now,
            failed,
            cause,
            // What was asked for needs no explanation.
            is_explained: spec.is_to_roll_back(),
        });
    }
}

/// What is due to be rolled back and cannot be is given up, or waits for another look.
fn give_up(deployment: &mut Deployment, spec: &DeploySpec, now: Timestamp) {
    let Stage::RollingBack(rollback) = &deployment.stage else {
        return;
    };
    let left = lefts(deployment, rollback, spec, now);
    for (service, left) in deployment.services.iter_mut().zip(left) {
        if left == Left::Ask
            && let Err(attempt) = rollback::way(service, deployment.started, now)
        {
            service.live.rollback = attempt;
        }
    }
    note_given_up(deployment);
}

fn rollback_answered(deployment: &mut Deployment, place: usize, answer: Answer, now: Timestamp) {
    let Some(service) = deployment.services.get_mut(place) else {
        return;
    };
    service.live.may_be_asked |= matches!(answer, Answer::Lost(_));
    service.live.rollback = service.live.rollback.answered(answer);
    let is_asked = service.live.rollback == Attempt::Asked;
    if let Stage::RollingBack(rollback) = &mut deployment.stage
        && rollback.failed == place
        && is_asked
        && rollback.owner == Owner::Ecs
    {
        // ECS has not started the rollback: from here on it is this job's, with its own time.
        rollback.owner = Owner::Job;
        rollback.since = now;
    }
    note_given_up(deployment);
}

fn explained(
    deployment: &mut Deployment,
    place: usize,
    evidence: Evidence,
    spec: &DeploySpec,
    now: Timestamp,
) {
    let deadline = deployment.deadline(spec, now);
    let Some(service) = deployment.services.get_mut(place) else {
        return;
    };
    service.live.evidence = Some(evidence);
    if let Stage::RollingBack(rollback) = &mut deployment.stage
        && rollback.failed == place
        && !rollback.is_explained
    {
        rollback.cause = words::cause(service, spec, deadline, now);
        rollback.is_explained = true;
    }
    note_given_up(deployment);
}

/// A rollback that was given up while others go on is remembered with the cause: the token says nothing
/// else of it.
fn note_given_up(deployment: &mut Deployment) {
    let Stage::RollingBack(rollback) = &mut deployment.stage else {
        return;
    };
    let has_others = deployment
        .services
        .iter()
        .enumerate()
        .any(|(place, service)| place != rollback.failed && service.is_touched());
    if has_others
        && !rollback.cause.is_empty()
        && let Some(why) = deployment.services[rollback.failed].given_up()
    {
        rollback.cause = words::with_given_up(&rollback.cause, why);
    }
}

fn next_of_task(deployment: &Deployment, task: &Task, spec: &DeploySpec, now: Timestamp) -> Next {
    let Some(asked) = &spec.pre_deploy else {
        return Next::End(End::TaskFailed(TaskEnd::NotAsked));
    };
    let live = &task.live;
    let Some(seen) = &live.seen else {
        return Next::Look;
    };
    let deadline = deployment.started + asked.timeout;
    if let Some(blocked) = &live.blocked {
        return if blocked.may_pass && now < deadline + ROLLBACK_ALLOWANCE {
            Next::Pause { may_end: true }
        } else {
            Next::End(End::TaskFailed(TaskEnd::Blocked(blocked.failure.clone())))
        };
    }
    match seen {
        TaskSeen::Shown {
            not_ours: Some(why),
            ..
        } => Next::End(End::TaskFailed(TaskEnd::NotOurs(why.clone()))),
        TaskSeen::Shown {
            verdict, is_over, ..
        } => match verdict {
            TaskVerdict::Succeeded | TaskVerdict::Failed
                if !is_over && live.stop == Stop::NotAsked =>
            {
                Next::StopTask(StopReason::Finished)
            }
            TaskVerdict::Succeeded => Next::SetServices,
            TaskVerdict::Failed if live.evidence.is_none() => Next::ExplainTask,
            TaskVerdict::Failed => Next::End(End::TaskFailed(TaskEnd::Failed)),
            TaskVerdict::Running => running(live, now >= deadline, None),
        },
        // It may not be shown yet.
        TaskSeen::Missing if now.since(deployment.started) < CONSISTENCY_GRACE => {
            running(live, now >= deadline, Some(words::TASK_NOT_SHOWN))
        }
        TaskSeen::Missing => Next::End(End::TaskFailed(TaskEnd::Gone)),
        // DescribeTasks is denied, so no look will show how it exits. It is not stopped: it may be
        // half-way through what it does.
        TaskSeen::Unseen {
            why,
            may_pass: false,
        } => Next::End(End::TaskFailed(TaskEnd::Unseen {
            why: why.clone(),
            asked_to_stop: false,
        })),
        TaskSeen::Unseen {
            why,
            may_pass: true,
        } => running(live, now >= deadline, Some(why)),
    }
}

/// What is due for a task that runs, or may run: `unseen` says why that is not known.
fn running(live: &TaskLive, is_late: bool, unseen: Option<&str>) -> Next {
    if !is_late {
        return Next::Pause { may_end: true };
    }
    let asked_to_stop = live.stop != Stop::NotAsked;
    match unseen {
        // Only the token says that it is this job's task, and a token is input.
        _ if !live.is_ours => Next::End(End::TaskFailed(TaskEnd::Unseen {
            why: unseen.unwrap_or(words::TASK_NOT_SHOWN).to_owned(),
            asked_to_stop: false,
        })),
        _ if !asked_to_stop => Next::StopTask(StopReason::Late),
        Some(why) => Next::End(End::TaskFailed(TaskEnd::Unseen {
            why: why.to_owned(),
            asked_to_stop,
        })),
        None if live.evidence.is_none() => Next::ExplainTask,
        None => Next::End(End::TaskFailed(TaskEnd::Late {
            not_stopped: match &live.stop {
                Stop::Refused(why) => Some(why.clone()),
                Stop::NotAsked | Stop::Asked => None,
            },
        })),
    }
}

/// How far an invocation has come, recorded as it goes: the handler answers for one that was cut off
/// by it.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Checkpoint {
    /// Nothing has been changed.
    #[default]
    Unchanged,
    /// Nothing has been changed, and the start may be tried again.
    Waiting(Waiting),
    /// Something has been or may have been changed, and it is not known what came of it.
    Changing,
    /// Where a later invocation can go on.
    At(Box<Deployment>),
}

/// Why an invocation did not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// A defect of this program.
    Panic,
    /// The function's time limit.
    TimeLimit,
}

/// What is due after an invocation that was cut off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AfterCut<'a> {
    /// The next invocation tries the start again.
    Wait(&'a Waiting),
    /// The next invocation looks on.
    HandBack(&'a Deployment),
    /// A failure: the deployment could not be looked at until it should long have been over, and must
    /// not go on for ever.
    OutOfSight(&'a Deployment),
    /// A failure: nothing was changed, or it is not known what was, or what panicked once would panic
    /// again.
    Fail,
}

/// What is due after `cut`, at the last `checkpoint`.
pub fn cut_off<'a>(
    checkpoint: &'a Checkpoint,
    cut: Cut,
    spec: &DeploySpec,
    now: Timestamp,
) -> AfterCut<'a> {
    match (checkpoint, cut) {
        (Checkpoint::At(deployment), Cut::TimeLimit) if now < last_look(deployment, spec, now) => {
            AfterCut::HandBack(deployment)
        }
        (Checkpoint::At(deployment), Cut::TimeLimit) => AfterCut::OutOfSight(deployment),
        (Checkpoint::Waiting(waiting), Cut::TimeLimit) if now < waiting.since + spec.timeout => {
            AfterCut::Wait(waiting)
        }
        (Checkpoint::At(_), Cut::Panic)
        | (
            Checkpoint::Unchanged | Checkpoint::Waiting(_) | Checkpoint::Changing,
            Cut::Panic | Cut::TimeLimit,
        ) => AfterCut::Fail,
    }
}

/// When even the rollback should be over.
fn last_look(deployment: &Deployment, spec: &DeploySpec, now: Timestamp) -> Timestamp {
    let limit = match (&deployment.stage, &spec.pre_deploy) {
        (Stage::PreDeploy(_), Some(PreDeployTask { timeout, .. })) => deployment.started + *timeout,
        (Stage::PreDeploy(_), None) | (Stage::RollingOut, _) => deployment.deadline(spec, now),
        (Stage::RollingBack(rollback), _) => rollback.since,
    };
    limit + ROLLBACK_ALLOWANCE
}

#[cfg(test)]
mod tests;
