//! Memory of processes, from `/proc/PID/smaps_rollup` (proc_pid_smaps(5)). What the kernel keeps for their connections is
//! not among it.

use std::fs;

use anyhow::Context;

use crate::cpu;

/// In octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident: what several processes share counts for each.
    pub(crate) rss: u64,
    /// What several processes share counts in parts.
    pub(crate) pss: u64,
}

/// Of these processes and all that they have started.
///
/// # Errors
/// When none of them can be looked at.
pub(crate) fn of_trees(roots: &[u32]) -> anyhow::Result<Memory> {
    let mut sum = Memory::default();
    for pid in cpu::tree(roots)? {
        // It may have ended since.
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        if let Some(memory) = parse(&text) {
            sum.rss += memory.rss;
            sum.pss += memory.pss;
        }
    }
    (sum != Memory::default())
        .then_some(sum)
        .context("no memory can be seen")
}

fn parse(text: &str) -> Option<Memory> {
    let octets = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes << 10)
    };
    Some(Memory {
        rss: octets("Rss:")?,
        pss: octets("Pss:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_seen() {
        let text = "0-f ---p 00000000 00:00 0 [rollup]\nRss:  2048 kB\nPss:  1024 kB\nPss_Anon: 7 kB\n";
        let expected = Memory {
            rss: 2 << 20,
            pss: 1 << 20,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("Rss: many kB\n"), None);
        assert!(of_trees(&[std::process::id()]).unwrap().rss > 1 << 20);
    }
}
