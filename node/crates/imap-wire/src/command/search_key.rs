//! Search keys (RFC 3501 `search-key`).
//!
//! Invariants: a key is nested at most [`SEARCH_DEPTH_MAX`] deep and has at most [`SEARCH_KEYS_MAX`] members, so that
//! reading, evaluating and dropping it may recurse.

use mail_model::{Keyword, SystemFlags};

use crate::limits::{SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX};
use crate::refusal::{Parse, Refusal};
use crate::syntax::{CalendarDate, Cursor, SequenceSet, is_atom_char, read_date, read_sequence_set};

/// What a message has to be like. Texts are compared without regard to case, as substrings.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchKey {
    /// Every message.
    All,
    /// All of these hold; at least two.
    And(Vec<SearchKey>),
    /// One of the two holds.
    Or(Box<SearchKey>, Box<SearchKey>),
    /// It does not hold.
    Not(Box<SearchKey>),
    /// It has this one system flag.
    Has(SystemFlags),
    /// It lacks this one system flag.
    Lacks(SystemFlags),
    /// It is `\Recent`.
    Recent,
    /// It is not `\Recent`.
    Old,
    /// It is `\Recent` and lacks `\Seen`.
    New,
    /// It has this keyword.
    HasKeyword(Keyword),
    /// It lacks this keyword.
    LacksKeyword(Keyword),
    /// Received before that day.
    Before(CalendarDate),
    /// Received on that day.
    On(CalendarDate),
    /// Received on that day or later.
    Since(CalendarDate),
    /// Its Date field lies before that day.
    SentBefore(CalendarDate),
    /// Its Date field lies on that day.
    SentOn(CalendarDate),
    /// Its Date field lies on that day or later.
    SentSince(CalendarDate),
    /// RFC822.SIZE is over that many octets.
    Larger(u64),
    /// RFC822.SIZE is under that many octets.
    Smaller(u64),
    /// The field is there and has that text in it; an empty text asks only for the field.
    Header(FieldName, String),
    /// In the BCC of its envelope.
    Bcc(String),
    /// In the CC of its envelope.
    Cc(String),
    /// In the FROM of its envelope.
    From(String),
    /// In the SUBJECT of its envelope.
    Subject(String),
    /// In the TO of its envelope.
    To(String),
    /// In its body.
    Body(String),
    /// In its header or its body.
    Text(String),
    /// Its sequence number is in the set.
    Sequence(SequenceSet),
    /// Its UID is in the set.
    Uid(SequenceSet),
}

/// The name of a header field: printable ASCII without colon (RFC 5322 2.2). Compares without regard to case.
#[derive(Clone, Debug)]
pub struct FieldName(Box<str>);

impl FieldName {
    /// `None` when `name` cannot name a field.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let is_legal = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        is_legal.then(|| Self(name.into()))
    }

    /// As the client wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Parse<Self> {
        let start = cursor.clone();
        let name = cursor.astring_text("a field name")?;
        Self::new(&name).ok_or_else(|| start.unexpected("a field name"))
    }
}

impl PartialEq for FieldName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for FieldName {}

/// Reads keys and counts them.
#[derive(Default)]
pub(super) struct KeyReader {
    keys: usize,
}

