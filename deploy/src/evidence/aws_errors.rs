//! What to do about what AWS says, where that is known.

/// What to do, by what an error of a task or an event of a service says
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/resource-initialization-error.html>,
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html>). The first
/// row that fits; none where the error says it itself.
pub(super) fn what_to_do(error: &str) -> Option<&'static str> {
    // What a container is called says nothing.
    let named = error.strip_prefix("container ");
    let error = named
        .and_then(|rest| rest.split_once(": "))
        .map_or(error, |(_, said)| said);
    let lower = error.to_lowercase();
    let says = |sign: &&str| lower.contains(sign);
    ADVICE
        .iter()
        .find(|(signs, _)| signs.iter().all(|any| any.split('|').any(|one| says(&one))))
        .map(|(_, advice)| *advice)
}

/// Signs, all of which the error has, in lower case; of each any of those between `|`. The narrower rows first.
const ADVICE: &[(&[&str], &str)] = &[
    // An image.
    (
        &["descriptor matching platform|exec format error"],
        "the image is for another CPU architecture or operating system than the task definition's runtimePlatform",
    ),
    (
        &["toomanyrequests|429 too many requests"],
        "the registry limits pulls: pull with credentials (repositoryCredentials), or through a pull-through cache of ECR",
    ),
    (
        &["no space left on device"],
        "the task's disk is full: raise ephemeralStorage in the task definition, or make the image smaller",
    ),
    // Roles.
    (
        &["unable to assume"],
        "taskRoleArn and executionRoleArn of the task definition must exist, and their trust policies let ecs-tasks.amazonaws.com assume them",
    ),
    (
        &[
            "not authorized|accessdenied|access denied",
            "elasticloadbalancing",
        ],
        "ECS's service-linked role AWSServiceRoleForECS, or the service's own role, needs that permission",
    ),
    (
        &[
            "kms:|access to kms|kms key|kmsaccessdenied|ciphertext",
            "denied|not allowed|not authorized",
        ],
        "the task's execution role must be allowed kms:Decrypt with that key",
    ),
    (
        &["accessdenied|not authorized", "resource-based policy"],
        "the resource's own policy must let the task's execution role in",
    ),
    (
        &["accessdenied|not authorized"],
        "the task's execution role needs that permission",
    ),
    (
        &[
            "pull access denied|authorization failed|no basic auth credentials|403 forbidden|401 unauthorized",
        ],
        "the repository must exist, and the task's execution role (or repositoryCredentials) must be allowed to pull from it",
    ),
    // Secrets and logs.
    (
        &["did not contain json key"],
        "the secret's value must be a JSON object with that key: valueFrom ends in SECRET-ARN:KEY::",
    ),
    (
        &["marked for deletion|scheduled for deletion"],
        "restore the secret, or name another in the task definition's valueFrom",
    ),
    (
        &[
            "from asm|secretsmanager|secrets manager",
            "can't find|resourcenotfound",
        ],
        "create the secret in this Region, or correct valueFrom in the task definition",
    ),
    (
        &[
            "from ssm|parameter store|parameternotfound|ssm parameter",
            "invalid|notfound|not found",
        ],
        "create the parameter in this Region, or correct valueFrom in the task definition",
    ),
    (
        &["log group does not exist"],
        "create the log group, or set awslogs-create-group",
    ),
    (
        &["logger args", "signal: killed"],
        "the task has no way to CloudWatch Logs: it needs a route (a public IP address, a NAT gateway or a VPC endpoint for logs), and a security group that lets it out",
    ),
    (
        &["initialize logging driver|logger args"],
        "check the options of the container's logConfiguration, and that the task's execution role may write there",
    ),
    // Volumes.
    (
        &["efs utils", "no such file or directory"],
        "the directory (rootDirectory) does not exist in the file system: create it, or use an access point",
    ),
    (
        &["efs utils|.efs.|mount.nfs|file system", "access denied"],
        "the file system's policy, or its access point, must let the task's role in (authorizationConfig, transitEncryption)",
    ),
    (
        &["efs utils|.efs.|mount.nfs"],
        "the file system needs a mount target in the tasks' Availability Zones, and its security group must let the tasks in on port 2049",
    ),
    (
        &["ebs volume"],
        "look at the service's volumeConfigurations, its infrastructure role, and the account's quotas for EBS",
    ),
    (
        &["cannotcreatevolume"],
        "the volume's driver must be installed on the container instance, and its options fit",
    ),
    // Networks.
    (
        &["privateipaddresslimitexceeded|insufficientfreeaddresses|free addresses|ip address"],
        "the subnet has no free IP address left: use larger subnets, or more of them",
    ),
    (
        &["network interface"],
        "the task's network interface could not be made: look at the service's subnets and security groups, and the account's quota for network interfaces",
    ),
    (
        &[
            "i/o timeout|deadline exceeded|connection issue|no such host|connection refused|client.timeout|request canceled",
        ],
        "the task has no way to it: it needs a route (a public IP address, a NAT gateway or VPC endpoints), and a security group that lets it out",
    ),
    // Starting.
    (
        &[
            "executable file not found|no such file or directory",
            "cannotstart|cannotcreate|oci runtime",
        ],
        "entryPoint and command must name a program that is in the image",
    ),
    (
        &["permission denied", "cannotstart|cannotcreate|oci runtime"],
        "the program that entryPoint and command name must be executable (chmod +x)",
    ),
    (
        &["port is already allocated|address already in use"],
        "another task or program on the instance has that host port: use hostPort 0 or awsvpc",
    ),
    (
        &["bind source path|mount config"],
        "the path that the task definition mounts from the host must exist on it",
    ),
    (
        &["failed to get container status|cannot allocate memory|minimum memory"],
        "look at the container's memory in the task definition",
    ),
    (
        &["cannotstopcontainer|cannotinspect|dockertimeout|containerruntimetimeout"],
        "the host answered too slowly: deploy again; if it comes again on EC2, look at the load of the instance",
    ),
    (
        &["containerruntimeerror|internalerror|internal error"],
        "an error on AWS's side: deploy again, and ask AWS Support if it comes again",
    ),
    (
        &["cannotstart|cannotcreate"],
        "look at entryPoint, command, mountPoints and linuxParameters of the container in the task definition",
    ),
    // Placement.
    (
        &["no container instances were found"],
        "register an instance in the cluster; a service for Fargate needs the launch type or a capacity provider of Fargate",
    ),
    (
        &["insufficient memory|insufficient cpu|resource:memory|resource:cpu"],
        "add an instance, ask for less in the task definition, or lower minimumHealthyPercent",
    ),
    (
        &["already using a port|resource:port"],
        "another task on the instance has that host port: use hostPort 0 or awsvpc, or add an instance",
    ),
    (
        &[
            "missing an attribute|attribute required|resource:eni|network interface attachment|eni attachment",
        ],
        "no instance of the cluster has what the task definition asks for: look at its requiresAttributes and placementConstraints",
    ),
    (
        &["ecs agent|error \"agent\"|reason: agent"],
        "the ECS agent of the instance is not connected: look at the instance",
    ),
    (
        &["capacity is unavailable"],
        "AWS has no such capacity there at the moment: try again, or give the service subnets in more Availability Zones",
    ),
    (
        &["limit on the number|above your limit|vcpu|reached the limit"],
        "ask for a higher quota in Service Quotas (AWS Fargate), or stop other tasks",
    ),
    (
        &["fargate_spot|capacity provider"],
        "the cluster must be associated with the capacity providers of the service's strategy, and these be ACTIVE",
    ),
    (
        &["protected tasks|scale-in protection"],
        "tasks with scale-in protection hold the old revision: end their protection",
    ),
    // The service's own settings.
    (
        &["service connect|the namespace|namespacenotfound"],
        "the namespace of the service's Service Connect configuration must exist in this Region",
    ),
    (
        &["does not have an associated load balancer|not associated with a load balancer"],
        "attach the target group to a listener of the load balancer",
    ),
    (
        &["target is not found"],
        "its tasks were not registered in the target group, or have left it: look at whether they run, and on which port",
    ),
    (
        &[
            "target group|target-group|targetgroup",
            "not exist|not found|notfound",
        ],
        "the service's load balancer configuration names a target group that does not exist: create it, or change the service",
    ),
    (
        &["unable to consistently start"],
        "look at the service's stopped tasks in the console",
    ),
    (
        &["task failed to start|failed to start"],
        "ECS shows no reason: look at one of the stopped tasks and its containers in the console",
    ),
    (
        &["are being throttled"],
        "ECS tries again by itself: other deployments or tools of the account use the same quota",
    ),
    (
        &["performing maintenance|scheduled maintenance|host ec2"],
        "the host that they ran on went away: deploy again",
    ),
    (
        &["spot task was interrupted|spot interruption"],
        "FARGATE_SPOT gives no guarantee: add FARGATE with a base to the service's capacity provider strategy",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_of_advice_is_reached_by_its_own_signs() {
        for (place, (signs, advice)) in ADVICE.iter().enumerate() {
            let reached = signs[0].split('|').any(|first| {
                let second = signs
                    .get(1)
                    .map_or("", |more| more.split('|').next().unwrap_or_default());
                what_to_do(&format!("{first} {second}")) == Some(*advice)
            });
            assert!(reached, "row {place} ({}) is shadowed", signs[0]);
        }
    }

    #[test]
    fn signs_are_in_lower_case_because_what_is_searched_is() {
        for (signs, _) in ADVICE {
            for sign in *signs {
                assert_eq!(*sign, sign.to_lowercase());
            }
        }
    }

    #[test]
    fn what_people_call_their_things_is_no_sign() {
        for error in [
            "container efs-sync: it failed",
            "image repo/kms-proxy:1 was denied a wish",
            "image repo/maintenance:1 went away",
            "container namespace-controller: it failed",
        ] {
            assert_eq!(what_to_do(error), None, "{error}");
        }
    }

    #[test]
    fn an_error_that_nobody_knows_gets_no_advice() {
        assert_eq!(what_to_do("the moon is full"), None);
    }
}
