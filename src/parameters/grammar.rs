//! What names, ARNs and paths are made of. Each rule gives what the text means, or what is expected
//! instead.

use crate::deploy::partition::Partition;
use crate::deploy::region::Region;
use crate::deploy::revision::Revision;
use crate::deploy::spec::{
    BaseFrom, DeployedBy, EventBus, Existing, HookAction, IfDeploying, WaitFor,
};
use crate::deploy::token::DEPLOYMENT_PREFIX;

/// Any text.
#[expect(clippy::unnecessary_wraps, reason = "a rule like the others")]
pub(super) fn any(written: &str) -> Result<String, String> {
    Ok(written.to_owned())
}

/// A cluster's name or ARN.
pub(super) fn cluster(written: &str) -> Result<String, String> {
    named("a cluster", is_cluster, written)
}

/// A service's name or ARN.
pub(super) fn service(written: &str) -> Result<String, String> {
    named("a service", is_service, written)
}

/// A container's name.
pub(super) fn container(written: &str) -> Result<String, String> {
    named("a container", is_name, written)
}

/// A path inside the artifact, with `/` and without a leading `./`.
pub(super) fn path_in_artifact(written: &str) -> Result<String, String> {
    let path = written.replace('\\', "/");
    let path = path.trim_start_matches("./").trim_start_matches('/');
    if path.is_empty() || path.ends_with('/') {
        Err("a path to a file inside the artifact, as imagedefinitions.json".to_owned())
    } else {
        Ok(path.to_owned())
    }
}

/// `service` or `latest`.
pub(super) fn base_revision(written: &str) -> Result<BaseFrom, String> {
    match written {
        "service" => Ok(BaseFrom::Service),
        "latest" => Ok(BaseFrom::Latest),
        _ => Err("service or latest".to_owned()),
    }
}

/// `app:41`, a revision's ARN, or `previous`.
pub(super) fn task_definition(written: &str) -> Result<Existing, String> {
    let expected = "a revision, as app:41 or its ARN, or previous";
    let unresolved = || Err(format!("{expected}; a variable in it was not resolved"));
    if written.eq_ignore_ascii_case("previous") {
        return Ok(Existing::Previous);
    }
    let is_arn = ecs_resource(written, "task-definition/").is_some();
    match Revision::parse(written) {
        Ok(revision) if is_arn || revision.to_string() == written => Ok(Existing::Named {
            revision,
            name: written.to_owned(),
        }),
        _ if written.contains("#{") || written.contains('$') => unresolved(),
        _ => Err(expected.to_owned()),
    }
}

