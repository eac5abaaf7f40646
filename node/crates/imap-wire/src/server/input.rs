//! Octets that have come and were not yet understood.
//!
//! Invariant: no LF lies before `scanned`, so that each octet is looked at once, however it is cut into packets.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::limits::INPUT_KEEP_BYTES;

#[derive(Default)]
pub(super) struct Input {
    octets: BytesMut,
    scanned: usize,
}

/// What a look for a line finds.
pub(super) enum Line {
    /// No whole line yet.
    Missing,
    /// Longer than allowed, whole or not.
    TooLong,
    /// A line, without its end.
    Whole {
        text: Bytes,
        /// Whether LF came without CR.
        bare_lf: bool,
    },
}

impl Input {
    pub(super) fn extend(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the next line of at most `len_max` octets without its end.
    pub(super) fn take_line(&mut self, len_max: usize) -> Line {
        let fresh = &self.octets[self.scanned..];
        let Some(end) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.octets.len();
            // One more for a CR whose LF is still to come.
            return if self.scanned > len_max + 1 {
                Line::TooLong
            } else {
                Line::Missing
            };
        };
        let with_end = self.octets.split_to(self.scanned + end + 1).freeze();
        self.after_take();
        let line = &with_end[..with_end.len() - 1];
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if text.len() > len_max {
            return Line::TooLong;
        }
        Line::Whole {
            bare_lf: text.len() == line.len(),
            text: with_end.slice(..text.len()),
        }
    }

    /// Takes at most `len_max` octets, whatever they are; `None` when there are none.
    pub(super) fn take(&mut self, len_max: u64) -> Option<Bytes> {
        let len = self.available(len_max);
        let taken = (len > 0).then(|| self.octets.split_to(len).freeze());
        self.after_take();
        taken
    }

    /// Drops at most `len_max` octets; how many they were.
    pub(super) fn skip(&mut self, len_max: u64) -> usize {
        let len = self.available(len_max);
        self.octets.advance(len);
        self.after_take();
        len
    }

    fn available(&self, len_max: u64) -> usize {
        usize::try_from(len_max).unwrap_or(usize::MAX).min(self.octets.len())
    }

    fn after_take(&mut self) {
        self.scanned = 0;
        if self.octets.is_empty() && self.octets.capacity() > INPUT_KEEP_BYTES {
            self.octets = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_come_octet_by_octet() {
        let mut input = Input::default();
        for octet in b"abc\r" {
            input.extend(&[*octet]);
            assert!(matches!(input.take_line(3), Line::Missing));
        }
        input.extend(b"\nrest");
        assert!(matches!(input.take_line(3), Line::Whole { text, bare_lf: false } if text == "abc"));
        assert_eq!(input.len(), 4);
        input.extend(b"\n");
        assert!(matches!(input.take_line(4), Line::Whole { text, bare_lf: true } if text == "rest"));
    }

    #[test]
    fn a_line_over_the_limit_is_noticed_before_and_at_its_end() {
        for octets in [&b"abcd\r\n"[..], b"abcd\n", b"abcde"] {
            let mut input = Input::default();
            input.extend(octets);
            assert!(matches!(input.take_line(3), Line::TooLong), "{octets:?}");
        }
    }

    #[test]
    fn an_emptied_buffer_gives_its_memory_back() {
        let mut input = Input::default();
        input.extend(&[b'x'; 4 * INPUT_KEEP_BYTES]);
        assert_eq!(input.skip(u64::MAX), 4 * INPUT_KEEP_BYTES);
        assert!(input.octets.capacity() <= INPUT_KEEP_BYTES);
    }
}
