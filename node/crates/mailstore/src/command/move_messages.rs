//! MoveMessages: MOVE (RFC 6851): each message is in one of the two mailboxes at every instant. Counts against no quota,
//! since nothing is added.

use mail_model::{AccountId, MailboxId};
use minicbor::{Decode, Encode};

use crate::command::{Copied, GroupCommand};
use crate::limits::MESSAGES_PER_COMMAND;
use crate::rows::{Failure, Work};
use crate::state::{AccountWork, hot_rows};
use crate::uid_set::UidSet;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MoveMessages {
    /// Whose mailboxes.
    #[n(0)]
    pub account: AccountId,
    /// Where from.
    #[n(1)]
    pub from: MailboxId,
    /// Which messages, at most [`MESSAGES_PER_COMMAND`]. Those that are gone by now are passed over.
    #[n(2)]
    pub uids: UidSet,
    /// Where to.
    #[n(3)]
    pub to: MailboxId,
}

impl GroupCommand for MoveMessages {
    type Reply = Copied;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<Copied, Failure> {
        let found = hot_rows(work, self.account, self.from, &self.uids, MESSAGES_PER_COMMAND)?;
        let mut account = AccountWork::begin(work, self.account)?;
        account.selectable(self.from)?;
        let moved = super::copy::copy_all(&mut account, self.from, &found, self.to)?;
        for (uid, hot) in &found {
            account.expunge(self.from, *uid, hot)?;
        }
        if moved.target.is_some() {
            account.finish();
        }
        Ok(moved)
    }
}
