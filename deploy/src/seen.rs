//! What ECS shows of a service. Texts are kept as they came: AWS adds new ones.

use std::fmt;
use std::time::Duration;

use super::hook::FailedHook;
use super::outside;
use super::revision::Revision;
use super::time::Timestamp;

/// A service as `DescribeServices` shows it. Texts are kept as they came: AWS adds new ones.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceSeen {
    /// The service's ARN.
    pub arn: String,
    /// `ACTIVE`, `DRAINING` or `INACTIVE`.
    pub status: String,
    /// The ARN of the revision that the service is set to.
    pub task_definition: String,
    /// `ROLLING`, `BLUE_GREEN`, `LINEAR` or `CANARY`; absent means `ROLLING`.
    pub strategy: Option<String>,
    /// How many tasks the service wants.
    pub desired: i32,
    /// How long, in minutes, a deployment is watched after its traffic is shifted.
    pub bake_minutes: i32,
    /// How long, in minutes, its traffic takes to be shifted.
    pub shift_minutes: i32,
    /// How long, in minutes, the most patient of its PAUSE hooks waits, if it has any.
    pub pause_minutes: Option<i32>,
    /// `minimumHealthyPercent` and `maximumPercent` of its deployments, where ECS shows them.
    pub percents: Option<(i32, i32)>,
    /// `healthyPercent` of its early success criteria, if they hold: with so many tasks healthy a rolling update is
    /// complete, and the rest goes on outside it
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentEarlySuccessCriteria.html>).
    pub early_success_percent: Option<i32>,
    /// Whether its circuit breaker, if it has one, rolls back.
    pub breaker_rolls_back: Option<bool>,
    /// Whether its deployment alarms, if it has any, roll back.
    pub alarms_roll_back: Option<bool>,
    /// Its deployments; the one that ECS works towards is `PRIMARY`.
    pub deployments: Vec<DeploymentSeen>,
    /// Its events, newest first.
    pub events: Vec<EventSeen>,
}

impl ServiceSeen {
    /// Whether `rolloutState` COMPLETED is the end: of a rolling update without a bake time and a PAUSE hook. All
    /// others have stages after it, which can end in a rollback: only their service deployment
    /// shows.
    pub fn is_told_by_rollout_state(&self) -> bool {
        let is_rolling = matches!(self.strategy.as_deref(), None | Some("ROLLING"));
        is_rolling && self.bake_minutes == 0 && self.pause_minutes.is_none()
    }

    /// The bounds of a rolling update, if they let it neither stop an old task nor start a new one. ECS rounds
    /// the lower one up and the upper one down
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html>).
    pub fn stuck(&self) -> Option<Stuck> {
        let (minimum, maximum) = self.percents?;
        let is_rolling = matches!(self.strategy.as_deref(), None | Some("ROLLING"));
        let desired = i64::from(self.desired);
        let stuck = Stuck {
            minimum,
            maximum,
            fewest: (desired * i64::from(minimum) + 99).div_euclid(100),
            most: (desired * i64::from(maximum)).div_euclid(100),
            desired: self.desired,
        };
        let is_stuck =
            is_rolling && desired > 0 && stuck.fewest >= desired && stuck.most <= desired;
        is_stuck.then_some(stuck)
    }

    /// The deployment that ECS works towards.
    pub fn primary(&self) -> Option<&DeploymentSeen> {
        self.deployments.iter().find(|one| one.status == "PRIMARY")
    }

    /// The revisions that it is set to or has deployments of, as far as they can be read.
    pub fn revisions(&self) -> Vec<Revision> {
        let deployments = self.deployments.iter();
        let deployed = deployments.map(|one| &one.task_definition);
        std::iter::once(&self.task_definition)
            .chain(deployed)
            .filter_map(|arn| Revision::parse(arn).ok())
            .collect()
    }

    /// The deployments, newest first; those without a time last.
    pub fn newest_first(&self) -> Vec<&DeploymentSeen> {
        let mut deployments: Vec<&DeploymentSeen> = self.deployments.iter().collect();
        deployments.sort_by_key(|one| std::cmp::Reverse(one.created_at));
        deployments
    }

    /// The deployment of the revision with the ARN `own_arn`, the first of several.
    pub fn first_of(&self, own_arn: &str) -> Option<&DeploymentSeen> {
        let mut newest_first = self.newest_first().into_iter();
        newest_first.rfind(|one| one.task_definition == own_arn)
    }

    /// The deployment that the service works on, if it brings the revision with the ARN `own_arn`.
    pub fn primary_of(&self, own_arn: &str) -> Option<&DeploymentSeen> {
        self.primary()
            .filter(|primary| primary.task_definition == own_arn)
    }

    /// What another revision than `own_arn` it lists a deployment of: the newest complete one, else the newest.
    pub fn newest_but(&self, own_arn: &str) -> Option<Revision> {
        let others = self.newest_first().into_iter();
        let others: Vec<&DeploymentSeen> = others
            .filter(|one| one.task_definition != own_arn)
            // What failed is no way back.
            .filter(|one| one.rollout_state.as_deref() != Some("FAILED"))
            .collect();
        let complete = others.iter().find(|one| one.was_complete());
        let other = complete.or(others.first())?;
        Revision::parse(&other.task_definition).ok()
    }

    /// The newest revision but `own_arn` that it lists a deployment of, even one that failed.
    pub fn any_but(&self, own_arn: &str) -> Option<Revision> {
        let mut others = self.newest_first().into_iter();
        let other = others.find(|one| one.task_definition != own_arn)?;
        Revision::parse(&other.task_definition).ok()
    }

    /// The time that every deployment of the service takes, however fast its tasks start.
    pub fn shortest_rollout(&self) -> Duration {
        let minutes = self
            .bake_minutes
            .max(0)
            .saturating_add(self.shift_minutes.max(0));
        Duration::from_mins(u64::try_from(minutes).unwrap_or(0))
    }
}

