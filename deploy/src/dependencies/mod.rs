//! What new tasks need besides their images, and what is wrong with it: secrets, parameters, log groups, roles,
//! target groups, alarms.
//!
//! ```text
//! Registration, Depends ── needed ─► Needed ── each is looked at ─► answers ── check ─► Finding
//! ```
//!
//! Nothing here is a secret, and nothing that is asked for is: of a secret its description, of a parameter
//! whether it is there.

mod check;
mod missing;
mod needed;
mod tests;
mod trust;

pub use check::{
    AlarmSeen, Finding, SecretSeen, TargetGroupSeen, Unseen, alarms, log_group, parameter,
    parameter_name, role, secret, target_group, unseen,
};
pub use missing::Missing;
pub use needed::{
    AlarmsNeeded, LogGroupNeeded, Needed, OfService, ParameterNeeded, RoleNeeded, SecretNeeded,
    TargetGroupNeeded, needed,
};

/// What a service brings that the tasks of any revision of it need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Depends {
    /// The ARNs of its target groups, each with the container and port whose tasks ECS registers there.
    pub target_groups: Vec<(String, String, i32)>,
    /// The names of the alarms that ECS watches during its deployments.
    pub alarms: Vec<String>,
}
