//! Calls as the kernel hands them over: counted, judged, done or not, and answered.
//!
//! Invariant: every call is answered once, now or after its wait. Only the end of a file's use is not subject to faults,
//! since nobody waits for it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Instant, SystemTime};

use fuser::{
    BsdFileFlags, FileHandle, Filesystem, INodeNo, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};
use nix::errno::Errno;

use super::answer::{Answer, Row};
use super::call::{Call, Subject};
use super::counts::Counts;
use super::disk::{Disk, Open, Settings};
use super::faults::{Faults, Ruling, Twist, Wait};
use super::limits::NAME_BYTES_MAX;
use super::listing::damaged;

/// What a mount is, for those who serve it and for those who steer it.
pub(super) struct Shared {
    disk: Mutex<Disk>,
    gate: Mutex<Gate>,
    /// Told of every change of the gate.
    changed: Condvar,
    counts: Mutex<Counts>,
}

pub(super) struct Gate {
    pub(super) faults: Faults,
    /// How often all that waited was told to give up.
    pub(super) let_go: u64,
    /// Calls that wait.
    pub(super) waiting: usize,
}

impl Shared {
    pub(super) fn new(disk: Disk, faults: Faults) -> Self {
        let gate = Gate {
            faults,
            let_go: 0,
            waiting: 0,
        };
        Self {
            disk: Mutex::new(disk),
            gate: Mutex::new(gate),
            changed: Condvar::new(),
            counts: Mutex::default(),
        }
    }

    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("nobody panics with it")
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("nobody panics with it")
    }

    /// Changes what calls wait for.
    pub(super) fn steer<T>(&self, change: impl FnOnce(&mut Gate) -> T) -> T {
        let changed = change(&mut self.gate.lock().expect("nobody panics with it"));
        self.changed.notify_all();
        changed
    }

    fn judge(&self, subject: &Subject) -> Ruling {
        let mut gate = self.gate.lock().expect("nobody panics with it");
        gate.faults.judge(subject, Instant::now(), &[])
    }

    /// Waits until a call may be done or fails.
    fn wait(&self, subject: &Subject, first: Wait) -> Result<Twist, Errno> {
        self.steer(|gate| gate.waiting += 1);
        let outcome = self.wait_over_and_over(subject, first);
        self.steer(|gate| gate.waiting -= 1);
        outcome
    }

    fn wait_over_and_over(&self, subject: &Subject, first: Wait) -> Result<Twist, Errno> {
        let mut gate = self.gate.lock().expect("nobody panics with it");
        let let_go = gate.let_go;
        let (mut waited, mut wait) = (Vec::new(), first);
        loop {
            let left = wait.until.map(|until| until.saturating_duration_since(Instant::now()));
            let is_over = left.is_some_and(|left| left.is_zero()) || !gate.faults.is_active(wait.fault);
            if gate.let_go != let_go {
                return Err(Errno::EIO);
            }
            if !is_over {
                gate = match left {
                    Some(left) => self.changed.wait_timeout(gate, left).expect("nobody panics with it").0,
                    None => self.changed.wait(gate).expect("nobody panics with it"),
                };
                continue;
            }
            waited.push(wait.fault);
            match gate.faults.judge(subject, Instant::now(), &waited) {
                Ruling::Done(twist) => return Ok(twist),
                Ruling::Fails(errno) => return Err(errno),
                Ruling::Waits(next) => wait = next,
            }
        }
    }

    fn answer<R: Answer>(&self, subject: &Subject, outcome: io::Result<R::Value>, reply: R) {
        let bytes = outcome.as_ref().map(R::bytes).map_err(drop);
        self.counts().note(subject, bytes);
        reply.give(outcome.map_err(|error| match error.raw_os_error() {
            Some(errno) => fuser::Errno::from_i32(errno),
            None => fuser::Errno::EIO,
        }));
    }
}

/// See the module.
pub(super) struct Server(pub(super) Arc<Shared>);

impl Server {
    /// Lets a call happen, or not. A wait is spent on a thread of its own.
    fn run<R: Answer>(
        &self,
        request: &Request,
        subject: Subject,
        reply: R,
        work: impl FnOnce(&Shared, &Twist) -> io::Result<R::Value> + Send + 'static,
    ) {
        let shared = &self.0;
        match shared.judge(&subject) {
            Ruling::Done(twist) => shared.answer(&subject, work(shared, &twist), reply),
            Ruling::Fails(errno) => shared.answer(&subject, Err(errno.into()), reply),
            Ruling::Waits(_) if is_own(request.pid()) => {
                shared.answer(&subject, Err(Errno::EDEADLK.into()), reply);
            }
            Ruling::Waits(wait) => {
                let shared = shared.clone();
                thread::spawn(move || {
                    let twist = shared.wait(&subject, wait).map_err(io::Error::from);
                    let outcome = twist.and_then(|twist| work(&shared, &twist));
                    shared.answer(&subject, outcome, reply);
                });
            }
        }
    }

