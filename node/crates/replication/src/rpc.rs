//! Frames between nodes: requests, replies, and how they are written. `docs/replication.md` has the table.
//!
//! A frame is a version byte, a row of numbered fields, and after it the bytes that are not worth a copy: entry heads,
//! blobs, payloads. Lengths of those stand in the row.
//!
//! Invariants
//! - A request to a replica names it; whoever does not run that replica refuses, so a late frame reaches nobody else.
//! - A frame that does not read as written is refused whole.

use bytes::Bytes;
use mail_model::{BlobId, GroupId, LogIndex, ReplicaId, ShelfId};
use minicbor::{Decode, Encode};
use openraft::EntryPayload;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};

use crate::record::{LeaderRow, LogIdRow, Record, RecordError, StoredMembershipRow, VoteRow, open, seal, seal_parts};
use crate::seen::Seen;
use crate::types::{CommandKind, Entry, GroupTypes, Incarnation, LogCommand, LogId, Outcome, ReplicaPlace, RequestId};

/// A request's fixed part.
#[derive(Encode, Decode)]
pub(crate) enum RequestRow {
    /// RequestVote, or its trial run.
    #[n(0)]
    Vote {
        #[n(0)]
        to: ReplicaId,
        #[n(1)]
        vote: VoteRow,
        #[n(2)]
        last: Option<LogIdRow>,
        #[n(3)]
        transfer: bool,
        #[n(4)]
        pre_vote: bool,
    },
    /// AppendEntries. Heads and blobs follow, in order, with these lengths.
    #[n(1)]
    Append {
        #[n(0)]
        to: ReplicaId,
        #[n(1)]
        vote: VoteRow,
        #[n(2)]
        previous: Option<LogIdRow>,
        #[n(3)]
        commit: Option<LogIdRow>,
        #[n(4)]
        lengths: Vec<(u32, u32)>,
        /// How far the leader's own log is on its disk.
        #[n(5)]
        synced: Option<LogIdRow>,
    },
    /// Leadership is to go to `leader`: forget the lease of `from`, and campaign if that is you.
    #[n(2)]
    Transfer {
        #[n(0)]
        to: ReplicaId,
        #[n(1)]
        from: VoteRow,
        #[n(2)]
        leader: ReplicaId,
    },
    /// A command for the group's leader. Payload and blob follow.
    #[n(3)]
    Propose {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        kind: CommandKind,
        #[n(2)]
        request: RequestId,
        #[n(3)]
        payload_len: u32,
        #[n(4)]
        blob_len: Option<u32>,
    },
    /// ReadIndex, for the group's leader.
    #[n(4)]
    ReadIndex {
        #[n(0)]
        group: GroupId,
    },
    /// A query for any replica of the group. The state machine's request follows.
    #[n(5)]
    Query {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        at_least: u64,
        #[n(2)]
        within_ms: u64,
    },
    /// The stored record of a blob.
    #[n(6)]
    Blob {
        #[n(0)]
        blob: BlobId,
    },
    /// The next events of a topic, from any replica of the group; waits for one.
    #[n(7)]
    Follow {
        #[n(0)]
        group: GroupId,
        #[n(1)]
        topic: u64,
        #[n(2)]
        within_ms: u64,
    },
    /// The last entry and the vote of a replica, to choose a new leader by.
    #[n(8)]
    LogEnd {
        #[n(0)]
        of: ReplicaId,
    },
    /// Rows of the snapshot that ends at `last`. Keys and values follow, in order, with these lengths.
    #[n(9)]
    SnapshotRows {
        #[n(0)]
        to: ReplicaId,
        #[n(1)]
        last: LogIdRow,
        #[n(2)]
        lengths: Vec<(u32, u32)>,
    },
    /// Which blobs of the gathered rows, at or above `from`, are missing?
    #[n(10)]
    SnapshotLacks {
        #[n(0)]
        to: ReplicaId,
        #[n(1)]
        last: LogIdRow,
        #[n(2)]
        from: LogIndex,
    },
    /// One of them. Its record follows.
    #[n(11)]
    SnapshotBlob {
        #[n(0)]
        to: ReplicaId,
        #[n(1)]
        last: LogIdRow,
        #[n(2)]
        index: LogIndex,
    },
    /// Everything is there: switch over.
    #[n(12)]
    SnapshotInstall {
        #[n(0)]
        to: ReplicaId,
        #[n(1)]
        vote: VoteRow,
        #[n(2)]
        last: LogIdRow,
        #[n(3)]
        membership: StoredMembershipRow,
    },
    /// The sender lives, and these of its shelves do not (DESIGN D13).
    #[n(13)]
    Liveness {
        #[n(0)]
        bad_shelves: Vec<ShelfId>,
        /// These have no room for more (DESIGN D12).
        #[n(1)]
        #[cbor(default)]
        full_shelves: Vec<ShelfId>,
    },
    /// What was seen from these replicas, which are about to run again (DESIGN D10)?
    #[n(14)]
    Seen {
        #[n(0)]
        of: Vec<ReplicaId>,
    },
}

