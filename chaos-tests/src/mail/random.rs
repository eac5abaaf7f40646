//! Messages that a seed decides: a tree of parts with fields and bodies of many kinds, some of it damaged afterwards.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Message;

/// Parts inside each other at most; deeper ones are made on purpose elsewhere.
const DEPTH_MAX: usize = 4;
/// Largest body of one part, most being far smaller.
const BODY_BYTES_MAX: usize = 200_000;

/// `count` messages.
pub(super) fn messages(seed: u64, count: usize) -> Vec<Message> {
    let mut maker = Maker {
        rng: StdRng::seed_from_u64(seed),
    };
    (0..count).map(|number| maker.message(seed, number)).collect()
}

struct Maker {
    rng: StdRng,
}

impl Maker {
    fn message(&mut self, seed: u64, number: usize) -> Message {
        let mut bytes = format!("Message-ID: <{seed}.{number}@random.example>\r\n").into_bytes();
        self.fields(&mut bytes);
        self.entity(DEPTH_MAX, &mut bytes);
        let damage = match self.rng.random_range(0..4) {
            0 => self.damage(&mut bytes),
            _ => "whole",
        };
        Message::new(format!("random {seed}.{number}, {damage}"), bytes)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound)
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// Small numbers far more often than large ones.
    fn size(&mut self, max: usize) -> usize {
        let bits = self.rng.random_range(0.0..(max as f64).log2());
        bits.exp2() as usize
    }

    fn fields(&mut self, out: &mut Vec<u8>) {
        const NAMES: [&str; 12] = [
            "Subject",
            "From",
            "To",
            "Cc",
            "Date",
            "References",
            "In-Reply-To",
            "List-Id",
            "X-Mailer",
            "Received",
            "Reply-To",
            "DKIM-Signature",
        ];
        for _ in 0..self.below(25) {
            let name = self.one_of(&NAMES);
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            for _ in 0..=self.below(4) {
                let length = self.size(150);
                out.push(b' ');
                self.line(length, out);
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Octets of one kind, without line end.
    fn line(&mut self, length: usize, out: &mut Vec<u8>) {
        let kind = self.below(12);
        for _ in 0..length {
            let byte = match kind {
                0 => self.rng.random_range(1..=255),
                1 => self.rng.random_range(0x80..=255),
                2 => b".,;:<>()@\"\\="[self.below(12)],
                _ => self.rng.random_range(0x20..0x7f),
            };
            out.push(if matches!(byte, b'\r' | b'\n') { b' ' } else { byte });
        }
    }

    fn body(&mut self, out: &mut Vec<u8>) {
        let end = out.len() + self.size(BODY_BYTES_MAX);
        let width = match self.below(8) {
            0 => 3,
            1 => 5_000,
            _ => 78,
        };
        while out.len() < end {
            if self.below(10) == 0 {
                out.push(b'.');
            }
            let length = self.below(width);
            self.line(length, out);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// The last fields of a header, and what they announce.
    fn entity(&mut self, depth: usize, out: &mut Vec<u8>) {
        match self.below(if depth == 0 { 4 } else { 8 }) {
            0..4 => {
                let kind = self.one_of(&[
                    "text/plain",
                    "text/html",
                    "image/png",
                    "application/octet-stream",
                    "nonsense",
                ]);
                let encoding = self.one_of(&["7bit", "8bit", "base64", "quoted-printable"]);
                out.extend_from_slice(
                    format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n").as_bytes(),
                );
                self.body(out);
            }
            4 => {
                out.extend_from_slice(b"Content-Type: message/rfc822\r\n\r\n");
                self.fields(out);
                self.entity(depth - 1, out);
            }
            _ => self.multipart(depth, out),
        }
    }

    fn multipart(&mut self, depth: usize, out: &mut Vec<u8>) {
        let boundary = format!("=_{}", self.below(1_000_000));
        let subtype = self.one_of(&["mixed", "alternative", "related", "digest", "signed"]);
        out.extend_from_slice(format!("Content-Type: multipart/{subtype}; boundary=\"{boundary}\"\r\n\r\n").as_bytes());
        for _ in 0..=self.below(3) {
            out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            self.entity(depth - 1, out);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    }

    /// Harms the message; says how. What SMTP may carry, it still may, but for the last kind.
    fn damage(&mut self, bytes: &mut Vec<u8>) -> &'static str {
        // The first line keeps it apart from all others.
        let start = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<usize> = (start..bytes.len()).filter(|at| bytes[*at - 1] == b'\n').collect();
        let Some(&line) = lines.get(self.below(lines.len().max(1))) else {
            return "whole";
        };
        match self.below(5) {
            0 => {
                bytes.truncate(line);
                "cut off"
            }
            1 => {
                bytes.truncate(line.saturating_sub(2).max(start));
                "cut off in a line"
            }
            2 => {
                let end = lines[lines.len() - 1];
                bytes.drain(line..end);
                "lines lost"
            }
            3 => {
                let copy = bytes[line..].to_vec();
                bytes.extend_from_slice(&copy[..copy.len().min(10_000)]);
                if bytes.last() == Some(&b'\r') {
                    bytes.pop();
                }
                "lines doubled"
            }
            _ => {
                bytes[line - 1] = b"\0\r\nx"[self.below(4)];
                "one byte changed"
            }
        }
    }
}
