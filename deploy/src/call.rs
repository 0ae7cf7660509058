//! A call to AWS that failed, and what that means. Made where the error's type is known; everyone else
//! matches on [`Class`].

use std::error::Error;
use std::fmt;

use super::outside::shown;

/// What a failed call means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The thing that the call is about does not exist.
    Missing,
    /// Not allowed: a permission is missing.
    Denied,
    /// The credentials are not valid any more.
    Expired,
    /// The credentials are not known where the call went: mostly because the account has not
    /// enabled the Region.
    Unknown,
    /// The signature is missing, incomplete or wrong.
    Unsigned,
    /// The signature is of another time than AWS's clock shows.
    Clock,
    /// The account may not use the service: it is not subscribed, or there is a problem with it.
    Account,
    /// It exists, but in an archive, from which it has to be restored first.
    Archived,
    /// The KMS key that it is encrypted with is disabled, pending deletion or gone.
    KeyUnusable,
    /// The object changed between two reads (412).
    Changed,
    /// A range of an object that has no bytes there (416): it is empty.
    Empty,
    /// Too many calls; certainly nothing was done.
    Throttled,
    /// 5xx, time-out, network: the call may or may not have been carried out.
    Unavailable,
    /// The job has its final answer already, or is not in progress.
    JobOver,
    /// AWS does not accept the request as it is; sent again it would not either.
    Refused,
    /// This endpoint does not have the operation.
    Unsupported,
}

/// What a call that makes something has made, where it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, and it may at another time.
    NotNow,
    /// Nothing, and it never will.
    Never,
    /// It may have been carried out.
    Unknown,
}

impl Class {
    /// What a call that makes something has made, where it failed so.
    pub fn effect(self) -> Effect {
        match self {
            Self::Throttled => Effect::NotNow,
            Self::Unavailable => Effect::Unknown,
            Self::Missing
            | Self::Denied
            | Self::Expired
            | Self::Unknown
            | Self::Unsigned
            | Self::Clock
            | Self::Account
            | Self::Archived
            | Self::KeyUnusable
            | Self::Changed
            | Self::Empty
            | Self::JobOver
            | Self::Refused
            | Self::Unsupported => Effect::Never,
        }
    }
}

/// A call that failed, through all its retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// As IAM names it: `ecs:DescribeServices`.
    pub operation: &'static str,
    /// What it was about, as `service web on prod`.
    pub subject: String,
    /// The ARN of what it was about, for an IAM statement, where the caller knows it.
    pub resource: Option<Box<str>>,
    /// What it means.
    pub class: Class,
    /// AWS's code and text, or the network's.
    pub detail: String,
    /// The Region that was called, where the caller knows it.
    pub region: Option<Box<str>>,
    /// AWS's id of the request, for its support.
    pub request_id: Option<Box<str>>,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.operation, self.subject, self.detail)
    }
}

impl Error for CallError {}

impl CallError {
    /// An error of our own making, where AWS's answer was no error but cannot be used.
    pub fn unusable(
        operation: &'static str,
        subject: impl Into<String>,
        class: Class,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            operation,
            subject: subject.into(),
            resource: None,
            class,
            detail: shown(&detail.into()),
            region: None,
            request_id: None,
        }
    }

    /// Whether the same call may be answered otherwise before long. All else is an answer that
    /// stays.
    pub fn may_pass(&self) -> bool {
        matches!(
            self.class,
            Class::Throttled | Class::Unavailable | Class::Expired
        )
    }

    /// Whether the call only looks, so that it has changed nothing whatever became of it.
    pub fn is_read(&self) -> bool {
        let name = self.operation.rsplit(':').next().unwrap_or_default();
        ["Describe", "List", "Get", "BatchGet"]
            .iter()
            .any(|begin| name.starts_with(begin))
    }

    /// Whether AWS refused it, for want of a permission or for another reason that somebody has to correct.
    pub fn is_denial(&self) -> bool {
        matches!(
            self.class,
            Class::Denied | Class::Unknown | Class::Unsigned | Class::Clock | Class::Account
        )
    }

    /// The same, with the ARN of what the call was about. An error of a call that had to come first
    /// keeps its own.
    #[must_use]
    pub fn about_resource(mut self, arn: impl Into<String>) -> Self {
        self.resource.get_or_insert_with(|| arn.into().into());
        self
    }

    /// The same, with the Region that was called, if the error does not name one yet.
    #[must_use]
    pub fn in_region(mut self, region: Option<&str>) -> Self {
        self.region = self.region.or_else(|| region.map(Box::from));
        self
    }
}
