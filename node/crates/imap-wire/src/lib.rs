//! The wire of IMAP4rev1 (RFC 3501): octets become commands, replies become octets. No I/O, no clock, no threads.
//!
//! Served besides: LITERAL+ (RFC 7888), SASL-IR (RFC 4959), IDLE (RFC 2177), UIDPLUS (RFC 4315), NAMESPACE (RFC 2342),
//! UNSELECT (RFC 3691), MOVE (RFC 6851), ID (RFC 2971), CHILDREN (RFC 3348), SPECIAL-USE (RFC 6154).
//!
//! - [`ImapServer`] takes what the client sends and gives one [`Event`] at a time, when asked.
//! - [`Command`] and what it is made of are legal values; text from the wire ends here.
//! - [`response`] writes replies.
//! - [`limits`] has every bound.
//!
//! Must not know: mailboxes that exist, messages, passwords, sockets, time. Knows `mail_model` alone.

pub mod command;
pub mod limits;
mod refusal;
pub mod response;
mod server;
mod state;
mod syntax;
mod tag;

pub use command::{Append, AppendMessage, AuthResponse, Command, Numbering, Tagged};
pub use refusal::{Refusal, RefusalKind, Rejected};
pub use server::{Event, ImapServer};
pub use state::SessionState;
pub use syntax::{CalendarDate, InvalidMutf7, ListPattern, NumberRanges, SequenceSet, decode_mutf7, encode_mutf7};
pub use tag::Tag;
