//! `EventBus`: what others are told of a deployment, and that nothing waits for it.
//!
//! After <https://github.com/aws/containers-roadmap/issues/868> and
//! <https://github.com/aws/containers-roadmap/issues/592>: nobody tells when a deployment of the pipeline has ended.

use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, PauseHook, ServiceSetup, Strategy};
use simulator::{ASSUMED_ACCESS_KEY_ID, FUNCTION_ACCESS_KEY_ID};

use crate::support::{World, deliver, failure, finish, id_of, start_bare, success};

const BUS: &str = "deployments";

fn world() -> World {
    told(World::new())
}

/// The same with a bus.
fn told(world: World) -> World {
    world.simulator.events().put_bus(BUS);
    world
}

fn parameters() -> Value {
    json!({"EventBus": BUS, "PipelineExecutionId": "e-1"})
}

fn received(world: &World) -> Vec<Value> {
    world.simulator.events().received()
}

fn types(world: &World) -> Vec<String> {
    let received = received(world);
    let types = received.iter().map(|event| event["detail-type"].as_str());
    types.map(|name| name.unwrap().to_owned()).collect()
}

/// Its deployments wait at a hook.
fn held() -> ServiceSetup {
    ServiceSetup {
        strategy: Strategy::BlueGreen,
        pause_hook: Some(PauseHook {
            stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
            timeout_minutes: 1440,
        }),
        ..ServiceSetup::default()
    }
}

const BOTH: [&str; 2] = ["Deployment started", "Deployment ended"];

#[tokio::test]
async fn a_deployment_is_told_at_its_start_and_at_its_end_with_all_that_the_contract_says() {
    let world = world();
    let slow = Behaviour::Healthy { start_seconds: 100 };
    world.simulator.ecs().image("v2", slow);
    let start = world.start(parameters());
    let job = id_of(&start);
    let answers = world.run(start).await;
    assert!(answers.len() > 1, "it took more than one invocation");
    let (summary, _) = success(answers.last().unwrap());
    let [started, ended] = &received(&world)[..] else {
        unreachable!("{:?}", received(&world))
    };
    for event in [started, ended] {
        assert_eq!(event["source"], "ecs-deploy-action");
        assert_eq!(event["bus"], BUS);
        let detail = &event["detail"];
        assert_eq!(detail["job"], job, "of the first job, not of a later one");
        assert_eq!(detail["pipelineExecutionId"], "e-1");
        let arn = "arn:aws:ecs:eu-central-1:111122223333:task-definition/app";
        assert_eq!(
            detail["services"],
            json!([{"cluster": "prod", "service": "web", "taskDefinition": format!("{arn}:2"),
                "previousTaskDefinition": format!("{arn}:1"), "images": {"app": "repo/app:v2", "sidecar": "repo/sidecar:v1"},
                "consoleLink": "https://eu-central-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/web/deployments?region=eu-central-1"}])
        );
    }
    assert_eq!(started["detail-type"], BOTH[0]);
    assert!(started["detail"].get("outcome").is_none());
    assert_eq!(ended["detail-type"], BOTH[1]);
    assert_eq!(ended["detail"]["outcome"], "Succeeded");
    assert_eq!(ended["detail"]["message"], summary);
    assert_eq!(ended["detail"]["startedAt"], started["detail"]["startedAt"]);
    let (from, to) = (&ended["detail"]["startedAt"], &ended["detail"]["endedAt"]);
    assert!(from.as_str().unwrap() < to.as_str().unwrap(), "{ended}");
}

#[tokio::test]
async fn a_failure_is_told_with_its_cause_and_what_serves() {
    let world = world();
    world.simulator.ecs().image(
        "v2",
        Behaviour::Crash {
            exit_code: 1,
            after_seconds: 2,
            log_lines: vec![],
        },
    );
    let answer = world.deploy(parameters()).await;
    let (_, message) = failure(&answer);
    assert_eq!(types(&world), BOTH);
    let ended = &received(&world)[1]["detail"];
    assert_eq!(ended["outcome"], "Failed");
    assert_eq!(ended["message"], message);
    assert!(message.contains("exited with code 1"), "{message}");
}

#[tokio::test]
async fn what_fails_before_anything_is_changed_has_an_end_and_no_start() {
    let world = world();
    let mut parameters = parameters();
    parameters["ServiceName"] = json!("wbe");
    let answer = world.deploy(parameters).await;
    failure(&answer);
    assert_eq!(types(&world), [BOTH[1]]);
    let detail = &received(&world)[0]["detail"];
    assert_eq!(detail["outcome"], "Failed");
    assert_eq!(detail["startedAt"], Value::Null);
    assert_eq!(
        detail["services"],
        json!([{"cluster": "prod", "service": "wbe", "taskDefinition": null,
            "previousTaskDefinition": null, "images": {}, "consoleLink": null}])
    );
}

