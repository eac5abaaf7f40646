//! The answering side: lets nodes in, reads their requests and calls the handler.
//!
//! Invariants
//! - `from` is what the verified certificate of the connection says.
//! - Until the handler is called, whatever goes wrong is told to the peer by a code that says so; afterwards, never by
//!   such a code.
//! - A peer has at most its share of connections, requests and bytes, and takes nothing from another peer's share.
//! - What is over a bound is refused at once and not kept: the caller knows its deadline and can ask again, and what
//!   waits unread would fill the window that requests to healthy shelves come through.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use mail_model::NodeId;
use quinn::crypto::rustls::HandshakeData;
use quinn::{Connection, ConnectionError, Endpoint, Incoming, RecvStream, SendStream, VarInt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::frame::{Budget, Code, FrameError, VERSION, class_of, label, read_bytes, read_request_head, reply_head};
use super::identity::peer_of;
use super::limits::{
    CONNECTIONS_MAX, CONNECTIONS_PER_PEER_AND_CLASS, ClassLimits, HANDLE_MAX, HANDSHAKE_MAX, HANDSHAKES_MAX,
    REQUEST_HEAD_MAX, SERVED_PER_CALL,
};
use super::link::Links;
use crate::transport::{Class, Handler};

/// What all connections to this node share.
pub(super) struct Server {
    handler: Arc<dyn Handler>,
    links: Arc<Links>,
    gates: Mutex<HashMap<(NodeId, Class), Weak<Gate>>>,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
    refused: Arc<AtomicU64>,
    closing: watch::Receiver<bool>,
    at_work: watch::Sender<usize>,
}

impl Server {
    /// `closing` turns true once no more requests are to be taken; `at_work` counts those that are being answered.
    pub(super) fn new(
        handler: Arc<dyn Handler>,
        links: Arc<Links>,
        refused: Arc<AtomicU64>,
        closing: watch::Receiver<bool>,
        at_work: watch::Sender<usize>,
    ) -> Self {
        Self {
            handler,
            links,
            gates: Mutex::default(),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            refused,
            closing,
            at_work,
        }
    }

    /// Takes connections until the endpoint is closed.
    pub(super) async fn run(self: Arc<Self>, endpoint: Endpoint) {
        while let Some(incoming) = endpoint.accept().await {
            self.take(incoming);
        }
    }

    fn take(self: &Arc<Self>, incoming: Incoming) {
        let connection = self.connections.clone().try_acquire_owned();
        let handshake = self.handshakes.clone().try_acquire_owned();
        let (Ok(connection), Ok(handshake)) = (connection, handshake) else {
            incoming.refuse();
            return;
        };
        let crowded = self.handshakes.available_permits() < HANDSHAKES_MAX / 2;
        if crowded && incoming.may_retry() {
            // Costs nothing here, and a sender of forged addresses never sees it.
            let _ = incoming.retry();
            return;
        }
        let server = self.clone();
        tokio::spawn(async move {
            let from = incoming.remote_address();
            match timeout(HANDSHAKE_MAX, incoming).await {
                Ok(Ok(accepted)) => {
                    drop(handshake);
                    server.serve(accepted).await;
                }
                Ok(Err(e)) => server.refuse(from, &e.to_string()),
                Err(_) => server.refuse(from, "the handshake took too long"),
            }
            drop(connection);
        });
    }

    fn refuse(&self, from: SocketAddr, reason: &str) {
        metrics::counter!("holdfast_transport_refused_handshakes_total").increment(1);
        let count = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        // The first is news, and so is a flood; each one of a flood is not.
        if count.is_power_of_two() {
            tracing::warn!(%from, reason, count, "refused a connection between nodes");
        } else {
            tracing::debug!(%from, reason, count, "refused a connection between nodes");
        }
    }

    /// Serves one connection until it ends.
    async fn serve(self: &Arc<Self>, connection: Connection) {
        let Some((from, class)) = peer_of(connection.peer_identity()).zip(class(&connection)) else {
            self.refuse(connection.remote_address(), "the certificate names no node");
            connection.close(Code::NotServed.number(), b"the certificate names no node");
            return;
        };
        let gate = self.gate(from, class);
        gate.enter(&connection);
        tracing::debug!(%from, class = label(class), at = %connection.remote_address(), "peer connected");
        if greet(&connection, class).await.is_ok() {
            self.links.heard_from(from);
            self.take_requests(&connection, &gate, from, class).await;
        }
        gate.leave(&connection);
    }

    async fn take_requests(self: &Arc<Self>, connection: &Connection, gate: &Arc<Gate>, from: NodeId, class: Class) {
        let mut closing = self.closing.clone();
        let closed = async move {
            let _ = closing.wait_for(|closing| *closing).await;
        };
        tokio::pin!(closed);
        loop {
            let stream = tokio::select! {
                stream = connection.accept_bi() => stream,
                () = &mut closed => return,
            };
            let Ok((send, recv)) = stream else { return };
            let server = self.clone();
            let gate = gate.clone();
            let at_work = AtWork::begin(self.at_work.clone());
            // The number of tasks is bounded by the streams that the peer may open.
            tokio::spawn(async move {
                let _at_work = at_work;
                server.answer(&gate, from, class, send, recv).await;
            });
        }
    }

    /// Answers one request, or breaks its stream off with a code.
    async fn answer(&self, gate: &Gate, from: NodeId, class: Class, send: SendStream, mut recv: RecvStream) {
        let limits = ClassLimits::of(class);
        let mut answer = Answer { send, done: false };
        let admitted = match gate.admit(&mut recv, limits).await {
            Ok(admitted) => admitted,
            Err(code) => {
                tracing::debug!(%from, class = label(class), ?code, "request refused");
                metrics::counter!("holdfast_transport_refused_requests_total", "class" => label(class)).increment(1);
                let _ = recv.stop(code.number());
                answer.break_off(code);
                return;
            }
        };
        let handled = self.handler.handle(from, admitted.request);
        let Ok(reply) = timeout_at(admitted.deadline, handled).await else {
            answer.break_off(Code::TimedOut);
            return;
        };
        if reply.len() > limits.reply_bytes_max {
            tracing::warn!(to = %from, class = label(class), bytes = reply.len(), "reply over the limit");
            answer.break_off(Code::ReplyTooLarge);
            return;
        }
        let deadline = admitted.deadline;
        if timeout_at(deadline, answer.write(reply)).await.is_err() {
            answer.break_off(Code::TimedOut);
            return;
        }
        drop(admitted.share);
        // Counts as at work until the peer has it: a connection that is closed before throws it away.
        let _ = timeout_at(deadline, answer.send.stopped()).await;
    }

    fn gate(&self, from: NodeId, class: Class) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(&(from, class)).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Gate::new(ClassLimits::of(class)));
        gates.insert((from, class), Arc::downgrade(&gate));
        gate
    }
}

