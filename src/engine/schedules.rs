//! What runs the families on a schedule: found at the start, pointed at the new revision after
//! success.

use std::fmt;

use super::Run;
use super::claim::Claim;
use crate::aws::Aws;
use crate::aws::ecs::Ecs;
use crate::aws::events::RuleTarget;
use crate::aws::scheduler::Schedule;
use crate::deploy::call::CallError;
use crate::deploy::deployment::Deployment;
use crate::deploy::failure::{Failure, FailureKind};
use crate::deploy::revision::Revision;
use crate::deploy::schedules::{Pointed, RUN_TASK_TARGET, pointed, revision_of};

/// Something that runs a task at its time.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scheduled {
    /// The target of a rule.
    Rule(RuleTarget),
    /// A schedule.
    Schedule(Schedule),
}

impl fmt::Display for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(RuleTarget { rule, target, .. }) => {
                let id = target["Id"].as_str().unwrap_or_default();
                write!(f, "the target {id} of the rule {rule}")
            }
            Self::Schedule(Schedule { group, name, .. }) => {
                write!(f, "the schedule {group}/{name}")
            }
        }
    }
}

impl Scheduled {
    /// The revision that it runs, if it names one.
    pub(super) fn revision(&self) -> Option<Revision> {
        revision_of(self.target()?)
    }

    fn target(&self) -> Option<&serde_json::Map<String, serde_json::Value>> {
        match self {
            Self::Rule(rule) => Some(&rule.target),
            Self::Schedule(schedule) => schedule.fields.get("Target")?.as_object(),
        }
    }

    /// The same with another target.
    fn with(&self, target: serde_json::Map<String, serde_json::Value>) -> Self {
        match self {
            Self::Rule(rule) => Self::Rule(RuleTarget {
                target,
                ..rule.clone()
            }),
            Self::Schedule(schedule) => {
                let mut schedule = schedule.clone();
                schedule.fields.insert("Target".to_owned(), target.into());
                Self::Schedule(schedule)
            }
        }
    }

    fn pointed(&self, revision: &Revision) -> Pointed {
        self.target()
            .map_or(Pointed::AsItIs, |target| pointed(target, revision))
    }

    /// Whether it cannot be pointed at a newer revision than it runs.
    pub(super) fn is_stuck(&self) -> bool {
        let newer = self
            .revision()
            .and_then(|runs| Revision::parse(&format!("{}:{}", runs.family(), u64::MAX)).ok());
        newer.is_some_and(|newer| self.pointed(&newer) == Pointed::Stuck)
    }
}

/// All that runs one of `families` at its time, on any cluster of the account and Region.
pub(super) async fn find(
    target_account: &Aws,
    ecs: &Ecs,
    families: &[String],
) -> Result<Vec<Scheduled>, CallError> {
    let (clusters, buses, listed) = tokio::join!(
        ecs.clusters(),
        async { target_account.events().buses().await },
        async { target_account.scheduler().list().await }
    );
    let (clusters, buses, listed) = (clusters?, buses?, listed?);
    let mut found = Vec::new();
    let events = target_account.events();
    for bus in &buses {
        for cluster in &clusters {
            let targets = events.targets_on(bus, cluster).await?;
            found.extend(targets.into_iter().map(Scheduled::Rule));
        }
    }
    let scheduler = target_account.scheduler();
    let runs_tasks = |target: &str| {
        clusters.iter().any(|arn| arn == target) || target.ends_with(RUN_TASK_TARGET)
    };
    for listed in listed.iter().filter(|one| runs_tasks(&one.target)) {
        let schedule = scheduler.get(listed).await?;
        found.extend(schedule.map(Scheduled::Schedule));
    }
    found.retain(|one| {
        let revision = one.revision();
        revision.is_some_and(|runs| families.iter().any(|family| family == runs.family()))
    });
    Ok(found)
}

impl Run<'_> {
    pub(super) async fn scheduled(&self, families: &[String]) -> Result<Vec<Scheduled>, CallError> {
        find(&self.target_account, &self.ecs, families).await
    }

    /// Points everything that runs the families at this job's revisions.
    ///
    /// # Replay
    /// What points at them already is left alone.
    ///
    /// # Errors
    /// The failure to answer with: the services serve, but what was asked for is not done.
    pub(super) async fn point_schedules(&self, deployment: &Deployment) -> Result<usize, Failure> {
        let revisions = deployment.revisions();
        let is_are = if revisions.len() == 1 { "is" } else { "are" };
        let about = format!(
            "{}: {} {is_are} serving, but not all that runs on a schedule was pointed at it",
            self.spec.about(),
            deployment.revisions_listed()
        );
        // What serves already may be another job's revision (SkipIfUnchanged).
        let serves = |revision: &&Revision| {
            let mut services = deployment.services.iter();
            self.spec.skip_if_unchanged
                && services.any(|one| one.serving().as_ref() == Some(*revision))
        };
        for revision in revisions.iter().filter(|one| !serves(one)) {
            match self.claim_revision(deployment, revision).await {
                Claim::Ours => {}
                Claim::NotOurs(why) => {
                    return Err(Failure::new(FailureKind::Job, format!("{about}: {why}.")));
                }
                Claim::Unseen(error) => return Err(self.of_call(&about, &error, true)),
            }
        }
        let families: Vec<String> = revisions
            .iter()
            .map(|revision| revision.family().to_owned())
            .collect();
        let found = match self.scheduled(&families).await {
            Ok(found) => found,
            Err(error) => return Err(self.of_call(&about, &error, true)),
        };
        let mut pointed = 0;
        let mut failures = Vec::new();
        for one in &found {
            let of_family = one.revision().and_then(|runs| {
                let mut newer = revisions.iter();
                newer.find(|revision| revision.family() == runs.family())
            });
            let changed = match of_family.map(|revision| one.pointed(revision)) {
                None | Some(Pointed::AsItIs) => continue,
                Some(Pointed::To(target)) => one.with(target),
                Some(Pointed::Stuck) => {
                    failures.push(Failure::new(
                        FailureKind::Job,
                        format!("{one} could not be changed without touching the rest of it."),
                    ));
                    continue;
                }
            };
            let put = match &changed {
                Scheduled::Rule(rule) => self.target_account.events().put_target(rule).await,
                Scheduled::Schedule(schedule) => {
                    self.target_account.scheduler().update(schedule).await
                }
            };
            match put {
                Ok(()) => pointed += 1,
                Err(error) => failures.push(self.of_call(&one.to_string(), &error, true)),
            }
        }
        match Failure::together(&failures) {
            None => Ok(pointed),
            Some(failure) => Err(Failure::new(
                FailureKind::Job,
                format!("{about}. {}", failure.message),
            )),
        }
    }
}
