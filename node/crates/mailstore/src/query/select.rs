//! GetMailbox: one mailbox by name or id, as SELECT, EXAMINE and STATUS show it, with its keywords.

use mail_model::{AccountId, Keyword, MailboxId, MailboxName, ModSeq};
use minicbor::{Decode, Encode};

use crate::key;
use crate::query::{GroupQuery, MailboxInfo};
use crate::rows::{Failure, Rows};
use crate::state::{account_row, find, keywords_row, mailbox_row, name_of};

/// A mailbox as a request names it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum MailboxRef {
    /// By name.
    #[n(0)]
    Name(#[n(0)] MailboxName),
    /// By id.
    #[n(1)]
    Id(#[n(0)] MailboxId),
}

impl From<MailboxName> for MailboxRef {
    fn from(name: MailboxName) -> Self {
        Self::Name(name)
    }
}

impl From<MailboxId> for MailboxRef {
    fn from(id: MailboxId) -> Self {
        Self::Id(id)
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetMailbox {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
    /// Which one.
    #[n(1)]
    pub mailbox: MailboxRef,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Selected {
    /// Names, numbers and counts.
    #[n(0)]
    pub info: MailboxInfo,
    /// Keywords in the order of their numbers.
    #[n(1)]
    pub keywords: Vec<Keyword>,
    /// Expunges up to here may be forgotten.
    #[n(2)]
    pub tombstone_floor: ModSeq,
}

impl GroupQuery for GetMailbox {
    type Reply = Selected;

    fn run(&self, rows: &impl Rows) -> Result<Selected, Failure> {
        account_row(rows, self.account)?;
        let id = match &self.mailbox {
            MailboxRef::Name(name) => find(rows, self.account, name)?,
            MailboxRef::Id(id) => *id,
        };
        let row = mailbox_row(rows, self.account, id)?;
        let name = name_of(rows, self.account, id)?;
        let has_children = !rows.is_empty(&key::children(self.account, id))?;
        Ok(Selected {
            info: MailboxInfo::new(&row, name, has_children),
            keywords: keywords_row(rows, self.account, id)?.keywords,
            tombstone_floor: row.tombstone_floor,
        })
    }
}
