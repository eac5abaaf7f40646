//! GetChanges: what happened in a mailbox since a modseq: messages that are new or have other flags, and expunged ones.

use mail_model::{AccountId, MailboxId, ModSeq, Uid};
use minicbor::{Decode, Encode};

use crate::codec::CodecError;
use crate::key;
use crate::limits::PAGE_ROWS;
use crate::query::GroupQuery;
use crate::record::HotRow;
use crate::rows::{Failure, Rows, missing};
use crate::state::{EXPUNGED, hot_row, mailbox_row};

/// A place in the order of changes of a mailbox: everything up to it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Position {
    /// The modseq.
    #[n(0)]
    pub modseq: ModSeq,
    /// The last UID known at that modseq; `u32::MAX` for all.
    #[n(1)]
    pub uid: u32,
}

impl Position {
    /// Everything up to and including `modseq` is known.
    #[must_use]
    pub fn after(modseq: ModSeq) -> Self {
        Self { modseq, uid: u32::MAX }
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GetChanges {
    /// Whose mailbox.
    #[n(0)]
    pub account: AccountId,
    /// Which mailbox.
    #[n(1)]
    pub mailbox: MailboxId,
    /// What is known already.
    #[n(2)]
    pub since: Position,
}

/// At most [`PAGE_ROWS`] changes, ascending.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Changes {
    #[n(0)]
    changed: Vec<PackedChange>,
    /// Expunged UIDs in the order of their changes.
    #[n(1)]
    pub vanished: Vec<Uid>,
    /// What is known now.
    #[n(2)]
    pub through: Position,
    /// There may be more.
    #[n(3)]
    pub more: bool,
    /// Keywords that the mailbox knows.
    #[n(4)]
    pub keywords: u32,
    /// Expunges up to here may be forgotten: whoever knows less has to read the whole mailbox anew.
    #[n(5)]
    pub tombstone_floor: ModSeq,
    /// See [`crate::query::MailboxInfo::first_recent`].
    #[n(6)]
    pub first_recent: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct PackedChange {
    #[n(0)]
    uid: Uid,
    #[cbor(n(1), with = "minicbor::bytes")]
    row: Vec<u8>,
}

impl Changes {
    /// Messages that are new or have other flags.
    ///
    /// # Errors
    /// When a row is not one.
    pub fn changed(&self) -> Result<Vec<(Uid, HotRow)>, CodecError> {
        let rows = self.changed.iter();
        rows.map(|packed| Ok((packed.uid, HotRow::from_bytes(&packed.row)?)))
            .collect()
    }
}

impl GroupQuery for GetChanges {
    type Reply = Changes;

    fn run(&self, rows: &impl Rows) -> Result<Changes, Failure> {
        let (account, mailbox) = (self.account, self.mailbox);
        let row = mailbox_row(rows, account, mailbox)?;
        let keywords = crate::state::keywords_row(rows, account, mailbox)?.keywords.len();
        let (modseq, uid) = match self.since.uid.checked_add(1) {
            Some(uid) => (self.since.modseq, uid),
            None => (ModSeq(self.since.modseq.0.saturating_add(1)), 0),
        };
        let found = rows.rows(&key::changes(account, mailbox, modseq, uid), PAGE_ROWS)?;
        let more = found.len() == PAGE_ROWS;
        let mut changes = Changes {
            changed: Vec::new(),
            vanished: Vec::new(),
            through: self.since.max(Position::after(row.highest_modseq)),
            more,
            keywords: u32::try_from(keywords).unwrap_or(u32::MAX),
            tombstone_floor: row.tombstone_floor,
            first_recent: row.first_recent,
        };
        for (key, what) in found {
            let (modseq, uid) = key::change_of(&key).ok_or_else(|| missing("position of a change"))?;
            if more {
                changes.through = Position { modseq, uid: uid.get() };
            }
            if what == EXPUNGED {
                changes.vanished.push(uid);
            } else {
                let row = hot_row(rows, account, mailbox, uid)?.ok_or_else(|| missing("hot row"))?;
                changes.changed.push(PackedChange {
                    uid,
                    row: row.to_bytes(),
                });
            }
        }
        Ok(changes)
    }
}
