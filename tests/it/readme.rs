//! The README says what is so.

use std::path::{Path, PathBuf};

use ecs_deploy_action::parameters::{self, Parameter, Reason, SetBy};
use regex_lite::Regex;
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
    let (written, shown) = (readme(), failures());
    assert!(shown.lines().count() > 2, "no scenario fails: {shown}");
    let stands = between(&written, BEGIN, END);
    if ecs_deploy_action::settings::environment(UPDATE).is_some() {
        let mended = written.replace(
            &format!("{BEGIN}{stands}{END}"),
            &format!("{BEGIN}{shown}{END}"),
        );
        std::fs::write(root().join("README.md"), mended).unwrap();
    } else {
        assert_eq!(stands, shown, "run the tests with {UPDATE}=1 to write it");
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
    assert_eq!(rows.len(), 9, "one row for each promise");
    for row in rows {
        let tests = quoted(row);
        assert!(!tests.is_empty(), "{row}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "{test}");
        }
    }
}

/// A row of the README's table of parameters, without backquotes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    name: String,
    value: String,
    default: String,
}

/// The rows of the README's table of parameters, by name.
fn parameters_in(readme: &str) -> Vec<Row> {
    let table = between(readme, "### Parameters\n", "\n### ");
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let mut rows: Vec<Row> = rows
        .map(|line| {
            let cells: Vec<String> = line
                .split('|')
                .map(|it| it.trim().replace('`', ""))
                .collect();
            let [_, name, value, default, _] = cells.try_into().unwrap();
            Row {
                name,
                value,
                default,
            }
        })
        .collect();
    rows.sort();
    rows
}

/// The rows of the code's table, by name.
fn parameters_in_code() -> Vec<Parameter> {
    let mut rows = parameters::table();
    rows.sort_by_key(|row| row.name);
    rows
}

#[test]
fn its_table_of_parameters_has_the_names_and_defaults_of_the_code_and_no_others() {
    let readme: Vec<(String, String)> = parameters_in(&readme())
        .into_iter()
        .map(|row| (row.name, row.default))
        .collect();
    let code: Vec<(String, String)> = parameters_in_code()
        .into_iter()
        .map(|row| (row.name.to_owned(), row.default))
        .collect();
    assert_eq!(readme, code);
}

#[test]
fn the_numeric_bounds_in_its_table_of_parameters_are_those_of_the_code() {
    let bounds = Regex::new(r"\d+ to \d+|\d+ or more|up to \d+").unwrap();
    let readme = parameters_in(&readme()).into_iter().map(|row| {
        let found = bounds.find(&row.value).map(|it| it.as_str().to_owned());
        (row.name, found)
    });
    let code = parameters_in_code()
        .into_iter()
        .map(|row| (row.name.to_owned(), row.bounds));
    assert_eq!(readme.collect::<Vec<_>>(), code.collect::<Vec<_>>());
}

#[test]
fn its_row_of_config_file_names_what_would_choose_the_account() {
    let written = readme();
    let table = between(&written, "### Parameters\n", "\n### ");
    let row = table
        .lines()
        .find(|line| line.starts_with("| `ConfigFile`"));
    let mut readme = quoted(row.unwrap()).split_off(1);
    readme.sort_unstable();
    let chooses_the_account = SetBy::ActionAlone(Reason::ChoosesTheAccount);
    let code = parameters_in_code()
        .into_iter()
        .filter(|row| row.set_by == chooses_the_account)
        .map(|row| row.name);
    assert_eq!(readme, code.collect::<Vec<_>>());
}

#[test]
fn each_parameter_in_its_table_is_read() {
    for Row { name, .. } in parameters_in(&readme()) {
        // No parameter takes an empty array.
        let problems = parameters::parse(vec![(name.clone(), json!([]))]).unwrap_err();
        let reported = problems.iter().map(ToString::to_string);
        let reported: Vec<String> = reported.collect();
        let begin = format!("{name} is []: expected ");
        let is_refused = reported.iter().any(|it| it.starts_with(&begin));
        assert!(is_refused, "{reported:?}");
    }
}

/// Words in the column of defaults that are no value to write.
const NO_VALUES: [&str; 7] = [
    "required",
    "required, or Services",
    "none",
    "keep all",
    "the only container",
    "the only one that has the file",
    "the function's own",
];

#[test]
fn who_writes_a_default_of_its_table_gets_what_holds_without_it() {
    let spec_with = |more: Option<(String, Value)>| {
        let names = [
            ("ClusterName", json!("prod")),
            ("ServiceName", json!("web")),
        ];
        let names = names.map(|(name, value)| (name.to_owned(), value));
        parameters::parse(names.into_iter().chain(more).collect()).unwrap()
    };
    let without = spec_with(None);
    let mut compared = 0;
    for Row { name, default, .. } in parameters_in(&readme()) {
        if NO_VALUES.contains(&default.as_str()) {
            continue;
        }
        let mut with = spec_with(Some((name.clone(), json!(default))));
        if name == "FileName" {
            // The one difference: an error says whose choice the file's name was.
            assert!(with.file_is_named);
            with.file_is_named = false;
        }
        assert_eq!(with, without, "{name}");
        compared += 1;
    }
    assert!(compared >= 9, "{compared}");
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
        let mut example = example.replace("#{codepipeline.PipelineExecutionId}", "an-id");
        for (variable, resolved) in [
            (
                "#{Deploy.ServiceDeploymentArn}",
                "arn:aws:ecs:eu-central-1:111122223333:service-deployment/prod/web/a1",
            ),
            ("#{Deploy.HookId}", "hook-a1"),
        ] {
            example = example.replace(variable, resolved);
        }
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
