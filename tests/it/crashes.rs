//! The invocation dies after its k-th call, for every k of every story; then the same event comes
//! again, or the next one, or both at once, with reads that lag behind or not.
//!
//! Whatever happens: at most one revision and one deployment for the job, exactly one final
//! answer, the one that an undisturbed run gives; and right after each death what the token says
//! is already true. An event that comes again once its job has its final answer changes nothing,
//! not even later, when others have registered revisions of the family.
//!
//! ECS's quotas hold, and a single action never meets them.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::Answer;
use simulator::ecs::{Behaviour, Intervention, ServiceSetup, Strategy};

use crate::death::{ALL_READS, Delivery, each_death, until_death};
use crate::pre_deploy;
use crate::several::world_of_three;
use crate::support::{World, app, deliver, ends, id_of, service_of};

/// So many revisions of a family others register meanwhile: more than a start lists, were it to
/// list a few.
const OTHERS: usize = 7;

/// Lambda keeps an event for up to six hours
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).
const MUCH_LATER: Duration = Duration::from_hours(5);

struct Story {
    world: fn() -> World,
    parameters: Value,
    /// The services that it deploys to, all on `prod`, and their families.
    services: &'static [&'static str],
    families: &'static [&'static str],
    /// The job's revisions of these in an undisturbed run.
    own: &'static [&'static str],
    /// What the only final answer says, in this order: its summary or its message.
    end: &'static [&'static str],
    /// Deployments of the job's revisions, over all services.
    deployments: usize,
    /// Revisions of the job that are ACTIVE in the end, over all families.
    revisions: usize,
    /// Tasks that ran before the deployment.
    tasks: usize,
    /// How many calls of a category ECS may have refused; `None`: none.
    refused: Option<usize>,
    /// Others register revisions of the family all the time.
    is_shared: bool,
}

/// A story of `web` with a healthy end.
fn story(world: fn() -> World) -> Story {
    Story {
        world,
        parameters: json!({}),
        services: &["web"],
        families: &["app"],
        own: &["app:2"],
        end: &["web on prod: app:2 is serving, 2 tasks"],
        deployments: 1,
        revisions: 1,
        tasks: 0,
        refused: None,
        is_shared: false,
    }
}

fn summary(answer: &Answer) -> &str {
    match answer {
        Answer::Success { summary, .. } => summary.as_deref().unwrap_or_default(),
        Answer::Failure { message, .. } => message,
    }
}

/// What a token says has been done, has been done.
fn assert_true(story: &Story, world: &World, token: &str, context: &str) {
    let (_, body) = token.split_once(' ').unwrap();
    let saved: Value = serde_json::from_str(body).unwrap();
    for (service, rollout) in story.services.iter().zip(saved["s"].as_array().unwrap()) {
        let own = rollout[0].as_str().unwrap();
        assert!(
            world.simulator.ecs().task_definition(own).is_some(),
            "{context}: {own} is not registered"
        );
        let deployed = world.simulator.ecs().deployments_of("prod", service, own);
        let claimed = usize::from(rollout[2] != "");
        assert_eq!(deployed, claimed, "{context}: {own} on {service}");
    }
    if let Some(task) = saved["a"]["p"]["k"].as_str() {
        let run = world.simulator.ecs().tasks_run();
        let mut arns = run.iter().filter_map(|one| one["taskArn"].as_str());
        assert!(
            arns.any(|arn| arn.ends_with(task)),
            "{context}: no task {task}"
        );
    }
    if saved["b"]["o"] == true {
        let failed = usize::try_from(saved["b"]["n"].as_u64().unwrap()).unwrap();
        let service = service_of(world, story.services[failed]);
        let now = service["taskDefinition"].as_str().unwrap();
        let own = saved["s"][failed][0].as_str().unwrap();
        assert!(!now.ends_with(own), "{context}: nobody has gone back");
    }
    let tasks = world.simulator.ecs().tasks_run().len();
    let before = usize::from(story.parameters["PreDeployTask"].is_object());
    assert!(
        (before..=story.tasks).contains(&tasks),
        "{context}: {tasks} tasks"
    );
}

