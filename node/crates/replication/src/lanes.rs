//! Exactly once: what a group remembers of requests, so that one that comes again is answered and not done twice
//! (DESIGN D5).
//!
//! A front node has one lane in each group. Rows, all in the replicated state, under keys that begin with `0xFF`:
//!
//! | key | value |
//! |---|---|
//! | `FF 10` node | the lane: incarnation, acked-below, and the outcomes of the last requests |
//! | `FF 12` node, counter (big-endian) | an outcome that the lane has no room for |
//!
//! Most senders have few requests under way, and acknowledge what came before with the next one: then the lane is all
//! there is, one row that is read from memory and written once for all entries of a batch.
//!
//! Invariants
//! - A request takes effect at most once, whatever is proposed how often, in whatever order.
//! - acked-below only grows within an incarnation; no outcome lies under it, in the lane or in a row of its own.
//! - Rows of their own lie under `rows_below`, so that above it none has to be looked for.
//! - An incarnation is replaced only by a later one, and its rows go with it.

use std::ops::ControlFlow;

use bytes::Bytes;
use mail_model::{LogIndex, NodeId};
use minicbor::{Decode, Encode};
use shelf::{KeyRange, ShelfError, StateTxn};

use crate::limits::{LANE_OUTCOMES_MAX, LANE_REPLY_BYTES_MAX};
use crate::record::{RecordError, open, seal};
use crate::types::{Incarnation, Outcome, RequestId};

const LANE: u8 = 0x10;
const OUTCOME: u8 = 0x12;

/// Why a lane cannot say what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaneError {
    /// The shelf failed.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// A row of ours is not what we wrote.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What a group remembers of one front node.
#[derive(Encode, Decode)]
pub(crate) struct Lane {
    /// Requests of any other one do not count.
    #[n(0)]
    incarnation: Incarnation,
    /// Requests under it are answered and forgotten.
    #[n(1)]
    acked_below: u64,
    #[n(2)]
    outcomes: Vec<LaneOutcome>,
    /// Outcomes that have rows of their own are of requests under it.
    #[n(3)]
    rows_below: u64,
}

#[derive(Encode, Decode)]
struct LaneOutcome {
    #[n(0)]
    counter: u64,
    /// The row as it would stand by itself.
    #[cbor(n(1), with = "minicbor::bytes")]
    row: Vec<u8>,
}

/// The reply follows the row.
#[derive(Encode, Decode)]
enum OutcomeRow {
    #[n(0)]
    Reply {
        #[n(0)]
        index: LogIndex,
    },
    #[n(1)]
    Cancelled,
}

/// What is known of a request before it is done.
pub(crate) enum Known {
    /// It must not be done (again).
    Done(Outcome),
    /// It may be done; the lane is told of it then.
    New(Lane),
}

fn lane_key(node: NodeId) -> Vec<u8> {
    [&[0xFF, LANE], node.0.as_slice()].concat()
}

fn outcome_key(node: NodeId, counter: u64) -> Vec<u8> {
    [&[0xFF, OUTCOME], node.0.as_slice(), &counter.to_be_bytes()].concat()
}

fn outcome(row: &Bytes) -> Result<Outcome, LaneError> {
    let (row, reply) = open("outcome", row)?;
    Ok(match row {
        OutcomeRow::Reply { index } => Outcome::Reply { index, reply },
        OutcomeRow::Cancelled => Outcome::Cancelled,
    })
}

/// Begins the lane anew for a later incarnation of its node. The same one again changes nothing.
///
/// # Errors
/// When the shelf fails or a row is damaged.
pub(crate) fn open_lane(txn: &mut StateTxn<'_>, request: &RequestId) -> Result<Outcome, LaneError> {
    let node = request.node;
    if let Some(lane) = Lane::read(txn, node)? {
        if lane.incarnation > request.incarnation {
            return Ok(Outcome::NoLane(Some(lane.incarnation)));
        }
        if lane.incarnation == request.incarnation {
            return Ok(Outcome::Nothing);
        }
        lane.delete_rows(txn, node, u64::MAX)?;
    }
    let lane = Lane {
        incarnation: request.incarnation,
        acked_below: 0,
        outcomes: Vec::new(),
        rows_below: 0,
    };
    lane.write(txn, node);
    Ok(Outcome::Nothing)
}

