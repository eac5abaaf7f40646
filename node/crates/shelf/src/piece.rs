//! The stored record of a body piece: cutting, compressing, hashing, and checking on the way back (DESIGN D3, D19).
//!
//! Invariants
//! - [`decode`] returns the bytes that were encoded or an error, never other bytes.
//! - The values of all pieces of a body give the BLAKE3 of the body ([`root_of`]), so a partial read checks only its
//!   pieces and the whole still has one hash.
//! - A value holds for one place in the body: BLAKE3 counts the chunks before a subtree.
//! - The layout is the one in `docs/on-disk-format.md`, version 1.
//!
//! Must not know: where records are stored, who reads them.

use std::cell::RefCell;
use std::io;

use blake3::hazmat::{self, HasherExt, Mode};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use zstd::bulk::{Compressor, Decompressor};

use crate::limits::{PIECE_BYTES, PIECE_OVERHEAD_MAX};

const VERSION: u8 = 1;
const CODEC_RAW: u8 = 0;
const CODEC_ZSTD: u8 = 1;
const KEY_CLEAR: u16 = 0;
const PLACE_WHOLE: u32 = u32::MAX;
const HEADER_BYTES: usize = 44;

/// Fast, and most of the gain: mail is text and base64. The front node pays this once per body.
const ZSTD_LEVEL: i32 = 1;

const _: () = assert!(HEADER_BYTES <= PIECE_OVERHEAD_MAX);

thread_local! {
    // Their tables are large, and cost more to set up than a small message costs to compress.
    static COMPRESSOR: RefCell<io::Result<Compressor<'static>>> = RefCell::new(Compressor::new(ZSTD_LEVEL));
    static DECOMPRESSOR: RefCell<io::Result<Decompressor<'static>>> = RefCell::new(Decompressor::new());
}

/// Where a piece stands in its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PiecePlace {
    /// It is the whole body; its value is the body's BLAKE3.
    Whole,
    /// The piece with this number, from 0, of a body that has more; its value is a subtree's chaining value.
    Part(u32),
}

/// What is known of a piece without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceSummary {
    /// Where it stands.
    pub place: PiecePlace,
    /// Bytes of plain text, at most [`PIECE_BYTES`].
    pub plain_len: u32,
    /// See [`PiecePlace`].
    pub value: [u8; 32],
}

/// A piece ready to be proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedPiece {
    /// What is stored.
    pub record: Bytes,
    /// What the metadata of the body keeps.
    pub summary: PieceSummary,
}

/// Why a record or a list of pieces is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PieceError {
    /// Shorter than its header.
    #[error("piece record is cut short at {0} bytes")]
    Short(usize),
    /// Written by a newer version.
    #[error("piece record has {what} {value}, which this program does not know")]
    Unknown {
        /// Which field.
        what: &'static str,
        /// What it says.
        value: u32,
    },
    /// Plain length over the limit, or not the one that came out.
    #[error("piece record has a wrong length")]
    Length,
    /// The codec refused the bytes.
    #[error("piece record does not decompress")]
    Codec,
    /// The bytes are not the ones that were stored.
    #[error("piece does not match its checksum")]
    Checksum,
    /// More than [`PIECE_BYTES`] were given for one piece, or a part without bytes.
    #[error("a piece of {0} bytes cannot be encoded")]
    Size(usize),
    /// Pieces that do not make one body: wrong order, a gap, a short piece in the middle.
    #[error("piece {0} does not fit its body")]
    Sequence(usize),
}

