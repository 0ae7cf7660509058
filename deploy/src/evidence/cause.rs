//! From the stopped tasks, their revision and the service's events to the one cause that is reported.
//!
//! By how many tasks it stopped, and of as many the closest to the root. ECS puts a task's cause in
//! `stoppedReason` or in `containers[].reason`: both are read. Only containers of the revision count that can
//! end the task: essential ones, and those that a `dependsOn` waits for. Containers that AWS injects
//! (`GuardDuty`'s agent, Service Connect's) explain a task only if nothing else does.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::quote::{one_line, plain};
use super::{Evidence, REASON_LIMIT_CHARS, StoppedContainer, StoppedTask};
use crate::containers::ContainerFacts;
use crate::exit_code::{NOT_FOUND, NOT_RUNNABLE, SIGKILL, SIGTERM, meaning};
use crate::log_line::error_line;
use crate::text;
use crate::verdict::{Reason, Verdict};

/// The line of a container's log that says the error takes at most this much of the headline.
const LOG_LINE_LIMIT_CHARS: usize = 200;

/// A command or health check of the task definition takes at most this much of it.
const COMMAND_LIMIT_CHARS: usize = 120;

/// How close to the root a cause is, the closest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    Image,
    Resources,
    Start,
    Memory,
    ExitCode,
    Health,
    Other,
    Scheduler,
}

/// How much a container's exit explains; the greatest is reported.
///
/// One container exits first and ECS then stops the others with SIGTERM (143) and, half a minute
/// later, SIGKILL (137): those codes most likely follow from another container's exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Telling {
    Nothing,
    Terminated,
    Exited,
    Killed,
    ExitCode,
    Reason,
}

impl StoppedContainer {
    fn reason(&self) -> Option<&str> {
        self.reason
            .as_deref()
            .filter(|text| !text.trim().is_empty())
    }

    fn telling(&self) -> Telling {
        match self.exit_code {
            _ if self.reason().is_some() => Telling::Reason,
            None => Telling::Nothing,
            Some(SIGTERM) => Telling::Terminated,
            Some(0) => Telling::Exited,
            Some(SIGKILL) => Telling::Killed,
            Some(_) => Telling::ExitCode,
        }
    }
}

/// What ECS writes where the cause stands elsewhere.
fn is_generic(reason: &str) -> bool {
    const GENERIC: [&str; 3] = [
        "Essential container in task exited",
        "Task failed to start",
        "One or more containers failed to start",
    ];
    let reason = reason.trim().trim_end_matches('.');
    reason.is_empty() || GENERIC.contains(&reason)
}

impl StoppedTask {
    /// Whether somebody or something outside stopped it: how its containers then exited is a consequence
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>).
    fn was_stopped_from_outside(&self) -> bool {
        ["UserInitiated", "SpotInterruption", "TerminationNotice"]
            .contains(&self.stop_code.as_str())
            && !self.reason.trim().is_empty()
    }

    /// The container that explains most about why the task stopped; the first of several. Given what the
    /// revision says of its containers, if that is known.
    pub fn telling(&self, facts: &[ContainerFacts]) -> Option<&StoppedContainer> {
        let can_end_it = |container: &&StoppedContainer| {
            let mut known = facts.iter();
            known.any(|one| one.name == container.name && one.can_end_the_task())
        };
        let counting: Vec<&StoppedContainer> = self.containers.iter().filter(can_end_it).collect();
        let all: Vec<&StoppedContainer> = self.containers.iter().collect();
        let best = |containers: &[&StoppedContainer]| {
            let rank = containers.iter().map(|one| one.telling()).max()?;
            Some((
                rank,
                containers.iter().position(|one| one.telling() == rank)?,
            ))
        };
        match best(&counting) {
            Some((rank, place)) if rank > Telling::Terminated || !is_generic(&self.reason) => {
                counting.get(place).copied()
            }
            // Nothing else explains it.
            Some(_) | None => {
                let (_, place) = best(&all)?;
                all.get(place).copied()
            }
        }
    }

    /// The text that says most: the task's own, or its container's where that is generic.
    fn cause<'a>(&'a self, container: Option<&'a StoppedContainer>) -> &'a str {
        match container.and_then(StoppedContainer::reason) {
            Some(reason) if is_generic(&self.reason) => reason,
            Some(_) | None => &self.reason,
        }
    }

    pub(super) fn depth(&self, facts: &[ContainerFacts]) -> Depth {
        const NOT_STARTED: [&str; 5] = [
            "CannotStart",
            "CannotCreate",
            "ContainerRuntime",
            "DockerTimeout",
            "CannotInspect",
        ];
        let container = self.telling(facts);
        let reason = container.and_then(StoppedContainer::reason);
        let text = format!("{} {}", self.reason, reason.unwrap_or_default());
        let exit_code = container.and_then(|container| container.exit_code);
        if self.was_stopped_from_outside() {
            Depth::Other
        } else if text.contains("CannotPull") {
            Depth::Image
        } else if text.contains("ResourceInitializationError") {
            Depth::Resources
        } else if NOT_STARTED.iter().any(|name| text.contains(name)) {
            Depth::Start
        } else if text.contains("OutOfMemory") {
            Depth::Memory
        } else if text.to_lowercase().contains("health check") {
            Depth::Health
        } else if self.stop_code == "ServiceSchedulerInitiated" {
            // ECS stops tasks during a rollback: this is a consequence of it, not its cause.
            Depth::Scheduler
        } else if exit_code.is_some_and(|code| code != 0)
            || (exit_code.is_some() && self.stop_code == "EssentialContainerExited")
        {
            Depth::ExitCode
        } else {
            Depth::Other
        }
    }

    /// Why the task stopped: the container's text if it explains more than the task's.
    pub fn stop_text(&self, facts: &[ContainerFacts]) -> String {
        let container = self.telling(facts);
        let Some(container) = container.filter(|_| !self.was_stopped_from_outside()) else {
            return plain(&self.reason);
        };
        let reason = container.reason();
        match (self.depth(facts), container.exit_code) {
            (Depth::ExitCode, Some(code)) => format!(
                "container {} exited with code {code}{}",
                container.name,
                reason.map_or_else(String::new, |reason| format!(": {}", plain(reason)))
            ),
            (Depth::Memory, _) => format!(
                "container {} ran out of memory: {}",
                container.name,
                plain(reason.unwrap_or(&self.reason))
            ),
            _ if is_generic(&self.reason) && reason.is_some() => {
                let text = plain(self.cause(Some(container)));
                format!("container {}: {text}", container.name)
            }
            _ => plain(self.cause(Some(container))),
        }
    }
}

