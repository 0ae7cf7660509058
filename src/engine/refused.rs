//! A start, or a continuation, that cannot go on.

use crate::deploy::cleanup::Cleanup;
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::text;

/// The failure to answer with, and what is to be cleaned up after it.
pub(super) struct Refused {
    pub(super) failure: Failure,
    pub(super) cleanup: Cleanup,
    /// Why it may go on at another time, if it may and nothing was changed, as a sentence without its end.
    pub(super) may_wait: Option<String>,
    /// A service may have been set to this job's revision: no revision of this job may go.
    pub(super) may_be_set: bool,
}

/// AWS throttles, or was unavailable through all retries, before anything was changed.
fn why_to_wait(failure: &Failure) -> Option<String> {
    let may_pass = failure.kind == FailureKind::SystemUnavailable;
    may_pass.then(|| text::first_sentence(&failure.message).to_owned())
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            may_wait: why_to_wait(&failure),
            failure,
            cleanup: Cleanup::default(),
            may_be_set: false,
        }
    }
}

impl Refused {
    /// After which these revisions of this job are of no use to anybody.
    pub(super) fn with_unused(failure: Failure, unused: Vec<String>) -> Self {
        Self {
            may_wait: why_to_wait(&failure),
            failure,
            cleanup: Cleanup {
                unused,
                ..Cleanup::default()
            },
            may_be_set: false,
        }
    }

    pub(super) fn map(self, change: impl FnOnce(Failure) -> Failure) -> Self {
        Self {
            failure: change(self.failure),
            ..self
        }
    }
}
