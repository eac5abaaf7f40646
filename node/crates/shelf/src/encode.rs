//! What queued operations mean in rows.
//!
//! Invariants
//! - An entry's head and its blob go into the same batch: whoever has the one has the other.
//! - A truncation removes exactly the entries it cuts off, with their blobs; nothing else refers to them.
//! - A purge removes entries, and of blobs only those that purged entries had given up.

use std::ops::ControlFlow;

use bytes::Bytes;
use mail_model::LogIndex;

use crate::engine::{Batch, Column, Engine, KeyRange};
use crate::error::ShelfError;
use crate::key::{self, Generation, LASTING, Prefix};
use crate::limits::PURGE_BLOBS_MAX;
use crate::record::{self, EntryRecord, MarkerRecord, ReplicaRow, ReplicaState};
use crate::replica::Replica;
use crate::tail::LogEntry;

/// What a replica asks of the committer.
pub(crate) enum Op {
    Append(Vec<LogEntry>),
    /// Cut off what follows; everything for `None`.
    Truncate(Option<LogIndex>),
    Purge {
        upto: LogIndex,
        marker: Bytes,
    },
    Vote(Bytes),
    /// Make the rows gathered under `generation` the replica's state; they reflect the log up to `upto`.
    Install {
        generation: Generation,
        upto: LogIndex,
    },
}

/// What an operation counts for beyond its bytes.
const OP_BYTES: usize = 64;

impl Op {
    /// Roughly the bytes that it writes.
    pub(crate) fn bytes(&self) -> usize {
        OP_BYTES
            + match self {
                Self::Append(entries) => entries.iter().map(|entry| entry.bytes() + OP_BYTES).sum(),
                Self::Purge { marker: bytes, .. } | Self::Vote(bytes) => bytes.len(),
                Self::Truncate(_) | Self::Install { .. } => 0,
            }
    }

    pub(crate) fn is_vote(&self) -> bool {
        matches!(self, Self::Vote(_))
    }
}

/// Adds the rows of one operation to `batch`.
pub(crate) fn encode(engine: &dyn Engine, replica: &Replica, op: &Op, batch: &mut Batch) -> Result<(), ShelfError> {
    let lasting = Prefix::new(replica.id, LASTING);
    let installed = Prefix::new(replica.id, replica.generation());
    match op {
        Op::Append(entries) => entries
            .iter()
            .for_each(|entry| append(lasting, installed, entry, batch)),
        Op::Truncate(after) => truncate(lasting, installed, *after, batch),
        Op::Purge { upto, marker } => purge(engine, lasting, installed, (*upto, marker), batch)?,
        Op::Vote(vote) => {
            for (column, key) in [
                (Column::Vote, lasting.vote()),
                (Column::Shelf, key::vote_copy(replica.id)),
            ] {
                let value = record::seal(&key, vote);
                batch.put(column, key, value);
            }
        }
        Op::Install { generation, upto } => install(engine, replica, (*generation, *upto), batch)?,
    }
    Ok(())
}

fn append(lasting: Prefix, installed: Prefix, entry: &LogEntry, batch: &mut Batch) {
    let key = lasting.entry(entry.index);
    let record = EntryRecord {
        head: &entry.head,
        blob_len: entry.blob_len,
    };
    let value = record::seal_record(&key, &record);
    batch.put(Column::Log, key, value);
    if let Some(blob) = &entry.blob {
        batch.put(Column::Blob, installed.blob(entry.index), blob.clone());
    }
}

fn truncate(lasting: Prefix, installed: Prefix, after: Option<LogIndex>, batch: &mut Batch) {
    let Some(first) = after.map_or(Some(0), |after| after.0.checked_add(1)) else {
        return;
    };
    batch.delete_range(Column::Log, lasting.entry(LogIndex(first)), lasting.entries_end());
    batch.delete_range(Column::Blob, installed.blob(LogIndex(first)), installed.end());
}

fn purge(
    engine: &dyn Engine,
    lasting: Prefix,
    installed: Prefix,
    (upto, marker): (LogIndex, &Bytes),
    batch: &mut Batch,
) -> Result<(), ShelfError> {
    let marker_key = lasting.marker();
    let record = MarkerRecord {
        upto: upto.0,
        marker: marker.to_vec(),
    };
    let value = record::seal_record(&marker_key, &record);
    batch.put(Column::Log, marker_key, value);
    let past = upto
        .0
        .checked_add(1)
        .map_or_else(|| lasting.entries_end(), |past| lasting.entry(LogIndex(past)));
    batch.delete_range(Column::Log, lasting.entry(LogIndex(0)), past);

    // What is over the bound stays listed as freed, and goes with the next purge.
    let range = installed.freed_through(upto);
    let mut freed = Vec::new();
    engine.snapshot()?.scan(Column::Log, &range, &mut |key, _| {
        freed.push(key.to_vec());
        if freed.len() < PURGE_BLOBS_MAX {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    for record_key in freed {
        if let Some(blob) = key::last_index(&record_key) {
            batch.delete(Column::Blob, installed.blob(blob));
        }
        batch.delete(Column::Log, record_key);
    }
    Ok(())
}

/// Switches to the gathered rows and drops the old ones. Entries past `upto` stay in the log, so their blobs move along;
/// that is rare (a snapshot is installed where the log was behind), hence the plain copy.
fn install(
    engine: &dyn Engine,
    replica: &Replica,
    (generation, upto): (Generation, LogIndex),
    batch: &mut Batch,
) -> Result<(), ShelfError> {
    let old = Prefix::new(replica.id, replica.generation());
    let new = Prefix::new(replica.id, generation);
    if let Some(first) = upto.0.checked_add(1) {
        let later = KeyRange::new(old.blob(LogIndex(first)), old.end());
        engine.snapshot()?.scan(Column::Blob, &later, &mut |key, value| {
            if let Some(index) = key::last_index(key) {
                batch.put(Column::Blob, new.blob(index), value.to_vec());
            }
            ControlFlow::Continue(())
        })?;
    }
    for column in [Column::State, Column::Blob, Column::Log] {
        batch.delete_range(column, old.start(), old.end());
    }
    let row = ReplicaRow {
        group: replica.group.0,
        generation,
        state: ReplicaState::Active,
        staging: None,
    };
    let key = key::replica_record(replica.id);
    let value = record::seal_record(&key, &row);
    batch.put(Column::Shelf, key, value);
    Ok(())
}