/// Tasks that stopped for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub(super) depth: Depth,
    pub(super) text: String,
    pub(super) tasks: Vec<&'a StoppedTask>,
}

impl Evidence {
    /// The stopped tasks by why they stopped, what stopped most of them first, and of as many the closest
    /// to the root.
    pub(super) fn groups(&self) -> Vec<Group<'_>> {
        let mut by_text: BTreeMap<(Depth, String), Vec<&StoppedTask>> = BTreeMap::new();
        for task in &self.stopped {
            let (depth, text) = (
                task.depth(&self.containers),
                task.stop_text(&self.containers),
            );
            if !text.trim().is_empty() {
                by_text.entry((depth, text)).or_default().push(task);
            }
        }
        let groups = by_text.into_iter();
        let mut groups: Vec<Group> = groups
            .map(|((depth, text), tasks)| Group { depth, text, tasks })
            .collect();
        groups.sort_by_key(|group| (Reverse(group.tasks.len()), group.depth));
        groups
    }

    fn root(&self) -> Option<Group<'_>> {
        let mut groups = self.groups().into_iter();
        groups.find(|group| group.depth != Depth::Scheduler)
    }

    /// The task whose container's log explains most: the newest of those that are the cause. None if
    /// their containers never ran.
    pub fn task_to_read(&self) -> Option<(&StoppedTask, &StoppedContainer)> {
        let root = self.root()?;
        let task = root.tasks.into_iter().max_by_key(|task| task.stopped_at)?;
        let container = task.telling(&self.containers)?;
        let has_run = container.exit_code.is_some();
        has_run.then_some((task, container))
    }

    /// The cause, as `CannotPullContainerError: … (3 tasks)`, with what to do where that is known.
    ///
    /// `None` if nothing explains it; the caller falls back on ECS's text for the rollout.
    pub fn root_cause(&self) -> Option<String> {
        let Some(group) = self.root() else {
            // No task was ever started, or none of its own: an event says why.
            let event = self.events.iter().find(|event| !is_consequence(event))?;
            return Some(text::cut(event.trim_end_matches('.'), REASON_LIMIT_CHARS));
        };
        let count = text::counted(group.tasks.len(), "task");
        Some(self.cause_of(&group, &format!(" ({count})")))
    }

    /// The same where there was one task only, which needs no count.
    pub fn only_cause(&self) -> Option<String> {
        self.root().map(|group| self.cause_of(&group, ""))
    }

    fn cause_of(&self, group: &Group<'_>, count: &str) -> String {
        let text = text::cut(group.text.trim_end_matches('.'), REASON_LIMIT_CHARS);
        let advice = self
            .advice(group)
            .map_or_else(String::new, |advice| format!("; {advice}"));
        format!("{text}{count}{advice}")
    }

    fn advice(&self, group: &Group<'_>) -> Option<String> {
        match group.depth {
            Depth::Memory => {
                let memory = self.task_memory.as_ref()?;
                Some(format!("the task definition gives the task {memory} MiB"))
            }
            Depth::ExitCode | Depth::Other => self.advice_on_exit(group),
            Depth::Health => Some(self.advice_on_health(group)),
            Depth::Image | Depth::Resources | Depth::Start => advice_on_start(&group.text),
            Depth::Scheduler => None,
        }
    }

    fn advice_on_exit(&self, group: &Group<'_>) -> Option<String> {
        let task = group.tasks.first()?;
        // Of a task that was stopped from outside, what its log says is no cause.
        if task.was_stopped_from_outside() {
            return None;
        }
        if self
            .log
            .iter()
            .any(|line| line.contains("exec format error"))
        {
            return Some(
                "its log says 'exec format error': the image is for another CPU architecture than the task definition's runtimePlatform".to_owned(),
            );
        }
        let container = task.telling(&self.containers);
        let code = container.and_then(|one| one.exit_code);
        let mut advice: Vec<String> = Vec::new();
        if let Some(code) = code.filter(|_| group.depth == Depth::ExitCode)
            && let Some(means) = meaning(code)
        {
            let facts = self.facts_of(container);
            let command = facts.and_then(|facts| facts.command.as_deref());
            let command = command.filter(|_| matches!(code, NOT_RUNNABLE | NOT_FOUND));
            advice.push(match command {
                Some(command) => format!("{means} ({})", quoted(command)),
                None => means.to_owned(),
            });
        }
        if let Some(line) = error_line(&self.log) {
            let line = text::cut(&one_line(&line), LOG_LINE_LIMIT_CHARS);
            advice.push(format!("its log ends: {line}"));
        }
        (!advice.is_empty()).then(|| advice.join("; "))
    }

    /// A container's health check is a command inside of it; a target group's is a port and a path.
    fn advice_on_health(&self, group: &Group<'_>) -> String {
        let lower = group.text.to_lowercase();
        if lower.contains("elb") || lower.contains("target group") || lower.contains("target-group")
        {
            return "check that the container answers on its port and the health check's path"
                .to_owned();
        }
        if lower.contains("service connect") {
            return "the agent of Service Connect did not become healthy: look at the service's Service Connect configuration and the agent's log".to_owned();
        }
        let checked = self.containers.iter();
        let checked: Vec<String> = checked
            .filter(|one| one.can_end_the_task())
            .filter_map(|one| Some((one.name.as_str(), one.health_check.as_deref()?)))
            .map(|(name, check)| format!("container {name} runs {}", quoted(check)))
            .collect();
        let what = "a container's health check is a command that runs inside of it: is its program (curl, say) in the image, and does it end with 0?";
        if checked.is_empty() {
            what.to_owned()
        } else {
            format!("{what} {}", text::listed(&checked))
        }
    }

    fn facts_of(&self, container: Option<&StoppedContainer>) -> Option<&ContainerFacts> {
        let name = &container?.name;
        self.containers.iter().find(|facts| facts.name == *name)
    }
}

