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
    /// What its host names begin with.
    pub(super) hosts: Hosts,
    /// What stands before the operation in the header that names it; empty for services that know
    /// it by its path.
    pub(super) target: &'static str,
}

/// What the host names of a service begin with: over IPv4 alone, and over both
/// (the services' `endpoint-rule-set-1.json` in botocore; a test compares).
#[derive(Debug, Clone, Copy)]
pub(super) struct Hosts {
    pub(super) plain: [&'static str; 2],
    pub(super) fips: [&'static str; 2],
    /// Where some are FIPS endpoints by their usual names.
    pub(super) fips_in_us_gov: [&'static str; 2],
}

impl Hosts {
    /// With FIPS by the same name everywhere.
    pub(super) const fn usual(plain: &'static str, fips: &'static str) -> Self {
        Self {
            plain: [plain; 2],
            fips: [fips; 2],
            fips_in_us_gov: [fips; 2],
        }
    }
}

/// Where a service is.
///
/// # Errors
/// A sentence, if the configuration has no Region or settings that exclude each other.
pub(super) fn of(config: &SdkConfig, service: &Service) -> Result<String, &'static str> {
    let has_fips = config.use_fips().unwrap_or(false);
    let is_dual_stack = config.use_dual_stack().unwrap_or(false);
    if let Some(endpoint) = configured(config, service) {
        // As the SDK's clients have it.
        return match (has_fips, is_dual_stack) {
            (true, _) => Err("Invalid Configuration: FIPS and custom endpoint are not supported"),
            (_, true) => {
                Err("Invalid Configuration: Dualstack and custom endpoint are not supported")
            }
            (false, false) => Ok(endpoint),
        };
    }
    let region = config.region().ok_or("no Region is set")?;
    let region =
        Region::of_function(region.as_ref()).ok_or("the Region that is set is none by its name")?;
    let partition = region.partition();
    let Hosts {
        plain,
        fips,
        fips_in_us_gov,
    } = service.hosts;
    let hosts = match (has_fips, partition.id) {
        (false, _) => plain,
        (true, "aws-us-gov") => fips_in_us_gov,
        (true, _) => fips,
    };
    Ok(if is_dual_stack {
        format!(
            "https://{}.{region}.{}",
            hosts[1], partition.dual_stack_dns_suffix
        )
    } else {
        format!("https://{}.{region}.{}", hosts[0], partition.dns_suffix)
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
            ("ecr", super::super::ecr::SERVICE),
            ("elbv2", super::super::elb::SERVICE),
            ("events", super::super::events::SERVICE),
            ("logs", super::super::logs::SERVICE),
            ("scheduler", super::super::scheduler::SERVICE),
        ];
        let known = facts["services"].as_object().unwrap();
        assert_eq!(known.len(), services.len());
        for (name, service) in services {
            for (region, endpoints) in known[name].as_object().unwrap() {
                for (fips, of_fips) in [(false, &endpoints[0]), (true, &endpoints[1])] {
                    for (dual_stack, expected) in [(false, &of_fips[0]), (true, &of_fips[1])] {
                        let config = in_region(region, fips, dual_stack);
                        assert_eq!(of(&config, &service).unwrap(), *expected, "{name}");
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
        assert_eq!(set(false, false).unwrap(), "http://127.0.0.1:1");
        assert!(set(true, false).unwrap_err().contains("FIPS"));
        assert!(set(false, true).unwrap_err().contains("Dualstack"));
    }
}
