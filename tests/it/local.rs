//! The local runner, as a newcomer runs it.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::zip_of;

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
const CLAIMS: [(&str, i32, &str); 45] = [
    ("healthy", 0, "web on prod: app:2 is serving, 2 tasks"),
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
        "web on prod: app:2 failed: container app exited with code 1 (4 tasks); its log ends: panic: DATABASE_URL is not set. Rolled back: app:1 is serving, 2 of 2 tasks. worker on prod failed, too: container app exited with code 1 (2 tasks); it has no logConfiguration, so its log is kept nowhere. worker on prod was rolled back, too: worker:1 is serving, 1 of 1 tasks.",
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
        "web on prod: the function's role (arn:aws:sts::111122223333:assumed-role/function/deploy) is not allowed to perform sts:AssumeRole on role arn:aws:iam::444455556666:role/ecs-deploy",
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
        (
            "several-services",
            "worker on prod: worker:2 is serving, 1 task",
        ),
        ("migration", "the pre-deploy task runs"),
        (
            "task-definition-file",
            "/containerDefinitions/app/environment/FEATURE: added (value not shown)",
        ),
        ("pinned", "app@sha256:"),
        ("approval", "app:2 waits at hook hook-"),
        ("approval", "people try the test listener, and approve"),
        ("previous", "app:1 was chosen (TaskDefinition is previous)"),
        (
            "patch",
            "/containerDefinitions/app/environment/RELEASE: added (value not shown)",
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
    let (_, stdout, _) = run(&["--fast", "--report", path, "--scenario", "image-missing"]);
    assert!(
        stdout.contains("no record: nothing was started"),
        "{stdout}"
    );
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
const WITHOUT_REVISION: [&str; 7] = [
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
        if WITHOUT_REVISION.contains(&name) {
            assert!(
                steps.iter().all(|step| step["step"] != "difference"),
                "{name}"
            );
            continue;
        }
        let difference = steps.last().unwrap();
        assert_eq!(difference["step"], "difference", "{name}");
        let mut changes = difference["changes"].as_array().unwrap().iter();
        assert!(
            changes.any(|change| change["path"] == "/containerDefinitions/app/image"),
            "{name}: {difference}"
        );
        let is_watched = !["update-denied", "migration-fails"].contains(&name);
        let has_look = steps.iter().any(|step| step["step"] == "look");
        assert_eq!(has_look, is_watched, "{name}");
    }
}

/// The names of all scenarios, as `--list` tells them.
pub(crate) fn scenarios() -> Vec<String> {
    let (_, stdout, _) = run(&["--list"]);
    let names = stdout.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_list_names_every_scenario() {
    let (code, stdout, _) = run(&["--list"]);
    assert_eq!(code, Some(0));
    let after_two_dashes = run(&["--", "--list"]);
    assert_eq!(after_two_dashes, (code, stdout.clone(), String::new()));
    let listed = scenarios();
    let claimed: Vec<&str> = CLAIMS.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(listed, claimed);
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
        "app:2 ▒▒ 0/2   app:1 ██ 2/2",
        "ECS: (service web) has reached a steady state.",
        "job: Succeeded",
        "PreviousTaskDefinitionArn",
        "From app:1 to app:2",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

#[test]
fn bad_usage_ends_with_two_and_says_what_to_write() {
    for (arguments, part) in [
        (&["--scenario", "helthy"][..], "never-stable"),
        (&["--nonsense"], "--scenario NAME"),
        (&["--artifact", "no/such/folder"], "no/such/folder"),
        (&["--aws"], "--aws needs --cluster NAME and --service NAME"),
        (
            &["--aws", "--fast", "--cluster", "c", "--service", "s"],
            "goes with neither",
        ),
        (
            &["--aws", "--cluster", "c", "--service", "s"],
            "--aws needs --artifact PATH",
        ),
        (&["--cluster", "c"], "are for --aws"),
        (&["--dry-run"], "--scenario dry-run"),
        (&["--yes"], "are for --aws"),
        (&["--migrate"], "missing argument for option '--migrate'"),
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
    ] {
        let (code, _, stderr) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
    }
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
