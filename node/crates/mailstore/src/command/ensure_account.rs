//! EnsureAccount: makes an account with its first mailboxes, or finds that it is there. Applied twice it changes nothing.

use mail_model::{AccountId, MailboxName, SpecialUse};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::key;
use crate::record::AccountRow;
use crate::rows::{Failure, Rows, Work};
use crate::state::{AccountWork, INBOX, TOP};

/// See the module. Answers whether the account is new.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EnsureAccount {
    /// Its id, given by the directory.
    #[n(0)]
    pub account: AccountId,
    /// The quota of a new account, in bytes; `None` for any number.
    #[n(1)]
    pub quota_bytes: Option<u64>,
}

impl GroupCommand for EnsureAccount {
    type Reply = bool;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<bool, Failure> {
        if work.bytes(&key::account(self.account))?.is_some() {
            return Ok(false);
        }
        let row = AccountRow {
            quota_bytes: self.quota_bytes,
            created_ms: work.now_ms(),
            ..AccountRow::default()
        };
        let mut account = AccountWork::with_row(work, self.account, row);
        let inbox = account.create(TOP, MailboxName::inbox().as_str(), None)?;
        debug_assert_eq!(inbox, INBOX, "the first id of an account");
        for special in SpecialUse::ALL {
            account.create(TOP, special.attribute().trim_start_matches('\\'), Some(special))?;
        }
        account.finish();
        Ok(true)
    }
}
