//! The shell of examples/app/buildspec.yml, run with stand-ins for `docker` and `aws`: what it
//! writes is what we read.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ecs_deploy_action::artifact::image_definitions;
use ecs_deploy_action::deploy::images::ImageSource;

const REPOSITORY: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/app";
const DIGEST: &str = "sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865";

/// Writes what it was called with into `called`, and answers `inspect` with `$PUSHED`.
const DOCKER: &str = r#"#!/bin/sh
echo "docker $*" >> called
case "$1" in
  login) read -r password && [ "$password" = the-password ] || exit 1 ;;
  push) [ -z "$NO_PUSH" ] || exit 1 ;;
  inspect) printf '%s' "$PUSHED" ;;
esac
"#;

/// `$THERE` is the digest that the registry has under the tag; it says `None` for none.
const AWS: &str = r#"#!/bin/sh
echo "aws $*" >> called
case "$2" in
  get-login-password) echo the-password ;;
  batch-get-image) [ "$THERE" != denied ] || { echo AccessDenied >&2; exit 254; }; echo "${THERE:-None}" ;;
esac
"#;

/// The commands of its only phase: what stands indented below `- |`.
fn script() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/app/buildspec.yml");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, block) = text.split_once("      - |\n").unwrap();
    let is_in_block = |line: &&str| line.is_empty() || line.starts_with("        ");
    let lines = block.lines().take_while(is_in_block);
    let script: Vec<&str> = lines.map(|line| line.get(8..).unwrap_or("")).collect();
    assert!(script.len() > 10, "{script:?}");
    script.join("\n")
}

struct Build {
    folder: PathBuf,
    output: Output,
}

impl Build {
    /// Runs it in a folder of its own; `name` keeps the folders apart.
    fn run(name: &str, variables: &[(&str, &str)]) -> Self {
        let own = format!("buildspec-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(own);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, content) in [("docker", DOCKER), ("aws", AWS)] {
            let program = folder.join(name);
            std::fs::write(&program, content).unwrap();
            let runs = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(&program, runs).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", folder.display());
        let output = Command::new("bash")
            .args(["-c", &script()])
            .current_dir(&folder)
            .env_clear()
            .env("PATH", path)
            .env("REPOSITORY_URI", REPOSITORY)
            .env("CONTAINER_NAME", "web")
            .env("AWS_DEFAULT_REGION", "eu-central-1")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        Self { folder, output }
    }

    fn called(&self) -> String {
        std::fs::read_to_string(self.folder.join("called")).unwrap_or_default()
    }

    /// The image that it names for the container, as we read it.
    #[track_caller]
    fn image(&self) -> String {
        let problems = String::from_utf8_lossy(&self.output.stderr);
        assert!(self.output.status.success(), "{problems}");
        let file = "imagedefinitions.json";
        let written = std::fs::read(self.folder.join(file)).unwrap();
        match image_definitions::parse(file, &written, None).unwrap() {
            ImageSource::Definitions { images, .. } => {
                assert_eq!(images.len(), 1);
                assert_eq!(images[0].0, "web");
                images[0].1.clone()
            }
            ImageSource::Detail { .. } => unreachable!("an array is written"),
        }
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const COMMIT: (&str, &str) = (
    "CODEBUILD_RESOLVED_SOURCE_VERSION",
    "0123456789abcdef0123456789abcdef01234567",
);

#[test]
fn it_names_the_pushed_image_by_its_digest_and_tags_it_with_the_commit() {
    // Another repository with the same content is listed first.
    let pushed = format!("elsewhere/app@{DIGEST}\n{REPOSITORY}@{DIGEST}\n");
    let build = Build::run("digest", &[COMMIT, ("PUSHED", &pushed)]);
    assert_eq!(build.image(), format!("{REPOSITORY}@{DIGEST}"));
    let called = build.called();
    for call in [
        "aws ecr get-login-password --region eu-central-1",
        "docker login --username AWS --password-stdin 111122223333.dkr.ecr.eu-central-1.amazonaws.com\n",
        "docker build --build-arg VERSION=0123456789ab --tag ",
        "/team/app:0123456789ab .",
        "docker push 111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/app:0123456789ab\n",
    ] {
        assert!(called.contains(call), "{call}: {called}");
    }
    assert!(!called.contains("the-password"), "{called}");
}

#[test]
fn a_commit_that_is_released_again_is_the_image_that_is_there_and_nothing_is_pushed() {
    let build = Build::run("again", &[COMMIT, ("THERE", DIGEST)]);
    assert_eq!(build.image(), format!("{REPOSITORY}@{DIGEST}"));
    let called = build.called();
    assert!(
        called.contains("aws ecr batch-get-image --region eu-central-1 --registry-id 111122223333 --repository-name team/app --image-ids imageTag=0123456789ab "),
        "{called}"
    );
    assert!(!called.contains("docker"), "{called}");
}

#[test]
fn what_the_registry_does_not_show_is_built_and_pushed() {
    for (name, there) in [("denied", "denied"), ("odd", "sha256:short")] {
        let build = Build::run(name, &[COMMIT, ("THERE", there)]);
        assert_eq!(build.image(), format!("{REPOSITORY}:0123456789ab"));
        assert!(build.called().contains("docker push"), "{there}");
    }
}

#[test]
fn where_the_digest_is_not_known_it_names_the_tag() {
    let build = Build::run("tag", &[COMMIT]);
    assert_eq!(build.image(), format!("{REPOSITORY}:0123456789ab"));
}

#[test]
fn a_source_without_commit_is_tagged_with_the_builds_number_and_never_with_nothing() {
    let number = ("CODEBUILD_BUILD_NUMBER", "17");
    let build = Build::run("number", &[number]);
    assert_eq!(build.image(), format!("{REPOSITORY}:build_17"));
    let version = ("CODEBUILD_RESOLVED_SOURCE_VERSION", ".x/Y+z=12345678");
    let build = Build::run("version", &[version, number]);
    assert_eq!(build.image(), format!("{REPOSITORY}:_x_Y_z_12345"));
    // All of these would be the same tag, and so the first of their images for ever.
    let digest = ("CODEBUILD_RESOLVED_SOURCE_VERSION", DIGEST);
    let build = Build::run("source-digest", &[digest, number]);
    assert_eq!(build.image(), format!("{REPOSITORY}:4355a46b19d3"));
    let version = ("CODEBUILD_RESOLVED_SOURCE_VERSION", "null");
    let build = Build::run("unversioned", &[version, number]);
    assert_eq!(build.image(), format!("{REPOSITORY}:build_17"));
    let build = Build::run("nothing", &[]);
    assert!(!build.output.status.success());
    let problems = String::from_utf8_lossy(&build.output.stderr).into_owned();
    assert!(
        problems.contains("neither a commit nor a build number"),
        "{problems}"
    );
    assert!(!build.called().contains("push"), "nothing is pushed");
}

#[test]
fn a_failed_push_leaves_no_image_definitions_behind() {
    let build = Build::run("failed", &[COMMIT, ("NO_PUSH", "denied")]);
    assert!(!build.output.status.success());
    assert!(build.called().contains("docker push"));
    assert!(!build.folder.join("imagedefinitions.json").exists());
}
