//! A process that writes to a real shelf is killed with SIGKILL at random points, again and again. Whatever it had been
//! told is durable must be there, in order, with its bytes, and applied state must not be ahead of the log.
//!
//! This program is both the writer (when the environment names a directory) and the one that kills it, hence no test
//! harness. The seed of a run is printed; `SHELF_KILL_SEED` repeats one.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mail_model::{ClusterId, GroupId, LogIndex, NodeId, ReplicaId, ShelfId};
use shelf::{LogEntry, Opened, ReplicaStore, SharedPool, Shelf, ShelfConfig, ShelfIdentity, StateTxn};

const ROUNDS: u64 = 12;
const REPLICAS: u64 = 3;
const DIR: &str = "SHELF_KILL_DIR";
const SEED: &str = "SHELF_KILL_SEED";
const IDENTITY: ShelfIdentity = ShelfIdentity {
    cluster: ClusterId([1; 16]),
    node: NodeId([2; 16]),
    shelf: ShelfId([3; 16]),
};

fn main() {
    match std::env::var_os(DIR) {
        Some(dir) => write_for_ever(&PathBuf::from(dir)),
        None => kill_again_and_again(),
    }
}

fn pool() -> SharedPool {
    SharedPool::new(1, 8 << 20).expect("pool")
}

fn open(root: &Path, pool: &SharedPool) -> Shelf {
    let config = ShelfConfig {
        name: "kill".to_owned(),
        dir: root.join("shelf"),
        cluster: IDENTITY.cluster,
        node: IDENTITY.node,
        state_dir: root.join("state"),
        siblings: Vec::new(),
        epoch: 1,
    };
    match shelf::open(&config, pool).expect("opens") {
        Opened::Sound(shelf, _) => shelf,
        Opened::Doubtful(doubtful) => panic!("SIGKILL loses nothing, yet {:?}", doubtful.verdict()),
    }
}

/// Entry `index` of a replica says what it must say.
fn entry(replica: u64, index: u64) -> LogEntry {
    let blob = (index % 2 == 1).then(|| {
        let len = usize::try_from(index * 7919 % 60_000).expect("small");
        Bytes::from(vec![u8::try_from((replica + index) % 251).expect("small"); len])
    });
    LogEntry::new(
        LogIndex(index),
        Bytes::from(format!("entry {index} of {replica}")),
        blob,
    )
}

fn number(store: &ReplicaStore, key: &str) -> u64 {
    let value = store.state_view().expect("opens").get(key.as_bytes()).expect("reads");
    value.map_or(0, |value| {
        u64::from_be_bytes(value.as_ref().try_into().expect("8 bytes"))
    })
}

fn end(store: &ReplicaStore) -> u64 {
    let bounds = store.bounds().expect("reads");
    let last = bounds
        .last
        .map(|(last, _)| last)
        .max(bounds.purged.map(|(upto, _)| upto));
    last.map_or(0, |last| last.0 + 1)
}

/// The writer: appends, votes, applies and purges as fast as it can, and says on standard output what is durable.
fn write_for_ever(root: &Path) {
    let shelf = open(root, &pool());
    let threads: Vec<_> = (1..=REPLICAS)
        .map(|id| {
            let store = shelf.replica(ReplicaId(id)).expect("opens");
            std::thread::spawn(move || write_replica(&store, id))
        })
        .collect();
    println!("ready");
    threads
        .into_iter()
        .for_each(|thread| thread.join().expect("runs until it is killed"));
}

fn write_replica(store: &ReplicaStore, id: u64) {
    let mut next = end(store);
    loop {
        let (sender, receiver) = std::sync::mpsc::channel();
        let upto = next + 1 + next % 7;
        store.append(
            (next..upto).map(|index| entry(id, index)).collect(),
            tell(id, "log", upto, sender.clone()),
        );
        if next.is_multiple_of(5) {
            store.save_vote(
                Bytes::copy_from_slice(&next.to_be_bytes()),
                tell(id, "vote", next, sender.clone()),
            );
        }
        let view = store.state_view().expect("opens");
        let mut txn = StateTxn::new(&view, LogIndex(upto - 1));
        txn.put("applied", upto.to_be_bytes().to_vec());
        store
            .write_state(LogIndex(upto - 1), &txn.finish().batch)
            .expect("written");
        if next.is_multiple_of(11) && next > 60 {
            let marker = Bytes::copy_from_slice(&next.to_be_bytes());
            store.purge(
                LogIndex(next - 50),
                marker,
                tell(id, "purge", next - 50, sender.clone()),
            );
        }
        drop(sender);
        while receiver.recv().is_ok() {}
        next = upto;
    }
}

