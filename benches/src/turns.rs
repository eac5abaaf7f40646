//! Servers side by side that are given the same work in turns.
//!
//! Every server runs the whole time. A *cell* is one kind of work. In each round all servers have their turn at each cell,
//! one right after the other, the first one of them another in each round.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::limits::{GROUPS, PORTS_PER_CLUSTER, ROUNDS_MAX, SECONDS_MAX, WARM_UP};
use crate::report::Findings;
use crate::server::{Server, Shape};
use crate::statistics::{quantile, ratio};
use crate::{cpu, disk, imap};

/// Which servers, and how long.
#[derive(clap::Args, Clone)]
pub(crate) struct TurnOptions {
    /// Seconds of each turn of a server
    #[arg(long, default_value_t = 2, value_parser = RangedU64ValueParser::<u64>::new().range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Turns of each server at each kind of work
    #[arg(long, default_value_t = 3,
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=ROUNDS_MAX as u64))]
    pub(crate) rounds: usize,
    /// Where the ports of the clusters start; 7,000 above it are used
    #[arg(long, default_value_t = 23_000, value_parser = RangedU64ValueParser::<u16>::new().range(1..=55_000))]
    base_port: u16,
    /// The servers, separated by commas; the others are compared with the first of them
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SERVERS",
          default_values_t = [Kind::Dovecot, Kind::OneNode, Kind::ThreeShelves, Kind::ThreeNodes])]
    servers: Vec<Kind>,
}

/// A server that can be measured, in the order in which tables show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// From the distribution
    Dovecot,
    /// Holdfast with one shelf
    OneNode,
    /// Holdfast, one node, three shelves
    ThreeShelves,
    /// Holdfast, three nodes, one shelf each
    ThreeNodes,
}

impl Kind {
    pub(crate) fn start(self, place: &Path, base_port: u16) -> anyhow::Result<Server> {
        let (nodes, shelves, at) = match self {
            Self::Dovecot => return Server::dovecot(&place.join("dovecot")),
            Self::OneNode => (1, 1, 0),
            Self::ThreeShelves => (1, 3, 1),
            Self::ThreeNodes => (3, 1, 2),
        };
        let shape = Shape {
            nodes,
            shelves,
            groups: GROUPS,
            base_port: base_port + at * PORTS_PER_CLUSTER,
        };
        Server::holdfast(&place.join(format!("holdfast{nodes}x{shelves}")), shape)
    }
}

/// One kind of work, and what the design asks of it.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// What stands in the first columns of its row.
    pub(crate) keys: Vec<String>,
    /// What is asked of Holdfast: a ratio, and by which server.
    pub(crate) goal: &'static str,
}

impl Cell {
    pub(crate) fn new<const N: usize>(keys: [&str; N], goal: &'static str) -> Self {
        let keys = keys.map(str::to_owned).to_vec();
        Self { keys, goal }
    }
}

/// What a load did.
pub(crate) struct Load {
    /// From the first command to the last reply.
    pub(crate) took: Duration,
    /// Messages, commands, or whatever is counted.
    pub(crate) operations: usize,
    /// Seconds from each command to its reply, or from a batch of them.
    pub(crate) waits: Vec<f64>,
}

/// One turn of one server at one cell.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// Its place among the cells.
    pub(crate) cell: usize,
    /// Its place among the servers.
    pub(crate) server: usize,
    /// From 1; 0 is the one that does not count.
    pub(crate) round: usize,
    pub(crate) operations: usize,
    /// Operations per second.
    pub(crate) rate: f64,
    /// Middle and almost longest wait for a reply, in seconds.
    pub(crate) wait_p50: f64,
    pub(crate) wait_p99: f64,
    /// CPU seconds per operation, of the server until it had settled.
    pub(crate) server_cpu: f64,
    /// The same, of the load generator.
    pub(crate) load_cpu: f64,
    /// Cores' worth of CPU that neither of them used meanwhile: other programs, and the kernel's own work.
    pub(crate) other_cores: f64,
    /// Small synced appends per second of the disk, right before.
    pub(crate) disk: f64,
}

/// Which turn.
#[derive(Clone, Copy)]
pub(crate) struct Which {
    pub(crate) cell: usize,
    pub(crate) server: usize,
    pub(crate) round: usize,
}

/// The servers, and what gives them work. They are stopped before their directory is removed.
pub(crate) struct Bench {
    pub(crate) servers: Vec<Server>,
    pub(crate) runtime: Runtime,
    place: TempDir,
}

