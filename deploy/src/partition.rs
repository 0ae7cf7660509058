//! A partition of AWS.

/// A part of AWS with accounts, ARNs and host names of its own
/// (<https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>).
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// As ARNs name it: `aws-cn`.
    pub id: &'static str,
    /// What the host names of its services end in.
    pub dns_suffix: &'static str,
    /// The same for those that have an IPv6 address, too.
    pub dual_stack_dns_suffix: &'static str,
    /// What stands before `-word-number` in the names of its Regions: `eu`.
    pub region_prefixes: &'static [&'static str],
}

impl Partition {
    /// What the host names of ECR's registries end in where they have an IPv6 address, too:
    /// `on.aws`, `on.amazonwebservices.eu`
    /// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-requests.html>, and ECS's agent,
    /// `ecs-agent/utils/uri` in <https://github.com/aws/amazon-ecs-agent>).
    pub fn registry_dual_stack_suffix(&self) -> String {
        let suffix = self.dual_stack_dns_suffix;
        format!("on.{}", suffix.strip_prefix("api.").unwrap_or(suffix))
    }
}
