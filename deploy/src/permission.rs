//! What AWS's text on a denied call says, and the IAM statement that would allow it.

use serde_json::{Map, Value, json};

/// Actions for which IAM knows no resource
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html>,
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodepipeline.html>,
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awselasticloadbalancingv2.html>).
const WITHOUT_RESOURCE: [&str; 14] = [
    "codepipeline:PutJobSuccessResult",
    "codepipeline:PutJobFailureResult",
    "ecs:DescribeTaskDefinition",
    "ecs:DeregisterTaskDefinition",
    "ecs:ListTaskDefinitions",
    "ecs:ListClusters",
    "ecs:ListServices",
    "ecs:ListTasks",
    "events:ListEventBuses",
    "events:ListRuleNamesByTarget",
    "scheduler:ListSchedules",
    "ecr:GetAuthorizationToken",
    "ecr:DescribePullThroughCacheRules",
    "elasticloadbalancing:DescribeTargetGroups",
];

/// A denied call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The action that is missing. Not always the call's own: registering a revision needs
    /// `iam:PassRole`, reading an encrypted object `kms:Decrypt`.
    pub action: String,
    /// The service that the call was for, as `ecs`.
    pub service: String,
    /// The call's own name, as `RunTask`.
    pub operation: String,
    /// The resource's ARN, where AWS says it or it is known.
    pub resource: Option<String>,
    /// Who was denied: an ARN, where AWS says it.
    pub principal: Option<String>,
    /// Somebody forbids it. No statement that allows it helps.
    pub is_explicit: bool,
    /// The kind of policy that does not allow it, if it is not one of the role's own: as `service
    /// control policy`. A statement in the role's own would not help.
    pub withheld_by: Option<String>,
}

impl Denial {
    /// Of the call `action` on `resource`, about which AWS's text is `text`.
    ///
    /// AWS's text, where it is complete: `User: arn:… is not authorized to perform: ecs:X on
    /// resource: arn:… because no identity-based policy allows the ecs:X action`
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>).
    pub fn of(action: &str, resource: Option<&str>, text: &str) -> Self {
        let named = after(text, "not authorized to perform: ").filter(|name| {
            name.split_once(':').is_some_and(|(service, operation)| {
                service
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
                    && operation.starts_with(|c: char| c.is_ascii_uppercase())
            })
        });
        let on = after(text, "on resource: ").filter(|on| on.starts_with("arn:"));
        let is_own = named.is_none_or(|named| named == action);
        Self {
            action: named.unwrap_or(action).to_owned(),
            service: action.split(':').next().unwrap_or_default().to_owned(),
            operation: action.split(':').nth(1).unwrap_or_default().to_owned(),
            resource: on.or(resource.filter(|_| is_own)).map(str::to_owned),
            principal: after(text, "User: ").map(str::to_owned),
            is_explicit: text.contains("explicit deny"),
            withheld_by: withheld_by(text),
        }
    }

    /// Whether no statement in the role's own policies would help.
    pub fn is_withheld(&self) -> bool {
        self.is_explicit || self.withheld_by.is_some()
    }

    /// The statement to add, as one line of JSON.
    ///
    /// Where the resource is not known it is `*`, which IAM takes for every action.
    pub fn statement(&self) -> String {
        let known = self.resource.as_deref();
        self.statement_on(json!(known.unwrap_or("*")))
    }

    /// The same for these resources.
    pub fn statement_for(&self, resources: &[String]) -> String {
        match resources {
            [] => self.statement_on(json!("*")),
            [one] => self.statement_on(json!(one)),
            several => self.statement_on(json!(several)),
        }
    }

    fn statement_on(&self, resource: Value) -> String {
        let mut statement = Map::new();
        let mut put = |name: &str, value: Value| statement.insert(name.to_owned(), value);
        put("Effect", json!("Allow"));
        let action = self.action.as_str();
        if action == "s3:GetObject" {
            // A versioned bucket is read by version.
            put("Action", json!([action, "s3:GetObjectVersion"]));
        } else {
            put("Action", json!(action));
        }
        let has_none = WITHOUT_RESOURCE.contains(&action);
        put("Resource", if has_none { json!("*") } else { resource });
        if let Some((operator, key, value)) = self.condition() {
            put("Condition", json!({ operator: { key: value } }));
        }
        Value::Object(statement).to_string()
    }

    /// The parameter of template.yaml and examples/deploy-role.yaml that grants the action, for what
    /// they grant only where it is asked for.
    pub fn switch(&self) -> Option<&'static str> {
        match (self.service.as_str(), self.operation.as_str()) {
            ("ecs", "RunTask" | "StopTask") if self.service_of_action() == "ecs" => {
                Some("AllowPreDeployTasks")
            }
            // Its stack wants the ARN of the bus.
            ("events", "PutEvents") => None,
            ("events" | "scheduler", _) if self.service_of_action() != "iam" => {
                Some("AllowScheduledTasks")
            }
            ("ecs", "ListServices" | "ListClusters") => Some("AllowKeepRevisions"),
            ("secretsmanager" | "ssm" | "cloudwatch", _)
            | ("iam", "GetRole")
            | ("logs", "DescribeLogStreams") => Some("AllowVerifyDependencies"),
            _ => None,
        }
    }

    fn service_of_action(&self) -> &str {
        self.action.split(':').next().unwrap_or_default()
    }

    fn condition(&self) -> Option<(&'static str, &'static str, Value)> {
        match self.action.as_str() {
            "iam:PassRole" => Some((
                "StringEquals",
                "iam:PassedToService",
                match (self.service.as_str(), self.operation.as_str()) {
                    // The roles of the task, or the infrastructure role of its volumes
                    // (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/infrastructure_IAM_role.html>).
                    ("ecs", "RunTask") => json!(["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"]),
                    ("ecs", _) => json!("ecs-tasks.amazonaws.com"),
                    (service, _) => json!(format!("{service}.amazonaws.com")),
                },
            )),
            "ecs:TagResource" => Some(("StringEquals", "ecs:CreateAction", json!(self.operation))),
            _ => None,
        }
    }
}

