//! The file of the artifact that holds more parameters.

use super::grammar;
use super::problems::Problem;
use super::table::{Reason, SetBy, table};
use super::written::Written;
use crate::deploy::spec::ConfigFile;
use crate::deploy::text;

/// The file that holds more parameters, if `written` names one.
pub fn config_file(written: &Written) -> Option<ConfigFile> {
    let text = |wanted: &str| {
        let (_, value) = written.iter().find(|(name, _)| name == wanted)?;
        let text = value.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    Some(ConfigFile {
        file: grammar::path_in_artifact(&text("ConfigFile")?).ok()?,
        input_artifact: text("InputArtifact"),
    })
}

/// What is `written` in the action, and for all else what the `file` says.
///
/// # Errors
/// A [`Problem`] that names everything that only the action itself can set.
pub fn merged(written: Written, in_file: Written, file: &str) -> Result<Written, Problem> {
    let parameters = table();
    let is_in_file = |name: &str| in_file.iter().any(|(known, _)| known == name);
    let problems = Reason::ALL.into_iter().filter_map(|reason| {
        let set: Vec<&str> = parameters
            .iter()
            .filter(|parameter| parameter.set_by == SetBy::ActionAlone(reason))
            .map(|parameter| parameter.name)
            .filter(|name| is_in_file(name))
            .collect();
        let because = match reason {
            Reason::FindsTheFile => format!("it is needed to find {file}"),
            Reason::ChoosesTheAccount => {
                "whoever writes the artifact does not choose the account and the Region".to_owned()
            }
        };
        let set = (!set.is_empty()).then(|| text::listed(&set))?;
        Some(format!(
            "{file} sets {set}, which only UserParameters can: {because}"
        ))
    });
    let problems: Vec<String> = problems.collect();
    if !problems.is_empty() {
        return Err(Problem(problems.join(". ")));
    }
    let is_written = |name: &str| written.iter().any(|(known, _)| known == name);
    // A service is named in one of two ways: the action's way wins as a whole.
    let names_services = is_written("ServiceName") || is_written("Services");
    let more: Written = in_file
        .into_iter()
        .filter(|(name, _)| !is_written(name))
        .filter(|(name, _)| !(names_services && (name == "ServiceName" || name == "Services")))
        .collect();
    Ok(written.into_iter().chain(more).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::parameters::{parse, written_in};

    #[test]
    fn whoever_writes_the_artifact_does_not_choose_the_account() {
        let action = written_in("UserParameters", r#"{"ConfigFile": "deploy.json"}"#).unwrap();
        let reported = |in_file: &str| {
            let in_file = written_in("deploy.json", in_file).unwrap();
            merged(action.clone(), in_file, "deploy.json")
                .unwrap_err()
                .to_string()
        };
        for name in ["Region", "RoleArn", "ExternalId"] {
            // Not even what would change nothing.
            for value in [json!("x"), json!(null), json!(7)] {
                assert_eq!(
                    reported(&json!({ name: value }).to_string()),
                    format!(
                        "deploy.json sets {name}, which only UserParameters can: whoever writes the artifact does not choose the account and the Region"
                    )
                );
            }
        }
        assert_eq!(
            reported(r#"{"ExternalId": "x", "InputArtifact": "b", "RoleArn": "y"}"#),
            "deploy.json sets InputArtifact, which only UserParameters can: it is needed to find deploy.json. deploy.json sets RoleArn and ExternalId, which only UserParameters can: whoever writes the artifact does not choose the account and the Region"
        );
    }

    #[test]
    fn what_the_action_says_wins_over_its_file() {
        let action = written_in(
            "UserParameters",
            r#"{"ConfigFile": "deploy.json", "ServiceName": "web", "DryRun": true}"#,
        )
        .unwrap();
        assert_eq!(
            config_file(&action),
            Some(ConfigFile {
                file: "deploy.json".to_owned(),
                input_artifact: None,
            })
        );
        let in_file = |json: &str| written_in("deploy.json", json).unwrap();
        let file = in_file(
            r#"{"ClusterName": "prod", "DryRun": false, "Services": ["api"], "KeepRevisions": 5}"#,
        );
        let spec = parse(merged(action.clone(), file, "deploy.json").unwrap()).unwrap();
        assert_eq!(spec.about(), "web on prod");
        assert!(spec.dry_run);
        assert_eq!(spec.keep_revisions, Some(5));
        let nested = merged(
            action,
            in_file(r#"{"ConfigFile": "x.json"}"#),
            "deploy.json",
        );
        assert!(
            nested
                .unwrap_err()
                .to_string()
                .starts_with("deploy.json sets ConfigFile")
        );
        assert!(
            written_in("deploy.json", "{\n \"a\" 1}")
                .unwrap_err()
                .to_string()
                .starts_with("deploy.json is not a JSON object: expected `:` at line 2")
        );
        assert_eq!(config_file(&in_file(r#"{"ConfigFile": 7}"#)), None);
    }
}
