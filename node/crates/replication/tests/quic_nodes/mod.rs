//! Nodes for tests of the transport: certificates, a handler that does as it is told, and peers that break the rules.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mail_model::NodeId;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Connection, Endpoint};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use replication::quic::limits::VOTE;
use replication::quic::{PeerTable, QuicConfig, QuicTransport, server_name};
use replication::{BoxFuture, Class, Handler, Transport, TransportError};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, version::TLS13};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// The deadline of calls that must not end by it.
pub(crate) const LONG: Duration = Duration::from_secs(40);

pub(crate) fn node_id(number: u8) -> NodeId {
    NodeId([number; 16])
}

/// Waits for a state that must come.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "it never came that {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A certificate with its key.
pub(crate) type Credentials = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// A cluster's CA.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate").der().clone();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    /// A certificate for these nodes, or for `localhost` if there is none.
    pub(crate) fn credentials(&self, nodes: &[u8]) -> Credentials {
        self.sign(Self::params(nodes))
    }

    pub(crate) fn expired(&self, node: u8) -> Credentials {
        let mut params = Self::params(&[node]);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(params)
    }

    fn params(nodes: &[u8]) -> CertificateParams {
        let mut names: Vec<String> = nodes.iter().map(|node| server_name(node_id(*node))).collect();
        if names.is_empty() {
            names.push("localhost".to_owned());
        }
        CertificateParams::new(names).expect("names")
    }

    fn sign(&self, params: CertificateParams) -> Credentials {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (
            certificate.der().clone(),
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a CA certificate");
        Arc::new(roots)
    }

    /// TLS of a node that lets in whom this CA has signed.
    fn server(&self, credentials: &Credentials) -> rustls::ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider.clone())
            .build()
            .expect("a verifier");
        rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![credentials.0.clone()], credentials.1.clone_key())
            .expect("a key that fits")
    }

    /// TLS of a node that calls whom this CA has signed.
    fn client(&self, credentials: &Credentials) -> rustls::ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(self.roots())
            .with_client_auth_cert(vec![credentials.0.clone()], credentials.1.clone_key())
            .expect("a key that fits")
    }
}

/// Does what the first byte of the request says.
struct Scripted {
    seen: Seen,
    arrived: watch::Sender<usize>,
    running: Arc<AtomicUsize>,
    releases: Semaphore,
}

/// Numbers of requests that a handler has seen.
pub(crate) type Seen = Arc<Mutex<HashSet<u32>>>;

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Handler for Scripted {
    fn handle(&self, from: NodeId, request: Bytes) -> BoxFuture<'_, Bytes> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(self.running.clone());
        Box::pin(async move {
            let _running = running;
            self.arrived.send_modify(|count| *count += 1);
            match request.first() {
                // Who am I?
                Some(b'w') => Bytes::copy_from_slice(&from.0),
                // Stop until released.
                Some(b's') => {
                    self.releases.acquire().await.expect("never closed").forget();
                    request
                }
                // Take down the number that follows.
                Some(b'n') => {
                    let number: [u8; 4] = request[1..5].try_into().expect("a number");
                    self.seen.lock().expect("no panic").insert(u32::from_be_bytes(number));
                    request
                }
                // Hang.
                Some(b'h') => std::future::pending().await,
                Some(b'p') => panic!("as the test asked for"),
                // Too large a reply.
                Some(b'L') => Bytes::from(vec![0; VOTE.reply_bytes_max + 1]),
                _ => request,
            }
        })
    }
}

/// A node on loopback.
pub(crate) struct Node {
    number: u8,
    pub(crate) transport: Arc<QuicTransport>,
    pub(crate) peers: PeerTable,
    handler: Arc<Scripted>,
}

impl Node {
    pub(crate) fn start(ca: &Authority, number: u8) -> Self {
        Self::with(number, ca.credentials(&[number]), ca, ca)
    }

    /// A node that calls whom `calls` has signed and lets in whom `lets_in` has signed.
    pub(crate) fn with(number: u8, credentials: Credentials, calls: &Authority, lets_in: &Authority) -> Self {
        let bind = "127.0.0.1:0".parse().expect("an address");
        Self::at(bind, number, &credentials, calls, lets_in).expect("a free port")
    }

    fn at(
        bind: SocketAddr,
        number: u8,
        credentials: &Credentials,
        calls: &Authority,
        lets_in: &Authority,
    ) -> Option<Self> {
        let handler = Arc::new(Scripted {
            seen: Seen::default(),
            arrived: watch::channel(0).0,
            running: Arc::default(),
            releases: Semaphore::new(0),
        });
        let peers = PeerTable::new();
        let config = QuicConfig {
            node: node_id(number),
            bind,
            peers: peers.clone(),
            server: lets_in.server(credentials),
            client: calls.client(credentials),
            reset_key: [number; 32],
        };
        let transport = QuicTransport::bind(config, handler.clone()).ok()?;
        Some(Self {
            number,
            transport: Arc::new(transport),
            peers,
            handler,
        })
    }

