//! Delivery of one message to accounts in any number of groups (DESIGN M13): each recipient has its own answer, and those
//! whose groups are out of reach may be queued in another one. `docs/delivery-states.md` has the states.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use mail_model::{AccountId, EmailId, GroupId, InternalDate, LogIndex, MailboxId, Uid, UidValidity};

use super::{Body, Mailstore, OpenDeliveries, StoreError};
use crate::command::{ClosedDelivery, Deliver, DeliverTo, Delivered, Outcome, Reach, Spanning};
use crate::id::{DeliveryId, DeliveryKey, IdSeed};
use crate::limits::{COMMAND_WITHIN, DIRECT_WITHIN, RECIPIENTS_PER_COMMAND};

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
    /// Everything that the keys of all recipients have in common. Every part stands behind its length, so that no two
    /// origins run together.
    fn hasher(&self, body: &Body) -> blake3::Hasher {
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
        hasher.update(&body.facts.root);
        hasher
    }
}

/// What a message from an origin looks like to one recipient.
fn key_of(origin: &blake3::Hasher, account: AccountId) -> DeliveryKey {
    let mut key = [0; 16];
    let mut hasher = origin.clone();
    hasher.update(&account.0.to_be_bytes()).finalize_xof().fill(&mut key);
    DeliveryKey(key)
}

/// What became of a transaction.
pub struct Deliveries {
    /// One answer per recipient, in their order.
    pub answers: Vec<Result<Accepted, StoreError>>,
    /// To be closed when the client goes on after our reply; dropped when it does not.
    pub open: OpenDeliveries,
}

/// A recipient with the key of the delivery, if there can be a repetition.
pub(super) struct Keyed<'r> {
    pub(super) to: &'r DeliverRecipient,
    pub(super) key: Option<DeliveryKey>,
}

impl Keyed<'_> {
    pub(super) fn name(&self) -> Option<(AccountId, DeliveryKey)> {
        Some((self.to.account, self.key?))
    }
}

/// What the direct attempt at one group came to.
pub(super) struct GroupAttempt<'r> {
    pub(super) group: GroupId,
    pub(super) recipients: Vec<Keyed<'r>>,
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
        let groups = by_group(&body, delivery, recipients);
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
            self.queue_rest(&body, delivery, &origin.sender, &mut attempts).await;
        }
        let open = self.open_deliveries(delivery, &attempts);
        let of_attempt = |attempt: GroupAttempt<'_>| {
            let to: Vec<_> = attempt.recipients.iter().map(|keyed| keyed.to.account).collect();
            to.into_iter().zip(attempt.answers)
        };
        let answers: BTreeMap<_, _> = attempts.into_iter().flat_map(of_attempt).collect();
        let answer = |to: &DeliverRecipient| {
            let unknown = || Err(StoreError::Broken("a recipient has no answer".to_owned()));
            answers.get(&to.account).cloned().unwrap_or_else(unknown)
        };
        let answers = recipients.iter().map(answer).collect();
        Deliveries { answers, open }
    }

    async fn attempt<'r>(
        &self,
        body: &Body,
        delivery: &Delivery,
        group: GroupId,
        recipients: Vec<Keyed<'r>>,
        spanning: Option<Spanning>,
    ) -> GroupAttempt<'r> {
        let mut attempt = GroupAttempt {
            group,
            answers: Vec::with_capacity(recipients.len()),
            recipients,
            stored: None,
            has_answered: false,
            is_up_to_date: true,
        };
        let names: Vec<_> = attempt.recipients.iter().filter_map(Keyed::name).collect();
        if let Err(error) = self.close_before(group, &names, within(spanning)).await {
            attempt.is_up_to_date = false;
            attempt.answers = vec![Err(error); attempt.recipients.len()];
            return attempt;
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
    fn open_deliveries(&self, delivery: &Delivery, attempts: &[GroupAttempt<'_>]) -> OpenDeliveries {
        let mut open = OpenDeliveries::new(self.clone());
        let is_new = |answer: &Result<Accepted, StoreError>| match answer {
            Ok(Accepted::Placed(placed)) => placed.delivery == delivery.id,
            Ok(Accepted::Queued(_)) | Err(_) => false,
        };
        // Of a transaction that is repeated, or may be in a group that did not answer, something may wait in a queue.
        let all_new = attempts.iter().all(|attempt| attempt.answers.iter().all(is_new));
        let may_wait = delivery.may_queue && attempts.len() > 1 && !all_new;
        let reach = if may_wait { Reach::Target } else { Reach::Alone };
        for attempt in attempts {
            for (keyed, answer) in attempt.recipients.iter().zip(&attempt.answers) {
                let (Some((account, key)), Ok(accepted)) = (keyed.name(), answer) else {
                    continue;
                };
                let closed = ClosedDelivery {
                    account,
                    key,
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
        recipients: &[Keyed<'_>],
        stored: Option<LogIndex>,
        spanning: Option<Spanning>,
    ) -> Result<Delivered, StoreError> {
        let (source, blob) = body.source_or(stored, group)?;
        let to = |keyed: &Keyed<'_>| DeliverTo {
            account: keyed.to.account,
            prefix: keyed.to.prefix.clone(),
            key: keyed.key,
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

/// The recipients of each group, each account once.
fn by_group<'r>(
    body: &Body,
    delivery: &Delivery,
    recipients: &'r [DeliverRecipient],
) -> BTreeMap<GroupId, Vec<Keyed<'r>>> {
    let origin = delivery.origin.as_ref().map(|origin| origin.hasher(body));
    let mut groups: BTreeMap<GroupId, Vec<Keyed<'r>>> = BTreeMap::new();
    let mut accounts = BTreeSet::new();
    for to in recipients.iter().filter(|to| accounts.insert(to.account)) {
        let key = origin.as_ref().map(|origin| key_of(origin, to.account));
        groups.entry(to.group).or_default().push(Keyed { to, key });
    }
    groups
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
