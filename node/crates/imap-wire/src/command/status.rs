//! STATUS (RFC 3501 6.3.10).

use mail_model::MailboxName;

use crate::refusal::Parse;
use crate::syntax::{Cursor, Naming, read_mailbox};

/// The arguments of STATUS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCommand {
    /// Of which mailbox.
    pub mailbox: MailboxName,
    /// What is asked for, each once, at least one.
    pub items: Vec<StatusItem>,
}

/// One number of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusItem {
    /// MESSAGES
    Messages,
    /// RECENT
    Recent,
    /// UIDNEXT
    UidNext,
    /// UIDVALIDITY
    UidValidity,
    /// UNSEEN
    Unseen,
}

impl StatusItem {
    /// Every item.
    pub const ALL: [Self; 5] = [
        Self::Messages,
        Self::Recent,
        Self::UidNext,
        Self::UidValidity,
        Self::Unseen,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "MESSAGES",
            Self::Recent => "RECENT",
            Self::UidNext => "UIDNEXT",
            Self::UidValidity => "UIDVALIDITY",
            Self::Unseen => "UNSEEN",
        }
    }
}

pub(super) fn read(cursor: &mut Cursor<'_>) -> Parse<StatusCommand> {
    let mailbox = read_mailbox(cursor, Naming::Existing)?;
    cursor.space()?;
    cursor.expect(b'(')?;
    let mut items = Vec::new();
    loop {
        let start = cursor.clone();
        let name = cursor.atom("a status item")?;
        let item = StatusItem::ALL
            .into_iter()
            .find(|item| item.name().eq_ignore_ascii_case(name));
        let item = item.ok_or_else(|| start.unexpected("MESSAGES, RECENT, UIDNEXT, UIDVALIDITY or UNSEEN"))?;
        if !items.contains(&item) {
            items.push(item);
        }
        if !cursor.eat(b' ') {
            break;
        }
    }
    cursor.expect(b')')?;
    Ok(StatusCommand { mailbox, items })
}

#[cfg(test)]
mod tests {
    use super::super::{Command, read_for_test};
    use super::*;

    #[test]
    fn items_come_once_and_in_order() {
        let Ok(Command::Status(status)) = read_for_test("STATUS inbox (UNSEEN messages UNSEEN)") else {
            panic!()
        };
        assert!(status.mailbox.is_inbox());
        assert_eq!(status.items, [StatusItem::Unseen, StatusItem::Messages]);
    }

    #[test]
    fn broken_items_are_refused() {
        for text in [
            "STATUS a",
            "STATUS a ()",
            "STATUS a MESSAGES",
            "STATUS a (SIZE)",
            "STATUS a (MESSAGES",
            "STATUS a (MESSAGES )",
        ] {
            assert!(read_for_test(text).is_err(), "{text}");
        }
    }
}
