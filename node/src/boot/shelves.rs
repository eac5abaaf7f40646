//! The shelves of this node while it runs: opened at the start, watched, closed at the end.
//!
//! Invariants
//! - A shelf that is missing, foreign, damaged or doubtful is left as it is; the others go on (P4).
//! - A disk that hangs holds up its own shelf alone: here, too, each has its own threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use cluster_config::ShelfDir;
use cluster_config::admin::{ShelfRow, ShelfState};
use mail_model::ShelfId;
use shelf::{ErrorClass, Opened, SharedPool, Shelf, ShelfConfig};

use super::groups::NodeReplicator;
use super::setup::Setup;
use crate::limits::{SHELF_END_WITHIN, SLOW_AFTER, SPACE_EVERY, STALLED_AFTER, WATCH_EVERY};

/// One shelf of this node, in use or not.
pub(crate) struct NodeShelf {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Of the plan.
    pub(crate) id: Option<ShelfId>,
    /// Or why it was not taken into use.
    opened: Mutex<Result<Shelf, String>>,
    /// How often it was opened in this process.
    openings: AtomicU64,
    /// Why nothing runs on it although it was opened.
    retired: Mutex<Option<String>>,
    space: Mutex<Option<Space>>,
    /// By the last look.
    full: AtomicBool,
    marks: Marks,
}

/// What is told of a shelf that is in use and full.
const FULL: &str = "full: it takes no more mail until there is room";

/// Room on a shelf's file system, in bytes.
#[derive(Clone, Copy, Debug)]
struct Space {
    total: u64,
    used: u64,
    /// For this process: some file systems keep a part for the administrator.
    free: u64,
}

impl Space {
    fn of(path: &Path) -> Option<Self> {
        // A number that cannot be had is shown as unknown; whether the shelf works is told by its own calls.
        let found = nix::sys::statvfs::statvfs(path).ok()?;
        let bytes = |blocks| wide(found.fragment_size()).saturating_mul(blocks);
        let (blocks, unused) = (wide(found.blocks()), wide(found.blocks_free()));
        Some(Self {
            total: bytes(blocks),
            used: bytes(blocks.saturating_sub(unused)),
            free: bytes(wide(found.blocks_available())),
        })
    }

    fn is_past(self, permille: u32) -> bool {
        let (used, all) = (u128::from(self.used), u128::from(self.used) + u128::from(self.free));
        all > 0 && used * 1_000 >= all * u128::from(permille)
    }
}

/// How full a shelf may be, in thousandths of what this process may use (DESIGN D12).
#[derive(Clone, Copy, Debug)]
struct Marks {
    /// From here on nothing is taken that makes its groups grow.
    full: u32,
    /// Below this it has room again, a little later than it lost it.
    roomy: u32,
    /// From here on it stops: a disk that runs out in the middle of a write stops it in a worse place.
    stop: u32,
}

impl Marks {
    fn of(full_percent: u32) -> Self {
        let full = 10 * full_percent;
        let rest = 1_000_u32.saturating_sub(full);
        Self {
            full,
            roomy: full - rest / 5,
            stop: full + rest * 2 / 5,
        }
    }

    fn is_full(self, space: Space, was_full: bool) -> bool {
        space.is_past(if was_full { self.roomy } else { self.full })
    }
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
        if let Err(reason) = shelf.opened() {
            tracing::error!(shelf = %shelf.name, path = %shelf.path.display(), reason, "shelf is not taken into use");
        }
    }
    if opened.iter().all(|shelf| shelf.opened().is_err()) {
        bail!("none of the shelves of node {} can be used", setup.node.name);
    }
    Ok(opened)
}

fn open_one(setup: &Setup, dir: &ShelfDir, pool: &SharedPool) -> NodeShelf {
    NodeShelf {
        name: dir.name.to_string(),
        path: dir.path.clone(),
        id: setup.shelf(dir.name.as_str()).map(|planned| planned.id),
        opened: Mutex::new(open_dir(&shelf_config(setup, dir, 1), pool)),
        openings: AtomicU64::new(1),
        retired: Mutex::default(),
        space: Mutex::default(),
        full: AtomicBool::new(false),
        marks: Marks::of(setup.config.limits.shelf_full_percent),
    }
}

fn open_dir(config: &ShelfConfig, pool: &SharedPool) -> Result<Shelf, String> {
    match shelf::open(config, pool) {
        Ok(Opened::Sound(shelf, _)) => Ok(shelf),
        Ok(Opened::Doubtful(doubtful)) => Err(format!(
            "it may have lost what it acknowledged ({:?}), and its replicas must not run again",
            doubtful.verdict()
        )),
        Err(error) => Err(error.to_string()),
    }
}

impl NodeShelf {
    /// The shelf, or why it is not taken into use.
    pub(crate) fn opened(&self) -> Result<Shelf, String> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it stopped for want of room, and has room now.
    pub(crate) fn may_come_back(&self) -> bool {
        let failure = self.opened().ok().and_then(|shelf| shelf.failure());
        failure.is_some_and(|error| error.class() == ErrorClass::Full) && !self.is_full()
    }

    /// Opens it again after it has failed, once everything has let go of the old opening. Blocks.
    ///
    /// # Errors
    /// Why not: it stays as it was and may be tried again while something holds it, and is not in use any more otherwise.
    pub(crate) fn reopen(&self, setup: &Setup, dir: &ShelfDir, pool: &SharedPool) -> Result<Shelf, String> {
        // The last look may be from before the disk filled up, and a shelf that cannot be opened is not tried again.
        self.look_at_space();
        if self.is_full() {
            return Err("its disk is still full".to_owned());
        }
        let old = self.opened()?;
        if !old.close(SHELF_END_WITHIN) {
            return Err("something still holds what was opened before".to_owned());
        }
        let epoch = 1 + self.openings.fetch_add(1, Ordering::Relaxed);
        let opened = open_dir(&shelf_config(setup, dir, epoch), pool);
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = opened.clone();
        opened
    }

