//! The credentials that the simulator knows, recognisable, so that a test can look for them.

/// The credentials of the function under test; whoever signs otherwise is refused.
pub const FUNCTION_ACCESS_KEY_ID: &str = "AKIAFUNCTION00000000";
/// See [`FUNCTION_ACCESS_KEY_ID`].
pub const FUNCTION_SECRET_ACCESS_KEY: &str = "function-secret-MARK";

/// The credentials that every job brings for its artifacts.
pub const ARTIFACT_ACCESS_KEY_ID: &str = "ASIAARTIFACT00000000";
/// See [`ARTIFACT_ACCESS_KEY_ID`].
pub const ARTIFACT_SECRET_ACCESS_KEY: &str = "artifact-secret-MARK";
/// See [`ARTIFACT_ACCESS_KEY_ID`].
pub const ARTIFACT_SESSION_TOKEN: &str = "artifact-token-MARK";

/// The access key of every assumed role: the [`Call::access_key_id`](crate::Call::access_key_id) of
/// what is asked under one.
pub const ASSUMED_ACCESS_KEY_ID: &str = "ASIAASSUMED000000000";