    /// Tells this node where `other` is.
    pub(crate) fn knows(&self, other: &Self) {
        let address = other.transport.local_addr();
        self.peers.set(node_id(other.number), vec![address]);
    }

    pub(crate) async fn call(&self, to: u8, class: Class, request: Bytes) -> Result<Bytes, TransportError> {
        self.transport.call(node_id(to), class, request, LONG).await
    }

    pub(crate) fn spawn(&self, to: u8, class: Class, request: Bytes) -> JoinHandle<Result<Bytes, TransportError>> {
        let transport = self.transport.clone();
        tokio::spawn(async move { transport.call(node_id(to), class, request, LONG).await })
    }

    /// Requests that the handler has seen.
    pub(crate) fn arrived(&self) -> usize {
        *self.handler.arrived.borrow()
    }

    pub(crate) async fn has_arrived(&self, count: usize) {
        let mut arrived = self.handler.arrived.subscribe();
        let arrival = tokio::time::timeout(LONG, arrived.wait_for(|arrived| *arrived >= count));
        assert!(arrival.await.is_ok(), "{count} requests never arrived");
    }

    /// Numbers of the requests that the handler has seen.
    pub(crate) fn seen(&self) -> Seen {
        self.handler.seen.clone()
    }

    /// Requests that the handler is working on.
    pub(crate) fn running(&self) -> usize {
        self.handler.running.load(Ordering::SeqCst)
    }

    pub(crate) fn release(&self, count: usize) {
        self.handler.releases.add_permits(count);
    }
}

/// A node with a runtime of its own, so that it can be killed: its packets stop, and no farewell is said.
pub(crate) struct Apart {
    pub(crate) node: Node,
    runtime: tokio::runtime::Runtime,
}

impl Apart {
    /// Tests that start a node again on its port give it an address of their own (127.0.0.x), so that no other test
    /// takes the port meanwhile.
    pub(crate) fn start(ca: &Authority, number: u8, bind: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let inside = runtime.enter();
        let node = Node::at(bind, number, &ca.credentials(&[number]), ca, ca).expect("a free port");
        drop(inside);
        Self { node, runtime }
    }

    /// Ends when the port is free again.
    pub(crate) async fn kill(self) {
        let Self { node, runtime } = self;
        // Tasks first: a transport that is dropped while its tasks live says farewell.
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LONG))
            .await
            .expect("no panic");
        drop(node);
    }
}

fn raw_config(ca: &Authority, number: u8, protocol: &[u8]) -> quinn::ClientConfig {
    let mut tls = ca.client(&ca.credentials(&[number]));
    tls.alpn_protocols = vec![protocol.to_vec()];
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("TLS 1.3")))
}

/// A connection that is certified as `number` and bound to none of the transport's rules. Greeted.
pub(crate) async fn try_raw_client(
    ca: &Authority,
    number: u8,
    protocol: &[u8],
    to: &Node,
) -> Result<(Endpoint, Connection), Box<dyn std::error::Error>> {
    let endpoint = Endpoint::client("127.0.0.1:0".parse()?)?;
    let config = raw_config(ca, number, protocol);
    let name = server_name(node_id(to.number));
    let connection = endpoint.connect_with(config, to.transport.local_addr(), &name)?.await?;
    connection.accept_uni().await?.read_to_end(1).await?;
    Ok((endpoint, connection))
}

pub(crate) async fn raw_client(ca: &Authority, number: u8, protocol: &[u8], to: &Node) -> (Endpoint, Connection) {
    try_raw_client(ca, number, protocol, to).await.expect("a connection")
}

/// A node `number` that greets and answers the first request of its first connection with `reply`.
pub(crate) fn raw_server(ca: &Authority, number: u8, protocol: &[u8], reply: Vec<u8>) -> (Endpoint, SocketAddr) {
    let mut tls = ca.server(&ca.credentials(&[number]));
    tls.alpn_protocols = vec![protocol.to_vec()];
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).expect("TLS 1.3")));
    let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().expect("an address")).expect("a port");
    let address = endpoint.local_addr().expect("bound");
    let accepting = endpoint.clone();
    tokio::spawn(async move {
        let connection = accepting.accept().await.expect("a call").await.expect("a handshake");
        let mut greeting = connection.open_uni().await.expect("a stream");
        greeting.write_all(&[1]).await.expect("room");
        greeting.finish().expect("open");
        let (mut send, _recv) = connection.accept_bi().await.expect("a request");
        send.write_all(&reply).await.expect("room");
        connection.closed().await;
    });
    (endpoint, address)
}
