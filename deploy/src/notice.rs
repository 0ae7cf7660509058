//! The events that tell others of a deployment: what an `EventBridge` bus is sent.

use serde_json::{Map, Value, json};

use super::console;
use super::deployment::Service;
use super::outside::printable;
use super::spec::Target;
use super::text;
use super::time::Timestamp;

/// What every event of ours has as its source.
pub const SOURCE: &str = "ecs-deploy-action";

/// A message takes no more of an event: an entry may have 256 KB
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>).
const MESSAGE_LIMIT_BYTES: usize = 5000;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The job that has started the deployment.
    pub job: String,
    /// The pipeline's execution, if the parameters say it.
    pub pipeline_execution_id: Option<String>,
    /// What it tells.
    pub what: What,
    /// What is said on the pipeline's page.
    pub message: String,
    /// One for each service, in the order of the parameters.
    pub services: Vec<ServiceNotice>,
    /// When something was changed for the first time, if anything was.
    pub started: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
}

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Something was changed, and is followed.
    Started,
    /// Every service serves what it was to serve.
    Succeeded,
    /// They do not.
    Failed,
}

/// One service in an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceNotice {
    /// Which.
    pub target: Target,
    /// The ARN of the new revision, or its name where the ARN is not known; `None` if there is none.
    pub task_definition: Option<String>,
    /// The same of the one before.
    pub previous: Option<String>,
    /// Its containers with their images, as far as they could be looked up.
    pub images: Vec<(String, String)>,
    /// Where the console shows it, if that is known.
    pub console: Option<String>,
}

impl ServiceNotice {
    /// A service of which nothing is known but its name.
    pub fn unknown(target: Target) -> Self {
        Self {
            target,
            task_definition: None,
            previous: None,
            images: Vec::new(),
            console: None,
        }
    }

    /// As far as `service` was set or looked at.
    pub fn of(service: &Service) -> Self {
        Self {
            target: service.target.clone(),
            task_definition: Some(service.own_arn()),
            previous: service.previous.as_ref().map(|one| service.arn_of(one)),
            images: Vec::new(),
            console: service.seen().and_then(|seen| console::service(&seen.arn)),
        }
    }
}

impl Notice {
    /// `detail-type`.
    pub fn detail_type(&self) -> &'static str {
        match self.what {
            What::Started => "Deployment started",
            What::Succeeded | What::Failed => "Deployment ended",
        }
    }

    /// `detail`.
    pub fn detail(&self) -> Value {
        let services: Vec<Value> = self.services.iter().map(detail_of).collect();
        let message = text::cut_bytes(&printable(&self.message), MESSAGE_LIMIT_BYTES);
        let mut detail = json!({
            "job": self.job,
            "pipelineExecutionId": self.pipeline_execution_id,
            "message": message,
            "services": services,
            "startedAt": self.started.map(Timestamp::rfc3339),
        });
        let outcome = match self.what {
            What::Started => return detail,
            What::Succeeded => "Succeeded",
            What::Failed => "Failed",
        };
        detail["outcome"] = json!(outcome);
        detail["endedAt"] = json!(self.ended.map(Timestamp::rfc3339));
        detail
    }
}

fn detail_of(service: &ServiceNotice) -> Value {
    let images: Map<String, Value> = service
        .images
        .iter()
        .map(|(container, image)| (container.clone(), json!(image)))
        .collect();
    json!({
        "cluster": service.target.cluster_name(),
        "service": service.target.service_name(),
        "taskDefinition": service.task_definition,
        "previousTaskDefinition": service.previous,
        "images": images,
        "consoleLink": service.console,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{STARTED, service, target};

    fn notice(what: What) -> Notice {
        Notice {
            job: "j-1".to_owned(),
            pipeline_execution_id: Some("e-1".to_owned()),
            what,
            message: "s0 on prod: app:42 is serving.".to_owned(),
            services: vec![
                ServiceNotice {
                    images: vec![("app".to_owned(), "repo/app:v2".to_owned())],
                    ..ServiceNotice::of(&service(0))
                },
                ServiceNotice::unknown(target(1)),
            ],
            started: Some(STARTED),
            ended: Some(STARTED),
        }
    }

    #[test]
    fn an_event_has_what_the_contract_says_and_only_its_end_an_outcome() {
        let ended = notice(What::Succeeded);
        assert_eq!(ended.detail_type(), "Deployment ended");
        assert_eq!(
            ended.detail(),
            json!({
                "job": "j-1", "pipelineExecutionId": "e-1", "outcome": "Succeeded",
                "message": "s0 on prod: app:42 is serving.",
                "services": [
                    {"cluster": "prod", "service": "s0", "taskDefinition": "app:42",
                     "previousTaskDefinition": "app:41", "images": {"app": "repo/app:v2"},
                     "consoleLink": null},
                    {"cluster": "prod", "service": "s1", "taskDefinition": null,
                     "previousTaskDefinition": null, "images": {}, "consoleLink": null}],
                "startedAt": "1970-01-12T13:46:40Z", "endedAt": "1970-01-12T13:46:40Z",
            })
        );
        assert_eq!(notice(What::Failed).detail()["outcome"], "Failed");
        let started = notice(What::Started);
        assert_eq!(started.detail_type(), "Deployment started");
        assert!(started.detail().get("outcome").is_none());
        assert!(started.detail().get("endedAt").is_none());
    }

    #[test]
    fn a_message_is_shown_without_what_steers_and_is_bounded() {
        let long = Notice {
            message: "\u{1b}[31mred ".to_owned() + &"x".repeat(100_000),
            ..notice(What::Failed)
        };
        let detail = long.detail();
        let message = detail["message"].as_str().unwrap();
        assert!(message.starts_with("red x") && message.len() <= MESSAGE_LIMIT_BYTES);
    }
}
