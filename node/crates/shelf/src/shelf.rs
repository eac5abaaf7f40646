//! The handle to one open shelf: engine, committer and I/O threads, and the replicas on it.
//!
//! Invariants
//! - The first failed write or sync ends this opening: every later call gets that error. What is on disk stays as it is.
//! - Closing and failing never wait for a thread that hangs in the disk; such threads are left behind.
//! - A replica id is used once: one that was retired is never opened again (DESIGN D2).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::Future;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mail_model::{GroupId, ReplicaId};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::clean_stop;
use crate::committer::Core;
use crate::engine::{Batch, Column, Engine};
use crate::error::{ErrorClass, ShelfError, ShelfLabel};
use crate::high_water::HighWater;
use crate::io_pool::IoPool;
use crate::key::{self, FIRST_GENERATION, LASTING, Prefix};
use crate::limits::RELEASE_POLL;
use crate::load;
use crate::mem_engine::MemEngine;
use crate::record::{self, ReplicaRow, ReplicaState};
use crate::replica::{Replica, ReplicaStore};
use crate::watch::InFlight;

/// One row of a shelf's list of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaInfo {
    /// Its id, given once and never again.
    pub id: ReplicaId,
    /// The group whose replica it is.
    pub group: GroupId,
    /// Whether it may run.
    pub state: ReplicaState,
}

/// What a shelf in a directory does at its stop.
pub(crate) struct AtStop {
    /// Gets the mark of an orderly stop.
    pub(crate) dir: PathBuf,
    /// End when dropped.
    pub(crate) _marks: HighWater,
}

struct Handle {
    core: Arc<Core>,
    /// `None` in a simulation.
    io: Option<IoPool>,
    at_stop: Mutex<Option<AtStop>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The last handle is gone: nobody can queue anything, so let the threads finish what is there and end.
        self.core.close();
        if let Some(io) = &self.io {
            io.close();
        }
    }
}

/// Handle to one open shelf. Cheap to clone.
#[derive(Clone)]
pub struct Shelf {
    handle: Arc<Handle>,
}

impl Shelf {
    /// Runs a shelf on an engine with its own threads.
    ///
    /// # Errors
    /// When the engine cannot be read or threads cannot be started.
    pub fn start(label: ShelfLabel, engine: Arc<dyn Engine>) -> Result<Self, ShelfError> {
        Self::start_numbered(label, engine, 0)
    }

    /// As [`Shelf::start`], numbering batches above `at_least`.
    pub(crate) fn start_numbered(
        label: ShelfLabel,
        engine: Arc<dyn Engine>,
        at_least: u64,
    ) -> Result<Self, ShelfError> {
        let core = new_core(label, engine, at_least, false)?;
        let io = IoPool::start(&core.label)?;
        let for_thread = core.clone();
        let thread = std::thread::Builder::new().name(format!("{}-commit", core.label.name));
        thread.spawn(move || for_thread.run()).map_err(|error| {
            io.close();
            ShelfError::io(&core.label, "start thread", "committer", &error)
        })?;
        Ok(Self {
            handle: Arc::new(Handle {
                core,
                io: Some(io),
                at_stop: Mutex::default(),
            }),
        })
    }

    /// A shelf in memory without threads: I/O runs where it is asked for, queued operations are written at once, and
    /// [`Shelf::pump`] syncs them and completes their callbacks.
    ///
    /// # Errors
    /// When the engine reports an error.
    pub fn simulated(engine: MemEngine) -> Result<Self, ShelfError> {
        let core = new_core(engine.label().clone(), Arc::new(engine), 0, true)?;
        Ok(Self {
            handle: Arc::new(Handle {
                core,
                io: None,
                at_stop: Mutex::default(),
            }),
        })
    }

    /// In a simulation: syncs what is written and completes its callbacks. Returns whether there was anything to do.
    /// Always `false` on a shelf with threads.
    pub fn pump(&self) -> bool {
        self.core().pump()
    }

    fn core(&self) -> &Arc<Core> {
        &self.handle.core
    }

    /// Name and epoch of this opening.
    #[must_use]
    pub fn label(&self) -> &ShelfLabel {
        &self.core().label
    }

