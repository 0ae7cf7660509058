//! Keeping the record of a deployment that has ended: in the action's output artifact, and for
//! whoever observes. What cannot be gathered is left out; the outcome stays what it is.

use std::io::{Cursor, Write};
use std::time::Duration;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::Step;
use super::watch::seen_in;
use crate::deploy::evidence::console_link;
use crate::deploy::phase::{Phase, ServiceRollout};
use crate::deploy::rollout::{Look, Verdict};
use crate::deploy::time::Timestamp;
use crate::job::ArtifactCredentials;
use crate::record::{EventRecord, ImageRecord, Record, ServiceRecord, StoppedRecord, page};
use crate::report::Outcome;

/// The files of the output artifact.
const JSON_FILE: &str = "deployment.json";
const PAGE_FILE: &str = "deployment.html";

/// The answer waits no longer for it.
const LONGEST: Duration = Duration::from_secs(20);

impl Step<'_> {
    /// Keeps the record of a deployment that ends with `outcome`, if anybody wants it, and as far
    /// as that takes no longer than the answer can wait.
    ///
    /// # Replay
    /// Written again it is the same but for the time of its end.
    pub(super) async fn keep_record(
        &mut self,
        phase: &Phase,
        verdicts: &[Verdict],
        looks: &[Look],
        outcome: &Outcome,
        now: Timestamp,
    ) {
        let keeping = self.record(phase, verdicts, looks, outcome, now);
        if tokio::time::timeout(LONGEST, keeping).await.is_err() {
            self.warn(format!(
                "the record was not written: AWS did not answer within {}",
                crate::deploy::time::spoken(LONGEST)
            ));
        }
    }

    async fn record(
        &mut self,
        phase: &Phase,
        verdicts: &[Verdict],
        looks: &[Look],
        outcome: &Outcome,
        now: Timestamp,
    ) {
        let (succeeded, message) = match outcome {
            Outcome::Succeeded { message, .. } => (true, message.clone()),
            Outcome::Failed { failure, .. } => (false, failure.message.clone()),
            Outcome::InProgress { .. } => return,
        };
        let output = self.order.outputs.first().cloned();
        if output.is_none() && !self.engine.observer.wants_record() {
            return;
        }
        let mut services = Vec::new();
        for place in 0..phase.services().len() {
            let of_service = self.service_record(phase, place, &verdicts[place], &looks[place]);
            services.push(of_service.await);
        }
        let record = Record {
            succeeded,
            message,
            job: phase.job().to_owned(),
            pipeline_execution_id: self.spec.pipeline_execution_id.clone(),
            started: phase.started(),
            ended: now,
            services,
        };
        self.engine.observer.recorded(&record);
        let Some(output) = output else {
            return;
        };
        let Some(location) = output.location else {
            self.warn(format!(
                "the record was not written: the output artifact {} has no location in the event",
                output.name
            ));
            return;
        };
        let zip = match zipped(&record) {
            Ok(zip) => zip,
            Err(error) => {
                self.warn(format!("the record was not written: {error}"));
                return;
            }
        };
        let credentials = self.order.credentials.as_ref();
        let s3 = self
            .engine
            .aws
            .s3(credentials.map(ArtifactCredentials::for_sdk));
        let key = self.order.encryption_key.as_deref();
        if let Err(error) = s3.put(&location, zip, key).await {
            let words = crate::explain::words(&error, crate::explain::Caller::Pipeline);
            self.warn(format!("the record was not written: {words}"));
        }
    }

    async fn service_record(
        &mut self,
        phase: &Phase,
        place: usize,
        verdict: &Verdict,
        look: &Look,
    ) -> ServiceRecord {
        let target = self.spec.targets[place].clone();
        let rollout = &phase.services()[place];
        let service = seen_in(look);
        let is_previous_known = rollout.previous != rollout.revision;
        let mut record = ServiceRecord {
            cluster: target.cluster_name().to_owned(),
            service: target.service_name().to_owned(),
            revision: rollout.revision.to_string(),
            previous: is_previous_known.then(|| rollout.previous.to_string()),
            deployment: rollout.deployment.clone(),
            end: end_of(verdict).to_owned(),
            desired: service.map(|service| service.desired),
            timeline: self
                .timelines
                .get(place)
                .map_or_else(Vec::new, |timeline| timeline.points().to_vec()),
            console: service.and_then(|service| console_link(&service.arn)),
            ..ServiceRecord::default()
        };
        if !rollout.is_touched() {
            return record;
        }
        if let Some(service) = service {
            let since = phase.started();
            let events = service.events.iter().filter(|event| event.at >= since);
            record.events = events
                .map(|event| EventRecord {
                    at: event.at,
                    message: event.message.clone(),
                })
                .collect();
            record.events.sort_by_key(|event| event.at);
        }
        let own = rollout
            .revision
            .arn_beside(service.map_or("", |service| service.task_definition.as_str()));
        let deployment = &rollout.deployment;
        match self.ecs.stopped_tasks(&target, deployment, &own).await {
            Ok(stopped) => {
                record.stopped = stopped
                    .iter()
                    .map(|task| StoppedRecord {
                        task: task.id.clone(),
                        at: task.stopped_at,
                        reason: task.words(),
                    })
                    .collect();
                record.stopped.sort_by_key(|task| task.at);
            }
            Err(error) => {
                let words = self.words(&error);
                self.warn(format!("the record lacks stopped tasks: {words}"));
            }
        }
        record.images = self.image_records(&target, rollout, &own).await;
        record
    }

    async fn image_records(
        &mut self,
        target: &crate::parameters::Target,
        rollout: &ServiceRollout,
        own: &str,
    ) -> Vec<ImageRecord> {
        let (described, digests) = tokio::join!(
            self.ecs.describe_task_definition(own),
            self.ecs.running_digests(target, &rollout.deployment)
        );
        let described = match described {
            Ok(described) => described,
            Err(error) => {
                let words = self.words(&error);
                self.warn(format!("the record lacks images: {words}"));
                return Vec::new();
            }
        };
        let digests = digests.unwrap_or_else(|error| {
            let words = self.words(&error);
            self.warn(format!("the record lacks digests: {words}"));
            Vec::new()
        });
        let images = described.images().into_iter();
        images
            .map(|(container, image)| {
                let digest = digests.iter().find(|(known, _)| *known == container);
                ImageRecord {
                    digest: digest.map(|(_, digest)| digest.clone()),
                    container,
                    image,
                }
            })
            .collect()
    }
}

fn end_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Untouched => "not touched",
        Verdict::Serving { .. } => "serving",
        Verdict::InProgress(_) => "not complete",
        Verdict::RollingBack { .. } => "rolling back",
        Verdict::RolledBack { .. } => "rolled back",
        Verdict::RollbackFailed { .. } => "rollback failed",
        Verdict::Failed { .. } => "failed, not rolled back",
        Verdict::Replaced { .. } => "replaced by another deployment",
        Verdict::Gone { .. } => "gone",
        Verdict::Unknown { .. } => "in a state that is not known",
        Verdict::NoNews { .. } => "could not be seen",
    }
}

fn zipped(record: &Record) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let json = serde_json::to_string_pretty(&record.to_json())?;
    for (name, content) in [(JSON_FILE, json), (PAGE_FILE, page::page(record))] {
        writer.start_file(name, SimpleFileOptions::default())?;
        writer.write_all(content.as_bytes())?;
    }
    Ok(writer.finish()?.into_inner())
}
