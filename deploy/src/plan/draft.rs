//! What was seen → what is to be registered, or every refusal.

use serde_json::Value;

use super::Asked;
use super::observed::{DefinitionFile, Observed, ObservedFamily};
use crate::fit;
use crate::patch::{self, Patch};
use crate::refusal::{self, Refusal};
use crate::spec::{BaseFrom, DeploySpec};
use crate::task_definition::{
    Base, Described, ImageChange, Misfit, Registration, placeholder_in, registrations,
};

/// What is to be registered, as far as that is known before its images are looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What each family's new revision is made from.
    pub bases: Vec<Base>,
    /// Those revisions.
    pub registrations: Vec<Registration>,
}

/// The new revisions.
///
/// # Errors
/// Every [`Refusal`]: of the bases, else of the images, else of what the revisions are for.
pub fn draft(asked: Asked<'_>, observed: &Observed) -> Result<Draft, Vec<Refusal>> {
    let mut bases = bases(asked, observed)?;
    let before: Vec<Described> = bases.iter().map(|base| base.described.clone()).collect();
    if let Some(patch) = &observed.patch {
        patched(patch, &mut bases)?;
    }
    let named: Vec<&Base> = bases.iter().collect();
    let mut registrations: Vec<Registration> = if asked.spec.existing().is_some() {
        named
            .iter()
            .map(|base| Registration::as_it_is(base))
            .collect()
    } else {
        registrations(&named, observed.images.as_ref(), asked.job)
            .map_err(|misfits| misfits.into_iter().map(Refusal::from).collect::<Vec<_>>())?
    };
    if let Some(patch) = &observed.patch {
        let patched = registrations.iter_mut().zip(&before);
        let twice =
            patched.flat_map(|(registration, before)| note_images(registration, patch, before));
        let twice: Vec<Refusal> = twice.map(Refusal::from).collect();
        if !twice.is_empty() {
            return Err(twice);
        }
    }
    let mut refusals = no_container_for_task(asked.spec, &registrations);
    refusals.extend(task_size(asked.spec, observed, &registrations));
    refusals.extend(unfit(asked.spec, observed, &registrations));
    let made = registrations.iter().zip(&bases).zip(&observed.families);
    refusals.extend(made.filter_map(|((registration, base), family)| {
        same_policy(registration, base, family.current.first()?)
    }));
    let stuck = observed.schedules.iter().filter(|one| one.is_stuck);
    refusals.extend(stuck.map(|one| Refusal::StuckSchedule(one.name.clone())));
    if refusals.is_empty() {
        Ok(Draft {
            bases,
            registrations,
        })
    } else {
        Err(refusals)
    }
}

fn bases(asked: Asked<'_>, observed: &Observed) -> Result<Vec<Base>, Vec<Refusal>> {
    let made = observed.families.iter().enumerate().map(|(place, family)| {
        match (&asked.spec.base, &family.named, &observed.file) {
            (BaseFrom::Latest | BaseFrom::Existing(_), Some(named), _) => {
                Ok(Base::of_revision(named.clone()))
            }
            (BaseFrom::File(path), _, Some(file)) => Ok(of_file(path, family, file)),
            (BaseFrom::Existing(_), None, _) => Err(vec![Refusal::NoBase]),
            (BaseFrom::Latest | BaseFrom::File(_) | BaseFrom::Service, _, _) => {
                run_by_all(asked, observed, place, family).map_err(|refusal| vec![refusal])
            }
        }
    });
    refusal::all(made)
}

/// The bases with what the patch changes.
fn patched(patch: &Patch, bases: &mut [Base]) -> Result<(), Vec<Refusal>> {
    let fields = bases
        .iter_mut()
        .map(|base| (base.name.as_str(), &mut base.described.task_definition));
    let mut fields: Vec<_> = fields.collect();
    patch::apply(patch, &mut fields).map_err(|problems| {
        let problems = problems.into_iter().map(Box::new);
        problems.map(Refusal::Patch).collect()
    })
}

/// Notes the images that the patch has changed, against what was `before`. An image that the image definitions
/// bring, too, is a mistake, for one of them would be lost; a placeholder is there to be filled.
fn note_images(registration: &mut Registration, patch: &Patch, before: &Described) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    let old = before.images();
    for (container, image) in patch.images() {
        if !registration.has_container(&container) {
            continue;
        }
        let mut changes = registration.changes.iter();
        match changes.find(|one| one.container == container) {
            Some(change) if change.to != image && placeholder_in(&image).is_none() => {
                misfits.push(Misfit::TwoImages { container });
            }
            Some(_) => {}
            None => {
                let from = old.iter().find(|(name, _)| *name == container);
                registration.changes.push(ImageChange {
                    container,
                    from: from.map_or_else(String::new, |(_, image)| image.clone()),
                    to: image,
                });
            }
        }
    }
    misfits
}

