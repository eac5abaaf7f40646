//! DATA and BDAT (RFC 5321 4.1.1.4, RFC 3030): the message on its way in.
//!
//! Invariants
//! - A message that fails on its way is still taken to its end, since the client listens only then.
//! - What was uploaded of a message that is given up is freed, if its groups can be reached, and no session waits for it.

use bytes::Bytes;
use mail_message::FieldReader;
use mailstore::StoreError;
use mailstore::front::BodyWriter;
use smtp_wire::Fault;

use super::limits::MESSAGE_ID_FIELD_BYTES;
use super::session::{End, Session};

const MESSAGE_ID: &[&str] = &["Message-ID"];

/// A message that arrives.
pub(super) struct Message {
    /// Where it goes, or why it goes nowhere any more.
    pub(super) body: Result<BodyWriter, StoreError>,
    /// Until its header is over.
    fields: Option<FieldReader<'static>>,
    message_id: Option<String>,
}

impl Message {
    fn new(writer: BodyWriter) -> Self {
        Self {
            body: Ok(writer),
            fields: Some(FieldReader::new(MESSAGE_ID, MESSAGE_ID_FIELD_BYTES)),
            message_id: None,
        }
    }

    async fn push(&mut self, bytes: &[u8]) {
        if self.fields.as_mut().is_some_and(|fields| fields.push(bytes)) {
            self.end_header();
        }
        let Ok(writer) = &mut self.body else {
            return;
        };
        if let Err(error) = writer.push(bytes).await
            && let Ok(writer) = std::mem::replace(&mut self.body, Err(error))
        {
            abort(writer);
        }
    }

    fn end_header(&mut self) {
        let fields = self.fields.take().map(FieldReader::finish).unwrap_or_default();
        self.message_id = fields.first().and_then(|field| message_id(&field.text()));
    }

    /// The Message-ID without its brackets, once the message is whole.
    pub(super) fn message_id(&mut self) -> Option<String> {
        if self.fields.is_some() {
            self.end_header();
        }
        self.message_id.clone()
    }

    /// Gives it up.
    pub(super) fn abort(self) {
        if let Ok(writer) = self.body {
            abort(writer);
        }
    }
}

/// Frees what was uploaded. In a task of its own: groups that are out of reach take their time.
fn abort(writer: BodyWriter) {
    if writer.size() > 0 {
        tokio::spawn(writer.abort());
    }
}

/// The id in a Message-ID field; where it has no brackets, its first word.
fn message_id(value: &str) -> Option<String> {
    let inside = value.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    let id = match inside {
        Some((id, _)) => id,
        None => value.split_whitespace().next()?,
    };
    (!id.is_empty()).then(|| id.to_owned())
}

impl Session {
    pub(super) fn data_start(&mut self) -> Result<(), End> {
        let transaction = self.transaction.as_mut().ok_or(End)?;
        let groups: Vec<_> = transaction.accounts().map(|account| account.group).collect();
        transaction.message = Some(Message::new(self.services.store.body_writer(groups)));
        Ok(self.pump.machine.accept()?)
    }

    pub(super) async fn chunk(&mut self, bytes: &Bytes) {
        let message = self.transaction.as_mut().and_then(|open| open.message.as_mut());
        if let Some(message) = message {
            message.push(bytes).await;
        }
    }

    /// The machine answers for every recipient, once the rest of the message is swallowed.
    pub(super) fn data_refused(&mut self, fault: Fault) {
        let Some(mut transaction) = self.transaction.take() else {
            return;
        };
        let message_id = transaction.message.as_mut().and_then(Message::message_id);
        self.log_data_refused(&transaction, message_id, &fault.reply());
        transaction.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_is_what_stands_in_the_brackets() {
        for (value, expected) in [
            ("<a@b>", Some("a@b")),
            ("(comment) <a@b> more", Some("a@b")),
            ("a@b more", Some("a@b")),
            ("<>", None),
            ("", None),
        ] {
            assert_eq!(message_id(value).as_deref(), expected, "{value}");
        }
    }
}
