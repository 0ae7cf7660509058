//! The draft, and what looking at its images and at what its tasks need came to → the plan, or every refusal.

use serde_json::Value;

use super::draft::Draft;
use super::observed::{Observed, ObservedFamily, ObservedService};
use super::under_way::under_way;
use super::{Asked, FamilyPlan, Plan, ServicePlan, TaskPlan};
use crate::dependencies::Missing;
use crate::deployment::{
    Deployment, Ours, Owner, Paused, PostDeploy, PostRun, Rollback, Service, Stage, Task, TaskLive,
};
use crate::diff;
use crate::failures::Failures;
use crate::prior::{Prior, prior};
use crate::refusal::{self, Refusal, UnusableImage};
use crate::revision::{NotARevision, Revision};
use crate::spec::{DeploySpec, LONGEST_TIMEOUT, StandaloneTask};
use crate::task_definition::{Base, Described, Registration};
use crate::time::Timestamp;
use crate::token;
use crate::unchanged;

/// What looking at a registration's images came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verified {
    /// Images that cannot be deployed.
    pub unusable: Vec<UnusableImage>,
    /// Why digests are not known that are to be.
    pub unknown: Vec<Refusal>,
    /// Images and the digests that they mean, where they are to be pinned.
    pub digests: Vec<(String, String)>,
}

/// The plan.
///
/// # Errors
/// Every [`Refusal`]: of images and what is `missing`, else of what earlier deliveries have left, else of the token.
pub fn settle(
    asked: Asked<'_>,
    observed: Observed,
    draft: Draft,
    verified: Vec<Verified>,
    missing: Vec<Missing>,
) -> Result<Plan, Vec<Refusal>> {
    let spec = asked.spec;
    let missing: Vec<Refusal> = missing.into_iter().map(Refusal::from).collect();
    unusable(&verified).map_err(|images| [images, missing.clone()].concat())?;
    let under_way: Vec<(usize, String, Refusal)> = observed
        .services
        .iter()
        .zip(&observed.places)
        .filter_map(|(service, place)| {
            let primary = service.seen.primary();
            let brings = primary.map_or_else(String::new, |one| one.task_definition.clone());
            Some((*place, brings, under_way(spec, service)?))
        })
        .collect();
    let all_serve = observed.services.iter().all(unchanged::serves);
    let services = services(observed.services, observed.places)?;
    let current: Vec<Vec<Described>> = observed
        .families
        .iter()
        .map(|one| one.current.clone())
        .collect();
    let drafted = draft.bases.into_iter().zip(draft.registrations);
    let families = observed.families.into_iter().zip(drafted).zip(verified);
    let families = families.map(|((family, (base, registration)), verified)| {
        settled(spec, family, base, registration, verified)
    });
    let families = refusal::all(families)?;
    let mut run = families.iter().zip(&current);
    let is_unchanged = spec.skip_if_unchanged
        && all_serve
        && run.all(|(family, current)| unchanged::is_run_already(family, current));
    // An earlier delivery has checked, and a deployment that goes on is not cut short; nor is anything started
    // where nothing changes.
    let is_set = |service: &ServicePlan| {
        let own = families
            .get(service.family)
            .and_then(|one| one.own.as_ref());
        own == Some(&service.seen.task_definition)
    };
    if !missing.is_empty() && !is_unchanged && !services.iter().any(is_set) {
        return Err(missing);
    }
    let of_others = under_way.into_iter().filter(|(place, brings, refusal)| {
        let family = families.get(*place);
        !family.is_some_and(|family| is_own(family, brings, refusal, asked.chosen))
    });
    let of_others: Vec<Refusal> = of_others.map(|(_, _, refusal)| refusal).collect();
    if !of_others.is_empty() && !spec.dry_run {
        return Err(of_others);
    }
    check_token_fits(asked, observed.at, &families, &services)?;
    let pre_deploy = spec.pre_deploy.as_ref();
    let pre_deploy = pre_deploy.map(|asked| task(asked, &families, &services));
    Ok(Plan {
        seen_at: observed.at,
        families,
        services,
        pre_deploy,
        post_deploy: spec.post_deploy.clone(),
        scheduled: observed.schedules.into_iter().map(|one| one.name).collect(),
        is_unchanged,
        keep_revisions: spec.keep_revisions,
        rollback: spec.rollback,
        limit: spec.timeout,
        left_out: observed.file.map_or_else(Vec::new, |file| file.left_out),
    })
}

/// Whether what is under way is this job's: what it has deployed itself is never somebody else's. Of a revision that
/// was there before, only what was deployed since it was `chosen` is.
fn is_own(
    family: &FamilyPlan,
    brings: &String,
    under_way: &Refusal,
    chosen: Option<Timestamp>,
) -> bool {
    if family.own.as_ref() != Some(brings) {
        return false;
    }
    if !family.is_existing {
        return true;
    }
    match (under_way, chosen) {
        (Refusal::UnderWay { since, .. }, Some(chosen)) => since.is_some_and(|at| at >= chosen),
        _ => false,
    }
}

/// Images that cannot be deployed, of all families: each once, in the order of their sentences.
fn unusable(verified: &[Verified]) -> Result<(), Vec<Refusal>> {
    let images = verified.iter().flat_map(|one| one.unusable.iter().cloned());
    let mut refusals: Vec<Refusal> = images.map(Refusal::from).collect();
    refusals.sort_by_cached_key(Refusal::to_string);
    refusals.dedup();
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(refusals)
    }
}

