//! Tags of commands (RFC 3501 2.2.1).

use std::fmt;

use crate::limits::TAG_BYTES_MAX;
use crate::syntax::is_astring_char;

/// What a client puts before a command and the server before its answer.
///
/// Invariant: 1 to [`TAG_BYTES_MAX`] characters of `astring` without `+`, so that it can be written as it stands.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tag(Box<str>);

impl Tag {
    /// `None` when `text` is no tag.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let is_legal = |byte: &u8| is_astring_char(*byte) && *byte != b'+';
        if text.is_empty() || text.len() > TAG_BYTES_MAX || !text.iter().all(is_legal) {
            return None;
        }
        std::str::from_utf8(text).ok().map(|text| Self(text.into()))
    }

    /// As the client wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_astring_characters_without_plus() {
        for good in [&b"a1"[..], b"A0001", b"x]y", b"."] {
            assert!(Tag::new(good).is_some(), "{good:?}");
        }
        for bad in [&b""[..], b"*", b"+", b"a+", b"a b", b"a\"", b"{1}", b"\xC3\xA9", b"a\0"] {
            assert!(Tag::new(bad).is_none(), "{bad:?}");
        }
        assert!(Tag::new(&[b'a'; TAG_BYTES_MAX + 1]).is_none());
    }
}
