//! Making, opening and closing real shelves: what is refused, and what is believed after a stop.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use mail_model::{ClusterId, GroupId, LogIndex, NodeId, ReplicaId, ShelfId};
use shelf::{
    ErrorClass, LogEntry, Opened, ReplicaStore, RestartVerdict, SharedPool, Shelf, ShelfConfig, ShelfError,
    ShelfIdentity,
};

const IDENTITY: ShelfIdentity = ShelfIdentity {
    cluster: ClusterId([1; 16]),
    node: NodeId([2; 16]),
    shelf: ShelfId([3; 16]),
};
const REPLICA: ReplicaId = ReplicaId(5);
/// Long enough for any machine; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A shelf directory and the state directory of its node.
struct Rig {
    root: tempfile::TempDir,
    pool: SharedPool,
}

impl Rig {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("temporary directory");
        for name in ["shelf", "state"] {
            fs::create_dir(root.path().join(name)).expect("made");
        }
        Self {
            root,
            pool: SharedPool::new(1, 8 << 20).expect("pool"),
        }
    }

    fn made() -> Self {
        let rig = Self::new();
        shelf::init("sun0", &rig.path("shelf"), &IDENTITY, &rig.pool).expect("made");
        rig
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }

    fn config(&self) -> ShelfConfig {
        ShelfConfig {
            name: "sun0".to_owned(),
            dir: self.path("shelf"),
            cluster: IDENTITY.cluster,
            node: IDENTITY.node,
            state_dir: self.path("state"),
            siblings: Vec::new(),
            epoch: 1,
        }
    }

    fn open(&self) -> Opened {
        shelf::open(&self.config(), &self.pool).expect("opens")
    }

    fn sound(&self) -> (Shelf, RestartVerdict) {
        match self.open() {
            Opened::Sound(shelf, verdict) => (shelf, verdict),
            Opened::Doubtful(doubtful) => panic!("doubtful: {:?}", doubtful.verdict()),
        }
    }

    fn refusal(&self, config: &ShelfConfig) -> String {
        let error = shelf::open(config, &self.pool).err().expect("refused");
        assert_eq!(error.class(), ErrorClass::Refused, "{error}");
        error.to_string()
    }
}

fn append(store: &ReplicaStore, indexes: std::ops::Range<u64>) -> Result<(), ShelfError> {
    let (sender, receiver) = mpsc::channel();
    let entry = |index: u64| {
        LogEntry::new(
            LogIndex(index),
            Bytes::from(format!("entry {index}")),
            Some(vec![1; 500].into()),
        )
    };
    store.append(
        indexes.map(entry).collect(),
        Box::new(move |result| sender.send(result).expect("test waits")),
    );
    receiver.recv().expect("called")
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).expect("made");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("listed");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

#[test]
fn only_the_right_directory_on_the_right_node_is_opened() {
    let rig = Rig::new();
    assert!(rig.refusal(&rig.config()).contains("is empty: is its disk mounted?"));
    assert_eq!(
        fs::read_dir(rig.path("shelf")).expect("lists").count(),
        0,
        "nothing was written into it"
    );
    assert!(
        shelf::open(
            &ShelfConfig {
                dir: rig.path("gone"),
                ..rig.config()
            },
            &rig.pool
        )
        .is_err()
    );

    shelf::init("sun0", &rig.path("shelf"), &IDENTITY, &rig.pool).expect("made");
    assert_eq!(
        shelf::read_identity(&shelf::ShelfLabel::new("sun0", 0), &rig.path("shelf")).expect("reads"),
        IDENTITY
    );
    let other = ShelfConfig {
        node: NodeId([9; 16]),
        ..rig.config()
    };
    assert!(rig.refusal(&other).contains("belongs to another node"));
    let other = ShelfConfig {
        cluster: ClusterId([9; 16]),
        ..rig.config()
    };
    assert!(rig.refusal(&other).contains("belongs to another cluster"));
    let again = shelf::init("sun0", &rig.path("shelf"), &IDENTITY, &rig.pool).expect_err("a shelf already");
    assert_eq!(again.class(), ErrorClass::Refused);
    let (shelf, verdict) = rig.sound();
    assert_eq!(verdict, RestartVerdict::CleanStop);
    assert!(rig.refusal(&rig.config()).contains("lock"), "one process at a time");
    drop(shelf);
}

#[test]
fn an_init_that_did_not_finish_can_be_started_over_and_others_files_are_safe() {
    let rig = Rig::new();
    fs::write(rig.path("shelf").join("holdfast-shelf.new"), b"").expect("written");
    fs::create_dir(rig.path("shelf").join("db")).expect("made");
    fs::write(rig.path("shelf").join("db").join("half"), b"").expect("written");
    shelf::init("sun0", &rig.path("shelf"), &IDENTITY, &rig.pool).expect("made");
    drop(rig.sound());

    let rig = Rig::new();
    fs::write(rig.path("shelf").join("thesis.txt"), b"mine").expect("written");
    let error = shelf::init("sun0", &rig.path("shelf"), &IDENTITY, &rig.pool).expect_err("not empty");
    assert!(error.to_string().contains("thesis.txt"), "{error}");
    assert_eq!(fs::read_dir(rig.path("shelf")).expect("lists").count(), 1);
}

#[test]
fn a_damaged_identity_is_damage_and_not_a_new_shelf() {
    let rig = Rig::made();
    let file = rig.path("shelf").join("holdfast-shelf");
    let mut bytes = fs::read(&file).expect("reads");
    *bytes.last_mut().expect("not empty") ^= 1;
    fs::write(&file, bytes).expect("written");
    assert_eq!(
        shelf::open(&rig.config(), &rig.pool).err().expect("damaged").class(),
        ErrorClass::Medium
    );
}

