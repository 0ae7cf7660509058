//! S3: the protocol is `s3s`'s, the objects are ours: in memory, with versions, and sparse where
//! an object is to be huge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use s3s::auth::SimpleAuth;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::{
    Checksum, ETag, ETagCondition, GetObjectInput, GetObjectOutput, PutObjectInput,
    PutObjectOutput, ServerSideEncryption, StreamingBlob,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::stream::DynByteStream;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use crate::credentials::{
    ARTIFACT_ACCESS_KEY_ID, ARTIFACT_SECRET_ACCESS_KEY, FUNCTION_ACCESS_KEY_ID,
    FUNCTION_SECRET_ACCESS_KEY,
};

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
    /// The algorithm and key that its writer asked for.
    encryption: Option<(String, Option<String>)>,
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
        self.state().store(bucket, key, length, segments, None).etag
    }

    /// The newest version of an object.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let object = self.state().newest(bucket, key)?.clone();
        Some(object.read(0, object.length).to_vec())
    }

    /// The algorithm (`AES256`, `aws:kms`) and the KMS key that the writer of an object's newest
    /// version asked for; `None` if it asked for none, which leaves it to the bucket.
    pub fn encryption(&self, bucket: &str, key: &str) -> Option<(String, Option<String>)> {
        self.state().newest(bucket, key)?.encryption.clone()
    }

    /// Removes an object with all its versions.
    pub fn delete(&self, bucket: &str, key: &str) {
        if let Some(bucket) = self.state().buckets.get_mut(bucket) {
            bucket.objects.remove(key);
        }
    }

    /// Reads and writes of this bucket are answered with `AccessDenied` from now on.
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
        let bucket = state.open(&input.bucket, "kms:Decrypt")?;
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

impl State {
    /// A bucket that may be used, by who needs `kms_action` for its key.
    fn open(&self, bucket: &str, kms_action: &str) -> S3Result<&Bucket> {
        if self.denied.contains(bucket) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        if let Some(key) = self.locked.get(bucket) {
            let text = crate::denial::denial_text(kms_action, Some(key));
            return Err(s3_error!(AccessDenied, "{text}"));
        }
        self.buckets
            .get(bucket)
            .ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))
    }

    fn newest(&self, bucket: &str, key: &str) -> Option<&Object> {
        self.buckets.get(bucket)?.objects.get(key)?.last()
    }

    fn store(
        &mut self,
        bucket: &str,
        key: &str,
        length: u64,
        segments: Vec<(u64, Bytes)>,
        encryption: Option<(String, Option<String>)>,
    ) -> Object {
        self.etags += 1;
        let number = self.etags;
        let bucket = self.buckets.entry(bucket.to_owned()).or_default();
        let object = Object {
            etag: format!("{number:032x}"),
            version: bucket.is_versioned.then(|| format!("version-{number}")),
            length,
            segments,
            encryption,
        };
        let versions = bucket.objects.entry(key.to_owned()).or_default();
        if !bucket.is_versioned {
            versions.clear();
        }
        versions.push(object.clone());
        object
    }
}

/// Refuses what is asked of a new object and not done here.
fn refuse_unknown(input: &PutObjectInput) -> S3Result<()> {
    let asked = [
        ("ACLs", input.acl.is_some()),
        ("grants", input.grant_read.is_some()),
        ("grants", input.grant_read_acp.is_some()),
        ("grants", input.grant_write_acp.is_some()),
        ("grants", input.grant_full_control.is_some()),
        ("Content-MD5", input.content_md5.is_some()),
        ("object locks", input.object_lock_mode.is_some()),
        ("holds", input.object_lock_legal_hold_status.is_some()),
        ("customers' keys", input.sse_customer_algorithm.is_some()),
        ("tags", input.tagging.is_some()),
        ("redirects", input.website_redirect_location.is_some()),
        ("offsets", input.write_offset_bytes.is_some()),
    ];
    match asked.into_iter().find(|(_, is_asked)| *is_asked) {
        Some((what, _)) => Err(s3_error!(
            NotImplemented,
            "The simulator's PutObject has no {what}."
        )),
        None => Ok(()),
    }
}

