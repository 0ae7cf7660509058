//! Event → exactly one answer.
//!
//! Whatever happens in between (an event that cannot be read, a panic, the function's time limit),
//! a job whose id could be read is answered once: silence costs its user twenty minutes or more.

use serde_json::Value;

pub use crate::answer::Unanswered;
use crate::answer::{self, Answered};
use crate::aws::Aws;
use crate::deploy::cleanup::Cleanup;
use crate::deploy::deployment::Service;
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::machine::{self, AfterCut, Checkpoint};
use crate::deploy::notice::{Notice, ServiceNotice, What};
use crate::deploy::outcome::Outcome;
use crate::deploy::spec::DeploySpec;
use crate::deploy::time::Timestamp;
use crate::deploy::words::{self, Caller};
use crate::engine::{Engine, LastCheckpoint, Times, Work, clean_up, hand_back, wait};
use crate::event::{self, Incoming};
use crate::guard::guarded;
use crate::limits::{LOOK_RESERVE, Limits, limits};
use crate::notices::Notices;
use crate::observer::Finished;
use crate::read::read;
use crate::report::Report;
use crate::settings::Settings;

/// What Lambda says of an invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Lambda's id of it; the job's id of a manual deployment.
    pub request_id: String,
    /// When Lambda ends the function. In the past it means nothing: `cargo lambda watch` hands out
    /// a time in 1970.
    pub deadline: Timestamp,
}

/// Handles events.
#[derive(Clone)]
pub struct Handler {
    engine: Engine,
    settings: Settings,
}

impl Handler {
    /// A handler that works with `engine`.
    pub fn new(engine: Engine, settings: Settings) -> Self {
        Self { engine, settings }
    }

    /// Handles one event and returns its report as JSON.
    ///
    /// # Replay
    /// The same event again goes on with what the first has made, and gives the same answer, which
    /// CodePipeline refuses if it has one already.
    ///
    /// # Errors
    /// [`Unanswered`] if CodePipeline could not be reached: the only case in which it helps that
    /// Lambda brings the event again.
    pub async fn handle(
        &self,
        event: &Value,
        invocation: &Invocation,
    ) -> Result<Value, Unanswered> {
        Box::pin(self.respond(event::read(event), invocation)).await
    }

    /// The same for an event as it came, which need not be JSON.
    ///
    /// # Replay
    /// As [`Handler::handle`].
    ///
    /// # Errors
    /// As [`Handler::handle`].
    pub async fn handle_bytes(
        &self,
        event: &[u8],
        invocation: &Invocation,
    ) -> Result<Value, Unanswered> {
        Box::pin(self.respond(event::read_bytes(event), invocation)).await
    }

    /// Reads, runs, answers, cleans up: in this order, and each once.
    async fn respond(
        &self,
        incoming: Incoming,
        invocation: &Invocation,
    ) -> Result<Value, Unanswered> {
        let began = self.engine.clock.now();
        let job = incoming.job.as_deref();
        // What a manual deployment has instead of a job's id.
        let key = job.unwrap_or(&invocation.request_id);
        let in_log = job.unwrap_or("none");
        tracing::info!(job = in_log, request = invocation.request_id, "event");
        for warning in &self.settings.warnings {
            tracing::warn!(job = in_log, "{warning}");
        }
        let (deadline, watch) = (invocation.deadline, self.settings.watch);
        let limits = limits(began, deadline, watch, job.is_none());
        let request = &invocation.request_id;
        let read = match incoming.order {
            Ok(order) => read(&self.engine, order, limits, request).await,
            Err(problems) => {
                let kind = FailureKind::Configuration;
                Err(Failure::of_problems(kind, "", &problems).into())
            }
        };
        let reached = LastCheckpoint::default();
        let notices = Notices::default();
        let (mut report, target) = match read {
            Err(outcome) => (Report::of(outcome), None),
            Ok(work) => {
                let account = self.engine.target_account(&work.spec);
                let target = (work.spec.clone(), account.clone());
                let report = self.run(work, account, key, limits, request, (&reached, &notices));
                (report.await, Some(target))
            }
        };
        let checkpoint = reached.checkpoint();
        report
            .warnings
            .extend(self.settings.warnings.iter().cloned());
        let is_accepted = match job {
            None => true,
            Some(job) => {
                let answering = answer::answer(&self.engine.aws, job, &report.outcome, &checkpoint);
                let answered = Box::pin(answering).await?;
                let Answered {
                    is_accepted,
                    instead,
                    warnings,
                } = answered;
                report.outcome = instead.unwrap_or(report.outcome);
                report.warnings.extend(warnings);
                is_accepted
            }
        };
        if let Some((spec, account)) = target.as_ref().filter(|_| is_accepted) {
            notices.accepted();
            self.notify_end(&report, spec, account, (key, &checkpoint), &notices);
        }
        if let Some((spec, account)) = &target {
            let cleanup = std::mem::take(&mut report.cleanup);
            let cleanup = if is_accepted {
                cleanup
            } else {
                cleanup.superseded()
            };
            let until_limit = deadline.since(self.engine.clock.now());
            let most = limits
                .cut_after
                .map(|_| until_limit.saturating_sub(LOOK_RESERVE));
            let caller = Caller::of(spec);
            for warning in clean_up(account, caller, &cleanup, most).await {
                tracing::warn!(job = in_log, "{warning}");
                report.warnings.push(warning);
            }
        }
        let until_limit = deadline.since(self.engine.clock.now());
        let most = limits
            .cut_after
            .map(|_| until_limit.saturating_sub(LOOK_RESERVE));
        for warning in notices.sent(most).await {
            tracing::warn!(job = in_log, "{warning}");
            report.warnings.push(warning);
        }
        let spec = target.as_ref().map(|(spec, _)| spec);
        self.observe_end(&report, spec, &checkpoint, began, key);
        let json = report.to_json();
        tracing::info!(
            job = in_log,
            outcome = json["outcome"].as_str().unwrap_or_default(),
            text = json["message"].as_str().unwrap_or_default(),
            "done"
        );
        Ok(json)
    }

