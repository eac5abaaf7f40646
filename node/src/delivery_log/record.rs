//! One line of the log.
//!
//! Invariant: fields are only added, and with a default, so that every line ever written can be read.

use mail_model::AccountId;
use mailstore::front::Placed;
use serde::{Deserialize, Serialize};

use super::limits::{MESSAGE_ID_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX};

/// What became of one recipient of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// When that was settled, in milliseconds since 1970, UTC.
    pub time_ms: u64,
    /// The id of the mail transaction: what the client's `250` and the Received field name.
    pub id: String,
    /// The node that the client was connected to; for what comes from the queue, the one that led it.
    pub node: String,
    /// How the message came, as a Received field names it (RFC 3848), such as `ESMTPS`.
    pub protocol: String,
    /// The client's address; `local` over a unix socket.
    pub peer: String,
    /// Whether under TLS.
    pub tls: bool,
    /// What the client called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helo: Option<String>,
    /// The reverse path without brackets; empty for `<>`.
    pub sender: String,
    /// The forward path without brackets, as the client gave it.
    pub recipient: String,
    /// The Message-ID without brackets; absent where there is none, or the message never came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Bytes of the message as received; zero where it never came whole.
    pub bytes: u64,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Whether the recipient has the message, or why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// Committed: in a mailbox, or in a queue from where it will get there.
    Accepted {
        /// The id of the account.
        account: u64,
        /// The id of the mailbox; absent while queued.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mailbox: Option<u64>,
        /// The message's UID there; absent while queued.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uid: Option<u32>,
        /// Its EMAILID; absent while queued.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// Whether it waits in a queue.
        #[serde(default)]
        queued: bool,
        /// The id of the earlier transaction that put it there, where this one brought the same message again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first: Option<String>,
    },
    /// A permanent no.
    Refused {
        /// The reply code, 5xx.
        code: u16,
        /// The enhanced code, as in `5.1.1`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        enhanced: Option<String>,
        /// The text of the reply.
        text: String,
    },
    /// Not now; the client keeps the message.
    Deferred {
        /// The reply code, 4xx.
        code: u16,
        /// The enhanced code.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        enhanced: Option<String>,
        /// The text of the reply.
        text: String,
    },
}

impl Outcome {
    /// In the mailbox of `account`; `first` is the id of the transaction that this one repeats.
    #[must_use]
    pub fn placed(account: AccountId, placed: &Placed, first: Option<String>) -> Self {
        Self::Accepted {
            account: account.0,
            mailbox: Some(placed.mailbox.0),
            uid: Some(placed.uid.get()),
            email: Some(placed.email.to_string()),
            queued: false,
            first,
        }
    }
}

impl DeliveryRecord {
    /// Cuts what clients can make as long as they like, so that a line stays within what is read.
    pub(super) fn clip(&mut self) {
        for name in [
            &mut self.id,
            &mut self.node,
            &mut self.protocol,
            &mut self.peer,
            &mut self.sender,
            &mut self.recipient,
        ] {
            clip(name, NAME_BYTES_MAX);
        }
        clip_some(&mut self.helo, NAME_BYTES_MAX);
        clip_some(&mut self.message_id, MESSAGE_ID_BYTES_MAX);
        match &mut self.outcome {
            Outcome::Accepted { email, first, .. } => {
                clip_some(email, NAME_BYTES_MAX);
                clip_some(first, NAME_BYTES_MAX);
            }
            Outcome::Refused { enhanced, text, .. } | Outcome::Deferred { enhanced, text, .. } => {
                clip_some(enhanced, NAME_BYTES_MAX);
                clip(text, TEXT_BYTES_MAX);
            }
        }
    }
}

fn clip_some(text: &mut Option<String>, bytes_max: usize) {
    if let Some(text) = text {
        clip(text, bytes_max);
    }
}

fn clip(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
}