async fn sweep(story: Story) {
    let deliveries: &[Delivery] = if story.is_shared {
        &[Delivery::Same, Delivery::AfterOthers]
    } else if story.refused.is_some() {
        &[Delivery::Same, Delivery::Next]
    } else {
        &[
            Delivery::Same,
            Delivery::SameWithLag,
            Delivery::Next,
            Delivery::Both,
        ]
    };
    each_death(deliveries, 8, async |calls, delivery| {
        let context = format!("died after call {calls}, then {delivery:?}");
        let world = (story.world)();
        world.simulator.faults().quotas(true);
        let start = world.start(story.parameters.clone());
        let death = until_death(&world, &start, calls).await?;
        for (_, answer) in world.simulator.codepipeline().answers() {
            if let Answer::Success {
                continuation_token: Some(token),
                ..
            } = &answer
            {
                assert_true(&story, &world, token, &context);
            }
        }
        if delivery == Delivery::AfterOthers {
            register_others(&story, &world);
        }
        death.then(&world, delivery).await;
        judge(&story, &world, &id_of(&start), &context);
        // Two more deliveries each time: of the first kind every third death will do.
        let comes_again = match delivery {
            Delivery::AfterOthers => true,
            Delivery::Same => calls % 3 == 1,
            Delivery::SameWithLag | Delivery::Next | Delivery::Both => false,
        };
        if comes_again {
            repeat(&story, &world, &start, &context).await;
        }
        for (category, used) in world.simulator.faults().quotas_used() {
            let wanted = story.refused.unwrap_or(0);
            assert!(used.refused <= wanted, "{context}: {category}: {used:?}");
        }
        Some(death.was_answered())
    })
    .await;
}

/// Other pipelines deploy the families elsewhere.
fn register_others(story: &Story, world: &World) {
    let ecs = world.simulator.ecs();
    for family in story.families {
        let mut other = ecs.task_definition(&format!("{family}:1")).unwrap();
        other["containerDefinitions"][0]["image"] = json!("repo/other:v1");
        for _ in 0..OTHERS {
            ecs.register(other.clone());
        }
    }
}

/// All that a delivery could change: revisions that are the job's, what the services are set to
/// and how often they were deployed, tasks.
fn state(story: &Story, world: &World) -> Value {
    let ecs = world.simulator.ecs();
    let services: Vec<Value> = story
        .services
        .iter()
        .map(|service| {
            let shown = service_of(world, service);
            let deployments = ecs.service_deployments("prod", service).len();
            json!([
                shown["taskDefinition"],
                shown["deployments"][0]["id"],
                deployments
            ])
        })
        .collect();
    let done = |operation: &str| world.done(operation);
    json!({
        "services": services,
        "registered": done("RegisterTaskDefinition"),
        "updated": done("UpdateService"),
        "stopped": done("StopServiceDeployment"),
        "tasks": ecs.tasks_run().len(),
        "answers": world.simulator.codepipeline().answers().len(),
    })
}

/// The event that started it comes again, its job being answered: at once, and much later, when
/// others have registered revisions of the family. Nothing comes of it.
async fn repeat(story: &Story, world: &World, start: &Value, context: &str) {
    let before = state(story, world);
    deliver(world, start).await;
    assert_eq!(state(story, world), before, "{context}: delivered again");
    register_others(story, world);
    world.simulator.clock().advance(MUCH_LATER);
    let before = state(story, world);
    deliver(world, start).await;
    assert_eq!(
        state(story, world),
        before,
        "{context}: delivered much later"
    );
}

