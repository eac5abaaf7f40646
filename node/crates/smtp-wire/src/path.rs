//! Reads the paths of MAIL and RCPT (RFC 5321 4.1.2).
//!
//! Lenient in one point: dots may stand anywhere in an unquoted local part, since whole providers once gave out such
//! addresses. Source routes are read and dropped (RFC 5321 appendix C).

use std::net::IpAddr;

use mail_model::Domain;

use crate::limits::LOCAL_BYTES_MAX;
use crate::mailbox::{Host, Mailbox, is_atom_byte};

/// What stood between the angle brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Null,
    Postmaster,
    Mailbox(Mailbox),
}

/// Why a path was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadPath {
    Syntax,
    /// Bytes over 127, which only SMTPUTF8 would allow.
    EightBit,
}

/// Reads a path at the start of `input`, and returns what follows its closing bracket.
pub(crate) fn read_path(input: &[u8]) -> Result<(Path, &[u8]), BadPath> {
    let inside = input.strip_prefix(b"<").ok_or(BadPath::Syntax)?;
    if let Some(rest) = inside.strip_prefix(b">") {
        return Ok((Path::Null, rest));
    }
    let (local, rest) = read_local(skip_source_route(inside)?)?;
    match rest {
        [b'>', rest @ ..] if local.eq_ignore_ascii_case("postmaster") => Ok((Path::Postmaster, rest)),
        [b'@', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b'>').ok_or(BadPath::Syntax)?;
            let host = read_host(&rest[..end])?;
            Ok((Path::Mailbox(Mailbox { local, host }), &rest[end + 1..]))
        }
        [byte, ..] => Err(fault_of(*byte)),
        [] => Err(BadPath::Syntax),
    }
}

fn fault_of(byte: u8) -> BadPath {
    if byte.is_ascii() {
        BadPath::Syntax
    } else {
        BadPath::EightBit
    }
}

/// `@a,@b:` in front of the mailbox.
fn skip_source_route(input: &[u8]) -> Result<&[u8], BadPath> {
    if !input.starts_with(b"@") {
        return Ok(input);
    }
    let end = input.iter().position(|byte| *byte == b':').ok_or(BadPath::Syntax)?;
    for hop in input[..end].split(|byte| *byte == b',') {
        read_domain(hop.strip_prefix(b"@").ok_or(BadPath::Syntax)?)?;
    }
    Ok(&input[end + 1..])
}

fn read_local(input: &[u8]) -> Result<(String, &[u8]), BadPath> {
    let (local, rest) = match input.strip_prefix(b"\"") {
        Some(quoted) => read_quoted(quoted)?,
        None => {
            let end = input
                .iter()
                .position(|byte| !is_atom_byte(*byte) && *byte != b'.')
                .unwrap_or(input.len());
            let local = input[..end].iter().copied().map(char::from).collect();
            (local, &input[end..])
        }
    };
    if local.is_empty() || local.len() > LOCAL_BYTES_MAX {
        return Err(rest.first().map_or(BadPath::Syntax, |byte| fault_of(*byte)));
    }
    Ok((local, rest))
}

/// What follows an opening quote, up to the closing one.
fn read_quoted(input: &[u8]) -> Result<(String, &[u8]), BadPath> {
    let mut local = String::new();
    let mut bytes = input.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let byte = match byte {
            b'"' => return Ok((local, &input[at + 1..])),
            b'\\' => bytes.next().map_or(0, |(_, escaped)| *escaped),
            byte => *byte,
        };
        if !matches!(byte, b' '..=b'~') {
            return Err(fault_of(byte));
        }
        local.push(char::from(byte));
    }
    Err(BadPath::Syntax)
}

fn read_host(input: &[u8]) -> Result<Host, BadPath> {
    match input.strip_prefix(b"[") {
        None => read_domain(input).map(Host::Domain),
        Some(rest) => rest
            .strip_suffix(b"]")
            .and_then(read_literal)
            .map(Host::Literal)
            .ok_or(BadPath::Syntax),
    }
}

fn read_literal(input: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(input).ok()?;
    match text.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => Some(IpAddr::V6(address.parse().ok()?)),
        _ => Some(IpAddr::V4(text.parse().ok()?)),
    }
}

fn read_domain(input: &[u8]) -> Result<Domain, BadPath> {
    let is_legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if let Some(byte) = input.iter().find(|byte| !is_legal(byte)) {
        return Err(fault_of(*byte));
    }
    let text = std::str::from_utf8(input).map_err(|_| BadPath::EightBit)?;
    Domain::new(text).map_err(|_| BadPath::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match read_path(text.as_bytes()) {
            Ok((Path::Null, rest)) => format!("null|{}", String::from_utf8_lossy(rest)),
            Ok((Path::Postmaster, rest)) => format!("postmaster|{}", String::from_utf8_lossy(rest)),
            Ok((Path::Mailbox(mailbox), rest)) => format!("{mailbox}|{}", String::from_utf8_lossy(rest)),
            Err(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn paths_are_read_into_what_they_mean() {
        for (text, expected) in [
            ("<>", "null|"),
            ("<> SIZE=1", "null| SIZE=1"),
            ("<PostMaster>", "postmaster|"),
            ("<Ann@Example.ORG> X", "Ann@example.org| X"),
            ("<@a.example,@b.example:user@c.example>", "user@c.example|"),
            ("<\"a b>c\"@d.example>", "\"a b>c\"@d.example|"),
            ("<\"plain\"@d.example>", "plain@d.example|"),
            ("<\"a\\\"b\"@d.example>", "\"a\\\"b\"@d.example|"),
            ("<a..b.@d.example>", "\"a..b.\"@d.example|"),
            ("<a@[192.0.2.1]>", "a@[192.0.2.1]|"),
            ("<a@[IPv6:2001:DB8::1]>", "a@[IPv6:2001:db8::1]|"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_told_from_what_needs_smtputf8() {
        for text in [
            "",
            "a@b",
            "<a@b",
            "<a>",
            "<a@>",
            "<@b>",
            "<@a,b:c@d>",
            "<a b@c>",
            "<\"a@b>",
            "<\"\"@b>",
            "<\"a\\",
            "<a@[192.0.2]>",
            "<a@[x]>",
            "<a@[IPv6:1]>",
            "<a@b@c>",
            "<a@-b>",
            "<a@b..c>",
        ] {
            assert_eq!(shown(text), "Syntax", "{text}");
        }
        for text in ["<\u{e4}@b>", "<x\u{e4}@b>", "<a@b\u{fc}cher.example>", "<\"\u{e4}\"@b>"] {
            assert_eq!(shown(text), "EightBit", "{text}");
        }
        let long = format!("<{}@b>", "x".repeat(LOCAL_BYTES_MAX + 1));
        assert_eq!(shown(&long), "Syntax");
    }
}
