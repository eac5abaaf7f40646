//! Every status line that is sent, so that one thing is said in one way (RFC 1939 3, RFC 2449 8, RFC 3206).

use crate::command::BadCommand;
use crate::maildrop::{BadNumber, Maildrop};

/// Why the session says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Name or password is wrong.
    Credentials,
    /// Name and password are right, but the account is disabled.
    AccountDisabled,
    /// The maildrop is locked by another session.
    InUse,
    /// It cannot be done now, and trying later may help; nothing has changed.
    Temporary,
    /// Another session deleted the message, and its bytes are no longer kept.
    Gone,
    /// TLS cannot be started now.
    TlsUnavailable,
}

impl Refusal {
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Credentials => "-ERR [AUTH] name or password is wrong",
            Self::AccountDisabled => "-ERR [AUTH] the account is disabled",
            Self::InUse => "-ERR [IN-USE] the maildrop is open in another session",
            Self::Temporary => "-ERR [SYS/TEMP] not possible for now, try later",
            Self::Gone => "-ERR the message was deleted in another session",
            Self::TlsUnavailable => "-ERR [SYS/TEMP] TLS cannot be started for now",
        }
    }
}

pub(crate) const NOOP: &str = "+OK";
pub(crate) const CAPABILITIES: &str = "+OK capabilities follow";
pub(crate) const SEND_PASSWORD: &str = "+OK send the password";
pub(crate) const BEGIN_TLS: &str = "+OK begin TLS";
pub(crate) const LIST_FOLLOWS: &str = "+OK list follows";
pub(crate) const TOP_FOLLOWS: &str = "+OK top of message follows";
pub(crate) const CHALLENGE: &str = "+ ";
pub(crate) const GOODBYE: &str = "+OK goodbye";
pub(crate) const NOT_COMMITTED: &str = "-ERR [SYS/TEMP] no message was deleted, try later";

pub(crate) const LOG_IN_FIRST: &str = "-ERR log in first";
pub(crate) const LOGGED_IN: &str = "-ERR already logged in";
pub(crate) const USER_FIRST: &str = "-ERR USER comes first";
pub(crate) const TLS_ABSENT: &str = "-ERR TLS is not offered";
pub(crate) const TLS_ACTIVE: &str = "-ERR TLS is already in use";
pub(crate) const TLS_FIRST: &str = "-ERR passwords are taken over TLS only, send STLS first";
pub(crate) const PASSWORDS_ABSENT: &str = "-ERR passwords are not taken on this connection";
pub(crate) const CANCELLED: &str = "-ERR authentication cancelled";
pub(crate) const BAD_BASE64: &str = "-ERR the response is not base64";
pub(crate) const BAD_RESPONSE: &str = "-ERR the response does not have the form of its mechanism";
pub(crate) const BARE_LINE_FEED: &str = "-ERR command lines end with CR LF";
pub(crate) const TOO_LONG: &str = "-ERR the line is too long";
pub(crate) const LOCKED_OUT: &str = "-ERR [AUTH] the account was closed or its password changed, log in again";
pub(crate) const TOO_MANY_ERRORS: &str = "-ERR too many errors";

pub(crate) fn greeting(host: &str) -> String {
    // Nothing in angle brackets: that would offer APOP (RFC 1939 7).
    format!("+OK {host} POP3 ready")
}

pub(crate) fn maildrop(maildrop: &Maildrop) -> String {
    format!("+OK {} messages ({} octets)", maildrop.count(), maildrop.octets())
}

pub(crate) fn stat(maildrop: &Maildrop) -> String {
    format!("+OK {} {}", maildrop.count(), maildrop.octets())
}

pub(crate) fn one(number: u64, value: impl std::fmt::Display) -> String {
    format!("+OK {number} {value}")
}

pub(crate) fn octets(octets: u64) -> String {
    format!("+OK {octets} octets")
}

pub(crate) fn deleted(number: u64) -> String {
    format!("+OK message {number} marked as deleted")
}

pub(crate) fn committed(count: usize) -> String {
    format!("+OK {count} messages deleted, goodbye")
}

pub(crate) fn bad_number(fault: BadNumber) -> &'static str {
    match fault {
        BadNumber::Absent => "-ERR no such message",
        BadNumber::Deleted => "-ERR the message is marked as deleted",
    }
}

pub(crate) fn bad_command(fault: BadCommand) -> String {
    let text = match fault {
        BadCommand::Unknown => "unknown command",
        BadCommand::ControlCharacter => "a command holds no control characters",
        BadCommand::NotUtf8 => "names and passwords are UTF-8",
        BadCommand::Usage(usage) => return format!("-ERR expected {usage}"),
        BadCommand::Mechanism => "the mechanism is PLAIN",
        BadCommand::Base64 => return BAD_BASE64.to_owned(),
    };
    format!("-ERR {text}")
}
