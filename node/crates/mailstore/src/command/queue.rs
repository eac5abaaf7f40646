//! The queue (DESIGN M13): deliveries that this group holds for recipients in other groups, until those can be reached.
//! `docs/delivery-states.md` has the protocol.

use mail_model::{AccountId, GroupId, InternalDate, LogIndex};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::id::{DeliveryId, DeliveryKey};
use crate::key;
use crate::limits::{
    PATH_BYTES_MAX, PREFIX_BYTES_MAX, QUEUE_RETRY_MS_MAX, QUEUE_RETRY_MS_MIN, QUEUED_PER_COMMAND,
    RECIPIENTS_PER_COMMAND,
};
use crate::record::QueuedRow;
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Rows, Work};
use crate::state::{BodySource, StoredBody, adopt, reference, release};

/// Takes a message for recipients whose groups are out of reach.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Enqueue {
    /// The message without its prefixes.
    #[n(0)]
    pub source: BodySource,
    /// When it was received.
    #[n(1)]
    pub date: InternalDate,
    /// The mail transaction.
    #[n(2)]
    pub delivery: DeliveryId,
    /// The reverse path without brackets; empty for `<>`.
    #[n(3)]
    pub sender: String,
    /// The Message-ID without brackets.
    #[n(4)]
    pub message_id: Option<String>,
    /// Who is to get it.
    #[n(5)]
    pub recipients: Vec<EnqueueFor>,
    /// When the transaction began, in milliseconds since 1970 by the clock of its front node.
    #[n(6)]
    pub received_ms: u64,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EnqueueFor {
    /// The account.
    #[n(0)]
    pub account: AccountId,
    /// The group that holds it.
    #[n(1)]
    pub group: GroupId,
    /// Trace headers of this delivery.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub prefix: Vec<u8>,
    /// What the same message sent again looks like.
    #[n(3)]
    pub key: DeliveryKey,
    /// The forward path without brackets, as the client gave it.
    #[n(4)]
    pub recipient: String,
}

impl GroupCommand for Enqueue {
    /// The body, if anybody was not queued yet: further commands may refer to it.
    type Reply = Option<LogIndex>;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<Option<LogIndex>, Failure> {
        self.check()?;
        let mut new = Vec::with_capacity(self.recipients.len());
        for to in &self.recipients {
            if work.bytes(&key::queued(to.key, self.delivery))?.is_none() {
                new.push(to);
            }
        }
        if new.is_empty() {
            return Ok(None);
        }
        let body = adopt(work, &self.source)?;
        for to in new {
            self.put(work, to, body)?;
        }
        Ok(Some(body.id))
    }
}

impl Enqueue {
    fn check(&self) -> Result<(), Rejection> {
        let is_path = |path: &str| path.len() <= PATH_BYTES_MAX;
        let paths_fit = is_path(&self.sender)
            && self.message_id.as_deref().is_none_or(is_path)
            && self.recipients.iter().all(|to| is_path(&to.recipient));
        if self.recipients.is_empty() || self.recipients.len() > RECIPIENTS_PER_COMMAND || !paths_fit {
            return Err(Rejection::Malformed);
        }
        if self.recipients.iter().any(|to| to.prefix.len() > PREFIX_BYTES_MAX) {
            return Err(Rejection::Limit(LimitKind::Size));
        }
        Ok(())
    }

    fn put(&self, work: &mut Work<'_, '_>, to: &EnqueueFor, body: StoredBody) -> Result<(), Failure> {
        let next_ms = work.now_ms().saturating_add(QUEUE_RETRY_MS_MIN);
        let row = QueuedRow {
            account: to.account,
            group: to.group,
            body: body.id,
            prefix: to.prefix.clone(),
            date: self.date,
            sender: self.sender.clone(),
            recipient: to.recipient.clone(),
            message_id: self.message_id.clone(),
            queued_ms: work.now_ms(),
            attempts: 0,
            next_ms,
            heard_ms: None,
            received_ms: self.received_ms,
        };
        reference(work, body.id)?;
        work.put(key::queued(to.key, self.delivery), &row);
        work.put_bytes(key::queue_due(next_ms, to.key, self.delivery), Vec::new());
        Ok(())
    }
}

/// One queued delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct QueueName {
    /// What the same message sent again looks like.
    #[n(0)]
    pub key: DeliveryKey,
    /// The transaction.
    #[n(1)]
    pub delivery: DeliveryId,
}

/// Puts deliveries off that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RetryQueued {
    /// At most [`QUEUED_PER_COMMAND`]. What is gone, or was put off by somebody else, is passed over.
    #[n(0)]
    pub retries: Vec<Retry>,
}

/// One delivery that could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Retry {
    /// Which one.
    #[n(0)]
    pub name: QueueName,
    /// Attempts that it had before this one.
    #[n(1)]
    pub attempts: u32,
    /// The group that holds its account now.
    #[n(2)]
    pub group: GroupId,
}

impl GroupCommand for RetryQueued {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        if self.retries.len() > QUEUED_PER_COMMAND {
            return Err(Rejection::Malformed.into());
        }
        for Retry { name, attempts, group } in &self.retries {
            let key = key::queued(name.key, name.delivery);
            let row: Option<QueuedRow> = work.row("queue row", &key)?;
            let Some(mut row) = row.filter(|row| row.attempts == *attempts) else {
                continue;
            };
            work.delete(key::queue_due(row.next_ms, name.key, name.delivery));
            row.attempts = row.attempts.saturating_add(1);
            row.group = *group;
            row.next_ms = work.now_ms().saturating_add(pause_ms(row.attempts));
            work.put_bytes(key::queue_due(row.next_ms, name.key, name.delivery), Vec::new());
            work.put(key, &row);
        }
        Ok(())
    }
}

/// How long a delivery waits after this many attempts, in milliseconds.
fn pause_ms(attempts: u32) -> u64 {
    let doubled = QUEUE_RETRY_MS_MIN.checked_mul(1_u64.checked_shl(attempts).unwrap_or(u64::MAX));
    doubled.unwrap_or(u64::MAX).min(QUEUE_RETRY_MS_MAX)
}

/// Takes deliveries out of the queue: they are made, or their senders are told that they cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CompleteQueued {
    /// At most [`QUEUED_PER_COMMAND`]. What is gone already is passed over.
    #[n(0)]
    pub done: Vec<QueueName>,
}

impl GroupCommand for CompleteQueued {
    type Reply = ();

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<(), Failure> {
        if self.done.len() > QUEUED_PER_COMMAND {
            return Err(Rejection::Malformed.into());
        }
        for name in &self.done {
            let key = key::queued(name.key, name.delivery);
            let row: Option<QueuedRow> = work.row("queue row", &key)?;
            if let Some(row) = row {
                work.delete(key);
                work.delete(key::queue_due(row.next_ms, name.key, name.delivery));
                release(work, row.body)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound() {
        assert_eq!([0, 1, 2, 3].map(pause_ms), [5_000, 10_000, 20_000, 40_000]);
        assert_eq!([6, 63, 64, u32::MAX].map(pause_ms), [QUEUE_RETRY_MS_MAX; 4]);
    }
}
