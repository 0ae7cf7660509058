//! [`Deployment`] ⇄ continuation token: a projection of it.
//!
//! A token is `1 ` and a JSON object with short keys. The version stands before the body, so that
//! an old token is recognised as old instead of being misread; the length is checked before
//! anything is parsed. What the next event brings anyway, the parameters, is not in it; a
//! fingerprint of the targets is, so that a token is never applied to other services.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::deployment::{
    Attempt, Deployment, Ours, Owner, Paused, PostDeploy, PostRun, Rollback, Service, Stage, Task,
    TaskLive,
};
use super::failures::Failures;
use super::revision::Revision;
use super::spec::{LONGEST_TIMEOUT, Target};
use super::text;
use super::time::Timestamp;
use super::timeline::Timeline;
use super::waiting::Waiting;

/// Bytes of UTF-8 that CodePipeline takes. Its reference says 2048 characters
/// (<https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_PutJobSuccessResult.html>);
/// it counts bytes.
pub const TOKEN_LIMIT_BYTES: usize = 2048;

const VERSION: &str = "1";

/// A cause is cut to this before anything else must give way.
const CAUSE_LIMIT_BYTES: usize = 600;

/// Why a token cannot be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Longer than any token we make.
    #[error(
        "the continuation token has {0} bytes, more than the {TOKEN_LIMIT_BYTES} that one may have"
    )]
    TooLong(usize),
    /// Another version's, or nothing of ours.
    #[error(
        "the continuation token is of another version of this function (this one writes version {VERSION}): start the deployment again"
    )]
    OtherVersion,
    /// Ours by its version, but damaged.
    #[error("the continuation token is damaged: {0}")]
    Damaged(String),
    /// Ours, but for other services.
    #[error(
        "the continuation token belongs to another deployment: it was made for other services than the parameters name"
    )]
    OtherTargets,
}

/// The deployment's state does not fit into a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "what must be remembered between two invocations takes {0} bytes, and CodePipeline keeps {TOKEN_LIMIT_BYTES}: deploy fewer services in one action"
)]
pub struct TooLarge(usize);

/// What is written down: a type of its own, so that [`Deployment`] may change without old tokens.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    /// Fingerprint of the targets.
    f: String,
    /// The starting job.
    j: String,
    /// Epoch seconds of the update.
    t: i64,
    /// Of the task before the deployment, if the stage is `PreDeploy`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    p: Option<SavedTask>,
    /// Of the task after the deployment, if the stage is `PostDeploy`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    a: Option<SavedPost>,
    /// Of the rollback, if the stage is `RollingBack`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    b: Option<SavedRollback>,
    /// One for each target; none while the start waits.
    s: Vec<SavedService>,
    /// Why the start waits, if it does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    w: Option<String>,
    /// Of a start that waits: what it has registered, and what each service was set to then.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    r: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    o: Vec<String>,
    /// Of a start that waits: what was chosen for each service.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    x: Vec<String>,
    /// Epoch seconds of that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    c: Option<i64>,
    /// Of a start that waits: for somebody's deployment.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    y: bool,
    /// Timelines, separated by `;`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    l: String,
    /// The version of the artifact with the `ConfigFile`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    v: Option<String>,
    /// Seconds for which the time limit has stood still.
    #[serde(skip_serializing_if = "is_zero", default)]
    h: u64,
    /// Seconds for which the start has waited.
    #[serde(skip_serializing_if = "is_zero", default)]
    q: u64,
    /// Epoch seconds of the last look, if it saw a PAUSE hook hold the deployment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    g: Option<i64>,
    /// Failed tasks of each service, as `COUNT@MILLISECONDS` since the update, separated by `;`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    e: String,
}

impl Saved {
    fn has_no_stage(&self) -> bool {
        self.p.is_none() && self.a.is_none() && self.b.is_none()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedTask {
    /// The task's id.
    k: String,
    /// Which service it took its network from.
    n: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPost {
    /// Epoch seconds when all services were seen to serve.
    t: i64,
    /// The task, once it was started.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    p: Option<SavedTask>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedRollback {
    /// Epoch seconds when it was first seen or asked for.
    t: i64,
    /// It is ours to ask for, and was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    o: bool,
    /// It is ours to ask for, and was not, or could not be: it is tried again.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    w: bool,
    /// Which service failed first.
    n: usize,
    /// Why.
    c: String,
    /// The evidence was not gathered yet.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    u: bool,
    /// The id of the task after the deployment, if that is what failed; empty if it was not started.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    k: Option<String>,
}

/// Revision, previous revision (`41` if of the same family), deployment and service deployment
/// without the prefix of all of them; whether the previous one was overwritten unseen, if so.
#[derive(Debug, Serialize, Deserialize)]
struct SavedService(
    String,
    String,
    String,
    String,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)] bool,
);

/// The prefix of the id of every deployment of ECS.
pub const DEPLOYMENT_PREFIX: &str = "ecs-svc/";

/// A fingerprint of the targets, which a token's must agree with: FNV-1a, 32 bits, in hex.
fn fingerprint<'a>(targets: impl IntoIterator<Item = &'a Target>) -> String {
    let targets = targets.into_iter();
    text::short_hash(targets.flat_map(|target| [target.cluster_name(), target.service_name()]))
}

