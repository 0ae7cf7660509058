//! ECR: whether an image exists, and for which platforms.

use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::{ImageFailureCode, ImageIdentifier};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;
use serde_json::Value;

use super::error::{CallError, Class};
use crate::deploy::images::{EcrImage, Reference};

/// The manifests that we can read; ECR converts to none of them by itself
/// (<https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html>).
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

const GET_URL: &str = "ecr:GetDownloadUrlForLayer";

/// Of an image's configuration no more than this is asked for.
const CONFIGURATION_LIMIT_BYTES: usize = 1024 * 1024;

/// An image that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFound {
    /// Its manifest.
    pub manifest: String,
    /// `sha256:…`: what the tag means now.
    pub digest: Option<String>,
}

/// ECR in one Region.
#[derive(Debug, Clone)]
pub struct Ecr {
    client: Client,
    http: aws_config::SdkConfig,
}

impl Ecr {
    pub(super) fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            client: Client::new(config),
            http: config.clone(),
        }
    }

    /// The image's manifest and digest, or `None` if its repository has no such image.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`] if there is no such repository.
    pub async fn manifest(&self, image: &EcrImage) -> Result<Option<ImageFound>, CallError> {
        const OPERATION: &str = "ecr:BatchGetImage";
        let id = ImageIdentifier::builder();
        let id = match &image.reference {
            Reference::Tag(tag) => id.image_tag(tag),
            Reference::Digest(digest) => id.image_digest(digest),
        };
        let types = MEDIA_TYPES.map(str::to_owned).to_vec();
        let answer = self
            .client
            .batch_get_image()
            .registry_id(&image.registry)
            .repository_name(&image.repository)
            .image_ids(id.build())
            .set_accepted_media_types(Some(types))
            .send()
            .await
            .map_err(|error| CallError::from_sdk(OPERATION, subject(image), &error))?;
        if let Some(found) = answer.images().first() {
            let digest = found.image_id().and_then(|id| id.image_digest());
            return Ok(Some(ImageFound {
                manifest: found.image_manifest().unwrap_or_default().to_owned(),
                digest: digest.map(str::to_owned),
            }));
        }
        let failure = answer.failures().first();
        let code = failure.and_then(|failure| failure.failure_code());
        match code {
            Some(
                ImageFailureCode::ImageNotFound
                | ImageFailureCode::InvalidImageTag
                | ImageFailureCode::InvalidImageDigest
                | ImageFailureCode::ImageTagDoesNotMatchDigest,
            ) => Ok(None),
            _ => Err(CallError::unusable(
                OPERATION,
                subject(image),
                Class::Refused,
                failure
                    .and_then(|one| one.failure_reason())
                    .unwrap_or("no image and no reason"),
            )),
        }
    }

    /// The configuration of an image of one platform.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn configuration(&self, image: &EcrImage, digest: &str) -> Result<Value, CallError> {
        let answer = self
            .client
            .get_download_url_for_layer()
            .registry_id(&image.registry)
            .repository_name(&image.repository)
            .layer_digest(digest)
            .send()
            .await
            .map_err(|error| CallError::from_sdk(GET_URL, subject(image), &error))?;
        let unusable = |class: Class, detail: &str| {
            CallError::unusable(GET_URL, subject(image), class, detail)
        };
        let url = answer
            .download_url()
            .ok_or_else(|| unusable(Class::Refused, "the answer has no URL"))?;
        // The URL is signed: it opens the image, so no error may name it.
        let body = self.download(url).await.ok_or_else(|| {
            unusable(
                Class::Unavailable,
                "its configuration could not be downloaded",
            )
        })?;
        serde_json::from_slice(&body)
            .map_err(|_| unusable(Class::Refused, "its configuration is not JSON"))
    }

    /// What a signed URL leads to, with the HTTP client that all clients share.
    async fn download(&self, url: &str) -> Option<Vec<u8>> {
        let origin_end = url.find("://").map(|at| at + 3)?;
        let path = url[origin_end..].find('/').map(|at| origin_end + at)?;
        let (origin, path) = (&url[..path], url[path..].to_owned());
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(super::CONNECT_TIMEOUT)
            .read_timeout(super::READ_TIMEOUT)
            .operation_timeout(super::ATTEMPT_TIMEOUT)
            .build();
        let operation = Operation::builder()
            .service_name("ecr")
            .operation_name("GetLayer")
            .http_client(self.http.http_client()?)
            .endpoint_url(origin)
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .timeout_config(timeouts)
            .no_auth()
            .no_retry()
            .serializer(move |(): ()| {
                let mut request = HttpRequest::new(SdkBody::empty());
                request.set_uri(path.clone())?;
                let range = format!("bytes=0-{}", CONFIGURATION_LIMIT_BYTES - 1);
                request.headers_mut().insert("range", range);
                Ok(request)
            })
            .deserializer(|response: &HttpResponse| {
                let bytes = response
                    .body()
                    .bytes()
                    .filter(|_| response.status().is_success());
                Ok::<_, OrchestratorError<std::convert::Infallible>>(bytes.map(<[u8]>::to_vec))
            })
            .build();
        operation.invoke(()).await.ok().flatten()
    }
}

fn subject(image: &EcrImage) -> String {
    let EcrImage {
        registry,
        region,
        repository,
        ..
    } = image;
    format!("repository {repository} of the registry {registry} in {region}")
}
