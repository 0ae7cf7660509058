//! What was written, before it is parsed: pairs of a JSON object.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::problems::Problem;
use crate::deploy::text;

/// Pairs as written, in order; duplicates are kept so that they can be reported.
pub type Written = Vec<(String, Value)>;

/// More values than all parameters have by far.
const VALUES_LIMIT: usize = 2000;

/// Members of the action's `configuration` map that are CodePipeline's, not ours.
const OF_CODEPIPELINE: [&str; 2] = ["FunctionName", "UserParameters"];

/// Reads a JSON object, keeping duplicates. `what` is its name for the error. A byte order mark
/// before it, as editors and PowerShell write one, is ignored.
///
/// # Errors
/// A sentence with line and column if it is no JSON object.
pub fn written_in(what: &str, json: &str) -> Result<Written, Problem> {
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    if has_more_values(json, VALUES_LIMIT) {
        return Err(Problem(format!(
            "{what} holds more than {VALUES_LIMIT} values: write the parameters of this action alone"
        )));
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let pairs = deserializer
        .deserialize_any(PairsVisitor)
        .and_then(|pairs| deserializer.end().map(|()| pairs));
    pairs.map_err(|error| {
        let hint = broken_by(json, &error).unwrap_or_else(|| {
            r#"write for example {"ClusterName": "prod", "ServiceName": "web"}"#.to_owned()
        });
        Problem(format!(
            "{what} is not a JSON object: {} at line {}, column {}; {hint}",
            text::without_position(&error),
            error.line(),
            error.column(),
        ))
    })
}

/// Which variable of CodePipeline has most likely broken the JSON text, and what to do about it. CodePipeline puts a
/// variable's value in as it is, so that a quote in a commit's message ends the text around it
/// (<https://github.com/aws/aws-cdk/issues/31213>).
pub(super) fn broken_by(json: &str, error: &serde_json::Error) -> Option<String> {
    let names = json.split("#{").skip(1);
    let mut names = names.filter_map(|rest| Some(rest.split_once('}')?.0));
    if let Some(name) = names.find(|name| is_variable(name)) {
        return Some(format!(
            "#{{{name}}} was not resolved: write it within double quotes, and as the namespace of an earlier action and one of its output variables"
        ));
    }
    let reason = text::without_position(error);
    let is_within_text = [
        "expected `,` or",
        "control character",
        "invalid escape",
        "EOF while parsing a string",
        "expected `:`",
        "key must be a string",
    ];
    is_within_text.iter().any(|part| reason.contains(part)).then(|| {
        "if a variable stands there, as #{SourceVariables.CommitMessage}, its value has broken the text: CodePipeline puts quotes, backslashes and line breaks in as they are. Use a variable without them, as #{SourceVariables.CommitId}; else write for example {\"ClusterName\": \"prod\", \"ServiceName\": \"web\"}".to_owned()
    })
}

/// `namespace.name`
/// (<https://docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html>).
fn is_variable(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    name.len() <= VARIABLE_LIMIT && name.contains('.') && name.chars().all(is_part)
}

/// A longer name is not shown.
const VARIABLE_LIMIT: usize = 200;

/// Whether `json` may hold more than `limit` values: each takes many times the memory of its text
/// once it is parsed.
fn has_more_values(json: &str, limit: usize) -> bool {
    let mut is_text = false;
    let mut is_escaped = false;
    let mut values = 1;
    for byte in json.bytes() {
        if is_text {
            is_text = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
        } else {
            is_text = byte == b'"';
            values += usize::from(matches!(byte, b',' | b':' | b'[' | b'{'));
        }
        if values > limit {
            return true;
        }
    }
    false
}

/// The parameters among the members of an action's `configuration` map.
pub fn written_in_configuration(configuration: &Map<String, Value>) -> Written {
    configuration
        .iter()
        .filter(|(name, _)| !OF_CODEPIPELINE.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Reads an object's members as pairs, which keeps a name that is written twice.
struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry::<String, Value>()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::parameters::parse;

    #[test]
    fn values_are_counted_outside_of_texts_and_too_many_are_refused_before_they_are_parsed() {
        let counted = |json: &str| (0..9).find(|limit| !has_more_values(json, *limit));
        assert_eq!(counted("1"), Some(1));
        assert_eq!(counted("[1, 2]"), Some(3));
        assert_eq!(counted(r#"{"a,:[\",{\\": 1}"#), Some(3));
        let huge = format!("{{\"Services\": [{}1]}}", "1,".repeat(500_000));
        let reported = written_in("prod.json", &huge).unwrap_err().to_string();
        assert_eq!(
            reported,
            "prod.json holds more than 2000 values: write the parameters of this action alone"
        );
    }

    #[test]
    fn what_is_no_json_object_is_reported_with_its_place() {
        for (json, place) in [
            ("[1]", "line 1, column 1"),
            ("{\"a\": 1,}", "line 1, column 9"),
            ("", "line 1, column 0"),
            ("{} x", "line 1, column 4"),
        ] {
            let reported = written_in("UserParameters", json).unwrap_err().to_string();
            assert!(
                reported.starts_with("UserParameters is not a JSON object"),
                "{reported}"
            );
            assert!(reported.contains(place), "{json}: {reported}");
        }
    }

    #[test]
    fn a_byte_order_mark_before_the_parameters_says_nothing() {
        let json = "\u{feff}{\"ClusterName\": \"c\", \"ServiceName\": \"s\"}";
        let spec = parse(written_in("UserParameters", json).unwrap()).unwrap();
        assert_eq!(spec.about(), "s on c");
    }

    #[test]
    fn the_actions_own_configuration_keys_are_no_parameters() {
        let Value::Object(configuration) =
            json!({"FunctionName": "f", "ClusterName": "c", "ServiceName": "s"})
        else {
            unreachable!()
        };
        assert!(parse(written_in_configuration(&configuration)).is_ok());
    }
}
