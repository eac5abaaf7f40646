//! One mount, from the outside: made, steered and removed by a test.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use fuser::{BackgroundSession, Config, MountOption};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, umount2};
use nix::unistd::Uid;

use super::counts::Counts;
use super::disk::Disk;
use super::fault::{Fault, FaultId, Files};
use super::faults::Faults;
use super::leftovers;
use super::limits::THREADS;
use super::rot::{self, Rotten};
use super::server::{Server, Shared};
use super::unsynced::{Loss, Lost};

/// Set on a machine without FUSE, this leaves out the tests that need it.
pub const EXCEPTION: &str = "HOLDFAST_WITHOUT_FUSE";

/// Whether file systems can be mounted here. If not, and [`EXCEPTION`] is set, says why.
///
/// # Panics
/// When they cannot, and [`EXCEPTION`] is not set.
#[must_use]
pub fn may_mount() -> bool {
    let try_it = || {
        let dir = tempfile::tempdir()?;
        let at = dir.path().join("mounted");
        fs::create_dir(&at)?;
        Mount::new(&dir.path().join("behind"), &at, 0).map(drop)
    };
    let tried = OpenOptions::new().read(true).write(true).open("/dev/fuse").map(drop);
    let Err(reason) = tried.and_then(|()| try_it()) else {
        return true;
    };
    assert!(
        std::env::var_os(EXCEPTION).is_some(),
        "no file system can be mounted with FUSE here: {reason}\nOn a machine that has no /dev/fuse or forbids mounts, set \
         {EXCEPTION}=1 to leave this test out."
    );
    eprintln!("left out, as {EXCEPTION} says: {reason}");
    false
}

/// See the module of the crate's `fault_fs`. Unmounted when dropped; what calls wait for then fails.
pub struct Mount {
    at: PathBuf,
    files: PathBuf,
    shared: Arc<Shared>,
    /// `None` while it is not mounted.
    session: Option<BackgroundSession>,
    /// Keeps the mount in use, so that an abort leaves it there.
    user: Option<File>,
}

impl Mount {
    /// Mounts at `at`, a directory that is there. Files are in `behind/files`, which may be there already.
    ///
    /// # Errors
    /// When directories cannot be made, or the system does not let us mount.
    pub fn new(behind: &Path, at: &Path, seed: u64) -> io::Result<Self> {
        // Others may mount with a helper's help, but could neither abort nor unmount.
        if !Uid::effective().is_root() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it takes root"));
        }
        leftovers::unmount();
        let (files, graves) = (behind.join("files"), behind.join("graves"));
        fs::create_dir_all(&files)?;
        fs::create_dir_all(&graves)?;
        let shared = Shared::new(Disk::new(files.clone(), graves), Faults::new(seed));
        let mut mount = Self {
            at: at.to_owned(),
            files,
            shared: Arc::new(shared),
            session: None,
            user: None,
        };
        mount.remount()?;
        Ok(mount)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// The files as they are, past all faults. To be read here and not below the mount point by the process that serves it.
    #[must_use]
    pub fn files(&self) -> &Path {
        &self.files
    }

    /// From now on something goes wrong, beside what does already.
    pub fn inject(&self, fault: Fault) -> FaultId {
        self.shared.steer(|gate| gate.faults.inject(fault, Instant::now()))
    }

    /// Ends one fault. Calls that it held up are done now.
    pub fn end(&self, fault: FaultId) {
        self.shared.steer(|gate| gate.faults.end(fault));
    }

    /// Ends all faults. What has become of the files stays.
    pub fn heal(&self) {
        self.shared.steer(|gate| gate.faults.end_all());
    }

    /// Every call that is held up now fails, without effect. A killed process ends only when none of its calls is.
    pub fn let_go(&self) {
        self.shared.steer(|gate| gate.let_go += 1);
    }

    /// How many calls are held up now.
    #[must_use]
    pub fn held_up(&self) -> usize {
        self.shared.steer(|gate| gate.waiting)
    }

    /// Flips one bit in each of up to `count` files of a kind, in the files themselves.
    ///
    /// # Errors
    /// What the directory behind the mount reports.
    pub fn rot(&self, files: Files, count: usize, seed: u64) -> io::Result<Vec<Rotten>> {
        rot::rot(&self.files, files, count, seed)
    }

    /// Loses what is not durable. No process may have files open below the mount point any more.
    ///
    /// # Errors
    /// What the directory behind the mount reports.
    pub fn lose_unsynced(&self, loss: Loss) -> io::Result<Lost> {
        self.shared.disk().lose(loss)
    }

    /// All calls since the mount was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counts().clone()
    }

    /// Aborts the connection to the kernel, as the file `abort` of the connection would: calls in flight fail with
    /// ECONNABORTED, all later ones with ENOTCONN, until it is mounted anew.
    ///
    /// # Errors
    /// What the system reports.
    pub fn abort(&self) -> io::Result<()> {
        // A forced unmount begins by that, and then finds the mount in use.
        let outcome = umount2(&self.at, MntFlags::MNT_FORCE);
        self.let_go();
        match outcome {
            Err(Errno::EBUSY) => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// Mounts it again in the same place, after [`Self::abort`] or instead of it. Files that were open stay dead.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn remount(&mut self) -> io::Result<()> {
        self.unmount();
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName(leftovers::source()),
            MountOption::DefaultPermissions,
            MountOption::NoAtime,
        ];
        config.n_threads = Some(THREADS);
        self.session = Some(fuser::spawn_mount(Server(self.shared.clone()), &self.at, &config)?);
        let user = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_PATH.bits())
            .open(&self.at)?;
        self.user = Some(user);
        Ok(())
    }

    fn unmount(&mut self) {
        self.user = None;
        if let Some(session) = self.session.take() {
            // Those who still use it get errors from now on.
            let _ = umount2(&self.at, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
            self.let_go();
            // How its threads ended is of no use to anybody.
            let _ = session.join();
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.unmount();
    }
}
