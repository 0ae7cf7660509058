//! A value of the ECS action's `Configuration` → what of `UserParameters` it becomes.

use crate::document::Document;
use crate::node::{Node, Pair, Style, Value};
use crate::place::Kind;

/// One of `UserParameters`.
pub(crate) struct Parameter<'a> {
    pub(crate) name: &'static str,
    /// Where it comes from.
    pub(crate) pair: &'a Pair,
    pub(crate) given: Given,
}

pub(crate) enum Given {
    /// As it is, not escaped.
    Literal(String),
    /// The text of an `Fn::Sub`, escaped for JSON: `${Cluster}`.
    Inline(String),
    /// A function whose value takes a variable of the `Fn::Sub`.
    Variable,
}

/// Functions whose value is one text, and which may stand among the variables of `Fn::Sub`.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-sub.html>
const OF_TEXT: [&str; 9] = [
    "Base64",
    "FindInMap",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Ref",
    "Select",
    "Sub",
];

/// Functions that may stand inside of those.
const INSIDE: [&str; 12] = [
    "And",
    "Cidr",
    "Condition",
    "Contains",
    "Equals",
    "GetAZs",
    "Length",
    "Not",
    "Or",
    "Split",
    "ToJsonString",
    "ValueOf",
];

impl Given {
    /// Reads a value; an error says what it is, to follow "whose value is".
    pub(crate) fn read(node: &Node, kind: Kind, document: &Document<'_>) -> Result<Given, String> {
        if let Value::Alias(_) = node.value {
            return Err("an alias".to_owned());
        }
        if node.any(|inner| document.is_shared(inner)) {
            return Err("an anchor that is used elsewhere".to_owned());
        }
        if node.any(|inner| matches!(inner.value, Value::Alias(_)) || inner.has_merge_key()) {
            return Err("made with an alias".to_owned());
        }
        match (node.function(), kind) {
            (Some((name, argument)), Kind::Template) => Given::of_function(node, name, argument),
            (Some((name, _)), Kind::Pipeline) => Err(format!("a function ({name})")),
            (None, _) => literal(node).map(Given::Literal),
        }
    }

    fn of_function(node: &Node, name: &str, argument: &Node) -> Result<Given, String> {
        if !OF_TEXT.contains(&name) {
            return Err(format!("a function that this does not carry over ({name})"));
        }
        if node.any(|inner| {
            matches!(inner.function(), Some(("Ref", name)) if name.argument_text() == Some("AWS::NoValue"))
        }) {
            return Err("left out under a condition (AWS::NoValue)".to_owned());
        }
        let unknown = |inner: &Node| {
            let name = inner.function().map(|(name, _)| name);
            name.is_some_and(|name| !OF_TEXT.contains(&name) && !INSIDE.contains(&name))
        };
        if node.any(unknown) {
            return Err("made with a function that this does not know".to_owned());
        }
        let inline = match name {
            "Ref" => argument.argument_text().filter(|name| is_name(name)),
            _ => None,
        };
        if let Some(name) = inline {
            return Ok(Given::Inline(format!("${{{name}}}")));
        }
        let inline = match name {
            "GetAtt" => attribute(argument),
            "Sub" => argument.argument_text().and_then(substituted),
            _ => None,
        };
        Ok(inline.map_or(Given::Variable, Given::Inline))
    }
}

/// `A.B` of either form of `Fn::GetAtt`, if it is written out.
fn attribute(argument: &Node) -> Option<String> {
    let name = argument.attribute()?;
    (is_name(&name) && name.contains('.')).then(|| format!("${{{name}}}"))
}

/// What may stand between `${` and `}`.
fn is_name(name: &str) -> bool {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_.:".contains(character);
    !name.is_empty() && name.chars().all(is_part)
}

/// A text of `Fn::Sub` inside of a JSON string. None if it has anything between `${` and `}` that
/// this does not know.
fn substituted(text: &str) -> Option<String> {
    let mut inside = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let end = at + rest[at..].find('}')?;
        let name = &rest[at + 2..end];
        if !is_name(name.strip_prefix('!').unwrap_or(name)) {
            return None;
        }
        inside += &escaped(&rest[..at]);
        inside += &rest[at..=end];
        rest = &rest[end + 1..];
    }
    Some(inside + &escaped(rest))
}

