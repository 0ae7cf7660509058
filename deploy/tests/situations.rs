//! Situations that people have met, as ECS shows them, each with the headline that it must lead to. A file
//! each in `situations/`; add one by adding a file, and read what it comes to with
//! `UPDATE_SITUATIONS=1 cargo test -p deploy --test situations`, which writes the headline into it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use deploy::deployment::{Deployment, Ours, Service, Stage};
use deploy::evidence::{Evidence, StoppedContainer, StoppedSeen, StoppedTask, TargetCheck};
use deploy::hook::FailedHook;
use deploy::judge::verdict;
use deploy::outside::shown;
use deploy::revision::Revision;
use deploy::seen::{DeploymentSeen, EventSeen, Look, ServiceDeploymentSeen, ServiceSeen};
use deploy::spec::{DeploySpec, Target};
use deploy::task_definition::{Described, LogPlace};
use deploy::time::Timestamp;
use deploy::words;
use serde_json::{Value, json};

const UPDATE: &str = "UPDATE_SITUATIONS";
const STARTED: Timestamp = Timestamp::from_secs(1_790_000_000);

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/situations")
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(text).collect()
}

/// Lines of a log, as they are read.
fn log_lines(value: &Value) -> Vec<String> {
    texts(value).iter().map(|line| shown(line)).collect()
}

fn count(value: &Value, otherwise: i32) -> i32 {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.unwrap_or(otherwise)
}

fn arn(revision: &str) -> String {
    format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/{revision}")
}

fn deployment_seen(value: &Value) -> DeploymentSeen {
    DeploymentSeen {
        id: text(&value["id"]).unwrap(),
        status: text(&value["status"]).unwrap(),
        task_definition: arn(value["revision"].as_str().unwrap()),
        rollout_state: text(&value["state"]),
        rollout_state_reason: text(&value["reason"]),
        desired: count(&value["desired"], 2),
        pending: count(&value["pending"], 0),
        running: count(&value["running"], 0),
        failed: 0,
        created_at: Some(STARTED),
    }
}

/// The old revision runs again, and ours has failed, unless the situation says otherwise.
fn usual_deployments() -> Value {
    json!([
        {"id": "ecs-svc/1", "status": "PRIMARY", "revision": "app:41", "state": "COMPLETED", "running": 2},
        {"id": "ecs-svc/2", "status": "ACTIVE", "revision": "app:42", "state": "FAILED",
         "reason": "ECS deployment circuit breaker: tasks failed to start."},
    ])
}

fn look(situation: &Value) -> Look {
    let service = &situation["service"];
    let usual = usual_deployments();
    let listed = service["deployments"]
        .as_array()
        .or(usual.as_array())
        .unwrap();
    let deployments: Vec<DeploymentSeen> = listed.iter().map(deployment_seen).collect();
    let events = texts(&situation["events"]).into_iter();
    let events = events.map(|message| EventSeen {
        id: String::new(),
        at: STARTED + Duration::from_mins(1),
        message,
    });
    let primary = deployments.iter().find(|one| one.status == "PRIMARY");
    let seen = ServiceSeen {
        arn: "arn:aws:ecs:eu-central-1:111122223333:service/prod/web".to_owned(),
        status: "ACTIVE".to_owned(),
        task_definition: primary.map_or_else(String::new, |one| one.task_definition.clone()),
        strategy: text(&service["strategy"]),
        percents: service["percents"]
            .as_array()
            .map(|both| (count(&both[0], 100), count(&both[1], 200))),
        desired: count(&service["desired"], 2),
        events: events.collect(),
        deployments,
        ..ServiceSeen::default()
    };
    let own = &situation["serviceDeployment"];
    let service_deployment = own.is_object().then(|| {
        Box::new(ServiceDeploymentSeen {
            id: "sd".to_owned(),
            arn: "arn:sd".to_owned(),
            status: text(&own["status"]).unwrap(),
            status_reason: text(&own["reason"]),
            rollback_reason: text(&own["rollbackReason"]),
            task_definition: Some(arn("app:42")),
            alarms: texts(&own["alarms"]),
            failed_hook: hook(&own["failedHook"]),
            new_weight: own["weight"].as_f64(),
            lifecycle_stage: text(&own["stage"]),
            rollback_to: text(&own["rollbackTo"]).map(|to| arn(&to)),
            ..ServiceDeploymentSeen::default()
        })
    });
    Look::Seen {
        service: Box::new(seen),
        service_deployment,
    }
}

fn hook(value: &Value) -> Option<FailedHook> {
    value.is_object().then(|| FailedHook {
        id: text(&value["id"]),
        stage: text(&value["stage"]),
        target: text(&value["target"]),
        timed_out: value["timedOut"] == true,
    })
}

fn target_check(value: &Value) -> Option<TargetCheck> {
    value.is_object().then(|| TargetCheck {
        port: text(&value["port"]),
        path: text(&value["path"]),
        codes: text(&value["codes"]),
    })
}

