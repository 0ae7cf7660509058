//! The loop: observe, decide, act.
//!
//! An invocation starts a deployment or goes on with one, and ends with a [`Report`]. Nothing here
//! answers CodePipeline; that is the handler's.

mod evidence;
mod images;
mod rollback;
mod start;
mod verify;
mod watch;

pub(crate) use watch::in_progress;

use std::sync::{Arc, Mutex, PoisonError};

use crate::artifact::entry::Bounds;
use crate::aws::Aws;
use crate::clock::Clock;
use crate::deploy::evidence::Evidence;
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::phase::Phase;
use crate::deploy::rollout::Look;
use crate::deploy::time::Timestamp;
use crate::deploy::token;
use crate::explain::{self, Caller};
use crate::job::Order;
use crate::metrics::Ended;
use crate::parameters::{DeploySpec, Target};
use crate::report::Report;

/// Sees each look at the services and each end, for whoever shows or counts deployments.
pub trait Observer: Send + Sync {
    /// What was seen of `target`, and when.
    fn looked(&self, target: &Target, look: &Look, now: Timestamp);

    /// How an invocation ended, after its job was answered.
    fn ended(&self, _: Ended<'_>) {}
}

/// Sees nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn looked(&self, _: &Target, _: &Look, _: Timestamp) {}
}

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
    /// A phase that a later invocation can go on with.
    At(Phase),
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
    ecs: crate::aws::ecs::Ecs,
    order: &'a Order,
    spec: &'a DeploySpec,
    /// The starting job's id, or the invocation's if nobody waits for an answer.
    job: &'a str,
    reached: &'a Reached,
    warnings: Vec<String>,
    /// What was found out about a failure.
    gathered: Option<Evidence>,
    /// How often a rollback was refused.
    refusals: usize,
    /// A revision that was registered and that no service will ever use.
    unused: Option<String>,
}

impl Engine {
    /// Starts what `order` asks for, or goes on with its token, and watches it until `until`.
    ///
    /// # Replay
    /// The same order again, with the same `job`, finds what the first made, registers nothing and
    /// updates nothing, and watches on.
    pub async fn step(
        &self,
        order: &Order,
        spec: &DeploySpec,
        job: &str,
        until: Timestamp,
        reached: &Reached,
    ) -> Report {
        let mut step = Step {
            engine: self,
            ecs: self.aws.ecs(spec.region.as_deref()),
            order,
            spec,
            job,
            reached,
            warnings: Vec::new(),
            gathered: None,
            refusals: 0,
            unused: None,
        };
        let begun = match &order.continuation_token {
            Some(written) => token::decode(written, &fingerprint(spec))
                .map(start::Begun::Phase)
                .map_err(|bad| Failure::new(FailureKind::Job, bad_token(spec, &bad.to_string()))),
            None => step.start().await,
        };
        let mut report = match begun {
            Err(failure) => Report::failed(failure),
            Ok(start::Begun::DryRun(report)) => report,
            Ok(start::Begun::Phase(phase)) => {
                reached.set(Stage::At(phase.clone()));
                step.watch(phase, until).await
            }
        };
        report.warnings.append(&mut step.warnings);
        report.unused_revision = step.unused;
        report
    }

    /// Deregisters a revision that no service will ever use. After the answer, which is not to
    /// wait for it: a delivery that finds the revision still there gives the same answer again.
    ///
    /// # Errors
    /// A sentence; the revision is then left over and harms nobody.
    pub async fn deregister(&self, spec: &DeploySpec, revision: &str) -> Result<(), String> {
        let ecs = self.aws.ecs(spec.region.as_deref());
        ecs.deregister(revision).await.map_err(|error| {
            explain::of_call(
                "an unused revision is left over",
                &error,
                Caller::Function,
                true,
            )
            .message
        })
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

fn bad_token(spec: &DeploySpec, why: &str) -> String {
    let targets: Vec<String> = spec.targets.iter().map(ToString::to_string).collect();
    format!(
        "{}: {why}. Nothing was changed by this invocation; a deployment that was under way goes on without being followed.",
        crate::deploy::text::listed(&targets)
    )
}

impl Step<'_> {
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
