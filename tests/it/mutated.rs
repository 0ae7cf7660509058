//! The whole function under answers that AWS should not give: members dropped, of another type or
//! never seen, identifiers exchanged, states of a moment ago, errors of each kind after the fact,
//! bodies cut short. Whole actions are played to their end.
//!
//! Whatever is answered: never a success unless the simulator's true state is that this job's
//! revision serves by its one deployment; every invocation answers its job once; every action
//! ends; no defect of our own shows; no secret is in an answer, a report or a log; at most one
//! revision and one deployment.
//!
//! `MUTATED_CASES` and `MUTATED_SEED` (numbers) make longer and other runs; the first of them all
//! counter-examples are reported, each as small as it gets.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use ecs_deploy_action::logs::{Format, subscriber};
use ecs_deploy_action::settings::environment;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use simulator::ecs::{Behaviour, Intervention, ServiceSetup, Strategy as Shifting};
use simulator::{Answer, Reply};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{Kept, World, id_of, logging_app, second_listener};

/// As many cases as the suite plays.
const CASES: u32 = 150;

/// Every secret of the simulator's world has this in it.
const MARK: &str = "MARK";

/// More invocations than any action of [`TIMEOUT_MINUTES`] takes, with half an hour for a rollback.
const INVOCATIONS: usize = 80;

/// Between two of them.
const PAUSE: Duration = Duration::from_mins(1);

/// How old the services are.
const AGE: Duration = Duration::from_hours(1);

const TIMEOUT_MINUTES: u32 = 4;

/// Lambda brings an event whose invocation failed two times more.
const DELIVERIES: usize = 3;

const OPERATIONS: [&str; 17] = [
    "DescribeServices",
    "DescribeServiceDeployments",
    "ListServiceDeployments",
    "DescribeServiceRevisions",
    "UpdateService",
    "RegisterTaskDefinition",
    "DescribeTaskDefinition",
    "ListTaskDefinitions",
    "DeregisterTaskDefinition",
    "ListTasks",
    "DescribeTasks",
    "RunTask",
    "StopServiceDeployment",
    "GetLogEvents",
    "GetObject",
    "PutJobSuccessResult",
    "PutJobFailureResult",
];

