//! A body on its way into the group (DESIGN D3): its pieces are durable, nothing refers to them yet.
//!
//! Invariants
//! - `pieces` and `bytes` are the sums over its piece rows.
//! - Exactly one due row names the upload.

use minicbor::{Decode, Encode};

use crate::record::Piece;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct UploadRow {
    /// Log time of the last piece, in milliseconds since 1970.
    #[n(0)]
    pub active_ms: u64,
    /// Pieces that have come.
    #[n(1)]
    pub pieces: u32,
    /// Their plain bytes.
    #[n(2)]
    pub bytes: u64,
    /// When the due row of this upload stands.
    #[n(3)]
    pub due_ms: u64,
}

/// One piece of an upload; its number is in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UploadPieceRow {
    /// See [`Piece`].
    #[n(0)]
    pub piece: Piece,
}
