//! Any bytes as rows, commands, queries and answers of mail groups and of the directory, for the fuzz target `records`.
//!
//! Invariant: what can be read can be written, and is then read as the same. A violation panics.

use minicbor::{Decode, Encode};
pub use replication::fuzzing as replication;

use crate::codec;
use crate::command::{AnyCommand, Appended, Copied, Delivered, Expunged, Stored, Swept};
use crate::event::AccountEvent;
use crate::key;
use crate::query::AnyQuery;
use crate::record::{
    AccountRow, BodyRow, ColdRow, DeliveryRow, Due, HotRow, KeptRows, KeywordsRow, MailboxRow, MaildropRow, QueuedRow,
    StructureRow, TombstoneRow, UploadPieceRow, UploadRow,
};
use crate::rejection::Rejection;
use crate::uid_set::UidSet;

macro_rules! kinds {
    ($($name:ty),* $(,)?) => {
        const READERS: &[fn(&[u8])] = &[$(twice::<$name>),*, hot, keys, crate::directory::fuzzing::record];
    };
}

kinds! {
    AccountRow, BodyRow, ColdRow, DeliveryRow, Due, KeptRows, KeywordsRow, MailboxRow, MaildropRow, QueuedRow,
    StructureRow, TombstoneRow, UploadPieceRow, UploadRow, AnyCommand, AnyQuery, AccountEvent, Rejection, UidSet,
    Appended, Copied, Delivered, Expunged, Stored, Swept,
}

/// Reads `bytes` as the record that `kind` says, of the kinds there are.
///
/// # Panics
/// When the invariant of this module does not hold.
pub fn record(kind: u8, bytes: &[u8]) {
    READERS[usize::from(kind) % READERS.len()](bytes);
}

fn twice<T: Encode<()> + for<'b> Decode<'b, ()>>(bytes: &[u8]) {
    if let Ok(value) = codec::open::<T>("fuzzed", bytes) {
        let once = codec::seal(&value);
        let again: T = codec::open("fuzzed", &once).expect("what was written can be read");
        assert_eq!(codec::seal(&again), once);
    }
}

/// The hot row has a form of its own.
fn hot(bytes: &[u8]) {
    if let Ok(row) = HotRow::from_bytes(bytes) {
        assert_eq!(HotRow::from_bytes(&row.to_bytes()), Ok(row));
    }
}

fn keys(bytes: &[u8]) {
    let _ = (key::uid_of(bytes), key::change_of(bytes), key::index_of(bytes));
    let _ = (key::queued_of(bytes), key::queue_due_of(bytes));
    let _ = (key::due_of(bytes), key::after_account(bytes));
}
