//! How long an invocation may watch and work.

use std::time::Duration;

use crate::deploy::time::Timestamp;

/// Kept free at the end of an invocation for the answer and its retries.
const ANSWER_RESERVE: Duration = Duration::from_secs(15);

const _: () = assert!(ANSWER_RESERVE.as_millis() > crate::aws::ANSWER_TIMEOUT.as_millis());

/// Watching stops so much before that, so that a look that takes long is not cut off.
pub(crate) const LOOK_RESERVE: Duration = Duration::from_secs(5);

/// Nothing is tried again in the last minute of an invocation: what came of a call that is cut off is not known.
const MAKE_RESERVE: Duration = Duration::from_mins(1);

/// How long an invocation may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// When the invocation began.
    pub(crate) began: Timestamp,
    /// Watching ends here.
    pub(crate) watch_until: Timestamp,
    /// What AWS has not the time for is tried again until then.
    pub(crate) make_until: Timestamp,
    /// The work is cut off after this, if Lambda's limit is known.
    pub(crate) cut_after: Option<Duration>,
}

/// The limits of an invocation that starts `now` and that Lambda ends at `deadline`; one that goes on with a
/// job watches for `watch`.
pub(crate) fn limits(
    now: Timestamp,
    deadline: Timestamp,
    watch: Duration,
    is_manual: bool,
) -> Limits {
    let left = deadline.since(now);
    if left.is_zero() {
        return Limits {
            began: now,
            watch_until: now + watch,
            make_until: now + watch,
            cut_after: None,
        };
    }
    // A function with a very short limit still gets half of it for its work.
    let cut_after = left.saturating_sub(ANSWER_RESERVE).max(left / 2);
    let longest = cut_after.saturating_sub(LOOK_RESERVE);
    let watch = if is_manual {
        longest
    } else {
        watch.min(longest)
    };
    Limits {
        began: now,
        watch_until: now + watch,
        make_until: now + cut_after.saturating_sub(MAKE_RESERVE),
        cut_after: Some(cut_after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
    const WATCH: Duration = Duration::from_secs(40);

    fn in_secs(secs: u64) -> Timestamp {
        NOW + Duration::from_secs(secs)
    }

    #[test]
    fn a_deadline_in_the_past_limits_nothing() {
        for deadline in [Timestamp::from_millis(0), NOW] {
            let limits = limits(NOW, deadline, WATCH, false);
            assert_eq!(limits.watch_until, in_secs(40));
            assert_eq!(limits.cut_after, None);
        }
    }

    #[test]
    fn watching_ends_before_the_work_is_cut_off_and_that_before_the_time_limit() {
        for secs in 1..400 {
            let limits = limits(NOW, in_secs(secs), WATCH, false);
            let cut_after = limits.cut_after.unwrap();
            assert!(cut_after < Duration::from_secs(secs), "{secs}");
            assert!(limits.watch_until <= NOW + cut_after, "{secs}");
            assert!(limits.watch_until <= in_secs(40), "{secs}");
        }
    }

    #[test]
    fn a_manual_deployment_watches_until_shortly_before_the_time_limit() {
        let limits = limits(NOW, in_secs(300), WATCH, true);
        assert_eq!(limits.watch_until, in_secs(280));
    }
}
