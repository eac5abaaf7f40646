//! The state machine of the simulator: lists that only grow, so that order, loss and doubling all show.
//!
//! | key | value |
//! |---|---|
//! | `j` key | the values appended under that key, each 8 bytes big-endian with the 8 bytes of its blob's index or 0 |
//! | `b` index (big-endian) | empty: the blob of that entry is referred to |
//! | `t` | log time of the last command, 8 bytes big-endian |

use std::ops::ControlFlow;

use mail_model::LogIndex;
use replication::{AppliedAt, KeyRange, ShelfError, StateMachine, StateTxn, StateView};

/// Keys per group.
pub const KEYS: u8 = 4;

/// One appended value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Item {
    /// Unique in a run.
    pub value: u64,
    /// The entry whose blob belongs to it; 0 without one.
    pub blob: u64,
}

/// The query for log time: a key that no list has.
pub const LOG_TIME: u8 = 0xFF;

/// The command that appends `value` under `key`.
#[must_use]
pub fn append(key: u8, value: u64) -> Vec<u8> {
    let mut payload = vec![key];
    payload.extend_from_slice(&value.to_be_bytes());
    payload
}

/// What a query answers, as items.
#[must_use]
pub fn items(reply: &[u8]) -> Vec<Item> {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let item = |bytes: &[u8]| Item {
        value: number(&bytes[..8]),
        blob: number(&bytes[8..]),
    };
    reply.chunks_exact(16).map(item).collect()
}

/// See the module.
pub struct Journal;

impl StateMachine for Journal {
    fn grows(&self, _: &[u8]) -> bool {
        true
    }

    fn apply(&self, txn: &mut StateTxn<'_>, at: &AppliedAt, payload: &[u8]) -> Result<Vec<u8>, ShelfError> {
        let Some((key, value)) = payload.split_first().filter(|(_, value)| value.len() == 8) else {
            return Ok(b"malformed".to_vec());
        };
        txn.put(*b"t", at.log_time_ms.to_be_bytes().to_vec());
        let row = [b'j', *key];
        let mut list = txn.get(&row)?.map(|list| list.to_vec()).unwrap_or_default();
        let blob = at.blob_len.map_or(0, |_| at.index.0);
        list.extend_from_slice(value);
        list.extend_from_slice(&blob.to_be_bytes());
        if blob != 0 {
            txn.put([&b"b"[..], &blob.to_be_bytes()].concat(), Vec::new());
        }
        let count = list.len() / 16;
        txn.put(row, list);
        txn.emit(u64::from(*key), value.to_vec());
        Ok((count as u64).to_be_bytes().to_vec())
    }

    fn query(&self, view: &StateView, request: &[u8]) -> Result<Vec<u8>, ShelfError> {
        let key = request.first().copied().unwrap_or_default();
        let row: &[u8] = if key == LOG_TIME { b"t" } else { &[b'j', key] };
        Ok(view.get(row)?.map(|list| list.to_vec()).unwrap_or_default())
    }

    fn live_blobs(&self, view: &StateView, from: LogIndex, limit: usize) -> Result<Vec<LogIndex>, ShelfError> {
        let mut blobs = Vec::new();
        let first = [&b"b"[..], &from.0.to_be_bytes()].concat();
        view.scan(&KeyRange::new(first, b"c".to_vec()), &mut |key, _| {
            let index = key[1..].iter().fold(0, |index, byte| index << 8 | u64::from(*byte));
            blobs.push(LogIndex(index));
            if blobs.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        Ok(blobs)
    }
}
