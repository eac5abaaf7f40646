//! openraft's own suite for log stores and state machines, over both kinds of shelf.
//!
//! The suite appends to empty logs at index 1 or 2 and reads them from 0 on. Every log of ours begins at 0, with the
//! entry that gives the group its members, or after what was purged; to us a first entry that is missing is damage.
//! [`FromZero`] keeps that rule and lets the suite run: what the suite left out at the beginning of a log is filled with
//! blank entries, as if a leader had written them before.

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use futures::Stream;
use mail_model::{ClusterId, GroupId, LogIndex, NodeId, ReplicaId, ShelfId};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{EntryPayload, OptionalSend, StorageError};
use shelf::{MemDisk, Opened, SharedPool, Shelf, ShelfConfig, ShelfError, ShelfIdentity, StateTxn, StateView};

use crate::api::{AppliedAt, BoxFuture, StateMachine};
use crate::feed::FeedHub;
use crate::log_store::{BlobSource, LogStore};
use crate::machine::Machine;
use crate::types::{Entry, LeaderId, LogId, TokioTypes, Vote};

/// Commands without effect; the suite has none.
struct Nothing;

impl StateMachine for Nothing {
    fn grows(&self, _: &[u8]) -> bool {
        true
    }

    fn apply(&self, _: &mut StateTxn<'_>, _: &AppliedAt, _: &[u8]) -> Result<Vec<u8>, ShelfError> {
        Ok(Vec::new())
    }

    fn query(&self, _: &StateView, _: &[u8]) -> Result<Vec<u8>, ShelfError> {
        Ok(Vec::new())
    }

    fn live_blobs(&self, _: &StateView, _: LogIndex, _: usize) -> Result<Vec<LogIndex>, ShelfError> {
        Ok(Vec::new())
    }
}

/// No other replica has anything.
struct NoPeers;

impl BlobSource for NoPeers {
    fn fetch(&self, _: LogIndex) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async { None })
    }
}

/// See the module.
#[derive(Clone)]
struct FromZero(LogStore);

impl FromZero {
    /// Blank entries up to the first of `entries`, if the log has nothing yet.
    async fn beginning(&mut self, entries: &[Entry]) -> Result<Vec<Entry>, io::Error> {
        let state = RaftLogStorage::<TokioTypes>::get_log_state(&mut self.0).await?;
        let first = entries.first().map_or(0, |entry| entry.log_id.index);
        if state.last_log_id.is_some() {
            return Ok(Vec::new());
        }
        let blank = |index| Entry {
            log_id: LogId {
                leader_id: LeaderId {
                    term: 0,
                    node_id: ReplicaId(0),
                },
                index,
            },
            payload: EntryPayload::Blank,
        };
        Ok((0..first).map(blank).collect())
    }
}

impl RaftLogReader<TokioTypes> for FromZero {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        RaftLogReader::<TokioTypes>::try_get_log_entries(&mut self.0, range).await
    }

    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        RaftLogReader::<TokioTypes>::entries_stream(&mut self.0, range).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        RaftLogReader::<TokioTypes>::read_vote(&mut self.0).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        RaftLogReader::<TokioTypes>::limited_get_log_entries(&mut self.0, start, end).await
    }
}

impl RaftLogStorage<TokioTypes> for FromZero {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TokioTypes>, io::Error> {
        self.0.get_log_state().await
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        RaftLogStorage::<TokioTypes>::save_vote(&mut self.0, vote).await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TokioTypes>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let given: Vec<_> = entries.into_iter().collect();
        let mut all = self.beginning(&given).await?;
        all.extend(given);
        self.0.append(all, callback).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        RaftLogStorage::<TokioTypes>::truncate_after(&mut self.0, last).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        RaftLogStorage::<TokioTypes>::purge(&mut self.0, upto).await
    }
}

fn stores(shelf: &Shelf) -> (FromZero, Machine) {
    let store = shelf.create_replica(ReplicaId(1), GroupId(1)).expect("creates");
    let feeds = Arc::new(FeedHub::default());
    let machine = Machine::open(store.clone(), Arc::new(Nothing), feeds).expect("opens");
    let log = LogStore::new(store, Arc::new(NoPeers), Arc::new(AtomicU64::new(0)));
    (FromZero(log), machine)
}

/// Shelves in memory.
struct InMemory;

impl StoreBuilder<TokioTypes, FromZero, Machine, Shelf> for InMemory {
    async fn build(&self) -> Result<(Shelf, FromZero, Machine), StorageError<TokioTypes>> {
        let engine = MemDisk::new("m").open();
        let shelf = Shelf::start(engine.label().clone(), Arc::new(engine)).expect("starts");
        let (log, machine) = stores(&shelf);
        Ok((shelf, log, machine))
    }
}

/// Shelves in RocksDB, each in a directory of its own.
struct OnDisk {
    pool: SharedPool,
}

const IDENTITY: ShelfIdentity = ShelfIdentity {
    cluster: ClusterId([1; 16]),
    node: NodeId([2; 16]),
    shelf: ShelfId([3; 16]),
};

fn shelf_in(root: &Path, pool: &SharedPool) -> Shelf {
    let (dir, state_dir) = (root.join("shelf"), root.join("state"));
    for made in [&dir, &state_dir] {
        std::fs::create_dir(made).expect("makes");
    }
    shelf::init("r", &dir, &IDENTITY, pool).expect("makes");
    let config = ShelfConfig {
        name: "r".to_owned(),
        dir,
        cluster: IDENTITY.cluster,
        node: IDENTITY.node,
        state_dir,
        siblings: Vec::new(),
        epoch: 1,
    };
    match shelf::open(&config, pool).expect("opens") {
        Opened::Sound(shelf, _) => shelf,
        Opened::Doubtful(doubtful) => panic!("a new shelf lost something: {:?}", doubtful.verdict()),
    }
}

impl StoreBuilder<TokioTypes, FromZero, Machine, (Shelf, tempfile::TempDir)> for OnDisk {
    async fn build(&self) -> Result<((Shelf, tempfile::TempDir), FromZero, Machine), StorageError<TokioTypes>> {
        let root = tempfile::tempdir().expect("a directory");
        let shelf = shelf_in(root.path(), &self.pool);
        let (log, machine) = stores(&shelf);
        Ok(((shelf, root), log, machine))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_suite_holds_on_a_shelf_in_memory() {
    Suite::test_all(InMemory).await.expect("conforms");
}

#[tokio::test(flavor = "multi_thread")]
async fn openrafts_suite_holds_on_a_shelf_in_rocksdb() {
    let pool = SharedPool::new(1, 8 << 20).expect("makes");
    Suite::test_all(OnDisk { pool }).await.expect("conforms");
}
