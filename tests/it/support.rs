//! A small world to deploy in: the service `web` on the cluster `prod`, running `app:1`, and an
//! artifact whose imagedefinitions.json asks for `repo/app:v2`.

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecs_deploy_action::artifact::entry::Bounds;
use ecs_deploy_action::aws::Aws;
use ecs_deploy_action::clock::{Clock, Sleep};
use ecs_deploy_action::deploy::time::Timestamp;
use ecs_deploy_action::engine::Engine;
use ecs_deploy_action::handler::{Handler, Invocation};
use ecs_deploy_action::observer::{Observer, Unobserved};
use ecs_deploy_action::settings::Settings;
use serde_json::{Value, json};
use simulator::ecs::ServiceSetup;
use simulator::{Answer, Simulator, StartAction};
use tracing_subscriber::fmt::MakeWriter;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub(crate) const BUCKET: &str = "artifacts";
pub(crate) const KEY: &str = "pipeline/build/1.zip";

/// So many invocations, half a minute apart, are more than a day.
const INVOCATIONS: usize = 2000;

/// Waiting lets the simulator's time pass.
pub(crate) struct Driven(pub(crate) simulator::Clock);

impl Clock for Driven {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.now_ms())
    }

    fn sleep(&self, duration: Duration) -> Sleep<'_> {
        self.0.advance(duration);
        Box::pin(std::future::ready(()))
    }
}

/// A zip of these files.
pub(crate) fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The usual revision of `app`.
pub(crate) fn app(image: &str) -> Value {
    json!({
        "family": "app",
        "containerDefinitions": [
            {"name": "app", "image": image, "essential": true, "portMappings": [],
             "environment": [{"name": "A", "value": ""}]},
            {"name": "sidecar", "image": "repo/sidecar:v1"},
        ],
        "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
        "cpu": "256", "memory": "512",
        "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        "tags": [{"key": "team", "value": "web"}],
    })
}

/// The same, with a log.
pub(crate) fn logging_app(image: &str) -> Value {
    let mut definition = app(image);
    definition["containerDefinitions"][0]["logConfiguration"] = json!({
        "logDriver": "awslogs",
        "options": {"awslogs-group": "/ecs/app", "awslogs-region": simulator::REGION,
            "awslogs-stream-prefix": "ecs"},
    });
    definition
}

/// To be kept while a test listens to its own thread's log: with one listener alone, whichever
/// thread comes to a line first decides for all whether anybody listens to it.
pub(crate) fn second_listener() -> tracing::Dispatch {
    tracing::Dispatch::new(tracing_subscriber::registry())
}

/// Keeps all that is logged.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    /// All that was logged since it was last taken.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    pub(crate) fn take(&self) -> String {
        let taken = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8_lossy(&taken).into_owned()
    }
}

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

pub(crate) struct World {
    pub(crate) simulator: Simulator,
    pub(crate) handler: Handler,
    /// How long the function may take, as Lambda says.
    pub(crate) time_limit: Duration,
}

impl World {
    /// `web` on `prod` runs two tasks of `app:1`.
    pub(crate) fn new() -> Self {
        Self::with_service(ServiceSetup::default())
    }

    /// The same with another kind of service.
    pub(crate) fn with_service(setup: ServiceSetup) -> Self {
        let simulator = Simulator::start();
        simulator.ecs().register(app("repo/app:v1"));
        simulator.ecs().create_service(ServiceSetup {
            cluster: "prod".to_owned(),
            name: "web".to_owned(),
            task_definition: "app:1".to_owned(),
            ..setup
        });
        let world = Self::around(simulator, Arc::new(Unobserved), Duration::from_secs(40));
        world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#);
        world
    }

    pub(crate) fn around(
        simulator: Simulator,
        observer: Arc<dyn Observer>,
        watch: Duration,
    ) -> Self {
        let engine = Engine {
            aws: Aws::new(simulator.client_config()),
            clock: Arc::new(Driven(simulator.clock())),
            observer,
            bounds: Bounds::for_memory(None),
        };
        Self {
            handler: Handler::new(
                engine,
                Settings {
                    watch,
                    ..Settings::default()
                },
            ),
            simulator,
            time_limit: Duration::from_mins(5),
        }
    }

