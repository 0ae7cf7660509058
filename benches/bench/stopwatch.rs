//! The benchmarks' one door to the machine's clock.

use std::time::{Duration, Instant};

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "how long things take is what is asked"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The middle one; of an even number, the later of the two.
pub(crate) fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}