/// Encodes one piece. Compresses unless that gains less than a sixteenth.
///
/// # Errors
/// [`PieceError::Size`] for more than [`PIECE_BYTES`], or a part without bytes.
pub fn encode(plain: &[u8], place: PiecePlace) -> Result<EncodedPiece, PieceError> {
    let plain_len = u32::try_from(plain.len()).ok().filter(|_| plain.len() <= PIECE_BYTES);
    let plain_len = plain_len.ok_or(PieceError::Size(plain.len()))?;
    let value = value_of(plain, place).ok_or(PieceError::Size(plain.len()))?;
    let packed = COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut().ok()?.compress(plain).ok());
    let packed = packed.filter(|packed| packed.len() < plain.len() - plain.len() / 16);
    let (codec, body) = packed
        .as_deref()
        .map_or((CODEC_RAW, plain), |packed| (CODEC_ZSTD, packed));
    let mut record = BytesMut::with_capacity(HEADER_BYTES + body.len());
    record.put_u8(VERSION);
    record.put_u8(codec);
    record.put_u16_le(KEY_CLEAR);
    record.put_u32_le(plain_len);
    record.put_u32_le(match place {
        PiecePlace::Whole => PLACE_WHOLE,
        PiecePlace::Part(number) => number,
    });
    record.put_slice(&value);
    record.put_slice(body);
    Ok(EncodedPiece {
        record: record.freeze(),
        summary: PieceSummary {
            place,
            plain_len,
            value,
        },
    })
}

/// The value of plain bytes at a place; `None` where BLAKE3 has none.
fn value_of(plain: &[u8], place: PiecePlace) -> Option<[u8; 32]> {
    match place {
        PiecePlace::Whole => Some(*blake3::hash(plain).as_bytes()),
        PiecePlace::Part(PLACE_WHOLE) => None,
        PiecePlace::Part(_) if plain.is_empty() => None,
        PiecePlace::Part(number) => {
            let offset = u64::from(number) * PIECE_BYTES as u64;
            let mut hasher = blake3::Hasher::new();
            hasher.set_input_offset(offset).update(plain);
            Some(hasher.finalize_non_root())
        }
    }
}

/// Reads the header of a record, without checking the bytes that follow.
///
/// # Errors
/// When it is cut short, newer than this program, or says a length over the limit.
pub fn summary(record: &[u8]) -> Result<PieceSummary, PieceError> {
    header(record).map(|(_, summary)| summary)
}

fn header(mut record: &[u8]) -> Result<(u8, PieceSummary), PieceError> {
    if record.len() < HEADER_BYTES {
        return Err(PieceError::Short(record.len()));
    }
    let unknown = |what, value| Err(PieceError::Unknown { what, value });
    let version = record.get_u8();
    if version != VERSION {
        return unknown("version", version.into());
    }
    let codec = record.get_u8();
    if codec > CODEC_ZSTD {
        return unknown("codec", codec.into());
    }
    let key = record.get_u16_le();
    if key != KEY_CLEAR {
        return unknown("key id", key.into());
    }
    let plain_len = record.get_u32_le();
    if plain_len as usize > PIECE_BYTES {
        return Err(PieceError::Length);
    }
    let place = match record.get_u32_le() {
        PLACE_WHOLE => PiecePlace::Whole,
        number => PiecePlace::Part(number),
    };
    let mut value = [0; 32];
    record.copy_to_slice(&mut value);
    Ok((
        codec,
        PieceSummary {
            place,
            plain_len,
            value,
        },
    ))
}

/// The plain bytes of a record, checked against its value. Who knows the value from elsewhere compares it with the
/// summary: that also notices a whole good record in the place of another.
///
/// # Errors
/// When the record is damaged or newer than this program.
pub fn decode(record: &Bytes) -> Result<(PieceSummary, Bytes), PieceError> {
    let (codec, summary) = header(record)?;
    let body = record.slice(HEADER_BYTES..);
    let plain_len = summary.plain_len as usize;
    let plain = match codec {
        CODEC_RAW => body,
        _ => decompress(&body, plain_len).ok_or(PieceError::Codec)?,
    };
    if plain.len() != plain_len {
        return Err(PieceError::Length);
    }
    if value_of(&plain, summary.place) != Some(summary.value) {
        return Err(PieceError::Checksum);
    }
    Ok((summary, plain))
}