    /// A call about a file by its number.
    fn of_file(&self, call: Call, number: INodeNo) -> Subject {
        let path = self.0.disk().path(number.0);
        Subject::new(call, path.unwrap_or_default())
    }

    /// A call about a name in a directory, and where that is.
    fn of_name(&self, call: Call, parent: INodeNo, name: &OsStr) -> (Subject, io::Result<PathBuf>) {
        let path = self.0.disk().path_in(parent.0, name);
        let known = path.as_deref().unwrap_or(Path::new(name));
        (Subject::new(call, known.to_owned()), path)
    }

    /// A call about a file that is open.
    fn of_handle(&self, call: Call, handle: FileHandle) -> Subject {
        match self.0.disk().handle(handle.0) {
            Ok(Open::File { path, .. }) => Subject::new(call, path),
            _ => Subject::new(call, PathBuf::new()),
        }
    }
}

/// Whether a thread is one of this process.
fn is_own(thread: u32) -> bool {
    Path::new(&format!("/proc/self/task/{thread}")).exists()
}

fn flip(bytes: &mut [u8], which: u64) {
    if !bytes.is_empty() {
        let bit = which % (bytes.len() as u64 * 8);
        let at = usize::try_from(bit / 8).expect("it is in there");
        bytes[at] ^= 1 << (bit % 8);
    }
}

