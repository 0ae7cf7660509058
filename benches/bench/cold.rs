//! Cold start: from the start of the process to the first poll of the Runtime API.

use std::time::Duration;

use simulator::Clock;

use crate::program::{Program, Programs, Running};
use crate::stopwatch::median;
use crate::table::{Table, millis, times};
use crate::world::World;

pub(crate) async fn run(programs: &Programs, runs: usize) {
    let world = World::new(Clock::system(), 1, 1);
    let all = programs.every_program();
    let mut measured: Vec<(Program, Vec<Duration>)> = all
        .into_iter()
        .map(|program| (program, Vec::new()))
        .collect();
    for run in 0..runs {
        // In turn, so that a noisy minute is noisy for all; and each time another one first, because
        // whoever comes after Python finds the machine's caches full of it.
        for turn in 0..measured.len() {
            let place = (run + turn) % measured.len();
            let (program, all) = &mut measured[place];
            let running = Running::start(programs, *program, &world, 0).await;
            all.push(running.cold);
            running.stop().await;
        }
    }
    let medians: Vec<(Program, Duration, Duration, Duration)> = measured
        .into_iter()
        .map(|(program, all)| {
            let least = all.iter().min().copied().unwrap_or_default();
            let most = all.iter().max().copied().unwrap_or_default();
            (program, median(all), least, most)
        })
        .collect();
    let of = |wanted: Program| {
        let found = medians.iter().find(|(program, ..)| *program == wanted);
        found.expect("all are measured").1.as_secs_f64()
    };
    let [ours, minimal, python] = [Program::Ours, Program::Minimal, Program::Python].map(of);
    let mut table = Table::new(
        &format!("Cold start: process start to first poll, {runs} runs each"),
        &[
            "program",
            "median",
            "least",
            "most",
            "to the minimal function",
        ],
    );
    for (program, median, least, most) in medians {
        table.row(vec![
            program.name().to_owned(),
            millis(median),
            millis(least),
            millis(most),
            times(median.as_secs_f64(), minimal),
        ]);
    }
    table.aim(
        "within 2x of the minimal function",
        &times(ours, minimal),
        ours <= 2.0 * minimal,
    );
    table.aim(
        "20x under Python",
        &times(python, ours),
        python >= 20.0 * ours,
    );
    table.note("all files are in the page cache; what Lambda adds (fetching the code, starting the sandbox) is not in it");
    table.print();
}
