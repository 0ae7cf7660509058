//! What a task runs on.

use serde_json::Value;

use super::answer::invalid;
use super::setup::ServiceSetup;
use crate::wire::{ApiError, text};

/// What Fargate runs on if nothing else is asked for.
const NEWEST_PLATFORM: &str = "1.4.0";
const OTHER_PLATFORMS: [&str; 4] = ["1.3.0", "1.2.0", "1.1.0", "1.0.0"];

/// What a task runs on.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    pub(super) launch_type: String,
    pub(super) capacity_provider: Option<String>,
    /// None but on Fargate.
    pub(super) platform_version: Option<String>,
}

impl Placement {
    /// Of a service's tasks.
    pub(super) fn of_service(setup: &ServiceSetup) -> Self {
        let provider = setup.capacity_provider_strategy.as_ref();
        match provider.and_then(provider_in) {
            Some(provider) => Self::with_provider(provider),
            None => Self::on_fargate(None),
        }
    }

    fn on_fargate(capacity_provider: Option<String>) -> Self {
        Self {
            launch_type: "FARGATE".to_owned(),
            capacity_provider,
            platform_version: Some(NEWEST_PLATFORM.to_owned()),
        }
    }

    fn with_provider(provider: String) -> Self {
        if provider.starts_with("FARGATE") {
            return Self::on_fargate(Some(provider));
        }
        Self {
            launch_type: "EC2".to_owned(),
            capacity_provider: Some(provider),
            platform_version: None,
        }
    }

    /// What a request of `RunTask` asks for.
    pub(super) fn asked(request: &Value) -> Result<Self, ApiError> {
        let launch_type = text(request, "launchType");
        let provider = provider_in(&request["capacityProviderStrategy"]);
        let mut placement = match (launch_type, provider) {
            ("", Some(provider)) => Self::with_provider(provider),
            (_, Some(_)) => {
                return Err(invalid(
                    "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
                ));
            }
            ("FARGATE", None) => Self::on_fargate(None),
            // The simulator's clusters have neither instances nor a strategy of their own, and EC2
            // is what is meant then.
            (_, None) => {
                let message = "No Container Instances were found in your cluster.";
                return Err(invalid(message));
            }
        };
        match text(request, "platformVersion") {
            "" => {}
            _ if placement.platform_version.is_none() => {
                let message = "The platform version must be null when it is not for Fargate.";
                return Err(invalid(message));
            }
            "LATEST" | NEWEST_PLATFORM => {}
            known if OTHER_PLATFORMS.contains(&known) => {
                placement.platform_version = Some(known.to_owned());
            }
            unknown => {
                let message = format!("There is no platform version {unknown}.");
                return Err(ApiError::new("PlatformUnknownException", message));
            }
        }
        Ok(placement)
    }
}

/// The provider that a strategy prefers: the one with a base, else the heaviest.
fn provider_in(strategy: &Value) -> Option<String> {
    let items = strategy.as_array()?;
    let number = |item: &Value, member: &str| item[member].as_i64().unwrap_or(0);
    let based = items.iter().find(|item| number(item, "base") > 0);
    let heaviest = || {
        let mut items = items.iter();
        let first = items.next()?;
        Some(items.fold(first, |heaviest, item| {
            let is_heavier = number(item, "weight") > number(heaviest, "weight");
            if is_heavier { item } else { heaviest }
        }))
    };
    let chosen = based.or_else(heaviest)?;
    Some(text(chosen, "capacityProvider").to_owned())
}
