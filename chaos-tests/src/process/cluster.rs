//! A cluster that runs: its directory, its ports, its demo, and those of its nodes that were started by hand.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use cluster_config::{LOCK_FILE, PID_FILE};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::limits::{GREET_WITHIN, LOG_LINES, LOOK_EVERY, PATIENCE, START_WITHIN, STOP_WITHIN};
use super::ports::Ports;
use super::programs::Programs;
use crate::fault_fs::{Calls, Fault, FaultId, Loss, Lost, Mount};

/// How large a cluster is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Nodes, `n1` and so on.
    pub nodes: u16,
    /// Shelves of each node.
    pub shelves: u16,
    /// Mail groups.
    pub groups: u32,
    /// Accounts: `user1@demo.test` and so on, with the password `demo`.
    pub accounts: u32,
}

impl Shape {
    /// Three nodes with two shelves each and a few groups, as small as a cluster of several groups can be.
    pub const SMALL: Self = Self {
        nodes: 3,
        shelves: 2,
        groups: 3,
        accounts: 2,
    };
}

/// A demo that runs, and the lines that it writes.
struct Demo {
    process: Child,
    lines: Receiver<String>,
    /// Lines that were skipped, to be shown when another one does not come.
    seen: Vec<String>,
}

/// A cluster of real processes. Stopped when dropped; its directory goes with it, unless the test failed.
pub struct Cluster {
    shape: Shape,
    root: Option<TempDir>,
    dir: PathBuf,
    ports: Ports,
    demo: Option<Demo>,
    /// Started by hand, by the number of their node.
    children: Vec<(u16, Child)>,
    /// By node and shelf, where the shelves are on mounts.
    mounts: BTreeMap<(u16, u16), Mount>,
}