/// A reply's fixed part.
#[derive(Encode, Decode)]
pub(crate) enum ReplyRow {
    /// To RequestVote.
    #[n(0)]
    Vote {
        #[n(0)]
        vote: VoteRow,
        #[n(1)]
        granted: bool,
        #[n(2)]
        last: Option<LogIdRow>,
    },
    /// To AppendEntries.
    #[n(1)]
    Append {
        #[n(0)]
        outcome: AppendRow,
    },
    /// Done; nothing to say.
    #[n(2)]
    Done,
    /// To a proposal: what applying it answered. The reply follows.
    #[n(3)]
    Proposed {
        #[n(0)]
        outcome: OutcomeRow,
    },
    /// Ask the leader, who may be this one.
    #[n(4)]
    NotLeader {
        #[n(0)]
        leader: Option<ReplicaPlace>,
    },
    /// A position in the log.
    #[n(5)]
    At {
        #[n(0)]
        index: u64,
    },
    /// To a query. The state machine's reply follows.
    #[n(6)]
    Answer {
        #[n(0)]
        index: u64,
    },
    /// To a request for a blob. Its record follows, if there is one.
    #[n(7)]
    Blob {
        #[n(0)]
        found: bool,
    },
    /// The end of a log.
    #[n(8)]
    LogEnd {
        #[n(0)]
        last: Option<LogIdRow>,
        #[n(1)]
        vote: VoteRow,
    },
    /// Blobs that are missing, and where to ask on.
    #[n(11)]
    Lacks {
        #[n(0)]
        blobs: Vec<LogIndex>,
        #[n(1)]
        next: Option<LogIndex>,
    },
    /// Events of a feed. Their bytes follow, in order, with these indexes and lengths.
    #[n(12)]
    Events {
        #[n(0)]
        events: Vec<(u64, u32)>,
    },
    /// To [`RequestRow::Seen`]; those that nothing is known of are left out.
    #[n(13)]
    Seen {
        #[n(0)]
        rows: Vec<SeenRow>,
    },
    /// To [`RequestRow::Liveness`]: the node lives, and this is its time.
    #[n(14)]
    Alive {
        #[n(0)]
        clock_ms: u64,
    },
    /// No effect, no answer; the text says why.
    #[n(9)]
    Refused {
        #[n(0)]
        reason: String,
    },
    /// No effect: the group has no room for what makes it grow (DESIGN D12).
    #[n(15)]
    NoSpace,
    /// Whether the request took effect is not known here; the text says why.
    #[n(10)]
    Unsettled {
        #[n(0)]
        reason: String,
    },
}

