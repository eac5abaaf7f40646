//! The committer and the I/O threads on an engine that a test can hold up, count and watch.

use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use mail_model::{GroupId, LogIndex, ReplicaId};
use shelf::{
    Batch, BatchOp, Column, Done, Engine, EngineSnapshot, ErrorClass, LogEntry, MemDisk, MemEngine, ReplicaStore,
    Shelf, ShelfError, ShelfLabel, StateTxn,
};

#[derive(Default)]
struct Seen {
    writes_held: bool,
    syncs_held: bool,
    /// Columns that each batch put something into.
    written: Vec<Vec<Column>>,
    syncs: usize,
    /// Calls that stand at a closed gate.
    standing: usize,
}

/// Gates in front of a memory engine.
struct Gated {
    inner: MemEngine,
    seen: Mutex<Seen>,
    changed: Condvar,
}

impl Gated {
    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().expect("not poisoned"));
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(&Seen) -> bool) {
        let seen = self.seen.lock().expect("not poisoned");
        drop(
            self.changed
                .wait_while(seen, |seen| !until(seen))
                .expect("not poisoned"),
        );
    }

    fn pass(&self, held: impl Fn(&Seen) -> bool) {
        self.change(|seen| seen.standing += 1);
        self.wait(|seen| !held(seen));
        self.change(|seen| seen.standing -= 1);
    }
}

impl Engine for Gated {
    fn write(&self, batch: &Batch) -> Result<(), ShelfError> {
        self.pass(|seen| seen.writes_held);
        let columns = batch.ops().iter().filter_map(|op| match op {
            BatchOp::Put { column, .. } => Some(*column),
            _ => None,
        });
        self.change(|seen| seen.written.push(columns.collect()));
        self.inner.write(batch)
    }

    fn sync(&self) -> Result<(), ShelfError> {
        self.pass(|seen| seen.syncs_held);
        self.change(|seen| seen.syncs += 1);
        self.inner.sync()
    }

    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Bytes>, ShelfError> {
        self.inner.get(column, key)
    }

    fn multi_get(&self, column: Column, keys: &[Vec<u8>]) -> Result<Vec<Option<Bytes>>, ShelfError> {
        self.inner.multi_get(column, keys)
    }

    fn snapshot(&self) -> Result<Arc<dyn EngineSnapshot>, ShelfError> {
        self.inner.snapshot()
    }
}

fn rig() -> (Arc<Gated>, Shelf, ReplicaStore) {
    let inner = MemDisk::new("gated").open();
    let gated = Arc::new(Gated {
        inner,
        seen: Mutex::default(),
        changed: Condvar::new(),
    });
    let shelf = Shelf::start(ShelfLabel::new("gated", 1), gated.clone()).expect("starts");
    let store = shelf.create_replica(ReplicaId(1), GroupId(1)).expect("created");
    gated.change(|seen| *seen = Seen::default());
    (gated, shelf, store)
}

fn entry(index: u64) -> LogEntry {
    LogEntry::new(LogIndex(index), Bytes::from_static(b"head"), None)
}

