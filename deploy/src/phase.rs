//! Where a deployment may be left off between two invocations.
//!
//! There is no Start and no Done: the first has no state, the second no next step.

use super::revision::Revision;
use super::time::Timestamp;

/// Our deployment of one service. All that is needed to find it again and to judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRollout {
    /// The revision that this job registered.
    pub revision: Revision,
    /// The revision that a rollback goes to: the one that served before.
    pub previous: Revision,
    /// `previous` is not what was checked: somebody deployed it between our look and our update.
    pub overwrote: bool,
    /// ECS's id of our deployment, `ecs-svc/<digits>`; empty while the service has not been set to
    /// our revision.
    pub deployment: String,
    /// The last part of our service deployment's ARN, once it is known.
    pub service_deployment: Option<String>,
}

impl ServiceRollout {
    /// Whether the service was set to our revision, as far as this job knows.
    pub fn is_touched(&self) -> bool {
        !self.deployment.is_empty()
    }
}

/// Who goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// ECS by itself: its circuit breaker, its alarms, or somebody who told it to.
    Ecs,
    /// This function, on behalf of the job.
    Job,
}

/// A phase of a deployment. Holds just what the next step needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// A task runs on the new revision; no service has been changed.
    PreDeploy {
        /// The job that started it: the tag of its revision, and the task's client token.
        job: String,
        /// When the task was started. Its time limit counts from here.
        started: Timestamp,
        /// The task's id.
        task: String,
        /// Which service it took its network from: an index into `services`.
        service: usize,
        /// One for each target, in the targets' order; none is touched.
        services: Vec<ServiceRollout>,
    },
    /// The services point at the new revision; ECS replaces tasks.
    RollingOut {
        /// The job that started it: the tag of its revision.
        job: String,
        /// When the services were updated. The time limit counts from here.
        started: Timestamp,
        /// One for each target, in the targets' order.
        services: Vec<ServiceRollout>,
    },
    /// It failed and the services go back. Followed to its end, then reported as the failure it is.
    RollingBack {
        /// The job that started it.
        job: String,
        /// When the services were updated.
        started: Timestamp,
        /// Who takes back the service that failed.
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
            Self::PreDeploy { .. } => "PreDeploy",
            Self::RollingOut { .. } => "RollingOut",
            Self::RollingBack { .. } => "RollingBack",
        }
    }

    /// The job that started the deployment.
    pub fn job(&self) -> &str {
        match self {
            Self::PreDeploy { job, .. }
            | Self::RollingOut { job, .. }
            | Self::RollingBack { job, .. } => job,
        }
    }

    /// The services' rollouts, in the targets' order.
    pub fn services(&self) -> &[ServiceRollout] {
        match self {
            Self::PreDeploy { services, .. }
            | Self::RollingOut { services, .. }
            | Self::RollingBack { services, .. } => services,
        }
    }

    /// The same, to record what was found out later.
    pub fn services_mut(&mut self) -> &mut [ServiceRollout] {
        match self {
            Self::PreDeploy { services, .. }
            | Self::RollingOut { services, .. }
            | Self::RollingBack { services, .. } => services,
        }
    }

    /// When the task was started, or the services were updated.
    pub fn started(&self) -> Timestamp {
        match self {
            Self::PreDeploy { started, .. }
            | Self::RollingOut { started, .. }
            | Self::RollingBack { started, .. } => *started,
        }
    }

    /// ECS's id of the first deployment, or of the task that runs before it.
    pub fn external_id(&self) -> Option<String> {
        match self {
            Self::PreDeploy { task, .. } => Some(task.clone()),
            Self::RollingOut { services, .. } | Self::RollingBack { services, .. } => services
                .iter()
                .find(|rollout| rollout.is_touched())
                .map(|rollout| rollout.deployment.clone()),
        }
    }
}
