//! What `apply` announces to those who follow an account: topic = account id.
//!
//! An event says where to look, not what is there: whoever gets it reads the state at the event's token or later.

use mail_model::{AccountId, MailboxId, ModSeq};
use minicbor::{Decode, Encode};

use crate::codec::{self, CodecError};

/// One command changed the account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccountEvent {
    /// The account.
    #[n(0)]
    pub account: AccountId,
    /// The step of its counter that the command took.
    #[n(1)]
    pub modseq: ModSeq,
    /// Mailboxes whose messages, counts or names changed.
    #[n(2)]
    pub mailboxes: Vec<MailboxId>,
}

impl AccountEvent {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        codec::seal(self)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::open("account event", bytes)
    }
}
