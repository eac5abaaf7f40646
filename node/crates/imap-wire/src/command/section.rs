//! Section specifications (RFC 3501 `section`) and partial ranges.

use std::num::NonZeroU32;

use super::FieldName;
use crate::limits::{FIELD_NAMES_MAX, SECTION_DEPTH_MAX};
use crate::refusal::{Parse, Refusal};
use crate::syntax::Cursor;

/// What stands between the brackets of `BODY[…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Part numbers, from the outside; empty for the message itself.
    pub part: Vec<NonZeroU32>,
    /// What of that part.
    pub text: SectionText,
}

/// What of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionText {
    /// All of it: the whole message, or the content of the part.
    Whole,
    /// HEADER
    Header,
    /// HEADER.FIELDS, with at least one name.
    HeaderFields(Vec<FieldName>),
    /// HEADER.FIELDS.NOT, with at least one name.
    HeaderFieldsNot(Vec<FieldName>),
    /// TEXT
    Text,
    /// MIME; only of a numbered part.
    Mime,
}

impl Section {
    /// The whole message: `BODY[]`.
    pub const MESSAGE: Self = Self {
        part: Vec::new(),
        text: SectionText::Whole,
    };
}

/// A range of octets: `<first.len>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The first octet, from 0; the answer names it.
    pub first: u32,
    /// How many octets at most.
    pub len: NonZeroU32,
}

/// `section`, brackets included.
pub(super) fn read_section(cursor: &mut Cursor<'_>) -> Parse<Section> {
    cursor.expect(b'[')?;
    let mut part = Vec::new();
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        if part.len() == SECTION_DEPTH_MAX {
            return Err(Refusal::bad(format!(
                "a section has at most {SECTION_DEPTH_MAX} part numbers"
            )));
        }
        part.push(cursor.nz_number("a part number")?);
        if !cursor.eat(b'.') {
            cursor.expect(b']')?;
            let text = SectionText::Whole;
            return Ok(Section { part, text });
        }
    }
    if part.is_empty() && cursor.eat(b']') {
        return Ok(Section::MESSAGE);
    }
    let text = read_section_text(cursor, !part.is_empty())?;
    cursor.expect(b']')?;
    Ok(Section { part, text })
}

fn read_section_text(cursor: &mut Cursor<'_>, is_part: bool) -> Parse<SectionText> {
    if cursor.eat_word("HEADER.FIELDS.NOT") {
        return read_field_names(cursor).map(SectionText::HeaderFieldsNot);
    }
    if cursor.eat_word("HEADER.FIELDS") {
        return read_field_names(cursor).map(SectionText::HeaderFields);
    }
    if cursor.eat_word("HEADER") {
        return Ok(SectionText::Header);
    }
    if cursor.eat_word("TEXT") {
        return Ok(SectionText::Text);
    }
    if is_part && cursor.eat_word("MIME") {
        return Ok(SectionText::Mime);
    }
    Err(cursor.unexpected("a section"))
}

/// `SP header-list`
fn read_field_names(cursor: &mut Cursor<'_>) -> Parse<Vec<FieldName>> {
    cursor.space()?;
    cursor.expect(b'(')?;
    let mut names = Vec::new();
    loop {
        if names.len() == FIELD_NAMES_MAX {
            return Err(Refusal::bad(format!(
                "a section has at most {FIELD_NAMES_MAX} field names"
            )));
        }
        names.push(FieldName::read(cursor)?);
        if !cursor.eat(b' ') {
            break;
        }
    }
    cursor.expect(b')')?;
    Ok(names)
}

/// `<first.len>`, if it is there.
pub(super) fn read_partial(cursor: &mut Cursor<'_>) -> Parse<Option<Partial>> {
    if !cursor.eat(b'<') {
        return Ok(None);
    }
    let first = cursor.number("the first octet")?;
    cursor.expect(b'.')?;
    let len = cursor.nz_number("a number of octets")?;
    cursor.expect(b'>')?;
    Ok(Some(Partial { first, len }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parse<Section> {
        let mut cursor = Cursor::new(text.as_bytes());
        let section = read_section(&mut cursor)?;
        cursor.end()?;
        Ok(section)
    }

    #[test]
    fn every_kind_of_section_is_read() {
        assert_eq!(read("[]"), Ok(Section::MESSAGE));
        let section = read("[4.2.HEADER.FIELDS (From \"To\")]").unwrap();
        assert_eq!(section.part.iter().map(|n| n.get()).collect::<Vec<_>>(), [4, 2]);
        let SectionText::HeaderFields(names) = section.text else {
            panic!()
        };
        assert_eq!(names.iter().map(FieldName::as_str).collect::<Vec<_>>(), ["From", "To"]);
        let cases = [
            ("[1]", SectionText::Whole),
            ("[header]", SectionText::Header),
            ("[1.TEXT]", SectionText::Text),
            ("[1.MIME]", SectionText::Mime),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).unwrap().text, expected, "{text}");
        }
        assert!(matches!(
            read("[HEADER.FIELDS.NOT (a)]").unwrap().text,
            SectionText::HeaderFieldsNot(_)
        ));
    }

    #[test]
    fn broken_sections_are_refused() {
        for text in [
            "[",
            "[MIME]",
            "[0]",
            "[1.]",
            "[1.0]",
            "[.1]",
            "[1.2",
            "[HEADERS]",
            "[HEADER.FIELDS]",
            "[HEADER.FIELDS ()]",
            "[HEADER.FIELDS (a:b)]",
            "[HEADER.FIELDS (\"\")]",
            "[TEXT.1]",
            "[1 ]",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let deep = vec!["1"; SECTION_DEPTH_MAX + 1].join(".");
        assert!(read(&format!("[{deep}]")).is_err());
    }

    #[test]
    fn a_range_has_a_length_that_is_not_zero() {
        let partial = read_partial(&mut Cursor::new(b"<0.2048>")).unwrap().unwrap();
        assert_eq!((partial.first, partial.len.get()), (0, 2_048));
        for text in ["<0>", "<0.0>", "<.1>", "<0.1", "<-1.1>", "<4294967296.1>"] {
            assert!(read_partial(&mut Cursor::new(text.as_bytes())).is_err(), "{text}");
        }
    }
}