/// What was seen from one replica.
#[derive(Clone, Copy, Encode, Decode)]
pub(crate) struct SeenRow {
    #[n(0)]
    pub(crate) replica: ReplicaId,
    #[n(1)]
    vote: LeaderRow,
    #[n(2)]
    last: Option<LogIdRow>,
}

impl SeenRow {
    pub(crate) fn new(replica: ReplicaId, seen: &Seen) -> Self {
        Self {
            replica,
            vote: seen.vote.into(),
            last: seen.last.as_ref().map(Into::into),
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            vote: self.vote.into(),
            last: self.last.map(Into::into),
        }
    }
}

/// What AppendEntries came to.
#[derive(Encode, Decode)]
pub(crate) enum AppendRow {
    #[n(0)]
    Success,
    #[n(1)]
    Partial {
        #[n(0)]
        upto: Option<LogIdRow>,
    },
    #[n(2)]
    Conflict,
    #[n(3)]
    HigherVote {
        #[n(0)]
        vote: VoteRow,
    },
}

/// What applying a command answered.
#[derive(Encode, Decode)]
pub(crate) enum OutcomeRow {
    #[n(0)]
    Nothing,
    #[n(1)]
    Reply {
        #[n(0)]
        index: LogIndex,
    },
    #[n(2)]
    Cancelled,
    #[n(3)]
    Stale,
    #[n(4)]
    NoLane {
        #[n(0)]
        known: Option<Incarnation>,
    },
}

pub(crate) fn write_request(row: &RequestRow, rest: &[u8]) -> Bytes {
    seal(row, rest)
}

pub(crate) fn read_request(frame: &Bytes) -> Result<(RequestRow, Bytes), RecordError> {
    open("request", frame)
}

pub(crate) fn write_reply(row: &ReplyRow, rest: &[u8]) -> Bytes {
    seal(row, rest)
}

pub(crate) fn read_reply(frame: &Bytes) -> Result<(ReplyRow, Bytes), RecordError> {
    open("reply", frame)
}

/// Lengths fit: heads, payloads and blobs are bounded far below 4 GiB where they are made.
pub(crate) fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

pub(crate) fn vote_request<C: GroupTypes>(to: ReplicaId, rpc: &VoteRequest<C>, pre_vote: bool) -> Bytes {
    let row = RequestRow::Vote {
        to,
        vote: VoteRow::from(&rpc.vote),
        last: rpc.last_log_id.as_ref().map(Into::into),
        transfer: rpc.leadership_transfer,
        pre_vote,
    };
    write_request(&row, &[])
}

pub(crate) fn vote_reply<C: GroupTypes>(reply: &VoteResponse<C>) -> Bytes {
    let row = ReplyRow::Vote {
        vote: VoteRow::from(&reply.vote),
        granted: reply.vote_granted,
        last: reply.last_log_id.as_ref().map(Into::into),
    };
    write_reply(&row, &[])
}

pub(crate) fn append_request<C: GroupTypes>(
    to: ReplicaId,
    rpc: &AppendEntriesRequest<C>,
    synced: Option<LogId>,
) -> Bytes {
    let heads: Vec<Bytes> = rpc.entries.iter().map(Record::to_record).collect();
    let mut lengths = Vec::with_capacity(heads.len());
    let mut parts: Vec<&[u8]> = Vec::with_capacity(2 * heads.len());
    for (head, entry) in heads.iter().zip(&rpc.entries) {
        let blob = match &entry.payload {
            EntryPayload::Normal(command) => command.blob.as_deref().unwrap_or_default(),
            EntryPayload::Blank | EntryPayload::Membership(_) => &[],
        };
        lengths.push((len_u32(head), len_u32(blob)));
        parts.extend([head, blob]);
    }
    let row = RequestRow::Append {
        to,
        vote: VoteRow::from(&rpc.vote),
        previous: rpc.prev_log_id.as_ref().map(Into::into),
        commit: rpc.leader_commit.as_ref().map(Into::into),
        lengths,
        synced: synced.as_ref().map(Into::into),
    };
    seal_parts(&row, &parts)
}

