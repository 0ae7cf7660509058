//! A document as a tree that knows where each of its nodes stands in the text.

use std::ops::Range;

/// A node and its place.
#[derive(Debug)]
pub(crate) struct Node {
    /// Counts the nodes in the order in which they begin.
    pub(crate) id: usize,
    /// Bytes of the text: with tag and anchor, without what only follows (blank lines, comments).
    pub(crate) span: Range<usize>,
    /// As written: `!Ref`, `!!str`.
    pub(crate) tag: Option<String>,
    /// The anchor's number.
    pub(crate) anchor: Option<usize>,
    pub(crate) value: Value,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar {
        text: String,
        style: Style,
    },
    Sequence {
        items: Vec<Node>,
        layout: Layout,
    },
    Mapping {
        pairs: Vec<Pair>,
        layout: Layout,
    },
    /// The number of the anchor that is meant.
    Alias(usize),
}

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) key: Node,
    pub(crate) value: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|` or `>`.
    Block,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Lines with an indentation.
    Block,
    /// Brackets, as in JSON.
    Flow,
}

/// What a mapping has under a key.
pub(crate) enum Found<'a> {
    Nothing,
    One(&'a Pair),
    /// YAML and JSON both leave open what that means.
    Several,
}

impl Node {
    /// The text of a scalar without a tag, or with one that says it is a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match (&self.value, self.tag.as_deref()) {
            (Value::Scalar { text, .. }, None | Some("!!str")) => Some(text),
            _ => None,
        }
    }

    /// The pairs of a mapping without a tag.
    pub(crate) fn pairs(&self) -> Option<&[Pair]> {
        match (&self.value, &self.tag) {
            (Value::Mapping { pairs, .. }, None) => Some(pairs),
            _ => None,
        }
    }

    /// The items of a sequence without a tag.
    pub(crate) fn items(&self) -> Option<&[Node]> {
        match (&self.value, &self.tag) {
            (Value::Sequence { items, .. }, None) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn find(&self, key: &str) -> Found<'_> {
        let mut all = self.pairs().unwrap_or_default().iter();
        let mut all = all.by_ref().filter(|pair| pair.key.text() == Some(key));
        match (all.next(), all.next()) {
            (None, _) => Found::Nothing,
            (Some(pair), None) => Found::One(pair),
            (Some(_), Some(_)) => Found::Several,
        }
    }

    /// What stands under `key`, if that is one thing.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match self.find(key) {
            Found::One(pair) => Some(&pair.value),
            Found::Nothing | Found::Several => None,
        }
    }

    /// Whether a mapping takes in another one (`<<`).
    pub(crate) fn has_merge_key(&self) -> bool {
        let pairs = self.pairs().unwrap_or_default();
        pairs.iter().any(|pair| pair.key.text() == Some("<<"))
    }

    pub(crate) fn children(&self) -> Vec<&Node> {
        match &self.value {
            Value::Scalar { .. } | Value::Alias(_) => Vec::new(),
            Value::Sequence { items, .. } => items.iter().collect(),
            Value::Mapping { pairs, .. } => pairs
                .iter()
                .flat_map(|pair| [&pair.key, &pair.value])
                .collect(),
        }
    }

    /// Calls `visit` with this node and all below it, in the order of the text.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Node)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }

    pub(crate) fn any(&self, is: impl Fn(&Node) -> bool) -> bool {
        let mut is_found = false;
        self.walk(&mut |node| is_found |= is(node));
        is_found
    }

    /// The intrinsic function that the node is, in either form, and what it is given. For the short
    /// form that is the node itself: look at its value, not at its tag.
    pub(crate) fn function(&self) -> Option<(&str, &Node)> {
        if let Some(tag) = &self.tag {
            let name = tag.strip_prefix('!')?;
            return (!name.starts_with('!')).then_some((name, self));
        }
        let [only] = self.pairs()? else { return None };
        let key = only.key.text()?;
        let name = key.strip_prefix("Fn::").or((key == "Ref").then_some(key))?;
        Some((name, &only.value))
    }

    /// The items of a sequence, whatever its tag: what a function is given.
    pub(crate) fn arguments(&self) -> &[Node] {
        match &self.value {
            Value::Sequence { items, .. } => items,
            Value::Scalar { .. } | Value::Mapping { .. } | Value::Alias(_) => &[],
        }
    }

    /// `A.B` of what `Fn::GetAtt` is given, as a text or as a list.
    pub(crate) fn attribute(&self) -> Option<String> {
        if let Some(text) = self.argument_text() {
            return Some(text.to_owned());
        }
        let parts: Option<Vec<&str>> = self.arguments().iter().map(Node::text).collect();
        parts.map(|parts| parts.join("."))
    }

    /// What a function in either form is given, if that is a text.
    pub(crate) fn argument_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::Sequence { .. } | Value::Mapping { .. } | Value::Alias(_) => None,
        }
    }
}
