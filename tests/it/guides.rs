//! The guides in `docs/`, tried: their files and declarations are deployed, their numbers used, and what they quote is
//! what the function says.
//!
//! A block or a quotation of a guide has a comment with its name in the line before it.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ecs_deploy_action::observer::Unobserved;
use ecs_deploy_action::parameters;
use regex_lite::Regex;
use serde_json::{Value, json};
use simulator::ecs::{Behaviour, Controller, Intervention, LambdaHook, ServiceSetup, Strategy};
use simulator::{Answer, Simulator, StartAction};

use crate::local::local;
use crate::support::{
    BUCKET, KEY, World, app, failure, id_of, service_of, start_bare, success, zip_of,
};

const GUIDES: [&str; 5] = [
    "from-codedeploy",
    "from-copilot",
    "pipelines",
    "service-ownership",
    "updating",
];
const ECR: &str = "111122223333.dkr.ecr.eu-central-1.amazonaws.com";
const DIGEST: &str = "sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865";
const NONE_BUT_THE_IMAGE: [&str; 1] = ["/containerDefinitions/web/image"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn guide(name: &str) -> String {
    std::fs::read_to_string(root().join(format!("docs/{name}.md"))).unwrap()
}

/// What follows on the comment with this name.
#[track_caller]
fn after<'a>(guide: &'a str, name: &str) -> &'a str {
    let comment = format!("<!-- {name} -->\n");
    let mut parts = guide.split(comment.as_str());
    let found = parts.nth(1);
    assert!(parts.next().is_none(), "{name} stands there twice");
    found.unwrap_or_else(|| unreachable!("no {name}"))
}

/// The block with this name.
#[track_caller]
fn block(of: &str, name: &str) -> String {
    let guide = guide(of);
    let fenced = after(&guide, name).strip_prefix("```").unwrap();
    let (_, rest) = fenced.split_once('\n').unwrap();
    rest.split_once("\n```").unwrap().0.to_owned()
}

#[track_caller]
fn json_of(of: &str, name: &str) -> Value {
    serde_json::from_str(&block(of, name)).unwrap()
}

/// The quotation with this name begins what was said.
#[track_caller]
fn assert_quoted(of: &str, name: &str, said: &str) {
    let guide = guide(of);
    let line = after(&guide, name).lines().next().unwrap_or_default();
    let quoted = line.strip_prefix("> ").unwrap();
    // Ids are other ones each time.
    let id = Regex::new(r"(ecs-svc/|hook-)\w+").unwrap();
    let plain = |text: &str| id.replace_all(text, "$1").into_owned();
    assert!(
        plain(said).starts_with(&plain(quoted)),
        "{name}:\n{quoted}\n{said}"
    );
}

/// The `UserParameters` of each action in a block.
fn user_parameters(block: &str) -> Vec<Value> {
    let written = Regex::new("UserParameters: '([^']+)'").unwrap();
    let found = written.captures_iter(block);
    found
        .map(|one| serde_json::from_str(&one[1]).unwrap())
        .collect()
}

#[track_caller]
fn only_parameters(of: &str, name: &str) -> Value {
    let mut found = user_parameters(&block(of, name));
    assert_eq!(found.len(), 1, "{name}");
    found.remove(0)
}

/// The event that starts an action with these parameters and these artifacts, each a name and a key.
fn start(world: &World, parameters: &Value, artifacts: &[(&str, &str)]) -> Value {
    let inputs = artifacts
        .iter()
        .map(|(name, key)| ((*name).to_owned(), BUCKET.to_owned(), (*key).to_owned()));
    world.simulator.codepipeline().start(&StartAction {
        configuration: json!({"FunctionName": "f", "UserParameters": parameters.to_string()}),
        inputs: inputs.collect(),
        ..StartAction::default()
    })
}

/// With the one artifact that worlds have.
fn start_as_written(world: &World, parameters: &Value) -> Value {
    start(world, parameters, &[("Build", KEY)])
}

async fn last(world: &World, event: Value) -> Answer {
    world.run(event).await.pop().unwrap()
}

/// A world with one service that runs this.
fn world_of(definition: Value, setup: ServiceSetup) -> World {
    let simulator = Simulator::start();
    let task_definition = simulator.ecs().register(definition);
    simulator.ecs().create_service(ServiceSetup {
        task_definition,
        ..setup
    });
    World::around(simulator, Arc::new(Unobserved), Duration::from_secs(40))
}

fn summary_of(answer: &Answer) -> &str {
    match answer {
        Answer::Success { summary, .. } => summary.as_deref().unwrap_or_default(),
        Answer::Failure { message, .. } => message,
    }
}

/// Plays CodePipeline for several jobs, whose next events these are, in turn until all have ended: each one's last answer.
async fn in_turn(world: &World, mut events: Vec<Option<Value>>) -> Vec<Answer> {
    let pipeline = world.simulator.codepipeline();
    let mut ends: Vec<Option<Answer>> = vec![None; events.len()];
    while events.iter().any(Option::is_some) {
        for (place, open) in events.iter_mut().enumerate() {
            let Some(event) = open.take() else { continue };
            world.invoke(&event).await;
            ends[place] = pipeline.answer(&id_of(&event));
            *open = pipeline.next_event(&id_of(&event));
        }
        world.simulator.clock().advance(Duration::from_secs(30));
    }
    ends.into_iter().map(Option::unwrap).collect()
}

fn set_to(world: &World) -> String {
    let service = world.service();
    let arn = service["taskDefinition"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

fn image_of(world: &World, revision: &str, container: usize) -> Value {
    let made = world.simulator.ecs().task_definition(revision).unwrap();
    made["containerDefinitions"][container]["image"].clone()
}

// --- what holds for each guide ---

#[test]
fn each_block_and_quotation_of_a_guide_has_a_name_and_is_used_here() {
    let source = include_str!("guides.rs");
    for of in GUIDES {
        let guide = guide(of);
        let lines: Vec<&str> = guide.lines().collect();
        let mut names = BTreeSet::new();
        for (place, line) in lines.iter().enumerate() {
            let is_tried = ["```json", "```yaml", "```hcl", "> "]
                .iter()
                .any(|begin| line.starts_with(begin));
            if is_tried {
                let before = lines[place - 1];
                let name = before
                    .strip_prefix("<!-- ")
                    .and_then(|rest| rest.strip_suffix(" -->"));
                let name = name.unwrap_or_else(|| unreachable!("{of}, line {place}: {before}"));
                assert!(source.contains(&format!("\"{name}\"")), "{of}: {name}");
                assert!(names.insert(name), "{of}: {name} twice");
            }
        }
        assert_eq!(names.len(), guide.matches("<!-- ").count(), "{of}");
    }
}

#[test]
fn the_parameters_in_the_guides_are_understood_and_fit_an_action() {
    const LIMIT_CHARS: usize = 1000;
    let mut seen = 0;
    for of in GUIDES {
        let guide = guide(of);
        let fenced = Regex::new("(?s)```(json|yaml)\n(.*?)\n```").unwrap();
        for found in fenced.captures_iter(&guide) {
            let written = match (&found[1], serde_json::from_str::<Value>(&found[2])) {
                ("json", Ok(value)) if value.get("ServiceName").is_some() => vec![value],
                _ => user_parameters(&found[2]),
            };
            for one in written {
                let text = one.to_string();
                assert!(text.chars().count() <= LIMIT_CHARS, "{of}: {text}");
                let pairs = parameters::written_in("UserParameters", &text).unwrap();
                assert!(parameters::parse(pairs).is_ok(), "{of}: {text}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 9, "{seen}");
}

/// The anchors of a document's headings, as GitHub makes them.
pub(crate) fn anchors(document: &str) -> Vec<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let slugs = headings.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|one| one.is_alphanumeric() || [' ', '-', '_'].contains(one));
        kept.collect::<String>().replace(' ', "-")
    });
    slugs.collect()
}

#[test]
fn what_a_guide_links_to_in_the_repository_is_there_and_each_guide_is_linked() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    for of in GUIDES {
        let path = root().join(format!("docs/{of}.md"));
        let text = guide(of);
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file: PathBuf = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap().join(file)
            };
            let linked = std::fs::read_to_string(&file);
            let linked = linked.unwrap_or_else(|error| unreachable!("{of}: {target}: {error}"));
            let is_there = anchor.is_empty() || anchors(&linked).iter().any(|it| it == anchor);
            assert!(is_there, "{of}: {target}");
        }
        for (from, guides) in [
            ("README.md", &GUIDES[..]),
            ("examples/migrate.md", &GUIDES[..]),
        ] {
            let text = std::fs::read_to_string(root().join(from)).unwrap();
            let is_linked = text.contains(&format!("docs/{of}.md"));
            assert!(is_linked || !guides.contains(&of), "{from}: {of}");
        }
    }
}

