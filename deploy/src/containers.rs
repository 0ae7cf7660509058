//! What a revision says of its containers, as far as it explains how a task ends.

use serde_json::Value;

use super::task_definition::Described;

/// One container of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerFacts {
    /// Its name.
    pub name: String,
    /// The task ends when it exits. ECS takes it for essential unless the revision says otherwise.
    pub is_essential: bool,
    /// Another container waits for it (`dependsOn`): the task cannot start without it.
    pub is_waited_for: bool,
    /// Another container waits for it to end (`COMPLETE`, `SUCCESS`): that it ended well explains nothing.
    pub is_to_end: bool,
    /// Its entry point and command, as the revision has them; none if they are the image's.
    pub command: Option<String>,
    /// The command of its health check, if it has one.
    pub health_check: Option<String>,
    /// The memory in MiB beyond which it is killed, if it has a limit of its own.
    pub memory: Option<String>,
}

impl ContainerFacts {
    /// Whether its exit, or that it cannot start, ends the task.
    pub fn can_end_the_task(&self) -> bool {
        self.is_essential || self.is_waited_for
    }
}

impl Described {
    /// What the revision says of its containers, in its order.
    pub fn container_facts(&self) -> Vec<ContainerFacts> {
        let containers = self.containers();
        let depends = containers
            .iter()
            .filter_map(|one| one["dependsOn"].as_array());
        let waited_for: Vec<(&str, bool)> = depends
            .flatten()
            .filter_map(|one| {
                let condition = one["condition"].as_str().unwrap_or_default();
                let is_to_end = matches!(condition, "COMPLETE" | "SUCCESS");
                Some((one["containerName"].as_str()?, is_to_end))
            })
            .collect();
        let facts = containers.iter().map(|container| {
            let name = container["name"].as_str().unwrap_or_default();
            let command: Vec<String> = [&container["entryPoint"], &container["command"]]
                .into_iter()
                .flat_map(texts)
                .collect();
            let check = texts(&container["healthCheck"]["command"]);
            // `CMD` and `CMD-SHELL` say how it is run.
            let check: Vec<String> = check
                .into_iter()
                .filter(|one| !["CMD", "CMD-SHELL"].contains(&one.as_str()))
                .collect();
            ContainerFacts {
                name: name.to_owned(),
                is_essential: container["essential"].as_bool().unwrap_or(true),
                is_waited_for: waited_for.iter().any(|(one, _)| *one == name),
                is_to_end: waited_for.contains(&(name, true)),
                command: joined(&command),
                health_check: joined(&check).filter(|check| check != "NONE"),
                memory: container["memory"]
                    .as_i64()
                    .map(|memory| memory.to_string()),
            }
        });
        facts.collect()
    }
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| Some(item.as_str()?.to_owned()))
        .collect()
}

fn joined(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_container_can_end_its_task_if_it_is_essential_or_another_one_waits_for_it() {
        let definition = json!({"containerDefinitions": [
            {"name": "app", "entryPoint": ["sh", "-c"], "command": ["start"],
             "dependsOn": [{"containerName": "init", "condition": "SUCCESS"}],
             "healthCheck": {"command": ["CMD-SHELL", "curl -f http://localhost/ || exit 1"]}},
            {"name": "init", "essential": false},
            {"name": "agent", "essential": false, "healthCheck": {"command": ["NONE"]}},
        ]});
        let described = Described {
            task_definition: definition.as_object().unwrap().clone(),
            tags: Vec::new(),
        };
        let facts = described.container_facts();
        let can_end: Vec<bool> = facts.iter().map(ContainerFacts::can_end_the_task).collect();
        assert_eq!(can_end, [true, true, false]);
        let is_to_end: Vec<bool> = facts.iter().map(|one| one.is_to_end).collect();
        assert_eq!(is_to_end, [false, true, false]);
        assert_eq!(facts[0].command.as_deref(), Some("sh -c start"));
        assert_eq!(
            facts[0].health_check.as_deref(),
            Some("curl -f http://localhost/ || exit 1")
        );
        assert_eq!((&facts[1].command, &facts[2].health_check), (&None, &None));
    }
}
