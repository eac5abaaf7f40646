//! Holdfast as `holdfast demo` runs it: the same program, the same cluster file, one process per node.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use anyhow::{Context, bail};

use super::{Process, Server, loopback};
use crate::limits::{ACCOUNTS, START_WITHIN};

const LMTP: u16 = 24;
const IMAP: u16 = 143;
/// What the ports of node n are above those of the one before.
const PORT_STEP: u16 = 1_000;

/// A demo: its nodes, the shelves of each, and where its ports start.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) nodes: u16,
    pub(crate) shelves: u16,
    pub(crate) base_port: u16,
}

pub(super) fn start(dir: &Path, shape: Shape) -> anyhow::Result<Server> {
    let name = if shape.nodes == 1 {
        "one node".to_owned()
    } else {
        format!("{} nodes", shape.nodes)
    };
    let tool = std::env::current_exe()
        .context("find this program")?
        .with_file_name("holdfast");
    fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    let log = dir.with_extension("log");
    let mut command = Command::new(&tool);
    command
        .arg("--dir")
        .arg(dir)
        .args([
            "demo",
            "--nodes",
            &shape.nodes.to_string(),
            "--shelves",
            &shape.shelves.to_string(),
        ])
        .args([
            "--accounts",
            &ACCOUNTS.to_string(),
            "--base-port",
            &shape.base_port.to_string(),
        ])
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
    let nodes = 1..=shape.nodes;
    let pid = |node: u16| {
        let file = dir.join(format!("n{node}/pid"));
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        text.trim().parse().with_context(|| format!("read {}", file.display()))
    };
    let at = |node: u16, port: u16| loopback(shape.base_port + PORT_STEP * node + port);
    Ok(Server {
        description: format!(
            "Holdfast, {name}, {} shelves each, every message on {} of them",
            shape.shelves,
            (shape.nodes * shape.shelves).min(3)
        ),
        lmtp: nodes.clone().map(|node| at(node, LMTP)).collect(),
        imap: at(1, IMAP),
        roots: nodes.map(pid).collect::<anyhow::Result<_>>()?,
        name,
        process,
    })
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
