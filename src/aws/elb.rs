//! Elastic Load Balancing: what a target group's health check asks for.

use aws_types::SdkConfig;

use super::endpoint::{Hosts, Service};
use super::raw::RawClient;
use crate::deploy::call::CallError;
use crate::deploy::evidence::TargetCheck;
use crate::deploy::outside::shown;
use crate::deploy::text;

pub(super) const SERVICE: Service = Service {
    id: "Elastic Load Balancing v2",
    name: "elasticloadbalancing",
    hosts: Hosts {
        fips_in_us_gov: ["elasticloadbalancing", "elasticloadbalancing-fips"],
        ..Hosts::usual("elasticloadbalancing", "elasticloadbalancing-fips")
    },
    target: "",
};

const VERSION: &str = "2015-12-01";

/// Load balancers in one Region.
#[derive(Debug, Clone)]
pub struct LoadBalancers {
    client: RawClient,
}

impl LoadBalancers {
    pub(super) fn new(config: SdkConfig) -> Self {
        Self {
            client: RawClient::new(config, SERVICE),
        }
    }

    /// What the health check of the target group with this ARN asks for.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn health_check(&self, target_group: &str) -> Result<TargetCheck, CallError> {
        const ELEMENTS: &[&str] = &["HealthCheckPort", "HealthCheckPath", "HttpCode", "GrpcCode"];
        let answer = self
            .client
            .query(
                "elasticloadbalancing:DescribeTargetGroups",
                format!("target group {}", text::last_part(target_group)),
                VERSION,
                &[("TargetGroupArns.member.1", target_group)],
                ELEMENTS,
            )
            .await?;
        let element = |name: &str| answer[name].as_str().map(shown);
        Ok(TargetCheck {
            port: element("HealthCheckPort"),
            path: element("HealthCheckPath"),
            codes: element("HttpCode").or_else(|| element("GrpcCode")),
        })
    }
}
