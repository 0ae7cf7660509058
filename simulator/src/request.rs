//! A request by its parts: which service and operation it is for, and what it asks for.

use hyper::Method;
use hyper::header::HeaderMap;
use serde_json::{Value, json};

use crate::account;
use crate::ecr;
use crate::model::Models;
use crate::scheduler;
use crate::wire::percent_decoded;

/// Whose target nobody knows.
pub(crate) const UNKNOWN: &str = "unknown";

/// What a request asks for.
pub(crate) struct Asked {
    pub(crate) service: &'static str,
    pub(crate) operation: String,
    pub(crate) request: Value,
    pub(crate) kind: Kind,
}

/// How it is asked.
pub(crate) enum Kind {
    Json,
    /// JSON about what the path names.
    Rest,
    Sts(Vec<(String, String)>),
    /// A form about what its members say.
    Query,
    S3,
    /// A blob of an image, by its digest.
    Blob(String),
}

/// What a request asks for; the protocol decides where that stands.
pub(crate) fn asked(
    models: &Models,
    headers: &HeaderMap,
    method: &Method,
    uri: &hyper::Uri,
    body: &[u8],
) -> Asked {
    if let Some(target) = header(headers, "x-amz-target") {
        return asked_of_target(models, target, body);
    }
    let is_form = header(headers, "content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if is_form {
        return asked_in_form(signed(headers, 3).as_deref(), body);
    }
    if signed(headers, 3).as_deref() == Some(scheduler::SERVICE) {
        let query = uri.query().unwrap_or_default();
        let (operation, request) = scheduler::asked(method, uri.path(), query, body);
        return Asked {
            service: scheduler::SERVICE,
            operation,
            request,
            kind: Kind::Rest,
        };
    }
    let path = uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    if bucket == ecr::BLOBS {
        return Asked {
            service: "ecr",
            operation: "GetBlob".to_owned(),
            request: json!({"digest": key}),
            kind: Kind::Blob(key.to_owned()),
        };
    }
    asked_of_object(headers, method, uri, bucket, key)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// AWS's JSON protocol: a header names service and operation.
fn asked_of_target(models: &Models, target: &str, body: &[u8]) -> Asked {
    let (service, operation) = models.operation_of(target).unwrap_or((UNKNOWN, target));
    let request = if body.is_empty() {
        Ok(json!({}))
    } else {
        serde_json::from_slice(body)
    };
    Asked {
        service,
        operation: operation.to_owned(),
        request: request.unwrap_or(Value::Null),
        kind: Kind::Json,
    }
}

/// The query protocol, in which STS and some services of the account are asked.
fn asked_in_form(scope: Option<&str>, body: &[u8]) -> Asked {
    let form = form_in(body);
    let operation = form.iter().find(|(name, _)| name == "Action");
    let services = account::IN_FORMS.iter();
    if let Some(service) = services.copied().find(|one| scope == Some(one)) {
        return Asked {
            service,
            operation: operation.map_or_else(String::new, |(_, value)| value.clone()),
            request: members_of(&form),
            kind: Kind::Query,
        };
    }
    Asked {
        service: "sts",
        operation: operation.map_or_else(String::new, |(_, value)| value.clone()),
        request: form
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect(),
        kind: Kind::Sts(form),
    }
}

/// The members of a form, whose lists are written `NAME.member.1`.
fn members_of(form: &[(String, String)]) -> Value {
    let mut request = json!({});
    for (name, value) in form {
        match name.split_once(".member.") {
            Some((list, _)) if request[list].is_array() => {
                if let Some(items) = request[list].as_array_mut() {
                    items.push(json!(value));
                }
            }
            Some((list, _)) => request[list] = json!([value]),
            None if name == "Action" || name == "Version" => {}
            None => request[name] = json!(value),
        }
    }
    request
}

/// S3, whose operation is the method and whose parameters are headers.
fn asked_of_object(
    headers: &HeaderMap,
    method: &Method,
    uri: &hyper::Uri,
    bucket: &str,
    key: &str,
) -> Asked {
    let header = |name: &str| header(headers, name);
    let version = uri.query().and_then(|query| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(name, _)| *name == "versionId")
    });
    let operation = match (method, key.is_empty()) {
        (&Method::GET, false) => "GetObject",
        (&Method::HEAD, false) => "HeadObject",
        (&Method::PUT, false) => "PutObject",
        _ => "Unknown",
    };
    let key = percent_decoded(key);
    let request = if operation == "PutObject" {
        let encryption = |rest| header(&format!("x-amz-server-side-encryption{rest}"));
        json!({
            "Bucket": bucket, "Key": key,
            "IfMatch": header("if-match"), "IfNoneMatch": header("if-none-match"),
            "ServerSideEncryption": encryption(""),
            "SSEKMSKeyId": encryption("-aws-kms-key-id"),
            "SSEKMSEncryptionContext": encryption("-context"),
            "BucketKeyEnabled": encryption("-bucket-key-enabled"),
        })
    } else {
        json!({
            "Bucket": bucket, "Key": key, "Range": header("range"),
            "IfMatch": header("if-match"), "VersionId": version.map(|(_, id)| id),
        })
    };
    Asked {
        service: "s3",
        operation: operation.to_owned(),
        request,
        kind: Kind::S3,
    }
}

/// A part of `AWS4-HMAC-SHA256 Credential=AKIA…/20260921/REGION/SERVICE/…`: the key's id is the
/// first.
pub(crate) fn signed(headers: &HeaderMap, part: usize) -> Option<String> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    let (_, rest) = authorization.split_once("Credential=")?;
    rest.split('/').nth(part).map(str::to_owned)
}

fn form_in(body: &[u8]) -> Vec<(String, String)> {
    let body = String::from_utf8_lossy(body);
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), percent_decoded(&value.replace('+', " "))))
        .collect()
}
