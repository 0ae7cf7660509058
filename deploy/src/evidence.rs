//! Why a rollout failed: what ECS, its tasks and their logs show → the cause, and the details below it.

use std::collections::BTreeMap;

use super::log_line::error_line;
use super::outside::shown;
use super::region::Region;
use super::seen::{EventSeen, Look, ServiceDeploymentSeen};
use super::text;
use super::time::Timestamp;
use super::verdict::{Reason, Verdict};

/// One quoted reason takes at most this much of the headline.
pub(super) const REASON_LIMIT_CHARS: usize = 300;

/// The line of a container's log that says the error takes at most this much of the headline.
const LOG_LINE_LIMIT_CHARS: usize = 200;

/// So many groups of stopped tasks, and so many events, are shown.
const GROUPS_SHOWN: usize = 8;
const EVENTS_SHOWN: usize = 8;

/// What a container that does not catch SIGTERM exits with: 128 + 15.
const SIGTERM: i32 = 143;

/// What a killed container exits with: 128 + 9.
const SIGKILL: i32 = 137;

/// Everything that explains a failure. Each part is present as far as it could be gathered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// Stopped tasks of our deployment.
    pub stopped: Vec<StoppedTask>,
    /// The service's events since the start that say that something went wrong, newest first.
    pub events: Vec<String>,
    /// ECS's text on the service deployment and the circuit breaker's counts.
    pub deployment: Vec<String>,
    /// The last lines of the container that failed, oldest first.
    pub log: Vec<String>,
    /// The memory of the whole task in MiB, as its task definition says.
    pub task_memory: Option<String>,
    /// Where to look on.
    pub console: Option<String>,
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
}

/// How close to the root a cause is; the smallest is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Image,
    Resources,
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
    fn telling(&self) -> Telling {
        let has_reason = self
            .reason
            .as_deref()
            .is_some_and(|reason| !reason.is_empty());
        match self.exit_code {
            _ if has_reason => Telling::Reason,
            None => Telling::Nothing,
            Some(SIGTERM) => Telling::Terminated,
            Some(0) => Telling::Exited,
            Some(SIGKILL) => Telling::Killed,
            Some(_) => Telling::ExitCode,
        }
    }
}

impl StoppedTask {
    /// The container that explains most about why the task stopped; the first of several.
    pub fn telling(&self) -> Option<&StoppedContainer> {
        let rank = self
            .containers
            .iter()
            .map(StoppedContainer::telling)
            .max()?;
        let mut containers = self.containers.iter();
        containers.find(|container| container.telling() == rank)
    }

    fn depth(&self) -> Depth {
        let container = self.telling();
        let text = format!(
            "{} {}",
            self.reason,
            container
                .and_then(|c| c.reason.as_deref())
                .unwrap_or_default()
        );
        let exit_code = container.and_then(|container| container.exit_code);
        if text.contains("CannotPull") {
            Depth::Image
        } else if text.contains("ResourceInitializationError") {
            Depth::Resources
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
    pub fn stop_text(&self) -> String {
        let Some(container) = self.telling() else {
            return plain(&self.reason);
        };
        let container_reason = container
            .reason
            .as_deref()
            .filter(|reason| !reason.is_empty());
        match (self.depth(), container.exit_code) {
            (Depth::ExitCode, Some(code)) => format!(
                "container {} exited with code {code}{}",
                container.name,
                container_reason.map_or_else(String::new, |reason| format!(": {}", plain(reason)))
            ),
            (Depth::Memory, _) => format!(
                "container {} ran out of memory: {}",
                container.name,
                plain(container_reason.unwrap_or(&self.reason))
            ),
            _ if self.reason.is_empty() => plain(container_reason.unwrap_or_default()),
            _ => plain(&self.reason),
        }
    }
}

/// Tasks that stopped for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group<'a> {
    depth: Depth,
    text: String,
    tasks: Vec<&'a StoppedTask>,
}

/// Grouped by why they stopped, most frequent first.
fn groups(stopped: &[StoppedTask]) -> Vec<Group<'_>> {
    let mut by_text: BTreeMap<(Depth, String), Vec<&StoppedTask>> = BTreeMap::new();
    for task in stopped {
        let (depth, text) = (task.depth(), task.stop_text());
        if !text.trim().is_empty() {
            by_text.entry((depth, text)).or_default().push(task);
        }
    }
    let mut groups: Vec<Group> = by_text
        .into_iter()
        .map(|((depth, text), tasks)| Group { depth, text, tasks })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.tasks.len()));
    groups
}

