//! What is asked for. Cannot be invalid.

use std::fmt;
use std::time::Duration;

use super::patch::Patch;
use super::region::Region;
use super::revision::Revision;
use super::text;

/// `DeploymentTimeout` is at most this long. With what follows a rollout it stays within the
/// 24 hours that CodePipeline gives an action
/// (<https://docs.aws.amazon.com/codepipeline/latest/userguide/limits.html>).
pub const TIMEOUT_MAX_MINUTES: u64 = 1380;

/// The same as a duration.
pub const LONGEST_TIMEOUT: Duration = Duration::from_mins(TIMEOUT_MAX_MINUTES);

/// The built-in action's default.
pub const FILE_NAME_DEFAULT: &str = "imagedefinitions.json";

/// So many services may be deployed in one action.
pub const SERVICES_LIMIT: usize = 10;

/// One service to deploy to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Cluster name or ARN, as written.
    pub cluster: String,
    /// Service name or ARN, as written.
    pub service: String,
}

impl Target {
    /// The cluster's name, also if it was written as an ARN.
    pub fn cluster_name(&self) -> &str {
        text::last_part(&self.cluster)
    }

    /// The service's name, also if it was written as an ARN.
    pub fn service_name(&self) -> &str {
        text::last_part(&self.service)
    }
}

impl fmt::Display for Target {
    /// `web on prod`, as every message starts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.service_name(), self.cluster_name())
    }
}

/// What the new revision is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseFrom {
    /// The revision that the service runs.
    Service,
    /// The newest ACTIVE one of its family.
    Latest,
    /// The task definition in this file of the artifact.
    File(String),
    /// Nothing is made: a revision that there is, is deployed.
    Existing(Existing),
}

/// Changes to what the new revision is made from, beside its images.
#[derive(Debug, Clone, PartialEq)]
pub enum PatchFrom {
    /// These.
    Parameters(Patch),
    /// Those in this file of the artifact.
    File(String),
}

/// Which revision that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// This one.
    Named {
        /// Which.
        revision: Revision,
        /// As it is written: `app:41`, or its ARN.
        name: String,
    },
    /// What the newest completed deployment before the present one brought, if that was another one.
    Previous,
}

impl fmt::Display for Existing {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named { name, .. } => name,
            Self::Previous => "previous",
        })
    }
}

/// What ends an action with success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitFor {
    /// The deployment is complete.
    #[default]
    Complete,
    /// All new tasks run and have all the traffic. ECS may still roll back, which nobody would see.
    Serving,
    /// The deployment waits at a PAUSE hook, or is complete without one.
    Pause,
}

/// A deployment that an earlier action has left at a PAUSE hook, and how to answer that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContinueDeployment {
    /// Which deployment.
    pub deployment: DeployedBy,
    /// Which hook; none: the one at which it waits.
    pub hook: Option<String>,
    /// How.
    pub action: HookAction,
}

/// A deployment by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeployedBy {
    /// ECS's id of it, `ecs-svc/<digits>`.
    Id(String),
    /// Its service deployment's ARN.
    Arn(String),
}

/// How a PAUSE hook is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookAction {
    /// The deployment goes on.
    Continue,
    /// It is rolled back.
    RollBack,
}

/// What to do if somebody else's deployment of a service is under way. ECS's own rollback is always waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfDeploying {
    /// It is replaced.
    #[default]
    Replace,
    /// Its end is waited for.
    Wait,
    /// Nothing is deployed.
    Fail,
}

/// How many tasks of the new revision may fail before its rollout is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailureThreshold {
    /// As many as ECS's circuit breaker would let fail: see [`crate::failures::limit`].
    #[default]
    Auto,
    /// So many.
    Tasks(u16),
    /// That is left to ECS and to the time limit.
    Never,
}

impl fmt::Display for WaitFor {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "Complete",
            Self::Serving => "Serving",
            Self::Pause => "Pause",
        })
    }
}

impl fmt::Display for IfDeploying {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replace => "Replace",
            Self::Wait => "Wait",
            Self::Fail => "Fail",
        })
    }
}

impl fmt::Display for FailureThreshold {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Tasks(tasks) => write!(f, "{tasks}"),
            Self::Never => f.write_str("0"),
        }
    }
}

/// When a task runs once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before any service is changed.
    Before,
    /// After all services serve.
    After,
}

impl When {
    /// The parameter that asks for the task.
    pub fn parameter(self) -> &'static str {
        match self {
            Self::Before => "PreDeployTask",
            Self::After => "PostDeployTask",
        }
    }
}

impl fmt::Display for When {
    /// As messages call the task.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "the pre-deploy task",
            Self::After => "the post-deploy task",
        })
    }
}

/// A task that runs once on the new revision: before any service is changed, or after all of them serve.
#[derive(Clone, PartialEq, Eq)]
pub struct StandaloneTask {
    /// The container whose exit code decides.
    pub container: String,
    /// What it runs instead of its own command.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// Variables of that container, beside those that it has or instead of them.
    pub environment: Vec<(String, String)>,
    /// The CPU of the task, in ECS's units of a 1024th of a vCPU, if it is not the revision's.
    pub cpu: Option<String>,
    /// Its memory, in MiB, if it is not the revision's.
    pub memory: Option<String>,
}

impl fmt::Debug for StandaloneTask {
    /// Without the values of variables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            container,
            command,
            timeout,
            environment,
            cpu,
            memory,
        } = self;
        let names: Vec<&String> = environment.iter().map(|(name, _)| name).collect();
        f.debug_struct("StandaloneTask")
            .field("container", container)
            .field("command", command)
            .field("timeout", timeout)
            .field("environment", &names)
            .field("cpu", cpu)
            .field("memory", memory)
            .finish()
    }
}

