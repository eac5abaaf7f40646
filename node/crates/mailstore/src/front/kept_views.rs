//! The messages of large mailboxes as views of this node last had them, so that the next view of one reads only what has
//! happened since.
//!
//! Invariants
//! - What is kept is derived from the group's state up to `known`, and never taken for the present: whoever begins with it
//!   asks for the changes since. Mailbox ids are never given twice, and the modseqs of an account never change their
//!   meaning (DESIGN P2, M4), so it needs no other guard.
//! - At most [`KEPT_VIEWS_MESSAGES_MAX`] messages are kept; what was not asked for the longest goes first.
//!
//! Must not know: what a view shows its client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mail_model::{AccountId, MailboxId};

use super::ViewEntry;
use crate::limits::{KEPT_VIEW_MESSAGES_MIN, KEPT_VIEWS_MESSAGES_MAX};
use crate::query::Position;

/// The messages of a mailbox, ascending by UID; every change up to `known` is among them, later ones may be.
#[derive(Clone)]
pub(super) struct KeptView {
    pub(super) entries: Arc<Vec<ViewEntry>>,
    pub(super) known: Position,
}

#[derive(Default)]
struct Kept {
    views: HashMap<(AccountId, MailboxId), (KeptView, u64)>,
    /// Messages of all of them.
    messages: usize,
    /// Counts uses: the order of going.
    clock: u64,
}

/// See the module.
#[derive(Default)]
pub(super) struct KeptViews {
    kept: Mutex<Kept>,
}

impl KeptViews {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept of a mailbox.
    pub(super) fn get(&self, account: AccountId, mailbox: MailboxId) -> Option<KeptView> {
        let mut kept = self.lock();
        kept.clock += 1;
        let now = kept.clock;
        let (view, used) = kept.views.get_mut(&(account, mailbox))?;
        *used = now;
        Some(view.clone())
    }

    /// Keeps a mailbox, unless more of it is known already.
    pub(super) fn keep(&self, account: AccountId, mailbox: MailboxId, view: KeptView) {
        let len = view.entries.len();
        let mut kept = self.lock();
        let newer = |known: &(KeptView, u64)| known.0.known > view.known;
        if kept.views.get(&(account, mailbox)).is_some_and(newer) {
            return;
        }
        kept.remove((account, mailbox));
        if !(KEPT_VIEW_MESSAGES_MIN..=KEPT_VIEWS_MESSAGES_MAX).contains(&len) {
            return;
        }
        kept.clock += 1;
        let now = kept.clock;
        kept.messages += len;
        kept.views.insert((account, mailbox), (view, now));
        while kept.messages > KEPT_VIEWS_MESSAGES_MAX {
            let oldest = kept
                .views
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(key, _)| *key);
            let Some(oldest) = oldest else { break };
            kept.remove(oldest);
        }
    }
}

impl Kept {
    fn remove(&mut self, key: (AccountId, MailboxId)) {
        if let Some((view, _)) = self.views.remove(&key) {
            self.messages -= view.entries.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use mail_model::{ModSeq, SystemFlags, Uid};

    use super::*;
    use crate::record::KeywordBits;

    const ANN: AccountId = AccountId(1);

    fn view(messages: usize, modseq: u64) -> KeptView {
        let entry = ViewEntry {
            uid: Uid::MIN,
            flags: SystemFlags::NONE,
            modseq: ModSeq(1),
            keywords: KeywordBits::default(),
        };
        KeptView {
            entries: Arc::new(vec![entry; messages]),
            known: Position::after(ModSeq(modseq)),
        }
    }

    #[test]
    fn what_was_not_used_the_longest_makes_room() {
        let views = KeptViews::default();
        let half = KEPT_VIEWS_MESSAGES_MAX / 2;
        let is_kept = |mailbox| views.get(ANN, MailboxId(mailbox)).is_some();
        views.keep(ANN, MailboxId(1), view(half, 1));
        views.keep(ANN, MailboxId(2), view(half, 1));
        assert!(is_kept(1));
        views.keep(ANN, MailboxId(3), view(KEPT_VIEW_MESSAGES_MIN, 1));
        assert_eq!([1, 2, 3].map(is_kept), [true, false, true]);
        views.keep(ANN, MailboxId(4), view(KEPT_VIEWS_MESSAGES_MAX + 1, 1));
        views.keep(ANN, MailboxId(5), view(KEPT_VIEW_MESSAGES_MIN - 1, 1));
        assert_eq!([1, 4, 5].map(is_kept), [true, false, false]);
    }

    #[test]
    fn older_knowledge_replaces_no_newer_one() {
        let views = KeptViews::default();
        views.keep(ANN, MailboxId(1), view(300, 7));
        views.keep(ANN, MailboxId(1), view(400, 6));
        let kept = views.get(ANN, MailboxId(1)).unwrap();
        assert_eq!((kept.entries.len(), kept.known.modseq), (300, ModSeq(7)));
        // A mailbox that has shrunk is not kept as it was.
        views.keep(ANN, MailboxId(1), view(3, 8));
        assert!(views.get(ANN, MailboxId(1)).is_none());
        assert_eq!(views.lock().messages, 0);
    }
}
