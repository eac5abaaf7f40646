//! A session's view of a selected mailbox: its messages in the order of UIDs, numbered from 1, as the client has been
//! told (RFC 3501, section 7.4.1).
//!
//! Invariants
//! - Sequence numbers change only in [`MailboxView::sync`], and by removals only when it may tell them.
//! - `entries` ascend by UID. An expunge that may not be told yet is held back; its message stays in the view (M11).
//! - `known` only grows: every change up to it is in the view or held back.
//! - A message is recent in at most one view of the cluster that was opened with [`SelectMode::ReadWrite`] (M8).

use std::collections::BTreeSet;
use std::time::Duration;

use mail_model::{Keyword, MailboxId, ModSeq, SeqNum, SystemFlags, Uid};

use super::{Account, Freshness, StoreError};
use crate::command::{AdvanceRecent, ClaimedRecent};
use crate::limits::RECENT_WITHIN;
use crate::query::{Changes, GetChanges, MailboxRef, Position, Selected};
use crate::record::{HotRow, KeywordBits};
use crate::rejection::Rejection;

/// SELECT or EXAMINE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectMode {
    /// SELECT: takes `\Recent`.
    ReadWrite,
    /// EXAMINE: shows `\Recent` without taking it.
    ReadOnly,
}

/// Whether a sync may tell of expunges: not during FETCH, STORE and SEARCH (RFC 3501, section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expunges {
    /// They may be told.
    Tell,
    /// They are kept for later.
    HoldBack,
}

/// One message as the client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewEntry {
    /// Its UID.
    pub uid: Uid,
    /// System flags.
    pub flags: SystemFlags,
    /// `\Recent` in this session.
    pub recent: bool,
    /// The last change.
    pub modseq: ModSeq,
    /// Keywords by their numbers.
    pub keywords: KeywordBits,
}

impl ViewEntry {
    fn new(uid: Uid, hot: HotRow, recent: bool) -> Self {
        Self {
            uid,
            flags: hot.flags,
            recent,
            modseq: hot.modseq,
            keywords: hot.keywords,
        }
    }
}

/// What a client is to be told, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// `EXPUNGE`: this number is gone, higher ones are one less from here on.
    Expunged(SeqNum),
    /// `FLAGS`: the mailbox has new keywords.
    Keywords,
    /// `EXISTS`.
    Exists(u32),
    /// `RECENT`.
    Recent(u32),
    /// `FETCH` of flags.
    Flags(SeqNum),
}

/// See the module.
pub struct MailboxView {
    account: Account,
    mode: SelectMode,
    selected: Selected,
    entries: Vec<ViewEntry>,
    /// Expunged, but not told.
    held_back: BTreeSet<Uid>,
    known: Position,
}

impl Account {
    /// Opens a view of everything that any node acknowledged before.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn select(&self, mailbox: impl Into<MailboxRef>, mode: SelectMode) -> Result<MailboxView, StoreError> {
        let selected = self.mailbox(mailbox, Freshness::Latest).await?;
        if selected.info.no_select {
            return Err(Rejection::NotSelectable.into());
        }
        let known = Position::after(selected.info.highest_modseq);
        let mut view = MailboxView {
            account: self.clone(),
            mode,
            selected,
            entries: Vec::new(),
            held_back: BTreeSet::new(),
            known,
        };
        let info = &view.selected.info;
        let (messages, claimed) = tokio::join!(view.load(), view.claim(info.first_recent, info.uid_next));
        view.entries = messages?;
        view.mark_recent(claimed);
        Ok(view)
    }
}

impl MailboxView {
    /// What SELECT shows beside the messages. Counts are those of the time of opening.
    #[must_use]
    pub fn selected(&self) -> &Selected {
        &self.selected
    }

    /// The mailbox.
    #[must_use]
    pub fn mailbox(&self) -> MailboxId {
        self.selected.info.id
    }

