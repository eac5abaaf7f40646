//! Fields of the form `value; name=value; ...` (RFC 2045 5.1, RFC 2183), read leniently, and RFC 2231 over them.
//!
//! Values are kept as written, without their quoting: BODYSTRUCTURE shows `name*0*=` as it stands. [`param_value`]
//! puts pieces together, decodes charset and percent signs, and falls back to encoded words, which RFC 2047 forbids
//! there and which are common.

use minicbor::{Decode, Encode};

use crate::budget::Budget;
use crate::charset::decode_charset;
use crate::encoded_word::decode_text;
use crate::limits::{LANGUAGES_MAX, PARAMS_MAX};
use crate::part::{Disposition, RawText};

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Param {
    /// Name as written.
    #[n(0)]
    pub name: RawText,
    /// Value as written, without its quoting.
    #[n(1)]
    pub value: RawText,
}

/// A media type with its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ContentType {
    pub(crate) media_type: RawText,
    pub(crate) subtype: RawText,
    pub(crate) params: Vec<Param>,
    pub(crate) boundary: Option<Vec<u8>>,
}

/// Reads Content-Type; `None` where it has no type or no subtype (RFC 2045 5.2: read as text/plain then).
pub(crate) fn content_type(value: &[u8], budget: &mut Budget) -> Option<ContentType> {
    let mut cursor = Cursor::new(value);
    let media_type = cursor.token();
    cursor.skip_blank();
    cursor.skip_byte(b'/').then_some(())?;
    let subtype = cursor.token();
    if media_type.is_empty() || subtype.is_empty() || !budget.pay(2, media_type.len() + subtype.len()) {
        return None;
    }
    let (media_type, subtype) = (RawText::from(media_type), RawText::from(subtype));
    let mut boundary = None;
    let params = cursor.params(budget, |name, value| {
        if boundary.is_none() && name.eq_ignore_ascii_case(b"boundary") {
            boundary = Some(value.to_vec());
        }
    });
    Some(ContentType {
        media_type,
        subtype,
        params,
        boundary,
    })
}

/// Reads Content-Disposition.
pub(crate) fn disposition(value: &[u8], budget: &mut Budget) -> Option<Disposition> {
    let mut cursor = Cursor::new(value);
    let kind = cursor.token();
    if kind.is_empty() {
        return None;
    }
    let kind = budget.keep(kind)?;
    let params = cursor.params(budget, |_, _| ());
    Some(Disposition { kind, params })
}

/// The one token that Content-Transfer-Encoding holds.
pub(crate) fn single_token(value: &[u8]) -> &[u8] {
    Cursor::new(value).token()
}

/// Reads Content-Language.
pub(crate) fn languages(value: &[u8], budget: &mut Budget) -> Vec<RawText> {
    let mut cursor = Cursor::new(value);
    let mut languages = Vec::new();
    while languages.len() < LANGUAGES_MAX && !cursor.is_at_end() {
        let token = cursor.token();
        if !token.is_empty() {
            match budget.keep(token) {
                Some(kept) => languages.push(kept),
                None => break,
            }
        }
        cursor.skip_past(b',');
    }
    languages
}

