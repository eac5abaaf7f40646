//! Sets of UIDs as commands and queries name them: ascending ranges.

use mail_model::Uid;
use minicbor::{Decode, Encode};

/// UIDs in ascending ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct UidSet(#[n(0)] Vec<UidRange>);

/// The UIDs from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct UidRange {
    /// The lowest one.
    #[n(0)]
    pub first: Uid,
    /// The highest one, not below `first`.
    #[n(1)]
    pub last: Uid,
}

impl UidSet {
    /// The set of some ranges in any order; a range the wrong way round is turned, as IMAP allows.
    #[must_use]
    pub fn of_ranges(ranges: impl IntoIterator<Item = (Uid, Uid)>) -> Self {
        let turned = ranges.into_iter().map(|(a, b)| UidRange {
            first: a.min(b),
            last: a.max(b),
        });
        let mut ranges: Vec<_> = turned.collect();
        ranges.sort_unstable();
        let mut merged: Vec<UidRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(before) if range.first.get() <= before.last.get().saturating_add(1) => {
                    before.last = before.last.max(range.last);
                }
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[UidRange] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds `uid`.
    #[must_use]
    pub fn contains(&self, uid: Uid) -> bool {
        let at = self.0.partition_point(|range| range.last < uid);
        self.0.get(at).is_some_and(|range| range.first <= uid)
    }

    /// Whether ranges ascend and are not the wrong way round: what decoding alone does not say.
    pub(crate) fn is_legal(&self) -> bool {
        let each = self.0.iter().all(|range| range.first <= range.last);
        each && self.0.windows(2).all(|pair| pair[0].last < pair[1].first)
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<I: IntoIterator<Item = Uid>>(uids: I) -> Self {
        Self::of_ranges(uids.into_iter().map(|uid| (uid, uid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(uid: u32) -> Uid {
        Uid::new(uid).unwrap()
    }

    #[test]
    fn ranges_are_sorted_turned_and_merged() {
        let set = UidSet::of_ranges([(uid(9), uid(7)), (uid(1), uid(2)), (uid(3), uid(4)), (uid(8), uid(12))]);
        let ranges: Vec<_> = set.ranges().iter().map(|r| (r.first.get(), r.last.get())).collect();
        assert_eq!(ranges, [(1, 4), (7, 12)]);
        assert!(set.is_legal() && set.contains(uid(4)) && !set.contains(uid(5)) && set.contains(uid(12)));
        assert!(!UidSet::default().contains(uid(1)));
    }

    #[test]
    fn an_illegal_set_is_noticed() {
        let range = |first, last| UidRange {
            first: uid(first),
            last: uid(last),
        };
        assert!(!UidSet(vec![range(3, 2)]).is_legal());
        assert!(!UidSet(vec![range(3, 4), range(4, 5)]).is_legal());
    }
}
