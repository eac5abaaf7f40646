//! Octets of a section: `BODY[…]<…>` and the RFC822 forms (RFC 3501, section 6.4.5).
//!
//! Invariant: exactly as many octets follow a literal's head as it says.

use std::ops::Range;

use imap_wire::command::{FieldName, Partial, SectionItem, SectionText};
use imap_wire::response::FetchReply;
use mail_message::{HeaderFilter, Section, SectionBytes, SectionText as Text, Structure};
use mailstore::StoreError;

use super::super::channel::{Channel, Gone};
use super::super::limits::FILTERED_BYTES_KEPT;
use super::octets::{Chunks, Octets};

/// Why a section was not written.
#[derive(Debug)]
pub(super) enum Cut {
    /// The client is gone.
    Gone(Gone),
    /// Before its head was written.
    Before(StoreError),
    /// After that: the reply is broken.
    Within(StoreError),
}

impl From<Gone> for Cut {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

/// Writes one section: its literal, or NIL where the message has no such part.
pub(super) async fn write(
    channel: &mut Channel,
    reply: &mut FetchReply,
    item: &SectionItem,
    structure: Option<&Structure>,
    octets: &Octets,
) -> Result<(), Cut> {
    match locate(item, structure, octets) {
        None => {
            reply.section_nil(&mut channel.out, item);
            Ok(())
        }
        Some(SectionBytes::Range(range)) => {
            let range = cut(&range, item.partial);
            let mut chunks = octets.open(range).await.map_err(Cut::Before)?;
            reply.section(&mut channel.out, item, chunks.left());
            send(channel, &mut chunks).await
        }
        Some(SectionBytes::Filtered { header, filter }) => {
            let counted = Filtered::count(octets, header.clone(), filter)
                .await
                .map_err(Cut::Before)?;
            let part = cut(&(0..counted.len), item.partial);
            let part = part.start.min(counted.len)..part.end.min(counted.len);
            reply.section(&mut channel.out, item, part.end - part.start);
            match (counted.kept, locate(item, structure, octets)) {
                (Some(kept), _) => Ok(channel.send(slice(&kept, 0, &part)).await?),
                (None, Some(SectionBytes::Filtered { filter, .. })) => {
                    send_filtered(channel, octets, header, filter, part).await
                }
                _ => Err(Cut::Within(StoreError::Broken("a section has moved".to_owned()))),
            }
        }
    }
}

fn locate(item: &SectionItem, structure: Option<&Structure>, octets: &Octets) -> Option<SectionBytes> {
    let section = &item.section;
    if section.part.is_empty() && section.text == SectionText::Whole {
        return Some(SectionBytes::Range(0..octets.len()));
    }
    let names = |fields: &[FieldName]| fields.iter().map(|field| field.as_str().as_bytes().to_vec()).collect();
    let text = match &section.text {
        SectionText::Whole => Text::Whole,
        SectionText::Header => Text::Header,
        SectionText::HeaderFields(fields) => Text::HeaderFields(names(fields)),
        SectionText::HeaderFieldsNot(fields) => Text::HeaderFieldsNot(names(fields)),
        SectionText::Text => Text::Text,
        SectionText::Mime => Text::Mime,
    };
    let path = section.part.iter().map(|number| number.get()).collect();
    structure?.section(&Section { path, text }, octets.prefix_len())
}

/// The part of `range` that a client asks for; beyond its end there is nothing.
fn cut(range: &Range<u64>, partial: Option<Partial>) -> Range<u64> {
    let Some(partial) = partial else { return range.clone() };
    let from = range.start.saturating_add(partial.first.into()).min(range.end);
    let to = from.saturating_add(partial.len.get().into()).min(range.end);
    from..to
}

async fn send(channel: &mut Channel, chunks: &mut Chunks) -> Result<(), Cut> {
    while chunks.left() > 0 {
        match chunks.next().await.map_err(Cut::Within)? {
            Some(octets) => channel.send(&octets).await?,
            None => return Err(Cut::Within(StoreError::Broken("a message ended early".to_owned()))),
        }
    }
    Ok(())
}

/// What a filter lets through of a header: how much, and itself unless it is large.
struct Filtered {
    len: u64,
    kept: Option<Vec<u8>>,
}

impl Filtered {
    async fn count(octets: &Octets, header: Range<u64>, mut filter: HeaderFilter) -> Result<Self, StoreError> {
        let mut counted = Self {
            len: 0,
            kept: Some(Vec::new()),
        };
        let mut chunks = octets.open(header).await?;
        while let Some(chunk) = chunks.next().await? {
            filter.push(&chunk, &mut |passed| counted.take(passed));
        }
        filter.finish(&mut |passed| counted.take(passed));
        Ok(counted)
    }

