//! Replaces the built-in ECS action in a pipeline's definition by this project's function.
//!
//! Text in, text out: [`migrate`] takes what `aws codepipeline get-pipeline` prints or a
//! CloudFormation template, in JSON or YAML, and gives it back with other bytes only where an ECS
//! action has its type and its configuration. [`Report`] says what was replaced, what was left as it
//! is and why, and which permissions move.
//!
//! | step | file |
//! |---|---|
//! | text → tree with places | `document.rs`, `node.rs` |
//! | which actions there are | `place.rs` |
//! | which of them can be replaced | `action.rs`, `parameter.rs` |
//! | what to write, in the style of what stood there | `edit.rs` |
//! | is the result what was meant, and nothing else | `check.rs` |
//! | whose statements move | `permissions.rs` |
//! | all of that for people | `report.rs` |

mod action;
mod check;
mod document;
mod edit;
mod node;
mod parameter;
mod permissions;
mod place;
#[cfg(test)]
mod properties;
mod report;

use action::{Action, Judged, Left, Provider, judge};
use check::Intended;
use document::Document;
use edit::{Editor, Functions};
use place::Place;

pub use document::LIMIT_BYTES;
pub use edit::Edit;
pub use place::Kind;
pub use report::Report;

/// What was made of a document.
#[derive(Debug)]
pub struct Migrated {
    /// The new document.
    pub text: String,
    /// What differs, in the order of the text; no two overlap.
    pub edits: Vec<Edit>,
    /// What was done, and what else is to do.
    pub report: Report,
}

/// Why a document was not read. One line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {text}")]
pub struct Refusal {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub text: String,
}

impl Refusal {
    fn at(line: usize, column: usize, text: String) -> Refusal {
        let text = text.replace(['\n', '\r'], " ");
        Refusal { line, column, text }
    }
}

/// Whether Lambda takes a text as the name of a function in CodePipeline's `FunctionName`.
pub fn is_function_name(name: &str) -> bool {
    let is_part = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
    (1..=64).contains(&name.len()) && name.chars().all(is_part)
}

/// Replaces the ECS actions of a document by `function`, a name as [`is_function_name`] has it.
///
/// # Errors
/// The document is too large, no UTF-8, neither YAML nor JSON, or no pipeline and no template.
pub fn migrate(bytes: &[u8], function: &str) -> Result<Migrated, Refusal> {
    if !is_function_name(function) {
        let text = "a function's name has 1 to 64 letters, digits, - and _";
        return Err(Refusal::at(1, 1, text.to_owned()));
    }
    let document = Document::read(bytes)?;
    let (kind, pipelines) = place::pipelines(&document)?;
    let editor = Editor {
        document: &document,
        function,
        functions: Functions::of(&document),
    };
    let mut done = Vec::new();
    let mut left = Vec::new();
    for (number, pipeline) in pipelines.iter().enumerate() {
        for place in &pipeline.actions {
            match judge(place, kind, &document) {
                Judged::Other => {}
                Judged::Left(why) => left.push((place.stage.clone(), why)),
                Judged::Replaceable(action) => match editor.replace(&action) {
                    Ok(edits) => done.push(Replacement {
                        pipeline: number,
                        place,
                        action,
                        edits,
                    }),
                    Err(why) => left.push((place.stage.clone(), not_written(&action, why))),
                },
            }
        }
    }
    let all: Vec<&place::Pipeline<'_>> = pipelines.iter().collect();
    for (node, provider) in place::elsewhere(&document.root, &all) {
        let why = "it does not stand where a pipeline has its actions, but behind an alias, a macro or a function that this does not follow";
        let why = Left {
            at: node.span.start,
            name: "?".to_owned(),
            why: why.to_owned(),
            provider: if provider == "ECS" {
                Provider::Ecs
            } else {
                Provider::CodeDeploy
            },
        };
        left.push(("?".to_owned(), why));
    }
    let text = verified(&document, &editor, &mut done, &mut left)?;
    left.sort_by_key(|(_, left)| left.at);
    let edits = done.iter().flat_map(|one| one.edits.clone()).collect();
    let report = Report::of(&document, kind, &pipelines, &done, &left, &editor);
    Ok(Migrated {
        text,
        edits,
        report,
    })
}

/// An action that is replaced.
struct Replacement<'a> {
    /// The pipeline's number.
    pipeline: usize,
    place: &'a Place<'a>,
    action: Action<'a>,
    edits: Vec<Edit>,
}

fn not_written(action: &Action<'_>, why: String) -> Left {
    Left {
        at: action.node.span.start,
        name: action.name.clone(),
        why,
        provider: Provider::Ecs,
    }
}

/// So many actions are tried one by one if all together do not come out as intended.
const TRIES: usize = 20;

/// The new text, once it has been read again and compared with the old one. An action that cannot
/// be written as intended is left.
fn verified(
    document: &Document<'_>,
    editor: &Editor<'_>,
    done: &mut Vec<Replacement<'_>>,
    left: &mut Vec<(String, Left)>,
) -> Result<String, Refusal> {
    done.sort_by_key(|one| one.edits.first().map_or(0, |edit| edit.range.start));
    let text_of = |some: &[&Replacement<'_>]| {
        let edits: Vec<Edit> = some.iter().flat_map(|one| one.edits.clone()).collect();
        let is_apart = edits
            .windows(2)
            .all(|two| two[0].range.end <= two[1].range.start);
        let text = edit::apply(document.text, &edits).filter(|_| is_apart)?;
        let actions: Vec<&Action<'_>> = some.iter().map(|one| &one.action).collect();
        let intended = Intended {
            actions: &actions,
            function: editor.function,
            functions: editor.functions,
        };
        check::is_as_intended(document, &text, &intended).then_some(text)
    };
    if done.is_empty() {
        return Ok(document.text.to_owned());
    }
    let all: Vec<&Replacement<'_>> = done.iter().collect();
    if let Some(text) = text_of(&all) {
        return Ok(text);
    }
    if done.len() <= TRIES {
        let mut number = 0;
        while number < done.len() {
            if text_of(&[&done[number]]).is_some() {
                number += 1;
            } else {
                let one = done.remove(number);
                let why = "it could not be written so that it reads as intended".to_owned();
                left.push((one.place.stage.clone(), not_written(&one.action, why)));
            }
        }
        let all: Vec<&Replacement<'_>> = done.iter().collect();
        if let Some(text) = text_of(&all) {
            return Ok(text);
        }
    }
    let text = "the new document does not read as intended, so it is not printed; this is a mistake of the tool";
    Err(Refusal::at(1, 1, text.to_owned()))
}
