//! Many pipelines that one commit starts at the same moment, each a process of its own, in one account with ECS's
//! documented quotas.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_deploy_action::clock::{Clock as _, SystemClock};
use futures_util::future::join_all;
use serde_json::Value;
use simulator::ecs::Behaviour;
use simulator::{Answer, Clock, QuotaUse};

use crate::program::{Program, Programs, Running};
use crate::stopwatch;
use crate::table::Table;
use crate::world::World;

/// So many at once.
const HERDS: [usize; 2] = [60, 200];

/// As templates have it.
const WATCH_SECONDS: u32 = 40;

/// CodePipeline's pause before it comes back with a token; not documented, so any will do.
const BETWEEN_INVOCATIONS: Duration = Duration::from_secs(5);

/// Rollouts that are under way at the same time, one started after the other.
const UNDER_WAY: usize = 300;

/// One start after the other: slower than ECS lets revisions be registered.
const BETWEEN_STARTS: Duration = Duration::from_millis(1200);

/// CodePipeline's pause while they are under way, as in the table of what is billed.
const PAUSE_UNDER_WAY: Duration = Duration::from_secs(30);

/// What a look asks for, by ECS's quotas.
const LOOKS: [&str; 2] = ["service reads", "service deployments"];

/// Between two looks of one invocation.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What a rollout takes that is under way.
const ROLLOUT: Duration = Duration::from_mins(10);

/// Registrations and deregistrations: so many at once, then one each second.
const REGISTRATIONS_AT_ONCE: usize = 20;

/// How a herd ended.
struct Ended {
    succeeded: usize,
    last: Duration,
    calls: BTreeMap<&'static str, QuotaUse>,
}

pub(crate) async fn run(programs: &Programs) {
    let mut table = Table::new(
        "Many pipelines at the same moment, against ECS's documented quotas",
        &[
            "pipelines",
            "program",
            "succeed",
            "the last one ends after",
            "calls asked (refused)",
        ],
    );
    for herd in HERDS {
        let least = herd - REGISTRATIONS_AT_ONCE;
        for program in programs.deploying() {
            let Ended {
                succeeded,
                last,
                calls,
            } = one(programs, program, herd).await;
            let calls: Vec<String> = calls
                .iter()
                .map(|(category, used)| format!("{category} {} ({})", used.asked, used.refused))
                .collect();
            table.row(vec![
                herd.to_string(),
                program.name().to_owned(),
                format!("{succeeded} of {herd}"),
                format!("{} s", last.as_secs()),
                calls.join("; "),
            ]);
            if program == Program::Ours {
                let all = format!("{succeeded} of {herd}");
                table.aim(&format!("all of {herd} succeed"), &all, succeeded == herd);
                // The least possible time once and a half, and a minute.
                let most = u64::try_from(least * 3 / 2 + 60).unwrap_or(u64::MAX);
                let took = last.as_secs();
                table.aim(
                    &format!("the last of {herd} ends within {most} s"),
                    &format!("{took} s"),
                    took <= most,
                );
            }
        }
        table.note(format!(
            "the last of {herd} registrations cannot come before {least} s; a rollout alone takes about half a minute"
        ));
    }
    table.print();
}

/// Rollouts of ten minutes, all of which are under way together for some minutes: how many looks are refused, and
/// how long after ECS each answer comes.
pub(crate) async fn under_way(programs: &Programs) {
    let world = World::new(Clock::system(), UNDER_WAY, UNDER_WAY);
    let start_seconds = u32::try_from(ROLLOUT.as_secs()).unwrap_or(u32::MAX);
    world.new_tasks(Behaviour::Healthy { start_seconds });
    world.simulator.faults().quotas(true);
    let pipelines = (0..UNDER_WAY).map(|number| {
        let world = &world;
        async move {
            let place = u32::try_from(number).unwrap_or(u32::MAX);
            SystemClock.sleep(BETWEEN_STARTS * place).await;
            let running = Running::start(programs, Program::Ours, world, WATCH_SECONDS).await;
            let succeeded = pipeline(world, running, number, PAUSE_UNDER_WAY).await;
            (succeeded, world.since_the_end_of(number))
        }
    });
    let ended = join_all(pipelines).await;
    let mut table = Table::new(
        "Rollouts of ten minutes, one started after the other, all under way together for some minutes",
        &["category", "calls asked", "refused", "of all"],
    );
    for (category, QuotaUse { asked, refused }) in world.simulator.faults().quotas_used() {
        let share = percent_of(refused, asked);
        table.row(vec![
            category.to_owned(),
            asked.to_string(),
            refused.to_string(),
            format!("{share:.2} %"),
        ]);
        if LOOKS.contains(&category) {
            table.aim(
                &format!("under 1 % of the looks are refused, {category}"),
                &format!("{share:.2} %"),
                share < 1.0,
            );
        }
    }
    let succeeded = ended.iter().filter(|(succeeded, _)| *succeeded).count();
    table.aim(
        "all succeed",
        &format!("{succeeded} of {UNDER_WAY}"),
        succeeded == UNDER_WAY,
    );
    let mut after: Vec<Duration> = ended.into_iter().map(|(_, after)| after).collect();
    after.sort_unstable();
    let last = after.last().copied().unwrap_or_default();
    let most = LONGEST_PAUSE + PAUSE_UNDER_WAY;
    table.aim(
        "each answer within 15 s of ECS knowing, and CodePipeline's pause",
        &format!(
            "median {} s, most {} s",
            after[after.len() / 2].as_secs(),
            last.as_secs()
        ),
        last <= most,
    );
    table.note(format!(
        "CodePipeline comes back after {} s (not documented); until then nobody looks",
        PAUSE_UNDER_WAY.as_secs()
    ));
    table.print();
}

/// How much of a hundred.
#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn percent_of(refused: usize, asked: usize) -> f64 {
    refused as f64 * 100.0 / asked.max(1) as f64
}

/// One herd: each pipeline with a process of its own, all invoked at once.
async fn one(programs: &Programs, program: Program, herd: usize) -> Ended {
    let world = World::new(Clock::system(), herd, herd);
    let mut running = Vec::new();
    for _ in 0..herd {
        running.push(Running::start(programs, program, &world, WATCH_SECONDS).await);
    }
    world.simulator.faults().quotas(true);
    let began = stopwatch::now();
    let pipelines = running.into_iter().enumerate().map(|(number, running)| {
        let world = &world;
        async move {
            let succeeded = pipeline(world, running, number, BETWEEN_INVOCATIONS).await;
            (succeeded, began.elapsed())
        }
    });
    let ended = join_all(pipelines).await;
    Ended {
        succeeded: ended.iter().filter(|(succeeded, _)| *succeeded).count(),
        last: ended.iter().map(|(_, at)| *at).max().unwrap_or_default(),
        calls: world.simulator.faults().quotas_used(),
    }
}

/// Plays CodePipeline for one of them. Whether it has succeeded.
async fn pipeline(world: &World, mut running: Running, number: usize, pause: Duration) -> bool {
    let mut event: Value = world.start_one(number);
    loop {
        running.invoke(&event).await;
        let job = event["CodePipeline.job"]["id"].as_str().unwrap_or_default();
        let pipeline = world.simulator.codepipeline();
        let Some(next) = pipeline.next_event(job) else {
            let succeeded = matches!(pipeline.answer(job), Some(Answer::Success { .. }));
            running.stop().await;
            return succeeded;
        };
        event = next;
        SystemClock.sleep(pause).await;
    }
}
