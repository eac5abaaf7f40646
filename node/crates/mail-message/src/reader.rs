//! The MIME reader: a message in, chunk by chunk, its [`Structure`] out (RFC 5322, RFC 2045, RFC 2046).
//!
//! Invariants
//! - Works on lines that end in LF, with or without CR before it; a bare CR ends no line. Of a line no more is kept
//!   than tells a delimiter; the rest streams by, so state is bounded by `limits::STATE_BYTES_MAX`.
//! - A header ends at its first empty line, at a delimiter, or with the message; lines in it that are no fields are
//!   passed by. So what a delivery puts before a body joins the first header, whatever the body begins with.
//! - `open` holds the parts that the current line stands in, outermost first; `parts[0]` is always the first of them.
//!   The innermost is in its header while `in_header`.
//! - The line end before a delimiter belongs to the delimiter (RFC 2046 5.1.1), but never reaches into a header.
//! - Once a part had to be left out for `PARTS_MAX`, no delimiter counts any more: the rest belongs to the deepest part.

use crate::budget::Budget;
use crate::field_scan::{FieldScan, ScannedField};
use crate::header_draft::{Budgets, HeaderDraft, MessageFacts, become_text};
use crate::limits::{
    DELIMITER_BYTES_MAX, ENVELOPE_TEXT_BYTES_MAX, MIME_TEXT_BYTES_MAX, NEST_MAX, PARTS_MAX, VALUE_OVERHEAD,
};
use crate::part::{Part, PartKind, RawText, Structure};

/// What a type that was not written takes: two strings and one parameter.
const DEFAULT_TYPE_BYTES: usize = 4 * VALUE_OVERHEAD;

/// See the head of this file.
#[derive(Debug)]
pub struct StructureReader {
    /// Bytes read.
    offset: u64,
    /// Line ends read.
    lines: u64,
    line: Line,
    /// Of the line before: bytes of its line end, and whether anything stood before that.
    last_end_bytes: u64,
    last_had_text: bool,
    in_header: bool,
    frozen: bool,
    scan: FieldScan,
    draft: HeaderDraft,
    open: Vec<Open>,
    parts: Vec<Part>,
    facts: Option<Box<MessageFacts>>,
    budgets: Budgets,
}

/// The current line.
#[derive(Debug, Default)]
struct Line {
    start: u64,
    bytes: u64,
    ends_in_cr: bool,
    /// It may be a delimiter: `head` has its first bytes, `has_text_behind` says whether more than blanks follow.
    may_delimit: bool,
    head: Vec<u8>,
    has_text_behind: bool,
}

/// A part that the current line stands in.
#[derive(Debug)]
struct Open {
    part: usize,
    /// Of a multipart whose last delimiter has not come.
    boundary: Option<Vec<u8>>,
    /// Line ends before its body.
    lines_before: u64,
    has_parts: bool,
    in_digest: bool,
}

/// Where parts end.
#[derive(Clone, Copy)]
struct Cut {
    at: u64,
    /// Line ends before `at`.
    lines: u64,
    /// Text without line end stands right before `at`.
    has_rest: bool,
    /// Line ends before the current line: those before a part that begins behind `at`.
    lines_before_line: u64,
}

struct Delimiter {
    /// Index into `open`.
    level: usize,
    is_last: bool,
}

impl Default for StructureReader {
    fn default() -> Self {
        Self::new()
    }
}

impl StructureReader {
    /// A reader at the start of a message.
    #[must_use]
    pub fn new() -> Self {
        let budgets = Budgets {
            mime: Budget::new(MIME_TEXT_BYTES_MAX),
            envelopes: Budget::new(ENVELOPE_TEXT_BYTES_MAX),
        };
        let mut reader = Self {
            offset: 0,
            lines: 0,
            line: Line::default(),
            last_end_bytes: 0,
            last_had_text: false,
            in_header: true,
            frozen: false,
            scan: FieldScan::default(),
            draft: HeaderDraft::default(),
            open: Vec::new(),
            parts: Vec::new(),
            facts: None,
            budgets,
        };
        reader.begin_part(None, 0, true, false);
        reader
    }

