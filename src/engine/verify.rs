//! Whether the images exist and fit, and what their tags mean now, as far as ECR tells, before
//! anything is changed.

use super::Run;
use super::at_once::few_at_once;
use crate::aws::ecr::{Ecr, Looked};
use crate::deploy::call::{CallError, Class};
use crate::deploy::images::{self, EcrImage, Reference};
use crate::deploy::plan::{Draft, Observed, ObservedFamily, Verified};
use crate::deploy::platform::{self, Manifest, Platform};
use crate::deploy::refusal::{self, Absent, RESEMBLES_ECR, UnusableImage};
use crate::deploy::task_definition::Registration;
use crate::deploy::text;

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

/// An image of the revision before, which a rollback would pull again.
struct Previous {
    image: String,
    parsed: EcrImage,
    /// The revision, as `app:41`.
    revision: String,
}

impl Run<'_> {
    /// Looks at the images of each registration of the draft. Whatever ECR does not tell, and need
    /// not, becomes a warning.
    pub(super) async fn verify(&self, observed: &Observed, draft: &Draft) -> Vec<Verified> {
        let families = observed.families.iter().zip(&draft.registrations);
        let verifying = families.enumerate().map(|(place, (family, registration))| {
            let previous = if self.may_be_rolled_back(observed, place) {
                previous_images(family, registration)
            } else {
                Vec::new()
            };
            self.verify_images(registration, previous)
        });
        let verified = few_at_once(verifying).await.into_iter();
        let (verified, warnings): (Vec<Verified>, Vec<Vec<String>>) = verified.unzip();
        for warning in warnings.into_iter().flatten() {
            self.warn(warning);
        }
        verified
    }

    /// Whether anybody would roll back a service of the family at `place`.
    fn may_be_rolled_back(&self, observed: &Observed, place: usize) -> bool {
        let services = observed.services.iter().zip(&observed.places);
        let mut of_family = services.filter(|(_, own)| **own == place);
        let is_looked_at = self.spec.verify_images && self.spec.verify_dependencies;
        is_looked_at
            && of_family.any(|(service, _)| {
                let seen = &service.seen;
                let by_ecs = [seen.breaker_rolls_back, seen.alarms_roll_back];
                self.spec.rollback || by_ecs.contains(&Some(true))
            })
    }

    /// Looks at the images that `registration` brings, at all of its images if they are to be
    /// pinned, and at `previous` ones: with one call for each repository. Returns with them the warnings.
    async fn verify_images(
        &self,
        registration: &Registration,
        previous: Vec<Previous>,
    ) -> (Verified, Vec<String>) {
        let wanted = platform::wanted(&registration.body);
        let mut verified = Verified::default();
        let mut warnings = Vec::new();
        let subjects = self.subjects(registration, &mut verified, &mut warnings);
        let of_subjects = subjects.iter().map(|subject| &subject.parsed);
        let of_previous = previous.iter().map(|one| &one.parsed);
        let looked = self.look_at_images(of_subjects.chain(of_previous).collect());
        let mut looked = looked.await.into_iter();
        let finding = subjects
            .iter()
            .zip(looked.by_ref())
            .map(|(subject, looked)| {
                let wanted = wanted.as_ref().filter(|_| subject.is_verified);
                self.find(subject, looked, wanted)
            });
        let findings = few_at_once(finding.collect::<Vec<_>>()).await;
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
                    warnings.push(self.of_call(&about, &error, false).message.one_line());
                }
            }
            let digest = finding.digest.filter(|_| subject.is_pinned);
            verified
                .digests
                .extend(digest.map(|digest| (image.clone(), digest)));
        }
        // What may not be looked at in the same repository is said once.
        let is_looked_at = |repository: &EcrImage| {
            let mut subjects = subjects.iter();
            subjects.any(|subject| subject.parsed.is_beside(repository))
        };
        let previous = previous.iter().zip(looked).map(|(one, looked)| {
            let is_said = is_looked_at(&one.parsed);
            self.warn_of_previous(one, looked, is_said)
        });
        let of_previous = few_at_once(previous.collect::<Vec<_>>()).await;
        warnings.extend(of_previous.into_iter().flatten());
        (verified, warnings)
    }

    /// What ECR has of each, with one call for each repository.
    async fn look_at_images(&self, images: Vec<&EcrImage>) -> Vec<Result<Looked, CallError>> {
        let mut repositories: Vec<Vec<&EcrImage>> = Vec::new();
        for image in &images {
            let mut known = repositories.iter_mut();
            match known.find(|one| one[0].is_beside(image)) {
                Some(of_repository) => of_repository.push(image),
                None => repositories.push(vec![image]),
            }
        }
        let asking = repositories.iter().map(|of_repository| async {
            let ecr = self.target_account.ecr(Some(&of_repository[0].region));
            match ecr.images(of_repository).await {
                Ok(looked) => looked.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error); of_repository.len()],
            }
        });
        let asked: Vec<Vec<Result<Looked, CallError>>> = few_at_once(asking).await;
        let mut answers: Vec<(&EcrImage, Result<Looked, CallError>)> = repositories
            .iter()
            .flatten()
            .copied()
            .zip(asked.into_iter().flatten())
            .collect();
        // As they were asked for.
        let mut sorted = Vec::new();
        for image in images {
            if let Some(place) = answers
                .iter()
                .position(|(one, _)| std::ptr::eq(*one, image))
            {
                sorted.push(answers.swap_remove(place).1);
            }
        }
        sorted
    }

    /// A warning if a rollback could not pull this image.
    async fn warn_of_previous(
        &self,
        previous: &Previous,
        looked: Result<Looked, CallError>,
        is_said: bool,
    ) -> Option<String> {
        let Previous {
            image,
            parsed,
            revision,
        } = previous;
        let why = match looked {
            Ok(Looked::Found(_)) => return None,
            Ok(Looked::Archived) => "is archived in ECR",
            Ok(Looked::Absent) => "is not in ECR any more",
            Err(error) if error.class == Class::Missing => "is not in ECR any more",
            Ok(Looked::Unknown(_)) | Err(_) if is_said => return None,
            Ok(Looked::Unknown(error)) | Err(error) => {
                let about = format!("the image {image} of {revision} was not checked");
                return Some(self.of_call(&about, &error, false).message.one_line());
            }
        };
        // What a pull-through cache has lost it fetches again.
        let ecr = self.target_account.ecr(Some(&parsed.region));
        if let Ok(Some(_)) = ecr.cache_rule(parsed).await {
            return None;
        }
        Some(format!(
            "the image {image} of {revision}, to which a failed deployment would be rolled back, {why}: no task could be started from it."
        ))
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

    /// What was found out about an image.
    async fn find(
        &self,
        subject: &Subject,
        looked: Result<Looked, CallError>,
        wanted: Option<&Platform>,
    ) -> Finding {
        let Subject { image, parsed, .. } = subject;
        let ecr = self.target_account.ecr(Some(&parsed.region));
        let found = match looked {
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
            Ok(Looked::Unknown(error)) | Err(error) => return Finding::unknown(error),
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

/// The images of ECR that the services of `family` run and its new revision does not.
fn previous_images(family: &ObservedFamily, registration: &Registration) -> Vec<Previous> {
    let new = registration.all_images();
    let mut previous: Vec<Previous> = Vec::new();
    for described in &family.current {
        let revision = text::last_part(described.arn());
        for (_, image) in described.images() {
            let is_known = new.contains(&image) || previous.iter().any(|one| one.image == image);
            if let Some(parsed) = EcrImage::parse(&image).filter(|_| !is_known) {
                previous.push(Previous {
                    image,
                    parsed,
                    revision: revision.to_owned(),
                });
            }
        }
    }
    previous
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