    /// The work in a task of its own, so that a panic or the time limit ends it and not us.
    async fn run(
        &self,
        work: Work,
        account: Aws,
        key: &str,
        limits: Limits,
        request: &str,
        (reached, notices): (&LastCheckpoint, &Notices),
    ) -> Report {
        let spec = work.spec.clone();
        let running = {
            let (engine, reached, key) = (self.engine.clone(), reached.clone(), key.to_owned());
            let notices = notices.clone();
            let times = Times {
                watch_until: limits.watch_until,
                make_until: limits.make_until,
            };
            async move {
                engine
                    .run(&work, account, &key, times, &reached, &notices)
                    .await
            }
        };
        let now = self.engine.clock.now();
        // What reading the parameters has taken is not there any more.
        let cut_after = limits
            .cut_after
            .map(|cut_after| cut_after.saturating_sub(now.since(limits.began)));
        let cut = match guarded(running, cut_after).await {
            Ok(report) => return report,
            Err(cut) => cut,
        };
        tracing::error!(
            job = key,
            end = words::cut(cut),
            "the work did not end by itself"
        );
        let (now, checkpoint) = (self.engine.clock.now(), reached.checkpoint());
        let failed = |failure| Outcome::Failed {
            failure,
            external_execution_id: match &checkpoint {
                Checkpoint::At(deployment) => deployment.external_id(),
                Checkpoint::Unchanged | Checkpoint::Waiting(_) | Checkpoint::Changing => None,
            },
        };
        let outcome = match machine::cut_off(&checkpoint, cut, &spec, now) {
            AfterCut::Wait(waiting) => wait(waiting, &spec, now),
            AfterCut::HandBack(deployment) => hand_back(deployment, &spec, now),
            AfterCut::OutOfSight(deployment) => failed(words::out_of_sight(deployment, &spec, now)),
            AfterCut::Fail => failed(words::cut_off(&spec, &checkpoint, cut, request)),
        };
        match &checkpoint {
            Checkpoint::At(deployment) => Report::on(deployment, outcome, Cleanup::default()),
            Checkpoint::Unchanged | Checkpoint::Waiting(_) | Checkpoint::Changing => {
                Report::of(outcome)
            }
        }
    }

    /// Tells the bus how the deployment has ended, once its job was answered. A dry run is no deployment, and what
    /// waits at a hook has not ended.
    fn notify_end(
        &self,
        report: &Report,
        spec: &DeploySpec,
        account: &Aws,
        (key, checkpoint): (&str, &Checkpoint),
        notices: &Notices,
    ) {
        let Some(bus) = spec.event_bus.as_ref().filter(|_| !spec.dry_run) else {
            return;
        };
        let (what, message) = match &report.outcome {
            Outcome::Succeeded { message, .. } => (What::Succeeded, message.to_string()),
            Outcome::Failed { failure, .. } => (What::Failed, failure.message.to_string()),
            Outcome::InProgress { .. } => return,
        };
        let deployed: Vec<&Service> = report
            .services
            .iter()
            .filter_map(|one| one.deployed.as_ref())
            .collect();
        let is_paused = deployed.iter().any(|service| service.live.is_paused);
        if what == What::Succeeded && is_paused {
            return;
        }
        let services = spec.targets.iter().map(|target| {
            let mut deployed = deployed.iter();
            match deployed.find(|service| service.target == *target) {
                // What was asked for is what was before ours.
                Some(service) if what == What::Succeeded && spec.is_to_roll_back() => {
                    ServiceNotice::of(&service.set_back())
                }
                Some(service) => ServiceNotice::of(service),
                None => ServiceNotice::unknown(target.clone()),
            }
        });
        let (job, started) = match checkpoint {
            Checkpoint::At(deployment) => (deployment.job.clone(), Some(deployment.started)),
            Checkpoint::Waiting(waiting) => (waiting.job.clone(), None),
            Checkpoint::Unchanged | Checkpoint::Changing => (key.to_owned(), None),
        };
        let notice = Notice {
            job,
            pipeline_execution_id: spec.pipeline_execution_id.clone(),
            what,
            message,
            services: services.collect(),
            started,
            ended: Some(self.engine.clock.now()),
        };
        notices.send(&self.engine.aws, account, bus, notice, true);
    }

    /// Tells the observer how this invocation ended, once for each service.
    fn observe_end(
        &self,
        report: &Report,
        spec: Option<&DeploySpec>,
        checkpoint: &Checkpoint,
        began: Timestamp,
        job: &str,
    ) {
        let at = self.engine.clock.now();
        let (stage, since) = match checkpoint {
            Checkpoint::At(deployment) => (deployment.stage.name(), deployment.started),
            Checkpoint::Waiting(waiting) => ("Start", waiting.since),
            Checkpoint::Unchanged | Checkpoint::Changing => ("Start", began),
        };
        let targets = spec.map_or(&[][..], |spec| &spec.targets);
        let named = targets.iter().map(Some);
        // An event that does not come to name a service ended all the same.
        let unnamed = targets.is_empty().then_some(None);
        for target in named.chain(unnamed) {
            self.engine.observer.finished(Finished {
                job,
                target,
                outcome: &report.outcome,
                phase: stage,
                took: at.since(since),
                at,
            });
        }
    }
}
