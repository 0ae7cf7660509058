//! Billed time: what a deployment whose rollout takes five minutes costs.
//!
//! The handler runs in this process on a driven clock, so five minutes take none. What is billed
//! of an invocation is the time that it watched on that clock and the time that its work took on
//! this machine, with 20 ms for each request.

use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::artifact::entry::Bounds;
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::clock::{Clock, Sleep};
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::engine::Engine;
use ecs_deploy_action::handler::{Handler, Invocation};
use ecs_deploy_action::observer::Unobserved;
use ecs_deploy_action::settings::Settings;
use simulator::ecs::Behaviour;

use crate::program::{Program, Programs, Running};
use crate::stopwatch::{self, median};
use crate::table::{Table, millis};
use crate::world::World;

const ROLLOUT_SECONDS: u32 = 300;
const LATENCY: Duration = Duration::from_millis(20);
const WATCH: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_secs(5);
const TIME_LIMIT: Duration = Duration::from_mins(5);

/// How long CodePipeline waits before it comes back with a token: an assumption, it is not
/// documented.
const BETWEEN_INVOCATIONS: Duration = Duration::from_secs(30);

/// List prices of us-east-1 on arm64, in USD (<https://aws.amazon.com/lambda/pricing/>).
const USD_PER_GB_SECOND: f64 = 0.000_013_333_4;
const USD_PER_REQUEST: f64 = 0.20 / 1_000_000.0;

const MEMORY_MIB: u32 = 128;

/// Waiting lets the simulator's time pass.
struct Driven(simulator::Clock);

impl Clock for Driven {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now_ms())
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        self.0.advance(duration);
        Box::pin(std::future::ready(()))
    }
}

/// What a deployment took.
#[derive(Debug, Default, Clone, Copy)]
struct Bill {
    invocations: u32,
    watched: Duration,
    worked: Duration,
}

impl Bill {
    fn cost(&self, cold: Duration) -> f64 {
        let seconds = (self.watched + self.worked + cold).as_secs_f64();
        let gigabytes = f64::from(MEMORY_MIB) / 1024.0;
        seconds * gigabytes * USD_PER_GB_SECOND + f64::from(self.invocations) * USD_PER_REQUEST
    }
}

pub(crate) async fn run(programs: &Programs, runs: usize) {
    // Old tasks drain and new ones settle in what is left of the five minutes.
    let settle = rollout_length(0).await;
    let start_seconds = ROLLOUT_SECONDS - u32::try_from(settle.as_secs()).expect("seconds");
    let rollout = rollout_length(start_seconds).await;
    let ours = deployment(start_seconds).await;
    let (mut python, looks) = waiting(rollout);
    python.worked = python_work(programs, python.invocations, looks).await;
    let mut table = Table::new(
        &format!("Billed time of a rollout of {} s", rollout.as_secs()),
        &[
            "program",
            "invocations",
            "watching",
            "working",
            "cold start",
            "USD per deployment",
        ],
    );
    for (program, bill) in [(Program::Ours, ours), (Program::Python, python)] {
        let cold = cold_start(programs, program, runs).await;
        table.row(vec![
            program.name().to_owned(),
            bill.invocations.to_string(),
            format!("{:.1} s", bill.watched.as_secs_f64()),
            millis(bill.worked),
            millis(cold),
            format!("{:.6}", bill.cost(cold)),
        ]);
    }
    table.note(format!(
        "assumed: CodePipeline comes back after {} s (not documented), a warm process after the first invocation, {MEMORY_MIB} MB, arm64",
        BETWEEN_INVOCATIONS.as_secs()
    ));
    table.note(format!(
        "list price of us-east-1: {USD_PER_GB_SECOND:.10} USD for each GB-second, 0.20 USD for a million requests; no free tier"
    ));
    table.note(format!(
        "working is this machine's time for all invocations, with {} ms for each request; a function with {MEMORY_MIB} MB has a fraction of one vCPU",
        LATENCY.as_millis()
    ));
    table.note("Python's row is computed, not run through: it waits by the same rule; its work is that of its first and of a later invocation, measured, and for every further look the request's 20 ms alone");
    table.note("on the driven clock work takes no time, so ours may look a little more often than in reality");
    table.print();
}

