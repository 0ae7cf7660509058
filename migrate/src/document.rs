//! Text → [`Document`]: the tree, its comments, what kind of document it is.
//!
//! YAML and JSON are read by the same parser: JSON is YAML, but for what `serde_json` is asked for.

use std::collections::BTreeSet;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, options};

use crate::Refusal;
use crate::node::{Layout, Node, Pair, Style, Value};

/// What CloudFormation takes as a template, in bytes (its quota "Template body size in an S3 object").
pub const LIMIT_BYTES: usize = 1_048_576;

/// No pipeline and no template is nested so deeply.
const DEPTH_LIMIT: usize = 100;

const BYTE_ORDER_MARK: &str = "\u{feff}";

pub(crate) struct Document<'a> {
    pub(crate) text: &'a str,
    pub(crate) root: Node,
    /// Their places, with the `#`, in the order of the text.
    pub(crate) comments: Vec<Range<usize>>,
    pub(crate) language: Language,
    /// The anchors that aliases mean.
    pub(crate) used_anchors: BTreeSet<usize>,
    /// Where each line begins.
    lines: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Json,
    Yaml,
}

impl<'a> Document<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Document<'a>, Refusal> {
        if bytes.len() > LIMIT_BYTES {
            let text = format!(
                "the document has {} bytes, and {LIMIT_BYTES} are read at most, as many as CloudFormation takes",
                bytes.len()
            );
            return Err(Refusal::at(1, 1, text));
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            let text = "the document is UTF-16, as PowerShell's > writes it: write it as UTF-8";
            return Err(Refusal::at(1, 1, text.to_owned()));
        }
        let text = std::str::from_utf8(bytes).map_err(|wrong| {
            let before = &bytes[..wrong.valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            let start = before.iter().rposition(|byte| *byte == b'\n');
            let column = 1 + before.len() - start.map_or(0, |end| end + 1);
            Refusal::at(line, column, "this is not UTF-8".to_owned())
        })?;
        Document::parse(text)
    }

    pub(crate) fn parse(text: &'a str) -> Result<Document<'a>, Refusal> {
        let mark = if text.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        let body = &text[mark..];
        let json = serde_json::from_str::<serde_json::Value>(body);
        let language = if json.is_ok() {
            Language::Json
        } else {
            Language::Yaml
        };
        let mut reader = Reader::new(mark);
        let policy = options! {
            emit_anchor_events: true,
            max_buffered_comment_events: LIMIT_BYTES,
        };
        for event in Parser::new_from_str_with_options(body, policy) {
            let read = event
                .map_err(|wrong| {
                    let at = wrong.marker();
                    Refusal::at(at.line(), at.col() + 1, wrong.info())
                })
                .and_then(|(event, span)| {
                    let bytes = span.byte_range().unwrap_or_default();
                    let tag = span.tag_span().and_then(|tag| tag.byte_range());
                    reader.take(body, event, bytes, tag).map_err(|wrong| {
                        Refusal::at(span.start.line(), span.start.col() + 1, wrong.to_owned())
                    })
                });
            if let Err(wrong) = read {
                // Who writes JSON wants to read what is wrong with it as JSON.
                return Err(match json {
                    Err(as_json) if body.trim_start().starts_with('{') => {
                        Refusal::at(as_json.line(), as_json.column(), without_place(&as_json))
                    }
                    _ => wrong,
                });
            }
        }
        let Some(root) = reader.root else {
            return Err(Refusal::at(1, 1, "the document is empty".to_owned()));
        };
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Ok(Document {
            text,
            root,
            comments: reader.comments,
            language,
            used_anchors: reader.used_anchors,
            lines: std::iter::once(0).chain(starts).collect(),
        })
    }

    /// The line of a byte, from 1.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at)
    }

    pub(crate) fn line_start(&self, at: usize) -> usize {
        self.lines[self.line(at) - 1]
    }

    /// Where the line of `at` ends: after its line break, or at the end of the text.
    pub(crate) fn line_end(&self, at: usize) -> usize {
        let next = self.lines.get(self.line(at));
        next.copied().unwrap_or(self.text.len())
    }

    /// What stands before `at` in its line, as far as that is blank.
    pub(crate) fn indent(&self, at: usize) -> &'a str {
        let line = &self.text[self.line_start(at)..at];
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }

    /// Characters before `at` in its line.
    pub(crate) fn column(&self, at: usize) -> usize {
        self.text[self.line_start(at)..at].chars().count()
    }

    /// The line break that the document has there.
    pub(crate) fn line_break(&self, at: usize) -> &'static str {
        let before = self.text[..at].rfind('\n');
        let any = before.or_else(|| self.text.find('\n'));
        match any {
            Some(at) if self.text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    /// The comments that stand in a part of the text.
    pub(crate) fn comments_in(&self, part: &Range<usize>) -> &[Range<usize>] {
        let from = self.comments.partition_point(|one| one.start < part.start);
        let to = self.comments.partition_point(|one| one.start < part.end);
        self.comments.get(from..to).unwrap_or_default()
    }

    /// Whether an alias means this node.
    pub(crate) fn is_shared(&self, node: &Node) -> bool {
        node.anchor
            .is_some_and(|anchor| self.used_anchors.contains(&anchor))
    }

    /// What of the text a node is.
    pub(crate) fn source(&self, node: &Node) -> &'a str {
        &self.text[node.span.clone()]
    }
}

