//! What connections take, over TLS: the built function, with each service a host of its own.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use simulator::{RuntimeApi, TlsEndpoint};

use crate::runtime_api::{FAR_MS, Function};
use crate::support::{World, id_of};

/// The hosts that a start talks to.
struct Hosts {
    ecs: TlsEndpoint,
    codepipeline: TlsEndpoint,
    s3: TlsEndpoint,
    /// A file with their certificate.
    trusted: String,
}

impl Hosts {
    /// `name` is the test's own.
    fn of(world: &World, name: &str) -> Self {
        let [ecs, codepipeline, s3] = std::array::from_fn(|_| world.simulator.tls_endpoint());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pem"));
        fs::write(&file, ecs.certificate()).unwrap();
        Self {
            ecs,
            codepipeline,
            s3,
            trusted: file.to_str().unwrap().to_owned(),
        }
    }

    fn start(&self, world: &World, runtime_api: &RuntimeApi) -> Function {
        let environment = [
            ("AWS_ENDPOINT_URL_ECS", self.ecs.url()),
            ("AWS_ENDPOINT_URL_CODEPIPELINE", self.codepipeline.url()),
            ("AWS_ENDPOINT_URL_S3", self.s3.url()),
            ("SSL_CERT_FILE", &self.trusted),
        ];
        Function::start(runtime_api, world, &environment)
    }
}

/// One line for each connection that is made ahead, whatever came of it.
const CONNECTED: &str = "connected ahead";

/// To ECS and to CodePipeline.
const AHEAD: [usize; 2] = [3, 1];
const ALL_AHEAD: usize = AHEAD[0] + AHEAD[1];

/// Waits until it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    /// Nothing takes so long; whatever does hangs.
    const PATIENCE: Duration = Duration::from_mins(2);
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

/// Starts a deployment, which is answered and goes on.
async fn start(world: &World, runtime_api: &mut RuntimeApi) {
    let start = world.start(json!({}));
    let posted = runtime_api.invoke(&start, FAR_MS).await;
    assert_eq!(posted.body["outcome"], "InProgress", "{}", posted.body);
    let answer = world.simulator.codepipeline().answer(&id_of(&start));
    assert!(answer.is_some(), "its job is answered");
}

#[tokio::test]
async fn ecs_and_codepipeline_are_connected_to_before_the_event_and_the_job_uses_that() {
    let world = World::new();
    let hosts = Hosts::of(&world, "connected-ahead");
    let mut runtime_api = RuntimeApi::start().await;
    let mut function = hosts.start(&world, &runtime_api);
    let connections = || [&hosts.ecs, &hosts.codepipeline, &hosts.s3].map(TlsEndpoint::connections);
    function.has_written(CONNECTED, ALL_AHEAD).await;
    until(|| connections() == [AHEAD[0], AHEAD[1], 0]).await;

    start(&world, &mut runtime_api).await;
    let [ecs, codepipeline, s3] = connections();
    let calls = world.simulator.calls();
    let of_ecs = calls.iter().filter(|call| call.service == "ecs").count();
    assert!(ecs < of_ecs, "{ecs} connections for {of_ecs} calls");
    assert_eq!([codepipeline, s3], [AHEAD[1], 1], "no other is needed");
    assert_eq!(world.count("Ping"), ALL_AHEAD);
    function.stop().await;
}

#[tokio::test]
async fn who_cannot_be_connected_to_ahead_is_connected_to_by_the_first_call() {
    let world = World::new();
    let hosts = Hosts::of(&world, "not-connected-ahead");
    let mut runtime_api = RuntimeApi::start().await;
    world.simulator.faults().reset("Ping", ALL_AHEAD);
    let mut function = hosts.start(&world, &runtime_api);
    function.has_written(CONNECTED, ALL_AHEAD).await;
    start(&world, &mut runtime_api).await;
    function.stop().await;
}

#[tokio::test]
async fn nobody_waits_for_a_host_that_does_not_answer_ahead() {
    let world = World::new();
    let hosts = Hosts::of(&world, "silent-ahead");
    let mut runtime_api = RuntimeApi::start().await;
    world.simulator.faults().hang("Ping", ALL_AHEAD);
    let function = hosts.start(&world, &runtime_api);
    until(|| world.count("Ping") == ALL_AHEAD).await;
    start(&world, &mut runtime_api).await;
    let pings = world.simulator.calls_of("Ping");
    assert!(pings.iter().all(|ping| ping.ended == 0), "{pings:?}");
    function.stop().await;
}
