//! For which operating system and CPU an image is made, and a task wants one.

use std::fmt;

use serde_json::{Map, Value};

use super::text;

/// An operating system and a CPU architecture, as image manifests name them: `linux/amd64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    os: String,
    architecture: String,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// What a manifest says of the platforms of its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// It is an index of images for these.
    Index(Vec<Platform>),
    /// It is one image, whose configuration (the blob with this digest) says for which.
    Image {
        /// `sha256:…`
        configuration: String,
    },
    /// It says nothing that this build understands.
    Unknown,
}

/// What a task of this registration runs on; `None` if its task definition leaves that open.
///
/// Without `runtimePlatform` Fargate takes Linux on `X86_64`
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RuntimePlatform.html>); a task
/// on instances runs on what they are.
pub fn wanted(registration: &Map<String, Value>) -> Option<Platform> {
    let platform = registration.get("runtimePlatform");
    let member = |name: &str| platform.and_then(|platform| platform[name].as_str());
    let architecture = match member("cpuArchitecture") {
        Some("X86_64") => "amd64",
        Some("ARM64") => "arm64",
        None if is_for_fargate(registration) => "amd64",
        // One that this build does not know, or whatever the instance is.
        Some(_) | None => return None,
    };
    let os = match member("operatingSystemFamily") {
        Some(family) if family.starts_with("WINDOWS") => "windows",
        Some("LINUX") | None => "linux",
        Some(_) => return None,
    };
    Some(Platform {
        os: os.to_owned(),
        architecture: architecture.to_owned(),
    })
}

/// Whether the task definition is made for Fargate.
pub fn is_for_fargate(registration: &Map<String, Value>) -> bool {
    let compatibilities = registration.get("requiresCompatibilities");
    let listed = compatibilities.and_then(Value::as_array);
    listed.is_some_and(|listed| listed.iter().any(|one| one == "FARGATE"))
}

/// Reads a manifest: an index (of OCI or Docker) or one image.
pub fn manifest(text: &str) -> Manifest {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Manifest::Unknown;
    };
    if let Some(manifests) = value["manifests"].as_array() {
        let known = manifests
            .iter()
            .filter_map(|one| platform(&one["platform"]));
        let known: Vec<Platform> = known.collect();
        return if known.is_empty() {
            Manifest::Unknown
        } else {
            Manifest::Index(known)
        };
    }
    match value["config"]["digest"].as_str() {
        Some(digest) if !digest.is_empty() => Manifest::Image {
            configuration: digest.to_owned(),
        },
        _ => Manifest::Unknown,
    }
}

/// Reads `os` and `architecture` of an image's configuration or of an index's entry. Attestations
/// are listed as `unknown`: they are no images.
pub fn platform(value: &Value) -> Option<Platform> {
    let member = |name: &str| {
        let text = value[name].as_str()?;
        Some(text.to_owned()).filter(|text| !text.is_empty() && text != "unknown")
    };
    Some(Platform {
        os: member("os")?,
        architecture: member("architecture")?,
    })
}

/// The sentence about an image that does not run on `wanted`, if none of `found` does.
pub fn misfit(image: &str, wanted: &Platform, found: &[Platform]) -> Option<String> {
    if found.is_empty() || found.contains(wanted) {
        return None;
    }
    let found: Vec<String> = found.iter().map(Platform::to_string).collect();
    Some(format!(
        "the image {image} is for {}, and the task definition's runtimePlatform wants {wanted}: build it for {wanted} (docker build --platform {wanted}), or change runtimePlatform",
        text::listed(&found)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanted_by(value: Value) -> Option<String> {
        let Value::Object(registration) = value else {
            unreachable!()
        };
        wanted(&registration).map(|platform| platform.to_string())
    }

    #[test]
    fn fargate_is_linux_on_x86_unless_the_task_definition_says_otherwise() {
        let fargate = json!(["FARGATE"]);
        assert_eq!(
            wanted_by(json!({"requiresCompatibilities": fargate})).unwrap(),
            "linux/amd64"
        );
        let arm = json!({"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"});
        assert_eq!(
            wanted_by(json!({"runtimePlatform": arm})).unwrap(),
            "linux/arm64"
        );
        let windows = json!({"cpuArchitecture": "X86_64", "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"});
        assert_eq!(
            wanted_by(json!({"runtimePlatform": windows})).unwrap(),
            "windows/amd64"
        );
    }

    #[test]
    fn what_is_left_open_or_not_known_is_not_guessed() {
        assert_eq!(wanted_by(json!({"requiresCompatibilities": ["EC2"]})), None);
        assert_eq!(
            wanted_by(json!({"runtimePlatform": {"cpuArchitecture": "RISCV"}})),
            None
        );
        assert_eq!(manifest("no json"), Manifest::Unknown);
        assert_eq!(manifest("{}"), Manifest::Unknown);
        assert_eq!(manifest(r#"{"manifests": []}"#), Manifest::Unknown);
        assert_eq!(misfit("a", &linux("amd64"), &[]), None);
    }

    fn linux(architecture: &str) -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
        }
    }

    #[test]
    fn an_index_names_its_platforms_and_attestations_are_none() {
        let index = json!({"manifests": [
            {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            {"platform": {"os": "unknown", "architecture": "unknown"}},
        ]});
        assert_eq!(
            manifest(&index.to_string()),
            Manifest::Index(vec![linux("arm64")])
        );
        let image = json!({"config": {"digest": "sha256:1"}, "layers": []});
        assert_eq!(
            manifest(&image.to_string()),
            Manifest::Image {
                configuration: "sha256:1".to_owned()
            }
        );
    }

    #[test]
    fn an_image_for_another_cpu_says_what_to_do() {
        let text = misfit("repo/app:v2", &linux("amd64"), &[linux("arm64")]).unwrap();
        assert!(
            text.starts_with("the image repo/app:v2 is for linux/arm64, and the task definition's runtimePlatform wants linux/amd64"),
            "{text}"
        );
        assert_eq!(
            misfit("a", &linux("amd64"), &[linux("arm64"), linux("amd64")]),
            None
        );
    }
}