    /// The same world with another handler.
    pub(crate) fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self::around(self.simulator, observer, Duration::from_secs(40))
    }

    /// The artifact holds this imagedefinitions.json.
    pub(crate) fn put_images(&self, content: &str) {
        self.put_artifact(&[("imagedefinitions.json", content)]);
    }

    pub(crate) fn put_artifact(&self, files: &[(&str, &str)]) {
        self.simulator.s3().put(BUCKET, KEY, zip_of(files));
    }

    /// The event that starts the action with these parameters besides cluster and service.
    pub(crate) fn start(&self, parameters: Value) -> Value {
        let mut all = json!({"ClusterName": "prod", "ServiceName": "web"});
        if let Value::Object(parameters) = parameters {
            for (name, value) in parameters {
                all[name] = value;
            }
        }
        // `null` takes a default of this world away.
        all.as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        self.start_with(&json!({"FunctionName": "f", "UserParameters": all.to_string()}))
    }

    pub(crate) fn start_with(&self, configuration: &Value) -> Value {
        self.simulator.codepipeline().start(&StartAction {
            configuration: configuration.clone(),
            inputs: vec![("Build".to_owned(), BUCKET.to_owned(), KEY.to_owned())],
            ..StartAction::default()
        })
    }

    pub(crate) fn invocation(&self) -> Invocation {
        Invocation {
            request_id: "req-1".to_owned(),
            deadline: Timestamp::from_millis(self.simulator.clock().now_ms()) + self.time_limit,
        }
    }

    /// One invocation; its report.
    pub(crate) async fn invoke(&self, event: &Value) -> Value {
        let invocation = self.invocation();
        let handling = Box::pin(self.handler.handle(event, &invocation));
        handling.await.unwrap()
    }

    /// Plays CodePipeline until the action has ended: every answer, in order. Between two
    /// invocations half a minute passes.
    pub(crate) async fn run(&self, start: Value) -> Vec<Answer> {
        let mut answers = Vec::new();
        let mut event = start;
        for _ in 0..INVOCATIONS {
            self.invoke(&event).await;
            let job = id_of(&event);
            let pipeline = self.simulator.codepipeline();
            answers.push(
                pipeline
                    .answer(&job)
                    .expect("every invocation answers its job"),
            );
            let Some(next) = pipeline.next_event(&job) else {
                let (end, answer) = (pipeline.end(&job), answers.last());
                let succeeded = matches!(answer, Some(Answer::Success { .. }));
                assert_eq!(end.is_ok(), succeeded, "{end:?}: {answer:?}");
                return answers;
            };
            event = next;
            self.simulator.clock().advance(Duration::from_secs(30));
        }
        unreachable!("the action never ended")
    }

    /// A whole deployment with these parameters; its last answer.
    pub(crate) async fn deploy(&self, parameters: Value) -> Answer {
        let start = self.start(parameters);
        self.run(start).await.pop().unwrap()
    }

    pub(crate) fn service(&self) -> Value {
        self.simulator.ecs().service("prod", "web").unwrap()
    }

    /// How often an operation was called.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.simulator.calls_of(operation).len()
    }

    /// How often it was called with success.
    pub(crate) fn done(&self, operation: &str) -> usize {
        let calls = self.simulator.calls_of(operation);
        calls.iter().filter(|call| call.error.is_none()).count()
    }

    pub(crate) fn revisions(&self) -> usize {
        self.simulator.ecs().revisions("app").len()
    }
}

/// The event that starts an action without input artifacts on `web`.
pub(crate) fn start_bare(world: &World, parameters: &Value) -> Value {
    let mut all = json!({"ClusterName": "prod", "ServiceName": "web"});
    for (name, value) in parameters.as_object().unwrap() {
        all[name] = value.clone();
    }
    world.simulator.codepipeline().start(&StartAction {
        configuration: json!({"FunctionName": "f", "UserParameters": all.to_string()}),
        ..StartAction::default()
    })
}

/// One invocation, which may die.
pub(crate) async fn deliver(world: &World, event: &Value) {
    let invocation = world.invocation();
    let _ = Box::pin(world.handler.handle(event, &invocation)).await;
}

/// What follows on `event`, until no job waits for an invocation.
pub(crate) async fn finish(world: &World, mut event: Value) {
    for _ in 0..INVOCATIONS {
        match world.simulator.codepipeline().next_event(&id_of(&event)) {
            Some(next) => event = next,
            None => return,
        }
        world.simulator.clock().advance(Duration::from_secs(30));
        deliver(world, &event).await;
    }
    unreachable!("the action never ended")
}

/// A service of the cluster `prod` as it is now.
pub(crate) fn service_of(world: &World, service: &str) -> Value {
    world.simulator.ecs().service("prod", service).unwrap()
}

pub(crate) fn id_of(event: &Value) -> String {
    event["CodePipeline.job"]["id"].as_str().unwrap().to_owned()
}

/// Whether the action has ended with it.
pub(crate) fn is_final(answer: &Answer) -> bool {
    !matches!(
        answer,
        Answer::Success {
            continuation_token: Some(_),
            ..
        }
    )
}

/// Those of `answers` that have ended an action.
pub(crate) fn ends(answers: &[(String, Answer)]) -> Vec<&Answer> {
    let answers = answers.iter().map(|(_, answer)| answer);
    answers.filter(|answer| is_final(answer)).collect()
}

/// Kind and message of a failure.
#[track_caller]
pub(crate) fn failure(answer: &Answer) -> (&str, &str) {
    match answer {
        Answer::Failure { kind, message, .. } => (kind, message),
        Answer::Success { .. } => unreachable!("a failure was expected: {answer:?}"),
    }
}

/// Summary and output variables of a final success.
#[track_caller]
pub(crate) fn success(answer: &Answer) -> (&str, &std::collections::BTreeMap<String, String>) {
    match answer {
        Answer::Success {
            continuation_token: None,
            summary,
            output_variables,
            ..
        } => (summary.as_deref().unwrap_or_default(), output_variables),
        _ => unreachable!("a success was expected: {answer:?}"),
    }
}
