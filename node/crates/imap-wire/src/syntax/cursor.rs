//! A place in the bytes of one command, and the readers of tokens.
//!
//! Invariants
//! - The bytes are whole: each literal follows its `{n}` and CRLF; the CRLF that ends the command is not there.
//! - A reader that fails says what it wanted; it never panics, whatever the bytes are.
//!
//! Must not know: where bytes come from, how long a command may be.

use std::borrow::Cow;
use std::num::NonZeroU32;

use super::{is_astring_char, is_atom_char};
use crate::refusal::{Parse, Refusal};

/// The end of a line that announces a literal (RFC 3501 4.3, RFC 7888).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiteralMarker {
    /// Where its `{` is.
    pub(crate) start: usize,
    /// Octets that follow; the highest number when it was still higher.
    pub(crate) size: u64,
    /// Whether the client waits for a continuation.
    pub(crate) synchronizing: bool,
}

/// The marker at the end of `line`, which has no CRLF any more.
pub(crate) fn literal_marker(line: &[u8]) -> Option<LiteralMarker> {
    let inner = line.strip_suffix(b"}")?;
    let (inner, synchronizing) = match inner.strip_suffix(b"+") {
        Some(inner) => (inner, false),
        None => (inner, true),
    };
    let digits = inner.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let before = inner.len() - digits;
    if digits == 0 || before == 0 || inner[before - 1] != b'{' {
        return None;
    }
    let size = inner[before..].iter().fold(0_u64, |size, digit| {
        size.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    Some(LiteralMarker {
        start: before - 1,
        size,
        synchronizing,
    })
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Takes `byte` if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes `word` if it is next, in any case.
    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let is_next = self
            .rest()
            .get(..word.len())
            .is_some_and(|next| next.eq_ignore_ascii_case(word.as_bytes()));
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    pub(crate) fn expect(&mut self, byte: u8) -> Parse<()> {
        if self.eat(byte) {
            return Ok(());
        }
        let wanted = if byte == b' ' {
            "a space".into()
        } else {
            format!("{:?}", char::from(byte))
        };
        Err(self.unexpected(&wanted))
    }

    pub(crate) fn space(&mut self) -> Parse<()> {
        self.expect(b' ')
    }

    /// The end of the command.
    pub(crate) fn end(&self) -> Parse<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the command")),
        }
    }

    /// A BAD that says what was expected here.
    pub(crate) fn unexpected(&self, wanted: &str) -> Refusal {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(byte) if byte.is_ascii_graphic() || byte == b' ' => format!("{:?}", char::from(byte)),
            Some(byte) => format!("octet {byte:#04x}"),
        };
        Refusal::bad(format!("expected {wanted} at octet {}, not {found}", self.at + 1))
    }

    /// Takes bytes while they belong, at least one.
    pub(crate) fn take_while(&mut self, wanted: &str, belongs: impl Fn(u8) -> bool) -> Parse<&'a [u8]> {
        let rest = self.rest();
        let taken = rest.iter().take_while(|byte| belongs(**byte)).count();
        if taken == 0 {
            return Err(self.unexpected(wanted));
        }
        self.at += taken;
        Ok(&rest[..taken])
    }

    /// `atom`
    pub(crate) fn atom(&mut self, wanted: &str) -> Parse<&'a str> {
        let atom = self.take_while(wanted, is_atom_char)?;
        std::str::from_utf8(atom).map_err(|_| Refusal::bad("an atom is ASCII"))
    }

    /// `number`, as far as 64 bits go; RFC 3501 itself ends at 32.
    pub(crate) fn number64(&mut self, wanted: &str) -> Parse<u64> {
        let start = self.clone();
        let digits = self.take_while(wanted, |byte| byte.is_ascii_digit())?;
        digits
            .iter()
            .try_fold(0_u64, |number, digit| {
                number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
            })
            .ok_or_else(|| start.unexpected(&format!("{wanted} that fits into 64 bits")))
    }

    /// `number`
    pub(crate) fn number(&mut self, wanted: &str) -> Parse<u32> {
        let start = self.clone();
        let number = self.number64(wanted)?;
        u32::try_from(number).map_err(|_| start.unexpected(&format!("{wanted} that fits into 32 bits")))
    }

    /// `nz-number`, which never begins with a zero.
    pub(crate) fn nz_number(&mut self, wanted: &str) -> Parse<NonZeroU32> {
        if self.peek() == Some(b'0') {
            return Err(self.unexpected(wanted));
        }
        let start = self.clone();
        NonZeroU32::new(self.number(wanted)?).ok_or_else(|| start.unexpected(wanted))
    }

    /// Exactly `count` digits as a number.
    pub(crate) fn digits(&mut self, count: usize) -> Parse<u32> {
        let start = self.clone();
        let taken = self
            .rest()
            .get(..count)
            .filter(|taken| taken.iter().all(u8::is_ascii_digit));
        let Some(taken) = taken else {
            return Err(start.unexpected(&format!("{count} digits")));
        };
        self.at += count;
        Ok(taken
            .iter()
            .fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
    }

    /// `quoted`. Octets above 127 are let through: clients send passwords and search strings so, and what they mean
    /// is checked where they are used.
    fn quoted(&mut self) -> Parse<Cow<'a, [u8]>> {
        self.expect(b'"')?;
        let rest = self.rest();
        let plain = rest
            .iter()
            .take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n' | 0))
            .count();
        self.at += plain;
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(&rest[..plain]));
        }
        let mut text = rest[..plain].to_vec();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(byte @ (b'"' | b'\\')) => text.push(byte),
                        _ => return Err(self.unexpected("\\\" or \\\\ in a quoted string")),
                    }
                }
                Some(b'\r' | b'\n' | 0) | None => return Err(self.unexpected("the end of the quoted string")),
                Some(byte) => text.push(byte),
            }
            self.at += 1;
        }
    }

    /// `literal`, with its octets.
    fn literal(&mut self) -> Parse<&'a [u8]> {
        let start = self.clone();
        let rest = self.rest();
        let line = rest.iter().position(|byte| *byte == b'\n').map(|end| &rest[..end]);
        let marker = line
            .and_then(|line| line.strip_suffix(b"\r"))
            .and_then(|line| Some((line.len(), literal_marker(line)?)))
            .filter(|(_, marker)| marker.start == 0);
        let Some((line_len, marker)) = marker else {
            return Err(start.unexpected("a literal"));
        };
        let from = line_len + 2;
        let octets = usize::try_from(marker.size)
            .ok()
            .and_then(|size| from.checked_add(size))
            .and_then(|to| rest.get(from..to));
        let Some(octets) = octets else {
            return Err(start.unexpected("a whole literal"));
        };
        if octets.contains(&0) {
            return Err(Refusal::bad("a literal has no NUL"));
        }
        self.at += from + octets.len();
        Ok(octets)
    }

    /// `string`
    pub(crate) fn string(&mut self, wanted: &str) -> Parse<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(Cow::Borrowed),
            _ => Err(self.unexpected(wanted)),
        }
    }

    /// A string, or an atom of the characters that `belongs` names: `astring`, `list-mailbox`.
    pub(crate) fn string_or(&mut self, wanted: &str, belongs: impl Fn(u8) -> bool) -> Parse<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(wanted),
            _ => self.take_while(wanted, belongs).map(Cow::Borrowed),
        }
    }

    /// `astring`
    pub(crate) fn astring(&mut self, wanted: &str) -> Parse<Cow<'a, [u8]>> {
        self.string_or(wanted, is_astring_char)
    }

    /// `astring` that has to be UTF-8.
    pub(crate) fn astring_text(&mut self, wanted: &str) -> Parse<String> {
        let text = self.astring(wanted)?;
        String::from_utf8(text.into_owned()).map_err(|_| Refusal::bad(format!("{wanted} is not UTF-8")))
    }

    /// `nstring`
    pub(crate) fn nstring(&mut self, wanted: &str) -> Parse<Option<Cow<'a, [u8]>>> {
        if self.eat_word("NIL") {
            return Ok(None);
        }
        self.string(wanted).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_ends_in_a_number_in_braces_announces_a_literal() {
        let marker = |line: &str| literal_marker(line.as_bytes()).map(|m| (m.start, m.size, m.synchronizing));
        assert_eq!(marker("a {12}"), Some((2, 12, true)));
        assert_eq!(marker("a {12+}"), Some((2, 12, false)));
        assert_eq!(marker("{0}"), Some((0, 0, true)));
        assert_eq!(marker(&format!("{{{}+}}", "9".repeat(40))), Some((0, u64::MAX, false)));
        for line in [
            "", "}", "{}", "{+}", "{1", "1}", "{-1}", "{1++}", "{1} ", "\"{1}\"", "{ 1}",
        ] {
            assert_eq!(marker(line), None, "{line}");
        }
    }

    #[test]
    fn strings_in_their_three_forms_are_one_value() {
        for text in ["ab", "\"ab\"", "{2}\r\nab", "{2+}\r\nab"] {
            let mut cursor = Cursor::new(text.as_bytes());
            assert_eq!(cursor.astring("a name").unwrap().as_ref(), b"ab", "{text}");
            assert!(cursor.end().is_ok());
        }
        let mut cursor = Cursor::new(br#""a\"\\b""#);
        assert_eq!(cursor.astring("a name").unwrap().as_ref(), br#"a"\b"#);
    }

    #[test]
    fn broken_strings_are_refused() {
        for text in [
            "",
            "\"",
            "\"a",
            "\"a\\",
            "\"a\\x\"",
            "\"a\r\nb\"",
            "{2}\r\na",
            "{2}ab",
            "{2}\nab",
            "{1}\r\n\0",
            "(a",
        ] {
            assert!(Cursor::new(text.as_bytes()).astring("a name").is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_keep_to_their_size() {
        assert_eq!(Cursor::new(b"4294967295").number("a number").unwrap(), u32::MAX);
        assert!(Cursor::new(b"4294967296").number("a number").is_err());
        assert!(Cursor::new(b"0").nz_number("a number").is_err());
        assert!(Cursor::new(b"01").nz_number("a number").is_err());
        assert!(Cursor::new(b"18446744073709551616").number64("a number").is_err());
    }
}
