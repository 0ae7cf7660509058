//! Time for several who share a driven clock: it passes only while all of them wait for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Clock;

/// A driven clock that several share. Clones are the same.
#[derive(Clone)]
pub struct Together {
    clock: Clock,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    /// So many have not left.
    members: usize,
    /// Who waits until when, in the order of their times.
    until: BTreeMap<(i64, u64), oneshot::Sender<()>>,
    numbers: u64,
}

impl Together {
    /// For so many members.
    pub fn new(clock: Clock, members: usize) -> Self {
        let waiting = Waiting {
            members,
            ..Waiting::default()
        };
        Self {
            clock,
            waiting: Arc::new(Mutex::new(waiting)),
        }
    }

    /// Waits until so much time has passed, which it does once all members wait.
    pub async fn sleep(&self, duration: Duration) {
        let woken = {
            let mut waiting = self.waiting();
            let (wake, woken) = oneshot::channel();
            let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
            waiting.numbers += 1;
            let key = (self.clock.now_ms().saturating_add(millis), waiting.numbers);
            waiting.until.insert(key, wake);
            self.pass(&mut waiting);
            woken
        };
        // Who wakes it lives as long as it waits.
        drop(woken.await);
    }

    /// A member does not wait any more.
    pub fn leave(&self) {
        let mut waiting = self.waiting();
        waiting.members = waiting.members.saturating_sub(1);
        self.pass(&mut waiting);
    }

    /// If all wait, the first is woken at its time.
    fn pass(&self, waiting: &mut Waiting) {
        if waiting.until.len() < waiting.members {
            return;
        }
        if let Some(((at, _), wake)) = waiting.until.pop_first() {
            let left = at.saturating_sub(self.clock.now_ms());
            self.clock
                .advance(Duration::from_millis(u64::try_from(left).unwrap_or(0)));
            // It may have been given up.
            let _ = wake.send(());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn time_passes_once_all_wait_and_each_is_woken_at_its_time() {
        let clock = Clock::driven();
        let start = clock.now_ms();
        let together = Together::new(clock.clone(), 2);
        let waits = |secs: &'static [u64]| {
            let (together, clock) = (together.clone(), clock.clone());
            async move {
                let mut at = Vec::new();
                for secs in secs {
                    together.sleep(Duration::from_secs(*secs)).await;
                    at.push(clock.now_ms() - start);
                }
                together.leave();
                at
            }
        };
        let (one, other) = tokio::join!(waits(&[5, 5, 5]), waits(&[7]));
        assert_eq!((one, other), (vec![5000, 10_000, 15_000], vec![7000]));
    }
}
