//! `bench delivery`: how many messages a second are taken over LMTP for good, by one node, by three, and by Dovecot.
//!
//! Every server runs the whole time. A *cell* is one size with one number of connections. In each round all servers have
//! their turn at each cell, one right after the other, the first one of them another in each round.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::builder::RangedU64ValueParser;
use tokio::runtime::Runtime;

use crate::limits::{CONNECTIONS, MESSAGE_BYTES, ROUNDS_MAX, SECONDS_MAX};
use crate::message::Stock;
use crate::report;
use crate::server::{Server, Shape};
use crate::{cpu, disk, imap_count, lmtp};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds of each turn of a server
    #[arg(long, default_value_t = 2, value_parser = RangedU64ValueParser::<u64>::new().range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Turns of each server at each size and number of connections
    #[arg(long, default_value_t = 5,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=ROUNDS_MAX as u64))]
    rounds: usize,
    /// Shelves of each of the three nodes
    #[arg(long, default_value_t = 1, value_parser = RangedU64ValueParser::<u16>::new().range(1..=8))]
    shelves: u16,
    /// Where the ports of the clusters start; 4,000 above it are used
    #[arg(long, default_value_t = 23_000)]
    base_port: u16,
    /// Leave Dovecot out
    #[arg(long)]
    alone: bool,
    /// Only this number of connections
    #[arg(long, value_name = "NUMBER")]
    connections: Option<usize>,
    /// Only messages of this size
    #[arg(long, value_name = "BYTES")]
    size: Option<usize>,
}

/// Which cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Bytes of each message.
    pub(crate) size: usize,
    /// Connections at once.
    pub(crate) connections: usize,
}

/// One turn of one server at one cell.
pub(crate) struct Turn {
    pub(crate) cell: Cell,
    /// Its place among the servers.
    pub(crate) server: usize,
    pub(crate) round: usize,
    pub(crate) messages_per_second: f64,
    /// Middle and almost longest wait for an acknowledgement, in seconds.
    pub(crate) wait_p50: f64,
    pub(crate) wait_p99: f64,
    /// CPU seconds per message, of the server until it had settled.
    pub(crate) server_cpu: f64,
    /// The same, of the load generator.
    pub(crate) load_cpu: f64,
    /// Cores' worth of CPU that neither of them used meanwhile: other programs, and the kernel's own work.
    pub(crate) other_cores: f64,
    /// Small synced appends per second of the disk, right before.
    pub(crate) disk: f64,
}

/// Everything that one run found.
pub(crate) struct Findings {
    pub(crate) cells: Vec<Cell>,
    pub(crate) servers: Vec<String>,
    pub(crate) turns: Vec<Turn>,
    pub(crate) rounds: usize,
}

pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    disk::ensure_disk(dir)?;
    let place = tempfile::Builder::new()
        .prefix("holdfast-bench-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(dir)
        .with_context(|| format!("make a directory in {}", dir.display()))?;
    let servers = start(place.path(), options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the load generator")?;
    let mut bench = Bench {
        place: place.path(),
        acknowledged: vec![0; servers.len()],
        numbers: Arc::default(),
        servers,
        runtime,
    };
    let findings = bench.all(options)?;
    bench.count()?;
    report::print(&findings, &bench.servers)?;
    bench.servers.into_iter().try_for_each(Server::stop)
}

/// Dovecot comes first, since the others are compared with the first one.
fn start(place: &Path, options: &Options) -> anyhow::Result<Vec<Server>> {
    let mut servers = Vec::new();
    if !options.alone {
        servers.push(Server::dovecot(&place.join("dovecot"))?);
    }
    let clusters = [
        (1, 1, options.base_port),
        (3, options.shelves, options.base_port.saturating_add(1_000)),
    ];
    for (nodes, shelves, base_port) in clusters {
        let shape = Shape {
            nodes,
            shelves,
            base_port,
        };
        servers.push(Server::holdfast(&place.join(format!("nodes{nodes}")), shape)?);
    }
    Ok(servers)
}

struct Bench<'p> {
    place: &'p Path,
    servers: Vec<Server>,
    /// Messages that each server has acknowledged.
    acknowledged: Vec<u64>,
    numbers: Arc<AtomicU64>,
    runtime: Runtime,
}

