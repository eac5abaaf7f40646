//! Something that has to be done once log time has passed a point; the key is the whole row.
//!
//! Invariant: numbers of variants are given once; a row of an unknown kind stops the replica, since it was written by a
//! newer program.

use mail_model::{AccountId, MailboxId, Uid};
use minicbor::{Decode, Encode};

use crate::id::{DeliveryKey, UploadId};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Due {
    /// Nobody may fetch the body of an expunged message any more.
    #[n(0)]
    KeptBody(#[n(0)] AccountId, #[n(1)] MailboxId, #[n(2)] Uid),
    /// Nobody is told any more that the message was expunged.
    #[n(1)]
    Tombstone(#[n(0)] AccountId, #[n(1)] MailboxId, #[n(2)] Uid),
    /// The upload has not grown for an hour, or has to be looked at again.
    #[n(2)]
    Upload(#[n(0)] UploadId),
    /// More rows of a deleted mailbox have to go.
    #[n(3)]
    DeletedMailbox(#[n(0)] AccountId, #[n(1)] MailboxId),
    /// The same message again is another message.
    #[n(4)]
    Delivery(#[n(0)] AccountId, #[n(1)] DeliveryKey),
}
