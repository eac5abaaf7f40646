//! What the layers above see of replication: the state machine trait that the mail store implements, and the
//! client by which a front node changes and reads groups. Nothing here names openraft, quinn or a database.
//!
//! Invariants
//! - A command that `propose` answered with `Ok` is committed on a majority and applied where the reply came from.
//! - `ProposeError::NotDone`, and `NoSpace`, means that the command has had no effect and never will have one.
//! - `ProposeError::Uncertain` is said only without a majority: the command may or may not take effect, once.
//! - A `Token` only grows.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use mail_model::{BlobId, GroupId, LogIndex};
use shelf::piece::PieceSummary;
use shelf::{ShelfError, StateTxn, StateView};

/// A boxed future, so that [`GroupClient`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a group's commands mean. Implemented above: by mail groups, and by the directory in group 0.
///
/// State keys are any bytes that do not start with `0xFF`; those belong to replication.
pub trait StateMachine: Send + Sync + 'static {
    /// Applies one committed command and returns its encoded reply.
    ///
    /// Depends on nothing but the state in `txn`, `at` and `payload`, so that every replica does the same. An
    /// impossible command is an encoded rejection, never a panic: every replica would repeat it for ever.
    ///
    /// # Errors
    /// Only what the shelf reports; the replica stops then.
    fn apply(&self, txn: &mut StateTxn<'_>, at: &AppliedAt, payload: &[u8]) -> Result<Vec<u8>, ShelfError>;

    /// Whether a command puts more on the disk than it takes off in the end. Such commands wait for room (DESIGN D12); asked
    /// of a leader whose group has too little of it, never by `apply`.
    fn grows(&self, payload: &[u8]) -> bool;

    /// Answers one read against a consistent view. Runs on an I/O thread of the shelf.
    ///
    /// # Errors
    /// Only what the shelf reports; a request that makes no sense is an encoded answer.
    fn query(&self, view: &StateView, request: &[u8]) -> Result<Vec<u8>, ShelfError>;

    /// Log indexes of the blobs that the state refers to, ascending, at or above `from`, at most `limit`.
    ///
    /// # Errors
    /// Only what the shelf reports.
    fn live_blobs(&self, view: &StateView, from: LogIndex, limit: usize) -> Result<Vec<LogIndex>, ShelfError>;
}

/// Where in its group's log a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedAt {
    /// The group whose log this is.
    pub group: GroupId,
    /// The entry's index; also the id of its blob.
    pub index: LogIndex,
    /// Milliseconds since 1970 as stamped by leaders, the running maximum of the log (DESIGN D5).
    pub log_time_ms: u64,
    /// Length of the stored record that travelled with this entry, if one did.
    pub blob_len: Option<u32>,
}

/// A change to propose: a small payload for `apply`, and at most one body piece kept apart under the entry's index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What `apply` sees; at most [`crate::limits::PAYLOAD_BYTES_MAX`].
    pub payload: Bytes,
    /// One stored piece record (see `shelf::piece`); at most [`crate::limits::BLOB_BYTES_MAX`].
    pub blob: Option<Bytes>,
}

/// The answer to a proposal that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Where it stands in the log.
    pub index: LogIndex,
    /// What `apply` returned.
    pub reply: Bytes,
}

/// The highest log index seen in a group: reads that carry it see at least that much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// The answer to a query, with what it reflects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryReply {
    /// The applied index of the view that answered.
    pub token: Token,
    /// What `query` returned.
    pub reply: Bytes,
}

/// Why a proposal has no reply.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProposeError {
    /// It had no effect and never will have one; trying again later may help.
    #[error("group {group} did not take the change: {reason}")]
    NotDone {
        /// The group asked.
        group: GroupId,
        /// What stood in the way, for the log.
        reason: String,
    },
    /// It would have grown the group, most of whose shelves are full (DESIGN D12): it had no effect and never will have one.
    #[error("group {group} has no space for it")]
    NoSpace {
        /// The group asked.
        group: GroupId,
    },
    /// The group has no majority within reach: it may or may not take effect.
    #[error("group {group} lost its majority before it answered: {reason}")]
    Uncertain {
        /// The group asked.
        group: GroupId,
        /// What stood in the way, for the log.
        reason: String,
    },
    /// Larger than an entry may be.
    #[error("a command of {bytes} bytes is over the limit of {limit}")]
    TooLarge {
        /// Size of the part that is too large.
        bytes: usize,
        /// Its limit.
        limit: usize,
    },
}

