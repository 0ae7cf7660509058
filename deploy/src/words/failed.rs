//! Why a rollout failed, what was done about it, and what serves now.

use crate::deployment::{Deployment, Owner, PostDeploy, PostRun, Service, Stage};
use crate::evidence::{Evidence, REASON_LIMIT_CHARS, cause as cause_of};
use crate::failure::{Failure, FailureKind, MESSAGE_LIMIT_BYTES};
use crate::message::Message;
use crate::revision::Revision;
use crate::seen::{Look, ServiceDeploymentSeen, ServiceSeen};
use crate::spec::{DeploySpec, When};
use crate::task;
use crate::text;
use crate::time::{Timestamp, human};
use crate::verdict::{Progress, Reason, Verdict};

/// The failure of `deployment`, whose service at `place` failed first. `is_late`: only its time was up.
pub fn failed(
    deployment: &Deployment,
    place: usize,
    is_late: bool,
    spec: &DeploySpec,
    now: Timestamp,
) -> Failure {
    failed_within(MESSAGE_LIMIT_BYTES, deployment, place, is_late, spec, now)
}

/// The same with so much evidence that it has at most `limit` bytes: something is to stand below it.
pub fn failed_within(
    limit: usize,
    deployment: &Deployment,
    place: usize,
    is_late: bool,
    spec: &DeploySpec,
    now: Timestamp,
) -> Failure {
    let service = &deployment.services[place];
    let nothing = Evidence::default();
    let no_news = Verdict::NoNews {
        why: NOT_LOOKED_AT.to_owned(),
    };
    let verdict = service.live.verdict.as_ref().unwrap_or(&no_news);
    // Nothing is wrong with the service: it serves, or is not seen to, for the moment.
    let is_open = matches!(verdict, Verdict::Serving { .. }) || verdict.is_open();
    let is_of_task = match &deployment.stage {
        Stage::PostDeploy(post) => is_open && !cause_after(post, spec, now).is_empty(),
        Stage::PreDeploy(_) | Stage::RollingOut | Stage::RollingBack(_) => false,
    };
    let cause = match &deployment.stage {
        Stage::RollingBack(rollback) if !rollback.cause.is_empty() && rollback.failed == place => {
            rollback.cause.clone()
        }
        Stage::RollingBack(rollback)
            if rollback
                .post
                .as_ref()
                .is_some_and(|post| post.task().is_none()) =>
        {
            rollback
                .post
                .as_ref()
                .map_or_else(String::new, |post| cause_after(post, spec, now))
        }
        Stage::PostDeploy(post) if is_of_task => cause_after(post, spec, now),
        Stage::RollingBack(_) | Stage::RollingOut | Stage::PostDeploy(_) | Stage::PreDeploy(_)
            if verdict.has_a_cause() =>
        {
            cause(service, spec, deployment.deadline(spec, now), now)
        }
        Stage::RollingBack(_) | Stage::RollingOut | Stage::PostDeploy(_) | Stage::PreDeploy(_) => {
            String::new()
        }
    };
    // What serves and has failed with its task is not rolled back for that reason alone.
    let kept = is_of_task.then_some(NO_ROLLBACK);
    let of_task = deployment
        .task()
        .and_then(|task| task.live.evidence.as_ref());
    let of_service = service.live.evidence.as_ref();
    let of_service = of_service.map(|one| one.task_after.as_deref().unwrap_or(one));
    let why_not = why_not_rolled_back(&deployment.stage, spec.rollback);
    let others: Vec<String> = deployment
        .services
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != place)
        .flat_map(|(_, other)| of_other(other, why_not))
        .collect();
    let target = service.target.to_string();
    let failed = Failed {
        target: &target,
        revision: &service.revision,
        cause: &cause,
        verdict,
        look: service.live.look.as_ref(),
        not_rolled_back: service.given_up().unwrap_or(why_not),
        given_up: service.given_up().or(kept),
        undo: &undo(service, spec),
        overwritten: &overwritten(service),
        others: &others,
        evidence: of_task.or(of_service).unwrap_or(&nothing),
        limit,
    };
    if is_late && verdict.is_open() && !is_of_task {
        of_late(failed, &human(spec.timeout))
    } else {
        of_rollout(failed)
    }
}

const NO_ROLLBACK: &str = "Rollback is false";

