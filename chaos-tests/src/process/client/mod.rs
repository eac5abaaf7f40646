//! Small mail clients over std sockets, for tests that have to know exactly what a server has answered and what it has
//! not. Other people's clients hide that.
//!
//! Invariant: a connection that ended, a reply that did not come, and a refusal are kept apart: after the first two a
//! command may have taken effect.

mod imap;
mod pop3;
mod smtp;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

pub use imap::{Appended, Fetched, Imap, Selected};
pub use pop3::Pop3;
pub use smtp::{Dialect, Smtp, Taken};

use super::limits::{LINE_BYTES_MAX, LITERAL_BYTES_MAX, REPLY_WITHIN};

/// Why a command has no good end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The connection ended, or no reply came in time.
    #[error("the connection ended: {0}")]
    Gone(String),
    /// The server said good-bye.
    #[error("the server said {0:?}")]
    Bye(String),
    /// The server refused, in these words.
    #[error("refused: {0:?}")]
    Refused(String),
    /// No client could make sense of it.
    #[error("nonsense from the server: {0:?}")]
    Nonsense(String),
}

impl Trouble {
    /// Whether the server asks to try again later: SMTP 4xx (RFC 5321), IMAP and POP3 by their response codes (RFC 5530,
    /// RFC 2449, RFC 3206).
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        let Self::Refused(text) = self else { return false };
        let codes = ["[UNAVAILABLE]", "[INUSE]", "[IN-USE]", "[SYS/TEMP]"];
        text.starts_with('4') || codes.iter().any(|code| text.contains(code))
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Gone(error.to_string())
    }
}

/// Lines in, lines out.
struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    fn connect(port: u16) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_WITHIN))?;
        stream.set_write_timeout(Some(REPLY_WITHIN))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    /// A line without its end.
    fn line_bytes(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut line = Vec::new();
        self.stream.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\r\n") {
            return Err(Trouble::Gone(format!("after {:?}", String::from_utf8_lossy(&line))));
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }

    fn line(&mut self) -> Result<String, Trouble> {
        Ok(String::from_utf8_lossy(&self.line_bytes()?).into_owned())
    }

    fn octets(&mut self, count: usize) -> Result<Vec<u8>, Trouble> {
        if count > LITERAL_BYTES_MAX {
            return Err(Trouble::Nonsense(format!("{count} octets")));
        }
        let mut octets = vec![0; count];
        self.stream.read_exact(&mut octets)?;
        Ok(octets)
    }
}

/// With a dot more before each that begins a line, and the line that ends it all (RFC 5321 section 4.5.2).
fn dotted(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32 + 3);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_that_begin_a_line_are_doubled() {
        assert_eq!(dotted(b".\r\na.\r\n..b\r\n"), b"..\r\na.\r\n...b\r\n.\r\n");
    }

    #[test]
    fn only_what_says_so_is_temporary() {
        let refused = |text: &str| Trouble::Refused(text.to_owned()).is_temporary();
        assert!(refused("451 4.3.0 later") && refused("NO [UNAVAILABLE] later") && refused("-ERR [IN-USE] other"));
        assert!(!refused("550 5.1.1 nobody") && !refused("NO [CANNOT] never"));
        assert!(!Trouble::Gone(String::new()).is_temporary());
    }
}
