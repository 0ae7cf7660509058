//! Where a deployment may be left off between two invocations.
//!
//! There is no Start and no Done: the first has no state, the second no next step. `PreDeploy`
//! joins these two when pre-deploy tasks do.

use super::decide::Owner;
use super::revision::Revision;
use super::time::Timestamp;

/// Our deployment of one service. All that is needed to find it again and to judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRollout {
    /// The revision that this job registered.
    pub revision: Revision,
    /// The revision that the service was set to before.
    pub previous: Revision,
    /// ECS's id of our deployment, `ecs-svc/<digits>`.
    pub deployment: String,
    /// The last part of our service deployment's ARN, once it is known.
    pub service_deployment: Option<String>,
}

/// A phase of a deployment. Holds just what the next step needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The services point at the new revision; ECS replaces tasks.
    RollingOut {
        /// The job that started it: the tag of its revision.
        job: String,
        /// When the services were updated. The time limit counts from here.
        started: Timestamp,
        /// One for each target, in the targets' order.
        services: Vec<ServiceRollout>,
    },
    /// It failed and the service goes back. Followed to its end, then reported as the failure it is.
    RollingBack {
        /// The job that started it.
        job: String,
        /// When the services were updated.
        started: Timestamp,
        /// Who goes back.
        owner: Owner,
        /// When the way back was first seen or asked for. Its own time limit counts from here.
        since: Timestamp,
        /// Which service failed first: an index into `services`.
        failed: usize,
        /// Why, as the headline says it.
        cause: String,
        /// One for each target, in the targets' order.
        services: Vec<ServiceRollout>,
    },
}

impl Phase {
    /// The phase's name in logs and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::RollingOut { .. } => "RollingOut",
            Self::RollingBack { .. } => "RollingBack",
        }
    }

    /// The services' rollouts, in the targets' order.
    pub fn services(&self) -> &[ServiceRollout] {
        match self {
            Self::RollingOut { services, .. } | Self::RollingBack { services, .. } => services,
        }
    }

    /// The same, to record what was found out later.
    pub fn services_mut(&mut self) -> &mut [ServiceRollout] {
        match self {
            Self::RollingOut { services, .. } | Self::RollingBack { services, .. } => services,
        }
    }

    /// When the services were updated.
    pub fn started(&self) -> Timestamp {
        match self {
            Self::RollingOut { started, .. } | Self::RollingBack { started, .. } => *started,
        }
    }
}
