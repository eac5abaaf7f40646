//! Transfer encodings (RFC 2045 6.7, 6.8) piece by piece. Damaged input gives what can be read of it: base64 skips
//! what is not of its alphabet, quoted-printable keeps an equals sign that nothing legal follows.

use crate::params::hex_digit;

/// How the bytes of a body are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEncoding {
    /// 7bit, 8bit, binary, and what nobody knows.
    Identity,
    /// RFC 2045 6.8.
    Base64,
    /// RFC 2045 6.7.
    QuotedPrintable,
    /// The Q of RFC 2047 with spaces put in place: no soft line breaks, no trailing space lost.
    QuotedWord,
}

impl TransferEncoding {
    /// What a Content-Transfer-Encoding says.
    #[must_use]
    pub fn of(written: Option<&[u8]>) -> Self {
        match written {
            Some(name) if name.eq_ignore_ascii_case(b"base64") => Self::Base64,
            Some(name) if name.eq_ignore_ascii_case(b"quoted-printable") => Self::QuotedPrintable,
            _ => Self::Identity,
        }
    }
}

/// Decodes a body that streams by.
#[derive(Debug)]
pub struct TransferReader {
    encoding: TransferEncoding,
    /// base64: bits read and not yet given out, and how many.
    bits: u32,
    bit_count: u32,
    /// Quoted-printable: what stands before the next byte, undecided: an escape, or blanks that may end a line.
    held: Vec<u8>,
}

/// Most blanks held: longer runs end no line that anybody wrote.
const HELD_BYTES_MAX: usize = 1 << 10;

impl TransferReader {
    /// A reader of `encoding`.
    #[must_use]
    pub fn new(encoding: TransferEncoding) -> Self {
        Self {
            encoding,
            bits: 0,
            bit_count: 0,
            held: Vec::new(),
        }
    }

    /// Appends to `out` what `bytes` complete.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.encoding {
            TransferEncoding::Identity => out.extend_from_slice(bytes),
            TransferEncoding::Base64 => bytes.iter().for_each(|byte| self.base64(*byte, out)),
            TransferEncoding::QuotedPrintable => bytes.iter().for_each(|byte| self.quoted(*byte, true, out)),
            TransferEncoding::QuotedWord => bytes.iter().for_each(|byte| self.quoted(*byte, false, out)),
        }
    }

    /// Appends what is left.
    pub fn finish(self, out: &mut Vec<u8>) {
        // Blanks before the end of all are the sender's padding, a lone equals sign is a soft line break.
        let word = self.encoding == TransferEncoding::QuotedWord;
        let is_escape = self.held.len() > 1 && self.held.first() == Some(&b'=');
        if word || is_escape {
            out.extend_from_slice(&self.held);
        }
    }

    fn base64(&mut self, byte: u8, out: &mut Vec<u8>) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                // Padding ends a run; what follows is a run of its own (joined attachments).
                self.bits = 0;
                self.bit_count = 0;
                return;
            }
            _ => return,
        };
        self.bits = (self.bits << 6 | u32::from(value)) & 0xFFF;
        self.bit_count += 6;
        if self.bit_count >= 8 {
            self.bit_count -= 8;
            out.push((self.bits >> self.bit_count).to_le_bytes()[0]);
        }
    }

    fn quoted(&mut self, byte: u8, has_lines: bool, out: &mut Vec<u8>) {
        if self.held.first() == Some(&b'=') {
            return self.escaped(byte, has_lines, out);
        }
        match byte {
            b'\n' if has_lines => {
                let had_cr = self.held.last() == Some(&b'\r');
                self.held.clear();
                out.extend_from_slice(if had_cr { b"\r\n" } else { b"\n" });
            }
            b' ' | b'\t' | b'\r' if has_lines && self.held.len() < HELD_BYTES_MAX => self.held.push(byte),
            _ => {
                out.append(&mut self.held);
                if byte == b'=' {
                    self.held.push(byte)
                } else {
                    out.push(byte)
                }
            }
        }
    }

    /// The byte behind `=`, or behind `=` and more that is held.
    fn escaped(&mut self, byte: u8, has_lines: bool, out: &mut Vec<u8>) {
        let second = self.held.get(1).copied();
        match (second, byte) {
            (None | Some(b' ' | b'\t' | b'\r'), b'\n') if has_lines => self.held.clear(),
            (None | Some(b' ' | b'\t' | b'\r'), b' ' | b'\t' | b'\r')
                if has_lines && self.held.len() < HELD_BYTES_MAX =>
            {
                self.held.push(byte);
            }
            (None, _) if hex_digit(byte).is_some() => self.held.push(byte),
            (Some(high), _) if hex_digit(high).is_some() && hex_digit(byte).is_some() => {
                let (high, low) = (hex_digit(high).unwrap_or(0), hex_digit(byte).unwrap_or(0));
                self.held.clear();
                out.push(high << 4 | low);
            }
            _ => {
                out.append(&mut self.held);
                self.quoted(byte, has_lines, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: TransferEncoding, bytes: &[u8], cut: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut reader = TransferReader::new(encoding);
        bytes.chunks(cut).for_each(|chunk| reader.push(chunk, &mut out));
        reader.finish(&mut out);
        out
    }

    #[test]
    fn bodies_decode_the_same_whole_and_in_pieces() {
        use TransferEncoding::{Base64, QuotedPrintable};
        let cases: [(TransferEncoding, &[u8], &[u8]); 14] = [
            (Base64, b"SGVsbG8=", b"Hello"),
            (Base64, b"SGVs\r\nbG8", b"Hello"),
            (Base64, b"SGVs!bG8=\r\n", b"Hello"),
            (Base64, b"SGU=SGU=", b"HeHe"),
            (Base64, b"", b""),
            (QuotedPrintable, b"a=3D=c3=A4", b"a=\xc3\xa4"),
            (QuotedPrintable, b"soft=\r\nbreak=  \nhere", b"softbreakhere"),
            (QuotedPrintable, b"trail \t\r\nx \n", b"trail\r\nx\n"),
            (QuotedPrintable, b"a=zz=4", b"a=zz=4"),
            (QuotedPrintable, b"a==41=", b"a=A"),
            (QuotedPrintable, b"a= b", b"a= b"),
            (QuotedPrintable, b"a\rb", b"a\rb"),
            (QuotedPrintable, b"a  b", b"a  b"),
            (QuotedPrintable, b"\x00\xff", b"\x00\xff"),
        ];
        for (encoding, coded, plain) in cases {
            for cut in [1, 2, 3, 1_000] {
                let found = decode(encoding, coded, cut);
                assert_eq!(
                    found.escape_ascii().to_string(),
                    plain.escape_ascii().to_string(),
                    "{cut}"
                );
            }
        }
    }

    #[test]
    fn endless_blanks_are_not_held() {
        let mut reader = TransferReader::new(TransferEncoding::QuotedPrintable);
        let mut out = Vec::new();
        for _ in 0..100 {
            reader.push(&[b' '; 1_000], &mut out);
            assert!(reader.held.len() <= HELD_BYTES_MAX);
        }
    }
}
