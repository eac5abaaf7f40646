//! The messages of one POP3 session: sizes, unique ids, and which are marked as deleted (RFC 1939 4, 5).
//!
//! Invariants: messages keep their numbers for the whole session; count and octets are those of the messages that are
//! not marked; ids have the form of RFC 1939 7. That they are unique is the store's promise (DESIGN M9).

use crate::limits::UIDL_BYTES_MAX;

/// An id that UIDL cannot show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a unique id has 1 to {UIDL_BYTES_MAX} octets of 0x21 to 0x7e")]
pub struct InvalidUidl;

/// Checks a unique id (RFC 1939 7, DESIGN M9).
///
/// # Errors
/// When it is empty, too long, or has other octets than 0x21 to 0x7e.
pub fn check_uidl(uidl: &str) -> Result<(), InvalidUidl> {
    let is_legal = (1..=UIDL_BYTES_MAX).contains(&uidl.len()) && uidl.bytes().all(|byte| byte.is_ascii_graphic());
    is_legal.then_some(()).ok_or(InvalidUidl)
}

/// What a client sees of a mailbox. Filled by the session, in the order of the message numbers.
#[derive(Clone, Debug, Default)]
pub struct Maildrop {
    messages: Vec<Message>,
    /// All ids, one behind the other: maildrops of a hundred thousand messages exist.
    uidls: String,
    count: usize,
    octets: u64,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    octets: u64,
    uidl_end: usize,
    is_deleted: bool,
}

/// Why a message number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadNumber {
    Absent,
    Deleted,
}

impl Maildrop {
    /// Without messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next message. `octets` is its size in CRLF form, as [`CrlfSize`](crate::CrlfSize) counts it.
    ///
    /// # Errors
    /// When `uidl` is no unique id.
    pub fn push(&mut self, octets: u64, uidl: &str) -> Result<(), InvalidUidl> {
        check_uidl(uidl)?;
        self.uidls.push_str(uidl);
        self.messages.push(Message {
            octets,
            uidl_end: self.uidls.len(),
            is_deleted: false,
        });
        self.count += 1;
        self.octets = self.octets.saturating_add(octets);
        Ok(())
    }

    /// Messages that are not marked.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Octets of the messages that are not marked.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// Messages, the marked ones too.
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The index of message number `number`, if it is there and not marked.
    pub(crate) fn find(&self, number: u64) -> Result<usize, BadNumber> {
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| Some((index, self.messages.get(index)?))) {
            None => Err(BadNumber::Absent),
            Some((_, message)) if message.is_deleted => Err(BadNumber::Deleted),
            Some((index, _)) => Ok(index),
        }
    }

    /// Size of the message at `index`; `None` when it is marked or not there.
    pub(crate) fn octets_of(&self, index: usize) -> Option<u64> {
        self.present(index).map(|message| message.octets)
    }

    /// Unique id of the message at `index`; `None` when it is marked or not there.
    pub(crate) fn uidl_of(&self, index: usize) -> Option<&str> {
        let end = self.present(index)?.uidl_end;
        let before = index.checked_sub(1).map_or(0, |before| self.messages[before].uidl_end);
        self.uidls.get(before..end)
    }

    fn present(&self, index: usize) -> Option<&Message> {
        self.messages.get(index).filter(|message| !message.is_deleted)
    }

    /// Marks a message.
    pub(crate) fn delete(&mut self, index: usize) {
        if let Some(message) = self.messages.get_mut(index).filter(|message| !message.is_deleted) {
            message.is_deleted = true;
            self.count -= 1;
            self.octets = self.octets.saturating_sub(message.octets);
        }
    }

    /// Takes all marks away.
    pub(crate) fn reset(&mut self) {
        for message in &mut self.messages {
            message.is_deleted = false;
        }
        self.count = self.messages.len();
        self.octets = self
            .messages
            .iter()
            .fold(0, |octets, message| octets.saturating_add(message.octets));
    }

    /// The indexes of the marked messages, ascending.
    pub(crate) fn deleted(&self) -> Vec<usize> {
        let is_deleted = |index: &usize| self.messages[*index].is_deleted;
        (0..self.messages.len()).filter(is_deleted).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_change_what_counts_and_not_the_numbers() {
        let mut maildrop = Maildrop::new();
        for (octets, uidl) in [(10, "a"), (20, "bb"), (30, "c")] {
            maildrop.push(octets, uidl).unwrap();
        }
        maildrop.delete(1);
        maildrop.delete(1);
        assert_eq!((maildrop.count(), maildrop.octets(), maildrop.len()), (2, 40, 3));
        assert_eq!(maildrop.find(2), Err(BadNumber::Deleted));
        assert_eq!(maildrop.find(3), Ok(2));
        assert_eq!(maildrop.uidl_of(2), Some("c"));
        assert_eq!((maildrop.uidl_of(1), maildrop.octets_of(1)), (None, None));
        assert_eq!(maildrop.deleted(), [1]);
        maildrop.reset();
        assert_eq!((maildrop.count(), maildrop.octets()), (3, 60));
        assert_eq!(maildrop.uidl_of(1), Some("bb"));
        assert_eq!(maildrop.find(0), Err(BadNumber::Absent));
        assert_eq!(maildrop.find(4), Err(BadNumber::Absent));
        assert_eq!(maildrop.find(u64::MAX), Err(BadNumber::Absent));
    }

    #[test]
    fn only_printable_ids_of_seventy_octets_are_legal() {
        assert_eq!(check_uidl("!~"), Ok(()));
        assert_eq!(check_uidl(&"x".repeat(70)), Ok(()));
        for bad in ["", "a b", "a\u{7f}", "\u{e4}", &"x".repeat(71)] {
            assert_eq!(check_uidl(bad), Err(InvalidUidl), "{bad:?}");
            assert_eq!(Maildrop::new().push(1, bad), Err(InvalidUidl));
        }
    }
}
