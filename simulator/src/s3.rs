//! S3: the protocol is `s3s`'s, the objects are ours: in memory, with versions, and sparse where
//! an object is to be huge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use s3s::auth::SimpleAuth;
use s3s::dto::{ETag, ETagCondition, GetObjectInput, GetObjectOutput, StreamingBlob};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use crate::codepipeline::{ARTIFACT_ACCESS_KEY_ID, ARTIFACT_SECRET_ACCESS_KEY};

/// The credentials of the function under test; whoever signs otherwise is refused.
pub const FUNCTION_ACCESS_KEY_ID: &str = "AKIAFUNCTION00000000";
/// See [`FUNCTION_ACCESS_KEY_ID`].
pub const FUNCTION_SECRET_ACCESS_KEY: &str = "function-secret-MARK";

/// S3. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct S3 {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<String, Bucket>,
    etags: u64,
    denied: BTreeSet<String>,
    /// Buckets whose objects are under a key that nobody may use.
    locked: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Bucket {
    is_versioned: bool,
    /// Each key's versions, oldest first.
    objects: BTreeMap<String, Vec<Object>>,
}

#[derive(Clone, Debug)]
struct Object {
    etag: String,
    version: Option<String>,
    length: u64,
    /// Where there are bytes; zeros between.
    segments: Vec<(u64, Bytes)>,
}

impl S3 {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bucket without objects.
    pub fn create_bucket(&self, bucket: &str) {
        self.state().buckets.entry(bucket.to_owned()).or_default();
    }

    /// Whether new objects of the bucket get a version.
    pub fn set_versioned(&self, bucket: &str, is_versioned: bool) {
        let mut state = self.state();
        let bucket = state.buckets.entry(bucket.to_owned()).or_default();
        bucket.is_versioned = is_versioned;
    }

    /// Puts an object; makes the bucket if need be. Returns its entity tag.
    pub fn put(&self, bucket: &str, key: &str, content: impl Into<Bytes>) -> String {
        let content = content.into();
        let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.put_sparse(bucket, key, length, vec![(0, content)])
    }

    /// Puts an object of `length` bytes that are zero but for `segments`. Takes no more memory
    /// than those.
    pub fn put_sparse(
        &self,
        bucket: &str,
        key: &str,
        length: u64,
        segments: Vec<(u64, Bytes)>,
    ) -> String {
        let mut state = self.state();
        state.etags += 1;
        let number = state.etags;
        let etag = format!("{number:032x}");
        let bucket = state.buckets.entry(bucket.to_owned()).or_default();
        let object = Object {
            etag: etag.clone(),
            version: bucket.is_versioned.then(|| format!("version-{number}")),
            length,
            segments,
        };
        let versions = bucket.objects.entry(key.to_owned()).or_default();
        if !bucket.is_versioned {
            versions.clear();
        }
        versions.push(object);
        etag
    }

    /// Removes an object with all its versions.
    pub fn delete(&self, bucket: &str, key: &str) {
        if let Some(bucket) = self.state().buckets.get_mut(bucket) {
            bucket.objects.remove(key);
        }
    }

    /// Reads of this bucket are answered with `AccessDenied` from now on.
    pub fn deny(&self, bucket: &str) {
        self.state().denied.insert(bucket.to_owned());
    }

    /// This bucket's objects are under a KMS key that nobody may use.
    pub fn lock(&self, bucket: &str, key_arn: &str) {
        let key = key_arn.to_owned();
        self.state().locked.insert(bucket.to_owned(), key);
    }

    /// The protocol's service over these objects.
    pub(crate) fn service(&self) -> S3Service {
        let mut auth = SimpleAuth::new();
        for (id, secret) in [
            (ARTIFACT_ACCESS_KEY_ID, ARTIFACT_SECRET_ACCESS_KEY),
            (FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY),
        ] {
            auth.register(id.to_owned(), secret.into());
        }
        let mut builder = S3ServiceBuilder::new(self.clone());
        builder.set_auth(auth);
        builder.build()
    }

    fn find(&self, input: &GetObjectInput) -> S3Result<Object> {
        let state = self.state();
        if state.denied.contains(&input.bucket) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        if let Some(key) = state.locked.get(&input.bucket) {
            let words = crate::denial::words("kms:Decrypt", Some(key));
            return Err(s3_error!(AccessDenied, "{words}"));
        }
        let bucket = state
            .buckets
            .get(&input.bucket)
            .ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))?;
        let versions = bucket
            .objects
            .get(&input.key)
            .ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?;
        let object = match &input.version_id {
            Some(wanted) => versions
                .iter()
                .find(|object| object.version.as_ref() == Some(wanted))
                .ok_or_else(|| s3_error!(NoSuchVersion, "The specified version does not exist."))?,
            None => versions
                .last()
                .ok_or_else(|| s3_error!(NoSuchKey, "The specified key does not exist."))?,
        };
        let etag = ETag::Strong(object.etag.clone());
        match &input.if_match {
            Some(ETagCondition::ETag(wanted)) if !wanted.strong_cmp(&etag) => Err(s3_error!(
                PreconditionFailed,
                "At least one of the pre-conditions you specified did not hold"
            )),
            _ => Ok(object.clone()),
        }
    }
}

impl Object {
    fn read(&self, start: u64, end: u64) -> Bytes {
        let size = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        let mut content = BytesMut::zeroed(size);
        for (at, segment) in &self.segments {
            let segment_end = at + u64::try_from(segment.len()).unwrap_or(0);
            let (from, to) = (start.max(*at), end.min(segment_end));
            if from < to {
                let index = |position: u64| usize::try_from(position).unwrap_or(usize::MAX);
                content[index(from - start)..index(to - start)]
                    .copy_from_slice(&segment[index(from - at)..index(to - at)]);
            }
        }
        content.freeze()
    }
}

#[async_trait::async_trait]
impl s3s::S3 for S3 {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let object = self.find(&request.input)?;
        let unsatisfiable = || s3_error!(InvalidRange, "The requested range is not satisfiable");
        let range = match &request.input.range {
            // No byte of an empty object can be asked for, its last ones neither.
            Some(_) if object.length == 0 => return Err(unsatisfiable()),
            Some(range) => Some(range.check(object.length).map_err(|_| unsatisfiable())?),
            None => None,
        };
        let (start, end) = range
            .as_ref()
            .map_or((0, object.length), |range| (range.start, range.end));
        let content = object.read(start, end);
        Ok(S3Response::new(GetObjectOutput {
            content_length: i64::try_from(content.len()).ok(),
            content_range: range
                .map(|range| format!("bytes {}-{}/{}", range.start, range.end - 1, object.length)),
            body: Some(StreamingBlob::from(s3s::Body::from(content))),
            e_tag: Some(ETag::Strong(object.etag)),
            version_id: object.version,
            ..GetObjectOutput::default()
        }))
    }
}
