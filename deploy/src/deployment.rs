//! The one value that a deployment is: what is saved of it, and what only this invocation knows.

use std::time::Duration;

use super::evidence::{Evidence, StoppedSeen, StoppedTask};
use super::failures::Failures;
use super::revision::Revision;
use super::seen::{Look, ServiceSeen};
use super::spec::{DeploySpec, LONGEST_TIMEOUT, Target};
use super::text;
use super::time::Timestamp;
use super::timeline::Timeline;
use super::verdict::{TaskVerdict, Verdict};

/// A deployment that has been started. There is no stage before the start, which has no state, and
/// none after the end, after which nothing is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The job that started it: the tag of its revisions, and the task's client token.
    pub job: String,
    /// When the task was started, or the services were updated. The time limit of the stage counts
    /// from here.
    pub started: Timestamp,
    /// Where it is.
    pub stage: Stage,
    /// One for each target, in the targets' order.
    pub services: Vec<Service>,
    /// Which version of the artifact the `ConfigFile` was read from.
    pub config_pin: Option<String>,
    /// How long its time limit has stood still.
    pub paused: Paused,
    /// How long its start has waited.
    pub waited: Duration,
    /// A token holds all of this, and a token is input: ECS must show the same before anything is changed.
    /// Never saved.
    pub is_from_token: bool,
}

/// How long a time limit has stood still, because a PAUSE hook held the deployment: people think in the meantime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Paused {
    /// So long, up to the last look that saw a hook.
    pub total: Duration,
    /// When that look was, if the last look was one.
    pub since: Option<Timestamp>,
}

impl Paused {
    /// After a look at `now`. Between the last look that saw the hook and the first that does not the limit
    /// stands, too.
    #[must_use]
    pub fn looked(self, is_held: bool, now: Timestamp) -> Self {
        Self {
            total: self.at(now),
            since: is_held.then_some(now),
        }
    }

    /// How long it has stood still by `now`.
    pub fn at(self, now: Timestamp) -> Duration {
        let going_on = self.since.map_or(Duration::ZERO, |since| now.since(since));
        self.total + going_on
    }
}

impl Deployment {
    /// From when its time limit counts: the start, moved by what it has stood still.
    pub fn limit_from(&self, now: Timestamp) -> Timestamp {
        self.started + self.paused.at(now)
    }

    /// When its time is up: never so late that a rollback would outlast the 24 hours that CodePipeline gives an
    /// action, which began when its first event came.
    pub fn deadline(&self, spec: &DeploySpec, now: Timestamp) -> Timestamp {
        let tasks = spec.pre_deploy.iter().chain(&spec.post_deploy);
        let tasks: Duration = tasks.map(|task| task.timeout).sum();
        let left = LONGEST_TIMEOUT.saturating_sub(self.waited + tasks);
        (self.limit_from(now) + spec.timeout).min(self.started + left)
    }
}

/// Where a deployment is. Holds just what the next transition needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// A task runs on the new revision; no service has been changed.
    PreDeploy(Box<Task>),
    /// The services are set to the new revision; ECS replaces tasks.
    RollingOut,
    /// All services have been seen to serve; a task runs on the new revision.
    PostDeploy(Box<PostDeploy>),
    /// It failed, and the services are rolled back. Followed to its end, then reported as the failure
    /// that it is.
    RollingBack(Rollback),
}

/// The stage of the task after the deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct PostDeploy {
    /// When all services were first seen to serve. The task's time limit counts from here.
    pub since: Timestamp,
    /// How far the task is.
    pub run: PostRun,
}

/// How far the task after the deployment is.
#[derive(Debug, Clone, PartialEq)]
pub enum PostRun {
    /// It was not started, as far as this job knows.
    Due {
        /// Why not, if that was tried since the last look.
        refused: Option<NotRun>,
    },
    /// It was.
    Started(Box<Task>),
}

/// Why no task was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRun {
    /// Half a sentence.
    pub why: String,
    /// It may be started at another time.
    pub may_pass: bool,
}

/// A task that runs once, before the deployment or after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its id.
    pub id: String,
    /// Which service it took its network from: a place among the services.
    pub service: usize,
    /// What only this invocation knows.
    pub live: TaskLive,
}

