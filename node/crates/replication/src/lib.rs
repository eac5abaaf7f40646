//! Groups of replicas over shelves: consensus (openraft), exactly-once requests, snapshots and change feeds. The only
//! crate that knows openraft.
//!
//! Invariants
//! - A reply to a request is given only after its entry is durable on a majority of the group's replicas and applied.
//! - A request takes effect once, however often it is sent.
//! - No type of openraft's is stored or sent in its own form.
//!
//! Must not know: mail. What a command means is the [`StateMachine`]'s business.

mod api;
mod client;
mod clock;
#[cfg(test)]
mod conformance;
mod deadline;
mod feed;
mod front_lane;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod lanes;
mod leading;
pub mod limits;
mod liveness;
mod log_store;
mod machine;
mod node;
pub mod quic;
mod raft_net;
mod read_index;
mod record;
mod replica;
mod retention;
mod rpc;
mod runtime;
mod seen;
#[cfg(feature = "simulation")]
pub mod simulation;
mod snapshot;
mod start;
mod transport;
mod types;
mod watched;

pub use api::{
    Applied, AppliedAt, BoxFuture, CheckedPiece, Command, Feed, FeedEvent, GroupClient, ProposeError, QueryReply,
    ReadError, StateMachine, Token,
};
pub use clock::{Clock, ClockStatus, SystemClock};
pub use liveness::Health;
pub use node::{GroupPlan, Replicator, ReplicatorConfig};
pub use replica::ReplicaStatus;
pub use start::{StartError, Starting};
pub use transport::{Class, Handler, Transport, TransportError};
pub use types::{GroupTypes, Incarnation, ReplicaPlace, TokioTypes};

// What the layer above needs of the shelf.
pub use shelf::limits::{PIECE_BYTES, PIECE_OVERHEAD_MAX};
pub use shelf::{KeyRange, RowVisitor, ShelfError, ShelfLabel, StateTxn, StateView, piece};