/// What is known of a request.
///
/// # Errors
/// When the shelf fails or a row is damaged.
pub(crate) fn look_up(txn: &StateTxn<'_>, request: &RequestId) -> Result<Known, LaneError> {
    let Some(lane) = Lane::read(txn, request.node)? else {
        return Ok(Known::Done(Outcome::NoLane(None)));
    };
    if lane.incarnation > request.incarnation || lane.is_acked(request) {
        return Ok(Known::Done(Outcome::Stale));
    }
    if lane.incarnation < request.incarnation {
        return Ok(Known::Done(Outcome::NoLane(Some(lane.incarnation))));
    }
    if let Some(known) = lane.outcomes.iter().find(|known| known.counter == request.counter) {
        return Ok(Known::Done(outcome(&Bytes::copy_from_slice(&known.row))?));
    }
    if request.counter < lane.rows_below
        && let Some(row) = txn.get(&outcome_key(request.node, request.counter))?
    {
        return Ok(Known::Done(outcome(&row)?));
    }
    Ok(Known::New(lane))
}

/// Makes sure that a request without an outcome never takes effect.
///
/// # Errors
/// When the shelf fails or a row is damaged.
pub(crate) fn cancel(txn: &mut StateTxn<'_>, request: &RequestId) -> Result<Outcome, LaneError> {
    match look_up(txn, request)? {
        Known::Done(outcome) => Ok(outcome),
        Known::New(lane) => {
            lane.remember(txn, request, seal(&OutcomeRow::Cancelled, &[]))?;
            Ok(Outcome::Cancelled)
        }
    }
}

impl Lane {
    fn read(txn: &StateTxn<'_>, node: NodeId) -> Result<Option<Self>, LaneError> {
        let row = txn.get(&lane_key(node))?;
        Ok(row.map(|row| open("lane", &row)).transpose()?.map(|(lane, _)| lane))
    }

    fn write(&self, txn: &mut StateTxn<'_>, node: NodeId) {
        txn.put(lane_key(node), seal(self, &[]));
    }

    fn is_acked(&self, request: &RequestId) -> bool {
        self.incarnation == request.incarnation && request.counter < self.acked_below
    }

    /// Keeps the reply of a request that was just done, and forgets those that its sender no longer needs.
    ///
    /// # Errors
    /// When the shelf fails.
    pub(crate) fn remember_reply(
        self,
        txn: &mut StateTxn<'_>,
        request: &RequestId,
        reply: &Bytes,
    ) -> Result<(), LaneError> {
        let index = txn.index();
        self.remember(txn, request, seal(&OutcomeRow::Reply { index }, reply))
    }

    fn remember(mut self, txn: &mut StateTxn<'_>, request: &RequestId, row: Bytes) -> Result<(), LaneError> {
        let node = request.node;
        // A sender never acknowledges what it still asks.
        let acked_below = request.acked_below.min(request.counter);
        if acked_below > self.acked_below {
            self.delete_rows(txn, node, acked_below)?;
            self.outcomes.retain(|known| known.counter >= acked_below);
            self.acked_below = acked_below;
        }
        if row.len() > LANE_REPLY_BYTES_MAX {
            self.set_apart(txn, node, request.counter, row);
        } else {
            if self.outcomes.len() >= LANE_OUTCOMES_MAX {
                for known in std::mem::take(&mut self.outcomes) {
                    self.set_apart(txn, node, known.counter, Bytes::from(known.row));
                }
            }
            self.outcomes.push(LaneOutcome {
                counter: request.counter,
                row: row.to_vec(),
            });
        }
        self.write(txn, node);
        Ok(())
    }

    /// Gives an outcome a row of its own.
    fn set_apart(&mut self, txn: &mut StateTxn<'_>, node: NodeId, counter: u64, row: Bytes) {
        self.rows_below = self.rows_below.max(counter + 1);
        txn.put(outcome_key(node, counter), row);
    }

