//! The state directory of a node as its process holds it: one process at a time, its pid, and the note that its shelves
//! were made. The one place of the node that syncs files.
//!
//! Invariants
//! - Whoever holds a [`StateDir`] is the only process of this node.
//! - The note is durable before the first start: from then on a shelf that is missing is lost, never new.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cluster_config::{LOCK_FILE, PID_FILE, SHELVES_MADE_FILE};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

const MODE: u32 = 0o600;

/// A state directory in use by this process, until dropped.
pub(crate) struct StateDir {
    dir: PathBuf,
    wrote_pid: bool,
    _lock: Flock<File>,
}

impl StateDir {
    /// Takes the directory for this process.
    pub(crate) fn lock(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(LOCK_FILE);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(&path)
            .with_context(|| format!("open {}", path.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self {
                dir: dir.to_owned(),
                wrote_pid: false,
                _lock: lock,
            }),
            Err((_, Errno::EWOULDBLOCK)) => {
                let pid = fs::read_to_string(dir.join(PID_FILE)).unwrap_or_default();
                bail!("this node runs already, as process {}", pid.trim())
            }
            Err((_, errno)) => Err(errno).with_context(|| format!("lock {}", path.display())),
        }
    }

    /// Writes the pid file. It goes with this value.
    pub(crate) fn write_pid(&mut self) -> anyhow::Result<()> {
        let path = self.dir.join(PID_FILE);
        self.wrote_pid = true;
        fs::write(&path, format!("{}\n", std::process::id())).with_context(|| format!("write {}", path.display()))
    }

    /// Whether the shelves of this node were made.
    pub(crate) fn has_shelves(&self) -> bool {
        self.dir.join(SHELVES_MADE_FILE).exists()
    }

    /// Notes, durably, that they were.
    pub(crate) fn note_shelves(&self) -> anyhow::Result<()> {
        let path = self.dir.join(SHELVES_MADE_FILE);
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path)?;
            file.write_all(b"The shelves of this node were made. One that is missing now is lost, not new.\n")?;
            file.sync_all()?;
            File::open(&self.dir)?.sync_all()
        };
        write().with_context(|| format!("write {}", path.display()))
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        if self.wrote_pid {
            // A leftover pid file misleads nobody: whether a node runs is told by the lock.
            let _ = fs::remove_file(self.dir.join(PID_FILE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_of_a_node_is_refused_and_told_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = StateDir::lock(dir.path()).unwrap();
        first.write_pid().unwrap();
        let error = StateDir::lock(dir.path()).err().unwrap().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        assert!(!dir.path().join(PID_FILE).exists());
        StateDir::lock(dir.path()).unwrap();
    }

    #[test]
    fn shelves_are_noted_once() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::lock(dir.path()).unwrap();
        assert!(!state.has_shelves());
        state.note_shelves().unwrap();
        assert!(state.has_shelves() && state.note_shelves().is_err());
    }
}
