//! A session's view of a selected mailbox: its messages in the order of UIDs, numbered from 1, as the client has been
//! told (RFC 3501, section 7.4.1).
//!
//! Invariants
//! - Sequence numbers change only in [`MailboxView::sync`], and by removals only when it may tell them.
//! - `entries` ascend by UID. An expunge that may not be told yet is held back; its message stays in the view (M11).
//! - `known` only grows: every change up to it is in the view or held back.
//! - A message is recent in at most one view of the cluster that was opened with [`SelectMode::ReadWrite`] (M8).
//! - What is kept for the next view is complete up to `known`: a view exists only once it is, and leaves nothing while it
//!   holds expunges back.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use mail_model::{Keyword, MailboxId, ModSeq, SeqNum, SystemFlags, Uid};

use super::kept_views::KeptView;
use super::{Account, Freshness, StoreError};
use crate::command::{AdvanceRecent, ClaimedRecent};
use crate::limits::{CATCH_UP_PAGES, LOADS_AT_ONCE, PAGE_ROWS, RECENT_WITHIN};
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
    /// The last change.
    pub modseq: ModSeq,
    /// Keywords by their numbers.
    pub keywords: KeywordBits,
}

impl ViewEntry {
    fn new(uid: Uid, hot: HotRow) -> Self {
        Self {
            uid,
            flags: hot.flags,
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
    /// Shared with the views of other sessions as long as none of them has seen more.
    entries: Arc<Vec<ViewEntry>>,
    /// UIDs that are recent here, ascending; some may not be shown yet.
    recent: Vec<Range<u64>>,
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
        let mut selected = self.mailbox(mailbox, Freshness::Latest).await?;
        if selected.info.no_select {
            return Err(Rejection::NotSelectable.into());
        }
        let mailbox = selected.info.id;
        let kept = self.store().kept_views().get(self.id(), mailbox);
        if kept
            .as_ref()
            .is_some_and(|kept| kept.known.modseq > selected.info.highest_modseq)
        {
            // Another session has seen more since; then this node has, too.
            selected = self.mailbox(mailbox, Freshness::Seen).await?;
        }
        let info = &selected.info;
        let last = kept.as_ref().and_then(|kept| kept.entries.last());
        let uid_next = last.map_or(info.uid_next, |last| info.uid_next.max(u64::from(last.uid.get()) + 1));
        let claim = self.claim_recent(mailbox, mode, info.first_recent..uid_next);
        let (begun, claimed) = tokio::join!(self.begin_view(&selected, kept), claim);
        let (kept, news) = begun?;
        let mut view = MailboxView {
            account: self.clone(),
            mode,
            selected,
            entries: kept.entries,
            recent: Vec::new(),
            held_back: BTreeSet::new(),
            known: kept.known,
        };
        if let Some((news, through)) = news {
            // Nothing of the mailbox was shown yet, so none of it is told.
            view.take_in(news, through, claimed, Expunges::Tell).await?;
        } else {
            view.mark_recent(claimed);
        }
        view.keep();
        Ok(view)
    }

    /// The messages that a view begins with: those that an earlier one has left and what happened since, or all anew.
    async fn begin_view(
        &self,
        selected: &Selected,
        kept: Option<KeptView>,
    ) -> Result<(KeptView, Option<(News, Position)>), StoreError> {
        let info = &selected.info;
        let latest = Position::after(info.highest_modseq);
        match kept {
            Some(kept) if kept.known >= latest => return Ok((kept, None)),
            Some(kept) if kept.known.modseq >= selected.tombstone_floor => {
                let news = self
                    .changes(info.id, kept.known, Freshness::Seen, CATCH_UP_PAGES)
                    .await?;
                if let Some(news) = news {
                    return Ok((kept, Some(news)));
                }
            }
            _ => {}
        }
        let entries = Arc::new(self.load(info.id, info.uid_next).await?);
        Ok((KeptView { entries, known: latest }, None))
    }

    /// What happened in a mailbox since `since`, and up to where; `None` when that is more than `pages` pages.
    async fn changes(
        &self,
        mailbox: MailboxId,
        mut since: Position,
        mut freshness: Freshness,
        pages: usize,
    ) -> Result<Option<(News, Position)>, StoreError> {
        let mut news = News::default();
        let account = self.id();
        for _ in 0..pages {
            let query = GetChanges {
                account,
                mailbox,
                since,
            };
            let changes = self.ask(freshness, query).await?;
            if since.modseq < changes.tombstone_floor {
                // Some expunges are forgotten: what is not there any more is what was expunged.
                news.replace(self.load(mailbox, u64::MAX).await?);
            }
            news.take(&changes)?;
            since = changes.through;
            freshness = Freshness::Seen;
            if !changes.more {
                return Ok(Some((news, since)));
            }
        }
        Ok(None)
    }

    /// All messages of a mailbox, page by page, several parts at a time. The pages need not be of one view: what changes
    /// meanwhile lies beyond what the view knows and comes with the next sync. UIDs below `uid_next` are given already,
    /// so only the last part can grow.
    async fn load(&self, mailbox: MailboxId, uid_next: u64) -> Result<Vec<ViewEntry>, StoreError> {
        let parts = stream::iter(parts(uid_next)).map(|(from, to)| self.load_part(mailbox, from, to));
        parts.buffered(LOADS_AT_ONCE).try_concat().await
    }

    async fn load_part(&self, mailbox: MailboxId, from: u32, to: u32) -> Result<Vec<ViewEntry>, StoreError> {
        let mut entries = Vec::new();
        let mut from = Some(from);
        while let Some(at) = from.filter(|at| *at <= to) {
            let page = self.hot_page(mailbox, at, to).await?;
            for message in page.messages() {
                let (uid, hot) = message?;
                entries.push(ViewEntry::new(uid, hot));
            }
            from = page.next;
        }
        Ok(entries)
    }

    /// Which of some UIDs are recent in a session. Without an answer in time none is: they stay recent for another
    /// session.
    async fn claim_recent(&self, mailbox: MailboxId, mode: SelectMode, uids: Range<u64>) -> Option<ClaimedRecent> {
        if uids.is_empty() {
            return None;
        }
        if mode == SelectMode::ReadOnly {
            return Some(ClaimedRecent {
                from: uids.start,
                to: uids.end,
            });
        }
        let account = self.id();
        self.claim_within(AdvanceRecent { account, mailbox }, RECENT_WITHIN)
            .await
    }

    async fn claim_within(&self, command: AdvanceRecent, within: Duration) -> Option<ClaimedRecent> {
        let (store, group) = (self.store(), self.group());
        match store.run(group, command, None, within).await {
            Ok((claimed, token)) => {
                self.saw(token);
                Some(claimed)
            }
            Err(error) => {
                tracing::debug!(%group, %error, "recent messages are left to another session");
                None
            }
        }
    }
}

/// First and last UIDs of the parts in which a mailbox is loaded.
fn parts(uid_next: u64) -> Vec<(u32, u32)> {
    let given = u32::try_from(uid_next.saturating_sub(1)).unwrap_or(0) as usize;
    let width = (given / LOADS_AT_ONCE).max(PAGE_ROWS);
    let starts: Vec<usize> = (0..LOADS_AT_ONCE).map(|part| part * width).collect();
    let starts = starts
        .into_iter()
        .filter(|start| *start == 0 || start + PAGE_ROWS <= given);
    let starts: Vec<u32> = starts.filter_map(|start| u32::try_from(start).ok()).collect();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([u32::MAX]);
    starts.iter().copied().zip(ends).collect()
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
        let below = |end: u64| self.entries.partition_point(|entry| u64::from(entry.uid.get()) < end);
        let count: usize = self.recent.iter().map(|uids| below(uids.end) - below(uids.start)).sum();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Whether a message is `\Recent` in this session.
    #[must_use]
    pub fn is_recent(&self, uid: Uid) -> bool {
        let uid = u64::from(uid.get());
        self.recent.iter().any(|uids| uids.contains(&uid))
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
        let (account, mailbox) = (self.account.clone(), self.mailbox());
        let changes = account.changes(mailbox, self.known, freshness, usize::MAX).await?;
        let Some((news, through)) = changes else {
            return Ok(Vec::new());
        };
        let newest = news.changed.last_key_value().map(|(uid, _)| *uid);
        let last = self.entries.last().map(|entry| entry.uid);
        let claimed = match newest.filter(|newest| last.is_none_or(|last| *newest > last)) {
            Some(newest) => {
                let uids = news.first_recent..u64::from(newest.get()) + 1;
                account.claim_recent(mailbox, self.mode, uids).await
            }
            None => None,
        };
        self.take_in(news, through, claimed, expunges).await
    }

    /// Takes in what happened up to `through`.
    async fn take_in(
        &mut self,
        mut news: News,
        through: Position,
        claimed: Option<ClaimedRecent>,
        expunges: Expunges,
    ) -> Result<Vec<Update>, StoreError> {
        if news.keywords as usize > self.selected.keywords.len() {
            let selected = self.account.mailbox(self.mailbox(), Freshness::Seen).await?;
            self.selected.keywords = selected.keywords;
            news.new_keywords = true;
        }
        self.known = through;
        Ok(self.apply(news, claimed, expunges))
    }

    fn mark_recent(&mut self, claimed: Option<ClaimedRecent>) {
        let Some(claimed) = claimed.filter(|claimed| claimed.from < claimed.to) else {
            return;
        };
        match self.recent.last_mut() {
            Some(last) if claimed.from <= last.end => last.end = last.end.max(claimed.to),
            _ => self.recent.push(claimed.from..claimed.to),
        }
    }

    /// Leaves what the view has to the next one of its mailbox.
    fn keep(&self) {
        if self.held_back.is_empty() {
            let (entries, known) = (self.entries.clone(), self.known);
            let views = self.account.store().kept_views();
            views.keep(self.account.id(), self.mailbox(), KeptView { entries, known });
        }
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
            if let Ok(at) = self.entries.binary_search_by_key(&uid, |entry| entry.uid) {
                let known = &self.entries[at];
                if (known.flags, &known.keywords) != (entry.flags, &entry.keywords) {
                    flags.extend(seq_at(at).map(Update::Flags));
                }
                if *known != entry {
                    Arc::make_mut(&mut self.entries)[at] = entry;
                }
            } else if self.entries.last().is_none_or(|last| last.uid < uid) && !self.held_back.contains(&uid) {
                Arc::make_mut(&mut self.entries).push(entry);
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
        if !updates.is_empty() {
            Arc::make_mut(&mut self.entries).retain(|entry| !gone.contains(&entry.uid));
        }
    }
}

impl Drop for MailboxView {
    fn drop(&mut self) {
        self.keep();
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
            self.changed.insert(uid, ViewEntry::new(uid, hot));
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
