//! What following will need is tried before anything is changed.

use serde_json::{Value, json};
use simulator::ecs::{ServiceSetup, Strategy};

use crate::pre_deploy;
use crate::support::{World, failure, success};

const LOOKS: [&str; 3] = [
    "ListServiceDeployments",
    "DescribeServiceDeployments",
    "DescribeServiceRevisions",
];

fn judged_by_service_deployments() -> [ServiceSetup; 4] {
    let with = |strategy: Strategy| ServiceSetup {
        strategy,
        ..ServiceSetup::default()
    };
    [
        with(Strategy::BlueGreen),
        with(Strategy::Linear),
        with(Strategy::Canary),
        ServiceSetup {
            bake_minutes: 5,
            ..ServiceSetup::default()
        },
    ]
}

#[track_caller]
fn nothing_was_changed(world: &World) {
    for operation in ["RegisterTaskDefinition", "RunTask", "UpdateService"] {
        assert_eq!(world.count(operation), 0, "{operation}");
    }
}

#[tokio::test]
async fn a_rollout_whose_end_could_not_be_seen_is_not_started() {
    for setup in judged_by_service_deployments() {
        for operation in LOOKS {
            let world = World::with_service(setup.clone());
            world.simulator.faults().deny(operation);
            let answer = world.deploy(json!({})).await;
            let (kind, message) = failure(&answer);
            assert_eq!(kind, "PermissionError", "{message}");
            let action = format!(r#""Action":"ecs:{operation}""#);
            assert!(message.contains(&action), "{message}");
            nothing_was_changed(&world);
        }
    }
}

#[tokio::test]
async fn where_no_service_deployment_is_known_yet_the_permissions_are_seen_all_the_same() {
    for operation in &LOOKS[1..] {
        let [setup, ..] = judged_by_service_deployments();
        let world = World::with_service(setup);
        world.simulator.ecs().set_service_deployments_known(false);
        world.simulator.faults().deny(operation);
        let answer = world.deploy(json!({})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "PermissionError", "{message}");
        assert!(
            !message.contains("AAAAA") && !message.contains("1000000000000000000"),
            "{message}"
        );
        nothing_was_changed(&world);
    }
}

#[tokio::test]
async fn a_task_whose_end_could_not_be_seen_is_not_started() {
    for operation in ["DescribeTasks"].into_iter().chain(LOOKS) {
        let world = pre_deploy::world_with(ServiceSetup::default(), pre_deploy::ends_with(0));
        world.simulator.faults().deny(operation);
        let answer = world.deploy(pre_deploy::parameters()).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "PermissionError", "{message}");
        let action = format!(r#""Action":"ecs:{operation}""#);
        assert!(message.contains(&action), "{message}");
        if operation == "DescribeTasks" {
            let resource = r#""Resource":"arn:aws:ecs:eu-central-1:111122223333:task/prod/*""#;
            assert!(message.contains(resource), "{message}");
        }
        nothing_was_changed(&world);
    }
}

#[tokio::test]
async fn what_is_only_throttled_is_not_called_denied() {
    let cases: [(fn() -> World, Value, &str); 2] = [
        (
            || {
                let [setup, ..] = judged_by_service_deployments();
                World::with_service(setup)
            },
            json!({}),
            "DescribeServiceRevisions",
        ),
        (
            || pre_deploy::world_with(ServiceSetup::default(), pre_deploy::ends_with(0)),
            pre_deploy::parameters(),
            "DescribeTasks",
        ),
    ];
    for (world, parameters, operation) in cases {
        let throttled = world();
        throttled.simulator.faults().throttle(operation, 100_000);
        let mut soon = parameters.clone();
        soon["DeploymentTimeout"] = json!(2);
        let answer = throttled.deploy(soon).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "SystemUnavailable", "{message}");
        nothing_was_changed(&throttled);
        // And for a moment only it costs time.
        let world = world();
        world.simulator.faults().throttle(operation, 2);
        success(&world.deploy(parameters).await);
    }
}
