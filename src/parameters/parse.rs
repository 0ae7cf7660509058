//! From what was written to what is meant: each parameter by its row, then what several of them
//! mean together.

use super::grammar::{
    ACCOUNT_PART, PARTITION_PART, REGION_PART, cluster_in_service_arn, part_of_arn,
};
use super::objects::{Entry, TIMEOUT_DEFAULT_MINUTES};
use super::problems::{Problem, Problems};
use super::reader::Reader;
use super::table::{Combined, NAMES, TypedParameters};
use super::written::Written;
use crate::deploy::region::Region;
use crate::deploy::spec::{
    AssumedRole, BaseFrom, ContinueDeployment, DeploySpec, DeployedBy, Existing, HookAction,
    TIMEOUT_MAX_MINUTES, Target, WaitFor,
};
use crate::deploy::text;

/// Makes what was written into what is meant.
///
/// # Errors
/// Every [`Problem`]: those of single values in the order of the table, then unknown names, then
/// what does not fit together, and what is missing.
pub fn parse(written: Written) -> Result<DeploySpec, Vec<Problem>> {
    let mut reader = Reader::new(written);
    let mut typed = TypedParameters::read(&mut reader);
    let mut problems = reader.finish(NAMES);
    nothing_is_deployed(&typed, &mut problems);
    let base = base(&mut typed, &mut problems);
    let role = role(&mut typed, &mut problems);
    time_limits_fit(&typed, &mut problems);
    task_after_fits(&typed, &mut problems);
    let targets = targets(&mut typed, &mut problems);
    for target in &targets {
        arns_agree(target, typed.region.as_ref(), role.as_ref(), &mut problems);
    }
    if let BaseFrom::Existing(Existing::Named { name, .. }) = &base {
        let region = typed.region.as_ref();
        arn_agrees("TaskDefinition", name, region, role.as_ref(), &mut problems);
    }
    partitions_agree(typed.region.as_ref(), role.as_ref(), &mut problems);
    if !problems.is_empty() || targets.is_empty() {
        return Err(problems.into_list());
    }
    if targets.len() > 1 && typed.continue_deployment.is_some() {
        problems.report(
            "ContinueDeployment is for one deployment: name its service with ServiceName"
                .to_owned(),
        );
        return Err(problems.into_list());
    }
    if let (Some(asked), [target]) = (&typed.continue_deployment, targets.as_slice()) {
        of_the_service(asked, target, &mut problems);
        if let DeployedBy::Arn(arn) = &asked.deployment {
            let place = "ContinueDeployment.DeploymentId";
            arn_agrees(
                place,
                arn,
                typed.region.as_ref(),
                role.as_ref(),
                &mut problems,
            );
        }
        if !problems.is_empty() {
            return Err(problems.into_list());
        }
    }
    let file_is_named = typed.file_name.is_some();
    Ok(typed.into_spec(Combined {
        targets,
        file_is_named,
        base,
        role,
    }))
}

/// What the new revision is made from: `BaseRevision` or `TaskDefinitionFile`; or `TaskDefinition`, and nothing is made.
fn base(typed: &mut TypedParameters, problems: &mut Problems) -> BaseFrom {
    if let Some(existing) = typed.task_definition.take() {
        nothing_is_made(typed, problems);
        return BaseFrom::Existing(existing);
    }
    match (
        typed.base_revision.take(),
        typed.task_definition_file.take(),
    ) {
        (Some(_), Some(_)) => {
            problems.report("BaseRevision and TaskDefinitionFile both say what the new revision is made from: keep one".to_owned());
            BaseFrom::Service
        }
        (_, Some(file)) => BaseFrom::File(file),
        (base, None) => base.unwrap_or(BaseFrom::Service),
    }
}

