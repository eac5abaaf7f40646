//! `bench shelf`: what the committer of one shelf makes of writers that each wait for their own append, on RocksDB, as a
//! node has it. Syncs per second show how many writers share one.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::builder::RangedU64ValueParser;
use mail_model::{ClusterId, GroupId, LogIndex, NodeId, ReplicaId, ShelfId};
use rand::Rng;
use shelf::{LogEntry, Opened, ReplicaStore, SharedPool, Shelf, ShelfConfig, ShelfIdentity};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::limits::{BLOB_BYTES, CACHE_BYTES, HEAD_BYTES, REPLICAS, ROUNDS_MAX, SECONDS_MAX, WRITERS};
use crate::statistics::{median, quantile, ratio};
use crate::{cpu, disk, report};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds of each turn
    #[arg(long, default_value_t = 1, value_parser = RangedU64ValueParser::<u64>::new().range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Turns of each number of writers
    #[arg(long, default_value_t = 5,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=ROUNDS_MAX as u64))]
    rounds: usize,
}

/// One turn of a number of writers.
struct Turn {
    writers: usize,
    disk: f64,
    appends_per_second: f64,
    syncs_per_second: f64,
    wait_p50: f64,
    wait_p99: f64,
    cpu_per_append: f64,
}

/// A replica, and the index that comes next in it.
struct Log {
    store: ReplicaStore,
    next: Mutex<u64>,
}

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    disk::ensure_disk(dir)?;
    let place = tempfile::Builder::new().prefix("holdfast-bench-").tempdir_in(dir);
    let place = place.with_context(|| format!("make a directory in {}", dir.display()))?;
    let shelf = open(place.path())?;
    let logs = logs(&shelf)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the writers")?;
    let mut turns = Vec::new();
    for round in 0..=options.rounds {
        for writers in WRITERS {
            let disk = disk::synced_appends_per_second(place.path())?;
            let turn = runtime.block_on(turn(&shelf, &logs, writers, Duration::from_secs(options.seconds), disk))?;
            // The first round makes files and fills caches.
            if round > 0 {
                turns.push(turn);
            }
        }
    }
    print(&turns, options.rounds);
    drop(logs);
    if !shelf.close(Duration::from_secs(10)) {
        bail!("the shelf does not close");
    }
    Ok(())
}

fn open(place: &Path) -> anyhow::Result<Shelf> {
    let (dir, state_dir) = (place.join("shelf"), place.join("state"));
    for dir in [&dir, &state_dir] {
        std::fs::create_dir(dir).with_context(|| format!("make {}", dir.display()))?;
    }
    let identity = ShelfIdentity {
        cluster: ClusterId([1; 16]),
        node: NodeId([1; 16]),
        shelf: ShelfId([1; 16]),
    };
    let pool = SharedPool::new(1, CACHE_BYTES)?;
    shelf::init("bench", &dir, &identity, &pool)?;
    let config = ShelfConfig {
        name: "bench".to_owned(),
        dir,
        cluster: identity.cluster,
        node: identity.node,
        state_dir,
        siblings: Vec::new(),
        epoch: 1,
    };
    match shelf::open(&config, &pool)? {
        Opened::Sound(shelf, _) => Ok(shelf),
        Opened::Doubtful(doubtful) => bail!("a new shelf is doubtful: {:?}", doubtful.verdict()),
    }
}

fn logs(shelf: &Shelf) -> anyhow::Result<Vec<Arc<Log>>> {
    let log = |id: u32| {
        let store = shelf.create_replica(ReplicaId(id.into()), GroupId(id))?;
        let next = Mutex::new(1);
        Ok(Arc::new(Log { store, next }))
    };
    (1..=REPLICAS).map(log).collect()
}

async fn turn(shelf: &Shelf, logs: &[Arc<Log>], writers: usize, wanted: Duration, disk: f64) -> anyhow::Result<Turn> {
    let mut bytes = vec![0; HEAD_BYTES + BLOB_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    let mut head = Bytes::from(bytes);
    let blob = head.split_off(HEAD_BYTES);
    let (syncs_before, cpu_before, started) = (shelf.high_water(), cpu::of_self()?, Instant::now());
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let log = logs[writer % logs.len()].clone();
        tasks.spawn(write(log, head.clone(), blob.clone(), started + wanted));
    }
    let mut waits = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        waits.extend(ended.context("a writer ended")??);
    }
    let (took, used) = (
        started.elapsed().as_secs_f64(),
        cpu::of_self()?.saturating_sub(cpu_before),
    );
    // Each batch has a number, and here every batch is one that somebody waits for: one sync each.
    let syncs = shelf.high_water() - syncs_before;
    waits.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "numbers of one turn")]
    let (appends, syncs) = (waits.len() as f64, syncs as f64);
    Ok(Turn {
        writers,
        disk,
        appends_per_second: appends / took,
        syncs_per_second: syncs / took,
        wait_p50: quantile(&waits, 0.5),
        wait_p99: quantile(&waits, 0.99),
        cpu_per_append: ratio(used.as_secs_f64(), appends),
    })
}

/// Appends one entry after the other, each when the one before is durable. Returns how long each took, in seconds.
async fn write(log: Arc<Log>, head: Bytes, blob: Bytes, until: Instant) -> anyhow::Result<Vec<f64>> {
    let mut waits = Vec::new();
    while Instant::now() < until {
        let started = Instant::now();
        let (sender, receiver) = oneshot::channel();
        {
            let mut next = log.next.lock().map_err(|_| anyhow::anyhow!("a writer panicked"))?;
            let entry = LogEntry::new(LogIndex(*next), head.clone(), Some(blob.clone()));
            *next += 1;
            // The writer waits below, so the receiver is there.
            let done = Box::new(move |outcome| drop(sender.send(outcome)));
            log.store.append(vec![entry], done);
        }
        receiver.await.context("the committer dropped an append")??;
        waits.push(started.elapsed().as_secs_f64());
    }
    Ok(waits)
}

fn print(turns: &[Turn], rounds: usize) {
    let header = [
        "writers",
        "disk appends/s",
        "appends/s",
        "syncs/s",
        "appends per sync",
        "wait p50 / p99 ms",
        "CPU µs/append",
    ];
    let row = |writers: usize| {
        let of = |of: fn(&Turn) -> f64| median(turns.iter().filter(|turn| turn.writers == writers).map(of));
        vec![
            writers.to_string(),
            format!("{:.0}", of(|turn| turn.disk)),
            format!("{:.0}", of(|turn| turn.appends_per_second)),
            format!("{:.0}", of(|turn| turn.syncs_per_second)),
            format!(
                "{:.1}",
                of(|turn| ratio(turn.appends_per_second, turn.syncs_per_second))
            ),
            format!(
                "{:.2} / {:.2}",
                of(|turn| turn.wait_p50 * 1e3),
                of(|turn| turn.wait_p99 * 1e3)
            ),
            format!("{:.1}", of(|turn| turn.cpu_per_append * 1e6)),
        ]
    };
    println!(
        "One shelf, {REPLICAS} replicas, entries of {HEAD_BYTES} + {BLOB_BYTES} bytes, medians of {rounds} turns.\n"
    );
    println!(
        "{}\n",
        report::table(header.map(str::to_owned).to_vec(), WRITERS.into_iter().map(row))
    );
}
