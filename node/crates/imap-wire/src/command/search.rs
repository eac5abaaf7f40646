//! SEARCH (RFC 3501 6.4.4): charset and the keys, all of which have to hold.

use super::Numbering;
use super::search_key::{KeyReader, SearchKey};
use crate::refusal::{Parse, Refusal};
use crate::response::Code;
use crate::syntax::Cursor;

/// The arguments of SEARCH.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// What the answer counts in.
    pub numbering: Numbering,
    /// What has to hold.
    pub key: SearchKey,
}

pub(super) fn read(cursor: &mut Cursor<'_>, numbering: Numbering) -> Parse<Search> {
    if cursor.eat_word("CHARSET ") {
        read_charset(cursor)?;
        cursor.space()?;
    }
    let key = KeyReader::default().read_all(cursor, 0)?;
    Ok(Search { numbering, key })
}

/// Search strings are taken as UTF-8 in any case, of which US-ASCII is a part.
fn read_charset(cursor: &mut Cursor<'_>) -> Parse<()> {
    let charset = cursor.astring("a charset")?;
    if charset.eq_ignore_ascii_case(b"US-ASCII") || charset.eq_ignore_ascii_case(b"UTF-8") {
        return Ok(());
    }
    Err(Refusal::no(Code::BadCharset, "search strings are US-ASCII or UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::super::{Command, read_for_test};
    use super::*;
    use crate::refusal::RefusalKind;

    #[test]
    fn charsets_other_than_two_are_refused_with_their_names() {
        for text in [
            "SEARCH CHARSET utf-8 ALL",
            "UID SEARCH CHARSET \"US-ASCII\" ALL",
            "SEARCH ALL",
        ] {
            assert!(
                matches!(read_for_test(text), Ok(Command::Search(search)) if search.key == SearchKey::All),
                "{text}"
            );
        }
        let refusal = read_for_test("SEARCH CHARSET ISO-8859-1 TEXT {1}\r\nx").unwrap_err();
        assert_eq!((refusal.kind, refusal.code), (RefusalKind::No, Some(Code::BadCharset)));
    }

    #[test]
    fn a_search_has_a_key() {
        for text in [
            "SEARCH",
            "SEARCH ",
            "SEARCH CHARSET UTF-8",
            "SEARCH CHARSET UTF-8 ",
            "SEARCH ALL ",
        ] {
            assert!(read_for_test(text).is_err(), "{text}");
        }
    }
}
