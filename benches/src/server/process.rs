//! Processes of servers: told to end with SIGTERM, killed when they do not, and never left behind.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Halt;
use crate::limits::{LOOK_EVERY, START_WITHIN, STOP_WITHIN};

/// A child process that is stopped when dropped.
pub(super) struct Process {
    pub(super) child: Child,
}

impl Process {
    pub(super) fn start(mut command: Command) -> anyhow::Result<Self> {
        let child = command.spawn();
        let child = child.with_context(|| format!("start {}", command.get_program().display()))?;
        Ok(Self { child })
    }

    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().context("look at a process")
    }

    fn tell_to_end(&mut self, signal: Signal) -> anyhow::Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id()).context("a pid")?);
        kill(pid, signal).context("signal a process")
    }

    fn wait_for_end(&mut self) -> anyhow::Result<()> {
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

/// Stops processes at the same time, so that none of them waits for another one that is gone.
pub(super) fn stop_all(processes: &mut [Process], how: Halt) -> anyhow::Result<()> {
    let signal = match how {
        Halt::InOrder => Signal::SIGTERM,
        Halt::Killed => Signal::SIGKILL,
    };
    processes
        .iter_mut()
        .try_for_each(|process| process.tell_to_end(signal))?;
    processes.iter_mut().try_for_each(Process::wait_for_end)
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.tell_to_end(Signal::SIGTERM).and_then(|()| self.wait_for_end()) {
            eprintln!("bench: a server did not stop in order: {error:#}");
        }
    }
}

/// Waits until something listens at `address`.
pub(super) fn wait_listening(process: &mut Process, address: SocketAddr, log: &Path) -> anyhow::Result<()> {
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