/// The plain bytes, if they are at most `plain_len`.
fn decompress(packed: &[u8], plain_len: usize) -> Option<Bytes> {
    let plain = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = decompressor.as_mut().ok()?;
        decompressor.decompress(packed, plain_len).ok()
    });
    plain.map(Bytes::from)
}

/// Checks a record without keeping its bytes.
///
/// # Errors
/// As [`decode`].
pub fn verify(record: &Bytes) -> Result<PieceSummary, PieceError> {
    decode(record).map(|(summary, _)| summary)
}

/// The BLAKE3 of the body that these pieces make.
///
/// # Errors
/// [`PieceError::Sequence`] when they do not make one body.
pub fn root_of(pieces: &[PieceSummary]) -> Result<[u8; 32], PieceError> {
    let (last, full) = pieces.split_last().ok_or(PieceError::Sequence(0))?;
    if full.is_empty() {
        return if last.place == PiecePlace::Whole {
            Ok(last.value)
        } else {
            Err(PieceError::Sequence(0))
        };
    }
    for (number, piece) in pieces.iter().enumerate() {
        let placed = u32::try_from(number).is_ok_and(|number| piece.place == PiecePlace::Part(number));
        let sized = piece.plain_len > 0 && (number == full.len() || piece.plain_len as usize == PIECE_BYTES);
        if !placed || !sized {
            return Err(PieceError::Sequence(number));
        }
    }
    let left = left_pieces(pieces.len());
    Ok(*hazmat::merge_subtrees_root(&subtree(&pieces[..left]), &subtree(&pieces[left..]), Mode::Hash).as_bytes())
}

/// The chaining value of one piece or more.
fn subtree(pieces: &[PieceSummary]) -> [u8; 32] {
    if let [piece] = pieces {
        return piece.value;
    }
    let left = left_pieces(pieces.len());
    hazmat::merge_subtrees_non_root(&subtree(&pieces[..left]), &subtree(&pieces[left..]), Mode::Hash)
}

