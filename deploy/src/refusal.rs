//! Why a start is refused: one variant for each reason, with its kind and its sentence.

use std::fmt;
use std::time::Duration;

use super::call::CallError;
use super::dependencies::Missing;
use super::failure::{Failure, FailureKind};
use super::fit;
use super::images::CacheRule;
use super::patch::PatchProblem;
use super::revision::{NotARevision, Revision};
use super::seen::Stuck;
use super::spec::{BaseFrom, LONGEST_TIMEOUT, Target};
use super::task_definition::Misfit;
use super::text;
use super::time::{Timestamp, human};
use super::token::TooLarge;
use super::words::{self, Caller};

/// Why a start is refused. Displays its sentence, without what several of a kind share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A call that the start needs has failed.
    #[error("{}", words::of_call(.about, .error, *.caller, *.is_changed).message)]
    Call {
        /// What the sentence begins with.
        about: String,
        /// AWS's answer.
        error: Box<CallError>,
        /// Who called.
        caller: Caller,
        /// Something may have been changed by then.
        is_changed: bool,
    },
    /// The files of the artifact cannot be read, or say what they must not.
    #[error("{}", .0.message)]
    Files(Failure),
    /// An output artifact, which CodePipeline requires of an action that succeeds, cannot be written.
    #[error(
        "the output artifact {name} cannot be written, for it has no location in the event, and CodePipeline requires it of an action that succeeds. Nothing was changed by this invocation."
    )]
    OutputWithoutLocation {
        /// Its name.
        name: String,
    },
    /// A service cannot be looked at.
    #[error("{}", words::of_describing(.target, .region.as_deref(), .error, *.caller).message)]
    ServiceUnseen {
        /// Which.
        target: Target,
        /// The Region that was called.
        region: Option<String>,
        /// AWS's answer.
        error: Box<CallError>,
        /// Who called.
        caller: Caller,
    },
    /// There is no such service.
    #[error("{}", words::of_missing_service(.target, .region.as_deref()).message)]
    NoService {
        /// Which.
        target: Target,
        /// The Region that was called.
        region: Option<String>,
    },
    /// The service is DRAINING or INACTIVE.
    #[error("{target}: the service is {status}, not ACTIVE: nothing can be deployed to it.")]
    NotActive {
        /// Which.
        target: Target,
        /// What it is.
        status: String,
    },
    /// `CodeDeploy` deploys the service.
    #[error(
        "{0}: the service uses the CODE_DEPLOY deployment controller: use CodePipeline's 'Amazon ECS (Blue/Green)' action (CodeDeployToECS), or change the service to the ECS controller with the BLUE_GREEN strategy."
    )]
    CodeDeployController(Target),
    /// Another program deploys the service.
    #[error(
        "{0}: the service uses the EXTERNAL deployment controller: its task sets are made by another program (CreateTaskSet), which has to deploy it."
    )]
    ExternalController(Target),
    /// Something that this build has never heard of deploys the service.
    #[error(
        "{target}: the service uses the {controller} deployment controller, which this version does not know."
    )]
    UnknownController {
        /// Which.
        target: Target,
        /// What deploys it.
        controller: String,
    },
    /// ECS writes the task definition of the service.
    #[error(
        "{0}: this is an Express Mode service, which UpdateExpressGatewayService alone deploys: use aws ecs update-express-gateway-service (it takes a task definition since 2026-06-17), for this action calls UpdateService."
    )]
    ExpressMode(Target),
    /// The service has no PAUSE hook to wait for.
    #[error(
        "{0}: WaitFor is Pause, and the service's deploymentConfiguration has no lifecycle hook with targetType PAUSE: add one, or leave WaitFor out."
    )]
    NoPauseHook(Target),
    /// The service's deployment configuration lets no deployment move.
    #[error(
        "{target}: no deployment of it can move: {stuck}. Lower the first or raise the second."
    )]
    CannotMove {
        /// Which.
        target: Target,
        /// The numbers.
        stuck: Stuck,
    },
    /// No rollout of the service can end before CodePipeline ends the action.
    #[error(
        "{target}: {rollout}; CodePipeline gives an action 24 hours in all, of which {} are left for that: shorten the service's bake time.",
        human(LONGEST_TIMEOUT)
    )]
    OutlastsAction {
        /// Which.
        target: Target,
        /// What a rollout of it takes.
        rollout: ShortestRollout,
    },
    /// No rollout of the service can end within `DeploymentTimeout`.
    #[error(
        "{target}: {rollout}; DeploymentTimeout is {} and must be more than that: raise it.",
        .timeout.as_secs() / 60
    )]
    OutlastsTimeout {
        /// Which.
        target: Target,
        /// What a rollout of it takes.
        rollout: ShortestRollout,
        /// `DeploymentTimeout`.
        timeout: Duration,
    },
    /// A deployment of the service is under way, and is not replaced.
    #[error("{target}: {}.", of_under_way(.who, *.is_rollback, *.is_waited_for))]
    UnderWay {
        /// Which.
        target: Target,
        /// Its revision and its id.
        who: String,
        /// When it was created, if ECS says.
        since: Option<Timestamp>,
        /// ECS rolls back.
        is_rollback: bool,
        /// Its end is waited for.
        is_waited_for: bool,
    },
    /// The deployment that is to be continued is not the service's any more.
    #[error(
        "{target}: {deployment} (ContinueDeployment) is not among its deployments any more: it was replaced or rolled back, and the service is set to {now}. Nothing was changed. The output variable ServiceDeploymentArn names one that is over, too."
    )]
    NotTheDeployment {
        /// Which service.
        target: Target,
        /// The deployment, as it is written.
        deployment: String,
        /// What the service is set to, and by which deployment.
        now: String,
    },
    /// Somebody has deployed while this start waited, and what it has registered was made from something else.
    #[error(
        "{target}: the service was set to {before} when this job made or chose {own}; {now} has been deployed since, and was left alone: retry the stage in CodePipeline."
    )]
    ChangedWhileWaiting {
        /// Which.
        target: Target,
        /// This job's revision.
        own: String,
        /// What the service was set to then.
        before: String,
        /// What it is set to now.
        now: String,
    },
    /// What the service is set to is no revision.
    #[error("{target}: {wrong}.")]
    NotSetToARevision {
        /// Which.
        target: Target,
        /// Why not.
        wrong: NotARevision,
    },
    /// One task definition cannot be for several families.
    #[error(
        "{file} is one task definition, and the services run the families {}: deploy each family in an action of its own.",
        text::listed(.families)
    )]
    SeveralFamilies {
        /// The file that holds it.
        file: String,
        /// What the services run.
        families: Vec<String>,
    },
    /// The file's task definition is of another family.
    #[error(
        "{file} is of the family {family}, and the service runs {runs}: write \"family\": \"{runs}\", or leave it out."
    )]
    OtherFamily {
        /// The file.
        file: String,
        /// The family that it names.
        family: String,
        /// What the service runs.
        runs: String,
    },
    /// A revision that is named is of another family than the service runs.
    #[error(
        "{target}: TaskDefinition is {revision}, and the service runs {runs}, of another family: name a revision of {}.",
        .runs.family()
    )]
    RevisionOfOtherFamily {
        /// Which service.
        target: Target,
        /// The revision that is named.
        revision: Revision,
        /// What the service runs.
        runs: Revision,
    },
    /// Services of one family have different previous revisions.
    #[error(
        "the services have different previous revisions, {}: name one with TaskDefinition, or deploy them one by one.",
        listed_previous(.0)
    )]
    DifferentPrevious(Vec<(Target, Revision)>),
    /// ECS lists no completed deployment of another revision.
    #[error(
        "{target}: ECS lists no completed deployment that brought another revision than {runs} (TaskDefinition is previous): name the revision, as {}:1.",
        .runs.family()
    )]
    NoPrevious {
        /// Which service.
        target: Target,
        /// What the service is set to.
        runs: Revision,
    },
    /// A deployment to an older revision than the previous one is under way.
    #[error(
        "{target}: {runs} is being deployed at the moment, and the newest completed deployment of another revision brought {previous}, which is newer: wait for its end, or name the revision (TaskDefinition)."
    )]
    PreviousIsNewer {
        /// Which service.
        target: Target,
        /// What is being deployed.
        runs: Revision,
        /// What would be the previous one.
        previous: Revision,
    },
    /// The revision that is named does not exist.
    #[error("{target}: there is no revision {name} (TaskDefinition) in this account and Region.")]
    NoRevision {
        /// For which service.
        target: Target,
        /// As it is written.
        name: String,
    },
    /// The revision that is to be deployed is not ACTIVE.
    #[error(
        "{target}: {revision} is {status}, and ECS starts nothing new from it: name an ACTIVE revision (TaskDefinition)."
    )]
    NotActiveRevision {
        /// For which service.
        target: Target,
        /// Which.
        revision: Revision,
        /// What it is.
        status: String,
    },
    /// Services of one family would get one revision, made from different ones.
    #[error(
        "{}: they share a family and are to get one new revision, made from what they run, but run different ones: set BaseRevision to latest, or deploy them one by one.",
        listed_runs(.0)
    )]
    DifferentRevisions(Vec<(Target, String)>),
    /// ECS shows nothing that the new revision could be made from.
    #[error("what they run is not known.")]
    NoBase,
    /// The images do not fit the base.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The attestation policy of a confidential task pins what its containers run.
    #[error(
        "{base} runs as CONFIDENTIAL_SANDBOX, and its attestationPolicy is for the images that it has: with another image of {container} under the same policy no task could start. Change the policy with the image, as TaskDefinitionPatch {{\"trustedExecutionConfiguration\": {{\"attestationPolicy\": …}}}}."
    )]
    SamePolicy {
        /// What the revision is made from.
        base: String,
        /// The container.
        container: String,
    },
    /// The patch does not fit its base.
    #[error("{0}")]
    Patch(Box<PatchProblem>),
    /// A task is to run in a container that there is not.
    #[error(
        "{parameter} names the container '{container}', which the new revision does not have; its containers are {}.",
        text::listed(.known)
    )]
    NoContainerForTask {
        /// `PreDeployTask` or `PostDeployTask`.
        parameter: &'static str,
        /// Its name, as written.
        container: String,
        /// Those that there are, as `app and sidecar of web`.
        known: Vec<String>,
    },
    /// A task would have a size that Fargate does not have.
    #[error("{parameter}: {wrong}.")]
    TaskSize {
        /// `PreDeployTask` or `PostDeployTask`.
        parameter: &'static str,
        /// What is wrong.
        wrong: fit::FargateSize,
    },
    /// ECS would refuse to set the service to the revision.
    #[error("{target}: {misfit}")]
    Unfit {
        /// What the revision is made from.
        base: BaseFrom,
        /// Which service.
        target: Target,
        /// Why.
        misfit: Box<fit::Misfit>,
    },
    /// A schedule could not be pointed at the new revision and left alone otherwise.
    #[error(
        "{0} names its task definition in a way that cannot be replaced alone: write it once in the target's input, as family:revision"
    )]
    StuckSchedule(String),
    /// An image cannot be deployed.
    #[error(transparent)]
    Image(#[from] UnusableImage),
    /// Something that the new tasks need is not there.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// An earlier delivery of the job registered this revision, failed, and deregistered it. The job is
    /// answered: nobody would hear of another deployment.
    #[error(
        "this job has failed before; {}, which it had registered, was deregistered. Nothing was changed by this invocation: retry the stage in CodePipeline.",
        text::last_part(.revision)
    )]
    FailedBefore {
        /// Its ARN.
        revision: String,
    },
    /// What must be remembered between two invocations does not fit into a token.
    #[error("{0}. Nothing was changed.")]
    TokenTooLarge(TooLarge),
    /// ECS has registered something that is no revision.
    #[error("{target}: registered, but {wrong}. The service was not changed.")]
    NotRegistered {
        /// For which service.
        target: Target,
        /// Why not.
        wrong: NotARevision,
    },
}

