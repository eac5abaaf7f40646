//! Expunge: EXPUNGE, CLOSE and UID EXPUNGE (RFC 3501, sections 6.4.2 and 6.4.3; RFC 4315, section 2.1).

use mail_model::{AccountId, MailboxId, ModSeq, SystemFlags};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::limits::MESSAGES_PER_COMMAND;
use crate::rows::{Failure, Work};
use crate::state::{AccountWork, hot_rows};
use crate::uid_set::UidSet;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Expunge {
    /// Whose mailbox.
    #[n(0)]
    pub account: AccountId,
    /// Which mailbox.
    #[n(1)]
    pub mailbox: MailboxId,
    /// Which messages, at most [`MESSAGES_PER_COMMAND`]; of these only those that have `\Deleted` when it is applied.
    #[n(2)]
    pub uids: UidSet,
}

/// What was expunged.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Expunged {
    /// The messages.
    #[n(0)]
    pub uids: UidSet,
    /// The change that did it.
    #[n(1)]
    pub modseq: ModSeq,
}

impl GroupCommand for Expunge {
    type Reply = Expunged;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<Expunged, Failure> {
        let found = hot_rows(work, self.account, self.mailbox, &self.uids, MESSAGES_PER_COMMAND)?;
        let mut account = AccountWork::begin(work, self.account)?;
        account.selectable(self.mailbox)?;
        let modseq = account.modseq;
        let mut uids = Vec::new();
        for (uid, hot) in found.iter().filter(|(_, hot)| hot.flags.contains(SystemFlags::DELETED)) {
            account.expunge(self.mailbox, *uid, hot)?;
            uids.push(*uid);
        }
        if !uids.is_empty() {
            account.finish();
        }
        Ok(Expunged {
            uids: uids.into_iter().collect(),
            modseq,
        })
    }
}
