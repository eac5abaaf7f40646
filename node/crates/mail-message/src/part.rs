//! The structure of a message: its parts as a flat list, and what their headers say.
//!
//! Invariants, kept by the reader and checked on every decode ([`Structure::check`])
//! - Parts stand in the order of their headers (preorder); the first is the message itself and alone has no parent.
//! - A multipart has at least one child; a message/rfc822 part has exactly one, the root of the message inside; others
//!   have none. Depth and count stay within `limits`.
//! - `header_start <= body_start <= body_end <= size`; a child lies within its parent's body, siblings do not overlap
//!   and stand in order.
//! - Offsets count from the first byte fed to the reader. What a delivery puts before the body (DESIGN M1) lengthens
//!   the header of part 0 and moves everything else: methods that answer with ranges take its length as `prefix_len`.

use std::fmt;
use std::ops::{Deref, Range};

use minicbor::{Decode, Encode};

use crate::date::SentDate;
use crate::limits::{NEST_MAX, PARTS_MAX};
use crate::params::Param;

/// Bytes of a header as they stand in the message: unfolded, but not decoded; of any charset.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct RawText(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

impl Deref for RawText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for RawText {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl fmt::Debug for RawText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// What a part is to IMAP (RFC 3501 `body`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum PartKind {
    /// text/*: has a count of lines.
    #[default]
    #[n(0)]
    Text,
    /// Anything without an inside.
    #[n(1)]
    Basic,
    /// message/rfc822: its body is a message of its own.
    #[n(2)]
    Message,
    /// multipart/*: its body is a row of parts.
    #[n(3)]
    Multipart,
}

/// Content-Disposition (RFC 2183).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Disposition {
    /// `inline`, `attachment` or what else was written.
    #[n(0)]
    pub kind: RawText,
    /// Its parameters.
    #[n(1)]
    pub params: Vec<Param>,
}

/// The MIME fields of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct MimeFields {
    /// Type as written; `text` where the header has none that can be read.
    #[n(0)]
    pub media_type: RawText,
    /// Subtype as written; `plain` where the header has none that can be read.
    #[n(1)]
    pub subtype: RawText,
    /// Parameters of Content-Type.
    #[n(2)]
    pub params: Vec<Param>,
    /// Content-ID.
    #[n(3)]
    pub id: Option<RawText>,
    /// Content-Description.
    #[n(4)]
    pub description: Option<RawText>,
    /// Content-Transfer-Encoding; absent means 7bit.
    #[n(5)]
    pub encoding: Option<RawText>,
    /// Content-Disposition.
    #[n(6)]
    pub disposition: Option<Disposition>,
    /// Content-Language (RFC 3282).
    #[n(7)]
    pub language: Vec<RawText>,
    /// Content-Location (RFC 2557).
    #[n(8)]
    pub location: Option<RawText>,
    /// Content-MD5 (RFC 1864).
    #[n(9)]
    pub md5: Option<RawText>,
}

/// One row of an address list as RFC 3501 7.4.2 shows it. A group starts with a row that has a mailbox (its name) and
/// no host, and ends with a row that has neither.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct EnvelopeAddress {
    /// Phrase without its quoting, or the comment that stands for it.
    #[n(0)]
    pub name: Option<RawText>,
    /// Source route, as in `@a,@b`.
    #[n(1)]
    pub adl: Option<RawText>,
    /// Local part without its quoting, or name of a group.
    #[n(2)]
    pub mailbox: Option<RawText>,
    /// Domain; empty where the address has none.
    #[n(3)]
    pub host: Option<RawText>,
}

/// ENVELOPE (RFC 3501 7.4.2): what the header of a message says, not decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Envelope {
    /// Date.
    #[n(0)]
    pub date: Option<RawText>,
    /// Subject.
    #[n(1)]
    pub subject: Option<RawText>,
    /// From.
    #[n(2)]
    pub from: Vec<EnvelopeAddress>,
    /// Sender; empty means as From.
    #[n(3)]
    pub sender: Vec<EnvelopeAddress>,
    /// Reply-To; empty means as From.
    #[n(4)]
    pub reply_to: Vec<EnvelopeAddress>,
    /// To.
    #[n(5)]
    pub to: Vec<EnvelopeAddress>,
    /// Cc.
    #[n(6)]
    pub cc: Vec<EnvelopeAddress>,
    /// Bcc.
    #[n(7)]
    pub bcc: Vec<EnvelopeAddress>,
    /// In-Reply-To.
    #[n(8)]
    pub in_reply_to: Option<RawText>,
    /// Message-ID.
    #[n(9)]
    pub message_id: Option<RawText>,
}

/// One part of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// Index of the part that holds it; only part 0 has none.
    #[n(0)]
    pub parent: Option<u32>,
    /// What it is.
    #[n(1)]
    pub kind: PartKind,
    /// Offset of its header in bytes.
    #[n(2)]
    pub header_start: u64,
    /// Offset of its body: behind the empty line.
    #[n(3)]
    pub body_start: u64,
    /// Offset behind its body: before the line end that belongs to the next delimiter.
    #[n(4)]
    pub body_end: u64,
    /// Lines of its body, a last one without line end counted.
    #[n(5)]
    pub body_lines: u64,
    /// Its MIME fields.
    #[n(6)]
    pub mime: MimeFields,
    /// Present where the part is the root of a message: part 0, and the child of each message/rfc822 part.
    #[n(7)]
    pub envelope: Option<Box<Envelope>>,
}