/// The id of a deployment, or its service deployment's ARN.
pub(super) fn deployment(written: &str) -> Result<DeployedBy, String> {
    let digits = written.strip_prefix(DEPLOYMENT_PREFIX);
    let is_id = digits.is_some_and(|digits| {
        !digits.is_empty()
            && digits.len() <= 30
            && digits.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if is_id {
        return Ok(DeployedBy::Id(written.to_owned()));
    }
    let path = ecs_resource(written, "service-deployment/");
    let parts: Vec<&str> = path.map_or_else(Vec::new, |path| path.split('/').collect());
    let is_arn = match parts.as_slice() {
        [cluster, service, id] => [cluster, service, id].iter().all(|part| is_name(part)),
        _ => false,
    };
    if is_arn {
        return Ok(DeployedBy::Arn(written.to_owned()));
    }
    let expected = "the output variable DeploymentId or ServiceDeploymentArn of the action that has left it waiting, as ecs-svc/1234567890123456789";
    Err(if written.contains("#{") {
        format!("{expected}; a variable in it was not resolved")
    } else {
        expected.to_owned()
    })
}

/// The id of a lifecycle hook.
pub(super) fn hook(written: &str) -> Result<String, String> {
    let is_id = (1..=255).contains(&written.len())
        && written
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_:/.".contains(&b));
    if is_id {
        Ok(written.to_owned())
    } else if written.contains("#{") {
        Err("the output variable HookId; a variable in it was not resolved".to_owned())
    } else {
        Err("the output variable HookId of the action that has left it waiting".to_owned())
    }
}

/// `CONTINUE` or `ROLLBACK`, as ECS has them.
pub(super) fn hook_action(written: &str) -> Result<HookAction, String> {
    match written {
        "CONTINUE" => Ok(HookAction::Continue),
        "ROLLBACK" => Ok(HookAction::RollBack),
        _ => Err("CONTINUE or ROLLBACK".to_owned()),
    }
}

/// `Replace`, `Wait` or `Fail`.
pub(super) fn if_deploying(written: &str) -> Result<IfDeploying, String> {
    match written {
        "Replace" => Ok(IfDeploying::Replace),
        "Wait" => Ok(IfDeploying::Wait),
        "Fail" => Ok(IfDeploying::Fail),
        _ => Err("Replace, Wait or Fail".to_owned()),
    }
}

/// `Complete`, `Serving` or `Pause`.
pub(super) fn wait_for(written: &str) -> Result<WaitFor, String> {
    match written {
        "Complete" => Ok(WaitFor::Complete),
        "Serving" => Ok(WaitFor::Serving),
        "Pause" => Ok(WaitFor::Pause),
        _ => Err("Complete, Serving or Pause".to_owned()),
    }
}

/// Any text but a variable that CodePipeline has not resolved.
pub(super) fn pipeline_execution_id(written: &str) -> Result<String, String> {
    if written.contains("#{") {
        Err(
            "#{codepipeline.PipelineExecutionId}, which CodePipeline resolves; it did not"
                .to_owned(),
        )
    } else {
        Ok(written.to_owned())
    }
}

/// A Region of a partition that exists.
pub(super) fn region(written: &str) -> Result<Region, String> {
    Region::parse(written).ok_or_else(|| "a Region's code, as eu-central-1".to_owned())
}

/// The ARN of an IAM role.
pub(super) fn role_arn(written: &str) -> Result<String, String> {
    if is_role_arn(written) {
        Ok(written.to_owned())
    } else {
        Err("a role's ARN, as arn:aws:iam::111122223333:role/deploy".to_owned())
    }
}

/// The name or ARN of an event bus
/// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html>).
pub(super) fn event_bus(written: &str) -> Result<EventBus, String> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let is_name = |name: &str| (1..=256).contains(&name.len()) && name.chars().all(is_of_name);
    let of_arn = || {
        let parts: Vec<&str> = written.splitn(6, ':').collect();
        let ["arn", partition, "events", region, account, resource] = parts.as_slice() else {
            return None;
        };
        let region = Region::parse(region).filter(|region| region.partition().id == *partition)?;
        let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
        let name = resource.strip_prefix("event-bus/")?;
        (is_account && is_name(name)).then_some(region)
    };
    let region = of_arn();
    if region.is_some() || is_name(written) {
        return Ok(EventBus {
            name: written.to_owned(),
            region,
        });
    }
    Err("the name of an event bus, or its ARN, as arn:aws:events:eu-central-1:111122223333:event-bus/deployments".to_owned())
}

/// The text itself if it `is_sound`, else what is expected.
fn named(what: &str, is_sound: fn(&str) -> bool, written: &str) -> Result<String, String> {
    if is_sound(written) {
        Ok(written.to_owned())
    } else if written.contains("#{") || written.contains('$') {
        Err(format!(
            "the name of {what}; a variable in it was not resolved"
        ))
    } else {
        Err(format!(
            "the name of {what} (letters, digits, - and _) or its ARN"
        ))
    }
}

/// 1 to 255 letters, digits, hyphens and underscores
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html>).
pub(super) fn is_name(written: &str) -> bool {
    (1..=255).contains(&written.len())
        && written
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_cluster(written: &str) -> bool {
    is_name(written) || ecs_resource(written, "cluster/").is_some_and(is_name)
}

/// A service's long ARN has its cluster's name in it, a short one, from before 2021, has not.
fn is_service(written: &str) -> bool {
    is_name(written)
        || ecs_resource(written, "service/").is_some_and(|path| match path.split_once('/') {
            Some((cluster, service)) => is_name(cluster) && is_name(service),
            None => is_name(path),
        })
}

/// What follows `kind` in `arn:PARTITION:ecs:REGION:ACCOUNT:KIND/…`.
fn ecs_resource<'a>(written: &'a str, kind: &str) -> Option<&'a str> {
    let parts: Vec<&str> = written.splitn(6, ':').collect();
    let ["arn", partition, "ecs", region, account, resource] = parts.as_slice() else {
        return None;
    };
    let is_of_partition = Region::parse(region)?.partition().id == *partition;
    let is_account = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
    let path = resource.strip_prefix(kind)?;
    (is_of_partition && is_account).then_some(path)
}

/// The cluster of a service's long ARN, `…:service/cluster/service`.
pub(super) fn cluster_in_service_arn(service: &str) -> Option<&str> {
    let (_, path) = service.strip_prefix("arn:")?.split_once(":service/")?;
    path.split_once('/').map(|(cluster, _)| cluster)
}

/// Parts of an ARN behind `arn:`: partition, service, Region, account, resource.
pub(super) const PARTITION_PART: usize = 0;
pub(super) const REGION_PART: usize = 2;
pub(super) const ACCOUNT_PART: usize = 3;

pub(super) fn part_of_arn(written: &str, part: usize) -> Option<&str> {
    written.strip_prefix("arn:")?.split(':').nth(part)
}

/// `arn:PARTITION:iam::ACCOUNT:role/…`
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
fn is_role_arn(written: &str) -> bool {
    let parts: Vec<&str> = written.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "iam", "", account, resource] => {
            Partition::named(partition).is_some()
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && resource
                    .strip_prefix("role/")
                    .is_some_and(|name| !name.is_empty() && name.chars().all(is_path_character))
        }
        _ => false,
    }
}

/// What IAM's names and paths are made of
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>).
fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@/-".contains(c)
}
