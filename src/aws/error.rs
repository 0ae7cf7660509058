//! The only place where an SDK error is classified. Everyone else matches on [`Class`].

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::deploy::outside::shown;
use crate::deploy::text;

/// AWS's words are kept up to this length.
const DETAIL_LIMIT_CHARS: usize = 1000;

/// What a failed call means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The thing that the call is about does not exist.
    Missing,
    /// Not allowed.
    Denied,
    /// The credentials are not valid any more.
    Expired,
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

/// A call that failed, through all its retries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// As IAM names it: `ecs:DescribeServices`.
    pub operation: &'static str,
    /// What it was about, as `service web on prod`.
    pub subject: String,
    /// The ARN of what it was about, for an IAM statement, where the caller knows it.
    pub resource: Option<String>,
    /// What it means.
    pub class: Class,
    /// AWS's code and words, or the network's.
    pub detail: String,
    /// AWS's id of the request, for its support.
    pub request_id: Option<String>,
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

    /// The same, with the ARN of what the call was about.
    #[must_use]
    pub fn about_resource(mut self, arn: impl Into<String>) -> Self {
        self.resource = Some(arn.into());
        self
    }

    /// Classifies what the SDK returned.
    pub fn from_sdk<E>(
        operation: &'static str,
        subject: impl Into<String>,
        error: &SdkError<E, HttpResponse>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        // The call never came to be, because of one that had to come first.
        if let Some(before) = cause_in(error) {
            return before.clone();
        }
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let (code, message) = match error {
            SdkError::ServiceError(service) => {
                let error = service.err();
                (error.code(), error.message())
            }
            _ => (None, None),
        };
        let class = match error {
            SdkError::ServiceError(_) => class_of(code, message, status),
            SdkError::ConstructionFailure(_) => Class::Refused,
            SdkError::ResponseError(_) if status.is_some_and(|status| status < 500) => {
                class_of(None, None, status)
            }
            _ => Class::Unavailable,
        };
        let detail = match (code, message) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, Some(message)) => message.to_owned(),
            (None, None) => match status {
                Some(status) => format!("HTTP status {status}"),
                None => chain(error),
            },
        };
        Self {
            operation,
            subject: subject.into(),
            resource: None,
            class,
            detail: text::cut(&shown(&detail), DETAIL_LIMIT_CHARS),
            request_id: error
                .raw_response()
                .and_then(|response| {
                    let headers = response.headers();
                    headers
                        .get("x-amzn-requestid")
                        .or_else(|| headers.get("x-amz-request-id"))
                })
                .map(str::to_owned),
        }
    }
}

/// What an earlier call with the same client token has made: `resourceIds` of ECS's
/// `ConflictException`
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html>).
pub(super) fn made_before<E>(error: &SdkError<E, HttpResponse>) -> Option<String> {
    let body = error.raw_response()?.body().bytes()?;
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(body["resourceIds"][0].as_str()?.to_owned())
}

/// The failed call that provided no credentials, if that is the cause.
fn cause_in<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CallError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<CallError>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Codes: the API models' error shapes, and each service's list of common errors
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
fn class_of(code: Option<&str>, message: Option<&str>, status: Option<u16>) -> Class {
    let message = message.unwrap_or_default();
    match code.unwrap_or_default() {
        "ClusterNotFoundException"
        | "ServiceNotFoundException"
        | "JobNotFoundException"
        | "NoSuchKey"
        | "NoSuchBucket"
        | "NoSuchVersion"
        | "RepositoryNotFoundException"
        | "ResourceNotFoundException"
        | "LayersNotFoundException"
        | "NotFound" => Class::Missing,
        "ClientException" if message.contains("Unable to describe task definition") => {
            Class::Missing
        }
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AllAccessDisabled"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => Class::Denied,
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "InvalidToken" => {
            Class::Expired
        }
        "PreconditionFailed" => Class::Changed,
        "InvalidRange" => Class::Empty,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "SlowDown"
        | "RequestLimitExceeded" => Class::Throttled,
        "ClientException" if message.contains("Too many concurrent attempts") => Class::Throttled,
        "InvalidJobStateException" => Class::JobOver,
        // ECS declares the second for the calls on service deployments.
        "UnknownOperationException"
        | "UnsupportedFeatureException"
        | "UnknownOperation"
        | "InvalidAction"
        | "NotImplemented" => Class::Unsupported,
        "ServerException"
        | "InternalFailure"
        | "InternalError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout" => Class::Unavailable,
        _ => match status {
            Some(403) => Class::Denied,
            Some(404) => Class::Missing,
            Some(412) => Class::Changed,
            Some(416) => Class::Empty,
            Some(429) => Class::Throttled,
            Some(501) => Class::Unsupported,
            Some(500..) | None => Class::Unavailable,
            Some(_) => Class::Refused,
        },
    }
}

/// The error and its sources in one line, without repetition.
fn chain(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        if !parts.iter().any(|part| part.contains(&words)) {
            parts.push(words);
        }
        next = error.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_before_statuses_and_statuses_where_codes_are_unknown() {
        let class = |code: &str, status: u16| class_of(Some(code), None, Some(status));
        assert_eq!(class("ServiceNotFoundException", 400), Class::Missing);
        assert_eq!(class("AccessDeniedException", 400), Class::Denied);
        assert_eq!(class("ThrottlingException", 400), Class::Throttled);
        assert_eq!(class("InvalidJobStateException", 400), Class::JobOver);
        assert_eq!(class("ServerException", 500), Class::Unavailable);
        assert_eq!(class("ExpiredToken", 400), Class::Expired);
        assert_eq!(class("SomethingNew", 400), Class::Refused);
        assert_eq!(class("SomethingNew", 503), Class::Unavailable);
        assert_eq!(class("NotImplemented", 501), Class::Unsupported);
        assert_eq!(
            class("UnsupportedFeatureException", 400),
            Class::Unsupported
        );
        assert_eq!(class_of(None, None, Some(403)), Class::Denied);
        assert_eq!(class_of(None, None, Some(412)), Class::Changed);
        assert_eq!(class_of(None, None, None), Class::Unavailable);
    }

    #[test]
    fn ecs_hides_two_classes_in_its_client_exception() {
        let class = |message: &str| class_of(Some("ClientException"), Some(message), Some(400));
        assert_eq!(class("Unable to describe task definition."), Class::Missing);
        assert_eq!(
            class("Too many concurrent attempts to create a new revision of the specified family."),
            Class::Throttled
        );
        assert_eq!(class("Invalid 'cpu' setting"), Class::Refused);
    }
}
