//! What the operations share: answers, pages and refusals.

use serde_json::{Value, json};

use crate::arn::last_part;
use crate::wire::{self, ApiError, text};

pub(super) type Answer = Result<Value, ApiError>;

/// Operations that list answer so many at a time unless asked otherwise, and never more.
pub(super) const PAGE: usize = 100;

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterException", message)
}

/// The name of the cluster that a request is about.
pub(super) fn cluster_of(request: &Value) -> String {
    match text(request, "cluster") {
        "" => "default".to_owned(),
        cluster => last_part(cluster).to_owned(),
    }
}

/// Refuses parameters that would have to be looked at, and are not.
pub(super) fn refuse_parameters(request: &Value, names: &[&str]) -> Result<(), ApiError> {
    match names.iter().find(|name| !request[**name].is_null()) {
        Some(name) => Err(invalid(format!("The simulator has no {name} here."))),
        None => Ok(()),
    }
}

/// Refuses tags that ECS refuses.
pub(super) fn check_tags(request: &Value) -> Result<(), ApiError> {
    let Some(tags) = request["tags"].as_array() else {
        return Ok(());
    };
    if tags.is_empty() {
        return Err(invalid("Tags can not be empty."));
    }
    if tags.len() > 50 {
        return Err(invalid("Too many tags."));
    }
    if tags.iter().any(|tag| text(tag, "key").starts_with("aws:")) {
        let message = "aws: prefixed tag key names are not allowed for external use.";
        return Err(invalid(message));
    }
    Ok(())
}

pub(super) fn texts<'a>(request: &'a Value, member: &str) -> impl Iterator<Item = &'a str> {
    let all = request[member].as_array().map_or(&[][..], Vec::as_slice);
    all.iter().filter_map(Value::as_str)
}

/// One page of `all`: the answer's member, and where the next page begins. `size` of them unless
/// the request says otherwise.
pub(super) fn page(request: &Value, member: &str, all: &[Value], size: usize) -> Answer {
    let count = match request["maxResults"].as_i64() {
        None => size,
        Some(asked) => usize::try_from(asked)
            .ok()
            .filter(|count| (1..=PAGE).contains(count))
            .ok_or_else(|| invalid("maxResults must be between 1 and 100."))?,
    };
    let (shown, next) = wire::page(all, text(request, "nextToken"), count)
        .ok_or_else(|| invalid("Invalid token."))?;
    let mut answer = json!({ member: shown });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}
