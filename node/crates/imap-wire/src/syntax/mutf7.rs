//! Modified UTF-7, in which IMAP4rev1 writes mailbox names (RFC 3501 5.1.3).
//!
//! Invariant: a text has exactly one form that is accepted, the one that [`encode_mutf7`] writes. Otherwise two names
//! on the wire would be one mailbox, and what looks harmless could hide a separator or a wildcard.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

const ENGINE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::IMAP_MUTF7, NO_PAD);

/// Why octets are no modified UTF-7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMutf7 {
    /// Octets outside of printable ASCII.
    #[error("modified UTF-7 is printable ASCII")]
    Character,
    /// `&` without `-`, base64 that is none, or not UTF-16.
    #[error("a shifted part of modified UTF-7 is broken")]
    Shift,
    /// There is another, proper way to write the same text.
    #[error("not the canonical modified UTF-7 of its text")]
    NotCanonical,
}

/// Reads modified UTF-7.
///
/// # Errors
/// When it is broken or not canonical.
pub fn decode_mutf7(wire: &[u8]) -> Result<String, InvalidMutf7> {
    let wire = std::str::from_utf8(wire).map_err(|_| InvalidMutf7::Character)?;
    if !wire.bytes().all(|byte| matches!(byte, 0x20..=0x7E)) {
        return Err(InvalidMutf7::Character);
    }
    let mut text = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((plain, shifted)) = rest.split_once('&') {
        text.push_str(plain);
        let (base64, after) = shifted.split_once('-').ok_or(InvalidMutf7::Shift)?;
        if base64.is_empty() {
            text.push('&');
        } else {
            decode_shifted(base64, &mut text)?;
        }
        rest = after;
    }
    text.push_str(rest);
    if encode_mutf7(&text) == wire {
        Ok(text)
    } else {
        Err(InvalidMutf7::NotCanonical)
    }
}

fn decode_shifted(base64: &str, text: &mut String) -> Result<(), InvalidMutf7> {
    let octets = ENGINE.decode(base64).map_err(|_| InvalidMutf7::Shift)?;
    let (pairs, rest) = octets.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(InvalidMutf7::Shift);
    }
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    for decoded in char::decode_utf16(units) {
        text.push(decoded.map_err(|_| InvalidMutf7::Shift)?);
    }
    Ok(())
}

/// Writes modified UTF-7.
#[must_use]
pub fn encode_mutf7(text: &str) -> String {
    let mut wire = String::with_capacity(text.len());
    let mut shifted = Vec::new();
    for c in text.chars() {
        if !matches!(c, ' '..='~') {
            let mut units = [0; 2];
            shifted.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
            continue;
        }
        end_shift(&mut wire, &mut shifted);
        wire.push(c);
        if c == '&' {
            wire.push('-');
        }
    }
    end_shift(&mut wire, &mut shifted);
    wire
}

fn end_shift(wire: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        wire.push('&');
        ENGINE.encode_string(&*shifted, wire);
        wire.push('-');
        shifted.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_rfc_and_others_read_and_write() {
        let cases = [
            (
                "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
                "~peter/mail/\u{53f0}\u{5317}/\u{65e5}\u{672c}\u{8a9e}",
            ),
            ("Entw&APw-rfe", "Entw\u{fc}rfe"),
            ("A&-B", "A&B"),
            ("&-&-", "&&"),
            ("&2D3eAA-", "\u{1f600}"),
            ("Hello&Jjo-!", "Hello\u{263a}!"),
            ("INBOX", "INBOX"),
            ("", ""),
        ];
        for (wire, text) in cases {
            assert_eq!(decode_mutf7(wire.as_bytes()).as_deref(), Ok(text));
            assert_eq!(encode_mutf7(text), wire);
        }
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        // The first is RFC 3501's own example of a superfluous shift.
        for wire in [
            "&U,BTFw-&ZeVnLIqe-",
            "&AGE-",
            "&AC8-",
            "&ACo-",
            "&ACY-",
            "&Jjo",
            "&APw-&-&-&APw-&APw-",
        ] {
            assert!(decode_mutf7(wire.as_bytes()).is_err(), "{wire}");
        }
        assert_eq!(decode_mutf7(b"&AGE-"), Err(InvalidMutf7::NotCanonical));
    }

    #[test]
    fn what_is_broken_is_refused() {
        for wire in [
            &b"&"[..],
            b"a&",
            b"&Jj-",
            b"&Jjo=-",
            b"&J/o-",
            b"&2D0-",
            b"&3gA-",
            b"&Jjp-",
            b"&A-",
            b"caf\xC3\xA9",
            b"a\x7F",
            b"a\tb",
        ] {
            assert!(decode_mutf7(wire).is_err(), "{wire:?}");
        }
    }
}