// --- from CodeDeploy ---

/// The sample with this image in the place of its placeholder.
fn taskdef(image: &str) -> Value {
    let mut definition = json_of("from-codedeploy", "taskdef");
    definition["containerDefinitions"][0]["image"] = json!(image);
    definition
}

/// `web` on `prod` runs the sample's `web:1`, behind the load balancer of the sample.
fn codedeploy_world(setup: ServiceSetup) -> World {
    let balancers = json_of("from-codedeploy", "service")["loadBalancers"].clone();
    let world = world_of(
        taskdef(&format!("{ECR}/web:v1")),
        ServiceSetup {
            cluster: "prod".to_owned(),
            name: "web".to_owned(),
            load_balancers: Some(balancers),
            ..setup
        },
    );
    let ecr = world.simulator.ecr();
    ecr.put_image("web", "v1", &DIGEST.replace("4355", "1111"), "linux/amd64");
    ecr.put_image("web", "v2", DIGEST, "linux/amd64");
    ecr.put_image(
        "proxy",
        "v2",
        &DIGEST.replace("4355", "2222"),
        "linux/amd64",
    );
    world
}

fn blue_green() -> ServiceSetup {
    ServiceSetup {
        strategy: Strategy::BlueGreen,
        bake_minutes: 5,
        ..ServiceSetup::default()
    }
}

/// The event of the guide's action, with the source in one artifact and what names the image in another.
fn codedeploy_start(world: &World, definition: &Value, images: (&str, &str), more: Value) -> Value {
    let s3 = world.simulator.s3();
    let appspec = "version: 0.0\nResources: []\n";
    let source = [
        ("taskdef.json", definition.to_string()),
        ("appspec.yaml", appspec.to_owned()),
    ];
    let source = source.each_ref().map(|(name, text)| (*name, text.as_str()));
    s3.put(BUCKET, "source.zip", zip_of(&source));
    s3.put(BUCKET, "image.zip", zip_of(&[images]));
    let mut parameters = only_parameters("from-codedeploy", "stage-after");
    for (name, value) in more.as_object().unwrap() {
        parameters[name] = value.clone();
    }
    let artifacts = [("SourceOutput", "source.zip"), ("Image", "image.zip")];
    start(world, &parameters, &artifacts)
}

#[tokio::test]
async fn a_service_of_codedeploy_is_refused_with_the_sentence_of_the_guide() {
    let world = codedeploy_world(ServiceSetup {
        controller: Controller::CodeDeploy,
        ..ServiceSetup::default()
    });
    let detail = block("from-codedeploy", "image-detail");
    let definition = json_of("from-codedeploy", "taskdef");
    let event = codedeploy_start(
        &world,
        &definition,
        ("imageDetail.json", &detail),
        json!({}),
    );
    let answer = last(&world, event).await;
    assert_quoted("from-codedeploy", "message-code-deploy", failure(&answer).1);
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn the_files_of_codedeploy_deploy_as_they_are_on_ecs_own_blue_green() {
    let world = codedeploy_world(blue_green());
    let before = world.simulator.clock().now_ms();
    let detail = block("from-codedeploy", "image-detail");
    let mut definition = json_of("from-codedeploy", "taskdef");
    // As describe-task-definition prints it, and a placeholder where none is filled.
    definition["revision"] = json!(7);
    definition["containerDefinitions"][0]["environment"] =
        json!([{"name": "IMAGE", "value": "<IMAGE1_NAME>"}]);
    let event = codedeploy_start(
        &world,
        &definition,
        ("imageDetail.json", &detail),
        json!({}),
    );
    let report = world.invoke(&event).await;
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("revision left out"), "{warnings}");
    let next = world.simulator.codepipeline().next_event(&id_of(&event));
    let answer = last(&world, next.unwrap()).await;
    let (summary, _) = success(&answer);
    assert!(
        summary.starts_with("web on prod: web:2 is serving, 2 tasks"),
        "{summary}"
    );
    let made = world.simulator.ecs().task_definition("web:2").unwrap();
    let container = &made["containerDefinitions"][0];
    assert_eq!(container["image"], format!("{ECR}/web@{DIGEST}"));
    assert_eq!(container["environment"][0]["value"], "<IMAGE1_NAME>");
    // The bake time was waited for, and nothing else of the service was sent.
    let minutes = (world.simulator.clock().now_ms() - before) / 60_000;
    assert!(minutes >= 5, "{minutes}");
    let sent = &world.simulator.calls_of("UpdateService")[0].request;
    let sent: Vec<&String> = sent.as_object().unwrap().keys().collect();
    assert_eq!(sent, ["cluster", "service", "taskDefinition"]);
}

