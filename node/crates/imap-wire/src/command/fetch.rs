//! FETCH (RFC 3501 6.4.5), its macros and the forms that older clients use.

use super::Numbering;
use super::section::{Partial, Section, SectionText, read_partial, read_section};
use crate::limits::FETCH_ITEMS_MAX;
use crate::refusal::{Parse, Refusal};
use crate::syntax::{Cursor, SequenceSet, read_sequence_set};

/// The arguments of FETCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// What the numbers are. With UIDs every answer has its UID, asked for or not.
    pub numbering: Numbering,
    /// Which messages.
    pub set: SequenceSet,
    /// What of them, each once, at least one; macros are resolved.
    pub items: Vec<FetchItem>,
}

/// One thing about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// FLAGS
    Flags,
    /// UID
    Uid,
    /// INTERNALDATE
    InternalDate,
    /// RFC822.SIZE
    Size,
    /// ENVELOPE
    Envelope,
    /// BODY: the structure without extension data.
    Body,
    /// BODYSTRUCTURE
    BodyStructure,
    /// Octets of the message.
    Section(SectionItem),
}

/// Octets of a message: `BODY[…]`, `BODY.PEEK[…]` and the RFC822 forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionItem {
    /// Which octets.
    pub section: Section,
    /// Which range of them; else all.
    pub partial: Option<Partial>,
    /// Whether `\Seen` stays as it is.
    pub peek: bool,
    /// What the answer calls them.
    pub form: SectionForm,
}

/// Under which name octets are asked for and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionForm {
    /// `BODY[…]`
    Body,
    /// `RFC822`
    Rfc822,
    /// `RFC822.HEADER`
    Rfc822Header,
    /// `RFC822.TEXT`
    Rfc822Text,
}

impl Fetch {
    /// Whether it sets `\Seen` on what it returns.
    #[must_use]
    pub fn sets_seen(&self) -> bool {
        let sets_seen = |item: &FetchItem| matches!(item, FetchItem::Section(section) if !section.peek);
        self.items.iter().any(sets_seen)
    }
}

pub(super) fn read(cursor: &mut Cursor<'_>, numbering: Numbering) -> Parse<Fetch> {
    let set = read_sequence_set(cursor)?;
    cursor.space()?;
    let items = if cursor.eat(b'(') {
        read_list(cursor)?
    } else {
        read_macro_or_item(cursor)?
    };
    Ok(Fetch { numbering, set, items })
}

fn read_list(cursor: &mut Cursor<'_>) -> Parse<Vec<FetchItem>> {
    let mut items = Vec::new();
    loop {
        let item = read_item(cursor)?;
        if !items.contains(&item) {
            items.push(item);
        }
        if items.len() > FETCH_ITEMS_MAX {
            return Err(Refusal::bad(format!("FETCH has at most {FETCH_ITEMS_MAX} items")));
        }
        if !cursor.eat(b' ') {
            break;
        }
    }
    cursor.expect(b')')?;
    Ok(items)
}

fn read_macro_or_item(cursor: &mut Cursor<'_>) -> Parse<Vec<FetchItem>> {
    let mut items = vec![FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size];
    if cursor.eat_word("FAST") {
        return Ok(items);
    }
    items.push(FetchItem::Envelope);
    if cursor.eat_word("ALL") {
        return Ok(items);
    }
    items.push(FetchItem::Body);
    if cursor.eat_word("FULL") {
        return Ok(items);
    }
    read_item(cursor).map(|item| vec![item])
}

fn read_item(cursor: &mut Cursor<'_>) -> Parse<FetchItem> {
    let start = cursor.clone();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    let name = cursor.take_while("a FETCH item", is_name)?.to_ascii_uppercase();
    let item = match name.as_slice() {
        b"FLAGS" => FetchItem::Flags,
        b"UID" => FetchItem::Uid,
        b"INTERNALDATE" => FetchItem::InternalDate,
        b"RFC822.SIZE" => FetchItem::Size,
        b"ENVELOPE" => FetchItem::Envelope,
        b"BODYSTRUCTURE" => FetchItem::BodyStructure,
        b"BODY" if cursor.peek() != Some(b'[') => FetchItem::Body,
        b"BODY" => read_body(cursor, false)?,
        b"BODY.PEEK" => read_body(cursor, true)?,
        b"RFC822" => older(SectionForm::Rfc822, false),
        b"RFC822.PEEK" => older(SectionForm::Rfc822, true),
        b"RFC822.HEADER" => older(SectionForm::Rfc822Header, true),
        b"RFC822.TEXT" => older(SectionForm::Rfc822Text, false),
        b"RFC822.TEXT.PEEK" => older(SectionForm::Rfc822Text, true),
        _ => return Err(start.unexpected("a FETCH item")),
    };
    Ok(item)
}

