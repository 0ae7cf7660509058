//! Every call that may be denied says which action, on what, for whom, and the statement to add.

use serde_json::{Value, json};
use simulator::ecs::{Behaviour, ServiceSetup, Strategy};

use crate::support::{BUCKET, World, failure};

/// The role of the function, as IAM names a session of it.
const PRINCIPAL: &str = "arn:aws:sts::111122223333:assumed-role/ecs-deploy-action/deploy";
const SERVICE: &str = "arn:aws:ecs:eu-central-1:111122223333:service/prod/web";

/// Whether `text` has the statement that allows `action` on `resource`.
fn has_statement(text: &str, action: &str, resource: &str) -> bool {
    text.contains(&format!(
        r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}""#
    ))
}

/// A deployment without this permission; its message.
async fn denied(world: &World, operation: &str) -> String {
    world.simulator.faults().deny(operation);
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "PermissionError", "{message}");
    message.to_owned()
}

#[tokio::test]
async fn each_call_that_a_start_needs_names_action_resource_principal_and_statement() {
    let family = "arn:aws:ecs:eu-central-1:111122223333:task-definition/app:*";
    for (operation, resource) in [
        ("DescribeServices", SERVICE),
        ("DescribeTaskDefinition", "*"),
        ("ListTaskDefinitions", "*"),
        ("RegisterTaskDefinition", family),
        ("UpdateService", SERVICE),
    ] {
        let world = World::new();
        let message = denied(&world, operation).await;
        let action = format!("ecs:{operation}");
        let begin = format!(
            "web on prod: the function's role ({PRINCIPAL}) is not allowed to perform {action} on "
        );
        assert!(message.starts_with(&begin), "{message}");
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines.len(), 3, "{message}");
        assert!(
            lines[0].contains("dd the statement below to the role ecs-deploy-action."),
            "{message}"
        );
        assert!(has_statement(lines[1], &action, resource), "{message}");
        assert!(lines[2].starts_with("AWS says: "), "{message}");
        assert_eq!(world.done("UpdateService"), 0, "{operation}");
    }
}

#[tokio::test]
async fn a_role_that_may_not_be_passed_is_named() {
    let world = World::new();
    let message = denied(&world, "iam:PassRole").await;
    assert!(
        message.starts_with(&format!("web on prod: the function's role ({PRINCIPAL}) is not allowed to pass the role app-execution to ECS (iam:PassRole), which the task definition names. If the function's stack is template.yaml, add the ARN to its parameter TaskRoleArns. Otherwise add the statement below to the role ecs-deploy-action.\n")),
        "{message}"
    );
    let role = "arn:aws:iam::111122223333:role/app-execution";
    assert!(has_statement(&message, "iam:PassRole", role), "{message}");
    assert!(
        message.contains(
            r#""Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}"#
        ),
        "{message}"
    );
    assert_eq!(world.revisions(), 1);
}

