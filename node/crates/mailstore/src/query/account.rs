//! GetAccount: that an account is here, and how much it holds.

use mail_model::{AccountId, ModSeq};
use minicbor::{Decode, Encode};

use crate::query::GroupQuery;
use crate::rows::{Failure, Rows};
use crate::state::account_row;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetAccount {
    /// Which account.
    #[n(0)]
    pub account: AccountId,
}

/// What an account holds and may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Quota {
    /// Bytes that it may hold; `None` for any number.
    #[n(0)]
    pub quota_bytes: Option<u64>,
    /// Bytes that it holds.
    #[n(1)]
    pub used_bytes: u64,
    /// Messages that it holds.
    #[n(2)]
    pub messages: u64,
    /// The last change.
    #[n(3)]
    pub modseq: ModSeq,
    /// Deliveries that were the same message sent again.
    #[n(4)]
    pub suppressed: u64,
}

impl Quota {
    /// Whether a message of `bytes` still fits (SIZE at RCPT; DESIGN M13).
    #[must_use]
    pub fn fits(&self, bytes: u64) -> bool {
        self.quota_bytes
            .is_none_or(|quota| self.used_bytes.saturating_add(bytes) <= quota)
    }
}

impl GroupQuery for GetAccount {
    type Reply = Quota;

    fn run(&self, rows: &impl Rows) -> Result<Quota, Failure> {
        let row = account_row(rows, self.account)?;
        Ok(Quota {
            quota_bytes: row.quota_bytes,
            used_bytes: row.used_bytes,
            messages: row.messages,
            modseq: row.modseq,
            suppressed: row.suppressed,
        })
    }
}
