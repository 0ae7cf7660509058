//! What an invocation returns.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::deploy::cleanup::Cleanup;
use crate::deploy::deployment::{Deployment, Service};
use crate::deploy::diff::{Change, Changes};
use crate::deploy::failure::Failure;
use crate::deploy::outcome::{Outcome, SUMMARY_LIMIT_BYTES};
use crate::deploy::outside::printable;
use crate::deploy::plan::Plan;
use crate::deploy::spec::{DeploySpec, Target};
use crate::deploy::text;

/// What became of one service, for the report.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceReport {
    /// The service.
    pub target: Target,
    /// What is known of its deployment, if it was updated.
    pub deployed: Option<Service>,
    /// In a dry run, what the new revision would change.
    pub changes: Changes,
}

/// No report is larger: Lambda takes 6 MB as the answer to the caller that waits for it
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>), and people read it.
pub const REPORT_LIMIT_BYTES: usize = 1_000_000;

/// All that an invocation has to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its outcome.
    pub outcome: Outcome,
    /// One for each target, as far as they are known.
    pub services: Vec<ServiceReport>,
    /// What did not change the outcome and should be known.
    pub warnings: Vec<String>,
    /// What a dry run checked and what it would have called.
    pub plan: Option<DryRun>,
    /// What is left to do once the job is answered.
    pub cleanup: Cleanup,
}

/// What a dry run found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// What was checked, one sentence each.
    pub checked: Vec<String>,
    /// What would be called, in its order.
    pub calls: Vec<String>,
}

impl Report {
    /// A failure before any service was known.
    pub fn failed(failure: Failure) -> Self {
        Self::of(failure.into())
    }

    /// What became of `deployment`, and what is left to clean up.
    pub fn on(deployment: &Deployment, outcome: Outcome, cleanup: Cleanup) -> Self {
        Self {
            services: services_of(deployment),
            cleanup,
            ..Self::of(outcome)
        }
    }