    /// Runs a blocking call on an I/O thread of this shelf. The call starts whether or not the future is polled;
    /// dropping the future does not stop it. Works under any executor.
    ///
    /// # Errors
    /// What `call` returns; or, without waiting for it any longer, the error that made the shelf fail.
    pub fn run_io<T, F>(&self, call: F) -> impl Future<Output = Result<T, ShelfError>> + Send + 'static + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, ShelfError> + Send + 'static,
    {
        let core = self.core().clone();
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            // The receiver is gone when the caller no longer wants the answer.
            let _ = sender.send(call());
        };
        let queued = match &self.handle.io {
            Some(io) => core.check().and_then(|()| io.submit(&core.label, Box::new(job))),
            None => {
                job();
                Ok(())
            }
        };
        let mut failed = core.failed.subscribe();
        async move {
            queued?;
            tokio::select! {
                biased;
                answer = receiver => answer.unwrap_or_else(|_| {
                    core.check()?;
                    Err(ShelfError::new(&core.label, ErrorClass::Bug, "run i/o", "the call ended without an answer"))
                }),
                _ = failed.wait_for(|failed| *failed) => Err(core.check().err().unwrap_or_else(|| core.closed("run i/o"))),
            }
        }
    }

    /// Bytes that wait for the committer: what a leader looks at before it takes more work.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.core().queued_bytes()
    }

    /// Memory, in bytes, that holds what is written and not yet in a file of its own. Never waits.
    #[must_use]
    pub fn write_buffer_bytes(&self) -> u64 {
        self.core().engine().map_or(0, |engine| engine.write_buffer_bytes())
    }

    /// The call into the engine that has been running for the longest time (DESIGN D11).
    #[must_use]
    pub fn oldest_in_flight(&self) -> Option<InFlight> {
        self.core().watch.oldest()
    }

    /// The error that ended this opening, if one did.
    #[must_use]
    pub fn failure(&self) -> Option<ShelfError> {
        self.core().check().err()
    }

    /// Resolves with the error that ends this opening. Cancel safe.
    pub async fn failed(&self) -> ShelfError {
        let core = self.core().clone();
        let mut failed = core.failed.subscribe();
        // The sender lives in `core`, so waiting ends with a failure only.
        let _ = failed.wait_for(|failed| *failed).await;
        core.check().err().unwrap_or_else(|| core.closed("wait for failure"))
    }

    /// Ends this opening because of something seen from outside, such as a watchdog: every call that waits gets an
    /// error of `class` at once, whether or not the disk ever answers. An earlier failure stays the one that counts.
    pub fn fail(&self, class: ErrorClass, detail: &str) {
        let core = self.core();
        core.fail(ShelfError::new(&core.label, class, "use shelf", detail));
        if let Some(io) = &self.handle.io {
            io.fail();
        }
    }

    /// Number of the last batch known to be durable (DESIGN D10).
    #[must_use]
    pub fn high_water(&self) -> u64 {
        self.core().acknowledged.load(Ordering::Acquire)
    }

    /// The number behind [`Shelf::high_water`].
    pub(crate) fn acknowledged(&self) -> Arc<AtomicU64> {
        self.core().acknowledged.clone()
    }

    /// Raises the batch number above the one that the shelf was started with, durably.
    pub(crate) fn renumber(&self) -> Result<(), ShelfError> {
        self.core().renumber()
    }

    pub(crate) fn at_stop(&self, at_stop: AtStop) {
        *self.handle.at_stop.lock() = Some(at_stop);
    }

    /// Takes no more work, commits what is queued, and lets go of the engine. Returns whether every thread and view
    /// had let go of it within `wait`: only then may the same shelf be opened again in this process.
    #[must_use]
    pub fn close(&self, wait: Duration) -> bool {
        let deadline = Instant::now() + wait;
        let core = self.core();
        core.close();
        let mut ended = core.wait_ended(deadline);
        if let Some(io) = &self.handle.io {
            io.close();
            ended &= io.wait_ended(deadline);
        }
        let at_stop = self.handle.at_stop.lock().take();
        let Some(engine) = core.take_engine() else { return ended };
        // The last sync and the end of RocksDB may hang like any other call, so nobody waits for them past the deadline.
        let (sender, receiver) = mpsc::channel();
        let of_thread = core.clone();
        let orderly = ended && core.check().is_ok();
        let last = move || {
            let at_stop = at_stop.filter(|_| orderly);
            release(&of_thread, engine, at_stop.as_ref());
            // The one who waits may have gone.
            let _ = sender.send(());
        };
        let thread = std::thread::Builder::new()
            .name(format!("{}-close", core.label.name))
            .spawn(last);
        let left = deadline.saturating_duration_since(Instant::now());
        thread.is_ok() && receiver.recv_timeout(left).is_ok() && ended
    }

    /// The replicas that this shelf has or had. Blocks.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn replicas(&self) -> Result<Vec<ReplicaInfo>, ShelfError> {
        let core = self.core();
        let mut rows = Vec::new();
        let mut outcome = Ok(());
        core.engine()?.snapshot()?.scan(
            Column::Shelf,
            &key::replica_records(),
            &mut |key, value| match read_row(core, key, &Bytes::copy_from_slice(value)) {
                Ok(info) => {
                    rows.push(info);
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    outcome = Err(error);
                    ControlFlow::Break(())
                }
            },
        )?;
        outcome.map(|()| rows)
    }

    /// Adds an empty replica, durable when this returns. Blocks.
    ///
    /// # Errors
    /// Refused when the id was ever used on this shelf; else what the engine reports.
    pub fn create_replica(&self, id: ReplicaId, group: GroupId) -> Result<ReplicaStore, ShelfError> {
        let core = self.core();
        {
            let _one_at_a_time = self.open_replicas();
            let key = key::replica_record(id);
            if core.engine()?.get(Column::Shelf, &key)?.is_some() {
                return Err(self.refused("create replica", id, "this id was given before"));
            }
            let row = ReplicaRow {
                group: group.0,
                generation: FIRST_GENERATION,
                state: ReplicaState::Active,
                staging: None,
            };
            let mut batch = Batch::new();
            batch.put(Column::Shelf, key.clone(), record::seal_record(&key, &row));
            core.write_synced(&batch)?;
        }
        self.replica(id)
    }

    /// Opens a replica, or returns another handle to it when it is open. Reads the ends of its log. Blocks.
    ///
    /// # Errors
    /// Refused when there is no such replica or it is retired; of class medium when vote or log are damaged.
    pub fn replica(&self, id: ReplicaId) -> Result<ReplicaStore, ShelfError> {
        let core = self.core();
        let mut open = self.open_replicas();
        let replica = match open.entry(id) {
            Entry::Occupied(entry) => entry.get().clone(),
            Entry::Vacant(entry) => {
                let row = load::row(core, id)?.ok_or_else(|| self.refused("open replica", id, "no such replica"))?;
                if row.state == ReplicaState::Retired {
                    return Err(self.refused("open replica", id, "it is retired"));
                }
                entry.insert(Arc::new(load::replica(core, id, &row)?)).clone()
            }
        };
        if replica.lock().retired {
            return Err(self.refused("open replica", id, "it is retired"));
        }
        Ok(ReplicaStore {
            shelf: self.clone(),
            core: core.clone(),
            replica,
        })
    }

    /// Notes for ever that this id must not run again, durable when this returns. Its rows stay. Blocks.
    ///
    /// # Errors
    /// Refused when there is no such replica; else what the engine reports.
    pub fn retire_replica(&self, id: ReplicaId) -> Result<(), ShelfError> {
        let core = self.core();
        let open = self.open_replicas();
        let row = load::row(core, id)?.ok_or_else(|| self.refused("retire replica", id, "no such replica"))?;
        if let Some(replica) = open.get(&id) {
            replica.lock().retired = true;
        }
        let key = key::replica_record(id);
        let mut batch = Batch::new();
        batch.put(
            Column::Shelf,
            key.clone(),
            record::seal_record(
                &key,
                &ReplicaRow {
                    state: ReplicaState::Retired,
                    ..row
                },
            ),
        );
        core.write_synced(&batch)
    }

    /// Deletes the log, state and blobs of a retired replica; the record that its id is used up stays. Blocks.
    ///
    /// # Errors
    /// Refused when the replica is not retired; else what the engine reports.
    pub fn remove_retired(&self, id: ReplicaId) -> Result<(), ShelfError> {
        let core = self.core();
        let mut open = self.open_replicas();
        if load::row(core, id)?.is_none_or(|row| row.state != ReplicaState::Retired) {
            return Err(self.refused("remove replica", id, "it is not retired"));
        }
        if let Some(replica) = open.remove(&id) {
            // Whatever is still queued for it is written before its rows go.
            ReplicaStore {
                shelf: self.clone(),
                core: core.clone(),
                replica,
            }
            .wait_drained()?;
        }
        let mut batch = Batch::new();
        let (from, to) = (Prefix::new(id, LASTING).start(), Prefix::new(id, u32::MAX).end());
        for column in [Column::Log, Column::Vote, Column::State, Column::Blob] {
            batch.delete_range(column, from.clone(), to.clone());
        }
        batch.delete(Column::Shelf, key::vote_copy(id));
        core.write_synced(&batch)
    }

    fn open_replicas(&self) -> MutexGuard<'_, BTreeMap<ReplicaId, Arc<Replica>>> {
        self.core().replicas.lock()
    }

    fn refused(&self, operation: &'static str, id: ReplicaId, why: &str) -> ShelfError {
        ShelfError::new(
            self.label(),
            ErrorClass::Refused,
            operation,
            format_args!("replica {}: {why}", id.0),
        )
    }
}

