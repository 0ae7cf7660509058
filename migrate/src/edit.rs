//! A replaceable action → the parts of the text to replace.
//!
//! Only those bytes change; how they are written follows what stood there: block or flow,
//! indentation, quotes, line breaks.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::action::Action;
use crate::document::{Document, Language};
use crate::node::{Layout, Node, Pair, Style, Value};
use crate::parameter::{Given, Parameter};

/// A part of the text, and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Bytes of the text as it was.
    pub range: Range<usize>,
    /// What stands there instead.
    pub text: String,
}

/// The text with all edits made, which stand in the order of the text and do not overlap.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut out = String::with_capacity(text.len() + 256 * edits.len());
    let mut done = 0;
    for edit in edits {
        out += text.get(done..edit.range.start)?;
        out += &edit.text;
        done = edit.range.end;
    }
    out += text.get(done..)?;
    Some(out)
}

/// How intrinsic functions are written in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Functions {
    /// `!Sub`
    Short,
    /// `Fn::Sub`
    Long,
}

impl Functions {
    pub(crate) fn of(document: &Document<'_>) -> Functions {
        let mut has_short = false;
        let mut has_long = false;
        document.root.walk(&mut |node| {
            if node.function().is_some() {
                has_short |= node.tag.is_some();
                has_long |= node.tag.is_none();
            }
        });
        if document.language == Language::Json || (has_long && !has_short) {
            Functions::Long
        } else {
            Functions::Short
        }
    }
}

/// Replaces actions in one document.
pub(crate) struct Editor<'a> {
    pub(crate) document: &'a Document<'a>,
    pub(crate) function: &'a str,
    pub(crate) functions: Functions,
}

/// How a mapping in flow style writes its pairs.
struct Flow {
    /// Between two pairs.
    comma: String,
    /// Between key and value.
    colon: String,
    /// The line break and indentation of a pair, if each has a line of its own.
    lines: Option<Lines>,
}

#[derive(Clone)]
struct Lines {
    line_break: &'static str,
    indent: String,
    unit: String,
}

impl Lines {
    fn deeper(&self, by: usize) -> String {
        format!("{}{}{}", self.line_break, self.indent, self.unit.repeat(by))
    }
}

