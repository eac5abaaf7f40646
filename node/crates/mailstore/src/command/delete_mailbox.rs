//! DeleteMailbox: DELETE (RFC 3501, section 6.3.4). With mailboxes below it, a name stays that only holds those. The
//! messages are gone at once; their rows go in steps, now and by sweeps.

use mail_model::{AccountId, MailboxName};
use minicbor::{Decode, Encode};

use crate::codec;
use crate::command::GroupCommand;
use crate::key;
use crate::limits::MAILBOXES_MAX;
use crate::record::Due;
use crate::rejection::Rejection;
use crate::rows::{Failure, Rows, Work};
use crate::state::{AccountWork, INBOX, delete_some, due_row, find};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeleteMailbox {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// Its name.
    #[n(1)]
    pub name: MailboxName,
}

impl GroupCommand for DeleteMailbox {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        let id = find(work, self.account, &self.name)?;
        if id == INBOX {
            return Err(Rejection::InboxStays.into());
        }
        let children = work.rows(&key::children(self.account, id), MAILBOXES_MAX)?;
        let mut account = AccountWork::begin(work, self.account)?;
        let row = account.mailbox(id)?.clone();
        if row.no_select && !children.is_empty() {
            return Err(Rejection::HasChildren.into());
        }
        account.row.messages = account.row.messages.saturating_sub(u64::from(row.messages));
        account.row.used_bytes = account.row.used_bytes.saturating_sub(row.bytes);
        account.forget(id)?;
        if !children.is_empty() {
            let stand_in = account.create(row.parent, &row.leaf, None)?;
            account.touch(stand_in)?.no_select = true;
            for (child_key, bytes) in children {
                let child = codec::open("name row", &bytes)?;
                account.work.delete(child_key);
                let child_row = account.touch(child)?;
                child_row.parent = stand_in;
                let new_key = key::name(self.account, stand_in, &child_row.leaf);
                account.work.put(new_key, &child);
            }
        }
        account.finish();
        if !delete_some(work, self.account, id)? {
            let due = due_row(work.now_ms(), &Due::DeletedMailbox(self.account, id));
            work.put_bytes(due, Vec::new());
        }
        Ok(())
    }
}
