//! What a dry run shows, and what it never shows.

use ecs_deploy_action::logs::{self, Format};
use ecs_deploy_action::report::REPORT_LIMIT_BYTES;
use serde_json::{Value, json};
use simulator::ecs::ServiceSetup;

use crate::support::{Kept, World, app, id_of, second_listener};

const IMAGES: &str = r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#;

/// The report of a dry run of `web` from a task definition in the artifact, and all that was
/// written anywhere.
async fn dry_run(runs: Value, file: Value) -> (Value, String) {
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.register(runs);
    ecs.create_service(ServiceSetup {
        cluster: "prod".to_owned(),
        name: "api".to_owned(),
        task_definition: "app:2".to_owned(),
        ..ServiceSetup::default()
    });
    world.put_artifact(&[
        ("imagedefinitions.json", IMAGES),
        ("taskdef.json", &file.to_string()),
    ]);
    let event = world
        .start(json!({"ServiceName": "api", "DryRun": true, "TaskDefinitionFile": "taskdef.json"}));
    let log = Kept::default();
    let writer = log.clone();
    let (format, _) =
        Format::read(|name| (name == "AWS_LAMBDA_LOG_LEVEL").then(|| "TRACE".to_owned()));
    let subscriber = logs::subscriber(format, move || writer.clone());
    let _other = second_listener();
    let report = {
        let _guard = tracing::subscriber::set_default(subscriber);
        world.invoke(&event).await
    };
    let log = log.text();
    assert!(log.contains("done"), "{log}");
    let answer = world.simulator.codepipeline().answer(&id_of(&event));
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    let written = format!("{report}\n{log}\n{answer:?}");
    (report, written)
}

fn with_environment(variables: &[(&str, &str)]) -> Value {
    let mut definition = app("repo/app:v1");
    definition["containerDefinitions"][0]["environment"] = variables
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    definition
}

#[tokio::test]
async fn a_dry_run_names_variables_that_change_and_shows_no_value_of_any() {
    let (report, written) = dry_run(
        with_environment(&[
            ("STAGE", "value-1"),
            ("RELEASE", "value-2"),
            ("OLD", "value-3"),
        ]),
        with_environment(&[
            ("FRESH", "value-4"),
            ("STAGE", "value-1"),
            ("RELEASE", "value-5"),
        ]),
    )
    .await;
    let path = |name: &str| format!("/containerDefinitions/app/environment/{name}");
    let changes = report["services"][0]["changes"].as_array().unwrap();
    for (name, change) in [
        ("RELEASE", "changed"),
        ("OLD", "removed"),
        ("FRESH", "added"),
    ] {
        let expected = json!({"path": path(name), "change": change});
        assert!(changes.contains(&expected), "{changes:?}");
        let line = format!("{}: {change} (value not shown)", path(name));
        assert!(
            report["message"].as_str().unwrap().contains(&line),
            "{report}"
        );
    }
    assert!(!written.contains("STAGE"), "{written}");
    assert!(!written.contains("value-"), "{written}");
    let image = json!({"path": "/containerDefinitions/app/image", "old": "repo/app:v1", "new": "repo/app:v2"});
    assert!(changes.contains(&image), "{changes:?}");
}

#[tokio::test]
async fn one_variable_inserted_at_the_top_is_one_change() {
    let (report, _) = dry_run(
        with_environment(&[("A", "1"), ("B", "2"), ("C", "3")]),
        with_environment(&[("NEW", "0"), ("A", "1"), ("B", "2"), ("C", "3")]),
    )
    .await;
    let changes = report["services"][0]["changes"].as_array().unwrap();
    let paths: Vec<&str> = changes
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "/containerDefinitions/app/image",
            "/containerDefinitions/app/environment/NEW",
            "/tags/ecs-deploy-action:job",
        ]
    );
}

#[tokio::test]
async fn no_secret_of_any_other_member_is_shown_either() {
    let with = |secret: &str| {
        let mut definition = app("repo/app:v1");
        let container = &mut definition["containerDefinitions"][0];
        container["command"] = json!(["sh", "-c", secret]);
        container["dockerLabels"] = json!({"label": secret});
        container["logConfiguration"] =
            json!({"logDriver": "splunk", "options": {"splunk-token": secret}});
        container["inventedLater"] =
            json!({"credentials": [{"name": "n", "value": secret}, secret]});
        definition["inventedLater"] = json!({"password": secret});
        definition
    };
    let (report, written) = dry_run(with("hidden-1"), with("hidden-2")).await;
    assert!(!written.contains("hidden-"), "{written}");
    for path in [
        "/containerDefinitions/app/command",
        "/containerDefinitions/app/dockerLabels/label",
        "/containerDefinitions/app/logConfiguration/options/splunk-token",
        "/inventedLater/password",
    ] {
        let expected = json!({"path": path, "change": "changed"});
        let changes = report["services"][0]["changes"].as_array().unwrap();
        assert!(changes.contains(&expected), "{path}: {changes:?}");
    }
}

#[tokio::test]
async fn however_much_a_dry_run_of_ten_services_changes_its_report_stays_under_a_megabyte() {
    let world = World::new();
    let ecs = world.simulator.ecs();
    let names: Vec<String> = (0..10).map(|number| format!("s{number}")).collect();
    for name in &names {
        ecs.create_service(ServiceSetup {
            cluster: "prod".to_owned(),
            name: name.clone(),
            task_definition: "app:1".to_owned(),
            ..ServiceSetup::default()
        });
    }
    let mut file = app("repo/app:v1");
    let numbers: Vec<usize> = (0..9).collect();
    file["k".repeat(400)] = (0..2300).map(|_| json!({"a": numbers})).collect();
    file["containerDefinitions"][0]["portMappings"] = (1..200)
        .map(|port| json!({"containerPort": port}))
        .collect();
    assert!(
        file.to_string().len() < 64 * 1024,
        "{}",
        file.to_string().len()
    );
    world.put_artifact(&[
        ("imagedefinitions.json", IMAGES),
        ("taskdef.json", &file.to_string()),
    ]);
    let event = world.start(
        json!({"ServiceName": null, "Services": names, "DryRun": true,
        "TaskDefinitionFile": "taskdef.json"}),
    );
    let report = world.invoke(&event).await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    let length = report.to_string().len();
    assert!(length <= REPORT_LIMIT_BYTES, "{length}");
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("changes left out of this report"),
        "{warnings}"
    );
    let message = report["message"].as_str().unwrap();
    assert!(message.chars().count() <= 2048, "{message}");
    assert!(
        message.contains("\nand ") && message.ends_with(" more"),
        "{message}"
    );
}
