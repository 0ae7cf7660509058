//! Why a job failed: CodePipeline's kind and the sentence that people read.

use super::message::Message;
use super::outside::without_secrets;

/// CodePipeline takes this much of failure text
/// (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_FailureDetails.html>), in
/// characters, and perhaps in bytes: see [`super::text::cut_bytes`].
pub const MESSAGE_LIMIT_BYTES: usize = 5000;

/// So many problems of one failure are shown.
pub const PROBLEM_LIMIT: usize = 20;

/// CodePipeline's failure types, as far as we answer with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// What the user wrote, or what it refers to, is wrong.
    Configuration,
    /// The artifact is missing, expired or unreadable.
    RevisionUnavailable,
    /// AWS denied a call.
    Permission,
    /// AWS stayed unavailable before anything was changed.
    SystemUnavailable,
    /// The deployment itself.
    Job,
}

impl FailureKind {
    /// CodePipeline's name of it
    /// (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_FailureDetails.html>).
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "ConfigurationError",
            Self::RevisionUnavailable => "RevisionUnavailable",
            Self::Permission => "PermissionError",
            Self::SystemUnavailable => "SystemUnavailable",
            Self::Job => "JobFailed",
        }
    }
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// CodePipeline's type.
    pub kind: FailureKind,
    /// The headline first, which alone must suffice.
    pub message: Message,
}

impl Failure {
    /// A failure with `message`, as far as it can be shown, cut to what CodePipeline takes.
    pub fn new(kind: FailureKind, message: impl Into<Message>) -> Self {
        Self {
            kind,
            message: message.into().shown(MESSAGE_LIMIT_BYTES),
        }
    }

    /// One failure from several problems: a single one is its own sentence, several are counted
    /// and listed.
    pub fn of_problems<P: ToString>(kind: FailureKind, about: &str, problems: &[P]) -> Self {
        let message = match problems {
            [only] => format!("{about}{}", sentence(&without_secrets(&only.to_string()))),
            several => {
                let first = several.iter().take(PROBLEM_LIMIT);
                let numbered: Vec<String> = first
                    .enumerate()
                    .map(|(index, problem)| {
                        format!(
                            "{}) {}",
                            index + 1,
                            sentence(&without_secrets(&problem.to_string().replace('\n', " ")))
                        )
                    })
                    .collect();
                let more = match several.len() - numbered.len() {
                    0 => String::new(),
                    more => format!(" And {more} more."),
                };
                format!(
                    "{about}{} problems: {}{more}",
                    several.len(),
                    numbered.join(" ")
                )
            }
        };
        Self::new(kind, message)
    }

    /// Several failures as one: a single one is itself, several are counted and listed.
    ///
    /// The kind is the first one's. `None` if there are none.
    pub fn together(failures: &[Self]) -> Option<Self> {
        match failures {
            [] => None,
            [only] => Some(only.clone()),
            [first, ..] => {
                let messages: Vec<&str> = failures.iter().map(|one| &*one.message).collect();
                Some(Self::of_problems(first.kind, "", &messages))
            }
        }
    }
}

/// Ends a sentence with a full stop if nothing ends it yet.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_problems_are_counted_and_one_is_its_own_sentence() {
        let one = Failure::of_problems(FailureKind::Configuration, "", &["it is wrong"]);
        assert_eq!(one.message, "it is wrong.");
        let two =
            Failure::of_problems(FailureKind::Configuration, "UserParameters: ", &["a", "b?"]);
        assert_eq!(two.message, "UserParameters: 2 problems: 1) a. 2) b?");
        let lines = Failure::of_problems(FailureKind::Permission, "", &["a.\n{}\nb.", "c"]);
        assert_eq!(lines.message, "2 problems: 1) a. {} b. 2) c.");
        let many = Failure::of_problems(FailureKind::Configuration, "", &vec!["a"; 2000]);
        assert!(many.message.starts_with("2000 problems: 1) a. 2) a."));
        assert!(many.message.ends_with(" 20) a. And 1980 more."));
    }

    #[test]
    fn a_message_never_exceeds_what_codepipeline_takes() {
        let failure = Failure::new(FailureKind::Job, "é".repeat(6000));
        assert!(failure.message.len() <= MESSAGE_LIMIT_BYTES);
        assert!(
            failure.message.len() > MESSAGE_LIMIT_BYTES - 3,
            "no more is cut than must be"
        );
    }

    #[test]
    fn several_failures_are_all_reported() {
        assert_eq!(Failure::together(&[]), None);
        let one = Failure::new(FailureKind::Permission, "a");
        assert_eq!(
            Failure::together(std::slice::from_ref(&one)),
            Some(one.clone())
        );
        let both = Failure::together(&[one, Failure::new(FailureKind::Job, "b")]).unwrap();
        assert_eq!(both.kind, FailureKind::Permission);
        assert_eq!(both.message, "2 problems: 1) a. 2) b.");
    }
}
