//! Replies and their form on the wire (RFC 5321 4.2), with enhanced codes (RFC 2034, RFC 3463).
//!
//! Invariants: the class of an enhanced code is that of the reply code; a text holds printable ASCII only, so that
//! nothing from outside can begin a new reply; no line is over the limit.

use bytes::{BufMut, BytesMut};

use crate::limits::{REPLY_LINE_BYTES_MAX, REPLY_TEXT_BYTES_MAX};

/// Code, hyphen, enhanced code at its longest (`5.999.999`), space and CR LF.
const LINE_OVERHEAD_BYTES: usize = 4 + 10 + 2;
const TEXT_BYTES_MAX: usize = REPLY_LINE_BYTES_MAX - LINE_OVERHEAD_BYTES;

/// Subject and detail of an enhanced code; its class follows from the reply code (RFC 3463 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detail(pub(crate) u16, pub(crate) u16);

/// One reply to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    detail: Option<Detail>,
    lines: Vec<String>,
}

impl Reply {
    /// A reply with an enhanced code. Whatever in `text` is not printable ASCII becomes `?`; line feeds and an
    /// overlong line begin a further line of the same reply. Called by the catalogue alone (`replies.rs`), with the
    /// codes of RFC 5321 4.2.2.
    pub(crate) fn new(code: u16, detail: Detail, text: &str) -> Self {
        let detail = Some(detail);
        let lines = lines_of(text);
        Self { code, detail, lines }
    }

    /// A reply without an enhanced code: the greeting, those to HELO, EHLO and LHLO, and 3xx (RFC 2034 4).
    pub(crate) fn plain(code: u16, text: &str) -> Self {
        let lines = lines_of(text);
        Self {
            code,
            detail: None,
            lines,
        }
    }

    /// The reply code, 200 to 599.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Whether the reply is positive: 2xx or 3xx.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Whether the reply tells the client not to try again: 5xx.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code >= 500
    }

    /// The enhanced code, as in `5.1.1`.
    #[must_use]
    pub fn enhanced(&self) -> Option<String> {
        let Detail(subject, detail) = self.detail?;
        Some(format!("{}.{subject}.{detail}", self.code / 100))
    }

    /// The text, its lines joined by a space, for logs.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// Appends the wire form, CR LF at its end.
    pub fn write_to(&self, output: &mut BytesMut) {
        let enhanced = self.enhanced();
        for (at, line) in self.lines.iter().enumerate() {
            let is_last = at + 1 == self.lines.len();
            output.put_slice(self.code.to_string().as_bytes());
            output.put_u8(if is_last { b' ' } else { b'-' });
            if let Some(enhanced) = &enhanced {
                output.put_slice(enhanced.as_bytes());
                output.put_u8(b' ');
            }
            output.put_slice(line.as_bytes());
            output.put_slice(b"\r\n");
        }
    }
}

fn lines_of(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut room = REPLY_TEXT_BYTES_MAX;
    for line in text.split('\n') {
        let clean: String = line
            .chars()
            .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
            .take(room)
            .collect();
        room -= clean.len();
        wrap(&clean, &mut lines);
    }
    lines
}

/// Puts `line`, which is ASCII, into `lines`, broken at spaces where it is too long.
fn wrap(mut line: &str, lines: &mut Vec<String>) {
    while line.len() > TEXT_BYTES_MAX {
        let at = line[..TEXT_BYTES_MAX]
            .rfind(' ')
            .filter(|at| *at > 0)
            .unwrap_or(TEXT_BYTES_MAX);
        lines.push(line[..at].to_owned());
        line = line[at..].trim_start_matches(' ');
    }
    lines.push(line.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(reply: &Reply) -> String {
        let mut output = BytesMut::new();
        reply.write_to(&mut output);
        String::from_utf8(output.to_vec()).unwrap()
    }

    #[test]
    fn every_line_of_a_reply_carries_both_codes() {
        let reply = Reply::new(550, Detail(1, 1), "no such user\nask the postmaster");
        assert_eq!(
            wire(&reply),
            "550-5.1.1 no such user\r\n550 5.1.1 ask the postmaster\r\n"
        );
    }

    #[test]
    fn a_text_cannot_forge_a_reply() {
        let reply = Reply::new(250, Detail(0, 0), "ok\r\n250 forged\0\u{e9}");
        assert_eq!(wire(&reply), "250-2.0.0 ok?\r\n250 2.0.0 250 forged??\r\n");
    }

    #[test]
    fn an_overlong_text_is_continued_and_an_endless_one_cut() {
        let text = "word ".repeat(2_000);
        let sent = wire(&Reply::new(451, Detail(999, 999), &text));
        assert!(sent.len() < REPLY_TEXT_BYTES_MAX + 20 * LINE_OVERHEAD_BYTES);
        assert!(
            sent.split_inclusive("\r\n")
                .all(|line| line.len() <= REPLY_LINE_BYTES_MAX)
        );
        let unbroken = wire(&Reply::new(451, Detail(3, 0), &"x".repeat(1_000)));
        assert_eq!(unbroken.matches('x').count(), 1_000);
        assert!(
            unbroken
                .split_inclusive("\r\n")
                .all(|line| line.len() <= REPLY_LINE_BYTES_MAX)
        );
    }
}
