//! What stopped the tasks: of each the container that counts, and of all the reason that comes first.
//!
//! By how many tasks it stopped, and of as many the closest to the root. ECS puts a task's cause in
//! `stoppedReason` or in `containers[].reason`: both are read. Only containers of the revision count that can
//! end the task: essential ones, and those that a `dependsOn` waits for. Containers that AWS injects
//! (`GuardDuty`'s agent, Service Connect's) explain a task only if nothing else does.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::quote::{plain, same_for_all};
use super::{Evidence, StoppedContainer, StoppedTask};
use crate::containers::ContainerFacts;
use crate::exit_code::{SIGKILL, SIGTERM};

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
    /// ECS's text on it; none if that only says that another container is the cause.
    fn reason(&self) -> Option<&str> {
        let says = |text: &&str| !text.trim().is_empty() && !text.contains("dependency graph:");
        self.reason.as_deref().filter(says)
    }

    fn telling(&self, facts: &[ContainerFacts]) -> Telling {
        let mut known = facts.iter();
        let is_to_end = known.any(|one| one.name == self.name && one.is_to_end);
        match self.exit_code {
            _ if self.reason().is_some() => Telling::Reason,
            Some(0) if is_to_end => Telling::Nothing,
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
    pub(super) fn was_stopped_from_outside(&self) -> bool {
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
            let rank = containers.iter().map(|one| one.telling(facts)).max()?;
            Some((
                rank,
                containers
                    .iter()
                    .position(|one| one.telling(facts) == rank)?,
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

    /// Whether ECS's scheduler stopped it, and nothing was wrong with it.
    pub fn is_scaled_in(&self) -> bool {
        self.depth(&[]) == Depth::Scheduler
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
        let mut by_text: BTreeMap<(Depth, String), (String, Vec<&StoppedTask>)> = BTreeMap::new();
        for task in &self.stopped {
            let (depth, text) = (
                task.depth(&self.containers),
                task.stop_text(&self.containers),
            );
            if !text.trim().is_empty() {
                // The same cause names other tasks, requests and addresses each time.
                let (_, tasks) = by_text
                    .entry((depth, same_for_all(&text)))
                    .or_insert_with(|| (text, Vec::new()));
                tasks.push(task);
            }
        }
        let groups = by_text.into_iter();
        let mut groups: Vec<Group> = groups
            .map(|((depth, _), (text, tasks))| Group { depth, text, tasks })
            .collect();
        groups.sort_by_key(|group| (Reverse(group.tasks.len()), group.depth));
        groups
    }

    /// The reason that is reported: none if only a rollback stopped them.
    pub(super) fn root(&self) -> Option<Group<'_>> {
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
}