    pub(crate) fn row(&self) -> ShelfRow {
        let (state, reason) = match self.opened() {
            Err(reason) => (ShelfState::Refused, Some(reason)),
            Ok(shelf) => match shelf.failure() {
                Some(error) => (ShelfState::Failed, Some(error.to_string())),
                None => match self.retired() {
                    Some(reason) => (ShelfState::Refused, Some(reason)),
                    None => (ShelfState::Ok, self.is_full().then(|| FULL.to_owned())),
                },
            },
        };
        let space = *self.space.lock().unwrap_or_else(PoisonError::into_inner);
        ShelfRow {
            name: self.name.clone(),
            state,
            reason,
            free_bytes: space.map(|space| space.free),
            total_bytes: space.map(|space| space.total),
        }
    }

    /// Whether it takes part.
    pub(crate) fn is_in_use(&self) -> bool {
        self.opened().is_ok_and(|shelf| shelf.failure().is_none()) && self.retired().is_none()
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
        self.opened().map_or(0, |shelf| shelf.write_buffer_bytes())
    }

    /// Takes note of its room, and says so when it fills up or has room again.
    fn look_at_space(&self) {
        let found = Space::of(&self.path);
        *self.space.lock().unwrap_or_else(PoisonError::into_inner) = found;
        let was_full = self.is_full();
        let is_full = found.is_some_and(|space| self.marks.is_full(space, was_full));
        self.full.store(is_full, Ordering::Relaxed);
        if let (Some(space), Ok(opened)) = (found, self.opened())
            && space.is_past(self.marks.stop)
            && opened.failure().is_none()
        {
            let detail = format!("its file system has {} MiB left", space.free >> 20);
            opened.fail(ErrorClass::Full, &detail);
        }
        let shelf = &self.name;
        match (was_full, is_full) {
            (false, true) => tracing::error!(
                %shelf,
                path = %self.path.display(),
                "the shelf is full: groups with most replicas on such shelves take no more mail until there is room"
            ),
            (true, false) => tracing::info!(%shelf, "the shelf has room again"),
            _ => {}
        }
    }

    fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }
}

/// Systems differ in how wide they count.
fn wide(number: impl Into<u64>) -> u64 {
    number.into()
}

/// Starts a thread for each shelf that looks at its calls in flight, and one that looks at its free space and may hang
/// with its disk; groups are told what is full. They end with the shelf.
pub(crate) fn watch(shelves: &[Arc<NodeShelf>], replicator: &NodeReplicator) -> std::io::Result<()> {
    let opened: Vec<_> = shelves
        .iter()
        .filter_map(|shelf| Some((shelf, shelf.opened().ok()?)))
        .collect();
    let all: Arc<[Weak<NodeShelf>]> = opened.iter().map(|(shelf, _)| Arc::downgrade(shelf)).collect();
    for (shelf, opened) in opened {
        watch_calls(&shelf.name, opened)?;
        let (looked_at, all, replicator) = (Arc::downgrade(shelf), all.clone(), replicator.clone());
        thread::Builder::new()
            .name(format!("{}-space", shelf.name))
            .spawn(move || {
                while let Some(shelf) = looked_at.upgrade() {
                    shelf.look_at_space();
                    drop(shelf);
                    let full = all.iter().filter_map(Weak::upgrade).filter(|shelf| shelf.is_full());
                    replicator.set_full_shelves(full.filter_map(|shelf| shelf.id).collect());
                    thread::sleep(SPACE_EVERY);
                }
            })?;
    }
    Ok(())
}

/// Starts a thread that fails `shelf` when its disk hangs. It ends with this opening.
pub(crate) fn watch_calls(name: &str, shelf: Shelf) -> std::io::Result<()> {
    let of_thread = name.to_owned();
    let thread = thread::Builder::new().name(format!("{name}-watch"));
    thread.spawn(move || look_at_calls(&of_thread, &shelf)).map(drop)
}

fn look_at_calls(name: &str, shelf: &Shelf) {
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
                tracing::error!(shelf = name, detail, "disk hangs");
                shelf.fail(ErrorClass::Stalled, &detail);
            }
            Some(oldest) if !warned => {
                let (operation, age_ms) = (oldest.operation, oldest.age.as_millis());
                tracing::warn!(shelf = name, operation, age_ms, "disk is slow");
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
                let Ok(opened) = shelf.opened() else { return };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shelf_is_full_by_what_this_process_may_use_and_for_a_little_longer_than_it_fills() {
        let space = |used, free| Space {
            total: 2_000,
            used,
            free,
        };
        let marks = Marks::of(95);
        assert!(!marks.is_full(space(949, 51), false) && marks.is_full(space(950, 50), false));
        assert!(marks.is_full(space(940, 60), true) && !marks.is_full(space(939, 61), true));
        assert!(!space(969, 31).is_past(marks.stop) && space(970, 30).is_past(marks.stop));
        // A file system that does not count says nothing.
        assert!(!marks.is_full(space(0, 0), false));
    }

    #[test]
    fn whatever_the_operator_sets_room_comes_before_full_and_full_before_stop() {
        use cluster_config::limits::{SHELF_FULL_PERCENT_HIGH, SHELF_FULL_PERCENT_LOW};
        for percent in SHELF_FULL_PERCENT_LOW..=SHELF_FULL_PERCENT_HIGH {
            let marks = Marks::of(percent);
            assert!(
                marks.roomy < marks.full && marks.full < marks.stop && marks.stop < 1_000,
                "{marks:?}"
            );
        }
    }
}
