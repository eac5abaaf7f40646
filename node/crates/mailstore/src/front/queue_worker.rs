//! The worker of the queues that this node leads (DESIGN M13): delivers what is due, puts off what cannot be delivered yet,
//! and tells senders what cannot be delivered at all. `docs/delivery-states.md` has the states.
//!
//! Invariant: a delivery leaves the queue only after its message, or the notice about it, is committed where it belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use mail_model::{Address, GroupId, InternalDate, LogIndex};
use replication::Token;

use super::queue::{FromQueue, QueuedDelivery};
use super::{Body, BodyReader, BodyWriter, Mailstore, Placed, StoreError, now_ms};
use crate::command::DeliverTo;
use crate::directory::{Directory, Read, Recipient, Unresolved};
use crate::id::{DeliveryId, DeliveryKey};
use crate::limits::{
    NOTICE_HEADER_BYTES, QUEUE_COUNT_TURNS, QUEUE_EVERY, QUEUE_PAGES_PER_TURN, QUEUED_MS, QUEUES_AT_ONCE,
    RECIPIENTS_PER_COMMAND,
};
use crate::query::{CountQueue, GetQueue};
use crate::record::QueuedRow;
use crate::rejection::Rejection;

/// Why a delivery is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undeliverable {
    /// The directory says that the account is removed.
    NoSuchAccount,
    /// Its group could not be reached for [`QUEUED_MS`].
    Expired,
}

/// How a delivery left the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueSettled {
    /// It is in the mailbox.
    Placed(Placed),
    /// It is given up; its sender is told, unless the message was such a notice itself.
    Undeliverable(Undeliverable),
}

/// What the worker does not know: how messages are written, and who wants to hear.
pub trait QueueHost: Send + Sync + 'static {
    /// The message that tells the sender of a delivery that is given up; `header` is the beginning of the original.
    fn notice(&self, delivery: &QueuedDelivery, header: &[u8], why: Undeliverable) -> Vec<u8>;

    /// The trace headers of that message for one account.
    fn notice_prefix(&self, to: &Recipient) -> Vec<u8>;

    /// A delivery is about to leave the queue. May be told twice when something fails in between.
    fn settled(&self, delivery: &QueuedDelivery, how: QueueSettled);

    /// So many deliveries wait in the groups that this node leads.
    fn waiting(&self, deliveries: u64);
}

/// What can be delivered by one command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct BatchKey {
    target: GroupId,
    body: LogIndex,
    delivery: DeliveryId,
    heard_ms: Option<u64>,
}

