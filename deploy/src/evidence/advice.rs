//! What to do about a cause, where that is known: after it, in the headline.

use super::aws_errors::what_to_do;
use super::quote::{one_line, quoted_line};
use super::stopped::{Depth, Group};
use super::{Evidence, StoppedContainer, StoppedTask};
use crate::containers::ContainerFacts;
use crate::exit_code::{NOT_FOUND, NOT_RUNNABLE, SIGKILL, SIGTERM, meaning};
use crate::log_line::error_line;
use crate::text;

/// A command or health check of the task definition takes at most this much of it.
const COMMAND_LIMIT_CHARS: usize = 120;

/// What logs say of memory that was used up, in lower case.
const OUT_OF_MEMORY: [&str; 6] = [
    "out of memory",
    "outofmemory",
    "cannot allocate memory",
    "memoryerror",
    "oom-kill",
    "oomkilled",
];

impl Evidence {
    /// What to do about why `group` stopped.
    pub(super) fn advice(&self, group: &Group<'_>) -> Option<String> {
        match group.depth {
            Depth::Memory => self.memory(),
            Depth::ExitCode | Depth::Other => self.on_exit(group),
            Depth::Health => Some(self.on_health(group)),
            Depth::Image | Depth::Resources | Depth::Start => {
                what_to_do(&group.text).map(str::to_owned)
            }
            Depth::Scheduler => None,
        }
    }

    /// What the revision gives to the container that failed, and to the whole task.
    fn memory(&self) -> Option<String> {
        let own = self.facts_of(self.root_container());
        let own = own.and_then(|facts| facts.memory.as_deref());
        let given = match (own, self.task_memory.as_deref()) {
            (Some(own), Some(task)) if own != task => {
                format!("the container {own} MiB and the task {task} MiB")
            }
            (Some(own), None) => format!("the container {own} MiB"),
            (_, Some(task)) => format!("the task {task} MiB"),
            (None, None) => return None,
        };
        Some(format!("the task definition gives {given}"))
    }

    fn on_exit(&self, group: &Group<'_>) -> Option<String> {
        let task = group.tasks.first()?;
        // Of a task that was stopped from outside, what its log says is no cause.
        if task.was_stopped_from_outside() {
            return match task.stop_code.as_str() {
                "UserInitiated" if !task.reason.contains("arn:") => {
                    Some("CloudTrail's StopTask event says who".to_owned())
                }
                _ => what_to_do(&group.text).map(str::to_owned),
            };
        }
        let says = |sign: &str| self.log.iter().any(|line| line.contains(sign));
        if says("exec format error") {
            return Some(
                "its log says 'exec format error': the image is for another CPU architecture than the task definition's runtimePlatform".to_owned(),
            );
        }
        let container = task.telling(&self.containers);
        let code = container.and_then(|one| one.exit_code);
        let mut advice: Vec<String> = Vec::new();
        match code.filter(|_| group.depth == Depth::ExitCode) {
            Some(SIGKILL) if task.stop_code == "EssentialContainerExited" => {
                advice.push(self.on_kill(task, container));
            }
            Some(code) => advice.extend(self.on_code(code, container)),
            None => advice.extend(what_to_do(&group.text).map(str::to_owned)),
        }
        if let Some(line) = error_line(&self.log) {
            advice.push(format!("its log ends: {}", quoted_line(&line)));
        } else if let Some(elsewhere) = &self.log_elsewhere {
            advice.push(elsewhere.clone());
        }
        (!advice.is_empty()).then(|| advice.join("; "))
    }

    fn on_code(&self, code: i32, container: Option<&StoppedContainer>) -> Option<String> {
        let means = meaning(code)?;
        let facts = self.facts_of(container);
        let command = facts.and_then(|facts| facts.command.as_deref());
        let command = command.filter(|_| matches!(code, NOT_RUNNABLE | NOT_FOUND));
        Some(match command {
            Some(command) => format!("{means} ({})", quoted(command)),
            None => means.to_owned(),
        })
    }