/// The time that every rollout of a service takes, however fast its tasks start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortestRollout {
    /// `ROLLING`, `BLUE_GREEN`, `LINEAR` or `CANARY`.
    pub strategy: String,
    /// In which its traffic is shifted.
    pub shift: Duration,
    /// In which it is watched after that.
    pub bake: Duration,
}

impl fmt::Display for ShortestRollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "each of its deployments takes {} at least, for its traffic is shifted in {} ({}) and watched for {} after that",
            human(self.shift + self.bake),
            human(self.shift),
            self.strategy,
            human(self.bake)
        )
    }
}

/// What ECR does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Absent {
    /// The repository has no such image.
    #[error("the repository {repository} has no image with the {which}")]
    Image {
        /// The repository.
        repository: String,
        /// `tag v2` or `digest sha256:…`.
        which: String,
    },
    /// The registry has no such repository.
    #[error("there is no repository {repository} in the registry {registry} in {region}")]
    Repository {
        /// The repository.
        repository: String,
        /// The account whose registry it is.
        registry: String,
        /// The registry's Region.
        region: String,
    },
}

/// Why an image cannot be deployed. Each is one sentence, without its stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnusableImage {
    /// ECR does not have it.
    #[error("the image {image} does not exist: {absent}")]
    Absent {
        /// The image, as written.
        image: String,
        /// What there is not.
        absent: Absent,
    },
    /// ECR does not have it, and whether a pull-through cache would fetch it cannot be seen.
    #[error(
        "the image {image} does not exist: {absent}. Whether it is behind a pull-through cache could not be seen; if it is, {}. {}",
        if *.is_pinned { "pull the image once, so that it has a digest to be pinned to" } else { "set VerifyImages to false" },
        words::call(.error, *.caller)
    )]
    PerhapsCached {
        /// The image, as written.
        image: String,
        /// What there is not.
        absent: Absent,
        /// It is to be pinned to its digest.
        is_pinned: bool,
        /// Why that cannot be seen.
        error: Box<CallError>,
        /// Who asked.
        caller: Caller,
    },
    /// A pull-through cache will fetch it, and until then it has no digest.
    #[error(
        "the image {image} cannot be pinned (PinDigests): {absent} yet; {}: pull it once, or leave PinDigests out",
        cached(.rule)
    )]
    NotCachedYet {
        /// The image, as written.
        image: String,
        /// What there is not.
        absent: Absent,
        /// The cache's rule.
        rule: Box<CacheRule>,
    },
    /// No task can pull it.
    #[error(
        "the image {0} is archived in ECR, and no task can pull it: restore it (aws ecr update-image-storage-class --target-storage-class STANDARD) and wait until that is done, or deploy another"
    )]
    Archived(String),
    /// It is to be pinned, and ECR names no digest.
    #[error("the image {0} cannot be pinned (PinDigests): ECR says no digest of it")]
    NoDigest(String),
    /// It is to be pinned, and nobody can be asked for its digest.
    #[error("the image {0} cannot be pinned (PinDigests): {why}", why = RESEMBLES_ECR)]
    ResemblesEcr(String),
    /// It is for another platform: the sentence of [`super::platform::misfit`].
    #[error("{0}")]
    Platform(String),
}

