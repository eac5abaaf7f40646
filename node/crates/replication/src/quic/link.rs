//! The calling side: for each peer and class one connection, made when it is first needed and made again when it is
//! lost.
//!
//! States of a link
//!
//! | state   | a call                                                         | left by                             |
//! |---------|----------------------------------------------------------------|-------------------------------------|
//! | Down    | starts a dial; inside the pause it is refused at once          | the first call after the pause      |
//! | Dialing | waits for the end of the dial, which ends the call if it fails | the dial's end: Up or Down          |
//! | Up      | opens a stream                                                 | loss, or an address no longer listed |
//!
//! Inside the pause a call is refused at once and not kept, so that whoever can ask another node does so now.
//!
//! Invariants
//! - One dial at a time, in a task of its own: a caller that gives up does not end it for the others.
//! - `Unreachable` is said only if the last byte of the request was not given to QUIC, or if the peer said that it
//!   refused it unseen.
//! - A call never waits past its deadline, and at most `CALLS_WAITING_MAX` wait for their turn.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mail_model::NodeId;
use quinn::{Connection, Endpoint, ReadError, RecvStream, SendStream, WriteError};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::frame::{Budget, Code, FrameError, VERSION, label, read_reply, request_head};
use super::identity::{peer_of, server_name};
use super::limits::{ATTEMPTS_PER_CALL_MAX, BACK_OFF_MAX, BACK_OFF_MIN, CALLS_WAITING_MAX, ClassLimits, DIAL_MAX};
use super::peers::PeerTable;
use crate::transport::{Class, TransportError};

/// Links to every peer that was called.
pub(super) struct Links {
    endpoint: Endpoint,
    /// Where the endpoint runs. Connections are driven there, too, and not where the call happens to be made.
    runtime: Handle,
    configs: HashMap<Class, quinn::ClientConfig>,
    peers: PeerTable,
    links: Mutex<HashMap<(NodeId, Class), Arc<Link>>>,
}

impl Links {
    /// Call this inside the runtime that the endpoint runs on.
    pub(super) fn new(endpoint: Endpoint, configs: HashMap<Class, quinn::ClientConfig>, peers: PeerTable) -> Self {
        Self {
            endpoint,
            runtime: Handle::current(),
            configs,
            peers,
            links: Mutex::default(),
        }
    }

    /// The link to `node`, if the table of peers has it.
    pub(super) fn to(&self, node: NodeId, class: Class) -> Option<Arc<Link>> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.peers.knows(node);
        if let Some(link) = links.get(&(node, class)).filter(|_| known) {
            return Some(link.clone());
        }
        // Rare: a node was added or removed.
        links.retain(|(node, _), _| self.peers.knows(*node));
        if !known {
            return None;
        }
        let link = Arc::new(Link::new(node, class, self.configs.get(&class)?.clone()));
        links.insert((node, class), link.clone());
        Some(link)
    }

    /// `node` has just connected to this one: it lives, so that no pause is in place.
    pub(super) fn heard_from(&self, node: NodeId) {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, link) in links.iter().filter(|((of, _), _)| *of == node) {
            let mut state = link.state();
            if matches!(*state, State::Down { .. }) {
                *state = State::fresh();
            }
        }
    }
}

/// See the table in the module's header.
enum State {
    Down { failures: u32, not_before: Instant },
    Dialing { ended: watch::Receiver<()> },
    Up(Connection),
}

impl State {
    fn fresh() -> Self {
        Self::Down {
            failures: 0,
            not_before: Instant::now(),
        }
    }
}

/// What a call finds.
enum Found {
    Connection(Connection),
    Dial(watch::Receiver<()>),
    Pause,
}

/// The connection of one class to one peer.
pub(super) struct Link {
    node: NodeId,
    class: Class,
    config: quinn::ClientConfig,
    limits: ClassLimits,
    calls: Semaphore,
    waiting: Semaphore,
    replies: Budget,
    state: Mutex<State>,
}

