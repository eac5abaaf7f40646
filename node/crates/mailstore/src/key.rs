//! The registry of state keys. Each table has a first byte, given here once and never reused; numbers are big-endian,
//! so that keys sort as their numbers do. `docs/mailstore-format.md` has the same table with the records.
//!
//! Invariants
//! - No key starts with `0xFF`: those are replication's.
//! - A key says whose row it is: account before mailbox before message.

use mail_model::{AccountId, LogIndex, MailboxId, ModSeq, Uid};
use replication::KeyRange;

use crate::id::{DeliveryId, DeliveryKey, ThreadKey, UploadId};

const ACCOUNT: u8 = 0x01;
const MAILBOX: u8 = 0x02;
const NAME: u8 = 0x03;
const SUBSCRIPTION: u8 = 0x04;
const HOT: u8 = 0x05;
const COLD: u8 = 0x06;
const CHANGE: u8 = 0x07;
const TOMBSTONE: u8 = 0x08;
const DUE: u8 = 0x09;
const BODY: u8 = 0x0A;
const STRUCTURE: u8 = 0x0B;
const PIECE: u8 = 0x0C;
const UPLOAD: u8 = 0x0D;
const UPLOAD_PIECE: u8 = 0x0E;
const KEYWORDS: u8 = 0x0F;
const THREAD: u8 = 0x10;
const UIDL: u8 = 0x11;
const MAILDROP: u8 = 0x12;
const DELIVERY: u8 = 0x13;
const QUEUED: u8 = 0x14;
const QUEUE_DUE: u8 = 0x15;

/// Builds a key from its table and parts.
struct Key(Vec<u8>);

impl Key {
    fn table(table: u8) -> Self {
        let mut key = Vec::with_capacity(32);
        key.push(table);
        Self(key)
    }

    fn account(table: u8, account: AccountId) -> Self {
        Self::table(table).number(account.0)
    }

    fn mailbox(table: u8, account: AccountId, mailbox: MailboxId) -> Self {
        Self::account(table, account).number(mailbox.0)
    }

