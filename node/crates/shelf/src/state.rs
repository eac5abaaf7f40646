//! Applied state of one replica: a consistent view of it, and the transaction in which entries change it.
//!
//! Invariants
//! - Keys here are relative to a replica and its install generation; nothing reaches another replica's rows.
//! - A transaction reads its own writes and otherwise the one view that it began with, so what `apply` sees depends on
//!   the log alone.
//! - Nothing is written before [`StateTxn::finish`]; then everything is one batch.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use bytes::Bytes;
use mail_model::LogIndex;

use crate::engine::{Batch, Column, EngineSnapshot, KeyRange, RowVisitor};
use crate::error::ShelfError;
use crate::key::{self, Prefix};
use crate::replica::Replica;
use crate::state_cache::Edition;

/// The state of one replica at one instant. Cheap to clone; holding it keeps old data on disk.
#[derive(Clone)]
pub struct StateView {
    snapshot: Arc<dyn EngineSnapshot>,
    prefix: Prefix,
    /// What is in memory of this state, while it is the present one.
    cached: Option<(Arc<Replica>, Edition)>,
}

impl StateView {
    pub(crate) fn new(snapshot: Arc<dyn EngineSnapshot>, prefix: Prefix) -> Self {
        let cached = None;
        Self {
            snapshot,
            prefix,
            cached,
        }
    }

    /// The same state, of which `edition` of the replica's cache is part.
    pub(crate) fn with_cache(self, replica: Arc<Replica>, edition: Edition) -> Self {
        let cached = Some((replica, edition));
        Self { cached, ..self }
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// When it cannot be read or fails its checksum.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        let key = self.prefix.join(key);
        let Some((replica, edition)) = &self.cached else {
            return self.snapshot.get(Column::State, &key);
        };
        if let Some(value) = replica.cache.get(*edition, &key) {
            return Ok(value);
        }
        let value = self.snapshot.get(Column::State, &key)?;
        replica.cache.fill(*edition, key, value.clone());
        Ok(value)
    }

    /// The values of `keys`, in their order, in one read.
    ///
    /// # Errors
    /// When one of them cannot be read or fails its checksum.
    pub fn multi_get<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        let keys: Vec<_> = keys.iter().map(|key| self.prefix.join(key.as_ref())).collect();
        self.snapshot.multi_get(Column::State, &keys)
    }

    /// Visits the rows of `range` in ascending order of keys.
    ///
    /// # Errors
    /// When a row cannot be read or fails its checksum.
    pub fn scan(&self, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        let range = self.prefix.range(range);
        self.snapshot.scan(Column::State, &range, &mut |key, value| {
            visit(&key[key::PREFIX_BYTES..], value)
        })
    }

    /// Visits the rows of `range` in descending order of keys.
    ///
    /// # Errors
    /// When a row cannot be read or fails its checksum.
    pub fn scan_reverse(&self, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        let range = self.prefix.range(range);
        self.snapshot.scan_reverse(Column::State, &range, &mut |key, value| {
            visit(&key[key::PREFIX_BYTES..], value)
        })
    }

    /// The stored bytes of a blob that this state refers to, also while later entries free it.
    ///
    /// # Errors
    /// When they cannot be read or fail their checksum.
    pub fn blob(&self, index: LogIndex) -> Result<Option<Bytes>, ShelfError> {
        self.snapshot.get(Column::Blob, &self.prefix.blob(index))
    }
}

/// Something that `apply` announced, to be delivered once its batch is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEvent {
    /// The entry whose `apply` announced it.
    pub index: LogIndex,
    /// What it is about.
    pub topic: u64,
    /// What happened, in the words of the state machine.
    pub event: Vec<u8>,
}

/// What a finished transaction asks for.
#[derive(Debug, Default)]
pub struct StateChanges {
    /// To be written by [`crate::ReplicaStore::write_state`].
    pub batch: Batch,
    /// In the order in which they were emitted.
    pub events: Vec<StateEvent>,
}

/// The changes of one or several consecutive entries on top of a view.
pub struct StateTxn<'v> {
    view: &'v StateView,
    index: LogIndex,
    /// `None` marks a deleted key.
    overlay: BTreeMap<Vec<u8>, Option<Bytes>>,
    overlay_bytes: usize,
    freed: Vec<(LogIndex, LogIndex)>,
    events: Vec<StateEvent>,
}

