//! What processes have read from disks and written to them, from `/proc/PID/io` (proc_pid_io(5)).

use std::fs;

use anyhow::Context;

/// Octets that went to and came from disks, since a process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Io {
    pub(crate) read_bytes: u64,
    /// Pages count once each time that they become dirty, and so do parts of them.
    pub(crate) write_bytes: u64,
}

/// Of one process.
///
/// # Errors
/// When there is no such process, or it belongs to somebody else.
pub(crate) fn of(pid: u32) -> anyhow::Result<Io> {
    let file = format!("/proc/{pid}/io");
    let text = fs::read_to_string(&file).with_context(|| format!("read {file}"))?;
    parse(&text).with_context(|| format!("understand {file}"))
}

fn parse(text: &str) -> Option<Io> {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(": ")?.parse().ok()
    };
    Some(Io {
        read_bytes: number("read_bytes")?,
        write_bytes: number("write_bytes")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cancelled_is_not_what_was_written() {
        let text = "rchar: 1\nwchar: 2\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 5\n";
        let expected = Io {
            read_bytes: 4_096,
            write_bytes: 8_192,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("rchar: 1\n"), None);
        assert!(of(std::process::id()).is_ok());
    }
}
