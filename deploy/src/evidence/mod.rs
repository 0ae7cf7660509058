//! Why a rollout failed: what ECS, its tasks and their logs show → the cause, and the details below it.

mod advice;
mod aws_errors;
mod cause;
mod quote;
mod stopped;

use self::stopped::Depth;
use super::console;
use super::containers::ContainerFacts;
use super::outside::shown;
use super::seen::{Look, ServiceDeploymentSeen, Stuck};
use super::text;
use super::time::Timestamp;
use super::verdict::Reason;

pub use self::cause::cause;
pub use self::quote::telling_events;

/// One quoted reason takes at most this much of the headline.
pub(super) const REASON_LIMIT_CHARS: usize = 300;

/// So many groups of stopped tasks, and so many events, are shown.
const GROUPS_SHOWN: usize = 8;
const EVENTS_SHOWN: usize = 8;

/// Everything that explains a failure. Each part is present as far as it could be gathered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// Stopped tasks of our deployment.
    pub stopped: Vec<StoppedTask>,
    /// Whether they could be seen.
    pub stopped_seen: StoppedSeen,
    /// The service's events since the start that say that something went wrong, newest first.
    pub events: Vec<String>,
    /// ECS's text on the service deployment and the circuit breaker's counts.
    pub deployment: Vec<String>,
    /// This job has asked for the rollback: a user's stop that ECS reports is that, and not why it failed.
    pub job_rolls_back: bool,
    /// The service's deployment configuration, if no deployment can move with it.
    pub stuck: Option<Stuck>,
    /// What the revision says of its containers; none if that is not known.
    pub containers: Vec<ContainerFacts>,
    /// The last lines of the container that failed, oldest first.
    pub log: Vec<String>,
    /// So many of the first of them are only searched for the error, and not shown.
    pub log_unshown: usize,
    /// Why there are none, or where they are, as a part of a sentence.
    pub log_elsewhere: Option<String>,
    /// The last lines that the function of the lifecycle hook that failed has logged since the start, oldest first.
    pub hook_log: Vec<String>,
    /// What the target group's health check asks for, if tasks failed it.
    pub target_check: Option<TargetCheck>,
    /// The memory of the whole task in MiB, as its task definition says.
    pub task_memory: Option<String>,
    /// Of the task after the deployment, if that has failed: then it is why the service was rolled back.
    pub task_after: Option<Box<Evidence>>,
    /// Where to look on.
    pub console: Option<String>,
}

/// Whether ECS was asked for the stopped tasks: that none are known need not mean that there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StoppedSeen {
    /// Nobody has asked yet.
    #[default]
    NotAsked,
    /// It has shown them.
    Seen,
    /// It could not be asked, and why.
    Unseen(String),
}

/// The health check of a target group, as `DescribeTargetGroups` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetCheck {
    /// A number, or `traffic-port`: the one that the target is registered with.
    pub port: Option<String>,
    /// Absent for protocols that know none.
    pub path: Option<String>,
    /// What is healthy, as `200-399`.
    pub codes: Option<String>,
}

/// A stopped task of our deployment, and why it stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoppedTask {
    /// The last part of its ARN.
    pub id: String,
    /// `TaskFailedToStart`, `EssentialContainerExited`, `ServiceSchedulerInitiated`, …
    pub stop_code: String,
    /// ECS's text.
    pub reason: String,
    /// When it stopped.
    pub stopped_at: Option<Timestamp>,
    /// Its containers, in ECS's order.
    pub containers: Vec<StoppedContainer>,
}

/// A container of a stopped task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoppedContainer {
    /// Its name.
    pub name: String,
    /// Its exit code, if it ran.
    pub exit_code: Option<i32>,
    /// ECS's text, as `OutOfMemoryError: Container killed due to memory usage`.
    pub reason: Option<String>,
    /// The container runtime's id of it.
    pub runtime_id: Option<String>,
}

impl Evidence {
    /// What a look itself shows.
    pub fn seen(look: &Look, started: Timestamp) -> Self {
        let Some((service, service_deployment)) = look.seen() else {
            return Self::default();
        };
        Self {
            events: telling_events(&service.events, started),
            deployment: service_deployment.map_or_else(Vec::new, reports_on),
            stuck: service.stuck(),
            console: console::service(&service.arn),
            ..Self::default()
        }
    }

    /// Whether its tasks stopped for the reason that `known` has explained with a revision and a log.
    pub fn is_explained_by(&self, known: &Self) -> bool {
        let mut with_facts = self.clone();
        with_facts.explain_by(known);
        let reason = |of: &Self| of.root().map(|root| (root.depth, root.text));
        !known.containers.is_empty()
            && reason(known).is_some()
            && reason(&with_facts) == reason(known)
    }

