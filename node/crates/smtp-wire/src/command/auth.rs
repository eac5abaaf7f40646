//! AUTH (RFC 4954 4).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{BadCommand, Command};

/// How a client logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// Older, still what some programs choose.
    Login,
}

/// The command with its initial response, freed of base64.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AuthCommand {
    pub(crate) mechanism: Mechanism,
    pub(crate) initial: Option<Vec<u8>>,
}

/// Without the response, which holds a password.
impl fmt::Debug for AuthCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthCommand").field(&self.mechanism).finish()
    }
}

pub(super) fn read(argument: &[u8]) -> Result<Command, BadCommand> {
    let mut words = argument.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let usage = BadCommand::Usage("AUTH mechanism [initial-response]");
    let mechanism = match words.next().ok_or(usage)?.to_ascii_uppercase().as_slice() {
        b"PLAIN" => Mechanism::Plain,
        b"LOGIN" => Mechanism::Login,
        _ => return Err(BadCommand::Mechanism),
    };
    let initial = match words.next() {
        None => None,
        Some(b"=") => Some(Vec::new()),
        Some(word) => Some(decode(word).ok_or(BadCommand::Base64)?),
    };
    if words.next().is_some() {
        return Err(usage);
    }
    Ok(Command::Auth(AuthCommand { mechanism, initial }))
}

/// `None` when it is no base64.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A challenge in base64.
pub(crate) fn encode(text: &str) -> String {
    STANDARD.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initial_response_may_be_missing_or_empty() {
        let read = |text: &str| match Command::read(text.as_bytes()) {
            Ok(Command::Auth(auth)) => Ok((auth.mechanism, auth.initial)),
            Ok(other) => panic!("{other:?} is no AUTH"),
            Err(fault) => Err(fault),
        };
        assert_eq!(read("AUTH plain"), Ok((Mechanism::Plain, None)));
        assert_eq!(read("AUTH LOGIN ="), Ok((Mechanism::Login, Some(Vec::new()))));
        assert_eq!(
            read("auth PLAIN AGEAYg=="),
            Ok((Mechanism::Plain, Some(b"\0a\0b".to_vec())))
        );
        assert_eq!(read("AUTH PLAIN %"), Err(BadCommand::Base64));
        assert_eq!(read("AUTH CRAM-MD5"), Err(BadCommand::Mechanism));
        assert!(read("AUTH").is_err() && read("AUTH PLAIN = =").is_err());
    }

    #[test]
    fn a_trace_of_the_command_shows_no_password() {
        let initial = Some(b"\0ann\0hunter2".to_vec());
        let mechanism = Mechanism::Plain;
        assert_eq!(
            format!("{:?}", AuthCommand { mechanism, initial }),
            "AuthCommand(Plain)"
        );
    }
}
