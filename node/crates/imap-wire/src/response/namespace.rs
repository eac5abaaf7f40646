//! NAMESPACE (RFC 2342): each user's own, without a prefix. Others come with shared mailboxes.

use bytes::{BufMut as _, BytesMut};
use mail_model::SEPARATOR;

use super::put;

/// Appends the untagged NAMESPACE.
pub fn write_namespace(out: &mut BytesMut) {
    put(out, format_args!("* NAMESPACE ((\"\" \"{SEPARATOR}\")) NIL NIL"));
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    #[test]
    fn there_is_one_namespace() {
        assert_eq!(written(write_namespace), "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
    }
}
