//! Names that an operator gives to nodes, shelves and clusters.
//!
//! Invariants: one to [`NAME_BYTES_MAX`] octets of `a-z`, `0-9` and `-`, a letter or digit at either end, so that a
//! name can stand in a file name, a DNS label, a metric and a shell command as it is.

use std::fmt;
use std::str::FromStr;

use crate::limits::NAME_BYTES_MAX;

/// A legal name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a name")]
pub struct InvalidName {
    text: String,
}

impl Name {
    /// What to write instead of an illegal one.
    pub const ADVICE: &'static str = "use 1 to 32 of a-z, 0-9 and -, with a letter or digit at either end";

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let legal = !text.is_empty()
            && text.len() <= NAME_BYTES_MAX
            && text.bytes().all(|byte| inner(byte) || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if legal {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName { text: text.to_owned() })
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_legal() {
        for text in ["n1", "sun0", "a", "rack-2-left", &"x".repeat(NAME_BYTES_MAX)] {
            assert_eq!(text.parse::<Name>().map(|name| name.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "-a",
            "a-",
            "N1",
            "a b",
            "a/b",
            "..",
            "é",
            &"x".repeat(NAME_BYTES_MAX + 1),
        ] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
        assert!(Name::ADVICE.contains(&format!("1 to {NAME_BYTES_MAX} ")));
    }
}