    /// How the mailbox was opened.
    #[must_use]
    pub fn mode(&self) -> SelectMode {
        self.mode
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Keywords by their numbers; those of every entry are among them.
    #[must_use]
    pub fn keywords(&self) -> &[Keyword] {
        &self.selected.keywords
    }

    /// All messages; number n is entry n - 1.
    #[must_use]
    pub fn entries(&self) -> &[ViewEntry] {
        &self.entries
    }

    /// How many messages there are: EXISTS.
    #[must_use]
    pub fn exists(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// How many messages are recent: RECENT.
    #[must_use]
    pub fn recent(&self) -> u32 {
        u32::try_from(self.entries.iter().filter(|entry| entry.recent).count()).unwrap_or(u32::MAX)
    }

    /// The first message without `\Seen`: UNSEEN of SELECT.
    #[must_use]
    pub fn first_unseen(&self) -> Option<SeqNum> {
        let at = self
            .entries
            .iter()
            .position(|entry| !entry.flags.contains(SystemFlags::SEEN));
        at.and_then(seq_at)
    }

    /// The message with a number.
    #[must_use]
    pub fn entry(&self, seq: SeqNum) -> Option<&ViewEntry> {
        self.entries.get(seq.get() as usize - 1)
    }

    /// The number of a UID.
    #[must_use]
    pub fn seq_of(&self, uid: Uid) -> Option<SeqNum> {
        self.entries
            .binary_search_by_key(&uid, |entry| entry.uid)
            .ok()
            .and_then(seq_at)
    }

    /// Whether the message is expunged already, though the client was not told.
    #[must_use]
    pub fn is_held_back(&self, uid: Uid) -> bool {
        self.held_back.contains(&uid)
    }

    /// Every change up to here is in the view, or held back.
    #[must_use]
    pub fn known(&self) -> ModSeq {
        self.known.modseq
    }

    /// Brings the view up to date and says what to tell the client.
    ///
    /// # Errors
    /// See [`StoreError`]; the view is as it was, and can be synced again. `NoSuchMailbox` when it was deleted.
    pub async fn sync(&mut self, freshness: Freshness, expunges: Expunges) -> Result<Vec<Update>, StoreError> {
        let mut news = News::default();
        let mut since = self.known;
        let mut freshness = freshness;
        loop {
            let (account, mailbox) = (self.account.id(), self.mailbox());
            let changes = self
                .account
                .ask(
                    freshness,
                    GetChanges {
                        account,
                        mailbox,
                        since,
                    },
                )
                .await?;
            if since.modseq < changes.tombstone_floor {
                // Some expunges are forgotten: what is not there any more is what was expunged.
                news.replace(self.load().await?);
            }
            news.take(&changes)?;
            since = changes.through;
            freshness = Freshness::Seen;
            if !changes.more {
                break;
            }
        }
        if news.keywords as usize > self.selected.keywords.len() {
            let selected = self.account.mailbox(self.mailbox(), Freshness::Seen).await?;
            self.selected.keywords = selected.keywords;
            news.new_keywords = true;
        }
        let newest = news.changed.last_key_value().map(|(uid, _)| *uid);
        let last = self.entries.last().map(|entry| entry.uid);
        let claimed = match newest.filter(|newest| last.is_none_or(|last| *newest > last)) {
            Some(newest) => self.claim(news.first_recent, u64::from(newest.get()) + 1).await,
            None => None,
        };
        self.known = since;
        Ok(self.apply(news, claimed, expunges))
    }

    /// All messages of the mailbox, page by page. The pages need not be of one view: what changes meanwhile lies beyond
    /// `known` and comes with the next sync.
    async fn load(&self) -> Result<Vec<ViewEntry>, StoreError> {
        let mut entries = Vec::with_capacity(self.selected.info.messages as usize);
        let mut from = Some(0);
        while let Some(at) = from {
            let page = self.account.hot_page(self.mailbox(), at, u32::MAX).await?;
            let messages = page.messages()?;
            entries.extend(messages.into_iter().map(|(uid, hot)| ViewEntry::new(uid, hot, false)));
            from = page.next;
        }
        Ok(entries)
    }

    /// Which UIDs are recent here, of those from `from` to below `to`. Without an answer in time none is: they stay
    /// recent for another session.
    async fn claim(&self, from: u64, to: u64) -> Option<ClaimedRecent> {
        if from >= to {
            return None;
        }
        if self.mode == SelectMode::ReadOnly {
            return Some(ClaimedRecent { from, to });
        }
        let (account, mailbox) = (self.account.id(), self.mailbox());
        self.claim_within(AdvanceRecent { account, mailbox }, RECENT_WITHIN)
            .await
    }

    async fn claim_within(&self, command: AdvanceRecent, within: Duration) -> Option<ClaimedRecent> {
        let (store, group) = (self.account.store(), self.account.group());
        match store.run(group, command, None, within).await {
            Ok((claimed, token)) => {
                self.account.saw(token);
                Some(claimed)
            }
            Err(error) => {
                tracing::debug!(%group, %error, "recent messages are left to another session");
                None
            }
        }
    }

    fn mark_recent(&mut self, claimed: Option<ClaimedRecent>) {
        let Some(claimed) = claimed else { return };
        let recent = |uid: Uid| (claimed.from..claimed.to).contains(&u64::from(uid.get()));
        self.entries
            .iter_mut()
            .filter(|entry| recent(entry.uid))
            .for_each(|entry| entry.recent = true);
    }

    fn apply(&mut self, news: News, claimed: Option<ClaimedRecent>, expunges: Expunges) -> Vec<Update> {
        let recent_before = self.recent();
        self.held_back.extend(news.vanished.iter().copied());
        if let Some(all) = &news.all {
            let gone = self
                .entries
                .iter()
                .map(|entry| entry.uid)
                .filter(|uid| !all.contains(uid));
            self.held_back.extend(gone);
        }
        let mut updates = Vec::new();
        if expunges == Expunges::Tell {
            self.tell_expunges(&mut updates);
        }
        let removed = !updates.is_empty();
        if news.new_keywords {
            updates.push(Update::Keywords);
        }
        let exists_before = self.entries.len();
        let mut flags = Vec::new();
        for (uid, entry) in news.changed {
            if let Some(seq) = self.seq_of(uid) {
                let known = &mut self.entries[seq.get() as usize - 1];
                if (known.flags, &known.keywords) != (entry.flags, &entry.keywords) {
                    flags.push(Update::Flags(seq));
                }
                *known = ViewEntry {
                    recent: known.recent,
                    ..entry
                };
            } else if self.entries.last().is_none_or(|last| last.uid < uid) && !self.held_back.contains(&uid) {
                self.entries.push(entry);
            }
        }
        self.mark_recent(claimed);
        // What was expunged before it was ever shown has nothing to be told of.
        let entries = &self.entries;
        self.held_back
            .retain(|uid| entries.binary_search_by_key(uid, |entry| entry.uid).is_ok());
        if self.entries.len() > exists_before {
            updates.push(Update::Exists(self.exists()));
        }
        if self.recent() != recent_before && (removed || self.entries.len() > exists_before) {
            updates.push(Update::Recent(self.recent()));
        }
        updates.extend(flags);
        updates
    }

    /// Takes expunged messages out, from the highest number to the lowest, so that none is told under a number that an
    /// earlier one of the list has changed.
    fn tell_expunges(&mut self, updates: &mut Vec<Update>) {
        let gone = std::mem::take(&mut self.held_back);
        let numbers: Vec<_> = gone.iter().filter_map(|uid| self.seq_of(*uid)).collect();
        updates.extend(numbers.into_iter().rev().map(Update::Expunged));
        self.entries.retain(|entry| !gone.contains(&entry.uid));
    }
}

fn seq_at(at: usize) -> Option<SeqNum> {
    u32::try_from(at + 1).ok().and_then(SeqNum::new)
}

/// What pages of changes add up to.
#[derive(Default)]
struct News {
    changed: std::collections::BTreeMap<Uid, ViewEntry>,
    vanished: BTreeSet<Uid>,
    /// All UIDs there are, when the whole mailbox was read.
    all: Option<BTreeSet<Uid>>,
    keywords: u32,
    new_keywords: bool,
    first_recent: u64,
}

impl News {
    fn take(&mut self, changes: &Changes) -> Result<(), StoreError> {
        for (uid, hot) in changes.changed()? {
            self.changed.insert(uid, ViewEntry::new(uid, hot, false));
        }
        for uid in &changes.vanished {
            self.changed.remove(uid);
            self.vanished.insert(*uid);
        }
        self.keywords = changes.keywords;
        self.first_recent = changes.first_recent;
        Ok(())
    }

    fn replace(&mut self, entries: Vec<ViewEntry>) {
        self.all = Some(entries.iter().map(|entry| entry.uid).collect());
        self.changed.extend(entries.into_iter().map(|entry| (entry.uid, entry)));
    }
}
