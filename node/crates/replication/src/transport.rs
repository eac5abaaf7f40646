//! What replication asks of a network between nodes.
//!
//! Invariants of every transport
//! - A reply comes from the node that was called, and `from` is the node that called: identities are proved, not said.
//! - A call ends within its time: with the reply, or with an error that leaves open whether the request arrived.
//! - Frames of a more urgent class never wait behind those of a less urgent one.

use std::time::Duration;

use bytes::Bytes;
use mail_model::NodeId;

use crate::api::BoxFuture;

/// How urgent a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Bodies for rebuilding and reading.
    Bulk,
    /// Log entries, proposals and queries.
    Log,
    /// Votes, hand-over and ReadIndex: small, and everybody waits for them.
    Vote,
}

/// Why a call has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request did not arrive.
    #[error("node {0} cannot be reached")]
    Unreachable(NodeId),
    /// The request may have arrived.
    #[error("no reply from node {0}: {1}")]
    NoReply(NodeId, String),
}

/// Calls other nodes.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and waits for its reply. Dropping the future does not take the request back.
    fn call(
        &self,
        to: NodeId,
        class: Class,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'_, Result<Bytes, TransportError>>;
}

/// Answers other nodes. The transport calls it for every request that arrives.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request of `from`. Never fails: what cannot be answered is refused in the reply.
    fn handle(&self, from: NodeId, request: Bytes) -> BoxFuture<'_, Bytes>;
}
