//! Rows of one replica's applied state that were asked for lately, in memory, so that `apply` and short questions find
//! them without a call into the database.
//!
//! There is one writer, `apply`; what it writes is announced before ([`StateCache::begin`]) and taken over after
//! ([`StateCache::publish`]). Between the two nothing here is believed.
//!
//! Invariants
//! - What [`StateCache::get`] finds for an edition is what a snapshot taken during that edition holds.
//! - A row is taken over from a snapshot only while the edition during which it was taken lasts.
//! - Keys are whole, with the generation in them, so an install needs no word here: what it replaced ages out.
//! - Rows that nobody asked for are not taken up because they are written.
//! - At most [`STATE_CACHE_BYTES`] are held: what was not used while half of that was used is forgotten.
//!
//! Must not know: what keys and values mean.

use std::collections::HashMap;

use bytes::Bytes;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::engine::{Batch, BatchOp, Column, EngineSnapshot, KeyRange, RowVisitor};
use crate::error::{ErrorClass, ShelfError, ShelfLabel};
use crate::limits::STATE_CACHE_BYTES;

/// What a row costs beside its key and value, roughly.
const ROW_OVERHEAD_BYTES: usize = 96;

/// Counts the states that the cache has stood for. A state lasts from one write to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edition(u64);

struct Row {
    /// `None` for a row that is known not to be there.
    value: Option<Bytes>,
    /// The era in which it was last used.
    used: u64,
}

#[derive(Default)]
struct Rows {
    edition: u64,
    /// A write is under way, or has failed.
    is_open: bool,
    /// By whole key.
    known: HashMap<Vec<u8>, Row, RandomState>,
    /// An era ends when half of the bytes have been used in it.
    era: u64,
    era_bytes: usize,
}

/// Bytes that a row takes, roughly.
fn cost(key: &[u8], value: Option<&Bytes>) -> usize {
    ROW_OVERHEAD_BYTES + key.len() + value.map_or(0, Bytes::len)
}

/// See the module.
#[derive(Default)]
pub(crate) struct StateCache {
    rows: Mutex<Rows>,
}

impl StateCache {
    /// The present edition, unless a write is under way. Ask before taking the snapshot that it is to stand for, and
    /// again afterwards: it stands for it when both answers are equal.
    pub(crate) fn edition(&self) -> Option<Edition> {
        let rows = self.rows.lock();
        (!rows.is_open).then_some(Edition(rows.edition))
    }

    /// What is known of a row: `Some(None)` when it is not there.
    pub(crate) fn get(&self, edition: Edition, key: &[u8]) -> Option<Option<Bytes>> {
        let mut rows = self.rows.lock();
        if !rows.lasts(edition) {
            return None;
        }
        rows.use_row(key)
    }

    /// Takes a row over from the snapshot that `edition` stands for.
    pub(crate) fn fill(&self, edition: Edition, key: Vec<u8>, value: Option<Bytes>) {
        let mut rows = self.rows.lock();
        if rows.lasts(edition) {
            rows.insert(key, value);
        }
    }

    /// The state is about to change.
    pub(crate) fn begin(&self) {
        self.rows.lock().is_open = true;
    }

    /// The state is what it was, with `batch`.
    pub(crate) fn publish(&self, batch: &Batch) {
        let mut rows = self.rows.lock();
        rows.edition += 1;
        rows.is_open = false;
        for op in batch.ops() {
            match op {
                BatchOp::Put { column, key, value } if *column == Column::State => rows.replace(key, Some(value)),
                BatchOp::Delete { column, key } if *column == Column::State => rows.replace(key, None),
                BatchOp::DeleteRange { column, .. } if *column == Column::State => rows.forget(),
                _ => {}
            }
        }
    }
}

/// Stands where a snapshot would, for those who may not wait for one.
pub(crate) struct NotInMemory(pub(crate) ShelfLabel);

impl NotInMemory {
    fn refuse<T>(&self) -> Result<T, ShelfError> {
        let class = ErrorClass::NotInMemory;
        Err(ShelfError::new(&self.0, class, "read memory", "it is on the disk"))
    }
}

impl EngineSnapshot for NotInMemory {
    fn get(&self, _: Column, _: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        self.refuse()
    }

    fn multi_get(&self, _: Column, _: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        self.refuse()
    }

    fn scan(&self, _: Column, _: &KeyRange, _: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        self.refuse()
    }

    fn scan_reverse(&self, _: Column, _: &KeyRange, _: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        self.refuse()
    }
}

impl Rows {
    fn lasts(&self, edition: Edition) -> bool {
        !self.is_open && Edition(self.edition) == edition
    }

    fn use_row(&mut self, key: &[u8]) -> Option<Option<Bytes>> {
        let row = self.known.get_mut(key)?;
        let value = row.value.clone();
        if row.used != self.era {
            row.used = self.era;
            self.era_bytes += cost(key, value.as_ref());
            self.end_era_if_full();
        }
        Some(value)
    }

