//! Why a rollout failed, from where ECS puts it: the task, its containers, an event, a hook's function, a target
//! group; never from a container that does not count.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::ecs::{Behaviour, Intervention, LambdaHook, ServiceSetup, Strategy};

use crate::support::{World, app, failure, id_of, logging_app};

fn crash(exit_code: i64, log_lines: &[&str]) -> Behaviour {
    Behaviour::Crash {
        exit_code,
        after_seconds: 3,
        log_lines: log_lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

fn with_breaker() -> ServiceSetup {
    ServiceSetup {
        circuit_breaker: Some(true),
        ..ServiceSetup::default()
    }
}

/// `web`, running `definition`, whose next image behaves so.
fn world(setup: ServiceSetup, definition: Value, next: Behaviour) -> World {
    let world = World::with_service(setup);
    let ecs = world.simulator.ecs();
    ecs.register(definition);
    let deploy = Intervention::Deploy {
        task_definition: "app:2".to_owned(),
    };
    ecs.intervene("prod", "web", &deploy);
    world.simulator.clock().advance(Duration::from_mins(10));
    ecs.image("v2", next);
    world
}

/// The message of the failure that deploying leads to, and its warnings.
async fn failed_with(world: &World, parameters: Value) -> (String, String) {
    let mut event = world.start(parameters);
    let mut warnings = String::new();
    loop {
        let report = world.invoke(&event).await;
        warnings.push_str(&report["warnings"].to_string());
        match world.simulator.codepipeline().next_event(&id_of(&event)) {
            Some(next) => event = next,
            None => break,
        }
    }
    let answers = world.simulator.codepipeline().answers();
    let (_, message) = failure(&answers.last().unwrap().1);
    (message.to_owned(), warnings)
}

async fn headline(world: &World) -> String {
    let (message, _) = failed_with(world, json!({})).await;
    message.lines().next().unwrap_or_default().to_owned()
}

/// `logging_app` with the one container changed by `change`.
fn app_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut definition = logging_app("repo/app:v1");
    change(&mut definition["containerDefinitions"][0]);
    definition
}

fn says(headline: &str, parts: &[&str]) {
    for part in parts {
        assert!(headline.contains(part), "no '{part}' in: {headline}");
    }
}

#[tokio::test]
async fn a_cause_that_stands_at_the_container_is_reported_also_for_the_task_before_the_deployment()
{
    let fails = Behaviour::FailsToStart {
        reason: "CannotPullImageManifestError: Error response from daemon: manifest for repo/app:v2 not found"
            .to_owned(),
        in_container: true,
    };
    for parameters in [
        json!({}),
        json!({"PreDeployTask": {"Container": "app", "Command": ["migrate"]}}),
    ] {
        let world = world(with_breaker(), logging_app("repo/app:v1"), fails.clone());
        let (message, _) = failed_with(&world, parameters).await;
        says(&message, &["container app: CannotPullImageManifestError: "]);
    }
}

#[tokio::test]
async fn of_a_long_stack_trace_the_exception_is_said_whether_it_came_in_many_events_or_in_one() {
    let exception = "java.lang.IllegalStateException: no database";
    let frame = "\tat com.example.App.run(App.java:1)";
    let many: Vec<&str> = std::iter::once(exception)
        .chain(std::iter::repeat_n(frame, 120))
        .collect();
    let one = many.join("\n");
    for lines in [many.as_slice(), &[one.as_str()]] {
        let crash = crash(1, lines);
        let world = world(with_breaker(), logging_app("repo/app:v1"), crash);
        let headline = headline(&world).await;
        says(
            &headline,
            &["its log ends: java.lang.IllegalStateException: no database. "],
        );
    }
}

#[tokio::test]
async fn an_injected_agent_that_does_no_harm_hides_nothing() {
    let setup = ServiceSetup {
        injected: Some("aws-guardduty-agent".to_owned()),
        ..with_breaker()
    };
    let crash = crash(1, &["Error: no database", "Node.js v22.11.0"]);
    let world = world(setup, logging_app("repo/app:v1"), crash);
    let headline = headline(&world).await;
    says(
        &headline,
        &[
            "container app exited with code 1",
            "its log ends: Error: no database",
        ],
    );
}

#[tokio::test]
async fn where_no_task_is_ever_made_the_event_says_why_and_what_to_do() {
    let no_task = Behaviour::NoTask {
        event: "failed to launch a task with (error ECS was unable to assume the role 'arn:aws:iam::111122223333:role/app' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role.).".to_owned(),
    };
    let world = world(with_breaker(), logging_app("repo/app:v1"), no_task);
    let headline = headline(&world).await;
    says(
        &headline,
        &[
            "ECS was unable to assume the role 'arn:aws:iam::111122223333:role/app'",
            "ecs-tasks.amazonaws.com",
        ],
    );
}

#[tokio::test]
async fn a_failed_hook_is_reported_with_its_stage_its_function_and_what_that_logged() {
    for (times_out, ended, denied) in [
        (false, "failed", None),
        (true, "timed out", None),
        (false, "failed", Some("FilterLogEvents")),
    ] {
        let setup = ServiceSetup {
            strategy: Strategy::BlueGreen,
            lambda_hook: Some(LambdaHook {
                stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
                function: "smoke-test".to_owned(),
                times_out,
                // More than a page of them.
                log_lines: (0..250)
                    .map(|number| format!("REPORT RequestId: {number}"))
                    .chain(["[ERROR] AssertionError: GET /health returned 500".to_owned()])
                    .chain(["END RequestId: 250".to_owned()])
                    .collect(),
            }),
            ..ServiceSetup::default()
        };
        let healthy = Behaviour::Healthy { start_seconds: 20 };
        let world = world(setup, logging_app("repo/app:v1"), healthy);
        if let Some(operation) = denied {
            world.simulator.faults().deny(operation);
        }
        let (message, warnings) = failed_with(&world, json!({})).await;
        let headline = message.lines().next().unwrap();
        says(
            headline,
            &[&format!(
                "at POST_TEST_TRAFFIC_SHIFT {ended} (function smoke-test)"
            )],
        );
        if denied.is_none() {
            says(
                headline,
                &["its function's log says: [ERROR] AssertionError"],
            );
        } else {
            says(headline, &["look at the function's log"]);
            says(
                &warnings,
                &["logs:FilterLogEvents", "/aws/lambda/smoke-test"],
            );
        }
    }
}

#[tokio::test]
async fn a_target_groups_check_is_reported_with_port_path_and_what_it_got() {
    for denied in [false, true] {
        let setup = ServiceSetup {
            load_balancer: true,
            ..with_breaker()
        };
        let world = world(
            setup,
            logging_app("repo/app:v1"),
            Behaviour::FailsHealthCheck,
        );
        if denied {
            world.simulator.faults().deny("DescribeTargetGroups");
        }
        let (message, warnings) = failed_with(&world, json!({})).await;
        let headline = message.lines().next().unwrap();
        says(headline, &["target group web", "port 8080", "[503]"]);
        assert_eq!(
            headline.contains("for /health and wants 200"),
            !denied,
            "{headline}"
        );
        assert_eq!(
            warnings.contains("elasticloadbalancing:DescribeTargetGroups"),
            denied,
            "{warnings}"
        );
        assert!(!headline.contains("curl"), "{headline}");
    }
}

#[tokio::test]
async fn a_containers_own_check_is_reported_with_its_command() {
    let definition = app_with(|container| {
        container["healthCheck"] =
            json!({"command": ["CMD-SHELL", "curl -f http://localhost/ || exit 1"]});
    });
    let world = world(with_breaker(), definition, Behaviour::FailsContainerCheck);
    let headline = headline(&world).await;
    says(
        &headline,
        &[
            "Task failed container health checks",
            "'curl -f http://localhost/ || exit 1'",
        ],
    );
    assert!(!headline.contains("port"), "{headline}");
}

#[tokio::test]
async fn a_log_is_found_without_a_stream_prefix_and_said_where_it_is_not_read() {
    let without_prefix = app_with(|container| {
        let options = container["logConfiguration"]["options"].as_object_mut();
        options.unwrap().remove("awslogs-stream-prefix");
    });
    let firelens = app_with(|container| {
        container["logConfiguration"] =
            json!({"logDriver": "awsfirelens", "options": {"Name": "datadog"}});
    });
    for (definition, said) in [
        (without_prefix, "its log ends: panic: no database"),
        (firelens, "its log goes to FireLens (datadog)"),
        (app("repo/app:v1"), "it has no logConfiguration"),
    ] {
        let world = world(
            with_breaker(),
            definition,
            crash(2, &["panic: no database"]),
        );
        let headline = headline(&world).await;
        says(&headline, &["exited with code 2", said]);
    }
}

#[tokio::test]
async fn a_log_class_that_cannot_be_read_is_named() {
    let crash = crash(1, &["panic: no database"]);
    let world = world(with_breaker(), logging_app("repo/app:v1"), crash);
    world.simulator.logs().infrequent_access("/ecs/app");
    let headline = headline(&world).await;
    says(
        &headline,
        &[
            "exited with code 1",
            "its log was not read",
            "INFREQUENT_ACCESS",
            "/ecs/app",
        ],
    );
}

#[tokio::test]
async fn a_users_stop_is_not_hidden_by_tasks_that_fail() {
    let setup = ServiceSetup::default();
    let world = world(setup, logging_app("repo/app:v1"), crash(137, &[]));
    let ecs = world.simulator.ecs();
    let later = Duration::from_mins(1);
    ecs.schedule("prod", "web", later, Intervention::StopDeployment);
    let (message, _) = failed_with(&world, json!({"FailureThreshold": 0})).await;
    let headline = message.lines().next().unwrap();
    says(headline, &["user", "Rolled back: app:2 is serving"]);
    assert!(!headline.contains("137"), "{headline}");
}

#[tokio::test]
async fn of_several_services_each_that_failed_has_its_own_cause() {
    let world = world(
        with_breaker(),
        logging_app("repo/app:v1"),
        crash(1, &["panic: no database"]),
    );
    let ecs = world.simulator.ecs();
    let worker = json!({"family": "worker", "cpu": "256", "memory": "512",
        "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "executionRoleArn": "arn:aws:iam::111122223333:role/app-execution",
        "containerDefinitions": [{"name": "worker", "image": "repo/worker:v1", "essential": true}]});
    let task_definition = ecs.register(worker);
    ecs.create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "worker".to_owned(),
        task_definition,
        desired_count: 2,
        ..with_breaker()
    });
    ecs.image("worker:v2", Behaviour::OutOfMemory);
    world.put_images(
        r#"[{"name":"app","imageUri":"repo/app:v2"},{"name":"worker","imageUri":"repo/worker:v2"}]"#,
    );
    let parameters = json!({"ServiceName": null, "Services": ["web", "worker"]});
    let (message, _) = failed_with(&world, parameters).await;
    says(
        &message,
        &[
            "container app exited with code 1",
            "container worker ran out of memory",
        ],
    );
}
