//! A lifecycle hook that ended a deployment.

use std::fmt;

/// A lifecycle hook that failed or timed out (`lifecycleHookDetails` of `DescribeServiceDeployments`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FailedHook {
    /// `hookId`, where ECS gives one.
    pub id: Option<String>,
    /// The lifecycle stage, as `POST_TEST_TRAFFIC_SHIFT`.
    pub stage: Option<String>,
    /// The ARN of the function that it calls, if it calls one.
    pub target: Option<String>,
    /// Nothing answered in time. Else it failed.
    pub timed_out: bool,
}

impl FailedHook {
    /// The name of the function that it calls: `arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]`.
    pub fn function(&self) -> Option<&str> {
        let arn = self.target.as_deref()?;
        let mut parts = arn.split(':').skip(5);
        let is_function = parts.next() == Some("function");
        let name = parts.next().filter(|_| is_function)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (!name.is_empty() && name.chars().all(is_name)).then_some(name)
    }
}

impl fmt::Display for FailedHook {
    /// `lifecycle hook h-1 at POST_SCALE_UP failed (function check)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.id, self.function()) {
            (Some(id), _) => write!(f, "lifecycle hook {id}")?,
            (None, Some(_)) => f.write_str("the lifecycle hook")?,
            (None, None) => f.write_str("a lifecycle hook")?,
        }
        if let Some(stage) = &self.stage {
            write!(f, " at {stage}")?;
        }
        f.write_str(if self.timed_out {
            " timed out"
        } else {
            " failed"
        })?;
        match self.function() {
            Some(function) => write!(f, " (function {function})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_said_with_its_stage_its_function_and_how_it_ended() {
        let arn = "arn:aws:lambda:eu-central-1:111122223333:function:check";
        let hook = |id: Option<&str>, target: Option<&str>, timed_out| FailedHook {
            id: id.map(str::to_owned),
            stage: Some("POST_SCALE_UP".to_owned()),
            target: target.map(str::to_owned),
            timed_out,
        };
        for (hook, said) in [
            (
                hook(Some("h-1"), Some(arn), false),
                "lifecycle hook h-1 at POST_SCALE_UP failed (function check)",
            ),
            (
                hook(None, Some(&format!("{arn}:live")), true),
                "the lifecycle hook at POST_SCALE_UP timed out (function check)",
            ),
            (
                hook(Some("h-1"), None, true),
                "lifecycle hook h-1 at POST_SCALE_UP timed out",
            ),
            (
                hook(None, Some("arn:aws:sns:r:1:topic"), false),
                "a lifecycle hook at POST_SCALE_UP failed",
            ),
            (FailedHook::default(), "a lifecycle hook failed"),
        ] {
            assert_eq!(hook.to_string(), said);
        }
    }

    #[test]
    fn a_function_is_named_only_by_a_name_that_is_one() {
        for target in [
            "arn:aws:lambda:r:1:function:../x",
            "arn:aws:lambda:r:1:function:",
            "function:x",
            "",
        ] {
            let hook = FailedHook {
                target: Some(target.to_owned()),
                ..FailedHook::default()
            };
            assert_eq!(hook.function(), None, "{target}");
        }
    }
}
