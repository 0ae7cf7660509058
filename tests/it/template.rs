//! template.yaml grants what the code calls and no more, and its times fit together.

use std::collections::BTreeSet;
use std::path::Path;

use regex_lite::Regex;

/// What is granted and not called by us: Lambda writes the log, ECS asks for two when a revision is
/// registered or a task is run, and S3 for the key of an object.
const BY_OTHERS: [&str; 5] = [
    "ecs:TagResource",
    "iam:PassRole",
    "kms:Decrypt",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
];

/// Asked for together with `s3:GetObject`: a versioned bucket is read by version.
const WITH_VERSIONS: &str = "s3:GetObjectVersion";

/// The pipeline's role grants it: the record is written with the credentials that a job brings.
const WITH_THE_JOBS_CREDENTIALS: &str = "s3:PutObject";

fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The code of a source file, without its comments and tests.
fn code(path: &str) -> String {
    let text = file(path);
    let (code, _) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// `describe_services` → `DescribeServices`.
fn camel(snake: &str) -> String {
    let words = snake.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect()
}

/// The actions behind the calls that a file of `src/aws/` makes with its client, and those that it
/// names in its errors.
fn actions_of(service: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let code = code(&format!("src/aws/{service}.rs"));
    let call = Regex::new(r"\.client\s*\.([a-z_]+)\(\)").unwrap();
    let calls = call.captures_iter(&code).map(|found| camel(&found[1]));
    // Not an operation but a look at the client's own settings.
    let calls = calls.filter(|name| name != "Clone" && name != "Config");
    let called = calls.map(|name| format!("{service}:{name}")).collect();
    let named = Regex::new(r#""([a-z0-9]+:[A-Z][A-Za-z]+)""#).unwrap();
    let named: BTreeSet<String> = named
        .captures_iter(&code)
        .map(|found| found[1].to_owned())
        .collect();
    if RAW.contains(&service) {
        (named.clone(), named)
    } else {
        (called, named)
    }
}

const SERVICES: [&str; 13] = [
    "cloudwatch",
    "codepipeline",
    "ecr",
    "ecs",
    "elb",
    "events",
    "iam",
    "logs",
    "s3",
    "scheduler",
    "secrets",
    "ssm",
    "sts",
];

/// Services whose calls are raw: there the names in the errors are the calls.
const RAW: [&str; 9] = [
    "cloudwatch",
    "ecr",
    "elb",
    "events",
    "iam",
    "logs",
    "scheduler",
    "secrets",
    "ssm",
];

fn granted() -> BTreeSet<String> {
    let template = file("template.yaml");
    let (_, role) = template.split_once("\n  Role:\n").unwrap();
    let (role, _) = role.split_once("\nOutputs:").unwrap();
    // Who may be this role is another matter.
    let (_, role) = role.split_once("\n      Policies:\n").unwrap();
    let action = Regex::new(r"\b([a-z0-9]+:[A-Z][A-Za-z]+)\b([^:/]|$)").unwrap();
    let lines = role
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let mut granted = BTreeSet::new();
    for line in lines {
        granted.extend(action.captures_iter(line).map(|found| found[1].to_owned()));
    }
    granted
}

#[test]
fn the_template_grants_what_the_code_calls_and_no_more() {
    let mut called: BTreeSet<String> = BY_OTHERS.map(str::to_owned).into();
    for service in SERVICES {
        called.extend(actions_of(service).0);
    }
    called.insert(WITH_VERSIONS.to_owned());
    called.remove(WITH_THE_JOBS_CREDENTIALS);
    let granted = granted();
    let missing: Vec<_> = called.difference(&granted).collect();
    let unused: Vec<_> = granted.difference(&called).collect();
    assert!(missing.is_empty(), "called and not granted: {missing:?}");
    assert!(unused.is_empty(), "granted and not called: {unused:?}");
}

#[test]
fn every_call_is_named_in_the_errors_that_it_may_end_with() {
    for service in SERVICES {
        let (called, named) = actions_of(service);
        assert!(!called.is_empty(), "{service}");
        assert_eq!(called, named, "{service}");
    }
}

#[test]
fn no_other_module_calls_aws() {
    let calls = Regex::new(r"aws_sdk_[a-z0-9]+::Client").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_acting = path.parent().unwrap().ends_with("src/aws");
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(is_acting || !calls.is_match(&text), "{}", path.display());
        }
    }
}

/// The number behind `name:` in the template.
fn number(name: &str) -> u64 {
    let template = file("template.yaml");
    let line = Regex::new(&format!(r#"{name}: "?([0-9]+)"?"#)).unwrap();
    line.captures(&template).unwrap()[1].parse().unwrap()
}

#[test]
fn all_of_lambdas_tries_end_before_codepipeline_gives_up() {
    const CODEPIPELINE_WAITS_SECS: u64 = 20 * 60;
    // After one minute, then after two.
    const BETWEEN_TRIES_SECS: u64 = 60 + 120;
    let (timeout, retries) = (number("Timeout"), number("MaximumRetryAttempts"));
    assert_eq!(retries, 2);
    let all_tries = (1 + retries) * timeout + BETWEEN_TRIES_SECS;
    assert!(all_tries < CODEPIPELINE_WAITS_SECS, "{all_tries} s");
    // An event that is older finds its job timed out.
    assert!(number("MaximumEventAgeInSeconds") < CODEPIPELINE_WAITS_SECS);
}

#[test]
fn an_invocation_has_time_to_act_and_to_answer_besides_watching() {
    // Acting may take all retries of several calls, the answer all of one.
    const BESIDES_SECS: u64 = 120;
    assert!(number("WATCH_SECONDS") + BESIDES_SECS < number("Timeout"));
}

#[test]
fn the_version_is_the_same_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    let template = file("template.yaml");
    assert!(template.contains(&format!("SemanticVersion: {version}\n")));
    let changelog = file("CHANGELOG.md");
    assert!(changelog.contains(&format!("## {version}")), "{version}");
}

#[test]
fn the_dashboard_and_queries_ask_for_what_the_metrics_line_has() {
    use ecs_deploy_action::deploy::outcome::Outcome;
    use ecs_deploy_action::metrics::{NAMESPACE, line};
    use ecs_deploy_action::observer::Finished;

    let outcome = Outcome::Succeeded {
        message: String::new().into(),
        variables: std::collections::BTreeMap::new(),
        external_execution_id: None,
    };
    let line = line(Finished {
        job: "",
        target: None,
        outcome: &outcome,
        phase: "Start",
        took: std::time::Duration::ZERO,
        at: ecs_deploy_action::deploy::time::Timestamp::from_millis(0),
    })
    .unwrap();
    let template = file("template.yaml");
    let fields = Regex::new(r"\| fields @timestamp, ([A-Za-z, ]+)").unwrap();
    let mut asked = 0;
    for found in fields.captures_iter(&template) {
        for field in found[1].split(',').map(str::trim) {
            assert!(!line[field].is_null(), "{field}");
            asked += 1;
        }
    }
    assert!(asked >= 12, "{asked}");
    assert!(template.contains(&format!(r#"["{NAMESPACE}", "Deployments", "Outcome""#)));
    assert!(template.contains(&format!(r#"["{NAMESPACE}", "Duration", "Outcome""#)));
}
