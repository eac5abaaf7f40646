//! A body: the bytes of a message as received, shared by all its instances in the group (DESIGN D3).
//!
//! Invariants
//! - A body is named by the log index of its first piece.
//! - `references` counts live messages and those tombstones that still keep their body; at zero, body, structure and
//!   pieces go in the same command.

use mail_model::LogIndex;
use minicbor::{Decode, Encode};

/// One piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Piece {
    /// The entry that carried it.
    #[n(0)]
    pub blob: LogIndex,
    /// Plain bytes.
    #[n(1)]
    pub plain_len: u32,
    /// Its checksum at its place (see [`replication::piece`]).
    #[cbor(n(2), with = "minicbor::bytes")]
    pub value: [u8; 32],
}

/// What the front node found out about a body while it arrived; `apply` takes its word (DESIGN M2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BodyFacts {
    /// Bytes.
    #[n(0)]
    pub size: u64,
    /// Bytes as POP3 sends them (DESIGN M10): bare CR and LF as CRLF, CRLF at the end.
    #[n(1)]
    pub pop3_size: u64,
    /// BLAKE3 of the whole.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub root: [u8; 32],
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BodyRow {
    /// Who uses it.
    #[n(0)]
    pub references: u32,
    /// Sizes and checksum.
    #[n(1)]
    pub facts: BodyFacts,
    /// Its pieces in order, at least one.
    #[n(2)]
    pub pieces: Vec<Piece>,
}

/// Envelope, body structure and part offsets of a body, in the form of the reader that made it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StructureRow {
    /// The reader's version.
    #[n(0)]
    pub parser_version: u32,
    /// What it wrote; empty when the structure was too large to keep.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}
