//! Whether the images exist and fit, and what their tags mean now, as far as ECR tells, before
//! anything is changed.

use super::Run;
use super::at_once::few_at_once;
use crate::aws::ecr::{Ecr, Looked};
use crate::deploy::call::{CallError, Class};
use crate::deploy::images::{self, EcrImage, Reference};
use crate::deploy::plan::{Draft, Verified};
use crate::deploy::platform::{self, Manifest, Platform};
use crate::deploy::refusal::{self, Absent, RESEMBLES_ECR, UnusableImage};
use crate::deploy::task_definition::Registration;

/// What looking at one image came to.
#[derive(Default)]
struct Finding {
    /// The image cannot be deployed.
    unusable: Option<UnusableImage>,
    /// What is not sure, as a sentence.
    unsure: Option<String>,
    /// What could not be told.
    unknown: Option<CallError>,
    digest: Option<String>,
}

impl Finding {
    fn unusable(why: UnusableImage) -> Self {
        Self {
            unusable: Some(why),
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
    /// Looks at the images of each registration of the draft. Whatever ECR does not tell, and need
    /// not, becomes a warning.
    pub(super) async fn verify(&self, draft: &Draft) -> Vec<Verified> {
        let verifying = draft
            .registrations
            .iter()
            .map(|one| self.verify_images(one));
        let verified = few_at_once(verifying).await.into_iter();
        let (verified, warnings): (Vec<Verified>, Vec<Vec<String>>) = verified.unzip();
        for warning in warnings.into_iter().flatten() {
            self.warn(warning);
        }
        verified
    }

    /// Looks at the images that `registration` brings, and at all of its images if they are to be
    /// pinned. Returns with them the warnings.
    async fn verify_images(&self, registration: &Registration) -> (Verified, Vec<String>) {
        let wanted = platform::wanted(&registration.body);
        let mut verified = Verified::default();
        let mut warnings = Vec::new();
        let subjects = self.subjects(registration, &mut verified, &mut warnings);
        let looking = subjects.iter().map(|subject| {
            let wanted = wanted.as_ref().filter(|_| subject.is_verified);
            self.look_at_image(subject, wanted)
        });
        let findings = few_at_once(looking).await;
        for (subject, finding) in subjects.iter().zip(findings) {
            let image = &subject.image;
            let is_known = finding.digest.is_some() || finding.unusable.is_some();
            verified.unusable.extend(finding.unusable);
            warnings.extend(finding.unsure);
            if let Some(error) = finding.unknown {
                if subject.is_pinned && !is_known {
                    let about = format!("the digest of the image {image} (PinDigests)");
                    let unknown = self.refused_call(about, &error, false);
                    verified.unknown.push(unknown);
                } else {
                    let about = format!("the image {image} was not checked");
                    warnings.push(self.of_call(&about, &error, false).message.into());
                }
            }
            let digest = finding.digest.filter(|_| subject.is_pinned);
            verified
                .digests
                .extend(digest.map(|digest| (image.clone(), digest)));
        }
        (verified, warnings)
    }

    /// The images that ECR is asked about. Of those whose host looks as if it were ECR's, and is not,
    /// nobody is asked, for whoever is there is not AWS.
    fn subjects(
        &self,
        registration: &Registration,
        verified: &mut Verified,
        warnings: &mut Vec<String>,
    ) -> Vec<Subject> {
        let new = registration.new_images();
        let mut images = if self.spec.pin_digests {
            registration.all_images()
        } else {
            new.clone()
        };
        // In the order of their names, not in that of the answers.
        images.sort_unstable();
        images.dedup();
        let mut subjects = Vec::new();
        for image in images {
            let is_verified = self.spec.verify_images && new.contains(&image);
            let Some(parsed) = EcrImage::parse(&image) else {
                let is_like_ecr = images::resembles_ecr(&image);
                let image = images::shown(&image);
                if is_like_ecr && self.spec.pin_digests {
                    verified.unusable.push(UnusableImage::ResemblesEcr(image));
                } else if is_like_ecr && is_verified {
                    let sentence = format!("the image {image} was not checked: {RESEMBLES_ECR}");
                    warnings.push(sentence);
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
        subjects
    }

    async fn look_at_image(&self, subject: &Subject, wanted: Option<&Platform>) -> Finding {
        let Subject { image, parsed, .. } = subject;
        let ecr = self.target_account.ecr(Some(&parsed.region));
        let found = match ecr.manifest(parsed).await {
            Ok(Looked::Found(found)) => found,
            Ok(Looked::Archived) => {
                return Finding::unusable(UnusableImage::Archived(image.clone()));
            }
            Ok(Looked::Absent) => {
                let repository = parsed.repository.clone();
                let which = match &parsed.reference {
                    Reference::Tag(tag) => format!("tag {tag}"),
                    Reference::Digest(digest) => format!("digest {digest}"),
                };
                let absent = Absent::Image { repository, which };
                return self.absent(&ecr, subject, absent).await;
            }
            Err(error) if error.class == Class::Missing => {
                let absent = Absent::Repository {
                    repository: parsed.repository.clone(),
                    registry: parsed.registry.clone(),
                    region: parsed.region.to_string(),
                };
                return self.absent(&ecr, subject, absent).await;
            }
            Err(error) => return Finding::unknown(error),
        };
        let mut finding = Finding {
            digest: found.digest,
            ..Finding::default()
        };
        if subject.is_pinned && finding.digest.is_none() {
            return Finding::unusable(UnusableImage::NoDigest(image.clone()));
        }
        if let Some(wanted) = wanted {
            match platforms_in(&ecr, parsed, &found.manifest).await {
                Ok(platforms) => {
                    let misfit = platform::misfit(image, wanted, &platforms);
                    finding.unusable = misfit.map(UnusableImage::Platform);
                }
                Err(error) if error.class == Class::Archived => {
                    finding.unusable = Some(UnusableImage::Archived(image.clone()));
                }
                Err(error) => finding.unknown = Some(error),
            }
        }
        finding
    }

    /// ECR does not have the image. A pull-through cache may have it by the time a task pulls it:
    /// ECR says the same of what was never pulled
    /// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html>).
    async fn absent(&self, ecr: &Ecr, subject: &Subject, absent: Absent) -> Finding {
        let image = subject.image.clone();
        let is_pinned = subject.is_pinned;
        match ecr.cache_rule(&subject.parsed).await {
            Ok(None) => Finding::unusable(UnusableImage::Absent { image, absent }),
            Ok(Some(rule)) if is_pinned => Finding::unusable(UnusableImage::NotCachedYet {
                image,
                absent,
                rule: Box::new(rule),
            }),
            Ok(Some(rule)) => Finding {
                unsure: Some(format!(
                    "the image {image} was not checked: {absent} yet; {}",
                    refusal::cached(&rule)
                )),
                ..Finding::default()
            },
            Err(error) => Finding::unusable(UnusableImage::PerhapsCached {
                image,
                absent,
                is_pinned,
                error: Box::new(self.placed(&error)),
                caller: self.caller(),
            }),
        }
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