    /// Deletes the rows of outcomes under `below`.
    fn delete_rows(&self, txn: &mut StateTxn<'_>, node: NodeId, below: u64) -> Result<(), ShelfError> {
        let below = below.min(self.rows_below);
        if below <= self.acked_below {
            return Ok(());
        }
        let range = KeyRange::new(outcome_key(node, self.acked_below), outcome_key(node, below));
        let mut gone = Vec::new();
        txn.scan(&range, &mut |key, _| {
            gone.push(key.to_vec());
            ControlFlow::Continue(())
        })?;
        gone.into_iter().for_each(|key| txn.delete(key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_model::{GroupId, ReplicaId};
    use shelf::{MemDisk, Shelf, StateView};

    const NODE: NodeId = NodeId([7; 16]);

    fn empty_view() -> StateView {
        let shelf = Shelf::simulated(MemDisk::new("lanes").open()).expect("opens");
        let store = shelf.create_replica(ReplicaId(1), GroupId(1)).expect("creates");
        store.state_view().expect("reads")
    }

    fn request(started_ms: u64, counter: u64, acked_below: u64) -> RequestId {
        let incarnation = Incarnation { started_ms, random: 1 };
        RequestId {
            node: NODE,
            incarnation,
            counter,
            acked_below,
        }
    }

    fn known_outcome(txn: &StateTxn<'_>, request: &RequestId) -> Result<Option<Outcome>, LaneError> {
        Ok(match look_up(txn, request)? {
            Known::Done(outcome) => Some(outcome),
            Known::New(_) => None,
        })
    }

    fn remember_reply(txn: &mut StateTxn<'_>, request: &RequestId, reply: &Bytes) -> Result<(), LaneError> {
        match look_up(txn, request)? {
            Known::Done(outcome) => panic!("done already: {outcome}"),
            Known::New(lane) => lane.remember_reply(txn, request, reply),
        }
    }

    /// Outcomes that have rows of their own.
    fn rows_apart(txn: &StateTxn<'_>) -> usize {
        let mut rows = 0;
        let range = KeyRange::new(outcome_key(NODE, 0), outcome_key(NODE, u64::MAX));
        txn.scan(&range, &mut |_, _| {
            rows += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        rows
    }

    fn reply(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    /// All of these tests are one entry.
    fn replied(text: &'static str) -> Outcome {
        Outcome::Reply {
            index: LogIndex(1),
            reply: reply(text),
        }
    }

    #[test]
    fn a_request_that_comes_again_gets_its_first_reply() {
        let view = empty_view();
        let mut txn = StateTxn::new(&view, LogIndex(1));
        assert_eq!(open_lane(&mut txn, &request(1, 0, 0)).unwrap(), Outcome::Nothing);
        assert_eq!(known_outcome(&txn, &request(1, 1, 0)).unwrap(), None);
        remember_reply(&mut txn, &request(1, 1, 0), &reply("first")).unwrap();
        assert_eq!(known_outcome(&txn, &request(1, 1, 0)).unwrap(), Some(replied("first")));
    }

    #[test]
    fn a_request_below_the_acknowledged_ones_is_stale() {
        let view = empty_view();
        let mut txn = StateTxn::new(&view, LogIndex(1));
        open_lane(&mut txn, &request(1, 0, 0)).unwrap();
        remember_reply(&mut txn, &request(1, 1, 0), &reply("one")).unwrap();
        remember_reply(&mut txn, &request(1, 3, 3), &reply("three")).unwrap();
        for counter in [1, 2] {
            assert_eq!(
                known_outcome(&txn, &request(1, counter, 0)).unwrap(),
                Some(Outcome::Stale)
            );
        }
        assert_eq!(known_outcome(&txn, &request(1, 3, 0)).unwrap(), Some(replied("three")));
    }

    #[test]
    fn a_cancelled_request_never_takes_effect_and_a_done_one_is_not_cancelled() {
        let view = empty_view();
        let mut txn = StateTxn::new(&view, LogIndex(1));
        open_lane(&mut txn, &request(1, 0, 0)).unwrap();
        assert_eq!(cancel(&mut txn, &request(1, 5, 0)).unwrap(), Outcome::Cancelled);
        assert_eq!(
            known_outcome(&txn, &request(1, 5, 0)).unwrap(),
            Some(Outcome::Cancelled)
        );
        remember_reply(&mut txn, &request(1, 6, 0), &reply("done")).unwrap();
        assert_eq!(cancel(&mut txn, &request(1, 6, 0)).unwrap(), replied("done"));
    }

    #[test]
    fn an_older_incarnation_is_stale_and_an_unknown_one_has_to_open_its_lane() {
        let view = empty_view();
        let mut txn = StateTxn::new(&view, LogIndex(1));
        assert_eq!(
            known_outcome(&txn, &request(2, 1, 0)).unwrap(),
            Some(Outcome::NoLane(None))
        );
        open_lane(&mut txn, &request(2, 0, 0)).unwrap();
        remember_reply(&mut txn, &request(2, 1, 0), &reply("of 2")).unwrap();
        let known = Some(request(2, 0, 0).incarnation);
        assert_eq!(
            known_outcome(&txn, &request(3, 1, 0)).unwrap(),
            Some(Outcome::NoLane(known))
        );
        open_lane(&mut txn, &request(3, 0, 0)).unwrap();
        assert_eq!(known_outcome(&txn, &request(3, 1, 0)).unwrap(), None);
        assert_eq!(known_outcome(&txn, &request(2, 1, 0)).unwrap(), Some(Outcome::Stale));
        let known = Some(request(3, 0, 0).incarnation);
        assert_eq!(open_lane(&mut txn, &request(2, 0, 0)).unwrap(), Outcome::NoLane(known));
    }
    #[test]
    fn what_the_lane_has_no_room_for_is_remembered_all_the_same_until_it_is_acknowledged() {
        let view = empty_view();
        let mut txn = StateTxn::new(&view, LogIndex(1));
        open_lane(&mut txn, &request(1, 0, 0)).unwrap();
        let large = Bytes::from(vec![b'x'; LANE_REPLY_BYTES_MAX]);
        // The first one is still asked for, so nothing is acknowledged.
        let last = 3 * LANE_OUTCOMES_MAX as u64;
        for counter in (2..last).chain([1]) {
            let reply = if counter == 7 { large.clone() } else { reply("small") };
            remember_reply(&mut txn, &request(1, counter, 1), &reply).unwrap();
        }
        for counter in 1..last {
            let Some(Outcome::Reply { reply, .. }) = known_outcome(&txn, &request(1, counter, 1)).unwrap() else {
                panic!("{counter} is forgotten");
            };
            assert_eq!(reply.len() == large.len(), counter == 7);
        }
        assert_eq!(known_outcome(&txn, &request(1, last, 1)).unwrap(), None);
        assert!(rows_apart(&txn) >= LANE_OUTCOMES_MAX);
        remember_reply(&mut txn, &request(1, last, last), &reply("after all")).unwrap();
        assert_eq!(rows_apart(&txn), 0);
        for counter in 1..last {
            let known = known_outcome(&txn, &request(1, counter, 1)).unwrap();
            assert_eq!(known, Some(Outcome::Stale), "{counter}");
        }
    }

    #[test]
    fn a_later_incarnation_takes_rows_of_their_own_with_it() {
        let view = empty_view();
        let mut txn = StateTxn::new(&view, LogIndex(1));
        open_lane(&mut txn, &request(1, 0, 0)).unwrap();
        let large = Bytes::from(vec![b'x'; LANE_REPLY_BYTES_MAX]);
        remember_reply(&mut txn, &request(1, 5, 0), &large).unwrap();
        assert_eq!(rows_apart(&txn), 1);
        open_lane(&mut txn, &request(2, 0, 0)).unwrap();
        assert_eq!(rows_apart(&txn), 0);
        assert_eq!(known_outcome(&txn, &request(2, 5, 0)).unwrap(), None);
    }
}
