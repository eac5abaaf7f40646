//! The transport between nodes: QUIC with mutual TLS under the cluster's own CA (DESIGN D13, D22). The only module that
//! knows quinn.
//!
//! # Three connections to a peer, one for each class
//! Streams of one QUIC connection share its congestion window, its flow control window and its loss recovery. Priorities
//! order only what is not yet sent: a vote that is opened while 8 MiB of a snapshot are in flight would wait until the
//! congestion window has room, and a reader that is slow on bulk would close the window for it, too. With a connection
//! for each class they have nothing in common but the socket, whose queue is some milliseconds long. Each class is its
//! own application protocol in the TLS handshake (`holdfast-vote/1`, …), so that a connection's class, and with it its
//! windows and limits, is fixed before the first stream. Each node dials for its own calls; the other direction has its
//! own connections, so that no simultaneous dial has to be settled.
//!
//! # Time
//! A call ends at its deadline whatever the network does. Who is dead is decided above, by liveness frames each 100 ms;
//! the transport drops a connection after two silent seconds only to free what it holds. A node that was started again
//! answers packets of old connections by stateless resets, so that its peers dial anew within a round trip.
//!
//! Invariants
//! - The peer is the node it claims to be: a call reaches only the holder of a certificate for the id that was called,
//!   and `from` is read from the caller's verified certificate. Every handshake verifies both; none is resumed.
//! - `Unreachable` means that no handler saw the request, and none will.
//! - Nothing waits for a class that is less urgent: not a slot, not a window, not a lock.
//! - Every queue has a bound, in [`limits`].
//!
//! Must not know: what requests mean.

mod frame;
mod identity;
pub mod limits;
mod link;
mod peers;
mod server;
mod settings;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mail_model::NodeId;
use quinn::{Endpoint, TokioRuntime};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use self::frame::{CLASSES, Code, label};
use self::limits::{FAREWELL_MAX, HANDLE_MAX};
use self::link::Links;
use self::server::Server;
use crate::api::BoxFuture;
use crate::transport::{Class, Handler, Transport, TransportError};

pub use self::identity::server_name;
pub use self::peers::PeerTable;

/// What a transport is made from.
pub struct QuicConfig {
    /// This node.
    pub node: NodeId,
    /// Where it listens, and from where it calls. Port 0 takes a free one.
    pub bind: SocketAddr,
    /// Where the others are. Changed through a clone.
    pub peers: PeerTable,
    /// TLS 1.3 with this node's certificate, for [`server_name`] of `node`, and a client certificate of the cluster's CA
    /// demanded. Protocols, tickets and early data are set here.
    pub server: rustls::ServerConfig,
    /// TLS 1.3 with the cluster's CA as only root and this node's certificate for client authentication. Protocols,
    /// resumption and early data are set here.
    pub client: rustls::ClientConfig,
    /// A secret of this node that outlives its process, as derived from its private key. By it a node that was started
    /// again proves that it knows nothing of its old connections.
    pub reset_key: [u8; 32],
}

/// Why a transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The socket could not be had.
    #[error("open the node port {bind}: {error}")]
    Bind {
        /// The address that was asked for.
        bind: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// TLS as configured cannot carry QUIC.
    #[error("set up TLS between nodes: {0}")]
    Tls(String),
    /// There is no tokio runtime to run on.
    #[error("set up the transport between nodes: not inside a tokio runtime")]
    NoRuntime,
}

/// Calls other nodes over QUIC, and hands their requests to a handler. Dropping it ends every connection at once.
pub struct QuicTransport {
    node: NodeId,
    endpoint: Endpoint,
    address: SocketAddr,
    links: Arc<Links>,
    refused: Arc<AtomicU64>,
    closing: watch::Sender<bool>,
    at_work: watch::Receiver<usize>,
}

impl QuicTransport {
    /// Opens the socket and begins to answer. The handler is dropped when the transport is closed or dropped.
    ///
    /// # Errors
    /// The address cannot be bound, the TLS configurations do not allow TLS 1.3 with AES-128-GCM, or the caller is not
    /// inside a tokio runtime.
    pub fn bind(config: QuicConfig, handler: Arc<dyn Handler>) -> Result<Self, QuicError> {
        let bind = config.bind;
        let failed = |error| QuicError::Bind { bind, error };
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| QuicError::NoRuntime)?;
        let mut clients = HashMap::new();
        for class in CLASSES {
            clients.insert(class, settings::client(config.client.clone(), class)?);
        }
        let server = settings::server(config.server)?;
        let socket = settings::socket(bind).map_err(failed)?;
        let setup = settings::endpoint(&config.reset_key);
        let endpoint = Endpoint::new(setup, Some(server), socket, Arc::new(TokioRuntime)).map_err(failed)?;
        let address = endpoint.local_addr().map_err(failed)?;

        let links = Arc::new(Links::new(endpoint.clone(), clients, config.peers));
        let refused = Arc::new(AtomicU64::new(0));
        let (closing, is_closing) = watch::channel(false);
        let (count, at_work) = watch::channel(0);
        let server = Server::new(handler, links.clone(), refused.clone(), is_closing, count);
        runtime.spawn(Arc::new(server).run(endpoint.clone()));
        Ok(Self {
            node: config.node,
            endpoint,
            address,
            links,
            refused,
            closing,
            at_work,
        })
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were refused since the start: foreign, expired or nameless certificates, other protocols,
    /// handshakes that took too long.
    #[must_use]
    pub fn refused_handshakes(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Takes no more requests and makes no more calls, lets what is being answered end within `within`, and says
    /// farewell to its peers. Later calls are `Unreachable`.
    pub async fn close(&self, within: Duration) {
        self.closing.send_replace(true);
        self.endpoint.set_server_config(None);
        let mut at_work = self.at_work.clone();
        // Past the time, the peers hear that the connection closed, and call it no reply.
        let _ = timeout(within, at_work.wait_for(|count| *count == 0)).await;
        self.endpoint.close(Code::Closing.number(), b"closing");
        let _ = timeout(FAREWELL_MAX, self.endpoint.wait_idle()).await;
    }

    async fn call_once(
        &self,
        to: NodeId,
        class: Class,
        request: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, TransportError> {
        if *self.closing.borrow() {
            return Err(TransportError::Unreachable(to));
        }
        let link = self.links.to(to, class).ok_or(TransportError::Unreachable(to))?;
        link.call(&self.links, request, deadline).await
    }
}

impl Transport for QuicTransport {
    /// `within` is at most [`HANDLE_MAX`], past which no node works on a request.
    fn call(
        &self,
        to: NodeId,
        class: Class,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        let deadline = Instant::now() + within.min(HANDLE_MAX);
        let sent = request.len();
        Box::pin(async move {
            let reply = self.call_once(to, class, request, deadline).await;
            count(class, sent, &reply);
            reply
        })
    }
}

fn count(class: Class, sent: usize, reply: &Result<Bytes, TransportError>) {
    let class = label(class);
    let outcome = match reply {
        Ok(_) => "reply",
        Err(TransportError::Unreachable(_)) => "unreachable",
        Err(TransportError::NoReply(..)) => "no_reply",
    };
    metrics::counter!("holdfast_transport_calls_total", "class" => class, "outcome" => outcome).increment(1);
    if let Ok(reply) = reply {
        let bytes = u64::try_from(sent + reply.len()).unwrap_or(u64::MAX);
        metrics::counter!("holdfast_transport_bytes_total", "class" => class).increment(bytes);
    }
}

impl Drop for QuicTransport {
    fn drop(&mut self) {
        self.endpoint.close(Code::Closing.number(), b"closing");
    }
}
