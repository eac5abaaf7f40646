//! ID (RFC 2971).

use bytes::{BufMut as _, BytesMut};

use super::string::write_string;

/// Appends the untagged ID: what the server says about itself; NIL without anything.
pub fn write_id(out: &mut BytesMut, pairs: &[(&str, &str)]) {
    if pairs.is_empty() {
        out.put_slice(b"* ID NIL\r\n");
        return;
    }
    out.put_slice(b"* ID (");
    for (at, (field, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.put_u8(b' ');
        }
        write_string(out, field.as_bytes());
        out.put_u8(b' ');
        write_string(out, value.as_bytes());
    }
    out.put_slice(b")\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    #[test]
    fn pairs_are_strings() {
        assert_eq!(
            written(|out| write_id(out, &[("name", "Holdfast"), ("x", "\"")])),
            "* ID (\"name\" \"Holdfast\" \"x\" \"\\\"\")\r\n"
        );
        assert_eq!(written(|out| write_id(out, &[])), "* ID NIL\r\n");
    }
}