#[tokio::test]
async fn what_is_no_end_is_not_told_as_one() {
    let world = world();
    let mut dry = parameters();
    dry["DryRun"] = json!(true);
    success(&world.deploy(dry).await);
    assert_eq!(types(&world), [""; 0], "a dry run deploys nothing");

    let waits = told(World::with_service(held()));
    let mut paused = parameters();
    paused["WaitFor"] = json!("Pause");
    let answer = waits.deploy(paused).await;
    let (_, variables) = success(&answer);
    assert_eq!(types(&waits), [BOTH[0]], "it waits at its hook");
    let answered = json!({"EventBus": BUS, "ContinueDeployment": {
        "DeploymentId": variables["DeploymentId"], "HookId": variables["HookId"],
        "Action": "CONTINUE"}});
    let answers = waits.run(start_bare(&waits, &answered)).await;
    success(answers.last().unwrap());
    assert_eq!(types(&waits), BOTH, "the action that continues it ends it");
    assert_eq!(received(&waits)[1]["detail"]["outcome"], "Succeeded");
}

#[tokio::test]
async fn a_rollback_that_was_asked_for_is_told_with_what_serves_then() {
    let waits = told(World::with_service(held()));
    let answer = waits.deploy(json!({"WaitFor": "Pause"})).await;
    let (_, variables) = success(&answer);
    let answered = json!({"EventBus": BUS, "ContinueDeployment": {
        "DeploymentId": variables["DeploymentId"], "HookId": variables["HookId"],
        "Action": "ROLLBACK"}});
    let answers = waits.run(start_bare(&waits, &answered)).await;
    let (_, variables) = success(answers.last().unwrap());
    let told = &received(&waits)[0]["detail"];
    assert_eq!(told["outcome"], "Succeeded");
    let service = &told["services"][0];
    assert_eq!(service["taskDefinition"], variables["TaskDefinitionArn"]);
    assert!(
        service["taskDefinition"]
            .as_str()
            .unwrap()
            .ends_with("app:1")
            && service["previousTaskDefinition"]
                .as_str()
                .unwrap()
                .ends_with("app:2"),
        "{told}"
    );
    assert_eq!(service["images"]["app"], "repo/app:v1");
}

#[tokio::test]
async fn an_answer_that_another_delivery_has_given_is_not_told_again() {
    let world = world();
    let start = world.start(parameters());
    world.invoke(&start).await;
    assert_eq!(types(&world), BOTH);
    deliver(&world, &start).await;
    assert_eq!(types(&world), BOTH);
}

#[tokio::test]
async fn a_start_that_a_dead_invocation_may_not_have_told_is_told_by_the_next() {
    let world = world();
    let slow = Behaviour::Healthy { start_seconds: 100 };
    world.simulator.ecs().image("v2", slow);
    let start = world.start(parameters());
    let faults = world.simulator.faults();
    faults.after("UpdateService", 1, {
        let faults = faults.clone();
        move || faults.stop_after(0)
    });
    deliver(&world, &start).await;
    assert!(faults.is_stopped());
    assert_eq!(types(&world), [""; 0]);
    faults.resume();
    deliver(&world, &start).await;
    finish(&world, start).await;
    assert_eq!(world.done("UpdateService"), 1);
    assert_eq!(types(&world), BOTH);
}

#[tokio::test]
async fn the_job_is_answered_before_its_end_is_told() {
    let world = world();
    let mut parameters = parameters();
    parameters["ServiceName"] = json!("wbe");
    let start = world.start(parameters);
    let seen: Arc<Mutex<Option<Answer>>> = Arc::default();
    let (pipeline, job) = (world.simulator.codepipeline(), id_of(&start));
    let faults = world.simulator.faults();
    faults.before("PutEvents", 1, {
        let seen = Arc::clone(&seen);
        move || *seen.lock().unwrap() = pipeline.answer(&job)
    });
    world.invoke(&start).await;
    assert!(matches!(
        *seen.lock().unwrap(),
        Some(Answer::Failure { .. })
    ));
}

/// One invocation that ends; its report.
async fn ended(world: &World) -> Value {
    let mut parameters = parameters();
    parameters["ServiceName"] = json!("wbe");
    let start = world.start(parameters);
    let report = world.invoke(&start).await;
    let (_, message) = match world.simulator.codepipeline().answer(&id_of(&start)) {
        Some(Answer::Failure { kind, message, .. }) => (kind, message),
        other => unreachable!("{other:?}"),
    };
    assert!(message.contains("there is no service 'wbe'"), "{message}");
    report
}

fn warnings(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array();
    let texts = warnings.into_iter().flatten().filter_map(Value::as_str);
    texts.collect()
}

