//! Small files that are there whole or not at all, also after a power cut: the only place that renames and syncs them.
//!
//! Invariants
//! - A file under its final name has been synced before it got that name, and the directory after.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `dir/name`, replacing what was there.
pub(crate) fn write_file(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.tmp"));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    rename(dir, &temporary, &dir.join(name))
}

/// Renames within `dir`, durably.
pub(crate) fn rename(dir: &Path, from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_dir(dir)
}

/// Removes `dir/name` durably; it may be gone already.
pub(crate) fn remove_file(dir: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(dir.join(name)) {
        Ok(()) => sync_dir(dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The bytes of `dir/name`; `None` when there is no such file in a directory that exists.
pub(crate) fn read_file(dir: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    match fs::read(dir.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && dir.is_dir() => Ok(None),
        Err(error) => Err(error),
    }
}
