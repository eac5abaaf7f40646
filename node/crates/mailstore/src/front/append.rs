//! APPEND and MULTIAPPEND: messages that come one after the other become messages of a mailbox by one command.
//!
//! Invariants
//! - All messages are there, or none (RFC 3502): one entry makes them messages. An entry has one blob, so the body of the
//!   last message goes with it; those before are uploaded while the next ones come.
//! - Of bodies that are on their way at most [`APPEND_BYTES_IN_FLIGHT`] are in memory, beside one body writer's.
//! - What is said of all messages together fits into one entry: at most [`MESSAGES_PER_APPEND`] of them, and
//!   [`APPEND_BYTES_MAX`].

use bytes::Bytes;
use futures::future::BoxFuture;
use mail_model::{FlagSet, InternalDate, MailboxId};
use tokio::task::JoinSet;

use super::{Account, Body, BodyWriter, StoreError};
use crate::command::{AppendItem, AppendMessages, Appended};
use crate::id::IdSeed;
use crate::limits::{
    APPEND_BYTES_IN_FLIGHT, APPEND_BYTES_MAX, APPEND_ITEM_BYTES, APPENDS_IN_FLIGHT, MESSAGES_PER_APPEND,
};
use crate::record::Pop3Identity;
use crate::rejection::{LimitKind, Rejection};

/// One message to append.
pub struct NewMessage {
    /// Its bytes, written for the account's group.
    pub body: Body,
    /// Its flags.
    pub flags: FlagSet,
    /// Its INTERNALDATE.
    pub date: InternalDate,
    /// UIDL and order that another server gave it, for import.
    pub pop3: Option<Pop3Identity>,
}

impl NewMessage {
    /// Bytes of what the entry says of it, or more.
    fn entry_bytes(&self) -> usize {
        let flags = self.flags.keywords.iter().map(|keyword| keyword.as_str().len() + 4);
        APPEND_ITEM_BYTES + self.body.structure().bytes.len() + flags.sum::<usize>()
    }
}

/// Messages on their way into one mailbox. Without [`Appending::finish`] none of them gets there; what was uploaded of
/// them is freed by [`Appending::abort`], else swept in an hour.
pub struct Appending {
    account: Account,
    mailbox: MailboxId,
    messages: Vec<NewMessage>,
    /// Bytes of what the entry will say of them.
    entry_bytes: usize,
    uploads: JoinSet<(usize, Result<(), StoreError>)>,
    /// Bytes that those hold.
    in_flight: usize,
}

impl Account {
    /// Begins to append messages.
    #[must_use]
    pub fn appending(&self, mailbox: MailboxId) -> Appending {
        Appending {
            account: self.clone(),
            mailbox,
            messages: Vec::new(),
            entry_bytes: 0,
            uploads: JoinSet::new(),
            in_flight: 0,
        }
    }

    /// Appends one message.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn append(&self, mailbox: MailboxId, message: NewMessage) -> Result<Appended, StoreError> {
        self.appending(mailbox).finish(message).await
    }
}

impl Appending {
    /// What takes the bytes of the next message.
    #[must_use]
    pub fn writer(&self) -> BodyWriter {
        self.account.store().body_writer([self.account.group()])
    }

    /// A message after which others come. Waits while too much is on its way. Not cancel safe, and after an error only
    /// [`Appending::abort`] helps.
    ///
    /// # Errors
    /// `Limit(Messages)` when one command cannot carry so much; else why an upload failed.
    pub async fn push(&mut self, mut message: NewMessage) -> Result<(), StoreError> {
        let upload = message.body.make_upload(self.account.group());
        self.take(message)?;
        match upload {
            Some((bytes, upload)) => self.upload(bytes, upload).await,
            None => Ok(()),
        }
    }

