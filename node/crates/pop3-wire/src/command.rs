//! Command lines, read into commands (RFC 1939 5 to 7, RFC 2449, RFC 2595, RFC 5034).
//!
//! Must not know: whether a command is allowed now.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_model::Secret;

/// One command. Message numbers and line counts as the client wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Capabilities,
    User(String),
    Pass(Secret),
    AuthPlain(Option<InitialResponse>),
    StartTls,
    Stat,
    List(Option<u64>),
    UniqueIds(Option<u64>),
    Retrieve(u64),
    Top { number: u64, lines: u64 },
    Delete(u64),
    Reset,
    Noop,
    Quit,
}

/// The response that came with AUTH, freed of base64.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct InitialResponse(pub(crate) Vec<u8>);

/// It holds a password.
impl std::fmt::Debug for InitialResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InitialResponse(..)")
    }
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadCommand {
    Unknown,
    ControlCharacter,
    NotUtf8,
    /// Shown with how it should look.
    Usage(&'static str),
    Mechanism,
    Base64,
}

impl Command {
    /// Reads a line without its CR LF.
    pub(crate) fn read(line: &[u8]) -> Result<Self, BadCommand> {
        if line.iter().any(u8::is_ascii_control) {
            return Err(BadCommand::ControlCharacter);
        }
        let line = std::str::from_utf8(line).map_err(|_| BadCommand::NotUtf8)?;
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = argument.split(' ').filter(|word| !word.is_empty()).collect();
        match verb.to_ascii_uppercase().as_str() {
            "CAPA" => alone(Self::Capabilities, &words, "CAPA"),
            "USER" => match argument.trim() {
                "" => Err(BadCommand::Usage("USER name")),
                name => Ok(Self::User(name.to_owned())),
            },
            // A password may begin and end with spaces (RFC 1939 7).
            "PASS" if argument.is_empty() => Err(BadCommand::Usage("PASS password")),
            "PASS" => Ok(Self::Pass(Secret::new(argument.to_owned()))),
            "AUTH" => read_auth(&words),
            "STLS" => alone(Self::StartTls, &words, "STLS"),
            "STAT" => alone(Self::Stat, &words, "STAT"),
            "LIST" => Ok(Self::List(optional_number(&words, "LIST [message]")?)),
            "UIDL" => Ok(Self::UniqueIds(optional_number(&words, "UIDL [message]")?)),
            "RETR" => Ok(Self::Retrieve(one_number(&words, "RETR message")?)),
            "DELE" => Ok(Self::Delete(one_number(&words, "DELE message")?)),
            "TOP" => read_top(&words),
            "RSET" => alone(Self::Reset, &words, "RSET"),
            "NOOP" => alone(Self::Noop, &words, "NOOP"),
            "QUIT" => alone(Self::Quit, &words, "QUIT"),
            _ => Err(BadCommand::Unknown),
        }
    }
}

fn alone(command: Command, words: &[&str], usage: &'static str) -> Result<Command, BadCommand> {
    match words {
        [] => Ok(command),
        _ => Err(BadCommand::Usage(usage)),
    }
}

/// A number in decimal digits alone. One that is too large for any maildrop becomes the largest, which is in none.
fn number(word: &str) -> Option<u64> {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| word.parse().unwrap_or(u64::MAX))
}

fn one_number(words: &[&str], usage: &'static str) -> Result<u64, BadCommand> {
    match words {
        [word] => number(word).ok_or(BadCommand::Usage(usage)),
        _ => Err(BadCommand::Usage(usage)),
    }
}

fn optional_number(words: &[&str], usage: &'static str) -> Result<Option<u64>, BadCommand> {
    match words {
        [] => Ok(None),
        words => one_number(words, usage).map(Some),
    }
}

fn read_top(words: &[&str]) -> Result<Command, BadCommand> {
    let usage = BadCommand::Usage("TOP message lines");
    let [message, lines] = words else {
        return Err(usage);
    };
    let number = number(message).zip(self::number(lines)).ok_or(usage)?;
    Ok(Command::Top {
        number: number.0,
        lines: number.1,
    })
}

fn read_auth(words: &[&str]) -> Result<Command, BadCommand> {
    let (mechanism, initial) = match words {
        [mechanism] => (mechanism, None),
        [mechanism, "="] => (mechanism, Some(Vec::new())),
        [mechanism, response] => {
            let response = decode(response.as_bytes()).ok_or(BadCommand::Base64)?;
            (mechanism, Some(response))
        }
        _ => return Err(BadCommand::Usage("AUTH mechanism [initial-response]")),
    };
    if !mechanism.eq_ignore_ascii_case("PLAIN") {
        return Err(BadCommand::Mechanism);
    }
    Ok(Command::AuthPlain(initial.map(InitialResponse)))
}

/// `None` when it is no base64.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_in_any_case() {
        for (line, command) in [
            ("capa", Command::Capabilities),
            ("user  ann@demo.test ", Command::User("ann@demo.test".to_owned())),
            ("PASS  two words ", Command::Pass(Secret::new(" two words ".to_owned()))),
            ("List", Command::List(None)),
            ("LIST 2", Command::List(Some(2))),
            ("UIDL  3 ", Command::UniqueIds(Some(3))),
            ("TOP 1 0", Command::Top { number: 1, lines: 0 }),
            ("RETR 99999999999999999999", Command::Retrieve(u64::MAX)),
            ("AUTH plain", Command::AuthPlain(None)),
            ("AUTH PLAIN =", Command::AuthPlain(Some(InitialResponse(Vec::new())))),
            (
                "AUTH PLAIN YWI=",
                Command::AuthPlain(Some(InitialResponse(b"ab".to_vec()))),
            ),
        ] {
            assert_eq!(Command::read(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn each_fault_has_its_own_answer() {
        for (line, fault) in [
            (&b""[..], BadCommand::Unknown),
            (b"APOP ann 00", BadCommand::Unknown),
            (b"USER ", BadCommand::Usage("USER name")),
            (b"PASS", BadCommand::Usage("PASS password")),
            (b"STAT 1", BadCommand::Usage("STAT")),
            (b"LIST x", BadCommand::Usage("LIST [message]")),
            (b"LIST 1 2", BadCommand::Usage("LIST [message]")),
            (b"RETR", BadCommand::Usage("RETR message")),
            (b"RETR -1", BadCommand::Usage("RETR message")),
            (b"TOP 1", BadCommand::Usage("TOP message lines")),
            (b"AUTH", BadCommand::Usage("AUTH mechanism [initial-response]")),
            (b"AUTH CRAM-MD5", BadCommand::Mechanism),
            (b"AUTH PLAIN %", BadCommand::Base64),
            (b"USER \xFF", BadCommand::NotUtf8),
            (b"NOOP\0", BadCommand::ControlCharacter),
        ] {
            assert_eq!(Command::read(line), Err(fault), "{line:?}");
        }
    }

    #[test]
    fn a_trace_shows_no_password() {
        for line in ["PASS hunter2", "AUTH PLAIN AGFubgBodW50ZXIy"] {
            let shown = format!("{:?}", Command::read(line.as_bytes()));
            assert!(shown.contains("(..)") && !shown.contains("hunter2"), "{shown}");
        }
    }
}
