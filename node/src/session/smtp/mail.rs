//! MAIL (RFC 5321 3.3): a transaction begins. For submission its sender is one of the account's addresses (incident i31),
//! or `<>`, which notices of mail programs bear (RFC 8098 3).

use std::collections::BTreeSet;

use mail_model::GroupId;
use mailstore::DeliveryId;
use mailstore::directory;
use smtp_wire::{MailRequest, Profile, Recipient, Reply, ReversePath, replies};

use super::data::Message;
use super::session::{End, Session};
use crate::clock::now_ms;

/// From an accepted MAIL to the end of its message.
pub(super) struct Transaction {
    pub(super) delivery: DeliveryId,
    /// The id as traces, replies and the delivery log have it.
    pub(super) id: String,
    /// In milliseconds since 1970.
    pub(super) began_ms: u64,
    pub(super) sender: ReversePath,
    pub(super) declared_bytes: Option<u64>,
    pub(super) recipients: Vec<Taken>,
    /// Groups that could not say in time how full their accounts are.
    pub(super) mute: BTreeSet<GroupId>,
    pub(super) message: Option<Message>,
}

/// An accepted RCPT.
pub(super) struct Taken {
    /// As the client gave it.
    pub(super) given: Recipient,
    /// Whom it stands for; never empty.
    pub(super) accounts: Vec<directory::Recipient>,
}

impl Transaction {
    fn new(request: MailRequest) -> Self {
        let delivery = DeliveryId::random();
        Self {
            delivery,
            id: text_of(delivery),
            began_ms: now_ms(),
            sender: request.reverse_path,
            declared_bytes: request.declared_bytes,
            recipients: Vec::new(),
            mute: BTreeSet::new(),
            message: None,
        }
    }

    /// Every account that gets the message, once for each recipient that stands for it.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &directory::Recipient> {
        self.recipients.iter().flat_map(|taken| &taken.accounts)
    }

    /// Gives up what came of the message.
    pub(super) fn abort(self) {
        if let Some(message) = self.message {
            message.abort();
        }
    }
}

/// An id as traces, replies and the delivery log have it: 32 hexadecimal digits.
pub(super) fn text_of(delivery: DeliveryId) -> String {
    delivery.to_string()
}

impl Session {
    pub(super) async fn mail(&mut self, request: MailRequest) -> Result<(), End> {
        if let Some(reply) = self.refuse_sender(&request.reverse_path).await {
            return Ok(self.pump.machine.refuse(reply)?);
        }
        self.transaction = Some(Transaction::new(request));
        Ok(self.pump.machine.accept()?)
    }

    async fn refuse_sender(&self, sender: &ReversePath) -> Option<Reply> {
        let ReversePath::Mailbox(mailbox) = sender else {
            return None;
        };
        if self.profile != Profile::Submission {
            return None;
        }
        let Some((user, address)) = self.user.as_ref().zip(mailbox.address()) else {
            return Some(replies::sender_not_owned());
        };
        match self.services.directory.may_send_as(user.account, &address).await {
            Ok(true) => None,
            Ok(false) => Some(replies::sender_not_owned()),
            Err(error) => {
                tracing::warn!(%error, "a sender cannot be checked");
                Some(replies::try_later())
            }
        }
    }
}