#[tokio::test]
async fn placeholders_are_filled_as_the_guide_says() {
    let detail = block("from-codedeploy", "image-detail");
    let definitions = block("from-codedeploy", "image-definitions");
    let one = json_of("from-codedeploy", "taskdef");
    let mut none = one.clone();
    none["containerDefinitions"][0]["image"] = json!("repo/any:v0");
    let mut two = one.clone();
    let proxy = json!({"name": "proxy", "image": "<IMAGE2_NAME>"});
    two["containerDefinitions"]
        .as_array_mut()
        .unwrap()
        .push(proxy);
    let of_detail = ("imageDetail.json", detail.as_str());
    let of_definitions = ("imagedefinitions.json", definitions.as_str());
    let named = |name: &str| json!({"ContainerName": name});
    let by_digest = format!("{ECR}/web@{DIGEST}");
    for (definition, images, more, expected) in [
        (&one, of_detail, json!({}), &by_digest),
        (&one, of_detail, named("web"), &by_digest),
        (&one, of_detail, named("IMAGE1_NAME"), &by_digest),
        (&none, of_detail, json!({}), &by_digest),
        (
            &two,
            of_definitions,
            json!({"FileName": "imagedefinitions.json"}),
            &format!("{ECR}/web:v2"),
        ),
    ] {
        let world = codedeploy_world(blue_green());
        let event = codedeploy_start(&world, definition, images, more);
        let answer = last(&world, event).await;
        success(&answer);
        assert_eq!(image_of(&world, "web:2", 0), json!(expected));
        if definition == &two {
            assert_eq!(
                image_of(&world, "web:2", 1),
                json!(format!("{ECR}/proxy:v2"))
            );
        }
    }
    let world = codedeploy_world(blue_green());
    let event = codedeploy_start(&world, &two, of_detail, named("IMAGE1_NAME"));
    let answer = last(&world, event).await;
    assert_quoted("from-codedeploy", "message-placeholder", failure(&answer).1);
    let mut other = one.clone();
    other["family"] = json!("web-green");
    let event = codedeploy_start(&world, &other, of_detail, json!({}));
    let answer = last(&world, event).await;
    assert_quoted(
        "from-codedeploy",
        "message-other-family",
        failure(&answer).1,
    );
    // A file that two artifacts have; one of them for all files lacks the other.
    let event = codedeploy_start(&world, &one, of_detail, json!({}));
    let text = one.to_string();
    let both = zip_of(&[of_detail, ("taskdef.json", &text)]);
    world.simulator.s3().put(BUCKET, "image.zip", both);
    let answer = last(&world, event).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("taskdef.json is in the artifacts SourceOutput and Image"),
        "{message}"
    );
    let more = json!({"InputArtifact": "SourceOutput"});
    let event = codedeploy_start(&world, &one, of_detail, more);
    let answer = last(&world, event).await;
    let (_, message) = failure(&answer);
    assert!(message.contains("imageDetail.json"), "{message}");
    // A container or port that the load balancer asks for and the file lacks.
    let mut closed = one.clone();
    closed["containerDefinitions"][0]["portMappings"] = json!([{"containerPort": 9090}]);
    let event = codedeploy_start(&world, &closed, of_detail, json!({}));
    let answer = last(&world, event).await;
    assert_eq!(failure(&answer).0, "ConfigurationError");
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn a_dry_run_of_the_action_reads_the_same_files_and_changes_nothing() {
    let world = codedeploy_world(blue_green());
    let detail = block("from-codedeploy", "image-detail");
    let definition = json_of("from-codedeploy", "taskdef");
    let files = ("imageDetail.json", detail.as_str());
    let event = codedeploy_start(&world, &definition, files, json!({"DryRun": true}));
    let report = world.invoke(&event).await;
    assert_eq!(report["outcome"], "Succeeded", "{report}");
    let changes = report["services"][0]["changes"].as_array().unwrap();
    let paths: Vec<&str> = changes
        .iter()
        .filter_map(|one| one["path"].as_str())
        .filter(|path| !path.starts_with("/tags/"))
        .collect();
    assert_eq!(paths, NONE_BUT_THE_IMAGE);
    assert_eq!(
        world.count("RegisterTaskDefinition") + world.count("UpdateService"),
        0
    );
}

#[tokio::test]
async fn each_deployment_configuration_ends_after_the_minutes_that_its_numbers_say() {
    let guide = guide("from-codedeploy");
    let row = Regex::new(
        r"(?m)^\| `CodeDeployDefault\.ECS(\w+)` \| `(\w+)` \| (?:`\w+` (\d+), `\w+` (\d+) )?\|$",
    )
    .unwrap();
    let rows: Vec<_> = row.captures_iter(&guide).collect();
    assert_eq!(rows.len(), 5);
    for found in rows {
        let number = |place: usize| {
            found
                .get(place)
                .map(|it| it.as_str().parse::<u32>().unwrap())
        };
        let steps = number(3).map(f64::from).zip(number(4));
        // CodeDeploy's name says the same numbers.
        let in_name: Vec<u32> = Regex::new(r"\d+")
            .unwrap()
            .find_iter(&found[1])
            .map(|it| it.as_str().parse().unwrap())
            .collect();
        assert_eq!(
            in_name,
            [number(3), number(4)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        );
        let (setup, shift) = match (&found[2], steps) {
            ("BLUE_GREEN", None) => (blue_green(), 0),
            ("LINEAR", Some((percent, minutes))) => (
                ServiceSetup {
                    strategy: Strategy::Linear,
                    linear: Some((percent, minutes)),
                    ..blue_green()
                },
                // The last of ten steps is the bake time.
                9 * i64::from(minutes),
            ),
            ("CANARY", Some((percent, minutes))) => (
                ServiceSetup {
                    strategy: Strategy::Canary,
                    canary: Some((percent, minutes)),
                    ..blue_green()
                },
                i64::from(minutes),
            ),
            other => unreachable!("{other:?}"),
        };
        let bake = i64::from(setup.bake_minutes);
        let world = codedeploy_world(setup);
        let before = world.simulator.clock().now_ms();
        let detail = block("from-codedeploy", "image-detail");
        let definition = json_of("from-codedeploy", "taskdef");
        let files = ("imageDetail.json", detail.as_str());
        let event = codedeploy_start(&world, &definition, files, json!({}));
        let answer = last(&world, event).await;
        success(&answer);
        let minutes = (world.simulator.clock().now_ms() - before) / 60_000;
        let least = shift + bake;
        assert!(
            (least..least + 6).contains(&minutes),
            "{}: {minutes}",
            &found[1]
        );
    }
}

#[tokio::test]
async fn a_strategy_longer_than_the_time_limit_is_refused_with_the_sentence_of_the_guide() {
    let world = codedeploy_world(ServiceSetup {
        strategy: Strategy::Linear,
        linear: Some((10.0, 3)),
        bake_minutes: 40,
        ..ServiceSetup::default()
    });
    let detail = block("from-codedeploy", "image-detail");
    let definition = json_of("from-codedeploy", "taskdef");
    let files = ("imageDetail.json", detail.as_str());
    let event = codedeploy_start(&world, &definition, files, json!({}));
    let answer = last(&world, event).await;
    assert_quoted("from-codedeploy", "message-timeout", failure(&answer).1);
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
}

#[tokio::test]
async fn a_hook_that_fails_is_a_failed_action_with_the_sentence_of_the_guide() {
    let world = codedeploy_world(ServiceSetup {
        lambda_hook: Some(LambdaHook {
            stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
            function: "smoke-test".to_owned(),
            times_out: false,
            log_lines: Vec::new(),
        }),
        ..blue_green()
    });
    let detail = block("from-codedeploy", "image-detail");
    let definition = json_of("from-codedeploy", "taskdef");
    let files = ("imageDetail.json", detail.as_str());
    let event = codedeploy_start(&world, &definition, files, json!({}));
    let answer = last(&world, event).await;
    assert_quoted("from-codedeploy", "message-hook", failure(&answer).1);
    assert_eq!(set_to(&world), "web:1");
}

#[tokio::test]
async fn a_task_after_the_traffic_has_shifted_rolls_back_while_the_old_tasks_run() {
    let asked = json_of("from-codedeploy", "post-deploy-task");
    let detail = block("from-codedeploy", "image-detail");
    let definition = json_of("from-codedeploy", "taskdef");
    for (wait_for, is_stopped) in [("Serving", true), ("Complete", false)] {
        let world = codedeploy_world(ServiceSetup {
            bake_minutes: 20,
            ..blue_green()
        });
        world.simulator.ecs().command(
            "./smoke-test",
            Behaviour::Crash {
                exit_code: 1,
                after_seconds: 2,
                log_lines: Vec::new(),
            },
        );
        let before = world.simulator.clock().now_ms();
        let mut asked = asked.clone();
        assert_eq!(asked["WaitFor"], "Serving");
        asked["WaitFor"] = json!(wait_for);
        let files = ("imageDetail.json", detail.as_str());
        let event = codedeploy_start(&world, &definition, files, asked);
        let answer = last(&world, event).await;
        let (_, message) = failure(&answer);
        assert!(message.contains("the post-deploy task failed"), "{message}");
        assert_eq!(set_to(&world), "web:1", "{message}");
        let stops = world.count("StopServiceDeployment");
        assert_eq!(stops, usize::from(is_stopped));
        // The bake time once before the task, and once more for a rollback that is a deployment.
        let minutes = (world.simulator.clock().now_ms() - before) / 60_000;
        assert_eq!(minutes < 5, is_stopped, "{minutes}");
        assert_eq!(minutes >= 40, !is_stopped, "{minutes}");
    }
    // A bake time as long as a rollback may take besides.
    let world = codedeploy_world(ServiceSetup {
        bake_minutes: 30,
        ..blue_green()
    });
    let ends = Behaviour::Crash {
        exit_code: 1,
        after_seconds: 2,
        log_lines: Vec::new(),
    };
    world.simulator.ecs().command("./smoke-test", ends);
    let mut asked = asked;
    asked["WaitFor"] = json!("Complete");
    let files = ("imageDetail.json", detail.as_str());
    let event = codedeploy_start(&world, &definition, files, asked);
    let answer = last(&world, event).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Rolled back: web:1 is serving"),
        "{message}"
    );
}

