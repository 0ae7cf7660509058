//! A task, and how it goes on.

use serde_json::Value;

use super::placement::Placement;
use super::setup::Behaviour;
use crate::arn::last_part;
use crate::clock::SECOND_MS;
use crate::logs::Logs;

/// Tasks are healthy after this unless their image says otherwise.
pub(super) const START_SECONDS: u32 = 20;

/// A task that cannot start takes this long to fail.
const FAIL_SECONDS: i64 = 10;
/// A task that will crash runs after this long.
const CRASH_START_SECONDS: i64 = 5;
/// A load balancer gives up on a task after this long.
const HEALTH_SECONDS: i64 = 40;

/// What SIGTERM leaves in a container that does not catch it.
pub(super) const SIGTERM: i64 = 143;

/// Why a task stops that somebody stopped.
pub(super) const USER_INITIATED: &str = "UserInitiated";

#[derive(Clone)]
pub(super) struct Task {
    pub(super) number: u64,
    pub(super) arn: String,
    pub(super) cluster: String,
    /// Empty for a task of `RunTask`.
    pub(super) service: String,
    /// The deployment that counts it.
    pub(super) deployment: String,
    pub(super) started_by: String,
    pub(super) task_definition: String,
    pub(super) status: &'static str,
    pub(super) is_wanted: bool,
    pub(super) created_at: i64,
    pub(super) running_since: Option<i64>,
    /// When it goes on: runs, fails, or ends.
    pub(super) next_at: Option<i64>,
    pub(super) fate: Fate,
    pub(super) stopped_at: Option<i64>,
    pub(super) stop_code: &'static str,
    pub(super) stopped_reason: String,
    /// Of the container that decides.
    pub(super) exit_code: Option<i64>,
    pub(super) container_reason: Option<String>,
    /// The container that decides has exited, and the task goes on without it.
    pub(super) has_lost_container: bool,
    pub(super) placement: Placement,
    /// What `RunTask` asked for; nothing for a service's task.
    pub(super) run: Run,
}

/// What `RunTask` asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    /// `null` if there are none.
    pub(super) overrides: Value,
    pub(super) group: String,
    pub(super) tags: Vec<Value>,
    pub(super) allows_commands: bool,
}

/// What becomes of a task.
#[derive(Clone)]
pub(super) struct Fate {
    /// As in the task definition.
    pub(super) containers: Vec<Container>,
    /// The one whose image or command decides.
    pub(super) deciding: usize,
    /// Group and stream prefix of its log, if it has one.
    pub(super) log: Option<(String, Option<String>)>,
    /// A container that AWS injects, which is not in the task definition and cannot be pulled.
    pub(super) injected: Option<String>,
    pub(super) behaviour: Behaviour,
}

/// A container of a task.
#[derive(Clone)]
pub(super) struct Container {
    pub(super) name: String,
    pub(super) image: String,
    /// The task ends with it.
    pub(super) is_essential: bool,
}

/// What a second brought a task that its deployment has to know.
pub(super) enum Step {
    Runs,
    Failed,
    /// Its target group found it unhealthy, which is an event besides.
    Unhealthy,
}

/// The target group of services behind a load balancer.
pub(super) const TARGET_GROUP: &str =
    "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/web/0123456789abcdef";

/// Seconds until something first happens to a task, if ever.
pub(super) fn first_step(behaviour: &Behaviour) -> Option<i64> {
    match behaviour {
        Behaviour::Healthy { start_seconds } => Some(i64::from(*start_seconds)),
        Behaviour::CannotPull
        | Behaviour::WrongArchitecture
        | Behaviour::SecretUnreadable
        | Behaviour::FailsToStart { .. } => Some(FAIL_SECONDS),
        Behaviour::Crash { .. }
        | Behaviour::OutOfMemory
        | Behaviour::FailsHealthCheck
        | Behaviour::FailsContainerCheck => Some(CRASH_START_SECONDS),
        Behaviour::NoCapacity | Behaviour::NoTask { .. } | Behaviour::StuckPending => None,
    }
}

impl Task {
    /// Whether it is the one on this cluster that has this id or ARN.
    pub(super) fn is_called(&self, cluster: &str, name: &str) -> bool {
        self.cluster == cluster && last_part(&self.arn) == last_part(name)
    }

    /// The container runtime's id of the container at this place.
    pub(super) fn runtime_id(&self, place: usize) -> String {
        format!("{}-{:010}", last_part(&self.arn), 265_927_825 + place)
    }

    /// The family of its revision.
    pub(super) fn family(&self) -> &str {
        let revision = last_part(&self.task_definition);
        revision
            .rsplit_once(':')
            .map_or(revision, |(family, _)| family)
    }