    fn take(&mut self, passed: &[u8]) {
        self.len += passed.len() as u64;
        match &mut self.kept {
            Some(kept) if self.len <= FILTERED_BYTES_KEPT as u64 => kept.extend_from_slice(passed),
            _ => self.kept = None,
        }
    }
}

/// Filters a large header once more, and sends `part` of what comes through.
async fn send_filtered(
    channel: &mut Channel,
    octets: &Octets,
    header: Range<u64>,
    mut filter: HeaderFilter,
    part: Range<u64>,
) -> Result<(), Cut> {
    let mut chunks = octets.open(header).await.map_err(Cut::Within)?;
    let (mut at, mut sent) = (0, 0);
    let mut passed = Vec::new();
    while let Some(chunk) = chunks.next().await.map_err(Cut::Within)? {
        filter.push(&chunk, &mut |octets| passed.extend_from_slice(octets));
        sent += send_part(channel, &passed, &mut at, &part).await?;
        passed.clear();
    }
    filter.finish(&mut |octets| passed.extend_from_slice(octets));
    sent += send_part(channel, &passed, &mut at, &part).await?;
    if sent == part.end - part.start {
        Ok(())
    } else {
        Err(Cut::Within(StoreError::Broken("a header ended early".to_owned())))
    }
}

/// Sends of `passed`, which stands at `at`, what lies in `part`.
async fn send_part(channel: &mut Channel, passed: &[u8], at: &mut u64, part: &Range<u64>) -> Result<u64, Gone> {
    let octets = slice(passed, *at, part);
    *at += passed.len() as u64;
    channel.send(octets).await?;
    Ok(octets.len() as u64)
}

/// Of `octets`, which stand at `start`, those in `range`.
fn slice<'a>(octets: &'a [u8], start: u64, range: &Range<u64>) -> &'a [u8] {
    let at = |position: u64| {
        let inside = position.saturating_sub(start);
        usize::try_from(inside).map_or(octets.len(), |inside| inside.min(octets.len()))
    };
    octets.get(at(range.start)..at(range.end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn partial(first: u32, len: u32) -> Option<Partial> {
        let len = NonZeroU32::new(len).unwrap();
        Some(Partial { first, len })
    }

    #[test]
    fn a_partial_range_ends_with_its_section() {
        assert_eq!(cut(&(10..20), None), 10..20);
        assert_eq!(cut(&(10..20), partial(0, 4)), 10..14);
        assert_eq!(cut(&(10..20), partial(8, 100)), 18..20);
        assert_eq!(cut(&(10..20), partial(10, 1)), 20..20);
        assert_eq!(cut(&(10..20), partial(u32::MAX, u32::MAX)), 20..20);
    }

    #[test]
    fn a_slice_is_taken_where_the_octets_stand() {
        assert_eq!(slice(b"abcd", 10, &(0..100)), b"abcd");
        assert_eq!(slice(b"abcd", 10, &(11..13)), b"bc");
        assert_eq!(slice(b"abcd", 10, &(0..10)), b"");
        assert_eq!(slice(b"abcd", 10, &(14..20)), b"");
    }
}
