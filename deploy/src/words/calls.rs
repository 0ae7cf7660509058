//! A call to AWS that failed: what AWS refused, and what to do.

use crate::call::{CallError, Class};
use crate::failure::{Failure, FailureKind};
use crate::message::Message;
use crate::permission::Denial;
use crate::spec::{DeploySpec, Target};
use crate::text;

/// Whose permissions a call needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// The function's own role.
    Function,
    /// The role that the parameters name, which the function assumes.
    Assumed,
    /// The pipeline's (or the action's) role, whose session the job brings.
    Pipeline,
}

impl Caller {
    /// Who calls ECS, ECR and Logs for a deployment.
    pub fn of(spec: &DeploySpec) -> Self {
        match spec.role {
            None => Self::Function,
            Some(_) => Self::Assumed,
        }
    }

    fn role(self) -> &'static str {
        match self {
            Self::Function => "the function's role",
            Self::Assumed => "the role of RoleArn",
            Self::Pipeline => "the pipeline's role",
        }
    }
}

/// A denied call: what is missing and who misses it, and what to do about it.
struct Denied {
    /// In sentences, each ended.
    what: String,
    remedy: Remedy,
    /// AWS's own text, as a sentence.
    quoted: String,
}

enum Remedy {
    /// Something else than a statement, in sentences.
    Other(String),
    /// To add this statement.
    Statement {
        /// What comes first, up to `add`.
        begin: String,
        /// Where to add it.
        role: String,
        statement: String,
    },
}

impl Denied {
    /// All of it in one line, for a text that it is a part of.
    fn in_one_line(&self) -> String {
        let Self { what, quoted, .. } = self;
        match &self.remedy {
            Remedy::Other(remedy) => format!("{what} {remedy} {quoted}"),
            Remedy::Statement {
                begin,
                role,
                statement,
            } => format!("{what} {begin} this statement to {role}: {statement} {quoted}"),
        }
    }

    /// The headline, the statement in a line of its own, AWS's text in the last.
    fn in_lines(&self, about: &str) -> Message {
        let Self { what, quoted, .. } = self;
        let (headline, below) = match &self.remedy {
            Remedy::Other(remedy) => (remedy.clone(), format!("\n{quoted}")),
            Remedy::Statement {
                begin,
                role,
                statement,
            } => (
                format!("{begin} the statement below to {role}."),
                format!("\n{statement}\n{quoted}"),
            ),
        };
        Message::from(format!("{about}: {what} {headline}")).with_details(&below)
    }
}

/// `the function's role (arn:…) is not allowed to`.
fn not_allowed(denial: &Denial, caller: Caller) -> String {
    let who = denial.principal.as_deref();
    let who = who.map_or_else(String::new, |principal| format!(" ({principal})"));
    format!("{}{who} is not allowed to", caller.role())
}

fn quoted(detail: &str) -> String {
    format!("AWS says: {}.", detail.trim_end_matches('.'))
}

/// What is missing, who misses it, and the statement to add.
fn of_denial(error: &CallError, caller: Caller) -> Denied {
    // Only the function itself assumes roles.
    let caller = if error.operation == "sts:AssumeRole" {
        Caller::Function
    } else {
        caller
    };
    let denial = Denial::of(error.operation, error.resource.as_deref(), &error.detail);
    let CallError {
        operation,
        subject,
        detail,
        ..
    } = error;
    let resource = denial.resource.as_deref();
    let named = resource.map_or("a role", text::last_part);
    let what = match denial.action.as_str() {
        "iam:PassRole" => format!(
            "pass the role {named} to {} (iam:PassRole), which {} names",
            if denial.service == "ecs" {
                "ECS"
            } else {
                "EventBridge"
            },
            if denial.service == "ecs" {
                "the task definition".to_owned()
            } else {
                format!("the {subject}")
            },
        ),
        "kms:Decrypt" => format!(
            "decrypt {subject} (kms:Decrypt{})",
            resource.map_or_else(String::new, |key| format!(" with {key}"))
        ),
        action if action == *operation => format!("perform {action} on {subject}"),
        action => format!("perform {action}, which {operation} on {subject} needs"),
    };
    let remedy = if denial.is_explicit {
        Remedy::Other("An explicit deny forbids it, in a policy of the role, its permissions boundary, the resource or the organization: no statement that allows it helps until that is lifted.".to_owned())
    } else if let Some(policy) = &denial.withheld_by {
        Remedy::Other(format!(
            "It is the {policy} that does not allow it: a statement in that role's own policies does not help, whoever manages the {policy} has to allow {}.",
            denial.action
        ))
    } else {
        of_statement(&denial, caller, denial.statement())
    };
    let also = if denial.action != *operation {
        ""
    } else if *operation == "s3:GetObject" {
        " S3 says the same of an object that does not exist, unless the role has s3:ListBucket on the bucket."
    } else if *operation == "sts:AssumeRole" {
        " The trust policy of the role must name the function's role, too, and the ExternalId if it asks for one."
    } else {
        ""
    };
    Denied {
        what: format!("{} {what}.{also}", not_allowed(&denial, caller)),
        remedy,
        quoted: quoted(detail),
    }
}