/// What this invocation knows of a task. Never saved.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskLive {
    /// The last look.
    pub seen: Option<TaskSeen>,
    /// ECS has shown it as the one that this job started, or this invocation started it.
    pub is_ours: bool,
    /// ECS was asked to stop it.
    pub stop: Stop,
    /// The evidence of why it failed, once it was gathered.
    pub evidence: Option<Evidence>,
    /// It has succeeded, and what must be seen before a service is set could not be seen.
    pub blocked: Option<Blocked>,
}

/// Whether ECS was asked to stop a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Stop {
    /// ECS was not asked.
    #[default]
    NotAsked,
    /// ECS was asked.
    Asked,
    /// It refused, and why.
    Refused(String),
}

/// Why the services cannot be set yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The failure to answer with if that does not pass in time.
    pub failure: super::failure::Failure,
    /// It may pass.
    pub may_pass: bool,
}

/// One look at a task.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskSeen {
    /// What ECS shows.
    Shown {
        /// What it came to.
        verdict: TaskVerdict,
        /// It is over, with all of its containers.
        is_over: bool,
        /// Its containers, as far as they have ended.
        end: StoppedTask,
        /// Why it is not the one that the token's job started; none if it is.
        not_ours: Option<String>,
    },
    /// ECS does not show it.
    Missing,
    /// It could not be looked at.
    Unseen {
        /// Why.
        why: String,
        /// A later look may see it.
        may_pass: bool,
    },
}

/// A deployment that failed and is rolled back.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollback {
    /// Who rolls back the service that failed.
    pub owner: Owner,
    /// When the rollback was first seen or asked for. Its own time limit counts from here.
    pub since: Timestamp,
    /// Which service failed first: a place among the services.
    pub failed: usize,
    /// Why, as the headline says it; empty where nothing failed of itself.
    pub cause: String,
    /// The evidence was gathered. Until then the cause is what the look alone shows.
    pub is_explained: bool,
    /// How far the task after the deployment came, if that is what failed: then the service that `failed` is the one
    /// that the task took its network from, and serves until it is rolled back.
    pub post: Option<Box<PostDeploy>>,
}

/// Who rolls back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// ECS by itself: its circuit breaker, its alarms, or somebody who stopped it.
    Ecs,
    /// This function, on behalf of the job.
    Job,
}

/// One service of a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Which service.
    pub target: Target,
    /// The revision that this job registered.
    pub revision: Revision,
    /// The revision that a rollback goes to: the one that served before. None if that is not known.
    pub previous: Option<Revision>,
    /// `previous` is not what was checked: somebody deployed it between our look and our update.
    pub overwrote: bool,
    /// Our deployment of it.
    pub ours: Ours,
    /// What was seen so far, for the record.
    pub timeline: Timeline,
    /// The tasks of our deployment that have failed, as far as they were looked for.
    pub failures: Failures,
    /// What only this invocation knows.
    pub live: Live,
}

/// Our deployment of a service, as far as ECS has named it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ours {
    /// The service was not set to our revision, as far as this job knows.
    #[default]
    Untouched,
    /// It was, or may have been, and ECS lists no deployment of ours by its id yet, or not any more.
    Unnamed {
        /// The last part of our service deployment's ARN, if that is known all the same.
        service_deployment: Option<String>,
    },
    /// It was.
    Named {
        /// ECS's id of our deployment, `ecs-svc/<digits>`.
        deployment: String,
        /// The last part of our service deployment's ARN, once it is known.
        service_deployment: Option<String>,
    },
}

impl Ours {
    /// ECS's id of our deployment.
    pub fn deployment(&self) -> Option<&str> {
        match self {
            Self::Named { deployment, .. } => Some(deployment),
            Self::Untouched | Self::Unnamed { .. } => None,
        }
    }

    /// The last part of our service deployment's ARN.
    pub fn service_deployment(&self) -> Option<&str> {
        match self {
            Self::Named {
                service_deployment, ..
            }
            | Self::Unnamed { service_deployment } => service_deployment.as_deref(),
            Self::Untouched => None,
        }
    }

    /// The same deployment, whose service deployment is this one, or is not known.
    #[must_use]
    pub fn with_service_deployment(self, service_deployment: Option<String>) -> Self {
        match self {
            Self::Untouched => Self::Untouched,
            Self::Unnamed { .. } => Self::Unnamed { service_deployment },
            Self::Named { deployment, .. } => Self::Named {
                deployment,
                service_deployment,
            },
        }
    }

