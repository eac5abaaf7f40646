//! HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 3501 6.4.5) over a header that streams by.
//!
//! Invariants: bytes go through as they stand, folding and line ends included; the empty line always does; nothing is
//! held but a name that is not yet whole. A line that is no field belongs to no name: NOT keeps it.
//!
//! The answer is a literal whose length comes first: run one filter to count, and a second one to send.

use crate::limits::FIELD_NAME_BYTES_MAX;

/// See the head of this file.
#[derive(Debug)]
pub struct HeaderFilter {
    names: Vec<Vec<u8>>,
    negated: bool,
    at: At,
    /// Start of the current line while its name is not whole.
    start: Vec<u8>,
    /// The current field goes through.
    passing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Name,
    Value,
    Over,
}

impl HeaderFilter {
    /// Lets fields called one of `names` through, in any case; with `negated`, the others.
    #[must_use]
    pub fn new<N: AsRef<[u8]>>(names: &[N], negated: bool) -> Self {
        let names = names.iter().map(|name| name.as_ref().to_vec()).collect();
        Self {
            names,
            negated,
            at: At::LineStart,
            start: Vec::new(),
            passing: false,
        }
    }

    /// Takes the next bytes of the header range, and gives what goes through to `sink`.
    pub fn push(&mut self, chunk: &[u8], sink: &mut impl FnMut(&[u8])) {
        let mut rest = chunk;
        while !rest.is_empty() && self.at != At::Over {
            let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            let (piece, later) = rest.split_at(len.min(rest.len()));
            rest = later;
            self.piece(piece, sink);
        }
    }

    /// The header range has ended.
    pub fn finish(mut self, sink: &mut impl FnMut(&[u8])) {
        if self.at == At::Name {
            self.decide(None, sink);
        }
    }

    fn piece(&mut self, piece: &[u8], sink: &mut impl FnMut(&[u8])) {
        let ends = piece.last() == Some(&b'\n');
        let mut rest = piece;
        if self.at == At::LineStart {
            let continues = matches!(piece.first(), Some(b' ' | b'\t'));
            self.at = if continues { At::Value } else { At::Name };
        }
        if self.at == At::Name {
            let colon = memchr::memchr(b':', rest);
            let room = (FIELD_NAME_BYTES_MAX + 1).saturating_sub(self.start.len());
            let len = colon.map_or(rest.len(), |colon| colon + 1).min(room);
            let (name, later) = rest.split_at(len);
            self.start.extend_from_slice(name);
            rest = later;
            let is_empty_line = matches!(self.start.as_slice(), b"\n" | b"\r\n");
            if is_empty_line {
                sink(&self.start);
                self.at = At::Over;
                return;
            }
            let name_len = colon
                .filter(|colon| *colon < room)
                .map(|_| self.start.len().saturating_sub(1));
            if name_len.is_some() || ends || self.start.len() > FIELD_NAME_BYTES_MAX {
                self.decide(name_len, sink);
                self.at = At::Value;
            }
        }
        if self.at == At::Value && self.passing && !rest.is_empty() {
            sink(rest);
        }
        if ends {
            self.at = At::LineStart;
        }
    }

    fn decide(&mut self, name_len: Option<usize>, sink: &mut impl FnMut(&[u8])) {
        let name = name_len
            .and_then(|len| self.start.get(..len))
            .map(<[u8]>::trim_ascii_end);
        let listed = name.is_some_and(|name| self.names.iter().any(|listed| listed.eq_ignore_ascii_case(name)));
        self.passing = listed != self.negated;
        if self.passing {
            sink(&self.start);
        }
        self.start.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] =
        b"From: a\r\nSubject: one\r\n\ttwo: three\r\nno field\r\n more\r\nsubject : x\nTo:\r\n\r\nSubject: body\r\n";

    fn run(names: &[&str], negated: bool, header: &[u8], cut: usize) -> String {
        let mut out = Vec::new();
        let mut filter = HeaderFilter::new(names, negated);
        let mut sink = |bytes: &[u8]| out.extend_from_slice(bytes);
        header.chunks(cut).for_each(|chunk| filter.push(chunk, &mut sink));
        filter.finish(&mut sink);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn fields_go_through_as_they_stand_however_they_are_cut() {
        for cut in 1..HEADER.len() {
            assert_eq!(
                run(&["SUBJECT", "none"], false, HEADER, cut),
                "Subject: one\r\n\ttwo: three\r\nsubject : x\n\r\n"
            );
            assert_eq!(
                run(&["subject"], true, HEADER, cut),
                "From: a\r\nno field\r\n more\r\nTo:\r\n\r\n"
            );
        }
    }

    #[test]
    fn a_header_without_empty_line_gets_none() {
        assert_eq!(run(&["a"], false, b"A: 1\r\nB: 2", 100), "A: 1\r\n");
        assert_eq!(run(&["b"], false, b"A: 1\r\nB: 2", 100), "B: 2");
        assert_eq!(run(&["a"], true, b"A: 1\r\nB", 1), "B");
    }

    #[test]
    fn a_name_beyond_the_bound_is_in_no_list() {
        let long = "x".repeat(FIELD_NAME_BYTES_MAX + 1);
        let header = format!("{long}: 1\r\na: 2\r\n\r\n");
        for cut in [1, 7, 1_000] {
            assert_eq!(run(&[&long], false, header.as_bytes(), cut), "\r\n");
            assert_eq!(run(&["a"], true, header.as_bytes(), cut), format!("{long}: 1\r\n\r\n"));
        }
    }
}
