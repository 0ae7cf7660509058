//! ECR: whether an image exists, and for which platforms.

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use serde_json::{Value, json};

use super::endpoint::{self, Service};
use super::hosts;
use super::raw::RawClient;
use crate::deploy::call::{CallError, Class};
use crate::deploy::images::{self, CacheRule, EcrImage, Reference};
use crate::deploy::region::partition_id;

/// The manifests that we can read; ECR converts to none of them by itself
/// (<https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchGetImage.html>).
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Its target is that of the API model's metadata.
pub(super) const SERVICE: Service = Service {
    id: "ECR",
    name: "ecr",
    hosts: &hosts::ECR,
    target: "AmazonEC2ContainerRegistry_V20150921",
};

const BATCH_GET: &str = "ecr:BatchGetImage";
const GET_URL: &str = "ecr:GetDownloadUrlForLayer";

/// A registry has 50 pull-through cache rules at most
/// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html>), and an answer as
/// many as it likes.
const RULE_PAGES: usize = 10;

/// Of an image's configuration no more than this is asked for.
const CONFIGURATION_LIMIT_BYTES: usize = 1024 * 1024;

/// What ECR knows of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looked {
    /// It can be pulled.
    Found(ImageFound),
    /// The repository has no such image.
    Absent,
    /// It is archived: no task can pull it until somebody restores it
    /// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/archive_restore_image.html>).
    Archived,
    /// It cannot be told.
    Unknown(CallError),
}

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

    /// What ECR has of these images of one repository, 100 at most, in their order.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`] if there is no such repository.
    pub async fn images(&self, images: &[&EcrImage]) -> Result<Vec<Looked>, CallError> {
        let answer = match self.ask_for(images).await {
            // It does not say which one.
            Err(error) if error.class == Class::Archived && images.len() > 1 => json!({}),
            Err(error) if error.class == Class::Archived => return Ok(vec![Looked::Archived]),
            answer => answer?,
        };
        let mut looked = Vec::new();
        for image in images {
            let one = looked_in(&answer, image, images.len() == 1);
            looked.push(match one {
                Some(one) => one,
                None if images.len() == 1 => unlisted(image),
                None => self.image(image).await?,
            });
        }
        Ok(looked)
    }

    async fn image(&self, image: &EcrImage) -> Result<Looked, CallError> {
        match self.ask_for(&[image]).await {
            // Which way ECR reports it is not documented: here, or as a failure of the one.
            Err(error) if error.class == Class::Archived => Ok(Looked::Archived),
            answer => Ok(looked_in(&answer?, image, true).unwrap_or_else(|| unlisted(image))),
        }
    }

    async fn ask_for(&self, images: &[&EcrImage]) -> Result<Value, CallError> {
        let Some(first) = images.first() else {
            return Ok(json!({}));
        };
        let ids: Vec<Value> = images.iter().map(|image| id_of(image)).collect();
        let body = json!({"registryId": first.registry, "repositoryName": first.repository,
            "imageIds": ids, "acceptedMediaTypes": MEDIA_TYPES});
        let answer = self.client.ask(BATCH_GET, subject(first), body).await;
        answer.map_err(|error| error.about_resource(arn(first)))
    }

    /// The rule by which ECR would fetch the image from another registry when a task pulls it
    /// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html>).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn cache_rule(&self, image: &EcrImage) -> Result<Option<CacheRule>, CallError> {
        const OPERATION: &str = "ecr:DescribePullThroughCacheRules";
        let subject = || format!("registry {} in {}", image.registry, image.region);
        let mut rules = Vec::new();
        let mut body = json!({"registryId": image.registry});
        for _ in 0..RULE_PAGES {
            let answer = match self.client.ask(OPERATION, subject(), body.clone()).await {
                Ok(answer) => answer,
                Err(error) if error.class == Class::Missing => break,
                Err(error) => return Err(error),
            };
            let listed = answer["pullThroughCacheRules"].as_array();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            rules.extend(listed.into_iter().flatten().map(|rule| CacheRule {
                prefix: text(&rule["ecrRepositoryPrefix"]),
                upstream: text(&rule["upstreamRegistryUrl"]),
            }));
            match answer["nextToken"].as_str() {
                Some(next) => body["nextToken"] = json!(next),
                None => break,
            }
        }
        Ok(images::cache_rule_for(&image.repository, rules))
    }

    /// The configuration of an image of one platform.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn configuration(&self, image: &EcrImage, digest: &str) -> Result<Value, CallError> {
        let body = json!({"registryId": image.registry, "repositoryName": image.repository,
            "layerDigest": digest});
        let answer = self.client.ask(GET_URL, subject(image), body).await;
        let answer = answer.map_err(|error| error.about_resource(arn(image)))?;
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

    /// What a signed URL leads to, with the HTTP client that all clients share, which follows no
    /// redirection. Nothing of ours is sent along.
    async fn download(&self, url: &str) -> Option<Vec<u8>> {
        let configured = endpoint::configured(&self.http, &SERVICE);
        let (origin, path) = origin_and_path(url, configured.as_deref())?;
        let path = path.to_owned();
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
                    .filter(|bytes| bytes.len() <= CONFIGURATION_LIMIT_BYTES)
                    .filter(|_| response.status().is_success());
                Ok::<_, OrchestratorError<std::convert::Infallible>>(bytes.map(<[u8]>::to_vec))
            })
            .build();
        operation.invoke(()).await.ok().flatten()
    }
}

