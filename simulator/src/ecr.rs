//! ECR: which images exist, for which architecture.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::arn::ACCOUNT;
use crate::wire::{ApiError, page, text};

/// Where blobs are served: the first part of the path.
pub(crate) const BLOBS: &str = "ecr-blobs";

/// ECR. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Ecr {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// By repository and tag: the digest and the manifest.
    images: BTreeMap<(String, String), (String, Value)>,
    /// Those that exist without an image.
    repositories: BTreeSet<String>,
    /// By digest.
    blobs: BTreeMap<String, Value>,
    /// Where blobs are served.
    endpoint: String,
    /// By repository and tag: images that are archived, and how that is answered.
    archived: BTreeMap<(String, String), Inaccessible>,
    /// Pull-through cache rules: prefix and upstream registry.
    rules: Vec<(String, String)>,
}

/// How ECR says that an image is archived: the API model has a failure code, and it is not
/// documented whether an error comes in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inaccessible {
    /// As a failure in an answer.
    Failure,
    /// As an error.
    Error,
}

impl Ecr {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn serve_blobs_at(&self, endpoint: &str) {
        endpoint.clone_into(&mut self.state().endpoint);
    }

    /// Puts an image of several platforms (`linux/amd64`, `linux/arm64`) into `repository` under
    /// `tag`, as `docker buildx` does.
    pub fn put_index(&self, repository: &str, tag: &str, digest: &str, platforms: &[&str]) {
        let manifests: Vec<Value> = platforms
            .iter()
            .map(|platform| {
                let (os, architecture) = platform.split_once('/').unwrap_or(("linux", platform));
                json!({
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": format!("{digest}-{architecture}"), "size": 1,
                    "platform": {"architecture": architecture, "os": os},
                })
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": manifests,
        });
        self.put(repository, tag, digest, manifest);
    }

    /// Puts an image of one platform, as `docker build` and `docker push` do: what it is for is
    /// known by its configuration only.
    pub fn put_image(&self, repository: &str, tag: &str, digest: &str, platform: &str) {
        let (os, architecture) = platform.split_once('/').unwrap_or(("linux", platform));
        let number = self.state().blobs.len() + 1;
        let configuration = format!("sha256:{number:064x}");
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "digest": configuration, "size": 1,
            },
            "layers": [],
        });
        self.put(repository, tag, digest, manifest);
        let blob = json!({"architecture": architecture, "os": os, "config": {}});
        self.state().blobs.insert(configuration, blob);
    }

    fn put(&self, repository: &str, tag: &str, digest: &str, manifest: Value) {
        self.state().images.insert(
            (repository.to_owned(), tag.to_owned()),
            (digest.to_owned(), manifest),
        );
    }

    /// Removes an image; its repository stays.
    pub fn remove_image(&self, repository: &str, tag: &str) {
        let mut state = self.state();
        state
            .images
            .remove(&(repository.to_owned(), tag.to_owned()));
        state.repositories.insert(repository.to_owned());
    }

    /// Archives an image: it is there, and nobody can pull it.
    pub fn archive_image(&self, repository: &str, tag: &str, inaccessible: Inaccessible) {
        let key = (repository.to_owned(), tag.to_owned());
        self.state().archived.insert(key, inaccessible);
    }

    /// Makes a pull-through cache rule. What it would fetch is not simulated: as long as nobody has
    /// pulled an image, ECR does not have it.
    pub fn cache(&self, prefix: &str, upstream: &str) {
        let rule = (prefix.to_owned(), upstream.to_owned());
        self.state().rules.push(rule);
    }

    pub(crate) fn blob(&self, digest: &str) -> Option<Value> {
        self.state().blobs.get(digest).cloned()
    }

    pub(crate) fn call(&self, operation: &str, request: &Value) -> Result<Value, ApiError> {
        let state = self.state();
        if operation == "DescribePullThroughCacheRules" {
            return rules(&state.rules, request);
        }
        let images = &state.images;
        let repository = text(request, "repositoryName");
        let has_images = images.keys().any(|(known, _)| known == repository);
        if !has_images && !state.repositories.contains(repository) {
            return Err(ApiError::new(
                "RepositoryNotFoundException",
                format!("The repository with name '{repository}' does not exist in the registry"),
            ));
        }
        if operation == "GetDownloadUrlForLayer" {
            let digest = text(request, "layerDigest");
            if !state.blobs.contains_key(digest) {
                return Err(ApiError::new(
                    "LayersNotFoundException",
                    format!("The layer with digest '{digest}' does not exist"),
                ));
            }
            let url = format!("{}/{BLOBS}/{digest}", state.endpoint);
            return Ok(json!({"downloadUrl": url, "layerDigest": digest}));
        }
        let mut found = Vec::new();
        let mut failures = Vec::new();
        for id in request["imageIds"].as_array().into_iter().flatten() {
            let image = images.iter().find(|((known, tag), (digest, _))| {
                known == repository && (id["imageTag"] == **tag || id["imageDigest"] == **digest)
            });
            let inaccessible = image.and_then(|(key, _)| state.archived.get(key));
            match image {
                Some(_) if inaccessible == Some(&Inaccessible::Error) => {
                    let message = "The image requested is not accessible";
                    return Err(ApiError::new("ImageInaccessible", message));
                }
                Some(_) if inaccessible.is_some() => failures.push(json!({
                    "imageId": id, "failureCode": "ImageInaccessible",
                    "failureReason": "The image requested is archived",
                })),
                Some(((_, tag), (digest, manifest))) if operation == "BatchGetImage" => {
                    found.push(json!({
                        "repositoryName": repository,
                        "imageId": {"imageDigest": digest, "imageTag": tag},
                        "imageManifest": manifest.to_string(),
                        "imageManifestMediaType": manifest["mediaType"],
                    }));
                }
                Some(((_, tag), (digest, _))) => found.push(json!({
                    "repositoryName": repository, "imageDigest": digest, "imageTags": [tag],
                })),
                None => failures.push(json!({
                    "imageId": id, "failureCode": "ImageNotFound",
                    "failureReason": "Requested image not found",
                })),
            }
        }
        if operation == "BatchGetImage" {
            return Ok(json!({"images": found, "failures": failures}));
        }
        if failures.is_empty() {
            return Ok(json!({"imageDetails": found}));
        }
        Err(ApiError::new(
            "ImageNotFoundException",
            format!("The image requested does not exist in the repository '{repository}'"),
        ))
    }
}

