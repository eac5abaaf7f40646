//! ID (RFC 2971).

use crate::limits::{ID_FIELD_BYTES_MAX, ID_PAIRS_MAX, ID_VALUE_BYTES_MAX};
use crate::refusal::{Parse, Refusal};
use crate::syntax::Cursor;

/// What a client says about itself; empty for `NIL`. For the trace, never for decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdPairs(pub Vec<(String, Option<String>)>);

pub(super) fn read(cursor: &mut Cursor<'_>) -> Parse<IdPairs> {
    if cursor.eat_word("NIL") {
        return Ok(IdPairs::default());
    }
    cursor.expect(b'(')?;
    let mut pairs = Vec::new();
    while !cursor.eat(b')') {
        if !pairs.is_empty() {
            cursor.space()?;
        }
        if pairs.len() == ID_PAIRS_MAX {
            return Err(Refusal::bad(format!("ID has at most {ID_PAIRS_MAX} fields")));
        }
        let field = cursor.string("a field")?;
        cursor.space()?;
        let value = cursor.nstring("a value")?;
        let is_long = value.as_ref().is_some_and(|value| value.len() > ID_VALUE_BYTES_MAX);
        if field.len() > ID_FIELD_BYTES_MAX || is_long {
            return Err(Refusal::bad("a field or value of ID is too long"));
        }
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        pairs.push((text(&field), value.as_deref().map(text)));
    }
    Ok(IdPairs(pairs))
}

#[cfg(test)]
mod tests {
    use super::super::{Command, read_for_test};
    use super::*;

    #[test]
    fn pairs_are_read() {
        let Ok(Command::Id(pairs)) = read_for_test("ID (\"name\" \"x\" \"os\" NIL)") else {
            panic!()
        };
        assert_eq!(
            pairs.0,
            [("name".to_owned(), Some("x".to_owned())), ("os".to_owned(), None)]
        );
        for text in ["ID NIL", "id ()"] {
            assert_eq!(read_for_test(text), Ok(Command::Id(IdPairs::default())));
        }
    }

    #[test]
    fn too_much_or_half_is_refused() {
        for text in [
            "ID",
            "ID (\"name\")",
            "ID (\"name\" )",
            "ID (name x)",
            "ID (\"a\" \"b\"",
        ] {
            assert!(read_for_test(text).is_err(), "{text}");
        }
        assert!(read_for_test(&format!("ID ({})", vec!["\"a\" NIL"; ID_PAIRS_MAX + 1].join(" "))).is_err());
        assert!(read_for_test(&format!("ID (\"{}\" NIL)", "a".repeat(ID_FIELD_BYTES_MAX + 1))).is_err());
    }
}