fn tell(id: u64, what: &'static str, value: u64, finished: std::sync::mpsc::Sender<()>) -> shelf::Done {
    Box::new(move |result| {
        result.expect("durable");
        // One write, so that a line is there whole or not at all.
        std::io::stdout()
            .lock()
            .write_all(format!("{what} {id} {value}\n").as_bytes())
            .expect("parent reads");
        finished.send(()).expect("writer waits");
    })
}

/// What the writer was told.
#[derive(Clone, Copy, Debug, Default)]
struct Durable {
    log: u64,
    vote: u64,
    purge: u64,
}

fn kill_again_and_again() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_nanos();
    let seed = std::env::var(SEED).map_or(u64::try_from(now % 1_000_000).expect("small"), |seed| {
        seed.parse().expect("a number")
    });
    println!("{ROUNDS} rounds of SIGKILL, {SEED}={seed}");
    let root = tempfile::tempdir().expect("temporary directory");
    for name in ["shelf", "state"] {
        std::fs::create_dir(root.path().join(name)).expect("made");
    }
    shelf::init("kill", &root.path().join("shelf"), &IDENTITY, &pool()).expect("made");
    let shelf = open(root.path(), &pool());
    for id in 1..=REPLICAS {
        shelf.create_replica(ReplicaId(id), GroupId(1)).expect("created");
    }
    assert!(shelf.close(std::time::Duration::from_secs(120)));
    let mut durable = [Durable::default(); REPLICAS as usize];
    let mut random = seed;
    for round in 0..ROUNDS {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        kill_after(root.path(), 1 + (random >> 33) % 400, &mut durable);
        check(root.path(), &durable);
        println!("round {round}: {durable:?}");
    }
    assert!(
        durable.iter().all(|one| one.log > ROUNDS),
        "every replica got somewhere"
    );
}

/// Runs the writer until it has reported `lines` times, kills it, and notes all that it had been told by then.
fn kill_after(root: &Path, lines: u64, durable: &mut [Durable]) {
    let program = std::env::current_exe().expect("known");
    let mut child = Command::new(program)
        .env(DIR, root)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut seen = 0;
    for line in output.lines() {
        let line = line.expect("text");
        let words: Vec<_> = line.split(' ').collect();
        if let [what, id, value] = words[..] {
            let one = &mut durable[id.parse::<usize>().expect("a number") - 1];
            let value = value.parse().expect("a number");
            match what {
                "log" => one.log = value,
                "vote" => one.vote = value,
                _ => one.purge = value,
            }
        }
        seen += 1;
        if seen == lines {
            child.kill().expect("killed");
        }
    }
    let status = child.wait().expect("ended");
    assert!(status.code().is_none(), "it ended by itself: {status}");
}

fn check(root: &Path, durable: &[Durable]) {
    let shelf = open(root, &pool());
    for (id, durable) in (1..).zip(durable) {
        let store = shelf.replica(ReplicaId(id)).expect("opens");
        let end = end(&store);
        assert!(
            end >= durable.log,
            "replica {id}: the log ends at {end}, {} was durable",
            durable.log
        );
        let applied = number(&store, "applied");
        assert!(
            applied <= end,
            "replica {id}: applied {applied} is ahead of the log's end {end}"
        );
        let vote = store
            .vote()
            .map_or(0, |vote| u64::from_be_bytes(vote.as_ref().try_into().expect("8 bytes")));
        assert!(
            vote >= durable.vote,
            "replica {id}: vote {vote}, {} was durable",
            durable.vote
        );
        let purged = store.bounds().expect("reads").purged.map_or(0, |(upto, _)| upto.0);
        assert!(
            purged >= durable.purge,
            "replica {id}: purged {purged}, {} was durable",
            durable.purge
        );
        let mut next = if purged == 0 { 0 } else { purged + 1 };
        while next < end {
            let read = store
                .read_log(LogIndex(next)..LogIndex(end), 1 << 20, true)
                .expect("reads");
            assert!(!read.is_empty());
            for found in read {
                assert_eq!(found, entry(id, next), "replica {id}");
                next += 1;
            }
        }
    }
    assert!(shelf.close(std::time::Duration::from_secs(120)));
}
