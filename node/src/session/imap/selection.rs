//! What a sequence set means in a view (RFC 3501, sections 2.3.1.2, 6.4.8 and 9): positions, ascending.
//!
//! A sequence number that the client cannot have seen is its error; a UID that is not there is none.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use imap_wire::{NumberRanges, Numbering, SequenceSet};
use mail_model::{SeqNum, Uid};
use mailstore::front::{MailboxView, ViewEntry};

use super::error::Failure;

/// The positions in `view.entries()` of the messages that `set` names. In an empty mailbox `1:*`, which many clients
/// send without looking, names nothing.
pub(super) fn positions(view: &MailboxView, numbering: Numbering, set: &SequenceSet) -> Result<Vec<usize>, Failure> {
    let exists = view.exists();
    if numbering == Numbering::Sequence && !set.is_within(exists.max(1)) {
        return Err(Failure::Bad("there is no message of such a number"));
    }
    Ok(positions_in(view.entries(), numbering, &ranges(view, numbering, set)))
}

/// The numbers that `set` names, with `*` put in.
pub(super) fn ranges(view: &MailboxView, numbering: Numbering, set: &SequenceSet) -> NumberRanges {
    set.resolve(match numbering {
        Numbering::Sequence => view.exists(),
        Numbering::Uid => view.entries().last().map_or(0, |last| last.uid.get()),
    })
}

fn positions_in(entries: &[ViewEntry], numbering: Numbering, ranges: &NumberRanges) -> Vec<usize> {
    let of_range = |range: RangeInclusive<u32>| match numbering {
        Numbering::Sequence => {
            let first = (*range.start() as usize).saturating_sub(1);
            first..(*range.end() as usize).min(entries.len())
        }
        Numbering::Uid => {
            let first = entries.partition_point(|entry| entry.uid.get() < *range.start());
            first..entries.partition_point(|entry| entry.uid.get() <= *range.end())
        }
    };
    ranges.iter().flat_map(of_range).collect()
}

/// The UIDs at some positions.
pub(super) fn uids(view: &MailboxView, positions: &[usize]) -> Vec<Uid> {
    let entries = view.entries();
    let found = positions.iter().filter_map(|at| entries.get(*at));
    found.map(|entry| entry.uid).collect()
}

/// The number of the message at a position.
pub(super) fn seq_at(position: usize) -> SeqNum {
    let number = u32::try_from(position).ok().and_then(|at| at.checked_add(1));
    SeqNum(number.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX))
}
