//! A maildrop as one POP3 session has it: the lock, the list, and the update at QUIT (RFC 1939; DESIGN M9).

use mail_model::{MailboxId, Uid, UidValidity};

use super::{Account, Freshness, StoreError};
use crate::command::{LockMaildrop, Pop3Quit, UnlockMaildrop};
use crate::id::LockId;
use crate::limits::MESSAGES_PER_COPY;
use crate::query::{GetMaildrop, MaildropItem};

/// See the module. The session calls [`Maildrop::renew`] every [`crate::limits::MAILDROP_RENEW`] and ends with
/// [`Maildrop::quit`] or [`Maildrop::release`].
pub struct Maildrop {
    account: Account,
    holder: LockId,
    mailbox: MailboxId,
    uid_validity: UidValidity,
    items: Vec<MaildropItem>,
}

impl Account {
    /// Locks the maildrop and lists it, as everything acknowledged before has left it.
    ///
    /// # Errors
    /// See [`StoreError`]; `MaildropInUse` when another session has it.
    pub async fn open_maildrop(&self) -> Result<Maildrop, StoreError> {
        let (account, holder) = (self.id(), LockId::random());
        self.run(
            LockMaildrop {
                account,
                holder,
                renew: false,
            },
            None,
        )
        .await?;
        let listed = self.list_maildrop(holder).await;
        if listed.is_err() {
            // The error of the list is the one that counts; an unreachable lock runs out.
            let _ = self.run(UnlockMaildrop { account, holder }, None).await;
        }
        listed
    }

    async fn list_maildrop(&self, holder: LockId) -> Result<Maildrop, StoreError> {
        let account = self.id();
        let mut page = self.ask(Freshness::Latest, GetMaildrop { account, from: 0 }).await?;
        let (mailbox, uid_validity) = (page.mailbox, page.uid_validity);
        let mut items = page.items;
        while let Some(from) = page.next {
            page = self.ask(Freshness::Seen, GetMaildrop { account, from }).await?;
            items.append(&mut page.items);
        }
        // Imported messages in the order that their old server gave them, then all others by UID.
        items.sort_by_key(|item| (item.order.is_none(), item.order, item.uid));
        Ok(Maildrop {
            account: self.clone(),
            holder,
            mailbox,
            uid_validity,
            items,
        })
    }
}

impl Maildrop {
    /// The messages; message number n of POP3 is item n - 1.
    #[must_use]
    pub fn items(&self) -> &[MaildropItem] {
        &self.items
    }

    /// The mailbox, to fetch messages from.
    #[must_use]
    pub fn mailbox(&self) -> MailboxId {
        self.mailbox
    }

    /// Keeps the lock.
    ///
    /// # Errors
    /// See [`StoreError`]; `MaildropLockLost` when it had run out and another session has or had it.
    pub async fn renew(&self) -> Result<(), StoreError> {
        let (account, holder) = (self.account.id(), self.holder);
        self.account
            .run(
                LockMaildrop {
                    account,
                    holder,
                    renew: true,
                },
                None,
            )
            .await
            .map(drop)
    }

    /// QUIT in the transaction state: expunges what DELE marked, and gives the lock back. `+OK` follows `Ok` alone.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn quit(self, deleted: &[Uid]) -> Result<(), StoreError> {
        let mut deleted = deleted.to_vec();
        deleted.sort_unstable();
        let mut chunks: Vec<_> = deleted.chunks(MESSAGES_PER_COPY).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        for uids in chunks {
            let command = Pop3Quit {
                account: self.account.id(),
                mailbox: self.mailbox,
                uid_validity: self.uid_validity,
                uids: uids.iter().copied().collect(),
                holder: self.holder,
            };
            self.account.run(command, None).await?;
        }
        Ok(())
    }

    /// The session ends without QUIT: nothing is deleted.
    ///
    /// # Errors
    /// See [`StoreError`]; the lock runs out by itself then.
    pub async fn release(self) -> Result<(), StoreError> {
        let (account, holder) = (self.account.id(), self.holder);
        self.account.run(UnlockMaildrop { account, holder }, None).await
    }
}
