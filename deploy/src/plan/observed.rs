//! What a start has seen before it makes anything of it, and which services it can deploy to.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::dependencies::Depends;
use crate::fit::Needs;
use crate::images::ImageSource;
use crate::patch::Patch;
use crate::refusal::{Refusal, ShortestRollout};
use crate::revision::Revision;
use crate::seen::ServiceSeen;
use crate::spec::{BaseFrom, DeploySpec, Existing, LONGEST_TIMEOUT, Target, WaitFor};
use crate::task_definition::Described;
use crate::time::Timestamp;

/// All that a start has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// When the services were looked at.
    pub at: Timestamp,
    /// The services, in the order of the parameters.
    pub services: Vec<ObservedService>,
    /// Each one's place among the families.
    pub places: Vec<usize>,
    /// Their families, each once.
    pub families: Vec<ObservedFamily>,
    /// The images asked for; `None` if a task definition brings its own.
    pub images: Option<ImageSource>,
    /// The task definition in the artifact, if one was asked for.
    pub file: Option<DefinitionFile>,
    /// What the new revisions have that their bases have not.
    pub patch: Option<Patch>,
    /// What runs the families on a schedule, if that is to be changed.
    pub schedules: Vec<ObservedSchedule>,
}

/// The newest service deployment of a service, as the list of them shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Newest {
    /// `PENDING`, `IN_PROGRESS`, `SUCCESSFUL` and six more.
    pub status: String,
}

/// A service, and what decides whether it can be deployed to.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedService {
    /// Which.
    pub target: Target,
    /// What ECS shows of it.
    pub seen: ServiceSeen,
    /// `ECS`, `CODE_DEPLOY` or `EXTERNAL`; absent means `ECS`.
    pub controller: Option<String>,
    /// `ECS` for services of Express Mode, else absent or `CUSTOMER`.
    pub resource_management: Option<String>,
    /// The ARN of the service deployment that is under way or was the last.
    pub current_service_deployment: Option<String>,
    /// Its newest service deployment, where that was asked for.
    pub newest: Option<Newest>,
    /// What a revision must have to be run by it.
    pub needs: Needs,
    /// What it brings that the tasks of any revision need.
    pub depends: Depends,
}

/// A task definition family.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedFamily {
    /// Its name.
    pub name: String,
    /// What its services run, each revision once.
    pub current: Vec<Described>,
    /// The revision that the parameters name as base, rather than what its services run: its newest ACTIVE one, or
    /// the one that is deployed as it is.
    pub named: Option<Described>,
    /// The number of its newest revision, ACTIVE or not; 0 if there is none.
    pub newest: u64,
    /// The revisions of this job, ACTIVE and not, oldest first.
    pub own: Vec<Described>,
}

/// A task definition in the artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct DefinitionFile {
    /// Its fields, as they came, without those that only ECS writes.
    pub fields: Map<String, Value>,
    /// Its tags, if it has any say in them.
    pub tags: Option<Vec<Value>>,
    /// Fields that only ECS writes and that were left out.
    pub left_out: Vec<String>,
}

impl DefinitionFile {
    /// The family that it names, if it names one.
    pub fn family(&self) -> Option<&str> {
        self.fields.get("family").and_then(Value::as_str)
    }
}

/// Something that runs a family at its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedSchedule {
    /// As messages call it.
    pub name: String,
    /// It cannot be pointed at a newer revision and left alone otherwise.
    pub is_stuck: bool,
}

/// Why this service cannot be deployed to by us, or a deployment of it never end within its time.
pub fn unsuitable(spec: &DeploySpec, service: &ObservedService) -> Option<Refusal> {
    unsupported(service)
        .or_else(|| cannot_move(service))
        .or_else(|| cannot_pause(spec, service))
        .or_else(|| too_long(spec, service))
}

fn cannot_pause(spec: &DeploySpec, service: &ObservedService) -> Option<Refusal> {
    let has_none = service.seen.pause_minutes.is_none();
    (spec.wait_for == WaitFor::Pause && has_none)
        .then(|| Refusal::NoPauseHook(service.target.clone()))
}

fn cannot_move(service: &ObservedService) -> Option<Refusal> {
    Some(Refusal::CannotMove {
        target: service.target.clone(),
        stuck: service.seen.stuck()?,
    })
}

