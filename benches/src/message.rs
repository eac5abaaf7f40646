//! Messages to deliver: a header that no other message has, and a body from a small stock.
//!
//! Half of a body is words, half is base64 of random bytes, since mail compresses neither as well as text nor as badly
//! as an archive.

use std::fmt::Write;

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

/// Messages of one size.
pub(crate) struct Stock {
    size: usize,
    bodies: Vec<String>,
}

impl Stock {
    /// Of messages with `size` bytes, the final dot aside.
    pub(crate) fn new(size: usize) -> Self {
        let mut rng = SmallRng::seed_from_u64(size as u64);
        let bodies = (0..BODIES).map(|_| body(&mut rng, size)).collect();
        Self { size, bodies }
    }

    /// Writes message `number` into `out`, which it clears, as it stands between DATA and its reply.
    pub(crate) fn write(&self, number: u64, out: &mut String) {
        out.clear();
        let body = &self.bodies[usize::try_from(number).unwrap_or(usize::MAX) % self.bodies.len()];
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "From: Ann Example <ann@sender.test>\r\nTo: undisclosed-recipients:;\r\n\
             Subject: letter {number} about the garden\r\nDate: Wed, 25 Nov 2026 09:00:00 +0000\r\n\
             Message-ID: <{number}.bench@sender.test>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\r\n"
        );
        debug_assert!(out.len() <= message_head_bytes_max(), "a header of {} bytes", out.len());
        out.push_str(&body[..self.size - out.len() - 2]);
        out.push_str("\r\n.\r\n");
    }
}

/// Lines that together have at least `size` bytes, with no dot at the start of one.
fn body(rng: &mut SmallRng, size: usize) -> String {
    let mut body = String::with_capacity(size + LINE_BYTES);
    while body.len() < size {
        let start = body.len();
        let is_text = body.len() < size / 2;
        while body.len() - start < LINE_BYTES {
            if is_text {
                body.push_str(WORDS[rng.random_range(0..WORDS.len())]);
                body.push(' ');
            } else {
                body.push(char::from(BASE64[rng.random_range(0..BASE64.len())]));
            }
        }
        body.truncate(start + LINE_BYTES);
        body.push_str("\r\n");
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_size_that_was_asked_for_and_lines_that_smtp_may_carry() {
        let mut message = String::new();
        for (size, number) in [(4 << 10, 0), (64 << 10, u64::MAX)] {
            Stock::new(size).write(number, &mut message);
            let text = message.strip_suffix(".\r\n").unwrap();
            assert_eq!(text.len(), size);
            assert!(
                text.split("\r\n")
                    .all(|line| line.len() <= 998 && !line.starts_with('.'))
            );
            assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        }
    }
}