impl Editor<'_> {
    /// All that changes for an action. An error says why it cannot be written.
    pub(crate) fn replace(&self, action: &Action<'_>) -> Result<Vec<Edit>, String> {
        let mut edits = vec![
            self.rename(action.category, "Invoke"),
            self.rename(action.provider, "Lambda"),
            self.configuration(action),
        ];
        edits.extend(self.removals(action)?);
        edits.sort_by_key(|edit| edit.range.start);
        let is_apart = |pair: &[Edit]| pair[0].range.end <= pair[1].range.start;
        if edits.windows(2).all(is_apart) {
            Ok(edits)
        } else {
            Err("its parts stand too close to each other".to_owned())
        }
    }

    /// Another text for a scalar, in the quotes that it has.
    fn rename(&self, node: &Node, text: &str) -> Edit {
        let Value::Scalar { style, .. } = node.value else {
            return Edit {
                range: node.span.clone(),
                text: text.to_owned(),
            };
        };
        // A tag or an anchor stays.
        let source = self.document.source(node);
        let quote = match style {
            Style::SingleQuoted => "'",
            Style::DoubleQuoted => "\"",
            Style::Plain | Style::Block => "",
        };
        let start = match (&node.tag, node.anchor) {
            (None, None) => 0,
            _ => source.rfind(char::is_whitespace).map_or(0, |at| at + 1),
        };
        Edit {
            range: node.span.start + start..node.span.end,
            text: format!("{quote}{text}{quote}"),
        }
    }

    fn configuration(&self, action: &Action<'_>) -> Edit {
        let Value::Mapping { pairs, layout } = &action.configuration.value.value else {
            unreachable!("a configuration that is replaceable is a mapping")
        };
        match layout {
            Layout::Block => self.block(action, pairs),
            Layout::Flow => self.flow(action, pairs),
        }
    }

    /// Comments of a part, but for those inside of what is carried over.
    fn comments(&self, action: &Action<'_>, part: &Range<usize>) -> Vec<String> {
        let carried: Vec<Range<usize>> = action
            .variables()
            .map(|one| one.pair.key.span.start..one.pair.value.span.end)
            .collect();
        let all = self.document.comments_in(part).iter();
        let loose = all.filter(|one| !carried.iter().any(|pair| pair.contains(&one.start)));
        loose
            .map(|one| self.document.text[one.clone()].to_owned())
            .collect()
    }

    /// With the comment that stands behind it in the same line.
    fn with_comment(&self, end: usize) -> usize {
        let line = end..self.document.line_end(end);
        let behind = self.document.comments_in(&line).first();
        behind.map_or(end, |comment| comment.end)
    }

    fn block(&self, action: &Action<'_>, pairs: &[Pair]) -> Edit {
        let first = &pairs[0].key;
        let start = first.span.start;
        let end = self.with_comment(pairs[pairs.len() - 1].value.span.end);
        let line_break = self.document.line_break(start);
        let column = self.document.column(start);
        let unit = column.saturating_sub(self.document.column(action.configuration.key.span.start));
        let unit = if (1..=8).contains(&unit) { unit } else { 2 };
        let lines = Lines {
            line_break,
            indent: " ".repeat(column),
            unit: " ".repeat(unit),
        };
        let quote = quote_of(first);
        let mut text = String::new();
        for comment in self.comments(action, &(start..end)) {
            text += &format!("{comment}{}", lines.deeper(0));
        }
        text += &format!("{quote}FunctionName{quote}: {}", self.function_name(pairs));
        text += &format!("{}{quote}UserParameters{quote}:", lines.deeper(0));
        text += &self.block_user_parameters(action, column, &lines);
        Edit {
            range: start..end,
            text,
        }
    }

    /// What follows `UserParameters:`.
    fn block_user_parameters(&self, action: &Action<'_>, column: usize, lines: &Lines) -> String {
        let name_of = variable_names(action);
        let content = single_quoted(&action.user_parameters(&name_of));
        if !action.has_functions() {
            return format!(" {content}");
        }
        let (head, depth) = match self.functions {
            Functions::Short => (" !Sub".to_owned(), 1),
            Functions::Long => (format!("{}Fn::Sub:", lines.deeper(1)), 2),
        };
        if action.variables().next().is_none() {
            return format!("{head} {content}");
        }
        let item = lines.deeper(depth);
        let mut text = format!("{head}{item}- {content}");
        let in_item = format!("{item}  ");
        let new_column = column + depth * lines.unit.len() + 2;
        for (number, one) in action.variables().enumerate() {
            text += &if number == 0 {
                format!("{item}- ")
            } else {
                in_item.clone()
            };
            let by = new_column.saturating_sub(self.document.column(one.pair.key.span.start));
            text += &self.carried(one, &name_of(one.name), "", &" ".repeat(by));
        }
        text
    }

    /// The pair of a value that is carried over, its later lines moved to the right.
    fn carried(&self, one: &Parameter<'_>, name: &str, quote: &str, by: &str) -> String {
        let rest = &self.document.text[one.pair.key.span.end..one.pair.value.span.end];
        let mut text = format!("{quote}{name}{quote}");
        for (number, line) in rest.split_inclusive('\n').enumerate() {
            if number > 0 && !line.trim().is_empty() {
                text += by;
            }
            text += line;
        }
        text
    }

    fn flow(&self, action: &Action<'_>, pairs: &[Pair]) -> Edit {
        let start = pairs[0].key.span.start;
        let end = pairs[pairs.len() - 1].value.span.end;
        let style = self.flow_style(action, pairs);
        let quote = quote_of(&pairs[0].key);
        let comments = self.comments(action, &(start..end));
        let mut text = String::new();
        for comment in &comments {
            let line_break = self.document.line_break(start);
            let indent = " ".repeat(self.document.column(start));
            let space = if text.is_empty() && self.document.text[..start].ends_with('{') {
                " "
            } else {
                ""
            };
            text += &format!("{space}{comment}{line_break}{indent}");
        }
        text += &format!(
            "{quote}FunctionName{quote}{}{}{}",
            style.colon,
            self.function_name(pairs),
            style.comma
        );
        text += &format!("{quote}UserParameters{quote}{}", style.colon);
        text += &self.flow_user_parameters(action, &style);
        Edit {
            range: start..end,
            text,
        }
    }

    fn flow_style(&self, action: &Action<'_>, pairs: &[Pair]) -> Flow {
        let between = |from: usize, to: usize, mark: char| {
            let text = &self.document.text[from..to];
            let rest = text.replacen(mark, "", 1);
            (rest.trim().is_empty() && rest.len() < text.len()).then(|| text.to_owned())
        };
        let colon = between(pairs[0].key.span.end, pairs[0].value.span.start, ':');
        let colon = colon.filter(|colon| !colon.contains('\n'));
        let comma = pairs
            .get(1)
            .and_then(|second| between(pairs[0].value.span.end, second.key.span.start, ','));
        let comma = comma.unwrap_or_else(|| ", ".to_owned());
        let lines = (self.document.language == Language::Json && comma.contains('\n')).then(|| {
            let indent = self.document.indent(pairs[0].key.span.start);
            let outer = self.document.indent(action.configuration.key.span.start);
            let unit = indent.strip_prefix(outer).filter(|unit| !unit.is_empty());
            Lines {
                line_break: self.document.line_break(pairs[0].key.span.start),
                indent: indent.to_owned(),
                unit: unit.unwrap_or("  ").to_owned(),
            }
        });
        Flow {
            comma,
            colon: colon.unwrap_or_else(|| ": ".to_owned()),
            lines,
        }
    }

    fn flow_user_parameters(&self, action: &Action<'_>, style: &Flow) -> String {
        let name_of = variable_names(action);
        let is_json = self.document.language == Language::Json;
        let content = action.user_parameters(&name_of);
        let content = if is_json {
            // Printable already, and JSON's own escapes are those of JSON.
            serde_json::Value::String(content).to_string()
        } else {
            single_quoted(&content)
        };
        if !action.has_functions() {
            return content;
        }
        // In lines where the document has lines.
        let at = |depth: usize| {
            style
                .lines
                .as_ref()
                .map_or(String::new(), |lines| lines.deeper(depth))
        };
        let comma = style.lines.as_ref().map_or(
            if style.comma.contains(' ') || style.comma.contains('\n') {
                ", "
            } else {
                ","
            },
            |_| ",",
        );
        let quote = if is_json { "\"" } else { "" };
        let by = |one: &Parameter<'_>| {
            let lines = style.lines.as_ref()?;
            let now = format!("{}{}", lines.indent, lines.unit.repeat(3));
            let before = self.document.indent(one.pair.key.span.start);
            now.strip_prefix(before).map(str::to_owned)
        };
        let variables: Vec<String> = action
            .variables()
            .map(|one| self.carried(one, &name_of(one.name), quote, &by(one).unwrap_or_default()))
            .collect();
        let argument = if variables.is_empty() {
            content
        } else {
            let depth = 3;
            let variables: Vec<String> = variables
                .into_iter()
                .map(|one| format!("{}{one}", at(depth)))
                .collect();
            format!(
                "[{}{content}{comma}{}{{{}{}}}{}]",
                at(2),
                at(2),
                variables.join(comma),
                at(2),
                at(1)
            )
        };
        match self.functions {
            Functions::Short => format!("!Sub {argument}"),
            Functions::Long => {
                format!(
                    "{{{}{quote}Fn::Sub{quote}{}{argument}{}}}",
                    at(1),
                    style.colon,
                    at(0)
                )
            }
        }
    }

    /// The function's name, in the quotes that the first name has which is written out. Numbers
    /// say nothing about that: they are quoted to be texts.
    fn function_name(&self, pairs: &[Pair]) -> String {
        let names = pairs
            .iter()
            .filter(|pair| pair.key.text() != Some("DeploymentTimeout"));
        let quoted =
            names
                .into_iter()
                .find_map(|pair| match (&pair.value.value, &pair.value.tag) {
                    (Value::Scalar { style, .. }, None) => Some(*style),
                    _ => None,
                });
        let name = self.function;
        let is_json = self.document.language == Language::Json;
        match quoted {
            _ if is_json => format!("\"{name}\""),
            Some(Style::DoubleQuoted) => format!("\"{name}\""),
            Some(Style::SingleQuoted) => format!("'{name}'"),
            _ if is_plain(name) => name.to_owned(),
            _ => format!("'{name}'"),
        }
    }

    /// Takes out the pairs of the action that are parameters now.
    fn removals(&self, action: &Action<'_>) -> Result<Vec<Edit>, String> {
        let Value::Mapping { pairs, layout } = &action.node.value else {
            return Ok(Vec::new());
        };
        let moved: BTreeSet<usize> = action.moved.iter().copied().collect();
        let mut edits = Vec::new();
        let mut number = 0;
        while number < pairs.len() {
            if !moved.contains(&number) {
                number += 1;
                continue;
            }
            let first = number;
            while moved.contains(&number) {
                number += 1;
            }
            edits.push(match layout {
                Layout::Block => self.removed_lines(action, pairs, first..number)?,
                Layout::Flow => self.removed_pairs(pairs, first..number)?,
            });
        }
        Ok(edits)
    }

    fn removed_lines(
        &self,
        action: &Action<'_>,
        pairs: &[Pair],
        run: Range<usize>,
    ) -> Result<Edit, String> {
        let document = self.document;
        let first = pairs[run.start].key.span.start;
        let end = self.with_comment(pairs[run.end - 1].value.span.end);
        let line_break = document.line_break(first);
        let indent = " ".repeat(document.column(first));
        let line_start = document.line_start(first);
        if document.text[line_start..first].trim().is_empty() {
            let comments = self.comments(action, &(first..end));
            let kept = comments
                .iter()
                .map(|one| format!("{indent}{one}{line_break}"));
            return Ok(Edit {
                range: line_start..document.line_end(end),
                text: kept.collect(),
            });
        }
        // In the line of the dash: the next pair moves up to it.
        let next = pairs.get(run.end);
        let next = next
            .ok_or("RoleArn or Region is all that it has")?
            .key
            .span
            .start;
        let comments = self.comments(action, &(first..next));
        let kept = comments
            .iter()
            .map(|one| format!("{one}{line_break}{indent}"));
        Ok(Edit {
            range: first..next,
            text: kept.collect(),
        })
    }

    fn removed_pairs(&self, pairs: &[Pair], run: Range<usize>) -> Result<Edit, String> {
        let range = if let Some(next) = pairs.get(run.end) {
            pairs[run.start].key.span.start..next.key.span.start
        } else if run.start > 0 {
            pairs[run.start - 1].value.span.end..pairs[run.end - 1].value.span.end
        } else {
            return Err("RoleArn or Region is all that it has".to_owned());
        };
        if self.document.comments_in(&range).is_empty() {
            Ok(Edit {
                range,
                text: String::new(),
            })
        } else {
            Err("a comment stands between RoleArn or Region and its neighbours".to_owned())
        }
    }
}

/// How each variable of the `Fn::Sub` is called: as its parameter, unless a `${…}` of the same text
/// means a parameter or resource of that name.
fn variable_names(action: &Action<'_>) -> impl Fn(&str) -> String {
    let mut used = String::new();
    for one in &action.parameters {
        if let Given::Inline(text) = &one.given {
            used += text;
        }
    }
    move |name: &str| {
        let is_used = |candidate: &str| {
            [format!("${{{candidate}}}"), format!("${{{candidate}.")]
                .iter()
                .any(|part| used.contains(part))
        };
        let mut candidate = name.to_owned();
        while is_used(&candidate) {
            candidate.push_str("OfAction");
        }
        candidate
    }
}

fn quote_of(key: &Node) -> &'static str {
    match key.value {
        Value::Scalar {
            style: Style::DoubleQuoted,
            ..
        } => "\"",
        Value::Scalar {
            style: Style::SingleQuoted,
            ..
        } => "'",
        _ => "",
    }
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Whether a function's name needs no quotes in YAML.
fn is_plain(name: &str) -> bool {
    const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "null", "y"];
    let lower = name.to_ascii_lowercase();
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && lower != "n"
        && !WORDS.contains(&lower.as_str())
}
