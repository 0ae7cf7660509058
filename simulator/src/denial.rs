//! What IAM says to who is not allowed.

use serde_json::Value;

use crate::wire::{ApiError, text};
use crate::{ACCOUNT, REGION};

/// The role of the function under test, as IAM names a session of it.
const PRINCIPAL: &str = "arn:aws:sts::111122223333:assumed-role/ecs-deploy-action/deploy";

/// The refusal of `service:operation`.
pub(crate) fn refusal(service: &str, operation: &str, request: &Value) -> ApiError {
    let action = format!("{service}:{operation}");
    let (code, status) = if service == "s3" {
        ("AccessDenied", 403)
    } else {
        ("AccessDeniedException", 400)
    };
    let words = words(&action, resource(service, operation, request).as_deref());
    ApiError::new(code, words).with_status(status)
}

/// The refusal to let ECS have the roles that a task definition names, if it names any.
pub(crate) fn pass_role_refusal(request: &Value) -> Option<ApiError> {
    let roles = ["taskRoleArn", "executionRoleArn"];
    let mut named = roles.into_iter().map(|member| text(request, member));
    let role = named.find(|role| !role.is_empty())?;
    let words = words("iam:PassRole", Some(role));
    Some(ApiError::new("AccessDeniedException", words))
}

/// As in <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
pub(crate) fn words(action: &str, resource: Option<&str>) -> String {
    let on = resource.map_or_else(String::new, |resource| format!(" on resource: {resource}"));
    format!(
        "User: {PRINCIPAL} is not authorized to perform: {action}{on} because no identity-based policy allows the {action} action"
    )
}

/// What the request is about, where IAM knows resources of that kind.
fn resource(service: &str, operation: &str, request: &Value) -> Option<String> {
    let arn =
        |kind: &str, path: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}/{path}");
    let last = |member: &str| crate::ecs::last_part(text(request, member)).to_owned();
    match (service, operation) {
        ("ecs", "DescribeServices") => {
            let service = request["services"][0].as_str().unwrap_or_default();
            let service = crate::ecs::last_part(service);
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
        ("ecs", "ListTasks") => Some("*".to_owned()),
        ("ecs", "DescribeTasks") => Some(arn("task", &format!("{}/*", last("cluster")))),
        ("ecr", _) => Some(arn("repository", text(request, "repositoryName"))),
        ("logs", _) => Some(format!(
            "arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{}:log-stream:{}",
            text(request, "logGroupName"),
            text(request, "logStreamName")
        )),
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
