//! What the environment's variables say of AWS: Region, credentials, endpoints
//! (<https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html>).
//!
//! Lambda sets Region and credentials as variables
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>), so no other source
//! is looked at: the chain of files, metadata services and web identities that `aws-config` goes
//! through would find nothing else and is a part of the function (`BENCHMARKS.md` says how large
//! a part).

use std::fmt;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

/// A variable of the environment, by its name. One that is empty counts as not set.
type Variable = fn(&str) -> Option<String>;

/// Region, credentials and endpoints as the variables say.
pub(super) fn read(variable: Variable) -> SdkConfig {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let is_true = |name| set(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(
            set("AWS_REGION")
                .or_else(|| set("AWS_DEFAULT_REGION"))
                .map(Region::new),
        )
        .credentials_provider(SharedCredentialsProvider::new(Variables(set_credentials(
            set,
        ))))
        .use_fips(is_true("AWS_USE_FIPS_ENDPOINT"))
        .use_dual_stack(is_true("AWS_USE_DUALSTACK_ENDPOINT"))
        .service_config(OfService(variable));
    config.set_endpoint_url(set(ENDPOINT_URL));
    config.build()
}

/// The endpoint of all services; with a service's id behind it that of one.
pub(super) const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// The variable's name, if there are no credentials without it.
fn set_credentials(set: impl Fn(&str) -> Option<String>) -> Result<Credentials, &'static str> {
    const KEY: &str = "AWS_ACCESS_KEY_ID";
    const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
    let key = set(KEY).ok_or(KEY)?;
    let secret = set(SECRET).ok_or(SECRET)?;
    let token = set("AWS_SESSION_TOKEN");
    Ok(Credentials::new(key, secret, token, None, "environment"))
}

/// The credentials of the variables, or the name of the one that is missing.
struct Variables(Result<Credentials, &'static str>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}

impl ProvideCredentials for Variables {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(match &self.0 {
            Ok(credentials) => Ok(credentials.clone()),
            Err(missing) => Err(CredentialsError::not_loaded(format!(
                "the environment has no credentials: {missing} is not set"
            ))),
        })
    }
}

/// Settings of one service, which only variables have.
struct OfService(Variable);

impl fmt::Debug for OfService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfService")
    }
}

impl LoadServiceConfig for OfService {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_ascii_uppercase().replace(' ', "_");
        (self.0)(&format!("{}_{service}", key.env())).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lambda(name: &str) -> Option<String> {
        let value = match name {
            "AWS_REGION" => "eu-central-1",
            "AWS_DEFAULT_REGION" => "eu-west-1",
            "AWS_ACCESS_KEY_ID" => "key",
            "AWS_SECRET_ACCESS_KEY" => "secret-MARK",
            "AWS_SESSION_TOKEN" => "token-MARK",
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS" => "https://logs.example",
            "AWS_USE_DUALSTACK_ENDPOINT" => "True",
            _ => return None,
        };
        Some(value.to_owned())
    }

    async fn credentials(config: &SdkConfig) -> Result<Credentials, CredentialsError> {
        let provider = config.credentials_provider().unwrap();
        provider.provide_credentials().await
    }

    #[tokio::test]
    async fn what_lambda_sets_is_read() {
        let config = read(lambda);
        assert_eq!(config.region().unwrap().as_ref(), "eu-central-1");
        assert_eq!(config.endpoint_url(), None);
        assert_eq!(config.use_fips(), Some(false));
        assert_eq!(config.use_dual_stack(), Some(true));
        let credentials = credentials(&config).await.unwrap();
        assert_eq!(credentials.access_key_id(), "key");
        assert_eq!(credentials.secret_access_key(), "secret-MARK");
        assert_eq!(credentials.session_token(), Some("token-MARK"));
        let shown = format!("{config:?}");
        assert!(!shown.contains("MARK"), "{shown}");
    }

    #[tokio::test]
    async fn credentials_that_are_missing_or_empty_are_named_when_they_are_needed() {
        let without: [(Variable, &str); 2] = [
            (|_| None, "AWS_ACCESS_KEY_ID"),
            (
                |name| lambda(name).map(|value| value.replace("secret-MARK", "")),
                "AWS_SECRET_ACCESS_KEY",
            ),
        ];
        for (variable, missing) in without {
            let error = credentials(&read(variable)).await.unwrap_err();
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(
                source.contains(&format!("{missing} is not set")),
                "{source}"
            );
        }
    }

    #[test]
    fn an_endpoint_may_be_set_for_one_service() {
        let config = read(lambda);
        let url = |service_id| {
            let key = ServiceConfigKey::builder()
                .service_id(service_id)
                .env(ENDPOINT_URL)
                .profile("endpoint_url")
                .build()
                .unwrap();
            config.service_config().unwrap().load_config(key)
        };
        assert_eq!(
            url("CloudWatch Logs").as_deref(),
            Some("https://logs.example")
        );
        assert_eq!(url("ECS"), None);
    }
}
