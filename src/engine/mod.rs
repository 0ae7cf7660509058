//! Performs: looks, does what the machine says is due, and hands it what came of that. Decides nothing.
//!
//! An invocation starts a deployment or goes on with one, and ends with a [`Report`]. Nothing here
//! answers CodePipeline; that is the handler's.

mod approve;
mod at_once;
mod claim;
mod cleanup;
mod dependencies;
mod end;
mod existing;
mod files;
mod gather;
mod observe;
mod once;
mod post_deploy;
mod pre_deploy;
mod prior;
mod record;
mod refused;
mod roll_back;
mod run;
mod schedules;
mod set;
mod start;
mod task;
mod task_records;
mod verify;

pub(crate) use cleanup::clean_up;
pub use files::Configuration;
pub(crate) use run::{hand_back, wait};

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::artifact::entry::Bounds;
use crate::aws::Aws;
use crate::aws::ecs::Ecs;
use crate::clock::Clock;
use crate::deploy::call::CallError;
use crate::deploy::deployment::Deployment;
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::machine::{Checkpoint, End};
use crate::deploy::notice::{Notice, ServiceNotice, What};
use crate::deploy::revision::Revision;
use crate::deploy::spec::DeploySpec;
use crate::deploy::time::Timestamp;
use crate::deploy::token::{self, Held};
use crate::deploy::waiting::Waiting;
use crate::deploy::words::{self, Caller};
use crate::event::Order;
use crate::notices::Notices;
use crate::observer::Observer;
use crate::report::Report;
use once::Patience;
use refused::Refused;
use start::Started;

/// The holder of the last checkpoint: the work sets it as it goes, and the handler reads it to answer
/// for an invocation that was cut off.
#[derive(Debug, Clone, Default)]
pub struct LastCheckpoint(Arc<Mutex<Checkpoint>>);

impl LastCheckpoint {
    /// The last checkpoint that was set.
    pub fn checkpoint(&self) -> Checkpoint {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, checkpoint: Checkpoint) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = checkpoint;
    }
}

/// What every invocation works with.
#[derive(Clone)]
pub struct Engine {
    /// Clients.
    pub aws: Aws,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Sees every look.
    pub observer: Arc<dyn Observer>,
    /// What reading an artifact may take.
    pub bounds: Bounds,
}

/// When what an invocation does ends.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Watching, and trying a start again, end here.
    pub watch_until: Timestamp,
    /// What AWS has not the time for is tried again until then: long before the invocation is cut off, because what
    /// came of a call that is cut off is not known.
    pub make_until: Timestamp,
}

/// What an invocation is to do.
#[derive(Debug, Clone)]
pub struct Work {
    /// What the event asks for.
    pub order: Order,
    /// What its parameters mean.
    pub spec: DeploySpec,
    /// Which version of the artifact some of them are from.
    pub config_pin: Option<String>,
}

/// One invocation's work. Holds what it works with, and nothing of the deployment.
struct Run<'a> {
    engine: &'a Engine,
    /// Clients for the account and Region to deploy into.
    target_account: Aws,
    ecs: Ecs,
    order: &'a Order,
    spec: &'a DeploySpec,
    /// The id of the job that came first, or the invocation's if no job waits for an answer.
    job: &'a str,
    /// When its first event came.
    came: Timestamp,
    /// The revisions that an earlier invocation has chosen of those that there are, one for each service; none if it
    /// has not.
    chosen: &'a [String],
    /// When that was.
    chosen_at: Option<Timestamp>,
    /// When what it does ends.
    times: Times,
    /// A try before this one had to wait: nothing was changed but for what it has registered.
    has_waited: AtomicBool,
    /// This invocation has set a service, not one before.
    has_set: AtomicBool,
    /// What the services were set to when the last try began to register.
    planned: Mutex<Vec<String>>,
    last_checkpoint: &'a LastCheckpoint,
    notices: &'a Notices,
    /// What does not change the outcome and is to be reported.
    warnings: Mutex<Vec<String>>,
    /// Revisions that ECS says the token's job has registered, and whether they are ACTIVE.
    proved: Mutex<BTreeMap<Revision, bool>>,
    /// Revisions that this invocation registered while another delivery already had: nobody uses them.
    duplicates: Mutex<Vec<String>>,
    /// Which version of the artifact the `ConfigFile` was read from.
    config_pin: Option<&'a str>,
}

impl Engine {
    /// The clients of the account and Region that `spec` deploys into. A role is assumed once, however
    /// many clients of these are used.
    pub fn target_account(&self, spec: &DeploySpec) -> Aws {
        self.aws
            .in_account(spec.region.as_ref(), spec.role.as_ref())
    }

