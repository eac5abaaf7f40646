//! Strings of replies: quoted where that is possible, else literals (RFC 3501 4.3).

use bytes::{BufMut as _, BytesMut};
use mail_model::MailboxName;

use super::put;
use crate::syntax::{encode_mutf7, is_astring_char};

/// Longest string that is quoted; RFC 2683 3.4.2 advises against long ones.
const QUOTED_BYTES_MAX: usize = 1_000;

/// Appends `string`. NUL, which no string can carry, is dropped.
pub fn write_string(out: &mut BytesMut, octets: &[u8]) {
    let quotable = |byte: &u8| matches!(byte, 0x20..=0x7E);
    if octets.len() <= QUOTED_BYTES_MAX && octets.iter().all(quotable) {
        out.put_u8(b'"');
        for byte in octets {
            if matches!(byte, b'"' | b'\\') {
                out.put_u8(b'\\');
            }
            out.put_u8(*byte);
        }
        out.put_u8(b'"');
        return;
    }
    let nuls = octets.iter().filter(|byte| **byte == 0).count();
    put(out, format_args!("{{{}}}\r\n", octets.len() - nuls));
    out.extend(octets.iter().filter(|byte| **byte != 0));
}

/// Appends `nstring`.
pub fn write_nstring(out: &mut BytesMut, octets: Option<&[u8]>) {
    match octets {
        Some(octets) => write_string(out, octets),
        None => out.put_slice(b"NIL"),
    }
}

/// Appends `astring`: an atom where that cannot be taken for something else.
pub fn write_astring(out: &mut BytesMut, octets: &[u8]) {
    let is_plain = !octets.is_empty() && octets.iter().all(|byte| is_astring_char(*byte));
    if is_plain && !octets.eq_ignore_ascii_case(b"NIL") {
        out.put_slice(octets);
    } else {
        write_string(out, octets);
    }
}

/// Appends `mailbox`, in modified UTF-7.
pub fn write_mailbox(out: &mut BytesMut, name: &MailboxName) {
    write_astring(out, encode_mutf7(name.as_str()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;
    use crate::syntax::{Cursor, Naming, read_mailbox};
    use proptest::prelude::*;

    #[test]
    fn a_string_takes_the_simplest_form_that_holds_it() {
        assert_eq!(written(|out| write_string(out, b"a \"b\" \\")), r#""a \"b\" \\""#);
        assert_eq!(written(|out| write_string(out, b"")), "\"\"");
        assert_eq!(
            written(|out| write_string(out, "\u{e9}\0\r\n".as_bytes())),
            "{4}\r\n\u{e9}\r\n"
        );
        assert_eq!(written(|out| write_nstring(out, None)), "NIL");
        assert_eq!(written(|out| write_astring(out, b"nil")), "\"nil\"");
        assert_eq!(written(|out| write_astring(out, b"a b")), "\"a b\"");
        assert_eq!(written(|out| write_astring(out, b"a]b")), "a]b");
    }

    #[test]
    fn a_mailbox_is_written_in_modified_utf7() {
        let name = MailboxName::new("Entw\u{fc}rfe & mehr").unwrap();
        assert_eq!(written(|out| write_mailbox(out, &name)), "\"Entw&APw-rfe &- mehr\"");
    }

    proptest! {
        #[test]
        fn strings_read_back(octets in proptest::collection::vec(1..=255_u8, 0..1_200)) {
            for write in [write_string, write_astring] {
                let mut out = BytesMut::new();
                write(&mut out, &octets);
                let mut cursor = Cursor::new(&out);
                let read = cursor.astring("a string").unwrap();
                prop_assert_eq!(read.as_ref(), &octets[..]);
                prop_assert!(cursor.end().is_ok());
            }
        }

        #[test]
        fn mailbox_names_read_back(text in "\\PC{1,40}") {
            if let Ok(name) = MailboxName::new(&text) {
                let mut out = BytesMut::new();
                write_mailbox(&mut out, &name);
                prop_assert_eq!(read_mailbox(&mut Cursor::new(&out), Naming::New), Ok(name));
            }
        }
    }
}
