//! APPEND (RFC 3501 6.3.11) of one message or several (MULTIAPPEND, RFC 3502 6.3.11): all that stands before each of them.

use mail_model::{FlagSet, InternalDate, MailboxName};

use crate::refusal::Parse;
use crate::syntax::{Cursor, LiteralMarker, Naming, read_date_time, read_flag_list, read_mailbox};
use crate::tag::Tag;

/// The verb, in upper case.
pub(crate) const VERB: &str = "APPEND";

/// An announced command, with its first message, which is not yet sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The tag to answer under.
    pub tag: Tag,
    /// Where to.
    pub mailbox: MailboxName,
    /// The first message; others may follow it.
    pub message: AppendMessage,
}

/// What is said of a message before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendMessage {
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
    /// The literal is the first message.
    Message(MailboxName, AppendMessage),
}

/// Reads the arguments of APPEND as far as the literal of `marker`, with which they end.
pub(crate) fn read_announced(cursor: &mut Cursor<'_>, marker: LiteralMarker) -> Parse<Announced> {
    cursor.space()?;
    if cursor.position() == marker.start {
        return Ok(Announced::MailboxName);
    }
    let mailbox = read_mailbox(cursor, Naming::New)?;
    read_message(cursor, marker).map(|message| Announced::Message(mailbox, message))
}

/// Reads `append-message` (RFC 3502 7) as far as the literal of `marker`, with which it ends.
pub(crate) fn read_message(cursor: &mut Cursor<'_>, marker: LiteralMarker) -> Parse<AppendMessage> {
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
    let size = marker.size;
    Ok(AppendMessage { flags, date, size })
}
