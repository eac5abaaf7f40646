//! What the header of one part has said so far, and what the part becomes by it.
//!
//! Invariants: the first of two fields of a name counts, except that address lists are joined; every kept value was
//! paid for.

use crate::address_list::address_list;
use crate::base_subject::base_subject;
use crate::budget::Budget;
use crate::date::SentDate;
use crate::field_scan::ScannedField;
use crate::limits::BOUNDARY_BYTES_MAX;
use crate::message_id::{in_reply_to, message_id, references};
use crate::params::{ContentType, Param, content_type, disposition, languages, single_token};
use crate::part::{Envelope, MimeFields, PartKind, RawText, ThreadKeys};

const MIME_NAMES: [&str; 8] = [
    "content-type",
    "content-transfer-encoding",
    "content-id",
    "content-description",
    "content-disposition",
    "content-language",
    "content-location",
    "content-md5",
];

const ENVELOPE_NAMES: [&str; 11] = [
    "date",
    "subject",
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "in-reply-to",
    "message-id",
    "references",
];

/// What the two kinds of values may still take.
#[derive(Debug)]
pub(crate) struct Budgets {
    pub(crate) mime: Budget,
    pub(crate) envelopes: Budget,
}

/// What only the header of the message itself gives.
#[derive(Debug, Default)]
pub(crate) struct MessageFacts {
    pub(crate) thread: ThreadKeys,
    pub(crate) sent: Option<SentDate>,
    pub(crate) base_subject: String,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct HeaderDraft {
    mime: MimeFields,
    has_content_type: bool,
    content_type: Option<ContentType>,
    /// Present if the header is that of a message.
    envelope: Option<Box<Envelope>>,
    /// Present if it is that of the message itself.
    facts: Option<Box<MessageFacts>>,
}

/// A header that has ended.
pub(crate) struct Settled {
    pub(crate) kind: PartKind,
    pub(crate) mime: MimeFields,
    pub(crate) envelope: Option<Box<Envelope>>,
    pub(crate) facts: Option<Box<MessageFacts>>,
    /// Of a multipart.
    pub(crate) boundary: Option<Vec<u8>>,
}

impl HeaderDraft {
    /// The header of a message, or of another part.
    pub(crate) fn new(is_root: bool, is_first: bool) -> Self {
        Self {
            envelope: is_root.then(Box::default),
            facts: is_first.then(Box::default),
            ..Self::default()
        }
    }

    /// Whether a field of that name says anything here.
    pub(crate) fn wants(&self, name: &[u8]) -> bool {
        let is_in = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        is_in(&MIME_NAMES) || (self.envelope.is_some() && is_in(&ENVELOPE_NAMES))
    }

    pub(crate) fn take(&mut self, field: &ScannedField, budgets: &mut Budgets) {
        let name = field.name.to_ascii_lowercase();
        if name.starts_with(b"content-") {
            self.take_mime(&name, &field.value, &mut budgets.mime);
        } else if let Some(envelope) = &mut self.envelope {
            if let Some(facts) = &mut self.facts {
                facts.take(&name, &field.value, envelope);
            }
            take_envelope(envelope, &name, &field.value, &mut budgets.envelopes);
        }
    }

    fn take_mime(&mut self, name: &[u8], value: &[u8], budget: &mut Budget) {
        let mime = &mut self.mime;
        match name {
            b"content-type" if !self.has_content_type => {
                self.has_content_type = true;
                self.content_type = content_type(value, budget);
            }
            b"content-transfer-encoding" if mime.encoding.is_none() => {
                mime.encoding = budget.keep(single_token(value)).filter(|token| !token.is_empty());
            }
            b"content-id" => keep_first(&mut mime.id, value, budget),
            b"content-description" => keep_first(&mut mime.description, value, budget),
            b"content-disposition" if mime.disposition.is_none() => mime.disposition = disposition(value, budget),
            b"content-language" if mime.language.is_empty() => mime.language = languages(value, budget),
            b"content-location" => keep_first(&mut mime.location, value, budget),
            b"content-md5" => keep_first(&mut mime.md5, value, budget),
            _ => {}
        }
    }