/// What to do to a stack of this project's, and what to do to any other role.
fn of_statement(denial: &Denial, caller: Caller, statement: String) -> Remedy {
    let role = denial.role_name();
    let stack = match caller {
        Caller::Function => Some("the function's stack is template.yaml"),
        Caller::Assumed => Some("the role's stack is deploy-role.yaml"),
        Caller::Pipeline => None,
    };
    let begin = match (stack, denial.granted_by()) {
        (Some(stack), Some(grant)) => format!("If {stack}, {}. Otherwise add", grant.remedy()),
        (Some(_) | None, _) => "Add".to_owned(),
    };
    Remedy::Statement {
        begin,
        role: role.map_or_else(
            || caller.role().to_owned(),
            |name| format!("the role {name}"),
        ),
        statement,
    }
}

/// What AWS refuses for another reason than a missing permission, though with the codes and statuses
/// of one: no statement would help. `None` for any other error.
fn of_refusal(error: &CallError, caller: Caller) -> Option<String> {
    let CallError {
        operation,
        subject,
        detail,
        ..
    } = error;
    let role = if *operation == "sts:AssumeRole" {
        Caller::Function.role()
    } else {
        caller.role()
    };
    let region = error.region.as_deref();
    let what = match error.class {
        Class::Unknown => {
            let region = region.map_or_else(
                || "the Region that was called".to_owned(),
                |region| format!("the Region {region}"),
            );
            format!(
                "{region} does not know the credentials of {role} ({operation}). Mostly the account has not enabled that Region: check its name, or enable it (in the account's settings, AWS Regions)"
            )
        }
        Class::Account => format!(
            "AWS refuses the account of {role} ({operation}{}): it is not subscribed to the service, has not enabled the Region, is not verified or not paid for. Sign in to the console with that account, which says what is missing",
            in_region(region)
        ),
        Class::Clock => format!(
            "the clock of the machine that the function runs on is wrong: AWS takes {operation} only if it was signed within minutes of its own time. Try again; on a machine of your own set the clock"
        ),
        Class::Unsigned => format!(
            "AWS does not accept the signature of {operation} on {subject}: the credentials of {role} are not a pair, the clock of the machine is wrong, or something on the way (a proxy) changes requests"
        ),
        Class::Missing
        | Class::Denied
        | Class::Expired
        | Class::Archived
        | Class::KeyUnusable
        | Class::Changed
        | Class::Empty
        | Class::Throttled
        | Class::Unavailable
        | Class::JobOver
        | Class::Refused
        | Class::Unsupported => return None,
    };
    let detail = detail.trim_end_matches('.');
    Some(format!(
        "{what}. No permission is missing. AWS says: {detail}."
    ))
}

/// The text of a failed call that does not end the deployment: what was denied with the statement
/// that would allow it.
pub fn call(error: &CallError, caller: Caller) -> String {
    if error.class == Class::Denied {
        of_denial(error, caller).in_one_line()
    } else {
        of_refusal(error, caller).unwrap_or_else(|| error.to_string())
    }
}

