//! The machine: what is due, and what that made of the deployment. Every transition is here.
//!
//! | stage | event | becomes |
//! |---|---|---|
//! | `PreDeploy` | the task has succeeded | the services are set: `RollingOut`, or `RollingBack` if not all of them could be |
//! | `PreDeploy` | the task has failed, is gone, late, cannot be seen, or is not ours | the end, a failure |
//! | `PreDeploy` | what must be seen before a service is set cannot be seen | `PreDeploy`, for half an hour past its limit |
//! | `RollingOut` | all services serve our revision | the end, a success; `PostDeploy` if a task is to come after it |
//! | `RollingOut` | one failed, or is rolled back, and there is something to roll back or to follow | `RollingBack` |
//! | `RollingOut` | too many of its tasks have failed | as if ECS had said that it failed |
//! | `RollingOut` | one failed, and nothing is to be rolled back | the end, a failure |
//! | `RollingOut` | the time limit, and something is to be put right | `RollingBack` |
//! | `RollingOut` | the time limit otherwise | the end, a failure |
//! | `PostDeploy` | the task has succeeded, and in the same look all services serve | the end, a success |
//! | `PostDeploy` | the task has failed, is gone, late, cannot be seen or cannot be started | `RollingBack`; the end, a failure, if nothing is to be rolled back |
//! | `PostDeploy` | a service does not serve any more | as in `RollingOut`, once the task is stopped |
//! | `RollingBack` | AWS accepted nothing that was asked for | `RollingOut`: judged again, because it may have completed |
//! | `RollingBack` | the same after the task has failed | the same: nothing makes that good |
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
    Attempt, Blocked, Deployment, NotRun, Ours, Owner, PostDeploy, PostRun, Rollback, Service,
    Stage, Stop, Task, TaskLive, TaskSeen,
};
use super::evidence::Evidence;
use super::judge::{progress_in, serves_all, verdict};
use super::rollback::{self, Answer, Left, ROLLBACK_ALLOWANCE, Way};
use super::rollout::{self, Decision};
use super::seen::Look;
use super::spec::{DeploySpec, StandaloneTask, WaitFor, When};
use super::task::{self, Due, StopReason, TaskEnd};
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
    /// All services were looked at, in their order, and the task after the deployment, if it was started.
    LookedAfter(Vec<Observed>, Option<TaskSeen>),
    /// The task after the deployment was started.
    TaskStarted {
        /// Its id.
        id: String,
        /// The service that it took its network from: a place among the services.
        service: usize,
    },
    /// It was not.
    TaskNotRun(NotRun),
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
    /// To look: at the services, or at the task before the deployment, or at both.
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
    /// To start the task after the deployment.
    RunTask,
    /// To ask ECS to stop the task that the stage is about.
    StopTask(StopReason),
    /// To gather the evidence of why that task failed.
    ExplainTask,
    /// To set the services: the task before the deployment has succeeded.
    SetServices,
    /// To answer.
    End(End),
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
    /// The task before the deployment did not succeed, or the one after it cannot be judged.
    TaskFailed(TaskEnd),
}

/// What is due for `deployment`.
pub fn next(deployment: &Deployment, spec: &DeploySpec, now: Timestamp) -> Next {
    match &deployment.stage {
        Stage::PreDeploy(task) => next_of_task(deployment, task, spec, now),
        Stage::RollingOut | Stage::PostDeploy(_) | Stage::RollingBack(_)
            if deployment
                .services
                .iter()
                .any(|one| one.live.verdict.is_none()) =>
        {
            Next::Look
        }
        Stage::RollingOut | Stage::PostDeploy(_) | Stage::RollingBack(_)
            if is_uncertain(deployment) =>
        {
            Next::Pause { may_end: false }
        }
        Stage::RollingOut => next_of_rollout(deployment, spec, now),
        Stage::PostDeploy(post) => next_of_post(deployment, post, spec, now),
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
        Event::Looked(all) => services_looked(&mut deployment, all, spec, now),
        Event::LookedAfter(all, seen) => {
            match (deployment.task_live(), seen) {
                (Some(live), Some(seen)) => record_task(live, Event::TaskLooked(seen)),
                // It may be tried again.
                (Some(_) | None, _) => post_refused(&mut deployment, None),
            }
            services_looked(&mut deployment, all, spec, now);
        }
        Event::TaskStarted { id, service } => {
            if let Stage::PostDeploy(post) = &mut deployment.stage {
                post.run = PostRun::Started(Box::new(Task {
                    id,
                    service,
                    live: TaskLive {
                        is_ours: true,
                        ..TaskLive::default()
                    },
                }));
            }
        }
        Event::TaskNotRun(not_run) => {
            post_refused(&mut deployment, Some(not_run));
            fail_after(&mut deployment, spec, now);
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
            if let Event::TaskExplained(evidence) = &event {
                explain_rollback(&mut deployment, evidence, spec);
            }
            if let Some(live) = deployment.task_live() {
                record_task(live, event);
            }
            fail_after(&mut deployment, spec, now);
        }
    }
    deployment
}

