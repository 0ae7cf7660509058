//! What each resource of the template is called by Terraform's aws provider.
//!
//! Arguments: <https://registry.terraform.io/providers/hashicorp/aws/latest/docs>; properties:
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html>.

/// A type of resources.
pub(super) struct Kind {
    pub(super) cloudformation: &'static str,
    pub(super) terraform: &'static str,
    /// The attribute that is what `Ref` gives.
    pub(super) reference: &'static str,
    /// What `Fn::GetAtt` gives: its name, the attribute, and what follows that.
    pub(super) attributes: &'static [(&'static str, &'static str, &'static str)],
    pub(super) properties: &'static [(&'static str, To)],
    /// Arguments that have no property: CloudFormation makes up a name where the provider wants one.
    pub(super) added: &'static [(&'static str, &'static str)],
}

/// What becomes of a property.
pub(super) enum To {
    Argument(&'static str),
    /// A block with those arguments.
    Block(&'static str, &'static [(&'static str, &'static str)]),
    /// A list of `Name` and `Value`, which becomes a map.
    Map(&'static str),
    /// An object, which becomes its text.
    Json(&'static str),
    /// Where a function's code is.
    Code,
    /// A role's policies, which become a resource of their own.
    Policies,
}

use To::{Argument, Block, Code, Json, Map, Policies};

const KINDS: &[Kind] = &[
    Kind {
        cloudformation: "AWS::Lambda::Function",
        terraform: "aws_lambda_function",
        reference: "function_name",
        attributes: &[("Arn", "arn", "")],
        properties: &[
            ("FunctionName", Argument("function_name")),
            ("Description", Argument("description")),
            ("Code", Code),
            ("Handler", Argument("handler")),
            ("Runtime", Argument("runtime")),
            ("Architectures", Argument("architectures")),
            ("MemorySize", Argument("memory_size")),
            ("Timeout", Argument("timeout")),
            ("Role", Argument("role")),
            (
                "LoggingConfig",
                Block(
                    "logging_config",
                    &[("LogFormat", "log_format"), ("LogGroup", "log_group")],
                ),
            ),
            (
                "Environment",
                Block("environment", &[("Variables", "variables")]),
            ),
        ],
        added: &[],
    },
    Kind {
        cloudformation: "AWS::Lambda::EventInvokeConfig",
        terraform: "aws_lambda_function_event_invoke_config",
        reference: "id",
        attributes: &[],
        properties: &[
            ("FunctionName", Argument("function_name")),
            ("Qualifier", Argument("qualifier")),
            ("MaximumRetryAttempts", Argument("maximum_retry_attempts")),
            (
                "MaximumEventAgeInSeconds",
                Argument("maximum_event_age_in_seconds"),
            ),
        ],
        added: &[],
    },
    Kind {
        cloudformation: "AWS::Logs::LogGroup",
        terraform: "aws_cloudwatch_log_group",
        reference: "name",
        // CloudFormation's ends so, and the provider's does not.
        attributes: &[("Arn", "arn", ":*")],
        properties: &[
            ("LogGroupName", Argument("name")),
            ("RetentionInDays", Argument("retention_in_days")),
        ],
        added: &[],
    },
    Kind {
        cloudformation: "AWS::CloudWatch::Alarm",
        terraform: "aws_cloudwatch_metric_alarm",
        reference: "alarm_name",
        attributes: &[("Arn", "arn", "")],
        properties: &[
            ("AlarmDescription", Argument("alarm_description")),
            ("Namespace", Argument("namespace")),
            ("MetricName", Argument("metric_name")),
            ("Dimensions", Map("dimensions")),
            ("Statistic", Argument("statistic")),
            ("Period", Argument("period")),
            ("EvaluationPeriods", Argument("evaluation_periods")),
            ("Threshold", Argument("threshold")),
            ("ComparisonOperator", Argument("comparison_operator")),
            ("TreatMissingData", Argument("treat_missing_data")),
            ("AlarmActions", Argument("alarm_actions")),
        ],
        added: &[("alarm_name", "local.alarm_name")],
    },
    Kind {
        cloudformation: "AWS::Logs::QueryDefinition",
        terraform: "aws_cloudwatch_query_definition",
        reference: "query_definition_id",
        attributes: &[],
        properties: &[
            ("Name", Argument("name")),
            ("LogGroupNames", Argument("log_group_names")),
            ("QueryString", Argument("query_string")),
        ],
        added: &[],
    },
    Kind {
        cloudformation: "AWS::CloudWatch::Dashboard",
        terraform: "aws_cloudwatch_dashboard",
        reference: "dashboard_name",
        attributes: &[],
        properties: &[("DashboardBody", Argument("dashboard_body"))],
        added: &[("dashboard_name", "local.dashboard_name")],
    },
    Kind {
        cloudformation: "AWS::IAM::Role",
        terraform: "aws_iam_role",
        reference: "name",
        attributes: &[("Arn", "arn", "")],
        properties: &[
            ("Description", Argument("description")),
            ("PermissionsBoundary", Argument("permissions_boundary")),
            ("AssumeRolePolicyDocument", Json("assume_role_policy")),
            ("Policies", Policies),
        ],
        added: &[("name_prefix", "local.role_name_prefix")],
    },
];

/// The one that a template calls `name`.
pub(super) fn of(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.cloudformation == name)
}
