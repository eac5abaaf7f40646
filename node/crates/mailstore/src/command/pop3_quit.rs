//! Pop3Quit: the update state of POP3 (RFC 1939, section 6) as one command (DESIGN M9). It names UIDVALIDITY and UIDs, so
//! that it hits the messages that the session showed, whether or not the lock still held.

use mail_model::{AccountId, MailboxId, UidValidity};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::id::LockId;
use crate::limits::MESSAGES_PER_COPY;
use crate::rejection::Rejection;
use crate::rows::{Failure, Work};
use crate::state::{AccountWork, hot_rows};
use crate::uid_set::UidSet;

/// See the module. Answers how many messages went; one that another session expunged before is not counted and no error.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pop3Quit {
    /// Whose maildrop.
    #[n(0)]
    pub account: AccountId,
    /// Its mailbox.
    #[n(1)]
    pub mailbox: MailboxId,
    /// The UIDVALIDITY under which the session listed them.
    #[n(2)]
    pub uid_validity: UidValidity,
    /// What DELE marked, at most [`MESSAGES_PER_COPY`].
    #[n(3)]
    pub uids: UidSet,
    /// The session's lock, given back if it is still held.
    #[n(4)]
    pub holder: LockId,
}

impl GroupCommand for Pop3Quit {
    type Reply = u32;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<u32, Failure> {
        let found = hot_rows(work, self.account, self.mailbox, &self.uids, MESSAGES_PER_COPY)?;
        super::maildrop_lock::unlock(work, self.account, self.holder)?;
        let mut account = AccountWork::begin(work, self.account)?;
        if account.selectable(self.mailbox)?.uid_validity != self.uid_validity {
            return Err(Rejection::UidValidityChanged.into());
        }
        for (uid, hot) in &found {
            account.expunge(self.mailbox, *uid, hot)?;
        }
        if !found.is_empty() {
            account.finish();
        }
        Ok(u32::try_from(found.len()).unwrap_or(u32::MAX))
    }
}
