//! `ScheduledTasks` and `KeepRevisions`: what runs on a schedule follows, and what nobody needs goes.

use ecs_deploy_action::deploy::spec::{StandaloneTask, When};
use serde_json::{Value, json};
use simulator::ecs::ServiceSetup;

use crate::support::{World, app, failure, success};

fn arn(revision: &str) -> String {
    format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/{revision}")
}

const CLUSTER: &str = "arn:aws:ecs:eu-central-1:111122223333:cluster";
const ROLE: &str = "arn:aws:iam::111122223333:role/events";

fn target(id: &str, cluster: &str, task_definition: &str) -> Value {
    json!({"Id": id, "Arn": format!("{CLUSTER}/{cluster}"), "RoleArn": ROLE,
        "Input": "{ \"containerOverrides\" : [] }",
        "EcsParameters": {"TaskDefinitionArn": task_definition, "TaskCount": 3, "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["s-1"]}},
            "PropagateTags": "TASK_DEFINITION"},
        "RetryPolicy": {"MaximumRetryAttempts": 7}})
}

fn schedule(target: Value) -> Value {
    json!({"ScheduleExpression": "rate(1 hour)", "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 10}, "State": "DISABLED",
        "Description": "hourly", "EndDate": 2_000_000_000.5, "ActionAfterCompletion": "NONE", "Target": target})
}

fn ecs_target(cluster: &str, task_definition: &str) -> Value {
    json!({"Arn": format!("{CLUSTER}/{cluster}"), "RoleArn": ROLE,
        "EcsParameters": {"TaskDefinitionArn": task_definition, "TaskCount": 1},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 60}})
}

