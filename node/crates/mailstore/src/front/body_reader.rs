//! The bytes of a message on their way out: prefix, then body, any range of them, piece by piece (DESIGN D3).
//!
//! Invariants
//! - No byte leaves that was not checked against the value that the group's metadata has of its piece (P3).
//! - At most [`PIECES_READ_AHEAD`] pieces and the one being sent are in memory.

use std::ops::Range;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use mail_message::Structure;
use mail_model::{BlobId, GroupId};
use replication::PIECE_BYTES;
use replication::piece::{PiecePlace, PieceSummary};

use super::analysis::Analysis;
use super::{Account, Mailstore, StoreError};
use crate::limits::{PIECES_READ_AHEAD, READ_WITHIN};
use crate::query::Details;
use crate::record::{BodyRow, Piece};

/// A stream of checked bytes.
pub struct BodyReader {
    prefix: Option<Bytes>,
    pieces: BoxStream<'static, Result<Bytes, StoreError>>,
    left: u64,
}

impl Account {
    /// Reads `range` of a message, prefix and body counted as one; what lies beyond the end is not there. For the whole
    /// message give `0..u64::MAX`.
    #[must_use]
    pub fn read(&self, details: &Details, range: Range<u64>) -> BodyReader {
        let prefix = Bytes::copy_from_slice(&details.cold.prefix);
        self.store().read_body(self.group(), prefix, &details.body, range)
    }

    /// Whole bodies of one piece, as far as a replica of this node has them, in one read. `None` says nothing about a
    /// message: read it alone.
    pub async fn read_bodies(&self, messages: &[&Details]) -> Vec<Option<Bytes>> {
        let pieces = messages.iter().map(|details| match details.body.pieces.as_slice() {
            [piece] => Some(*piece),
            _ => None,
        });
        let pieces: Vec<Option<Piece>> = pieces.collect();
        let asked = pieces.iter().flatten().map(|piece| piece.blob).collect();
        let mut read = self.store().client().read_blobs(self.group(), asked).await.into_iter();
        let whole = pieces.into_iter().map(|piece| {
            let piece = piece?;
            let (summary, plain) = read.next()??;
            let expected = PieceSummary {
                place: PiecePlace::Whole,
                plain_len: piece.plain_len,
                value: piece.value,
            };
            (summary == expected).then_some(plain)
        });
        whole.collect()
    }

    /// The structure of a message: as stored, or read again where it was too large to keep.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn structure(&self, details: &Details) -> Result<Structure, StoreError> {
        let stored = details.structure.as_ref().filter(|row| !row.bytes.is_empty());
        if let Some(row) = stored {
            let row = mail_message::StructureRow::decode(&row.bytes);
            return row
                .map(|row| row.structure)
                .map_err(|error| StoreError::Broken(error.to_string()));
        }
        let prefix_len = details.cold.prefix.len() as u64;
        let mut reader = self.read(details, prefix_len..u64::MAX);
        let mut analysis = Analysis::default();
        while let Some(bytes) = reader.next().await? {
            analysis.push(&bytes);
        }
        Ok(analysis.into_structure())
    }
}

impl Mailstore {
    /// Reads `range` of a prefix and a body of `group`.
    pub(super) fn read_body(&self, group: GroupId, prefix: Bytes, body: &BodyRow, range: Range<u64>) -> BodyReader {
        let prefix_len = prefix.len() as u64;
        let total = prefix_len + body.facts.size;
        let (from, to) = (range.start.min(total), range.end.min(total));
        let prefix = slice(&prefix, 0, &(from..to));
        let mut wanted = Vec::new();
        let mut start = prefix_len;
        let count = body.pieces.len();
        for (number, piece) in (0..).zip(&body.pieces) {
            let end = start + u64::from(piece.plain_len);
            if start < to && from < end {
                let place = if count == 1 {
                    PiecePlace::Whole
                } else {
                    PiecePlace::Part(number)
                };
                wanted.push((*piece, place, start));
            }
            start = end;
        }
        let store = self.clone();
        let pieces = stream::iter(wanted).map(move |(piece, place, start)| {
            let store = store.clone();
            async move {
                let plain = store.piece(group, &piece, place).await?;
                Ok(slice(&plain, start, &(from..to)).unwrap_or_default())
            }
        });
        BodyReader {
            prefix,
            pieces: pieces.buffered(PIECES_READ_AHEAD + 1).boxed(),
            left: to.saturating_sub(from),
        }
    }

    async fn piece(&self, group: GroupId, piece: &Piece, place: PiecePlace) -> Result<Bytes, StoreError> {
        let id = BlobId {
            group,
            index: piece.blob,
        };
        let plain = self.client().read_blob(id, READ_WITHIN).await?;
        if plain.len() != piece.plain_len as usize || value_of(&plain, place) != piece.value {
            return Err(StoreError::Broken(format!(
                "blob {id} is not the piece that its message has"
            )));
        }
        Ok(plain)
    }
}

/// What metadata says of a piece: BLAKE3 of a whole body, or a subtree's chaining value.
fn value_of(plain: &[u8], place: PiecePlace) -> [u8; 32] {
    use blake3::hazmat::HasherExt;
    match place {
        PiecePlace::Whole => *blake3::hash(plain).as_bytes(),
        PiecePlace::Part(number) => {
            let mut hasher = blake3::Hasher::new();
            hasher
                .set_input_offset(u64::from(number) * PIECE_BYTES as u64)
                .update(plain);
            hasher.finalize_non_root()
        }
    }
}

/// The part of `bytes`, which stand at `start`, that lies in `range`; `None` when that is nothing.
fn slice(bytes: &Bytes, start: u64, range: &Range<u64>) -> Option<Bytes> {
    let at =
        |position: u64| usize::try_from(position.saturating_sub(start)).map_or(bytes.len(), |at| at.min(bytes.len()));
    let (from, to) = (at(range.start), at(range.end));
    (from < to).then(|| bytes.slice(from..to))
}

impl BodyReader {
    /// How many bytes are still to come.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes; `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing follows an error.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let next = match self.prefix.take() {
            Some(prefix) => Some(prefix),
            None => self.pieces.try_next().await?,
        };
        if let Some(bytes) = &next {
            self.left -= (bytes.len() as u64).min(self.left);
        }
        Ok(next)
    }
}
