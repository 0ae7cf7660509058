//! How deployments end, as CloudWatch's embedded metric format: a line of JSON in the log from
//! which CloudWatch makes metrics, and which queries can read
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::deploy::outcome::Outcome;
use crate::deploy::seen::Look;
use crate::deploy::spec::Target;
use crate::deploy::text;
use crate::deploy::time::Timestamp;
use crate::observer::{Finished, Observer};

/// The metrics' namespace in CloudWatch.
pub const NAMESPACE: &str = "EcsDeployAction";

/// The line has this much of the message: the headline.
const HEADLINE_LIMIT_CHARS: usize = 1000;

/// Writes the line of each deployment that ends to standard output, which is the function's log.
#[derive(Debug, Clone, Copy)]
pub struct ToStandardOutput;

impl Observer for ToStandardOutput {
    fn looked(&self, _: &Target, _: &Look, _: Timestamp) {}

    fn finished(&self, finished: Finished<'_>) {
        if let Some(line) = line(finished)
            && let Err(error) = writeln!(io::stdout().lock(), "{line}")
        {
            tracing::warn!("the metrics could not be written: {error}");
        }
    }
}

/// The line, or `None` for a deployment that goes on.
pub fn line(finished: Finished<'_>) -> Option<Value> {
    let (outcome, kind, message) = match finished.outcome {
        Outcome::Succeeded { message, .. } => ("Succeeded", "None", message.as_str()),
        Outcome::Failed { failure, .. } => {
            ("Failed", failure.kind.name(), failure.message.as_str())
        }
        Outcome::InProgress { .. } => return None,
    };
    let headline = message.lines().next().unwrap_or_default();
    Some(json!({
        "_aws": {
            "Timestamp": finished.at.as_millis(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["Outcome"], ["Outcome", "Phase"], ["Cluster", "Service", "Outcome"]],
                "Metrics": [
                    {"Name": "Deployments", "Unit": "Count"},
                    {"Name": "Duration", "Unit": "Seconds"},
                ],
            }],
        },
        "Outcome": outcome,
        "Phase": finished.phase,
        "Cluster": finished.target.map_or("unknown", Target::cluster_name),
        "Service": finished.target.map_or("unknown", Target::service_name),
        "Deployments": 1,
        "Duration": finished.took.as_secs(),
        "FailureType": kind,
        "Message": text::cut(headline, HEADLINE_LIMIT_CHARS),
        "job": finished.job,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::deploy::failure::{Failure, FailureKind};
    use crate::deploy::outcome::Details;

    fn ended(outcome: &Outcome) -> Option<Value> {
        let target = Target {
            cluster: "arn:aws:ecs:r:1:cluster/prod".to_owned(),
            service: "web".to_owned(),
        };
        line(Finished {
            job: "job-1",
            target: Some(&target),
            outcome,
            phase: "RollingBack",
            took: Duration::from_millis(90_500),
            at: Timestamp::from_millis(1_790_000_000_123),
        })
    }

    #[test]
    fn a_failed_deployment_has_its_type_headline_phase_and_duration() {
        let failure = Failure::new(
            FailureKind::Job,
            "web on prod: it failed.\nStopped tasks: x",
        );
        let line = ended(&Outcome::Failed {
            failure,
            external_execution_id: None,
        })
        .unwrap();
        for (name, value) in [
            ("Outcome", json!("Failed")),
            ("FailureType", json!("JobFailed")),
            ("Message", json!("web on prod: it failed.")),
            ("Phase", json!("RollingBack")),
            ("Duration", json!(90)),
            ("Cluster", json!("prod")),
            ("Service", json!("web")),
            ("job", json!("job-1")),
        ] {
            assert_eq!(line[name], value, "{name}");
        }
    }

    #[test]
    fn every_dimension_and_metric_that_the_format_names_is_a_member_of_the_line() {
        let line = ended(&Outcome::Succeeded {
            message: "web on prod: app:2 is serving.".into(),
            variables: std::collections::BTreeMap::new(),
            external_execution_id: None,
        })
        .unwrap();
        assert_eq!(line["_aws"]["Timestamp"], 1_790_000_000_123_i64);
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        for metric in metrics["Metrics"].as_array().unwrap() {
            assert!(
                line[metric["Name"].as_str().unwrap()].is_number(),
                "{metric}"
            );
        }
        for dimension in metrics["Dimensions"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|set| set.as_array().unwrap())
        {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
    }

    #[test]
    fn a_deployment_that_goes_on_has_no_line() {
        let outcome = Outcome::InProgress {
            token: "1 {}".to_owned(),
            details: Details::default(),
        };
        assert_eq!(ended(&outcome), None);
    }
}
