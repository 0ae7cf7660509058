//! A stateful simulator of S3, ECS, CodePipeline, ECR, STS, CloudWatch Logs, `EventBridge` and its scheduler, and of
//! what is looked at of Secrets Manager, Systems Manager, IAM, CloudWatch and Elastic Load Balancing, on one loopback endpoint, over the real wire protocols, for the tests and the local
//! runner.
//!
//! It is there to catch mistakes of its client, so it is never more lenient than AWS: requests are
//! checked against AWS's API models ([`Simulator::allow_unknown`] makes exceptions), S3 checks
//! signatures, CodePipeline takes one answer for each job. Its clock can be driven, so that a
//! rollout of an hour takes no time; its weather can be made bad ([`Faults`]).
//!
//! `server` is the endpoint: `request` takes a request apart, `faults` decides what happens to it,
//! `cloud` checks it and hands it to its service, a file or folder for each. `arn`, `clock`,
//! `credentials` and `wire` are at the bottom; no file imports what imports it.
//!
//! Caveats: what it does not do is refused, not guessed. Nothing of its state outlives it.

mod account;
mod arn;
pub mod artifacts;
mod calls;
mod clients;
mod clock;
mod cloud;
mod codepipeline;
mod credentials;
mod denial;
mod ecr;
pub mod ecs;
mod events;
mod faults;
mod hooks;
mod lambda;
mod logs;
mod model;
mod quotas;
mod request;
mod s3;
mod scheduler;
mod server;
mod sts;
#[cfg(test)]
mod tests;
mod tls;
mod together;
mod traffic;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use cloud::Cloud;

pub use account::{Account, SECRET_VERSION};
pub use arn::{ACCOUNT, REGION};
pub use calls::{Call, round_trips};
pub use clients::client_config;
pub use clock::{Clock, EPOCH_MS};
pub use codepipeline::{Answer, CodePipeline, StartAction};
pub use credentials::{
    ARTIFACT_ACCESS_KEY_ID, ARTIFACT_SECRET_ACCESS_KEY, ARTIFACT_SESSION_TOKEN,
    ASSUMED_ACCESS_KEY_ID, FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY,
};
pub use ecr::{Ecr, Inaccessible};
pub use ecs::Ecs;
pub use events::Events;
pub use faults::Faults;
pub use hooks::Reply;
pub use lambda::{Posted, RuntimeApi};
pub use logs::Logs;
pub use quotas::QuotaUse;
pub use s3::S3;
pub use scheduler::Scheduler;
pub use sts::Sts;
pub use tls::TlsEndpoint;
pub use together::Together;

/// The simulator. Clones are the same; it stops when the last is dropped.
#[derive(Clone)]
pub struct Simulator {
    cloud: Arc<Cloud>,
    address: SocketAddr,
    /// Takes what is to be served besides.
    over_tls: mpsc::UnboundedSender<tls::Listening>,
    /// Dropped with the last clone, which ends the server's thread.
    _stop: Arc<oneshot::Sender<()>>,
}

impl Simulator {
    /// One with a driven clock.
    ///
    /// # Panics
    /// If this machine has no loopback address to listen on.
    pub fn start() -> Self {
        Self::start_with(Clock::driven())
    }

    /// One with a driven clock in whose account ECS's quotas hold: [`Faults::quotas`].
    ///
    /// # Panics
    /// If this machine has no loopback address to listen on.
    pub fn with_quotas() -> Self {
        let simulator = Self::start();
        simulator.faults().quotas(true);
        simulator
    }

