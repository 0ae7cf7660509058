//! The built binary with events and settings that nobody can read.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::{Answer, Posted, RuntimeApi};

use crate::runtime_api::{FAR_MS, Function};
use crate::support::{World, failure, id_of};

/// The event of a new job, with `broken` in the place of what its `UserParameters` are.
fn broken(world: &World, broken: &[u8]) -> (String, Vec<u8>) {
    const PLACE: &str = "PLACE";
    let event = world.start_with(&json!({"FunctionName": "f", "UserParameters": PLACE}));
    let written = event.to_string();
    let place = format!("\"{PLACE}\"");
    let (before, after) = written.split_once(&place).unwrap();
    (
        id_of(&event),
        [before.as_bytes(), broken, after.as_bytes()].concat(),
    )
}

#[tokio::test]
async fn a_job_whose_id_can_be_made_out_is_answered_whatever_the_event_is() {
    let world = World::new();
    let mut runtime_api = RuntimeApi::start().await;
    let function = Function::start(&runtime_api, &world, &[]);
    let pipeline = world.simulator.codepipeline();
    let deep = [vec![b'['; 200], vec![b']'; 200]].concat();
    let very_deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    for (rest, wrong) in [
        (&br#""MARK \ud800""#[..], "hex escape"),
        (br#""\udc00\ud800""#, "surrogate"),
        (b"1e400", "number out of range"),
        (&deep, "recursion limit"),
        (&very_deep, "recursion limit"),
        (b"\"\xff\xfe\"", "unicode"),
        (b"nonsense", "expected ident"),
        (b"\"a\nb\"", "control character"),
    ] {
        let (job, event) = broken(&world, rest);
        let Posted { kind, body } = runtime_api.invoke_bytes(&event, FAR_MS).await;
        assert_eq!(
            (kind.as_str(), &body["outcome"]),
            ("response", &json!("Failed")),
            "{body}"
        );
        let answer = pipeline.answer(&job).expect("the job is answered");
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        assert!(message.contains("the event cannot be read"), "{message}");
        assert!(message.contains(wrong), "{wrong}: {message}");
        assert!(
            message.contains("configuration.UserParameters"),
            "{message}"
        );
        assert!(!message.contains("MARK"), "{message}");
    }
    // Cut off, with something behind it, with a byte order mark.
    let whole = |world: &World| {
        let event = world.start(json!({}));
        (id_of(&event), event.to_string().into_bytes())
    };
    for cut_off in [true, false] {
        let (job, mut event) = whole(&world);
        if cut_off {
            event.truncate(event.len() / 2);
        } else {
            event.extend_from_slice(b" trailing");
        }
        let Posted { kind, .. } = runtime_api.invoke_bytes(&event, FAR_MS).await;
        assert_eq!(kind, "response");
        failure(&pipeline.answer(&job).expect("the job is answered"));
    }
    for nobody in [&b""[..], b"\xff", b"{", b"\"", b"nonsense"] {
        let Posted { kind, body } = runtime_api.invoke_bytes(nobody, FAR_MS).await;
        assert_eq!(
            (kind.as_str(), &body["outcome"]),
            ("response", &json!("Failed")),
            "{body}"
        );
    }
    // It lives.
    let start = world.start(json!({"DryRun": true}));
    let Posted { body, .. } = runtime_api.invoke(&start, FAR_MS).await;
    assert_eq!(body["outcome"], "Succeeded", "{body}");
    let written = function.stop().await;
    assert!(!written.contains("MARK"), "{written}");
    assert_eq!(world.revisions(), 1, "nothing was changed");
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_is_its_default_and_a_warning_with_every_report() {
    for (name, value) in [
        ("WATCH_SECONDS", "60s"),
        ("WATCH_SECONDS", "-1"),
        ("WATCH_SECONDS", ""),
        ("WATCH_SECONDS", "99999999999999999999999"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "lots"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "99999999999999999999999"),
        ("AWS_USE_FIPS_ENDPOINT", "yes"),
        ("AWS_LAMBDA_LOG_LEVEL", "LOUD"),
        ("AWS_LAMBDA_LOG_FORMAT", "yaml"),
    ] {
        let world = World::new();
        let mut runtime_api = RuntimeApi::start().await;
        let function = Function::start(&runtime_api, &world, &[(name, value)]);
        for _ in 0..2 {
            let event = world.start(json!({"DryRun": true}));
            let Posted { kind, body } = runtime_api.invoke(&event, FAR_MS).await;
            assert_eq!(kind, "response");
            assert_eq!(body["outcome"], "Succeeded", "{body}");
            let warning = &body["warnings"][0];
            let begins = format!("{name} is '{value}': expected ");
            assert!(warning.as_str().unwrap().starts_with(&begins), "{body}");
            let answer = world.simulator.codepipeline().answer(&id_of(&event));
            assert!(matches!(answer, Some(Answer::Success { .. })), "{answer:?}");
        }
        let written = function.stop().await;
        let warned = |line: &&str| line.contains(name) && line.contains("WARN");
        assert_eq!(written.lines().filter(warned).count(), 2, "{written}");
    }
}

#[tokio::test]
async fn what_is_logged_can_be_queried_and_holds_no_debug_text() {
    let world = World::new();
    world.simulator.ecs().image(
        "v2",
        simulator::ecs::Behaviour::Healthy { start_seconds: 100 },
    );
    let mut runtime_api = RuntimeApi::start().await;
    let function = Function::start(&runtime_api, &world, &[]);
    let pipeline = world.simulator.codepipeline();
    let mut event = world.start(json!({}));
    loop {
        runtime_api.invoke(&event, FAR_MS).await;
        match pipeline.next_event(&id_of(&event)) {
            Some(next) => event = next,
            None => break,
        }
        world.simulator.clock().advance(Duration::from_mins(1));
    }
    let written = function.stop().await;
    let lines: Vec<Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let looked: Vec<&Value> = lines
        .iter()
        .filter(|line| line["message"] == "looked")
        .collect();
    let first = looked[0];
    assert_eq!(first["verdict"], "InProgress", "{first}");
    for (field, value) in [("desired", 2), ("running", 0), ("running_old", 2)] {
        assert_eq!(first[field], value, "{field} in {first}");
    }
    assert_eq!(looked.last().unwrap()["verdict"], "Serving");
    for line in written.lines() {
        for debug in ["Some(", "None", "{ ", "Progress"] {
            assert!(
                !line.contains(debug) || line.contains("_aws") || line.contains("InProgress"),
                "{line}"
            );
        }
        // No name stands twice in a line.
        for name in ["message", "job", "level", "timestamp", "target"] {
            let times = line.matches(&format!("\"{name}\":")).count();
            assert!(times <= 1, "{name} {times} times in {line}");
        }
    }
    let done = lines
        .iter()
        .rfind(|line| line["message"] == "done")
        .unwrap();
    assert!(
        done["text"].as_str().unwrap().contains("app:2 is serving"),
        "{done}"
    );
}