/// What the simulated ECS answers to a request that is not the function's: its status.
fn status_of(simulator: &Simulator, operation: &str, request: &Value) -> (String, String) {
    let endpoint = simulator.endpoint();
    let mut stream = TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).unwrap();
    let body = request.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: ecs\r\nx-amz-target: AmazonEC2ContainerServiceV20141113.{operation}\r\nauthorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260901/eu-central-1/ecs/aws4_request, SignedHeaders=host, Signature=0\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    (status, answer)
}

#[test]
fn the_update_of_the_service_is_one_that_the_api_takes() {
    let world = codedeploy_world(ServiceSetup::default());
    let request = json_of("from-codedeploy", "service");
    let (status, answer) = status_of(&world.simulator, "UpdateService", &request);
    assert_eq!(status, "200", "{answer}");
    // Somebody looks: a name that the API does not know is refused.
    for pointer in [
        "",
        "/deploymentConfiguration/lifecycleHooks/0",
        "/loadBalancers/0/advancedConfiguration",
    ] {
        let mut wrong = request.clone();
        wrong.pointer_mut(pointer).unwrap()["bakeTime"] = json!(5);
        let (status, answer) = status_of(&world.simulator, "UpdateService", &wrong);
        assert_eq!(status, "400", "{pointer}: {answer}");
    }
    // The template says the same as the file.
    let template = block("from-codedeploy", "template-service");
    for text in [
        "Strategy: CANARY",
        "{CanaryPercent: 10, CanaryBakeTimeInMinutes: 5}",
        "BakeTimeInMinutes: 5",
        "LifecycleStages: [POST_TEST_TRAFFIC_SHIFT]",
        "{TimeoutInMinutes: 60, Action: ROLLBACK}",
    ] {
        assert!(template.contains(text), "{text}");
    }
}

#[test]
fn the_migration_tool_names_the_action_of_codedeploy_and_leaves_it() {
    let stage = block("from-codedeploy", "stage-before");
    let lines: Vec<String> = stage
        .lines()
        .map(|line| format!("        {line}"))
        .collect();
    let stages = lines.join("\n");
    let template = format!(
        "Resources:\n  Pipeline:\n    Type: AWS::CodePipeline::Pipeline\n    Properties:\n      Stages:\n{stages}\n"
    );
    let path = std::env::temp_dir().join(format!("codedeploy-{}.yaml", std::process::id()));
    std::fs::write(&path, &template).unwrap();
    let output = local(&["--migrate", path.to_str().unwrap()])
        .output()
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), template);
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("CodeDeployToECS"), "{report}");
    assert_eq!(output.status.code(), Some(1), "{report}");
}

// --- from Copilot ---

const COPILOT_SERVICE: &str = "shop-prod-api-Service-GhIjKl789012";
const COPILOT_CLUSTER: &str = "shop-prod-Cluster-AbCdEf123456";
const FAMILY: &str = "shop-prod-api";

/// A revision as Copilot's stack registers it.
fn copilot_definition(image: &str) -> Value {
    let role = |name: &str| format!("arn:aws:iam::111122223333:role/shop-prod-api-{name}-MnOpQr");
    let log = json!({"logDriver": "awslogs", "options": {"awslogs-region": "eu-central-1",
        "awslogs-group": "/copilot/shop-prod-api", "awslogs-stream-prefix": "copilot"}});
    let common = json!([{"name": "COPILOT_APPLICATION_NAME", "value": "shop"},
        {"name": "COPILOT_ENVIRONMENT_NAME", "value": "prod"}]);
    json!({
        "family": FAMILY, "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512",
        "executionRoleArn": role("ExecutionRole"), "taskRoleArn": role("TaskRole"),
        "containerDefinitions": [
            {"name": "api", "image": image, "environment": common, "portMappings": [{"containerPort": 8080}],
             "secrets": [{"name": "DB_PASSWORD",
                "valueFrom": "arn:aws:ssm:eu-central-1:111122223333:parameter/copilot/shop/prod/secrets/db_password"}],
             "logConfiguration": log},
            {"name": "nginx", "image": "public.ecr.aws/nginx/nginx:1", "environment": common, "logConfiguration": log},
        ],
        "tags": [{"key": "copilot-application", "value": "shop"}, {"key": "aws:cloudformation:stack-name", "value": FAMILY}],
    })
}

fn copilot_world() -> World {
    let world = world_of(
        copilot_definition(&format!("{ECR}/shop/api:v1")),
        ServiceSetup {
            cluster: COPILOT_CLUSTER.to_owned(),
            name: COPILOT_SERVICE.to_owned(),
            circuit_breaker: Some(true),
            ..ServiceSetup::default()
        },
    );
    let ecr = world.simulator.ecr();
    ecr.put_image(
        "shop/api",
        "v1",
        &DIGEST.replace("4355", "1111"),
        "linux/amd64",
    );
    ecr.put_image("shop/api", "v2", DIGEST, "linux/amd64");
    let account = world.simulator.account();
    account.put_parameter("/copilot/shop/prod/secrets/db_password", "password-MARK");
    world.put_images(&block("from-copilot", "image-definitions"));
    world
}

fn copilot_revision(number: usize) -> String {
    format!("{FAMILY}:{number}")
}

fn runs(world: &World) -> String {
    let service = world
        .simulator
        .ecs()
        .service(COPILOT_CLUSTER, COPILOT_SERVICE)
        .unwrap();
    let arn = service["taskDefinition"].as_str().unwrap();
    arn.rsplit('/').next().unwrap().to_owned()
}

fn stack_deploys(number: usize) -> Intervention {
    Intervention::Deploy {
        task_definition: copilot_revision(number),
    }
}

#[tokio::test]
async fn a_service_of_copilots_gets_another_image_and_keeps_all_else() {
    let world = copilot_world();
    let parameters = only_parameters("from-copilot", "stage");
    let answer = last(&world, start_as_written(&world, &parameters)).await;
    success(&answer);
    let ecs = world.simulator.ecs();
    let mut made = ecs.task_definition(&copilot_revision(2)).unwrap();
    let mut expected = copilot_definition(&format!("{ECR}/shop/api:v2"));
    for one in [&mut made, &mut expected] {
        one.as_object_mut().unwrap().remove("tags");
    }
    assert_eq!(made, expected);
    // By its ARNs, as CloudFormation says them.
    let service = ecs.service(COPILOT_CLUSTER, COPILOT_SERVICE).unwrap();
    let mut by_arn = parameters.clone();
    by_arn["ServiceName"] = service["serviceArn"].clone();
    by_arn["ClusterName"] = service["clusterArn"].clone();
    by_arn["DryRun"] = json!(true);
    let report = world.invoke(&start_as_written(&world, &by_arn)).await;
    let message = report["message"].as_str().unwrap();
    assert!(message.contains(&copilot_revision(2)), "{message}");
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn the_circuit_breaker_of_copilots_services_rolls_back_and_the_action_follows() {
    let world = copilot_world();
    let ecs = world.simulator.ecs();
    ecs.image("shop/api:v2", Behaviour::CannotPull);
    let parameters = only_parameters("from-copilot", "stage");
    let answer = last(&world, start_as_written(&world, &parameters)).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Rolled back: shop-prod-api:1 is serving"),
        "{message}"
    );
    assert_eq!(world.count("StopServiceDeployment"), 0);
}