fn services_looked(
    deployment: &mut Deployment,
    all: Vec<Observed>,
    spec: &DeploySpec,
    now: Timestamp,
) {
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
    if !is_uncertain(deployment) {
        judge_anew(deployment, spec, now);
        serve(deployment, spec, now);
        fail(deployment, spec, now);
        fail_after(deployment, spec, now);
        give_up(deployment, spec, now);
    }
}

/// All services serve, and a task comes after that.
fn serve(deployment: &mut Deployment, spec: &DeploySpec, now: Timestamp) {
    if deployment.stage != Stage::RollingOut || !has_task_after(deployment, spec) {
        return;
    }
    let deadline = deployment.deadline(spec, now);
    if rollout::decide(&deployment.services, spec, deadline, now) == Decision::Succeed {
        deployment.stage = Stage::PostDeploy(Box::new(PostDeploy {
            since: now,
            run: PostRun::Due { refused: None },
        }));
    }
}

/// What waits at a PAUSE hook does not serve yet.
fn has_task_after(deployment: &Deployment, spec: &DeploySpec) -> bool {
    spec.post_deploy.is_some() && !spec.is_to_roll_back() && !approval::is_paused(deployment)
}

/// Notes why the task after the deployment could not be started.
fn post_refused(deployment: &mut Deployment, refused: Option<NotRun>) {
    if let Stage::PostDeploy(post) = &mut deployment.stage
        && let PostRun::Due { .. } = post.run
    {
        post.run = PostRun::Due { refused };
    }
}

/// Why the task failed, once that is known, is why its deployment is rolled back.
fn explain_rollback(deployment: &mut Deployment, evidence: &Evidence, spec: &DeploySpec) {
    if let Stage::RollingBack(rollback) = &mut deployment.stage
        && rollback.post.is_some()
        && !rollback.is_explained
    {
        // What could not be looked at explains nothing.
        if !evidence.stopped.is_empty() {
            rollback.cause = task::sentence(When::After, spec, &TaskEnd::Failed, evidence);
        }
        rollback.is_explained = true;
    }
}

/// What is due for the task after the deployment.
enum PostDue {
    /// To start it.
    Start,
    /// What is due for one that was started, or could not be.
    Task(Due),
}

fn post_due(post: &PostDeploy, asked: &StandaloneTask, now: Timestamp) -> PostDue {
    let is_late = now >= post.since + asked.timeout;
    match &post.run {
        PostRun::Started(task) => PostDue::Task(task::due(&task.live, asked, post.since, now)),
        PostRun::Due { refused: None } => PostDue::Start,
        PostRun::Due {
            refused: Some(refused),
        } if refused.may_pass && !is_late => PostDue::Task(Due::Wait),
        PostRun::Due {
            refused: Some(refused),
        } => PostDue::Task(Due::Ended(TaskEnd::NotStarted(refused.why.clone()))),
    }
}

/// What its services call for while the task runs after them. Their own time was not up when they served; what cannot
/// be seen of them is waited for until long after the task's.
fn decided_after(
    deployment: &Deployment,
    post: &PostDeploy,
    asked: &StandaloneTask,
    spec: &DeploySpec,
    now: Timestamp,
) -> Decision {
    let deadline = post.since + asked.timeout + ROLLBACK_ALLOWANCE;
    rollout::decide(&deployment.services, spec, deadline, now)
}

