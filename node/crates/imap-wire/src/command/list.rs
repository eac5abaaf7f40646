//! LIST and LSUB (RFC 3501 6.3.8, 6.3.9).
//!
//! The reference is simply put before the pattern: with one hierarchy there is no other meaning that a user could
//! want.

use crate::limits::PATTERN_BYTES_MAX;
use crate::refusal::{Parse, Refusal};
use crate::response::Code;
use crate::syntax::{Cursor, ListPattern, decode_mutf7, is_list_char};

/// The arguments of LIST or LSUB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListCommand {
    /// What is asked for.
    pub target: ListTarget,
}

/// What LIST asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListTarget {
    /// An empty pattern: the separator, and the root of the reference.
    Separator,
    /// The mailboxes whose names match.
    Matching(ListPattern),
}

pub(super) fn read(cursor: &mut Cursor<'_>) -> Parse<ListCommand> {
    let reference = decode(&cursor.astring("a reference")?)?;
    cursor.space()?;
    let pattern = decode(&cursor.string_or("a pattern", is_list_char)?)?;
    if pattern.is_empty() {
        let target = ListTarget::Separator;
        return Ok(ListCommand { target });
    }
    let pattern = ListPattern::new(&format!("{reference}{pattern}"))
        .ok_or_else(|| Refusal::no(Code::Limit, format!("a pattern has at most {PATTERN_BYTES_MAX} octets")))?;
    Ok(ListCommand {
        target: ListTarget::Matching(pattern),
    })
}

fn decode(wire: &[u8]) -> Parse<String> {
    decode_mutf7(wire).map_err(|error| Refusal::no(Code::Cannot, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::{Command, read_for_test};
    use super::*;

    #[test]
    fn reference_and_pattern_are_one() {
        let Ok(Command::List(list)) = read_for_test("LIST Entw&APw-rfe/ %]*") else {
            panic!("a list")
        };
        assert_eq!(
            list.target,
            ListTarget::Matching(ListPattern::new("Entw\u{fc}rfe/%]*").unwrap())
        );
        let Ok(Command::Lsub(list)) = read_for_test("LSUB \"\" \"*\"") else {
            panic!("an lsub")
        };
        assert_eq!(list.target, ListTarget::Matching(ListPattern::new("*").unwrap()));
    }

    #[test]
    fn an_empty_pattern_asks_for_the_separator() {
        let Ok(Command::List(list)) = read_for_test("LIST \"a\" \"\"") else {
            panic!("a list")
        };
        assert_eq!(list.target, ListTarget::Separator);
    }

    #[test]
    fn broken_patterns_are_refused() {
        for text in [
            "LIST \"\"",
            "LIST \"\" (",
            "LIST \"\" &AGE-",
            "LIST * *",
            "LIST \"\" * x",
        ] {
            assert!(read_for_test(text).is_err(), "{text}");
        }
        let long = "x".repeat(PATTERN_BYTES_MAX + 1);
        assert_eq!(
            read_for_test(&format!("LIST \"\" {long}")).unwrap_err().code,
            Some(Code::Limit)
        );
    }
}
