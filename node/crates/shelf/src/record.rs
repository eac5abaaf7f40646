//! Records of the shelf's own columns: how they are sealed, and the layouts that exist.
//!
//! Invariants
//! - A sealed value is: version (1 byte), CRC-32C (4 bytes, little-endian) over version, key and body, then the body.
//!   RocksDB checks its blocks too; this one also covers memory, and a value that stands under a wrong key.
//! - A value that does not open is damage, never "missing" (DESIGN D10).
//! - Field numbers are never reused; old versions stay readable.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use mail_model::{GroupId, LogIndex};
use minicbor::{Decode, Encode};

use crate::error::{ErrorClass, ShelfError, ShelfLabel};
use crate::key::Generation;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 5;

/// A value ready to be stored under `key`.
pub(crate) fn seal(key: &[u8], body: &[u8]) -> Bytes {
    let mut value = BytesMut::with_capacity(HEADER_BYTES + body.len());
    value.put_u8(VERSION);
    value.put_u32_le(checksum(VERSION, key, body));
    value.put_slice(body);
    value.freeze()
}

fn checksum(version: u8, key: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&[version]), key), body)
}

/// The body of a sealed value.
pub(crate) fn unseal(
    label: &ShelfLabel,
    operation: &'static str,
    key: &[u8],
    value: &Bytes,
) -> Result<Bytes, ShelfError> {
    let mut rest = value.clone();
    if rest.len() < HEADER_BYTES {
        return Err(ShelfError::damage(label, operation, "record is cut short"));
    }
    let version = rest.get_u8();
    if version != VERSION {
        let detail = format_args!("record has version {version}, this program knows {VERSION}");
        return Err(ShelfError::new(label, ErrorClass::Refused, operation, detail));
    }
    let expected = rest.get_u32_le();
    if checksum(version, key, &rest) != expected {
        return Err(ShelfError::damage(
            label,
            operation,
            "checksum of the record does not match",
        ));
    }
    Ok(rest)
}

/// Encodes and seals a record.
pub(crate) fn seal_record<R: Encode<()>>(key: &[u8], record: &R) -> Bytes {
    // Encoding into a Vec has no failing write, and the records here have no failing encoders.
    let body = minicbor::to_vec(record).unwrap_or_default();
    seal(key, &body)
}

/// Opens and decodes a record.
pub(crate) fn unseal_record<R: for<'b> Decode<'b, ()>>(
    label: &ShelfLabel,
    operation: &'static str,
    key: &[u8],
    value: &Bytes,
) -> Result<R, ShelfError> {
    let body = unseal(label, operation, key, value)?;
    minicbor::decode(&body).map_err(|error| ShelfError::damage(label, operation, format_args!("record: {error}")))
}

/// An entry of the log without its blob.
#[derive(Encode, Decode)]
pub(crate) struct EntryRecord<'a> {
    /// What replication encoded; opaque here.
    #[cbor(b(0), with = "minicbor::bytes")]
    pub(crate) head: &'a [u8],
    /// Length of the blob under the same index, if the entry carried one.
    #[n(1)]
    pub(crate) blob_len: Option<u32>,
}

/// Up to where a log was purged.
#[derive(Encode, Decode)]
pub(crate) struct MarkerRecord {
    #[n(0)]
    pub(crate) upto: u64,
    /// What replication wants to know about the last purged entry; opaque here.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) marker: Vec<u8>,
}

impl MarkerRecord {
    pub(crate) fn upto(&self) -> LogIndex {
        LogIndex(self.upto)
    }
}

/// Whether a replica may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReplicaState {
    /// It may.
    #[n(0)]
    Active,
    /// Never again under this id (DESIGN D2); its rows may still be there.
    #[n(1)]
    Retired,
}

/// What the shelf column says about a replica.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ReplicaRow {
    #[n(0)]
    pub(crate) group: u32,
    #[n(1)]
    pub(crate) generation: Generation,
    #[n(2)]
    pub(crate) state: ReplicaState,
    /// Names the snapshot whose rows are being gathered under `generation + 1`.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub(crate) staging: Option<Vec<u8>>,
}

impl ReplicaRow {
    pub(crate) fn group(&self) -> GroupId {
        GroupId(self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> ShelfLabel {
        ShelfLabel::new("s", 1)
    }

    #[test]
    fn a_sealed_value_opens_under_its_own_key_only() {
        let value = seal(b"key", b"body");
        assert_eq!(
            unseal(&label(), "read", b"key", &value).expect("opens"),
            Bytes::from_static(b"body")
        );
        let error = unseal(&label(), "read", b"kez", &value).expect_err("another key");
        assert_eq!(error.class(), ErrorClass::Medium);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let value = seal(b"key", b"body");
        for bit in 0..value.len() * 8 {
            let mut bad = value.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(
                unseal(&label(), "read", b"key", &Bytes::from(bad)).is_err(),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_newer_version_is_refused_and_not_called_damage() {
        let mut value = seal(b"key", b"body").to_vec();
        value[0] = 2;
        let error = unseal(&label(), "read", b"key", &Bytes::from(value)).expect_err("newer");
        assert_eq!(error.class(), ErrorClass::Refused);
    }

    #[test]
    fn records_of_version_1_stay_readable() {
        // Bytes as written by the first version: these literals must never change.
        let row = ReplicaRow {
            group: 3,
            generation: 2,
            state: ReplicaState::Retired,
            staging: Some(vec![9]),
        };
        assert_eq!(
            minicbor::to_vec(&row).expect("encodes"),
            [0x84, 0x03, 0x02, 0x01, 0x41, 0x09]
        );
        let entry = EntryRecord {
            head: b"h",
            blob_len: Some(7),
        };
        assert_eq!(minicbor::to_vec(&entry).expect("encodes"), [0x82, 0x41, b'h', 0x07]);
        let marker = MarkerRecord {
            upto: 24,
            marker: b"m".to_vec(),
        };
        assert_eq!(
            minicbor::to_vec(&marker).expect("encodes"),
            [0x82, 0x18, 24, 0x41, b'm']
        );
    }
}
