//! ECS's own blue/green, linear and canary strategies: what the summary shows, and what is refused
//! because it can never end in time.

use serde_json::json;
use simulator::Answer;
use simulator::ecs::{PauseHook, ServiceSetup, Strategy};

use crate::support::{World, failure, success};

fn summaries(answers: &[Answer]) -> Vec<String> {
    let texts = answers.iter().filter_map(|answer| match answer {
        Answer::Success { summary, .. } => summary.clone(),
        Answer::Failure { .. } => None,
    });
    texts.collect()
}

#[tokio::test]
async fn each_strategy_shows_its_stage_the_share_of_traffic_and_its_bake_time() {
    for (setup, expected) in [
        (
            ServiceSetup {
                strategy: Strategy::Linear,
                linear: Some((25.0, 2)),
                bake_minutes: 3,
                ..ServiceSetup::default()
            },
            [
                "PRODUCTION_TRAFFIC_SHIFT, 25 % of traffic on the new ones",
                "PRODUCTION_TRAFFIC_SHIFT, 75 % of traffic on the new ones",
                "BAKE_TIME, 100 % of traffic on the new ones, watched for 3 min",
            ],
        ),
        (
            ServiceSetup {
                strategy: Strategy::Canary,
                canary: Some((10.0, 5)),
                bake_minutes: 2,
                ..ServiceSetup::default()
            },
            [
                "PRODUCTION_TRAFFIC_SHIFT, 10 % of traffic on the new ones",
                "2 of 2 new tasks running, 2 old",
                "BAKE_TIME, 100 % of traffic on the new ones, watched for 2 min",
            ],
        ),
        (
            ServiceSetup {
                strategy: Strategy::BlueGreen,
                bake_minutes: 4,
                ..ServiceSetup::default()
            },
            [
                "0 % of traffic on the new ones",
                "2 of 2 new tasks running, 2 old",
                "BAKE_TIME, 100 % of traffic on the new ones, watched for 4 min",
            ],
        ),
    ] {
        let world = World::with_service(setup);
        let start = world.start(json!({}));
        let answers = world.run(start).await;
        success(answers.last().unwrap());
        let texts = summaries(&answers);
        for part in expected {
            assert!(
                texts.iter().any(|one| one.contains(part)),
                "{part}: {texts:#?}"
            );
        }
    }
}

#[tokio::test]
async fn a_pause_hook_shows_what_it_waits_for_until_when_and_what_comes_then() {
    let world = World::with_service(ServiceSetup {
        strategy: Strategy::BlueGreen,
        pause_hook: Some(PauseHook {
            stage: "POST_TEST_TRAFFIC_SHIFT".to_owned(),
            timeout_minutes: 30,
        }),
        ..ServiceSetup::default()
    });
    let start = world.start(json!({}));
    let answers = world.run(start).await;
    let texts = summaries(&answers);
    let waiting = texts.iter().find(|one| one.contains("waits at hook"));
    let waiting = waiting.unwrap_or_else(|| unreachable!("{texts:#?}"));
    assert!(
        waiting.contains("POST_TEST_TRAFFIC_SHIFT waits at hook ")
            && waiting.contains(" until 20")
            && waiting.contains("Z, then ROLLBACK"),
        "{waiting}"
    );
}

#[tokio::test]
async fn a_rollout_that_must_outlast_the_action_or_its_time_limit_is_refused_at_the_start() {
    for (setup, timeout, expected) in [
        (
            ServiceSetup {
                strategy: Strategy::BlueGreen,
                bake_minutes: 1400,
                ..ServiceSetup::default()
            },
            1380,
            "each of its deployments takes 1400 min at least, for its traffic is shifted in 0 s (BLUE_GREEN) and watched for 1400 min after that; CodePipeline gives an action 24 hours in all, of which 1380 min are left for that: shorten the service's bake time.",
        ),
        (
            ServiceSetup {
                strategy: Strategy::Linear,
                linear: Some((10.0, 60)),
                bake_minutes: 900,
                ..ServiceSetup::default()
            },
            1380,
            "takes 1440 min at least, for its traffic is shifted in 540 min (LINEAR) and watched for 900 min",
        ),
        (
            ServiceSetup {
                strategy: Strategy::Canary,
                canary: Some((10.0, 45)),
                bake_minutes: 15,
                ..ServiceSetup::default()
            },
            60,
            "takes 60 min at least, for its traffic is shifted in 45 min (CANARY) and watched for 15 min after that; DeploymentTimeout is 60 and must be more than that: raise it.",
        ),
    ] {
        let world = World::with_service(setup);
        let answer = world.deploy(json!({"DeploymentTimeout": timeout})).await;
        let (kind, message) = failure(&answer);
        assert_eq!(kind, "ConfigurationError");
        assert!(
            message.starts_with("web on prod: ") && message.contains(expected),
            "{message}"
        );
        assert_eq!(world.revisions(), 1);
    }
}