#[tokio::test]
async fn tags_that_may_not_be_written_are_distinguished_from_the_registration() {
    let world = World::new();
    let family = "arn:aws:ecs:eu-central-1:111122223333:task-definition/app:*";
    let denial = format!(
        "User: {PRINCIPAL} is not authorized to perform: ecs:TagResource on resource: {family} because no identity-based policy allows the ecs:TagResource action"
    );
    let faults = world.simulator.faults();
    faults.fail(
        "RegisterTaskDefinition",
        1,
        400,
        "AccessDeniedException",
        &denial,
    );
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert!(
        message.starts_with(&format!("web on prod: the function's role ({PRINCIPAL}) is not allowed to perform ecs:TagResource, which ecs:RegisterTaskDefinition on family app needs")),
        "{message}"
    );
    assert!(
        has_statement(message, "ecs:TagResource", family),
        "{message}"
    );
    assert!(
        message.contains(r#"{"StringEquals":{"ecs:CreateAction":"RegisterTaskDefinition"}}"#),
        "{message}"
    );
}

#[tokio::test]
async fn an_artifact_that_may_not_be_read_is_the_pipelines_roles_matter_and_may_not_exist() {
    let world = World::new();
    world.simulator.s3().deny(BUCKET);
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "PermissionError");
    for part in [
        "the pipeline's role is not allowed to perform s3:GetObject on s3://artifacts/pipeline/build/1.zip",
        r#"{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"arn:aws:s3:::artifacts/*"}"#,
        "S3 says the same of an object that does not exist, unless the role has s3:ListBucket",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn a_key_that_may_not_be_used_is_distinguished_from_the_object() {
    let world = World::new();
    let key = "arn:aws:kms:eu-central-1:111122223333:key/1234";
    world.simulator.s3().lock(BUCKET, key);
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "PermissionError");
    assert!(
        message.contains("the pipeline's role (arn:aws:sts::111122223333:assumed-role/ecs-deploy-action/deploy) is not allowed to decrypt s3://artifacts/pipeline/build/1.zip (kms:Decrypt with arn:aws:kms:"),
        "{message}"
    );
    assert!(has_statement(message, "kms:Decrypt", key), "{message}");
    assert!(!message.contains("does not exist"), "{message}");
}

#[tokio::test]
async fn an_explicit_deny_is_not_answered_with_a_statement() {
    let world = World::new();
    let denial = format!(
        "User: {PRINCIPAL} is not authorized to perform: ecs:UpdateService on resource: {SERVICE} with an explicit deny in a service control policy"
    );
    world
        .simulator
        .faults()
        .fail("UpdateService", 1, 400, "AccessDeniedException", &denial);
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert!(message.contains("An explicit deny forbids it"), "{message}");
    assert!(!message.contains(r#""Effect""#), "{message}");
}

/// The warnings of a report, as one text.
fn warnings(report: &Value) -> String {
    report["warnings"].to_string().replace("\\\"", "\"")
}

/// Runs the deployment as a manual one, so that the whole of it is one report.
async fn reported(world: &World) -> Value {
    let event = json!({"ClusterName": "prod", "ServiceName": "web", "DeploymentTimeout": 3,
        "ImageDefinitions": [{"name": "app", "imageUri": IMAGE}]});
    let mut invocation = world.invocation();
    invocation.deadline = invocation.deadline + std::time::Duration::from_hours(1);
    world.handler.handle(&event, &invocation).await.unwrap()
}

const IMAGE: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/app:v2";

fn with_image(setup: ServiceSetup) -> World {
    let world = World::with_service(setup);
    let ecr = world.simulator.ecr();
    ecr.put_image("app", "v2", "sha256:1", "linux/amd64");
    world
}

#[tokio::test]
async fn an_image_that_may_not_be_looked_at_is_a_warning_with_its_statement() {
    let repository = "arn:aws:ecr:eu-central-1:111122223333:repository/app";
    for operation in ["BatchGetImage", "GetDownloadUrlForLayer"] {
        let world = with_image(ServiceSetup::default());
        world.simulator.faults().deny(operation);
        let report = reported(&world).await;
        assert_eq!(report["outcome"], "Succeeded", "{report}");
        let warned = warnings(&report);
        assert!(warned.contains("was not checked"), "{warned}");
        let action = format!("ecr:{operation}");
        assert!(has_statement(&warned, &action, repository), "{warned}");
    }
}

#[tokio::test]
async fn evidence_that_may_not_be_gathered_costs_its_part_of_the_text_and_never_the_answer() {
    let crash = Behaviour::Crash {
        exit_code: 1,
        after_seconds: 2,
        log_lines: vec!["why it ended".to_owned()],
    };
    for (operation, action) in [
        ("ListTasks", "ecs:ListTasks"),
        ("DescribeTasks", "ecs:DescribeTasks"),
        ("GetLogEvents", "logs:GetLogEvents"),
    ] {
        let world = with_image(ServiceSetup {
            circuit_breaker: Some(true),
            ..ServiceSetup::default()
        });
        let ecs = world.simulator.ecs();
        ecs.register(crate::support::logging_app("repo/app:v1"));
        ecs.intervene(
            "prod",
            "web",
            &simulator::ecs::Intervention::Deploy {
                task_definition: "app:2".to_owned(),
            },
        );
        world
            .simulator
            .clock()
            .advance(std::time::Duration::from_mins(10));
        ecs.image("v2", crash.clone());
        world.simulator.faults().deny(operation);
        let report = reported(&world).await;
        assert_eq!(report["outcome"], "Failed");
        let message = report["message"].as_str().unwrap();
        assert!(
            message.contains("Rolled back: app:2 is serving"),
            "{message}"
        );
        assert!(!message.contains("why it ended"), "{message}");
        assert!(warnings(&report).contains(action), "{report}");
    }
}

#[tokio::test]
async fn denied_service_deployments_are_a_warning_with_the_statement() {
    for operation in [
        "ListServiceDeployments",
        "DescribeServiceDeployments",
        "DescribeServiceRevisions",
    ] {
        let world = with_image(ServiceSetup::default());
        world.simulator.faults().deny(operation);
        let report = reported(&world).await;
        assert_eq!(
            report["outcome"], "Succeeded",
            "rolling updates can do without: {report}"
        );
        let warned = warnings(&report);
        assert!(warned.contains("judged by rolloutState alone"), "{warned}");
        let action = format!(r#""Action":"ecs:{operation}""#);
        assert!(warned.contains(&action), "{warned}");
    }
}

#[tokio::test]
async fn a_rollback_that_is_not_allowed_says_what_to_allow() {
    let world = with_image(ServiceSetup::default());
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    world.simulator.faults().deny("StopServiceDeployment");
    let report = reported(&world).await;
    assert_eq!(report["outcome"], "Failed");
    let warned = warnings(&report);
    assert!(
        warned.contains(r#""Action":"ecs:StopServiceDeployment","Resource":"arn:aws:ecs:eu-central-1:111122223333:service-deployment/prod/web/"#),
        "{warned}"
    );
    let message = report["message"].as_str().unwrap();
    assert!(
        message.contains("Rolled back: app:1 is serving"),
        "{message}"
    );
}

#[tokio::test]
async fn a_job_that_may_not_be_answered_is_left_to_lambdas_retry_and_logged() {
    for (operation, parameters) in [
        ("PutJobSuccessResult", json!({})),
        ("PutJobFailureResult", json!({"DryRun": "maybe"})),
    ] {
        let world = World::new();
        world.simulator.faults().deny(operation);
        // A success that may not be given becomes a failure that says so.
        world.simulator.faults().deny("PutJobFailureResult");
        let start = world.start(parameters);
        let invocation = world.invocation();
        let error = world.handler.handle(&start, &invocation).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("codepipeline:PutJobFailureResult"), "{text}");
    }
}

#[tokio::test]
async fn a_look_that_is_denied_for_the_whole_time_says_what_to_allow() {
    let world = with_image(ServiceSetup {
        strategy: Strategy::Rolling,
        ..ServiceSetup::default()
    });
    let faults = world.simulator.faults();
    world.simulator.ecs().image("v2", Behaviour::StuckPending);
    let start = world.start(json!({"DeploymentTimeout": 3}));
    let first = world.invoke(&start).await;
    assert_eq!(first["outcome"], "InProgress");
    faults.deny("DescribeServices");
    let job = crate::support::id_of(&start);
    world
        .simulator
        .clock()
        .advance(std::time::Duration::from_secs(30));
    let next = world.simulator.codepipeline().next_event(&job).unwrap();
    let answers = world.run(next).await;
    let (_, message) = failure(answers.last().unwrap());
    assert!(
        has_statement(message, "ecs:DescribeServices", SERVICE),
        "{message}"
    );
}
