//! Signed requests whose bodies are raw JSON, for services of which we need a few calls and every
//! field as it came: a typed client would add its code to the function and lose what it does not
//! know.

use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime::client::orchestrator::operation::Operation;
use aws_smithy_runtime::client::retries::classifiers::{
    HttpStatusCodeClassifier, TransientErrorClassifier,
};
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::auth::{
    AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::StaticRuntimePlugin;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::Layer;
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use aws_smithy_types::retry::ErrorKind;
use aws_smithy_xml::decode::{Document, ScopedDecoder, try_data};
use aws_types::SdkConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::endpoint::{self, Service};
use super::error::of_sdk;
use crate::deploy::call::{CallError, Class};

/// A service in one Region, with one set of credentials.
#[derive(Debug, Clone)]
pub(super) struct RawClient {
    config: SdkConfig,
    service: Service,
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// As IAM names it: `events:PutTargets`.
    pub(super) operation: &'static str,
    /// What it is about, as `rule nightly`.
    pub(super) subject: String,
    pub(super) method: &'static str,
    /// Path and query, encoded.
    pub(super) path: String,
    /// The operation's name for services that read it from a header.
    pub(super) target: Option<String>,
    pub(super) body: Body,
}

/// What a call sends, and how it is answered.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// Nothing; answered with JSON.
    Empty,
    /// JSON, answered with JSON.
    Json(Value),
    /// A form of the query protocol, answered with XML.
    Form {
        /// Encoded.
        form: String,
        /// The elements of the answer that are of use: see [`RawClient::query`].
        elements: &'static [&'static str],
    },
}

/// What a service answered that is no success.
#[derive(Debug)]
struct Answered(ErrorMetadata);

impl std::fmt::Display for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for Answered {}

impl ProvideErrorMetadata for Answered {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

/// Throttling is reported in the body, with a status that says nothing.
#[derive(Debug)]
struct Throttling;

impl ClassifyRetry for Throttling {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(Err(error)) = context.output_or_error() else {
            return RetryAction::NoActionIndicated;
        };
        let code = error
            .as_operation_error()
            .and_then(|error| error.downcast_ref::<Answered>())
            .and_then(|answered| answered.code());
        match code {
            Some(
                "ThrottlingException"
                | "Throttling"
                | "TooManyRequestsException"
                | "RequestLimitExceeded",
            ) => RetryAction::retryable_error(ErrorKind::ThrottlingError),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "throttling"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::modeled_as_retryable_classifier()
    }
}

impl RawClient {
    pub(super) fn new(config: SdkConfig, service: Service) -> Self {
        Self { config, service }
    }

    /// A call of a service that reads the operation from a header.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn ask(
        &self,
        operation: &'static str,
        subject: String,
        body: Value,
    ) -> Result<Value, CallError> {
        let name = operation.rsplit(':').next().unwrap_or_default();
        self.call(Call {
            operation,
            subject,
            method: "POST",
            path: "/".to_owned(),
            target: Some(format!("{}.{name}", self.service.target)),
            body: Body::Json(body),
        })
        .await
    }

    /// A call of a service of the query protocol, in this version of its API. Returns the texts of the answer's
    /// `elements`: of each name an array, in their order.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn query(
        &self,
        operation: &'static str,
        subject: String,
        version: &str,
        parameters: &[(&str, &str)],
        elements: &'static [&'static str],
    ) -> Result<Value, CallError> {
        let name = operation.rsplit(':').next().unwrap_or_default();
        let mut form = format!("Action={name}&Version={version}");
        for (parameter, value) in parameters {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            form.push_str(&format!("&{parameter}={value}"));
        }
        self.call(Call {
            operation,
            subject,
            method: "POST",
            path: "/".to_owned(),
            target: None,
            body: Body::Form { form, elements },
        })
        .await
    }

    /// Signs and sends; returns the answer's JSON, `null` if it has no body.
    ///
    /// # Errors
    /// [`CallError`].
    pub(super) async fn call(&self, call: Call) -> Result<Value, CallError> {
        let (operation, subject) = (call.operation, call.subject.clone());
        let unusable = |class: Class, detail: &str| {
            CallError::unusable(operation, subject.clone(), class, detail)
        };
        let region = self
            .config
            .region()
            .ok_or_else(|| unusable(Class::Refused, "no Region is set"))?;
        let http_client = self
            .config
            .http_client()
            .ok_or_else(|| unusable(Class::Refused, "no HTTP client is set"))?;
        let credentials = self
            .config
            .credentials_provider()
            .ok_or_else(|| unusable(Class::Refused, "no credentials are set"))?;
        let endpoint = endpoint::of(&self.config, &self.service)
            .map_err(|why| unusable(Class::Refused, why))?;
        let mut layer = Layer::new("signing");
        layer.store_put(SigningName::from_static(self.service.name));
        layer.store_put(SigningRegion::from(aws_types::region::Region::new(
            endpoint.signed_for,
        )));
        layer.store_put(AuthSchemeOptionResolverParams::new(()));
        let mut options = SigningOptions::default();
        options.double_uri_encode = true;
        options.normalize_uri_path = true;
        layer.store_put(SigV4OperationSigningConfig {
            signing_options: options,
            ..SigV4OperationSigningConfig::default()
        });
        let components = RuntimeComponentsBuilder::new("signing")
            .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
                StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
            )))
            .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
            .with_identity_resolver(SCHEME_ID, credentials);
        let mut built = Operation::builder()
            .service_name(self.service.name)
            .operation_name(call.operation)
            .http_client(http_client)
            .endpoint_url(&endpoint.url)
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .runtime_plugin(
                StaticRuntimePlugin::new()
                    .with_config(layer.freeze())
                    .with_runtime_components(components),
            )
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(TransientErrorClassifier::<Answered>::new())
            .retry_classifier(Throttling);
        if let Some(timeouts) = self.config.timeout_config() {
            built = built.timeout_config(timeouts.clone());
        }
        built = match self.config.retry_config() {
            Some(retries) => built.standard_retry(retries),
            None => built.no_retry(),
        };
        let elements = match call.body {
            Body::Form { elements, .. } => Some(elements),
            Body::Empty | Body::Json(_) => None,
        };
        let built = built
            .serializer(move |(): ()| request_of(&call))
            .deserializer(move |response| read(response, elements))
            .build();
        built.invoke(()).await.map_err(|error| {
            of_sdk(operation, subject.clone(), &error).in_region(Some(region.as_ref()))
        })
    }
}

