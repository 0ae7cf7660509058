//! The artifact: what one small file out of a zip costs, by the zip's size and by its entries.

use std::time::Duration;

use ecs_deploy_action::artifact::entry::TAIL_BYTES;
use simulator::Clock;
use simulator::artifacts::{self, Artifact};

use crate::program::{Program, Programs, Running};
use crate::stopwatch::{self, median};
use crate::table::{Table, bytes, millis, times};
use crate::world::World;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

struct Seen {
    requests: usize,
    fetched: u64,
    took: Duration,
    peak: u64,
}

pub(crate) async fn run(programs: &Programs, runs: usize) {
    let cases: [(&str, fn() -> Artifact); 6] = [
        ("1 KiB, 2 entries", || artifacts::of_length(KIB)),
        ("10 MiB, 2 entries", || artifacts::of_length(10 * MIB)),
        ("1 GiB, 2 entries", || artifacts::of_length(1024 * MIB)),
        ("10 entries", || artifacts::of_entries(10)),
        ("10,000 entries", || artifacts::of_entries(10_000)),
        ("100,000 entries", || artifacts::of_entries(100_000)),
    ];
    let mut table = Table::new(
        &format!(
            "Artifact: the first invocation of a cold process, no latency, the file first in the zip, {runs} runs each"
        ),
        &[
            "zip",
            "length",
            "program",
            "S3 requests",
            "S3 bytes",
            "event to answer, median",
            "peak memory",
            "memory to ours",
        ],
    );
    let mut requests = Vec::new();
    let mut peaks = Vec::new();
    let mut is_within = true;
    for (case, make) in cases {
        let mut ours_peak = None;
        let zip = make();
        let (length, aim) = (zip.length, zip.cost(TAIL_BYTES));
        for program in programs.deploying() {
            let mut all = Vec::new();
            for _ in 0..runs {
                all.push(read(programs, program, zip.clone()).await);
            }
            let seen = of_all(all);
            if program == Program::Ours {
                requests.push(seen.requests);
                peaks.push(seen.peak);
                is_within &= seen.fetched <= aim;
            }
            #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
            let ratio = times(seen.peak as f64, *ours_peak.get_or_insert(seen.peak) as f64);
            table.row(vec![
                case.to_owned(),
                bytes(length),
                program.name().to_owned(),
                seen.requests.to_string(),
                bytes(seen.fetched),
                millis(seen.took),
                bytes(seen.peak),
                ratio,
            ]);
        }
    }
    let most = requests.iter().max().copied().unwrap_or_default();
    table.aim(
        "one request for the small",
        &requests[0].to_string(),
        requests[0] == 1,
    );
    table.aim(
        "at most four requests for any",
        &most.to_string(),
        most <= 4,
    );
    let within = if is_within { "all" } else { "not all" };
    table.aim(
        "no more bytes than tail, directory and entry",
        within,
        is_within,
    );
    table.aim(
        "under 40 MB at 10,000 entries",
        &bytes(peaks[4]),
        peaks[4] < 40 * MIB,
    );
    table.aim(
        "under 128 MB at 100,000 entries",
        &bytes(peaks[5]),
        peaks[5] < 128 * MIB,
    );
    table.note(
        "peak memory is the largest resident set of the whole process (VmHWM) in any of the runs",
    );
    table.print();
}

/// The middle of their times, the largest of their peaks.
fn of_all(all: Vec<Seen>) -> Seen {
    let took = median(all.iter().map(|seen| seen.took).collect());
    let peak = all.iter().map(|seen| seen.peak).max().unwrap_or_default();
    let one = all.into_iter().next().expect("at least one run");
    Seen { took, peak, ..one }
}

async fn read(programs: &Programs, program: Program, zip: Artifact) -> Seen {
    let world = World::new(Clock::system(), 1, 1);
    world.put(zip);
    let mut running = Running::start(programs, program, &world, 0).await;
    let event = world.start();
    let began = stopwatch::now();
    running.invoke(&event).await;
    let took = began.elapsed();
    world.next(&event);
    let gets = world.simulator.calls_of("GetObject");
    Seen {
        requests: gets.len(),
        fetched: gets.iter().map(|get| get.response_bytes).sum(),
        took,
        peak: running.stop().await,
    }
}