impl Bench<'_> {
    fn all(&mut self, options: &Options) -> anyhow::Result<Findings> {
        let cells = cells(options);
        ensure!(!cells.is_empty(), "nothing is left to measure");
        let mut findings = Findings {
            servers: self.servers.iter().map(|server| server.name.clone()).collect(),
            turns: Vec::new(),
            rounds: options.rounds,
            cells,
        };
        // The first messages make mailboxes and connections, and fill caches.
        for cell in findings.cells.clone() {
            let stock = Arc::new(Stock::new(cell.size));
            for server in 0..self.servers.len() {
                self.turn(cell, &stock, server, 0, Duration::from_millis(500))?;
            }
        }
        for round in 0..options.rounds {
            for cell in findings.cells.clone() {
                let stock = Arc::new(Stock::new(cell.size));
                for step in 0..self.servers.len() {
                    let server = (round + step) % self.servers.len();
                    let turn = self.turn(cell, &stock, server, round, Duration::from_secs(options.seconds))?;
                    report::progress(&self.servers[server].name, &turn);
                    findings.turns.push(turn);
                }
            }
        }
        Ok(findings)
    }

    fn turn(
        &mut self,
        cell: Cell,
        stock: &Arc<Stock>,
        server: usize,
        round: usize,
        wanted: Duration,
    ) -> anyhow::Result<Turn> {
        let running = &self.servers[server];
        let disk = disk::synced_appends_per_second(self.place)?;
        let (started, server_before) = (Instant::now(), running.cpu()?);
        let (own_before, machine_before) = (cpu::of_self()?, cpu::of_machine()?);
        let load = lmtp::deliver(&running.lmtp, cell.connections, stock, &self.numbers, wanted);
        let load = self
            .runtime
            .block_on(load)
            .with_context(|| format!("deliver to {}", running.name))?;
        let own = cpu::of_self()?.saturating_sub(own_before);
        let used = running.settle()?.saturating_sub(server_before);
        let machine = cpu::of_machine()?.saturating_sub(machine_before);
        self.acknowledged[server] += load.messages() as u64;
        #[expect(clippy::cast_precision_loss, reason = "a number of messages")]
        let messages = load.messages().max(1) as f64;
        Ok(Turn {
            cell,
            server,
            round,
            messages_per_second: messages / load.took.as_secs_f64(),
            wait_p50: crate::statistics::quantile(&load.waits, 0.5),
            wait_p99: crate::statistics::quantile(&load.waits, 0.99),
            server_cpu: used.as_secs_f64() / messages,
            load_cpu: own.as_secs_f64() / messages,
            other_cores: machine.saturating_sub(own + used).as_secs_f64() / started.elapsed().as_secs_f64(),
            disk,
        })
    }

    /// What was acknowledged has to be there.
    fn count(&self) -> anyhow::Result<()> {
        for (server, acknowledged) in self.servers.iter().zip(&self.acknowledged) {
            let found = self.runtime.block_on(imap_count::messages(server.imap));
            let found = found.with_context(|| format!("count what {} has", server.name))?;
            ensure!(
                found == *acknowledged,
                "{} acknowledged {acknowledged} messages and has {found}",
                server.name
            );
        }
        println!(
            "{} messages were delivered; each server has all that it acknowledged.\n",
            self.numbers.load(Ordering::Relaxed)
        );
        Ok(())
    }
}

fn cells(options: &Options) -> Vec<Cell> {
    let sizes = MESSAGE_BYTES
        .into_iter()
        .filter(|size| options.size.is_none_or(|only| only == *size));
    let of_size = |size| {
        let numbers = CONNECTIONS.into_iter();
        let wanted = numbers.filter(|number| options.connections.is_none_or(|only| only == *number));
        wanted.map(move |connections| Cell { size, connections })
    };
    sizes.flat_map(of_size).collect()
}
