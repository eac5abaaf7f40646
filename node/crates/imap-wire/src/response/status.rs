//! Status replies, greeting, BYE and continuation (RFC 3501 7.1, 7.5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, BytesMut};

use super::code::Code;
use super::put;
use crate::refusal::{RefusalKind, Rejected};
use crate::tag::Tag;

/// How a command ended, or how serious an untagged text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// OK
    Ok,
    /// NO
    No,
    /// BAD
    Bad,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
        }
    }
}

impl From<RefusalKind> for Status {
    fn from(kind: RefusalKind) -> Self {
        match kind {
            RefusalKind::No => Self::No,
            RefusalKind::Bad => Self::Bad,
        }
    }
}

/// Appends the reply that ends the command of `tag`.
pub fn write_tagged(out: &mut BytesMut, tag: &Tag, status: Status, code: Option<&Code<'_>>, text: &str) {
    put(out, format_args!("{tag} {}", status.name()));
    end_with_text(out, code, text);
}

/// Appends an untagged status.
pub fn write_untagged(out: &mut BytesMut, status: Status, code: Option<&Code<'_>>, text: &str) {
    put(out, format_args!("* {}", status.name()));
    end_with_text(out, code, text);
}

/// Appends the reply to a refused command; untagged when it had no tag.
pub fn write_rejected(out: &mut BytesMut, rejected: &Rejected) {
    let refusal = &rejected.refusal;
    let (status, code) = (refusal.kind.into(), refusal.code.as_ref());
    match &rejected.tag {
        Some(tag) => write_tagged(out, tag, status, code, &refusal.text),
        None => write_untagged(out, status, code, &refusal.text),
    }
}

/// Appends BYE, after which the connection is closed.
pub fn write_bye(out: &mut BytesMut, code: Option<&Code<'_>>, text: &str) {
    out.put_slice(b"* BYE");
    end_with_text(out, code, text);
}

/// Appends the greeting of a connection on which nobody has logged in yet.
pub fn write_greeting(out: &mut BytesMut, code: Option<&Code<'_>>, text: &str) {
    write_untagged(out, Status::Ok, code, text);
}

/// Appends the continuation that a literal or IDLE waits for.
pub fn write_continuation(out: &mut BytesMut, text: &str) {
    out.put_slice(b"+");
    end_with_text(out, None, text);
}

/// Appends a challenge of AUTHENTICATE, in base64; an empty one is a plus and a space.
pub fn write_challenge(out: &mut BytesMut, challenge: &[u8]) {
    put(out, format_args!("+ {}\r\n", STANDARD.encode(challenge)));
}

/// `SP resp-text CRLF`. The text is printable ASCII, not empty, and not to be taken for a code.
fn end_with_text(out: &mut BytesMut, code: Option<&Code<'_>>, text: &str) {
    out.put_u8(b' ');
    if let Some(code) = code {
        code.write(out);
        out.put_u8(b' ');
    }
    if text.is_empty() || (code.is_none() && text.starts_with('[')) {
        out.put_u8(b'.');
    }
    let printable = |c: char| match c {
        ' '..='~' => u8::try_from(c).unwrap_or(b'?'),
        _ if c.is_control() => b' ',
        _ => b'?',
    };
    out.extend(text.chars().map(printable));
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;
    use crate::refusal::Refusal;

    #[test]
    fn status_replies_have_their_form() {
        let tag = Tag::new(b"a1").unwrap();
        let cases = [
            (
                written(|out| write_tagged(out, &tag, Status::Ok, Some(&Code::ReadWrite), "done")),
                "a1 OK [READ-WRITE] done\r\n",
            ),
            (
                written(|out| write_untagged(out, Status::No, None, "full")),
                "* NO full\r\n",
            ),
            (
                written(|out| write_bye(out, Some(&Code::Unavailable), "later")),
                "* BYE [UNAVAILABLE] later\r\n",
            ),
            (written(|out| write_greeting(out, None, "ready")), "* OK ready\r\n"),
            (written(|out| write_continuation(out, "idling")), "+ idling\r\n"),
            (written(|out| write_challenge(out, b"Username:")), "+ VXNlcm5hbWU6\r\n"),
            (written(|out| write_challenge(out, b"")), "+ \r\n"),
            (
                written(|out| write_rejected(out, &Refusal::bad("what").of(None))),
                "* BAD what\r\n",
            ),
            (
                written(|out| write_rejected(out, &Refusal::no(Code::Cannot, "never").of(Some(tag.clone())))),
                "a1 NO [CANNOT] never\r\n",
            ),
        ];
        for (reply, expected) in cases {
            assert_eq!(reply, expected);
        }
    }

    #[test]
    fn a_text_cannot_forge_a_reply() {
        assert_eq!(
            written(|out| write_continuation(out, "x\r\na1 OK \u{e9}")),
            "+ x  a1 OK ?\r\n"
        );
        assert_eq!(
            written(|out| write_untagged(out, Status::Ok, None, "[ALERT] boo")),
            "* OK .[ALERT] boo\r\n"
        );
        assert_eq!(written(|out| write_untagged(out, Status::Ok, None, "")), "* OK .\r\n");
    }
}
