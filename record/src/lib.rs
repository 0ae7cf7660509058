//! The record of a deployment that is over: `deployment.json`, and the page that shows the same to
//! people. Values in, text out.

mod chart;
#[cfg(any(test, feature = "herd"))]
pub mod herd;
pub mod page;
mod parts;

use std::time::Duration;

use serde_json::{Value, json};

use deploy::message::Message;
pub use deploy::spec::When;
use deploy::time::Timestamp;
pub use deploy::timeline::Point;

/// The version of the JSON's shape; grows when a member changes its meaning.
pub const VERSION: u32 = 1;

/// A deployment that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Every service serves the new revision.
    pub succeeded: bool,
    /// What CodePipeline was answered, but for the link to this record.
    pub message: Message,
    /// The job that started it, or the invocation of a manual deployment.
    pub job: String,
    /// The pipeline's execution, if the parameters say it.
    pub pipeline_execution_id: Option<String>,
    /// When the deployment started to change something.
    pub started: Timestamp,
    /// How long before that its first event came: its start was checked, and waited for what it had to.
    pub waited: Duration,
    /// When it was over.
    pub ended: Timestamp,
    /// How long its time limit stood still, because a PAUSE hook held it.
    pub paused: Duration,
    /// The answer to a PAUSE hook that was asked for, if the action is to continue a deployment.
    pub answered: Option<HookAnswer>,
    /// The tasks that were run by themselves for this deployment, in their order.
    pub tasks: Vec<TaskRecord>,
    /// One for each service, in the order of the parameters.
    pub services: Vec<ServiceRecord>,
}

/// What became of one service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceRecord {
    /// The cluster's name.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// The new revision, `app:42`.
    pub revision: String,
    /// The revision before, `app:41`, if it is known.
    pub previous: Option<String>,
    /// ECS's id of the deployment; empty if the service was not touched.
    pub deployment: String,
    /// Its outcome in short: `serving`, `rolled back`, `not touched`.
    pub end: String,
    /// How many tasks the service wants, if that could be seen.
    pub desired: Option<i32>,
    /// The images of the new revision.
    pub images: Vec<ImageRecord>,
    /// What was seen over time, oldest first.
    pub timeline: Vec<Point>,
    /// The service's events since the start, oldest first.
    pub events: Vec<EventRecord>,
    /// Stopped tasks of the deployment, oldest first.
    pub stopped: Vec<StoppedRecord>,
    /// The PAUSE hook at which the action has left it.
    pub waits_at: Option<HookRecord>,
    /// Where ECS's console shows it.
    pub console: Option<String>,
}

/// A PAUSE hook that holds a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookRecord {
    /// Its id, if ECS gives one.
    pub id: Option<String>,
    /// The lifecycle stage, as `POST_TEST_TRAFFIC_SHIFT`.
    pub stage: Option<String>,
    /// When it expires.
    pub until: Option<Timestamp>,
    /// What ECS does then: `ROLLBACK` or `CONTINUE`.
    pub then: Option<String>,
}

/// The answer to a PAUSE hook: what `ContinueDeployment` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookAnswer {
    /// `CONTINUE` or `ROLLBACK`.
    pub action: String,
    /// The deployment, as the parameters name it.
    pub deployment: String,
    /// The hook; none if the parameters name none, and it was not this invocation that answered it.
    pub hook: Option<String>,
}

/// What became of a task that is no service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskOutcome {
    /// Its container ended with 0.
    Succeeded,
    /// It ended otherwise.
    Failed,
    /// Its time was up, and it was stopped.
    Stopped,
    /// Its time was up, and it could not be stopped.
    NotStopped,
    /// How it ended could not be seen.
    Unseen,
    /// It was left as it is, because it is not this job's, or not asked for any more.
    LeftAlone,
    /// ECS has not made it.
    NotStarted,
}

/// A task that was run by itself for a deployment. Neither its command nor its environment is recorded: both may
/// hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRecord {
    /// Before or after the services.
    pub when: When,
    /// The container whose exit code decides.
    pub container: String,
    /// The task's id, if it is known.
    pub task: Option<String>,
    /// When it was asked for, if that is known.
    pub started: Option<Timestamp>,
    /// When ECS saw it stop, if that is known.
    pub ended: Option<Timestamp>,
    /// What became of it.
    pub end: TaskOutcome,
    /// The container's exit code, if it ran to its end and that was seen.
    pub exit_code: Option<i32>,
    /// Why it stopped, as text, if that was seen.
    pub reason: Option<String>,
}