/// Why the task after the deployment was not a success, which was left as it is.
fn cause_after(post: &PostDeploy, spec: &DeploySpec, now: Timestamp) -> String {
    let Some(asked) = &spec.post_deploy else {
        return String::new();
    };
    let nothing = Evidence::default();
    match &post.run {
        PostRun::Started(one) => match task::due(&one.live, asked, post.since, now) {
            task::Due::Ended(end) => {
                let evidence = one.live.evidence.as_ref().unwrap_or(&nothing);
                task::sentence(When::After, spec, &end, evidence)
            }
            task::Due::Look | task::Due::Wait | task::Due::Stop(_) | task::Due::Succeeded => {
                String::new()
            }
        },
        PostRun::Due { refused } => {
            let why = refused.as_ref().map_or("", |refused| &refused.why);
            let end = task::TaskEnd::NotStarted(why.to_owned());
            task::sentence(When::After, spec, &end, &nothing)
        }
    }
}

const NOT_LOOKED_AT: &str = "it was not checked";

/// Why `service` failed, as the headline says it: what its tasks show, else what ECS does, else how far
/// it came. Its time is up at the `deadline`.
pub fn cause(service: &Service, spec: &DeploySpec, deadline: Timestamp, now: Timestamp) -> String {
    let nothing = Evidence::default();
    let evidence = service.live.known_evidence().unwrap_or(&nothing);
    // This job has rolled back for it, and died before it could write that down.
    if let Some(after) = &evidence.task_after {
        return task::sentence(When::After, spec, &task::TaskEnd::Failed, after);
    }
    let limit = human(spec.timeout);
    let is_over = now >= deadline;
    match &service.live.verdict {
        Some(verdict) if is_over && verdict.is_open() => late_cause(&limit, verdict, evidence),
        Some(verdict) => {
            let reason = verdict.reason().filter(|reason| match reason {
                // The user that ECS speaks of is this job.
                Reason::User(_) => !service.live.rollback.was_asked(),
                Reason::Alarms(_)
                | Reason::AlarmText(_)
                | Reason::CircuitBreaker(_)
                | Reason::Hook(_)
                | Reason::TooManyFailed { .. }
                | Reason::SetBackSince(_)
                | Reason::Other(_) => true,
            });
            cause_seen(verdict, reason, is_over.then_some(&*limit), evidence)
        }
        None => String::new(),
    }
}

/// What begins the reason that [`with_given_up`] appends.
const GIVEN_UP: &str = " (and it could not be rolled back: ";

/// `cause`, and why the service of it could not be rolled back. Said of it before, for another reason, it is
/// said anew: a cause goes from one invocation to the next, and must not grow on the way.
pub fn with_given_up(cause: &str, why: &str) -> String {
    let (cause, _) = cause.split_once(GIVEN_UP).unwrap_or((cause, ""));
    format!("{cause}{GIVEN_UP}{})", why.trim_end_matches('.'))
}

/// Why nothing was rolled back, for those ends of a stage in which nothing was.
fn why_not_rolled_back(stage: &Stage, may_roll_back: bool) -> &'static str {
    if !may_roll_back {
        return NO_ROLLBACK;
    }
    match stage {
        Stage::RollingBack(rollback) => match rollback.owner {
            Owner::Ecs => "ECS was to do it and has not started",
            Owner::Job => "it was asked for and has not started",
        },
        Stage::PreDeploy(_) | Stage::RollingOut | Stage::PostDeploy(_) => {
            "there is nothing to roll back"
        }
    }
}

/// What serves now, as `app:41 is serving, 2 of 2 tasks`: each revision once. Counts are ECS's own.
///
/// Tasks that run and have no traffic do not serve: those of our revision in a deployment with stages, as long
/// as `deployment` gives it no weight.
pub fn serving_now(service: &ServiceSeen, deployment: Option<&ServiceDeploymentSeen>) -> String {
    let without_traffic = deployment
        .filter(|_| !matches!(service.strategy.as_deref(), None | Some("ROLLING")))
        .filter(|one| one.new_weight.is_some_and(|weight| weight <= 0.0))
        .and_then(|one| one.task_definition.as_deref());
    let mut running: Vec<(&str, i32)> = Vec::new();
    for one in service.deployments.iter().filter(|one| one.running > 0) {
        let name = text::last_part(&one.task_definition);
        match running.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += one.running,
            None => running.push((name, one.running)),
        }
    }
    let has_traffic = |name: &str| without_traffic.is_none_or(|none| text::last_part(none) != name);
    let serving: Vec<String> = running
        .iter()
        .filter(|(name, _)| has_traffic(name))
        .map(|(name, count)| {
            // While one deployment takes over from another more may run than are wanted.
            let count = (*count).min(service.desired.max(1));
            format!("{name} is serving, {count} of {} tasks", service.desired)
        })
        .collect();
    if !serving.is_empty() {
        return serving.join("; ");
    }
    match running.first() {
        Some((name, count)) => format!(
            "nothing is serving: {name} runs {count} of {} tasks, without traffic",
            service.desired
        ),
        None => format!(
            "no task of the service is running (it wants {})",
            service.desired
        ),
    }
}

