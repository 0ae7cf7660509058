//! The start of a deployment, decided: what was asked for and what was seen become a [`Plan`], or
//! every [`Refusal`](super::refusal::Refusal) of that step.
//!
//! ```text
//! Observed ── draft ─► Draft ── the images are looked at ─► Verified ── settle ─► Plan
//!     └─► refusals         └─► refusals                                   └─► refusals
//! ```

mod draft;
mod observed;
mod settle;
mod tests;
mod under_way;

pub use draft::{Draft, draft};
pub use observed::{
    DefinitionFile, Families, Newest, Observed, ObservedFamily, ObservedSchedule, ObservedService,
    families, unsuitable,
};
pub use settle::{Verified, settle};
pub use under_way::seems_under_way;

use std::time::Duration;

use super::diff::Changes;
use super::revision::Revision;
use super::seen::ServiceSeen;
use super::spec::{DeploySpec, StandaloneTask, Target};
use super::task_definition::Registration;
use super::time::Timestamp;

/// What is asked for, and by which job.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The parameters.
    pub spec: &'a DeploySpec,
    /// The job's id, or the invocation's if nobody waits for an answer.
    pub job: &'a str,
    /// Which version of the artifact some parameters are from.
    pub config_pin: Option<&'a str>,
    /// When an earlier invocation has chosen the revision that is deployed as it is.
    pub chosen: Option<Timestamp>,
}

/// A deployment that was checked and not begun: all that is to be done, and nothing left to decide.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// When the services were looked at.
    pub seen_at: Timestamp,
    /// The task definition families.
    pub families: Vec<FamilyPlan>,
    /// The services, in the order of the parameters.
    pub services: Vec<ServicePlan>,
    /// The task that runs first.
    pub pre_deploy: Option<TaskPlan>,
    /// The task that runs last.
    pub post_deploy: Option<StandaloneTask>,
    /// What is pointed at the new revisions after success, as messages call it.
    pub scheduled: Vec<String>,
    /// The new revisions would be what serves, and nothing is deployed then (`SkipIfUnchanged`).
    pub is_unchanged: bool,
    /// How many revisions are kept.
    pub keep_revisions: Option<usize>,
    /// Whether a failure is rolled back.
    pub rollback: bool,
    /// How long a rollout may take.
    pub limit: Duration,
    /// The fields of the task definition's file that only ECS writes, and that are left out.
    pub left_out: Vec<String>,
}

/// One family.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyPlan {
    /// Its name.
    pub name: String,
    /// What the new revision is made from: `app:41`, or a file's name.
    pub base: String,
    /// The new revision.
    pub registration: Registration,
    /// What differs from what its services run.
    pub changes: Changes,
    /// The images that were looked for in ECR, as far as they are there.
    pub verified: Vec<String>,
    /// The revision (an ARN) that an earlier delivery of this job has registered, or that is deployed as it is.
    pub own: Option<String>,
    /// It is deployed as it is.
    pub is_existing: bool,
    /// The number of the family's newest revision when it was looked at.
    pub newest: u64,
}

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServicePlan {
    /// Which.
    pub target: Target,
    /// The service, as it was seen.
    pub seen: ServiceSeen,
    /// What it is set to.
    pub set_to: Revision,
    /// Its place among the families.
    pub family: usize,
}

/// The task before the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPlan {
    /// What is asked for.
    pub asked: StandaloneTask,
    /// The service whose network and settings it takes: a place among the services.
    pub service: usize,
    /// The volumes of its revision that are configured at launch.
    pub volumes: Vec<String>,
}
