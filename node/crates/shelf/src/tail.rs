//! The newest entries of one replica's log, in memory: what readers see before the disk has it.
//!
//! Invariants
//! - Entries are contiguous. Every entry that the committer has not written yet is here.
//! - An entry below the first one here has been written, or is gone.

use std::collections::VecDeque;

use bytes::Bytes;
use mail_model::LogIndex;

use crate::limits::TAIL_BYTES_MAX;

/// One entry of a replica's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place in the log.
    pub index: LogIndex,
    /// What replication encoded: everything but the blob. Opaque here.
    pub head: Bytes,
    /// The stored record of a body piece, kept apart from the entry. A reader that did not ask for blobs gets `None`;
    /// one that did gets `None` when the bytes are missing or unreadable and must be fetched from another replica.
    pub blob: Option<Bytes>,
    /// Length of the blob that this entry carries, whether or not it is at hand here.
    pub blob_len: Option<u32>,
}

impl LogEntry {
    /// An entry to append.
    #[must_use]
    pub fn new(index: LogIndex, head: Bytes, blob: Option<Bytes>) -> Self {
        // Blobs over `BLOB_BYTES_MAX` are refused by `append`, so the length always fits.
        let blob_len = blob.as_ref().map(|blob| u32::try_from(blob.len()).unwrap_or(u32::MAX));
        Self {
            index,
            head,
            blob,
            blob_len,
        }
    }

    /// Bytes that this entry counts for, its blob included if at hand.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.head.len() + self.blob.as_ref().map_or(0, Bytes::len)
    }

    fn shown(&self, with_blob: bool) -> Self {
        Self {
            blob: self.blob.clone().filter(|_| with_blob),
            ..self.clone()
        }
    }
}

struct Slot {
    entry: LogEntry,
    /// The queued operation that writes it.
    op: u64,
}

#[derive(Default)]
pub(crate) struct Tail {
    slots: VecDeque<Slot>,
    bytes: usize,
}

impl Tail {
    pub(crate) fn first(&self) -> Option<LogIndex> {
        self.slots.front().map(|slot| slot.entry.index)
    }

    pub(crate) fn get(&self, index: LogIndex) -> Option<&LogEntry> {
        self.slot(index).map(|slot| &slot.entry)
    }

    /// The operation that writes the entry at `index`; `None` when it is not here.
    pub(crate) fn op_of(&self, index: LogIndex) -> Option<u64> {
        self.slot(index).map(|slot| slot.op)
    }

    fn slot(&self, index: LogIndex) -> Option<&Slot> {
        let offset = index.0.checked_sub(self.first()?.0)?;
        self.slots.get(usize::try_from(offset).ok()?)
    }

    /// Adds the next entry; the caller has checked that it is the next one.
    pub(crate) fn push(&mut self, entry: LogEntry, op: u64) {
        debug_assert!(
            self.slots
                .back()
                .is_none_or(|slot| slot.entry.index.0 + 1 == entry.index.0)
        );
        self.bytes += entry.bytes();
        self.slots.push_back(Slot { entry, op });
    }

    /// Drops what follows `after`; everything for `None`.
    pub(crate) fn truncate_after(&mut self, after: Option<LogIndex>) {
        while self.slots.back().is_some_and(|slot| Some(slot.entry.index) > after) {
            self.drop_slot(VecDeque::pop_back);
        }
    }

    /// Drops everything up to and including `upto`.
    pub(crate) fn purge(&mut self, upto: LogIndex) {
        while self.slots.front().is_some_and(|slot| slot.entry.index <= upto) {
            self.drop_slot(VecDeque::pop_front);
        }
    }

    /// Drops the oldest entries while they are over the bound and written, `written` being the last finished operation.
    pub(crate) fn evict(&mut self, written: u64) {
        while self.bytes > TAIL_BYTES_MAX && self.slots.front().is_some_and(|slot| slot.op <= written) {
            self.drop_slot(VecDeque::pop_front);
        }
    }

    fn drop_slot(&mut self, pop: impl FnOnce(&mut VecDeque<Slot>) -> Option<Slot>) {
        if let Some(slot) = pop(&mut self.slots) {
            self.bytes -= slot.entry.bytes();
        }
    }

    /// Entries from `from` to before `to`: at least one if it is here, then as many as fit into `budget` bytes.
    pub(crate) fn collect(&self, from: LogIndex, to: LogIndex, budget: &mut Budget, with_blobs: bool) -> Vec<LogEntry> {
        let mut entries = Vec::new();
        let mut index = from;
        while index < to {
            let Some(entry) = self.get(index) else { break };
            let entry = entry.shown(with_blobs);
            if !budget.admit(entry.bytes()) {
                break;
            }
            entries.push(entry);
            index = LogIndex(index.0 + 1);
        }
        entries
    }
}

/// Counts bytes of an answer that has a limit but is never empty.
pub(crate) struct Budget {
    left: usize,
    used: bool,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            left: bytes,
            used: false,
        }
    }

    /// Whether one more item of `bytes` still belongs to the answer. Says no for good once it has said no.
    pub(crate) fn admit(&mut self, bytes: usize) -> bool {
        if self.used && bytes > self.left {
            self.left = 0;
            return false;
        }
        self.used = true;
        self.left = self.left.saturating_sub(bytes);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, blob_bytes: usize) -> LogEntry {
        let blob = (blob_bytes > 0).then(|| Bytes::from(vec![7; blob_bytes]));
        LogEntry::new(LogIndex(index), Bytes::from_static(b"head"), blob)
    }

    fn indexes(tail: &Tail, budget: usize) -> Vec<u64> {
        let entries = tail.collect(LogIndex(1), LogIndex(9), &mut Budget::new(budget), true);
        entries.iter().map(|entry| entry.index.0).collect()
    }

    #[test]
    fn an_answer_is_bounded_and_never_empty() {
        let mut tail = Tail::default();
        (1..=4).for_each(|index| tail.push(entry(index, 100), index));
        assert_eq!(indexes(&tail, 0), [1]);
        assert_eq!(indexes(&tail, 250), [1, 2]);
        assert_eq!(indexes(&tail, usize::MAX), [1, 2, 3, 4]);
    }

    #[test]
    fn stripped_entries_still_say_that_they_carry_a_blob() {
        let mut tail = Tail::default();
        tail.push(entry(1, 100), 1);
        let read = tail.collect(LogIndex(1), LogIndex(2), &mut Budget::new(0), false);
        assert_eq!((read[0].blob.clone(), read[0].blob_len), (None, Some(100)));
    }

    #[test]
    fn entries_that_are_not_written_are_never_evicted() {
        let mut tail = Tail::default();
        for index in 0..4 {
            tail.push(entry(index, TAIL_BYTES_MAX), index);
        }
        tail.evict(1);
        assert_eq!(tail.first(), Some(LogIndex(2)));
        tail.evict(3);
        assert_eq!(tail.first(), None);
        assert_eq!(tail.bytes, 0);
    }
}
