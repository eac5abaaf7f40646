//! A delivery that waits in this group for a recipient in another one (DESIGN M13, D17); `docs/delivery-states.md` has its
//! states.
//!
//! Invariants
//! - Exactly one due row names it; both go together.
//! - It holds one reference to its body.

use mail_model::{AccountId, GroupId, InternalDate, LogIndex};
use minicbor::{Decode, Encode};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct QueuedRow {
    /// Who gets it.
    #[n(0)]
    pub account: AccountId,
    /// The group that held this account when somebody looked last.
    #[n(1)]
    pub group: GroupId,
    /// The message, prefix aside.
    #[n(2)]
    pub body: LogIndex,
    /// Trace headers of this delivery.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub prefix: Vec<u8>,
    /// When it was received.
    #[n(4)]
    pub date: InternalDate,
    /// The reverse path without brackets; empty for `<>`.
    #[n(5)]
    pub sender: String,
    /// The forward path without brackets, as the client gave it.
    #[n(6)]
    pub recipient: String,
    /// The Message-ID without brackets.
    #[n(7)]
    pub message_id: Option<String>,
    /// Log time at which it was queued, in milliseconds since 1970.
    #[n(8)]
    pub queued_ms: u64,
    /// How often it could not be delivered from here.
    #[n(9)]
    pub attempts: u32,
    /// When its due row stands.
    #[n(10)]
    pub next_ms: u64,
    /// Its client went on after our reply (DESIGN M14): when the attempt began that got it, in milliseconds since 1970.
    #[n(11)]
    pub heard_ms: Option<u64>,
    /// When the transaction began, in milliseconds since 1970 by the clock of its front node.
    #[n(12)]
    pub received_ms: u64,
}