/// A file as base of the family, whose tags are the file's, else those that it has.
fn of_file(path: &str, family: &ObservedFamily, file: &DefinitionFile) -> Base {
    let mut fields = file.fields.clone();
    fields
        .entry("family".to_owned())
        .or_insert_with(|| Value::String(family.name.clone()));
    let run = family.current.first();
    let tags = file.tags.clone().or_else(|| Some(run?.tags.clone()));
    Base {
        described: Described {
            task_definition: fields,
            tags: tags.unwrap_or_default(),
        },
        name: path.to_owned(),
        is_file: true,
    }
}

/// The revision that the services of the family at `place` run: the base, unless this job has set
/// some of them to its own already.
fn run_by_all(
    asked: Asked<'_>,
    observed: &Observed,
    place: usize,
    family: &ObservedFamily,
) -> Result<Base, Refusal> {
    let is_own = |one: &&Described| one.registered_by_job() == Some(asked.job);
    let mut others = family.current.iter().filter(|one| !is_own(one));
    let base = others.next().or_else(|| family.current.first());
    let base = base.cloned().ok_or(Refusal::NoBase)?;
    if others.next().is_none() {
        return Ok(Base::of_revision(base));
    }
    let of_family = observed.services.iter().zip(&observed.places);
    let of_family = of_family.filter(|(_, own)| **own == place);
    let runs = of_family.map(|(service, _)| {
        let arn = service.seen.task_definition.clone();
        (service.target.clone(), arn)
    });
    Err(Refusal::DifferentRevisions(runs.collect()))
}

/// A confidential task under the policy of what runs, with another image: the policy pins the containers
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TrustedExecutionConfiguration.html>).
fn same_policy(registration: &Registration, base: &Base, current: &Described) -> Option<Refusal> {
    const MEMBER: &str = "trustedExecutionConfiguration";
    let trusted = registration.body.get(MEMBER)?;
    let policy = &trusted["attestationPolicy"];
    let is_same = current
        .task_definition
        .get(MEMBER)?
        .get("attestationPolicy")
        == Some(policy);
    if trusted["isolationMode"] != "CONFIDENTIAL_SANDBOX" || policy.is_null() || !is_same {
        return None;
    }
    let runs = current.images();
    let mut new = registration.images().into_iter();
    let (container, _) = new.find(|one| !runs.contains(one))?;
    Some(Refusal::SamePolicy {
        base: base.name.clone(),
        container,
    })
}

fn no_container_for_task(spec: &DeploySpec, registrations: &[Registration]) -> Vec<Refusal> {
    let lacking = spec.tasks().filter(|(_, task)| {
        let mut registrations = registrations.iter();
        !registrations.any(|one| one.has_container(&task.container))
    });
    let refusals = lacking.map(|(when, task)| {
        let known = registrations
            .iter()
            .map(|one| format!("{} of {}", one.containers_listed(), one.family()));
        Refusal::NoContainerForTask {
            parameter: when.parameter(),
            container: task.container.clone(),
            known: known.collect(),
        }
    });
    refusals.collect()
}

/// A size that Fargate does not have.
fn task_size(
    spec: &DeploySpec,
    observed: &Observed,
    registrations: &[Registration],
) -> Vec<Refusal> {
    let sized = spec
        .tasks()
        .filter(|(_, task)| task.cpu.is_some() || task.memory.is_some());
    let refusals = sized.filter_map(|(when, task)| {
        let mut services = observed.services.iter().zip(&observed.places);
        let (service, registration) = services.find_map(|(service, place)| {
            let registration = registrations.get(*place)?;
            let is_its = registration.has_container(&task.container);
            is_its.then_some((service, registration))
        })?;
        if !service.needs.is_on_fargate {
            return None;
        }
        let of_revision = |member: &str| {
            let written = registration.body.get(member)?;
            written.as_str().map(str::to_owned)
        };
        let cpu = task.cpu.clone().or_else(|| of_revision("cpu"))?;
        let memory = task.memory.clone().or_else(|| of_revision("memory"))?;
        let wrong = fit::fargate_size(&cpu, &memory)?;
        Some(Refusal::TaskSize {
            parameter: when.parameter(),
            wrong,
        })
    });
    refusals.collect()
}

/// What ECS would refuse once the revision is registered and the task before the deployment has
/// run. A revision that differs from what the service runs in its images alone fits as that does.
fn unfit(spec: &DeploySpec, observed: &Observed, registrations: &[Registration]) -> Vec<Refusal> {
    if spec.base == BaseFrom::Service && spec.patch.is_none() {
        return Vec::new();
    }
    let services = observed.services.iter().zip(&observed.places);
    let refusals = services.filter_map(|(service, place)| {
        let registration = registrations.get(*place)?;
        let misfits = fit::misfits(&service.needs, &registration.body).into_iter();
        Some(misfits.map(|misfit| Refusal::Unfit {
            base: spec.base.clone(),
            target: service.target.clone(),
            misfit: Box::new(misfit),
        }))
    });
    refusals.flatten().collect()
}
