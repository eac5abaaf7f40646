//! Replies, appended to a buffer as octets (RFC 3501 7).
//!
//! Invariants
//! - Whatever the arguments are, what is written is one well-formed reply: texts lose their control characters, strings
//!   that cannot be quoted become literals, names are in modified UTF-7.
//! - Nothing is kept: a reply is in the buffer or it is not.
//!
//! Must not know: what the reply means for the session, and when it may be sent.

mod capability;
mod code;
mod fetch;
mod id;
mod list;
mod mailbox;
mod namespace;
mod status;
mod string;

use bytes::{BufMut as _, BytesMut};

pub use capability::{Capabilities, write_capability};
pub use code::{Code, write_uid_set};
pub use fetch::FetchReply;
pub use id::write_id;
pub use list::{ListAttribute, write_list, write_lsub, write_separator};
pub use mailbox::{write_exists, write_expunge, write_flags, write_recent, write_search, write_status};
pub use namespace::write_namespace;
pub use status::{
    Status, write_bye, write_challenge, write_continuation, write_greeting, write_rejected, write_tagged,
    write_untagged,
};
pub use string::{write_astring, write_mailbox, write_nstring, write_string};

/// Appends a number.
fn put_number(out: &mut BytesMut, number: impl Into<u64>) {
    put(out, format_args!("{}", number.into()));
}

/// Appends formatted ASCII.
fn put(out: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    match text.as_str() {
        Some(text) => out.put_slice(text.as_bytes()),
        None => out.put_slice(std::fmt::format(text).as_bytes()),
    }
}

/// Appends a flag list in parentheses; `more` holds what is not in a `FlagSet`: `\Recent`, `\*`.
fn put_flag_list(out: &mut BytesMut, flags: &mail_model::FlagSet, more: Option<&str>) {
    let keywords = flags.keywords.iter().map(mail_model::Keyword::as_str);
    let system: Vec<&str> = flags.system.names().collect();
    out.put_u8(b'(');
    for (at, name) in system.into_iter().chain(keywords).chain(more).enumerate() {
        if at > 0 {
            out.put_u8(b' ');
        }
        out.put_slice(name.as_bytes());
    }
    out.put_u8(b')');
}

/// What a reply looks like, in a test.
#[cfg(test)]
fn written(write: impl FnOnce(&mut BytesMut)) -> String {
    let mut out = BytesMut::new();
    write(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
