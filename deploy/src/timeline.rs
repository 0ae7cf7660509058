//! What was seen of a rollout over time, small enough to be carried in a continuation token.

use super::verdict::Progress;

/// What one look showed. A point is kept when something in it differs from the one before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Point {
    /// Seconds since the start.
    pub at: u64,
    /// New tasks that run.
    pub new: u32,
    /// Old tasks that run.
    pub old: u32,
    /// The lifecycle stage, as `BAKE_TIME`, where there is one.
    pub stage: Option<String>,
    /// Share of production traffic on the new tasks, in percent.
    pub weight: Option<u32>,
}

/// The stages that are known by name, in their order
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html>). One
/// that is not among them is carried without its name. Tokens hold places in this list: add at
/// its end only.
const STAGES: [&str; 12] = [
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
    "BAKE_TIME",
    "CLEAN_UP",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "UNKNOWN",
];

/// Numbers are written with these digits.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const BASE: u64 = 36;

/// What was seen of one service, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline(Vec<Point>);

impl Timeline {
    /// The points, oldest first.
    pub fn points(&self) -> &[Point] {
        &self.0
    }

    /// Adds what a look showed `at` seconds after the start, if it shows anything new.
    pub fn add(&mut self, at: u64, progress: &Progress) {
        let count = |tasks: i32| u32::try_from(tasks).unwrap_or(0);
        let point = Point {
            at,
            new: count(progress.new_running),
            old: count(progress.old_running),
            stage: progress.stage.clone(),
            // A rolling update has none; ECS shows a weight all the same.
            weight: progress
                .new_weight
                .filter(|_| progress.stage.is_some())
                .map(percent),
        };
        let is_new = self.0.last().is_none_or(|last| {
            *last
                != Point {
                    at: last.at,
                    ..point.clone()
                }
        });
        if is_new {
            self.0.push(point);
        }
    }

    /// Leaves out every second point but the first and the last. Whether there was one to leave
    /// out.
    pub fn thin(&mut self) -> bool {
        let last = self.0.len().saturating_sub(1);
        if last < 2 {
            let had_any = !self.0.is_empty();
            self.0.clear();
            return had_any;
        }
        let mut place = 0;
        self.0.retain(|_| {
            let is_kept = place == last || place % 2 == 0;
            place += 1;
            is_kept
        });
        true
    }

    /// As a token holds it: points separated by `,`, their numbers by `.`, times as steps.
    pub fn encode(&self) -> String {
        let mut before = 0;
        let points = self.0.iter().map(|point| {
            let step = point.at.saturating_sub(before);
            before = point.at;
            let mut parts = vec![
                number(step),
                number(u64::from(point.new)),
                number(u64::from(point.old)),
            ];
            if let Some(stage) = &point.stage {
                let known = STAGES.iter().position(|known| known == stage);
                let place = known.unwrap_or(STAGES.len() - 1);
                parts.push(number(u64::try_from(place).unwrap_or_default()));
                parts.extend(point.weight.map(|weight| number(u64::from(weight))));
            }
            parts.join(".")
        });
        points.collect::<Vec<_>>().join(",")
    }

    /// Reads what [`Timeline::encode`] wrote. `None` for anything else.
    pub fn decode(written: &str) -> Option<Self> {
        let mut points = Vec::new();
        let mut at: u64 = 0;
        for point in written.split(',').filter(|point| !point.is_empty()) {
            let numbers: Option<Vec<u64>> = point.split('.').map(read).collect();
            let numbers = numbers?;
            let (step, new, old, rest) = match numbers.as_slice() {
                [step, new, old, rest @ ..] if rest.len() <= 2 => (*step, *new, *old, rest),
                _ => return None,
            };
            at = at.checked_add(step)?;
            let stage = match rest.first() {
                Some(place) => Some(STAGES.get(usize::try_from(*place).ok()?)?),
                None => None,
            };
            let weight = match rest.get(1) {
                Some(weight) => Some(u32::try_from(*weight).ok()?),
                None => None,
            };
            points.push(Point {
                at,
                new: u32::try_from(new).ok()?,
                old: u32::try_from(old).ok()?,
                stage: stage.map(|stage| (*stage).to_owned()),
                weight,
            });
        }
        Some(Self(points))
    }
}

/// A share of traffic as whole percent; 0 for what is no number.
pub fn percent(weight: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 100, and Rust casts NaN to 0"
    )]
    let percent = weight.clamp(0.0, 100.0).round() as u32;
    percent
}

fn number(mut value: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = usize::try_from(value % BASE).unwrap_or(0);
        digits.push(char::from(DIGITS[digit]));
        value /= BASE;
        if value == 0 {
            return digits.iter().rev().collect();
        }
    }
}

fn read(written: &str) -> Option<u64> {
    u64::from_str_radix(written, 36).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn progress(new: i32, old: i32) -> Progress {
        Progress {
            desired: 2,
            new_running: new,
            old_running: old,
            ..Progress::default()
        }
    }

    #[test]
    fn only_what_differs_is_kept() {
        let mut timeline = Timeline::default();
        for (at, new, old) in [(0, 0, 2), (5, 0, 2), (10, 1, 2), (15, 1, 2), (20, 2, 0)] {
            timeline.add(at, &progress(new, old));
        }
        let kept: Vec<u64> = timeline.points().iter().map(|point| point.at).collect();
        assert_eq!(kept, [0, 10, 20]);
        assert_eq!(timeline.encode(), "0.0.2,a.1.2,a.2.0");
    }

    #[test]
    fn thinning_keeps_both_ends_until_nothing_is_left() {
        let mut timeline = Timeline::default();
        for at in 0..9 {
            timeline.add(at, &progress(i32::try_from(at).unwrap(), 0));
        }
        assert!(timeline.thin());
        let kept: Vec<u64> = timeline.points().iter().map(|point| point.at).collect();
        assert_eq!(kept, [0, 2, 4, 6, 8]);
        while timeline.thin() {}
        assert!(timeline.points().is_empty());
    }

    #[test]
    fn a_share_of_traffic_is_the_nearest_whole_percent_from_0_to_100() {
        for (weight, whole) in [
            (0.0, 0),
            (0.4, 0),
            (12.5, 13),
            (33.3, 33),
            (99.6, 100),
            (-1.0, 0),
            (250.0, 100),
            (f64::INFINITY, 100),
            (f64::NAN, 0),
        ] {
            assert_eq!(percent(weight), whole, "{weight}");
        }
    }

    #[test]
    fn a_stage_that_is_not_known_is_carried_without_its_name() {
        let mut timeline = Timeline::default();
        timeline.add(
            1,
            &Progress {
                stage: Some("LUNCH".to_owned()),
                new_weight: Some(9.6),
                ..progress(1, 1)
            },
        );
        let back = Timeline::decode(&timeline.encode()).unwrap();
        assert_eq!(back.points()[0].stage.as_deref(), Some("UNKNOWN"));
        assert_eq!(back.points()[0].weight, Some(10));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(
            points in prop::collection::vec((0..9000_u64, 0..3000_i32, 0..3000_i32, 0..12_usize), 0..40)
        ) {
            let mut timeline = Timeline::default();
            let mut at = 0;
            for (step, new, old, stage) in points {
                at += step;
                let stage = STAGES.get(stage).map(|stage| (*stage).to_owned());
                timeline.add(at, &Progress { stage, new_weight: Some(25.0), ..progress(new, old) });
            }
            prop_assert_eq!(Timeline::decode(&timeline.encode()), Some(timeline));
        }

        #[test]
        fn reading_never_panics(written in ".{0,80}") {
            let _ = Timeline::decode(&written);
        }
    }
}
