//! Many pipelines that one commit starts at the same moment, each a process of its own, in one account with ECS's
//! documented quotas.

use std::collections::BTreeMap;
use std::time::Duration;

use ecs_deploy_action::clock::{Clock as _, SystemClock};
use futures_util::future::join_all;
use serde_json::Value;
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
            let succeeded = pipeline(world, running, number).await;
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
async fn pipeline(world: &World, mut running: Running, number: usize) -> bool {
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
        SystemClock.sleep(BETWEEN_INVOCATIONS).await;
    }
}
