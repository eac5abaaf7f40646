//! RENAME (RFC 3501 6.3.5).

use mail_model::MailboxName;

use crate::refusal::Parse;
use crate::syntax::{Cursor, Naming, read_mailbox};

/// The arguments of RENAME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The name it has.
    pub from: MailboxName,
    /// The name it gets.
    pub to: MailboxName,
}

pub(super) fn read(cursor: &mut Cursor<'_>) -> Parse<Rename> {
    let from = read_mailbox(cursor, Naming::Existing)?;
    cursor.space()?;
    let to = read_mailbox(cursor, Naming::New)?;
    Ok(Rename { from, to })
}

#[cfg(test)]
mod tests {
    use super::super::read_for_test;
    use crate::response::Code;

    #[test]
    fn each_of_the_two_names_has_its_own_refusal() {
        assert!(read_for_test("RENAME a/b \"c d\"").is_ok());
        assert_eq!(
            read_for_test("RENAME \"a%\" b").unwrap_err().code,
            Some(Code::NonExistent)
        );
        assert_eq!(read_for_test("RENAME a \"b%\"").unwrap_err().code, Some(Code::Cannot));
        assert!(read_for_test("RENAME a").is_err());
    }
}