/// What became of a page.
#[derive(Default)]
struct Worked<'q> {
    done: Vec<(&'q QueuedDelivery, QueueSettled)>,
    put_off: Vec<(&'q QueuedDelivery, GroupId)>,
}

/// Works the queues off until it is dropped.
pub struct QueueWorker {
    store: Mailstore,
    directory: Directory,
    host: Arc<dyn QueueHost>,
}

impl QueueWorker {
    /// For the groups that this node leads at each time.
    #[must_use]
    pub fn new(store: Mailstore, directory: Directory, host: Arc<dyn QueueHost>) -> Self {
        Self { store, directory, host }
    }

    /// Runs for ever. Cancel safe: every step may be repeated.
    pub async fn run(self) {
        let mut turns = tokio::time::interval(QUEUE_EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for turn in 0_u32.. {
            turns.tick().await;
            self.turn(now_ms()).await;
            if turn % QUEUE_COUNT_TURNS == 0 {
                self.count().await;
            }
        }
    }

    /// One turn over all groups that this node leads.
    pub(crate) async fn turn(&self, now_ms: u64) {
        let work = |group| async move {
            if let Err(error) = self.work_off(group, now_ms).await {
                tracing::debug!(%group, %error, "the queue is worked off later");
            }
        };
        futures::stream::iter(self.led().into_iter().map(work))
            .buffer_unordered(QUEUES_AT_ONCE)
            .collect::<()>()
            .await;
    }

    fn led(&self) -> Vec<GroupId> {
        let client = self.store.client();
        let groups = client.mail_groups().into_iter();
        groups.filter(|group| client.leads(*group)).collect()
    }

    async fn count(&self) {
        let mut waiting = 0;
        for group in self.led() {
            if let Ok((count, _)) = self.store.ask(group, Token::default(), CountQueue).await {
                waiting += count;
            }
        }
        self.host.waiting(waiting);
    }

    /// Every delivery that is due leaves the queue or is put off.
    async fn work_off(&self, source: GroupId, now_ms: u64) -> Result<(), StoreError> {
        // A group out of reach is waited for once in a turn.
        let mut out_of_reach = BTreeSet::new();
        let mut seen = Token::default();
        for _ in 0..QUEUE_PAGES_PER_TURN {
            let (by_ms, after) = (now_ms, None);
            let page = self.store.queued_since(source, seen, GetQueue { by_ms, after }).await?;
            if page.is_empty() {
                break;
            }
            let mut worked = Worked::default();
            for (key, batch) in batches(&page) {
                self.batch(source, key, &batch, now_ms, &mut out_of_reach, &mut worked)
                    .await;
            }
            let put_off = self.store.put_off(source, &worked.put_off).await?;
            for (delivery, how) in &worked.done {
                self.host.settled(delivery, *how);
            }
            let done: Vec<_> = worked.done.iter().map(|(delivery, _)| *delivery).collect();
            seen = self.store.complete(source, &done).await?.max(put_off);
        }
        Ok(())
    }

    async fn batch<'q>(
        &self,
        source: GroupId,
        key: BatchKey,
        batch: &[&'q QueuedDelivery],
        now_ms: u64,
        out_of_reach: &mut BTreeSet<GroupId>,
        worked: &mut Worked<'q>,
    ) {
        let is_late = |delivery: &&&QueuedDelivery| delivery.row().queued_ms.saturating_add(QUEUED_MS) <= now_ms;
        let (late, batch): (Vec<_>, Vec<_>) = batch.iter().partition(is_late);
        for delivery in late {
            self.give_up(source, delivery, Undeliverable::Expired, worked).await;
        }
        let Some(first) = batch.first() else {
            return;
        };
        let answers = if out_of_reach.contains(&key.target) {
            Err(StoreError::Unavailable("it was out of reach just now".to_owned()))
        } else {
            self.deliver(source, key, first.row(), &batch).await
        };
        match answers {
            Ok(answers) => {
                for (delivery, answer) in batch.into_iter().zip(answers) {
                    self.take_answer(source, delivery, answer, worked).await;
                }
            }
            Err(error) => {
                tracing::debug!(%source, target = %key.target, %error, "queued deliveries are put off");
                if matches!(
                    error,
                    StoreError::Unavailable(_) | StoreError::NoSpace(_) | StoreError::Uncertain(_)
                ) {
                    out_of_reach.insert(key.target);
                }
                worked
                    .put_off
                    .extend(batch.into_iter().map(|delivery| (delivery, key.target)));
            }
        }
    }

    async fn deliver(
        &self,
        source: GroupId,
        key: BatchKey,
        first: &QueuedRow,
        batch: &[&QueuedDelivery],
    ) -> Result<Vec<Result<Placed, StoreError>>, StoreError> {
        let mut reader = self.store.queued_body(source, key.body).await?;
        let body = copy(&mut reader, self.store.body_writer([key.target])).await?;
        let to = |delivery: &&QueuedDelivery| DeliverTo {
            account: delivery.row.account,
            prefix: delivery.row.prefix.clone(),
            key: Some(delivery.name.key),
        };
        let recipients: Vec<_> = batch.iter().map(to).collect();
        let from = FromQueue {
            delivery: key.delivery,
            heard_ms: key.heard_ms,
            date: first.date,
            received_ms: first.received_ms,
            recipients: &recipients,
        };
        self.store.deliver_from_queue(key.target, &body, &from).await
    }

    async fn take_answer<'q>(
        &self,
        source: GroupId,
        delivery: &'q QueuedDelivery,
        answer: Result<Placed, StoreError>,
        worked: &mut Worked<'q>,
    ) {
        let error = match answer {
            Ok(placed) => return worked.done.push((delivery, QueueSettled::Placed(placed))),
            Err(error) => error,
        };
        let row = delivery.row();
        if error.rejection() != Some(Rejection::NoSuchAccount) {
            tracing::warn!(group = %row.group, %error, "a queued delivery is refused, and put off");
            return worked.put_off.push((delivery, row.group));
        }
        // The group does not say what became of the account; the directory does.
        match self.directory.account(row.account, Read::Fresh).await {
            Ok(Some(account)) => worked.put_off.push((delivery, account.group)),
            Ok(None) => {
                self.give_up(source, delivery, Undeliverable::NoSuchAccount, worked)
                    .await;
            }
            Err(_) => worked.put_off.push((delivery, row.group)),
        }
    }

    async fn give_up<'q>(
        &self,
        source: GroupId,
        delivery: &'q QueuedDelivery,
        why: Undeliverable,
        worked: &mut Worked<'q>,
    ) {
        match self.notify(source, delivery, why).await {
            Ok(()) => worked.done.push((delivery, QueueSettled::Undeliverable(why))),
            Err(reason) => {
                tracing::warn!(
                    recipient = delivery.row.recipient,
                    reason,
                    "a sender cannot be told yet"
                );
                worked.put_off.push((delivery, delivery.row.group));
            }
        }
    }

    /// Tells the sender. A notice that is sent again under its id is there once.
    async fn notify(&self, source: GroupId, delivery: &QueuedDelivery, why: Undeliverable) -> Result<(), String> {
        if delivery.row.sender.is_empty() {
            return Ok(());
        }
        let to = self
            .whom_to_tell(&delivery.row.sender)
            .await
            .map_err(|error| error.to_string())?;
        self.send_notice(source, delivery, why, &to)
            .await
            .map_err(|error| error.to_string())
    }

    /// The sender's accounts; the postmaster's where the sender has none here.
    async fn whom_to_tell(&self, sender: &str) -> Result<Vec<Recipient>, Unresolved> {
        if let Ok(address) = Address::new(sender) {
            match self.directory.resolve(&address).await {
                Err(error) if error.is_permanent() => {}
                settled => return settled,
            }
        }
        self.directory.resolve_postmaster().await
    }

    async fn send_notice(
        &self,
        source: GroupId,
        delivery: &QueuedDelivery,
        why: Undeliverable,
        to: &[Recipient],
    ) -> Result<(), StoreError> {
        let header = self.header_of(source, delivery.row.body).await?;
        let message = self.host.notice(delivery, &header, why);
        let date = InternalDate {
            utc_seconds: i64::try_from(now_ms() / 1_000).unwrap_or(i64::MAX),
            offset_minutes: 0,
        };
        let mut groups: BTreeMap<GroupId, Vec<DeliverTo>> = BTreeMap::new();
        for recipient in to {
            groups.entry(recipient.group).or_default().push(DeliverTo {
                account: recipient.account,
                prefix: self.host.notice_prefix(recipient),
                key: Some(notice_key(delivery)),
            });
        }
        for (group, recipients) in groups {
            for recipients in recipients.chunks(RECIPIENTS_PER_COMMAND) {
                let mut writer = self.store.body_writer([group]);
                writer.push(&message).await?;
                // Whenever it is sent again, it is a repetition of itself.
                let from = FromQueue {
                    delivery: DeliveryId(notice_key(delivery).0),
                    heard_ms: Some(u64::MAX),
                    date,
                    received_ms: 0,
                    recipients,
                };
                let body = writer.finish().await?;
                for answer in self.store.deliver_from_queue(group, &body, &from).await? {
                    answer?;
                }
            }
        }
        Ok(())
    }

    async fn header_of(&self, source: GroupId, body: LogIndex) -> Result<Vec<u8>, StoreError> {
        let mut reader = self.store.queued_body(source, body).await?;
        let mut header = Vec::new();
        while (header.len() as u64) < NOTICE_HEADER_BYTES
            && let Some(bytes) = reader.next().await?
        {
            header.extend_from_slice(&bytes);
        }
        header.truncate(usize::try_from(NOTICE_HEADER_BYTES).unwrap_or(usize::MAX));
        Ok(header)
    }
}

