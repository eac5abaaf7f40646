//! Addresses of the envelope, read into types (RFC 5321 4.1.2): local parts unquoted, domains normalised, source
//! routes gone.
//!
//! Must not know: which addresses exist.

use std::fmt;
use std::net::IpAddr;

use mail_model::{Address, Domain};

/// What stands after the `@`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A domain name.
    Domain(Domain),
    /// An address literal, as in `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    Literal(IpAddr),
}

/// Local part and host of one mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    /// As the client meant it: unquoted, case kept. Printable ASCII, 1 to
    /// [`LOCAL_BYTES_MAX`](crate::limits::LOCAL_BYTES_MAX) octets.
    pub(crate) local: String,
    pub(crate) host: Host,
}

impl Mailbox {
    /// What stands before the `@`, unquoted, in the client's spelling.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// What stands after it.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The address as the directory compares it. `None` where the directory cannot hold it: an address literal, or a
    /// local part of more than 64 octets.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        match &self.host {
            Host::Domain(domain) => Address::of(&self.local, domain.clone()).ok(),
            Host::Literal(_) => None,
        }
    }
}

/// Who gets the notice when a message cannot be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody; what comes so is itself a notice, and is never answered by another (RFC 5321 4.5.5).
    Null,
    /// The sender.
    Mailbox(Mailbox),
}

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Recipient {
    /// `<postmaster>` without a domain, which every server takes (RFC 5321 4.5.1).
    Postmaster,
    /// Any mailbox, `postmaster` of a domain among them.
    Mailbox(Mailbox),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => domain.fmt(f),
            Self::Literal(address) => write_literal(*address, f),
        }
    }
}

pub(crate) fn write_literal(address: IpAddr, f: &mut impl fmt::Write) -> fmt::Result {
    match address {
        IpAddr::V4(address) => write!(f, "[{address}]"),
        IpAddr::V6(address) => write!(f, "[IPv6:{address}]"),
    }
}

pub(crate) fn write_local(local: &str, f: &mut impl fmt::Write) -> fmt::Result {
    if is_dot_string(local) {
        return f.write_str(local);
    }
    f.write_str("\"")?;
    for c in local.chars() {
        if matches!(c, '"' | '\\') {
            f.write_str("\\")?;
        }
        f.write_char(c)?;
    }
    f.write_str("\"")
}

/// As in an envelope, the local part quoted where it must be.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_local(&self.local, f)?;
        write!(f, "@{}", self.host)
    }
}

/// With its angle brackets.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

/// Without angle brackets.
impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("postmaster"),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

pub(crate) fn is_atom_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

fn is_dot_string(local: &str) -> bool {
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(local: &str, host: Host) -> Mailbox {
        let local = local.to_owned();
        Mailbox { local, host }
    }

    #[test]
    fn a_local_part_is_quoted_where_it_must_be() {
        let domain = || Host::Domain(Domain::new("example.org").unwrap());
        assert_eq!(mailbox("a.b+c", domain()).to_string(), "a.b+c@example.org");
        assert_eq!(mailbox("a \"b\\", domain()).to_string(), "\"a \\\"b\\\\\"@example.org");
        assert_eq!(mailbox("a..b", domain()).to_string(), "\"a..b\"@example.org");
        assert_eq!(
            mailbox("a", Host::Literal("::1".parse().unwrap())).to_string(),
            "a@[IPv6:::1]"
        );
    }

    #[test]
    fn only_what_the_directory_can_hold_becomes_an_address() {
        let domain = Host::Domain(Domain::new("Example.org").unwrap());
        let address = mailbox("Ann", domain.clone()).address().unwrap();
        assert_eq!(address.to_string(), "ann@example.org");
        assert_eq!(mailbox(&"x".repeat(65), domain).address(), None);
        assert_eq!(
            mailbox("a", Host::Literal("192.0.2.1".parse().unwrap())).address(),
            None
        );
    }
}
