//! What is wrong with the parameters: all of it, not only the first.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::deploy::text;

/// A value in a message is cut to so many characters.
const VALUE_SHOWN_CHARS: usize = 80;
/// A name in a message is cut to so many characters.
pub(super) const NAME_SHOWN_CHARS: usize = 60;

/// One problem of the parameters, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub(super) String);

/// The problems so far, and which values they refuse.
#[derive(Default)]
pub(super) struct Problems {
    reported: Vec<Problem>,
    refused: BTreeSet<String>,
}

impl Problems {
    pub(super) fn report(&mut self, sentence: String) {
        self.reported.push(Problem(sentence));
    }

    /// Reports a problem of what is written at `place`.
    pub(super) fn refuse(&mut self, place: &str, sentence: String) {
        self.refused.insert(place.to_owned());
        self.report(sentence);
    }

    /// What was read at `place`; if it was refused, the problem is reported with what is expected.
    pub(super) fn accepted<T>(
        &mut self,
        place: &str,
        written: &Value,
        outcome: Result<T, String>,
    ) -> Option<T> {
        outcome
            .map_err(|expected| {
                let written = text::cut(&written.to_string(), VALUE_SHOWN_CHARS);
                self.refuse(place, format!("{place} is {written}: expected {expected}"));
            })
            .ok()
    }

    /// Whether a value was written for `name` that was refused: so it is not missing.
    pub(super) fn is_refused(&self, name: &str) -> bool {
        self.refused.contains(name)
    }

    /// Reports `name` as missing unless its value `is_set` or was refused.
    pub(super) fn require(&mut self, name: &str, is_set: bool) {
        if !is_set && !self.is_refused(name) {
            self.report(format!("{name} is required and not set"));
        }
    }

    /// Reports the members of an object that it cannot have.
    pub(super) fn known_members(
        &mut self,
        place: &str,
        members: &Map<String, Value>,
        known: &[&str],
    ) {
        let is_unknown = |name: &&String| !known.contains(&name.as_str());
        for name in members.keys().filter(is_unknown) {
            let name = text::cut(name, NAME_SHOWN_CHARS);
            let hint = match text::nearest(&name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("it may have {}", text::listed(known)),
            };
            self.report(format!("{place} has no member {name}: {hint}"));
        }
    }

    /// All that was reported, in that order.
    pub(super) fn into_list(self) -> Vec<Problem> {
        self.reported
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reported.is_empty()
    }
}
