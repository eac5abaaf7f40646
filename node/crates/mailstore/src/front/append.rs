//! APPEND, and MULTIAPPEND by the same command: all messages or none.

use mail_model::{FlagSet, InternalDate, MailboxId};

use super::{Account, Body, StoreError};
use crate::command::{AppendItem, AppendMessages, Appended};
use crate::id::IdSeed;
use crate::record::Pop3Identity;

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

impl Account {
    /// Appends messages, at least one. Uploads of messages that were refused are freed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn append(&self, mailbox: MailboxId, messages: Vec<NewMessage>) -> Result<Appended, StoreError> {
        let single = messages.len() == 1;
        let mut items = Vec::with_capacity(messages.len());
        let mut bodies = Vec::with_capacity(messages.len());
        let mut blob = None;
        for message in messages {
            let body = if single {
                message.body
            } else {
                message.body.into_upload(self.group()).await?
            };
            let (source, record) = body.source(self.group())?;
            blob = blob.or(record);
            items.push(AppendItem {
                source,
                flags: message.flags,
                date: message.date,
                thread_keys: body.thread_keys.clone(),
                pop3: message.pop3,
            });
            bodies.push(body);
        }
        let command = AppendMessages {
            account: self.id(),
            mailbox,
            seed: IdSeed::random(),
            messages: items,
        };
        let outcome = self.run(command, blob).await;
        if let Err(StoreError::Rejected(_)) = &outcome {
            for body in bodies {
                body.discard().await;
            }
        }
        outcome
    }
}
