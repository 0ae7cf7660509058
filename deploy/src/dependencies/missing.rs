//! What new tasks need and is not there.

use super::trust::TASKS;
use crate::spec::Target;
use crate::text;

/// What new tasks need and is not there. Each is one sentence, without its stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A `valueFrom` that names nothing. Its text is not shown: somebody may have written the secret itself.
    #[error(
        "the valueFrom of {0} is neither the ARN of a secret nor the name or ARN of a parameter"
    )]
    NotASecret(String),
    /// There is no such secret.
    #[error("the secret {name}{place} does not exist; {} needs it", text::listed(.by))]
    Secret {
        /// Its name, with what ECS has at its end.
        name: String,
        /// ` in eu-central-1`, if it is of another Region.
        place: String,
        /// Who needs it.
        by: Vec<String>,
    },
    /// It is pending deletion, and nobody can read it.
    #[error(
        "the secret {name} is pending deletion, and {} needs it: restore it (aws secretsmanager restore-secret), or name another",
        text::listed(.by)
    )]
    SecretDeleted {
        /// Its name.
        name: String,
        /// Who needs it.
        by: Vec<String>,
    },
    /// It has no version of this kind.
    #[error(
        "the secret {name} has no version with the {which}, and {} needs it: {}",
        text::listed(.by),
        if *.has_no_value { "it has no value yet; give it one (aws secretsmanager put-secret-value)" } else { "correct the end of its valueFrom" }
    )]
    SecretVersion {
        /// Its name.
        name: String,
        /// `stage AWSCURRENT`, `id …`.
        which: String,
        /// It is the version that every secret with a value has.
        has_no_value: bool,
        /// Who needs it.
        by: Vec<String>,
    },
    /// There is no such parameter.
    #[error("the parameter {name}{place} does not exist; {} needs it", text::listed(.by))]
    Parameter {
        /// Its name.
        name: String,
        /// ` in eu-central-1`, if it is of another Region.
        place: String,
        /// Who needs it.
        by: Vec<String>,
    },
    /// There is no such log group, and nobody makes it.
    #[error(
        "the log group {name}{place} does not exist, and the log of {} is to go there: create it, or set awslogs-create-group to true",
        text::listed(.by)
    )]
    LogGroup {
        /// Its name.
        name: String,
        /// ` in eu-central-1`, if it is of another Region.
        place: String,
        /// The containers.
        by: Vec<String>,
    },
    /// There is no such role.
    #[error("the role {name} ({}) does not exist", text::listed(.members))]
    Role {
        /// Its name.
        name: String,
        /// `executionRoleArn`, `taskRoleArn`.
        members: Vec<String>,
    },
    /// ECS could not assume it.
    #[error(
        "the role {name} ({}) does not let ECS's tasks assume it: add to its trust policy {{\"Effect\":\"Allow\",\"Principal\":{{\"Service\":\"{TASKS}\"}},\"Action\":\"sts:AssumeRole\"}}",
        text::listed(.members)
    )]
    Trust {
        /// Its name.
        name: String,
        /// `executionRoleArn`, `taskRoleArn`.
        members: Vec<String>,
    },
    /// There is no such target group.
    #[error("the target group {name}, with which {target} registers its tasks, does not exist")]
    TargetGroup {
        /// Its name.
        name: String,
        /// The service.
        target: Target,
    },
    /// It takes no tasks of this kind.
    #[error(
        "the target group {name} of {target} has targets of the type {kind}, and tasks with the networkMode {} need the type {}",
        if *.is_awsvpc { "awsvpc" } else { "bridge or host" },
        if *.is_awsvpc { "ip" } else { "instance" }
    )]
    TargetType {
        /// Its name.
        name: String,
        /// The service.
        target: Target,
        /// Its type.
        kind: String,
        /// The tasks have networks of their own.
        is_awsvpc: bool,
    },
}