    /// Keeps `lines`, oldest first, of which the last `shown` are shown.
    pub fn keep_log(&mut self, lines: Vec<String>, shown: u32) {
        let shown = usize::try_from(shown).unwrap_or(usize::MAX);
        self.log_unshown = lines.len().saturating_sub(shown);
        self.log = lines;
    }

    /// Takes over what `known` knows of their revision and their log.
    pub fn explain_by(&mut self, known: &Self) {
        self.containers.clone_from(&known.containers);
        self.task_memory.clone_from(&known.task_memory);
        self.log.clone_from(&known.log);
        self.log_unshown = known.log_unshown;
        self.log_elsewhere.clone_from(&known.log_elsewhere);
    }

    /// The ARN of the target group whose health check its tasks failed: from their reasons, or from the events of
    /// `look`, which name it by its ARN.
    pub fn target_group(&self, look: Option<&Look>) -> Option<String> {
        let reasons = self.stopped.iter().map(|task| task.reason.as_str());
        let service = look.and_then(Look::service);
        let events = service.map_or(&[][..], |service| &service.events);
        let events = events.iter().map(|event| event.message.as_str());
        let events = events.filter(|event| event.contains("unhealthy"));
        let found = reasons.chain(events).find_map(|text| {
            let (_, rest) = text.split_once("(target-group ")?;
            Some(rest.split_once(')')?.0)
        });
        let is_arn = |text: &&str| text.starts_with("arn:") && text.contains(":targetgroup/");
        found.filter(is_arn).map(str::to_owned)
    }

    /// What stands below the headline, one paragraph for each kind of evidence, the log cut from
    /// its beginning so that all has at most `room` bytes.
    pub fn details(&self, room: usize) -> String {
        let mut paragraphs = Vec::new();
        let groups: Vec<String> = self
            .groups()
            .iter()
            .filter(|group| group.depth != Depth::Scheduler)
            .take(GROUPS_SHOWN)
            .map(|group| {
                format!(
                    "{} × {}",
                    group.tasks.len(),
                    text::cut(&group.text, REASON_LIMIT_CHARS)
                )
            })
            .collect();
        // One alone is the headline.
        if groups.len() > 1 {
            paragraphs.push(format!("Stopped tasks: {}.", groups.join("; ")));
        }
        if !self.deployment.is_empty() {
            let first = self.deployment.first().and_then(|text| Reason::of(text));
            let of = if self.job_rolls_back && matches!(first, Some(Reason::User(_))) {
                " of the rollback, which this action has asked for"
            } else {
                ""
            };
            paragraphs.push(format!("ECS says{of}: {}", self.deployment.join(" ")));
        }
        if !self.events.is_empty() {
            let shown: Vec<String> = self
                .events
                .iter()
                .take(EVENTS_SHOWN)
                .map(|event| text::cut(event, REASON_LIMIT_CHARS))
                .collect();
            paragraphs.push(format!("ECS events: {}", shown.join(" ")));
        }
        let console = self.console.as_ref();
        let link = console.map_or_else(String::new, |link| format!("\n{link}"));
        let above = if paragraphs.is_empty() {
            String::new()
        } else {
            format!("\n{}", paragraphs.join("\n"))
        };
        let used = above.len() + link.len();
        if used > room {
            // The text is too long: the link is kept, because it leads to all of it.
            let kept = room.saturating_sub(link.len());
            return format!("{}{link}", text::cut_bytes(&above, kept));
        }
        format!("{above}{}{link}", self.log_shown(room - used))
    }

    fn log_shown(&self, room: usize) -> String {
        const TITLE: &str = "\nThe log of the container ends:";
        let mut left = room.saturating_sub(TITLE.len());
        let mut lines: Vec<String> = Vec::new();
        for line in self.log.iter().skip(self.log_unshown).rev() {
            let line = format!("\n  {}", shown(line.trim_end()));
            if line.len() > left {
                break;
            }
            left -= line.len();
            lines.push(line);
        }
        if lines.is_empty() {
            return String::new();
        }
        lines.reverse();
        format!("{TITLE}{}", lines.concat())
    }
}

/// What ECS reports of a service deployment, each once.
fn reports_on(seen: &ServiceDeploymentSeen) -> Vec<String> {
    let reasons = [&seen.status_reason, &seen.rollback_reason]
        .into_iter()
        .flatten();
    let reasons = reasons.map(|reason| reason.trim().to_owned());
    let mut reports = text::once(reasons.filter(|reason| !reason.is_empty()));
    if let Some((failures, threshold)) = seen.breaker.filter(|(failures, _)| *failures > 0) {
        reports.push(format!(
            "Its circuit breaker counted {failures} failed tasks; it trips at {threshold}."
        ));
    }
    reports
}

#[cfg(test)]
mod tests;
