//! What a look means for our deployment, as a value. What makes it one is in [`crate::judge`].

use std::fmt;

use super::text;

/// Task counts and what else is worth a line while a rollout goes on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// Tasks that our deployment wants.
    pub desired: i32,
    /// Our tasks that run.
    pub new_running: i32,
    /// Tasks of all other deployments that run.
    pub old_running: i32,
    /// The lifecycle stage, where there is one.
    pub stage: Option<String>,
    /// Share of production traffic on our revision, in percent.
    pub new_weight: Option<f64>,
    /// A hook that holds the deployment, or a state that this build does not know.
    pub note: Option<String>,
    /// How long, in minutes, it is watched after its traffic is shifted.
    pub bake_minutes: i32,
}

impl Progress {
    /// All new tasks run, and what is left is old ones that drain. Before `CLEAN_UP` they do not
    /// drain: they wait for what the traffic on the new ones shows.
    pub fn only_old_ones_drain(&self) -> bool {
        let cleans_up = self
            .stage
            .as_deref()
            .is_none_or(|stage| stage == "CLEAN_UP");
        let is_held = self.note.is_some();
        let all_run = self.desired > 0 && self.new_running >= self.desired;
        all_run && self.old_running > 0 && cleans_up && !is_held
    }
}

/// Why a rollout failed or is rolled back: ECS's own text, classified where it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// These CloudWatch alarms went off; at least one.
    Alarms(Vec<String>),
    /// ECS's text names an alarm, and its answer does not list which.
    AlarmText(String),
    /// ECS's circuit breaker, in its own text.
    CircuitBreaker(String),
    /// A lifecycle hook failed or timed out, as far as ECS shows which.
    Hook(String),
    /// Somebody asked ECS for it, in its own text.
    User(String),
    /// So many tasks of our deployment have failed that this job has given it up.
    TooManyFailed {
        /// So many.
        failed: i32,
        /// So many were too many.
        limit: i32,
    },
    /// It was complete, and the service was set back since, by the deployment with this id.
    SetBackSince(String),
    /// Anything else, in ECS's own text.
    Other(String),
}

impl Reason {
    /// The reason that ECS's `text` gives; `None` if it is blank.
    pub fn of(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return None;
        }
        let lower = text.to_lowercase();
        let text = text.to_owned();
        Some(if lower.contains("circuit breaker") {
            Self::CircuitBreaker(text)
        } else if lower.contains("lifecycle hook") {
            Self::Hook(text)
        } else if lower.contains("alarm") {
            Self::AlarmText(text)
        } else if is_by_a_user(&lower) {
            Self::User(text)
        } else {
            Self::Other(text)
        })
    }

    /// Whether ECS itself decided: its circuit breaker, its alarms, or a lifecycle hook.
    pub fn is_ecs_own_doing(&self) -> bool {
        match self {
            Self::Alarms(_) | Self::AlarmText(_) | Self::CircuitBreaker(_) | Self::Hook(_) => true,
            Self::User(_) | Self::TooManyFailed { .. } | Self::SetBackSince(_) | Self::Other(_) => {
                false
            }
        }
    }

    /// Whether it explains more than the tasks do: they stopped because of it.
    pub fn explains_all(&self) -> bool {
        match self {
            Self::Alarms(_) | Self::Hook(_) | Self::User(_) => true,
            Self::AlarmText(_)
            | Self::CircuitBreaker(_)
            | Self::TooManyFailed { .. }
            | Self::SetBackSince(_)
            | Self::Other(_) => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alarms(names) => write!(f, "alarm {} went off", text::listed(names)),
            Self::TooManyFailed { failed, limit } => write!(
                f,
                "{failed} of its tasks have failed, and FailureThreshold is {limit}"
            ),
            Self::SetBackSince(by) => write!(
                f,
                "it was complete, and the service has been set back since ({by})"
            ),
            Self::AlarmText(text)
            | Self::CircuitBreaker(text)
            | Self::Hook(text)
            | Self::User(text)
            | Self::Other(text) => f.write_str(text),
        }
    }
}

/// Whether ECS's text, in lower case, says that a person asked for it, and not that one lacks a permission.
fn is_by_a_user(lower: &str) -> bool {
    let mut words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| word == "user") && !lower.contains("not authorized")
}

/// What the task before the deployment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskVerdict {
    /// Not there yet, running, or not to be seen at the moment.
    Running,
    /// The container that decides exited with code 0. Others of the task may still run.
    Succeeded,
    /// It exited otherwise, or never ran.
    Failed,
}