/// The kind of policy that AWS says does not allow a call, if a statement in the role's own policies
/// would not change that: `because no service control policy allows the ecs:X action`
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>).
fn withheld_by(text: &str) -> Option<String> {
    const OTHERS: [&str; 6] = [
        "service control policy",
        "resource control policy",
        "permissions boundary",
        "session policy",
        "VPC endpoint policy",
        "resource-based policy",
    ];
    let (_, rest) = text.split_once("because no ")?;
    let kind = OTHERS.iter().find(|kind| rest.starts_with(**kind))?;
    Some((*kind).to_owned())
}

/// What follows `marker` up to the next blank, without the quotes and the stop around it.
fn after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(marker)?;
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let found = rest[..end].trim_matches(['"', '\'', ',', ';', '.']);
    Some(found).filter(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "arn:aws:ecs:eu-central-1:1:service/prod/web";

    #[test]
    fn the_parts_of_a_denial_are_read_from_what_aws_says() {
        let text = "AccessDeniedException: User: arn:aws:sts::1:assumed-role/f/s is not authorized to perform: ecs:UpdateService on resource: arn:aws:ecs:r:1:service/a/b because no identity-based policy allows the ecs:UpdateService action";
        assert_eq!(
            Denial::of("ecs:UpdateService", Some(SERVICE), text),
            Denial {
                service: "ecs".to_owned(),
                operation: "UpdateService".to_owned(),
                action: "ecs:UpdateService".to_owned(),
                resource: Some("arn:aws:ecs:r:1:service/a/b".to_owned()),
                principal: Some("arn:aws:sts::1:assumed-role/f/s".to_owned()),
                is_explicit: false,
                withheld_by: None,
            }
        );
    }

    #[test]
    fn a_bare_refusal_is_about_the_call_and_what_it_was_about() {
        let denial = Denial::of("ecs:UpdateService", Some(SERVICE), "Access Denied");
        assert_eq!(denial.action, "ecs:UpdateService");
        assert_eq!(denial.resource.as_deref(), Some(SERVICE));
        assert_eq!(denial.principal, None);
    }

    #[test]
    fn a_role_that_may_not_be_passed_is_named_and_its_statement_is_for_tasks_only() {
        let text = "User: arn:aws:sts::1:assumed-role/f/s is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/app-execution because no identity-based policy allows the iam:PassRole action";
        let denial = Denial::of("ecs:RegisterTaskDefinition", Some("arn:x"), text);
        assert_eq!(
            denial.statement(),
            r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::1:role/app-execution","Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}}"#
        );
    }

    #[test]
    fn another_action_is_not_given_the_calls_resource() {
        let text = "not authorized to perform: kms:Decrypt on the resource associated with this ciphertext";
        let denial = Denial::of("s3:GetObject", Some("arn:aws:s3:::b/k"), text);
        assert_eq!(denial.action, "kms:Decrypt");
        assert_eq!(denial.resource, None);
    }

    #[test]
    fn a_statement_for_an_action_without_resource_is_for_all() {
        let denial = Denial::of("ecs:DescribeTaskDefinition", Some("arn:x"), "");
        assert_eq!(
            denial.statement(),
            r#"{"Effect":"Allow","Action":"ecs:DescribeTaskDefinition","Resource":"*"}"#
        );
        let denial = Denial::of("s3:GetObject", Some("arn:aws:s3:::b/*"), "");
        assert_eq!(
            denial.statement(),
            r#"{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"arn:aws:s3:::b/*"}"#
        );
    }

    #[test]
    fn a_role_that_a_task_needs_is_passed_to_whoever_uses_it() {
        let text = "not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/r";
        let statement = |operation| Denial::of(operation, None, text).statement();
        let run = statement("ecs:RunTask");
        assert!(
            run.contains(
                r#""iam:PassedToService":["ecs-tasks.amazonaws.com","ecs.amazonaws.com"]"#
            ),
            "{run}"
        );
        let registered = statement("ecs:RegisterTaskDefinition");
        assert!(
            registered.contains(r#""iam:PassedToService":"ecs-tasks.amazonaws.com""#),
            "{registered}"
        );
    }

    #[test]
    fn a_tag_is_allowed_for_what_it_was_made_with() {
        let text =
            "not authorized to perform: ecs:TagResource on resource: arn:aws:ecs:r:1:task/prod/*";
        let denial = Denial::of("ecs:RunTask", Some("arn:x"), text);
        assert_eq!(
            denial.statement(),
            r#"{"Effect":"Allow","Action":"ecs:TagResource","Resource":"arn:aws:ecs:r:1:task/prod/*","Condition":{"StringEquals":{"ecs:CreateAction":"RunTask"}}}"#
        );
        assert_eq!(denial.switch(), Some("AllowPreDeployTasks"));
    }

    #[test]
    fn what_is_granted_only_where_asked_for_has_its_switch() {
        let switch = |operation, text| Denial::of(operation, None, text).switch();
        for (operation, parameter) in [
            ("ecs:RunTask", Some("AllowPreDeployTasks")),
            ("ecs:StopTask", Some("AllowPreDeployTasks")),
            ("events:PutTargets", Some("AllowScheduledTasks")),
            ("scheduler:ListSchedules", Some("AllowScheduledTasks")),
            ("ecs:ListServices", Some("AllowKeepRevisions")),
            ("ecs:UpdateService", None),
        ] {
            assert_eq!(switch(operation, ""), parameter, "{operation}");
        }
        // The roles of tasks and schedules are named, not switched on.
        let passed = "not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/r";
        for operation in ["ecs:RunTask", "events:PutTargets"] {
            assert_eq!(switch(operation, passed), None);
        }
    }

    #[test]
    fn somebody_who_forbids_it_is_seen() {
        let text = "User: a is not authorized to perform: ecs:UpdateService on resource: arn:b with an explicit deny in a service control policy";
        assert!(Denial::of("ecs:UpdateService", None, text).is_explicit);
    }

    #[test]
    fn a_policy_that_is_not_the_roles_own_is_named() {
        for kind in [
            "service control policy",
            "permissions boundary",
            "resource-based policy",
        ] {
            let text = format!(
                "User: a is not authorized to perform: ecs:UpdateService on resource: arn:b because no {kind} allows the ecs:UpdateService action"
            );
            let denial = Denial::of("ecs:UpdateService", None, &text);
            assert_eq!(denial.withheld_by.as_deref(), Some(kind));
        }
    }

    #[test]
    fn a_text_that_is_no_action_is_not_read_as_one() {
        for text in [
            "not authorized to perform: this",
            "not authorized to perform: a:b",
            "User: ",
        ] {
            assert_eq!(Denial::of("ecs:X", None, text).action, "ecs:X");
        }
    }
}
