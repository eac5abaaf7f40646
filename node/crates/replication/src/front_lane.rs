//! The asking side of exactly-once: which requests of this process are under way in each group (DESIGN D5; the
//! answering side is [`crate::lanes`]).
//!
//! Invariants
//! - A counter is given once per incarnation and group.
//! - acked-below is the lowest counter under way: a request that still may be asked again is never below it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail_model::{GroupId, NodeId};

use crate::types::{Incarnation, RequestId};

struct State {
    incarnation: Incarnation,
    is_open: bool,
    next: u64,
    under_way: BTreeSet<u64>,
}

/// The lane of this process in one group.
pub(crate) struct FrontLane {
    node: NodeId,
    state: Mutex<State>,
    /// Held by whoever opens the lane, so that the others wait for it.
    pub(crate) opening: tokio::sync::Mutex<()>,
}

impl FrontLane {
    fn new(node: NodeId, incarnation: Incarnation) -> Self {
        let state = State {
            incarnation,
            is_open: false,
            next: 1,
            under_way: BTreeSet::new(),
        };
        Self {
            node,
            state: Mutex::new(state),
            opening: tokio::sync::Mutex::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_open
    }

    /// The group knows this incarnation now, or has forgotten it.
    pub(crate) fn set_open(&self, is_open: bool) {
        self.lock().is_open = is_open;
    }

    /// The request that opens the lane.
    pub(crate) fn opener(&self) -> RequestId {
        RequestId {
            node: self.node,
            incarnation: self.lock().incarnation,
            counter: 0,
            acked_below: 0,
        }
    }

    /// Goes above an incarnation that the group knows. Only before the lane is open: requests name the old one.
    pub(crate) fn supersede(&self, known: Incarnation) {
        let mut state = self.lock();
        if state.incarnation <= known {
            state.incarnation.started_ms = known.started_ms.saturating_add(1);
        }
    }

    /// A new request.
    pub(crate) fn begin(self: &Arc<Self>) -> Ticket {
        let mut state = self.lock();
        let counter = state.next;
        state.next += 1;
        state.under_way.insert(counter);
        drop(state);
        Ticket {
            lane: self.clone(),
            counter,
        }
    }
}

/// A request under way; over when dropped.
pub(crate) struct Ticket {
    lane: Arc<FrontLane>,
    counter: u64,
}

impl Ticket {
    /// Its name, with what is acknowledged by now.
    pub(crate) fn request(&self) -> RequestId {
        let state = self.lane.lock();
        RequestId {
            node: self.lane.node,
            incarnation: state.incarnation,
            counter: self.counter,
            acked_below: state.under_way.first().copied().unwrap_or(self.counter),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.lane.lock().under_way.remove(&self.counter);
    }
}

/// The lanes of this process.
pub(crate) struct FrontLanes {
    node: NodeId,
    incarnation: Incarnation,
    lanes: Mutex<HashMap<GroupId, Arc<FrontLane>>>,
}

impl FrontLanes {
    pub(crate) fn new(node: NodeId, incarnation: Incarnation) -> Self {
        Self {
            node,
            incarnation,
            lanes: Mutex::default(),
        }
    }

    pub(crate) fn of(&self, group: GroupId) -> Arc<FrontLane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(FrontLane::new(self.node, self.incarnation));
        lanes.entry(group).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acked_below_never_passes_a_request_under_way() {
        let lanes = FrontLanes::new(NodeId([1; 16]), Incarnation::default());
        let lane = lanes.of(GroupId(1));
        let (first, second) = (lane.begin(), lane.begin());
        assert_eq!((first.request().counter, first.request().acked_below), (1, 1));
        assert_eq!((second.request().counter, second.request().acked_below), (2, 1));
        drop(first);
        assert_eq!(second.request().acked_below, 2);
        let third = lane.begin();
        drop(second);
        assert_eq!((third.request().counter, third.request().acked_below), (3, 3));
    }

    #[test]
    fn a_lane_that_was_superseded_goes_above() {
        let lanes = FrontLanes::new(
            NodeId([1; 16]),
            Incarnation {
                started_ms: 5,
                random: 9,
            },
        );
        let lane = lanes.of(GroupId(1));
        lane.supersede(Incarnation {
            started_ms: 4,
            random: 1,
        });
        assert_eq!(lane.opener().incarnation.started_ms, 5);
        lane.supersede(Incarnation {
            started_ms: 7,
            random: 1,
        });
        assert_eq!(lane.opener().incarnation.started_ms, 8);
    }
}
