//! What a shelf had acknowledged, remembered outside it (DESIGN D10).
//!
//! RocksDB recovers the longest intact prefix of its log and says nothing about what it dropped. So the number of the
//! last acknowledged batch goes to other disks, and a shelf that comes back with less than that has lost what it
//! promised.
//!
//! Invariants
//! - Nobody waits for a mark: a late or missing one only weakens detection.
//! - One thread per place keeps only the latest number, so a place that hangs holds up nothing else.
//! - A mark is written in turn to two slots and synced, so a torn write leaves the one before it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use bytes::{Buf, BufMut};
use mail_model::ShelfId;
use parking_lot::{Condvar, Mutex};

use crate::crashsafe;
use crate::error::ShelfLabel;
use crate::identity;
use crate::limits::{HIGH_WATER_INTERVAL, MARK_READ_WAIT};

const VERSION: u8 = 1;
const SLOT_BYTES: usize = 64;
/// Slots lie in different sectors and pages, so that one torn write cannot take both.
const SLOT_STRIDE: u64 = 4_096;
const CHECKED_BYTES: usize = 33;
const FOLDER: &str = "marks";

/// One place's file of marks of one shelf.
fn mark_path(place: &Path, shelf: ShelfId) -> PathBuf {
    let name: String = shelf.0.iter().map(|byte| format!("{byte:02x}")).collect();
    place.join(FOLDER).join(name)
}

fn encode_slot(shelf: ShelfId, counter: u64, sequence: u64) -> Vec<u8> {
    let mut slot = Vec::with_capacity(SLOT_BYTES);
    slot.put_u8(VERSION);
    slot.put_slice(&shelf.0);
    slot.put_u64_le(counter);
    slot.put_u64_le(sequence);
    slot.put_u32_le(crc32c::crc32c(&slot));
    slot.resize(SLOT_BYTES, 0);
    slot
}

/// (counter, batch number) of a slot, if it is whole.
pub(crate) fn decode_slot(slot: &[u8], shelf: ShelfId) -> Option<(u64, u64)> {
    let (checked, mut rest) = slot.split_at_checked(CHECKED_BYTES)?;
    if rest.len() < 4 || crc32c::crc32c(checked) != rest.get_u32_le() {
        return None;
    }
    let (head, mut numbers) = checked.split_at_checked(17)?;
    let ours = head.first() == Some(&VERSION) && head.get(1..) == Some(shelf.0.as_slice());
    ours.then(|| (numbers.get_u64_le(), numbers.get_u64_le()))
}

fn read_slots(file: &File, shelf: ShelfId) -> io::Result<[Option<(u64, u64)>; 2]> {
    let mut slots = [None; 2];
    for (slot, at) in slots.iter_mut().zip([0, SLOT_STRIDE]) {
        let mut bytes = [0; SLOT_BYTES];
        match file.read_exact_at(&mut bytes, at) {
            Ok(()) => *slot = decode_slot(&bytes, shelf),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
    Ok(slots)
}

/// A directory that keeps marks.
#[derive(Clone, Debug)]
pub(crate) struct MarkPlace {
    pub(crate) dir: PathBuf,
    /// A shelf: only if it is one now, so that nothing is written into the bare mount point of one that is away.
    pub(crate) is_shelf: bool,
}

/// The highest mark of `shelf` that any of `places` still has. A place that does not answer in time counts as gone, so
/// that a sibling that hangs does not keep this shelf closed.
pub(crate) fn highest(label: &ShelfLabel, shelf: ShelfId, places: Vec<MarkPlace>) -> Option<u64> {
    let (sender, receiver) = mpsc::channel();
    for place in places {
        let (sender, label) = (sender.clone(), label.clone());
        let thread = std::thread::Builder::new().name(format!("{}-marks", label.name));
        let read = move || {
            // Nobody listens any more once the time is up.
            let _ = sender.send(read_mark(&label, shelf, &place.dir));
        };
        if let Err(error) = thread.spawn(read) {
            tracing::warn!(%error, "no thread to read high-water marks");
        }
    }
    drop(sender);
    let deadline = Instant::now() + MARK_READ_WAIT;
    let mut highest = None;
    // Ends with an error once all have answered or the time is up.
    while let Ok(mark) = receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        highest = highest.max(mark);
    }
    highest
}

fn read_mark(label: &ShelfLabel, shelf: ShelfId, place: &Path) -> Option<u64> {
    let path = mark_path(place, shelf);
    match File::open(&path).and_then(|file| read_slots(&file, shelf)) {
        Ok(slots) => slots.into_iter().flatten().map(|(_, sequence)| sequence).max(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(shelf = %label.name, path = %path.display(), %error, "a high-water mark cannot be read");
            None
        }
    }
}

/// A mark file, open for writing.
struct MarkFile {
    file: File,
    shelf: ShelfId,
    counter: u64,
}

impl MarkFile {
    fn open(place: &MarkPlace, shelf: ShelfId) -> io::Result<Self> {
        if place.is_shelf && !identity::is_there(&place.dir) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no shelf"));
        }
        let folder = place.dir.join(FOLDER);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let path = mark_path(&place.dir, shelf);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        crashsafe::sync_dir(&folder)?;
        crashsafe::sync_dir(&place.dir)?;
        let slots = read_slots(&file, shelf)?;
        let counter = slots
            .into_iter()
            .flatten()
            .map(|(counter, _)| counter)
            .max()
            .unwrap_or(0);
        Ok(Self { file, shelf, counter })
    }

    fn write(&mut self, sequence: u64) -> io::Result<()> {
        self.counter += 1;
        let slot = encode_slot(self.shelf, self.counter, sequence);
        self.file.write_all_at(&slot, (self.counter % 2) * SLOT_STRIDE)?;
        self.file.sync_data()
    }
}

