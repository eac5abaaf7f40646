//! Finds the end of a message in DATA and takes the stuffed dots out (RFC 5321 4.5.2), over any chunking.
//!
//! Invariants: CR LF `.` CR LF alone ends the data; the line ends of the message come out as they came in, bare ones
//! too, so that whoever looks at them (`intake.rs`) sees what was sent. Taking a dot out never joins a CR to an LF:
//! it stands behind an LF.

/// Where in the stream the decoder stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    /// Behind a dot at the start of a line.
    Dot,
    /// Behind such a dot and a CR, which is held back until it is known whether it belongs to the message.
    DotCr,
    Line,
    /// Behind a CR that has been passed on.
    Cr,
}

/// Decodes the data of one message.
#[derive(Clone, Debug, Default)]
pub(crate) struct DotDecoder {
    at: At,
}

/// How far a decoding went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) consumed: usize,
    /// The data has ended; what follows in the input are commands.
    pub(crate) is_over: bool,
}

impl DotDecoder {
    /// Appends to `message` what `input` adds to it.
    pub(crate) fn decode(&mut self, input: &[u8], message: &mut Vec<u8>) -> Decoded {
        let mut pos = 0;
        while let Some(&byte) = input.get(pos) {
            match (self.at, byte) {
                (At::LineStart, b'.') => self.at = At::Dot,
                (At::Dot, b'\r') => self.at = At::DotCr,
                (At::DotCr, b'\n') => {
                    self.at = At::LineStart;
                    return Decoded {
                        consumed: pos + 1,
                        is_over: true,
                    };
                }
                (At::DotCr, _) => {
                    message.push(b'\r');
                    self.at = At::Cr;
                    continue;
                }
                (At::Cr, b'\n') => {
                    message.push(b'\n');
                    self.at = At::LineStart;
                }
                _ => {
                    pos += self.pass_line(&input[pos..], message);
                    continue;
                }
            }
            pos += 1;
        }
        Decoded {
            consumed: pos,
            is_over: false,
        }
    }

    /// Passes everything on up to and with the next CR.
    fn pass_line(&mut self, input: &[u8], message: &mut Vec<u8>) -> usize {
        let (taken, at) = match input.iter().position(|byte| *byte == b'\r') {
            Some(cr) => (cr + 1, At::Cr),
            None => (input.len(), At::Line),
        };
        message.extend_from_slice(&input[..taken]);
        self.at = at;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &[u8], step: usize) -> (Vec<u8>, Option<usize>) {
        let mut decoder = DotDecoder::default();
        let mut message = Vec::new();
        let mut consumed = 0;
        for piece in input.chunks(step) {
            let decoded = decoder.decode(piece, &mut message);
            consumed += decoded.consumed;
            if decoded.is_over {
                return (message, Some(consumed));
            }
        }
        (message, None)
    }

    #[test]
    fn only_a_dot_between_two_crlf_ends_the_data() {
        for step in 1..8 {
            assert_eq!(decode(b".\r\nQUIT", step), (Vec::new(), Some(3)));
            assert_eq!(decode(b"a\r\n.\r\nQUIT", step), (b"a\r\n".to_vec(), Some(6)));
            for not_the_end in [
                &b"a\n.\n"[..],
                b"a\r\n.\n",
                b"a\n.\r\n",
                b"a\r.\r",
                b"a\r.\r\n",
                b"a\r\n\0.\r\n",
                b"a\r\n.\0\r\n",
                b"a\r\n.\r\r\n",
                b"a\r\n.\r.\r\n",
                b"a\r\n. \r\n",
                b"a\r\n..\r\n",
            ] {
                assert_eq!(decode(not_the_end, step).1, None, "{not_the_end:?} by {step}");
            }
        }
    }

    #[test]
    fn a_dot_is_taken_off_each_line_and_nothing_else() {
        for step in 1..8 {
            let (message, end) = decode(b"..a\r\n...\r\n.b\r\nc.\r\n.\rd\r\n.\r\n", step);
            assert_eq!(message, b".a\r\n..\r\nb\r\nc.\r\n\rd\r\n");
            assert_eq!(end, Some(26));
        }
    }
}
