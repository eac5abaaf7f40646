//! UID EXPUNGE (RFC 4315 2.1); the plain EXPUNGE has no arguments.

use crate::refusal::Parse;
use crate::syntax::{Cursor, SequenceSet, read_sequence_set};

pub(super) fn read_uid(cursor: &mut Cursor<'_>) -> Parse<SequenceSet> {
    read_sequence_set(cursor)
}

#[cfg(test)]
mod tests {
    use super::super::{Command, read_for_test};

    #[test]
    fn only_the_uid_form_has_a_set() {
        let Ok(Command::UidExpunge(set)) = read_for_test("UID EXPUNGE 3000:3002") else {
            panic!()
        };
        assert!(set.resolve(4_000).contains(3_001));
        assert_eq!(read_for_test("EXPUNGE"), Ok(Command::Expunge));
        for text in ["UID EXPUNGE", "UID EXPUNGE ", "EXPUNGE 1", "UID EXPUNGE x"] {
            assert!(read_for_test(text).is_err(), "{text}");
        }
    }
}
