//! The shelves of this node while it runs: opened at the start, watched, closed at the end.
//!
//! Invariants
//! - A shelf that is missing, foreign, damaged or doubtful is left as it is; the others go on (P4).
//! - A disk that hangs holds up its own shelf alone: here, too, each has its own threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use cluster_config::ShelfDir;
use cluster_config::admin::{ShelfRow, ShelfState};
use mail_model::ShelfId;
use shelf::{ErrorClass, Opened, SharedPool, Shelf, ShelfConfig};

use super::setup::Setup;
use crate::limits::{SHELF_END_WITHIN, SLOW_AFTER, SPACE_EVERY, STALLED_AFTER, WATCH_EVERY};

/// One shelf of this node, in use or not.
pub(crate) struct NodeShelf {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Of the plan.
    pub(crate) id: Option<ShelfId>,
    /// Or why it was not taken into use.
    pub(crate) opened: Result<Shelf, String>,
    /// Why nothing runs on it although it was opened.
    retired: Mutex<Option<String>>,
    /// Free and total bytes.
    space: Mutex<Option<(u64, u64)>>,
}

/// How this shelf is to be opened, the `epoch`th time in this process.
pub(crate) fn shelf_config(setup: &Setup, dir: &ShelfDir, epoch: u64) -> ShelfConfig {
    let siblings = setup.node.shelves.iter().filter(|other| other.name != dir.name);
    ShelfConfig {
        name: dir.name.to_string(),
        dir: dir.path.clone(),
        cluster: setup.plan.cluster,
        node: setup.id(),
        state_dir: setup.node.state_dir.clone(),
        siblings: siblings.map(|other| other.path.clone()).collect(),
        epoch,
    }
}

/// Opens all shelves at once. Blocks for as long as the slowest takes to replay its log.
pub(crate) fn open_all(setup: &Setup, pool: &SharedPool) -> anyhow::Result<Vec<Arc<NodeShelf>>> {
    let opened: Vec<Arc<NodeShelf>> = thread::scope(|scope| {
        let openings = setup
            .node
            .shelves
            .iter()
            .map(|dir| scope.spawn(move || Arc::new(open_one(setup, dir, pool))));
        let openings: Vec<_> = openings.collect();
        openings.into_iter().filter_map(|opening| opening.join().ok()).collect()
    });
    for shelf in &opened {
        if let Err(reason) = &shelf.opened {
            tracing::error!(shelf = %shelf.name, path = %shelf.path.display(), reason, "shelf is not taken into use");
        }
    }
    if opened.iter().all(|shelf| shelf.opened.is_err()) {
        bail!("none of the shelves of node {} can be used", setup.node.name);
    }
    Ok(opened)
}

fn open_one(setup: &Setup, dir: &ShelfDir, pool: &SharedPool) -> NodeShelf {
    let id = setup.shelf(dir.name.as_str()).map(|planned| planned.id);
    let opened = match shelf::open(&shelf_config(setup, dir, 1), pool) {
        Ok(Opened::Sound(shelf, _)) => Ok(shelf),
        Ok(Opened::Doubtful(doubtful)) => Err(format!(
            "it may have lost what it acknowledged ({:?}), and its replicas must not run again",
            doubtful.verdict()
        )),
        Err(error) => Err(error.to_string()),
    };
    NodeShelf {
        name: dir.name.to_string(),
        path: dir.path.clone(),
        id,
        opened,
        retired: Mutex::default(),
        space: Mutex::default(),
    }
}

impl NodeShelf {
    /// How it is now.
    pub(crate) fn row(&self) -> ShelfRow {
        let (state, reason) = match &self.opened {
            Err(reason) => (ShelfState::Refused, Some(reason.clone())),
            Ok(shelf) => match shelf.failure() {
                Some(error) => (ShelfState::Failed, Some(error.to_string())),
                None => match self.retired() {
                    Some(reason) => (ShelfState::Refused, Some(reason)),
                    None => (ShelfState::Ok, None),
                },
            },
        };
        let space = *self.space.lock().unwrap_or_else(PoisonError::into_inner);
        ShelfRow {
            name: self.name.clone(),
            state,
            reason,
            free_bytes: space.map(|(free, _)| free),
            total_bytes: space.map(|(_, total)| total),
        }
    }

