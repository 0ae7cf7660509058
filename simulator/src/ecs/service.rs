//! A service and its deployments.

use super::lifecycle::Stage;
use super::setup::{ServiceSetup, Strategy};
use crate::arn::{arn, last_part};

#[derive(Clone)]
pub(super) struct Service {
    pub(super) setup: ServiceSetup,
    pub(super) status: String,
    pub(super) desired: i64,
    pub(super) task_definition: String,
    /// What the newest completed deployment brought: rollbacks go to it.
    pub(super) completed: String,
    /// Newest first.
    pub(super) deployments: Vec<Deployment>,
    /// Oldest first.
    pub(super) service_deployments: Vec<ServiceDeployment>,
    /// Newest first: id, time, text.
    pub(super) events: Vec<(String, i64, String)>,
    /// ARN and task definition of every service revision.
    pub(super) revisions: Vec<(String, String)>,
    pub(super) created_at: i64,
    pub(super) inactive_at: Option<i64>,
}

#[derive(Clone)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) is_primary: bool,
    pub(super) task_definition: String,
    pub(super) rollout_state: String,
    pub(super) reason: String,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    /// Failed in a row.
    pub(super) failed: i64,
    /// What served before: a rollback goes to it.
    pub(super) previous: String,
    /// Left to go through, the current one first.
    pub(super) stages: Vec<Stage>,
    pub(super) stage_since: i64,
    /// Places tasks; an outdated or failed one does not.
    pub(super) places: bool,
    pub(super) is_frozen: bool,
    /// Its service deployment, also of a rollback's.
    pub(super) service_deployment: Option<String>,
    pub(super) is_rollback: bool,
    pub(super) told_no_capacity: bool,
}

#[derive(Clone)]
pub(super) struct ServiceDeployment {
    pub(super) arn: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) finished_at: Option<i64>,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) rollback_reason: Option<String>,
    /// The service revision that the rollback brings.
    pub(super) rollback_to: String,
    pub(super) stage: Option<&'static str>,
    pub(super) weight: f64,
    /// When the hook that holds it gives up; `None` if none does.
    pub(super) held_until: Option<i64>,
    pub(super) hook_is_done: bool,
    /// How many hooks have held it before.
    pub(super) hooks_before: usize,
    /// Nobody has answered it in time.
    pub(super) hook_timed_out: bool,
    /// The function of its hook has failed, or did not answer in time.
    pub(super) function_is_over: bool,
    pub(super) triggered: Vec<String>,
    pub(super) is_frozen: bool,
    pub(super) failures: i64,
    pub(super) threshold: i64,
}

impl Service {
    /// A service made before 2021 and not migrated has its ARN without its cluster
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html#ecs-resource-ids>).
    pub(super) fn arn(&self) -> String {
        if self.setup.short_arn {
            arn("ecs", "service", &self.setup.name)
        } else {
            arn("ecs", "service", &self.path())
        }
    }

    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.setup.cluster, self.setup.name)
    }

    pub(super) fn primary_mut(&mut self) -> Option<&mut Deployment> {
        self.deployments.iter_mut().find(|one| one.is_primary)
    }

    pub(super) fn is_rolling(&self) -> bool {
        self.setup.strategy == Strategy::Rolling
    }
}

impl ServiceDeployment {
    /// The hook that may hold it.
    pub(super) fn hook_id(&self) -> String {
        let id = last_part(&self.arn);
        match self.hooks_before {
            0 => format!("hook-{id}"),
            before => format!("hook-{id}-{before}"),
        }
    }
}
