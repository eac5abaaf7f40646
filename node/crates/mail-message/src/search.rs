//! SEARCH BODY and TEXT (RFC 3501 6.4.4) over a message that streams by, guided by its structure.
//!
//! What is searched: headers of the message (TEXT alone) and of its parts, encoded words decoded, field by field; text
//! parts, and such message/* parts as have no parts inside (delivery reports), with transfer encoding and charset
//! decoded. Not searched: what stands between parts, and anything else. HTML is searched as it is written.
//!
//! Invariants: no occurrence reaches from one field or part into the next; a piece of a few kilobytes and one field
//! are all that is held.

use std::ops::Range;

use crate::charset::CharsetReader;
use crate::encoded_word::decode_text;
use crate::field_scan::ScannedField;
use crate::header_text::HeaderLines;
use crate::part::{Part, PartKind, Structure};
use crate::text_match::TextMatch;
use crate::transfer::{TransferEncoding, TransferReader};

/// Bytes of the message that are decoded at a time.
const PIECE_BYTES: usize = 8 << 10;

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchScope {
    /// SEARCH BODY: not in the header of the message.
    Body,
    /// SEARCH TEXT: anywhere.
    Text,
}

/// Looks for several keys in one pass.
pub struct TextSearch {
    keys: Vec<(SearchScope, TextMatch)>,
    /// What is still to be read, last first.
    segments: Vec<Segment>,
    current: Option<Current>,
    offset: u64,
    decoded: Vec<u8>,
    text: String,
}

/// A stretch of the message that is searched.
struct Segment {
    range: Range<u64>,
    is_message_header: bool,
    content: Content,
}

enum Content {
    Header,
    Body {
        encoding: TransferEncoding,
        charset: Vec<u8>,
    },
}

/// The stretch that is being read.
struct Current {
    end: u64,
    is_message_header: bool,
    reader: Reader,
}

enum Reader {
    Header(HeaderLines),
    Body(TransferReader, CharsetReader),
}

impl TextSearch {
    /// A search for `keys` in a message of that structure, `prefix_len` bytes before its body.
    #[must_use]
    pub fn new(structure: &Structure, prefix_len: u64, keys: &[(SearchScope, &str)]) -> Self {
        let mut segments = Vec::new();
        for (index, part) in structure.parts.iter().enumerate() {
            let header = structure.header_range(index, prefix_len).unwrap_or_default();
            segments.push(Segment {
                range: header,
                is_message_header: index == 0,
                content: Content::Header,
            });
            if is_searched(part) {
                let range = structure.body_range(index, prefix_len).unwrap_or_default();
                segments.push(Segment {
                    range,
                    is_message_header: false,
                    content: body_content(part),
                });
            }
        }
        segments.retain(|segment| !segment.range.is_empty());
        segments.reverse();
        let keys = keys.iter().map(|(scope, key)| (*scope, TextMatch::new(key))).collect();
        Self {
            keys,
            segments,
            current: None,
            offset: 0,
            decoded: Vec::new(),
            text: String::new(),
        }
    }

    /// Takes the next bytes of the message, prefix first. Answers whether everything was found: no more is needed then.
    pub fn push(&mut self, chunk: &[u8]) -> bool {
        for piece in chunk.chunks(PIECE_BYTES) {
            if self.is_complete() {
                return true;
            }
            self.piece(piece);
        }
        self.is_complete()
    }

    /// The message has ended: which keys were found, in the order they were given.
    #[must_use]
    pub fn finish(mut self) -> Vec<bool> {
        self.end_current();
        self.keys.iter().map(|(_, key)| key.is_found()).collect()
    }

    fn is_complete(&self) -> bool {
        self.keys.iter().all(|(_, key)| key.is_found())
    }

    fn piece(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while !rest.is_empty() {
            if self.current.as_ref().is_some_and(|current| current.end <= self.offset) {
                self.end_current();
            }
            if self.current.is_none() && !self.begin_next() {
                let gap = self
                    .segments
                    .last()
                    .map_or(u64::MAX, |next| next.range.start.saturating_sub(self.offset));
                rest = self.advance(rest, gap).1;
                continue;
            }
            let left = self
                .current
                .as_ref()
                .map_or(0, |current| current.end.saturating_sub(self.offset));
            let (now, later) = self.advance(rest, left);
            rest = later;
            self.read(now);
        }
    }

