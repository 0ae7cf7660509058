//! Endpoints over TLS, each a host of its own, so that what connections take can be seen.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The name in the certificate. An address, so that S3 has its buckets in the path here, too.
const HOST: &str = "127.0.0.1";

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Identity {
    acceptor: TlsAcceptor,
    pem: String,
}

impl Identity {
    /// A new one, which has signed itself.
    pub(crate) fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("a certificate with its key");
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            pem: cert.pem(),
        }
    }
}

/// An endpoint over TLS of a simulator.
#[derive(Debug)]
pub struct TlsEndpoint {
    url: String,
    certificate: String,
    connections: Arc<AtomicUsize>,
}

impl TlsEndpoint {
    /// Where it listens: `https://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a client has to trust, as PEM: the same for all endpoints of a simulator.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// How many connections have been made to it, TLS and all.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// What the simulator's thread serves such an endpoint with.
pub(crate) struct Listening {
    pub(crate) listener: TcpListener,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) connections: Arc<AtomicUsize>,
}

/// An endpoint on a port that is free.
pub(crate) fn listen(identity: &Identity) -> (TlsEndpoint, Listening) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of the loopback address");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("the port's address").port();
    let connections = Arc::<AtomicUsize>::default();
    let endpoint = TlsEndpoint {
        url: format!("https://{HOST}:{port}"),
        certificate: identity.pem.clone(),
        connections: connections.clone(),
    };
    let listening = Listening {
        listener,
        acceptor: identity.acceptor.clone(),
        connections,
    };
    (endpoint, listening)
}