fn tasks(situation: &Value) -> Vec<StoppedTask> {
    let mut stopped = Vec::new();
    for task in situation["tasks"].as_array().into_iter().flatten() {
        let containers = task["containers"].as_array().into_iter().flatten();
        let containers = containers.map(|container| StoppedContainer {
            name: text(&container["name"]).unwrap(),
            exit_code: container["exitCode"]
                .as_i64()
                .map(|code| i32::try_from(code).unwrap()),
            reason: text(&container["reason"]),
            runtime_id: None,
        });
        let task_seen = StoppedTask {
            id: "task".to_owned(),
            stop_code: text(&task["stopCode"]).unwrap_or_default(),
            reason: text(&task["reason"]).unwrap_or_default(),
            stopped_at: Some(STARTED),
            containers: containers.collect(),
        };
        let times = usize::try_from(count(&task["count"], 1)).unwrap();
        stopped.extend(std::iter::repeat_n(task_seen, times));
    }
    stopped
}

/// What is known of the tasks, as the engine gathers it.
fn evidence(situation: &Value, look: &Look) -> Evidence {
    let mut evidence = Evidence {
        stopped: tasks(situation),
        stopped_seen: match text(&situation["tasksUnseen"]) {
            Some(why) => StoppedSeen::Unseen(why),
            None => StoppedSeen::Seen,
        },
        hook_log: log_lines(&situation["hookLog"]),
        target_check: target_check(&situation["targetCheck"]),
        ..Evidence::seen(look, STARTED)
    };
    if let Some(definition) = situation["taskDefinition"].as_object() {
        let described = Described {
            task_definition: definition.clone(),
            tags: Vec::new(),
        };
        evidence.containers = described.container_facts();
        evidence.task_memory = described.memory();
        if let Some((_, container)) = evidence.task_to_read() {
            match described.log_of(&container.name.clone()) {
                Some(LogPlace::Elsewhere(text)) => evidence.log_elsewhere = Some(text),
                Some(LogPlace::Stream(_)) | None => evidence.log = log_lines(&situation["log"]),
            }
        }
    }
    evidence
}

fn spec(rollback: bool) -> DeploySpec {
    DeploySpec {
        rollback,
        ..DeploySpec::of(Vec::new())
    }
}

/// The whole message that the situation leads to.
fn message(situation: &Value) -> String {
    let target = Target {
        cluster: "prod".to_owned(),
        service: "web".to_owned(),
    };
    let revision = |number: u64| Revision::parse(&format!("app:{number}")).unwrap();
    let mut service = Service {
        ours: Ours::Named {
            deployment: "ecs-svc/2".to_owned(),
            service_deployment: None,
        },
        ..Service::untouched(target, revision(42), Some(revision(41)))
    };
    let look = look(situation);
    let is_late = situation["late"] == true;
    let after = if is_late { 61 } else { 5 };
    let now = STARTED + Duration::from_mins(after);
    service.live.verdict = Some(verdict(&service, &look, STARTED, now));
    service.live.evidence = Some(evidence(situation, &look));
    service.live.look = Some(look);
    let deployment = Deployment {
        job: "job".to_owned(),
        started: STARTED,
        stage: Stage::RollingOut,
        services: vec![service],
        config_pin: None,
        paused: deploy::deployment::Paused::default(),
        waited: std::time::Duration::ZERO,
        is_from_token: false,
    };
    // What is late and is to be rolled back is not reported before it was.
    words::failed(&deployment, 0, is_late, &spec(!is_late), now)
        .message
        .into()
}

fn situations() -> Vec<(PathBuf, Value)> {
    let files = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    let read = files.into_iter().map(|file| {
        let content = fs::read_to_string(&file).unwrap();
        let situation = serde_json::from_str(&content)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file, situation)
    });
    read.collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own switch, no setting of the function"
)]
fn is_to_be_written() -> bool {
    std::env::var_os(UPDATE).is_some()
}

