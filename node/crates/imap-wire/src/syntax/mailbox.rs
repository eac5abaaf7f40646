//! Mailbox names as arguments (RFC 3501 5.1, DESIGN M6).

use mail_model::{InvalidName, MailboxName};

use super::cursor::Cursor;
use super::mutf7::decode_mutf7;
use crate::refusal::{Parse, Refusal};
use crate::response::Code;

/// What the name is for. Decides the reply when it can never name a mailbox (RFC 5530).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// A mailbox that should be there: `NO [NONEXISTENT]`.
    Existing,
    /// A mailbox to be made, or into which messages go: `NO [CANNOT]`, not TRYCREATE, since CREATE would fail too.
    New,
}

/// `mailbox`
pub(crate) fn read_mailbox(cursor: &mut Cursor<'_>, naming: Naming) -> Parse<MailboxName> {
    let wire = cursor.astring("a mailbox name")?;
    let code = match naming {
        Naming::Existing => Code::NonExistent,
        Naming::New => Code::Cannot,
    };
    let text = decode_mutf7(&wire).map_err(|error| Refusal::no(code.clone(), error.to_string()))?;
    MailboxName::new(&text).map_err(|error: InvalidName| Refusal::no(code, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::RefusalKind;

    #[test]
    fn a_name_comes_decoded() {
        let name = read_mailbox(&mut Cursor::new(b"inbox/Entw&APw-rfe"), Naming::New).unwrap();
        assert_eq!(name.as_str(), "INBOX/Entw\u{fc}rfe");
    }

    #[test]
    fn a_name_that_no_mailbox_can_have_gets_no() {
        for (wire, naming, code) in [
            ("\"a*\"", Naming::New, Code::Cannot),
            ("\"a*\"", Naming::Existing, Code::NonExistent),
            ("\"\"", Naming::Existing, Code::NonExistent),
            ("&AGE-", Naming::New, Code::Cannot),
            ("Shared/x", Naming::New, Code::Cannot),
        ] {
            let refusal = read_mailbox(&mut Cursor::new(wire.as_bytes()), naming).unwrap_err();
            assert_eq!((refusal.kind, refusal.code), (RefusalKind::No, Some(code)), "{wire}");
        }
    }
}
