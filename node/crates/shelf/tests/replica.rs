//! What a replica's log, vote, state and blobs promise, on a simulated shelf where a test decides when a sync happens.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mail_model::{GroupId, LogIndex, ReplicaId};
use shelf::{
    Batch, Crash, Done, ErrorClass, KeyRange, LogEntry, MemDisk, MemFaults, ReplicaStore, Shelf, ShelfError, StateTxn,
};

type Outcome = (&'static str, Result<(), ShelfError>);

/// Collects what callbacks are told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Outcome>>>);

impl Told {
    fn done(&self, name: &'static str) -> Done {
        let told = self.0.clone();
        Box::new(move |result| told.lock().expect("not poisoned").push((name, result)))
    }

    fn names(&self) -> Vec<&'static str> {
        self.0
            .lock()
            .expect("not poisoned")
            .iter()
            .map(|(name, _)| *name)
            .collect()
    }

    fn classes(&self) -> Vec<Option<ErrorClass>> {
        let told = self.0.lock().expect("not poisoned");
        told.iter()
            .map(|(_, result)| result.as_ref().err().map(ShelfError::class))
            .collect()
    }
}

fn entry(index: u64, text: &str) -> LogEntry {
    LogEntry::new(LogIndex(index), Bytes::from(text.to_owned()), None)
}

fn with_blob(index: u64) -> LogEntry {
    LogEntry::new(LogIndex(index), Bytes::from(format!("head {index}")), Some(blob(index)))
}

fn blob(index: u64) -> Bytes {
    Bytes::from(vec![u8::try_from(index % 251).expect("small"); 1000])
}

fn open(disk: &MemDisk) -> (Shelf, ReplicaStore) {
    let shelf = Shelf::simulated(disk.open()).expect("opens");
    let id = ReplicaId(1);
    let known = shelf.replicas().expect("listed").iter().any(|replica| replica.id == id);
    let store = if known {
        shelf.replica(id)
    } else {
        shelf.create_replica(id, GroupId(9))
    };
    (shelf, store.expect("opens"))
}

fn read(store: &ReplicaStore, range: std::ops::Range<u64>) -> Vec<(u64, String)> {
    let entries = store
        .read_log(LogIndex(range.start)..LogIndex(range.end), usize::MAX, false)
        .expect("reads");
    let text = |head: &Bytes| String::from_utf8(head.to_vec()).expect("text");
    entries.iter().map(|entry| (entry.index.0, text(&entry.head))).collect()
}

fn ignore() -> Done {
    Box::new(|result| result.expect("durable"))
}

fn reopen(shelf: Shelf, store: ReplicaStore, disk: &MemDisk, crash: Crash) -> (Shelf, ReplicaStore) {
    drop((shelf, store));
    disk.crash(crash);
    open(disk)
}

#[test]
fn entries_are_readable_at_once_and_acknowledged_after_the_sync() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    let told = Told::default();
    store.append(vec![entry(0, "a"), entry(1, "b")], told.done("append"));
    assert_eq!(read(&store, 0..9), [(0, "a".to_owned()), (1, "b".to_owned())]);
    assert!(told.names().is_empty());
    shelf.pump();
    assert_eq!((told.names(), told.classes()), (vec!["append"], vec![None]));
    let (_shelf, store) = reopen(shelf, store, &disk, Crash::LoseUnsynced);
    assert_eq!(read(&store, 0..9), [(0, "a".to_owned()), (1, "b".to_owned())]);
}

#[test]
fn callbacks_come_in_the_order_of_the_calls() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    let told = Told::default();
    store.append(vec![entry(0, "a")], told.done("append"));
    store.save_vote(Bytes::from_static(b"v"), told.done("vote"));
    store.truncate_after(None, told.done("truncate"));
    store.append(vec![], told.done("nothing"));
    store.append(vec![entry(0, "b")], told.done("again"));
    shelf.pump();
    assert_eq!(told.names(), ["append", "vote", "truncate", "nothing", "again"]);
}

#[test]
fn truncated_entries_and_their_blobs_give_way_to_new_ones() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    store.append((0..5).map(with_blob).collect(), ignore());
    store.truncate_after(Some(LogIndex(2)), ignore());
    store.append(vec![entry(3, "new")], ignore());
    shelf.pump();
    let (_shelf, store) = reopen(shelf, store, &disk, Crash::LoseUnsynced);
    assert_eq!(
        store.bounds().expect("reads").last,
        Some((LogIndex(3), Bytes::from_static(b"new")))
    );
    let blobs = store.blobs(&[LogIndex(2), LogIndex(3), LogIndex(4)]).expect("reads");
    assert_eq!(blobs, [Some(blob(2)), None, None]);
    assert_eq!(read(&store, 0..9).last(), Some(&(3, "new".to_owned())));
}