fn judge(story: &Story, world: &World, job: &str, context: &str) {
    let ecs = world.simulator.ecs();
    let active = story
        .families
        .iter()
        .flat_map(|family| ecs.active_revisions(family));
    let own: Vec<String> = active
        .filter(|arn| {
            let tags = ecs.task_definition(arn).unwrap()["tags"].clone();
            let mut tags = tags.as_array().unwrap().iter();
            tags.any(|tag| tag["key"] == "ecs-deploy-action:job" && tag["value"] == job)
        })
        .collect();
    if story.revisions == 0 {
        // Who dies between the answer and the deregistering leaves one over: the next delivery's
        // answer does not count, and it must not take away what another one may be using.
        assert!(own.len() <= 1, "{context}: {own:?}");
    } else {
        assert_eq!(own.len(), story.revisions, "{context}: {own:?}");
    }
    let mut deployed = 0;
    for service in story.services {
        let of_service: usize = own
            .iter()
            .map(|arn| ecs.deployments_of("prod", service, arn))
            .sum();
        assert!(
            of_service <= 1,
            "{context}: {of_service} deployments of {service}"
        );
        deployed += of_service;
    }
    assert_eq!(deployed, story.deployments, "{context}: deployments");
    assert_eq!(ecs.tasks_run().len(), story.tasks, "{context}: tasks");
    let answers = world.simulator.codepipeline().answers();
    let ends = ends(&answers);
    let [end] = ends.as_slice() else {
        unreachable!("{context}: {} final answers: {ends:?}", ends.len());
    };
    let text = summary(end);
    let mut rest = text;
    for part in story.end {
        let part = named(story, world, job, part);
        let found = rest.split_once(&part);
        assert!(found.is_some(), "{context}: no '{part}' in {text}");
        rest = found.unwrap_or_default().1;
    }
}

/// A text about the revisions of an undisturbed run, about those that the job has made here.
fn named(story: &Story, world: &World, job: &str, part: &str) -> String {
    let ecs = world.simulator.ecs();
    let mut part = part.to_owned();
    for (family, undisturbed) in story.families.iter().zip(story.own) {
        let mut revisions = ecs.revisions(family).into_iter();
        let own = revisions.find(|arn| {
            let tags = ecs.task_definition(arn).unwrap()["tags"].clone();
            let mut tags = tags.as_array().unwrap().iter();
            tags.any(|tag| tag["key"] == "ecs-deploy-action:job" && tag["value"] == job)
        });
        if let Some(own) = own {
            let own = own.rsplit('/').next().unwrap();
            part = part.replace(undisturbed, own);
        }
    }
    part
}

fn with(image: Behaviour, setup: ServiceSetup) -> World {
    let world = World::with_service(setup);
    world.simulator.ecs().image("v2", image);
    world
}

fn crash() -> Behaviour {
    Behaviour::Crash {
        exit_code: 3,
        after_seconds: 2,
        log_lines: Vec::new(),
    }
}

fn breaker(rolls_back: bool) -> ServiceSetup {
    ServiceSetup {
        circuit_breaker: Some(rolls_back),
        ..ServiceSetup::default()
    }
}