#[tokio::test]
async fn a_secret_that_is_patched_in_stays_and_one_that_is_not_there_is_refused() {
    let world = copilot_world();
    let patch = json_of("from-copilot", "patch");
    let answer = last(&world, start_as_written(&world, &patch)).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError");
    assert!(
        message.contains("/copilot/shop/prod/secrets/API_KEY"),
        "{message}"
    );
    assert_eq!(world.count("RegisterTaskDefinition"), 0);
    let account = world.simulator.account();
    account.put_parameter("/copilot/shop/prod/secrets/API_KEY", "key-MARK");
    let without = only_parameters("from-copilot", "stage");
    for parameters in [&patch, &without] {
        let answer = last(&world, start_as_written(&world, parameters)).await;
        success(&answer);
    }
    assert_eq!(runs(&world), copilot_revision(3));
    let made = world.simulator.ecs().task_definition(&copilot_revision(3));
    let secrets = made.unwrap()["containerDefinitions"][0]["secrets"].to_string();
    assert!(
        secrets.contains("DB_PASSWORD") && secrets.contains("API_KEY"),
        "{secrets}"
    );
}

#[tokio::test]
async fn a_command_before_the_deployment_takes_the_place_of_a_task_of_copilots() {
    for exit_code in [0, 3] {
        let world = copilot_world();
        world.simulator.ecs().command(
            "./migrate up",
            Behaviour::Crash {
                exit_code,
                after_seconds: 2,
                log_lines: Vec::new(),
            },
        );
        let parameters = json_of("from-copilot", "pre-deploy-task");
        let answer = last(&world, start_as_written(&world, &parameters)).await;
        assert_eq!(matches!(answer, Answer::Success { .. }), exit_code == 0);
        assert_eq!(world.count("UpdateService"), usize::from(exit_code == 0));
    }
}

#[tokio::test]
async fn a_job_of_copilots_is_not_changed_and_a_schedule_of_the_family_is() {
    let world = copilot_world();
    let events = world.simulator.events();
    let role = "arn:aws:iam::111122223333:role/events";
    let job = json!({"Id": "job", "RoleArn": role,
        "Arn": "arn:aws:states:eu-central-1:111122223333:stateMachine:shop-prod-report"});
    events.put_target("default", "shop-prod-report-Rule", job.clone());
    let cluster = format!("arn:aws:ecs:eu-central-1:111122223333:cluster/{COPILOT_CLUSTER}");
    let arn = |number| {
        let name = copilot_revision(number);
        format!("arn:aws:ecs:eu-central-1:111122223333:task-definition/{name}")
    };
    let own = json!({"Id": "own", "Arn": cluster, "RoleArn": role,
        "EcsParameters": {"TaskDefinitionArn": arn(1)}});
    events.put_target("default", "report", own);
    let mut parameters = only_parameters("from-copilot", "stage");
    parameters["ScheduledTasks"] = json!(true);
    let answer = last(&world, start_as_written(&world, &parameters)).await;
    success(&answer);
    assert_eq!(events.targets("default", "shop-prod-report-Rule"), [job]);
    let target = &events.targets("default", "report")[0];
    assert_eq!(target["EcsParameters"]["TaskDefinitionArn"], arn(2));
}

#[tokio::test]
async fn a_stack_that_sets_its_service_back_is_noticed_and_the_next_deployment_starts_from_that() {
    // While it is followed.
    let world = copilot_world();
    let ecs = world.simulator.ecs();
    let soon = Duration::from_secs(5);
    ecs.on_update(COPILOT_CLUSTER, COPILOT_SERVICE, soon, stack_deploys(1));
    let parameters = only_parameters("from-copilot", "stage");
    let answer = last(&world, start_as_written(&world, &parameters)).await;
    let (_, message) = failure(&answer);
    assert!(message.contains("shop-prod-api:1"), "{message}");
    assert_eq!(runs(&world), copilot_revision(1));
    // Later: what a patch has brought is lost, what the stack has is there.
    let world = copilot_world();
    let ecs = world.simulator.ecs();
    let account = world.simulator.account();
    account.put_parameter("/copilot/shop/prod/secrets/API_KEY", "key-MARK");
    let patch = json_of("from-copilot", "patch");
    let answer = last(&world, start_as_written(&world, &patch)).await;
    success(&answer);
    ecs.intervene(COPILOT_CLUSTER, COPILOT_SERVICE, &stack_deploys(1));
    world.simulator.clock().advance(Duration::from_mins(10));
    let answer = last(&world, start_as_written(&world, &parameters)).await;
    success(&answer);
    let made = ecs.task_definition(&copilot_revision(3)).unwrap();
    let container = &made["containerDefinitions"][0];
    assert_eq!(container["image"], format!("{ECR}/shop/api:v2"));
    let secrets = container["secrets"].to_string();
    assert!(
        secrets.contains("DB_PASSWORD") && !secrets.contains("API_KEY"),
        "{secrets}"
    );
}

#[tokio::test]
async fn keeping_few_revisions_deregisters_the_one_that_a_stack_names() {
    let world = copilot_world();
    let mut parameters = only_parameters("from-copilot", "stage");
    parameters["KeepRevisions"] = json!(2);
    for _ in 0..3 {
        let answer = last(&world, start_as_written(&world, &parameters)).await;
        success(&answer);
        world.simulator.clock().advance(Duration::from_mins(90));
    }
    let active = world.simulator.ecs().active_revisions(FAMILY);
    let of_the_stack = format!("/{}", copilot_revision(1));
    assert!(
        !active.iter().any(|arn| arn.ends_with(&of_the_stack)),
        "{active:?}"
    );
}

// --- pipelines ---

/// A world in which a first job deploys `repo/app:v2`, slowly, and a second one is to deploy `repo/app:v3`: the next event of the
/// first.
async fn first_of_two() -> (World, Value) {
    let world = World::new();
    let slow = Behaviour::Healthy { start_seconds: 120 };
    world.simulator.ecs().image("v2", slow);
    let first = world.start(json!({}));
    let report = world.invoke(&first).await;
    assert_eq!(report["outcome"], "InProgress");
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v3"}]"#);
    let next = world.simulator.codepipeline().next_event(&id_of(&first));
    (world, next.unwrap())
}

#[tokio::test]
async fn of_two_jobs_at_once_each_ends_as_the_table_says() {
    // Replace
    let (world, first) = first_of_two().await;
    let second = world.start(json!({}));
    let ends = in_turn(&world, vec![Some(second), Some(first)]).await;
    let (summary, _) = success(&ends[0]);
    assert!(summary.contains("app:3 is serving"), "{summary}");
    assert_quoted("pipelines", "message-replaced", failure(&ends[1]).1);
    assert_eq!(set_to(&world), "app:3");
    // Fail
    let (world, first) = first_of_two().await;
    let second = world.start(json!({"IfDeploying": "Fail"}));
    let ends = in_turn(&world, vec![Some(second), Some(first)]).await;
    assert_quoted("pipelines", "message-fail", failure(&ends[0]).1);
    success(&ends[1]);
    assert_eq!((set_to(&world).as_str(), world.revisions()), ("app:2", 2));
}

