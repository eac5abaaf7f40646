//! `bench all`: every measurement, one after the other, each in a process of its own, so that none inherits what another
//! one has left in memory.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::cpu;

/// Those that say most come first.
const ROWS: [&str; 10] = [
    "shelf",
    "delivery",
    "append",
    "mixed",
    "mailbox",
    "login",
    "idle",
    "written",
    "restart",
    "idle-groups",
];

pub(crate) fn run(dir: &Path) -> anyhow::Result<()> {
    let own = std::env::current_exe().context("find this program")?;
    let (started, mut failed) = (Instant::now(), Vec::new());
    println!("{} cores, {}\n", cpu::cores(), dir.display());
    for row in ROWS {
        let begun = Instant::now();
        let status = Command::new(&own).arg("--dir").arg(dir).arg(row).status();
        let status = status.with_context(|| format!("run {}", own.display()))?;
        eprintln!("bench {row}: {:.0} s", begun.elapsed().as_secs_f64());
        // What the others find is worth having all the same.
        if !status.success() {
            failed.push(row);
        }
    }
    eprintln!("all: {:.0} s", started.elapsed().as_secs_f64());
    ensure!(
        failed.is_empty(),
        "these did not come to their end: {}",
        failed.join(", ")
    );
    Ok(())
}