/// The entries that follow an `Append` row.
pub(crate) fn append_entries(lengths: &[(u32, u32)], mut rest: Bytes) -> Result<Vec<Entry>, RecordError> {
    let mut entries = Vec::with_capacity(lengths.len());
    for (head_len, blob_len) in lengths {
        let head = take(&mut rest, *head_len)?;
        let blob = take(&mut rest, *blob_len)?;
        let mut entry = Entry::from_record(&head)?;
        if let EntryPayload::Normal(command) = &mut entry.payload {
            command.blob = command.blob_len.map(|_| blob);
        }
        entries.push(entry);
    }
    Ok(entries)
}

pub(crate) fn take(rest: &mut Bytes, len: u32) -> Result<Bytes, RecordError> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if len > rest.len() {
        return Err(RecordError::malformed("request", "shorter than the lengths in it"));
    }
    Ok(rest.split_to(len))
}

pub(crate) fn append_reply<C: GroupTypes>(reply: &AppendEntriesResponse<C>) -> Bytes {
    let outcome = match reply {
        AppendEntriesResponse::Success => AppendRow::Success,
        AppendEntriesResponse::PartialSuccess(upto) => AppendRow::Partial {
            upto: upto.as_ref().map(Into::into),
        },
        AppendEntriesResponse::Conflict => AppendRow::Conflict,
        AppendEntriesResponse::HigherVote(vote) => AppendRow::HigherVote { vote: vote.into() },
    };
    write_reply(&ReplyRow::Append { outcome }, &[])
}

impl<C: GroupTypes> From<AppendRow> for AppendEntriesResponse<C> {
    fn from(row: AppendRow) -> Self {
        match row {
            AppendRow::Success => Self::Success,
            AppendRow::Partial { upto } => Self::PartialSuccess(upto.map(Into::into)),
            AppendRow::Conflict => Self::Conflict,
            AppendRow::HigherVote { vote } => Self::HigherVote(vote.into()),
        }
    }
}

pub(crate) fn propose_request(group: GroupId, command: &LogCommand) -> Bytes {
    let row = RequestRow::Propose {
        group,
        kind: command.kind,
        request: command.request,
        payload_len: len_u32(&command.payload),
        blob_len: command.blob.as_deref().map(len_u32),
    };
    seal_parts(&row, &[&command.payload, command.blob.as_deref().unwrap_or_default()])
}

/// Payload and blob that follow a `Propose` row.
pub(crate) fn proposed_parts(
    payload_len: u32,
    blob_len: Option<u32>,
    mut rest: Bytes,
) -> Result<(Bytes, Option<Bytes>), RecordError> {
    let payload = take(&mut rest, payload_len)?;
    let blob = blob_len.map(|len| take(&mut rest, len)).transpose()?;
    Ok((payload, blob))
}

pub(crate) fn outcome_reply(outcome: &Outcome) -> Bytes {
    let (outcome, rest): (_, &[u8]) = match outcome {
        Outcome::Nothing => (OutcomeRow::Nothing, &[]),
        Outcome::Reply { index, reply } => (OutcomeRow::Reply { index: *index }, reply),
        Outcome::Cancelled => (OutcomeRow::Cancelled, &[]),
        Outcome::Stale => (OutcomeRow::Stale, &[]),
        Outcome::NoLane(known) => (OutcomeRow::NoLane { known: *known }, &[]),
    };
    write_reply(&ReplyRow::Proposed { outcome }, rest)
}

impl OutcomeRow {
    pub(crate) fn with_reply(self, reply: Bytes) -> Outcome {
        match self {
            Self::Nothing => Outcome::Nothing,
            Self::Reply { index } => Outcome::Reply { index, reply },
            Self::Cancelled => Outcome::Cancelled,
            Self::Stale => Outcome::Stale,
            Self::NoLane { known } => Outcome::NoLane(known),
        }
    }
}