fn unsupported(service: &ObservedService) -> Option<Refusal> {
    let target = service.target.clone();
    if service.seen.status != "ACTIVE" {
        return Some(Refusal::NotActive {
            target,
            status: service.seen.status.clone(),
        });
    }
    match service.controller.as_deref() {
        None | Some("ECS") => (service.resource_management.as_deref() == Some("ECS"))
            .then_some(Refusal::ExpressMode(target)),
        Some("CODE_DEPLOY") => Some(Refusal::CodeDeployController(target)),
        Some("EXTERNAL") => Some(Refusal::ExternalController(target)),
        Some(other) => Some(Refusal::UnknownController {
            target,
            controller: other.to_owned(),
        }),
    }
}

fn too_long(spec: &DeploySpec, service: &ObservedService) -> Option<Refusal> {
    let seen = &service.seen;
    let shortest = seen.shortest_rollout();
    let minutes = |minutes: i32| Duration::from_mins(u64::try_from(minutes).unwrap_or(0));
    let rollout = ShortestRollout {
        strategy: seen
            .strategy
            .clone()
            .unwrap_or_else(|| "ROLLING".to_owned()),
        shift: minutes(seen.shift_minutes),
        bake: minutes(seen.bake_minutes),
    };
    let target = service.target.clone();
    if shortest >= LONGEST_TIMEOUT {
        Some(Refusal::OutlastsAction { target, rollout })
    } else if shortest >= spec.timeout {
        Some(Refusal::OutlastsTimeout {
            target,
            rollout,
            timeout: spec.timeout,
        })
    } else {
        None
    }
}

/// The families of services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Families {
    /// Their names, each once.
    pub names: Vec<String>,
    /// Each service's place among them.
    pub places: Vec<usize>,
}

/// The families that the services run, for which `file`, if there is one, has to be; or those of the revisions that
/// were `chosen`, one for each service.
///
/// # Errors
/// Every [`Refusal`].
pub fn families(
    spec: &DeploySpec,
    services: &[ObservedService],
    file: Option<&DefinitionFile>,
    chosen: &[Revision],
) -> Result<Families, Vec<Refusal>> {
    let mut names: Vec<String> = Vec::new();
    let mut places = Vec::new();
    let mut refusals = Vec::new();
    for (number, service) in services.iter().enumerate() {
        match Revision::parse(&service.seen.task_definition) {
            Ok(set_to) => {
                let revision = chosen.get(number).unwrap_or(&set_to);
                let place = names.iter().position(|name| name == revision.family());
                places.push(place.unwrap_or(names.len()));
                if place.is_none() {
                    names.push(revision.family().to_owned());
                }
                refusals.extend(of_another_family(spec, service, revision, &set_to));
            }
            Err(wrong) => refusals.push(Refusal::NotSetToARevision {
                target: service.target.clone(),
                wrong,
            }),
        }
    }
    refusals.extend(different_revisions(services, chosen));
    if let (BaseFrom::File(path), Some(file)) = (&spec.base, file) {
        refusals.extend(of_other_families(path, file, &names));
    }
    if refusals.is_empty() {
        Ok(Families { names, places })
    } else {
        Err(refusals)
    }
}

/// A revision by its name is for a service of its family: of another it is most likely a slip.
fn of_another_family(
    spec: &DeploySpec,
    service: &ObservedService,
    revision: &Revision,
    set_to: &Revision,
) -> Option<Refusal> {
    match spec.existing()? {
        Existing::Named { .. } if revision.family() != set_to.family() => {
            Some(Refusal::RevisionOfOtherFamily {
                target: service.target.clone(),
                revision: revision.clone(),
                runs: set_to.clone(),
            })
        }
        Existing::Named { .. } | Existing::Previous => None,
    }
}

/// Services of one family for which different revisions were chosen.
fn different_revisions(services: &[ObservedService], chosen: &[Revision]) -> Option<Refusal> {
    let first_of_family = |revision: &Revision| {
        chosen
            .iter()
            .find(|one| one.family() == revision.family())
            .is_some_and(|first| first != revision)
    };
    chosen.iter().any(first_of_family).then(|| {
        let chosen = services.iter().zip(chosen);
        let listed = chosen.map(|(service, revision)| (service.target.clone(), revision.clone()));
        Refusal::DifferentPrevious(listed.collect())
    })
}

fn of_other_families(path: &str, file: &DefinitionFile, names: &[String]) -> Option<Refusal> {
    match (file.family(), names) {
        (_, [_, _, ..]) => Some(Refusal::SeveralFamilies {
            file: path.to_owned(),
            families: names.to_vec(),
        }),
        (Some(family), [name]) if family != name => Some(Refusal::OtherFamily {
            file: path.to_owned(),
            family: family.to_owned(),
            runs: name.clone(),
        }),
        (None | Some(_), [] | [_]) => None,
    }
}