#[tokio::test]
async fn wherever_a_healthy_deployment_dies_it_is_one_deployment_and_succeeds_once() {
    sweep(Story {
        world: || {
            with(
                Behaviour::Healthy { start_seconds: 30 },
                ServiceSetup::default(),
            )
        },
        parameters: json!({}),
        end: &["web on prod: app:2 is serving, 2 tasks"],
        deployments: 1,
        revisions: 1,
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_a_deployment_dies_that_ecs_rolls_back_it_fails_once_with_its_cause() {
    sweep(Story {
        world: || with(crash(), breaker(true)),
        parameters: json!({}),
        end: &[
            "web on prod: app:2 failed: container app exited with code 3 (",
            "Rolled back: app:1 is serving, 2 of 2 tasks.",
        ],
        deployments: 1,
        revisions: 1,
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_a_deployment_dies_that_we_roll_back_it_fails_once_with_its_cause() {
    sweep(Story {
        world: || with(crash(), breaker(false)),
        parameters: json!({}),
        end: &[
            "web on prod: app:2 failed: container app exited with code 3 (",
            "Rolled back: app:1 is serving, 2 of 2 tasks.",
        ],
        deployments: 1,
        revisions: 1,
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_a_deployment_out_of_time_dies_it_is_stopped_and_fails_once() {
    sweep(Story {
        world: || with(Behaviour::StuckPending, ServiceSetup::default()),
        parameters: json!({"DeploymentTimeout": 2}),
        end: &[
            "web on prod: app:2 failed: not complete within 2 min",
            "Rolled back: app:1 is serving, 2 of 2 tasks.",
        ],
        deployments: 1,
        revisions: 1,
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_a_deployment_dies_that_is_replaced_it_fails_once_and_touches_nothing() {
    sweep(Story {
        world: || {
            let world = with(Behaviour::StuckPending, ServiceSetup::default());
            let ecs = world.simulator.ecs();
            let other = Intervention::Deploy {
                task_definition: ecs.register(app("repo/app:hotfix")),
            };
            ecs.on_update("prod", "web", Duration::from_secs(50), other);
            world
        },
        parameters: json!({}),
        end: &[
            "web on prod: app:3 was replaced by another deployment before it was complete (app:2",
        ],
        own: &["app:3"],
        deployments: 1,
        revisions: 1,
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_a_blue_green_deployment_dies_it_is_one_deployment_and_succeeds_once() {
    sweep(Story {
        world: || {
            with(
                Behaviour::Healthy { start_seconds: 10 },
                ServiceSetup {
                    strategy: Strategy::BlueGreen,
                    ..ServiceSetup::default()
                },
            )
        },
        parameters: json!({}),
        end: &["web on prod: app:2 is serving, 2 tasks"],
        deployments: 1,
        revisions: 1,
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_a_start_dies_that_may_not_update_it_fails_once_and_leaves_no_revision() {
    sweep(Story {
        world: || {
            let world = World::new();
            world.simulator.faults().deny("UpdateService");
            world
        },
        parameters: json!({}),
        end: &["is not allowed to perform ecs:UpdateService"],
        deployments: 0,
        revisions: 0,
        ..story(World::new)
    })
    .await;
}

/// `web` and `jobs`, of two families.
fn two() -> Value {
    json!({"ServiceName": null, "Services": ["web", "jobs"]})
}

#[tokio::test]
async fn wherever_two_services_die_each_is_deployed_once_and_they_succeed_once() {
    sweep(Story {
        world: world_of_three,
        parameters: two(),
        services: &["web", "jobs"],
        families: &["app", "worker"],
        own: &["app:2", "worker:2"],
        end: &[
            "web on prod: app:2 is serving, 2 tasks",
            "jobs on prod: worker:2 is serving, 2 tasks",
        ],
        deployments: 2,
        revisions: 2,
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_two_services_die_of_which_one_fails_both_are_rolled_back_and_its_cause_is_reported_once()
 {
    sweep(Story {
        world: || {
            let world = world_of_three();
            let ecs = world.simulator.ecs();
            ecs.image("worker:v2", Behaviour::StuckPending);
            world
        },
        parameters: {
            let mut parameters = two();
            parameters["DeploymentTimeout"] = json!(2);
            parameters
        },
        services: &["web", "jobs"],
        families: &["app", "worker"],
        own: &["app:2", "worker:2"],
        end: &[
            "jobs on prod: worker:2 failed: not complete within 2 min",
            "Rolled back: worker:1 is serving, 2 of 2 tasks.",
            "web on prod was rolled back, too: app:1 is serving, 2 of 2 tasks.",
        ],
        deployments: 2,
        revisions: 2,
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_it_dies_the_task_before_the_deployment_runs_once_and_the_service_follows_once() {
    sweep(Story {
        world: || pre_deploy::world_with(ServiceSetup::default(), pre_deploy::ends_with(0)),
        parameters: pre_deploy::parameters(),
        own: &["app:3"],
        services: &["shop"],
        end: &["shop on prod: app:3 is serving, 2 tasks"],
        tasks: 1,
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_it_dies_a_task_that_fails_runs_once_and_no_service_is_touched() {
    sweep(Story {
        world: || pre_deploy::world_with(ServiceSetup::default(), pre_deploy::ends_with(3)),
        parameters: pre_deploy::parameters(),
        own: &["app:3"],
        services: &["shop"],
        end: &["shop on prod: the pre-deploy task failed: container app exited with code 3"],
        deployments: 0,
        revisions: 0,
        tasks: 1,
        ..story(World::new)
    })
    .await;
}

/// A task after the deployment of `shop`, which ends with this exit code.
fn with_task_after(exit_code: i64) -> Story {
    let world: fn() -> World = if exit_code == 0 {
        || pre_deploy::world_with(ServiceSetup::default(), pre_deploy::ends_with(0))
    } else {
        || pre_deploy::world_with(ServiceSetup::default(), pre_deploy::ends_with(3))
    };
    Story {
        world,
        parameters: crate::post_deploy::parameters(),
        own: &["app:3"],
        services: &["shop"],
        tasks: 1,
        ..story(World::new)
    }
}

#[tokio::test]
async fn wherever_it_dies_the_task_after_the_deployment_runs_once_and_it_succeeds_once() {
    sweep(Story {
        end: &[
            "shop on prod: app:3 is serving, 2 tasks",
            "The post-deploy task (container app) has succeeded.",
        ],
        ..with_task_after(0)
    })
    .await;
}

#[tokio::test]
async fn wherever_it_dies_a_task_after_the_deployment_that_fails_runs_once_and_is_rolled_back_once()
{
    sweep(Story {
        end: &[
            "shop on prod: app:3 failed: the post-deploy task failed: container app exited with code 3",
            "Rolled back: app:2 is serving, 2 of 2 tasks.",
        ],
        ..with_task_after(3)
    })
    .await;
}

#[tokio::test]
async fn wherever_it_dies_a_task_before_and_one_after_the_deployment_run_once_each() {
    let mut parameters = pre_deploy::parameters();
    parameters["PostDeployTask"] = crate::post_deploy::parameters()["PostDeployTask"].clone();
    sweep(Story {
        parameters,
        tasks: 2,
        end: &["The post-deploy task (container app) has succeeded."],
        ..with_task_after(0)
    })
    .await;
}

/// `web` runs `app:1`, and other pipelines that deploy the family elsewhere are some revisions
/// ahead.
fn behind(world: World) -> World {
    let other = app("repo/other:v1");
    for _ in 0..OTHERS {
        world.simulator.ecs().register(other.clone());
    }
    world
}

#[tokio::test]
async fn wherever_a_start_dies_behind_its_familys_newest_it_is_one_deployment() {
    sweep(Story {
        world: || behind(World::new()),
        own: &["app:9"],
        is_shared: true,
        end: &["web on prod: app:9 is serving, 2 tasks"],
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_a_start_dies_behind_its_familys_newest_a_failed_job_deploys_nothing_again() {
    sweep(Story {
        world: || {
            let world = behind(World::new());
            world.simulator.faults().deny("UpdateService");
            world
        },
        own: &["app:9"],
        is_shared: true,
        end: &["is not allowed to perform ecs:UpdateService"],
        deployments: 0,
        revisions: 0,
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_a_deployment_dies_that_we_roll_back_behind_its_familys_newest_it_fails_once() {
    sweep(Story {
        world: || behind(with(crash(), breaker(false))),
        own: &["app:9"],
        is_shared: true,
        end: &[
            "web on prod: app:9 failed: container app exited with code 3 (",
            "Rolled back: app:1 is serving, 2 of 2 tasks.",
        ],
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn wherever_a_deployment_dies_whose_account_is_busy_it_is_one_deployment() {
    sweep(Story {
        world: || {
            let world = World::new();
            let (faults, clock) = (world.simulator.faults(), world.simulator.clock());
            world.simulator.faults().after("UpdateService", 1, move || {
                faults.drain_quotas(clock.now_ms());
            });
            world
        },
        refused: Some(ALL_READS),
        ..story(World::new)
    })
    .await;
}

#[tokio::test]
async fn a_failed_job_whose_permission_has_come_since_deploys_nothing_when_its_event_comes_again() {
    let world = behind(World::new());
    let faults = world.simulator.faults();
    faults.quotas(true);
    faults.deny("UpdateService");
    let start = world.start(json!({}));
    world.run(start.clone()).await;
    faults.lift("UpdateService");
    let story = story(World::new);
    repeat(&story, &world, &start, "allowed meanwhile").await;
    // Not even where it cannot see whether it has failed.
    for (operation, times) in [
        ("ListTaskDefinitions", 100),
        ("DescribeTaskDefinition", 100),
    ] {
        let before = state(&story, &world);
        faults.throttle(operation, times);
        deliver(&world, &start).await;
        assert_eq!(state(&story, &world), before, "{operation} throttled");
    }
}
