//! The sample events with bytes changed, added, moved and taken away behind the job's id: whatever
//! comes in, the job is answered once, no defect of our own shows, and no credential is in a
//! report or a log.
//!
//! `MUTATED_CASES` and `MUTATED_SEED` (numbers) make longer and other runs.

use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::observer::Unobserved;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::Value;

use crate::events::{event, names, world};
use crate::mutated::{leak, logged, number};
use crate::support::{Kept, World, id_of};

/// As many cases as the suite plays.
const CASES: u32 = 250;

/// What is done to the bytes; places and lengths modulo what there is.
#[derive(Clone, Debug)]
enum Change {
    /// One byte becomes another.
    Replace(u16, u8),
    /// These are put in.
    Insert(u16, &'static [u8]),
    /// So many are taken away.
    Remove(u16, u8),
    /// So many come again elsewhere.
    Copy(u16, u8, u16),
    /// The rest is missing.
    Cut(u16),
}

/// What parsers stumble over.
const PIECES: [&[u8]; 20] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"1e400",
    b"-0",
    b"\\ud800",
    b"\\u0000",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\n",
    b"\xf0\x9f\xa6\x80",
    &[b'['; 300],
    &[b'x'; 5000],
];

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<(u16, u8)>().prop_map(|(at, byte)| Change::Replace(at, byte)),
        (any::<u16>(), select(&PIECES[..])).prop_map(|(at, piece)| Change::Insert(at, piece)),
        any::<(u16, u8)>().prop_map(|(at, length)| Change::Remove(at, length)),
        any::<(u16, u8, u16)>().prop_map(|(from, length, to)| Change::Copy(from, length, to)),
        any::<u16>().prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let place = |at: u16, bytes: &[u8]| usize::from(at) % (bytes.len() + 1);
    let span = |at: u16, length: u8, bytes: &[u8]| {
        let from = place(at, bytes);
        from..bytes.len().min(from + usize::from(length))
    };
    match *change {
        Change::Replace(at, byte) => {
            let at = place(at, bytes);
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        Change::Insert(at, piece) => {
            let at = place(at, bytes);
            bytes.splice(at..at, piece.iter().copied());
        }
        Change::Remove(at, length) => drop(bytes.drain(span(at, length, bytes))),
        Change::Copy(from, length, to) => {
            let copied = bytes[span(from, length, bytes)].to_vec();
            let to = place(to, bytes);
            bytes.splice(to..to, copied);
        }
        Change::Cut(at) => bytes.truncate(place(at, bytes)),
    }
}

/// The event with the job's id in front, so far as it stays as it is, and the rest.
fn split(event: &Value) -> (String, Vec<u8>) {
    let id = id_of(event);
    let mut job = event["CodePipeline.job"].clone();
    job.as_object_mut().unwrap().remove("id");
    let rest = job.to_string();
    let rest = rest.strip_prefix('{').unwrap();
    let head = format!("{{\"CodePipeline.job\":{{\"id\":\"{id}\"");
    (head, format!(",{rest}}}").into_bytes())
}

/// Plays one event with these changes; what is wrong with what came of it.
fn judged(name: &str, changes: &[Change]) -> Result<(), String> {
    let event = event(name);
    let (head, mut rest) = split(&event);
    for change in changes {
        apply(&mut rest, change);
    }
    let bytes = [head.as_bytes(), &rest].concat();
    let log = Kept::default();
    logged(&log, async {
        let world = World::around(world().simulator, Arc::new(Unobserved), Duration::ZERO);
        world.simulator.codepipeline().open_job(&event);
        let invocation = world.invocation();
        let handling = Box::pin(world.handler.handle_bytes(&bytes, &invocation));
        let report = handling.await.map_err(|error| error.to_string())?;
        let answers = world.simulator.codepipeline().answers();
        if answers.len() != 1 || answers[0].0 != id_of(&event) {
            return Err(format!("{} answers: {report}", answers.len()));
        }
        let credentials = &event["CodePipeline.job"]["data"]["artifactCredentials"];
        let secret = credentials["secretAccessKey"]
            .as_str()
            .unwrap_or("no secret");
        for (what, text) in [
            ("the report", report.to_string()),
            ("the answer", format!("{answers:?}")),
            ("the log", log.text()),
        ] {
            leak(what, &text)?;
            if text.contains(secret) {
                return Err(format!("the job's credentials are in {what}: {text}"));
            }
        }
        Ok(())
    })
}

#[test]
fn whatever_bytes_follow_a_jobs_id_it_is_answered_once() {
    let seed = number("MUTATED_SEED", 13).to_le_bytes().repeat(8);
    let config = Config {
        cases: number("MUTATED_CASES", CASES),
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let names: Vec<&str> = names()
        .filter(|name| event(name)["CodePipeline.job"]["id"].is_string())
        .collect();
    let strategy = (select(names), vec(any_change(), 1..5));
    let ended = TestRunner::new_with_rng(config, rng).run(&strategy, |(name, changes)| {
        judged(name, &changes).map_err(TestCaseError::fail)
    });
    if let Err(wrong) = ended {
        unreachable!("{wrong}");
    }
}
