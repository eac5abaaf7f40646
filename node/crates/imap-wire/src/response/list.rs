//! LIST and LSUB (RFC 3501 7.2.2, 7.2.3; CHILDREN, RFC 3348; SPECIAL-USE, RFC 6154).

use bytes::{BufMut as _, BytesMut};
use mail_model::{MailboxName, SEPARATOR, SpecialUse};

use super::put;
use super::string::write_mailbox;

/// An attribute of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListAttribute {
    /// No mailbox can be below it.
    NoInferiors,
    /// It is a level of the hierarchy, not a mailbox.
    NoSelect,
    /// It may have new messages.
    Marked,
    /// It has none.
    Unmarked,
    /// Mailboxes are below it.
    HasChildren,
    /// None is.
    HasNoChildren,
    /// What it is for.
    SpecialUse(SpecialUse),
}

impl ListAttribute {
    const fn name(self) -> &'static str {
        match self {
            Self::NoInferiors => "\\Noinferiors",
            Self::NoSelect => "\\Noselect",
            Self::Marked => "\\Marked",
            Self::Unmarked => "\\Unmarked",
            Self::HasChildren => "\\HasChildren",
            Self::HasNoChildren => "\\HasNoChildren",
            Self::SpecialUse(special) => special.attribute(),
        }
    }
}

/// Appends a LIST.
pub fn write_list(out: &mut BytesMut, attributes: &[ListAttribute], name: &MailboxName) {
    put_head(out, "LIST", attributes);
    write_mailbox(out, name);
    out.put_slice(b"\r\n");
}

/// Appends an LSUB.
pub fn write_lsub(out: &mut BytesMut, attributes: &[ListAttribute], name: &MailboxName) {
    put_head(out, "LSUB", attributes);
    write_mailbox(out, name);
    out.put_slice(b"\r\n");
}

/// Appends the answer to a LIST with an empty pattern: the separator, and a root that is empty.
pub fn write_separator(out: &mut BytesMut) {
    put_head(out, "LIST", &[ListAttribute::NoSelect]);
    out.put_slice(b"\"\"\r\n");
}

fn put_head(out: &mut BytesMut, verb: &str, attributes: &[ListAttribute]) {
    put(out, format_args!("* {verb} ("));
    for (at, attribute) in attributes.iter().enumerate() {
        if at > 0 {
            out.put_u8(b' ');
        }
        out.put_slice(attribute.name().as_bytes());
    }
    put(out, format_args!(") \"{SEPARATOR}\" "));
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    #[test]
    fn names_are_listed_with_their_attributes() {
        let name = MailboxName::new("Sent").unwrap();
        let attributes = [
            ListAttribute::HasNoChildren,
            ListAttribute::SpecialUse(SpecialUse::Sent),
        ];
        assert_eq!(
            written(|out| write_list(out, &attributes, &name)),
            "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n"
        );
        assert_eq!(
            written(|out| write_lsub(out, &[ListAttribute::NoSelect], &name)),
            "* LSUB (\\Noselect) \"/\" Sent\r\n"
        );
        assert_eq!(
            written(|out| write_list(out, &[], &MailboxName::inbox())),
            "* LIST () \"/\" INBOX\r\n"
        );
        assert_eq!(written(write_separator), "* LIST (\\Noselect) \"/\" \"\"\r\n");
    }
}
