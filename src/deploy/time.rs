//! Points in time and how durations are said to people.

use std::time::Duration;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
///
/// Deciding code is handed one; only [`crate::clock`] makes them from a real clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch, as Lambda's deadline is given.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch, as the continuation token holds them.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long before `self` the time `earlier` was; zero if it was not earlier.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(millis))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Timestamp;

    fn sub(self, duration: Duration) -> Timestamp {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_sub(millis))
    }
}

/// A duration as the answers say it: `40 s` under a minute, else whole minutes: `5 min`.
pub fn spoken(duration: Duration) -> String {
    if duration.as_secs() < 60 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} min", duration.as_secs() / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_seconds_below_a_minute_and_in_minutes_above() {
        assert_eq!(spoken(Duration::from_secs(0)), "0 s");
        assert_eq!(spoken(Duration::from_secs(59)), "59 s");
        assert_eq!(spoken(Duration::from_mins(1)), "1 min");
        assert_eq!(spoken(Duration::from_secs(5 * 60 + 59)), "5 min");
    }

    #[test]
    fn a_time_that_was_not_earlier_is_zero_ago_and_sums_do_not_overflow() {
        let now = Timestamp::from_secs(10);
        assert_eq!(now.since(Timestamp::from_secs(11)), Duration::ZERO);
        assert_eq!(now.since(Timestamp::from_secs(7)), Duration::from_secs(3));
        assert_eq!(
            Timestamp::from_millis(i64::MAX) + Duration::from_secs(1),
            Timestamp::from_millis(i64::MAX)
        );
        assert_eq!(Timestamp::from_secs(i64::MAX).as_millis(), i64::MAX);
    }
}
