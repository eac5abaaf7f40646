//! What happens later: rows of deleted mailboxes, tombstones and kept bodies whose time has come.

use mail_model::{AccountId, MailboxId, Uid};
use replication::KeyRange;

use crate::codec;
use crate::key;
use crate::limits::{SWEEP_ROWS, TOMBSTONE_MS};
use crate::record::{Due, HotRow, MailboxRow, TombstoneRow};
use crate::rows::{Failure, Rows, Work};
use crate::state::release;

/// The key of a due row.
pub(crate) fn due_row(due_ms: u64, due: &Due) -> Vec<u8> {
    key::due(due_ms, &codec::seal(due))
}

/// Removes rows of a mailbox that is deleted; returns whether none is left.
pub(crate) fn delete_some(work: &mut Work<'_, '_>, account: AccountId, mailbox: MailboxId) -> Result<bool, Failure> {
    let messages = work.rows(&key::hots(account, mailbox, 0), SWEEP_ROWS)?;
    let mut left = SWEEP_ROWS - messages.len();
    for (key, bytes) in messages {
        release(work, HotRow::from_bytes(&bytes)?.body)?;
        work.delete(key);
    }
    let tombstones = work.rows(&key::tombstones(account, mailbox), left)?;
    left -= tombstones.len();
    for (key, bytes) in tombstones {
        let row: TombstoneRow = codec::open("tombstone", &bytes)?;
        if row.kept.is_some() {
            release(work, row.body)?;
        }
        work.delete(key);
    }
    let others = [
        key::colds(account, mailbox),
        key::changes(account, mailbox, mail_model::ModSeq(0), 0),
        key::uidls(account, mailbox),
    ];
    for range in others {
        left -= delete_rows(work, &range, left)?;
    }
    work.delete(key::keywords(account, mailbox));
    Ok(left > 0)
}

fn delete_rows(work: &mut Work<'_, '_>, range: &KeyRange, most: usize) -> Result<usize, Failure> {
    let rows = work.rows(range, most)?;
    let count = rows.len();
    rows.into_iter().for_each(|(key, _)| work.delete(key));
    Ok(count)
}

/// Nobody may fetch the expunged message any more; that it was expunged stays known for longer.
pub(crate) fn drop_kept_body(
    work: &mut Work<'_, '_>,
    account: AccountId,
    mailbox: MailboxId,
    uid: Uid,
) -> Result<(), Failure> {
    let key = key::tombstone(account, mailbox, uid);
    let Some(mut row) = work.row::<TombstoneRow>("tombstone", &key)? else {
        return Ok(());
    };
    if row.kept.take().is_some() {
        release(work, row.body)?;
        let due_ms = row.expunged_ms.saturating_add(TOMBSTONE_MS);
        work.put_bytes(due_row(due_ms, &Due::Tombstone(account, mailbox, uid)), Vec::new());
        work.put(key, &row);
    }
    Ok(())
}

/// Nobody is told any more that the message was expunged: the mailbox remembers up to where that holds.
pub(crate) fn drop_tombstone(
    work: &mut Work<'_, '_>,
    account: AccountId,
    mailbox: MailboxId,
    uid: Uid,
) -> Result<(), Failure> {
    let key = key::tombstone(account, mailbox, uid);
    let Some(row) = work.row::<TombstoneRow>("tombstone", &key)? else {
        return Ok(());
    };
    let mailbox_key = key::mailbox(account, mailbox);
    if let Some(mut mailbox_row) = work.row::<MailboxRow>("mailbox row", &mailbox_key)? {
        mailbox_row.tombstone_floor = mailbox_row.tombstone_floor.max(row.modseq);
        work.put(mailbox_key, &mailbox_row);
    }
    work.delete(key::change(account, mailbox, row.modseq, uid));
    work.delete(key);
    Ok(())
}
