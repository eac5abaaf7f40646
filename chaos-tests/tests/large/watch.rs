//! Looks at the memory of all nodes all the time, and at how long they hear nothing of each other.

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chaos_tests::process::Cluster;
use nix::unistd::Pid;

/// Time between looks at the memory of the processes.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Looks at their memory for each look at their metrics.
const LOOKS_PER_METRICS: u32 = 16;
/// Write buffers hold so much of bodies before they are written out, in bytes.
const BUFFERS_FULL: i64 = 64 << 20;
/// How long metrics may take; one look is left out when they do not come.
const METRICS_WITHIN: Duration = Duration::from_secs(5);
/// Silence after which a node counts as dead (`docs/replication.md`).
const DEAD_AFTER: Duration = Duration::from_millis(800);
/// When this thread itself was late by so much, the machine was too busy to say anything about elections.
const LATE_MAX: Duration = Duration::from_millis(150);

/// Highest values of one node, in bytes.
#[derive(Clone, Copy, Default)]
struct Highest {
    memory: i64,
    buffers: i64,
}

#[derive(Clone, Default)]
struct NodeSeen {
    /// Before [`Watch::begin`] and since.
    before: Highest,
    since: Highest,
    /// Buffers at the last look, and how often they fell by a lot.
    buffers: i64,
    written_out: u32,
}

#[derive(Default)]
struct Seen {
    nodes: Vec<NodeSeen>,
    has_begun: bool,
    /// How much later than wanted this thread woke up at worst, since the beginning.
    late: Duration,
}

pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let nodes: Vec<_> = cluster
            .nodes()
            .map(|node| (cluster.pid(node), cluster.port(node, 91)))
            .collect();
        let seen = Arc::new(Mutex::new(Seen {
            nodes: vec![NodeSeen::default(); nodes.len()],
            ..Seen::default()
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let of_thread = (seen.clone(), stop.clone());
        let thread = thread::spawn(move || look(&nodes, &of_thread.0, &of_thread.1));
        Self {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        guard(&self.seen)
    }

    /// Whether every node has written out full write buffers, more than once: what is freed is used again from then on.
    pub(crate) fn have_write_buffers_been_full(&self) -> bool {
        self.seen().nodes.iter().all(|node| node.written_out > 1)
    }

    /// From now on it counts.
    pub(crate) fn begin(&self) {
        self.seen().has_begun = true;
    }

    /// What each node's memory has grown by, write buffers and caches aside.
    pub(crate) fn growths(&self) -> Vec<i64> {
        self.seen().nodes.iter().map(NodeSeen::growth).collect()
    }

    /// Where each group's leader is, and its term.
    pub(crate) fn leaders(&self, cluster: &Cluster) -> Vec<(u64, Option<String>)> {
        let (status, _) = cluster.status();
        let groups = status["groups"].as_array().expect("a list of groups");
        let leader = |group: &serde_json::Value| {
            let number = group["group"].as_u64().expect("a number");
            (number, group["leader"].as_str().map(str::to_owned))
        };
        groups.iter().map(leader).collect()
    }

    /// Every group is led from where it was, and no node was silent for so long that another took it for dead. A machine
    /// that keeps this thread from running keeps nodes from it, too, so its own lateness is allowed for.
    pub(crate) fn assert_heartbeats_were_on_time(&self, cluster: &Cluster, leaders: &[(u64, Option<String>)]) {
        let late = self.seen().late;
        for node in cluster.nodes() {
            let metrics = metrics(cluster.port(node, 91)).expect("metrics answer");
            let silence = most(&metrics, "holdfast_node_silence_seconds", "quantile=\"1\"");
            assert!(silence > 0.0, "n{node} does not tell how long the others were silent");
            let allowed = DEAD_AFTER + 3 * late;
            assert!(
                silence < allowed.as_secs_f64(),
                "n{node} heard nothing for {silence} s; late by {late:?}"
            );
        }
        if late < LATE_MAX {
            assert_eq!(self.leaders(cluster), leaders, "leaders have changed; late by {late:?}");
        }
    }
}

impl NodeSeen {
    fn highest_memory(&self) -> i64 {
        self.before.memory.max(self.since.memory)
    }

    fn growth(&self) -> i64 {
        let buffers = (self.since.buffers - self.before.buffers).max(0);
        self.since.memory - self.before.memory - buffers
    }

    fn add(&mut self, has_begun: bool, memory: Option<i64>, buffers: Option<i64>) {
        if let Some(buffers) = buffers {
            self.written_out += u32::from(buffers < self.buffers / 2 && self.buffers > BUFFERS_FULL / 2);
            self.buffers = buffers;
        }
        let highest = if has_begun { &mut self.since } else { &mut self.before };
        highest.memory = highest.memory.max(memory.unwrap_or(0));
        highest.buffers = highest.buffers.max(buffers.unwrap_or(0));
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.seen();
        let mib = |bytes: i64| bytes >> 20;
        for (number, node) in (1..).zip(&seen.nodes) {
            writeln!(
                f,
                "n{number}: {} MiB (buffers {}) in the warm-up, {} MiB (buffers {}) since, grown by {} KiB",
                mib(node.before.memory),
                mib(node.before.buffers),
                mib(node.since.memory),
                mib(node.since.buffers),
                node.growth() >> 10,
            )?;
        }
        write!(f, "late by {:?} at worst", seen.late)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic is that of a test that fails already.
            let _ = thread.join();
        }
    }
}

fn guard(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().expect("nobody panics with it")
}

fn look(nodes: &[(Pid, u16)], seen: &Mutex<Seen>, stop: &AtomicBool) {
    for round in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let highest: Vec<i64> = guard(seen).nodes.iter().map(NodeSeen::highest_memory).collect();
        let found: Vec<_> = nodes
            .iter()
            .zip(highest)
            .map(|((pid, port), highest)| {
                let memory = anonymous_bytes(*pid);
                // What it is made of can only be known while it is the highest.
                let is_due = round.is_multiple_of(LOOKS_PER_METRICS) || memory.is_some_and(|bytes| bytes > highest);
                (memory, is_due.then(|| buffers(*port)).flatten())
            })
            .collect();
        let slept = Instant::now();
        thread::sleep(LOOK_EVERY);
        let late = slept.elapsed().saturating_sub(LOOK_EVERY);
        let mut seen = guard(seen);
        let has_begun = seen.has_begun;
        seen.late = if has_begun { seen.late.max(late) } else { Duration::ZERO };
        for (node, (memory, buffers)) in seen.nodes.iter_mut().zip(found) {
            node.add(has_begun, memory, buffers);
        }
    }
}

/// `RssAnon` of a process, in bytes.
fn anonymous_bytes(pid: Pid) -> Option<i64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: i64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Write buffers and block cache of a node, in bytes.
fn buffers(port: u16) -> Option<i64> {
    let metrics = metrics(port)?;
    let bytes =
        most(&metrics, "holdfast_shelf_write_buffer_bytes", "") + most(&metrics, "holdfast_block_cache_bytes", "");
    #[expect(clippy::cast_possible_truncation, reason = "whole bytes, as a metric shows them")]
    let bytes = bytes as i64;
    Some(bytes)
}

/// The highest value among the lines of a metric that carry this label.
fn most(metrics: &str, name: &str, label: &str) -> f64 {
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(label));
    let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    values.fold(0.0, f64::max)
}

fn metrics(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(METRICS_WITHIN)).ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}