    /// Takes the next bytes of the message.
    pub fn push(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let (piece, later) = rest.split_at(end.unwrap_or(rest.len()));
            rest = later;
            if !piece.is_empty() {
                self.piece(piece);
            }
            if end.is_some() {
                rest = rest.get(1..).unwrap_or_default();
                self.offset += 1;
                self.line_end();
            }
        }
    }

    /// The message has ended.
    #[must_use]
    pub fn finish(mut self) -> Structure {
        if let Some(delimiter) = self.delimiter() {
            self.at_delimiter(&delimiter, self.lines);
        }
        let cut = Cut {
            at: self.offset,
            lines: self.lines,
            // A delimiter too is a line of the parts around it.
            has_rest: self.line.bytes > 0,
            lines_before_line: self.lines,
        };
        self.close_down_to(0, cut);
        let facts = self.facts.map(|facts| *facts).unwrap_or_default();
        Structure {
            size: self.offset,
            parts: self.parts,
            thread: facts.thread,
            sent: facts.sent,
            base_subject: facts.base_subject,
        }
    }

    /// Bytes of memory held, at most `limits::STATE_BYTES_MAX` whatever was read.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        let open: usize = self
            .open
            .iter()
            .map(|open| open.boundary.as_ref().map_or(0, Vec::capacity))
            .sum();
        let ids = |list: &[RawText]| list.iter().map(|id| id.len() + VALUE_OVERHEAD).sum::<usize>();
        let pending = self.facts.as_ref();
        let facts = pending.map_or(0, |facts| {
            let message_id = facts.thread.message_id.as_ref().map_or(0, |id| id.len());
            message_id + ids(&facts.thread.in_reply_to) + ids(&facts.thread.references) + facts.base_subject.len()
        });
        self.parts.capacity() * size_of::<Part>()
            + self.parts.len() * DEFAULT_TYPE_BYTES
            + self.budgets.mime.spent()
            + self.budgets.envelopes.spent()
            + self.open.capacity() * size_of::<Open>()
            + open
            + facts
            + self.scan.state_bytes()
            + self.line.head.capacity()
    }

    /// Bytes of the current line, none of them its LF.
    fn piece(&mut self, piece: &[u8]) {
        self.offset += piece.len() as u64;
        let line = &mut self.line;
        if line.bytes == 0 {
            line.may_delimit = !self.frozen && piece.first() == Some(&b'-');
        }
        if line.may_delimit {
            let room = DELIMITER_BYTES_MAX.saturating_sub(line.head.len());
            let (head, behind) = piece.split_at(room.min(piece.len()));
            line.head.extend_from_slice(head);
            line.has_text_behind |= behind.iter().any(|byte| !byte.is_ascii_whitespace());
        }
        line.bytes += piece.len() as u64;
        line.ends_in_cr = piece.last() == Some(&b'\r');
        if self.in_header {
            let field = self.scan.piece(piece, |name| self.draft.wants(name));
            self.take_field(field);
        }
    }

    fn take_field(&mut self, field: Option<ScannedField>) {
        if let Some(field) = field {
            self.draft.take(&field, &mut self.budgets);
        }
    }

    /// The current line has ended with the LF before `offset`.
    fn line_end(&mut self) {
        let lines_before = self.lines;
        self.lines += 1;
        let end_bytes = 1 + u64::from(self.line.ends_in_cr);
        let has_text = self.line.bytes > u64::from(self.line.ends_in_cr);
        let delimiter = self.delimiter();
        let delimits = delimiter.is_some_and(|delimiter| self.at_delimiter(&delimiter, lines_before));
        if !delimits && self.in_header {
            if has_text {
                self.scan.line_end(self.line.ends_in_cr);
            } else {
                let (at, lines) = (self.offset, self.lines);
                self.end_header(Cut {
                    at,
                    lines,
                    has_rest: false,
                    lines_before_line: lines,
                });
            }
        }
        self.last_end_bytes = end_bytes;
        self.last_had_text = has_text;
        self.line.start = self.offset;
        self.line.bytes = 0;
        self.line.ends_in_cr = false;
        self.line.may_delimit = false;
        self.line.has_text_behind = false;
        self.line.head.clear();
    }

    /// The innermost multipart whose delimiter the current line is: two hyphens, boundary, two more on the last one,
    /// blanks.
    fn delimiter(&self) -> Option<Delimiter> {
        if !self.line.may_delimit || self.line.has_text_behind {
            return None;
        }
        let text = self.line.head.strip_prefix(b"--")?;
        self.open.iter().enumerate().rev().find_map(|(level, open)| {
            let rest = text.strip_prefix(open.boundary.as_deref()?)?;
            let is_last = rest.starts_with(b"--");
            let rest = if is_last { rest.get(2..)? } else { rest };
            rest.trim_ascii().is_empty().then_some(Delimiter { level, is_last })
        })
    }

    /// Ends what the delimiter ends, and begins a part behind it. False if it does not count, for want of room.
    fn at_delimiter(&mut self, delimiter: &Delimiter, lines_before: u64) -> bool {
        if !delimiter.is_last && self.parts.len() >= PARTS_MAX {
            self.frozen = true;
            return false;
        }
        let cut = Cut {
            at: self.line.start.saturating_sub(self.last_end_bytes),
            lines: lines_before.saturating_sub(u64::from(self.last_end_bytes > 0)),
            has_rest: self.last_had_text,
            lines_before_line: lines_before,
        };
        self.close_down_to(delimiter.level + 1, cut);
        let Some(open) = self.open.last_mut() else {
            return true;
        };
        if delimiter.is_last {
            open.boundary = None;
            return true;
        }
        open.has_parts = true;
        let parent = open.part;
        let in_digest = self
            .parts
            .get(parent)
            .is_some_and(|part| part.mime.subtype.eq_ignore_ascii_case(b"digest"));
        self.begin_part(u32::try_from(parent).ok(), self.offset, false, in_digest);
        true
    }

    fn begin_part(&mut self, parent: Option<u32>, header_start: u64, is_root: bool, in_digest: bool) {
        let part = self.parts.len();
        self.draft = HeaderDraft::new(is_root, part == 0);
        self.in_header = true;
        self.parts.push(Part {
            parent,
            header_start,
            ..Part::default()
        });
        self.open.push(Open {
            part,
            boundary: None,
            lines_before: 0,
            has_parts: false,
            in_digest,
        });
    }

    /// The header of the innermost part ends at `cut`, and its body begins.
    fn end_header(&mut self, cut: Cut) {
        let field = self.scan.end();
        self.take_field(field);
        self.in_header = false;
        let draft = std::mem::take(&mut self.draft);
        let room = self.open.len() < NEST_MAX && self.parts.len() < PARTS_MAX;
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let Some(part) = self.parts.get_mut(open.part) else {
            return;
        };
        let settled = draft.settle(open.in_digest, room);
        part.body_start = cut.at.max(part.header_start);
        open.lines_before = if part.body_start > cut.at {
            cut.lines_before_line
        } else {
            cut.lines
        };
        open.boundary = settled.boundary;
        part.kind = settled.kind;
        part.mime = settled.mime;
        part.envelope = settled.envelope;
        if settled.facts.is_some() {
            self.facts = settled.facts;
        }
        if part.kind == PartKind::Message {
            open.has_parts = true;
            let (parent, header_start) = (u32::try_from(open.part).ok(), part.body_start);
            self.begin_part(parent, header_start, true, false);
        }
    }

    /// Ends all parts but the `level` outermost ones at `cut`, or where their headers end if that is behind it.
    fn close_down_to(&mut self, level: usize, cut: Cut) {
        // A header that ends as a message/rfc822 part opens the next one; depth bounds that.
        while self.in_header && self.open.len() > level {
            self.end_header(cut);
        }
        let mut cut = cut;
        while self.open.len() > level {
            let Some(open) = self.open.pop() else {
                return;
            };
            let Some(part) = self.parts.get_mut(open.part) else {
                continue;
            };
            if part.body_start > cut.at {
                cut = Cut {
                    at: part.body_start,
                    lines: open.lines_before,
                    has_rest: false,
                    ..cut
                };
            }
            part.body_end = cut.at;
            let has_rest = cut.has_rest && cut.at > part.body_start;
            part.body_lines = cut.lines.saturating_sub(open.lines_before) + u64::from(has_rest);
            if part.kind == PartKind::Multipart && !open.has_parts {
                part.kind = PartKind::Text;
                become_text(&mut part.mime);
            }
        }
    }
}
