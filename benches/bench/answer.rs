//! First answer: from the event to `PutJob…` on a cold process, with 20 ms for every round trip.

use std::collections::BTreeMap;
use std::time::Duration;

use simulator::{Call, Clock};

use crate::program::{Program, Programs, Running};
use crate::stopwatch::{self, median};
use crate::table::{Table, millis, say, times};
use crate::world::World;

const LATENCY: Duration = Duration::from_millis(20);

/// What is deployed, and how AWS is reached.
#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    services: usize,
    families: usize,
    over_tls: bool,
    /// With the share of a CPU that a function with 128 MB has, from the first poll on.
    is_slow: bool,
}

impl Case {
    const fn plain(name: &'static str, services: usize, families: usize) -> Self {
        Self {
            name,
            services,
            families,
            over_tls: false,
            is_slow: false,
        }
    }
}

const CASES: [Case; 5] = [
    Case::plain("one service", 1, 1),
    Case::plain("ten services, one family", 10, 1),
    Case::plain("ten services, ten families", 10, 10),
    Case {
        over_tls: true,
        ..Case::plain("one service, over TLS", 1, 1)
    },
    Case {
        over_tls: true,
        is_slow: true,
        ..Case::plain("one service, over TLS, CPU of 128 MB", 1, 1)
    },
];

/// What an invocation did.
struct Seen {
    took: Duration,
    calls: Vec<Call>,
    most_at_once: usize,
    connections: usize,
}

pub(crate) async fn run(programs: &Programs, runs: usize) {
    let mut table = Table::new(
        &format!(
            "First answer: event to PutJob… on a cold process, {} ms for each round trip, {runs} runs each",
            LATENCY.as_millis()
        ),
        &[
            "deployment",
            "program",
            "requests",
            "one after the other",
            "at once",
            "connections",
            "median",
            "to ours",
        ],
    );
    let mut paths = Vec::new();
    let mut lengths = Vec::new();
    for case in CASES {
        let mut measured: Vec<(Program, Vec<Seen>)> = Vec::new();
        for program in programs.deploying() {
            measured.push((program, Vec::new()));
        }
        let mut is_measured = true;
        for _ in 0..runs {
            // In turn, so that a noisy minute is noisy for all.
            for (program, all) in &mut measured {
                match first_answer(programs, *program, case).await {
                    Some(seen) => all.push(seen),
                    None => is_measured = false,
                }
            }
        }
        if !is_measured {
            table.note(format!(
                "left out: {}: this machine or its user may make no control group",
                case.name
            ));
            continue;
        }
        let mut ours = None;
        for (program, mut all) in measured {
            let took = median(all.iter().map(|seen| seen.took).collect());
            let deepest = all.iter().map(|seen| critical_path(&seen.calls).len());
            let deepest = deepest.max().unwrap_or(0);
            if program == Program::Ours {
                paths.push((case.name, critical_path(&all[0].calls)));
                lengths.push(deepest);
            }
            let ours = *ours.get_or_insert(took);
            let seen = all.swap_remove(0);
            table.row(vec![
                case.name.to_owned(),
                program.name().to_owned(),
                seen.calls.len().to_string(),
                deepest.to_string(),
                seen.most_at_once.to_string(),
                seen.connections.to_string(),
                millis(took),
                times(took.as_secs_f64(), ours.as_secs_f64()),
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
    table.note("without TLS a connection costs nothing here; over TLS it takes two round trips, and ECS, CodePipeline and S3 are a host each");
    table.note("CPU of 128 MB: 128/1769 of one CPU from the first poll on, as Lambda documents it; before that, while it starts, Lambda gives a whole one");
    table.print();
    for (case, path) in paths {
        say(&format!("\nRound trips of this function, {case}:\n"));
        for (number, calls) in path.iter().enumerate() {
            say(&format!("{}. {calls}", number + 1));
        }
    }
}

/// `None` if this machine cannot measure it.
async fn first_answer(programs: &Programs, program: Program, case: Case) -> Option<Seen> {
    let mut world = World::new(Clock::system(), case.services, case.families);
    if case.over_tls {
        world = world.over_tls();
    }
    world.simulator.set_latency(LATENCY);
    let mut running = Running::start(programs, program, &world, 0).await;
    if case.is_slow && !running.slow_down() {
        running.stop().await;
        return None;
    }
    let (tell, seen) = std::sync::mpsc::channel();
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
    let answered = seen.try_recv().expect("an answer, which was just seen");
    running.stop().await;
    let mut calls = world.simulator.calls();
    // Whatever comes after the answer keeps nobody waiting.
    let end = calls
        .iter()
        .position(|call| call.operation.starts_with("PutJob"));
    calls.truncate(end.expect("an answer") + 1);
    Some(Seen {
        took: answered - began,
        calls,
        most_at_once: world.simulator.max_concurrent(),
        connections: world.connections(),
    })
}

/// The requests in steps, as many as the longest chain of requests that waited for each other.
fn critical_path(calls: &[Call]) -> Vec<String> {
    let named = |step: &BTreeMap<&str, usize>| {
        let all = step.iter().map(|(operation, count)| match count {
            1 => (*operation).to_owned(),
            _ => format!("{count} x {operation}"),
        });
        all.collect::<Vec<String>>().join(", ")
    };
    simulator::round_trips(calls).iter().map(named).collect()
}
