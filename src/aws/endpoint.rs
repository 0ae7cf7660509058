//! Where a service is: as the environment says, or its public endpoint, whose host is made from
//! constants and the name of a Region.

use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use super::environment;
use crate::deploy::region::Region;

/// A service, by its names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    /// As the SDK knows it.
    pub(super) id: &'static str,
    /// In signatures.
    pub(super) name: &'static str,
    /// Where it is: a row for each partition.
    pub(super) hosts: &'static [InPartition],
    /// What stands before the operation in the header that names it; empty for services that know
    /// it by its path.
    pub(super) target: &'static str,
}

/// Where a service is in one partition.
#[derive(Debug)]
pub(super) struct InPartition {
    /// The partition's id.
    pub(super) partition: &'static str,
    /// Its host names over IPv4 alone, over both, and the same two with FIPS; `{}` stands for the Region.
    pub(super) hosts: [&'static str; 4],
    /// The Region that its requests are signed for, if that is the same for all of them.
    pub(super) signed_for: Option<&'static str>,
}

/// Where a service is, and the Region that requests to it are signed for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// With its scheme, without a path.
    pub(super) url: String,
    /// As in signatures.
    pub(super) signed_for: String,
}

/// Where a service is.
///
/// # Errors
/// A sentence, if the configuration has no Region or settings that exclude each other.
pub(super) fn of(config: &SdkConfig, service: &Service) -> Result<Endpoint, &'static str> {
    let has_fips = config.use_fips().unwrap_or(false);
    let is_dual_stack = config.use_dual_stack().unwrap_or(false);
    let named = config.region().ok_or("no Region is set")?.as_ref();
    let region = Region::of_function(named);
    let row = region.as_ref().and_then(|region| {
        let mut rows = service.hosts.iter();
        rows.find(|row| row.partition == region.partition().id)
    });
    let signed_for = row.and_then(|row| row.signed_for).unwrap_or(named);
    let signed_for = signed_for.to_owned();
    if let Some(url) = configured(config, service) {
        // As the SDK's clients have it.
        return match (has_fips, is_dual_stack) {
            (true, _) => Err("Invalid Configuration: FIPS and custom endpoint are not supported"),
            (_, true) => {
                Err("Invalid Configuration: Dualstack and custom endpoint are not supported")
            }
            (false, false) => Ok(Endpoint { url, signed_for }),
        };
    }
    let region = region.ok_or("the Region that is set is none by its name")?;
    let row = row.ok_or("the service is not known in this part of the world")?;
    let host = row.hosts[usize::from(has_fips) * 2 + usize::from(is_dual_stack)];
    Ok(Endpoint {
        url: format!("https://{}", host.replace("{}", &region)),
        signed_for,
    })
}

/// The endpoint that is set for the service, or for all.
pub(super) fn configured(config: &SdkConfig, service: &Service) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service.id)
        .env(environment::ENDPOINT_URL)
        .profile("endpoint_url")
        .build();
    let service_config = config.service_config().zip(key.ok());
    service_config
        .and_then(|(of_service, key)| of_service.load_config(key))
        .or_else(|| config.endpoint_url().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn in_region(region: &str, fips: bool, dual_stack: bool) -> SdkConfig {
        SdkConfig::builder()
            .region(aws_types::region::Region::new(region.to_owned()))
            .use_fips(fips)
            .use_dual_stack(dual_stack)
            .build()
    }

    #[test]
    fn every_service_is_where_botocore_would_look_for_it() {
        let facts = include_str!("../../simulator/model/endpoints.json");
        let facts: Value = serde_json::from_str(facts).unwrap();
        let services = [
            ("cloudwatch", super::super::cloudwatch::SERVICE),
            ("ecr", super::super::ecr::SERVICE),
            ("elbv2", super::super::elb::SERVICE),
            ("events", super::super::events::SERVICE),
            ("iam", super::super::iam::SERVICE),
            ("logs", super::super::logs::SERVICE),
            ("scheduler", super::super::scheduler::SERVICE),
            ("secretsmanager", super::super::secrets::SERVICE),
            ("ssm", super::super::ssm::SERVICE),
        ];
        let known = facts["services"].as_object().unwrap();
        assert_eq!(known.len(), services.len());
        for (name, service) in services {
            for (region, facts) in known[name].as_object().unwrap() {
                let urls = &facts["urls"];
                for (fips, of_fips) in [(false, &urls[0]), (true, &urls[1])] {
                    for (dual_stack, expected) in [(false, &of_fips[0]), (true, &of_fips[1])] {
                        let config = in_region(region, fips, dual_stack);
                        let endpoint = of(&config, &service).unwrap();
                        assert_eq!(endpoint.url, *expected, "{name}");
                        assert_eq!(endpoint.signed_for, facts["signedFor"], "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_host_is_made_from_a_region_that_is_none() {
        for text in ["x@127.0.0.1:443/", "eu-central-1.evil.example/", ""] {
            assert!(
                of(
                    &in_region(text, false, false),
                    &super::super::events::SERVICE
                )
                .is_err(),
                "{text}"
            );
        }
        let none = SdkConfig::builder().build();
        assert!(of(&none, &super::super::events::SERVICE).is_err());
    }

    #[test]
    fn an_endpoint_that_is_set_is_the_only_one_and_excludes_fips_and_dual_stack() {
        let set = |fips, dual_stack| {
            let config = in_region("eu-central-1", fips, dual_stack).into_builder();
            of(
                &config.endpoint_url("http://127.0.0.1:1").build(),
                &super::super::events::SERVICE,
            )
        };
        assert_eq!(set(false, false).unwrap().url, "http://127.0.0.1:1");
        assert!(set(true, false).unwrap_err().contains("FIPS"));
        assert!(set(false, true).unwrap_err().contains("Dualstack"));
    }
}