/// The group closest to the root, the most frequent of several.
fn root(stopped: &[StoppedTask]) -> Option<Group<'_>> {
    let groups = groups(stopped);
    let causes = || groups.iter().filter(|one| one.depth != Depth::Scheduler);
    let depth = causes().map(|group| group.depth).min()?;
    causes().find(|group| group.depth == depth).cloned()
}

/// The task whose container's log explains most: the newest of those that are the cause. None if
/// their containers never ran.
pub fn task_to_read(stopped: &[StoppedTask]) -> Option<(&StoppedTask, &StoppedContainer)> {
    let root = root(stopped)?;
    let task = root.tasks.into_iter().max_by_key(|task| task.stopped_at)?;
    let container = task.telling()?;
    let has_run = container.exit_code.is_some();
    has_run.then_some((task, container))
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
            console: console_link(&service.arn),
            ..Self::default()
        }
    }

    /// The cause closest to the root, as `CannotPullContainerError: … (3 tasks)`, with what to do
    /// where that is known.
    ///
    /// `None` if nothing explains it; the caller falls back on ECS's text for the rollout.
    pub fn root_cause(&self) -> Option<String> {
        let Some(group) = root(&self.stopped) else {
            // No task was ever started: ECS could not place any.
            let placed = self.events.iter().find(|event| is_about_placement(event))?;
            return Some(text::cut(placed.trim_end_matches('.'), REASON_LIMIT_CHARS));
        };
        let count = text::counted(group.tasks.len(), "task");
        Some(self.cause_of(&group, &format!(" ({count})")))
    }

    /// The same where there was one task only, which needs no count.
    pub fn only_cause(&self) -> Option<String> {
        root(&self.stopped).map(|group| self.cause_of(&group, ""))
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
            Depth::Image if group.text.contains("descriptor matching platform") => Some(
                "the image is for another CPU architecture or operating system than the task definition's runtimePlatform".to_owned(),
            ),
            Depth::Memory => {
                let memory = self.task_memory.as_ref()?;
                Some(format!("the task definition gives the task {memory} MiB"))
            }
            Depth::ExitCode if self.log.iter().any(|line| line.contains("exec format error")) => Some(
                "its log says 'exec format error': the image is for another CPU architecture than the task definition's runtimePlatform".to_owned(),
            ),
            Depth::ExitCode | Depth::Other => {
                let line = error_line(&self.log)?;
                let line = text::cut(plain(&line).trim(), LOG_LINE_LIMIT_CHARS);
                Some(format!("its log ends: {line}"))
            }
            Depth::Health => Some(
                "check that the container answers on its port and the health check's path".to_owned(),
            ),
            Depth::Resources if group.text.contains("AccessDenied") || group.text.contains("not authorized") => Some(
                "the task's execution role needs that permission".to_owned(),
            ),
            Depth::Image | Depth::Resources | Depth::Scheduler => None,
        }
    }

    /// What stands below the headline, one paragraph for each kind of evidence, the log cut from
    /// its beginning so that all has at most `room` bytes.
    pub fn details(&self, room: usize) -> String {
        let mut paragraphs = Vec::new();
        let groups: Vec<String> = groups(&self.stopped)
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
            paragraphs.push(format!(
                "ECS on the deployment: {}",
                self.deployment.join(" ")
            ));
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
        for line in self.log.iter().rev() {
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

/// Why a rollout failed: by its tasks, else by what ECS says of it, else that ECS gave no reason.
pub fn cause(verdict: &Verdict, evidence: &Evidence) -> String {
    let reason = verdict.reason();
    let explains_all = reason.is_some_and(Reason::explains_all);
    let root_cause = evidence.root_cause().filter(|_| !explains_all);
    root_cause
        .or_else(|| {
            let text = reason?.to_string();
            Some(text::cut(
                shown(&text).trim().trim_end_matches('.'),
                REASON_LIMIT_CHARS,
            ))
        })
        .unwrap_or_else(|| "ECS gave no reason".to_owned())
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

/// Those of `events` since `start` that say that something went wrong, newest first, each once:
/// repetitions differ only in the task that they name.
pub fn telling_events(events: &[EventSeen], start: Timestamp) -> Vec<String> {
    const WRONG: [&str; 7] = [
        "unable to",
        "failed",
        "unhealthy",
        "rolling back",
        "error",
        "alarm",
        "timed out",
    ];
    let mut found: Vec<(String, String)> = Vec::new();
    for event in events.iter().filter(|event| event.at >= start) {
        let message = plain(&event.message);
        let lower = message.to_lowercase();
        if !WRONG.iter().any(|word| lower.contains(word)) {
            continue;
        }
        let kind = without_ids(&message);
        if found.iter().all(|(known, _)| *known != kind) {
            found.push((kind, message));
        }
    }
    found.into_iter().map(|(_, message)| message).collect()
}

fn is_about_placement(event: &str) -> bool {
    event.contains("unable to place")
        || event.contains("unable to start")
        || event.contains("unable to consistently")
}

/// The same text for events that differ only in ids and numbers.
fn without_ids(message: &str) -> String {
    let words = message.split_whitespace();
    let kept = words.filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()));
    kept.collect::<Vec<_>>().join(" ")
}

/// AWS's text in one line, without what only its engineers need.
fn plain(text: &str) -> String {
    let line = shown(text);
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = without_retries(&line);
    with_short_target_group(&line)
}

/// `CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve
/// ref X: X: not found` says that X was not found.
fn without_retries(line: &str) -> String {
    const RETRIED: &str = "has been retried ";
    const RESOLVE: &str = "failed to resolve ref ";
    let mut line = line.to_owned();
    if let Some(retried) = line.find(RETRIED)
        && let Some(end) = line[retried..].find("time(s): ")
        && let Some(begin) = line[..retried].rfind(": ")
    {
        line.replace_range(begin + 2..retried + end + "time(s): ".len(), "");
    }
    if let Some(begin) = line.find(RESOLVE) {
        let rest = line[begin + RESOLVE.len()..].to_owned();
        if let Some((image, after)) = rest.split_once(": ")
            && after.starts_with(image)
        {
            line.replace_range(begin.., after);
        }
    }
    if let Some(image) = line.strip_suffix(": not found") {
        return format!("{image} not found");
    }
    line
}

/// A target group's ARN ends in its name and an id: its name is what people know.
fn with_short_target_group(line: &str) -> String {
    const ARN: &str = "(target-group arn:";
    let Some(begin) = line.find(ARN) else {
        return line.to_owned();
    };
    let Some(end) = line[begin..].find(')') else {
        return line.to_owned();
    };
    let arn = &line[begin + "(target-group ".len()..begin + end];
    match arn
        .split_once(":targetgroup/")
        .and_then(|(_, path)| path.split('/').next())
    {
        Some(name) => format!(
            "{}target group {name}{}",
            &line[..begin],
            &line[begin + end + 1..]
        ),
        None => line.to_owned(),
    }
}

/// The service's deployments in the console of its partition, from the service's ARN
/// `arn:PARTITION:ecs:REGION:ACCOUNT:service/CLUSTER/SERVICE`. `None` for what is none, and for
/// partitions whose console is not known
/// (`aws-eusc`: <https://docs.aws.eu/esc/latest/gr/endpoints.html>).
pub fn console_link(service_arn: &str) -> Option<String> {
    let parts: Vec<&str> = service_arn.splitn(6, ':').collect();
    let ["arn", partition, "ecs", region, _, resource] = parts.as_slice() else {
        return None;
    };
    let region = Region::parse(region).filter(|region| region.partition().id == *partition)?;
    let (cluster, service) = resource.strip_prefix("service/")?.split_once('/')?;
    let is_name = |name: &str| {
        let is_known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !name.is_empty() && name.bytes().all(is_known)
    };
    if !is_name(cluster) || !is_name(service) {
        return None;
    }
    let domain = match *partition {
        "aws" => "aws.amazon.com",
        "aws-cn" => "amazonaws.cn",
        "aws-us-gov" => "amazonaws-us-gov.com",
        "aws-eusc" => "amazonaws-eusc.eu",
        _ => return None,
    };
    Some(format!(
        "https://{region}.console.{domain}/ecs/v2/clusters/{cluster}/services/{service}/deployments?region={region}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pull(image: &str) -> StoppedTask {
        StoppedTask {
            stop_code: "TaskFailedToStart".to_owned(),
            reason: format!("CannotPullContainerError: {image} not found"),
            containers: Vec::new(),
            ..StoppedTask::default()
        }
    }

    fn container(name: &str, exit_code: i32) -> StoppedContainer {
        StoppedContainer {
            name: name.to_owned(),
            exit_code: Some(exit_code),
            reason: None,
        }
    }

    fn exited(code: i32) -> StoppedTask {
        StoppedTask {
            stop_code: "EssentialContainerExited".to_owned(),
            reason: "Essential container in task exited".to_owned(),
            containers: vec![container("web", code)],
            ..StoppedTask::default()
        }
    }

    fn scaled_in() -> StoppedTask {
        StoppedTask {
            stop_code: "ServiceSchedulerInitiated".to_owned(),
            reason: "Scaling activity initiated by (deployment ecs-svc/2)".to_owned(),
            containers: vec![container("web", 143)],
            ..StoppedTask::default()
        }
    }

    #[test]
    fn the_cause_closest_to_the_root_wins_over_the_most_frequent() {
        let stopped = [exited(1), exited(1), pull("a:1"), exited(1)];
        assert_eq!(
            root_of(&stopped).unwrap(),
            "CannotPullContainerError: a:1 not found (1 task)"
        );
        let stopped = [exited(1), exited(137), exited(137)];
        assert_eq!(
            root_of(&stopped).unwrap(),
            "container web exited with code 137 (2 tasks)"
        );
    }

    #[test]
    fn tasks_that_ecs_itself_stopped_are_no_cause() {
        assert_eq!(root_of(&[scaled_in()]), None);
        let verdict = Verdict::Failed {
            reason: Reason::of("tasks failed to start."),
            stopped: false,
            ecs_rolls_back: false,
        };
        assert_eq!(
            cause(&verdict, &of(&[scaled_in()])),
            "tasks failed to start"
        );
        assert_eq!(
            cause(
                &Verdict::Failed {
                    reason: None,
                    stopped: false,
                    ecs_rolls_back: false,
                },
                &Evidence::default()
            ),
            "ECS gave no reason"
        );
    }

    #[test]
    fn a_failed_health_check_is_a_cause_although_ecs_stopped_the_task() {
        let unhealthy = StoppedTask {
            stop_code: "ServiceSchedulerInitiated".to_owned(),
            reason: "Task failed ELB health checks in (target-group arn:x)".to_owned(),
            containers: Vec::new(),
            ..StoppedTask::default()
        };
        assert!(
            root_of(&[unhealthy])
                .unwrap()
                .starts_with("Task failed ELB health checks")
        );
    }

    #[test]
    fn an_alarm_is_the_cause_whatever_its_tasks_say() {
        let verdict = Verdict::RolledBack {
            reason: Some(Reason::Alarms(vec!["5xx".to_owned()])),
        };
        assert_eq!(cause(&verdict, &of(&[exited(1)])), "alarm 5xx went off");
    }

    #[test]
    fn memory_and_container_reasons_are_reported() {
        let mut task = exited(137);
        task.containers[0].reason =
            Some("OutOfMemoryError: Container killed due to memory usage".to_owned());
        assert_eq!(
            root_of(&[task]).unwrap(),
            "container web ran out of memory: OutOfMemoryError: Container killed due to memory usage (1 task)"
        );
    }

    #[test]
    fn a_sidecar_that_ecs_stopped_along_is_not_blamed() {
        for (app, sidecar) in [(1, 143), (1, 137), (137, 143), (137, 0), (0, 143), (1, 0)] {
            for app_is_first in [true, false] {
                let mut task = exited(app);
                let place = usize::from(app_is_first);
                task.containers.insert(place, container("envoy", sidecar));
                assert_eq!(
                    root_of(&[task]).unwrap(),
                    format!("container web exited with code {app} (1 task)")
                );
            }
        }
    }

    #[test]
    fn a_container_that_simply_exits_is_reported_with_its_code() {
        assert_eq!(
            root_of(&[exited(0)]).unwrap(),
            "container web exited with code 0 (1 task)"
        );
    }

    fn of(stopped: &[StoppedTask]) -> Evidence {
        Evidence {
            stopped: stopped.to_vec(),
            ..Evidence::default()
        }
    }

    fn root_of(stopped: &[StoppedTask]) -> Option<String> {
        of(stopped).root_cause()
    }

    fn event(message: &str, at: i64) -> EventSeen {
        EventSeen {
            id: String::new(),
            at: Timestamp::from_secs(at),
            message: message.to_owned(),
        }
    }

    #[test]
    fn what_only_aws_needs_is_left_out_of_a_missing_image() {
        let mut task = pull("x");
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref 1.dkr.ecr.r.amazonaws.com/app:v9: 1.dkr.ecr.r.amazonaws.com/app:v9: not found".clone_into(&mut task.reason);
        assert_eq!(
            root_of(&[task]).unwrap(),
            "CannotPullContainerError: 1.dkr.ecr.r.amazonaws.com/app:v9 not found (1 task)"
        );
    }

    #[test]
    fn an_image_for_another_cpu_says_what_does_not_fit() {
        let mut task = pull("x");
        "CannotPullContainerError: pull image manifest has been retried 7 time(s): image Manifest does not contain descriptor matching platform 'linux/amd64'".clone_into(&mut task.reason);
        let cause = root_of(&[task]).unwrap();
        assert!(cause.starts_with("CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/amd64' (1 task); the image is for another CPU architecture"), "{cause}");
        let crashed = Evidence {
            log: vec!["exec /app: exec format error".to_owned()],
            ..of(&[exited(255)])
        };
        let cause = crashed.root_cause().unwrap();
        assert!(cause.contains("another CPU architecture"), "{cause}");
    }

    #[test]
    fn an_exit_code_is_reported_with_the_last_line_of_the_log() {
        let evidence = Evidence {
            log: vec![
                "starting".to_owned(),
                "panic: no\tDATABASE_URL".to_owned(),
                "  ".to_owned(),
            ],
            ..of(&[exited(1), exited(1)])
        };
        assert_eq!(
            evidence.root_cause().unwrap(),
            "container web exited with code 1 (2 tasks); its log ends: panic: no DATABASE_URL"
        );
    }

    #[test]
    fn memory_is_reported_with_what_the_task_has() {
        let mut task = exited(137);
        task.containers[0].reason = Some("OutOfMemoryError: killed".to_owned());
        let evidence = Evidence {
            task_memory: Some("512".to_owned()),
            ..of(&[task])
        };
        assert_eq!(
            evidence.root_cause().unwrap(),
            "container web ran out of memory: OutOfMemoryError: killed (1 task); the task definition gives the task 512 MiB"
        );
    }

    #[test]
    fn a_target_group_is_reported_by_its_name() {
        let line = plain(
            "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:r:1:targetgroup/web-blue/0123) again",
        );
        assert_eq!(
            line,
            "Task failed ELB health checks in target group web-blue again"
        );
        assert_eq!(plain("in (target-group arn:x"), "in (target-group arn:x");
    }

    #[test]
    fn without_any_task_the_event_about_placement_is_the_cause() {
        let evidence = Evidence {
            events: vec!["(service web) was unable to place a task because x.".to_owned()],
            ..Evidence::default()
        };
        assert_eq!(
            evidence.root_cause().unwrap(),
            "(service web) was unable to place a task because x"
        );
        assert_eq!(Evidence::default().root_cause(), None);
    }

    #[test]
    fn the_log_to_read_is_of_the_newest_task_that_is_the_cause_and_ran() {
        let task = |id: &str, code: i32, at: i64| StoppedTask {
            id: id.to_owned(),
            stopped_at: Some(Timestamp::from_secs(at)),
            ..exited(code)
        };
        let stopped = [
            task("a", 1, 10),
            task("b", 1, 30),
            task("c", 1, 20),
            task("d", 2, 99),
        ];
        let (task, container) = task_to_read(&stopped).unwrap();
        assert_eq!((task.id.as_str(), container.name.as_str()), ("b", "web"));
        assert_eq!(task_to_read(&[pull("a")]), None);
        assert_eq!(task_to_read(&[scaled_in()]), None);
    }

    #[test]
    fn only_events_since_the_start_that_say_something_went_wrong_are_reported_and_each_once() {
        let events = [
            event("(service web) is unable to start task 2b1", 70),
            event("(service web) is unable to start task 1a9", 60),
            event("(service web) has reached a steady state.", 55),
            event("(service web) rolling back to deployment ecs-svc/1.", 50),
            event("(service web) deployment failed: old news", 10),
        ];
        assert_eq!(
            telling_events(&events, Timestamp::from_secs(50)),
            [
                "(service web) is unable to start task 2b1",
                "(service web) rolling back to deployment ecs-svc/1."
            ]
        );
    }

    #[test]
    fn details_fit_whatever_their_length_and_keep_the_link_and_the_logs_end() {
        let evidence = Evidence {
            stopped: vec![exited(1), exited(1), pull("a:1")],
            events: vec!["event é".repeat(40); 3],
            deployment: vec!["ECS gave up.".to_owned()],
            log: (0..200).map(|n| format!("line {n}")).collect(),
            console: Some("https://console".to_owned()),
            ..Evidence::default()
        };
        for room in [0, 14, 15, 40, 200, 1000, 4000] {
            let details = evidence.details(room);
            // A link that does not fit at all is the only thing that may be longer.
            assert!(details.chars().count() <= room.max(16), "{room}: {details}");
            assert!(details.ends_with("https://console"), "{room}: {details}");
        }
        let details = evidence.details(4000);
        assert!(
            details
                .starts_with("\nStopped tasks: 2 × container web exited with code 1; 1 × Cannot"),
            "{details}"
        );
        assert!(
            details.contains("line 199\nhttps") && details.contains("ECS gave up."),
            "{details}"
        );
        assert_eq!(Evidence::default().details(1000), "");
    }

    #[test]
    fn the_console_is_the_partitions() {
        let link = |arn: &str| console_link(arn);
        assert_eq!(
            link("arn:aws:ecs:eu-central-1:1:service/prod/web").unwrap(),
            "https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/web/deployments?region=eu-central-1"
        );
        assert!(
            link("arn:aws-cn:ecs:cn-north-1:1:service/p/w")
                .unwrap()
                .starts_with("https://cn-north-1.console.amazonaws.cn/")
        );
        assert!(
            link("arn:aws-us-gov:ecs:us-gov-west-1:1:service/p/w")
                .unwrap()
                .starts_with("https://us-gov-west-1.console.amazonaws-us-gov.com/")
        );
        assert!(
            link("arn:aws-eusc:ecs:eusc-de-east-1:1:service/p/w")
                .unwrap()
                .starts_with("https://eusc-de-east-1.console.amazonaws-eusc.eu/")
        );
        for none in [
            "arn:aws-iso:ecs:us-iso-east-1:1:service/p/w",
            "arn:aws:ecs:cn-north-1:1:service/p/w",
            "arn:aws:ecs:evil.example/:1:service/p/w",
            "arn:aws:ecs:eu-central-1:1:service/p/w?x=y#",
            "arn:aws:ecs:eu-central-1:1:service/w",
        ] {
            assert_eq!(link(none), None, "{none}");
        }
        assert_eq!(link("web"), None);
    }

    #[test]
    fn the_query_of_a_url_is_left_out_for_it_may_be_a_signature() {
        let signed = r#"Get "https://bucket.s3.amazonaws.com/layer?X-Amz-Credential=AKIA&X-Amz-Signature=MARK": dial tcp, see http://x/y"#;
        let mut task = pull("x");
        task.reason = format!("CannotPullContainerError: {signed}");
        let evidence = Evidence {
            log: vec![signed.to_owned()],
            ..of(&[task, exited(1)])
        };
        let cause = evidence.root_cause().unwrap() + &evidence.details(4000);
        assert!(
            !cause.contains("MARK") && !cause.contains("AKIA"),
            "{cause}"
        );
        assert!(
            cause
                .contains(r#""https://bucket.s3.amazonaws.com/layer?…": dial tcp, see http://x/y"#),
            "{cause}"
        );
    }
}