    /// Starts what `work` asks for, or goes on with its token, and watches it as long as `times` says.
    ///
    /// # Replay
    /// The same work again, with the same `job`, finds what the first made, registers nothing and
    /// updates nothing, and watches on.
    pub async fn run(
        &self,
        work: &Work,
        target_account: Aws,
        job: &str,
        times: Times,
        last_checkpoint: &LastCheckpoint,
        notices: &Notices,
    ) -> Report {
        let Work {
            order,
            spec,
            config_pin,
        } = work;
        let held = order.continuation_token.as_deref();
        let held = match held.map(|written| token::held(written, &spec.targets)) {
            None => None,
            Some(Ok(held)) => Some(held),
            Some(Err(bad)) => {
                return Report::failed(bad_token(&spec.about(), &bad.to_string()));
            }
        };
        let waiting = match &held {
            Some(Held::Waiting(waiting)) => waiting.clone(),
            Some(Held::Deployment(_)) | None => Waiting {
                job: job.to_owned(),
                since: self.clock.now(),
                why: String::new(),
                config_pin: config_pin.clone(),
                is_busy: false,
                registered: Vec::new(),
                set_to: Vec::new(),
                chosen: Vec::new(),
                chosen_at: None,
            },
        };
        let run = Run {
            engine: self,
            ecs: target_account.ecs(None),
            target_account,
            order,
            spec,
            job: &waiting.job,
            came: waiting.since,
            chosen: &waiting.chosen,
            chosen_at: waiting.chosen_at,
            times,
            has_waited: AtomicBool::new(!waiting.why.is_empty()),
            has_set: AtomicBool::new(false),
            planned: Mutex::default(),
            last_checkpoint,
            notices,
            warnings: Mutex::default(),
            proved: Mutex::default(),
            duplicates: Mutex::default(),
            config_pin: config_pin.as_deref(),
        };
        let started = match held {
            Some(Held::Deployment(deployment)) => Ok(Started::Deployment(deployment)),
            Some(Held::Waiting(_)) | None => match run.check_outputs() {
                Ok(()) => {
                    let started = Box::pin(run.start_patiently(&waiting)).await;
                    if let Ok(Started::Deployment(deployment)) = &started {
                        run.notify_start(deployment);
                    }
                    started
                }
                Err(failure) => Err(Refused::from(failure)),
            },
        };
        let mut report = match started {
            Err(refused) => Report {
                cleanup: refused.cleanup,
                ..Report::failed(refused.failure)
            },
            Ok(Started::Waiting(waiting)) => Report::of(wait(&waiting, spec, run.now())),
            Ok(Started::Unchanged(deployment)) => {
                Box::pin(run.end(*deployment, End::Unchanged)).await
            }
            Ok(Started::DryRun(report)) => Box::pin(run.keep_plan(*report)).await,
            Ok(Started::Deployment(deployment)) => {
                last_checkpoint.set(Checkpoint::At(deployment.clone()));
                Box::pin(run.follow(*deployment, times.watch_until)).await
            }
        };
        report.warnings.append(&mut run.warnings());
        report.cleanup.duplicates.append(&mut run.duplicates());
        report
    }
}

/// The failure of a token that cannot be gone on with. `about` is the services, as far as they are known.
pub(crate) fn bad_token(about: &str, why: &str) -> Failure {
    Failure::new(
        FailureKind::Job,
        format!(
            "{about}: {why}. Nothing was changed by this invocation; a deployment that was under way goes on without being followed."
        ),
    )
}

impl Run<'_> {
    /// Whose permissions the calls to ECS, ECR and Logs need.
    fn caller(&self) -> Caller {
        Caller::of(self.spec)
    }

    /// The Region that is deployed to, where it is known.
    fn region(&self) -> Option<&str> {
        self.spec.region.as_deref().or(self.engine.aws.region())
    }

    /// The text of a failed call that does not end the deployment.
    fn text(&self, error: &CallError) -> String {
        words::call(&self.placed(error), self.caller())
    }

    /// The failure of a call that a deployment cannot go on without; `about` starts the sentence.
    fn of_call(&self, about: &str, error: &CallError, changed: bool) -> Failure {
        words::of_call(about, &self.placed(error), self.caller(), changed)
    }

    /// The error with the Region that was called: that of the deployment, where it names no other.
    fn placed(&self, error: &CallError) -> CallError {
        error.clone().in_region(self.target_account.region())
    }

    fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    /// Tells the bus that something was changed: at once if this invocation has set the services. What an earlier
    /// delivery may have told is told once the answer is accepted, so that nothing starts after its end. What an
    /// earlier action has started is no start.
    fn notify_start(&self, deployment: &Deployment) {
        let Some(bus) = &self.spec.event_bus else {
            return;
        };
        if self.spec.continues.is_some() {
            return;
        }
        let notice = Notice {
            job: deployment.job.clone(),
            pipeline_execution_id: self.spec.pipeline_execution_id.clone(),
            what: What::Started,
            message: words::progress(deployment, self.spec, self.now()).summary,
            services: deployment.services.iter().map(ServiceNotice::of).collect(),
            started: Some(deployment.started),
            ended: None,
        };
        let (own, account) = (&self.engine.aws, &self.target_account);
        let is_new = self.has_set.load(Ordering::Relaxed);
        self.notices.send(own, account, bus, notice, is_new);
    }

    /// From here on something may have been changed.
    fn changing(&self) {
        self.last_checkpoint.set(Checkpoint::Changing);
    }

    /// What making a thing may take.
    fn patience(&self) -> Patience<'_> {
        Patience {
            clock: self.engine.clock.as_ref(),
            until: self.times.make_until,
            job: self.job,
        }
    }

    /// Something that does not change the outcome; reported once.
    fn warn(&self, warning: impl Into<String>) {
        let warning = warning.into();
        let mut warnings = self.warnings();
        if !warnings.contains(&warning) {
            tracing::warn!(job = self.job, "{warning}");
            warnings.push(warning);
        }
    }

    fn warnings(&self) -> MutexGuard<'_, Vec<String>> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn planned(&self) -> MutexGuard<'_, Vec<String>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn duplicates(&self) -> MutexGuard<'_, Vec<String>> {
        self.duplicates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn proved(&self) -> MutexGuard<'_, BTreeMap<Revision, bool>> {
        self.proved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
