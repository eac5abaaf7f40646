//! What became of the accounts of a message, and the reply that follows from it.
//!
//! Invariant: `250` stands for every account that the recipient stands for, each of which has the message or has it in a
//! queue, and nothing but temporary replies for less:
//! who tries again finds those delivered that have the message (DESIGN M14), and the others perhaps by then.

use mailstore::front::{Accepted, ErrorClass};
use mailstore::{DeliveryId, Rejection, StoreError};
use smtp_wire::{Reply, replies};

use super::mail::text_of;

/// What became of one account.
pub(super) type Outcome = Result<Accepted, Failure>;

/// Why an account does not have the message, as far as anybody can say.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It has no room.
    Full,
    /// The store said so.
    Store(StoreError),
    /// The store said nothing in time.
    Late,
}

impl Failure {
    /// What the client is told.
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::Full => replies::over_quota(),
            Self::Store(error) if error.rejection() == Some(Rejection::OverQuota) => replies::over_quota(),
            Self::Store(StoreError::NoSpace(_)) => replies::no_space(),
            Self::Store(_) | Self::Late => replies::try_later(),
        }
    }

    /// Says it where somebody may have to look.
    pub(super) fn trace(&self, id: &str) {
        match self {
            Self::Store(error) if error.class() == ErrorClass::Server => {
                tracing::error!(id, %error, "a message cannot be stored");
            }
            Self::Store(error) => tracing::debug!(id, %error, "a message is deferred"),
            Self::Full => {}
            Self::Late => tracing::debug!(id, "a message was not stored in time"),
        }
    }
}

/// The reply for a recipient, or a whole message, that stands for these accounts. `own` is the transaction that the
/// client has just ended.
pub(super) fn reply<'a>(own: DeliveryId, outcomes: impl Iterator<Item = &'a Outcome>) -> Reply {
    let mut firsts = Vec::new();
    let mut is_queued = false;
    let mut failed: Option<Reply> = None;
    for outcome in outcomes {
        match outcome {
            Ok(accepted) => {
                firsts.push(accepted.delivery());
                is_queued |= matches!(accepted, Accepted::Queued(_));
            }
            Err(failure) => {
                // What is not the recipient's own doing comes first: it may be over sooner.
                let reply = failure.reply();
                if failed.is_none() || reply == replies::try_later() {
                    failed = Some(reply);
                }
            }
        }
    }
    match (failed, firsts.as_slice()) {
        (Some(reply), _) => reply,
        (None, [first, others @ ..]) if *first != own && others.iter().all(|other| other == first) => {
            replies::delivered_before(&text_of(*first))
        }
        (None, []) => replies::try_later(),
        (None, _) if is_queued => replies::queued(&text_of(own)),
        (None, _) => replies::delivered(&text_of(own)),
    }
}

#[cfg(test)]
mod tests {
    use mail_model::{EmailId, GroupId, MailboxId, Uid, UidValidity};
    use mailstore::front::{Placed, Queued};

    use super::*;

    const OWN: DeliveryId = DeliveryId([1; 16]);
    const FIRST: DeliveryId = DeliveryId([2; 16]);

    fn placed(delivery: DeliveryId) -> Outcome {
        Ok(Accepted::Placed(Placed {
            mailbox: MailboxId(1),
            uid_validity: UidValidity::MIN,
            uid: Uid::MIN,
            email: EmailId::default(),
            delivery,
        }))
    }

    fn queued(delivery: DeliveryId) -> Outcome {
        let source = GroupId(1);
        Ok(Accepted::Queued(Queued { source, delivery }))
    }

    #[test]
    fn only_what_is_everywhere_is_acknowledged() {
        let full = || Err(Failure::Full);
        let late = || Err(Failure::Late);
        let over = || Err(Failure::Store(Rejection::OverQuota.into()));
        let no_space = || Err(Failure::Store(StoreError::NoSpace(String::new())));
        let lost = || Err(Failure::Store(StoreError::Uncertain(String::new())));
        for (outcomes, expected) in [
            (vec![placed(OWN)], replies::delivered(&"01".repeat(16))),
            (vec![placed(OWN), queued(OWN)], replies::queued(&"01".repeat(16))),
            (vec![queued(OWN), late()], replies::try_later()),
            (vec![placed(FIRST), placed(OWN)], replies::delivered(&"01".repeat(16))),
            (
                vec![placed(FIRST), placed(FIRST)],
                replies::delivered_before(&"02".repeat(16)),
            ),
            (vec![placed(OWN), full()], replies::over_quota()),
            (vec![over(), placed(OWN)], replies::over_quota()),
            (vec![full(), late()], replies::try_later()),
            (vec![lost(), full()], replies::try_later()),
            (vec![placed(OWN), no_space()], replies::no_space()),
            (vec![no_space(), lost()], replies::try_later()),
            (vec![], replies::try_later()),
        ] {
            assert_eq!(reply(OWN, outcomes.iter()), expected, "{outcomes:?}");
        }
    }
}
