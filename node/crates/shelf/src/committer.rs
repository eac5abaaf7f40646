//! The one writer of a shelf's logs and votes: takes what is queued, writes it as one batch, syncs once, then completes
//! the callbacks (DESIGN D4).
//!
//! Invariants
//! - A callback says `Ok` only after a sync that began after its operation had been written.
//! - Callbacks of one replica come in the order of its operations.
//! - The first error of a write or a sync is the last thing that this opening of the shelf does: every callback that
//!   waits and every later one gets that error. Trying again would be worthless, since the kernel marks pages of a
//!   failed fsync as clean.
//! - No callback runs while a lock is held.
//!
//! In a simulation there is no thread: queued work is written at once, and [`Core::pump`] syncs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use mail_model::ReplicaId;
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use crate::encode::{self, Op};
use crate::engine::{Batch, Column, Engine};
use crate::error::{ErrorClass, ShelfError, ShelfLabel};
use crate::key;
use crate::limits::{COMMIT_BYTES_MAX, QUEUE_BYTES_MAX};
use crate::queue::{Queue, Waiting};
use crate::record;
use crate::replica::Replica;
use crate::watch::{Watch, WatchedEngine};

/// Told once whether an operation is durable. Runs on the committer's thread: it hands on and returns.
pub type Done = Box<dyn FnOnce(Result<(), ShelfError>) + Send>;

/// An operation in the queue.
pub(crate) struct Queued {
    pub(crate) replica: Arc<Replica>,
    /// Its number within its replica.
    pub(crate) number: u64,
    pub(crate) op: Op,
    /// `None` when nobody waits for it to be durable.
    pub(crate) done: Option<Done>,
}

/// A batch that is written and not yet synced.
struct Written {
    done: Vec<Done>,
    sequence: u64,
    bytes: usize,
}

#[derive(Default)]
struct Inbox {
    queue: Queue<Queued>,
    closing: bool,
    thread_ended: bool,
}

/// What all handles of one opening of a shelf share.
pub(crate) struct Core {
    pub(crate) label: ShelfLabel,
    /// Taken out when the shelf closes, so that the database can be dropped while handles are still around.
    engine: RwLock<Option<Arc<dyn Engine>>>,
    inbox: Mutex<Inbox>,
    changed: Condvar,
    failure: OnceLock<ShelfError>,
    /// Wakes async callers when the shelf fails.
    pub(crate) failed: tokio::sync::watch::Sender<bool>,
    pub(crate) replicas: Mutex<BTreeMap<ReplicaId, Arc<Replica>>>,
    /// Number of the last batch written; only the writer changes it.
    sequence: AtomicU64,
    /// Number of the last batch that is durable: the high-water mark (DESIGN D10).
    pub(crate) acknowledged: Arc<AtomicU64>,
    pub(crate) watch: Arc<Watch>,
    /// Alive while anybody, a view for instance, holds the engine.
    pub(crate) held: Weak<dyn Engine>,
    /// Batches that wait for [`Core::pump`]; `None` when a thread commits.
    inline: Option<Mutex<Vec<Written>>>,
}

impl Core {
    /// Over `engine`, whose last batch had the number `sequence`.
    pub(crate) fn new(label: ShelfLabel, engine: Arc<dyn Engine>, sequence: u64, simulated: bool) -> Arc<Self> {
        let watch = Watch::new();
        let held = Arc::downgrade(&engine);
        let engine: Arc<dyn Engine> = Arc::new(WatchedEngine {
            engine,
            watch: watch.clone(),
        });
        Arc::new(Self {
            label,
            engine: RwLock::new(Some(engine)),
            inbox: Mutex::default(),
            changed: Condvar::new(),
            failure: OnceLock::new(),
            failed: tokio::sync::watch::Sender::new(false),
            replicas: Mutex::default(),
            sequence: AtomicU64::new(sequence),
            acknowledged: Arc::new(AtomicU64::new(sequence)),
            watch,
            held,
            inline: simulated.then(Mutex::default),
        })
    }

    /// The engine, while the shelf is open and has not failed.
    pub(crate) fn engine(&self) -> Result<Arc<dyn Engine>, ShelfError> {
        self.check()?;
        let engine = self.engine.read().clone();
        engine.ok_or_else(|| self.closed("use"))
    }

    /// Takes the engine out: from now on every call says that the shelf is closed.
    pub(crate) fn take_engine(&self) -> Option<Arc<dyn Engine>> {
        self.engine.write().take()
    }