    /// Splits off at most `len` bytes and counts them.
    fn advance<'a>(&mut self, bytes: &'a [u8], len: u64) -> (&'a [u8], &'a [u8]) {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(bytes.len());
        self.offset += len as u64;
        bytes.split_at(len)
    }

    /// Begins the next stretch if it is reached.
    fn begin_next(&mut self) -> bool {
        let Some(segment) = self.segments.pop_if(|next| next.range.start <= self.offset) else {
            return false;
        };
        let reader = match segment.content {
            Content::Header => Reader::Header(HeaderLines::default()),
            Content::Body { encoding, charset } => {
                Reader::Body(TransferReader::new(encoding), CharsetReader::new(&charset))
            }
        };
        self.keys.iter_mut().for_each(|(_, key)| key.restart());
        let is_message_header = segment.is_message_header;
        self.current = Some(Current {
            end: segment.range.end,
            is_message_header,
            reader,
        });
        true
    }

    fn read(&mut self, bytes: &[u8]) {
        let Self {
            keys,
            current,
            decoded,
            text,
            ..
        } = self;
        let Some(Current {
            is_message_header,
            reader,
            ..
        }) = current
        else {
            return;
        };
        match reader {
            Reader::Header(lines) => {
                lines.push(bytes, |_| true, |field| match_field(keys, *is_message_header, &field));
            }
            Reader::Body(transfer, charset) => {
                decoded.clear();
                transfer.push(bytes, decoded);
                text.clear();
                charset.push(decoded, text);
                match_text(keys, *is_message_header, text);
            }
        }
    }

    fn end_current(&mut self) {
        let Some(Current {
            is_message_header,
            reader,
            ..
        }) = self.current.take()
        else {
            return;
        };
        match reader {
            Reader::Header(mut lines) => {
                if let Some(field) = lines.scan.end() {
                    match_field(&mut self.keys, is_message_header, &field);
                }
            }
            Reader::Body(transfer, mut charset) => {
                self.decoded.clear();
                transfer.finish(&mut self.decoded);
                self.text.clear();
                charset.push(&self.decoded, &mut self.text);
                charset.finish(&mut self.text);
                match_text(&mut self.keys, is_message_header, &self.text);
            }
        }
    }
}

fn match_text(keys: &mut [(SearchScope, TextMatch)], is_message_header: bool, text: &str) {
    for (scope, key) in keys {
        if !is_message_header || *scope == SearchScope::Text {
            key.push(text);
        }
    }
}

fn match_field(keys: &mut [(SearchScope, TextMatch)], is_message_header: bool, field: &ScannedField) {
    keys.iter_mut().for_each(|(_, key)| key.restart());
    for text in [
        &*String::from_utf8_lossy(&field.name),
        ": ",
        &*decode_text(&field.value),
    ] {
        match_text(keys, is_message_header, text);
    }
}

fn is_searched(part: &Part) -> bool {
    match part.kind {
        PartKind::Text => true,
        PartKind::Basic => part.mime.media_type.eq_ignore_ascii_case(b"message"),
        PartKind::Message | PartKind::Multipart => false,
    }
}

fn body_content(part: &Part) -> Content {
    let charset = part
        .mime
        .params
        .iter()
        .find(|param| param.name.eq_ignore_ascii_case(b"charset"));
    Content::Body {
        encoding: TransferEncoding::of(part.mime.encoding.as_deref()),
        charset: charset.map_or_else(Vec::new, |param| param.value.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StructureReader;

    const MESSAGE: &str = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= one\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        preamble\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\ntwo Stra=\r\n=DFe=\r\n three\r\n--b\r\n\
        Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        0J/RgNC4\r\n0LLQtdGC\r\n--b\r\nContent-Type: image/png; name=four.png\r\n\r\nfive\r\n--b\r\n\
        Content-Type: message/rfc822\r\n\r\nSubject: six\r\n\r\nseven\r\n--b--\r\nepilogue\r\n";

    fn search(keys: &[(SearchScope, &str)], prefix: &str, cut: usize) -> Vec<bool> {
        let mut reader = StructureReader::new();
        reader.push(MESSAGE.as_bytes());
        let structure = reader.finish();
        let mut search = TextSearch::new(&structure, prefix.len() as u64, keys);
        let message = [prefix.as_bytes(), MESSAGE.as_bytes()].concat();
        for chunk in message.chunks(cut) {
            if search.push(chunk) {
                break;
            }
        }
        search.finish()
    }

    #[test]
    fn text_is_found_behind_every_encoding_and_only_where_it_counts() {
        use SearchScope::{Body, Text};
        let cases = [
            (Text, "GRÜSSE ONE", true),
            (Body, "GRÜSSE ONE", false),
            (Text, "subject: grüße", true),
            (Body, "two STRASSE three", true),
            (Body, "привет", true),
            (Body, "four.png", true),
            (Text, "five", false),
            (Body, "six", true),
            (Body, "seven", true),
            (Text, "preamble", false),
            (Text, "epilogue", false),
            (Text, "three--b", false),
            (Text, "trace", true),
            (Body, "trace", false),
        ];
        let keys: Vec<_> = cases.iter().map(|(scope, key, _)| (*scope, *key)).collect();
        let expected: Vec<_> = cases.iter().map(|(.., found)| *found).collect();
        for cut in [1, 2, 3, 7, 64, 10_000] {
            assert_eq!(search(&keys, "Received: trace\r\n", cut), expected, "pieces of {cut}");
        }
    }

    #[test]
    fn no_more_is_read_once_everything_is_found() {
        let mut search = TextSearch::new(&StructureReader::new().finish(), 0, &[(SearchScope::Text, "")]);
        assert!(search.push(b"x"));
        assert_eq!(search.finish(), [true]);
    }
}