/// What our update has replaced without its having been checked, as a sentence; empty if it
/// was checked.
pub fn overwritten(service: &Service) -> String {
    match &service.previous {
        Some(previous) if service.overwrote => format!(
            "It had replaced {previous}, which somebody else deployed between the checks and this deployment."
        ),
        Some(_) | None => String::new(),
    }
}

/// How to roll back `service` by hand, if our revision is what the service is set to; empty if that, or what was
/// before, is not known. The command is pasted into a shell: it has plain names only. For another account there is
/// none: with the reader's own credentials it would change a service of the same name in theirs.
fn undo(service: &Service, spec: &DeploySpec) -> String {
    if spec.role.is_some() {
        return String::new();
    }
    let region = spec.region.as_ref();
    let region = region.map_or_else(String::new, |region| format!(" --region {region}"));
    let Service {
        target, revision, ..
    } = service;
    let seen = service.live.look.as_ref().and_then(Look::service);
    let is_set = seen.is_some_and(|seen| revision.is_named_by(&seen.task_definition));
    let (cluster, name) = (target.cluster_name(), target.service_name());
    let is_plain = |name: &str| {
        let mut bytes = name.bytes();
        bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !name.is_empty()
            && !name.starts_with('-')
    };
    match &service.previous {
        Some(previous) if is_set && previous != revision && is_plain(cluster) && is_plain(name) => {
            format!(
                "Roll back: aws ecs update-service{region} --cluster {cluster} --service {name} --task-definition {previous}"
            )
        }
        Some(_) | None => String::new(),
    }
}

/// A rollout that failed, and what is known of it.
#[derive(Debug, Clone, Copy)]
struct Failed<'a> {
    /// `web on prod`.
    target: &'a str,
    /// Our revision.
    revision: &'a Revision,
    /// What [`cause`] was when the failure was first seen; empty if
    /// nothing failed of itself.
    cause: &'a str,
    /// The last verdict.
    verdict: &'a Verdict,
    /// The last look at the service, if there was one.
    look: Option<&'a Look>,
    /// Why nothing was rolled back, if nothing was.
    not_rolled_back: &'a str,
    /// Why it could not be rolled back, if that was tried.
    given_up: Option<&'a str>,
    /// What [`undo`] says.
    undo: &'a str,
    /// What [`overwritten`] says.
    overwritten: &'a str,
    /// Sentences on the other services of the deployment, if there are any.
    others: &'a [String],
    /// What stands below.
    evidence: &'a Evidence,
    /// So many bytes it may have with that.
    limit: usize,
}

impl Failed<'_> {
    /// What serves now, and what the service is set to if that is something else.
    fn now(&self) -> String {
        format!("{}{}", now_of(self.look), set_to_another(self.look))
    }

    /// That the service still points to our revision, and what serves now.
    fn pointing(&self) -> String {
        let Self { revision, look, .. } = self;
        let service = look.and_then(Look::service);
        let runs_none = service.is_some_and(|service| {
            let mut running = service.deployments.iter().filter(|one| one.running > 0);
            running.clone().next().is_some()
                && !running.any(|one| revision.is_named_by(&one.task_definition))
        });
        let none = if runs_none {
            ", which has no running task"
        } else {
            ""
        };
        format!(
            "the service still points to {revision}{none}; {}",
            now_of(*look)
        )
    }

    fn with_details(&self, headline: Message) -> Failure {
        let others = self.others.iter();
        let headline = others.fold(headline.then(self.overwritten), Message::then);
        let room = self.limit.saturating_sub(headline.len());
        let details = self.evidence.details(room);
        Failure::new(FailureKind::Job, headline.with_details(&details))
    }
}

/// What the service is set to, if no task of that serves: nobody should take what serves for what will.
fn set_to_another(look: Option<&Look>) -> String {
    let Some(service) = look.and_then(Look::service) else {
        return String::new();
    };
    let set_to = text::last_part(&service.task_definition);
    let mut running = service.deployments.iter().filter(|one| one.running > 0);
    if set_to.is_empty() || running.any(|one| text::last_part(&one.task_definition) == set_to) {
        String::new()
    } else {
        format!("; the service is set to {set_to}")
    }
}