    /// The error that ended this opening, if one did.
    pub(crate) fn check(&self) -> Result<(), ShelfError> {
        self.failure.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    pub(crate) fn closed(&self, operation: &'static str) -> ShelfError {
        ShelfError::new(&self.label, ErrorClass::Closed, operation, "the shelf is closed")
    }

    /// Number of the last batch written.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.inbox().queue.bytes()
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock()
    }

    /// Queues an operation. The caller holds the replica's lock, which gives the order; so the callback of an
    /// operation that cannot be queued is handed back, to be run without the lock.
    pub(crate) fn enqueue(&self, queued: Queued) -> Result<(), (Option<Done>, ShelfError)> {
        if let Err(error) = self.check() {
            return Err((queued.done, error));
        }
        let mut inbox = self.inbox();
        if inbox.closing {
            return Err((queued.done, self.closed("queue write")));
        }
        if inbox.queue.bytes() > QUEUE_BYTES_MAX {
            let error = ShelfError::new(
                &self.label,
                ErrorClass::Stalled,
                "queue write",
                "too much waits for the disk",
            );
            return Err((queued.done, error));
        }
        let waiting = Waiting {
            bytes: queued.op.bytes(),
            urgent: queued.op.is_vote(),
            op: queued,
        };
        inbox.queue.push(waiting.op.replica.id, waiting);
        self.changed.notify_all();
        Ok(())
    }

    /// Writes and syncs a batch of the caller's, past the queue. Blocks.
    pub(crate) fn write_synced(&self, batch: &Batch) -> Result<(), ShelfError> {
        let engine = self.engine()?;
        engine
            .write(batch)
            .and_then(|()| engine.sync())
            .map_err(|error| self.fail(error))
    }

    /// Writes the next number, durably, with nothing else. Only before any replica is open. Blocks.
    pub(crate) fn renumber(&self) -> Result<(), ShelfError> {
        let engine = self.engine()?;
        let written = self
            .write_next(engine.as_ref(), Batch::new())
            .and_then(|_| engine.sync());
        written.map_err(|error| self.fail(error))
    }

    /// In a simulation: writes what is queued. Otherwise the thread does.
    pub(crate) fn write_inline(&self) {
        let Some(pending) = &self.inline else { return };
        while let Some(written) = self.write_some() {
            pending.lock().push(written);
        }
    }

    /// In a simulation: syncs what is written and completes its callbacks. Returns whether there was anything to do.
    pub(crate) fn pump(&self) -> bool {
        let Some(pending) = &self.inline else { return false };
        let written = std::mem::take(&mut *pending.lock());
        if written.iter().all(|one| one.done.is_empty()) {
            return false;
        }
        let sequence = written.last().map_or(0, |last| last.sequence);
        let bytes = written.iter().map(|one| one.bytes).sum();
        let done = written.into_iter().flat_map(|one| one.done).collect();
        self.settle(Written { done, sequence, bytes });
        true
    }

    /// The life of the committer's thread.
    pub(crate) fn run(&self) {
        while self.wait_for_work() {
            if let Some(written) = self.write_some() {
                self.settle(written);
            }
        }
        self.inbox().thread_ended = true;
        self.changed.notify_all();
    }

    /// Waits until there is something to write; `false` when there never will be.
    fn wait_for_work(&self) -> bool {
        let mut inbox = self.inbox();
        loop {
            if self.failure.get().is_some() {
                return false;
            }
            if !inbox.queue.is_empty() {
                return true;
            }
            if inbox.closing {
                return false;
            }
            self.changed.wait(&mut inbox);
        }
    }

    /// Takes one batch from the queue and writes it. `None` when there was nothing, or the shelf failed over it.
    fn write_some(&self) -> Option<Written> {
        let mut queued = self.inbox().queue.take(COMMIT_BYTES_MAX);
        if queued.is_empty() {
            return None;
        }
        let outcome = self.write_batches(&queued);
        let done = queued.iter_mut().filter_map(|one| one.done.take()).collect();
        match outcome {
            Ok(bytes) => {
                queued.iter().for_each(|one| one.replica.note_written(one.number));
                Some(Written {
                    done,
                    sequence: self.sequence.load(Ordering::Relaxed),
                    bytes,
                })
            }
            Err(error) => {
                let error = self.fail(error);
                complete(done, &Err(error));
                None
            }
        }
    }

