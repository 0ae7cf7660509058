//! Kinds of values, and what holds for a parameter that is not written.

use std::fmt::Display;

use serde_json::Value;

use super::problems::Problems;
use crate::deploy::spec::FailureThreshold;

/// As many as ECS's own circuit breaker counts to at most.
const THRESHOLD_MAX: u16 = 200;

/// The `max` of a number without a limit that matters: ECS keeps a million revisions of a family
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>).
pub(super) const NO_MAX: u64 = 1_000_000;

/// A kind of value that is read as a `T`.
pub(super) trait Kind<T> {
    /// Reads what was written at `place`, or reports what is expected instead.
    fn read(&self, place: &'static str, written: &Value, problems: &mut Problems) -> Option<T>;

    /// Its numeric bounds, in the README's text.
    fn bounds(&self) -> Option<String> {
        None
    }
}

/// A text by the rule that it holds; the rule's error is what is expected instead.
pub(super) struct Text<T>(pub(super) fn(&str) -> Result<T, String>);

impl<T> Kind<T> for Text<T> {
    fn read(&self, place: &'static str, written: &Value, problems: &mut Problems) -> Option<T> {
        let outcome = match written {
            Value::String(text) if !text.trim().is_empty() => (self.0)(text.trim()),
            Value::String(_) => Err("a value; leave it out for the default".to_owned()),
            _ => Err("a text in double quotes".to_owned()),
        };
        problems.accepted(place, written, outcome)
    }
}

/// A whole number within bounds, also as a text.
pub(super) struct Number {
    pub(super) min: u64,
    pub(super) max: u64,
    /// What it counts, as it follows "a whole number": ` of minutes`, or nothing.
    pub(super) unit: &'static str,
}

impl<T: TryFrom<u64>> Kind<T> for Number {
    fn read(&self, place: &'static str, written: &Value, problems: &mut Problems) -> Option<T> {
        let Self { min, max, unit } = self;
        let outcome = whole_number(written)
            .filter(|number| (min..=max).contains(&number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("a whole number{unit} from {min} to {max}"));
        problems.accepted(place, written, outcome)
    }

    fn bounds(&self) -> Option<String> {
        Some(if self.max < NO_MAX {
            format!("{} to {}", self.min, self.max)
        } else {
            format!("{} or more", self.min)
        })
    }
}

/// A whole number, also as a text.
pub(super) fn whole_number(written: &Value) -> Option<u64> {
    match written {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64(),
    }
}

/// `true` or `false`, also as a text.
pub(super) struct Boolean;

impl Kind<bool> for Boolean {
    fn read(&self, place: &'static str, written: &Value, problems: &mut Problems) -> Option<bool> {
        let read = match written {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            },
            _ => None,
        };
        let outcome = read.ok_or_else(|| "true or false".to_owned());
        problems.accepted(place, written, outcome)
    }
}

/// How many tasks may fail: a number, a word, or 0.
pub(super) struct Threshold;

impl Kind<FailureThreshold> for Threshold {
    fn read(
        &self,
        place: &'static str,
        written: &Value,
        problems: &mut Problems,
    ) -> Option<FailureThreshold> {
        let number = whole_number(written).and_then(|number| u16::try_from(number).ok());
        let outcome = match (number, written) {
            (Some(0), _) => Ok(FailureThreshold::Never),
            (Some(tasks), _) if tasks <= THRESHOLD_MAX => Ok(FailureThreshold::Tasks(tasks)),
            (None, Value::String(word)) if word.trim().eq_ignore_ascii_case("auto") => {
                Ok(FailureThreshold::Auto)
            }
            _ => Err(format!(
                "auto, a whole number of tasks from 1 to {THRESHOLD_MAX}, or 0 to leave it to ECS and the time limit"
            )),
        };
        problems.accepted(place, written, outcome)
    }

    fn bounds(&self) -> Option<String> {
        Some(format!("1 to {THRESHOLD_MAX}"))
    }
}

/// What holds if a parameter of type `T` is not written.
pub(super) trait Absent<T> {
    /// What the parameter means in the end.
    type Meaning;

    /// What was written, or what holds instead.
    fn meaning(self, written: Option<T>) -> Self::Meaning;

    /// What the README says of it, without backquotes.
    fn shown(&self) -> String;
}

/// The default is this value.
pub(super) struct Is<T>(pub(super) T);

impl<T: Display> Absent<T> for Is<T> {
    type Meaning = T;

    fn meaning(self, written: Option<T>) -> T {
        written.unwrap_or(self.0)
    }

    fn shown(&self) -> String {
        self.0.to_string()
    }
}

impl Absent<String> for Is<&'static str> {
    type Meaning = String;

    fn meaning(self, written: Option<String>) -> String {
        written.unwrap_or_else(|| self.0.to_owned())
    }

    fn shown(&self) -> String {
        self.0.to_owned()
    }
}

/// There is no value, which means what this text says.
pub(super) struct Unset(pub(super) &'static str);

impl<T> Absent<T> for Unset {
    type Meaning = Option<T>;

    fn meaning(self, written: Option<T>) -> Option<T> {
        written
    }

    fn shown(&self) -> String {
        self.0.to_owned()
    }
}
