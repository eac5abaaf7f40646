//! What this node saw from replicas elsewhere, for the day on which one of them comes back and has forgotten it (DESIGN
//! D10): the vote that it gave last, and how far its log reached on disk under that vote.
//!
//! Invariants
//! - Only what is on the replica's disk is noted: votes that it gave or campaigned with, entries that it acknowledged.
//! - A note only grows: by the vote, then by the log under it.
//! - Under a later vote a log may be cut, so a note says nothing of a log below another vote. Nor need it: votes and
//!   entries share one write-ahead log, so who still has the later vote has what was written before it.
//!
//! Nothing of it is stored. Who remembers nothing objects to nothing; that only weakens detection.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mail_model::ReplicaId;

use crate::types::{LeaderId, LogId};

/// What was seen of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    /// The vote that it held on disk.
    pub(crate) vote: LeaderId,
    /// The last entry that it acknowledged under that vote.
    pub(crate) last: Option<LogId>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self.last.map_or(0, |last| last.index);
        write!(f, "vote {} and entry {index}", self.vote)
    }
}

/// What a replica finds on its own disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) vote: Option<LeaderId>,
    /// Of its log, or of its applied state if that reaches further.
    pub(crate) last: Option<LogId>,
}

impl Held {
    /// Whether it has forgotten something of what others saw.
    pub(crate) fn is_less_than(&self, seen: &Seen) -> bool {
        self.vote < Some(seen.vote) || (self.vote == Some(seen.vote) && self.last < seen.last)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vote {
            Some(vote) => write!(f, "vote {vote}")?,
            None => f.write_str("no vote")?,
        }
        write!(f, " and entry {}", self.last.map_or(0, |last| last.index))
    }
}

/// The notes of this node, by replica.
#[derive(Default)]
pub(crate) struct SeenTable(Mutex<BTreeMap<ReplicaId, Seen>>);

impl SeenTable {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ReplicaId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `replica` has `vote` on its disk, and under it the log up to `last`.
    pub(crate) fn note(&self, replica: ReplicaId, vote: LeaderId, last: Option<LogId>) {
        let now = Seen { vote, last };
        let mut rows = self.lock();
        let row = rows.entry(replica).or_insert(now);
        *row = now.max(*row);
    }

    /// What is known of those of `replicas` that anything is known of.
    pub(crate) fn of(&self, replicas: &[ReplicaId]) -> Vec<(ReplicaId, Seen)> {
        let rows = self.lock();
        let known = |replica: &ReplicaId| rows.get(replica).map(|seen| (*replica, *seen));
        replicas.iter().filter_map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(term: u64, replica: u64) -> LeaderId {
        LeaderId {
            term,
            node_id: ReplicaId(replica),
        }
    }

    fn entry(term: u64, index: u64) -> Option<LogId> {
        let leader_id = vote(term, 1);
        Some(LogId { leader_id, index })
    }

    fn held(term: u64, last: Option<LogId>) -> Held {
        Held {
            vote: Some(vote(term, 1)),
            last,
        }
    }

    #[test]
    fn a_note_only_grows() {
        let table = SeenTable::default();
        let one = ReplicaId(1);
        table.note(one, vote(2, 1), entry(2, 9));
        table.note(one, vote(2, 1), entry(2, 7));
        table.note(one, vote(1, 1), entry(1, 99));
        let seen = |last| Seen { vote: vote(2, 1), last };
        assert_eq!(table.of(&[one, ReplicaId(2)]), [(one, seen(entry(2, 9)))]);
        table.note(one, vote(3, 1), None);
        let later = Seen {
            vote: vote(3, 1),
            last: None,
        };
        assert_eq!(table.of(&[one]), [(one, later)]);
    }

    #[test]
    fn less_than_was_seen_under_the_same_vote_is_less() {
        let seen = Seen {
            vote: vote(3, 1),
            last: entry(3, 10),
        };
        assert!(held(3, entry(3, 9)).is_less_than(&seen));
        assert!(
            held(3, entry(2, 50)).is_less_than(&seen),
            "a stale tail is not what was acknowledged"
        );
        assert!(held(3, None).is_less_than(&seen));
        assert!(!held(3, entry(3, 10)).is_less_than(&seen));
        assert!(!held(3, entry(3, 11)).is_less_than(&seen));
    }

    #[test]
    fn a_forgotten_vote_is_less_and_a_later_one_vouches_for_what_was_before() {
        let seen = Seen {
            vote: vote(3, 1),
            last: entry(3, 10),
        };
        assert!(held(2, entry(2, 99)).is_less_than(&seen));
        assert!(Held { vote: None, last: None }.is_less_than(&seen));
        assert!(
            !held(4, entry(2, 5)).is_less_than(&seen),
            "a later leader may have cut it"
        );
    }
}