/// Reads a structured value. Never goes backwards, so that every loop over it ends.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn skip_byte(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Behind the next `byte`, or at the end.
    fn skip_past(&mut self, byte: u8) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = memchr::memchr(byte, rest).map_or(self.bytes.len(), |found| self.at + found + 1);
    }

    /// Behind the next semicolon that stands in no comment and no quotes, or at the end.
    fn skip_to_param(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'(' => self.at += comment_len(self.bytes.get(self.at..).unwrap_or_default()),
                b'"' => self.at += 1 + unquote(self.bytes.get(self.at + 1..).unwrap_or_default()).1,
                _ => self.at += 1,
            }
            if byte == b';' {
                return;
            }
        }
    }

    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'(' => self.at += comment_len(self.bytes.get(self.at..).unwrap_or_default()),
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                _ => return,
            }
        }
    }

    fn token(&mut self) -> &'a [u8] {
        self.skip_blank();
        let start = self.at;
        while self.peek().is_some_and(|byte| !is_separator(byte)) {
            self.at += 1;
        }
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    fn params(&mut self, budget: &mut Budget, mut each: impl FnMut(&[u8], &[u8])) -> Vec<Param> {
        let mut params = Vec::new();
        while params.len() < PARAMS_MAX {
            self.skip_to_param();
            if self.is_at_end() {
                break;
            }
            let name = self.token();
            self.skip_blank();
            if name.is_empty() || !self.skip_byte(b'=') {
                continue;
            }
            let value = self.value();
            each(name, &value);
            if !budget.pay(2, name.len() + value.len()) {
                break;
            }
            params.push(Param {
                name: RawText::from(name),
                value: RawText(value),
            });
        }
        params
    }

    /// A quoted string without its quoting, or everything up to the next semicolon or comment: unquoted file names
    /// with spaces are common.
    fn value(&mut self) -> Vec<u8> {
        self.skip_blank();
        if self.skip_byte(b'"') {
            return self.quoted();
        }
        let start = self.at;
        let mut last = b'=';
        while let Some(byte) = self.peek() {
            if byte == b';' || (byte == b'(' && matches!(last, b' ' | b'\t')) {
                break;
            }
            last = byte;
            self.at += 1;
        }
        self.bytes
            .get(start..self.at)
            .unwrap_or_default()
            .trim_ascii_end()
            .to_vec()
    }

    fn quoted(&mut self) -> Vec<u8> {
        let (value, len) = unquote(self.bytes.get(self.at..).unwrap_or_default());
        self.at += len;
        value
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t' | b'\r' | b'\n' | b';' | b'/' | b'=' | b',' | b'"' | b'(' | b')' | b'<' | b'>'
    )
}

/// Length of the comment that `bytes` begin with, its end or the end of all included (RFC 5322 3.2.2).
pub(crate) fn comment_len(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    bytes.len()
}

/// The inside of a quoted string whose opening quote was read, and how many bytes it took, closing quote included.
pub(crate) fn unquote(bytes: &[u8]) -> (Vec<u8>, usize) {
    let mut value = Vec::new();
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' if !escaped => return (value, at + 1),
            b'\\' if !escaped => escaped = true,
            _ => {
                escaped = false;
                value.push(*byte);
            }
        }
    }
    (value, bytes.len())
}

/// The decoded value of parameter `name` (RFC 2231: `name`, `name*`, `name*0`, `name*0*`).
#[must_use]
pub fn param_value(params: &[Param], name: &str) -> Option<String> {
    let mut pieces: Vec<(u32, bool, &[u8])> = params
        .iter()
        .filter_map(|param| extended_name(&param.name, name).map(|(nth, coded)| (nth, coded, &*param.value)))
        .collect();
    if pieces.is_empty() {
        let plain = params
            .iter()
            .find(|param| param.name.eq_ignore_ascii_case(name.as_bytes()))?;
        return Some(decode_text(&plain.value));
    }
    pieces.sort_by_key(|(nth, _, _)| *nth);
    let mut charset: &[u8] = b"";
    let mut bytes = Vec::new();
    for (expected, (nth, coded, value)) in pieces.into_iter().enumerate() {
        // A gap ends the value: what follows belongs behind bytes that are missing.
        if usize::try_from(nth) != Ok(expected) {
            break;
        }
        let mut value = value;
        if coded && expected == 0 {
            let mut split = value.splitn(3, |byte| *byte == b'\'');
            if let (Some(label), Some(_language), Some(rest)) = (split.next(), split.next(), split.next()) {
                (charset, value) = (label, rest);
            }
        }
        if coded {
            percent_decode(value, &mut bytes)
        } else {
            bytes.extend_from_slice(value)
        }
    }
    Some(decode_charset(charset, &bytes))
}