#[test]
fn a_freed_blob_stays_until_the_log_is_purged_past_the_entry_that_freed_it() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    store.append((0..6).map(with_blob).collect(), ignore());
    shelf.pump();
    let view = store.state_view().expect("opens");
    let mut txn = StateTxn::new(&view, LogIndex(3));
    txn.free_blob(LogIndex(1));
    txn.set_index(LogIndex(5));
    txn.free_blob(LogIndex(2));
    store.write_state(LogIndex(5), &txn.finish().batch).expect("written");
    store.purge(LogIndex(2), Bytes::from_static(b"m2"), ignore());
    assert_eq!(store.blob(LogIndex(1)).expect("reads"), Some(blob(1)));
    store.purge(LogIndex(4), Bytes::from_static(b"m4"), ignore());
    shelf.pump();
    let (_shelf, store) = reopen(shelf, store, &disk, Crash::LoseUnsynced);
    let blobs = store
        .blobs(&[LogIndex(0), LogIndex(1), LogIndex(2), LogIndex(5)])
        .expect("reads");
    assert_eq!(blobs, [Some(blob(0)), None, Some(blob(2)), Some(blob(5))]);
    let bounds = store.bounds().expect("reads");
    assert_eq!(bounds.purged, Some((LogIndex(4), Bytes::from_static(b"m4"))));
    assert_eq!(bounds.last.map(|(last, _)| last), Some(LogIndex(5)));
    assert_eq!(read(&store, 0..9), [(5, "head 5".to_owned())]);
}

#[test]
fn purging_past_the_end_lets_the_log_go_on_from_there() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    store.append(vec![entry(0, "a")], ignore());
    store.purge(LogIndex(9), Bytes::from_static(b"m"), ignore());
    store.append(vec![entry(10, "k")], ignore());
    shelf.pump();
    let (_shelf, store) = reopen(shelf, store, &disk, Crash::LoseUnsynced);
    assert_eq!(read(&store, 0..99), [(10, "k".to_owned())]);
}

#[test]
fn the_last_vote_that_was_synced_is_found_again() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    assert_eq!(store.vote(), None);
    store.save_vote(Bytes::from_static(b"v1"), ignore());
    assert_eq!(store.vote(), Some(Bytes::from_static(b"v1")));
    shelf.pump();
    store.save_vote(Bytes::from_static(b"v2"), ignore());
    let (_shelf, store) = reopen(shelf, store, &disk, Crash::LoseUnsynced);
    assert_eq!(store.vote(), Some(Bytes::from_static(b"v1")));
}

#[test]
fn one_damaged_copy_of_a_vote_is_survived_and_two_are_not() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    store.save_vote(Bytes::from_static(b"v1"), ignore());
    shelf.pump();
    let vote_key = disk.keys(shelf::Column::Vote).remove(0);
    let copy_key = disk
        .keys(shelf::Column::Shelf)
        .into_iter()
        .find(|key| key[0] == 3)
        .expect("written");
    disk.corrupt(shelf::Column::Vote, &vote_key);
    let (shelf, store) = reopen(shelf, store, &disk, Crash::KeepAll);
    assert_eq!(store.vote(), Some(Bytes::from_static(b"v1")));
    disk.corrupt(shelf::Column::Shelf, &copy_key);
    drop((shelf, store));
    disk.crash(Crash::KeepAll);
    let shelf = Shelf::simulated(disk.open()).expect("opens");
    let error = shelf.replica(ReplicaId(1)).err().expect("the vote is gone");
    assert_eq!(error.class(), ErrorClass::Medium);
}

