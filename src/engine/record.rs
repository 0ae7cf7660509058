//! Keeping the record of a deployment that is over: in the action's output artifacts, each of
//! which CodePipeline requires of a success, and for the observer.

use std::io::{Cursor, Write};
use std::time::Duration;

use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::Run;
use super::at_once::few_at_once;
use super::run::hand_back;
use crate::aws::s3::S3;
use crate::deploy::approval;
use crate::deploy::call::Class;
use crate::deploy::cleanup::Cleanup;
use crate::deploy::console;
use crate::deploy::deployment::{Deployment, Service};
use crate::deploy::failure::{Failure, FailureKind, MESSAGE_LIMIT_BYTES};
use crate::deploy::outcome::{Outcome, SUMMARY_LIMIT_BYTES};
use crate::deploy::refusal::Refusal;
use crate::deploy::seen::{Held, Look};
use crate::deploy::spec::{ContinueDeployment, DeployedBy, HookAction};
use crate::deploy::task;
use crate::deploy::text;
use crate::deploy::time::{Timestamp, human};
use crate::deploy::verdict::Verdict;
use crate::deploy::words::{self, Caller};
use crate::event::{Artifact, ArtifactCredentials};
use crate::record::{
    EventRecord, HookAnswer, HookRecord, ImageRecord, Record, ServiceRecord, StoppedRecord,
    TaskRecord, VERSION, page,
};
use crate::report::Report;

/// The files of an output artifact.
const JSON_FILE: &str = "deployment.json";
const PAGE_FILE: &str = "deployment.html";

/// Gathering what the record shows takes no longer than this, and so does writing it: the answer
/// waits for both.
const LONGEST: Duration = Duration::from_secs(15);

/// Output artifacts that were not written. CodePipeline requires each of them of a success.
struct Lack {
    /// Which, and why, in one sentence without its full stop.
    text: String,
    kind: FailureKind,
    /// A later attempt may succeed.
    may_pass: bool,
}

