//! One system call, as strace writes it.

use std::path::Path;

/// A call that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// What its descriptor stands for: a path, or `TCP:[local->remote]`.
    pub target: String,
    /// Its other arguments, with strings as strace escapes them.
    pub arguments: String,
    /// When it was seen to begin, in microseconds.
    pub began_us: u64,
    /// When it was seen to end, in microseconds.
    pub ended_us: u64,
    /// What it returned.
    pub returned: i64,
}

impl Call {
    /// From a line of `strace -ff -ttt -T -yy`; `None` for what is no call, has not ended, or has no descriptor.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (began, rest) = line.split_once(' ')?;
        let (name, rest) = rest.split_once('(')?;
        let (_, rest) = rest.split_once('<')?;
        // A TCP descriptor has an arrow in it.
        let end = if rest.starts_with("TCP") { "]>" } else { ">" };
        let at = rest.find(end)? + end.len();
        let target = rest[..at - 1].to_owned();
        let (arguments, result) = rest[at..].rsplit_once(" = ")?;
        let (returned, took) = result.rsplit_once(" <")?;
        let returned = returned.split(' ').next()?.parse().ok()?;
        let began_us = microseconds(began)?;
        let took_us = microseconds(took.strip_suffix('>')?)?;
        Some(Self {
            name: name.to_owned(),
            target,
            arguments: arguments.to_owned(),
            began_us,
            ended_us: began_us + took_us,
            returned,
        })
    }

    /// Whether it put bytes into a file or a connection.
    #[must_use]
    pub fn is_write(&self) -> bool {
        ["write", "writev", "pwrite64", "sendto"].contains(&self.name.as_str())
    }

    /// Whether it took bytes out of a file or a connection.
    #[must_use]
    pub fn is_read(&self) -> bool {
        ["read", "readv", "recvfrom"].contains(&self.name.as_str())
    }

    /// Whether it made a file's bytes durable.
    #[must_use]
    pub fn is_sync(&self) -> bool {
        ["fdatasync", "fsync"].contains(&self.name.as_str()) && self.returned == 0
    }

    /// Whether it was on a connection that a client has with this port.
    #[must_use]
    pub fn is_at_port(&self, port: u16) -> bool {
        let local = self.target.split_once("->").map(|(local, _)| local);
        self.target.starts_with("TCP") && local.is_some_and(|local| local.ends_with(&format!(":{port}")))
    }

    /// Whether it was on a write-ahead log in a directory.
    #[must_use]
    pub fn is_on_log_of(&self, shelf: &Path) -> bool {
        let path = Path::new(&self.target);
        path.starts_with(shelf) && path.extension().is_some_and(|extension| extension == "log")
    }
}

/// From seconds with six decimals.
fn microseconds(seconds: &str) -> Option<u64> {
    let (whole, decimals) = seconds.split_once('.')?;
    if decimals.len() != 6 {
        return None;
    }
    Some(whole.parse::<u64>().ok()? * 1_000_000 + decimals.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_from_their_lines() {
        let line = r#"1795568780.904560 recvfrom(35<TCP:[127.0.0.1:41025->127.0.0.1:47762]>, "a\r\n.\r\n = 3 <x>", 1024, 0, NULL, NULL) = 78 <0.000004>"#;
        let call = Call::parse(line).unwrap();
        assert!(call.is_read() && call.is_at_port(41_025) && !call.is_at_port(47_762));
        assert_eq!(call.arguments, r#", "a\r\n.\r\n = 3 <x>", 1024, 0, NULL, NULL)"#);
        assert_eq!(
            (call.began_us, call.ended_us),
            (1_795_568_780_904_560, 1_795_568_780_904_564)
        );
        assert_eq!(call.returned, 78);

        let line = "1795568780.911631 fdatasync(38</d/n1/shelf2/db/000024.log>) = 0 <0.000633>";
        let call = Call::parse(line).unwrap();
        assert!(call.is_sync() && call.is_on_log_of(Path::new("/d/n1/shelf2")));
        assert!(!call.is_on_log_of(Path::new("/d/n1/shelf")));
    }

    #[test]
    fn a_sync_that_failed_is_none() {
        let line = "1.000000 fdatasync(3</d/1.log>) = -1 EIO (Input/output error) <0.000001>";
        let call = Call::parse(line).unwrap();
        assert!(call.returned == -1 && !call.is_sync());
    }

    #[test]
    fn what_is_no_call_that_has_ended_is_left_out() {
        for line in [
            "",
            "1.000000 +++ exited with 0 +++",
            "1.000000 --- SIGTERM {si_signo=SIGTERM} ---",
            "1.000000 fdatasync(3</d/1.log> <unfinished ...>) = ?",
            "1.000000 restart_syscall() = 0 <0.000001>",
        ] {
            assert_eq!(Call::parse(line), None, "{line}");
        }
    }
}