#[test]
#[expect(
    clippy::disallowed_macros,
    reason = "the table is for whoever runs the test with --nocapture"
)]
fn each_situation_leads_to_its_headline() {
    let all = situations();
    let mut wrong = Vec::new();
    for (file, mut situation) in all {
        let message = message(&situation);
        let headline = message.lines().next().unwrap_or_default().to_owned();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        println!("{name}\n    {headline}");
        assert!(
            situation["source"]
                .as_str()
                .is_some_and(|url| url.starts_with("https://")),
            "{name}"
        );
        if is_to_be_written() {
            situation["headline"] = json!(headline);
            fs::write(&file, format!("{situation:#}\n")).unwrap();
        } else if situation["headline"] != json!(headline) {
            wrong.push(format!(
                "{name}:\n  is       {headline}\n  expected {}",
                situation["headline"]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if is_to_be_written() {
        let (before, _, table, after) = document();
        fs::write(document_path(), before + &table + &after).unwrap();
    }
}

/// What docs/failures.md shows.
const CHOICE: [&str; 10] = [
    "guardduty-agent-not-pulled",
    "pull-in-the-container",
    "event-role",
    "exit-1-java-more",
    "exit-127",
    "oom-in-the-log",
    "health-target-group",
    "hook-failed-with-log",
    "secret-no-key",
    "user-stop-hides-no-crash",
];

/// docs/failures.md: before its table of them, that, what it should be, and after it.
fn document() -> (String, String, String, String) {
    const BEGIN: &str = "<!-- situations -->\n";
    const END: &str = "<!-- /situations -->";
    let text = fs::read_to_string(document_path()).unwrap();
    let all = situations();
    let rows = CHOICE.map(|name| {
        let is_it = |(file, _): &&(PathBuf, Value)| file.file_stem().unwrap() == name;
        let (_, situation) = all.iter().find(is_it).unwrap();
        let message = message(situation);
        format!("| `{name}` | {} |\n", message.lines().next().unwrap())
    });
    let table = format!("| situation | message |\n|---|---|\n{}", rows.concat());
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (stands, after) = rest.split_once(END).unwrap();
    (
        format!("{before}{BEGIN}"),
        stands.to_owned(),
        table,
        format!("{END}{after}"),
    )
}

fn document_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/failures.md")
}

#[test]
fn the_document_shows_some_of_them() {
    // While the files are written, they cannot be read.
    if !is_to_be_written() {
        let (_, stands, table, _) = document();
        assert_eq!(stands, table, "run with {UPDATE}=1 to write it");
    }
}

/// Each of these is in a situation: the stop codes, the exit codes that people ask about, and the names of errors of
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html> and its kin, and what
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html> lists.
const WORDS: [&str; 52] = [
    "TaskFailedToStart",
    "EssentialContainerExited",
    "UserInitiated",
    "ServiceSchedulerInitiated",
    "SpotInterruption",
    "TerminationNotice",
    "CannotPullContainerError",
    "CannotPullECRContainerError",
    "CannotPullImageManifestError",
    "CannotStartContainerError",
    "CannotStopContainerError",
    "CannotCreateContainerError",
    "CannotCreateVolumeError",
    "CannotInspectContainerError",
    "ContainerRuntimeError",
    "ContainerRuntimeTimeoutError",
    "DockerTimeoutError",
    "InternalError",
    "OutOfMemoryError",
    "ResourceInitializationError",
    "ResourceNotFoundException",
    "failed to validate logger args",
    "unable to pull secrets or registry auth",
    "failed to download env files",
    "EFS utils",
    "EBS volume",
    "Create Network Interface",
    "no space left on device",
    "429 Too Many Requests",
    "403 Forbidden",
    "i/o timeout",
    "no basic auth credentials",
    "descriptor matching platform",
    "\"exitCode\":126",
    "\"exitCode\":127",
    "\"exitCode\":132",
    "\"exitCode\":134",
    "\"exitCode\":137",
    "\"exitCode\":139",
    "\"exitCode\":143",
    "\"exitCode\":255",
    "is unable to consistently start tasks",
    "No Container Instances were found",
    "insufficient CPU units",
    "insufficient memory",
    "already using a port",
    "missing an attribute",
    "Capacity is unavailable",
    "limit on the number of vCPUs",
    "number of protected tasks",
    "TARGET GROUP IS NOT FOUND",
    "operations are being throttled",
];

#[test]
fn each_stop_code_exit_code_and_error_of_awss_troubleshooting_pages_has_a_situation() {
    let all: Vec<String> = situations()
        .iter()
        .map(|(_, situation)| situation.to_string())
        .collect();
    for word in WORDS {
        assert!(all.iter().any(|text| text.contains(word)), "{word}");
    }
}

#[test]
fn there_are_sixty_situations_at_least() {
    assert!(situations().len() >= 60, "{}", situations().len());
}

#[test]
fn whatever_its_length_a_message_has_its_cause_first_and_fits() {
    for (file, mut situation) in situations() {
        let cause = message(&situation)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let begin: String = cause.chars().take(45).collect();
        let mut events = texts(&situation["events"]);
        let hostile = "(service web) \u{202e}\u{0} is fine \u{1b}[31m".repeat(30);
        events.resize(events.len() + 100, hostile);
        situation["events"] = json!(events);
        let stray = json!({"count": 1, "stopCode": "TaskFailedToStart",
            "reason": format!("\u{202e}{}\u{7}", "weird ".repeat(700))});
        let mut tasks = situation["tasks"].as_array().cloned().unwrap_or_default();
        for task in &mut tasks {
            task["count"] = json!(count(&task["count"], 1) * 400);
        }
        // Where ECS's own doing is the only one, any other would be the cause.
        if tasks
            .iter()
            .any(|task| task["stopCode"] != "ServiceSchedulerInitiated")
        {
            tasks.push(stray);
        }
        situation["tasks"] = Value::Array(tasks);
        situation["log"] = {
            let mut log = vec![json!("x".repeat(4000)); 20];
            log.extend(situation["log"].as_array().cloned().unwrap_or_default());
            Value::Array(log)
        };
        let long = message(&situation);
        assert!(long.len() <= 5000, "{}: {}", file.display(), long.len());
        assert!(long.starts_with(&begin), "{}: {long}", file.display());
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!long.contains(steers), "{}: {long:?}", file.display());
    }
}