/// What is done to an answer. Which place in it, [`Mutation::pick`] says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Drop,
    Null,
    EmptyList,
    EmptyObject,
    EmptyText,
    OtherType,
    /// An enum value becomes one that no version of ECS has.
    NeverSeen,
    Huge,
    Negative,
    Fraction,
    /// A list has its first element twice.
    Duplicate,
    Reverse,
    /// Two ARNs or deployment ids change places.
    Swap,
    /// The number at the end of an ARN, a revision or an id is another.
    OtherNumber,
    UnknownMember,
    LongText,
    /// What this operation answered first.
    Stale,
    Truncate,
    OtherContentType,
    Page,
    NoBody,
    /// Done, but answered with this error.
    Lost(&'static str, u16),
    /// Not done.
    Refused(&'static str, u16),
}

use Kind::{Lost, Refused};

const KINDS: [Kind; 42] = [
    Kind::Drop,
    Kind::Drop,
    Kind::Null,
    Kind::Null,
    Kind::EmptyList,
    Kind::EmptyList,
    Kind::EmptyObject,
    Kind::EmptyText,
    Kind::EmptyText,
    Kind::OtherType,
    Kind::NeverSeen,
    Kind::NeverSeen,
    Kind::Huge,
    Kind::Negative,
    Kind::Fraction,
    Kind::Duplicate,
    Kind::Reverse,
    Kind::Swap,
    Kind::Swap,
    Kind::OtherNumber,
    Kind::OtherNumber,
    Kind::UnknownMember,
    Kind::LongText,
    Kind::Stale,
    Kind::Stale,
    Kind::Truncate,
    Kind::OtherContentType,
    Kind::Page,
    Kind::NoBody,
    Lost("ServerException", 500),
    Lost("NeverSeenException", 503),
    Refused("ThrottlingException", 400),
    Refused("ServerException", 500),
    Refused("AccessDeniedException", 400),
    Refused("ClientException", 400),
    Refused("InvalidParameterException", 400),
    Refused("ServiceNotFoundException", 400),
    Refused("UnsupportedFeatureException", 400),
    Refused("ExpiredTokenException", 400),
    Refused("UnrecognizedClientException", 403),
    Refused("ValidationException", 400),
    Refused("NeverSeenException", 418),
];

#[derive(Clone, Debug)]
struct Mutation {
    operation: &'static str,
    /// How many calls of it come first.
    after: usize,
    /// How many calls meet it.
    times: usize,
    kind: Kind,
    /// Which of the places that the kind fits, modulo their number.
    pick: usize,
    other: usize,
}

#[derive(Clone, Debug)]
struct Case {
    scenario: usize,
    mutations: Vec<Mutation>,
}

fn any_case() -> impl Strategy<Value = Case> {
    let mutation = (
        select(&OPERATIONS[..]),
        0..6usize,
        select(&[1usize, 1, 2, 4, 8, 1000][..]),
        select(&KINDS[..]),
        any::<u16>(),
        any::<u16>(),
    );
    let mutation = mutation.prop_map(|(operation, after, times, kind, pick, other)| Mutation {
        operation,
        after,
        times,
        kind,
        pick: usize::from(pick),
        other: usize::from(other),
    });
    (0..SCENARIOS.len(), vec(mutation, 1..=3)).prop_map(|(scenario, mutations)| Case {
        scenario,
        mutations,
    })
}

/// Makes the world of a case ready; further parameters.
type Scenario = fn(&World) -> Value;

const SCENARIOS: [Scenario; 9] = [
    |world| healthy(world, ServiceSetup::default()),
    |world| {
        let setup = ServiceSetup {
            strategy: Shifting::BlueGreen,
            ..ServiceSetup::default()
        };
        healthy(world, setup)
    },
    |world| {
        let setup = ServiceSetup {
            bake_minutes: 1,
            circuit_breaker: Some(true),
            ..ServiceSetup::default()
        };
        healthy(world, setup)
    },
    |world| crashing(world, Some(true)),
    |world| crashing(world, None),
    // Somebody else's deployment takes the place of ours.
    |world| {
        let parameters = healthy(world, ServiceSetup::default());
        let other = world.simulator.ecs().register(secretive("repo/app:hotfix"));
        let other = Intervention::Deploy {
            task_definition: other,
        };
        let after = Duration::from_secs(15);
        world
            .simulator
            .ecs()
            .on_update("prod", "shop", after, other);
        parameters
    },
    // It completes, and is set back before the next look.
    |world| {
        let parameters = healthy(world, ServiceSetup::default());
        let back = Intervention::Deploy {
            task_definition: "app:2".to_owned(),
        };
        let after = Duration::from_secs(61);
        world.simulator.ecs().on_update("prod", "shop", after, back);
        parameters
    },
    |world| {
        let mut parameters = healthy(world, ServiceSetup::default());
        parameters["PreDeployTask"] =
            json!({"Container": "app", "Command": ["migrate", "up"], "Timeout": 3});
        let ended = Behaviour::Crash {
            exit_code: 0,
            after_seconds: 3,
            log_lines: Vec::new(),
        };
        world.simulator.ecs().command("migrate up", ended);
        parameters
    },
    // Two services of one family.
    |world| {
        let mut parameters = healthy(world, ServiceSetup::default());
        parameters["ServiceName"] = Value::Null;
        parameters["Services"] = json!(["shop", "jobs"]);
        world.simulator.ecs().create_service(ServiceSetup {
            cluster: "prod".to_owned(),
            name: "jobs".to_owned(),
            task_definition: "app:2".to_owned(),
            ..ServiceSetup::default()
        });
        parameters
    },
];

/// A revision whose environment is secret.
fn secretive(image: &str) -> Value {
    let mut definition = logging_app(image);
    definition["containerDefinitions"][0]["environment"] =
        json!([{"name": "DATABASE_URL", "value": "postgres://app:MARK@db/app"}]);
    definition
}

fn healthy(world: &World, setup: ServiceSetup) -> Value {
    let ecs = world.simulator.ecs();
    ecs.register(secretive("repo/app:v1"));
    ecs.create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "shop".to_owned(),
        task_definition: "app:2".to_owned(),
        ..setup
    });
    json!({"ServiceName": "shop", "DeploymentTimeout": TIMEOUT_MINUTES})
}

