//! ECR: whether an image exists, and for which platforms.

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use serde_json::{Value, json};

use super::error::{CallError, Class};
use super::raw::{RawClient, Service};
use crate::deploy::images::{EcrImage, Reference};

/// The manifests that we can read; ECR converts to none of them by itself
/// (<https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html>).
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Its target and its host are those of the API model's metadata.
const SERVICE: Service = Service {
    id: "ECR",
    name: "ecr",
    host: "api.ecr",
    target: "AmazonEC2ContainerRegistry_V20150921",
};

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
    client: RawClient,
    http: SdkConfig,
}

impl Ecr {
    pub(super) fn new(config: SdkConfig) -> Self {
        Self {
            client: RawClient::new(config.clone(), SERVICE),
            http: config,
        }
    }

    /// The image's manifest and digest, or `None` if its repository has no such image.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`] if there is no such repository.
    pub async fn manifest(&self, image: &EcrImage) -> Result<Option<ImageFound>, CallError> {
        const OPERATION: &str = "ecr:BatchGetImage";
        let id = match &image.reference {
            Reference::Tag(tag) => json!({"imageTag": tag}),
            Reference::Digest(digest) => json!({"imageDigest": digest}),
        };
        let body = json!({"registryId": image.registry, "repositoryName": image.repository,
            "imageIds": [id], "acceptedMediaTypes": MEDIA_TYPES});
        let answer = self.client.ask(OPERATION, subject(image), body).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(found) = answer["images"].get(0) {
            return Ok(Some(ImageFound {
                manifest: text(&found["imageManifest"]).unwrap_or_default(),
                digest: text(&found["imageId"]["imageDigest"]),
            }));
        }
        let failure = &answer["failures"][0];
        match failure["failureCode"].as_str() {
            Some(
                "ImageNotFound"
                | "InvalidImageTag"
                | "InvalidImageDigest"
                | "ImageTagDoesNotMatchDigest",
            ) => Ok(None),
            _ => Err(CallError::unusable(
                OPERATION,
                subject(image),
                Class::Refused,
                failure["failureReason"]
                    .as_str()
                    .unwrap_or("no image and no reason"),
            )),
        }
    }

    /// The configuration of an image of one platform.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn configuration(&self, image: &EcrImage, digest: &str) -> Result<Value, CallError> {
        let body = json!({"registryId": image.registry, "repositoryName": image.repository,
            "layerDigest": digest});
        let answer = self.client.ask(GET_URL, subject(image), body).await?;
        let unusable = |class: Class, detail: &str| {
            CallError::unusable(GET_URL, subject(image), class, detail)
        };
        let url = answer["downloadUrl"]
            .as_str()
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
