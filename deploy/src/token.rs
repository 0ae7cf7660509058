//! Phase ⇄ continuation token.
//!
//! A token is `1 ` and a JSON object with short keys. The version stands before the body, so that
//! an old token is recognised as old instead of being misread; the length is checked before
//! anything is parsed. What the next event brings anyway, the parameters, is not in it; a
//! fingerprint of the targets is, so that a token is never applied to other services.

use serde::{Deserialize, Serialize};

use super::phase::{Owner, Phase, ServiceRollout};
use super::revision::Revision;
use super::text;
use super::time::Timestamp;
use super::timeline::Timeline;

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

/// Where a deployment was left off, and what is carried along with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOff {
    /// The phase: all that decides.
    pub phase: Phase,
    /// What was seen so far, for the record; as many as there are services, or fewer.
    pub timelines: Vec<Timeline>,
    /// Which version of the artifact its `ConfigFile` was read from.
    pub config_pin: Option<String>,
}

impl From<Phase> for LeftOff {
    fn from(phase: Phase) -> Self {
        Self {
            phase,
            timelines: Vec::new(),
            config_pin: None,
        }
    }
}

/// What is written down: a type of its own, so that [`Phase`] may change without old tokens.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    /// Fingerprint of the targets.
    f: String,
    /// The starting job.
    j: String,
    /// Epoch seconds of the update.
    t: i64,
    /// Of the task before the deployment, if the phase is `PreDeploy`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    p: Option<SavedTask>,
    /// Of the way back, if the phase is `RollingBack`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    b: Option<SavedRollback>,
    /// One for each target.
    s: Vec<SavedService>,
    /// Timelines, separated by `;`.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    l: String,
    /// The version of the artifact with the `ConfigFile`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    v: Option<String>,
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
struct SavedRollback {
    /// Epoch seconds when it was first seen or asked for.
    t: i64,
    /// We asked for it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    o: bool,
    /// Which service failed first.
    n: usize,
    /// Why.
    c: String,
}

/// Revision, previous revision (`41` if of the same family), deployment and service deployment
/// without what all of them begin with; whether the previous one was overwritten unseen, if so.
#[derive(Debug, Serialize, Deserialize)]
struct SavedService(
    String,
    String,
    String,
    String,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)] bool,
);

/// What the id of every deployment of ECS begins with.
pub const DEPLOYMENT_PREFIX: &str = "ecs-svc/";

/// A fingerprint of `targets` (what [`decode`] is given must agree): FNV-1a, 32 bits, in hex.
pub fn fingerprint<'a>(targets: impl IntoIterator<Item = &'a str>) -> String {
    const OFFSET_BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let mut hash = OFFSET_BASIS;
    for target in targets {
        for byte in target.bytes().chain(std::iter::once(0)) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(PRIME);
        }
    }
    format!("{hash:08x}")
}