fn services(
    services: Vec<ObservedService>,
    places: Vec<usize>,
) -> Result<Vec<ServicePlan>, Vec<Refusal>> {
    let planned = services.into_iter().zip(places).map(|(service, family)| {
        let ObservedService { target, seen, .. } = service;
        match Revision::parse(&seen.task_definition) {
            Ok(set_to) => Ok(ServicePlan {
                target,
                seen,
                set_to,
                family,
            }),
            Err(wrong) => Err(vec![Refusal::NotSetToARevision { target, wrong }]),
        }
    });
    refusal::all(planned)
}

/// The family with what an earlier delivery has left, and with its images pinned.
fn settled(
    spec: &DeploySpec,
    family: ObservedFamily,
    base: Base,
    mut registration: Registration,
    verified: Verified,
) -> Result<FamilyPlan, Vec<Refusal>> {
    let mut refusals = verified.unknown;
    let is_existing = spec.existing().is_some();
    let own = if is_existing {
        Some(base.described.arn().to_owned())
    } else {
        own_of_job(&family, &registration, spec, &mut refusals)
    };
    if !refusals.is_empty() {
        return Err(refusals);
    }
    registration.pin(&verified.digests);
    let run = family.current.first().unwrap_or(&base.described);
    let mut old = run.registrable();
    old.insert("tags".to_owned(), Value::Array(run.tags.clone()));
    let changes = diff::changes(&old, &registration.body);
    let verified = if spec.verify_images {
        registration.new_images()
    } else {
        Vec::new()
    };
    Ok(FamilyPlan {
        name: family.name,
        base: base.name,
        registration,
        changes,
        verified,
        own,
        is_existing,
        newest: family.newest,
    })
}

/// The revision that an earlier delivery of this job has registered.
fn own_of_job(
    family: &ObservedFamily,
    registration: &Registration,
    spec: &DeploySpec,
    refusals: &mut Vec<Refusal>,
) -> Option<String> {
    match prior(&family.own, registration, spec.pin_digests) {
        Prior::Nothing => None,
        Prior::Revision(own) => Some(own),
        Prior::Over(revision) => {
            refusals.push(Refusal::FailedBefore { revision });
            None
        }
    }
}

/// The task before the deployment, for the first service whose revision has its container.
fn task(asked: &StandaloneTask, families: &[FamilyPlan], services: &[ServicePlan]) -> TaskPlan {
    let registration = |service: &ServicePlan| Some(&families.get(service.family)?.registration);
    let has_it = |service: &ServicePlan| {
        registration(service).is_some_and(|one| one.has_container(&asked.container))
    };
    let service = services.iter().position(has_it).unwrap_or(0);
    let registration = services.get(service).and_then(registration);
    let volumes = registration.map_or_else(Vec::new, Registration::volumes_at_launch);
    TaskPlan {
        asked: asked.clone(),
        service,
        volumes,
    }
}

/// Refuses before anything is changed what could not be remembered between invocations.
fn check_token_fits(
    asked: Asked<'_>,
    now: Timestamp,
    families: &[FamilyPlan],
    services: &[ServicePlan],
) -> Result<(), Vec<Refusal>> {
    let named = services.iter().map(|service| {
        let family = families.get(service.family);
        longest(service, family.map_or("", |family| &family.name), now)
    });
    let services = refusal::all(named)?;
    let longest = Deployment {
        job: asked.job.to_owned(),
        started: now,
        // The longest of the stages.
        stage: Stage::RollingBack(Rollback {
            owner: Owner::Job,
            since: now,
            failed: services.len().saturating_sub(1),
            cause: String::new(),
            is_explained: false,
            post: longest_post(asked.spec, now),
        }),
        services,
        config_pin: asked.config_pin.map(str::to_owned),
        paused: Paused {
            total: LONGEST_TIMEOUT,
            since: Some(now),
        },
        waited: LONGEST_TIMEOUT,
        is_from_token: false,
    };
    token::encode(&longest)
        .map(drop)
        .map_err(|large| vec![Refusal::TokenTooLarge(large)])
}

/// A task after the deployment, with an id as long as ECS makes them, if there is to be one.
fn longest_post(spec: &DeploySpec, now: Timestamp) -> Option<Box<PostDeploy>> {
    const ID: &str = "00000000000000000000000000000000";
    spec.post_deploy.as_ref().map(|_| {
        Box::new(PostDeploy {
            since: now,
            run: PostRun::Started(Box::new(Task {
                id: ID.to_owned(),
                service: 0,
                live: TaskLive::default(),
            })),
        })
    })
}

/// The service with names as long as ECS makes them: a family's next numbers, 20 digits, 32
/// characters.
fn longest(
    service: &ServicePlan,
    family: &str,
    started: Timestamp,
) -> Result<Service, Vec<Refusal>> {
    let target = service.target.clone();
    let refused = |wrong: NotARevision| {
        let target = service.target.clone();
        vec![Refusal::NotSetToARevision { target, wrong }]
    };
    let revision = Revision::parse(&format!("{family}:9999999")).map_err(refused)?;
    Ok(Service {
        overwrote: true,
        ours: Ours::Named {
            deployment: format!("ecs-svc/{}", u64::MAX),
            service_deployment: Some("x".repeat(32)),
        },
        failures: Failures {
            count: 999,
            until: Some(started + LONGEST_TIMEOUT),
        },
        ..Service::untouched(target, revision, None)
    })
}
