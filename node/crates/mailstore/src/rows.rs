//! Reading and changing rows: what views and running commands have in common, and the scratch in which one command works.
//!
//! Invariants
//! - A command's changes reach the transaction together when it succeeds, and not at all when it is rejected.
//! - A row that cannot be read stops the replica: guessing would make it differ from the others.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use mail_model::LogIndex;
use minicbor::{Decode, Encode};
use replication::{AppliedAt, KeyRange, RowVisitor, ShelfError, ShelfLabel, StateTxn, StateView};

use crate::codec::{self, CodecError};
use crate::rejection::Rejection;

/// Why a command or query ends without its answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A deterministic no.
    Rejected(Rejection),
    /// The replica stops.
    Shelf(ShelfError),
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<ShelfError> for Failure {
    fn from(error: ShelfError) -> Self {
        Self::Shelf(error)
    }
}

impl From<CodecError> for Failure {
    fn from(error: CodecError) -> Self {
        // The shelf's own name is not known up here; whoever stops the replica says it.
        Self::Shelf(ShelfError::damage(
            &ShelfLabel::new("of the replica", 0),
            "read mail state",
            error,
        ))
    }
}

/// A row that other rows say must be there is not.
pub(crate) fn missing(what: &'static str) -> Failure {
    CodecError::new(what, "it is not there, though others refer to it").into()
}

pub(crate) type Row = (Vec<u8>, Bytes);

/// Reads rows.
pub(crate) trait Rows {
    /// The bytes of one row.
    fn bytes(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError>;

    /// The first `limit` rows of a range.
    fn rows(&self, range: &KeyRange, limit: usize) -> Result<Vec<Row>, ShelfError>;

    /// Visits the rows of a range in order, without copying them where that can be.
    fn visit(&self, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError>;

    /// The bytes of several rows, in the order of `keys`.
    fn many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        keys.iter().map(|key| self.bytes(key)).collect()
    }

    /// Whether a range has no row.
    fn is_empty(&self, range: &KeyRange) -> Result<bool, ShelfError> {
        Ok(self.rows(range, 1)?.is_empty())
    }

    /// One record.
    fn row<T: for<'b> Decode<'b, ()>>(&self, what: &'static str, key: &[u8]) -> Result<Option<T>, Failure> {
        let bytes = self.bytes(key)?;
        Ok(bytes.map(|bytes| codec::open(what, &bytes)).transpose()?)
    }
}

impl Rows for StateView {
    fn bytes(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        self.get(key)
    }

    fn rows(&self, range: &KeyRange, limit: usize) -> Result<Vec<Row>, ShelfError> {
        let mut rows = Vec::new();
        if limit > 0 {
            self.scan(range, &mut |key, value| collect(&mut rows, limit, key, value))?;
        }
        Ok(rows)
    }

    fn visit(&self, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        self.scan(range, visit)
    }

    fn many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        self.multi_get(keys)
    }
}

fn collect(rows: &mut Vec<Row>, limit: usize, key: &[u8], value: &[u8]) -> ControlFlow<()> {
    rows.push((key.to_vec(), Bytes::copy_from_slice(value)));
    if rows.len() < limit {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}

/// The scratch of one command.
pub(crate) struct Work<'t, 'v> {
    txn: &'t mut StateTxn<'v>,
    at: AppliedAt,
    /// `None` marks a deleted row.
    changed: BTreeMap<Vec<u8>, Option<Bytes>>,
    freed: Vec<LogIndex>,
    events: Vec<(u64, Vec<u8>)>,
    blob_adopted: bool,
}

impl<'t, 'v> Work<'t, 'v> {
    pub(crate) fn new(txn: &'t mut StateTxn<'v>, at: AppliedAt) -> Self {
        Self {
            txn,
            at,
            changed: BTreeMap::new(),
            freed: Vec::new(),
            events: Vec::new(),
            blob_adopted: false,
        }
    }

    /// Log time of the command, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.at.log_time_ms
    }

    /// The entry being applied.
    pub(crate) fn index(&self) -> LogIndex {
        self.at.index
    }

    /// Takes over the blob of this entry; `None` when it carries none or it was taken.
    pub(crate) fn adopt_blob(&mut self) -> Option<LogIndex> {
        let there = self.at.blob_len.is_some() && !self.blob_adopted;
        there.then(|| {
            self.blob_adopted = true;
            self.at.index
        })
    }

    pub(crate) fn put_bytes(&mut self, key: Vec<u8>, value: impl Into<Bytes>) {
        self.changed.insert(key, Some(value.into()));
    }

    pub(crate) fn put<T: Encode<()>>(&mut self, key: Vec<u8>, row: &T) {
        self.put_bytes(key, codec::seal(row));
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.changed.insert(key, None);
    }

    pub(crate) fn free_blob(&mut self, blob: LogIndex) {
        self.freed.push(blob);
    }

    pub(crate) fn emit(&mut self, topic: u64, event: Vec<u8>) {
        self.events.push((topic, event));
    }

    /// Hands everything to the transaction.
    pub(crate) fn keep(self) {
        for (key, value) in self.changed {
            match value {
                Some(value) => self.txn.put(key, value),
                None => self.txn.delete(key),
            }
        }
        self.freed.into_iter().for_each(|blob| self.txn.free_blob(blob));
        for (topic, event) in self.events {
            self.txn.emit(topic, event);
        }
        if self.at.blob_len.is_some() && !self.blob_adopted {
            self.txn.free_blob(self.at.index);
        }
    }

    /// Forgets everything; a blob that came with the command has no user then.
    pub(crate) fn drop_all(self) {
        if self.at.blob_len.is_some() {
            self.txn.free_blob(self.at.index);
        }
    }
}

impl Rows for Work<'_, '_> {
    fn bytes(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        match self.changed.get(key) {
            Some(own) => Ok(own.clone()),
            None => self.txn.get(key),
        }
    }

    fn rows(&self, range: &KeyRange, limit: usize) -> Result<Vec<Row>, ShelfError> {
        if limit == 0 || range.to.as_ref().is_some_and(|to| *to <= range.from) {
            return Ok(Vec::new());
        }
        let own = self.changed.range(range.from.clone()..);
        let own = own.take_while(|(key, _)| range.to.as_ref().is_none_or(|to| *key < to));
        let own: BTreeMap<_, _> = own.collect();
        let hidden = own.values().filter(|value| value.is_none()).count();
        let mut stored = Vec::new();
        let wanted = limit.saturating_add(hidden);
        self.txn
            .scan(range, &mut |key, value| collect(&mut stored, wanted, key, value))?;
        if own.is_empty() {
            return Ok(stored);
        }
        let mut merged: BTreeMap<Vec<u8>, Bytes> = stored.into_iter().collect();
        for (key, value) in own {
            match value {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        Ok(merged.into_iter().take(limit).collect())
    }

    fn visit(&self, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        for (key, value) in self.rows(range, usize::MAX)? {
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