/// Writes down a deployment. Timelines give way first, then a long cause; nothing else is cut.
///
/// # Errors
/// [`TooLarge`] if it does not fit even without those.
pub fn encode(deployment: &Deployment) -> Result<String, TooLarge> {
    let services = &deployment.services;
    let mut timelines: Vec<Timeline> = services.iter().map(|one| one.timeline.clone()).collect();
    let mut room = CAUSE_LIMIT_BYTES;
    loop {
        let (task, post, rollback) = match &deployment.stage {
            Stage::PreDeploy(task) => (Some(saved_task(task)), None, None),
            Stage::RollingOut => (None, None, None),
            Stage::PostDeploy(post) => (None, Some(saved_post(post)), None),
            Stage::RollingBack(rollback) => {
                let failed = &services[rollback.failed];
                (None, None, Some(saved_rollback(rollback, failed, room)))
            }
        };
        let saved = Saved {
            f: fingerprint(services.iter().map(|one| &one.target)),
            j: deployment.job.clone(),
            t: deployment.started.as_secs(),
            p: task,
            a: post,
            b: rollback,
            s: services.iter().map(saved_service).collect(),
            w: None,
            r: Vec::new(),
            o: Vec::new(),
            x: Vec::new(),
            c: None,
            y: false,
            l: written(&timelines),
            v: deployment.config_pin.clone(),
            h: deployment.paused.total.as_secs(),
            q: deployment.waited.as_secs(),
            g: deployment.paused.since.map(Timestamp::as_secs),
            e: saved_failures(deployment),
        };
        // Only map keys that are not texts could make this fail, and there are none.
        let body = serde_json::to_string(&saved).map_err(|_| TooLarge(usize::MAX))?;
        let token = format!("{VERSION} {body}");
        let length = token.len();
        if length <= TOKEN_LIMIT_BYTES {
            return Ok(token);
        }
        if thin_longest(&mut timelines) {
            continue;
        }
        if room == 0 || saved.b.is_none_or(|rollback| rollback.c.is_empty()) {
            return Err(TooLarge(length));
        }
        room = room.saturating_sub((length - TOKEN_LIMIT_BYTES).max(1));
    }
}

/// Writes down a start that waits, of a deployment to `targets`.
pub fn encode_waiting(waiting: &Waiting, targets: &[Target]) -> String {
    let mut room = CAUSE_LIMIT_BYTES;
    loop {
        let saved = Saved {
            f: fingerprint(targets),
            j: waiting.job.clone(),
            t: waiting.since.as_secs(),
            p: None,
            a: None,
            b: None,
            s: Vec::new(),
            w: Some(text::cut_bytes(&waiting.why, room)),
            r: waiting.registered.clone(),
            o: waiting.set_to.clone(),
            x: waiting.chosen.clone(),
            c: waiting.chosen_at.map(Timestamp::as_secs),
            y: waiting.is_busy,
            l: String::new(),
            v: waiting.config_pin.clone(),
            h: 0,
            q: 0,
            g: None,
            e: String::new(),
        };
        // Nothing in it could make this fail.
        let body = serde_json::to_string(&saved).unwrap_or_default();
        let token = format!("{VERSION} {body}");
        if token.len() <= TOKEN_LIMIT_BYTES || room == 0 {
            return token;
        }
        room /= 2;
    }
}

/// What a token holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    /// A start that waits.
    Waiting(Waiting),
    /// A deployment that has been started.
    Deployment(Box<Deployment>),
}

/// The same token without what is only carried along: timelines, and the cause of a rollback, which
/// the next invocation looks for again. `None` if there is nothing to leave out.
pub fn shortest(token: &str) -> Option<String> {
    let mut saved = open(token).ok()?;
    saved.l.clear();
    if let Some(why) = &mut saved.w {
        why.clear();
    }
    if let Some(rollback) = &mut saved.b {
        rollback.c.clear();
        rollback.u = false;
    }
    let body = serde_json::to_string(&saved).ok()?;
    Some(format!("{VERSION} {body}")).filter(|shortest| shortest.len() < token.len())
}

fn saved_task(task: &Task) -> SavedTask {
    SavedTask {
        k: task.id.clone(),
        n: task.service,
    }
}

fn saved_post(post: &PostDeploy) -> SavedPost {
    SavedPost {
        t: post.since.as_secs(),
        p: post.task().map(saved_task),
    }
}

fn saved_rollback(rollback: &Rollback, failed: &Service, room: usize) -> SavedRollback {
    let is_asked = match failed.live.rollback {
        Attempt::Asked | Attempt::AskedBefore => true,
        Attempt::NotAsked { .. } | Attempt::Refused { .. } | Attempt::GivenUp(_) => false,
    };
    let is_ours = rollback.owner == Owner::Job;
    SavedRollback {
        t: rollback.since.as_secs(),
        o: is_ours && is_asked,
        w: is_ours && !is_asked,
        n: rollback.failed,
        c: text::cut_bytes(&rollback.cause, room),
        u: !rollback.is_explained && !rollback.cause.is_empty() && room > 0,
        k: rollback.post.as_ref().map(|post| {
            let task = post.task();
            task.map_or_else(String::new, |task| task.id.clone())
        }),
    }
}

fn written(timelines: &[Timeline]) -> String {
    let written: Vec<String> = timelines.iter().map(Timeline::encode).collect();
    written.join(";").trim_end_matches(';').to_owned()
}

/// More failed tasks than any threshold counts are not told apart.
const FAILURES_SAVED: u16 = 999;

