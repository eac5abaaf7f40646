//! Random histories of a replica, as raft would make them, against a model: on every kind of shelf they read back as the
//! model says, and after a power cut the shelf is what it was after some step not before the last acknowledged one.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use mail_model::{ClusterId, GroupId, LogIndex, NodeId, ReplicaId, ShelfId};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use shelf::{
    Crash, Done, KeyRange, LogEntry, MemDisk, Opened, ReplicaStore, SharedPool, Shelf, ShelfConfig, ShelfIdentity,
    StateTxn, StateView,
};

const REPLICA: ReplicaId = ReplicaId(1);
/// Past any index that a history reaches.
const INDEXES: u64 = 200;

/// What a reader can see of a replica.
#[derive(Clone, Debug, Default, PartialEq)]
struct Image {
    purged: Option<u64>,
    entries: BTreeMap<u64, String>,
    blobs: BTreeMap<u64, Bytes>,
    vote: Option<Bytes>,
    state: BTreeMap<Vec<u8>, Bytes>,
}

impl Image {
    fn read(store: &ReplicaStore) -> Self {
        let bounds = store.bounds().expect("reads");
        let entries = store
            .read_log(LogIndex(0)..LogIndex(INDEXES), usize::MAX, false)
            .expect("reads");
        let indexes: Vec<_> = (0..INDEXES).map(LogIndex).collect();
        let blobs = store.blobs(&indexes).expect("reads");
        let mut state = BTreeMap::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            state.insert(key.to_vec(), Bytes::copy_from_slice(value));
            ControlFlow::Continue(())
        };
        store
            .state_view()
            .expect("opens")
            .scan(&KeyRange::all(), &mut visit)
            .expect("scans");
        let text = |head: &Bytes| String::from_utf8(head.to_vec()).expect("text");
        let image = Self {
            purged: bounds.purged.map(|(upto, _)| upto.0),
            entries: entries.iter().map(|entry| (entry.index.0, text(&entry.head))).collect(),
            blobs: (0..)
                .zip(blobs)
                .filter_map(|(index, blob)| Some((index, blob?)))
                .collect(),
            vote: store.vote(),
            state,
        };
        assert_eq!(bounds.last.map(|(last, _)| last.0), image.entries.keys().max().copied());
        assert!(
            image.applied() <= image.end(),
            "applied state goes beyond the log: {image:?}"
        );
        image
    }

    /// First index that was never appended.
    fn end(&self) -> u64 {
        let last = self.entries.keys().max().copied().max(self.purged);
        last.map_or(0, |last| last + 1)
    }

    /// First index that was not applied.
    fn applied(&self) -> u64 {
        let stored = self.state.get(b"applied".as_slice());
        stored.map_or(0, |bytes| {
            u64::from_be_bytes(bytes.as_ref().try_into().expect("8 bytes"))
        })
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Append this many entries.
    Append(u64),
    /// Cut off this many entries, none of them applied.
    Truncate(u64),
    /// Purge, keeping this many applied entries.
    Purge(u64),
    Vote(u8),
    Apply(u64),
    /// Install a snapshot this far past what is applied, and purge up to it.
    Install(u64),
    /// In a simulation: sync.
    Pump,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u64..5).prop_map(Step::Append),
        2 => (1_u64..4).prop_map(Step::Truncate),
        2 => (0_u64..4).prop_map(Step::Purge),
        2 => any::<u8>().prop_map(Step::Vote),
        5 => (1_u64..6).prop_map(Step::Apply),
        1 => (1_u64..6).prop_map(Step::Install),
        4 => Just(Step::Pump),
    ]
}

/// Runs a history and keeps what a reader should see after each step.
struct Driver {
    shelf: Shelf,
    store: ReplicaStore,
    image: Image,
    /// (freeing entry, blob) that no purge has passed.
    freed: Vec<(u64, u64)>,
    /// One per step that changes anything.
    images: Vec<Image>,
    /// Number of the last image known to be durable.
    acknowledged: Arc<AtomicUsize>,
    /// Makes bytes of entries that take each other's place differ.
    version: u32,
}

impl Driver {
    fn new(shelf: Shelf) -> Self {
        let store = shelf.create_replica(REPLICA, GroupId(1)).expect("created");
        let image = Image::default();
        Self {
            shelf,
            store,
            images: vec![image.clone()],
            image,
            freed: Vec::new(),
            acknowledged: Arc::default(),
            version: 0,
        }
    }

    fn done(&self) -> Done {
        let (acknowledged, image) = (self.acknowledged.clone(), self.images.len());
        Box::new(move |result| {
            result.expect("durable");
            acknowledged.fetch_max(image, Ordering::SeqCst);
        })
    }