    /// The same deployment, which ECS lists by this id.
    #[must_use]
    pub fn named(self, deployment: String) -> Self {
        let service_deployment = self.service_deployment().map(str::to_owned);
        Self::Named {
            deployment,
            service_deployment,
        }
    }
}

/// What this invocation knows of a service. Never saved.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Live {
    /// The last look; none before the first.
    pub look: Option<Look>,
    /// What it means.
    pub verdict: Option<Verdict>,
    /// The last look showed the service as gone or going; it takes two running.
    pub was_gone: bool,
    /// Our asking for its rollback.
    pub rollback: Attempt,
    /// The answer to that was lost: AWS may have accepted it.
    pub may_be_asked: bool,
    /// It was given up, and tried once more when the rollout completed.
    pub was_tried_again: bool,
    /// What was found out about its failure.
    pub evidence: Option<Evidence>,
    /// What was found out while it goes on.
    pub trouble: Trouble,
    /// The last look showed all of its tasks with all the traffic; it takes two running.
    pub served_before: bool,
    /// The last look showed it at a PAUSE hook, for which it was to wait.
    pub is_paused: bool,
    /// The hook that this invocation has answered: a look that shows it waiting still is a late one.
    pub answered: Option<String>,
    /// The service as ECS showed it when it was set, which is as good as a look.
    pub just_set: Option<Box<ServiceSeen>>,
    /// The ARN of our service deployment, once it was looked up.
    pub service_deployment: Option<String>,
}

impl Live {
    /// What was found out about its failure, else while it went on.
    pub fn known_evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref().or(self.trouble.evidence.as_ref())
    }
}

/// What this invocation has found out about a rollout that goes on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trouble {
    /// What its stopped tasks show, once they were looked for.
    pub evidence: Option<Evidence>,
    /// When they were looked for.
    pub sought: Option<Timestamp>,
    /// So many of the new tasks ran at most.
    pub most_running: i32,
}

impl Trouble {
    /// Keeps what a look for stopped tasks has shown.
    pub fn found(&mut self, evidence: Evidence, now: Timestamp) {
        self.sought = Some(now);
        // What was known is not forgotten because it cannot be seen at the moment.
        if !matches!(evidence.stopped_seen, StoppedSeen::Unseen(_)) || self.evidence.is_none() {
            self.evidence = Some(evidence);
        }
    }
}

/// Our asking for the rollback of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It was not asked for.
    NotAsked {
        /// So often it was refused, or could not be asked for.
        refused: u8,
    },
    /// It was refused since the last look, so often in all: the next look comes first.
    Refused {
        /// So often in all.
        times: u8,
    },
    /// An earlier invocation has asked for it.
    AskedBefore,
    /// This invocation has asked for it, which may not be seen yet.
    Asked,
    /// It is given up, and why.
    GivenUp(String),
}

impl Default for Attempt {
    fn default() -> Self {
        Self::NotAsked { refused: 0 }
    }
}

impl Service {
    /// A service that was not set to `revision` yet.
    pub fn untouched(target: Target, revision: Revision, previous: Option<Revision>) -> Self {
        Self {
            target,
            revision,
            previous,
            overwrote: false,
            ours: Ours::Untouched,
            timeline: Timeline::default(),
            failures: Failures::default(),
            live: Live::default(),
        }
    }

    /// The service as it was last looked at, or as it was when it was set.
    pub fn seen(&self) -> Option<&ServiceSeen> {
        let looked = self.live.look.as_ref().and_then(Look::service);
        looked.or(self.live.just_set.as_deref())
    }

    /// The ARN of the new revision, as far as its account and Region have been seen; else its name.
    pub fn own_arn(&self) -> String {
        self.arn_of(&self.revision)
    }

    /// The same of a revision of this service.
    pub fn arn_of(&self, revision: &Revision) -> String {
        revision.arn_like(self.seen().map_or("", |seen| &seen.task_definition))
    }

    /// The revision that the service is set to, as far as the last look shows it.
    pub fn serving(&self) -> Option<Revision> {
        let seen = self.live.look.as_ref().and_then(Look::service)?;
        Revision::parse(&seen.primary()?.task_definition).ok()
    }

