//! Calls side by side, but not all of them at once: users and AWS decide how many there are.

use std::future::Future;

use futures_util::StreamExt as _;
use futures_util::stream;

/// So many calls of one kind are on their way at once: as many as an action may have services, so
/// that these wait for one another as little as possible. A function of 128 MB can hold the
/// connections, and no quota of AWS's is that low.
pub(super) const AT_ONCE: usize = crate::deploy::spec::SERVICES_LIMIT;

/// The outcomes of `futures`, in their order; [`AT_ONCE`] are under way at a time.
pub(super) async fn few_at_once<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    // A stream of the iterator itself would not be `Send` for all lifetimes
    // (<https://github.com/rust-lang/rust/issues/102211>).
    let futures: Vec<F> = futures.into_iter().collect();
    stream::iter(futures).buffered(AT_ONCE).collect().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn all_are_done_in_order_and_never_more_than_a_few_at_once() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let futures = (0..3000).map(|number| {
            let (now, most) = (&now, &most);
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                for _ in 0..=number % 7 {
                    tokio::task::yield_now().await;
                }
                now.set(now.get() - 1);
                number
            }
        });
        let done = few_at_once(futures).await;
        assert_eq!(done, (0..3000).collect::<Vec<_>>());
        assert_eq!(most.get(), AT_ONCE);
    }
}
