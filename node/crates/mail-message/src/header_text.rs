//! Chosen fields out of a header that streams by: SEARCH HEADER, FROM, SUBJECT and so on, and the delivery log.
//!
//! Invariants: stops at the empty line; holds what was asked for and no more than its bound.

use crate::encoded_word::decode_text;
use crate::field_scan::{FieldScan, ScannedField};
use crate::limits::VALUE_OVERHEAD;

/// One field of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name as written.
    pub name: Vec<u8>,
    /// Unfolded value as written, at most `FIELD_BYTES_MAX` bytes.
    pub value: Vec<u8>,
}

impl Field {
    /// The value as text: encoded words decoded, trimmed.
    #[must_use]
    pub fn text(&self) -> String {
        decode_text(&self.value)
    }
}

impl From<ScannedField> for Field {
    fn from(ScannedField { name, value }: ScannedField) -> Self {
        Self { name, value }
    }
}

/// Lines of a header that streams by; answers when it is over.
#[derive(Debug, Default)]
pub(crate) struct HeaderLines {
    pub(crate) scan: FieldScan,
    line_bytes: u64,
    last_was_cr: bool,
    over: bool,
}

impl HeaderLines {
    /// Takes `chunk` up to the empty line, and hands each wanted field that has ended to `each`. Answers how much of
    /// it belonged to the header.
    pub(crate) fn push(
        &mut self,
        chunk: &[u8],
        wants: impl Fn(&[u8]) -> bool,
        mut each: impl FnMut(ScannedField),
    ) -> usize {
        let mut rest = chunk;
        while !rest.is_empty() && !self.over {
            let end = memchr::memchr(b'\n', rest);
            let piece = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if let Some(field) = self.scan.piece(piece, &wants) {
                each(field);
            }
            self.line_bytes += piece.len() as u64;
            self.last_was_cr = piece.last().map_or(self.last_was_cr, |byte| *byte == b'\r');
            rest = rest.get(piece.len()..).unwrap_or_default();
            if end.is_some() {
                rest = rest.get(1..).unwrap_or_default();
                self.scan.line_end(self.last_was_cr);
                self.over = self.line_bytes == u64::from(self.last_was_cr);
                self.line_bytes = 0;
                self.last_was_cr = false;
            }
        }
        chunk.len() - rest.len()
    }

    /// Whether the empty line was read.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }
}

/// See the head of this file.
#[derive(Debug)]
pub struct FieldReader<'a> {
    names: &'a [&'a str],
    lines: HeaderLines,
    fields: Vec<Field>,
    left: usize,
}

impl<'a> FieldReader<'a> {
    /// A reader of the fields called `names`, in any case, that keeps at most `bytes_max` bytes of them; those beyond
    /// are left out.
    #[must_use]
    pub fn new(names: &'a [&'a str], bytes_max: usize) -> Self {
        Self {
            names,
            lines: HeaderLines::default(),
            fields: Vec::new(),
            left: bytes_max,
        }
    }

    /// Takes the next bytes of the message; answers whether the header is over.
    pub fn push(&mut self, chunk: &[u8]) -> bool {
        let Self {
            names,
            lines,
            fields,
            left,
        } = self;
        let wants = |name: &[u8]| names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes()));
        lines.push(chunk, wants, |field| keep(fields, left, field));
        lines.is_over()
    }

    /// The fields in the order of the header.
    #[must_use]
    pub fn finish(mut self) -> Vec<Field> {
        if let Some(field) = self.lines.scan.end() {
            keep(&mut self.fields, &mut self.left, field);
        }
        self.fields
    }
}

fn keep(fields: &mut Vec<Field>, left: &mut usize, field: ScannedField) {
    let cost = field.name.len() + field.value.len() + 2 * VALUE_OVERHEAD;
    if let Some(rest) = left.checked_sub(cost) {
        *left = rest;
        fields.push(field.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_fields_are_read_however_the_header_is_cut() {
        let message =
            b"Subject: one\r\n\ttwo\r\nno field\r\n going on\r\nX: y\nSUBJECT :=?utf-8?q?=C3=A4?=\r\n\r\nSubject: body";
        for cut in 1..message.len() {
            let mut reader = FieldReader::new(&["subject"], 1_000);
            let over = message.chunks(cut).fold(false, |_, chunk| reader.push(chunk));
            assert!(over);
            let fields = reader.finish();
            let texts: Vec<String> = fields.iter().map(Field::text).collect();
            assert_eq!(texts, ["one\ttwo", "\u{e4}"], "pieces of {cut}");
            assert_eq!(fields[1].name, b"SUBJECT");
        }
    }

    #[test]
    fn a_header_without_end_gives_its_last_field() {
        let mut reader = FieldReader::new(&["a"], 1_000);
        assert!(!reader.push(b"A: 1\r\n 2"));
        assert_eq!(
            reader.finish(),
            [Field {
                name: b"A".to_vec(),
                value: b" 1 2".to_vec()
            }]
        );
    }

    #[test]
    fn fields_beyond_the_bound_are_left_out() {
        let mut reader = FieldReader::new(&["a"], 1_000);
        for _ in 0..100 {
            reader.push(b"a: 0123456789\r\n");
        }
        assert!(reader.finish().len() < 20);
    }
}