/// Number and coding of a piece of `base` in the form of RFC 2231; `None` for other names and for the plain one.
fn extended_name(written: &[u8], base: &str) -> Option<(u32, bool)> {
    let (head, tail) = written.split_at_checked(base.len())?;
    let tail = tail
        .strip_prefix(b"*")
        .filter(|_| head.eq_ignore_ascii_case(base.as_bytes()))?;
    if tail.is_empty() {
        return Some((0, true));
    }
    let (digits, coded) = match tail.strip_suffix(b"*") {
        Some(digits) => (digits, true),
        None => (tail, false),
    };
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((digits.parse().ok()?, coded))
}

fn percent_decode(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let high = after.first().copied().and_then(hex_digit);
        let low = after.get(1).copied().and_then(hex_digit);
        match (byte, high, low) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => out.push(*byte),
        }
    }
}

/// Value of a hexadecimal digit.
pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

    fn read(value: &str) -> Option<(String, Vec<(String, String)>)> {
        let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
        let read = content_type(value.as_bytes(), &mut Budget::new(100_000))?;
        let params = read
            .params
            .iter()
            .map(|param| (text(&param.name), text(&param.value)))
            .collect();
        Some((format!("{}/{}", text(&read.media_type), text(&read.subtype)), params))
    }

    #[test]
    fn content_types_are_read_leniently() {
        let cases: [Case<'_>; 8] = [
            (" text/plain", "text/plain", &[]),
            (
                "Text / HTML ; Charset = \"utf-8\" ;",
                "Text/HTML",
                &[("Charset", "utf-8")],
            ),
            (
                "text/plain; charset=us-ascii (Plain text)",
                "text/plain",
                &[("charset", "us-ascii")],
            ),
            (
                "a/b; name=my file (1).pdf; x=y",
                "a/b",
                &[("name", "my file"), ("x", "y")],
            ),
            (
                "a/b; name=\"a\\\"b;c\\\\\"; x=1",
                "a/b",
                &[("name", "a\"b;c\\"), ("x", "1")],
            ),
            ("(c) a/b (d; e=f) ; g=h", "a/b", &[("g", "h")]),
            ("a/b; name=\"open", "a/b", &[("name", "open")]),
            ("a/b; ; =; x; y=", "a/b", &[("y", "")]),
        ];
        for (value, media, params) in cases {
            let (found, found_params) = read(value).expect(value);
            assert_eq!(found, media, "{value}");
            let expected: Vec<_> = params.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
            assert_eq!(found_params, expected, "{value}");
        }
        for value in ["", "text", "/plain", "text/", "; charset=x", "(((", "\""] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_paid_for_is_left_out() {
        let value = format!("text/plain; a={}; b=c", "x".repeat(500));
        let read = content_type(value.as_bytes(), &mut Budget::new(300)).expect("type fits");
        assert_eq!(read.params, Vec::new());
    }

    #[test]
    fn pieces_of_rfc_2231_are_put_together() {
        let value = "a/b; title*2=\"isn't it!\"; title*0*=us-ascii'en'This%20is%20even%20more%20; \
                     title*1*=%2A%2A%2Afun%2A%2A%2A%20; name*=UTF-8''%e2%82%ac%20rates; old=\"=?utf-8?q?=C3=A4?=\"; \
                     gap*0=a; gap*2=b";
        let params = content_type(value.as_bytes(), &mut Budget::new(100_000))
            .expect("type")
            .params;
        assert_eq!(
            param_value(&params, "title").as_deref(),
            Some("This is even more ***fun*** isn't it!")
        );
        assert_eq!(param_value(&params, "NAME").as_deref(), Some("\u{20ac} rates"));
        assert_eq!(param_value(&params, "old").as_deref(), Some("\u{e4}"));
        assert_eq!(param_value(&params, "gap").as_deref(), Some("a"));
        assert_eq!(param_value(&params, "none"), None);
    }

    #[test]
    fn languages_are_a_list() {
        let read = languages(b" en, de-DE (Swiss),,fr", &mut Budget::new(1_000));
        assert_eq!(read, [&b"en"[..], b"de-DE", b"fr"].map(RawText::from));
    }
}
