//! What the disk itself can do: small appends, each synced before the next.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::limits::{PROBE_BYTES, PROBE_FOR};

/// Refuses directories in memory.
pub(crate) fn ensure_disk(dir: &Path) -> anyhow::Result<()> {
    let found = statfs(dir).with_context(|| format!("look at {}", dir.display()))?;
    ensure!(
        found.filesystem_type() != TMPFS_MAGIC,
        "{} is in memory, where a sync costs nothing: name a directory on a disk with --dir DIR",
        dir.display()
    );
    Ok(())
}

/// Appends of [`PROBE_BYTES`] per second in a new file of `dir`, with fdatasync after each.
pub(crate) fn synced_appends_per_second(dir: &Path) -> anyhow::Result<f64> {
    let mut file: File = tempfile::tempfile_in(dir).context("make a file to measure the disk with")?;
    let bytes = [b'x'; PROBE_BYTES];
    let started = Instant::now();
    let mut appends = 0_u32;
    while started.elapsed() < PROBE_FOR {
        file.write_all(&bytes)
            .and_then(|()| file.sync_data())
            .context("append to a file")?;
        appends += 1;
    }
    Ok(f64::from(appends) / started.elapsed().as_secs_f64())
}
