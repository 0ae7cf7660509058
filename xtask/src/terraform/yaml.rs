//! A template as a tree with tags, lines and comments.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, options};

use super::Error;

/// A node of the template.
#[derive(Debug)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    /// As written: `!Ref`.
    pub(super) tag: Option<String>,
    /// Those that stand on lines of their own before it, without the `#`.
    pub(super) comments: Vec<String>,
    pub(super) value: Value,
    /// Where its text begins.
    start: usize,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar { text: String, style: Style },
    Sequence(Vec<Node>),
    Mapping(Vec<Pair>),
}

#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Node,
    pub(super) value: Node,
}

/// What decides whether a scalar is a string, and how it is best written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Without quotes: may be a number or a boolean.
    Plain,
    Quoted,
    /// `|`: lines.
    Literal,
    /// `>`: one line, broken where it is written.
    Folded,
}

impl Node {
    /// What is wrong here.
    pub(super) fn error(&self, text: impl Into<String>) -> Error {
        Error {
            line: self.line,
            text: text.into(),
        }
    }

    /// The text of a scalar, whatever its tag.
    pub(super) fn scalar(&self) -> Result<&str, Error> {
        match &self.value {
            Value::Scalar { text, .. } => Ok(text),
            Value::Sequence(_) | Value::Mapping(_) => Err(self.error("expected a text")),
        }
    }

    /// The text of a scalar without a tag.
    pub(super) fn text(&self) -> Result<&str, Error> {
        self.untagged()?.scalar()
    }

    /// The items of a sequence, whatever its tag.
    pub(super) fn items(&self) -> Result<&[Node], Error> {
        match &self.value {
            Value::Sequence(items) => Ok(items),
            Value::Scalar { .. } | Value::Mapping(_) => Err(self.error("expected a list")),
        }
    }

    /// The pairs of a mapping without a tag.
    pub(super) fn pairs(&self) -> Result<&[Pair], Error> {
        match &self.untagged()?.value {
            Value::Mapping(pairs) => Ok(pairs),
            Value::Scalar { .. } | Value::Sequence(_) => {
                Err(self.error("expected names and values"))
            }
        }
    }

    /// The pairs, each with the comments before it.
    pub(super) fn commented(&self) -> Result<Vec<(Vec<String>, &Pair)>, Error> {
        let mut all = Vec::new();
        for (index, pair) in self.pairs()?.iter().enumerate() {
            // A mapping begins where its first key does, and has got that key's comments.
            let first = if index == 0 {
                self.comments.as_slice()
            } else {
                &[]
            };
            all.push(([first, &pair.key.comments].concat(), pair));
        }
        Ok(all)
    }

    /// What stands under `key`.
    pub(super) fn get(&self, key: &str) -> Result<&Node, Error> {
        self.find(key)?
            .ok_or_else(|| self.error(format!("{key} is missing")))
    }

    /// What stands under `key`, if that is there.
    pub(super) fn find(&self, key: &str) -> Result<Option<&Node>, Error> {
        let mut found = None;
        for pair in self.pairs()? {
            if pair.key.text()? == key && found.replace(&pair.value).is_some() {
                return Err(pair.key.error(format!("{key} is there twice")));
            }
        }
        Ok(found)
    }

    /// An error if there is anything but those keys.
    pub(super) fn has_only(&self, what: &str, known: &[&str]) -> Result<(), Error> {
        for pair in self.pairs()? {
            let key = pair.key.text()?;
            if !known.contains(&key) {
                return Err(pair.key.error(format!("{what}: {key} is not known")));
            }
        }
        Ok(())
    }

    fn untagged(&self) -> Result<&Node, Error> {
        match &self.tag {
            None => Ok(self),
            Some(tag) => Err(self.error(format!("{tag} is not known in this place"))),
        }
    }
}