/// Why nobody is asked for an image whose host only looks like ECR's: whoever is there is not AWS.
pub const RESEMBLES_ECR: &str = "its host resembles that of a private ECR registry and is none; such a one is as 111122223333.dkr.ecr.eu-central-1.amazonaws.com, in small letters, without a port";

/// What a pull-through cache has to do with an image that ECR does not have.
pub fn cached(rule: &CacheRule) -> String {
    format!(
        "the pull-through cache of {} is for {} and fetches images when they are first pulled",
        rule.prefix, rule.upstream
    )
}

fn listed_runs(services: &[(Target, String)]) -> String {
    let runs: Vec<String> = services
        .iter()
        .map(|(target, arn)| format!("{target} runs {}", text::last_part(arn)))
        .collect();
    text::listed(&runs)
}

/// What stands before a refusal's sentence.
#[derive(Debug, PartialEq, Eq)]
enum Heading {
    /// Nothing: the sentence names what it is about.
    None,
    /// What the whole deployment is about, before each.
    Each,
    /// This, once for all that come together.
    Shared(String),
}

impl Refusal {
    /// CodePipeline's kind of failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Call {
                about,
                error,
                caller,
                is_changed,
            } => words::of_call(about, error, *caller, *is_changed).kind,
            Self::ServiceUnseen {
                target,
                region,
                error,
                caller,
            } => words::of_describing(target, region.as_deref(), error, *caller).kind,
            Self::Files(failure) => failure.kind,
            Self::OutputWithoutLocation { .. }
            | Self::NoService { .. }
            | Self::NotActive { .. }
            | Self::CodeDeployController(_)
            | Self::ExternalController(_)
            | Self::UnknownController { .. }
            | Self::ExpressMode(_)
            | Self::NoPauseHook(_)
            | Self::CannotMove { .. }
            | Self::OutlastsAction { .. }
            | Self::OutlastsTimeout { .. }
            | Self::SeveralFamilies { .. }
            | Self::OtherFamily { .. }
            | Self::RevisionOfOtherFamily { .. }
            | Self::DifferentPrevious(_)
            | Self::NoPrevious { .. }
            | Self::PreviousIsNewer { .. }
            | Self::NoRevision { .. }
            | Self::NotActiveRevision { .. }
            | Self::DifferentRevisions(_)
            | Self::Misfit(_)
            | Self::Patch(_)
            | Self::SamePolicy { .. }
            | Self::NoContainerForTask { .. }
            | Self::TaskSize { .. }
            | Self::Unfit { .. }
            | Self::StuckSchedule(_)
            | Self::Image(_)
            | Self::Missing(_)
            | Self::TokenTooLarge(_) => FailureKind::Configuration,
            Self::UnderWay { .. }
            | Self::ChangedWhileWaiting { .. }
            | Self::NotTheDeployment { .. }
            | Self::NotSetToARevision { .. }
            | Self::NoBase
            | Self::FailedBefore { .. }
            | Self::NotRegistered { .. } => FailureKind::Job,
        }
    }

    /// `about` is what the whole deployment is about.
    fn heading(&self, about: &str) -> Heading {
        match self {
            Self::Call { .. }
            | Self::Files(_)
            | Self::ServiceUnseen { .. }
            | Self::NoService { .. }
            | Self::NotActive { .. }
            | Self::CodeDeployController(_)
            | Self::ExternalController(_)
            | Self::UnknownController { .. }
            | Self::ExpressMode(_)
            | Self::NoPauseHook(_)
            | Self::CannotMove { .. }
            | Self::OutlastsAction { .. }
            | Self::OutlastsTimeout { .. }
            | Self::UnderWay { .. }
            | Self::ChangedWhileWaiting { .. }
            | Self::NotTheDeployment { .. }
            | Self::NotSetToARevision { .. }
            | Self::RevisionOfOtherFamily { .. }
            | Self::NoPrevious { .. }
            | Self::PreviousIsNewer { .. }
            | Self::NoRevision { .. }
            | Self::NotActiveRevision { .. }
            | Self::DifferentRevisions(_)
            | Self::NotRegistered { .. } => Heading::None,
            Self::OutputWithoutLocation { .. }
            | Self::SeveralFamilies { .. }
            | Self::OtherFamily { .. }
            | Self::DifferentPrevious(_)
            | Self::SamePolicy { .. }
            | Self::NoBase
            | Self::NoContainerForTask { .. }
            | Self::TaskSize { .. }
            | Self::FailedBefore { .. }
            | Self::TokenTooLarge(_) => Heading::Each,
            Self::Misfit(_) | Self::Patch(_) | Self::Image(_) | Self::Missing(_) => {
                Heading::Shared(format!("{about}: "))
            }
            Self::StuckSchedule(_) => {
                Heading::Shared(format!("{about}: what runs on a schedule: "))
            }
            Self::Unfit { base, .. } => Heading::Shared(match base {
                BaseFrom::File(path) => format!("{path} does not fit: "),
                BaseFrom::Existing(existing) => {
                    format!("the revision that TaskDefinition names ({existing}) does not fit: ")
                }
                BaseFrom::Service => {
                    "what the patch makes (TaskDefinitionPatch) does not fit: ".to_owned()
                }
                BaseFrom::Latest => {
                    "the family's newest revision (BaseRevision is latest) does not fit: "
                        .to_owned()
                }
            }),
        }
    }

    /// Why the start may go on at another time, as a sentence without its end; none if it may not.
    pub fn may_wait(&self) -> Option<String> {
        let passes = if let Self::UnderWay { is_waited_for, .. } = self {
            *is_waited_for
        } else if let Self::Call { error, .. } = self
            && error.is_read()
        {
            // Whatever was registered before is found by the next try.
            error.may_pass()
        } else {
            self.kind() == FailureKind::SystemUnavailable
        };
        passes.then(|| text::first_sentence(&self.to_string()).to_owned())
    }

    /// Whether `next`, which comes after it, is listed under the same heading.
    fn is_joined_by(&self, next: &Self, about: &str) -> bool {
        let heading = self.heading(about);
        matches!(heading, Heading::Shared(_)) && heading == next.heading(about)
    }
}

