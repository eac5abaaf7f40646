//! AdvanceRecent: a session takes `\Recent` for all messages that no session had yet (RFC 3501, section 2.3.2; DESIGN
//! M8). Since it is a command, over all nodes no two sessions get the same message.

use mail_model::{AccountId, MailboxId};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::rows::{Failure, Work};
use crate::state::AccountWork;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AdvanceRecent {
    /// Whose mailbox.
    #[n(0)]
    pub account: AccountId,
    /// Which mailbox.
    #[n(1)]
    pub mailbox: MailboxId,
}

/// The UIDs that are recent in the session: `from <= uid < to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClaimedRecent {
    /// The first one.
    #[n(0)]
    pub from: u64,
    /// The first one past them.
    #[n(1)]
    pub to: u64,
}

impl GroupCommand for AdvanceRecent {
    type Reply = ClaimedRecent;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<ClaimedRecent, Failure> {
        let mut account = AccountWork::begin(work, self.account)?;
        let row = account.selectable(self.mailbox)?;
        let claimed = ClaimedRecent {
            from: row.first_recent,
            to: row.uid_next,
        };
        row.first_recent = row.uid_next;
        account.finish_quietly();
        Ok(claimed)
    }
}
