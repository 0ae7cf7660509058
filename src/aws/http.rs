//! HTTP: one pool of connections and one set of root certificates for all clients.

use std::sync::{Arc, OnceLock};

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::{CONNECT_TIMEOUT, READ_TIMEOUT};

/// The only connector of the function.
///
/// `aws_smithy_http_client`'s own client makes a connector for each set of time limits, so clients
/// with other limits share no connection, and one more, which it throws away, whenever a client is
/// made. Each parses all root certificates of the machine anew
/// (<https://github.com/awslabs/aws-sdk-rust/issues/975>; `BENCHMARKS.md` says what that takes).
/// Clients are made for each invocation here, because their credentials come with it.
///
/// A client's own limit for reading is not looked at: the one for a whole attempt, which the SDK
/// keeps, is the one that ends a call early.
#[derive(Debug, Clone, Default)]
pub(super) struct OneConnector(Arc<OnceLock<SharedHttpConnector>>);

impl OneConnector {
    /// Made when it is first needed. Who needs it while it is being made waits, blocking.
    pub(super) fn made(&self) -> &SharedHttpConnector {
        self.0.get_or_init(Self::make)
    }

    /// Reads the machine's root certificates, which takes about as long as all else that is done
    /// before the first event.
    fn make() -> SharedHttpConnector {
        let limits = HttpConnectorSettings::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build();
        let connector = Connector::builder()
            .connector_settings(limits)
            .sleep_impl(TokioSleep::new())
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build();
        SharedHttpConnector::new(connector)
    }
}

impl HttpClient for OneConnector {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.made().clone()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::retry::RetryConfig;

    use super::super::{Aws, environment};
    use super::*;
    use crate::deploy::failure::{Failure, FailureKind};

    /// Counts requests and refuses them.
    #[derive(Debug, Default)]
    struct Refusing(Arc<AtomicUsize>);

    impl HttpConnector for Refusing {
        fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
            self.0.fetch_add(1, Ordering::SeqCst);
            let status = 400.try_into().unwrap();
            HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::empty())))
        }
    }

    fn in_lambda(name: &str) -> Option<String> {
        let value = match name {
            "AWS_REGION" => "eu-central-1",
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => "x",
            _ => return None,
        };
        Some(value.to_owned())
    }

    impl OneConnector {
        fn of(connector: SharedHttpConnector) -> Self {
            Self(Arc::new(OnceLock::from(connector)))
        }
    }

    #[tokio::test]
    async fn clients_with_other_time_limits_use_the_same_connector() {
        let count = Arc::<AtomicUsize>::default();
        let connector = SharedHttpConnector::new(Refusing(count.clone()));
        let config = environment::read(in_lambda).into_builder();
        let aws = Aws::new(config.http_client(OneConnector::of(connector)).build());
        let failure = Failure::new(FailureKind::Job, "why");
        let answer = aws.codepipeline();
        answer.failed("job", &failure, None).await.unwrap_err();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        aws.ecs(None).clusters().await.unwrap_err();
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_is_not_trusted_is_not_talked_to() {
        let simulator = simulator::Simulator::start();
        let endpoint = simulator.tls_endpoint();
        let config = environment::read(in_lambda).into_builder();
        let config = config
            .http_client(OneConnector::default())
            .endpoint_url(endpoint.url())
            .retry_config(RetryConfig::disabled());
        let aws = Aws::new(config.build());
        aws.ecs(None).clusters().await.unwrap_err();
        assert_eq!(endpoint.connections(), 0);
        assert_eq!(simulator.calls(), []);
    }
}
