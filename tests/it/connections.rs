//! What connections take, over TLS: the built function, with each service a host of its own.

use std::fs;
use std::path::Path;

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

/// Starts a deployment, which is answered and goes on.
async fn start(world: &World, runtime_api: &mut RuntimeApi) {
    let start = world.start(json!({}));
    let posted = runtime_api.invoke(&start, FAR_MS).await;
    assert_eq!(posted.body["outcome"], "InProgress", "{}", posted.body);
    let answer = world.simulator.codepipeline().answer(&id_of(&start));
    assert!(answer.is_some(), "its job is answered");
}

#[tokio::test]
async fn the_clients_of_one_service_share_its_connections() {
    let world = World::new();
    let hosts = Hosts::of(&world, "shared");
    let mut runtime_api = RuntimeApi::start().await;
    let function = hosts.start(&world, &runtime_api);
    start(&world, &mut runtime_api).await;
    let [ecs, codepipeline, s3] =
        [&hosts.ecs, &hosts.codepipeline, &hosts.s3].map(TlsEndpoint::connections);
    let calls = world.simulator.calls();
    let of_ecs = calls.iter().filter(|call| call.service == "ecs").count();
    assert!(ecs < of_ecs, "{ecs} connections for {of_ecs} calls");
    assert_eq!([codepipeline, s3], [1, 1]);
    function.stop().await;
}

#[tokio::test]
async fn every_request_of_a_start_is_signed() {
    let world = World::new();
    let hosts = Hosts::of(&world, "unsigned");
    let mut runtime_api = RuntimeApi::start().await;
    let function = hosts.start(&world, &runtime_api);
    start(&world, &mut runtime_api).await;
    for call in world.simulator.calls() {
        assert!(call.access_key_id.is_some(), "{call:?}");
    }
    function.stop().await;
}
