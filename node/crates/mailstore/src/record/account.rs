//! One account of the group: its counters and settings.
//!
//! Invariants
//! - `modseq`, `uid_validity` and `mailbox_id` only grow; each is the last one given, 0 before the first.
//! - `used_bytes` and `messages` are the sums over the account's mailboxes.

use mail_model::{MailboxId, ModSeq};
use minicbor::{Decode, Encode};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct AccountRow {
    /// Last step of the counter of changes (DESIGN M3).
    #[n(0)]
    pub modseq: ModSeq,
    /// Last UIDVALIDITY given (DESIGN M5).
    #[n(1)]
    pub uid_validity: u32,
    /// Last mailbox id given.
    #[n(2)]
    pub mailbox_id: MailboxId,
    /// Bytes that the account may hold; `None` for any number.
    #[n(3)]
    pub quota_bytes: Option<u64>,
    /// Bytes of all messages, prefixes included; a body counts for each message that has it.
    #[n(4)]
    pub used_bytes: u64,
    /// Messages in all mailboxes.
    #[n(5)]
    pub messages: u64,
    /// Log time of its making, in milliseconds since 1970.
    #[n(6)]
    pub created_ms: u64,
    /// Mailboxes there are.
    #[n(7)]
    pub mailboxes: u32,
    /// Subscribed names.
    #[n(8)]
    pub subscriptions: u32,
    /// Deliveries that were the same message sent again (DESIGN M14).
    #[n(9)]
    pub suppressed: u64,
}

impl AccountRow {
    /// Whether one more message may come; it may then overrun the quota (DESIGN M13).
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.quota_bytes.is_none_or(|quota| self.used_bytes < quota)
    }
}
