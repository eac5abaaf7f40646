//! Deliver: one message for one or more accounts of the group, into INBOX. The recipients share the body, each has its
//! own prefix, and each gets its own answer.
//!
//! A recipient's quota may be overrun by this one message (DESIGN M13). The detail of `user+detail` is part of the
//! envelope only: without rules, mail goes to INBOX, where its owner looks.
//!
//! The same message sent again, by a client that may not know of the first delivery, is answered with that one and
//! stored once (DESIGN M14): a delivery stays open until its client is known to have taken our reply.
//!
//! A delivery over several groups may come more than once, from its front node and from the queue of another group
//! (DESIGN D17): by the same rows it is placed once.

use mail_model::{AccountId, EmailId, InternalDate, LogIndex, MailboxId, SystemFlags, Uid, UidValidity};
use minicbor::{Decode, Encode};

use crate::command::GroupCommand;
use crate::id::{DeliveryId, DeliveryKey, IdSeed, ThreadKey};
use crate::limits::{PREFIX_BYTES_MAX, RECIPIENTS_PER_COMMAND};
use crate::record::{KeywordBits, Placement};
use crate::rejection::{LimitKind, Rejection};
use crate::rows::{Failure, Rows, Work};
use crate::state::{
    AccountWork, Attempt, BodySource, INBOX, NewInstance, Redelivery, StoredBody, account_row, adopt, give_up_upload,
    mailbox_row, thread_of,
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
    /// How it may come here once more; `None` where it cannot.
    #[n(6)]
    pub spanning: Option<Spanning>,
    /// When the transaction began, in milliseconds since 1970 by the clock of its front node.
    #[n(7)]
    pub received_ms: u64,
}

/// The way of a delivery whose transaction has recipients in several groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Spanning {
    /// From the front node. The upload that it names stays when nobody here needs it: it may be queued.
    #[n(0)]
    Direct,
    /// From the queue of another group. Quota was looked at before the message was taken.
    #[n(1)]
    Queued {
        /// The client went on after our reply to an attempt that began then: what it sent later is another message.
        #[n(0)]
        heard_ms: Option<u64>,
    },
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
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
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
    Repeated(#[n(0)] Placement),
}

impl GroupCommand for Deliver {
    type Reply = Delivered;

    fn apply(&self, work: &mut Work<'_, '_>) -> Result<Delivered, Failure> {
        if self.recipients.len() > RECIPIENTS_PER_COMMAND {
            return Err(Rejection::Malformed.into());
        }
        let mut decided = Vec::with_capacity(self.recipients.len());
        for to in &self.recipients {
            decided.push(self.look(work, to)?);
        }
        if decided.iter().all(|before| matches!(before, Before::Decided(_))) {
            if let (BodySource::Upload { upload, .. }, None | Some(Spanning::Queued { .. })) =
                (&self.source, self.spanning)
            {
                give_up_upload(work, *upload)?;
            }
            let outcomes = decided.into_iter().filter_map(Before::decided).collect();
            return Ok(Delivered { body: None, outcomes });
        }
        let body = adopt(work, &self.source)?;
        let mut outcomes = Vec::with_capacity(self.recipients.len());
        for (number, (to, decided)) in (0..).zip(self.recipients.iter().zip(decided)) {
            outcomes.push(match decided {
                Before::Decided(outcome) => outcome,
                Before::Open(redelivery) => self.deliver(work, number, to, body, redelivery)?,
            });
        }
        Ok(Delivered {
            body: Some(body.id),
            outcomes,
        })
    }
}

/// What the rows say of a recipient before anything is stored for anybody.
enum Before {
    /// Nothing is to be done any more.
    Decided(Outcome),
    /// To be stored; with what is known of the same message.
    Open(Option<Box<Redelivery>>),
}

impl Before {
    fn decided(self) -> Option<Outcome> {
        match self {
            Self::Decided(outcome) => Some(outcome),
            Self::Open(_) => None,
        }
    }
}

/// Everything that can stand in a recipient's way.
fn refusal(rows: &impl Rows, to: &DeliverTo, heeds_quota: bool) -> Result<Option<Rejection>, Failure> {
    let found = match account_row(rows, to.account) {
        Ok(row) if heeds_quota && !row.has_room() => Some(Rejection::OverQuota),
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
    fn look(&self, work: &mut Work<'_, '_>, to: &DeliverTo) -> Result<Before, Failure> {
        let mut redelivery = None;
        if let Some(key) = to.key {
            let mut known = Redelivery::read(work, to.account, key)?;
            if let Some(placed) = known.stands_for(self.attempt()) {
                known.repeat(work.now_ms(), self.attempt());
                known.write(work);
                let mut account = AccountWork::begin(work, to.account)?;
                account.row.suppressed += 1;
                account.finish_quietly();
                return Ok(Before::Decided(Outcome::Repeated(placed)));
            }
            redelivery = Some(Box::new(known));
        }
        let heeds_quota = !matches!(self.spanning, Some(Spanning::Queued { .. }));
        let refusal = refusal(work, to, heeds_quota)?.map(Outcome::Rejected);
        Ok(refusal.map_or(Before::Open(redelivery), Before::Decided))
    }

    fn attempt(&self) -> Attempt {
        Attempt {
            received_ms: self.received_ms,
            heard_ms: match self.spanning {
                Some(Spanning::Queued { heard_ms }) => heard_ms,
                None | Some(Spanning::Direct) => None,
            },
        }
    }

    fn deliver(
        &self,
        work: &mut Work<'_, '_>,
        number: u64,
        to: &DeliverTo,
        body: StoredBody,
        redelivery: Option<Box<Redelivery>>,
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
        if let Some(mut redelivery) = redelivery {
            let placed = Placement {
                delivery: self.delivery,
                mailbox: INBOX,
                uid_validity,
                uid,
                email,
                received_ms: self.received_ms,
            };
            redelivery.place(work.now_ms(), self.attempt(), placed);
            redelivery.write(work);
        }
        Ok(Outcome::Stored {
            mailbox: INBOX,
            uid_validity,
            uid,
            email,
        })
    }
}
