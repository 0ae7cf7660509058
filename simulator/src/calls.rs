//! What was asked of the simulator, in order.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `s3`, `ecs`, `codepipeline`, `ecr`, `sts`, `logs`, `events` or `scheduler`; `unknown` for
    /// operations of none.
    pub service: &'static str,
    /// The operation's name, as `UpdateService`.
    pub operation: String,
    /// The JSON body, with what stands in the path and the query for the scheduler. For S3 `Bucket`
    /// and `Key`, and as sent `Range`, `IfMatch`, `VersionId`, or for `PutObject` `IfMatch`,
    /// `IfNoneMatch`, `ServerSideEncryption`, `SSEKMSKeyId`, `SSEKMSEncryptionContext`,
    /// `BucketKeyEnabled`. For STS all fields of the form.
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
    /// When it came: one count for all beginnings and ends of requests, from 1. A call that began
    /// after another had ended waited for it.
    pub began: u64,
    /// When it was answered or its connection closed; 0 if that has not happened.
    pub ended: u64,
}

/// The calls in steps: each is in the step after the last that had ended when it began. There are
/// as many steps as the longest chain of calls that waited for each other has. How often each
/// operation is in a step.
pub fn round_trips(calls: &[Call]) -> Vec<BTreeMap<&str, usize>> {
    let mut calls: Vec<&Call> = calls.iter().collect();
    calls.sort_unstable_by_key(|call| call.began);
    let mut depths: Vec<usize> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        let before = calls[..place].iter().zip(&depths);
        let ended = before.filter(|(earlier, _)| earlier.ended != 0 && earlier.ended < call.began);
        depths.push(ended.map(|(_, depth)| depth + 1).max().unwrap_or(0));
    }
    let mut steps: Vec<BTreeMap<&str, usize>> = Vec::new();
    for (call, depth) in calls.iter().zip(depths) {
        steps.resize_with(steps.len().max(depth + 1), BTreeMap::new);
        *steps[depth].entry(&call.operation).or_default() += 1;
    }
    steps
}
