//! How a job is answered, and what if CodePipeline does not take the answer: ever plainer ones.
//!
//! An answer that CodePipeline has refused once it refuses again, and a job without an answer hangs
//! for twenty minutes. So each refusal is followed by an answer with less in it that could be the
//! reason, and at the end by a failure that says what is known, in plain text.

use std::collections::{BTreeMap, VecDeque};

use crate::aws::Aws;
use crate::aws::codepipeline::CodePipeline;
use crate::deploy::call::{CallError, Class};
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::machine::Checkpoint;
use crate::deploy::outcome::Details;
use crate::deploy::outcome::Outcome;
use crate::deploy::text;
use crate::deploy::token;
use crate::deploy::words::{self, Caller};

/// A plain message has no more than this.
const SHORT_CHARS: usize = 600;

/// The last text: CodePipeline has nothing in it to refuse.
const LAST_TEXT: &str = "CodePipeline refused the message of this failure. The function's log has it. A deployment that was under way goes on unwatched: look at the service.";

/// The job could not be answered. Lambda is to bring the event again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the job could not be answered: {}", words::call(.0, Caller::Function))]
pub struct Unanswered(#[source] CallError);

/// How answering went.
pub(crate) struct Answered {
    /// CodePipeline has accepted the answer, or no job waits for one; false if another delivery has answered.
    pub(crate) is_accepted: bool,
    /// The failure that was given instead of a success, or of a token, that was not accepted.
    pub(crate) instead: Option<Outcome>,
    /// What should be known of it.
    pub(crate) warnings: Vec<String>,
}

/// Answers the job. What CodePipeline does not take is followed by a plainer answer. A refusal because the
/// job is over or not known is only worth a warning: the event was sent by hand, or twice.
///
/// # Replay
/// CodePipeline takes one answer to a job.
///
/// # Errors
/// [`Unanswered`] if CodePipeline could not be reached.
pub(crate) async fn answer(
    aws: &Aws,
    job: &str,
    outcome: &Outcome,
    checkpoint: &Checkpoint,
) -> Result<Answered, Unanswered> {
    let codepipeline = aws.codepipeline();
    let mut instead = Instead::of(outcome, checkpoint);
    let mut given = outcome.clone();
    let mut warnings = Vec::new();
    let error = loop {
        let error = match put(&codepipeline, job, &given).await {
            Ok(()) => break None,
            Err(error) => error,
        };
        let next = if is_no(error.class) {
            instead.next(&error)
        } else {
            None
        };
        let Some(next) = next else {
            break Some(error);
        };
        tracing::error!(job, %error, "the answer was refused, a plainer one is sent");
        given = next;
        if warnings.is_empty() {
            warnings.push(format!(
                "CodePipeline refused the full answer and was given a shorter one: {error}"
            ));
        }
    };
    let is_failure = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
    let became_failure = is_failure(&given) && !is_failure(outcome);
    let mut answered = Answered {
        is_accepted: true,
        instead: became_failure.then_some(given),
        warnings,
    };
    let Some(error) = error else {
        return Ok(answered);
    };
    answered.is_accepted = error.class == Class::Missing;
    let warning = match error.class {
        Class::Missing => {
            format!("CodePipeline does not know the job {job}, so nobody was answered: {error}")
        }
        Class::JobOver => {
            format!("the job {job} was answered before, so this answer was not taken: {error}")
        }
        // A retry by Lambda would be refused in the same way.
        Class::Refused | Class::Unsupported => {
            format!("CodePipeline took no answer to the job {job}, however plain: {error}")
        }
        Class::Denied
        | Class::Expired
        | Class::Unknown
        | Class::Unsigned
        | Class::Clock
        | Class::Account
        | Class::Archived
        | Class::KeyUnusable
        | Class::Changed
        | Class::Empty
        | Class::Throttled
        | Class::Unavailable => {
            let unanswered = Unanswered(error);
            tracing::error!(job, "{unanswered}");
            return Err(unanswered);
        }
    };
    tracing::warn!(job, "{warning}");
    answered.warnings.push(warning);
    Ok(answered)
}

/// Whether CodePipeline refused this very answer: it may accept another one.
fn is_no(class: Class) -> bool {
    !matches!(
        class,
        Class::Missing | Class::JobOver | Class::Throttled | Class::Unavailable
    )
}

async fn put(codepipeline: &CodePipeline, job: &str, outcome: &Outcome) -> Result<(), CallError> {
    const DONE_PERCENT: i32 = 100;
    match outcome {
        Outcome::Succeeded {
            message,
            variables,
            external_execution_id,
        } => {
            let details = Details {
                summary: message.to_string(),
                external_execution_id: external_execution_id.clone(),
                percent_complete: Some(DONE_PERCENT),
            };
            codepipeline.succeeded(job, &details, variables).await
        }
        Outcome::Failed {
            failure,
            external_execution_id,
        } => {
            let id = external_execution_id.as_deref();
            codepipeline.failed(job, failure, id).await
        }
        Outcome::InProgress { token, details } => {
            codepipeline.in_progress(job, details, token).await
        }
    }
}

/// What follows on a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plainer {
    /// The same without all that can be left out, in plain characters.
    Plain,
    /// The failure that says that the success, or the token, was not accepted.
    NotAccepted,
    /// That one in plain characters.
    PlainNotAccepted,
    /// [`LAST_TEXT`].
    LastText,
}

