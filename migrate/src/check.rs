//! Is the new document what was meant, and the old one everywhere else?
//!
//! It is parsed again and compared with the old one, node by node and comment by comment.

use std::collections::BTreeMap;

use crate::action::Action;
use crate::document::Document;
use crate::edit::Functions;
use crate::node::{Node, Pair, Value};
use crate::parameter::{Given, escaped, protected};

/// What was meant.
pub(crate) struct Intended<'a> {
    pub(crate) actions: &'a [&'a Action<'a>],
    pub(crate) function: &'a str,
    pub(crate) functions: Functions,
}

/// Goes through both trees at once.
struct Comparison<'a> {
    /// By the number of the action's node.
    actions: BTreeMap<usize, &'a Action<'a>>,
    function: &'a str,
    functions: Functions,
    /// Anchors of the old document → of the new one.
    anchors: BTreeMap<usize, usize>,
}

/// Whether `after` is `before` with the actions replaced, and nothing else.
pub(crate) fn is_as_intended(before: &Document<'_>, after: &str, intended: &Intended<'_>) -> bool {
    let Ok(after) = Document::parse(after) else {
        return false;
    };
    let comments = |document: &Document<'_>| {
        let all = document.comments.iter();
        let mut all: Vec<String> = all
            .map(|one| document.text[one.clone()].to_owned())
            .collect();
        all.sort_unstable();
        all
    };
    let mut comparison = Comparison {
        actions: intended
            .actions
            .iter()
            .map(|action| (action.node.id, *action))
            .collect(),
        function: intended.function,
        functions: intended.functions,
        anchors: BTreeMap::new(),
    };
    before.language == after.language
        && comments(before) == comments(&after)
        && comparison.is_same(&before.root, &after.root)
}

impl<'a> Comparison<'a> {
    fn is_same(&mut self, before: &Node, after: &Node) -> bool {
        if before.tag != after.tag || before.anchor.is_some() != after.anchor.is_some() {
            return false;
        }
        if let (Some(old), Some(new)) = (before.anchor, after.anchor) {
            self.anchors.insert(old, new);
        }
        if let Some(action) = self.actions.get(&before.id) {
            return self.is_replaced(action, before, after);
        }
        match (&before.value, &after.value) {
            (
                Value::Scalar {
                    text: old,
                    style: old_style,
                },
                Value::Scalar {
                    text: new,
                    style: new_style,
                },
            ) => old == new && old_style == new_style,
            (
                Value::Sequence {
                    items: old,
                    layout: old_layout,
                },
                Value::Sequence {
                    items: new,
                    layout: new_layout,
                },
            ) => {
                old_layout == new_layout
                    && old.len() == new.len()
                    && old.iter().zip(new).all(|(old, new)| self.is_same(old, new))
            }
            (
                Value::Mapping {
                    pairs: old,
                    layout: old_layout,
                },
                Value::Mapping {
                    pairs: new,
                    layout: new_layout,
                },
            ) => {
                old_layout == new_layout
                    && old.len() == new.len()
                    && old
                        .iter()
                        .zip(new)
                        .all(|(old, new)| self.is_same_pair(old, new))
            }
            (Value::Alias(old), Value::Alias(new)) => self.anchors.get(old) == Some(new),
            _ => false,
        }
    }

    fn is_same_pair(&mut self, before: &Pair, after: &Pair) -> bool {
        self.is_same(&before.key, &after.key) && self.is_same(&before.value, &after.value)
    }

    fn is_replaced(&mut self, action: &'a Action<'a>, before: &Node, after: &Node) -> bool {
        let (Value::Mapping { pairs: old, .. }, Value::Mapping { pairs: new, .. }) =
            (&before.value, &after.value)
        else {
            return false;
        };
        let old: Vec<&Pair> = old
            .iter()
            .enumerate()
            .filter_map(|(number, pair)| (!action.moved.contains(&number)).then_some(pair))
            .collect();
        old.len() == new.len()
            && old.iter().zip(new).all(|(old, new)| {
                if old.key.id == action.configuration.key.id {
                    self.is_same(&old.key, &new.key) && self.is_configuration(action, &new.value)
                } else if contains(&old.value, action.provider) {
                    self.is_same(&old.key, &new.key) && self.is_type(action, &old.value, &new.value)
                } else {
                    self.is_same_pair(old, new)
                }
            })
    }

    fn is_type(&mut self, action: &Action<'_>, before: &Node, after: &Node) -> bool {
        let (Some(old), Some(new)) = (before.pairs(), after.pairs()) else {
            return false;
        };
        old.len() == new.len()
            && old.iter().zip(new).all(|(old, new)| {
                let wanted = if old.value.id == action.category.id {
                    "Invoke"
                } else if old.value.id == action.provider.id {
                    "Lambda"
                } else {
                    return self.is_same_pair(old, new);
                };
                self.is_same(&old.key, &new.key)
                    && new.value.text() == Some(wanted)
                    && old.value.tag == new.value.tag
            })
    }

    fn is_configuration(&mut self, action: &Action<'_>, after: &Node) -> bool {
        let Some([function, parameters]) = after.pairs() else {
            return false;
        };
        let is_named = function.key.text() == Some("FunctionName")
            && function.value.text() == Some(self.function)
            && parameters.key.text() == Some("UserParameters");
        is_named && self.is_user_parameters(action, &parameters.value)
    }

    fn is_user_parameters(&mut self, action: &Action<'_>, after: &Node) -> bool {
        if !action.has_functions() {
            let literal = after.text().filter(|_| after.tag.is_none());
            return literal.is_some_and(|text| says(text, action, &[]));
        }
        let argument = match (after.function(), self.functions) {
            (Some(("Sub", argument)), Functions::Short) if after.tag.is_some() => argument,
            (Some(("Sub", argument)), Functions::Long) if after.tag.is_none() => argument,
            _ => return false,
        };
        let wanted: Vec<_> = action.variables().collect();
        if wanted.is_empty() {
            return argument
                .argument_text()
                .is_some_and(|text| says(text, action, &[]));
        }
        let [text, variables] = argument.arguments() else {
            return false;
        };
        let (Some(text), Some(pairs)) = (text.text(), variables.pairs()) else {
            return false;
        };
        let names: Vec<&str> = pairs.iter().filter_map(|pair| pair.key.text()).collect();
        names.len() == wanted.len()
            && pairs.len() == wanted.len()
            && wanted
                .iter()
                .zip(pairs)
                .all(|(one, pair)| self.is_same(&one.pair.value, &pair.value))
            && says(text, action, &names)
    }
}

/// Whether a text is JSON with exactly the action's parameters in their order. `variables` are the
/// names of those whose value is one.
fn says(text: &str, action: &Action<'_>, variables: &[&str]) -> bool {
    let Ok(serde_json::Value::Object(members)) = serde_json::from_str(text) else {
        return false;
    };
    let mut variables = variables.iter();
    let is_template = action.has_functions();
    members.len() == action.parameters.len()
        && action
            .parameters
            .iter()
            .zip(&members)
            .all(|(one, (name, value))| {
                let wanted = match &one.given {
                    Given::Literal(text) if is_template => protected(text),
                    Given::Literal(text) => Some(text.clone()),
                    Given::Variable => variables.next().map(|name| format!("${{{name}}}")),
                    Given::Inline(inside) => {
                        return one.name == name
                            && value
                                .as_str()
                                .is_some_and(|value| escaped(value) == *inside);
                    }
                };
                one.name == name && wanted.as_deref() == value.as_str()
            })
}

fn contains(node: &Node, inner: &Node) -> bool {
    node.any(|one| one.id == inner.id)
}
