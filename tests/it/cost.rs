//! What things cost, held where it is, by counting. What a change costs in time, `cargo bench` shows.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::artifact::entry::TAIL_BYTES;
use ecs_deploy_action::observer::Unobserved;
use serde_json::json;
use simulator::artifacts::{self, Artifact};
use simulator::ecs::ServiceSetup;

use crate::support::{BUCKET, KEY, World, app, success};

/// So much more than was measured is let pass, in percent: whoever needs more sets the figure anew,
/// and says why in the commit.
const ROOM_PERCENT: usize = 10;

fn with_room(measured: usize) -> usize {
    measured + measured * ROOM_PERCENT / 100
}

#[tokio::test]
async fn an_artifact_costs_its_tail_its_directory_and_its_entry_however_large_it_is() {
    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;
    let one: fn() -> Artifact = || artifacts::of_length(KIB);
    let cases: [(&str, fn() -> Artifact, usize); 6] = [
        ("1 KiB", one, 1),
        ("10 MiB", || artifacts::of_length(10 * MIB), 2),
        ("1 GiB", || artifacts::of_length(1024 * MIB), 2),
        ("10 entries", || artifacts::of_entries(10), 1),
        ("10,000 entries", || artifacts::of_entries(10_000), 3),
        ("100,000 entries", || artifacts::of_entries(100_000), 3),
    ];
    for (case, make, requests) in cases {
        let world = World::new();
        let artifact = make();
        let most = artifact.cost(TAIL_BYTES);
        let s3 = world.simulator.s3();
        s3.put_sparse(BUCKET, KEY, artifact.length, artifact.segments);
        success(&world.deploy(json!({})).await);
        let gets = world.simulator.calls_of("GetObject");
        let bytes: u64 = gets.iter().map(|get| get.response_bytes).sum();
        assert_eq!(gets.len(), requests, "{case}: requests");
        assert!(bytes <= most, "{case}: {bytes} bytes, at most {most}");
    }
}

#[tokio::test]
async fn a_start_takes_five_round_trips_one_more_to_look_at_its_roles_and_one_with_ten_services() {
    let cases = [(1, 1, 5), (10, 1, 6), (10, 10, 6)];
    let checked = cases.map(|case| (case, true));
    let unchecked = cases.map(|case| (case, false));
    for ((services, families, most), is_checked) in checked.into_iter().chain(unchecked) {
        let most = most + usize::from(is_checked);
        let world = World::new();
        let ecs = world.simulator.ecs();
        let names: Vec<String> = (0..services).map(|number| format!("s{number}")).collect();
        for (number, name) in names.iter().enumerate() {
            let family = number % families;
            if family == number {
                let mut definition = app("repo/app:v1");
                definition["family"] = json!(format!("app-{family}"));
                ecs.register(definition);
            }
            ecs.create_service(ServiceSetup {
                cluster: "prod".to_owned(),
                name: name.clone(),
                task_definition: format!("app-{family}:1"),
                ..ServiceSetup::default()
            });
        }
        // It acts and looks once.
        world.simulator.answer_in_waves();
        let world = World::around(world.simulator, Arc::new(Unobserved), Duration::ZERO);
        let event = world.start(
            json!({"ServiceName": null, "Services": names, "VerifyDependencies": is_checked}),
        );
        let report = world.invoke(&event).await;
        assert_eq!(report["outcome"], "InProgress", "{report}");
        let calls = world.simulator.calls();
        let path = simulator::round_trips(&calls);
        assert!(
            path.len() <= most,
            "{services} of {families} families: {path:?}"
        );
    }
}

/// So many services, each of a family of its own that has been deployed before.
fn deployed_before(world: &World, services: usize) -> Vec<String> {
    let ecs = world.simulator.ecs();
    let names: Vec<String> = (0..services).map(|number| format!("s{number}")).collect();
    for name in &names {
        let mut definition = app("repo/app:v1");
        definition["family"] = json!(format!("f-{name}"));
        ecs.register(definition.clone());
        let task_definition = ecs.register(definition);
        ecs.create_service(ServiceSetup {
            cluster: "prod".to_owned(),
            name: name.clone(),
            task_definition,
            ..ServiceSetup::default()
        });
    }
    names
}

/// Calls of one service to each of ECS's quotas: at the start, and for each look after it.
const START: [(&str, usize); 4] = [
    ("service reads", 1),
    ("service writes", 1),
    ("task definition reads", 4),
    ("task definition writes", 1),
];
const LOOK: [(&str, usize); 2] = [("service deployments", 1), ("service reads", 1)];
/// The first look finds our service deployment, once.
const FIRST_LOOK: usize = 2;

#[tokio::test]
async fn a_start_takes_four_reads_of_task_definitions_for_each_service_and_a_look_two_calls() {
    for services in [1, 10] {
        let simulator = simulator::Simulator::start();
        let world = World::around(simulator, Arc::new(Unobserved), Duration::ZERO);
        world.put_images(r#"[{"name":"app","imageUri":"repo/app:v2"}]"#);
        let names = deployed_before(&world, services);
        world.simulator.ecs().image(
            "v2",
            simulator::ecs::Behaviour::Healthy { start_seconds: 240 },
        );
        let faults = world.simulator.faults();
        let used = || -> Vec<(&str, usize)> {
            let used = faults.quotas_used().into_iter();
            used.map(|(category, used)| (category, used.asked))
                .collect()
        };
        faults.quotas(true);
        let start = world.start(json!({"ServiceName": null, "Services": names}));
        world.invoke(&start).await;
        let each = |of: &[(&'static str, usize)]| -> Vec<(&str, usize)> {
            of.iter()
                .map(|(category, calls)| (*category, calls * services))
                .collect()
        };
        assert_eq!(used(), each(&START), "the start of {services}");
        // Each of these invocations acts on nothing and looks once.
        let mut event = start;
        for look in 0..3 {
            faults.quotas(true);
            let job = crate::support::id_of(&event);
            event = world.simulator.codepipeline().next_event(&job).unwrap();
            world.simulator.clock().advance(Duration::from_secs(15));
            world.invoke(&event).await;
            let found = if look == 0 { FIRST_LOOK } else { 0 };
            let expected: Vec<(&str, usize)> = LOOK
                .iter()
                .map(|(category, calls)| {
                    let more = if *category == "service deployments" {
                        found
                    } else {
                        0
                    };
                    (*category, (calls + more) * services)
                })
                .collect();
            assert_eq!(used(), expected, "look {look} of {services}");
        }
    }
}

#[test]
fn the_function_is_made_of_about_as_many_crates_as_it_was() {
    const MEASURED: usize = 164;
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--package",
            "ecs-deploy-action",
        ])
        .args([
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listed = String::from_utf8(output.stdout).unwrap();
    // What was shown before is marked.
    let crates: BTreeSet<&str> = listed
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .collect();
    assert!(
        crates.iter().any(|one| one.starts_with("tokio ")),
        "{listed}"
    );
    let count = crates.len();
    assert!(
        count <= with_room(MEASURED),
        "{count} crates, {MEASURED} when last measured: {crates:?}"
    );
}

#[test]
fn a_panic_can_be_caught_in_what_is_installed() {
    // `cargo lambda` would build with `abort` if nothing else stood here.
    let manifest = include_str!("../../Cargo.toml");
    let (_, release) = manifest.split_once("[profile.release]").unwrap();
    let profile = release.split("\n[").next().unwrap();
    assert!(profile.contains("\npanic = \"unwind\"\n"), "{profile}");
}
