//! FETCH (RFC 3501 7.4.2), written item by item, so that bodies can stream in between.
//!
//! ```text
//! let mut reply = FetchReply::begin(out, number);
//! reply.uid(out, uid);
//! reply.section(out, &item, size);    then `size` octets follow in the same stream
//! reply.finish(out);
//! ```
//!
//! Invariant: between [`FetchReply::section`] and what comes next, exactly the announced octets are sent; the caller
//! sees to that, and closes the connection when it cannot, since nothing else would put the client right.

use bytes::{BufMut as _, BytesMut};
use mail_model::{FlagSet, InternalDate, SeqNum, Uid};

use super::string::write_astring;
use super::{put, put_flag_list};
use crate::command::{FieldName, Section, SectionForm, SectionItem, SectionText};
use crate::syntax::write_date_time;

/// An untagged FETCH that is being written.
#[derive(Debug)]
#[must_use = "a reply that was begun has to be finished"]
pub struct FetchReply {
    is_first: bool,
}

impl FetchReply {
    /// Begins the answer about one message.
    pub fn begin(out: &mut BytesMut, number: SeqNum) -> Self {
        put(out, format_args!("* {number} FETCH ("));
        Self { is_first: true }
    }

    fn name(&mut self, out: &mut BytesMut, name: &str) {
        if !self.is_first {
            out.put_u8(b' ');
        }
        self.is_first = false;
        out.put_slice(name.as_bytes());
    }

    /// FLAGS; whether the message is `\Recent` knows the session.
    pub fn flags(&mut self, out: &mut BytesMut, flags: &FlagSet, recent: bool) {
        self.name(out, "FLAGS ");
        put_flag_list(out, flags, recent.then_some("\\Recent"));
    }

    /// UID
    pub fn uid(&mut self, out: &mut BytesMut, uid: Uid) {
        self.name(out, "UID ");
        put(out, format_args!("{uid}"));
    }

    /// INTERNALDATE
    pub fn internal_date(&mut self, out: &mut BytesMut, date: InternalDate) {
        self.name(out, "INTERNALDATE ");
        write_date_time(out, date);
    }

    /// RFC822.SIZE, in octets.
    pub fn size(&mut self, out: &mut BytesMut, octets: u64) {
        self.name(out, "RFC822.SIZE ");
        put(out, format_args!("{octets}"));
    }

    /// ENVELOPE; `envelope` is ready to send, parentheses included.
    pub fn envelope(&mut self, out: &mut BytesMut, envelope: &[u8]) {
        self.name(out, "ENVELOPE ");
        out.put_slice(envelope);
    }

    /// BODY, the structure without extension data; ready to send.
    pub fn body(&mut self, out: &mut BytesMut, structure: &[u8]) {
        self.name(out, "BODY ");
        out.put_slice(structure);
    }

    /// BODYSTRUCTURE; ready to send.
    pub fn body_structure(&mut self, out: &mut BytesMut, structure: &[u8]) {
        self.name(out, "BODYSTRUCTURE ");
        out.put_slice(structure);
    }

    /// The name of a section and the head of its literal; `octets` octets have to follow.
    pub fn section(&mut self, out: &mut BytesMut, item: &SectionItem, octets: u64) {
        self.section_name(out, item);
        put(out, format_args!(" {{{octets}}}\r\n"));
    }

    /// A section that the message does not have.
    pub fn section_nil(&mut self, out: &mut BytesMut, item: &SectionItem) {
        self.section_name(out, item);
        out.put_slice(b" NIL");
    }

    fn section_name(&mut self, out: &mut BytesMut, item: &SectionItem) {
        match item.form {
            SectionForm::Rfc822 => return self.name(out, "RFC822"),
            SectionForm::Rfc822Header => return self.name(out, "RFC822.HEADER"),
            SectionForm::Rfc822Text => return self.name(out, "RFC822.TEXT"),
            SectionForm::Body => self.name(out, "BODY["),
        }
        put_section(out, &item.section);
        out.put_u8(b']');
        if let Some(partial) = item.partial {
            put(out, format_args!("<{}>", partial.first));
        }
    }

