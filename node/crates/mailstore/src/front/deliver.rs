//! Delivery of one message to accounts in any number of groups (DESIGN M13): each recipient has its own answer, and those
//! whose groups are out of reach may be queued in another one. `docs/delivery-states.md` has the states.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use mail_model::{AccountId, EmailId, GroupId, InternalDate, LogIndex, MailboxId, Uid, UidValidity};

use super::{Body, Mailstore, OpenDeliveries, StoreError};
use crate::command::{ClosedDelivery, Deliver, DeliverTo, Delivered, Outcome, Reach, Spanning};
use crate::id::{DeliveryId, DeliveryKey, IdSeed};
use crate::limits::{COMMAND_WITHIN, DIRECT_WITHIN, RECIPIENTS_PER_COMMAND};
use crate::state::BodySource;

/// One recipient, as the directory resolved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverRecipient {
    /// The account.
    pub account: AccountId,
    /// Its group, one of those that the body was written for.
    pub group: GroupId,
    /// Trace headers of this delivery: whole lines with CRLF.
    pub prefix: Vec<u8>,
    /// The forward path without brackets, as the client gave it.
    pub path: String,
}

/// Where a recipient has the message, durable on a majority of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// The message's UID.
    pub uid: Uid,
    /// Its EMAILID.
    pub email: EmailId,
    /// The transaction that put it there: this one, or an earlier one whose client may not have known (DESIGN M14).
    pub delivery: DeliveryId,
}

/// A delivery that waits in a queue, durable on a majority of that group, and is made as soon as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The group that holds it.
    pub source: GroupId,
    /// The transaction that waits.
    pub delivery: DeliveryId,
}

/// A recipient for whom nothing has to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It has the message.
    Placed(Placed),
    /// It will have it.
    Queued(Queued),
}

impl Accepted {
    /// The transaction that the message came with: this one, or an earlier one that it repeats.
    #[must_use]
    pub fn delivery(&self) -> DeliveryId {
        match self {
            Self::Placed(placed) => placed.delivery,
            Self::Queued(queued) => queued.delivery,
        }
    }
}

/// One mail transaction.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What its trace and its reply name it.
    pub id: DeliveryId,
    /// When the message was received.
    pub date: InternalDate,
    /// When the transaction began, in milliseconds since 1970.
    pub received_ms: u64,
    /// Who sends; `None` where nobody would send again.
    pub origin: Option<Origin>,
    /// The Message-ID without brackets.
    pub message_id: Option<String>,
    /// Whether recipients may be queued whose groups are out of reach: where one reply stands for all of them. Never
    /// without an origin.
    pub may_queue: bool,
}

/// What is the same when a client sends a message again, beside the bytes of the message (DESIGN M14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's network, in any fixed form.
    pub network: String,
    /// The reverse path; empty for `<>`.
    pub sender: String,
    /// The forward paths of the whole transaction.
    pub recipients: Vec<String>,
}

impl Origin {
    /// The key for one recipient. Every part stands behind its length, so that no two origins run together.
    pub(super) fn key(&self, body: &Body, account: AccountId) -> DeliveryKey {
        let mut recipients: Vec<_> = self.recipients.iter().map(String::as_str).collect();
        recipients.sort_unstable();
        let mut hasher = blake3::Hasher::new();
        for part in [self.network.as_str(), self.sender.as_str()]
            .into_iter()
            .chain(recipients)
        {
            hasher
                .update(&(part.len() as u64).to_be_bytes())
                .update(part.as_bytes());
        }
        hasher.update(&body.facts.root).update(&account.0.to_be_bytes());
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        DeliveryKey(key)
    }
}

/// What became of a transaction.
pub struct Deliveries {
    /// One answer per recipient, in their order.
    pub answers: Vec<Result<Accepted, StoreError>>,
    /// To be closed when the client goes on after our reply; dropped when it does not.
    pub open: OpenDeliveries,
}

/// What the direct attempt at one group came to.
pub(super) struct Attempt<'r> {
    pub(super) group: GroupId,
    pub(super) recipients: Vec<&'r DeliverRecipient>,
    /// One per recipient.
    pub(super) answers: Vec<Result<Accepted, StoreError>>,
    /// The stored body, if anybody got the message.
    pub(super) stored: Option<LogIndex>,
    /// The group has answered.
    pub(super) has_answered: bool,
    /// It knows of every earlier delivery that its client knows of, so that what is queued for it is taken for what it is.
    pub(super) is_up_to_date: bool,
}

impl Mailstore {
    /// Delivers into the INBOXes of the recipients and answers for each, in their order. An account that is named twice
    /// gets the message once and both names get its answer.
    pub async fn deliver(&self, body: Body, delivery: &Delivery, recipients: &[DeliverRecipient]) -> Deliveries {
        let mut groups: BTreeMap<GroupId, Vec<&DeliverRecipient>> = BTreeMap::new();
        for recipient in recipients {
            let of_group = groups.entry(recipient.group).or_default();
            if of_group.iter().all(|known| known.account != recipient.account) {
                of_group.push(recipient);
            }
        }
        let queue = delivery
            .origin
            .as_ref()
            .filter(|_| delivery.may_queue && groups.len() > 1);
        let spanning = queue.map(|_| Spanning::Direct);
        let attempts = groups
            .into_iter()
            .map(|(group, of_group)| self.attempt(&body, delivery, group, of_group, spanning));
        let mut attempts = join_all(attempts).await;
        if let Some(origin) = queue {
            self.queue_rest(&body, delivery, origin, &mut attempts).await;
        }
        let open = self.open_deliveries(&body, delivery, &attempts);
        let answer = |to: &DeliverRecipient| {
            let attempt = attempts.iter().find(|attempt| attempt.group == to.group);
            let answer = attempt.and_then(|attempt| {
                let at = attempt
                    .recipients
                    .iter()
                    .position(|known| known.account == to.account)?;
                attempt.answers.get(at).cloned()
            });
            answer.unwrap_or_else(|| Err(StoreError::Broken("a recipient has no answer".to_owned())))
        };
        let answers = recipients.iter().map(answer).collect();
        Deliveries { answers, open }
    }