/// The answers that are left to give instead of `outcome`.
#[derive(Debug)]
pub(crate) struct Instead<'a> {
    outcome: &'a Outcome,
    /// The sentence on a deployment that is not over and is not followed any more.
    unwatched: String,
    left: VecDeque<Plainer>,
    /// Why a success or a token was not accepted: the first refusal explains most.
    refusal: Option<CallError>,
}

impl<'a> Instead<'a> {
    pub(crate) fn of(outcome: &'a Outcome, checkpoint: &Checkpoint) -> Self {
        let steps: &[Plainer] = match outcome {
            Outcome::Failed { .. } => &[Plainer::Plain, Plainer::LastText],
            Outcome::Succeeded { .. } | Outcome::InProgress { .. } => &[
                Plainer::Plain,
                Plainer::NotAccepted,
                Plainer::PlainNotAccepted,
                Plainer::LastText,
            ],
        };
        Self {
            outcome,
            unwatched: match checkpoint {
                Checkpoint::At(deployment) => words::unwatched(deployment),
                Checkpoint::Waiting(_) => {
                    "The deployment has not been started: retry the stage in CodePipeline."
                        .to_owned()
                }
                Checkpoint::Unchanged | Checkpoint::Changing => {
                    "The deployment goes on unwatched: look at its services in ECS.".to_owned()
                }
            },
            left: steps.iter().copied().collect(),
            refusal: None,
        }
    }

    /// The answer to give after the last one was refused with `error`; `None` if there is none
    /// left, or none that could be given.
    pub(crate) fn next(&mut self, error: &CallError) -> Option<Outcome> {
        if error.class == Class::Denied {
            // What may not be called may not be called with less in it.
            let is_failure =
                self.refusal.is_some() || matches!(self.outcome, Outcome::Failed { .. });
            if is_failure {
                return None;
            }
            self.left.retain(|step| *step != Plainer::Plain);
        }
        let step = self.left.pop_front()?;
        if step == Plainer::NotAccepted {
            self.refusal = Some(error.clone());
        }
        Some(match step {
            Plainer::Plain => plain(self.outcome),
            Plainer::NotAccepted => self.not_accepted(),
            Plainer::PlainNotAccepted => plain(&self.not_accepted()),
            Plainer::LastText => failed(FailureKind::Job, LAST_TEXT, None),
        })
    }