/// As many bytes as there are, up to `size`.
fn read_at(file: &fs::File, offset: u64, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let mut len = 0;
    while len < size {
        match file.read_at(&mut bytes[len..], offset + len as u64)? {
            0 => break,
            more => len += more,
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

impl Filesystem for Server {
    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (subject, path) = self.of_name(Call::Lookup, parent, name);
        let is_too_long = name.len() > NAME_BYTES_MAX;
        self.run(request, subject, reply, move |shared, _| match is_too_long {
            true => Err(Errno::ENAMETOOLONG.into()),
            false => shared.disk().look_up(&path?),
        });
    }

    fn getattr(&self, request: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let subject = self.of_file(Call::Attributes, number);
        self.run(request, subject, reply, move |shared, _| {
            shared.disk().attributes(number.0)
        });
    }

    fn setattr(
        &self,
        request: &Request,
        number: INodeNo,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        len: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _changed: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _created: Option<SystemTime>,
        _metadata_changed: Option<SystemTime>,
        _backed_up: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let time = |time| match time {
            TimeOrNow::SpecificTime(time) => time,
            TimeOrNow::Now => SystemTime::now(),
        };
        let settings = Settings {
            mode,
            len,
            accessed: accessed.map(time),
            modified: modified.map(time),
        };
        let subject = self.of_file(Call::SetAttributes, number);
        self.run(request, subject, reply, move |shared, _| {
            shared.disk().set(number.0, &settings)
        });
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let (subject, path) = self.of_name(Call::Create, parent, name);
        self.run(request, subject, reply, move |shared, _| {
            shared.disk().make_directory(&path?, mode & !umask)
        });
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (subject, path) = self.of_name(Call::Remove, parent, name);
        self.run(request, subject, reply, move |shared, _| shared.disk().remove(&path?));
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let (subject, path) = self.of_name(Call::Remove, parent, name);
        self.run(request, subject, reply, move |shared, _| {
            shared.disk().remove_directory(&path?)
        });
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (subject, from) = self.of_name(Call::Rename, parent, name);
        let (_, to) = self.of_name(Call::Rename, new_parent, new_name);
        self.run(request, subject, reply, move |shared, _| match flags.is_empty() {
            true => shared.disk().rename(&from?, &to?),
            false => Err(Errno::EINVAL.into()),
        });
    }

    fn link(&self, request: &Request, number: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (subject, path) = self.of_name(Call::Create, parent, name);
        self.run(request, subject, reply, move |shared, _| {
            shared.disk().link(number.0, &path?)
        });
    }

    fn open(&self, request: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let for_writing = flags.acc_mode() != OpenAccMode::O_RDONLY;
        let call = if for_writing { Call::OpenForWriting } else { Call::Open };
        let subject = self.of_file(call, number);
        self.run(request, subject, reply, move |shared, _| {
            shared.disk().open(number.0, for_writing)
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let (subject, path) = self.of_name(Call::Create, parent, name);
        let is_exclusive = nix::fcntl::OFlag::from_bits_retain(flags).contains(nix::fcntl::OFlag::O_EXCL);
        self.run(request, subject, reply, move |shared, _| {
            shared.disk().create(path?, mode & !umask, is_exclusive)
        });
    }

    fn read(
        &self,
        request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let subject = self.of_handle(Call::Read, handle);
        self.run(request, subject, reply, move |shared, twist| {
            let Open::File { file, .. } = shared.disk().handle(handle.0)? else {
                return Err(Errno::EISDIR.into());
            };
            let mut bytes = read_at(&file, offset, usize::try_from(size).unwrap_or_default())?;
            if twist.is_short {
                bytes.truncate(bytes.len().div_ceil(2));
            }
            if let Some(which) = twist.flip {
                flip(&mut bytes, which);
            }
            Ok(bytes)
        });
    }

    fn write(
        &self,
        request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let subject = self.of_handle(Call::Write, handle);
        let mut bytes = data.to_vec();
        self.run(request, subject, reply, move |shared, twist| {
            if let Some(which) = twist.flip {
                flip(&mut bytes, which);
            }
            shared.disk().write(handle.0, offset, &bytes)?;
            u32::try_from(bytes.len()).map_err(|_| Errno::EINVAL.into())
        });
    }

    fn release(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.0.disk().release(handle.0);
        reply.ok();
    }

    fn fsync(&self, request: &Request, _number: INodeNo, handle: FileHandle, data_only: bool, reply: ReplyEmpty) {
        let subject = self.of_handle(Call::Sync, handle);
        self.run(request, subject, reply, move |shared, twist| {
            if twist.is_lie {
                return Ok(());
            }
            let (file, sync) = shared.disk().begin_sync(handle.0)?;
            match data_only {
                true => file.sync_data()?,
                false => file.sync_all()?,
            }
            shared.disk().end_sync(&sync);
            Ok(())
        });
    }

    fn opendir(&self, request: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let subject = self.of_file(Call::List, number);
        self.run(request, subject, reply, |shared, _| Ok(shared.disk().open_directory()));
    }

    fn readdir(&self, request: &Request, number: INodeNo, handle: FileHandle, offset: u64, reply: ReplyDirectory) {
        let subject = self.of_file(Call::List, number);
        self.run(request, subject, reply, move |shared, twist| {
            let mut disk = shared.disk();
            let entries = if offset == 0 {
                let mut entries = disk.list(number.0)?;
                if let Some((listing, seed)) = twist.listing {
                    entries = damaged(entries, listing, seed);
                }
                disk.keep_listing(handle.0, entries)
            } else {
                match disk.handle(handle.0)? {
                    Open::Directory { entries } => entries,
                    Open::File { .. } => return Err(Errno::ENOTDIR.into()),
                }
            };
            let rows = (1..)
                .zip(entries.iter())
                .skip(usize::try_from(offset).unwrap_or(usize::MAX));
            let row = |(next, entry): (u64, &super::listing::Entry)| -> Row {
                (entry.number, next, entry.file_type, entry.name.clone())
            };
            Ok(rows.map(row).collect())
        });
    }

    fn releasedir(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.0.disk().release(handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, request: &Request, number: INodeNo, _handle: FileHandle, _data_only: bool, reply: ReplyEmpty) {
        let subject = self.of_file(Call::Sync, number);
        self.run(request, subject, reply, move |shared, twist| match twist.is_lie {
            true => Ok(()),
            false => shared.disk().sync_directory(number.0),
        });
    }

    fn statfs(&self, request: &Request, number: INodeNo, reply: ReplyStatfs) {
        let subject = self.of_file(Call::Space, number);
        self.run(request, subject, reply, |shared, twist| {
            let root = shared.disk().root().to_owned();
            let space = nix::sys::statvfs::statvfs(&root)?;
            Ok((space, twist.is_full))
        });
    }

    fn fallocate(
        &self,
        request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        len: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let subject = self.of_handle(Call::Allocate, handle);
        self.run(request, subject, reply, move |shared, _| {
            shared.disk().allocate(handle.0, offset, len, mode)
        });
    }
}
