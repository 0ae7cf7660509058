#![cfg(test)]
//! Values that several unit tests need.

use crate::deployment::{Deployment, Ours, Service, Stage};
use crate::revision::Revision;
use crate::seen::Look;
use crate::spec::{DeploySpec, StandaloneTask, Target};
use crate::time::Timestamp;
use crate::verdict::{Progress, Verdict};
use std::time::Duration;

pub(crate) const STARTED: Timestamp = Timestamp::from_secs(1_000_000);

/// The time limit of a rollout.
pub(crate) const LIMIT: Duration = Duration::from_hours(1);

pub(crate) fn spec(rollback: bool) -> DeploySpec {
    DeploySpec {
        timeout: LIMIT,
        rollback,
        ..DeploySpec::of(vec![target(0)])
    }
}

pub(crate) fn with_task(rollback: bool, minutes: u64) -> DeploySpec {
    DeploySpec {
        pre_deploy: Some(StandaloneTask {
            container: "app".to_owned(),
            command: vec!["migrate".to_owned()],
            timeout: Duration::from_mins(minutes),
            environment: Vec::new(),
            cpu: None,
            memory: None,
        }),
        ..spec(rollback)
    }
}

/// The same with the task after the deployment instead.
pub(crate) fn with_task_after(rollback: bool, minutes: u64) -> DeploySpec {
    let before = with_task(rollback, minutes);
    DeploySpec {
        post_deploy: before.pre_deploy,
        ..spec(rollback)
    }
}

pub(crate) fn target(number: usize) -> Target {
    Target {
        cluster: "prod".to_owned(),
        service: format!("s{number}"),
    }
}

pub(crate) fn revision(number: u64) -> Revision {
    Revision::parse(&format!("app:{number}")).unwrap()
}

/// A service that was set from `app:41` to `app:42`, by the deployment `ecs-svc/2`.
pub(crate) fn service(number: usize) -> Service {
    Service {
        ours: Ours::Named {
            deployment: "ecs-svc/2".to_owned(),
            service_deployment: None,
        },
        ..Service::untouched(target(number), revision(42), Some(revision(41)))
    }
}

/// A service whose last look came to this verdict.
pub(crate) fn judged(number: usize, verdict: Verdict) -> Service {
    let mut service = service(number);
    service.live.look = Some(Look::NoNews {
        why: "not part of this test".to_owned(),
    });
    service.live.verdict = Some(verdict);
    service
}

pub(crate) fn all_judged(verdicts: &[Verdict]) -> Vec<Service> {
    let verdicts = verdicts.iter().enumerate();
    verdicts
        .map(|(place, verdict)| judged(place, verdict.clone()))
        .collect()
}

pub(crate) fn deployment(stage: Stage, services: Vec<Service>) -> Deployment {
    Deployment {
        job: "11111111-2222-4333-8444-555555555555".to_owned(),
        started: STARTED,
        stage,
        services,
        config_pin: None,
        paused: crate::deployment::Paused::default(),
        waited: std::time::Duration::ZERO,
        is_from_token: false,
    }
}

pub(crate) fn failed(stopped: bool, ecs_rolls_back: bool) -> Verdict {
    Verdict::Failed {
        reason: None,
        stopped,
        ecs_rolls_back,
    }
}

pub(crate) fn draining() -> Verdict {
    Verdict::InProgress(Progress {
        desired: 2,
        new_running: 2,
        old_running: 1,
        ..Progress::default()
    })
}

/// One of each, those that are treated in different ways more than once; a service that serves first.
pub(crate) fn every_verdict() -> Vec<Verdict> {
    let progress = Progress::default();
    vec![
        Verdict::Serving {
            desired: 1,
            running: 1,
        },
        Verdict::InProgress(progress.clone()),
        draining(),
        Verdict::RollingBack {
            reason: None,
            progress: progress.clone(),
        },
        Verdict::RolledBack { reason: None },
        Verdict::RollbackFailed { reason: None },
        failed(false, false),
        failed(true, false),
        failed(false, true),
        Verdict::Replaced {
            was_complete: Some(false),
            by: "ecs-svc/1".to_owned(),
            task_definition: "a:1".to_owned(),
        },
        Verdict::Gone {
            status: "MISSING".to_owned(),
        },
        Verdict::Unknown {
            state: "X".to_owned(),
            progress,
        },
        Verdict::NoNews {
            why: "503".to_owned(),
        },
    ]
}

pub(crate) const VERDICTS: usize = 13;
