//! A shelf's bytes in memory, for simulation: a disk that survives crashes of the process that uses it and forgets
//! what was not synced, with faults that can be switched on.
//!
//! Invariants
//! - [`MemDisk`] is the medium, [`MemEngine`] one opening of it. A crash ends the opening: what its old handles still
//!   say is an error, so that a dead process cannot write.
//! - What survives a crash is what was synced and then a prefix of the batches written since, as a write-ahead log
//!   leaves it. A batch that was torn by the crash is gone as a whole, because its checksum fails. Only
//!   [`Crash::LoseSynced`] breaks this, as a damaged log does: it takes the end of what was synced as well.
//! - No clocks, threads or own randomness: a seed given from outside decides.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use crate::engine::{Batch, BatchOp, Column, Engine, EngineSnapshot, KeyRange, RowVisitor};
use crate::error::{ErrorClass, ShelfError, ShelfLabel};

type Rows = BTreeMap<Vec<u8>, Bytes>;
type Row<'r> = (&'r Vec<u8>, &'r Bytes);
type Columns = [Arc<Rows>; Column::ALL.len()];

/// What a crash leaves of the batches that were written and not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// None of them: power was cut before the page cache reached the disk.
    LoseUnsynced,
    /// A prefix chosen by the seed; the batch after it was torn and is gone.
    KeepPrefix {
        /// Decides how many survive.
        seed: u64,
    },
    /// All of them: the process died, the machine did not.
    KeepAll,
    /// None of them, nor the last batches that were synced: the log on the disk was damaged, and recovery dropped what
    /// follows the damage.
    LoseSynced {
        /// How many, at most [`SYNCED_KEPT`].
        batches: usize,
    },
}

/// Synced batches that a disk can still forget.
pub const SYNCED_KEPT: usize = 1_024;

/// What a batch replaced: put back in reverse order, it takes the batch back.
type Undo = Vec<(Column, Vec<u8>, Option<Bytes>)>;

/// Faults of a [`MemDisk`], each on its own switch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemFaults {
    /// Writes fail with this class.
    pub fail_writes: Option<ErrorClass>,
    /// Syncs fail with this class; what they should have made durable is lost at the next crash.
    pub fail_syncs: Option<ErrorClass>,
    /// Reads fail with this class.
    pub fail_reads: Option<ErrorClass>,
    /// Syncs say `Ok` and do nothing: a disk that lies about its cache.
    pub lie_about_syncs: bool,
    /// Syncs do not return; the shelf above does not pump while this is on.
    pub stalled: bool,
    /// Writes that put anything fail for want of space; deletes alone still pass.
    pub full: bool,
}

#[derive(Default)]
struct Medium {
    name: String,
    /// Which opening may use the medium.
    epoch: u64,
    current: Columns,
    durable: Columns,
    unsynced: Vec<Batch>,
    /// Of the last synced batches, the latest at the back.
    synced: VecDeque<Undo>,
    faults: MemFaults,
    damaged: Vec<(Column, Vec<u8>)>,
}

impl Medium {
    fn make_durable(&mut self, batch: &Batch) {
        let undo = apply(&mut self.durable, batch);
        self.synced.push_back(undo);
        if self.synced.len() > SYNCED_KEPT {
            self.synced.pop_front();
        }
    }

    fn forget_synced(&mut self, batches: usize) {
        for _ in 0..batches {
            for (column, key, before) in self.synced.pop_back().unwrap_or_default().into_iter().rev() {
                let rows = Arc::make_mut(&mut self.durable[column.index()]);
                match before {
                    Some(value) => rows.insert(key, value),
                    None => rows.remove(&key),
                };
            }
        }
    }
}

/// The medium. Clones are handles to the same disk.
#[derive(Clone)]
pub struct MemDisk {
    medium: Arc<Mutex<Medium>>,
}