#[tokio::test]
async fn of_two_jobs_of_which_one_waits_the_first_succeeds_if_it_looks_in_time() {
    let waits = json_of("pipelines", "wait");
    for is_first_in_time in [true, false] {
        let (world, first) = first_of_two().await;
        let second = start_as_written(&world, &waits);
        world.invoke(&second).await;
        let pipeline = world.simulator.codepipeline();
        let answer = pipeline.answer(&id_of(&second)).unwrap();
        assert_quoted("pipelines", "message-waiting", summary_of(&answer));
        let second = pipeline.next_event(&id_of(&second));
        // Which of the two CodePipeline invokes again first.
        let (first_end, second_end) = if is_first_in_time {
            let first_end = last(&world, first).await;
            (first_end, last(&world, second.unwrap()).await)
        } else {
            let second_end = last(&world, second.unwrap()).await;
            (last(&world, first).await, second_end)
        };
        let (summary, _) = success(&second_end);
        assert!(summary.contains("app:3 is serving"), "{summary}");
        assert_eq!(world.done("UpdateService"), 2);
        if is_first_in_time {
            success(&first_end);
        } else {
            let (_, message) = failure(&first_end);
            assert_quoted("pipelines", "message-complete-and-replaced", message);
        }
    }
}

#[tokio::test]
async fn a_retry_is_a_new_job_that_deploys_the_same_artifact_again() {
    let world = World::new();
    let ecs = world.simulator.ecs();
    ecs.image("v2", Behaviour::CannotPull);
    let first = world.start(json!({}));
    let answer = last(&world, first.clone()).await;
    let (_, message) = failure(&answer);
    assert!(
        message.contains("Rolled back: app:1 is serving"),
        "{message}"
    );
    ecs.image("v2", Behaviour::Healthy { start_seconds: 20 });
    let again = world.start(json!({}));
    assert_ne!(id_of(&first), id_of(&again));
    let answer = last(&world, again).await;
    let (summary, _) = success(&answer);
    assert!(summary.contains("app:3 is serving"), "{summary}");
    assert_eq!(image_of(&world, "app:3", 0), "repo/app:v2");
    // The event of the first job once more deploys nothing.
    world.simulator.codepipeline().open_job(&first);
    let report = world.invoke(&first).await;
    assert_eq!(report["outcome"], "Failed", "{report}");
    assert_eq!(set_to(&world), "app:3");
}

#[tokio::test]
async fn a_retry_after_a_replacement_deploys_over_the_other() {
    let (world, first) = first_of_two().await;
    let second = world.start(json!({}));
    let ends = in_turn(&world, vec![Some(second), Some(first)]).await;
    failure(&ends[1]);
    // Its artifact is the older one.
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#);
    let again = world.start(json!({}));
    let answer = last(&world, again).await;
    success(&answer);
    assert_eq!(image_of(&world, &set_to(&world), 0), "repo/app:v2");
}

#[tokio::test]
async fn all_actions_once_more_deploy_nothing_if_that_serves() {
    let world = World::new();
    let ecr = world.simulator.ecr();
    ecr.put_image("app", "v2", DIGEST, "linux/amd64");
    world.put_images(&json!([{"name": "app", "imageUri": format!("{ECR}/app:v2")}]).to_string());
    let skip = json_of("pipelines", "skip");
    let answer = last(&world, start_as_written(&world, &skip)).await;
    success(&answer);
    let answer = last(&world, start_as_written(&world, &skip)).await;
    assert_quoted("pipelines", "message-unchanged", success(&answer).0);
    assert_eq!((world.revisions(), world.done("UpdateService")), (2, 1));
}

#[tokio::test]
async fn what_is_abandoned_goes_on_in_ecs_unfollowed() {
    for is_broken in [false, true] {
        let world = World::new();
        let behaviour = if is_broken {
            Behaviour::CannotPull
        } else {
            Behaviour::Healthy { start_seconds: 120 }
        };
        world.simulator.ecs().image("v2", behaviour);
        let start = world.start(json!({"FailureThreshold": 0}));
        // Abandoned meanwhile: the answer is refused, and there is no next event.
        let faults = world.simulator.faults();
        let code = "InvalidJobStateException";
        faults.fail("PutJobSuccessResult", 9, 400, code, "The job is over.");
        world.invoke(&start).await;
        assert_eq!(world.simulator.codepipeline().answers().len(), 0);
        world.simulator.clock().advance(Duration::from_mins(90));
        assert_eq!(world.count("StopServiceDeployment"), 0);
        let service = service_of(&world, "web");
        let state = service["deployments"][0]["rolloutState"].as_str();
        let expected = if is_broken {
            "IN_PROGRESS"
        } else {
            "COMPLETED"
        };
        assert_eq!(state, Some(expected), "{service}");
        assert_eq!(set_to(&world), "app:2");
        if is_broken {
            faults.lift("PutJobSuccessResult");
            let answer = world.deploy(json!({"IfDeploying": "Fail"})).await;
            assert!(failure(&answer).1.contains("is under way (app:2"));
        }
    }
}

/// Deploys what the artifact with this key holds.
async fn release(world: &World, key: &str, parameters: Value) -> Answer {
    let mut all = json!({"ClusterName": "prod", "ServiceName": "web"});
    for (name, value) in parameters.as_object().unwrap() {
        all[name] = value.clone();
    }
    last(world, start(world, &all, &[("Build", key)])).await
}

fn put_release(world: &World, key: &str, image: &str, cpu: &str) {
    let mut file = app("<IMAGE1_NAME>");
    file["cpu"] = json!(cpu);
    file["memory"] = json!("2048");
    let images = json!([{"name": "app", "imageUri": image}]).to_string();
    let files = [
        ("imagedefinitions.json", images.as_str()),
        ("taskdef.json", &file.to_string()),
    ];
    world.simulator.s3().put(BUCKET, key, zip_of(&files));
}

#[tokio::test]
async fn a_stage_rollback_deploys_the_older_artifact_and_keeps_what_the_table_says() {
    let patch = json!({"TaskDefinitionPatch": {"containerDefinitions": {"app": {"environment": {"FLAG": "on"}}}}});
    let file = json!({"TaskDefinitionFile": "taskdef.json"});
    for (parameters, cpu) in [(json!({}), "256"), (file, "512")] {
        let world = World::new();
        put_release(&world, "one.zip", "repo/app:v2", "512");
        put_release(&world, "two.zip", "repo/app:v3", "1024");
        for key in ["one.zip", "two.zip"] {
            success(&release(&world, key, parameters.clone()).await);
        }
        // A change since then.
        put_release(&world, KEY, "repo/app:v3", "1024");
        let answer = world.deploy(patch.clone()).await;
        success(&answer);
        let answer = release(&world, "one.zip", parameters.clone()).await;
        let (summary, _) = success(&answer);
        assert!(summary.contains("app:5 is serving"), "{summary}");
        let made = world.simulator.ecs().task_definition("app:5").unwrap();
        assert_eq!(made["containerDefinitions"][0]["image"], "repo/app:v2");
        assert_eq!(made["cpu"], cpu);
        let is_kept = made.to_string().contains("FLAG");
        assert_eq!(is_kept, parameters == json!({}), "{made}");
    }
}