#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

/// The threads that carry one shelf's marks. They end, without being waited for, when this is dropped.
pub(crate) struct HighWater {
    stop: Arc<Stop>,
}

impl HighWater {
    /// Starts a thread per place that exists; `acknowledged` is the number to carry. A place that is not there gets
    /// a warning and no marks: it may be a sibling whose disk is not mounted.
    pub(crate) fn start(
        label: &ShelfLabel,
        shelf: ShelfId,
        places: Vec<MarkPlace>,
        acknowledged: &Arc<AtomicU64>,
    ) -> Self {
        let stop = Arc::new(Stop::default());
        for place in places {
            let (label, acknowledged, stop) = (label.clone(), acknowledged.clone(), stop.clone());
            let thread = std::thread::Builder::new().name(format!("{}-mark", label.name));
            let carrier = Carrier {
                label,
                place,
                acknowledged,
                stop,
            };
            if let Err(error) = thread.spawn(move || carrier.run(shelf)) {
                tracing::warn!(%error, "no thread for high-water marks");
            }
        }
        Self { stop }
    }
}

impl Drop for HighWater {
    fn drop(&mut self) {
        *self.stop.stopped.lock() = true;
        self.stop.changed.notify_all();
    }
}

struct Carrier {
    label: ShelfLabel,
    place: MarkPlace,
    acknowledged: Arc<AtomicU64>,
    stop: Arc<Stop>,
}

impl Carrier {
    fn run(&self, shelf: ShelfId) {
        // Opening may hang on a dead disk, hence here and not in `start`. The file is never made anew later: by then
        // the disk may be gone and its mount point lie bare.
        let mut file = match MarkFile::open(&self.place, shelf) {
            Ok(file) => file,
            Err(error) => return self.warn(&error),
        };
        let mut carried = None;
        let mut failing = false;
        loop {
            let latest = self.acknowledged.load(Ordering::Acquire);
            if carried != Some(latest) {
                match file.write(latest) {
                    Ok(()) => (carried, failing) = (Some(latest), false),
                    Err(error) if !failing => {
                        failing = true;
                        self.warn(&error);
                    }
                    Err(_) => {}
                }
            }
            if self.wait() {
                return;
            }
        }
    }

    /// Waits for the next turn; `true` when there is none.
    fn wait(&self) -> bool {
        let mut stopped = self.stop.stopped.lock();
        let changed = &self.stop.changed;
        changed.wait_while_for(&mut stopped, |stopped| !*stopped, HIGH_WATER_INTERVAL);
        *stopped
    }

    fn warn(&self, error: &io::Error) {
        let (shelf, place) = (&self.label.name, self.place.dir.display());
        tracing::warn!(%shelf, %place, %error, "high-water marks cannot be written here");
        metrics::counter!("shelf_mark_failures_total", "shelf" => shelf.to_string()).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELF: ShelfId = ShelfId([7; 16]);

    fn label() -> ShelfLabel {
        ShelfLabel::new("s", 1)
    }

    fn place(dir: &tempfile::TempDir) -> MarkPlace {
        MarkPlace {
            dir: dir.path().to_path_buf(),
            is_shelf: false,
        }
    }

    #[test]
    fn a_torn_slot_leaves_the_mark_before_it() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let found = || highest(&label(), SHELF, vec![place(&dir)]);
        assert_eq!(found(), None);
        let mut file = MarkFile::open(&place(&dir), SHELF).expect("opens");
        file.write(10).expect("written");
        file.write(11).expect("written");
        assert_eq!(found(), Some(11));
        let newest = (file.counter % 2) * SLOT_STRIDE;
        file.file.write_all_at(b"torn", newest + 20).expect("written");
        assert_eq!(found(), Some(10));
        let mut again = MarkFile::open(&place(&dir), SHELF).expect("opens");
        again.write(12).expect("written");
        assert_eq!(found(), Some(12));
    }

    #[test]
    fn the_highest_mark_of_all_places_counts_and_marks_of_others_do_not() {
        let (one, two) = (
            tempfile::tempdir().expect("directory"),
            tempfile::tempdir().expect("directory"),
        );
        MarkFile::open(&place(&one), SHELF)
            .expect("opens")
            .write(5)
            .expect("written");
        MarkFile::open(&place(&two), SHELF)
            .expect("opens")
            .write(8)
            .expect("written");
        let gone = MarkPlace {
            dir: one.path().join("gone"),
            is_shelf: false,
        };
        assert_eq!(highest(&label(), SHELF, vec![place(&one), place(&two), gone]), Some(8));
        let other = ShelfId([8; 16]);
        fs::copy(mark_path(one.path(), SHELF), mark_path(one.path(), other)).expect("copied");
        assert_eq!(highest(&label(), other, vec![place(&one)]), None);
    }

    #[test]
    fn nothing_is_written_into_a_bare_mount_point() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let bare = MarkPlace {
            is_shelf: true,
            ..place(&dir)
        };
        assert!(MarkFile::open(&bare, SHELF).is_err());
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0);
        let gone = MarkPlace {
            dir: dir.path().join("gone"),
            is_shelf: false,
        };
        assert!(MarkFile::open(&gone, SHELF).is_err());
        assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0);
    }

    #[test]
    fn a_thread_carries_the_latest_number() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let acknowledged = Arc::new(AtomicU64::new(3));
        let carried = HighWater::start(&label(), SHELF, vec![place(&dir)], &acknowledged);
        while highest(&label(), SHELF, vec![place(&dir)]) != Some(3) {
            std::thread::yield_now();
        }
        acknowledged.store(9, Ordering::Release);
        while highest(&label(), SHELF, vec![place(&dir)]) != Some(9) {
            std::thread::yield_now();
        }
        drop(carried);
    }
}
