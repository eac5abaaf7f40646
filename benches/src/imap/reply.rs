//! Where replies end: lines, and the literals in them (RFC 3501 section 4.3).

use memchr::memchr;

/// What stands at the beginning of the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A reply of one line.
    Whole,
    /// The last piece of an untagged FETCH.
    Fetch,
    /// A piece of a reply that goes on.
    Inside,
}

/// Finds one part after the other.
#[derive(Default)]
pub(super) struct Scanner {
    /// Octets of a literal that are still to come.
    literal: usize,
    /// The reply has begun before what is at hand, and whether it is a FETCH.
    begun: Option<bool>,
}

impl Scanner {
    /// The next part in `bytes`, which start where the last part ended, and its length; `None` when more have to be
    /// read.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<(Part, usize)> {
        if self.literal > 0 {
            let length = self.literal.min(bytes.len());
            self.literal -= length;
            return (length > 0).then_some((Part::Inside, length));
        }
        let length = memchr(b'\n', bytes)? + 1;
        let line = &bytes[..length];
        let is_fetch = self.begun.unwrap_or_else(|| is_fetch(line));
        if let Some(literal) = literal_bytes(line) {
            self.literal = literal;
            self.begun = Some(is_fetch);
            return Some((Part::Inside, length));
        }
        let part = match (is_fetch, self.begun.take()) {
            (true, _) => Part::Fetch,
            (false, None) => Part::Whole,
            (false, Some(_)) => Part::Inside,
        };
        Some((part, length))
    }
}

/// `* 17 FETCH (…`.
fn is_fetch(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"* ") else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest[digits..].starts_with(b" FETCH ")
}

/// The size of the literal that a line announces at its end.
fn literal_bytes(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}\r\n")?;
    let digits = inner.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, digits) = inner.split_at(inner.len() - digits);
    let size = std::str::from_utf8(digits).ok()?.parse().ok()?;
    before.ends_with(b"{").then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All parts of `text`, which comes `step` octets at a time.
    fn parts(text: &str, step: usize) -> Vec<Part> {
        let (mut scanner, mut parts) = (Scanner::default(), Vec::new());
        let (mut at, mut end) = (0, 0);
        while end < text.len() {
            end = (end + step).min(text.len());
            while let Some((part, length)) = scanner.next(&text.as_bytes()[at..end]) {
                at += length;
                parts.push(part);
            }
        }
        assert_eq!(at, text.len(), "something is left");
        parts
    }

    #[test]
    fn a_literal_may_look_like_replies() {
        let text = "* 1 FETCH (BODY[] {17}\r\na1 OK\r\n* 2 x {9}\n)\r\n* 2 FETCH (FLAGS ())\r\na2 OK done\r\n";
        for step in 1..text.len() {
            let parts = parts(text, step);
            let of = |wanted| parts.iter().filter(|part| **part == wanted).count();
            assert_eq!((of(Part::Fetch), of(Part::Whole)), (2, 1), "{parts:?} by {step}");
        }
    }

    #[test]
    fn only_fetch_replies_count_as_such() {
        let text = "* 23 EXISTS\r\n* OK FETCH {3}x\r\n* LIST () \"/\" {3}\r\nabc\r\n+ idling\r\n";
        assert_eq!(
            parts(text, text.len()),
            [
                Part::Whole,
                Part::Whole,
                Part::Inside,
                Part::Inside,
                Part::Inside,
                Part::Whole
            ]
        );
    }
}