#[test]
fn a_damaged_entry_is_an_error_and_a_damaged_blob_is_left_out() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    store.append((0..3).map(with_blob).collect(), ignore());
    shelf.pump();
    let (shelf, store) = reopen(shelf, store, &disk, Crash::LoseUnsynced);
    let blob_key = disk.keys(shelf::Column::Blob).remove(1);
    disk.corrupt(shelf::Column::Blob, &blob_key);
    let entries = store
        .read_log(LogIndex(0)..LogIndex(3), usize::MAX, true)
        .expect("reads");
    assert_eq!((entries[1].blob.clone(), entries[1].blob_len), (None, Some(1000)));
    assert_eq!(entries[2].blob, Some(blob(2)));
    assert_eq!(
        store.blob(LogIndex(1)).expect_err("damaged").class(),
        ErrorClass::Medium
    );
    store.restore_blob(LogIndex(1), blob(1)).expect("written");
    assert_eq!(store.blob(LogIndex(1)).expect("reads"), Some(blob(1)));
    let entry_key = disk.keys(shelf::Column::Log).remove(1);
    disk.corrupt(shelf::Column::Log, &entry_key);
    let error = store
        .read_log(LogIndex(0)..LogIndex(3), usize::MAX, false)
        .expect_err("damaged");
    assert_eq!(error.class(), ErrorClass::Medium);
    drop(shelf);
}

#[test]
fn reads_are_bounded_by_bytes_and_never_empty() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    store.append((0..8).map(with_blob).collect(), ignore());
    shelf.pump();
    let (shelf, store) = reopen(shelf, store, &disk, Crash::LoseUnsynced);
    let count = |limit, blobs| {
        store
            .read_log(LogIndex(2)..LogIndex(8), limit, blobs)
            .expect("reads")
            .len()
    };
    assert_eq!((count(0, true), count(2500, true), count(2500, false)), (1, 2, 6));
    assert!(
        store.try_read_tail(LogIndex(2)..LogIndex(8), 0, false).is_none(),
        "after a restart nothing is in memory"
    );
    store.append(vec![with_blob(8)], ignore());
    assert_eq!(
        store
            .try_read_tail(LogIndex(8)..LogIndex(9), 0, true)
            .expect("in memory")
            .len(),
        1
    );
    let both = store
        .read_log(LogIndex(6)..LogIndex(99), usize::MAX, true)
        .expect("reads");
    assert_eq!(both.iter().map(|entry| entry.index.0).collect::<Vec<_>>(), [6, 7, 8]);
    assert!(both.iter().all(|entry| entry.blob == Some(blob(entry.index.0))));
    drop(shelf);
}

#[test]
fn a_failed_sync_fails_everything_that_waits_and_everything_after() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    let told = Told::default();
    disk.set_faults(MemFaults {
        fail_syncs: Some(ErrorClass::Link),
        ..MemFaults::default()
    });
    store.append(vec![entry(0, "a")], told.done("first"));
    store.append(vec![entry(1, "b")], told.done("second"));
    shelf.pump();
    disk.set_faults(MemFaults::default());
    store.append(vec![entry(2, "c")], told.done("later"));
    shelf.pump();
    assert_eq!(told.names(), ["first", "second", "later"]);
    assert_eq!(told.classes(), [Some(ErrorClass::Link); 3]);
    assert_eq!(shelf.failure().expect("failed").epoch(), store.epoch());
    assert!(store.write_state(LogIndex(0), &Batch::new()).is_err());
    assert!(store.read_log(LogIndex(0)..LogIndex(1), 0, false).is_err());
}

#[test]
fn appending_out_of_order_is_refused_and_changes_nothing() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    let told = Told::default();
    store.append(vec![entry(0, "a")], ignore());
    store.append(vec![entry(2, "c")], told.done("hole"));
    store.purge(LogIndex(0), Bytes::new(), ignore());
    store.truncate_after(None, told.done("below the marker"));
    store.append(vec![entry(1, "b")], ignore());
    shelf.pump();
    assert_eq!(told.classes(), [Some(ErrorClass::Bug); 2]);
    assert_eq!(read(&store, 0..9), [(1, "b".to_owned())]);
}

