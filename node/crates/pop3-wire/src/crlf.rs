//! The form in which POP3 sends a message (DESIGN M10): every CR LF, bare CR and bare LF is one CR LF, and the message
//! ends with one. NUL and all other bytes pass.
//!
//! Invariants: what the counter counts and what is sent come from one transformation; both are the same over any
//! chunking. An empty message stays empty.

/// One piece of a message in its CRLF form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A part of a line, not empty, without CR and LF.
    Text(&'a [u8]),
    /// CR LF.
    LineEnd,
}

/// The transformation itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct CrlfForm {
    /// The last byte was a CR, whose line end has been passed on; an LF now adds nothing.
    is_after_cr: bool,
    /// There was text since the last line end.
    is_line_open: bool,
}

impl CrlfForm {
    /// Passes the next bytes on as pieces.
    pub(crate) fn push<'a>(&mut self, mut bytes: &'a [u8], mut sink: impl FnMut(Piece<'a>)) {
        while let Some(&first) = bytes.first() {
            let was_after_cr = std::mem::replace(&mut self.is_after_cr, first == b'\r');
            match first {
                b'\n' if was_after_cr => bytes = &bytes[1..],
                b'\r' | b'\n' => {
                    self.is_line_open = false;
                    sink(Piece::LineEnd);
                    bytes = &bytes[1..];
                }
                _ => {
                    let is_text = |byte: &u8| !matches!(byte, b'\r' | b'\n');
                    let end = bytes.iter().take_while(|byte| is_text(byte)).count();
                    self.is_line_open = true;
                    sink(Piece::Text(&bytes[..end]));
                    bytes = &bytes[end..];
                }
            }
        }
    }

    /// Whether the message still needs a CR LF at its end.
    pub(crate) fn needs_line_end(&self) -> bool {
        self.is_line_open
    }
}

/// Counts the octets of a message as LIST and STAT show them and RETR sends them, stuffed dots not counted
/// (RFC 1939 11).
///
/// A prefix that ends with CR LF and the body behind it may be counted apart and added up.
#[derive(Clone, Debug, Default)]
pub struct CrlfSize {
    form: CrlfForm,
    octets: u64,
}

impl CrlfSize {
    /// A message of which nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the message, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        let octets = &mut self.octets;
        self.form.push(bytes, |piece| {
            *octets += match piece {
                Piece::Text(text) => text.len() as u64,
                Piece::LineEnd => 2,
            }
        });
    }

    /// The octets of the whole message.
    #[must_use]
    pub fn finish(&self) -> u64 {
        self.octets + if self.form.needs_line_end() { 2 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_counts_as_two_octets() {
        for (message, octets) in [
            (&b""[..], 0),
            (b"a", 3),
            (b"a\r\n", 3),
            (b"a\n", 3),
            (b"a\r", 3),
            (b"a\r\r\n", 5),
            (b"a\n\r", 5),
            (b"\n\n", 4),
            (b"a\0b\r\n.\r\n", 8),
        ] {
            for step in 1..5 {
                let mut size = CrlfSize::new();
                message.chunks(step).for_each(|piece| size.push(piece));
                assert_eq!(size.finish(), octets, "{message:?} by {step}");
            }
        }
    }
}
