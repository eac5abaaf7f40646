//! The one registry of key layouts and of the numbers in them: never reused, never renumbered.
//! `docs/on-disk-format.md` is the same in prose.
//!
//! Invariants
//! - Keys of a replica start with its id and a generation, big-endian, so that all rows of one generation of one
//!   replica are one range in every column.
//! - Generation 0 holds what outlives installs: log and vote. Applied state and blobs, and the records
//!   of freed blobs, stand under the install generation, which starts at 1.

use mail_model::{LogIndex, ReplicaId};

use crate::engine::{KeyRange, prefix_end};

/// Counts the snapshots installed into a replica. 0 is no install generation, see the module.
pub(crate) type Generation = u32;

/// Rows that outlive installs.
pub(crate) const LASTING: Generation = 0;
/// The generation of a replica that has never installed a snapshot.
pub(crate) const FIRST_GENERATION: Generation = 1;

/// Bytes of replica id and generation before each key of a replica.
pub(crate) const PREFIX_BYTES: usize = 12;

/// Value of a freed-blob record: only a version, the key says it all.
pub(crate) const FREED_VERSION: u8 = 1;

// Tags after the prefix in the log column.
const LOG_MARKER: u8 = 0x00;
const LOG_ENTRY: u8 = 0x01;
const LOG_FREED: u8 = 0x02;

// Tags after the prefix in the vote column. 0x02 is taken: committed positions stood there.
const VOTE_VOTE: u8 = 0x01;

// Tags at the start of keys in the shelf column.
const SHELF_REPLICA: u8 = 0x01;
const SHELF_SEQUENCE: u8 = 0x02;
const SHELF_VOTE_COPY: u8 = 0x03;

/// Where the rows of one replica and generation stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix([u8; PREFIX_BYTES]);

impl Prefix {
    pub(crate) fn new(replica: ReplicaId, generation: Generation) -> Self {
        let mut bytes = [0; PREFIX_BYTES];
        bytes[..8].copy_from_slice(&replica.0.to_be_bytes());
        bytes[8..].copy_from_slice(&generation.to_be_bytes());
        Self(bytes)
    }

    /// A key of the state column.
    pub(crate) fn join(self, key: &[u8]) -> Vec<u8> {
        let mut joined = Vec::with_capacity(PREFIX_BYTES + key.len());
        joined.extend_from_slice(&self.0);
        joined.extend_from_slice(key);
        joined
    }

    fn tagged(self, tag: u8, rest: &[LogIndex]) -> Vec<u8> {
        let mut key = Vec::with_capacity(PREFIX_BYTES + 1 + 8 * rest.len());
        key.extend_from_slice(&self.0);
        key.push(tag);
        for index in rest {
            key.extend_from_slice(&index.0.to_be_bytes());
        }
        key
    }

    /// A range of state keys, moved under the prefix.
    pub(crate) fn range(self, range: &KeyRange) -> KeyRange {
        let to = range.to.as_ref().map_or_else(|| self.end(), |to| self.join(to));
        KeyRange::new(self.join(&range.from), to)
    }

    /// First key of the prefix.
    pub(crate) fn start(self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// First key past the prefix.
    pub(crate) fn end(self) -> Vec<u8> {
        // Only the last generation of the last replica id has no successor, and ids are given from 1 upwards.
        prefix_end(&self.0).unwrap_or_else(|| vec![0xFF; PREFIX_BYTES + 1])
    }

    pub(crate) fn entry(self, index: LogIndex) -> Vec<u8> {
        self.tagged(LOG_ENTRY, &[index])
    }

    /// First key past all entries.
    pub(crate) fn entries_end(self) -> Vec<u8> {
        self.tagged(LOG_ENTRY + 1, &[])
    }

    pub(crate) fn marker(self) -> Vec<u8> {
        self.tagged(LOG_MARKER, &[])
    }

    /// The record that the entry at `freeing` gave up the blob of the entry at `blob`.
    pub(crate) fn freed(self, freeing: LogIndex, blob: LogIndex) -> Vec<u8> {
        self.tagged(LOG_FREED, &[freeing, blob])
    }

    /// All records of blobs given up by entries up to and including `upto`.
    pub(crate) fn freed_through(self, upto: LogIndex) -> KeyRange {
        let to = upto.0.checked_add(1).map_or_else(
            || self.tagged(LOG_FREED + 1, &[]),
            |past| self.tagged(LOG_FREED, &[LogIndex(past)]),
        );
        KeyRange::new(self.tagged(LOG_FREED, &[]), to)
    }

    pub(crate) fn blob(self, index: LogIndex) -> Vec<u8> {
        self.join(&index.0.to_be_bytes())
    }

    pub(crate) fn vote(self) -> Vec<u8> {
        self.tagged(VOTE_VOTE, &[])
    }
}

/// The index at the end of a key of an entry, a blob or a freed-blob record.
pub(crate) fn last_index(key: &[u8]) -> Option<LogIndex> {
    let (_, index) = key.split_last_chunk::<8>()?;
    Some(LogIndex(u64::from_be_bytes(*index)))
}

/// The record of a replica.
pub(crate) fn replica_record(replica: ReplicaId) -> Vec<u8> {
    shelf_key(SHELF_REPLICA, replica)
}

/// All records of replicas.
pub(crate) fn replica_records() -> KeyRange {
    KeyRange::prefix(&[SHELF_REPLICA])
}

/// The number of the last batch.
pub(crate) fn sequence() -> Vec<u8> {
    vec![SHELF_SEQUENCE]
}

/// The second copy of a replica's vote, in a column of its own, so that one bad block cannot take both.
pub(crate) fn vote_copy(replica: ReplicaId) -> Vec<u8> {
    shelf_key(SHELF_VOTE_COPY, replica)
}

fn shelf_key(tag: u8, replica: ReplicaId) -> Vec<u8> {
    let mut key = vec![tag];
    key.extend_from_slice(&replica.0.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_sort_by_index_between_marker_and_freed_records() {
        let prefix = Prefix::new(ReplicaId(7), LASTING);
        let keys = [
            prefix.start(),
            prefix.marker(),
            prefix.entry(LogIndex(0)),
            prefix.entry(LogIndex(255)),
            prefix.entry(LogIndex(256)),
            prefix.entry(LogIndex(u64::MAX)),
            prefix.entries_end(),
            prefix.freed(LogIndex(1), LogIndex(0)),
            prefix.end(),
        ];
        assert!(keys.is_sorted());
        assert_eq!(last_index(&prefix.entry(LogIndex(256))), Some(LogIndex(256)));
    }

    #[test]
    fn freed_range_ends_with_its_last_freeing_entry() {
        let prefix = Prefix::new(ReplicaId(7), FIRST_GENERATION);
        let range = prefix.freed_through(LogIndex(5));
        let inside = |freeing| {
            let key = prefix.freed(LogIndex(freeing), LogIndex(1));
            key >= range.from && key < *range.to.as_ref().expect("bounded")
        };
        assert!(inside(0) && inside(5) && !inside(6));
    }
}
