//! `LogLines`: what of a container's log may stand in a message that everybody who sees the pipeline
//! can read.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::ecs::{Behaviour, Intervention, ServiceSetup};

use crate::support::{World, failure, logging_app};

const SECRET: &str = "panic: user 4711 has no address";

/// `web` with a log, whose next image crashes after so many lines.
fn world(lines: usize) -> World {
    let mut log: Vec<String> = (1..lines).map(|n| format!("line {n} of its log")).collect();
    log.push(SECRET.to_owned());
    world_with_log(log)
}

/// The same with so many lines that are all `line`.
pub(crate) fn world_whose_log_has(lines: usize, line: String) -> World {
    world_with_log(vec![line; lines])
}

fn world_with_log(log: Vec<String>) -> World {
    let world = World::with_service(ServiceSetup {
        circuit_breaker: Some(true),
        ..ServiceSetup::default()
    });
    let ecs = world.simulator.ecs();
    ecs.register(logging_app("repo/app:v1"));
    let deploy = Intervention::Deploy {
        task_definition: "app:2".to_owned(),
    };
    ecs.intervene("prod", "web", &deploy);
    world.simulator.clock().advance(Duration::from_mins(10));
    let crash = Behaviour::Crash {
        exit_code: 1,
        after_seconds: 2,
        log_lines: log,
    };
    ecs.image("v2", crash);
    world
}

/// The message of the failure, and all that the function wrote for the pipeline and the caller.
async fn failed(world: &World, parameters: Value) -> (String, String) {
    let start = world.start(parameters);
    let mut all = String::new();
    let mut event = start;
    loop {
        let report = world.invoke(&event).await;
        all.push_str(&report.to_string());
        let job = crate::support::id_of(&event);
        match world.simulator.codepipeline().next_event(&job) {
            Some(next) => event = next,
            None => break,
        }
    }
    let answers = world.simulator.codepipeline().answers();
    all.push_str(&format!("{answers:?}"));
    let (_, message) = failure(&answers.last().unwrap().1);
    (message.to_owned(), all)
}

#[tokio::test]
async fn with_no_log_lines_the_log_is_not_read_and_stands_nowhere() {
    for more in [
        json!({}),
        json!({"PreDeployTask": {"Container": "app", "Command": ["migrate"]}}),
    ] {
        let world = world(3);
        let mut parameters = more.clone();
        parameters["LogLines"] = json!("0");
        let (message, all) = failed(&world, parameters).await;
        assert!(
            message.contains("container app exited with code 1"),
            "{message}"
        );
        assert!(
            !all.contains("4711") && !all.contains("of its log") && !all.contains("its log ends"),
            "{all}"
        );
        assert_eq!(world.count("GetLogEvents"), 0);
        // As ever without it.
        let world = self::world(3);
        let (message, _) = failed(&world, more).await;
        assert!(message.contains(SECRET), "{message}");
    }
}

#[tokio::test]
async fn no_more_log_lines_are_shown_than_asked_for() {
    for (asked, shown) in [(json!(2), 2), (json!(null), 20)] {
        let world = world(30);
        let (message, _) = failed(&world, json!({"LogLines": asked})).await;
        let (_, log) = message
            .split_once("The log of the container ends:\n")
            .unwrap();
        let lines = log.lines().filter(|line| line.starts_with("  "));
        assert_eq!(lines.count(), shown, "{message}");
        assert!(log.contains(SECRET), "{message}");
    }
}
