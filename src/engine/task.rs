//! A task that runs once, before the deployment or after it: started once, looked at, stopped, explained.

use super::Run;
use super::once::{self, Attempt, Looked};
use crate::aws::ecs::{Ran, RunSettings, TaskDescribed, TaskToRun};
use crate::deploy::call::CallError;
use crate::deploy::deployment::{Deployment, Stage, Stop, Task, TaskSeen};
use crate::deploy::evidence::Evidence;
use crate::deploy::machine::Event;
use crate::deploy::spec::{StandaloneTask, When};
use crate::deploy::task::{self, NotPlaced, StopReason};
use crate::deploy::text;
use crate::deploy::time::human;

/// What ECS takes of each
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>).
const CLIENT_TOKEN_LIMIT: usize = 64;
const STARTED_BY_LIMIT: usize = 128;

/// What a task is started with.
pub(super) struct ToRun<'a> {
    /// What the user asks for.
    pub(super) asked: &'a StandaloneTask,
    /// The service whose network and settings it takes: a place among the services.
    pub(super) service: usize,
    /// Those settings.
    pub(super) settings: &'a RunSettings,
    /// The volumes of its revision that are configured at launch.
    pub(super) volumes: Vec<String>,
}

/// Whose a task is.
pub(super) struct OfJob<'a> {
    /// The job that has started the deployment.
    pub(super) job: &'a str,
    /// When the task runs.
    pub(super) when: When,
    /// The cluster that it runs on.
    pub(super) cluster: &'a str,
    /// The ARN of its revision.
    pub(super) own: &'a str,
}

/// Why no task was run.
pub(super) enum NotRun {
    /// AWS's answer.
    Call(CallError),
    /// ECS had no capacity for it.
    NotPlaced(Vec<String>),
}

impl Run<'_> {
    /// Runs the task. That before the deployment is tried again as long as ECS lacks the capacity for it; while that
    /// after it waits, its services are looked at.
    ///
    /// # Replay
    /// ECS runs one task for a job and a time, however often it is asked: all attempts have one client token.
    pub(super) async fn run_task(
        &self,
        task: &ToRun<'_>,
        of: OfJob<'_>,
    ) -> Result<String, once::NotMade<NotRun>> {
        let OfJob {
            job,
            when,
            cluster,
            own,
        } = of;
        let (client_token, started_by) = (client_token(job, when), started_by(job, when));
        let attempt = || async {
            let ran = self
                .ecs
                .run_task(TaskToRun {
                    cluster,
                    task_definition: own,
                    settings: task.settings,
                    asked: task.asked,
                    when,
                    client_token: &client_token,
                    started_by: &started_by,
                    volumes: &task.volumes,
                })
                .await;
            match ran {
                Ok(Ran::Task(arn)) => Attempt::Made(arn),
                Ok(Ran::NotPlaced(reasons)) => not_placed(job, when, reasons),
                // The account's quota of Fargate tasks is an error, and its capacity comes back, too.
                Err(error) if NotPlaced::is_quota(&error.detail) => {
                    not_placed(job, when, vec![error.detail])
                }
                Err(error) => Attempt::failed(error.class, NotRun::Call(error)),
            }
        };
        // The same request shows what an earlier one has made.
        let look = || async { Looked::NotMade };
        once::make(self.patience(), once::Look::IfUnknown, attempt, look).await
    }

    /// One look at the task.
    pub(super) async fn look_at_task(&self, deployment: &Deployment, task: &Task) -> TaskSeen {
        let cluster = &deployment.services[task.service].target.cluster;
        let when = when_in(&deployment.stage);
        let container = self.spec.task(when).map(|asked| &asked.container);
        let seen = match self.ecs.describe_task(cluster, &task.id).await {
            Ok(Some(shown)) => TaskSeen::Shown {
                verdict: task::verdict(
                    &shown.status,
                    &shown.end,
                    container.map_or("", String::as_str),
                ),
                is_over: shown.status == task::STOPPED,
                not_ours: not_started_by(deployment, task, when, &shown),
                end: shown.end,
            },
            Ok(None) => TaskSeen::Missing,
            Err(error) => {
                let why = self.text(&error);
                self.warn(format!("{when} could not be seen: {why}"));
                TaskSeen::Unseen {
                    why,
                    may_pass: !error.is_denial(),
                }
            }
        };
        let verdict = match &seen {
            TaskSeen::Shown { verdict, .. } => verdict.name(),
            TaskSeen::Missing => "Missing",
            TaskSeen::Unseen { .. } => "Unseen",
        };
        tracing::info!(
            job = self.job,
            task = task.id,
            verdict,
            "looked at the task"
        );
        seen
    }

    /// Asks ECS to stop the task.
    ///
    /// # Replay
    /// A task that is stopped twice is stopped.
    pub(super) async fn stop_task(
        &self,
        deployment: &Deployment,
        task: &Task,
        reason: StopReason,
    ) -> Event {
        let cluster = &deployment.services[task.service].target.cluster;
        let when = when_in(&deployment.stage);
        let limit = self.spec.task(when).map(|asked| human(asked.timeout));
        let text = match reason {
            StopReason::Finished => {
                "ecs-deploy-action: the container that was waited for has exited".to_owned()
            }
            StopReason::Late => format!(
                "ecs-deploy-action: not complete within {}",
                limit.unwrap_or_default()
            ),
            StopReason::InVain => {
                "ecs-deploy-action: the deployment that it is about has failed".to_owned()
            }
        };
        let error = match self.ecs.stop_task(cluster, &task.id, &text).await {
            Ok(()) => return Event::TaskStopped(Stop::Asked),
            Err(error) => error,
        };
        let why = self.text(&error);
        match reason {
            StopReason::Finished => self.warn(format!(
                "the other containers of {when} may still run: {why}"
            )),
            StopReason::InVain => self.warn(format!("{when} may still run: {why}")),
            StopReason::Late => {}
        }
        Event::TaskStopped(Stop::Refused(why))
    }

    /// Gathers the evidence of why the task failed.
    pub(super) async fn explain_task(&self, deployment: &Deployment, task: &Task) -> Event {
        let mut evidence = Evidence::default();
        let seen = match &task.live.seen {
            Some(seen) => seen.clone(),
            // It failed in an earlier invocation.
            None => self.look_at_task(deployment, task).await,
        };
        let asked = self.spec.task(when_in(&deployment.stage));
        if let (TaskSeen::Shown { end, .. }, Some(asked)) = (&seen, asked) {
            evidence.stopped = vec![task::end_of(end, &asked.container)];
            let own_arn = deployment.services[task.service].own_arn();
            self.explain_tasks(&mut evidence, &own_arn).await;
        }
        Event::TaskExplained(evidence)
    }
}

