//! The record of a deployment that is over: `deployment.json`, and the page that shows the same to
//! people. Values in, text out.

mod chart;
pub mod page;
mod parts;

use serde_json::{Value, json};

use deploy::message::Message;
use deploy::time::Timestamp;
pub use deploy::timeline::Point;

/// The version of the JSON's shape; grows when a member changes its meaning.
pub const VERSION: u32 = 1;

/// A deployment that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Every service serves the new revision.
    pub succeeded: bool,
    /// What CodePipeline was answered: the headline is its first line.
    pub message: Message,
    /// The job that started it, or the invocation of a manual deployment.
    pub job: String,
    /// The pipeline's execution, if the parameters say it.
    pub pipeline_execution_id: Option<String>,
    /// When the deployment started to change something.
    pub started: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
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
    /// Where ECS's console shows it.
    pub console: Option<String>,
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
}

impl Record {
    /// `deployment.json`.
    pub fn to_json(&self) -> Value {
        let services: Vec<Value> = self.services.iter().map(ServiceRecord::to_json).collect();
        json!({
            "version": VERSION,
            "outcome": if self.succeeded { "Succeeded" } else { "Failed" },
            "message": self.message.as_str(),
            "job": self.job,
            "pipelineExecutionId": self.pipeline_execution_id,
            "started": self.started.rfc3339(),
            "ended": self.ended.rfc3339(),
            "durationSeconds": self.ended.since(self.started).as_secs(),
            "services": services,
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
            "console": self.console,
        })
    }
}
