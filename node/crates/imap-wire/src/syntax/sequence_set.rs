//! Sets of sequence numbers and UIDs (RFC 3501 `sequence-set`), and what they mean in a mailbox.
//!
//! Invariants: a [`SequenceSet`] has 1 to [`SEQUENCE_MEMBERS_MAX`] members; [`NumberRanges`] ascend, do not touch, and
//! hold no zero.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use super::cursor::Cursor;
use crate::limits::SEQUENCE_MEMBERS_MAX;
use crate::refusal::{Parse, Refusal};

/// `seq-number`; `None` is `*`.
type Bound = Option<NonZeroU32>;

/// A set as the client wrote it; `*` is still open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceSet(Vec<(Bound, Bound)>);

impl SequenceSet {
    /// What the set means where the largest number in use is `largest`: EXISTS for sequence numbers, the highest UID
    /// of the mailbox for UIDs, zero when it is empty. Ends of a range may come in either order; `*` is `largest`, so
    /// `559:*` always has the last message in it (RFC 3501 6.4.8).
    #[must_use]
    pub fn resolve(&self, largest: u32) -> NumberRanges {
        let number = |bound: Bound| bound.map_or(largest, NonZeroU32::get);
        let mut ranges: Vec<(u32, u32)> = self
            .0
            .iter()
            .map(|(one, other)| (number(*one), number(*other)))
            .map(|(one, other)| (one.min(other), one.max(other)))
            .filter(|(_, last)| *last != 0)
            .map(|(first, last)| (first.max(1), last))
            .collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        NumberRanges(merged)
    }

    /// Whether no member lies above `largest`. A sequence number that does is an error of the client; a UID is not.
    #[must_use]
    pub fn is_within(&self, largest: u32) -> bool {
        let fits = |bound: Bound| bound.map_or(largest != 0, |number| number.get() <= largest);
        self.0.iter().all(|(one, other)| fits(*one) && fits(*other))
    }
}

/// Numbers as ascending ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberRanges(Vec<(u32, u32)>);

impl NumberRanges {
    /// Whether `number` is in it.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after.checked_sub(1).is_some_and(|at| number <= self.0[at].1)
    }

    /// The ranges, ascending. They may reach far beyond what a mailbox holds: intersect, do not count through them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = RangeInclusive<u32>> + '_ {
        self.0.iter().map(|(first, last)| *first..=*last)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `sequence-set`
pub(crate) fn read_sequence_set(cursor: &mut Cursor<'_>) -> Parse<SequenceSet> {
    let mut members = Vec::new();
    loop {
        let first = read_bound(cursor)?;
        let last = if cursor.eat(b':') { read_bound(cursor)? } else { first };
        if members.len() == SEQUENCE_MEMBERS_MAX {
            return Err(Refusal::bad(format!(
                "a set has at most {SEQUENCE_MEMBERS_MAX} members"
            )));
        }
        members.push((first, last));
        if !cursor.eat(b',') {
            return Ok(SequenceSet(members));
        }
    }
}

fn read_bound(cursor: &mut Cursor<'_>) -> Parse<Bound> {
    if cursor.eat(b'*') {
        return Ok(None);
    }
    cursor.nz_number("a message number or *").map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parse<SequenceSet> {
        let mut cursor = Cursor::new(text.as_bytes());
        let set = read_sequence_set(&mut cursor)?;
        cursor.end()?;
        Ok(set)
    }

    fn resolved(text: &str, largest: u32) -> Vec<RangeInclusive<u32>> {
        read(text).unwrap().resolve(largest).iter().collect()
    }

    #[test]
    fn ranges_come_in_any_order_and_are_merged() {
        assert_eq!(resolved("2,4:7,9,12:*", 15), [2..=2, 4..=7, 9..=9, 12..=15]);
        assert_eq!(resolved("*:4,5:7", 10), [4..=10]);
        assert_eq!(resolved("7:4,5,8", 10), [4..=8]);
        assert_eq!(resolved("1:4294967295,4294967295", 10), [1..=u32::MAX]);
    }

    #[test]
    fn a_range_to_the_last_message_holds_it_even_from_beyond() {
        assert_eq!(resolved("559:*", 100), [100..=559]);
        assert_eq!(resolved("*", 100), [100..=100]);
    }

    #[test]
    fn in_an_empty_mailbox_the_star_is_nothing() {
        assert!(read("*").unwrap().resolve(0).is_empty());
        assert!(!read("*").unwrap().is_within(0));
    }

    #[test]
    fn numbers_beyond_the_mailbox_are_noticed() {
        assert!(read("1:3,*").unwrap().is_within(3));
        assert!(!read("1:4").unwrap().is_within(3));
    }

    #[test]
    fn membership_follows_the_ranges() {
        let ranges = read("2:3,7,9:*").unwrap().resolve(9);
        let held: Vec<u32> = (0..12).filter(|n| ranges.contains(*n)).collect();
        assert_eq!(held, [2, 3, 7, 9]);
    }

    #[test]
    fn broken_sets_are_refused() {
        for text in [
            "",
            "0",
            "1:",
            ":1",
            "1,,2",
            "1,",
            "a",
            "1:2:3",
            "4294967296",
            "-1",
            "1 ",
            "01",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&vec!["1"; SEQUENCE_MEMBERS_MAX].join(",")).is_ok());
        assert!(read(&vec!["1"; SEQUENCE_MEMBERS_MAX + 1].join(",")).is_err());
    }
}