/// Notes an orderly stop, and lets go of the engine once the last view has.
fn release(core: &Core, engine: Arc<dyn Engine>, at_stop: Option<&AtStop>) {
    if let Some(at_stop) = at_stop {
        let noted = engine
            .sync()
            .and_then(|()| clean_stop::write(&core.label, &at_stop.dir, core.sequence()));
        if let Err(error) = noted {
            tracing::warn!(shelf = %core.label.name, %error, "an orderly stop could not be noted");
        }
    }
    drop(engine);
    while core.held.strong_count() > 0 {
        std::thread::sleep(RELEASE_POLL);
    }
}

fn new_core(
    label: ShelfLabel,
    engine: Arc<dyn Engine>,
    at_least: u64,
    simulated: bool,
) -> Result<Arc<Core>, ShelfError> {
    let sequence = load::sequence(&label, engine.as_ref())?.max(at_least);
    Ok(Core::new(label, engine, sequence, simulated))
}

fn read_row(core: &Core, key: &[u8], value: &Bytes) -> Result<ReplicaInfo, ShelfError> {
    let row: ReplicaRow = record::unseal_record(&core.label, "read replica record", key, value)?;
    let id = key::last_index(key).map(|index| ReplicaId(index.0));
    let id = id.ok_or_else(|| ShelfError::damage(&core.label, "read replica record", "key is cut short"))?;
    Ok(ReplicaInfo {
        id,
        group: row.group(),
        state: row.state,
    })
}