    /// An outcome with nothing else to say.
    pub fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            services: Vec::new(),
            warnings: Vec::new(),
            plan: None,
            cleanup: Cleanup::default(),
        }
    }

    /// A dry run that found nothing wrong. The pipeline's page has room for the headline and the
    /// differences of a usual deployment; more of it is in the report.
    pub fn of_dry_run(spec: &DeploySpec, plan: &Plan) -> Self {
        let services = spec.targets.iter().zip(&plan.services);
        let services = services.map(|(target, service)| ServiceReport {
            target: target.clone(),
            deployed: None,
            changes: plan
                .families
                .get(service.family)
                .map_or_else(Changes::default, |family| family.changes.clone()),
        });
        Self {
            services: services.collect(),
            plan: Some(DryRun {
                checked: plan.checked(),
                calls: plan.calls(),
            }),
            ..Self::of(Outcome::Succeeded {
                message: dry_run_message(spec, plan).into(),
                variables: BTreeMap::new(),
                external_execution_id: None,
            })
        }
    }

    /// The JSON that the invocation returns, of [`REPORT_LIMIT_BYTES`] at most: what is left out is
    /// reported among its warnings.
    pub fn to_json(&self) -> Value {
        /// Besides what is measured: names, quotes, the sentence about what is left out, and a
        /// message and a token at their longest.
        const FIXED_BYTES: usize = 100_000;
        const MESSAGE_LIMIT_CHARS: usize = 10_000;
        let (outcome, message) = match &self.outcome {
            Outcome::Succeeded { message, .. } => ("Succeeded", message.as_str()),
            Outcome::Failed { failure, .. } => ("Failed", failure.message.as_str()),
            Outcome::InProgress { details, .. } => ("InProgress", details.summary.as_str()),
        };
        let mut room = Room(REPORT_LIMIT_BYTES - FIXED_BYTES);
        let mut left_out = Vec::new();
        let mut note = |count: usize, noun: &str| {
            if count > 0 {
                left_out.push(text::counted(count, noun));
            }
        };
        let mut report = json!({"outcome": outcome,
            "message": text::cut(&printable(message), MESSAGE_LIMIT_CHARS), "services": []});
        match &self.outcome {
            Outcome::Succeeded { variables, .. } => {
                let mut fitting = Map::new();
                for (name, value) in variables {
                    if room.takes(json!([name, value]).to_string().len()) {
                        fitting.insert(name.clone(), json!(value));
                    }
                }
                note(variables.len() - fitting.len(), "output variable");
                report["outputVariables"] = Value::Object(fitting);
            }
            Outcome::InProgress { token, .. } => report["continuationToken"] = json!(token),
            Outcome::Failed { .. } => {}
        }
        let services: Vec<Value> = self.services.iter().map(ServiceReport::to_json).collect();
        let (mut services, more) = room.fill(services, usize::MAX);
        note(more, "service");
        let texts = |texts: &[String]| texts.iter().map(|text| json!(printable(text))).collect();
        let (mut warnings, more) = room.fill(texts(&self.warnings), usize::MAX);
        note(more, "warning");
        if let Some(plan) = &self.plan {
            let (checked, more) = room.fill(texts(&plan.checked), usize::MAX);
            note(more, "check");
            let (calls, more) = room.fill(texts(&plan.calls), usize::MAX);
            note(more, "call");
            report["plan"] = json!({"checked": checked, "calls": calls});
        }
        // What is left is for the changes, the same for each service.
        let share = room.0 / self.services.len().max(1);
        let mut changes_left_out = 0;
        for (service, reported) in self.services.iter().zip(&mut services) {
            let changes = &service.changes;
            if changes.count() > 0 {
                let listed = changes.listed.iter().map(Change::to_json).collect();
                let (listed, more) = room.fill(listed, share);
                changes_left_out += more + changes.more;
                reported["changes"] = Value::Array(listed);
            }
        }
        note(changes_left_out, "change");
        report["services"] = Value::Array(services);
        if !left_out.is_empty() {
            warnings.push(json!(format!(
                "{} left out of this report, which is kept short",
                text::listed(&left_out)
            )));
        }
        if !warnings.is_empty() {
            report["warnings"] = Value::Array(warnings);
        }
        report
    }
}

/// The headline and the differences, as far as the pipeline's page has room.
fn dry_run_message(spec: &DeploySpec, plan: &Plan) -> String {
    const HEADLINE_LIMIT_BYTES: usize = 1500;
    /// For the sentence on what has no room.
    const RESERVED_BYTES: usize = 60;
    let headline = plan.headline(&spec.about());
    let mut message = text::cut_bytes(&headline, HEADLINE_LIMIT_BYTES);
    let mut length = message.len();
    let total: usize = plan.families.iter().map(|one| one.changes.count()).sum();
    let mut shown = 0;
    for change in plan.families.iter().flat_map(|one| &one.changes.listed) {
        let line = format!("\n{change}");
        length += line.len();
        if length > SUMMARY_LIMIT_BYTES - RESERVED_BYTES {
            break;
        }
        message.push_str(&line);
        shown += 1;
    }
    if shown < total {
        message.push_str(&format!("\nand {} more", total - shown));
    }
    message
}

/// The bytes that a report has room for.
struct Room(usize);

impl Room {
    /// Whether so many bytes fit; if they do, they are taken.
    fn takes(&mut self, bytes: usize) -> bool {
        /// A comma and the like.
        const AROUND_BYTES: usize = 4;
        let left = self.0.checked_sub(bytes.saturating_add(AROUND_BYTES));
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }

    /// The first `values` that fit, into `share` bytes at most; and how many do not.
    fn fill(&mut self, values: Vec<Value>, share: usize) -> (Vec<Value>, usize) {
        let total = values.len();
        let mut used = 0;
        let mut fitting = Vec::new();
        for value in values {
            let bytes = value.to_string().len();
            used += bytes;
            if used > share || !self.takes(bytes) {
                break;
            }
            fitting.push(value);
        }
        let more = total - fitting.len();
        (fitting, more)
    }
}

