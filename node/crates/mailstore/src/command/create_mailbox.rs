//! CreateMailbox: CREATE (RFC 3501, section 6.3.3), with the mailboxes above that are missing.

use mail_model::{AccountId, MailboxId, MailboxName};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::rejection::Rejection;
use crate::rows::{Failure, Work};
use crate::state::{AccountWork, TOP, child};

/// See the module. Answers the id of the new mailbox: MAILBOXID (RFC 8474).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CreateMailbox {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// Its name.
    #[n(1)]
    pub name: MailboxName,
}

impl GroupCommand for CreateMailbox {
    type Reply = MailboxId;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<MailboxId, Failure> {
        check_name(&self.name)?;
        let mut account = AccountWork::begin(work, self.account)?;
        let parent = make_parents(&mut account, &self.name)?;
        let id = match child(account.work, self.account, parent, self.name.leaf())? {
            None => account.create(parent, self.name.leaf(), None)?,
            // It was deleted while mailboxes lay below it; its id and UIDVALIDITY are new since then.
            Some(id) if account.mailbox(id)?.no_select => {
                account.touch(id)?.no_select = false;
                id
            }
            Some(_) => return Err(Rejection::MailboxExists.into()),
        };
        account.finish();
        Ok(id)
    }
}

/// A name that was decoded was not checked by that.
pub(super) fn check_name(name: &MailboxName) -> Result<(), Rejection> {
    match MailboxName::new(name.as_str()) {
        Ok(checked) if checked == *name => Ok(()),
        _ => Err(Rejection::Malformed),
    }
}

/// The mailbox above `name`, made with everything above it if need be.
pub(super) fn make_parents(account: &mut AccountWork<'_, '_, '_>, name: &MailboxName) -> Result<MailboxId, Failure> {
    let mut at = TOP;
    let leaves: Vec<_> = name.leaves().collect();
    for leaf in &leaves[..leaves.len().saturating_sub(1)] {
        at = match child(account.work, account.account, at, leaf)? {
            Some(id) => id,
            None => account.create(at, leaf, None)?,
        };
    }
    Ok(at)
}