#[tokio::test]
async fn an_event_that_cannot_be_sent_costs_one_warning_that_says_why() {
    let no_bus = World::new();
    let report = ended(&no_bus).await;
    let [warning] = warnings(&report)[..] else {
        unreachable!("{report}")
    };
    assert!(
        warning.contains("an event was not sent to deployments")
            && warning.contains("Event bus deployments does not exist."),
        "{warning}"
    );

    let denied = world();
    denied.simulator.faults().deny("PutEvents");
    let report = ended(&denied).await;
    let [warning] = warnings(&report)[..] else {
        unreachable!("{report}")
    };
    assert!(
        warning.contains("events:PutEvents") && warning.contains("event-bus/deployments"),
        "{warning}"
    );
}

#[tokio::test]
async fn a_busy_bus_is_tried_again() {
    let world = world();
    world.simulator.faults().throttle("PutEvents", 1);
    let report = ended(&world).await;
    assert_eq!(warnings(&report), [""; 0], "{report}");
    assert_eq!(types(&world), [BOTH[1]]);
}

#[tokio::test]
async fn a_bus_that_never_answers_holds_no_answer_and_costs_a_warning() {
    let world = world();
    world.simulator.faults().hang("PutEvents", 9);
    let report = ended(&world).await;
    let [warning] = warnings(&report)[..] else {
        unreachable!("{report}")
    };
    assert!(warning.contains("was not sent"), "{warning}");
}

#[tokio::test]
async fn a_whole_deployment_is_the_same_with_a_bus_that_may_not_be_told() {
    let silent = World::new();
    let (expected, _) = {
        let answer = silent.deploy(json!({})).await;
        let (summary, variables) = success(&answer);
        (summary.to_owned(), variables.len())
    };
    let world = world();
    world.simulator.faults().deny("PutEvents");
    let answer = world.deploy(parameters()).await;
    assert_eq!(success(&answer).0, expected);
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn without_a_bus_nothing_is_sent() {
    let world = world();
    success(&world.deploy(json!({})).await);
    assert_eq!(world.count("PutEvents"), 0);
}

#[tokio::test]
async fn the_functions_own_role_tells_also_of_another_account() {
    const ROLE: &str = "arn:aws:iam::444455556666:role/deploy";
    let world = world();
    world.simulator.sts().allow(ROLE, None);
    let mut parameters = parameters();
    parameters["RoleArn"] = json!(ROLE);
    parameters["Region"] = json!("eu-west-1");
    success(&world.deploy(parameters).await);
    let sent = world.simulator.calls_of("PutEvents");
    assert_eq!(sent.len(), 2);
    for call in sent {
        assert_eq!(call.access_key_id.as_deref(), Some(FUNCTION_ACCESS_KEY_ID));
        assert_eq!(call.region.as_deref(), Some(simulator::REGION));
    }
    let looked = world.simulator.calls_of("DescribeTaskDefinition");
    assert!(
        looked
            .iter()
            .all(|call| call.access_key_id.as_deref() == Some(ASSUMED_ACCESS_KEY_ID))
    );
    let images = &received(&world)[1]["detail"]["services"][0]["images"];
    assert_eq!(images["app"], "repo/app:v2");
}

#[tokio::test]
async fn the_arn_of_a_bus_says_its_region() {
    let world = world();
    let arn = "arn:aws:events:eu-west-1:444455556666:event-bus/deployments";
    world.simulator.events().put_bus(arn);
    let answer = world.deploy(json!({"EventBus": arn})).await;
    success(&answer);
    let sent = world.simulator.calls_of("PutEvents");
    assert_eq!(sent.len(), 2);
    for call in sent {
        assert_eq!(call.region.as_deref(), Some("eu-west-1"));
        assert_eq!(call.request["Entries"][0]["EventBusName"], arn);
    }
    assert_eq!(types(&world), BOTH);
}

/// The paths of an event that a template's rules take things from, as `$.detail.message`.
fn paths(template: &str) -> Vec<&str> {
    let lines = template.lines().filter_map(|line| line.split_once(": $."));
    lines.map(|(_, path)| path).collect()
}

#[tokio::test]
async fn the_sample_rules_take_from_an_event_what_it_has() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/notify.yaml");
    let template = fs::read_to_string(file).unwrap();
    let world = world();
    world.deploy(parameters()).await;
    let ended = &received(&world)[1];
    let source = ended["source"].as_str().unwrap();
    assert_eq!(
        template.matches(&format!("source: [{source}]")).count(),
        2,
        "mail and chat"
    );
    assert_eq!(
        template.matches("detail-type: [Deployment ended]").count(),
        2
    );
    let paths = paths(&template);
    assert!(paths.len() > 6, "{paths:?}");
    for path in paths {
        let pointer = format!("/{}", path.replace('.', "/").replace("[0]", "/0"));
        let value = ended.pointer(&pointer);
        assert!(value.is_some_and(Value::is_string), "{path} in {ended}");
    }
}