fn saved_failures(deployment: &Deployment) -> String {
    let started = Timestamp::from_secs(deployment.started.as_secs());
    let failures = deployment.services.iter().map(|service| service.failures);
    let saved: Vec<String> = failures
        .map(|Failures { count, until }| match until {
            Some(until) => {
                // To the millisecond: a task that stopped within the second must not count again.
                let after = until.as_millis().saturating_sub(started.as_millis());
                format!("{}@{after}", count.min(FAILURES_SAVED))
            }
            None => String::new(),
        })
        .collect();
    saved.join(";").trim_end_matches(';').to_owned()
}

fn failures(saved: &str, started: Timestamp) -> Option<Failures> {
    if saved.is_empty() {
        return Some(Failures::default());
    }
    let (count, until) = saved.split_once('@')?;
    let until = started.as_millis().checked_add(until.parse().ok()?)?;
    time(until.div_euclid(1000)).ok()?;
    Some(Failures {
        count: count.parse().ok()?,
        until: Some(Timestamp::from_millis(until)),
    })
}

fn thin_longest(timelines: &mut [Timeline]) -> bool {
    let longest = timelines.iter_mut().max_by_key(|one| one.points().len());
    longest.is_some_and(Timeline::thin)
}

/// Which version of the artifact the `ConfigFile` was read from, as [`encode`] wrote it. Without
/// the parameters of that file it is not known yet which services the token is for.
///
/// # Errors
/// [`BadToken`] for what is no token of ours.
pub fn config_pin(token: &str) -> Result<Option<String>, BadToken> {
    open(token).map(|saved| saved.v)
}

/// When the deployment of `token` was started. Known even if its parameters are not.
///
/// # Errors
/// [`BadToken`] for what is no token of ours.
pub fn started(token: &str) -> Result<Timestamp, BadToken> {
    open(token).and_then(|saved| time(saved.t))
}

fn open(token: &str) -> Result<Saved, BadToken> {
    let length = token.len();
    if length > TOKEN_LIMIT_BYTES {
        return Err(BadToken::TooLong(length));
    }
    let body = token
        .strip_prefix(VERSION)
        .and_then(|rest| rest.strip_prefix(' '))
        .ok_or(BadToken::OtherVersion)?;
    serde_json::from_str(body).map_err(|error| BadToken::Damaged(error.to_string()))
}

/// Reads a token written by [`encode`] or [`encode_waiting`] for the same `targets`.
///
/// # Errors
/// [`BadToken`] for anything else; never panics, whatever the text.
pub fn held(token: &str, targets: &[Target]) -> Result<Held, BadToken> {
    let mut saved = open(token)?;
    if saved.f != fingerprint(targets) {
        return Err(BadToken::OtherTargets);
    }
    match saved.w.take() {
        None => deployment(saved, targets).map(|one| Held::Deployment(Box::new(one))),
        Some(why) if saved.s.is_empty() && saved.has_no_stage() => Ok(Held::Waiting(Waiting {
            job: saved.j,
            since: time(saved.t)?,
            why,
            config_pin: saved.v,
            is_busy: saved.y,
            registered: saved.r,
            set_to: saved.o,
            chosen: saved.x,
            chosen_at: saved.c.map(time).transpose()?,
        })),
        Some(_) => Err(BadToken::Damaged(
            "it waits and has started a deployment".to_owned(),
        )),
    }
}

/// Reads a token written by [`encode`] for the same `targets`.
///
/// # Errors
/// [`BadToken`] for anything else, also for a start that waits; never panics, whatever the text.
pub fn decode(token: &str, targets: &[Target]) -> Result<Deployment, BadToken> {
    match held(token, targets)? {
        Held::Deployment(deployment) => Ok(*deployment),
        Held::Waiting(_) => Err(BadToken::Damaged("it has started no deployment".to_owned())),
    }
}