fn id_of(image: &EcrImage) -> Value {
    match &image.reference {
        Reference::Tag(tag) => json!({"imageTag": tag}),
        Reference::Digest(digest) => json!({"imageDigest": digest}),
    }
}

/// What the answer of `BatchGetImage` says of `image`, if it is about that, or about nothing else.
fn looked_in(answer: &Value, image: &EcrImage, is_alone: bool) -> Option<Looked> {
    let (member, asked) = match &image.reference {
        Reference::Tag(tag) => ("imageTag", tag),
        Reference::Digest(digest) => ("imageDigest", digest),
    };
    let is_asked = |one: &&Value| is_alone || one["imageId"][member] == **asked;
    let find = |list: &str| {
        let mut all = answer[list].as_array().into_iter().flatten();
        all.find(is_asked)
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(found) = find("images") {
        return Some(Looked::Found(ImageFound {
            manifest: text(&found["imageManifest"]).unwrap_or_default(),
            // It becomes a part of an image's name.
            digest: text(&found["imageId"]["imageDigest"])
                .filter(|digest| images::is_digest(digest)),
        }));
    }
    let failure = find("failures")?;
    // Those of the API model's ImageFailureCode that can come here.
    let class = match failure["failureCode"].as_str() {
        Some(
            "ImageNotFound"
            | "InvalidImageTag"
            | "InvalidImageDigest"
            | "ImageTagDoesNotMatchDigest",
        ) => return Some(Looked::Absent),
        Some("ImageInaccessible") => return Some(Looked::Archived),
        Some("KmsError") => Class::KeyUnusable,
        Some("UpstreamTooManyRequests") => Class::Throttled,
        Some("UpstreamUnavailable") => Class::Unavailable,
        _ => Class::Refused,
    };
    let reason = [&failure["failureCode"], &failure["failureReason"]];
    let reason: Vec<&str> = reason.iter().filter_map(|part| part.as_str()).collect();
    Some(unknown(image, class, reason.join(": ")))
}

fn unlisted(image: &EcrImage) -> Looked {
    unknown(image, Class::Refused, "no image and no reason".to_owned())
}

fn unknown(image: &EcrImage, class: Class, detail: String) -> Looked {
    let error = CallError::unusable(BATCH_GET, subject(image), class, detail);
    Looked::Unknown(error.in_region(Some(image.region.name())))
}

/// A URL of a layer in two: `https://HOST[:PORT]` with a host that has a name, or the `configured`
/// endpoint, and what follows.
fn origin_and_path<'a>(url: &'a str, configured: Option<&str>) -> Option<(&'a str, &'a str)> {
    const SCHEME: &str = "https://";
    let configured = configured.map(|endpoint| endpoint.trim_end_matches('/'));
    let rest = configured.and_then(|endpoint| url.strip_prefix(endpoint));
    if let Some(path) = rest.filter(|path| path.starts_with('/')) {
        return Some((&url[..url.len() - path.len()], path));
    }
    let authority = url.strip_prefix(SCHEME)?;
    let (authority, _) = authority.split_once('/')?;
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let has_name = host
        .split('.')
        .all(|label| !label.is_empty() && label.chars().all(is_name));
    let (_, domain) = host.rsplit_once('.')?;
    let is_domain = domain.starts_with(|c: char| c.is_ascii_alphabetic());
    let has_port = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let end = SCHEME.len() + authority.len();
    (has_name && is_domain && has_port).then(|| (&url[..end], &url[end..]))
}

/// The repository's ARN.
fn arn(image: &EcrImage) -> String {
    let EcrImage {
        registry,
        region,
        repository,
        ..
    } = image;
    let partition = partition_id(Some(region));
    format!("arn:{partition}:ecr:{region}:{registry}:repository/{repository}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_fetched_from_a_host_with_a_name_over_tls_or_from_the_endpoint_that_is_set() {
        let bucket = "https://prod-layers.s3.eu-central-1.amazonaws.com";
        let url = format!("{bucket}/a/b?X-Amz-Signature=1");
        assert_eq!(
            origin_and_path(&url, None),
            Some((bucket, "/a/b?X-Amz-Signature=1"))
        );
        let local = "http://127.0.0.1:4566";
        assert_eq!(
            origin_and_path("http://127.0.0.1:4566/x", Some("http://127.0.0.1:4566/")),
            Some((local, "/x"))
        );
        for url in [
            "http://bucket.s3.amazonaws.com/a",
            "https://user@bucket.s3.amazonaws.com/a",
            "https://169.254.170.2/a",
            "https://[::1]/a",
            "https://localhost/a",
            "https://bucket.s3.amazonaws.com:/a",
            "https://bucket.s3.amazonaws.com",
            "https://bucket.s3.amazonaws.com?/",
            "https://bücket.example/a",
            "file:///etc/passwd",
            "http://127.0.0.1:45667/x",
            "http://127.0.0.1:4566@evil.example/x",
            "",
        ] {
            assert_eq!(origin_and_path(url, Some(local)), None, "{url}");
        }
    }
}
