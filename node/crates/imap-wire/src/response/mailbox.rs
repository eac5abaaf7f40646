//! Untagged data about a mailbox (RFC 3501 7.2.4 to 7.3.2, 7.4.1).

use bytes::{BufMut as _, BytesMut};
use mail_model::{FlagSet, MailboxName, SeqNum};

use super::string::write_mailbox;
use super::{put, put_flag_list, put_number};
use crate::command::StatusItem;

/// Appends FLAGS: the flags that messages of the mailbox can have.
pub fn write_flags(out: &mut BytesMut, flags: &FlagSet) {
    out.put_slice(b"* FLAGS ");
    put_flag_list(out, flags, None);
    out.put_slice(b"\r\n");
}

/// Appends EXISTS.
pub fn write_exists(out: &mut BytesMut, messages: u32) {
    put(out, format_args!("* {messages} EXISTS\r\n"));
}

/// Appends RECENT.
pub fn write_recent(out: &mut BytesMut, messages: u32) {
    put(out, format_args!("* {messages} RECENT\r\n"));
}

/// Appends EXPUNGE; all higher numbers go down by one with it.
pub fn write_expunge(out: &mut BytesMut, number: SeqNum) {
    put(out, format_args!("* {number} EXPUNGE\r\n"));
}

/// Appends SEARCH with what was found.
pub fn write_search(out: &mut BytesMut, numbers: impl IntoIterator<Item = u32>) {
    out.put_slice(b"* SEARCH");
    for number in numbers {
        out.put_u8(b' ');
        put_number(out, number);
    }
    out.put_slice(b"\r\n");
}

/// Appends STATUS with its items and their numbers.
pub fn write_status(out: &mut BytesMut, name: &MailboxName, items: &[(StatusItem, u64)]) {
    out.put_slice(b"* STATUS ");
    write_mailbox(out, name);
    out.put_slice(b" (");
    for (at, (item, number)) in items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b' ');
        }
        put(out, format_args!("{} {number}", item.name()));
    }
    out.put_slice(b")\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;
    use mail_model::SystemFlags;

    #[test]
    fn data_of_a_mailbox_has_its_form() {
        let name = MailboxName::new("a b").unwrap();
        let items = [(StatusItem::Messages, 231), (StatusItem::UidNext, 44_292)];
        let cases = [
            (
                written(|out| write_flags(out, &SystemFlags::SEEN.into())),
                "* FLAGS (\\Seen)\r\n",
            ),
            (written(|out| write_exists(out, 23)), "* 23 EXISTS\r\n"),
            (written(|out| write_recent(out, 0)), "* 0 RECENT\r\n"),
            (written(|out| write_expunge(out, SeqNum::MIN)), "* 1 EXPUNGE\r\n"),
            (written(|out| write_search(out, [2, 84, 882])), "* SEARCH 2 84 882\r\n"),
            (written(|out| write_search(out, [])), "* SEARCH\r\n"),
            (
                written(|out| write_status(out, &name, &items)),
                "* STATUS \"a b\" (MESSAGES 231 UIDNEXT 44292)\r\n",
            ),
        ];
        for (reply, expected) in cases {
            assert_eq!(reply, expected);
        }
    }
}
