//! Uploads (DESIGN D3): pieces of a message that still arrives, each an entry with its blob. A later command names the
//! upload and makes it a message; until then nobody sees it, and after an idle hour it is swept.

use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::id::UploadId;
use crate::key;
use crate::limits::{PIECES_MAX, UPLOAD_IDLE_MS};
use crate::record::{Due, Piece, UploadPieceRow, UploadRow};
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Rows, Work};
use crate::state::{due_row, give_up_upload};

/// Adds the blob of this entry to an upload, which begins with any of its pieces: they may come out of order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UploadPiece {
    /// Which upload.
    #[n(0)]
    pub upload: UploadId,
    /// Its place, from 0.
    #[n(1)]
    pub number: u32,
    /// Plain bytes of the piece.
    #[n(2)]
    pub plain_len: u32,
    /// Its checksum at its place.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub value: [u8; 32],
}

impl GroupCommand for UploadPiece {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        if self.number as usize >= PIECES_MAX {
            return Err(Rejection::Limit(LimitKind::Size).into());
        }
        let piece_key = key::upload_piece(self.upload, self.number);
        if work.bytes(&piece_key)?.is_some() {
            return Err(Rejection::Malformed.into());
        }
        let blob = work.adopt_blob().ok_or(Rejection::Malformed)?;
        let upload_key = key::upload(self.upload);
        let known: Option<UploadRow> = work.row("upload row", &upload_key)?;
        let mut row = known.unwrap_or_default();
        row.active_ms = work.now_ms();
        row.pieces += 1;
        row.bytes += u64::from(self.plain_len);
        if known.is_none() {
            row.due_ms = row.active_ms.saturating_add(UPLOAD_IDLE_MS);
            work.put_bytes(due_row(row.due_ms, &Due::Upload(self.upload)), Vec::new());
        }
        work.put(upload_key, &row);
        let piece = Piece {
            blob,
            plain_len: self.plain_len,
            value: self.value,
        };
        work.put(piece_key, &UploadPieceRow { piece });
        work.put_bytes(key::piece(blob), Vec::new());
        Ok(())
    }
}

/// Gives an upload up and frees its pieces.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AbortUpload {
    /// Which upload.
    #[n(0)]
    pub upload: UploadId,
}

impl GroupCommand for AbortUpload {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        give_up_upload(work, self.upload)
    }
}