#[test]
fn an_orderly_stop_is_believed_and_a_sudden_one_is_checked_against_the_mark() {
    let rig = Rig::made();
    let (shelf, _) = rig.sound();
    let store = shelf.create_replica(REPLICA, GroupId(1)).expect("created");
    append(&store, 0..3).expect("durable");
    drop(store);
    assert!(shelf.close(PATIENCE), "released");

    let (shelf, verdict) = rig.sound();
    assert_eq!(verdict, RestartVerdict::CleanStop);
    let store = shelf.replica(REPLICA).expect("opens");
    append(&store, 3..5).expect("durable");
    let at_stop = shelf.high_water();
    while fs::metadata(rig.path("state").join("marks")).is_err() {
        std::thread::yield_now();
    }
    // Dropped without an orderly stop. The lock goes with the last handle, on the committer's thread.
    drop((shelf, store));
    let verdict = loop {
        match shelf::open(&rig.config(), &rig.pool) {
            Ok(Opened::Sound(_, verdict)) => break verdict,
            Ok(Opened::Doubtful(doubtful)) => panic!("doubtful: {:?}", doubtful.verdict()),
            Err(error) => assert_eq!(error.class(), ErrorClass::Refused, "{error}"),
        }
    };
    assert!(
        matches!(verdict, RestartVerdict::Intact { recovered, .. } if recovered == at_stop),
        "{verdict:?}"
    );
}

/// Lets a shelf acknowledge entries 0..10, and puts back the database as it was after 0..5.
fn rolled_back() -> Rig {
    let rig = Rig::made();
    let (shelf, _) = rig.sound();
    let store = shelf.create_replica(REPLICA, GroupId(1)).expect("created");
    append(&store, 0..5).expect("durable");
    drop(store);
    assert!(shelf.close(PATIENCE));
    copy_dir(&rig.path("shelf/db"), &rig.path("old"));

    let (shelf, _) = rig.sound();
    let store = shelf.replica(REPLICA).expect("opens");
    append(&store, 5..10).expect("durable");
    drop(store);
    // The mark is carried once a second; a stop in order writes the number too.
    let marks = rig.path("state/marks");
    let carried = |wanted: u64| {
        let Ok(files) = fs::read_dir(&marks) else { return false };
        files.flatten().any(|file| {
            let bytes = fs::read(file.path()).unwrap_or_default();
            // The batch number in each of the two slots, see docs/on-disk-format.md.
            [25, 4096 + 25]
                .iter()
                .any(|at| bytes.get(*at..at + 8) == Some(wanted.to_le_bytes().as_slice()))
        })
    };
    while !carried(shelf.high_water()) {
        std::thread::yield_now();
    }
    assert!(shelf.close(PATIENCE));
    fs::remove_dir_all(rig.path("shelf/db")).expect("removed");
    fs::rename(rig.path("old"), rig.path("shelf/db")).expect("renamed");
    rig
}

#[test]
fn a_shelf_that_lost_what_it_acknowledged_runs_none_of_its_old_replicas() {
    let rig = rolled_back();
    let Opened::Doubtful(doubtful) = rig.open() else {
        panic!("it forgot five entries")
    };
    assert!(matches!(doubtful.verdict(), RestartVerdict::LostAcknowledged { mark, recovered } if mark > recovered));
    // Stopped before anybody decided: the doubt stays.
    drop(doubtful);
    let doubtful = loop {
        match shelf::open(&rig.config(), &rig.pool) {
            Ok(Opened::Doubtful(doubtful)) => break doubtful,
            Ok(Opened::Sound(..)) => panic!("the doubt is forgotten"),
            Err(error) => assert_eq!(error.class(), ErrorClass::Refused, "{error}"),
        }
    };
    let (shelf, retired) = doubtful.retire_all().expect("retired");
    assert_eq!(retired, [REPLICA]);
    assert_eq!(
        shelf.replica(REPLICA).err().map(|error| error.class()),
        Some(ErrorClass::Refused)
    );
    let store = shelf.create_replica(ReplicaId(6), GroupId(1)).expect("a new id");
    append(&store, 0..2).expect("durable");
    drop(store);
    assert!(shelf.close(PATIENCE));
    let (shelf, _) = rig.sound();
    assert!(shelf.replica(REPLICA).is_err() && shelf.replica(ReplicaId(6)).is_ok());
}

#[test]
fn without_any_mark_a_sudden_stop_is_not_believed() {
    let rig = Rig::made();
    let (shelf, _) = rig.sound();
    let store = shelf.create_replica(REPLICA, GroupId(1)).expect("created");
    append(&store, 0..5).expect("durable");
    drop(store);
    assert!(shelf.close(PATIENCE));
    fs::remove_file(rig.path("shelf/clean-stop")).expect("removed");
    fs::remove_dir_all(rig.path("state")).expect("removed");
    fs::create_dir(rig.path("state")).expect("made");
    let Opened::Doubtful(doubtful) = rig.open() else {
        panic!("nothing proves what it acknowledged")
    };
    assert!(matches!(doubtful.verdict(), RestartVerdict::NoMark { .. }));
}

#[test]
fn closing_waits_for_views_and_says_when_they_are_still_held() {
    let rig = Rig::made();
    let (shelf, _) = rig.sound();
    let store = shelf.create_replica(REPLICA, GroupId(1)).expect("created");
    let view = store.state_view().expect("opens");
    assert!(!shelf.close(Duration::from_millis(50)), "a view holds the database");
    assert!(append(&store, 0..1).is_err_and(|error| error.class() == ErrorClass::Closed));
    drop(view);
    while shelf::open(&rig.config(), &rig.pool).is_err() {
        std::thread::yield_now();
    }
}
