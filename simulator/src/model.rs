//! Requests are checked as AWS does: required members, types, enumerations, bounds; and members
//! that AWS does not know are refused, so that a mistake in a request cannot pass.
//!
//! The facts are in `model/*.json`, which `model/extract.py` takes from botocore's API models.

use std::collections::BTreeSet;

use regex_lite::Regex;
use serde_json::Value;

use crate::wire::ApiError;

/// The checked services' models.
#[derive(Debug)]
pub(crate) struct Models {
    models: Vec<(&'static str, Value)>,
}

impl Models {
    pub(crate) fn load() -> Self {
        let parse = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        Self {
            models: vec![
                ("ecs", parse(include_str!("../model/ecs.json"))),
                (
                    "codepipeline",
                    parse(include_str!("../model/codepipeline.json")),
                ),
                ("ecr", parse(include_str!("../model/ecr.json"))),
                (
                    "elasticloadbalancing",
                    parse(include_str!("../model/elbv2.json")),
                ),
                ("events", parse(include_str!("../model/events.json"))),
                ("iam", parse(include_str!("../model/iam.json"))),
                (
                    "monitoring",
                    parse(include_str!("../model/cloudwatch.json")),
                ),
                (
                    "secretsmanager",
                    parse(include_str!("../model/secretsmanager.json")),
                ),
                ("ssm", parse(include_str!("../model/ssm.json"))),
                ("logs", parse(include_str!("../model/logs.json"))),
                ("scheduler", parse(include_str!("../model/scheduler.json"))),
            ],
        }
    }

    /// The service and operation of an `X-Amz-Target` header.
    pub(crate) fn operation_of<'a>(&self, target: &'a str) -> Option<(&'static str, &'a str)> {
        let (prefix, operation) = target.split_once('.')?;
        let service = self
            .models
            .iter()
            .find(|(_, model)| model["target"] == prefix);
        service.map(|(name, _)| (*name, operation))
    }

    /// Refuses a request that AWS would refuse. `allowed` are names of members that pass unknown.
    pub(crate) fn check(
        &self,
        service: &str,
        operation: &str,
        request: &Value,
        allowed: &BTreeSet<String>,
    ) -> Result<(), ApiError> {
        let model = self.models.iter().find(|(name, _)| *name == service);
        let model = model.map(|(_, model)| model);
        let shape = model.and_then(|model| model["operations"][operation].as_str());
        let (Some(model), Some(shape)) = (model, shape) else {
            return Err(ApiError::new(
                "UnknownOperationException",
                format!("{service} has no operation {operation}"),
            ));
        };
        let check = Check { model, allowed };
        check.value(request, shape, "").map_err(|problem| {
            let code = match (&problem.kind, service) {
                (Kind::Shape, _) => "SerializationException",
                (Kind::Value, "codepipeline" | "events" | "scheduler") => "ValidationException",
                (Kind::Value, "ecs") => "ClientException",
                (Kind::Value, _) => "InvalidParameterException",
            };
            ApiError::new(code, problem.message)
        })
    }
}

struct Problem {
    kind: Kind,
    message: String,
}

enum Kind {
    /// Not of the right type, or not known.
    Shape,
    /// Missing or out of bounds.
    Value,
}

struct Check<'a> {
    model: &'a Value,
    allowed: &'a BTreeSet<String>,
}

