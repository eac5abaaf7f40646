//! ListMailboxes: all mailboxes and subscriptions of an account; patterns are the session's business.

use std::collections::BTreeSet;

use mail_model::{AccountId, MailboxId, ModSeq, SpecialUse, UidValidity};
use minicbor::{Decode, Encode};

use crate::key;
use crate::limits::SUBSCRIPTIONS_MAX;
use crate::query::GroupQuery;
use crate::record::MailboxRow;
use crate::rows::{Failure, Rows, missing};
use crate::state::{account_row, all_mailboxes, full_names};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ListMailboxes {
    /// Whose.
    #[n(0)]
    pub account: AccountId,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MailboxList {
    /// Ordered by name, INBOX first.
    #[n(0)]
    pub mailboxes: Vec<MailboxInfo>,
    /// Subscribed names in order, whether or not there is a mailbox.
    #[n(1)]
    pub subscriptions: Vec<String>,
}

/// What LIST and STATUS say of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MailboxInfo {
    /// MAILBOXID.
    #[n(0)]
    pub id: MailboxId,
    /// Its whole name.
    #[n(1)]
    pub name: String,
    /// What it is for.
    #[n(2)]
    pub special_use: Option<SpecialUse>,
    /// It only holds other mailboxes: `\Noselect`.
    #[n(3)]
    pub no_select: bool,
    /// Mailboxes lie below it: `\HasChildren`.
    #[n(4)]
    pub has_children: bool,
    /// UIDVALIDITY.
    #[n(5)]
    pub uid_validity: UidValidity,
    /// UIDNEXT; 2^32 when all are given.
    #[n(6)]
    pub uid_next: u64,
    /// MESSAGES.
    #[n(7)]
    pub messages: u32,
    /// UNSEEN of STATUS: how many.
    #[n(8)]
    pub unseen: u32,
    /// Messages with `\Deleted`.
    #[n(9)]
    pub deleted: u32,
    /// Bytes of its messages.
    #[n(10)]
    pub bytes: u64,
    /// HIGHESTMODSEQ.
    #[n(11)]
    pub highest_modseq: ModSeq,
    /// Messages from this UID on are recent for whoever comes next.
    #[n(12)]
    pub first_recent: u64,
}

impl MailboxInfo {
    pub(crate) fn new(row: &MailboxRow, name: String, has_children: bool) -> Self {
        Self {
            id: row.id,
            name,
            special_use: row.special_use,
            no_select: row.no_select,
            has_children,
            uid_validity: row.uid_validity,
            uid_next: row.uid_next,
            messages: row.messages,
            unseen: row.unseen,
            deleted: row.deleted,
            bytes: row.bytes,
            highest_modseq: row.highest_modseq,
            first_recent: row.first_recent,
        }
    }
}

impl GroupQuery for ListMailboxes {
    type Reply = MailboxList;

    fn run(&self, rows: &impl Rows) -> Result<MailboxList, Failure> {
        account_row(rows, self.account)?;
        let all = all_mailboxes(rows, self.account)?;
        let parents: BTreeSet<_> = all.values().map(|row| row.parent).collect();
        let mut mailboxes: Vec<_> = full_names(&all)
            .into_iter()
            .filter_map(|(id, name)| Some(MailboxInfo::new(all.get(&id)?, name, parents.contains(&id))))
            .collect();
        mailboxes.sort_by(|a, b| (a.name != "INBOX", &a.name).cmp(&(b.name != "INBOX", &b.name)));
        let rows = rows.rows(&key::subscriptions(self.account), SUBSCRIPTIONS_MAX)?;
        let subscriptions = rows.iter().map(|(key, _)| {
            let name = std::str::from_utf8(key::after_account(key)).map_err(|_| missing("name of a subscription"));
            name.map(str::to_owned)
        });
        let subscriptions = subscriptions.collect::<Result<_, _>>()?;
        Ok(MailboxList {
            mailboxes,
            subscriptions,
        })
    }
}