/// What deploys does not go with the deployment of an earlier action.
fn nothing_is_deployed(typed: &TypedParameters, problems: &mut Problems) {
    if typed.continue_deployment.is_none() {
        return;
    }
    let asked = typed.continue_deployment.as_ref();
    let rolls_back = asked.is_some_and(|asked| asked.action == HookAction::RollBack);
    let waits_for = typed.wait_for.unwrap_or_default();
    if rolls_back && waits_for != WaitFor::Complete {
        problems.report("WaitFor is for a deployment that goes on, and ContinueDeployment's Action is ROLLBACK: remove WaitFor".to_owned());
    }
    let written = [
        ("FileName", typed.file_name.is_some()),
        ("IfDeploying", typed.if_deploying.is_some()),
        ("SkipIfUnchanged", typed.skip_if_unchanged == Some(true)),
        ("DryRun", typed.dry_run == Some(true)),
        ("BaseRevision", typed.base_revision.is_some()),
        ("ContainerName", typed.container.is_some()),
        ("TaskDefinition", typed.task_definition.is_some()),
        ("TaskDefinitionFile", typed.task_definition_file.is_some()),
        ("TaskDefinitionPatch", typed.task_definition_patch.is_some()),
        ("PinDigests", typed.pin_digests == Some(true)),
        ("PreDeployTask", typed.pre_deploy.is_some()),
    ];
    let written = names_of(written);
    if !written.is_empty() {
        problems.report(format!(
            "ContinueDeployment continues what an earlier action has deployed, and {} {} for one that deploys: remove one or the other",
            text::listed(&written),
            if written.len() == 1 { "is" } else { "are" }
        ));
    }
}