impl ServiceReport {
    /// Without its changes.
    fn to_json(&self) -> Value {
        let mut service = json!({
            "cluster": self.target.cluster_name(),
            "service": self.target.service_name(),
        });
        if let Some(deployed) = &self.deployed {
            service["revision"] = json!(deployed.revision.to_string());
            if let Some(previous) = &deployed.previous {
                service["previousRevision"] = json!(previous.to_string());
            }
            if let Some(id) = deployed.ours.deployment() {
                service["deployment"] = json!(id);
            }
            if let Some(id) = deployed.ours.service_deployment() {
                service["serviceDeployment"] = json!(id);
            }
        }
        service
    }
}

/// The services of `deployment` for the report.
pub fn services_of(deployment: &Deployment) -> Vec<ServiceReport> {
    let services = deployment.services.iter();
    services
        .map(|service| ServiceReport {
            target: service.target.clone(),
            deployed: Some(service.clone()).filter(Service::is_touched),
            changes: Changes::default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::diff;

    fn spec(services: usize) -> DeploySpec {
        let names: Vec<String> = (0..services).map(|number| format!("s{number}")).collect();
        let written = vec![
            ("ClusterName".to_owned(), json!("prod")),
            ("Services".to_owned(), json!(names)),
        ];
        crate::parameters::parse(written).unwrap()
    }

    #[test]
    fn a_report_is_never_larger_than_its_bound_and_says_what_it_leaves_out() {
        let spec = spec(10);
        let long = "\"".repeat(400);
        let of = |value: &str| {
            let all =
                (0..2000).map(|number| json!({"key": format!("{number}{long}"), "value": value}));
            let document = json!({"tags": all.collect::<Vec<_>>()});
            document.as_object().unwrap().clone()
        };
        let changes = diff::changes(&of(&long), &of("x"));
        let report = Report {
            services: spec
                .targets
                .iter()
                .map(|target| ServiceReport {
                    target: target.clone(),
                    deployed: None,
                    changes: changes.clone(),
                })
                .collect(),
            warnings: vec![long.repeat(10); 1000],
            plan: Some(DryRun {
                checked: vec![long.repeat(10); 1000],
                calls: vec![long.clone(); 1000],
            }),
            ..Report::of(Outcome::Succeeded {
                message: long.repeat(1000).into(),
                variables: BTreeMap::from([("Image-a".to_owned(), long.clone())]),
                external_execution_id: None,
            })
        };
        let json = report.to_json();
        let length = json.to_string().len();
        assert!(length <= REPORT_LIMIT_BYTES, "{length}");
        let last = json["warnings"].as_array().unwrap().last().unwrap();
        let last = last.as_str().unwrap();
        assert!(
            last.contains(" warnings, ")
                && last.ends_with(" 20000 changes left out of this report, which is kept short"),
            "{last}"
        );
        assert_eq!(json["services"].as_array().unwrap().len(), 10);
    }

    #[test]
    fn a_report_of_usual_size_is_whole() {
        let spec = spec(1);
        let of = |cpu: &str| json!({"cpu": cpu}).as_object().unwrap().clone();
        let report = Report {
            services: vec![ServiceReport {
                target: spec.targets[0].clone(),
                deployed: None,
                changes: diff::changes(&of("256"), &of("512")),
            }],
            warnings: vec!["one".to_owned()],
            ..Report::of(Outcome::Failed {
                failure: Failure::new(crate::deploy::failure::FailureKind::Job, "why"),
                external_execution_id: None,
            })
        };
        assert_eq!(
            report.to_json(),
            json!({"outcome": "Failed", "message": "why", "services": [{"cluster": "prod", "service": "s0",
                "changes": [{"path": "/cpu", "old": "256", "new": "512"}]}], "warnings": ["one"]})
        );
    }
}
