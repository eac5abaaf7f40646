//! RenameMailbox: RENAME (RFC 3501, section 6.3.5; DESIGN M5, M6). A mailbox keeps its id, UIDVALIDITY and UIDs, and what
//! lies below it comes along, by one row. RENAME of INBOX moves its messages to a new mailbox.

use mail_model::{AccountId, MailboxId, MailboxName};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::command::create_mailbox::{check_name, make_parents};
use crate::key;
use crate::limits::MESSAGES_PER_COPY;
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Work};
use crate::state::{AccountWork, INBOX, all_mailboxes, child, find, full_names, hot_rows};
use crate::uid_set::UidSet;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RenameMailbox {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// Its name.
    #[n(1)]
    pub from: MailboxName,
    /// The name that it gets.
    #[n(2)]
    pub to: MailboxName,
}

impl GroupCommand for RenameMailbox {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        check_name(&self.to)?;
        let id = find(work, self.account, &self.from)?;
        match find(work, self.account, &self.to) {
            Ok(_) => return Err(Rejection::MailboxExists.into()),
            Err(Failure::Rejected(Rejection::NoSuchMailbox)) => {}
            Err(failure) => return Err(failure),
        }
        if id == INBOX {
            return self.move_inbox(work);
        }
        if self.to.is_below(&self.from) {
            return Err(Rejection::BelowItself.into());
        }
        self.check_names_below(work)?;
        let mut account = AccountWork::begin(work, self.account)?;
        let parent = make_parents(&mut account, &self.to)?;
        let modseq = account.modseq;
        let leaf = self.to.leaf().to_owned();
        let row = account.touch(id)?;
        let old = key::name(self.account, row.parent, &row.leaf);
        (row.parent, row.leaf, row.renamed_modseq) = (parent, leaf.clone(), modseq);
        account.work.delete(old);
        account.work.put(key::name(self.account, parent, &leaf), &id);
        account.finish();
        Ok(())
    }
}

impl RenameMailbox {
    /// What lies below gets a name too, and that one must be legal.
    fn check_names_below(&self, work: &Work<'_, '_>) -> Result<(), Failure> {
        for name in full_names(&all_mailboxes(work, self.account)?).values() {
            let below = name
                .strip_prefix(self.from.as_str())
                .filter(|rest| rest.starts_with(mail_model::SEPARATOR));
            let legal = below.is_none_or(|rest| MailboxName::new(&format!("{}{rest}", self.to)).is_ok());
            if !legal {
                return Err(Rejection::Limit(LimitKind::NameLength).into());
            }
        }
        Ok(())
    }

    fn move_inbox(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        let all = UidSet::of_ranges([(mail_model::Uid::MIN, mail_model::Uid::MAX)]);
        let found = hot_rows(work, self.account, INBOX, &all, MESSAGES_PER_COPY)?;
        let mut account = AccountWork::begin(work, self.account)?;
        let parent = make_parents(&mut account, &self.to)?;
        let to = match child(account.work, self.account, parent, self.to.leaf())? {
            // The parents made just now do not include the name itself.
            Some(_) => return Err(Rejection::MailboxExists.into()),
            None => account.create(parent, self.to.leaf(), None)?,
        };
        self.move_all(&mut account, &found, to)?;
        account.finish();
        Ok(())
    }

    fn move_all(
        &self,
        account: &mut AccountWork<'_, '_, '_>,
        found: &[(mail_model::Uid, crate::record::HotRow)],
        to: MailboxId,
    ) -> Result<(), Failure> {
        super::copy::copy_all(account, INBOX, found, to)?;
        for (uid, hot) in found {
            account.expunge(INBOX, *uid, hot)?;
        }
        Ok(())
    }
}