    /// The service as it is once it was set back: what serves is what was before ours.
    #[must_use]
    pub fn set_back(&self) -> Self {
        let mut back = self.clone();
        if let Some(serving) = self.serving() {
            back.previous = Some(self.revision.clone());
            back.revision = serving;
        }
        back
    }

    /// Whether the service was set to our revision, as far as this job knows.
    pub fn is_touched(&self) -> bool {
        self.ours != Ours::Untouched
    }

    /// Whether this is the id of our deployment.
    pub fn is_our_deployment(&self, id: &str) -> bool {
        self.ours.deployment() == Some(id)
    }

    /// Whether our deployment is what ECS works towards: nobody has set the service since.
    pub fn is_worked_on(&self, seen: &ServiceSeen) -> bool {
        seen.status == "ACTIVE"
            && seen.primary().is_some_and(|primary| {
                self.is_our_deployment(&primary.id)
                    && self.revision.is_named_by(&primary.task_definition)
            })
    }

    /// Why its rollback was given up, if it was.
    pub fn given_up(&self) -> Option<&str> {
        match &self.live.rollback {
            Attempt::GivenUp(why) => Some(why),
            Attempt::NotAsked { .. }
            | Attempt::Refused { .. }
            | Attempt::AskedBefore
            | Attempt::Asked => None,
        }
    }
}

impl PostDeploy {
    /// The task, once it was started.
    pub fn task(&self) -> Option<&Task> {
        match &self.run {
            PostRun::Started(task) => Some(task),
            PostRun::Due { .. } => None,
        }
    }

    fn task_mut(&mut self) -> Option<&mut Task> {
        match &mut self.run {
            PostRun::Started(task) => Some(task),
            PostRun::Due { .. } => None,
        }
    }

    /// The service that the task takes its network from: a place among the services.
    pub fn service(&self) -> usize {
        self.task().map_or(0, |task| task.service)
    }
}

impl Stage {
    /// The stage's name in logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PreDeploy(_) => "PreDeploy",
            Self::RollingOut => "RollingOut",
            Self::PostDeploy(_) => "PostDeploy",
            Self::RollingBack(_) => "RollingBack",
        }
    }
}

impl Deployment {
    /// The task that the stage is about, if it is about one.
    pub fn task(&self) -> Option<&Task> {
        match &self.stage {
            Stage::PreDeploy(task) => Some(task),
            Stage::PostDeploy(post) => post.task(),
            Stage::RollingBack(rollback) => rollback.post.as_ref()?.task(),
            Stage::RollingOut => None,
        }
    }

    /// What this invocation knows of that task.
    pub(crate) fn task_live(&mut self) -> Option<&mut TaskLive> {
        let task = match &mut self.stage {
            Stage::PreDeploy(task) => Some(task.as_mut()),
            Stage::PostDeploy(post) => post.task_mut(),
            Stage::RollingBack(rollback) => rollback.post.as_mut()?.task_mut(),
            Stage::RollingOut => None,
        };
        task.map(|task| &mut task.live)
    }

    /// `web on prod`, or all of them, as messages about the whole deployment start.
    pub fn about(&self) -> String {
        let targets = self.services.iter().map(|one| one.target.to_string());
        text::listed(&targets.collect::<Vec<_>>())
    }

    /// This job's revisions, each once.
    pub fn revisions(&self) -> Vec<Revision> {
        let mut revisions: Vec<Revision> = Vec::new();
        for service in &self.services {
            if !revisions.contains(&service.revision) {
                revisions.push(service.revision.clone());
            }
        }
        revisions
    }

    /// The same in a sentence.
    pub fn revisions_listed(&self) -> String {
        let revisions = self.revisions();
        text::listed(
            &revisions
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
        )
    }

    /// ECS's id of the first deployment, or of the task that runs before it.
    pub fn external_id(&self) -> Option<String> {
        match &self.stage {
            Stage::PreDeploy(task) => Some(task.id.clone()),
            Stage::RollingOut | Stage::PostDeploy(_) | Stage::RollingBack(_) => {
                let mut named = self.services.iter().filter_map(|one| one.ours.deployment());
                named.next().map(str::to_owned)
            }
        }
    }
}