    /// Writes operations as one batch; only an install stands alone, since it reads what was written before it and
    /// changes what the later ones mean.
    fn write_batches(&self, queued: &[Queued]) -> Result<usize, ShelfError> {
        let engine = self.engine()?;
        let mut batch = Batch::new();
        let mut bytes = 0;
        for one in queued {
            let Op::Install { generation, .. } = one.op else {
                encode::encode(engine.as_ref(), &one.replica, &one.op, &mut batch)?;
                continue;
            };
            bytes += self.write_numbered(engine.as_ref(), std::mem::take(&mut batch))?;
            encode::encode(engine.as_ref(), &one.replica, &one.op, &mut batch)?;
            bytes += self.write_numbered(engine.as_ref(), std::mem::take(&mut batch))?;
            one.replica.note_installed(generation);
        }
        Ok(bytes + self.write_numbered(engine.as_ref(), batch)?)
    }

    /// Writes one batch with the next number in it (DESIGN D10).
    fn write_numbered(&self, engine: &dyn Engine, batch: Batch) -> Result<usize, ShelfError> {
        if batch.is_empty() {
            Ok(0)
        } else {
            self.write_next(engine, batch)
        }
    }

    fn write_next(&self, engine: &dyn Engine, mut batch: Batch) -> Result<usize, ShelfError> {
        let sequence = self.sequence.load(Ordering::Relaxed) + 1;
        let key = key::sequence();
        let sealed = record::seal(&key, &sequence.to_be_bytes());
        batch.put(Column::Shelf, key, sealed);
        engine.write(&batch)?;
        self.sequence.store(sequence, Ordering::Relaxed);
        Ok(batch.approximate_bytes())
    }

    /// Makes a written batch durable, if anybody waits for that, and tells those who do.
    fn settle(&self, written: Written) {
        if written.done.is_empty() {
            return;
        }
        let started = Instant::now();
        match self.engine().and_then(|engine| engine.sync()) {
            Ok(()) => {
                self.acknowledged.fetch_max(written.sequence, Ordering::AcqRel);
                self.measure(started.elapsed(), written.bytes);
                complete(written.done, &Ok(()));
            }
            Err(error) => {
                let error = self.fail(error);
                complete(written.done, &Err(error));
            }
        }
    }

    fn measure(&self, sync: Duration, bytes: usize) {
        let shelf = self.label.name.to_string();
        metrics::counter!("shelf_syncs_total", "shelf" => shelf.clone()).increment(1);
        metrics::histogram!("shelf_sync_seconds", "shelf" => shelf.clone()).record(sync.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a size in a histogram")]
        metrics::histogram!("shelf_batch_bytes", "shelf" => shelf).record(bytes as f64);
    }

    /// Ends this opening because of `error`, unless an earlier error did. Returns the error that counts.
    pub(crate) fn fail(&self, error: ShelfError) -> ShelfError {
        if self.failure.set(error.clone()).is_ok() {
            tracing::error!(shelf = %self.label.name, class = error.class().as_str(), %error, "the shelf stops");
            let class = error.class().as_str();
            metrics::counter!("shelf_failures_total", "shelf" => self.label.name.to_string(), "class" => class)
                .increment(1);
        }
        let error = self.failure.get().cloned().unwrap_or(error);
        let mut waiting = self.inbox().queue.take(usize::MAX);
        self.changed.notify_all();
        let done = waiting.iter_mut().filter_map(|one| one.done.take()).collect();
        complete(done, &Err(error.clone()));
        self.drop_unsynced(&error);
        let replicas: Vec<_> = self.replicas.lock().values().cloned().collect();
        replicas.iter().for_each(|replica| replica.wake());
        self.failed.send_replace(true);
        error
    }

    /// In a simulation: callbacks of batches that will never be synced.
    fn drop_unsynced(&self, error: &ShelfError) {
        if let Some(pending) = &self.inline {
            let written = std::mem::take(&mut *pending.lock());
            complete(
                written.into_iter().flat_map(|one| one.done).collect(),
                &Err(error.clone()),
            );
        }
    }

    /// Takes no more operations; what is queued is still committed.
    pub(crate) fn close(&self) {
        self.inbox().closing = true;
        self.changed.notify_all();
    }

    /// Whether the committer's thread has ended by `deadline`.
    pub(crate) fn wait_ended(&self, deadline: Instant) -> bool {
        if self.inline.is_some() {
            return true;
        }
        let mut inbox = self.inbox();
        while !inbox.thread_ended {
            if self.changed.wait_until(&mut inbox, deadline).timed_out() {
                return inbox.thread_ended;
            }
        }
        true
    }
}

fn complete(done: Vec<Done>, result: &Result<(), ShelfError>) {
    for one in done {
        one(result.clone());
    }
}
