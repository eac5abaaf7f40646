//! How many bytes POP3 sends of a message (DESIGN M10): bare CR and bare LF as CRLF, and CRLF at the end. Dot-stuffing
//! and the final dot do not count (RFC 1939, section 11).

/// Counts a body that streams through. An empty body has nothing to end and counts zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pop3Counter {
    bytes: u64,
    last: Option<u8>,
}

impl Pop3Counter {
    /// The next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let after_cr = self.last == Some(b'\r');
            // A CR is counted as the CRLF that it is or becomes; the LF behind it was counted with it.
            self.bytes += match byte {
                b'\n' if after_cr => 0,
                b'\r' | b'\n' => 2,
                _ => 1,
            };
            self.last = Some(byte);
        }
    }

    /// The count, of a body that has ended.
    #[must_use]
    pub fn finish(self) -> u64 {
        match self.last {
            None | Some(b'\r' | b'\n') => self.bytes,
            Some(_) => self.bytes + 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(parts: &[&[u8]]) -> u64 {
        let mut counter = Pop3Counter::default();
        parts.iter().for_each(|part| counter.push(part));
        counter.finish()
    }

    #[test]
    fn m10_list_counts_what_retr_sends() {
        assert_eq!(count(&[b"a\r\nb\r\n"]), 6);
        assert_eq!(count(&[b"a\nb\r\n"]), 6);
        assert_eq!(count(&[b"a\rb"]), 6);
        assert_eq!(count(&[b"a\r", b"\nb"]), 6);
        assert_eq!(count(&[b"\r\r\n\n"]), 6);
        assert_eq!(count(&[b"a\r"]), 3);
        assert_eq!(count(&[]), 0);
    }
}
