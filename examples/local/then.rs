//! What comes after a first action with success: people who decide, and a second action.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An action that follows.
pub(crate) struct Then {
    /// What happens before it.
    pub(crate) between: &'static str,
    /// It has the artifact, too.
    pub(crate) has_artifact: bool,
    /// Its parameters besides cluster and service, by the output variables of the first.
    pub(crate) parameters: fn(&BTreeMap<String, String>) -> Value,
}

/// What follows in the scenario of this name, if anything does.
pub(crate) fn then(scenario: &str) -> Option<Then> {
    let by_people = |between, parameters| Then {
        between,
        has_artifact: false,
        parameters,
    };
    Some(match scenario {
        "approval" => by_people(
            "a manual approval: people try the test listener, and approve",
            |variables| answer(variables, "CONTINUE"),
        ),
        "approval-rejected" => by_people(
            "a test of the new tasks fails, and the next action rolls back",
            |variables| answer(variables, "ROLLBACK"),
        ),
        "previous" => by_people(
            "people want the revision before back, without a build",
            |_| json!({"TaskDefinition": "previous"}),
        ),
        "unchanged" => Then {
            between: "the same is released again",
            has_artifact: true,
            parameters: |_| json!({"SkipIfUnchanged": true}),
        },
        _ => return None,
    })
}

fn answer(variables: &BTreeMap<String, String>, action: &str) -> Value {
    let variable = |name: &str| variables.get(name).cloned().unwrap_or_default();
    json!({"ContinueDeployment": {"DeploymentId": variable("ServiceDeploymentArn"),
        "HookId": variable("HookId"), "Action": action}})
}
