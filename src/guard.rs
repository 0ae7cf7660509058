//! Work that can be cut off, and may panic, without stopping the handler.

use std::future::Future;
use std::time::Duration;

use crate::deploy::machine::Cut;

/// Runs `work` in a task of its own, so that a panic or the time limit ends it and not us.
pub(crate) async fn guarded<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
    cut_after: Option<Duration>,
) -> Result<T, Cut> {
    let mut work = tokio::spawn(work);
    let finished = match cut_after {
        Some(cut_after) => tokio::time::timeout(cut_after, &mut work).await,
        None => Ok((&mut work).await),
    };
    match finished {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(Cut::Panic),
        Err(_) => {
            work.abort();
            Err(Cut::TimeLimit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_and_the_time_limit_end_the_work_and_not_us() {
        assert_eq!(guarded(async { 1 }, None).await, Ok(1));
        let panics = guarded(async { [0][std::hint::black_box(1)] }, None);
        assert_eq!(panics.await, Err(Cut::Panic));
        let never = guarded(std::future::pending::<()>(), Some(Duration::ZERO));
        assert_eq!(never.await, Err(Cut::TimeLimit));
    }
}
