//! One message in one mailbox (DESIGN M1): the hot row that every question about many messages reads, packed, and the
//! cold row with what is asked for message by message.
//!
//! Layout of the hot row, version 1, little-endian; the order keeps what a scan over flags needs in front:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | version |
//! | 1 | 1 | system flags (bits 0 to 4); bit 7: the cold row has a POP3 identity |
//! | 2 | 8 | modseq |
//! | 10 | 8 | created modseq |
//! | 18 | 8 | INTERNALDATE, seconds since 1970, signed |
//! | 26 | 2 | INTERNALDATE, minutes east of Greenwich, signed |
//! | 28 | 4 | size: prefix and body |
//! | 32 | 4 | size as POP3 sends it |
//! | 36 | 8 | body |
//! | 44 | 0 to 125 | keywords by number, bit n of byte n/8, no zero byte at its end |
//!
//! With keywords among the first 32 of the mailbox that is at most 48 bytes (DESIGN D19).

use bytes::{Buf, BufMut, Bytes};
use mail_model::{EmailId, InternalDate, LogIndex, ModSeq, SystemFlags, ThreadId};
use minicbor::{Decode, Encode};

use crate::codec::CodecError;
use crate::limits::KEYWORDS_PER_MAILBOX;

const VERSION: u8 = 1;
const FIXED_BYTES: usize = 44;
const HAS_POP3: u8 = 1 << 7;

/// Longest hot row.
pub(crate) const HOT_ROW_BYTES_MAX: usize = FIXED_BYTES + KEYWORDS_PER_MAILBOX.div_ceil(8);

/// Keywords of a message by their numbers in the mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct KeywordBits(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>);

impl KeywordBits {
    /// Adds a number below [`KEYWORDS_PER_MAILBOX`].
    pub fn insert(&mut self, number: usize) {
        debug_assert!(number < KEYWORDS_PER_MAILBOX, "registries are bounded");
        if self.0.len() <= number / 8 {
            self.0.resize(number / 8 + 1, 0);
        }
        self.0[number / 8] |= 1 << (number % 8);
    }