impl Check<'_> {
    fn value(&self, value: &Value, shape: &str, path: &str) -> Result<(), Problem> {
        let facts = &self.model["shapes"][shape];
        let kind = facts["type"].as_str().unwrap_or_default();
        let is_fitting = match kind {
            "structure" | "map" => value.is_object(),
            "list" => value.is_array(),
            "string" | "blob" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" | "long" => value.is_i64() || value.is_u64(),
            "double" | "float" | "timestamp" => value.is_number(),
            _ => false,
        };
        if !is_fitting {
            return Err(Problem {
                kind: Kind::Shape,
                message: format!("{path} must be of type {kind}"),
            });
        }
        match (kind, value) {
            ("structure", Value::Object(members)) => self.structure(members, facts, path),
            ("map", Value::Object(members)) => {
                let (key, of) = (facts["key"].as_str(), facts["value"].as_str());
                for (name, value) in members {
                    let path = format!("{path}.{name}");
                    self.value(&Value::String(name.clone()), key.unwrap_or_default(), &path)?;
                    self.value(value, of.unwrap_or_default(), &path)?;
                }
                Ok(())
            }
            ("list", Value::Array(elements)) => {
                bounds(facts, elements.len(), path)?;
                let of = facts["member"].as_str().unwrap_or_default();
                for (index, element) in elements.iter().enumerate() {
                    self.value(element, of, &format!("{path}[{index}]"))?;
                }
                Ok(())
            }
            ("string", Value::String(text)) => string(facts, text, path),
            ("integer" | "long", number) => {
                let number = number.as_i64().unwrap_or(i64::MAX);
                let below = facts["min"].as_i64().is_some_and(|min| number < min);
                let above = facts["max"].as_i64().is_some_and(|max| number > max);
                if below || above {
                    return Err(out_of_bounds(path, &number.to_string()));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn structure(
        &self,
        members: &serde_json::Map<String, Value>,
        facts: &Value,
        path: &str,
    ) -> Result<(), Problem> {
        for (name, value) in members {
            let path = format!("{path}.{name}");
            match facts["members"][name].as_str() {
                // A null member is as good as not there, as AWS's parsers have it.
                Some(_) if value.is_null() => {}
                Some(of) => self.value(value, of, &path)?,
                None if self.allowed.contains(name) => {}
                None => {
                    return Err(Problem {
                        kind: Kind::Shape,
                        message: format!("{path} is not a member of the request"),
                    });
                }
            }
        }
        let required = facts["required"].as_array();
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if members.get(name).is_none_or(Value::is_null) {
                return Err(Problem {
                    kind: Kind::Value,
                    message: format!("{path}.{name} must not be null"),
                });
            }
        }
        Ok(())
    }
}

fn string(facts: &Value, text: &str, path: &str) -> Result<(), Problem> {
    bounds(facts, text.chars().count(), path)?;
    if let Some(known) = facts["enum"].as_array()
        && !known.iter().any(|one| one == text)
    {
        return Err(out_of_bounds(path, text));
    }
    if let Some(pattern) = facts["pattern"].as_str()
        && let Ok(pattern) = Regex::new(&format!("^(?:{pattern})$"))
        && !pattern.is_match(text)
    {
        return Err(out_of_bounds(path, text));
    }
    Ok(())
}

fn bounds(facts: &Value, length: usize, path: &str) -> Result<(), Problem> {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let below = facts["min"].as_u64().is_some_and(|min| length < min);
    let above = facts["max"].as_u64().is_some_and(|max| length > max);
    if below || above {
        return Err(out_of_bounds(path, &format!("of length {length}")));
    }
    Ok(())
}

fn out_of_bounds(path: &str, what: &str) -> Problem {
    Problem {
        kind: Kind::Value,
        message: format!("Value {what} at {path} failed to satisfy constraint"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(operation: &str, request: &Value) -> Result<(), String> {
        let service = if operation.starts_with("Put") {
            "codepipeline"
        } else {
            "ecs"
        };
        check_of(service, operation, request)
    }

    fn check_of(service: &str, operation: &str, request: &Value) -> Result<(), String> {
        Models::load()
            .check(service, operation, request, &BTreeSet::new())
            .map_err(|error| format!("{}: {}", error.code, error.message))
    }

    #[test]
    fn a_sound_request_passes() {
        check(
            "UpdateService",
            &json!({"service": "web", "taskDefinition": "app:1"}),
        )
        .unwrap();
    }

    #[test]
    fn unknown_missing_and_mistyped_members_are_refused() {
        let refused_text = |request| check("UpdateService", &request).unwrap_err();
        assert!(
            refused_text(json!({"service": "web", "taskDef": "x"}))
                .contains("SerializationException: .taskDef")
        );
        assert!(refused_text(json!({"cluster": "c"})).contains("ClientException: .service"));
        assert!(refused_text(json!({"service": 1})).contains("must be of type string"));
        assert!(
            refused_text(json!({"service": "web", "propagateTags": "X"})).contains("constraint")
        );
    }

    #[test]
    fn a_member_may_be_allowed_by_name_anywhere() {
        let allowed = BTreeSet::from(["invented".to_owned()]);
        let request =
            json!({"family": "a", "containerDefinitions": [{"invented": 1}], "invented": {}});
        Models::load()
            .check("ecs", "RegisterTaskDefinition", &request, &allowed)
            .unwrap();
    }

    #[test]
    fn codepipelines_bounds_hold() {
        let id = "00000000-0000-4000-8000-000000000001";
        let refused_text = |request| check("PutJobSuccessResult", &request).unwrap_err();
        check(
            "PutJobSuccessResult",
            &json!({"jobId": id, "outputVariables": {"Image-app": ""}}),
        )
        .unwrap();
        assert!(refused_text(json!({"jobId": "j-1"})).contains("ValidationException"));
        assert!(
            refused_text(json!({"jobId": id, "continuationToken": "x".repeat(2049)}))
                .contains("2049")
        );
        assert!(refused_text(json!({"jobId": id, "outputVariables": {"a b": ""}})).contains("a b"));
        let details = json!({"jobId": id, "executionDetails": {"percentComplete": 101}});
        assert!(refused_text(details).contains("101"));
    }

    #[test]
    fn what_eventbridge_and_its_scheduler_would_refuse_is_a_validation_exception() {
        let target = json!({"Id": "a", "Arn": "arn:aws:ecs:eu-central-1:1:cluster/c"});
        let put = |rule: &str, targets: Value| {
            check_of(
                "events",
                "PutTargets",
                &json!({"Rule": rule, "Targets": targets}),
            )
        };
        put("nightly", json!([target])).unwrap();
        for refused in [
            put("nightly", json!([])),
            put("nightly", json!([{"Id": "a"}])),
            put("not a name", json!([target])),
            check_of("scheduler", "GetSchedule", &json!({"Name": "not a name"})),
            check_of("scheduler", "ListSchedules", &json!({"MaxResults": 101})),
        ] {
            let refused_text = refused.unwrap_err();
            assert!(
                refused_text.starts_with("ValidationException"),
                "{refused_text}"
            );
        }
    }

    #[test]
    fn an_operation_that_is_not_modelled_is_unknown() {
        assert!(
            check("DeleteEverything", &json!({}))
                .unwrap_err()
                .contains("UnknownOperation")
        );
    }
}
