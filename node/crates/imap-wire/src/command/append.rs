//! APPEND (RFC 3501 6.3.11): all that stands before its message.

use mail_model::{FlagSet, InternalDate, MailboxName};

use crate::refusal::Parse;
use crate::syntax::{Cursor, LiteralMarker, Naming, read_date_time, read_flag_list, read_mailbox};
use crate::tag::Tag;

/// The verb, in upper case.
pub(crate) const VERB: &str = "APPEND";

/// An announced message, not yet sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The tag to answer under.
    pub tag: Tag,
    /// Where to.
    pub mailbox: MailboxName,
    /// With which flags; `None` without a list, which means the same as an empty one.
    pub flags: Option<FlagSet>,
    /// With which INTERNALDATE; else the time of arrival.
    pub date: Option<InternalDate>,
    /// Octets of the message, at least one.
    pub size: u64,
}

/// What the arguments before a literal announce.
pub(crate) enum Announced {
    /// The literal is the name of the mailbox.
    MailboxName,
    /// The literal is the message.
    Message {
        mailbox: MailboxName,
        flags: Option<FlagSet>,
        date: Option<InternalDate>,
    },
}

/// Reads the arguments of APPEND as far as the literal of `marker`, with which they end.
pub(crate) fn read_announced(cursor: &mut Cursor<'_>, marker: LiteralMarker) -> Parse<Announced> {
    cursor.space()?;
    if cursor.position() == marker.start {
        return Ok(Announced::MailboxName);
    }
    let mailbox = read_mailbox(cursor, Naming::New)?;
    cursor.space()?;
    let flags = match cursor.peek() {
        Some(b'(') => Some(read_flag_list(cursor)?),
        _ => None,
    };
    if flags.is_some() {
        cursor.space()?;
    }
    let date = match cursor.peek() {
        Some(b'"') => Some(read_date_time(cursor)?),
        _ => None,
    };
    if date.is_some() {
        cursor.space()?;
    }
    if cursor.position() != marker.start {
        return Err(cursor.unexpected("the literal of the message"));
    }
    Ok(Announced::Message { mailbox, flags, date })
}
