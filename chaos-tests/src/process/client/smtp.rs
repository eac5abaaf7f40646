//! SMTP and LMTP (RFC 5321, RFC 2033): one message after the other, each recipient with its own outcome.

use super::{Trouble, Wire, dotted};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// One reply for a message.
    Smtp,
    /// A reply for each recipient of a message.
    Lmtp,
}

/// What became of a message for one recipient: the server's words after `250`, or why there are none.
pub type Taken = Result<String, Trouble>;

/// A session that has said hello.
pub struct Smtp {
    wire: Wire,
    dialect: Dialect,
}

impl Smtp {
    /// Connects and says hello.
    ///
    /// # Errors
    /// When the server is not there, or not willing.
    pub fn connect(port: u16, dialect: Dialect) -> Result<Self, Trouble> {
        let mut wire = Wire::connect(port)?;
        reply(&mut wire, "220")?;
        wire.send(match dialect {
            Dialect::Smtp => b"EHLO client.example\r\n",
            Dialect::Lmtp => b"LHLO client.example\r\n",
        })?;
        reply(&mut wire, "250")?;
        Ok(Self { wire, dialect })
    }

    /// Sends a message, whose lines end with CR LF. One outcome for each recipient, in their order; they are one and the
    /// same over SMTP.
    pub fn deliver(&mut self, from: &str, to: &[String], message: &[u8]) -> Vec<Taken> {
        if let Err(trouble) = self.envelope(from, to) {
            return vec![Err(trouble); to.len()];
        }
        let sent = self.wire.send(&dotted(message));
        let mut outcomes: Vec<Taken> = Vec::new();
        for _ in to {
            let outcome = match outcomes.last() {
                Some(only) if self.dialect == Dialect::Smtp => only.clone(),
                Some(Err(gone @ Trouble::Gone(_))) => Err(gone.clone()),
                _ => sent.clone().and_then(|()| reply(&mut self.wire, "250")),
            };
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Everything up to the data. A recipient that is refused is a message that is refused.
    fn envelope(&mut self, from: &str, to: &[String]) -> Result<(), Trouble> {
        let mut ask = |command: String, code: &str| {
            self.wire.send(command.as_bytes())?;
            reply(&mut self.wire, code)
        };
        let mut open = || {
            ask(format!("MAIL FROM:<{from}>\r\n"), "250")?;
            to.iter()
                .try_for_each(|to| ask(format!("RCPT TO:<{to}>\r\n"), "250").map(drop))?;
            ask("DATA\r\n".to_owned(), "354")
        };
        let Err(trouble) = open() else { return Ok(()) };
        if let Trouble::Refused(_) = trouble {
            ask("RSET\r\n".to_owned(), "250")?;
        }
        Err(trouble)
    }

    /// Takes leave.
    ///
    /// # Errors
    /// When the server does not.
    pub fn quit(mut self) -> Result<(), Trouble> {
        self.wire.send(b"QUIT\r\n")?;
        reply(&mut self.wire, "221").map(drop)
    }
}

/// A reply, all its lines; the text of the last one if it has the code.
fn reply(wire: &mut Wire, code: &str) -> Result<String, Trouble> {
    loop {
        let line = wire.line()?;
        match line.as_bytes().get(3) {
            Some(b'-') => {}
            Some(b' ') if line.starts_with(code) => return Ok(line[4..].to_owned()),
            Some(b' ') if line.starts_with("421") => return Err(Trouble::Bye(line)),
            Some(b' ') if line.starts_with(['4', '5']) => return Err(Trouble::Refused(line)),
            _ => return Err(Trouble::Nonsense(line)),
        }
    }
}
