//! RCPT (RFC 5321 4.1.1.3). No parameter is offered, so none is taken.

use super::{BadCommand, Command, after_prefix, parameters};
use crate::mailbox::Recipient;
use crate::path::{BadPath, Path, read_path};

pub(super) fn read(argument: &[u8]) -> Result<Command, BadCommand> {
    let path = after_prefix(argument, b"TO:").ok_or(BadCommand::Usage("RCPT TO:<address>"))?;
    let (path, rest) = read_path(path).map_err(BadCommand::Recipient)?;
    let recipient = match path {
        Path::Null => return Err(BadCommand::Recipient(BadPath::Syntax)),
        Path::Postmaster => Recipient::Postmaster,
        Path::Mailbox(mailbox) => Recipient::Mailbox(mailbox),
    };
    let mut parameters = parameters(rest).ok_or(BadCommand::Recipient(BadPath::Syntax))?;
    match parameters.next() {
        None => Ok(Command::Rcpt(recipient)),
        Some(_) => Err(BadCommand::UnknownParameter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_read() {
        let read = |text: &str| Command::read(text.as_bytes());
        assert_eq!(read("RCPT TO:<postmaster>"), Ok(Command::Rcpt(Recipient::Postmaster)));
        let Ok(Command::Rcpt(recipient)) = read("rcpt to: <@relay.example:ann@example.org>") else {
            panic!("a recipient");
        };
        assert_eq!(recipient.to_string(), "ann@example.org");
        assert_eq!(read("RCPT TO:<>"), Err(BadCommand::Recipient(BadPath::Syntax)));
        assert_eq!(read("RCPT TO:<a@b> NOTIFY=NEVER"), Err(BadCommand::UnknownParameter));
        assert_eq!(read("RCPT <a@b>"), Err(BadCommand::Usage("RCPT TO:<address>")));
    }
}
