//! Mounts that a killed test has left behind.
//!
//! Invariant: a mount names its process, with the time when that began, so that no process takes another one's mount for
//! its own, nor a running one's for a dead one's.

use std::fs;
use std::path::PathBuf;

use nix::mount::{MntFlags, umount2};

const NAME: &str = "holdfast-fault-fs";

/// What mounts of this process are called in the table of mounts.
pub(super) fn source() -> String {
    let process = std::process::id();
    let began = began(process).unwrap_or_default();
    format!("{NAME}:{process}:{began}")
}

/// Removes the mounts of processes that are gone. Nobody answers calls to them, so that nobody loses anything.
pub(super) fn unmount() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for place in mounts.lines().filter_map(left_behind) {
        // Another process may have done so meanwhile.
        let _ = umount2(&place, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
    }
}

/// Where a line of the table has a mount of ours whose process is gone.
fn left_behind(line: &str) -> Option<PathBuf> {
    let (before, after) = line.split_once(" - ")?;
    let source = after.split_whitespace().nth(1)?;
    let mut parts = source.strip_prefix(NAME)?.strip_prefix(':')?.split(':');
    let process: u32 = parts.next()?.parse().ok()?;
    let began_then = parts.next()?;
    let is_there = began(process).is_some_and(|now| now == began_then);
    let place = before.split_whitespace().nth(4)?.replace("\\040", " ");
    (!is_there).then(|| PathBuf::from(place))
}

/// When a process began, in ticks since the machine did; `None` when there is no such process.
fn began(process: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program may hold anything, and ends with the last bracket.
    let (_, fields) = status.rsplit_once(") ")?;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::ErrorKind;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use nix::mount::{MsFlags, mount};

    use super::super::may_mount;
    use super::*;

    #[test]
    fn only_mounts_of_processes_that_are_gone_are_left_behind() {
        let line = |source: &str| format!("83 31 0:45 / /tmp/a\\040b rw,nosuid - fuse {source} rw,user_id=0");
        assert_eq!(left_behind(&line(&source())), None);
        assert_eq!(left_behind(&line("sshfs")), None);
        let place = Some(PathBuf::from("/tmp/a b"));
        let own = std::process::id();
        // The same number, and another process.
        assert_eq!(left_behind(&line(&format!("{NAME}:{own}:1"))), place);
        assert_eq!(left_behind(&line(&format!("{NAME}:4194305:1"))), place);
    }
    /// What the kernel makes of the mount of a process that is killed: it stays, and nobody is behind it.
    fn leave_behind(at: &Path) {
        let device = File::options().read(true).write(true).open("/dev/fuse").unwrap();
        let source = format!("{NAME}:4194305:1");
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let none = MsFlags::empty();
        mount(Some(source.as_str()), at, Some("fuse"), none, Some(options.as_str())).unwrap();
    }

    #[test]
    fn what_a_killed_process_has_mounted_is_unmounted_by_the_next_one() {
        if !may_mount() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        leave_behind(dir.path());
        let dead = fs::metadata(dir.path()).map_err(|error| error.kind());
        assert_eq!(dead.map(drop), Err(ErrorKind::NotConnected), "nobody hangs at it");
        unmount();
        assert!(fs::metadata(dir.path()).is_ok());
    }
}
