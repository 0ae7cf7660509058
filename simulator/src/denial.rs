//! What IAM says to who is not allowed.

use serde_json::Value;

use crate::account;
use crate::arn::{ACCOUNT, REGION, last_part};
use crate::wire::{ApiError, text};

/// The role of the function under test, as IAM names a session of it.
pub(crate) const PRINCIPAL: &str =
    "arn:aws:sts::111122223333:assumed-role/ecs-deploy-action/deploy";

/// The refusal of `service:operation`.
pub(crate) fn refusal(service: &str, operation: &str, request: &Value) -> ApiError {
    let prefix = if service == account::CLOUDWATCH {
        "cloudwatch"
    } else {
        service
    };
    let action = format!("{prefix}:{operation}");
    let text = denial_text(&action, resource(service, operation, request).as_deref());
    denied(service, text)
}

/// The refusal to let a service have a role that the request names, if it names any: the roles of a
/// task definition, or of what `EventBridge` or its scheduler start.
pub(crate) fn pass_role_refusal(
    service: &str,
    operation: &str,
    request: &Value,
) -> Option<ApiError> {
    let roles: Vec<&str> = match operation {
        "RegisterTaskDefinition" => vec![
            text(request, "taskRoleArn"),
            text(request, "executionRoleArn"),
        ],
        "PutTargets" => {
            let targets = request["Targets"].as_array().into_iter().flatten();
            targets.map(|target| text(target, "RoleArn")).collect()
        }
        "UpdateSchedule" => vec![text(&request["Target"], "RoleArn")],
        _ => Vec::new(),
    };
    let role = roles.into_iter().find(|role| !role.is_empty())?;
    Some(denied(service, denial_text("iam:PassRole", Some(role))))
}

/// Each protocol has its own way to say it.
fn denied(service: &str, text: String) -> ApiError {
    let (code, status) = match service {
        "s3" | "sts" | account::BALANCERS | account::IAM | account::CLOUDWATCH => {
            ("AccessDenied", 403)
        }
        "scheduler" => ("AccessDeniedException", 403),
        _ => ("AccessDeniedException", 400),
    };
    ApiError::new(code, text).with_status(status)
}

/// As in <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
pub(crate) fn denial_text(action: &str, resource: Option<&str>) -> String {
    let on = resource.map_or_else(String::new, |resource| format!(" on resource: {resource}"));
    format!(
        "User: {PRINCIPAL} is not authorized to perform: {action}{on} because no identity-based policy allows the {action} action"
    )
}

/// What the request is about, where IAM knows resources of that kind.
fn resource(service: &str, operation: &str, request: &Value) -> Option<String> {
    let arn = |kind: &str, path: &str| crate::arn::arn(service, kind, path);
    let last = |member: &str| match (member, text(request, member)) {
        ("cluster", "") => "default".to_owned(),
        (_, named) => last_part(named).to_owned(),
    };
    match (service, operation) {
        ("ecs", "DescribeServices") => {
            let service = request["services"][0].as_str().unwrap_or_default();
            let service = last_part(service);
            Some(arn("service", &format!("{}/{service}", last("cluster"))))
        }
        ("ecs", "UpdateService" | "ListServiceDeployments") => Some(arn(
            "service",
            &format!("{}/{}", last("cluster"), last("service")),
        )),
        ("ecs", "RegisterTaskDefinition") => Some(arn(
            "task-definition",
            &format!("{}:*", text(request, "family")),
        )),
        ("ecs", "DescribeServiceDeployments") => member(request, "serviceDeploymentArns"),
        ("ecs", "StopServiceDeployment") => Some(text(request, "serviceDeploymentArn").to_owned()),
        ("ecs", "DescribeServiceRevisions") => member(request, "serviceRevisionArns"),
        ("ecs", "ListTasks" | "ListServices" | "ListClusters")
        | ("ecr", "DescribePullThroughCacheRules") => Some("*".to_owned()),
        // A family alone is one that AWS would look up the newest revision of.
        ("ecs", "RunTask") => Some(arn("task-definition", &last("taskDefinition"))),
        ("ecs", "StopTask") => Some(arn(
            "task",
            &format!("{}/{}", last("cluster"), last("task")),
        )),
        ("ecs", "DescribeTasks") => {
            let task = request["tasks"][0].as_str().unwrap_or("*");
            let task = last_part(task);
            Some(arn("task", &format!("{}/{task}", last("cluster"))))
        }
        ("ecr", _) => Some(arn("repository", text(request, "repositoryName"))),
        (account::SECRETS, _) => match text(request, "SecretId") {
            name if name.starts_with("arn:") => Some(name.to_owned()),
            name => Some(format!(
                "arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}"
            )),
        },
        (account::PARAMETERS, _) => {
            let name = request["Names"][0].as_str().unwrap_or_default();
            let name = name.trim_start_matches('/');
            Some(format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}"))
        }
        // IAM says it in its own way.
        (account::IAM, _) => Some(format!("role {}", text(request, "RoleName"))),
        (account::CLOUDWATCH, _) => None,
        ("logs", "FilterLogEvents") => Some(format!(
            "arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{}:*",
            text(request, "logGroupName"),
        )),
        ("logs", _) => Some(format!(
            "arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{}:log-stream:{}",
            text(request, "logGroupName"),
            text(request, "logStreamName")
        )),
        ("events", "PutTargets" | "ListTargetsByRule") => {
            let (bus, rule) = (crate::events::bus_of(request), text(request, "Rule"));
            let is_default = bus == crate::events::DEFAULT_BUS;
            let path = if is_default {
                rule.to_owned()
            } else {
                format!("{bus}/{rule}")
            };
            Some(arn("rule", &path))
        }
        ("events", "ListRuleNamesByTarget") => Some(arn("rule", "*")),
        ("events", "PutEvents") => {
            let bus = crate::events::bus_of(&request["Entries"][0]);
            Some(arn("event-bus", &bus))
        }
        ("events", "ListEventBuses") => Some(arn("event-bus", "*")),
        // Listing cannot be allowed for one group (<https://github.com/aws/aws-cdk/issues/38201>).
        ("scheduler", "ListSchedules") => Some(crate::scheduler::arn("*", "*")),
        ("scheduler", _) => {
            let group = crate::scheduler::group_of(request);
            Some(crate::scheduler::arn(&group, text(request, "Name")))
        }
        ("sts", _) => Some(text(request, "RoleArn").to_owned()),
        ("s3", _) => Some(format!(
            "\"arn:aws:s3:::{}/{}\"",
            text(request, "Bucket"),
            text(request, "Key")
        )),
        _ => None,
    }
}

