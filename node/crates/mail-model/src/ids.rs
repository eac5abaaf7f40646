//! Identities of the cluster: numbers given once and never again, and random ids of 128 bits.
//!
//! Invariants: an id never changes its meaning; ids of different things are different types; the text form of a
//! random id is the usual one with dashes, in lower case, and reads back to the same id.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

/// Why a text is no random id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id of 32 hexadecimal digits with dashes (8-4-4-4-12)")]
pub struct InvalidId {
    text: String,
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_dashed(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                read_dashed(text).map(Self).ok_or_else(|| InvalidId { text: text.to_owned() })
            }
        }
    };
}

number_id! {
    /// One Raft group. Group 0 is the system group; ids are never reused.
    GroupId(u32)
}
number_id! {
    /// A group's copy on one shelf: the NodeId of Raft. Given once by the system group and never again.
    ReplicaId(u64)
}
number_id! {
    /// A position in a group's raft log.
    LogIndex(u64)
}
number_id! {
    /// A user or list with all its mailboxes, unique in the cluster.
    AccountId(u64)
}
number_id! {
    /// A mailbox, unique within its account.
    MailboxId(u64)
}

random_id! {
    /// A node: one process on one machine.
    NodeId
}
random_id! {
    /// A shelf: one directory on one disk, volume or network store.
    ShelfId
}
random_id! {
    /// A cluster.
    ClusterId
}

/// For code that numbers replicas without knowing what they are, as openraft's own tests do.
impl From<u64> for ReplicaId {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl GroupId {
    /// The group that holds nodes, shelves, placement, accounts and policy.
    pub const SYSTEM: Self = Self(0);
}

/// Where one piece of a body is: the log entry that carried it, in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct BlobId {
    /// The group whose log carried the piece.
    #[n(0)]
    pub group: GroupId,
    /// The index of that entry.
    #[n(1)]
    pub index: LogIndex,
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.group, self.index)
    }
}

/// Byte positions before which the text form has a dash.
const DASHES: [usize; 4] = [4, 6, 8, 10];

fn write_dashed(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, byte) in bytes.iter().enumerate() {
        if DASHES.contains(&at) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

fn read_dashed(text: &str) -> Option<[u8; 16]> {
    let text = text.as_bytes();
    if text.len() != 36 {
        return None;
    }
    let mut bytes = [0; 16];
    let mut at = 0;
    for (position, byte) in bytes.iter_mut().enumerate() {
        if DASHES.contains(&position) {
            if text[at] != b'-' {
                return None;
            }
            at += 1;
        }
        *byte = hex_digit(text[at])? << 4 | hex_digit(text[at + 1])?;
        at += 2;
    }
    Some(bytes)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_random_id_reads_back() {
        let id = NodeId(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
        assert_eq!(id.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "00112233-4455-6677-8899-aabbccddeef",
            "00112233-4455-6677-8899-aabbccddeefg",
            "00112233x4455-6677-8899-aabbccddeeff",
            "0011223344556677-8899-aabbccddeeff-00",
            "é0112233-4455-6677-8899-aabbccddeef",
        ] {
            assert!(text.parse::<ShelfId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ids_keep_their_value_when_stored() {
        let blob = BlobId {
            group: GroupId(7),
            index: LogIndex(u64::MAX),
        };
        let stored = minicbor::to_vec(blob).unwrap();
        assert_eq!(minicbor::decode::<BlobId>(&stored).unwrap(), blob);
        let shelf = ShelfId([9; 16]);
        let stored = minicbor::to_vec(shelf).unwrap();
        assert_eq!(minicbor::decode::<ShelfId>(&stored).unwrap(), shelf);
    }
}
