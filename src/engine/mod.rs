//! The loop: observe, decide, act.
//!
//! An invocation starts a deployment or goes on with one, and ends with a [`Report`]. Nothing here
//! answers CodePipeline; that is the handler's.

mod at_once;
mod cleanup;
mod evidence;
mod files;
mod ours;
mod pre_deploy;
mod prior;
mod record;
mod roll_out;
mod rollback;
mod schedules;
mod start;
mod verify;
mod watch;

pub use files::Configuration;
pub(crate) use watch::in_progress;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::artifact::entry::Bounds;
use crate::aws::Aws;
use crate::clock::Clock;
use crate::deploy::call::CallError;
use crate::deploy::cleanup::Cleanup;
use crate::deploy::evidence::Evidence;
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::phase::Phase;
use crate::deploy::revision::Revision;
use crate::deploy::rollout::ServiceSeen;
use crate::deploy::spec::DeploySpec;
use crate::deploy::time::Timestamp;
use crate::deploy::timeline::Timeline;
use crate::deploy::token::{self, LeftOff};
use crate::event::Order;
use crate::explain::{self, Caller};
use crate::observer::Observer;
use crate::report::Report;

/// How far an invocation has come, told as it goes: who has to answer for one that was cut off
/// reads it here.
#[derive(Debug, Clone, Default)]
pub struct Reached(Arc<Mutex<Stage>>);

/// See [`Reached`].
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Stage {
    /// Nothing has been changed.
    #[default]
    Unchanged,
    /// Something has been or may have been changed, and it is not known what came of it.
    Changing,
    /// Where a later invocation can go on.
    At(LeftOff),
}

impl Reached {
    /// The stage reached last.
    pub fn stage(&self) -> Stage {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
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

/// One invocation's work.
struct Step<'a> {
    engine: &'a Engine,
    /// Clients for the account and Region to deploy into.
    there: Aws,
    ecs: crate::aws::ecs::Ecs,
    order: &'a Order,
    spec: &'a DeploySpec,
    /// The starting job's id, or the invocation's if nobody waits for an answer.
    job: &'a str,
    /// The starting job, as the token says; none if this invocation starts the deployment.
    job_of_token: Option<String>,
    /// Revisions that ECS says that job has registered.
    proved: BTreeSet<Revision>,
    /// Those of them that were deregistered: their job has failed.
    inactive: BTreeSet<Revision>,
    reached: &'a Reached,
    /// Which version of the artifact the `ConfigFile` was read from.
    config_pin: Option<String>,
    /// What was seen of each service so far, for the record.
    timelines: Vec<Timeline>,
    warnings: Vec<String>,
    /// What was found out about the failure of a service.
    gathered: BTreeMap<usize, Evidence>,
    /// How often the rollback of a service was refused.
    refusals: BTreeMap<usize, usize>,
    /// Services as ECS has just shown them when they were set, by their place: the first look.
    just_seen: BTreeMap<usize, ServiceSeen>,
    /// ARNs of service deployments that were looked up in this invocation.
    service_deployments: Mutex<BTreeSet<String>>,
    /// Services that the last look showed as gone or going.
    gone: BTreeSet<usize>,
    /// Services that were asked to go back in this invocation.
    asked: Vec<usize>,
    /// Services that cannot be taken back, and why.
    given_up: BTreeMap<usize, String>,
    /// What is left to do once the job is answered.
    cleanup: Cleanup,
}

impl Engine {
    /// Starts what `order` asks for, or goes on with its token, and watches it until `until`.
    ///
    /// # Replay
    /// The same order again, with the same `job`, finds what the first made, registers nothing and
    /// updates nothing, and watches on.
    ///
    /// `config_pin` is which version of the artifact some parameters are from.
    pub async fn step(
        &self,
        order: &Order,
        spec: &DeploySpec,
        job: &str,
        config_pin: Option<String>,
        until: Timestamp,
        reached: &Reached,
    ) -> Report {
        let there = self
            .aws
            .in_account(spec.region.as_ref(), spec.role.as_ref());
        let mut step = Step {
            engine: self,
            ecs: there.ecs(None),
            there,
            order,
            spec,
            job,
            job_of_token: None,
            proved: BTreeSet::new(),
            inactive: BTreeSet::new(),
            reached,
            config_pin,
            timelines: vec![Timeline::default(); spec.targets.len()],
            warnings: Vec::new(),
            gathered: BTreeMap::new(),
            refusals: BTreeMap::new(),
            just_seen: BTreeMap::new(),
            service_deployments: Mutex::default(),
            gone: BTreeSet::new(),
            asked: Vec::new(),
            given_up: BTreeMap::new(),
            cleanup: Cleanup::default(),
        };
        let begun = match &order.continuation_token {
            Some(written) => token::decode(written, &fingerprint(spec))
                .map(|left_off| step.resumed(left_off))
                .map(start::Begun::Phase)
                .map_err(|bad| {
                    Failure::new(FailureKind::Job, bad_token(&spec.about(), &bad.to_string()))
                }),
            None => match step.check_outputs() {
                Ok(()) => Box::pin(step.start()).await,
                Err(failure) => Err(failure),
            },
        };
        let mut report = match begun {
            Err(failure) => Report::failed(failure),
            Ok(start::Begun::DryRun(report)) => Box::pin(step.keep_plan(report)).await,
            Ok(start::Begun::Phase(phase)) => {
                reached.set(Stage::At(step.left_off(&phase)));
                Box::pin(step.follow(phase, until)).await
            }
        };
        report.warnings.append(&mut step.warnings);
        report.cleanup = step.cleanup;
        report
    }
}

/// What the token is checked against: it belongs to these targets.
pub(crate) fn fingerprint(spec: &DeploySpec) -> String {
    token::fingerprint(
        spec.targets
            .iter()
            .flat_map(|target| [target.cluster_name(), target.service_name()]),
    )
}

/// Why a token cannot be gone on with. `about` is the services, as far as they are known.
pub(crate) fn bad_token(about: &str, why: &str) -> String {
    format!(
        "{about}: {why}. Nothing was changed by this invocation; a deployment that was under way goes on without being followed."
    )
}

impl Step<'_> {
    /// Takes up what a token carried along; returns its phase.
    fn resumed(&mut self, left_off: LeftOff) -> Phase {
        for (own, carried) in self.timelines.iter_mut().zip(left_off.timelines) {
            *own = carried;
        }
        self.job_of_token = Some(left_off.phase.job().to_owned());
        left_off.phase
    }

