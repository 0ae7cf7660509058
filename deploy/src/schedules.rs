//! Pointing what runs a family on a schedule at another revision, and changing nothing else of it.

use serde_json::{Map, Value};

use super::revision::Revision;

/// What the ARN of `EventBridge Scheduler`'s universal target for `RunTask` ends in
/// (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html>).
pub const RUN_TASK_TARGET: &str = ":aws-sdk:ecs:runTask";

/// The revision that `target`, a rule's or a schedule's, runs; `None` if it runs no task, or
/// whatever is the newest of its family.
pub fn revision_of(target: &Map<String, Value>) -> Option<Revision> {
    Revision::parse(&written_in(target)?).ok()
}

/// What pointing a target at a revision comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Pointed {
    /// It runs another family, or that revision or a newer one already.
    AsItIs,
    /// The target to put in its place.
    To(Map<String, Value>),
    /// It runs an older one, but that cannot be replaced without touching anything else.
    Stuck,
}

/// `target` with `revision` in the place of an older one of the same family.
///
/// Never of a newer one: another pipeline, or a later job, has pointed it there.
pub fn pointed(target: &Map<String, Value>, revision: &Revision) -> Pointed {
    let Some(old) = written_in(target) else {
        return Pointed::AsItIs;
    };
    let is_older = Revision::parse(&old)
        .is_ok_and(|runs| runs.family() == revision.family() && runs.number() < revision.number());
    if !is_older {
        return Pointed::AsItIs;
    }
    let new = revision.arn_like(&old);
    let mut pointed = target.clone();
    if let Some(parameters) = pointed.get_mut("EcsParameters") {
        parameters["TaskDefinitionArn"] = Value::String(new);
        return Pointed::To(pointed);
    }
    // The input is a text of somebody's making: only that value in it is replaced.
    let input = target
        .get("Input")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (quoted_old, quoted_new) = (format!("\"{old}\""), format!("\"{new}\""));
    if input.matches(&quoted_old).count() != 1 {
        return Pointed::Stuck;
    }
    let input = input.replacen(&quoted_old, &quoted_new, 1);
    pointed.insert("Input".to_owned(), Value::String(input));
    Pointed::To(pointed)
}

/// The task definition as the target names it.
fn written_in(target: &Map<String, Value>) -> Option<String> {
    if let Some(parameters) = target.get("EcsParameters") {
        return Some(parameters["TaskDefinitionArn"].as_str()?.to_owned());
    }
    let arn = target.get("Arn")?.as_str()?;
    if !arn.ends_with(RUN_TASK_TARGET) {
        return None;
    }
    let input: Value = serde_json::from_str(target.get("Input")?.as_str()?).ok()?;
    Some(input["TaskDefinition"].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:ecs:eu-central-1:111122223333:task-definition/app:41";

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[track_caller]
    fn to(pointed: Pointed) -> Map<String, Value> {
        match pointed {
            Pointed::To(target) => target,
            other => unreachable!("{other:?}"),
        }
    }

    fn revision(name: &str) -> Revision {
        Revision::parse(name).unwrap()
    }

    #[test]
    fn only_the_revision_of_a_target_changes_whatever_else_it_has() {
        let target = json!({
            "Id": "t", "Arn": "arn:cluster", "Input": "{ \"a\" : 1.0 }", "inventedLater": [null, {}],
            "EcsParameters": {"TaskDefinitionArn": ARN, "TaskCount": 2, "Tags": []},
        });
        let mut expected = target.clone();
        expected["EcsParameters"]["TaskDefinitionArn"] = json!(ARN.replace(":41", ":42"));
        let pointed = to(pointed(&object(target), &revision("app:42")));
        let written = |value: &Map<String, Value>| serde_json::to_string(value).unwrap();
        assert_eq!(written(&pointed), written(&object(expected)));
    }

    #[test]
    fn what_runs_another_family_that_revision_or_always_the_newest_is_left_alone() {
        let of = |arn: &str| object(json!({"EcsParameters": {"TaskDefinitionArn": arn}}));
        assert_eq!(pointed(&of(ARN), &revision("app:41")), Pointed::AsItIs);
        assert_eq!(pointed(&of(ARN), &revision("app:40")), Pointed::AsItIs);
        assert_eq!(pointed(&of(ARN), &revision("ap:42")), Pointed::AsItIs);
        let newest = ARN.trim_end_matches(":41");
        assert_eq!(pointed(&of(newest), &revision("app:42")), Pointed::AsItIs);
        assert_eq!(
            pointed(&object(json!({"Arn": "arn:lambda"})), &revision("app:42")),
            Pointed::AsItIs
        );
        assert_eq!(revision_of(&of(ARN)), Some(revision("app:41")));
        assert_eq!(revision_of(&of(newest)), None);
    }

    #[test]
    fn in_the_input_of_a_universal_target_only_the_task_definition_changes() {
        let target = |input: &str| {
            object(json!({"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "Input": input}))
        };
        let input = r#"{ "Cluster":"prod",  "TaskDefinition" : "app:41", "Count": 1e0 }"#;
        let changed = to(pointed(&target(input), &revision("app:42")));
        assert_eq!(changed["Input"], input.replace("app:41", "app:42"));
        let twice = r#"{"TaskDefinition": "app:41", "StartedBy": "app:41"}"#;
        assert_eq!(pointed(&target(twice), &revision("app:42")), Pointed::Stuck);
    }
}