impl MemDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let medium = Medium {
            name: name.to_owned(),
            ..Medium::default()
        };
        Self {
            medium: Arc::new(Mutex::new(medium)),
        }
    }

    /// Opens the disk; any earlier opening is closed by that.
    #[must_use]
    pub fn open(&self) -> MemEngine {
        let mut medium = self.lock();
        medium.epoch += 1;
        let label = ShelfLabel::new(&medium.name, medium.epoch);
        MemEngine {
            disk: self.clone(),
            label,
        }
    }

    /// Ends the current opening and forgets what `crash` says.
    pub fn crash(&self, crash: Crash) {
        let mut medium = self.lock();
        medium.epoch += 1;
        let unsynced = std::mem::take(&mut medium.unsynced);
        let kept = match crash {
            Crash::LoseUnsynced => 0,
            Crash::LoseSynced { batches } => {
                medium.forget_synced(batches);
                0
            }
            Crash::KeepPrefix { seed } => usize::try_from(mix(seed) % (unsynced.len() as u64 + 1)).unwrap_or(0),
            Crash::KeepAll => unsynced.len(),
        };
        for batch in &unsynced[..kept] {
            medium.make_durable(batch);
        }
        medium.current = medium.durable.clone();
    }

    /// Changes which faults are on.
    pub fn set_faults(&self, faults: MemFaults) {
        self.lock().faults = faults;
    }

    /// The faults that are on.
    #[must_use]
    pub fn faults(&self) -> MemFaults {
        self.lock().faults.clone()
    }

    /// Damages one stored value: reading it is an error from now on, until it is written anew.
    pub fn corrupt(&self, column: Column, key: &[u8]) {
        self.lock().damaged.push((column, key.to_vec()));
    }

    /// The keys of a column, so that a test can pick one to damage.
    #[must_use]
    pub fn keys(&self, column: Column) -> Vec<Vec<u8>> {
        self.lock().current[column.index()].keys().cloned().collect()
    }

    /// Empties the disk, as if it had been swapped for a new one.
    pub fn wipe(&self) {
        let mut medium = self.lock();
        let epoch = medium.epoch + 1;
        *medium = Medium {
            name: std::mem::take(&mut medium.name),
            epoch,
            ..Medium::default()
        };
    }

    fn lock(&self) -> MutexGuard<'_, Medium> {
        self.medium.lock()
    }
}

/// Spreads a seed over all bits (splitmix64), so that seeds 1, 2, 3 choose different prefixes.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn apply(columns: &mut Columns, batch: &Batch) -> Undo {
    let mut undo = Undo::new();
    for op in batch.ops() {
        match op {
            BatchOp::Put { column, key, value } => {
                let before = Arc::make_mut(&mut columns[column.index()]).insert(key.clone(), value.clone());
                undo.push((*column, key.clone(), before));
            }
            BatchOp::Delete { column, key } => {
                let before = Arc::make_mut(&mut columns[column.index()]).remove(key);
                undo.push((*column, key.clone(), before));
            }
            BatchOp::DeleteRange { column, from, to } => {
                let rows = Arc::make_mut(&mut columns[column.index()]);
                let gone: Vec<_> = rows
                    .range(from.clone()..to.clone())
                    .map(|(key, _)| key.clone())
                    .collect();
                for key in gone {
                    let before = rows.remove(&key);
                    undo.push((*column, key, before));
                }
            }
        }
    }
    undo
}

/// One opening of a [`MemDisk`].
#[derive(Clone)]
pub struct MemEngine {
    disk: MemDisk,
    label: ShelfLabel,
}

impl MemEngine {
    /// Name and epoch of this opening.
    #[must_use]
    pub fn label(&self) -> &ShelfLabel {
        &self.label
    }

    /// The medium below.
    #[must_use]
    pub fn disk(&self) -> &MemDisk {
        &self.disk
    }

    fn medium(&self, operation: &'static str) -> Result<MutexGuard<'_, Medium>, ShelfError> {
        let medium = self.disk.lock();
        if medium.epoch != self.label.epoch {
            return Err(ShelfError::new(
                &self.label,
                ErrorClass::Closed,
                operation,
                "this opening has ended",
            ));
        }
        Ok(medium)
    }

    fn readable(&self) -> Result<MutexGuard<'_, Medium>, ShelfError> {
        let medium = self.medium("read")?;
        match medium.faults.fail_reads {
            Some(class) => Err(ShelfError::new(&self.label, class, "read", "injected fault")),
            None => Ok(medium),
        }
    }

    fn check(&self, medium: &Medium, column: Column, key: &[u8]) -> Result<(), ShelfError> {
        if medium.damaged.iter().any(|(c, k)| *c == column && k == key) {
            return Err(ShelfError::damage(
                &self.label,
                "read",
                format_args!("checksum mismatch in {}", column.name()),
            ));
        }
        Ok(())
    }
}

impl Engine for MemEngine {
    fn write(&self, batch: &Batch) -> Result<(), ShelfError> {
        let mut medium = self.medium("write batch")?;
        let grows = batch.ops().iter().any(|op| matches!(op, BatchOp::Put { .. }));
        let fault = medium
            .faults
            .fail_writes
            .or((medium.faults.full && grows).then_some(ErrorClass::Full));
        if let Some(class) = fault {
            return Err(ShelfError::new(&self.label, class, "write batch", "injected fault"));
        }
        apply(&mut medium.current, batch);
        medium
            .damaged
            .retain(|(column, key)| !batch.ops().iter().any(|op| rewrites(op, *column, key)));
        medium.unsynced.push(batch.clone());
        Ok(())
    }

