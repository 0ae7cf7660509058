//! Elastic Load Balancing: target groups, and what their health checks ask for.

use aws_types::SdkConfig;

use super::endpoint::Service;
use super::hosts;
use super::raw::RawClient;
use crate::deploy::call::CallError;
use crate::deploy::evidence::TargetCheck;
use crate::deploy::outside::shown;
use crate::deploy::text;

pub(super) const SERVICE: Service = Service {
    id: "Elastic Load Balancing v2",
    name: "elasticloadbalancing",
    hosts: &hosts::ELBV2,
    target: "",
};

const VERSION: &str = "2015-12-01";

/// Load balancers in one Region.
#[derive(Debug, Clone)]
pub struct LoadBalancers {
    client: RawClient,
}

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetGroup {
    /// `ip`, `instance`, `lambda` or `alb`.
    pub kind: Option<String>,
    /// What its health check asks for.
    pub check: TargetCheck,
}

impl LoadBalancers {
    pub(super) fn new(config: SdkConfig) -> Self {
        Self {
            client: RawClient::new(config, SERVICE),
        }
    }

    /// The target group with this ARN.
    ///
    /// # Errors
    /// [`CallError`]; [`Class::Missing`](crate::deploy::call::Class::Missing) if there is none.
    pub async fn target_group(&self, arn: &str) -> Result<TargetGroup, CallError> {
        const ELEMENTS: &[&str] = &[
            "TargetType",
            "HealthCheckPort",
            "HealthCheckPath",
            "HttpCode",
            "GrpcCode",
        ];
        let answer = self
            .client
            .query(
                "elasticloadbalancing:DescribeTargetGroups",
                format!("target group {}", text::target_group(arn)),
                VERSION,
                &[("TargetGroupArns.member.1", arn)],
                ELEMENTS,
            )
            .await?;
        let element = |name: &str| answer[name][0].as_str().map(shown);
        Ok(TargetGroup {
            kind: element("TargetType"),
            check: TargetCheck {
                port: element("HealthCheckPort"),
                path: element("HealthCheckPath"),
                codes: element("HttpCode").or_else(|| element("GrpcCode")),
            },
        })
    }
}
