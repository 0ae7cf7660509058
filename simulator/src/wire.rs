//! Answers of the services with AWS's JSON protocol.

use serde_json::{Value, json};

/// An error as a service answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// The exception's name.
    pub(crate) code: String,
    /// Its text.
    pub(crate) message: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// ECS's `ConflictException` names what it conflicts with.
    pub(crate) resource_ids: Vec<String>,
}

impl ApiError {
    /// A client's mistake: status 400.
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            status: 400,
            resource_ids: Vec::new(),
        }
    }

    /// With another status.
    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// With what it conflicts with.
    pub(crate) fn with_resource_ids(self, resource_ids: Vec<String>) -> Self {
        Self {
            resource_ids,
            ..self
        }
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"__type": self.code, "message": self.message});
        if !self.resource_ids.is_empty() {
            body["resourceIds"] = json!(self.resource_ids);
        }
        body
    }
}

/// The page of `all` that `token` stands for, and the token of the next; `None` if we never gave
/// out that token.
pub(crate) fn page<'a>(
    all: &'a [Value],
    token: &str,
    count: usize,
) -> Option<(&'a [Value], Option<String>)> {
    let start: usize = if token.is_empty() {
        0
    } else {
        token.parse().ok()?
    };
    let rest = all.get(start..)?;
    let shown = &rest[..count.min(rest.len())];
    let next = (shown.len() < rest.len()).then(|| (start + count).to_string());
    Some((shown, next))
}

/// Undoes the percent-encoding of a part of a URL.
pub(crate) fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// A member that is a text, or an empty one.
pub(crate) fn text<'a>(request: &'a Value, member: &str) -> &'a str {
    request[member].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_one_after_the_other_and_a_token_that_was_not_given_out_is_none() {
        let all = [json!(1), json!(2), json!(3)];
        let (first, next) = page(&all, "", 2).unwrap();
        assert_eq!(first, &all[..2]);
        let (second, end) = page(&all, &next.unwrap(), 2).unwrap();
        assert_eq!(second, &all[2..]);
        assert_eq!(end, None);
        assert_eq!(page(&all, "x", 2), None);
        assert_eq!(page(&all, "9", 2), None);
        assert_eq!(page(&[], "", 2), Some((&[][..], None)));
    }
}
