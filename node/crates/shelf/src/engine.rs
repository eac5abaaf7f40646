//! The lowest layer: ordered bytes in five columns, written in batches and made durable by an explicit sync.
//!
//! Invariants of every implementation (held by one conformance suite)
//! - A batch is applied wholly or not at all, also across a crash.
//! - After a crash the survivors are a prefix of the batches in the order in which they were written.
//! - When `sync` returns `Ok`, every batch whose `write` had returned before the call survives a crash.
//! - A read that cannot be answered with the bytes that were written is an error, never other bytes.
//!
//! Must not know: replicas, logs, threads of the shelf. All calls block; none belongs on an async worker.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::ShelfError;

/// The column families of a shelf. Their numbers are stored nowhere, their names are (see `docs/on-disk-format.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Log entries without their blobs, purge markers, records of freed blobs.
    Log,
    /// Votes.
    Vote,
    /// Applied state.
    State,
    /// Body pieces.
    Blob,
    /// Records about the shelf and its replicas.
    Shelf,
}

impl Column {
    /// All columns.
    pub const ALL: [Column; 5] = [Self::Log, Self::Vote, Self::State, Self::Blob, Self::Shelf];

    /// The column family's name on disk.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Vote => "vote",
            Self::State => "state",
            Self::Blob => "blob",
            Self::Shelf => "shelf",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// One step of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchOp {
    /// Sets a value.
    Put {
        /// Where.
        column: Column,
        /// The whole key.
        key: Vec<u8>,
        /// The new value.
        value: Bytes,
    },
    /// Removes a value, if there is one.
    Delete {
        /// Where.
        column: Column,
        /// The whole key.
        key: Vec<u8>,
    },
    /// Removes all values with `from <= key < to`.
    DeleteRange {
        /// Where.
        column: Column,
        /// First key to go.
        from: Vec<u8>,
        /// First key to stay.
        to: Vec<u8>,
    },
}

/// Changes that happen together or not at all, applied in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    ops: Vec<BatchOp>,
    bytes: usize,
}

/// What one step costs beyond its key and value: a guess that keeps batches of tiny steps bounded too.
const OP_OVERHEAD_BYTES: usize = 24;

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value.
    pub fn put(&mut self, column: Column, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        self.bytes += key.len() + value.len() + OP_OVERHEAD_BYTES;
        self.ops.push(BatchOp::Put { column, key, value });
    }

    /// Removes a value.
    pub fn delete(&mut self, column: Column, key: impl Into<Vec<u8>>) {
        let key = key.into();
        self.bytes += key.len() + OP_OVERHEAD_BYTES;
        self.ops.push(BatchOp::Delete { column, key });
    }

    /// Removes all values with `from <= key < to`; nothing when `from >= to`.
    pub fn delete_range(&mut self, column: Column, from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) {
        let (from, to) = (from.into(), to.into());
        if from >= to {
            return;
        }
        self.bytes += from.len() + to.len() + OP_OVERHEAD_BYTES;
        self.ops.push(BatchOp::DeleteRange { column, from, to });
    }

    /// Adds the steps of `other` after those of `self`.
    pub fn append(&mut self, other: Batch) {
        self.bytes += other.bytes;
        self.ops.extend(other.ops);
    }

    /// The steps in order.
    #[must_use]
    pub fn ops(&self) -> &[BatchOp] {
        &self.ops
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Roughly the bytes that writing this takes.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        self.bytes
    }
}

/// A half-open range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// First key.
    pub from: Vec<u8>,
    /// First key past the range; `None` reaches to the end.
    pub to: Option<Vec<u8>>,
}

impl KeyRange {
    /// `from <= key < to`.
    #[must_use]
    pub fn new(from: impl Into<Vec<u8>>, to: impl Into<Vec<u8>>) -> Self {
        Self {
            from: from.into(),
            to: Some(to.into()),
        }
    }

    /// `from <= key`.
    #[must_use]
    pub fn starting_at(from: impl Into<Vec<u8>>) -> Self {
        Self {
            from: from.into(),
            to: None,
        }
    }

    /// All keys that start with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self {
            from: prefix.to_vec(),
            to: prefix_end(prefix),
        }
    }

    /// All keys.
    #[must_use]
    pub fn all() -> Self {
        Self::starting_at(Vec::new())
    }
}

/// The first key past all that start with `prefix`; `None` when no key is.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Gets key and value of one row; breaking ends the scan.
pub type RowVisitor<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Ordered durable bytes. See the module for what an implementation owes.
pub trait Engine: Send + Sync {
    /// Applies a batch. Durable only after a later [`Engine::sync`].
    ///
    /// # Errors
    /// After an error nothing is known about the batch; the shelf must be closed.
    fn write(&self, batch: &Batch) -> Result<(), ShelfError>;

    /// Makes everything written before durable.
    ///
    /// # Errors
    /// After an error nothing written since the last successful sync may be taken for durable, and calling again does
    /// not help: the shelf must be closed.
    fn sync(&self) -> Result<(), ShelfError>;

    /// The newest value of `key`.
    ///
    /// # Errors
    /// When it cannot be read or fails its checksum.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, ShelfError>;

    /// The newest values of `keys`, in their order.
    ///
    /// # Errors
    /// When one of them cannot be read or fails its checksum.
    fn multi_get(&self, column: Column, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError>;

    /// A view of all columns as they are now.
    ///
    /// # Errors
    /// When the engine is closed.
    fn snapshot(&self) -> Result<Arc<dyn EngineSnapshot>, ShelfError>;

    /// Memory, in bytes, that holds what is written and not yet in a file of its own. Never waits. 0 for an engine that has
    /// no files.
    fn write_buffer_bytes(&self) -> u64 {
        0
    }
}

/// All columns as they were at one instant. Holding it keeps old data on disk; it holds the engine open.
pub trait EngineSnapshot: Send + Sync {
    /// The value of `key`.
    ///
    /// # Errors
    /// When it cannot be read or fails its checksum.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, ShelfError>;

    /// The values of `keys`, in their order.
    ///
    /// # Errors
    /// When one of them cannot be read or fails its checksum.
    fn multi_get(&self, column: Column, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError>;

    /// Visits the rows of `range` in ascending order of keys.
    ///
    /// # Errors
    /// When a row cannot be read or fails its checksum.
    fn scan(&self, column: Column, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError>;

    /// Visits the rows of `range` in descending order of keys.
    ///
    /// # Errors
    /// When a row cannot be read or fails its checksum.
    fn scan_reverse(&self, column: Column, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_is_the_first_key_past_the_prefix() {
        assert_eq!(prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(prefix_end(&[1, 0xFF, 0xFF]), Some(vec![2]));
        assert_eq!(prefix_end(&[0xFF]), None);
        assert_eq!(prefix_end(b""), None);
    }

    #[test]
    fn empty_ranges_add_no_step() {
        let mut batch = Batch::new();
        batch.delete_range(Column::Log, b"b".to_vec(), b"b".to_vec());
        assert!(batch.is_empty());
    }
}
