//! Any bytes as frames between nodes and as stored records, for the fuzz targets `frames` and `records`.
//!
//! Invariant: what can be read can be written, and is then read as the same. A violation panics.

use bytes::Bytes;
use openraft::EntryPayload;
pub use shelf::fuzzing as shelf;

use crate::record::Record;
use crate::rpc::{self, ReplyRow, RequestRow};
use crate::types::{Entry, LogId, StoredMembership, Vote};

/// Kinds of records that [`record()`] knows.
pub const KINDS: u8 = 4;

/// Reads `bytes` as the record that `kind` says, modulo [`KINDS`].
///
/// # Panics
/// When the invariant of this module does not hold.
pub fn record(kind: u8, bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    match kind % KINDS {
        0 => twice::<Vote>(&bytes),
        1 => twice::<LogId>(&bytes),
        2 => twice::<StoredMembership>(&bytes),
        _ => twice::<Entry>(&bytes),
    }
}

fn twice<R: Record>(bytes: &Bytes) {
    if let Ok(value) = R::from_record(bytes) {
        let once = value.to_record();
        let again = R::from_record(&once).unwrap_or_else(|error| panic!("what was written cannot be read: {error}"));
        assert_eq!(again.to_record(), once);
    }
}

/// Reads `frame` as a request of another node, and what follows its row as that row says.
///
/// # Panics
/// When the invariant of this module does not hold.
pub fn request(frame: &[u8]) {
    let Ok((row, rest)) = rpc::read_request(&Bytes::copy_from_slice(frame)) else {
        return;
    };
    let once = rpc::write_request(&row, &rest);
    let (row, rest) = rpc::read_request(&once).expect("what was written can be read");
    assert_eq!(rpc::write_request(&row, &rest), once);
    match row {
        RequestRow::Append { lengths, .. } => {
            let Ok(entries) = rpc::append_entries(&lengths, rest) else {
                return;
            };
            assert_eq!(entries.len(), lengths.len());
            for (entry, (_, blob_len)) in entries.iter().zip(lengths) {
                twice::<Entry>(&entry.to_record());
                if let EntryPayload::Normal(command) = &entry.payload
                    && let Some(blob) = &command.blob
                {
                    assert_eq!(rpc::len_u32(blob), blob_len);
                }
            }
        }
        RequestRow::Propose {
            payload_len, blob_len, ..
        } => {
            if let Ok((payload, blob)) = rpc::proposed_parts(payload_len, blob_len, rest) {
                assert_eq!(rpc::len_u32(&payload), payload_len);
                assert_eq!(blob.as_deref().map(rpc::len_u32), blob_len);
            }
        }
        _ => {}
    }
}

/// Reads `frame` as another node's reply.
///
/// # Panics
/// When the invariant of this module does not hold.
pub fn reply(frame: &[u8]) {
    let Ok((row, rest)) = rpc::read_reply(&Bytes::copy_from_slice(frame)) else {
        return;
    };
    let once = rpc::write_reply(&row, &rest);
    let (row, rest) = rpc::read_reply(&once).expect("what was written can be read");
    assert_eq!(rpc::write_reply(&row, &rest), once);
    if let ReplyRow::Proposed { outcome } = row {
        drop(outcome.with_reply(rest));
    }
}
