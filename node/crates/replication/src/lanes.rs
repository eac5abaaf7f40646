//! Exactly once: what a group remembers of requests, so that one that comes again is answered and not done twice
//! (DESIGN D5).
//!
//! A front node has one lane in each group. Rows, all in the replicated state, under keys that begin with `0xFF`:
//!
//! | key | value |
//! |---|---|
//! | `FF 10` node | the incarnation whose requests count |
//! | `FF 11` node | acked-below: requests under it are answered and forgotten |
//! | `FF 12` node, counter (big-endian) | the outcome of that request |
//!
//! Invariants
//! - A request takes effect at most once, whatever is proposed how often, in whatever order.
//! - acked-below only grows within an incarnation; no outcome row lies under it.
//! - An incarnation is replaced only by a later one, and its rows go with it.

use std::ops::ControlFlow;

use bytes::Bytes;
use mail_model::{LogIndex, NodeId};
use minicbor::{Decode, Encode};
use shelf::{KeyRange, ShelfError, StateTxn};

use crate::record::{RecordError, open, seal};
use crate::types::{Incarnation, Outcome, RequestId};

const INCARNATION: u8 = 0x10;
const ACKED_BELOW: u8 = 0x11;
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

#[derive(Encode, Decode)]
enum OutcomeRow {
    /// The reply follows the row.
    #[n(0)]
    Reply {
        #[n(0)]
        index: LogIndex,
    },
    #[n(1)]
    Cancelled,
}

fn node_key(kind: u8, node: NodeId) -> Vec<u8> {
    let mut key = vec![0xFF, kind];
    key.extend_from_slice(&node.0);
    key
}

fn outcome_key(node: NodeId, counter: u64) -> Vec<u8> {
    let mut key = node_key(OUTCOME, node);
    key.extend_from_slice(&counter.to_be_bytes());
    key
}

fn incarnation(txn: &StateTxn<'_>, node: NodeId) -> Result<Option<Incarnation>, LaneError> {
    let row = txn.get(&node_key(INCARNATION, node))?;
    Ok(row
        .map(|row| open("incarnation", &row))
        .transpose()?
        .map(|(row, _)| row))
}

fn acked_below(txn: &StateTxn<'_>, node: NodeId) -> Result<u64, LaneError> {
    let row = txn.get(&node_key(ACKED_BELOW, node))?;
    Ok(row
        .map(|row| open("acked-below", &row))
        .transpose()?
        .map_or(0, |(row, _)| row))
}

/// Begins the lane anew for a later incarnation of its node. The same one again changes nothing.
///
/// # Errors
/// When the shelf fails or a row is damaged.
pub(crate) fn open_lane(txn: &mut StateTxn<'_>, request: &RequestId) -> Result<Outcome, LaneError> {
    let node = request.node;
    match incarnation(txn, node)? {
        Some(known) if known > request.incarnation => return Ok(Outcome::NoLane(Some(known))),
        Some(known) if known == request.incarnation => return Ok(Outcome::Nothing),
        _ => {}
    }
    delete_outcomes(txn, node, 0, u64::MAX)?;
    txn.delete(node_key(ACKED_BELOW, node));
    txn.put(node_key(INCARNATION, node), seal(&request.incarnation, &[]));
    Ok(Outcome::Nothing)
}

/// What is known of a request before it is done: `Some` when it must not be done (again).
///
/// # Errors
/// When the shelf fails or a row is damaged.
pub(crate) fn known_outcome(txn: &StateTxn<'_>, request: &RequestId) -> Result<Option<Outcome>, LaneError> {
    match incarnation(txn, request.node)? {
        Some(known) if known == request.incarnation => {}
        Some(known) if known > request.incarnation => return Ok(Some(Outcome::Stale)),
        known => return Ok(Some(Outcome::NoLane(known))),
    }
    if request.counter < acked_below(txn, request.node)? {
        return Ok(Some(Outcome::Stale));
    }
    let Some(row) = txn.get(&outcome_key(request.node, request.counter))? else {
        return Ok(None);
    };
    let (row, reply) = open("outcome", &row)?;
    Ok(Some(match row {
        OutcomeRow::Reply { index } => Outcome::Reply { index, reply },
        OutcomeRow::Cancelled => Outcome::Cancelled,
    }))
}

/// Keeps the reply of a request that was just done, and forgets those that its sender no longer needs.
///
/// # Errors
/// When the shelf fails or a row is damaged.
pub(crate) fn remember_reply(txn: &mut StateTxn<'_>, request: &RequestId, reply: &Bytes) -> Result<(), LaneError> {
    let index = txn.index();
    remember(txn, request, seal(&OutcomeRow::Reply { index }, reply))
}

/// Makes sure that a request without an outcome never takes effect.
///
/// # Errors
/// When the shelf fails or a row is damaged.
pub(crate) fn cancel(txn: &mut StateTxn<'_>, request: &RequestId) -> Result<Outcome, LaneError> {
    if let Some(known) = known_outcome(txn, request)? {
        return Ok(known);
    }
    remember(txn, request, seal(&OutcomeRow::Cancelled, &[]))?;
    Ok(Outcome::Cancelled)
}

fn remember(txn: &mut StateTxn<'_>, request: &RequestId, row: Bytes) -> Result<(), LaneError> {
    let before = acked_below(txn, request.node)?;
    // A sender never acknowledges what it still asks.
    let now = request.acked_below.min(request.counter);
    if now > before {
        delete_outcomes(txn, request.node, before, now)?;
        txn.put(node_key(ACKED_BELOW, request.node), seal(&now, &[]));
    }
    txn.put(outcome_key(request.node, request.counter), row);
    Ok(())
}

fn delete_outcomes(txn: &mut StateTxn<'_>, node: NodeId, from: u64, to: u64) -> Result<(), LaneError> {
    let mut gone = Vec::new();
    txn.scan(
        &KeyRange::new(outcome_key(node, from), outcome_key(node, to)),
        &mut |key, _| {
            gone.push(key.to_vec());
            ControlFlow::Continue(())
        },
    )?;
    gone.into_iter().for_each(|key| txn.delete(key));
    Ok(())
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
}