    fn number(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    fn uid(self, uid: u32) -> Self {
        self.bytes(&uid.to_be_bytes())
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn range(self) -> KeyRange {
        KeyRange::prefix(&self.0)
    }
}

/// The account itself.
pub(crate) fn account(account: AccountId) -> Vec<u8> {
    Key::account(ACCOUNT, account).0
}

pub(crate) fn mailbox(account: AccountId, mailbox: MailboxId) -> Vec<u8> {
    Key::mailbox(MAILBOX, account, mailbox).0
}

pub(crate) fn mailboxes(account: AccountId) -> KeyRange {
    Key::account(MAILBOX, account).range()
}

/// The mailbox called `leaf` below `parent`; parent 0 is the top.
pub(crate) fn name(account: AccountId, parent: MailboxId, leaf: &str) -> Vec<u8> {
    Key::mailbox(NAME, account, parent).bytes(leaf.as_bytes()).0
}

pub(crate) fn children(account: AccountId, parent: MailboxId) -> KeyRange {
    Key::mailbox(NAME, account, parent).range()
}

pub(crate) fn names(account: AccountId) -> KeyRange {
    Key::account(NAME, account).range()
}

pub(crate) fn subscription(account: AccountId, name: &str) -> Vec<u8> {
    Key::account(SUBSCRIPTION, account).bytes(name.as_bytes()).0
}

pub(crate) fn subscriptions(account: AccountId) -> KeyRange {
    Key::account(SUBSCRIPTION, account).range()
}

/// What follows table and account in a key.
pub(crate) fn after_account(key: &[u8]) -> &[u8] {
    key.get(9..).unwrap_or_default()
}

pub(crate) fn hot(account: AccountId, mailbox: MailboxId, uid: Uid) -> Vec<u8> {
    Key::mailbox(HOT, account, mailbox).uid(uid.get()).0
}

/// Hot rows of all accounts.
pub(crate) fn all_hots() -> KeyRange {
    Key::table(HOT).range()
}

/// Hot rows from `from` to the end of the mailbox.
pub(crate) fn hots(account: AccountId, mailbox: MailboxId, from: u32) -> KeyRange {
    tail(HOT, account, mailbox, &from.to_be_bytes())
}

/// Hot rows of the UIDs `from` to `to`, both included.
pub(crate) fn hots_between(account: AccountId, mailbox: MailboxId, from: u32, to: u32) -> KeyRange {
    let mut range = hots(account, mailbox, from);
    if let Some(past) = to.checked_add(1) {
        range.to = Some(Key::mailbox(HOT, account, mailbox).uid(past).0);
    }
    range
}

pub(crate) fn cold(account: AccountId, mailbox: MailboxId, uid: Uid) -> Vec<u8> {
    Key::mailbox(COLD, account, mailbox).uid(uid.get()).0
}

pub(crate) fn colds(account: AccountId, mailbox: MailboxId) -> KeyRange {
    Key::mailbox(COLD, account, mailbox).range()
}

/// The UID of a hot, cold or tombstone row.
pub(crate) fn uid_of(key: &[u8]) -> Option<Uid> {
    let bytes = key.get(17..21)?.try_into().ok()?;
    Uid::new(u32::from_be_bytes(bytes))
}

pub(crate) fn change(account: AccountId, mailbox: MailboxId, modseq: ModSeq, uid: Uid) -> Vec<u8> {
    Key::mailbox(CHANGE, account, mailbox).number(modseq.0).uid(uid.get()).0
}

/// Changes from (`modseq`, `uid`) on.
pub(crate) fn changes(account: AccountId, mailbox: MailboxId, modseq: ModSeq, uid: u32) -> KeyRange {
    let mut from = modseq.0.to_be_bytes().to_vec();
    from.extend_from_slice(&uid.to_be_bytes());
    tail(CHANGE, account, mailbox, &from)
}

/// Modseq and UID of a change.
pub(crate) fn change_of(key: &[u8]) -> Option<(ModSeq, Uid)> {
    let uid = key.get(25..29)?.try_into().ok()?;
    Some((ModSeq(number_at(key, 17)?), Uid::new(u32::from_be_bytes(uid))?))
}

pub(crate) fn tombstone(account: AccountId, mailbox: MailboxId, uid: Uid) -> Vec<u8> {
    Key::mailbox(TOMBSTONE, account, mailbox).uid(uid.get()).0
}

/// Tombstones of all accounts.
pub(crate) fn all_tombstones() -> KeyRange {
    Key::table(TOMBSTONE).range()
}

pub(crate) fn tombstones(account: AccountId, mailbox: MailboxId) -> KeyRange {
    Key::mailbox(TOMBSTONE, account, mailbox).range()
}

/// Something to be done once log time has passed `due_ms`; `what` is a [`crate::record::Due`], sealed.
pub(crate) fn due(due_ms: u64, what: &[u8]) -> Vec<u8> {
    Key::table(DUE).number(due_ms).bytes(what).0
}

/// What is due by `now_ms`.
pub(crate) fn due_by(now_ms: u64) -> KeyRange {
    KeyRange::new(Key::table(DUE).0, Key::table(DUE).number(now_ms.saturating_add(1)).0)
}

pub(crate) fn due_of(key: &[u8]) -> &[u8] {
    key.get(9..).unwrap_or_default()
}

pub(crate) fn body(body: LogIndex) -> Vec<u8> {
    Key::table(BODY).number(body.0).0
}

pub(crate) fn bodies_from(body: LogIndex) -> KeyRange {
    KeyRange::new(Key::table(BODY).number(body.0).0, Key::table(BODY + 1).0)
}

pub(crate) fn structure(body: LogIndex) -> Vec<u8> {
    Key::table(STRUCTURE).number(body.0).0
}

/// A piece that is not the first one of a stored body.
pub(crate) fn piece(piece: LogIndex) -> Vec<u8> {
    Key::table(PIECE).number(piece.0).0
}

pub(crate) fn pieces_from(piece: LogIndex) -> KeyRange {
    KeyRange::new(Key::table(PIECE).number(piece.0).0, Key::table(PIECE + 1).0)
}

/// The log index in the key of a body or piece.
pub(crate) fn index_of(key: &[u8]) -> Option<LogIndex> {
    number_at(key, 1).map(LogIndex)
}

pub(crate) fn upload(upload: UploadId) -> Vec<u8> {
    Key::table(UPLOAD).bytes(&upload.0).0
}

pub(crate) fn upload_piece(upload: UploadId, number: u32) -> Vec<u8> {
    Key::table(UPLOAD_PIECE).bytes(&upload.0).uid(number).0
}

/// Pieces of all uploads.
pub(crate) fn all_upload_pieces() -> KeyRange {
    Key::table(UPLOAD_PIECE).range()
}

pub(crate) fn upload_pieces(upload: UploadId) -> KeyRange {
    Key::table(UPLOAD_PIECE).bytes(&upload.0).range()
}

pub(crate) fn keywords(account: AccountId, mailbox: MailboxId) -> Vec<u8> {
    Key::mailbox(KEYWORDS, account, mailbox).0
}

pub(crate) fn thread(account: AccountId, thread_key: ThreadKey) -> Vec<u8> {
    Key::account(THREAD, account).bytes(&thread_key.0).0
}

pub(crate) fn uidl(account: AccountId, mailbox: MailboxId, uidl: &str) -> Vec<u8> {
    Key::mailbox(UIDL, account, mailbox).bytes(uidl.as_bytes()).0
}

pub(crate) fn uidls(account: AccountId, mailbox: MailboxId) -> KeyRange {
    Key::mailbox(UIDL, account, mailbox).range()
}

pub(crate) fn delivery(account: AccountId, delivery: DeliveryKey) -> Vec<u8> {
    Key::account(DELIVERY, account).bytes(&delivery.0).0
}

pub(crate) fn queued(key: DeliveryKey, delivery: DeliveryId) -> Vec<u8> {
    Key::table(QUEUED).bytes(&key.0).bytes(&delivery.0).0
}

/// All that is queued and looks like `key`.
pub(crate) fn queued_like(key: DeliveryKey) -> KeyRange {
    Key::table(QUEUED).bytes(&key.0).range()
}

pub(crate) fn all_queued() -> KeyRange {
    Key::table(QUEUED).range()
}

/// Key and transaction in the key of a queued delivery.
pub(crate) fn queued_of(key: &[u8]) -> Option<(DeliveryKey, DeliveryId)> {
    names_at(key, 1)
}

pub(crate) fn queue_due(next_ms: u64, key: DeliveryKey, delivery: DeliveryId) -> Vec<u8> {
    Key::table(QUEUE_DUE).number(next_ms).bytes(&key.0).bytes(&delivery.0).0
}

/// What of the queue is due by `now_ms`, and behind `after`, which is a key of this table.
pub(crate) fn queue_due_by(now_ms: u64, after: Option<&[u8]>) -> KeyRange {
    let mut from = after.map_or_else(|| Key::table(QUEUE_DUE).0, <[u8]>::to_vec);
    if after.is_some() {
        from.push(0);
    }
    let to = now_ms.checked_add(1).map_or_else(
        || Key::table(QUEUE_DUE + 1).0,
        |past| Key::table(QUEUE_DUE).number(past).0,
    );
    KeyRange::new(from, to)
}

/// Key and transaction in the key of a due row of the queue.
pub(crate) fn queue_due_of(key: &[u8]) -> Option<(DeliveryKey, DeliveryId)> {
    names_at(key, 9)
}

fn names_at(key: &[u8], at: usize) -> Option<(DeliveryKey, DeliveryId)> {
    let part = |from: usize| key.get(from..from + 16)?.try_into().ok();
    Some((DeliveryKey(part(at)?), DeliveryId(part(at + 16)?)))
}

pub(crate) fn maildrop(account: AccountId) -> Vec<u8> {
    Key::account(MAILDROP, account).0
}

fn tail(table: u8, account: AccountId, mailbox: MailboxId, from: &[u8]) -> KeyRange {
    let all = Key::mailbox(table, account, mailbox).range();
    let from = Key::mailbox(table, account, mailbox).bytes(from).0;
    KeyRange { from, to: all.to }
}

fn number_at(key: &[u8], at: usize) -> Option<u64> {
    let bytes = key.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: AccountId = AccountId(7);
    const BOX: MailboxId = MailboxId(3);

    #[test]
    fn parts_are_read_back() {
        let uid = Uid::new(9).unwrap();
        assert_eq!(uid_of(&hot(ANN, BOX, uid)), Some(uid));
        assert_eq!(change_of(&change(ANN, BOX, ModSeq(5), uid)), Some((ModSeq(5), uid)));
        assert_eq!(index_of(&body(LogIndex(12))), Some(LogIndex(12)));
        assert_eq!(after_account(&subscription(ANN, "a/b")), b"a/b");
    }

    #[test]
    fn ranges_hold_their_rows_and_no_others() {
        let uid = |uid| Uid::new(uid).unwrap();
        let holds = |range: &KeyRange, key: &Vec<u8>| *key >= range.from && range.to.as_ref().is_none_or(|to| key < to);
        let range = hots_between(ANN, BOX, 2, 3);
        assert!(!holds(&range, &hot(ANN, BOX, uid(1))));
        assert!(holds(&range, &hot(ANN, BOX, uid(2))) && holds(&range, &hot(ANN, BOX, uid(3))));
        assert!(!holds(&range, &hot(ANN, BOX, uid(4))) && !holds(&range, &hot(ANN, MailboxId(4), uid(2))));
        let last = hots_between(ANN, BOX, 5, u32::MAX);
        assert!(holds(&last, &hot(ANN, BOX, Uid::MAX)) && !holds(&last, &hot(ANN, MailboxId(4), Uid::MIN)));
        assert!(holds(&due_by(8), &due(8, b"x")) && !holds(&due_by(8), &due(9, b"")));
    }
}
