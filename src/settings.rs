//! What the function's environment sets. Read once, before the first event.

use std::time::Duration;

use crate::deploy::outside::shown;
use crate::deploy::text;

/// How long an invocation watches a rollout before it hands it back to CodePipeline.
const WATCH_DEFAULT: Duration = Duration::from_secs(40);

/// More than this would outlive Lambda's longest time limit for an event of a pipeline, 15 minutes.
const WATCH_MAX_SECS: u64 = 900;

const WATCH_SECONDS: &str = "WATCH_SECONDS";

/// Lambda sets it, in MB
/// (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
pub const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// Lambda gives no function more
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const MEMORY_MAX_MB: u32 = 10_240;

/// What stood in [`MEMORY_SIZE`] before it was replaced by something that the runtime can read.
pub const MEMORY_WRITTEN: &str = "ECS_DEPLOY_ACTION_MEMORY_SIZE_WRITTEN";

/// Settings of the SDKs that are yes or no
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html>).
const SWITCHES: [&str; 2] = ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"];

/// The function's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long an invocation watches. Zero: act and look once.
    pub watch: Duration,
    /// The function's memory in MiB, where Lambda says it.
    pub memory: Option<u64>,
    /// A sentence on each setting that could not be read and has its default therefore. Every
    /// report has them.
    pub warnings: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            watch: WATCH_DEFAULT,
            memory: None,
            warnings: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads the settings through `variable`, which is the environment in the function. Never
    /// fails: a function that did not start would leave every job without an answer.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut settings = Self::default();
        if let Some(written) = variable(WATCH_SECONDS) {
            match written.trim().parse::<u64>() {
                Ok(seconds) if seconds <= WATCH_MAX_SECS => {
                    settings.watch = Duration::from_secs(seconds);
                }
                _ => settings.warnings.push(unreadable(
                    WATCH_SECONDS,
                    &written,
                    &format!("a whole number of seconds from 0 to {WATCH_MAX_SECS}"),
                    &WATCH_DEFAULT.as_secs().to_string(),
                )),
            }
        }
        // Which endpoints are called, which is read elsewhere: `true`, in any case, or not.
        for name in SWITCHES {
            let written = variable(name).unwrap_or_default();
            let is_known = ["", "true", "false"]
                .iter()
                .any(|known| written.eq_ignore_ascii_case(known));
            if !is_known {
                let warning = unreadable(name, &written, "true or false", "false");
                settings.warnings.push(warning);
            }
        }
        if let Some(written) = variable(MEMORY_WRITTEN).or_else(|| variable(MEMORY_SIZE)) {
            match written.trim().parse::<u32>() {
                Ok(megabytes @ 1..=MEMORY_MAX_MB) => settings.memory = Some(megabytes.into()),
                _ => settings.warnings.push(unreadable(
                    MEMORY_SIZE,
                    &written,
                    &format!("a whole number of MB up to {MEMORY_MAX_MB}"),
                    "the least that a function can have",
                )),
            }
        }
        settings
    }
}

/// The sentence on a setting that cannot be read.
pub(crate) fn unreadable(name: &str, written: &str, expected: &str, default: &str) -> String {
    /// More of the value would not help.
    const WRITTEN_LIMIT_CHARS: usize = 40;
    let written = text::cut(&shown(written), WRITTEN_LIMIT_CHARS);
    format!("{name} is '{written}': expected {expected}; until then it is {default}")
}

/// A variable of this process's environment. What is not Unicode in it is replaced by U+FFFD, so
/// that its reader reports it as unreadable.
#[expect(clippy::disallowed_methods, reason = "this is the one door to it")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(watch: Option<&str>, memory: Option<&str>) -> Settings {
        Settings::read(|name| {
            let written = match name {
                WATCH_SECONDS => watch,
                MEMORY_SIZE => memory,
                _ => None,
            };
            written.map(str::to_owned)
        })
    }

    #[test]
    fn without_watch_seconds_forty_are_watched() {
        let settings = read(None, Some("128"));
        assert_eq!(settings.watch, Duration::from_secs(40));
        assert_eq!(settings.memory, Some(128));
        assert!(settings.warnings.is_empty());
        assert_eq!(read(None, None), Settings::default());
    }

    #[test]
    fn zero_watch_seconds_are_zero() {
        assert_eq!(read(Some(" 0 "), None).watch, Duration::ZERO);
    }

    #[test]
    fn what_cannot_be_read_is_the_default_and_a_warning_that_says_what_to_write() {
        let huge = "9".repeat(26);
        for wrong in [
            "", " ", "60s", "-1", "1e3", "1.5", "0x10", "4 0", "\0", &huge,
        ] {
            let settings = read(Some(wrong), Some(wrong));
            assert_eq!(settings.watch, WATCH_DEFAULT, "{wrong}");
            assert_eq!(settings.memory, None, "{wrong}");
            let [watch, memory] = &settings.warnings[..] else {
                unreachable!("one for each: {:?}", settings.warnings)
            };
            let begins = format!("WATCH_SECONDS is '{}'", shown(wrong));
            assert!(watch.starts_with(&begins), "{watch}");
            assert!(
                watch.contains("from 0 to 900") && watch.ends_with("it is 40"),
                "{watch}"
            );
            assert!(
                memory.starts_with("AWS_LAMBDA_FUNCTION_MEMORY_SIZE is '"),
                "{memory}"
            );
        }
        let switched = |written: &'static str| {
            let settings =
                Settings::read(|name| SWITCHES.contains(&name).then(|| written.to_owned()));
            settings.warnings.len()
        };
        assert_eq!((switched("TRUE"), switched(""), switched("yes")), (0, 0, 2));
        assert_eq!(read(Some("901"), None).watch, WATCH_DEFAULT);
        assert_eq!(read(Some("900"), None).warnings, Vec::<String>::new());
        assert_eq!(read(None, Some("10241")).memory, None);
        let long = read(Some(&"x".repeat(9000)), None);
        assert!(long.warnings[0].len() < 200, "{}", long.warnings[0]);
    }
}
