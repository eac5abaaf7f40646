//! Messages of a mailbox: adding, changing, expunging, and finding them.
//!
//! Invariants
//! - Every live message has a hot row, a cold row and one change row at its modseq, and holds one reference to its body.
//! - An expunged one has a tombstone, a change row at the tombstone's modseq, and keeps its reference until the
//!   tombstone gives up its body (DESIGN M3, M11).
//! - UIDs are given in ascending order and never twice.

use mail_model::{AccountId, EmailId, InternalDate, MailboxId, SystemFlags, ThreadId, Uid};

use crate::key;
use crate::limits::{KEPT_BODY_MS, PREFIX_BYTES_MAX};
use crate::record::{ColdRow, Due, HotRow, KeptRows, KeywordBits, MailboxRow, Pop3Identity, TombstoneRow};
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Rows, Work, missing};
use crate::state::{AccountWork, StoredBody, check_own, due_row, keywords_row, reference};
use crate::uid_set::UidSet;

/// How a change row says what happened at its modseq.
pub(crate) const CHANGED: &[u8] = &[0];
/// See [`CHANGED`].
pub(crate) const EXPUNGED: &[u8] = &[1];

/// A message on its way into a mailbox.
pub(crate) struct NewInstance {
    pub(crate) flags: SystemFlags,
    pub(crate) keywords: KeywordBits,
    pub(crate) date: InternalDate,
    pub(crate) email: EmailId,
    pub(crate) thread: ThreadId,
    pub(crate) prefix: Vec<u8>,
    pub(crate) pop3: Option<Pop3Identity>,
    pub(crate) body: StoredBody,
}

