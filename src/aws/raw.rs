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
use aws_types::SdkConfig;
use aws_types::SigningName;
use aws_types::region::SigningRegion;
use serde_json::Value;

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
    /// None for a request without one.
    pub(super) body: Option<Value>,
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
            Some("ThrottlingException" | "TooManyRequestsException") => {
                RetryAction::retryable_error(ErrorKind::ThrottlingError)
            }
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
            body: Some(body),
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
        layer.store_put(SigningRegion::from(region.clone()));
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
            .endpoint_url(&endpoint)
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
        let built = built
            .serializer(move |(): ()| request_of(&call))
            .deserializer(read)
            .build();
        built.invoke(()).await.map_err(|error| {
            of_sdk(operation, subject.clone(), &error).in_region(Some(region.as_ref()))
        })
    }
}

fn request_of(call: &Call) -> Result<HttpRequest, aws_smithy_runtime_api::box_error::BoxError> {
    let bytes = match &call.body {
        Some(body) => serde_json::to_vec(body)?,
        None => Vec::new(),
    };
    let length = bytes.len();
    let mut request = HttpRequest::new(SdkBody::from(bytes));
    request.set_method(call.method)?;
    request.set_uri(call.path.clone())?;
    let headers = request.headers_mut();
    if let Some(target) = &call.target {
        headers.insert("x-amz-target", target.clone());
        headers.insert("content-type", "application/x-amz-json-1.1");
    } else if call.body.is_some() {
        headers.insert("content-type", "application/json");
    }
    if call.body.is_some() {
        headers.insert("content-length", length.to_string());
    }
    Ok(request)
}

fn read(response: &HttpResponse) -> Result<Value, OrchestratorError<Answered>> {
    let bytes = response.body().bytes().unwrap_or_default();
    let parsed: Option<Value> = serde_json::from_slice(bytes).ok();
    if response.status().is_success() {
        return match parsed {
            Some(value) => Ok(value),
            None if bytes.is_empty() => Ok(Value::Null),
            None => Err(OrchestratorError::other("the answer is not JSON")),
        };
    }
    let text = |members: &[&str]| {
        let value = parsed.as_ref()?;
        let found = members.iter().find_map(|member| value[*member].as_str());
        found.map(str::to_owned)
    };
    // `namespace#Code` in the body, `Code:url` in the header.
    let code = response
        .headers()
        .get("x-amzn-errortype")
        .map(str::to_owned)
        .or_else(|| text(&["__type", "code"]));
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
