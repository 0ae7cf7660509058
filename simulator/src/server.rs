//! The one endpoint: lets a request meet its fault, and hands it to its service.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::service::S3Service;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::calls::Call;
use crate::cloud::Cloud;
use crate::faults::Fault;
use crate::hooks::Action;
use crate::request::{Asked, Kind, UNKNOWN, asked, signed};
use crate::tls::Listening;
use crate::wire::ApiError;

/// Serves connections until the task is dropped.
pub(crate) async fn serve(listener: TcpListener, cloud: Arc<Cloud>) {
    let s3 = cloud.s3.service();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        cloud.traffic.connected();
        tokio::spawn(connection(stream, cloud.clone(), s3.clone()));
    }
}

/// Serves the endpoints over TLS that come, until the task is dropped.
pub(crate) async fn serve_over_tls(
    mut endpoints: mpsc::UnboundedReceiver<Listening>,
    cloud: Arc<Cloud>,
) {
    while let Some(endpoint) = endpoints.recv().await {
        let cloud = cloud.clone();
        tokio::spawn(async move {
            let s3 = cloud.s3.service();
            let listener = TcpListener::from_std(endpoint.listener).expect("a socket of a runtime");
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                let (cloud, s3) = (cloud.clone(), s3.clone());
                let (acceptor, connections) =
                    (endpoint.acceptor.clone(), endpoint.connections.clone());
                tokio::spawn(async move {
                    // One round trip of TCP, one of TLS 1.3.
                    cloud.traffic.pass().await;
                    cloud.traffic.pass().await;
                    // Who does not trust us goes away.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connections.fetch_add(1, Ordering::SeqCst);
                        connection(stream, cloud, s3).await;
                    }
                });
            }
        });
    }
    // Who could send more has gone, and with them the need for this.
    std::future::pending::<()>().await;
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, cloud: Arc<Cloud>, s3: S3Service) {
    let service = service_fn(|request| answer(request, cloud.clone(), s3.clone()));
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

async fn answer(
    request: Request<Incoming>,
    cloud: Arc<Cloud>,
    s3: S3Service,
) -> Result<Response<Answered>, io::Error> {
    let passage = cloud.traffic.enter();
    let (parts, body) = request.into_parts();
    let raw_body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let asked = asked(
        &cloud.models,
        &parts.headers,
        &parts.method,
        &parts.uri,
        &raw_body,
    );
    let mut call = Call {
        service: asked.service,
        operation: asked.operation.clone(),
        request: asked.request.clone(),
        raw_body: raw_body.clone(),
        access_key_id: signed(&parts.headers, 0),
        region: signed(&parts.headers, 2),
        status: 0,
        error: None,
        at_ms: cloud.clock.now_ms(),
        response_bytes: 0,
        began: passage.began,
        ended: 0,
    };
    let (service, operation) = (asked.service, &asked.operation);
    let faults = &cloud.faults;
    let fault = faults.of(service, operation, &asked.request, call.at_ms);
    // What an endless answer needs to know is kept first: nobody comes back from there.
    cloud.record(call.clone());
    let (mut after, mut mutations) = (Vec::new(), Vec::new());
    for action in cloud.faults.hooks().due(&asked.operation) {
        match action {
            Action::Before(happen) => happen(),
            Action::After(happen) => after.push(happen),
            mutation @ Action::Mutate(_) => mutations.push(mutation),
        }
    }
    let done = match &fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Reset) => Err(io::Error::other("reset on request")),
        Some(Fault::Error(error)) => Ok((refused(&asked, error), Some(error.code.clone()))),
        Some(Fault::ResetAfter | Fault::TruncateBody | Fault::None) | None => {
            let request = Request::from_parts(parts, s3s::Body::from(raw_body));
            carry_out(&cloud, &asked, request, s3).await
        }
    };
    for happen in after {
        happen();
    }
    call.ended = passage.end().await;
    if let Ok((response, error)) = &done {
        call.error.clone_from(error);
        call.response_bytes = u64::try_from(response.body().len()).unwrap_or(u64::MAX);
        if fault != Some(Fault::ResetAfter) {
            call.status = response.status().as_u16();
        }
    }
    cloud.replace(call.clone());
    let (response, _) = done?;
    if fault == Some(Fault::ResetAfter) {
        return Err(io::Error::other("reset on request, after the fact"));
    }
    let breaks_off = fault == Some(Fault::TruncateBody);
    let mut response = cloud.faults.hooks().reply(mutations, &call, response);
    let length = response.body().len();
    if length > 0 {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    Ok(response.map(|bytes| Answered {
        left: Some(bytes),
        breaks_off,
    }))
}

/// The answer, and the code of the error if it is one.
async fn carry_out(
    cloud: &Cloud,
    asked: &Asked,
    request: Request<s3s::Body>,
    s3: S3Service,
) -> Result<(Response<Bytes>, Option<String>), io::Error> {
    let scope = signed(request.headers(), 3);
    let answered = match &asked.kind {
        Kind::Json => well_scoped(asked.service, scope.as_deref())
            .and_then(|()| cloud.call(asked.service, &asked.operation, &asked.request))
            .map(|value| json_answer(StatusCode::OK, &value)),
        Kind::Rest => cloud
            .call(asked.service, &asked.operation, &asked.request)
            .map(|value| respond(StatusCode::OK, "application/json", value.to_string())),
        Kind::Query => cloud
            .call(asked.service, &asked.operation, &asked.request)
            .map(|xml| xml_answer(StatusCode::OK, xml.as_str().unwrap_or_default().to_owned())),
        Kind::Sts(form) => well_scoped(asked.service, scope.as_deref())
            .and_then(|()| cloud.sts.call(form))
            .map(|xml| xml_answer(StatusCode::OK, xml)),
        Kind::Blob(digest) => {
            return Ok(match cloud.ecr.blob(digest) {
                Some(blob) => (json_answer(StatusCode::OK, &blob), None),
                None => (
                    json_answer(StatusCode::NOT_FOUND, &json!({})),
                    Some("404".to_owned()),
                ),
            });
        }
        Kind::S3 => {
            let response = s3.call(request).await.map_err(|_| io::Error::other("s3"))?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
            let error = (!parts.status.is_success()).then(|| code_in(&body));
            return Ok((Response::from_parts(parts, body), error));
        }
    };
    Ok(match answered {
        Ok(response) => (response, None),
        Err(error) => (refused(asked, &error), Some(error.code)),
    })
}

/// Who signs for another service is refused.
fn well_scoped(service: &str, scope: Option<&str>) -> Result<(), ApiError> {
    if service == UNKNOWN || scope.is_none_or(|scope| scope == service) {
        return Ok(());
    }
    let message = format!("Credential should be scoped to correct service: '{service}'.");
    Err(ApiError::new("InvalidSignatureException", message))
}

fn refused(asked: &Asked, error: &ApiError) -> Response<Bytes> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let ApiError { code, message, .. } = error;
    match asked.kind {
        Kind::Json | Kind::Blob(_) => json_answer(status, &error.body()),
        Kind::Rest => {
            let body = json!({"Message": message}).to_string();
            let mut response = respond(status, "application/json", body);
            if let Ok(code) = hyper::header::HeaderValue::from_str(code) {
                response.headers_mut().insert("x-amzn-errortype", code);
            }
            response
        }
        Kind::Sts(_) | Kind::Query => xml_answer(
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

fn code_in(xml: &[u8]) -> String {
    let xml = String::from_utf8_lossy(xml);
    let code = xml
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map_or_else(|| "unknown".to_owned(), |(code, _)| code.to_owned())
}
