//! One replica's durable bytes: its log, vote, applied state and blobs.
//!
//! Invariants
//! - What `append`, `truncate_after`, `purge` and `save_vote` change is visible to readers when the call returns and
//!   durable when its callback says so; the order of calls is the order on disk.
//! - The log has no holes: the entries from past the purge marker to the last one are all there, or reading is an error.
//! - Applied state never precedes its log entries on disk: [`ReplicaStore::write_state`] waits for them to be written.
//! - Blocking calls say so; they belong on the shelf's I/O threads ([`crate::Shelf::run_io`]).
//!
//! Must not know: what heads, markers, votes and state mean.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use mail_model::{GroupId, LogIndex, ReplicaId};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::committer::{Core, Done, Queued};
use crate::encode::Op;
use crate::engine::{Batch, Column};
use crate::error::{ErrorClass, ShelfError};
use crate::key::{Generation, Prefix};
use crate::limits::{BLOB_BYTES_MAX, HEAD_BYTES_MAX};
use crate::log_reader;
use crate::shelf::Shelf;
use crate::state::StateView;
use crate::state_cache::{NotInMemory, StateCache};
use crate::tail::{Budget, LogEntry, Tail};

/// The ends of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogBounds {
    /// The last purged index, with the marker that replication gave.
    pub purged: Option<(LogIndex, Bytes)>,
    /// The last entry's index and head; `None` when no entry is left.
    pub last: Option<(LogIndex, Bytes)>,
}

/// What changes in a replica while it runs.
#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) generation: Generation,
    pub(crate) tail: Tail,
    /// Number of the last operation queued.
    pub(crate) queued: u64,
    /// Number of the last operation written.
    pub(crate) written: u64,
    pub(crate) purged: Option<(LogIndex, Bytes)>,
    /// The last entry, unless all are purged or cut off.
    pub(crate) last: Option<LogIndex>,
    /// Counts purges, truncations and installs, so that a reader that was overtaken by one can tell.
    pub(crate) cuts: u64,
    pub(crate) vote: Option<Bytes>,
    pub(crate) retired: bool,
}

impl Inner {
    /// First index that may be appended next, if the log knows.
    fn next(&self) -> Option<LogIndex> {
        let purged = self.purged.as_ref().map(|(upto, _)| *upto);
        self.last
            .max(purged)
            .and_then(|last| last.0.checked_add(1))
            .map(LogIndex)
    }

    /// First index that was not purged.
    pub(crate) fn first(&self) -> LogIndex {
        self.purged
            .as_ref()
            .map_or(LogIndex(0), |(upto, _)| LogIndex(upto.0.saturating_add(1)))
    }

    /// The part of `range` that exists.
    pub(crate) fn clamp(&self, range: &Range<LogIndex>) -> Range<LogIndex> {
        let Some(last) = self.last else {
            return LogIndex(0)..LogIndex(0);
        };
        range.start.max(self.first())..range.end.min(LogIndex(last.0.saturating_add(1)))
    }
}

/// What all handles of a replica share.
pub(crate) struct Replica {
    pub(crate) id: ReplicaId,
    pub(crate) group: GroupId,
    inner: Mutex<Inner>,
    changed: Condvar,
    pub(crate) cache: StateCache,
}