    async fn attempt<'r>(
        &self,
        body: &Body,
        delivery: &Delivery,
        group: GroupId,
        recipients: Vec<&'r DeliverRecipient>,
        spanning: Option<Spanning>,
    ) -> Attempt<'r> {
        let mut attempt = Attempt {
            group,
            answers: Vec::with_capacity(recipients.len()),
            recipients,
            stored: None,
            has_answered: false,
            is_up_to_date: true,
        };
        if let Some(origin) = &delivery.origin {
            let name = |to: &&DeliverRecipient| (to.account, origin.key(body, to.account));
            let names: Vec<_> = attempt.recipients.iter().map(name).collect();
            if let Err(error) = self.close_before(group, &names, within(spanning)).await {
                attempt.is_up_to_date = false;
                attempt.answers = vec![Err(error); names.len()];
                return attempt;
            }
        }
        for chunk in attempt.recipients.chunks(RECIPIENTS_PER_COMMAND) {
            let stored = attempt.stored;
            match self.deliver_chunk(body, delivery, group, chunk, stored, spanning).await {
                Ok(delivered) => {
                    attempt.has_answered = true;
                    attempt.stored = stored.or(delivered.body);
                    let outcomes = delivered.outcomes.into_iter();
                    let answers = outcomes.map(|outcome| Ok(Accepted::Placed(placed(delivery.id, outcome)?)));
                    attempt.answers.extend(answers);
                }
                Err(error) => attempt.answers.extend(chunk.iter().map(|_| Err(error.clone()))),
            }
        }
        attempt
    }

    /// What is to be closed once the client goes on.
    fn open_deliveries(&self, body: &Body, delivery: &Delivery, attempts: &[Attempt<'_>]) -> OpenDeliveries {
        let mut open = OpenDeliveries::new(self.clone());
        let Some(origin) = &delivery.origin else {
            return open;
        };
        let is_new = |answer: &Result<Accepted, StoreError>| matches!(answer, Ok(Accepted::Placed(placed)) if placed.delivery == delivery.id);
        // Of a transaction that is repeated, or may be in a group that did not answer, something may wait in a queue.
        let all_new = attempts.iter().all(|attempt| attempt.answers.iter().all(is_new));
        let may_wait = delivery.may_queue && attempts.len() > 1 && !all_new;
        let reach = if may_wait { Reach::Target } else { Reach::Alone };
        for attempt in attempts {
            for (to, answer) in attempt.recipients.iter().zip(&attempt.answers) {
                let Ok(accepted) = answer else {
                    continue;
                };
                let closed = ClosedDelivery {
                    account: to.account,
                    key: origin.key(body, to.account),
                    delivery: accepted.delivery(),
                    reach,
                    heard_ms: delivery.received_ms,
                };
                open.add(attempt.group, closed);
                if may_wait {
                    let reach = Reach::Source;
                    let others = attempts.iter().filter(|other| other.group != attempt.group);
                    others.for_each(|other| open.add(other.group, ClosedDelivery { reach, ..closed }));
                }
            }
        }
        open
    }

    async fn deliver_chunk(
        &self,
        body: &Body,
        delivery: &Delivery,
        group: GroupId,
        recipients: &[&DeliverRecipient],
        stored: Option<LogIndex>,
        spanning: Option<Spanning>,
    ) -> Result<Delivered, StoreError> {
        let (source, blob) = match stored {
            Some(body) => (BodySource::Stored { body }, None),
            None => body.source(group)?,
        };
        let to = |to: &&DeliverRecipient| DeliverTo {
            account: to.account,
            prefix: to.prefix.clone(),
            key: delivery.origin.as_ref().map(|origin| origin.key(body, to.account)),
        };
        let command = Deliver {
            seed: IdSeed::random(),
            source,
            thread_keys: body.thread_keys.clone(),
            date: delivery.date,
            recipients: recipients.iter().map(to).collect(),
            delivery: delivery.id,
            spanning,
            received_ms: delivery.received_ms,
        };
        let (delivered, _) = self.run(group, command, blob, within(spanning)).await?;
        Ok(delivered)
    }
}

/// Time for one command of a transaction.
fn within(spanning: Option<Spanning>) -> Duration {
    spanning.map_or(COMMAND_WITHIN, |_| DIRECT_WITHIN)
}

pub(super) fn placed(delivery: DeliveryId, outcome: Outcome) -> Result<Placed, StoreError> {
    match outcome {
        Outcome::Stored {
            mailbox,
            uid_validity,
            uid,
            email,
        } => Ok(Placed {
            mailbox,
            uid_validity,
            uid,
            email,
            delivery,
        }),
        Outcome::Repeated(row) => Ok(Placed {
            mailbox: row.mailbox,
            uid_validity: row.uid_validity,
            uid: row.uid,
            email: row.email,
            delivery: row.delivery,
        }),
        Outcome::Rejected(rejection) => Err(rejection.into()),
    }
}