fn now_of(look: Option<&Look>) -> String {
    match look.and_then(Look::seen) {
        Some((service, deployment)) => serving_now(service, deployment),
        None => "what serves now is not known".to_owned(),
    }
}

/// The whole message of a failed rollout: headline, what was done about it, what serves now, and
/// the evidence below.
fn of_rollout(failed: Failed<'_>) -> Failure {
    let Failed {
        target,
        revision,
        cause,
        not_rolled_back,
        ..
    } = failed;
    let now = || failed.now();
    let headline = Message::from(format!("{target}: {revision} failed: {cause}."));
    let message = match failed.verdict {
        Verdict::RolledBack { .. } => headline.then(format!("Rolled back: {}.", now())),
        Verdict::RollbackFailed { reason } => headline.then(format!(
            "Rolling back failed too{}: {}.",
            reason.as_ref().map_or_else(String::new, |reason| format!(
                " ({})",
                text::cut(reason.to_string().trim_end_matches('.'), REASON_LIMIT_CHARS)
            )),
            now()
        )),
        Verdict::Failed { stopped: true, .. } => Message::of([
            format!("{target}: the deployment of {revision} was stopped: {cause}."),
            format!("Not rolled back ({not_rolled_back}): {}.", now()),
        ]),
        Verdict::Failed { .. } => headline.then(format!(
            "Not rolled back ({not_rolled_back}): {}.",
            failed.pointing()
        ))
        .then(failed.undo),
        Verdict::Replaced {
            by,
            task_definition,
            was_complete,
        } => {
            let by = (text::last_part(task_definition), by.as_str());
            let what = replaced(failed, by, *was_complete);
            what.then(format!("It was left alone: {}.", now()))
        }
        Verdict::Gone { status } => Message::of([
            format!(
                "{target}: the service went away while {revision} rolled out: its status is {status}."
            ),
            "Nothing is left to deploy to.".to_owned(),
        ]),
        Verdict::Untouched => Message::of([
            format!("{target}: {}.", cause.trim_end_matches('.')),
            format!("The service was not changed: {}.", now()),
        ]),
        Verdict::InProgress(_) | Verdict::Serving { .. } | Verdict::Unknown { .. }
            if failed.given_up.is_some() =>
        {
            headline.then(format!(
                "Not rolled back ({}): {}.",
                failed.given_up.unwrap_or_default(),
                failed.pointing()
            ))
            .then(failed.undo)
        }
        Verdict::InProgress(_) | Verdict::Serving { .. } => headline.then(format!(
            "It was to be rolled back, which was not seen to happen in time: {}.",
            now()
        )),
        Verdict::RollingBack { .. } => headline.then(format!(
            "Rolling back has started and not finished in time: {}.",
            now()
        )),
        Verdict::Unknown { state, .. } => headline.then(format!(
            "Rolling back has started, and its state is one that this version does not know ({state}): {}.",
            now()
        )),
        Verdict::NoNews { why } if failed.given_up.is_some() => headline.then(format!(
            "Not rolled back ({}); what serves now could not be seen ({why}).",
            failed.given_up.unwrap_or_default()
        )),
        Verdict::NoNews { why } => {
            headline.then(format!("How the rollback ended could not be seen ({why})."))
        }
    };
    failed.with_details(message)
}

/// That the deployment `by`, a revision and an id, has taken the place of ours.
fn replaced(failed: Failed<'_>, by: (&str, &str), was_complete: Option<bool>) -> Message {
    let Failed {
        target,
        revision,
        cause,
        ..
    } = failed;
    let (other, id) = by;
    if !cause.is_empty() {
        return Message::of([
            format!("{target}: {revision} failed: {cause}."),
            format!("Another deployment has taken its place since ({other}, {id})."),
        ]);
    }
    let what = match was_complete {
        Some(true) => format!(
            "{target}: {revision} was complete, and another deployment has taken its place since ({other}, {id})."
        ),
        Some(false) => format!(
            "{target}: {revision} was replaced by another deployment before it was complete ({other}, {id})."
        ),
        None => {
            format!("{target}: {revision} was replaced by another deployment ({other}, {id}).")
        }
    };
    what.into()
}

