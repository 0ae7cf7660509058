//! The only place where an SDK error is classified. Everyone else matches on [`Class`].

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::deploy::call::{CallError, Class};
use crate::deploy::outside::shown;
use crate::deploy::text;

/// AWS's text is kept up to this length.
const DETAIL_LIMIT_CHARS: usize = 1000;

/// Classifies what the SDK returned.
pub fn of_sdk<E>(
    operation: &'static str,
    subject: impl Into<String>,
    error: &SdkError<E, HttpResponse>,
) -> CallError
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
    CallError {
        operation,
        subject: subject.into(),
        resource: None,
        class,
        detail: text::cut(&shown(&detail), DETAIL_LIMIT_CHARS),
        region: None,
        request_id: error
            .raw_response()
            .and_then(|response| {
                let headers = response.headers();
                headers
                    .get("x-amzn-requestid")
                    .or_else(|| headers.get("x-amz-request-id"))
            })
            .map(Box::from),
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
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>,
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
fn class_of(code: Option<&str>, message: Option<&str>, status: Option<u16>) -> Class {
    let message = message.unwrap_or_default();
    let code = code.unwrap_or_default();
    match code {
        "ClusterNotFoundException"
        | "ServiceNotFoundException"
        | "JobNotFoundException"
        | "NoSuchKey"
        | "NoSuchBucket"
        | "NoSuchVersion"
        | "RepositoryNotFoundException"
        | "ResourceNotFoundException"
        | "LayersNotFoundException"
        | "PullThroughCacheRuleNotFoundException"
        | "TargetGroupNotFound"
        | "NoSuchEntity"
        | "NotFound" => Class::Missing,
        "ClientException" if message.contains("Unable to describe task definition") => {
            Class::Missing
        }
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "KMS.AccessDenied" => {
            Class::Denied
        }
        // AWS answers any of these to a signature of another time.
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Class::Clock,
        "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "AuthFailure"
            if is_about_time(message) =>
        {
            Class::Clock
        }
        "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => Class::Unsigned,
        // S3 says InvalidToken, STS InvalidClientTokenId, the others UnrecognizedClientException.
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "InvalidToken"
        | "InvalidSecurity"
        | "AuthFailure"
        | "RegionDisabledException" => Class::Unknown,
        "OptInRequired"
        | "SubscriptionRequiredException"
        | "NotSignedUp"
        | "AccountProblem"
        | "AllAccessDisabled"
        | "InvalidPayer"
        | "PendingVerification"
        | "BlockedException"
        | "Blocked" => Class::Account,
        "ExpiredToken" | "ExpiredTokenException" => Class::Expired,
        "InvalidObjectState"
        | "ImageInaccessible"
        | "ImageInaccessibleException"
        | "ImageArchivedException"
        | "LayerInaccessibleException" => Class::Archived,
        "PreconditionFailed" => Class::Changed,
        "InvalidRange" => Class::Empty,
        "ThrottlingException"
        | "KMS.ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
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
        | "KMS.KMSInternalException"
        | "KMS.DependencyTimeoutException"
        | "InternalFailure"
        | "InternalError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout" => Class::Unavailable,
        // S3 hands on what KMS says: DisabledException, KMSInvalidStateException, NotFoundException.
        code if code.starts_with("KMS.") => Class::KeyUnusable,
        "KMSInvalidStateException" | "KMSDisabledException" | "KmsException" => Class::KeyUnusable,
        code if is_denial(code, message) => Class::Denied,
        code => match status {
            // A code that is not known, and does not name a permission, is not classified as a denial.
            Some(403) if !code.is_empty() => Class::Refused,
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

/// Whether a refused signature is one of another time
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html>):
/// `Signature expired: 20260921T100000Z is now earlier than …`, `Signature not yet current: …`.
fn is_about_time(message: &str) -> bool {
    let about = [
        "Signature expired",
        "Signature not yet current",
        "is now earlier than",
    ];
    about.iter().any(|text| message.contains(text))
}

/// Whether a code that is not known, or its text, says that a permission is missing.
fn is_denial(code: &str, message: &str) -> bool {
    let about = ["Denied", "Unauthorized", "NotAuthorized", "Forbidden"];
    about.iter().any(|part| code.contains(part)) || message.contains("not authorized to perform: ")
}

/// The error and its sources in one line, without repetition.
fn chain(error: &dyn Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
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
    fn a_403_or_an_authentication_code_is_not_always_a_missing_permission() {
        let expired = "Signature expired: 20260921T100000Z is now earlier than 20260921T110000Z";
        let early = "Signature not yet current: 20260921T110000Z is still later than 2026";
        let denied = "User: a is not authorized to perform: iam:PassRole on resource: b";
        for (code, message, status, class) in [
            (
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
                400,
                Class::Unknown,
            ),
            (
                "InvalidClientTokenId",
                "The security token included in the request is invalid",
                403,
                Class::Unknown,
            ),
            (
                "InvalidToken",
                "The provided token is malformed or otherwise invalid.",
                400,
                Class::Unknown,
            ),
            ("InvalidAccessKeyId", "", 403, Class::Unknown),
            (
                "RegionDisabledException",
                "STS is not activated in this region",
                403,
                Class::Unknown,
            ),
            ("AuthFailure", "", 403, Class::Unknown),
            ("OptInRequired", "", 403, Class::Account),
            ("SubscriptionRequiredException", "", 400, Class::Account),
            ("AccountProblem", "", 403, Class::Account),
            ("AllAccessDisabled", "", 403, Class::Account),
            ("NotSignedUp", "", 403, Class::Account),
            (
                "BlockedException",
                "Your account was blocked",
                400,
                Class::Account,
            ),
            ("InvalidSignatureException", expired, 403, Class::Clock),
            ("SignatureDoesNotMatch", early, 403, Class::Clock),
            ("RequestTimeTooSkewed", "", 403, Class::Clock),
            ("RequestExpired", "", 400, Class::Clock),
            (
                "InvalidSignatureException",
                "The request signature we calculated does not match",
                403,
                Class::Unsigned,
            ),
            ("SignatureDoesNotMatch", "", 403, Class::Unsigned),
            ("IncompleteSignature", "", 403, Class::Unsigned),
            (
                "MissingAuthenticationTokenException",
                "",
                403,
                Class::Unsigned,
            ),
            (
                "InvalidObjectState",
                "The operation is not valid for the object's storage class",
                403,
                Class::Archived,
            ),
            ("ImageInaccessible", "", 400, Class::Archived),
            ("LayerInaccessibleException", "", 400, Class::Archived),
            (
                "KMS.DisabledException",
                "arn:aws:kms:r:1:key/k is disabled.",
                400,
                Class::KeyUnusable,
            ),
            (
                "KMS.KMSInvalidStateException",
                "is pending deletion",
                400,
                Class::KeyUnusable,
            ),
            ("KMS.ThrottlingException", "", 400, Class::Throttled),
            ("SomethingNew", "", 403, Class::Refused),
            ("SomethingNew", denied, 400, Class::Denied),
            ("KMSAccessDeniedException", "", 400, Class::Denied),
            ("NotAuthorizedException", "", 401, Class::Denied),
            ("AccessDenied", "", 403, Class::Denied),
        ] {
            let found = class_of(Some(code), Some(message), Some(status));
            assert_eq!(found, class, "{code}: {message}");
        }
    }

    #[test]
    fn an_error_keeps_the_resource_and_the_region_that_it_has() {
        let error = CallError::unusable("sts:AssumeRole", "role r", Class::Denied, "no");
        let error = error
            .about_resource("arn:role")
            .in_region(Some("eu-west-1"));
        let again = error
            .clone()
            .about_resource("arn:service")
            .in_region(Some("eu-west-2"));
        assert_eq!(again, error);
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
