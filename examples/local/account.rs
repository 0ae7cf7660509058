//! Whose credentials the environment has, and for which Region, before anything is asked of ECS.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_sdk_sts::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::os_shim_internal::{Env, Fs};
use ecs_deploy_action::clock::{Clock as _, SystemClock};
use ecs_deploy_action::deploy::region::Region;
use ecs_deploy_action::deploy::text;
use ecs_deploy_action::deploy::time::human;
use ecs_deploy_action::settings::environment;

/// One error takes at most so many characters of a sentence.
const REASON_LIMIT_CHARS: usize = 400;
/// A profile's `source_profile` has one itself, at most so often.
const SOURCES_LIMIT: usize = 5;

const NO_CREDENTIALS: &str = "No credentials were found: set AWS_PROFILE to a profile that has some, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.";

/// Who is asked, as far as it can be known before anything is done.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) config: SdkConfig,
    /// Its number.
    pub(crate) id: String,
    /// The ARN of who the credentials are.
    pub(crate) principal: String,
    pub(crate) region: String,
}

/// How long AWS may take to say whose credentials these are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A connection.
    pub(crate) connect: Duration,
    /// One attempt.
    pub(crate) attempt: Duration,
    /// All attempts.
    pub(crate) all: Duration,
}

impl Limits {
    /// As the function has them, but somebody waits at the screen.
    pub(crate) const OF_THE_RUNNER: Self = Self {
        connect: Duration::from_secs(3),
        attempt: Duration::from_secs(10),
        all: Duration::from_secs(30),
    };

    fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.all)
            .build()
    }
}

/// Region and credentials wherever AWS's own tools look for them: variables, files and what those
/// name. A sign-in service that is asked for credentials has the same limits.
///
/// # Errors
/// A sentence, if there is no Region, or none of that name can be.
pub(crate) async fn configured(limits: &Limits) -> Result<SdkConfig, String> {
    let http_client = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(http_client)
        .timeout_config(limits.timeouts())
        .load()
        .await;
    let Some(region) = config.region() else {
        return Err(
            "No Region is set: set AWS_REGION, as AWS_REGION=eu-central-1, or the profile's (aws configure set region eu-central-1)."
                .to_owned(),
        );
    };
    if Region::of_function(region.as_ref()).is_none() {
        let mut variables = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter();
        let source = variables.find(|name| environment(name).as_deref() == Some(region.as_ref()));
        let source = source.unwrap_or("The profile's region");
        return Err(format!(
            "{source} is {:?}, which is no Region's name: set it as AWS_REGION=eu-central-1.",
            region.as_ref()
        ));
    }
    Ok(config)
}

/// Loads the credentials and asks whose they are.
///
/// # Errors
/// A sentence, if there are none, or AWS takes none of them, or does not answer within the limits.
pub(crate) async fn identified(config: SdkConfig, limits: &Limits) -> Result<Account, String> {
    match config.credentials_provider() {
        Some(provider) => {
            if let Err(error) = provider.provide_credentials().await {
                return Err(no_credentials(&error, &Chosen::read().await));
            }
        }
        None => return Err(NO_CREDENTIALS.to_owned()),
    }
    let asking = config
        .to_builder()
        .timeout_config(limits.timeouts())
        .build();
    let began = SystemClock.now();
    let asked = aws_sdk_sts::Client::new(&asking).get_caller_identity();
    let identity = match asked.send().await {
        Ok(identity) => identity,
        Err(error) => {
            let took = SystemClock.now().since(began);
            return Err(not_identified(&error, &config, took).await);
        }
    };
    Ok(Account {
        id: identity.account().unwrap_or("unknown").to_owned(),
        principal: identity.arn().unwrap_or("unknown").to_owned(),
        region: config.region().map(ToString::to_string).unwrap_or_default(),
        config,
    })
}