/// Why a read has no answer.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    /// No replica within reach could answer before the deadline; trying again later may help.
    #[error("group {group} cannot be read now: {reason}")]
    Unavailable {
        /// The group asked.
        group: GroupId,
        /// What stood in the way, for the log.
        reason: String,
    },
    /// The bytes do not exist: they were freed.
    #[error("blob {0} does not exist")]
    NoSuchBlob(BlobId),
}

/// One event of a change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedEvent {
    /// Emitted by `apply` of the entry at `token`.
    Event {
        /// The entry's index.
        token: Token,
        /// What `apply` emitted.
        event: Bytes,
    },
    /// Events may be missing: read the state anew.
    Lagged,
}

/// A subscription to one topic of one group, wherever its replica is. Ends never; after a gap it says `Lagged`.
pub struct Feed {
    events: tokio::sync::mpsc::Receiver<FeedEvent>,
}

impl Feed {
    /// Wraps the receiving end of a feed; a closed channel reads as a feed that stays silent.
    #[must_use]
    pub fn new(events: tokio::sync::mpsc::Receiver<FeedEvent>) -> Self {
        Self { events }
    }

    /// The next event; `None` once the node shuts down. Cancel safe.
    pub async fn next(&mut self) -> Option<FeedEvent> {
        self.events.recv().await
    }

    /// An event that is there already. Cancel safe by having no await.
    pub fn try_next(&mut self) -> Option<FeedEvent> {
        self.events.try_recv().ok()
    }
}

/// The plain bytes of a piece, and what its record says of them.
pub type CheckedPiece = (PieceSummary, Bytes);

/// How a front node changes and reads groups, wherever their replicas are. One method, one promise.
///
/// `within` bounds the whole call, retries included.
pub trait GroupClient: Send + Sync + 'static {
    /// Commits and applies `command` exactly once, whatever fails meanwhile.
    ///
    /// Not cancel safe in the sense that a dropped future leaves the outcome unknown.
    fn propose(
        &self,
        group: GroupId,
        command: Command,
        within: Duration,
    ) -> BoxFuture<'_, Result<Applied, ProposeError>>;

    /// ReadIndex: a token that covers everything that any node acknowledged before the call. Coalesced per group.
    fn read_index(&self, group: GroupId, within: Duration) -> BoxFuture<'_, Result<Token, ReadError>>;

    /// Answers `request` from a replica that has applied `at_least`: the local one if there is one.
    fn query(
        &self,
        group: GroupId,
        at_least: Token,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'_, Result<QueryReply, ReadError>>;

    /// The plain bytes of one piece, checked against its BLAKE3.
    fn read_blob(&self, id: BlobId, within: Duration) -> BoxFuture<'_, Result<Bytes, ReadError>>;

    /// Several pieces of a group in one read, each checked against the BLAKE3 in its record, as far as a replica of this
    /// node has them. `None` says nothing: ask [`GroupClient::read_blob`], which looks elsewhere, too.
    fn read_blobs(&self, group: GroupId, indexes: Vec<LogIndex>) -> BoxFuture<'_, Vec<Option<CheckedPiece>>> {
        let _ = group;
        Box::pin(std::future::ready(vec![None; indexes.len()]))
    }

    /// Subscribes to what `apply` emits under `topic`.
    fn subscribe(&self, group: GroupId, topic: u64) -> Feed;

    /// The mail groups of this cluster, ascending; group 0, the directory's, is not among them.
    fn mail_groups(&self) -> Vec<GroupId>;

    /// Whether this node leads the group at the moment: background work of a group runs where it leads.
    fn leads(&self, group: GroupId) -> bool;
}