    fn not_accepted(&self) -> Outcome {
        let (kind, why) = match &self.refusal {
            Some(error) if error.class == Class::Denied => (
                FailureKind::Permission,
                words::call(error, Caller::Function),
            ),
            Some(error) => (FailureKind::Job, error.detail.clone()),
            None => (FailureKind::Job, String::new()),
        };
        let why = why.trim_end_matches('.');
        match self.outcome {
            Outcome::Succeeded {
                message,
                external_execution_id,
                ..
            } => failed(
                kind,
                &format!(
                    "The action fails because CodePipeline did not take the answer that it has succeeded ({why}). What was done stays as it is: {message}"
                ),
                external_execution_id.clone(),
            ),
            Outcome::InProgress { details, .. } => failed(
                kind,
                &format!(
                    "{} CodePipeline did not take the continuation token with which it would have been followed ({why}).",
                    self.unwatched
                ),
                details.external_execution_id.clone(),
            ),
            // A failure takes neither a token nor variables.
            Outcome::Failed { failure, .. } => failed(failure.kind, &failure.message, None),
        }
    }
}

fn failed(kind: FailureKind, message: &str, external_execution_id: Option<String>) -> Outcome {
    Outcome::Failed {
        failure: Failure::new(kind, message),
        external_execution_id,
    }
}

/// The same answer without all that CodePipeline may refuse, because it has just refused the full
/// one.
fn plain(outcome: &Outcome) -> Outcome {
    match outcome {
        Outcome::Succeeded { message, .. } => Outcome::Succeeded {
            message: plain_text(message).into(),
            variables: BTreeMap::new(),
            external_execution_id: None,
        },
        Outcome::Failed { failure, .. } => {
            failed(failure.kind, &plain_text(&failure.message), None)
        }
        Outcome::InProgress { token, details } => Outcome::InProgress {
            token: token::shortest(token).unwrap_or_else(|| token.clone()),
            details: Details {
                summary: plain_text(&details.summary),
                external_execution_id: None,
                percent_complete: None,
            },
        },
    }
}

fn plain_text(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| {
            if c == ' ' || c.is_ascii_graphic() {
                c
            } else {
                '?'
            }
        })
        .collect();
    text::cut(&plain, SHORT_CHARS).replace('…', "...")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Class) -> CallError {
        CallError::unusable(
            "codepipeline:PutJobSuccessResult",
            "job j",
            class,
            "ValidationException: no",
        )
    }

    fn in_progress() -> Outcome {
        Outcome::InProgress {
            token: "1 {}".to_owned(),
            details: Details {
                summary: "wéb\n".to_owned(),
                external_execution_id: Some("x".to_owned()),
                percent_complete: Some(7),
            },
        }
    }

    fn every_answer(outcome: &Outcome, class: Class) -> Vec<Outcome> {
        let mut instead = Instead::of(outcome, &Checkpoint::Unchanged);
        std::iter::from_fn(|| instead.next(&error(class))).collect()
    }

    #[test]
    fn a_plain_answer_keeps_the_token_and_drops_what_may_be_refused() {
        let Outcome::InProgress { token, details } = plain(&in_progress()) else {
            unreachable!("the kind stays")
        };
        assert_eq!(token, "1 {}");
        assert_eq!(details.summary, "w?b?");
        assert_eq!(details.external_execution_id, None);
    }

    #[test]
    fn every_answer_that_is_refused_is_followed_by_a_plainer_one_down_to_plain_text() {
        let succeeded = Outcome::Succeeded {
            message: "é".into(),
            variables: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            external_execution_id: None,
        };
        let failure = failed(FailureKind::Configuration, "é", Some("x".to_owned()));
        for (outcome, expected) in [(&in_progress(), 4), (&succeeded, 4), (&failure, 2)] {
            let given = every_answer(outcome, Class::Refused);
            assert_eq!(given.len(), expected, "{given:?}");
            assert_eq!(
                given.last(),
                Some(&failed(FailureKind::Job, LAST_TEXT, None))
            );
            for (place, one) in given.iter().enumerate() {
                assert!(place + 1 == expected || *one != given[place + 1]);
            }
        }
    }

    #[test]
    fn what_may_not_be_called_is_not_called_again_with_less() {
        let given = every_answer(&in_progress(), Class::Denied);
        let [Outcome::Failed { failure, .. }] = &given[..] else {
            unreachable!("one failure: {given:?}")
        };
        assert_eq!(failure.kind, FailureKind::Permission);
        assert!(failure.message.contains("unwatched"), "{}", failure.message);
        let failure = failed(FailureKind::Configuration, "x", None);
        assert_eq!(every_answer(&failure, Class::Denied), []);
    }
}