fn request_of(call: &Call) -> Result<HttpRequest, aws_smithy_runtime_api::box_error::BoxError> {
    let (bytes, kind) = match &call.body {
        Body::Empty => (Vec::new(), None),
        Body::Json(body) => {
            let kind = match call.target {
                Some(_) => "application/x-amz-json-1.1",
                None => "application/json",
            };
            (serde_json::to_vec(body)?, Some(kind))
        }
        Body::Form { form, .. } => (
            form.clone().into_bytes(),
            Some("application/x-www-form-urlencoded"),
        ),
    };
    let length = bytes.len();
    let mut request = HttpRequest::new(SdkBody::from(bytes));
    request.set_method(call.method)?;
    request.set_uri(call.path.clone())?;
    let headers = request.headers_mut();
    if let Some(target) = &call.target {
        headers.insert("x-amz-target", target.clone());
    }
    if let Some(kind) = kind {
        headers.insert("content-type", kind);
        headers.insert("content-length", length.to_string());
    }
    Ok(request)
}

/// An answer's JSON; of an answer in XML the `elements` that are asked for.
fn read(
    response: &HttpResponse,
    elements: Option<&[&str]>,
) -> Result<Value, OrchestratorError<Answered>> {
    let bytes = response.body().bytes().unwrap_or_default();
    let is_error = !response.status().is_success();
    let parsed: Option<Value> = match elements {
        None => serde_json::from_slice(bytes).ok(),
        Some(_) if is_error => members_of(bytes, &["Code", "Message"]),
        Some(elements) => members_of(bytes, elements),
    };
    if !is_error {
        return match parsed {
            Some(value) => Ok(value),
            None if bytes.is_empty() => Ok(Value::Null),
            None => Err(OrchestratorError::other("the answer cannot be read")),
        };
    }
    let text = |members: &[&str]| {
        let value = parsed.as_ref()?;
        // In XML each is an array.
        let text = |member: &&str| value[*member].as_str().or(value[*member][0].as_str());
        members.iter().find_map(text).map(str::to_owned)
    };
    // `namespace#Code` in the body, `Code:url` in the header.
    let code = response
        .headers()
        .get("x-amzn-errortype")
        .map(str::to_owned)
        .or_else(|| text(&["__type", "code", "Code"]));
    let code = code.map(|code| {
        let code = code.rsplit('#').next().unwrap_or_default();
        code.split(':').next().unwrap_or_default().to_owned()
    });
    let mut meta = ErrorMetadata::builder();
    if let Some(code) = code {
        meta = meta.code(code);
    }
    if let Some(message) = text(&["message", "Message"]) {
        meta = meta.message(message);
    }
    Err(OrchestratorError::operation(Answered(meta.build())))
}

/// The texts of the elements of each of these `names`, wherever they stand; none if it is no XML.
fn members_of(xml: &[u8], names: &[&str]) -> Option<Value> {
    let mut document = Document::try_from(xml).ok()?;
    let mut found = Map::new();
    collect(&mut document.root_element().ok()?, names, &mut found)?;
    Some(Value::Object(found))
}

fn collect(
    element: &mut ScopedDecoder<'_, '_>,
    names: &[&str],
    found: &mut Map<String, Value>,
) -> Option<()> {
    while let Some(mut child) = element.next_tag() {
        let name = child.start_el().local().to_owned();
        if names.contains(&name.as_str()) {
            let text = try_data(&mut child).ok()?.into_owned();
            let all = found
                .entry(name)
                .or_insert_with(|| Value::Array(Vec::new()));
            all.as_array_mut()?.push(Value::String(text));
        } else {
            collect(&mut child, names, found)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_xml_the_texts_of_each_name_are_taken_in_their_order() {
        let xml = b"<R xmlns=\"x\"><TargetGroups><member><A>1</A><B><C>&lt;2</C></B><A>3</A></member></TargetGroups></R>";
        assert_eq!(
            members_of(xml, &["A", "C", "D"]),
            Some(json!({"A": ["1", "3"], "C": ["<2"]}))
        );
        assert_eq!(members_of(b"{}", &["A"]), None);
        assert_eq!(members_of(b"", &["A"]), None);
    }
}
