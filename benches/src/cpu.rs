//! CPU time of servers, of this program and of the whole machine, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// Ticks per second in what Linux tells about CPU time, whatever the kernel counts with.
const TICKS_PER_SECOND: u64 = 100;

/// One line of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    parent: u32,
    /// Of children that have ended and were waited for.
    ended_ticks: u64,
}

/// CPU time that these processes and all that they started have used, those included that have ended and were waited
/// for by one of them. It only grows as long as the roots live, but for the last ticks of a process that ends.
pub(crate) fn of_trees(roots: &[u32]) -> anyhow::Result<Duration> {
    let processes = trees(roots)?;
    let used = processes.iter();
    Ok(used
        .map(|(pid, process)| of_process(*pid) + of_ticks(process.ended_ticks))
        .sum())
}

/// Numbers of these processes and all that they started.
pub(crate) fn tree(roots: &[u32]) -> anyhow::Result<Vec<u32>> {
    Ok(trees(roots)?.into_keys().collect())
}

fn trees(roots: &[u32]) -> anyhow::Result<BTreeMap<u32, Process>> {
    let mut processes = BTreeMap::new();
    for entry in fs::read_dir("/proc").context("list processes")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended since.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        if let Some(process) = stat.as_deref().and_then(parse_stat) {
            processes.insert(pid, process);
        }
    }
    let (mut found, mut left) = (BTreeMap::new(), roots.to_vec());
    while let Some(pid) = left.pop() {
        if let Some(process) = processes.remove(&pid) {
            let children = processes.iter().filter(|(_, child)| child.parent == pid);
            left.extend(children.map(|(pid, _)| pid));
            found.insert(pid, process);
        }
    }
    Ok(found)
}

/// What a process itself has used, to the microsecond, which ticks of 10 ms are too coarse for. Nothing when it has
/// ended since.
fn of_process(pid: u32) -> Duration {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX));
    let clock = clock_getcpuclockid(pid).and_then(clock_gettime);
    clock.map_or(Duration::ZERO, Duration::from)
}

/// Fields as in proc_pid_stat(5). The name in parentheses may hold anything, so fields count from behind it.
fn parse_stat(line: &str) -> Option<Process> {
    let (_, fields) = line.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // cutime and cstime.
    let ticks = fields.get(13..15)?.iter().map(|field| field.parse::<u64>());
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        ended_ticks: ticks.sum::<Result<_, _>>().ok()?,
    })
}

/// CPU time that this process has used.
pub(crate) fn of_self() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("ask for the CPU time of this process")?;
    let duration = |time: TimeVal| {
        let micros = time.tv_sec().saturating_mul(1_000_000).saturating_add(time.tv_usec());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    };
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

/// CPU time that all cores together were busy since the machine started, time that the hypervisor took included.
pub(crate) fn of_machine() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    busy_ticks(&stat)
        .map(of_ticks)
        .context("/proc/stat has no line for all cores")
}

/// The first line: user, nice, system, idle, iowait, irq, softirq, steal.
fn busy_ticks(stat: &str) -> Option<u64> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = fields
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let waiting = fields.get(3)? + fields.get(4)?;
    Some(fields.iter().take(8).sum::<u64>() - waiting)
}

fn of_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1_000 / TICKS_PER_SECOND))
}

/// Cores of this machine that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        let line = "7 (a) b (c) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 99";
        assert_eq!(
            parse_stat(line),
            Some(Process {
                parent: 3,
                ended_ticks: 70
            })
        );
        assert_eq!(parse_stat("7 (a) S 3 7"), None);
    }

    #[test]
    fn waiting_is_not_work() {
        assert_eq!(busy_ticks("cpu  10 1 5 1000 500 2 3 4 0 0\ncpu0 1\n"), Some(25));
        assert_eq!(busy_ticks("intr 5\n"), None);
    }

    #[test]
    fn a_tree_counts_its_children() {
        let own = of_trees(&[std::process::id()]).unwrap();
        let started = std::time::Instant::now();
        let mut child = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let grew = |time: Duration| time > own + Duration::from_millis(100);
        let mut with_child = own;
        while !grew(with_child) && started.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(20));
            with_child = of_trees(&[std::process::id()]).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(grew(with_child), "{own:?} became {with_child:?}");
        // User and system time of what has ended come in whole ticks.
        let ticks = of_ticks(2);
        assert!(of_trees(&[std::process::id()]).unwrap() + ticks >= with_child);
    }
}
