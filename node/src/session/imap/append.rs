//! APPEND (RFC 3501, section 6.3.11) of one message or several (MULTIAPPEND, RFC 3502; APPENDUID, RFC 4315): the messages
//! stream into the mail store while they come.
//!
//! Invariants
//! - What can be refused beforehand is refused before the message is sent: a mailbox that is not there, a full quota.
//! - All messages of the command are in the mailbox when OK is sent, or none of them is there at all.
//! - A message has a time to be whole in, however lively it drips, and those after the first one have one together.
//! - A failure while a message comes is told at its end, since the client cannot be stopped; the bytes are dropped until
//!   then.

use imap_wire::{Append, AppendMessage, Tag};
use mail_model::{FlagSet, InternalDate, MailboxId, MailboxName, Uid};
use mailstore::front::{Appending, BodyWriter, Freshness, NewMessage};
use mailstore::query::Quota;
use mailstore::{Rejection, StoreError};
use tokio::time::Instant;

use super::error::{End, Failure};
use super::limits::{APPEND_WITHIN, MULTIAPPEND_WITHIN};
use super::outcome::{Done, DoneCode, Outcome};
use super::session::{Doing, Session};
use crate::clock::internal_date_now;

/// Messages on their way into a mailbox.
pub(super) struct Incoming {
    mailbox: MailboxId,
    /// Those that are whole.
    appending: Appending,
    /// What the account may hold, as it was before the first of them.
    quota: Quota,
    /// Octets of all that were announced.
    announced: u64,
    coming: Coming,
    /// When the command has to be whole.
    ends_at: Instant,
}

/// The message that comes.
struct Coming {
    flags: FlagSet,
    date: InternalDate,
    /// What takes its bytes, or why they are dropped.
    writer: Result<BodyWriter, StoreError>,
}

impl Session {
    /// The first message of a command is announced.
    pub(super) async fn append_offered(&mut self, append: Append) -> Result<(), End> {
        let Append { tag, mailbox, message } = append;
        let outcome = self.prepare(mailbox, message).await;
        self.decide(&tag, outcome)
    }

    /// The message that came is whole, and another one is announced.
    pub(super) async fn append_next(&mut self, tag: &Tag, message: AppendMessage) -> Result<(), End> {
        let outcome = match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Append(incoming) => incoming.next(message).await,
            other => {
                self.doing = other;
                Err(NOTHING_COMES)
            }
        };
        self.decide(tag, outcome)
    }

    /// Has the client send the message, or refuses its command.
    fn decide(&mut self, tag: &Tag, outcome: Result<Box<Incoming>, Failure>) -> Result<(), End> {
        match outcome {
            Ok(incoming) => {
                self.doing = Doing::Append(incoming);
                self.channel.machine.accept_append();
                Ok(())
            }
            Err(failure) => {
                self.channel.machine.refuse_append();
                self.complete(tag, Err(failure))
            }
        }
    }

    async fn prepare(&mut self, mailbox: MailboxName, message: AppendMessage) -> Result<Box<Incoming>, Failure> {
        let account = self.account()?.clone();
        let mailbox = account.mailbox(mailbox, Freshness::Latest).await;
        let info = mailbox.map_err(Failure::of_target)?.info;
        if info.no_select {
            return Err(Failure::of_target(Rejection::NotSelectable.into()));
        }
        let quota = account.quota(Freshness::Seen).await?;
        let announced = message.size;
        if !quota.fits(announced) {
            return Err(StoreError::from(Rejection::OverQuota).into());
        }
        let appending = account.appending(info.id);
        Ok(Box::new(Incoming {
            mailbox: info.id,
            quota,
            announced,
            coming: Coming::new(&appending, message),
            appending,
            ends_at: Instant::now() + APPEND_WITHIN,
        }))
    }

    /// The next octets of the message. Waits while the mail store has too many in hand.
    pub(super) async fn append_octets(&mut self, octets: &[u8]) {
        if let Doing::Append(incoming) = &mut self.doing {
            incoming.coming.push(octets).await;
        }
    }

    /// The last message is whole, and with it the command.
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
                Err(NOTHING_COMES)
            }
        }
    }
}

const NOTHING_COMES: Failure = Failure::Bad("no message is being appended");

impl Incoming {
    /// When it has to be whole.
    pub(super) fn ends_at(&self) -> Instant {
        self.ends_at
    }

    /// Goes on with the next message. If it is refused, everything is given up.
    async fn next(mut self: Box<Self>, message: AppendMessage) -> Result<Box<Self>, Failure> {
        match self.take_next(message).await {
            Ok(()) => Ok(self),
            Err(error) => {
                self.abort().await;
                Err(error.into())
            }
        }
    }

    async fn take_next(&mut self, message: AppendMessage) -> Result<(), StoreError> {
        self.announced = self.announced.saturating_add(message.size);
        if !self.quota.fits(self.announced) {
            return Err(Rejection::OverQuota.into());
        }
        let next = Coming::new(&self.appending, message);
        let whole = std::mem::replace(&mut self.coming, next).finish().await?;
        self.appending.push(whole).await?;
        self.ends_at = self.ends_at.min(Instant::now() + MULTIAPPEND_WITHIN);
        Ok(())
    }

    async fn finish(self) -> Outcome {
        let last = match self.coming.finish().await {
            Ok(last) => last,
            Err(error) => {
                self.appending.abort().await;
                return Err(error.into());
            }
        };
        let appended = self.appending.finish(last).await.map_err(Failure::of_target)?;
        let numbers = appended.uids.first.get()..=appended.uids.last.get();
        let uids = numbers.filter_map(Uid::new).collect();
        Ok(Done::with(DoneCode::AppendUid(appended.uid_validity, uids), "appended"))
    }

    /// Gives all messages up.
    pub(super) async fn abort(self) {
        if let Ok(writer) = self.coming.writer {
            writer.abort().await;
        }
        self.appending.abort().await;
    }
}

impl Coming {
    fn new(appending: &Appending, message: AppendMessage) -> Self {
        Self {
            flags: message.flags.unwrap_or_default(),
            date: message.date.unwrap_or_else(internal_date_now),
            writer: Ok(appending.writer()),
        }
    }

    async fn push(&mut self, octets: &[u8]) {
        let Ok(writer) = &mut self.writer else { return };
        if let Err(error) = writer.push(octets).await {
            let failed = std::mem::replace(&mut self.writer, Err(error.of_upload()));
            if let Ok(writer) = failed {
                writer.abort().await;
            }
        }
    }

    async fn finish(self) -> Result<NewMessage, StoreError> {
        Ok(NewMessage {
            body: self.writer?.finish().await.map_err(StoreError::of_upload)?,
            flags: self.flags,
            date: self.date,
            pop3: None,
        })
    }
}