/// A deployment configuration with which no deployment can move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// `minimumHealthyPercent`.
    pub minimum: i32,
    /// `maximumPercent`.
    pub maximum: i32,
    /// So few tasks may run.
    pub fewest: i64,
    /// So many tasks may run.
    pub most: i64,
    /// So many are wanted.
    pub desired: i32,
}

impl fmt::Display for Stuck {
    /// Half a sentence with the numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            minimum,
            maximum,
            fewest,
            most,
            desired,
        } = self;
        write!(
            f,
            "with minimumHealthyPercent {minimum} and maximumPercent {maximum} ECS has to run at least {fewest} and at most {most} of its {desired} tasks, and can neither stop an old task nor start a new one"
        )
    }
}

/// One entry of `deployments[]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeploymentSeen {
    /// `ecs-svc/<digits>`.
    pub id: String,
    /// `PRIMARY`, `ACTIVE` or `INACTIVE`.
    pub status: String,
    /// The revision's ARN.
    pub task_definition: String,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`; absent behind a Classic Load Balancer.
    pub rollout_state: Option<String>,
    /// ECS's text for the state.
    pub rollout_state_reason: Option<String>,
    /// Tasks wanted.
    pub desired: i32,
    /// Tasks starting.
    pub pending: i32,
    /// Tasks running.
    pub running: i32,
    /// Tasks failed in a row; ECS resets it to 0 once one runs.
    pub failed: i32,
    /// When it was created.
    pub created_at: Option<Timestamp>,
}

impl DeploymentSeen {
    /// Whether it was complete, as far as ECS shows it: behind a Classic Load Balancer it does not.
    pub fn was_complete(&self) -> bool {
        matches!(self.rollout_state.as_deref(), None | Some("COMPLETED"))
    }
}

/// One of the service's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSeen {
    /// ECS's id of the event.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// ECS's text.
    pub message: String,
}

/// A service deployment, as `DescribeServiceDeployments` shows it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceDeploymentSeen {
    /// Its ARN, as ECS gives it: it cannot be derived from the ARN of a service made before 2021.
    pub arn: String,
    /// The last part of its ARN.
    pub id: String,
    /// `PENDING`, `IN_PROGRESS`, `SUCCESSFUL` and six more.
    pub status: String,
    /// ECS's text for the status.
    pub status_reason: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// The revision that it brings; absent until it has been looked up.
    pub task_definition: Option<String>,
    /// Where a blue/green, linear or canary deployment is, as `BAKE_TIME`.
    pub lifecycle_stage: Option<String>,
    /// Share of production traffic on the new revision, in percent.
    pub new_weight: Option<f64>,
    /// What a hook waits for, as `PRE_SCALE_UP waits at hook h-1 until …`.
    pub waiting: Option<String>,
    /// The PAUSE hooks that hold it.
    pub held: Vec<Held>,
    /// The lifecycle hook that failed or timed out.
    pub failed_hook: Option<FailedHook>,
    /// Why it is rolled back, in ECS's text.
    pub rollback_reason: Option<String>,
    /// The revision that a rollback brings, which need not be the one that was set before
    /// (`rollback.serviceRevisionArn`).
    pub rollback_to: Option<String>,
    /// Names of the alarms that went off.
    pub alarms: Vec<String>,
    /// The circuit breaker's count of failed tasks and its threshold.
    pub breaker: Option<(i32, i32)>,
}

/// A PAUSE hook that holds a deployment until somebody answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// `hookId`, as ECS gives it; one without can be waited for, and not answered.
    pub hook: Option<String>,
    /// The lifecycle stage, as `POST_TEST_TRAFFIC_SHIFT`.
    pub stage: Option<String>,
    /// When it expires.
    pub until: Option<Timestamp>,
    /// What comes then: `ROLLBACK` or `CONTINUE`.
    pub then: Option<String>,
}

impl fmt::Display for Held {
    /// `hook h-1 at POST_TEST_TRAFFIC_SHIFT until 2026-11-25T18:00:00Z, then ROLLBACK`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hook {
            Some(hook) => write!(f, "hook {}", outside::shown(hook))?,
            None => f.write_str("a hook")?,
        }
        if let Some(stage) = &self.stage {
            write!(f, " at {stage}")?;
        }
        if let Some(until) = self.until {
            write!(f, " until {}", until.rfc3339())?;
        }
        match &self.then {
            Some(then) => write!(f, ", then {then}"),
            None => Ok(()),
        }
    }
}

/// One look at a service.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// ECS does not know the service any more.
    Missing,
    /// What it shows.
    Seen {
        /// The service.
        service: Box<ServiceSeen>,
        /// Our service deployment, where ECS gives one and it is ours for certain.
        service_deployment: Option<Box<ServiceDeploymentSeen>>,
    },
    /// AWS could not be asked, through all retries.
    NoNews {
        /// What went wrong.
        why: String,
    },
}

impl Look {
    /// The service, if it could be seen.
    pub fn service(&self) -> Option<&ServiceSeen> {
        match self {
            Self::Seen { service, .. } => Some(service),
            Self::Missing | Self::NoNews { .. } => None,
        }
    }

    /// The service and our service deployment, if the service could be seen.
    pub fn seen(&self) -> Option<(&ServiceSeen, Option<&ServiceDeploymentSeen>)> {
        match self {
            Self::Seen {
                service,
                service_deployment,
            } => Some((service, service_deployment.as_deref())),
            Self::Missing | Self::NoNews { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolling_update_moves_if_one_task_more_or_one_task_less_may_run() {
        let stuck = |minimum, maximum, desired| {
            let seen = ServiceSeen {
                percents: Some((minimum, maximum)),
                desired,
                ..ServiceSeen::default()
            };
            seen.stuck().map(|stuck| (stuck.fewest, stuck.most))
        };
        assert_eq!(stuck(100, 100, 2), Some((2, 2)));
        assert_eq!(stuck(50, 100, 1), Some((1, 1)));
        assert_eq!(stuck(100, 150, 1), Some((1, 1)));
        assert_eq!(stuck(51, 100, 2), Some((2, 2)));
        for (minimum, maximum, desired) in [
            (100, 200, 1),
            (0, 100, 1),
            (50, 100, 2),
            (100, 150, 2),
            (100, 100, 0),
        ] {
            assert_eq!(
                stuck(minimum, maximum, desired),
                None,
                "{minimum} {maximum} {desired}"
            );
        }
        let staged = ServiceSeen {
            percents: Some((100, 100)),
            desired: 2,
            strategy: Some("BLUE_GREEN".to_owned()),
            ..ServiceSeen::default()
        };
        assert_eq!(staged.stuck(), None);
        assert_eq!(ServiceSeen::default().stuck(), None);
    }
}
