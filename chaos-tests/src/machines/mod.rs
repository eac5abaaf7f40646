//! Machines that share nothing but a kernel and a network, for tests that do as a guide says: each with its own network,
//! mounts and name, a file system on which what it writes is its own, and bare disks.
//!
//! What is played there, and by what, stands in `chaos-tests/machines`: `world.sh` and `machine.sh` set them up, and `bin`
//! has what stands in for systemd, `ssh` and `scp`. Names are in `/etc/hosts`; disks are loop devices; the host's own
//! programs are there, since its file system lies below.
//!
//! Invariant: nothing outlives the value, nor the process that holds it, however that ends: the first process of the PID
//! namespace ends with its input, all others with it, mounts and networks with them, and disks are let go by then.
//!
//! Must not know: what is run on them.

mod blocks;
pub mod limits;

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use tempfile::TempDir;

pub use blocks::{Block, blocks};
use limits::{BLOCK_WITHIN, DISK_BYTES, JOURNAL_LINES, WORLD_WITHIN};

/// The place that is none of the machines: the rest of the world, `192.0.2.1`.
pub const OUTSIDE: &str = "outside";
/// A PATH that has programs of administrators.
const SEARCHED: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A machine to be.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Its name. It is reached as `NAME.example.org`, all together as `mail.example.org`.
    pub name: &'static str,
    /// Its address, in `192.0.2.0/24`.
    pub address: &'static str,
    /// Bare disks, as `/dev/sdb` and on.
    pub disks: usize,
}

/// See the module.
pub struct World {
    dir: TempDir,
    first: Child,
    /// Its process id for the host.
    inside: String,
    shapes: Vec<Shape>,
    /// Held open, so that each stays as long as this value does.
    _disks: Vec<File>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Whether it ended with 0.
    pub is_success: bool,
    /// What it wrote.
    pub output: String,
    /// What it complained of.
    pub errors: String,
}

