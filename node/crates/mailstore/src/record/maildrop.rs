//! The lock of a maildrop: at most one POP3 session per account (RFC 1939, section 8; DESIGN M9).
//!
//! Safety does not rest on it: QUIT names UIDVALIDITY and UIDs.

use minicbor::{Decode, Encode};

use crate::id::LockId;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MaildropRow {
    /// The session.
    #[n(0)]
    pub holder: LockId,
    /// Log time after which another may take it.
    #[n(1)]
    pub until_ms: u64,
}