/// How long the rollout of tasks takes that need so long to start.
async fn rollout_length(start_seconds: u32) -> Duration {
    const LIMIT: u32 = 3600;
    let world = world(start_seconds);
    let ecs = world.simulator.ecs();
    // The handler starts it; then nobody looks but we.
    let handler = handler(&world, Duration::ZERO);
    let event = world.start();
    handle(&handler, &world, &event).await;
    for second in 0..LIMIT {
        let service = ecs.service("prod", "web-0").expect("the service");
        let deployments = service["deployments"].as_array().expect("deployments");
        if deployments.len() == 1 && deployments[0]["rolloutState"] == "COMPLETED" {
            return Duration::from_secs(second.into());
        }
        world.simulator.clock().advance(Duration::from_secs(1));
    }
    unreachable!("the rollout never ends")
}

fn world(start_seconds: u32) -> World {
    let world = World::new(simulator::Clock::driven(), 1, 1);
    let healthy = Behaviour::Healthy { start_seconds };
    world.simulator.ecs().image("app:v2", healthy);
    world
}

fn handler(world: &World, watch: Duration) -> Handler {
    let engine = Engine {
        aws: Aws::new(world.simulator.client_config()),
        clock: Arc::new(Driven(world.simulator.clock())),
        observer: Arc::new(Unobserved),
        bounds: Bounds::for_memory(Some(MEMORY_MIB.into())),
    };
    let settings = Settings {
        watch,
        memory: Some(MEMORY_MIB.into()),
        ..Settings::default()
    };
    Handler::new(engine, settings)
}

async fn handle(handler: &Handler, world: &World, event: &serde_json::Value) {
    let invocation = Invocation {
        request_id: "req-1".to_owned(),
        deadline: Timestamp::from_millis(world.simulator.clock().now_ms()) + TIME_LIMIT,
    };
    let handling = Box::pin(handler.handle(event, &invocation));
    handling.await.expect("a report");
}

/// Plays CodePipeline to the end.
async fn deployment(start_seconds: u32) -> Bill {
    let world = world(start_seconds);
    world.simulator.set_latency(LATENCY);
    let handler = handler(&world, WATCH);
    let clock = world.simulator.clock();
    let mut bill = Bill::default();
    let mut event = Some(world.start());
    while let Some(now) = event {
        let (simulated, real) = (clock.now_ms(), stopwatch::now());
        handle(&handler, &world, &now).await;
        bill.worked += real.elapsed();
        let watched = u64::try_from(clock.now_ms() - simulated).expect("time goes on");
        bill.watched += Duration::from_millis(watched);
        bill.invocations += 1;
        event = world.next(&now);
        if event.is_some() {
            clock.advance(BETWEEN_INVOCATIONS);
        }
    }
    bill
}

/// The baseline's rule: looks every five seconds, hands back when the next look would be too late.
/// Its invocations and what they watch; and how often it looks.
fn waiting(rollout: Duration) -> (Bill, u32) {
    let mut bill = Bill::default();
    let mut looks = 0;
    let mut now = Duration::ZERO;
    loop {
        bill.invocations += 1;
        looks += 1;
        let began = now;
        while now < rollout && now + LOOK_EVERY <= began + WATCH {
            now += LOOK_EVERY;
            looks += 1;
        }
        bill.watched += now.saturating_sub(began);
        if now >= rollout {
            return (bill, looks);
        }
        now += BETWEEN_INVOCATIONS;
    }
}

/// What the baseline works in so many invocations that look so often: the first and one that
/// only looks are measured.
async fn python_work(programs: &Programs, invocations: u32, looks: u32) -> Duration {
    let world = World::new(simulator::Clock::system(), 1, 1);
    let mut running = Running::start(programs, Program::Python, &world, 0).await;
    world.simulator.set_latency(LATENCY);
    let start = world.start();
    let began = stopwatch::now();
    running.invoke(&start).await;
    let first = began.elapsed();
    let next = world.next(&start).expect("the rollout cannot be over yet");
    let began = stopwatch::now();
    running.invoke(&next).await;
    let later = began.elapsed();
    world.next(&next);
    running.stop().await;
    first + later * (invocations - 1) + LATENCY * looks.saturating_sub(invocations)
}

async fn cold_start(programs: &Programs, program: Program, runs: usize) -> Duration {
    let world = World::new(simulator::Clock::system(), 1, 1);
    let mut all = Vec::new();
    for _ in 0..runs {
        let running = Running::start(programs, program, &world, 0).await;
        all.push(running.cold);
        running.stop().await;
    }
    median(all)
}