impl Run<'_> {
    /// Whether the output artifacts can be written, as far as the event tells.
    ///
    /// # Errors
    /// The failure to answer with, before anything is changed.
    pub(super) fn check_outputs(&self) -> Result<(), Failure> {
        let nowhere = self.order.outputs.iter().find(|one| one.location.is_none());
        nowhere.map_or(Ok(()), |output| {
            let name = output.name.clone();
            Err(self.refused(&[Refusal::OutputWithoutLocation { name }]))
        })
    }

    /// The line that leads to the record, as far as its place in the console is known: the bucket is in the
    /// function's own Region.
    fn record_link(&self) -> Option<String> {
        let region = self.engine.aws.region()?;
        let mut locations = self.order.outputs.iter().map(|one| one.location.as_ref());
        let location = locations.next().flatten()?;
        let address = console::object(region, &location.bucket, &location.key)?;
        Some(format!("The record: {address}"))
    }

    /// So many bytes a failure's message may have, if what stands below it or follows on its headline is to have
    /// room.
    pub(super) fn message_limit(&self) -> usize {
        let link = self.record_link().map_or(0, |link| link.len() + 1);
        let asked = self.spec.pre_deploy.as_ref();
        let ran = asked.map_or(0, |asked| task::ran(&asked.container).len() + 1);
        MESSAGE_LIMIT_BYTES.saturating_sub(link + ran)
    }

    /// `outcome` with the link to its record, which was written. A message that would become too long stays without.
    fn linked(&self, outcome: Outcome) -> Outcome {
        let Some(link) = self.record_link() else {
            return outcome;
        };
        match outcome {
            Outcome::Succeeded {
                message,
                variables,
                external_execution_id,
            } => Outcome::Succeeded {
                message: message.with_last_line(&link, SUMMARY_LIMIT_BYTES),
                variables,
                external_execution_id,
            },
            Outcome::Failed {
                failure,
                external_execution_id,
            } => Outcome::Failed {
                failure: Failure {
                    message: failure.message.with_last_line(&link, MESSAGE_LIMIT_BYTES),
                    ..failure
                },
                external_execution_id,
            },
            Outcome::InProgress { .. } => outcome,
        }
    }

    /// Keeps the record of a deployment that ends with `outcome`, and of the `tasks` that were run for it, if anybody
    /// wants it. What cannot be gathered is left out. The outcome leads to it.
    ///
    /// A success whose output artifacts cannot be written would be reported as a failed action, so
    /// it becomes a failure that says so; before the time limit, if that may pass, the deployment is
    /// handed back to be looked at once more.
    ///
    /// # Replay
    /// Written again it is the same but for the time of its end.
    pub(super) async fn keep_record(
        &self,
        deployment: &Deployment,
        outcome: Outcome,
        cleanup: Cleanup,
        tasks: Vec<TaskRecord>,
        now: Timestamp,
    ) -> (Outcome, Cleanup) {
        let (succeeded, message) = match &outcome {
            Outcome::Succeeded { message, .. } => (true, message.clone()),
            Outcome::Failed { failure, .. } => (false, failure.message.clone()),
            Outcome::InProgress { .. } => return (outcome, cleanup),
        };
        if self.order.outputs.is_empty() && !self.engine.observer.wants_record() {
            return (outcome, cleanup);
        }
        let services = deployment.services.iter();
        let services = services.map(|service| {
            let held = approval::held(service, self.spec).filter(|_| service.live.is_paused);
            ServiceRecord {
                waits_at: held.map(hook_record),
                ..service_record(service, deployment.started)
            }
        });
        let mut record = Record {
            succeeded,
            message,
            job: deployment.job.clone(),
            pipeline_execution_id: self.spec.pipeline_execution_id.clone(),
            started: deployment.started,
            waited: deployment.waited,
            ended: now,
            paused: deployment.paused.at(now),
            answered: self
                .spec
                .continues
                .as_ref()
                .map(|asked| hook_answer(asked, deployment)),
            tasks,
            services: services.collect(),
        };
        let gathering = self.gather(deployment, &mut record.services);
        if tokio::time::timeout(LONGEST, gathering).await.is_err() {
            self.warn(format!(
                "the record is not complete: AWS did not answer within {}",
                human(LONGEST)
            ));
        }
        self.engine.observer.recorded(&record);
        let json = pretty(&record.to_json());
        let page = page::page(&record);
        let files = [(JSON_FILE, json.as_str()), (PAGE_FILE, page.as_str())];
        match self.write(&files).await {
            // Old revisions go after a success only.
            Some(lack) if succeeded => (
                self.lacking(lack, outcome, deployment, now),
                Cleanup {
                    prune: None,
                    ..cleanup
                },
            ),
            Some(lack) => {
                self.warn(format!("the record was not written: {}", lack.text));
                (outcome, cleanup)
            }
            None => (self.linked(outcome), cleanup),
        }
    }

    /// Writes the plan of a dry run into the output artifacts.
    pub(super) async fn keep_plan(&self, report: Report) -> Report {
        if self.order.outputs.is_empty() {
            return report;
        }
        let mut json = json!({
            "version": VERSION,
            "dryRun": true,
            "job": self.job,
            "pipelineExecutionId": self.spec.pipeline_execution_id,
            "ended": self.now().rfc3339(),
        });
        if let (Some(json), Value::Object(members)) = (json.as_object_mut(), report.to_json()) {
            json.extend(members);
        }
        match self.write(&[(JSON_FILE, &pretty(&json))]).await {
            None => Report {
                outcome: self.linked(report.outcome),
                ..report
            },
            Some(lack) => {
                let about = self.spec.about();
                Report {
                    outcome: Outcome::Failed {
                        failure: Failure::new(
                            if lack.may_pass {
                                FailureKind::SystemUnavailable
                            } else {
                                lack.kind
                            },
                            format!(
                                "{about}: {}, and CodePipeline requires it of an action that succeeds. The dry run found nothing wrong, and nothing was changed.",
                                lack.text
                            ),
                        ),
                        external_execution_id: None,
                    },
                    ..report
                }
            }
        }
    }

    /// What a success becomes that lacks an output artifact.
    fn lacking(
        &self,
        lack: Lack,
        outcome: Outcome,
        deployment: &Deployment,
        now: Timestamp,
    ) -> Outcome {
        let text = lack.text;
        if lack.may_pass && now < deployment.deadline(self.spec, now) {
            tracing::warn!(job = self.job, "{text}");
            let mut back = hand_back(deployment, self.spec, now);
            if let Outcome::InProgress { details, .. } = &mut back {
                details.summary = format!("{}; {text}", details.summary);
            }
            return back;
        }
        let (message, external_execution_id) = match outcome {
            Outcome::Succeeded {
                message,
                external_execution_id,
                ..
            } => (message, external_execution_id),
            Outcome::Failed { .. } | Outcome::InProgress { .. } => return outcome,
        };
        Outcome::Failed {
            failure: Failure::new(
                lack.kind,
                format!(
                    "{}: {text}, and CodePipeline requires it of an action that succeeds. Nothing was rolled back: {message}",
                    self.spec.about()
                ),
            ),
            external_execution_id,
        }
    }

    /// Writes `files` into each output artifact; what could not be written.
    async fn write(&self, files: &[(&str, &str)]) -> Option<Lack> {
        let outputs = &self.order.outputs;
        if outputs.is_empty() {
            return None;
        }
        let zip = match zipped(files) {
            Ok(zip) => zip,
            Err(error) => {
                return Some(Lack {
                    text: format!(
                        "the output artifact {} could not be made: {error}",
                        outputs[0].name
                    ),
                    kind: FailureKind::Job,
                    may_pass: false,
                });
            }
        };
        let credentials = self.order.credentials.as_ref();
        let credentials = credentials.map(ArtifactCredentials::for_sdk);
        let s3 = self.engine.aws.s3(credentials);
        let writing = outputs.iter().map(|output| self.put(&s3, output, &zip));
        let lacks = few_at_once(writing).await;
        let lacks: Vec<Lack> = lacks.into_iter().flatten().collect();
        let first = lacks.first()?;
        Some(Lack {
            text: text::once(lacks.iter().map(|lack| lack.text.clone())).join("; "),
            kind: first.kind,
            may_pass: lacks.iter().all(|lack| lack.may_pass),
        })
    }

    async fn put(&self, s3: &S3, output: &Artifact, zip: &[u8]) -> Option<Lack> {
        let Some(location) = &output.location else {
            return Some(Lack {
                text: without_location(&output.name),
                kind: FailureKind::Configuration,
                may_pass: false,
            });
        };
        let key = self.order.encryption_key.as_deref();
        let putting = s3.put(location, zip.to_vec(), key);
        let (why, class) = match tokio::time::timeout(LONGEST, putting).await {
            Ok(Ok(())) => return None,
            Ok(Err(error)) => (words::call(&error, Caller::Pipeline), error.class),
            Err(_) => (
                format!("S3 did not answer within {}", human(LONGEST)),
                Class::Unavailable,
            ),
        };
        Some(Lack {
            text: format!(
                "the output artifact {} was not written: {}",
                output.name,
                why.trim_end_matches('.')
            ),
            kind: match class {
                Class::Denied | Class::Expired => FailureKind::Permission,
                Class::Missing
                | Class::Unknown
                | Class::Unsigned
                | Class::Clock
                | Class::Account
                | Class::Archived
                | Class::KeyUnusable
                | Class::Changed
                | Class::Empty
                | Class::Throttled
                | Class::Unavailable
                | Class::JobOver
                | Class::Refused
                | Class::Unsupported => FailureKind::Job,
            },
            may_pass: matches!(class, Class::Throttled | Class::Unavailable),
        })
    }

    /// Asks for what else belongs into the records of the services that were touched.
    async fn gather(&self, deployment: &Deployment, records: &mut [ServiceRecord]) {
        let touched = deployment.services.iter().zip(records);
        for (service, record) in touched.filter(|(service, _)| service.is_touched()) {
            self.gather_of(service, record).await;
        }
    }

    async fn gather_of(&self, service: &Service, record: &mut ServiceRecord) {
        let (own_arn, deployment) = (service.own_arn(), service.ours.deployment());
        let stopped = self
            .ecs
            .stopped_tasks(&service.target, deployment, &own_arn);
        match stopped.await {
            Ok(stopped) => {
                record.stopped = stopped
                    .iter()
                    .map(|task| StoppedRecord {
                        task: task.id.clone(),
                        at: task.stopped_at,
                        reason: task.stop_text(&[]),
                        is_scaled_in: task.is_scaled_in(),
                    })
                    .collect();
                record.stopped.sort_by_key(|task| task.at);
            }
            Err(error) => self.warn(format!(
                "the record lacks stopped tasks: {}",
                self.text(&error)
            )),
        }
        record.images = self.image_records(service, &own_arn).await;
    }

    async fn image_records(&self, service: &Service, own_arn: &str) -> Vec<ImageRecord> {
        let (described, digests) =
            tokio::join!(self.ecs.describe_task_definition(own_arn), async {
                match service.ours.deployment() {
                    Some(id) => self.ecs.running_digests(&service.target, id).await,
                    None => Ok(Vec::new()),
                }
            });
        let described = match described {
            Ok(described) => described,
            Err(error) => {
                self.warn(format!("the record lacks images: {}", self.text(&error)));
                return Vec::new();
            }
        };
        let digests = digests.unwrap_or_else(|error| {
            self.warn(format!("the record lacks digests: {}", self.text(&error)));
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

/// The record of one service as far as the last look tells.
fn service_record(service: &Service, started: Timestamp) -> ServiceRecord {
    let seen = service.live.look.as_ref().and_then(Look::service);
    let mut record = ServiceRecord {
        cluster: service.target.cluster_name().to_owned(),
        service: service.target.service_name().to_owned(),
        revision: service.revision.to_string(),
        previous: service.previous.as_ref().map(ToString::to_string),
        deployment: service.ours.deployment().unwrap_or_default().to_owned(),
        end: service
            .live
            .verdict
            .as_ref()
            .map_or(unseen(service), |verdict| {
                if service.live.is_paused {
                    "waiting at a PAUSE hook"
                } else {
                    end_of(verdict)
                }
            })
            .to_owned(),
        desired: seen.map(|seen| seen.desired),
        timeline: service.timeline.points().to_vec(),
        console: seen.and_then(|seen| console::service(&seen.arn)),
        ..ServiceRecord::default()
    };
    if let Some(seen) = seen.filter(|_| service.is_touched()) {
        // ECS gives the newest first: of one second the cause comes before its effect.
        let events = seen.events.iter().rev();
        let events = events.filter(|event| event.at >= started);
        record.events = events
            .map(|event| EventRecord {
                at: event.at,
                message: event.message.clone(),
            })
            .collect();
        record.events.sort_by_key(|event| event.at);
    }
    record
}

/// What became of a service of which nothing was seen.
fn unseen(service: &Service) -> &'static str {
    if service.is_touched() {
        "could not be seen"
    } else {
        "not touched"
    }
}

fn hook_record(held: &Held) -> HookRecord {
    HookRecord {
        id: held.hook.clone(),
        stage: held.stage.clone(),
        until: held.until,
        then: held.then.clone(),
    }
}

/// What `ContinueDeployment` asks for, with the hook that this invocation has answered if it names none.
fn hook_answer(asked: &ContinueDeployment, deployment: &Deployment) -> HookAnswer {
    let mut services = deployment.services.iter();
    let answered = services.find_map(|service| service.live.answered.as_ref());
    let (DeployedBy::Id(named) | DeployedBy::Arn(named)) = &asked.deployment;
    HookAnswer {
        action: match asked.action {
            HookAction::Continue => "CONTINUE",
            HookAction::RollBack => "ROLLBACK",
        }
        .to_owned(),
        deployment: named.clone(),
        hook: asked.hook.as_ref().or(answered).cloned(),
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

fn without_location(name: &str) -> String {
    format!("the output artifact {name} cannot be written, for it has no location in the event")
}

fn pretty(json: &Value) -> String {
    format!("{json:#}")
}

fn zipped(files: &[(&str, &str)]) -> Result<Vec<u8>, zip::result::ZipError> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default())?;
        writer.write_all(content.as_bytes())?;
    }
    Ok(writer.finish()?.into_inner())
}
