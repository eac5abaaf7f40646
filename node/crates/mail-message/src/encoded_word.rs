//! Unfolding (RFC 5322 2.2.3) and encoded words (RFC 2047), read leniently: words may stand anywhere, also within
//! quotes; neighbours of one charset and encoding are joined before they are decoded, since many senders cut within a
//! character.

use crate::charset::decode_charset;
use crate::transfer::{TransferEncoding, TransferReader};

/// `value` without the line ends of its folding.
#[must_use]
pub fn unfold(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    for line in value.split_inclusive(|byte| *byte == b'\n') {
        let line = line
            .strip_suffix(b"\n")
            .map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        out.extend_from_slice(line);
    }
    out
}

/// A header value as text: unfolded, trimmed, encoded words decoded; bytes outside them are UTF-8 or windows-1252.
#[must_use]
pub fn decode_text(value: &[u8]) -> String {
    let value = unfold(value);
    let mut rest = value.trim_ascii();
    let mut out = String::with_capacity(rest.len());
    let mut pending: Option<Pending<'_>> = None;
    while !rest.is_empty() {
        let Some((before, word, after)) = next_word(rest) else {
            break;
        };
        if !before.trim_ascii().is_empty() || pending.is_none() {
            flush(&mut pending, &mut out);
            out.push_str(&decode_charset(b"", before));
        }
        match &mut pending {
            Some(open) if open.charset.eq_ignore_ascii_case(word.charset) => word.decode_into(&mut open.bytes),
            _ => {
                flush(&mut pending, &mut out);
                let mut bytes = Vec::new();
                word.decode_into(&mut bytes);
                pending = Some(Pending {
                    charset: word.charset,
                    bytes,
                });
            }
        }
        rest = after;
    }
    flush(&mut pending, &mut out);
    out.push_str(&decode_charset(b"", rest));
    out
}

/// How far the end of a word is looked for. RFC 2047 allows 75 bytes; senders put whole subjects into one.
const WORD_BYTES_MAX: usize = 8 << 10;

struct Pending<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
}

fn flush(pending: &mut Option<Pending<'_>>, out: &mut String) {
    if let Some(Pending { charset, bytes }) = pending.take() {
        out.push_str(&decode_charset(charset, &bytes));
    }
}

struct Word<'a> {
    charset: &'a [u8],
    is_base64: bool,
    text: &'a [u8],
}

impl Word<'_> {
    fn decode_into(&self, out: &mut Vec<u8>) {
        if self.is_base64 {
            let mut reader = TransferReader::new(TransferEncoding::Base64);
            reader.push(self.text, out);
            reader.finish(out);
            return;
        }
        let spaced: Vec<u8> = self
            .text
            .iter()
            .map(|byte| if *byte == b'_' { b' ' } else { *byte })
            .collect();
        let mut reader = TransferReader::new(TransferEncoding::QuotedWord);
        reader.push(&spaced, out);
        reader.finish(out);
    }
}

/// What stands before the first encoded word of `bytes`, the word, and what stands behind it.
fn next_word(bytes: &[u8]) -> Option<(&[u8], Word<'_>, &[u8])> {
    let mut from = 0;
    loop {
        let start = from + find(bytes.get(from..)?, b"=?")?;
        if let Some((word, len)) = word_at(bytes.get(start + 2..)?) {
            return Some((bytes.get(..start)?, word, bytes.get(start + 2 + len..)?));
        }
        from = start + 1;
    }
}

/// A word whose opening `=?` was read, and its length up to and with `?=`.
fn word_at(bytes: &[u8]) -> Option<(Word<'_>, usize)> {
    let charset_end = memchr::memchr(b'?', bytes)?;
    let (charset, rest) = bytes.split_at_checked(charset_end)?;
    let coding = *rest.get(1)?;
    let is_base64 = match coding {
        b'b' | b'B' => true,
        b'q' | b'Q' => false,
        _ => return None,
    };
    let text = rest.get(2..)?.strip_prefix(b"?")?;
    let legal = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'<' | b'>' | b'@' | b',' | b'"');
    if charset.is_empty() || !charset.iter().all(legal) {
        return None;
    }
    // A text may begin with `=`, as in `=?x?q?=41?=`: its end is the first `?=` from there on.
    let text_end = find(text.get(..WORD_BYTES_MAX).unwrap_or(text), b"?=")?;
    let text = text.get(..text_end)?;
    Some((
        Word {
            charset,
            is_base64,
            text,
        },
        charset_end + 3 + text_end + 2,
    ))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_read_as_in_rfc_2047_and_as_senders_write_them() {
        let cases: [(&[u8], &str); 16] = [
            (b"plain", "plain"),
            (b"(=?ISO-8859-1?Q?a?=)", "(a)"),
            (b"(=?ISO-8859-1?Q?a?= b)", "(a b)"),
            (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
            (b"(=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=)", "(ab)"),
            (b"(=?ISO-8859-1?Q?a_b?=)", "(a b)"),
            (b"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)"),
            (b"=?utf-8?B?w6Q=?=", "\u{e4}"),
            (b"=?utf-8?B?ww==?= =?utf-8?Q?=A4?=", "\u{e4}"),
            (b"=?utf-8?q?=C3=A4?= end", "\u{e4} end"),
            (
                b"=?utf-8?x?=C3?= =?broken =?utf-8?q?open",
                "=?utf-8?x?=C3?= =?broken =?utf-8?q?open",
            ),
            (b"caf\xe9", "caf\u{e9}"),
            ("caf\u{e9}".as_bytes(), "caf\u{e9}"),
            (b"  a\r\n b \t", "a b"),
            (b"\"=?us-ascii*en?q?x=3D?=\" <a@b>", "\"x=\" <a@b>"),
            (b"=?utf-8?q?a b?=", "a b"),
        ];
        for (value, text) in cases {
            assert_eq!(decode_text(value), text, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn many_openings_of_words_are_read_in_one_go() {
        let value = b"=?a".repeat(20_000);
        assert_eq!(decode_text(&value).len(), value.len());
    }

    #[test]
    fn only_line_ends_are_unfolded() {
        assert_eq!(unfold(b"a\r\n b\n\tc\rd\r\n"), b"a b\tc\rd");
    }
}
