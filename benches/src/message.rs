//! Messages to deliver: a header that no other message has, and a body from a small stock.
//!
//! Half of a body is words, half is base64 of random bytes, since mail compresses neither as well as text nor as badly
//! as an archive. Other stocks are of octets that do not compress at all (8BITMIME, RFC 6152).

use std::io::Write;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::limits::{BODIES, message_head_bytes_max};

const WORDS: &[&str] = &[
    "and", "the", "shelf", "of", "a", "lamp", "morning", "with", "under", "seven", "letters", "we", "were", "reading",
    "quiet", "stone", "garden", "to", "it", "is", "not", "paper", "between", "window", "harbour", "slow", "answer",
    "winter", "because", "nobody", "counted", "bread", "salt", "copper", "again", "until", "thirty", "would", "carry",
];
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const LINE_BYTES: usize = 76;

/// What bodies are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Mail,
    Incompressible,
}

/// Messages of one size.
pub(crate) struct Stock {
    size: usize,
    kind: Kind,
    bodies: Vec<Vec<u8>>,
}

impl Stock {
    /// Of messages with `size` bytes.
    pub(crate) fn new(size: usize) -> Self {
        Self::of(Kind::Mail, size)
    }

    pub(crate) fn of(kind: Kind, size: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(size as u64);
        let bodies = (0..BODIES).map(|_| body(&mut rng, kind, size)).collect();
        Self { size, kind, bodies }
    }

    /// Whether a client has to say so, since it has octets above 127.
    pub(crate) fn is_8bit(&self) -> bool {
        self.kind == Kind::Incompressible
    }

    /// Writes message `number` into `out`, which it clears. No line of it starts with a dot.
    pub(crate) fn write(&self, number: u64, out: &mut Vec<u8>) {
        out.clear();
        let body = &self.bodies[usize::try_from(number).unwrap_or(usize::MAX) % self.bodies.len()];
        let (charset, encoding) = match self.kind {
            Kind::Mail => ("us-ascii", "7bit"),
            Kind::Incompressible => ("iso-8859-1", "8bit"),
        };
        // Writing to memory cannot fail.
        let _ = write!(
            out,
            "From: Ann Example <ann@sender.test>\r\nTo: undisclosed-recipients:;\r\n\
             Subject: letter {number} about the garden\r\nDate: Wed, 25 Nov 2026 09:00:00 +0000\r\n\
             Message-ID: <{number}.bench@sender.test>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        debug_assert!(out.len() <= message_head_bytes_max(), "a header of {} bytes", out.len());
        out.extend_from_slice(&body[..self.size - out.len() - 2]);
        out.extend_from_slice(b"\r\n");
    }
}

/// Lines that together have at least `size` bytes, with no dot at the start of one.
fn body(rng: &mut SmallRng, kind: Kind, size: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(size + LINE_BYTES);
    while body.len() < size {
        let start = body.len();
        let is_text = body.len() < size / 2;
        while body.len() - start < LINE_BYTES {
            match kind {
                Kind::Mail if is_text => {
                    body.extend_from_slice(WORDS[rng.random_range(0..WORDS.len())].as_bytes());
                    body.push(b' ');
                }
                Kind::Mail => body.push(BASE64[rng.random_range(0..BASE64.len())]),
                // All octets but the few that mean something to SMTP.
                Kind::Incompressible => {
                    let octet = rng.random_range(1..=u8::MAX);
                    body.push(if b"\r\n.".contains(&octet) { b'x' } else { octet });
                }
            }
        }
        body.truncate(start + LINE_BYTES);
        body.extend_from_slice(b"\r\n");
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_size_that_was_asked_for_and_lines_that_smtp_may_carry() {
        let mut message = Vec::new();
        for (size, number) in [(4 << 10, 0), (64 << 10, u64::MAX)] {
            for kind in [Kind::Mail, Kind::Incompressible] {
                Stock::of(kind, size).write(number, &mut message);
                assert_eq!(message.len(), size);
                assert!(message.ends_with(b"\r\n"));
                let lines = message[..size - 2].split(|octet| *octet == b'\n');
                for line in lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
                    assert!(line.len() <= 998 && !line.starts_with(b"."), "{line:?}");
                    assert!(!line.contains(&b'\r') && !line.contains(&0));
                    assert!(kind == Kind::Incompressible || line.is_ascii());
                }
            }
        }
    }
}