/// Reads `text`.
pub(super) fn read(text: &str) -> Result<Node, Error> {
    let mut reader = Reader {
        text,
        lines: std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect(),
        open: Vec::new(),
        root: None,
        comments: Vec::new(),
    };
    let policy = options! { max_buffered_comment_events: text.len() };
    for event in Parser::new_from_str_with_options(text, policy) {
        let (event, span) = event.map_err(|wrong| Error {
            line: wrong.marker().line(),
            text: wrong.info(),
        })?;
        let bytes = span.byte_range().unwrap_or_default();
        let tag = span.tag_span().and_then(|tag| tag.byte_range());
        reader.take(event, bytes, tag)?;
    }
    let mut root = reader.root.ok_or(Error {
        line: 1,
        text: "the template is empty".to_owned(),
    })?;
    let mut comments = reader.comments.into_iter().peekable();
    attach(&mut root, &mut comments);
    Ok(root)
}

/// A comment belongs to the first node that begins after it.
fn attach(
    node: &mut Node,
    comments: &mut std::iter::Peekable<std::vec::IntoIter<(usize, String)>>,
) {
    while let Some((_, comment)) = comments.next_if(|(at, _)| *at < node.start) {
        node.comments.push(comment);
    }
    match &mut node.value {
        Value::Scalar { .. } => {}
        Value::Sequence(items) => {
            for item in items {
                attach(item, comments);
            }
        }
        Value::Mapping(pairs) => {
            for Pair { key, value } in pairs {
                attach(key, comments);
                attach(value, comments);
            }
        }
    }
}

/// A sequence or a mapping whose end is not there yet.
struct Open {
    start: usize,
    tag: Option<String>,
    is_mapping: bool,
    children: Vec<Node>,
}

struct Reader<'a> {
    text: &'a str,
    /// Where each begins.
    lines: Vec<usize>,
    open: Vec<Open>,
    root: Option<Node>,
    /// Where they stand, and what they say.
    comments: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    fn node(&self, start: usize, tag: Option<String>, value: Value) -> Node {
        Node {
            line: self.line(start),
            tag,
            comments: Vec::new(),
            value,
            start,
        }
    }

    fn take(
        &mut self,
        event: Event<'_>,
        bytes: Range<usize>,
        tag: Option<Range<usize>>,
    ) -> Result<(), Error> {
        let start = tag
            .as_ref()
            .map_or(bytes.start, |tag| tag.start.min(bytes.start));
        let tag = tag.and_then(|tag| self.text.get(tag)).map(str::to_owned);
        match event {
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd => {}
            Event::Comment(..) => {
                let line = self.lines[self.line(bytes.start) - 1];
                // What follows something in its line is not for who reads the module.
                if self.text[line..bytes.start].trim().is_empty() {
                    let comment = self.text[bytes.clone()].trim_start_matches('#').trim();
                    self.comments.push((bytes.start, comment.to_owned()));
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                self.without_anchor(start, anchor)?;
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                let text = text.into_owned();
                let node = self.node(start, tag, Value::Scalar { text, style });
                self.add(node);
            }
            Event::SequenceStart(_, anchor, _) => self.begin(start, tag, anchor, false)?,
            Event::MappingStart(_, anchor, _) => self.begin(start, tag, anchor, true)?,
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            other => {
                let text = format!("this is not known in a template: {other:?}");
                return Err(Error {
                    line: self.line(start),
                    text,
                });
            }
        }
        Ok(())
    }

    fn without_anchor(&self, at: usize, anchor: usize) -> Result<(), Error> {
        if anchor == 0 {
            return Ok(());
        }
        let text = "anchors are not known in a template".to_owned();
        Err(Error {
            line: self.line(at),
            text,
        })
    }

    fn begin(
        &mut self,
        start: usize,
        tag: Option<String>,
        anchor: usize,
        is_mapping: bool,
    ) -> Result<(), Error> {
        self.without_anchor(start, anchor)?;
        self.open.push(Open {
            start,
            tag,
            is_mapping,
            children: Vec::new(),
        });
        Ok(())
    }

    fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        let value = if open.is_mapping {
            let mut pairs = Vec::with_capacity(open.children.len() / 2);
            let mut nodes = open.children.into_iter();
            while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                pairs.push(Pair { key, value });
            }
            Value::Mapping(pairs)
        } else {
            Value::Sequence(open.children)
        };
        let node = self.node(open.start, open.tag, value);
        self.add(node);
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.root = Some(node),
        }
    }
}
