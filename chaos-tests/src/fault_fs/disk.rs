//! The directory behind a mount: every call of a file system, done there, with a note of what is not durable.
//!
//! Invariants
//! - A change and its note are made under one lock, so that a power cut finds either both or neither.
//! - Paths are below the mount point; no call leaves it, since there are no links to elsewhere.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{FileAttr, FileType, INodeNo};
use nix::errno::Errno;
use nix::fcntl::FallocateFlags;

use super::listing::Entry;
use super::names::Names;
use super::unsynced::{Loss, Lost, Sync, Unsynced};
use super::unsynced_names::{Change, Grave, UnsyncedNames};

/// An open file, or a directory that is being listed.
#[derive(Clone)]
pub(super) enum Open {
    File {
        number: u64,
        file: Arc<File>,
        path: PathBuf,
    },
    Directory {
        entries: Arc<Vec<Entry>>,
    },
}

/// See the module.
pub(super) struct Disk {
    root: PathBuf,
    graves: PathBuf,
    last_grave: u64,
    names: Names,
    open: HashMap<u64, Open>,
    last_handle: u64,
    unsynced: Unsynced,
    unsynced_names: UnsyncedNames,
}

/// What is to be set of a file.
pub(super) struct Settings {
    pub(super) mode: Option<u32>,
    pub(super) len: Option<u64>,
    pub(super) accessed: Option<SystemTime>,
    pub(super) modified: Option<SystemTime>,
}

