//! HELO, EHLO (RFC 5321 4.1.1.1) and LHLO (RFC 2033 4.1).

use super::{BadCommand, Command};
use crate::limits::HELLO_BYTES_MAX;

/// Which of the three a client said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloVerb {
    /// SMTP without extensions.
    Helo,
    /// SMTP with extensions.
    Ehlo,
    /// LMTP.
    Lhlo,
}

/// What a client calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// How it said so.
    pub verb: HelloVerb,
    /// Printable ASCII without spaces, 1 to [`HELLO_BYTES_MAX`] octets. Not checked further: clients behind address
    /// translation cannot know their name, and mail programs send what they like (RFC 5321 4.1.4 forbids refusing it).
    pub name: String,
}

pub(super) fn read(verb: HelloVerb, argument: &[u8]) -> Result<Command, BadCommand> {
    let is_name = (1..=HELLO_BYTES_MAX).contains(&argument.len()) && argument.iter().all(u8::is_ascii_graphic);
    if !is_name {
        return Err(BadCommand::HelloArgument);
    }
    let name = argument.iter().copied().map(char::from).collect();
    Ok(Command::Hello(Hello { verb, name }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_printable_word() {
        let read = |text: &str| Command::read(text.as_bytes());
        let name = "my_pc[1]".to_owned();
        let verb = HelloVerb::Ehlo;
        assert_eq!(read("ehlo my_pc[1] "), Ok(Command::Hello(Hello { verb, name })));
        for text in ["EHLO", "HELO ", "LHLO a b", "EHLO \u{e4}"] {
            assert_eq!(read(text), Err(BadCommand::HelloArgument), "{text}");
        }
        assert!(read(&format!("EHLO {}", "x".repeat(HELLO_BYTES_MAX + 1))).is_err());
    }
}
