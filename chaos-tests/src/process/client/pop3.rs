//! POP3 (RFC 1939).

use std::thread;
use std::time::Instant;

use super::{Trouble, Wire};
use crate::process::limits::{LOOK_EVERY, PATIENCE};

/// A session that has logged in.
pub struct Pop3(Wire);

impl Pop3 {
    /// Logs in.
    ///
    /// # Errors
    /// When the server is not there, or does not let us in.
    pub fn log_in(port: u16, user: &str, password: &str) -> Result<Self, Trouble> {
        let mut session = Self(Wire::connect(port)?);
        session.reply()?;
        session.ask(&format!("USER {user}"))?;
        session.ask(&format!("PASS {password}"))?;
        Ok(session)
    }

    /// Logs in, and tries again for as long as the server says that it cannot for now.
    ///
    /// # Panics
    /// When it cannot in the end, or never.
    #[must_use]
    pub fn log_in_patiently(port: u16, user: &str, password: &str) -> Self {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Self::log_in(port, user, password) {
                Ok(session) => return session,
                Err(trouble) => {
                    let for_now = trouble.is_temporary() || matches!(trouble, Trouble::Gone(_));
                    assert!(for_now && Instant::now() < deadline, "POP3 on port {port}: {trouble}");
                }
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn reply(&mut self) -> Result<String, Trouble> {
        let line = self.0.line()?;
        match line.strip_prefix("+OK") {
            Some(rest) => Ok(rest.trim_start().to_owned()),
            None if line.starts_with("-ERR") => Err(Trouble::Refused(line)),
            None => Err(Trouble::Nonsense(line)),
        }
    }

    fn ask(&mut self, command: &str) -> Result<String, Trouble> {
        self.0.send(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    /// The lines after a good reply, up to the dot, as they are without the dots that stand for dots.
    fn lines(&mut self, command: &str) -> Result<Vec<Vec<u8>>, Trouble> {
        self.ask(command)?;
        let mut lines = Vec::new();
        loop {
            let line = self.0.line_bytes()?;
            match line.as_slice() {
                b"." => return Ok(lines),
                [b'.', rest @ ..] => lines.push(rest.to_vec()),
                _ => lines.push(line),
            }
        }
    }

    /// The unique id of every message, by its number.
    ///
    /// # Errors
    /// As of each command.
    pub fn uidl(&mut self) -> Result<Vec<(u32, String)>, Trouble> {
        let row = |line: &Vec<u8>| {
            let line = String::from_utf8_lossy(line);
            let (number, id) = line.split_once(' ')?;
            Some((number.parse().ok()?, id.to_owned()))
        };
        let lines = self.lines("UIDL")?;
        let rows = lines.iter().map(row).collect::<Option<_>>();
        rows.ok_or_else(|| Trouble::Nonsense(format!("{lines:?}")))
    }

    /// A whole message.
    ///
    /// # Errors
    /// As of each command.
    pub fn retrieve(&mut self, number: u32) -> Result<Vec<u8>, Trouble> {
        Ok(joined(&self.lines(&format!("RETR {number}"))?))
    }

    /// The header of a message.
    ///
    /// # Errors
    /// As of each command.
    pub fn header(&mut self, number: u32) -> Result<Vec<u8>, Trouble> {
        Ok(joined(&self.lines(&format!("TOP {number} 0"))?))
    }

    /// Marks a message to be deleted.
    ///
    /// # Errors
    /// As of each command.
    pub fn delete(&mut self, number: u32) -> Result<(), Trouble> {
        self.ask(&format!("DELE {number}")).map(drop)
    }

    /// Ends the session: what was marked is deleted once this is `Ok`.
    ///
    /// # Errors
    /// As of each command.
    pub fn quit(mut self) -> Result<(), Trouble> {
        self.ask("QUIT").map(drop)
    }
}

fn joined(lines: &[Vec<u8>]) -> Vec<u8> {
    let ended = lines.iter().flat_map(|line| [line.as_slice(), b"\r\n"]);
    ended.collect::<Vec<_>>().concat()
}