    fn keep(&mut self) {
        self.images.push(self.image.clone());
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Append(count) => self.append(count),
            Step::Truncate(count) => self.truncate(count),
            Step::Purge(keep) => {
                let Some(upto) = self.image.applied().checked_sub(keep + 1) else {
                    return;
                };
                if self.image.purged < Some(upto) {
                    self.purge(upto);
                }
            }
            Step::Vote(vote) => {
                let vote = Bytes::from(vec![vote; 3]);
                self.store.save_vote(vote.clone(), self.done());
                self.image.vote = Some(vote);
                self.keep();
            }
            Step::Apply(count) => self.apply(count),
            Step::Install(ahead) => self.install(self.image.applied() + ahead),
            Step::Pump => {
                self.shelf.pump();
            }
        }
    }

    fn append(&mut self, count: u64) {
        let mut entries = Vec::new();
        for index in self.image.end()..self.image.end() + count {
            self.version += 1;
            let head = format!("{index} version {}", self.version);
            let blob = (index % 3 != 0).then(|| Bytes::from(format!("blob of {head}")));
            entries.push(LogEntry::new(LogIndex(index), Bytes::from(head.clone()), blob.clone()));
            self.image.entries.insert(index, head);
            self.image.blobs.extend(blob.map(|blob| (index, blob)));
        }
        self.store.append(entries, self.done());
        self.keep();
    }

    fn truncate(&mut self, count: u64) {
        let end = self.image.end();
        let floor = self
            .image
            .applied()
            .max(self.image.purged.map_or(0, |purged| purged + 1));
        let keep = end.saturating_sub(count).max(floor);
        if keep == end {
            return;
        }
        self.store
            .truncate_after(keep.checked_sub(1).map(LogIndex), self.done());
        self.image.entries.retain(|index, _| *index < keep);
        self.image.blobs.retain(|index, _| *index < keep);
        self.keep();
    }

    fn purge(&mut self, upto: u64) {
        self.store
            .purge(LogIndex(upto), Bytes::from(format!("marker {upto}")), self.done());
        self.image.purged = Some(upto);
        self.image.entries.retain(|index, _| *index > upto);
        let (gone, kept): (Vec<_>, Vec<_>) = self.freed.drain(..).partition(|(freeing, _)| *freeing <= upto);
        self.freed = kept;
        gone.iter().for_each(|(_, blob)| {
            self.image.blobs.remove(blob);
        });
        self.keep();
    }

    /// Applies the next entries: each sets a key, and every fourth gives up a blob of two entries before.
    fn apply(&mut self, count: u64) {
        let from = self.image.applied();
        let to = self.image.end().min(from + count);
        if from == to {
            return;
        }
        let before = self.image.state.clone();
        let view = self.store.state_view().expect("opens");
        check_state(&view, &before);
        let mut txn = StateTxn::new(&view, LogIndex(from));
        for index in from..to {
            txn.set_index(LogIndex(index));
            txn.put(vec![b'k', (index % 5) as u8], index.to_be_bytes().to_vec());
            if index >= 2 && index % 4 == 0 && self.image.blobs.contains_key(&(index - 2)) {
                txn.free_blob(LogIndex(index - 2));
                self.freed.push((index, index - 2));
            }
            self.image.state.insert(
                vec![b'k', (index % 5) as u8],
                Bytes::copy_from_slice(&index.to_be_bytes()),
            );
        }
        txn.put("applied", to.to_be_bytes().to_vec());
        self.image
            .state
            .insert(b"applied".to_vec(), Bytes::copy_from_slice(&to.to_be_bytes()));
        self.store
            .write_state(LogIndex(to - 1), &txn.finish().batch)
            .expect("written");
        check_state(&view, &before);
        // All that was asked for before is in memory.
        check_state(
            &self.store.memory_view().expect("nothing is written"),
            &self.image.state,
        );
        check_state(&self.store.state_view().expect("opens"), &self.image.state);
        self.keep();
    }

    fn install(&mut self, upto: u64) {
        // What is in memory of the state before the install must not be taken for the one after it.
        check_state(&self.store.state_view().expect("opens"), &self.image.state);
        if self.image.purged >= Some(upto) {
            return;
        }
        let staging = self.store.stage(format!("snapshot {upto}").as_bytes()).expect("stages");
        let blob = Bytes::from(format!("blob from snapshot {upto}"));
        let applied = Bytes::copy_from_slice(&(upto + 1).to_be_bytes());
        let state = [
            (b"applied".to_vec(), applied),
            (b"from snapshot".to_vec(), Bytes::from(upto.to_string())),
        ];
        staging.put_state(state.clone()).expect("written");
        staging.put_blobs([(LogIndex(upto), blob.clone())]).expect("written");
        // Openraft purges right behind an install, so a state ahead of the log is never left for long; here both wait
        // in one queue.
        self.image.state = state.into_iter().collect();
        self.image.blobs.retain(|index, _| *index > upto);
        self.image.blobs.insert(upto, blob);
        self.freed.clear();
        let done = self.done();
        let (sender, receiver) = mpsc::channel();
        let told = move |result: Result<(), shelf::ShelfError>| {
            sender.send(result.is_ok()).expect("test waits");
            done(result);
        };
        let first_image = self.images.len();
        if upto < self.image.end() {
            staging.install(LogIndex(upto), Box::new(told));
            self.keep();
            self.shelf.pump();
            assert!(receiver.recv().expect("told"));
            self.purge(upto);
        } else {
            // A log that ends before the snapshot: nothing of it may be seen once the state is ahead of it.
            self.store
                .purge(LogIndex(upto), Bytes::from(format!("marker {upto}")), self.done());
            staging.install(LogIndex(upto), Box::new(told));
            self.image.purged = Some(upto);
            self.image.entries.clear();
            let mut between = self.images[first_image - 1].clone();
            between.purged = Some(upto);
            between.entries.clear();
            self.images.push(between);
            self.keep();
            self.shelf.pump();
            assert!(receiver.recv().expect("told"));
        }
    }
}

