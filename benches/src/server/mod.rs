//! The servers that are measured: started for one run in a directory of their own, stopped when dropped.
//!
//! Invariant: no process outlives the run, whatever way it ends, unless this program itself is killed.

mod dovecot;
mod holdfast;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub(crate) use self::holdfast::Shape;
use crate::cpu;
use crate::limits::{LOOK_EVERY, SETTLE_WITHIN, SETTLED_CORES, START_WITHIN, STOP_WITHIN};

/// A server that runs.
pub(crate) struct Server {
    /// What the tables call it.
    pub(crate) name: String,
    /// What it is, for the text below the tables.
    pub(crate) description: String,
    /// Where it takes mail: clients take them in turn.
    pub(crate) lmtp: Vec<SocketAddr>,
    /// Where it is asked what it has.
    pub(crate) imap: SocketAddr,
    /// The processes whose CPU time counts, with all that they start.
    roots: Vec<u32>,
    process: Process,
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

    /// Stops it, in order.
    ///
    /// # Errors
    /// When it does not stop in time.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.process.stop().with_context(|| format!("stop {}", self.name))
    }
}

/// A child process that is stopped when dropped.
struct Process {
    child: Child,
}

impl Process {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        let child = command.spawn();
        let child = child.with_context(|| format!("start {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().context("look at a process")
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id()).context("a pid")?);
        kill(pid, Signal::SIGTERM).context("signal a process")?;
        let deadline = Instant::now() + STOP_WITHIN;
        while self.ended()?.is_none() {
            if Instant::now() >= deadline {
                self.child
                    .kill()
                    .and_then(|()| self.child.wait())
                    .context("kill a process")?;
                bail!("it had to be killed");
            }
            sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("bench: a server did not stop in order: {error:#}");
        }
    }
}

/// Waits until something listens at `address`.
fn wait_listening(process: &mut Process, address: SocketAddr, log: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_WITHIN;
    while TcpStream::connect(address).is_err() {
        if process.ended()?.is_some() || Instant::now() >= deadline {
            let log = fs::read_to_string(log).unwrap_or_default();
            bail!("nothing answers at {address}:\n{log}");
        }
        sleep(LOOK_EVERY);
    }
    Ok(())
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
