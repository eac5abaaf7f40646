//! `bench written`: how many octets go to the disk for each octet of a message and each of its replicas.
//!
//! Messages are of octets that do not compress. What counts is what the processes of the node have written (dirtied pages,
//! as the kernel counts them) from the first message to the end of everything that they bring with them: the node is
//! stopped and started again at the end, which writes what was still in memory, and then gets time for compaction.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::builder::RangedU64ValueParser;
use nix::sys::resource::{UsageWho, getrusage};

use crate::limits::{
    CONNECTIONS, LOOK_EVERY, MESSAGE_BYTES, WRITTEN_MEGABYTES_MAX, WRITTEN_QUIET, WRITTEN_SETTLE_WITHIN, WRITTEN_WITHIN,
};
use crate::lmtp::{self, Work};
use crate::message::{Kind as Stuff, Stock};
use crate::process_io;
use crate::report::{short, table};
use crate::server::{Halt, Server};
use crate::turns::{self, Kind};

/// Unit of what the kernel keeps of processes that have ended.
const BLOCK_BYTES: u64 = 512;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Megabytes of messages, of each size
    #[arg(long, default_value_t = 256, value_parser = RangedU64ValueParser::<u64>::new().range(1..=WRITTEN_MEGABYTES_MAX))]
    megabytes: u64,
    /// Where the ports of the cluster start; 7,000 above it are used
    #[arg(long, default_value_t = 23_000, value_parser = RangedU64ValueParser::<u16>::new().range(1..=55_000))]
    base_port: u16,
}

/// What was found of one kind of server with messages of one size.
struct Found {
    server: String,
    size: usize,
    replicas: u64,
    messages: usize,
    /// While messages came, and from then until the end.
    during: u64,
    afterwards: u64,
}

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    let place = turns::place(dir)?;
    let mut found = Vec::new();
    for (kind, replicas) in [(Kind::OneNode, 1), (Kind::ThreeShelves, 3)] {
        let mut server = kind.start(place.path(), options.base_port)?;
        for size in MESSAGE_BYTES.into_iter().rev() {
            let one = measure(&mut server, size, replicas, options.megabytes << 20)?;
            eprintln!(
                "{}, {size} bytes: {}",
                one.server,
                short(one.per_octet(one.during + one.afterwards))
            );
            found.push(one);
        }
        server.stop()?;
    }
    print(&found);
    Ok(())
}

fn measure(server: &mut Server, size: usize, replicas: u64, octets: u64) -> anyhow::Result<Found> {
    server.restart(false)?;
    quiet(server)?;
    let (ended_before, before) = (written_by_ended()?, written(server)?);
    let work = Work {
        connections: CONNECTIONS[2],
        recipients: 1,
        stock: Arc::new(Stock::of(Stuff::Incompressible, size)),
        wanted: WRITTEN_WITHIN,
        messages_max: octets / size as u64,
    };
    let load = turns::runtime()?.block_on(lmtp::deliver(&server.lmtp, &work, &Arc::default()))?;
    ensure!(load.operations > 0, "no message was delivered");
    let during = written(server)? - before;
    quiet(server)?;
    server.halt(Halt::InOrder)?;
    let by_first = (written_by_ended()? - ended_before).saturating_sub(before);
    server.restart(false)?;
    quiet(server)?;
    Ok(Found {
        server: server.name.clone(),
        size,
        replicas,
        messages: load.operations,
        during,
        afterwards: by_first.saturating_sub(during) + written(server)?,
    })
}

/// Octets that the processes of a server have written since they were started.
fn written(server: &Server) -> anyhow::Result<u64> {
    let of = |pid: &u32| anyhow::Ok(process_io::of(*pid)?.write_bytes);
    server.roots().iter().map(of).sum()
}

/// The same of all processes of this one that have ended.
fn written_by_ended() -> anyhow::Result<u64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("ask what ended processes have used")?;
    let blocks = u64::try_from(usage.block_writes()).context("a number of blocks")?;
    Ok(blocks * BLOCK_BYTES)
}

/// Returns once a server has not written for a while.
fn quiet(server: &Server) -> anyhow::Result<()> {
    let deadline = Instant::now() + WRITTEN_SETTLE_WITHIN;
    let (mut before, mut since) = (written(server)?, Instant::now());
    while since.elapsed() < WRITTEN_QUIET && Instant::now() < deadline {
        sleep(LOOK_EVERY);
        let now = written(server)?;
        if now > before + SMALL_BYTES {
            since = Instant::now();
        }
        before = now;
    }
    Ok(())
}

/// What a server may write now and then without being busy: marks, logs.
const SMALL_BYTES: u64 = 256 << 10;

impl Found {
    fn per_octet(&self, written: u64) -> f64 {
        let octets = self.messages as u64 * self.size as u64 * self.replicas;
        #[expect(clippy::cast_precision_loss, reason = "octets on a disk")]
        let per_octet = written as f64 / octets as f64;
        per_octet
    }
}

fn print(found: &[Found]) {
    println!("### Octets written per octet of a message and replica\n");
    let header = [
        "size",
        "server",
        "replicas",
        "messages",
        "while they came",
        "afterwards",
        "together",
        "goal",
    ];
    let row = |found: &Found| {
        vec![
            format!("{} kB", found.size >> 10),
            found.server.clone(),
            found.replicas.to_string(),
            found.messages.to_string(),
            format!("{:.2}", found.per_octet(found.during)),
            format!("{:.2}", found.per_octet(found.afterwards)),
            format!("{:.2}", found.per_octet(found.during + found.afterwards)),
            if found.size > 4 << 10 { "≤ 2.3" } else { "≤ 3.5" }.to_owned(),
        ]
    };
    println!("{}\n", table(header.map(str::to_owned).to_vec(), found.iter().map(row)));
}