    pub(super) fn step(&mut self, now: i64, logs: &Logs) -> Option<Step> {
        if self.status == "STOPPED" || self.next_at.is_none_or(|at| now < at) {
            return None;
        }
        self.next_at = None;
        if !self.is_wanted {
            self.stop(now, self.stop_code, "");
            let has_run = self.running_since.is_some();
            if has_run && self.exit_code.is_none() && self.container_reason.is_none() {
                self.exit_code = Some(SIGTERM);
            }
            return None;
        }
        let deciding = self.fate.containers.get(self.fate.deciding);
        let image = deciding.map_or("", |container| container.image.as_str());
        if self.status == "PENDING" {
            let why = match &self.fate.behaviour {
                Behaviour::CannotPull => Some(format!(
                    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: {image}: not found"
                )),
                Behaviour::WrongArchitecture => Some(format!(
                    "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain descriptor matching platform 'linux/amd64': {image}"
                )),
                Behaviour::SecretUnreadable => Some(
                    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue"
                        .to_owned(),
                ),
                Behaviour::FailsToStart { reason, .. } => Some(reason.clone()),
                _ => None,
            };
            if let Some(why) = why {
                let in_container = matches!(
                    self.fate.behaviour,
                    Behaviour::FailsToStart {
                        in_container: true,
                        ..
                    }
                );
                let task = if in_container {
                    "Task failed to start"
                } else {
                    &why
                };
                self.stop(now, "TaskFailedToStart", task);
                if in_container || why.starts_with("CannotPull") {
                    self.container_reason = Some(why);
                }
                return Some(Step::Failed);
            }
            self.status = "RUNNING";
            self.running_since = Some(now);
            self.next_at = match &self.fate.behaviour {
                Behaviour::Crash { after_seconds, .. } => {
                    Some(now + i64::from(*after_seconds) * SECOND_MS)
                }
                Behaviour::OutOfMemory => Some(now + CRASH_START_SECONDS * SECOND_MS),
                Behaviour::FailsHealthCheck | Behaviour::FailsContainerCheck => {
                    Some(now + HEALTH_SECONDS * SECOND_MS)
                }
                _ => None,
            };
            return Some(Step::Runs);
        }
        match self.fate.behaviour.clone() {
            Behaviour::Crash {
                exit_code,
                log_lines,
                ..
            } => {
                if let Some((group, stream)) = self.log_stream() {
                    for line in &log_lines {
                        logs.append(&group, &stream, now, line);
                    }
                }
                return self.container_ends(now, exit_code);
            }
            Behaviour::OutOfMemory => {
                self.open_log(logs);
                self.container_reason =
                    Some("OutOfMemoryError: Container killed due to memory usage".to_owned());
                return self.container_ends(now, 137);
            }
            Behaviour::FailsHealthCheck => {
                let why = format!("Task failed ELB health checks in (target-group {TARGET_GROUP})");
                self.stop(now, "ServiceSchedulerInitiated", &why);
                return Some(Step::Unhealthy);
            }
            Behaviour::FailsContainerCheck => {
                self.open_log(logs);
                let why = "Task failed container health checks";
                self.stop(now, "ServiceSchedulerInitiated", why);
                self.exit_code = Some(SIGTERM);
            }
            _ => return None,
        }
        Some(Step::Failed)
    }

    /// The log group and the stream of the container that decides.
    fn log_stream(&self) -> Option<(String, String)> {
        let (group, prefix) = self.fate.log.as_ref()?;
        let deciding = self.fate.containers.get(self.fate.deciding);
        let stream = match prefix {
            Some(prefix) => {
                let container = deciding.map_or("", |container| container.name.as_str());
                format!("{prefix}/{container}/{}", last_part(&self.arn))
            }
            None => self.runtime_id(self.fate.deciding),
        };
        Some((group.clone(), stream))
    }

    /// A container that has started has its stream, whether it has written anything or not.
    fn open_log(&self, logs: &Logs) {
        if let Some((group, stream)) = self.log_stream() {
            logs.open(&group, &stream);
        }
    }

    /// The container that decides exits, and the task stops with it if it is essential.
    fn container_ends(&mut self, now: i64, exit_code: i64) -> Option<Step> {
        self.exit_code = Some(exit_code);
        let deciding = self.fate.containers.get(self.fate.deciding);
        if deciding.is_some_and(|container| !container.is_essential) {
            self.has_lost_container = true;
            return None;
        }
        let essential = "Essential container in task exited";
        self.stop(now, "EssentialContainerExited", essential);
        (exit_code != 0).then_some(Step::Failed)
    }

    fn stop(&mut self, now: i64, code: &'static str, reason: &str) {
        self.status = "STOPPED";
        self.is_wanted = false;
        self.stopped_at = Some(now);
        self.stop_code = code;
        if !reason.is_empty() {
            reason.clone_into(&mut self.stopped_reason);
        }
    }

    /// The service wants it no longer; it is gone at `at`.
    pub(super) fn scale_in(&mut self, at: i64) {
        self.is_wanted = false;
        self.next_at = Some(at);
        self.stop_code = "ServiceSchedulerInitiated";
        self.stopped_reason = format!(
            "Scaling activity initiated by (deployment {})",
            self.deployment
        );
    }

    /// Somebody has asked for its end, which comes at `at`.
    pub(super) fn stop_for_user(&mut self, at: i64, reason: &str) {
        self.is_wanted = false;
        self.next_at = Some(at);
        self.stop_code = USER_INITIATED;
        reason.clone_into(&mut self.stopped_reason);
    }
}
