//! The account and Region that the simulator plays, and the ARNs of what is in them.

/// The account and Region that it plays.
pub const ACCOUNT: &str = "111122223333";
/// See [`ACCOUNT`].
pub const REGION: &str = "eu-central-1";

/// The ARN of a resource of its account and Region.
pub(crate) fn arn(service: &str, kind: &str, path: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}/{path}")
}

/// The resource's own name, which may also be given alone.
pub(crate) fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
