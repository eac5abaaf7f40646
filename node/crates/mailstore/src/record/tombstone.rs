//! An expunged message (DESIGN M3, M11): that it is gone, and for a while everything needed to still show it.
//!
//! Invariant: while `kept` is there, the tombstone holds one reference to the body.

use mail_model::{EmailId, LogIndex, ModSeq};
use minicbor::{Decode, Encode};

use crate::record::ColdRow;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TombstoneRow {
    /// The change that expunged it.
    #[n(0)]
    pub modseq: ModSeq,
    /// Log time of that change.
    #[n(1)]
    pub expunged_ms: u64,
    /// EMAILID: what merge and JMAP know it by.
    #[n(2)]
    pub email: EmailId,
    /// Its body, which may be freed by now.
    #[n(3)]
    pub body: LogIndex,
    /// The rows as they were, until the body is given up.
    #[n(4)]
    pub kept: Option<KeptRows>,
}

/// See [`TombstoneRow::kept`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeptRows {
    /// The hot row.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub hot: Vec<u8>,
    /// The cold row.
    #[n(1)]
    pub cold: ColdRow,
}
