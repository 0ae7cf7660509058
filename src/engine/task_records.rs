//! What the record says of tasks that were run by themselves.

use super::Run;
use crate::deploy::deployment::{Deployment, PostDeploy, PostRun, Stage, Task, TaskSeen};
use crate::deploy::evidence::StoppedTask;
use crate::deploy::spec::When;
use crate::deploy::task::{self, Due, TaskEnd};
use crate::deploy::time::Timestamp;
use crate::record::{TaskOutcome, TaskRecord};

impl Run<'_> {
    /// The tasks of a deployment whose services were set: a token keeps nothing of the one before that but that it has
    /// succeeded.
    pub(super) fn task_records(&self, deployment: &Deployment, now: Timestamp) -> Vec<TaskRecord> {
        let before = self.spec.pre_deploy.as_ref();
        let before = before.map(|asked| TaskRecord {
            when: When::Before,
            container: asked.container.clone(),
            task: None,
            started: None,
            ended: None,
            end: TaskOutcome::Succeeded,
            exit_code: Some(0),
            reason: None,
        });
        let after = match &deployment.stage {
            Stage::PostDeploy(post) => self.record_after(post, now),
            Stage::RollingBack(rollback) => {
                let post = rollback.post.as_ref();
                post.and_then(|post| self.record_after(post, now))
            }
            Stage::PreDeploy(_) | Stage::RollingOut => None,
        };
        before.into_iter().chain(after).collect()
    }

    /// The task before the deployment, which has come to this `end`.
    pub(super) fn record_before(&self, deployment: &Deployment, end: &TaskEnd) -> Vec<TaskRecord> {
        let Stage::PreDeploy(task) = &deployment.stage else {
            return Vec::new();
        };
        let started = deployment.started;
        vec![self.record_of(task, When::Before, started, outcome(end))]
    }

    fn record_after(&self, post: &PostDeploy, now: Timestamp) -> Option<TaskRecord> {
        let asked = self.spec.post_deploy.as_ref()?;
        let task = match &post.run {
            PostRun::Started(task) => task,
            PostRun::Due { .. } => {
                return Some(TaskRecord {
                    when: When::After,
                    container: asked.container.clone(),
                    task: None,
                    started: None,
                    ended: None,
                    end: TaskOutcome::NotStarted,
                    exit_code: None,
                    reason: None,
                });
            }
        };
        let end = match task::due(&task.live, asked, post.since, now) {
            Due::Succeeded => TaskOutcome::Succeeded,
            Due::Ended(end) => outcome(&end),
            // An earlier invocation has seen how it ended, and this one what it looks like now.
            Due::Look if task.live.evidence.is_some() => TaskOutcome::Failed,
            Due::Look | Due::Wait | Due::Stop(_) => TaskOutcome::Unseen,
        };
        Some(self.record_of(task, When::After, post.since, end))
    }

    fn record_of(
        &self,
        task: &Task,
        when: When,
        started: Timestamp,
        end: TaskOutcome,
    ) -> TaskRecord {
        let asked = self.spec.task(when);
        let container = asked.map_or("", |asked| &asked.container);
        let shown: Option<StoppedTask> = match &task.live.seen {
            Some(TaskSeen::Shown { end, .. }) => Some(task::end_of(end, container)),
            Some(TaskSeen::Missing | TaskSeen::Unseen { .. }) | None => {
                let evidence = task.live.evidence.as_ref();
                evidence.and_then(|evidence| evidence.stopped.first().cloned())
            }
        };
        let shown = shown.as_ref();
        let mut containers = shown.into_iter().flat_map(|shown| &shown.containers);
        let reason = shown.map(|shown| shown.stop_text(&[]));
        TaskRecord {
            when,
            container: container.to_owned(),
            task: Some(task.id.clone()),
            started: Some(started),
            ended: shown.and_then(|shown| shown.stopped_at),
            end,
            exit_code: containers
                .find(|one| one.name == container)
                .and_then(|one| one.exit_code),
            reason: reason.filter(|reason| !reason.is_empty()),
        }
    }
}

fn outcome(end: &TaskEnd) -> TaskOutcome {
    match end {
        TaskEnd::Failed => TaskOutcome::Failed,
        TaskEnd::Late { not_stopped: None } => TaskOutcome::Stopped,
        TaskEnd::Late {
            not_stopped: Some(_),
        } => TaskOutcome::NotStopped,
        TaskEnd::Gone | TaskEnd::Unseen { .. } => TaskOutcome::Unseen,
        TaskEnd::NotAsked | TaskEnd::NotOurs(_) => TaskOutcome::LeftAlone,
        TaskEnd::NotStarted(_) => TaskOutcome::NotStarted,
        TaskEnd::Blocked(_) => TaskOutcome::Succeeded,
    }
}