impl TaskOutcome {
    /// In a few words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped at its time limit",
            Self::NotStopped => "late, and could not be stopped",
            Self::Unseen => "could not be seen",
            Self::LeftAlone => "left alone",
            Self::NotStarted => "not started",
        }
    }
}

/// One container's image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// The container's name.
    pub container: String,
    /// The image, as the task definition names it.
    pub image: String,
    /// What its tasks really run, `sha256:…`, if ECS tells.
    pub digest: Option<String>,
}

/// One of the service's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// When.
    pub at: Timestamp,
    /// ECS's text.
    pub message: String,
}

/// A stopped task of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedRecord {
    /// The task's id.
    pub task: String,
    /// When it stopped, if ECS tells.
    pub at: Option<Timestamp>,
    /// Why, as text, with the exit code.
    pub reason: String,
    /// ECS's scheduler stopped it, as for a rollback: a consequence, not a cause.
    pub is_scaled_in: bool,
}

impl Record {
    /// `deployment.json`.
    pub fn to_json(&self) -> Value {
        let services: Vec<Value> = self.services.iter().map(ServiceRecord::to_json).collect();
        let tasks: Vec<Value> = self.tasks.iter().map(TaskRecord::to_json).collect();
        json!({
            "version": VERSION,
            "outcome": if self.succeeded { "Succeeded" } else { "Failed" },
            "message": self.message.as_str(),
            "headline": self.message.sentences(),
            "job": self.job,
            "pipelineExecutionId": self.pipeline_execution_id,
            "started": self.started.rfc3339(),
            "ended": self.ended.rfc3339(),
            "durationSeconds": self.ended.since(self.started).as_secs(),
            "waitedSeconds": self.waited.as_secs(),
            "timeLimitPausedSeconds": self.paused.as_secs(),
            "continueDeployment": self.answered.as_ref().map(HookAnswer::to_json),
            "tasks": tasks,
            "services": services,
        })
    }
}

impl HookAnswer {
    fn to_json(&self) -> Value {
        json!({"action": self.action, "deployment": self.deployment, "hookId": self.hook})
    }
}

impl HookRecord {
    fn to_json(&self) -> Value {
        json!({"hookId": self.id, "stage": self.stage,
            "expiresAt": self.until.map(Timestamp::rfc3339), "timeoutAction": self.then})
    }
}

impl TaskRecord {
    fn to_json(&self) -> Value {
        json!({
            "when": match self.when {
                When::Before => "before",
                When::After => "after",
            },
            "container": self.container,
            "task": self.task,
            "end": self.end.text(),
            "exitCode": self.exit_code,
            "reason": self.reason,
            "started": self.started.map(Timestamp::rfc3339),
            "ended": self.ended.map(Timestamp::rfc3339),
        })
    }
}

impl ServiceRecord {
    fn to_json(&self) -> Value {
        let images = self.images.iter().map(
            |one| json!({"container": one.container, "image": one.image, "digest": one.digest}),
        );
        let timeline = self.timeline.iter().map(|point| {
            json!({"seconds": point.at, "newRunning": point.new, "oldRunning": point.old,
                "stage": point.stage, "newTrafficPercent": point.weight})
        });
        let events = self.events.iter();
        let events =
            events.map(|event| json!({"at": event.at.rfc3339(), "message": event.message}));
        let stopped = self.stopped.iter().map(|task| {
            json!({"task": task.task, "at": task.at.map(Timestamp::rfc3339),
                "reason": task.reason})
        });
        json!({
            "cluster": self.cluster,
            "service": self.service,
            "end": self.end,
            "revision": self.revision,
            "previousRevision": self.previous,
            "deployment": self.deployment,
            "desiredTasks": self.desired,
            "images": images.collect::<Vec<_>>(),
            "timeline": timeline.collect::<Vec<_>>(),
            "events": events.collect::<Vec<_>>(),
            "stoppedTasks": stopped.collect::<Vec<_>>(),
            "waitsAt": self.waits_at.as_ref().map(HookRecord::to_json),
            "console": self.console,
        })
    }
}