/// Starts the rollback of a deployment whose task after it has failed, or one of whose services does not serve any more.
fn fail_after(deployment: &mut Deployment, spec: &DeploySpec, now: Timestamp) {
    let (Stage::PostDeploy(post), Some(asked)) = (&deployment.stage, &spec.post_deploy) else {
        return;
    };
    let post = post.clone();
    match decided_after(deployment, &post, asked, spec, now) {
        // Its task is stopped first.
        Decision::RollBack { .. } if post.task().is_some_and(|task| task::may_run(&task.live)) => {}
        Decision::RollBack { failed, owner } => {
            start_rollback(deployment, failed, owner, spec, now);
        }
        Decision::Fail { .. } | Decision::Late { .. } => {}
        Decision::Succeed | Decision::KeepWatching => {
            let PostDue::Task(Due::Ended(end)) = post_due(&post, asked, now) else {
                return;
            };
            if spec.rollback && is_failure(&end) {
                deployment.stage = Stage::RollingBack(Rollback {
                    owner: Owner::Job,
                    since: now,
                    failed: post.service(),
                    cause: task::sentence(When::After, spec, &end, &evidence_of(&post, asked)),
                    is_explained: end != TaskEnd::Failed,
                    post: Some(post),
                });
            }
        }
    }
}

/// Whether the deployment has failed with its task: not where the task cannot be judged.
fn is_failure(end: &TaskEnd) -> bool {
    match end {
        TaskEnd::NotAsked | TaskEnd::NotOurs(_) => false,
        TaskEnd::Failed
        | TaskEnd::Late { .. }
        | TaskEnd::Gone
        | TaskEnd::Unseen { .. }
        | TaskEnd::Blocked(_)
        | TaskEnd::NotStarted(_) => true,
    }
}

/// What the look at the task has shown, or what was gathered.
fn evidence_of(post: &PostDeploy, asked: &StandaloneTask) -> Evidence {
    let live = post.task().map(|task| &task.live);
    match live {
        Some(TaskLive {
            evidence: Some(evidence),
            ..
        }) => evidence.clone(),
        Some(TaskLive {
            seen: Some(TaskSeen::Shown { end, .. }),
            ..
        }) => Evidence {
            stopped: vec![task::end_of(end, &asked.container)],
            ..Evidence::default()
        },
        Some(_) | None => Evidence::default(),
    }
}

