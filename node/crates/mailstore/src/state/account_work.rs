//! One command's work on one account: its row and the mailboxes it touches are read once and written once.
//!
//! Invariants
//! - A command is one step of the account's counter, however much it changes (DESIGN M3).
//! - Counts in the account and mailbox rows move together with the messages.

use std::collections::BTreeMap;

use mail_model::{AccountId, MailboxId, ModSeq, SpecialUse, UidValidity};

use crate::event::AccountEvent;
use crate::key;
use crate::limits::MAILBOXES_MAX;
use crate::record::{AccountRow, MailboxRow};
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Rows, Work, missing};

/// The row of an account.
pub(crate) fn account_row(rows: &impl Rows, account: AccountId) -> Result<AccountRow, Failure> {
    let row = rows.row("account row", &key::account(account))?;
    row.ok_or_else(|| Rejection::NoSuchAccount.into())
}

/// The row of a mailbox.
pub(crate) fn mailbox_row(rows: &impl Rows, account: AccountId, mailbox: MailboxId) -> Result<MailboxRow, Failure> {
    let row = rows.row("mailbox row", &key::mailbox(account, mailbox))?;
    row.ok_or_else(|| Rejection::NoSuchMailbox.into())
}

/// See the module.
pub(crate) struct AccountWork<'w, 't, 'v> {
    pub(crate) work: &'w mut Work<'t, 'v>,
    pub(crate) account: AccountId,
    pub(crate) row: AccountRow,
    /// The step that this command takes.
    pub(crate) modseq: ModSeq,
    mailboxes: BTreeMap<MailboxId, MailboxRow>,
    touched: Vec<MailboxId>,
}

impl<'w, 't, 'v> AccountWork<'w, 't, 'v> {
    /// Begins with an account that exists.
    pub(crate) fn begin(work: &'w mut Work<'t, 'v>, account: AccountId) -> Result<Self, Failure> {
        let row = account_row(work, account)?;
        Ok(Self::with_row(work, account, row))
    }

    pub(crate) fn with_row(work: &'w mut Work<'t, 'v>, account: AccountId, row: AccountRow) -> Self {
        let modseq = ModSeq(row.modseq.0 + 1);
        Self {
            work,
            account,
            row,
            modseq,
            mailboxes: BTreeMap::new(),
            touched: Vec::new(),
        }
    }

    /// A mailbox, to be read or changed.
    pub(crate) fn mailbox(&mut self, id: MailboxId) -> Result<&mut MailboxRow, Failure> {
        if !self.mailboxes.contains_key(&id) {
            let row = mailbox_row(self.work, self.account, id)?;
            self.mailboxes.insert(id, row);
        }
        self.mailboxes.get_mut(&id).ok_or_else(|| missing("mailbox row"))
    }

    /// A mailbox that can hold messages.
    pub(crate) fn selectable(&mut self, id: MailboxId) -> Result<&mut MailboxRow, Failure> {
        let row = self.mailbox(id)?;
        if row.no_select {
            Err(Rejection::NotSelectable.into())
        } else {
            Ok(row)
        }
    }

    /// A mailbox whose messages or name this command changes.
    pub(crate) fn touch(&mut self, id: MailboxId) -> Result<&mut MailboxRow, Failure> {
        if !self.touched.contains(&id) {
            self.touched.push(id);
        }
        self.mailbox(id)
    }

    /// A mailbox whose messages this command changes.
    pub(crate) fn touch_messages(&mut self, id: MailboxId) -> Result<&mut MailboxRow, Failure> {
        let modseq = self.modseq;
        let row = self.touch(id)?;
        row.highest_modseq = modseq;
        Ok(row)
    }

    /// Makes a mailbox under a name that is free.
    pub(crate) fn create(
        &mut self,
        parent: MailboxId,
        leaf: &str,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxId, Failure> {
        if self.row.mailboxes as usize >= MAILBOXES_MAX {
            return Err(Rejection::Limit(LimitKind::Mailboxes).into());
        }
        let uid_validity = self.next_uid_validity()?;
        let id = MailboxId(self.row.mailbox_id.0 + 1);
        self.row.mailbox_id = id;
        self.row.mailboxes += 1;
        let row = MailboxRow {
            id,
            parent,
            leaf: leaf.to_owned(),
            uid_validity,
            uid_next: 1,
            first_recent: 1,
            highest_modseq: self.modseq,
            messages: 0,
            unseen: 0,
            deleted: 0,
            bytes: 0,
            special_use,
            created_modseq: self.modseq,
            renamed_modseq: self.modseq,
            no_select: false,
            tombstone_floor: self.modseq,
        };
        self.work.put(key::name(self.account, parent, leaf), &id);
        self.mailboxes.insert(id, row);
        self.touched.push(id);
        Ok(id)
    }

    /// A UIDVALIDITY above every one before it (DESIGN M5).
    pub(crate) fn next_uid_validity(&mut self) -> Result<UidValidity, Failure> {
        let next = self.row.uid_validity.checked_add(1).and_then(UidValidity::new);
        let next = next.ok_or(Rejection::Limit(LimitKind::Mailboxes))?;
        self.row.uid_validity = next.get();
        Ok(next)
    }

    /// Takes a mailbox out of the account; its messages are the caller's business.
    pub(crate) fn forget(&mut self, id: MailboxId) -> Result<(), Failure> {
        let row = self.touch(id)?.clone();
        self.work.delete(key::name(self.account, row.parent, &row.leaf));
        self.work.delete(key::mailbox(self.account, id));
        self.mailboxes.remove(&id);
        self.row.mailboxes = self.row.mailboxes.saturating_sub(1);
        Ok(())
    }

    /// Writes account and mailboxes and announces the step. Without a call nothing of them changes.
    pub(crate) fn finish(mut self) {
        self.row.modseq = self.modseq;
        self.write();
        let event = AccountEvent {
            account: self.account,
            modseq: self.modseq,
            mailboxes: self.touched,
        };
        self.work.emit(self.account.0, event.to_bytes());
    }

    /// Writes account and mailboxes without taking a step: for what no client is told.
    pub(crate) fn finish_quietly(mut self) {
        self.write();
    }

    fn write(&mut self) {
        for (id, row) in std::mem::take(&mut self.mailboxes) {
            self.work.put(key::mailbox(self.account, id), &row);
        }
        self.work.put(key::account(self.account), &self.row);
    }
}
