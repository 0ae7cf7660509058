//! Forty pipelines that one commit starts at the same moment, in one account with ECS's documented quotas.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ecs_deploy_action::artifact::entry::Bounds;
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::clock::{Clock, Sleep, SystemClock};
use ecs_deploy_action::deploy::images::Images;
use ecs_deploy_action::deploy::seen::Look;
use ecs_deploy_action::deploy::spec::Target;
use ecs_deploy_action::deploy::time::{Timestamp, human};
use ecs_deploy_action::engine::Engine;
use ecs_deploy_action::handler::{Handler, Invocation};
use ecs_deploy_action::observer::Observer;
use ecs_deploy_action::record::herd::{Herd, Pipeline, Quota};
use ecs_deploy_action::settings::Settings;
use serde_json::{Value, json};
use simulator::ecs::ServiceSetup;
use simulator::{Answer, Simulator, StartAction, Together};

use crate::arguments::Arguments;
use crate::artifact::Artifact;
use crate::play::{BETWEEN_INVOCATIONS, FUNCTION_TIMEOUT, SPEED, names, put_images};
use crate::scenarios::CLUSTER;
use crate::show::Show;

/// So many pipelines.
pub(crate) const PIPELINES: usize = 40;

/// The table is shown so often.
const SHOWN_EVERY: Duration = Duration::from_secs(10);

/// The pipelines' clock: it passes while all of them wait.
struct Shared {
    together: Together,
    simulated: simulator::Clock,
    is_fast: bool,
}

impl Clock for Shared {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.simulated.now_ms())
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        Box::pin(async move {
            if !self.is_fast {
                SystemClock.sleep(duration / SPEED).await;
            }
            self.together.sleep(duration).await;
        })
    }
}

/// How far each pipeline is.
type States = Arc<Mutex<Vec<State>>>;

/// How far a pipeline is.
#[derive(Debug, Clone)]
struct State {
    /// In a few letters.
    text: String,
    /// When its service was first seen after it was set.
    set: Option<Timestamp>,
}

/// How an action ended.
struct Ended {
    succeeded: bool,
    headline: String,
}

/// Shows how many of each one's new tasks run.
struct Seen(States);

impl Observer for Seen {
    fn looked(&self, target: &Target, look: &Look, now: Timestamp) {
        let number = target.service_name().rsplit('-').next();
        let place = number.and_then(|number| number.parse::<usize>().ok());
        let primary = look.service().and_then(|service| service.primary());
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(state), Some(primary)) = (place.and_then(|one| states.get_mut(one)), primary) {
            state.text = format!("{} of {} run", primary.running, primary.desired);
            state.set = state.set.or(Some(now));
        }
    }
}

/// All of them, to their ends. Whether all have succeeded.
pub(crate) async fn run(
    artifact: Artifact,
    arguments: &Arguments,
    show: &Show,
) -> Result<bool, String> {
    let simulator = Simulator::with_quotas();
    put_images(&simulator, &artifact);
    for number in 0..PIPELINES {
        create(&simulator, number, &artifact.images);
    }
    simulator.s3().put("artifacts", "build.zip", artifact.zip);
    let first = State {
        text: "starting".to_owned(),
        set: None,
    };
    let states: States = Arc::new(Mutex::new(vec![first; PIPELINES]));
    let clock = Arc::new(Shared {
        together: Together::new(simulator.clock(), PIPELINES + 1),
        simulated: simulator.clock(),
        is_fast: arguments.is_fast,
    });
    let handler = Handler::new(
        Engine {
            aws: Aws::new(simulator.client_config()),
            clock: clock.clone(),
            observer: Arc::new(Seen(states.clone())),
            bounds: Bounds::for_memory(None),
        },
        Settings::default(),
    );
    let began = clock.now();
    show.begin_herd(PIPELINES, arguments.is_fast, arguments.log.is_some(), began);
    let pipelines: Vec<_> = (0..PIPELINES)
        .map(|number| {
            let (simulator, handler) = (simulator.clone(), handler.clone());
            let (clock, states) = (clock.clone(), states.clone());
            tokio::spawn(async move {
                let ended = pipeline(&simulator, &handler, &clock, &states, number).await;
                let took = clock.now().since(began);
                clock.together.leave();
                ended.map(|ended| (ended, took))
            })
        })
        .collect();
    loop {
        let seen = states
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let shown: Vec<String> = seen.into_iter().map(|one| one.text).collect();
        show.herd(&shown, clock.now());
        if pipelines.iter().all(tokio::task::JoinHandle::is_finished) {
            break;
        }
        clock.sleep(SHOWN_EVERY).await;
    }
    let mut all = Vec::new();
    for (number, pipeline) in pipelines.into_iter().enumerate() {
        let (ended, took) = pipeline.await.map_err(|error| error.to_string())??;
        let set = states.lock().unwrap_or_else(PoisonError::into_inner)[number].set;
        all.push(Pipeline {
            name: name(number),
            succeeded: ended.succeeded,
            waited: set.map(|set| set.since(began)),
            took,
            headline: ended.headline,
        });
    }
    let last = all.iter().map(|one| one.took).max().unwrap_or_default();
    let succeeded = all.iter().filter(|one| one.succeeded).count();
    let quotas = simulator.faults().quotas_used();
    let quotas = quotas.iter().map(|(category, used)| Quota {
        category: (*category).to_owned(),
        asked: used.asked,
        refused: used.refused,
    });
    show.herd_ended(&Herd {
        message: format!(
            "{succeeded} of {PIPELINES} pipelines have succeeded, the last one after {}",
            human(last)
        ),
        started: began,
        pipelines: all,
        quotas: quotas.collect(),
    });
    Ok(succeeded == PIPELINES)
}