    /// Whether it takes part.
    pub(crate) fn is_in_use(&self) -> bool {
        self.opened.as_ref().is_ok_and(|shelf| shelf.failure().is_none()) && self.retired().is_none()
    }

    /// Its replicas are retired: it takes no part.
    pub(crate) fn note_retired(&self, reason: String) {
        *self.retired.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    fn retired(&self) -> Option<String> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Memory, in bytes, that holds what is written to it and not yet in a file of its own.
    pub(crate) fn write_buffer_bytes(&self) -> u64 {
        self.opened.as_ref().map_or(0, Shelf::write_buffer_bytes)
    }

    fn look_at_space(&self) {
        // A number that cannot be had is shown as unknown; whether the shelf works is told by its own calls.
        let found = nix::sys::statvfs::statvfs(&self.path).ok().map(|found| {
            let bytes = |blocks| wide(found.fragment_size()).saturating_mul(blocks);
            (bytes(wide(found.blocks_available())), bytes(wide(found.blocks())))
        });
        *self.space.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}

/// Systems differ in how wide they count.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

/// Starts a thread for each shelf that looks at its calls in flight, and one that looks at its free space and may hang
/// with its disk. They end with the shelf.
pub(crate) fn watch(shelves: &[Arc<NodeShelf>]) -> std::io::Result<()> {
    for shelf in shelves.iter().filter(|shelf| shelf.opened.is_ok()) {
        let watched = shelf.clone();
        thread::Builder::new()
            .name(format!("{}-watch", shelf.name))
            .spawn(move || watch_calls(&watched))?;
        let looked_at = Arc::downgrade(shelf);
        thread::Builder::new()
            .name(format!("{}-space", shelf.name))
            .spawn(move || {
                while let Some(shelf) = looked_at.upgrade() {
                    shelf.look_at_space();
                    drop(shelf);
                    thread::sleep(SPACE_EVERY);
                }
            })?;
    }
    Ok(())
}

fn watch_calls(watched: &NodeShelf) {
    let Ok(shelf) = &watched.opened else { return };
    let mut warned = false;
    let mut looked = Instant::now();
    while shelf.failure().is_none() {
        thread::sleep(WATCH_EVERY);
        // A process that was stopped itself cannot tell for how long the disk has been silent.
        let was_stopped = looked.elapsed() > 4 * WATCH_EVERY;
        looked = Instant::now();
        if was_stopped {
            continue;
        }
        let oldest = shelf.oldest_in_flight().filter(|oldest| oldest.age >= SLOW_AFTER);
        match oldest {
            Some(oldest) if oldest.age >= STALLED_AFTER => {
                let detail = format!("{} has not returned for {} s", oldest.operation, oldest.age.as_secs());
                tracing::error!(shelf = %watched.name, detail, "disk hangs");
                shelf.fail(ErrorClass::Stalled, &detail);
            }
            Some(oldest) if !warned => {
                let (operation, age_ms) = (oldest.operation, oldest.age.as_millis());
                tracing::warn!(shelf = %watched.name, operation, age_ms, "disk is slow");
                warned = true;
            }
            Some(_) => {}
            None => warned = false,
        }
    }
}

/// Closes all shelves, each in its own time. Blocks.
pub(crate) fn close_all(shelves: &[Arc<NodeShelf>]) {
    let deadline = Instant::now() + SHELF_END_WITHIN;
    thread::scope(|scope| {
        for shelf in shelves {
            scope.spawn(move || {
                let Ok(opened) = &shelf.opened else { return };
                let left = deadline
                    .saturating_duration_since(Instant::now())
                    .max(Duration::from_millis(1));
                if !opened.close(left) {
                    tracing::warn!(shelf = %shelf.name, "shelf did not close in order; nothing is lost by that");
                }
            });
        }
    });
}
