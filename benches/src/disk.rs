//! The disk: what it can do by itself, which is small appends, each synced before the next; and files that are on it and
//! not in memory.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::limits::{CHECKED_BYTES, PROBE_BYTES, PROBE_FOR};
use crate::process_io;

/// Refuses directories in memory.
pub(crate) fn ensure_disk(dir: &Path) -> anyhow::Result<()> {
    let found = statfs(dir).with_context(|| format!("look at {}", dir.display()))?;
    ensure!(
        found.filesystem_type() != TMPFS_MAGIC,
        "{} is in memory, where a sync costs nothing: name a directory on a disk with --dir DIR",
        dir.display()
    );
    Ok(())
}

/// Appends of [`PROBE_BYTES`] per second in a new file of `dir`, with fdatasync after each.
pub(crate) fn synced_appends_per_second(dir: &Path) -> anyhow::Result<f64> {
    let mut file: File = tempfile::tempfile_in(dir).context("make a file to measure the disk with")?;
    let bytes = [b'x'; PROBE_BYTES];
    let started = Instant::now();
    let mut appends = 0_u32;
    while started.elapsed() < PROBE_FOR {
        file.write_all(&bytes)
            .and_then(|()| file.sync_data())
            .context("append to a file")?;
        appends += 1;
    }
    Ok(f64::from(appends) / started.elapsed().as_secs_f64())
}

/// Has the kernel forget the contents of all files below `dir`, so that they are read from the disk next time. Names and
/// attributes of files may stay in memory.
///
/// # Errors
/// When a file cannot be read, or the largest one stays in memory all the same.
pub(crate) fn drop_from_memory(dir: &Path) -> anyhow::Result<()> {
    // What is not on the disk yet stays.
    let top = File::open(dir).with_context(|| format!("open {}", dir.display()))?;
    nix::unistd::syncfs(&top).context("sync a file system")?;
    let (mut largest, mut left) = (None, vec![dir.to_owned()]);
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
            let entry = entry?;
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() {
                left.push(path);
            } else if kind.is_file() {
                let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
                forget(&file)?;
                let size = entry.metadata()?.len();
                largest = largest.max(Some((size, path)));
            }
        }
    }
    match largest {
        Some((size, path)) if size >= CHECKED_BYTES as u64 => ensure_on_disk(&path),
        _ => Ok(()),
    }
}

fn forget(file: &File) -> anyhow::Result<()> {
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).context("drop a file from memory")
}

/// Reads a bit of a file, and sees whether the disk had to be asked.
fn ensure_on_disk(path: &Path) -> anyhow::Result<()> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let before = process_io::of(std::process::id())?.read_bytes;
    let mut bytes = vec![0; CHECKED_BYTES];
    file.read_exact(&mut bytes)
        .with_context(|| format!("read {}", path.display()))?;
    let read = process_io::of(std::process::id())?.read_bytes - before;
    ensure!(
        read >= CHECKED_BYTES as u64,
        "{} stays in memory: this file system cannot be measured cold",
        path.display()
    );
    forget(&file)
}