#[test]
fn a_transaction_reads_its_own_writes_over_the_view() {
    let disk = MemDisk::new("m");
    let (_shelf, store) = open(&disk);
    let view = store.state_view().expect("opens");
    let mut txn = StateTxn::new(&view, LogIndex(0));
    for key in ["b", "d", "f"] {
        txn.put(key, key.to_uppercase());
    }
    store.write_state(LogIndex(0), &txn.finish().batch).expect("written");
    let view = store.state_view().expect("opens");
    let mut txn = StateTxn::new(&view, LogIndex(1));
    txn.put("a", "1");
    txn.put("d", "2");
    txn.put("g", "3");
    txn.delete("f");
    txn.emit(7, "event");
    let rows = |range: KeyRange, reverse: bool, most: usize| {
        let mut rows = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            rows.push(format!("{}{}", key.escape_ascii(), value.escape_ascii()));
            if rows.len() < most {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        if reverse {
            txn.scan_reverse(&range, &mut visit)
        } else {
            txn.scan(&range, &mut visit)
        }
        .expect("scans");
        rows
    };
    assert_eq!(rows(KeyRange::all(), false, 9), ["a1", "bB", "d2", "g3"]);
    assert_eq!(rows(KeyRange::all(), true, 9), ["g3", "d2", "bB", "a1"]);
    assert_eq!(rows(KeyRange::new("b", "g"), false, 9), ["bB", "d2"]);
    assert_eq!(rows(KeyRange::all(), false, 1), ["a1"]);
    assert_eq!(rows(KeyRange::all(), true, 2), ["g3", "d2"]);
    assert_eq!(txn.get(b"f").expect("reads"), None);
    assert_eq!(view.get(b"f").expect("reads"), Some(Bytes::from_static(b"F")));
    let changes = txn.finish();
    assert_eq!(changes.events.len(), 1);
    store.write_state(LogIndex(1), &changes.batch).expect("written");
    let after = store.state_view().expect("opens");
    assert_eq!(
        after.multi_get(&["a", "d", "f"]).expect("reads"),
        [Some("1".into()), Some("2".into()), None]
    );
}

#[test]
fn an_install_switches_state_and_keeps_the_log_past_it() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    store.append((0..6).map(with_blob).collect(), ignore());
    let view = store.state_view().expect("opens");
    let mut txn = StateTxn::new(&view, LogIndex(1));
    txn.put("old", "1");
    txn.free_blob(LogIndex(0));
    store.write_state(LogIndex(1), &txn.finish().batch).expect("written");

    let other = store.stage(b"snapshot 1").expect("stages");
    other
        .put_state([("left over", Bytes::from_static(b"x"))])
        .expect("written");
    let staging = store.stage(b"snapshot 2").expect("stages");
    staging.put_state([("new", Bytes::from_static(b"2"))]).expect("written");
    staging.put_blobs([(LogIndex(2), blob(2))]).expect("written");
    shelf.pump();
    let (shelf, store) = reopen(shelf, store, &disk, Crash::KeepAll);
    let staging = store.stage(b"snapshot 2").expect("goes on");
    assert_eq!(
        staging.view().expect("opens").blob(LogIndex(2)).expect("reads"),
        Some(blob(2))
    );
    assert_eq!(
        store.state_view().expect("opens").get(b"old").expect("reads"),
        Some("1".into())
    );

    staging.install(LogIndex(3), ignore());
    store.append(vec![with_blob(6)], ignore());
    shelf.pump();
    let (_shelf, store) = reopen(shelf, store, &disk, Crash::LoseUnsynced);
    let view = store.state_view().expect("opens");
    let values = view.multi_get(&["old", "new", "left over"]).expect("reads");
    assert_eq!(values, [None, Some("2".into()), None]);
    let blobs = store
        .blobs(&[LogIndex(1), LogIndex(2), LogIndex(5), LogIndex(6)])
        .expect("reads");
    assert_eq!(blobs, [None, Some(blob(2)), Some(blob(5)), Some(blob(6))]);
}

#[test]
fn retired_ids_never_come_back() {
    let disk = MemDisk::new("m");
    let (shelf, store) = open(&disk);
    store.append(vec![with_blob(0)], ignore());
    shelf.pump();
    assert!(shelf.remove_retired(ReplicaId(1)).is_err(), "it is active");
    shelf.retire_replica(ReplicaId(1)).expect("retired");
    let told = Told::default();
    store.append(vec![entry(1, "b")], told.done("append"));
    assert_eq!(told.classes(), [Some(ErrorClass::Closed)]);
    let (shelf, id) = {
        drop((shelf, store));
        disk.crash(Crash::LoseUnsynced);
        (Shelf::simulated(disk.open()).expect("opens"), ReplicaId(1))
    };
    assert_eq!(
        shelf.replica(id).err().map(|error| error.class()),
        Some(ErrorClass::Refused)
    );
    assert_eq!(
        shelf.create_replica(id, GroupId(1)).err().map(|error| error.class()),
        Some(ErrorClass::Refused)
    );
    assert!(!disk.keys(shelf::Column::Log).is_empty(), "retiring deletes nothing");
    shelf.remove_retired(id).expect("removed");
    assert!(disk.keys(shelf::Column::Log).is_empty() && disk.keys(shelf::Column::Blob).is_empty());
    assert_eq!(
        shelf.create_replica(id, GroupId(1)).err().map(|error| error.class()),
        Some(ErrorClass::Refused)
    );
}