/// How many of `count` pieces, at least two, make the left subtree: the largest power of two below `count`.
fn left_pieces(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// Cuts a body that arrives bit by bit into encoded pieces, with at most one piece and one write in memory.
#[derive(Default)]
pub struct PieceCutter {
    held: BytesMut,
    next: u32,
}

impl PieceCutter {
    /// Takes the next bytes and returns the pieces that they complete. A full piece is held back until a byte follows
    /// it, since the last piece of a body is encoded differently if it is the only one.
    ///
    /// # Errors
    /// None for bodies below 2^50 bytes.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<EncodedPiece>, PieceError> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            if self.held.len() == PIECE_BYTES {
                pieces.push(encode(&self.held, PiecePlace::Part(self.next))?);
                self.next += 1;
                self.held.clear();
            }
            let taken = bytes.len().min(PIECE_BYTES - self.held.len());
            self.held.extend_from_slice(&bytes[..taken]);
            bytes.advance(taken);
        }
        Ok(pieces)
    }

    /// The last piece, of a body that has ended: the whole body if it is the only one.
    ///
    /// # Errors
    /// None for bodies below 2^50 bytes.
    pub fn finish(self) -> Result<EncodedPiece, PieceError> {
        let place = if self.next == 0 {
            PiecePlace::Whole
        } else {
            PiecePlace::Part(self.next)
        };
        encode(&self.held, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(body: &[u8], step: usize) -> Vec<EncodedPiece> {
        let mut cutter = PieceCutter::default();
        let mut pieces = Vec::new();
        for part in body.chunks(step.max(1)) {
            pieces.extend(cutter.push(part).expect("small"));
        }
        pieces.push(cutter.finish().expect("small"));
        pieces
    }

    fn body(len: usize, seed: u32) -> Vec<u8> {
        let mut state = seed;
        let next = |state: &mut u32| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Runs of equal bytes, so that some pieces compress.
            state.to_be_bytes()[0] & if seed.is_multiple_of(2) { 0xFF } else { 0x03 }
        };
        (0..len).map(|_| next(&mut state)).collect()
    }

    #[test]
    fn merged_values_are_the_hash_of_the_whole_at_every_boundary() {
        for pieces in [0, 1, 2, 3, 4, 5, 7, 8, 9] {
            for around in [-1_i64, 0, 1, 1024] {
                let Ok(len) = usize::try_from(pieces * PIECE_BYTES as i64 + around) else {
                    continue;
                };
                let body = body(len, 7);
                let summaries: Vec<_> = cut(&body, 100_000).iter().map(|piece| piece.summary).collect();
                assert_eq!(root_of(&summaries), Ok(*blake3::hash(&body).as_bytes()), "{len} bytes");
            }
        }
    }

    #[test]
    fn a_flipped_bit_never_gives_other_bytes() {
        let text = &b"some text, some text, some text, some text, some text"[..];
        for (plain, place) in [(text, PiecePlace::Whole), (b"raw", PiecePlace::Part(3))] {
            let record = encode(plain, place).expect("small").record;
            for bit in 0..record.len() * 8 {
                let mut bad = record.to_vec();
                bad[bit / 8] ^= 1 << (bit % 8);
                let header = bit / 8 < HEADER_BYTES;
                match decode(&Bytes::from(bad)) {
                    Ok((_, read)) => assert!(read == plain && !header, "bit {bit} of {place:?}"),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
    }

    #[test]
    fn pieces_in_the_wrong_order_make_no_body() {
        let pieces: Vec<_> = cut(&body(3 * PIECE_BYTES, 1), 99_999)
            .iter()
            .map(|piece| piece.summary)
            .collect();
        assert_eq!(
            root_of(&[pieces[1], pieces[0], pieces[2]]),
            Err(PieceError::Sequence(0))
        );
        assert_eq!(root_of(&pieces[1..]), Err(PieceError::Sequence(0)));
        assert_eq!(root_of(&pieces[..1]), Err(PieceError::Sequence(0)));
        assert_eq!(root_of(&[]), Err(PieceError::Sequence(0)));
    }

    #[test]
    fn records_of_version_1_stay_readable() {
        // As written by the first version: this literal must never change.
        let mut stored = vec![1, 0, 0, 0, 2, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];
        stored.extend_from_slice(blake3::hash(b"hi").as_bytes());
        stored.extend_from_slice(b"hi");
        let (summary, plain) = decode(&Bytes::from(stored.clone())).expect("decodes");
        assert_eq!((summary.place, plain.as_ref()), (PiecePlace::Whole, &b"hi"[..]));
        assert_eq!(encode(b"hi", PiecePlace::Whole).expect("small").record, stored);
        stored[0] = 2;
        assert_eq!(
            verify(&Bytes::from(stored)),
            Err(PieceError::Unknown {
                what: "version",
                value: 2
            })
        );
    }

    #[test]
    fn what_does_not_compress_is_kept_raw_within_the_overhead() {
        let noise = body(PIECE_BYTES, 2);
        let record = encode(&noise, PiecePlace::Part(0)).expect("small").record;
        assert!(record.len() <= PIECE_BYTES + PIECE_OVERHEAD_MAX);
        assert_eq!(decode(&record).expect("decodes").1, noise);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_body_comes_back_however_it_arrives(len in 0_usize..1_200_000, step in 1_usize..400_000, seed: u32) {
            let body = body(len, seed);
            let pieces = cut(&body, step);
            let mut back = Vec::new();
            for piece in &pieces {
                let (summary, plain) = decode(&piece.record).expect("decodes");
                prop_assert_eq!(summary, piece.summary);
                back.extend_from_slice(&plain);
            }
            prop_assert!(back == body);
            let summaries: Vec<_> = pieces.iter().map(|piece| piece.summary).collect();
            prop_assert_eq!(root_of(&summaries), Ok(*blake3::hash(&body).as_bytes()));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&Bytes::from(bytes));
        }
    }
}