impl TurnOptions {
    /// How long a turn takes.
    pub(crate) fn wanted(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl Bench {
    /// Starts the servers below `dir`, Dovecot first.
    pub(crate) fn start(dir: &Path, options: &TurnOptions) -> anyhow::Result<Self> {
        let place = place(dir)?;
        let mut kinds = options.servers.clone();
        kinds.sort_unstable();
        kinds.dedup();
        ensure!(!kinds.is_empty(), "none of these servers is measured here");
        let mut servers = Vec::new();
        for kind in kinds {
            servers.push(kind.start(place.path(), options.base_port)?);
        }
        Ok(Self {
            servers,
            runtime: runtime()?,
            place,
        })
    }

    /// Server numbers, in the order of this round.
    pub(crate) fn order(&self, round: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.servers.len();
        (0..count).map(move |step| (round + step) % count)
    }

    /// Every server at every cell, round after round. `turn` is told how long it should take; `None` is what a server
    /// cannot do. A short round before the others makes mailboxes and connections, fills caches, and does not count.
    pub(crate) fn all_turns(
        &self,
        findings: &mut Findings,
        wanted: Duration,
        mut turn: impl FnMut(Which, Duration) -> anyhow::Result<Option<Turn>>,
    ) -> anyhow::Result<()> {
        for round in 0..=findings.rounds {
            for cell in 0..findings.cells.len() {
                for server in self.order(round) {
                    let which = Which { cell, server, round };
                    let wanted = if round == 0 { WARM_UP } else { wanted };
                    let turn = turn(which, wanted)?;
                    if let Some(turn) = turn.filter(|_| round > 0) {
                        findings.add(turn, &self.servers);
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives a server work and sees what it costs.
    pub(crate) fn turn(
        &self,
        which: Which,
        work: impl AsyncFnOnce(&Server) -> anyhow::Result<Load>,
    ) -> anyhow::Result<Turn> {
        let server = &self.servers[which.server];
        let disk = disk::synced_appends_per_second(self.place.path())?;
        let (started, server_before) = (Instant::now(), server.cpu()?);
        let (own_before, machine_before) = (cpu::of_self()?, cpu::of_machine()?);
        let load = self.runtime.block_on(work(server));
        let load = load.with_context(|| format!("give {} work", server.name))?;
        let own = cpu::of_self()?.saturating_sub(own_before);
        let used = server.settle()?.saturating_sub(server_before);
        let machine = cpu::of_machine()?.saturating_sub(machine_before);
        #[expect(clippy::cast_precision_loss, reason = "a number of operations")]
        let operations = load.operations.max(1) as f64;
        let mut waits = load.waits;
        waits.sort_by(f64::total_cmp);
        Ok(Turn {
            cell: which.cell,
            server: which.server,
            round: which.round,
            operations: load.operations,
            rate: ratio(operations, load.took.as_secs_f64()),
            wait_p50: quantile(&waits, 0.5),
            wait_p99: quantile(&waits, 0.99),
            server_cpu: used.as_secs_f64() / operations,
            load_cpu: own.as_secs_f64() / operations,
            other_cores: machine.saturating_sub(own + used).as_secs_f64() / started.elapsed().as_secs_f64(),
            disk,
        })
    }

    /// What was acknowledged has to be there: as many messages in the INBOXes of all accounts of each server.
    pub(crate) fn ensure_inboxes_hold(&self, acknowledged: &[usize]) -> anyhow::Result<()> {
        for (server, acknowledged) in self.servers.iter().zip(acknowledged) {
            let found = self.runtime.block_on(imap::count_inboxes(server));
            let found = found.with_context(|| format!("count what {} has", server.name))?;
            ensure!(
                found == *acknowledged as u64,
                "{} acknowledged {acknowledged} messages and has {found}",
                server.name
            );
        }
        println!("Each server has all of the messages that it acknowledged: {acknowledged:?}.\n");
        Ok(())
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.servers.into_iter().try_for_each(Server::stop)
    }
}

/// A directory for servers, on a disk, which goes when dropped. Others may look into it: the processes of Dovecot run as
/// several users.
pub(crate) fn place(dir: &Path) -> anyhow::Result<TempDir> {
    disk::ensure_disk(dir)?;
    let place = tempfile::Builder::new()
        .prefix("holdfast-bench-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(dir);
    place.with_context(|| format!("make a directory in {}", dir.display()))
}

/// What runs the clients: one thread, so that the rest of the machine is the servers'.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("start the load generator")
}
