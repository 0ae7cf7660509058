//! A verdict as the fields of a log line, which CloudWatch Logs Insights can query.

use super::timeline::percent;
use super::verdict::Verdict;

/// What a verdict says; absent is what it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts<'a> {
    /// The verdict's name: `InProgress`, `RolledBack`, ….
    pub name: &'static str,
    /// Tasks that our deployment, or the service that it serves, wants.
    pub desired: Option<i32>,
    /// Our tasks that run.
    pub running: Option<i32>,
    /// Tasks of all other deployments that run.
    pub running_old: Option<i32>,
    /// The lifecycle stage.
    pub stage: Option<&'a str>,
    /// Share of production traffic on our revision.
    pub traffic_percent: Option<u32>,
    /// A hook that holds the deployment.
    pub note: Option<&'a str>,
    /// Why, in ECS's text, or why it could not be looked at.
    pub reason: Option<String>,
    /// A state that this build does not know, or the status of a service that is gone.
    pub state: Option<&'a str>,
    /// The id of the deployment that has replaced ours.
    pub replaced_by: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// Those of `verdict`.
    pub fn of(verdict: &'a Verdict) -> Self {
        let counts = verdict
            .progress()
            .map_or_else(Self::default, |progress| Self {
                desired: Some(progress.desired),
                running: Some(progress.new_running),
                running_old: Some(progress.old_running),
                stage: progress.stage.as_deref(),
                traffic_percent: progress.new_weight.map(percent),
                note: progress.note.as_deref(),
                ..Self::default()
            });
        let named = |name| Self {
            name,
            ..counts.clone()
        };
        match verdict {
            Verdict::Untouched => named("Untouched"),
            Verdict::Serving { desired, running } => Self {
                desired: Some(*desired),
                running: Some(*running),
                ..named("Serving")
            },
            Verdict::InProgress(_) => named("InProgress"),
            Verdict::RollingBack { reason, .. } => Self {
                reason: reason.as_ref().map(ToString::to_string),
                ..named("RollingBack")
            },
            Verdict::RolledBack { reason } => Self {
                reason: reason.as_ref().map(ToString::to_string),
                ..named("RolledBack")
            },
            Verdict::RollbackFailed { reason } => Self {
                reason: reason.as_ref().map(ToString::to_string),
                ..named("RollbackFailed")
            },
            Verdict::Failed { reason, .. } => Self {
                reason: reason.as_ref().map(ToString::to_string),
                ..named("Failed")
            },
            Verdict::Replaced { by, .. } => Self {
                replaced_by: Some(by),
                ..named("Replaced")
            },
            Verdict::Gone { status } => Self {
                state: Some(status),
                ..named("Gone")
            },
            Verdict::Unknown { state, .. } => Self {
                state: Some(state),
                ..named("Unknown")
            },
            Verdict::NoNews { why } => Self {
                reason: Some(why.clone()),
                ..named("NoNews")
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Progress, Reason};

    #[test]
    fn a_verdict_is_a_name_and_what_it_counts() {
        let verdict = Verdict::RollingBack {
            reason: Reason::of("alarm"),
            progress: Progress {
                desired: 2,
                new_running: 1,
                old_running: 2,
                new_weight: Some(9.6),
                ..Progress::default()
            },
        };
        let facts = Facts::of(&verdict);
        assert_eq!(facts.name, "RollingBack");
        assert_eq!(
            (facts.desired, facts.running, facts.running_old),
            (Some(2), Some(1), Some(2))
        );
        assert_eq!(
            (facts.reason.as_deref(), facts.traffic_percent),
            (Some("alarm"), Some(10))
        );
        assert_eq!(facts.stage, None);
        let gone = Verdict::Gone {
            status: "INACTIVE".to_owned(),
        };
        assert_eq!(Facts::of(&gone).state, Some("INACTIVE"));
    }
}