fn next_of_post(
    deployment: &Deployment,
    post: &PostDeploy,
    spec: &DeploySpec,
    now: Timestamp,
) -> Next {
    let Some(asked) = &spec.post_deploy else {
        return Next::End(End::TaskFailed(TaskEnd::NotAsked));
    };
    let runs_in_vain = post.task().is_some_and(|task| task::may_run(&task.live));
    let is_late = |decision| matches!(decision, Decision::Late { .. });
    let decision = decided_after(deployment, post, asked, spec, now);
    match decision {
        Decision::Fail { .. } | Decision::Late { .. } | Decision::RollBack { .. }
            if runs_in_vain =>
        {
            return Next::StopTask(StopReason::InVain);
        }
        Decision::Fail { service } | Decision::Late { service } => {
            return failed(deployment, service, spec, is_late(decision), now);
        }
        // `record` starts it with the look that calls for it.
        Decision::RollBack { .. } => return Next::Pause { may_end: true },
        Decision::Succeed | Decision::KeepWatching => {}
    }
    let all_serve = decision == Decision::Succeed;
    match post_due(post, asked, now) {
        PostDue::Start if all_serve => Next::RunTask,
        PostDue::Task(Due::Succeeded) if all_serve => Next::End(End::Succeeded),
        PostDue::Start | PostDue::Task(Due::Succeeded | Due::Wait) => Next::Pause { may_end: true },
        PostDue::Task(Due::Look) => Next::Look,
        PostDue::Task(Due::Stop(reason)) => Next::StopTask(reason),
        PostDue::Task(Due::Ended(end)) if !is_failure(&end) => Next::End(End::TaskFailed(end)),
        PostDue::Task(Due::Ended(end)) => {
            let evidence = post.task().and_then(|task| task.live.evidence.as_ref());
            if end.is_explained() && evidence.is_none() {
                Next::ExplainTask
            } else {
                Next::End(End::Failed {
                    service: post.service(),
                    is_late: false,
                })
            }
        }
    }
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
        | Event::LookedAfter(..)
        | Event::TaskStarted { .. }
        | Event::TaskNotRun(_)
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
        // The look that shows it leads on to the task.
        Decision::Succeed if has_task_after(deployment, spec) => Next::Look,
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
    // Evidence is gathered after all rollbacks were asked for. Of a task that was never started there is none.
    let has_run = rollback
        .post
        .as_ref()
        .is_some_and(|post| post.task().is_some());
    if has_run && !rollback.is_explained {
        return Next::ExplainTask;
    }
    let failed_one = &deployment.services[rollback.failed];
    let verdict = failed_one.live.verdict.as_ref();
    let is_early =
        now < deployment.limit_from(now) + spec.timeout && verdict.is_some_and(Verdict::is_open);
    let is_service = rollback.post.is_none();
    if is_service && !rollback.is_explained && !is_early && is_to_be_explained(failed_one) {
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
        // Of a task that failed its own end is the evidence.
        Stage::RollingBack(rollback) if rollback.post.is_some() => {
            let task = deployment.task();
            return match task {
                Some(task) if task.live.evidence.is_none() => Next::ExplainTask,
                Some(_) | None => Next::End(End::Failed {
                    service: place,
                    is_late,
                }),
            };
        }
        Stage::RollingBack(rollback) => !rollback.cause.is_empty(),
        Stage::PreDeploy(_) | Stage::RollingOut | Stage::PostDeploy(_) => false,
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
        .map(|(place, service)| {
            let until = rollback::until(service, rollback, deployment);
            rollback::left(place, service, rollback, spec, until, now)
        })
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
    // Nothing makes good that the task has failed.
    let of_task = rollback.post.is_some();
    if of_task || rollback.owner == Owner::Ecs || is_given_up || services.iter().any(has_started) {
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
        start_rollback(deployment, failed, owner, spec, now);
    }
}

/// The service at the place `failed` is why all are rolled back.
fn start_rollback(
    deployment: &mut Deployment,
    failed: usize,
    owner: Owner,
    spec: &DeploySpec,
    now: Timestamp,
) {
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
        post: None,
    });
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
    if live.seen.is_none() {
        return Next::Look;
    }
    if let Some(blocked) = &live.blocked {
        let deadline = deployment.started + asked.timeout;
        return if blocked.may_pass && now < deadline + ROLLBACK_ALLOWANCE {
            Next::Pause { may_end: true }
        } else {
            Next::End(End::TaskFailed(TaskEnd::Blocked(blocked.failure.clone())))
        };
    }
    match task::due(live, asked, deployment.started, now) {
        Due::Look => Next::Look,
        Due::Wait => Next::Pause { may_end: true },
        Due::Stop(reason) => Next::StopTask(reason),
        Due::Succeeded => Next::SetServices,
        Due::Ended(end) if end.is_explained() && live.evidence.is_none() => Next::ExplainTask,
        Due::Ended(end) => Next::End(End::TaskFailed(end)),
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
        (Stage::PreDeploy(_), Some(StandaloneTask { timeout, .. })) => {
            deployment.started + *timeout
        }
        (Stage::PostDeploy(post), _) => {
            let asked = spec.post_deploy.as_ref();
            post.since + asked.map_or(Duration::ZERO, |asked| asked.timeout)
        }
        (Stage::PreDeploy(_), None) | (Stage::RollingOut, _) => deployment.deadline(spec, now),
        (Stage::RollingBack(rollback), _) => {
            let services = deployment.services.iter();
            let until = services.map(|one| rollback::until(one, rollback, deployment));
            return until.max().unwrap_or(rollback.since);
        }
    };
    limit + ROLLBACK_ALLOWANCE
}

#[cfg(test)]
mod tests;