/// The text of calls of one kind that failed alike: what was denied with one statement that would allow all of
/// them. Empty if there are none.
pub fn calls(errors: &[CallError], caller: Caller) -> String {
    let Some(first) = errors.first() else {
        return String::new();
    };
    let denial =
        |error: &CallError| Denial::of(error.operation, error.resource.as_deref(), &error.detail);
    let one = denial(first);
    if errors.len() == 1 || first.class != Class::Denied || one.is_withheld() {
        return call(first, caller);
    }
    let resources = errors.iter().filter_map(|error| denial(error).resource);
    let resources = text::once(resources);
    let denied = Denied {
        what: format!("{} perform {}.", not_allowed(&one, caller), one.action),
        remedy: of_statement(&one, caller, one.statement_for(&resources)),
        quoted: quoted(&first.detail),
    };
    denied.in_one_line()
}

/// A call that a deployment cannot go on without has failed.
///
/// `changed` says whether anything had been changed by then: what could not be reached before that
/// is the system's fault and safe to try again.
pub fn of_call(about: &str, error: &CallError, caller: Caller, changed: bool) -> Failure {
    if error.class == Class::Denied {
        let denied = of_denial(error, caller).in_lines(about);
        return Failure::new(FailureKind::Permission, denied);
    }
    let (kind, sentence) = failed_call(error, caller, changed);
    Failure::new(kind, format!("{about}: {sentence}"))
}

/// The same without what it is about.
pub fn failed_call(error: &CallError, caller: Caller, changed: bool) -> (FailureKind, String) {
    let CallError {
        operation,
        subject,
        detail,
        ..
    } = error;
    if let Some(refusal) = of_refusal(error, caller) {
        return (FailureKind::Permission, refusal);
    }
    match error.class {
        Class::Archived => (
            FailureKind::Configuration,
            format!("{subject} is archived: restore it first. AWS says: {detail}"),
        ),
        Class::KeyUnusable => (
            FailureKind::Configuration,
            of_key(subject, detail),
        ),
        Class::Denied => (
            FailureKind::Permission,
            of_denial(error, caller).in_one_line(),
        ),
        Class::Expired => (
            FailureKind::Permission,
            format!(
                "the credentials for {operation} have expired. {} AWS says: {detail}",
                match caller {
                    Caller::Pipeline => "Retry the stage in CodePipeline.",
                    Caller::Function | Caller::Assumed => "Try again.",
                }
            ),
        ),
        Class::Throttled | Class::Unavailable => (
            if changed {
                FailureKind::Job
            } else {
                FailureKind::SystemUnavailable
            },
            format!(
                "{operation} still failed after all retries ({detail}). {}",
                if changed {
                    "Look at the service before you try again."
                } else {
                    "Nothing was changed by this invocation; try again."
                }
            ),
        ),
        Class::Missing => (
            FailureKind::Configuration,
            format!("{subject} does not exist. AWS says: {detail}"),
        ),
        Class::Changed
        | Class::Empty
        | Class::JobOver
        | Class::Refused
        | Class::Unsupported
        // Explained above.
        | Class::Unknown
        | Class::Account
        | Class::Clock
        | Class::Unsigned => (
            FailureKind::Configuration,
            format!("AWS does not accept {operation} on {subject}: {detail}"),
        ),
    }
}

/// The sentence about a KMS key that nobody can use.
pub fn of_key(subject: &str, detail: &str) -> String {
    format!(
        "the KMS key of {subject} cannot be used, as if it were disabled, pending deletion or gone: enable it or cancel its deletion; no permission is missing. AWS says: {detail}"
    )
}

/// The cluster or the service is not to be found.
pub fn of_missing_service(target: &Target, region: Option<&str>) -> Failure {
    Failure::new(
        FailureKind::Configuration,
        format!(
            "{target}: there is no service '{}' in the cluster '{}'{}: check ServiceName, ClusterName and Region.",
            target.service_name(),
            target.cluster_name(),
            in_region(region),
        ),
    )
}

/// `DescribeServices` failed.
pub fn of_describing(
    target: &Target,
    region: Option<&str>,
    error: &CallError,
    caller: Caller,
) -> Failure {
    if error.class == Class::Missing && error.operation == "ecs:DescribeServices" {
        return Failure::new(
            FailureKind::Configuration,
            format!(
                "{target}: there is no cluster '{}'{}: check ClusterName and Region.",
                target.cluster_name(),
                in_region(region),
            ),
        );
    }
    let error = error.clone().in_region(region);
    of_call(&target.to_string(), &error, caller, false)
}

