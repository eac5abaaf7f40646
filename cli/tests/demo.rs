//! The demo as people meet it: real processes on real disks. Mail goes in at one node and is read at another, a node is
//! killed and started again by the command that the demo shows, and the next demo on the same directory finds all mail.

mod client;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use client::{Pop3, deliver};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// Every wait of this test ends with it; a machine that is busy with other tests needs some of it.
const PATIENCE: Duration = Duration::from_secs(90);
const NODES: u16 = 3;

/// Standard ports that a node of the demo takes over TCP.
const TCP_PORTS: [u16; 10] = [24, 25, 90, 91, 110, 143, 465, 587, 993, 995];

/// A base port all of whose ports are free now, below those that the system gives to clients.
fn free_base_port() -> u16 {
    let start = 10_000 + u16::try_from(std::process::id() % 1_700).unwrap() * 10;
    let bases = (0..200).map(|step| 10_000 + (start - 10_000 + step * 97) % 18_000);
    let is_free = |base: &u16| {
        (1..=NODES).all(|node| {
            let at = |port: u16| ("127.0.0.1", base + 1_000 * node + port);
            UdpSocket::bind(at(900)).is_ok() && TCP_PORTS.iter().all(|port| TcpListener::bind(at(*port)).is_ok())
        })
    };
    bases.into_iter().find(is_free).expect("some ports are free")
}

fn tool() -> Command {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
}

/// The demo needs the node beside it, which is built with the workspace, but not with this crate alone.
fn ensure_node_is_built() {
    if Path::new(env!("CARGO_BIN_EXE_holdfast"))
        .with_file_name("holdfast-node")
        .is_file()
    {
        return;
    }
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--locked", "--offline", "-p", "node", "--bin", "holdfast-node"]);
    assert!(build.status().expect("cargo runs").success());
}

/// A demo that runs; stopped with all its nodes when dropped.
struct Demo {
    process: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    dir: PathBuf,
    base_port: u16,
}

impl Demo {
    fn start(dir: &Path, base_port: u16) -> Self {
        let mut process = tool()
            .arg("--dir")
            .arg(dir)
            .args([
                "demo",
                "--accounts",
                "2",
                "--groups",
                "3",
                "--base-port",
                &base_port.to_string(),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
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
            dir: dir.to_owned(),
            base_port,
        }
    }

    /// The next line that starts so.
    fn line(&mut self, start: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.starts_with(start) => return line,
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("{start}: {error}, after {:#?}", self.seen),
            }
        }
    }

    fn port(&self, node: u16, port: u16) -> u16 {
        self.base_port + 1_000 * node + port
    }

    fn pop3(&self, node: u16) -> Pop3 {
        Pop3::log_in(self.port(node, 110), "user1@demo.test", "demo", PATIENCE)
    }

    fn state_dir(&self, node: u16) -> PathBuf {
        self.dir.join(format!("n{node}"))
    }

    fn kill_node(&self, node: u16) {
        let pid = fs::read_to_string(self.state_dir(node).join("pid")).expect("a pid file");
        kill(Pid::from_raw(pid.trim().parse().expect("a pid")), Signal::SIGKILL).expect("it runs");
    }

    fn tool(&self, arguments: &[&str]) -> Output {
        tool()
            .arg("--dir")
            .arg(&self.dir)
            .args(arguments)
            .output()
            .expect("the tool runs")
    }

    /// Status and its exit code.
    fn status(&self) -> (Value, Option<i32>) {
        let output = self.tool(&["status", "--json"]);
        let status = serde_json::from_slice(&output.stdout).expect("JSON");
        (status, output.status.code())
    }

    fn stop(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.process.id().try_into().expect("a pid"));
        // It may have ended already.
        let _ = kill(pid, Signal::SIGTERM);
        self.process.wait().expect("it ends")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn mail_outlives_the_kill_of_a_node_and_the_end_of_the_demo() {
    ensure_node_is_built();
    let root = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(&root.path().join("demo"), free_base_port());
    let ready = demo.line("ready");
    assert!(
        ready.starts_with("ready: 3 nodes, 6 shelves, 4 groups, 2 accounts in "),
        "{ready}"
    );
    let (status, code) = demo.status();
    assert_eq!(code, Some(0), "{status:#}");
    assert_eq!(status["survives_now"], "the loss of any one node with all its shelves");

    // In at one node, out at another, byte for byte.
    let text = "Subject: kept\r\nMessage-ID: <kept@example.org>\r\n\r\nHello.\r\n.. and a dot\r\n";
    deliver(demo.port(1, 25), "user1@demo.test", text);
    let mut at_two = demo.pop3(2);
    let (uidl, message) = at_two.only_message();
    assert!(message.ends_with(text), "{message}");
    at_two.quit();

    // The node where it came in is killed: it stays down, and the mail is there.
    demo.kill_node(1);
    let again = demo.pop3(2).only_message();
    assert_eq!(again, (uidl.clone(), message.clone()));
    let down = demo.line("n1 is down; start it: ");
    let (status, code) = demo.status();
    assert_eq!(
        (code, &status["nodes"][0]["state"]),
        (Some(3), &Value::from("down")),
        "{status:#}"
    );
    deliver(demo.port(3, 25), "user2@demo.test", "Subject: meanwhile\r\n\r\n");

    // The command that the demo shows brings it back, with everything.
    let (_, command) = down.split_once("start it: ").unwrap();
    let mut by_hand = Command::new("sh")
        .args(["-c", &format!("exec {command} 2>/dev/null")])
        .spawn()
        .unwrap();
    demo.line("n1 is up");
    assert_eq!(demo.pop3(1).only_message(), (uidl.clone(), message.clone()));
    let check = demo.tool(&["check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    let trace = demo.tool(&["trace", "kept@example.org"]);
    let trace = String::from_utf8(trace.stdout).unwrap();
    assert!(
        trace.contains("accepted") && trace.contains("<user1@demo.test>"),
        "{trace}"
    );

    // The end is orderly, for the node that was started by hand, too.
    assert!(demo.stop().success());
    demo.line("stopped");
    assert!(by_hand.wait().unwrap().success());
    assert!((1..=NODES).all(|node| !demo.state_dir(node).join("pid").exists()));

    // Another demo on the same directory is the same cluster.
    let mut next = Demo::start(&demo.dir, demo.base_port);
    next.line("ready");
    assert_eq!(next.pop3(3).only_message(), (uidl, message));
    assert!(next.stop().success());
}