    /// What is to be carried to the next invocation.
    fn left_off(&self, phase: &Phase) -> LeftOff {
        LeftOff {
            phase: phase.clone(),
            timelines: self.timelines.clone(),
            config_pin: self.config_pin.clone(),
        }
    }

    /// Follows a deployment from `phase` until it ends, or until `until` has come.
    async fn follow(&mut self, phase: Phase, until: Timestamp) -> Report {
        match phase {
            Phase::PreDeploy { .. } => match Box::pin(self.follow_task(phase, until)).await {
                Ok(phase) => {
                    self.reached.set(Stage::At(self.left_off(&phase)));
                    Box::pin(self.watch(phase, until)).await
                }
                Err(report) => *report,
            },
            Phase::RollingOut { .. } | Phase::RollingBack { .. } => {
                Box::pin(self.watch(phase, until)).await
            }
        }
    }

    /// Whose permissions the calls to ECS, ECR and Logs need.
    fn caller(&self) -> Caller {
        match self.spec.role {
            None => Caller::Function,
            Some(_) => Caller::Assumed,
        }
    }

    /// A failed call that does not end the deployment, in words.
    fn words(&self, error: &CallError) -> String {
        explain::words(&self.placed(error), self.caller())
    }

    /// A call that a deployment cannot go on without has failed; `about` begins the sentence.
    fn of_call(&self, about: &str, error: &CallError, changed: bool) -> Failure {
        explain::of_call(about, &self.placed(error), self.caller(), changed)
    }

    /// The error with the Region that was called: that of the deployment, where it names no other.
    fn placed(&self, error: &CallError) -> CallError {
        error.clone().in_region(self.there.region())
    }

    fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    /// Something that does not change the outcome and should be known; told once.
    fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            tracing::warn!(job = self.job, "{warning}");
            self.warnings.push(warning);
        }
    }
}
