//! S3: ranges of one object, all of the same version.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ServerSideEncryption;
use tokio::runtime::Handle;

use super::error::of_sdk;
use crate::artifact::location::Location;
use crate::artifact::ranged::{Source, Tail};
use crate::deploy::call::{CallError, Class};
use crate::deploy::region::partition_id;

const GET_OBJECT: &str = "s3:GetObject";

/// How often a range is asked for whose answer breaks off on the way.
const BODY_ATTEMPTS: usize = 3;

/// S3 with one set of credentials.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
}

impl S3 {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The object at `location`, to be read by range from a blocking thread of this runtime.
    pub fn object(&self, location: Location) -> Object {
        Object {
            client: self.client.clone(),
            runtime: Handle::current(),
            location,
            pin: None,
        }
    }

    /// Writes a zip to `location`, encrypted with the customer's `key` if there is one. An answer
    /// without a key leaves it to the bucket's own settings.
    ///
    /// # Replay
    /// The same again writes the same.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn put(
        &self,
        location: &Location,
        zip: Vec<u8>,
        key: Option<&str>,
    ) -> Result<(), CallError> {
        let mut request = self
            .client
            .put_object()
            .bucket(&location.bucket)
            .key(&location.key)
            .content_type("application/zip")
            .body(zip.into());
        if let Some(key) = key {
            request = request
                .server_side_encryption(ServerSideEncryption::AwsKms)
                .ssekms_key_id(key);
        }
        request.send().await.map(drop).map_err(|error| {
            let partition = partition_id(self.region());
            of_sdk("s3:PutObject", location.to_string(), &error)
                .about_resource(format!("arn:{partition}:s3:::{}/*", location.bucket))
                .in_region(self.region())
        })
    }

    fn region(&self) -> Option<&str> {
        self.client.config().region().map(AsRef::as_ref)
    }
}

/// What holds all reads to one version of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// The id of its version.
    Version(String),
    /// Its entity tag, if the bucket keeps no versions.
    Etag(String),
}

impl std::fmt::Display for Pin {
    /// As a continuation token holds it: a letter and the value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(version) => write!(f, "v{version}"),
            Self::Etag(etag) => write!(f, "e{etag}"),
        }
    }
}

impl Pin {
    /// Reads what [`Pin`] is written as. `None` for anything else.
    pub fn parse(written: &str) -> Option<Self> {
        let version = written.strip_prefix('v');
        let version = version.map(|version| Self::Version(version.to_owned()));
        version.or_else(|| Some(Self::Etag(written.strip_prefix('e')?.to_owned())))
    }
}

/// One object. The first answer says which version it is; every later read asks for that one.
///
/// Reading blocks: only from a thread that may block.
#[derive(Debug)]
pub struct Object {
    client: Client,
    runtime: Handle,
    location: Location,
    pin: Option<Pin>,
}

impl Object {
    /// Holds all reads to this version, or to that of the first answer.
    #[must_use]
    pub fn pinned(mut self, pin: Option<Pin>) -> Self {
        self.pin = pin;
        self
    }

    /// The version that all reads are held to, once there was one.
    pub fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    fn get(&mut self, range: &str, at_most: u64) -> Result<(Vec<u8>, Option<u64>), CallError> {
        let runtime = self.runtime.clone();
        let mut attempt = 1;
        loop {
            let answer = runtime.block_on(self.get_once(range, at_most));
            match answer {
                Err(error) if error.class == Class::Unavailable && attempt < BODY_ATTEMPTS => {
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn get_once(
        &mut self,
        range: &str,
        at_most: u64,
    ) -> Result<(Vec<u8>, Option<u64>), CallError> {
        let subject = || self.location.to_string();
        let mut request = self
            .client
            .get_object()
            .bucket(&self.location.bucket)
            .key(&self.location.key)
            .range(range);
        request = match &self.pin {
            Some(Pin::Version(version)) => request.version_id(version),
            Some(Pin::Etag(etag)) => request.if_match(etag),
            None => request,
        };
        let answer = request.send().await.map_err(|error| {
            let region = self.client.config().region().map(AsRef::as_ref);
            let partition = partition_id(region);
            of_sdk(GET_OBJECT, subject(), &error)
                .about_resource(format!("arn:{partition}:s3:::{}/*", self.location.bucket))
                .in_region(region)
        })?;
        let too_long = |length: &dyn std::fmt::Display| {
            CallError::unusable(
                GET_OBJECT,
                subject(),
                Class::Refused,
                format!("answered with {length} bytes where {at_most} were asked for"),
            )
        };
        let most = usize::try_from(at_most).unwrap_or(usize::MAX);
        let length = answer.content_length().unwrap_or(0);
        let expected = usize::try_from(length).unwrap_or(usize::MAX);
        if expected > most {
            return Err(too_long(&length));
        }
        let total = total_in(&answer);
        let pin = pin_in(&answer);
        // Once, and no larger: a part of a directory is much of what a small function has.
        let mut bytes = Vec::with_capacity(expected);
        let mut body = answer.body;
        while let Some(part) = body.try_next().await.map_err(|error| {
            CallError::unusable(GET_OBJECT, subject(), Class::Unavailable, error.to_string())
        })? {
            if part.len() > most.saturating_sub(bytes.len()) {
                return Err(too_long(&"more"));
            }
            bytes.extend_from_slice(&part);
        }
        // Only now: an answer that broke off pins nothing.
        if self.pin.is_none() {
            self.pin = pin;
        }
        Ok((bytes, total))
    }
}

impl Source for Object {
    type Error = CallError;

    fn tail(&mut self, length: u64) -> Result<Tail, CallError> {
        match self.get(&format!("bytes=-{length}"), length) {
            Ok((bytes, total)) => {
                let received = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                Ok(Tail {
                    bytes,
                    total: total.unwrap_or(received),
                })
            }
            // No byte of an empty object can be asked for.
            Err(error) if error.class == Class::Empty => Ok(Tail {
                bytes: Vec::new(),
                total: 0,
            }),
            Err(error) => Err(error),
        }
    }

    fn range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, CallError> {
        let length = end.saturating_sub(start);
        let (bytes, _) = self.get(&format!("bytes={start}-{}", end.saturating_sub(1)), length)?;
        Ok(bytes)
    }
}

/// The length of the whole object, from `bytes 0-9/1234`.
fn total_in(answer: &GetObjectOutput) -> Option<u64> {
    let (_, total) = answer.content_range()?.rsplit_once('/')?;
    total.parse().ok()
}

fn pin_in(answer: &GetObjectOutput) -> Option<Pin> {
    // A bucket without versions answers "null", which names no version for ever.
    match answer.version_id() {
        Some(version) if version != "null" => Some(Pin::Version(version.to_owned())),
        _ => answer.e_tag().map(|etag| Pin::Etag(etag.to_owned())),
    }
}
