//! What was asked of the simulator, in order.

use bytes::Bytes;
use serde_json::Value;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `s3`, `ecs`, `codepipeline`, `ecr`, `sts` or `logs`.
    pub service: &'static str,
    /// The operation's name, as `UpdateService`.
    pub operation: String,
    /// The JSON body; for S3 `Bucket`, `Key`, `Range`, `IfMatch`, `VersionId` as sent.
    pub request: Value,
    /// The body as it came.
    pub raw_body: Bytes,
    /// Who signed it.
    pub access_key_id: Option<String>,
    /// For which Region it was signed.
    pub region: Option<String>,
    /// The HTTP status of the answer; 0 if there was none.
    pub status: u16,
    /// The code of the error, if it was one.
    pub error: Option<String>,
    /// The simulator's time.
    pub at_ms: i64,
    /// Length of the answer's body.
    pub response_bytes: u64,
}
