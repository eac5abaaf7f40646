//! Any bytes as stored records of a shelf, for the fuzz target `records`.
//!
//! Invariant: what can be read can be written, and is then read as the same. A violation panics.

use bytes::Bytes;
use mail_model::ShelfId;

use crate::error::ShelfLabel;
use crate::record::{self, EntryRecord, MarkerRecord, ReplicaRow};
use crate::{high_water, key, piece};

/// Kinds of records that [`record()`] knows.
pub const KINDS: u8 = 6;

macro_rules! twice {
    ($record:ty, $bytes:expr) => {
        if let Ok(value) = minicbor::decode::<$record>($bytes) {
            let once = minicbor::to_vec(&value).expect("a vector takes every byte");
            let value: $record = minicbor::decode(&once).expect("what was written can be read");
            assert_eq!(minicbor::to_vec(&value).expect("a vector takes every byte"), once);
        }
    };
}

/// Reads `bytes` as the record that `kind` says, modulo [`KINDS`].
///
/// # Panics
/// When the invariant of this module does not hold.
pub fn record(kind: u8, bytes: &[u8]) {
    match kind % KINDS {
        0 => twice!(EntryRecord<'_>, bytes),
        1 => twice!(MarkerRecord, bytes),
        2 => twice!(ReplicaRow, bytes),
        3 => a_piece(&Bytes::copy_from_slice(bytes)),
        4 => sealed(bytes),
        _ => {
            let _ = (high_water::decode_slot(bytes, ShelfId([0; 16])), key::last_index(bytes));
        }
    }
}

fn a_piece(record: &Bytes) {
    let read = piece::decode(record);
    assert_eq!(
        read.is_ok(),
        piece::verify(record).is_ok(),
        "one is right, the other not"
    );
    let Ok((summary, plain)) = read else { return };
    assert_eq!(summary, piece::summary(record).expect("it was read"));
    assert_eq!(plain.len(), summary.plain_len as usize);
    let again = piece::encode(&plain, summary.place).expect("what was read fits");
    assert_eq!(again.summary, summary);
}

/// A sealed value opens under its own key only, and as what was sealed.
fn sealed(bytes: &[u8]) {
    let label = ShelfLabel::new("fuzzed", 0);
    let (key, body) = bytes.split_at(bytes.len() / 2);
    let value = record::seal(key, body);
    let opened = record::unseal(&label, "fuzz", key, &value).expect("it was sealed under this key");
    assert_eq!(&opened[..], body);
    assert!(record::unseal(&label, "fuzz", &[key, b"x"].concat(), &value).is_err());
    let _ = record::unseal(&label, "fuzz", b"", &Bytes::copy_from_slice(bytes));
}