    /// One with this clock. It runs on a thread of its own.
    ///
    /// # Panics
    /// If this machine has no loopback address to listen on.
    pub fn start_with(clock: Clock) -> Self {
        let cloud = Arc::new(Cloud::new(clock));
        let (stop, stopped) = oneshot::channel();
        let (started, address) = std::sync::mpsc::channel();
        let (over_tls, endpoints) = mpsc::unbounded_channel();
        let serving = cloud.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the simulator");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0")
                    .await
                    .expect("a port of the loopback address");
                let address = listener.local_addr().expect("the port's address");
                started.send(address).expect("somebody who started it");
                tokio::select! {
                    () = server::serve(listener, serving.clone()) => {}
                    () = server::serve_over_tls(endpoints, serving) => {}
                    // An error is what the dropped sender leaves.
                    _ = stopped => {}
                }
            });
        });
        let address = address.recv().expect("the simulator's thread to listen");
        cloud.ecr.serve_blobs_at(&format!("http://{address}"));
        Self {
            cloud,
            address,
            over_tls,
            _stop: Arc::new(stop),
        }
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// One more endpoint, over TLS: another host, as far as clients can tell. A connection to it
    /// takes two round trips (see [`Simulator::set_latency`]).
    ///
    /// # Panics
    /// If this machine has no loopback address to listen on.
    pub fn tls_endpoint(&self) -> TlsEndpoint {
        let identity = self.cloud.identity.get_or_init(tls::Identity::new);
        let (endpoint, listening) = tls::listen(identity);
        let sent = self.over_tls.send(listening);
        assert!(sent.is_ok(), "the simulator's thread runs");
        endpoint
    }

    /// How many connections have been made to [`Simulator::endpoint`].
    pub fn connections(&self) -> usize {
        self.cloud.traffic.connections()
    }

    /// What clients with the function's credentials are made from.
    pub fn client_config(&self) -> aws_config::SdkConfig {
        client_config(
            &self.endpoint(),
            REGION,
            FUNCTION_ACCESS_KEY_ID,
            FUNCTION_SECRET_ACCESS_KEY,
        )
    }

    /// Its clock.
    pub fn clock(&self) -> Clock {
        self.cloud.clock.clone()
    }

    /// S3.
    pub fn s3(&self) -> S3 {
        self.cloud.s3.clone()
    }

    /// ECS.
    pub fn ecs(&self) -> Ecs {
        self.cloud.ecs.clone()
    }

    /// CodePipeline.
    pub fn codepipeline(&self) -> CodePipeline {
        self.cloud.codepipeline.clone()
    }

    /// ECR.
    pub fn ecr(&self) -> Ecr {
        self.cloud.ecr.clone()
    }

    /// STS.
    pub fn sts(&self) -> Sts {
        self.cloud.sts.clone()
    }

    /// Secrets, parameters, roles, target groups and alarms.
    pub fn account(&self) -> Account {
        self.cloud.account.clone()
    }

    /// CloudWatch Logs.
    pub fn logs(&self) -> Logs {
        self.cloud.logs.clone()
    }

    /// `EventBridge`.
    pub fn events(&self) -> Events {
        self.cloud.events.clone()
    }

    /// `EventBridge` Scheduler.
    pub fn scheduler(&self) -> Scheduler {
        self.cloud.scheduler.clone()
    }

    /// The weather.
    pub fn faults(&self) -> Faults {
        self.cloud.faults.clone()
    }

    /// All calls so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.cloud
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The calls of one operation so far, in order.
    pub fn calls_of(&self, operation: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.operation == operation);
        calls
    }

    /// The next time that `operation` is called, `happen` comes first: [`Faults::before`] the next.
    pub fn on_call(&self, operation: &str, happen: impl FnOnce() + Send + 'static) {
        self.cloud.faults.before(operation, 1, happen);
    }

    /// From now on every request is answered only after so much real time, in which others go on.
    pub fn set_latency(&self, latency: Duration) {
        self.cloud.traffic.set_latency(latency);
    }

    /// From now on requests are answered once no more have come for a moment, so that
    /// [`round_trips`] sees which ones are made side by side: a slow machine may take long for all of
    /// them, only not between one and the next.
    pub fn answer_in_waves(&self) {
        self.cloud.traffic.answer_in_waves();
    }

    /// The largest number of requests that were on their way at once, since the start or the last
    /// [`Simulator::clear_calls`].
    pub fn max_concurrent(&self) -> usize {
        self.cloud.traffic.most_in_flight()
    }

    /// Forgets the calls so far, and how many there were at once.
    pub fn clear_calls(&self) {
        self.cloud.traffic.forget();
        self.cloud
            .calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Lets a member of this name pass anywhere, though AWS's models do not have it: for a test
    /// that invents a field.
    pub fn allow_unknown(&self, member: &str) {
        self.cloud
            .allowed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(member.to_owned());
    }
}
