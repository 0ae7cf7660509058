//! Whether the images exist and fit, and what their tags mean now, as far as ECR tells, before
//! anything is changed.

use super::Run;
use super::at_once::few_at_once;
use crate::aws::ecr::{Ecr, Looked};
use crate::deploy::call::{CallError, Class};
use crate::deploy::failure::Failure;
use crate::deploy::images::{self, EcrImage, Reference};
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
    /// What is not sure, as a sentence.
    unsure: Option<String>,
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

/// An image to look at.
struct Subject {
    image: String,
    parsed: EcrImage,
    /// Its platform is to fit, too.
    is_verified: bool,
    /// Its tag is to become a digest.
    is_pinned: bool,
}

impl Run<'_> {
    /// Looks at the images that `registration` brings, and at all of its images if they are to be
    /// pinned.
    pub(super) async fn verify_images(&self, registration: &Registration) -> Verified {
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
        let mut verified = Verified::default();
        let mut subjects: Vec<Subject> = Vec::new();
        for image in images {
            let is_verified = self.spec.verify_images && new.contains(&image);
            let Some(parsed) = EcrImage::parse(&image) else {
                if images::resembles_ecr(&image) {
                    self.note_resembling(&image, is_verified, &mut verified);
                }
                continue;
            };
            let is_pinned = self.spec.pin_digests && !parsed.is_digest();
            if is_verified || is_pinned {
                subjects.push(Subject {
                    image,
                    parsed,
                    is_verified,
                    is_pinned,
                });
            }
        }
        let looking = subjects.iter().map(|subject| {
            let wanted = wanted.as_ref().filter(|_| subject.is_verified);
            self.look_at_image(subject, wanted)
        });
        let findings = few_at_once(looking).await;
        for (subject, finding) in subjects.iter().zip(findings) {
            let image = &subject.image;
            let is_known = finding.digest.is_some() || finding.wrong.is_some();
            verified.wrong.extend(finding.wrong);
            verified.unknown.extend(finding.unsure);
            if let Some(error) = finding.unknown {
                if subject.is_pinned && !is_known {
                    let about = format!("the digest of the image {image} (PinDigests)");
                    verified.failed.push(self.of_call(&about, &error, false));
                } else {
                    let about = format!("the image {image} was not checked");
                    verified
                        .unknown
                        .push(self.of_call(&about, &error, false).message);
                }
            }
            let digest = finding.digest.filter(|_| subject.is_pinned);
            verified
                .digests
                .extend(digest.map(|digest| (image.clone(), digest)));
        }
        verified
    }

    /// An image whose host looks as if it were ECR's, and is not: nobody is asked, for whoever is
    /// there is not AWS.
    fn note_resembling(&self, image: &str, is_verified: bool, verified: &mut Verified) {
        let image = images::shown(image);
        let why = "its host resembles that of a private ECR registry and is none; such a one is as 111122223333.dkr.ecr.eu-central-1.amazonaws.com, in small letters, without a port";
        if self.spec.pin_digests {
            let sentence = format!("the image {image} cannot be pinned (PinDigests): {why}");
            verified.wrong.push(sentence);
        } else if is_verified {
            let sentence = format!("the image {image} was not checked: {why}");
            verified.unknown.push(sentence);
        }
    }

    async fn look_at_image(&self, subject: &Subject, wanted: Option<&Platform>) -> Finding {
        let Subject { image, parsed, .. } = subject;
        let ecr = self.target_account.ecr(Some(&parsed.region));
        let which = match &parsed.reference {
            Reference::Tag(tag) => format!("tag {tag}"),
            Reference::Digest(digest) => format!("digest {digest}"),
        };
        let found = match ecr.manifest(parsed).await {
            Ok(Looked::Found(found)) => found,
            Ok(Looked::Archived) => return Finding::wrong(archived(image)),
            Ok(Looked::Absent) => {
                let missing = format!(
                    "the repository {} has no image with the {which}",
                    parsed.repository
                );
                return self.absent(&ecr, subject, &missing).await;
            }
            Err(error) if error.class == Class::Missing => {
                let missing = format!(
                    "there is no repository {} in the registry {} in {}",
                    parsed.repository, parsed.registry, parsed.region
                );
                return self.absent(&ecr, subject, &missing).await;
            }
            Err(error) => return Finding::unknown(error),
        };
        let mut finding = Finding {
            digest: found.digest,
            ..Finding::default()
        };
        if subject.is_pinned && finding.digest.is_none() {
            return Finding::wrong(format!(
                "the image {image} cannot be pinned (PinDigests): ECR says no digest of it"
            ));
        }
        if let Some(wanted) = wanted {
            match platforms_in(&ecr, parsed, &found.manifest).await {
                Ok(platforms) => finding.wrong = platform::misfit(image, wanted, &platforms),
                Err(error) if error.class == Class::Archived => {
                    finding.wrong = Some(archived(image));
                }
                Err(error) => finding.unknown = Some(error),
            }
        }
        finding
    }

    /// ECR does not have the image. A pull-through cache may have it by the time a task pulls it:
    /// ECR says the same of what was never pulled
    /// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html>).
    async fn absent(&self, ecr: &Ecr, subject: &Subject, missing: &str) -> Finding {
        let Subject { image, parsed, .. } = subject;
        let no_image = format!("the image {image} does not exist: {missing}");
        let rule = match ecr.cache_rule(parsed).await {
            Ok(None) => return Finding::wrong(no_image),
            Ok(Some(rule)) => rule,
            Err(error) => {
                let way_out = if subject.is_pinned {
                    "pull the image once, so that it has a digest to be pinned to"
                } else {
                    "set VerifyImages to false"
                };
                return Finding::wrong(format!(
                    "{no_image}. Whether it is behind a pull-through cache could not be seen; if it is, {way_out}. {}",
                    self.text(&error)
                ));
            }
        };
        let cached = format!(
            "the pull-through cache of {} is for {} and fetches images when they are first pulled",
            rule.prefix, rule.upstream
        );
        if subject.is_pinned {
            return Finding::wrong(format!(
                "the image {image} cannot be pinned (PinDigests): {missing} yet; {cached}: pull it once, or leave PinDigests out"
            ));
        }
        Finding {
            unsure: Some(format!(
                "the image {image} was not checked: {missing} yet; {cached}"
            )),
            ..Finding::default()
        }
    }
}

fn archived(image: &str) -> String {
    format!(
        "the image {image} is archived in ECR, and no task can pull it: restore it (aws ecr update-image-storage-class --target-storage-class STANDARD) and wait until that is done, or deploy another"
    )
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