impl Disk {
    /// Files are in `root`; `graves` is an empty directory beside it.
    pub(super) fn new(root: PathBuf, graves: PathBuf) -> Self {
        Self {
            unsynced_names: UnsyncedNames::new(root.clone()),
            root,
            graves,
            last_grave: 0,
            names: Names::new(),
            open: HashMap::new(),
            last_handle: 0,
            unsynced: Unsynced::default(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a file is.
    pub(super) fn path(&self, number: u64) -> io::Result<PathBuf> {
        let path = self.names.path(number).map(Path::to_owned);
        path.ok_or_else(|| Errno::ESTALE.into())
    }

    /// Where a name is in a directory.
    pub(super) fn path_in(&self, directory: u64, name: &std::ffi::OsStr) -> io::Result<PathBuf> {
        Ok(self.path(directory)?.join(name))
    }

    pub(super) fn handle(&self, handle: u64) -> io::Result<Open> {
        self.open.get(&handle).cloned().ok_or_else(|| Errno::EBADF.into())
    }

    fn file(&self, handle: u64) -> io::Result<(u64, Arc<File>)> {
        match self.open.get(&handle) {
            Some(Open::File { number, file, .. }) => Ok((*number, file.clone())),
            _ => Err(Errno::EBADF.into()),
        }
    }

    fn hold(&mut self, open: Open) -> u64 {
        self.last_handle += 1;
        self.open.insert(self.last_handle, open);
        self.last_handle
    }

    pub(super) fn release(&mut self, handle: u64) {
        self.open.remove(&handle);
    }

    /// Attributes of a file by its path.
    pub(super) fn look_up(&mut self, path: &Path) -> io::Result<FileAttr> {
        let metadata = fs::symlink_metadata(self.root.join(path))?;
        Ok(attributes(self.names.number(path), &metadata))
    }

    /// Attributes of a file by its number, also when it has lost its name and is still open.
    pub(super) fn attributes(&self, number: u64) -> io::Result<FileAttr> {
        let metadata = match self.names.path(number) {
            Some(path) => fs::symlink_metadata(self.root.join(path))?,
            None => self.nameless(number)?.metadata()?,
        };
        Ok(attributes(number, &metadata))
    }

    fn nameless(&self, wanted: u64) -> io::Result<Arc<File>> {
        let of_number = |open: &Open| match open {
            Open::File { number, file, .. } if *number == wanted => Some(file.clone()),
            _ => None,
        };
        self.open
            .values()
            .find_map(of_number)
            .ok_or_else(|| Errno::ESTALE.into())
    }

    pub(super) fn set(&mut self, number: u64, settings: &Settings) -> io::Result<FileAttr> {
        let file = match self.names.path(number) {
            Some(path) if self.root.join(path).is_dir() => Arc::new(File::open(self.root.join(path))?),
            Some(path) => {
                let file = OpenOptions::new().read(true).write(true).open(self.root.join(path));
                Arc::new(file?)
            }
            None => self.nameless(number)?,
        };
        if let Some(len) = settings.len {
            self.unsynced.resizes(number, &file, len)?;
            file.set_len(len)?;
        }
        if let Some(mode) = settings.mode {
            file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
        }
        let mut times = fs::FileTimes::new();
        if let Some(accessed) = settings.accessed {
            times = times.set_accessed(accessed);
        }
        if let Some(modified) = settings.modified {
            times = times.set_modified(modified);
        }
        file.set_times(times)?;
        self.attributes(number)
    }

    /// Opens a file that is there.
    pub(super) fn open(&mut self, number: u64, for_writing: bool) -> io::Result<u64> {
        let path = self.path(number)?;
        let file = OpenOptions::new()
            .read(true)
            .write(for_writing)
            .open(self.root.join(&path))?;
        let file = Arc::new(file);
        Ok(self.hold(Open::File { number, file, path }))
    }

    /// Opens a file that is made if it is not there.
    pub(super) fn create(&mut self, path: PathBuf, mode: u32, is_exclusive: bool) -> io::Result<(FileAttr, u64)> {
        let full = self.root.join(&path);
        let is_new = !full.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .create_new(is_exclusive)
            .truncate(false)
            .mode(mode)
            .open(full)?;
        if is_new {
            self.unsynced_names.note(Change::Created { path: path.clone() });
        }
        let attributes = self.look_up(&path)?;
        let (number, file) = (attributes.ino.0, Arc::new(file));
        Ok((attributes, self.hold(Open::File { number, file, path })))
    }

    pub(super) fn make_directory(&mut self, path: &Path, mode: u32) -> io::Result<FileAttr> {
        fs::DirBuilder::new().mode(mode).create(self.root.join(path))?;
        self.unsynced_names.note(Change::Created { path: path.to_owned() });
        self.look_up(path)
    }

    pub(super) fn link(&mut self, number: u64, path: &Path) -> io::Result<FileAttr> {
        fs::hard_link(self.root.join(self.path(number)?), self.root.join(path))?;
        self.unsynced_names.note(Change::Created { path: path.to_owned() });
        self.names.linked(number, path);
        self.look_up(path)
    }

    /// Puts a file aside until it may be gone.
    fn bury(&mut self, path: &Path) -> io::Result<Grave> {
        self.last_grave += 1;
        let at = self.graves.join(self.last_grave.to_string());
        fs::rename(self.root.join(path), &at)?;
        let number = self.names.number(path);
        Ok(Grave { at, number })
    }

    /// A file that still has another name, or is open, may have changes that are not durable.
    fn forget(&mut self, gone: Vec<u64>) {
        for number in gone {
            if self.names.path(number).is_none() && self.nameless(number).is_err() {
                self.unsynced.forget(number);
            }
        }
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let grave = self.bury(path)?;
        let path = path.to_owned();
        self.names.removed(&path);
        self.unsynced_names.note(Change::Removed { path, grave });
        Ok(())
    }

    pub(super) fn remove_directory(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_dir(self.root.join(path))?;
        let path = path.to_owned();
        self.names.removed(&path);
        self.unsynced_names.note(Change::RemovedDirectory { path });
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (full_from, full_to) = (self.root.join(from), self.root.join(to));
        if fs::symlink_metadata(&full_from)?.is_dir() {
            fs::rename(full_from, full_to)?;
            let gone = self.unsynced_names.settle_all();
            self.forget(gone);
        } else if from != to {
            let grave = match fs::symlink_metadata(&full_to) {
                Ok(metadata) if metadata.is_dir() => return Err(Errno::EISDIR.into()),
                Ok(_) => Some(self.bury(to)?),
                Err(_) => None,
            };
            fs::rename(full_from, full_to)?;
            let (from, to) = (from.to_owned(), to.to_owned());
            self.unsynced_names.note(Change::Renamed { from, to, grave });
        }
        self.names.renamed(from, to);
        Ok(())
    }

    pub(super) fn write(&mut self, handle: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (number, file) = self.file(handle)?;
        self.unsynced.writes(number, &file, offset, bytes.len() as u64)?;
        file.write_all_at(bytes, offset)
    }

    pub(super) fn allocate(&mut self, handle: u64, offset: u64, len: u64, mode: i32) -> io::Result<()> {
        let (number, file) = self.file(handle)?;
        let flags = FallocateFlags::from_bits_retain(mode);
        // Holes and the like would need notes of their own.
        if !FallocateFlags::FALLOC_FL_KEEP_SIZE.contains(flags) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        self.unsynced.writes(number, &file, offset, 0)?;
        let signed = |number: u64| i64::try_from(number).map_err(|_| Errno::EFBIG);
        Ok(nix::fcntl::fallocate(&file, flags, signed(offset)?, signed(len)?)?)
    }

    /// First half of a sync; the file has to be synced between the two, without this lock.
    pub(super) fn begin_sync(&mut self, handle: u64) -> io::Result<(Arc<File>, Sync)> {
        let (number, file) = self.file(handle)?;
        Ok((file, self.unsynced.begin_sync(number)))
    }

    /// The other half.
    pub(super) fn end_sync(&mut self, sync: &Sync) {
        self.unsynced.end_sync(sync);
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync_directory(&mut self, number: u64) -> io::Result<()> {
        let path = self.path(number)?;
        File::open(self.root.join(&path))?.sync_all()?;
        let gone = self.unsynced_names.synced(&path);
        self.forget(gone);
        Ok(())
    }

    /// Begins to list a directory.
    pub(super) fn open_directory(&mut self) -> u64 {
        let entries = Arc::default();
        self.hold(Open::Directory { entries })
    }

    /// What a directory holds now.
    pub(super) fn list(&mut self, number: u64) -> io::Result<Vec<Entry>> {
        let path = self.path(number)?;
        let own = |name: &str| Entry {
            number,
            file_type: FileType::Directory,
            name: name.into(),
        };
        let mut entries = vec![own("."), own("..")];
        for entry in fs::read_dir(self.root.join(&path))? {
            let entry = entry?;
            entries.push(Entry {
                number: self.names.number(&path.join(entry.file_name())),
                file_type: FileType::from_std(entry.file_type()?).unwrap_or(FileType::RegularFile),
                name: entry.file_name(),
            });
        }
        Ok(entries)
    }

    /// The listing that a handle goes through from now on.
    pub(super) fn keep_listing(&mut self, handle: u64, entries: Vec<Entry>) -> Arc<Vec<Entry>> {
        let entries = Arc::new(entries);
        let open = Open::Directory {
            entries: entries.clone(),
        };
        self.open.insert(handle, open);
        entries
    }

    /// Loses what is not durable. Nobody has a file open any more.
    pub(super) fn lose(&mut self, loss: Loss) -> io::Result<Lost> {
        let names = self.unsynced_names.lose(loss)?;
        let lost = self.unsynced.lose(loss)?;
        self.open.clear();
        self.names.forget_all();
        Ok(Lost { names, ..lost })
    }
}

fn attributes(number: u64, metadata: &Metadata) -> FileAttr {
    let time = |seconds: i64, nanoseconds: i64| {
        let seconds = u64::try_from(seconds).unwrap_or_default();
        let nanoseconds = u32::try_from(nanoseconds).unwrap_or_default();
        SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)
    };
    FileAttr {
        ino: INodeNo(number),
        size: metadata.len(),
        blocks: metadata.blocks(),
        atime: time(metadata.atime(), metadata.atime_nsec()),
        mtime: time(metadata.mtime(), metadata.mtime_nsec()),
        ctime: time(metadata.ctime(), metadata.ctime_nsec()),
        crtime: SystemTime::UNIX_EPOCH,
        kind: FileType::from_std(metadata.file_type()).unwrap_or(FileType::RegularFile),
        perm: u16::try_from(metadata.mode() & 0o7777).unwrap_or_default(),
        nlink: u32::try_from(metadata.nlink()).unwrap_or(1),
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}
