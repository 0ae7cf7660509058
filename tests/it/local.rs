//! The local runner, as a newcomer runs it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::zip_of;

/// Its unit tests run here: those of an example do not run.
#[path = "../../examples/local/screen.rs"]
#[allow(dead_code, reason = "the runner uses what the tests do not")]
mod screen;

/// The runner. `cargo test` builds it beside the tests.
pub(crate) fn local(arguments: &[&str]) -> Command {
    let tests = std::env::current_exe().unwrap();
    let built = tests.parent().unwrap().parent().unwrap();
    let runner = built.join("examples/local");
    assert!(
        runner.exists(),
        "build it first: cargo build --example local"
    );
    let mut command = Command::new(runner);
    command.args(arguments);
    command
}

pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = local(arguments).output().unwrap();
    (
        status.code(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

pub(crate) fn steps(stdout: &str) -> Vec<Value> {
    stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) fn result_of(steps: &[Value]) -> &Value {
    let mut results = steps.iter().filter(|step| step["step"] == "result");
    let result = results.next().unwrap();
    assert!(results.next().is_none(), "one result");
    result
}

/// Exit status and how the message begins, for each scenario.
const CLAIMS: [(&str, i32, &str); 48] = [
    ("healthy", 0, "web on prod: app:2 is serving, 2 tasks"),
    (
        "bad-parameters",
        1,
        "UserParameters: 3 problems: 1) DeploymentTimeout is \"1 hour\": ",
    ),
    (
        "no-artifact",
        1,
        "the artifact BuildOutput is missing: s3://codepipeline-eu-central-1-111122223333/web-pipeline/BuildOutpu/gone.zip does not exist (NoSuchKey: ",
    ),
    ("wrong-container", 1, "web on prod: "),
    (
        "image-missing",
        1,
        "web on prod: the image 111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2 does not exist: the repository app has no image with the tag v2.",
    ),
    (
        "wrong-architecture",
        1,
        "web on prod: the image 111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2 is for linux/arm64, and the task definition's runtimePlatform wants linux/amd64: build it for linux/amd64",
    ),
    (
        "cannot-pull",
        1,
        "web on prod: app:2 failed: CannotPullContainerError: 111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2 not found (4 tasks). Rolled back: app:1 is serving, 2 of 2 tasks.",
    ),
    (
        "crash-loop",
        1,
        "web on prod: app:2 failed: container app exited with code 1 (4 tasks); its log ends: panic: DATABASE_URL is not set. Rolled back: app:1 is serving",
    ),
    (
        "no-breaker",
        1,
        "web on prod: app:2 failed: container app exited with code 1 (4 tasks); its log ends: panic: DATABASE_URL is not set. Rolled back: app:1 is serving",
    ),
    (
        "left-as-it-is",
        1,
        "web on prod: app:2 failed: container app exited with code 1 (4 tasks); its log ends: panic: DATABASE_URL is not set. Not rolled back (Rollback is false): the service still points to app:2, which has no running task; app:1 is serving, 2 of 2 tasks. Roll back: aws ecs update-service --cluster prod --service web --task-definition app:1\n",
    ),
    (
        "out-of-memory",
        1,
        "web on prod: app:2 failed: container app ran out of memory: OutOfMemoryError: Container killed due to memory usage (4 tasks); the task definition gives the task 512 MiB. Rolled back",
    ),
    (
        "rolled-back",
        1,
        "web on prod: app:2 failed: Task failed ELB health checks in target group web (4 tasks); it asks port 8080 for /health and wants 200; it got: Health checks failed with these codes: [503]. Rolled back",
    ),
    (
        "container-check",
        1,
        "web on prod: app:2 failed: Task failed container health checks (4 tasks); a container's health check is a command that runs inside of it",
    ),
    (
        "role-not-assumed",
        1,
        "web on prod: app:2 failed: not complete within 4 min: ECS failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::111122223333:role/app-execution' that was provided for this task); taskRoleArn and executionRoleArn",
    ),
    (
        "hook-fails",
        1,
        "web on prod: app:2 failed: lifecycle hook hook-sd00000000000000000006 at POST_TEST_TRAFFIC_SHIFT failed (function smoke-test); its function's log says: [ERROR] AssertionError: GET /health returned 500. Rolled back",
    ),
    (
        "secret-unreadable",
        1,
        "web on prod: app:2 failed: ResourceInitializationError: unable to retrieve secret from asm: ",
    ),
    (
        "secret-missing",
        1,
        "web on prod: the secret shop/db-AbCdEf in eu-central-1 does not exist; container app (DATABASE_URL) needs it.",
    ),
    (
        "no-capacity",
        1,
        "web on prod: app:2 failed: not complete within 4 min: ECS was unable to place a task because ",
    ),
    (
        "alarm",
        1,
        "web on prod: app:2 failed: alarm web-5xx went off. Rolled back: app:1 is serving",
    ),
    (
        "never-stable",
        1,
        "web on prod: app:2 failed: not complete within 4 min: 0 of 2 new tasks running, 2 old; no stopped task and no event says why: look at the service's tasks in the console. Rolled back: app:1 is serving",
    ),
    (
        "replaced",
        1,
        "web on prod: app:3 was replaced by another deployment before it was complete (app:2",
    ),
    (
        "pass-role-denied",
        1,
        "web on prod: the function's role (arn:aws:sts::111122223333:assumed-role/ecs-deploy-action/deploy) is not allowed to pass the role app-execution to ECS (iam:PassRole)",
    ),
    (
        "update-denied",
        1,
        "web on prod: the function's role (arn:aws:sts::111122223333:assumed-role/ecs-deploy-action/deploy) is not allowed to perform ecs:UpdateService on service web on prod",
    ),
    ("throttled", 0, "web on prod: app:2 is serving, 2 tasks"),
    (
        "throttled-throughout",
        1,
        "web on prod: ecs:DescribeServices still failed after all retries (ThrottlingException: Rate exceeded). The start has waited for 30 min, and nothing was changed: retry the stage in CodePipeline.",
    ),
    (
        "herd",
        0,
        "40 of 40 pipelines have succeeded, the last one after ",
    ),
    ("blue-green", 0, "web on prod: app:2 is serving, 2 tasks"),
    ("canary", 0, "web on prod: app:2 is serving, 2 tasks"),
    (
        "pause-hook",
        1,
        "web on prod: app:2 failed: lifecycle hook hook-sd00000000000000000006 at POST_TEST_TRAFFIC_SHIFT timed out; look at",
    ),
    ("approval", 0, "web on prod: app:2 is serving, 2 tasks"),
    (
        "approval-rejected",
        0,
        "web on prod: app:2 was rolled back as asked (ContinueDeployment): app:1 is serving, 2 of 2 tasks.",
    ),
    ("previous", 0, "web on prod: app:1 is serving, 2 tasks"),
    ("patch", 0, "web on prod: app:2 is serving, 2 tasks"),
    (
        "unchanged",
        0,
        "web on prod: nothing was deployed (SkipIfUnchanged): the new revision would be app:2, which is serving, 2 tasks.",
    ),
    (
        "several-services",
        0,
        "web on prod: app:2 is serving, 2 tasks, after ",
    ),
    (
        "one-of-several",
        1,
        "web on prod: app:2 failed: container app exited with code 1 (4 tasks); its log ends: panic: DATABASE_URL is not set. Rolled back: app:1 is serving, 2 of 2 tasks. worker on prod was rolled back, too: worker:1 is serving, 1 of 1 tasks.",
    ),
    ("migration", 0, "web on prod: app:2 is serving, 2 tasks"),
    (
        "migration-fails",
        1,
        "web on prod: the pre-deploy task failed: container app exited with code 3; its log ends: error: relation orders is locked. No service was changed.",
    ),
    (
        "smoke-test",
        0,
        "web on prod: app:2 is serving, 2 tasks, after 1 min. The post-deploy task (container app) has succeeded.",
    ),
    (
        "smoke-test-fails",
        1,
        "web on prod: app:2 failed: the post-deploy task failed: container app exited with code 1; its log ends: FAILED: GET /checkout answers 500. Rolled back: app:1 is serving, 2 of 2 tasks.",
    ),
    (
        "task-definition-file",
        0,
        "web on prod: app:2 is serving, 2 tasks",
    ),
    ("pinned", 0, "web on prod: app:2 is serving, 2 tasks"),
    ("other-account", 0, "web on prod: app:2 is serving, 2 tasks"),
    (
        "other-account-denied",
        1,
        "web on prod: the function's role (arn:aws:sts::111122223333:assumed-role/ecs-deploy-action/deploy) is not allowed to perform sts:AssumeRole on role arn:aws:iam::444455556666:role/ecs-deploy",
    ),
    (
        "scheduled-tasks",
        0,
        "web on prod: app:2 is serving, 2 tasks",
    ),
    (
        "keep-revisions",
        0,
        "web on prod: app:8 is serving, 2 tasks",
    ),
    ("config-file", 0, "web on prod: app:2 is serving, 2 tasks"),
    ("dry-run", 0, "web on prod: dry run, nothing was changed. "),
];

/// What else each of them says or changes, besides the message.
#[test]
fn scenarios_of_what_the_built_in_action_cannot_do_show_it() {
    let output = |name: &str| run(&["--fast", "--scenario", name]).1;
    for (name, part) in [
        ("canary", "10 % of traffic on the new ones"),
        ("pause-hook", "POST_TEST_TRAFFIC_SHIFT waits at hook"),
        ("pause-hook", "min left, then ROLLBACK"),
        (
            "pause-hook",
            "aws ecs continue-service-deployment --service-deployment-arn arn:aws:ecs:",
        ),
        (
            "throttled",
            "ecs:UpdateService (ThrottlingException) 2 times",
        ),
        ("throttled", "s3:GetObject (the connection broke) 1 time"),
        (
            "other-account",
            "the function assumed arn:aws:iam::444455556666:role/ecs-deploy: ",
        ),
        (
            "scheduled-tasks",
            "the rule nightly runs app:2 now, and the schedule hourly app:2",
        ),
        ("config-file", r#""ConfigFile": "deploy/prod.json"}"#),
        (
            "config-file",
            r#"the artifact has deploy/prod.json: {"ClusterName": "prod", "ServiceName": "web", "DeploymentTimeout": 15}"#,
        ),
        ("left-as-it-is", "failed app:2 "),
        ("crash-loop", "rollback to app:1 "),
        ("alarm", "rollback to app:1 "),
        ("replaced", "somebody else's app:2 "),
        ("alarm", "rolled back app:2 "),
        ("several-services", "worker: new worker:2 "),
        (
            "several-services",
            "worker: worker:2 differs from worker:1 in",
        ),
        ("several-services", "container worker: image"),
        ("migration", "CodePipeline checks again (2)"),
        (
            "several-services",
            "worker on prod: worker:2 is serving, 1 task",
        ),
        ("migration", "the pre-deploy task runs"),
        (
            "task-definition-file",
            "container app: environment FEATURE: added (value not shown)",
        ),
        ("pinned", "app@sha256:"),
        ("approval", "app:2 waits at hook hook-"),
        ("approval", "people try the test listener, and approve"),
        (
            "previous",
            r#"UserParameters of the next action is {"ClusterName": "prod", "ServiceName": "web", "TaskDefinition": "previous"}"#,
        ),
        ("previous", "app:1 was chosen (TaskDefinition is previous)"),
        (
            "patch",
            "container app: environment RELEASE: added (value not shown)",
        ),
        (
            "scheduled-tasks",
            "2 targets on a schedule now run the new revision.",
        ),
        (
            "keep-revisions",
            "deregistered app:2, app:3, app:4 and app:5",
        ),
        (
            "dry-run",
            "ecs:UpdateService: web on prod from app:1 to the new revision of app",
        ),
        ("dry-run", "/containerDefinitions/app/image"),
    ] {
        let output = output(name);
        assert!(output.contains(part), "{name}: {output}");
    }
}

#[test]
fn the_log_of_a_container_that_was_killed_is_empty_and_not_missing() {
    for name in ["out-of-memory", "container-check"] {
        let (_, stdout, _) = run(&["--fast", "--scenario", name]);
        assert!(!stdout.contains("was not read"), "{stdout}");
    }
}

#[test]
fn the_record_is_written_as_a_page_where_it_is_asked_for() {
    let page = std::env::temp_dir().join(format!("record-{}.html", std::process::id()));
    let path = page.to_str().unwrap();
    let (code, stdout, _) = run(&["--fast", "--report", path, "--scenario", "crash-loop"]);
    assert_eq!(code, Some(1));
    assert!(
        stdout.contains(&format!("the record of the deployment: {path}")),
        "{stdout}"
    );
    let written = std::fs::read_to_string(&page).unwrap();
    assert!(written.contains("<svg") && written.contains("container app exited with code 1"));
    std::fs::remove_file(&page).unwrap();
    let arguments = ["--fast", "--report", path, "--scenario", "image-missing"];
    let (_, stdout, _) = run(&arguments);
    let nothing = "no report was written: no service was changed";
    assert!(stdout.contains(nothing), "{stdout}");
    let (_, stdout, _) = run(&[&arguments[..], &["--json"]].concat());
    let [.., note, result] = &steps(&stdout)[..] else {
        unreachable!("a note and the result were expected: {stdout}");
    };
    assert_eq!(
        (&note["step"], &note["message"]),
        (&"note".into(), &nothing.into())
    );
    assert_eq!(result["step"], "result", "the last one");
    assert!(!page.exists(), "nothing was written");
    let folder = std::env::temp_dir();
    for path in ["no/such/folder/x.html", folder.to_str().unwrap()] {
        let (code, stdout, stderr) = run(&["--fast", "--report", path]);
        assert_eq!(code, Some(2));
        assert!(
            stderr.contains(path) && stderr.contains("Nothing was done"),
            "{stderr}"
        );
        assert_eq!(stdout, "", "before anything is done");
    }
}

#[test]
fn a_failed_task_and_a_herd_have_their_page_too() {
    let page = std::env::temp_dir().join(format!("pages-{}.html", std::process::id()));
    let path = page.to_str().unwrap();
    let pages = [
        (
            "migration-fails",
            &["Pre-deploy task", "No service was changed.</p>"][..],
        ),
        (
            "one-of-several",
            &["<p class=\"then\">worker on prod was rolled back, too"],
        ),
        (
            "herd",
            &[
                "<title>Simulated: Succeeded: 40 pipelines</title>",
                "<td>app-39</td>",
                "<td>service writes</td><td class=\"number\">40</td>",
                "<svg",
            ],
        ),
    ];
    for (name, parts) in pages {
        let (_, stdout, _) = run(&["--fast", "--report", path, "--scenario", name]);
        assert!(
            stdout.contains(&format!("the record of the deployment: {path}")),
            "{stdout}"
        );
        let written = std::fs::read_to_string(&page).unwrap();
        for part in parts {
            assert!(written.contains(part), "{name}: {part}");
        }
        assert!(!written.contains("<td>app-40</td>"));
        std::fs::remove_file(&page).unwrap();
    }
}

/// Those in which no revision was registered, so that there is no difference to show.
const WITHOUT_REVISION: [&str; 10] = [
    "bad-parameters",
    "no-artifact",
    "wrong-container",
    "secret-missing",
    "other-account-denied",
    "dry-run",
    "image-missing",
    "wrong-architecture",
    "pass-role-denied",
    "throttled-throughout",
];

#[test]
fn each_scenario_ends_as_its_name_says_with_a_headline_that_suffices() {
    for (name, status, headline) in CLAIMS {
        let (code, stdout, stderr) = run(&["--fast", "--json", "--scenario", name]);
        assert_eq!(code, Some(status), "{name}: {stderr}");
        let steps = steps(&stdout);
        let message = result_of(&steps)["message"].as_str().unwrap();
        assert!(message.starts_with(headline), "{name}: {message}");
        if name == "herd" {
            let calls = result_of(&steps)["calls"].as_array().unwrap();
            let writes = calls.iter().find(|one| one["category"] == "service writes");
            assert_eq!(
                writes.unwrap()["asked"],
                40,
                "one deployment each: {calls:?}"
            );
            continue;
        }
        let place = |kind: &str| steps.iter().position(|step| step["step"] == kind);
        let has_look = place("look").is_some();
        if WITHOUT_REVISION.contains(&name) {
            assert_eq!(place("difference"), None, "{name}");
            assert!(!has_look, "{name}");
            continue;
        }
        assert!(place("difference") < place("result"), "{name}");
        let difference = &steps[place("difference").unwrap()];
        let changes = difference["changes"].as_array().unwrap();
        let paths: Vec<&str> = changes
            .iter()
            .map(|change| change["path"].as_str().unwrap())
            .collect();
        assert!(
            paths.contains(&"/containerDefinitions/app/image"),
            "{name}: {difference}"
        );
        assert!(!paths.contains(&"/tags/ecs-deploy-action:job"), "{name}");
        let is_watched = !["update-denied", "migration-fails"].contains(&name);
        assert_eq!(has_look, is_watched, "{name}");
        if has_look {
            assert!(place("difference") < place("look"), "{name}");
        }
    }
}

#[test]
fn each_scenario_ends_as_its_name_says_with_an_artifact_of_other_containers_too() {
    let folder = Folder::new("other-containers");
    let registry = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";
    let images = format!(
        r#"[{{"name": "shop", "imageUri": "{registry}/shop:v2"}}, {{"name": "side", "imageUri": "{registry}/side:v2"}}]"#
    );
    folder.write("imagedefinitions.json", images);
    // One scenario brings a file of that name.
    folder.write("taskdef.json", "{}");
    let artifact = folder.0.to_str().unwrap();
    for (name, status, headline) in CLAIMS {
        let arguments = ["--fast", "--json", "--artifact", artifact];
        let (code, stdout, stderr) = run(&[&arguments[..], &["--scenario", name]].concat());
        assert_eq!(code, Some(status), "{name}: {stdout}{stderr}");
        let steps = steps(&stdout);
        let message = result_of(&steps)["message"].as_str().unwrap();
        let headline = headline
            .replace("container app", "container shop")
            .replace("/app:v2", "/shop:v2")
            .replace("repository app has", "repository shop has");
        assert!(message.starts_with(&headline), "{name}: {message}");
    }
}

#[test]
fn a_scenario_ends_as_its_name_says_whatever_the_artifact_names_or_is_not_started() {
    let folder = Folder::new("no-ecr");
    let images = r#"[{"name": "web", "imageUri": "nginx:latest"}]"#;
    folder.write("imagedefinitions.json", images);
    let artifact = folder.0.to_str().unwrap();
    let run = |name: &str| run(&["--fast", "--artifact", artifact, "--scenario", name]);
    for name in ["image-missing", "wrong-architecture", "pinned"] {
        let (code, stdout, stderr) = run(name);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{name}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        let needs =
            format!("{name} needs an image in Amazon ECR, and the first of the artifact is nginx");
        assert!(stderr.contains(&needs), "{stderr}");
    }
    let (code, stdout, _) = run("wrong-container");
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("its containers are web-old."), "{stdout}");
}

/// The list: each heading with the scenarios under it.
fn groups() -> Vec<(String, Vec<String>)> {
    let (code, stdout, stderr) = run(&["--list"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let groups = stdout.split("\n\n").map(|group| {
        let mut lines = group.lines();
        let heading = lines.next().unwrap().to_owned();
        let names = lines.map(|line| line.trim_start().split(' ').next().unwrap().to_owned());
        (heading, names.collect())
    });
    groups.collect()
}

/// The names of all scenarios, as `--list` tells them.
pub(crate) fn scenarios() -> Vec<String> {
    groups().into_iter().flat_map(|(_, names)| names).collect()
}

#[test]
fn the_list_names_every_scenario() {
    let (code, stdout, _) = run(&["--list"]);
    assert_eq!(code, Some(0));
    let after_two_dashes = run(&["--", "--list"]);
    assert_eq!(after_two_dashes, (code, stdout.clone(), String::new()));
    let listed: BTreeSet<String> = scenarios().into_iter().collect();
    let claimed = CLAIMS.iter().map(|(name, _, _)| (*name).to_owned());
    assert_eq!(listed, claimed.collect());
    for line in stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn each_scenario_is_listed_under_what_comes_of_it() {
    let headlines: BTreeMap<&str, (i32, &str)> = CLAIMS
        .iter()
        .map(|(name, status, headline)| (*name, (*status, *headline)))
        .collect();
    for (heading, names) in groups() {
        for name in names {
            let (status, _) = headlines[name.as_str()];
            assert!(
                heading.contains(&format!("(exit status {status})")),
                "{name}"
            );
            if heading.starts_with("Is refused") {
                assert!(WITHOUT_REVISION.contains(&name.as_str()), "{name}");
            }
            if heading.starts_with("Fails and is rolled back") {
                let (_, stdout, _) = run(&["--fast", "--json", "--scenario", &name]);
                let steps = steps(&stdout);
                let message = result_of(&steps)["message"].as_str().unwrap();
                assert!(
                    message.contains("Rolled back: app:1 is serving"),
                    "{message}"
                );
            }
        }
    }
}

#[test]
fn into_a_pipe_it_prints_plain_lines_with_tasks_events_result_variables_and_difference() {
    let (code, stdout, _) = run(&["--fast"]);
    assert_eq!(code, Some(0));
    assert!(
        !stdout.contains('\x1b') && !stdout.contains('\r'),
        "{stdout}"
    );
    for part in [
        "new app:2 ▒▒ 0/2   old app:1 ██ 2/2",
        "ECS: (service web) has reached a steady state.",
        "job: Succeeded",
        "PreviousTaskDefinitionArn",
        "web: app:2 differs from app:1 in",
        "container app: image",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

#[test]
fn bad_usage_ends_with_two_and_one_line_that_says_what_to_write() {
    for (arguments, part) in [
        (&["--scenario", "helthy"][..], "did you mean healthy?"),
        (
            &["--scenario", "banana"],
            "There is no scenario \"banana\". --list",
        ),
        (
            &["--nonsense"],
            "There is no option --nonsense. See --help.",
        ),
        (&["--scenarios", "x"], "did you mean --scenario?"),
        (&["crash-lop"], "did you mean --scenario crash-loop?"),
        (&["--json=yes"], "--json takes no value"),
        (&["--scenario"], "--scenario needs a value"),
        (&["--aws"], "--aws needs --cluster NAME and --service NAME"),
        (
            &["--aws", "--fast", "--cluster", "c", "--service", "s"],
            "goes with none of --scenario, --container and --fast",
        ),
        (
            &["--aws", "--cluster", "c", "--service", "s"],
            "--aws needs --artifact PATH",
        ),
        (&["--cluster", "c"], "are for --aws"),
        (&["--dry-run"], "--scenario dry-run"),
        (&["--yes"], "are for --aws"),
        (&["--container", "a b"], "1 to 255 letters, digits, - and _"),
        (
            &["--scenario", "herd", "--container", "a"],
            "--container does not go with the scenario herd",
        ),
        (&["--migrate"], "--migrate needs a value"),
        (
            &["--migrate", "x.yaml", "--fast"],
            "--migrate goes with nothing but --function",
        ),
        (
            &["--migrate", "x.yaml", "--cluster", "c"],
            "--migrate goes with nothing but --function",
        ),
        (
            &["--migrate", "x.yaml", "--function", "a b"],
            "1 to 64 letters, digits, - and _",
        ),
        (&["--function", "f"], "--function is for --migrate"),
        (&["--list", "extra"], "\"extra\" is no option"),
        (&["--help", "extra"], "\"extra\" is no option"),
        (&["--json", "--list"], "--list goes with nothing else"),
        (&["--version", "--fast"], "--version goes with nothing else"),
        (
            &["--scenario", "alarm", "--scenario", "canary"],
            "--scenario is given twice",
        ),
        (
            &["--artifact", "a", "--artifact", "b"],
            "--artifact is given twice",
        ),
        (
            &["--report", "a", "--report", "b"],
            "--report is given twice",
        ),
        (&["--log", "a", "--log=b"], "--log is given twice"),
        (
            &["--migrate", "a", "--migrate", "b"],
            "--migrate is given twice",
        ),
    ] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
        assert!(stderr.contains("--help"), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
    }
    let (code, _, stderr) = run(&["--artifact", "no/such/folder"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no/such/folder") && stderr.lines().count() == 1);
}

#[test]
fn help_fits_80_columns_and_the_version_is_the_packages() {
    let (code, stdout, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for line in stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let (code, in_a_command, _) = run(&["--scenario", "alarm", "--help"]);
    assert_eq!((code, in_a_command), (Some(0), stdout));
    let (code, stdout, _) = run(&["--version"]);
    assert_eq!(code, Some(0));
    let version = env!("CARGO_PKG_VERSION");
    assert!(stdout.starts_with(&format!("ecs-deploy-action {version}")));
}

/// A folder that is gone in the end.
struct Folder(PathBuf);

impl Folder {
    /// `name` keeps the folders of the tests apart.
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("local-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_service_has_the_containers_that_are_given_and_else_it_is_said_that_only_the_file_is_checked()
{
    const ONLY_THE_FILE: &str = "The simulated service has the containers that your file names; only the file is checked. --container NAME says which it really has.";
    let folder = Folder::new("containers");
    let images = r#"[{"name": "web", "imageUri": "nginx:latest"}]"#;
    folder.write("imagedefinitions.json", images);
    let artifact = folder.0.to_str().unwrap();
    let (code, stdout, _) = run(&["--fast", "--artifact", artifact]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains(ONLY_THE_FILE), "{stdout}");
    assert!(!stdout.contains("proxy"), "only those: {stdout}");
    let containers = ["--container", "app", "--container", "proxy"];
    let arguments = ["--fast", "--artifact", artifact];
    let (code, stdout, _) = run(&[&arguments[..], &containers].concat());
    assert_eq!(code, Some(1), "{stdout}");
    assert!(!stdout.contains(ONLY_THE_FILE), "{stdout}");
    for part in ["web", "app and proxy"] {
        let (_, message) = stdout
            .split_once("job: Failed (ConfigurationError)")
            .unwrap();
        assert!(message.contains(part), "{stdout}");
    }
    let arguments = ["--fast", "--artifact", artifact, "--container", "web"];
    let (code, stdout, _) = run(&arguments);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(!stdout.contains(ONLY_THE_FILE), "{stdout}");
    let (_, stdout, _) = run(&["--fast"]);
    assert!(!stdout.contains(ONLY_THE_FILE), "the sample: {stdout}");
}

#[test]
#[cfg(unix)]
fn what_is_no_file_in_an_artifact_is_named_and_a_link_to_a_file_is_the_file() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new("entries");
    let images = r#"[{"name": "web", "imageUri": "nginx:latest"}]"#;
    let elsewhere = Folder::new("entries-elsewhere");
    let linked = elsewhere.write("images.json", images);
    symlink(linked, folder.0.join("imagedefinitions.json")).unwrap();
    std::fs::create_dir(folder.0.join("deep")).unwrap();
    let artifact = folder.0.to_str().unwrap();
    let (code, stdout, stderr) = run(&["--fast", "--artifact", artifact]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let entry = folder.0.join("deep/entry");
    let wrong = |expected: &str| {
        let (code, stdout, stderr) = run(&["--fast", "--artifact", artifact]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{stderr}");
        let expected = format!("{artifact}: deep/entry: {expected}");
        assert!(stderr.starts_with(&expected), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        std::fs::remove_file(&entry).unwrap();
    };
    // To another folder, to one above it, to nothing, to itself.
    symlink(&elsewhere.0, &entry).unwrap();
    wrong("it is a link to a folder: put the folder itself there");
    symlink(&folder.0, &entry).unwrap();
    wrong("it is a link to a folder: put the folder itself there");
    symlink("nothing", &entry).unwrap();
    wrong("No such file or directory");
    symlink("entry", &entry).unwrap();
    wrong("Too many levels of symbolic links");
    // Nobody writes to it.
    let made = Command::new("mkfifo").arg(&entry).status().unwrap();
    assert!(made.success());
    let (code, _, stderr) = run(&["--fast", "--artifact", entry.to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("it is neither a file nor a folder"),
        "{stderr}"
    );
    wrong("it is neither a file nor a folder");
}

#[test]
fn an_artifact_that_is_none_is_named_with_what_it_looks_like_and_what_it_has_instead() {
    let folder = Folder::new("no-artifact");
    let zip = zip_of(&[("imagedefinitions.json", "[]")]);
    let names: Vec<String> = (0..12).map(|number| format!("f{number:02}.txt")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    for (name, content, expected) in [
        (
            "a.tgz",
            b"\x1f\x8b\x08rest".to_vec(),
            "it is a gzip file, not a zip",
        ),
        ("a.json", b"[]".to_vec(), "it is JSON"),
        ("cut.zip", zip[..40].to_vec(), "was it cut off?"),
        ("empty.zip", Vec::new(), "it is empty"),
        (
            "other.zip",
            zip_of(&files),
            "it has f00.txt, f01.txt, f02.txt, f03.txt, f04.txt, f05.txt, f06.txt, f07.txt, f08.txt, f09.txt and 2 more",
        ),
    ] {
        let path = folder.write(name, content);
        // Before anybody asks for credentials.
        let aws = ["--aws", "--cluster", "prod", "--service", "web"];
        let (code, _, stderr) = run(&[&aws[..], &["--artifact", &path]].concat());
        assert_eq!(code, Some(2), "{stderr}");
        assert!(
            stderr.contains(&path) && stderr.contains(expected),
            "{stderr}"
        );
        let (code, stdout, _) = run(&["--fast", "--artifact", &path]);
        assert_eq!(code, Some(1));
        assert!(
            stdout.contains(&format!("the artifact is {path}")),
            "{stdout}"
        );
    }
}

#[test]
fn the_log_may_go_to_a_file_and_its_times_are_said_to_be_this_machines() {
    let folder = Folder::new("log");
    let file = folder.0.join("the.log");
    let path = file.to_str().unwrap();
    let joined = format!("--log={path}");
    for arguments in [&["--fast", "--log", path][..], &[&joined, "--fast"]] {
        let (code, stdout, stderr) = run(arguments);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        assert!(
            stdout.contains("the times in the log are this machine's"),
            "{stdout}"
        );
        let written = std::fs::read_to_string(&file).unwrap();
        assert!(written.contains(r#""message":"done""#), "{written}");
        std::fs::remove_file(&file).unwrap();
    }
    let nowhere = folder.0.join("no/such/folder.log");
    let nowhere = nowhere.to_str().unwrap();
    let (code, stdout, stderr) = run(&["--fast", "--log", nowhere]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(
        stderr.contains(nowhere) && stderr.contains("Nothing was done"),
        "{stderr}"
    );
}

/// A terminal of endless height: what can be read on it in the end.
pub(crate) struct Terminal {
    columns: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Terminal {
    /// What comes of `written` on one of so many columns.
    pub(crate) fn showing(columns: usize, written: &str) -> Vec<String> {
        let mut terminal = Self {
            columns,
            lines: vec![Vec::new()],
            row: 0,
            column: 0,
        };
        let mut left = written.chars();
        while let Some(c) = left.next() {
            match c {
                '\r' => terminal.column = 0,
                '\n' => terminal.down(),
                '\u{1b}' => {
                    assert_eq!(left.next(), Some('['), "only sequences of this kind");
                    let mut number = String::new();
                    let end = loop {
                        match left.next().unwrap() {
                            digit @ '0'..='9' => number.push(digit),
                            end => break end,
                        }
                    };
                    terminal.escape(&number, end);
                }
                c => terminal.put(c),
            }
        }
        let lines = terminal.lines.iter();
        lines.map(|line| line.iter().collect()).collect()
    }

    fn down(&mut self) {
        self.row += 1;
        if self.row == self.lines.len() {
            self.lines.push(Vec::new());
        }
    }

    fn put(&mut self, c: char) {
        if self.column == self.columns {
            self.down();
            self.column = 0;
        }
        let line = &mut self.lines[self.row];
        line.resize(line.len().max(self.column + 1), ' ');
        line[self.column] = c;
        self.column += 1;
    }

    fn escape(&mut self, number: &str, end: char) {
        match end {
            'm' => {}
            'A' => self.row -= number.parse::<usize>().unwrap(),
            'J' => {
                self.lines.truncate(self.row + 1);
                self.lines[self.row].truncate(self.column);
            }
            other => panic!("an unknown sequence: {other}"),
        }
    }
}

/// The runner on a terminal of so many columns.
pub(crate) fn on_a_terminal(
    columns: usize,
    environment: &[(&str, &str)],
    arguments: &[&str],
) -> Command {
    let runner = local(&[]).get_program().to_str().unwrap().to_owned();
    let command = format!(
        "stty cols {columns} rows 24; exec '{runner}' {}",
        arguments.join(" ")
    );
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .envs(environment.iter().copied())
        .stdin(Stdio::null());
    script
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs util-linux's script")]
fn on_a_terminal_no_status_line_is_left_and_no_word_is_broken() {
    for (columns, scenario) in [
        (80, "several-services"),
        (80, "crash-loop"),
        (80, "herd"),
        (40, "several-services"),
        (150, "one-of-several"),
    ] {
        let arguments = ["--fast", "--scenario", scenario];
        let output = on_a_terminal(columns, &[], &arguments).output().unwrap();
        let written = String::from_utf8(output.stdout).unwrap();
        assert!(written.contains("\u{1b}[J"), "nothing was drawn: {written}");
        let lines = Terminal::showing(columns, &written);
        let shown = lines.join("\n");
        for status in ["█", "░", "2 of 2 run"] {
            assert!(!shown.contains(status), "{scenario}: {shown}");
        }
        let words: BTreeSet<&str> = shown.split_whitespace().collect();
        let (_, plain, _) = run(&arguments);
        let prose = plain.lines().filter(|line| !line.contains(['█', '░', '▒']));
        let prose = prose.filter(|line| scenario != "herd" || line.contains("pipelines"));
        for word in prose.flat_map(str::split_whitespace) {
            let is_whole = words.contains(word) || word.chars().count() > columns - 7;
            assert!(is_whole, "{scenario}: {word}: {shown}");
        }
    }
}

/// A line that does not fit and could have been broken.
pub(crate) fn too_long(columns: usize, written: &str) -> Option<&str> {
    let mut lines = written.lines().map(str::trim_end);
    lines.find(|line| {
        let words = line.trim_start_matches([' ', '-', '+']);
        line.chars().count() > columns && words.contains(' ')
    })
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs util-linux's script")]
fn without_colours_or_on_a_dumb_terminal_there_is_no_escape_code_and_lines_fit() {
    for environment in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let arguments = ["--fast", "--scenario", "one-of-several"];
        let output = on_a_terminal(80, &[environment], &arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let written = String::from_utf8(output.stdout).unwrap();
        assert!(!written.contains('\u{1b}'), "{environment:?}: {written}");
        let too_long = too_long(80, &written);
        assert_eq!(too_long, None, "{environment:?}");
    }
}

/// Presses Ctrl-C once there is a status. How it ended, and all that it has written.
pub(crate) fn interrupted_at_its_status(command: &mut Command) -> (Option<i32>, String) {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut written = Vec::new();
    while !String::from_utf8_lossy(&written).contains('█') {
        let mut some = [0; 256];
        let count = stdout.read(&mut some).unwrap();
        assert!(count > 0, "it has ended");
        written.extend_from_slice(&some[..count]);
    }
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"\x03").unwrap();
    stdout.read_to_end(&mut written).unwrap();
    let status = child.wait().unwrap();
    (status.code(), String::from_utf8(written).unwrap())
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs util-linux's script")]
fn ctrl_c_takes_the_status_away_and_says_so_on_a_line_of_its_own() {
    let arguments = ["--scenario", "several-services"];
    let mut command = on_a_terminal(80, &[], &arguments);
    let (code, written) = interrupted_at_its_status(&mut command);
    assert_eq!(code, Some(130));
    let lines = Terminal::showing(80, &written);
    let [.., last, prompt] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert_eq!(last, "Interrupted. The simulation has ended with it.");
    assert_eq!(prompt, "");
    assert!(lines.iter().all(|line| !line.contains('█')), "{lines:?}");
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs util-linux's script")]
fn ctrl_c_says_what_became_of_the_report() {
    let folder = Folder::new("interrupted");
    let page = folder.0.join("page.html");
    let arguments = ["--scenario", "several-services", "--report"];
    let arguments = [&arguments[..], &[page.to_str().unwrap()]].concat();
    let (code, written) = interrupted_at_its_status(&mut on_a_terminal(200, &[], &arguments));
    assert_eq!(code, Some(130));
    let expected = format!("No report was written to {}.", page.display());
    assert!(written.contains(&expected), "{written}");
    assert!(!page.exists());
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs util-linux's script")]
fn the_list_and_the_help_fit_a_narrow_terminal_and_no_word_is_broken() {
    for option in ["--list", "--help"] {
        let (_, plain, _) = run(&[option]);
        for columns in [25, 40, 79] {
            let output = on_a_terminal(columns, &[], &[option]).output().unwrap();
            let written = String::from_utf8(output.stdout).unwrap();
            assert_eq!(too_long(columns, &written), None, "{columns}: {written}");
            let words = |text: &str| -> Vec<String> {
                let words = text.split_whitespace().map(str::to_owned);
                words.collect()
            };
            assert_eq!(words(&written), words(&plain), "{columns}: {written}");
        }
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "needs /dev/full")]
fn output_that_is_lost_is_reported_in_one_line_and_ends_with_another_status_than_success() {
    let full = || {
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for arguments in [
        &["--fast"][..],
        &["--list"],
        &["--help"],
        &["--version"],
        &["--fast", "--json"],
    ] {
        let output = local(arguments).stdout(full()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("The output cannot be written: "),
            "{stderr}"
        );
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    for (option, begin) in [
        ("--log", "The log cannot be written: "),
        ("--report", "The report was not written: "),
    ] {
        let (code, _, stderr) = run(&["--fast", option, "/dev/full"]);
        assert_eq!(code, Some(2), "{option}: {stderr}");
        assert!(stderr.starts_with(begin), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
    // The log goes to where nobody can be told.
    let output = local(&["--fast", "--log"]).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    // A failed job stays one.
    let mut failing = local(&["--fast", "--scenario", "crash-loop"]);
    let output = failing.stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn whoever_closes_the_pipe_wants_no_more_and_that_is_no_loss() {
    let mut child = local(&["--fast"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""));
}

/// The members of each step, as `docs/local.md` has them.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/local.md");
    let written = std::fs::read_to_string(path).unwrap();
    let rows = written.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, step, _, members, _] = cells.as_slice() else {
            return None;
        };
        let quoted = |cell: &str| -> Vec<String> {
            let parts = cell.split('`').skip(1).step_by(2);
            parts.map(str::to_owned).collect()
        };
        let step = quoted(step).into_iter().next().unwrap();
        Some((step, quoted(members).into_iter().collect()))
    });
    rows.collect()
}

/// That the document has these steps, with all their members.
#[track_caller]
pub(crate) fn assert_documented(steps: &[Value]) {
    let documented = documented();
    for step in steps {
        let name = step["step"].as_str().unwrap();
        let members = documented.get(name);
        let members = members.unwrap_or_else(|| panic!("{name} is not in docs/local.md"));
        for member in step.as_object().unwrap().keys() {
            let is_known = members.contains(member) || member == "step" || member == "time";
            assert!(is_known, "{name} has {member}, which docs/local.md has not");
        }
        assert!(step["time"].is_string(), "{step}");
    }
}

#[test]
fn each_step_of_each_scenario_is_documented_with_its_members() {
    let mut kinds = BTreeSet::new();
    for name in scenarios() {
        let (_, stdout, _) = run(&["--fast", "--json", "--scenario", &name]);
        let steps = steps(&stdout);
        assert_documented(&steps);
        kinds.extend(
            steps
                .iter()
                .map(|step| step["step"].as_str().unwrap().to_owned()),
        );
    }
    // Those of a real account are a test's of its own.
    kinds.extend(["rehearsal", "report"].map(str::to_owned));
    let documented: BTreeSet<String> = documented().into_keys().collect();
    assert_eq!(documented, kinds);
}

#[test]
fn an_artifact_of_ones_own_may_be_a_folder_or_a_zip() {
    let folder = std::env::temp_dir().join(format!("local-runner-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let images = r#"[{"name": "api", "imageUri": "registry.example/api:7"}]"#;
    std::fs::write(folder.join("imagedefinitions.json"), images).unwrap();
    let zip = folder.join("own.zip");
    std::fs::write(&zip, zip_of(&[("imagedefinitions.json", images)])).unwrap();
    for artifact in [path(&folder), path(&zip)] {
        let (code, stdout, _) = run(&["--fast", "--json", "--artifact", &artifact]);
        assert_eq!(code, Some(0), "{stdout}");
        let steps = steps(&stdout);
        assert_eq!(
            result_of(&steps)["outputVariables"]["Image-api"],
            "registry.example/api:7"
        );
    }
    // A mistake in it is the deployment's to explain.
    std::fs::write(folder.join("imagedefinitions.json"), "{}").unwrap();
    let (code, stdout, _) = run(&["--fast", "--json", "--artifact", &path(&folder)]);
    assert_eq!(code, Some(1));
    let steps = steps(&stdout);
    assert!(
        result_of(&steps)["message"]
            .as_str()
            .unwrap()
            .contains("put [ ] around it"),
        "{stdout}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn in_no_scenario_is_a_credential_written_anywhere_not_even_at_trace() {
    for name in scenarios() {
        let output = local(&["--fast", "--json", "--log", "--scenario", &name])
            .env("AWS_ACCESS_KEY_ID", "environment-id-MARK")
            .env("AWS_SECRET_ACCESS_KEY", "environment-secret-MARK")
            .env("AWS_SESSION_TOKEN", "environment-token-MARK")
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains(r#""message":"done""#), "{name}: no log: {log}");
        let written = String::from_utf8(output.stdout).unwrap() + &log;
        // The sample event's credentials, the function's and the environment's.
        for secret in ["MARK", "ASIAARTIFACT", simulator::FUNCTION_ACCESS_KEY_ID] {
            assert!(!written.contains(secret), "{name}: {secret} in {written}");
        }
    }
}
