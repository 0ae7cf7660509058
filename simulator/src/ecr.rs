//! ECR: which images exist, for which architecture.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::wire::{ApiError, text};

/// ECR. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Ecr {
    /// By repository and tag: the digest and the manifest.
    images: Arc<Mutex<BTreeMap<(String, String), (String, Value)>>>,
}

impl Ecr {
    /// Puts an image for `architecture` (`amd64`, `arm64`) into `repository` under `tag`.
    pub fn put_image(&self, repository: &str, tag: &str, digest: &str, architecture: &str) {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest, "size": 1,
                "platform": {"architecture": architecture, "os": "linux"},
            }],
        });
        self.images
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(
                (repository.to_owned(), tag.to_owned()),
                (digest.to_owned(), manifest),
            );
    }

    pub(crate) fn call(&self, operation: &str, request: &Value) -> Result<Value, ApiError> {
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let repository = text(request, "repositoryName");
        if !images.keys().any(|(known, _)| known == repository) {
            return Err(ApiError::new(
                "RepositoryNotFoundException",
                format!("The repository with name '{repository}' does not exist in the registry"),
            ));
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
        ecr.put_image("app", "v1", "sha256:1", "amd64");
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
