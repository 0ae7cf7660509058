//! First answer: from the event to `PutJob…` on a cold process, with 20 ms for every request.

use std::collections::BTreeMap;
use std::time::Duration;

use simulator::{Call, Clock};

use crate::program::{Program, Programs, Running};
use crate::stopwatch::{self, median};
use crate::table::{Table, millis, say, times};
use crate::world::World;

const LATENCY: Duration = Duration::from_millis(20);

/// What, how many services, of how many families.
const CASES: [(&str, usize, usize); 3] = [
    ("one service", 1, 1),
    ("ten services, one family", 10, 1),
    ("ten services, ten families", 10, 10),
];

/// What an invocation did.
struct Seen {
    took: Duration,
    calls: Vec<Call>,
    most_at_once: usize,
}

pub(crate) async fn run(programs: &Programs, runs: usize) {
    let mut table = Table::new(
        &format!(
            "First answer: event to PutJob… on a cold process, {} ms for each request, {runs} runs each",
            LATENCY.as_millis()
        ),
        &[
            "deployment",
            "program",
            "requests",
            "one after the other",
            "at once",
            "median",
            "Python to ours",
        ],
    );
    let mut paths = Vec::new();
    let mut lengths = Vec::new();
    for (case, services, families) in CASES {
        let mut medians = Vec::new();
        for program in Program::DEPLOYING {
            let mut all = Vec::new();
            for _ in 0..runs {
                all.push(first_answer(programs, program, services, families).await);
            }
            let took = median(all.iter().map(|seen| seen.took).collect());
            let deepest = all.iter().map(|seen| critical_path(&seen.calls).len());
            let deepest = deepest.max().unwrap_or(0);
            if program == Program::Ours {
                paths.push((case, critical_path(&all[0].calls)));
                lengths.push(deepest);
            }
            medians.push((program, took, deepest, all.swap_remove(0)));
        }
        let ratio = times(medians[1].1.as_secs_f64(), medians[0].1.as_secs_f64());
        for (program, took, deepest, seen) in medians {
            table.row(vec![
                case.to_owned(),
                program.name().to_owned(),
                seen.calls.len().to_string(),
                deepest.to_string(),
                seen.most_at_once.to_string(),
                millis(took),
                if program == Program::Python {
                    ratio.clone()
                } else {
                    String::new()
                },
            ]);
        }
    }
    let [one, of_one_family, of_ten_families] = [lengths[0], lengths[1], lengths[2]];
    table.aim(
        "a critical path of five round trips for one service",
        &one.to_string(),
        one <= 5,
    );
    let most = of_one_family.max(of_ten_families);
    table.aim(
        "for ten services no more than for the slowest one plus one",
        &format!("{of_one_family} and {of_ten_families}"),
        most <= one + 1,
    );
    table.note("with WATCH_SECONDS=0: each acts and looks once; the answer itself is the last of the round trips");
    table.note("plain HTTP on loopback: setting up a connection, with TLS, costs nothing here and two or three round trips in reality");
    table.print();
    for (case, path) in paths {
        say(&format!("\nRound trips of this function, {case}:\n"));
        for (number, calls) in path.iter().enumerate() {
            say(&format!("{}. {calls}", number + 1));
        }
    }
}

async fn first_answer(
    programs: &Programs,
    program: Program,
    services: usize,
    families: usize,
) -> Seen {
    let world = World::new(Clock::system(), services, families);
    let endpoint = world.simulator.endpoint();
    let mut running = Running::start(programs, program, &endpoint, 0).await;
    world.simulator.set_latency(LATENCY);
    let (tell, told) = std::sync::mpsc::channel();
    world.simulator.on_call("PutJobSuccessResult", move || {
        // Whoever asked is still there.
        let _ = tell.send(stopwatch::now());
    });
    let event = world.start();
    let began = stopwatch::now();
    running.invoke(&event).await;
    let next = world.next(&event);
    assert!(
        next.is_some(),
        "{program:?}: the rollout cannot be over yet"
    );
    let answered = told.try_recv().expect("an answer, which was just seen");
    running.stop().await;
    // Whatever comes after the answer keeps nobody waiting.
    let mut calls = world.simulator.calls();
    let end = calls
        .iter()
        .position(|call| call.operation.starts_with("PutJob"));
    calls.truncate(end.expect("an answer") + 1);
    Seen {
        took: answered - began,
        calls,
        most_at_once: world.simulator.max_concurrent(),
    }
}

/// The requests in steps: each is in the step after the last that had ended when it began. As
/// many steps as the longest chain of requests that waited for each other.
fn critical_path(calls: &[Call]) -> Vec<String> {
    let mut calls: Vec<&Call> = calls.iter().collect();
    calls.sort_unstable_by_key(|call| call.began);
    let mut depths: Vec<usize> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        let before = calls[..place].iter().zip(&depths);
        let ended = before.filter(|(earlier, _)| earlier.ended != 0 && earlier.ended < call.began);
        depths.push(ended.map(|(_, depth)| depth + 1).max().unwrap_or(0));
    }
    let mut steps: Vec<BTreeMap<&str, usize>> = Vec::new();
    for (call, depth) in calls.iter().zip(depths) {
        steps.resize_with(steps.len().max(depth + 1), BTreeMap::new);
        *steps[depth].entry(&call.operation).or_default() += 1;
    }
    let named = |step: &BTreeMap<&str, usize>| {
        let all = step.iter().map(|(operation, count)| match count {
            1 => (*operation).to_owned(),
            _ => format!("{count} x {operation}"),
        });
        all.collect::<Vec<String>>().join(", ")
    };
    steps.iter().map(named).collect()
}
