//! The stages that a deployment goes through.

use super::setup::{ServiceSetup, Strategy};

/// Traffic takes this long to shift.
const SHIFT_SECONDS: i64 = 5;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    /// How long it takes; `SCALE_UP` and `CLEAN_UP` take as long as the tasks do.
    pub(super) seconds: i64,
    /// Production traffic on the new revision.
    pub(super) weight: f64,
}

/// The lifecycle of a deployment
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html>).
pub(super) fn stages_of(setup: &ServiceSetup) -> Vec<Stage> {
    let stage = |name, seconds, weight| Stage {
        name,
        seconds,
        weight,
    };
    let bake = stage("BAKE_TIME", i64::from(setup.bake_minutes) * 60, 100.0);
    let mut stages = vec![stage("SCALE_UP", 0, 0.0)];
    if setup.strategy == Strategy::Rolling {
        if setup.bake_minutes > 0 {
            stages.push(bake);
        }
        stages.push(stage("CLEAN_UP", 0, 100.0));
        return stages;
    }
    stages.push(stage("POST_SCALE_UP", 5, 0.0));
    stages.push(stage("TEST_TRAFFIC_SHIFT", 5, 0.0));
    stages.push(stage("POST_TEST_TRAFFIC_SHIFT", 5, 0.0));
    // Percent, and for how many seconds before the next.
    let steps = match (setup.strategy, setup.linear, setup.canary) {
        (Strategy::Linear, Some((percent, minutes)), _) => {
            let seconds = SHIFT_SECONDS + i64::from(minutes) * 60;
            let weights = std::iter::successors(Some(percent), |weight| {
                // ECS counts in tenths of a percent.
                Some(((weight + percent) * 10.0).round() / 10.0)
            });
            let below = weights.take_while(|weight| *weight < 100.0);
            below.map(|weight| (seconds, weight)).collect()
        }
        (Strategy::Linear, None, _) => vec![(30, 25.0), (30, 50.0), (30, 75.0)],
        (Strategy::Canary, _, Some((percent, minutes))) => {
            vec![(SHIFT_SECONDS + i64::from(minutes) * 60, percent)]
        }
        (Strategy::Canary, _, None) => vec![(60, 10.0)],
        (Strategy::BlueGreen | Strategy::Rolling, _, _) => Vec::new(),
    };
    // Nothing is waited for after the last.
    for (seconds, weight) in steps.into_iter().chain([(SHIFT_SECONDS, 100.0)]) {
        stages.push(stage("PRODUCTION_TRAFFIC_SHIFT", seconds, weight));
    }
    stages.push(stage("POST_PRODUCTION_TRAFFIC_SHIFT", 5, 100.0));
    stages.push(bake);
    stages.push(stage("CLEAN_UP", 0, 100.0));
    stages
}