impl Cluster {
    /// Founds a cluster in a directory of its own and returns once it is ready.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    pub fn start(shape: Shape) -> Self {
        let root = tempfile::Builder::new().prefix("holdfast-").tempdir();
        let root = root.expect("a directory can be made");
        let mut cluster = Self {
            shape,
            dir: root.path().join("demo"),
            root: Some(root),
            ports: Ports::take(shape.nodes),
            demo: None,
            children: Vec::new(),
            mounts: BTreeMap::new(),
        };
        cluster.start_demo();
        cluster
    }

    /// The same with every shelf on a mount of its own, on which things can go wrong. The shelves are made on ordinary
    /// directories; then these become what is behind the mounts.
    ///
    /// # Panics
    /// When the cluster does not get ready, or nothing can be mounted.
    #[must_use]
    pub fn start_on_mounts(shape: Shape, seed: u64) -> Self {
        let mut cluster = Self::start(shape);
        let ended = cluster.stop();
        assert!(ended.iter().all(ExitStatus::success), "{ended:?}");
        for node in cluster.nodes() {
            for shelf in 1..=shape.shelves {
                let at = cluster.node_dir(node).join(format!("shelf{shelf}"));
                let behind = cluster.dir.join(format!("behind-n{node}-shelf{shelf}"));
                fs::create_dir(&behind).expect("a directory can be made");
                fs::rename(&at, behind.join("files")).expect("it is on the same disk");
                fs::create_dir(&at).expect("a directory can be made");
                let seed = seed ^ (u64::from(node) << 32) ^ (u64::from(shelf) << 48);
                let mount = Mount::new(&behind, &at, seed).expect("it can be mounted");
                cluster.mounts.insert((node, shelf), mount);
            }
        }
        cluster.start_demo();
        cluster
    }

    /// The mount that a shelf is on.
    ///
    /// # Panics
    /// When there is no such shelf, or the shelves are on no mounts.
    #[must_use]
    pub fn shelf(&self, node: u16, shelf: u16) -> &Mount {
        let mount = self.mounts.get(&(node, shelf));
        mount.unwrap_or_else(|| panic!("no mount for shelf {shelf} of n{node}"))
    }

    /// The mounts of some nodes.
    fn mounts(&self, nodes: &[u16]) -> impl Iterator<Item = &Mount> {
        let mounts = self.mounts.iter().filter(|((node, _), _)| nodes.contains(node));
        mounts.map(|(_, mount)| mount)
    }

    /// Cuts the power of some nodes at one instant, and returns once they are gone, with what was lost: from that instant on
    /// nothing reaches their shelves, and what is not durable there by then is lost. What else is wrong with the shelves
    /// stays.
    ///
    /// # Panics
    /// When one of them does not run, or the shelves are on no mounts.
    pub fn cut_power(&mut self, nodes: &[u16], loss: Loss) -> Lost {
        assert!(self.mounts(nodes).next().is_some(), "there are no mounts");
        let calls = Calls::All;
        let stand_still = |mount: &Mount| mount.inject(Fault::Hang { calls, lasting: None });
        let still: Vec<FaultId> = self.mounts(nodes).map(stand_still).collect();
        self.kill_all(nodes);
        let mut lost = Lost::default();
        for (mount, still) in self.mounts(nodes).zip(still) {
            lost += mount
                .lose_unsynced(loss)
                .expect("what is behind a mount can be written");
            mount.end(still);
        }
        lost
    }

    /// Runs the demo on the cluster's directory, after [`Self::stop`], and returns its `ready` line.
    ///
    /// # Panics
    /// When it does not get ready, or runs already.
    pub fn start_demo(&mut self) -> String {
        assert!(self.demo.is_none(), "the demo runs already");
        let Shape {
            nodes,
            shelves,
            groups,
            accounts,
        } = self.shape;
        let mut demo = self.tool_command();
        demo.args(["demo", "--nodes", &nodes.to_string(), "--shelves", &shelves.to_string()])
            .args(["--groups", &groups.to_string(), "--accounts", &accounts.to_string()])
            .args(["--base-port", &self.ports.base.to_string()]);
        self.demo = Some(Demo::start(demo));
        self.demo.as_mut().expect("just set").line("ready", START_WITHIN)
    }

    /// The next line of the demo that starts so.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn line(&mut self, start: &str) -> String {
        self.demo.as_mut().expect("the demo runs").line(start, PATIENCE)
    }

    /// What the demo has said that starts so, before the last line that was asked for.
    ///
    /// # Panics
    /// When it has not.
    #[must_use]
    pub fn said(&self, start: &str) -> &str {
        let demo = self.demo.as_ref().expect("the demo runs");
        let line = demo.seen.iter().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line {start:?} of the demo in {:#?}", demo.seen))
    }

    /// Where a node has a service, by the service's standard port (DESIGN section 6).
    #[must_use]
    pub fn port(&self, node: u16, standard_port: u16) -> u16 {
        self.ports.base + 1_000 * node + standard_port
    }

    /// Numbers of all nodes.
    pub fn nodes(&self) -> impl Iterator<Item = u16> + use<> {
        1..=self.shape.nodes
    }

    /// The directory of the whole cluster, with its cluster file.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory of a node, with its shelves.
    #[must_use]
    pub fn node_dir(&self, node: u16) -> PathBuf {
        self.dir.join(format!("n{node}"))
    }

    /// Whether a process has the node's directory.
    ///
    /// # Panics
    /// When there is no such node.
    #[must_use]
    pub fn is_running(&self, node: u16) -> bool {
        let lock = File::open(self.node_dir(node).join(LOCK_FILE)).expect("the node has run");
        Flock::lock(lock, FlockArg::LockSharedNonblock).is_err()
    }

    /// The process of a node that runs.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self, node: u16) -> Pid {
        assert!(self.is_running(node), "n{node} does not run");
        let path = self.node_dir(node).join(PID_FILE);
        // The lock is taken a moment before the pid is written.
        wait_for(&format!("{} holds a pid", path.display()), || {
            let pid: i32 = fs::read_to_string(&path).ok()?.trim().parse().ok()?;
            Some(Pid::from_raw(pid))
        })
    }

    /// Kills a node with SIGKILL and returns once it is gone.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self, node: u16) {
        self.kill_all(&[node]);
    }

    /// Kills several nodes at once with SIGKILL and returns once all are gone.
    ///
    /// # Panics
    /// When one of them does not run.
    pub fn kill_all(&mut self, nodes: &[u16]) {
        let pids: Vec<Pid> = nodes.iter().map(|node| self.pid(*node)).collect();
        for pid in pids {
            kill(pid, Signal::SIGKILL).expect("it runs");
        }
        for node in nodes {
            wait_for(&format!("n{node} is gone"), || {
                // A process ends when none of its calls hangs any more.
                self.mounts(nodes).for_each(Mount::let_go);
                (!self.is_running(*node)).then_some(())
            });
        }
        self.reap(nodes);
    }

    /// Waits for the ends of processes that were started by hand.
    fn reap(&mut self, nodes: &[u16]) {
        for (node, child) in &mut self.children {
            if nodes.contains(node) {
                child.wait().expect("it has ended");
            }
        }
        self.children.retain(|(node, _)| !nodes.contains(node));
    }

    /// Starts a node that does not run, as the demo says that it is done by hand. Does not wait.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_node(&mut self, node: u16) {
        self.start_node_under(node, &[]);
    }

    /// Starts a node under another program, such as strace, which gets `wrapper` and then the node's own command line.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_node_under(&mut self, node: u16, wrapper: &[&OsStr]) {
        assert!(!self.is_running(node), "n{node} runs already");
        self.reap(&[node]);
        let program = Programs::get().node.as_os_str();
        let mut command = wrapper.iter().copied().chain([program]);
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.node_dir(node).join("log"));
        let log = log.expect("the node's log can be opened");
        let child = Command::new(command.next().expect("there is a program"))
            .args(command)
            .arg("--config")
            .arg(self.dir.join("cluster.toml"))
            .args(["--node", &format!("n{node}")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor is free"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("start n{node}: {error}"));
        self.children.push((node, child));
    }

    /// Runs a node that is not expected to start, with a cluster file of its own, until it ends, and returns what it said.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn run_failing_node(&mut self, node: u16, file: &Path, wrapper: &[&OsStr]) -> String {
        assert!(!self.is_running(node), "n{node} runs already");
        self.reap(&[node]);
        let program = Programs::get().node.as_os_str();
        let mut command = wrapper.iter().copied().chain([program]);
        let mut child = Command::new(command.next().expect("there is a program"))
            .args(command)
            .arg("--config")
            .arg(file)
            .args(["--node", &format!("n{node}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("start n{node}: {error}"));
        let mut told = child.stderr.take().expect("a pipe");
        let (sender, said) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let read = told.read_to_string(&mut text);
            // The other end goes with the test.
            let _ = sender.send(read.map(|_| text));
        });
        let Ok(said) = said.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("n{node} was expected to end, and runs");
        };
        let said = said.expect("it speaks UTF-8");
        assert!(
            !child.wait().expect("it has ended").success(),
            "n{node} says that all is well: {said}"
        );
        said
    }

    /// Waits until a node greets mail clients.
    ///
    /// # Panics
    /// When it does not, or ends.
    pub fn wait_until_up(&mut self, node: u16) {
        let port = self.port(node, 143);
        let children = &mut self.children;
        wait_for(&format!("n{node} greets on port {port}"), || {
            for (_, child) in children.iter_mut().filter(|(number, _)| *number == node) {
                if let Some(status) = child.try_wait().expect("it is a child") {
                    panic!("n{node} did not start: {status}");
                }
            }
            greets(port).then_some(())
        });
    }

    /// Waits until every group has a leader.
    ///
    /// # Panics
    /// When some has none in the end.
    pub fn wait_until_led(&self) {
        wait_for("every group has a leader", || {
            let (status, _) = self.status();
            let mut groups = status["groups"].as_array()?.iter();
            groups.all(|group| group["leader"].is_string()).then_some(())
        });
    }

    /// Runs the operator's tool on this cluster.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn tool(&self, arguments: &[&str]) -> Output {
        self.tool_command().args(arguments).output().expect("the tool runs")
    }

    /// The same, with a line to read.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn tool_reading(&self, line: &str, arguments: &[&str]) -> Output {
        let mut command = self.tool_command();
        command.args(arguments).stdin(Stdio::piped());
        let mut tool = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the tool runs");
        let mut told = tool.stdin.take().expect("a pipe");
        writeln!(told, "{line}").expect("the tool reads");
        drop(told);
        tool.wait_with_output().expect("the tool ends")
    }

    /// `holdfast status` and its exit code.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn status(&self) -> (Value, Option<i32>) {
        let output = self.tool(&["status", "--json"]);
        let status = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        (status, output.status.code())
    }

    fn tool_command(&self) -> Command {
        let mut command = Command::new(&Programs::get().tool);
        command.arg("--dir").arg(&self.dir);
        command
    }

    /// Ends the demo, which stops every node, and says how both it and the nodes that were started by hand ended.
    ///
    /// # Panics
    /// When the demo does not run, or does not end.
    pub fn stop(&mut self) -> Vec<ExitStatus> {
        let demo = self.demo.take().expect("the demo runs");
        let mut ended = vec![demo.stop()];
        ended.extend(
            self.children
                .drain(..)
                .map(|(_, mut child)| child.wait().expect("it ends")),
        );
        ended
    }

    /// Kills what the demo could not stop: nothing may outlive its test. A node is known by the file in its command line.
    fn end_leftovers(&self) {
        let file = self.dir.join("cluster.toml").into_os_string().into_encoded_bytes();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let command_line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(pid) = pid
                && command_line.split(|byte| *byte == 0).any(|word| word == file)
            {
                // It may have ended since.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    /// Leaves the directory behind, to be looked at.
    pub fn keep(&mut self) -> &Path {
        if let Some(root) = self.root.take() {
            let _ = root.keep();
        }
        &self.dir
    }

    /// Shows the end of each node's log on standard error.
    pub fn show(&self) {
        for node in self.nodes() {
            let path = self.node_dir(node).join("log");
            let log = fs::read(&path).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let mut last: Vec<&str> = log.lines().rev().take(LOG_LINES).collect();
            last.reverse();
            eprintln!("the end of {}:\n{}\n", path.display(), last.join("\n"));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if thread::panicking() {
            self.show();
            let dir = self.keep().display();
            eprintln!("the cluster is kept in {dir}");
        }
        // A node whose calls hang does not stop.
        self.mounts.values().for_each(Mount::heal);
        if let Some(demo) = self.demo.take() {
            demo.stop();
        }
        self.end_leftovers();
        for (_, child) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Before the directory goes that they are in.
        self.mounts.clear();
    }
}

impl Demo {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the demo starts");
        let out = process.stdout.take().expect("a pipe");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            // The other end goes with the test.
            let _ = BufReader::new(out)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line));
        });
        Self {
            process,
            lines,
            seen: Vec::new(),
        }
    }

    fn line(&mut self, start: &str, within: Duration) -> String {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.starts_with(start) => return line,
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("no line {start:?} of the demo: {error}, after {:#?}", self.seen),
            }
        }
    }

    /// Lets it stop its nodes, and ends it when it takes too long.
    fn stop(mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.process.id().try_into().expect("a pid"));
        // It may have ended already.
        let _ = kill(pid, Signal::SIGTERM);
        let deadline = Instant::now() + STOP_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait().expect("it is a child") {
                return status;
            }
            thread::sleep(LOOK_EVERY);
        }
        let _ = self.process.kill();
        self.process.wait().expect("it was killed")
    }
}

/// Whether something that greets listens there.
fn greets(port: u16) -> bool {
    let greet = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(GREET_WITHIN))?;
        stream.read_exact(&mut [0])
    };
    greet().is_ok()
}

/// Looks until `look` finds something.
///
/// # Panics
/// When it does not in the end.
pub(super) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited for {} s: {what}", PATIENCE.as_secs());
        thread::sleep(LOOK_EVERY);
    }
}