/// `serde_json` ends its messages with " at line 1 column 2".
fn without_place(wrong: &serde_json::Error) -> String {
    let text = wrong.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// A node whose end is not there yet.
struct Open {
    id: usize,
    start: usize,
    tag: Option<String>,
    anchor: Option<usize>,
    is_mapping: bool,
    layout: Layout,
    children: Vec<Node>,
}

/// Events → tree, without recursion.
struct Reader {
    /// Bytes before the text that is parsed.
    offset: usize,
    next_id: usize,
    open: Vec<Open>,
    root: Option<Node>,
    comments: Vec<Range<usize>>,
    used_anchors: BTreeSet<usize>,
    documents: usize,
    /// The scalar that was read last and whose anchor may follow.
    is_after_scalar: bool,
}

impl Reader {
    fn new(offset: usize) -> Reader {
        Reader {
            offset,
            next_id: 0,
            open: Vec::new(),
            root: None,
            comments: Vec::new(),
            used_anchors: BTreeSet::new(),
            documents: 0,
            is_after_scalar: false,
        }
    }

    fn take(
        &mut self,
        body: &str,
        event: Event<'_>,
        bytes: Range<usize>,
        tag: Option<Range<usize>>,
    ) -> Result<(), &'static str> {
        let written = tag.clone().and_then(|tag| body.get(tag)).map(str::to_owned);
        let start = tag.map_or(bytes.start, |tag| tag.start.min(bytes.start)) + self.offset;
        let bytes = bytes.start + self.offset..bytes.end + self.offset;
        let is_after_scalar = std::mem::take(&mut self.is_after_scalar);
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a second document begins here; give each a file of its own");
                }
            }
            Event::Comment(..) => self.comments.push(bytes),
            Event::Anchor(_, _) => {
                // Stands before what it names, and is reported after that.
                if is_after_scalar {
                    if let Some(scalar) = self.newest() {
                        scalar.span.start = scalar.span.start.min(bytes.start);
                    }
                } else if let Some(open) = self.open.last_mut() {
                    open.start = open.start.min(bytes.start);
                }
            }
            Event::Alias(anchor) => {
                self.used_anchors.insert(anchor);
                let node = self.node(bytes, None, None, Value::Alias(anchor));
                self.add(node);
            }
            Event::UnresolvedAlias(_) => return Err("an alias without an anchor"),
            Event::Scalar(text, style, anchor, _) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::SingleQuoted,
                    ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                // Of a block scalar the lines' breaks at its end are what only follows.
                let end = if style == Style::Block {
                    let part = &body[bytes.start - self.offset..bytes.end - self.offset];
                    bytes.start + part.trim_end().len()
                } else {
                    bytes.end
                };
                let value = Value::Scalar {
                    text: text.into_owned(),
                    style,
                };
                let node = self.node(start..end, written, Some(anchor), value);
                self.add(node);
                self.is_after_scalar = true;
            }
            Event::SequenceStart(style, anchor, _) => {
                self.begin(false, style, anchor, start, written)?;
            }
            Event::MappingStart(style, anchor, _) => {
                self.begin(true, style, anchor, start, written)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(bytes),
            // The parser may learn of more than there is now.
            _ => return Err("this is something that is not known here"),
        }
        Ok(())
    }

    fn node(
        &mut self,
        span: Range<usize>,
        tag: Option<String>,
        anchor: Option<usize>,
        value: Value,
    ) -> Node {
        let id = self.next_id;
        self.next_id += 1;
        Node {
            id,
            span,
            tag,
            anchor: anchor.filter(|anchor| *anchor > 0),
            value,
        }
    }

    fn begin(
        &mut self,
        is_mapping: bool,
        style: StructureStyle,
        anchor: usize,
        start: usize,
        tag: Option<String>,
    ) -> Result<(), &'static str> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err("this is nested too deeply");
        }
        let id = self.next_id;
        self.next_id += 1;
        self.open.push(Open {
            id,
            start,
            tag,
            anchor: (anchor > 0).then_some(anchor),
            is_mapping,
            layout: match style {
                StructureStyle::Block => Layout::Block,
                StructureStyle::Flow => Layout::Flow,
            },
            children: Vec::new(),
        });
        Ok(())
    }

    fn end(&mut self, bytes: Range<usize>) {
        let Some(open) = self.open.pop() else { return };
        let end = match (open.layout, open.children.last()) {
            (Layout::Flow, _) => bytes.end,
            (Layout::Block, Some(last)) => last.span.end.max(open.start),
            (Layout::Block, None) => open.start,
        };
        let layout = open.layout;
        let value = if open.is_mapping {
            let mut pairs = Vec::with_capacity(open.children.len() / 2);
            let mut nodes = open.children.into_iter();
            while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                pairs.push(Pair { key, value });
            }
            Value::Mapping { pairs, layout }
        } else {
            Value::Sequence {
                items: open.children,
                layout,
            }
        };
        let node = Node {
            id: open.id,
            span: open.start..end,
            tag: open.tag,
            anchor: open.anchor,
            value,
        };
        self.add(node);
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.root = Some(node),
        }
    }

    fn newest(&mut self) -> Option<&mut Node> {
        match self.open.last_mut() {
            Some(open) => open.children.last_mut(),
            None => self.root.as_mut(),
        }
    }
}
