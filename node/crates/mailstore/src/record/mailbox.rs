//! One mailbox, and the keywords that it knows.
//!
//! Invariants
//! - `id`, `uid_validity` and `created_modseq` never change; `uid_next`, `first_recent`, `highest_modseq` and
//!   `tombstone_floor` only grow.
//! - Every UID in the mailbox is below `uid_next`; `first_recent <= uid_next`.
//! - A keyword's number is its place in the registry; it is never removed, since messages name it by number.

use mail_model::{Keyword, MailboxId, ModSeq, SpecialUse, UidValidity};
use minicbor::{Decode, Encode};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MailboxRow {
    /// Its id, unique in the account.
    #[n(0)]
    pub id: MailboxId,
    /// The mailbox that it lies in; 0 is the top.
    #[n(1)]
    pub parent: MailboxId,
    /// Last part of its name.
    #[n(2)]
    pub leaf: String,
    /// See RFC 3501, section 2.3.1.1.
    #[n(3)]
    pub uid_validity: UidValidity,
    /// The UID of the next message. One past the highest UID once all are given: then 2^32.
    #[n(4)]
    pub uid_next: u64,
    /// Messages from this UID on were shown to no session yet (DESIGN M8).
    #[n(5)]
    pub first_recent: u64,
    /// The last change of one of its messages.
    #[n(6)]
    pub highest_modseq: ModSeq,
    /// Messages.
    #[n(7)]
    pub messages: u32,
    /// Messages without `\Seen`.
    #[n(8)]
    pub unseen: u32,
    /// Messages with `\Deleted`.
    #[n(9)]
    pub deleted: u32,
    /// Bytes of its messages, prefixes included.
    #[n(10)]
    pub bytes: u64,
    /// What it is for.
    #[n(11)]
    pub special_use: Option<SpecialUse>,
    /// The change that made it.
    #[n(12)]
    pub created_modseq: ModSeq,
    /// The last change of its name or place.
    #[n(13)]
    pub renamed_modseq: ModSeq,
    /// It only holds other mailboxes.
    #[n(14)]
    pub no_select: bool,
    /// Changes up to here may have lost their tombstones.
    #[n(15)]
    pub tombstone_floor: ModSeq,
}

/// The keywords of a mailbox in the order of their numbers, as spelled first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct KeywordsRow {
    /// See the type.
    #[n(0)]
    pub keywords: Vec<Keyword>,
}
