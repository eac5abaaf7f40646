//! From names to mailboxes and back (DESIGN M6): a mailbox is (parent, leaf), so a tree is renamed by one row.

use std::collections::BTreeMap;

use mail_model::{AccountId, MailboxId, MailboxName, SEPARATOR};

use crate::codec;
use crate::key;
use crate::limits::MAILBOXES_MAX;
use crate::record::MailboxRow;
use crate::rejection::Rejection;
use crate::rows::{Failure, Rows};
use crate::state::{TOP, mailbox_row};

/// The mailbox called `leaf` below `parent`.
pub(crate) fn child(
    rows: &impl Rows,
    account: AccountId,
    parent: MailboxId,
    leaf: &str,
) -> Result<Option<MailboxId>, Failure> {
    rows.row("name row", &key::name(account, parent, leaf))
}

/// The mailbox of a name.
pub(crate) fn find(rows: &impl Rows, account: AccountId, name: &MailboxName) -> Result<MailboxId, Failure> {
    let mut at = TOP;
    for leaf in name.leaves() {
        at = child(rows, account, at, leaf)?.ok_or(Rejection::NoSuchMailbox)?;
    }
    Ok(at)
}

/// The name of a mailbox, from its row upwards.
pub(crate) fn name_of(rows: &impl Rows, account: AccountId, mailbox: MailboxId) -> Result<String, Failure> {
    let mut leaves = Vec::new();
    let mut at = mailbox;
    while at != TOP && leaves.len() <= mail_model::DEPTH_MAX {
        let row = mailbox_row(rows, account, at)?;
        leaves.push(row.leaf);
        at = row.parent;
    }
    leaves.reverse();
    Ok(leaves.join(&SEPARATOR.to_string()))
}

/// All mailboxes of an account by their ids.
pub(crate) fn all_mailboxes(rows: &impl Rows, account: AccountId) -> Result<BTreeMap<MailboxId, MailboxRow>, Failure> {
    let mut all = BTreeMap::new();
    for (_, bytes) in rows.rows(&key::mailboxes(account), MAILBOXES_MAX)? {
        let row: MailboxRow = codec::open("mailbox row", &bytes)?;
        all.insert(row.id, row);
    }
    Ok(all)
}

/// The names of all mailboxes; one whose chain of parents is broken has none.
pub(crate) fn full_names(all: &BTreeMap<MailboxId, MailboxRow>) -> BTreeMap<MailboxId, String> {
    let mut names = BTreeMap::new();
    for (id, row) in all {
        let mut leaves = vec![row.leaf.as_str()];
        let mut at = row.parent;
        while at != TOP && leaves.len() <= mail_model::DEPTH_MAX {
            let Some(row) = all.get(&at) else { break };
            leaves.push(&row.leaf);
            at = row.parent;
        }
        if at == TOP {
            leaves.reverse();
            names.insert(*id, leaves.join(&SEPARATOR.to_string()));
        }
    }
    names
}
