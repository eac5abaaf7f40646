//! Reading back what a shelf and its replicas were when they were last written.
//!
//! Invariants
//! - A record that does not open is an error; it is never taken for one that was never written.

use std::ops::ControlFlow;

use bytes::Bytes;
use mail_model::{LogIndex, ReplicaId};

use crate::committer::Core;
use crate::engine::{Column, Engine, EngineSnapshot, KeyRange};
use crate::error::{ErrorClass, ShelfError, ShelfLabel};
use crate::key::{self, LASTING, Prefix};
use crate::log_reader;
use crate::record::{self, MarkerRecord, ReplicaRow};
use crate::replica::{Inner, Replica};

/// Number of the last batch on disk; 0 on a new shelf.
pub(crate) fn sequence(label: &ShelfLabel, engine: &dyn Engine) -> Result<u64, ShelfError> {
    const READ: &str = "read batch number";
    let key = key::sequence();
    let Some(value) = engine.get(Column::Shelf, &key)? else {
        return Ok(0);
    };
    let body = record::unseal(label, READ, &key, &value)?;
    let bytes = <[u8; 8]>::try_from(body.as_ref()).map_err(|_| ShelfError::damage(label, READ, "not 8 bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// What the shelf says about a replica.
pub(crate) fn row(core: &Core, id: ReplicaId) -> Result<Option<ReplicaRow>, ShelfError> {
    let key = key::replica_record(id);
    let value = core.engine()?.get(Column::Shelf, &key)?;
    value
        .map(|value| record::unseal_record(&core.label, "read replica record", &key, &value))
        .transpose()
}

/// Everything that a replica keeps in memory.
pub(crate) fn replica(core: &Core, id: ReplicaId, row: &ReplicaRow) -> Result<Replica, ShelfError> {
    let snapshot = core.engine()?.snapshot()?;
    let prefix = Prefix::new(id, LASTING);
    let purged = marker(core, snapshot.as_ref(), prefix)?;
    let last = last_entry(core, snapshot.as_ref(), prefix)?;
    check_ends(core, snapshot.as_ref(), prefix, purged.as_ref().map(|(upto, _)| *upto))?;
    let vote = vote(core, snapshot.as_ref(), id)?;
    let inner = Inner {
        generation: row.generation,
        purged,
        last,
        vote,
        ..Inner::default()
    };
    Ok(Replica::new(id, row.group(), inner))
}

fn sealed(core: &Core, from: &dyn EngineSnapshot, column: Column, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
    let value = from.get(column, key)?;
    value
        .map(|value| record::unseal(&core.label, "read vote", key, &value))
        .transpose()
}

/// The vote, of which there are two copies, always written in one batch. One bad copy is survivable; that a vote was
/// given and cannot be read is not, since it could be given twice (DESIGN D10).
fn vote(core: &Core, from: &dyn EngineSnapshot, id: ReplicaId) -> Result<Option<Bytes>, ShelfError> {
    let first = sealed(core, from, Column::Vote, &Prefix::new(id, LASTING).vote());
    let second = sealed(core, from, Column::Shelf, &key::vote_copy(id));
    match (first, second) {
        (Ok(first), Ok(second)) if first == second => Ok(first),
        (Ok(_), Ok(_)) => Err(ShelfError::damage(&core.label, "read vote", "its two copies differ")),
        (Ok(Some(good)), Err(error)) | (Err(error), Ok(Some(good))) if error.class() == ErrorClass::Medium => {
            tracing::warn!(shelf = %core.label.name, replica = id.0, %error, "one of two copies of a vote is bad");
            Ok(Some(good))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn marker(core: &Core, from: &dyn EngineSnapshot, prefix: Prefix) -> Result<Option<(LogIndex, Bytes)>, ShelfError> {
    let key = prefix.marker();
    let Some(value) = from.get(Column::Log, &key)? else {
        return Ok(None);
    };
    let record: MarkerRecord = record::unseal_record(&core.label, "read purge marker", &key, &value)?;
    Ok(Some((record.upto(), record.marker.into())))
}

fn last_entry(core: &Core, from: &dyn EngineSnapshot, prefix: Prefix) -> Result<Option<LogIndex>, ShelfError> {
    let range = KeyRange::new(prefix.entry(LogIndex(0)), prefix.entries_end());
    let mut last = Ok(None);
    from.scan_reverse(Column::Log, &range, &mut |key, value| {
        last = check_entry(core, key, value).map(Some);
        ControlFlow::Break(())
    })?;
    last
}

/// The first entry must follow what was purged. Holes further up are found by whoever reads there.
fn check_ends(
    core: &Core,
    from: &dyn EngineSnapshot,
    prefix: Prefix,
    purged: Option<LogIndex>,
) -> Result<(), ShelfError> {
    let range = KeyRange::new(prefix.entry(LogIndex(0)), prefix.entries_end());
    let mut outcome = Ok(());
    from.scan(Column::Log, &range, &mut |key, value| {
        outcome = check_entry(core, key, value).and_then(|first| match purged {
            Some(purged) if purged.0.checked_add(1) != Some(first.0) => {
                let detail = format_args!("entry {} comes first, but {} was purged last", first.0, purged.0);
                Err(ShelfError::damage(&core.label, "open log", detail))
            }
            _ => Ok(()),
        });
        ControlFlow::Break(())
    })?;
    outcome
}

fn check_entry(core: &Core, key: &[u8], value: &[u8]) -> Result<LogIndex, ShelfError> {
    let index = key::last_index(key).ok_or_else(|| ShelfError::damage(&core.label, "open log", "key is cut short"))?;
    log_reader::decode_entry(core, index, key, value)?;
    Ok(index)
}
