//! A start, or a continuation, that cannot go on.

use crate::deploy::cleanup::Cleanup;
use crate::deploy::failure::Failure;

/// The failure to answer with, and what is to be cleaned up after it.
pub(super) struct Refused {
    pub(super) failure: Failure,
    pub(super) cleanup: Cleanup,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            cleanup: Cleanup::default(),
        }
    }
}

impl Refused {
    /// After which these revisions of this job are of no use to anybody.
    pub(super) fn with_unused(failure: Failure, unused: Vec<String>) -> Self {
        Self {
            failure,
            cleanup: Cleanup {
                unused,
                ..Cleanup::default()
            },
        }
    }

    pub(super) fn map(self, change: impl FnOnce(Failure) -> Failure) -> Self {
        Self {
            failure: change(self.failure),
            ..self
        }
    }
}
