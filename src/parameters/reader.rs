//! Takes parameters by name out of what was written.

use serde_json::Value;

use super::kinds::Kind;
use super::problems::{NAME_SHOWN_CHARS, Problems};
use super::written::Written;
use crate::deploy::failure::PROBLEM_LIMIT;
use crate::deploy::text;

/// What was written and not read yet.
pub(super) struct Reader {
    left: Written,
    problems: Problems,
}

impl Reader {
    pub(super) fn new(written: Written) -> Self {
        Self {
            left: written,
            problems: Problems::default(),
        }
    }

    /// Takes the parameter's value and reads it. `null` means that it was not written.
    pub(super) fn read<T>(&mut self, name: &'static str, kind: &impl Kind<T>) -> Option<T> {
        let value = self.take(name)?;
        kind.read(name, &value, &mut self.problems)
    }

    /// The parameter's value; of several the first, which is reported.
    fn take(&mut self, name: &'static str) -> Option<Value> {
        let mut values: Vec<Value> = Vec::new();
        self.left.retain(|(written, value)| {
            let is_it = written == name;
            if is_it {
                values.push(value.clone());
            }
            !is_it
        });
        if values.len() > 1 {
            let times = values.len();
            let sentence = format!("{name} is written {times} times: keep one");
            self.problems.refuse(name, sentence);
        }
        values.into_iter().next().filter(|value| !value.is_null())
    }

    /// Reports the names that no parameter has: of a later version, or misspelt. `names` are those that
    /// there are.
    pub(super) fn finish(self, names: &[&str]) -> Problems {
        let Self { left, mut problems } = self;
        for (place, (name, _)) in left.into_iter().enumerate() {
            let name = text::cut(&name, NAME_SHOWN_CHARS);
            // No more than these are shown, and a comparison with every name takes time.
            let known = names.iter().filter(|_| place < PROBLEM_LIMIT);
            let sentence = match text::nearest(&name, known.copied()) {
                Some(near) => format!("{name} is not a parameter: did you mean {near}?"),
                None => format!(
                    "{name} is not a parameter; the parameters are {}",
                    text::listed(names)
                ),
            };
            problems.report(sentence);
        }
        problems
    }
}
