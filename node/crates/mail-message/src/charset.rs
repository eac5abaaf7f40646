//! Charsets to UTF-8, whole and piece by piece.
//!
//! What has no label, or one that nobody knows, is UTF-8 where it is valid, and else windows-1252: nothing is refused,
//! and no two ways to cut the input give two results as long as lines stay within `CHARSET_LINE_BYTES_MAX`.

use encoding_rs::{Decoder, Encoding, UTF_8, WINDOWS_1252};
use mail_parser::decoders::charsets::DecoderFnc;
use mail_parser::decoders::charsets::map::charset_decoder;

use crate::limits::CHARSET_LINE_BYTES_MAX;

/// Decodes `bytes`, labelled `charset` (which may be empty).
#[must_use]
pub fn decode_charset(charset: &[u8], bytes: &[u8]) -> String {
    match Coding::of(charset) {
        Coding::Known(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        Coding::Lines(decode) => decode(bytes),
        Coding::Guess => guess(bytes),
    }
}

fn guess(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

enum Coding {
    /// Read piece by piece.
    Known(&'static Encoding),
    /// Read by whole lines.
    Lines(DecoderFnc),
    /// See the head of this file.
    Guess,
}

impl Coding {
    fn of(label: &[u8]) -> Self {
        let label = label.trim_ascii();
        // RFC 2231 5 allows a language behind the charset of an encoded word.
        let label = label.split(|byte| *byte == b'*').next().unwrap_or_default();
        // ASCII labels say little: many senders put them before UTF-8.
        if label.is_empty() || label.eq_ignore_ascii_case(b"us-ascii") || label.eq_ignore_ascii_case(b"ascii") {
            return Self::Guess;
        }
        if label.eq_ignore_ascii_case(b"utf8") || label.eq_ignore_ascii_case(b"utf-8") {
            return Self::Known(UTF_8);
        }
        // What WHATWG maps to "replacement" would lose every byte.
        if let Some(encoding) = Encoding::for_label_no_replacement(label) {
            return Self::Known(encoding);
        }
        charset_decoder(label).map_or(Self::Guess, Self::Lines)
    }
}

/// Decodes text that streams by. Holds one line at most, and that only where its charset asks for it.
pub struct CharsetReader {
    coding: Streaming,
    line: Vec<u8>,
}

enum Streaming {
    Known(Box<Decoder>),
    Lines(DecoderFnc),
}

impl CharsetReader {
    /// A reader of text labelled `charset`, which may be empty.
    #[must_use]
    pub fn new(charset: &[u8]) -> Self {
        let coding = match Coding::of(charset) {
            Coding::Known(encoding) => Streaming::Known(Box::new(encoding.new_decoder())),
            Coding::Lines(decode) => Streaming::Lines(decode),
            Coding::Guess => Streaming::Lines(guess),
        };
        Self {
            coding,
            line: Vec::new(),
        }
    }

    /// Appends to `out` what `bytes` complete.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) {
        match &mut self.coding {
            Streaming::Known(decoder) => decode_piece(decoder, bytes, false, out),
            Streaming::Lines(decode) => {
                for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                    let mut rest = piece;
                    while !rest.is_empty() {
                        let room = CHARSET_LINE_BYTES_MAX.saturating_sub(self.line.len()).max(1);
                        let (now, later) = rest.split_at(room.min(rest.len()));
                        self.line.extend_from_slice(now);
                        rest = later;
                        if self.line.len() >= CHARSET_LINE_BYTES_MAX || self.line.last() == Some(&b'\n') {
                            out.push_str(&decode(&self.line));
                            self.line.clear();
                        }
                    }
                }
            }
        }
    }

    /// Appends what is left.
    pub fn finish(mut self, out: &mut String) {
        match &mut self.coding {
            Streaming::Known(decoder) => decode_piece(decoder, b"", true, out),
            Streaming::Lines(decode) => out.push_str(&decode(&self.line)),
        }
    }
}

fn decode_piece(decoder: &mut Decoder, bytes: &[u8], last: bool, out: &mut String) {
    let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len());
    out.reserve(room);
    // With that room all of the input is read.
    let _ = decoder.decode_to_string(bytes, out, last);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streamed(charset: &[u8], bytes: &[u8], cut: usize) -> String {
        let mut reader = CharsetReader::new(charset);
        let mut out = String::new();
        bytes.chunks(cut).for_each(|chunk| reader.push(chunk, &mut out));
        reader.finish(&mut out);
        out
    }

    #[test]
    fn charsets_read_the_same_whole_and_in_pieces() {
        let cases: [(&str, &[u8], &str); 9] = [
            ("utf-8", "gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
            ("", "gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
            ("us-ascii", b"gr\xfcn", "gr\u{fc}n"),
            ("no-such-charset", b"gr\xfcn", "gr\u{fc}n"),
            ("ISO-8859-1*de", b"gr\xfcn", "gr\u{fc}n"),
            ("koi8-r", b"\xcd\xc9\xd2", "\u{43c}\u{438}\u{440}"),
            ("iso-2022-jp", b"\x1b$B%O%m\x1b(B!", "\u{30cf}\u{30ed}!"),
            (
                "utf-7",
                b"+ZYeB9FH6ckh5Pg-, 1980.",
                "\u{6587}\u{81f4}\u{51fa}\u{7248}\u{793e}, 1980.",
            ),
            ("ibm850", b"\x9b", "\u{f8}"),
        ];
        for (charset, bytes, text) in cases {
            assert_eq!(decode_charset(charset.as_bytes(), bytes), text, "{charset}");
            for cut in 1..4 {
                assert_eq!(
                    streamed(charset.as_bytes(), bytes, cut),
                    text,
                    "{charset} in pieces of {cut}"
                );
            }
        }
    }

    #[test]
    fn a_line_without_end_is_not_held() {
        let mut reader = CharsetReader::new(b"us-ascii");
        let mut out = String::new();
        for _ in 0..1_000 {
            out.clear();
            reader.push(&[b'x'; 1_000], &mut out);
            assert!(reader.line.capacity() <= 2 * CHARSET_LINE_BYTES_MAX);
        }
    }
}
