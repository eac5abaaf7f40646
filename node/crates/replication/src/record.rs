//! How votes, log ids, memberships and entries are stored and sent: our own versioned records, never openraft's form
//! (DESIGN D21). The same bytes go to the shelf and over the wire; `docs/replication.md` has the layout.
//!
//! Invariants
//! - Every record begins with its version byte. What this program does not know is an error, never a guess.
//! - Numbered fields: a newer program may add some, an older one skips them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mail_model::ReplicaId;
use minicbor::{Decode, Decoder, Encode};
use openraft::EntryPayload;

use crate::types::{
    CommandKind, Entry, LeaderId, LogCommand, LogId, Membership, ReplicaPlace, RequestId, StoredMembership, Vote,
};

/// The version that this program writes; it reads this one and none before it.
const VERSION: u8 = 1;

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Nothing there, or of a version that this program does not know.
    #[error("{what} record has version {version:?}, which this program does not know")]
    Version {
        /// What was to be read.
        what: &'static str,
        /// Its first byte.
        version: Option<u8>,
    },
    /// The bytes do not say what they should.
    #[error("{what} record cannot be read: {cause}")]
    Malformed {
        /// What was to be read.
        what: &'static str,
        /// Where it went wrong.
        cause: String,
    },
}

impl RecordError {
    pub(crate) fn malformed(what: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Malformed {
            what,
            cause: cause.to_string(),
        }
    }
}

