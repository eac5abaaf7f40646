//! A message as the body of a multi-line reply (RFC 1939 3): CRLF form, dots stuffed, cut short for TOP.

use bytes::{BufMut, BytesMut};

use crate::crlf::{CrlfForm, Piece};

/// Encodes one message while it streams by.
#[derive(Clone, Debug)]
pub(crate) struct DotEncoder {
    form: CrlfForm,
    cut: Cut,
    is_line_start: bool,
    octets: u64,
}

/// Where the message ends for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// At its end.
    Never,
    /// This many lines behind the empty line that ends the header, which has not come yet.
    AfterHeader(u64),
    /// After this many lines.
    After(u64),
}

impl DotEncoder {
    /// All of the message.
    pub(crate) fn whole() -> Self {
        Self::with(Cut::Never)
    }

    /// The header, the empty line and `lines` lines of the body (RFC 1939 7, TOP).
    pub(crate) fn top(lines: u64) -> Self {
        Self::with(Cut::AfterHeader(lines))
    }

    fn with(cut: Cut) -> Self {
        Self {
            form: CrlfForm::default(),
            cut,
            is_line_start: true,
            octets: 0,
        }
    }

    /// Encodes the next bytes. Returns whether more are wanted.
    pub(crate) fn push(&mut self, bytes: &[u8], output: &mut BytesMut) -> bool {
        let mut form = std::mem::take(&mut self.form);
        form.push(bytes, |piece| self.put(piece, output));
        self.form = form;
        !self.is_enough()
    }

    /// Ends the message and the reply. Returns the octets sent, stuffed dots not counted.
    pub(crate) fn finish(mut self, output: &mut BytesMut) -> u64 {
        if self.form.needs_line_end() {
            self.put(Piece::LineEnd, output);
        }
        output.put_slice(b".\r\n");
        self.octets
    }

    fn is_enough(&self) -> bool {
        self.cut == Cut::After(0)
    }

    fn put(&mut self, piece: Piece<'_>, output: &mut BytesMut) {
        if self.is_enough() {
            return;
        }
        match piece {
            Piece::Text(text) => {
                if self.is_line_start && text.starts_with(b".") {
                    output.put_u8(b'.');
                }
                output.put_slice(text);
                self.octets += text.len() as u64;
                self.is_line_start = false;
            }
            Piece::LineEnd => {
                output.put_slice(b"\r\n");
                self.octets += 2;
                self.cut = match self.cut {
                    Cut::AfterHeader(lines) if self.is_line_start => Cut::After(lines),
                    Cut::After(lines) => Cut::After(lines - 1),
                    cut => cut,
                };
                self.is_line_start = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(mut encoder: DotEncoder, message: &[u8], step: usize) -> (String, u64) {
        let mut output = BytesMut::new();
        for piece in message.chunks(step) {
            if !encoder.push(piece, &mut output) {
                break;
            }
        }
        let octets = encoder.finish(&mut output);
        (String::from_utf8(output.to_vec()).unwrap(), octets)
    }

    #[test]
    fn line_ends_are_mended_and_dots_stuffed() {
        for step in 1..9 {
            for (message, sent, octets) in [
                ("", ".\r\n", 0),
                (".", "..\r\n.\r\n", 3),
                ("a\n.b\r..c\r\n.", "a\r\n..b\r\n...c\r\n..\r\n.\r\n", 15),
                ("a\r\r\n.\n", "a\r\n\r\n..\r\n.\r\n", 8),
            ] {
                let encoded = encode(DotEncoder::whole(), message.as_bytes(), step);
                assert_eq!(encoded, (sent.to_owned(), octets), "{message:?} by {step}");
            }
        }
    }

    #[test]
    fn top_ends_after_the_lines_asked_for() {
        let message = b"A: b\r\nC: d\r\n\r\n.one\r\n\r\nthree";
        for step in 1..9 {
            for (lines, sent) in [
                (0, "A: b\r\nC: d\r\n\r\n.\r\n"),
                (1, "A: b\r\nC: d\r\n\r\n..one\r\n.\r\n"),
                (2, "A: b\r\nC: d\r\n\r\n..one\r\n\r\n.\r\n"),
                (3, "A: b\r\nC: d\r\n\r\n..one\r\n\r\nthree\r\n.\r\n"),
                (u64::MAX, "A: b\r\nC: d\r\n\r\n..one\r\n\r\nthree\r\n.\r\n"),
            ] {
                assert_eq!(
                    encode(DotEncoder::top(lines), message, step).0,
                    sent,
                    "{lines} by {step}"
                );
            }
        }
        assert_eq!(encode(DotEncoder::top(0), b"A: b", 1).0, "A: b\r\n.\r\n");
    }
}
