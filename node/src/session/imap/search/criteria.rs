//! Search keys, made ready to be asked of many messages: sets resolved, keywords by number, strings by number.
//!
//! Invariant: recursion is bounded, since the wire bounds the depth of keys.

use std::cmp::Ordering;

use imap_wire::command::{FieldName, SearchKey};
use imap_wire::response::Code;
use imap_wire::{CalendarDate, NumberRanges, Numbering};
use mail_message::limits::SEARCH_KEY_BYTES_MAX;
use mail_message::{SearchScope, TextMatch, day_number};
use mail_model::SystemFlags;
use mailstore::front::MailboxView;

use super::super::error::Failure;
use super::super::limits::SEARCH_STRINGS_MAX;
use super::super::selection::ranges;
use super::facts::Facts;

/// What a message has to be like.
pub(super) struct Criteria {
    root: Test,
    needs_rows: bool,
    /// Strings that are looked for in the message.
    pub(super) strings: Vec<(SearchScope, String)>,
    /// Fields of its header, with the texts looked for in them.
    pub(super) fields: Vec<(FieldName, TextMatch)>,
}

/// One thing to ask of a message.
pub(super) enum Test {
    All,
    Nothing,
    And(Vec<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
    Has(SystemFlags),
    Recent,
    /// By its number in the mailbox.
    Keyword(usize),
    Sequence(NumberRanges),
    Uid(NumberRanges),
    Received(Ordering, CalendarDate),
    /// How the day that the Date field names may compare with one, in days since 1970.
    Sent(&'static [Ordering], i64),
    Larger(u64),
    Smaller(u64),
    Subject(TextMatch),
    Address(AddressField, TextMatch),
    /// By its number in [`Criteria::fields`].
    Field(usize),
    /// By its number in [`Criteria::strings`].
    Text(usize),
}

/// A list of addresses of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressField {
    From,
    To,
    Cc,
    Bcc,
}

impl Criteria {
    /// Of the keys of one SEARCH in `view`.
    pub(super) fn new(key: &SearchKey, view: &MailboxView) -> Result<Self, Failure> {
        let mut criteria = Self {
            root: Test::All,
            needs_rows: false,
            strings: Vec::new(),
            fields: Vec::new(),
        };
        criteria.root = criteria.test(key, view)?;
        Ok(criteria)
    }

    /// Whether hot rows can decide anything.
    pub(super) fn needs_rows(&self) -> bool {
        self.needs_rows
    }

    /// Whether the message is looked for; `None` as long as the facts do not tell.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> Option<bool> {
        facts.hold(&self.root)
    }

    fn test(&mut self, key: &SearchKey, view: &MailboxView) -> Result<Test, Failure> {
        Ok(match key {
            SearchKey::All => Test::All,
            SearchKey::And(keys) => {
                let tests = keys.iter().map(|key| self.test(key, view));
                Test::And(tests.collect::<Result<_, _>>()?)
            }
            SearchKey::Or(one, other) => Test::Or(Box::new(self.test(one, view)?), Box::new(self.test(other, view)?)),
            SearchKey::Not(key) => not(self.test(key, view)?),
            SearchKey::Has(flag) => Test::Has(*flag),
            SearchKey::Lacks(flag) => not(Test::Has(*flag)),
            SearchKey::Recent => Test::Recent,
            SearchKey::Old => not(Test::Recent),
            SearchKey::New => Test::And(vec![Test::Recent, not(Test::Has(SystemFlags::SEEN))]),
            SearchKey::HasKeyword(keyword) => keyword_test(view, keyword),
            SearchKey::LacksKeyword(keyword) => not(keyword_test(view, keyword)),
            SearchKey::Sequence(set) => Test::Sequence(ranges(view, Numbering::Sequence, set)),
            SearchKey::Uid(set) => Test::Uid(ranges(view, Numbering::Uid, set)),
            SearchKey::Before(date) => self.received(Ordering::Less, *date),
            SearchKey::On(date) => self.received(Ordering::Equal, *date),
            SearchKey::Since(date) => not(self.received(Ordering::Less, *date)),
            SearchKey::SentBefore(date) => sent(&[Ordering::Less], *date),
            SearchKey::SentOn(date) => sent(&[Ordering::Equal], *date),
            SearchKey::SentSince(date) => sent(&[Ordering::Equal, Ordering::Greater], *date),
            SearchKey::Larger(size) => self.of_row(Test::Larger(*size)),
            SearchKey::Smaller(size) => self.of_row(Test::Smaller(*size)),
            SearchKey::Subject(text) => Test::Subject(self.text_match(text)?),
            SearchKey::From(text) => Test::Address(AddressField::From, self.text_match(text)?),
            SearchKey::To(text) => Test::Address(AddressField::To, self.text_match(text)?),
            SearchKey::Cc(text) => Test::Address(AddressField::Cc, self.text_match(text)?),
            SearchKey::Bcc(text) => Test::Address(AddressField::Bcc, self.text_match(text)?),
            SearchKey::Header(name, text) => {
                let text = self.text_match(text)?;
                self.fields.push((name.clone(), text));
                Test::Field(self.fields.len() - 1)
            }
            SearchKey::Body(text) => self.text(SearchScope::Body, text)?,
            SearchKey::Text(text) => self.text(SearchScope::Text, text)?,
        })
    }

    fn of_row(&mut self, test: Test) -> Test {
        self.needs_rows = true;
        test
    }

    fn received(&mut self, order: Ordering, date: CalendarDate) -> Test {
        self.of_row(Test::Received(order, date))
    }

    fn text(&mut self, scope: SearchScope, text: &str) -> Result<Test, Failure> {
        check_len(text)?;
        // It is in every message, also in one without text.
        if text.is_empty() {
            return Ok(Test::All);
        }
        self.strings.push((scope, text.to_owned()));
        self.check_count()?;
        Ok(Test::Text(self.strings.len() - 1))
    }

    fn text_match(&self, text: &str) -> Result<TextMatch, Failure> {
        check_len(text)?;
        self.check_count()?;
        Ok(TextMatch::new(text))
    }

    fn check_count(&self) -> Result<(), Failure> {
        if self.strings.len() + self.fields.len() > SEARCH_STRINGS_MAX {
            let text = format!("a search looks for at most {SEARCH_STRINGS_MAX} strings in messages");
            return Err(Failure::no(Code::Limit, text));
        }
        Ok(())
    }
}

fn check_len(text: &str) -> Result<(), Failure> {
    if text.len() <= SEARCH_KEY_BYTES_MAX {
        return Ok(());
    }
    let text = format!("a search string has at most {SEARCH_KEY_BYTES_MAX} octets");
    Err(Failure::no(Code::Limit, text))
}

fn not(test: Test) -> Test {
    Test::Not(Box::new(test))
}

fn keyword_test(view: &MailboxView, keyword: &mail_model::Keyword) -> Test {
    let number = view.keywords().iter().position(|known| known == keyword);
    number.map_or(Test::Nothing, Test::Keyword)
}

/// Dates of the Date field compare as written, zone and time disregarded (RFC 3501, section 6.4.4). A message without one
/// is neither before a day, nor on it, nor after it.
fn sent(orders: &'static [Ordering], date: CalendarDate) -> Test {
    let day = day_number(date.year(), date.month(), date.day());
    day.map_or(Test::Nothing, |day| Test::Sent(orders, day))
}
