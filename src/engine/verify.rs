//! Whether the images exist and fit, and what their tags mean now, as far as ECR tells, before
//! anything is changed.

use futures_util::future::join_all;

use super::Step;
use crate::aws::ecr::Ecr;
use crate::aws::error::{CallError, Class};
use crate::deploy::failure::Failure;
use crate::deploy::images::{EcrImage, Reference};
use crate::deploy::platform::{self, Manifest, Platform};
use crate::deploy::task_definition::Registration;

/// What looking at the images came to.
#[derive(Debug, Default)]
pub(super) struct Verified {
    /// Sentences about images that cannot be deployed.
    pub(super) wrong: Vec<String>,
    /// Sentences about what ECR does not tell.
    pub(super) unknown: Vec<String>,
    /// Why digests are not known that are to be.
    pub(super) failed: Vec<Failure>,
    /// Images and the digests that they mean, where they are to be pinned.
    pub(super) digests: Vec<(String, String)>,
}

/// What looking at one image came to.
#[derive(Default)]
struct Finding {
    /// The image cannot be deployed, as a sentence.
    wrong: Option<String>,
    /// What could not be told.
    unknown: Option<CallError>,
    digest: Option<String>,
}

impl Finding {
    fn wrong(sentence: String) -> Self {
        Self {
            wrong: Some(sentence),
            ..Self::default()
        }
    }

    fn unknown(error: CallError) -> Self {
        Self {
            unknown: Some(error),
            ..Self::default()
        }
    }
}

impl Step<'_> {
    /// Looks at the images that `registration` brings, and at all of its images if they are to be
    /// pinned.
    pub(super) async fn verify_images(&self, registration: &Registration) -> Verified {
        let pins = |image: &EcrImage| self.spec.pin_digests && !image.is_digest();
        let new = registration.new_images();
        let mut images = if self.spec.pin_digests {
            registration.all_images()
        } else {
            new.clone()
        };
        // In the order of their names, not in that of the answers.
        images.sort_unstable();
        images.dedup();
        let wanted = platform::wanted(&registration.body);
        let looked: Vec<(String, EcrImage, bool)> = images
            .into_iter()
            .filter_map(|image| {
                let parsed = EcrImage::parse(&image)?;
                let is_verified = self.spec.verify_images && new.contains(&image);
                let is_asked = is_verified || pins(&parsed);
                is_asked.then_some((image, parsed, is_verified))
            })
            .collect();
        let looking = looked.iter().map(|(image, parsed, is_verified)| {
            let wanted = wanted.as_ref().filter(|_| *is_verified);
            self.look_at_image(image, parsed, wanted)
        });
        let findings = join_all(looking).await;
        let mut verified = Verified::default();
        for ((image, parsed, _), finding) in looked.iter().zip(findings) {
            let is_known = finding.digest.is_some() || finding.wrong.is_some();
            verified.wrong.extend(finding.wrong);
            if let Some(error) = finding.unknown {
                if pins(parsed) && !is_known {
                    let about = format!("the digest of the image {image} (PinDigests)");
                    verified.failed.push(self.of_call(&about, &error, false));
                } else {
                    let about = format!("the image {image} was not checked");
                    verified
                        .unknown
                        .push(self.of_call(&about, &error, false).message);
                }
            }
            let digest = finding.digest.filter(|_| pins(parsed));
            verified
                .digests
                .extend(digest.map(|digest| (image.clone(), digest)));
        }
        verified
    }

    async fn look_at_image(
        &self,
        image: &str,
        parsed: &EcrImage,
        wanted: Option<&Platform>,
    ) -> Finding {
        let ecr = self.there.ecr(Some(&parsed.region));
        let found = match ecr.manifest(parsed).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                let which = match &parsed.reference {
                    Reference::Tag(tag) => format!("tag {tag}"),
                    Reference::Digest(digest) => format!("digest {digest}"),
                };
                return Finding::wrong(format!(
                    "the image {image} does not exist: the repository {} has no image with the {which}",
                    parsed.repository
                ));
            }
            Err(error) if error.class == Class::Missing => {
                return Finding::wrong(format!(
                    "the image {image} does not exist: there is no repository {} in the registry {} in {}",
                    parsed.repository, parsed.registry, parsed.region
                ));
            }
            Err(error) => return Finding::unknown(error),
        };
        let mut finding = Finding {
            digest: found.digest,
            ..Finding::default()
        };
        if let Some(wanted) = wanted {
            match platforms_in(&ecr, parsed, &found.manifest).await {
                Ok(platforms) => finding.wrong = platform::misfit(image, wanted, &platforms),
                Err(error) => finding.unknown = Some(error),
            }
        }
        finding
    }
}

async fn platforms_in(
    ecr: &Ecr,
    image: &EcrImage,
    manifest: &str,
) -> Result<Vec<Platform>, CallError> {
    match platform::manifest(manifest) {
        Manifest::Index(platforms) => Ok(platforms),
        Manifest::Unknown => Ok(Vec::new()),
        Manifest::Image { configuration } => {
            let configuration = ecr.configuration(image, &configuration).await?;
            Ok(platform::platform(&configuration).into_iter().collect())
        }
    }
}
