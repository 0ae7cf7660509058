//! ECR: which images exist, for which architecture.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::wire::{ApiError, text};

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
    /// told by its configuration only.
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

    pub(crate) fn blob(&self, digest: &str) -> Option<Value> {
        self.state().blobs.get(digest).cloned()
    }

    pub(crate) fn call(&self, operation: &str, request: &Value) -> Result<Value, ApiError> {
        let state = self.state();
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
            match image {
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
}