    /// Ends the answer.
    pub fn finish(self, out: &mut BytesMut) {
        out.put_slice(b")\r\n");
    }
}

fn put_section(out: &mut BytesMut, section: &Section) {
    for (at, number) in section.part.iter().enumerate() {
        if at > 0 {
            out.put_u8(b'.');
        }
        put(out, format_args!("{number}"));
    }
    let (name, fields): (&str, &[FieldName]) = match &section.text {
        SectionText::Whole => return,
        SectionText::Header => ("HEADER", &[]),
        SectionText::Text => ("TEXT", &[]),
        SectionText::Mime => ("MIME", &[]),
        SectionText::HeaderFields(fields) => ("HEADER.FIELDS (", fields),
        SectionText::HeaderFieldsNot(fields) => ("HEADER.FIELDS.NOT (", fields),
    };
    if !section.part.is_empty() {
        out.put_u8(b'.');
    }
    out.put_slice(name.as_bytes());
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.put_u8(b' ');
        }
        write_astring(out, field.as_str().as_bytes());
    }
    if !fields.is_empty() {
        out.put_u8(b')');
    }
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;
    use crate::command::{Command, FetchItem, read_for_test};
    use mail_model::SystemFlags;

    fn section(item: &str) -> SectionItem {
        let Ok(Command::Fetch(fetch)) = read_for_test(&format!("FETCH 1 {item}")) else {
            panic!("{item}")
        };
        match fetch.items.into_iter().next() {
            Some(FetchItem::Section(section)) => section,
            other => panic!("{item}: {other:?}"),
        }
    }

    #[test]
    fn items_stand_in_one_list() {
        let reply = written(|out| {
            let mut reply = FetchReply::begin(out, SeqNum::MIN);
            reply.flags(out, &SystemFlags::SEEN.into(), true);
            reply.uid(out, Uid::MAX);
            reply.size(out, 5);
            reply.internal_date(out, InternalDate::default());
            reply.envelope(out, b"(NIL)");
            reply.body(out, b"(1)");
            reply.body_structure(out, b"(2)");
            reply.section(out, &section("BODY[]<7.5>"), 2);
            out.put_slice(b"ab");
            reply.section_nil(out, &section("BODY[9]"));
            reply.finish(out);
        });
        assert_eq!(
            reply,
            "* 1 FETCH (FLAGS (\\Seen \\Recent) UID 4294967295 RFC822.SIZE 5 INTERNALDATE \" 1-Jan-1970 00:00:00 +0000\" \
             ENVELOPE (NIL) BODY (1) BODYSTRUCTURE (2) BODY[]<7> {2}\r\nab BODY[9] NIL)\r\n"
        );
    }

    #[test]
    fn a_section_is_named_as_it_was_asked_for() {
        for (asked, answered) in [
            ("BODY[]", "BODY[]"),
            ("BODY.PEEK[1.2.TEXT]", "BODY[1.2.TEXT]"),
            ("BODY[HEADER]", "BODY[HEADER]"),
            ("BODY[3.MIME]", "BODY[3.MIME]"),
            ("BODY[header.fields (from \"TO\")]", "BODY[HEADER.FIELDS (from TO)]"),
            (
                "BODY[2.HEADER.FIELDS.NOT (\"x(\")]",
                "BODY[2.HEADER.FIELDS.NOT (\"x(\")]",
            ),
            ("RFC822.PEEK", "RFC822"),
            ("RFC822.HEADER", "RFC822.HEADER"),
            ("RFC822.TEXT", "RFC822.TEXT"),
        ] {
            let reply = written(|out| {
                let mut reply = FetchReply::begin(out, SeqNum::MIN);
                reply.section(out, &section(asked), 0);
                reply.finish(out);
            });
            assert_eq!(reply, format!("* 1 FETCH ({answered} {{0}}\r\n)\r\n"), "{asked}");
        }
    }
}