/// Ids by which a message finds its thread: without brackets, white space and comments, in order, none twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ThreadKeys {
    /// Message-ID.
    #[n(0)]
    pub message_id: Option<RawText>,
    /// In-Reply-To.
    #[n(1)]
    pub in_reply_to: Vec<RawText>,
    /// References, oldest first: the first one and the last ones.
    #[n(2)]
    pub references: Vec<RawText>,
}

/// What there is to know of a message without reading it again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Structure {
    /// Bytes of the message as fed, without a prefix.
    #[n(0)]
    pub size: u64,
    /// Its parts; never empty.
    #[n(1)]
    pub parts: Vec<Part>,
    /// Thread keys of the message.
    #[n(2)]
    pub thread: ThreadKeys,
    /// The Date field, where it can be read.
    #[n(3)]
    pub sent: Option<SentDate>,
    /// Base subject (RFC 5256 2.1).
    #[n(4)]
    pub base_subject: String,
}

impl Structure {
    /// The envelope of the message.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.parts.first().and_then(|part| part.envelope.as_deref())
    }

    /// RFC822.SIZE in bytes, with `prefix_len` bytes before the body.
    #[must_use]
    pub fn total_size(&self, prefix_len: u64) -> u64 {
        prefix_len.saturating_add(self.size)
    }

    /// Where the header of part `index` stands, its empty line included; the prefix belongs to part 0.
    #[must_use]
    pub fn header_range(&self, index: usize, prefix_len: u64) -> Option<Range<u64>> {
        let part = self.parts.get(index)?;
        let start = if index == 0 {
            0
        } else {
            part.header_start.saturating_add(prefix_len)
        };
        Some(start..part.body_start.saturating_add(prefix_len))
    }

    /// Where the body of part `index` stands.
    #[must_use]
    pub fn body_range(&self, index: usize, prefix_len: u64) -> Option<Range<u64>> {
        let part = self.parts.get(index)?;
        Some(part.body_start.saturating_add(prefix_len)..part.body_end.saturating_add(prefix_len))
    }

    /// Indexes of the parts right inside part `index`, in order.
    pub fn children(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        let inside = move |part: &&Part| part.parent.is_some_and(|parent| parent as usize >= index);
        self.parts
            .iter()
            .skip(index.saturating_add(1))
            .take_while(inside)
            .enumerate()
            .filter(move |(_, part)| part.parent == u32::try_from(index).ok())
            .map(move |(nth, _)| index + 1 + nth)
    }

    /// Whether the invariants at the head of this file hold; if not, the first one that does not.
    ///
    /// # Errors
    /// The broken invariant in words.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.parts.is_empty() || self.parts.len() > PARTS_MAX {
            return Err("count of parts is out of bounds");
        }
        let mut open: Vec<usize> = Vec::new();
        let mut ends: Vec<(u64, usize)> = vec![(0, 0); self.parts.len()];
        for (index, part) in self.parts.iter().enumerate() {
            self.check_place(index, part, &mut open, &mut ends)?;
            open.push(index);
            if open.len() > NEST_MAX {
                return Err("parts are nested too deep");
            }
        }
        for (part, (_, children)) in self.parts.iter().zip(ends) {
            let legal = match part.kind {
                PartKind::Text | PartKind::Basic => children == 0,
                PartKind::Message => children == 1,
                PartKind::Multipart => children >= 1,
            };
            if !legal {
                return Err("a part holds a count of parts that its kind forbids");
            }
        }
        Ok(())
    }

    /// `ends` has, per part, where its last child so far ends, and how many there are.
    fn check_place(
        &self,
        index: usize,
        part: &Part,
        open: &mut Vec<usize>,
        ends: &mut [(u64, usize)],
    ) -> Result<(), &'static str> {
        if part.header_start > part.body_start || part.body_start > part.body_end || part.body_end > self.size {
            return Err("offsets of a part are out of order");
        }
        let parent = part.parent.map(|parent| parent as usize);
        while open.last().copied() != parent {
            if open.pop().is_none() {
                return Err("a part stands outside its parent");
            }
        }
        let Some(parent) = parent else {
            return if index == 0 {
                Ok(())
            } else {
                Err("a second part has no parent")
            };
        };
        let (Some(holder), Some((end, children))) = (self.parts.get(parent), ends.get_mut(parent)) else {
            return Err("a part stands outside its parent");
        };
        if part.header_start < holder.body_start.max(*end) || part.body_end > holder.body_end {
            return Err("a part reaches beyond its place");
        }
        *end = part.body_end;
        *children += 1;
        let is_root = holder.kind == PartKind::Message;
        if is_root != part.envelope.is_some() {
            return Err("an envelope stands in the wrong part");
        }
        Ok(())
    }
}
