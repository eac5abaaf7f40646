//! Reading a replica's log: from memory where it is there, else from the disk.
//!
//! Invariants
//! - An answer is contiguous and starts at the first existing index of the range.
//! - An entry that should be there and is not, or does not open, is an error; a blob is not, since replication can
//!   fetch it from another replica (DESIGN D3).
//! - A reader that was overtaken by a truncation or a purge looks again instead of reporting damage.

use std::ops::{ControlFlow, Range};

use bytes::Bytes;
use mail_model::LogIndex;

use crate::committer::Core;
use crate::engine::{Column, EngineSnapshot, KeyRange};
use crate::error::ShelfError;
use crate::key::{self, LASTING, Prefix};
use crate::record::{self, EntryRecord};
use crate::replica::Replica;
use crate::tail::{Budget, LogEntry};

/// See [`crate::ReplicaStore::read_log`].
pub(crate) fn read(
    core: &Core,
    replica: &Replica,
    range: &Range<LogIndex>,
    byte_limit: usize,
    with_blobs: bool,
) -> Result<Vec<LogEntry>, ShelfError> {
    let engine = core.engine()?;
    loop {
        let mut budget = Budget::new(byte_limit);
        let (range, on_disk, generation, cuts) = {
            let inner = replica.lock();
            let range = inner.clamp(range);
            if range.is_empty() {
                return Ok(Vec::new());
            }
            let tail_start = inner.tail.first().unwrap_or(range.end);
            if tail_start <= range.start {
                return Ok(inner.tail.collect(range.start, range.end, &mut budget, with_blobs));
            }
            let on_disk = range.start..range.end.min(tail_start);
            (range, on_disk, inner.generation, inner.cuts)
        };
        let snapshot = engine.snapshot()?;
        let disk = DiskLog {
            core,
            replica,
            snapshot: snapshot.as_ref(),
            blobs: Prefix::new(replica.id, generation),
        };
        let outcome = disk.read(&on_disk, &mut budget, with_blobs);
        let inner = replica.lock();
        if inner.cuts != cuts {
            continue;
        }
        let mut entries = outcome?;
        if entries.len() as u64 == on_disk.end.0 - on_disk.start.0 {
            entries.extend(inner.tail.collect(on_disk.end, range.end, &mut budget, with_blobs));
        }
        return Ok(entries);
    }
}

struct DiskLog<'a> {
    core: &'a Core,
    replica: &'a Replica,
    snapshot: &'a dyn EngineSnapshot,
    blobs: Prefix,
}

impl DiskLog<'_> {
    /// Entries of `range`, all of which must exist, as far as the budget goes.
    fn read(&self, range: &Range<LogIndex>, budget: &mut Budget, blobs: bool) -> Result<Vec<LogEntry>, ShelfError> {
        let mut entries = Vec::new();
        let mut next = range.start;
        let mut outcome = Ok(());
        let prefix = Prefix::new(self.replica.id, LASTING);
        let keys = KeyRange::new(prefix.entry(range.start), prefix.entry(range.end));
        let mut full = false;
        self.snapshot.scan(Column::Log, &keys, &mut |key, value| {
            match self.entry(key, value, next, blobs) {
                Ok(entry) if budget.admit(entry.bytes()) => {
                    next = LogIndex(next.0 + 1);
                    entries.push(entry);
                    return ControlFlow::Continue(());
                }
                Ok(_) => full = true,
                Err(error) => outcome = Err(error),
            }
            ControlFlow::Break(())
        })?;
        outcome?;
        if !full && next < range.end {
            return Err(self.missing(next));
        }
        Ok(entries)
    }

    fn entry(&self, key: &[u8], value: &[u8], expected: LogIndex, with_blob: bool) -> Result<LogEntry, ShelfError> {
        let index = key::last_index(key)
            .filter(|index| *index == expected)
            .ok_or_else(|| self.missing(expected))?;
        let mut entry = decode_entry(self.core, index, key, value)?;
        if with_blob && entry.blob_len.is_some() {
            entry.blob = self.blob(index);
        }
        Ok(entry)
    }

    fn blob(&self, index: LogIndex) -> Option<Bytes> {
        let read = self.snapshot.get(Column::Blob, &self.blobs.blob(index));
        read.unwrap_or_else(|error| {
            tracing::warn!(shelf = %self.core.label.name, replica = self.replica.id.0, index = index.0, %error, "blob is unreadable");
            None
        })
    }

    fn missing(&self, index: LogIndex) -> ShelfError {
        let detail = format_args!("replica {}: entry {} is not there", self.replica.id.0, index.0);
        ShelfError::damage(&self.core.label, "read log", detail)
    }
}

/// Opens a row of the log column.
pub(crate) fn decode_entry(core: &Core, index: LogIndex, key: &[u8], value: &[u8]) -> Result<LogEntry, ShelfError> {
    let body = record::unseal(&core.label, "read log", key, &Bytes::copy_from_slice(value))?;
    let record: EntryRecord<'_> = minicbor::decode(&body)
        .map_err(|error| ShelfError::damage(&core.label, "read log", format_args!("entry {}: {error}", index.0)))?;
    Ok(LogEntry {
        index,
        head: body.slice_ref(record.head),
        blob: None,
        blob_len: record.blob_len,
    })
}