/// The algorithm and key that a new object is to be encrypted with.
fn encryption_in(input: &PutObjectInput) -> S3Result<Option<(String, Option<String>)>> {
    let algorithm = input.server_side_encryption.as_ref();
    let algorithm = algorithm.map(|algorithm| algorithm.as_str().to_owned());
    let key = input.ssekms_key_id.clone();
    let is_kms = match algorithm.as_deref() {
        None | Some(ServerSideEncryption::AES256) => false,
        Some(ServerSideEncryption::AWS_KMS | ServerSideEncryption::AWS_KMS_DSSE) => true,
        Some(_) => {
            return Err(s3_error!(
                InvalidArgument,
                "The encryption method specified is not supported"
            ));
        }
    };
    if key.is_some() && !is_kms {
        return Err(s3_error!(
            InvalidArgument,
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"
        ));
    }
    Ok(algorithm.map(|algorithm| (algorithm, key)))
}

/// Whether a new object may take the place of `known`, as the request wants it.
fn check_conditions(input: &PutObjectInput, known: Option<&Object>) -> S3Result<()> {
    let failed = || {
        s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        )
    };
    match (&input.if_none_match, known) {
        (Some(ETagCondition::Any), Some(_)) => return Err(failed()),
        (Some(ETagCondition::ETag(_)), _) => {
            return Err(s3_error!(
                NotImplemented,
                "A header you provided implies functionality that is not implemented"
            ));
        }
        _ => {}
    }
    match (&input.if_match, known) {
        (Some(_), None) => Err(s3_error!(NoSuchKey, "The specified key does not exist.")),
        (Some(ETagCondition::ETag(wanted)), Some(known)) => {
            let holds = wanted.strong_cmp(&ETag::Strong(known.etag.clone()));
            if holds { Ok(()) } else { Err(failed()) }
        }
        _ => Ok(()),
    }
}

/// The checksums that were sent with a body, in headers or behind it, if they are its own.
fn checked(
    input: &PutObjectInput,
    trailers: Option<&s3s::TrailingHeaders>,
    content: &[u8],
) -> S3Result<Checksum> {
    let trailing = |name: &str| {
        let text = |headers: &hyper::HeaderMap| Some(headers.get(name)?.to_str().ok()?.to_owned());
        trailers?.read(text)?
    };
    let sent = Checksum {
        checksum_crc32: input
            .checksum_crc32
            .clone()
            .or_else(|| trailing("x-amz-checksum-crc32")),
        checksum_crc32c: input
            .checksum_crc32c
            .clone()
            .or_else(|| trailing("x-amz-checksum-crc32c")),
        checksum_crc64nvme: input
            .checksum_crc64nvme
            .clone()
            .or_else(|| trailing("x-amz-checksum-crc64nvme")),
        checksum_sha1: input
            .checksum_sha1
            .clone()
            .or_else(|| trailing("x-amz-checksum-sha1")),
        checksum_sha256: input
            .checksum_sha256
            .clone()
            .or_else(|| trailing("x-amz-checksum-sha256")),
        ..Checksum::default()
    };
    let mut hasher = ChecksumHasher {
        crc32: sent.checksum_crc32.as_ref().map(|_| Crc32::default()),
        crc32c: sent.checksum_crc32c.as_ref().map(|_| Crc32c::default()),
        crc64nvme: sent
            .checksum_crc64nvme
            .as_ref()
            .map(|_| Crc64Nvme::default()),
        sha1: sent.checksum_sha1.as_ref().map(|_| Sha1::default()),
        sha256: sent.checksum_sha256.as_ref().map(|_| Sha256::default()),
    };
    hasher.update(content);
    if hasher.finalize() == sent {
        return Ok(sent);
    }
    Err(s3_error!(
        BadDigest,
        "The checksum you specified did not match the calculated checksum."
    ))
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

    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let body = request.input.body.take();
        let input = request.input;
        refuse_unknown(&input)?;
        let encryption = encryption_in(&input)?;
        self.state().open(&input.bucket, "kms:GenerateDataKey")?;
        let content = match body {
            Some(body) => s3s::Body::from(DynByteStream::from(body))
                .collect()
                .await
                .map_err(|_| s3_error!(IncompleteBody, "The body is not as its headers say."))?
                .to_bytes(),
            None => Bytes::new(),
        };
        let checksum = checked(&input, request.trailing_headers.as_ref(), &content)?;
        let mut state = self.state();
        check_conditions(&input, state.newest(&input.bucket, &input.key))?;
        let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let segments = vec![(0, content)];
        let object = state.store(&input.bucket, &input.key, length, segments, encryption);
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(object.etag)),
            version_id: object.version,
            server_side_encryption: input.server_side_encryption,
            ssekms_key_id: input.ssekms_key_id,
            bucket_key_enabled: input.bucket_key_enabled,
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }
}