    /// A container that was killed, and by whom as far as that shows. ECS kills what does not stop in time after
    /// another container has ended the task.
    fn on_kill(&self, task: &StoppedTask, killed: Option<&StoppedContainer>) -> String {
        let log = self.log.iter().map(|line| line.to_lowercase());
        let mut log = log.flat_map(|line| OUT_OF_MEMORY.map(|sign| line.contains(sign)));
        let memory = self
            .memory()
            .map_or_else(String::new, |memory| format!(" ({memory})"));
        if log.any(|says| says) {
            return format!("it was killed (SIGKILL) because its memory was used up{memory}");
        }
        let mut others = task.containers.iter().filter(|one| {
            let mut facts = self.containers.iter();
            let can_end = facts.any(|facts| facts.name == one.name && facts.is_essential);
            can_end && Some(&one.name) != killed.map(|killed| &killed.name)
        });
        // Who ends with SIGTERM was asked to stop, and so came later.
        let other = others.find_map(|one| {
            let code = one.exit_code.filter(|code| *code != SIGTERM)?;
            Some((&one.name, code))
        });
        match other {
            // Which of them came first, ECS does not show.
            Some((name, code)) => format!(
                "it was killed (SIGKILL): its memory was used up{memory}, or it did not stop in time after container {name} had exited (code {code})"
            ),
            None => format!(
                "it was killed (SIGKILL), and not by ECS, which had not asked it to stop: most often its memory was used up{memory}"
            ),
        }
    }

    /// A container's health check is a command inside of it; a target group's is a port and a path.
    fn on_health(&self, group: &Group<'_>) -> String {
        let lower = group.text.to_lowercase();
        if lower.contains("elb") || lower.contains("target group") || lower.contains("target-group")
        {
            return self.on_target_group(&group.text);
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
        let what = "a container's health check is a command that runs inside of it: its program (curl, say) must be in the image, and end with 0";
        if checked.is_empty() {
            what.to_owned()
        } else {
            format!("{what}; {}", text::listed(&checked))
        }
    }

    /// What a target group asks for and what it got, as far as ECS and the load balancer show it and `said` does
    /// not say it already.
    pub(super) fn on_target_group(&self, said: &str) -> String {
        let unhealthy = self.events.iter().find(|one| one.contains("is unhealthy"));
        let between = |begin: &str| {
            let (_, rest) = unhealthy?.split_once(begin)?;
            Some(rest.split_once(')')?.0)
        };
        let check = self.target_check.as_ref();
        // `traffic-port` is the port that the target was registered with.
        let port = check.and_then(|check| check.port.as_deref());
        let port = port.filter(|port| *port != "traffic-port");
        let port = port.or(between("(port "));
        let path = check.and_then(|check| check.path.as_deref());
        let codes = check.and_then(|check| check.codes.as_deref());
        let asks = [
            port.map(|port| format!(" port {port}")),
            path.map(|path| format!(" for {path}")),
            codes.map(|codes| format!(" and wants {codes}")),
        ];
        let asks: String = asks.into_iter().flatten().collect();
        let got = between("due to (reason ").map(|got| got.trim_end_matches('.'));
        let got = got.filter(|got| !said.contains(got)).map(one_line);
        let unknown = "check that the container answers on its port and the health check's path";
        let parts = [
            Some(asks)
                .filter(|asks| !asks.is_empty())
                .map(|asks| format!("it asks{asks}")),
            got.map(|got| format!("it got: {got}")),
            check.is_none().then(|| unknown.to_owned()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The container that explains most about the cause.
    fn root_container(&self) -> Option<&StoppedContainer> {
        let root = self.root()?;
        root.tasks.first()?.telling(&self.containers)
    }

    fn facts_of(&self, container: Option<&StoppedContainer>) -> Option<&ContainerFacts> {
        let name = &container?.name;
        self.containers.iter().find(|facts| facts.name == *name)
    }
}

/// A command, without the passwords that clients take as options: `mysqladmin -p…`, `redis-cli -a …`, `curl -u …`.
fn quoted(command: &str) -> String {
    let line = one_line(command);
    let mut is_secret = false;
    let words = line.split(' ').map(|word| {
        let is_of_mysql = line.contains("mysql") || line.contains("mariadb");
        match word {
            _ if std::mem::take(&mut is_secret) => "…",
            "-a" => {
                is_secret = line.contains("redis-cli");
                word
            }
            "-u" | "--user" => {
                is_secret = line.contains("curl");
                word
            }
            _ if is_of_mysql && word.len() > 2 && word.starts_with("-p") => "-p…",
            _ => word,
        }
    });
    let words: Vec<&str> = words.collect();
    format!("'{}'", text::cut(&words.join(" "), COMMAND_LIMIT_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_quoted_without_its_passwords() {
        for (command, expected) in [
            (
                "mysqladmin ping -uroot -pMARK || exit 1",
                "'mysqladmin ping -uroot -p… || exit 1'",
            ),
            ("redis-cli -a MARK ping", "'redis-cli -a … ping'"),
            (
                "curl -f -u me:MARK http://localhost/",
                "'curl -f -u … http://localhost/'",
            ),
            (
                "start --db-password MARK --port 80",
                "'start --db-password … --port 80'",
            ),
            (
                "server -port 80 -u www-data",
                "'server -port 80 -u www-data'",
            ),
        ] {
            assert_eq!(quoted(command), expected);
        }
    }
}