/// Why there can be no machines here, if there is a reason.
///
/// # Errors
/// The reason.
pub fn may_have_machines() -> Result<(), String> {
    let try_all = "mount -t tmpfs tmpfs /mnt && ip link add type veth && \
                   nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }' && losetup -f";
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--net", "--pid", "--fork", "sh", "-c", try_all]);
    let tried = unshare.env("PATH", SEARCHED).output();
    match tried {
        Err(error) => Err(format!("unshare does not run: {error}")),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

impl World {
    /// Sets them up. They see two directories, which they cannot write to, as `/source` and `/built`.
    ///
    /// # Panics
    /// When something is refused; ask [`may_have_machines`] first.
    #[must_use]
    pub fn start(shapes: &[Shape], source: &Path, built: &Path) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("holdfast-machines-")
            .tempdir()
            .expect("a directory");
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("machines");
        let mut disks = Vec::new();
        let mut descriptions = Vec::new();
        for shape in shapes {
            let mut description = format!("{}:{}", shape.name, shape.address);
            for number in 0..shape.disks {
                let (disk, numbers) = attach(&dir.path().join(format!("{}-{number}.disk", shape.name)));
                disks.push(disk);
                description = format!("{description}:{numbers}");
            }
            descriptions.push(description);
        }
        let memory = dir.path().join("memory");
        std::fs::create_dir(&memory).expect("a directory");
        let mut unshare = Command::new("unshare");
        unshare
            .args(["--mount", "--net", "--pid", "--uts", "--fork", "--kill-child", "bash"])
            .arg(scripts.join("world.sh"))
            .args([memory.as_path(), source, built, &scripts.join("bin")])
            .args(descriptions)
            .env("PATH", SEARCHED)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut first = unshare.spawn().expect("unshare runs");
        await_ready(&mut first);
        let inside = child_of(first.id());
        Self {
            dir,
            first,
            inside,
            shapes: shapes.to_vec(),
            _disks: disks,
        }
    }

    /// Runs commands at a place, as root, with `input` typed in.
    ///
    /// # Panics
    /// When they cannot be run at all.
    #[must_use]
    pub fn run(&self, place: &str, commands: &str, input: &str, variables: &[(&str, &str)]) -> Ended {
        let mut enter = Command::new("timeout");
        enter
            .args(["--kill-after=5", &BLOCK_WITHIN.as_secs().to_string()])
            .args(["nsenter", "-t", &self.inside, "-m", "-n", "-u", "-p", "--"]);
        if place != OUTSIDE {
            let pid = self.dir.path().join("memory/shared").join(format!("{place}.pid"));
            let script = "exec nsenter -t $(cat \"$0\") -m -n -u -- \"$@\"";
            enter.args(["sh", "-c", script]).arg(pid);
        }
        enter.args(["bash", "-euo", "pipefail", "-c", &format!("cd\n{commands}")]);
        enter
            .env("PATH", SEARCHED)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = enter.spawn().expect("timeout and nsenter run");
        let mut typing = child.stdin.take().expect("it was asked for");
        // Commands that read nothing may be gone by then.
        let _ = typing.write_all(input.as_bytes());
        drop(typing);
        let output = child.wait_with_output().expect("it ends");
        Ended {
            is_success: output.status.success(),
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The same, of which success is expected; gives what it wrote.
    ///
    /// # Panics
    /// When it fails, with what the machines have to say.
    pub fn must(&self, place: &str, commands: &str, input: &str, variables: &[(&str, &str)]) -> String {
        let ended = self.run(place, commands, input, variables);
        assert!(
            ended.is_success,
            "on {place}:\n{commands}\nwrote:\n{}\ncomplained:\n{}\n{}",
            ended.output,
            ended.errors,
            self.journals()
        );
        ended.output
    }

    /// The end of each unit's journal, on all machines.
    #[must_use]
    pub fn journals(&self) -> String {
        let tail = format!("tail -v -n {JOURNAL_LINES} /var/log/units/*.log");
        let shown = self.shapes.iter().map(|shape| {
            let ended = self.run(shape.name, &tail, "", &[]);
            format!("{}: {}{}", shape.name, ended.output, ended.errors)
        });
        shown.collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Its input ends, and it with all that it started.
        drop(self.first.stdin.take());
        // The command that watches over it ends it otherwise.
        let _ = self.first.wait();
    }
}

/// A new disk with its major and minor number. It lasts as long as the file is open or it is mounted.
fn attach(backing: &PathBuf) -> (File, String) {
    let file = File::create(backing).expect("a file");
    file.set_len(DISK_BYTES).expect("room for holes");
    let losetup = |arguments: &[&str]| {
        let output = Command::new("losetup")
            .args(arguments)
            .env("PATH", SEARCHED)
            .output()
            .expect("losetup runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let device = losetup(&["--find", "--show", &backing.display().to_string()]);
    let numbers = losetup(&["--noheadings", "--output", "MAJ:MIN", &device]);
    let disk = File::open(&device).expect("the device opens");
    // Detached when the last user has closed it.
    losetup(&["--detach", &device]);
    (disk, numbers)
}

/// Waits for the machines to be there.
fn await_ready(first: &mut Child) {
    let output = first.stdout.take().expect("it was asked for");
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        // The test has given up if nobody listens.
        let _ = tell.send(read.map(|_| line));
    });
    let line = told.recv_timeout(WORLD_WITHIN);
    let is_ready = matches!(&line, Ok(Ok(line)) if line == "ready\n");
    if !is_ready {
        drop(first.stdin.take());
        let _ = first.kill();
        panic!("the machines were not there in {} s: {line:?}", WORLD_WITHIN.as_secs());
    }
}

/// The one child of a process.
fn child_of(pid: u32) -> String {
    let list =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("the kernel tells of children");
    let mut children = list.split_whitespace();
    let child = children.next().expect("it has one");
    assert_eq!(children.next(), None, "it has one");
    child.to_owned()
}