fn member(request: &Value, name: &str) -> Option<String> {
    request[name][0].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_action_names_its_resource_as_aws_does() {
        let ecs = "arn:aws:ecs:eu-central-1:111122223333";
        let events = "arn:aws:events:eu-central-1:111122223333";
        let scheduler = "arn:aws:scheduler:eu-central-1:111122223333:schedule";
        let role = "arn:aws:iam::444455556666:role/deploy";
        for (service, operation, request, resource) in [
            (
                "events",
                "PutTargets",
                json!({"Rule": "nightly", "EventBusName": "default"}),
                format!("{events}:rule/nightly"),
            ),
            (
                "events",
                "ListTargetsByRule",
                json!({"Rule": "nightly", "EventBusName": format!("{events}:event-bus/jobs")}),
                format!("{events}:rule/jobs/nightly"),
            ),
            (
                "events",
                "ListRuleNamesByTarget",
                json!({"TargetArn": "x"}),
                format!("{events}:rule/*"),
            ),
            (
                "events",
                "ListEventBuses",
                json!({}),
                format!("{events}:event-bus/*"),
            ),
            (
                "scheduler",
                "UpdateSchedule",
                json!({"Name": "nightly", "GroupName": "jobs"}),
                format!("{scheduler}/jobs/nightly"),
            ),
            (
                "scheduler",
                "GetSchedule",
                json!({"Name": "nightly"}),
                format!("{scheduler}/default/nightly"),
            ),
            (
                "scheduler",
                "ListSchedules",
                json!({"GroupName": "jobs"}),
                format!("{scheduler}/*/*"),
            ),
            (
                "ecs",
                "RunTask",
                json!({"taskDefinition": format!("{ecs}:task-definition/app:2")}),
                format!("{ecs}:task-definition/app:2"),
            ),
            (
                "ecs",
                "StopTask",
                json!({"cluster": "prod", "task": format!("{ecs}:task/prod/1")}),
                format!("{ecs}:task/prod/1"),
            ),
            (
                "ecs",
                "ListServices",
                json!({"cluster": "prod"}),
                "*".to_owned(),
            ),
            ("ecs", "ListClusters", json!({}), "*".to_owned()),
            (
                "sts",
                "AssumeRole",
                json!({"RoleArn": role}),
                role.to_owned(),
            ),
        ] {
            let refusal = refusal(service, operation, &request);
            let begin = format!(
                "User: {PRINCIPAL} is not authorized to perform: {service}:{operation} on resource: {resource} because"
            );
            assert!(refusal.message.starts_with(&begin), "{}", refusal.message);
        }
    }

    #[test]
    fn the_protocols_of_s3_sts_and_the_scheduler_deny_with_a_403() {
        let refused = |service| {
            let refusal = refusal(service, "X", &json!({}));
            (refusal.code, refusal.status)
        };
        for (service, code, status) in [
            ("s3", "AccessDenied", 403),
            ("sts", "AccessDenied", 403),
            ("scheduler", "AccessDeniedException", 403),
            ("events", "AccessDeniedException", 400),
            ("ecs", "AccessDeniedException", 400),
        ] {
            assert_eq!(refused(service), (code.to_owned(), status));
        }
    }

    #[test]
    fn a_role_is_passed_with_a_registration_a_target_and_a_schedule_that_name_one() {
        let role = "arn:aws:iam::111122223333:role/r";
        let refused = |operation, request: Value| {
            pass_role_refusal("events", operation, &request).map(|refusal| refusal.message)
        };
        for (operation, request) in [
            ("RegisterTaskDefinition", json!({"executionRoleArn": role})),
            (
                "PutTargets",
                json!({"Targets": [{"Id": "a"}, {"RoleArn": role}]}),
            ),
            ("UpdateSchedule", json!({"Target": {"RoleArn": role}})),
        ] {
            let message = refused(operation, request).unwrap();
            assert!(message.contains("iam:PassRole on resource: arn:aws:iam::111122223333:role/r"));
        }
        assert_eq!(
            refused("PutTargets", json!({"Targets": [{"Id": "a"}]})),
            None
        );
        assert_eq!(refused("RunTask", json!({"taskRoleArn": role})), None);
    }
}
