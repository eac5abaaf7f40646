//! STORE (RFC 3501 6.4.6).

use mail_model::FlagSet;

use super::Numbering;
use crate::refusal::Parse;
use crate::syntax::{Cursor, SequenceSet, read_flag_list, read_flags, read_sequence_set};

/// The arguments of STORE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// What the numbers are.
    pub numbering: Numbering,
    /// Which messages.
    pub set: SequenceSet,
    /// What is done with `flags`.
    pub action: StoreAction,
    /// Whether the untagged FETCH is left out.
    pub silent: bool,
    /// The flags, without `\Recent`.
    pub flags: FlagSet,
}

/// What STORE does with its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreAction {
    /// `FLAGS`: they replace the others.
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

pub(super) fn read(cursor: &mut Cursor<'_>, numbering: Numbering) -> Parse<Store> {
    let set = read_sequence_set(cursor)?;
    cursor.space()?;
    let action = if cursor.eat(b'+') {
        StoreAction::Add
    } else if cursor.eat(b'-') {
        StoreAction::Remove
    } else {
        StoreAction::Replace
    };
    if !cursor.eat_word("FLAGS") {
        return Err(cursor.unexpected("FLAGS, +FLAGS or -FLAGS"));
    }
    let silent = cursor.eat_word(".SILENT");
    cursor.space()?;
    let flags = match cursor.peek() {
        Some(b'(') => read_flag_list(cursor)?,
        _ => read_flags(cursor)?,
    };
    Ok(Store {
        numbering,
        set,
        action,
        silent,
        flags,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Command, read_for_test};
    use super::*;
    use mail_model::SystemFlags;

    #[test]
    fn every_form_of_flags_is_read() {
        let cases = [
            ("STORE 1 FLAGS (\\Seen)", StoreAction::Replace, false),
            ("STORE 1 +flags.silent \\seen", StoreAction::Add, true),
            ("UID STORE 1:* -FLAGS (\\Seen)", StoreAction::Remove, false),
        ];
        for (text, action, silent) in cases {
            let Ok(Command::Store(store)) = read_for_test(text) else {
                panic!("{text}")
            };
            assert_eq!((store.action, store.silent), (action, silent), "{text}");
            assert_eq!(store.flags, SystemFlags::SEEN.into());
        }
        let Ok(Command::Store(store)) = read_for_test("STORE 1 FLAGS a b") else {
            panic!()
        };
        assert_eq!(store.flags.keywords.len(), 2);
    }

    #[test]
    fn broken_stores_are_refused() {
        for text in [
            "STORE 1 FLAGS",
            "STORE 1 FLAGS ",
            "STORE 1 ++FLAGS a",
            "STORE 1 FLAGS.LOUD a",
            "STORE FLAGS a",
            "STORE 1 FLAGS (a) b",
        ] {
            assert!(read_for_test(text).is_err(), "{text}");
        }
    }
}
