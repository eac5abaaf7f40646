//! Which deliveries are one message as its client means it (DESIGN M14), also when its attempts come from the queues of other
//! groups, late and in any order (DESIGN D17). `docs/delivery-states.md` has the rules.
//!
//! Invariant: nothing here looks at more than the row of one recipient and one look of a message.

use mail_model::AccountId;

use crate::id::{DeliveryId, DeliveryKey};
use crate::key;
use crate::limits::{EPISODE_MS, KNOWN_MAX, REDELIVERY_MS};
use crate::record::{DeliveryRow, Due, Placement};
use crate::rows::{Failure, Rows, Work};
use crate::state::due_row;

/// One attempt at a delivery. Times are milliseconds since 1970, by the clocks of front nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// When it began.
    pub(crate) received_ms: u64,
    /// When the attempt began by which the client is said to know of the message; `None` if nobody says so.
    pub(crate) heard_ms: Option<u64>,
}

/// A row on its way through a command.
pub(crate) struct Redelivery {
    name: (AccountId, DeliveryKey),
    stored: Option<DeliveryRow>,
    row: DeliveryRow,
}

impl Redelivery {
    pub(crate) fn read(rows: &impl Rows, account: AccountId, key: DeliveryKey) -> Result<Self, Failure> {
        let stored: Option<DeliveryRow> = rows.row("delivery row", &key::delivery(account, key))?;
        let row = stored.clone().unwrap_or_default();
        let name = (account, key);
        Ok(Self { name, stored, row })
    }

    /// By which attempt the client knows of this one: as it says itself, or as was closed here.
    fn heard(&self, attempt: Attempt) -> Option<u64> {
        let closed = self.row.heard.iter().find(|heard| attempt.received_ms <= **heard);
        closed.copied().into_iter().chain(attempt.heard_ms).min()
    }

    /// The delivery that stands for this attempt.
    pub(crate) fn stands_for(&self, attempt: Attempt) -> Option<Placement> {
        let row = &self.row;
        let stands = match self.heard(attempt) {
            // The client may have sent it again, and is to be told of the first.
            None => row.is_open,
            // What it sent later is another message; what it sent before without knowing what came of it is this one.
            Some(heard) => {
                let overlaps = |(first, last): &(u64, u64)| *first <= heard && attempt.received_ms <= *last;
                row.known.iter().any(overlaps) || self.is_open_up_to(heard)
            }
        };
        row.placed.filter(|_| stands)
    }

    fn is_open_up_to(&self, heard_ms: u64) -> bool {
        self.row.is_open && self.row.placed.is_some_and(|placed| placed.received_ms <= heard_ms)
    }

    /// The attempt came to what stands for it already.
    pub(crate) fn repeat(&mut self, now_ms: u64, attempt: Attempt) {
        if let Some(heard) = self.heard(attempt)
            && self.is_open_up_to(heard)
        {
            self.close(now_ms, heard);
        }
    }

    /// The attempt placed the message.
    pub(crate) fn place(&mut self, now_ms: u64, attempt: Attempt, placed: Placement) {
        match self.heard(attempt) {
            None => {
                self.row.placed = Some(placed);
                self.row.is_open = true;
                self.row.due_ms = now_ms.saturating_add(REDELIVERY_MS);
            }
            Some(heard) => {
                // A later message of which the client may not know stays open.
                if !self.row.is_open {
                    self.row.placed = Some(placed);
                }
                self.know(now_ms, placed.received_ms, heard);
            }
        }
    }

    /// The client knows of this delivery, of which no queue has heard.
    pub(crate) fn close_own(&mut self, delivery: DeliveryId) {
        if self.row.placed.is_some_and(|placed| placed.delivery == delivery) {
            self.row.is_open = false;
        }
    }

    /// The client knows of everything that began up to `heard_ms`; some queue may have more of it.
    pub(crate) fn close(&mut self, now_ms: u64, heard_ms: u64) {
        if let Some(placed) = self.row.placed
            && self.is_open_up_to(heard_ms)
        {
            self.row.is_open = false;
            self.know(now_ms, placed.received_ms, heard_ms);
        }
        let heard = &mut self.row.heard;
        if let Err(at) = heard.binary_search(&heard_ms) {
            heard.insert(at, heard_ms);
            let too_many = heard.len().saturating_sub(KNOWN_MAX);
            heard.drain(..too_many);
        }
        self.row.keep_until_ms = now_ms.saturating_add(EPISODE_MS);
    }

