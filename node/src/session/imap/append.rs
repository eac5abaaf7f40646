//! APPEND (RFC 3501, section 6.3.11; APPENDUID, RFC 4315): the message streams into the mail store while it comes.
//!
//! Invariants
//! - What can be refused beforehand is refused before the message is sent: a mailbox that is not there, a full quota.
//! - The message is in the mailbox when OK is sent, or it is not there at all.
//! - A message has a time to be whole in, however lively it drips.
//! - A failure while it comes is told at its end, since the client cannot be stopped; the bytes are dropped until then.

use imap_wire::{Append, Tag};
use mail_model::{FlagSet, InternalDate, MailboxId, Uid};
use mailstore::front::{BodyWriter, ErrorClass, Freshness, NewMessage};
use mailstore::{Account, Rejection, StoreError};
use tokio::time::Instant;

use super::error::{End, Failure};
use super::limits::APPEND_WITHIN;
use super::outcome::{Done, DoneCode, Outcome};
use super::session::{Doing, Session};
use crate::clock::internal_date_now;

/// A message on its way into a mailbox.
pub(super) struct Incoming {
    account: Account,
    mailbox: MailboxId,
    flags: FlagSet,
    date: InternalDate,
    /// What takes its bytes, or why they are dropped.
    writer: Result<BodyWriter, StoreError>,
    /// When it has to be whole.
    ends_at: Instant,
}

impl Session {
    /// A message is announced.
    pub(super) async fn append_offered(&mut self, append: Append) -> Result<(), End> {
        let tag: Tag = append.tag.clone();
        match self.prepare(append).await {
            Ok(incoming) => {
                self.doing = Doing::Append(Box::new(incoming));
                self.channel.machine.accept_append();
                Ok(())
            }
            Err(failure) => {
                self.channel.machine.refuse_append();
                self.complete(&tag, Err(failure))
            }
        }
    }

    async fn prepare(&mut self, append: Append) -> Result<Incoming, Failure> {
        let account = self.account()?.clone();
        let mailbox = account.mailbox(append.mailbox, Freshness::Latest).await;
        let info = mailbox.map_err(Failure::of_target)?.info;
        if info.no_select {
            return Err(Failure::of_target(Rejection::NotSelectable.into()));
        }
        if !account.quota(Freshness::Seen).await?.fits(append.size) {
            return Err(StoreError::from(Rejection::OverQuota).into());
        }
        let writer = self.services.store.body_writer([account.group()]);
        Ok(Incoming {
            account,
            mailbox: info.id,
            flags: append.flags.unwrap_or_default(),
            date: append.date.unwrap_or_else(internal_date_now),
            writer: Ok(writer),
            ends_at: Instant::now() + APPEND_WITHIN,
        })
    }

    /// The next octets of the message. Waits while the mail store has too many in hand.
    pub(super) async fn append_octets(&mut self, octets: &[u8]) {
        if let Doing::Append(incoming) = &mut self.doing {
            incoming.push(octets).await;
        }
    }

    /// The message is whole.
    pub(super) async fn append_end(&mut self) -> Outcome {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Append(incoming) => {
                let mailbox = incoming.mailbox;
                let outcome = incoming.finish().await;
                if let Some(selected) = &mut self.selected {
                    selected.changed(mailbox);
                }
                outcome
            }
            other => {
                self.doing = other;
                Err(Failure::Bad("no message is being appended"))
            }
        }
    }
}

impl Incoming {
    /// When it has to be whole.
    pub(super) fn ends_at(&self) -> Instant {
        self.ends_at
    }

    async fn push(&mut self, octets: &[u8]) {
        let Ok(writer) = &mut self.writer else { return };
        if let Err(error) = writer.push(octets).await {
            let failed = std::mem::replace(&mut self.writer, Err(not_appended(error)));
            if let Ok(writer) = failed {
                writer.abort().await;
            }
        }
    }

    async fn finish(self) -> Outcome {
        let body = self.writer?.finish().await.map_err(not_appended)?;
        let message = NewMessage {
            body,
            flags: self.flags,
            date: self.date,
            pop3: None,
        };
        let appended = self.account.append(self.mailbox, message).await;
        let appended = appended.map_err(Failure::of_target)?;
        let numbers = appended.uids.first.get()..=appended.uids.last.get();
        let uids = numbers.filter_map(Uid::new).collect();
        Ok(Done::with(DoneCode::AppendUid(appended.uid_validity, uids), "appended"))
    }

    /// Gives the message up.
    pub(super) async fn abort(self) {
        if let Ok(writer) = self.writer {
            writer.abort().await;
        }
    }
}

/// The error of an upload. Whether a piece of it took effect may be uncertain, but nothing refers to it: the message was
/// not appended, and that is certain.
fn not_appended(error: StoreError) -> StoreError {
    match error.class() {
        ErrorClass::Uncertain => StoreError::Unavailable(error.to_string()),
        _ => error,
    }
}
