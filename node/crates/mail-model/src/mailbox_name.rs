//! Names of mailboxes (DESIGN M6): paths of UTF-8 leaves in NFC, separated by `/`.
//!
//! Invariants
//! - `INBOX` is spelled so, as the first leaf, however it came; every other leaf is case-sensitive.
//! - No leaf is empty, and none has a control character, `%` or `*`.
//!
//! Must not know: modified UTF-7, which is a matter of the wire.

use std::fmt;

use minicbor::{Decode, Encode};
use unicode_normalization::UnicodeNormalization;

use crate::limits::{DEPTH_MAX, NAME_BYTES_MAX};

/// Between leaves.
pub const SEPARATOR: char = '/';

const INBOX: &str = "INBOX";
/// First leaves that are kept for what other accounts share.
const RESERVED: [&str; 2] = ["Other Users", "Shared"];

/// Why a text cannot name a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing between two separators, or nothing at all.
    #[error("a mailbox name has no empty part")]
    Empty,
    /// Control characters, `%` or `*`.
    #[error("a mailbox name has no control characters, % or *")]
    Character,
    /// Over [`NAME_BYTES_MAX`].
    #[error("a mailbox name has at most {NAME_BYTES_MAX} octets")]
    TooLong,
    /// Over [`DEPTH_MAX`].
    #[error("a mailbox name has at most {DEPTH_MAX} parts")]
    TooDeep,
    /// The namespaces of others.
    #[error("this name is reserved for shared mailboxes")]
    Reserved,
}

/// A legal name of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct MailboxName(#[n(0)] String);

impl MailboxName {
    /// Reads a name, normalising it. A separator at its end is dropped, as CREATE allows (RFC 3501 6.3.3).
    ///
    /// # Errors
    /// When it cannot name a mailbox.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let text = text.strip_suffix(SEPARATOR).unwrap_or(text);
        if text.len() > NAME_BYTES_MAX {
            return Err(InvalidName::TooLong);
        }
        let mut name: String = text.nfc().collect();
        if name.len() > NAME_BYTES_MAX {
            return Err(InvalidName::TooLong);
        }
        if name.split(SEPARATOR).any(str::is_empty) {
            return Err(InvalidName::Empty);
        }
        if name.split(SEPARATOR).count() > DEPTH_MAX {
            return Err(InvalidName::TooDeep);
        }
        if name
            .chars()
            .any(|c| c.is_control() || matches!(c, '%' | '*' | '\u{2028}' | '\u{2029}'))
        {
            return Err(InvalidName::Character);
        }
        let first = name.split(SEPARATOR).next().unwrap_or_default();
        if RESERVED.iter().any(|reserved| first.eq_ignore_ascii_case(reserved)) {
            return Err(InvalidName::Reserved);
        }
        if first.eq_ignore_ascii_case(INBOX) {
            name.replace_range(..INBOX.len(), INBOX);
        }
        Ok(Self(name))
    }

    /// The mailbox that every account has.
    #[must_use]
    pub fn inbox() -> Self {
        Self(INBOX.to_owned())
    }

    /// Whether it is the INBOX itself, not something below it.
    #[must_use]
    pub fn is_inbox(&self) -> bool {
        self.0 == INBOX
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its parts, from the top.
    pub fn leaves(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split(SEPARATOR)
    }

    /// The last part.
    #[must_use]
    pub fn leaf(&self) -> &str {
        self.leaves().next_back().unwrap_or_default()
    }

    /// The name without its last part; `None` at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once(SEPARATOR).map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The name of a mailbox below this one.
    ///
    /// # Errors
    /// When the whole cannot name a mailbox.
    pub fn join(&self, leaf: &str) -> Result<Self, InvalidName> {
        Self::new(&format!("{}{SEPARATOR}{leaf}", self.0))
    }

    /// Whether it lies below `other`, at any depth.
    #[must_use]
    pub fn is_below(&self, other: &Self) -> bool {
        self.0
            .strip_prefix(&other.0)
            .is_some_and(|rest| rest.starts_with(SEPARATOR))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a mailbox is for (RFC 6154).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum SpecialUse {
    /// `\Drafts`
    #[n(0)]
    Drafts,
    /// `\Sent`
    #[n(1)]
    Sent,
    /// `\Junk`
    #[n(2)]
    Junk,
    /// `\Trash`
    #[n(3)]
    Trash,
    /// `\Archive`
    #[n(4)]
    Archive,
}

impl SpecialUse {
    /// Every use that is stored.
    pub const ALL: [Self; 5] = [Self::Drafts, Self::Sent, Self::Junk, Self::Trash, Self::Archive];

    /// The name on the wire; without its backslash, also the name of the mailbox that a new account gets for it.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::Drafts => "\\Drafts",
            Self::Sent => "\\Sent",
            Self::Junk => "\\Junk",
            Self::Trash => "\\Trash",
            Self::Archive => "\\Archive",
        }
    }

    /// The use of a name such as `\Sent`, in any case.
    #[must_use]
    pub fn by_attribute(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|special| special.attribute().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inbox_is_one_name_in_any_case_and_nothing_else_is() {
        assert!(MailboxName::new("iNbOx").unwrap().is_inbox());
        assert_eq!(MailboxName::new("inbox/Work").unwrap().as_str(), "INBOX/Work");
        assert_eq!(MailboxName::new("Work/inbox").unwrap().as_str(), "Work/inbox");
        assert_eq!(MailboxName::new("inboxes").unwrap().as_str(), "inboxes");
    }

    #[test]
    fn names_that_look_alike_are_one_name() {
        assert_eq!(
            MailboxName::new("Caf\u{65}\u{301}").unwrap(),
            MailboxName::new("Caf\u{e9}").unwrap()
        );
    }

    #[test]
    fn odd_names_are_refused() {
        let deep = vec!["a"; DEPTH_MAX + 1].join("/");
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        let cases = [
            ("", InvalidName::Empty),
            ("/", InvalidName::Empty),
            ("a//b", InvalidName::Empty),
            ("a\0b", InvalidName::Character),
            ("a*", InvalidName::Character),
            ("other users/x", InvalidName::Reserved),
            (&deep, InvalidName::TooDeep),
            (&long, InvalidName::TooLong),
        ];
        for (text, expected) in cases {
            assert_eq!(MailboxName::new(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_tree_of_names() {
        let name = MailboxName::new("a/b c/d/").unwrap();
        assert_eq!(name.leaf(), "d");
        let parent = name.parent().unwrap();
        assert_eq!(parent.as_str(), "a/b c");
        assert!(name.is_below(&parent) && !parent.is_below(&name) && !name.is_below(&name));
        assert!(!MailboxName::new("a/b cd").unwrap().is_below(&parent));
        assert_eq!(parent.join("d").unwrap(), name);
    }
}
