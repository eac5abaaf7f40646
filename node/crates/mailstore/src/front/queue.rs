//! Queueing what could not be delivered directly, and delivering it from the queue (DESIGN M13, D17).
//!
//! Invariant: every step may be repeated, by the same worker or by another one; `docs/delivery-states.md` says why nothing
//! is lost or doubled by that.

use bytes::Bytes;
use mail_model::{GroupId, LogIndex};
use replication::Token;

use super::deliver::{GroupAttempt, Keyed, placed};
use super::{Accepted, Body, BodyReader, Delivery, Mailstore, Placed, Queued, StoreError};
use crate::command::{
    CompleteQueued, Deliver, DeliverTo, Enqueue, EnqueueFor, QueueName, Retry, RetryQueued, Spanning,
};
use crate::id::{DeliveryId, IdSeed};
use crate::limits::{COMMAND_WITHIN, DIRECT_WITHIN, ENQUEUE_WITHIN, PATH_BYTES_MAX, RECIPIENTS_PER_COMMAND};
use crate::query::{GetBody, GetQueue};
use crate::record::QueuedRow;

/// Groups that are asked to queue what another one could not take.
const SOURCES_TRIED: usize = 2;

/// A delivery that waits in the queue of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedDelivery {
    pub(super) name: QueueName,
    pub(super) row: QueuedRow,
}

impl QueuedDelivery {
    /// The id of the transaction that it came with, as traces and replies have it: 32 hexadecimal digits.
    #[must_use]
    pub fn id_text(&self) -> String {
        self.name.delivery.to_string()
    }

    /// Envelope, attempts, times.
    #[must_use]
    pub fn row(&self) -> &QueuedRow {
        &self.row
    }
}

/// What a transaction from the queue delivers.
pub(super) struct FromQueue<'q> {
    pub(super) delivery: DeliveryId,
    pub(super) heard_ms: Option<u64>,
    pub(super) date: mail_model::InternalDate,
    pub(super) received_ms: u64,
    pub(super) recipients: &'q [DeliverTo],
}

/// Whether a group was out of reach, so that its recipients can only wait.
fn is_out_of_reach(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_) | StoreError::Uncertain(_))
}

impl Mailstore {
    /// Queues the recipients whose groups are out of reach in a group that has answered, if that settles the whole
    /// transaction; their answers say so. Uploads that nobody needed are given up.
    pub(super) async fn queue_rest(
        &self,
        body: &Body,
        delivery: &Delivery,
        sender: &str,
        attempts: &mut [GroupAttempt<'_>],
    ) {
        let mut used = None;
        if can_wait(attempts) {
            let mut sources: Vec<_> = attempts.iter().filter(|attempt| attempt.has_answered).collect();
            // Where the body is stored, nothing has to be sent again.
            sources.sort_by_key(|attempt| attempt.stored.is_none());
            let waiting: Vec<_> = attempts.iter().flat_map(waiting).collect();
            for source in sources.into_iter().take(SOURCES_TRIED) {
                match self.enqueue(body, delivery, sender, source, &waiting).await {
                    Ok(()) => {
                        used = Some(source.group);
                        break;
                    }
                    Err(error) => tracing::debug!(source = %source.group, %error, "a delivery cannot be queued here"),
                }
            }
        }
        if let Some(source) = used {
            let delivery = delivery.id;
            accept(attempts, Queued { source, delivery });
        }
        let unused = |attempt: &&GroupAttempt<'_>| attempt.has_answered && attempt.stored.is_none();
        let unused = attempts.iter().filter(unused).map(|attempt| attempt.group);
        body.give_up(unused.filter(|group| Some(*group) != used).collect())
            .await;
    }

    async fn enqueue(
        &self,
        body: &Body,
        delivery: &Delivery,
        sender: &str,
        source: &GroupAttempt<'_>,
        waiting: &[&Keyed<'_>],
    ) -> Result<(), StoreError> {
        let names: Vec<_> = waiting.iter().filter_map(|keyed| keyed.name()).collect();
        self.close_before(source.group, &names, ENQUEUE_WITHIN).await?;
        let mut stored = source.stored;
        for chunk in waiting.chunks(RECIPIENTS_PER_COMMAND) {
            let (body_source, blob) = body.source_or(stored, source.group)?;
            let to = |keyed: &&Keyed<'_>| {
                Some(EnqueueFor {
                    account: keyed.to.account,
                    group: keyed.to.group,
                    prefix: keyed.to.prefix.clone(),
                    key: keyed.key?,
                    recipient: keyed.to.path.clone(),
                })
            };
            let command = Enqueue {
                source: body_source,
                date: delivery.date,
                delivery: delivery.id,
                sender: sender.to_owned(),
                message_id: delivery.message_id.clone().filter(|id| id.len() <= PATH_BYTES_MAX),
                recipients: chunk.iter().filter_map(to).collect(),
                received_ms: delivery.received_ms,
            };
            let (body, _) = self.run(source.group, command, blob, ENQUEUE_WITHIN).await?;
            stored = stored.or(body);
        }
        Ok(())
    }

    /// A page of what is due in the queue of a group by a time, in milliseconds since 1970; behind `after`, if given.
    /// `u64::MAX` lists the whole queue.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn queued(
        &self,
        group: GroupId,
        by_ms: u64,
        after: Option<&QueuedDelivery>,
    ) -> Result<Vec<QueuedDelivery>, StoreError> {
        let after = after.map(|last| (last.row.next_ms, last.name));
        self.queued_since(group, Token::default(), GetQueue { by_ms, after })
            .await
    }