fn listed_previous(previous: &[(Target, Revision)]) -> String {
    let listed = previous
        .iter()
        .map(|(target, revision)| format!("{revision} of {target}"));
    text::listed(&listed.collect::<Vec<_>>())
}

fn of_under_way(who: &str, is_rollback: bool, is_waited_for: bool) -> String {
    if is_rollback {
        return format!(
            "ECS is rolling the service back ({who}); until that is complete, a failure of the next deployment could not be rolled back"
        );
    }
    let hint = if is_waited_for {
        ""
    } else {
        " (IfDeploying is Fail). Nothing was changed"
    };
    format!("another deployment of the service is under way ({who}){hint}")
}

/// All that a start is refused for, as one failure: a single one is its own sentence, several are
/// counted and listed. The kind is the first one's.
///
/// `about` is what the whole deployment is about, as [`super::spec::DeploySpec::about`] has it.
pub fn failure(about: &str, refusals: &[Refusal]) -> Failure {
    let groups = refusals.chunk_by(|one, next| one.is_joined_by(next, about));
    let failures: Vec<Failure> = groups
        .filter_map(|group| {
            let first = group.first()?;
            let kind = first.kind();
            Some(match first.heading(about) {
                Heading::None => Failure::new(kind, first.to_string()),
                Heading::Each => Failure::new(kind, format!("{about}: {first}")),
                Heading::Shared(heading) => Failure::of_problems(kind, &heading, group),
            })
        })
        .collect();
    Failure::together(&failures)
        .unwrap_or_else(|| Failure::new(FailureKind::Job, "The start failed without a reason."))
}

