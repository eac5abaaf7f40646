//! New files, each whole or not there, none over another: the only place of the founding that writes.
//!
//! Invariants
//! - A file under its final name has been synced before it got that name, and its directory after.
//! - A final name is looked for again once the file of its temporary name, which must be new, exists: two foundings at
//!   once cannot both win.
//! - Directories have mode 0700, secrets 0600.
//! - When one file fails, those written before are removed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::FoundError;

const DIR_MODE: u32 = 0o700;
const SECRET_MODE: u32 = 0o600;
const OPEN_MODE: u32 = 0o644;
const MOUNT_POINT_HAS: &str = "lost+found";

/// A file to be.
pub(super) struct NewFile {
    path: PathBuf,
    bytes: Vec<u8>,
    mode: u32,
}

impl NewFile {
    pub(super) fn open(path: PathBuf, text: impl AsRef<str>) -> Self {
        Self::with_mode(path, text.as_ref(), OPEN_MODE)
    }

    pub(super) fn secret(path: PathBuf, text: impl AsRef<str>) -> Self {
        Self::with_mode(path, text.as_ref(), SECRET_MODE)
    }

    fn with_mode(path: PathBuf, text: &str, mode: u32) -> Self {
        let bytes = text.as_bytes().to_vec();
        Self { path, bytes, mode }
    }

    fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn temporary(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        name.into()
    }

    fn write(&self) -> io::Result<()> {
        let temporary = self.temporary();
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(self.mode)
            .open(&temporary)?;
        let written = (|| {
            if is_there(&self.path)? {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            file.write_all(&self.bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)
        })();
        if written.is_err() {
            // Best effort: the error that matters is the first one, and a leftover is named by the next attempt.
            let _ = fs::remove_file(&temporary);
        }
        written?;
        File::open(self.dir())?.sync_all()
    }
}

/// All files of a founding, in the order in which they are written.
#[derive(Default)]
pub(super) struct Files {
    files: Vec<NewFile>,
    empty: Vec<PathBuf>,
}

impl Files {
    pub(super) fn add(&mut self, file: NewFile) {
        self.files.push(file);
    }

    /// Directories that must have nothing in them, or not be there.
    pub(super) fn must_be_empty(&mut self, dirs: impl Iterator<Item = PathBuf>) {
        self.empty.extend(dirs);
    }

    /// Looks for what is in the way.
    pub(super) fn check(&self) -> Result<(), FoundError> {
        let mut there = Vec::new();
        for file in &self.files {
            for path in [file.path.clone(), file.temporary()] {
                if is_there(&path).map_err(|error| failed(&path, error))? {
                    there.push(path);
                }
            }
        }
        for dir in &self.empty {
            there.extend(first_in(dir).map_err(|error| failed(dir, error))?);
        }
        if !there.is_empty() {
            return Err(FoundError::Exists(there));
        }
        for dir in self.dirs() {
            if is_open(dir).map_err(|error| failed(dir, error))? && first_in(dir).is_ok_and(|first| first.is_some()) {
                return Err(FoundError::Open(dir.to_owned()));
            }
        }
        Ok(())
    }

    /// Writes all.
    pub(super) fn write(&self) -> Result<(), FoundError> {
        self.check()?;
        let mut made = Made::default();
        let written = self.write_each(&mut made);
        if written.is_err() {
            made.undo();
        }
        written
    }

    fn write_each(&self, made: &mut Made) -> Result<(), FoundError> {
        for dir in self.dirs() {
            made.directory(dir).map_err(|error| failed(dir, error))?;
        }
        for file in &self.files {
            file.write().map_err(|error| failed(&file.path, error))?;
            made.files.push(file.path.clone());
        }
        Ok(())
    }

    fn dirs(&self) -> Vec<&Path> {
        let mut dirs: Vec<&Path> = self.files.iter().map(NewFile::dir).collect();
        dirs.sort();
        dirs.dedup();
        dirs
    }
}

/// What a founding has made so far.
#[derive(Default)]
struct Made {
    dirs: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Made {
    /// Makes `dir` and what is missing above it, for its owner alone; one that exists, empty, is closed to others.
    fn directory(&mut self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return if is_open(dir)? {
                fs::set_permissions(dir, Permissions::from_mode(DIR_MODE))
            } else {
                Ok(())
            };
        }
        let parent = dir.parent().unwrap_or(Path::new("/"));
        if !parent.is_dir() {
            self.directory(parent)?;
        }
        DirBuilder::new().mode(DIR_MODE).create(dir)?;
        self.dirs.push(dir.to_owned());
        File::open(parent)?.sync_all()
    }

    /// Best effort: what cannot be removed is named when the founding is tried again.
    fn undo(&self) {
        for file in self.files.iter().rev() {
            let _ = fs::remove_file(file);
        }
        for dir in self.dirs.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Whether there is anything of that name, be it a link to nowhere.
fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether others than the owner may do anything in `dir`; not when it is not there.
fn is_open(dir: &Path) -> io::Result<bool> {
    match fs::metadata(dir) {
        Ok(found) => Ok(found.permissions().mode() & 0o077 != 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Something in `dir`, if there is anything but what a fresh mount point has.
fn first_in(dir: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name() != MOUNT_POINT_HAS {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

fn failed(path: &Path, error: io::Error) -> FoundError {
    FoundError::Write {
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_a_failure_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let mut files = Files::default();
        for name in ["a/b/one", "c/two", "a/b/one"] {
            files.add(NewFile::secret(root.path().join(name), "text"));
        }
        match files.write() {
            Err(FoundError::Write { path, error }) => {
                assert_eq!(
                    (path, error.kind()),
                    (root.path().join("a/b/one"), io::ErrorKind::AlreadyExists)
                );
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_to_nowhere_is_not_written_over() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("one");
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        let mut files = Files::default();
        files.add(NewFile::open(path.clone(), "text"));
        assert!(matches!(files.write(), Err(FoundError::Exists(there)) if there == [path.clone()]));
        assert!(path.is_symlink());
    }
}
