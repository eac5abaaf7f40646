//! Deliver: one message for one or more accounts of the group, into INBOX. The recipients share the body, each has its
//! own prefix, and each gets its own answer.
//!
//! A recipient's quota may be overrun by this one message (DESIGN M13). The detail of `user+detail` is part of the
//! envelope only: without rules, mail goes to INBOX, where its owner looks.
//!
//! The same message sent again, by a client that may not know of the first delivery, is answered with that one and
//! stored once (DESIGN M14): a delivery stays open until its client is known to have taken our reply.

use mail_model::{AccountId, EmailId, InternalDate, LogIndex, MailboxId, SystemFlags, Uid, UidValidity};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::id::{DeliveryId, DeliveryKey, IdSeed, ThreadKey};
use crate::key;
use crate::limits::{PREFIX_BYTES_MAX, RECIPIENTS_PER_COMMAND, REDELIVERY_MS};
use crate::record::{DeliveryRow, Due, KeywordBits};
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Rows, Work};
use crate::state::{
    AccountWork, BodySource, INBOX, NewInstance, StoredBody, account_row, adopt, due_row, give_up_upload, mailbox_row,
    thread_of,
};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Deliver {
    /// Makes the ids of the new messages.
    #[n(0)]
    pub seed: IdSeed,
    /// The message without its prefixes.
    #[n(1)]
    pub source: BodySource,
    /// Message-ID first, then what it refers to.
    #[n(2)]
    pub thread_keys: Vec<ThreadKey>,
    /// When it was received.
    #[n(3)]
    pub date: InternalDate,
    /// Who gets it.
    #[n(4)]
    pub recipients: Vec<DeliverTo>,
    /// The mail transaction.
    #[n(5)]
    pub delivery: DeliveryId,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DeliverTo {
    /// The account.
    #[n(0)]
    pub account: AccountId,
    /// Trace headers of this delivery.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub prefix: Vec<u8>,
    /// What the same message sent again looks like; `None` where no client could send it again.
    #[n(2)]
    pub key: Option<DeliveryKey>,
}

/// What became of the recipients, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Delivered {
    /// The stored body, if anybody got the message: further commands may refer to it.
    #[n(0)]
    pub body: Option<LogIndex>,
    /// One per recipient.
    #[n(1)]
    pub outcomes: Vec<Outcome>,
}

/// What became of one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// It is in the mailbox.
    #[n(0)]
    Stored {
        /// The mailbox.
        #[n(0)]
        mailbox: MailboxId,
        /// Its UIDVALIDITY.
        #[n(1)]
        uid_validity: UidValidity,
        /// The message's UID.
        #[n(2)]
        uid: Uid,
        /// Its EMAILID.
        #[n(3)]
        email: EmailId,
    },
    /// This recipient did not get it.
    #[n(1)]
    Rejected(#[n(0)] Rejection),
    /// An earlier transaction put it there.
    #[n(2)]
    Repeated(#[n(0)] DeliveryRow),
}

impl GroupCommand for Deliver {
    type Reply = Delivered;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<Delivered, Failure> {
        if self.recipients.len() > RECIPIENTS_PER_COMMAND {
            return Err(Rejection::Malformed.into());
        }
        let mut decided = Vec::with_capacity(self.recipients.len());
        for to in &self.recipients {
            decided.push(decided_before(work, to)?);
        }
        if decided.iter().all(Option::is_some) {
            if let BodySource::Upload { upload, .. } = &self.source {
                give_up_upload(work, *upload)?;
            }
            let outcomes = decided.into_iter().flatten().collect();
            return Ok(Delivered { body: None, outcomes });
        }
        let body = adopt(work, &self.source)?;
        let mut outcomes = Vec::with_capacity(self.recipients.len());
        for (number, (to, decided)) in (0..).zip(self.recipients.iter().zip(decided)) {
            outcomes.push(match decided {
                Some(outcome) => outcome,
                None => self.deliver(work, number, to, body)?,
            });
        }
        Ok(Delivered {
            body: Some(body.id),
            outcomes,
        })
    }
}

/// The outcome of a recipient who gets nothing now. Looked at for all before a message is stored for anybody.
fn decided_before(work: &mut Work<'_, '_>, to: &DeliverTo) -> Result<Option<Outcome>, Failure> {
    if let Some(key) = to.key {
        let row: Option<DeliveryRow> = work.row("delivery row", &key::delivery(to.account, key))?;
        if let Some(row) = row {
            let mut account = AccountWork::begin(work, to.account)?;
            account.row.suppressed += 1;
            account.finish_quietly();
            return Ok(Some(Outcome::Repeated(row)));
        }
    }
    Ok(refusal(work, to)?.map(Outcome::Rejected))
}

/// Everything that can stand in a recipient's way.
fn refusal(rows: &impl Rows, to: &DeliverTo) -> Result<Option<Rejection>, Failure> {
    let found = match account_row(rows, to.account) {
        Ok(row) if !row.has_room() => Some(Rejection::OverQuota),
        Ok(_) if to.prefix.len() > PREFIX_BYTES_MAX => Some(Rejection::Limit(LimitKind::Size)),
        Ok(_) if mailbox_row(rows, to.account, INBOX)?.uid_next > u64::from(u32::MAX) => {
            Some(Rejection::Limit(LimitKind::Uids))
        }
        Ok(_) => None,
        Err(Failure::Rejected(rejection)) => Some(rejection),
        Err(failure) => return Err(failure),
    };
    Ok(found)
}

impl Deliver {
    fn deliver(
        &self,
        work: &mut Work<'_, '_>,
        number: u64,
        to: &DeliverTo,
        body: StoredBody,
    ) -> Result<Outcome, Failure> {
        let new_thread = self.seed.thread(to.account, number);
        let thread = thread_of(work, to.account, &self.thread_keys, new_thread)?;
        let email = self.seed.email(to.account, number);
        let mut account = AccountWork::begin(work, to.account)?;
        let new = NewInstance {
            flags: SystemFlags::NONE,
            keywords: KeywordBits::default(),
            date: self.date,
            email,
            thread,
            prefix: to.prefix.clone(),
            pop3: None,
            body,
        };
        let uid = account.add(INBOX, new)?;
        let uid_validity = account.mailbox(INBOX)?.uid_validity;
        account.finish();
        if let Some(key) = to.key {
            let due_ms = work.now_ms().saturating_add(REDELIVERY_MS);
            let row = DeliveryRow {
                delivery: self.delivery,
                mailbox: INBOX,
                uid_validity,
                uid,
                email,
                due_ms,
            };
            work.put(key::delivery(to.account, key), &row);
            work.put_bytes(due_row(due_ms, &Due::Delivery(to.account, key)), Vec::new());
        }
        Ok(Outcome::Stored {
            mailbox: INBOX,
            uid_validity,
            uid,
            email,
        })
    }
}