    /// A page that shows everything up to `at_least`.
    pub(super) async fn queued_since(
        &self,
        group: GroupId,
        at_least: Token,
        query: GetQueue,
    ) -> Result<Vec<QueuedDelivery>, StoreError> {
        let (page, _) = self.ask(group, at_least, query).await?;
        let deliveries = page.deliveries.into_iter();
        Ok(deliveries.map(|(name, row)| QueuedDelivery { name, row }).collect())
    }

    /// The bytes of a queued message, without a prefix.
    pub(super) async fn queued_body(&self, group: GroupId, body: LogIndex) -> Result<BodyReader, StoreError> {
        let (row, _) = self.ask(group, Token::default(), GetBody { body }).await?;
        Ok(self.read_body(group, Bytes::new(), &row, 0..u64::MAX))
    }

    /// Delivers into INBOXes of `group`, at most [`RECIPIENTS_PER_COMMAND`] of them; an answer each, in their order.
    pub(super) async fn deliver_from_queue(
        &self,
        group: GroupId,
        body: &Body,
        from: &FromQueue<'_>,
    ) -> Result<Vec<Result<Placed, StoreError>>, StoreError> {
        let (source, blob) = body.source(group)?;
        let command = Deliver {
            seed: IdSeed::random(),
            source,
            thread_keys: body.thread_keys.clone(),
            date: from.date,
            recipients: from.recipients.to_vec(),
            delivery: from.delivery,
            spanning: Some(Spanning::Queued {
                heard_ms: from.heard_ms,
            }),
            received_ms: from.received_ms,
        };
        let (delivered, _) = self.run(group, command, blob, DIRECT_WITHIN).await?;
        let outcomes = delivered.outcomes.into_iter();
        Ok(outcomes.map(|outcome| placed(from.delivery, outcome)).collect())
    }

    /// Puts deliveries off, each with the group where its account is now.
    pub(super) async fn put_off(
        &self,
        source: GroupId,
        deliveries: &[(&QueuedDelivery, GroupId)],
    ) -> Result<Token, StoreError> {
        let retry = |(delivery, group): &(&QueuedDelivery, GroupId)| Retry {
            name: delivery.name,
            attempts: delivery.row.attempts,
            group: *group,
        };
        if deliveries.is_empty() {
            return Ok(Token::default());
        }
        let retries = deliveries.iter().map(retry).collect();
        let (_, token) = self.run(source, RetryQueued { retries }, None, COMMAND_WITHIN).await?;
        Ok(token)
    }

    /// Takes deliveries out of the queue.
    pub(super) async fn complete(&self, source: GroupId, deliveries: &[&QueuedDelivery]) -> Result<Token, StoreError> {
        if deliveries.is_empty() {
            return Ok(Token::default());
        }
        let done = deliveries.iter().map(|delivery| delivery.name).collect();
        let (_, token) = self.run(source, CompleteQueued { done }, None, COMMAND_WITHIN).await?;
        Ok(token)
    }
}

/// Whether somebody failed, and all who did can be queued.
fn can_wait(attempts: &[GroupAttempt<'_>]) -> bool {
    let answers = attempts.iter().flat_map(|attempt| &attempt.answers);
    let mut failed = answers.filter_map(|answer| answer.as_ref().err()).peekable();
    let up_to_date = attempts.iter().all(|attempt| attempt.is_up_to_date);
    failed.peek().is_some() && up_to_date && failed.all(is_out_of_reach)
}

/// The recipients of an attempt who do not have the message.
fn waiting<'a, 'r>(attempt: &'a GroupAttempt<'r>) -> impl Iterator<Item = &'a Keyed<'r>> {
    let both = attempt.recipients.iter().zip(&attempt.answers);
    both.filter(|(_, answer)| answer.is_err()).map(|(to, _)| to)
}

/// Those who waited are accepted.
fn accept(attempts: &mut [GroupAttempt<'_>], queued: Queued) {
    let answers = attempts.iter_mut().flat_map(|attempt| &mut attempt.answers);
    answers
        .filter(|answer| answer.is_err())
        .for_each(|answer| *answer = Ok(Accepted::Queued(queued)));
}