async fn not_identified(
    error: &SdkError<GetCallerIdentityError>,
    config: &SdkConfig,
    took: Duration,
) -> String {
    let is_silence = match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_timeout(),
        _ => false,
    };
    let why = match (is_silence, error.code()) {
        (true, _) => {
            let place = config.endpoint_url();
            let place = place.map_or_else(|| "AWS".to_owned(), str::to_owned);
            format!("{place} did not answer within {}", human(took))
        }
        (false, Some(code)) => {
            let message = error.message().unwrap_or("it gave no reason");
            let said = format!("{code}: {message}");
            text::cut(said.trim_end_matches('.'), REASON_LIMIT_CHARS)
        }
        (false, None) => reasons(error),
    };
    let has_expired = matches!(error.code(), Some("ExpiredToken" | "ExpiredTokenException"));
    let advice = if has_expired {
        Chosen::read().await.sign_in("They have expired")
    } else {
        String::new()
    };
    format!("Whose the credentials are could not be asked (sts:GetCallerIdentity): {why}.{advice}")
}

/// The profile that is chosen, as the files have it.
struct Chosen {
    /// The value of `AWS_PROFILE`, if that is set.
    named: Option<String>,
    /// The files could be read, and do not have it.
    is_unknown: bool,
    /// It gets its credentials from IAM Identity Center.
    uses_sso: bool,
}

impl Chosen {
    async fn read() -> Self {
        let named = environment("AWS_PROFILE");
        let name = named.as_deref().unwrap_or("default");
        let files = EnvConfigFiles::default();
        let loaded = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await;
        let Ok(profiles) = loaded else {
            return Self {
                named,
                is_unknown: false,
                uses_sso: false,
            };
        };
        let sources = std::iter::successors(profiles.get_profile(name), |profile| {
            profiles.get_profile(profile.get("source_profile")?)
        });
        let uses_sso = sources.take(SOURCES_LIMIT).any(|profile| {
            profile.get("sso_session").is_some() || profile.get("sso_start_url").is_some()
        });
        Self {
            is_unknown: profiles.get_profile(name).is_none(),
            uses_sso,
            named,
        }
    }

    /// What to do about credentials of which `trouble` is true.
    fn sign_in(&self, trouble: &str) -> String {
        let profile = self.named.as_ref();
        let profile = profile.map_or_else(String::new, |name| format!(" --profile {name}"));
        if self.uses_sso {
            format!(" {trouble}: sign in (aws sso login{profile}) and try again.")
        } else {
            format!(" {trouble}: get new ones and try again.")
        }
    }
}

fn no_credentials(error: &CredentialsError, chosen: &Chosen) -> String {
    let named = chosen.named.as_deref();
    match (error, named) {
        (_, Some(profile)) if chosen.is_unknown => {
            let file = |variable, default: &str| {
                environment(variable).unwrap_or_else(|| default.to_owned())
            };
            let config = file("AWS_CONFIG_FILE", "~/.aws/config");
            let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials");
            format!(
                "AWS_PROFILE is {profile}, and neither {config} nor {credentials} has a profile of that name."
            )
        }
        (CredentialsError::CredentialsNotLoaded(_), Some(profile)) => {
            format!("No credentials were found in the profile {profile} of AWS_PROFILE.")
        }
        (CredentialsError::CredentialsNotLoaded(_), None) => NO_CREDENTIALS.to_owned(),
        (error, named) => {
            let of = named.map_or_else(String::new, |name| format!(" of the profile {name}"));
            let advice = if chosen.uses_sso {
                chosen.sign_in("If you are not signed in any more")
            } else {
                String::new()
            };
            format!(
                "The credentials{of} could not be loaded: {}.{advice}",
                reasons(error)
            )
        }
    }
}

/// An error and all that caused it, in one line.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut causes: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        // Some repeat their cause.
        if causes.last().is_none_or(|last| !last.contains(&text)) {
            causes.push(text);
        }
        next = error.source();
    }
    let text = causes.join(": ");
    text::cut(text.trim_end_matches('.'), REASON_LIMIT_CHARS)
}