    fn take(&mut self, message: NewMessage) -> Result<(), StoreError> {
        self.entry_bytes += message.entry_bytes();
        self.messages.push(message);
        if self.messages.len() > MESSAGES_PER_APPEND || self.entry_bytes > APPEND_BYTES_MAX {
            return Err(Rejection::Limit(LimitKind::Messages).into());
        }
        Ok(())
    }

    async fn upload(
        &mut self,
        bytes: usize,
        upload: BoxFuture<'static, Result<(), StoreError>>,
    ) -> Result<(), StoreError> {
        while self.in_flight + bytes > APPEND_BYTES_IN_FLIGHT || self.uploads.len() >= APPENDS_IN_FLIGHT {
            if !self.settle_one().await? {
                break;
            }
        }
        self.in_flight += bytes;
        self.uploads.spawn(async move { (bytes, upload.await) });
        Ok(())
    }

    /// Waits for one upload; `false` when there is none.
    async fn settle_one(&mut self) -> Result<bool, StoreError> {
        let Some(joined) = self.uploads.join_next().await else {
            return Ok(false);
        };
        let (bytes, outcome) = joined.map_err(|error| StoreError::Broken(format!("upload task ended: {error}")))?;
        self.in_flight -= bytes;
        outcome.map(|()| true).map_err(StoreError::of_upload)
    }

    async fn settle_all(&mut self) -> Result<(), StoreError> {
        while self.settle_one().await? {}
        Ok(())
    }

    /// Makes them and a last one messages of the mailbox. If that is refused, what was uploaded is freed.
    ///
    /// # Errors
    /// See [`StoreError`]; whatever it is, none was appended, but for an uncertain one.
    pub async fn finish(mut self, last: NewMessage) -> Result<Appended, StoreError> {
        let ready = match self.take(last) {
            Ok(()) => self.settle_all().await,
            Err(error) => Err(error),
        };
        if let Err(error) = ready {
            self.abort().await;
            return Err(error);
        }
        let outcome = match self.command() {
            Ok((command, blob)) => self.account.run(command, blob).await,
            Err(error) => Err(error),
        };
        if outcome
            .as_ref()
            .is_err_and(|error| matches!(error, StoreError::Rejected(_)))
        {
            self.abort().await;
        }
        outcome
    }

    /// The command, and the body of the last message if that is inline.
    fn command(&self) -> Result<(AppendMessages, Option<Bytes>), StoreError> {
        let (mut items, mut blob) = (Vec::with_capacity(self.messages.len()), None);
        for message in &self.messages {
            let (source, record) = message.body.source(self.account.group())?;
            blob = blob.or(record);
            items.push(AppendItem {
                source,
                flags: message.flags.clone(),
                date: message.date,
                thread_keys: message.body.thread_keys.clone(),
                pop3: message.pop3.clone(),
            });
        }
        let command = AppendMessages {
            account: self.account.id(),
            mailbox: self.mailbox,
            seed: IdSeed::random(),
            messages: items,
        };
        Ok((command, blob))
    }