impl From<RecordError> for std::io::Error {
    fn from(error: RecordError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// A value that has a record.
pub(crate) trait Record: Sized {
    /// The record.
    fn to_record(&self) -> Bytes;

    /// The value of a record.
    ///
    /// # Errors
    /// When its version is unknown or its bytes are not a record.
    fn from_record(record: &Bytes) -> Result<Self, RecordError>;
}

/// What most rows take at most.
const ROW_BYTES: usize = 256;

/// Writes the version byte and `row`, then `rest` as it is.
pub(crate) fn seal<T: Encode<()>>(row: &T, rest: &[u8]) -> Bytes {
    seal_parts(row, &[rest])
}

/// As [`seal`], with a rest in parts, which are copied once: some hold megabytes.
pub(crate) fn seal_parts<T: Encode<()>>(row: &T, parts: &[&[u8]]) -> Bytes {
    let rest_len: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Vec::with_capacity(ROW_BYTES + rest_len);
    bytes.push(VERSION);
    // A vector takes every byte that it is given.
    minicbor::encode(row, &mut bytes).unwrap_or_else(|error| match error {
        error if error.is_message() => unreachable!("our rows always encode: {error}"),
        _ => unreachable!("a vector does not fail"),
    });
    bytes.reserve_exact(rest_len);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    Bytes::from(bytes)
}

/// Reads what [`seal`] wrote: the row, and what followed it.
pub(crate) fn open<T: for<'b> Decode<'b, ()>>(what: &'static str, record: &Bytes) -> Result<(T, Bytes), RecordError> {
    let Some((&VERSION, body)) = record.split_first() else {
        let version = record.first().copied();
        return Err(RecordError::Version { what, version });
    };
    let mut decoder = Decoder::new(body);
    let row = decoder.decode().map_err(|error| RecordError::malformed(what, error))?;
    Ok((row, record.slice(1 + decoder.position()..)))
}

#[derive(Clone, Copy, Encode, Decode)]
pub(crate) struct LeaderRow {
    #[n(0)]
    term: u64,
    #[n(1)]
    replica: ReplicaId,
}

impl From<LeaderId> for LeaderRow {
    fn from(leader: LeaderId) -> Self {
        Self {
            term: leader.term,
            replica: leader.node_id,
        }
    }
}

impl From<LeaderRow> for LeaderId {
    fn from(row: LeaderRow) -> Self {
        Self {
            term: row.term,
            node_id: row.replica,
        }
    }
}

#[derive(Encode, Decode)]
pub(crate) struct VoteRow {
    #[n(0)]
    leader: LeaderRow,
    #[n(1)]
    committed: bool,
}

impl From<&Vote> for VoteRow {
    fn from(vote: &Vote) -> Self {
        Self {
            leader: vote.leader_id.into(),
            committed: vote.committed,
        }
    }
}

impl From<VoteRow> for Vote {
    fn from(row: VoteRow) -> Self {
        Self {
            leader_id: row.leader.into(),
            committed: row.committed,
        }
    }
}

#[derive(Clone, Copy, Encode, Decode)]
pub(crate) struct LogIdRow {
    #[n(0)]
    leader: LeaderRow,
    #[n(1)]
    index: u64,
}

impl From<&LogId> for LogIdRow {
    fn from(id: &LogId) -> Self {
        Self {
            leader: id.leader_id.into(),
            index: id.index,
        }
    }
}

impl From<LogIdRow> for LogId {
    fn from(row: LogIdRow) -> Self {
        Self {
            leader_id: row.leader.into(),
            index: row.index,
        }
    }
}

#[derive(Encode, Decode)]
pub(crate) struct MembershipRow {
    #[n(0)]
    configs: Vec<Vec<ReplicaId>>,
    #[n(1)]
    replicas: Vec<(ReplicaId, ReplicaPlace)>,
}

impl From<&Membership> for MembershipRow {
    fn from(membership: &Membership) -> Self {
        let configs = membership.get_joint_config().iter();
        Self {
            configs: configs.map(|config| config.iter().copied().collect()).collect(),
            replicas: membership.nodes().map(|(id, place)| (*id, *place)).collect(),
        }
    }
}

impl TryFrom<MembershipRow> for Membership {
    type Error = RecordError;

    fn try_from(row: MembershipRow) -> Result<Self, RecordError> {
        let configs: Vec<BTreeSet<_>> = row.configs.into_iter().map(|ids| ids.into_iter().collect()).collect();
        let replicas: BTreeMap<_, _> = row.replicas.into_iter().collect();
        if configs.is_empty() {
            // openraft's own default, before a group is initialised.
            return Ok(Self::default());
        }
        Self::new(configs, replicas).map_err(|error| RecordError::malformed("membership", error))
    }
}

#[derive(Encode, Decode)]
pub(crate) struct StoredMembershipRow {
    #[n(0)]
    log_id: Option<LogIdRow>,
    #[n(1)]
    membership: MembershipRow,
}

impl From<&StoredMembership> for StoredMembershipRow {
    fn from(stored: &StoredMembership) -> Self {
        Self {
            log_id: stored.log_id().as_ref().map(Into::into),
            membership: stored.membership().into(),
        }
    }
}

impl TryFrom<StoredMembershipRow> for StoredMembership {
    type Error = RecordError;

    fn try_from(row: StoredMembershipRow) -> Result<Self, RecordError> {
        Ok(Self::new(row.log_id.map(Into::into), row.membership.try_into()?))
    }
}

#[derive(Encode, Decode)]
enum PayloadRow {
    #[n(0)]
    Blank,
    /// The payload of the command follows the row.
    #[n(1)]
    Command {
        #[n(0)]
        kind: CommandKind,
        #[n(1)]
        request: RequestId,
        #[n(2)]
        log_time_ms: u64,
        #[n(3)]
        blob_len: Option<u32>,
    },
    #[n(2)]
    Membership {
        #[n(0)]
        membership: MembershipRow,
    },
}

#[derive(Encode, Decode)]
struct EntryRow {
    #[n(0)]
    log_id: LogIdRow,
    #[n(1)]
    payload: PayloadRow,
}

impl Record for Vote {
    fn to_record(&self) -> Bytes {
        seal(&VoteRow::from(self), &[])
    }

    fn from_record(record: &Bytes) -> Result<Self, RecordError> {
        open::<VoteRow>("vote", record).map(|(row, _)| row.into())
    }
}

impl Record for LogId {
    fn to_record(&self) -> Bytes {
        seal(&LogIdRow::from(self), &[])
    }

    fn from_record(record: &Bytes) -> Result<Self, RecordError> {
        open::<LogIdRow>("log id", record).map(|(row, _)| row.into())
    }
}

impl Record for StoredMembership {
    fn to_record(&self) -> Bytes {
        seal(&StoredMembershipRow::from(self), &[])
    }

    fn from_record(record: &Bytes) -> Result<Self, RecordError> {
        open::<StoredMembershipRow>("membership", record)?.0.try_into()
    }
}

/// The record of an entry is its head: everything but the blob, which has a place of its own.
impl Record for Entry {
    fn to_record(&self) -> Bytes {
        let log_id = LogIdRow::from(&self.log_id);
        let (payload, rest): (_, &[u8]) = match &self.payload {
            EntryPayload::Blank => (PayloadRow::Blank, &[]),
            EntryPayload::Membership(membership) => {
                let membership = membership.into();
                (PayloadRow::Membership { membership }, &[])
            }
            EntryPayload::Normal(command) => {
                let row = PayloadRow::Command {
                    kind: command.kind,
                    request: command.request,
                    log_time_ms: command.log_time_ms,
                    blob_len: command.blob_len,
                };
                (row, &command.payload)
            }
        };
        seal(&EntryRow { log_id, payload }, rest)
    }

    fn from_record(record: &Bytes) -> Result<Self, RecordError> {
        let (row, rest) = open::<EntryRow>("entry", record)?;
        let payload = match row.payload {
            PayloadRow::Blank => EntryPayload::Blank,
            PayloadRow::Membership { membership } => EntryPayload::Membership(membership.try_into()?),
            PayloadRow::Command {
                kind,
                request,
                log_time_ms,
                blob_len,
            } => EntryPayload::Normal(LogCommand {
                kind,
                request,
                log_time_ms,
                payload: rest,
                blob_len,
                blob: None,
            }),
        };
        Ok(Self {
            log_id: row.log_id.into(),
            payload,
        })
    }
}