impl KeyReader {
    /// `search-key *(SP search-key)`, as one key.
    pub(super) fn read_all(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Parse<SearchKey> {
        let first = self.read(cursor, depth)?;
        if cursor.peek() != Some(b' ') {
            return Ok(first);
        }
        let mut keys = vec![first];
        while cursor.eat(b' ') {
            keys.push(self.read(cursor, depth)?);
        }
        Ok(SearchKey::And(keys))
    }

    fn read(&mut self, cursor: &mut Cursor<'_>, depth: usize) -> Parse<SearchKey> {
        self.keys += 1;
        if self.keys > SEARCH_KEYS_MAX {
            return Err(Refusal::bad(format!("SEARCH has at most {SEARCH_KEYS_MAX} keys")));
        }
        if depth > SEARCH_DEPTH_MAX {
            return Err(Refusal::bad(format!(
                "search keys are nested at most {SEARCH_DEPTH_MAX} deep"
            )));
        }
        if cursor.eat(b'(') {
            let keys = self.read_all(cursor, depth + 1)?;
            cursor.expect(b')')?;
            return Ok(keys);
        }
        if cursor.peek().is_some_and(|byte| byte.is_ascii_digit() || byte == b'*') {
            return read_sequence_set(cursor).map(SearchKey::Sequence);
        }
        let start = cursor.clone();
        let name = cursor.atom("a search key")?.to_ascii_uppercase();
        match name.as_str() {
            "NOT" => {
                cursor.space()?;
                Ok(SearchKey::Not(Box::new(self.read(cursor, depth + 1)?)))
            }
            "OR" => {
                cursor.space()?;
                let one = self.read(cursor, depth + 1)?;
                cursor.space()?;
                let other = self.read(cursor, depth + 1)?;
                Ok(SearchKey::Or(Box::new(one), Box::new(other)))
            }
            _ => match plain_key(&name) {
                Some(key) => Ok(key),
                None => read_key_with_argument(&name, cursor, &start),
            },
        }
    }
}

/// Keys without an argument.
fn plain_key(name: &str) -> Option<SearchKey> {
    Some(match name {
        "ALL" => SearchKey::All,
        "ANSWERED" => SearchKey::Has(SystemFlags::ANSWERED),
        "DELETED" => SearchKey::Has(SystemFlags::DELETED),
        "DRAFT" => SearchKey::Has(SystemFlags::DRAFT),
        "FLAGGED" => SearchKey::Has(SystemFlags::FLAGGED),
        "SEEN" => SearchKey::Has(SystemFlags::SEEN),
        "UNANSWERED" => SearchKey::Lacks(SystemFlags::ANSWERED),
        "UNDELETED" => SearchKey::Lacks(SystemFlags::DELETED),
        "UNDRAFT" => SearchKey::Lacks(SystemFlags::DRAFT),
        "UNFLAGGED" => SearchKey::Lacks(SystemFlags::FLAGGED),
        "UNSEEN" => SearchKey::Lacks(SystemFlags::SEEN),
        "NEW" => SearchKey::New,
        "OLD" => SearchKey::Old,
        "RECENT" => SearchKey::Recent,
        _ => return None,
    })
}

fn read_key_with_argument(name: &str, cursor: &mut Cursor<'_>, start: &Cursor<'_>) -> Parse<SearchKey> {
    let read: fn(&mut Cursor<'_>) -> Parse<SearchKey> = match name {
        "KEYWORD" => |cursor| read_keyword(cursor).map(SearchKey::HasKeyword),
        "UNKEYWORD" => |cursor| read_keyword(cursor).map(SearchKey::LacksKeyword),
        "BEFORE" => |cursor| read_date(cursor).map(SearchKey::Before),
        "ON" => |cursor| read_date(cursor).map(SearchKey::On),
        "SINCE" => |cursor| read_date(cursor).map(SearchKey::Since),
        "SENTBEFORE" => |cursor| read_date(cursor).map(SearchKey::SentBefore),
        "SENTON" => |cursor| read_date(cursor).map(SearchKey::SentOn),
        "SENTSINCE" => |cursor| read_date(cursor).map(SearchKey::SentSince),
        "LARGER" => |cursor| cursor.number64("a size").map(SearchKey::Larger),
        "SMALLER" => |cursor| cursor.number64("a size").map(SearchKey::Smaller),
        "HEADER" => read_header,
        "BCC" => |cursor| read_text(cursor).map(SearchKey::Bcc),
        "CC" => |cursor| read_text(cursor).map(SearchKey::Cc),
        "FROM" => |cursor| read_text(cursor).map(SearchKey::From),
        "SUBJECT" => |cursor| read_text(cursor).map(SearchKey::Subject),
        "TO" => |cursor| read_text(cursor).map(SearchKey::To),
        "BODY" => |cursor| read_text(cursor).map(SearchKey::Body),
        "TEXT" => |cursor| read_text(cursor).map(SearchKey::Text),
        "UID" => |cursor| read_sequence_set(cursor).map(SearchKey::Uid),
        _ => return Err(start.unexpected("a search key")),
    };
    cursor.space()?;
    read(cursor)
}

fn read_text(cursor: &mut Cursor<'_>) -> Parse<String> {
    cursor.astring_text("a search string")
}

fn read_header(cursor: &mut Cursor<'_>) -> Parse<SearchKey> {
    let name = FieldName::read(cursor)?;
    cursor.space()?;
    Ok(SearchKey::Header(name, read_text(cursor)?))
}

fn read_keyword(cursor: &mut Cursor<'_>) -> Parse<Keyword> {
    let keyword = cursor.take_while("a keyword", is_atom_char)?;
    Keyword::new(&String::from_utf8_lossy(keyword)).map_err(|error| Refusal::bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parse<SearchKey> {
        let mut cursor = Cursor::new(text.as_bytes());
        let key = KeyReader::default().read_all(&mut cursor, 0)?;
        cursor.end()?;
        Ok(key)
    }

    #[test]
    fn keys_in_a_row_are_all_meant() {
        let key = read("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"").unwrap();
        let since = CalendarDate::new(1994, 2, 1).unwrap();
        let not = SearchKey::Not(Box::new(SearchKey::From("Smith".to_owned())));
        assert_eq!(
            key,
            SearchKey::And(vec![SearchKey::Has(SystemFlags::FLAGGED), SearchKey::Since(since), not])
        );
    }

    #[test]
    fn or_takes_two_and_parentheses_group() {
        let key = read("OR (SEEN DRAFT) UNSEEN").unwrap();
        let both = SearchKey::And(vec![
            SearchKey::Has(SystemFlags::SEEN),
            SearchKey::Has(SystemFlags::DRAFT),
        ]);
        assert_eq!(
            key,
            SearchKey::Or(Box::new(both), Box::new(SearchKey::Lacks(SystemFlags::SEEN)))
        );
    }

    #[test]
    fn every_key_is_known() {
        for text in [
            "ALL",
            "ANSWERED",
            "BCC x",
            "BEFORE 1-Jan-2000",
            "BODY x",
            "CC x",
            "DELETED",
            "DRAFT",
            "FLAGGED",
            "FROM x",
            "HEADER Message-ID \"\"",
            "KEYWORD $Junk",
            "LARGER 10",
            "NEW",
            "NOT SEEN",
            "OLD",
            "ON \"1-Jan-2000\"",
            "OR SEEN NEW",
            "RECENT",
            "SEEN",
            "SENTBEFORE 1-Jan-2000",
            "SENTON 1-Jan-2000",
            "SENTSINCE 1-Jan-2000",
            "SINCE 1-Jan-2000",
            "SMALLER 10",
            "SUBJECT {2}\r\n\u{e9}",
            "TEXT x",
            "TO x",
            "UID 1:*",
            "UNANSWERED",
            "UNDELETED",
            "UNDRAFT",
            "UNFLAGGED",
            "UNKEYWORD x",
            "UNSEEN",
            "2,4:7,*",
            "(ALL)",
            "*:4",
        ] {
            assert!(read(text).is_ok(), "{text}: {:?}", read(text));
            assert!(read(&text.to_ascii_lowercase()).is_ok(), "{text}");
        }
    }

    #[test]
    fn broken_keys_are_refused() {
        for text in [
            "",
            "NOTHING",
            "NOT",
            "OR SEEN",
            "(SEEN",
            "()",
            "SEEN)",
            "FROM",
            "LARGER x",
            "LARGER -1",
            "KEYWORD \\Seen",
            "BEFORE yesterday",
            "HEADER a:b x",
            "HEADER \"\" x",
            "UID",
            "SEEN  DRAFT",
            "SUBJECT {1}\r\n",
            "UID x",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(Cursor::new(b"\"\xFF\"").astring_text("a search string").is_err());
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |depth: usize| format!("{}ALL{}", "(".repeat(depth), ")".repeat(depth));
        assert!(read(&nested(SEARCH_DEPTH_MAX)).is_ok());
        assert!(read(&nested(SEARCH_DEPTH_MAX + 1)).is_err());
        assert!(read(&format!("{}ALL", "NOT ".repeat(SEARCH_DEPTH_MAX + 1))).is_err());
        assert!(read(&vec!["ALL"; SEARCH_KEYS_MAX].join(" ")).is_ok());
        assert!(read(&vec!["ALL"; SEARCH_KEYS_MAX + 1].join(" ")).is_err());
    }
}
