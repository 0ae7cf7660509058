//! What AWS's text on a denied call says, and the IAM statement that would allow it.

use serde_json::{Map, Value, json};

use super::text;

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

/// What grants an action in a stack of template.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// This parameter, where it is `true`.
    Switch(&'static str),
    /// This one, where it lists the ARN.
    Arns(&'static str),
    /// These, where they match what the call is for.
    Scope(&'static [&'static str]),
}

impl Grant {
    /// What to do to the stack, as half a sentence.
    pub fn remedy(self) -> String {
        match self {
            Self::Switch(parameter) => format!("set its parameter {parameter} to true"),
            Self::Arns(parameter) => format!("add the ARN to its parameter {parameter}"),
            Self::Scope([only]) => format!("check its parameter {only}"),
            Self::Scope(parameters) => {
                format!("check its parameters {}", text::listed(parameters))
            }
        }
    }
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

    /// The name of the role that was denied, if AWS's text has one: `…:assumed-role/NAME/SESSION`.
    pub fn role_name(&self) -> Option<&str> {
        let (_, rest) = self.principal.as_deref()?.split_once(":assumed-role/")?;
        let name = rest.split('/').next()?;
        // What IAM allows in the name of a role.
        let is_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        Some(name).filter(|name| !name.is_empty() && name.len() <= 64 && name.chars().all(is_name))
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

    /// The parameters of template.yaml that grant the action; examples/deploy-role.yaml has the same, as far as the
    /// role of another account is allowed the action.
    pub fn granted_by(&self) -> Option<Grant> {
        use Grant::{Arns, Scope, Switch};
        let (service, name) = self.action.split_once(':')?;
        Some(match (service, name) {
            ("iam", "PassRole") if self.service == "ecs" => Arns("TaskRoleArns"),
            ("iam", "PassRole") => Arns("ScheduleRoleArns"),
            ("sts", "AssumeRole") => Arns("DeployRoleArns"),
            ("ecs", "RunTask" | "StopTask") => Switch("AllowPreDeployTasks"),
            ("ecs", "TagResource") if self.operation == "RunTask" => Switch("AllowPreDeployTasks"),
            ("ecs", "ContinueServiceDeployment") => Switch("AllowApprovals"),
            ("ecs", "ListServices" | "ListClusters") => Switch("AllowKeepRevisions"),
            ("ecs", "RegisterTaskDefinition" | "TagResource") => Scope(&["TaskDefinitionFamily"]),
            ("ecs", "UpdateService") => {
                Scope(&["ClusterName", "ServiceName", "TaskDefinitionFamily"])
            }
            (
                "ecs",
                "DescribeServices"
                | "StopServiceDeployment"
                | "ListServiceDeployments"
                | "DescribeServiceDeployments"
                | "DescribeServiceRevisions",
            ) => Scope(&["ClusterName", "ServiceName"]),
            ("ecs", "ListTasks" | "DescribeTasks") => Scope(&["ClusterName"]),
            ("ecr", "BatchGetImage" | "GetDownloadUrlForLayer") => Scope(&["ImageRepository"]),
            ("logs", "GetLogEvents") => Scope(&["ContainerLogGroup"]),
            ("logs", "FilterLogEvents") => Scope(&["HookFunction"]),
            ("logs", "DescribeLogStreams") => {
                Scope(&["AllowVerifyDependencies", "ContainerLogGroup"])
            }
            ("iam", "GetRole") => Scope(&["AllowVerifyDependencies", "TaskRoleArns"]),
            ("secretsmanager" | "ssm" | "cloudwatch", _) => Switch("AllowVerifyDependencies"),
            ("events", "PutEvents") => Scope(&["EventBusArn"]),
            ("events" | "scheduler", _) => Switch("AllowScheduledTasks"),
            // Of a deployment by hand: a job brings credentials of its own.
            ("s3", _) => Scope(&["ManualArtifactBucket"]),
            ("kms", "Decrypt") if self.service == "s3" => Scope(&["ManualArtifactKeyArn"]),
            _ => return None,
        })
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
        let granted_by = Some(Grant::Switch("AllowPreDeployTasks"));
        assert_eq!(denial.granted_by(), granted_by);
    }

    #[test]
    fn each_action_that_a_parameter_grants_is_named_with_that_parameter_of_the_template() {
        let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
        let template = std::fs::read_to_string(template).unwrap();
        let has = |parameter: &str| template.contains(&format!("\n  {parameter}:\n    Type: "));
        assert!(!has("AllowEverything"));
        let granted_by = |operation, text| {
            let remedy = Denial::of(operation, None, text).granted_by()?.remedy();
            let words = remedy.split([' ', ',']);
            let mut named = words.filter(|word| word.starts_with(char::is_uppercase));
            assert!(named.all(|word| word == "ARN" || has(word)), "{remedy}");
            Some(remedy)
        };
        for (operation, remedy) in [
            (
                "ecs:RunTask",
                "set its parameter AllowPreDeployTasks to true",
            ),
            (
                "ecs:StopTask",
                "set its parameter AllowPreDeployTasks to true",
            ),
            (
                "ecs:ContinueServiceDeployment",
                "set its parameter AllowApprovals to true",
            ),
            (
                "events:PutTargets",
                "set its parameter AllowScheduledTasks to true",
            ),
            (
                "scheduler:ListSchedules",
                "set its parameter AllowScheduledTasks to true",
            ),
            (
                "ecs:ListServices",
                "set its parameter AllowKeepRevisions to true",
            ),
            (
                "secretsmanager:DescribeSecret",
                "set its parameter AllowVerifyDependencies to true",
            ),
            (
                "iam:GetRole",
                "check its parameters AllowVerifyDependencies and TaskRoleArns",
            ),
            (
                "logs:DescribeLogStreams",
                "check its parameters AllowVerifyDependencies and ContainerLogGroup",
            ),
            ("logs:GetLogEvents", "check its parameter ContainerLogGroup"),
            ("logs:FilterLogEvents", "check its parameter HookFunction"),
            ("ecr:BatchGetImage", "check its parameter ImageRepository"),
            (
                "ecs:UpdateService",
                "check its parameters ClusterName, ServiceName and TaskDefinitionFamily",
            ),
            (
                "ecs:DescribeServices",
                "check its parameters ClusterName and ServiceName",
            ),
            ("ecs:DescribeTasks", "check its parameter ClusterName"),
            (
                "ecs:RegisterTaskDefinition",
                "check its parameter TaskDefinitionFamily",
            ),
            ("events:PutEvents", "check its parameter EventBusArn"),
            (
                "sts:AssumeRole",
                "add the ARN to its parameter DeployRoleArns",
            ),
            ("s3:GetObject", "check its parameter ManualArtifactBucket"),
        ] {
            assert_eq!(
                granted_by(operation, "").as_deref(),
                Some(remedy),
                "{operation}"
            );
        }
        let passed = "not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/r";
        let decrypt = "not authorized to perform: kms:Decrypt on resource: arn:aws:kms:r:1:key/k";
        for (operation, text, remedy) in [
            (
                "ecs:RunTask",
                passed,
                "add the ARN to its parameter TaskRoleArns",
            ),
            (
                "events:PutTargets",
                passed,
                "add the ARN to its parameter ScheduleRoleArns",
            ),
            (
                "s3:GetObject",
                decrypt,
                "check its parameter ManualArtifactKeyArn",
            ),
        ] {
            assert_eq!(
                granted_by(operation, text).as_deref(),
                Some(remedy),
                "{operation}"
            );
        }
        // What is always granted.
        assert_eq!(granted_by("ecs:DescribeTaskDefinition", ""), None);
    }

    #[test]
    fn a_role_is_named_as_iam_names_it_and_nothing_else_is_taken_for_its_name() {
        let name = |principal: &str| {
            let text = format!("User: {principal} is not authorized to perform: ecs:X");
            let denial = Denial::of("ecs:X", None, &text);
            denial.role_name().map(str::to_owned)
        };
        assert_eq!(
            name("arn:aws:sts::1:assumed-role/deploy-r/s").as_deref(),
            Some("deploy-r")
        );
        assert_eq!(
            name("arn:aws-cn:sts::1:assumed-role/a.b@c/s/t").as_deref(),
            Some("a.b@c")
        );
        for other in [
            "arn:aws:iam::1:user/sam",
            "arn:aws:sts::1:assumed-role//s",
            "arn:aws:sts::1:assumed-role/$(id)/s",
        ] {
            assert_eq!(name(other), None, "{other}");
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
