//! The ports for mail: admission, TLS where it comes first, one task per session.
//!
//! Invariant: a session that panics ends by itself; its ticket goes back like any other.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::MailTls;
use super::accept::{Acceptor, Stream};
use super::admission::{Admission, Ticket};
use super::service::MailService;
use crate::connection::{Connection, Peer};
use crate::limits::{HANDSHAKE_WITHIN, HANDSHAKES_MAX};
use crate::services::SharedServices;

const NOT_FOR_YOU: &str = "421 4.7.0 this service is not for your network\r\n";

/// What all ports for mail share.
pub(crate) struct MailPorts {
    pub(crate) services: SharedServices,
    pub(crate) tls: MailTls,
    pub(crate) admission: Admission,
    pub(crate) handshakes: Semaphore,
    pub(crate) sessions: TaskTracker,
}

/// As many at once as `limits` says; the others wait for their turn.
pub(crate) fn handshakes() -> Semaphore {
    Semaphore::new(HANDSHAKES_MAX)
}

impl MailPorts {
    /// Takes connections until the node stops.
    pub(crate) async fn run(self: Arc<Self>, service: MailService, mut acceptor: Acceptor) {
        let listener = acceptor.name();
        while let Some((stream, peer)) = acceptor.next().await {
            if service.is_for_named_networks() && !self.is_named(peer) {
                stream.turn_away(NOT_FOR_YOU);
                continue;
            }
            let Some(ticket) = self.admission.admit(peer) else {
                metrics::counter!("holdfast_connections_refused_total", "listener" => listener).increment(1);
                stream.turn_away(if service.is_secure { "" } else { service.busy() });
                continue;
            };
            metrics::counter!("holdfast_connections_total", "listener" => listener).increment(1);
            self.sessions
                .spawn(self.clone().session(listener, service, stream, peer, ticket));
        }
    }

    fn is_named(&self, peer: Peer) -> bool {
        match peer {
            Peer::Local => true,
            Peer::Ip(ip) => self.services.settings.lmtp_from.contains(ip),
        }
    }

    async fn session(
        self: Arc<Self>,
        listener: &'static str,
        service: MailService,
        stream: Stream,
        peer: Peer,
        _ticket: Ticket,
    ) {
        let open = metrics::gauge!("holdfast_connections", "listener" => listener);
        open.increment(1.0);
        let _closed = OnDrop(move || open.decrement(1.0));
        let connection = match stream {
            Stream::Unix(stream) => Connection::plain(stream, peer, None),
            Stream::Tcp(stream) if !service.is_secure => Connection::plain(stream, peer, Some(self.tls.0.clone())),
            Stream::Tcp(stream) => {
                let secured = timeout(HANDSHAKE_WITHIN, async {
                    // Never closed, so a permit comes or the time is over.
                    let _turn = self.handshakes.acquire().await.ok();
                    Connection::secure(stream, peer, self.tls.0.clone()).await
                });
                match secured.await {
                    Ok(Ok(connection)) => connection,
                    Ok(Err(error)) => return tracing::debug!(listener, %error, "TLS handshake failed"),
                    Err(_) => return tracing::debug!(listener, "TLS handshake took too long"),
                }
            }
        };
        let services = self.services.clone();
        drop(self);
        service.serve(connection, services).await;
    }
}

/// Runs a closure at the end, also of a panic.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
