//! Requests on their way: how many at once, in which order they begin and end, how long they take.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// All requests of a simulator.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    latency: Mutex<Duration>,
    /// When the last request came, if requests are answered in waves.
    last_came: Mutex<Option<Instant>>,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    /// Beginnings and ends so far.
    steps: AtomicU64,
}

/// So long no request has to come before those that are there are answered. A busy machine may take
/// a while from one to the next.
const QUIET: Duration = Duration::from_millis(250);

/// A request that is not answered yet.
pub(crate) struct Passage<'a> {
    traffic: &'a Traffic,
    /// Which of all beginnings and ends it began at.
    pub(crate) began: u64,
}

impl Traffic {
    /// A request begins.
    pub(crate) fn enter(&self) -> Passage<'_> {
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(in_flight, Ordering::SeqCst);
        let last_came = &mut *self
            .last_came
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last_came = last_came.map(|_| now());
        Passage {
            traffic: self,
            began: self.step(),
        }
    }

    fn step(&self) -> u64 {
        self.steps.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        *self.latency.lock().unwrap_or_else(PoisonError::into_inner) = latency;
    }

    /// From now on requests are answered once no more have come for [`QUIET`]: those that were made
    /// side by side meet, however long it takes to make all of them.
    pub(crate) fn answer_in_waves(&self) {
        *self
            .last_came
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(now());
    }

    /// How long it is until the requests that are there are answered.
    fn until_quiet(&self) -> Duration {
        let last_came = *self
            .last_came
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        last_came.map_or(Duration::ZERO, |last| {
            QUIET.saturating_sub(now().duration_since(last))
        })
    }

    /// A connection was made, without TLS.
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
    }

    /// How many connections were made, without TLS.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Takes as long as one round trip does.
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a request takes is real time: what it is for is that others go on meanwhile"
    )]
    pub(crate) async fn pass(&self) {
        let latency = *self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        loop {
            let left = self.until_quiet();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }

    /// The largest number of requests that were on their way at once.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.most_in_flight.load(Ordering::SeqCst)
    }

    /// Counts the largest number anew.
    pub(crate) fn forget(&self) {
        let in_flight = self.in_flight.load(Ordering::SeqCst);
        self.most_in_flight.store(in_flight, Ordering::SeqCst);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "whether requests are on their way at once is a matter of real time"
)]
fn now() -> Instant {
    Instant::now()
}

impl Passage<'_> {
    /// Takes as long as every answer does; says at which of all beginnings and ends it ends.
    pub(crate) async fn end(&self) -> u64 {
        self.traffic.pass().await;
        self.traffic.step()
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        self.traffic.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
