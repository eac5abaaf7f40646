//! What the machine tells the session.

use bytes::Bytes;

use crate::command::{Append, AppendMessage, AuthResponse, Tagged};
use crate::refusal::Rejected;
use crate::tag::Tag;

/// One thing to do for the session, in the order of the client's octets.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Do it, and answer under its tag. After IDLE and AUTHENTICATE the session says what the next line is, with
    /// [`crate::ImapServer::begin_idle`] and [`crate::ImapServer::expect_auth_line`], or answers at once.
    Command(Tagged),
    /// Send a continuation now: the client waits to send a literal.
    Continue,
    /// A message is announced: answer with [`crate::ImapServer::accept_append`] or
    /// [`crate::ImapServer::refuse_append`]. Nothing else comes before that.
    Append(Append),
    /// The accepted message is whole, and the same command announces another one (MULTIAPPEND): answer as to
    /// [`Event::Append`]. A refusal is the end of the command, and none of its messages is appended.
    AppendNext {
        /// The tag of the APPEND.
        tag: Tag,
        /// The message that would come.
        message: AppendMessage,
    },
    /// The next octets of the accepted message; never empty, never with a NUL.
    AppendChunk(Bytes),
    /// The last accepted message and its command are whole: append all of its messages, and answer under the tag.
    AppendEnd {
        /// The tag of the APPEND.
        tag: Tag,
    },
    /// Send the refusal. If it has the tag of an APPEND or AUTHENTICATE that is under way, that one is over, and what
    /// has come of it is to be dropped.
    Rejected(Rejected),
    /// The client's answer to the last challenge.
    AuthLine(AuthResponse),
    /// The client ended its IDLE: answer under the tag.
    IdleDone {
        /// The tag of the IDLE.
        tag: Tag,
    },
    /// Send BYE with this text and close. Nothing comes after it.
    Fatal {
        /// For a human.
        text: &'static str,
    },
}
