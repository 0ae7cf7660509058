//! Memory: the largest resident set of a whole deployment, several invocations in one process.

use serde_json::{Value, json};
use simulator::Clock;
use simulator::ecs::Behaviour;

use crate::program::{Program, Programs, Running};
use crate::table::{Table, bytes, times};
use crate::world::World;

/// Short, so that one deployment takes several invocations.
const WATCH_SECONDS: u32 = 6;

const MIB: u64 = 1024 * 1024;

pub(crate) async fn run(programs: &Programs) {
    let mut table = Table::new(
        "Memory: largest resident set of a process (VmHWM)",
        &[
            "program",
            "what it did",
            "invocations",
            "at the first poll",
            "at the end",
            "to ours",
        ],
    );
    let mut ours = None;
    for program in programs.every_program() {
        let world = World::new(Clock::system(), 1, 1).over_tls();
        let healthy = Behaviour::Healthy { start_seconds: 2 };
        world.simulator.ecs().image("app:v2", healthy);
        let mut running = Running::start(programs, program, &world, WATCH_SECONDS).await;
        let at_first = running.peak_bytes();
        let (what, invocations) = if program == Program::Minimal {
            running.invoke(&json!({})).await;
            ("returned an event", 1)
        } else {
            ("a whole deployment", deploy(&world, &mut running).await)
        };
        let peak = running.stop().await;
        #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
        let ratio = times(peak as f64, *ours.get_or_insert(peak) as f64);
        table.row(vec![
            program.name().to_owned(),
            what.to_owned(),
            invocations.to_string(),
            bytes(at_first),
            bytes(peak),
            ratio,
        ]);
    }
    let ours = ours.unwrap_or_default();
    table.aim("under 32 MB", &bytes(ours), ours < 32 * MIB);
    table.print();
}

/// Plays CodePipeline until the action has succeeded, without its pauses; how many invocations.
async fn deploy(world: &World, running: &mut Running) -> usize {
    let mut invocations = 0;
    let mut event: Option<Value> = Some(world.start());
    while let Some(now) = event {
        running.invoke(&now).await;
        invocations += 1;
        event = world.next(&now);
    }
    invocations
}
