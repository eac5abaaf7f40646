//! COPY (RFC 3501 6.4.7) and MOVE (RFC 6851), which differ in nothing but their name.

use mail_model::MailboxName;

use super::Numbering;
use crate::refusal::Parse;
use crate::syntax::{Cursor, Naming, SequenceSet, read_mailbox, read_sequence_set};

/// The arguments of COPY or MOVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyCommand {
    /// What the numbers are.
    pub numbering: Numbering,
    /// Which messages.
    pub set: SequenceSet,
    /// Where to.
    pub mailbox: MailboxName,
}

pub(super) fn read(cursor: &mut Cursor<'_>, numbering: Numbering) -> Parse<CopyCommand> {
    let set = read_sequence_set(cursor)?;
    cursor.space()?;
    let mailbox = read_mailbox(cursor, Naming::New)?;
    Ok(CopyCommand {
        numbering,
        set,
        mailbox,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Command, read_for_test};
    use super::*;

    #[test]
    fn copy_and_move_come_with_and_without_uid() {
        let Ok(Command::Copy(copy)) = read_for_test("COPY 2:4 Archive") else {
            panic!()
        };
        assert_eq!(
            (copy.numbering, copy.mailbox.as_str()),
            (Numbering::Sequence, "Archive")
        );
        let Ok(Command::Move(moved)) = read_for_test("uid move 7 {7}\r\nArchive") else {
            panic!()
        };
        assert_eq!((moved.numbering, moved.mailbox.as_str()), (Numbering::Uid, "Archive"));
        for text in ["COPY", "COPY 1", "COPY x Archive", "MOVE 1 a b", "UID COPY 1"] {
            assert!(read_for_test(text).is_err(), "{text}");
        }
    }
}
