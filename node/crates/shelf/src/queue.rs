//! The order in which a committer takes up what waits for it.
//!
//! Invariants
//! - Operations of one replica keep their order: raft breaks if a vote and an append change places.
//! - A replica with a vote in its queue goes first, so that bulk of others never delays an election.
//! - Otherwise replicas take turns, one operation each.

use std::collections::{BTreeMap, VecDeque};

use mail_model::ReplicaId;

/// One waiting operation.
pub(crate) struct Waiting<T> {
    pub(crate) bytes: usize,
    /// Whether this is a vote.
    pub(crate) urgent: bool,
    pub(crate) op: T,
}

struct Lane<T> {
    waiting: VecDeque<Waiting<T>>,
    urgent: usize,
}

pub(crate) struct Queue<T> {
    /// Only lanes with something in them.
    lanes: BTreeMap<ReplicaId, Lane<T>>,
    /// The same replicas, the next in turn first.
    turns: VecDeque<ReplicaId>,
    bytes: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            lanes: BTreeMap::new(),
            turns: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<T> Queue<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, replica: ReplicaId, waiting: Waiting<T>) {
        let lane = self.lanes.entry(replica).or_insert_with(|| {
            self.turns.push_back(replica);
            Lane {
                waiting: VecDeque::new(),
                urgent: 0,
            }
        });
        self.bytes += waiting.bytes;
        lane.urgent += usize::from(waiting.urgent);
        lane.waiting.push_back(waiting);
    }

    /// Takes operations of together at most `bytes_max`, and at least one if there is one.
    pub(crate) fn take(&mut self, bytes_max: usize) -> Vec<T> {
        let mut taken = Taken {
            ops: Vec::new(),
            left: bytes_max,
        };
        for replica in self.turns.clone() {
            while self.lanes.get(&replica).is_some_and(|lane| lane.urgent > 0) {
                if !self.take_one(replica, &mut taken) {
                    return taken.ops;
                }
            }
        }
        while let Some(replica) = self.turns.front().copied() {
            if !self.take_one(replica, &mut taken) {
                break;
            }
            if self.turns.front() == Some(&replica) {
                self.turns.rotate_left(1);
            }
        }
        taken.ops
    }

    /// Takes the oldest operation of one replica, unless it does not fit any more.
    fn take_one(&mut self, replica: ReplicaId, taken: &mut Taken<T>) -> bool {
        let Some(lane) = self.lanes.get_mut(&replica) else {
            return false;
        };
        let fits = lane
            .waiting
            .front()
            .is_some_and(|next| taken.ops.is_empty() || next.bytes <= taken.left);
        if !fits {
            return false;
        }
        if let Some(next) = lane.waiting.pop_front() {
            lane.urgent -= usize::from(next.urgent);
            self.bytes -= next.bytes;
            taken.left = taken.left.saturating_sub(next.bytes);
            taken.ops.push(next.op);
        }
        if lane.waiting.is_empty() {
            self.lanes.remove(&replica);
            self.turns.retain(|turn| *turn != replica);
        }
        true
    }
}

struct Taken<T> {
    ops: Vec<T>,
    left: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut Queue<&'static str>, replica: u64, op: &'static str, bytes: usize) {
        let urgent = op.starts_with("vote");
        queue.push(ReplicaId(replica), Waiting { bytes, urgent, op });
    }

    #[test]
    fn replicas_take_turns() {
        let mut queue = Queue::default();
        for op in ["a1", "a2", "a3"] {
            push(&mut queue, 1, op, 10);
        }
        push(&mut queue, 2, "b1", 10);
        assert_eq!(queue.take(25), ["a1", "b1"]);
        assert_eq!(queue.take(100), ["a2", "a3"]);
        assert!(queue.is_empty());
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn a_vote_overtakes_other_replicas_but_not_its_own_appends() {
        let mut queue = Queue::default();
        push(&mut queue, 1, "a1", 10);
        push(&mut queue, 2, "b1", 10);
        push(&mut queue, 2, "vote", 1);
        push(&mut queue, 2, "b2", 10);
        assert_eq!(queue.take(11), ["b1", "vote"]);
        assert_eq!(queue.take(100), ["a1", "b2"]);
    }

    #[test]
    fn an_operation_larger_than_a_batch_goes_alone() {
        let mut queue = Queue::default();
        push(&mut queue, 1, "big", 1000);
        push(&mut queue, 2, "b1", 1);
        assert_eq!(queue.take(10), ["big"]);
        assert_eq!(queue.take(10), ["b1"]);
    }

    #[test]
    fn nobody_starves_behind_a_busy_replica() {
        let mut queue = Queue::default();
        for _ in 0..10 {
            push(&mut queue, 1, "a", 10);
        }
        push(&mut queue, 2, "b", 10);
        assert_eq!(queue.take(10), ["a"]);
        assert_eq!(queue.take(10), ["b"]);
    }
}
