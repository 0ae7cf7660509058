//! What holds for every document: many that are made up, in every style, and many that are broken.
//!
//! Whether an action says the same as before is decided here by an interpreter of its own: what
//! CloudFormation would make of a value, with names in place of what it would look up.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;

use crate::document::Document;
use crate::node::Node;
use crate::{Migrated, migrate, place};

/// What a value comes to: `<Ref Cluster>`, `prod`.
fn resolved(node: &Node, document: &Document<'_>) -> String {
    let Some((name, argument)) = node.function() else {
        return node.argument_text().unwrap_or("?").to_owned();
    };
    match name {
        "Ref" => format!("<Ref {}>", argument.argument_text().unwrap()),
        "GetAtt" => format!("<GetAtt {}>", argument.attribute().unwrap()),
        "Sub" => {
            let (text, variables) = match argument.arguments() {
                [] => (argument.argument_text().unwrap(), BTreeMap::new()),
                [text, variables] => {
                    let pairs = variables.pairs().unwrap().iter();
                    let named = pairs.map(|pair| {
                        let name = pair.key.text().unwrap().to_owned();
                        (name, resolved(&pair.value, document))
                    });
                    (text.text().unwrap(), named.collect())
                }
                _ => panic!("no Fn::Sub"),
            };
            substituted(text, &variables)
        }
        _ => {
            // What is inside is compared as it stands, but for where its lines begin.
            let words: Vec<&str> = document.source(node).split_whitespace().collect();
            let words = words.concat().replace(['"', '\\'], "'");
            format!("<{words}>")
        }
    }
}

fn substituted(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let end = at + rest[at..].find('}').unwrap();
        let name = &rest[at + 2..end];
        out += &rest[..at];
        match (name.strip_prefix('!'), variables.get(name)) {
            (Some(literal), _) => out += &format!("${{{literal}}}"),
            (None, Some(value)) => out += value,
            (None, None) if name.contains('.') => out += &format!("<GetAtt {name}>"),
            (None, None) => out += &format!("<Ref {name}>"),
        }
        rest = &rest[end + 1..];
    }
    out + rest
}

/// What each action of a document says, however it is written.
fn said(text: &str) -> Vec<BTreeMap<String, String>> {
    let document = Document::parse(text).unwrap();
    let (kind, pipelines) = place::pipelines(&document).unwrap();
    let places = pipelines.iter().flat_map(|pipeline| &pipeline.actions);
    places
        .map(|place| {
            let configuration = place.action.get(&kind.name("Configuration")).unwrap();
            let mut all = BTreeMap::new();
            let mut add = |name: &str, value: String| {
                assert!(all.insert(name.to_owned(), value).is_none());
            };
            for pair in configuration.pairs().unwrap() {
                let value = resolved(&pair.value, &document);
                match pair.key.text().unwrap() {
                    "FunctionName" => assert_eq!(value, "ecs-deploy-action"),
                    "UserParameters" => {
                        let members: serde_json::Map<String, serde_json::Value> =
                            serde_json::from_str(&value).unwrap_or_else(|_| panic!("{value}"));
                        for (name, value) in members {
                            add(&name, value.as_str().unwrap().to_owned());
                        }
                    }
                    name => add(name, value),
                }
            }
            for name in ["RoleArn", "Region"] {
                if let Some(value) = place.action.get(&kind.name(name)) {
                    add(name, resolved(value, &document));
                }
            }
            all
        })
        .collect()
}