fn deployment(saved: Saved, targets: &[Target]) -> Result<Deployment, BadToken> {
    let damaged = |what: &str| BadToken::Damaged(what.to_owned());
    if saved.s.len() != targets.len() {
        return Err(damaged("it does not name each service once"));
    }
    let read = saved.s.iter().zip(targets);
    let read = read.map(|(saved, target)| service(saved, target));
    let mut services = read.collect::<Result<Vec<Service>, BadToken>>()?;
    let is_one = |place: usize| place < targets.len();
    let asked = saved.b.as_ref().filter(|rollback| rollback.o);
    if let Some(failed) = asked.and_then(|rollback| services.get_mut(rollback.n)) {
        failed.live.rollback = Attempt::AskedBefore;
    }
    let stage = match (saved.p, saved.a, saved.b) {
        (None, None | Some(_), None) if !services.iter().all(Service::is_touched) => {
            return Err(damaged("a deployment id is missing"));
        }
        (None, None, None) => Stage::RollingOut,
        (Some(saved), None, None) if is_one(saved.n) && !saved.k.is_empty() => {
            Stage::PreDeploy(Box::new(task(saved.k, saved.n)))
        }
        (None, Some(post), None) if post.p.as_ref().is_none_or(|one| is_one(one.n)) => {
            let run = post.p.map(|saved| task(saved.k, saved.n));
            if run.as_ref().is_some_and(|task| task.id.is_empty()) {
                return Err(damaged("a task has no id"));
            }
            Stage::PostDeploy(Box::new(PostDeploy {
                since: time(post.t)?,
                run: run.map_or(PostRun::Due { refused: None }, |task| {
                    PostRun::Started(Box::new(task))
                }),
            }))
        }
        (None, None, Some(rollback)) if is_one(rollback.n) => Stage::RollingBack(Rollback {
            owner: if rollback.o || rollback.w {
                Owner::Job
            } else {
                Owner::Ecs
            },
            since: time(rollback.t)?,
            failed: rollback.n,
            is_explained: !rollback.u && !rollback.c.is_empty(),
            post: match rollback.k {
                None => None,
                Some(id) => Some(Box::new(PostDeploy {
                    since: time(rollback.t)?,
                    run: if id.is_empty() {
                        PostRun::Due { refused: None }
                    } else {
                        PostRun::Started(Box::new(task(id, rollback.n)))
                    },
                })),
            },
            cause: rollback.c,
        }),
        _ => return Err(damaged("what it points to is not one of its services")),
    };
    let timelines = saved.l.split(';').map(Timeline::decode);
    let timelines: Option<Vec<Timeline>> = timelines.collect();
    let timelines = timelines
        .filter(|timelines| timelines.len() <= services.len())
        .ok_or_else(|| damaged("its timelines cannot be read"))?;
    for (service, timeline) in services.iter_mut().zip(timelines) {
        service.timeline = timeline;
    }
    let started = time(saved.t)?;
    let paused = Paused {
        total: Duration::from_secs(saved.h).min(LONGEST_TIMEOUT),
        since: saved.g.map(time).transpose()?,
    };
    let failed = saved.e.split(';').map(|one| failures(one, started));
    let failed: Option<Vec<Failures>> = failed.collect();
    let failed = failed
        .filter(|failed| failed.len() <= services.len())
        .ok_or_else(|| damaged("its counts of failed tasks cannot be read"))?;
    for (service, failures) in services.iter_mut().zip(failed) {
        service.failures = failures;
    }
    Ok(Deployment {
        job: saved.j,
        started,
        stage,
        services,
        config_pin: saved.v,
        paused,
        waited: Duration::from_secs(saved.q).min(LONGEST_TIMEOUT),
        is_from_token: true,
    })
}

/// A task of which nothing is known yet but its names.
fn task(id: String, service: usize) -> Task {
    Task {
        id,
        service,
        live: TaskLive::default(),
    }
}

/// A time that can be reckoned with.
fn time(secs: i64) -> Result<Timestamp, BadToken> {
    /// The last second of the year 9999.
    const LAST_SECS: i64 = 253_402_300_799;
    if (0..=LAST_SECS).contains(&secs) {
        Ok(Timestamp::from_secs(secs))
    } else {
        Err(BadToken::Damaged(format!("{secs} is not a time")))
    }
}

/// Marks a deployment of ours that ECS has not named. Version 0.1.0 wrote other texts behind the same
/// mark.
const UNNAMED: &str = "/";

/// Before an id of a deployment that has not ECS's usual form.
const UNUSUAL: char = '=';

fn saved_service(service: &Service) -> SavedService {
    let family = service.revision.family();
    // What ran before and is not known: the revision itself.
    let previous = service.previous.as_ref().unwrap_or(&service.revision);
    let previous = if previous.family() == family {
        previous.number().to_string()
    } else {
        previous.to_string()
    };
    let deployment = match &service.ours {
        Ours::Untouched => String::new(),
        Ours::Unnamed { .. } => UNNAMED.to_owned(),
        Ours::Named { deployment, .. } => match deployment.strip_prefix(DEPLOYMENT_PREFIX) {
            Some(digits) if !digits.is_empty() => digits.to_owned(),
            Some(_) | None => format!("{UNUSUAL}{deployment}"),
        },
    };
    let service_deployment = service.ours.service_deployment().unwrap_or_default();
    SavedService(
        service.revision.to_string(),
        previous,
        deployment,
        service_deployment.to_owned(),
        service.overwrote,
    )
}

