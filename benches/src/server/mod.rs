//! The servers that are measured: started for one run in a directory of their own, stopped when dropped.
//!
//! Invariant: no process outlives the run, whatever way it ends, unless this program itself is killed.

mod dovecot;
mod holdfast;
mod process;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;

pub(crate) use self::holdfast::Shape;
use self::process::Process;
use crate::limits::{LOOK_EVERY, SETTLE_WITHIN, SETTLED_CORES};
use crate::{cpu, disk};

/// A server that runs.
pub(crate) struct Server {
    /// What the tables call it.
    pub(crate) name: String,
    /// What it is, for the text below the tables.
    pub(crate) description: String,
    /// Where it takes mail: clients take them in turn.
    pub(crate) lmtp: Vec<SocketAddr>,
    /// Where it speaks IMAP without TLS, and with.
    pub(crate) imap: Vec<SocketAddr>,
    pub(crate) imaps: Vec<SocketAddr>,
    /// The certificate that says whose word counts for the one of `imaps`.
    pub(crate) trusted: PathBuf,
    /// Everything that it keeps.
    dir: PathBuf,
    /// The processes whose CPU time counts, with all that they start.
    roots: Vec<u32>,
    processes: Vec<Process>,
    again: Box<dyn Again>,
}

/// How a server is started anew in its directory.
trait Again {
    /// Starts its processes, those whose CPU time counts.
    fn launch(&self) -> anyhow::Result<Vec<Process>>;

    /// Returns once they serve.
    fn wait_ready(&self, processes: &mut [Process]) -> anyhow::Result<()>;
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    InOrder,
    /// With SIGKILL.
    Killed,
}

impl Server {
    /// A cluster of Holdfast, with accounts.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn holdfast(dir: &Path, shape: Shape) -> anyhow::Result<Self> {
        holdfast::start(dir, shape)
    }

    /// Dovecot from the distribution; it takes mail for any account.
    ///
    /// # Errors
    /// When it is not there, or does not start.
    pub(crate) fn dovecot(dir: &Path) -> anyhow::Result<Self> {
        dovecot::start(dir)
    }

    /// The processes that it consists of, those that they have started aside.
    pub(crate) fn roots(&self) -> &[u32] {
        &self.roots
    }

    /// CPU time that it has used so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu::of_trees(&self.roots)
    }

    /// Waits until it does nothing more of its own accord, or for [`SETTLE_WITHIN`]. Returns its CPU time.
    pub(crate) fn settle(&self) -> anyhow::Result<Duration> {
        let deadline = Instant::now() + SETTLE_WITHIN;
        let mut before = self.cpu()?;
        loop {
            sleep(LOOK_EVERY);
            let now = self.cpu()?;
            let used = now.saturating_sub(before);
            if used.as_secs_f64() < SETTLED_CORES * LOOK_EVERY.as_secs_f64() || Instant::now() >= deadline {
                return Ok(now);
            }
            before = now;
        }
    }

    /// Starts it anew, without the demo around the nodes of Holdfast. With `cold`, nothing that it keeps is in memory
    /// when it starts. Returns once it serves.
    ///
    /// # Errors
    /// When it does not stop or start, or memory keeps its files.
    pub(crate) fn restart(&mut self, cold: bool) -> anyhow::Result<()> {
        self.halt(Halt::InOrder)?;
        if cold {
            self.drop_from_memory()?;
        }
        self.launch()?;
        let ready = self.again.wait_ready(&mut self.processes);
        ready.with_context(|| format!("start {} again", self.name))
    }

    /// Stops it. It has to be launched again before it is of any use.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub(crate) fn halt(&mut self, how: Halt) -> anyhow::Result<()> {
        let stopped = process::stop_all(&mut self.processes, how);
        self.processes.clear();
        self.roots.clear();
        stopped.with_context(|| format!("stop {}", self.name))
    }

    /// Has the kernel forget what a server that is stopped keeps on the disk.
    pub(crate) fn drop_from_memory(&self) -> anyhow::Result<()> {
        disk::drop_from_memory(&self.dir)
    }

    /// Starts its processes, which may take a while to serve.
    pub(crate) fn launch(&mut self) -> anyhow::Result<()> {
        let processes = self.again.launch();
        self.processes = processes.with_context(|| format!("start {} again", self.name))?;
        self.roots = self.processes.iter().map(|process| process.child.id()).collect();
        Ok(())
    }

    /// Stops it, in order.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.halt(Halt::InOrder)
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