fn in_region(region: Option<&str>) -> String {
    region.map_or_else(String::new, |region| format!(" in {region}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: Class) -> CallError {
        CallError {
            operation: "ecs:UpdateService",
            subject: "service web on prod".to_owned(),
            resource: None,
            class,
            detail: "AccessDeniedException: User: arn:aws:sts::1:assumed-role/f is not authorized to perform: ecs:UpdateService on resource: arn:aws:ecs:r:1:service/prod/web because no identity-based policy allows it"
                .to_owned(),
            region: Some("eu-central-1".into()),
            request_id: None,
        }
    }

    #[test]
    fn what_no_statement_would_mend_is_reported_without_one_and_a_region_by_its_name() {
        for (class, expected) in [
            (
                Class::Unknown,
                "web: the Region eu-central-1 does not know the credentials of the role of RoleArn (ecs:UpdateService). Mostly the account has not enabled that Region",
            ),
            (
                Class::Account,
                "web: AWS refuses the account of the role of RoleArn",
            ),
            (
                Class::Clock,
                "web: the clock of the machine that the function runs on is wrong",
            ),
            (
                Class::Unsigned,
                "web: AWS does not accept the signature of ecs:UpdateService",
            ),
        ] {
            let failure = of_call("web", &error(class), Caller::Assumed, false);
            assert_eq!(failure.kind, FailureKind::Permission);
            let message = failure.message;
            assert!(message.starts_with(expected), "{message}");
            assert!(message.contains("No permission is missing"), "{message}");
            assert!(!message.contains("Effect"), "{message}");
            assert!(
                message.contains(&call(&error(class), Caller::Assumed)),
                "{message}"
            );
        }
        let mut withheld = error(Class::Denied);
        withheld.detail =
            "not authorized to perform: ecs:UpdateService because no service control policy allows it".to_owned();
        let message = call(&withheld, Caller::Function);
        assert!(
            message.contains("It is the service control policy"),
            "{message}"
        );
        assert!(!message.contains("Effect"), "{message}");
    }

    #[test]
    fn a_denied_call_names_action_resource_role_and_principal() {
        let failure = of_call(
            "web on prod",
            &error(Class::Denied),
            Caller::Function,
            false,
        );
        assert_eq!(failure.kind, FailureKind::Permission);
        assert!(
            failure.message.starts_with(
                "web on prod: the function's role (arn:aws:sts::1:assumed-role/f) is not allowed to perform ecs:UpdateService on service web on prod. If the function's stack is template.yaml, check its parameters ClusterName, ServiceName and TaskDefinitionFamily. Otherwise add the statement below to the role f.\n{\"Effect\":\"Allow\",\"Action\":\"ecs:UpdateService\",\"Resource\":\"arn:aws:ecs:r:1:service/prod/web\"}\nAWS says: AccessDeniedException: "
            ),
            "{}",
            failure.message
        );
        assert_eq!(failure.message.lines().count(), 3);
        // What is appended to it belongs to its headline.
        let more = failure.message.then("No service was changed.");
        assert!(
            more.contains("to the role f. No service was changed.\n{"),
            "{more}"
        );
    }

    #[test]
    fn the_stack_that_may_grant_it_is_the_one_of_the_role_and_a_pipelines_has_none() {
        let denied = |caller| of_call("web", &error(Class::Denied), caller, false).message;
        let assumed = denied(Caller::Assumed);
        assert!(
            assumed.contains("If the role's stack is deploy-role.yaml, check"),
            "{assumed}"
        );
        let pipeline = denied(Caller::Pipeline);
        assert!(!pipeline.contains("stack"), "{pipeline}");
        assert!(
            pipeline.contains(" on service web on prod. Add the statement below to the role f.\n"),
            "{pipeline}"
        );
    }

    #[test]
    fn within_another_text_a_denial_is_one_line() {
        let text = call(&error(Class::Denied), Caller::Function);
        assert!(
            text.contains(r#"Otherwise add this statement to the role f: {"Effect":"#),
            "{text}"
        );
        assert!(text.contains("} AWS says: "), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    #[test]
    fn aws_unavailable_is_the_systems_fault_only_until_something_was_changed() {
        let kind =
            |changed| of_call("web", &error(Class::Unavailable), Caller::Function, changed).kind;
        assert_eq!(kind(false), FailureKind::SystemUnavailable);
        assert_eq!(kind(true), FailureKind::Job);
    }
}