impl Link {
    fn new(node: NodeId, class: Class, config: quinn::ClientConfig) -> Self {
        let limits = ClassLimits::of(class);
        Self {
            node,
            class,
            config,
            limits,
            calls: Semaphore::new(limits.calls_max),
            waiting: Semaphore::new(CALLS_WAITING_MAX),
            replies: Budget::new(limits.bytes_max),
            state: Mutex::new(State::fresh()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call, from beginning to end.
    pub(super) async fn call(
        self: &Arc<Self>,
        links: &Links,
        request: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, TransportError> {
        let given = AtomicBool::new(false);
        match timeout_at(deadline, self.exchange(links, request, deadline, &given)).await {
            Ok(reply) => reply,
            Err(_) if given.load(Ordering::Relaxed) => Err(self.no_reply("the deadline passed")),
            Err(_) => Err(self.unreachable("the deadline passed")),
        }
    }

    async fn exchange(
        self: &Arc<Self>,
        links: &Links,
        request: Bytes,
        deadline: Instant,
        given: &AtomicBool,
    ) -> Result<Bytes, TransportError> {
        if request.len() > self.limits.request_bytes_max {
            tracing::warn!(to = %self.node, class = label(self.class), bytes = request.len(), "request over the limit");
            return Err(self.unreachable("the request is over the limit"));
        }
        let _turn = self.turn().await?;
        let (connection, mut reply) = self.send(links, request, deadline, given).await?;
        match read_reply(&mut reply, self.limits.reply_bytes_max, &self.replies).await {
            Ok(reply) => Ok(reply),
            Err(FrameError::Stream(ReadError::Reset(code))) if Code::refuses(code) => {
                Err(self.unreachable(&format!("refused with code {code}")))
            }
            Err(FrameError::Stream(ReadError::ConnectionLost(cause))) => {
                self.lost(&connection);
                Err(self.no_reply(&cause.to_string()))
            }
            Err(e) => Err(self.no_reply(&e.to_string())),
        }
    }

    /// A place among the calls in flight. A burst waits, which is what paces its callers; a queue is refused.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, TransportError> {
        if let Ok(turn) = self.calls.try_acquire() {
            return Ok(turn);
        }
        let _waiting = self
            .waiting
            .try_acquire()
            .map_err(|_| self.unreachable("too many calls wait"))?;
        self.calls.acquire().await.map_err(|_| self.unreachable("closed"))
    }

    /// Gives the request to QUIC whole; sets `given` in the same step. A connection that turns out to be dead before
    /// that is replaced.
    async fn send(
        self: &Arc<Self>,
        links: &Links,
        request: Bytes,
        deadline: Instant,
        given: &AtomicBool,
    ) -> Result<(Connection, RecvStream), TransportError> {
        for _ in 0..ATTEMPTS_PER_CALL_MAX {
            let Some(connection) = self.connection(links).await else {
                return Err(self.unreachable("no connection"));
            };
            let Ok((stream, reply)) = connection.open_bi().await else {
                self.lost(&connection);
                continue;
            };
            let mut outgoing = Outgoing { stream, whole: false };
            let within = deadline.saturating_duration_since(Instant::now());
            let mut frame = [request_head(within, request.len()), request.clone()];
            match outgoing.stream.write_all_chunks(&mut frame).await {
                Ok(()) => {
                    given.store(true, Ordering::Relaxed);
                    outgoing.finish();
                    return Ok((connection, reply));
                }
                Err(WriteError::ConnectionLost(_)) => self.lost(&connection),
                Err(e) => return Err(self.unreachable(&e.to_string())),
            }
        }
        Err(self.unreachable("every connection was lost"))
    }

    /// The connection, or the next one.
    async fn connection(self: &Arc<Self>, links: &Links) -> Option<Connection> {
        let mut ended = match self.found_or_dialed(links) {
            Found::Connection(connection) => return Some(connection),
            Found::Pause => return None,
            Found::Dial(ended) => ended,
        };
        // The dial says nothing: it drops its end once the state is set.
        let _ = ended.changed().await;
        match &*self.state() {
            State::Up(connection) => Some(connection.clone()),
            State::Down { .. } | State::Dialing { .. } => None,
        }
    }

    fn found_or_dialed(self: &Arc<Self>, links: &Links) -> Found {
        let addresses = links.peers.addresses(self.node);
        let mut state = self.state();
        let failures = match &*state {
            State::Up(connection) if usable(connection, &addresses) => return Found::Connection(connection.clone()),
            State::Up(_) => 0,
            State::Dialing { ended } => return Found::Dial(ended.clone()),
            State::Down { not_before, .. } if Instant::now() < *not_before => return Found::Pause,
            State::Down { failures, .. } => *failures,
        };
        let (done, ended) = watch::channel(());
        // Calls in flight keep a connection that is replaced here until they end.
        *state = State::Dialing { ended: ended.clone() };
        drop(state);
        let link = self.clone();
        let endpoint = links.endpoint.clone();
        links.runtime.spawn(async move {
            link.dial(&endpoint, &addresses, failures).await;
            drop(done);
        });
        Found::Dial(ended)
    }

    /// Tries each address in turn and sets the state that comes of it.
    async fn dial(&self, endpoint: &Endpoint, addresses: &[SocketAddr], failures: u32) {
        for address in addresses {
            let error = match timeout(DIAL_MAX, self.connect(endpoint, *address)).await {
                Ok(Ok(connection)) => {
                    tracing::debug!(to = %self.node, class = label(self.class), %address, "connected");
                    *self.state() = State::Up(connection);
                    return;
                }
                Ok(Err(e)) => e.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            // Once for each time that a peer goes away.
            if failures == 0 {
                tracing::warn!(to = %self.node, class = label(self.class), %address, error, "cannot connect");
            } else {
                tracing::debug!(to = %self.node, class = label(self.class), %address, error, "cannot connect");
            }
        }
        *self.state() = State::Down {
            failures: failures.saturating_add(1),
            not_before: Instant::now() + pause(failures, rand::random_range(0.5..=1.0)),
        };
    }

    /// Connects and waits for the greeting, by which the peer says that it has verified this node, too: in TLS 1.3 a
    /// client is done before its certificate is looked at.
    async fn connect(&self, endpoint: &Endpoint, address: SocketAddr) -> Result<Connection, DialError> {
        let connection = endpoint
            .connect_with(self.config.clone(), address, &server_name(self.node))?
            .await?;
        if peer_of(connection.peer_identity()) != Some(self.node) {
            connection.close(Code::NotServed.number(), b"another node");
            return Err(DialError::OtherNode);
        }
        let mut version = [0];
        let mut greeting = connection.accept_uni().await?;
        greeting.read_exact(&mut version).await?;
        if version != [VERSION] {
            connection.close(Code::Version.number(), b"frame version");
            return Err(DialError::Version(version[0]));
        }
        Ok(connection)
    }

    /// Forgets `connection`, unless it has been replaced already. The peer was there a moment ago: no pause.
    fn lost(&self, connection: &Connection) {
        let mut state = self.state();
        if matches!(&*state, State::Up(current) if current.stable_id() == connection.stable_id()) {
            *state = State::fresh();
        }
    }

    fn unreachable(&self, reason: &str) -> TransportError {
        tracing::debug!(to = %self.node, class = label(self.class), reason, "request not sent");
        TransportError::Unreachable(self.node)
    }

    fn no_reply(&self, reason: &str) -> TransportError {
        TransportError::NoReply(self.node, reason.to_owned())
    }
}

/// A request on its way. Dropped before it is whole, it is broken off, so that no part of it stays in QUIC's buffers.
struct Outgoing {
    stream: SendStream,
    whole: bool,
}

impl Outgoing {
    fn finish(&mut self) {
        self.whole = true;
        // Fails only on a stream that was broken off; the reply tells that.
        let _ = self.stream.finish();
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if !self.whole {
            let _ = self.stream.reset(Code::GivenUp.number());
        }
    }
}

/// Why an address did not lead to its node.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    #[error("no greeting: {0}")]
    Greeting(#[from] quinn::ReadExactError),
    #[error("the certificate is another node's")]
    OtherNode,
    #[error("frame version {0} is not known")]
    Version(u8),
}

fn usable(connection: &Connection, addresses: &[SocketAddr]) -> bool {
    let at = connection.remote_address();
    let listed = |address: &SocketAddr| address.port() == at.port() && canonical(address) == canonical(&at);
    connection.close_reason().is_none() && addresses.iter().any(listed)
}

/// A socket of both families shows IPv4 addresses as IPv6 ones.
fn canonical(address: &SocketAddr) -> std::net::IpAddr {
    address.ip().to_canonical()
}

/// The pause after `failures` earlier failures and one more; `share` of the full length is kept.
fn pause(failures: u32, share: f64) -> Duration {
    let full = BACK_OFF_MIN.saturating_mul(2_u32.saturating_pow(failures));
    full.min(BACK_OFF_MAX).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_bound_and_never_overflows() {
        assert_eq!(pause(0, 1.0), BACK_OFF_MIN);
        assert_eq!(pause(1, 1.0), BACK_OFF_MIN * 2);
        assert_eq!(pause(1, 0.5), BACK_OFF_MIN);
        assert_eq!(pause(31, 1.0), BACK_OFF_MAX);
        assert_eq!(pause(u32::MAX, 1.0), BACK_OFF_MAX);
    }
}