/// A page of the rules, at most 100 of them where no other number is asked for.
fn rules(all: &[(String, String)], request: &Value) -> Result<Value, ApiError> {
    const PAGE: u64 = 100;
    let asked = request["ecrRepositoryPrefixes"].as_array();
    let is_asked = |prefix: &str| asked.is_none_or(|asked| asked.iter().any(|one| one == prefix));
    let shown = all.iter().filter(|(prefix, _)| is_asked(prefix));
    let shown: Vec<Value> = shown
        .map(|(prefix, upstream)| {
            json!({"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": upstream,
                "registryId": ACCOUNT})
        })
        .collect();
    if asked.is_some() && shown.is_empty() {
        let message = "The specified pull through cache rule does not exist in the registry";
        return Err(ApiError::new(
            "PullThroughCacheRuleNotFoundException",
            message,
        ));
    }
    let count = request["maxResults"].as_u64().unwrap_or(PAGE);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let (rules, next) = page(&shown, text(request, "nextToken"), count).ok_or_else(|| {
        ApiError::new("InvalidParameterException", "Invalid parameter: nextToken")
    })?;
    let mut answer = json!({"pullThroughCacheRules": rules});
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_by_tag_and_by_digest_and_a_missing_one_is_a_failure() {
        let ecr = Ecr::default();
        ecr.put_image("app", "v1", "sha256:1", "linux/amd64");
        let get = |id: Value| {
            let request = json!({"repositoryName": "app", "imageIds": [id]});
            ecr.call("BatchGetImage", &request).unwrap()
        };
        assert_eq!(
            get(json!({"imageTag": "v1"}))["images"][0]["imageId"]["imageDigest"],
            "sha256:1"
        );
        assert_eq!(
            get(json!({"imageDigest": "sha256:1"}))["images"][0]["imageId"]["imageTag"],
            "v1"
        );
        assert_eq!(
            get(json!({"imageTag": "v2"}))["failures"][0]["failureCode"],
            "ImageNotFound"
        );
        let request = json!({"repositoryName": "none", "imageIds": []});
        assert_eq!(
            ecr.call("BatchGetImage", &request).unwrap_err().code,
            "RepositoryNotFoundException"
        );
    }

    #[test]
    fn an_archived_image_is_no_image_to_pull_in_either_way_of_saying_so() {
        let ecr = Ecr::default();
        ecr.put_image("app", "v1", "sha256:1", "linux/amd64");
        let request = json!({"repositoryName": "app", "imageIds": [{"imageTag": "v1"}]});
        ecr.archive_image("app", "v1", Inaccessible::Failure);
        let answer = ecr.call("BatchGetImage", &request).unwrap();
        assert_eq!(answer["failures"][0]["failureCode"], "ImageInaccessible");
        assert_eq!(answer["images"], json!([]));
        ecr.archive_image("app", "v1", Inaccessible::Error);
        let refused = ecr.call("BatchGetImage", &request).unwrap_err();
        assert_eq!(refused.code, "ImageInaccessible");
    }

    #[test]
    fn cache_rules_are_listed_by_pages_and_found_by_their_prefix() {
        let ecr = Ecr::default();
        let ask = |request: Value| ecr.call("DescribePullThroughCacheRules", &request);
        assert_eq!(ask(json!({})).unwrap()["pullThroughCacheRules"], json!([]));
        ecr.cache("hub", "registry-1.docker.io");
        ecr.cache("quay", "quay.io");
        let first = ask(json!({"maxResults": 1})).unwrap();
        assert_eq!(
            first["pullThroughCacheRules"][0]["ecrRepositoryPrefix"],
            "hub"
        );
        let second = ask(json!({"maxResults": 1, "nextToken": first["nextToken"]})).unwrap();
        assert_eq!(
            second["pullThroughCacheRules"][0]["upstreamRegistryUrl"],
            "quay.io"
        );
        assert_eq!(second.get("nextToken"), None);
        let unknown = ask(json!({"ecrRepositoryPrefixes": ["x"]})).unwrap_err();
        assert_eq!(unknown.code, "PullThroughCacheRuleNotFoundException");
    }
}