fn service(saved: &SavedService, target: &Target) -> Result<Service, BadToken> {
    let damaged = |error: super::revision::NotARevision| BadToken::Damaged(error.to_string());
    let SavedService(revision, previous, deployment, service_deployment, overwrote) = saved;
    let revision = Revision::parse(revision).map_err(damaged)?;
    let previous = if previous.contains(':') {
        Revision::parse(previous)
    } else {
        Revision::parse(&format!("{}:{previous}", revision.family()))
    }
    .map_err(damaged)?;
    let previous = Some(previous).filter(|previous| *previous != revision);
    let service_deployment = Some(service_deployment.clone()).filter(|id| !id.is_empty());
    let ours = if deployment.is_empty() {
        Ours::Untouched
    } else if deployment.starts_with(UNNAMED) {
        Ours::Unnamed { service_deployment }
    } else {
        Ours::Named {
            deployment: match deployment.strip_prefix(UNUSUAL) {
                Some(whole) => whole.to_owned(),
                None => format!("{DEPLOYMENT_PREFIX}{deployment}"),
            },
            service_deployment,
        }
    };
    Ok(Service {
        overwrote: *overwrote,
        ours,
        ..Service::untouched(target.clone(), revision, previous)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JOB: &str = "11111111-2222-4333-8444-555555555555";
    const STARTED: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn target(number: usize) -> Target {
        Target {
            cluster: "prod".to_owned(),
            service: format!("s{number}"),
        }
    }

    fn targets(services: usize) -> Vec<Target> {
        (0..services).map(target).collect()
    }

    fn named(deployment: &str) -> Ours {
        Ours::Named {
            deployment: deployment.to_owned(),
            service_deployment: Some("NCWGC2ZR-taawPAYrIaU5".to_owned()),
        }
    }

    fn revision(family: &str, number: u64) -> Revision {
        Revision::parse(&format!("{family}:{number}")).unwrap()
    }

    /// Services that were set to revisions of these families.
    fn services<F: AsRef<str>>(families: &[F], number: u64) -> Vec<Service> {
        let families = families.iter().enumerate();
        families
            .map(|(place, family)| {
                let family = family.as_ref();
                let previous = Some(revision(family, number - 1));
                Service {
                    ours: named("ecs-svc/1234567890123456789"),
                    ..Service::untouched(target(place), revision(family, number), previous)
                }
            })
            .collect()
    }

    fn deployment(stage: Stage, services: Vec<Service>) -> Deployment {
        Deployment {
            job: JOB.to_owned(),
            started: STARTED,
            stage,
            services,
            config_pin: None,
            paused: Paused::default(),
            waited: Duration::ZERO,
            is_from_token: true,
        }
    }

    fn rolling_back(failed: usize, cause: &str) -> Stage {
        Stage::RollingBack(Rollback {
            owner: Owner::Ecs,
            since: Timestamp::from_secs(1_790_000_100),
            failed,
            cause: cause.to_owned(),
            is_explained: !cause.is_empty(),
            post: None,
        })
    }

    fn read(token: &str, services: usize) -> Result<Deployment, BadToken> {
        decode(token, &targets(services))
    }

    fn untouched(mut services: Vec<Service>) -> Vec<Service> {
        for service in &mut services {
            service.ours = Ours::Untouched;
        }
        services
    }

    /// Points of a rollout that looked different at each look.
    fn busy(points: u32) -> Timeline {
        let mut timeline = Timeline::default();
        for at in 0..points {
            let progress = crate::verdict::Progress {
                new_running: i32::try_from(at).unwrap(),
                ..Default::default()
            };
            timeline.add(u64::from(at) * 5, &progress);
        }
        timeline
    }

    #[test]
    fn the_written_form_stays_what_earlier_invocations_wrote() {
        let token = encode(&deployment(Stage::RollingOut, services(&["app"], 42))).unwrap();
        let fingerprint = fingerprint(&targets(1));
        assert_eq!(
            token,
            format!(
                r#"1 {{"f":"{fingerprint}","j":"{JOB}","t":1790000000,"s":[["app:42","41","1234567890123456789","NCWGC2ZR-taawPAYrIaU5"]]}}"#
            )
        );
    }

    #[test]
    fn tokens_of_version_0_1_0_are_understood() {
        let web = [Target {
            cluster: "prod".to_owned(),
            service: "web".to_owned(),
        }];
        let body = |rest: &str| {
            let token = format!(
                r#"1 {{"f":"{}","j":"{JOB}","t":1790000000,{rest}}}"#,
                "dfb238ce"
            );
            decode(&token, &web).unwrap()
        };
        let ours = |deployment: Deployment| deployment.services[0].ours.clone();
        let rolling = body(
            r#""s":[["app:42","41","1234567890123456789","NCWGC2ZR-taawPAYrIaU5"]],"l":"0.0.2,5.1.2","v":"e1""#,
        );
        assert_eq!(rolling.stage, Stage::RollingOut);
        assert_eq!(rolling.services[0].previous, Some(revision("app", 41)));
        assert_eq!(rolling.services[0].timeline.points().len(), 2);
        assert_eq!(rolling.config_pin.as_deref(), Some("e1"));
        assert_eq!(ours(rolling), named("ecs-svc/1234567890123456789"));
        // What stood there until ECS had named our deployment, and where it was found again.
        let unnamed = body(r#""s":[["app:42","42","/unknown",""]]"#);
        assert_eq!(unnamed.services[0].previous, None);
        let none = Ours::Unnamed {
            service_deployment: None,
        };
        assert_eq!(ours(unnamed), none);
        let found =
            body(r#""s":[["app:42","other:3","/NCWGC2ZR-taawPAYrIaU5","NCWGC2ZR-taawPAYrIaU5"]]"#);
        assert_eq!(found.services[0].previous, Some(revision("other", 3)));
        let service_deployment = Some("NCWGC2ZR-taawPAYrIaU5".to_owned());
        assert_eq!(ours(found), Ours::Unnamed { service_deployment });
        let task = body(
            r#""p":{"k":"0123456789abcdef0123456789abcdef","n":0},"s":[["app:42","41","",""]]"#,
        );
        assert_eq!(task.stage.name(), "PreDeploy");
        assert_eq!(ours(task), Ours::Untouched);
        let back =
            body(r#""b":{"t":1790000100,"o":true,"n":0,"c":"x"},"s":[["app:42","41","1",""]]"#);
        assert_eq!(back.services[0].live.rollback, Attempt::AskedBefore);
        assert_eq!(back.stage.name(), "RollingBack");
    }

    #[test]
    fn ten_services_with_families_of_60_characters_fit_with_room_for_a_cause() {
        let families: Vec<String> = (0..10).map(|n| format!("{n}{}", "f".repeat(59))).collect();
        let stage = rolling_back(9, &"\"quoted\" ".repeat(200));
        let token = encode(&deployment(stage, services(&families, 999_999))).unwrap();
        assert!(token.len() <= TOKEN_LIMIT_BYTES);
        let Stage::RollingBack(rollback) = read(&token, 10).unwrap().stage else {
            panic!()
        };
        assert_eq!(rollback.failed, 9);
        assert!(rollback.cause.chars().count() > 100, "{}", rollback.cause);
    }

    #[test]
    fn what_cannot_fit_is_refused_with_its_size() {
        let large = deployment(Stage::RollingOut, services(&vec!["f".repeat(255); 10], 2));
        let TooLarge(size) = encode(&large).unwrap_err();
        assert!(size > TOKEN_LIMIT_BYTES);
    }

    #[test]
    fn another_versions_token_is_reported_as_such_before_its_body_is_read() {
        for token in ["2 {}", "", "1", "12 {}", "{\"f\":1}", "garbage"] {
            assert_eq!(
                read(token, 1).unwrap_err(),
                BadToken::OtherVersion,
                "{token}"
            );
        }
    }

    #[test]
    fn a_token_for_other_services_is_refused() {
        let token = encode(&deployment(Stage::RollingOut, services(&["app"], 2))).unwrap();
        assert!(read(&token, 1).is_ok());
        assert_eq!(
            decode(&token, &[target(1)]).unwrap_err(),
            BadToken::OtherTargets
        );
        assert_eq!(read(&token, 2).unwrap_err(), BadToken::OtherTargets);
    }

    #[test]
    fn damaged_tokens_are_reported() {
        let good = encode(&deployment(Stage::RollingOut, services(&["app"], 2))).unwrap();
        for (from, to) in [
            ("app:2", "app"),
            ("\"1\"", "\"x\""),
            ("1234567890123456789", ""),
            ("\"s\":[[", "\"s\":[],\"x\":[["),
            ("\"t\":", "\"t\":\"\",\"u\":"),
            ("}", ""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from} is not in the token");
            assert!(matches!(read(&bad, 1), Err(BadToken::Damaged(_))), "{bad}");
        }
        let fingerprint = fingerprint(&targets(1));
        for body in [
            r#""s":[]"#,
            r#""s":[["a:2","1","9",""],["a:2","1","9",""]]"#,
            r#""b":{"t":1,"n":1,"c":""},"s":[["a:2","1","9",""]]"#,
        ] {
            let bad = format!(r#"1 {{"f":"{fingerprint}","j":"j","t":1,{body}}}"#);
            assert!(matches!(read(&bad, 1), Err(BadToken::Damaged(_))), "{bad}");
        }
        let long = format!("1 {}", "x".repeat(TOKEN_LIMIT_BYTES));
        assert_eq!(read(&long, 1).unwrap_err(), BadToken::TooLong(2050));
    }

    /// Found by fuzzing: a time so late that it could not be written down again.
    #[test]
    fn a_time_that_is_none_is_damage() {
        let good = encode(&deployment(Stage::RollingOut, services(&["app"], 2))).unwrap();
        for secs in ["1790000555555555000", "-1", "253402300800"] {
            let bad = good.replacen("1790000000", secs, 1);
            assert!(matches!(read(&bad, 1), Err(BadToken::Damaged(_))), "{bad}");
        }
    }

    #[test]
    fn timelines_give_way_before_the_cause_and_never_make_a_token_too_long() {
        let families: Vec<String> = (0..10).map(|n| format!("{n}{}", "f".repeat(40))).collect();
        let mut busy_one = deployment(Stage::RollingOut, services(&families, 999_999));
        for service in &mut busy_one.services {
            service.timeline = busy(200);
        }
        let token = encode(&busy_one).unwrap();
        assert!(token.len() <= TOKEN_LIMIT_BYTES);
        let read = read(&token, 10).unwrap();
        assert!(
            read.services
                .iter()
                .any(|one| !one.timeline.points().is_empty())
        );
        assert_eq!(without_timelines(read), without_timelines(busy_one));
    }

    fn without_timelines(mut deployment: Deployment) -> Deployment {
        for service in &mut deployment.services {
            service.timeline = Timeline::default();
        }
        deployment
    }

    #[test]
    fn a_services_timeline_of_a_usual_rollout_is_carried_whole() {
        let mut usual = deployment(Stage::RollingOut, services(&["app"], 2));
        usual.services[0].timeline = busy(60);
        let token = encode(&usual).unwrap();
        assert_eq!(read(&token, 1).unwrap(), usual);
    }

    #[test]
    fn the_shortest_token_is_for_the_same_state_without_what_is_only_carried_along() {
        let mut whole = deployment(rolling_back(0, "🙂 crashed"), services(&["app"], 2));
        whole.services[0].timeline = busy(5);
        whole.config_pin = Some("e1".to_owned());
        let token = encode(&whole).unwrap();
        let short = shortest(&token).unwrap();
        assert!(short.is_ascii() && short.len() < token.len(), "{short}");
        let short_one = read(&short, 1).unwrap();
        assert_eq!(short_one.stage, rolling_back(0, ""));
        assert_eq!(short_one.config_pin, whole.config_pin);
        assert_eq!(
            without_timelines(short_one).services,
            without_timelines(whole).services
        );
        assert_eq!(shortest(&short), None, "there is nothing more to leave out");
        assert_eq!(shortest("garbage"), None);
    }

    #[test]
    fn the_version_of_the_config_file_can_be_read_before_the_services_are_known() {
        let mut pinned = deployment(Stage::RollingOut, services(&["app"], 2));
        pinned.config_pin = Some("e\"abc\"".to_owned());
        let token = encode(&pinned).unwrap();
        assert_eq!(config_pin(&token).unwrap().as_deref(), Some("e\"abc\""));
        assert_eq!(started(&token).unwrap(), STARTED);
        assert!(config_pin("2 x").is_err());
    }

    fn any_ours() -> impl Strategy<Value = Ours> {
        let service_deployment = || proptest::option::of("[A-Za-z0-9_-]{21}");
        prop_oneof![
            (
                "(ecs-svc/[0-9]{19}|[a-z0-9/=-]{1,30})",
                service_deployment()
            )
                .prop_map(|(deployment, service_deployment)| Ours::Named {
                    deployment,
                    service_deployment,
                }),
            service_deployment()
                .prop_map(|service_deployment| Ours::Unnamed { service_deployment }),
        ]
    }

    fn any_service() -> impl Strategy<Value = Service> {
        let family = || "[A-Za-z0-9_-]{1,60}";
        let previous = proptest::option::of((proptest::option::of(family()), 0..2_000_000u64));
        (family(), 1..2_000_000u64, previous, any_ours()).prop_map(
            |(family, number, previous, ours)| {
                let new_revision = revision(&family, number);
                let previous = previous.map(|(other, before)| {
                    revision(&other.unwrap_or_else(|| family.clone()), before)
                });
                let previous = previous.filter(|previous| *previous != new_revision);
                Service {
                    overwrote: number % 2 == 0,
                    ours,
                    ..Service::untouched(target(0), new_revision, previous)
                }
            },
        )
    }

    proptest! {
        #[test]
        fn ten_services_and_families_of_60_characters_always_fit(
            families in proptest::collection::vec("[A-Za-z0-9_-]{60}", 10),
            number in 1..9_999_999u64,
            id in 1_000_000_000_000_000_000..u64::MAX,
            service_deployment in "[A-Za-z0-9_-]{32}",
            cause in "\\PC{0,400}",
        ) {
            let mut every_service = services(&families, number + 1);
            for service in &mut every_service {
                service.overwrote = true;
                service.ours = Ours::Named {
                    deployment: format!("ecs-svc/{id}"),
                    service_deployment: Some(service_deployment.clone()),
                };
            }
            let task = Task { id: "f".repeat(32), service: 9, live: TaskLive::default() };
            for (stage, services) in [
                (Stage::PreDeploy(Box::new(task)), untouched(every_service.clone())),
                (Stage::RollingOut, every_service.clone()),
                (rolling_back(9, &cause), every_service),
            ] {
                let token = encode(&deployment(stage, services.clone())).unwrap();
                prop_assert!(token.len() <= TOKEN_LIMIT_BYTES);
                prop_assert_eq!(read(&token, 10).unwrap().services, services);
            }
        }

        #[test]
        fn a_cause_of_any_text_gives_way_by_its_bytes(
            cause in prop_oneof![
                proptest::collection::vec(any::<char>(), 0..900).prop_map(String::from_iter),
                "[🙂日é\"\\\\\u{1}a]{0,900}",
            ],
            families in proptest::collection::vec("[A-Za-z0-9_-]{60}", 1..=10),
            points in 0..100u32,
        ) {
            let count = families.len();
            let mut long = deployment(rolling_back(0, &cause), services(&families, 999_999));
            for service in &mut long.services {
                service.timeline = busy(points);
            }
            let token = encode(&long).unwrap();
            prop_assert!(token.len() <= TOKEN_LIMIT_BYTES, "{} bytes", token.len());
            let expected = without_timelines(long).services;
            let whole = read(&token, count).unwrap();
            prop_assert_eq!(&without_timelines(whole).services, &expected);
            let short = shortest(&token).unwrap_or(token);
            let short = read(&short, count).unwrap();
            prop_assert_eq!(&without_timelines(short).services, &expected);
        }

        #[test]
        fn what_was_seen_over_time_takes_no_room_from_what_decides(
            families in proptest::collection::vec("[A-Za-z0-9_-]{1,200}", 1..=10),
            points in proptest::collection::vec((0..90_000u64, any::<i32>(), any::<i32>()), 0..80),
            cause in "\\PC{0,700}",
            is_rolling_back: bool,
            config_pin in proptest::option::of("[a-f0-9]{32}"),
        ) {
            let count = families.len();
            let stage = if is_rolling_back { rolling_back(0, &cause) } else { Stage::RollingOut };
            let without = Deployment { config_pin, ..deployment(stage, services(&families, 999_999)) };
            let mut timeline = Timeline::default();
            for (at, new_running, old_running) in points {
                timeline.add(at, &crate::verdict::Progress {
                    new_running,
                    old_running,
                    stage: Some("POST_PRODUCTION_TRAFFIC_SHIFT".to_owned()),
                    new_weight: Some(100.0),
                    ..Default::default()
                });
            }
            let mut with = without.clone();
            for service in &mut with.services {
                service.timeline = timeline.clone();
            }
            match (encode(&without), encode(&with)) {
                (Ok(without), Ok(with)) => {
                    let with = without_timelines(read(&with, count).unwrap());
                    prop_assert_eq!(with, read(&without, count).unwrap());
                }
                (without, with) => prop_assert_eq!(with.is_ok(), without.is_ok()),
            }
        }

        #[test]
        fn every_stage_of_up_to_ten_services_reads_back_as_it_was_written(
            mut services in proptest::collection::vec(any_service(), 1..=10),
            job in "[0-9a-f-]{36}",
            started in 0..4_000_000_000i64,
            back in proptest::option::of((0..4_000_000_000i64, 0..10usize, "\\PC{0,40}")),
            (is_ours, is_asked) in (any::<bool>(), any::<bool>())
                .prop_map(|(is_ours, is_asked)| (is_ours, is_ours && is_asked)),
            task in proptest::option::of("[0-9a-f]{32}"),
        ) {
            let count = services.len();
            for (place, service) in services.iter_mut().enumerate() {
                service.target = target(place);
            }
            let (stage, services) = match (back, task) {
                (None, None) => (Stage::RollingOut, services),
                (None, Some(id)) => (
                    Stage::PreDeploy(Box::new(Task { id, service: count - 1, live: TaskLive::default() })),
                    untouched(services),
                ),
                (Some((since, failed, cause)), _) => {
                    let failed = failed % count;
                    if is_asked {
                        services[failed].live.rollback = Attempt::AskedBefore;
                    }
                    let stage = Stage::RollingBack(Rollback {
                        owner: if is_ours { Owner::Job } else { Owner::Ecs },
                        since: Timestamp::from_secs(since),
                        failed,
                        is_explained: !cause.is_empty() && since % 2 == 0,
                        cause,
                        post: None,
                    });
                    (stage, services)
                }
            };
            let before = Deployment {
                job,
                started: Timestamp::from_secs(started),
                ..deployment(stage, services)
            };
            // Families of their own for the previous revisions may take more than there is room for.
            if let Ok(token) = encode(&before) {
                prop_assert!(token.len() <= TOKEN_LIMIT_BYTES);
                let mut after = read(&token, count).unwrap();
                if let (Stage::RollingBack(after), Stage::RollingBack(before)) = (&mut after.stage, &before.stage)
                    && after.cause.len() < before.cause.len()
                {
                    // Where there is no room even for the mark there is none.
                    prop_assert!(after.cause.ends_with('…') || before.cause.starts_with(after.cause.as_str()));
                    after.cause = before.cause.clone();
                    after.is_explained = before.is_explained;
                }
                prop_assert_eq!(after, before);
            }
        }

        #[test]
        fn reading_a_token_never_panics(text in "\\PC{0,300}", body in "[\\[\\]{}\":,a-z0-9 ]{0,200}") {
            let _ = read(&text, 1);
            let _ = read(&format!("1 {body}"), 1);
        }
    }

    #[test]
    fn a_start_that_waits_comes_back_as_it_was_and_always_fits() {
        let targets: Vec<Target> = (0..2).map(target).collect();
        for why in [
            "ecs:DescribeServices is throttled".to_owned(),
            "\u{1f642}\"".repeat(3000),
        ] {
            let waiting = Waiting {
                job: JOB.to_owned(),
                since: STARTED,
                why: why.clone(),
                config_pin: Some("v1".to_owned()),
                is_busy: true,
                registered: vec!["app:42".to_owned()],
                set_to: vec!["app:41".to_owned(), "app:40".to_owned()],
                chosen: vec!["app:39".to_owned(), "app:39".to_owned()],
                chosen_at: Some(STARTED + Duration::from_mins(1)),
            };
            let token = encode_waiting(&waiting, &targets);
            assert!(token.len() <= TOKEN_LIMIT_BYTES);
            let Ok(Held::Waiting(read)) = held(&token, &targets) else {
                panic!("{token}");
            };
            assert!(why.starts_with(read.why.trim_end_matches('\u{2026}')));
            let same = Waiting {
                why: waiting.why.clone(),
                ..read
            };
            assert_eq!(same, waiting);
            // It is no deployment, and not for others.
            assert!(matches!(
                decode(&token, &targets),
                Err(BadToken::Damaged(_))
            ));
            assert_eq!(held(&token, &[target(7)]), Err(BadToken::OtherTargets));
        }
        let both = r#"1 {"f":"F","j":"j","t":1,"s":[["app:2","1","5",""]],"w":"x"}"#;
        let both = both.replace('F', &fingerprint(&[target(0)]));
        assert!(matches!(
            held(&both, &[target(0)]),
            Err(BadToken::Damaged(_))
        ));
    }

    #[test]
    fn failed_tasks_come_back_to_the_millisecond_so_that_none_counts_again() {
        let targets = [target(0)];
        let until = STARTED + Duration::from_millis(10_700);
        let mut services = services(&["app"], 42);
        services[0].failures = Failures {
            count: 3,
            until: Some(until),
        };
        let mut held = deployment(Stage::RollingOut, services);
        held.started = STARTED + Duration::from_millis(400);
        held.paused = Paused {
            total: Duration::from_secs(90),
            since: Some(STARTED + Duration::from_secs(100)),
        };
        held.waited = Duration::from_secs(77);
        for _ in 0..3 {
            held = decode(&encode(&held).unwrap(), &targets).unwrap();
            assert_eq!(held.services[0].failures.until, Some(until));
            assert_eq!(held.services[0].failures.count, 3);
            assert_eq!(held.paused.total, Duration::from_secs(90));
            assert_eq!(held.waited, Duration::from_secs(77));
        }
    }
}