type Told = mpsc::Receiver<(&'static str, Result<(), ShelfError>)>;

/// Callbacks that report their name.
fn callbacks() -> (impl Fn(&'static str) -> Done, Told) {
    let (sender, receiver) = mpsc::channel();
    let done = move |name| -> Done {
        let sender = sender.clone();
        Box::new(move |result| {
            // A test may have seen enough.
            let _ = sender.send((name, result));
        })
    };
    (done, receiver)
}

#[test]
fn what_is_queued_during_one_sync_shares_the_next() {
    let (gated, shelf, store) = rig();
    let (done, told) = callbacks();
    gated.change(|seen| seen.syncs_held = true);
    store.append(vec![entry(0)], done("first"));
    gated.wait(|seen| seen.standing == 1);
    for index in 1..50 {
        store.append(vec![entry(index)], done("later"));
    }
    assert!(told.try_recv().is_err(), "nothing is durable yet");
    gated.change(|seen| seen.syncs_held = false);
    assert!((0..50).all(|_| told.recv().expect("told").1.is_ok()));
    gated.wait(|seen| seen.syncs == 2);
    assert_eq!(shelf.high_water(), 2);
}

#[test]
fn a_vote_goes_before_the_bulk_of_other_replicas() {
    let (gated, shelf, store) = rig();
    let other = shelf.create_replica(ReplicaId(2), GroupId(2)).expect("created");
    let (done, told) = callbacks();
    gated.change(|seen| seen.syncs_held = true);
    store.append(vec![entry(0)], done("first"));
    gated.wait(|seen| seen.standing == 1);
    let bulk = |index| LogEntry::new(LogIndex(index), Bytes::new(), Some(Bytes::from(vec![0; 1 << 20])));
    for index in 1..9 {
        store.append(vec![bulk(index)], done("bulk"));
    }
    other.save_vote(Bytes::from_static(b"vote"), done("vote"));
    gated.change(|seen| seen.syncs_held = false);
    assert_eq!(told.recv().expect("told").0, "first");
    assert_eq!(told.recv().expect("told").0, "vote");
}

#[test]
fn applied_state_is_never_written_before_its_log_entries() {
    let (gated, shelf, store) = rig();
    let (done, told) = callbacks();
    gated.change(|seen| seen.writes_held = true);
    let view = store.state_view().expect("opens");
    let mut txn = StateTxn::new(&view, LogIndex(0));
    txn.put("key", "value");
    let batch = txn.finish().batch;
    store.append(vec![entry(0)], done("append"));
    let of_thread = store.clone();
    let (started, waits) = mpsc::channel();
    let writer = std::thread::spawn(move || {
        started.send(()).expect("test waits");
        of_thread.write_state(LogIndex(0), &batch)
    });
    waits.recv().expect("started");
    gated.wait(|seen| seen.standing == 1);
    gated.change(|seen| seen.writes_held = false);
    writer.join().expect("no panic").expect("written");
    told.recv().expect("told").1.expect("durable");
    let written = gated.seen.lock().expect("not poisoned").written.clone();
    assert_eq!(written, [vec![Column::Log, Column::Shelf], vec![Column::State]]);
    drop(shelf);
}

#[test]
fn a_shelf_that_hangs_lets_go_of_everybody_when_it_is_failed() {
    let (gated, shelf, store) = rig();
    let (done, told) = callbacks();
    gated.change(|seen| seen.syncs_held = true);
    store.append(vec![entry(0)], done("in the disk"));
    gated.wait(|seen| seen.standing == 1);
    store.append(vec![entry(1)], done("queued"));
    let hangs = gated.clone();
    let read = shelf.run_io(move || hangs.sync());
    gated.wait(|seen| seen.standing == 2);
    assert_eq!(shelf.oldest_in_flight().map(|call| call.operation), Some("sync log"));

    shelf.fail(ErrorClass::Stalled, "a sync takes longer than 10 s");
    let (name, result) = told.recv().expect("told");
    assert_eq!(
        (name, result.expect_err("failed").class()),
        ("queued", ErrorClass::Stalled)
    );
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    assert_eq!(runtime.block_on(read).expect_err("failed").class(), ErrorClass::Stalled);
    assert_eq!(runtime.block_on(shelf.failed()).class(), ErrorClass::Stalled);
    assert!(!shelf.close(Duration::from_millis(20)), "its threads still hang");

    // The disk answers after all: the one that hung in it is told what really happened to it, once.
    gated.change(|seen| seen.syncs_held = false);
    assert_eq!(told.recv().expect("told").0, "in the disk");
    store.append(vec![entry(2)], done("later"));
    assert_eq!(
        told.recv().expect("told").1.expect_err("failed").class(),
        ErrorClass::Stalled
    );
}

#[test]
fn calls_run_on_threads_and_a_panic_ends_one_call_alone() {
    let (_gated, shelf, _store) = rig();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let here = std::thread::current().id();
    let there = runtime
        .block_on(shelf.run_io(|| Ok(std::thread::current().id())))
        .expect("runs");
    assert_ne!(here, there);
    let panicked: Result<(), _> = runtime.block_on(shelf.run_io(|| panic!("injected")));
    assert_eq!(panicked.expect_err("no answer").class(), ErrorClass::Bug);
    assert_eq!(runtime.block_on(shelf.run_io(|| Ok(5))).expect("runs"), 5);
}

#[test]
fn closing_commits_what_is_queued_first() {
    let (gated, shelf, store) = rig();
    let (done, told) = callbacks();
    for index in 0..100 {
        store.append(vec![entry(index)], done("queued"));
    }
    drop(gated);
    assert!(
        shelf.close(Duration::from_secs(120)),
        "nobody holds the engine any more"
    );
    assert!((0..100).all(|_| told.recv().expect("told").1.is_ok()));
    store.append(vec![entry(100)], done("late"));
    assert_eq!(
        told.recv().expect("told").1.expect_err("closed").class(),
        ErrorClass::Closed
    );
}