/// What became of a service because another one of the same deployment failed. `why_not` is why it was not
/// rolled back, unless it was given up. A sentence on why it failed, too, comes first; empty if it did not.
fn of_other(other: &Service, why_not: &str) -> [String; 2] {
    let (target, revision) = (&other.target, &other.revision);
    let not_rolled_back = other.given_up().unwrap_or(why_not);
    let service = other.live.look.as_ref().and_then(Look::service);
    let no_news = Verdict::NoNews {
        why: NOT_LOOKED_AT.to_owned(),
    };
    let verdict = other.live.verdict.as_ref().unwrap_or(&no_news);
    let now = now_of(other.live.look.as_ref());
    let nothing = Evidence::default();
    let evidence = other.live.evidence.as_ref().unwrap_or(&nothing);
    // It may have failed, too, for another reason.
    let own_cause = if verdict.is_ecs_own_doing() {
        Some(cause_of(verdict.reason(), evidence))
    } else {
        evidence.tasks_cause()
    };
    let failed = own_cause.map_or_else(String::new, |cause| {
        format!("{target} failed, too: {cause}.")
    });
    let became = match verdict {
        Verdict::Untouched => format!("{target} was not changed."),
        Verdict::RolledBack { .. } => format!("{target} was rolled back, too: {now}."),
        Verdict::RollbackFailed { .. } => {
            format!("Rolling back {target}, too, failed: {now}.")
        }
        Verdict::Replaced {
            task_definition, ..
        } => format!(
            "{target} has been replaced by another deployment ({}) and was left alone: {now}.",
            text::last_part(task_definition)
        ),
        Verdict::Gone { status } => format!("{target} went away: its status is {status}."),
        Verdict::RollingBack { .. } => {
            format!("{target} is being rolled back, too, and that has not finished in time: {now}.")
        }
        Verdict::Serving { .. }
        | Verdict::InProgress(_)
        | Verdict::Unknown { .. }
        | Verdict::Failed { .. } => {
            let set_to = service.map_or_else(
                || revision.to_string(),
                |service| text::last_part(&service.task_definition).to_owned(),
            );
            format!(
                "{target} was not rolled back ({not_rolled_back}) and is set to {set_to}: {now}."
            )
        }
        Verdict::NoNews { why } => {
            format!("What became of {target} could not be seen ({why}).")
        }
    };
    [failed, became]
}

/// Why a rollout whose time is up failed: what its tasks say, else how far it came.
fn late_cause(limit: &str, verdict: &Verdict, evidence: &Evidence) -> String {
    let late = format!("not complete within {limit}");
    let far = || match verdict {
        Verdict::Unknown { state, progress } => format!(
            "ECS shows a state that this version does not know ({state}), {}",
            running_of(progress)
        ),
        Verdict::InProgress(progress) => {
            let note = progress.note.as_deref().or(progress.stage.as_deref());
            let note = note.map_or_else(String::new, |note| format!(" ({note})"));
            format!("{}{note}", running_of(progress))
        }
        Verdict::Untouched
        | Verdict::Serving { .. }
        | Verdict::RollingBack { .. }
        | Verdict::RolledBack { .. }
        | Verdict::RollbackFailed { .. }
        | Verdict::Failed { .. }
        | Verdict::Replaced { .. }
        | Verdict::Gone { .. }
        | Verdict::NoNews { .. } => String::new(),
    };
    let why = evidence.root_cause().unwrap_or_else(|| {
        let known = [
            Some(far()).filter(|far| !far.is_empty()),
            evidence.silence(),
        ];
        known.into_iter().flatten().collect::<Vec<_>>().join("; ")
    });
    if why.is_empty() {
        late
    } else {
        format!("{late}: {why}")
    }
}

/// Why a rollout failed that is rolled back, or was, at its first look.
///
/// After its time limit (`late`, as text) an earlier invocation of this job has asked for the rollback
/// and died, unless ECS names its circuit breaker or an alarm as the reason.
fn cause_seen(
    verdict: &Verdict,
    reason: Option<&Reason>,
    late: Option<&str>,
    evidence: &Evidence,
) -> String {
    let is_rolled_back = matches!(
        verdict,
        Verdict::RollingBack { .. } | Verdict::RolledBack { .. }
    );
    match late {
        Some(limit) if is_rolled_back && !verdict.is_ecs_own_doing() => {
            late_cause(limit, verdict, evidence)
        }
        Some(_) | None => cause_of(reason, evidence),
    }
}

fn running_of(progress: &Progress) -> String {
    format!(
        "{} of {} new tasks running, {} old",
        progress.new_running, progress.desired, progress.old_running
    )
}

