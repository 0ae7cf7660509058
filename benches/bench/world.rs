//! What the programs deploy to.

use serde_json::{Value, json};
use simulator::ecs::ServiceSetup;
use simulator::{Answer, Clock, Simulator, StartAction};

use crate::zips::{self, Zip};

const BUCKET: &str = "artifacts";
const KEY: &str = "pipeline/build/1.zip";

/// A task definition.
fn definition(family: &str) -> Value {
    json!({
        "family": family,
        "containerDefinitions": [
            {"name": "app", "image": "repo/app:v1", "essential": true,
             "portMappings": [{"containerPort": 8080}],
             "environment": [{"name": "STAGE", "value": "prod"}]},
            {"name": "sidecar", "image": "repo/sidecar:v1"},
        ],
        "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc",
        "cpu": "256", "memory": "512",
        "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        "tags": [{"key": "team", "value": "web"}],
    })
}

/// Services on the simulator, two tasks each, and an artifact.
pub(crate) struct World {
    pub(crate) simulator: Simulator,
    services: Vec<String>,
}

impl World {
    /// So many services, which run revisions of so many families, in turn.
    pub(crate) fn new(clock: Clock, services: usize, families: usize) -> Self {
        let simulator = Simulator::start_with(clock);
        let ecs = simulator.ecs();
        for family in 0..families {
            ecs.register(definition(&format!("app-{family}")));
        }
        let services: Vec<String> = (0..services)
            .map(|number| format!("web-{number}"))
            .collect();
        for (number, service) in services.iter().enumerate() {
            ecs.create_service(ServiceSetup {
                cluster: "prod".to_owned(),
                name: service.clone(),
                task_definition: format!("app-{}:1", number % families),
                ..ServiceSetup::default()
            });
        }
        let world = Self {
            simulator,
            services,
        };
        world.put(zips::of_length(1024));
        world
    }

    /// Its artifact is this.
    pub(crate) fn put(&self, zip: Zip) {
        let s3 = self.simulator.s3();
        s3.put_sparse(BUCKET, KEY, zip.length, zip.segments);
    }

    /// The event that starts the action.
    pub(crate) fn start(&self) -> Value {
        let mut parameters = json!({"ClusterName": "prod"});
        match self.services.as_slice() {
            [service] => parameters["ServiceName"] = json!(service),
            services => parameters["Services"] = json!(services),
        }
        self.simulator.codepipeline().start(&StartAction {
            configuration: json!({"FunctionName": "f", "UserParameters": parameters.to_string()}),
            inputs: vec![("Build".to_owned(), BUCKET.to_owned(), KEY.to_owned())],
            encryption_key: None,
        })
    }

    /// The event that follows on `event`, unless the action has ended.
    ///
    /// # Panics
    /// If the job was not answered, or with a failure: a deployment that fails is no benchmark.
    pub(crate) fn next(&self, event: &Value) -> Option<Value> {
        let job = event["CodePipeline.job"]["id"].as_str().unwrap_or_default();
        let pipeline = self.simulator.codepipeline();
        match pipeline.answer(job) {
            Some(Answer::Success { .. }) => pipeline.next_event(job),
            other => unreachable!("the job was to succeed or to go on: {other:?}"),
        }
    }
}
