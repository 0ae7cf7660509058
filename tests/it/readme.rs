//! The README and the documents beside it say what is so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ecs_deploy_action::parameters::{self, Parameter, SetBy};
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

fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn readme() -> String {
    file("README.md")
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

/// The scenarios whose rows the README shows, too.
const IN_THE_README: [&str; 5] = [
    "image-missing",
    "crash-loop",
    "rolled-back",
    "alarm",
    "migration-fails",
];

#[test]
fn its_tables_of_failures_are_what_the_function_says() {
    let all = failures();
    assert!(all.lines().count() > 2, "no scenario fails: {all}");
    let few = all.lines().enumerate().filter(|(number, line)| {
        let of = |name: &&str| line.starts_with(&format!("| `{name}` |"));
        *number < 2 || IN_THE_README.iter().any(of)
    });
    let few: Vec<String> = few.map(|(_, line)| format!("{line}\n")).collect();
    assert_eq!(few.len(), 2 + IN_THE_README.len(), "{all}");
    for (path, shown) in [("README.md", few.concat()), ("docs/failures.md", all)] {
        let written = file(path);
        let stands = between(&written, BEGIN, END);
        if ecs_deploy_action::settings::environment(UPDATE).is_some() {
            let mended = written.replace(
                &format!("{BEGIN}{stands}{END}"),
                &format!("{BEGIN}{shown}{END}"),
            );
            std::fs::write(root().join(path), mended).unwrap();
        } else {
            assert_eq!(stands, shown, "run the tests with {UPDATE}=1 to write it");
        }
    }
}

/// All Rust below these folders, as one text.
pub(crate) fn sources(folders: &[&str]) -> String {
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
    for folder in folders {
        collect(root().join(folder), &mut sources);
    }
    sources
}

#[test]
fn each_promise_names_tests_that_exist() {
    let sources = sources(&["src", "deploy/src", "record/src", "tests"]);
    let document = file("docs/promises.md");
    let named: Vec<(&str, &str)> = document
        .split("\n## ")
        .skip(1)
        .map(|part| part.split_once('\n').unwrap())
        .collect();
    assert_eq!(named.len(), 9, "one section for each promise");
    let readme = readme();
    let promises = between(&readme, "## Promises\n", "\n## ");
    let promises = promises
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    let promises: Vec<&str> = promises.collect();
    assert_eq!(promises.len(), named.len());
    for (promise, (heading, tests)) in promises.iter().zip(named) {
        assert!(promise.starts_with(heading), "{heading}");
        let tests = quoted(tests);
        assert!(!tests.is_empty(), "{heading}");
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
    let table = between(readme, "\n## Parameters\n", "\n## ");
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
fn its_row_of_config_file_names_what_no_file_may_set() {
    let written = readme();
    let table = between(&written, "\n## Parameters\n", "\n## ");
    let row = table
        .lines()
        .find(|line| line.starts_with("| `ConfigFile`"));
    let mut readme = quoted(row.unwrap()).split_off(1);
    readme.sort_unstable();
    let code = parameters_in_code().into_iter();
    let code = code.filter(|row| matches!(row.set_by, SetBy::ActionAlone(_)));
    let mut code: Vec<&str> = code.map(|row| row.name).collect();
    code.sort_unstable();
    assert_eq!(readme, code);
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
    let section = file("docs/features.md");
    let examples: Vec<&str> = section
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(examples.len() >= 15, "{}", examples.len());
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

/// The documents that a test reads whole.
pub(crate) const DOCUMENTS: [&str; 12] = [
    "BENCHMARKS.md",
    "CHANGELOG.md",
    "DESIGN.md",
    "README.md",
    "docs/by-hand.md",
    "docs/failures.md",
    "docs/features.md",
    "docs/from-source.md",
    "docs/operations.md",
    "docs/permissions.md",
    "docs/promises.md",
    "docs/results.md",
];

#[test]
fn what_the_documents_link_to_in_the_repository_is_there() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = file(document);
        let folder = root().join(document);
        let folder = folder.parent().unwrap();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.starts_with("https://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = if path.is_empty() {
                root().join(document)
            } else {
                folder.join(path)
            };
            let is_there = if anchor.is_empty() {
                linked.exists()
            } else {
                let text = std::fs::read_to_string(linked).unwrap_or_default();
                crate::guides::anchors(&text).iter().any(|it| it == anchor)
            };
            if !is_there {
                missing.push(format!("{document}: {target}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The parameters of a template, with their defaults.
fn stack_parameters(template: &str) -> BTreeMap<String, Option<String>> {
    let section = between(template, "\nParameters:\n", "\n\nConditions:\n");
    let name = Regex::new(r"^  (\w+):$").unwrap();
    let mut parameters = BTreeMap::new();
    let mut current = String::new();
    for line in section.lines() {
        if let Some(found) = name.captures(line) {
            current = found[1].to_owned();
            parameters.insert(current.clone(), None);
        } else if let Some(default) = line.strip_prefix("    Default: ") {
            let default = default.trim_matches('"').to_owned();
            parameters.insert(current.clone(), Some(default));
        }
    }
    parameters
}

#[test]
fn its_table_of_the_stacks_parameters_has_the_names_and_defaults_of_the_template() {
    let readme = readme();
    let table = between(&readme, "### Parameters of the stack\n", "\n## ");
    let mut written = BTreeMap::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, names, _, default, _] = cells[..] else {
            unreachable!("{line}");
        };
        let default = match default {
            "required" => None,
            "none" | "the release's zip for `Architecture`" => Some(String::new()),
            value => Some(value.replace('`', "")),
        };
        for name in quoted(names) {
            written.insert(name.to_owned(), default.clone());
        }
    }
    assert_eq!(written, stack_parameters(&file("install/template.yaml")));
}

#[test]
fn its_versions_are_those_of_the_manifest_and_of_what_the_dependencies_need() {
    let oldest = env!("CARGO_PKG_RUST_VERSION");
    let cargo = ecs_deploy_action::settings::environment("CARGO").unwrap();
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        unreachable!("{error}: {}", String::from_utf8_lossy(&output.stderr))
    });
    let number = |version: &str| -> Vec<u32> {
        let parts = version.split('.').map(|part| part.parse().unwrap());
        parts.chain([0, 0]).take(3).collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    let needed = packages.filter_map(|package| package["rust_version"].as_str());
    let needed = needed.map(number).max().unwrap();
    assert_eq!(number(oldest), needed);
    for path in ["README.md", "docs/from-source.md"] {
        let found = format!("Rust {oldest} or newer");
        assert!(file(path).contains(&found), "{path}: {found}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let readme = readme();
    let zip = Regex::new(r"ecs-deploy-action-([0-9.]+)[-.][a-z]").unwrap();
    let found: Vec<String> = zip
        .captures_iter(&readme)
        .map(|found| found[1].to_owned())
        .collect();
    assert!(
        found.len() >= 4 && found.iter().all(|it| it == version),
        "{found:?}"
    );
    assert!(readme.contains(&format!("**Status: version {version}.")));
}