impl AccountWork<'_, '_, '_> {
    /// Adds a message under the next UID.
    pub(crate) fn add(&mut self, mailbox: MailboxId, new: NewInstance) -> Result<Uid, Failure> {
        if new.prefix.len() > PREFIX_BYTES_MAX {
            return Err(Rejection::Limit(LimitKind::Size).into());
        }
        let size = |body: u64| u32::try_from(body + new.prefix.len() as u64);
        let too_large = |_| Rejection::Limit(LimitKind::Size);
        let hot = HotRow {
            flags: new.flags,
            keywords: new.keywords,
            modseq: self.modseq,
            created_modseq: self.modseq,
            date: new.date,
            size: size(new.body.facts.size).map_err(too_large)?,
            pop3_size: size(new.body.facts.pop3_size).map_err(too_large)?,
            body: new.body.id,
            has_pop3_identity: new.pop3.is_some(),
        };
        let cold = ColdRow {
            email: new.email,
            thread: new.thread,
            prefix: new.prefix,
            saved_ms: self.work.now_ms(),
            pop3: new.pop3,
        };
        self.insert(mailbox, &hot, &cold)
    }

    /// Puts a copy of a message into another mailbox, or into the same one.
    pub(crate) fn copy(&mut self, from: MailboxId, uid: Uid, hot: &HotRow, to: MailboxId) -> Result<Uid, Failure> {
        let mut copied = hot.clone();
        copied.modseq = self.modseq;
        copied.created_modseq = self.modseq;
        copied.has_pop3_identity = false;
        let mut cold: ColdRow = cold_row(self.work, self.account, from, uid)?;
        cold.saved_ms = self.work.now_ms();
        // A UIDL is unique in its maildrop and names the message there.
        cold.pop3 = None;
        copied.keywords = self.translate(from, to, &hot.keywords)?;
        self.insert(to, &copied, &cold)
    }

    fn translate(&mut self, from: MailboxId, to: MailboxId, bits: &KeywordBits) -> Result<KeywordBits, Failure> {
        if from == to || bits.is_empty() {
            return Ok(bits.clone());
        }
        let known = keywords_row(self.work, self.account, from)?.keywords;
        let keywords: Vec<_> = bits.iter().filter_map(|number| known.get(number).cloned()).collect();
        crate::state::keyword_bits(self.work, self.account, to, &keywords)
    }

    fn insert(&mut self, mailbox: MailboxId, hot: &HotRow, cold: &ColdRow) -> Result<Uid, Failure> {
        if let Some(pop3) = &cold.pop3 {
            check_own(self.work, self.account, mailbox, &pop3.uidl)?;
        }
        let row = self.touch_messages(mailbox)?;
        let next = u32::try_from(row.uid_next).ok().and_then(Uid::new);
        let uid = next.ok_or(Rejection::Limit(LimitKind::Uids))?;
        row.uid_next += 1;
        row.messages += 1;
        row.bytes += u64::from(hot.size);
        count_flags(row, hot.flags, SystemFlags::NONE, true);
        self.row.messages += 1;
        self.row.used_bytes += u64::from(hot.size);
        let account = self.account;
        self.work.put_bytes(key::hot(account, mailbox, uid), hot);
        self.work.put(key::cold(account, mailbox, uid), cold);
        self.work
            .put_bytes(key::change(account, mailbox, hot.modseq, uid), CHANGED);
        if let Some(pop3) = &cold.pop3 {
            self.work.put(key::uidl(account, mailbox, &pop3.uidl), &uid);
        }
        reference(self.work, hot.body)?;
        Ok(uid)
    }

    /// Gives a message other flags. Returns whether that changed anything.
    pub(crate) fn set_flags(
        &mut self,
        mailbox: MailboxId,
        uid: Uid,
        hot: &HotRow,
        flags: SystemFlags,
        keywords: KeywordBits,
    ) -> Result<bool, Failure> {
        if hot.flags == flags && hot.keywords == keywords {
            return Ok(false);
        }
        let row = self.touch_messages(mailbox)?;
        count_flags(row, flags, hot.flags, false);
        let mut changed = hot.clone();
        (changed.flags, changed.keywords, changed.modseq) = (flags, keywords, self.modseq);
        let account = self.account;
        self.work.delete(key::change(account, mailbox, hot.modseq, uid));
        self.work
            .put_bytes(key::change(account, mailbox, changed.modseq, uid), CHANGED);
        self.work.put_bytes(key::hot(account, mailbox, uid), &changed);
        Ok(true)
    }

    /// Expunges a message.
    pub(crate) fn expunge(&mut self, mailbox: MailboxId, uid: Uid, hot: &HotRow) -> Result<(), Failure> {
        let row = self.touch_messages(mailbox)?;
        row.messages = row.messages.saturating_sub(1);
        row.bytes = row.bytes.saturating_sub(u64::from(hot.size));
        row.unseen -= u32::from(row.unseen > 0 && !hot.flags.contains(SystemFlags::SEEN));
        row.deleted -= u32::from(row.deleted > 0 && hot.flags.contains(SystemFlags::DELETED));
        self.row.messages = self.row.messages.saturating_sub(1);
        self.row.used_bytes = self.row.used_bytes.saturating_sub(u64::from(hot.size));
        let (account, modseq, now) = (self.account, self.modseq, self.work.now_ms());
        let cold = cold_row(self.work, account, mailbox, uid)?;
        if let Some(pop3) = &cold.pop3 {
            self.work.delete(key::uidl(account, mailbox, &pop3.uidl));
        }
        self.work.delete(key::hot(account, mailbox, uid));
        self.work.delete(key::cold(account, mailbox, uid));
        self.work.delete(key::change(account, mailbox, hot.modseq, uid));
        self.work
            .put_bytes(key::change(account, mailbox, modseq, uid), EXPUNGED);
        let tombstone = TombstoneRow {
            modseq,
            expunged_ms: now,
            email: cold.email,
            body: hot.body,
            kept: Some(KeptRows {
                hot: hot.to_bytes(),
                cold,
            }),
        };
        self.work.put(key::tombstone(account, mailbox, uid), &tombstone);
        let due = due_row(now.saturating_add(KEPT_BODY_MS), &Due::KeptBody(account, mailbox, uid));
        self.work.put_bytes(due, Vec::new());
        Ok(())
    }
}

