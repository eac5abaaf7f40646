//! The formal syntax that commands share (RFC 3501 9): characters, strings, numbers, and the arguments that more than
//! one command has.
//!
//! Must not know: which command it reads for.

mod cursor;
mod date;
mod flags;
mod list_pattern;
mod mailbox;
mod mutf7;
mod sequence_set;

pub(crate) use cursor::{Cursor, LiteralMarker, literal_marker};
pub use date::CalendarDate;
pub(crate) use date::{read_date, read_date_time, write_date_time};
pub(crate) use flags::{read_flag_list, read_flags};
pub use list_pattern::ListPattern;
pub(crate) use mailbox::{Naming, read_mailbox};
pub use mutf7::{InvalidMutf7, decode_mutf7, encode_mutf7};
pub(crate) use sequence_set::read_sequence_set;
pub use sequence_set::{NumberRanges, SequenceSet};

/// `ATOM-CHAR`
pub(crate) const fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR`
pub(crate) const fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

/// `list-char`
pub(crate) const fn is_list_char(byte: u8) -> bool {
    is_astring_char(byte) || matches!(byte, b'%' | b'*')
}