impl Replica {
    pub(crate) fn new(id: ReplicaId, group: GroupId, inner: Inner) -> Self {
        Self {
            id,
            group,
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            cache: StateCache::default(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    pub(crate) fn generation(&self) -> Generation {
        self.lock().generation
    }

    /// The operation `number` and all before it are written.
    pub(crate) fn note_written(&self, number: u64) {
        let mut inner = self.lock();
        inner.written = inner.written.max(number);
        let written = inner.written;
        inner.tail.evict(written);
        self.changed.notify_all();
    }

    /// An install is written.
    pub(crate) fn note_installed(&self, generation: Generation) {
        let mut inner = self.lock();
        inner.generation = generation;
        inner.cuts += 1;
    }

    /// Lets those who wait look at the shelf's failure.
    pub(crate) fn wake(&self) {
        // Under the lock, so that nobody is between looking at the failure and waiting.
        let _inner = self.lock();
        self.changed.notify_all();
    }
}

/// Handle to one replica of a shelf. Cheap to clone; keeps the shelf running.
#[derive(Clone)]
pub struct ReplicaStore {
    pub(crate) shelf: Shelf,
    pub(crate) core: Arc<Core>,
    pub(crate) replica: Arc<Replica>,
}

impl ReplicaStore {
    /// This replica's id.
    #[must_use]
    pub fn id(&self) -> ReplicaId {
        self.replica.id
    }

    /// The group whose replica this is.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.replica.group
    }

    /// The shelf that it is on.
    #[must_use]
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Which opening of the shelf this handle belongs to.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.core.label.epoch
    }

    /// Appends entries that follow the last one. Returns at once; they can be read when it does. `done` is told when
    /// they are durable, on the committer's thread (or inside [`crate::Shelf::pump`]).
    ///
    /// Back-pressure: the queue takes what it is given, up to [`crate::limits::QUEUE_BYTES_MAX`] per shelf; whoever
    /// proposes looks at [`crate::Shelf::queued_bytes`] first. Over the bound `done` gets an error of class stalled.
    pub fn append(&self, entries: Vec<LogEntry>, done: Done) {
        if entries.is_empty() {
            // Nothing to make durable by itself, but what was asked for before comes first.
            return self.queue(Op::Append(entries), Some(done), |_, _| Ok(()));
        }
        let for_tail = entries.clone();
        self.queue(Op::Append(entries), Some(done), move |inner, number| {
            let mut next = inner.next();
            for entry in &for_tail {
                check_entry(entry, next)?;
                next = entry.index.0.checked_add(1).map(LogIndex);
            }
            inner.last = for_tail.last().map(|entry| entry.index);
            for_tail.into_iter().for_each(|entry| inner.tail.push(entry, number));
            Ok(())
        });
    }

    /// Cuts off everything that follows `after`; the whole log for `None`. Never below the purge marker.
    pub fn truncate_after(&self, after: Option<LogIndex>, done: Done) {
        self.queue(Op::Truncate(after), Some(done), |inner, _| {
            if inner.purged.as_ref().is_some_and(|(upto, _)| after < Some(*upto)) {
                return Err("truncation below the purge marker".to_owned());
            }
            inner.cuts += 1;
            inner.tail.truncate_after(after);
            let first = inner.first();
            inner.last = inner.last.min(after).filter(|last| *last >= first);
            Ok(())
        });
    }

    /// Removes everything up to and including `upto`, and the blobs that removed entries had given up. `marker` is kept
    /// to describe the last removed entry. May reach past the last entry; what was purged before stays purged.
    pub fn purge(&self, upto: LogIndex, marker: Bytes, done: Done) {
        let kept = marker.clone();
        self.queue(Op::Purge { upto, marker }, Some(done), move |inner, _| {
            if inner.purged.as_ref().is_some_and(|(before, _)| *before > upto) {
                return Err(format!("purge up to {} below the purge marker", upto.0));
            }
            inner.cuts += 1;
            inner.purged = Some((upto, kept));
            inner.tail.purge(upto);
            inner.last = inner.last.filter(|last| *last > upto);
            Ok(())
        });
    }

    /// Stores the vote. [`ReplicaStore::vote`] returns it at once; only `done` says that it may be relied on.
    pub fn save_vote(&self, vote: Bytes, done: Done) {
        let kept = vote.clone();
        self.queue(Op::Vote(vote), Some(done), move |inner, _| {
            inner.vote = Some(kept);
            Ok(())
        });
    }

    /// The last vote given to [`ReplicaStore::save_vote`].
    #[must_use]
    pub fn vote(&self) -> Option<Bytes> {
        self.replica.lock().vote.clone()
    }

    /// Changes the memory by `change` and queues `op`, both under the replica's lock.
    pub(crate) fn queue(&self, op: Op, done: Option<Done>, change: impl FnOnce(&mut Inner, u64) -> Result<(), String>) {
        let refused = {
            let mut inner = self.replica.lock();
            let number = inner.queued + 1;
            let checked = if inner.retired {
                Err("the replica is retired".to_owned())
            } else {
                change(&mut inner, number)
            };
            match checked {
                Ok(()) => {
                    inner.queued = number;
                    let queued = Queued {
                        replica: self.replica.clone(),
                        number,
                        op,
                        done,
                    };
                    self.core.enqueue(queued).err()
                }
                Err(detail) => {
                    let detail = format!("replica {}: {detail}", self.replica.id.0);
                    let class = if inner.retired {
                        ErrorClass::Closed
                    } else {
                        ErrorClass::Bug
                    };
                    Some((done, ShelfError::new(&self.core.label, class, "queue write", detail)))
                }
            }
        };
        match refused {
            None => self.core.write_inline(),
            Some((done, error)) => {
                // The memory is ahead of the queue now, or the caller broke the contract: nothing may go on from here.
                let error = if error.class() == ErrorClass::Stalled {
                    self.core.fail(error)
                } else {
                    error
                };
                if let Some(done) = done {
                    done(Err(error));
                }
            }
        }
    }

    /// The ends of the log. Blocks on the disk when the last entry is not in memory.
    ///
    /// # Errors
    /// When the last entry cannot be read.
    pub fn bounds(&self) -> Result<LogBounds, ShelfError> {
        loop {
            let (purged, last, cuts) = {
                let inner = self.replica.lock();
                (inner.purged.clone(), inner.last, inner.cuts)
            };
            let Some(last) = last else {
                return Ok(LogBounds { purged, last: None });
            };
            let range = last..LogIndex(last.0.saturating_add(1));
            if let Some(entry) = self.read_log(range, 0, false)?.pop() {
                return Ok(LogBounds {
                    purged,
                    last: Some((last, entry.head)),
                });
            }
            if self.replica.lock().cuts == cuts {
                let detail = format_args!("replica {}: entry {} is not there", self.replica.id.0, last.0);
                return Err(ShelfError::damage(&self.core.label, "read log", detail));
            }
        }
    }

    /// Entries of `range` from its start on, as many as fit into `byte_limit` and at least one; fewer are at the end
    /// of the log. Empty only when the log has nothing in `range`. Blocks on the disk.
    ///
    /// A blob that is missing or unreadable comes as `blob: None` with `blob_len: Some`: to be fetched elsewhere.
    /// Blobs are returned as stored; whoever sends them on checks them first ([`crate::piece`]).
    ///
    /// # Errors
    /// When an entry that should be there is missing or damaged.
    pub fn read_log(
        &self,
        range: Range<LogIndex>,
        byte_limit: usize,
        with_blobs: bool,
    ) -> Result<Vec<LogEntry>, ShelfError> {
        log_reader::read(&self.core, &self.replica, &range, byte_limit, with_blobs)
    }

    /// As [`ReplicaStore::read_log`], from memory alone: never blocks. `None` when the disk has to be asked, or the
    /// shelf has failed.
    #[must_use]
    pub fn try_read_tail(&self, range: Range<LogIndex>, byte_limit: usize, with_blobs: bool) -> Option<Vec<LogEntry>> {
        self.core.check().ok()?;
        let inner = self.replica.lock();
        let range = inner.clamp(&range);
        if range.is_empty() {
            return Some(Vec::new());
        }
        let in_memory = inner.tail.first().is_some_and(|first| first <= range.start);
        in_memory.then(|| {
            inner
                .tail
                .collect(range.start, range.end, &mut Budget::new(byte_limit), with_blobs)
        })
    }

    /// The stored bytes of the blob that the entry at `index` carried, also after that entry was purged. Blocks.
    ///
    /// # Errors
    /// When they cannot be read or fail their checksum.
    pub fn blob(&self, index: LogIndex) -> Result<Option<Bytes>, ShelfError> {
        Ok(self.blobs(&[index])?.pop().flatten())
    }

    /// Several blobs in one read, in the order of `indexes`. Blocks.
    ///
    /// # Errors
    /// When one of them cannot be read or fails its checksum.
    pub fn blobs(&self, indexes: &[LogIndex]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        let engine = self.core.engine()?;
        loop {
            let (mut found, generation) = {
                let inner = self.replica.lock();
                let found: Vec<_> = indexes
                    .iter()
                    .map(|index| inner.tail.get(*index)?.blob.clone())
                    .collect();
                (found, inner.generation)
            };
            let prefix = Prefix::new(self.replica.id, generation);
            let missing: Vec<_> = (0..found.len()).filter(|at| found[*at].is_none()).collect();
            let keys: Vec<_> = missing.iter().map(|at| prefix.blob(indexes[*at])).collect();
            for (at, value) in missing.into_iter().zip(engine.multi_get(Column::Blob, &keys)?) {
                found[at] = value;
            }
            // An install may have moved the blobs while we looked.
            if self.replica.generation() == generation {
                return Ok(found);
            }
        }
    }

    /// Puts back the bytes of a blob that was found missing or damaged, after they were fetched from another replica
    /// and checked. Blocks; durable when it returns.
    ///
    /// # Errors
    /// When they cannot be written; the shelf has failed then.
    pub fn restore_blob(&self, index: LogIndex, record: Bytes) -> Result<(), ShelfError> {
        let mut batch = Batch::new();
        batch.put(
            Column::Blob,
            Prefix::new(self.replica.id, self.replica.generation()).blob(index),
            record,
        );
        self.core.write_synced(&batch)
    }

    /// The applied state as it is now. Blocks.
    ///
    /// # Errors
    /// When the shelf is closed or has failed.
    pub fn state_view(&self) -> Result<StateView, ShelfError> {
        let engine = self.core.engine()?;
        loop {
            let generation = self.replica.generation();
            let edition = self.replica.cache.edition();
            let snapshot = engine.snapshot()?;
            if self.replica.generation() != generation {
                continue;
            }
            let view = StateView::new(snapshot, Prefix::new(self.replica.id, generation));
            return Ok(match edition {
                Some(edition) if self.replica.cache.edition() == Some(edition) => {
                    view.with_cache(self.replica.clone(), edition)
                }
                _ => view,
            });
        }
    }

    /// What is in memory of the applied state as it is now, if that can be told: a read of anything else is an error of
    /// class [`ErrorClass::NotInMemory`]. Never waits for the disk, so it may be asked anywhere.
    #[must_use]
    pub fn memory_view(&self) -> Option<StateView> {
        self.core.check().ok()?;
        let edition = self.replica.cache.edition()?;
        let nothing = Arc::new(NotInMemory(self.core.label.clone()));
        let view = StateView::new(nothing, Prefix::new(self.replica.id, self.replica.generation()));
        Some(view.with_cache(self.replica.clone(), edition))
    }

    /// Waits until the entry at `index` is written, though maybe not synced. Blocks.
    ///
    /// # Errors
    /// When the shelf fails before.
    pub fn wait_written(&self, index: LogIndex) -> Result<(), ShelfError> {
        let mut inner = self.replica.lock();
        loop {
            self.core.check()?;
            // An entry that is not in the tail is written, or was cut off or purged: then whatever did that decides.
            let op = inner
                .tail
                .op_of(index)
                .unwrap_or_else(|| if inner.first() > index { inner.queued } else { 0 });
            if inner.written >= op {
                return Ok(());
            }
            self.replica.changed.wait(&mut inner);
        }
    }

    /// Waits until everything queued so far is written. Blocks.
    pub(crate) fn wait_drained(&self) -> Result<(), ShelfError> {
        let mut inner = self.replica.lock();
        let queued = inner.queued;
        while inner.written < queued {
            self.core.check()?;
            self.replica.changed.wait(&mut inner);
        }
        Ok(())
    }

    /// Writes applied state (from [`crate::StateTxn::finish`]) once the entry at `after`, the last one that it
    /// reflects, is written. Not synced: the log below it is what is durable. Blocks.
    ///
    /// # Errors
    /// When it cannot be written; the shelf has failed then.
    pub fn write_state(&self, after: LogIndex, batch: &Batch) -> Result<(), ShelfError> {
        self.wait_written(after)?;
        let engine = self.core.engine()?;
        self.replica.cache.begin();
        engine.write(batch).map_err(|error| self.core.fail(error))?;
        self.replica.cache.publish(batch);
        Ok(())
    }
}

fn check_entry(entry: &LogEntry, next: Option<LogIndex>) -> Result<(), String> {
    if next.is_some_and(|next| next != entry.index) {
        return Err(format!("entry {} does not follow the last one", entry.index.0));
    }
    let blob_bytes = entry.blob.as_ref().map_or(0, Bytes::len);
    if entry.head.len() > HEAD_BYTES_MAX || blob_bytes > BLOB_BYTES_MAX {
        return Err(format!("entry {} is too large", entry.index.0));
    }
    Ok(())
}
