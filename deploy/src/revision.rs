//! A task definition revision by its name, `family:number`.

use std::fmt;

/// One revision of a task definition family, as `app:42`.
///
/// ECS names revisions by ARN (`arn:aws:ecs:eu-central-1:111122223333:task-definition/app:42`).
/// Within one deployment account and Region never differ, so the last part identifies it, and it
/// is short enough for a continuation token that holds ten of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Revision {
    family: String,
    number: u64,
}

/// A text that is neither `family:number` nor a task definition's ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a task definition revision: expected family:number or its ARN")]
pub struct NotARevision(String);

impl Revision {
    /// Reads `family:number` or an ARN that ends in it.
    ///
    /// # Errors
    /// [`NotARevision`] when the family or the number is missing.
    pub fn parse(text: &str) -> Result<Self, NotARevision> {
        let wrong = || NotARevision(text.to_owned());
        let name = text.rsplit('/').next().unwrap_or(text);
        let (family, number) = name.rsplit_once(':').ok_or_else(wrong)?;
        let is_family = !family.is_empty()
            && family
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if !is_family || !is_number {
            return Err(wrong());
        }
        Ok(Self {
            family: family.to_owned(),
            number: number.parse().map_err(|_| wrong())?,
        })
    }

    /// The family, as `app` of `app:42`.
    pub fn family(&self) -> &str {
        &self.family
    }

    /// The number, as 42 of `app:42`. ECS counts from 1 in each family.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether `arn` names this revision.
    pub fn is_named_by(&self, arn: &str) -> bool {
        Self::parse(arn).is_ok_and(|named| named == *self)
    }

    /// This revision's ARN in the account and Region of `like`, the ARN of any revision.
    pub fn arn_like(&self, like: &str) -> String {
        match like.rsplit_once('/') {
            Some((prefix, _)) => format!("{prefix}/{self}"),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.family, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_and_its_short_form_are_the_same_revision() {
        let arn = "arn:aws-cn:ecs:cn-north-1:111122223333:task-definition/my_app-1:42";
        let long = Revision::parse(arn).unwrap();
        assert_eq!(long, Revision::parse("my_app-1:42").unwrap());
        assert_eq!(long.to_string(), "my_app-1:42");
        assert_eq!((long.family(), long.number()), ("my_app-1", 42));
        let other = Revision::parse("b:7").unwrap();
        assert_eq!(
            other.arn_like(arn),
            "arn:aws-cn:ecs:cn-north-1:111122223333:task-definition/b:7"
        );
    }

    #[test]
    fn what_names_no_single_revision_is_refused() {
        for text in [
            "",
            "app",
            "app:",
            ":1",
            "app:x",
            "app:-1",
            "a b:1",
            "app:99999999999999999999999",
        ] {
            assert!(Revision::parse(text).is_err(), "{text}");
        }
    }
}
