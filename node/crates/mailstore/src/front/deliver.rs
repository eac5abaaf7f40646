//! Delivery of one message to accounts in any number of groups, each recipient with its own answer (LMTP; DESIGN M13).
//! `docs/delivery-states.md` has the states.

use std::collections::BTreeMap;

use futures::future::join_all;
use mail_model::{AccountId, EmailId, GroupId, InternalDate, LogIndex, MailboxId, Uid, UidValidity};

use super::{Body, Mailstore, OpenDeliveries, StoreError};
use crate::command::{ClosedDelivery, Deliver, DeliverTo, Delivered, Outcome};
use crate::id::{DeliveryId, DeliveryKey, IdSeed};
use crate::limits::{COMMAND_WITHIN, RECIPIENTS_PER_COMMAND};
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

/// One mail transaction.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What its trace and its reply name it.
    pub id: DeliveryId,
    /// When the message was received.
    pub date: InternalDate,
    /// Who sends; `None` where nobody would send again.
    pub origin: Option<Origin>,
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
    fn key(&self, body: &Body, account: AccountId) -> DeliveryKey {
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
    pub answers: Vec<Result<Placed, StoreError>>,
    /// To be closed when the client goes on after our reply; dropped when it does not.
    pub open: OpenDeliveries,
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
        let body = &body;
        let deliveries = groups.into_iter().map(|(group, of_group)| async move {
            let outcomes = self.deliver_in_group(body, delivery, group, &of_group).await;
            let of_group = of_group.into_iter().map(move |to| (group, to.account));
            of_group.zip(outcomes).collect::<Vec<_>>()
        });
        let answers: BTreeMap<_, _> = join_all(deliveries).await.into_iter().flatten().collect();
        let mut open = OpenDeliveries::new(self.clone());
        if let Some(origin) = &delivery.origin {
            for ((group, account), placed) in answers
                .iter()
                .filter_map(|(to, answer)| Some((*to, answer.as_ref().ok()?)))
            {
                let key = origin.key(body, account);
                let delivery = placed.delivery;
                open.add(group, ClosedDelivery { account, key, delivery });
            }
        }
        let answer = |to: &DeliverRecipient| {
            let unknown = || Err(StoreError::Broken("a recipient has no answer".to_owned()));
            answers.get(&(to.group, to.account)).cloned().unwrap_or_else(unknown)
        };
        let answers = recipients.iter().map(answer).collect();
        Deliveries { answers, open }
    }

    async fn deliver_in_group(
        &self,
        body: &Body,
        delivery: &Delivery,
        group: GroupId,
        recipients: &[&DeliverRecipient],
    ) -> Vec<Result<Placed, StoreError>> {
        let mut answers = Vec::with_capacity(recipients.len());
        let mut stored = None;
        for chunk in recipients.chunks(RECIPIENTS_PER_COMMAND) {
            match self.deliver_chunk(body, delivery, group, chunk, stored).await {
                Ok(delivered) => {
                    stored = stored.or(delivered.body);
                    answers.extend(
                        delivered
                            .outcomes
                            .into_iter()
                            .map(|outcome| placed(delivery.id, outcome)),
                    );
                }
                Err(error) => answers.extend(chunk.iter().map(|_| Err(error.clone()))),
            }
        }
        answers
    }

    async fn deliver_chunk(
        &self,
        body: &Body,
        delivery: &Delivery,
        group: GroupId,
        recipients: &[&DeliverRecipient],
        stored: Option<LogIndex>,
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
        };
        self.close_before(group, &command.recipients).await?;
        let (delivered, _) = self.run(group, command, blob, COMMAND_WITHIN).await?;
        Ok(delivered)
    }
}

fn placed(delivery: DeliveryId, outcome: Outcome) -> Result<Placed, StoreError> {
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
