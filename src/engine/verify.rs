//! Whether the images exist and fit, as far as ECR tells, before anything is changed.

use tokio::task::JoinSet;

use super::Step;
use crate::aws::Aws;
use crate::aws::ecr::Ecr;
use crate::aws::error::{CallError, Class};
use crate::deploy::images::{EcrImage, Reference};
use crate::deploy::platform::{self, Manifest, Platform};
use crate::deploy::task_definition::Registration;
use crate::explain::{self, Caller};

/// What looking at the images came to.
#[derive(Debug, Default)]
pub(super) struct Verified {
    /// Sentences about images that cannot be deployed.
    pub(super) wrong: Vec<String>,
    /// Sentences about what ECR does not tell.
    pub(super) unknown: Vec<String>,
}

/// What looking at one image came to.
enum Finding {
    Sound,
    /// The image cannot be deployed, as a sentence.
    Wrong(String),
    /// It could not be told, as a sentence.
    Unknown(String),
}

impl Step<'_> {
    /// Looks at the images that `registration` brings.
    pub(super) async fn verify_images(&self, registration: &Registration) -> Verified {
        let mut verified = Verified::default();
        if !self.spec.verify_images {
            return verified;
        }
        let wanted = platform::wanted(&registration.body);
        let mut images: Vec<&str> = registration
            .changes
            .iter()
            .map(|one| one.to.as_str())
            .collect();
        images.sort_unstable();
        images.dedup();
        let mut looking = JoinSet::new();
        for image in images {
            if let Some(parsed) = EcrImage::parse(image) {
                let (aws, image, wanted) =
                    (self.engine.aws.clone(), image.to_owned(), wanted.clone());
                looking.spawn(async move { look_at(&aws, &image, &parsed, wanted.as_ref()).await });
            }
        }
        for finding in looking.join_all().await {
            match finding {
                Finding::Sound => {}
                Finding::Wrong(sentence) => verified.wrong.push(sentence),
                Finding::Unknown(warning) => verified.unknown.push(warning),
            }
        }
        // In the order of their names, not in that of the answers.
        verified.wrong.sort();
        verified.unknown.sort();
        verified
    }
}

async fn look_at(aws: &Aws, image: &str, parsed: &EcrImage, wanted: Option<&Platform>) -> Finding {
    let ecr = aws.ecr(Some(&parsed.region));
    let manifest = match ecr.manifest(parsed).await {
        Ok(Some(manifest)) => manifest,
        Ok(None) => {
            let which = match &parsed.reference {
                Reference::Tag(tag) => format!("tag {tag}"),
                Reference::Digest(digest) => format!("digest {digest}"),
            };
            return Finding::Wrong(format!(
                "the image {image} does not exist: the repository {} has no image with the {which}",
                parsed.repository
            ));
        }
        Err(error) if error.class == Class::Missing => {
            return Finding::Wrong(format!(
                "the image {image} does not exist: there is no repository {} in the registry {} in {}",
                parsed.repository, parsed.registry, parsed.region
            ));
        }
        Err(error) => return unknown(image, &error),
    };
    let Some(wanted) = wanted else {
        return Finding::Sound;
    };
    match found_in(&ecr, parsed, &manifest).await {
        Ok(found) => match platform::misfit(image, wanted, &found) {
            Some(misfit) => Finding::Wrong(misfit),
            None => Finding::Sound,
        },
        Err(error) => unknown(image, &error),
    }
}

async fn found_in(ecr: &Ecr, image: &EcrImage, manifest: &str) -> Result<Vec<Platform>, CallError> {
    match platform::manifest(manifest) {
        Manifest::Index(platforms) => Ok(platforms),
        Manifest::Unknown => Ok(Vec::new()),
        Manifest::Image { configuration } => {
            let configuration = ecr.configuration(image, &configuration).await?;
            Ok(platform::platform(&configuration).into_iter().collect())
        }
    }
}

fn unknown(image: &str, error: &CallError) -> Finding {
    let about = format!("the image {image} was not checked");
    Finding::Unknown(explain::of_call(&about, error, Caller::Function, false).message)
}
