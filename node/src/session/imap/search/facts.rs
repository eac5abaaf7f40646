//! What is known of a message so far, and what follows from it: yes, no, or not yet known.

use imap_wire::CalendarDate;
use mail_message::{EnvelopeAddress, Structure, TextMatch, decode_text};
use mail_model::SeqNum;
use mailstore::front::ViewEntry;
use mailstore::record::HotRow;

use super::criteria::{AddressField, Test};

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    seq: SeqNum,
    entry: &'a ViewEntry,
    recent: bool,
    hot: Option<&'a HotRow>,
    structure: Option<&'a Structure>,
    strings: Option<&'a Strings>,
}

/// Which strings were found in a message.
pub(super) struct Strings {
    /// Of the criteria's strings.
    pub(super) texts: Vec<bool>,
    /// Of its fields.
    pub(super) fields: Vec<bool>,
}

impl<'a> Facts<'a> {
    pub(super) fn of_view(seq: SeqNum, entry: &'a ViewEntry, recent: bool) -> Self {
        Self {
            seq,
            entry,
            recent,
            hot: None,
            structure: None,
            strings: None,
        }
    }

    pub(super) fn with_row(self, hot: &'a HotRow) -> Self {
        let hot = Some(hot);
        Self { hot, ..self }
    }

    pub(super) fn with_structure(self, structure: &'a Structure) -> Self {
        let structure = Some(structure);
        Self { structure, ..self }
    }

    pub(super) fn with_strings(self, strings: &'a Strings) -> Self {
        let strings = Some(strings);
        Self { strings, ..self }
    }

    /// Whether `test` holds; `None` as long as nobody can say.
    pub(super) fn hold(&self, test: &Test) -> Option<bool> {
        match test {
            Test::All => Some(true),
            Test::Nothing => Some(false),
            Test::And(tests) => self.all(tests),
            Test::Or(one, other) => match (self.hold(one), self.hold(other)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Test::Not(test) => self.hold(test).map(|holds| !holds),
            Test::Has(flag) => Some(self.entry.flags.contains(*flag)),
            Test::Recent => Some(self.recent),
            Test::Keyword(number) => Some(self.entry.keywords.contains(*number)),
            Test::Sequence(numbers) => Some(numbers.contains(self.seq.get())),
            Test::Uid(numbers) => Some(numbers.contains(self.entry.uid.get())),
            Test::Received(order, date) => self.hot.map(|hot| CalendarDate::of(hot.date).cmp(date) == *order),
            Test::Larger(size) => self.hot.map(|hot| u64::from(hot.size) > *size),
            Test::Smaller(size) => self.hot.map(|hot| u64::from(hot.size) < *size),
            Test::Sent(orders, day) => self.structure.map(|structure| {
                let sent = structure.sent.as_ref();
                sent.is_some_and(|sent| orders.contains(&sent.day().cmp(day)))
            }),
            Test::Subject(text) => self.structure.map(|structure| in_subject(structure, text)),
            Test::Address(field, text) => self.structure.map(|structure| in_addresses(structure, *field, text)),
            Test::Field(number) => self.strings.map(|strings| found(&strings.fields, *number)),
            Test::Text(number) => self.strings.map(|strings| found(&strings.texts, *number)),
        }
    }

    fn all(&self, tests: &[Test]) -> Option<bool> {
        let mut all = Some(true);
        for test in tests {
            match self.hold(test) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => all = None,
            }
        }
        all
    }
}

fn found(found: &[bool], number: usize) -> bool {
    found.get(number).copied().unwrap_or(false)
}

fn in_subject(structure: &Structure, text: &TextMatch) -> bool {
    let subject = structure.envelope().and_then(|envelope| envelope.subject.as_ref());
    // An empty text asks for the field alone.
    subject.is_some_and(|subject| text.clone().push(&decode_text(subject)))
}

fn in_addresses(structure: &Structure, field: AddressField, text: &TextMatch) -> bool {
    let Some(envelope) = structure.envelope() else {
        return false;
    };
    let list = match field {
        AddressField::From => &envelope.from,
        AddressField::To => &envelope.to,
        AddressField::Cc => &envelope.cc,
        AddressField::Bcc => &envelope.bcc,
    };
    list.iter().any(|address| text.clone().push(&shown(address)))
}

/// An address as people write it: `name <mailbox@host>`.
fn shown(address: &EnvelopeAddress) -> String {
    let text = |part: &Option<mail_message::RawText>| part.as_deref().map(decode_text).unwrap_or_default();
    let (name, mailbox) = (text(&address.name), text(&address.mailbox));
    match &address.host {
        Some(_) => format!("{name} <{mailbox}@{}>", text(&address.host)),
        None => format!("{name} {mailbox}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_model::{ModSeq, SystemFlags, Uid};
    use mailstore::record::KeywordBits;

    fn entry(flags: SystemFlags) -> ViewEntry {
        ViewEntry {
            uid: Uid::MIN,
            flags,
            modseq: ModSeq(1),
            keywords: KeywordBits::default(),
        }
    }

    #[test]
    fn what_is_not_known_decides_only_where_nothing_else_does() {
        let entry = entry(SystemFlags::SEEN);
        let facts = Facts::of_view(SeqNum::MIN, &entry, false);
        let (yes, no) = (|| Test::Has(SystemFlags::SEEN), || Test::Has(SystemFlags::DELETED));
        let open = || Test::Text(0);
        let or = |one, other| Test::Or(Box::new(one), Box::new(other));
        assert_eq!(facts.hold(&Test::And(vec![open(), no()])), Some(false));
        assert_eq!(facts.hold(&Test::And(vec![open(), yes()])), None);
        assert_eq!(facts.hold(&or(open(), yes())), Some(true));
        assert_eq!(facts.hold(&or(open(), no())), None);
        assert_eq!(facts.hold(&Test::Not(Box::new(open()))), None);
        let strings = Strings {
            texts: vec![true],
            fields: Vec::new(),
        };
        assert_eq!(
            facts.with_strings(&strings).hold(&Test::Not(Box::new(open()))),
            Some(false)
        );
    }
}