/// All that must hold for what was made of a text.
fn check(text: &str, done: &Migrated) {
    // Only the edits differ.
    let mut at = 0;
    let mut rest = done.text.as_str();
    for edit in &done.edits {
        assert!(at <= edit.range.start && edit.range.end <= text.len());
        rest = rest.strip_prefix(&text[at..edit.range.start]).unwrap();
        rest = rest.strip_prefix(edit.text.as_str()).unwrap();
        at = edit.range.end;
    }
    assert_eq!(rest, &text[at..]);
    assert_eq!(done.edits.is_empty(), done.report.replaced == 0);
    // Nothing is left to replace.
    let again = migrate(done.text.as_bytes(), "ecs-deploy-action").unwrap();
    assert_eq!(again.report.replaced, 0, "{}", again.report);
    assert_eq!(again.text, done.text);
    assert_eq!(again.report.left, done.report.left, "{}", again.report);
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    Block,
    Flow,
    Json,
}

#[derive(Debug, Clone)]
struct Written {
    writing: Writing,
    has_comments: bool,
    is_windows: bool,
    unit: usize,
    /// Name and value as it stands in YAML; JSON has one of its own.
    parameters: Vec<(&'static str, (&'static str, &'static str))>,
    /// What stands before and behind the configuration.
    before: Vec<&'static str>,
    behind: Vec<&'static str>,
}

/// Of values that are in YAML and in JSON the same.
const VALUES: [(&str, &str); 12] = [
    ("prod", "\"prod\""),
    ("'it''s \"x\" ${Y} \\'", r#""it's \"x\" ${Y} \\""#),
    ("\"a\\u00e9\\u2028#{S.V}\"", r#""aé\u2028#{S.V}""#),
    ("!Ref Cluster", r#"{"Ref": "Cluster"}"#),
    (
        "!GetAtt Service.Name",
        r#"{"Fn::GetAtt": ["Service", "Name"]}"#,
    ),
    (
        "!Sub '${ClusterName}-\"x${!L}'",
        r#"{"Fn::Sub": "${ClusterName}-\"x${!L}"}"#,
    ),
    ("!ImportValue shop", r#"{"Fn::ImportValue": "shop"}"#),
    (
        "!Sub ['${A}-${ServiceName}', {A: !Ref B}]",
        r#"{"Fn::Sub": ["${A}-${ServiceName}", {"A": {"Ref": "B"}}]}"#,
    ),
    (
        "{\"Fn::If\": [C, a, !Ref D]}",
        r#"{"Fn::If": ["C", "a", {"Ref": "D"}]}"#,
    ),
    (
        "!Join ['', [a, !Ref B]]",
        r#"{"Fn::Join": ["", ["a", {"Ref": "B"}]]}"#,
    ),
    ("!Ref ClusterName", r#"{"Ref": "ClusterName"}"#),
    ("\"$\\x24{A}\"", r#""$\u0024{A}""#),
];

fn written() -> impl Strategy<Value = Written> {
    let value = select(VALUES.as_slice());
    let parameters = (
        value.clone(),
        value.clone(),
        proptest::option::of(value.clone()),
        any::<bool>(),
    );
    let parameters = parameters.prop_map(|(cluster, service, file, timeout)| {
        let mut all = vec![("ClusterName", cluster), ("ServiceName", service)];
        all.extend(file.map(|file| ("FileName", file)));
        all.extend(timeout.then_some(("DeploymentTimeout", ("15", "\"15\""))));
        all
    });
    let others = ["Name", "RunOrder", "RoleArn", "Region", "InputArtifacts"];
    (
        select([Writing::Block, Writing::Flow, Writing::Json].as_slice()),
        any::<bool>(),
        any::<bool>(),
        1_usize..5,
        parameters.prop_shuffle(),
        proptest::sample::subsequence(others.to_vec(), 0..=5).prop_shuffle(),
        0_usize..6,
    )
        .prop_map(
            |(writing, has_comments, is_windows, unit, parameters, mut others, at)| {
                let behind = others.split_off(at.min(others.len()));
                Written {
                    writing,
                    has_comments: has_comments && writing != Writing::Json,
                    is_windows,
                    unit,
                    parameters,
                    before: others,
                    behind,
                }
            },
        )
}

impl Written {
    /// The pairs of the action: name, and value in YAML and JSON.
    fn pairs(&self) -> Vec<(String, String)> {
        let is_json = self.writing == Writing::Json;
        let pick = |(yaml, json): (&str, &str)| {
            if is_json {
                json.to_owned()
            } else {
                yaml.to_owned()
            }
        };
        let other = |name: &&str| {
            let value = match *name {
                "RunOrder" => ("1", "1"),
                "RoleArn" => ("!GetAtt Role.Arn", r#"{"Fn::GetAtt": ["Role", "Arn"]}"#),
                "InputArtifacts" => ("[{Name: B}]", r#"[{"Name": "B"}]"#),
                _ => ("x", "\"x\""),
            };
            ((*name).to_owned(), pick(value))
        };
        let types = (
            "{Category: Deploy, Owner: AWS, Provider: ECS, Version: '1'}",
            r#"{"Category": "Deploy", "Owner": "AWS", "Provider": "ECS", "Version": "1"}"#,
        );
        let mut all: Vec<_> = self.before.iter().map(other).collect();
        all.push(("ActionTypeId".to_owned(), pick(types)));
        all.push(("Configuration".to_owned(), String::new()));
        all.extend(self.behind.iter().map(other));
        all
    }

    fn text(&self) -> String {
        let line_break = if self.is_windows { "\r\n" } else { "\n" };
        let unit = " ".repeat(self.unit);
        let mut number = 0;
        let mut comment = |indent: &str| {
            number += 1;
            if self.has_comments {
                format!(" # {number}{line_break}{indent}# and {number}{line_break}{indent}")
            } else {
                format!("{line_break}{indent}")
            }
        };
        let mut action = String::new();
        let outer = format!("        {unit}  ");
        let inner = format!("{outer}{unit}");
        let is_json = self.writing == Writing::Json;
        for (place, (name, value)) in self.pairs().into_iter().enumerate() {
            let quote = if is_json { "\"" } else { "" };
            if place > 0 {
                action += if is_json { "," } else { "" };
                action += &comment(&outer);
            }
            action += &format!("{quote}{name}{quote}:");
            if name != "Configuration" {
                action += &format!(" {value}");
                continue;
            }
            let pairs = self.parameters.iter().map(|(name, (yaml, json))| {
                let value = if is_json { json } else { yaml };
                format!("{quote}{name}{quote}: {value}")
            });
            let pairs: Vec<String> = pairs.collect();
            match self.writing {
                Writing::Block => {
                    for pair in pairs {
                        action += &comment(&inner);
                        action += &pair;
                    }
                }
                Writing::Flow => action += &format!(" {{{}}}", pairs.join(", ")),
                Writing::Json => {
                    let pairs = pairs.join(&format!(",{line_break}{inner}"));
                    action += &format!(" {{{line_break}{inner}{pairs}{line_break}{outer}}}");
                }
            }
        }
        let text = if is_json {
            format!(
                "{{\"Resources\": {{\"P\": {{\"Type\": \"AWS::CodePipeline::Pipeline\", \"Properties\": {{\"Stages\": [{{\"Name\": \"D\", \"Actions\": [{{\n{outer}{action}\n}}]}}]}}}}}}}}\n"
            )
        } else {
            format!(
                "Resources:\n  P:\n    Type: AWS::CodePipeline::Pipeline\n    Properties:\n      Stages:\n      - Name: D\n        Actions:\n        {unit}- {action}{}\n    # end\n",
                if self.has_comments { " # last" } else { "" }
            )
        };
        if self.is_windows {
            text.replace("\r\n", "\n").replace('\n', "\r\n")
        } else {
            text
        }
    }
}

/// A text with a few of its bytes changed.
fn broken(samples: Vec<String>) -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "", " ", "\n", "\t", "'", "\"", "#", ": ", "- ", "{", "}", "[", "]", ",", "&a ", "*a",
        "!Ref ", "|", ">", "\\", "\r", "?", "<<: *a", "\u{feff}", "---\n", "ECS", "é", "\u{85}",
        "%", "${", "  ",
    ];
    let change = (any::<prop::sample::Index>(), 0_usize..6, select(PIECES));
    (select(samples), proptest::collection::vec(change, 1..6)).prop_map(|(text, changes)| {
        let mut bytes = text.into_bytes();
        for (at, gone, piece) in changes {
            let from = at.index(bytes.len() + 1);
            let to = (from + gone).min(bytes.len());
            bytes.splice(from..to, piece.bytes());
        }
        bytes
    })
}

fn samples() -> Vec<String> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let written = written();
    let mut all: Vec<String> = (0..40)
        .map(|_| written.new_tree(&mut runner).unwrap().current().text())
        .collect();
    all.push("pipeline:\n  name: a\n  stages:\n  - name: D\n    actions:\n    - name: W\n      region: r\n      roleArn: &r x\n      actionTypeId: &t {category: Deploy, owner: AWS, provider: ECS, version: '1'}\n      configuration:\n        ClusterName: |-\n          a\n        ServiceName: >-\n          b\n          c\nmetadata: {}\n".to_owned());
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn an_action_says_the_same_afterwards_and_nothing_else_changes(written in written()) {
        let text = written.text();
        let before = said(&text);
        let done = migrate(text.as_bytes(), "ecs-deploy-action").unwrap();
        prop_assert_eq!(done.report.replaced, 1, "{}{}", text, done.report);
        check(&text, &done);
        prop_assert_eq!(said(&done.text), before, "{}", done.text);
        let line_breaks = if written.is_windows { "\r\n" } else { "\n" };
        prop_assert_eq!(done.text.matches(line_breaks).count(), done.text.matches('\n').count());
        prop_assert_eq!(done.text.contains('\r'), written.is_windows);
    }

    #[test]
    fn a_broken_document_is_refused_or_comes_out_as_meant(bytes in broken(samples())) {
        if let Ok(done) = migrate(&bytes, "ecs-deploy-action") {
            check(std::str::from_utf8(&bytes).unwrap(), &done);
        }
    }

    #[test]
    fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = migrate(&bytes, "f");
    }

    #[test]
    fn no_text_is_too_much(text in "[-a:\\[\\]{},#&*!|>'\"%@?\n \t]{0,60}") {
        let text = format!("Resources:\n  {text}");
        if let Ok(done) = migrate(text.as_bytes(), "f") {
            check(&text, &done);
        }
    }
}

/// Documents that would take long if anything were looked at again and again.
#[test]
fn the_largest_document_takes_less_than_seconds() {
    let full = |unit: &str, head: &str| {
        let times = (crate::LIMIT_BYTES - head.len()) / unit.len();
        format!("{head}{}", unit.repeat(times))
    };
    let action = "        - {Name: a, ActionTypeId: {Category: Deploy, Owner: AWS, Provider: ECS, Version: 1}, RoleArn: !GetAtt R.Arn, Configuration: {ClusterName: a, ServiceName: !Ref b}}\n";
    let stages = "Resources:\n  R: {Type: AWS::IAM::Role}\n  P:\n    Type: AWS::CodePipeline::Pipeline\n    Properties:\n      Stages:\n      - Name: D\n        Actions:\n";
    for text in [
        full(action, stages),
        full("- &a [*a]\n", "Resources: {}\nX: &a\n"),
        full("# x\n", "Resources: {}\n"),
        full("a: {ECS: 1}\n", "Resources: {}\n"),
        full(
            "  P: {Type: AWS::CodePipeline::Pipeline, Properties: {}}\n",
            "Resources:\n",
        ),
    ] {
        let done = migrate(text.as_bytes(), "f");
        if text.contains("Actions") {
            assert_eq!(done.unwrap().report.replaced, text.matches("Owner").count());
        }
    }
}