fn name(number: usize) -> String {
    format!("app-{number:02}")
}

/// A service of its own family, with the containers that the artifact names.
fn create(simulator: &Simulator, number: usize, images: &Images) {
    let ecs = simulator.ecs();
    let mut containers = names(images);
    if containers.is_empty() {
        // The artifact's file is wrong, and each of the jobs ends with that.
        containers.push("app");
    }
    let containers = containers
        .into_iter()
        .map(|name| json!({"name": name, "image": format!("repo/{name}:v1"), "essential": true}));
    let definition = json!({"family": name(number), "cpu": "256", "memory": "512",
        "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        "containerDefinitions": containers.collect::<Vec<Value>>()});
    // It has been deployed before.
    ecs.register(definition.clone());
    let task_definition = ecs.register(definition);
    ecs.create_service(ServiceSetup {
        cluster: CLUSTER.to_owned(),
        name: name(number),
        task_definition,
        ..ServiceSetup::default()
    });
}

/// Plays CodePipeline for one of them.
async fn pipeline(
    simulator: &Simulator,
    handler: &Handler,
    clock: &Shared,
    states: &States,
    number: usize,
) -> Result<Ended, String> {
    let parameters = json!({"ClusterName": CLUSTER, "ServiceName": name(number)});
    let mut event = simulator.codepipeline().start(&StartAction {
        configuration: json!({"FunctionName": "f", "UserParameters": parameters.to_string()}),
        inputs: vec![(
            "Build".to_owned(),
            "artifacts".to_owned(),
            "build.zip".to_owned(),
        )],
        ..StartAction::default()
    });
    let set = |text: &str| {
        states.lock().unwrap_or_else(PoisonError::into_inner)[number].text = text.to_owned();
    };
    let mut invocation = 0;
    loop {
        invocation += 1;
        let lambda = Invocation {
            request_id: format!("local-{number}-{invocation}"),
            deadline: clock.now() + FUNCTION_TIMEOUT,
        };
        let handling = handler.handle(&event, &lambda);
        Box::pin(handling)
            .await
            .map_err(|error| error.to_string())?;
        let job = event["CodePipeline.job"]["id"].as_str().unwrap_or_default();
        let answer = simulator.codepipeline().answer(job);
        let Some(next) = simulator.codepipeline().next_event(job) else {
            let (succeeded, message) = match answer {
                Some(Answer::Success { summary, .. }) => (true, summary.unwrap_or_default()),
                Some(Answer::Failure { message, .. }) => (false, message),
                None => (false, String::new()),
            };
            set(if succeeded { "done" } else { "failed" });
            let headline = message.lines().next().unwrap_or_default().to_owned();
            return Ok(Ended {
                succeeded,
                headline,
            });
        };
        let summary = match answer {
            Some(Answer::Success { summary, .. }) => summary.unwrap_or_default(),
            Some(Answer::Failure { .. }) | None => String::new(),
        };
        if summary.contains("; waiting, ") {
            set("throttled");
        }
        event = next;
        clock.sleep(BETWEEN_INVOCATIONS).await;
    }
}