#[tokio::test]
async fn an_automatic_stage_rollback_after_a_failure_deploys_nothing_if_that_is_skipped() {
    for is_skipped in [true, false] {
        let world = World::new();
        let skip = json!({"SkipIfUnchanged": is_skipped});
        put_release(&world, "one.zip", "repo/app:v2", "512");
        put_release(&world, "two.zip", "repo/app:v3", "512");
        world.simulator.ecs().image("v3", Behaviour::CannotPull);
        success(&release(&world, "one.zip", skip.clone()).await);
        failure(&release(&world, "two.zip", skip.clone()).await);
        world.simulator.clock().advance(Duration::from_mins(2));
        let before = world.revisions();
        let answer = release(&world, "one.zip", skip).await;
        let (summary, _) = success(&answer);
        assert_eq!(world.revisions() - before, usize::from(!is_skipped));
        if is_skipped {
            assert_quoted("pipelines", "message-unchanged", summary);
        }
    }
}

#[tokio::test]
async fn a_task_before_the_deployment_runs_again_in_a_stage_rollback_with_the_older_image() {
    let world = World::new();
    let ends = Behaviour::Crash {
        exit_code: 0,
        after_seconds: 2,
        log_lines: Vec::new(),
    };
    world.simulator.ecs().command("./migrate up", ends);
    put_release(&world, "one.zip", "repo/app:v2", "512");
    put_release(&world, "two.zip", "repo/app:v3", "512");
    let task = json!({"PreDeployTask": {"Container": "app", "Command": ["./migrate", "up"], "Timeout": 5}});
    for key in ["one.zip", "two.zip", "one.zip"] {
        success(&release(&world, key, task.clone()).await);
    }
    let ran = world.simulator.calls_of("RunTask");
    assert_eq!(ran.len(), 3);
    let revision = ran[2].request["taskDefinition"].as_str().unwrap();
    let revision = revision.rsplit('/').next().unwrap();
    assert_eq!(image_of(&world, revision, 0), "repo/app:v2");
}

#[tokio::test]
async fn an_older_artifact_that_is_gone_is_a_failure_that_names_it() {
    let world = World::new();
    world.simulator.s3().delete(BUCKET, KEY);
    let answer = world.deploy(json!({})).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "RevisionUnavailable");
    assert_quoted("pipelines", "message-no-artifact", message);
    assert_eq!(world.count("UpdateService"), 0);
}

#[tokio::test]
async fn the_stage_of_the_dry_run_reports_and_changes_nothing_and_the_next_one_deploys() {
    let [check, deploy]: [Value; 2] = user_parameters(&block("pipelines", "stages-dry-run"))
        .try_into()
        .unwrap();
    let world = World::new();
    let answer = last(&world, start_as_written(&world, &check)).await;
    let (summary, variables) = success(&answer);
    assert_quoted("pipelines", "message-dry-run", summary);
    assert!(variables.is_empty(), "{variables:?}");
    assert_eq!(
        world.count("RegisterTaskDefinition") + world.count("UpdateService"),
        0
    );
    let answer = last(&world, start_as_written(&world, &deploy)).await;
    success(&answer);
    // What cannot be deployed fails there, and CodePipeline does not enter the next stage.
    let image = format!("{ECR}/app:v9");
    world.put_images(&json!([{"name": "app", "imageUri": image}]).to_string());
    let answer = last(&world, start_as_written(&world, &check)).await;
    let (kind, message) = failure(&answer);
    assert_eq!(kind, "ConfigurationError", "{message}");
}

#[tokio::test]
async fn the_stage_with_a_condition_deploys_once_and_its_rollback_is_a_success() {
    let parameters = only_parameters("pipelines", "stages-condition");
    let world = World::new();
    let answer = last(&world, start_as_written(&world, &parameters)).await;
    let (_, variables) = success(&answer);
    // What the test gets.
    assert!(variables["TaskDefinitionArn"].ends_with("app:2"));
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v1"}]"#);
    let answer = last(&world, start_as_written(&world, &parameters)).await;
    success(&answer);
    assert_eq!(image_of(&world, &set_to(&world), 0), "repo/app:v1");
}

#[tokio::test]
async fn two_pipelines_keep_each_others_images_if_one_has_seen_the_other() {
    let sidecar = r#"[{"name": "sidecar", "imageUri": "repo/sidecar:v2"}]"#;
    for if_deploying in ["Wait", "Replace"] {
        let (world, first) = first_of_two().await;
        world.put_images(sidecar);
        let second = world.start(json!({"IfDeploying": if_deploying}));
        let ends = in_turn(&world, vec![Some(first), Some(second)]).await;
        success(&ends[1]);
        let runs = set_to(&world);
        assert_eq!(image_of(&world, &runs, 0), "repo/app:v2", "{if_deploying}");
        assert_eq!(
            image_of(&world, &runs, 1),
            "repo/sidecar:v2",
            "{if_deploying}"
        );
    }
    // A release that fails takes the other's with it if that was not complete.
    for (if_deploying, serves) in [("Wait", "app:2"), ("Replace", "app:1")] {
        let world = World::new();
        let ecs = world.simulator.ecs();
        ecs.image("app:v1", Behaviour::Healthy { start_seconds: 120 });
        ecs.image("app:v2", Behaviour::CannotPull);
        world.put_images(sidecar);
        let first = world.start(json!({}));
        world.invoke(&first).await;
        let first = world.simulator.codepipeline().next_event(&id_of(&first));
        world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#);
        let second = world.start(json!({"IfDeploying": if_deploying}));
        let ends = in_turn(&world, vec![first, Some(second)]).await;
        let (_, message) = failure(&ends[1]);
        let expected = format!("Rolled back: {serves} is serving");
        assert!(message.contains(&expected), "{if_deploying}: {message}");
    }
    // A stage rollback of the one.
    let world = World::new();
    let s3 = world.simulator.s3();
    for (key, name, image) in [
        ("one.zip", "app", "repo/app:v2"),
        ("two.zip", "app", "repo/app:v3"),
        ("sidecar.zip", "sidecar", "repo/sidecar:v2"),
    ] {
        let images = json!([{"name": name, "imageUri": image}]).to_string();
        s3.put(BUCKET, key, zip_of(&[("imagedefinitions.json", &images)]));
        success(&release(&world, key, json!({})).await);
    }
    success(&release(&world, "one.zip", json!({})).await);
    assert_eq!(image_of(&world, "app:5", 0), "repo/app:v2");
    assert_eq!(image_of(&world, "app:5", 1), "repo/sidecar:v2");
    // At the same moment.
    let world = World::new();
    world.put_images(sidecar);
    let ecs = world.simulator.ecs();
    let other = ecs.register(app("repo/app:v2"));
    world
        .simulator
        .faults()
        .before("UpdateService", 1, move || {
            let deploy = Intervention::Deploy {
                task_definition: other,
            };
            ecs.intervene("prod", "web", &deploy);
        });
    let report = world.invoke(&world.start(json!({}))).await;
    let warning = report["warnings"][0].as_str().unwrap_or_default();
    assert_quoted("pipelines", "message-at-once", warning);
    assert_eq!(image_of(&world, &set_to(&world), 0), "repo/app:v1");
}

#[tokio::test]
async fn a_rollback_of_a_release_needs_no_artifact() {
    let world = World::new();
    success(&world.deploy(json!({})).await);
    world.simulator.clock().advance(Duration::from_mins(5));
    let event = start_bare(&world, &json!({"TaskDefinition": "previous"}));
    let answer = last(&world, event).await;
    success(&answer);
    assert_eq!(set_to(&world), "app:1");
}

// --- who owns the service ---