/// A bus of `EventBridge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBus {
    /// Its name or ARN, as written.
    pub name: String,
    /// Its Region, if the ARN says it.
    pub region: Option<Region>,
}

/// A role of the account to deploy into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumedRole {
    /// Its ARN.
    pub arn: String,
    /// What its trust policy may ask for.
    pub external_id: Option<String>,
}

/// A file of the artifact that holds more parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Its path.
    pub file: String,
    /// Which artifact, if the parameters say.
    pub input_artifact: Option<String>,
}

/// A deployment as asked for. Cannot be invalid.
#[derive(Debug, Clone, PartialEq)]
pub struct DeploySpec {
    /// What to deploy to, in the order written; at least one.
    pub targets: Vec<Target>,
    /// Path of the image definitions inside the artifact, with `/` and without a leading `./`.
    pub file_name: String,
    /// Whether the parameters name that file, rather than leaving it to the default.
    pub file_is_named: bool,
    /// Which input artifact, if the user says.
    pub input_artifact: Option<String>,
    /// How long a rollout may take.
    pub timeout: Duration,
    /// Where the new revision starts from.
    pub base: BaseFrom,
    /// What it has that its base has not.
    pub patch: Option<PatchFrom>,
    /// After how many failed tasks a rollout is given up.
    pub failure_threshold: FailureThreshold,
    /// What to do if somebody else's deployment is under way.
    pub if_deploying: IfDeploying,
    /// Succeed without a deployment if the new revision would equal the one that serves.
    pub skip_if_unchanged: bool,
    /// What ends the action with success.
    pub wait_for: WaitFor,
    /// Nothing is deployed: a deployment that waits at a PAUSE hook is continued.
    pub continues: Option<ContinueDeployment>,
    /// When a rollout fails or runs out of time and ECS is not rolling back by itself, roll back.
    pub rollback: bool,
    /// Check everything, change nothing.
    pub dry_run: bool,
    /// Check in ECR that each image exists and fits the task's CPU architecture.
    pub verify_images: bool,
    /// Check what the new tasks will need besides: see [`super::dependencies`].
    pub verify_dependencies: bool,
    /// Replace ECR tags by the digest that they mean now.
    pub pin_digests: bool,
    /// Which container an imageDetail.json is for.
    pub container: Option<String>,
    /// The pipeline execution, for logs and reports.
    pub pipeline_execution_id: Option<String>,
    /// The Region to deploy to, if not the function's own.
    pub region: Option<Region>,
    /// The role to deploy with, if not the function's own.
    pub role: Option<AssumedRole>,
    /// Run once before any service is changed.
    pub pre_deploy: Option<StandaloneTask>,
    /// Run once after all services serve; if it does not succeed, they are rolled back.
    pub post_deploy: Option<StandaloneTask>,
    /// Told of the start and the end.
    pub event_bus: Option<EventBus>,
    /// Deregister older revisions after success, and keep so many.
    pub keep_revisions: Option<usize>,
    /// Point schedules that run the family at the new revision after success.
    pub scheduled_tasks: bool,
    /// So many of a failed container's last log lines may be read and shown; 0: its log is not
    /// read at all.
    pub log_lines: u32,
}

impl DeploySpec {
    /// What holds if only the `targets` are named.
    pub fn of(targets: Vec<Target>) -> Self {
        Self {
            targets,
            file_name: FILE_NAME_DEFAULT.to_owned(),
            file_is_named: false,
            input_artifact: None,
            timeout: Duration::from_hours(1),
            base: BaseFrom::Service,
            patch: None,
            failure_threshold: FailureThreshold::Auto,
            if_deploying: IfDeploying::Replace,
            skip_if_unchanged: false,
            wait_for: WaitFor::Complete,
            continues: None,
            rollback: true,
            dry_run: false,
            verify_images: true,
            verify_dependencies: true,
            pin_digests: false,
            container: None,
            pipeline_execution_id: None,
            region: None,
            role: None,
            pre_deploy: None,
            post_deploy: None,
            event_bus: None,
            keep_revisions: None,
            scheduled_tasks: false,
            log_lines: 20,
        }
    }

    /// The tasks that run once, each with when it does.
    pub fn tasks(&self) -> impl Iterator<Item = (When, &StandaloneTask)> {
        let before = self.pre_deploy.iter().map(|task| (When::Before, task));
        let after = self.post_deploy.iter().map(|task| (When::After, task));
        before.chain(after)
    }

    /// The task that runs then.
    pub fn task(&self, when: When) -> Option<&StandaloneTask> {
        match when {
            When::Before => self.pre_deploy.as_ref(),
            When::After => self.post_deploy.as_ref(),
        }
    }

    /// Which revision is deployed that there is already, if none is made.
    pub fn existing(&self) -> Option<&Existing> {
        match &self.base {
            BaseFrom::Existing(existing) => Some(existing),
            BaseFrom::Service | BaseFrom::Latest | BaseFrom::File(_) => None,
        }
    }

    /// Whether this job registers the revision that it deploys, so that every deployment of that is the job's.
    pub fn registers(&self) -> bool {
        self.existing().is_none() && self.continues.is_none()
    }

    /// `web on prod`, or all of them, as messages about the whole deployment start.
    pub fn about(&self) -> String {
        let targets: Vec<String> = self.targets.iter().map(ToString::to_string).collect();
        text::listed(&targets)
    }
}