    fn sync(&self) -> Result<(), ShelfError> {
        let mut medium = self.medium("sync log")?;
        if let Some(class) = medium.faults.fail_syncs {
            return Err(ShelfError::new(&self.label, class, "sync log", "injected fault"));
        }
        if !medium.faults.lie_about_syncs {
            for batch in std::mem::take(&mut medium.unsynced) {
                medium.make_durable(&batch);
            }
        }
        Ok(())
    }

    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        let medium = self.readable()?;
        self.check(&medium, column, key)?;
        Ok(medium.current[column.index()].get(key).cloned())
    }

    fn multi_get(&self, column: Column, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        keys.iter().map(|key| self.get(column, key)).collect()
    }

    fn snapshot(&self) -> Result<Arc<dyn EngineSnapshot>, ShelfError> {
        let medium = self.readable()?;
        Ok(Arc::new(MemSnapshot {
            engine: self.clone(),
            columns: medium.current.clone(),
        }))
    }
}

fn rewrites(op: &BatchOp, column: Column, key: &[u8]) -> bool {
    match op {
        BatchOp::Put { column: c, key: k, .. } | BatchOp::Delete { column: c, key: k } => *c == column && k == key,
        BatchOp::DeleteRange { column: c, from, to } => *c == column && from.as_slice() <= key && key < to.as_slice(),
    }
}

struct MemSnapshot {
    engine: MemEngine,
    columns: Columns,
}

impl MemSnapshot {
    fn rows(&self, column: Column, range: &KeyRange) -> Result<Vec<Row<'_>>, ShelfError> {
        let medium = self.engine.readable()?;
        let to = match &range.to {
            Some(to) if *to <= range.from => return Ok(Vec::new()),
            Some(to) => Bound::Excluded(to.clone()),
            None => Bound::Unbounded,
        };
        let rows = self.columns[column.index()].range((Bound::Included(range.from.clone()), to));
        let rows: Vec<_> = rows.collect();
        for (column_damaged, key) in &medium.damaged {
            if *column_damaged == column && rows.iter().any(|(k, _)| *k == key) {
                self.engine.check(&medium, column, key)?;
            }
        }
        Ok(rows)
    }
}

impl EngineSnapshot for MemSnapshot {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        let medium = self.engine.readable()?;
        self.engine.check(&medium, column, key)?;
        Ok(self.columns[column.index()].get(key).cloned())
    }

    fn multi_get(&self, column: Column, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        keys.iter().map(|key| self.get(column, key)).collect()
    }

    fn scan(&self, column: Column, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        // The rows are taken before any is visited: the visitor may read the shelf again.
        visit_all(self.rows(column, range)?.into_iter(), visit);
        Ok(())
    }

    fn scan_reverse(&self, column: Column, range: &KeyRange, visit: &mut RowVisitor<'_>) -> Result<(), ShelfError> {
        visit_all(self.rows(column, range)?.into_iter().rev(), visit);
        Ok(())
    }
}

fn visit_all<'r>(rows: impl Iterator<Item = Row<'r>>, visit: &mut RowVisitor<'_>) {
    for (key, value) in rows {
        if let ControlFlow::Break(()) = visit(key, value) {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_forgets_is_as_it_was_before_the_last_synced_batches() {
        let disk = MemDisk::new("m");
        let engine = disk.open();
        let (mut first, mut second, mut third) = (Batch::new(), Batch::new(), Batch::new());
        first.put(Column::Log, *b"a", &b"1"[..]);
        first.put(Column::Log, *b"b", &b"1"[..]);
        second.put(Column::Log, *b"a", &b"2"[..]);
        second.put(Column::Log, *b"c", &b"2"[..]);
        second.delete_range(Column::Log, *b"a", *b"c");
        third.delete(Column::Log, *b"c");
        for batch in [&first, &second, &third] {
            engine.write(batch).unwrap();
        }
        engine.sync().unwrap();
        let log = |keys: &[&[u8]]| keys.iter().map(|key| key.to_vec()).collect::<Vec<_>>();
        assert_eq!(disk.keys(Column::Log), log(&[]));
        disk.crash(Crash::LoseSynced { batches: 1 });
        assert_eq!(disk.keys(Column::Log), log(&[b"c"]));
        disk.crash(Crash::LoseSynced { batches: 1 });
        assert_eq!(disk.keys(Column::Log), log(&[b"a", b"b"]));
        assert_eq!(disk.open().get(Column::Log, b"a").unwrap().as_deref(), Some(&b"1"[..]));
    }
}
