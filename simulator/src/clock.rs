//! The simulator's time: the machine's, or one that is driven.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a driven clock begins: 2026-09-21T14:13:20Z.
pub const EPOCH_MS: i64 = 1_790_000_000_000;

/// One second.
pub(crate) const SECOND_MS: i64 = 1000;

/// A clock. Clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    driven: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// Stands still until it is advanced; begins at [`EPOCH_MS`].
    pub fn driven() -> Self {
        Self {
            driven: Some(Arc::new(AtomicI64::new(EPOCH_MS))),
        }
    }

    /// The machine's time.
    pub fn system() -> Self {
        Self { driven: None }
    }

    /// Whether time passes only by [`Clock::advance`].
    pub fn is_driven(&self) -> bool {
        self.driven.is_some()
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the simulator's one door to the clock"
    )]
    pub fn now_ms(&self) -> i64 {
        match &self.driven {
            Some(now) => now.load(Ordering::SeqCst),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| {
                    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
                }),
        }
    }

    /// Lets time pass on a driven clock; nothing happens on the machine's.
    pub fn advance(&self, by: Duration) {
        if let Some(now) = &self.driven {
            let millis = i64::try_from(by.as_millis()).unwrap_or(0);
            now.fetch_add(millis, Ordering::SeqCst);
        }
    }
}
