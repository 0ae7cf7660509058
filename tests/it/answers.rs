//! What is answered if CodePipeline does not take the answer.

use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::observer::Unobserved;
use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, ServiceSetup};

use crate::support::{World, failure, id_of, success};

const NEVER_ENDING: usize = 99;

fn refuse(world: &World, operation: &str, times: usize) {
    let refusal = "Value at 'continuationToken' failed to satisfy constraint";
    let faults = world.simulator.faults();
    if times == 0 {
        return;
    }
    faults.fail(operation, times, 400, "ValidationException", refusal);
}

/// A world whose deployment takes a while.
fn slow(parameters: Value) -> (World, Value) {
    let world = World::new();
    world
        .simulator
        .ecs()
        .image("v2", Behaviour::Healthy { start_seconds: 300 });
    let start = world.start(parameters);
    (world, start)
}

fn answer(world: &World, event: &Value) -> Answer {
    let answer = world.simulator.codepipeline().answer(&id_of(event));
    answer.expect("an answer")
}

#[tokio::test]
async fn a_token_that_is_refused_once_is_followed_by_a_shorter_one_that_works() {
    let (world, start) = slow(json!({}));
    refuse(&world, "PutJobSuccessResult", 1);
    let report = world.invoke(&start).await;
    assert_eq!(report["outcome"], "InProgress", "{report}");
    let Answer::Success {
        continuation_token: Some(given),
        external_execution_id,
        ..
    } = answer(&world, &start)
    else {
        unreachable!("a token")
    };
    let full = report["continuationToken"].as_str().unwrap();
    assert!(
        given.len() < full.len() && !given.contains(r#""l":"#),
        "{given}"
    );
    assert_eq!(external_execution_id, None);
    assert!(
        report["warnings"].to_string().contains("shorter"),
        "{report}"
    );
    let next = world
        .simulator
        .codepipeline()
        .next_event(&id_of(&start))
        .unwrap();
    let answers = world.run(next).await;
    success(answers.last().unwrap());
}

#[tokio::test]
async fn a_token_that_is_never_accepted_ends_in_a_failure_that_says_what_goes_on_unwatched() {
    let (world, start) = slow(json!({}));
    refuse(&world, "PutJobSuccessResult", NEVER_ENDING);
    let report = world.invoke(&start).await;
    assert_eq!(report["outcome"], "Failed", "{report}");
    let given = answer(&world, &start);
    let (kind, message) = failure(&given);
    assert_eq!(kind, "JobFailed");
    for part in [
        "web on prod: the deployment of app:2 goes on unwatched",
        "continuationToken",
        "in ECS",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(report["message"], message);
    assert_eq!(world.count("PutJobSuccessResult"), 2);
    assert_eq!(world.count("PutJobFailureResult"), 1);
    assert_eq!(
        world.service()["taskDefinition"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next(),
        Some("app:2")
    );
}

#[tokio::test]
async fn a_rollback_whose_token_is_refused_says_so_and_why_it_came_to_it() {
    let world = World::with_service(ServiceSetup {
        circuit_breaker: Some(true),
        ..ServiceSetup::default()
    });
    world.simulator.ecs().image("v2", Behaviour::CannotPull);
    let world = World::around(world.simulator, Arc::new(Unobserved), Duration::ZERO);
    let mut event = world.start(json!({}));
    let pipeline = world.simulator.codepipeline();
    loop {
        let report = world.invoke(&event).await;
        assert_eq!(report["outcome"], "InProgress", "{report}");
        event = pipeline.next_event(&id_of(&event)).unwrap();
        if report["message"].as_str().unwrap().contains("rolling back") {
            break;
        }
        world.simulator.clock().advance(Duration::from_secs(2));
    }
    refuse(&world, "PutJobSuccessResult", NEVER_ENDING);
    world.invoke(&event).await;
    let given = answer(&world, &event);
    let (_, message) = failure(&given);
    for part in [
        "web on prod: app:2 failed: CannotPullContainerError",
        "Rolling back goes on unwatched",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn a_success_that_is_never_accepted_ends_in_a_failure_that_says_what_serves() {
    let world = World::new();
    let start = world.start(json!({}));
    refuse(&world, "PutJobSuccessResult", NEVER_ENDING);
    let report = world.invoke(&start).await;
    let given = answer(&world, &start);
    let (_, message) = failure(&given);
    assert!(
        message.contains("web on prod: app:2 is serving"),
        "{message}"
    );
    assert!(message.contains("ValidationException"), "{message}");
    assert_eq!(report["outcome"], "Failed");
}

#[tokio::test]
async fn a_success_that_may_not_be_answered_ends_in_a_failure_with_the_statement_to_add() {
    for parameters in [json!({}), json!({"DryRun": true})] {
        let world = World::new();
        let start = world.start(parameters);
        world.simulator.faults().deny("PutJobSuccessResult");
        world.invoke(&start).await;
        let given = answer(&world, &start);
        let (kind, message) = failure(&given);
        assert_eq!(kind, "PermissionError");
        assert!(
            message.contains(r#""Action":"codepipeline:PutJobSuccessResult""#),
            "{message}"
        );
        assert_eq!(
            world.count("PutJobSuccessResult"),
            1,
            "no plainer one may be given either"
        );
    }
}

#[tokio::test]
async fn a_failure_is_answered_however_often_its_text_is_refused() {
    for (times, part) in [
        (0, "did you mean ServiceName?"),
        (1, "did you mean ServiceName?"),
        (2, "look at the service"),
    ] {
        let world = World::new();
        let start = world.start(json!({"ServcieName": "x", "é": "x"}));
        refuse(&world, "PutJobFailureResult", times);
        world.invoke(&start).await;
        let given = answer(&world, &start);
        let (_, message) = failure(&given);
        assert!(message.contains(part), "{times}: {message}");
        assert_eq!(times > 0, message.is_ascii(), "{message}");
    }
}

#[tokio::test]
async fn what_codepipeline_has_refused_is_never_a_function_error() {
    for parameters in [
        json!({}),
        json!({"ServcieName": "x"}),
        json!({"DryRun": true}),
    ] {
        let (world, start) = slow(parameters);
        refuse(&world, "PutJobSuccessResult", NEVER_ENDING);
        refuse(&world, "PutJobFailureResult", NEVER_ENDING);
        // `invoke` unwraps what would be one.
        let report = world.invoke(&start).await;
        assert_eq!(report["outcome"], "Failed");
        assert!(
            report["warnings"].to_string().contains("took no answer"),
            "{report}"
        );
        assert_eq!(world.simulator.codepipeline().answers().len(), 0);
    }
}

/// A log that ends in emoji makes a cause whose characters are few and whose bytes are many.
#[tokio::test]
async fn a_token_is_accepted_whatever_a_container_has_written() {
    let world = World::new();
    world
        .simulator
        .ecs()
        .register(crate::support::logging_app("repo/app:v1"));
    let services: Vec<String> = (0..10)
        .map(|n| format!("s{n}-{}", "x".repeat(50)))
        .collect();
    for (n, name) in services.iter().enumerate() {
        let mut definition = crate::support::logging_app("repo/app:v1");
        definition["family"] = json!(format!("f{n}-{}", "y".repeat(50)));
        let family = definition["family"].as_str().unwrap().to_owned();
        world.simulator.ecs().register(definition);
        world.simulator.ecs().create_service(ServiceSetup {
            cluster: "prod".to_owned(),
            name: name.clone(),
            task_definition: format!("{family}:1"),
            ..ServiceSetup::default()
        });
    }
    world.simulator.ecs().image(
        "v2",
        Behaviour::Crash {
            exit_code: 1,
            after_seconds: 3,
            log_lines: vec!["🙂".repeat(300)],
        },
    );
    let answers = world
        .run(world.start(
            json!({"ServiceName": null, "Services": services, "DeploymentTimeout": 2,
                "FailureThreshold": 0}),
        ))
        .await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(message.contains("🙂") && message.len() <= 5000, "{message}");
    let mut tokens = 0;
    for answer in &answers {
        if let Answer::Success {
            continuation_token: Some(token),
            ..
        } = answer
        {
            tokens += 1;
            assert!(token.len() <= 2048, "{} bytes", token.len());
        }
    }
    assert!(tokens > 1);
    assert!(answers.len() == tokens + 1, "none was refused");
    let refused = world.simulator.calls_of("PutJobSuccessResult");
    assert!(refused.iter().all(|call| call.error.is_none()));
}
