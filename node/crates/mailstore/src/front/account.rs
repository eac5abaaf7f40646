//! One account: its mailboxes, subscriptions, quota, and changes to messages named by UID.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use mail_model::{AccountId, FlagSet, GroupId, MailboxId, MailboxName, Uid};
use replication::Token;

use super::{Freshness, Mailstore, Shared, StoreError};
use crate::command::{
    Copied, CopyMessages, CreateMailbox, DeleteMailbox, EnsureAccount, Expunge, GroupCommand, MoveMessages,
    RenameMailbox, SetQuota, SetSubscription, StoreFlags, StoreMode, Stored,
};
use crate::limits::{COMMAND_WITHIN, DETAILS_PER_QUERY, MESSAGES_PER_COMMAND, READ_WITHIN};
use crate::query::{
    CheckAccount, CheckReport, Details, GetAccount, GetDetails, GetHotPage, GetMailbox, GroupQuery, HotPage,
    ListMailboxes, MailboxList, MailboxRef, Quota, Selected,
};
use crate::uid_set::UidSet;

/// Handle to one account. Cheap to clone; clones on one node share what they have seen.
#[derive(Clone)]
pub struct Account {
    store: Mailstore,
    shared: Arc<Shared>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({} in group {})", self.shared.id, self.shared.group)
    }
}

impl Account {
    pub(super) fn new(store: Mailstore, shared: Arc<Shared>) -> Self {
        Self { store, shared }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.shared.id
    }