/// The message of a rollout whose time is up and that was not rolled back.
///
/// `failed.cause` is what [`late_cause`] returned.
fn of_late(failed: Failed<'_>, limit: &str) -> Failure {
    let Failed {
        target,
        revision,
        cause,
        not_rolled_back,
        ..
    } = failed;
    let message = match failed.verdict {
        Verdict::InProgress(progress) if progress.only_old_ones_drain() => Message::of([
            format!(
                "{target}: {revision} was not complete within {limit}, although all {} new tasks run: {} still draining.",
                progress.desired,
                if progress.old_running == 1 {
                    "1 old task is".to_owned()
                } else {
                    format!("{} old tasks are", progress.old_running)
                }
            ),
            "Nothing was rolled back.".to_owned(),
        ]),
        Verdict::NoNews { why } => Message::of([
            format!(
                "{target}: {revision} was not complete within {limit}, as far as could be seen: {why}."
            ),
            "This function rolled nothing back; look at the service's deployments.".to_owned(),
        ]),
        Verdict::Untouched
        | Verdict::Serving { .. }
        | Verdict::InProgress(_)
        | Verdict::RollingBack { .. }
        | Verdict::RolledBack { .. }
        | Verdict::RollbackFailed { .. }
        | Verdict::Failed { .. }
        | Verdict::Replaced { .. }
        | Verdict::Gone { .. }
        | Verdict::Unknown { .. } => Message::of([
            format!("{target}: {revision} failed: {cause}."),
            format!("Not rolled back ({not_rolled_back}): {}.", failed.now()),
        ]),
    };
    failed.with_details(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Region;
    use crate::seen::DeploymentSeen;
    use crate::spec::AssumedRole;

    fn revision() -> Revision {
        Revision::parse("app:42").unwrap()
    }

    #[test]
    fn a_cause_names_one_reason_why_it_could_not_be_rolled_back_the_last() {
        let first = with_given_up("out of memory", "what ran before is not known.");
        let second = with_given_up(&first, "it is not what the service is working on");
        let third = with_given_up(&second, "what ran before is not known");
        assert_eq!(first, third);
        assert!(second.ends_with("not be rolled back: it is not what the service is working on)"));
        assert_eq!(second.matches("rolled back").count(), 1, "{second}");
    }

    /// The message of a failed rollout and the sentence that says why nothing was rolled back.
    fn message(cause: &str, verdict: &Verdict, look: Option<&Look>) -> String {
        of_rollout(failed(
            cause,
            verdict,
            look,
            &Evidence::default(),
            &revision(),
        ))
        .message
        .into()
    }

    fn failed<'a>(
        cause: &'a str,
        verdict: &'a Verdict,
        look: Option<&'a Look>,
        evidence: &'a Evidence,
        revision: &'a Revision,
    ) -> Failed<'a> {
        Failed {
            target: "web on prod",
            revision,
            cause,
            verdict,
            look,
            not_rolled_back: "Rollback is false",
            others: &[],
            given_up: None,
            undo: "",
            overwritten: "",
            evidence,
            limit: MESSAGE_LIMIT_BYTES,
        }
    }

    fn serving(revision: &str, running: i32) -> Look {
        let service = ServiceSeen {
            status: "ACTIVE".to_owned(),
            desired: 2,
            deployments: vec![DeploymentSeen {
                task_definition: format!("arn:aws:ecs:r:1:task-definition/{revision}"),
                running,
                ..DeploymentSeen::default()
            }],
            ..ServiceSeen::default()
        };
        Look::Seen {
            service: Box::new(service),
            service_deployment: None,
        }
    }

    #[test]
    fn the_headline_of_a_rolled_back_deployment_suffices_and_the_evidence_stands_below() {
        let verdict = Verdict::RolledBack { reason: None };
        let evidence = Evidence {
            deployment: vec!["the task set is unhealthy.".to_owned()],
            ..Evidence::default()
        };
        let (service, revision) = (serving("app:41", 2), revision());
        let cause = "CannotPullContainerError: repo/app:v9 not found (3 tasks)";
        let failure = of_rollout(failed(
            cause,
            &verdict,
            Some(&service),
            &evidence,
            &revision,
        ));
        assert_eq!(failure.kind, FailureKind::Job);
        assert_eq!(
            failure.message,
            "web on prod: app:42 failed: CannotPullContainerError: repo/app:v9 not found (3 tasks). Rolled back: app:41 is serving, 2 of 2 tasks.\nECS says: the task set is unhealthy."
        );
        assert_eq!(
            failure.message.sentences(),
            [
                "web on prod: app:42 failed: CannotPullContainerError: repo/app:v9 not found (3 tasks).",
                "Rolled back: app:41 is serving, 2 of 2 tasks."
            ]
        );
    }

    #[test]
    fn what_is_left_as_it_is_can_be_rolled_back_with_a_command_of_plain_names_only() {
        let mut spec = crate::testing::spec(false);
        let mut service = crate::testing::service(0);
        service.previous = Some(Revision::parse("app:41").unwrap());
        let set_to = |revision: &Revision| {
            let Look::Seen {
                mut service,
                service_deployment,
            } = serving("app:41", 2)
            else {
                panic!("not seen")
            };
            service.task_definition = format!("arn:aws:ecs:r:1:task-definition/{revision}");
            Some(Look::Seen {
                service,
                service_deployment,
            })
        };
        service.live.look = set_to(&service.revision);
        service.target.cluster = "arn:aws:ecs:r:1:cluster/prod".to_owned();
        assert_eq!(
            undo(&service, &spec),
            "Roll back: aws ecs update-service --cluster prod --service s0 --task-definition app:41"
        );
        spec.region = Region::parse("eu-west-1");
        assert!(
            undo(&service, &spec).contains(" --region eu-west-1 --cluster prod "),
            "the command is for the Region of the service"
        );
        // With the reader's own credentials it would change a service of the same name in another account.
        let mut elsewhere = spec.clone();
        elsewhere.role = Some(AssumedRole {
            arn: "arn:aws:iam::444455556666:role/ecs-deploy".to_owned(),
            external_id: None,
        });
        assert_eq!(undo(&service, &elsewhere), "");
        for evil in ["web; reboot", "$(id)", "--force-new-deployment", "", "w\nb"] {
            let mut named = service.clone();
            named.target.service = evil.to_owned();
            assert_eq!(undo(&named, &spec), "", "{evil}");
        }
        let mut unknown = service.clone();
        unknown.previous = None;
        assert_eq!(undo(&unknown, &spec), "");
        // Somebody else has deployed since.
        service.live.look = set_to(&Revision::parse("app:43").unwrap());
        assert_eq!(undo(&service, &spec), "");
    }

    #[test]
    fn each_end_of_a_rollout_says_what_serves_now() {
        let old = serving("app:41", 2);
        let verdict = Verdict::RollbackFailed {
            reason: Reason::of("no capacity."),
        };
        assert!(message("x", &verdict, Some(&serving("app:41", 0))).ends_with(
            "Rolling back failed too (no capacity): no task of the service is running (it wants 2)."
        ));
        let failed = |stopped| Verdict::Failed {
            reason: None,
            stopped,
            ecs_rolls_back: false,
        };
        assert_eq!(
            message("x", &failed(false), Some(&old)),
            "web on prod: app:42 failed: x. Not rolled back (Rollback is false): the service still points to app:42, which has no running task; app:41 is serving, 2 of 2 tasks."
        );
        assert_eq!(
            message("x", &failed(true), Some(&old)),
            "web on prod: the deployment of app:42 was stopped: x. Not rolled back (Rollback is false): app:41 is serving, 2 of 2 tasks."
        );
        let gone = Verdict::Gone {
            status: "DRAINING".to_owned(),
        };
        assert!(message("", &gone, None).contains("its status is DRAINING"));
        let replaced = Verdict::Replaced {
            was_complete: Some(false),
            by: "ecs-svc/3".to_owned(),
            task_definition: "a/app:43".to_owned(),
        };
        assert!(message("x", &replaced, Some(&old)).contains(
            "app:42 failed: x. Another deployment has taken its place since (app:43, ecs-svc/3)"
        ));
        assert!(message("", &replaced, Some(&old)).starts_with("web on prod: app:42 was replaced by another deployment before it was complete (app:43, ecs-svc/3)."));
        let no_news = Verdict::NoNews {
            why: "throttled".to_owned(),
        };
        assert!(message("x", &no_news, None).contains("could not be seen (throttled)"));
        let going = Verdict::RollingBack {
            reason: None,
            progress: Progress::default(),
        };
        assert!(message("x", &going, None).contains("what serves now is not known"));
    }

    #[test]
    fn late_with_only_old_tasks_draining_says_so() {
        let verdict = Verdict::InProgress(Progress {
            desired: 2,
            new_running: 2,
            old_running: 1,
            ..Progress::default()
        });
        let (evidence, revision) = (Evidence::default(), revision());
        let late = of_late(failed("", &verdict, None, &evidence, &revision), "60 min");
        assert_eq!(
            late.message,
            "web on prod: app:42 was not complete within 60 min, although all 2 new tasks run: 1 old task is still draining. Nothing was rolled back."
        );
    }

    #[test]
    fn late_says_why_its_tasks_end_or_how_far_it_came() {
        let verdict = Verdict::InProgress(Progress {
            desired: 2,
            new_running: 0,
            old_running: 2,
            ..Progress::default()
        });
        let nothing = Evidence::default();
        let cause = late_cause("60 min", &verdict, &nothing);
        assert_eq!(
            cause,
            "not complete within 60 min: 0 of 2 new tasks running, 2 old"
        );
        let evidence = Evidence {
            events: vec!["(service web) was unable to place a task.".to_owned()],
            ..Evidence::default()
        };
        assert_eq!(
            late_cause("60 min", &verdict, &evidence),
            "not complete within 60 min: ECS was unable to place a task"
        );
        let unknown = Verdict::Unknown {
            state: "NAPPING".to_owned(),
            progress: Progress::default(),
        };
        assert!(late_cause("1 min", &unknown, &nothing).contains("(NAPPING)"));
        let (service, revision) = (serving("app:41", 2), revision());
        let late = of_late(
            failed(&cause, &verdict, Some(&service), &nothing, &revision),
            "60 min",
        );
        assert_eq!(
            late.message,
            "web on prod: app:42 failed: not complete within 60 min: 0 of 2 new tasks running, 2 old. Not rolled back (Rollback is false): app:41 is serving, 2 of 2 tasks."
        );
    }

    #[test]
    fn a_rollback_first_seen_after_the_time_limit_is_our_own_unless_ecs_says_why() {
        let back = |reason: &str| Verdict::RollingBack {
            reason: Reason::of(reason),
            progress: Progress::default(),
        };
        let nothing = Evidence::default();
        let cause = |reason: &str, late| {
            let seen = back(reason);
            cause_seen(&seen, seen.reason(), late, &nothing)
        };
        assert_eq!(
            cause("Stopped by a user.", Some("5 min")),
            "not complete within 5 min"
        );
        assert!(cause("Stopped by a user.", None).starts_with("Stopped by a user; CloudTrail"));
        for reason in ["ECS deployment circuit breaker: x", "alarm 5xx went off"] {
            assert!(cause(reason, Some("5 min")).starts_with(reason));
        }
    }

    fn seen_with(deployments: &[(&str, i32)]) -> ServiceSeen {
        let listed = deployments
            .iter()
            .map(|(revision, running)| DeploymentSeen {
                task_definition: format!("arn/{revision}"),
                running: *running,
                ..DeploymentSeen::default()
            });
        ServiceSeen {
            desired: 2,
            deployments: listed.collect(),
            ..ServiceSeen::default()
        }
    }

    #[test]
    fn each_revision_is_named_once_though_two_deployments_bring_it() {
        let seen = seen_with(&[("app:1", 1), ("app:1", 2), ("app:2", 1)]);
        assert_eq!(
            serving_now(&seen, None),
            "app:1 is serving, 2 of 2 tasks; app:2 is serving, 1 of 2 tasks"
        );
    }

    #[test]
    fn tasks_that_run_without_traffic_do_not_serve() {
        let weighing = |weight| ServiceDeploymentSeen {
            task_definition: Some("arn/app:2".to_owned()),
            new_weight: Some(weight),
            ..ServiceDeploymentSeen::default()
        };
        let mut seen = seen_with(&[("app:2", 2), ("app:1", 2)]);
        seen.strategy = Some("BLUE_GREEN".to_owned());
        let blue = "app:1 is serving, 2 of 2 tasks";
        assert_eq!(serving_now(&seen, Some(&weighing(0.0))), blue);
        let both = serving_now(&seen, Some(&weighing(10.0)));
        assert!(
            both.contains("app:2 is serving") && both.contains(blue),
            "{both}"
        );
        // A rolling update has no weights; ECS shows one all the same.
        seen.strategy = None;
        assert_eq!(serving_now(&seen, Some(&weighing(0.0))), both);
        let mut only_green = seen_with(&[("app:2", 1)]);
        only_green.strategy = Some("BLUE_GREEN".to_owned());
        assert_eq!(
            serving_now(&only_green, Some(&weighing(0.0))),
            "nothing is serving: app:2 runs 1 of 2 tasks, without traffic"
        );
    }
}
