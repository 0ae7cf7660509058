//! Observers of deployments, which change nothing: metrics, the local runner, tests.

use std::time::Duration;

use crate::deploy::outcome::Outcome;
use crate::deploy::seen::Look;
use crate::deploy::spec::Target;
use crate::deploy::time::Timestamp;
use crate::record::Record;

/// The outcome of a deployment of one service.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// The job, or the invocation of a manual deployment.
    pub job: &'a str,
    /// The service; `None` if the event names none.
    pub target: Option<&'a Target>,
    /// The outcome; in progress is none.
    pub outcome: &'a Outcome,
    /// The stage in which it ended: `Start`, `PreDeploy`, `RollingOut`, `PostDeploy` or `RollingBack`.
    pub phase: &'static str,
    /// Since the service was updated, or since the invocation began if it was not.
    pub took: Duration,
    /// When.
    pub at: Timestamp,
}

/// Sees each look at the services and each end, for showing or counting deployments.
pub trait Observer: Send + Sync {
    /// What was seen of `target`, and when.
    fn looked(&self, target: &Target, look: &Look, now: Timestamp);

    /// The outcome of an invocation, after its job was answered.
    fn finished(&self, _: Finished<'_>) {}

    /// Whether it wants the record of a deployment that ends, which takes a few calls to gather.
    fn wants_record(&self) -> bool {
        false
    }

    /// The record of a deployment that is over, before its job is answered.
    fn recorded(&self, _: &Record) {}
}

/// Sees nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn looked(&self, _: &Target, _: &Look, _: Timestamp) {}
}
