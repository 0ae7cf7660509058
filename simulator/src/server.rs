//! The one endpoint: takes a request apart, lets it meet its fault, and hands it to its service.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::service::S3Service;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::Hook;
use crate::Inner;
use crate::calls::Call;
use crate::faults::Fault;
use crate::wire::ApiError;

/// Serves connections until the task is dropped.
pub(crate) async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    let s3 = inner.s3.service();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(connection(stream, inner.clone(), s3.clone()));
    }
}

async fn connection(stream: TcpStream, inner: Arc<Inner>, s3: S3Service) {
    let service = service_fn(|request| answer(request, inner.clone(), s3.clone()));
    // A connection that breaks off is what some tests are for.
    drop(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

/// The body of an answer, which may be made to break off half way.
pub(crate) struct Answered {
    left: Option<Bytes>,
    breaks_off: bool,
}

impl Body for Answered {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(bytes) = self.left.take() else {
            let broken = self.breaks_off.then(|| Err(io::Error::other("broken off")));
            return Poll::Ready(broken);
        };
        let bytes = if self.breaks_off {
            bytes.slice(..bytes.len() / 2)
        } else {
            bytes
        };
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

/// What a request asks for.
struct Asked {
    service: &'static str,
    operation: String,
    request: Value,
    kind: Kind,
}

enum Kind {
    Json,
    Sts(Vec<(String, String)>),
    S3,
    /// A blob of an image, by its digest.
    Blob(String),
}

async fn answer(
    request: Request<Incoming>,
    inner: Arc<Inner>,
    s3: S3Service,
) -> Result<Response<Answered>, io::Error> {
    let (parts, body) = request.into_parts();
    let raw_body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let asked = asked(&inner, &parts.headers, &parts.method, &parts.uri, &raw_body);
    let mut call = Call {
        service: asked.service,
        operation: asked.operation.clone(),
        request: asked.request.clone(),
        raw_body: raw_body.clone(),
        access_key_id: signed(&parts.headers, 0),
        region: signed(&parts.headers, 2),
        status: 0,
        error: None,
        at_ms: inner.clock.now_ms(),
        response_bytes: 0,
    };
    let fault = inner
        .faults
        .of(asked.service, &asked.operation, &asked.request);
    // What an endless answer needs to know is kept first: nobody comes back from there.
    let place = inner.record(call.clone());
    inner.call_hooks(&asked.operation);
    let (response, error) = match &fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Reset) => return Err(io::Error::other("reset on request")),
        Some(Fault::Error(error)) => (refused(&asked, error), Some(error.code.clone())),
        Some(Fault::ResetAfter | Fault::TruncateBody | Fault::None) | None => match &asked.kind {
            Kind::Json => match inner.call(asked.service, &asked.operation, &asked.request) {
                Ok(value) => (json_answer(StatusCode::OK, &value), None),
                Err(error) => (refused(&asked, &error), Some(error.code)),
            },
            Kind::Sts(form) => match inner.sts.call(form) {
                Ok(xml) => (xml_answer(StatusCode::OK, xml), None),
                Err(error) => (refused(&asked, &error), Some(error.code)),
            },
            Kind::Blob(digest) => match inner.ecr.blob(digest) {
                Some(blob) => (json_answer(StatusCode::OK, &blob), None),
                None => (
                    json_answer(StatusCode::NOT_FOUND, &json!({})),
                    Some("404".to_owned()),
                ),
            },
            Kind::S3 => {
                let request = Request::from_parts(parts, s3s::Body::from(raw_body));
                let response = s3.call(request).await.map_err(|_| io::Error::other("s3"))?;
                let (parts, body) = response.into_parts();
                let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
                let error = (!parts.status.is_success()).then(|| code_in(&body));
                (Response::from_parts(parts, body), error)
            }
        },
    };
    call.status = response.status().as_u16();
    call.error = error;
    call.response_bytes = u64::try_from(response.body().len()).unwrap_or(u64::MAX);
    if fault == Some(Fault::ResetAfter) {
        call.status = 0;
        inner.replace(place, call);
        return Err(io::Error::other("reset on request, after the fact"));
    }
    inner.replace(place, call);
    let breaks_off = fault == Some(Fault::TruncateBody);
    let mut response = response;
    let length = response.body().len();
    if length > 0 {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    Ok(response.map(|bytes| Answered {
        left: Some(bytes),
        breaks_off,
    }))
}

fn asked(
    inner: &Inner,
    headers: &HeaderMap,
    method: &Method,
    uri: &hyper::Uri,
    body: &[u8],
) -> Asked {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(target) = header("x-amz-target") {
        let (service, operation) = inner
            .models
            .operation_of(target)
            .unwrap_or(("unknown", target));
        let request = if body.is_empty() {
            Ok(json!({}))
        } else {
            serde_json::from_slice(body)
        };
        return Asked {
            service,
            operation: operation.to_owned(),
            request: request.unwrap_or(Value::Null),
            kind: Kind::Json,
        };
    }
    let is_form = header("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if is_form {
        let form = form_in(body);
        let operation = form.iter().find(|(name, _)| name == "Action");
        return Asked {
            service: "sts",
            operation: operation.map_or_else(String::new, |(_, value)| value.clone()),
            request: form
                .iter()
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect(),
            kind: Kind::Sts(form),
        };
    }
    let path = uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    if bucket == crate::ecr::BLOBS {
        return Asked {
            service: "ecr",
            operation: "GetBlob".to_owned(),
            request: json!({"digest": key}),
            kind: Kind::Blob(key.to_owned()),
        };
    }
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
    Asked {
        service: "s3",
        operation: operation.to_owned(),
        request: json!({
            "Bucket": bucket, "Key": key, "Range": header("range"),
            "IfMatch": header("if-match"), "VersionId": version.map(|(_, id)| id),
        }),
        kind: Kind::S3,
    }
}

fn refused(asked: &Asked, error: &ApiError) -> Response<Bytes> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let ApiError { code, message, .. } = error;
    match asked.kind {
        Kind::Json | Kind::Blob(_) => json_answer(status, &error.body()),
        Kind::Sts(_) => xml_answer(
            status,
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>sts</RequestId></ErrorResponse>"
            ),
        ),
        Kind::S3 => xml_answer(
            status,
            format!(
                "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>s3</RequestId></Error>"
            ),
        ),
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Bytes> {
    respond(status, "application/x-amz-json-1.1", body.to_string())
}

fn xml_answer(status: StatusCode, body: String) -> Response<Bytes> {
    respond(status, "application/xml", body)
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    headers.insert(
        "x-amzn-requestid",
        hyper::header::HeaderValue::from_static("00000000-0000-0000-0000-000000000000"),
    );
    response
}

/// A part of `AWS4-HMAC-SHA256 Credential=AKIA…/20260921/REGION/…`: the key's id is the first.
fn signed(headers: &HeaderMap, part: usize) -> Option<String> {
    let authorization = headers.get("authorization")?.to_str().ok()?;
    let (_, rest) = authorization.split_once("Credential=")?;
    rest.split('/').nth(part).map(str::to_owned)
}

fn code_in(xml: &[u8]) -> String {
    let xml = String::from_utf8_lossy(xml);
    let code = xml
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map_or_else(|| "unknown".to_owned(), |(code, _)| code.to_owned())
}

fn form_in(body: &[u8]) -> Vec<(String, String)> {
    let body = String::from_utf8_lossy(body);
    body.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| char::from(byte.unwrap_or(b'0')).to_digit(16).unwrap_or(0);
        match byte {
            b'%' => {
                let value = hex(rest.next()) * 16 + hex(rest.next());
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Inner {
    /// Checks a request and carries it out.
    fn call(&self, service: &str, operation: &str, request: &Value) -> Result<Value, ApiError> {
        if request.is_null() {
            let message = "The request is not JSON.";
            return Err(ApiError::new("SerializationException", message));
        }
        {
            let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
            self.models.check(service, operation, request, &allowed)?;
        }
        match service {
            "ecs" => self
                .ecs
                .call(operation, request, self.faults.staleness(operation)),
            "codepipeline" => self.codepipeline.call(operation, request),
            "ecr" => self.ecr.call(operation, request),
            _ => self.logs.call(request),
        }
    }

    /// What waits for a call of this operation happens, once.
    fn call_hooks(&self, operation: &str) {
        let waiting = {
            let mut hooks = self.hooks.lock().unwrap_or_else(PoisonError::into_inner);
            let (due, later) = std::mem::take(&mut *hooks)
                .into_iter()
                .partition(|(name, _)| name == operation);
            *hooks = later;
            let due: Vec<Hook> = due;
            due
        };
        for (_, happen) in waiting {
            happen();
        }
    }

    fn record(&self, call: Call) -> usize {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
        calls.len() - 1
    }

    fn replace(&self, place: usize, call: Call) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        // Not there any more if the record was cleared meanwhile.
        if let Some(recorded) = calls.get_mut(place) {
            *recorded = call;
        }
    }
}