/// Text as it stands in a JSON string that stands in a quoted YAML scalar: nothing unprintable.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out += &format!("\\u{:04x}", u32::from(character));
            }
            _ if character.is_control() => out += &format!("\\u{:04x}", u32::from(character)),
            _ => out.push(character),
        }
    }
    out
}

/// A literal that becomes part of a text of `Fn::Sub`, where `${` begins a variable. None if it
/// has something that only looks like one.
pub(crate) fn protected(literal: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = literal;
    while let Some(at) = rest.find("${") {
        let end = at + rest[at..].find('}')?;
        let name = &rest[at + 2..end];
        if !is_name(name.trim_start_matches('!')) {
            return None;
        }
        out += &rest[..at];
        out += "${!";
        out += name;
        out.push('}');
        rest = &rest[end + 1..];
    }
    Some(out + rest)
}

/// The text of a scalar that every reader of YAML takes for the same text.
fn literal(node: &Node) -> Result<String, String> {
    let (text, style) = match (&node.value, node.tag.as_deref()) {
        (Value::Scalar { text, style }, None) => (text, *style),
        (Value::Scalar { text, .. }, Some("!!str")) => (text, Style::DoubleQuoted),
        (Value::Scalar { .. }, Some(tag)) => return Err(format!("tagged {tag}")),
        (Value::Sequence { .. }, _) => return Err("a list".to_owned()),
        (Value::Mapping { .. }, _) => return Err("a mapping".to_owned()),
        (Value::Alias(_), _) => return Err("an alias".to_owned()),
    };
    if text.trim().is_empty() || (style == Style::Plain && node.span.is_empty()) {
        return Err("empty".to_owned());
    }
    if style == Style::Plain && !is_plain_text(text) {
        return Err(format!(
            "{text}, which YAML may read as something else: put it in quotes"
        ));
    }
    Ok(text.clone())
}

/// Whether a scalar without quotes is a text for YAML 1.1 and 1.2, or a whole number that both
/// write back as it stands.
fn is_plain_text(text: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "~", "true", "false", "yes", "no", "on", "off", "="];
    let lower = text.to_ascii_lowercase();
    if WORDS.contains(&lower.as_str()) {
        return false;
    }
    let is_number_like = text
        .starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && text
            .chars()
            .all(|one| one.is_ascii_hexdigit() || "+-._:xoTZinaIN ".contains(one));
    if !is_number_like {
        return true;
    }
    let is_whole = text.chars().all(|one| one.is_ascii_digit());
    is_whole && (text == "0" || !text.starts_with('0')) && text.len() < 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parser_may_take_for_a_number_a_date_or_a_truth_is_not_a_plain_text() {
        for text in [
            "null",
            "Yes",
            "~",
            "012",
            "0x1f",
            "1e3",
            "1_000",
            "12:30",
            "2026-01-02",
            ".5",
            "+1",
            ".inf",
            "-1",
            "99999999999999999999",
        ] {
            assert!(!is_plain_text(text), "{text}");
        }
        for text in [
            "prod",
            "15",
            "web-1",
            "my.json",
            "a b",
            "#{Source.Branch}",
            "1st-service",
            "./x.json",
        ] {
            assert!(is_plain_text(text), "{text}");
        }
    }

    #[test]
    fn a_dollar_and_a_brace_of_a_literal_are_no_variable() {
        assert_eq!(protected("a${B}c").as_deref(), Some("a${!B}c"));
        assert_eq!(protected("${!B}").as_deref(), Some("${!!B}"));
        assert_eq!(protected("$a{b}").as_deref(), Some("$a{b}"));
        assert_eq!(protected("${"), None);
        assert_eq!(protected("${a b}"), None);
    }

    #[test]
    fn a_text_of_sub_keeps_its_variables_and_is_escaped_between_them() {
        assert_eq!(
            substituted("a\"${B}\\${!C}").as_deref(),
            Some("a\\\"${B}\\\\${!C}")
        );
        assert_eq!(substituted("${A B}"), None);
        assert_eq!(substituted("${A"), None);
    }
}