/// Moves the counts of a mailbox from flags `before` to flags `after`; a new message had none of the counts before.
fn count_flags(row: &mut MailboxRow, after: SystemFlags, before: SystemFlags, is_new: bool) {
    let unseen_before = !is_new && !before.contains(SystemFlags::SEEN);
    let deleted_before = !is_new && before.contains(SystemFlags::DELETED);
    let moved = |count: u32, was: bool, is: bool| count.saturating_sub(u32::from(was)) + u32::from(is);
    row.unseen = moved(row.unseen, unseen_before, !after.contains(SystemFlags::SEEN));
    row.deleted = moved(row.deleted, deleted_before, after.contains(SystemFlags::DELETED));
}

fn cold_row(work: &Work<'_, '_>, account: AccountId, mailbox: MailboxId, uid: Uid) -> Result<ColdRow, Failure> {
    let row = work.row("cold row", &key::cold(account, mailbox, uid))?;
    row.ok_or_else(|| missing("cold row"))
}

/// The hot row of a live message.
pub(crate) fn hot_row(
    rows: &impl Rows,
    account: AccountId,
    mailbox: MailboxId,
    uid: Uid,
) -> Result<Option<HotRow>, Failure> {
    let bytes = rows.bytes(&key::hot(account, mailbox, uid))?;
    Ok(bytes.map(|bytes| HotRow::from_bytes(&bytes)).transpose()?)
}

/// The live messages of a set, ascending; rejected when there are more than `most`.
pub(crate) fn hot_rows(
    rows: &impl Rows,
    account: AccountId,
    mailbox: MailboxId,
    uids: &UidSet,
    most: usize,
) -> Result<Vec<(Uid, HotRow)>, Failure> {
    if !uids.is_legal() || uids.ranges().len() > crate::limits::UID_RANGES_MAX {
        return Err(Rejection::Malformed.into());
    }
    let mut found = Vec::new();
    for range in uids.ranges() {
        let range = key::hots_between(account, mailbox, range.first.get(), range.last.get());
        for (key, bytes) in rows.rows(&range, most + 1 - found.len())? {
            let uid = key::uid_of(&key).ok_or_else(|| missing("uid of a hot row"))?;
            found.push((uid, HotRow::from_bytes(&bytes)?));
        }
        if found.len() > most {
            return Err(Rejection::Limit(LimitKind::Messages).into());
        }
    }
    Ok(found)
}

/// A message that is there, or is expunged and still kept (DESIGN M11).
pub(crate) struct KnownRow {
    pub(crate) hot: HotRow,
    pub(crate) cold: ColdRow,
    pub(crate) expunged: bool,
}

/// See [`KnownRow`].
pub(crate) fn known_row(
    rows: &impl Rows,
    account: AccountId,
    mailbox: MailboxId,
    uid: Uid,
) -> Result<Option<KnownRow>, Failure> {
    if let Some(hot) = hot_row(rows, account, mailbox, uid)? {
        let cold = rows.row("cold row", &key::cold(account, mailbox, uid))?;
        let cold = cold.ok_or_else(|| missing("cold row"))?;
        return Ok(Some(KnownRow {
            hot,
            cold,
            expunged: false,
        }));
    }
    let tombstone: Option<TombstoneRow> = rows.row("tombstone", &key::tombstone(account, mailbox, uid))?;
    let Some(kept) = tombstone.and_then(|tombstone| tombstone.kept) else {
        return Ok(None);
    };
    let hot = HotRow::from_bytes(&kept.hot)?;
    Ok(Some(KnownRow {
        hot,
        cold: kept.cold,
        expunged: true,
    }))
}
