//! The types that openraft is set up with: what a log entry carries and what applying it answers.
//!
//! Invariants
//! - A Raft node is a replica: [`ReplicaId`] is given once, so an id that lost its log never runs again (DESIGN D2).
//! - A blob travels beside its entry. `blob_len` says that an entry has one, also where the bytes were taken off.

use std::fmt;

use bytes::Bytes;
use mail_model::{LogIndex, NodeId, ReplicaId, ShelfId};
use minicbor::{Decode, Encode};
use openraft::impls::leader_id_adv::LeaderId as AdvLeaderId;
use openraft::{AsyncRuntime, EntryPayload, RaftTypeConfig};

/// Where a replica is: identities, never addresses, which may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct ReplicaPlace {
    /// The node whose process runs it.
    #[n(0)]
    pub node: NodeId,
    /// The shelf that holds it.
    #[n(1)]
    pub shelf: ShelfId,
}

/// One start of a front node's process, as far as a group cares: requests of an older one no longer count (DESIGN D5).
///
/// Ordered: `started_ms` is the clock at the start, or one more than the incarnation that the group knew, whichever is
/// later; `random` tells two starts apart that saw the same clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Incarnation {
    /// Milliseconds since 1970, or later.
    #[n(0)]
    pub started_ms: u64,
    /// Random bits.
    #[n(1)]
    pub random: u64,
}

/// Names one request for ever, so that it takes effect once however often it is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct RequestId {
    /// The front node that asks.
    #[n(0)]
    pub node: NodeId,
    /// Which start of it.
    #[n(1)]
    pub incarnation: Incarnation,
    /// Counts the requests of this incarnation to this group, from 1.
    #[n(2)]
    pub counter: u64,
    /// Every request below this counter has its answer: their replies need not be kept, and they never come again.
    #[n(3)]
    pub acked_below: u64,
}

/// What a command is to replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum CommandKind {
    /// The payload is for the state machine above.
    #[n(0)]
    App,
    /// The front node's lane begins anew with the incarnation of the request; older ones are closed.
    #[n(1)]
    OpenLane,
    /// The request takes no effect from here on, unless it has taken it already.
    #[n(2)]
    Cancel,
}

/// The data of a normal log entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCommand {
    /// What it is.
    pub kind: CommandKind,
    /// Who asked, once.
    pub request: RequestId,
    /// The leader's clock when it proposed, in milliseconds since 1970.
    pub log_time_ms: u64,
    /// What `apply` sees.
    pub payload: Bytes,
    /// Length of the piece record that belongs to this entry, if one does.
    pub blob_len: Option<u32>,
    /// That record, unless it was taken off.
    pub blob: Option<Bytes>,
}

impl fmt::Display for LogCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, request, .. } = self;
        write!(f, "{kind:?} {}#{}", request.node, request.counter)
    }
}

/// What applying an entry answers to whoever proposed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The entry was not a command.
    Nothing,
    /// The request took effect at `index`, once; the same again when it comes again.
    Reply {
        /// The entry that took effect, whose blob counts.
        index: LogIndex,
        /// What the state machine answered.
        reply: Bytes,
    },
    /// Without effect, now and later: the request was cancelled.
    Cancelled,
    /// Without effect, now and later: the request is older than what its lane still keeps, or its lane is closed.
    Stale,
    /// Without effect so far: the lane has to be opened first. Names the incarnation that the group knows.
    NoLane(Option<Incarnation>),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Reply { index, reply } => write!(f, "reply of {} bytes at {index}", reply.len()),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Stale => f.write_str("stale"),
            Self::NoLane(_) => f.write_str("no lane"),
        }
    }
}

/// Term and candidate: openraft lets several candidates win in one term, ordered by id.
pub(crate) type LeaderId = AdvLeaderId<u64, ReplicaId>;
/// A vote of ours.
pub(crate) type Vote = openraft::Vote<LeaderId>;
/// A position in a raft log together with who wrote it.
pub(crate) type LogId = openraft::LogId<LeaderId>;
/// Voters and learners, maybe joint.
pub(crate) type Membership = openraft::Membership<ReplicaId, ReplicaPlace>;
/// Voters and learners with the entry that set them.
pub(crate) type StoredMembership = openraft::StoredMembership<LeaderId, ReplicaId, ReplicaPlace>;
/// What an entry carries.
pub(crate) type Payload = EntryPayload<LogCommand, ReplicaId, ReplicaPlace>;
/// An entry.
pub(crate) type Entry = openraft::Entry<LeaderId, Payload>;

/// openraft set up our way, on any runtime: tokio in the product, virtual time in the simulator.
pub trait GroupTypes:
    RaftTypeConfig<
        D = LogCommand,
        R = Outcome,
        NodeId = ReplicaId,
        Node = ReplicaPlace,
        Term = u64,
        LeaderId = LeaderId,
        Vote = Vote,
        Payload = Payload,
        Entry = Entry,
    >
{
}

impl<C> GroupTypes for C where
    C: RaftTypeConfig<
            D = LogCommand,
            R = Outcome,
            NodeId = ReplicaId,
            Node = ReplicaPlace,
            Term = u64,
            LeaderId = LeaderId,
            Vote = Vote,
            Payload = Payload,
            Entry = Entry,
        >
{
}

/// An instant on the runtime's clock.
pub(crate) type InstantOf<C> = <<C as RaftTypeConfig>::AsyncRuntime as AsyncRuntime>::Instant;

openraft::declare_raft_types!(
    /// openraft on tokio.
    pub TokioTypes:
        D = LogCommand,
        R = Outcome,
        NodeId = ReplicaId,
        Node = ReplicaPlace,
        AsyncRuntime = crate::runtime::NodeRuntime,
);