fn class(connection: &Connection) -> Option<Class> {
    let handshake = connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
    class_of(&handshake.protocol?)
}

/// Opens the connection for requests, and tells the peer.
async fn greet(connection: &Connection, class: Class) -> Result<(), ConnectionError> {
    let limits = ClassLimits::of(class);
    let streams = u32::try_from(limits.calls_max * SERVED_PER_CALL).unwrap_or(u32::MAX);
    connection.set_max_concurrent_bi_streams(VarInt::from_u32(streams));
    connection.set_receive_window(VarInt::from_u32(limits.receive_window_bytes));
    connection.set_send_window(u64::from(limits.send_window_bytes));
    let mut greeting = connection.open_uni().await?;
    // A failure to write shows when requests are taken.
    if greeting.write_all(&[VERSION]).await.is_ok() {
        let _ = greeting.finish();
    }
    Ok(())
}

/// What one peer may take of this node in one class, over all its connections.
struct Gate {
    requests: Semaphore,
    bytes: Budget,
    /// Oldest first.
    connections: Mutex<VecDeque<Connection>>,
}

/// A request that may be handled.
struct Admitted<'g> {
    request: Bytes,
    deadline: Instant,
    /// What it takes of the peer's share, until dropped: a turn, and bytes.
    share: (SemaphorePermit<'g>, OwnedSemaphorePermit),
}

impl Gate {
    fn new(limits: ClassLimits) -> Self {
        Self {
            requests: Semaphore::new(limits.calls_max * SERVED_PER_CALL),
            bytes: Budget::new(limits.bytes_max),
            connections: Mutex::default(),
        }
    }

    /// Counts a connection in; the peer's oldest one ends when there are too many.
    fn enter(&self, connection: &Connection) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.push_back(connection.clone());
        while connections.len() > CONNECTIONS_PER_PEER_AND_CLASS {
            if let Some(oldest) = connections.pop_front() {
                oldest.close(Code::Replaced.number(), b"newer connections");
            }
        }
    }

    fn leave(&self, connection: &Connection) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|other| other.stable_id() != connection.stable_id());
    }

    /// Reads a request, if there is room for it.
    async fn admit(&self, stream: &mut RecvStream, limits: ClassLimits) -> Result<Admitted<'_>, Code> {
        let turn = self.requests.try_acquire().map_err(|_| Code::Busy)?;
        let head = timeout(REQUEST_HEAD_MAX, read_request_head(stream, limits.request_bytes_max));
        let head = head.await.map_err(|_| Code::Incomplete)?.map_err(code)?;
        let deadline = Instant::now() + head.within.min(HANDLE_MAX);
        let read = timeout_at(deadline, read_bytes(stream, head.len, &self.bytes));
        let (request, bytes) = read.await.map_err(|_| Code::Incomplete)?.map_err(code)?;
        Ok(Admitted {
            request,
            deadline,
            share: (turn, bytes),
        })
    }
}

fn code(error: FrameError) -> Code {
    match error {
        FrameError::Stream(_) | FrameError::Short => Code::Incomplete,
        FrameError::Version(_) => Code::Version,
        FrameError::TooLarge { .. } => Code::TooLarge,
        FrameError::Busy => Code::Busy,
    }
}

/// The way back. Dropped before the reply is written, by a handler that panicked say, it tells the caller.
struct Answer {
    send: SendStream,
    done: bool,
}

impl Answer {
    /// Errors are the caller's business: it is gone, or has given up.
    async fn write(&mut self, reply: Bytes) {
        let mut frame = [reply_head(reply.len()), reply];
        let _ = self.send.write_all_chunks(&mut frame).await;
        self.done = true;
        let _ = self.send.finish();
    }

    fn break_off(&mut self, code: Code) {
        self.done = true;
        let _ = self.send.reset(code.number());
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.done {
            self.break_off(Code::Failed);
        }
    }
}

/// Counts a request for as long as it lives.
struct AtWork {
    count: watch::Sender<usize>,
}

impl AtWork {
    fn begin(count: watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self { count }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count = count.saturating_sub(1));
    }
}