fn crashing(world: &World, circuit_breaker: Option<bool>) -> Value {
    let crash = Behaviour::Crash {
        exit_code: 3,
        after_seconds: 2,
        log_lines: vec!["panic: no database".to_owned()],
    };
    world.simulator.ecs().image("v2", crash);
    let setup = ServiceSetup {
        circuit_breaker,
        ..ServiceSetup::default()
    };
    healthy(world, setup)
}

/// The pointers of all values within `value`, itself first, that `fits`.
fn places(value: &Value, fits: &dyn Fn(&Value) -> bool) -> Vec<String> {
    fn walk(value: &Value, at: &str, fits: &dyn Fn(&Value) -> bool, found: &mut Vec<String>) {
        if fits(value) {
            found.push(at.to_owned());
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    walk(member, &format!("{at}/{name}"), fits, found);
                }
            }
            Value::Array(elements) => {
                for (place, element) in elements.iter().enumerate() {
                    walk(element, &format!("{at}/{place}"), fits, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", fits, &mut found);
    found
}

/// Identifiers: ARNs and ECS's ids of deployments. What is secret stays where it is.
fn is_id(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.starts_with("arn:") || text.starts_with("ecs-svc/")
}

/// As states, kinds and codes are written.
fn is_word(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() > 2 && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

fn next_number(text: &str) -> String {
    let start = text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[start..].parse().unwrap_or(0);
    format!("{}{}", &text[..start], number.wrapping_add(1))
}

fn mutate(value: &mut Value, mutation: &Mutation) {
    let kind = mutation.kind;
    let fits: &dyn Fn(&Value) -> bool = match kind {
        Kind::EmptyList | Kind::Duplicate | Kind::Reverse => &Value::is_array,
        Kind::EmptyObject | Kind::UnknownMember => &Value::is_object,
        Kind::EmptyText | Kind::LongText => &Value::is_string,
        Kind::NeverSeen => &is_word,
        Kind::Huge | Kind::Negative | Kind::Fraction => &Value::is_number,
        Kind::Swap | Kind::OtherNumber => &is_id,
        _ => &|_: &Value| true,
    };
    let places = places(value, fits);
    if places.is_empty() {
        return;
    }
    let place = &places[mutation.pick % places.len()];
    if kind == Kind::Drop {
        let (parent, last) = place.rsplit_once('/').unwrap_or_default();
        match value.pointer_mut(parent) {
            Some(Value::Object(members)) => drop(members.remove(last)),
            Some(Value::Array(elements)) => {
                if let Ok(at) = last.parse::<usize>() {
                    elements.remove(at);
                }
            }
            _ => {}
        }
        return;
    }
    if kind == Kind::Swap {
        let other = &places[mutation.other % places.len()];
        let taken = value.pointer(other).cloned().unwrap_or_default();
        let put = value
            .pointer_mut(place)
            .map(|here| std::mem::replace(here, taken));
        if let (Some(there), Some(put)) = (value.pointer_mut(other), put) {
            *there = put;
        }
        return;
    }
    let Some(here) = value.pointer_mut(place) else {
        return;
    };
    match (kind, here) {
        (Kind::Null, here) => *here = Value::Null,
        (Kind::EmptyList, here) => *here = json!([]),
        (Kind::EmptyObject, here) => *here = json!({}),
        (Kind::EmptyText, here) => *here = json!(""),
        (Kind::OtherType, here) => {
            *here = match here {
                Value::String(_) => json!(7),
                Value::Number(_) => json!("seven"),
                Value::Bool(_) => json!(["true"]),
                Value::Array(_) => json!({"items": 1}),
                Value::Null | Value::Object(_) => json!("object"),
            }
        }
        (Kind::NeverSeen, here) => *here = json!("NEVER_SEEN_BEFORE"),
        (Kind::Huge, here) => *here = json!(u64::MAX),
        (Kind::Negative, here) => *here = json!(i64::MIN),
        (Kind::Fraction, here) => *here = json!(1.0e300),
        (Kind::Duplicate, Value::Array(elements)) => {
            if let Some(first) = elements.first().cloned() {
                elements.insert(0, first);
            }
        }
        (Kind::Reverse, Value::Array(elements)) => elements.reverse(),
        (Kind::OtherNumber, Value::String(text)) => *text = next_number(text),
        (Kind::UnknownMember, Value::Object(members)) => {
            members.insert("neverSeen".to_owned(), json!({"a": [1, null]}));
        }
        (Kind::LongText, here) => *here = json!("\u{202e}ü🦀\u{0}".repeat(3000)),
        _ => {}
    }
}

/// Does to an answer what the mutation says.
fn change(reply: &mut Reply, mutation: &Mutation, first: &[u8]) {
    match mutation.kind {
        Refused(..) => {}
        Lost(code, status) => {
            reply.status = status;
            let body = json!({"__type": code, "message": "It was done all the same."});
            reply.body = body.to_string().into_bytes();
        }
        Kind::Stale => reply.body = first.to_vec(),
        Kind::Truncate => {
            let half = reply.body.len() / 2;
            reply.body.truncate(half);
        }
        Kind::OtherContentType => reply.content_type = Some("text/html; charset=x".to_owned()),
        Kind::Page => {
            reply.status = [200, 404, 502][mutation.pick % 3];
            reply.content_type = Some("text/html".to_owned());
            reply.body = b"<html><body>Bad Gateway</body></html>".to_vec();
        }
        Kind::NoBody => reply.body.clear(),
        _ => {
            if let Ok(mut value) = serde_json::from_slice(&reply.body) {
                mutate(&mut value, mutation);
                reply.body = value.to_string().into_bytes();
            }
        }
    }
}

/// From now on the simulator answers as the case says.
fn arm(world: &World, case: &Case) {
    let faults = world.simulator.faults();
    for mutation in &case.mutations {
        if let Refused(code, status) = mutation.kind {
            let Mutation {
                operation,
                after,
                times,
                ..
            } = *mutation;
            faults.fail_after(operation, after, times, status, code, "It was refused.");
        }
    }
    let mutations = case.mutations.clone();
    let mut seen: BTreeMap<String, (usize, Vec<u8>)> = BTreeMap::new();
    faults.rewrite(move |call, reply| {
        let entry = seen.entry(call.operation.clone());
        let (count, first) = entry.or_insert_with(|| (0, reply.body.clone()));
        for mutation in &mutations {
            let span = mutation.after..mutation.after + mutation.times;
            if mutation.operation == call.operation && span.contains(count) {
                change(reply, mutation, first);
            }
        }
        *count += 1;
    });
}

/// What is wrong with a text that leaves the function.
pub(crate) fn leak(what: &str, text: &str) -> Result<(), String> {
    for sign in [MARK, simulator::FUNCTION_SECRET_ACCESS_KEY] {
        if let Some(at) = text.find(sign) {
            let from = text[..at]
                .char_indices()
                .rev()
                .nth(200)
                .map_or(0, |(at, _)| at);
            return Err(format!(
                "a secret is in {what}: {}",
                &text[from..at + sign.len()]
            ));
        }
    }
    if text.contains("defect of its own") || text.contains("Panic") {
        return Err(format!("a defect of our own is in {what}: {text}"));
    }
    Ok(())
}

fn services_of(world: &World) -> Vec<&'static str> {
    let ecs = world.simulator.ecs();
    let both = ["shop", "jobs"].into_iter();
    both.filter(|name| ecs.service("prod", name).is_some())
        .collect()
}

/// The revisions that the job has made, ACTIVE or not.
fn own_of(world: &World, job: &str) -> Vec<String> {
    let ecs = world.simulator.ecs();
    let mut own = ecs.revisions("app");
    own.retain(|arn| {
        let tags = ecs.task_definition(arn).unwrap()["tags"].clone();
        let mut tags = tags.as_array().unwrap().iter();
        tags.any(|tag| tag["key"] == "ecs-deploy-action:job" && tag["value"] == job)
    });
    own
}

/// Whether a success is true now.
fn serving(world: &World, job: &str) -> Result<(), String> {
    let own = own_of(world, job);
    for name in services_of(world) {
        let service = world.simulator.ecs().service("prod", name).unwrap();
        let primary = &service["deployments"][0];
        let is_own = |arn: &Value| own.iter().any(|own| arn == own);
        let is_complete = primary["rolloutState"] == "COMPLETED";
        if !is_own(&service["taskDefinition"])
            || !is_own(&primary["taskDefinition"])
            || !is_complete
        {
            return Err(format!(
                "a false success: own {own:?}, but {name} is set to {} with {primary}",
                service["taskDefinition"]
            ));
        }
    }
    Ok(())
}

/// At most one revision and one deployment for each service.
fn once(world: &World, job: &str) -> Result<(), String> {
    let own = own_of(world, job);
    if own.len() > 1 {
        return Err(format!("{} revisions: {own:?}", own.len()));
    }
    for name in services_of(world) {
        for arn in &own {
            let deployments = world.simulator.ecs().deployments_of("prod", name, arn);
            if deployments > 1 {
                return Err(format!("{deployments} deployments of {arn} on {name}"));
            }
        }
    }
    if world.simulator.ecs().tasks_run().len() > 1 {
        return Err("more than one task before the deployment".to_owned());
    }
    Ok(())
}

/// One event, as often as Lambda brings it. Whether its job was answered.
async fn deliver(world: &World, event: &Value, answers_fail: bool) -> Result<bool, String> {
    let job = id_of(event);
    for delivery in 0..DELIVERIES {
        let invocation = world.invocation();
        let handled = Box::pin(world.handler.handle(event, &invocation)).await;
        let answered = world.simulator.codepipeline().answer(&job).is_some();
        match handled {
            Ok(report) => {
                leak("a report", &report.to_string())?;
                if !answered && !answers_fail {
                    return Err(format!("silence, with the report {report}"));
                }
                return Ok(answered);
            }
            Err(error) => {
                leak("a function error", &error.to_string())?;
                if !answers_fail {
                    return Err(format!("a function error: {error}"));
                }
            }
        }
        let minutes = u64::try_from(delivery + 1).unwrap();
        world
            .simulator
            .clock()
            .advance(Duration::from_mins(minutes));
    }
    Ok(world.simulator.codepipeline().answer(&job).is_some())
}

async fn play(case: &Case, log: &Kept) -> Result<(), String> {
    let world = World::new();
    let parameters = SCENARIOS[case.scenario](&world);
    // The services have been there for a while.
    world.simulator.clock().advance(AGE);
    let start = world.start(parameters);
    let job = id_of(&start);
    arm(&world, case);
    let mut answering = case.mutations.iter();
    let answers_fail = answering.any(|one| one.operation.starts_with("PutJob"));
    let mut event = start.clone();
    for _ in 0..INVOCATIONS {
        let answered = deliver(&world, &event, answers_fail).await?;
        once(&world, &job)?;
        let answer = world.simulator.codepipeline().answer(&id_of(&event));
        leak("an answer", &format!("{answer:?}"))?;
        leak("the log", &log.take())?;
        if let Some(Answer::Success {
            continuation_token: None,
            ..
        }) = answer
        {
            serving(&world, &job)?;
        }
        if !answered {
            return Ok(());
        }
        match world.simulator.codepipeline().next_event(&id_of(&event)) {
            Some(next) => event = next,
            None => return Ok(()),
        }
        world.simulator.clock().advance(PAUSE);
    }
    Err("the action never ended".to_owned())
}

/// Runs `work` and keeps all that is logged.
pub(crate) fn logged<T>(log: &Kept, work: impl Future<Output = T>) -> T {
    let format = Format {
        json: false,
        level: LevelFilter::TRACE,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _other = second_listener();
    let subscriber = subscriber(format, log.clone());
    tracing::subscriber::with_default(subscriber, || runtime.block_on(Box::pin(work)))
}

/// What is wrong with a case, if anything is.
fn judged(case: &Case) -> Result<(), String> {
    let log = Kept::default();
    logged(&log, play(case, &log))
}

pub(crate) fn number(variable: &str, default: u32) -> u32 {
    let set = environment(variable);
    set.map_or(default, |text| text.parse().expect("a number"))
}

/// The smallest case that is wrong in the same way, and how it is wrong.
fn smallest(
    mut tree: impl proptest::strategy::ValueTree<Value = Case>,
    wrong: String,
) -> (Case, String) {
    /// Shrinking further takes longer than reading.
    const STEPS: usize = 60;
    let same = |one: &str, other: &str| one.split(' ').take(3).eq(other.split(' ').take(3));
    let mut found = (tree.current(), wrong);
    let mut can_go_on = tree.simplify();
    for _ in 0..STEPS {
        if !can_go_on {
            break;
        }
        let case = tree.current();
        can_go_on = match judged(&case) {
            Err(wrong) if same(&wrong, &found.1) => {
                found = (case, wrong);
                tree.simplify()
            }
            _ => tree.complicate(),
        };
    }
    found
}

#[test]
fn whatever_aws_answers_no_success_is_false_no_job_unanswered_nothing_leaks_and_all_ends() {
    let seed = number("MUTATED_SEED", 13).to_le_bytes().repeat(8);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = any_case();
    let mut wrong = Vec::new();
    for _ in 0..number("MUTATED_CASES", CASES) {
        let tree = strategy.new_tree(&mut runner).unwrap();
        if let Err(why) = judged(&tree.current()) {
            let (case, why) = smallest(tree, why);
            let text = format!("{case:?}\n    {why}\n");
            // Told at once: a long run may be ended.
            let mut stderr = std::io::stderr();
            writeln!(stderr, "{text}").unwrap();
            wrong.push(text);
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Plays a scenario with one answer changed; its end must be true, and a success where the function
/// cannot but find out.
fn true_with(
    scenario: usize,
    operation: &'static str,
    nth: usize,
    succeeds: bool,
    change: fn(&mut Value),
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let playing = async {
        let world = World::new();
        let parameters = SCENARIOS[scenario](&world);
        world.simulator.clock().advance(AGE);
        let start = world.start(parameters);
        world.simulator.faults().mutate(operation, nth, change);
        let answers = world.run(start.clone()).await;
        let is_success = matches!(answers.last(), Some(Answer::Success { .. }));
        assert!(is_success || !succeeds, "{operation} {nth}: {answers:?}");
        let is_true = serving(&world, &id_of(&start));
        assert!(
            !is_success || is_true == Ok(()),
            "{operation} {nth}: {is_true:?}"
        );
    };
    runtime.block_on(Box::pin(playing));
}

#[test]
fn a_service_deployment_that_was_over_before_ours_is_never_judged_as_ours() {
    for nth in 1..6 {
        // Blue/green: two service deployments are listed with each other's revision.
        true_with(1, "ListServiceDeployments", nth, true, |answer| {
            let member = "targetServiceRevisionArn";
            let listed = answer["serviceDeployments"].as_array_mut().unwrap();
            if let [newest, .., oldest] = listed.as_mut_slice() {
                let taken = newest[member].take();
                newest[member] = oldest[member].take();
                oldest[member] = taken;
            }
        });
        // Every service revision runs our task definition.
        for scenario in [1, 2, 7] {
            // After a task before the deployment it may look as if an earlier delivery had deployed.
            let succeeds = scenario != 7;
            true_with(
                scenario,
                "DescribeServiceRevisions",
                nth,
                succeeds,
                |answer| {
                    for revision in answer["serviceRevisions"].as_array_mut().unwrap() {
                        let ours = "arn:aws:ecs:eu-central-1:111122223333:task-definition/app:3";
                        revision["taskDefinition"] = json!(ours);
                    }
                },
            );
        }
    }
}