/// All of them.
///
/// # Errors
/// Every refusal.
pub fn all<T>(
    results: impl IntoIterator<Item = Result<T, Vec<Refusal>>>,
) -> Result<Vec<T>, Vec<Refusal>> {
    let mut made = Vec::new();
    let mut refusals = Vec::new();
    for result in results {
        match result {
            Ok(one) => made.push(one),
            Err(more) => refusals.extend(more),
        }
    }
    if refusals.is_empty() {
        Ok(made)
    } else {
        Err(refusals)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::call::Class;
    use crate::deployment::{Service, Stage};
    use crate::patch::Patch;
    use crate::revision::Revision;
    use crate::testing::{deployment, revision, target};
    use FailureKind::{Configuration, Job, RevisionUnavailable, SystemUnavailable};

    const ABOUT: &str = "s0 and s1 on prod";

    fn call_error(class: Class) -> CallError {
        CallError::unusable("ecs:DescribeServices", "service s0 on prod", class, "503")
    }

    fn rollout() -> ShortestRollout {
        ShortestRollout {
            strategy: "CANARY".to_owned(),
            shift: Duration::from_mins(10),
            bake: Duration::from_mins(50),
        }
    }

    fn no_revision() -> NotARevision {
        Revision::parse("app").unwrap_err()
    }

    fn too_large() -> TooLarge {
        let names = (0..40).map(|number| format!("{number}-{}", "long".repeat(20)));
        let services = names.map(|name| {
            let target = Target {
                service: name.clone(),
                ..target(0)
            };
            let revision = Revision::parse(&format!("{name}:1")).unwrap();
            Service::untouched(target, revision, None)
        });
        let deployment = deployment(Stage::RollingOut, services.collect());
        crate::token::encode(&deployment).unwrap_err()
    }

    /// Each refusal alone, as the job is answered.
    fn table() -> Vec<(Refusal, FailureKind, String)> {
        let large = too_large();
        let of_token = format!("{ABOUT}: {large}. Nothing was changed.");
        let images =
            images().map(|(image, sentence)| (Refusal::Image(image), Configuration, sentence));
        let rows = [
            calls(),
            controllers(),
            times(),
            families(),
            drafts(),
            deliveries(),
            images.into(),
        ];
        let rows = rows.into_iter().flatten();
        rows.map(|(refusal, kind, message)| (refusal, kind, message.to_owned()))
            .chain([(Refusal::TokenTooLarge(large), Configuration, of_token)])
            .collect()
    }

    /// Of what was read.
    fn calls() -> Vec<(Refusal, FailureKind, &'static str)> {
        vec![
            (
                Refusal::Call {
                    about: "the digest".to_owned(),
                    error: Box::new(call_error(Class::Throttled)),
                    caller: Caller::Function,
                    is_changed: false,
                },
                SystemUnavailable,
                "the digest: ecs:DescribeServices still failed after all retries (503). Nothing was changed by this invocation; try again.",
            ),
            (
                Refusal::Files(Failure::new(RevisionUnavailable, "The artifact is gone.")),
                RevisionUnavailable,
                "The artifact is gone.",
            ),
            (
                Refusal::OutputWithoutLocation {
                    name: "Two".to_owned(),
                },
                Configuration,
                "s0 and s1 on prod: the output artifact Two cannot be written, for it has no location in the event, and CodePipeline requires it of an action that succeeds. Nothing was changed by this invocation.",
            ),
            (
                Refusal::ServiceUnseen {
                    target: target(0),
                    region: Some("eu-central-1".to_owned()),
                    error: Box::new(call_error(Class::Missing)),
                    caller: Caller::Function,
                },
                Configuration,
                "s0 on prod: there is no cluster 'prod' in eu-central-1: check ClusterName and Region.",
            ),
            (
                Refusal::NoService {
                    target: target(0),
                    region: None,
                },
                Configuration,
                "s0 on prod: there is no service 's0' in the cluster 'prod': check ServiceName, ClusterName and Region.",
            ),
        ]
    }

    /// Of a service.
    fn controllers() -> Vec<(Refusal, FailureKind, &'static str)> {
        vec![
            (
                Refusal::NotActive {
                    target: target(0),
                    status: "DRAINING".to_owned(),
                },
                Configuration,
                "s0 on prod: the service is DRAINING, not ACTIVE: nothing can be deployed to it.",
            ),
            (
                Refusal::CodeDeployController(target(0)),
                Configuration,
                "s0 on prod: the service uses the CODE_DEPLOY deployment controller: use CodePipeline's 'Amazon ECS (Blue/Green)' action (CodeDeployToECS), or change the service to the ECS controller with the BLUE_GREEN strategy.",
            ),
            (
                Refusal::ExternalController(target(0)),
                Configuration,
                "s0 on prod: the service uses the EXTERNAL deployment controller: its task sets are made by another program (CreateTaskSet), which has to deploy it.",
            ),
            (
                Refusal::UnknownController {
                    target: target(0),
                    controller: "NEW".to_owned(),
                },
                Configuration,
                "s0 on prod: the service uses the NEW deployment controller, which this version does not know.",
            ),
            (
                Refusal::ExpressMode(target(0)),
                Configuration,
                "s0 on prod: this is an Express Mode service, which UpdateExpressGatewayService alone deploys: use aws ecs update-express-gateway-service (it takes a task definition since 2026-06-17), for this action calls UpdateService.",
            ),
            (
                Refusal::NotSetToARevision {
                    target: target(0),
                    wrong: no_revision(),
                },
                Job,
                "s0 on prod: 'app' is not a task definition revision: expected family:number or its ARN.",
            ),
        ]
    }

    /// Of a service whose rollouts take too long.
    fn times() -> Vec<(Refusal, FailureKind, &'static str)> {
        vec![
            (
                Refusal::OutlastsAction {
                    target: target(0),
                    rollout: rollout(),
                },
                Configuration,
                "s0 on prod: each of its deployments takes 60 min at least, for its traffic is shifted in 10 min (CANARY) and watched for 50 min after that; CodePipeline gives an action 24 hours in all, of which 1380 min are left for that: shorten the service's bake time.",
            ),
            (
                Refusal::CannotMove {
                    target: target(0),
                    stuck: Stuck {
                        minimum: 100,
                        maximum: 100,
                        fewest: 2,
                        most: 2,
                        desired: 2,
                    },
                },
                Configuration,
                "s0 on prod: no deployment of it can move: with minimumHealthyPercent 100 and maximumPercent 100 ECS has to run at least 2 and at most 2 of its 2 tasks, and can neither stop an old task nor start a new one. Lower the first or raise the second.",
            ),
            (
                Refusal::NoPauseHook(target(0)),
                Configuration,
                "s0 on prod: WaitFor is Pause, and the service's deploymentConfiguration has no lifecycle hook with targetType PAUSE: add one, or leave WaitFor out.",
            ),
            (
                Refusal::NotTheDeployment {
                    target: target(0),
                    deployment: "ecs-svc/1".to_owned(),
                    now: "app:43, ecs-svc/2".to_owned(),
                },
                Job,
                "s0 on prod: ecs-svc/1 (ContinueDeployment) is not among its deployments any more: it was replaced or rolled back, and the service is set to app:43, ecs-svc/2. Nothing was changed. The output variable ServiceDeploymentArn names one that is over, too.",
            ),
            (
                Refusal::SamePolicy {
                    base: "app:41".to_owned(),
                    container: "app".to_owned(),
                },
                Configuration,
                "s0 and s1 on prod: app:41 runs as CONFIDENTIAL_SANDBOX, and its attestationPolicy is for the images that it has: with another image of app under the same policy no task could start. Change the policy with the image, as TaskDefinitionPatch {\"trustedExecutionConfiguration\": {\"attestationPolicy\": …}}.",
            ),
            (
                Refusal::Patch(Box::new(
                    Patch::parse("TaskDefinitionPatch", serde_json::json!({}))
                        .unwrap_err()
                        .remove(0),
                )),
                Configuration,
                "s0 and s1 on prod: TaskDefinitionPatch is empty and changes nothing: write a field, as {\"cpu\": \"512\"}, or leave it out.",
            ),
            (
                Refusal::RevisionOfOtherFamily {
                    target: target(0),
                    revision: revision(41),
                    runs: Revision::parse("web:7").unwrap(),
                },
                Configuration,
                "s0 on prod: TaskDefinition is app:41, and the service runs web:7, of another family: name a revision of web.",
            ),
            (
                Refusal::DifferentPrevious(vec![
                    (target(0), revision(41)),
                    (target(1), revision(40)),
                ]),
                Configuration,
                "s0 and s1 on prod: the services have different previous revisions, app:41 of s0 on prod and app:40 of s1 on prod: name one with TaskDefinition, or deploy them one by one.",
            ),
            (
                Refusal::NoPrevious {
                    target: target(0),
                    runs: revision(41),
                },
                Configuration,
                "s0 on prod: ECS lists no completed deployment that brought another revision than app:41 (TaskDefinition is previous): name the revision, as app:1.",
            ),
            (
                Refusal::PreviousIsNewer {
                    target: target(0),
                    runs: revision(41),
                    previous: revision(42),
                },
                Configuration,
                "s0 on prod: app:41 is being deployed at the moment, and the newest completed deployment of another revision brought app:42, which is newer: wait for its end, or name the revision (TaskDefinition).",
            ),
            (
                Refusal::NoRevision {
                    target: target(0),
                    name: "app:99".to_owned(),
                },
                Configuration,
                "s0 on prod: there is no revision app:99 (TaskDefinition) in this account and Region.",
            ),
            (
                Refusal::NotActiveRevision {
                    target: target(0),
                    revision: revision(41),
                    status: "INACTIVE".to_owned(),
                },
                Configuration,
                "s0 on prod: app:41 is INACTIVE, and ECS starts nothing new from it: name an ACTIVE revision (TaskDefinition).",
            ),
            (
                Refusal::ChangedWhileWaiting {
                    target: target(0),
                    own: "app:42".to_owned(),
                    before: "app:41".to_owned(),
                    now: "app:43".to_owned(),
                },
                Job,
                "s0 on prod: the service was set to app:41 when this job made or chose app:42; app:43 has been deployed since, and was left alone: retry the stage in CodePipeline.",
            ),
            (
                Refusal::UnderWay {
                    target: target(0),
                    who: "app:7, ecs-svc/7".to_owned(),
                    since: None,
                    is_rollback: false,
                    is_waited_for: false,
                },
                Job,
                "s0 on prod: another deployment of the service is under way (app:7, ecs-svc/7) (IfDeploying is Fail). Nothing was changed.",
            ),
            (
                Refusal::OutlastsTimeout {
                    target: target(0),
                    rollout: rollout(),
                    timeout: Duration::from_mins(30),
                },
                Configuration,
                "s0 on prod: each of its deployments takes 60 min at least, for its traffic is shifted in 10 min (CANARY) and watched for 50 min after that; DeploymentTimeout is 30 and must be more than that: raise it.",
            ),
        ]
    }

    /// Of what the services run.
    fn families() -> Vec<(Refusal, FailureKind, &'static str)> {
        vec![
            (
                Refusal::SeveralFamilies {
                    file: "taskdef.json".to_owned(),
                    families: vec!["a".to_owned(), "b".to_owned()],
                },
                Configuration,
                "s0 and s1 on prod: taskdef.json is one task definition, and the services run the families a and b: deploy each family in an action of its own.",
            ),
            (
                Refusal::OtherFamily {
                    file: "taskdef.json".to_owned(),
                    family: "shop".to_owned(),
                    runs: "app".to_owned(),
                },
                Configuration,
                "s0 and s1 on prod: taskdef.json is of the family shop, and the service runs app: write \"family\": \"app\", or leave it out.",
            ),
            (
                Refusal::DifferentRevisions(vec![
                    (
                        target(0),
                        "arn:aws:ecs:r:1:task-definition/app:1".to_owned(),
                    ),
                    (
                        target(1),
                        "arn:aws:ecs:r:1:task-definition/app:2".to_owned(),
                    ),
                ]),
                Configuration,
                "s0 on prod runs app:1 and s1 on prod runs app:2: they share a family and are to get one new revision, made from what they run, but run different ones: set BaseRevision to latest, or deploy them one by one.",
            ),
            (
                Refusal::NoBase,
                Job,
                "s0 and s1 on prod: what they run is not known.",
            ),
        ]
    }

    /// Of the new revision.
    fn drafts() -> Vec<(Refusal, FailureKind, &'static str)> {
        vec![
            (
                Refusal::Misfit(Misfit::NoContainers {
                    base: "app:41".to_owned(),
                }),
                Configuration,
                "s0 and s1 on prod: app:41 has no containers to put an image into.",
            ),
            (
                Refusal::NoContainerForTask {
                    parameter: "PreDeployTask",
                    container: "migrations".to_owned(),
                    known: vec!["app and sidecar of web".to_owned()],
                },
                Configuration,
                "s0 and s1 on prod: PreDeployTask names the container 'migrations', which the new revision does not have; its containers are app and sidecar of web.",
            ),
            (
                Refusal::TaskSize {
                    parameter: "PostDeployTask",
                    wrong: fit::fargate_size("512", "512").unwrap(),
                },
                Configuration,
                "s0 and s1 on prod: PostDeployTask: on Fargate a task with cpu 512 has memory 1024, 2048, 3072 or 4096, and not 512.",
            ),
            (
                Refusal::Missing(Missing::Role {
                    name: "app-execution".to_owned(),
                    members: vec!["executionRoleArn".to_owned()],
                }),
                Configuration,
                "s0 and s1 on prod: the role app-execution (executionRoleArn) does not exist.",
            ),
            (
                Refusal::Unfit {
                    base: BaseFrom::File("taskdef.json".to_owned()),
                    target: target(0),
                    misfit: Box::new(fit::Misfit::NotForFargate),
                },
                Configuration,
                "taskdef.json does not fit: s0 on prod: the service runs on Fargate, which the new revision's requiresCompatibilities does not name: add \"FARGATE\".",
            ),
            (
                Refusal::StuckSchedule("the schedule default/hourly".to_owned()),
                Configuration,
                "s0 and s1 on prod: what runs on a schedule: the schedule default/hourly names its task definition in a way that cannot be replaced alone: write it once in the target's input, as family:revision.",
            ),
        ]
    }

    /// Of what was registered.
    fn deliveries() -> Vec<(Refusal, FailureKind, &'static str)> {
        vec![
            (
                Refusal::FailedBefore {
                    revision: "arn:aws:ecs:r:1:task-definition/app:42".to_owned(),
                },
                Job,
                "s0 and s1 on prod: this job has failed before; app:42, which it had registered, was deregistered. Nothing was changed by this invocation: retry the stage in CodePipeline.",
            ),
            (
                Refusal::NotRegistered {
                    target: target(0),
                    wrong: no_revision(),
                },
                Job,
                "s0 on prod: registered, but 'app' is not a task definition revision: expected family:number or its ARN. The service was not changed.",
            ),
        ]
    }

    fn images() -> [(UnusableImage, &'static str); 8] {
        let image = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2".to_owned();
        let absent = Absent::Image {
            repository: "app".to_owned(),
            which: "tag v2".to_owned(),
        };
        let perhaps_cached = |is_pinned| UnusableImage::PerhapsCached {
            image: image.clone(),
            absent: absent.clone(),
            is_pinned,
            error: Box::new(call_error(Class::Unavailable)),
            caller: Caller::Function,
        };
        [
            (
                UnusableImage::Absent {
                    image: image.clone(),
                    absent: Absent::Repository {
                        repository: "app".to_owned(),
                        registry: "111122223333".to_owned(),
                        region: "eu-central-1".to_owned(),
                    },
                },
                "s0 and s1 on prod: the image 111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2 does not exist: there is no repository app in the registry 111122223333 in eu-central-1.",
            ),
            (
                perhaps_cached(false),
                "s0 and s1 on prod: the image 111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2 does not exist: the repository app has no image with the tag v2. Whether it is behind a pull-through cache could not be seen; if it is, set VerifyImages to false. ecs:DescribeServices (service s0 on prod): 503.",
            ),
            (
                perhaps_cached(true),
                "s0 and s1 on prod: the image 111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2 does not exist: the repository app has no image with the tag v2. Whether it is behind a pull-through cache could not be seen; if it is, pull the image once, so that it has a digest to be pinned to. ecs:DescribeServices (service s0 on prod): 503.",
            ),
            (
                UnusableImage::NotCachedYet {
                    image: image.clone(),
                    absent,
                    rule: Box::new(CacheRule {
                        prefix: "hub".to_owned(),
                        upstream: "registry-1.docker.io".to_owned(),
                    }),
                },
                "s0 and s1 on prod: the image 111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2 cannot be pinned (PinDigests): the repository app has no image with the tag v2 yet; the pull-through cache of hub is for registry-1.docker.io and fetches images when they are first pulled: pull it once, or leave PinDigests out.",
            ),
            (
                UnusableImage::Archived(image.clone()),
                "s0 and s1 on prod: the image 111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2 is archived in ECR, and no task can pull it: restore it (aws ecr update-image-storage-class --target-storage-class STANDARD) and wait until that is done, or deploy another.",
            ),
            (
                UnusableImage::NoDigest(image),
                "s0 and s1 on prod: the image 111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2 cannot be pinned (PinDigests): ECR says no digest of it.",
            ),
            (
                UnusableImage::ResemblesEcr("ecr.example/app:v2".to_owned()),
                "s0 and s1 on prod: the image ecr.example/app:v2 cannot be pinned (PinDigests): its host resembles that of a private ECR registry and is none; such a one is as 111122223333.dkr.ecr.eu-central-1.amazonaws.com, in small letters, without a port.",
            ),
            (
                UnusableImage::Platform("the image a is for arm64".to_owned()),
                "s0 and s1 on prod: the image a is for arm64.",
            ),
        ]
    }

    /// A new variant does not compile until it has a number, and fails until it has a row.
    fn number(refusal: &Refusal) -> usize {
        match refusal {
            Refusal::Call { .. } => 0,
            Refusal::Files(_) => 1,
            Refusal::OutputWithoutLocation { .. } => 2,
            Refusal::ServiceUnseen { .. } => 3,
            Refusal::NoService { .. } => 4,
            Refusal::NotActive { .. } => 5,
            Refusal::CodeDeployController(_) => 6,
            Refusal::ExternalController(_) => 7,
            Refusal::UnknownController { .. } => 8,
            Refusal::ExpressMode(_) => 9,
            Refusal::CannotMove { .. } => 31,
            Refusal::NoPauseHook(_) => 41,
            Refusal::NotTheDeployment { .. } => 42,
            Refusal::PreviousIsNewer { .. } => 43,
            Refusal::UnderWay { .. } => 32,
            Refusal::ChangedWhileWaiting { .. } => 33,
            Refusal::OutlastsAction { .. } => 10,
            Refusal::OutlastsTimeout { .. } => 11,
            Refusal::NotSetToARevision { .. } => 12,
            Refusal::SeveralFamilies { .. } => 13,
            Refusal::OtherFamily { .. } => 14,
            Refusal::DifferentRevisions(_) => 15,
            Refusal::NoBase => 16,
            Refusal::Misfit(_) => 17,
            Refusal::NoContainerForTask { .. } => 18,
            Refusal::Unfit { .. } => 19,
            Refusal::StuckSchedule(_) => 20,
            Refusal::FailedBefore { .. } => 21,
            Refusal::TokenTooLarge(_) => 22,
            Refusal::NotRegistered { .. } => 23,
            Refusal::Image(UnusableImage::Absent { .. }) => 24,
            Refusal::Image(UnusableImage::PerhapsCached { .. }) => 25,
            Refusal::Image(UnusableImage::NotCachedYet { .. }) => 26,
            Refusal::Image(UnusableImage::Archived(_)) => 27,
            Refusal::Image(UnusableImage::NoDigest(_)) => 28,
            Refusal::Image(UnusableImage::ResemblesEcr(_)) => 29,
            Refusal::Image(UnusableImage::Platform(_)) => 30,
            Refusal::Patch(_) => 39,
            Refusal::SamePolicy { .. } => 40,
            Refusal::RevisionOfOtherFamily { .. } => 34,
            Refusal::DifferentPrevious(_) => 35,
            Refusal::NoPrevious { .. } => 36,
            Refusal::NoRevision { .. } => 37,
            Refusal::NotActiveRevision { .. } => 38,
            Refusal::Missing(_) => 44,
            Refusal::TaskSize { .. } => 45,
        }
    }

    const NUMBERS: usize = 46;

    #[test]
    fn each_refusal_has_its_kind_and_its_sentence() {
        let table = table();
        for (refusal, kind, message) in &table {
            let failure = failure(ABOUT, std::slice::from_ref(refusal));
            assert_eq!(
                (failure.kind, failure.message.as_str()),
                (*kind, message.as_str())
            );
        }
        let rows: BTreeSet<usize> = table.iter().map(|(refusal, ..)| number(refusal)).collect();
        assert_eq!(rows, (0..NUMBERS).collect(), "each has a row");
    }

    #[test]
    fn all_are_told_and_those_of_one_heading_under_it() {
        let misfit = |base: &str| {
            Refusal::Misfit(Misfit::NoContainers {
                base: base.to_owned(),
            })
        };
        let failed = Refusal::FailedBefore {
            revision: "app:42".to_owned(),
        };
        let active = Refusal::NotActive {
            target: target(0),
            status: "INACTIVE".to_owned(),
        };
        let refusals = [misfit("a:1"), misfit("b:1"), failed, active];
        let failure = failure("web", &refusals);
        assert_eq!(failure.kind, Configuration);
        assert_eq!(
            failure.message,
            "3 problems: 1) web: 2 problems: 1) a:1 has no containers to put an image into. 2) b:1 has no containers to put an image into. 2) web: this job has failed before; app:42, which it had registered, was deregistered. Nothing was changed by this invocation: retry the stage in CodePipeline. 3) s0 on prod: the service is INACTIVE, not ACTIVE: nothing can be deployed to it."
        );
    }
}