fn read_body(cursor: &mut Cursor<'_>, peek: bool) -> Parse<FetchItem> {
    Ok(FetchItem::Section(SectionItem {
        section: read_section(cursor)?,
        partial: read_partial(cursor)?,
        peek,
        form: SectionForm::Body,
    }))
}

/// The RFC822 items of RFC 3501 and the peeking ones of RFC 1730 (RFC 2062).
fn older(form: SectionForm, peek: bool) -> FetchItem {
    let text = match form {
        SectionForm::Body | SectionForm::Rfc822 => SectionText::Whole,
        SectionForm::Rfc822Header => SectionText::Header,
        SectionForm::Rfc822Text => SectionText::Text,
    };
    let part = Vec::new();
    FetchItem::Section(SectionItem {
        section: Section { part, text },
        partial: None,
        peek,
        form,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Command, read_for_test};
    use super::*;

    fn read(text: &str) -> Fetch {
        match read_for_test(text) {
            Ok(Command::Fetch(fetch)) => fetch,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn macros_stand_for_their_items() {
        use FetchItem::{Body, Envelope, Flags, InternalDate, Size};
        assert_eq!(read("FETCH 1 FAST").items, [Flags, InternalDate, Size]);
        assert_eq!(read("FETCH 1 all").items, [Flags, InternalDate, Size, Envelope]);
        assert_eq!(read("FETCH 1 FULL").items, [Flags, InternalDate, Size, Envelope, Body]);
    }

    #[test]
    fn items_come_alone_or_listed_each_once() {
        assert_eq!(read("UID FETCH 1:* uid").items, [FetchItem::Uid]);
        assert_eq!(
            read("FETCH 1 (UID FLAGS UID)").items,
            [FetchItem::Uid, FetchItem::Flags]
        );
        assert_eq!(
            read("FETCH 1 (BODY BODYSTRUCTURE)").items,
            [FetchItem::Body, FetchItem::BodyStructure]
        );
    }

    #[test]
    fn sections_say_whether_they_set_seen() {
        for (item, sets_seen) in [
            ("BODY[]", true),
            ("BODY.PEEK[]<0.10>", false),
            ("BODY[1.MIME]", true),
            ("RFC822", true),
            ("RFC822.PEEK", false),
            ("RFC822.HEADER", false),
            ("RFC822.TEXT", true),
            ("RFC822.TEXT.PEEK", false),
            ("BODY", false),
            ("RFC822.SIZE", false),
        ] {
            assert_eq!(read(&format!("FETCH 1 {item}")).sets_seen(), sets_seen, "{item}");
        }
        let FetchItem::Section(section) = &read("FETCH 1 BODY.PEEK[TEXT]<5.10>").items[0] else {
            panic!()
        };
        assert_eq!(
            section.partial.map(|partial| (partial.first, partial.len.get())),
            Some((5, 10))
        );
    }

    #[test]
    fn broken_items_are_refused() {
        for text in [
            "FETCH 1",
            "FETCH 1 ()",
            "FETCH 1 (FAST)",
            "FETCH 1 FAST FULL",
            "FETCH 1 NOTHING",
            "FETCH 1 BODY.PEEK",
            "FETCH 1 (UID",
            "FETCH 1 (UID )",
            "FETCH 1 UID FLAGS",
            "FETCH 1 BODY[",
            "FETCH 1 RFC822[]",
            "FETCH 1 ALLX",
            "FETCH x UID",
        ] {
            assert!(read_for_test(text).is_err(), "{text}");
        }
        let many: Vec<String> = (1..=FETCH_ITEMS_MAX + 1).map(|n| format!("BODY[{n}]")).collect();
        assert!(read_for_test(&format!("FETCH 1 ({})", many.join(" "))).is_err());
    }
}
