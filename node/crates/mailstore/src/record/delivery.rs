//! What a recipient's group remembers of a message, so that the same one is told from another one that looks like it
//! (DESIGN M14, D17). `state/redelivery.rs` says how; times are milliseconds since 1970.
//!
//! Invariants
//! - Exactly one due row names the row; both go together.
//! - What is open is placed.

use mail_model::{EmailId, MailboxId, Uid, UidValidity};
use minicbor::{Decode, Encode};

use crate::id::DeliveryId;

/// Where a delivery was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Placement {
    /// The transaction that delivered it.
    #[n(0)]
    pub delivery: DeliveryId,
    /// The mailbox.
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
    /// When the transaction began, by the clock of its front node.
    #[n(5)]
    pub received_ms: u64,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct DeliveryRow {
    /// The last one that was placed.
    #[n(0)]
    pub placed: Option<Placement>,
    /// Its client may not know of it: if it sends again, it is told of this one.
    #[n(1)]
    pub is_open: bool,
    /// Messages that are placed and of which the client knows: when the first and the last attempt began. The newest last.
    #[n(2)]
    pub known: Vec<(u64, u64)>,
    /// When the attempts began that got our reply: each ends a message. Ascending.
    #[n(3)]
    pub heard: Vec<u64>,
    /// Until when the last two are kept, in log time; zero if no queue can hold an attempt.
    #[n(4)]
    pub keep_until_ms: u64,
    /// When the row is looked at again, in log time.
    #[n(5)]
    pub due_ms: u64,
}
