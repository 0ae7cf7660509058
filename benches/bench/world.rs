//! What the programs deploy to.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::artifacts::{self, Artifact};
use simulator::ecs::{Behaviour, ServiceSetup};
use simulator::{Answer, Clock, Simulator, StartAction, TlsEndpoint};

/// The image that every artifact names.
const DEPLOYED: &str = "repo/app:v2";

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

/// Where Linux distributions keep the root certificates in one file: Lambda's, Debian's.
const ROOTS: [&str; 2] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
];

/// The services that are a host each over TLS, by what their variables end in.
const OVER_TLS: [&str; 3] = ["ECS", "CODEPIPELINE", "S3"];

/// Services on the simulator, two tasks each, and an artifact.
pub(crate) struct World {
    pub(crate) simulator: Simulator,
    services: Vec<String>,
    /// Empty without TLS.
    hosts: Vec<TlsEndpoint>,
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
            hosts: Vec::new(),
        };
        world.put(artifacts::of_length(1024));
        world
    }

    /// The same over TLS, each service a host of its own.
    pub(crate) fn over_tls(mut self) -> Self {
        let hosts = OVER_TLS.map(|_| self.simulator.tls_endpoint());
        self.hosts = hosts.into();
        self
    }

    /// What tells a program where AWS is, and whom to trust: all root certificates of this machine,
    /// as in Lambda, in one file.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let file = self.trusted().to_string_lossy().into_owned();
        // The first for Rust, the second for Python.
        let trusted = ["SSL_CERT_FILE", "AWS_CA_BUNDLE"];
        let mut environment = Vec::from(trusted.map(|name| (name.to_owned(), file.clone())));
        let endpoint = self.simulator.endpoint();
        environment.push(("AWS_ENDPOINT_URL".to_owned(), endpoint));
        for (service, host) in OVER_TLS.iter().zip(&self.hosts) {
            let name = format!("AWS_ENDPOINT_URL_{service}");
            environment.push((name, host.url().to_owned()));
        }
        environment
    }

    fn trusted(&self) -> PathBuf {
        let roots = ROOTS.iter().find_map(|file| fs::read_to_string(file).ok());
        let mut trusted = roots.expect("root certificates: Debian's package ca-certificates");
        if let Some(host) = self.hosts.first() {
            trusted.push_str(host.certificate());
        }
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-trusted.pem");
        fs::write(&file, trusted).expect("a file");
        file
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        let over_tls: usize = self.hosts.iter().map(TlsEndpoint::connections).sum();
        self.simulator.connections() + over_tls
    }

    /// What becomes of the tasks that are deployed.
    pub(crate) fn new_tasks(&self, behaviour: Behaviour) {
        self.simulator.ecs().image(DEPLOYED, behaviour);
    }

    /// How long ago the newest deployment of the service at this place ended, by ECS.
    ///
    /// # Panics
    /// If it has not ended.
    pub(crate) fn since_the_end_of(&self, place: usize) -> Duration {
        let ecs = self.simulator.ecs();
        let deployments = ecs.service_deployments("prod", &self.services[place]);
        let ended = deployments
            .iter()
            .filter_map(|one| one["finishedAt"].as_f64())
            .max_by(f64::total_cmp)
            .expect("a deployment that has ended");
        let now = Duration::from_millis(self.simulator.clock().now_ms().unsigned_abs());
        now.saturating_sub(Duration::from_secs_f64(ended))
    }

    /// Its artifact is this.
    pub(crate) fn put(&self, artifact: Artifact) {
        let s3 = self.simulator.s3();
        s3.put_sparse(BUCKET, KEY, artifact.length, artifact.segments);
    }

    /// The event that starts the action of the service at this place alone.
    pub(crate) fn start_one(&self, place: usize) -> Value {
        self.start_with(json!({"ClusterName": "prod", "ServiceName": self.services[place]}))
    }

    /// The event that starts the action.
    pub(crate) fn start(&self) -> Value {
        let mut parameters = json!({"ClusterName": "prod"});
        match self.services.as_slice() {
            [service] => parameters["ServiceName"] = json!(service),
            services => parameters["Services"] = json!(services),
        }
        self.start_with(parameters)
    }

    fn start_with(&self, parameters: Value) -> Value {
        self.simulator.codepipeline().start(&StartAction {
            configuration: json!({"FunctionName": "f", "UserParameters": parameters.to_string()}),
            inputs: vec![("Build".to_owned(), BUCKET.to_owned(), KEY.to_owned())],
            ..StartAction::default()
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
