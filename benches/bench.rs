//! What BENCHMARKS.md quotes, in one run: `cargo bench --bench bench [-- [--runs N] [NAME…]]`.
//!
//! Side by side stand this function, a minimal `lambda_runtime` function (the floor, `benches/minimal`) and
//! the usual alternative (`benches/baseline`: Python with boto3). All three are real processes behind a
//! Lambda Runtime API on loopback, and what they call is the simulator. Compare the ratios, not the
//! seconds: those are this machine's, and a Lambda function with 128 MB has far less of a CPU.
//!
//! `FUNCTION_BEFORE` names another build of this function that is to be compared with. With
//! `BENCH_VERBOSE` the programs' standard error is shown.
//!
//! `NAME` chooses tables whose name contains it: `cold`, `answer`, `artifact`, `memory`, `size`,
//! `billed`, `processes`, `instructions`; and `herd` and `rollouts`, which take ten minutes and more
//! and are not run unless they are named.

#[path = "bench/answer.rs"]
mod answer;
#[path = "bench/artifact.rs"]
mod artifact;
#[path = "bench/billed.rs"]
mod billed;
#[path = "bench/cold.rs"]
mod cold;
#[path = "bench/herd.rs"]
mod herd;
#[path = "bench/instructions.rs"]
mod instructions;
#[path = "bench/machine.rs"]
mod machine;
#[path = "bench/memory.rs"]
mod memory;
#[path = "bench/program.rs"]
mod program;
#[path = "bench/share.rs"]
mod share;
#[path = "bench/size.rs"]
mod size;
#[path = "bench/stopwatch.rs"]
mod stopwatch;
#[path = "bench/table.rs"]
mod table;
#[path = "bench/world.rs"]
mod world;

use program::Programs;

const NAMES: [&str; 10] = [
    "cold",
    "answer",
    "artifact",
    "memory",
    "size",
    "billed",
    "processes",
    "instructions",
    "herd",
    "rollouts",
];

/// What is asked for on the command line.
struct Asked {
    names: Vec<String>,
    /// How often each program is started where a median is taken.
    runs: usize,
    /// One piece of work, done in this process, for callgrind to count.
    work: Option<String>,
}

impl Asked {
    fn parse() -> Result<Self, lexopt::Error> {
        use lexopt::prelude::{Long, Value, ValueExt};
        const RUNS: usize = 30;
        let mut asked = Self {
            names: Vec::new(),
            runs: RUNS,
            work: None,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                // Cargo's own.
                Long("bench") => {}
                Long("runs") => asked.runs = parser.value()?.parse()?,
                Long(instructions::OPTION) => asked.work = Some(parser.value()?.string()?),
                Value(name) => asked.names.push(name.string()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(asked)
    }

    fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| name.contains(wanted))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let asked = Asked::parse().expect("[--runs N] [NAME…]");
    if let Some(work) = &asked.work {
        instructions::work(work);
        return;
    }
    assert!(
        NAMES.iter().any(|name| asked.wants(name)),
        "no table of that name; there are {NAMES:?}"
    );
    let runs = asked.runs.max(1);
    table::say(&machine::described());
    let programs = Programs::build();
    if asked.wants("cold") {
        cold::run(&programs, runs).await;
    }
    if asked.wants("answer") {
        answer::run(&programs, runs.div_ceil(3)).await;
    }
    if asked.wants("artifact") {
        artifact::run(&programs, runs.div_ceil(5)).await;
    }
    if asked.wants("memory") {
        memory::run(&programs).await;
    }
    if asked.wants("size") {
        size::run(&programs);
    }
    if asked.wants("billed") {
        billed::run(&programs, runs.div_ceil(3)).await;
    }
    if asked.wants("processes") {
        instructions::of_processes(&programs).await;
    }
    // They take minutes: only who asks for them waits for them.
    if asked.names.iter().any(|name| name == "herd") {
        herd::run(&programs).await;
    }
    if asked.names.iter().any(|name| name == "rollouts") {
        herd::under_way(&programs).await;
    }
    if asked.wants("instructions") {
        instructions::of_works();
    }
}
