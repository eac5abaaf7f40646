//! Mail addresses as the directory compares them (DESIGN M12): local part and domain in ASCII lower case, international
//! domains as A-labels.
//!
//! Must not know: the syntax of envelopes and headers, which belongs to the wire and to message reading.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::limits::{DOMAIN_BYTES_MAX, LOCAL_BYTES_MAX};

/// Why a text is no address or no domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// No `@`, or nothing before it.
    #[error("an address has a local part, @ and a domain")]
    NoLocalPart,
    /// Over [`LOCAL_BYTES_MAX`], or with control characters.
    #[error("the local part has at most {LOCAL_BYTES_MAX} octets and no control characters")]
    LocalPart,
    /// Not a domain name.
    #[error("the domain is not a domain name")]
    Domain,
}

/// A domain name: A-labels in lower case, no dot at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Domain(#[n(0)] String);

impl Domain {
    /// Reads a domain, normalising it.
    ///
    /// # Errors
    /// When it is no domain name.
    pub fn new(text: &str) -> Result<Self, InvalidAddress> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let ascii = idna::domain_to_ascii(text).map_err(|_| InvalidAddress::Domain)?;
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if ascii.len() > DOMAIN_BYTES_MAX || !ascii.split('.').all(is_label) {
            return Err(InvalidAddress::Domain);
        }
        Ok(Self(ascii))
    }

    /// As compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address of the form that the directory holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Address {
    #[n(0)]
    local: String,
    #[n(1)]
    domain: Domain,
}

impl Address {
    /// An address of its two parts. `local` is unquoted.
    ///
    /// # Errors
    /// When the local part is empty, too long or has control characters.
    pub fn of(local: &str, domain: Domain) -> Result<Self, InvalidAddress> {
        if local.is_empty() {
            return Err(InvalidAddress::NoLocalPart);
        }
        if local.len() > LOCAL_BYTES_MAX || local.chars().any(char::is_control) {
            return Err(InvalidAddress::LocalPart);
        }
        let local = local.to_ascii_lowercase();
        Ok(Self { local, domain })
    }

    /// Reads `local@domain`, split at the last `@`.
    ///
    /// # Errors
    /// When one of its parts is not legal.
    pub fn new(text: &str) -> Result<Self, InvalidAddress> {
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidAddress::NoLocalPart)?;
        Self::of(local, Domain::new(domain)?)
    }

    /// What stands before the `@`, unquoted, in lower case.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// What stands after it.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The address without its `+detail`, and the detail; `None` without one, or with nothing before the `+`.
    #[must_use]
    pub fn split_detail(&self) -> Option<(Self, &str)> {
        let (base, detail) = self.local.split_once('+').filter(|(base, _)| !base.is_empty())?;
        let local = base.to_owned();
        let domain = self.domain.clone();
        Some((Self { local, domain }, detail))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_script_do_not_tell_addresses_apart() {
        assert_eq!(
            Address::new("Ann@Example.ORG").unwrap(),
            Address::new("ann@example.org.").unwrap()
        );
        assert_eq!(
            Address::new("a@b\u{fc}cher.example").unwrap().domain().as_str(),
            "xn--bcher-kva.example"
        );
    }

    #[test]
    fn odd_addresses_are_refused() {
        for text in [
            "",
            "ann",
            "@example.org",
            "ann@",
            "ann@a..b",
            "ann@-a.b",
            "a\r@b.c",
            "ann@exa mple.org",
        ] {
            assert!(Address::new(text).is_err(), "{text}");
        }
        assert!(Address::new(&format!("{}@b.c", "x".repeat(LOCAL_BYTES_MAX + 1))).is_err());
    }

    #[test]
    fn a_detail_is_what_follows_the_first_plus() {
        let address = Address::new("ann+lists+x@example.org").unwrap();
        let (base, detail) = address.split_detail().unwrap();
        assert_eq!((base.to_string().as_str(), detail), ("ann@example.org", "lists+x"));
        assert_eq!(Address::new("+x@example.org").unwrap().split_detail(), None);
    }
}