impl<'v> StateTxn<'v> {
    /// Begins with the entry at `index`, on top of `view`, which must hold everything before it.
    #[must_use]
    pub fn new(view: &'v StateView, index: LogIndex) -> Self {
        Self {
            view,
            index,
            overlay: BTreeMap::new(),
            overlay_bytes: 0,
            freed: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Goes on with the entry at `index`; changes so far stay visible.
    pub fn set_index(&mut self, index: LogIndex) {
        self.index = index;
    }

    /// The entry being applied.
    #[must_use]
    pub fn index(&self) -> LogIndex {
        self.index
    }

    /// The value of `key`, own writes included.
    ///
    /// # Errors
    /// When it cannot be read or fails its checksum.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        match self.overlay.get(key) {
            Some(own) => Ok(own.clone()),
            None => self.view.get(key),
        }
    }

    /// Sets a value.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Bytes>) {
        self.set(key.into(), Some(value.into()));
    }

    /// Removes a value, if there is one.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.set(key.into(), None);
    }

    fn set(&mut self, key: Vec<u8>, value: Option<Bytes>) {
        self.overlay_bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        self.overlay.insert(key, value);
    }

    /// Gives up the blob of the entry at `blob`. Its bytes go once the log is purged past the entry being applied.
    pub fn free_blob(&mut self, blob: LogIndex) {
        self.freed.push((self.index, blob));
    }

    /// Announces something to those who follow `topic`, after the batch is written.
    pub fn emit(&mut self, topic: u64, event: impl Into<Vec<u8>>) {
        self.events.push(StateEvent {
            index: self.index,
            topic,
            event: event.into(),
        });
    }

    /// Roughly the bytes changed so far: when to finish and begin anew.
    #[must_use]
    pub fn approximate_bytes(&self) -> usize {
        self.overlay_bytes
    }

    /// Visits the rows of `range` in ascending order, own writes included.
    ///
    /// # Errors
    /// When a row cannot be read or fails its checksum.
    pub fn scan(&self, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        self.merge(range, visit, false)
    }

    /// Visits the rows of `range` in descending order, own writes included.
    ///
    /// # Errors
    /// When a row cannot be read or fails its checksum.
    pub fn scan_reverse(&self, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        self.merge(range, visit, true)
    }

    /// Merges two ordered sources. `own` runs ahead of the stored rows; an own row hides a stored one with its key.
    fn merge(&self, range: &KeyRange, visit: &mut RowVisitor<'_>, reverse: bool) -> Result<(), ShelfError> {
        if range.to.as_ref().is_some_and(|to| *to <= range.from) {
            return Ok(());
        }
        let to = range.to.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.overlay.range::<Vec<u8>, _>((Bound::Included(&range.from), to));
        let mut own: Box<dyn Iterator<Item = _>> = if reverse { Box::new(rows.rev()) } else { Box::new(rows) };
        let mut ahead = own.next();
        let mut flow = ControlFlow::Continue(());
        let mut stored = |key: &[u8], value: &[u8]| {
            while let Some((own_key, own_value)) = ahead {
                let before = if reverse {
                    own_key.as_slice() > key
                } else {
                    own_key.as_slice() < key
                };
                let hides = own_key == key;
                if !before && !hides {
                    break;
                }
                ahead = own.next();
                if let Some(own_value) = own_value {
                    flow = visit(own_key, own_value);
                }
                if hides || flow.is_break() {
                    return flow;
                }
            }
            flow = visit(key, value);
            flow
        };
        if reverse {
            self.view.scan_reverse(range, &mut stored)?;
        } else {
            self.view.scan(range, &mut stored)?;
        }
        while let (ControlFlow::Continue(()), Some((own_key, own_value))) = (flow, ahead) {
            if let Some(own_value) = own_value {
                flow = visit(own_key, own_value);
            }
            ahead = own.next();
        }
        Ok(())
    }

    /// Turns the changes into one batch.
    #[must_use]
    pub fn finish(self) -> StateChanges {
        let prefix = self.view.prefix;
        let mut batch = Batch::new();
        for (key, value) in self.overlay {
            match value {
                Some(value) => batch.put(Column::State, prefix.join(&key), value),
                None => batch.delete(Column::State, prefix.join(&key)),
            }
        }
        for (freeing, blob) in self.freed {
            batch.put(
                Column::Log,
                prefix.freed(freeing, blob),
                Bytes::from_static(&[key::FREED_VERSION]),
            );
        }
        StateChanges {
            batch,
            events: self.events,
        }
    }
}
