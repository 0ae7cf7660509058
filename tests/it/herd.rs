//! Many pipelines at once, in one account with ECS's documented quotas, on a clock that they share: time passes
//! while all of them wait.
//!
//! The SDK's own retries take no time on that clock, so that more calls are refused here than in an account. What
//! real processes do, `cargo bench -- herd` shows.

use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::artifact::entry::Bounds;
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::clock::{Clock, Sleep};
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::engine::Engine;
use ecs_deploy_action::handler::Handler;
use ecs_deploy_action::observer::Unobserved;
use ecs_deploy_action::settings::Settings;
use futures_util::future::join_all;
use serde_json::json;
use simulator::ecs::ServiceSetup;
use simulator::{Answer, Simulator, Together};

use crate::support::{World, app, id_of};

/// CodePipeline's pause before it comes back with a token; not documented.
const BETWEEN_INVOCATIONS: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Shared {
    together: Together,
    simulated: simulator::Clock,
}

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.simulated.now_ms())
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        Box::pin(self.together.sleep(duration))
    }
}

/// A world of so many services, each with a family of its own, and the clock that those share who deploy to them.
fn world(services: usize) -> (World, Shared) {
    let simulator = Simulator::start();
    let ecs = simulator.ecs();
    for number in 0..services {
        let mut definition = app("repo/app:v1");
        definition["family"] = json!(format!("app-{number}"));
        // It has been deployed before.
        ecs.register(definition.clone());
        ecs.create_service(ServiceSetup {
            cluster: "prod".to_owned(),
            name: format!("web-{number}"),
            task_definition: ecs.register(definition),
            ..ServiceSetup::default()
        });
    }
    let clock = Shared {
        together: Together::new(simulator.clock(), services),
        simulated: simulator.clock(),
    };
    let engine = Engine {
        aws: Aws::new(simulator.client_config()),
        clock: Arc::new(clock.clone()),
        observer: Arc::new(Unobserved),
        bounds: Bounds::for_memory(None),
    };
    let world = World {
        handler: Handler::new(engine, Settings::default()),
        simulator,
        time_limit: Duration::from_mins(5),
    };
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#);
    (world, clock)
}

/// Plays CodePipeline for the service of this number. Whether it has succeeded.
async fn pipeline(world: &World, clock: &Shared, number: usize) -> bool {
    let mut event = world.start(json!({"ServiceName": format!("web-{number}")}));
    let succeeded = loop {
        world.invoke(&event).await;
        let job = id_of(&event);
        let pipeline = world.simulator.codepipeline();
        let Some(next) = pipeline.next_event(&job) else {
            break matches!(pipeline.answer(&job), Some(Answer::Success { .. }));
        };
        event = next;
        clock.together.sleep(BETWEEN_INVOCATIONS).await;
    };
    clock.together.leave();
    succeeded
}

#[tokio::test]
async fn all_pipelines_that_one_commit_starts_succeed_not_long_after_the_least_possible_time() {
    // Registrations beyond the first 20 come one a second.
    const AT_ONCE: u64 = 20;
    for herd in [60, 200] {
        let (world, clock) = world(herd);
        world.simulator.faults().quotas(true);
        let began = clock.now();
        let pipelines = (0..herd).map(|number| pipeline(&world, &clock, number));
        let succeeded = join_all(pipelines).await;
        let took = clock.now().since(began).as_secs();
        let used = world.simulator.faults().quotas_used();
        let count = succeeded.iter().filter(|succeeded| **succeeded).count();
        assert_eq!(count, herd, "{used:?}");
        assert_eq!(world.done("RegisterTaskDefinition"), herd);
        assert_eq!(world.done("UpdateService"), herd);
        let least = u64::try_from(herd).unwrap() - AT_ONCE;
        assert!(took <= least * 3 / 2 + 60, "{herd}: {took} s: {used:?}");
    }
}
