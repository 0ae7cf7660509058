//! What the function's environment sets. Read once, before the first event.

use std::time::Duration;

/// How long an invocation watches a rollout before it hands it back to CodePipeline.
const WATCH_DEFAULT: Duration = Duration::from_secs(40);

/// More than this would outlive Lambda's longest time limit, 15 minutes.
const WATCH_MAX_SECS: u64 = 900;

const WATCH_SECONDS: &str = "WATCH_SECONDS";

/// Lambda sets it, in MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// The function's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long an invocation watches. Zero: act and look once.
    pub watch: Duration,
    /// The function's memory in MiB, where Lambda says it.
    pub memory: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            watch: WATCH_DEFAULT,
            memory: None,
        }
    }
}

/// The environment has a value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{WATCH_SECONDS} is '{0}': expected a whole number of seconds from 0 to {WATCH_MAX_SECS}")]
pub struct BadSetting(String);

impl Settings {
    /// Reads the settings through `variable`, which is the environment in the function.
    ///
    /// # Errors
    /// [`BadSetting`]: a function that watches longer or shorter than its owner believes is worse
    /// than one that does not start.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let memory = variable(MEMORY_SIZE).and_then(|written| written.trim().parse().ok());
        let written = variable(WATCH_SECONDS).filter(|written| !written.trim().is_empty());
        let watch = match written {
            None => WATCH_DEFAULT,
            Some(written) => match written.trim().parse::<u64>() {
                Ok(seconds) if seconds <= WATCH_MAX_SECS => Duration::from_secs(seconds),
                _ => return Err(BadSetting(written)),
            },
        };
        Ok(Self { watch, memory })
    }
}

/// A variable of this process's environment.
#[expect(clippy::disallowed_methods, reason = "this is the one door to it")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: Option<&str>) -> Result<Settings, BadSetting> {
        Settings::read(|name| match name {
            WATCH_SECONDS => written.map(str::to_owned),
            MEMORY_SIZE => Some("128".to_owned()),
            other => unreachable!("{other} is read"),
        })
    }

    #[test]
    fn without_watch_seconds_forty_are_watched() {
        assert_eq!(read(None).unwrap().watch, Duration::from_secs(40));
        assert_eq!(read(None).unwrap().memory, Some(128));
        assert_eq!(read(Some(" ")).unwrap().watch, Duration::from_secs(40));
    }

    #[test]
    fn zero_watch_seconds_are_zero() {
        assert_eq!(read(Some("0")).unwrap().watch, Duration::ZERO);
    }

    #[test]
    fn watch_seconds_that_are_no_number_are_told() {
        for wrong in ["x", "-1", "901", "1.5"] {
            let said = read(Some(wrong)).unwrap_err().to_string();
            assert!(said.contains(&format!("'{wrong}'")), "{said}");
        }
    }
}