/// When the task runs that the stage is about.
fn when_in(stage: &Stage) -> When {
    match stage {
        Stage::PreDeploy(_) => When::Before,
        Stage::RollingOut | Stage::PostDeploy(_) | Stage::RollingBack(_) => When::After,
    }
}

fn not_placed(job: &str, when: When, reasons: Vec<String>) -> Attempt<String, NotRun> {
    if when == When::Before && NotPlaced::of(&reasons).may_pass() {
        tracing::info!(job, ?reasons, "no room for the task yet");
        Attempt::NoRoom(NotRun::NotPlaced(reasons))
    } else {
        Attempt::Never(NotRun::NotPlaced(reasons))
    }
}

/// What the names of the task after the deployment end with: it is another task than the one before it.
fn end_of(when: When) -> &'static str {
    match when {
        When::Before => "",
        When::After => "/post",
    }
}

/// A job's id as it is, if it fits; else its hash.
fn client_token(job: &str, when: When) -> String {
    let end = end_of(when);
    if job.len() + end.len() <= CLIENT_TOKEN_LIMIT && job.is_ascii() {
        format!("{job}{end}")
    } else {
        format!("{}{end}", text::short_hash([job]))
    }
}

pub(super) fn started_by(job: &str, when: When) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let end = end_of(when);
    let room = STARTED_BY_LIMIT - end.len();
    let job: String = job.chars().filter(|c| allowed(*c)).collect();
    let begin: String = format!("ecs-deploy-action/{job}")
        .chars()
        .take(room)
        .collect();
    begin + end
}

/// Why the task that the token names is none that its job started for the revision that it names,
/// if it is not.
fn not_started_by(
    deployment: &Deployment,
    task: &Task,
    when: When,
    shown: &TaskDescribed,
) -> Option<String> {
    let revision = &deployment.services[task.service].revision;
    let is_started_by_job = shown.started_by == started_by(&deployment.job, when);
    (!revision.is_named_by(&shown.task_definition) || !is_started_by_job).then(|| {
        format!(
            "the task {} that the continuation token names was not started by the token's job on {revision} (ECS shows that it runs {}, started by {})",
            shown.end.id,
            text::last_part(&shown.task_definition),
            if shown.started_by.is_empty() {
                "nobody named"
            } else {
                &shown.started_by
            }
        )
    })
}
