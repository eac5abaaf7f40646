//! RCPT (RFC 5321 3.3): whom a recipient stands for, and whether they have room. Over quota is said here, while the sender
//! still has the message (DESIGN M13).

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use mail_model::{Address, GroupId};
use mailstore::directory::{self, Unresolved};
use mailstore::front::Freshness;
use mailstore::query::Quota;
use smtp_wire::{Host, Mailbox, Recipient, Reply, replies};
use tokio::time::{Instant, timeout_at};

use super::limits::{ACCOUNTS_MAX, QUOTA_WITHIN, QUOTAS_AT_ONCE};
use super::mail::Taken;
use super::session::{End, Session};
use crate::services::Services;

/// Whether an account can take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It can, as far as anybody could say.
    Left,
    /// Not until its owner makes room.
    Full,
    /// Not with all of its room.
    TooSmall,
}

impl Session {
    pub(super) async fn rcpt(&mut self, given: Recipient) -> Result<(), End> {
        match self.take_recipient(&given).await {
            Ok(accounts) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients.push(Taken { given, accounts });
                }
                Ok(self.pump.machine.accept()?)
            }
            Err(reply) => {
                self.log_refused(&given, &reply);
                Ok(self.pump.machine.refuse(reply)?)
            }
        }
    }

    /// The accounts that get its mail, or what the client is told.
    async fn take_recipient(&mut self, given: &Recipient) -> Result<Vec<directory::Recipient>, Reply> {
        let resolved = match given {
            Recipient::Postmaster => self.services.directory.resolve_postmaster().await,
            Recipient::Mailbox(mailbox) => self.resolve(mailbox).await,
        };
        let accounts = resolved.map_err(|error| refusal(&error))?;
        let transaction = self.transaction.as_mut().ok_or_else(replies::try_later)?;
        if transaction.accounts().count() + accounts.len() > ACCOUNTS_MAX {
            return Err(replies::too_many_recipients());
        }
        // Without a word about its size a message still has one byte.
        let bytes = transaction.declared_bytes.unwrap_or(1);
        let rooms = rooms(&self.services, &accounts, bytes, &mut transaction.mute).await;
        // One that has no room keeps the mail from all that an alias stands for: they get it once there is, and nobody is
        // left out unsaid.
        if rooms.contains(&Room::TooSmall) {
            return Err(replies::larger_than_quota());
        }
        if rooms.contains(&Room::Full) {
            return Err(replies::over_quota());
        }
        Ok(accounts)
    }

    async fn resolve(&self, mailbox: &Mailbox) -> Result<Vec<directory::Recipient>, Unresolved> {
        let directory = &self.services.directory;
        match (mailbox.address(), mailbox.host()) {
            (Some(address), _) => directory.resolve(&address).await,
            (None, Host::Literal(_)) => Err(Unresolved::NoSuchDomain),
            // No address of ours is so long, but whose domain it is decides what is said.
            (None, Host::Domain(domain)) => match Address::of("postmaster", domain.clone()) {
                Ok(postmaster) => Err(match directory.resolve(&postmaster).await {
                    Err(error @ (Unresolved::NoSuchDomain | Unresolved::Unavailable(_))) => error,
                    _ => Unresolved::NoSuchUser,
                }),
                Err(_) => Err(Unresolved::NoSuchUser),
            },
        }
    }
}

/// What the client is told.
fn refusal(error: &Unresolved) -> Reply {
    match error {
        Unresolved::NoSuchUser => replies::no_such_recipient(),
        Unresolved::NoSuchDomain => replies::relay_refused(),
        Unresolved::Disabled => replies::recipient_disabled(),
        Unresolved::NotReady => replies::try_later(),
        Unresolved::TooMany | Unresolved::NoPostmaster | Unresolved::Unavailable(_) => {
            tracing::warn!(%error, "a recipient is deferred");
            replies::try_later()
        }
    }
}

/// What each of `accounts` can take, in their order. Groups of `mute` are not asked, and those that give no answer join
/// them.
pub(super) async fn rooms(
    services: &Services,
    accounts: &[directory::Recipient],
    bytes: u64,
    mute: &mut BTreeSet<GroupId>,
) -> Vec<Room> {
    let deadline = Instant::now() + QUOTA_WITHIN;
    let asked = |recipient: directory::Recipient| {
        let is_mute = mute.contains(&recipient.group);
        async move {
            if is_mute {
                return Ok(Room::Left);
            }
            let account = services.store.account(recipient.account, recipient.group);
            match timeout_at(deadline, account.quota(Freshness::Seen)).await {
                Ok(Ok(quota)) => Ok(room(&quota, recipient.quota_bytes, bytes)),
                Ok(Err(_)) | Err(_) => Err(recipient.group),
            }
        }
    };
    let asked: Vec<_> = accounts.iter().cloned().map(asked).collect();
    let answers: Vec<_> = stream::iter(asked).buffered(QUOTAS_AT_ONCE).collect().await;
    let told = |answer: Result<Room, GroupId>| {
        answer.unwrap_or_else(|group| {
            mute.insert(group);
            Room::Left
        })
    };
    answers.into_iter().map(told).collect()
}

/// Room by the account's own word and by that of the directory, whichever is stricter.
fn room(held: &Quota, quota_bytes: Option<u64>, bytes: u64) -> Room {
    let quota_bytes = match (held.quota_bytes, quota_bytes) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let quota = Quota { quota_bytes, ..*held };
    if quota.fits(bytes) {
        Room::Left
    } else if quota_bytes.is_some_and(|all| bytes > all) && bytes > 1 {
        Room::TooSmall
    } else {
        Room::Full
    }
}

#[cfg(test)]
mod tests {
    use mail_model::ModSeq;

    use super::*;

    #[test]
    fn the_stricter_quota_counts() {
        let held = |quota_bytes, used_bytes| Quota {
            quota_bytes,
            used_bytes,
            messages: 1,
            modseq: ModSeq(1),
            suppressed: 0,
        };
        for (own, policy, used, bytes, expected) in [
            (None, None, u64::MAX, 1, Room::Left),
            (Some(10), None, 9, 1, Room::Left),
            (Some(10), None, 10, 1, Room::Full),
            (None, Some(10), 10, 1, Room::Full),
            (Some(20), Some(10), 5, 6, Room::Full),
            (Some(10), Some(20), 5, 11, Room::TooSmall),
            (Some(0), None, 0, 1, Room::Full),
        ] {
            let found = room(&held(own, used), policy, bytes);
            assert_eq!(found, expected, "{own:?} {policy:?} {used} {bytes}");
        }
    }
}
