//! A delivery whose client may not know of it yet (DESIGN M14): if the client tries again, it is told of this one.
//!
//! Invariant: exactly one due row names the row; both go together.

use mail_model::{EmailId, MailboxId, Uid, UidValidity};
use minicbor::{Decode, Encode};

use crate::id::DeliveryId;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeliveryRow {
    /// The transaction that delivered it.
    #[n(0)]
    pub delivery: DeliveryId,
    /// Where it was put.
    #[n(1)]
    pub mailbox: MailboxId,
    /// UIDVALIDITY there.
    #[n(2)]
    pub uid_validity: UidValidity,
    /// Its UID there.
    #[n(3)]
    pub uid: Uid,
    /// Its EMAILID.
    #[n(4)]
    pub email: EmailId,
    /// When it is forgotten.
    #[n(5)]
    pub due_ms: u64,
}
