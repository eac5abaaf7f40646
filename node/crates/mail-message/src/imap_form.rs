//! ENVELOPE, BODY and BODYSTRUCTURE as IMAP shows them (RFC 3501 7.4.2, grammar in section 9).
//!
//! The forms are not part of the stored record: writing them from it takes about as long as copying them, while stored
//! forms would make every row several times as large, and could contradict the fields they were made from.
//!
//! Invariants: a string is quoted where it may be, and a literal where it holds 8-bit bytes or line ends. NUL, which
//! neither can carry (`CHAR8`), becomes a question mark. Recursion is bounded by the depth of a legal structure; one
//! that is not legal ends early.

use crate::limits::NEST_MAX;
use crate::params::Param;
use crate::part::{Envelope, EnvelopeAddress, MimeFields, Part, PartKind, RawText, Structure};

/// Longest quoted string written: above it a literal is easier on clients with a bounded line.
const QUOTED_BYTES_MAX: usize = 1 << 10;

/// Appends a string: quoted or literal.
pub fn append_string(bytes: &[u8], out: &mut Vec<u8>) {
    let quotable = |byte: &u8| byte.is_ascii() && !matches!(byte, 0 | b'\r' | b'\n');
    if bytes.len() <= QUOTED_BYTES_MAX && bytes.iter().all(quotable) {
        out.push(b'"');
        for byte in bytes {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        out.push(b'"');
        return;
    }
    out.extend_from_slice(format!("{{{}}}\r\n", bytes.len()).as_bytes());
    out.extend(bytes.iter().map(|byte| if *byte == 0 { b'?' } else { *byte }));
}

/// Appends a string or NIL.
pub fn append_nstring(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => append_string(bytes, out),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Appends the `envelope` of RFC 3501.
pub fn append_envelope(envelope: &Envelope, out: &mut Vec<u8>) {
    out.push(b'(');
    append_nstring(envelope.date.as_deref(), out);
    out.push(b' ');
    append_nstring(envelope.subject.as_deref(), out);
    // RFC 3501: the server puts From for a missing Sender and Reply-To.
    let or_from = |list| {
        if <[EnvelopeAddress]>::is_empty(list) {
            &envelope.from
        } else {
            list
        }
    };
    let (sender, reply_to) = (or_from(&envelope.sender), or_from(&envelope.reply_to));
    for list in [
        &envelope.from,
        sender,
        reply_to,
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ] {
        out.push(b' ');
        append_addresses(list, out);
    }
    out.push(b' ');
    append_nstring(envelope.in_reply_to.as_deref(), out);
    out.push(b' ');
    append_nstring(envelope.message_id.as_deref(), out);
    out.push(b')');
}

fn append_addresses(list: &[EnvelopeAddress], out: &mut Vec<u8>) {
    if list.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for EnvelopeAddress {
        name,
        adl,
        mailbox,
        host,
    } in list
    {
        for (before, value) in [(b'(', name), (b' ', adl), (b' ', mailbox), (b' ', host)] {
            out.push(before);
            append_nstring(value.as_deref(), out);
        }
        out.push(b')');
    }
    out.push(b')');
}

/// Appends the `body` of RFC 3501 without extension data: FETCH BODY.
pub fn append_body(structure: &Structure, out: &mut Vec<u8>) {
    append_part(structure, 0, 0, false, out);
}

/// Appends the `body` of RFC 3501 with extension data: FETCH BODYSTRUCTURE.
pub fn append_body_structure(structure: &Structure, out: &mut Vec<u8>) {
    append_part(structure, 0, 0, true, out);
}

fn append_part(structure: &Structure, index: usize, depth: usize, extended: bool, out: &mut Vec<u8>) {
    let Some(part) = structure.parts.get(index).filter(|_| depth < NEST_MAX) else {
        return out.extend_from_slice(b"NIL");
    };
    out.push(b'(');
    if part.kind == PartKind::Multipart {
        for child in structure.children(index) {
            append_part(structure, child, depth + 1, extended, out);
        }
        out.push(b' ');
        append_string(&part.mime.subtype, out);
        if extended {
            out.push(b' ');
            append_params(&part.mime.params, out);
        }
    } else {
        append_fields(part, out);
        match part.kind {
            PartKind::Message => {
                append_message_inside(structure, index, depth, extended, out);
                append_number(part.body_lines, out);
            }
            PartKind::Text => append_number(part.body_lines, out),
            PartKind::Basic | PartKind::Multipart => {}
        }
        if extended {
            out.push(b' ');
            append_nstring(part.mime.md5.as_deref(), out);
        }
    }
    if extended {
        append_extension(&part.mime, out);
    }
    out.push(b')');
}

fn append_message_inside(structure: &Structure, index: usize, depth: usize, extended: bool, out: &mut Vec<u8>) {
    let inside = structure.children(index).next();
    let envelope = inside.and_then(|child| structure.parts.get(child)?.envelope.as_deref());
    out.push(b' ');
    match envelope {
        Some(envelope) => append_envelope(envelope, out),
        None => append_envelope(&Envelope::default(), out),
    }
    out.push(b' ');
    append_part(structure, inside.unwrap_or(usize::MAX), depth + 1, extended, out);
}

/// Type, `body-fields`.
fn append_fields(part: &Part, out: &mut Vec<u8>) {
    let mime = &part.mime;
    append_string(&mime.media_type, out);
    out.push(b' ');
    append_string(&mime.subtype, out);
    out.push(b' ');
    append_params(&mime.params, out);
    for value in [&mime.id, &mime.description] {
        out.push(b' ');
        append_nstring(value.as_deref(), out);
    }
    out.push(b' ');
    append_string(mime.encoding.as_deref().unwrap_or(b"7BIT"), out);
    append_number(part.body_end.saturating_sub(part.body_start), out);
}

fn append_number(number: u64, out: &mut Vec<u8>) {
    // `number` of RFC 3501 has 32 bits.
    out.extend_from_slice(format!(" {}", number.min(u64::from(u32::MAX))).as_bytes());
}

fn append_params(params: &[Param], out: &mut Vec<u8>) {
    if params.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    let mut before = b'(';
    for value in params.iter().flat_map(|param| [&param.name, &param.value]) {
        out.push(before);
        append_string(value, out);
        before = b' ';
    }
    out.push(b')');
}

/// Disposition, language, location.
fn append_extension(mime: &MimeFields, out: &mut Vec<u8>) {
    out.push(b' ');
    match &mime.disposition {
        Some(disposition) => {
            out.push(b'(');
            append_string(&disposition.kind, out);
            out.push(b' ');
            append_params(&disposition.params, out);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    append_languages(&mime.language, out);
    out.push(b' ');
    append_nstring(mime.location.as_deref(), out);
}

fn append_languages(languages: &[RawText], out: &mut Vec<u8>) {
    if languages.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    let mut before = b'(';
    for language in languages {
        out.push(before);
        append_string(language, out);
        before = b' ';
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_where_they_may_be() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"", b"\"\""),
            (b"a b", b"\"a b\""),
            (b"a\"b\\c", b"\"a\\\"b\\\\c\""),
            (b"caf\xe9", b"{4}\r\ncaf\xe9"),
            (b"a\r\nb", b"{4}\r\na\r\nb"),
            (b"a\0b", b"{3}\r\na?b"),
        ];
        for (bytes, form) in cases {
            let mut out = Vec::new();
            append_string(bytes, &mut out);
            assert_eq!(out.escape_ascii().to_string(), form.escape_ascii().to_string());
        }
        let mut out = Vec::new();
        append_nstring(None, &mut out);
        assert_eq!(out, b"NIL");
    }
}
