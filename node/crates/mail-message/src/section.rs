//! Sections of BODY[...] (RFC 3501 6.4.5) as ranges of the message: from offsets alone, without reading it.

use std::ops::Range;

use crate::header_filter::HeaderFilter;
use crate::part::{PartKind, Structure};

/// What of a part is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionText {
    /// The body of the part; with an empty path, the message.
    Whole,
    /// HEADER: of the message, or of the message inside a message/rfc822 part.
    Header,
    /// HEADER.FIELDS with its names.
    HeaderFields(Vec<Vec<u8>>),
    /// HEADER.FIELDS.NOT with its names.
    HeaderFieldsNot(Vec<Vec<u8>>),
    /// TEXT: body of the message, or of the message inside a message/rfc822 part.
    Text,
    /// MIME: the header of the part.
    Mime,
}

/// A section specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Part numbers, from 1; empty for the message itself.
    pub path: Vec<u32>,
    /// What of it.
    pub text: SectionText,
}

/// The bytes of a section.
#[derive(Debug)]
pub enum SectionBytes {
    /// They stand there.
    Range(Range<u64>),
    /// What `filter` lets through of the header that stands there.
    Filtered {
        /// The header.
        header: Range<u64>,
        /// To be fed with it.
        filter: HeaderFilter,
    },
}

impl SectionBytes {
    fn filtered(header: Range<u64>, names: &[Vec<u8>], negated: bool) -> Self {
        Self::Filtered {
            header,
            filter: HeaderFilter::new(names, negated),
        }
    }
}

impl Structure {
    /// Where the bytes of `section` stand in prefix and body; `None` where the message has no such part.
    #[must_use]
    pub fn section(&self, section: &Section, prefix_len: u64) -> Option<SectionBytes> {
        let at = self.part_at(&section.path)?;
        if section.text == SectionText::Mime {
            // RFC 3501: MIME needs a part number.
            let part = at.filter(|_| !section.path.is_empty())?;
            return self.header_range(part, prefix_len).map(SectionBytes::Range);
        }
        if section.text == SectionText::Whole {
            return match at {
                None => Some(SectionBytes::Range(0..self.total_size(prefix_len))),
                Some(part) => self.body_range(part, prefix_len).map(SectionBytes::Range),
            };
        }
        let root = match at {
            None => 0,
            Some(part) => self.message_inside(part)?,
        };
        let header = self.header_range(root, prefix_len)?;
        match &section.text {
            SectionText::HeaderFields(names) => Some(SectionBytes::filtered(header, names, false)),
            SectionText::HeaderFieldsNot(names) => Some(SectionBytes::filtered(header, names, true)),
            SectionText::Text => {
                // The rest of the message, be there what may behind its last part.
                let end = match at {
                    None => self.total_size(prefix_len),
                    Some(_) => self.body_range(root, prefix_len)?.end,
                };
                Some(SectionBytes::Range(header.end..end))
            }
            SectionText::Header | SectionText::Whole | SectionText::Mime => Some(SectionBytes::Range(header)),
        }
    }

    /// The part that `path` names: `Some(None)` for the message itself, `None` where there is no such part.
    #[must_use]
    pub fn part_at(&self, path: &[u32]) -> Option<Option<usize>> {
        let Some((first, rest)) = path.split_first() else {
            return Some(None);
        };
        let mut at = self.part_of_message(0, *first)?;
        for number in rest {
            at = match self.parts.get(at)?.kind {
                PartKind::Multipart => self.nth_child(at, *number)?,
                PartKind::Message => self.part_of_message(self.message_inside(at)?, *number)?,
                PartKind::Text | PartKind::Basic => return None,
            };
        }
        Some(Some(at))
    }

    /// Part `number` of the message whose root is `root`; a message without parts is its own part 1.
    fn part_of_message(&self, root: usize, number: u32) -> Option<usize> {
        match self.parts.get(root)?.kind {
            PartKind::Multipart => self.nth_child(root, number),
            _ => (number == 1).then_some(root),
        }
    }

    fn nth_child(&self, index: usize, number: u32) -> Option<usize> {
        let nth = usize::try_from(number.checked_sub(1)?).ok()?;
        self.children(index).nth(nth)
    }

    /// The root of the message that a message/rfc822 part holds.
    fn message_inside(&self, index: usize) -> Option<usize> {
        let is_message = self.parts.get(index)?.kind == PartKind::Message;
        is_message.then(|| self.children(index).next()).flatten()
    }
}