fn matches_model(shelf: Shelf, history: &[Step]) -> (Shelf, ReplicaStore, Image) {
    let mut driver = Driver::new(shelf);
    for step in history {
        driver.run(step);
        // A blob that was given up may still be there until the committer has got round to it.
        let mut seen = Image::read(&driver.store);
        seen.blobs.retain(|index, _| driver.image.blobs.contains_key(index));
        assert_eq!(seen, driver.image, "after {step:?}");
    }
    let (sender, receiver) = mpsc::channel();
    driver.store.append(
        Vec::new(),
        Box::new(move |result| sender.send(result).expect("test waits")),
    );
    driver.shelf.pump();
    receiver.recv().expect("told").expect("durable");
    assert_eq!(Image::read(&driver.store), driver.image, "in the end");
    (driver.shelf, driver.store, driver.image)
}

/// Failing seeds are kept beside this file.
fn config(cases: u32) -> ProptestConfig {
    let failure_persistence = Some(Box::new(FileFailurePersistence::WithSource("regressions")) as Box<_>);
    ProptestConfig {
        cases,
        failure_persistence,
        ..ProptestConfig::default()
    }
}

const PATIENCE: Duration = Duration::from_secs(120);

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn after_a_power_cut_nothing_acknowledged_is_missing_and_nothing_is_out_of_order(
        history in proptest::collection::vec(step(), 1..40),
        seed: u64,
    ) {
        let disk = MemDisk::new("m");
        let mut driver = Driver::new(Shelf::simulated(disk.open()).expect("opens"));
        for step in &history {
            driver.run(step);
        }
        let acknowledged = driver.acknowledged.load(Ordering::SeqCst);
        let images = std::mem::take(&mut driver.images);
        drop(driver);
        disk.crash(Crash::KeepPrefix { seed });
        let shelf = Shelf::simulated(disk.open()).expect("opens");
        let recovered = Image::read(&shelf.replica(REPLICA).expect("opens"));
        prop_assert!(
            images[acknowledged..].contains(&recovered),
            "acknowledged was {acknowledged} of {}: {:#?}\nrecovered {recovered:#?}", images.len(), images[acknowledged]
        );
    }

    #[test]
    fn any_history_reads_as_the_model_in_a_simulation(history in proptest::collection::vec(step(), 1..40)) {
        let disk = MemDisk::new("m");
        let (_, _, image) = matches_model(Shelf::simulated(disk.open()).expect("opens"), &history);
        disk.crash(Crash::LoseUnsynced);
        let shelf = Shelf::simulated(disk.open()).expect("opens");
        let back = Image::read(&shelf.replica(REPLICA).expect("opens"));
        prop_assert_eq!((back.entries, back.vote, back.purged), (image.entries, image.vote, image.purged));
    }
}

proptest! {
    #![proptest_config(config(12))]

    #[test]
    fn any_history_reads_as_the_model_on_a_disk(history in proptest::collection::vec(step(), 1..40)) {
        let root = tempfile::tempdir().expect("temporary directory");
        let pool = SharedPool::new(1, 8 << 20).expect("pool");
        let identity = ShelfIdentity { cluster: ClusterId([1; 16]), node: NodeId([2; 16]), shelf: ShelfId([3; 16]) };
        let config = ShelfConfig {
            name: "disk".to_owned(),
            dir: root.path().join("shelf"),
            cluster: identity.cluster,
            node: identity.node,
            state_dir: root.path().to_path_buf(),
            siblings: Vec::new(),
            epoch: 1,
        };
        std::fs::create_dir(&config.dir).expect("made");
        shelf::init("disk", &config.dir, &identity, &pool).expect("made");
        let open = || match shelf::open(&config, &pool).expect("opens") {
            Opened::Sound(shelf, _) => shelf,
            Opened::Doubtful(doubtful) => panic!("doubtful: {:?}", doubtful.verdict()),
        };
        let (shelf, store, image) = matches_model(open(), &history);
        drop(store);
        assert!(shelf.close(PATIENCE), "released");
        let shelf = open();
        prop_assert_eq!(Image::read(&shelf.replica(REPLICA).expect("opens")), image);
    }
}

/// Asks for every key that these histories know.
fn check_state(view: &StateView, expected: &BTreeMap<Vec<u8>, Bytes>) {
    let numbered = (0..5).map(|number| vec![b'k', number]);
    for key in numbered.chain([b"applied".to_vec(), b"from snapshot".to_vec()]) {
        let found = view.get(&key).expect("reads");
        assert_eq!(found.as_ref(), expected.get(&key), "{}", key.escape_ascii());
    }
}
