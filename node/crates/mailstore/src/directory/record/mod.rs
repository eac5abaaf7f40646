//! The records of the directory, one file per kind, and how they are stored: a version byte, then CBOR with numbered
//! fields (DESIGN D21).
//!
//! Invariants: field numbers are never reused; old versions stay readable; a record that does not open is damage and
//! never "missing".

mod account;
mod alias;
mod domain;
mod policy;
mod topology;

use minicbor::{Decode, Encode};
use replication::{ShelfError, ShelfLabel};

pub(super) use account::AddressOwner;
pub use account::{Account, AccountState, Credential, RemovedAccount};
pub(super) use alias::Alias;
pub use alias::Target;
pub use domain::DomainKind;
pub(super) use domain::DomainRecord;
pub use policy::Policy;
pub(super) use topology::AuthorityKey;
pub use topology::{Cluster, Group, Node, Replica, Shelf};

/// The version that this program writes; it reads this one and none before it.
const VERSION: u8 = 1;

/// The stored or sent form of a value.
pub(super) fn seal<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    // A vector takes every byte, and the values here have no failing encoders.
    if minicbor::encode(value, &mut bytes).is_err() {
        bytes.truncate(1);
    }
    bytes
}

/// The value that [`seal`] wrote.
///
/// # Errors
/// A text that says what is wrong with the bytes.
pub(super) fn open<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Result<T, String> {
    match bytes.split_first() {
        Some((&VERSION, body)) => minicbor::decode(body).map_err(|error| error.to_string()),
        Some((version, _)) => Err(format!("version {version}, this program knows {VERSION}")),
        None => Err("no bytes".to_owned()),
    }
}

/// A stored row that does not open: the replica stops, since it cannot know what the others know.
///
/// The state machine is not told which shelf it runs on; whoever runs it is, and says so.
pub(super) fn damaged(key: &[u8], reason: impl std::fmt::Display) -> ShelfError {
    let label = ShelfLabel::new("of the directory", 0);
    let detail = format!("row {}: {reason}", key.escape_ascii());
    ShelfError::damage(&label, "read directory row", detail)
}

#[cfg(test)]
pub(super) mod golden {
    //! Helps tests to hold stored bytes still.

    use super::{open, seal};

    /// Checks that `value` is stored as `bytes` (hexadecimal), for ever, and reads back.
    pub(in crate::directory) fn check<T>(value: &T, bytes: &str)
    where
        T: minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()> + PartialEq + std::fmt::Debug,
    {
        let stored = seal(value);
        let text: String = stored.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, bytes, "{value:?}");
        assert_eq!(open::<T>(&stored).as_ref(), Ok(value));
    }

    #[test]
    fn an_unknown_version_and_cut_bytes_are_errors() {
        assert!(open::<u64>(&[]).is_err());
        assert!(open::<u64>(&[2, 7]).unwrap_err().contains("version 2"));
        assert!(open::<u64>(&[1]).is_err());
        assert_eq!(open::<u64>(&[1, 7]), Ok(7));
    }

    #[test]
    fn a_field_that_a_newer_program_added_is_skipped() {
        let newer = [1, 0x83, 0x18, 0x40, 0x05, 0x07];
        #[derive(Debug, PartialEq, minicbor::Encode, minicbor::Decode)]
        struct Older {
            #[n(0)]
            bytes: u64,
            #[n(1)]
            quota: Option<u64>,
        }
        let read: Older = open(&newer).unwrap();
        assert_eq!((read.bytes, read.quota), (64, Some(5)));
    }
}