/// What to look at where a task could not be started, by what its error says
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html>). The first
/// that fits; none where the error is plain.
fn advice_on_start(error: &str) -> Option<String> {
    const ADVICE: [(&[&str], &str); 7] = [
        (
            &["descriptor matching platform"],
            "the image is for another CPU architecture or operating system than the task definition's runtimePlatform",
        ),
        (
            &["toomanyrequests", "429 Too Many Requests"],
            "the registry limits pulls: pull with credentials (repositoryCredentials), or through a pull-through cache of ECR",
        ),
        (
            &["no space left on device"],
            "the task's disk is full: raise ephemeralStorage in the task definition, or make the image smaller",
        ),
        (
            &["AccessDenied", "not authorized"],
            "the task's execution role needs that permission",
        ),
        (
            &[
                "pull access denied",
                "authorization failed",
                "no basic auth credentials",
                "403 Forbidden",
            ],
            "the repository must exist, and the task's execution role (or repositoryCredentials) must be allowed to pull from it",
        ),
        (
            &["log group does not exist"],
            "create the log group, or set awslogs-create-group",
        ),
        (
            &[
                "i/o timeout",
                "deadline exceeded",
                "connection issue",
                "no such host",
                "connection refused",
            ],
            "the task has no way to it: it needs a route (a public IP address, a NAT gateway or VPC endpoints), and a security group that lets it out",
        ),
    ];
    let fits = |(signs, _): &&(&[&str], &str)| signs.iter().any(|sign| error.contains(sign));
    ADVICE
        .iter()
        .find(fits)
        .map(|(_, advice)| (*advice).to_owned())
}

fn quoted(command: &str) -> String {
    format!("'{}'", text::cut(&one_line(command), COMMAND_LIMIT_CHARS))
}

/// What ECS reports of its own doing after something has failed.
fn is_consequence(event: &str) -> bool {
    const OWN_DOING: [&str; 5] = [
        "rolling back",
        "deployment failed:",
        "has stopped",
        "has begun draining",
        "deregistered",
    ];
    OWN_DOING.iter().any(|text| event.contains(text))
}

/// Why a rollout failed: what ECS decided by name, else what its tasks show, else what ECS reports of it, else
/// that nobody reported anything.
pub fn cause(verdict: &Verdict, evidence: &Evidence) -> String {
    let reason = verdict.reason();
    let explains_all = reason.is_some_and(Reason::explains_all);
    let root_cause = evidence.root_cause().filter(|_| !explains_all);
    root_cause
        .or_else(|| {
            let text = reason?.to_string();
            Some(text::cut(
                plain(&text).trim().trim_end_matches('.'),
                REASON_LIMIT_CHARS,
            ))
        })
        .unwrap_or_else(|| "ECS gave no reason".to_owned())
}
