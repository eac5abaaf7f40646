//! Gathering the rows of a group snapshot next to a replica's present state, and switching over to them.
//!
//! Invariants
//! - Until the switch the replica is what it was; gathered rows stand under the next generation, where nothing reads.
//! - The switch is one batch in the order of the replica's log operations: pointer, removal of the old rows, and the
//!   blobs of entries that lie past the snapshot.
//! - Gathering may go on after a restart, for the same snapshot only.

use bytes::Bytes;
use mail_model::LogIndex;

use crate::committer::Done;
use crate::encode::Op;
use crate::engine::{Batch, Column};
use crate::error::{ErrorClass, ShelfError};
use crate::key::{self, Generation, Prefix};
use crate::load;
use crate::record::{self, ReplicaRow};
use crate::replica::ReplicaStore;
use crate::state::StateView;

/// Rows gathered for an install. All calls but [`Staging::install`] block.
pub struct Staging {
    store: ReplicaStore,
    generation: Generation,
}

impl ReplicaStore {
    /// Begins to gather the snapshot named by `tag`, or goes on with it after a restart. What was gathered for another
    /// snapshot is dropped. Blocks.
    ///
    /// # Errors
    /// What the engine reports.
    pub fn stage(&self, tag: &[u8]) -> Result<Staging, ShelfError> {
        let missing = || ShelfError::damage(&self.core.label, "stage snapshot", "the replica's record is gone");
        let row = load::row(&self.core, self.id())?.ok_or_else(missing)?;
        let staging = Staging {
            store: self.clone(),
            generation: row.generation + 1,
        };
        if row.staging.as_deref() != Some(tag) {
            let mut batch = Batch::new();
            for column in [Column::State, Column::Blob, Column::Log] {
                batch.delete_range(column, staging.prefix().start(), staging.prefix().end());
            }
            let key = key::replica_record(self.id());
            let value = record::seal_record(
                &key,
                &ReplicaRow {
                    staging: Some(tag.to_vec()),
                    ..row
                },
            );
            batch.put(Column::Shelf, key, value);
            self.core.write_synced(&batch)?;
        }
        Ok(staging)
    }
}

impl Staging {
    fn prefix(&self) -> Prefix {
        Prefix::new(self.store.id(), self.generation)
    }

    /// Adds rows of state. Durable at the latest with the install.
    ///
    /// # Errors
    /// What the engine reports; the shelf has failed then.
    pub fn put_state<K: AsRef<[u8]>>(&self, rows: impl IntoIterator<Item = (K, Bytes)>) -> Result<(), ShelfError> {
        let mut batch = Batch::new();
        for (key, value) in rows {
            batch.put(Column::State, self.prefix().join(key.as_ref()), value);
        }
        self.write(&batch)
    }

    /// Adds the stored records of blobs, which the caller has checked.
    ///
    /// # Errors
    /// What the engine reports; the shelf has failed then.
    pub fn put_blobs(&self, blobs: impl IntoIterator<Item = (LogIndex, Bytes)>) -> Result<(), ShelfError> {
        let mut batch = Batch::new();
        for (index, record) in blobs {
            batch.put(Column::Blob, self.prefix().blob(index), record);
        }
        self.write(&batch)
    }

    fn write(&self, batch: &Batch) -> Result<(), ShelfError> {
        let core = &self.store.core;
        core.engine()?.write(batch).map_err(|error| core.fail(error))
    }

    /// What is gathered so far: rows, and blobs by [`StateView::blob`].
    ///
    /// # Errors
    /// When the shelf is closed or has failed.
    pub fn view(&self) -> Result<StateView, ShelfError> {
        Ok(StateView::new(self.store.core.engine()?.snapshot()?, self.prefix()))
    }

    /// Makes the gathered rows the replica's state, which then reflects the log up to `upto`. Returns at once; when
    /// `done` says `Ok` the switch is durable and new views show it.
    pub fn install(self, upto: LogIndex, done: Done) {
        let generation = self.generation;
        if self.store.replica.generation() + 1 != generation {
            let label = &self.store.core.label;
            let detail = "another snapshot was installed meanwhile";
            return done(Err(ShelfError::new(label, ErrorClass::Bug, "install snapshot", detail)));
        }
        self.store
            .queue(Op::Install { generation, upto }, Some(done), |_, _| Ok(()));
    }
}
