//! Holdfast as `holdfast demo` runs it: the same program, the same cluster file, one process per node. When it is started
//! anew, its nodes are started as an operator starts them, without the demo, which asks them how they are.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use super::process::{Process, wait_listening};
use super::{Again, Server, loopback};
use crate::limits::{ACCOUNTS, LOOK_EVERY, START_WITHIN};

const LMTP: u16 = 24;
const IMAP: u16 = 143;
const IMAPS: u16 = 993;
/// What the ports of node n are above those of the one before.
const PORT_STEP: u16 = 1_000;

/// A demo: its nodes, the shelves of each, its mail groups, and where its ports start.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) nodes: u16,
    pub(crate) shelves: u16,
    pub(crate) groups: u16,
    pub(crate) base_port: u16,
}

impl Shape {
    /// What tables call it.
    pub(crate) fn name(&self) -> String {
        match (self.nodes, self.shelves) {
            (1, 1) => "one node".to_owned(),
            (1, shelves) => format!("one node, {shelves} shelves"),
            (nodes, _) => format!("{nodes} nodes"),
        }
    }

    fn at(&self, node: u16, port: u16) -> std::net::SocketAddr {
        loopback(self.base_port + PORT_STEP * node + port)
    }

    fn at_all(&self, port: u16) -> Vec<std::net::SocketAddr> {
        (1..=self.nodes).map(|node| self.at(node, port)).collect()
    }
}

pub(super) fn start(dir: &Path, shape: Shape) -> anyhow::Result<Server> {
    let name = shape.name();
    fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    let log = dir.with_extension("log");
    let mut command = Command::new(program("holdfast")?);
    let numbers = [
        ("--nodes", u32::from(shape.nodes)),
        ("--shelves", u32::from(shape.shelves)),
        ("--groups", u32::from(shape.groups)),
        ("--accounts", u32::try_from(ACCOUNTS).context("a number of accounts")?),
        ("--base-port", u32::from(shape.base_port)),
    ];
    command.arg("--dir").arg(dir).arg("demo");
    for (option, number) in numbers {
        command.arg(option).arg(number.to_string());
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&log).with_context(|| format!("make {}", log.display()))?);
    let mut process = Process::start(command).context("build it with cargo build -p cli -p node")?;
    let out = process.child.stdout.take().context("a process without output")?;
    let (sender, lines) = mpsc::channel();
    // Reads on to the end, so that the demo never waits for its screen.
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            // Nobody listens any more once it is ready.
            let _ = sender.send(line);
        }
    });
    wait_ready(&lines, &log).with_context(|| format!("start Holdfast with {name}"))?;
    let pid = |node: u16| {
        let file = dir.join(format!("n{node}/pid"));
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        text.trim().parse().with_context(|| format!("read {}", file.display()))
    };
    Ok(Server {
        description: format!(
            "Holdfast, {} groups, every message on {} of {} shelves",
            shape.groups,
            (shape.nodes * shape.shelves).min(3),
            shape.nodes * shape.shelves
        ),
        lmtp: shape.at_all(LMTP),
        imap: shape.at_all(IMAP),
        imaps: shape.at_all(IMAPS),
        trusted: dir.join("n1/ca.pem"),
        dir: dir.to_owned(),
        roots: (1..=shape.nodes).map(pid).collect::<anyhow::Result<_>>()?,
        processes: vec![process],
        again: Box::new(Nodes {
            dir: dir.to_owned(),
            shape,
        }),
        name,
    })
}

/// A program beside this one.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    Ok(own.with_file_name(name))
}

fn wait_ready(lines: &Receiver<String>, log: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_WITHIN;
    let mut seen = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.starts_with("ready") => return Ok(()),
            Ok(line) => seen.push(line),
            Err(_) => {
                let log = fs::read_to_string(log).unwrap_or_default();
                bail!("it does not get ready:\n{}\n{log}", seen.join("\n"));
            }
        }
    }
}

/// The nodes of a demo that was stopped.
struct Nodes {
    dir: PathBuf,
    shape: Shape,
}

impl Again for Nodes {
    fn launch(&self) -> anyhow::Result<Vec<Process>> {
        (1..=self.shape.nodes).map(|node| start_node(&self.dir, node)).collect()
    }

    /// Every node listens, and every group is led.
    fn wait_ready(&self, processes: &mut [Process]) -> anyhow::Result<()> {
        for (node, process) in (1..).zip(processes) {
            let log = self.dir.join(format!("n{node}/log"));
            wait_listening(process, self.shape.at(node, IMAP), &log)?;
        }
        let deadline = Instant::now() + START_WITHIN;
        while !is_in_order(&self.dir)? {
            ensure!(Instant::now() < deadline, "its groups have no leaders");
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

fn start_node(dir: &Path, node: u16) -> anyhow::Result<Process> {
    let log = dir.join(format!("n{node}/log"));
    let file = OpenOptions::new().append(true).create(true).open(&log);
    let file = file.with_context(|| format!("open {}", log.display()))?;
    let mut command = Command::new(program("holdfast-node")?);
    command
        .arg("--config")
        .arg(dir.join("cluster.toml"))
        .args(["--node", &format!("n{node}")])
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    Process::start(command)
}

/// What `holdfast status` says with its exit code.
fn is_in_order(dir: &Path) -> anyhow::Result<bool> {
    let mut command = Command::new(program("holdfast")?);
    command.arg("--dir").arg(dir).arg("status").stdin(Stdio::null());
    let asked = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    Ok(asked.context("run holdfast status")?.success())
}