    fn know(&mut self, now_ms: u64, first_ms: u64, last_ms: u64) {
        let known = &mut self.row.known;
        known.push((first_ms, last_ms));
        let too_many = known.len().saturating_sub(KNOWN_MAX);
        known.drain(..too_many);
        self.row.keep_until_ms = now_ms.saturating_add(EPISODE_MS);
    }

    /// Writes what has changed. A row that says nothing any more goes.
    pub(crate) fn write(mut self, work: &mut Work<'_, '_>) {
        let (account, key) = self.name;
        let due = Due::Delivery(account, key);
        let is_kept = self.row.keep_until_ms > work.now_ms();
        if is_kept {
            self.row.due_ms = self.row.due_ms.max(self.row.keep_until_ms);
        }
        let row = Some(self.row).filter(|row| row.is_open || is_kept);
        if row == self.stored {
            return;
        }
        if let Some(stored) = self.stored {
            work.delete(due_row(stored.due_ms, &due));
        }
        match row {
            Some(row) => {
                work.put(key::delivery(account, key), &row);
                work.put_bytes(due_row(row.due_ms, &due), Vec::new());
            }
            None => work.delete(key::delivery(account, key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use mail_model::{EmailId, MailboxId, Uid, UidValidity};

    use super::*;

    const DIRECT: Option<u64> = None;

    fn at(received_ms: u64, heard_ms: Option<u64>) -> Attempt {
        Attempt { received_ms, heard_ms }
    }

    fn empty() -> Redelivery {
        Redelivery {
            name: (AccountId(1), DeliveryKey([0; 16])),
            stored: None,
            row: DeliveryRow::default(),
        }
    }

    impl Redelivery {
        /// Whether the attempt places the message now.
        fn attempt(&mut self, attempt: Attempt) -> bool {
            if self.stands_for(attempt).is_some() {
                self.repeat(0, attempt);
                return false;
            }
            let placed = Placement {
                delivery: DeliveryId([u8::try_from(attempt.received_ms).unwrap(); 16]),
                mailbox: MailboxId(1),
                uid_validity: UidValidity::MIN,
                uid: Uid::MIN,
                email: EmailId::default(),
                received_ms: attempt.received_ms,
            };
            self.place(0, attempt, placed);
            true
        }
    }

    #[test]
    fn what_nobody_heard_is_placed_once_until_it_is_closed() {
        let mut row = empty();
        assert!(row.attempt(at(1, DIRECT)));
        assert!(!row.attempt(at(2, DIRECT)), "sent again");
        row.close_own(DeliveryId([1; 16]));
        assert!(row.attempt(at(3, DIRECT)), "sent on purpose");
        row.close_own(DeliveryId([1; 16]));
        assert!(!row.attempt(at(4, DIRECT)), "that closed another one");
    }

    #[test]
    fn an_attempt_from_a_queue_that_comes_late_knows_that_it_was_heard() {
        let mut row = empty();
        row.close(0, 5);
        assert!(row.attempt(at(5, None)), "nothing was placed before");
        assert!(row.attempt(at(6, DIRECT)), "sent on purpose");
        assert!(
            !row.attempt(at(5, Some(5))) && !row.attempt(at(5, None)),
            "a step repeated"
        );
        row.close(0, 6);
        assert!(!row.attempt(at(6, DIRECT)), "a frame that was late");
    }

    #[test]
    fn all_attempts_of_one_episode_place_one_message_in_any_order() {
        // Attempts at 1, 2 and 3 wait in three queues; the third was heard. At 9 the same is sent on purpose.
        for order in [[1, 2, 3, 9], [3, 2, 1, 9], [9, 1, 3, 2], [2, 9, 3, 1]] {
            let mut row = empty();
            row.close(0, 3);
            row.close(0, 9);
            let placed = order.map(|received| row.attempt(at(received, None)));
            assert_eq!(placed.iter().filter(|placed| **placed).count(), 2, "{order:?}");
        }
    }

    #[test]
    fn a_later_message_stays_open_when_an_earlier_one_arrives() {
        let mut row = empty();
        assert!(row.attempt(at(9, DIRECT)));
        assert!(row.attempt(at(1, Some(1))), "heard before the other one began");
        assert!(!row.attempt(at(10, DIRECT)), "the open one, again");
        assert_eq!(row.row.placed.unwrap().received_ms, 9);
    }
}