/// `app` runs on two rules of two buses, in two groups of schedules, and by a universal target.
fn world() -> World {
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.create_cluster("jobs");
    let mut other = app("repo/other:v1");
    other["family"] = json!("other");
    ecs.register(other);
    let events = world.simulator.events();
    events.put_target("default", "nightly", target("a", "prod", &arn("app:1")));
    events.put_target("default", "nightly", target("b", "jobs", &arn("app:1")));
    events.put_target("default", "nightly", target("c", "prod", &arn("other:1")));
    events.put_target("shop", "on-order", target("d", "prod", &arn("app")));
    events.put_target("shop", "on-order", target("e", "prod", &arn("app:1")));
    let scheduler = world.simulator.scheduler();
    scheduler.put(
        "default",
        "hourly",
        schedule(ecs_target("jobs", &arn("app:1"))),
    );
    scheduler.put(
        "night-shift",
        "other",
        schedule(ecs_target("jobs", &arn("other:1"))),
    );
    scheduler.put(
        "night-shift",
        "universal",
        schedule(
            json!({"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "RoleArn": ROLE,
            "Input": r#"{ "Cluster": "jobs",  "TaskDefinition" : "app:1", "Count": 2 }"#}),
        ),
    );
    world
}

#[tokio::test]
async fn every_target_and_schedule_of_the_family_follows_and_all_else_stays_byte_for_byte() {
    let world = world();
    let events = world.simulator.events();
    let scheduler = world.simulator.scheduler();
    let text = |value: &Value| serde_json::to_string(value).unwrap();
    let rules = [("default", "nightly"), ("shop", "on-order")];
    let before: Vec<String> = rules
        .iter()
        .flat_map(|(bus, rule)| events.targets(bus, rule))
        .map(|target| text(&target))
        .collect();
    let all = [
        ("default", "hourly"),
        ("night-shift", "other"),
        ("night-shift", "universal"),
    ];
    let before_of_schedules: Vec<Value> = all
        .iter()
        .map(|(group, name)| scheduler.schedule(group, name).unwrap())
        .collect();
    let answer = world.deploy(json!({"ScheduledTasks": true})).await;
    let (summary, _) = success(&answer);
    assert!(
        summary.ends_with("5 targets on a schedule now run the new revision."),
        "{summary}"
    );
    let after: Vec<String> = rules
        .iter()
        .flat_map(|(bus, rule)| events.targets(bus, rule))
        .map(|target| text(&target))
        .collect();
    let expected: Vec<String> = before
        .iter()
        .map(|one| one.replace("/app:1\"", "/app:2\""))
        .collect();
    assert_eq!(after, expected);
    assert_ne!(after, before);
    for ((group, name), before) in all.iter().zip(before_of_schedules) {
        let after = scheduler.schedule(group, name).unwrap();
        let expected = text(&before).replace("app:1", "app:2");
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(after, expected, "{group}/{name}");
        assert_eq!(
            text(&after["Target"]),
            text(&expected["Target"]),
            "{group}/{name}"
        );
    }
    assert_eq!(world.done("PutTargets"), 3);
    assert_eq!(world.done("UpdateSchedule"), 2);
}

#[tokio::test]
async fn without_it_and_on_a_failure_no_schedule_is_touched() {
    let world = world();
    success(&world.deploy(json!({})).await);
    assert_eq!(world.count("ListSchedules"), 0);
    let failing = self::world();
    failing
        .simulator
        .ecs()
        .image("v2", simulator::ecs::Behaviour::StuckPending);
    let answer = failing
        .deploy(json!({"ScheduledTasks": true, "DeploymentTimeout": 2}))
        .await;
    failure(&answer);
    assert_eq!(
        failing.count("PutTargets") + failing.count("UpdateSchedule"),
        0
    );
}

#[tokio::test]
async fn schedules_that_may_not_be_seen_are_reported_before_anything_is_changed() {
    for (operation, action) in [
        ("ListClusters", "ecs:ListClusters"),
        ("ListEventBuses", "events:ListEventBuses"),
        ("ListRuleNamesByTarget", "events:ListRuleNamesByTarget"),
        ("ListTargetsByRule", "events:ListTargetsByRule"),
        ("ListSchedules", "scheduler:ListSchedules"),
        ("GetSchedule", "scheduler:GetSchedule"),
    ] {
        let world = world();
        world.simulator.faults().deny(operation);
        let answer = world.deploy(json!({"ScheduledTasks": true})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "PermissionError", "{message}");
        assert!(
            message.contains(&format!(r#""Action":"{action}""#)),
            "{message}"
        );
        assert_eq!(world.revisions(), 1, "{operation}");
    }
}

#[tokio::test]
async fn a_schedule_that_cannot_be_pointed_is_no_success_and_says_what_serves() {
    for (operation, action) in [
        ("PutTargets", r#""Action":"events:PutTargets""#),
        ("UpdateSchedule", r#""Action":"scheduler:UpdateSchedule""#),
        (
            "iam:PassRole",
            r#""iam:PassedToService":"events.amazonaws.com""#,
        ),
    ] {
        let world = world();
        world.simulator.faults().deny(operation);
        // The task definition's own role may be passed on: only a schedule's may not.
        let mut definition = app("repo/app:v1");
        definition
            .as_object_mut()
            .unwrap()
            .remove("executionRoleArn");
        world.simulator.ecs().register(definition);
        let answer = world
            .deploy(json!({"ScheduledTasks": true, "BaseRevision": "latest"}))
            .await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "JobFailed", "{message}");
        assert!(
            message.starts_with("web on prod: app:3 is serving, but not all that runs on a schedule was pointed at it."),
            "{message}"
        );
        assert!(message.contains(action), "{operation}: {message}");
    }
}

#[tokio::test]
async fn throttled_and_failing_calls_are_tried_again() {
    let world = world();
    let faults = world.simulator.faults();
    for operation in [
        "ListEventBuses",
        "PutTargets",
        "ListSchedules",
        "UpdateSchedule",
        "GetSchedule",
    ] {
        faults.throttle(operation, 1);
        faults.server_error(operation, 1);
    }
    success(&world.deploy(json!({"ScheduledTasks": true})).await);
}

#[tokio::test]
async fn an_entry_that_eventbridge_refuses_in_its_answer_is_no_success() {
    let world = world();
    world.simulator.events().fail_target(
        "default",
        "nightly",
        "a",
        "InternalException",
        "Not today.",
    );
    let answer = world.deploy(json!({"ScheduledTasks": true})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("the target a of the rule nightly") && message.contains("Not today."),
        "{message}"
    );
}

#[tokio::test]
async fn done_twice_it_changes_nothing_more() {
    let world = world();
    let start = world.start(json!({"ScheduledTasks": true}));
    world.invoke(&start).await;
    let done = world.done("PutTargets");
    world.simulator.codepipeline().open_job(&start);
    let report = world.invoke(&start).await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    assert_eq!(world.done("PutTargets"), done);
}

/// Revisions 1 to `last` of `app`, of which `web` runs the first.
fn world_of_old_revisions(last: usize) -> World {
    let world = World::new();
    for number in 2..=last {
        world
            .simulator
            .ecs()
            .register(app(&format!("repo/app:old{number}")));
    }
    world
}

fn active(world: &World) -> Vec<u32> {
    let arns = world.simulator.ecs().active_revisions("app");
    arns.iter()
        .map(|arn| arn.rsplit(':').next().unwrap().parse().unwrap())
        .collect()
}

#[tokio::test]
async fn the_newest_are_kept_and_whatever_a_service_task_schedule_or_the_rollback_needs() {
    let world = world_of_old_revisions(9);
    let ecs = world.simulator.ecs();
    // On another cluster a service runs 3, a task 4; a schedule runs 5, a rule 6.
    ecs.create_service(ServiceSetup {
        cluster: "elsewhere".to_owned(),
        name: "old".to_owned(),
        task_definition: "app:3".to_owned(),
        ..ServiceSetup::default()
    });
    let aws = ecs_deploy_action::aws::Aws::new(world.simulator.client_config());
    let target = ecs_deploy_action::deploy::spec::Target {
        cluster: "elsewhere".to_owned(),
        service: "old".to_owned(),
    };
    let clients = aws.ecs(None);
    let settings = clients
        .describe_service(&target)
        .await
        .unwrap()
        .unwrap()
        .settings;
    clients
        .run_task(ecs_deploy_action::aws::ecs::TaskToRun {
            cluster: "elsewhere",
            task_definition: "app:4",
            settings: &settings,
            asked: &StandaloneTask {
                container: "app".to_owned(),
                command: vec!["serve".to_owned()],
                timeout: std::time::Duration::from_mins(1),
                environment: Vec::new(),
                cpu: None,
                memory: None,
            },
            when: When::Before,
            client_token: "t",
            started_by: "a-test",
            volumes: &[],
        })
        .await
        .unwrap();
    world
        .simulator
        .scheduler()
        .put("default", "s", schedule(ecs_target("prod", &arn("app:5"))));
    world
        .simulator
        .events()
        .put_target("default", "r", target_of("app:6"));
    let report = world
        .invoke(&world.start(json!({"KeepRevisions": 2})))
        .await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    // 1 is what a rollback would go to, 9 and 10 are the newest.
    assert_eq!(active(&world), [1, 3, 4, 5, 6, 9, 10]);
    assert!(
        report["warnings"]
            .to_string()
            .contains("deregistered app:2, app:7 and app:8"),
        "{report}"
    );
}

fn target_of(revision: &str) -> Value {
    target("x", "prod", &arn(revision))
}

#[tokio::test]
async fn the_answer_does_not_wait_for_it_and_not_too_many_go_at_once() {
    let world = world_of_old_revisions(40);
    let start = world.start(json!({"KeepRevisions": 5}));
    let report = world.invoke(&start).await;
    assert_eq!(world.done("DeregisterTaskDefinition"), 15);
    assert!(
        report["warnings"]
            .to_string()
            .contains("more are left for the next deployments"),
        "{report}"
    );
    let calls = world.simulator.calls();
    let place = |name: &str| {
        calls
            .iter()
            .position(|call| call.operation == name)
            .unwrap()
    };
    assert!(place("PutJobSuccessResult") < place("DeregisterTaskDefinition"));
}

#[tokio::test]
async fn what_cannot_be_seen_is_kept_as_needed() {
    for operation in [
        "ListClusters",
        "ListServices",
        "ListTasks",
        "ListSchedules",
        "ListEventBuses",
    ] {
        let world = world_of_old_revisions(9);
        world.simulator.faults().deny(operation);
        let report = world
            .invoke(&world.start(json!({"KeepRevisions": 2})))
            .await;
        assert_eq!(report["outcome"], "Succeeded", "{report}");
        assert_eq!(world.count("DeregisterTaskDefinition"), 0, "{operation}");
        assert!(
            report["warnings"].to_string().contains(
                "old revisions were left as they are, because it cannot be seen who needs them"
            ),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_failed_deployment_tidies_nothing() {
    let world = world_of_old_revisions(9);
    world
        .simulator
        .ecs()
        .image("v2", simulator::ecs::Behaviour::StuckPending);
    let answer = world
        .deploy(json!({"KeepRevisions": 2, "DeploymentTimeout": 2}))
        .await;
    failure(&answer);
    assert_eq!(world.count("DeregisterTaskDefinition"), 0);
}

#[tokio::test]
async fn a_schedule_that_runs_a_newer_revision_is_never_pointed_back() {
    let world = World::new();
    let ecs = world.simulator.ecs();
    for number in 0..3 {
        ecs.register(app(&format!("repo/app:later{number}")));
    }
    let scheduler = world.simulator.scheduler();
    scheduler.put(
        "default",
        "ahead",
        schedule(ecs_target("prod", &arn("app:99"))),
    );
    let answer = world.deploy(json!({"ScheduledTasks": true})).await;
    let (summary, _) = success(&answer);
    assert!(
        summary.ends_with("0 targets on a schedule now run the new revision."),
        "{summary}"
    );
    let kept = scheduler.schedule("default", "ahead").unwrap();
    assert_eq!(
        kept["Target"]["EcsParameters"]["TaskDefinitionArn"],
        arn("app:99")
    );
}

#[tokio::test]
async fn a_schedule_that_cannot_be_changed_alone_is_refused_before_anything_is_changed() {
    let world = World::new();
    world.simulator.scheduler().put(
        "default",
        "twice",
        schedule(
            json!({"Arn": "arn:aws:scheduler:::aws-sdk:ecs:runTask", "RoleArn": ROLE,
            "Input": r#"{"TaskDefinition": "app:1", "StartedBy": "app:1"}"#}),
        ),
    );
    let answer = world.deploy(json!({"ScheduledTasks": true})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(message.contains("the schedule default/twice names its task definition in a way that cannot be replaced alone"), "{message}");
    assert_eq!(world.revisions(), 1);
}

#[tokio::test]
async fn a_schedule_keeps_its_past_start_and_one_that_is_refused_for_it_is_reported_with_the_reason()
 {
    let text = "The StartDate you specify cannot be earlier than 5 minutes ago.";
    for is_refused in [false, true] {
        let world = World::new();
        let mut hourly = schedule(ecs_target("prod", &arn("app:1")));
        let start = world.simulator.clock().now_ms() / 1000 - 5000;
        hourly["StartDate"] = json!(start);
        let scheduler = world.simulator.scheduler();
        scheduler.put("default", "hourly", hourly);
        if is_refused {
            let faults = world.simulator.faults();
            faults.fail("UpdateSchedule", 1, 400, "ValidationException", text);
        }
        let answer = world.deploy(json!({"ScheduledTasks": true})).await;
        if is_refused {
            let (_, message) = failure(&answer);
            assert!(message.contains("app:2 is serving"), "{message}");
            assert!(message.contains(text), "{message}");
        } else {
            success(&answer);
        }
        let after = scheduler.schedule("default", "hourly").unwrap();
        assert_eq!(after["StartDate"], start);
        let runs = arn(if is_refused { "app:1" } else { "app:2" });
        assert_eq!(after["Target"]["EcsParameters"]["TaskDefinitionArn"], runs);
        assert_eq!(world.count("UpdateSchedule"), 1, "it is sent once");
    }
}