/// Writes down where a deployment was left off. Timelines give way first, then a long cause;
/// nothing else is cut.
///
/// # Errors
/// [`TooLarge`] if it does not fit even without those.
pub fn encode(left_off: &LeftOff, fingerprint: &str) -> Result<String, TooLarge> {
    let phase = &left_off.phase;
    let mut timelines = left_off.timelines.clone();
    let mut room = CAUSE_LIMIT_BYTES;
    loop {
        let saved = Saved {
            f: fingerprint.to_owned(),
            j: phase.job().to_owned(),
            t: phase.started().as_secs(),
            p: saved_task(phase),
            b: saved_rollback(phase, room),
            s: phase.services().iter().map(saved_service).collect(),
            l: written(&timelines),
            v: left_off.config_pin.clone(),
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

/// The same token without what is only carried along: timelines, and the cause of a rollback, which
/// the next invocation looks for again. `None` if there is nothing to leave out.
pub fn shortest(token: &str) -> Option<String> {
    let mut saved = open(token).ok()?;
    saved.l.clear();
    if let Some(rollback) = &mut saved.b {
        rollback.c.clear();
    }
    let body = serde_json::to_string(&saved).ok()?;
    Some(format!("{VERSION} {body}")).filter(|shortest| shortest.len() < token.len())
}

fn saved_task(phase: &Phase) -> Option<SavedTask> {
    match phase {
        Phase::PreDeploy { task, service, .. } => Some(SavedTask {
            k: task.clone(),
            n: *service,
        }),
        Phase::RollingOut { .. } | Phase::RollingBack { .. } => None,
    }
}

fn saved_rollback(phase: &Phase, room: usize) -> Option<SavedRollback> {
    match phase {
        Phase::PreDeploy { .. } | Phase::RollingOut { .. } => None,
        Phase::RollingBack {
            since,
            failed,
            owner,
            cause,
            ..
        } => Some(SavedRollback {
            t: since.as_secs(),
            o: *owner == Owner::Job,
            n: *failed,
            c: text::cut_bytes(cause, room),
        }),
    }
}

fn written(timelines: &[Timeline]) -> String {
    let written: Vec<String> = timelines.iter().map(Timeline::encode).collect();
    written.join(";").trim_end_matches(';').to_owned()
}

fn thin_longest(timelines: &mut [Timeline]) -> bool {
    let longest = timelines.iter_mut().max_by_key(|one| one.points().len());
    longest.is_some_and(Timeline::thin)
}

/// Which version of the artifact the `ConfigFile` was read from, as [`encode`] wrote it. Without
/// the parameters of that file nobody knows yet which services the token is for.
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

/// Reads a token written by [`encode`] for the same targets.
///
/// # Errors
/// [`BadToken`] for anything else; never panics, whatever the text.
pub fn decode(token: &str, fingerprint: &str) -> Result<LeftOff, BadToken> {
    let saved = open(token)?;
    if saved.f != fingerprint {
        return Err(BadToken::OtherTargets);
    }
    let damaged = |what: &str| BadToken::Damaged(what.to_owned());
    let services = saved
        .s
        .iter()
        .map(service)
        .collect::<Result<Vec<_>, BadToken>>()?;
    if services.is_empty() {
        return Err(damaged("it names no service"));
    }
    let started = time(saved.t)?;
    let job = saved.j;
    let is_one = |place: usize| place < services.len();
    let all_touched = services.iter().all(ServiceRollout::is_touched);
    let phase = match (saved.p, saved.b) {
        (None, None) if !all_touched => return Err(damaged("a deployment id is missing")),
        (None, None) => Phase::RollingOut {
            job,
            started,
            services,
        },
        (Some(task), None) if is_one(task.n) && !task.k.is_empty() => Phase::PreDeploy {
            job,
            started,
            task: task.k,
            service: task.n,
            services,
        },
        (None, Some(rollback)) if is_one(rollback.n) => Phase::RollingBack {
            job,
            started,
            owner: if rollback.o { Owner::Job } else { Owner::Ecs },
            since: time(rollback.t)?,
            failed: rollback.n,
            cause: rollback.c,
            services,
        },
        _ => return Err(damaged("what it points to is not one of its services")),
    };
    let timelines = saved.l.split(';').map(Timeline::decode);
    let timelines: Option<Vec<Timeline>> = timelines.collect();
    let timelines = timelines
        .filter(|timelines| timelines.len() <= phase.services().len())
        .ok_or_else(|| damaged("its timelines cannot be read"))?;
    Ok(LeftOff {
        phase,
        timelines,
        config_pin: saved.v,
    })
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

fn saved_service(rollout: &ServiceRollout) -> SavedService {
    let previous = if rollout.previous.family() == rollout.revision.family() {
        rollout.previous.number().to_string()
    } else {
        rollout.previous.to_string()
    };
    let deployment = match rollout.deployment.strip_prefix(DEPLOYMENT_PREFIX) {
        Some(digits) => digits.to_owned(),
        None if !rollout.is_touched() => String::new(),
        // Not ECS's usual form: kept whole, marked by the slash that digits never have.
        None => format!("/{}", rollout.deployment),
    };
    SavedService(
        rollout.revision.to_string(),
        previous,
        deployment,
        rollout.service_deployment.clone().unwrap_or_default(),
        rollout.overwrote,
    )
}

fn service(saved: &SavedService) -> Result<ServiceRollout, BadToken> {
    let damaged = |error: super::revision::NotARevision| BadToken::Damaged(error.to_string());
    let SavedService(revision, previous, deployment, service_deployment, overwrote) = saved;
    let revision = Revision::parse(revision).map_err(damaged)?;
    let previous = if previous.contains(':') {
        Revision::parse(previous)
    } else {
        Revision::parse(&format!("{}:{previous}", revision.family()))
    }
    .map_err(damaged)?;
    let deployment = match deployment.strip_prefix('/') {
        Some(whole) => whole.to_owned(),
        None if deployment.is_empty() => String::new(),
        None => format!("{DEPLOYMENT_PREFIX}{deployment}"),
    };
    Ok(ServiceRollout {
        revision,
        previous,
        overwrote: *overwrote,
        deployment,
        service_deployment: Some(service_deployment.clone()).filter(|id| !id.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rollout(family: &str, number: u64) -> ServiceRollout {
        ServiceRollout {
            revision: Revision::parse(&format!("{family}:{number}")).unwrap(),
            previous: Revision::parse(&format!("{family}:{}", number - 1)).unwrap(),
            deployment: "ecs-svc/1234567890123456789".to_owned(),
            overwrote: false,
            service_deployment: Some("NCWGC2ZR-taawPAYrIaU5".to_owned()),
        }
    }

    fn rolling_out(services: Vec<ServiceRollout>) -> LeftOff {
        LeftOff::from(Phase::RollingOut {
            job: "11111111-2222-4333-8444-555555555555".to_owned(),
            started: Timestamp::from_secs(1_790_000_000),
            services,
        })
    }

    #[test]
    fn the_written_form_stays_what_earlier_invocations_wrote() {
        let token = encode(&rolling_out(vec![rollout("app", 42)]), "0a0b0c0d").unwrap();
        assert_eq!(
            token,
            r#"1 {"f":"0a0b0c0d","j":"11111111-2222-4333-8444-555555555555","t":1790000000,"s":[["app:42","41","1234567890123456789","NCWGC2ZR-taawPAYrIaU5"]]}"#
        );
    }

    #[test]
    fn ten_services_with_families_of_60_characters_fit_with_room_for_a_cause() {
        let services: Vec<_> = (0..10)
            .map(|n| rollout(&format!("{n}{}", "f".repeat(59)), 999_999))
            .collect();
        let phase = Phase::RollingBack {
            job: "11111111-2222-4333-8444-555555555555".to_owned(),
            started: Timestamp::from_secs(1_790_000_000),
            owner: Owner::Job,
            since: Timestamp::from_secs(1_790_000_100),
            failed: 9,
            cause: "\"quoted\" ".repeat(200),
            services,
        };
        let token = encode(&phase.into(), "0a0b0c0d").unwrap();
        assert!(token.len() <= TOKEN_LIMIT_BYTES);
        let Phase::RollingBack { cause, failed, .. } = decode(&token, "0a0b0c0d").unwrap().phase
        else {
            panic!()
        };
        assert_eq!(failed, 9);
        assert!(cause.chars().count() > 100, "{cause}");
    }

    #[test]
    fn what_cannot_fit_is_refused_with_its_size() {
        let services: Vec<_> = (0..10).map(|_| rollout(&"f".repeat(255), 2)).collect();
        let TooLarge(size) = encode(&rolling_out(services), "0a0b0c0d").unwrap_err();
        assert!(size > TOKEN_LIMIT_BYTES);
    }

    #[test]
    fn another_versions_token_is_told_as_such_before_its_body_is_read() {
        for token in ["2 {}", "", "1", "12 {}", "{\"f\":1}", "garbage"] {
            assert_eq!(
                decode(token, "x").unwrap_err(),
                BadToken::OtherVersion,
                "{token}"
            );
        }
    }

    #[test]
    fn a_token_for_other_services_is_refused() {
        let token = encode(
            &rolling_out(vec![rollout("app", 2)]),
            &fingerprint(["prod", "web"]),
        )
        .unwrap();
        assert!(decode(&token, &fingerprint(["prod", "web"])).is_ok());
        assert_eq!(
            decode(&token, &fingerprint(["prod", "api"])).unwrap_err(),
            BadToken::OtherTargets
        );
        assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
    }

    #[test]
    fn damaged_tokens_are_told() {
        let good = encode(&rolling_out(vec![rollout("app", 2)]), "f").unwrap();
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
            assert!(
                matches!(decode(&bad, "f"), Err(BadToken::Damaged(_))),
                "{bad}"
            );
        }
        let empty = r#"1 {"f":"f","j":"j","t":1,"s":[]}"#;
        assert!(matches!(decode(empty, "f"), Err(BadToken::Damaged(_))));
        let wrong_index =
            r#"1 {"f":"f","j":"j","t":1,"b":{"t":1,"n":1,"c":""},"s":[["a:2","1","9",""]]}"#;
        assert!(matches!(
            decode(wrong_index, "f"),
            Err(BadToken::Damaged(_))
        ));
        let long = format!("1 {}", "x".repeat(TOKEN_LIMIT_BYTES));
        assert_eq!(decode(&long, "f").unwrap_err(), BadToken::TooLong(2050));
    }

    /// Found by fuzzing: a time so late that it could not be written down again.
    #[test]
    fn a_time_that_is_none_is_damage() {
        let good = encode(&rolling_out(vec![rollout("app", 2)]), "f").unwrap();
        for secs in ["1790000555555555000", "-1", "253402300800"] {
            let bad = good.replacen("1790000000", secs, 1);
            assert!(
                matches!(decode(&bad, "f"), Err(BadToken::Damaged(_))),
                "{bad}"
            );
        }
    }

    fn any_rollout() -> impl Strategy<Value = ServiceRollout> {
        (
            "[A-Za-z0-9_-]{1,60}",
            1..2_000_000u64,
            proptest::option::of("[A-Za-z0-9_-]{1,60}"),
            0..2_000_000u64,
            "(ecs-svc/[0-9]{19}|[a-z0-9-]{1,30})",
            proptest::option::of("[A-Za-z0-9_-]{21}"),
        )
            .prop_map(
                |(family, number, other, before, deployment, service_deployment)| {
                    let before_in = other.unwrap_or_else(|| family.clone());
                    ServiceRollout {
                        revision: Revision::parse(&format!("{family}:{number}")).unwrap(),
                        previous: Revision::parse(&format!("{before_in}:{before}")).unwrap(),
                        overwrote: number % 2 == 0,
                        deployment,
                        service_deployment,
                    }
                },
            )
    }

    /// Points of a rollout that looked different at each look.
    fn busy(points: u32) -> Timeline {
        let mut timeline = Timeline::default();
        for at in 0..points {
            let progress = crate::rollout::Progress {
                new_running: i32::try_from(at).unwrap(),
                ..Default::default()
            };
            timeline.add(u64::from(at) * 5, &progress);
        }
        timeline
    }

    #[test]
    fn timelines_give_way_before_the_cause_and_never_make_a_token_too_long() {
        let services: Vec<_> = (0..10)
            .map(|n| rollout(&format!("{n}{}", "f".repeat(40)), 999_999))
            .collect();
        let mut left_off = rolling_out(services);
        left_off.timelines = vec![busy(200); 10];
        let token = encode(&left_off, "0a0b0c0d").unwrap();
        assert!(token.len() <= TOKEN_LIMIT_BYTES);
        let read = decode(&token, "0a0b0c0d").unwrap();
        assert_eq!(read.phase, left_off.phase);
        assert!(read.timelines.iter().any(|one| !one.points().is_empty()));
    }

    #[test]
    fn a_services_timeline_of_a_usual_rollout_is_carried_whole() {
        let mut left_off = rolling_out(vec![rollout("app", 2)]);
        left_off.timelines = vec![busy(60)];
        let token = encode(&left_off, "f").unwrap();
        assert_eq!(decode(&token, "f").unwrap(), left_off);
    }

    #[test]
    fn the_shortest_token_is_for_the_same_state_without_what_is_only_carried_along() {
        let mut left_off = LeftOff::from(Phase::RollingBack {
            job: "j".to_owned(),
            started: Timestamp::from_secs(1_790_000_000),
            owner: Owner::Job,
            since: Timestamp::from_secs(1_790_000_100),
            failed: 0,
            cause: "🙂 crashed".to_owned(),
            services: vec![rollout("app", 2)],
        });
        left_off.timelines = vec![busy(5)];
        left_off.config_pin = Some("e1".to_owned());
        let token = encode(&left_off, "f").unwrap();
        let short = shortest(&token).unwrap();
        assert!(short.is_ascii() && short.len() < token.len(), "{short}");
        let read = decode(&short, "f").unwrap();
        assert_eq!(read.phase.services(), left_off.phase.services());
        assert_eq!(read.phase.name(), "RollingBack");
        assert_eq!(read.config_pin, left_off.config_pin);
        assert_eq!(shortest(&short), None, "there is nothing more to leave out");
        assert_eq!(shortest("garbage"), None);
    }

    #[test]
    fn the_version_of_the_config_file_can_be_read_before_the_services_are_known() {
        let mut left_off = rolling_out(vec![rollout("app", 2)]);
        left_off.config_pin = Some("e\"abc\"".to_owned());
        let token = encode(&left_off, "f").unwrap();
        assert_eq!(config_pin(&token).unwrap().as_deref(), Some("e\"abc\""));
        assert_eq!(
            started(&token).unwrap(),
            Timestamp::from_secs(1_790_000_000)
        );
        assert!(config_pin("2 x").is_err());
    }

    fn untouched(mut services: Vec<ServiceRollout>) -> Vec<ServiceRollout> {
        for service in &mut services {
            service.deployment.clear();
            service.service_deployment = None;
        }
        services
    }

    proptest! {
        #[test]
        fn ten_services_and_families_of_60_characters_always_fit(
            families in proptest::collection::vec("[A-Za-z0-9_-]{60}", 10),
            number in 1..9_999_999u64,
            deployment in 1_000_000_000_000_000_000..u64::MAX,
            service_deployment in "[A-Za-z0-9_-]{32}",
            cause in "\\PC{0,400}",
        ) {
            let services: Vec<ServiceRollout> = families.iter().map(|family| ServiceRollout {
                deployment: format!("ecs-svc/{deployment}"),
                overwrote: true,
                service_deployment: Some(service_deployment.clone()),
                ..rollout(family, number + 1)
            }).collect();
            let job = "11111111-2222-4333-8444-555555555555".to_owned();
            let started = Timestamp::from_secs(1_790_000_000);
            for phase in [
                Phase::PreDeploy {
                    job: job.clone(), started, task: "f".repeat(32), service: 9,
                    services: untouched(services.clone()),
                },
                Phase::RollingOut { job: job.clone(), started, services: services.clone() },
                Phase::RollingBack {
                    job, started, owner: Owner::Job, since: started, failed: 9, cause, services,
                },
            ] {
                let token = encode(&phase.clone().into(), "0a0b0c0d").unwrap();
                prop_assert!(token.len() <= TOKEN_LIMIT_BYTES);
                let read = decode(&token, "0a0b0c0d").unwrap();
                prop_assert_eq!(read.phase.services(), phase.services());
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
            let services: Vec<ServiceRollout> =
                families.iter().map(|family| rollout(family, 999_999)).collect();
            let mut left_off = LeftOff::from(Phase::RollingBack {
                job: "11111111-2222-4333-8444-555555555555".to_owned(),
                started: Timestamp::from_secs(1_790_000_000),
                owner: Owner::Job,
                since: Timestamp::from_secs(1_790_000_100),
                failed: 0,
                cause,
                services,
            });
            left_off.timelines = vec![busy(points); families.len()];
            let token = encode(&left_off, "0a0b0c0d").unwrap();
            prop_assert!(token.len() <= TOKEN_LIMIT_BYTES, "{} bytes", token.len());
            let read = decode(&token, "0a0b0c0d").unwrap();
            prop_assert_eq!(read.phase.services(), left_off.phase.services());
            let short = shortest(&token).unwrap_or(token);
            let read = decode(&short, "0a0b0c0d").unwrap();
            prop_assert_eq!(read.phase.services(), left_off.phase.services());
        }

        #[test]
        fn what_was_seen_over_time_takes_no_room_from_what_decides(
            families in proptest::collection::vec("[A-Za-z0-9_-]{1,200}", 1..=10),
            points in proptest::collection::vec((0..90_000u64, any::<i32>(), any::<i32>()), 0..80),
            cause in "\\PC{0,700}",
            is_rolling_back: bool,
            config_pin in proptest::option::of("[a-f0-9]{32}"),
        ) {
            let services: Vec<ServiceRollout> =
                families.iter().map(|family| rollout(family, 999_999)).collect();
            let job = "11111111-2222-4333-8444-555555555555".to_owned();
            let started = Timestamp::from_secs(1_790_000_000);
            let phase = if is_rolling_back {
                Phase::RollingBack {
                    job, started, owner: Owner::Job, since: started, failed: 0, cause, services,
                }
            } else {
                Phase::RollingOut { job, started, services }
            };
            let mut timeline = Timeline::default();
            for (at, new_running, old_running) in points {
                timeline.add(at, &crate::rollout::Progress {
                    new_running,
                    old_running,
                    stage: Some("POST_PRODUCTION_TRAFFIC_SHIFT".to_owned()),
                    new_weight: Some(100.0),
                    ..Default::default()
                });
            }
            let without = LeftOff { phase, timelines: Vec::new(), config_pin };
            let with = LeftOff { timelines: vec![timeline; families.len()], ..without.clone() };
            match (encode(&without, "f"), encode(&with, "f")) {
                (Ok(without), Ok(with)) => {
                    let (without, with) = (decode(&without, "f").unwrap(), decode(&with, "f").unwrap());
                    prop_assert_eq!(with.phase, without.phase);
                    prop_assert_eq!(with.config_pin, without.config_pin);
                }
                (without, with) => prop_assert_eq!(with.is_ok(), without.is_ok()),
            }
        }

        #[test]
        fn every_phase_of_up_to_ten_services_reads_back_as_it_was_written(
            services in proptest::collection::vec(any_rollout(), 1..=10),
            job in "[0-9a-f-]{36}",
            started in 0..4_000_000_000i64,
            back in proptest::option::of((0..4_000_000_000i64, 0..10usize, "\\PC{0,40}")),
            is_ours: bool,
            task in proptest::option::of("[0-9a-f]{32}"),
        ) {
            let started = Timestamp::from_secs(started);
            let phase = match (back, task) {
                (None, None) => Phase::RollingOut { job, started, services },
                (None, Some(task)) => Phase::PreDeploy {
                    job, started, task, service: services.len() - 1, services: untouched(services),
                },
                (Some((since, failed, cause)), _) => Phase::RollingBack {
                    job,
                    started,
                    owner: if is_ours { Owner::Job } else { Owner::Ecs },
                    since: Timestamp::from_secs(since),
                    failed: failed % services.len(),
                    cause,
                    services,
                },
            };
            // Families of their own for the previous revisions may take more than there is room for.
            if let Ok(token) = encode(&phase.clone().into(), "0a0b0c0d") {
                prop_assert!(token.len() <= TOKEN_LIMIT_BYTES);
                let read = decode(&token, "0a0b0c0d").unwrap().phase;
                if let (Phase::RollingBack { cause: read, .. }, Phase::RollingBack { cause, .. }) = (&read, &phase)
                    && read.len() < cause.len() {
                    // Where there is no room even for the mark there is none.
                    prop_assert!(read.ends_with('…') || cause.starts_with(read.as_str()));
                } else {
                    prop_assert_eq!(read, phase);
                }
            }
        }

        #[test]
        fn reading_a_token_never_panics(text in "\\PC{0,300}", body in "[\\[\\]{}\":,a-z0-9 ]{0,200}") {
            let _ = decode(&text, "f");
            let _ = decode(&format!("1 {body}"), "f");
        }
    }
}
