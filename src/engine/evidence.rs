//! Gathering what tells why a rollout failed. Each source is optional: a call that fails costs its
//! part of the text and never the answer.

use super::Step;
use crate::deploy::evidence::{self, Evidence};
use crate::deploy::images;
use crate::deploy::phase::ServiceRollout;
use crate::deploy::region::Region;
use crate::deploy::rollout::{Look, ServiceDeploymentSeen};
use crate::deploy::time::Timestamp;

impl Step<'_> {
    /// The evidence on our deployment of service number `place`. Gathered once in an invocation.
    pub(super) async fn evidence(
        &mut self,
        place: usize,
        rollout: &ServiceRollout,
        look: &Look,
        started: Timestamp,
    ) -> Evidence {
        if let Some(gathered) = self.gathered.get(&place) {
            return gathered.clone();
        }
        let target = &self.spec.targets[place];
        let mut evidence = seen(look, started);
        let neighbour = match look {
            Look::Seen { service, .. } => service.task_definition.as_str(),
            Look::Missing | Look::NoNews { .. } => "",
        };
        let own = rollout.revision.arn_beside(neighbour);
        let deployment = &rollout.deployment;
        let stopped = self.ecs.stopped_tasks(target, deployment, &own).await;
        match stopped {
            Ok(stopped) => evidence.stopped = stopped,
            Err(error) => self.warn(format!(
                "what its stopped tasks say is not known: {}",
                self.words(&error)
            )),
        }
        self.read_log(&mut evidence, &own).await;
        self.gathered.insert(place, evidence.clone());
        evidence
    }

    /// The log of the container that failed, and the memory that its task has.
    async fn read_log(&mut self, evidence: &mut Evidence, own: &str) {
        let Some((task, container)) = evidence::task_to_read(&evidence.stopped) else {
            return;
        };
        let (task, container) = (task.id.clone(), container.name.clone());
        self.read_log_of(evidence, own, &task, &container).await;
    }

    /// The log of `container` in the task with the id `task` of the revision `own`.
    pub(super) async fn read_log_of(
        &mut self,
        evidence: &mut Evidence,
        own: &str,
        task: &str,
        container: &str,
    ) {
        let described = match self.ecs.describe_task_definition(own).await {
            Ok(described) => described,
            Err(error) => {
                self.warn(format!(
                    "where {container} logs is not known: {}",
                    self.words(&error)
                ));
                return;
            }
        };
        evidence.task_memory = described.memory();
        let Some(log) = described.log_of(container) else {
            return;
        };
        let most = self.spec.log_lines;
        if most == 0 {
            // What is not read stands nowhere: not below the headline, in it, or in the record.
            return;
        }
        // What stands there is whatever somebody wrote: it may be no Region.
        let region = log
            .region
            .as_deref()
            .map(|text| (text, Region::parse(text)));
        let logs = match &region {
            None => self.there.logs(None),
            Some((_, Some(region))) => self.there.logs(Some(region)),
            Some((text, None)) => {
                self.warn(format!(
                    "the log of {container} was not read: its awslogs-region '{}' is not a Region's name",
                    images::shown(text)
                ));
                return;
            }
        };
        let stream = format!("{}/{container}/{task}", log.stream_prefix);
        match logs.last_lines(&log.group, &stream, most).await {
            Ok(lines) => evidence.log = lines,
            Err(error) => self.warn(format!(
                "the log of {container} could not be read: {}",
                self.words(&error)
            )),
        }
    }
}

/// What the look itself tells.
fn seen(look: &Look, started: Timestamp) -> Evidence {
    let Look::Seen {
        service,
        service_deployment,
    } = look
    else {
        return Evidence::default();
    };
    Evidence {
        events: evidence::telling_events(&service.events, started),
        deployment: service_deployment
            .as_deref()
            .map_or_else(Vec::new, words_on),
        console: evidence::console_link(&service.arn),
        ..Evidence::default()
    }
}

fn words_on(seen: &ServiceDeploymentSeen) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for reason in [&seen.status_reason, &seen.rollback_reason]
        .into_iter()
        .flatten()
    {
        let reason = reason.trim();
        if !reason.is_empty() && !words.iter().any(|known| known == reason) {
            words.push(reason.to_owned());
        }
    }
    if let Some((failures, threshold)) = seen.breaker.filter(|(failures, _)| *failures > 0) {
        words.push(format!(
            "Its circuit breaker counted {failures} failed tasks; it trips at {threshold}."
        ));
    }
    words
}