    /// What the part becomes. In a digest a part without Content-Type is a message (RFC 2046 5.1.5). Where there is no
    /// `room` for parts inside, or a multipart names no boundary that can be read, it is text.
    pub(crate) fn settle(self, in_digest: bool, room: bool) -> Settled {
        let Self {
            mut mime,
            has_content_type,
            content_type,
            envelope,
            facts,
        } = self;
        let mut kind = PartKind::Text;
        let mut boundary = None;
        if let Some(read) = content_type {
            (mime.media_type, mime.subtype, mime.params) = (read.media_type, read.subtype, read.params);
            kind = kind_of(&mime);
            boundary = read.boundary.map(|boundary| boundary.trim_ascii_end().to_vec());
        } else if in_digest && !has_content_type {
            mime.media_type = RawText::from(&b"message"[..]);
            mime.subtype = RawText::from(&b"rfc822"[..]);
            kind = PartKind::Message;
        } else {
            become_text(&mut mime);
        }
        boundary = boundary.filter(|boundary| {
            kind == PartKind::Multipart && room && (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len())
        });
        let is_hollow = match kind {
            PartKind::Multipart => boundary.is_none(),
            PartKind::Message => !room,
            PartKind::Text | PartKind::Basic => false,
        };
        if is_hollow {
            kind = PartKind::Text;
            become_text(&mut mime);
        }
        Settled {
            kind,
            mime,
            envelope,
            facts,
            boundary,
        }
    }
}

fn kind_of(mime: &MimeFields) -> PartKind {
    if mime.media_type.eq_ignore_ascii_case(b"text") {
        PartKind::Text
    } else if mime.media_type.eq_ignore_ascii_case(b"multipart") {
        PartKind::Multipart
    } else if mime.media_type.eq_ignore_ascii_case(b"message") && mime.subtype.eq_ignore_ascii_case(b"rfc822") {
        PartKind::Message
    } else {
        PartKind::Basic
    }
}

/// The type that RFC 2045 5.2 gives to what has none.
pub(crate) fn become_text(mime: &mut MimeFields) {
    mime.media_type = RawText::from(&b"text"[..]);
    mime.subtype = RawText::from(&b"plain"[..]);
    let (name, value) = (RawText::from(&b"charset"[..]), RawText::from(&b"us-ascii"[..]));
    mime.params = vec![Param { name, value }];
}

impl MessageFacts {
    /// `envelope` shows which fields were there before.
    fn take(&mut self, name: &[u8], value: &[u8], envelope: &Envelope) {
        match name {
            b"date" if envelope.date.is_none() => self.sent = SentDate::parse(value),
            b"subject" if envelope.subject.is_none() => self.base_subject = base_subject(value),
            b"message-id" if envelope.message_id.is_none() => self.thread.message_id = message_id(value),
            b"in-reply-to" if envelope.in_reply_to.is_none() => self.thread.in_reply_to = in_reply_to(value),
            b"references" if self.thread.references.is_empty() => self.thread.references = references(value),
            _ => {}
        }
    }
}

fn take_envelope(envelope: &mut Envelope, name: &[u8], value: &[u8], budget: &mut Budget) {
    match name {
        b"date" => keep_first(&mut envelope.date, value, budget),
        b"subject" => keep_first(&mut envelope.subject, value, budget),
        b"from" => address_list(value, budget, &mut envelope.from),
        b"sender" => address_list(value, budget, &mut envelope.sender),
        b"reply-to" => address_list(value, budget, &mut envelope.reply_to),
        b"to" => address_list(value, budget, &mut envelope.to),
        b"cc" => address_list(value, budget, &mut envelope.cc),
        b"bcc" => address_list(value, budget, &mut envelope.bcc),
        b"in-reply-to" => keep_first(&mut envelope.in_reply_to, value, budget),
        b"message-id" => keep_first(&mut envelope.message_id, value, budget),
        _ => {}
    }
}

fn keep_first(place: &mut Option<RawText>, value: &[u8], budget: &mut Budget) {
    if place.is_none() {
        *place = budget.keep(value.trim_ascii());
    }
}