fn batches(page: &[QueuedDelivery]) -> Vec<(BatchKey, Vec<&QueuedDelivery>)> {
    let mut batches: BTreeMap<BatchKey, Vec<&QueuedDelivery>> = BTreeMap::new();
    for delivery in page {
        let key = BatchKey {
            target: delivery.row.group,
            body: delivery.row.body,
            delivery: delivery.name.delivery,
            heard_ms: delivery.row.heard_ms,
        };
        batches.entry(key).or_default().push(delivery);
    }
    let chunks = batches.into_iter().flat_map(|(key, batch)| {
        let chunks: Vec<_> = batch.chunks(RECIPIENTS_PER_COMMAND).map(<[_]>::to_vec).collect();
        chunks.into_iter().map(move |chunk| (key, chunk))
    });
    chunks.collect()
}

async fn copy(reader: &mut BodyReader, mut writer: BodyWriter) -> Result<Body, StoreError> {
    loop {
        let copied = match reader.next().await {
            Ok(Some(bytes)) => writer.push(&bytes).await,
            Ok(None) => return writer.finish().await,
            Err(error) => Err(error),
        };
        if let Err(error) = copied {
            writer.abort().await;
            return Err(error);
        }
    }
}

/// What the notice about a delivery looks like: the same each time.
fn notice_key(delivery: &QueuedDelivery) -> DeliveryKey {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(b"notice")
        .update(&delivery.name.key.0)
        .update(&delivery.name.delivery.0);
    let mut key = [0; 16];
    hasher.finalize_xof().fill(&mut key);
    DeliveryKey(key)
}
