//! The README says what is so.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ecs_deploy_action::parameters;
use serde_json::{Value, json};

use crate::local::{result_of, run, scenarios, steps};

const BEGIN: &str = "<!-- failures -->\n";
const END: &str = "<!-- /failures -->";

/// Set to write the table instead of comparing it.
const UPDATE: &str = "UPDATE_README";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// What stands in the README between two texts.
#[track_caller]
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap();
    rest.split_once(end).unwrap().0
}

/// Every second part of a text that is divided by backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// One row for each scenario that fails, with the headline.
fn failures() -> String {
    let mut table = "| scenario | message |\n|---|---|\n".to_owned();
    for name in scenarios() {
        let (_, stdout, _) = run(&["--fast", "--json", "--scenario", &name]);
        let steps = steps(&stdout);
        let result = result_of(&steps);
        if result["outcome"] == "Failed" {
            let message = result["message"].as_str().unwrap();
            let headline = message.lines().next().unwrap_or_default();
            let message = headline.replace('|', "\\|");
            table.push_str(&format!("| `{name}` | {message} |\n"));
        }
    }
    table
}

#[test]
fn its_table_of_failures_is_what_the_function_says() {
    let (written, said) = (readme(), failures());
    assert!(said.lines().count() > 2, "no scenario fails: {said}");
    let stands = between(&written, BEGIN, END);
    if ecs_deploy_action::settings::environment(UPDATE).is_some() {
        let mended = written.replace(
            &format!("{BEGIN}{stands}{END}"),
            &format!("{BEGIN}{said}{END}"),
        );
        std::fs::write(root().join("README.md"), mended).unwrap();
    } else {
        assert_eq!(stands, said, "run the tests with {UPDATE}=1 to write it");
    }
}

#[test]
fn each_promise_names_tests_that_exist() {
    fn collect(folder: PathBuf, sources: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(path, sources);
            } else if path.extension().is_some_and(|end| end == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut sources = String::new();
    for folder in ["src", "deploy/src", "record/src", "tests"] {
        collect(root().join(folder), &mut sources);
    }
    let written = readme();
    let promises = between(&written, "## Promises\n", "\n## ");
    let rows: Vec<&str> = promises
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| promise"))
        .collect();
    assert_eq!(rows.len(), 8, "one row for each promise");
    for row in rows {
        let tests = quoted(row);
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "{test}");
        }
    }
}

#[test]
fn its_parameters_are_those_that_are_understood() {
    let written = readme();
    let table = between(&written, "### Parameters\n", "\n### ");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let understood: BTreeSet<&str> = rows.map(|row| quoted(row)[0]).collect();
    let problems_with = |name: &str, value: Value| {
        let written = vec![(name.to_owned(), value)];
        let problems = parameters::parse(written).unwrap_err();
        let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
        sentences.join(" ")
    };
    for name in &understood {
        let said = problems_with(name, json!([]));
        assert!(said.contains(&format!("{name} is [")), "{said}");
    }
    // And the other way round: who writes what does not exist is told all that does.
    let said = problems_with("Zzzzzzzz", json!(1));
    let (_, told) = said.split_once("the parameters are ").unwrap();
    let words = told.split(|one: char| !one.is_ascii_alphanumeric());
    for name in words {
        if name.starts_with(char::is_uppercase) {
            assert!(understood.contains(name), "{name}");
        }
    }
}

#[test]
fn each_example_of_what_it_can_do_is_understood() {
    let written = readme();
    let section = between(&written, "## What the built-in action cannot do\n", "\n## ");
    let examples: Vec<&str> = section
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(examples.len() >= 9, "{}", examples.len());
    for example in examples {
        let example = example.replace("#{codepipeline.PipelineExecutionId}", "an-id");
        let mut written = parameters::written_in("UserParameters", &example).unwrap();
        if let Some(config) = parameters::config_file(&written) {
            let in_file = r#"{"ClusterName": "prod", "ServiceName": "web"}"#;
            let in_file = parameters::written_in(&config.file, in_file).unwrap();
            written = parameters::merged(written, in_file, &config.file).unwrap();
        }
        let spec = parameters::parse(written).unwrap();
        assert!(spec.about().starts_with("web on prod"), "{example}");
    }
}

#[test]
fn the_snippets_of_the_migration_guide_are_the_files_that_are_tested() {
    let examples = root().join("examples");
    let read = |path: &str| std::fs::read_to_string(examples.join(path)).unwrap();
    let guide = read("migrate.md");
    for (language, path) in [
        ("ts", "migrate/cdk/deploy-stage.ts"),
        ("hcl", "migrate/terraform/deploy-stage.tf"),
    ] {
        let snippet = between(&guide, &format!("```{language}\n"), "```");
        assert_eq!(snippet, read(path), "{path}");
    }
}

#[test]
fn the_user_parameters_in_its_pipeline_and_in_the_examples_are_understood() {
    let migrate = std::fs::read_to_string(root().join("examples/migrate.md")).unwrap();
    for text in [readme(), migrate] {
        let written = between(&text, "UserParameters: '", "'\n");
        let pairs = parameters::written_in("UserParameters", written).unwrap();
        let spec = parameters::parse(pairs).unwrap();
        assert_eq!(spec.targets[0].to_string(), "web on prod");
    }
    // CloudFormation puts the names into this one.
    let template = std::fs::read_to_string(root().join("examples/pipeline.yaml")).unwrap();
    let written = between(&template, "UserParameters: !Sub >-\n", "\n            - ");
    let written = written
        .replace("${Cluster}", "prod")
        .replace("${Service.Name}", "web");
    let written = written.replace("#{codepipeline.PipelineExecutionId}", "an-id");
    let folded: Vec<&str> = written.lines().map(str::trim).collect();
    let pairs = parameters::written_in("UserParameters", &folded.join(" ")).unwrap();
    assert!(parameters::parse(pairs).is_ok(), "{written}");
}