    /// Takes a number out, if it is there.
    pub fn remove(&mut self, number: usize) {
        if let Some(byte) = self.0.get_mut(number / 8) {
            *byte &= !(1 << (number % 8));
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// Whether the number is there.
    #[must_use]
    pub fn contains(&self, number: usize) -> bool {
        self.0
            .get(number / 8)
            .is_some_and(|byte| byte & (1 << (number % 8)) != 0)
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.0.len() * 8).filter(|number| self.contains(*number))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotRow {
    /// System flags.
    pub flags: SystemFlags,
    /// Keywords.
    pub keywords: KeywordBits,
    /// The last change.
    pub modseq: ModSeq,
    /// The change that put it into this mailbox.
    pub created_modseq: ModSeq,
    /// INTERNALDATE.
    pub date: InternalDate,
    /// Bytes of prefix and body: RFC822.SIZE.
    pub size: u32,
    /// Bytes that RETR sends, without dot-stuffing and the final dot.
    pub pop3_size: u32,
    /// Its body.
    pub body: LogIndex,
    /// The cold row has a [`Pop3Identity`].
    pub has_pop3_identity: bool,
}

impl HotRow {
    /// As stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(FIXED_BYTES + self.keywords.0.len());
        row.put_u8(VERSION);
        row.put_u8(self.flags.bits() | if self.has_pop3_identity { HAS_POP3 } else { 0 });
        row.put_u64_le(self.modseq.0);
        row.put_u64_le(self.created_modseq.0);
        row.put_i64_le(self.date.utc_seconds);
        row.put_i16_le(self.date.offset_minutes);
        row.put_u32_le(self.size);
        row.put_u32_le(self.pop3_size);
        row.put_u64_le(self.body.0);
        row.put_slice(&self.keywords.0);
        row
    }

    /// Reads a stored row.
    ///
    /// # Errors
    /// When it is cut short, too long, or of an unknown version.
    pub fn from_bytes(mut row: &[u8]) -> Result<Self, CodecError> {
        let bad = |cause: &str| CodecError::new("hot row", cause);
        if row.len() < FIXED_BYTES || row.len() > HOT_ROW_BYTES_MAX {
            return Err(bad("wrong length"));
        }
        if row.get_u8() != VERSION {
            return Err(bad("unknown version"));
        }
        let bits = row.get_u8();
        let (modseq, created_modseq) = (ModSeq(row.get_u64_le()), ModSeq(row.get_u64_le()));
        let utc_seconds = row.get_i64_le();
        let offset_minutes = row.get_i16_le();
        Ok(Self {
            flags: SystemFlags::from_bits(bits),
            modseq,
            created_modseq,
            date: InternalDate {
                utc_seconds,
                offset_minutes,
            },
            size: row.get_u32_le(),
            pop3_size: row.get_u32_le(),
            body: LogIndex(row.get_u64_le()),
            keywords: KeywordBits(row.to_vec()),
            has_pop3_identity: bits & HAS_POP3 != 0,
        })
    }
}

impl From<&HotRow> for Bytes {
    fn from(row: &HotRow) -> Self {
        Self::from(row.to_bytes())
    }
}

/// What a POP3 server before us called a message (DESIGN M9).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pop3Identity {
    /// Its UIDL: 1 to 70 octets of 0x21 to 0x7E, unique in the mailbox.
    #[n(0)]
    pub uidl: String,
    /// Its place in the maildrop, before all messages without one.
    #[n(1)]
    pub order: Option<u32>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ColdRow {
    /// EMAILID.
    #[n(0)]
    pub email: EmailId,
    /// THREADID.
    #[n(1)]
    pub thread: ThreadId,
    /// Trace headers of this delivery, before the body; CRLF at its end unless empty.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub prefix: Vec<u8>,
    /// Log time at which it came into this mailbox, in milliseconds since 1970.
    #[n(3)]
    pub saved_ms: u64,
    /// Set by import alone.
    #[n(4)]
    pub pop3: Option<Pop3Identity>,
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn sample() -> HotRow {
        let mut keywords = KeywordBits::default();
        keywords.insert(3);
        keywords.insert(31);
        HotRow {
            flags: SystemFlags::SEEN | SystemFlags::DRAFT,
            keywords,
            modseq: ModSeq(0x0102),
            created_modseq: ModSeq(0x0101),
            date: InternalDate {
                utc_seconds: -2,
                offset_minutes: -90,
            },
            size: 4_096,
            pop3_size: 4_100,
            body: LogIndex(77),
            has_pop3_identity: true,
        }
    }

    #[test]
    fn the_hot_row_keeps_its_bytes() {
        let golden = "0191020100000000000001010000000000\
                      00feffffffffffffffa6ff0010000004100000\
                      4d0000000000000008000080";
        let hex: String = sample().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, golden);
        assert_eq!(HotRow::from_bytes(&sample().to_bytes()), Ok(sample()));
    }

    #[test]
    fn a_hot_row_with_32_keywords_in_use_has_48_bytes() {
        assert_eq!(sample().to_bytes().len(), 48);
    }

    #[test]
    fn a_hot_row_that_is_none_is_refused() {
        let row = sample().to_bytes();
        assert!(HotRow::from_bytes(&row[..FIXED_BYTES - 1]).is_err());
        assert!(HotRow::from_bytes(&[&row[..], &[0; 125]].concat()).is_err());
        assert!(HotRow::from_bytes(&[&[2], &row[1..]].concat()).is_err());
    }

    #[test]
    fn bits_end_where_the_last_keyword_does() {
        let mut bits = KeywordBits::default();
        bits.insert(2);
        bits.insert(900);
        assert_eq!((bits.len(), bits.iter().collect::<Vec<_>>()), (2, vec![2, 900]));
        bits.remove(900);
        bits.remove(5_000);
        assert_eq!(bits, {
            let mut other = KeywordBits::default();
            other.insert(2);
            other
        });
    }
}