#[tokio::test]
async fn a_service_that_its_stack_deploys_meanwhile_is_left_alone_with_the_sentence_of_the_guide() {
    let world = World::new();
    let stack = Intervention::Deploy {
        task_definition: "app:1".to_owned(),
    };
    let soon = Duration::from_secs(5);
    world.simulator.ecs().on_update("prod", "web", soon, stack);
    let answer = world.deploy(json!({})).await;
    let (_, message) = failure(&answer);
    assert_quoted("service-ownership", "message-set-back", message);
    assert_eq!(set_to(&world), "app:1");
    let changed = |world: &World| {
        let stopped = world.count("StopServiceDeployment");
        (world.done("UpdateService"), stopped)
    };
    assert_eq!(changed(&world), (1, 0));
    // With a revision of the stack's that is new.
    let (world, first) = first_of_two().await;
    let ecs = world.simulator.ecs();
    let task_definition = ecs.register(app("repo/app:first"));
    ecs.intervene("prod", "web", &Intervention::Deploy { task_definition });
    let answer = last(&world, first).await;
    let (_, message) = failure(&answer);
    assert_quoted("service-ownership", "message-stack-deploys", message);
    assert_eq!(set_to(&world), "app:3");
    assert_eq!(changed(&world), (1, 0));
}

#[tokio::test]
async fn latest_starts_from_what_a_stack_has_registered_and_the_default_from_what_the_service_runs()
{
    let latest = json_of("service-ownership", "latest");
    let default = json!({"ClusterName": "prod", "ServiceName": "web"});
    for (parameters, cpu) in [(&latest, "1024"), (&default, "256")] {
        let world = World::new();
        let mut of_the_stack = app("repo/app:first");
        of_the_stack["cpu"] = json!("1024");
        of_the_stack["memory"] = json!("2048");
        world.simulator.ecs().register(of_the_stack);
        let answer = last(&world, start_as_written(&world, parameters)).await;
        success(&answer);
        let made = world.simulator.ecs().task_definition("app:3").unwrap();
        assert_eq!(made["cpu"], cpu, "{parameters}");
        assert_eq!(image_of(&world, "app:3", 0), "repo/app:v2");
    }
    // The newest may be one whose deployment has failed.
    let world = World::new();
    let mut patched = json_of("service-ownership", "patch");
    patched["BaseRevision"] = json!("latest");
    world.simulator.ecs().image("v2", Behaviour::CannotPull);
    failure(&last(&world, start_as_written(&world, &patched)).await);
    assert_eq!(set_to(&world), "app:1");
    world.put_images(r#"[{"name": "app", "imageUri": "repo/app:v3"}]"#);
    success(&last(&world, start_as_written(&world, &latest)).await);
    let made = world.simulator.ecs().task_definition("app:3").unwrap();
    assert_eq!(image_of(&world, "app:3", 0), "repo/app:v3");
    assert!(made.to_string().contains("RELEASE"), "{made}");
}

#[tokio::test]
async fn the_image_that_the_pipeline_records_for_the_stack_is_the_one_that_was_deployed() {
    let stages = block("service-ownership", "stages-record-image");
    let parameters = only_parameters("service-ownership", "stages-record-image");
    assert!(stages.contains("#{Deploy.Image-app}"), "{stages}");
    let template = block("service-ownership", "template-image");
    assert!(
        template.contains("{Name: app, Image: !Ref Image}"),
        "{template}"
    );
    let world = World::new();
    let ecr = world.simulator.ecr();
    ecr.put_image("app", "v2", DIGEST, "linux/amd64");
    let tagged = format!("{ECR}/app:v2");
    world.put_images(&json!([{"name": "app", "imageUri": tagged}]).to_string());
    let answer = last(&world, start_as_written(&world, &parameters)).await;
    let (_, variables) = success(&answer);
    assert_eq!(variables["Image-app"], image_of(&world, "app:2", 0));
    assert!(variables["Image-app"].contains(DIGEST), "{variables:?}");
    // With nothing to deploy it is the same, so that the stack keeps it.
    world.simulator.clock().advance(Duration::from_mins(5));
    let answer = last(&world, start_as_written(&world, &parameters)).await;
    let (_, variables) = success(&answer);
    assert_eq!(variables["Image-app"], image_of(&world, "app:2", 0));
    assert_eq!(world.done("UpdateService"), 1);
}

#[tokio::test]
async fn a_task_definition_as_ecs_describes_it_is_deployed_from_the_repository_as_it_is() {
    let world = World::new();
    let mut described = app("repo/app:v1");
    described["cpu"] = json!("512");
    described["memory"] = json!("1024");
    for (name, value) in [
        (
            "taskDefinitionArn",
            json!(format!(
                "arn:aws:ecs:{}:111122223333:task-definition/app:1",
                simulator::REGION
            )),
        ),
        ("revision", json!(1)),
        ("status", json!("ACTIVE")),
        ("registeredAt", json!("2026-09-21T14:13:20+00:00")),
        ("registeredBy", json!("arn:aws:iam::111122223333:user/sam")),
        ("compatibilities", json!(["EC2", "FARGATE"])),
        (
            "requiresAttributes",
            json!([{"name": "ecs.capability.task-eni"}]),
        ),
    ] {
        described[name] = value;
    }
    described.as_object_mut().unwrap().remove("tags");
    world.put_artifact(&[
        (
            "imagedefinitions.json",
            r#"[{"name": "app", "imageUri": "repo/app:v2"}]"#,
        ),
        ("deploy/taskdef.json", &described.to_string()),
    ]);
    let parameters = json_of("service-ownership", "file");
    success(&last(&world, start_as_written(&world, &parameters)).await);
    let made = world.simulator.ecs().task_definition("app:2").unwrap();
    assert_eq!(made["cpu"], "512");
    assert_eq!(image_of(&world, "app:2", 0), "repo/app:v2");
}

#[tokio::test]
async fn a_patch_that_stays_in_the_action_is_there_again_after_a_stack_has_set_the_service_back() {
    let world = World::new();
    let parameters = json_of("service-ownership", "patch");
    success(&last(&world, start_as_written(&world, &parameters)).await);
    let stack = Intervention::Deploy {
        task_definition: "app:1".to_owned(),
    };
    world.simulator.ecs().intervene("prod", "web", &stack);
    world.simulator.clock().advance(Duration::from_mins(10));
    assert_eq!(set_to(&world), "app:1");
    success(&last(&world, start_as_written(&world, &parameters)).await);
    let made = world.simulator.ecs().task_definition(&set_to(&world));
    assert!(made.unwrap().to_string().contains("RELEASE"));
}

#[tokio::test]
async fn what_auto_scaling_has_set_stays() {
    let world = World::new();
    let scaled = Intervention::SetDesiredCount { count: 5 };
    world.simulator.ecs().intervene("prod", "web", &scaled);
    success(&world.deploy(json!({})).await);
    assert_eq!(service_of(&world, "web")["desiredCount"], 5);
    let update = &world.simulator.calls_of("UpdateService")[0].request;
    let sent: BTreeSet<&str> = update
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        sent,
        BTreeSet::from(["cluster", "service", "taskDefinition"])
    );
}

#[test]
fn the_terraform_of_the_guide_leaves_to_the_pipeline_what_the_pipeline_sets() {
    let service = block("service-ownership", "hcl-service");
    assert!(
        service.contains("ignore_changes = [task_definition, desired_count]"),
        "{service}"
    );
    let module = block("service-ownership", "hcl-module");
    assert!(
        module.contains("ignore_task_definition_changes = true"),
        "{module}"
    );
}

// --- updating ---

#[tokio::test]
async fn a_token_of_a_newer_version_is_refused_with_the_sentence_of_the_guide() {
    let world = World::new();
    let mut event = world.start(json!({}));
    event["CodePipeline.job"]["data"]["continuationToken"] = json!("2 {}");
    let answer = last(&world, event).await;
    let (_, message) = failure(&answer);
    assert_quoted("updating", "message-newer", message);
}
