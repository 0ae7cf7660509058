//! Gathering the evidence of why a rollout failed. Each source is optional: a call that fails costs its
//! part of the text and never the answer.

use super::Run;
use crate::deploy::deployment::{Deployment, Service};
use crate::deploy::evidence::Evidence;
use crate::deploy::images;
use crate::deploy::machine::Event;
use crate::deploy::region::Region;
use crate::deploy::seen::Look;
use crate::deploy::task_definition::Described;

impl Run<'_> {
    /// The evidence on our deployment of the service at `place`.
    pub(super) async fn explain(&self, deployment: &Deployment, place: usize) -> Event {
        let service = &deployment.services[place];
        let look = service.live.look.as_ref();
        let mut evidence = look.map_or_else(Evidence::default, |look| {
            Evidence::seen(look, deployment.started)
        });
        let own_arn = own_arn(service);
        let deployment = service.ours.deployment();
        let stopped = self
            .ecs
            .stopped_tasks(&service.target, deployment, &own_arn)
            .await;
        match stopped {
            Ok(stopped) => evidence.stopped = stopped,
            Err(error) => self.warn(format!(
                "what its stopped tasks say is not known: {}",
                self.text(&error)
            )),
        }
        if !evidence.stopped.is_empty() {
            self.explain_tasks(&mut evidence, &own_arn).await;
        }
        Event::Explained(place, evidence)
    }

    /// What the revision `own` and the log of the container that failed add to its stopped tasks.
    pub(super) async fn explain_tasks(&self, evidence: &mut Evidence, own: &str) {
        let described = match self.ecs.describe_task_definition(own).await {
            Ok(described) => described,
            Err(error) => {
                self.warn(format!(
                    "what the revision says of its containers is not known: {}",
                    self.text(&error)
                ));
                return;
            }
        };
        evidence.task_memory = described.memory();
        evidence.containers = described.container_facts();
        let Some((task, container)) = evidence.task_to_read() else {
            return;
        };
        let (task, container) = (task.id.clone(), container.name.clone());
        self.read_log(evidence, &described, &task, &container).await;
    }

    /// The log of `container` in the task with the id `task`.
    async fn read_log(
        &self,
        evidence: &mut Evidence,
        described: &Described,
        task: &str,
        container: &str,
    ) {
        let Some(log) = described.log_of(container) else {
            return;
        };
        let most = self.spec.log_lines;
        if most == 0 {
            // Without log lines the log is not read at all: neither the message nor the record may show it.
            return;
        }
        // People write the value of `awslogs-region`: it may be no Region.
        let region = log
            .region
            .as_deref()
            .map(|text| (text, Region::parse(text)));
        let logs = match &region {
            None => self.target_account.logs(None),
            Some((_, Some(region))) => self.target_account.logs(Some(region)),
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
                self.text(&error)
            )),
        }
    }
}

/// The ARN of this job's revision, as far as a look has shown its account and Region; else its name.
pub(super) fn own_arn(service: &Service) -> String {
    let seen = service.live.look.as_ref().and_then(Look::service);
    service
        .revision
        .arn_like(seen.map_or("", |seen| &seen.task_definition))
}
