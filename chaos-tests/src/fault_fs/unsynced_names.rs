//! Which changes of names are not durable, and how to lose them. A sync of a directory makes those durable that concern
//! it; one that concerns two directories goes with the first of them that is synced. What loses its name is kept aside
//! until that is durable.
//!
//! Invariant: undoing the changes, the newest first, makes the directories what their last syncs have left.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::unsynced::Loss;

/// A change of names. Paths are below the mount point, graves are files aside.
pub(super) enum Change {
    Created {
        path: PathBuf,
    },
    Removed {
        path: PathBuf,
        grave: Grave,
    },
    RemovedDirectory {
        path: PathBuf,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
        grave: Option<Grave>,
    },
}

/// A file that has lost its name.
pub(super) struct Grave {
    pub(super) at: PathBuf,
    pub(super) number: u64,
}

/// See the module.
pub(super) struct UnsyncedNames {
    root: PathBuf,
    changes: Vec<Change>,
}

impl UnsyncedNames {
    pub(super) fn new(root: PathBuf) -> Self {
        let changes = Vec::new();
        Self { root, changes }
    }

    pub(super) fn note(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// A directory was synced. Returns the numbers of files that are gone for good.
    pub(super) fn synced(&mut self, directory: &Path) -> Vec<u64> {
        let concerned = |change: &mut Change| change.concerns(directory);
        self.changes
            .extract_if(.., concerned)
            .filter_map(Change::settle)
            .collect()
    }

    /// A directory gets another name, and what is below it: that is durable at once, with all that was before.
    pub(super) fn settle_all(&mut self) -> Vec<u64> {
        self.changes.drain(..).filter_map(Change::settle).collect()
    }

    /// Loses them, and says how many.
    pub(super) fn lose(&mut self, loss: Loss) -> io::Result<usize> {
        let kept = match loss {
            Loss::Everything => 0,
            Loss::Some { seed } => StdRng::seed_from_u64(seed).random_range(0..=self.changes.len()),
        };
        self.changes.drain(..kept).filter_map(Change::settle).for_each(drop);
        let lost = self.changes.len();
        for change in self.changes.drain(..).rev() {
            change.undo(&self.root)?;
        }
        Ok(lost)
    }
}

impl Change {
    fn concerns(&self, directory: &Path) -> bool {
        let is_in = |path: &Path| path.parent() == Some(directory);
        match self {
            Self::Created { path } | Self::Removed { path, .. } | Self::RemovedDirectory { path } => is_in(path),
            Self::Renamed { from, to, .. } => is_in(from) || is_in(to),
        }
    }

    /// Returns the number of the file that is gone with it, if one is.
    fn settle(self) -> Option<u64> {
        let (Self::Removed { grave, .. } | Self::Renamed { grave: Some(grave), .. }) = self else {
            return None;
        };
        // Nobody looks there.
        let _ = fs::remove_file(grave.at);
        Some(grave.number)
    }

    /// What a durable change has taken away meanwhile need not be undone.
    fn undo(self, root: &Path) -> io::Result<()> {
        let unless_gone = |outcome: io::Result<()>| match outcome {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        };
        match self {
            Self::Created { path } => {
                let path = root.join(path);
                unless_gone(match path.is_dir() {
                    true => fs::remove_dir_all(path),
                    false => fs::remove_file(path),
                })
            }
            Self::Removed { path, grave } => unless_gone(fs::rename(grave.at, root.join(path))),
            Self::RemovedDirectory { path } => unless_gone(fs::create_dir(root.join(path))),
            Self::Renamed { from, to, grave } => {
                unless_gone(fs::rename(root.join(&to), root.join(from)))?;
                match grave {
                    Some(grave) => unless_gone(fs::rename(grave.at, root.join(to))),
                    None => Ok(()),
                }
            }
        }
    }
}
