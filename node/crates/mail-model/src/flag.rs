//! Flags of a message: the five system flags, and keywords (RFC 3501 2.3.2, DESIGN M7).
//!
//! `\Recent` is no flag here: it belongs to a session, not to a message.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use minicbor::{Decode, Encode};

use crate::limits::KEYWORD_BYTES_MAX;

/// A set of system flags.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SystemFlags(#[n(0)] u8);

impl SystemFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(1 << 1);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(1 << 2);
    /// `\Deleted`
    pub const DELETED: Self = Self(1 << 3);
    /// `\Draft`
    pub const DRAFT: Self = Self(1 << 4);
    /// Each flag with its name on the wire, in the order in which they are listed.
    pub const NAMED: [(Self, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// The flag of a name such as `\Seen`, in any case.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let named = Self::NAMED.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        named.map(|(flag, _)| *flag)
    }

    /// The names of the flags in the set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let held = Self::NAMED.into_iter().filter(move |(flag, _)| self.contains(*flag));
        held.map(|(_, name)| name)
    }

    /// Whether every flag of `other` is in the set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set without the flags of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// As stored.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From what [`SystemFlags::bits`] gave; bits that mean nothing are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b1_1111)
    }
}

impl BitOr for SystemFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for SystemFlags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for SystemFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Why a text is no keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a keyword is 1 to {KEYWORD_BYTES_MAX} printable ASCII characters without space, quotes, brackets, \\, %, *, {{ or ]"
)]
pub struct InvalidKeyword;

/// A keyword (RFC 3501 `flag-keyword`, an atom). Compares without regard to case, as mailboxes register it.
#[derive(Clone, Debug, Encode, Decode)]
#[cbor(transparent)]
pub struct Keyword(#[n(0)] String);

impl Keyword {
    /// Checks that `text` can be a keyword.
    ///
    /// # Errors
    /// When it is empty, too long, or no atom.
    pub fn new(text: &str) -> Result<Self, InvalidKeyword> {
        let is_atom = |byte: u8| byte.is_ascii_graphic() && !br#"(){%*"\]"#.contains(&byte);
        if text.is_empty() || text.len() > KEYWORD_BYTES_MAX || !text.bytes().all(is_atom) {
            return Err(InvalidKeyword);
        }
        Ok(Self(text.to_owned()))
    }

    /// As spelled first.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// System flags and keywords together, as commands carry them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct FlagSet {
    /// System flags.
    #[n(0)]
    pub system: SystemFlags,
    /// Keywords, each once.
    #[n(1)]
    pub keywords: Vec<Keyword>,
}

impl FlagSet {
    /// Adds a keyword unless it is there, in whatever case.
    pub fn add_keyword(&mut self, keyword: Keyword) {
        if !self.keywords.contains(&keyword) {
            self.keywords.push(keyword);
        }
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.system.is_empty() && self.keywords.is_empty()
    }
}

impl From<SystemFlags> for FlagSet {
    fn from(system: SystemFlags) -> Self {
        Self {
            system,
            keywords: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!(SystemFlags::by_name("\\sEEn"), Some(SystemFlags::SEEN));
        assert_eq!(SystemFlags::by_name("\\Recent"), None);
    }

    #[test]
    fn a_keyword_is_an_atom_and_compares_without_case() {
        assert_eq!(Keyword::new("$Junk").unwrap(), Keyword::new("$junk").unwrap());
        for bad in [
            "",
            "a b",
            "\\Seen",
            "a(b",
            "ö",
            "x]",
            &"k".repeat(KEYWORD_BYTES_MAX + 1),
        ] {
            assert!(Keyword::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_set_holds_a_keyword_once() {
        let mut set = FlagSet::from(SystemFlags::SEEN | SystemFlags::DRAFT);
        set.add_keyword(Keyword::new("Work").unwrap());
        set.add_keyword(Keyword::new("WORK").unwrap());
        assert_eq!(set.keywords.len(), 1);
        assert_eq!(set.system.without(SystemFlags::SEEN), SystemFlags::DRAFT);
    }
}