/// Those that are written.
fn names_of<const N: usize>(parameters: [(&'static str, bool); N]) -> Vec<&'static str> {
    let written = parameters.into_iter();
    written
        .filter_map(|(name, is_written)| is_written.then_some(name))
        .collect()
}

/// What is for a revision that is made does not go with one that there is.
fn nothing_is_made(typed: &TypedParameters, problems: &mut Problems) {
    let written = [
        ("FileName", typed.file_name.is_some()),
        ("BaseRevision", typed.base_revision.is_some()),
        ("ContainerName", typed.container.is_some()),
        ("TaskDefinitionFile", typed.task_definition_file.is_some()),
        ("TaskDefinitionPatch", typed.task_definition_patch.is_some()),
        ("PinDigests", typed.pin_digests == Some(true)),
    ];
    let written = names_of(written);
    if !written.is_empty() {
        problems.report(format!(
            "TaskDefinition deploys a revision as it is, and {} {} for one that is made: remove one or the other",
            text::listed(&written),
            if written.len() == 1 { "is" } else { "are" }
        ));
    }
}

/// A service deployment's ARN names its cluster and its service.
fn of_the_service(asked: &ContinueDeployment, target: &Target, problems: &mut Problems) {
    let DeployedBy::Arn(arn) = &asked.deployment else {
        return;
    };
    let path: Vec<&str> = arn.split('/').collect();
    let names = path.get(1..3);
    if names != Some(&[target.cluster_name(), target.service_name()][..]) {
        problems.report(format!(
            "ContinueDeployment.DeploymentId is a deployment of another service than {target}: make them agree"
        ));
    }
}

/// The role to assume: `RoleArn`, with `ExternalId`.
fn role(typed: &mut TypedParameters, problems: &mut Problems) -> Option<AssumedRole> {
    match (typed.role_arn.take(), typed.external_id.take()) {
        (None, Some(_)) => {
            problems.report(
                "ExternalId is for a role to assume: set RoleArn, too, or remove it".to_owned(),
            );
            None
        }
        (arn, external_id) => arn.map(|arn| AssumedRole { arn, external_id }),
    }
}

/// A task that comes after the deployment comes after a complete one.
fn task_after_fits(typed: &TypedParameters, problems: &mut Problems) {
    if typed.post_deploy.is_none() {
        return;
    }
    if typed.wait_for == Some(WaitFor::Pause) {
        problems.report("PostDeployTask runs once all services serve, and WaitFor is Pause, which ends the action before that: give it to the action that continues the deployment".to_owned());
    }
    let asked = typed.continue_deployment.as_ref();
    if asked.is_some_and(|asked| asked.action == HookAction::RollBack) {
        problems.report("PostDeployTask is for a deployment that goes on, and ContinueDeployment's Action is ROLLBACK: remove PostDeployTask".to_owned());
    }
}

/// The time limits must end before CodePipeline's.
fn time_limits_fit(typed: &TypedParameters, problems: &mut Problems) {
    let timeout = typed.timeout_minutes.unwrap_or(TIMEOUT_DEFAULT_MINUTES);
    let tasks = [
        ("PreDeployTask", typed.pre_deploy.as_ref()),
        ("PostDeployTask", typed.post_deploy.as_ref()),
    ];
    let tasks = tasks.into_iter().filter_map(|(name, task)| {
        let minutes = task?.timeout.as_secs() / 60;
        Some((minutes, format!("{name}'s Timeout of {minutes}")))
    });
    let (minutes, mut named): (Vec<u64>, Vec<String>) = tasks.unzip();
    if timeout + minutes.iter().sum::<u64>() > TIMEOUT_MAX_MINUTES {
        named.push(format!("DeploymentTimeout of {timeout} minutes"));
        problems.report(format!(
            "{} are more than {TIMEOUT_MAX_MINUTES} together, and CodePipeline gives an action 24 hours: shorten one",
            text::listed(&named)
        ));
    }
}

/// What to deploy to: `ServiceName` or `Services`, each on a cluster.
fn targets(typed: &mut TypedParameters, problems: &mut Problems) -> Vec<Target> {
    let cluster = typed.cluster.take();
    let entries = match (typed.service.take(), typed.services.take()) {
        (Some(_), Some(_)) => {
            problems.report("ServiceName and Services both say what to deploy to: keep one, or put the first into the second".to_owned());
            return Vec::new();
        }
        (Some(service), None) => vec![Entry {
            service,
            cluster: None,
        }],
        (None, Some(entries)) => entries,
        (None, None) => {
            problems.require("ClusterName", cluster.is_some());
            if !problems.is_refused("Services") {
                problems.require("ServiceName", false);
            }
            return Vec::new();
        }
    };
    if entries.iter().any(|entry| entry.cluster.is_none()) {
        problems.require("ClusterName", cluster.is_some());
    } else if cluster.is_some() && !entries.is_empty() {
        problems.report(
            "ClusterName is for services without one of their own, and each of Services has one: remove it"
                .to_owned(),
        );
    }
    let mut targets: Vec<Target> = Vec::new();
    for entry in entries {
        let Some(cluster) = entry.cluster.or_else(|| cluster.clone()) else {
            continue;
        };
        let target = Target {
            cluster,
            service: entry.service,
        };
        let is_same = |known: &Target| known.to_string() == target.to_string();
        if targets.iter().any(is_same) {
            problems.report(format!("Services has {target} twice: keep one"));
        } else {
            targets.push(target);
        }
    }
    targets
}

/// What an ARN of the target says must agree with the other parameters.
fn arns_agree(
    target: &Target,
    region: Option<&Region>,
    role: Option<&AssumedRole>,
    problems: &mut Problems,
) {
    let Target { cluster, service } = target;
    if let Some(of_service) = cluster_in_service_arn(service)
        && of_service != text::last_part(cluster)
    {
        problems.report(format!(
            "ServiceName is an ARN of the cluster '{of_service}', but ClusterName is '{cluster}': make them agree"
        ));
    }
    for (parameter, written) in [("ClusterName", cluster), ("ServiceName", service)] {
        arn_agrees(parameter, written, region, role, problems);
    }
}

/// What an ARN says must agree with the other parameters.
fn arn_agrees(
    parameter: &str,
    written: &str,
    region: Option<&Region>,
    role: Option<&AssumedRole>,
    problems: &mut Problems,
) {
    if let (Some(region), Some(of_arn)) = (region, part_of_arn(written, REGION_PART))
        && of_arn != &**region
    {
        problems.report(format!(
            "{parameter} is an ARN of the Region '{of_arn}', but Region is '{region}': make them agree"
        ));
    }
    if let Some(role) = role
        && let (Some(of_arn), Some(of_role)) = (
            part_of_arn(written, ACCOUNT_PART),
            part_of_arn(&role.arn, ACCOUNT_PART),
        )
        && of_arn != of_role
    {
        problems.report(format!(
            "{parameter} is an ARN of the account {of_arn}, but RoleArn is one of {of_role}: make them agree"
        ));
    }
}

/// The role must be of the Region's partition.
fn partitions_agree(region: Option<&Region>, role: Option<&AssumedRole>, problems: &mut Problems) {
    if let (Some(region), Some(role)) = (region, role)
        && let Some(of_role) = part_of_arn(&role.arn, PARTITION_PART)
        && of_role != region.partition().id
    {
        problems.report(format!(
            "RoleArn is an ARN of the partition '{of_role}', and the Region '{region}' is of '{}': no role works across partitions",
            region.partition().id
        ));
    }
}

#[cfg(test)]
mod tests {
    use crate::deploy::spec::FailureThreshold;
    use serde_json::{Value, json};

    use super::*;
    use std::time::Duration;

    use crate::deploy::spec::StandaloneTask;
    use crate::parameters::written_in;

    fn problems(json: &str) -> Vec<String> {
        let written = written_in("UserParameters", json).unwrap();
        let problems = parse(written).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    }

    fn problem_with(name: &str, value: &Value) -> String {
        let mut object = json!({"ClusterName": "prod", "ServiceName": "web"});
        object[name] = value.clone();
        let reported = problems(&object.to_string());
        assert_eq!(reported.len(), 1, "{reported:?}");
        reported[0].clone()
    }

    fn spec(json: &str) -> DeploySpec {
        parse(written_in("UserParameters", json).unwrap()).unwrap()
    }

    #[test]
    fn two_names_suffice_and_the_rest_has_defaults() {
        assert_eq!(
            spec(r#"{"ClusterName": "prod", "ServiceName": "web"}"#),
            DeploySpec::of(vec![Target {
                cluster: "prod".to_owned(),
                service: "web".to_owned()
            }])
        );
    }

    #[test]
    fn every_supported_parameter_is_read() {
        let spec = spec(
            r#"{"ClusterName": "arn:aws:ecs:eu-west-1:111122223333:cluster/prod",
                "ServiceName": "arn:aws:ecs:eu-west-1:111122223333:service/prod/web",
                "FileName": "./out\\images.json", "InputArtifact": "Build", "DeploymentTimeout": "5",
                "BaseRevision": "latest", "DryRun": "True", "ContainerName": "web",
                "PipelineExecutionId": "e-1", "Region": "eu-west-1"}"#,
        );
        assert_eq!(spec.targets[0].to_string(), "web on prod");
        assert_eq!(spec.file_name, "out/images.json");
        assert_eq!(spec.input_artifact.as_deref(), Some("Build"));
        assert_eq!(spec.timeout, Duration::from_mins(5));
        assert_eq!(spec.base, BaseFrom::Latest);
        assert!(spec.dry_run);
        assert_eq!(spec.container.as_deref(), Some("web"));
        assert_eq!(spec.pipeline_execution_id.as_deref(), Some("e-1"));
        assert_eq!(spec.region.as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn numbers_and_booleans_may_be_written_as_themselves() {
        let spec =
            spec(r#"{"ClusterName":"c","ServiceName":"s","DeploymentTimeout":1380,"DryRun":true}"#);
        assert_eq!(spec.timeout, Duration::from_hours(23));
        assert!(spec.dry_run);
    }

    #[test]
    fn all_problems_are_reported_together() {
        assert_eq!(
            problems(
                r#"{"Clustername": "prod", "DeploymentTimeout": 0, "DryRun": "ja", "PinDigests": true, "Recursive": 1}"#
            ),
            [
                "DeploymentTimeout is 0: expected a whole number of minutes from 1 to 1380",
                "DryRun is \"ja\": expected true or false",
                "Clustername is not a parameter: did you mean ClusterName?",
                "Recursive is not a parameter; the parameters are ClusterName, ServiceName, Services, FileName, InputArtifact, DeploymentTimeout, FailureThreshold, IfDeploying, SkipIfUnchanged, WaitFor, ContinueDeployment, Rollback, DryRun, BaseRevision, VerifyImages, VerifyDependencies, ContainerName, PipelineExecutionId, Region, RoleArn, ExternalId, TaskDefinition, TaskDefinitionFile, TaskDefinitionPatch, PinDigests, PreDeployTask, PostDeployTask, KeepRevisions, ScheduledTasks, EventBus, LogLines and ConfigFile",
                "ClusterName is required and not set",
                "ServiceName is required and not set",
            ]
        );
    }

    #[test]
    fn several_services_are_read_each_with_its_cluster() {
        let spec = spec(
            r#"{"ClusterName": "prod", "Services": ["web", {"ServiceName": "worker", "ClusterName": "jobs"},
                {"ServiceName": "mail"}]}"#,
        );
        assert_eq!(spec.about(), "web on prod, worker on jobs and mail on prod");
        let as_text = r#"{"ClusterName": "prod", "Services": "[\"web\", \"worker\"]"}"#;
        let written = written_in("UserParameters", as_text).unwrap();
        assert_eq!(parse(written).unwrap().targets.len(), 2);
        let of_their_own = r#"{"Services": [{"ServiceName": "web", "ClusterName": "a"}, {"ServiceName": "web", "ClusterName": "b"}]}"#;
        let written = written_in("UserParameters", of_their_own).unwrap();
        assert_eq!(parse(written).unwrap().about(), "web on a and web on b");
    }

    #[test]
    fn mistakes_in_services_are_reported_with_their_place() {
        for (services, reported) in [
            ("[]", "expected an array of 1 to 10 services"),
            (r#"{"a": 1}"#, "expected an array of 1 to 10 services"),
            (r#""web""#, "expected an array of 1 to 10 services"),
            (
                r#"["web", 7]"#,
                "Services[1] is 7: expected a name in double quotes",
            ),
            (r#"["web", {}]"#, "Services[1] has no ServiceName"),
            (
                r#"[{"ServiceName": "web", "Clustername": "a"}]"#,
                "Services[0] has no member Clustername: did you mean ClusterName?",
            ),
            (
                r#"["web", "web"]"#,
                "Services has web on prod twice: keep one",
            ),
            (
                r#"["we b"]"#,
                "Services[0] is \"we b\": expected the name of a service",
            ),
        ] {
            let found = problems(&format!(
                r#"{{"ClusterName": "prod", "Services": {services}}}"#
            ));
            assert_eq!(found.len(), 1, "{services}: {found:?}");
            assert!(found[0].contains(reported), "{services}: {found:?}");
        }
        let eleven: Vec<String> = (0..11).map(|n| format!("\"s{n}\"")).collect();
        let found = problems(&format!(
            r#"{{"ClusterName": "prod", "Services": [{}]}}"#,
            eleven.join(",")
        ));
        assert!(found[0].contains("1 to 10"), "{found:?}");
        assert_eq!(
            problems(r#"{"ClusterName": "prod", "ServiceName": "a", "Services": ["b"]}"#),
            [
                "ServiceName and Services both say what to deploy to: keep one, or put the first into the second"
            ]
        );
        assert_eq!(
            problems(r#"{"Services": ["b"]}"#),
            ["ClusterName is required and not set"]
        );
        assert!(
            problems(
                r#"{"ClusterName": "x", "Services": [{"ServiceName": "b", "ClusterName": "c"}]}"#
            )[0]
            .contains("each of Services has one: remove it")
        );
    }

    #[test]
    fn a_task_before_the_deployment_is_read_and_its_mistakes_are_reported() {
        let with = |task: &str| {
            let json =
                format!(r#"{{"ClusterName": "c", "ServiceName": "s", "PreDeployTask": {task}}}"#);
            parse(written_in("UserParameters", &json).unwrap())
        };
        let task = with(r#"{"Container": "app", "Command": ["migrate", "up"], "Timeout": "15"}"#);
        assert_eq!(
            task.unwrap().pre_deploy.unwrap(),
            StandaloneTask {
                container: "app".to_owned(),
                command: vec!["migrate".to_owned(), "up".to_owned()],
                timeout: Duration::from_mins(15),
                environment: Vec::new(),
                cpu: None,
                memory: None,
            }
        );
        let more = with(
            r#"{"Container": "app", "Command": ["m"], "Cpu": 512, "Memory": "1 GB",
                "Environment": {"STAGE": "test", "EMPTY": ""}}"#,
        );
        let more = more.unwrap().pre_deploy.unwrap();
        assert_eq!(
            (more.cpu.as_deref(), more.memory.as_deref()),
            (Some("512"), Some("1024"))
        );
        let variables = [("STAGE", "test"), ("EMPTY", "")];
        assert_eq!(
            more.environment,
            variables.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        let as_text = r#""{\"Container\": \"app\", \"Command\": [\"m\"]}""#;
        assert_eq!(
            with(as_text).unwrap().pre_deploy.unwrap().timeout,
            Duration::from_hours(1)
        );
        for (task, reported) in [
            ("7", "PreDeployTask is 7: expected an object, as"),
            (
                r#"["hunter2"]"#,
                "PreDeployTask is no object: expected an object, as",
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "Cpu": "much"}"#,
                r#"PreDeployTask.Cpu is "much": expected a size as ECS has it, as "512" or "1 vCPU""#,
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "Memory": 0}"#,
                "PreDeployTask.Memory is 0: expected a size",
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "Environment": ["hunter2"]}"#,
                "PreDeployTask.Environment is no object",
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "Environment": {"A": 1}}"#,
                "PreDeployTask.Environment.A: expected a text in double quotes",
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "Environment": {"A=B": "hunter2"}}"#,
                "PreDeployTask.Environment.A=B: expected a name without '='",
            ),
            (
                r#""{\"Environment\": {\"A\": \"hunter2\"}""#,
                "PreDeployTask contains invalid JSON at line 1",
            ),
            (
                r#"{"Container": "app", "Command": "migrate"}"#,
                "PreDeployTask.Command is \"migrate\": expected an array of texts",
            ),
            (
                r#"{"Container": "app", "Command": [1]}"#,
                "PreDeployTask.Command is [1]: expected an array of texts",
            ),
            (
                r#"{"Command": ["m"]}"#,
                "PreDeployTask.Container is null: expected the name of the container",
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "Timeout": 0}"#,
                "PreDeployTask.Timeout is 0: expected a whole number of minutes",
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "timeout": 5}"#,
                "PreDeployTask has no member timeout: did you mean Timeout?",
            ),
            (
                r#"{"Container": "a", "Command": ["m"], "Timeout": 1360}"#,
                "are more than 1380 together",
            ),
        ] {
            let found = with(task).unwrap_err();
            assert_eq!(found.len(), 1, "{task}: {found:?}");
            assert!(found[0].to_string().contains(reported), "{task}: {found:?}");
            assert!(!found[0].to_string().contains("hunter2"), "{found:?}");
        }
    }

    #[test]
    fn the_role_of_another_account_is_read_and_its_mistakes_are_reported() {
        let spec = spec(
            r#"{"ClusterName": "c", "ServiceName": "s", "ExternalId": "x1",
                "RoleArn": "arn:aws-us-gov:iam::111122223333:role/path/deploy"}"#,
        );
        assert_eq!(
            spec.role,
            Some(AssumedRole {
                arn: "arn:aws-us-gov:iam::111122223333:role/path/deploy".to_owned(),
                external_id: Some("x1".to_owned()),
            })
        );
        for wrong in [
            "deploy",
            "arn:aws:iam::1:role/x",
            "arn:aws:iam::111122223333:user/x",
            "arn:aws:sts::111122223333:assumed-role/x/y",
        ] {
            let reported = problem_with("RoleArn", &json!(wrong));
            assert!(reported.contains("expected a role's ARN"), "{reported}");
        }
        assert_eq!(
            problem_with("ExternalId", &json!("x")),
            "ExternalId is for a role to assume: set RoleArn, too, or remove it"
        );
        let other = problems(
            r#"{"ClusterName": "arn:aws:ecs:eu-west-1:444455556666:cluster/c", "ServiceName": "s",
                "RoleArn": "arn:aws:iam::111122223333:role/deploy"}"#,
        );
        assert_eq!(
            other,
            [
                "ClusterName is an ARN of the account 444455556666, but RoleArn is one of 111122223333: make them agree"
            ]
        );
    }

    #[test]
    fn an_event_bus_is_a_name_or_an_arn_whose_region_is_one() {
        let bus = |written: &str| {
            let event = json!({"ClusterName": "c", "ServiceName": "s", "EventBus": written});
            spec(&event.to_string()).event_bus.unwrap()
        };
        let named = bus("team/deployments");
        assert_eq!(
            (named.name.as_str(), named.region),
            ("team/deployments", None)
        );
        let arn = "arn:aws-cn:events:cn-north-1:111122223333:event-bus/deployments";
        let by_arn = bus(arn);
        assert_eq!(by_arn.name, arn);
        assert_eq!(by_arn.region.unwrap().to_string(), "cn-north-1");
        for wrong in [
            "my bus",
            "arn:aws:events:cn-north-1:111122223333:event-bus/deployments",
            "arn:aws:events:eu-central-1.example.com:111122223333:event-bus/deployments",
            "arn:aws:events:eu-central-1:1:event-bus/deployments",
            "arn:aws:events:eu-central-1:111122223333:rule/deployments",
            "arn:aws:sns:eu-central-1:111122223333:deployments",
        ] {
            let reported = problem_with("EventBus", &json!(wrong));
            assert!(
                reported.contains("the name of an event bus, or its ARN"),
                "{wrong}: {reported}"
            );
        }
    }

    #[test]
    fn one_thing_says_what_the_new_revision_is_made_from() {
        let spec = spec(
            r#"{"ClusterName": "c", "ServiceName": "s", "TaskDefinitionFile": "./deploy/taskdef.json"}"#,
        );
        assert_eq!(spec.base, BaseFrom::File("deploy/taskdef.json".to_owned()));
        let both = problems(
            r#"{"ClusterName": "c", "ServiceName": "s", "TaskDefinitionFile": "t.json", "BaseRevision": "service"}"#,
        );
        assert!(both[0].contains("keep one"), "{both:?}");
    }

    #[test]
    fn fewer_than_two_revisions_are_never_kept() {
        for wrong in [json!(1), json!(0), json!("x"), json!(-3)] {
            let reported = problem_with("KeepRevisions", &wrong);
            assert!(
                reported.ends_with("expected a whole number from 2 to 1000000"),
                "{reported}"
            );
        }
    }

    #[test]
    fn a_failure_threshold_is_a_number_of_tasks_the_word_auto_or_0() {
        let with = |written: &str| {
            format!(r#"{{"ClusterName": "c", "ServiceName": "s", "FailureThreshold": {written}}}"#)
        };
        for (written, threshold) in [
            ("1", FailureThreshold::Tasks(1)),
            (r#""200""#, FailureThreshold::Tasks(200)),
            ("0", FailureThreshold::Never),
            (r#""Auto""#, FailureThreshold::Auto),
        ] {
            assert_eq!(
                spec(&with(written)).failure_threshold,
                threshold,
                "{written}"
            );
        }
        for wrong in [
            json!(201),
            json!(-1),
            json!(1.5),
            json!("some"),
            json!(true),
        ] {
            let reported = problem_with("FailureThreshold", &wrong);
            assert!(
                reported.ends_with("expected auto, a whole number of tasks from 1 to 200, or 0 to leave it to ECS and the time limit"),
                "{reported}"
            );
        }
    }

    #[test]
    fn log_lines_are_none_to_twenty() {
        for (written, lines) in [("0", 0), ("\"7\"", 7), ("20", 20), ("null", 20)] {
            let json =
                format!(r#"{{"ClusterName": "c", "ServiceName": "s", "LogLines": {written}}}"#);
            assert_eq!(spec(&json).log_lines, lines, "{written}");
        }
        for wrong in [json!(21), json!(-1), json!("all"), json!(false), json!(2.5)] {
            let reported = problem_with("LogLines", &wrong);
            assert!(
                reported.ends_with("expected a whole number of lines from 0 to 20"),
                "{reported}"
            );
        }
    }

    #[test]
    fn a_parameter_written_twice_is_reported() {
        assert_eq!(
            problems(r#"{"ClusterName":"a","ClusterName":"b","ServiceName":"s"}"#),
            ["ClusterName is written 2 times: keep one"]
        );
    }

    #[test]
    fn values_out_of_range_or_kind_are_reported_with_what_is_expected() {
        for value in [json!(1381), json!("1.5"), json!(-1), json!(true), json!("")] {
            assert!(
                problem_with("DeploymentTimeout", &value).ends_with("from 1 to 1380"),
                "{value}"
            );
        }
        assert!(
            problem_with("BaseRevision", &json!("newest")).ends_with("expected service or latest")
        );
        assert!(problem_with("FileName", &json!("out/")).contains("a path to a file"));
        assert!(problem_with("FileName", &json!(["x"])).ends_with("a text in double quotes"));
        assert!(problem_with("Region", &json!("Frankfurt")).contains("as eu-central-1"));
        assert!(problem_with("ContainerName", &json!("a b")).contains("letters, digits"));
        assert!(problem_with("ClusterName", &json!("#{V.Cluster}")).contains("was not resolved"));
        assert!(problem_with("ServiceName", &json!("")).contains("leave it out"));
        assert!(
            problem_with("PipelineExecutionId", &json!("#{codepipeline.X}")).contains("it did not")
        );
        assert!(problem_with("DryRun", &json!(1)).ends_with("true or false"));
    }

    #[test]
    fn arns_that_disagree_with_other_parameters_are_reported() {
        let service = json!("arn:aws:ecs:eu-west-1:111122223333:service/staging/web");
        assert!(
            problem_with("ServiceName", &service)
                .contains("of the cluster 'staging', but ClusterName is 'prod'")
        );
        let reported = problems(
            r#"{"ClusterName":"arn:aws:ecs:eu-west-1:1:cluster/prod","ServiceName":"web","Region":"us-east-1"}"#,
        );
        assert!(reported[0].contains("of the Region 'eu-west-1', but Region is 'us-east-1'"));
    }

    #[test]
    fn an_unknown_name_that_resembles_nothing_is_reported_with_all_names() {
        assert!(
            problem_with("Zebra", &json!(1))
                .contains("the parameters are ClusterName, ServiceName")
        );
    }

    #[test]
    fn regions_and_arns_are_those_of_a_partition_that_exists() {
        for region in [
            "eu-central-1",
            "cn-north-1",
            "eusc-de-east-1",
            "us-isof-south-1",
        ] {
            let json = json!({"ClusterName": "c", "ServiceName": "s", "Region": region});
            assert_eq!(spec(&json.to_string()).region.as_deref(), Some(region));
        }
        for region in [
            "eu-central-12",
            "xx-central-1",
            "x@127.0.0.1:1/",
            "aws-global",
        ] {
            assert!(problem_with("Region", &json!(region)).contains("as eu-central-1"));
        }
        for arn in [
            "arn:aws:ecs:cn-north-1:111122223333:cluster/prod",
            "arn:aws:ecs:x@y/:111122223333:cluster/prod",
            "arn:aws:ecs:eu-central-1:111122223333:service/prod/prod",
            "arn:aws:ecs:eu-central-1::cluster/prod",
        ] {
            assert!(
                problem_with("ClusterName", &json!(arn)).contains("or its ARN"),
                "{arn}"
            );
        }
        for arn in [
            "arn:aws:ecs:eu-central-1:111122223333:cluster/prod",
            "arn:aws:ecs:eu-central-1:111122223333:service/prod/web/x",
        ] {
            assert!(
                problem_with("ServiceName", &json!(arn)).contains("or its ARN"),
                "{arn}"
            );
        }
        let short = json!({"ClusterName": "c",
            "ServiceName": "arn:aws-eusc:ecs:eusc-de-east-1:111122223333:service/web"});
        assert_eq!(spec(&short.to_string()).about(), "web on c");
        let role = "arn:aws-cn:iam::111122223333:role/deploy";
        let reported = problems(
            &json!({"ClusterName": "c", "ServiceName": "s", "Region": "eu-west-1", "RoleArn": role})
                .to_string(),
        );
        assert!(
            reported[0].contains("the partition 'aws-cn'"),
            "{reported:?}"
        );
        let role = json!("arn:awsome:iam::111122223333:role/deploy");
        assert!(problem_with("RoleArn", &role).contains("a role's ARN"));
    }
}