impl TaskVerdict {
    /// Its name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// What a look means for our deployment.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The service was never set to our revision.
    Untouched,
    /// Our deployment is complete and its revision is ours.
    Serving {
        /// How many tasks the service wants; 0 is a success in which no task ran.
        desired: i32,
        /// How many of ours run: not more than are wanted, and fewer where ECS calls it complete
        /// before all do.
        running: i32,
    },
    /// Under way.
    InProgress(Progress),
    /// ECS is rolling back to the earlier revision.
    RollingBack {
        /// Why, in ECS's text.
        reason: Option<Reason>,
        /// The counts of the moment.
        progress: Progress,
    },
    /// ECS has rolled back.
    RolledBack {
        /// Why, in ECS's text.
        reason: Option<Reason>,
    },
    /// ECS tried to roll back and could not.
    RollbackFailed {
        /// Why, in ECS's text.
        reason: Option<Reason>,
    },
    /// ECS gave up, or somebody stopped it; nothing is being rolled back yet.
    Failed {
        /// Why, in ECS's text.
        reason: Option<Reason>,
        /// Somebody stopped it, rather than ECS giving up.
        stopped: bool,
        /// The service is set so that ECS rolls back by itself.
        ecs_rolls_back: bool,
    },
    /// Another deployment has replaced ours.
    Replaced {
        /// Its deployment id.
        by: String,
        /// Its revision's ARN.
        task_definition: String,
        /// Whether ours was complete before, where that is known.
        was_complete: Option<bool>,
    },
    /// The service is gone or going.
    Gone {
        /// Its status, or `MISSING`.
        status: String,
    },
    /// A state never seen before. In progress until the deadline, never success.
    Unknown {
        /// The state, as ECS wrote it.
        state: String,
        /// The counts of the moment.
        progress: Progress,
    },
    /// Could not look.
    NoNews {
        /// What went wrong.
        why: String,
    },
}

impl Verdict {
    /// The counts of the moment, where there are any.
    pub fn progress(&self) -> Option<&Progress> {
        match self {
            Self::InProgress(progress)
            | Self::RollingBack { progress, .. }
            | Self::Unknown { progress, .. } => Some(progress),
            Self::Untouched
            | Self::Serving { .. }
            | Self::RolledBack { .. }
            | Self::RollbackFailed { .. }
            | Self::Failed { .. }
            | Self::Replaced { .. }
            | Self::Gone { .. }
            | Self::NoNews { .. } => None,
        }
    }

    /// Why, where ECS or somebody has decided something.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::RollingBack { reason, .. }
            | Self::RolledBack { reason }
            | Self::RollbackFailed { reason }
            | Self::Failed { reason, .. } => reason.as_ref(),
            Self::Untouched
            | Self::Serving { .. }
            | Self::InProgress(_)
            | Self::Replaced { .. }
            | Self::Gone { .. }
            | Self::Unknown { .. }
            | Self::NoNews { .. } => None,
        }
    }

    /// The end of a rollout that is not a success.
    pub fn has_failed(&self) -> bool {
        match self {
            Self::RolledBack { .. }
            | Self::RollbackFailed { .. }
            | Self::Failed { .. }
            | Self::Replaced { .. }
            | Self::Gone { .. } => true,
            Self::Serving { .. }
            | Self::Untouched
            | Self::InProgress(_)
            | Self::RollingBack { .. }
            | Self::Unknown { .. }
            | Self::NoNews { .. } => false,
        }
    }

    /// Nothing failed of itself: only time may run out.
    pub fn is_open(&self) -> bool {
        match self {
            Self::InProgress(_) | Self::Unknown { .. } | Self::NoNews { .. } => true,
            Self::Untouched
            | Self::Serving { .. }
            | Self::RollingBack { .. }
            | Self::RolledBack { .. }
            | Self::RollbackFailed { .. }
            | Self::Failed { .. }
            | Self::Replaced { .. }
            | Self::Gone { .. } => false,
        }
    }

    /// Whether its tasks and ECS may show why: not where another deployment replaced it, where the service
    /// is gone, and where it could not be looked at.
    pub fn has_a_cause(&self) -> bool {
        match self {
            Self::Replaced { .. } | Self::Gone { .. } | Self::NoNews { .. } | Self::Untouched => {
                false
            }
            Self::Serving { .. }
            | Self::InProgress(_)
            | Self::RollingBack { .. }
            | Self::RolledBack { .. }
            | Self::RollbackFailed { .. }
            | Self::Failed { .. }
            | Self::Unknown { .. } => true,
        }
    }

    /// Whether the service is rolled back, or was to be.
    pub fn is_rolled_back(&self) -> bool {
        match self {
            Self::RollingBack { .. } | Self::RolledBack { .. } | Self::RollbackFailed { .. } => {
                true
            }
            Self::Untouched
            | Self::Serving { .. }
            | Self::InProgress(_)
            | Self::Failed { .. }
            | Self::Replaced { .. }
            | Self::Gone { .. }
            | Self::Unknown { .. }
            | Self::NoNews { .. } => false,
        }
    }

    /// Whether the rollout was complete before the service was set back.
    pub fn was_set_back_since(&self) -> bool {
        match self {
            Self::RollingBack { reason, .. }
            | Self::RolledBack { reason }
            | Self::RollbackFailed { reason } => matches!(reason, Some(Reason::SetBackSince(_))),
            Self::Replaced { was_complete, .. } => *was_complete == Some(true),
            Self::Untouched
            | Self::Serving { .. }
            | Self::InProgress(_)
            | Self::Failed { .. }
            | Self::Gone { .. }
            | Self::Unknown { .. }
            | Self::NoNews { .. } => false,
        }
    }

    /// Whether ECS itself decided that it failed: its circuit breaker, its alarms, or a lifecycle hook.
    pub fn is_ecs_own_doing(&self) -> bool {
        match self {
            Self::Failed { stopped, .. } => !stopped,
            Self::RollingBack { reason, .. }
            | Self::RolledBack { reason }
            | Self::RollbackFailed { reason } => {
                reason.as_ref().is_some_and(Reason::is_ecs_own_doing)
            }
            Self::Untouched
            | Self::Serving { .. }
            | Self::InProgress(_)
            | Self::Replaced { .. }
            | Self::Gone { .. }
            | Self::Unknown { .. }
            | Self::NoNews { .. } => false,
        }
    }
}