    /// Gives the messages up and frees what was uploaded, as long as the group can be reached; the rest is swept in an
    /// hour.
    pub async fn abort(mut self) {
        self.uploads.shutdown().await;
        for message in self.messages {
            if !message.body.discard().await {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mail_model::{KEYWORD_BYTES_MAX, SystemFlags};
    use replication::limits::PAYLOAD_BYTES_MAX;

    use super::*;
    use crate::codec;
    use crate::command::AnyCommand;
    use crate::limits::{KEYWORDS_PER_MESSAGE, THREAD_KEYS_MAX, UIDL_BYTES_MAX};
    use crate::testing::{ANN, Cluster, DATE, ONE, flags, keyword, name, noise};

    /// A message of which there is as much to say as can be, but for its structure.
    fn wordy(body: Body) -> NewMessage {
        let long = |at: usize| keyword(&format!("{at:0width$}", width = KEYWORD_BYTES_MAX));
        let mut all = flags(SystemFlags::SEEN | SystemFlags::DRAFT, &[]);
        all.keywords = (0..KEYWORDS_PER_MESSAGE).map(long).collect();
        NewMessage {
            body,
            flags: all,
            date: DATE,
            pop3: Some(Pop3Identity {
                uidl: "u".repeat(UIDL_BYTES_MAX),
                order: Some(u32::MAX),
            }),
        }
    }

    /// Refers to many others, and has parts to tell of.
    fn referring(parts: usize) -> Vec<u8> {
        let references: String = (0..2 * THREAD_KEYS_MAX)
            .map(|at| format!(" <{at}@test.example>\r\n"))
            .collect();
        let part = "--b\r\nContent-Type: text/plain; name=some-name\r\n\r\n\r\n";
        let head = format!("References:{references}Content-Type: multipart/mixed; boundary=b\r\n\r\n");
        format!("{head}{}--b--\r\n", part.repeat(parts)).into_bytes()
    }

    #[tokio::test]
    async fn an_entry_of_many_messages_is_bounded() {
        let (cluster, ann) = Cluster::with_account(ANN).await;
        let inbox = ann.mailbox(name("INBOX"), crate::front::Freshness::Latest).await;
        let mut appending = ann.appending(inbox.unwrap().info.id);
        let mut taken = 0;
        let error = loop {
            let message = wordy(cluster.body(&[ONE], &referring(500)).await);
            match appending.push(message).await {
                Ok(()) => taken += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.rejection(), Some(Rejection::Limit(LimitKind::Messages)));
        assert!(taken > 5, "{taken}");
        appending.messages.pop();
        let (command, _) = appending.command().unwrap();
        let sealed = codec::seal(&AnyCommand::from(command)).len();
        assert!(sealed <= PAYLOAD_BYTES_MAX, "{sealed}");
        // What is counted is not far from what is there.
        assert!(sealed > PAYLOAD_BYTES_MAX / 2, "{sealed}");
    }

    #[tokio::test]
    async fn what_is_said_of_a_message_is_no_more_than_is_counted() {
        let (cluster, ann) = Cluster::with_account(ANN).await;
        let inbox = ann.mailbox(name("INBOX"), crate::front::Freshness::Latest).await;
        for parts in [0, 1, 100] {
            let mut appending = ann.appending(inbox.as_ref().unwrap().info.id);
            appending
                .push(wordy(cluster.body(&[ONE], &referring(parts)).await))
                .await
                .unwrap();
            let (command, _) = appending.command().unwrap();
            assert_eq!(command.messages[0].thread_keys.len(), THREAD_KEYS_MAX);
            let item = codec::seal(&command.messages[0]).len();
            assert!(item <= appending.entry_bytes, "{item} of {}", appending.entry_bytes);
        }
    }

    #[tokio::test]
    async fn bodies_on_their_way_are_bounded() {
        let (cluster, ann) = Cluster::with_account(ANN).await;
        let inbox = ann.mailbox(name("INBOX"), crate::front::Freshness::Latest).await;
        let inbox = inbox.unwrap().info.id;
        for (len, most) in [(200_000, 3), (10, APPENDS_IN_FLIGHT)] {
            let mut appending = ann.appending(inbox);
            let mut seen = 0;
            for _ in 0..2 * APPENDS_IN_FLIGHT {
                let message = NewMessage {
                    body: cluster.body(&[ONE], &noise(len)).await,
                    flags: flags(SystemFlags::NONE, &[]),
                    date: DATE,
                    pop3: None,
                };
                appending.push(message).await.unwrap();
                assert!(appending.in_flight <= APPEND_BYTES_IN_FLIGHT);
                assert!(appending.uploads.len() <= APPENDS_IN_FLIGHT);
                seen = seen.max(appending.uploads.len());
            }
            assert_eq!(seen, most);
            appending.settle_all().await.unwrap();
            assert_eq!(appending.in_flight, 0);
            appending.abort().await;
        }
        cluster.check(ONE, &[ANN]);
    }
}