    fn insert(&mut self, key: Vec<u8>, value: Option<Bytes>) {
        let bytes = cost(&key, value.as_ref());
        if bytes > STATE_CACHE_BYTES / 8 {
            return;
        }
        let used = self.era;
        // Two may fill the same row; it is the same then.
        if let Some(before) = self.known.insert(key, Row { value, used })
            && before.used == used
        {
            return;
        }
        self.era_bytes += bytes;
        self.end_era_if_full();
    }

    /// Takes a written row over if it is known.
    fn replace(&mut self, key: &[u8], value: Option<&Bytes>) {
        let Some(row) = self.known.get_mut(key) else { return };
        if row.used == self.era {
            self.era_bytes -= cost(key, row.value.as_ref());
        }
        if cost(key, value) > STATE_CACHE_BYTES / 8 {
            self.known.remove(key);
            return;
        }
        *row = Row {
            value: value.cloned(),
            used: self.era,
        };
        self.era_bytes += cost(key, value);
        self.end_era_if_full();
    }

    fn end_era_if_full(&mut self) {
        if self.era_bytes >= STATE_CACHE_BYTES / 2 {
            let era = self.era;
            self.known.retain(|_, row| row.used == era);
            self.era += 1;
            self.era_bytes = 0;
        }
    }

    fn forget(&mut self) {
        self.known.clear();
        self.era_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &'static str) -> Option<Bytes> {
        Some(Bytes::from_static(text.as_bytes()))
    }

    fn put(key: &str, text: &'static str) -> Batch {
        let mut batch = Batch::new();
        batch.put(Column::State, key, text);
        batch
    }

    fn write(cache: &StateCache, batch: &Batch) -> Edition {
        cache.begin();
        cache.publish(batch);
        cache.edition().expect("nothing is under way")
    }

    #[test]
    fn a_row_that_was_asked_for_follows_what_is_written() {
        let cache = StateCache::default();
        let first = cache.edition().expect("nothing is under way");
        cache.fill(first, b"k".to_vec(), value("v1"));
        assert_eq!(cache.get(first, b"k"), Some(value("v1")));
        let second = write(&cache, &put("k", "v2"));
        assert_eq!(cache.get(second, b"k"), Some(value("v2")));
        let mut batch = Batch::new();
        batch.delete(Column::State, b"k".as_slice());
        let third = write(&cache, &batch);
        assert_eq!(cache.get(third, b"k"), Some(None), "known not to be there");
    }

    #[test]
    fn an_edition_is_over_once_a_write_begins() {
        let cache = StateCache::default();
        let first = cache.edition().expect("nothing is under way");
        cache.fill(first, b"k".to_vec(), value("v1"));
        cache.begin();
        assert_eq!(cache.edition(), None);
        assert_eq!(cache.get(first, b"k"), None);
        cache.fill(first, b"j".to_vec(), value("late"));
        cache.publish(&put("j", "new"));
        let second = cache.edition().expect("nothing is under way");
        assert_eq!(cache.get(first, b"k"), None, "of an edition that is over");
        cache.fill(first, b"j".to_vec(), value("later"));
        assert_eq!(cache.get(second, b"j"), None, "nobody asked for it");
    }

    #[test]
    fn another_column_is_none_of_its_business() {
        let cache = StateCache::default();
        let first = cache.edition().expect("nothing is under way");
        cache.fill(first, b"k".to_vec(), value("v1"));
        let mut batch = Batch::new();
        batch.put(Column::Log, b"k".as_slice(), b"other".as_slice());
        let second = write(&cache, &batch);
        assert_eq!(cache.get(second, b"k"), Some(value("v1")));
    }

    #[test]
    fn what_is_not_used_is_forgotten_and_what_is_used_stays() {
        let cache = StateCache::default();
        let edition = cache.edition().expect("nothing is under way");
        cache.fill(edition, b"used".to_vec(), value("v"));
        cache.fill(edition, b"unused".to_vec(), value("v"));
        for number in 0..STATE_CACHE_BYTES / ROW_OVERHEAD_BYTES {
            cache.fill(edition, number.to_be_bytes().to_vec(), None);
            assert_eq!(cache.get(edition, b"used"), Some(value("v")));
        }
        assert_eq!(cache.get(edition, b"unused"), None);
        let edition = write(&cache, &put("used", "and grown"));
        assert_eq!(cache.get(edition, b"used"), Some(value("and grown")));
        let rows = cache.rows.lock();
        let bytes: usize = rows.known.iter().map(|(key, row)| cost(key, row.value.as_ref())).sum();
        assert!(bytes <= STATE_CACHE_BYTES + STATE_CACHE_BYTES / 4, "{bytes}");
        let of_era = rows.known.iter().filter(|(_, row)| row.used == rows.era);
        let of_era: usize = of_era.map(|(key, row)| cost(key, row.value.as_ref())).sum();
        assert_eq!(of_era, rows.era_bytes);
    }
}