    /// The group that holds it.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.shared.group
    }

    pub(super) fn store(&self) -> &Mailstore {
        &self.store
    }

    /// Reads from now on cover `token`.
    pub(super) fn saw(&self, token: Token) {
        self.shared.saw(token);
    }

    pub(super) async fn run<C: GroupCommand>(&self, command: C, blob: Option<Bytes>) -> Result<C::Reply, StoreError> {
        let (reply, token) = self.store.run(self.group(), command, blob, COMMAND_WITHIN).await?;
        self.saw(token);
        Ok(reply)
    }

    pub(super) async fn ask<Q: GroupQuery>(&self, freshness: Freshness, query: Q) -> Result<Q::Reply, StoreError> {
        if freshness == Freshness::Latest {
            let latest = self.store.client().read_index(self.group(), READ_WITHIN).await?;
            self.saw(latest);
        }
        let (reply, token) = self.store.ask(self.group(), self.shared.token(), query).await?;
        self.saw(token);
        Ok(reply)
    }

    /// Makes the account in its group, with INBOX and the mailboxes of special use. Returns whether it is new; the quota
    /// of one that exists stays.
    ///
    /// # Errors
    /// See [`StoreError`]; safe to repeat.
    pub async fn ensure(&self, quota_bytes: Option<u64>) -> Result<bool, StoreError> {
        let account = self.id();
        self.run(EnsureAccount { account, quota_bytes }, None).await
    }

    /// What it holds and may hold.
    ///
    /// # Errors
    /// See [`StoreError`]; `NoSuchAccount` when its group does not know it.
    pub async fn quota(&self, freshness: Freshness) -> Result<Quota, StoreError> {
        let account = self.id();
        self.ask(freshness, GetAccount { account }).await
    }

    /// Sets its quota; `None` for no limit.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_quota(&self, quota_bytes: Option<u64>) -> Result<(), StoreError> {
        let account = self.id();
        self.run(SetQuota { account, quota_bytes }, None).await
    }

    /// All mailboxes and subscriptions (LIST, LSUB).
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn list(&self, freshness: Freshness) -> Result<MailboxList, StoreError> {
        let account = self.id();
        self.ask(freshness, ListMailboxes { account }).await
    }

    /// One mailbox (STATUS, and the first half of SELECT).
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn mailbox(&self, mailbox: impl Into<MailboxRef>, freshness: Freshness) -> Result<Selected, StoreError> {
        let (account, mailbox) = (self.id(), mailbox.into());
        self.ask(freshness, GetMailbox { account, mailbox }).await
    }

    /// CREATE. Returns MAILBOXID.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn create(&self, name: MailboxName) -> Result<MailboxId, StoreError> {
        let account = self.id();
        self.run(CreateMailbox { account, name }, None).await
    }

    /// DELETE.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete(&self, name: MailboxName) -> Result<(), StoreError> {
        let account = self.id();
        self.run(DeleteMailbox { account, name }, None).await
    }

    /// RENAME.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn rename(&self, from: MailboxName, to: MailboxName) -> Result<(), StoreError> {
        let account = self.id();
        self.run(RenameMailbox { account, from, to }, None).await
    }

    /// SUBSCRIBE and UNSUBSCRIBE.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn set_subscription(&self, name: MailboxName, subscribed: bool) -> Result<(), StoreError> {
        let account = self.id();
        self.run(
            SetSubscription {
                account,
                name,
                subscribed,
            },
            None,
        )
        .await
    }

    /// STORE, and the `\Seen` of a FETCH. Entries of at most [`MESSAGES_PER_COMMAND`] messages; an error may leave the
    /// first of them done, as RFC 3501 allows. `uids` ascend.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn store_flags(
        &self,
        mailbox: MailboxId,
        uids: &[Uid],
        mode: StoreMode,
        flags: &FlagSet,
    ) -> Result<Vec<Stored>, StoreError> {
        let mut stored = Vec::new();
        for uids in uids.chunks(MESSAGES_PER_COMMAND) {
            let command = StoreFlags {
                account: self.id(),
                mailbox,
                uids: uids.iter().copied().collect(),
                mode,
                flags: flags.clone(),
            };
            stored.push(self.run(command, None).await?);
        }
        Ok(stored)
    }

    /// EXPUNGE of those of `uids` that have `\Deleted`. Returns what went. Chunks as in [`Account::store_flags`].
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn expunge(&self, mailbox: MailboxId, uids: &[Uid]) -> Result<UidSet, StoreError> {
        let mut gone = Vec::new();
        for uids in uids.chunks(MESSAGES_PER_COMMAND) {
            let (account, uids) = (self.id(), uids.iter().copied().collect());
            let expunged = self.run(Expunge { account, mailbox, uids }, None).await?;
            gone.extend(expunged.uids.ranges().iter().map(|range| (range.first, range.last)));
        }
        Ok(UidSet::of_ranges(gone))
    }

    /// COPY: all messages or none.
    ///
    /// # Errors
    /// See [`StoreError`]; `Limit` above [`crate::limits::MESSAGES_PER_COPY`].
    pub async fn copy(&self, from: MailboxId, uids: &[Uid], to: MailboxId) -> Result<Copied, StoreError> {
        let (account, uids) = (self.id(), uids.iter().copied().collect());
        self.run(
            CopyMessages {
                account,
                from,
                uids,
                to,
            },
            None,
        )
        .await
    }

    /// MOVE, in entries as [`Account::store_flags`]. On an error the messages of `Ok` entries before it are moved.
    ///
    /// # Errors
    /// See [`StoreError`], with what was moved before.
    pub async fn move_messages(
        &self,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<Copied>, (Vec<Copied>, StoreError)> {
        let mut moved = Vec::new();
        for uids in uids.chunks(MESSAGES_PER_COMMAND) {
            let (account, uids) = (self.id(), uids.iter().copied().collect());
            match self
                .run(
                    MoveMessages {
                        account,
                        from,
                        uids,
                        to,
                    },
                    None,
                )
                .await
            {
                Ok(copied) => moved.push(copied),
                Err(error) => return Err((moved, error)),
            }
        }
        Ok(moved)
    }

    /// Everything about some messages, in the order of `uids`. Those that are gone for good are left out; expunged ones
    /// that are still kept are there (DESIGN M11). At most [`DETAILS_PER_QUERY`] are asked for; fewer may come, with
    /// `true` when the rest has to be asked for again.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn details(
        &self,
        mailbox: MailboxId,
        uids: &[Uid],
        structure: bool,
    ) -> Result<(Vec<Details>, bool), StoreError> {
        let query = GetDetails {
            account: self.id(),
            mailbox,
            uids: uids.iter().copied().take(DETAILS_PER_QUERY).collect(),
            structure,
        };
        let page = self.ask(Freshness::Seen, query).await?;
        let more = uids.len() > DETAILS_PER_QUERY || page.contains(&None);
        Ok((page.into_iter().flatten().collect(), more))
    }

    /// Flags, dates and sizes of the messages with UIDs from `from` to `to`, as one page; [`HotPage::next`] says where
    /// the next one begins. Expunged messages are not in it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn hot_page(&self, mailbox: MailboxId, from: u32, to: u32) -> Result<HotPage, StoreError> {
        let account = self.id();
        let query = GetHotPage {
            account,
            mailbox,
            from,
            to,
        };
        self.ask(Freshness::Seen, query).await
    }

    /// The consistency check.
    ///
    /// # Errors
    /// See [`StoreError`]; what is wrong with the account is in the report.
    pub async fn check(&self) -> Result<CheckReport, StoreError> {
        let account = self.id();
        self.ask(Freshness::Latest, CheckAccount { account }).await
    }
}
