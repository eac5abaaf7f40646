//! Command lines, read into commands (RFC 5321 4.1.1); one file for each with an argument of its own.
//!
//! Must not know: whether a command is allowed now.

mod auth;
mod bdat;
mod hello;
mod mail;
mod rcpt;

pub use auth::Mechanism;
pub(crate) use auth::{AuthCommand, decode as auth_decode, encode as auth_encode};
pub use hello::{Hello, HelloVerb};
pub use mail::{BodyType, MailRequest};

use crate::mailbox::Recipient;
use crate::path::BadPath;
use crate::replies;
use crate::reply::Reply;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Hello(Hello),
    Mail(MailRequest),
    Rcpt(Recipient),
    Data,
    Bdat { bytes: u64, is_last: bool },
    Reset,
    Noop,
    Quit,
    Verify,
    Expand,
    Help,
    StartTls,
    Auth(AuthCommand),
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadCommand {
    Unknown,
    /// Another protocol, led here by a web page perhaps: what follows is not to be read at all.
    OtherProtocol,
    ControlCharacter,
    HelloArgument,
    NoArgumentAllowed,
    /// Shown with how it should look.
    Usage(&'static str),
    /// How many octets follow is not known, so nothing after it can be read.
    Bdat,
    Sender(BadPath),
    Recipient(BadPath),
    ParameterValue,
    UnknownParameter,
    BinaryBody,
    Mechanism,
    Base64,
}

impl BadCommand {
    pub(crate) fn reply(self) -> Reply {
        match self {
            Self::Unknown => replies::unknown_command(),
            Self::OtherProtocol => replies::other_protocol(),
            Self::ControlCharacter => replies::control_character(),
            Self::HelloArgument => replies::bad_hello(),
            Self::NoArgumentAllowed => replies::no_argument_allowed(),
            Self::Usage(usage) => replies::usage(usage),
            Self::Bdat => replies::usage("BDAT size [LAST]"),
            Self::Sender(BadPath::Syntax) => replies::bad_sender(),
            Self::Recipient(BadPath::Syntax) => replies::bad_recipient(),
            Self::Sender(BadPath::EightBit) | Self::Recipient(BadPath::EightBit) => replies::no_smtputf8(),
            Self::ParameterValue => replies::bad_parameter(),
            Self::UnknownParameter => replies::unknown_parameter(),
            Self::BinaryBody => replies::no_binarymime(),
            Self::Mechanism => replies::unknown_mechanism(),
            Self::Base64 => replies::bad_base64(),
        }
    }
}

/// Verbs that HTTP requests begin with.
const OTHER_PROTOCOLS: [&[u8]; 6] = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT"];

impl Command {
    /// Reads a line without its CR LF.
    pub(crate) fn read(line: &[u8]) -> Result<Self, BadCommand> {
        if line.iter().any(u8::is_ascii_control) {
            return Err(BadCommand::ControlCharacter);
        }
        let line = line.trim_ascii_end();
        let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let (verb, argument) = line.split_at(end);
        let argument = argument.trim_ascii_start();
        let verb = verb.to_ascii_uppercase();
        match verb.as_slice() {
            b"HELO" => hello::read(HelloVerb::Helo, argument),
            b"EHLO" => hello::read(HelloVerb::Ehlo, argument),
            b"LHLO" => hello::read(HelloVerb::Lhlo, argument),
            b"MAIL" => mail::read(argument),
            b"RCPT" => rcpt::read(argument),
            b"DATA" => alone(Self::Data, argument),
            b"BDAT" => bdat::read(argument),
            b"RSET" => alone(Self::Reset, argument),
            b"NOOP" => Ok(Self::Noop),
            b"QUIT" => alone(Self::Quit, argument),
            b"VRFY" if argument.is_empty() => Err(BadCommand::Usage("VRFY name")),
            b"VRFY" => Ok(Self::Verify),
            b"EXPN" => Ok(Self::Expand),
            b"HELP" => Ok(Self::Help),
            b"STARTTLS" => alone(Self::StartTls, argument),
            b"AUTH" => auth::read(argument),
            other if OTHER_PROTOCOLS.contains(&other) => Err(BadCommand::OtherProtocol),
            _ => Err(BadCommand::Unknown),
        }
    }
}

fn alone(command: Command, argument: &[u8]) -> Result<Command, BadCommand> {
    if argument.is_empty() {
        Ok(command)
    } else {
        Err(BadCommand::NoArgumentAllowed)
    }
}

/// The text after `prefix` and spaces, which some clients put there; `prefix` in any case.
fn after_prefix<'a>(argument: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = argument.split_at_checked(prefix.len())?;
    found.eq_ignore_ascii_case(prefix).then(|| rest.trim_ascii_start())
}

/// `KEY` or `KEY=value` pairs behind a path (RFC 5321 4.1.2). `None` when they do not begin with a space.
fn parameters(rest: &[u8]) -> Option<impl Iterator<Item = (Vec<u8>, Option<&[u8]>)>> {
    if !rest.is_empty() && !rest.starts_with(b" ") {
        return None;
    }
    let words = rest.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    Some(words.map(|word| match word.iter().position(|byte| *byte == b'=') {
        Some(at) => (word[..at].to_ascii_uppercase(), Some(&word[at + 1..])),
        None => (word.to_ascii_uppercase(), None),
    }))
}

/// A number in decimal digits alone.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read_in_any_case_and_with_spaces_behind() {
        assert_eq!(Command::read(b"daTa  "), Ok(Command::Data));
        assert_eq!(Command::read(b"NOOP and so on"), Ok(Command::Noop));
        assert_eq!(Command::read(b"RSET now"), Err(BadCommand::NoArgumentAllowed));
        assert_eq!(Command::read(b"VRFY"), Err(BadCommand::Usage("VRFY name")));
        assert_eq!(Command::read(b""), Err(BadCommand::Unknown));
        assert_eq!(Command::read(b"POST / HTTP/1.1"), Err(BadCommand::OtherProtocol));
        assert_eq!(Command::read(b"NOOP \0"), Err(BadCommand::ControlCharacter));
        assert_eq!(Command::read(b"MAIL\rFROM:<>"), Err(BadCommand::ControlCharacter));
    }
}
