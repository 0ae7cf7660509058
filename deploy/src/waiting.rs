//! A start that cannot go on yet: AWS throttles or is unavailable, or somebody else's deployment is waited for.

use std::time::Duration;

use super::pace::jittered;
use super::time::Timestamp;

/// Nothing was changed, but for revisions that no service uses yet. The start is tried again from its beginning,
/// under the job that came first, until the time limit has passed since that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The job that came first: the tag of its revisions.
    pub job: String,
    /// When that came.
    pub since: Timestamp,
    /// Why it waits, as a sentence without its end.
    pub why: String,
    /// Which version of the artifact the `ConfigFile` was read from.
    pub config_pin: Option<String>,
    /// Somebody's deployment is waited for, not AWS.
    pub is_busy: bool,
    /// What a try has registered, which no service uses yet.
    pub registered: Vec<String>,
    /// What each service was set to when it was registered, or chosen; none before.
    pub set_to: Vec<String>,
    /// What was chosen for each service of what there is, so that it is not chosen anew: revisions; none before.
    pub chosen: Vec<String>,
    /// When it was chosen.
    pub chosen_at: Option<Timestamp>,
}

/// Between two tries within one invocation, at first; twice as long each time.
const SHORTEST: Duration = Duration::from_secs(5);

/// The longest.
const LONGEST: Duration = Duration::from_secs(30);

impl Waiting {
    /// How long to wait before try number `tries`, the first after one of them being 1.
    pub fn pause(&self, tries: u32) -> Duration {
        let doubled = SHORTEST.saturating_mul(1 << tries.saturating_sub(1).min(8));
        jittered(doubled.min(LONGEST), &self.job, tries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_tried_again_after_growing_pauses_that_are_another_for_each_job() {
        let pauses = |job: &str| -> Vec<Duration> {
            let waiting = Waiting {
                job: job.to_owned(),
                since: Timestamp::from_secs(0),
                why: String::new(),
                config_pin: None,
                is_busy: false,
                registered: Vec::new(),
                set_to: Vec::new(),
                chosen: Vec::new(),
                chosen_at: None,
            };
            (1..9).map(|tries| waiting.pause(tries)).collect()
        };
        let one = pauses("a");
        assert!(one[0] <= SHORTEST && one[0] > SHORTEST / 2, "{one:?}");
        assert!(one[1] > one[0] && one[2] > one[1], "{one:?}");
        assert!(one.iter().all(|pause| *pause <= LONGEST), "{one:?}");
        assert_ne!(one, pauses("b"));
    }
}
